"""Double dissociation: two lesions, two tasks, and whether each lesion hurts its own task.

Everything is computed from scores of items, so that what was taken away may be heads of a transformer,
neurons of a reservoir, or one of the memories of a network.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from arcuate.errors import SpecError, check_int, check_real
from arcuate.rng import check_seed, stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Dissociation", "SetOverlap", "dissociate", "double_dissociation", "selective_set", "set_overlap"]

Member = TypeVar("Member", bound=Hashable)
LESIONS, TASKS = ("first set", "second set"), ("first task", "second task")
ROWS = 500
"""Permutations that are made at once."""

FEWEST = 4
"""Items of a task that judge: the labels of three and three are shared out in 20 ways; no p is below 0.05."""


def double_dissociation(
    intact: Sequence[ArrayLike],
    first: Sequence[ArrayLike],
    second: Sequence[ArrayLike],
    *,
    random: Sequence[ArrayLike] | None = None,
    n_permutations: int = 9999,
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    r"""Judge whether lesions of two sets hurt two tasks differently.

    With e(s, t) for the mean loss of score on task t after a lesion of set s,

    .. math:: I = [e(1, 1) - e(1, 2)] - [e(2, 1) - e(2, 2)], \qquad D = I / 2

    are the interaction and the index of dissociation. The first bracket is the selectivity of the first set,
    minus the second that of the other; D is their mean. A dissociation is double only if both are above zero:
    one lesion that hurts everything, and one that hurts one task, make an interaction too.

    Parameters
    ----------
    intact, first, second : sequence of two array_like, (n_items,)
        Scores of the items of the first and of the second task, four or more of each, the higher the better:
        of the whole system, after a lesion of the first set, and after one of the second. Items of one task
        are the same in all three. Shares of right answers make an index between -1 and 1.
    random : sequence of two array_like, (n_sets, n_items), optional
        The same after lesions of sets drawn at random, of the same size; 50 sets or more.
    n_permutations : int
        Permutations of the labels of items.
    n_resamples : int
        Bootstrap resamples of the items of each task.
    level : float
        Coverage of the intervals.
    seed : int
        Streams ``probes/dissociation/...``.

    Returns
    -------
    xarray.Dataset
        ``effect`` (lesion, task), e; ``interaction``, ``index`` and ``selectivity`` (lesion); their
        ``..._interval`` (..., end); ``double``, whether both selectivities have an interval above zero;
        ``p_items``, how often labels of items that are drawn anew make an interaction as large. With random
        sets ``random_effect`` (set, task), ``random_index`` (set), the index of each set and the next,
        and ``p_random`` = (1 + number of them as large) / (1 + n_sets).

    Raises
    ------
    SpecError
        If scores do not fit each other or are not finite, there are fewer than four items of a task or 50
        random sets, or an option is out of bounds.

    Notes
    -----
    H.-L. Teuber, Physiological psychology, Annual Review of Psychology 6 (1955), has the double dissociation;
    Phipson and Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010) 39, the p value. Sets must have been chosen on
    other items than those that judge. A set and the next may share members, which makes their index smaller:
    beside two sets that share none, ``p_random`` is somewhat too low. Items that all lose the same have an
    interval without width.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> whole, hurt = np.ones(100), (rng.random(100) < 0.3).astype(float)
    >>> found = double_dissociation((whole, whole), (hurt, whole), (whole, hurt))
    >>> round(float(found["index"]), 2), bool(found["double"]), float(found["p_items"])
    (0.75, True, 0.0001)
    """
    import xarray as xr

    where = "double_dissociation"
    named = {"intact": intact, "first": first, "second": second}
    scores = [_scores(given, name, where) for name, given in named.items()]
    for name, given in (("first", scores[1]), ("second", scores[2])):
        _check_items(given, scores[0], name, where)
    if min(len(one) for one in scores[0]) < FEWEST:
        bound = f"must have {FEWEST} items or more of each task, not {[len(one) for one in scores[0]]}"
        raise SpecError.of(where=where, name="intact", bound=bound)
    check_int(n_permutations, where=where, name="n_permutations", low=1)
    check_int(n_resamples, where=where, name="n_resamples", low=1)
    check_real(level, where=where, name="level", low=0, high=1, low_open=True, high_open=True)
    lost = [np.stack([scores[0][task] - scores[lesion][task] for lesion in (1, 2)]) for task in (0, 1)]
    effect = np.stack([one.mean(axis=1) for one in lost], axis=1)
    draw = stream(check_seed(seed), "probes/dissociation/bootstrap")
    drawn = np.stack([_resampled(one, n_resamples, draw) for one in lost], axis=-1)
    tails = [(1 - level) / 2, (1 + level) / 2]
    told = _figures(effect)
    ends = {name: np.quantile(one, tails, axis=0) for name, one in _figures(drawn).items()}
    variables: dict[str, object] = {
        "effect": (("lesion", "task"), effect),
        "effect_interval": (("lesion", "task", "end"), np.moveaxis(np.quantile(drawn, tails, axis=0), 0, -1)),
        "double": bool((ends["selectivity"][0] > 0).all()),
        "p_items": _p_items(lost, n_permutations, seed),
    }
    for name, value in told.items():
        dims = ("lesion",) if name == "selectivity" else ()
        variables[name] = (dims, value)
        variables[f"{name}_interval"] = ((*dims, "end"), np.moveaxis(ends[name], 0, -1))
    if random is not None:
        variables |= _beside_random(random, scores[0], float(told["index"]), where)
    return xr.Dataset(variables, {"lesion": list(LESIONS), "task": list(TASKS), "end": ["low", "high"]})


def selective_set(
    lesion: Callable[[list[Member]], tuple[float, float]], members: Iterable[Member], *, size: int
) -> list[Member]:
    """Choose what costs one task most and another least if it is taken away together.

    The set grows by one member at a time, that with which it costs its own task most beyond the other. So
    members that stand in for each other can be found, which cost nothing alone.

    Parameters
    ----------
    lesion : callable
        From some members to what their lesion costs the own and the other task. Judge the set by other items
        than those that are scored here.
    members : iterable
        To choose from, such as (layer, head), neurons or populations; the first of equals is taken.
    size : int
        How many to choose.

    Returns
    -------
    list
        The members, in the order in which they came.

    Raises
    ------
    SpecError
        If there are fewer members, one comes twice, or a cost is not finite.

    Examples
    --------
    Two parts that stand in for each other, and one that both tasks need:

    >>> def lesion(parts):
    ...     return float({"a", "b"} <= set(parts)) + ("c" in parts), 1.0 * ("c" in parts)
    >>> selective_set(lesion, "abcd", size=2)
    ['a', 'b']
    """
    where, left = "selective_set", list(members)
    if len(set(left)) < len(left):
        raise SpecError.of(where=where, name="members", bound="must have every member once")
    chosen: list[Member] = []
    for _ in range(check_int(size, where=where, name="size", low=1, high=len(left))):
        gains = []
        for one in left:
            own, other = lesion([*chosen, one])
            gains.append(float(own) - float(other))
            if not np.isfinite(gains[-1]):
                bound = f"must give finite costs, not {own} and {other} for {[*chosen, one]}"
                raise SpecError.of(where=where, name="lesion", bound=bound)
        chosen.append(left.pop(int(np.argmax(gains))))
    return chosen


@dataclass(frozen=True, kw_only=True, eq=False)
class Dissociation:
    """Two sets of parts, and what their lesions cost.

    Attributes
    ----------
    sets : tuple of two lists
        Members whose lesion costs the first task, and the second.
    intact : tuple of two ndarray
        Scores of the items that judge, without a lesion.
    judged : xarray.Dataset
        As `double_dissociation` gives it, with random sets.

    Examples
    --------
    See `dissociate`.
    """

    sets: tuple[list[Any], list[Any]]
    intact: tuple[np.ndarray, np.ndarray]
    judged: xr.Dataset


def dissociate(
    lesion: Callable[[int, np.ndarray, list[Member]], ArrayLike],
    members: Iterable[Member],
    *,
    n_items: tuple[int, int],
    size: int,
    n_random: int = 100,
    seed: int = 0,
) -> Dissociation:
    """Find two sets of parts that two tasks need, by half of the items, and judge their lesions by the rest.

    Parameters
    ----------
    lesion : callable
        From a task, 0 or 1, indices of some of its items, and the parts that are taken away, to the scores of
        these items, the higher the better; with no parts, those of the whole system.
    members : iterable
        Parts to choose from: (layer, head), neurons, populations, memories. No part is in both sets.
    n_items : tuple of two int
        Items of the tasks, 8 or more of each.
    size : int
        Parts of a set.
    n_random : int
        Random sets of as many parts, 50 or more.
    seed : int
        Streams ``probes/dissociation/...``.

    Returns
    -------
    Dissociation

    Raises
    ------
    SpecError
        If there are too few parts, items or random sets, or scores do not fit the items or are not finite.

    Notes
    -----
    Sets are chosen by `selective_set`, that of the first task before that of the second, which has what is
    left. The random ones are not chosen, and two of them may share parts: ``p_random`` says whether parts at
    random do as much, no more.

    Examples
    --------
    Of six parts, the first task needs two and the second the two next:

    >>> def lesion(task, items, parts):
    ...     return np.full(len(items), 1 - 0.4 * len(set(("ab", "cd")[task]) & set(parts)))
    >>> found = dissociate(lesion, "abcdef", n_items=(80, 80), size=2, n_random=50)
    >>> found.sets, round(float(found.judged["index"]), 2)
    ((['a', 'b'], ['c', 'd']), 0.8)
    """
    where, parts = "dissociate", list(members)
    check_int(size, where=where, name="size", low=1, high=len(parts) // 2)
    check_int(n_random, where=where, name="n_random", low=50)
    if not isinstance(n_items, Sequence) or len(n_items) != 2:
        raise SpecError.of(where=where, name="n_items", value=n_items, bound="must be two numbers")
    draw = stream(check_seed(seed), "probes/dissociation/halves")
    orders = [draw.permutation(check_int(n, where=where, name="n_items", low=2 * FEWEST)) for n in n_items]

    def scores(half: int, some: list[Member]) -> list[np.ndarray]:
        found = []
        for task, order in enumerate(orders):
            one = np.asarray(lesion(task, np.sort(order[half::2]), some), dtype=np.float64)
            if one.shape != order[half::2].shape:
                bound = f"must give a score for each of {order[half::2].size} items, not {one.shape}"
                raise SpecError.of(where=where, name="lesion", bound=bound)
            found.append(one)
        return found

    whole = [one.mean() for one in scores(0, [])]
    known: dict[tuple[Member, ...], list[float]] = {}

    def costs(some: list[Member]) -> list[float]:
        if (key := tuple(some)) not in known:
            hurt = scores(0, some)
            known[key] = [float(a - b.mean()) for a, b in zip(whole, hurt, strict=True)]
        return known[key]

    first = selective_set(lambda some: (costs(some)[0], costs(some)[1]), parts, size=size)
    left = [one for one in parts if one not in first]
    second = selective_set(lambda some: (costs(some)[1], costs(some)[0]), left, size=size)
    draw = stream(seed, "probes/dissociation/sets")
    drawn = [[parts[k] for k in draw.permutation(len(parts))[:size]] for _ in range(n_random)]
    intact, *lesioned = (scores(1, some) for some in ([], first, second, *drawn))
    random = [np.array(one) for one in zip(*lesioned[2:], strict=True)]
    judged = double_dissociation(intact, *lesioned[:2], random=random, seed=seed)
    return Dissociation(sets=(first, second), intact=(intact[0], intact[1]), judged=judged)


def _figures(effect: np.ndarray) -> dict[str, np.ndarray]:
    """Return interaction, index and selectivities of effects (..., lesion, task)."""
    own, other = effect[..., 0, 0] - effect[..., 0, 1], effect[..., 1, 1] - effect[..., 1, 0]
    selectivity = np.stack((own, other), axis=-1)
    return {"interaction": own + other, "index": (own + other) / 2, "selectivity": selectivity}


def _resampled(lost: np.ndarray, n: int, draw: np.random.Generator) -> np.ndarray:
    """Return mean losses (resample, lesion) of items drawn with replacement: by how often each is drawn."""
    many = lost.shape[1]
    return np.asarray(draw.multinomial(many, np.full(many, 1 / many), size=n) @ lost.T / many)


def _p_items(lost: Sequence[np.ndarray], n: int, seed: int) -> float:
    """Permute which task an item belongs to; what one lesion costs it more than the other stays its own."""
    more = np.concatenate([one[0] - one[1] for one in lost])
    many, draw = lost[0].shape[1], stream(seed, "probes/dissociation/permutations")
    found = more[:many].mean() - more[many:].mean()
    as_large = 0
    for start in range(0, n, ROWS):
        rows = draw.permuted(np.tile(more, (min(ROWS, n - start), 1)), axis=1)
        drawn = rows[:, :many].mean(axis=1) - rows[:, many:].mean(axis=1)
        as_large += int((drawn >= found - 1e-12).sum())
    return float((1 + as_large) / (1 + n))


def _beside_random(
    random: Sequence[ArrayLike], intact: list[np.ndarray], index: float, where: str
) -> dict[str, object]:
    sets = _scores(random, "random", where, ndim=2)
    _check_items(sets, intact, "random", where)
    if len(sets[0]) != len(sets[1]) or len(sets[0]) < 50:
        bound = f"must be 50 sets or more, the same for both tasks, not {len(sets[0])} and {len(sets[1])}"
        raise SpecError.of(where=where, name="random", bound=bound)
    effect = np.stack([(whole - cut).mean(axis=1) for whole, cut in zip(intact, sets, strict=True)], axis=1)
    pairs = np.stack((effect, np.roll(effect, -1, axis=0)), axis=1)  # each set and the next as lesions
    indices = _figures(pairs)["index"]
    p = float((1 + (indices >= index - 1e-12).sum()) / (1 + len(indices)))
    return {"random_effect": (("set", "task"), effect), "random_index": ("set", indices), "p_random": p}


def _scores(given: Sequence[ArrayLike], name: str, where: str, *, ndim: int = 1) -> list[np.ndarray]:
    try:
        both = [np.asarray(one, dtype=np.float64) for one in given]
    except (TypeError, ValueError) as error:
        raise SpecError.of(where=where, name=name, bound=f"must be numbers ({error})") from error
    if len(both) != 2 or any(one.ndim != ndim or not one.size or not np.isfinite(one).all() for one in both):
        shape = "(n_items,)" if ndim == 1 else "(n_sets, n_items)"
        raise SpecError.of(
            where=where, name=name, bound=f"must be two finite arrays {shape}, one for each task"
        )
    return both


def _check_items(given: list[np.ndarray], intact: list[np.ndarray], name: str, where: str) -> None:
    for task, (one, whole) in enumerate(zip(given, intact, strict=True)):
        if one.shape[-1] != len(whole):
            bound = f"must have the {len(whole)} items of intact for the {TASKS[task]}, not {one.shape[-1]}"
            raise SpecError.of(where=where, name=name, bound=bound)


@dataclass(frozen=True, kw_only=True)
class SetOverlap:
    """How much two sets have in common, beside chance.

    Attributes
    ----------
    shared : int
        Members of both.
    expected : float
        As many as two sets of these sizes share by chance.
    jaccard : float
        Shared over members of either; 0 for two empty sets.
    p_more, p_less : float
        Chance of as many or more, and of as many or fewer (hypergeometric).

    Examples
    --------
    >>> set_overlap([1, 2], [2, 3], n=10).shared
    1
    """

    shared: int
    expected: float
    jaccard: float
    p_more: float
    p_less: float


def set_overlap(first: Iterable[Hashable], second: Iterable[Hashable], *, n: int) -> SetOverlap:
    """Compare what two sets share with chance.

    Parameters
    ----------
    first, second : iterable
        Members, such as (layer, head) or (layer, unit); numbers of units alone would mix layers.
    n : int
        How many there are to choose from.

    Returns
    -------
    SetOverlap

    Raises
    ------
    SpecError
        If a member comes twice, or the sets have more members than there are.

    Examples
    --------
    >>> overlap = set_overlap([(0, 1), (0, 2), (1, 0)], [(0, 1), (0, 2), (1, 3)], n=12)
    >>> overlap.shared, overlap.expected, round(overlap.p_more, 3)
    (2, 0.75, 0.127)
    """
    from scipy.stats import hypergeom

    where, sizes = "set_overlap", []
    for name, given in (("first", list(first)), ("second", list(second))):
        if len(set(given)) < len(given):
            raise SpecError.of(where=where, name=name, bound="must have every member once")
        sizes.append(set(given))
    a, b = sizes
    check_int(n, where=where, name="n", low=max(1, len(a | b)))
    shared, law = len(a & b), hypergeom(n, len(a), len(b))
    return SetOverlap(
        shared=shared, expected=len(a) * len(b) / n, jaccard=shared / max(1, len(a | b)),
        p_more=float(law.sf(shared - 1)), p_less=float(law.cdf(shared)),
    )  # fmt: skip
