"""Subspaces of a population: principal angles with their nulls, output correlations, dimensionality.

An angle between two weight vectors says little by itself: in 600 dimensions any two random directions
are nearly orthogonal, and when activity is nearly one-dimensional two weights at right angles can give
outputs that move together. So :func:`compare_subspaces` puts beside each angle the angle of random
directions (isotropic and shaped like the activity) and the correlation of the two outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcuate._inputs import as_samples, as_states, as_times, seconds
from arcuate.errors import SpecError, check_array, check_choice, check_int
from arcuate.rng import stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "AngleReport",
    "SubspaceComparison",
    "angle_history",
    "angle_null",
    "compare_subspaces",
    "covariance",
    "participation_ratio",
    "principal_angles",
    "signal_correlation",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class AngleReport:
    """Angles of two sets of weights and what to hold them against, for one set of samples.

    Attributes
    ----------
    angles : ndarray, (n_angles,), degrees
        Principal angles, smallest first.
    isotropic, matched : ndarray, (3,), degrees
        5th, 50th and 95th percentile of the smallest angle between random subspaces of the same
        dimensions: isotropic, and drawn with the covariance of the activity.
    correlation : ndarray, (n_when, n_what)
        Correlation of the outputs of the two sets of weights over the samples.
    participation_ratio : float
        Dimensionality of the samples.
    n_samples : int
        Samples that entered.
    """

    angles: Floats
    isotropic: Floats
    matched: Floats
    correlation: Floats
    participation_ratio: float
    n_samples: int


@dataclass(frozen=True, kw_only=True)
class SubspaceComparison:
    """The report over all samples and over the samples after the first `exclude` seconds.

    Attributes
    ----------
    full, late : AngleReport
    exclude : float, s
        What `late` leaves out at the start of each trial.
    n_null : int
        Draws behind each null.
    """

    full: AngleReport
    late: AngleReport
    exclude: float
    n_null: int


def _rows(value: ArrayLike, where: str, name: str) -> Floats:
    array = np.atleast_2d(np.asarray(check_array(value, where=where, name=name)))
    if array.ndim != 2 or array.shape[1] == 0:
        raise SpecError.of(
            where=where, name=name, value=array.shape, bound="must be (n_units,) or (n_vectors, n_units)"
        )
    return array


def _basis(rows: Floats, where: str, name: str) -> Floats:
    """Orthonormal columns that span the rows: QR, or SVD where the rows are dependent."""
    norms = np.linalg.norm(rows, axis=1)
    if not np.all(norms > 0):
        raise SpecError.of(
            where=where,
            name=name,
            value=rows,
            bound="must not hold a vector of zeros, which has no direction",
            fix="train the weights first",
        )
    unit = rows / norms[:, None]
    q, r = np.linalg.qr(unit.T)
    if np.min(np.abs(np.diag(r))) > 1e-10 and rows.shape[0] <= rows.shape[1]:
        return np.asarray(q)
    u, s, _ = np.linalg.svd(unit.T, full_matrices=False)
    return np.asarray(u[:, s > 1e-10 * s[0]])


def _angles(qa: Floats, qb: Floats) -> Floats:
    """Angles in degrees between the spans of orthonormal columns, stacked over leading axes.

    Small angles are taken from their sine, large ones from their cosine, as each is accurate there.
    """
    if qa.shape[-1] > qb.shape[-1]:
        qa, qb = qb, qa
    product = np.swapaxes(qb, -1, -2) @ qa
    cosine = np.clip(np.linalg.svd(product, compute_uv=False), 0.0, 1.0)
    sine = np.linalg.svd(qa - qb @ product, compute_uv=False)[..., ::-1]
    sine = np.clip(sine[..., : cosine.shape[-1]], 0.0, 1.0)
    radians = np.where(cosine**2 > 0.5, np.arcsin(sine), np.arccos(cosine))
    return np.asarray(np.degrees(radians))


def principal_angles(a: ArrayLike, b: ArrayLike) -> Floats:
    """Principal angles between two sets of weights, by QR and SVD.

    Parameters
    ----------
    a, b : array_like, (n_vectors, n_units) or (n_units,)
        Vectors as rows. Dependent rows span what they span: the number of angles is the smaller rank.

    Returns
    -------
    ndarray, (n_angles,), degrees
        Smallest first, each in [0, 90].

    Raises
    ------
    SpecError
        If the numbers of units differ, or a vector is zero or not finite.

    References
    ----------
    A. Bjorck and G. H. Golub, Mathematics of Computation 27 (1973), doi:10.2307/2005662.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import principal_angles
    >>> float(principal_angles([1.0, 0.0, 0.0], [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])[0].round(6))
    45.0
    """
    where = "principal_angles"
    first, second = _rows(a, where, "a"), _rows(b, where, "b")
    _same_units(first, second, where, "b")
    return _angles(_basis(first, where, "a"), _basis(second, where, "b"))


def _same_units(first: Floats, second: Floats, where: str, name: str) -> None:
    if first.shape[-1] != second.shape[-1]:
        raise SpecError.of(
            where=where,
            name=name,
            value=second.shape,
            bound=f"must have {first.shape[-1]} units, as the other",
        )


def angle_history(a: ArrayLike, b: ArrayLike) -> xr.DataArray:
    """Smallest principal angle of two sets of weights, trial by trial.

    Parameters
    ----------
    a, b : array_like, (n_trials, n_vectors, n_units) or (n_trials, n_units)
        Weights at the start of each trial.

    Returns
    -------
    DataArray, (trial,), degrees
        NaN for a trial in which either set holds no direction yet.

    Raises
    ------
    SpecError
        If the shapes do not go together or a value is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import angle_history
    >>> when = np.array([[0.0, 0.0], [1.0, 0.0]])
    >>> angle_history(when, np.array([[0.0, 1.0], [0.0, 1.0]])).values.tolist()
    [nan, 90.0]
    """
    import xarray as xr

    where = "angle_history"
    stacks = []
    for name, value in (("a", a), ("b", b)):
        array = np.asarray(check_array(value, where=where, name=name))
        if array.ndim not in (2, 3):
            raise SpecError.of(
                where=where, name=name, value=array.shape, bound="must be (n_trials, n_vectors, n_units)"
            )
        stacks.append(array if array.ndim == 3 else array[:, None, :])
    first, second = stacks
    _same_units(first, second, where, "b")
    if first.shape[0] != second.shape[0]:
        raise SpecError.of(
            where=where, name="b", value=second.shape, bound=f"must have {first.shape[0]} trials"
        )
    out = np.full(first.shape[0], np.nan)
    for trial, (rows_a, rows_b) in enumerate(zip(first, second, strict=True)):
        if np.all(np.any(rows_a != 0, axis=1)) and np.all(np.any(rows_b != 0, axis=1)):
            out[trial] = _angles(_basis(rows_a, where, "a"), _basis(rows_b, where, "b"))[0]
    return xr.DataArray(out, dims="trial", attrs={"units": "degree", "long_name": "smallest principal angle"})


def angle_null(
    kind: str,
    *,
    n_a: int = 1,
    n_b: int = 2,
    n_units: int | None = None,
    cov: ArrayLike | None = None,
    n_null: int = 1000,
    seed: int = 0,
) -> Floats:
    """Smallest principal angles between random subspaces.

    Parameters
    ----------
    kind : {"isotropic", "matched"}
        Vectors drawn from N(0, I), or from N(0, `cov`) with the covariance of the activity.
    n_a, n_b : int
        Vectors in each of the two sets.
    n_units : int, optional
        Number of units, for "isotropic".
    cov : array_like, (n_units, n_units), optional
        Covariance, for "matched".
    n_null : int
        Number of draws.
    seed : int
        Seed of the stream of draws.

    Returns
    -------
    ndarray, (n_null,), degrees

    Raises
    ------
    SpecError
        If the kind is unknown, or what it needs is missing.

    Notes
    -----
    A random line against a fixed plane in n dimensions makes an angle with squared cosine
    Beta(1, (n - 2) / 2); for n = 600 its median is 87.2 degrees.

    Examples
    --------
    >>> from arcuate.analysis import angle_null
    >>> draws = angle_null("isotropic", n_units=600, n_null=200)
    >>> bool((draws > 80).all())
    True
    """
    where = "angle_null"
    check_choice(kind, ("isotropic", "matched"), where=where, name="kind")
    shape = tuple(check_int(v, where=where, name=k) for k, v in (("n_a", n_a), ("n_b", n_b)))
    check_int(n_null, where=where, name="n_null")
    root: Floats | None = None
    if kind == "matched":
        if cov is None:
            raise SpecError.of(where=where, name="cov", value=None, bound='is needed for kind="matched"')
        matrix = np.asarray(check_array(cov, where=where, name="cov", shape=(None, None)))
        _check_square(matrix, where)
        root = _root(matrix)
        n = matrix.shape[0]
    else:
        n = check_int(n_units, where=where, name="n_units")
    if max(shape) > n:
        raise SpecError.of(where=where, name="n_b", value=max(shape), bound=f"must be <= the {n} units")
    rng = stream(seed, f"analysis/angle_null/{kind}")
    out = np.empty(n_null)
    for first in range(0, n_null, 200):  # in blocks, so that memory stays small
        count = min(200, n_null - first)
        draws = rng.standard_normal((count, sum(shape), n))
        if root is not None:
            draws = draws @ root
        columns = np.swapaxes(draws, 1, 2)
        qa, qb = np.linalg.qr(columns[..., : shape[0]])[0], np.linalg.qr(columns[..., shape[0] :])[0]
        out[first : first + count] = _angles(qa, qb)[:, 0]
    return out


def _check_square(matrix: Floats, where: str) -> None:
    if matrix.shape[0] != matrix.shape[1] or not np.allclose(
        matrix, matrix.T, atol=1e-12 * np.abs(matrix).max()
    ):
        raise SpecError.of(where=where, name="cov", value=matrix.shape, bound="must be square and symmetric")


def _root(matrix: Floats) -> Floats:
    """A matrix R with R' R = matrix, for a positive semi-definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray(np.sqrt(np.clip(values, 0.0, None))[:, None] * vectors.T)


def covariance(states: ArrayLike) -> Floats:
    """Covariance of units over samples.

    Parameters
    ----------
    states : array_like, (n_samples, n_units) or (n_trials, n_samples, n_units)
        Samples of all trials are pooled.

    Returns
    -------
    ndarray, (n_units, n_units)
        With n - 1 in the denominator.

    Raises
    ------
    SpecError
        If there are fewer than 3 samples or a value is not finite.

    Examples
    --------
    >>> from arcuate.analysis import covariance
    >>> covariance([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]]).tolist()
    [[1.0, 2.0], [2.0, 4.0]]
    """
    samples = as_samples(states, where="covariance", name="states")
    centered = samples - samples.mean(axis=0)
    return np.asarray(centered.T @ centered) / (samples.shape[0] - 1)


def signal_correlation(a: ArrayLike, b: ArrayLike, *, cov: ArrayLike) -> Floats:
    """Correlation of the outputs of two sets of weights: a C b' / sqrt(a C a' b C b').

    Parameters
    ----------
    a : array_like, (n_a, n_units) or (n_units,)
    b : array_like, (n_b, n_units) or (n_units,)
    cov : array_like, (n_units, n_units)
        Covariance of the activity.

    Returns
    -------
    ndarray, (n_a, n_b)
        NaN where an output does not vary.

    Raises
    ------
    SpecError
        If shapes do not go together.

    Examples
    --------
    Orthogonal weights on correlated units:

    >>> from arcuate.analysis import signal_correlation
    >>> signal_correlation([1.0, 0.0], [0.0, 1.0], cov=[[1.0, 0.9], [0.9, 1.0]]).tolist()
    [[0.9]]
    """
    where = "signal_correlation"
    first, second = _rows(a, where, "a"), _rows(b, where, "b")
    matrix = np.asarray(check_array(cov, where=where, name="cov", shape=(None, None)))
    _check_square(matrix, where)
    for name, rows in (("a", first), ("b", second)):
        _same_units(matrix, rows, where, name)
    cross = first @ matrix @ second.T
    power_a = np.einsum("ki,ij,kj->k", first, matrix, first, optimize=True)
    power_b = np.einsum("ki,ij,kj->k", second, matrix, second, optimize=True)
    scale = np.sqrt(np.clip(power_a, 0, None)[:, None] * np.clip(power_b, 0, None)[None, :])
    out = np.full(cross.shape, np.nan)
    np.divide(cross, scale, out=out, where=scale > 0)
    return np.clip(out, -1.0, 1.0)


def participation_ratio(states: ArrayLike, *, remove: str = "mean") -> float:
    """Dimensionality of activity, (sum of eigenvalues)^2 / sum of their squares.

    Parameters
    ----------
    states : array_like, (n_samples, n_units) or (n_trials, n_samples, n_units)
    remove : {"mean", "locked", "none"}
        What to take away first: the mean over all samples; the mean over trials at each time, which
        leaves trial-to-trial variability; or nothing.

    Returns
    -------
    float
        Between 1 and the number of units.

    Raises
    ------
    SpecError
        If activity is constant, or "locked" is asked for without at least two trials.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import participation_ratio
    >>> round(participation_ratio(np.vstack([np.eye(4), -np.eye(4)])), 12)
    4.0
    """
    where = "participation_ratio"
    check_choice(remove, ("mean", "locked", "none"), where=where, name="remove")
    if remove == "locked":
        cube = as_states(states, where=where, name="states")
        if cube.shape[0] < 2:
            raise SpecError.of(
                where=where, name="states", value=cube.shape, bound='needs >= 2 trials for remove="locked"'
            )
        samples = (cube - cube.mean(axis=0)).reshape(-1, cube.shape[2])
    else:
        samples = as_samples(states, where=where, name="states")
        if remove == "mean":
            samples = samples - samples.mean(axis=0)
    wide = samples.shape[0] < samples.shape[1]
    gram = samples @ samples.T if wide else samples.T @ samples
    total, square = float(np.trace(gram)), float(np.sum(gram**2))
    if not square > 0:
        raise SpecError.of(
            where=where, name="states", value=samples.shape, bound="must vary: every unit is constant"
        )
    return total**2 / square


def compare_subspaces(
    when: ArrayLike,
    what: ArrayLike,
    states: ArrayLike,
    *,
    times: ArrayLike,
    exclude: str | float = "150 ms",
    n_null: int = 1000,
    seed: int = 0,
) -> SubspaceComparison:
    """Angle of two sets of read-out weights beside both nulls and the correlation of their outputs.

    Parameters
    ----------
    when : array_like, (n_units,) or (n_when, n_units)
    what : array_like, (n_what, n_units)
    states : array_like, (n_trials, n_samples, n_units)
        Activity that the weights read, centered or not.
    times : array_like, (n_samples,), s
        Time of each sample since the start of its trial.
    exclude : quantity
        Second report without the samples before this time; the response to the cue, which dominates
        the covariance, lies there.
    n_null : int
        Draws for each null.
    seed : int
        Seed of the draws.

    Returns
    -------
    SubspaceComparison

    Raises
    ------
    SpecError
        If shapes do not go together, or `exclude` leaves fewer than 3 samples.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import compare_subspaces
    >>> states = np.random.default_rng(0).normal(size=(5, 40, 30))
    >>> report = compare_subspaces(np.eye(30)[0], np.eye(30)[1:3], states,
    ...                            times=np.arange(40) * 0.01, n_null=50)
    >>> report.full.angles.tolist(), report.late.n_samples
    ([90.0], 125)
    """
    where = "compare_subspaces"
    first, second = _rows(when, where, "when"), _rows(what, where, "what")
    cube = as_states(states, where=where, name="states")
    _same_units(cube[0], first, where, "when")
    _same_units(cube[0], second, where, "what")
    grid = as_times(times, cube.shape[1], where=where)
    start = seconds(exclude, where=where, name="exclude")
    angles = principal_angles(first, second)
    size = {"n_a": first.shape[0], "n_b": second.shape[0], "n_null": n_null, "seed": seed}
    isotropic = _band(angle_null("isotropic", n_units=cube.shape[2], **size))

    def report(samples: Floats) -> AngleReport:
        matrix = covariance(samples)
        return AngleReport(
            angles=angles,
            isotropic=isotropic,
            matched=_band(angle_null("matched", cov=matrix, **size)),
            correlation=signal_correlation(first, second, cov=matrix),
            participation_ratio=float(np.trace(matrix) ** 2 / np.sum(matrix**2)),
            n_samples=samples.shape[0],
        )

    def pooled(keep: NDArray[np.bool_]) -> Floats:
        return as_samples(cube[:, keep], where=where, name="states")

    return SubspaceComparison(
        full=report(pooled(np.ones(grid.size, dtype=bool))),
        late=report(pooled(grid >= start - 1e-9)),
        exclude=start,
        n_null=n_null,
    )


def _band(draws: Floats) -> Floats:
    return np.asarray(np.percentile(draws, [5.0, 50.0, 95.0]))
