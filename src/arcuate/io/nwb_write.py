"""Recordings as files of Neurodata Without Borders, written by pynwb, for any program that knows NWB 2."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np

from arcuate._optional import require
from arcuate.errors import SpecError
from arcuate.io._take import Traces, as_recording, epochs_of, span_of, traces_of, trains_of, write_whole
from arcuate.recording import Recording

__all__ = ["write_nwb"]

_WHERE = "write_nwb"
MODULE = "arcuate"
"""Processing module that holds the names of units of each series, as tables with a column "label"."""


def write_nwb(
    recording: Recording,
    path: Any,
    *,
    site: str | None = None,
    quantity: str | None = None,
    population: str | None = None,
    description: str = "written by arcuate",
    start_time: datetime.datetime | None = None,
    overwrite: bool = False,
) -> Path:
    """Write states, spikes and epochs of one animal as an NWB file, which `read_nwb` reads.

    Parameters
    ----------
    recording : Recording
        With states over time, spikes, or both.
    path : path
        A ``.nwb`` file.
    site, quantity : str, optional
        Which states; the only ones by default, none where the recording has none.
    population : str, optional
        Whose spikes; likewise.
    description : str
        Of the session.
    start_time : datetime, optional
        When the session began, with its time zone; the time of making of the recording by default.
    overwrite : bool
        Whether a file that exists may be replaced.

    Returns
    -------
    pathlib.Path
        States are a TimeSeries (time, unit) in the acquisition, named by their site, with the names of the
        units in the processing module "arcuate"; spikes the table of units, one row for each neuron, also
        for silent ones, with the span of the recording as ``obs_intervals``; events with a duration the
        table of trials, with a column ``stimulus``.

    Raises
    ------
    MissingExtraError
        If pynwb is not installed.
    SpecError
        If there is neither, if several are there and none is named, or several animals or trials.
    FileFormatError
        If the file exists, its folder does not, or it cannot be written.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.recording import Recording
    >>> v = (np.zeros((4, 2)), ("time", "unit"), {"time": np.arange(4) * 0.5}, "V")
    >>> recording = Recording.build(source="x", states={"exc": {"v": v}})
    >>> write_nwb(recording, "cell.nwb")  # doctest: +SKIP
    PosixPath('cell.nwb')
    """
    found = as_recording(recording, where=_WHERE)
    has_states = bool(found.sites) or site is not None
    has_spikes = bool(found.populations) or population is not None
    if not has_states and not has_spikes:
        raise SpecError.of(where=_WHERE, name="recording", bound="must have states or spikes")
    pynwb = require("pynwb", extra="io", purpose=_WHERE)
    traces = traces_of(found, site=site, quantity=quantity, where=_WHERE) if has_states else None
    trains = _trains(found, population) if has_spikes else None
    begun = start_time
    if begun is None:
        begun = datetime.datetime.fromisoformat(str(found.tree.attrs["created_utc"]))
    if begun.tzinfo is None:
        fix = "such as datetime.datetime.now(datetime.UTC)"
        raise SpecError.of(
            where=_WHERE, name="start_time", value=begun, bound="must have a time zone", fix=fix
        )
    animal = "unknown" if traces is None else traces.animals[0]
    content = pynwb.NWBFile(
        session_description=description, identifier=found.digest(), session_start_time=begun,
        subject=pynwb.file.Subject(subject_id=animal),
    )  # fmt: skip
    if traces is not None:
        _add_traces(pynwb, content, traces)
    span = [span_of(found, np.concatenate(trains))] if trains and found.duration is not None else None
    for train in trains or ():
        content.add_unit(spike_times=train, obs_intervals=span)
    epochs = epochs_of(found)
    if epochs:
        content.add_trial_column(name="stimulus", description="name of the stimulus")
    for name, start, stop in epochs:
        content.add_trial(start_time=start, stop_time=stop, stimulus=name)

    def write(file: Path) -> None:
        with pynwb.NWBHDF5IO(str(file), "w") as stream:
            stream.write(content)

    return write_whole(path, write, where=_WHERE, suffixes=(".nwb",), overwrite=overwrite)


def _trains(recording: Recording, population: str | None) -> list[np.ndarray]:
    """Spikes of each neuron of a single trial."""
    time, neuron, trial = trains_of(recording, population, where=_WHERE)
    if np.unique(trial).size > 1:
        bound = f"must have one trial for such a file, has {np.unique(trial).size}"
        fix = "write one file for each: recording.select(trial=0)"
        raise SpecError.of(where=_WHERE, name="recording", bound=bound, fix=fix)
    name = recording.populations[0] if population is None else population
    return [np.sort(time[neuron == number]) for number in range(recording.n_neurons(name))]


def _add_traces(pynwb: Any, content: Any, traces: Traces) -> None:
    name = traces.name.replace("/", "_")
    content.add_acquisition(
        pynwb.TimeSeries(
            name=name,
            data=traces.single(where=_WHERE),
            unit=traces.units,
            timestamps=traces.times,
            description=f"{traces.name}, (time, unit)",
        )
    )
    labels = pynwb.core.VectorData(name="label", description="name of the unit", data=list(traces.labels))
    order = "names of the units, in the order of the series"
    table = pynwb.core.DynamicTable(name=name, description=order, columns=[labels])
    module = content.create_processing_module(name=MODULE, description="names of units")
    module.add(table)
