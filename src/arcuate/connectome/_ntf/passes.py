"""The two passes over a matrix that every factorization is made of, in blocks of rows over threads.

The blocks depend on the matrix alone and their sums are added in order, so that any number of threads gives
the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from itertools import pairwise
from typing import Any

import numpy as np

from arcuate._jit import compiled
from arcuate._native import Call
from arcuate.connectome._ntf import _kernels as kernels

__all__ = ["Passes", "fast"]

BLOCKS = 8
"""Parts of a large matrix; a few for each thread, so that one that is held up holds up little."""

LARGE = 1 << 20
"""Entries from which handing a pass to threads costs less than it saves."""


def fast(function: Callable[..., Any]) -> Call:
    """Compile a kernel of this package, to be called many times with the same arrays."""
    return Call(compiled(function, reassociate=True))


class Passes:
    """Products of a matrix (rows, columns) with factors (rank, rows) and (rank, columns)."""

    def __init__(self, matrix: np.ndarray, rank: int, pool: Executor | None) -> None:
        rows, columns = matrix.shape
        blocks = min(BLOCKS, rows) if matrix.size >= LARGE else 1
        self.matrix, self._pool = matrix, pool if blocks > 1 else None
        edges = [8 * round(k * rows / (8 * blocks)) for k in range(blocks)] + [rows]
        self._spans = [(a, b) for a, b in pairwise(edges) if a < b]
        self._dot, self._sum = ([fast(f) for _ in self._spans] for f in (kernels.dot_rows, kernels.sum_rows))
        self._parts = np.empty((len(self._spans), rank, columns), matrix.dtype)

    def dot(self, factor: np.ndarray, out: np.ndarray) -> None:
        """``out[r, p] = sum_t x[p, t] factor[r, t]``."""

        def block(k: int) -> None:
            self._dot[k](self.matrix, factor, out, *self._spans[k])

        self._each(block)

    def sum(self, factor: np.ndarray, out: np.ndarray) -> None:
        """``out[r, t] = sum_p factor[r, p] x[p, t]``."""

        def block(k: int) -> None:
            self._sum[k](self.matrix, factor, self._parts[k], *self._spans[k])

        self._each(block)
        np.sum(self._parts, axis=0, out=out)

    def _each(self, block: Callable[[int], None]) -> None:
        places = range(len(self._spans))
        for _ in map(block, places) if self._pool is None else self._pool.map(block, places):
            pass
