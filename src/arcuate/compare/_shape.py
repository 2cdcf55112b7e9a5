"""Shapes: how far two systems are apart once one may be turned onto the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats
from arcuate.compare._inputs import as_pair, centered, plain_array, varying
from arcuate.compare._measure import Measure, refit
from arcuate.errors import SpecError, check_choice, check_real
from arcuate.spec.checks import check_flag

__all__ = ["procrustes", "procrustes_measure", "shape_distance", "shape_measure"]

METRICS = ("angular", "chordal", "euclidean")
GROUPS = ("orthogonal", "permutation")
FLOOR = 1e-7
"""Smallest eigenvalue of X'X that is whitened as it is."""

LARGEST = 1e150
"""Larger values overflow when squared, values below its inverse vanish."""

SEEN = 1e-10
"""Shared directions weaker than this share of the strongest were not seen in training."""


@dataclass(frozen=True, eq=False)
class _Shape:
    """A system as it is aligned: ``states = basis * values @ units``, and the samples kept for the score."""

    basis: Floats
    values: Floats
    units: Floats
    given: Floats
    held: Floats | None


def procrustes(x: ArrayLike, y: ArrayLike) -> float:
    """How alike two systems are once one is turned onto the other.

    Parameters
    ----------
    x, y : array_like or DataArray, (n_samples, n_units)
        States of two systems for the same samples; their units may differ in number. DataArrays are matched
        by label.

    Returns
    -------
    float
        Nuclear norm of ``X'Y`` of centered states of norm 1: 1 for equal shapes, 0 for orthogonal ones.

    Raises
    ------
    SpecError
        If the states cannot be compared.

    Notes
    -----
    Independent systems are alike by chance where units are not few: 0.75 for 50 samples and 50 units each,
    0.97 for 50 samples and 500 units. Hold the value against its null.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import procrustes
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(50, 5))
    >>> turned = x @ np.linalg.qr(rng.normal(size=(5, 5)))[0]
    >>> round(procrustes(x, 3 * turned + 1), 6), round(procrustes(x, rng.normal(size=(50, 5))), 2)
    (1.0, 0.25)
    """
    first, second = as_pair(x, y, where="procrustes")
    keep = partial(_prepare, where="procrustes")
    return procrustes_measure().score(keep(first, name="x"), keep(second, name="y"))


def procrustes_measure() -> Measure:
    """Likeness of shapes as a `Measure`.

    Returns
    -------
    Measure

    Examples
    --------
    >>> from arcuate.compare import procrustes_measure
    >>> procrustes_measure().high
    1.0
    """
    return Measure(
        name="procrustes",
        kind="similarity",
        low=0.0,
        high=1.0,
        symmetric=True,
        invariances=("rotation", "scale", "shift", "permutation"),
        prepare=partial(_prepare, where="procrustes"),
        score=lambda first, second: float(_cosines(first, second, None)[0]),
        null=_cosines,
    )


def shape_distance(
    x: ArrayLike,
    y: ArrayLike,
    *,
    metric: str = "angular",
    alpha: float = 1.0,
    group: str = "orthogonal",
    center: bool = True,
    train: ArrayLike | None = None,
) -> float:
    """Distance of two systems after the best alignment.

    Parameters
    ----------
    x, y : array_like or DataArray, (n_samples, n_units)
        The narrower one is filled up with units of 0.
    metric : {"angular", "chordal", "euclidean"}
        Angle between the aligned states, in radians; length of the chord, ``sqrt(2 - 2 cos)``; or norm of
        their difference in the units of the states.
    alpha : float
        Partial whitening: 1 leaves the states as they are, 0 makes their directions equally long.
    group : {"orthogonal", "permutation"}
        What the alignment may be.
    center : bool
        Subtract the mean over samples.
    train : array_like of int, or None
        Samples on which means, whitening and alignment are fitted; the distance is that of the others. None
        fits and scores on all.

    Returns
    -------
    float
        0 for equal shapes.

    Raises
    ------
    SpecError
        If an option is unknown or out of range, or the states cannot be compared.

    Notes
    -----
    Whitened states are ``X (alpha I + (1 - alpha) (X'X)^(-1/2))``, scaled to the variance that they had;
    eigenvalues of ``X'X`` below 1e-7 count as 1e-7, also those of the units that were filled up. So with
    `alpha` below 1 the distance hangs on the scale of the states, and near 0 on that bound wherever units
    are not independent. Directions that the samples of `train` do not span are not aligned: what the others
    have along them counts as different.

    References
    ----------
    A. Williams et al., NeurIPS 2021, arXiv:2110.14739.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import shape_distance
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(60, 4))
    >>> y = x @ np.linalg.qr(rng.normal(size=(4, 4)))[0] + 0.3 * rng.normal(size=(60, 4))
    >>> round(shape_distance(x, y), 2), round(shape_distance(x, y, train=range(30)), 2)
    (0.29, 0.31)
    """
    measure = shape_measure(metric=metric, alpha=alpha, group=group, center=center, train=train)
    first, second = as_pair(x, y, where="shape_distance")
    keep = partial(_prepare, where="shape_distance", center=center, train=measure.options["train"])
    return measure.score(keep(first, name="x"), keep(second, name="y"))


def shape_measure(
    *,
    metric: str = "angular",
    alpha: float = 1.0,
    group: str = "orthogonal",
    center: bool = True,
    train: ArrayLike | None = None,
) -> Measure:
    """Distance of shapes as a `Measure`.

    Parameters
    ----------
    metric : {"angular", "chordal", "euclidean"}
    alpha : float
    group : {"orthogonal", "permutation"}
    center : bool
    train : array_like of int, or None
        As in `shape_distance`.

    Returns
    -------
    Measure

    Raises
    ------
    SpecError
        If an option is unknown or out of range.

    Examples
    --------
    >>> from arcuate.compare import shape_measure
    >>> shape_measure(alpha=0.5).kind
    'distance'
    """
    where = "shape_distance"
    check_choice(metric, METRICS, where=where, name="metric")
    check_choice(group, GROUPS, where=where, name="group")
    alpha = check_real(alpha, where=where, name="alpha", low=0, high=1)
    center = check_flag(center, where=where, name="center")
    rows = None if train is None else _rows(train, where)
    if group == "permutation" and (alpha < 1 or rows is not None):
        bound = "must be None, and alpha 1, for a permutation" if rows is not None else "must be 1"
        raise SpecError.of(where=where, name="alpha" if rows is None else "train", bound=bound)
    prepare = partial(_prepare, where=where, center=center, train=rows)
    score: Callable[[Any, Any], float]
    if group == "permutation":
        score = partial(_permuted_distance, metric=metric)
    elif rows is None:
        score = partial(_distance, metric=metric, alpha=alpha)
    else:
        score = partial(_held_distance, metric=metric, alpha=alpha)
    null = partial(_null_distances, metric=metric, alpha=alpha)
    refitted = refit(score, lambda shape, order: prepare(shape.given[order]))
    known = ("rotation",) * (group == "orthogonal") + ("permutation",) + ("shift",) * center
    return Measure(
        name="shape",
        kind="distance",
        low=0.0,
        high={"angular": float(np.pi), "chordal": 2.0, "euclidean": np.inf}[metric],
        symmetric=True,
        invariances=known + ("scale",) * (alpha == 1 and metric != "euclidean"),
        prepare=prepare,
        score=score,
        null=null if group == "orthogonal" and rows is None else refitted,
        options={
            "metric": metric,
            "alpha": alpha,
            "group": group,
            "center": center,
            "train": None if rows is None else rows.tolist(),
        },
    )


def _rows(train: ArrayLike, where: str) -> np.ndarray:
    rows = plain_array(list(train) if isinstance(train, range) else train, where=where, name="train")
    if rows.ndim != 1 or rows.size < 2 or rows.dtype.kind not in "iu" or len(np.unique(rows)) < rows.size:
        bound = "must be two or more different indices of samples"
        raise SpecError.of(where=where, name="train", value=rows, bound=bound)
    return rows


def _prepare(
    states: Floats, *, where: str, name: str = "", center: bool = True, train: ArrayLike | None = None
) -> _Shape:
    given, held = varying(states, where=where, name=name), None
    if train is not None:
        rows = np.asarray(train)
        if rows.min() < 0 or rows.max() >= len(states) or rows.size > len(states) - 2:
            bound = f"must be indices of {len(states)} samples and leave out two or more"
            raise SpecError.of(where=where, name="train", bound=bound)
        mean = states[rows].mean(axis=0) if center else 0.0
        held = np.delete(states, rows, axis=0) - mean
        states = varying(states[rows], where=where, name=name)
    states = centered(states) if center else states
    largest = np.max(np.abs(states))
    if not 1 / LARGEST < largest < LARGEST:
        bound = f"must differ by more than {1 / LARGEST:g} and less than {LARGEST:g}, to be squared"
        fix = "multiply both systems by a constant"
        raise SpecError.of(where=where, name=name, value=float(largest), bound=bound, fix=fix)
    basis, values, units = np.linalg.svd(states / largest, full_matrices=False)
    return _Shape(basis, values * largest, units, given, held)


def _whitened(shape: _Shape, alpha: float, width: int) -> tuple[Floats, Floats, float]:
    """Lengths of the partially whitened directions; what each, and one of length 0, is multiplied by."""
    if alpha == 1:
        return shape.values, np.ones_like(shape.values), 1.0
    squares = np.maximum(shape.values**2, FLOOR)
    n_rest = width - squares.size
    factors, rest = alpha + (1 - alpha) / np.sqrt(squares), alpha + (1 - alpha) / np.sqrt(FLOOR)
    before = squares.sum() + n_rest * FLOOR
    after = np.sum(squares * factors**2) + n_rest * FLOOR * rest**2
    scale = np.sqrt(before / after)
    return shape.values * factors * scale, factors * scale, float(rest * scale)


def _width(first: _Shape, second: _Shape) -> int:
    return max(first.units.shape[1], second.units.shape[1])


def _nuclear(product: Floats) -> float:
    return float(np.linalg.svd(product, compute_uv=False).sum())


def _cosines(first: _Shape, second: _Shape, orders: np.ndarray | None, alpha: float = 1.0) -> Floats:
    """Cosines of the aligned states, for some orders of the second's samples; None is as they are."""
    width = _width(first, second)
    left, right = _whitened(first, alpha, width)[0], _whitened(second, alpha, width)[0]
    one, two = first.basis * (left / np.linalg.norm(left)), second.basis * (right / np.linalg.norm(right))
    ways = [two] if orders is None else (two[order] for order in orders)
    return np.minimum([_nuclear(one.T @ way) for way in ways], 1.0)


def _measured(cosine: Floats | float, lengths: tuple[float, float], metric: str) -> Any:
    """Distance at a cosine, of states with these norms."""
    cosine = np.clip(cosine, -1, 1)
    if metric == "angular":
        return np.arccos(cosine)
    if metric == "chordal":
        return np.sqrt(2 - 2 * cosine)
    one, two = lengths
    return np.sqrt((one - two) ** 2 + 2 * one * two * (1 - cosine))


def _null_distances(
    first: _Shape, second: _Shape, orders: np.ndarray | None, *, metric: str, alpha: float
) -> Floats:
    width = _width(first, second)
    lengths = tuple(float(np.linalg.norm(_whitened(shape, alpha, width)[0])) for shape in (first, second))
    return np.asarray(_measured(_cosines(first, second, orders, alpha), (lengths[0], lengths[1]), metric))


def _distance(first: _Shape, second: _Shape, *, metric: str, alpha: float) -> float:
    return float(_null_distances(first, second, None, metric=metric, alpha=alpha)[0])


def _held_distance(first: _Shape, second: _Shape, *, metric: str, alpha: float) -> float:
    """Distance of the samples that the alignment has not seen."""
    width, turned = _width(first, second), []
    spaces = []
    for shape in (first, second):
        lengths, factors, rest = _whitened(shape, alpha, width)
        assert shape.held is not None
        inside = shape.held @ shape.units.T
        turned.append(rest * (shape.held - inside @ shape.units) + (inside * factors) @ shape.units)
        spaces.append((shape.basis * lengths) @ shape.units)
    left, seen, right = np.linalg.svd(spaces[0].T @ spaces[1], full_matrices=False)
    rank = int(np.sum(seen > SEEN * seen[0]))
    one, two = (float(np.linalg.norm(states)) for states in turned)
    if not one * two > 0:
        bound = "leaves samples that do not vary"
        raise SpecError.of(where="shape_distance", name="train", bound=bound, fix="choose other samples")
    cosine = np.vdot(turned[0] @ left[:, :rank], turned[1] @ right[:rank].T) / (one * two)
    return float(_measured(cosine, (one, two), metric))


def _permuted_distance(first: _Shape, second: _Shape, *, metric: str) -> float:
    """Distance under the best pairing of units, those filled up included."""
    from scipy.optimize import linear_sum_assignment

    one, two = ((shape.basis * shape.values) @ shape.units for shape in (first, second))
    width = _width(first, second)
    product = np.zeros((width, width))
    product[: one.shape[1], : two.shape[1]] = one.T @ two
    total = product[linear_sum_assignment(product, maximize=True)].sum()
    lengths = float(np.linalg.norm(one)), float(np.linalg.norm(two))
    return float(_measured(total / (lengths[0] * lengths[1]), lengths, metric))
