"""Spike trains: rates, variability of intervals, filtered rates.

Every function takes either a Recording and the name of a population, or an array of spike times with
the keywords `neuron`, `n_neurons` and `duration`.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcuate._inputs import check_bytes, seconds, seconds_array
from arcuate.analysis._trains import SpikeTrains, read_record, read_spikes
from arcuate.errors import SpecError, check_choice, check_int, check_real

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["filtered_rates", "isi_cv", "rates", "spike_counts", "summary"]

Floats = NDArray[np.float64]
_PAIRS = 1 << 21  # spikes times samples at a time, so that memory stays small
_EDGE = 1e-12  # a spike that rounding puts just below the beginning of a bin is in the bin


def rates(
    source: Any,
    population: str | None = None,
    *,
    neuron: ArrayLike | None = None,
    n_neurons: int | None = None,
    duration: Any = None,
) -> xr.DataArray:
    """Mean rate of each neuron: number of spikes over duration.

    Parameters
    ----------
    source : Recording or array_like, (n_spikes,), s
        A Recording, or spike times.
    population : str, optional
        Population of the Recording; not needed if it has one.
    neuron : array_like, (n_spikes,), optional
        Neuron of each spike, with spike times; one neuron without it.
    n_neurons : int, optional
        Number of neurons, silent ones included. A Recording knows it.
    duration : quantity or float in s, optional
        Length of the whole record. A Recording knows it.

    Returns
    -------
    DataArray, (neuron,), Hz

    Raises
    ------
    RecordingError
        If spikes are not finite, lie outside the record, start again in every trial, or name a neuron that
        is not there.
    SpecError
        If the duration or the number of neurons is missing.

    Examples
    --------
    >>> from arcuate.analysis import rates
    >>> rates([0.1, 0.2, 0.3], neuron=[0, 0, 2], n_neurons=3, duration="2 s").values.tolist()
    [1.0, 0.0, 0.5]
    """
    import xarray as xr

    train = read_record(source, population, "rates", neuron=neuron, n_neurons=n_neurons, duration=duration)
    return xr.DataArray(
        train.counts / train.duration, dims="neuron", attrs={"units": "Hz", "long_name": "rate"}
    )


def isi_cv(
    source: Any,
    population: str | None = None,
    *,
    neuron: ArrayLike | None = None,
    n_neurons: int | None = None,
    trial: ArrayLike | None = None,
    min_intervals: int = 5,
) -> xr.DataArray:
    """Coefficient of variation of the intervals between spikes, sd / mean, of each neuron.

    Parameters
    ----------
    source : Recording or array_like, (n_spikes,), s
        A Recording, or spike times.
    population : str, optional
        Population of the Recording.
    neuron : array_like, (n_spikes,), optional
        Neuron of each spike, with spike times.
    n_neurons : int, optional
        Number of neurons. A Recording knows it.
    trial : array_like, (n_spikes,), optional
        Trial of each spike, with spike times. Intervals across trials count only if time runs on
        through the trials.
    min_intervals : int
        Fewest intervals for a value (spec: 5).

    Returns
    -------
    DataArray, (neuron,)
        0 for a clock, about 1 for a Poisson process; NaN with fewer intervals. The standard deviation
        has n in its denominator.

    Raises
    ------
    RecordingError
        If spikes are not finite or name a neuron that is not there.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import isi_cv
    >>> isi_cv(np.arange(10) * 0.5).values.tolist()
    [0.0]
    """
    import xarray as xr

    check_int(min_intervals, where="isi_cv", name="min_intervals")
    train = read_spikes(
        source, population, "isi_cv", neuron=neuron, n_neurons=n_neurons, duration="1 s", trial=trial
    )
    owner, interval = train.intervals()
    count = np.bincount(owner, minlength=train.n_neurons).astype(np.float64)
    mean, sd = np.full((2, train.n_neurons), np.nan)
    enough = count >= min_intervals
    np.divide(np.bincount(owner, interval, minlength=train.n_neurons), count, out=mean, where=enough)
    spread = np.bincount(owner, (interval - mean[owner]) ** 2, minlength=train.n_neurons)
    np.divide(spread, count, out=sd, where=enough)
    out = np.full(train.n_neurons, np.nan)
    np.divide(np.sqrt(sd), mean, out=out, where=enough & (np.nan_to_num(mean) > 0))
    return xr.DataArray(out, dims="neuron", attrs={"units": "1", "long_name": "CV of intervals"})


def _response(model: str, lag: Floats, tau: Floats, dt: float | None) -> Floats:
    """Trace at a lag after one spike, or, of a Gaussian, also before it."""
    if model == "gaussian":
        return np.exp(-0.5 * (lag / tau[0]) ** 2) / (tau[0] * math.sqrt(2.0 * math.pi))
    decay = np.exp(-lag / tau[0])
    if model == "exponential":
        return decay
    if model == "two_stage":
        gain = 1.0 / tau[0] if dt is None else -math.expm1(-dt / tau[0]) / dt
        return np.asarray(gain * lag * decay)
    if abs(tau[0] - tau[1]) <= 1e-9 * tau[1]:
        return np.asarray(lag / tau[0] ** 2 * decay)
    return np.asarray((np.exp(-lag / tau[1]) - decay) / (tau[1] - tau[0]))


def filtered_rates(
    source: Any,
    population: str | None = None,
    *,
    times: Any,
    tau: Any = "30 ms",
    model: str = "two_stage",
    scale: str = "rate",
    dt: Any = None,
    neuron: ArrayLike | None = None,
    n_neurons: int | None = None,
) -> xr.DataArray:
    """Spike trains through a filter, causal but for the Gaussian, sampled at given times.

    Parameters
    ----------
    source : Recording or array_like, (n_spikes,), s
        A Recording whose time runs on through trials, or spike times.
    population : str, optional
        Population of the Recording.
    times : ndarray, (n_samples,), s, or sequence of quantities
        When to sample, ascending. A spike at a sample time counts.
    tau : quantity, or two for "double_exponential" (rise, decay)
        Time constant; of "gaussian", the standard deviation.
    model : {"two_stage", "exponential", "double_exponential", "gaussian"}
        Shape of the filter, as of a read-out. "gaussian" looks five standard deviations into the past and
        into the future.
    scale : {"rate", "trace"}
        "rate" divides by the area under the response to one spike; "trace" gives the variable r that a
        read-out of the engine sees, in which a spike adds 1 (of unit area for "double_exponential" and
        "gaussian").
    dt : quantity, optional
        Step of the simulation: with it "two_stage" is the engine's discrete filter, without it the
        limit of small steps.
    neuron : array_like, (n_spikes,), optional
        Neuron of each spike, with spike times.
    n_neurons : int, optional
        Number of neurons. A Recording knows it.

    Returns
    -------
    DataArray, (time, neuron)
        In Hz, or without unit for "trace" ("double_exponential" and "gaussian": 1/s).

    Raises
    ------
    SpecError
        If an option is out of range or the times do not ascend.
    RecordingError
        If spikes are not finite or name a neuron that is not there.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import filtered_rates
    >>> trace = filtered_rates([0.1], times=np.array([0.05, 0.1, 0.13]), tau="30 ms",
    ...                        model="exponential", scale="trace")
    >>> trace.values.ravel().round(6).tolist()
    [0.0, 1.0, 0.367879]
    """
    import xarray as xr

    where = "filtered_rates"
    models = ("two_stage", "exponential", "double_exponential", "gaussian")
    check_choice(model, models, where=where, name="model")
    check_choice(scale, ("rate", "trace"), where=where, name="scale")
    constants = seconds_array(tau, where=where, name="tau")
    if constants.size != (2 if model == "double_exponential" else 1) or np.any(constants <= 0):
        raise SpecError.of(
            where=where,
            name="tau",
            value=tau,
            bound='must be one time > 0, or (rise, decay) for "double_exponential"',
        )
    step = None if dt is None else seconds(dt, where=where, name="dt", low_open=True)
    grid = seconds_array(times, where=where, name="times")
    if np.any(np.diff(grid) <= 0):
        raise SpecError.of(where=where, name="times", value=grid, bound="must ascend")
    train = read_spikes(source, population, where, neuron=neuron, n_neurons=n_neurons, duration="1 s")
    out = _sample(train, grid, model, constants, step)
    unit_area = model in ("double_exponential", "gaussian")
    if scale == "rate" and not unit_area:
        out /= constants[0]
    units = "Hz" if scale == "rate" else ("1/s" if unit_area else "1")
    return xr.DataArray(
        out,
        coords={"time": ("time", grid, {"units": "s"})},
        dims=("time", "neuron"),
        attrs={"units": units, "long_name": "filtered rate"},
    )


def _sample(train: SpikeTrains, grid: Floats, model: str, tau: Floats, dt: float | None) -> Floats:
    """Sum responses at each sample; a spike counts for 40 of the longest time constants after it."""
    out = np.zeros((grid.size, train.n_neurons))
    slack = 1e-9 if dt is None else 1e-3 * dt  # times read off a decimal grid
    before, after = (5.0 * tau[0], 5.0 * tau[0] + slack) if model == "gaussian" else (0.0, 40.0 * tau.max())
    first = np.searchsorted(grid, train.time - before - slack, side="left")
    last = np.searchsorted(grid, train.time + after, side="right")
    length = np.maximum(last - first, 0)
    pairs = np.cumsum(length)
    cuts = np.searchsorted(pairs, np.arange(_PAIRS, pairs[-1] if pairs.size else 0, _PAIRS))
    edges = np.unique([0, *cuts.tolist(), length.size])
    for begin, end in itertools.pairwise(edges.tolist()):
        spikes = np.repeat(np.arange(begin, end), length[begin:end])
        offset = np.arange(spikes.size) - np.repeat(
            np.cumsum(length[begin:end]) - length[begin:end], length[begin:end]
        )
        sample = first[spikes] + offset
        lag = np.maximum(grid[sample] - train.time[spikes], -before)
        if dt is not None:
            lag = np.rint(lag / dt) * dt
        flat = sample * train.n_neurons + train.neuron[spikes]
        np.add.at(out.reshape(-1), flat, _response(model, lag, tau, dt))
    return out


def spike_counts(
    source: Any,
    population: str | None = None,
    *,
    bin_width: Any,
    neuron: ArrayLike | None = None,
    n_neurons: int | None = None,
    duration: Any = None,
) -> xr.DataArray:
    """Spikes of each neuron in each bin of time.

    Parameters
    ----------
    source : Recording or array_like, (n_spikes,), s
        A Recording whose time runs on through trials, or spike times from 0.
    population : str, optional
        Population of the Recording; not needed if it has one.
    bin_width : quantity
        Length of a bin. What is left at the end, shorter than a bin, is left out.
    neuron : array_like, (n_spikes,), optional
        Neuron of each spike, with spike times.
    n_neurons : int, optional
        Number of neurons. A Recording knows it.
    duration : quantity or float in s, optional
        Length of the whole record. A Recording knows it.

    Returns
    -------
    DataArray of int, (time, neuron)
        ``time`` is the beginning of each bin.

    Raises
    ------
    SpecError
        If a bin is no time, or longer than the record.
    RecordingError
        If spikes are not finite or name a neuron that is not there.

    Examples
    --------
    >>> from arcuate.analysis import spike_counts
    >>> spike_counts([0.01, 0.02, 0.19], bin_width="50 ms", duration="0.2 s").values.ravel().tolist()
    [2, 0, 0, 1]
    """
    import xarray as xr

    where = "spike_counts"
    width = seconds(bin_width, where=where, name="bin_width", low_open=True)
    train = read_spikes(source, population, where, neuron=neuron, n_neurons=n_neurons, duration=duration)
    counts = count_table(train, width, where)
    if not len(counts):
        bound = f"must be at most {train.duration:g} s, the length of the record"
        raise SpecError.of(where=where, name="bin_width", value=bin_width, bound=bound)
    start, n_bins = train.start, len(counts)
    return xr.DataArray(
        counts,
        dims=("time", "neuron"),
        coords={"time": ("time", start + width * np.arange(n_bins), {"units": "s"})},
        attrs={"units": "1", "long_name": "spikes per bin"},
    )


def number_of_bins(width: float, duration: float, where: str) -> int:
    """Count the whole bins of a record.

    Parameters
    ----------
    width, duration : float, s
    where : str
        Who asks.

    Returns
    -------
    int

    Raises
    ------
    MemoryLimitError
        If there are more than doubles can count.
    """
    n_bins = min(duration / width * (1 + _EDGE), 2.0**62)
    if n_bins > 2**52:
        check_bytes(8 * int(n_bins), where=where, fix="use wider bins")
    return math.floor(n_bins)


def bins_of(time: Floats, width: float, duration: float, *, where: str) -> tuple[NDArray[np.int64], int]:
    """Bin in which each spike falls, counted from 0, and the number of whole bins of the record.

    Parameters
    ----------
    time : ndarray, (n_spikes,), s
        From the start of the record.
    width, duration : float, s
    where : str
        Who asks.

    Returns
    -------
    (ndarray of int, int)
    """
    n_bins = number_of_bins(width, duration, where)
    return np.floor(time / width * (1 + _EDGE)).astype(np.int64), n_bins


def count_table(train: SpikeTrains, width: float, where: str) -> NDArray[np.int64]:
    """Spikes of each neuron in each whole bin of the record; those outside are left out.

    Parameters
    ----------
    train : SpikeTrains
    width : float, s
    where : str
        Who asks.

    Returns
    -------
    ndarray of int, (n_bins, n_neurons)

    Raises
    ------
    MemoryLimitError
        If the table would not fit.
    """
    place, n_bins = bins_of(train.time - train.start, width, train.duration, where=where)
    check_bytes(2 * 8 * n_bins * train.n_neurons, where=where, fix="use wider bins")
    kept = (place >= 0) & (place < n_bins)
    flat = place[kept] * train.n_neurons + train.neuron[kept]
    return np.bincount(flat, minlength=n_bins * train.n_neurons).reshape(n_bins, train.n_neurons)


def summary(source: Any, *, min_rate: float = 0.1) -> xr.Dataset:
    """Rates and variability of every population of a Recording.

    Parameters
    ----------
    source : Recording
    min_rate : float, Hz
        A neuron below it counts as silent (spec: 0.1 Hz).

    Returns
    -------
    Dataset, (population,)
        ``rate_mean`` and ``rate_median`` in Hz, ``silent`` the fraction of silent neurons, ``gini`` the
        Gini coefficient of the rates (0: all equal), ``cv`` the median CV of intervals (NaN if no neuron
        has five intervals).

    Raises
    ------
    SpecError
        If the Recording does not say how long it is.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import numpy as np, xarray as xr
    >>> table = xr.Dataset({"time": ("spike", np.arange(10.0)), "neuron": ("spike", np.zeros(10, int))},
    ...                    attrs={"n_neurons": 1})
    >>> recording = SimpleNamespace(spikes={"exc": table}.__getitem__, populations=["exc"],
    ...                             outcome={"duration": 10.0})
    >>> float(summary(recording).rate_mean.sel(population="exc"))
    1.0
    """
    import xarray as xr

    limit = check_real(min_rate, where="summary", name="min_rate", low=0.0)
    names = [str(name) for name in source.populations]
    rows = []
    for name in names:
        rate = rates(source, name).values
        cv = isi_cv(source, name).values
        cv = cv[np.isfinite(cv)]
        rows.append(
            (
                rate.mean(),
                np.median(rate),
                np.mean(rate < limit),
                gini(rate),
                np.median(cv) if cv.size else np.nan,
            )
        )
    columns = ("rate_mean", "rate_median", "silent", "gini", "cv")
    table = np.array(rows, dtype=np.float64).reshape(len(names), len(columns))
    units = ("Hz", "Hz", "1", "1", "1")
    return xr.Dataset(
        {
            column: ("population", table[:, k], {"units": unit})
            for k, (column, unit) in enumerate(zip(columns, units, strict=True))
        },
        coords={"population": names},
    )


def gini(rate: Floats) -> float:
    """Gini coefficient of some rates: 0 where all are equal; NaN where all are 0.

    Parameters
    ----------
    rate : ndarray, (n,)

    Returns
    -------
    float
    """
    total = float(rate.sum())
    if total <= 0:
        return math.nan
    rank = np.arange(1, rate.size + 1)
    return float(np.sum((2 * rank - rate.size - 1) * np.sort(rate)) / (rate.size * total))
