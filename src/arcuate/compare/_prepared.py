"""Prepared leaves, and what speaks against trusting a score of two of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from arcuate._inputs import Floats
from arcuate.compare._cka import deciding, leverage
from arcuate.compare._inputs import centered, listed
from arcuate.compare._measure import Measure
from arcuate.compare._registry import FACTORIES
from arcuate.compare._states import WHERE, Leaf
from arcuate.compare._within import Plan, samples_of
from arcuate.compare.inference import autocorrelation_time
from arcuate.errors import ArcuateError, SpecError

__all__ = ["LEAST", "Prepared", "pair_notes", "prepare"]

LEAST = 4
"""Fewest samples: debiased estimates do not exist below."""

RAMP = 0.2
"""Share of the squared Gram, above chance, that the mean over stimuli may hold without a word (chosen)."""

MEMORY = 3
"""Autocorrelation time from which on samples in a row look like time points (chosen: noise has 1)."""

ROWS = 20
"""Fewest samples in a row whose autocorrelation is looked at (chosen)."""

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
        Share of the squared Gram in the mean over stimuli, above chance.
    memory : int
        Autocorrelation time of samples in a row that nobody labeled; 0 of others.
    """

    nodes: tuple[Any, ...]
    n_samples: int
    n_units: int
    notes: tuple[str, ...] = ()
    ramp: float = 0.0
    memory: int = 0


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
        if not guard:
            nodes.append(_one(measure, kept, place))
            continue
        node, warned = _noted(measure, kept, place, notes)
        nodes.append(node)
        if measure.takes == "samples" and (warned or _by_gram(measure)):
            notes += _leverage(kept, leaf, plan, place, measure)
    ramped = guard and plan.within == "samples" and not plan.regress and measure.takes != "trials"
    if guard:
        notes += _padding(leaf)
    bare = guard and not leaf.labeled and not leaf.axis and measure.takes == "samples" and n >= ROWS
    return Prepared(
        nodes=tuple(nodes),
        n_samples=n,
        n_units=int(arrays[0].shape[-1]),
        notes=_short(notes),
        ramp=_ramp(arrays[0], leaf) if ramped else 0.0,
        memory=autocorrelation_time(arrays[0]) if bare else 0,
    )


def _one(measure: Measure, array: Floats, place: str) -> Any:
    """Prepare one array; what the measure refuses names the leaf."""
    try:
        return measure.prepare(array)
    except ArcuateError as error:
        raise type(error)(f"{WHERE}: states {place!r}: {error}") from error


def _noted(measure: Measure, array: Floats, place: str, notes: list[str]) -> tuple[Any, bool]:
    """Prepare one array, and note what the measure warns of; whether that is a sample that decides.

    A measure knows samples by their rows, which are not those of the caller: `_leverage` names the stimuli.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        node = _one(measure, array, place)
    texts = [str(warning.message) for warning in caught]
    scaled = measure.options.get("normalize") is not None  # shares of samples as given would not be its own
    warned = not scaled and any(_DECIDES in text for text in texts)
    for text in texts:
        told = (warned and _DECIDES in text) or (_saturates(measure) and _CHANCE in text)
        notes += [] if told else [f"{place}: {text}"]
    return node, warned


def _saturates(measure: Measure) -> bool:
    """Whether noise is alike where units are many; `pair_notes` tells it."""
    return measure.family in _SATURATE


def _by_gram(measure: Measure) -> bool:
    """Whether one sample with a large norm can decide the score."""
    return measure.options.get("normalize") is None and (
        measure.family in _BY_GRAM or measure.family not in FACTORIES
    )


_DECIDES = "of the squared norm of the centered Gram"
_CHANCE = "correlations are high by chance"
"""What measures warn of that is told in other words, with the label of the stimulus or for the pair."""


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


def _leverage(array: Floats, leaf: Leaf, plan: Plan, place: str, measure: Measure) -> list[str]:
    """Name samples that decide the score."""
    shares = leverage(array)
    high = deciding(shares)
    if not high.size:
        return []
    steps = len(leaf.steps) if plan.within == "samples" else 1
    rows = leaf.order[high // steps]  # type: ignore[index]  # joined leaves have an order
    names = [repr(leaf.labels[row]) for row in rows]
    at = leaf.steps[high % steps]
    if steps > 1:
        names = [f"{name} at {leaf.axis} {step}" for name, step in zip(names, at, strict=True)]
    held = f"{shares[high].sum():.0%} of the squared Gram"
    if high.size == 1:
        text = f"stimulus {names[0]} alone holds {held} and decides the score"
    else:
        text = f"{high.size} of {shares.size} samples hold {held} and decide the score: stimuli "
        text += listed(names, 4)
    fix = "leave out such stimuli in all systems"
    if steps > 1 and len(np.unique(at)) < min(steps, high.size):
        fix = f"compare without {leaf.axis} {listed(np.unique(at), 4)}"
    other = "rsa_measure(comparator='rho-a')" if measure.family == "rsa" else "cka_measure(normalize='unit')"
    return [f"{place}: {text}; {fix}, or use {other}"]


def _ramp(array: Floats, leaf: Leaf) -> float:
    """Share of the squared Gram of samples that their mean over stimuli at each step has, above chance."""
    steps = len(leaf.steps)
    cube = centered(array.reshape(len(array), -1)).reshape(-1, steps, array.size // len(array))
    if len(cube) < 2:
        return 0.0
    total = _squared_gram(cube.reshape(-1, cube.shape[2]))
    mean = _squared_gram(cube.mean(axis=0)) * len(cube) ** 2
    return mean / total - 1 / len(cube) if total else 0.0


def _squared_gram(x: Floats) -> float:
    """Squared norm of the Gram of samples (n, p)."""
    gram = x @ x.T if len(x) < x.shape[1] else x.T @ x
    return float(np.vdot(gram, gram))


def _padding(leaf: Leaf) -> list[str]:
    """Name stimuli that end in steps at which all units are 0, as if padded to one length."""
    if not leaf.axis:
        return []
    still = np.asarray(leaf.values.any(axis=(1, 3)) == 0)[leaf.order]
    ends = np.where(still.all(axis=1), still.shape[1], np.argmin(still[:, ::-1], axis=1))
    before = still & (np.arange(still.shape[1]) < still.shape[1] - ends[:, None])
    if len(np.unique(ends)) < 2 or before[:, still.sum(axis=0) < len(still)].any():
        return []
    held = f"{np.count_nonzero(ends)} of {len(ends)} stimuli end in {leaf.axis}s that are 0 in all units"
    fix = "then lengths are compared too: cut all to one length, or take the mean over the steps there are"
    return [f"{leaf.name}: {held}, up to {ends.max()} of {still.shape[1]}; if that is padding, {fix}"]


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
    if _saturates(measure) and p > n / 5:
        text = f"{measure.name} of noise is far from 0 with {p} units on {n} samples"
        notes.append(f"{text}: look at the null, not at the value")
    if measure.options.get("embedding") == "chosen":
        text = "{n_delays} delays and rank {rank}, the same for all systems".format_map(measure.options)
        notes.append(f"{measure.name}: {text}, are those that predict held-out trials (choose_embedding)")
    if _plain_cosine(measure.options):
        text = (
            "cosine of dissimilarities that are all positive is above 0 for anything, near 1 unless whitened"
        )
        notes.append(f"{text}: compare by rank or correlation")
    if min(a.ramp, b.ramp) > RAMP:
        text = f"the mean over stimuli at each {axis} holds {a.ramp:.0%} and {b.ramp:.0%} of the squared Gram"
        notes.append(f"{text}, a ramp that any two systems share: compare with regress_out={axis!r} too")
    if min(a.memory, b.memory) >= MEMORY:
        text = f"samples without labels resemble the {min(a.memory, b.memory) - 1} after them in both"
        fix = (
            'give x[None] with dims=("stimulus", "time", "unit"), samples=("stimulus", "time"), null="shift"'
        )
        notes.append(f"{text}; if they are steps of one recording, p is far too small: {fix}")
    return notes


def _plain_cosine(options: Mapping[str, Any]) -> bool:
    words = [str(value) for value in options.values()]
    named = {str(options.get(key)) for key in ("comparator", "compare", "by")}
    return not named.isdisjoint(("cosine", "cosine_cov")) and "crossnobis" not in words
