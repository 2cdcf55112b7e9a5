"""Canonical correlations: of whole spaces, of leading components, and weighted by projections.

All of them are 1 as soon as one system has as many independent units as samples allow, whatever the other
does; :func:`svcca` on few components and a null are the way out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats
from arcuate.compare._inputs import as_pair, centered, varying, warn
from arcuate.compare._measure import Measure
from arcuate.errors import check_choice, check_real

__all__ = [
    "canonical_correlations",
    "cca",
    "cca_measure",
    "pwcca",
    "pwcca_measure",
    "svcca",
    "svcca_measure",
]

SUMMARIES = ("mean", "mean_square")
RANK = 1e-10
"""Singular values below this share of the largest are taken as 0."""

CROWDED = 5
"""Samples for each dimension below which canonical correlations are high by chance."""


@dataclass(frozen=True, eq=False)
class _Space:
    """Orthonormal basis (n, r) of a system, and the units in it (r, p)."""

    basis: Floats
    units: Floats


def canonical_correlations(x: ArrayLike, y: ArrayLike) -> Floats:
    """Correlations of the directions in which two systems agree most.

    Parameters
    ----------
    x, y : array_like or DataArray, (n_samples, n_units)
        States of two systems for the same samples; DataArrays are matched by label.

    Returns
    -------
    ndarray, (min of the ranks,)
        Descending, from 1 to 0.

    Raises
    ------
    SpecError
        If the states cannot be compared.

    Warns
    -----
    ArcuateWarning
        If a system has fewer than 5 samples for each of its dimensions.

    References
    ----------
    H. Hotelling, Biometrika 28, 321 (1936); by QR: A. Björck, G. Golub, Math Comput 27, 579 (1973).

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import canonical_correlations
    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> mixed = x @ [[1.0, 2.0], [0.0, 1.0], [3.0, 0.0]]
    >>> canonical_correlations(x, mixed).round(6)
    array([1., 1.])
    """
    first, second = as_pair(x, y, where="cca")
    return _rhos(_prepare(first, name="x"), _prepare(second, name="y"))


def cca(x: ArrayLike, y: ArrayLike, *, summary: str = "mean") -> float:
    """Mean canonical correlation, or mean of its square.

    Parameters
    ----------
    x, y : array_like or DataArray, (n_samples, n_units)
    summary : {"mean", "mean_square"}
        The two differ a lot; packages call either one CCA.

    Returns
    -------
    float
        From 0 to 1; 1 if one system is a linear function of the other, or if units are as many as samples.

    Raises
    ------
    SpecError
        If the option is unknown, or the states cannot be compared.

    Warns
    -----
    ArcuateWarning
        If a system has fewer than 5 samples for each of its dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import cca
    >>> x, y = np.random.default_rng(0).normal(size=(2, 100, 3))
    >>> y[:, 0] = x[:, 0]
    >>> round(cca(x, y), 2), round(cca(x, y, summary="mean_square"), 2)
    (0.39, 0.34)
    """
    measure = cca_measure(summary=summary)
    first, second = as_pair(x, y, where="cca")
    return measure.score(_prepare(first, name="x"), _prepare(second, name="y"))


def cca_measure(*, summary: str = "mean") -> Measure:
    """Mean canonical correlation as a `Measure`.

    Parameters
    ----------
    summary : {"mean", "mean_square"}

    Returns
    -------
    Measure

    Raises
    ------
    SpecError
        If the option is unknown.

    Examples
    --------
    >>> from arcuate.compare import cca_measure
    >>> "linear" in cca_measure().invariances
    True
    """
    check_choice(summary, SUMMARIES, where="cca", name="summary")
    known = ("linear", "rotation", "scale", "shift", "permutation")
    return _measure("cca", known, _prepare, partial(_mean, summary=summary), {"summary": summary})


def svcca(x: ArrayLike, y: ArrayLike, *, variance: float = 0.99, summary: str = "mean") -> float:
    """Mean canonical correlation of the leading principal components.

    Parameters
    ----------
    x, y : array_like or DataArray, (n_samples, n_units)
    variance : float
        Share of the variance that the components kept of each system hold, above 0, at most 1.
    summary : {"mean", "mean_square"}

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    SpecError
        If an option is unknown or out of range, or the states cannot be compared.

    Warns
    -----
    ArcuateWarning
        If fewer than 5 samples are left for each component.

    References
    ----------
    M. Raghu et al., NeurIPS 2017, arXiv:1706.05806.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import svcca
    >>> rng = np.random.default_rng(0)
    >>> latent = rng.normal(size=(100, 2))
    >>> x, y = (latent @ rng.normal(size=(2, 30)) + 0.05 * rng.normal(size=(100, 30)) for _ in range(2))
    >>> round(svcca(x, y, variance=0.9), 2)
    1.0
    """
    measure = svcca_measure(variance=variance, summary=summary)
    first, second = as_pair(x, y, where="svcca")
    keep = partial(_prepare, where="svcca", variance=variance)
    return measure.score(keep(first, name="x"), keep(second, name="y"))


def svcca_measure(*, variance: float = 0.99, summary: str = "mean") -> Measure:
    """Mean canonical correlation of leading components as a `Measure`.

    Parameters
    ----------
    variance : float
    summary : {"mean", "mean_square"}
        As in `svcca`.

    Returns
    -------
    Measure

    Raises
    ------
    SpecError
        If an option is unknown or out of range.

    Examples
    --------
    >>> from arcuate.compare import svcca_measure
    >>> svcca_measure().options["variance"]
    0.99
    """
    where = "svcca"
    check_choice(summary, SUMMARIES, where=where, name="summary")
    variance = check_real(variance, where=where, name="variance", low=0, high=1, low_open=True)
    known = ("rotation", "scale", "shift", "permutation")
    prepare = partial(_prepare, where=where, variance=variance)
    options = {"variance": variance, "summary": summary}
    return _measure(where, known, prepare, partial(_mean, summary=summary), options)


def pwcca(x: ArrayLike, y: ArrayLike) -> float:
    """Canonical correlations weighted by how much of the first system lies along each.

    Parameters
    ----------
    x, y : array_like or DataArray, (n_samples, n_units)
        The weights come from `x`: swapping the two gives another number.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    SpecError
        If the states cannot be compared.

    Warns
    -----
    ArcuateWarning
        If a system has fewer than 5 samples for each of its dimensions.

    Notes
    -----
    Where several correlations are equal, as those of 1 with more units of both than samples, the directions
    of these are arbitrary, and so are their weights.

    References
    ----------
    A. Morcos, M. Raghu, S. Bengio, NeurIPS 2018, arXiv:1806.05759, section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import pwcca
    >>> x, y = np.random.default_rng(0).normal(size=(2, 100, 3))
    >>> x[:, 0] = 10 * y[:, 0]
    >>> round(pwcca(x, y), 2), round(pwcca(y, x), 2)
    (0.82, 0.36)
    """
    first, second = as_pair(x, y, where="pwcca")
    keep = partial(_prepare, where="pwcca")
    return pwcca_measure().score(keep(first, name="x"), keep(second, name="y"))


def pwcca_measure() -> Measure:
    """Canonical correlations weighted by projections, as a `Measure` that is not symmetric.

    Returns
    -------
    Measure

    Examples
    --------
    >>> from arcuate.compare import pwcca_measure
    >>> pwcca_measure().symmetric
    False
    """
    prepare = partial(_prepare, where="pwcca")
    return _measure("pwcca", ("scale", "shift", "permutation"), prepare, _weighted, {})


def _measure(
    name: str,
    invariances: tuple[str, ...],
    prepare: Callable[..., _Space],
    summarize: Callable[[_Space, Floats], float],
    options: dict[str, object],
) -> Measure:
    def score(first: _Space, second: _Space) -> float:
        return summarize(first, first.basis.T @ second.basis)

    def null(first: _Space, second: _Space, orders: np.ndarray) -> Floats:
        return np.array([summarize(first, first.basis.T @ second.basis[order]) for order in orders])

    return Measure(
        name=name,
        kind="similarity",
        low=0.0,
        high=1.0,
        symmetric=name != "pwcca",
        invariances=invariances,
        prepare=prepare,
        score=score,
        null=null,
        options=options,
    )


def _prepare(states: Floats, *, where: str = "cca", variance: float = 1.0, name: str = "") -> _Space:
    features = centered(varying(states, where=where, name=name))
    features /= np.max(np.abs(features))
    basis, values, units = np.linalg.svd(features, full_matrices=False)
    rank = int(np.sum(values > RANK * values[0]))
    if variance < 1:
        held = np.cumsum(values**2) / np.sum(values**2)
        rank = min(rank, 1 + int(np.searchsorted(held, variance * (1 - 1e-12))))
    n = len(features)
    if CROWDED * rank > n:
        word = "components" if variance < 1 else "dimensions"
        start = f"{where}: {name}" if name else where
        warn(
            f"{start}: {rank} {word} for {n} samples: correlations are high by chance, and all 1 from "
            f"{n - 1} {word}; use svcca with a smaller variance, more samples, and a null"
        )
    return _Space(basis[:, :rank], values[:rank, None] * units[:rank])


def _rhos(first: _Space, second: _Space) -> Floats:
    return np.clip(np.linalg.svd(first.basis.T @ second.basis, compute_uv=False), 0, 1)


def _mean(_: _Space, product: Floats, *, summary: str) -> float:
    least = min(product.shape)
    if summary == "mean_square":
        return min(1.0, float(np.vdot(product, product)) / least)
    return min(1.0, float(np.linalg.svd(product, compute_uv=False).sum()) / least)


def _weighted(first: _Space, product: Floats) -> float:
    left, rhos, _ = np.linalg.svd(product, full_matrices=False)
    weights = np.abs(left.T @ first.units).sum(axis=1)
    return float(np.clip(weights @ np.clip(rhos, 0, 1) / weights.sum(), 0, 1))
