"""Surrogates keep what they say and break what they say; p values are right under the null."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.stats import false_discovery_control, kstest

from arcuate import connectome
from arcuate.connectome import SharedEvents, p_values
from arcuate.errors import ArcuateError, SpecError
from arcuate.recording import Recording

TRACES = SharedEvents(n_neurons=8, n_animals=3, n_frames=240, size=4, missing=0.2).draw(3).traces
KINDS: dict[str, Any] = {
    "circular_shift": lambda traces, **kw: connectome.circular_shift(traces, **kw),
    "phase_randomize": lambda traces, **kw: connectome.phase_randomize(traces, **kw),
    "common phases": lambda traces, **kw: connectome.phase_randomize(traces, common=True, **kw),
    "iaaft": lambda traces, **kw: connectome.iaaft(traces, **kw),
    "permute_blocks": lambda traces, **kw: connectome.permute_blocks(traces, block="7 s", **kw),
    "shuffle_animals": lambda traces, **kw: connectome.shuffle_animals(traces, **kw),
}


def spectra(traces: xr.DataArray) -> np.ndarray:
    return np.abs(np.fft.rfft(np.nan_to_num(traces.values)))


def correlations(traces: xr.DataArray) -> np.ndarray:
    n = traces.sizes["neuron"]
    return np.array([np.corrcoef(row)[np.triu_indices(n, 1)] for row in traces.values])


@pytest.mark.parametrize("kind", KINDS)
def test_one_seed_gives_many_and_each_again(kind: str) -> None:
    make = KINDS[kind]
    first, again, next_one, other = (
        make(TRACES, seed=s, number=k) for s, k in ((1, 0), (1, 0), (1, 1), (2, 0))
    )
    assert first.equals(again)
    assert not first.equals(next_one)
    assert not first.equals(other)
    assert (first.isnull() == TRACES.isnull()).all()
    assert first.attrs == TRACES.attrs and first.coords.equals(TRACES.coords)


@pytest.mark.parametrize("kind", ["circular_shift", "iaaft", "permute_blocks"])
def test_values_are_kept(kind: str) -> None:
    out = KINDS[kind](TRACES, seed=1)
    np.testing.assert_array_equal(np.sort(out.values, axis=2), np.sort(TRACES.values, axis=2))


@pytest.mark.parametrize("kind, rtol", [("circular_shift", 1e-9), ("phase_randomize", 1e-9),
                                        ("common phases", 1e-9)])  # fmt: skip
@pytest.mark.parametrize("frames", [240, 239])
def test_spectra_are_kept(kind: str, rtol: float, frames: int) -> None:
    traces = TRACES.isel(time=slice(frames))
    np.testing.assert_allclose(spectra(KINDS[kind](traces, seed=1)), spectra(traces), rtol=rtol, atol=1e-9)


def test_iaaft_keeps_the_spectrum_better_than_a_shuffle_by_far() -> None:
    wanted = spectra(TRACES)
    out = spectra(connectome.iaaft(TRACES, seed=1))
    rng = np.random.default_rng(1)
    shuffled = np.abs(np.fft.rfft(rng.permuted(np.nan_to_num(TRACES.values), axis=2)))
    error, rough = (np.linalg.norm(s - wanted) / np.linalg.norm(wanted) for s in (out, shuffled))
    assert error < 0.05 < 0.3 < rough


def test_common_phases_keep_cross_spectra() -> None:
    traces = SharedEvents(n_animals=2).draw(1).traces
    out = connectome.phase_randomize(traces, common=True, seed=1)
    cross = [np.einsum("ant,amt->anmt", *(f(np.fft.rfft(x.values)) for f in (np.asarray, np.conj)))
             for x in (traces, out)]  # fmt: skip
    np.testing.assert_allclose(cross[0], cross[1], atol=1e-8 * np.abs(cross[0]).max())


@pytest.mark.parametrize("kind", ["circular_shift", "phase_randomize", "iaaft", "shuffle_animals"])
def test_pairing_is_broken(kind: str) -> None:
    task = SharedEvents(n_neurons=10, n_communities=1, size=10, active_share=1.0, present_share=1.0,
                        n_animals=6, noise=0.05, private_rate=0.0)  # fmt: skip
    traces = task.draw(1).traces
    assert correlations(traces).mean() > 0.4
    assert abs(correlations(KINDS[kind](traces, seed=1)).mean()) < 0.3 * correlations(traces).mean()


@pytest.mark.parametrize("kind", ["common phases", "permute_blocks"])
def test_pairing_is_kept_and_time_is_not(kind: str) -> None:
    traces = SharedEvents(n_animals=2, n_frames=240).draw(1).traces
    block = {"permute_blocks": lambda t, **kw: connectome.permute_blocks(t, block="6 s", **kw)}
    out = (KINDS | block)[kind](traces, seed=1)
    np.testing.assert_allclose(correlations(out), correlations(traces), atol=1e-9)
    assert abs(np.corrcoef(out.values.ravel(), traces.values.ravel())[0, 1]) < 0.6


def test_shifts_are_shifts_of_more_than_a_tenth() -> None:
    whole = TRACES.dropna("neuron")
    seen = set()
    for number in range(40):
        out = connectome.circular_shift(whole, seed=1, number=number)
        for row, moved in zip(whole.values[0], out.values[0], strict=True):
            (shift,) = (k for k in range(240) if np.array_equal(np.roll(row, k), moved))
            seen.add(min(shift, 240 - shift))
    assert 24 < min(seen) < 30 and max(seen) > 110


def test_epochs_of_unequal_length_are_permuted_whole() -> None:
    time = np.arange(40) / 4
    traces = xr.DataArray(np.stack((np.arange(40.0), -np.arange(40.0))), dims=("neuron", "time"),
                          coords={"time": time})  # fmt: skip
    orders = set()
    for number in range(30):
        out = connectome.permute_blocks(traces, block=["2 s", "3 s", "4 s"], seed=1, number=number)
        row = out.values[0, 0]
        assert (row[36:] == np.arange(36, 40)).all()
        steps = np.flatnonzero(np.diff(row[:36]) != 1)
        assert len(steps) <= 2
        assert (out.values[0, 1] == -row).all()
        orders.add(tuple(row[[0, 35]]))
    assert len(orders) >= 4


def test_animals_are_shuffled_for_each_neuron_by_itself() -> None:
    out = connectome.shuffle_animals(TRACES, seed=5)
    np.testing.assert_allclose(np.sort(out.values, axis=0), np.sort(TRACES.values, axis=0))
    source = [
        [next((j for j in range(3) if np.array_equal(out[k, n], TRACES[j, n])), -1) for n in range(8)]
        for k in range(3)
    ]
    assert len({tuple(column) for column in np.array(source).T}) > 1


def test_dithered_spikes_stay_close_and_within() -> None:
    rng = np.random.default_rng(1)
    spikes = [np.sort(rng.uniform(0, 10, n)) for n in (0, 1, 200)]
    out = connectome.dither_spikes(spikes, width="50 ms", duration="10 s", seed=1)
    assert [len(train) for train in out] == [0, 1, 200]
    for train in out:
        assert (np.diff(train) >= 0).all() and (train >= 0).all() and (train <= 10).all()
    assert 0 < np.abs(out[2] - spikes[2]).max() <= 0.05 + 1e-12
    again = connectome.dither_spikes(spikes, width="50 ms", duration="10 s", seed=1, number=1)
    assert not np.array_equal(out[2], again[2])


def test_shuffled_intervals_are_the_same_intervals() -> None:
    rng = np.random.default_rng(1)
    spikes = [np.sort(rng.uniform(0, 10, n)) for n in (0, 1, 2, 100)]
    out = connectome.shuffle_intervals(spikes, duration="10 s", seed=1)
    for before, after in zip(spikes, out, strict=True):
        assert after.size == before.size
        np.testing.assert_allclose(np.sort(np.diff(after)), np.sort(np.diff(before)), atol=1e-9)
        assert (after >= 0).all() and (after <= 10).all()
    assert not np.allclose(np.diff(out[3]), np.diff(spikes[3]))


def test_epochs_are_placed_anew_without_overlap() -> None:
    epochs = [(30.0, 48.0), (95.0, 112.0), (190.0, 208.0)]
    firsts = []
    for number in range(400):
        placed = connectome.shuffle_epochs(epochs, duration="240 s", seed=1, number=number)
        edges = np.ravel(placed)
        assert (np.diff(edges) >= 0).all() and edges[0] >= 0 and edges[-1] <= 240
        np.testing.assert_allclose(sorted(np.diff(placed, axis=1).ravel()), [17, 18, 18])
        firsts.append(edges[0] / (240 - 53))
    assert kstest(firsts, "beta", args=(1, 3)).pvalue > 0.01  # the smallest of three uniform numbers
    with pytest.raises(SpecError, match="without overlap"):
        connectome.shuffle_epochs([(5.0, 9.0), (8.0, 12.0)], duration="60 s", seed=1)


def test_components_that_follow_a_stimulus_are_told_from_others() -> None:
    times, rng = np.arange(480) / 2, np.random.default_rng(0)
    epochs = [(30.0, 48.0), (95.0, 112.0), (190.0, 208.0)]
    inside = np.any([(times >= a) & (times < b) for a, b in epochs], axis=0)
    slow = np.abs(np.convolve(rng.normal(size=520), np.ones(41) / 41, "valid"))
    found = connectome.epoch_test(
        np.stack((inside + 0.5 * rng.random(480), slow, np.ones(480)), axis=1), epochs, times=times
    )
    assert found.correlation[0] == pytest.approx(
        np.corrcoef(inside, inside + 0.5 * np.random.default_rng(0).random(480))[0, 1], abs=0.05
    )
    assert found.p[0] == 0.001 and found.p[1] > 0.05 and np.isnan(found.p[2])
    with pytest.raises(SpecError, match="hold a sample"):
        connectome.epoch_test(np.ones((480, 1)), [(0.1, 0.2)], times=times)
    with pytest.raises(SpecError, match="n_times, n_components"):
        connectome.epoch_test(np.ones(480), epochs, times=times)
    with pytest.raises(SpecError, match=r"times\[1\] = .*: must ascend"):
        connectome.epoch_test(np.ones((480, 1)), epochs, times=times[::-1])


def test_where_a_clock_starts_does_not_matter() -> None:
    times, rng = np.arange(200) / 2, np.random.default_rng(0)
    epochs = [(20.0, 30.0), (70.0, 77.0)]
    loadings = np.abs(np.cumsum(rng.normal(size=(200, 3)), axis=0))
    one = connectome.epoch_test(loadings, epochs, times=times, n_null=99)
    later = [(start + 600, stop + 600) for start, stop in epochs]
    xr.testing.assert_identical(one, connectome.epoch_test(loadings, later, times=times + 600, n_null=99))
    with pytest.raises(SpecError, match="within 600 to 700 s"):
        connectome.epoch_test(loadings, epochs, times=times + 600)


def test_epochs_are_rows_or_the_events_of_a_recording() -> None:
    rows = [(2.0, 5.0, "NaCl"), (7.0, 9.0, "air")]
    events = {"stimulus": ["NaCl", "air"], "time": [2.0, 7.0], "duration": [3.0, 2.0]}
    table = Recording.build(source="test", events=events).events
    loadings, times = np.random.default_rng(0).random((20, 2)), np.arange(20) / 2
    one, two = (connectome.epoch_test(loadings, given, times=times, n_null=19) for given in (rows, table))
    xr.testing.assert_identical(one, two)
    for wrong in ([(1, 2, 3)], [(1,)], [3], 3, [(5, 2)], [("a", "b")], {"time": [1.0]}):
        with pytest.raises(SpecError, match=r"epochs.*must be"):
            connectome.shuffle_epochs(wrong, duration="60 s", seed=1)


def test_p_is_uniform_under_the_null() -> None:
    found = []
    for seed in range(60):
        task = SharedEvents(n_neurons=2, size=2, n_animals=1, n_frames=200, event_rate=0.0, private_rate=0.05)
        drawn = task.draw(seed).traces
        null = [correlations(connectome.circular_shift(drawn, seed=seed, number=k))[0, 0] for k in range(19)]
        found.append(p_values(correlations(drawn)[0, 0], null))
    levels = np.array(found) - np.random.default_rng(0).uniform(0, 0.05, 60)
    assert kstest(levels, "uniform").pvalue > 0.01


def test_p_against_a_count() -> None:
    rng = np.random.default_rng(1)
    seen, null = rng.normal(size=(3, 4)), rng.normal(size=(99, 3, 4))
    p, most, shared = (p_values(seen, null, correction=how) for how in (None, "max", "bh"))
    for index in np.ndindex(3, 4):
        assert p[index] == (1 + sum(draw[index] >= seen[index] for draw in null)) / 100
        assert most[index] == (1 + sum(draw.max() >= seen[index] for draw in null)) / 100
    np.testing.assert_allclose(shared.ravel(), false_discovery_control(p.ravel()), rtol=1e-12)
    seen[0, 0] = np.nan
    assert np.isnan(p_values(seen, null, correction="bh")[0, 0])
    assert np.isfinite(p_values(seen, null, correction="max").ravel()[1:]).all()


def test_max_correction_bounds_any_false_one() -> None:
    rng = np.random.default_rng(1)
    draws = ((rng.normal(size=30), rng.normal(size=(39, 30))) for _ in range(400))
    false = [p_values(*draw, correction="max").min() <= 0.05 for draw in draws]
    assert 0.02 < np.mean(false) < 0.09


WRONG: dict[str, Any] = {
    "min_shift": lambda: connectome.circular_shift(TRACES, seed=1, min_shift=0.5),
    "number": lambda: connectome.circular_shift(TRACES, seed=1, number=-1),
    "seed": lambda: connectome.iaaft(TRACES, seed=1.5),  # type: ignore[arg-type]
    "block": lambda: connectome.permute_blocks(TRACES, block="50 s", seed=1),
    "max_iter": lambda: connectome.iaaft(TRACES, seed=1, max_iter=0),
    "traces": lambda: connectome.shuffle_animals(TRACES.isel(animal=[0]).dropna("neuron"), seed=1),
    "width": lambda: connectome.dither_spikes([[0.1]], width="2 s", duration="1 s", seed=1),
    r"spikes\[1\]": lambda: connectome.shuffle_intervals([[0.1], [3.0]], duration="1 s", seed=1),
    "null": lambda: p_values([1.0, 2.0], [1.0, 2.0]),
    "correction": lambda: p_values(1.0, [1.0], correction="fdr"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_makes_no_sense_is_refused_by_name(name: str) -> None:
    with pytest.raises(ArcuateError, match=name):
        WRONG[name]()


def test_null_without_numbers() -> None:
    with pytest.raises(SpecError, match="must be numbers"):
        p_values(1.0, [np.nan])
