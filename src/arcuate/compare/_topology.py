"""Topological RSA: only who is a neighbor of whom is compared, not how far away the far are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import squareform

from arcuate._inputs import Floats
from arcuate.compare._comparators import COMPARATORS
from arcuate.compare._inputs import rank_of
from arcuate.compare._rdm import LEAST, as_rdm, labeled, matched
from arcuate.errors import SpecError, check_choice, check_real
from arcuate.rng import stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["TopologicalRSA", "geo_topological", "topological_rsa"]

_GRID = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def geo_topological(rdm: ArrayLike, *, lower: float, upper: float) -> xr.DataArray:
    """Cut small dissimilarities to 0 and large ones to 1 (Lin and Kriegeskorte 2024).

    With q the quantiles of the matrix, clip((d - q_lower) / (q_upper - q_lower), 0, 1).

    Parameters
    ----------
    rdm : array_like or DataArray, (n_stimuli, n_stimuli) or (n_pairs,)
    lower, upper : float
        Quantiles, ``0 <= lower < upper <= 1``.

    Returns
    -------
    DataArray, (stimulus, stimulus_2)

    Raises
    ------
    SpecError
        If the quantiles do not ascend, or it is not a matrix of dissimilarities.

    Examples
    --------
    >>> cut = geo_topological([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], lower=0.2, upper=0.8)
    >>> cut.values[0].round(2).tolist()
    [0.0, 0.0, 0.0, 0.33]
    """
    where = "geo_topological"
    low, high = _quantiles(lower, upper, where)
    pairs, labels = as_rdm(rdm, where=where, name="rdm")
    return labeled(_cut(pairs, low, high), labels, "geo-topological")


@dataclass(frozen=True, kw_only=True)
class TopologicalRSA:
    """A topological comparison whose quantiles were chosen on other stimuli than those of its score.

    Attributes
    ----------
    score : float
        On the half of the stimuli that was held out.
    selected : float
        Best score on the half that chose: too high, as every maximum is.
    lower, upper : float
        The quantiles chosen.
    scan : DataArray, (lower, upper)
        Scores over all stimuli; NaN where the quantiles do not ascend or nothing is left to compare.
    held_out : ndarray
        Labels, or rows, of the stimuli held out.
    """

    score: float
    selected: float
    lower: float
    upper: float
    scan: xr.DataArray
    held_out: np.ndarray


def topological_rsa(
    x: ArrayLike,
    y: ArrayLike,
    *,
    quantiles: Sequence[float] = _GRID,
    comparator: str = "corr",
    seed: int = 0,
) -> TopologicalRSA:
    """Compare what is left of two matrices after cuts at quantiles, chosen on one half of the stimuli.

    Parameters
    ----------
    x, y : array_like or DataArray, (n_stimuli, n_stimuli) or (n_pairs,)
        As in `rdm_similarity`; at least 6 stimuli.
    quantiles : sequence of float
        Tried as lower and as upper one.
    comparator : str
        As in `rdm_similarity`, one of those for which more is more alike.
    seed : int
        Of the halves.

    Returns
    -------
    TopologicalRSA

    Raises
    ------
    SpecError
        As `rdm_similarity`; also too few stimuli or quantiles.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import rdm
    >>> angle = np.linspace(0, 6, 20)
    >>> ring = rdm(np.stack([np.cos(angle), np.sin(angle)], axis=1))
    >>> round(topological_rsa(ring, ring**2).score, 2) > 0.9
    True
    """
    import xarray as xr

    where = "topological_rsa"
    similar = [name for name, compare in COMPARATORS.items() if compare.kind == "similarity"]
    check_choice(comparator, similar, where=where, name="comparator")
    if rank_of(quantiles) != 1:
        bound = "must be a list of numbers from 0 to 1"
        raise SpecError.of(where=where, name="quantiles", value=quantiles, bound=bound)
    levels = sorted({check_real(q, where=where, name="quantiles", low=0, high=1) for q in quantiles})
    if len(levels) < 2:
        raise SpecError.of(where=where, name="quantiles", value=quantiles, bound="needs >= 2 that differ")
    found, labels = matched((x, y), where=where, names=("x", "y"))
    squares = [squareform(pairs, checks=False) for pairs in found]
    n = len(squares[0])
    if n < 2 * LEAST:
        raise SpecError.of(where=where, name="x", value=n, bound=f"needs >= {2 * LEAST} stimuli")
    order = stream(seed, "compare/topological_rsa").permutation(n)
    halves = np.sort(order[: n // 2]), np.sort(order[n // 2 :])
    parts = [[squareform(s[np.ix_(half, half)], checks=False) for s in squares] for half in halves]
    chosen = _scan(parts[0], levels, comparator)
    if np.isnan(chosen).all():
        bound = "have nothing to compare on half of the stimuli: dissimilarities are equal there"
        raise SpecError.of(where=where, name="x or y", bound=bound)
    low, high = np.unravel_index(np.nanargmax(chosen), chosen.shape)
    dims = ("lower", "upper")
    scan = xr.DataArray(
        _scan(found, levels, comparator), dims=dims, coords=dict.fromkeys(dims, levels), name=comparator
    )
    return TopologicalRSA(
        score=_score(parts[1], levels[low], levels[high], comparator),
        selected=float(chosen[low, high]),
        lower=levels[low],
        upper=levels[high],
        scan=scan,
        held_out=halves[1] if labels is None else labels[halves[1]],
    )


def _quantiles(lower: float, upper: float, where: str) -> tuple[float, float]:
    low = check_real(lower, where=where, name="lower", low=0, high=1)
    high = check_real(upper, where=where, name="upper", low=0, high=1)
    if low >= high:
        raise SpecError.of(where=where, name="upper", value=high, bound=f"must be > lower = {low:g}")
    return low, high


def _cut(pairs: Floats, lower: float, upper: float) -> Floats:
    low, high = np.quantile(pairs, (lower, upper))
    if low == high:  # ties: what is left is who is farther than that
        return (pairs > low).astype(np.float64)
    return np.clip((pairs - low) / (high - low), 0, 1)


def _score(vectors: list[Floats], lower: float, upper: float, comparator: str) -> float:
    """Score of two matrices after the same cuts; NaN where one has nothing left to compare."""
    compare = COMPARATORS[comparator]
    cut = [_cut(pairs, lower, upper) for pairs in vectors]
    if any(pairs.min() == pairs.max() for pairs in cut):
        return float("nan")
    return compare.score(*(compare.prepare(pairs) for pairs in cut))


def _scan(vectors: list[Floats], levels: list[float], comparator: str) -> Floats:
    return np.array(
        [
            [_score(vectors, low, high, comparator) if low < high else np.nan for high in levels]
            for low in levels
        ]
    )
