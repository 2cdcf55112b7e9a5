"""Covariance of noise between units, shrunk so that it can be inverted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import blas, cholesky, lapack

from arcuate._inputs import Floats
from arcuate.compare._inputs import as_repeats, as_samples, listed
from arcuate.errors import SpecError, check_choice, check_int

__all__ = ["ESTIMATORS", "factor_of", "noise_covariance", "noise_precision", "residuals_of", "whitened"]


def noise_covariance(residuals: ArrayLike, *, kind: str = "ledoit-wolf", dof: int | None = None) -> Floats:
    """Covariance of the units' noise from residuals.

    Parameters
    ----------
    residuals : array_like, (n_samples, n_units)
        What is left after subtracting the mean of each stimulus.
    kind : {"ledoit-wolf", "schaefer-strimmer", "diag", "full"}
        Shrunk towards a multiple of the identity (Ledoit and Wolf 2004, section 3.3), or towards its own
        diagonal (Schaefer and Strimmer 2005, target D); the diagonal alone; not shrunk at all.
    dof : int, optional
        Degrees of freedom of the residuals: samples minus means that were fitted; as a default,
        ``n_samples - 1``.

    Returns
    -------
    ndarray, (n_units, n_units)

    Raises
    ------
    SpecError
        If nothing varies; but for Ledoit-Wolf, also if one unit does not.

    Examples
    --------
    >>> import numpy as np
    >>> residuals = np.array([[1.0, 2.0], [1.0, -2.0], [-1.0, 2.0], [-1.0, -2.0]])
    >>> noise_covariance(residuals, kind="full", dof=4).tolist()
    [[1.0, 0.0], [0.0, 4.0]]
    """
    where = "noise_covariance"
    check_choice(kind, ESTIMATORS, where=where, name="kind")
    rest = as_samples(residuals, where=where, name="residuals", least=2)
    dof = len(rest) - 1 if dof is None else check_int(dof, where=where, name="dof", high=len(rest))
    return _covariance(rest, kind, dof, where, "residuals")


def noise_precision(states: ArrayLike, *, kind: str = "ledoit-wolf") -> Floats:
    """Inverse of the noise covariance, from repeats of each stimulus.

    Parameters
    ----------
    states : array_like or DataArray, (n_stimuli, n_repeats, n_units)
    kind : {"ledoit-wolf", "schaefer-strimmer", "diag", "full"}
        As in `noise_covariance`; the degrees of freedom are ``n_stimuli * (n_repeats - 1)``.

    Returns
    -------
    ndarray, (n_units, n_units)

    Raises
    ------
    SpecError
        As `noise_covariance`, or if the covariance has no inverse: choose one that shrinks.

    Examples
    --------
    >>> states = [[[0.0, 1.0], [2.0, 2.0]], [[5.0, 4.0], [3.0, 5.0]]]
    >>> noise_precision(states, kind="diag").round(6).tolist()
    [[0.5, 0.0], [0.0, 2.0]]
    """
    where = "noise_precision"
    check_choice(kind, ESTIMATORS, where=where, name="kind")
    cube = as_repeats(states, where=where, name="states", least=2)
    factor = factor_of(cube, kind, where=where, name="states")
    return factor.T @ factor


def residuals_of(cube: Floats) -> Floats:
    """Deviations of repeats from the mean of their stimulus, (n_stimuli * n_repeats, n_units)."""
    rest = cube - cube[:, :1]
    rest -= rest.mean(axis=1, keepdims=True)
    return rest.reshape(-1, cube.shape[2])


def factor_of(cube: Floats, kind: str, *, where: str, name: str) -> Floats:
    """Lower triangular G such that G'G is the precision of the noise of repeated states."""
    dof = cube.shape[0] * (cube.shape[1] - 1)
    covariance = _covariance(residuals_of(cube), kind, dof, where, name)
    try:
        lower = cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
    except np.linalg.LinAlgError as cause:
        bound = f"has {dof} degrees of freedom for the noise of {cube.shape[2]} units, so it has no inverse"
        raise SpecError.of(
            where=where, name=name, bound=bound, fix='shrink it: noise="ledoit-wolf"'
        ) from cause
    inverse, _ = lapack.dtrtri(lower, lower=True)
    return inverse


def whitened(states: Floats, factor: Floats, *, lower: bool = True) -> Floats:
    """States, overwritten, in which noise of the precision G'G has unit covariance, for a triangular G."""
    columns = states.reshape(-1, states.shape[-1]).T
    return blas.dtrmm(1.0, factor, columns, lower=lower, overwrite_b=True).T.reshape(states.shape)


def _covariance(rest: Floats, kind: str, dof: int, where: str, name: str) -> Floats:
    power = np.einsum("ij,ij->j", rest, rest)
    still = np.flatnonzero(power == 0)
    if still.size == power.size:
        bound = "has no noise: the repeats of each stimulus are equal"
        raise SpecError.of(where=where, name=name, bound=bound, fix="noise=None, or another dissimilarity")
    if still.size and kind != "ledoit-wolf":
        bound = f"has {still.size} units without noise: {listed(still)}"
        raise SpecError.of(where=where, name=name, bound=bound, fix='leave them out, or noise="ledoit-wolf"')
    return ESTIMATORS[kind](rest, dof)


def _full(rest: Floats, dof: int) -> Floats:
    return rest.T @ rest / dof


def _diagonal(rest: Floats, dof: int) -> Floats:
    return np.diag(np.einsum("ij,ij->j", rest, rest) / dof)


def _ledoit_wolf(rest: Floats, dof: int) -> Floats:
    n, p = rest.shape
    sample = rest.T @ rest / n
    scale = np.trace(sample) / p
    size = np.vdot(sample, sample)
    spread = size - p * scale**2  # d^2: of the sample covariance about the target
    fourth = np.mean(np.einsum("ij,ij->i", rest, rest) ** 2)
    error = min((fourth - size) / n, spread)  # b^2: of the sample covariance about the true one
    weight = error / spread if spread > 0 else 1.0
    shrunk = (1 - weight) * sample
    shrunk.flat[:: p + 1] += weight * scale
    return shrunk * (n / dof)


def _schaefer_strimmer(rest: Floats, dof: int) -> Floats:
    n, p = rest.shape
    sample = rest.T @ rest / dof
    deviation = np.sqrt(np.diag(sample))
    square = (rest / deviation) ** 2
    # sums over pairs of different units, without a second array of (n_units, n_units)
    fourth = np.sum(square.sum(axis=1) ** 2 - (square**2).sum(axis=1)) / (n - 1)
    correlation = sample / np.outer(deviation, deviation) * (dof / (n - 1))
    size = np.vdot(correlation, correlation) - np.vdot(np.diag(correlation), np.diag(correlation))
    weight = n / dof**2 * (fourth - size) / size if size > 0 else 1.0
    shrunk = (1 - min(max(weight, 0.0), 1.0)) * sample
    shrunk.flat[:: p + 1] = deviation**2
    return shrunk


ESTIMATORS: dict[str, Callable[[Floats, int], Floats]] = {
    "ledoit-wolf": _ledoit_wolf,
    "schaefer-strimmer": _schaefer_strimmer,
    "diag": _diagonal,
    "full": _full,
}
"""Estimators of the covariance of noise by name."""
