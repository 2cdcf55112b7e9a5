"""The two passes over a matrix that every factorization is made of, in blocks of rows over threads.

The blocks depend on the matrix alone and their sums are added in order, so that any number of threads gives
the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np

from arcuate._jit import compiled
from arcuate._native import Call
from arcuate.connectome._ntf import _kernels as kernels

__all__ = ["Crew", "Passes", "crew", "fast"]

BLOCKS = 8
"""Parts of a large matrix; a few for each thread, so that one that is held up holds up little."""

LARGE = 1 << 20
"""Entries from which handing a pass to threads costs less than it saves."""


def fast(function: Callable[..., Any]) -> Call:
    """Compile a kernel of this package, to be called many times with the same arrays."""
    return Call(compiled(function, reassociate=True))


class Crew:
    """The calling thread and helpers of a pool, each taking the next block when it is free."""

    def __init__(self, pool: ThreadPoolExecutor, helpers: int) -> None:
        self._pool, self._helpers = pool, helpers

    def each(self, block: Callable[[int], None], count: int) -> None:
        """Do all blocks; one that fails is heard of."""
        places = iter(range(count))

        def share() -> None:
            for k in places:
                block(k)

        helpers = [self._pool.submit(share) for _ in range(min(self._helpers, count - 1))]
        share()
        for helper in helpers:
            helper.result()


@contextmanager
def crew(n_threads: int) -> Iterator[Crew | None]:
    """So many threads, while the block lasts; None where one is all there is."""
    if n_threads == 1:
        yield None
        return
    with ThreadPoolExecutor(n_threads - 1) as pool:
        yield Crew(pool, n_threads - 1)


class Passes:
    """Products of a matrix (rows, columns) with factors (rank, rows) and (rank, columns)."""

    def __init__(self, matrix: np.ndarray, rank: int, crew: Crew | None) -> None:
        rows, columns = matrix.shape
        blocks = min(BLOCKS, rows) if matrix.size >= LARGE else 1
        self.matrix, self._crew = matrix, crew if blocks > 1 else None
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
        if self._crew is not None:
            self._crew.each(block, len(self._spans))
            return
        for k in range(len(self._spans)):
            block(k)
