"""The Recording class: one container for spikes, states, weights, events and the outcome of a run."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import RecordingError, check_int, unknown
from arcuate.recording import files, schema
from arcuate.units import to_si

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


class Recording:
    """Spikes, states, weights and events of a run, with the specification that gave them.

    The data live in an `xarray.DataTree`, attribute `tree`, with the groups ``/spikes/<population>``,
    ``/states/<site>``, ``/weights/<name>``, ``/events``, ``/outcome``. Times are in s from the start of the
    run; only the ``time`` axis of states that were cut into trials counts from the trial's start.

    Parameters
    ----------
    tree : xarray.DataTree
        A tree that follows the schema; `Recording.build` makes one from plain arrays.

    Attributes
    ----------
    tree : xarray.DataTree
        The data.

    Raises
    ------
    RecordingError
        If the tree breaks the schema.

    Examples
    --------
    >>> import numpy as np
    >>> spikes = {"exc": {"time": [0.010, 0.020], "neuron": [3, 1], "n": 5}}
    >>> v = (np.zeros((4, 5)), ("time", "unit"), {"time": np.arange(4) * 1e-3}, "V")
    >>> rec = Recording.build(source="numba", seed=1, spikes=spikes, states={"exc": {"v": v}}, duration=0.1)
    >>> rec.populations, rec.sites, rec.spikes("exc").sizes["spike"]
    (('exc',), ('exc',), 2)
    """

    __slots__ = ("tree",)

    def __init__(self, tree: xr.DataTree) -> None:
        schema.check_tree(tree)
        self.tree = tree

    @classmethod
    def build(
        cls,
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
    ) -> Recording:
        """Build a recording from plain arrays.

        Parameters
        ----------
        source : str
            What made it: "numba", "brian2-numpy", "torch:<model>", "nwb:<file>".
        seed : int, optional
            Seed of the run.
        spec_json, spec_sha256 : str, optional
            The specification and its hash.
        spikes : mapping, optional
            For each population "time" (s), "neuron", optionally "trial" and "n" (number of neurons).
        states : mapping, optional
            For each site a table of quantities: a DataArray, or (data, dims, coords, units). Dims are
            ("trial", AXIS, "unit") with AXIS one of time, tick, token, layer; missing ``trial`` or ``unit``
            are added. Coordinates of the trials (stimulus, repeat, condition, ...) are given by name.
        weights : mapping, optional
            For each projection "weight" (n_snapshots, n_synapses), "pre", "post", optionally "delay",
            "time" (s) and "units".
        events : mapping or pandas.DataFrame, optional
            Columns of equal length.
        outcome : mapping, optional
            Status, rates, wall time, threads, first non-finite place.
        dt, start, duration : float, optional
            Step, start and length of the run, s.
        created_utc : str, optional
            Time of making, ISO 8601; now by default.

        Returns
        -------
        Recording

        Raises
        ------
        RecordingError
            Naming the group, the field, the value and the rule.

        Examples
        --------
        >>> rec = Recording.build(source="numba", seed=1, outcome={"status": "ok", "rates": {"exc": 5.0}})
        >>> rec.outcome["rates"]
        {'exc': 5.0}
        """
        import xarray as xr

        root = _root_attrs(source, seed, spec_json, spec_sha256, created_utc)
        root |= _clock(dt, start, duration)
        groups: dict[str, xr.Dataset] = {"/": xr.Dataset(attrs=root)}
        for group, tables, make in (
            ("spikes", spikes, schema.spikes_dataset),
            ("states", states, schema.states_dataset),
            ("weights", weights, schema.weights_dataset),
        ):
            for name in _names(tables or {}, group):
                groups[f"/{group}/{name}"] = make(name, (tables or {})[name])
        groups["/events"] = schema.events_dataset({} if events is None else events)
        groups["/outcome"] = xr.Dataset(attrs=schema.pack(outcome or {}, where="outcome"))
        return cls(xr.DataTree.from_dict(groups))

    @property
    def source(self) -> str:
        """What made the recording."""
        return str(self.tree.attrs.get("source", ""))

    @property
    def seed(self) -> int | None:
        """Seed of the run; None if there was none or several."""
        text = str(self.tree.attrs.get("seed", ""))
        return int(text) if text else None

    @property
    def spec(self) -> dict[str, Any] | None:
        """The specification as a table; None if there is none."""
        text = str(self.tree.attrs.get("spec_json", ""))
        return json.loads(text) if text else None

    @property
    def spec_sha256(self) -> str:
        """Hash of the specification; empty if there is none."""
        return str(self.tree.attrs.get("spec_sha256", ""))

    @property
    def start(self) -> float:
        """Start of the recording on the clock of the run, s."""
        return float(self.tree.attrs.get("start_s", 0.0))

    @property
    def duration(self) -> float | None:
        """Recorded time, s: of all runs if several were joined; None if it is not known."""
        value = self.tree.attrs.get("duration_s")
        return None if value is None else float(value)

    @property
    def dt(self) -> float | None:
        """Step of the run, s; None if it is not known."""
        value = self.tree.attrs.get("dt_s")
        return None if value is None else float(value)

    @property
    def populations(self) -> tuple[str, ...]:
        """Names of the populations whose spikes are there."""
        return tuple(schema.leaves(self.tree, "spikes"))

    @property
    def sites(self) -> tuple[str, ...]:
        """Names of the sites whose states are there."""
        return tuple(schema.leaves(self.tree, "states"))

    @property
    def weight_names(self) -> tuple[str, ...]:
        """Names of the projections and read-outs whose weights are there."""
        return tuple(schema.leaves(self.tree, "weights"))

    @property
    def events(self) -> xr.Dataset:
        """What the task did, dimension ``event``."""
        return schema.group(self.tree, "events")

    @property
    def outcome(self) -> dict[str, Any]:
        """How the run went: status, rates, wall time, ..."""
        return schema.unpack(schema.group(self.tree, "outcome").attrs)

    def _leaf(self, group: str, name: str, kind: str) -> xr.Dataset:
        found = schema.leaves(self.tree, group)
        if name not in found:
            raise unknown("Recording", name, list(found), kind=kind)
        return found[name]

    def spikes(self, population: str) -> xr.Dataset:
        """Return the spikes of a population.

        Parameters
        ----------
        population : str
            Name.

        Returns
        -------
        xarray.Dataset
            ``time`` (s), ``neuron`` and ``trial`` over ``spike``, sorted by trial, time and neuron;
            attributes ``n_neurons`` and ``duration`` (s) where they are known.

        Raises
        ------
        UnknownNameError
            If there is no such population; the nearest is named.
        """
        dataset = self._leaf("spikes", population, "population")
        return dataset if self.duration is None else dataset.assign_attrs(duration=self.duration)

    def states(self, site: str) -> xr.Dataset:
        """Return the states of a site.

        Parameters
        ----------
        site : str
            Name.

        Returns
        -------
        xarray.Dataset
            Each quantity over (``trial``, AXIS, ``unit``).

        Raises
        ------
        UnknownNameError
            If there is no such site; the nearest is named.
        """
        return self._leaf("states", site, "site")

    def weights(self, name: str) -> xr.Dataset:
        """Return the weights of a projection or read-out.

        Parameters
        ----------
        name : str
            Name.

        Returns
        -------
        xarray.Dataset
            ``weight`` over (``snapshot``, ``synapse``), with pre, post and delay (s).

        Raises
        ------
        UnknownNameError
            If there are none of that name; the nearest is named.
        """
        return self._leaf("weights", name, "weights")

    def n_neurons(self, population: str) -> int:
        """Return the size of a population.

        Parameters
        ----------
        population : str
            Name.

        Returns
        -------
        int
            As given to `build`; else one more than the highest neuron that fired.
        """
        dataset = self.spikes(population)
        if "n_neurons" in dataset.attrs:
            return int(dataset.attrs["n_neurons"])
        return int(dataset["neuron"].max()) + 1 if dataset.sizes["spike"] else 0

    def validate(self) -> Recording:
        """Check the whole recording against the schema again.

        Returns
        -------
        Recording
            Itself.

        Raises
        ------
        RecordingError
            Naming the group, the field, the value and the rule.
        """
        schema.check_tree(self.tree)
        return self

    def digest(self) -> str:
        """Return the sha256 of every array with its name, dims, type and shape.

        Returns
        -------
        str
            Hexadecimal. Attributes (source, wall time, date) do not count, so that two runs that gave the
            same numbers have the same digest.

        Examples
        --------
        >>> a = Recording.build(source="numba", events={"time": [0.0]})
        >>> b = Recording.build(source="brian2-numpy", events={"time": [0.0]})
        >>> a.digest() == b.digest()
        True
        """
        return files.digest_tree(self.tree)

    def equals(self, other: Recording) -> bool:
        """Tell whether another recording holds the same arrays, bit for bit.

        Parameters
        ----------
        other : Recording

        Returns
        -------
        bool
        """
        return isinstance(other, Recording) and self.digest() == other.digest()

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the recording to a NetCDF-4 file.

        It is written under a temporary name in the same folder, synced, read back and compared, and only then
        renamed. Numeric arrays carry fletcher32 sums and the file ends with its sha256.

        Parameters
        ----------
        path : path
            File to make, by habit with the suffix ``.nc``.
        overwrite : bool
            Whether a file that exists may be replaced.

        Returns
        -------
        pathlib.Path
            The file.

        Raises
        ------
        RecordingError
            If the file exists, the folder does not, there is no space, or writing fails; nothing partial
            stays.

        Examples
        --------
        >>> import tempfile
        >>> rec = Recording.build(source="numba", events={"time": [0.0, 0.5]})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Recording.load(rec.save(folder + "/run.nc")).equals(rec)
        True
        """
        return files.write_tree(self.tree, path, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Recording:
        """Read a recording from a file into memory.

        Parameters
        ----------
        path : path
            File that `save` wrote.

        Returns
        -------
        Recording

        Raises
        ------
        FileFormatError
            In one sentence: missing, empty, a folder, cut short, altered, another program's, or of an unknown
            major version.
        """
        return cls(files.read_tree(path))

    def select(
        self,
        *,
        trial: int | Sequence[int] | slice | None = None,
        time: slice | tuple[Any, Any] | None = None,
        neuron: int | Sequence[int] | slice | None = None,
        population: str | Sequence[str] | None = None,
        site: str | Sequence[str] | None = None,
    ) -> Recording:
        """Return a part of the recording. Labels are kept; what a keyword does not speak of is kept whole.

        Parameters
        ----------
        trial : int, sequence or slice, optional
            Trials of spikes, states and events, by label. A slice is half open.
        time : slice or pair of quantities, optional
            Half-open interval such as ``slice("0.5 s", "1 s")``, of spikes, states with a ``time`` axis and
            events. `duration` follows it.
        neuron : int, sequence or slice, optional
            Neurons of spikes and units of states, by label.
        population : str or sequence, optional
            Populations to keep; states stay.
        site : str or sequence, optional
            Sites to keep; spikes stay.

        Returns
        -------
        Recording

        Raises
        ------
        UnknownNameError
            For a population or site that is not there.
        RecordingError
            For an interval that ends before it starts.

        Examples
        --------
        >>> rec = Recording.build(source="x", spikes={"exc": {"time": [0.01, 0.6], "neuron": [0, 1]}})
        >>> rec.select(time=slice("0.5 s", "1 s")).spikes("exc")["neuron"].values.tolist()
        [1]
        """
        from arcuate.recording.select import select

        return Recording(
            select(self.tree, trial=trial, time=time, neuron=neuron, population=population, site=site)
        )

    @classmethod
    def concatenate(cls, recordings: Iterable[Recording], *, dim: str = "time") -> Recording:
        """Join recordings of the same network.

        Parameters
        ----------
        recordings : iterable of Recording
            At least one, with the same populations and sites.
        dim : {"time", "trial"}
            ``"time"``: consecutive pieces of one run, in order; times are left as they are and must not
            overlap. States join along ``time`` if the pieces have the same trials, along ``trial`` if they
            have different ones.
            ``"trial"``: separate runs; trials are renumbered one after another.

        Returns
        -------
        Recording

        Raises
        ------
        RecordingError
            If the pieces do not fit together.

        Examples
        --------
        >>> early, late = ({"exc": {"time": [t], "neuron": [0]}} for t in (0.1, 1.2))
        >>> a = Recording.build(source="x", spikes=early, duration=1.0)
        >>> b = Recording.build(source="x", spikes=late, start=1.0, duration=1.0)
        >>> both = Recording.concatenate([a, b])
        >>> both.spikes("exc")["time"].values.tolist(), both.duration
        ([0.1, 1.2], 2.0)
        """
        from arcuate.recording.join import concatenate

        if not isinstance(recordings, Iterable):
            raise RecordingError.of(
                where="Recording.concatenate",
                name="recordings",
                value=recordings,
                bound="must be a list of Recordings",
            )
        pieces = list(recordings)
        for piece in pieces:
            if not isinstance(piece, Recording):
                raise RecordingError.of(
                    where="Recording.concatenate",
                    name="recordings",
                    value=piece,
                    bound="must hold Recordings",
                )
        return cls(concatenate([piece.tree for piece in pieces], dim=dim))

    def epochs(self, site: str, variable: str, starts: Any, *, window: Any = ("0 s", "1 s")) -> xr.DataArray:
        """Cut a continuous state into trials.

        Parameters
        ----------
        site, variable : str
            State with a ``time`` axis of even spacing, recorded as one trial.
        starts : array_like, (n_trials,)
            Where time is 0 in each cut, s on the clock of the state.
        window : quantity or pair of quantities
            Half-open interval around each start; a single quantity is its end.

        Returns
        -------
        xarray.DataArray
            Dims (``trial``, ``time``, ``unit``); ``time`` counts from the start, to the nearest sample;
            coordinate ``start`` (s) on ``trial``.

        Raises
        ------
        UnknownNameError
            If there is no such site or quantity.
        RecordingError
            If the state has no continuous time, or a cut reaches outside it.

        Examples
        --------
        >>> import numpy as np
        >>> z = (np.arange(10.0), ("time",), {"time": np.arange(10) * 0.1}, "1")
        >>> rec = Recording.build(source="x", states={"z": {"z": z}})
        >>> rec.epochs("z", "z", [0.2, 0.5], window="0.3 s").values[:, :, 0].tolist()
        [[2.0, 3.0, 4.0], [5.0, 6.0, 7.0]]
        """
        from arcuate.recording.select import cut

        dataset = self.states(site)
        if variable not in dataset.data_vars:
            raise unknown(f"states of {site!r}", variable, list(map(str, dataset.data_vars)), kind="state")
        return cut(
            dataset[variable], starts, window=window, where=f"Recording.epochs({site!r}, {variable!r})"
        )

    def to_pandas(self, what: str = "spikes") -> pd.DataFrame:
        """Return a table.

        Parameters
        ----------
        what : str
            "spikes" (all populations, with a column for it), "events", or a path: "spikes/exc", "states/exc",
            "weights/exc->exc".

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        UnknownNameError
            If there is no such table.

        Examples
        --------
        >>> rec = Recording.build(source="x", spikes={"exc": {"time": [0.1], "neuron": [2]}})
        >>> rec.to_pandas("spikes").to_dict("records")
        [{'population': 'exc', 'time': 0.1, 'neuron': 2, 'trial': 0}]
        """
        import pandas as pd

        if what == "spikes":
            columns = ("time", "neuron", "trial")
            parts = [
                pd.DataFrame({"population": name, **{c: dataset[c].values for c in columns}})
                for name, dataset in schema.leaves(self.tree, "spikes").items()
            ]
            return (
                pd.concat(parts, ignore_index=True)
                if parts
                else pd.DataFrame(columns=["population", *columns])
            )
        return self.to_dataset(what).to_dataframe()

    def to_dataset(self, path: str | None = None) -> xr.Dataset:
        """Return one group, or everything, as a Dataset.

        Parameters
        ----------
        path : str, optional
            "events", "spikes/exc", "states/exc", "weights/exc->exc". All groups by default.

        Returns
        -------
        xarray.Dataset
            For all groups, variables and dims carry the path as a prefix: "states/exc/v", "spikes/exc/spike".

        Raises
        ------
        UnknownNameError
            If there is no such group.
        """
        import xarray as xr

        found = {
            f"{group}/{name}": dataset
            for group in ("spikes", "states", "weights")
            for name, dataset in schema.leaves(self.tree, group).items()
        }
        found["events"] = self.events
        if path is not None:
            if path not in found:
                raise unknown("Recording", path, list(found), kind="group")
            return found[path]
        flat = {
            f"{prefix}/{name}": ([f"{prefix}/{dim}" for dim in var.dims], var.values, var.attrs)
            for prefix, dataset in found.items()
            for name, var in dataset.variables.items()
        }
        return xr.Dataset(flat, attrs=dict(self.tree.attrs))

    def __eq__(self, other: object) -> bool:
        return self.equals(other) if isinstance(other, Recording) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        from arcuate.recording.show import text

        return text(self)

    def _repr_html_(self) -> str:
        from arcuate.recording.show import html

        return html(self)


def _root_attrs(
    source: str, seed: int | None, spec_json: str | None, spec_sha256: str | None, created_utc: str | None
) -> dict[str, Any]:
    from importlib.metadata import PackageNotFoundError, version

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
    try:
        release = version("arcuate")
    except PackageNotFoundError:
        release = "unknown"
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {
        "schema": schema.SCHEMA,
        "schema_version": schema.VERSION,
        "arcuate_version": release,
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


def _names(tables: Any, group: str) -> list[str]:
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
    return names
