"""Compiled loops of the geometric measures: plain functions over arrays, see `arcuate._jit`."""

from __future__ import annotations

import numpy as np

__all__ = ["permuted_products", "pursue", "shared_neighbors"]


def permuted_products(
    first: np.ndarray, second: np.ndarray, orders: np.ndarray, places: np.ndarray, sums: np.ndarray
) -> None:
    """Inner products of a symmetric matrix with another one in several orders of its rows and columns.

    ``sums[k] = sum over i, j of first[i, j] * second[orders[k, i], orders[k, j]]``, both (n, n). The rows of
    the second are taken one after the other for all orders, so that what is picked from lies in the nearest
    cache; of the first the lower triangle alone is read. ``places`` (n_orders, n) is room for the inverse.
    """
    n_orders, n = orders.shape
    for k in range(n_orders):
        sums[k] = 0.0
        for i in range(n):
            places[k, orders[k, i]] = i
    for row in range(n):
        for k in range(n_orders):
            i = places[k, row]
            part = 0.0
            for j in range(i):
                part += first[i, j] * second[row, orders[k, j]]
            sums[k] += 2.0 * part + first[i, i] * second[row, row]


def shared_neighbors(
    first: np.ndarray, second: np.ndarray, orders: np.ndarray, marks: np.ndarray, counts: np.ndarray
) -> None:
    """Neighbors that samples have in common, for several orders of the second system's samples.

    ``first`` and ``second`` (n, k) hold the neighbors of each sample; ``marks`` (n,) is room, all -1.
    """
    n_orders, n = orders.shape
    k = first.shape[1]
    for m in range(n_orders):
        total = 0
        for i in range(n):
            stamp = m * n + i
            for j in range(k):
                marks[second[orders[m, i], j]] = stamp
            for j in range(k):
                if marks[orders[m, first[i, j]]] == stamp:
                    total += 1
        counts[m] = total


def pursue(gram: np.ndarray, order: np.ndarray, n_atoms: int, threshold: float, chosen: np.ndarray) -> int:
    """Choose a dictionary of samples by matching pursuit; the number of those chosen.

    ``gram`` (n, n) holds the inner products of samples of unit norm. They are taken by ``order``; one that
    `n_atoms` greedy steps leave with more than `threshold` of its squared norm joins ``chosen`` (n,).
    """
    size = 0
    products = np.empty(order.shape[0])
    for step in range(order.shape[0]):
        sample = order[step]
        for atom in range(size):
            products[atom] = gram[sample, chosen[atom]]
        left = 1.0
        for _ in range(n_atoms):
            best = -1
            most = 0.0
            for atom in range(size):
                if products[atom] > most:
                    most = products[atom]
                    best = atom
            if best < 0:
                break
            left -= most * most
            if left <= threshold:
                break
            taken = chosen[best]
            for atom in range(size):
                products[atom] -= most * gram[taken, chosen[atom]]
        if left > threshold:
            chosen[size] = sample
            size += 1
    return size
