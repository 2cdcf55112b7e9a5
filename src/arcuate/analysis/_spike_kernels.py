"""Compiled loops of spike trains: plain functions over arrays, see `arcuate._jit`.

A population comes as times (n_spikes,) and neurons (n_spikes,) in the order of time, or as times sorted by
neuron with the place of the first spike of each neuron in ``first`` (n_neurons + 1,).
"""

from __future__ import annotations

import numpy as np

__all__ = ["exponential_products", "lag_counts", "shared_gain", "tiled_counts", "tiled_time"]


def exponential_products(
    time: np.ndarray, neuron: np.ndarray, tau: float, trace: np.ndarray, out: np.ndarray
) -> None:
    """Add exp(-(t - s) / tau) to ``out`` (n, n) at [neuron of t, neuron of s], for every spike s before t.

    Traces (n,) are kept in units of the middle of a block of 600 tau, so that a spike costs two exponentials
    and each neuron a product and a sum; e^300 to either side is within the range of a float.
    """
    n = trace.size
    block = 600.0 * tau
    fade = np.exp(-600.0)
    at = 0
    for k in range(n):
        trace[k] = 0.0
    for s in range(time.size):
        now = int(time[s] / block)
        while at < now:
            fading = fade if now - at < 3 else 0.0
            for k in range(n):
                trace[k] = trace[k] * fading
            at = at + 1 if now - at < 3 else now
        x = (time[s] - (at + 0.5) * block) / tau
        left = np.exp(-x)
        row = neuron[s]
        for k in range(n):
            out[row, k] += left * trace[k]
        trace[row] += np.exp(x)


def tiled_counts(
    time: np.ndarray, neuron: np.ndarray, following: np.ndarray, window: float, out: np.ndarray
) -> None:
    """Count in ``out`` (n, n) the spikes of a neuron (row) that have one of another (column) nearby.

    ``following`` (n_spikes,) is the time of the next spike of the same neuron, infinity for the last.
    """
    n = out.shape[0]
    last = np.empty(n)
    coming = np.empty(n)
    for k in range(n):
        last[k] = -np.inf
        coming[k] = np.inf
    for s in range(time.size - 1, -1, -1):
        coming[neuron[s]] = time[s]
    for s in range(time.size):
        t, row = time[s], neuron[s]
        last[row] = t
        coming[row] = following[s]
        for k in range(n):
            before, after = t - last[k] <= window, coming[k] - t <= window
            out[row, k] += before | after


def tiled_time(time: np.ndarray, first: np.ndarray, window: float, duration: float, out: np.ndarray) -> None:
    """Time that lies within a window of a spike, for each neuron, in ``out`` (n,)."""
    for k in range(out.size):
        total, upto = 0.0, 0.0
        for s in range(first[k], first[k + 1]):
            begin = max(time[s] - window, upto)
            end = min(time[s] + window, duration)
            if end > begin:
                total += end - begin
                upto = end
        out[k] = total


def lag_counts(place: np.ndarray, first: np.ndarray, pairs: np.ndarray, low: int, out: np.ndarray) -> None:
    """Count in ``out`` (n_pairs, n_lags) the pairs of spikes at each lag, from ``low`` on, in bins.

    ``place`` (n_spikes,) is the bin of each spike, ascending for each neuron; ``pairs`` (2, n_pairs). The
    lag is the bin of the second neuron less that of the first.
    """
    high = low + out.shape[1] - 1
    for p in range(pairs.shape[1]):
        i, j = pairs[0, p], pairs[1, p]
        begin, stop = first[j], first[j + 1]
        for s in range(first[i], first[i + 1]):
            x = place[s]
            while begin < stop and place[begin] - x < low:
                begin += 1
            m = begin
            while m < stop and place[m] - x <= high:
                out[p, place[m] - x - low] += 1
                m += 1


def shared_gain(time: np.ndarray, first: np.ndarray, pairs: np.ndarray, cost: float, out: np.ndarray) -> None:
    """Most that moving spikes saves over deleting and inserting them, for each pair, in ``out`` (n_pairs,).

    To move a spike by d instead saves 2 - cost d, so that only spikes closer than 2 / cost can be partners.
    The best partners in order are found along that band: ``row`` holds the best of the first b spikes of
    the second train, for the spikes of the first train so far.
    """
    most = 0
    for k in range(first.size - 1):
        most = max(most, first[k + 1] - first[k])
    row = np.empty(most + 1)
    for p in range(pairs.shape[1]):
        i, j = pairs[0, p], pairs[1, p]
        begin, n = first[j], first[j + 1] - first[j]
        low, high = 0, 0
        row[0] = 0.0
        for s in range(first[i], first[i + 1]):
            t = time[s]
            while low < n and cost * (t - time[begin + low]) >= 2.0:
                low += 1
            known = high
            while high < n and cost * (time[begin + high] - t) < 2.0:
                high += 1
                row[high] = row[known]
            if low >= high:
                continue
            diagonal = row[low]
            best = diagonal
            for b in range(low + 1, high + 1):
                d = time[begin + b - 1] - t
                moved = diagonal + 2.0 - cost * (d if d >= 0.0 else -d)
                diagonal = row[b]
                best = max(best, diagonal, moved)
                row[b] = best
        out[p] = row[high]
