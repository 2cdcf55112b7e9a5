"""What analyses of spikes share: spike trains read from a Recording, a table or arrays, and checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcuate._inputs import Floats, as_real, seconds
from arcuate.errors import RecordingError, SpecError, check_int, check_real

_EDGE = 1e-9  # part of the duration by which rounding may put a spike outside


@dataclass(frozen=True, kw_only=True)
class SpikeTrains:
    """Spikes sorted by neuron, then trial, then time.

    Attributes
    ----------
    time : ndarray, (n_spikes,), s
    neuron, trial : ndarray of int, (n_spikes,)
    n_neurons : int
    duration : float, s
    start : float, s
        When the record begins.
    """

    time: Floats
    neuron: NDArray[np.int64]
    trial: NDArray[np.int64]
    n_neurons: int
    duration: float
    start: float = 0.0

    @property
    def first(self) -> NDArray[np.int64]:
        """Place of the first spike of each neuron, and the number of spikes at the end."""
        return np.searchsorted(self.neuron, np.arange(self.n_neurons + 1)).astype(np.int64)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Spikes of each neuron."""
        return np.bincount(self.neuron, minlength=self.n_neurons).astype(np.int64)

    def intervals(self) -> tuple[NDArray[np.int64], Floats]:
        """Neuron and length of each interval between spikes; none spans two trials if time starts again."""
        interval, same = self._gaps()
        return self.neuron[1:][same], interval[same]

    def interval_pairs(self) -> tuple[NDArray[np.int64], Floats, Floats]:
        """Neuron and lengths of each two intervals of which one follows the other at a spike."""
        interval, same = self._gaps()
        both = same[1:] & same[:-1]
        return self.neuron[2:][both], interval[:-1][both], interval[1:][both]

    def _gaps(self) -> tuple[Floats, NDArray[np.bool_]]:
        """Time from each spike to the next in the order of the table, and whether it is an interval."""
        interval = np.diff(self.time)
        same = self.neuron[1:] == self.neuron[:-1]
        if np.any(interval[same] < 0):
            same &= self.trial[1:] == self.trial[:-1]
        return interval, same


def read_spikes(source: Any, population: str | None, where: str, **given: Any) -> SpikeTrains:
    """Read spikes from a Recording, a table or arrays; keywords that are given win over what they say.

    Parameters
    ----------
    source : Recording, Dataset or array_like, (n_spikes,), s
        A table has ``time`` and ``neuron``, as ``Recording.spikes`` gives it.
    population : str or None
        Of the Recording.
    where : str
        Who asks.
    **given
        ``neuron``, ``trial``, ``n_neurons`` and ``duration``.

    Returns
    -------
    SpikeTrains
    """
    start = float(getattr(source, "start", 0.0))
    table, length = source, None
    if hasattr(source, "spikes") and callable(source.spikes):
        table, length = source.spikes(_name(source, population, where)), source.outcome
    if hasattr(table, "data_vars"):
        if not {"time", "neuron"} <= set(table.data_vars):
            bound = "must be a table with time and neuron"
            raise RecordingError.of(where=where, name="source", value=sorted(map(str, table)), bound=bound)
        start = float(table.attrs.get("start", start))
        known = dict(length or {})
        given["n_neurons"] = _first(given.get("n_neurons"), table.attrs.get("n_neurons"))
        given["duration"] = _first(given.get("duration"), table.attrs.get("duration"), known.get("duration"))
        given["trial"] = table["trial"].values if "trial" in table else None
        time, given["neuron"] = table["time"].values, table["neuron"].values
    else:
        time = source
    trains = _checked(time, given.get("neuron"), given.get("trial"), where=where, given=given)
    return replace(trains, start=start)


def read_record(source: Any, population: str | None, where: str, **given: Any) -> SpikeTrains:
    """Read spikes of one record, and refuse those outside; times then count from its start.

    Parameters
    ----------
    source : Recording, Dataset or array_like, (n_spikes,), s
    population : str or None
    where : str
        Who asks.
    **given
        ``neuron``, ``n_neurons`` and ``duration``.

    Returns
    -------
    SpikeTrains
        Sorted by neuron, then time.

    Raises
    ------
    RecordingError
        If a spike lies outside the record, or time starts again in a trial.
    """
    trains = read_spikes(source, population, where, **given)
    time, slack = trains.time - trains.start, _EDGE * trains.duration
    if time.size and (time.min() < -slack or time.max() > trains.duration + slack):
        worst = trains.time[np.argmin(time) if time.min() < -slack else np.argmax(time)]
        stop = trains.start + trains.duration
        raise RecordingError.of(
            where=where,
            name="time",
            value=float(worst),
            bound=f"must be from {trains.start:g} to {stop:g} s, the duration",
            fix="give times in s, and the duration of the whole record",
        )
    if np.any(trains.trial):
        by_trial = np.lexsort((time, trains.trial))
        ends = np.flatnonzero(np.diff(trains.trial[by_trial]) > 0)
        if np.any(time[by_trial[ends + 1]] < time[by_trial[ends]]) and np.all(trains.trial >= 0):
            bound = "starts again in a trial"
            fix = "select one trial, or add the start of each trial to its times"
            raise RecordingError.of(where=where, name="time", bound=bound, fix=fix)
        order = np.lexsort((time, trains.neuron))
        time = time[order]
        trains = replace(trains, neuron=trains.neuron[order], trial=trains.trial[order])
    return replace(trains, time=np.clip(time, 0.0, trains.duration), start=0.0)


def check_some(n: int, where: str, need: str) -> None:
    """Refuse spikes of which nothing can be computed.

    Parameters
    ----------
    n : int
        Neurons or pairs that have a value.
    where : str
        Who asks.
    need : str
        What is needed.
    """
    if not n:
        raise RecordingError.of(where=where, name="time", bound=f"must have {need}; there is none")


def _name(source: Any, population: str | None, where: str) -> str:
    if population is not None:
        return population
    names = [str(name) for name in source.populations]
    if len(names) != 1:
        raise SpecError.of(
            where=where,
            name="population",
            value=None,
            bound="must be named where there are several",
            fix=f"choose from {', '.join(names)}",
        )
    return names[0]


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _checked(time: Any, neuron: Any, trial: Any, *, where: str, given: dict[str, Any]) -> SpikeTrains:
    n_neurons, duration = given.get("n_neurons"), given.get("duration")
    found = as_real(time, where=where, name="time", error=RecordingError, boolean=False)
    times = found.astype(np.float64, copy=False)
    if times.ndim != 1:
        raise RecordingError.of(
            where=where, name="time", value=f"shape {times.shape}", bound="must be (n_spikes,)"
        )
    columns = {}
    for name, value in (("neuron", neuron), ("trial", trial)):
        column = np.zeros(times.size, np.int64) if value is None else np.asarray(value)
        if not times.size and not column.size:
            column = np.zeros(0, np.int64)
        if column.shape != times.shape or column.dtype.kind not in "iu" or np.ma.is_masked(value):
            raise RecordingError.of(
                where=where,
                name=name,
                value=f"{column.dtype} of shape {column.shape}",
                bound=f"must be {times.size} integers, one per spike, none masked",
            )
        columns[name] = column.astype(np.int64)
    count = check_int(
        n_neurons if n_neurons is not None else (1 if neuron is None else None), where=where, name="n_neurons"
    )
    if times.size and (columns["neuron"].min() < 0 or columns["neuron"].max() >= count):
        raise RecordingError.of(
            where=where,
            name="neuron",
            value=int(columns["neuron"].max()),
            bound=f"must be >= 0 and < {count}",
        )
    if duration is None:
        raise SpecError.of(where=where, name="duration", value=None, bound='is needed, such as "10 s"')
    if isinstance(duration, (int, float, np.number)) and not isinstance(duration, bool):
        span = check_real(float(duration), where=where, name="duration", low=0.0, low_open=True)
    else:
        span = seconds(duration, where=where, name="duration", low_open=True)
    order = np.lexsort((times, columns["trial"], columns["neuron"]))
    return SpikeTrains(
        time=times[order],
        neuron=columns["neuron"][order],
        trial=columns["trial"][order],
        n_neurons=count,
        duration=span,
    )
