"""Connectivity in windows against NumPy, SciPy and scikit-learn; planted states are found."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.stats import spearmanr
from sklearn.covariance import LedoitWolf

from arcuate.connectome import SharedEvents, ari, connectivity_states, windowed_connectivity
from arcuate.errors import ArcuateError, SpecError

TRACES = SharedEvents(n_neurons=8, n_animals=3, n_frames=200, size=4, missing=0.2).draw(3).traces


@pytest.mark.parametrize("measure", ["pearson", "spearman", "partial"])
def test_each_measure_is_what_others_compute(measure: str) -> None:
    found = windowed_connectivity(TRACES, measure, window="10 s", step="3 s")
    assert found.shape == (28, 14, 3)
    np.testing.assert_allclose(found.time, 4.875 + 3 * np.arange(14))
    for animal, start in ((0, 0), (2, 5)):
        part = TRACES.values[animal, :, 12 * start : 12 * start + 40]
        there = np.flatnonzero(~np.isnan(part[:, 0]))
        x = part[there]
        if measure == "pearson":
            wanted = np.corrcoef(x)
        elif measure == "spearman":
            wanted = spearmanr(x.T).statistic
        else:
            z = (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)
            precision = LedoitWolf().fit(z.T).precision_
            wanted = -precision / np.sqrt(np.outer(np.diag(precision), np.diag(precision)))
        seen = found.values[:, start, animal]
        first, second = np.triu_indices(8, 1)
        both = np.isin(first, there) & np.isin(second, there)
        assert np.isnan(seen[~both]).all()
        i, j = np.triu_indices(len(there), 1)
        np.testing.assert_allclose(seen[both], wanted[i, j], atol=1e-9)


def test_partial_correlation_sees_through_a_chain() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=2000)
    y = x + 0.5 * rng.normal(size=2000)
    z = y + 0.5 * rng.normal(size=2000)
    traces = xr.DataArray(np.stack((x, y, z)), dims=("neuron", "time"), coords={"time": np.arange(2000) / 4})
    plain, partial = (
        windowed_connectivity(traces, m, window="500 s").values[:, 0, 0] for m in ("pearson", "partial")
    )
    assert plain[1] > 0.7 and abs(partial[1]) < 0.1 < 0.4 < partial[0]


def test_planted_states_are_found() -> None:
    rng = np.random.default_rng(0)
    true = np.repeat([0, 1, 0, 1, 0], 160)
    shared = rng.normal(size=(3, 800))
    group = np.where(true, [[0], [0], [1], [1]], [[0], [1], [0], [1]])
    x = np.take_along_axis(shared, group, axis=0) + 0.5 * rng.normal(size=(4, 800))
    traces = xr.DataArray(x, dims=("neuron", "time"), coords={"time": np.arange(800) / 4})
    states = connectivity_states(windowed_connectivity(traces, window="10 s", step="10 s"), 2, seed=1)
    assert ari(states.state.values[:, 0], true[20::40]) == 1.0
    assert states.share.values.tolist() == [0.6, 0.4]
    again = connectivity_states(windowed_connectivity(traces, window="10 s", step="10 s"), 2, seed=1)
    xr.testing.assert_identical(states, again)


def test_a_neuron_that_rests_in_a_window_has_no_correlation() -> None:
    traces = SharedEvents(n_neurons=4, n_animals=1, size=2, n_frames=200).draw(1).traces
    traces.values[0, 0, :80] = 2.0
    for measure in ("pearson", "spearman", "partial"):
        found = windowed_connectivity(traces, measure, window="10 s", step="10 s").values[:, :, 0]
        assert (np.abs(found[:3, :2]) < 1e-9).all()
        assert np.isfinite(found).all()


def test_what_makes_no_sense_is_refused_by_name() -> None:
    for wrong in ({"measure": "kendall"}, {"window": "0.5 s"}, {"window": "60 s"}, {"step": 5}):
        with pytest.raises(ArcuateError, match=next(iter(wrong))):
            windowed_connectivity(TRACES, **wrong)
    windows = windowed_connectivity(TRACES, window="10 s")
    with pytest.raises(SpecError, match="Drop pairs"):
        connectivity_states(windows, 2)
    for other in (windows.values, windows.mean("animal")):
        with pytest.raises(SpecError, match=r"windows.*pair, time and animal"):
            connectivity_states(other, 2)
    with pytest.raises(SpecError, match="n_states"):
        connectivity_states(windows.dropna("pair"), 1000)
