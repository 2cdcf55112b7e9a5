"""Loops over the pairs of two matrices of dissimilarities, one of them under other orders of its stimuli."""

from __future__ import annotations

import numpy as np

__all__ = ["contrasts", "permuted_concordance", "permuted_products"]


def contrasts(both: np.ndarray, own: np.ndarray, start: int, divisor: float, out: np.ndarray) -> None:
    """Write (own_i + own_j - both_ij) / divisor for the pairs of rows from `start` on.

    `both` holds the columns from `start` on.
    """
    n = own.size
    at = start * (2 * n - start - 1) // 2
    for i in range(start, start + both.shape[0]):
        for j in range(i + 1, n):
            out[at] = (own[i] + own[j] - both[i - start, j - start]) / divisor
            at += 1


def permuted_products(
    first: np.ndarray, second: np.ndarray, starts: np.ndarray, orders: np.ndarray, out: np.ndarray
) -> None:
    """Sum over pairs of the product of two vectors of pairs, the stimuli of the second in other orders.

    ``starts[i] + j`` is the place of the pair of stimuli i < j.
    """
    n = orders.shape[1]
    for k in range(orders.shape[0]):
        total = 0.0
        at = 0
        for i in range(n - 1):
            a = orders[k, i]
            part = 0.0
            for j in range(i + 1, n):
                b = orders[k, j]
                part += first[at] * second[starts[min(a, b)] + max(a, b)]
                at += 1
            total += part
        out[k] = total


def permuted_concordance(
    ranks: np.ndarray,
    sequence: np.ndarray,
    second: np.ndarray,
    starts: np.ndarray,
    orders: np.ndarray,
    counts: np.ndarray,
    values: np.ndarray,
    out: np.ndarray,
) -> None:
    """Concordant minus discordant couples of pairs, the stimuli of the second in other orders.

    `ranks` are those of the first, from 1 and without gaps, and `sequence` sorts them; `second` holds the
    other's. `counts` is a binary indexed tree over its ranks (Fenwick 1994): in the order of the first, how
    many that came before are less or greater.
    """
    n = orders.shape[1]
    size = ranks.size
    tied = counts.size <= size
    for k in range(orders.shape[0]):
        at = 0
        for i in range(n - 1):
            a = orders[k, i]
            for j in range(i + 1, n):
                b = orders[k, j]
                values[at] = second[starts[min(a, b)] + max(a, b)]
                at += 1
        counts[:] = 0
        total = 0
        first = 0
        while first < size:
            last = first
            while last < size and ranks[sequence[last]] == ranks[sequence[first]]:
                last += 1
            for place in range(first, last):  # ties of the first count neither way
                value = values[sequence[place]]
                node = value - 1
                less = 0
                while node > 0:
                    less += counts[node]
                    node -= node & -node
                upto = less
                if tied:
                    upto = 0
                    node = value
                    while node > 0:
                        upto += counts[node]
                        node -= node & -node
                total += less + upto - first
            for place in range(first, last):
                node = values[sequence[place]]
                while node < counts.size:
                    counts[node] += 1
                    node += node & -node
            first = last
        out[k] = total


def average_ranks(values: np.ndarray, order: np.ndarray, ranks: np.ndarray) -> None:
    """Write the ranks, from 1, of values that `order` sorts; those that tie share the mean of theirs."""
    first = 0
    while first < order.size:
        last = first
        while last + 1 < order.size and values[order[last + 1]] == values[order[first]]:
            last += 1
        for place in range(first, last + 1):
            ranks[order[place]] = 0.5 * (first + last) + 1
        first = last + 1
