"""Products of symmetric tensors (n, n, T) with factors: packed, or never multiplied out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from arcuate.connectome._ntf import _kernels as kernels
from arcuate.connectome._ntf.dense import residual2
from arcuate.connectome._ntf.passes import Crew, Passes, fast

__all__ = ["Packed", "Product"]

WIDE = 128
"""Times below which pairs, not times, lie side by side in memory."""


class Packed:
    """The upper triangle, (pairs i <= j, T): one product for both modes of neurons, one for time."""

    def __init__(self, values: np.ndarray, *, norm2: float, diagonal: bool = True) -> None:
        rows, n_times = values.shape
        n = round(((1 + 8 * rows) ** 0.5 - 1) / 2)
        self.shape, self.dtype, self.norm2, self.diagonal = (n, n, n_times), values.dtype, norm2, diagonal
        self.across = n_times < WIDE
        self.matrix = np.ascontiguousarray(values.T) if self.across else values

    def residual2(self, factors: Sequence[np.ndarray]) -> float | None:
        """Squared norm of the residual, entry by entry; None where the diagonal does not count."""
        if not self.diagonal:
            return None
        first, second = np.triu_indices(self.shape[0])
        pairs = factors[0][:, first] * factors[1][:, second]
        rows = residual2(self.matrix.T if self.across else self.matrix, pairs, factors[2])
        return float(np.where(first == second, 1.0, 2.0) @ rows)

    def work(self, rank: int, crew: Crew | None = None) -> _PackedWork:
        """Work arrays of one start."""
        return _PackedWork(self, rank, crew)


class _PackedWork:
    def __init__(self, operator: Packed, rank: int, crew: Crew | None) -> None:
        self.operator = operator
        self._from_times: np.ndarray | None = None
        self._from_neurons: tuple[np.ndarray, np.ndarray] | None = None
        n, _, n_times = operator.shape
        self._pairs = np.empty((rank, n * (n + 1) // 2), operator.dtype)
        passes = Passes(operator.matrix, rank, crew)
        self._to_pairs, self._to_times = passes.dot, passes.sum
        if operator.across:
            self._to_pairs, self._to_times = passes.sum, passes.dot
        self._multiply_pairs = fast(kernels.multiply_pairs)
        self._multiply_packed = fast(kernels.multiply_packed)
        self._times = np.empty((rank, n_times), operator.dtype)
        self._diagonal = None if operator.diagonal else _Diagonal()

    def rows(self, mode: int, factors: Sequence[np.ndarray]) -> None:
        """Every row sees everything."""

    @property
    def filled2(self) -> float:
        """Squared norm of what was filled in."""
        return 0.0 if self._diagonal is None else self._diagonal.norm2

    def mttkrp(self, mode: int, factors: Sequence[np.ndarray]) -> np.ndarray:
        """Tensor times the Khatri-Rao product of the other modes' factors, (rank, dimension)."""
        a, b, c = factors
        if mode == 2:
            if self._from_neurons is None or self._from_neurons[0] is not a or self._from_neurons[1] is not b:
                self._multiply_pairs(a, b, self._pairs)
                self._to_times(self._pairs, self._times)
                self._from_times, self._from_neurons = None, (a, b)
            target = self._times
        else:
            if self._from_times is not c:
                self._to_pairs(c, self._pairs)
                self._from_times, self._from_neurons = c, None
            target = np.empty_like(factors[mode])
            self._multiply_packed(self._pairs, factors[1 - mode], target)
        return target if self._diagonal is None else target + self._diagonal.product(mode, factors)

    def impute(self, factors: Sequence[np.ndarray]) -> float:
        """Fill the diagonal with what the factors say; the squared change."""
        return 0.0 if self._diagonal is None else self._diagonal.fill(factors)


class Product:
    """X[i, j, t] = sum_k parts[k, i, t] parts[k, j, t], through products of the parts alone."""

    def __init__(self, parts: np.ndarray, *, diagonal: bool = True) -> None:
        n_parts, n, n_times = parts.shape
        self.shape, self.dtype, self.diagonal = (n, n, n_times), parts.dtype, diagonal
        self.matrix = np.ascontiguousarray(parts.transpose(1, 0, 2)).reshape(n, n_parts * n_times)
        self.own = None if diagonal else np.einsum("kit,kit->it", parts, parts)
        self.norm2 = 0.0
        for k in range(n_parts):
            for m in range(n_parts):
                self.norm2 += float((np.einsum("it,it->t", parts[k], parts[m], dtype=float) ** 2).sum())
        if self.own is not None:
            self.norm2 -= float(np.vdot(self.own.astype(float), self.own))

    def residual2(self, factors: Sequence[np.ndarray]) -> float | None:
        """None: there are no entries to look at."""
        return None

    def work(self, rank: int, crew: Crew | None = None) -> _ProductWork:
        """Work arrays of one start."""
        return _ProductWork(self, rank, crew)


class _ProductWork:
    def __init__(self, operator: Product, rank: int, crew: Crew | None) -> None:
        self.operator = operator
        self._passes = Passes(operator.matrix, rank, crew)
        self._sums: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._diagonal = None if operator.diagonal else _Diagonal()

    def rows(self, mode: int, factors: Sequence[np.ndarray]) -> None:
        """Every row sees everything."""

    @property
    def filled2(self) -> float:
        """Squared norm of what was filled in."""
        return 0.0 if self._diagonal is None else self._diagonal.norm2

    def mttkrp(self, mode: int, factors: Sequence[np.ndarray]) -> np.ndarray:
        """Tensor times the Khatri-Rao product of the other modes' factors, (rank, dimension)."""
        n, _, n_times = self.operator.shape
        if mode == 2:
            both = self._sum(0, factors[0]) * self._sum(1, factors[1])
            target = both.reshape(len(both), -1, n_times).sum(axis=1)
        else:
            sums = self._sum(1 - mode, factors[1 - mode])
            weights = (sums.reshape(len(sums), -1, n_times) * factors[2][:, None]).reshape(sums.shape)
            target = np.empty((len(sums), n), self.operator.dtype)
            self._passes.dot(weights, target)
        if self._diagonal is None:
            return target
        return target + self._diagonal.product(mode, factors) - self._own(mode, factors)

    def _sum(self, mode: int, factor: np.ndarray) -> np.ndarray:
        """Parts summed over the neurons by a factor's weights, (rank, K T); kept while the factor is."""
        if mode not in self._sums or self._sums[mode][0] is not factor:
            out = np.empty((len(factor), self.operator.matrix.shape[1]), self.operator.dtype)
            self._passes.sum(factor, out)
            self._sums[mode] = factor, out
        return self._sums[mode][1]

    def _own(self, mode: int, factors: Sequence[np.ndarray]) -> np.ndarray:
        """What the products of a neuron with itself would add."""
        own = self.operator.own
        assert own is not None
        if mode == 2:
            return (factors[0] * factors[1]) @ own
        return factors[1 - mode] * (factors[2] @ own.T)

    def impute(self, factors: Sequence[np.ndarray]) -> float:
        """Fill the diagonal with what the factors say; the squared change."""
        return 0.0 if self._diagonal is None else self._diagonal.fill(factors)


class _Diagonal:
    """Entries (i, i, t) as a model gave them, D[i, t] = sum_r a_i b_i c_t: three factors, never an array."""

    def __init__(self) -> None:
        self._neurons: np.ndarray | None = None
        self._times: np.ndarray | None = None
        self.norm2 = 0.0

    def fill(self, factors: Sequence[np.ndarray]) -> float:
        """Take the model's values; the squared change."""
        neurons, times = factors[0] * factors[1], factors[2]
        before, cross = self.norm2, 0.0
        self.norm2 = _inner(neurons, times, neurons, times)
        if self._neurons is not None and self._times is not None:
            cross = _inner(neurons, times, self._neurons, self._times)
        self._neurons, self._times = neurons, times
        return max(before + self.norm2 - 2 * cross, 0.0)

    def product(self, mode: int, factors: Sequence[np.ndarray]) -> np.ndarray:
        """What the diagonal adds to the tensor's product with the other modes' factors."""
        if self._neurons is None or self._times is None:
            return np.zeros_like(factors[mode])
        if mode == 2:
            return ((factors[0] * factors[1]) @ self._neurons.T) @ self._times
        return factors[1 - mode] * ((factors[2] @ self._times.T) @ self._neurons)


def _inner(a: np.ndarray, c: np.ndarray, b: np.ndarray, d: np.ndarray) -> float:
    """Sum over i, t of (sum_r a_i c_t) (sum_s b_i d_t), in double precision."""
    one, two = a.astype(float) @ b.astype(float).T, c.astype(float) @ d.astype(float).T
    return float(np.vdot(one, two))
