"""Surrogates: data with the same parts in which what is to be tested is destroyed, and what p they give.

=====================  ====================================  ==========================================
surrogate              keeps                                 destroys
=====================  ====================================  ==========================================
`circular_shift`       every trace, but for where it starts  what neurons do at the same time
`phase_randomize`      spectra; with ``common`` the cross    pairing; with ``common`` what is no linear
                       spectra                               Gaussian process
`iaaft`                spectra, nearly, and amplitudes       pairing, and what is not linear
`permute_blocks`       what happens within a block           when it happens, the same for all neurons
`shuffle_animals`      what follows a common time course     what neurons of one animal share besides
`dither_spikes`        rates and slow changes                timing finer than the width
`shuffle_epochs`       lengths of epochs of a stimulus       when they are
`shuffle_intervals`    counts and intervals of each neuron   order of intervals, pairing
=====================  ====================================  ==========================================

Every surrogate has a number: one seed gives as many as are wanted, in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcuate._inputs import as_real, epochs_of, seconds
from arcuate.connectome.traces import as_traces
from arcuate.errors import SpecError, check_int, check_real
from arcuate.rng import check_seed, stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "circular_shift",
    "dither_spikes",
    "epoch_test",
    "iaaft",
    "p_values",
    "permute_blocks",
    "phase_randomize",
    "shuffle_animals",
    "shuffle_epochs",
    "shuffle_intervals",
]

Floats = NDArray[np.float64]


def circular_shift(traces: Any, *, seed: int, number: int = 0, min_shift: float = 0.1) -> xr.DataArray:
    """Shift every trace around in time, each by a random amount of its own.

    Parameters
    ----------
    traces : xarray.DataArray or Recording
        Whatever `as_traces` takes without further words.
    seed, number : int
        Seed, and which surrogate of it.
    min_shift : float
        Smallest shift as a part of the whole, to both sides; less than 0.5.

    Returns
    -------
    xarray.DataArray, (animal, neuron, time)
        Missing neurons stay missing.

    Raises
    ------
    SpecError
        If these are no traces, or an option is out of bounds.

    Examples
    --------
    >>> from arcuate.connectome import SharedEvents
    >>> traces = SharedEvents(n_animals=1).draw(1).traces
    >>> shifted = circular_shift(traces, seed=1)
    >>> bool((np.sort(shifted, axis=2) == np.sort(traces, axis=2)).all()), bool((shifted == traces).all())
    (True, False)
    """
    where = "circular_shift"
    check_real(min_shift, where=where, name="min_shift", low=0, high=0.5, high_open=True)
    checked = as_traces(traces)
    n, n_times = checked.sizes["neuron"], checked.sizes["time"]
    least = int(min_shift * n_times) + 1
    if n_times - least < least:
        raise SpecError.of(
            where=where, name="traces", value=n_times, bound="are too few samples to be shifted"
        )
    shifts = np.stack(
        [rng.integers(least, n_times - least + 1, n) for rng in _streams(checked, where, seed, number)]
    )
    index = (np.arange(n_times) - shifts[:, :, None]) % n_times
    return _like(checked, np.take_along_axis(checked.values, index, axis=2))


def phase_randomize(traces: Any, *, seed: int, number: int = 0, common: bool = False) -> xr.DataArray:
    """Give every frequency a random phase (Theiler et al. 1992).

    Parameters
    ----------
    traces : xarray.DataArray or Recording
        Whatever `as_traces` takes without further words.
    seed, number : int
        Seed, and which surrogate of it.
    common : bool
        Add the same phases for all neurons of an animal: cross spectra are kept (Prichard and Theiler 1994),
        and what is left to be tested is whether the traces are linear Gaussian processes. Else phases are
        drawn for every neuron, which breaks pairing.

    Returns
    -------
    xarray.DataArray, (animal, neuron, time)
        Missing neurons stay missing.

    Raises
    ------
    SpecError
        If these are no traces, or the seed is none.

    Examples
    --------
    >>> from arcuate.connectome import SharedEvents
    >>> traces = SharedEvents(n_animals=1).draw(1).traces
    >>> other = phase_randomize(traces, seed=1, common=True)
    >>> bool(np.allclose(np.corrcoef(other[0]), np.corrcoef(traces[0])))
    True
    """
    checked = as_traces(traces)
    values = np.empty_like(checked.values)
    for row, out, rng in zip(
        checked.values, values, _streams(checked, "phase_randomize", seed, number), strict=True
    ):
        out[:] = _with_phases(row, rng, common)
    return _like(checked, values)


def iaaft(traces: Any, *, seed: int, number: int = 0, max_iter: int = 100, tol: float = 1e-6) -> xr.DataArray:
    """Keep the values of every trace and, nearly, its spectrum (Schreiber and Schmitz 1996).

    Parameters
    ----------
    traces : xarray.DataArray or Recording
        Whatever `as_traces` takes without further words.
    seed, number : int
        Seed, and which surrogate of it.
    max_iter : int
        Most iterations. Each sets the amplitudes of the spectrum, then the values by their rank.
    tol : float
        It ends when the error of the spectrum, relative to it, falls by less.

    Returns
    -------
    xarray.DataArray, (animal, neuron, time)
        The values of every trace in another order. Missing neurons stay missing.

    Raises
    ------
    SpecError
        If these are no traces, or an option is out of bounds.

    Examples
    --------
    >>> from arcuate.connectome import SharedEvents
    >>> traces = SharedEvents(n_animals=1, n_neurons=10, n_frames=200).draw(1).traces
    >>> other = iaaft(traces, seed=1)
    >>> bool((np.sort(other, axis=2) == np.sort(traces, axis=2)).all())
    True
    """
    where = "iaaft"
    check_int(max_iter, where=where, name="max_iter")
    check_real(tol, where=where, name="tol", low=0)
    checked = as_traces(traces)
    values = np.full_like(checked.values, np.nan)
    for row, out, rng in zip(checked.values, values, _streams(checked, where, seed, number), strict=True):
        there = ~np.isnan(row[:, 0])
        x, order = row[there], rng.random(row.shape)[there].argsort(axis=1)
        amplitude, ranked = np.abs(np.fft.rfft(x)), np.sort(x)
        y = np.take_along_axis(x, order, axis=1)
        last = np.inf
        for _ in range(max_iter):
            spectrum = np.fft.rfft(y)
            size = np.abs(spectrum)
            error = float(np.linalg.norm(size - amplitude) / np.linalg.norm(amplitude))
            if last - error < tol:
                break
            last = error
            spectrum *= np.divide(amplitude, size, out=np.zeros_like(size), where=size > 0)
            rank = np.fft.irfft(spectrum, x.shape[1]).argsort(axis=1)
            np.put_along_axis(y, rank, ranked, axis=1)
        out[there] = y
    return _like(checked, values)


def permute_blocks(traces: Any, *, block: Any, seed: int, number: int = 0) -> xr.DataArray:
    """Put blocks of time into another order, the same for all neurons of an animal.

    Parameters
    ----------
    traces : xarray.DataArray or Recording
        Whatever `as_traces` takes without further words.
    block : str or quantity
        Length of a block, or a sequence of all lengths, such as those of epochs, in their order. What is left
        at the end stays there.
    seed, number : int
        Seed, and which surrogate of it.

    Returns
    -------
    xarray.DataArray, (animal, neuron, time)
        What neurons do together is kept, and its tie to the time of the experiment is not.

    Raises
    ------
    SpecError
        If these are no traces, or fewer than two blocks fit.

    Examples
    --------
    >>> from arcuate.connectome import SharedEvents
    >>> traces = SharedEvents(n_animals=1).draw(1).traces
    >>> other = permute_blocks(traces, block="20 s", seed=1)
    >>> bool(np.allclose(np.corrcoef(other[0]), np.corrcoef(traces[0])))
    True
    """
    where = "permute_blocks"
    checked = as_traces(traces)
    n_times, rate = checked.sizes["time"], checked.attrs["rate_hz"]
    if isinstance(block, Sequence) and not isinstance(block, str):
        lengths = [round(seconds(one, where=where, name="block", low_open=True) * rate) for one in block]
    else:
        length = round(seconds(block, where=where, name="block", low_open=True) * rate)
        lengths = [length] * (n_times // length if length else 0)
    if len(lengths) < 2 or sum(lengths) > n_times or min(lengths) < 1:
        bound = f"must be two blocks or more, each at least a sample, within {n_times / rate:.6g} s"
        raise SpecError.of(where=where, name="block", value=block, bound=bound)
    edges = np.concatenate(([0], np.cumsum(lengths)))
    values = checked.values.copy()
    for row, rng in zip(values, _streams(checked, where, seed, number), strict=True):
        order = rng.permutation(len(lengths))
        index = np.concatenate([np.arange(edges[k], edges[k + 1]) for k in order])
        row[:, : edges[-1]] = row[:, index]
    return _like(checked, values)


def shuffle_animals(traces: Any, *, seed: int, number: int = 0) -> xr.DataArray:
    """Give every neuron the trace that it has in another animal or trial, for each neuron by itself.

    Parameters
    ----------
    traces : xarray.DataArray or Recording
        Whatever `as_traces` takes without further words; its animals may be trials.
    seed, number : int
        Seed, and which surrogate of it.

    Returns
    -------
    xarray.DataArray, (animal, neuron, time)
        What follows the protocol is kept, and what neurons of one animal share besides is not. Neurons stay
        missing where they were.

    Raises
    ------
    SpecError
        If these are no traces of at least two animals.

    Examples
    --------
    >>> from arcuate.connectome import SharedEvents
    >>> traces = SharedEvents(n_animals=4).draw(1).traces
    >>> other = shuffle_animals(traces, seed=1)
    >>> bool(np.allclose(other.mean("animal"), traces.mean("animal")))
    True
    """
    where = "shuffle_animals"
    checked = as_traces(traces)
    if checked.sizes["animal"] < 2:
        raise SpecError.of(where=where, name="traces", value=1, bound="must be of at least two animals")
    values = checked.values.copy()
    for index, name in enumerate(checked.neuron.values):
        there = np.flatnonzero(~np.isnan(values[:, index, 0]))
        rng = stream(check_seed(seed), f"{where}/{_number(number, where)}/{name}")
        values[there, index] = values[rng.permutation(there), index]
    return _like(checked, values)


def dither_spikes(
    spikes: Sequence[ArrayLike], *, width: Any, duration: Any, seed: int, number: int = 0
) -> list[Floats]:
    """Move every spike by a random amount, uniform within a width to both sides.

    Parameters
    ----------
    spikes : sequence of array_like, s
        Times of the spikes of each neuron.
    width : str or quantity
        Most that a spike moves.
    duration : str or quantity
        Length of the recording; a spike that would leave it is reflected.
    seed, number : int
        Seed, and which surrogate of it.

    Returns
    -------
    list of ndarray, s
        Sorted times of each neuron.

    Raises
    ------
    SpecError
        If a time is not within the recording, or the width is more than it.

    Examples
    --------
    >>> moved = dither_spikes([[0.1, 0.5], [0.9]], width="20 ms", duration="1 s", seed=1)
    >>> [len(times) for times in moved], bool(abs(moved[1][0] - 0.9) <= 0.02)
    ([2, 1], True)
    """
    where = "dither_spikes"
    end = seconds(duration, where=where, name="duration", low_open=True)
    most = seconds(width, where=where, name="width", low_open=True)
    if most > end:
        raise SpecError.of(where=where, name="width", value=most, bound=f"must be at most {end:g} s")
    moved = []
    for index, times in enumerate(_spikes(spikes, end, where)):
        rng = stream(check_seed(seed), f"{where}/{_number(number, where)}/{index}")
        new = np.abs(times + rng.uniform(-most, most, times.size))
        moved.append(np.sort(np.where(new > end, 2 * end - new, new)))
    return moved


def shuffle_intervals(
    spikes: Sequence[ArrayLike], *, duration: Any, seed: int, number: int = 0
) -> list[Floats]:
    """Put the intervals between the spikes of every neuron into a random order.

    Parameters
    ----------
    spikes : sequence of array_like, s
        Times of the spikes of each neuron.
    duration : str or quantity
        Length of the recording. What is left before the first spike and after the last is shared out anew.
    seed, number : int
        Seed, and which surrogate of it.

    Returns
    -------
    list of ndarray, s
        Sorted times of each neuron.

    Raises
    ------
    SpecError
        If a time is not within the recording.

    Examples
    --------
    >>> times = shuffle_intervals([[0.1, 0.2, 0.5, 0.6]], duration="1 s", seed=1)[0]
    >>> np.sort(np.diff(times)).round(6).tolist()
    [0.1, 0.1, 0.3]
    """
    where = "shuffle_intervals"
    end = seconds(duration, where=where, name="duration", low_open=True)
    shuffled = []
    for index, times in enumerate(_spikes(spikes, end, where)):
        rng = stream(check_seed(seed), f"{where}/{_number(number, where)}/{index}")
        gaps = rng.permutation(np.diff(times))
        left = end - gaps.sum()
        start = rng.uniform(0, left) if times.size else 0.0
        shuffled.append(np.minimum(start + np.concatenate(([0.0], np.cumsum(gaps))), end)[: times.size])
    return shuffled


def shuffle_epochs(epochs: Any, *, duration: Any, seed: int, number: int = 0) -> list[tuple[float, float]]:
    """Place epochs of a stimulus anew: the same lengths in any order, at random times, without overlap.

    Parameters
    ----------
    epochs : sequence of (start, stop) or (start, stop, name), s, or a table of events
        A table, such as ``recording.events``, has ``time`` and ``duration``.
    duration : str or quantity
        Length of the recording.
    seed, number : int
        Seed, and which surrogate of it.

    Returns
    -------
    list of (float, float), s
        Sorted in time.

    Raises
    ------
    SpecError
        If epochs overlap or leave the recording.

    Examples
    --------
    >>> placed = shuffle_epochs([(5.0, 8.0), (20.0, 21.0)], duration="60 s", seed=1)
    >>> sorted(round(stop - start, 6) for start, stop in placed)
    [1.0, 3.0]
    """
    where = "shuffle_epochs"
    end = seconds(duration, where=where, name="duration", low_open=True)
    given = _epochs(epochs, 0.0, end, where)
    return _placed(given, end, stream(check_seed(seed), f"{where}/{_number(number, where)}"))


def _epochs(epochs: Any, first: float, end: float, where: str) -> Floats:
    """Starts and ends (n_epochs, 2) in the order of time."""
    rows = epochs_of(epochs, where=where, name="epochs")
    given = np.array(sorted(row[:2] for row in rows), dtype=np.float64).reshape(-1, 2)
    if not (np.diff(np.concatenate(([first], given.ravel(), [end]))) >= 0).all():
        bound = f"must be (start, end) within {first:g} to {end:g} s, without overlap"
        raise SpecError.of(where=where, name="epochs", value=given.tolist(), bound=bound)
    return given


def _placed(given: Floats, end: float, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Epochs of the same lengths anywhere from 0 to an end."""
    lengths = rng.permutation(given[:, 1] - given[:, 0])
    free = np.sort(rng.uniform(0, max(end - lengths.sum(), 0.0), lengths.size))
    starts = free + np.cumsum(lengths) - lengths
    return [(float(start), float(start + long)) for start, long in zip(starts, lengths, strict=True)]


def epoch_test(
    loadings: ArrayLike,
    epochs: Any,
    *,
    times: ArrayLike,
    n_null: int = 999,
    correction: str | None = "max",
    seed: int = 0,
) -> xr.Dataset:
    """Test which components follow the epochs of a stimulus, against epochs placed anew.

    Parameters
    ----------
    loadings : array_like, (n_times, n_components)
        Time factors.
    epochs : sequence of (start, stop) or (start, stop, name), s, or a table of events
        As for `shuffle_epochs`.
    times : array_like, (n_times,), s
        Ascending; epochs are placed from the first to one step past the last.
    n_null : int
        How often.
    correction : {"max", "bh", None}
        As in `p_values`, over components.
    seed : int
        Of the places.

    Returns
    -------
    xarray.Dataset
        ``correlation`` of every ``component`` with being within an epoch, and ``p``. A component that never
        changes has NaN.

    Raises
    ------
    SpecError
        If epochs overlap or leave the recording, or hold no sample.

    Examples
    --------
    >>> times = np.arange(200) / 2
    >>> inside = ((times >= 20) & (times < 30)) | ((times >= 70) & (times < 77))
    >>> loadings = np.stack((inside + 0.1, np.sin(times) ** 2), axis=1)
    >>> epoch_test(loadings, [(20, 30), (70, 77)], times=times).p.values <= 0.01
    array([ True, False])
    """
    import xarray as xr

    where = "epoch_test"
    check_int(n_null, where=where, name="n_null")
    at = as_real(times, where=where, name="times").astype(np.float64).reshape(-1)
    rows = as_real(loadings, where=where, name="loadings").astype(np.float64)
    if rows.ndim != 2 or len(rows) != at.size or at.size < 3:
        bound = f"must be (n_times, n_components) for {at.size} times, 3 or more"
        raise SpecError.of(where=where, name="loadings", value=f"shape {rows.shape}", bound=bound)
    if not (np.diff(at) > 0).all():
        bound, at_fault = "must ascend", int(np.flatnonzero(np.diff(at) <= 0)[0]) + 1
        raise SpecError.of(where=where, name=f"times[{at_fault}]", value=float(at[at_fault]), bound=bound)
    step = float(at[-1] - at[0]) / (at.size - 1)
    given = _epochs(epochs, float(at[0]), float(at[-1]) + step, where) - at[0]
    at = at - at[0]
    centered = rows - rows.mean(axis=0)
    size = np.linalg.norm(centered, axis=0)
    centered /= np.where(size > 1e-12 * np.abs(rows).max(initial=0), size, np.nan)

    def follow(placed: Any) -> Floats:
        inside = np.any([(at >= start) & (at < stop) for start, stop in placed], axis=0).astype(np.float64)
        inside -= inside.mean()
        norm = float(np.linalg.norm(inside))
        return inside @ centered / norm if norm > 0 else np.zeros(rows.shape[1])

    if not any(((at >= start) & (at < stop)).any() for start, stop in given):
        raise SpecError.of(where=where, name="epochs", value=epochs, bound="must hold a sample")
    draws = (stream(check_seed(seed), f"shuffle_epochs/{k}") for k in range(n_null))
    null = [follow(_placed(given, float(at[-1]) + step, rng)) for rng in draws]
    seen = follow(given)
    null = [np.where(np.isnan(seen), 0.0, one) for one in null]
    p = p_values(seen, null, correction=correction)
    return xr.Dataset({"correlation": ("component", seen), "p": ("component", p)})


def p_values(
    observed: ArrayLike, null: ArrayLike, *, correction: str | None = None
) -> NDArray[np.float64] | np.float64:
    """Return how often surrogates reach what was observed: ``p = (1 + #{null >= observed}) / (1 + n)``.

    Parameters
    ----------
    observed : array_like
        Statistics of the data; larger is more. NaN gives NaN and counts for nothing.
    null : array_like, (n_surrogates, ...)
        The same of every surrogate.
    correction : {None, "max", "bh"}
        For many statistics at once: hold each against the largest of every surrogate, which bounds the
        probability of any false one (Westfall and Young 1993), or bound the share of false ones (Benjamini
        and Hochberg 1995).

    Returns
    -------
    ndarray or float
        With the shape of `observed`. It is never 0 (Phipson and Smyth 2010).

    Raises
    ------
    SpecError
        If shapes do not fit, there is no surrogate, or there is no such correction.

    Examples
    --------
    >>> p_values(3.0, [1.0, 2.0, 3.0])
    np.float64(0.5)
    >>> p_values([3.0, 0.0], [[1.0, 2.0], [1.0, 1.0], [2.0, 1.0]], correction="max")
    array([0.25, 1.  ])
    """
    where = "p_values"
    if correction not in (None, "max", "bh"):
        bound = 'must be None, "max" or "bh"'
        raise SpecError.of(where=where, name="correction", value=correction, bound=bound)
    seen, draws = np.asarray(observed, dtype=np.float64), np.asarray(null, dtype=np.float64)
    if draws.ndim == 0 or draws.shape[0] == 0 or draws.shape[1:] != seen.shape:
        bound = f"must be (n_surrogates, {', '.join(map(str, seen.shape))}), at least one"
        raise SpecError.of(where=where, name="null", value=f"shape {draws.shape}", bound=bound)
    if np.isnan(draws[..., ~np.isnan(seen)]).any():
        raise SpecError.of(where=where, name="null", value=np.nan, bound="must be numbers")
    if correction == "max":
        highest = draws[:, ~np.isnan(seen)].max(axis=1, initial=-np.inf)
        draws = highest.reshape(-1, *(1 for _ in seen.shape))
    p = (1 + (draws >= seen).sum(axis=0)) / (1 + len(draws))
    p = np.where(np.isnan(seen), np.nan, p)
    if correction == "bh":
        p[~np.isnan(seen)] = _benjamini_hochberg(p[~np.isnan(seen)])
    return p if p.ndim else np.float64(p)


def _benjamini_hochberg(p: Floats) -> Floats:
    order = p.argsort()[::-1]
    scaled = p[order] * p.size / np.arange(p.size, 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled), 1)
    return adjusted


def _with_phases(x: Floats, rng: np.random.Generator, common: bool) -> Floats:
    """Traces (n_neurons, n_times) with other phases."""
    spectrum = np.fft.rfft(x)
    shape = (1 if common else len(x), spectrum.shape[1])
    turn = np.exp(2j * np.pi * rng.random(shape))
    turn[:, 0] = 1
    if x.shape[1] % 2 == 0:
        turn[:, -1] = np.where(turn[:, -1].real < 0, -1, 1)
    out: Floats = np.fft.irfft(spectrum * turn, x.shape[1])
    return out


def _number(number: object, where: str) -> int:
    return check_int(number, where=where, name="number", low=0)


def _streams(traces: xr.DataArray, where: str, seed: int, number: int) -> list[np.random.Generator]:
    """Random numbers of every animal."""
    address = f"{where}/{_number(number, where)}"
    return [stream(check_seed(seed), f"{address}/{name}") for name in traces.animal.values]


def _like(traces: xr.DataArray, values: Floats) -> xr.DataArray:
    return traces.copy(data=values)


def _spikes(spikes: Sequence[ArrayLike], end: float, where: str) -> list[Floats]:
    trains = []
    for index, train in enumerate(spikes):
        times = np.sort(as_real(train, where=where, name=f"spikes[{index}]").astype(np.float64).reshape(-1))
        if times.size and not (times[0] >= 0 and times[-1] <= end):
            bound = f"must be within 0 to {end:g} s"
            outside = float(times[0] if times[0] < 0 else times[-1])
            raise SpecError.of(where=where, name=f"spikes[{index}]", value=outside, bound=bound)
        trains.append(times)
    return trains
