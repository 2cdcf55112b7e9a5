"""Folds of measures that are cross-validated: no stimulus is both learned from and predicted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from arcuate.compare._ceiling import is_encoding
from arcuate.compare._inputs import listed
from arcuate.compare._measure import Measure
from arcuate.compare._states import WHERE, Leaf
from arcuate.compare._within import Plan
from arcuate.compare.encoding import ridge_measure
from arcuate.errors import SpecError, unknown

__all__ = ["check_folds", "folded"]


def check_folds(measures: list[Measure], folds: Any, *, where: str) -> None:
    """Refuse folds that no measure asks for, or that a measure has already.

    Parameters
    ----------
    measures : list of Measure
    folds : int, str or None
        As in `compare`.
    where : str

    Raises
    ------
    SpecError
    """
    if folds is None:
        return
    encoding = [one for one in measures if is_encoding(one)]
    if not encoding:
        bound = f"is for measures that are cross-validated, not for {listed([one.name for one in measures])}"
        raise SpecError.of(where=where, name="folds", value=folds, bound=bound)
    for one in encoding:
        if np.ndim(one.options["folds"]):
            bound = f"is given to {one.name!r} already"
            raise SpecError.of(where=where, name="folds", value=folds, bound=bound)


def folded(
    measure: Measure, leaves: Mapping[str, Leaf], plan: Plan, folds: Any, *, rows: np.ndarray | None = None
) -> Measure:
    """A measure that is cross-validated, with folds that no stimulus straddles.

    Parameters
    ----------
    measure : Measure
    leaves : mapping
        With their order.
    plan : Plan
    folds : int, str or None
        As in `compare`.
    rows : ndarray of int, optional
        Which of all stimuli the leaves hold; folds and groups that the measure was given are for all.

    Returns
    -------
    Measure
        Others as they are.

    Raises
    ------
    SpecError
        If leaves disagree on the folds.
    """
    if not is_encoding(measure):
        return measure
    first = next(iter(leaves.values()))
    n = len(first.order)  # type: ignore[arg-type]  # joined leaves have an order
    each = len(first.steps) if plan.within == "samples" else 1
    options = dict(measure.options)
    for name in ("folds", "groups"):
        if rows is not None and np.ndim(options[name]):
            given = np.asarray(options[name])
            options[name] = given.reshape(-1, each)[rows].reshape(-1)
    if isinstance(folds, str):
        options["folds"] = np.repeat(_column(leaves, folds), each)
    elif folds is not None:
        options["folds"] = folds
    if each > 1:
        options["groups"] = _whole(options["groups"], n, each)
    return replace(ridge_measure(**options), name=measure.name)


def _whole(groups: Any, n: int, each: int) -> np.ndarray:
    """Groups of samples that are steps of stimuli: given ones, or the stimuli."""
    stimuli = np.repeat(np.arange(n), each)
    if groups is None:
        return stimuli
    given = np.asarray(groups)
    if given.shape != stimuli.shape or (given.reshape(n, each) != given.reshape(n, each)[:, :1]).any():
        bound = f"must be one group for all {each} steps of each of {n} stimuli, stimulus by stimulus"
        raise SpecError.of(where=WHERE, name="groups", value=f"shape {given.shape}", bound=bound)
    return given


def _column(leaves: Mapping[str, Leaf], name: str) -> np.ndarray:
    """A column of the stimuli as numbers of folds, in the shared order."""
    found = {leaf.name: leaf.columns[name][leaf.order] for leaf in leaves.values() if name in leaf.columns}
    if not found:
        known = {key for leaf in leaves.values() for key in leaf.columns}
        raise unknown(WHERE, name, known, kind="column of the stimuli")
    (first, values), *others = found.items()
    for other, theirs in others:
        differ = np.flatnonzero(np.asarray(theirs != values))
        if differ.size:
            row = int(differ[0])
            leaf = leaves[first]
            label = leaf.labels[leaf.order[row]]  # type: ignore[index]  # joined leaves have an order
            bound = (
                f"differs between leaves for {differ.size} stimuli: {label!r} is in {str(values[row])!r} by "
                f"{first!r}, in {str(theirs[row])!r} by {other!r}"
            )
            raise SpecError.of(where=WHERE, name="folds", value=name, bound=bound)
    return np.unique(values, return_inverse=True)[1]
