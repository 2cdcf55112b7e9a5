"""Dotted paths into a specification: list them, read them, change what is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from arcuate.errors import SpecError, unknown
from arcuate.spec.distributions import Distribution
from arcuate.spec.part import Part

__all__ = ["Draft", "all_paths", "get_path", "has_path", "is_value", "leaves", "put", "rebuild", "thaw"]

#: Last words of paths that name something or switch it, and need no source.
_WORDS = frozenset(
    (
        "name pre post target source model method kind mode sign unit balance eligibility modulator bounds "
        "normalize readout"
    ).split()
)


@dataclass
class Draft:
    """A part taken apart, to be changed and rebuilt.

    Parameters
    ----------
    kind : type
        Class of the part.
    values : dict
        Fields, with the entries of the flat one beside them.
    flat : str
        Name of the flat field.

    Examples
    --------
    >>> from arcuate.spec.distributions import Uniform
    >>> thaw(Uniform(0, 1)).values
    {'low': 0.0, 'high': 1.0}
    """

    kind: type[Any]
    values: dict[str, Any]
    flat: str = ""


def thaw(node: Any) -> Any:
    """Take a part apart, one level; `put` goes on where a path leads, and the rest stays as it is.

    Parameters
    ----------
    node : object
        A part, a distribution, a mapping, a tuple, or a value.

    Returns
    -------
    object
        A `Draft`, a dict, a list, or the value.

    Examples
    --------
    >>> thaw((1.0, 2.0))
    [1.0, 2.0]
    """
    if isinstance(node, (Part, Distribution)):
        values = {item.name: getattr(node, item.name) for item in fields(node)}
        flat = node.flat if isinstance(node, Part) else ""
        if flat:
            values = {**values.pop(flat), **values}
        return Draft(type(node), values, flat)
    if isinstance(node, Mapping):
        return dict(node)
    if isinstance(node, tuple):
        return list(node)
    return node


def rebuild(node: Any) -> Any:
    """Put a draft together again; every part that was taken apart is checked as it is built.

    Parameters
    ----------
    node : object
        Result of `thaw`, changed.

    Returns
    -------
    object

    Raises
    ------
    SpecError
        If a changed value is wrong.

    Examples
    --------
    >>> rebuild([1.0, 2.0])
    (1.0, 2.0)
    """
    if isinstance(node, Draft):
        values = {key: rebuild(item) for key, item in node.values.items()}
        if node.flat:
            names = {item.name for item in fields(node.kind)}
            beside = {key: item for key, item in values.items() if key not in names}
            values = {key: item for key, item in values.items() if key in names} | {node.flat: beside}
        return node.kind(**values)
    if isinstance(node, dict):
        return {key: rebuild(item) for key, item in node.items()}
    if isinstance(node, list):
        return tuple(rebuild(item) for item in node)
    return node


def children(node: Any) -> dict[str, Any]:
    """What a dotted path may name inside a part, a distribution, a table or a list.

    Parameters
    ----------
    node : object
        Anything.

    Returns
    -------
    dict
        Empty for a value.

    Examples
    --------
    >>> children((5.0,))
    {'0': 5.0}
    """
    if isinstance(node, (Part, Distribution)):
        flat = node.flat if isinstance(node, Part) else ""
        inner = {item.name: getattr(node, item.name) for item in fields(node) if item.name != flat}
        return {**(dict(getattr(node, flat)) if flat else {}), **inner}
    if isinstance(node, Mapping):
        return dict(node)
    if isinstance(node, tuple):
        return {str(index): item for index, item in enumerate(node)}
    return {}


def leaves(node: Any, path: str = "") -> Iterator[str]:
    """Dotted paths of the values below a node.

    Parameters
    ----------
    node : object
        A part or a table.
    path : str
        Path of the node itself.

    Yields
    ------
    str

    Examples
    --------
    >>> list(leaves({"a": 1, "b": {"c": 2}}))
    ['a', 'b.c']
    """
    for key, item in children(node).items():
        here = f"{path}.{key}" if path else key
        if item is None or (key == "name" and path) or here in ("sources", "description"):
            continue
        nested = isinstance(item, tuple) and any(isinstance(inner, (Part, Mapping)) for inner in item)
        if nested or isinstance(item, (Part, Mapping)):
            yield from leaves(item, here)
        else:
            yield here


def all_paths(network: Part) -> tuple[str, ...]:
    """Paths that exist, for finding the nearest to a misspelt one.

    Parameters
    ----------
    network : Network
        The network.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> all_paths(Part())
    ()
    """
    return (*leaves(network), *(field.name for field in fields(network)))


def has_path(network: Part, path: str) -> bool:
    """Whether a path exists.

    Parameters
    ----------
    network : Network
        The network.
    path : str
        Dotted path.

    Returns
    -------
    bool

    Examples
    --------
    >>> has_path(Part(), "a")
    False
    """
    node: Any = network
    for key in path.split("."):
        inner = children(node)
        if key not in inner:
            return False
        node = inner[key]
    return True


def get_path(network: Part, path: str) -> Any:
    """Value or part at a dotted path.

    Parameters
    ----------
    network : Network
        The network.
    path : str
        Dotted path.

    Returns
    -------
    object

    Raises
    ------
    UnknownNameError
        If there is no such path.

    Examples
    --------
    >>> from arcuate.spec import Sparse
    >>> get_path(Sparse(0.1), "p")
    0.1
    """
    node: Any = network
    for key in _keys(network, path):
        inner = children(node)
        if key not in inner:
            raise unknown(_where(network), path, all_paths(network), kind="path")
        node = inner[key]
    return node


def put(network: Part, draft: Draft, path: str, *, value: Any) -> None:
    """Set one value in a draft.

    Parameters
    ----------
    network : Network
        The network that the draft was taken from.
    draft : Draft
        Changed in place.
    path : str
        Dotted path.
    value : object
        The new value.

    Raises
    ------
    UnknownNameError
        If there is no such path.
    SpecError
        If it leads through a part that is not set.

    Examples
    --------
    >>> from arcuate.spec import Sparse
    >>> draft = thaw(Sparse(0.1))
    >>> put(Sparse(0.1), draft, "p", value=0.2)
    >>> rebuild(draft).p
    0.2
    """
    *front, last = _keys(network, path)
    node: Any = draft
    for depth, key in enumerate(front):
        inner = _inner(node)
        if key not in inner:
            raise unknown(_where(network), path, all_paths(network), kind="path")
        holder: Any = node.values if isinstance(node, Draft) else node
        place = int(key) if isinstance(node, list) else key
        node = holder[place] = thaw(inner[key])
        if node is None:
            unset = ".".join(front[: depth + 1])
            raise SpecError.of(
                where=_where(network),
                name=path,
                value=value,
                bound=f"{unset} is not set",
                fix=f"set {unset} first",
            )
    own_name = last == "name" and node is not draft
    if last not in _inner(node) or own_name:
        raise unknown(_where(network), path, all_paths(network), kind="path")
    if isinstance(node, list):
        node[int(last)] = value
    else:
        (node.values if isinstance(node, Draft) else node)[last] = value


def is_value(path: str, value: Any) -> bool:
    """Whether a leaf is a value that must come from somewhere, rather than a name or a switch.

    Parameters
    ----------
    path : str
        Dotted path.
    value : object
        What is there.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_value("populations.exc.n", 480), is_value("populations.exc.sign", "excitatory")
    (True, False)
    """
    if path.rpartition(".")[2] in _WORDS or path.startswith("record.") or isinstance(value, bool):
        return False
    return value != ()


def _inner(node: Any) -> dict[str, Any]:
    if isinstance(node, Draft):
        return node.values
    if isinstance(node, list):
        return {str(index): item for index, item in enumerate(node)}
    return node if isinstance(node, dict) else {}


def _where(network: Part) -> str:
    return f"{type(network).__name__} {getattr(network, 'name', '')!r}"


def _keys(network: Part, path: Any) -> list[str]:
    if not isinstance(path, str) or not path:
        raise SpecError.of(
            where=_where(network),
            name="path",
            value=path,
            bound="must be a dotted path",
            fix='use for example "populations.exc.n"',
        )
    return path.split(".")
