"""What the readers share: errors that name the file, names, times, and the Recording of what was read."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcuate.connectome.traces import QUANTITY, SITE
from arcuate.datasets import open_checked
from arcuate.errors import FileFormatError, SpecError, check_real
from arcuate.recording import Recording

Floats = NDArray[np.float64]


def refuse(where: str, path: object, bound: str, fix: str = "") -> FileFormatError:
    """Build the error for a file that is not what it should be."""
    return FileFormatError.of(where=where, name="path", value=str(path), bound=bound, fix=fix)


def checked(path: Any, *, where: str, suffixes: Sequence[str]) -> Path:
    """Return the path of a regular file that is not empty and has one of the suffixes."""
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise refuse(where, path, "must be the path of a file")
    file = Path(path).expanduser()
    open_checked(file, where=where, limit=2**40).close()
    if file.suffix.lower() not in suffixes:
        raise refuse(where, file, f"must have one of the suffixes {', '.join(suffixes)}")
    return file


def as_text(value: Any) -> str:
    """Text of a name, whether bytes, text or number."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)


def texts(values: Any) -> list[str]:
    """Names in a row, whatever they are nested in."""
    return [as_text(value) for value in np.asarray(values).reshape(-1)]


def as_row(values: Any, *, where: str, name: str) -> list[Any]:
    """Return what stands in a list, or refuse what is none."""
    if isinstance(values, str) or not np.iterable(values):
        raise SpecError.of(where=where, name=name, value=values, bound="must be a list of names")
    return list(values)


def grid(n: int, rate_hz: Any, times: Any, *, where: str) -> Floats:
    """Times in s of n samples: those given, or those of a rate; one of the two must be given."""
    if (rate_hz is None) == (times is None):
        bound = "must be given, or times, and not both"
        raise SpecError.of(
            where=where, name="rate_hz", value=rate_hz, bound=bound, fix="one of them is enough"
        )
    if times is None:
        rate = check_real(rate_hz, where=where, name="rate_hz", low=0.0, low_open=True)
        return np.arange(n) / rate
    try:
        found = np.asarray(times, dtype=np.float64).reshape(-1)
    except (ValueError, TypeError) as error:
        bound = "must be numbers, in s"
        raise SpecError.of(where=where, name="times", value=times, bound=bound) from error
    if found.size != n:
        fix = "the axes may be swapped: dims names them in their order"
        raise SpecError.of(
            where=where,
            name="times",
            value=f"{found.size} times",
            bound=f"must be {n}, one for each sample",
            fix=fix,
        )
    return found


def traces_recording(
    values: Any,
    *,
    times: Floats,
    labels: Sequence[str] | None,
    animals: Sequence[str],
    units: str,
    source: str,
    where: str,
    events: Any = None,
    spikes: Mapping[str, Any] | None = None,
    span: tuple[float, float] | None = None,
) -> Recording:
    """Return the Recording of traces (n_animals, n_times, n_neurons).

    It reaches over the traces and over `span`, the first and last time (s) of what was recorded besides.
    """
    data = np.asarray(values)
    n = data.shape[2]
    names = (
        [str(index) for index in range(n)] if labels is None else as_row(labels, where=where, name="labels")
    )
    if len(names) != n or len(set(names)) < n:
        bound = f"must be {n} names, one for each neuron, each once"
        raise SpecError.of(where=where, name="labels", value=names, bound=bound)
    worms = as_row(animals, where=where, name="animals")
    if len(worms) != data.shape[0]:
        bound = f"must be {data.shape[0]} names, one for each animal"
        raise SpecError.of(where=where, name="animals", value=worms, bound=bound)
    coords = {"time": times, "animal": ("trial", np.array(worms)), "neuron": ("unit", np.array(names))}
    step = float(np.median(np.diff(times))) if times.size > 1 else 0.0
    start, stop = (float(times[0]), float(times[-1]) + max(step, 0.0)) if times.size else span or (0.0, 0.0)
    if span is not None:
        start, stop = min(start, span[0]), max(stop, span[1])
    return Recording.build(
        source=source,
        states={SITE: {QUANTITY: (data.astype(np.float64), ("trial", "time", "unit"), coords, units)}},
        spikes=spikes,
        events=events,
        start=start,
        duration=stop - start,
    )


def spike_table(trains: Sequence[Any]) -> dict[str, Any]:
    """Return times of spikes, neuron by neuron, as the table that a Recording takes."""
    arrays = [np.asarray(train, dtype=np.float64).reshape(-1) for train in trains]
    neuron = np.repeat(np.arange(len(arrays)), [array.size for array in arrays])
    time = np.concatenate(arrays) if arrays else np.zeros(0)
    return {"time": time, "neuron": neuron, "n": len(arrays)}


def epoch_table(rows: Sequence[tuple[str, float, float]]) -> dict[str, Any] | None:
    """Return epochs (name, start, stop) as a table of events, in the order of time."""
    if not rows:
        return None
    ordered = sorted(rows, key=lambda row: row[1])
    return {
        "stimulus": [row[0] for row in ordered],
        "time": [row[1] for row in ordered],
        "duration": [row[2] - row[1] for row in ordered],
    }
