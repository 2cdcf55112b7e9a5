"""How alike two matrices of dissimilarities are: each comparator prepares one matrix and scores two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import cholesky, eigvalsh, helmert, solve_triangular
from scipy.optimize import minimize
from scipy.spatial.distance import squareform

from arcuate._inputs import Floats, as_real
from arcuate._jit import compiled
from arcuate.compare._inputs import warn
from arcuate.compare._measure import refit
from arcuate.compare._rdm import matched
from arcuate.compare._rsa_kernels import average_ranks, permuted_concordance, permuted_products
from arcuate.errors import SpecError, check_choice

__all__ = ["COMPARATORS", "Comparator", "rdm_similarity", "warn_cosine"]


@dataclass(frozen=True, kw_only=True)
class Comparator:
    """A way to compare two vectors of pairs (the diagonal is never among them).

    `prepare` makes of one vector what `score` and `null` take; `null` knows the other orders of the second
    one's stimuli. `pool` makes of several vectors the one that is, or nearly is, most like all of them. To
    prepare the pairs of n stimuli takes at most `peak` n^2 bytes, themselves counted.
    """

    prepare: Callable[[Floats], Any]
    score: Callable[[Any, Any], float]
    null: Callable[[Any, Any, np.ndarray], Floats]
    pool: Callable[[Floats], Floats]
    kind: str = "similarity"
    low: float = -1.0
    high: float = 1.0
    symmetric: bool = True
    peak: int = 64


def rdm_similarity(
    x: ArrayLike, y: ArrayLike, *, comparator: str = "rho-a", covariance: ArrayLike | None = None
) -> float:
    r"""Compare two matrices of dissimilarities (RDMs) of the same stimuli.

    Parameters
    ----------
    x, y : array_like or DataArray, (n_stimuli, n_stimuli) or (n_pairs,)
        Where both have labels, stimuli are matched by label; else the order counts. A vector holds the upper
        triangle, row by row. The diagonal is not compared.
    comparator : str
        ``"rho-a"``: 12 times the sum of products of centered ranks over m^3 - m, for m pairs: what Spearman's
        correlation is on average when ties are broken at random (Schuett et al. 2023). ``"spearman"``,
        ``"corr"`` (Pearson), ``"cosine"``; ``"tau-a"`` and ``"tau-b"`` (Kendall; tau-a keeps ties in its
        denominator). ``"cosine_cov"`` and ``"corr_cov"``: cosine, and correlation, of vectors whitened by the
        covariance of dissimilarities that share stimuli (Diedrichsen et al. 2021). ``"bures"``: fidelity of
        the two centered second moments, ``"bures_metric"`` its squared distance (less is more alike); where
        these are not those of any patterns, negative directions of the first are left out.
        ``"neg_riem_dist"``: minus the distance of second moments along the cone of positive ones, the first
        scaled and lifted to fit (You and Park 2022); not symmetric.
    covariance : array_like, (n_stimuli,) or (n_stimuli, n_stimuli), optional
        Of ``"cosine_cov"`` and ``"corr_cov"``: covariance of the noise of the patterns; a vector is its
        diagonal. As a default, equal and independent.

    Returns
    -------
    float

    Raises
    ------
    SpecError
        If a matrix is not square, symmetric, finite, with a diagonal of 0; if labels differ or stand twice;
        if it holds nothing to compare (all dissimilarities equal or 0).

    Warns
    -----
    ArcuateWarning
        For the cosine, whitened or not, of two matrices without negative entries, which is high whatever
        the systems.

    Examples
    --------
    >>> x, y = [1.0, 2.0, 3.0], [1.0, 3.0, 2.0]
    >>> [round(rdm_similarity(x, y, comparator=name), 3) for name in ("rho-a", "tau-a", "corr_cov")]
    [0.5, 0.333, 0.5]
    """
    where = "rdm_similarity"
    check_choice(comparator, COMPARATORS, where=where, name="comparator")
    (first, second), _ = matched((x, y), where=where, names=("x", "y"))
    warn_cosine(np.concatenate([first, second]), comparator, where)
    if covariance is not None:
        if not comparator.endswith("_cov"):
            bound = "belongs to cosine_cov and corr_cov"
            raise SpecError.of(where=where, name="covariance", value=f"with {comparator}", bound=bound)
        mean = comparator == "corr_cov"
        a, b = (_generalized(pairs - mean * pairs.mean(), covariance, where) for pairs in (first, second))
        return float(np.vdot(a, b) / np.sqrt(np.vdot(a, a) * np.vdot(b, b)))
    compare = COMPARATORS[comparator]
    return compare.score(compare.prepare(first), compare.prepare(second))


def warn_cosine(pairs: Floats, comparator: str, where: str) -> None:
    """Warn of the cosine, whitened or not, of vectors of which all entries are positive."""
    if comparator in ("cosine", "cosine_cov") and (pairs >= 0).all():
        warn(
            f"{where}: the {comparator} of dissimilarities that are all positive is high whatever the "
            'systems; take comparator="rho-a" or "corr", or crossnobis dissimilarities'
        )


class _Vector(NamedTuple):
    """Pairs, and what stands on the diagonal of a second moment; the score is the inner product."""

    pairs: Floats
    diagonal: Floats


def _product(first: _Vector, second: _Vector) -> float:
    score = float(first.pairs @ second.pairs + first.diagonal @ second.diagonal)
    return min(max(score, -1.0), 1.0)


def _starts(n: int) -> np.ndarray:
    """Place of the pair (i, j > i) minus j, for each i."""
    i = np.arange(n)
    return i * (2 * n - i - 1) // 2 - i - 1


def _stimuli(pairs: Floats) -> int:
    return round((1 + (1 + 8 * pairs.size) ** 0.5) / 2)


def _products_null(first: _Vector, second: _Vector, orders: np.ndarray) -> Floats:
    orders = np.ascontiguousarray(orders, dtype=np.int64)
    out = np.empty(len(orders))
    starts = _starts(orders.shape[1])
    compiled(permuted_products, reassociate=True)(first.pairs, second.pairs, starts, orders, out)
    if first.diagonal.size:
        out += second.diagonal[orders] @ first.diagonal
    return np.clip(out, -1, 1)


_NONE = np.empty(0)


def _unit(pairs: Floats, diagonal: Floats = _NONE) -> _Vector:
    """Vector of unit length, in which a pair counts once and the diagonal as much as it holds."""
    size = np.sqrt(pairs @ pairs + diagonal @ diagonal)
    if not size > 0:
        bound = "are all 0: there is nothing to compare"
        raise SpecError.of(where="rsa", name="dissimilarities", bound=bound)
    return _Vector(pairs / size, diagonal / size)


def _spread(pairs: Floats) -> Floats:
    """Refuse dissimilarities of which no two differ."""
    if pairs.min() == pairs.max():
        bound = f"are all {pairs[0]:.6g}: none is larger than another"
        fix = 'compare systems that tell stimuli apart, or take comparator="cosine_cov"'
        raise SpecError.of(where="rsa", name="dissimilarities", bound=bound, fix=fix)
    return pairs


def _ranks(pairs: Floats) -> Floats:
    """Ranks about their mean; ties share theirs. As `scipy.stats.rankdata`, in a third of its memory."""
    ranks = np.empty(pairs.size)
    compiled(average_ranks)(pairs, np.argsort(_spread(pairs)), ranks)
    ranks -= (pairs.size + 1) / 2
    return ranks


def _rho_a(pairs: Floats) -> _Vector:
    m = float(pairs.size)
    ranks = _ranks(pairs)
    ranks *= np.sqrt(12 / (m**3 - m))
    return _Vector(ranks, _NONE)


def _deviations(pairs: Floats) -> Floats:
    away = _spread(pairs) - pairs.mean()
    return away - away.mean()


def _moment(pairs: Floats) -> Floats:
    """Second moment of patterns about their mean that have these squared distances (Torgerson 1958)."""
    gram = squareform(pairs, checks=False) / -2
    rows = gram.mean(axis=0)
    gram -= rows
    gram -= rows[:, None] - rows.mean()
    return gram


def _whitened(pairs: Floats) -> _Vector:
    """Vector whose inner product is that of pairs whitened by the covariance of those that share stimuli.

    For equal, independent noise it is that of the centered second moments (Diedrichsen et al. 2021, eq. 27).
    """
    gram = _moment(pairs)
    return _unit(squareform(gram, checks=False) * np.sqrt(2), np.diag(gram).copy())


def _generalized(pairs: Floats, covariance: ArrayLike, where: str) -> Floats:
    """Second moment in contrasts of stimuli in which the given noise is equal and independent."""
    n = _stimuli(pairs)
    noise = as_real(covariance, where=where, name="covariance").astype(np.float64, copy=False)
    noise = np.diag(noise) if noise.ndim == 1 else noise
    if noise.shape != (n, n) or not np.allclose(noise, noise.T):
        bound = f"must be a symmetric matrix, or a vector, of {n} stimuli"
        raise SpecError.of(where=where, name="covariance", value=f"shape {noise.shape}", bound=bound)
    contrasts = helmert(n)
    try:
        lower = cholesky(contrasts @ noise @ contrasts.T, lower=True)
    except np.linalg.LinAlgError as cause:
        raise SpecError.of(where=where, name="covariance", bound="must be positive definite") from cause
    rows = solve_triangular(lower, contrasts, lower=True)
    return rows @ squareform(pairs, checks=False) @ rows.T


class _Ranked(NamedTuple):
    """Ranks from 1 without gaps, what sorts them, and how many couples do not tie."""

    ranks: np.ndarray
    sequence: np.ndarray
    untied: float


def _ranked(pairs: Floats) -> _Ranked:
    from scipy.stats import rankdata

    ranks = rankdata(_spread(pairs), method="dense").astype(np.int32)
    count = np.bincount(ranks).astype(float)
    couples = pairs.size * (pairs.size - 1) / 2
    return _Ranked(ranks, np.argsort(ranks, kind="stable"), couples - float(count @ (count - 1)) / 2)


def _concordance(first: _Ranked, second: _Ranked, orders: np.ndarray) -> Floats:
    orders = np.ascontiguousarray(orders, dtype=np.int64)
    out = np.empty(len(orders))
    counts = np.empty(second.ranks.max() + 1, dtype=np.int32)
    compiled(permuted_concordance)(
        first.ranks, first.sequence, second.ranks, _starts(orders.shape[1]), orders, counts,
        np.empty_like(second.ranks), out,
    )  # fmt: skip
    return out


def _tau(name: str) -> Comparator:
    def null(first: _Ranked, second: _Ranked, orders: np.ndarray) -> Floats:
        size = first.ranks.size
        couples = size * (size - 1) / 2 if name == "tau-a" else np.sqrt(first.untied * second.untied)
        return _concordance(first, second, orders) / couples

    def score(first: _Ranked, second: _Ranked) -> float:
        return float(null(first, second, np.arange(_stimuli(first.ranks))[None])[0])

    return Comparator(prepare=_ranked, score=score, null=null, pool=_mean_ranks, peak=36)


class _Moments(NamedTuple):
    """A centered second moment, its root, and its trace."""

    gram: Floats
    root: Floats
    trace: float


def _moments(pairs: Floats) -> _Moments:
    gram = _moment(pairs)
    values, vectors = np.linalg.eigh(gram)
    root = (vectors * np.sqrt(_clear(values))) @ vectors.T
    if not (trace := float(np.trace(gram))) > 0:
        bound = f"have a mean of {2 * trace / len(gram):.3g}, must have one above 0"
        raise SpecError.of(where="rsa", name="dissimilarities", bound=bound)
    return _Moments(gram, root, trace)


def _clear(values: np.ndarray) -> Floats:
    """Set to 0 what is 0 but for rounding: its root would not be small."""
    return np.where(values < 1e-14 * len(values) * values[-1], 0, values)


def _fidelity(first: _Moments, second: _Moments) -> float:
    return float(np.sqrt(_clear(np.linalg.eigvalsh(first.root @ second.gram @ first.root))).sum())


def _bures(first: _Moments, second: _Moments) -> float:
    return _fidelity(first, second) / float(np.sqrt(first.trace * second.trace))


def _bures_metric(first: _Moments, second: _Moments) -> float:
    return first.trace + second.trace - 2 * _fidelity(first, second)


def _reordered(form: _Moments, order: np.ndarray) -> _Moments:
    both = np.ix_(order, order)
    return _Moments(form.gram[both], form.root[both], form.trace)


def _positive(pairs: Floats) -> Floats:
    """Second moment, which must have a direction for each stimulus but one."""
    gram = _moment(pairs)
    values = np.linalg.eigvalsh(gram)
    if values[1] <= 1e-12 * values[-1]:
        bound = f"must be those of {len(gram)} patterns in general position (fewer units than stimuli?)"
        raise SpecError.of(
            where="rsa", name="dissimilarities", bound=bound, fix='comparator="bures" has no such need'
        )
    return gram


def _riemann(first: Floats, second: Floats) -> float:
    contrasts = helmert(len(first))
    a, b = (contrasts @ gram @ contrasts.T for gram in (first, second))

    def distance(theta: Floats) -> float:
        lifted = np.exp(theta[0]) * a + np.exp(theta[1]) * np.eye(len(a))
        return float(np.sqrt((np.log(eigvalsh(lifted, b)) ** 2).sum()))

    start = np.log(np.trace(b) / np.trace(a)), np.log(np.trace(b) / len(b)) - 5
    return -float(minimize(distance, start, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-9}).fun)


def _mean_ranks(vectors: Floats) -> Floats:
    from scipy.stats import rankdata

    return rankdata(vectors, axis=1).mean(axis=0)


def _mean_unit(vectors: Floats) -> Floats:
    return (vectors / np.sqrt((vectors**2).mean(axis=1, keepdims=True))).mean(axis=0)


def _mean_score(vectors: Floats) -> Floats:
    away = vectors - vectors.mean(axis=1, keepdims=True)
    return (away / away.std(axis=1, keepdims=True)).mean(axis=0)


def _mean(vectors: Floats) -> Floats:
    return vectors.mean(axis=0)


def _inner(
    prepare: Callable[[Floats], _Vector], pool: Callable[[Floats], Floats], peak: int = 16
) -> Comparator:
    return Comparator(prepare=prepare, score=_product, null=_products_null, pool=pool, peak=peak)


COMPARATORS: dict[str, Comparator] = {
    "rho-a": _inner(_rho_a, _mean_ranks),
    "spearman": _inner(lambda pairs: _unit(_ranks(pairs)), _mean_ranks),
    "corr": _inner(lambda pairs: _unit(_deviations(pairs)), _mean_score),
    "cosine": _inner(_unit, _mean_unit),
    "corr_cov": _inner(lambda pairs: _whitened(_deviations(pairs)), _mean_score, 32),
    "cosine_cov": _inner(_whitened, _mean_unit, 32),
    "tau-a": _tau("tau-a"),
    "tau-b": _tau("tau-b"),
    "bures": Comparator(
        prepare=_moments, score=_bures, null=refit(_bures, _reordered), pool=_mean_unit, low=0.0,
        symmetric=False,
    ),
    "bures_metric": Comparator(
        prepare=_moments, score=_bures_metric, null=refit(_bures_metric, _reordered), pool=_mean,
        kind="distance", low=0.0, high=np.inf, symmetric=False,
    ),
    "neg_riem_dist": Comparator(
        prepare=_positive, score=_riemann, pool=_mean, low=-np.inf, high=0.0, symmetric=False,
        null=refit(_riemann, lambda gram, order: gram[np.ix_(order, order)]),
    ),
}  # fmt: skip
"""Comparators by name."""
