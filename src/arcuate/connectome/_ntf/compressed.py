"""A tensor seen through a basis of one mode: small products while a fit is on its way.

Non-negativity is still asked of the factor itself, not of its coordinates in the basis. What lies outside the
basis is lost, so a fit ends with exact iterations.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from arcuate.connectome._ntf.dense import Dense
from arcuate.connectome._ntf.passes import Crew
from arcuate.connectome._ntf.solver import Operator
from arcuate.connectome._ntf.symmetric import Packed
from arcuate.rng import stream

__all__ = ["Compressed", "compress"]

WORTH = 500_000
"""Entries below which exact iterations are as fast."""


class Compressed:
    """A smaller operator, and the basis (dimension, K) that leads to one of its modes."""

    def __init__(self, inner: Dense | Packed, basis: np.ndarray, *, mode: int, whole: Operator) -> None:
        self.inner, self.basis, self.mode = inner, basis, mode
        self.shape, self.dtype, self.norm2 = whole.shape, whole.dtype, whole.norm2

    def residual2(self, factors: Sequence[np.ndarray]) -> float | None:
        """None: what lies outside the basis is not here."""
        return None

    def work(self, rank: int, crew: Crew | None = None) -> _CompressedWork:
        """Work arrays of one start."""
        return _CompressedWork(self, rank, crew)


class _CompressedWork:
    def __init__(self, operator: Compressed, rank: int, crew: Crew | None) -> None:
        self._basis, self._mode, self._work = operator.basis, operator.mode, operator.inner.work(rank, crew)
        self._seen: tuple[np.ndarray, np.ndarray] | None = None

    def rows(self, mode: int, factors: Sequence[np.ndarray]) -> None:
        """Every row sees everything."""

    @property
    def filled2(self) -> float:
        """Squared norm of what was filled in."""
        return self._work.filled2

    def _through(self, factors: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Factors with the one of the compressed mode in the basis; computed once for each."""
        factor, small = factors[self._mode], list(factors)
        if self._seen is None or self._seen[0] is not factor:
            self._seen = factor, factor @ self._basis
        small[self._mode] = self._seen[1]
        return small

    def mttkrp(self, mode: int, factors: Sequence[np.ndarray]) -> np.ndarray:
        """Tensor times the Khatri-Rao product of the other modes' factors, (rank, dimension)."""
        target = self._work.mttkrp(mode, self._through(factors))
        return target @ self._basis.T if mode == self._mode else target

    def impute(self, factors: Sequence[np.ndarray]) -> float:
        """Fill what is hidden with what the factors say; the squared change."""
        return self._work.impute(self._through(factors))


def compress(operator: Operator, rank: int, seed: int) -> Compressed | None:
    """Find a basis by random probes (Halko, Martinsson and Tropp 2011); None where it is not worth while."""
    size = 16 * -(-3 * rank // 16)
    if not isinstance(operator, (Dense, Packed)) or operator.matrix.size < WORTH:
        return None
    generator = stream(seed, f"ntf/basis/{rank}")
    if isinstance(operator, Packed):
        if operator.across or operator.shape[2] < 4 * size:
            return None
        probes = _signs(generator, size, len(operator.matrix)).astype(operator.dtype)
        basis = np.linalg.qr((probes @ operator.matrix).T)[0].astype(operator.dtype)
        packed = Packed(operator.matrix @ basis, norm2=operator.norm2, diagonal=operator.diagonal)
        return Compressed(packed, basis, mode=2, whole=operator)
    rows, columns = operator.matrix.shape
    first = operator.split == 1
    whole = operator.hidden is None and operator.pattern is None
    if not whole or not (first or operator.split == len(operator.shape) - 1):
        return None
    if (rows if first else columns) < 4 * size:
        return None
    if first:
        probes = _signs(generator, size, columns).astype(operator.dtype)
        basis = np.linalg.qr(operator.matrix @ probes.T)[0].astype(operator.dtype)
        small = (basis.T @ operator.matrix).reshape(size, *operator.shape[1:])
        return Compressed(Dense.of(small), basis, mode=0, whole=operator)
    probes = _signs(generator, size, rows).astype(operator.dtype)
    basis = np.linalg.qr((probes @ operator.matrix).T)[0].astype(operator.dtype)
    small = (operator.matrix @ basis).reshape(*operator.shape[:-1], size)
    return Compressed(Dense.of(small), basis, mode=len(operator.shape) - 1, whole=operator)


def _signs(generator: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Random signs."""
    bits = np.unpackbits(generator.integers(0, 256, -(-rows * columns // 8), dtype=np.uint8))
    return 2 * bits[: rows * columns].reshape(rows, columns).astype(np.int8) - 1
