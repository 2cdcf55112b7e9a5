"""Alignment across repeats: what two systems share beyond the noise of single repeats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats
from arcuate.compare._gram import Gram, center_gram, empty_gram, inner, permuted_inner
from arcuate.compare._inputs import as_repeats, centered, one_size, ordered, varying, warn
from arcuate.compare._measure import Measure

__all__ = ["REPEATS", "cka_cross", "cka_cross_measure", "crossed"]

REPEATS = 4


@dataclass(frozen=True, eq=False)
class _Crossed:
    """A system of repeats: its cross-repeat Gram, and the norm of that without noise."""

    gram: Gram
    norm: float


def cka_cross(x: ArrayLike, y: ArrayLike) -> float:
    """Debiased alignment of two systems without the noise of their repeats.

    Debiasing corrects for finitely many units, not for noise: the alignment of means over few repeats is
    too low. Here every Gram is made of products of different repeats, in which independent noise has mean 0,
    and each denominator of products of two such Grams that share no repeat.

    Parameters
    ----------
    x, y : array_like, (n_samples, n_repeats, n_units)
        At least 4 repeats; their numbers may differ. A DataArray may have ``"repeat"`` anywhere.

    Returns
    -------
    float
        Not bounded: an unbiased ratio can lie above 1. NaN, with a warning, if a denominator is not positive.

    Raises
    ------
    SpecError
        If there are fewer than 4 samples or repeats, or the states cannot be compared.

    Warns
    -----
    ArcuateWarning
        If the repeats of a system share nothing: its norm without noise is not positive.

    Notes
    -----
    With ``K_A`` the mean over ``r != s`` in A of the symmetrized ``X_r X_s'``, U-centered: the numerator is
    ``<K, L>`` over all repeats, the denominator of x ``<K_A, K_B>`` over the first and the second half.
    This estimator is our own.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import cka, cka_cross
    >>> rng = np.random.default_rng(0)
    >>> signal = (rng.normal(size=(60, 3)) @ rng.normal(size=(3, 80)))[:, None]
    >>> x, y = (signal + 4 * rng.normal(size=(60, 4, 80)) for _ in range(2))
    >>> round(cka(x.mean(axis=1), y.mean(axis=1)), 1), round(cka_cross(x, y), 1)
    (0.9, 1.0)
    """
    where = "cka_cross"
    first = as_repeats(x, where=where, name="x", least_repeats=REPEATS)
    second = as_repeats(y, where=where, name="y", least_repeats=REPEATS)
    order = ordered(x, y, where=where)
    one_size(first, second, where=where)
    second = second[order]
    return _score(_prepare(first, name="x"), _prepare(second, name="y"))


def cka_cross_measure() -> Measure:
    """Alignment across repeats as a `Measure`.

    Returns
    -------
    Measure
        Takes repeats.

    Examples
    --------
    >>> from arcuate.compare import cka_cross_measure
    >>> cka_cross_measure().takes
    'repeats'
    """
    return Measure(
        name="cka_cross",
        kind="similarity",
        low=-np.inf,
        high=np.inf,
        symmetric=True,
        invariances=("rotation", "scale", "shift", "permutation"),
        takes="repeats",
        prepare=_prepare,
        score=_score,
        null=_null,
        pooled=True,
    )


def _prepare(states: Floats, *, name: str = "x") -> _Crossed:
    where = "cka_cross"
    varying(states.reshape(len(states), -1), where=where, name=name)
    states = centered(states)
    states /= np.max(np.abs(states))
    half = states.shape[1] // 2
    square = inner(crossed(states[:, :half]), crossed(states[:, half:]))
    if not square > 0:
        warn(f"{where}: {name}: repeats have nothing in common (norm without noise {square:.3g}): NaN")
    return _Crossed(crossed(states), float(np.sqrt(square)) if square > 0 else float("nan"))


def crossed(states: Floats) -> Gram:
    """U-centered mean of the products of different repeats: all pairs less those of a repeat with itself."""
    n, n_repeats, _ = states.shape
    total, single = states.sum(axis=1), states.reshape(n, -1)
    matrix = empty_gram(n)
    for start in range(0, n, 512):
        rows = slice(start, start + 512)
        matrix[rows] = total[rows] @ total.T - single[rows] @ single.T
    matrix /= n_repeats * (n_repeats - 1)
    return Gram(debiased=True, given=center_gram(matrix, debiased=True))


def _score(first: _Crossed, second: _Crossed) -> float:
    return inner(first.gram, second.gram) / (first.norm * second.norm)


def _null(first: _Crossed, second: _Crossed, orders: np.ndarray) -> Floats:
    return permuted_inner(first.gram, second.gram, orders) / (first.norm * second.norm)
