"""An estimate and how sure it is: bootstrap over seeds, over neurons, or over pieces of the record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcuate._inputs import as_real
from arcuate.errors import SpecError, check_choice, check_int, check_real
from arcuate.rng import stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Interval", "bootstrap_interval", "jackknife_interval", "neuron_interval"]

Floats = NDArray[np.float64]

PARTS = 10
"""Parts of which one is left out at a time (chosen)."""

RESAMPLES = 2000
"""Resamples of an interval over neurons or pieces of the record (chosen)."""

_AXES = {"unit": -1, "segment": -2, "trial": 0}


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate with its interval: by a bootstrap, or of Student's t.

    Attributes
    ----------
    estimate, low, high : float
    level : float
        Nominal coverage.
    n : int
        Number of values (seeds) that it was taken over.
    """

    estimate: float
    low: float
    high: float
    level: float
    n: int


def bootstrap_interval(
    values: ArrayLike,
    *,
    statistic: str = "median",
    level: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval of a median or mean, over seeds.

    Parameters
    ----------
    values : array_like, (n_seeds,)
        One value for each seed. Infinity stands for "never" and may be the median.
    statistic : {"median", "mean"}
    level : float
        Coverage, between 0 and 1.
    n_resamples : int
    seed : int
        Seed of the resampling.

    Returns
    -------
    Interval
        Its ends are values that occurred among the resamples, without interpolation.

    Raises
    ------
    SpecError
        If there is no value, one is NaN, or an option is out of range.

    References
    ----------
    B. Efron, Annals of Statistics 7 (1979), doi:10.1214/aos/1176344552.

    Examples
    --------
    >>> from arcuate.analysis import bootstrap_interval
    >>> band = bootstrap_interval([7.0, 7.0, 7.0])
    >>> band.low, band.estimate, band.high
    (7.0, 7.0, 7.0)
    """
    where = "bootstrap_interval"
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 1 or data.size == 0 or np.isnan(data).any():
        raise SpecError.of(
            where=where, name="values", value=data, bound="must be one or more numbers, none NaN"
        )
    check_choice(statistic, ("median", "mean"), where=where, name="statistic")
    cover = check_real(level, where=where, name="level", low=0.0, high=1.0, low_open=True, high_open=True)
    count = check_int(n_resamples, where=where, name="n_resamples", low=2)
    function: Any = np.median if statistic == "median" else np.mean
    picks = stream(seed, "analysis/bootstrap").integers(0, data.size, size=(count, data.size))
    draws = function(data[picks], axis=1)
    low, high = np.quantile(draws, [(1 - cover) / 2, (1 + cover) / 2], method="inverted_cdf")
    return Interval(
        estimate=float(function(data)), low=float(low), high=float(high), level=cover, n=int(data.size)
    )


def check_level(level: float, where: str) -> float:
    """Return the coverage of an interval, or refuse it."""
    return check_real(level, where=where, name="level", low=0.0, high=1.0, low_open=True, high_open=True)


def neuron_interval(values: xr.DataArray, *, level: float = 0.95, seed: int = 0) -> Interval:
    """Mean of a measure over a population, with a bootstrap interval over its neurons.

    Pairs are not independent of each other, for they share neurons: what is drawn again are neurons, and a
    pair counts as often as both of its neurons were drawn.

    Parameters
    ----------
    values : DataArray, (neuron,) or (unit,)
        One value for each neuron, or for each pair, with the coordinates ``pre`` and ``post`` as `synchrony`
        gives them. NaN is left out, and so is the pair of a neuron with itself.
    level : float
        Coverage, between 0 and 1.
    seed : int
        Seed of the resampling.

    Returns
    -------
    Interval
        ``n`` is the number of neurons. The ends are NaN for fewer than two neurons, or three of pairs.

    Raises
    ------
    SpecError
        If the values are not one for each neuron or pair, or an option is out of range.

    References
    ----------
    T. A. B. Snijders and S. P. Borgatti, Connections 22 (1999) 161-170: resampling of vertices.

    Examples
    --------
    >>> from arcuate.analysis import neuron_interval, rates
    >>> rate = rates([0.1, 0.2, 0.3], neuron=[0, 0, 2], n_neurons=3, duration="2 s")
    >>> band = neuron_interval(rate)
    >>> band.estimate, band.low, band.high, band.n
    (0.5, 0.0, 1.0, 3)
    """
    where = "neuron_interval"
    if tuple(getattr(values, "dims", ())) not in (("neuron",), ("unit",)):
        bound = "must be a DataArray of one value for each neuron or pair"
        raise SpecError.of(where=where, name="values", bound=bound)
    if values.dtype.kind not in "fiub" or not values.size or np.isinf(values.values.astype(np.float64)).any():
        bound = "must be one or more real numbers, finite or NaN"
        raise SpecError.of(where=where, name="values", value=values.values, bound=bound)
    estimate, low, high, n = _over_neurons(values, check_level(level, where), seed)
    return Interval(estimate=float(estimate), low=float(low), high=float(high), level=level, n=n)


def _over_neurons(values: xr.DataArray, level: float, seed: int) -> tuple[Any, Any, Any, int]:
    """Mean along the first axis and its interval; further axes stay."""
    numbers = np.asarray(values.values, dtype=np.float64)
    flat = numbers.reshape(numbers.shape[0], -1)
    pre = post = np.arange(len(flat))
    if "pre" in values.coords:
        pre, post = values["pre"].values, values["post"].values
        flat, pre, post = (array[pre != post] for array in (flat, pre, post))
    keep = ~np.isnan(flat).all(axis=1)
    flat, pre, post = flat[keep], pre[keep], post[keep]
    names, place = np.unique(np.concatenate((pre, post)), return_inverse=True)
    i, j, n = place[: pre.size], place[pre.size :], names.size
    paired = "pre" in values.coords
    there = ~np.isnan(flat)
    total, count = np.where(there, flat, 0.0).sum(axis=0), there.sum(axis=0)
    estimate = np.divide(total, count, out=np.full(flat.shape[1], np.nan), where=count > 0)
    low, high = np.full((2, flat.shape[1]), np.nan)
    rng = stream(seed, "analysis/bootstrap/neurons")
    if n >= (3 if paired else 2):
        drawn = rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
        weight = drawn.astype(np.float64)
        whole = _drawn(weight, np.ones(len(flat)), (i, j), paired=paired)
        for k in range(flat.shape[1]):
            some = there[:, k]
            above = _drawn(weight, np.where(some, flat[:, k], 0.0), (i, j), paired=paired)
            below = whole if some.all() else _drawn(weight, some.astype(float), (i, j), paired=paired)
            low[k], high[k] = _ends(above / np.where(below > 0, below, np.nan), level)
    shape = numbers.shape[1:]
    return estimate.reshape(shape), low.reshape(shape), high.reshape(shape), int(n)


def _drawn(weight: Floats, entry: Floats, place: tuple[Any, Any], *, paired: bool) -> Floats:
    """Sum over neurons, or over pairs of neurons, with the weights of each resample."""
    if not paired:
        return np.asarray(weight[:, place[0]] @ entry)
    table = np.zeros((weight.shape[1], weight.shape[1]))
    np.add.at(table, place, entry)
    return np.asarray(np.einsum("rn,rn->r", weight @ table, weight))


def _ends(draws: Floats, level: float) -> tuple[float, float]:
    """Ends of the interval of some draws; NaN draws are left out."""
    draws = draws[~np.isnan(draws)]
    if not draws.size:
        return np.nan, np.nan
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def interval_of(estimate: float, draws: Floats, *, level: float, n: int) -> Interval:
    """Give an estimate the interval of its resamples.

    Parameters
    ----------
    estimate : float
    draws : ndarray, (n_resamples,)
        NaN is left out.
    level : float
    n : int
        Number of what was resampled.

    Returns
    -------
    Interval
    """
    low, high = _ends(draws, level)
    return Interval(estimate=float(estimate), low=low, high=high, level=level, n=n)


def with_interval(values: xr.DataArray, *, level: float, seed: int) -> xr.Dataset:
    """Put beside the values of neurons or pairs (first axis) their mean and its interval.

    Parameters
    ----------
    values : DataArray, (neuron, ...) or (unit, ...)
        With a name.
    level : float
    seed : int

    Returns
    -------
    Dataset
        The values by their name; ``mean``, ``low`` and ``high``, of the other axes; attributes ``level`` and
        ``n_neurons``.
    """
    import xarray as xr

    estimate, low, high, n = _over_neurons(values, level, seed)
    dims = values.dims[1:]
    unit = {"units": values.attrs.get("units", "1")}
    return xr.Dataset(
        {
            str(values.name): values,
            "mean": (dims, estimate, unit),
            "low": (dims, low, unit),
            "high": (dims, high, unit),
        },
        attrs={"level": level, "n_neurons": n},
    )


def segment_interval(
    sums: Floats, statistic: Callable[[Floats], Floats], *, level: float, seed: int
) -> Interval:
    """Interval of a statistic of sums over the record, by drawing the pieces of the record again.

    Parameters
    ----------
    sums : ndarray, (n_segments, ...)
        What each piece adds to each sum.
    statistic : callable
        From sums (n, ...) to values (n,).
    level : float
    seed : int

    Returns
    -------
    Interval
        ``n`` is the number of pieces. Pieces must be longer than what they remember of each other.
    """
    n = len(sums)
    drawn = stream(seed, "analysis/bootstrap/segments").multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
    resampled = (drawn.astype(np.float64) @ sums.reshape(n, -1)).reshape(RESAMPLES, *sums.shape[1:])
    estimate = float(statistic(sums.sum(axis=0, keepdims=True))[0])
    return interval_of(estimate, statistic(resampled), level=level, n=n)


def jackknife(
    measure: Callable[[NDArray[np.intp]], Any], n: int, *, level: float, order: ArrayLike | None = None
) -> tuple[Any, Any]:
    """Value of a measure over n trials, and half of its interval from leaving out a part of them in turn.

    For what a bootstrap would bias, such as dimensions, which trials drawn twice make fewer.

    Parameters
    ----------
    measure : callable
        Gets the numbers of the trials to use; returns a number or an array.
    n : int
        Number of trials; the parts are ten, or fewer of fewer trials.
    level : float
        Coverage.
    order : array_like, (n,), optional
        Trials in the order in which they are dealt to the parts, so that each part gets some of each kind.

    Returns
    -------
    (number or ndarray, number or ndarray)

    References
    ----------
    B. Efron and C. Stein, Annals of Statistics 9 (1981), doi:10.1214/aos/1176345462.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis.interval import jackknife
    >>> x = np.arange(10.0)
    >>> value, half = jackknife(lambda kept: x[kept].mean(), 10, level=0.95)
    >>> float(value), round(float(half), 3)  # Student's t with 9, times the standard error
    (4.5, 2.166)
    """
    dealt, parts = np.arange(n) if order is None else np.asarray(order), min(PARTS, n)
    part = np.empty(n, np.intp)
    part[dealt] = np.arange(n) % parts
    without = np.array([measure(np.flatnonzero(part != k)) for k in range(parts)])
    return measure(np.arange(n)), jackknife_half(without, level=level)


def jackknife_half(without: Floats, *, level: float) -> Any:
    """Half of the interval of a value, from those without each part: Student's t times its error.

    Parameters
    ----------
    without : ndarray, (n_parts, ...)
    level : float
        Coverage.

    Returns
    -------
    number or ndarray, (...)
    """
    from scipy.stats import t

    return t.ppf((1 + level) / 2, len(without) - 1) * jackknife_error(without)


def jackknife_error(without: Floats) -> Any:
    """Standard error of a value, from the values without each of the parts.

    Parameters
    ----------
    without : ndarray, (n_parts, ...)

    Returns
    -------
    number or ndarray, (...)
    """
    return np.sqrt((len(without) - 1) * without.var(axis=0))


def jackknife_interval(
    measure: Callable[[Floats], Any], values: ArrayLike, *, over: str = "unit", level: float = 0.95
) -> Interval:
    """Interval of any measure of states that is one number, by leaving out a tenth of them in turn.

    For measures without an interval of their own, such as `golomb_chi` and `participation_ratio`: over units,
    how much the number hangs on which units were recorded; over segments or trials, on when.

    Parameters
    ----------
    measure : callable
        Gets states of the shape that was given, with fewer units, steps or trials; returns one number.
    values : array_like, (n_steps, n_units) or (n_trials, n_steps, n_units)
        What the measure takes; of several signals, such as a phase and an amplitude, one a column.
    over : {"unit", "segment", "trial"}
        What is left out. A segment is a tenth of the steps in a row; it must be longer than what the states
        remember.
    level : float
        Coverage, between 0 and 1.

    Returns
    -------
    Interval
        Around the measure of all, by Student's t; ``n`` is the number of units, steps or trials. The ends may
        lie beyond the bounds of the measure.

    Raises
    ------
    SpecError
        If values are not finite or of another shape, there are fewer than two of what is left out, the
        measure gives more than one number or one that is not finite, or an option is out of range.

    Notes
    -----
    A measure that by itself grows or falls with the number of units, as chi does with little synchrony, has
    an interval for this number of units, and none for another.

    References
    ----------
    B. Efron and C. Stein, Annals of Statistics 9 (1981), doi:10.1214/aos/1176345462.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import golomb_chi, jackknife_interval
    >>> traces = np.sin(np.arange(200.0))[:, None] * np.ones(20)
    >>> band = jackknife_interval(golomb_chi, traces)
    >>> round(band.low, 6), round(band.estimate, 6), round(band.high, 6), band.n
    (1.0, 1.0, 1.0, 20)
    """
    where = "jackknife_interval"
    axis = _AXES[check_choice(over, tuple(_AXES), where=where, name="over")]
    cover = check_level(level, where)
    if not callable(measure):
        raise SpecError.of(where=where, name="measure", value=measure, bound="must be a function of states")
    data = as_real(values, where=where, name="values").astype(np.float64, copy=False)
    if data.ndim not in ((3,) if over == "trial" else (2, 3)):
        bound = f"must be {'' if over == 'trial' else '(n_steps, n_units) or '}(n_trials, n_steps, n_units)"
        raise SpecError.of(where=where, name="values", value=f"shape {data.shape}", bound=bound)
    n = data.shape[axis]
    if n < 2:
        raise SpecError.of(where=where, name="values", value=n, bound=f"must have 2 or more {over}s")
    pieces = np.array_split(np.arange(n), min(PARTS, n) if over == "segment" else n)

    def value(kept: NDArray[np.intp]) -> float:
        places = np.concatenate([pieces[k] for k in kept])
        found = np.asarray(measure(np.take(data, places, axis=axis)))
        if found.size != 1 or found.dtype.kind not in "fiu" or not np.isfinite(found).all():
            shown = f"shape {found.shape}" if found.size != 1 else found.reshape(-1)[0]
            raise SpecError.of(where=where, name="measure", value=shown, bound="must give one finite number")
        return float(found.reshape(-1)[0])

    estimate, half = jackknife(value, len(pieces), level=cover)
    return Interval(
        estimate=float(estimate), low=float(estimate - half), high=float(estimate + half), level=cover, n=n
    )
