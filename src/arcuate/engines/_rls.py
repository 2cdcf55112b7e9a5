"""Recursive least squares for the fast order: half of ``P``, and its downdates written in groups.

``P`` is symmetric, and an update takes ``k k/d`` from it, with ``d = forgetting + x k``. Here
``P = s (L - sum_q h_q h_q)``: L is a matrix of which only the lower half counts, and ``h = k/sqrt(s d)`` of
the last updates wait beside it. So an update reads half a matrix and writes none, and every `PENDING` updates
all that waits is taken from L at once. This happens at updates that the run decides, never when somebody
looks at ``P``, so pieces and recorders leave the numbers alone.

The rule is :func:`arcuate.mechanisms.plasticity.rls_update`; equal to it but for rounding. Delayed rank-one
updates: McDaniel, D'Azevedo, Li, Wong and Kent 2017, J. Chem. Phys. 147:174107.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba.core import types
from numba.extending import intrinsic

from arcuate._jit import compiled
from arcuate.engines._pending import LARGE

__all__ = ["rls_flush", "rls_update_pending"]

Array = npt.NDArray[np.float64]


def _add_to_sum(_typing: Any, _total: Any, _term: Any) -> Any:
    """Add to a sum whose terms may be grouped: side by side in a vector, the same for the same size."""
    kind = types.float64(types.float64, types.float64)
    return kind, lambda _c, builder, _s, args: builder.fadd(*args, flags=("reassoc",))


add_to_sum: Any = intrinsic(_add_to_sum)


def half_product(p: Array, x: Array, k: Array) -> None:
    """``k = P x`` from the lower half of ``P``, four rows at a time.

    Parameters
    ----------
    p : (n, n) array, C order
        Symmetric matrix; only the lower half is read.
    x : (n,) array
        Vector.
    k : (n,) array
        Written: the product.
    """
    n = x.shape[0]
    for j in range(n):
        k[j] = 0.0
    whole = n - n % 4
    for i in range(0, whole, 4):
        x0, x1, x2, x3 = x[i], x[i + 1], x[i + 2], x[i + 3]
        k0, k1, k2, k3 = 0.0, 0.0, 0.0, 0.0
        for j in range(i):
            k[j] += (p[i, j] * x0 + p[i + 1, j] * x1) + (p[i + 2, j] * x2 + p[i + 3, j] * x3)
            k0 = add_to_sum(k0, p[i, j] * x[j])
            k1 = add_to_sum(k1, p[i + 1, j] * x[j])
            k2 = add_to_sum(k2, p[i + 2, j] * x[j])
            k3 = add_to_sum(k3, p[i + 3, j] * x[j])
        k[i] += k0
        k[i + 1] += k1
        k[i + 2] += k2
        k[i + 3] += k3
        for r in range(i, i + 4):
            for j in range(i, r):
                k[j] += p[r, j] * x[r]
                k[r] += p[r, j] * x[j]
            k[r] += p[r, r] * x[r]
    for r in range(whole, n):
        for j in range(r):
            k[j] += p[r, j] * x[r]
            k[r] += p[r, j] * x[j]
        k[r] += p[r, r] * x[r]


def rls_flush(p: Array, h: Array, memo: Array) -> None:
    """Take all that waits from the lower half of L, ``L = s (L - sum_q h_q h_q)``, and start with ``s = 1``.

    Parameters
    ----------
    p : (n, n) array, C order
        L, updated in place: the lower half, and what lies above it in blocks of four on the diagonal.
    h : (PENDING, n) array
        What waits; rows that are not in use are set to 0.
    memo : (2,) array
        Number of rows in use, and s.
    """
    n = p.shape[0]
    for q in range(int(memo[0]), h.shape[0]):
        for j in range(n):
            h[q, j] = 0.0
    whole = n - n % 4
    for i in range(0, whole, 4):
        for q in range(0, h.shape[0], 4):
            a0, b0, c0, d0 = h[q, i], h[q + 1, i], h[q + 2, i], h[q + 3, i]
            a1, b1, c1, d1 = (
                h[q, i + 1],
                h[q + 1, i + 1],
                h[q + 2, i + 1],
                h[q + 3, i + 1],
            )
            a2, b2, c2, d2 = (
                h[q, i + 2],
                h[q + 1, i + 2],
                h[q + 2, i + 2],
                h[q + 3, i + 2],
            )
            a3, b3, c3, d3 = (
                h[q, i + 3],
                h[q + 1, i + 3],
                h[q + 2, i + 3],
                h[q + 3, i + 3],
            )
            for j in range(i + 4):
                a, b, c, d = h[q, j], h[q + 1, j], h[q + 2, j], h[q + 3, j]
                p[i, j] -= (a0 * a + b0 * b) + (c0 * c + d0 * d)
                p[i + 1, j] -= (a1 * a + b1 * b) + (c1 * c + d1 * d)
                p[i + 2, j] -= (a2 * a + b2 * b) + (c2 * c + d2 * d)
                p[i + 3, j] -= (a3 * a + b3 * b) + (c3 * c + d3 * d)
        if memo[1] != 1.0:
            for r in range(i, i + 4):
                for j in range(i + 4):
                    p[r, j] *= memo[1]
    for r in range(whole, n):
        for q in range(h.shape[0]):
            for j in range(r + 1):
                p[r, j] -= h[q, r] * h[q, j]
        for j in range(r + 1):
            p[r, j] *= memo[1]
    memo[0] = 0.0
    memo[1] = 1.0


@compiled
def rls_update_pending(
    p: Array,
    pending: Array,
    memo: Array,
    w: Array,
    x: Array,
    error: Array,
    forgetting: float,
    gain: Array,
    normalized: bool,
) -> None:
    """Recursive least squares: one update of ``P`` and ``w``, with ``P`` as this module stores it.

    Parameters
    ----------
    p : (n, n) array, C order
        L; only the lower half counts.
    pending : (PENDING, n) array
        ``h_q``.
    memo : (2,) array
        Number of rows of `pending` in use, and s.
    w : (n_outputs, n) array
        Weights, updated in place.
    x : (n,) array
        Features.
    error : (n_outputs,) array
        Target minus output, before the update.
    forgetting : float
        Forgetting factor in (0, 1].
    gain : (n,) array
        Written: ``k/sqrt(forgetting + x k)``.
    normalized : bool
        As in :func:`arcuate.mechanisms.plasticity.rls_update`.
    """
    n, count, scale = x.shape[0], int(memo[0]), memo[1]
    half_product(p, x, gain)
    for q in range(count):
        share = 0.0
        for j in range(n):
            share = add_to_sum(share, pending[q, j] * x[j])
        for j in range(n):
            gain[j] -= share * pending[q, j]
    product = 0.0
    for j in range(n):
        gain[j] *= scale
        product = add_to_sum(product, x[j] * gain[j])
    denominator = forgetting + product
    for k in range(w.shape[0]):
        step = error[k]
        if normalized:
            step = error[k] / denominator
        for j in range(n):
            w[k, j] += step * gain[j]
    root, share = np.sqrt(1.0 / denominator), np.sqrt(1.0 / scale)
    for j in range(n):
        gain[j] *= root
        pending[count, j] = gain[j] * share
    memo[0] = count + 1.0
    memo[1] = scale / forgetting
    if count + 1 == pending.shape[0] or memo[1] > LARGE:
        rls_flush(p, pending, memo)
