"""Dynamical similarity: known systems, exact turns, invariances, and what the score is read beside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from linear_systems import oscillators, trials, turn
from scipy.stats import kstest

from arcuate.compare import (
    choose_embedding,
    dsa,
    dsa_grid,
    dsa_measure,
    dsa_surrogates,
    fit_dynamics,
    operator_distance,
)
from arcuate.compare._alignment import best_alignment, least_distance
from arcuate.errors import CapabilityError

ONE, OTHER = oscillators((0.3, 0.8)), oscillators((0.5, 1.2))


def test_a_known_operator_is_found() -> None:
    states = trials(ONE, np.random.default_rng(0), n=20)
    fit = fit_dynamics(states, n_delays=1, rank=4)
    true = np.linalg.eigvals(ONE)
    assert np.abs(true[:, None] - fit.eigenvalues).min(axis=0).max() < 0.01
    spectrum = fit.spectrum(dt=0.01)
    np.testing.assert_allclose(np.sort(spectrum.frequency)[::2], [4.8, 12.7], atol=0.3)
    np.testing.assert_allclose(spectrum.time_constant, -0.01 / np.log(0.95), rtol=0.2)
    assert spectrum.frequency.attrs["units"] == "Hz"


def test_delays_show_what_one_unit_hides() -> None:
    seen = trials(ONE, np.random.default_rng(1), n=20, noise=0.0).sum(axis=2, keepdims=True)
    fit = fit_dynamics(seen, n_delays=6, rank=4, ridge=0.0, center=False)
    true = np.linalg.eigvals(ONE)
    assert np.abs(true[:, None] - fit.eigenvalues).min(axis=0).max() < 1e-6


def test_prediction_is_that_of_the_true_system() -> None:
    states = trials(ONE, np.random.default_rng(2), noise=0.0)
    fit = fit_dynamics(states, n_delays=2, rank=4, ridge=1e-12, center=False)
    for ahead in (1, 7):
        np.testing.assert_allclose(fit.predict(states, n_ahead=ahead), states[:, 1 + ahead :], atol=1e-6)


def test_prediction_with_inputs_is_that_of_the_true_system() -> None:
    rng = np.random.default_rng(3)
    drive = rng.standard_normal((10, 60, 4)) * [1.0, 0.5, 0.0, 2.0]
    states = trials(ONE, rng, steps=60, noise=0.0, drive=drive)
    fit = fit_dynamics(states, n_delays=1, rank=4, inputs=drive, ridge=1e-12, center=False)
    np.testing.assert_allclose(
        np.sort_complex(fit.eigenvalues), np.sort_complex(np.linalg.eigvals(ONE)), atol=1e-8
    )
    np.testing.assert_allclose(fit.predict(states, n_ahead=3, inputs=drive), states[:, 3:], atol=1e-7)


@pytest.mark.parametrize("mirror", [False, True], ids=["rotation", "reflection"])
@pytest.mark.parametrize("r", [2, 5, 8, 12])
def test_an_exact_turn_is_found(r: int, mirror: bool) -> None:
    rng = np.random.default_rng([r, mirror])
    for _ in range(5):
        a, q = rng.standard_normal((r, r)) / np.sqrt(r), turn(r, rng, mirror=mirror)
        found = best_alignment(a, q.T @ a @ q, n_starts=20, seed=0)
        assert found.distance < 1e-10
        np.testing.assert_allclose(found.rotation @ (q.T @ a @ q) @ found.rotation.T, a, atol=1e-10)


def test_no_rotation_in_two_dimensions_is_better() -> None:
    """In two dimensions all of O(2) can be tried."""
    rng = np.random.default_rng(4)
    angles = np.linspace(0, 2 * np.pi, 1001)
    for _ in range(10):
        a, b = rng.standard_normal((2, 2, 2))
        c = np.stack(
            [np.stack([np.cos(angles), -np.sin(angles)]), np.stack([np.sin(angles), np.cos(angles)])]
        )
        all_of_it = [
            np.linalg.norm(a - q @ b @ q.T)
            for q in np.concatenate([c.transpose(2, 0, 1), c.transpose(2, 0, 1) @ np.diag([1.0, -1.0])])
        ]
        found = best_alignment(a, b, n_starts=10, seed=0).distance
        assert min(all_of_it) - 1e-4 < found <= min(all_of_it) + 1e-12
        assert found >= least_distance(a, b) - 1e-12


def test_same_system_turned_and_another() -> None:
    rng = np.random.default_rng(5)
    x, other = trials(ONE, rng), trials(OTHER, rng)
    same = trials(ONE, rng) @ turn(4, rng) * 3.0 + 7.0
    for score in ("angular", "euclidean", "wasserstein_squared"):
        near, far = (dsa(x, y, n_delays=2, rank=4, score=score, n_splits=5) for y in (same, other))
        assert near.value < 1.5 * near.halves.max() and near.halves.mean() < 1.5 * near.self_distance
        assert far.value > 4 * far.self_distance and far.value >= far.least
    text = repr(dsa(x, other, n_delays=2, rank=4))
    assert "to itself" in text and "starts at the minimum" in text


def test_eigenvalues_alone_miss_what_is_not_normal() -> None:
    plain, sheared = np.diag([0.9, 0.5]), np.array([[0.9, 2.0], [0.0, 0.5]])
    assert operator_distance(plain, sheared, score="wasserstein_squared") < 1e-20
    assert operator_distance(plain, sheared) > 0.5


def test_inputs_are_taken_out() -> None:
    """One system, driven by slow sines or by white noise: plain fits see the inputs, driven ones do not."""
    rng = np.random.default_rng(6)
    time = np.arange(200)[None, :, None]
    slow = 2 * np.sin(0.15 * time + rng.uniform(0, 6, (12, 1, 2)))
    fast = rng.standard_normal((12, 200, 2))
    into = rng.standard_normal((2, 4))
    x = trials(ONE, rng, n=12, drive=slow @ into)
    y = trials(ONE, rng, n=12, drive=fast @ into) @ turn(4, rng, mirror=True)
    plain = dsa(x, y, n_delays=1, rank=4)
    driven = dsa(x, y, n_delays=1, rank=4, inputs=(slow, fast))
    assert driven.halves.mean() < 2 * driven.self_distance
    assert plain.halves.mean() > 5 * plain.self_distance
    assert driven.value < 0.1 * plain.value


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["angular", "euclidean", "wasserstein_squared"]))
def test_invariance_symmetry_identity(seed: int, score: str) -> None:
    rng = np.random.default_rng(seed)
    x, y = trials(ONE, rng, n=3, steps=60), trials(OTHER, rng, n=3, steps=60)
    measure = dsa_measure(n_delays=2, rank=3, score=score)
    one, two = measure.prepare(x), measure.prepare(y)
    value = measure.score(one, two)
    assert measure.low <= value <= measure.high and value == measure.score(two, one)
    assert measure.score(one, one) < 1e-6
    changed = (x[:, :, rng.permutation(4)] @ turn(4, rng)) * rng.uniform(0.1, 10) + rng.normal(size=4)
    assert measure.score(measure.prepare(changed), two) == pytest.approx(value, abs=1e-6)


def test_there_is_no_null_by_permutation() -> None:
    measure = dsa_measure(n_delays=1, rank=2)
    with pytest.raises(CapabilityError, match="dsa_surrogates"):
        measure.null(None, None, np.zeros((1, 4), dtype=int))


def test_surrogates_keep_time_constants_and_lose_rotation() -> None:
    rng = np.random.default_rng(7)
    x, same = trials(ONE, rng), trials(ONE, rng) @ turn(4, rng)
    assert dsa_surrogates(x, same, n_delays=1, rank=4, n_surrogates=39).p == pytest.approx(1 / 40)


@pytest.mark.parametrize("score", ["wasserstein_squared", pytest.param("angular", marks=pytest.mark.slow)])
def test_p_is_uniform_where_components_do_not_act_on_each_other(score: str) -> None:
    options: dict[str, Any] = {"n_delays": 1, "rank": 4, "n_surrogates": 19, "n_starts": 1, "score": score}
    p = []
    for seed in range(40):
        rng = np.random.default_rng([20, seed])
        lone = [trials(np.diag([0.9, 0.8, 0.6, 0.3]), rng) * [8, 4, 2, 1] for _ in range(2)]
        p.append(dsa_surrogates(*lone, **options).p)
    assert kstest(p, "uniform").pvalue > 0.01


def test_a_single_component_has_no_other_to_lose() -> None:
    states = np.cumsum(np.random.default_rng(0).normal(size=(2, 10, 40, 1)), axis=2)
    found = dsa_surrogates(states[0], states[1], n_delays=2, rank=2, n_surrogates=19)
    np.testing.assert_allclose(found.null, found.value, rtol=0, atol=1e-10)
    assert found.p == 1


@pytest.mark.parametrize("criterion", ["mase", "aic"])
def test_the_true_rank_is_chosen(criterion: str) -> None:
    rng = np.random.default_rng(8)
    x, y = (trials(m, rng) @ rng.standard_normal((4, 6)) for m in (ONE, OTHER))
    x, y = (v + 0.05 * rng.standard_normal(v.shape) for v in (x, y))
    found = choose_embedding(x, y, n_delays=[1, 2], ranks=[1, 2, 3, 4, 5, 6, 7], criterion=criterion)
    assert found.attrs["rank"] == 4
    assert np.isnan(found.error.sel(n_delays=1, rank=7)) and found.error.sel(rank=2).min() > found.error.min()


def test_defaults_choose_and_a_grid_shows() -> None:
    rng = np.random.default_rng(9)
    x, y = trials(ONE, rng, steps=60), trials(OTHER, rng, steps=60)
    chosen = dsa(x, y, n_splits=2)
    assert chosen.x.rank == 4
    grid = dsa_grid(x, y, n_delays=[2, 3, 4], ranks=[3, 4, 6], n_starts=20)
    assert grid.value.shape == (3, 3) and (grid.value > 5 * grid.self_x).sel(rank=4).all()
    assert (grid.self_x.sel(rank=6) > 2 * grid.self_x.sel(rank=4)).all()


def test_axis_and_step_are_named() -> None:
    rng = np.random.default_rng(10)
    time = {"time": 0.02 * np.arange(60)}
    x, y = (
        xr.DataArray(trials(ONE, rng, steps=60), dims=("trial", "time", "unit"), coords=time) for _ in "xy"
    )
    found = dsa(x, y, n_delays=1, rank=4)
    assert found.axis == "time" and found.dt == pytest.approx(0.02)
    assert {"frequency", "modulus"} <= set(found.spectra()) and found.spectra().sizes == {
        "system": 2,
        "mode": 4,
    }
    assert dsa(x.values, y, n_delays=1, rank=4).axis == "time"
    assert float(dsa(x, y.values, n_delays=1, rank=4)) == found.value


@pytest.mark.slow
@pytest.mark.timeout(3000)
@settings(max_examples=10_000, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_operators_many(seed: int, r: int) -> None:
    """Range, symmetry, the lower bound, and turns of either operator, of 10 000 random pairs."""
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, r, r)) * rng.uniform(0.1, 2, (2, 1, 1))
    q = turn(r, rng, mirror=bool(seed % 2))
    value = operator_distance(a, b, score="euclidean")
    assert least_distance(a, b) - 1e-9 <= value <= np.linalg.norm(a) + np.linalg.norm(b)
    assert value <= np.linalg.norm(a - b) + 1e-12
    assert operator_distance(b, a, score="euclidean") == value
    assert operator_distance(a, q @ b @ q.T, score="euclidean") == pytest.approx(value, abs=1e-7)
    assert operator_distance(a, q @ a @ q.T) < 1e-6
    assert 0 <= operator_distance(a, b) <= np.pi


@pytest.mark.slow
def test_surrogates_are_calibrated() -> None:
    """Where components do not act on each other, p is uniform."""
    from scipy.stats import kstest

    rng = np.random.default_rng(12)
    own = np.diag([0.9, 0.7, 0.5, 0.2])
    found = []
    for _ in range(200):
        x, y = (trials(own, rng, n=10, steps=80) * [6, 4, 2, 1] for _ in "xy")
        found.append(dsa_surrogates(x, y, n_delays=1, rank=4, n_surrogates=19).p)
    jitter = np.array(found) - rng.uniform(0, 0.05, 200)
    assert kstest(jitter, "uniform").pvalue > 0.01
