"""From fluorescence to traces worth comparing, from traces to activity, and from spikes to fluorescence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate._jit import compiled
from arcuate.connectome._calcium_kernels import pool_violators
from arcuate.connectome.traces import Floats, as_traces
from arcuate.errors import SpecError, check_choice, check_real, unknown
from arcuate.recording import Recording
from arcuate.rng import stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["deconvolve", "delta_f_over_f", "fluorescence", "normalize", "remove_bleaching", "smooth"]


def delta_f_over_f(traces: Any, *, percentile: float = 8.0, window_s: float = 45.0) -> xr.DataArray:
    r"""Express fluorescence as its relative change over a running baseline.

    :math:`\Delta F/F = (F - F_0)/F_0`, where :math:`F_0` is a low percentile of the samples around each
    one; at the ends the window is cut.

    Parameters
    ----------
    traces : DataArray, (animal, neuron, time), or what else `as_traces` takes without further words
        Raw fluorescence, whose baseline is positive.
    percentile : float
        The baseline is this percentile, 0 to 100.
    window_s : float, s
        Length of the window, centered on each sample.

    Returns
    -------
    DataArray, (animal, neuron, time), relative

    Raises
    ------
    SpecError
        If a baseline is not positive: then the traces are no raw fluorescence.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.connectome import as_traces
    >>> raw = np.full((1, 200), 50.0)
    >>> raw[0, 100:105] = 75.0
    >>> change = delta_f_over_f(as_traces(raw, dims=("neuron", "time"), rate_hz=4.0))
    >>> change[0, 0, [99, 100, 105]].values.tolist()
    [0.0, 0.5, 0.0]
    """
    import pandas as pd

    where = "delta_f_over_f"
    level = check_real(percentile, where=where, name="percentile", low=0.0, high=100.0) / 100.0
    array = as_traces(traces)
    length = _samples(window_s, array, where=where, name="window_s")
    rows, there = _rows(array)
    rolling = pd.DataFrame(rows.T).rolling(length, center=True, min_periods=1)
    baseline = rolling.quantile(level).to_numpy().T
    _check_positive(baseline, array, there, where=where, what="the baseline")
    return _back(array, (rows - baseline) / baseline, there, units="dF/F")


def remove_bleaching(traces: Any, *, by: str = "ratio") -> xr.DataArray:
    r"""Take the slow loss of an indicator out: fit :math:`a + b\,e^{-t/\tau}` and divide by it.

    Parameters
    ----------
    traces : DataArray, (animal, neuron, time), or what else `as_traces` takes without further words
    by : {"ratio", "difference"}
        Divide by the fitted curve, for raw fluorescence, or subtract it, for relative changes. The mean of
        the curve stays.

    Returns
    -------
    DataArray, (animal, neuron, time)

    Raises
    ------
    SpecError
        If a fitted curve is not positive and should be divided by.

    Notes
    -----
    Least squares for each neuron; :math:`\tau` is the best of 60 between a tenth and ten times the length of
    the recording. Where the best curve would rise (b < 0) nothing is removed.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.connectome import as_traces
    >>> t = np.arange(400) / 4.0
    >>> raw = (100.0 + np.sin(t)) * (0.5 + 0.5 * np.exp(-t / 40.0))
    >>> faded = as_traces(raw[None], dims=("neuron", "time"), rate_hz=4.0)
    >>> flat = remove_bleaching(faded)[0, 0]
    >>> float(flat.std() / flat.mean()) < 0.009 < float(faded.std() / faded.mean())
    True
    """
    where = "remove_bleaching"
    by = check_choice(by, ("ratio", "difference"), where=where, name="by")
    array = as_traces(traces)
    rows, there = _rows(array)
    curve = _fading(rows, array["time"].values - float(array["time"][0]))
    mean = curve.mean(axis=1, keepdims=True)
    if by == "difference":
        return _back(array, rows - curve + mean, there)
    _check_positive(curve, array, there, where=where, what="the fitted curve")
    return _back(array, rows * (mean / curve), there)


def _fading(rows: Floats, times: Floats) -> Floats:
    """Best constant plus falling exponential for each row."""
    span = float(times[-1])
    mean = rows.mean(axis=1)
    centered = rows - mean[:, None]
    shapes = np.exp(-times / np.geomspace(span / 10, span * 10, 60)[:, None])
    shapes -= shapes.mean(axis=1, keepdims=True)
    shapes /= np.linalg.norm(shapes, axis=1, keepdims=True)
    fits = centered @ shapes.T
    best = fits.argmax(axis=1)
    gain = np.maximum(fits[np.arange(len(rows)), best], 0.0)
    return np.asarray(mean[:, None] + gain[:, None] * shapes[best])


def smooth(traces: Any, *, sd_s: float) -> xr.DataArray:
    """Smooth traces over time with a Gaussian.

    Parameters
    ----------
    traces : DataArray, (animal, neuron, time), or what else `as_traces` takes without further words
    sd_s : float, s
        Standard deviation of the Gaussian, which is cut at four of them; at the ends the last value holds.

    Returns
    -------
    DataArray, (animal, neuron, time)

    Raises
    ------
    SpecError
        If the width is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.connectome import as_traces
    >>> rough = np.random.default_rng(0).standard_normal((1, 400))
    >>> traces = as_traces(rough, dims=("neuron", "time"), rate_hz=4.0)
    >>> float(smooth(traces, sd_s=1.0).std()) < 0.5 * float(traces.std())
    True
    """
    from scipy.ndimage import gaussian_filter1d

    width = check_real(sd_s, where="smooth", name="sd_s", low=0.0, low_open=True)
    array = as_traces(traces)
    rows, there = _rows(array)
    return _back(array, gaussian_filter1d(rows, width * array.attrs["rate_hz"], mode="nearest"), there)


def normalize(traces: Any, *, by: str = "zscore") -> xr.DataArray:
    """Bring the traces of all neurons to one scale.

    Parameters
    ----------
    traces : DataArray, (animal, neuron, time), or what else `as_traces` takes without further words
    by : {"zscore", "range", "peak"}
        Mean 0 and standard deviation 1; lowest 0 and highest 1; or divided by the largest absolute value.

    Returns
    -------
    DataArray, (animal, neuron, time), without a unit

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.connectome import as_traces
    >>> traces = as_traces(np.array([[1.0, 2.0, 5.0]]), dims=("neuron", "time"), rate_hz=1.0)
    >>> normalize(traces, by="range").values.tolist()
    [[[0.0, 0.25, 1.0]]]
    """
    by = check_choice(by, ("zscore", "range", "peak"), where="normalize", name="by")
    array = as_traces(traces)
    rows, there = _rows(array)
    if by == "zscore":
        rows = (rows - rows.mean(axis=1, keepdims=True)) / rows.std(axis=1, keepdims=True)
    elif by == "range":
        low = rows.min(axis=1, keepdims=True)
        rows = (rows - low) / (rows.max(axis=1, keepdims=True) - low)
    else:
        rows = rows / np.abs(rows).max(axis=1, keepdims=True)
    return _back(array, rows, there, units="1")


def deconvolve(traces: Any, *, decay_s: float, sparsity: float = 0.0) -> xr.Dataset:
    r"""Find the activity that, decaying exponentially, explains traces best: non-negative deconvolution.

    Minimizes :math:`\tfrac12 \sum_t (y_t - c_t)^2 + \lambda \sum_t s_t` over :math:`s_t \ge 0` with
    :math:`c_t = \gamma c_{t-1} + s_t`, :math:`\gamma = e^{-\Delta t/\tau}` (Vogelstein et al. 2010), exactly
    and in one pass: samples that would violate :math:`s_t \ge 0` are pooled (OASIS: Friedrich, Zhou and
    Paninski 2017).

    Parameters
    ----------
    traces : DataArray, (animal, neuron, time), or what else `as_traces` takes without further words
        With their baseline at 0.
    decay_s : float, s
        Time constant :math:`\tau` of the indicator's decay.
    sparsity : float
        :math:`\lambda` in standard deviations of each trace's noise, which is estimated from the differences
        of neighboring samples. At 0 noise too is explained by activity; 1 to 4 leave the larger events.

    Returns
    -------
    Dataset
        ``activity`` s and ``calcium`` c, each (animal, neuron, time), in the units of the traces. The first
        sample of the activity is the calcium that was there at the start.

    Raises
    ------
    SpecError
        If the time constant is not positive or the sparsity negative.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.connectome import as_traces
    >>> decay = np.exp(-0.25 / 2.0)
    >>> calcium = np.zeros(60)
    >>> calcium[20:] = decay ** np.arange(40)
    >>> found = deconvolve(as_traces(calcium[None], dims=("neuron", "time"), rate_hz=4.0), decay_s=2.0)
    >>> np.flatnonzero(found.activity.values > 1e-12).tolist()
    [20]
    """
    where = "deconvolve"
    tau = check_real(decay_s, where=where, name="decay_s", low=0.0, low_open=True)
    weight = check_real(sparsity, where=where, name="sparsity", low=0.0)
    array = as_traces(traces)
    rows, there = _rows(array)
    rows = np.ascontiguousarray(rows)
    decay = math.exp(-1.0 / (tau * array.attrs["rate_hz"]))
    calcium = np.empty_like(rows)
    compiled(pool_violators)(rows, calcium, weight * _noise(rows), decay)
    activity = calcium.copy()
    # what a pool hands on is its own decay; a remainder below rounding is none
    activity[:, 1:] -= decay * calcium[:, :-1]
    activity[activity < 1e-12 * np.abs(rows).max(axis=1, keepdims=True)] = 0.0
    made = {"activity": _back(array, activity, there), "calcium": _back(array, calcium, there)}
    return made["calcium"].to_dataset(name="calcium").assign(activity=made["activity"])


def _noise(rows: Floats) -> Floats:
    """Standard deviation of white noise in each row: from the median of its absolute differences."""
    steps = np.diff(rows, axis=1)
    middle = np.median(steps, axis=1, keepdims=True)
    return np.asarray(np.median(np.abs(steps - middle), axis=1) / (0.6744897501960817 * math.sqrt(2.0)))


def fluorescence(
    spikes: Recording | Sequence[Any],
    *,
    rate_hz: float,
    decay_s: float,
    rise_s: float = 0.0,
    noise: float = 0.0,
    duration_s: float | None = None,
    population: str | None = None,
    seed: int = 0,
) -> xr.DataArray:
    r"""Make traces of spikes, as an indicator of calcium would show them.

    Every spike adds :math:`e^{-t/\tau_d} - e^{-t/\tau_r}`, scaled to a peak of 1, to what is sampled
    ``rate_hz`` times a second; each spike counts from its own time, not from that of a frame.

    Parameters
    ----------
    spikes : Recording, or a sequence of arrays of times, s, one for each neuron
    rate_hz : float
        Frames a second.
    decay_s, rise_s : float, s
        Time constants; a rise of 0 is immediate.
    noise : float
        Standard deviation of white noise, in peaks of a single spike.
    duration_s : float, s, optional
        Length; that of the Recording by default, and needed without one.
    population : str, optional
        Which population of the Recording; all by default.
    seed : int
        Seed of the noise.

    Returns
    -------
    DataArray, (animal, neuron, time)
        One animal, in peaks of a single spike. Neurons of a Recording are named ``"exc/0"`` by population
        and number, others by number. Without noise, a neuron that never fired is 0 throughout.

    Raises
    ------
    SpecError
        If there are no spikes, a rate or a time is not positive, or the rise is not shorter than the decay.

    Examples
    --------
    >>> traces = fluorescence([[1.0], [2.0, 2.1]], rate_hz=4.0, decay_s=1.0, duration_s=5.0)
    >>> traces.sel(time=[0.75, 1.0, 2.0]).values[0].round(3).tolist()
    [[0.0, 1.0, 0.368], [0.0, 0.0, 1.0]]
    """
    where = "fluorescence"
    rate = check_real(rate_hz, where=where, name="rate_hz", low=0.0, low_open=True)
    decay = check_real(decay_s, where=where, name="decay_s", low=0.0, low_open=True)
    rise = check_real(rise_s, where=where, name="rise_s", low=0.0, high=decay, high_open=True)
    level = check_real(noise, where=where, name="noise", low=0.0)
    trains, labels, start, length = _trains(spikes, population, duration_s)
    if length is None:
        raise SpecError.of(where=where, name="duration_s", bound="must be given: the spikes do not say it")
    length = check_real(length, where=where, name="duration_s", low=2.0 / rate)
    count = math.floor(length * rate + 1e-9)
    rows = _decaying(trains, decay, rate, start, count)
    if rise > 0.0:
        ratio = rise / decay
        peak = ratio ** (ratio / (1.0 - ratio)) - ratio ** (1.0 / (1.0 - ratio))
        rows = (rows - _decaying(trains, rise, rate, start, count)) / peak
    rows += level * stream(seed, "connectome/fluorescence").standard_normal(rows.shape)
    return _of_rows(rows, labels, start + np.arange(count) / rate, rate)


def _trains(
    spikes: Any, population: str | None, duration_s: float | None
) -> tuple[list[Floats], list[str], float, float | None]:
    """Return times by neuron, names, start and length."""
    where = "fluorescence"
    if not isinstance(spikes, Recording):
        trains = [np.asarray(train, dtype=float).ravel() for train in spikes]
        if not trains or any(not np.isfinite(train).all() for train in trains):
            raise SpecError.of(
                where=where, name="spikes", value=spikes, bound="must be times for each neuron"
            )
        return trains, [str(index) for index in range(len(trains))], 0.0, duration_s
    known = spikes.populations
    if population is not None and population not in known:
        raise unknown(where, population, known, kind="population")
    chosen = known if population is None else (population,)
    if not chosen:
        raise SpecError.of(where=where, name="spikes", bound="must hold spikes: the recording has none")
    trains, labels = [], []
    for name in chosen:
        times, neurons = spikes.spike_arrays(name)
        order = np.argsort(neurons, kind="stable")
        n = spikes.n_neurons(name)
        edges = np.searchsorted(neurons[order], np.arange(n + 1))
        trains += [times[order[a:b]] for a, b in pairwise(edges)]
        labels += [f"{name}/{index}" for index in range(n)]
    return trains, labels, spikes.start, spikes.duration if duration_s is None else duration_s


def _decaying(trains: list[Floats], tau: float, rate: float, start: float, count: int) -> Floats:
    """Sum of exponentials that begin at the spikes, at the frames."""
    from scipy.signal import lfilter

    rows = np.zeros((len(trains), count))
    for row, train in zip(rows, trains, strict=True):
        frame = np.ceil((train - start) * rate - 1e-9).astype(int)
        inside = (frame >= 0) & (frame < count)
        late = np.maximum(start + frame[inside] / rate - train[inside], 0.0)
        np.add.at(row, frame[inside], np.exp(-late / tau))
    return np.asarray(lfilter([1.0], [1.0, -math.exp(-1.0 / (rate * tau))], rows, axis=1))


def _of_rows(rows: Floats, labels: list[str], times: Floats, rate: float) -> xr.DataArray:
    import xarray as xr

    coords = {"animal": ["0"], "neuron": labels, "time": ("time", times, {"units": "s"})}
    attrs = {"units": "1", "rate_hz": rate}
    return xr.DataArray(
        rows[None], dims=("animal", "neuron", "time"), coords=coords, attrs=attrs, name="trace"
    )


def _rows(array: xr.DataArray) -> tuple[Floats, Any]:
    """Traces that are there, one after the other, and where they stand."""
    there = ~np.isnan(array.values[:, :, 0])
    return array.values[there], there


def _back(array: xr.DataArray, rows: Any, there: Any, units: str | None = None) -> xr.DataArray:
    """Put traces back where they stood."""
    values = np.full(array.shape, np.nan)
    values[there] = rows
    out = array.copy(data=values)
    return out if units is None else out.assign_attrs(units=units)


def _samples(span_s: float, array: xr.DataArray, *, where: str, name: str) -> int:
    span = check_real(span_s, where=where, name=name, low=0.0, low_open=True)
    count = round(span * array.attrs["rate_hz"])
    if count < 2:
        raise SpecError.of(
            where=where,
            name=name,
            value=span,
            bound=f"must span samples, which are {1 / array.attrs['rate_hz']:.4g} s apart",
        )
    return count + 1 - count % 2


def _check_positive(rows: Floats, array: xr.DataArray, there: Any, *, where: str, what: str) -> None:
    low = rows.min(axis=1)
    if (low > 0).all():
        return
    animal, neuron = np.argwhere(there)[int(low.argmin())]
    names = str(array["neuron"].values[neuron]), str(array["animal"].values[animal])
    raise SpecError.of(
        where=where,
        name="traces",
        value=float(low.min()),
        bound=f"{what} of neuron {names[0]!r} of animal {names[1]!r} must be > 0",
        fix="give raw fluorescence without its offset; relative changes need no baseline",
    )
