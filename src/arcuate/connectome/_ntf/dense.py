"""Products of a dense tensor with factors: two passes over the tensor in each iteration, no copy of it."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Self

import numpy as np

from arcuate._jit import compiled
from arcuate.connectome._ntf import _kernels as kernels
from arcuate.connectome._ntf.passes import Crew, Passes
from arcuate.connectome.operators import as_float

__all__ = ["Dense", "khatri_rao", "residual2"]


class Dense:
    """An array of any order >= 2, seen as a matrix of its first modes by its last ones.

    Modes before ``split`` are updated from one product with the others' factors, and the rest from a second.
    """

    hidden: np.ndarray | None = None
    pattern: Pattern | None = None

    def __init__(self, array: np.ndarray, dtype: np.dtype, seen: np.ndarray | None = None) -> None:
        self.shape, self.dtype = array.shape, dtype
        self.split = _split(array.shape)
        rows = prod(array.shape[: self.split])
        if seen is not None:
            self.pattern = Pattern.of(seen)
            if self.pattern is None:
                self.hidden = np.flatnonzero(~seen)
            array = np.where(seen, array, 0)
        flat, facts = as_float(array).reshape(-1), np.zeros(3)
        whole = np.empty(flat.size, dtype)
        compiled(kernels.take, reassociate=True)(flat, whole, facts)
        self.matrix = whole.reshape(rows, -1)
        self.refused, self.most, self.norm2 = int(facts[0]), float(facts[1]), float(facts[2])

    def residual2(self, factors: Sequence[np.ndarray]) -> float | None:
        """Squared norm of the residual, entry by entry; None where entries are hidden."""
        if self.hidden is not None or self.pattern is not None:
            return None
        left, right = khatri_rao(factors[: self.split]), khatri_rao(factors[self.split :])
        return float(residual2(self.matrix, left, right).sum())

    @classmethod
    def of(cls, array: np.ndarray) -> Self:
        """Take an array of any sign, as it is."""
        operator = cls.__new__(cls)
        operator.shape, operator.dtype, operator.split = array.shape, array.dtype, _split(array.shape)
        operator.matrix = array.reshape(prod(array.shape[: operator.split]), -1)
        return operator

    def work(self, rank: int, crew: Crew | None = None) -> _Work:
        """Work arrays of one start."""
        return _Work(self, rank, crew)


def _split(shape: tuple[int, ...]) -> int:
    """Where to cut the modes in two so that both products are small."""
    return min((prod(shape[:k]) + prod(shape[k:]), k) for k in range(1, len(shape)))[1]


def residual2(matrix: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Squared residual of every row, in double precision, some rows at a time."""
    found = np.empty(len(matrix))
    step = max(1, (1 << 20) // matrix.shape[1])
    for low in range(0, len(matrix), step):
        rows = slice(low, low + step)
        model = left[:, rows].T.astype(float) @ right.astype(float)
        found[rows] = ((matrix[rows] - model) ** 2).sum(axis=1)
    return found


class _Work:
    """Products and, where entries are hidden, a tensor of one's own in which they are filled in."""

    def __init__(self, operator: Dense, rank: int, crew: Crew | None) -> None:
        self.operator, self._matrix = operator, operator.matrix
        self._from: list[tuple[np.ndarray, ...]] = [(), ()]
        rows, columns = operator.matrix.shape
        self._products = np.empty((rank, rows), operator.dtype), np.empty((rank, columns), operator.dtype)
        self.filled2 = 0.0
        if operator.hidden is not None:
            count = operator.matrix.size - len(operator.hidden)
            mean = operator.matrix.sum(dtype=float) / count
            self._matrix = operator.matrix.copy()
            self._matrix.reshape(-1)[operator.hidden] = mean
            self.filled2 = len(operator.hidden) * mean**2
        self._passes = Passes(self._matrix, rank, crew)

    def mttkrp(self, mode: int, factors: Sequence[np.ndarray]) -> np.ndarray:
        """Tensor times the Khatri-Rao product of the other modes' factors, (rank, dimension)."""
        split, side = self.operator.split, int(mode >= self.operator.split)
        own, others = (factors[split:], factors[:split]) if side else (factors[:split], factors[split:])
        product, before = self._products[side], self._from[side]
        if len(before) != len(others) or any(f is not g for f, g in zip(before, others, strict=True)):
            (self._passes.sum if side else self._passes.dot)(khatri_rao(others), product)
            self._from[side] = tuple(others)
        return _contract(product, own, mode - split * side)

    def rows(self, mode: int, factors: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray] | None:
        """Gram matrices of rows that see parts of the tensor only, and which one each row has."""
        pattern = self.operator.pattern
        return None if pattern is None else pattern.grams(mode, factors)

    def impute(self, factors: Sequence[np.ndarray]) -> float:
        """Fill the hidden entries with what the factors say; the squared change."""
        hidden, split = self.operator.hidden, self.operator.split
        if hidden is None:
            return 0.0
        left, right = khatri_rao(factors[:split]), khatri_rao(factors[split:])
        sums = np.empty(2)
        fill = compiled(kernels.impute, reassociate=True)
        fill(self._matrix, hidden, np.ascontiguousarray(left.T), np.ascontiguousarray(right.T), sums)
        self._from, self.filled2 = [(), ()], float(sums[0])
        return float(sums[1])


class Pattern:
    """Fibres that are missing as a whole, such as a pair of neurons in an animal: all along one mode."""

    def __init__(self, seen: np.ndarray, whole: int) -> None:
        first, second = (m for m in range(3) if m != whole)
        self._seen, self._whole, self._other = seen, whole, {first: second, second: first}
        self._groups = {
            first: np.unique(seen, axis=0, return_inverse=True),
            second: np.unique(seen.T, axis=0, return_inverse=True),
        }

    @classmethod
    def of(cls, seen: np.ndarray) -> Self | None:
        """Find the mode along which fibres are there or not; None where there is none."""
        for mode in range(3) if seen.ndim == 3 else ():
            some = np.asarray(seen.any(axis=mode))
            if np.array_equal(some, seen.all(axis=mode)):
                return cls(some, mode)
        return None

    def grams(self, mode: int, factors: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Gram matrices (group, rank, rank) of what rows of a mode see, and which group each row is in."""
        whole = factors[self._whole]
        if mode == self._whole:
            first, second = self._other
            one, two = (np.einsum("ri,si->irs", factors[m], factors[m]) for m in (first, second))
            gram = (np.tensordot(self._seen.T.astype(one.dtype), one, 1) * two).sum(axis=0)
            return gram[None], np.zeros(whole.shape[1], np.int64)
        other = factors[self._other[mode]]
        groups, which = self._groups[mode]
        gram = np.tensordot(groups.astype(other.dtype), np.einsum("ri,si->irs", other, other), 1)
        return np.ascontiguousarray(gram * (whole @ whole.T)), which.reshape(-1)


def khatri_rao(factors: Sequence[np.ndarray]) -> np.ndarray:
    """Products of all rows, (rank, product of dimensions), the last mode fastest."""
    product = factors[0]
    for factor in factors[1:]:
        product = (product[:, :, None] * factor[:, None, :]).reshape(len(product), -1)
    return np.ascontiguousarray(product)


def _contract(product: np.ndarray, factors: Sequence[np.ndarray], keep: int) -> np.ndarray:
    """Sum over all modes but one, component by component: (rank, d0 d1 ...) to (rank, d_keep)."""
    rank = len(product)
    for factor in reversed(factors[keep + 1 :]):
        product = np.matmul(product.reshape(rank, -1, factor.shape[1]), factor[:, :, None])
    for factor in factors[:keep]:
        product = np.matmul(factor[:, None, :], product.reshape(rank, factor.shape[1], -1))
    return product.reshape(rank, -1)
