"""Prepared leaves, and what speaks against trusting a score of two of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from arcuate._inputs import Floats
from arcuate.compare._cka import SHARE, leverage
from arcuate.compare._inputs import centered, listed
from arcuate.compare._measure import Measure
from arcuate.compare._registry import FACTORIES
from arcuate.compare._states import WHERE, Leaf
from arcuate.compare._within import Plan, samples_of
from arcuate.errors import ArcuateError, SpecError

__all__ = ["LEAST", "Prepared", "pair_notes", "prepare"]

LEAST = 4
"""Fewest samples: debiased estimates do not exist below."""

RAMP = 0.2
"""Share of the variance, above chance, that the mean over stimuli may hold without a word (chosen)."""

FEW = 8.0
"""Times the mean share that is bearable where samples are few (chosen: five is common among ten of noise)."""

_BY_GRAM = ("cka", "cka_biased", "procrustes", "shape")
_SATURATE = frozenset({"cca", "svcca", "pwcca", "procrustes", "shape", "cka_biased"})


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A leaf as a measure needs it.

    Parameters
    ----------
    nodes : tuple
        One prepared system, or one for each step; None where no unit varies at that step.
    n_samples, n_units : int
    notes : tuple of str
        What is to be said about the leaf.
    ramp : float
        Share of the variance in the mean over stimuli, above chance.
    """

    nodes: tuple[Any, ...]
    n_samples: int
    n_units: int
    notes: tuple[str, ...] = ()
    ramp: float = 0.0


def prepare(measure: Measure, leaf: Leaf, plan: Plan, *, guard: bool = False) -> Prepared:
    """Prepare a leaf for a measure.

    Parameters
    ----------
    measure : Measure
    leaf : Leaf
    plan : Plan
    guard : bool
        Whether to note what makes scores untrustworthy. Not in threads: filters of warnings are shared.

    Returns
    -------
    Prepared

    Raises
    ------
    SpecError
        If there are fewer than 4 samples, no unit varies, or the measure refuses; the leaf is named.
    """
    if plan.within == "dynamics" and measure.takes != "trials":
        bound = f"gives trials, and {measure.name!r} takes {measure.takes}"
        raise SpecError.of(where=WHERE, name="within", value="dynamics", bound=bound, fix='use within="mean"')
    arrays = samples_of(leaf, plan, measure.takes)
    where = f"{WHERE}: states {leaf.name!r}"
    n = len(arrays[0])
    if measure.takes != "trials" and n < LEAST:
        bound = f"{n} samples are too few; a comparison needs >= {LEAST}"
        fix = "compare over more stimuli" if plan.within != "samples" else ""
        raise SpecError.of(where=where, name="stimulus", value=n, bound=bound, fix=fix)
    notes: list[str] = []
    nodes: list[Any] = []
    for step, array in enumerate(arrays):
        kept, still = _varying(array, measure.takes)
        if kept.shape[-1] == 0 and len(arrays) == 1:
            bound = f"has {array.shape[-1]} units and none varies over the {n} samples"
            raise SpecError.of(where=where, bound=bound, fix="compare states that differ by stimulus")
        place = f"{leaf.name} at {leaf.axis} {leaf.steps[step]}" if len(arrays) > 1 else leaf.name
        if still.size:
            notes.append(
                f"{place}: {still.size} of {array.shape[-1]} units are constant and left out: {listed(still)}"
            )
        if kept.shape[-1] == 0:
            nodes.append(None)
            continue
        nodes.append(_noted(measure, kept, place, notes) if guard else _one(measure, kept, place))
        if guard and measure.takes == "samples" and _by_gram(measure):
            notes += _leverage(kept, leaf, plan, place)
    ramped = guard and plan.within == "samples" and not plan.regress and measure.takes != "trials"
    ramp = _ramp(arrays[0], leaf) if ramped else 0.0
    return Prepared(
        nodes=tuple(nodes), n_samples=n, n_units=int(arrays[0].shape[-1]), notes=_short(notes), ramp=ramp
    )


def _one(measure: Measure, array: Floats, place: str) -> Any:
    """Prepare one array; what the measure refuses names the leaf."""
    try:
        return measure.prepare(array)
    except ArcuateError as error:
        raise type(error)(f"{WHERE}: states {place!r}: {error}") from error


def _noted(measure: Measure, array: Floats, place: str, notes: list[str]) -> Any:
    """Prepare one array, and note what the measure warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        node = _one(measure, array, place)
    own = "of the squared norm of the centered Gram"  # told below with the label of the stimulus
    notes += [f"{place}: {warning.message}" for warning in caught if own not in str(warning.message)]
    return node


def _by_gram(measure: Measure) -> bool:
    """Whether one sample with a large norm can decide the score."""
    return measure.options.get("normalize") is None and (
        measure.name in _BY_GRAM or measure.name not in FACTORIES
    )


def _short(notes: list[str]) -> tuple[str, ...]:
    """The first few notes; over many steps one is like another."""
    return tuple(notes) if len(notes) <= 4 else (*notes[:3], f"and {len(notes) - 3} more such notes")


def _varying(array: Floats, takes: str) -> tuple[Floats, np.ndarray]:
    """Units that vary over the samples, and indices of those that do not."""
    if takes == "trials":
        return array, np.empty(0, dtype=int)
    over = tuple(range(array.ndim - 1))
    still = array.min(axis=over) == array.max(axis=over)
    if not still.any():
        return array, np.empty(0, dtype=int)
    return np.ascontiguousarray(array[..., ~still]), np.flatnonzero(still)


def _leverage(array: Floats, leaf: Leaf, plan: Plan, place: str) -> list[str]:
    """Name a sample that holds most of the squared centered Gram."""
    share = leverage(array)
    worst = int(share.argmax())
    if share[worst] <= max(SHARE, FEW / len(share)):
        return []
    steps = len(leaf.steps) if plan.within == "samples" else 1
    row = leaf.order[worst // steps]  # type: ignore[index]  # joined leaves have an order
    label = repr(leaf.labels[row])
    at = f" at {leaf.axis} {leaf.steps[worst % steps]}" if steps > 1 else ""
    held = f"holds {share[worst]:.0%} of the squared Gram and decides the score"
    fix = "leave it out of all systems, or use cka_measure(normalize='unit')"
    return [f"{place}: stimulus {label}{at} alone {held}; {fix}"]


def _ramp(array: Floats, leaf: Leaf) -> float:
    """Share of the variance of samples in the mean over stimuli at each step, above chance."""
    steps = len(leaf.steps)
    cube = centered(array.reshape(len(array), -1)).reshape(-1, steps, array.size // len(array))
    if len(cube) < 2:
        return 0.0
    total = float(np.square(cube).sum())
    return float(len(cube) * np.square(cube.mean(axis=0)).sum() / total - 1 / len(cube)) if total else 0.0


def pair_notes(measure: Measure, a: Prepared, b: Prepared, axis: str) -> list[str]:
    """What is to be said about the score of two leaves.

    Parameters
    ----------
    measure : Measure
    a, b : Prepared
    axis : str
        Name of the within-trial axis.

    Returns
    -------
    list of str
    """
    notes = [*a.notes, *(note for note in b.notes if note not in a.notes)]
    n, p = min(a.n_samples, b.n_samples), max(a.n_units, b.n_units)
    if measure.name in _SATURATE and p > n / 5:
        text = f"{measure.name} of noise is far from 0 with {p} units on {n} samples"
        notes.append(f"{text}: look at the null, not at the value")
    if _plain_cosine(measure.options):
        text = "cosine of dissimilarities that are all positive is near 1 for anything"
        notes.append(f"{text}: compare by rank or correlation")
    if min(a.ramp, b.ramp) > RAMP:
        text = f"the mean over stimuli at each {axis} holds {a.ramp:.0%} and {b.ramp:.0%} of the variance"
        notes.append(f"{text}, a ramp that any two systems share: compare with regress_out={axis!r} too")
    return notes


def _plain_cosine(options: Mapping[str, Any]) -> bool:
    words = [str(value) for value in options.values()]
    return (
        "cosine" in [str(options.get(key)) for key in ("comparator", "compare", "by")]
        and "crossnobis" not in words
    )
