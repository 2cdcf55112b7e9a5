"""Connectivity in windows, and the states it goes through: what instantaneous affinities are held against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from arcuate._inputs import seconds
from arcuate.connectome.traces import as_traces
from arcuate.errors import SpecError, check_choice, check_int
from arcuate.rng import check_seed, stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["connectivity_states", "windowed_connectivity"]

Floats = NDArray[np.float64]

MEASURES = ("pearson", "spearman", "partial")


def windowed_connectivity(
    traces: Any, measure: str = "pearson", *, window: Any = "30 s", step: Any = "5 s"
) -> xr.DataArray:
    """Compute correlations of all pairs in windows that move over the time.

    Parameters
    ----------
    traces : xarray.DataArray or Recording
        Whatever `as_traces` takes without further words.
    measure : {"pearson", "spearman", "partial"}
        Correlation, of ranks, or of what all other neurons of the animal do not explain, from the covariance
        shrunk by the rule of Ledoit and Wolf (2004).
    window, step : str or quantity
        Length of a window, 3 samples or more, and how far apart two are.

    Returns
    -------
    xarray.DataArray, (pair, time, animal)
        From -1 to 1, at the middle of each window; pairs that an animal lacks are NaN, and a neuron that does
        not change within a window has 0.

    Raises
    ------
    SpecError
        If these are no traces of two neurons or more, or a window does not fit.
    UnknownNameError
        If there is no such measure.

    Examples
    --------
    >>> from arcuate.connectome import SharedEvents
    >>> windowed_connectivity(SharedEvents(n_animals=2).draw(1).traces).sizes
    Frozen({'pair': 780, 'time': 43, 'animal': 2})
    """
    import xarray as xr

    where = "windowed_connectivity"
    check_choice(measure, MEASURES, where=where, name="measure")
    checked = as_traces(traces)
    n_animals, n, n_times = (checked.sizes[dim] for dim in ("animal", "neuron", "time"))
    if n < 2:
        raise SpecError.of(where=where, name="traces", value=n, bound="must be of at least two neurons")
    rate = checked.attrs["rate_hz"]
    length = round(seconds(window, where=where, name="window") * rate)
    if not 3 <= length <= n_times:
        bound = f"is {length} samples, and must be 3 to {n_times}"
        raise SpecError.of(where=where, name="window", value=window, bound=bound)
    hop = max(round(seconds(step, where=where, name="step", low_open=True) * rate), 1)
    starts = np.arange(0, n_times - length + 1, hop)
    first, second = np.triu_indices(n, 1)
    values = np.full((first.size, starts.size, n_animals), np.nan)
    for animal, rows in enumerate(checked.values):
        there = ~np.isnan(rows[:, 0])
        pairs = there[first] & there[second]
        matrix = np.zeros((n, n))
        for index, start in enumerate(starts):
            matrix[np.ix_(there, there)] = _correlations(rows[there, start : start + length], measure)
            values[pairs, index, animal] = matrix[first, second][pairs]
    names = checked.neuron.values
    coords = {"first": ("pair", names[first]), "second": ("pair", names[second])}
    middle = checked.time.values[0] + (starts + (length - 1) / 2) / rate
    return xr.DataArray(
        values,
        dims=("pair", "time", "animal"),
        coords=coords | {"time": middle, "animal": checked.animal.values},
        attrs={"measure": measure, "window": length / rate},
    )


def connectivity_states(
    windows: xr.DataArray, n_states: int, *, n_starts: int = 10, seed: int = 0
) -> xr.Dataset:
    """Find a few patterns of connectivity between which all animals go back and forth, by k-means.

    Parameters
    ----------
    windows : xarray.DataArray, (pair, time, animal)
        From `windowed_connectivity`, without missing neurons.
    n_states : int
        Number of patterns.
    n_starts : int
        Starts of k-means; the best is kept.
    seed : int
        Of the starts.

    Returns
    -------
    xarray.Dataset
        ``state`` (time, animal), the most frequent first; ``pattern`` (pair, state); ``share`` (state) of the
        windows; ``inertia``, the mean squared distance to the pattern.

    Raises
    ------
    SpecError
        If this is no such array, there are NaN, or fewer windows than states.

    References
    ----------
    E. A. Allen et al., Cereb. Cortex 24 (2014).

    Examples
    --------
    >>> from arcuate.connectome import SharedEvents
    >>> windows = windowed_connectivity(SharedEvents(n_animals=2).draw(1).traces)
    >>> connectivity_states(windows, 3).pattern.sizes
    Frozen({'pair': 780, 'state': 3})
    """
    import xarray as xr
    from sklearn.cluster import KMeans

    where = "connectivity_states"
    if not isinstance(windows, xr.DataArray) or set(windows.dims) != {"pair", "time", "animal"}:
        value = getattr(windows, "dims", type(windows).__name__)
        bound = "must be a DataArray over pair, time and animal"
        fix = "windowed_connectivity returns one"
        raise SpecError.of(where=where, name="windows", value=value, bound=bound, fix=fix)
    values = windows.transpose("pair", "time", "animal").values
    if np.isnan(values).any():
        fix = 'drop pairs that an animal lacks: windows.dropna("pair")'
        raise SpecError.of(where=where, name="windows", value=np.nan, bound="must be numbers", fix=fix)
    rows = values.reshape(len(values), -1).T
    check_int(n_states, where=where, name="n_states", high=len(rows))
    check_int(n_starts, where=where, name="n_starts")
    draw = int(stream(check_seed(seed), where).integers(2**31))
    model = KMeans(n_states, n_init=n_starts, random_state=draw).fit(rows)
    counts = np.bincount(model.labels_, minlength=n_states)
    order = np.argsort(-counts, kind="stable")
    state = np.argsort(order)[model.labels_].reshape(values.shape[1:])
    return xr.Dataset(
        {
            "state": (("time", "animal"), state),
            "pattern": (("pair", "state"), model.cluster_centers_[order].T),
            "share": ("state", counts[order] / len(rows)),
            "inertia": float(model.inertia_) / len(rows),
        },
        coords={name: windows.coords[name] for name in ("first", "second", "time", "animal")},
    )


def _correlations(x: Floats, measure: str) -> Floats:
    """Correlations of rows; 0 with a row that does not change."""
    if measure == "spearman":
        from scipy.stats import rankdata

        x = rankdata(x, axis=1)
    centered = x - x.mean(axis=1, keepdims=True)
    size = np.linalg.norm(centered, axis=1, keepdims=True)
    still = size[:, 0] <= 1e-12 * np.abs(x).max(axis=1)
    unit = np.where(still[:, None], 0.0, centered / np.where(still[:, None], 1.0, size))
    if measure != "partial":
        return np.clip(unit @ unit.T, -1, 1)
    from sklearn.covariance import ledoit_wolf

    covariance, _ = ledoit_wolf(unit.T * np.sqrt(x.shape[1]), assume_centered=True)
    precision = np.linalg.inv(covariance + 1e-12 * np.eye(len(x)))
    scale = np.sqrt(np.diag(precision))
    partial: Floats = -precision / np.outer(scale, scale)
    return np.clip(partial, -1, 1)
