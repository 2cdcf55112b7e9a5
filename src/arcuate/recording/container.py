"""The Recording class: one container for spikes, states, weights, events and the outcome of a run."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arcuate.errors import RecordingError, unknown
from arcuate.recording import files, schema, streams
from arcuate.recording.draft import Draft, draft

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import xarray as xr

_BUILDING = threading.RLock()  # while a tree is built, since threads may share a recording


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

    __slots__ = ("_draft", "_tree")

    def __init__(self, tree: xr.DataTree) -> None:
        schema.check_tree(tree)
        self._draft: Draft | None = None
        self._tree: xr.DataTree | None = tree

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
        made = draft(
            source=source,
            seed=seed,
            spec_json=spec_json,
            spec_sha256=spec_sha256,
            spikes=spikes,
            states=states,
            weights=weights,
            events=events,
            outcome=outcome,
            dt=dt,
            start=start,
            duration=duration,
            created_utc=created_utc,
        )
        return cls(made.tree())

    @classmethod
    def from_draft(cls, made: Draft) -> Recording:
        """Make a recording whose tree is built when it is first asked for.

        Parameters
        ----------
        made : Draft
            Arrays that follow the schema, as an engine makes them; let go of when the tree is built.

        Returns
        -------
        Recording

        Examples
        --------
        >>> from arcuate.recording.draft import draft
        >>> Recording.from_draft(draft(source="numba", seed=1)).seed
        1
        """
        recording = cls.__new__(cls)
        recording._draft, recording._tree = made, None
        return recording

    @property
    def tree(self) -> xr.DataTree:
        """The data as a tree of labeled arrays."""
        if self._tree is None:
            with _BUILDING:
                if self._draft is not None:
                    tree = self._draft.tree()
                    schema.check_tree(tree)
                    self._tree, self._draft = tree, None
        return self._tree  # type: ignore[return-value]  # one of the two is always there

    @property
    def _root(self) -> Mapping[Any, Any]:
        """Attributes of the root."""
        made = self._draft
        return self.tree.attrs if made is None else made.root

    @property
    def source(self) -> str:
        """What made the recording."""
        return str(self._root.get("source", ""))

    @property
    def seed(self) -> int | None:
        """Seed of the run; None if there was none or several."""
        text = str(self._root.get("seed", ""))
        return int(text) if text else None

    @property
    def spec(self) -> dict[str, Any] | None:
        """The specification as a table; None if there is none."""
        text = str(self._root.get("spec_json", ""))
        return json.loads(text) if text else None

    @property
    def spec_sha256(self) -> str:
        """Hash of the specification; empty if there is none."""
        return str(self._root.get("spec_sha256", ""))

    @property
    def start(self) -> float:
        """Start of the recording on the clock of the run, s."""
        return float(self._root.get("start_s", 0.0))

    @property
    def duration(self) -> float | None:
        """Recorded time, s: of all runs if several were joined; None if it is not known."""
        value = self._root.get("duration_s")
        return None if value is None else float(value)

    @property
    def dt(self) -> float | None:
        """Step of the run, s; None if it is not known."""
        value = self._root.get("dt_s")
        return None if value is None else float(value)

    @property
    def populations(self) -> tuple[str, ...]:
        """Names of the populations whose spikes are there."""
        made = self._draft
        return tuple(schema.leaves(self.tree, "spikes") if made is None else made.spikes)

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
        made = self._draft
        return schema.unpack(schema.group(self.tree, "outcome").attrs if made is None else made.outcome)

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

    def spike_arrays(self, population: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the spikes of a population as plain arrays, without loading xarray and pandas.

        Parameters
        ----------
        population : str
            Name.

        Returns
        -------
        time : ndarray, (n_spikes,), s
        neuron : ndarray, (n_spikes,), int32
            The arrays of `spikes`, in its order; they are not copied.

        Raises
        ------
        UnknownNameError
            If there is no such population; the nearest is named.

        Examples
        --------
        >>> rec = Recording.build(source="x", spikes={"exc": {"time": [0.2, 0.1], "neuron": [3, 4]}})
        >>> time, neuron = rec.spike_arrays("exc")
        >>> time.tolist(), neuron.tolist()
        ([0.1, 0.2], [4, 3])
        """
        made = self._draft
        if made is not None and population in made.spikes:
            return made.spikes[population].time, made.spikes[population].neuron
        dataset = self.spikes(population)
        return dataset["time"].values, dataset["neuron"].values

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
        made = self._draft
        spikes = None if made is None else made.spikes.get(population)
        n = self.spikes(population).attrs.get("n_neurons") if spikes is None else spikes.n
        return int(self.spike_arrays(population)[1].max(initial=-1)) + 1 if n is None else int(n)

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
        """Read a recording from a file into memory, or open one that was streamed to a folder.

        Parameters
        ----------
        path : path
            File that `save` wrote, or folder of a stream, as ``arcuate.probes.capture(to=...)`` makes it. All
            of a folder is read once, piece by piece, to check its sums; later its numbers are read from the
            disk each time they are looked at.

        Returns
        -------
        Recording

        Raises
        ------
        FileFormatError
            In one sentence: missing, empty, some other folder, cut short, altered, another program's, or of
            an unknown major version.
        """
        return cls(streams.read_stream(path) if streams.is_stream(path) else files.read_tree(path))

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
