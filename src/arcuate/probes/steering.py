"""Directions of a state space that lead from one class to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from arcuate.errors import SpecError, check_choice, check_int
from arcuate.probes._samples import as_cube

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["steering_vector"]

METHODS = ("mean", "pca")


def steering_vector(
    states: Any, labels: ArrayLike, *, method: str = "mean", position: int | None = None
) -> xr.DataArray:
    """Find the direction from one class of states to another.

    Parameters
    ----------
    states : Dataset, DataArray or array_like, (trial, unit) or (trial, position, unit)
        As ``Recording.states(site)`` gives them, of any system.
    labels : array_like, (trial,)
        Of two classes; the direction leads from the first to the second in sorted order, as from False to
        True.
    method : {"mean", "pca"}
        "mean": the difference of the means of both classes. "pca": the first principal component, about
        zero, of the differences of pairs, the k-th trial of one class with the k-th of the other: what pairs
        share, when they differ by more than noise in other directions.
    position : int, optional
        By index, may be counted from the end; by default the mean over the positions of a trial, without
        pads.

    Returns
    -------
    DataArray, (unit,)
        The difference of means, or a component of length one. Attributes: ``mean_norm``, the mean length of
        a state, by which doses are measured (of all positions, also of a massive first one, unless one is
        chosen); ``method``; ``start`` and ``end``, the classes; for "pca" ``explained``, the share of the
        differences' sum of squares.

    Raises
    ------
    SpecError
        If there are not two classes, pairs are not complete, a position is a pad or outside, or there is no
        difference.

    References
    ----------
    A. Turner et al., "Activation addition", arXiv 2308.10248 (2023); A. Zou et al., "Representation
    engineering", arXiv 2310.01405 (2023), for principal components.

    Examples
    --------
    >>> found = steering_vector([[0.0, 1.0], [0.0, 3.0], [4.0, 2.0]], [False, False, True])
    >>> found.values.tolist(), round(found.attrs["mean_norm"], 3)
    ([4.0, 0.0], 2.824)
    """
    import xarray as xr

    where = "steering_vector"
    check_choice(method, METHODS, where=where, name="method")
    given, cube, there = as_cube(states, where=where)
    classes, index = _classes(labels, len(cube), where)
    x, norm = _at(cube, there, position, where)
    attrs = {"method": method, "start": str(classes[0]), "end": str(classes[1]), "mean_norm": norm}
    first, second = x[index == 0], x[index == 1]
    vector = second.mean(0) - first.mean(0)
    if method == "pca":
        if len(first) != len(second):
            bound = (
                f"must be pairs, but {classes[0]} has {len(first)} trials and {classes[1]} has {len(second)}"
            )
            raise SpecError.of(where=where, name="labels", bound=bound, fix='use method="mean"')
        _, sizes, rows = np.linalg.svd(second - first, full_matrices=False)
        if sizes[0] > 0:
            attrs["explained"] = float(sizes[0] ** 2 / (sizes**2).sum())
            vector = rows[0] * (1.0 if rows[0] @ vector >= 0 else -1.0)
    if np.linalg.norm(vector) <= 1e-12 * max(norm, np.finfo(float).tiny):
        raise SpecError.of(where=where, name="states", bound="do not differ between both classes")
    units = given["unit"].values if "unit" in getattr(given, "coords", ()) else np.arange(len(vector))
    return xr.DataArray(vector, {"unit": units}, ("unit",), name="direction", attrs=attrs)


def _classes(labels: ArrayLike, n: int, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Return two classes, and to which each trial belongs."""
    array = np.asarray(labels)
    if array.shape != (n,) or array.dtype.kind not in "biuUS":
        bound = f"must be one class for each of the {n} trials, not {array.dtype} {array.shape}"
        raise SpecError.of(where=where, name="labels", bound=bound)
    classes, index = np.unique(array, return_inverse=True)
    if len(classes) != 2:
        bound = f"must be of two classes, not {len(classes)}"
        raise SpecError.of(where=where, name="labels", bound=bound, fix='use labels == "one of them"')
    return classes, index


def _at(cube: np.ndarray, there: np.ndarray, position: int | None, where: str) -> tuple[np.ndarray, float]:
    """Return one state of each trial, and the mean length of a state."""
    norms = np.linalg.norm(cube, axis=2)
    if position is None:
        if not there.any(axis=1).all():
            bound = f"holds nothing but NaN in trial {int(np.argmin(there.any(axis=1)))}"
            raise SpecError.of(where=where, name="states", bound=bound)
        weight = there / there.sum(axis=1, keepdims=True)
        return np.einsum("ts,tsu->tu", weight, np.where(there[..., None], cube, 0)), float(
            norms[there].mean()
        )
    n = cube.shape[1]
    at = check_int(position, where=where, name="position", low=-n, high=n - 1)
    if not there[:, at].all():
        bound = f"is a pad in trial {int(np.argmin(there[:, at]))}"
        raise SpecError.of(where=where, name="position", value=position, bound=bound)
    return cube[:, at], float(norms[:, at].mean())
