"""The work of a comparison: for one measure all scores, their null, intervals, ceilings and notes."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from arcuate._inputs import Floats, check_bytes
from arcuate.compare._ceiling import Bound, is_encoding, pair_ceiling, repeat_bound, seed_bound, seed_groups
from arcuate.compare._folds import folded
from arcuate.compare._measure import Measure
from arcuate.compare._prepared import Prepared, pair_notes, prepare
from arcuate.compare._states import Leaf
from arcuate.compare._within import Plan
from arcuate.compare.inference import Orders, half_samples, p_value
from arcuate.errors import ArcuateError, ArcuateWarning, CapabilityError

__all__ = [
    "LEAST_FOR_HALVES",
    "LEVEL",
    "Cell",
    "Job",
    "Scores",
    "check_room",
    "half_scores",
    "run",
    "scores_of",
    "spread",
    "total",
    "values_of",
]

N_BOOT = 200
LEVEL = 0.95
MOST_LOST = 0.1
"""Share of the halves that may give no score before there is no interval (chosen)."""

LONG = 50
"""Autocorrelation times that a recording must last for p by shifts (measured on pairs of independent AR(1)
noise: p <= 0.05 in 12 % of 300 at 33 times, in 6 % at 50, in 5 % at 200)."""

_NO_CEILING = "no leaf has more than one repeat or more than one seed"

LEAST_FOR_HALVES = 8
"""Fewest stimuli that can be halved: each half needs the four of any comparison."""

_Pair = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What the measures of one call share.

    Parameters
    ----------
    leaves : dict of str to Leaf
    labels : tuple
        Of the stimuli that all leaves share.
    sides : (list of str, list of str)
        Names of the leaves of either side.
    plan : Plan
    orders : Orders or None
    seed, n_jobs : int
    ceiling : str or None
    n_boot : int or None
    correction : str or None
    join : str
    folds : int, str or None
    """

    leaves: dict[str, Leaf]
    labels: tuple[Any, ...]
    sides: tuple[list[str], list[str]]
    plan: Plan
    orders: Orders | None
    seed: int
    n_jobs: int
    ceiling: str | None
    n_boot: int | None
    correction: str | None
    join: str
    folds: Any = None

    @property
    def axis(self) -> str:
        """Name of the within-trial axis."""
        return next((leaf.axis for leaf in self.leaves.values() if leaf.axis), "")

    def pairs(self, measure: Measure) -> list[_Pair]:
        """Pairs to be scored, each once if the order does not matter."""
        place = {name: row for row, name in enumerate(self.leaves)}
        both = set(self.sides[0]) & set(self.sides[1])
        pairs: dict[_Pair, None] = {}
        for one in self.sides[0]:
            for other in self.sides[1]:
                turn = measure.symmetric and {one, other} <= both and place[one] > place[other]
                if one != other:
                    pairs[(other, one) if turn else (one, other)] = None
        return list(pairs)

    def boots(self, measure: Measure) -> int:
        """Number of halves for the interval of a measure."""
        quick = measure.takes != "trials" and not is_encoding(measure) and self.plan.within != "matrix"
        wanted = (N_BOOT if quick else 0) if self.n_boot is None else self.n_boot
        return wanted if len(self.labels) >= LEAST_FOR_HALVES else 0


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Scores of two leaves, (node of the first, node of the second).

    Parameters
    ----------
    value, null_mean, null_sd, p, z : ndarray
        NaN where there is none. `z` counts in standard deviations of value and null together.
    top : ndarray, (n_orders,), or None
        Greatest standardized score of each order.
    note : str
        Why there is no null, if so.
    """

    value: Floats
    null_mean: Floats
    null_sd: Floats
    p: Floats
    z: Floats
    top: Floats | None = None
    note: str = ""

    @classmethod
    def of(cls, value: Floats) -> Self:
        """Scores without a null."""
        none = np.full(value.shape, np.nan)
        return cls(value=value, null_mean=none, null_sd=none, p=none, z=none)

    @classmethod
    def tested(cls, value: Floats, null: Floats, kind: str) -> Self:
        """Scores with the scores (..., n_orders) of their null.

        The value takes part in its own standardization: then all orders, the one observed among them, are
        treated alike, and the test is exact however few there are.
        """
        sign = 1.0 if kind == "similarity" else -1.0
        first, null_sd = np.empty(value.shape), np.empty(value.shape)
        top = np.full(null.shape[-1], -np.inf)
        for k, (mine, theirs) in enumerate(zip(value, null, strict=True)):  # the null is large
            everything = np.concatenate([mine[:, None], theirs], axis=-1)
            mean, sd = everything.mean(axis=-1, keepdims=True), everything.std(axis=-1, keepdims=True)
            flat = sd <= 1e-12 * np.maximum(1.0, np.abs(mean))
            z = np.where(flat, 0.0, sign * (everything - mean) / np.where(flat, 1.0, sd))
            z[np.isnan(everything).any(axis=-1)] = np.nan
            first[k], null_sd[k] = z[:, 0], theirs.std(axis=-1)
            top = np.fmax(top, np.where(np.isnan(z), -np.inf, z)[:, 1:].max(axis=0))
        p = [
            p_value(one, row, kind=kind)
            for one, row in zip(value.ravel(), null.reshape(value.size, -1), strict=True)
        ]
        return cls(
            value=value,
            null_mean=null.mean(axis=-1),
            null_sd=null_sd,
            p=np.array(p).reshape(value.shape),
            z=first,
            top=top,
        )


@dataclass(frozen=True, kw_only=True)
class Scores:
    """All of one measure.

    Parameters
    ----------
    measure : Measure
    cells : dict
        By pair of leaves.
    intervals, ceilings : dict
        Low and high ends, by pair.
    ceiling_by : dict
        What the ceiling is made of, or why there is none, by pair.
    no_ceiling : str
        Why no pair has one.
    notes : dict
        What speaks against a score, by pair.
    raw : dict
        Scores without regressing out, by pair.
    n_samples, n_units : dict
        By leaf.
    """

    measure: Measure
    cells: dict[_Pair, Cell]
    intervals: dict[_Pair, tuple[Floats, Floats]]
    ceilings: dict[_Pair, tuple[Floats, Floats]]
    ceiling_by: dict[_Pair, str]
    no_ceiling: str
    notes: dict[_Pair, list[str]]
    raw: dict[_Pair, Floats]
    n_samples: dict[str, int]
    n_units: dict[str, int]


def check_room(job: Job) -> None:
    """Refuse nulls of all steps with all steps that would not fit, before anything is computed.

    Parameters
    ----------
    job : Job

    Raises
    ------
    MemoryLimitError
    """
    if job.orders is None or job.plan.within != "matrix":
        return
    steps = sorted(len(leaf.steps) for leaf in job.leaves.values())[-2:]
    count = job.orders.count
    check_bytes(
        8 * steps[0] * steps[-1] * count * job.n_jobs,
        where=f"compare: null of {steps[0]} x {steps[-1]} steps, {count} orders, {job.n_jobs} threads",
        fix="take fewer steps, fewer orders (n_null=) or fewer threads (n_jobs=)",
    )


def total(job: Job, measures: list[Measure]) -> int:
    """Number of scores, for the bar.

    Parameters
    ----------
    job : Job
    measures : list of Measure

    Returns
    -------
    int
    """
    scores = 0
    for measure in measures:
        nodes = {
            name: len(leaf.steps) if job.plan.within == "matrix" and measure.takes != "trials" else 1
            for name, leaf in job.leaves.items()
        }
        pairs = job.pairs(measure)
        scores += sum((1 + (job.orders.count if job.orders else 0)) * nodes[x] * nodes[y] for x, y in pairs)
        scores += job.boots(measure) * len(pairs)
    return scores


def scores_of(job: Job, measure: Measure, advance: Callable[[int], None] | None) -> Scores:
    """Everything about one measure.

    Parameters
    ----------
    job : Job
    measure : Measure
    advance : callable or None
        Takes the number of scores that were computed.

    Returns
    -------
    Scores
    """
    step = _locked(advance)
    pairs = job.pairs(measure)
    given, measure = measure, folded(measure, job.leaves, job.plan, job.folds)
    ready = {name: prepare(measure, leaf, job.plan, guard=True) for name, leaf in job.leaves.items()}
    with warnings.catch_warnings():  # what preparing warned of is noted
        warnings.simplefilter("ignore", ArcuateWarning)
        calls = [(measure, ready[x], ready[y], (job, x, y, step)) for x, y in pairs]
        cells = dict(zip(pairs, run(job, _cell, calls), strict=True))
        own = set(job.sides[0]) & set(job.sides[1]) if measure.symmetric else set()
        bounds: dict[tuple[str, str], Bound] = {}
        for name in sorted(own):
            value = values_of(measure, ready[name], ready[name])
            if measure.takes == "trials":  # two fits to the same trials do not tell how far noise moves them
                bounds[name, "repeats"] = repeat_bound(measure, job.leaves[name], job.plan, seed=job.seed)
                value = bounds[name, "repeats"].low[:, None]
            cells[name, name] = Cell.of(value)
        ceilings, by, why = _ceilings(job, measure, cells, bounds)
        intervals, lost = _intervals(job, given, cells, step)
        raw = _without_regressing(job, measure, pairs) if job.plan.regress else {}
    return Scores(
        measure=measure,
        cells=cells,
        intervals=intervals,
        ceilings=ceilings,
        ceiling_by=by,
        no_ceiling=why,
        notes=_notes(job, measure, cells, (ready, lost)),
        raw=raw,
        n_samples={name: one.n_samples for name, one in ready.items()},
        n_units={name: one.n_units for name, one in ready.items()},
    )


def _locked(advance: Callable[[int], None] | None) -> Callable[[int], None]:
    lock = threading.Lock()

    def step(count: int) -> None:
        if advance is not None:
            with lock:
                advance(count)

    return step


def run(job: Job, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
    """Results in order, computed by threads where more than one is asked for.

    Parameters
    ----------
    job : Job
    function : callable
    calls : iterable of tuple
        Arguments of each call.

    Yields
    ------
    object
    """
    if job.n_jobs == 1:
        for call in calls:
            yield function(*call)
        return
    from joblib import Parallel, delayed

    parallel = Parallel(n_jobs=job.n_jobs, require="sharedmem", return_as="generator")
    yield from parallel(delayed(function)(*call) for call in calls)


def values_of(measure: Measure, x: Prepared, y: Prepared) -> Floats:
    """Scores of each node with each.

    Parameters
    ----------
    measure : Measure
    x, y : Prepared

    Returns
    -------
    ndarray, (node of x, node of y)
        NaN where nothing varies.
    """
    return np.array([
        [np.nan if one is None or other is None else measure.score(one, other) for other in y.nodes]
        for one in x.nodes
    ], dtype=np.float64)  # fmt: skip


def _cell(measure: Measure, x: Prepared, y: Prepared, about: tuple[Any, ...]) -> Cell:
    """Scores of two leaves and of their null."""
    job, a, b, step = about
    value = values_of(measure, x, y)
    step(value.size)
    if job.orders is None:
        return Cell.of(value)
    null = np.full((*value.shape, job.orders.count), np.nan)
    try:
        _fill(null, measure, (x, y), job.orders.blocks(a, b, each=y.n_samples // job.orders.n_stimuli), step)
    except CapabilityError as error:
        return replace(Cell.of(value), note=str(error))
    return Cell.tested(value, null, measure.kind)


def _fill(
    null: Floats,
    measure: Measure,
    pair: tuple[Prepared, Prepared],
    blocks: Iterable[np.ndarray],
    step: Callable[[int], None],
) -> None:
    """Scores of each node with each under all orders."""
    x, y = pair
    at = 0
    for block in blocks:
        for i, one in enumerate(x.nodes):
            for j, other in enumerate(y.nodes):
                if one is not None and other is not None:
                    null[i, j, at : at + len(block)] = measure.null(one, other, block)
            step(len(block) * len(y.nodes))
        at += len(block)


def _intervals(
    job: Job, measure: Measure, cells: dict[_Pair, Cell], step: Callable[[int], None]
) -> tuple[dict[_Pair, tuple[Floats, Floats]], dict[_Pair, str]]:
    """Ends of the interval of every score, from its spread over halves; what is to be said of lost ones."""
    n_boot = job.boots(measure)
    pairs = [pair for pair in cells if pair[0] != pair[1]]
    if not n_boot:
        return {}, {}
    calls = [(job, measure, pairs, (rows, step)) for rows in half_samples(len(job.labels), n_boot, job.seed)]
    draws: dict[_Pair, list[Floats]] = {pair: [] for pair in pairs}
    reason: ArcuateError | None = None
    for half, error in run(job, half_scores, calls):
        reason = reason or error
        for pair, values in zip(pairs, half, strict=True):
            draws[pair].append(values)
    out, lost = {}, {}
    for pair, found in draws.items():
        shape = cells[pair].value.shape
        ends, text = spread(np.array([np.broadcast_to(one, shape) for one in found]), reason)
        low, high = np.clip(cells[pair].value + ends, measure.low, measure.high)
        out[pair] = low, high
        if text:
            lost[pair] = text if np.isnan(ends).all() else f"{text}; the interval is from the others"
    return out, lost


def spread(draws: Floats, reason: ArcuateError | None = None) -> tuple[Floats, str]:
    """Ends of an interval, as distances from a score that was computed from all stimuli.

    Parameters
    ----------
    draws : ndarray, (n_boot, ...)
        Scores of halves of the stimuli; NaN where one gave none.
    reason : ArcuateError, optional
        Why the first of these gave none.

    Returns
    -------
    (ndarray, str)
        Low and high (2, ...), NaN if more than a tenth of the halves gave no score, and what to say then.
    """
    nowhere = np.isnan(draws).all(axis=0)  # steps at which nothing varies are no loss of some halves
    missing = (np.isnan(draws) & ~(nowhere & ~nowhere.all())).reshape(len(draws), -1).any(axis=1)
    count = int(missing.sum())
    text = ""
    if count:
        why = f" ({reason})" if reason is not None else ""
        text = f"{count} of {len(draws)} halves of the stimuli give no score{why}"
    if count > MOST_LOST * len(draws):
        return np.full((2, *draws.shape[1:]), np.nan), f"{text}: no interval"
    kept = draws[~missing]
    ends = np.quantile(kept - kept.mean(axis=0), [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return ends, text


def half_scores(
    job: Job, measure: Measure, pairs: list[_Pair], about: tuple[Any, ...]
) -> tuple[list[Floats], ArcuateError | None]:
    """Scores of some of the stimuli alone.

    Parameters
    ----------
    job : Job
    measure : Measure
    pairs : list of (str, str)
    about : (ndarray of int, callable)
        Rows of the stimuli; what is told how many scores were computed.

    Returns
    -------
    (list of ndarray, ArcuateError or None)
        For each pair, NaN where the half gives no score; and the first reason for that.
    """
    rows, step = about
    reason: ArcuateError | None = None
    ready: dict[str, Prepared | None] = {}
    names = dict.fromkeys(name for pair in pairs for name in pair)
    leaves = {name: job.leaves[name] for name in names}
    half = {name: replace(leaf, order=leaf.order[rows]) for name, leaf in leaves.items()}  # type: ignore[index]
    measure = folded(measure, half, job.plan, job.folds, rows=rows)
    for name, leaf in half.items():
        try:
            ready[name] = prepare(measure, leaf, job.plan)
        except ArcuateError as error:
            ready[name], reason = None, reason or error
    out = []
    for x, y in pairs:
        first, second = ready[x], ready[y]
        value = np.full((1, 1), np.nan)
        if first is not None and second is not None:
            try:
                value = values_of(measure, first, second)
            except ArcuateError as error:
                reason = reason or error
        out.append(value)
    step(len(pairs))
    return out, reason


def _ceilings(
    job: Job, measure: Measure, cells: dict[_Pair, Cell], bounds: dict[tuple[str, str], Bound]
) -> tuple[dict[_Pair, tuple[Floats, Floats]], dict[_Pair, str], str]:
    """Ceilings of all pairs, by what; and why there are none."""
    if job.ceiling is None:
        return {}, dict.fromkeys(cells, "none: not asked for"), "not asked for"
    groups = seed_groups(job.leaves)
    trials = measure.takes == "trials"
    repeated = {name: trials or leaf.values.shape[1] > 1 for name, leaf in job.leaves.items()}

    def bound(name: str, by: str) -> Bound:
        if (name, by) not in bounds:
            if by == "repeats":
                made = repeat_bound(measure, job.leaves[name], job.plan, seed=job.seed)
            else:
                made = seed_bound(measure, [job.leaves[one] for one in groups[name]], job.plan)
            bounds[name, by] = made
        return bounds[name, by]

    out: dict[_Pair, tuple[Floats, Floats]] = {}
    told: dict[_Pair, str] = {}
    reasons: dict[str, None] = {}
    for (x, y), cell in cells.items():
        if x == y:
            continue
        mine: dict[str, None] = {}
        words = ("repeats", "seeds") if job.ceiling == "auto" else (job.ceiling,)
        for by in words:
            if by == "repeats" and job.ceiling == "auto" and not (repeated[x] or repeated[y]):
                continue
            if by == "seeds" and len(groups[x]) < 2 and len(groups[y]) < 2:
                continue
            same = groups[x] == groups[y]
            sides = (bound(x, by), None if same and by == "seeds" else bound(y, by))
            low, high, why = pair_ceiling(measure, *sides, by=by)
            if not why:
                shape = cell.value.shape
                out[x, y] = np.broadcast_to(low, shape), np.broadcast_to(high, shape)
                rough = any(side is not None and side.rough for side in sides)
                told[x, y] = by + (", a lower bound" if rough and measure.kind == "similarity" else "")
                break
            mine[why] = None
        if (x, y) not in out:
            told[x, y] = f"none: {'; '.join(mine) or _NO_CEILING}"
            reasons |= mine
    return out, told, "" if out else "; ".join(list(reasons)[:2]) or _NO_CEILING


def _without_regressing(job: Job, measure: Measure, pairs: list[_Pair]) -> dict[_Pair, Floats]:
    plan = replace(job.plan, regress=False)
    plain = {name: prepare(measure, leaf, plan) for name, leaf in job.leaves.items()}
    return {(x, y): values_of(measure, plain[x], plain[y]) for x, y in pairs}


def _notes(
    job: Job, measure: Measure, cells: dict[_Pair, Cell], known: tuple[dict[str, Prepared], dict[_Pair, str]]
) -> dict[_Pair, list[str]]:
    ready, lost = known
    notes = {(x, y): pair_notes(measure, ready[x], ready[y], job.axis) for x, y in cells if x != y}
    for pair, found in notes.items():
        if pair in lost:
            found.append(f"{measure.name}: {lost[pair]}")
        if cells[pair].note:
            found.append(cells[pair].note)
        elif job.orders is not None and job.orders.distinct < 19:
            least = 1 / (1 + job.orders.distinct)
            found.append(f"p cannot be below {least:.2g} with {job.orders.distinct} orders of the null")
        if job.orders is not None and job.orders.null == "shift":
            times = job.orders.n_steps / job.orders.lag
            if times < LONG:
                text = f"the recording lasts {times:.2g} autocorrelation times, of {job.orders.lag} steps"
                found.append(f"{text}; below {LONG} of them p by shifts is too small: record for longer")
    return notes
