"""How strongly a network feeds back: spectral radius of its weights, and gain with the slope of its cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats, as_real
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.analysis.interval import check_level
from arcuate.errors import FitError, SpecError, check_int
from arcuate.rng import stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["effective_gain", "response_slope", "spectral_radius"]

DENSE = 64
"""Neurons up to which all eigenvalues are computed (chosen: ARPACK needs more than a few)."""

TOLERANCE = 1e-8
"""Relative accuracy asked of ARPACK (chosen)."""


def spectral_radius(weights: Any, *, seed: int = 0) -> float:
    """Largest absolute value of the eigenvalues of a matrix of weights, by ARPACK.

    Parameters
    ----------
    weights : array_like or scipy sparse, (n, n)
        Row: postsynaptic neuron; column: presynaptic neuron (the transpose has the same eigenvalues).
    seed : int
        Of the vector that the iteration starts from.

    Returns
    -------
    float
        In the unit of the weights.

    Raises
    ------
    SpecError
        If the matrix is not square, complex, or not finite.
    FitError
        If the iteration does not converge.

    Notes
    -----
    For n neurons that are connected with probability p, and weights of mean 0 and standard deviation
    ``G / (p sqrt(n))``, it is about ``G / sqrt(p)`` (circular law).

    References
    ----------
    R. Lehoucq, D. Sorensen and C. Yang, ARPACK Users' Guide (1998), doi:10.1137/1.9780898719628.

    Examples
    --------
    >>> from arcuate.analysis import spectral_radius
    >>> round(spectral_radius([[0.0, 2.0], [-2.0, 0.0]]), 12)
    2.0
    """
    return _radius(_matrix(weights, "spectral_radius"), seed, "spectral_radius")


def _matrix(weights: Any, where: str) -> Any:
    """Return the weights, checked, sparse if they came so."""
    from scipy import sparse

    if sparse.issparse(weights):
        given = sparse.csr_array(weights)
        values = as_real(given.data, where=where, name="weights").astype(np.float64)
        matrix: Any = sparse.csr_array((values, given.indices, given.indptr), shape=given.shape)
    else:
        matrix = as_real(weights, where=where, name="weights").astype(np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.shape[0]:
        bound = "must be square: a weight for each pair of neurons"
        raise SpecError.of(where=where, name="weights", value=f"shape {matrix.shape}", bound=bound)
    return matrix


def _radius(matrix: Any, seed: int, where: str) -> float:
    """Return the largest of parts whose neurons reach each other; where there is no loop it is 0."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    whole = csr_array(matrix)
    count, label = connected_components(whole, directed=True, connection="strong")
    if count == 1:
        return _part_radius(matrix, seed, where)
    largest = float(np.abs(whole.diagonal()).max())
    for part in np.flatnonzero(np.bincount(label) > 1):
        inside = np.flatnonzero(label == part)
        largest = max(largest, _part_radius(whole[inside][:, inside], seed, where))
    return largest


def _part_radius(matrix: Any, seed: int, where: str) -> float:
    from scipy.sparse import issparse
    from scipy.sparse.linalg import ArpackError, eigs

    n = matrix.shape[0]
    if n <= DENSE:
        dense = matrix.toarray() if issparse(matrix) else matrix
        return float(np.abs(np.linalg.eigvals(dense)).max())
    first = stream(seed, "analysis/spectral_radius").standard_normal(n)
    try:
        values = eigs(
            matrix, k=6, ncv=min(n, 60), v0=first, tol=TOLERANCE, maxiter=300, return_eigenvectors=False
        )
    except ArpackError as cause:
        dense = matrix.toarray() if issparse(matrix) else matrix
        if n <= 2000:  # many eigenvalues of one size: all of them are still affordable
            return float(np.abs(np.linalg.eigvals(dense)).max())
        raise FitError.of(
            where=where, name="weights", value=f"{n} neurons", bound="the iteration did not converge"
        ) from cause
    return float(np.abs(values).max())


def response_slope(current: ArrayLike, rate: ArrayLike, *, at: Any) -> xr.Dataset:
    """Slope of a measured curve of rate against current at a working point, neuron by neuron.

    A parabola is fitted to all points of a neuron by least squares, so measure near the working point.

    Parameters
    ----------
    current : array_like, (n_currents,)
        Constant currents, A, at least 4.
    rate : array_like, (n_currents, n_neurons) or (n_currents,)
        Rates, Hz.
    at : float or array_like, (n_neurons,)
        Working points, A, within the currents.

    Returns
    -------
    Dataset
        ``slope`` and ``error`` (neuron), Hz/A, the standard error from the residuals.

    Raises
    ------
    SpecError
        If there are fewer than 4 currents, they do not differ, or a working point lies outside.

    Examples
    --------
    >>> from arcuate.analysis import response_slope
    >>> found = response_slope([0.0, 1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 4.0, 9.0, 16.0], at=2.0)
    >>> found.slope.values.round(6).tolist()
    [4.0]
    """
    import xarray as xr

    where = "response_slope"
    x = as_real(current, where=where, name="current").astype(np.float64)
    y = as_real(rate, where=where, name="rate").astype(np.float64)
    y = y[:, None] if y.ndim == 1 else y
    if x.ndim != 1 or y.ndim != 2 or y.shape[0] != x.size or not y.shape[1]:
        bound = f"must be (n_currents, n_neurons) for {x.size} currents"
        raise SpecError.of(where=where, name="rate", value=f"shape {y.shape}", bound=bound)
    if np.unique(x).size < 4:
        raise SpecError.of(where=where, name="current", value=x, bound="must have 4 different values or more")
    point = np.broadcast_to(as_real(at, where=where, name="at").astype(np.float64), (y.shape[1],))
    if point.min() < x.min() or point.max() > x.max():
        bound = f"must lie in [{x.min():g}, {x.max():g}], where rates were measured"
        raise SpecError.of(where=where, name="at", value=point, bound=bound)
    scale = np.ptp(x)
    design = np.stack([np.ones_like(x), (x - x.mean()) / scale, ((x - x.mean()) / scale) ** 2], axis=1)
    weights = np.linalg.lstsq(design, y, rcond=None)[0]
    change = np.stack([np.zeros_like(point), np.ones_like(point), 2 * (point - x.mean()) / scale]) / scale
    noise = np.sum((y - design @ weights) ** 2, axis=0) / (x.size - 3)
    inverse = np.linalg.inv(design.T @ design)
    unit = {"units": "Hz/A"}
    return xr.Dataset(
        {
            "slope": ("neuron", np.sum(change * weights, axis=0), unit),
            "error": ("neuron", np.sqrt(noise * np.einsum("in,ij,jn->n", change, inverse, change)), unit),
        }
    )


def effective_gain(
    weights: Any,
    slope: ArrayLike,
    *,
    error: ArrayLike = 0.0,
    level: float = 0.95,
    n_resamples: int = 200,
    seed: int = 0,
    progress: ProgressOption = None,
) -> xr.Dataset:
    """Spectral radius of ``diag(slope) W``: by how much the network multiplies a change of its rates.

    Parameters
    ----------
    weights : array_like or scipy sparse, (n, n)
        Charge, A s, that one spike of the presynaptic neuron (column) brings to the postsynaptic one (row):
        for an exponential synapse its peak current times its time constant.
    slope : array_like, (n,) or ()
        Change of rate with current at the working point, Hz/A, such as `response_slope` measures.
    error : array_like, (n,) or ()
        Standard error of the slopes, from which the interval is drawn.
    level : float
        Coverage of the interval.
    n_resamples : int
        Draws of the slopes.
    seed : int
        Of the draws.
    progress : bool, callable or None
        Progress bar.

    Returns
    -------
    Dataset
        ``gain``, ``low``, ``high``, without unit: the fixed rates are stable against a common slow change
        below 1. ``radius``, of the weights alone, A s.

    Raises
    ------
    SpecError
        If shapes do not go together, or a value is not finite.

    Examples
    --------
    Two neurons that excite each other, 1 pC a spike, at 0.5 Hz/pA:

    >>> import numpy as np
    >>> from arcuate.analysis import effective_gain
    >>> float(effective_gain(1e-12 * np.array([[0, 1], [1, 0]]), 0.5e12).gain)
    0.5
    """
    import xarray as xr

    where = "effective_gain"
    matrix = _matrix(weights, where)
    n = matrix.shape[0]
    parts = []
    for name, value in (("slope", slope), ("error", error)):
        array = as_real(value, where=where, name=name).astype(np.float64)
        if array.shape not in ((), (n,)):
            bound = f"must be one number or ({n},), one for each neuron"
            raise SpecError.of(where=where, name=name, value=f"shape {array.shape}", bound=bound)
        parts.append(np.broadcast_to(array, (n,)))
    gains, errors = parts
    if errors.min() < 0:
        raise SpecError.of(where=where, name="error", value=errors, bound="must be >= 0")
    cover = check_level(level, where)
    count = check_int(n_resamples, where=where, name="n_resamples", low=2)
    check_progress(progress, where=where, unit="draws")

    def gain(factor: Floats) -> float:
        size = float(np.abs(factor).max())  # charges are small numbers and slopes large ones
        return size * _radius(_scaled(matrix, factor / size), seed, where) if size > 0 else 0.0

    value = gain(gains)
    low, high = value, value
    if errors.any():
        rng, draws = stream(seed, "analysis/effective_gain"), np.empty(count)
        with progress_bar(progress, count, title=where, unit="draw") as step:
            for k in range(count):
                draws[k] = gain(gains + errors * rng.standard_normal(n))
                if step is not None:
                    step(1)
        low, high = np.quantile(draws, [(1 - cover) / 2, (1 + cover) / 2]).tolist()
    return xr.Dataset(
        {
            "gain": ((), value, {"units": "1"}),
            "low": ((), low, {"units": "1"}),
            "high": ((), high, {"units": "1"}),
            "radius": ((), _radius(matrix, seed, where), {"units": "A s"}),
        },
        attrs={"level": cover, "n": n},
    )


def _scaled(matrix: Any, factor: Floats) -> Any:
    from scipy import sparse

    return sparse.diags_array(factor) @ matrix if sparse.issparse(matrix) else factor[:, None] * matrix
