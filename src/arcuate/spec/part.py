"""The base of the parts of a specification: frozen, written as tables, compared and hashed by content."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np

from arcuate.errors import SpecError, unknown
from arcuate.spec.distributions import Distribution, check_fields
from arcuate.spec.values import FrozenDict, Quantity, Values

__all__ = ["Part", "canonical_json", "freeze", "plain", "tagged"]

#: Deepest nesting of free-form data.
MAX_DEPTH = 40

#: Types of values that stand in every table as they are.
_PLAIN = frozenset({str, int, float, bool, type(None)})


@dataclass(frozen=True, eq=False)
class Part:
    """Base of the parts of a specification: frozen, compared and hashed by content.

    Attributes
    ----------
    flat : str
        Field whose entries stand beside the other fields in a table, such as the parameters of a neuron.
    tag : tuple of str
        Key and word that tell this kind of part from its siblings in a table.
    """

    flat: ClassVar[str] = ""
    tag: ClassVar[tuple[str, str]] = ("", "")

    def __new__(cls, *args: Any, **values: Any) -> Self:
        """Refuse a misspelt or a missing field by name, before Python does in words of its own."""
        check_fields(cls, args, values)
        return super().__new__(cls)

    @classmethod
    def field_names(cls) -> tuple[str, ...]:
        """Names of the fields, without the flat one."""
        return tuple(field.name for field in fields(cls) if field.name != cls.flat)

    @classmethod
    def from_tree(cls, table: Any, *, where: str) -> Self:
        """Build the part from a table, or pass it through when it is one already.

        Parameters
        ----------
        table : mapping or Part
            Fields by name.
        where : str
            For the message.

        Returns
        -------
        Part

        Raises
        ------
        SpecError
            If a field is missing, unknown or wrong.
        """
        if isinstance(table, cls):
            return table
        if not isinstance(table, Mapping):
            raise SpecError.of(
                where=where,
                name=cls.__name__.lower(),
                value=table,
                bound=f"must be a {cls.__name__} or a table",
            )
        entries = {key: value for key, value in table.items() if key != cls.tag[0]}
        names = cls.field_names()
        if cls.flat:
            beside = {key: value for key, value in entries.items() if key not in names}
            inside = beside.pop(cls.flat, None) or {}
            entries = {key: value for key, value in entries.items() if key in names}
            entries[cls.flat] = {**inside, **beside}
        for key in entries:
            if key not in names and key != cls.flat:
                raise unknown(where, key, names, kind=f"field of {cls.__name__}")
        for field in fields(cls):
            needed = field.default is MISSING and field.default_factory is MISSING
            if needed and field.name not in entries:
                raise SpecError.of(
                    where=where, name=field.name, bound=f"is missing; a {cls.__name__} needs it"
                )
        return cls(**entries)

    def tree(self) -> dict[str, Any]:
        """The part as nested tables of frozen values, without what is unset."""
        table: dict[str, Any] = {self.tag[0]: self.tag[1]} if self.tag[0] else {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None or (isinstance(value, Mapping) and not value):
                continue
            if field.name == self.flat:
                table.update({key: _tree(item) for key, item in value.items()})
            else:
                table[field.name] = _tree(value)
        return table

    def _digest(self) -> str:
        cached = self.__dict__.get("_cached_digest")
        if cached is None:
            cached = hashlib.sha256(canonical_json(self.tree()).encode()).hexdigest()
            object.__setattr__(self, "_cached_digest", cached)
        return str(cached)

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return self._digest() == other._digest()

    def __hash__(self) -> int:
        return hash((type(self).__name__, self._digest()))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), {field.name: getattr(self, field.name) for field in fields(self)})

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)


def _rebuild(cls: type[Part], values: dict[str, Any]) -> Part:
    return cls(**values)


def _tree(value: Any) -> Any:
    """Turn parts into tables, all the way down."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Part):
        return value.tree()
    if isinstance(value, Mapping):
        return {key: _keyed(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_tree(item) for item in value]
    return value


def _keyed(value: Any) -> Any:
    """A part in a table of parts goes by its key, so its own name is left out."""
    table = _tree(value)
    if isinstance(value, Part) and "name" in table:
        del table["name"]
    return table


def plain(tree: Any) -> Any:
    """Turn a tree of frozen values into numbers, texts, lists and tables.

    Parameters
    ----------
    tree : object
        Result of `Part.tree`.

    Returns
    -------
    object
        What JSON and TOML can hold. A quantity is text that reads back as the same float.

    Examples
    --------
    >>> plain({"delay": Quantity(0.0015, "s")})
    {'delay': '1.5 ms'}
    """
    if type(tree) in _PLAIN:
        return tree
    if isinstance(tree, Distribution):
        return plain(tree.tree())
    if isinstance(tree, Quantity):
        return tree.text
    if isinstance(tree, Values):
        numbers = tree.array.tolist()
        return numbers if tree.unit == "1" else {"values": numbers, "unit": tree.unit}
    if isinstance(tree, np.ndarray):
        return tree.tolist()
    if isinstance(tree, Mapping):
        return {key: plain(item) for key, item in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [plain(item) for item in tree]
    return tree


def canonical_json(tree: Any) -> str:
    """Write a tree in the one form that the content hash is taken of.

    Keys are sorted, numbers are in SI and written shortest-exact, arrays stand by shape, unit and the
    sha256 of their bytes.

    Parameters
    ----------
    tree : object
        Result of `Part.tree`.

    Returns
    -------
    str

    Examples
    --------
    >>> canonical_json({"b": Quantity(0.02, "s"), "a": 1})
    '{"a":1,"b":[0.02,"s"]}'
    """
    return json.dumps(_canonical(tree), sort_keys=True, separators=(",", ":"), allow_nan=False)


def _canonical(tree: Any) -> Any:
    if type(tree) in _PLAIN:
        return tree
    if isinstance(tree, Distribution):
        return _canonical(tree.tree())
    if isinstance(tree, Quantity):
        return [float(tree), tree.unit]
    if isinstance(tree, Values):
        return [*_array_key(tree.array), tree.unit]
    if isinstance(tree, np.ndarray):
        return _array_key(tree)
    if isinstance(tree, Mapping):
        return {str(key): _canonical(item) for key, item in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [_canonical(item) for item in tree]
    return tree


def _array_key(array: np.ndarray) -> list[Any]:
    data = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
    return ["array", list(array.shape), array.dtype.kind, hashlib.sha256(data.tobytes()).hexdigest()]


def freeze(value: Any, *, where: str, name: str, depth: int = 0) -> Any:
    """Freeze free-form data, such as the table of a task.

    Parameters
    ----------
    value : object
        Numbers, texts, booleans, lists and tables; an entry that is ``None`` counts as absent.
    where, name : str
        For the message.
    depth : int
        Depth of nesting so far.

    Returns
    -------
    object
        The same with tuples and frozen tables.

    Raises
    ------
    SpecError
        If something else is in it, a number is not finite, or it is nested too deep.

    Examples
    --------
    >>> freeze([1, {"a": "20 ms"}], where="Network", name="task")
    (1, {'a': '20 ms'})
    """
    if depth > MAX_DEPTH:
        raise SpecError.of(where=where, name=name, bound=f"must be nested at most {MAX_DEPTH} deep")
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if isinstance(value, Quantity):
        return value.text
    if isinstance(value, Mapping):
        frozen = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise SpecError.of(where=where, name=name, value=key, bound="must have texts as keys")
            if item is not None:
                frozen[key] = freeze(item, where=where, name=f"{name}.{key}", depth=depth + 1)
        return FrozenDict(frozen)
    if isinstance(value, (list, tuple)):
        return tuple(
            freeze(item, where=where, name=f"{name}.{index}", depth=depth + 1)
            for index, item in enumerate(value)
        )
    if isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise SpecError.of(
        where=where, name=name, value=value, bound="must be finite numbers, texts, booleans, lists and tables"
    )


def tagged(value: Any, kinds: Mapping[str, type[Any]], base: type[Any], *, where: str, name: str) -> Any:
    """Read a part whose kind is named in its table.

    Parameters
    ----------
    value : Part or mapping
        The part, or its table with the entry ``kind``.
    kinds : mapping of str to type
        Classes by word.
    base : type
        Common base of the classes.
    where, name : str
        For the message.

    Returns
    -------
    Part

    Raises
    ------
    SpecError
        If it is neither, or its kind is unknown.

    Examples
    --------
    >>> tagged(Part(), {}, Part, where="Projection", name="connectivity") == Part()
    True
    """
    if isinstance(value, base):
        return value
    choices = ", ".join(kinds)
    if not isinstance(value, Mapping) or "kind" not in value:
        raise SpecError.of(
            where=where,
            name=name,
            value=value,
            bound=f"must be one of {choices}, or a table with kind = one of them",
        )
    kind = value["kind"]
    if not isinstance(kind, str) or kind not in kinds:
        raise unknown(where, kind, kinds, kind=f"kind of {name}")
    return kinds[kind].from_tree(value, where=where)
