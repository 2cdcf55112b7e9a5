"""How alike two systems could look at best, given noise over repeats, or differences between seeds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations, permutations

import numpy as np

from arcuate._inputs import Floats
from arcuate.compare._cka_cross import REPEATS, crossed
from arcuate.compare._gram import DOUBLE, Gram, inner
from arcuate.compare._inputs import centered
from arcuate.compare._measure import Measure
from arcuate.compare._prepared import prepare
from arcuate.compare._states import Leaf
from arcuate.compare._within import Plan, samples_of
from arcuate.compare.encoding import reliability
from arcuate.compare.inference import spearman_brown
from arcuate.errors import ArcuateError
from arcuate.rng import stream

__all__ = ["CEILINGS", "Bound", "pair_ceiling", "repeat_bound", "seed_bound", "seed_groups"]

CEILINGS = ("auto", "repeats", "seeds")
N_SPLITS = 20
"""Splits of the repeats into halves, at most."""

_SEED = re.compile(r"seed[ _=-]?\d+")


@dataclass(frozen=True, kw_only=True)
class Bound:
    """How well one leaf agrees with itself.

    Parameters
    ----------
    low, high : ndarray, (node,)
        Score of one half with the other (or of one seed with the others), and the same for all the data.
    why : str
        Why there is none, if so.
    rough : bool
        Whether `high` may be below what two systems without noise of their own would reach.
    """

    low: Floats
    high: Floats
    why: str = ""
    rough: bool = False


def repeat_bound(measure: Measure, leaf: Leaf, plan: Plan, *, seed: int) -> Bound:
    """Agreement of halves of the repeats.

    Parameters
    ----------
    measure : Measure
    leaf : Leaf
    plan : Plan
    seed : int

    Returns
    -------
    Bound
        For a similarity, `low` is the mean score of two halves. `high` is for debiased linear alignment of 4
        or more repeats the share of the squared Gram that repeats have in common; else what Spearman and
        Brown's formula makes of `low` for all repeats, which is too low for measures of Grams (there noise
        falls faster than by the number of repeats). For a distance both are the mean distance of halves, for
        all repeats too great. For an encoding measure both are the median `reliability` of the units.
        Measures that take trials are scored on halves of these.
    """
    none = np.array([np.nan])
    if measure.takes == "trials":
        return _trials_bound(measure, leaf, plan, seed=seed)
    n = leaf.values.shape[1]
    if n < 2:
        return Bound(low=none, high=none, why=f"{leaf.name} has one repeat")
    if measure.family == "cka_cross":
        return Bound(low=none, high=none, why="cka_cross is free of the noise of repeats as it is")
    try:
        if is_encoding(measure):
            r = [np.median(reliability(x, seed=seed)) for x in samples_of(leaf, plan, "repeats")]
            return Bound(low=np.maximum(r, 0), high=np.maximum(r, 0))
        halves = []
        for first, second in _splits(n, seed):
            parts = [replace(leaf, values=leaf.values[:, list(half)]) for half in (first, second)]
            halves.append(_scores(measure, *(prepare(measure, part, plan).nodes for part in parts)))
    except ArcuateError as error:
        return Bound(low=none, high=none, why=f"halves of {leaf.name} do not do: {error}")
    low = np.mean(halves, axis=0)
    if measure.kind == "distance":
        return Bound(low=low, high=low, rough=True)
    low = np.maximum(low, 0)
    linear = measure.family == "cka" and measure.options.get("normalize", "") is None
    if linear and n >= REPEATS and len(leaf.order) <= DOUBLE:  # type: ignore[arg-type]  # it has an order
        return Bound(low=low, high=_common(leaf, plan, seed=seed))
    return Bound(low=low, high=spearman_brown(np.nan_to_num(low), n / (n // 2)), rough=True)


def _common(leaf: Leaf, plan: Plan, *, seed: int) -> Floats:
    """Share of the squared Gram of the mean over repeats that repeats have in common, 0 to 1 at each node.

    Grams of products of different repeats hold no noise on average, and those of halves of the repeats share
    none: their product is the squared Gram without noise.
    """
    out = []
    for cube in samples_of(leaf, plan, "repeats"):
        states = centered(cube)
        largest = np.max(np.abs(states))
        if not largest > 0:
            out.append(np.nan)
            continue
        states /= largest
        mean = Gram(debiased=True, features=states.mean(axis=1))
        pairs = [
            [crossed(states[:, list(half)]) for half in halves] for halves in _splits(len(cube[0]), seed)
        ]
        out.append(float(np.mean([inner(*pair) for pair in pairs])) / inner(mean, mean))
    return np.clip(out, 0, 1)


def _trials_bound(measure: Measure, leaf: Leaf, plan: Plan, *, seed: int) -> Bound:
    """Mean score of halves of the trials, for measures that do not ask which trial is which."""
    cube = samples_of(leaf, plan, "trials")[0]
    none = np.array([np.nan])
    if len(cube) < 2:
        return Bound(low=none, high=none, why=f"{leaf.name} has one trial")
    try:
        found = [
            measure.score(*(measure.prepare(cube[list(half)]) for half in halves))
            for halves in _splits(len(cube), seed)
        ]
    except ArcuateError as error:
        return Bound(low=none, high=none, why=f"halves of {leaf.name} do not do: {error}")
    mean = np.array([np.mean(found)])
    return Bound(low=mean, high=mean if measure.kind == "distance" else none, rough=True)


def _splits(n: int, seed: int) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Different splits of n repeats into halves; an odd one stays out."""
    rng = stream(seed, f"compare/splits/{n}")
    found: dict[frozenset[tuple[int, ...]], None] = {}
    for _ in range(4 * N_SPLITS):
        order = rng.permutation(n)
        parts = tuple(sorted(order[: n // 2].tolist())), tuple(sorted(order[n // 2 : 2 * (n // 2)].tolist()))
        found[frozenset(parts)] = None
        if len(found) == N_SPLITS:
            break
    pairs = [sorted(parts) for parts in found]
    return [(first, second) for first, second in pairs]


def is_encoding(measure: Measure) -> bool:
    """Whether a measure predicts units of the second system from the first.

    Parameters
    ----------
    measure : Measure

    Returns
    -------
    bool
    """
    return measure.family == "ridge" and {"folds", "groups"} <= measure.options.keys()


def seed_groups(leaves: Mapping[str, Leaf]) -> dict[str, list[str]]:
    """Leaves that are one site of one system with other seeds, by their paths.

    Parameters
    ----------
    leaves : mapping
        Whose names may hold ``seed0``, ``seed1``, ...

    Returns
    -------
    dict of str to list of str
        For each leaf the leaves of its group, itself among them.
    """
    groups: dict[str, list[str]] = {}
    for name in leaves:
        groups.setdefault(_SEED.sub("seed", name), []).append(name)
    return {name: groups[_SEED.sub("seed", name)] for name in leaves}


def seed_bound(measure: Measure, group: list[Leaf], plan: Plan) -> Bound:
    """Agreement of seeds, taken as subjects.

    Parameters
    ----------
    measure : Measure
    group : list of Leaf
        The same site with other seeds.
    plan : Plan

    Returns
    -------
    Bound
        `low` is the mean score of a seed with the other seeds pooled, `high` with all of them pooled; of a
        distance, the other way round. To pool, the units of all seeds are put side by side, each seed with a
        Gram of norm 1: the mean of their Grams. Measures that are not of Grams would find the units of a seed
        in the pool; they, and those that take trials, are compared seed by seed, without an upper bound.
    """
    none = np.array([np.nan])
    if len(group) < 2:
        return Bound(low=none, high=none, why=f"{group[0].name} has one seed")
    try:
        own = [prepare(measure, leaf, plan).nodes for leaf in group]
        if not measure.pooled or measure.takes == "trials" or len({len(nodes) for nodes in own}) > 1:
            turns = combinations(own, 2) if measure.symmetric else permutations(own, 2)
            pairs = [_scores(measure, x, y) for x, y in turns]
            return Bound(low=np.mean(pairs, axis=0), high=none)
        arrays = [[_scaled(x) for x in samples_of(leaf, plan, measure.takes)] for leaf in group]
        low = [_scores(measure, _pooled(measure, arrays, leave_out=k), own[k]) for k in range(len(group))]
        all_of_them = _pooled(measure, arrays, leave_out=None)
        high = [_scores(measure, all_of_them, mine) for mine in own]
    except ArcuateError as error:
        return Bound(low=none, high=none, why=f"seeds of {group[0].name} do not do: {error}")
    ends = np.mean(low, axis=0), np.mean(high, axis=0) if measure.symmetric else none
    return (
        Bound(low=ends[0], high=ends[1]) if measure.kind == "similarity" else Bound(low=ends[1], high=ends[0])
    )


def _scores(measure: Measure, first: tuple, second: tuple) -> Floats:
    return np.array([
        np.nan if x is None or y is None else measure.score(x, y) for x, y in zip(first, second, strict=True)
    ])  # fmt: skip


def _scaled(array: Floats) -> Floats:
    """Samples whose centered Gram has norm 1."""
    shape = array.shape
    x = centered(array.reshape(len(array), -1))
    gram = x @ x.T if len(x) <= x.shape[1] else x.T @ x
    norm = float(np.sqrt(np.linalg.norm(gram)))
    return (x / norm if norm > 0 else x).reshape(shape)


def _pooled(measure: Measure, arrays: list[list[Floats]], leave_out: int | None) -> tuple:
    rest = [mine for k, mine in enumerate(arrays) if k != leave_out]
    return tuple(measure.prepare(np.concatenate(parts, axis=-1)) for parts in zip(*rest, strict=True))


def pair_ceiling(
    measure: Measure, a: Bound | None, b: Bound | None, *, by: str
) -> tuple[Floats, Floats, str]:
    """Ceiling of the score of two leaves.

    Parameters
    ----------
    measure : Measure
    a, b : Bound or None
        Of the two.
    by : {"repeats", "seeds"}
        By repeats, noise of both lowers the score: the root of the product of both reliabilities, a side
        without repeats counting as free of noise. By seeds, the side that agrees less with itself.

    Returns
    -------
    (ndarray, ndarray, str)
        Low and high, (node of a, node of b) or what broadcasts to it, and why there is none.
    """
    known = [bound for bound in (a, b) if bound is not None and not bound.why]
    nothing = np.full((1, 1), np.nan)
    if not known:
        return nothing, nothing, "; ".join(dict.fromkeys(bound.why for bound in (a, b) if bound is not None))
    if is_encoding(measure) and by == "repeats":
        if b is None or b.why:
            return nothing, nothing, b.why if b is not None else "no repeats of what is predicted"
        high = np.sqrt(b.high[None, :])
        noisy = a is not None and not a.why
        return (high * np.sqrt(a.high[:, None]) if noisy and a is not None else high), high, ""
    sides = []
    for bound, place in ((a, (slice(None), None)), (b, (None, slice(None)))):
        if bound is not None and not bound.why:
            sides.append((bound.low[place], bound.high[place]))
    low, high = (_combined(measure, [side[k] for side in sides], by) for k in (0, 1))
    return low, high, ""


def _combined(measure: Measure, sides: list[Floats], by: str) -> Floats:
    """Both sides in one: of shape (node of a, node of b)."""
    if by == "repeats" and measure.kind == "similarity":
        return np.sqrt(sides[0] * sides[1]) if len(sides) == 2 else np.sqrt(sides[0])
    worst = np.maximum if measure.kind == "distance" else np.minimum
    return worst(sides[0], sides[1]) if len(sides) == 2 else sides[0]
