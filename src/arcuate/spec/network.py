"""The whole specification: a network, what to record of it, and how to vary it by dotted path."""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Self

from arcuate.errors import SpecError
from arcuate.spec.checks import check_name
from arcuate.spec.files import read_json, read_toml, split_sources, write_toml
from arcuate.spec.fit import check_fit, rounding_notes
from arcuate.spec.part import Part, canonical_json, freeze, plain
from arcuate.spec.paths import get_path, is_value, leaves, put, rebuild, thaw
from arcuate.spec.plasticity import Modulator
from arcuate.spec.population import Population
from arcuate.spec.projection import Projection
from arcuate.spec.readout import Input, Readout
from arcuate.spec.record import Record
from arcuate.spec.values import FrozenDict, quantity

__all__ = ["Network"]

#: Version of the table form; a reader refuses another one.
FORMAT = 1


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Network(Part):
    """A network: what the model is, frozen, with a content hash.

    Parameters
    ----------
    name : str
        ASCII letters, digits and ``_``.
    dt : str
        Time step, such as ``"0.5 ms"``.
    populations, projections, inputs, readouts, modulators : list of parts, or mapping of name to part
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
    >>> cells = Population(name="exc", n=10, neuron=izh2003())
    >>> synapses = Projection(pre="exc", post="exc", connectivity=Sparse(0.1), weight=0.5)
    >>> net = Network(name="small", dt="0.5 ms", populations=[cells], projections=[synapses])
    >>> net.get("populations.exc.neuron.a"), net.with_("populations.exc.n", 20).populations["exc"].n
    (0.02, 20)
    """

    name: str
    dt: Any
    populations: Any
    projections: Any = ()
    inputs: Any = ()
    readouts: Any = ()
    modulators: Any = ()
    record: Any = field(default_factory=Record)
    task: Any = None
    sources: Mapping[str, str] = field(default_factory=dict)
    description: str = ""

    keyed: ClassVar[Mapping[str, type[Part]]] = {
        "populations": Population,
        "projections": Projection,
        "inputs": Input,
        "readouts": Readout,
        "modulators": Modulator,
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
        check_fit(self)

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
        draft = thaw(self)
        draft.values["sources"] = dict(self.sources)
        changes = {**(changes or {}), **fields_}
        for path, value in changes.items():
            put(self, draft, path, value=value)
            old = {} if "sources" in changes else draft.values["sources"]
            for source in [key for key in old if key == path or key.startswith(f"{path}.")]:
                del old[source]
        return type(self)(**{key: rebuild(value) for key, value in draft.values.items()})

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
        return get_path(self, path)

    @property
    def notes(self) -> tuple[str, ...]:
        """Times that are no multiple of the step, and what they are rounded to."""
        return rounding_notes(self)

    def paths(self) -> tuple[str, ...]:
        """Return the dotted path of every value that is set.

        Returns
        -------
        tuple of str
        """
        return tuple(leaves(self))

    @property
    def sha256(self) -> str:
        """Content hash: equal for equal content, without sources and description."""
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
        cached = self.__dict__.get("_cached_json")
        if cached is None:  # every piece of a run keeps it
            cached = json.dumps(self.to_dict(), allow_nan=False, ensure_ascii=False)
            object.__setattr__(self, "_cached_json", cached)
        return str(cached)

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
            if is_value(path, self.get(path)) and not self._is_default(path):
                missing.append(path)
        return tuple(missing)

    def _is_default(self, path: str) -> bool:
        head, _, last = path.rpartition(".")
        owner: Any = self.get(head) if head else self
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
            f"<Network {self.name!r}: {cells}; {len(self.projections)} projections, "
            f"{len(self.inputs)} inputs, {len(self.readouts)} read-outs, dt {self.dt}, "
            f"sha256 {self.sha256[:8]}>"
        )

    def _repr_html_(self) -> str:
        rows = [
            (
                f"population <b>{name}</b>",
                f"{p.n} × {p.neuron.mechanism.name} ({p.neuron.method}){', ' + p.sign if p.sign else ''}",
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
