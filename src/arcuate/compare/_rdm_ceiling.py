"""How well the best possible model could do, given how much subjects or seeds differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats
from arcuate.compare._comparators import COMPARATORS, warn_cosine
from arcuate.compare._rdm import matched
from arcuate.errors import SpecError, check_choice

__all__ = ["RDMCeiling", "rdm_noise_ceiling"]


@dataclass(frozen=True, kw_only=True)
class RDMCeiling:
    """Bounds of the similarity that the true model would reach.

    Attributes
    ----------
    lower, upper : float
        Means over subjects of the similarity with the pool of all others, and of all.
    each_lower, each_upper : ndarray, (n_subjects,)
        What these are means of.
    comparator : str
    """

    lower: float
    upper: float
    each_lower: Floats
    each_upper: Floats
    comparator: str


def rdm_noise_ceiling(rdms: Sequence[ArrayLike], *, comparator: str = "rho-a") -> RDMCeiling:
    """Noise ceiling over subjects, or seeds, of one system (Nili et al. 2014).

    Each matrix is normed as the comparator norms it before they are pooled: ranks, unit length or z-scores.

    Parameters
    ----------
    rdms : sequence of array_like or DataArray
        One matrix, or vector of pairs, for each subject, at least 2; matched by label where they have any.
    comparator : str
        As in `rdm_similarity`.

    Returns
    -------
    RDMCeiling

    Raises
    ------
    SpecError
        If there are fewer than 2, or as `rdm_similarity`.

    Warns
    -----
    ArcuateWarning
        For the cosine, whitened or not, of matrices without negative entries.

    Examples
    --------
    >>> ceiling = rdm_noise_ceiling([[1, 2, 3], [1, 3, 2], [1, 2, 3]])
    >>> round(ceiling.lower, 3), round(ceiling.upper, 3)
    (0.667, 0.833)
    """
    where = "rdm_noise_ceiling"
    check_choice(comparator, COMPARATORS, where=where, name="comparator")
    if not hasattr(rdms, "__len__") or getattr(rdms, "ndim", 1) == 0:
        bound = "must be a list of matrices, one for each subject"
        raise SpecError.of(where=where, name="rdms", value=rdms, bound=bound)
    if len(rdms) < 2:
        raise SpecError.of(where=where, name="rdms", value=len(rdms), bound="needs >= 2 subjects")
    found, _ = matched(rdms, where=where, names=[f"rdms[{k}]" for k in range(len(rdms))])
    vectors = np.array(found)
    warn_cosine(vectors, comparator, where)
    compare = COMPARATORS[comparator]
    own = [compare.prepare(pairs) for pairs in vectors]
    upper = np.array([compare.score(compare.prepare(compare.pool(vectors)), form) for form in own])
    lower = np.array(
        [
            compare.score(compare.prepare(compare.pool(np.delete(vectors, k, axis=0))), form)
            for k, form in enumerate(own)
        ]
    )
    return RDMCeiling(
        lower=float(lower.mean()), upper=float(upper.mean()), each_lower=lower, each_upper=upper,
        comparator=comparator,
    )  # fmt: skip
