"""Is one pair of systems more alike than another: the difference itself, not two p values."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from arcuate._inputs import Floats
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.compare._folds import check_folds, folded
from arcuate.compare._inputs import warn
from arcuate.compare._measure import Measure
from arcuate.compare._prepared import prepare
from arcuate.compare._registry import measure_of, settled
from arcuate.compare._scoring import LEAST_FOR_HALVES, MOST_LOST, Job, half_scores, run, spread, values_of
from arcuate.compare._states import chosen, joined, leaves_of
from arcuate.compare._within import plan_of
from arcuate.compare.inference import half_samples, p_value
from arcuate.errors import ArcuateError, ArcuateWarning, SpecError, check_int
from arcuate.rng import check_seed, stream

__all__ = ["PairedDifference", "compare_pairs"]

MOST_LABELINGS = 10_000
"""Labelings that are all tried; of more, as many are drawn (chosen)."""


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """How much more alike one pair of systems is than another.

    Parameters
    ----------
    measure : str
    first, second : float
        Score of either pair, the mean over its leaves.
    estimate : float
        The difference; above 0 the first pair is more alike, for similarities and for distances.
    low, high : float
        Ends of a 95 % interval over stimuli, and over seeds where a side has several leaves.
    p : float
        Two-sided, of no difference, by the same spread.
    p_labels : float
        Two-sided, by permuting which system each seed belongs to. NaN if the pairs share no side, or there
        are too few seeds for any p below 0.05.
    n_stimuli, n_boot : int

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import compare_pairs
    >>> x, y, noise = np.random.default_rng(0).standard_normal((3, 40, 5))
    >>> states = {"brain": x, "near": x + 0.3 * noise, "far": x + 3 * y}
    >>> found = compare_pairs(states, ("near", "brain"), ("far", "brain"), n_boot=99)
    >>> found.low > 0, found.p
    (True, 0.01)
    """

    measure: str
    first: float
    second: float
    estimate: float
    low: float
    high: float
    p: float
    p_labels: float
    n_stimuli: int
    n_boot: int


def compare_pairs(
    states: Any,
    first: Sequence[Any],
    second: Sequence[Any],
    *,
    measure: str | Measure = "cka",
    samples: Any = "stimulus",
    within: Any = "mean",
    folds: Any = None,
    join: str = "exact",
    dims: Any = None,
    n_boot: int = 1000,
    seed: int = 0,
    n_jobs: int = 1,
    progress: ProgressOption = None,
) -> PairedDifference:
    """Ask whether one pair of systems is more alike than another, such as A and B more than C and B.

    Both pairs are scored on the same halves of the stimuli, so that what is common to both cancels.

    Parameters
    ----------
    states, measure, samples, within, folds, join, dims
        As in `compare`; one measure that gives one score of each pair.
    first, second : (str, str)
        The pairs: names, systems or globs. What picks several leaves (seeds) is averaged, and its spread
        over them is part of the interval.
    n_boot : int
        Halves of the stimuli.
    seed : int
    n_jobs : int
        Threads; no number depends on it.
    progress : bool, callable or None

    Returns
    -------
    PairedDifference

    Raises
    ------
    SpecError
        As `compare`; if there are fewer than 8 stimuli, both pairs are the same, or more than a tenth of the
        halves give no score.

    Warns
    -----
    ArcuateWarning
        If a score is not defined (NaN): then so are interval and p. If some halves give no score.

    References
    ----------
    J. Shao & C. F. J. Wu, Annals of Statistics 17 (1989) 1176, doi:10.1214/aos/1176347263.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import compare_pairs
    >>> x, noise = np.random.default_rng(1).standard_normal((2, 30, 4))
    >>> states = {"a": x, "b": x + noise, "c": x + noise[::-1]}
    >>> bool(compare_pairs(states, ("a", "b"), ("a", "c"), n_boot=199).p > 0.05)
    True
    """
    where = "compare_pairs"
    check_progress(progress, where=where)
    check_int(n_boot, where=where, name="n_boot", low=19)
    check_int(n_jobs, where=where, name="n_jobs")
    seed = check_seed(seed)
    made = measure_of(measure)
    check_folds([made], folds, where=where)
    leaves = leaves_of(states, dims)
    sides = [_pair(leaves, pair, name) for pair, name in ((first, "first"), (second, "second"))]
    turned = made.symmetric and sides[0] == sides[1][::-1]
    if sides[0] == sides[1] or turned:
        raise SpecError.of(where=where, name="second", value=second, bound="must differ from the first pair")
    names = dict.fromkeys(name for pair in sides for side in pair for name in side)
    labels, used = joined({name: leaf for name, leaf in leaves.items() if name in names}, join)
    plan = plan_of(used, samples=samples, within=within, regress_out=None)
    made = settled(made, used, plan, progress=progress)
    if len(labels) < LEAST_FOR_HALVES or plan.within == "matrix":
        bound = f"needs one score of a pair, and >= {LEAST_FOR_HALVES} stimuli; has {len(labels)}"
        raise SpecError.of(where=where, name="states", bound=bound)
    job = Job(leaves=used, labels=labels, sides=sides[0], plan=plan, orders=None, seed=seed, n_jobs=n_jobs,
              ceiling=None, n_boot=n_boot, correction=None, join=join, folds=folds)  # fmt: skip
    pairs = list(dict.fromkeys((x, y) for one, other in sides for x in one for y in other))
    with warnings.catch_warnings(), progress_bar(progress, n_boot, title=where, unit="half") as advance:
        warnings.simplefilter("ignore", ArcuateWarning)  # `compare` tells what speaks against a score
        fitted = folded(made, used, plan, folds)
        ready = {name: prepare(fitted, leaf, plan) for name, leaf in used.items()}
        whole = np.array([values_of(fitted, ready[x], ready[y])[0, 0] for x, y in pairs])
        step = (lambda _: None) if advance is None else (lambda _: advance(1))
        calls = [(job, made, pairs, (rows, step)) for rows in half_samples(len(labels), n_boot, seed)]
        found = list(run(job, half_scores, calls))
    halves = np.array([[one[0, 0] for one in scores] for scores, _ in found])
    if np.isnan(whole).any():
        x, y = pairs[int(np.flatnonzero(np.isnan(whole))[0])]
        warn(f"{where}: {made.name} of {x!r} and {y!r} is not defined (NaN): neither are interval and p")
        halves[:] = np.nan
    else:
        halves = _usable(halves, next((error for _, error in found if error is not None), None))
    return _summary(made, sides, (pairs, whole, halves), job)


def _usable(halves: Floats, reason: ArcuateError | None) -> Floats:
    """Halves of which all pairs have a score; too few of them are refused."""
    text = spread(halves, reason)[1]
    kept = halves[~np.isnan(halves).any(axis=1)]
    if len(halves) - len(kept) > MOST_LOST * len(halves):
        if not len(kept) and reason is not None:
            raise reason
        fix = "compare over more stimuli"
        raise SpecError.of(where="compare_pairs", name="states", bound=text.split(":")[0], fix=fix)
    if text:
        warn(f"compare_pairs: {text}; interval and p are from the others")
    return kept


def _pair(leaves: Any, pair: Any, name: str) -> tuple[list[str], list[str]]:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise SpecError.of(where="compare_pairs", name=name, value=pair, bound="must name two systems")
    one, other = (chosen(leaves, side, name=name) for side in pair)
    if set(one) & set(other):
        bound = "must name two systems without a common leaf"
        raise SpecError.of(where="compare_pairs", name=name, value=pair, bound=bound)
    return one, other


def _summary(
    measure: Measure, sides: list[tuple[list[str], list[str]]], scores: tuple[Any, ...], job: Job
) -> PairedDifference:
    """Estimate, spread and p values from the scores of all pairs, whole and by halves."""
    pairs, whole, halves = scores
    sign = -1.0 if measure.kind == "distance" else 1.0
    place = {pair: k for k, pair in enumerate(pairs)}
    tables = [np.array([[place[x, y] for y in other] for x in one]) for one, other in sides]
    means = [float(whole[table].mean()) for table in tables]
    estimate = sign * (means[0] - means[1])
    rng = stream(job.seed, "compare/seeds")
    draws = np.empty(len(halves))
    for k, row in enumerate(halves):
        taken = {tuple(side): rng.integers(0, len(side), len(side)) for pair in sides for side in pair}
        grids = [np.ix_(taken[tuple(one)], taken[tuple(other)]) for one, other in sides]
        first, second = (row[table[grid]].mean() for table, grid in zip(tables, grids, strict=True))
        draws[k] = sign * (first - second)
    low, high = estimate + spread(draws)[0]
    p = p_value(abs(estimate), np.abs(draws - draws.mean()))
    return PairedDifference(
        measure=measure.name,
        first=means[0],
        second=means[1],
        estimate=estimate,
        low=float(low),
        high=float(high),
        p=float(p),
        p_labels=_by_labels(sides, whole, tables, job.seed),
        n_stimuli=len(job.labels),
        n_boot=len(halves),
    )


def _by_labels(
    sides: list[tuple[list[str], list[str]]], whole: Floats, tables: list[np.ndarray], seed: int
) -> float:
    """P value by permuting which of two systems a seed belongs to, the other side being shared."""
    (a, b), (c, d) = sides
    if b == d:
        rows = [whole[tables[0]].mean(axis=1), whole[tables[1]].mean(axis=1)]
        shared = set(a) & set(c)
    elif a == c:
        rows = [whole[tables[0]].mean(axis=0), whole[tables[1]].mean(axis=0)]
        shared = set(b) & set(d)
    else:
        return math.nan
    n, total = len(rows[0]), len(rows[0]) + len(rows[1])
    count = math.comb(total, n)
    if shared or count < 20:
        return math.nan
    values = np.concatenate(rows)
    observed = abs(rows[0].mean() - rows[1].mean())
    if count <= MOST_LABELINGS:
        chosen_ = np.array(list(combinations(range(total), n)))
    else:
        rng = stream(seed, "compare/labels")
        chosen_ = np.array([np.arange(n), *(rng.permutation(total)[:n] for _ in range(MOST_LABELINGS))])
    sums = values[chosen_].sum(axis=1)
    away = np.abs(sums / n - (values.sum() - sums) / (total - n))
    return float(np.mean(away >= observed - 1e-12))
