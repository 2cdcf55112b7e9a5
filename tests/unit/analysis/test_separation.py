"""Ranks that are planted, distances that are known over time."""

from __future__ import annotations

import numpy as np
import pytest

from arcuate.analysis import kernel_rank, separation
from arcuate.errors import ArcuateWarning


@pytest.mark.parametrize("rank", [1, 5, 30])
def test_planted_rank_is_found(rank):
    rng = np.random.default_rng(0)
    states = rng.normal(size=(120, rank)) @ np.linalg.qr(rng.normal(size=(30, 30)))[0][:rank]
    found = kernel_rank(states)
    assert found.kernel.sel(rule="tolerance") == rank
    assert found.kernel_low.sel(rule="tolerance") == found.kernel_high.sel(rule="tolerance") == rank
    assert found.kernel.sel(rule="variance") <= rank


def test_random_gaussian_states_have_full_rank():
    states = np.random.default_rng(1).normal(size=(200, 40))
    assert kernel_rank(states).kernel.sel(rule="tolerance") == 40
    assert kernel_rank(1e8 + 1e6 * states, tolerance=1e-5).kernel.sel(rule="tolerance") == 40


def test_noise_below_the_tolerance_is_no_rank():
    rng = np.random.default_rng(2)
    states = np.outer(rng.normal(size=100), np.ones(20)) + 1e-4 * rng.normal(size=(100, 20))
    found = kernel_rank(states)
    assert found.kernel.values.tolist() == [1, 1]
    assert kernel_rank(states, tolerance=1e-6).kernel.sel(rule="tolerance") == 20


def test_rank_by_variance_counts_components():
    """Variances 90, 9, 0.9 and 0.1 of a hundred: two make 99 %, three 99.8 %."""
    rng = np.random.default_rng(3)
    q = np.linalg.qr(rng.normal(size=(400, 4)) - 0)[0]
    q = np.linalg.qr(q - q.mean(axis=0))[0]
    states = 7.0 + q * np.sqrt([90, 9.05, 0.85, 0.1])
    assert kernel_rank(states).kernel.sel(rule="variance") == 2
    assert kernel_rank(states, share=0.995).kernel.sel(rule="variance") == 3


def test_difference_of_ranks():
    rng = np.random.default_rng(4)
    apart = rng.normal(size=(80, 20))
    alike = rng.normal(size=(80, 3)) @ rng.normal(size=(3, 20))
    found = kernel_rank(apart, similar=alike).sel(rule="tolerance")
    assert (int(found.kernel), int(found.generalization), int(found.difference)) == (20, 3, 17)
    assert int(found.difference_low) <= 17 <= int(found.difference_high)


def test_fewer_inputs_than_units_are_told():
    with pytest.warns(ArcuateWarning, match="10 inputs for 20 units"):
        found = kernel_rank(np.random.default_rng(5).normal(size=(10, 20)))
    assert int(found.kernel.sel(rule="tolerance")) == 10


def test_separation_of_states_that_move_apart_at_a_known_speed():
    rng = np.random.default_rng(6)
    times, distance = np.arange(5) * 0.1, np.array([0.0, 0.0, 1.0, 1.0, 2.0])
    base = rng.normal(size=(5, 5, 9))
    moved = base + distance[:, None, None] * times[:, None]
    found = separation(base, moved, times=times, distance=distance)
    assert found.distance.values.tolist() == [0.0, 1.0, 2.0]
    np.testing.assert_allclose(found.separation, 3 * np.outer([0, 1, 2], times), atol=1e-12)
    np.testing.assert_allclose(found.excess, found.separation)
    assert found.n_pairs.values.tolist() == [2, 2, 1]
    assert np.isnan(found.low.sel(distance=2.0)).all()
    assert found.time.units == "s"


def test_separation_interval_covers_the_mean_of_pairs():
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(100):
        length = rng.exponential(size=(30, 1, 1))
        found = separation(np.zeros((30, 1, 1)), length, times=[0.0], distance=np.ones(30), n_resamples=300)
        held += bool(found.low.item() < 1.0 < found.high.item())
    assert held >= 84


def test_excess_is_what_the_input_adds():
    states = np.zeros((4, 2, 1))
    other = states + np.array([1.0, 1.0, 3.0, 3.0])[:, None, None]
    found = separation(states, other, times=[0.0, 1.0], distance=[0, 0, 0.4, 0.4])
    assert found.excess.sel(distance=0.4).values.tolist() == [2.0, 2.0]


def test_distances_of_states_and_singular_values_have_their_unit():
    import xarray as xr

    cube = np.random.default_rng(4).normal(size=(3, 5, 2))
    first = xr.DataArray(cube, dims=("trial", "time", "unit"), attrs={"units": "mV"})
    given = {"times": np.arange(5) * 0.1, "distance": [0.0, 1.0, 1.0]}
    for states, unit in ((first, "mV"), (cube, "1")):
        found = separation(states, cube + 1.0, **given)
        assert {found[name].units for name in ("separation", "low", "high", "excess")} == {unit}
    rows = xr.DataArray(cube[:, :, 0], dims=("trial", "unit"), attrs={"units": "Hz"})
    with pytest.warns(ArcuateWarning, match="rank cannot exceed"):
        assert kernel_rank(rows).singular_values.units == "Hz"
