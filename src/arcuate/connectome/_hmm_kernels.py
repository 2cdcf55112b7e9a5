"""Compiled loops of hidden Markov models: plain functions over arrays, see `arcuate._jit`."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["best_path", "emission", "one_hot_sweeps", "pair_products", "smooth", "spread"]


def spread(spikes: np.ndarray, basis: np.ndarray, history: np.ndarray) -> None:
    """Add up past spikes (T, N) through a basis (K,), newest first, into ``history`` (T, N)."""
    n_bins, n_neurons = spikes.shape
    for t in range(n_bins):
        for n in range(n_neurons):
            history[t, n] = 0.0
        for k in range(min(basis.size, t)):
            for n in range(n_neurons):
                history[t, n] += basis[k] * spikes[t - 1 - k, n]


def emission(rates: np.ndarray, spikes: np.ndarray, floor: float, log_emission: np.ndarray) -> None:
    """Poisson log probability of each bin by state, without the factorials, into ``log_emission`` (T, S).

    ``rates`` (T, S, N). The logarithm is taken of the product over neurons, before it could underflow.
    """
    n_bins, n_states, n_neurons = rates.shape
    for t in range(n_bins):
        for s in range(n_states):
            total = 0.0
            product = 1.0
            for n in range(n_neurons):
                total -= rates[t, s, n]
                x = spikes[t, n]
                if x == 1.0:
                    product *= rates[t, s, n] + floor
                elif x > 1.0:
                    total += x * math.log(rates[t, s, n] + floor)
                if product < 1e-200 or product > 1e200:
                    total += math.log(product)
                    product = 1.0
            log_emission[t, s] = total + math.log(product)


def smooth(
    emission: np.ndarray,
    transition: np.ndarray,
    initial: np.ndarray,
    posterior: np.ndarray,
    transitions: np.ndarray,
    message: np.ndarray,
) -> float:
    """Scaled forward-backward pass; the log-likelihood.

    ``emission`` (T, S), of which the largest in each bin is 1, is scaled; ``transition`` (S, S, from and to)
    is read; ``posterior`` (T, S), the expected ``transitions`` (S, S) and ``message`` (2, S) are written.
    """
    n_bins, n_states = emission.shape
    total = 0.0
    product = 1.0
    inverse = 1.0
    for t in range(n_bins):
        scale = 0.0
        for s in range(n_states):
            value = initial[s]
            if t:
                value = 0.0
                for r in range(n_states):
                    value += transition[r, s] * posterior[t - 1, r]
            value *= emission[t, s] * inverse
            posterior[t, s] = value
            scale += value
        if t:  # only now, so that the next bin need not wait for it
            for s in range(n_states):
                posterior[t - 1, s] *= inverse
        inverse = 1.0 / scale
        for s in range(n_states):
            emission[t, s] *= inverse
        if scale > 1e-100:
            product *= scale
            if product < 1e-200 or product > 1e200:
                total += math.log(product)
                product = 1.0
        else:
            total += math.log(scale)
    for s in range(n_states):
        posterior[n_bins - 1, s] *= inverse
        message[0, s] = 1.0
        for r in range(n_states):
            transitions[r, s] = 0.0
    for t in range(n_bins - 1, 0, -1):
        for s in range(n_states):
            message[1, s] = message[0, s] * emission[t, s]
        for r in range(n_states):
            before = posterior[t - 1, r]
            back = 0.0
            for s in range(n_states):
                transitions[r, s] += before * message[1, s]
                back += transition[r, s] * message[1, s]
            message[0, r] = back
            posterior[t - 1, r] = before * back
    for r in range(n_states):
        for s in range(n_states):
            transitions[r, s] *= transition[r, s]
    return total + math.log(product)


def best_path(
    log_emission: np.ndarray,
    log_transition: np.ndarray,
    log_initial: np.ndarray,
    value: np.ndarray,
    came: np.ndarray,
    path: np.ndarray,
) -> float:
    """Viterbi's path into ``path`` (T,); its log probability. ``value`` (2, S), ``came`` (T, S) are used."""
    n_bins, n_states = log_emission.shape
    for s in range(n_states):
        value[0, s] = log_initial[s] + log_emission[0, s]
    for t in range(1, n_bins):
        now = t % 2
        for s in range(n_states):
            best = -np.inf
            came[t, s] = 0
            for r in range(n_states):
                candidate = value[1 - now, r] + log_transition[r, s]
                if candidate > best:
                    best = candidate
                    came[t, s] = r
            value[now, s] = best + log_emission[t, s]
    last = (n_bins - 1) % 2
    state = 0
    for s in range(n_states):
        if value[last, s] > value[last, state]:
            state = s
    for t in range(n_bins - 1, -1, -1):
        path[t] = state
        if t:
            state = came[t, state]
    return float(value[last, path[n_bins - 1]])


def pair_products(rows: np.ndarray, products: np.ndarray) -> None:
    """Products of the columns of ``rows`` (n, M), i <= j row by row, into ``products`` (n, M (M + 1) / 2)."""
    n, m = rows.shape
    for t in range(n):
        place = 0
        for i in range(m):
            a = rows[t, i]
            for j in range(i, m):
                products[t, place] = a * rows[t, j]
                place += 1


def half_line(y: float) -> tuple[float, float]:
    """Log of the normal distribution function at y, and the density over it."""
    if y > -6.0:
        half = 0.5 * math.erfc(-y * math.sqrt(0.5))
        return math.log(half), math.exp(-0.5 * y * y) / (math.sqrt(2.0 * math.pi) * half)
    i2 = 1.0 / (y * y)  # asymptotic series, relative error below 1e-5
    tail = 1.0 - i2 * (1.0 - 3.0 * i2 * (1.0 - 5.0 * i2 * (1.0 - 7.0 * i2)))
    return -0.5 * y * y - math.log(-y * math.sqrt(2.0 * math.pi)) + math.log(tail), -y / tail


def one_hot_weight(
    rest: float, own: float, log_prior: np.ndarray, deviation: float, category: np.ndarray
) -> float:
    """Posterior mean of one weight; its probabilities (3,) into ``category``.

    ``rest`` and ``own`` are the slope at zero and the curvature of the log-likelihood along this weight.
    """
    width = 1.0 / math.sqrt(own + 1.0 / (deviation * deviation))
    z = rest * width
    start = math.log(2.0 * width / deviation) + 0.5 * z * z
    log_below, ratio_below = half_line(-z)
    log_above, ratio_above = half_line(z)
    category[0] = start + log_below + log_prior[0]
    category[1] = log_prior[1]
    category[2] = start + log_above + log_prior[2]
    top = max(category[0], max(category[1], category[2]))
    total = 0.0
    for c in range(3):
        category[c] = math.exp(category[c] - top)
        total += category[c]
    for c in range(3):
        category[c] /= total
    return width * (category[0] * (z - ratio_below) + category[2] * (z + ratio_above))


def one_hot_sweeps(
    information: np.ndarray,
    linear: np.ndarray,
    log_prior: np.ndarray,
    deviation: np.ndarray,
    sweeps: int,
    shared: bool,
    bias: np.ndarray,
    mean: np.ndarray,
    center: np.ndarray,
    variance: np.ndarray,
    category: np.ndarray,
) -> None:
    """Coordinate ascent over weights that are inhibitory, absent or excitatory.

    The log-likelihood of state s and neuron n is ``linear[s, n] . u - u . information[s, n] u / 2`` with u
    the weights (N,) and the bias. ``log_prior`` (N, N, 3); a present weight is half-normal with
    ``deviation`` (N, N). Changed in place: ``bias`` (S, N), ``mean`` (S, N, N). Written: ``center`` and
    ``variance`` (S, N, N) of the Gaussian whose halves the posterior of a present weight is, and
    ``category`` (S, N, N, 3), its probabilities.
    """
    n_states, n_neurons = bias.shape
    last = n_neurons
    for n in range(n_neurons):
        for _ in range(sweeps):
            pull = 0.0
            weight = 0.0
            for s in range(n_states):
                for j in range(n_neurons):
                    own = information[s, n, j, j]
                    rest = linear[s, n, j] - information[s, n, j, last] * bias[s, n] + own * mean[s, n, j]
                    for k in range(n_neurons):
                        rest -= information[s, n, j, k] * mean[s, n, k]
                    variance[s, n, j] = 1.0 / (own + 1.0 / (deviation[n, j] * deviation[n, j]))
                    center[s, n, j] = rest * variance[s, n, j]
                    mean[s, n, j] = one_hot_weight(
                        rest, own, log_prior[n, j], deviation[n, j], category[s, n, j]
                    )
                if not shared:
                    pull = 0.0
                    weight = 0.0
                pull += linear[s, n, last]
                for k in range(n_neurons):
                    pull -= information[s, n, last, k] * mean[s, n, k]
                weight += information[s, n, last, last]
                if not shared:
                    bias[s, n] = pull / weight
            if shared:
                for s in range(n_states):
                    bias[s, n] = pull / weight
