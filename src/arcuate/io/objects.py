"""Objects of Neo and pynapple: signals, spike trains and epochs in memory, taken over and given away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from arcuate._optional import require
from arcuate.errors import SpecError
from arcuate.io._build import Floats, epoch_table, spike_table, traces_recording
from arcuate.io._take import as_recording, epochs_of, span_of, traces_of, trains_of
from arcuate.recording import Recording

__all__ = ["from_neo", "from_pynapple", "to_neo"]


def from_neo(data: Any, *, labels: Sequence[str] | None = None) -> Recording:
    """Take over a segment of Neo, an analog signal, or a list of spike trains.

    Parameters
    ----------
    data : neo.Segment, neo.AnalogSignal, neo.IrregularlySampledSignal, or a sequence of neo.SpikeTrain
        A segment has at most one signal; its spike trains and epochs come along.
    labels : sequence of str, optional
        Names of the channels; those of the signal by default.

    Returns
    -------
    Recording
        Traces of one animal, where there is a signal; spikes as the population "units"; epochs as events.
        It reaches from the first to the last moment of the signal and of all trains (their ``t_start`` and
        ``t_stop``).

    Raises
    ------
    MissingExtraError
        If Neo is not installed.
    SpecError
        If it is something else, or has several signals.

    Examples
    --------
    >>> import neo, quantities as pq  # doctest: +SKIP
    >>> data = [[1.0, 2.0], [3.0, 1.0]]
    >>> signal = neo.AnalogSignal(data, units="mV", sampling_rate=10 * pq.Hz)  # doctest: +SKIP
    >>> from_neo(signal).states("traces").sizes["unit"]  # doctest: +SKIP
    2
    """
    where = "from_neo"
    neo = require("neo", extra="io", purpose=where)
    kinds = (neo.AnalogSignal, neo.IrregularlySampledSignal)
    signals: list[Any] = []
    trains: list[Any] = []
    epochs: list[tuple[str, float, float]] = []
    if isinstance(data, neo.Segment):
        signals = [*data.analogsignals, *data.irregularlysampledsignals]
        trains = list(data.spiketrains)
        for epoch in data.epochs:
            start, length = _seconds(epoch.times), _seconds(epoch.durations)
            words = [str(name) for name in epoch.labels] or [epoch.name or ""] * start.size
            epochs += zip(words, start.tolist(), (start + length).tolist(), strict=True)
    elif isinstance(data, kinds):
        signals = [data]
    elif isinstance(data, Sequence) and data and all(isinstance(item, neo.SpikeTrain) for item in data):
        trains = list(data)
    else:
        bound = "must be a Segment, an AnalogSignal, or a list of SpikeTrain"
        raise SpecError.of(where=where, name="data", value=type(data).__name__, bound=bound)
    if len(signals) > 1:
        fix = "give one of segment.analogsignals"
        raise SpecError.of(
            where=where, name="data", value=f"{len(signals)} signals", bound="must have one", fix=fix
        )
    spikes = {"units": spike_table([_seconds(train) for train in trains])} if trains else None
    begin, end = (
        [float(getattr(train, word).rescale("s")) for train in trains] for word in ("t_start", "t_stop")
    )
    span = (min(begin), max(end)) if trains else None
    if not signals:
        first, last = span or (0.0, 0.0)
        return Recording.build(
            source="neo", spikes=spikes, events=epoch_table(epochs), start=first, duration=last - first
        )
    signal = signals[0]
    unit = signal.dimensionality.string
    names = labels if labels is not None else signal.array_annotations.get("channel_names")
    return traces_recording(
        np.asarray(signal.magnitude)[None], times=_seconds(signal.times), animals=[signal.name or "0"],
        labels=None if names is None else [str(name) for name in names],
        units="1" if unit == "dimensionless" else unit, source="neo", where=where,
        events=epoch_table(epochs), spikes=spikes, span=span,
    )  # fmt: skip


def _seconds(quantity: Any) -> Floats:
    return np.asarray(quantity.rescale("s").magnitude, dtype=np.float64).reshape(-1)


def to_neo(
    recording: Recording,
    *,
    site: str | None = None,
    quantity: str | None = None,
    population: str | None = None,
) -> Any:
    """Give states, spikes and epochs as a segment of Neo, which `from_neo` takes back.

    Parameters
    ----------
    recording : Recording
        One animal or trial; with states over time, spikes, or both.
    site, quantity, population : str, optional
        Which states and whose spikes; the only ones by default.

    Returns
    -------
    neo.Segment
        States as one signal, evenly sampled where their times are, with the names of units as the array
        annotation ``channel_names``; a spike train for every neuron; events with a duration as an epoch.

    Raises
    ------
    MissingExtraError
        If Neo is not installed.
    SpecError
        If several are there and none is named, there are several animals or trials, or Neo does not know
        the unit of the states.

    Examples
    --------
    >>> from arcuate.recording import Recording
    >>> spikes = {"exc": {"time": [0.25, 0.5], "neuron": [1, 0], "n": 3}}
    >>> recording = Recording.build(source="x", spikes=spikes, duration=1.0)
    >>> len(to_neo(recording).spiketrains)  # doctest: +SKIP
    3
    """
    where = "to_neo"
    found = as_recording(recording, where=where)
    neo = require("neo", extra="io", purpose=where)
    segment = neo.Segment(name=found.source)
    if found.sites or site is not None:
        segment.analogsignals, segment.irregularlysampledsignals = _signals(neo, found, site, quantity)
    if found.populations or population is not None:
        time, neuron, trial = trains_of(found, population, where=where)
        if np.unique(trial).size > 1:
            fix = "give one at a time: recording.select(trial=0)"
            bound = f"must have one trial, has {np.unique(trial).size}"
            raise SpecError.of(where=where, name="recording", bound=bound, fix=fix)
        name = found.populations[0] if population is None else population
        first, last = span_of(found, time)
        for number in range(found.n_neurons(name)):
            train = time[neuron == number]
            segment.spiketrains.append(neo.SpikeTrain(train, units="s", t_start=first, t_stop=last))
    epochs = epochs_of(found)
    if epochs:
        names, start, stops = zip(*epochs, strict=True)
        length = np.array(stops) - np.array(start)
        segment.epochs.append(
            neo.Epoch(times=np.array(start), durations=length, labels=np.array(names), units="s")
        )
    return segment


def _signals(neo: Any, recording: Recording, site: str | None, quantity: str | None) -> tuple[list, list]:
    """One signal of Neo, in the list of evenly sampled ones or in that of the others."""
    where = "to_neo"
    traces = traces_of(recording, site=site, quantity=quantity, where=where)
    values, times = traces.single(where=where), traces.times
    units = "dimensionless" if traces.units in ("1", "") else traces.units
    options: dict[str, Any] = {
        "units": units, "name": traces.animals[0], "array_annotations": {"channel_names": traces.labels}
    }  # fmt: skip
    step = float(times[-1] - times[0]) / (times.size - 1) if times.size > 1 else 0.0
    even = step > 0 and bool(np.abs(np.diff(times) - step).max() <= 1e-6 * step)
    try:
        if even:
            period = neo.core.spiketrain.pq.Quantity(step, "s")
            start = neo.core.spiketrain.pq.Quantity(times[0], "s")
            return [neo.AnalogSignal(values, sampling_period=period, t_start=start, **options)], []
        return [], [neo.IrregularlySampledSignal(times, values, time_units="s", **options)]
    except LookupError as error:
        bound = "is a unit that Neo does not know"
        raise SpecError.of(where=where, name="units", value=traces.units, bound=bound) from error


def from_pynapple(data: Any, *, epochs: Any = None, units: str = "1") -> Recording:
    """Take over traces or spikes of pynapple, with epochs as events.

    Parameters
    ----------
    data : pynapple.TsdFrame, pynapple.Tsd or pynapple.TsGroup
    epochs : pynapple.IntervalSet, or a mapping of str to IntervalSet, optional
        Epochs, with the names of their stimuli.
    units : str
        Unit of the traces.

    Returns
    -------
    Recording
        Traces of one animal, its columns as neurons; or the spikes of a group as the population "units".

    Raises
    ------
    MissingExtraError
        If pynapple is not installed.
    SpecError
        If it is something else.

    Examples
    --------
    >>> import pynapple as nap  # doctest: +SKIP
    >>> data = [[1.0, 2.0], [2.0, 1.0]]
    >>> frame = nap.TsdFrame(t=[0.0, 0.1], d=data, columns=["AVA", "AWB"])  # doctest: +SKIP
    >>> from_pynapple(frame).states("traces")["neuron"].values.tolist()  # doctest: +SKIP
    ['AVA', 'AWB']
    """
    where = "from_pynapple"
    nap = require("pynapple", extra="io", purpose=where)
    table = epochs if isinstance(epochs, dict) else {"": epochs} if epochs is not None else {}
    rows: list[tuple[str, float, float]] = []
    for name, spans in table.items():
        if not isinstance(spans, nap.IntervalSet):
            bound = "must be an IntervalSet, or several by name"
            raise SpecError.of(where=where, name="epochs", value=type(spans).__name__, bound=bound)
        bounds = np.asarray(spans.values, dtype=np.float64)
        rows += [(str(name), float(start), float(stop)) for start, stop in bounds]
    events = epoch_table(rows)
    if isinstance(data, nap.TsGroup):
        support = np.asarray(data.time_support.values, dtype=np.float64)
        spikes = {"units": spike_table([data[key].times() for key in data])}
        start, stop = float(support.min()), float(support.max())
        return Recording.build(
            source="pynapple", spikes=spikes, events=events, start=start, duration=stop - start
        )
    if not isinstance(data, nap.Tsd | nap.TsdFrame):
        bound = "must be a TsdFrame, a Tsd or a TsGroup"
        raise SpecError.of(where=where, name="data", value=type(data).__name__, bound=bound)
    values = np.asarray(data.values, dtype=np.float64).reshape(len(data), -1)
    labels = [str(name) for name in data.columns] if isinstance(data, nap.TsdFrame) else None
    return traces_recording(
        values[None], times=np.asarray(data.times(), dtype=np.float64), labels=labels, animals=["0"],
        units=units, source="pynapple", where=where, events=events,
    )  # fmt: skip
