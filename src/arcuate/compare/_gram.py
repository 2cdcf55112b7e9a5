"""Centered Gram matrices of unit norm, their inner products, and the same without any n x n matrix.

For centered features F of a system the inner product of two U-centered Grams is
``|F'G|^2 - (1 + 2 / (n - 2)) d.e + tr tr' / ((n - 1) (n - 2))`` with d and e the diagonals of FF' and GG':
the statistic of L. Song et al. (J Mach Learn Res 13, 2012) where all rows of FF' sum to 0. So few units, or
very many samples, need no matrix at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from arcuate._inputs import Floats, check_bytes
from arcuate._jit import compiled
from arcuate.compare._geometry_kernels import permuted_products
from arcuate.errors import SpecError

__all__ = [
    "Gram",
    "center_gram",
    "empty_gram",
    "gram_type",
    "inner",
    "linear_gram",
    "narrow",
    "permuted_inner",
    "permuted_sums",
    "sum_squares",
]

DOUBLE = 8000
"""Most samples of which a Gram is kept in double precision (512 MB); sums are always taken in it."""

ROWS = 512
ORDERS = 64
_NOTHING = 1e-12
_CANCELED = 1e-4


@dataclass(frozen=True, kw_only=True, eq=False)
class Gram:
    """A system as an inner product needs it: the norm of its centered Gram is 1.

    Parameters
    ----------
    debiased : bool
        Whether the Gram is U-centered, else double-centered.
    features : ndarray, (n, p), or None
        Centered features; None where the Gram is not linear.
    given : ndarray, (n, n), or None
        The centered Gram where it was made already.
    """

    debiased: bool
    features: Floats | None = None
    given: np.ndarray | None = None

    @cached_property
    def matrix(self) -> np.ndarray:
        """The centered Gram, (n, n)."""
        if self.given is not None:
            return self.given
        assert self.features is not None
        return center_gram(linear_gram(self.features), debiased=self.debiased)

    @cached_property
    def diagonal(self) -> Floats:
        """Squared norms of the features, (n,)."""
        assert self.features is not None
        return np.einsum("ij,ij->i", self.features, self.features)

    def __len__(self) -> int:
        found = self.features if self.features is not None else self.given
        assert found is not None
        return len(found)

    @classmethod
    def of_features(cls, features: Floats, *, debiased: bool, where: str) -> Gram:
        """Scale centered features so that the norm of their Gram is 1."""
        plain = cls(debiased=debiased, features=features / np.max(np.abs(features)))
        square, whole = inner(plain, plain), float(plain.diagonal @ plain.diagonal)
        if debiased and square < _CANCELED * whole and len(features) <= DOUBLE:
            return cls.of_matrix(linear_gram(features / np.max(np.abs(features))), debiased=True, where=where)
        if not square > _NOTHING * whole:
            raise _no_norm(where)
        assert plain.features is not None
        root, made = np.sqrt(square), plain.__dict__.get("matrix")
        scaled = plain.features / np.sqrt(root)
        given = None if made is None else np.divide(made, root, out=made)
        return cls(debiased=debiased, features=scaled, given=given)

    @classmethod
    def of_matrix(cls, matrix: np.ndarray, *, debiased: bool, where: str) -> Gram:
        """Center a Gram in place, and scale it to norm 1."""
        largest = max(float(matrix.max()), -float(matrix.min()))
        matrix = center_gram(matrix, debiased=debiased)
        square = sum_squares(matrix)
        if not square > _NOTHING * largest**2:
            raise _no_norm(where)
        return cls(debiased=debiased, given=np.divide(matrix, np.sqrt(square), out=matrix))


def _no_norm(where: str) -> SpecError:
    bound = "is not defined: all samples are equally far from each other"
    return SpecError.of(where=where, bound=bound, fix="compare states in which distances differ")


def narrow(first: Gram, second: Gram) -> bool:
    """Whether products of features are cheaper than those of Grams (measured on one thread)."""
    if first.features is None or second.features is None:
        return False
    n, p = first.features.shape
    return p * second.features.shape[1] < (4 if n <= DOUBLE else 64) * n


def linear_gram(features: Floats) -> np.ndarray:
    """FF' (n, n), in single precision where it is large."""
    matrix = empty_gram(len(features))
    for start in range(0, len(features), ROWS):
        matrix[start : start + ROWS] = features[start : start + ROWS] @ features.T
    return matrix


def gram_type(n: int) -> np.dtype[Any]:
    """Precision in which a Gram of n samples is kept."""
    return np.dtype(np.float64 if n <= DOUBLE else np.float32)


def empty_gram(n: int) -> np.ndarray:
    """Room for a Gram, refused where it would not fit."""
    dtype = gram_type(n)
    fix = "compare fewer samples, or a linear kernel on fewer units"
    check_bytes(n * n * dtype.itemsize, where=f"Gram of {n} samples", fix=fix)
    return np.empty((n, n), dtype)


def center_gram(matrix: np.ndarray, *, debiased: bool) -> np.ndarray:
    """Center a symmetric matrix in place: U-centered (zero diagonal), else as H K H."""
    n = len(matrix)
    if debiased:
        np.fill_diagonal(matrix, 0)
    means = matrix.sum(axis=1, dtype=np.float64) / (n - 2 if debiased else n)
    means -= means.sum() / (2 * (n - 1) if debiased else 2 * n)
    for start in range(0, n, ROWS):
        part = slice(start, start + ROWS)
        matrix[part] -= means[part, None] + means
    if debiased:
        np.fill_diagonal(matrix, 0)
    return matrix


def sum_squares(matrix: np.ndarray) -> float:
    """Squared Frobenius norm, summed in double precision."""
    return _product(matrix, matrix)


def _product(first: np.ndarray, second: np.ndarray) -> float:
    if first.dtype == second.dtype == np.float64:
        return float(np.vdot(first, second))
    rows = range(0, len(first), ROWS)
    return float(
        sum(np.vdot(first[r : r + ROWS].astype(float), second[r : r + ROWS].astype(float)) for r in rows)
    )


def inner(first: Gram, second: Gram) -> float:
    """Inner product of the centered Grams of two systems."""
    if narrow(first, second):
        assert second.features is not None
        return _by_features(first, second.features, second.diagonal)
    return _product(first.matrix, second.matrix)


def _by_features(first: Gram, features: Floats, diagonal: Floats) -> float:
    assert first.features is not None
    total = sum_squares(first.features.T @ features)
    if not first.debiased:
        return total
    n = len(diagonal)
    total -= (1 + 2 / (n - 2)) * float(first.diagonal @ diagonal)
    return total + float(first.diagonal.sum() * diagonal.sum()) / ((n - 1) * (n - 2))


def permuted_inner(first: Gram, second: Gram, orders: np.ndarray) -> Floats:
    """Inner products with the samples of the second in other orders (n_orders, n)."""
    if narrow(first, second):
        assert second.features is not None
        features, diagonal = second.features, second.diagonal
        return np.array([_by_features(first, features[order], diagonal[order]) for order in orders])
    return permuted_sums(first.matrix, second.matrix, orders)


def permuted_sums(first: np.ndarray, second: np.ndarray, orders: np.ndarray) -> Floats:
    """Inner products of two symmetric matrices, rows and columns of the second in other orders."""
    n = len(first)
    indices = np.asarray(orders).astype(np.uint16 if n < 1 << 16 else np.int64)
    sums = np.empty(len(indices))
    places = np.empty((ORDERS, n), indices.dtype)
    for start in range(0, len(indices), ORDERS):
        part = np.ascontiguousarray(indices[start : start + ORDERS])
        compiled(permuted_products, reassociate=True)(
            first, second, part, places[: len(part)], sums[start : start + ORDERS]
        )
    return sums
