"""Synchrony against closed forms, direct sums, the model's own numbers and published reference values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from arcuate import ctm
from arcuate.analysis import (
    analytic_signal,
    golomb_chi,
    order_parameter,
    phase_amplitude_coupling,
    spike_traces,
    synchrony,
    synchrony_kernel,
    synchrony_matrix,
)
from arcuate.errors import ArcuateError, MemoryLimitError, SpecError, UnknownNameError
from arcuate.recording import Recording

RNG = np.random.default_rng(11)
TRACES = RNG.normal(size=(3, 30, 5)) + 0.7
PAIRS = np.array([[0, 1, 2, 4], [3, 1, 0, 2]])
DECAY = np.array([0.0, 0.1, 0.5, 2.0])


def weighted(t: int, lag: int, p: int) -> np.ndarray:
    """Weights of the terms of pair p up to step t, oldest first."""
    return np.exp(-DECAY[p] * np.arange(t - lag, -1, -1))


def direct(kind: str, t: int, lag: int, p: int) -> np.ndarray:
    """The value of one pair by its definition, for all trials."""
    i, j = PAIRS[:, p]
    w = weighted(t, lag, p)
    x, y = TRACES[:, lag : t + 1, i], TRACES[:, : t + 1 - lag, j]
    if kind == "ctm":
        return (w * x * y).sum(1) / np.sqrt(w.sum())
    if kind == "corr":
        x = x - (w * x).sum(1, keepdims=True) / w.sum()
        y = y - (w * y).sum(1, keepdims=True) / w.sum()
    return (w * x * y).sum(1) / np.sqrt((w * x * x).sum(1) * (w * y * y).sum(1))


@pytest.mark.parametrize("kind", ["ctm", "cosine", "corr"])
@pytest.mark.parametrize("lag", [0, 3])
def test_the_sums_are_their_definitions(kind: str, lag: int) -> None:
    found = synchrony(TRACES, kind=kind, pairs=PAIRS, decay=DECAY, lag=lag)
    assert found.dims == ("trial", "step", "unit") and found.name == kind
    for t in (lag + 1, 12, 29):
        for p in range(4):
            np.testing.assert_allclose(found.values[:, t, p], direct(kind, t, lag, p), rtol=1e-9, atol=1e-10)
    assert np.isnan(found.values[:, :lag]).all()


def test_the_kind_of_the_model_is_what_the_model_computes() -> None:
    """From the start state and the recorded neurons of a thought to its recorded synchrony."""
    rng = np.random.default_rng(1)
    left, right = ctm.draw_neurons("random", 4, n_neurons=9, seed=2)
    weights: dict[str, Any] = {
        "start_activated_state": rng.normal(size=9), "start_trace": rng.normal(size=(9, 3)),
        "decay_params_out": rng.random(10), "out_neuron_indices_left": left,
        "out_neuron_indices_right": right, "synapses.1.weight": rng.normal(size=(18, 12)),
        "synapses.1.bias": rng.normal(size=18), "synapses.3.weight": np.ones(9),
        "synapses.3.bias": np.zeros(9),
        "trace_processor.0.0.w1": rng.normal(size=(3, 2, 9)), "trace_processor.0.0.b1": np.zeros((1, 9, 2)),
        "trace_processor.0.0.T": np.ones(1), "output_projector.0.weight": rng.normal(size=(2, 10)),
        "output_projector.0.bias": np.zeros(2),
    }  # fmt: skip
    rec = ctm.forward(rng.normal(size=(4, 3)), weights, ticks=12).recording(weights, source="numpy")
    z, recorded = rec.states("ctm/post")["z"].values, rec.states("ctm/sync_out")["S"]
    start = np.broadcast_to(weights["start_activated_state"], (4, 1, 9))
    pairs = np.stack([recorded["pre"].values, recorded["post"].values])
    found = synchrony(
        np.concatenate([start, z], axis=1), kind="ctm", pairs=pairs, decay=recorded["decay"].values
    )
    np.testing.assert_allclose(found.values[:, 1:], recorded.values, rtol=1e-12, atol=1e-13)


def test_a_copy_a_scaled_and_a_reversed_trace() -> None:
    x = RNG.normal(size=(2, 50, 1))
    traces = np.concatenate([x, 3 * x + 1, -x], axis=2)
    last = synchrony(traces, kind="corr", pairs=[[0, 0], [1, 2]], every=50).values[:, 0]
    np.testing.assert_allclose(last, [[1, -1]] * 2, rtol=1e-12)


def test_a_shifted_copy_is_found_at_its_lag() -> None:
    x = RNG.normal(size=400)
    traces = np.stack([np.roll(x, 4), x], axis=1)
    by_lag = [
        synchrony(traces, kind="corr", pairs=[[0], [1]], lag=lag, every=400).values[0, 0, 0]
        for lag in range(8)
    ]
    assert int(np.argmax(by_lag)) == 4 and by_lag[4] > 0.99
    assert max(np.abs(np.delete(by_lag, 4))) < 0.2


def test_phase_locking_of_sines() -> None:
    """1 for one frequency, .07 for 6 against 6.5 Hz over 9 s."""
    t = np.arange(9000) * 1e-3
    same = np.exp(2j * np.pi * np.stack([6 * t, 6 * t + 0.2], axis=1))
    other = np.exp(2j * np.pi * np.stack([6 * t, 6.5 * t], axis=1))
    assert plv(same) == pytest.approx(1.0, abs=1e-12)
    assert plv(other) == pytest.approx(0.0707, abs=5e-4)
    real = np.sin(2 * np.pi * np.stack([6 * t, 6 * t + 0.2], axis=1))
    assert plv(real) == pytest.approx(1.0, abs=1e-6)


def plv(traces: np.ndarray) -> float:
    """Phase-locking value of the first two units after the last step."""
    return float(synchrony(traces, kind="plv", pairs=[[0], [1]], every=len(traces)).values[0, 0, 0])


def test_phase_locking_by_chance_and_its_unbiased_form() -> None:
    """sqrt(pi / (4 n)) for n phases at random, and 0."""
    n = 50
    random = np.exp(2j * np.pi * RNG.random((4000, n, 2)))
    value = synchrony(random, kind="plv", pairs=[[0], [1]], every=n).values.mean()
    assert value == pytest.approx(np.sqrt(np.pi / (4 * n)), rel=0.03)
    consistency = synchrony(random, kind="ppc", pairs=[[0], [1]], every=n).values
    assert consistency.mean() == pytest.approx(0.0, abs=0.002)
    locking = synchrony(random, kind="plv", pairs=[[0], [1]], every=n).values
    np.testing.assert_allclose(consistency, (n * locking**2 - 1) / (n - 1), rtol=1e-9, atol=1e-12)


def test_consistency_with_a_decay_is_the_mean_over_pairs_of_steps() -> None:
    x = np.exp(2j * np.pi * RNG.random((1, 12, 2)))
    w = np.exp(-0.3 * np.arange(12)[::-1])
    difference = np.angle(x[0, :, 0] * x[0, :, 1].conj())
    both = np.outer(w, w) * np.cos(difference[:, None] - difference)
    np.fill_diagonal(both, 0.0)
    expected = both.sum() / (np.outer(w, w).sum() - (w**2).sum())
    found = synchrony(x, kind="ppc", pairs=[[0], [1]], decay=0.3, every=12).values
    assert found.item() == pytest.approx(expected, rel=1e-10)


def test_every_counts_back_from_the_last_step() -> None:
    whole = synchrony(TRACES, pairs=PAIRS, decay=DECAY)
    some = synchrony(TRACES, pairs=PAIRS, decay=DECAY, every=7)
    assert some["step"].values.tolist() == [1, 8, 15, 22, 29]
    np.testing.assert_array_equal(some.values, whole.values[:, some["step"].values])


def test_labels_of_a_recording_stay() -> None:
    traces = xr.DataArray(
        TRACES,
        dims=("trial", "tick", "unit"),
        coords={"tick": np.arange(1, 31), "stimulus": ("trial", list("abc"))},
    )
    found = synchrony(traces, every=10)
    assert found["tick"].values.tolist() == [10, 20, 30]
    assert found["stimulus"].values.tolist() == ["a", "b", "c"]
    assert found.sizes["unit"] == 15
    matrix = synchrony_matrix(found)
    assert matrix.dims == ("trial", "tick", "pre", "post")
    np.testing.assert_array_equal(matrix.values, np.swapaxes(matrix.values, -1, -2))
    np.testing.assert_allclose(matrix.sel(pre=2, post=2).values, 1.0)
    expected = TRACES[1].T @ TRACES[1]
    norm = np.sqrt(np.diag(expected))
    np.testing.assert_allclose(
        matrix.sel(trial=1, tick=30).values, expected / np.outer(norm, norm), rtol=1e-12
    )


def test_a_matrix_of_some_pairs_has_holes() -> None:
    matrix = synchrony_matrix(synchrony(TRACES, pairs=[[4], [1]], every=30))
    assert matrix["pre"].values.tolist() == [1, 4]
    assert np.isnan(matrix.values[0, 0]).tolist() == [[True, False], [False, True]]


@pytest.mark.parametrize("decay", [0.0, 0.2])
def test_the_kernel_is_the_inner_product_of_matrices(decay: float) -> None:
    """Of synchrony matrices that are written out, by the model's own kind."""
    last = synchrony(TRACES, kind="ctm", decay=decay, every=30)
    matrices = synchrony_matrix(last).values[:, 0]
    expected = np.einsum("aij,bij->ab", matrices, matrices)
    np.testing.assert_allclose(synchrony_kernel(TRACES, decay=decay).values, expected, rtol=1e-12)


@pytest.mark.parametrize(("n", "expected"), [(10, 0.316), (100, 0.1)])
def test_chi_of_independent_units(n: int, expected: float) -> None:
    chi = golomb_chi(RNG.normal(size=(5, 4000, n)))
    assert float(chi.mean()) == pytest.approx(expected, rel=0.03)


def test_chi_of_equally_correlated_units() -> None:
    """Correlation .5, 100 units: sqrt(.5 + .5 / 100) = .711; and chi by the sum of covariances."""
    common = RNG.normal(size=(5, 8000, 1))
    traces = np.sqrt(0.5) * (common + RNG.normal(size=(5, 8000, 100)))
    chi = golomb_chi(traces)
    assert chi.units == "1"
    assert float(chi.mean()) == pytest.approx(0.711, rel=0.01)
    covariance = np.cov(traces[0].T, bias=True)
    assert float(chi[0]) ** 2 == pytest.approx(covariance.sum() / (100 * np.trace(covariance)), rel=1e-12)
    assert np.isnan(golomb_chi(np.ones((1, 5, 2))).values).all()


def test_order_of_phases() -> None:
    k = 2 * np.pi * np.arange(60) / 20
    spread = np.exp(1j * (k[:, None] + np.linspace(0, 2 * np.pi, 8, endpoint=False)))
    np.testing.assert_allclose(order_parameter(spread).values, 0.0, atol=1e-12)
    np.testing.assert_allclose(order_parameter(np.repeat(spread[:, :1], 5, axis=1)).values, 1.0)
    by_chance = order_parameter(np.exp(2j * np.pi * RNG.random((1, 3000, 40)))).values.mean()
    assert by_chance == pytest.approx(np.sqrt(np.pi / 160), rel=0.03)


def test_an_analytic_signal_of_a_band() -> None:
    t = np.arange(400) / 100
    traces = (np.cos(2 * np.pi * 5 * t) + np.cos(2 * np.pi * 20 * t + 1))[:, None]
    slow = analytic_signal(traces, band=(3, 8), dt=0.01).values[0, :, 0]
    np.testing.assert_allclose(slow, np.exp(2j * np.pi * 5 * t), atol=1e-9)
    np.testing.assert_allclose(analytic_signal(TRACES).values.real, TRACES - TRACES.mean(1, keepdims=True))


@pytest.mark.parametrize(
    ("depth", "index", "vector"), [(0.0, 0.0, 0.0), (0.5, 0.0221, 0.25), (1.0, 0.1045, 0.5)]
)
def test_phase_amplitude_coupling(depth: float, index: float, vector: float) -> None:
    phase = np.linspace(0, 20 * np.pi, 20_000, endpoint=False) - 3.0
    found = phase_amplitude_coupling(np.angle(np.exp(1j * phase)), 1 + depth * np.cos(phase))
    assert found.modulation_index == pytest.approx(index, abs=2e-4)
    assert found.mean_vector_length == pytest.approx(vector, abs=1e-3)
    if depth:
        assert found.preferred_phase == pytest.approx(0.0, abs=1e-2)
        assert abs(found.phase[np.argmax(found.amplitude)]) < 0.36


def test_spikes_become_traces_cut_into_trials() -> None:
    spikes = {"exc": {"time": [0.010, 0.015, 0.230], "neuron": [0, 1, 1], "n": 3}}
    rec = Recording.build(source="numba", spikes=spikes, duration=0.4)
    found = spike_traces(rec, dt="5 ms", tau="20 ms", trial="200 ms")
    assert found.shape == (2, 40, 3)
    assert found.sel(time=0.010, method="nearest").values[0].tolist() == [1.0, 0.0, 0.0]
    late = found.values[0, 39]
    np.testing.assert_allclose(late[:2], np.exp([-0.19 / 0.02, -0.185 / 0.02]))
    # the run goes on: what is left of the spike in the trial before adds exp(-0.215 / 0.02)
    left = 1 + np.exp(-0.215 / 0.02)
    np.testing.assert_allclose(found.values[1, 5:8, 1], left * np.exp(-np.arange(3) * 0.25))
    assert spike_traces(rec, dt="5 ms", tau="20 ms", trial="100 ms", n_trials=3).sizes["trial"] == 3


def test_products_of_traces_count_coincidences() -> None:
    """Two spikes at a distance d add (tau / 2) exp(-d / tau)."""
    spikes = {"exc": {"time": [0.100, 0.112], "neuron": [0, 1], "n": 2}}
    rec = Recording.build(source="numba", spikes=spikes, duration=0.5)
    traces = spike_traces(rec, dt="0.1 ms", tau="10 ms", trial="500 ms")
    last = synchrony(traces, kind="ctm", pairs=[[0], [1]], every=5000).item()
    assert last * np.sqrt(5000) * 1e-4 == pytest.approx(0.005 * np.exp(-1.2), rel=0.02)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: synchrony(TRACES, kind="cosin"), UnknownNameError, "cosine"),
        (lambda: synchrony(TRACES, pairs=[[0], [5]]), SpecError, "0 to 4"),
        (lambda: synchrony(TRACES, pairs=[[0.5], [1.0]]), SpecError, "pairs"),
        (lambda: synchrony(TRACES, pairs=PAIRS, decay=[0.1, 0.2]), SpecError, "4 pairs"),
        (lambda: synchrony(TRACES, decay=-1.0), SpecError, "decay"),
        (lambda: synchrony(TRACES, lag=-1), SpecError, "lag"),
        (lambda: synchrony(TRACES, lag=30), SpecError, "lag"),
        (lambda: synchrony(TRACES, every=0), SpecError, "every"),
        (lambda: synchrony(np.full((1, 3, 2), np.nan)), SpecError, "finite"),
        (lambda: synchrony(np.zeros((1, 4000, 1500))), MemoryLimitError, "every="),
        (lambda: synchrony(TRACES + 0j), SpecError, "real"),
        (lambda: synchrony_matrix(xr.DataArray(np.ones(3), dims="unit")), SpecError, "pre and post"),
        (lambda: synchrony_kernel(TRACES, decay=-0.1), SpecError, "decay"),
        (lambda: analytic_signal(TRACES, band=(0.51, 0.6)), SpecError, "band"),
        (lambda: analytic_signal(TRACES, band=(0.3, 0.2)), SpecError, "band"),
        (lambda: analytic_signal(TRACES[:, :3]), SpecError, "4 steps"),
        (lambda: golomb_chi(TRACES[:, :1]), SpecError, "2 steps"),
        (lambda: phase_amplitude_coupling([0.0, 1.0], [1.0]), SpecError, "2 samples"),
        (lambda: phase_amplitude_coupling([0.0, 1.0], [1.0, -1.0]), SpecError, "amplitude"),
        (lambda: phase_amplitude_coupling([0.0, 1.0], [1.0, 1.0]), SpecError, "empty"),
        (lambda: golomb_chi([[1.0, 2.0], [3.0]]), SpecError, "traces"),
        (lambda: order_parameter([[1.0, 2.0], [3.0]]), SpecError, "traces"),
        (lambda: synchrony(TRACES, pairs=[[0], [1, 2]]), SpecError, "pairs"),
        (lambda: analytic_signal(TRACES, band=0.2), SpecError, "band"),
        (lambda: spike_traces(3, dt="1 ms", tau="2 ms", trial="10 ms"), SpecError, "Recording"),
    ],
    ids=range(25),
)  # fmt: skip
def test_what_is_refused(call: Any, kind: type[ArcuateError], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        call()
    assert str(caught.value).count("\n") < 4
