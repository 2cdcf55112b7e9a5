"""What a recording is made of before its tree: the arrays as they were given."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import RecordingError, check_int
from arcuate.recording import schema
from arcuate.units import to_si

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, kw_only=True)
class Draft:
    """Everything that a recording is made of, with its spikes checked and sorted.

    The libraries for labeled arrays take longer to load than a short run takes, so that a run leaves its
    results like this and `tree` labels them when somebody looks.

    Attributes
    ----------
    root : mapping
        Attributes of the root.
    spikes : mapping of str to `schema.Spikes`
    states, weights, events : mapping
        As `Recording.build` takes them.
    outcome : mapping
        Packed attributes.
    """

    root: dict[str, Any]
    spikes: dict[str, schema.Spikes]
    states: Mapping[str, Any]
    weights: Mapping[str, Any]
    events: Any
    outcome: dict[str, Any]

    def tree(self) -> xr.DataTree:
        """Label everything.

        Returns
        -------
        xarray.DataTree
            Not yet checked as a whole.

        Raises
        ------
        RecordingError
            Naming the group, the field, the value and the rule.
        """
        import xarray as xr

        groups: dict[str, xr.Dataset] = {"/": xr.Dataset(attrs=self.root)}
        for name, spikes in self.spikes.items():
            groups[f"/spikes/{name}"] = schema.spikes_dataset(spikes)
        for group, tables, make in (
            ("states", self.states, schema.states_dataset),
            ("weights", self.weights, schema.weights_dataset),
        ):
            for name, table in tables.items():
                groups[f"/{group}/{name}"] = make(name, table)
        groups["/events"] = schema.events_dataset(self.events)
        groups["/outcome"] = xr.Dataset(attrs=self.outcome)
        return xr.DataTree.from_dict(groups)


def draft(
    *,
    source: str,
    seed: int | None = None,
    spec_json: str | None = None,
    spec_sha256: str | None = None,
    spikes: Mapping[str, Mapping[str, Any]] | None = None,
    states: Mapping[str, Mapping[str, Any]] | None = None,
    weights: Mapping[str, Mapping[str, Any]] | None = None,
    events: Any = None,
    outcome: Mapping[str, Any] | None = None,
    dt: float | None = None,
    start: float = 0.0,
    duration: float | None = None,
    created_utc: str | None = None,
) -> Draft:
    """Gather what a recording is made of.

    Parameters
    ----------
    source, seed, spec_json, spec_sha256, spikes, states, weights, events, outcome, dt, start, duration, \
created_utc
        As in `Recording.build`.

    Returns
    -------
    Draft

    Raises
    ------
    RecordingError
        Naming the group, the field, the value and the rule.

    Examples
    --------
    >>> made = draft(source="x", spikes={"exc": {"time": [0.2, 0.1], "neuron": [0, 1]}})
    >>> made.spikes["exc"].neuron.tolist()
    [1, 0]
    """
    root = _root_attrs(source, seed, spec_json, spec_sha256, created_utc)
    root |= _clock(dt, start, duration)
    tables = {"spikes": spikes or {}, "states": states or {}, "weights": weights or {}}
    for group, table in tables.items():
        _check_names(table, group)
    return Draft(
        root=root,
        spikes={name: schema.sorted_spikes(name, table) for name, table in tables["spikes"].items()},
        states=tables["states"],
        weights=tables["weights"],
        events={} if events is None else events,
        outcome=schema.pack(outcome or {}, where="outcome"),
    )


def _root_attrs(
    source: str, seed: int | None, spec_json: str | None, spec_sha256: str | None, created_utc: str | None
) -> dict[str, Any]:
    from arcuate import __version__

    where = "Recording.build"
    if not isinstance(source, str) or not source:
        raise RecordingError.of(
            where=where, name="source", value=source, bound='must be text, such as "numba"'
        )
    if seed is not None:
        seed = check_int(seed, where=where, name="seed", low=0)
    for name, value in (("spec_json", spec_json), ("spec_sha256", spec_sha256), ("created_utc", created_utc)):
        if value is not None and not isinstance(value, str):
            raise RecordingError.of(where=where, name=name, value=value, bound="must be text")
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {
        "schema": schema.SCHEMA,
        "schema_version": schema.VERSION,
        "arcuate_version": __version__,
        "source": source,
        "seed": "" if seed is None else str(seed),
        "spec_json": spec_json or "",
        "spec_sha256": spec_sha256 or "",
        "created_utc": created_utc or now,
    }


def _clock(dt: Any, start: Any, duration: Any) -> dict[str, float]:
    clock: dict[str, float] = {}
    for name, value in (("dt", dt), ("start", start), ("duration", duration)):
        if value is None:
            continue
        if isinstance(value, str) or not np.isscalar(value):
            value = to_si(value, "s", where="Recording.build", name=name)
        seconds = float(value)
        if not np.isfinite(seconds) or (name != "start" and seconds < 0) or (name == "dt" and seconds == 0):
            raise RecordingError.of(
                where="Recording.build",
                name=name,
                value=value,
                bound="must be a finite time in s, not negative",
            )
        clock[f"{name}_s"] = seconds
    return clock


def _check_names(tables: Any, group: str) -> None:
    if not isinstance(tables, Mapping):
        raise RecordingError.of(
            where="Recording.build", name=group, value=tables, bound="must be a table of names and their data"
        )
    names = [schema.group_name(name, where=group) for name in tables]
    for name in names:
        for other in names:
            if other.startswith(f"{name}/"):
                raise RecordingError.of(
                    where=group, name="name", value=name, bound=f"must not also be the folder of {other!r}"
                )
