"""What the writers share: the traces, spikes and events of a Recording, and files that appear whole."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from arcuate.errors import ArcuateError, SpecError, check_choice
from arcuate.io._build import Floats, as_row, refuse
from arcuate.recording import Recording


@dataclass(frozen=True, kw_only=True)
class Traces:
    """One quantity of one site.

    Attributes
    ----------
    values : ndarray, (n_animals, n_times, n_neurons)
    times : ndarray, (n_times,), s
    labels, animals : list of str
        Names of neurons and of animals, or of trials.
    units : str
    name : str
        Of the site.
    """

    values: Floats
    times: Floats
    labels: list[str]
    animals: list[str]
    units: str
    name: str

    def single(self, *, where: str) -> Floats:
        """Values (n_times, n_neurons) of the one animal, refused where there are several."""
        if len(self.animals) > 1:
            bound = f"must have one animal or trial for such a file, has {len(self.animals)}"
            fix = "write one file for each: recording.select(trial=0)"
            raise SpecError.of(where=where, name="recording", bound=bound, fix=fix)
        return self.values[0]


def as_recording(value: Any, *, where: str) -> Recording:
    """Return a Recording, or refuse what is none."""
    if not isinstance(value, Recording):
        raise SpecError.of(
            where=where, name="recording", value=type(value).__name__, bound="must be a Recording"
        )
    return value


def traces_of(recording: Any, *, site: str | None, quantity: str | None, where: str) -> Traces:
    """Take one quantity of one site over time; the only one where none is named."""
    found = as_recording(recording, where=where)
    if site is None and len(found.sites) != 1:
        bound = f"must be one of the sites {', '.join(found.sites)}" if found.sites else "has no states"
        raise SpecError.of(where=where, name="site", value=site, bound=bound)
    name = found.sites[0] if site is None else site
    states = found.states(name)
    known = sorted(map(str, states.data_vars))
    if quantity is None and len(known) > 1:
        raise SpecError.of(
            where=where, name="quantity", value=quantity, bound=f"must be one of {', '.join(known)}"
        )
    chosen = known[0] if quantity is None else check_choice(quantity, known, where=where, name="quantity")
    data = states[chosen]
    if "time" not in data.dims:
        axis = str(data.dims[1])
        raise SpecError.of(where=where, name="site", value=name, bound=f"must be over time, is over {axis}")
    labels, animals = (
        [str(label) for label in data[word if word in data.coords else dim].values]
        for dim, word in (("unit", "neuron"), ("trial", "animal"))
    )
    return Traces(
        values=data.values.astype(np.float64), times=data["time"].values.astype(np.float64), labels=labels,
        animals=animals, units=str(data.attrs["units"]), name=name,
    )  # fmt: skip


def trains_of(
    recording: Recording, population: str | None, *, where: str
) -> tuple[Floats, np.ndarray, np.ndarray]:
    """Times (s), neurons and trials of the spikes of a population; the only one where none is named."""
    if population is None and len(recording.populations) != 1:
        known = ", ".join(recording.populations)
        bound = f"must be one of the populations {known}" if known else "has no spikes"
        raise SpecError.of(where=where, name="population", value=population, bound=bound)
    spikes = recording.spikes(recording.populations[0] if population is None else population)
    return spikes["time"].values, spikes["neuron"].values, spikes["trial"].values


def span_of(recording: Recording, time: Floats) -> tuple[float, float]:
    """First and last moment, s, of a recording, which reaches at least over the times of its spikes."""
    start = float(time.min(initial=recording.start))
    stop = recording.start + (recording.duration or 0.0)
    return start, float(time.max(initial=stop))


def epochs_of(recording: Recording) -> list[tuple[str, float, float]]:
    """Events with a duration as rows of stimulus, start and stop."""
    events = recording.events
    if not {"time", "duration"} <= set(events.data_vars) or "event" not in events.dims:
        return []
    names = events["stimulus"].values if "stimulus" in events else [""] * events.sizes["event"]
    start, length = events["time"].values, events["duration"].values
    return [(str(n), float(a), float(a + d)) for n, a, d in zip(names, start, length, strict=True)]


def check_dims(dims: Any, *, where: str) -> tuple[str, str]:
    """Return what rows and columns are: time and neuron, in either order."""
    found = tuple(map(str, as_row(dims, where=where, name="dims")))
    if sorted(found) != ["neuron", "time"]:
        fix = 'say what rows and columns are: dims=("time", "neuron") or ("neuron", "time")'
        raise SpecError.of(where=where, name="dims", value=dims, bound="must be time and neuron", fix=fix)
    return found[0], found[1]


def write_whole(
    path: Any, write: Callable[[Path], None], *, where: str, suffixes: Sequence[str], overwrite: bool
) -> Path:
    """Write a file beside its place and rename it, so that nothing partial is ever seen."""
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise refuse(where, path, "must be the path of a file")
    file = Path(path).expanduser()
    if file.suffix.lower() not in suffixes:
        raise refuse(where, file, f"must have one of the suffixes {', '.join(suffixes)}")
    if file.is_dir() or not file.parent.is_dir():
        raise refuse(where, file, "is a folder" if file.is_dir() else "must be in a folder that exists")
    if file.exists() and not overwrite:
        raise refuse(where, file, "exists", "overwrite=True replaces it")
    beside = file.with_name(f".{secrets.token_hex(6)}{file.suffix}")
    try:
        write(beside)
        beside.replace(file)
    except OSError as error:
        raise refuse(where, file, f"cannot be written: {error.strerror or error}") from error
    except Exception as error:  # another program's library raises anything
        if isinstance(error, ArcuateError):
            raise
        raise refuse(where, file, f"cannot be written: {str(error)[:100]}") from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
    return file
