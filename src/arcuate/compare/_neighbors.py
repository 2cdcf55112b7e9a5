"""Do two systems call the same samples near: mutual nearest neighbors against chance."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats
from arcuate._jit import compiled
from arcuate.compare._cka import unit_rows
from arcuate.compare._geometry_kernels import shared_neighbors
from arcuate.compare._inputs import as_pair, varying
from arcuate.compare._measure import Measure
from arcuate.errors import SpecError, check_int
from arcuate.spec.checks import check_flag

__all__ = ["mutual_knn", "mutual_knn_measure"]


def mutual_knn(x: ArrayLike, y: ArrayLike, *, k: int = 10, corrected: bool = True) -> float:
    """Share of nearest neighbors that two systems have in common.

    Parameters
    ----------
    x, y : array_like or DataArray, (n_samples, n_units)
        States of two systems for the same samples; DataArrays are matched by label. Neighbors are those with
        the largest cosine, a sample itself left out.
    k : int
        Neighbors of each sample, at most n_samples - 2.
    corrected : bool
        Give ``(m - c) / (1 - c)`` of the share m, with chance ``c = k / (n - 1)``; else m itself.

    Returns
    -------
    float
        1 for equal neighbors; corrected, 0 by chance.

    Raises
    ------
    SpecError
        If `k` does not fit the samples, one has no direction, or the states cannot be compared.

    References
    ----------
    M. Huh et al., ICML 2024, arXiv:2405.07987, section 2. The correction is our own.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import mutual_knn
    >>> x, y = np.random.default_rng(0).normal(size=(2, 100, 8))
    >>> mutual_knn(x, 2 * x), round(mutual_knn(x, y), 2), round(mutual_knn(x, y, corrected=False), 2)
    (1.0, -0.0, 0.1)
    """
    measure = mutual_knn_measure(k=k, corrected=corrected)
    first, second = as_pair(x, y, where="mutual_knn")
    return measure.score(_prepare(first, k=k, name="x"), _prepare(second, k=k, name="y"))


def mutual_knn_measure(*, k: int = 10, corrected: bool = True) -> Measure:
    """Mutual nearest neighbors as a `Measure`.

    Parameters
    ----------
    k : int
    corrected : bool
        As in `mutual_knn`.

    Returns
    -------
    Measure

    Raises
    ------
    SpecError
        If `k` is not a positive integer.

    Examples
    --------
    >>> from arcuate.compare import mutual_knn_measure
    >>> mutual_knn_measure(k=5).options
    {'k': 5, 'corrected': True}
    """
    k = check_int(k, where="mutual_knn", name="k")
    corrected = check_flag(corrected, where="mutual_knn", name="corrected")

    def null(first: np.ndarray, second: np.ndarray, orders: np.ndarray) -> Floats:
        n, counts = len(first), np.empty(len(orders))
        marks = np.full(n, -1)
        compiled(shared_neighbors)(first, second, np.ascontiguousarray(orders, dtype=np.int64), marks, counts)
        shares, chance = counts / (n * k), k / (n - 1)
        return (shares - chance) / (1 - chance) if corrected else shares

    return Measure(
        name="knn",
        kind="similarity",
        low=-1.0 if corrected else 0.0,
        high=1.0,
        symmetric=True,
        invariances=("rotation", "scale", "permutation"),
        prepare=partial(_prepare, k=k),
        score=lambda first, second: float(null(first, second, np.arange(len(first))[None])[0]),
        null=null,
        options={"k": k, "corrected": corrected},
    )


def _prepare(states: Floats, *, k: int, name: str = "") -> np.ndarray:
    """Neighbors (n, k) of every sample."""
    where, n = "mutual_knn", len(states)
    if k > n - 2:
        bound = f"must be <= {n - 2} for {n} samples: at {n - 1} all are neighbors"
        raise SpecError.of(where=where, name="k", value=k, bound=bound)
    rows = unit_rows(varying(states, where=where, name=name), where=where, name=name)
    found = np.empty((n, k), np.int64)
    for start in range(0, n, 512):
        near = rows[start : start + 512] @ rows.T
        near[np.arange(len(near)), np.arange(start, start + len(near))] = -np.inf
        found[start : start + 512] = np.argpartition(-near, k - 1, axis=1)[:, :k]
    return found
