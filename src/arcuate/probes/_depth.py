"""States in the order of depth: the sites of a network one after another, or the steps within trials."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from arcuate._inputs import Floats
from arcuate.errors import SpecError
from arcuate.probes._samples import as_cube, by_site

__all__ = ["Depth", "in_depth"]

_PARTS = ("resid_pre", "resid_mid", "resid_post")
AXES = ("time", "tick", "token", "layer")


class Depth(NamedTuple):
    """States that follow one another.

    Attributes
    ----------
    names : list
        Of the states: sites, or places along the axis.
    word : str
        "layer", or the axis within trials.
    place : (str, ndarray) or None
        The axis within trials of states at several sites.
    trials : ndarray
    at : callable
        Gives the states (trial, place, unit) at an index, and which are there.
    """

    names: list[Any]
    word: str
    place: tuple[str, np.ndarray] | None
    trials: np.ndarray
    at: Callable[[int], tuple[Floats, np.ndarray]]

    def all(self) -> Iterator[tuple[Floats, np.ndarray]]:
        """Give the states one after another, all of the same shape."""
        return (self.at(index) for index in range(len(self.names)))

    def dims(self) -> tuple[str, ...]:
        """Return the dimensions of a result with one number for each state of each place."""
        return ("trial", self.word) if self.place is None else ("trial", self.place[0], self.word)

    def coords(self) -> dict[str, Any]:
        """Return the coordinates of trials and places."""
        return {"trial": self.trials} | ({} if self.place is None else dict([self.place]))

    def laid(self, columns: list[np.ndarray]) -> np.ndarray:
        """Put (trial, place) arrays of consecutive states side by side, as `dims` says."""
        whole = np.stack(columns, axis=-1)
        return whole[:, 0] if self.place is None else whole


def in_depth(states: Any, *, where: str, least: int = 1) -> Depth:
    """Bring states into the order of depth.

    Parameters
    ----------
    states : Recording, mapping of str to states, or array_like
        Sites (trial, place, unit), canonical ones sorted by block, others as given; or an array (trial,
        place, layer, unit); or one site (trial, step, unit), whose steps then follow one another.
    where : str
        For messages.
    least : int
        How many states there must be.

    Returns
    -------
    Depth

    Raises
    ------
    SpecError
        If they are not such states, or too few.
    """
    sites = by_site(states)
    if sites is not None:
        found = _sites(sites, where)
    elif not hasattr(states, "data_vars") and np.ndim(states) == 4:
        found = _blocks(states, where)
    else:
        found = _steps(states, where)
    if len(found.names) < least:
        bound = f"must be at least {least} states that follow one another, not {len(found.names)}"
        raise SpecError.of(where=where, name="states", bound=bound)
    return found


def _sites(sites: dict[Any, Any], where: str) -> Depth:
    if not sites:
        raise SpecError.of(where=where, name="states", bound="holds no site")
    ranks = {name: _rank(name) for name in sites}
    names = list(sites)
    if not any(math.isnan(rank) for rank in ranks.values()):
        names.sort(key=ranks.__getitem__)
    given, first, _ = as_cube(sites[names[0]], where=where, name=str(names[0]))
    axis = next((dim for dim in getattr(given, "dims", ()) if dim in AXES), "token")

    def at(index: int) -> tuple[Floats, np.ndarray]:
        name = names[index]
        _, cube, there = as_cube(sites[name], where=where, name=str(name))
        if cube.shape != first.shape:
            bound = f"must have the shape {first.shape} of {names[0]!r}, not {cube.shape}"
            raise SpecError.of(where=where, name=f"states[{name!r}]", bound=bound)
        return cube, there

    return Depth(names, "layer", (axis, _label(given, axis, first.shape[1])), _trials(given, len(first)), at)


def _rank(name: Any) -> float:
    """Return where a canonical site of the residual stream is; NaN for another site."""
    if name == "embed":
        return -1
    found = re.fullmatch(rf"blocks\.(\d+)\.({'|'.join(_PARTS)})", str(name))
    return math.nan if found is None else int(found[1]) * len(_PARTS) + _PARTS.index(found[2])


def _blocks(states: Any, where: str) -> Depth:
    """Take (trial, place, layer, unit) apart."""
    array = np.asarray(states)

    def at(index: int) -> tuple[Floats, np.ndarray]:
        return as_cube(array[:, :, index], where=where)[1:]

    names = list(range(array.shape[2]))
    return Depth(names, "layer", ("token", np.arange(array.shape[1])), np.arange(len(array)), at)


def _steps(states: Any, where: str) -> Depth:
    """Take (trial, step, unit) apart."""
    given, cube, there = as_cube(states, where=where)
    axis = next((dim for dim in getattr(given, "dims", ()) if dim in AXES), "step")

    def at(index: int) -> tuple[Floats, np.ndarray]:
        return cube[:, [index]], there[:, [index]]

    names = list(_label(given, axis, cube.shape[1]))
    return Depth(names, axis, None, _trials(given, len(cube)), at)


def _label(given: Any, axis: str, n: int) -> np.ndarray:
    coords = getattr(given, "coords", {})
    return np.asarray(coords[axis]) if axis in coords else np.arange(n)


def _trials(given: Any, n: int) -> np.ndarray:
    return _label(given, "trial", n)
