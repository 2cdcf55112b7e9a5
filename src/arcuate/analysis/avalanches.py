"""Avalanches of activity: sizes, durations, their power laws, and how the two hang together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcuate._inputs import Floats, as_real, seconds
from arcuate.analysis._trains import check_some, read_record
from arcuate.analysis.interval import RESAMPLES, Interval, check_level, interval_of
from arcuate.analysis.spikes import count_table
from arcuate.errors import FitError, SpecError, check_int
from arcuate.rng import stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Crackling", "PowerLaw", "avalanches", "crackling", "power_law"]

STEEPEST = 20.0
"""Largest exponent that is looked for (chosen)."""

TAIL = 50
"""Fewest values above a smallest one that is tried (chosen; Clauset et al. 2009 find fewer to be biased)."""

STARTS = 100
"""Most smallest values that are tried, denser among small ones (chosen)."""

_EDGE = 1e-5  # an exponent so close to the end of the search lies beyond it
_BLOCK = 1 << 21  # weights at a time, so that memory stays small


def avalanches(
    source: Any,
    population: str | None = None,
    *,
    bin_width: Any = None,
    neuron: ArrayLike | None = None,
    n_neurons: int | None = None,
    duration: Any = None,
) -> xr.Dataset:
    """Cut the activity of a population into avalanches: bins with spikes, between bins without.

    Parameters
    ----------
    source : Recording, table of spikes or array_like, (n_spikes,), s
        A Recording, what its ``spikes`` gives, or spike times from 0.
    population : str, optional
        Population of the Recording; not needed if it has one.
    bin_width : quantity, optional
        Length of a bin; default the mean interval between spikes of the whole population. Exponents depend
        on it.
    neuron : array_like, (n_spikes,), optional
        Neuron of each spike, with spike times.
    n_neurons : int, optional
        Number of neurons. A Recording knows it.
    duration : quantity or float in s, optional
        Length of the whole record. A Recording knows it.

    Returns
    -------
    Dataset, (avalanche,)
        ``start`` in s, ``size`` in spikes and ``duration`` in bins; attribute ``bin_width`` in s. What the
        beginning or the end of the record cuts off is left out.

    Raises
    ------
    RecordingError
        If there are fewer than 2 spikes, or one lies outside the record.
    SpecError
        If the bin is longer than the record.

    References
    ----------
    J. M. Beggs and D. Plenz, Journal of Neuroscience 23 (2003), doi:10.1523/JNEUROSCI.23-35-11167.2003.

    Examples
    --------
    >>> from arcuate.analysis import avalanches
    >>> found = avalanches([0.11, 0.12, 0.21, 0.55], bin_width="0.1 s", duration="1 s")
    >>> found["size"].values.tolist(), found["duration"].values.tolist()
    ([3, 1], [2, 1])
    """
    import xarray as xr

    where = "avalanches"
    train = read_record(source, population, where, neuron=neuron, n_neurons=n_neurons, duration=duration)
    check_some(int(train.time.size > 1), where, "2 spikes or more")
    if bin_width is None:
        width = float(np.ptp(train.time)) / (train.time.size - 1)
        check_some(int(width > 0), where, "spikes at different times")
    else:
        width = seconds(bin_width, where=where, name="bin_width", low_open=True)
    if width > train.duration:
        bound = f"must be at most {train.duration:g} s, the length of the record"
        raise SpecError.of(where=where, name="bin_width", value=bin_width, bound=bound)
    pooled = type(train)(
        time=train.time,
        neuron=np.zeros_like(train.neuron),
        trial=train.trial,
        n_neurons=1,
        duration=train.duration,
    )
    counts = count_table(pooled, width, where)[:, 0]
    active = np.r_[False, counts > 0, False]
    begin, end = np.flatnonzero(active[1:] & ~active[:-1]), np.flatnonzero(active[:-1] & ~active[1:])
    whole = (begin > 0) & (end < counts.size)
    begin, end = begin[whole], end[whole]
    running = np.r_[0, np.cumsum(counts)]
    return xr.Dataset(
        {
            "start": ("avalanche", begin * width, {"units": "s"}),
            "size": ("avalanche", running[end] - running[begin], {"units": "1"}),
            "duration": ("avalanche", end - begin, {"units": "1", "long_name": "bins"}),
        },
        attrs={"bin_width": width},
    )


@dataclass(frozen=True, kw_only=True)
class PowerLaw:
    """A discrete power law, ``p(x) ~ x^-exponent`` from `x_min` on.

    Attributes
    ----------
    exponent : Interval
        By maximum likelihood, below 20; the interval is a bootstrap of the values in the tail, `x_min` held.
    x_min : int
        Smallest value of the tail.
    n_tail : int
        Values in the tail.
    distance : float
        Largest difference of the distributions of the tail and the law (Kolmogorov and Smirnov).
    """

    exponent: Interval
    x_min: int
    n_tail: int
    distance: float


def power_law(values: ArrayLike, *, x_min: int | None = None, level: float = 0.95, seed: int = 0) -> PowerLaw:
    """Fit a discrete power law by maximum likelihood, from where on it holds best.

    Parameters
    ----------
    values : array_like, (n,)
        Whole numbers of 1 or more, such as the sizes of avalanches.
    x_min : int, optional
        Smallest value of the tail; default that from which the law is closest to the values, in the distance
        of Kolmogorov and Smirnov (Clauset et al. 2009), with 50 values or more above it.
    level : float
        Coverage of the interval.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    PowerLaw
        That a law was fitted does not say that the values follow one.

    Raises
    ------
    SpecError
        If values are not whole numbers of 1 or more, or an option is out of range.
    FitError
        If fewer than 50 values, or a single one, lie in the tail, or no exponent between 1 and 20 is the most
        likely one.

    References
    ----------
    A. Clauset, C. R. Shalizi and M. E. J. Newman, SIAM Review 51 (2009), equations 3.5 and 3.9,
    doi:10.1137/070710111.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import power_law
    >>> fit = power_law(np.random.default_rng(0).zipf(2.5, 5000))
    >>> fit.exponent.low < 2.5 < fit.exponent.high
    True
    """
    where = "power_law"
    cover = check_level(level, where)
    data = _whole(values, where, "values")
    least = None if x_min is None else check_int(x_min, where=where, name="x_min")
    fit_from, exponent, distance = _best(data, least, where)
    tail = data[data >= fit_from]
    unique, count = np.unique(tail, return_counts=True)
    drawn = stream(seed, "analysis/power_law").multinomial(tail.size, count / tail.size, size=RESAMPLES)
    draws = _exponents(drawn @ np.log(unique) / tail.size, np.full(RESAMPLES, fit_from))
    band = interval_of(exponent, draws, level=cover, n=tail.size)
    return PowerLaw(exponent=band, x_min=fit_from, n_tail=int(tail.size), distance=distance)


def _whole(values: Any, where: str, name: str) -> NDArray[np.int64]:
    data = as_real(values, where=where, name=name)
    if data.ndim != 1 or not data.size or data.min() < 1 or np.any(data != np.floor(data)):
        bound = "must be a row of whole numbers, 1 or more"
        raise SpecError.of(where=where, name=name, value=data, bound=bound)
    return data.astype(np.int64)


def _best(data: NDArray[np.int64], x_min: int | None, where: str) -> tuple[int, float, float]:
    """Smallest value, exponent and distance of the best power law of some values."""
    from scipy.special import zeta

    unique, count = np.unique(data, return_counts=True)
    above = np.cumsum(count[::-1])[::-1]
    if x_min is not None:
        place = int(np.searchsorted(unique, x_min))
        ok = place < unique.size - 1 and above[place] >= TAIL
        starts, places = np.array([x_min]), np.array([place])
    else:
        places = np.flatnonzero(above[:-1] >= TAIL)
        if places.size > STARTS:
            places = places[np.unique(np.rint(np.geomspace(1, places.size, STARTS)).astype(np.int64)) - 1]
        ok, starts = places.size > 0, unique[places]
    if not ok:
        bound = f"must have {TAIL} values or more in the tail, not all the same"
        raise FitError.of(where=where, name="values", value=int(data.size), bound=bound)
    logs = np.cumsum((count * np.log(unique))[::-1])[::-1] / above
    found = _exponents(logs[places], starts)
    inside = (found > 1 + _EDGE) & (found < STEEPEST - _EDGE)
    if not inside.any():
        bound = f"must have an exponent between 1 and {STEEPEST:g}: none is the most likely one"
        fix = "values that fall faster than that follow no power law"
        raise FitError.of(where=where, name="values", value=f"{data.size} values", bound=bound, fix=fix)
    starts, places, found = starts[inside], places[inside], found[inside]
    distance = np.empty(places.size)
    for k, (place, start, exponent) in enumerate(zip(places, starts, found, strict=True)):
        beyond = zeta(exponent, unique[place:] + 1.0) / zeta(exponent, float(start))
        measured = np.r_[above[place + 1 :], 0] / above[place]
        before = zeta(exponent, unique[place:].astype(float)) / zeta(exponent, float(start))
        distance[k] = max(
            np.abs(measured - beyond).max(), np.abs(above[place:] / above[place] - before).max()
        )
    best = int(np.argmin(distance))
    return int(starts[best]), float(found[best]), float(distance[best])


def _exponents(mean_log: Floats, x_min: NDArray[Any]) -> Floats:
    """Exponents of most likelihood: where the mean logarithm is the expected one, by halving."""
    from scipy.special import zeta

    start, small = np.asarray(x_min, dtype=np.float64), 1e-6
    low, high = np.full(start.shape, 1.0 + 2 * small), np.full(start.shape, STEEPEST)
    for _ in range(45):
        middle = (low + high) / 2
        slope = np.log(zeta(middle + small, start) / zeta(middle - small, start)) / (2 * small)
        steeper = -slope > mean_log  # the law expects more than there is
        low, high = np.where(steeper, middle, low), np.where(steeper, high, middle)
    return np.asarray((low + high) / 2)


@dataclass(frozen=True, kw_only=True)
class Crackling:
    """Power laws of size and duration, and the relation that critical systems obey between them.

    Attributes
    ----------
    size, duration : PowerLaw
    measured : Interval
        Exponent g of the mean size by duration, ``<s>(T) ~ T^g``, over durations in their tail.
    predicted : Interval
        ``(duration exponent - 1) / (size exponent - 1)``.
    difference : Interval
        Measured less predicted: 0 in a critical system.
    """

    size: PowerLaw
    duration: PowerLaw
    measured: Interval
    predicted: Interval
    difference: Interval


def crackling(
    size: ArrayLike,
    duration: ArrayLike,
    *,
    size_min: int | None = None,
    duration_min: int | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> Crackling:
    """Ask whether the exponents of avalanches fit together, as those of a critical system do.

    Parameters
    ----------
    size, duration : array_like, (n_avalanches,)
        As `avalanches` gives them.
    size_min, duration_min : int, optional
        Where the tails begin; default as `power_law` finds.
    level : float
        Coverage of the intervals.
    seed : int
        Seed of the bootstrap over avalanches, in which the beginnings of the tails are held.

    Returns
    -------
    Crackling

    Raises
    ------
    SpecError
        If sizes or durations are not whole numbers, or not as many.
    FitError
        If a tail is too short, or durations in it are all the same.

    References
    ----------
    J. P. Sethna, K. A. Dahmen and C. R. Myers, Nature 410 (2001), doi:10.1038/35065675.
    N. Friedman et al., Physical Review Letters 108 (2012), doi:10.1103/PhysRevLett.108.208102.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import crackling
    >>> duration = np.random.default_rng(0).zipf(2.0, 4000)
    >>> found = crackling(duration[duration < 1000] ** 2, duration[duration < 1000], duration_min=1)
    >>> round(found.measured.estimate, 6)
    2.0
    """
    from scipy.sparse import csr_matrix

    where = "crackling"
    cover = check_level(level, where)
    sizes, lengths = _whole(size, where, "size"), _whole(duration, where, "duration")
    if sizes.size != lengths.size:
        bound = f"must have {sizes.size} values, as the sizes have"
        raise SpecError.of(where=where, name="duration", value=lengths.size, bound=bound)
    by_size = power_law(sizes, x_min=size_min, level=level, seed=seed)
    by_duration = power_law(lengths, x_min=duration_min, level=level, seed=seed)
    cells, number = np.unique(np.stack((sizes, lengths), axis=1), axis=0, return_counts=True)
    tail = (cells >= (by_size.x_min, by_duration.x_min)).astype(np.float64)
    unique, place = np.unique(cells[:, 1], return_inverse=True)
    member = csr_matrix((np.ones(place.size), (np.arange(place.size), place)), (place.size, unique.size))
    rng = stream(seed, "analysis/crackling")
    draws = np.empty((RESAMPLES, 3))
    step = max(1, _BLOCK // len(cells))
    for first in range(0, RESAMPLES, step):
        rows = slice(first, min(first + step, RESAMPLES))
        weight = rng.multinomial(sizes.size, number / sizes.size, size=rows.stop - first).astype(float)
        draws[rows, 0] = _slopes(weight * tail[:, 1], cells[:, 0], unique, member)
        draws[rows, 1:] = (weight @ (tail * np.log(cells))) / np.maximum(weight @ tail, 1)
    estimate = float(_slopes(number[None] * tail[:, 1], cells[:, 0], unique, member)[0])
    steep_s = _exponents(draws[:, 1], np.full(RESAMPLES, by_size.x_min))
    steep_t = _exponents(draws[:, 2], np.full(RESAMPLES, by_duration.x_min))
    ratio = (steep_t - 1) / (steep_s - 1)
    predicted = (by_duration.exponent.estimate - 1) / (by_size.exponent.estimate - 1)
    n = int(sizes.size)
    return Crackling(
        size=by_size,
        duration=by_duration,
        measured=interval_of(estimate, draws[:, 0], level=cover, n=n),
        predicted=interval_of(predicted, ratio, level=cover, n=n),
        difference=interval_of(estimate - predicted, draws[:, 0] - ratio, level=cover, n=n),
    )


def _slopes(number: NDArray[Any], size: NDArray[Any], unique: NDArray[Any], member: Any) -> Floats:
    """Slope of the logarithm of the mean size over that of the duration, by their number: (resample,)."""
    count = number @ member
    mean = np.divide((number * size) @ member, count, out=np.ones(count.shape), where=count > 0)
    total = np.maximum(count.sum(axis=1, keepdims=True), 1)
    x, y = np.broadcast_to(np.log(unique), mean.shape), np.log(mean)
    x, y = (z - (count * z).sum(axis=1, keepdims=True) / total for z in (x, y))
    spread = (count * x**2).sum(axis=1)
    slope = np.full(spread.shape, np.nan)
    return np.divide((count * x * y).sum(axis=1), spread, out=slope, where=spread > 0)
