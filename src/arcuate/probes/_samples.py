"""States of one site as samples with labels, texts and types, checked before anything is fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from arcuate._inputs import Floats, check_unmasked
from arcuate.compare._inputs import plain_array
from arcuate.errors import SpecError

__all__ = ["Samples", "as_cube", "by_site", "per_sample", "samples_of", "stimuli_of"]


@dataclass(frozen=True, kw_only=True)
class Samples:
    """What a probe learns from.

    Attributes
    ----------
    x : ndarray, (n, p)
        States.
    labels, groups, trial : ndarray, (n,)
        Labels, texts that must stay whole, and trials.
    types : ndarray, (n,), or None
        What a control task gives random labels.
    """

    x: Floats
    labels: np.ndarray
    groups: np.ndarray
    trial: np.ndarray
    types: np.ndarray | None


def by_site(states: Any) -> dict[Any, Any] | None:
    """Return the states of every site of a Recording or mapping; None for those of one site.

    Parameters
    ----------
    states : object

    Returns
    -------
    dict or None
    """
    if hasattr(states, "states") and hasattr(states, "sites"):
        return {site: states.states(site) for site in states.sites}
    if isinstance(states, Mapping) and not hasattr(states, "data_vars"):
        return dict(states)
    return None


def _variable(states: Any, *, where: str) -> Any:
    """Return the one quantity of a Dataset, or what is given."""
    if not hasattr(states, "data_vars"):
        return states
    names = [str(name) for name in states.data_vars]
    if len(names) != 1:
        bound = f"must hold one quantity, not {', '.join(names) or 'none'}"
        raise SpecError.of(where=where, name="states", bound=bound, fix="choose one: states['activation']")
    return states[names[0]]


def as_cube(states: Any, *, where: str, name: str = "states") -> tuple[Any, Floats, np.ndarray]:
    """Lay states out as (trial, step, unit), and tell which of them are there.

    Parameters
    ----------
    states : Dataset, DataArray or array_like
        Of three dimensions, or two: (sample, unit), each sample a trial of its own.
    where, name : str
        For messages.

    Returns
    -------
    given : object
        The array with its labels, if it had any.
    cube : ndarray, (trial, step, unit), float64
    there : ndarray of bool, (trial, step)
        False at pads, whose units are all NaN.

    Raises
    ------
    SpecError
        If they are not numbers of such a shape, or a place is NaN in some of its units.
    """
    given = _variable(states, where=where)
    if "unit" in getattr(given, "dims", ()):
        given = given.transpose(..., "unit")
    check_unmasked(given, where=where, name=name)
    try:
        cube = np.asarray(given)
    except (TypeError, ValueError) as error:
        raise SpecError.of(where=where, name=name, bound="must be a regular array of numbers") from error
    if cube.dtype.kind not in "fiub" or cube.ndim not in (2, 3) or not cube.size:
        bound = f"must be numbers (trial, step, unit) or (sample, unit), not {cube.dtype} {cube.shape}"
        raise SpecError.of(where=where, name=name, bound=bound)
    padded = cube.ndim == 3
    cube = (cube if padded else cube[:, None]).astype(np.float64)
    finite = np.isfinite(cube)
    there = finite.all(axis=2)
    bad = ~there & ~np.isnan(cube).all(axis=2) if padded else ~there
    if bad.any():
        place = tuple(int(k) for k in np.argwhere(~finite & bad[:, :, None])[0])
        place = place if padded else (place[0], place[2])
        raise SpecError.of(where=where, name=name, bound=f"must be finite, at index {place}")
    if not there.any():
        raise SpecError.of(where=where, name=name, bound="holds nothing but NaN")
    return given, cube, there


def stimuli_of(given: Any) -> np.ndarray | None:
    """Return the stimulus of each trial, where the states are labeled.

    Parameters
    ----------
    given : object

    Returns
    -------
    ndarray, (trial,), or None
    """
    coords = getattr(given, "coords", {})
    if "stimulus" not in coords or coords["stimulus"].ndim != 1:
        return None
    return np.asarray(coords["stimulus"])


def per_sample(value: Any, shape: tuple[int, int], *, where: str, name: str) -> np.ndarray:
    """Return one entry for each place, from one for each trial or each place.

    Parameters
    ----------
    value : array_like, (trial,) or (trial, step)
    shape : (int, int)
        Trials and steps.
    where, name : str
        For messages.

    Returns
    -------
    ndarray, (trial, step)

    Raises
    ------
    SpecError
        If it has another shape.
    """
    check_unmasked(value, where=where, name=name)
    array = plain_array(value, where=where, name=name)
    if array.shape == shape[:1]:
        array = np.broadcast_to(array[:, None], shape)
    if array.shape != shape:
        wanted = f"({shape[0]},)" if shape[1] == 1 else f"({shape[0]},) or {shape}"
        bound = f"must have shape {wanted}, one for each trial or place, not {array.shape}"
        raise SpecError.of(where=where, name=name, bound=bound)
    return array if array.dtype.kind in "iubfUS" else array.astype(str)


def samples_of(states: Any, labels: Any, *, groups: Any, types: Any = None, where: str) -> Samples:
    """Take states apart into samples.

    Parameters
    ----------
    states : Dataset, DataArray or array_like
        As `as_cube` takes them.
    labels, groups, types : array_like, (trial,) or (trial, step)
    where : str
        For messages.

    Returns
    -------
    Samples

    Raises
    ------
    SpecError
        If lengths differ, groups are not known or tear a stimulus apart, or a label is NaN.
    """
    given, cube, there = as_cube(states, where=where)
    shape = (int(there.shape[0]), int(there.shape[1]))
    stimulus = stimuli_of(given)
    if groups is None and stimulus is None:
        bound = "must tell the text or stimulus of each trial, which never stands on both sides of a split"
        fix = "give groups=, or states with the coordinate stimulus"
        raise SpecError.of(where=where, name="groups", bound=bound, fix=fix)
    group = per_sample(stimulus if groups is None else groups, shape, where=where, name="groups")
    trial = np.broadcast_to(np.arange(shape[0])[:, None], shape)
    _whole(group[there], stimulus, trial[there], where=where)
    label = per_sample(labels, shape, where=where, name="labels")[there]
    if label.dtype.kind == "f" and not np.isfinite(label).all():
        bound = f"must be finite; {int((~np.isfinite(label)).sum())} are not"
        raise SpecError.of(where=where, name="labels", bound=bound)
    kind = None if types is None else per_sample(types, shape, where=where, name="types")[there]
    return Samples(x=cube[there], labels=label, groups=group[there], trial=trial[there], types=kind)


def _whole(group: np.ndarray, stimulus: np.ndarray | None, trial: np.ndarray, *, where: str) -> None:
    """Refuse groups that put parts of one trial, or of one stimulus, on two sides."""
    texts = [("trial", trial)] + ([] if stimulus is None else [("stimulus", stimulus[trial])])
    for what, text in texts:
        pairs = np.unique(
            np.stack([np.unique(part, return_inverse=True)[1].reshape(-1) for part in (text, group)]), axis=1
        )
        times = np.bincount(pairs[0])
        if times.max() > 1:
            torn = np.unique(text)[int(times.argmax())]
            bound = (
                f"put {what} {torn!s} into {int(times.max())} groups: what was learned from would be tested"
            )
            raise SpecError.of(where=where, name="groups", bound=bound, fix=f"give one group for each {what}")
