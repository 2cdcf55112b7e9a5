"""Checks that all parts share: states, time axes, quantities in seconds, and what fits into memory."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcuate.errors import ArcuateError, MemoryLimitError, SpecError
from arcuate.units import to_si

Floats = NDArray[np.float64]
_BLOCK = 1 << 22

MOST_BYTES = 16 << 30
"""Largest arrays that are made where sizes are given; more is refused (chosen)."""

SHARE = 0.8
"""Part of the free memory that may be used."""

_SMALL = 1 << 26


def available_memory() -> int:
    """Bytes of memory that are free, or can be freed, on this machine or in this container.

    Returns
    -------
    int

    Examples
    --------
    >>> from arcuate._inputs import available_memory
    >>> available_memory() > 0
    True
    """
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemAvailable:"):
            free = int(line.split()[1]) * 1024
    limit, used = (_lines(f"/sys/fs/cgroup/memory.{word}") for word in ("max", "current"))
    if limit and used and limit[0].strip().isdigit():
        free = min(free, max(0, int(limit[0]) - int(used[0])))
    return free


def _lines(path: str) -> list[str]:
    """Lines of a small file of the kernel; none where there is no such file."""
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def check_bytes(need: int, *, where: str, fix: str) -> None:
    """Refuse arrays that would not fit, before they are made.

    Parameters
    ----------
    need : int
        Bytes.
    where, fix : str
        For the message.

    Raises
    ------
    MemoryLimitError
        If they would take more than 16 GiB, or more than 80 % of what is free.

    Examples
    --------
    >>> from arcuate._inputs import check_bytes
    >>> check_bytes(1000, where="drive", fix="draw fewer trials")
    """
    if need <= _SMALL:
        return
    most = min(MOST_BYTES, int(SHARE * available_memory()))
    if need > most:
        bound = f"would take {min(need, 1 << 200) / 2**30:.3g} GiB, more than {most / 2**30:.3g}"
        raise MemoryLimitError.of(where=where, bound=bound, fix=fix)


def check_unmasked(value: Any, *, where: str, name: str, error: type[ArcuateError] = SpecError) -> None:
    """Refuse an array with masked values, which would be used as if they were not.

    Parameters
    ----------
    value : array_like
        Data.
    where, name : str
        Who asks, and for which argument.
    error : type
        Class of the error to raise.

    Raises
    ------
    ArcuateError
        Of the class `error`, with the number of masked values.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate._inputs import check_unmasked
    >>> check_unmasked(np.ma.masked_greater([1.0, 2.0], 3.0), where="f", name="x")  # none is
    """
    if np.ma.is_masked(value):
        n = int(np.ma.count_masked(value))
        fix = "leave them out, or put numbers in their place: values.filled(...)"
        raise error.of(where=where, name=name, value=f"{n} masked", bound="must have none masked", fix=fix)


def as_real(
    value: ArrayLike,
    *,
    where: str,
    name: str,
    error: type[ArcuateError] = SpecError,
    boolean: bool = True,
) -> NDArray[Any]:
    """Real, finite and dense; float32 stays float32, everything else becomes float64, C order.

    Parameters
    ----------
    value : array_like
        Data, also an xarray object.
    where, name : str
        Who asks, and for which argument; both stand in the message.
    error : type
        Class of the error to raise.
    boolean : bool
        Whether truth values may stand for 0 and 1, as in a graph; not for times or potentials.

    Returns
    -------
    ndarray
        The input itself where it already fits: large states are not copied.

    Raises
    ------
    ArcuateError
        Of the class `error`: not numeric, ragged, complex, masked, or not finite.

    Examples
    --------
    >>> from arcuate._inputs import as_real
    >>> as_real([1, 2], where="f", name="x").dtype.name
    'float64'
    """
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as cause:
        raise error.of(
            where=where, name=name, value=value, bound="must be a regular array of numbers"
        ) from cause
    if array.dtype.kind not in ("fiub" if boolean else "fiu"):
        raise error.of(
            where=where, name=name, value=f"array of {array.dtype}", bound="must hold real numbers"
        )
    check_unmasked(value, where=where, name=name, error=error)
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    array = np.ascontiguousarray(array) if array.ndim else array
    flat = array.reshape(-1)
    for first in range(0, flat.size, _BLOCK):
        part = flat[first : first + _BLOCK]
        if not np.isfinite(part).all():
            place = first + int(np.argmin(np.isfinite(part)))
            index = tuple(int(k) for k in np.unravel_index(place, array.shape)) if array.ndim else ()
            raise error.of(
                where=where, name=name, value=float(flat[place]), bound=f"must be finite, at index {index}"
            )
    return array


def as_states(
    value: ArrayLike, *, where: str, name: str, error: type[ArcuateError] = SpecError
) -> NDArray[Any]:
    """States as (n_trials, n_samples, n_units); two dimensions are one trial.

    Parameters
    ----------
    value : array_like, (n_trials, n_samples, n_units) or (n_samples, n_units)
    where, name : str
        Who asks, and for which argument.
    error : type
        Class of the error to raise.

    Returns
    -------
    ndarray, (n_trials, n_samples, n_units), float32 or float64

    Raises
    ------
    ArcuateError
        Of the class `error`: wrong number of dimensions, an empty axis, not finite.

    Examples
    --------
    >>> from arcuate._inputs import as_states
    >>> as_states([[1.0, 2.0]], where="f", name="x").shape
    (1, 1, 2)
    """
    array = as_real(value, where=where, name=name, error=error)
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or 0 in array.shape:
        raise error.of(
            where=where,
            name=name,
            value=f"shape {np.shape(value)}",
            bound="must be (n_trials, n_samples, n_units), none of them 0",
        )
    return array


def as_samples(value: ArrayLike, *, where: str, name: str, least: int = 3) -> Floats:
    """Samples of all trials pooled, as float64.

    Parameters
    ----------
    value : array_like, (n_trials, n_samples, n_units) or (n_samples, n_units)
    where, name : str
        Who asks, and for which argument.
    least : int
        Fewest samples that will do.

    Returns
    -------
    ndarray, (n, n_units), float64

    Raises
    ------
    SpecError
        If there are fewer than `least` samples, or a value is not finite.

    Examples
    --------
    >>> from arcuate._inputs import as_samples
    >>> as_samples([[[1, 2], [3, 4]], [[5, 6], [7, 8]]], where="f", name="x").shape
    (4, 2)
    """
    cube = as_states(value, where=where, name=name)
    samples = cube.reshape(-1, cube.shape[2]).astype(np.float64, copy=False)
    if samples.shape[0] < least:
        raise SpecError.of(where=where, name=name, value=samples.shape[0], bound=f"needs >= {least} samples")
    return samples


def as_times(
    value: ArrayLike, shape: int | tuple[int, ...], *, where: str, error: type[ArcuateError] = SpecError
) -> Floats:
    """A strictly ascending time axis in seconds, one for all trials or one for each.

    Parameters
    ----------
    value : array_like, (n_samples,) or (n_trials, n_samples), s
    shape : int or (n_trials, n_samples)
        Shape that it must have; given two numbers, the last alone will do too.
    where : str
        Who asks.
    error : type
        Class of the error to raise.

    Returns
    -------
    ndarray, float64
        In the shape in which it came.

    Raises
    ------
    ArcuateError
        Of the class `error`: another shape, or not ascending.

    Examples
    --------
    >>> from arcuate._inputs import as_times
    >>> as_times([0.0, 0.01], 2, where="f").tolist()
    [0.0, 0.01]
    """
    full = (shape,) if isinstance(shape, int) else shape
    grid = as_real(value, where=where, name="times", error=error).astype(np.float64, copy=False)
    if grid.shape not in (full, full[-1:]):
        raise error.of(
            where=where,
            name="times",
            value=f"shape {grid.shape}",
            bound=f"must be ({full[-1]},)" + (f" or {full}" if len(full) > 1 else ""),
        )
    if np.any(np.diff(grid, axis=-1) <= 0):
        raise error.of(where=where, name="times", value=grid, bound="must ascend")
    return grid


def seconds(value: Any, *, where: str, name: str, low_open: bool = False) -> float:
    """A quantity of time, 0 or more, in seconds.

    Parameters
    ----------
    value : str or quantity
        For example "150 ms".
    where, name : str
        Who asks, and for which argument.
    low_open : bool
        Refuse 0 too.

    Returns
    -------
    float, s

    Raises
    ------
    UnitsError
        If it is not a time, is negative or is not finite.

    Examples
    --------
    >>> from arcuate._inputs import seconds
    >>> seconds("150 ms", where="f", name="exclude")
    0.15
    """
    return to_si(value, "s", where=where, name=name, low=0.0, low_open=low_open)


def seconds_array(value: Any, *, where: str, name: str) -> Floats:
    """Several times in seconds: quantities, or an array of data already in seconds.

    Parameters
    ----------
    value : iterable of quantities, or ndarray of s
    where, name : str
        Who asks, and for which argument.

    Returns
    -------
    ndarray, (n,), s

    Raises
    ------
    SpecError
        If it is empty, negative or not finite; plain numbers count as seconds in an ndarray only.

    Examples
    --------
    >>> from arcuate._inputs import seconds_array
    >>> seconds_array(["200 ms", "1 s"], where="f", name="latencies").tolist()
    [0.2, 1.0]
    """
    if isinstance(value, np.ndarray):
        out = as_real(value, where=where, name=name).astype(np.float64, copy=False).reshape(-1)
    elif isinstance(value, Iterable) and not isinstance(value, str):
        out = np.array([seconds(v, where=where, name=name) for v in value], dtype=np.float64)
    else:
        out = np.array([seconds(value, where=where, name=name)])
    if out.size == 0 or np.any(out < 0):
        raise SpecError.of(where=where, name=name, value=value, bound="must be one or more times >= 0 s")
    return out


def epochs_of(value: Any, *, where: str, name: str) -> list[tuple[float, float, str]]:
    """Epochs, such as those of a stimulus, from rows or from a table of events.

    Parameters
    ----------
    value : sequence of (start, stop) or (start, stop, name), s, or a table of events
        A table has ``time`` and ``duration``, and ``stimulus`` where epochs have names.
    where, name : str
        Who asks, and for which argument.

    Returns
    -------
    list of (float, float, str)
        Start, stop and name.

    Raises
    ------
    SpecError
        If it is neither, or an epoch ends before it starts.

    Examples
    --------
    >>> from arcuate._inputs import epochs_of
    >>> epochs_of({"time": [2.0], "duration": [1.0]}, where="f", name="epochs")
    [(2.0, 3.0, '')]
    """
    rows: Any = value
    if hasattr(value, "data_vars") or hasattr(value, "columns") or isinstance(value, dict):
        if not {"time", "duration"} <= set(value):
            bound = "must be a table with time and duration, and stimulus where they have names"
            raise SpecError.of(where=where, name=name, value=sorted(map(str, value)), bound=bound)
        start, length = (
            as_real(value[key], where=where, name=f"{name}[{key!r}]") for key in ("time", "duration")
        )
        names = map(str, np.asarray(value["stimulus"])) if "stimulus" in value else [""] * start.size
        rows = list(zip(start, start + length, names, strict=True))
    if not np.iterable(rows):
        rows = [rows]
    found = []
    for row in rows:
        try:
            start, stop, *label = row
            first, last = float(start), float(stop)
        except (TypeError, ValueError):
            first, last, label = np.nan, np.nan, []
        if not first <= last or not all(isinstance(text, str) for text in label) or len(label) > 1:
            bound = "must be rows of start, stop and, if there is one, name"
            raise SpecError.of(where=where, name=name, value=row, bound=bound)
        found.append((first, last, *label) if label else (first, last, ""))
    return found
