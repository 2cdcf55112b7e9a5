"""Compiled loops of description lengths: plain functions over arrays, see `arcuate._jit`."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["description", "shorten"]


def _ln_choose(n: float, k: float) -> float:
    return math.lgamma(n + 1.0) - math.lgamma(k + 1.0) - math.lgamma(n - k + 1.0)


def _ln_weights(count: float, total: float) -> float:
    """Description length of exponential weights of which number and sum are known."""
    if count < 1.5:
        return 0.0
    return (count - 1.0) * math.log(total) - math.lgamma(count)


def _ln_degrees(degrees: np.ndarray, labels: np.ndarray, n_blocks: int) -> float:
    """Factorials of the degrees, and of how often each is there in each block."""
    seen = np.zeros((n_blocks, int(degrees.max()) + 1))
    total = 0.0
    for i in range(labels.size):
        total += math.lgamma(degrees[i] + 1.0)
        seen[labels[i], int(degrees[i])] += 1.0
    for r in range(n_blocks):
        for k in range(seen.shape[1]):
            if seen[r, k] > 1.0:
                total += math.lgamma(seen[r, k] + 1.0)
    return total


def _ln_partition(sizes: np.ndarray, n: int) -> float:
    """Number of blocks, their sizes, and who is in which."""
    total = math.log(n) + _ln_choose(n - 1.0, sizes.size - 1.0) + math.lgamma(n + 1.0)
    for r in range(sizes.size):
        total -= math.lgamma(sizes[r] + 1.0)
    return total


def description(
    counts: np.ndarray,
    weights: np.ndarray,
    labels: np.ndarray,
    n_blocks: int,
    corrected: bool,
    weighted: bool,
    nested: bool,
    log_q: np.ndarray,
) -> float:
    """Description length in nats of a graph with a given partition, under one level of all blocks if
    ``nested``.

    ``counts`` (n, n) holds the number of edges of each pair and ``weights`` (n, n) their sum, the first an
    integer; ``log_q`` (n + 1, ends + 1) the logarithm of the number of ways to write an integer as a sum of
    at most so many parts.
    """
    n = labels.size
    ends = np.zeros((n_blocks, n_blocks))
    sums = np.zeros((n_blocks, n_blocks))
    sizes = np.zeros(n_blocks)
    degrees = np.zeros(n)
    total = 0.0
    for i in range(n):
        r = labels[i]
        sizes[r] += 1.0
        for j in range(n):
            a = counts[i, j]
            if a > 0.0:
                degrees[i] += a
                ends[r, labels[j]] += a
                sums[r, labels[j]] += weights[i, j]
                if j < i and a > 1.0:
                    total += math.lgamma(a + 1.0)
    edges, all_weight = 0.0, 0.0
    filled = 0
    within = 0.0
    for r in range(n_blocks):
        half = ends[r, r] / 2.0
        total -= math.lgamma(half + 1.0) + half * math.log(2.0)
        out = 0.0
        for s in range(n_blocks):
            out += ends[r, s]
            if s < r:
                total -= math.lgamma(ends[r, s] + 1.0)
            if s <= r:
                m = half if s == r else ends[r, s]
                w = sums[r, r] / 2.0 if s == r else sums[r, s]
                edges += m
                all_weight += w
                if m > 0.0:
                    filled += 1
                    within += _ln_weights(m, w)
        total += math.lgamma(out + 1.0) if corrected else out * math.log(sizes[r])
        if corrected:
            total += log_q[int(min(sizes[r], out)), int(out)] + math.lgamma(sizes[r] + 1.0)
    if corrected:
        total -= _ln_degrees(degrees, labels, n_blocks)
    total += _ln_partition(sizes, n)
    total += _ln_choose(n_blocks * (n_blocks + 1.0) / 2.0 + edges - 1.0, edges)
    if weighted:
        total += within + _ln_weights(float(filled), all_weight) * (2.0 if nested else 1.0)
    return total + (math.log(n_blocks) if nested else 0.0)


def _merge(
    counts: np.ndarray,
    weights: np.ndarray,
    labels: np.ndarray,
    trial: np.ndarray,
    n_blocks: int,
    now: float,
    corrected: bool,
    weighted: bool,
    nested: bool,
    log_q: np.ndarray,
) -> float:
    """Merge the two blocks that shorten the description most; the last block takes the free number."""
    low, one, other = now - 1e-9, -1, -1
    for r in range(n_blocks):
        for s in range(r):
            _join(labels, trial, r, s, n_blocks)
            new = description(counts, weights, trial, n_blocks - 1, corrected, weighted, nested, log_q)
            if new < low:
                low, one, other = new, r, s
    if one < 0:
        return now
    _join(labels, trial, one, other, n_blocks)
    labels[:] = trial
    return low


def _join(labels: np.ndarray, trial: np.ndarray, r: int, s: int, n_blocks: int) -> None:
    """Labels with block r in s, and the last block as r."""
    for i in range(labels.size):
        trial[i] = labels[i]
        if labels[i] == r:
            trial[i] = s
        elif labels[i] == n_blocks - 1:
            trial[i] = r


def shorten(
    counts: np.ndarray,
    weights: np.ndarray,
    labels: np.ndarray,
    corrected: bool,
    weighted: bool,
    nested: bool,
    log_q: np.ndarray,
) -> float:
    """Move nodes between blocks and merge blocks while the description gets shorter; ``labels`` is
    changed.
    """
    n = labels.size
    n_blocks = int(labels.max()) + 1
    now = description(counts, weights, labels, n_blocks, corrected, weighted, nested, log_q)
    kept = labels.copy()
    better = True
    while better:
        better = False
        for i in range(n):
            r = labels[i]
            alone = True
            for j in range(n):
                if j != i and labels[j] == r:
                    alone = False
                    break
            if alone:  # its block would be empty; that is a merge
                continue
            best = r
            for s in range(n_blocks):
                if s != r:
                    labels[i] = s
                    new = description(counts, weights, labels, n_blocks, corrected, weighted, nested, log_q)
                    if new < now - 1e-9:
                        now, best, better = new, s, True
            labels[i] = best
        if better:
            continue
        new = _merge(counts, weights, labels, kept, n_blocks, now, corrected, weighted, nested, log_q)
        if new < now:
            n_blocks -= 1
            now, better = new, True
    return now
