"""Correlation of spike counts, and cross-correlation histograms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcuate._inputs import check_bytes, seconds
from arcuate._jit import compiled
from arcuate.analysis import _spike_kernels as kernels
from arcuate.analysis._traces import as_pairs, labeled_pairs
from arcuate.analysis._trains import check_some, read_record
from arcuate.analysis.interval import check_level, with_interval
from arcuate.analysis.spikes import bins_of, count_table, number_of_bins
from arcuate.errors import SpecError, check_choice
from arcuate.units import to_si

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["count_correlation", "cross_correlation_histogram"]


def count_correlation(
    source: Any,
    population: str | None = None,
    *,
    kind: str = "correlation",
    bin_width: Any = "50 ms",
    binary: bool = False,
    pairs: ArrayLike | None = None,
    neuron: ArrayLike | None = None,
    n_neurons: int | None = None,
    duration: Any = None,
    level: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Correlation, or covariance, of the spike counts of pairs of neurons in bins of time.

    Parameters
    ----------
    source : Recording, table of spikes or array_like, (n_spikes,), s
        A Recording, what its ``spikes`` gives, or spike times from 0.
    population : str, optional
        Population of the Recording; not needed if it has one.
    kind : {"correlation", "covariance"}
        The covariance has n - 1 in its denominator.
    bin_width : quantity
        Length of a bin. What is left at the end, shorter than a bin, is left out.
    binary : bool
        Whether a bin only tells that there were spikes.
    pairs : array_like, (2, n_pairs), optional
        Neurons of each pair; default all with i <= j, row by row.
    neuron : array_like, (n_spikes,), optional
        Neuron of each spike, with spike times.
    n_neurons : int, optional
        Number of neurons. A Recording knows it.
    duration : quantity or float in s, optional
        Length of the whole record. A Recording knows it.
    level : float
        Coverage of the interval.
    seed : int
        Seed of the bootstrap over neurons.

    Returns
    -------
    Dataset
        The values by the name of their kind (unit), a correlation being NaN where a count is always the
        same; ``mean``, ``low`` and ``high`` over pairs of two neurons.

    Raises
    ------
    SpecError
        If an option is out of range, or fewer than 2 bins fit into the record.
    RecordingError
        If there is no spike, or one lies outside the record.

    Examples
    --------
    >>> from arcuate.analysis import count_correlation
    >>> found = count_correlation([0.01, 0.11, 0.02, 0.12], neuron=[0, 0, 1, 1], n_neurons=2,
    ...                           duration="0.2 s", pairs=[[0], [1]])
    >>> found.correlation.values.round(6).tolist()
    [1.0]
    """
    where = "count_correlation"
    cover = check_level(level, where)
    check_choice(kind, ("correlation", "covariance"), where=where, name="kind")
    width = seconds(bin_width, where=where, name="bin_width", low_open=True)
    train = read_record(source, population, where, neuron=neuron, n_neurons=n_neurons, duration=duration)
    check_some(train.time.size, where, "a spike")
    i, j = chosen = as_pairs(pairs, train.n_neurons, where)
    if train.duration < 2 * width * (1 - 1e-12):
        bound = f"must be at most {train.duration / 2:g} s, half of the record"
        raise SpecError.of(where=where, name="bin_width", value=bin_width, bound=bound)
    n = train.n_neurons
    n_bins = number_of_bins(width, train.duration, where)
    check_bytes(8 * (3 * n * n + 2 * n * n_bins), where=where, fix="use wider bins")
    counts = count_table(train, width, where).astype(np.float64)
    if binary:
        counts = np.minimum(counts, 1.0)
    centered = counts - counts.mean(axis=0)
    table = centered.T @ centered / (len(counts) - 1)
    if kind == "correlation":
        size = np.sqrt(np.where(np.ptp(counts, axis=0) > 0, np.diagonal(table), np.nan))
        table = np.clip(table / np.outer(size, size), -1.0, 1.0)
    return with_interval(labeled_pairs(table[i, j], chosen, kind), level=cover, seed=seed)


def cross_correlation_histogram(
    source: Any,
    population: str | None = None,
    *,
    window: Any = "50 ms",
    bin_width: Any = "1 ms",
    scale: str = "count",
    binary: bool = False,
    pairs: ArrayLike | None = None,
    neuron: ArrayLike | None = None,
    n_neurons: int | None = None,
    duration: Any = None,
    level: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Pairs of spikes of two neurons, by how much later the second neuron spiked.

    Parameters
    ----------
    source : Recording, table of spikes or array_like, (n_spikes,), s
        A Recording, what its ``spikes`` gives, or spike times from 0.
    population : str, optional
        Population of the Recording; not needed if it has one.
    window : quantity, or (low, high)
        Largest lag to both sides, or the smallest and the largest; whole numbers of bins.
    bin_width : quantity
        Length of a bin. Lags are those of the bins in which spikes fall.
    scale : {"count", "corrected", "coefficient"}
        "corrected" makes up for the bins that a lag leaves without partner, by n / (n - abs(lag));
        "coefficient" takes off the number that independent trains would give at lag 0, n_i n_j / n, and
        divides by the root of both variances over the whole record, as elephant does: at lag 0 it is the
        correlation coefficient of the counts; at others the bins without partner make it too low.
    binary : bool
        Whether a bin only tells that there were spikes.
    pairs : array_like, (2, n_pairs), optional
        Neurons of each pair; default all with i <= j, row by row. Of a neuron with itself, each spike is its
        own partner at lag 0.
    neuron : array_like, (n_spikes,), optional
        Neuron of each spike, with spike times.
    n_neurons : int, optional
        Number of neurons. A Recording knows it.
    duration : quantity or float in s, optional
        Length of the whole record. A Recording knows it.
    level : float
        Coverage of the interval.
    seed : int
        Seed of the bootstrap over neurons.

    Returns
    -------
    Dataset
        The values by the name of their scale (unit, lag); ``mean``, ``low`` and ``high`` (lag) over pairs of
        two neurons; ``lag`` in s.

    Raises
    ------
    SpecError
        If lags are no whole numbers of bins, or as long as the record.
    RecordingError
        If there is no spike, or one lies outside the record.

    References
    ----------
    D. H. Perkel, G. L. Gerstein and G. P. Moore, Biophysical Journal 7 (1967),
    doi:10.1016/S0006-3495(67)86597-4.

    Examples
    --------
    >>> from arcuate.analysis import cross_correlation_histogram
    >>> found = cross_correlation_histogram([0.1, 0.5, 0.102, 0.502], neuron=[0, 0, 1, 1], n_neurons=2,
    ...                                     duration="1 s", window="3 ms", pairs=[[0], [1]])
    >>> found["count"].values.tolist()
    [[0, 0, 0, 0, 0, 2, 0]]
    """
    where = "cross_correlation_histogram"
    cover = check_level(level, where)
    check_choice(scale, ("count", "corrected", "coefficient"), where=where, name="scale")
    width = seconds(bin_width, where=where, name="bin_width", low_open=True)
    train = read_record(source, population, where, neuron=neuron, n_neurons=n_neurons, duration=duration)
    check_some(train.time.size, where, "a spike")
    chosen = as_pairs(pairs, train.n_neurons, where)
    place, n_bins = bins_of(train.time, width, train.duration, where=where)
    low, high = _lags(window, width, n_bins, where)
    kept = place < n_bins
    place, owner = place[kept], train.neuron[kept]
    if binary:
        once = np.r_[True, (np.diff(place) != 0) | (np.diff(owner) != 0)][: place.size]
        place, owner = place[once], owner[once]
    first = np.searchsorted(owner, np.arange(train.n_neurons + 1)).astype(np.int64)
    lags = np.arange(low, high + 1)
    check_bytes(3 * 8 * chosen[0].size * lags.size, where=where, fix="choose pairs, or fewer lags")
    counts = np.zeros((chosen[0].size, lags.size), np.int64)
    both = np.ascontiguousarray(np.stack(chosen).astype(np.int64))
    compiled(kernels.lag_counts)(place, first, both, low, counts)
    values: NDArray[Any] = counts
    if scale == "corrected":
        values = counts * (n_bins / (n_bins - np.abs(lags)))
    elif scale == "coefficient":
        values = _coefficient(counts, place, first, chosen, n_bins)
    lag = ("lag", lags * width, {"units": "s"})
    return with_interval(labeled_pairs(values, chosen, scale, lag=lag), level=cover, seed=seed)


def _lags(window: Any, width: float, n_bins: int, where: str) -> tuple[int, int]:
    """Smallest and largest lag, in bins."""
    ends = window if isinstance(window, (tuple, list)) else (None, window)
    if len(ends) != 2:
        raise SpecError.of(where=where, name="window", value=window, bound="must be a time, or (low, high)")
    high = to_si(ends[1], "s", where=where, name="window")
    low = -high if ends[0] is None else to_si(ends[0], "s", where=where, name="window")
    first, last = round(low / width), round(high / width)
    if max(abs(first * width - low), abs(last * width - high)) > 1e-6 * width:
        bound = f"must be whole numbers of bins of {width:g} s"
        raise SpecError.of(where=where, name="window", value=window, bound=bound)
    if not -n_bins < first <= last < n_bins:
        bound = f"must be lags from low to high, shorter than the record of {n_bins} bins"
        raise SpecError.of(where=where, name="window", value=window, bound=bound)
    return first, last


def _coefficient(
    counts: NDArray[Any], place: NDArray[Any], first: NDArray[Any], pairs: Any, n_bins: int
) -> NDArray[Any]:
    n_spikes = np.diff(first).astype(np.float64)
    squares = np.empty(n_spikes.size)
    for k in range(n_spikes.size):
        repeats = np.unique(place[first[k] : first[k + 1]], return_counts=True)[1]
        squares[k] = np.sum(repeats.astype(np.float64) ** 2)
    spread = squares - n_spikes**2 / n_bins
    spread = np.where(spread > 0, spread, math.nan)
    i, j = pairs
    expected = n_spikes[i] * n_spikes[j] / n_bins
    return np.asarray((counts - expected[:, None]) / np.sqrt(spread[i] * spread[j])[:, None])
