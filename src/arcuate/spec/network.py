"""The whole specification: a network, what to record of it, and how to vary it by dotted path."""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from arcuate.errors import SpecError, UnitsError, check_array, check_choice, unknown
from arcuate.spec.files import read_json, read_toml, split_sources, write_toml
from arcuate.spec.part import Part, canonical_json, freeze, plain
from arcuate.spec.population import Population, check_expression, check_flag, check_name
from arcuate.spec.projection import LowRank, Projection
from arcuate.spec.readout import RLS, Input, Readout, TwoBank
from arcuate.spec.values import Distribution, FrozenDict, Quantity, Values, quantity, same_unit
from arcuate.units import dimension

__all__ = ["Network", "Record", "to_steps"]

#: Version of the table form; a reader refuses another one.
FORMAT = 1
READOUT_FIELDS = ("z", "features", "weights")


def to_steps(time: float, dt: float) -> int:
    """Number of steps nearest to a time; half a step rounds up.

    Parameters
    ----------
    time, dt : float
        In s.

    Returns
    -------
    int

    Examples
    --------
    >>> to_steps(0.0015, 0.001), to_steps(0.0, 0.001)
    (2, 0)
    """
    return int(time / dt + 0.5)


@dataclass(frozen=True, kw_only=True, eq=False)
class Record(Part):
    """What a run keeps.

    Parameters
    ----------
    spikes : bool or list of str
        All populations, none, or some.
    states : mapping of str to list of str
        State variables per population.
    readouts : list of str
        Of every read-out: ``"z"`` (outputs), ``"features"`` and ``"weights"`` (after each trial).
    every : str
        Time between samples of the states; rounded to steps, at least one.
    neurons : mapping of str to list of int
        Neurons whose states are kept; all unless given.
    epochs : str
        ``"trials"`` cuts the states into the trials of the task, ``"continuous"`` does not.

    Raises
    ------
    SpecError
        If a value is wrong.

    Examples
    --------
    >>> Record(states={"exc": ["v"]}, every="1 ms").states["exc"]
    ('v',)
    """

    spikes: Any = True
    states: Mapping[str, Any] = field(default_factory=dict)
    readouts: Any = ("z",)
    every: Any = "1 ms"
    neurons: Mapping[str, Any] = field(default_factory=dict)
    epochs: str = "trials"

    def __post_init__(self) -> None:
        spikes = self.spikes
        if isinstance(spikes, (list, tuple)):
            spikes = tuple(check_name(item, where="Record", name="spikes") for item in spikes)
        else:
            spikes = check_flag(spikes, where="Record", name="spikes")
        for name in ("states", "neurons"):
            if not isinstance(getattr(self, name), Mapping):
                raise SpecError.of(
                    where="Record",
                    name=name,
                    value=getattr(self, name),
                    bound="must be a table by population",
                )
        states = {}
        for key, value in self.states.items():
            words = (value,) if isinstance(value, str) else value
            if not isinstance(words, (list, tuple)) or not all(isinstance(word, str) for word in words):
                raise SpecError.of(
                    where="Record", name=f"states.{key}", value=value, bound="must be a list of names"
                )
            states[key] = tuple(dict.fromkeys(words))
        neurons = {}
        for key, value in self.neurons.items():
            chosen = check_array(value, where="Record", name=f"neurons.{key}", shape=(None,), dtype=int)
            if not chosen.size or chosen.min() < 0 or len(np.unique(chosen)) < len(chosen):
                raise SpecError.of(
                    where="Record", name=f"neurons.{key}", value=value, bound="must be different indices >= 0"
                )
            neurons[key] = tuple(int(index) for index in chosen)
        words = (self.readouts,) if isinstance(self.readouts, str) else self.readouts
        if not isinstance(words, (list, tuple)):
            raise SpecError.of(where="Record", name="readouts", value=words, bound="must be a list of names")
        readouts = tuple(
            check_choice(word, READOUT_FIELDS, where="Record", name="readouts") for word in words
        )
        check_choice(self.epochs, ("trials", "continuous"), where="Record", name="epochs")
        every = quantity(self.every, "s", where="Record", name="every", low=0.0, high=1e6, low_open=True)
        self._set(
            spikes=spikes,
            states=FrozenDict(states),
            neurons=FrozenDict(neurons),
            readouts=readouts,
            every=every,
        )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Network(Part):
    """A network: what the model is, frozen, with a content hash.

    Parameters
    ----------
    name : str
        ASCII letters, digits and ``_``.
    dt : str
        Time step, such as ``"0.5 ms"``.
    populations, projections, inputs, readouts : list of parts, or mapping of name to part
        Kept as frozen mappings by name, in the order given.
    record : Record
        What a run keeps.
    task : mapping or None
        Table of the task that drives the network, with ``kind``; None for none.
    sources : mapping of str to str
        Where values come from, by dotted path.
    description : str
        For people.

    Raises
    ------
    SpecError
        If the parts do not fit together.

    Examples
    --------
    >>> from arcuate.spec import izh2003, Sparse
    >>> net = Network(name="small", dt="0.5 ms", populations=[Population(name="exc", n=10, neuron=izh2003())],
    ...               projections=[Projection(pre="exc", post="exc", connectivity=Sparse(0.1), weight=0.5)])
    >>> net.get("populations.exc.neuron.a"), net.with_("populations.exc.neuron.a", 0.1).get("populations.exc.neuron.a")
    (0.02, 0.1)
    """

    name: str
    dt: Any
    populations: Any
    projections: Any = ()
    inputs: Any = ()
    readouts: Any = ()
    record: Any = field(default_factory=Record)
    task: Any = None
    sources: Mapping[str, str] = field(default_factory=dict)
    description: str = ""

    keyed: ClassVar[Mapping[str, type[Part]]] = {
        "populations": Population,
        "projections": Projection,
        "inputs": Input,
        "readouts": Readout,
    }

    def __post_init__(self) -> None:
        where = f"Network {check_name(self.name, where='Network')!r}"
        dt = quantity(self.dt, "s", where=where, name="dt", low=0.0, high=1.0, low_open=True)
        parts = {
            key: _by_name(getattr(self, key), kind, where=where, name=key) for key, kind in self.keyed.items()
        }
        if not parts["populations"]:
            raise SpecError.of(where=where, name="populations", bound="must have at least one population")
        task = None if self.task is None else freeze(self.task, where=where, name="task")
        if task is not None and (not isinstance(task, Mapping) or not isinstance(task.get("kind"), str)):
            raise SpecError.of(
                where=where, name="task", value=self.task, bound='must be a table with a "kind"'
            )
        if not isinstance(self.description, str):
            raise SpecError.of(
                where=where, name="description", value=self.description, bound="must be a text"
            )
        if not isinstance(self.sources, Mapping):
            raise SpecError.of(where=where, name="sources", value=self.sources, bound="must be a table")
        record = Record.from_tree({} if self.record is None else self.record, where=where)
        self._set(dt=dt, **parts, record=record, task=task, sources=FrozenDict(self.sources))
        self._check_fit()

    # -- checks that need more than one part

    def _check_fit(self) -> None:
        for projection in self.projections.values():
            self._check_projection(projection)
        for drive in self.inputs.values():
            self._check_input(drive)
        for readout in self.readouts.values():
            self._check_readout(readout)
        self._check_record()
        self._check_dt()
        clash = set(self.inputs) & set(self.populations)
        if clash:
            raise SpecError.of(
                where=f"Input {sorted(clash)[0]!r}",
                name="name",
                value=sorted(clash)[0],
                bound="is also a population",
                fix="choose another name",
            )
        for path in self.sources:
            if not isinstance(self.sources[path], str) or not self._has(path):
                raise unknown(f"Network {self.name!r}, sources", path, self._all_paths(), kind="path")

    def _population(self, name: str, where: str) -> Population:
        if name not in self.populations:
            raise unknown(where, name, self.populations, kind="population")
        found: Population = self.populations[name]
        return found

    def _check_projection(self, projection: Projection) -> None:
        where = f"Projection {projection.name!r}"
        pre, post = self._population(projection.pre, where), self._population(projection.post, where)
        same = projection.pre == projection.post
        projection.connectivity.check_sizes(pre.n, post.n, same=same, where=where)
        unit = synapse_weight_unit(projection.synapse, post)
        weight = projection.weight
        if isinstance(weight, str):
            check_expression(weight, projection.weight_names, unit, where=where, name="weight")
        else:
            _check_unit(weight, unit, where=where, name="weight")
        for key in ("weight", "delay"):
            value = getattr(projection, key)
            if isinstance(value, Values) and len(value.shape) == 2 and value.shape != (pre.n, post.n):
                turned = value.shape == (post.n, pre.n)
                raise SpecError.of(
                    where=where,
                    name=key,
                    value=value.shape,
                    bound=f"must have shape (n_pre, n_post) = {(pre.n, post.n)}",
                    fix=f"transpose it: {key}.T" if turned else "rows are sources, columns are targets",
                )
        if pre.sign is not None:
            self._check_sign(projection, pre.sign, where)

    def _check_sign(self, projection: Projection, sign: str, where: str) -> None:
        """Refuse a weight that is known to break Dale's law; drawn weights are checked in the plan."""
        weight = projection.weight
        if projection.balance is not None or isinstance(projection.connectivity, LowRank):
            name = "balance" if projection.balance is not None else "connectivity"
            raise SpecError.of(
                where=where,
                name=name,
                value=projection.balance or "low_rank",
                bound=f"gives weights of both signs, but {projection.pre!r} is {sign}",
                fix="leave its sign unset",
            )
        if isinstance(weight, str):
            return
        edges = np.asarray(weight.support if isinstance(weight, Distribution) else weight, dtype=float)
        low, high = float(np.min(edges)), float(np.max(edges))
        if (low < 0 and sign == "excitatory") or (high > 0 and sign == "inhibitory"):
            bound = ">= 0" if sign == "excitatory" else "<= 0"
            raise SpecError.of(
                where=where,
                name="weight",
                value=weight if isinstance(weight, Distribution) else (low, high)[sign == "inhibitory"],
                bound=f"must be {bound} since {projection.pre!r} is {sign} (Dale's law)",
                fix="change the sign of the weight, or leave the population's sign unset",
            )

    def _check_input(self, drive: Input) -> None:
        where = f"Input {drive.name!r}"
        targets = [self._population(name, where) for name in drive.target]
        for target in targets:
            if drive.synapse is not None:
                unit = synapse_weight_unit(drive.synapse, target)
                _check_unit(drive.weight, unit, where=where, name="weight")
                continue
            unit = target.neuron.mechanism.input_unit
            found = dimension(getattr(drive.weight, "unit", "1")) * dimension(drive.unit)
            if found != dimension(unit):
                raise UnitsError.of(
                    where=where,
                    name="weight",
                    value=drive.weight,
                    bound=f"times unit {drive.unit!r} must be {'a plain number' if unit == '1' else f'in {unit}'}",
                    fix=f'give the weight in {unit}, or unit="{unit}"' if unit != "1" else "drop the unit",
                )
        size = sum(target.n for target in targets)
        if isinstance(drive.weight, Values) and drive.weight.shape != (size, drive.n_channels):
            raise SpecError.of(
                where=where,
                name="weight",
                value=drive.weight.shape,
                bound=f"must have shape {(size, drive.n_channels)}",
            )

    def _check_readout(self, readout: Readout) -> None:
        where = f"Readout {readout.name!r}"
        size = sum(self._population(name, where).n for name in readout.source)
        if isinstance(readout.initial_weight, Values) and readout.initial_weight.shape[1] != size:
            raise SpecError.of(
                where=where,
                name="initial_weight",
                value=readout.initial_weight.shape,
                bound=f"must have shape {(readout.n_outputs, size)}",
            )
        if readout.feedback is not None:
            target = self._population(readout.feedback.target, f"{where}, feedback")
            scale = readout.feedback.scale
            _check_unit(scale, target.neuron.mechanism.input_unit, where=f"{where}, feedback", name="scale")
            if isinstance(scale, Values) and scale.shape != (target.n, readout.n_outputs):
                raise SpecError.of(
                    where=f"{where}, feedback",
                    name="scale",
                    value=scale.shape,
                    bound=f"must have shape {(target.n, readout.n_outputs)}",
                )
        if self.task is None:
            needs = isinstance(readout.rule, TwoBank) or (
                isinstance(readout.rule, RLS) and readout.rule.reset_at
            )
            if needs or readout.center is not None:
                name = "rule" if needs else "center"
                raise SpecError.of(
                    where=where,
                    name=name,
                    value=type(getattr(readout, name)).__name__,
                    bound="needs the trials of a task, and the network has none",
                    fix='give the network a task, such as {"kind": "what_when"}',
                )

    def _check_record(self) -> None:
        record = self.record
        named = [
            *record.states,
            *record.neurons,
            *(record.spikes if isinstance(record.spikes, tuple) else ()),
        ]
        for name in named:
            self._population(name, "Record")
        for name, variables in record.states.items():
            known = self.populations[name].neuron.mechanism.variables
            for variable in variables:
                if variable not in known:
                    raise unknown(f"Record, states.{name}", variable, known, kind="state variable")
        for name, chosen in record.neurons.items():
            n = self.populations[name].n
            if max(chosen) >= n:
                raise SpecError.of(
                    where="Record",
                    name=f"neurons.{name}",
                    value=max(chosen),
                    bound=f"must be < {n}, the population's size",
                )

    def _times(self) -> Iterator[tuple[str, str, float]]:
        """Time constants that are known numbers: where, name and the smallest value."""
        for population in self.populations.values():
            for name in population.neuron.mechanism.time_constants:
                value = population.neuron.parameters[name]
                if isinstance(value, Distribution) and np.isfinite(value.support[0]) and value.support[0] > 0:
                    value = value.support[0]
                if isinstance(value, (float, Values)):
                    yield f"Population {population.name!r}", name, float(np.min(np.asarray(value)))
        for kind, parts in (("Projection", self.projections), ("Input", self.inputs)):
            for part in parts.values():
                if part.synapse is not None:
                    for name in part.synapse.mechanism.time_constants:
                        yield f"{kind} {part.name!r}", name, float(part.synapse.parameters[name])
        for readout in self.readouts.values():
            for name in readout.filter.mechanism.time_constants:
                yield f"Readout {readout.name!r}", name, float(readout.filter.parameters[name])

    def _check_dt(self) -> None:
        for where, name, value in self._times():
            if self.dt > value:
                tau = Quantity(value, "s")
                raise SpecError.of(
                    where=f"Network {self.name!r}",
                    name="dt",
                    value=self.dt,
                    bound=f"must be <= {tau}, the {name} of {where}, or the step is unstable or resolves nothing",
                    fix=f'use dt="{Quantity(value / 10, "s")}" or a larger {name}',
                )

    @property
    def notes(self) -> tuple[str, ...]:
        """Times that are no multiple of the step, and what they are rounded to."""
        found = []

        def note(where: str, name: str, value: Any, least: int = 0) -> None:
            if not isinstance(value, float):
                return
            steps = max(to_steps(value, self.dt), least)
            if abs(steps * self.dt - value) > 1e-9 * max(value, self.dt):
                found.append(
                    f"{where}: {name} = {value} is rounded to {steps} steps, {Quantity(steps * self.dt, 's')}"
                )

        for population in self.populations.values():
            if population.neuron.mechanism.refractory:
                note(f"Population {population.name!r}", "t_ref", population.neuron.parameters["t_ref"])
        for projection in self.projections.values():
            note(f"Projection {projection.name!r}", "delay", projection.delay)
        for readout in self.readouts.values():
            note(f"Readout {readout.name!r}", "period", readout.period, 1)
        note("Record", "every", self.record.every, 1)
        return tuple(found)

    # -- vary

    def with_(self, path: str, value: Any) -> Self:
        """Return a network with one field changed.

        Parameters
        ----------
        path : str
            Dotted path, such as ``"populations.exc.neuron.a"``.
        value : object
            In any form that the field takes.

        Returns
        -------
        Network

        Raises
        ------
        UnknownNameError
            If there is no such field; the message names the nearest.
        """
        return self.replace({path: value})

    def replace(self, changes: Mapping[str, Any] | None = None, /, **fields_: Any) -> Self:
        """Return a network with several fields changed at once.

        Parameters
        ----------
        changes : mapping of str to object
            Values by dotted path.
        **fields_
            Fields of the network itself, such as ``dt="1 ms"``; also paths, as ``**{path: value}``.

        Returns
        -------
        Network
            Checked as a whole, after all changes.

        Raises
        ------
        UnknownNameError
            If there is no such field.
        SpecError
            If a value is wrong.
        """
        draft = _thaw(self)
        for path, value in {**(changes or {}), **fields_}.items():
            self._put(draft, path, value)
        changed = _rebuild(draft)
        assert isinstance(changed, type(self))
        return changed

    def get(self, path: str) -> Any:
        """Return the value at a dotted path.

        Parameters
        ----------
        path : str
            Such as ``"projections.exc->exc.weight"``.

        Returns
        -------
        object
            The value, in SI, or the part.

        Raises
        ------
        UnknownNameError
            If there is no such field.
        """
        node: Any = self
        for key in self._keys(path):
            inner = _children(node)
            if key not in inner:
                raise unknown(f"Network {self.name!r}", path, self._all_paths(), kind="path")
            node = inner[key]
        return node

    def paths(self) -> tuple[str, ...]:
        """Return the dotted path of every value that is set.

        Returns
        -------
        tuple of str
        """
        return tuple(_leaves(self, ""))

    def _all_paths(self) -> tuple[str, ...]:
        return (*self.paths(), *(field.name for field in fields(self)))

    def _has(self, path: str) -> bool:
        node: Any = self
        for key in path.split("."):
            inner = _children(node)
            if key not in inner:
                return isinstance(node, Distribution) or isinstance(node, Values)
            node = inner[key]
        return True

    def _keys(self, path: Any) -> list[str]:
        if not isinstance(path, str) or not path:
            raise SpecError.of(
                where=f"Network {self.name!r}",
                name="path",
                value=path,
                bound="must be a dotted path",
                fix='use for example "populations.exc.n"',
            )
        return path.split(".")

    def _put(self, draft: _Draft, path: str, value: Any) -> None:
        """Set one value in a draft of the network."""
        node: Any = draft
        *front, last = self._keys(path)
        for key in front:
            inner = node.values if isinstance(node, _Draft) else node
            step = inner.get(key) if isinstance(inner, dict) else _item(inner, key)
            if isinstance(inner, dict) and key in inner and step is None:
                raise SpecError.of(
                    where=f"Network {self.name!r}",
                    name=path,
                    value=value,
                    bound=f"{key} is not set",
                    fix=f"set {path[: path.rindex('.')]} first",
                )
            if step is None:
                raise unknown(f"Network {self.name!r}", path, self._all_paths(), kind="path")
            node = step
        target = node.values if isinstance(node, _Draft) else node
        known = isinstance(target, dict) and last in target
        if isinstance(target, list) and _item(target, last) is not None:
            target[int(last)] = value
        elif known and not (last == "name" and node is not draft):
            target[last] = value
        else:
            raise unknown(f"Network {self.name!r}", path, self._all_paths(), kind="path")

    # -- write and read

    @property
    def sha256(self) -> str:
        """Content hash: equal for equal content, whatever the file it came from; ignores sources and description."""
        cached = self.__dict__.get("_cached_sha256")
        if cached is None:
            tree = {key: item for key, item in self.tree().items() if key not in ("sources", "description")}
            cached = hashlib.sha256(canonical_json(tree).encode()).hexdigest()
            object.__setattr__(self, "_cached_sha256", cached)
        return str(cached)

    def __eq__(self, other: object) -> bool:
        return self.sha256 == other.sha256 if isinstance(other, Network) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.sha256)

    def to_dict(self) -> dict[str, Any]:
        """Return the network as nested tables of numbers, texts and lists.

        Returns
        -------
        dict
            Quantities are texts that read back as the same float.
        """
        tree = plain(self.tree())
        return {"format": FORMAT, **{key: item for key, item in tree.items() if item not in ("", {})}}

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Self:
        """Build a network from nested tables.

        Parameters
        ----------
        table : mapping
            As `to_dict` gives it; any value may be ``{"value": ..., "source": "..."}``.

        Returns
        -------
        Network

        Raises
        ------
        SpecError
            If a table is not a network.
        """
        if not isinstance(table, Mapping):
            raise SpecError.of(where="Network", name="table", value=table, bound="must be a table")
        stripped, sources = split_sources(table)
        version = stripped.pop("format", FORMAT)
        if version != FORMAT:
            raise SpecError.of(
                where="Network",
                name="format",
                value=version,
                bound=f"must be {FORMAT}",
                fix="use the version that wrote it",
            )
        return cls.from_tree({**stripped, "sources": sources}, where="Network")

    def to_toml(self) -> str:
        """Return the network as TOML, sources included.

        Returns
        -------
        str
        """
        table = self.to_dict()
        table.pop("sources", None)
        return write_toml(table, self.sources)

    @classmethod
    def from_toml(cls, source: str | Path) -> Self:
        """Read a network from a TOML file or text.

        Parameters
        ----------
        source : str or Path
            A path, or TOML text.

        Returns
        -------
        Network

        Raises
        ------
        FileFormatError
            If it cannot be read or is not TOML.
        SpecError
            If it is not a network.
        """
        return cls.from_dict(read_toml(source))

    def to_json(self) -> str:
        """Return the network as JSON, sources included.

        Returns
        -------
        str
        """
        return json.dumps(self.to_dict(), indent=1, allow_nan=False, ensure_ascii=False)

    @classmethod
    def from_json(cls, source: str | Path) -> Self:
        """Read a network from a JSON file or text.

        Parameters
        ----------
        source : str or Path
            A path, or JSON text.

        Returns
        -------
        Network

        Raises
        ------
        FileFormatError
            If it cannot be read or is not strict JSON.
        SpecError
            If it is not a network.
        """
        return cls.from_dict(read_json(source))

    def unsourced(self) -> tuple[str, ...]:
        """Return the paths of values that name no source and are no default of a mechanism.

        Returns
        -------
        tuple of str
        """
        covered = tuple(self.sources)
        missing = []
        for path in self.paths():
            if any(path == known or path.startswith(f"{known}.") for known in covered):
                continue
            if _is_value(path, self.get(path)) and not self._is_default(path):
                missing.append(path)
        return tuple(missing)

    def _is_default(self, path: str) -> bool:
        head, _, last = path.rpartition(".")
        owner = self.get(head) if head else self
        mechanism = getattr(owner, "mechanism", None)
        if mechanism is not None and last in mechanism.parameters:
            return bool(owner.parameters[last] == mechanism.parameters[last].default)
        defaults = {item.name: item for item in fields(owner)} if isinstance(owner, Part) else {}
        if last not in defaults or isinstance(owner, Network):
            return False
        try:
            fresh = type(owner)(**{**{k: getattr(owner, k) for k in defaults}, last: defaults[last].default})
        except (SpecError, TypeError):
            return False
        return bool(getattr(fresh, last) == getattr(owner, last))

    def __repr__(self) -> str:
        cells = ", ".join(f"{name} {population.n}" for name, population in self.populations.items())
        return (
            f"<Network {self.name!r}: {cells}; {len(self.projections)} projections, {len(self.inputs)} inputs, "
            f"{len(self.readouts)} read-outs, dt {self.dt}, sha256 {self.sha256[:8]}>"
        )

    def _repr_html_(self) -> str:
        rows = [
            (
                f"population <b>{name}</b>",
                f"{p.n} × {p.neuron.model} ({p.neuron.method}){', ' + p.sign if p.sign else ''}",
            )
            for name, p in self.populations.items()
        ]
        rows += [
            (
                f"projection <b>{html.escape(name)}</b>",
                f"{p.connectivity.tag[1]}, {p.synapse.model}, delay {html.escape(str(p.delay))}",
            )
            for name, p in self.projections.items()
        ]
        rows += [
            (f"input <b>{name}</b>", f"{p.kind} to {', '.join(p.target)}") for name, p in self.inputs.items()
        ]
        rows += [
            (
                f"read-out <b>{name}</b>",
                f"{p.n_outputs} from {', '.join(p.source)}, rule {p.rule.tag[1] if p.rule else 'none'}",
            )
            for name, p in self.readouts.items()
        ]
        body = "".join(f"<tr><td>{left}</td><td>{right}</td></tr>" for left, right in rows)
        head = f"{html.escape(self.name)}, dt {self.dt}, sha256 {self.sha256[:8]}"
        return f"<table><caption>{head}</caption><tbody>{body}</tbody></table>"


def synapse_weight_unit(synapse: Any, post: Population) -> str:
    """Unit of the weight of a synapse onto a population.

    Parameters
    ----------
    synapse : Synapse
        The synapse.
    post : Population
        Its target.

    Returns
    -------
    str

    Examples
    --------
    >>> from arcuate.spec import double_exponential, lif
    >>> synapse_weight_unit(double_exponential(), Population(name="exc", n=1, neuron=lif()))
    'A*s'
    """
    unit = post.neuron.mechanism.input_unit
    kind = synapse.mechanism.weight_unit
    if kind == "v":
        return post.neuron.mechanism.variables["v"].unit
    if kind == "input*s":
        return "s" if unit == "1" else f"{unit}*s"
    return unit


def _check_unit(value: Any, unit: str, *, where: str, name: str) -> None:
    found = getattr(value, "unit", "1")
    if not same_unit(found, unit):
        raise UnitsError.of(
            where=where,
            name=name,
            value=value,
            bound=f"must be {'a plain number' if unit == '1' else f'in {unit}'}, not in {found}",
            fix=f'write it with a unit, such as "{Quantity(20e-12, unit)}"'
            if unit != "1"
            else "drop the unit",
        )


def _by_name(given: Any, kind: type[Part], *, where: str, name: str) -> FrozenDict[str, Any]:
    """Read parts given as a list, or as a mapping by name."""
    found: dict[str, Any] = {}
    if isinstance(given, Mapping):
        items = []
        for key, item in given.items():
            if isinstance(item, Mapping):
                item = {"name": key, **item}
            part = kind.from_tree(item, where=f"{kind.__name__} {key!r}")
            if getattr(part, "name", None) != key:
                raise SpecError.of(
                    where=where,
                    name=f"{name}.{key}",
                    value=getattr(part, "name", None),
                    bound="must be named like its key",
                )
            items.append(part)
    elif isinstance(given, (list, tuple)):
        items = [kind.from_tree(item, where=where) for item in given]
    else:
        raise SpecError.of(where=where, name=name, value=given, bound=f"must be a list of {kind.__name__}")
    for part in items:
        key = str(getattr(part, "name", ""))
        if key in found:
            raise SpecError.of(
                where=where,
                name=name,
                value=key,
                bound="must have different names",
                fix="rename one of the two",
            )
        found[key] = part
    return FrozenDict(found)


@dataclass
class _Draft:
    """A part taken apart, to be changed and rebuilt."""

    kind: type[Part]
    values: dict[str, Any]
    flat: str


def _thaw(node: Any) -> Any:
    if isinstance(node, Part):
        values = {item.name: _thaw(getattr(node, item.name)) for item in fields(node)}
        if node.flat:
            values = {**values.pop(node.flat), **values}
        return _Draft(type(node), values, node.flat)
    if isinstance(node, Mapping):
        return {key: _thaw(item) for key, item in node.items()}
    if isinstance(node, tuple):
        return [_thaw(item) for item in node]
    return node


def _rebuild(node: Any) -> Any:
    if isinstance(node, _Draft):
        values = {key: _rebuild(item) for key, item in node.values.items()}
        if node.flat:
            names = {item.name for item in fields(node.kind)}
            beside = {key: item for key, item in values.items() if key not in names}
            values = {key: item for key, item in values.items() if key in names} | {node.flat: beside}
        return node.kind(**values)
    if isinstance(node, dict):
        return {key: _rebuild(item) for key, item in node.items()}
    if isinstance(node, list):
        return tuple(_rebuild(item) for item in node)
    return node


def _item(values: Any, key: str) -> Any:
    if isinstance(values, list) and key.isascii() and key.isdigit() and int(key) < len(values):
        return values[int(key)]
    return None


def _children(node: Any) -> dict[str, Any]:
    """What a dotted path may name inside a part, a table or a list."""
    if isinstance(node, Part):
        inner = {item.name: getattr(node, item.name) for item in fields(node) if item.name != node.flat}
        return {**(dict(getattr(node, node.flat)) if node.flat else {}), **inner}
    if isinstance(node, Mapping):
        return dict(node)
    if isinstance(node, tuple):
        return {str(index): item for index, item in enumerate(node)}
    return {}


def _leaves(node: Any, path: str) -> Iterator[str]:
    for key, item in _children(node).items():
        here = f"{path}.{key}" if path else key
        if item is None or (key == "name" and path) or here in ("sources", "description"):
            continue
        if isinstance(item, (Part, Mapping)) or (isinstance(item, tuple) and _has_parts(item)):
            yield from _leaves(item, here)
        else:
            yield here


def _has_parts(items: tuple[Any, ...]) -> bool:
    return any(isinstance(item, (Part, Mapping)) for item in items)


_WORDS = (
    "name",
    "pre",
    "post",
    "target",
    "source",
    "model",
    "method",
    "kind",
    "mode",
    "sign",
    "unit",
    "record",
    "format",
)


def _is_value(path: str, value: Any) -> bool:
    """Whether a leaf is a number that must come from somewhere, rather than a name or a switch."""
    last = path.rpartition(".")[2]
    if last in _WORDS or path.startswith("record.") or isinstance(value, bool):
        return False
    if path.startswith("task."):
        return last != "kind"
    return not (isinstance(value, str) and last in ("eligibility", "balance", "epochs"))
