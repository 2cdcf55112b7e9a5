"""Representational similarity analysis (RSA): systems are alike whose stimuli lie alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats, check_bytes
from arcuate.compare._comparators import COMPARATORS, rdm_similarity, warn_cosine
from arcuate.compare._inputs import labels_of
from arcuate.compare._leverage import warn_of_leverage
from arcuate.compare._measure import Measure
from arcuate.compare._rdm import KINDS, REPEATED, as_cube, dissimilarities, rdm
from arcuate.errors import check_choice

__all__ = ["rsa", "rsa_crossnobis", "rsa_crossnobis_measure", "rsa_measure"]

_INVARIANCES = {
    "euclidean": ("rotation", "scale", "shift", "permutation"),
    "correlation": ("scale", "permutation"),
    "cosine": ("rotation", "scale", "permutation"),
    "mahalanobis": ("scale", "shift", "permutation"),
    "crossnobis": ("scale", "shift", "permutation"),
    "poisson": ("permutation",),
    "poisson_cv": ("permutation",),
}

_BY_SIZE = ("euclidean", "mahalanobis", "crossnobis")
_IN_PROPORTION = ("corr", "cosine", "corr_cov", "cosine_cov", "bures", "bures_metric")
"""Dissimilarities and comparators of which stimuli far from all others can decide the score."""


def rsa(
    x: ArrayLike,
    y: ArrayLike,
    *,
    dissimilarity: str = "euclidean",
    comparator: str = "rho-a",
    noise: str | None = "ledoit-wolf",
) -> float:
    """Compare the dissimilarities that two systems have between the same stimuli (Kriegeskorte et al. 2008).

    Parameters
    ----------
    x, y : array_like or DataArray, (n_stimuli, n_units) or (n_stimuli, n_repeats, n_units)
        DataArrays with labels along their first dimensions are matched by label. ``"mahalanobis"``,
        ``"crossnobis"`` and ``"poisson_cv"`` need repeats.
    dissimilarity : str
        A kind of `rdm`.
    comparator : str
        As in `rdm_similarity`.
    noise : str or None
        As in `rdm`.

    Returns
    -------
    float

    Raises
    ------
    SpecError
        As `rdm` and `rdm_similarity`.

    Warns
    -----
    ArcuateWarning
        As `rdm` and `rdm_similarity`; also if a few stimuli far from all others decide the score, which they
        can where distances count in proportion: by any comparator of values, not of ranks.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(1).normal(size=(20, 5))
    >>> round(rsa(x, x @ np.linalg.qr(np.ones((5, 5)) + np.eye(5))[0]), 6)
    1.0
    """
    check_choice(dissimilarity, KINDS, where="rsa", name="dissimilarity")
    first, second = (
        rdm(
            states,
            kind=dissimilarity,
            noise=noise if dissimilarity in ("mahalanobis", "crossnobis") else None,
        )
        for states in (x, y)
    )
    score = rdm_similarity(first, second, comparator=comparator)
    for states, name in ((x, "x"), (y, "y")):
        cube = as_cube(states, dissimilarity, noise, "rsa")
        _warn(cube, dissimilarity, comparator, where="rsa", name=name, labels=labels_of(states))
    return score


def _warn(
    cube: Floats,
    dissimilarity: str,
    comparator: str,
    *,
    where: str,
    name: str = "",
    labels: np.ndarray | None = None,
) -> None:
    """Warn of stimuli that decide the score, where distances count in proportion."""
    if dissimilarity in _BY_SIZE and comparator in _IN_PROPORTION:
        fix = 'compare by rank (comparator="rho-a")'
        warn_of_leverage(cube.mean(axis=1), where=where, name=name, labels=labels, fix=fix)


def rsa_crossnobis(
    x: ArrayLike, y: ArrayLike, *, comparator: str = "rho-a", noise: str | None = "ledoit-wolf"
) -> float:
    """Compare cross-validated dissimilarities, to which the noise of single repeats adds nothing on average.

    Parameters
    ----------
    x, y : array_like or DataArray, (n_stimuli, n_repeats, n_units)
        At least 2 repeats; matched by label as in `rsa`.
    comparator : str
        As in `rdm_similarity`.
    noise : str or None
        As in `rdm`.

    Returns
    -------
    float

    Raises
    ------
    SpecError
        As `rsa`.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> states = rng.normal(size=(12, 1, 30)) + 0.1 * rng.normal(size=(12, 8, 30))
    >>> rsa_crossnobis(states[:, :4], states[:, 4:], noise=None) > 0.95
    True
    """
    return rsa(x, y, dissimilarity="crossnobis", comparator=comparator, noise=noise)


def rsa_measure(
    *, dissimilarity: str = "euclidean", comparator: str = "rho-a", noise: str | None = "ledoit-wolf"
) -> Measure:
    """Make the measure `rsa`; its null permutes ranks or normed dissimilarities, computed once.

    Parameters
    ----------
    dissimilarity, comparator, noise
        As in `rsa`.

    Returns
    -------
    Measure
        Takes repeats where the dissimilarity needs them, else samples.

    Raises
    ------
    SpecError
        If a name is unknown.

    Warns
    -----
    ArcuateWarning
        For the cosine, whitened or not, of dissimilarities that cannot be negative.

    Examples
    --------
    >>> rsa_measure(dissimilarity="crossnobis", comparator="cosine_cov").takes
    'repeats'
    """
    where = "rsa_measure"
    check_choice(dissimilarity, KINDS, where=where, name="dissimilarity")
    check_choice(comparator, COMPARATORS, where=where, name="comparator")
    if dissimilarity not in ("crossnobis", "poisson_cv"):
        warn_cosine(np.ones(1), comparator, where)
    compare = COMPARATORS[comparator]
    repeated = dissimilarity in REPEATED
    name = "rsa_crossnobis" if dissimilarity == "crossnobis" else "rsa"

    def prepare(states: Floats) -> Any:
        cube = states if repeated else states[:, None]
        fix = 'compare fewer stimuli, or take comparator="rho-a" or "corr", which need least'
        check_bytes(compare.peak * len(cube) ** 2, where=name, fix=fix)
        form = compare.prepare(dissimilarities(cube, kind=dissimilarity, noise=noise, where=name))
        _warn(cube, dissimilarity, comparator, where=name)
        return form

    return Measure(
        name=name,
        kind=compare.kind,
        low=compare.low,
        high=compare.high,
        symmetric=compare.symmetric,
        invariances=tuple(
            change
            for change in _INVARIANCES[dissimilarity]
            if change != "scale" or not comparator.startswith("bures_metric")
        ),
        takes="repeats" if repeated else "samples",
        prepare=prepare,
        score=compare.score,
        null=compare.null,
        pooled=True,
        options={"dissimilarity": dissimilarity, "comparator": comparator}
        | ({"noise": noise} if dissimilarity in ("mahalanobis", "crossnobis") else {}),
    )


def rsa_crossnobis_measure(*, comparator: str = "rho-a", noise: str | None = "ledoit-wolf") -> Measure:
    """Make the measure `rsa_crossnobis`.

    Parameters
    ----------
    comparator, noise
        As in `rsa_crossnobis`.

    Returns
    -------
    Measure
        Takes repeats.

    Examples
    --------
    >>> rsa_crossnobis_measure().name
    'rsa_crossnobis'
    """
    return rsa_measure(dissimilarity="crossnobis", comparator=comparator, noise=noise)
