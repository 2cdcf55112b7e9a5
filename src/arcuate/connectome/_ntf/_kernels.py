"""Compiled loops of the factorization: plain functions over arrays, see `arcuate._jit`.

Factors lie as (rank, dimension), so that every inner loop runs along contiguous memory.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "dot_rows",
    "impute",
    "multiply_packed",
    "multiply_pairs",
    "pack",
    "sum_rows",
    "survey",
    "take",
    "update",
    "update_rows",
]

TILE = 1024
"""Columns worked on at a time, so that the factor's part of them stays in the first caches."""

LANES = 256
"""Rows of a factor updated at a time."""

ROUNDING = 1e-6
"""Share by which an entry may differ from its mirror image."""


def dot_rows(x: np.ndarray, factor: np.ndarray, out: np.ndarray, low: int, high: int) -> None:
    """Rows ``low`` to ``high`` of a product: ``out[r, p] = sum_t x[p, t] factor[r, t]``."""
    rank, n = factor.shape
    zero = x.dtype.type(0)
    for r in range(rank):
        for p in range(low, high):
            out[r, p] = zero
    for start in range(0, n, TILE):
        stop = min(start + TILE, n)
        p = low
        while p + 3 < high:
            x0, x1 = x[p, start:stop], x[p + 1, start:stop]
            x2, x3 = x[p + 2, start:stop], x[p + 3, start:stop]
            r = 0
            while r + 1 < rank:
                f, g = factor[r, start:stop], factor[r + 1, start:stop]
                a0, a1, a2, a3, b0, b1, b2, b3 = zero, zero, zero, zero, zero, zero, zero, zero
                for t in range(stop - start):
                    a0 += x0[t] * f[t]
                    a1 += x1[t] * f[t]
                    a2 += x2[t] * f[t]
                    a3 += x3[t] * f[t]
                    b0 += x0[t] * g[t]
                    b1 += x1[t] * g[t]
                    b2 += x2[t] * g[t]
                    b3 += x3[t] * g[t]
                out[r, p] += a0
                out[r, p + 1] += a1
                out[r, p + 2] += a2
                out[r, p + 3] += a3
                out[r + 1, p] += b0
                out[r + 1, p + 1] += b1
                out[r + 1, p + 2] += b2
                out[r + 1, p + 3] += b3
                r += 2
            if r < rank:
                f = factor[r, start:stop]
                a0, a1, a2, a3 = zero, zero, zero, zero
                for t in range(stop - start):
                    a0 += x0[t] * f[t]
                    a1 += x1[t] * f[t]
                    a2 += x2[t] * f[t]
                    a3 += x3[t] * f[t]
                out[r, p] += a0
                out[r, p + 1] += a1
                out[r, p + 2] += a2
                out[r, p + 3] += a3
            p += 4
        while p < high:
            x0 = x[p, start:stop]
            for r in range(rank):
                f = factor[r, start:stop]
                a0 = zero
                for t in range(stop - start):
                    a0 += x0[t] * f[t]
                out[r, p] += a0
            p += 1


def sum_rows(x: np.ndarray, factor: np.ndarray, out: np.ndarray, low: int, high: int) -> None:
    """Weighted sums over rows ``low`` to ``high``: ``out[r, t] = sum_p factor[r, p] x[p, t]``."""
    n = x.shape[1]
    rank = factor.shape[0]
    for start in range(0, n, TILE):
        stop = min(start + TILE, n)
        for r in range(rank):
            for t in range(start, stop):
                out[r, t] = 0
        p = low
        while p + 7 < high:
            x0, x1 = x[p, start:stop], x[p + 1, start:stop]
            x2, x3 = x[p + 2, start:stop], x[p + 3, start:stop]
            x4, x5 = x[p + 4, start:stop], x[p + 5, start:stop]
            x6, x7 = x[p + 6, start:stop], x[p + 7, start:stop]
            r = 0
            while r + 1 < rank:
                k0, k1, k2, k3 = factor[r, p], factor[r, p + 1], factor[r, p + 2], factor[r, p + 3]
                k4, k5, k6, k7 = factor[r, p + 4], factor[r, p + 5], factor[r, p + 6], factor[r, p + 7]
                other = factor[r + 1, p : p + 8]
                m0, m1, m2, m3, m4, m5, m6, m7 = (
                    other[0], other[1], other[2], other[3], other[4], other[5], other[6], other[7],
                )  # fmt: skip
                y, z = out[r, start:stop], out[r + 1, start:stop]
                for t in range(stop - start):
                    y[t] += (
                        (k0 * x0[t] + k1 * x1[t])
                        + (k2 * x2[t] + k3 * x3[t])
                        + (k4 * x4[t] + k5 * x5[t])
                        + (k6 * x6[t] + k7 * x7[t])
                    )
                    z[t] += (
                        (m0 * x0[t] + m1 * x1[t])
                        + (m2 * x2[t] + m3 * x3[t])
                        + (m4 * x4[t] + m5 * x5[t])
                        + (m6 * x6[t] + m7 * x7[t])
                    )
                r += 2
            if r < rank:
                k0, k1, k2, k3 = factor[r, p], factor[r, p + 1], factor[r, p + 2], factor[r, p + 3]
                k4, k5, k6, k7 = factor[r, p + 4], factor[r, p + 5], factor[r, p + 6], factor[r, p + 7]
                y = out[r, start:stop]
                for t in range(stop - start):
                    y[t] += (
                        (k0 * x0[t] + k1 * x1[t])
                        + (k2 * x2[t] + k3 * x3[t])
                        + (k4 * x4[t] + k5 * x5[t])
                        + (k6 * x6[t] + k7 * x7[t])
                    )
            p += 8
        while p < high:
            x0 = x[p, start:stop]
            for r in range(rank):
                k0 = factor[r, p]
                y = out[r, start:stop]
                for t in range(stop - start):
                    y[t] += k0 * x0[t]
            p += 1


def update(
    target: np.ndarray,
    start: np.ndarray,
    previous: np.ndarray,
    grams: np.ndarray,
    mode: int,
    rule: np.ndarray,
    sweeps: int,
    new: np.ndarray,
    ahead: np.ndarray,
    gram: np.ndarray,
    scratch: np.ndarray,
    facts: np.ndarray,
) -> None:
    """One factor: sweeps of coordinate descent over its components, then a step beyond.

    Factors are (rank, n). ``new`` becomes what the sweeps make of ``start``, ``ahead`` what lies beyond it by
    ``rule[0]`` of its distance from ``previous``, and ``grams[mode]`` the products of the rows of ``ahead``.
    ``rule[1]`` is the penalty; sweeps end when the squared step falls below ``rule[2]`` of the first one's.
    ``facts``: inner product of ``new`` with the target, and squared norm of the model with it.
    ``gram`` (rank, rank) and ``scratch`` (LANES,) are work arrays.
    """
    rank, n = start.shape
    zero, one = start.dtype.type(0), start.dtype.type(1)
    beta, penalty, least = rule[0], rule[1], rule[2]
    for r in range(rank):
        for s in range(rank):
            gram[r, s] = one
            for m in range(len(grams)):
                if m != mode:
                    gram[r, s] *= grams[m, r, s]
    for r in range(rank):
        source, copy = start[r], new[r]
        for i in range(n):
            copy[i] = source[i]
    first = 0.0
    for sweep in range(sweeps):
        total = 0.0
        for low in range(0, n, LANES):
            width = min(LANES, n - low)
            for r in range(rank):
                if not gram[r, r] > zero:
                    continue
                inverse = one / gram[r, r]
                own, wanted = new[r, low : low + width], target[r, low : low + width]
                for i in range(width):
                    scratch[i] = wanted[i] - penalty
                for s in range(rank):
                    if s != r:
                        c, other = gram[r, s], new[s, low : low + width]
                        for i in range(width):
                            scratch[i] -= c * other[i]
                step = zero
                for i in range(width):
                    value = max(scratch[i] * inverse, zero)
                    difference = value - own[i]
                    own[i] = value
                    step += difference * difference
                total += step
        if sweep == 0:
            first = total
        if total < least * first:
            break
    inner, square = 0.0, 0.0
    for r in range(rank):
        one_row, wanted, past, beyond = new[r], target[r], previous[r], ahead[r]
        for i in range(n):
            inner += float(one_row[i]) * float(wanted[i])
            beyond[i] = max(one_row[i] + beta * (one_row[i] - past[i]), zero)
        for s in range(r + 1):
            other = new[s]
            total = 0.0
            for i in range(n):
                total += float(one_row[i]) * float(other[i])
            square += total * float(gram[r, s]) * (1.0 if r == s else 2.0)
            other = ahead[s]
            step = zero
            for i in range(n):
                step += beyond[i] * other[i]
            grams[mode, r, s] = step
            grams[mode, s, r] = step
    facts[0], facts[1] = inner, square


def update_rows(
    target: np.ndarray,
    start: np.ndarray,
    previous: np.ndarray,
    grams: np.ndarray,
    which: np.ndarray,
    rule: np.ndarray,
    sweeps: int,
    new: np.ndarray,
    ahead: np.ndarray,
    facts: np.ndarray,
) -> None:
    """As ``update``, but row ``i`` has its own Gram matrix ``grams[which[i]]``; without data it is 0."""
    rank, n = start.shape
    zero = start.dtype.type(0)
    beta, penalty, least = rule[0], rule[1], rule[2]
    inner, square = 0.0, 0.0
    for i in range(n):
        gram = grams[which[i]]
        first = zero
        for r in range(rank):
            new[r, i] = start[r, i] if gram[r, r] > zero else zero
        for sweep in range(sweeps):
            total = zero
            for r in range(rank):
                if gram[r, r] > zero:
                    value = target[r, i] - penalty
                    for s in range(rank):
                        if s != r:
                            value -= gram[r, s] * new[s, i]
                    value = max(value / gram[r, r], zero)
                    difference = value - new[r, i]
                    new[r, i] = value
                    total += difference * difference
            if sweep == 0:
                first = total
            if total < least * first:
                break
        for r in range(rank):
            inner += float(new[r, i]) * float(target[r, i])
            for s in range(rank):
                square += float(new[r, i]) * float(gram[r, s]) * float(new[s, i])
            ahead[r, i] = max(new[r, i] + beta * (new[r, i] - previous[r, i]), zero)
    facts[0], facts[1] = inner, square


def take(x: np.ndarray, out: np.ndarray, facts: np.ndarray) -> None:
    """Copy, and look at what is copied: ``facts`` are entries refused, the greatest, the sum of squares."""
    bad, most, total = 0, 0.0, 0.0
    for i in range(x.size):
        value = float(x[i])
        if not (value >= 0.0 and value < 1e38):
            bad += 1
        most = max(most, value)
        total += value * value
        out[i] = x[i]
    facts[0], facts[1], facts[2] = bad, most, total


def survey(x: np.ndarray, facts: np.ndarray) -> None:
    """Look at numbers without a copy; ``facts`` as above."""
    bad, most, total = 0, 0.0, 0.0
    for i in range(x.size):
        value = float(x[i])
        if not (value >= 0.0 and value < 1e38):
            bad += 1
        most = max(most, value)
        total += value * value
    facts[0], facts[1], facts[2] = bad, most, total


def pack(x: np.ndarray, out: np.ndarray, facts: np.ndarray) -> None:
    """Copy the upper triangle of (n, n, T); ``facts`` as above, and entries unlike their mirror."""
    n, _, n_times = x.shape
    place, bad, most, total, uneven = 0, 0, 0.0, 0.0, 0
    for i in range(n):
        for j in range(i, n):
            own, mirror, row = x[i, j], x[j, i], out[place]
            square = 0.0
            for t in range(n_times):
                value = float(own[t])
                if not (value >= 0.0 and value < 1e38):
                    bad += 1
                if abs(value - float(mirror[t])) > ROUNDING * value:
                    uneven += 1
                most = max(most, value)
                square += value * value
                row[t] = own[t]
            total += square if i == j else 2 * square
            place += 1
    facts[0], facts[1], facts[2], facts[3] = bad, most, total, uneven


def multiply_packed(z: np.ndarray, other: np.ndarray, out: np.ndarray) -> None:
    """Packed symmetric matrices times vectors: ``out[r, i] = sum_j z[r, (i, j)] other[r, j]``."""
    rank, n = other.shape
    zero = z.dtype.type(0)
    for r in range(rank):
        for i in range(n):
            out[r, i] = zero
        place = 0
        for i in range(n):
            width = n - i
            row, there, here = z[r, place : place + width], other[r, i:], out[r, i:]
            factor = there[0]
            total = row[0] * factor
            for j in range(1, width):
                total += row[j] * there[j]
                here[j] += row[j] * factor
            here[0] += total
            place += width


def multiply_pairs(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """Products of pairs i <= j, both ways: ``out[r, (i, j)] = a[r, i] b[r, j] + a[r, j] b[r, i]``."""
    rank, n = a.shape
    for r in range(rank):
        place = 0
        for i in range(n):
            width = n - i
            row, p, q = out[r, place : place + width], a[r, i:], b[r, i:]
            u, v = p[0], q[0]
            row[0] = u * v
            for j in range(1, width):
                row[j] = u * q[j] + v * p[j]
            place += width


def impute(
    matrix: np.ndarray, hidden: np.ndarray, left: np.ndarray, right: np.ndarray, sums: np.ndarray
) -> None:
    """Fill entries by the model ``left @ right.T``; ``sums``: squares of what they are, of their change."""
    columns, rank = matrix.shape[1], left.shape[1]
    square, change = 0.0, 0.0
    for k in range(hidden.size):
        row, column = hidden[k] // columns, hidden[k] % columns
        value = left[row, 0] * right[column, 0]
        for r in range(1, rank):
            value += left[row, r] * right[column, r]
        difference = value - matrix[row, column]
        matrix[row, column] = value
        square += float(value) * float(value)
        change += float(difference) * float(difference)
    sums[0], sums[1] = square, change
