"""States of any origin as leaves: an array (stimulus, repeat, step, unit) of each site, matched by label."""

from __future__ import annotations

import fnmatch
import numbers
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from arcuate.compare._inputs import listed
from arcuate.errors import SpecError, check_choice, unknown
from arcuate.recording import AXES, Recording

__all__ = ["WHERE", "Leaf", "chosen", "joined", "leaves_of"]

WHERE = "compare"
_DIMS = ("trial", "stimulus", "repeat", *AXES, "unit")
_SPIKES_FIX = (
    "make rates first: analysis.spike_counts(rec, bin_width=...) or analysis.filtered_rates(rec, ...)"
)


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """States of one site of one system.

    Parameters
    ----------
    name : str
        A path: system, then site.
    values : ndarray, (stimulus, repeat, step, unit)
        As they came; not copied where that can be helped.
    labels : tuple
        Of the stimuli.
    labeled : bool
        Whether somebody gave the labels; else they are positions.
    axis : str
        Name of the within-trial axis; empty where there is none.
    steps : ndarray, (step,)
        Its coordinate.
    order : ndarray, (n_shared,)
        Rows of `values` in the order that all leaves share.
    columns : dict
        Further columns of the stimuli, such as a group.
    """

    name: str
    values: np.ndarray
    labels: tuple[Any, ...]
    labeled: bool
    axis: str
    steps: np.ndarray
    order: np.ndarray | None = None
    columns: dict[str, np.ndarray] = field(default_factory=dict)


def leaves_of(states: Any, dims: Any = None) -> dict[str, Leaf]:
    """Take states apart into leaves.

    Parameters
    ----------
    states : mapping, DataTree or iterable of DataArray
        As in `compare`.
    dims : tuple of str or mapping, optional
        Dimensions of plain arrays.

    Returns
    -------
    dict of str to Leaf

    Raises
    ------
    SpecError
        Naming the leaf and what is wrong with it.
    """
    leaves: dict[str, Leaf] = {}
    for name, value in _named(states):
        for leaf in _split(name, value, dims):
            if leaf.name in leaves:
                raise SpecError.of(where=WHERE, name="states", bound=f"has {leaf.name!r} twice")
            leaves[leaf.name] = leaf
    if not leaves:
        raise SpecError.of(where=WHERE, name="states", value=states, bound="must hold the states of a system")
    return leaves


def _named(states: Any) -> Iterator[tuple[str, Any]]:
    """Name and value of each system."""
    if hasattr(states, "subtree") and hasattr(states, "children"):
        yield from _nodes(states, "")
    elif isinstance(states, Mapping):
        for name, value in states.items():
            if not isinstance(name, str) or not name.strip("/"):
                raise SpecError.of(
                    where=WHERE, name="states", value=name, bound="must have names that are text"
                )
            yield name.strip("/"), value
    elif isinstance(states, (list, tuple)) and all(hasattr(value, "dims") for value in states):
        for value in states:
            if not value.name:
                bound = "must be arrays with a name"
                raise SpecError.of(
                    where=WHERE, name="states", bound=bound, fix="give a dict, or .rename(...)"
                )
            yield str(value.name), value
    else:
        bound = "must be a dict of recordings or arrays, a DataTree, or a list of named DataArrays"
        raise SpecError.of(where=WHERE, name="states", value=states, bound=bound)


def _nodes(tree: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Recordings and datasets of a tree; a node named ``stimuli`` describes them and holds no states."""
    if "states" in tree.children or "spikes" in tree.children:
        yield (
            path or str(tree.name or "recording"),
            Recording(tree.copy() if tree.parent is not None else tree),
        )
        return
    if tree.data_vars:
        yield path or str(tree.name or "states"), tree.to_dataset()
    for name, child in tree.children.items():
        if path or name != "stimuli":
            yield from _nodes(child, f"{path}/{name}".strip("/"))


def _split(name: str, value: Any, dims: Any) -> Iterator[Leaf]:
    """Leaves of one system."""
    if isinstance(value, Recording):
        if not value.sites:
            has = (
                f"has spikes of {listed(value.populations)} and no states"
                if value.populations
                else "has no states"
            )
            fix = _SPIKES_FIX if value.populations else "record the states to be compared"
            raise SpecError.of(where=WHERE, name=f"states[{name!r}]", bound=has, fix=fix)
        for site in value.sites:
            yield from _variables(f"{name}/{site}", value.states(site))
    elif hasattr(value, "data_vars"):
        yield from _variables(name, value)
    else:
        yield _leaf(name, value, dims[name] if isinstance(dims, Mapping) and name in dims else dims)


def _variables(name: str, table: Any) -> Iterator[Leaf]:
    for key, array in table.data_vars.items():
        if array.ndim:
            yield _leaf(name if len(table.data_vars) == 1 else f"{name}/{key}", array, None)


def _leaf(name: str, value: Any, dims: Any) -> Leaf:
    """Check one array and give it the four dimensions."""
    where = f"{WHERE}: states {name!r}"
    if hasattr(value, "dims") and hasattr(value, "coords"):
        named = tuple("unit" if dim == "neuron" else str(dim) for dim in value.dims)
        columns = {str(key): coord for key, coord in value.coords.items()}
        array = value.values
    else:
        array, columns = _plain(value, where), {}
        named = _plain_dims(array, dims, where)
    _check_numbers(array, where)
    _check_dims(named, array.shape, where)
    axes = [dim for dim in named if dim in AXES]
    axis = axes[0] if axes else ""
    first = "trial" if "trial" in named else "stimulus"
    full = (first, "repeat", axis, "unit")
    array = np.asarray(array).transpose([named.index(dim) for dim in full if dim in named])
    for place, dim in enumerate(full):
        if not dim or dim not in named:
            array = np.expand_dims(array, place)
    steps = columns[axis].values if axis in columns else np.arange(array.shape[2])
    along = {
        key: np.asarray(coord.values)
        for key, coord in columns.items()
        if getattr(coord, "dims", ()) == (first,) and key != first
    }
    if first == "trial":
        return _pivot(name, array, along, axis=axis, steps=np.asarray(steps), where=where)
    labeled = "stimulus" in columns and columns["stimulus"].dims == ("stimulus",)
    labels = columns["stimulus"].values.tolist() if labeled else range(len(array))
    if "stimulus" not in named and getattr(columns.get("stimulus"), "ndim", 1) == 0:
        labels, labeled = [columns["stimulus"].values.item()], True
    _check_labels(labels, where)
    return Leaf(name=name, values=array, labels=tuple(labels), labeled=labeled, axis=axis,
                steps=np.asarray(steps), columns=along)  # fmt: skip


def _plain(value: Any, where: str) -> np.ndarray:
    try:
        return np.asarray(value)
    except (ValueError, TypeError) as cause:
        bound = "must be a regular array of numbers"
        fix = "cut the trials to one length"
        raise SpecError.of(where=where, value=value, bound=bound, fix=fix) from cause


def _plain_dims(array: np.ndarray, dims: Any, where: str) -> tuple[str, ...]:
    """Dimensions of a plain array: as given, or those of samples."""
    if dims is None:
        if array.ndim in (1, 2):
            return ("stimulus", "unit")[: array.ndim]
        bound = f"has {array.ndim} dimensions, which do not tell what they are"
        raise SpecError.of(where=where, bound=bound, fix='say dims=("stimulus", "time", "unit"), or the like')
    if isinstance(dims, str) or not isinstance(dims, Iterable):
        raise SpecError.of(
            where=WHERE, name="dims", value=dims, bound="must be a tuple of names, or a dict of them"
        )
    named = tuple(dims)
    if len(named) != array.ndim:
        bound = f"must name the {array.ndim} dimensions of shape {array.shape}"
        raise SpecError.of(where=where, name="dims", value=named, bound=bound)
    return named


def _check_dims(named: tuple[str, ...], shape: tuple[int, ...], where: str) -> None:
    for dim in named:
        check_choice(dim, _DIMS, where=where, name="dimension")
    axes = [dim for dim in named if dim in AXES]
    fault = ""
    if len(set(named)) < len(named):
        fault = "must have each dimension once"
    elif len(axes) > 1:
        fault = f"must have at most one of {', '.join(AXES)}, has {', '.join(axes)}"
    elif "trial" in named and ("stimulus" in named or "repeat" in named):
        fault = "must have either trial, or stimulus and repeat"
    elif 0 in shape:
        fault = f"must have no empty dimension, has shape {shape}"
    if fault:
        raise SpecError.of(where=where, name="dims", value=named, bound=fault)


def _check_numbers(array: np.ndarray, where: str) -> None:
    """Refuse what holds no real numbers."""
    if array.dtype.kind not in "fiub":
        fix = "take real and imaginary part as units" if array.dtype.kind == "c" else ""
        raise SpecError.of(
            where=where, value=f"array of {array.dtype}", bound="must hold real numbers", fix=fix
        )


def _check_labels(labels: Iterable[Any], where: str) -> None:
    counts = Counter(labels)
    bad = [label for label in counts if not isinstance(label, (str, bytes, numbers.Real)) or label != label]
    if bad:
        bound = "must have labels that are text or numbers"
        raise SpecError.of(where=where, name="stimulus", value=bad[0], bound=bound)
    doubled = [label for label, count in counts.items() if count > 1]
    if doubled:
        bound = f"must have each label once, and these are doubled: {listed(doubled)}"
        fix = 'average them, or make them repeats with dims ("stimulus", "repeat", ...)'
        raise SpecError.of(where=where, name="stimulus", bound=bound, fix=fix)


def _pivot(
    name: str, array: np.ndarray, along: dict[str, np.ndarray], *, axis: str, steps: np.ndarray, where: str
) -> Leaf:
    """Trials as (stimulus, repeat), by their coordinates."""
    array = array[:, 0]
    labels = along.pop("stimulus", None)
    if labels is None or (len(labels) > 1 and all(label == "" for label in labels.tolist())):
        bound = "has trials without the stimulus that each of them saw"
        fix = "give stimulus=[...] where the states are recorded"
        raise SpecError.of(where=where, name="trial", bound=bound, fix=fix)
    unique = sorted(set(labels.tolist()), key=_rank)
    _check_labels(unique, where)
    repeat = along.pop("repeat", None)
    keys = repeat.tolist() if repeat is not None else [0] * len(labels)
    cells = Counter(zip(labels.tolist(), keys, strict=True))
    doubled = [cell for cell, count in cells.items() if count > 1]
    if doubled:
        bound = f"must have each (stimulus, repeat) once, and these are doubled: {listed(doubled, 3)}"
        raise SpecError.of(where=where, name="trial", bound=bound, fix="number the repeats")
    numbers_ = sorted(set(keys), key=_rank)
    lacking = [(s, r) for s in unique for r in numbers_ if (s, r) not in cells]
    if lacking:
        bound = f"has stimuli with unequal repeats; (stimulus, repeat) {listed(lacking, 3)} is missing"
        raise SpecError.of(where=where, name="trial", bound=bound, fix="select as many trials of each")
    place = {cell: trial for trial, cell in enumerate(zip(labels.tolist(), keys, strict=True))}
    rows = np.array([[place[s, r] for r in numbers_] for s in unique])
    values = array[rows]
    columns = {key: column[rows[:, 0]] for key, column in along.items()}
    return Leaf(name=name, values=values, labels=tuple(unique), labeled=True, axis=axis, steps=steps,
                columns=columns)  # fmt: skip


def _rank(label: Any) -> tuple[bool, Any]:
    """Sort numbers as numbers, before text."""
    return (True, str(label)) if isinstance(label, (str, bytes)) else (False, label)


def chosen(leaves: Mapping[str, Leaf], pattern: Any, *, name: str) -> list[str]:
    """Names of the leaves that a pattern picks: a name, a system, or a glob on paths.

    Parameters
    ----------
    leaves : mapping
    pattern : str, or sequence of str, or None for all
    name : str
        The argument.

    Returns
    -------
    list of str

    Raises
    ------
    UnknownNameError
        If a pattern picks nothing.
    """
    if pattern is None:
        return list(leaves)
    patterns = [pattern] if isinstance(pattern, str) else pattern
    if not isinstance(patterns, (list, tuple)) or not all(isinstance(one, str) for one in patterns):
        raise SpecError.of(
            where=WHERE, name=name, value=pattern, bound="must be a name or glob, or some of them"
        )
    picked: dict[str, None] = {}
    for one in patterns:
        word = one.strip("/")
        hits = [leaf for leaf in leaves if leaf == word or leaf.startswith(word + "/")]
        hits = hits or [leaf for leaf in leaves if fnmatch.fnmatchcase(leaf, word)]
        if not hits:
            raise unknown(f"{WHERE}: {name}", one, leaves, kind="leaf")
        picked |= dict.fromkeys(hits)
    return list(picked)


def joined(leaves: Mapping[str, Leaf], join: str) -> tuple[tuple[Any, ...], dict[str, Leaf]]:
    """Put the stimuli of all leaves into one order, by label.

    Parameters
    ----------
    leaves : mapping
    join : {"exact", "inner"}
        Whether labels that a leaf lacks are an error, or left out of all.

    Returns
    -------
    (tuple, dict of str to Leaf)
        Labels, sorted, and leaves with their `order`.

    Raises
    ------
    SpecError
        If labels are missing, or some leaves have labels and others none.
    """
    check_choice(join, ("exact", "inner"), where=WHERE, name="join")
    bare = [leaf.name for leaf in leaves.values() if not leaf.labeled]
    if bare and len(bare) < len(leaves):
        other = next(leaf.name for leaf in leaves.values() if leaf.labeled)
        bound = f"{bare[0]!r} has no stimulus labels and {other!r} has; they cannot be matched by position"
        fix = "give the coordinate stimulus to all of them"
        raise SpecError.of(where=WHERE, name="states", bound=bound, fix=fix)
    union: dict[Any, None] = {}
    for leaf in leaves.values():
        union |= dict.fromkeys(leaf.labels)
    shared = list(set(union).intersection(*(leaf.labels for leaf in leaves.values())))
    if len(shared) < len(union) and (join == "exact" or not shared):
        _refuse_join(leaves, union, shared, bare)
    labels = tuple(sorted(shared, key=_rank))
    out = {}
    for name, leaf in leaves.items():
        place = {label: row for row, label in enumerate(leaf.labels)}
        out[name] = replace(leaf, order=np.array([place[label] for label in labels], dtype=np.intp))
    return labels, out


def _refuse_join(leaves: Mapping[str, Leaf], union: Any, shared: list[Any], bare: list[str]) -> None:
    worst = max(leaves.values(), key=lambda leaf: len(union) - len(set(leaf.labels)))
    lacking = [label for label in union if label not in set(worst.labels)]
    bound = f"{worst.name!r} lacks {len(lacking)} of {len(union)} stimuli: {listed(map(repr, lacking), 4)}"
    fix = (
        f'say join="inner" to compare the {len(shared)} that all have'
        if shared
        else "no label is in all of them"
    )
    if bare:
        fix = "arrays without labels must have the same number of stimuli"
    raise SpecError.of(where=WHERE, name="states", bound=bound, fix=fix)
