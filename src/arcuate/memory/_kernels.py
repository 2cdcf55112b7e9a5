"""Compiled loops of the memories: plain functions over arrays, see `arcuate._jit`."""

from __future__ import annotations

import numpy as np

__all__ = ["learn_pairs", "trace_spikes"]


def learn_pairs(
    weights: np.ndarray,
    trace: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray,
    rates: np.ndarray,
    decay: float,
    eligibility: float,
    corrects: bool,
) -> int:
    """Write pairs one after the other into a matrix; the number of those written before one blew up.

    ``weights`` (d_key, d_value) and ``trace`` (d_key,) are changed: the trace becomes
    ``eligibility * trace + key``, and the matrix
    ``decay * weights + rate * outer(trace, value - corrects * prediction)``.
    """
    n, d_key = keys.shape
    d_value = weights.shape[1]
    error = np.empty(d_value)
    for t in range(n):
        for j in range(d_value):
            error[j] = 0.0
        if corrects:
            for i in range(d_key):
                k = keys[t, i]
                if k != 0.0:
                    for j in range(d_value):
                        error[j] += k * weights[i, j]
        total = 0.0
        for j in range(d_value):
            error[j] = rates[t] * (values[t, j] - decay * error[j])
            total += abs(error[j])
        if not total < np.inf:
            return t
        for i in range(d_key):
            trace[i] = eligibility * trace[i] + keys[t, i]
            a = trace[i]
            if decay == 1.0:
                if a != 0.0:
                    for j in range(d_value):
                        weights[i, j] += a * error[j]
            else:
                for j in range(d_value):
                    weights[i, j] = decay * weights[i, j] + a * error[j]
    return n


def trace_spikes(
    times: np.ndarray, neurons: np.ndarray, samples: np.ndarray, tau: float, filtered: np.ndarray
) -> None:
    """Exponentially filtered spike trains at given times: each spike adds one, which decays with tau.

    ``times`` and ``samples`` ascend; ``filtered`` (n_samples, n_neurons) is written to. A spike at the time
    of a sample counts in it.
    """
    n_neurons = filtered.shape[1]
    value = np.zeros(n_neurons)
    last = np.zeros(n_neurons)
    spike = 0
    for s in range(samples.size):
        now = samples[s]
        while spike < times.size and times[spike] <= now:
            i = neurons[spike]
            value[i] = value[i] * np.exp((last[i] - times[spike]) / tau) + 1.0
            last[i] = times[spike]
            spike += 1
        for i in range(n_neurons):
            filtered[s, i] = value[i] * np.exp((last[i] - now) / tau)
