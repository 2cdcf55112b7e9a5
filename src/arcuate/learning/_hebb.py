"""Steps of a rate network with read-out feedback, compiled around the exploratory Hebb rule.

Importing this module loads Numba; the estimator imports it when it is fitted. Shapes: T steps, N neurons, K
outputs, C channels. State arrays and the arrays named as written are changed in place.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcuate._jit import compiled
from arcuate.mechanisms import perturbation, plasticity

__all__ = ["hebb_steps"]

Array = NDArray[Any]

hebb_modulator = compiled(perturbation.hebb_modulator)
hebb_update = compiled(perturbation.hebb_update)
predict = compiled(plasticity.predict)


@compiled
def _recurrent(start: Array, pre: Array, weight: Array, r: Array, u: Array) -> None:
    """Sum of the inputs of each neuron, its synapses in ascending order of pre, in four running sums."""
    for j in range(u.shape[0]):
        a, b, c, d = 0.0, 0.0, 0.0, 0.0
        first, last = start[j], start[j + 1]
        stop = last - (last - first) % 4
        for s in range(first, stop, 4):
            a += weight[s] * r[pre[s]]
            b += weight[s + 1] * r[pre[s + 1]]
            c += weight[s + 2] * r[pre[s + 2]]
            d += weight[s + 3] * r[pre[s + 3]]
        for s in range(stop, last):
            a += weight[s] * r[pre[s]]
        u[j] += (a + b) + (c + d)


@compiled
def hebb_steps(
    start: Array,
    pre: Array,
    weight: Array,
    feedback: Array,
    w_in: Array,
    inputs: Array,
    target: Array,
    state_noise: Array,
    exploration: Array,
    rate: Array,
    leak: float,
    keep: float,
    x: Array,
    r: Array,
    z: Array,
    z_mean: Array,
    reward_mean: Array,
    w: Array,
    outputs: Array,
    modulator: Array,
    rates: Array,
) -> int:
    """Run T steps and learn where `rate` is above 0; the first step that is not finite, or -1.

    Synapses by post: start (N + 1,), pre and weight (n_synapses,). Feedback (K, N), w_in (C, N), inputs
    (T, C), target (T, K), state_noise (T, N), exploration (T, K), rate (T,). State: x, r (N,), z, z_mean
    (K,), reward_mean (1,), w (K, N). Written: outputs (T, K) without exploration, modulator (T,), rates
    (T, N) unless it has length 0.
    """
    n, n_outputs = x.shape[0], z.shape[0]
    u, z_hat = np.empty(n), np.empty(n_outputs)
    for t in range(inputs.shape[0]):
        u[:] = 0.0
        _recurrent(start, pre, weight, r, u)
        for k in range(n_outputs):
            for j in range(n):
                u[j] += z[k] * feedback[k, j]
        for c in range(inputs.shape[1]):
            for j in range(n):
                u[j] += inputs[t, c] * w_in[c, j]
        total = 0.0
        for j in range(n):
            x[j] += leak * (u[j] - x[j])
            r[j] = math.tanh(x[j]) + state_noise[t, j]
        predict(w, r, z_hat)
        for k in range(n_outputs):
            outputs[t, k] = z_hat[k]
            z[k] = z_hat[k] + exploration[t, k]
            total += z[k]
        if not math.isfinite(total):
            return t
        modulator[t] = 0.0
        if rate[t] > 0.0:
            modulator[t] = hebb_modulator(z, target[t], z_mean, reward_mean, keep)
            if not math.isfinite(reward_mean[0]):
                return t
            if modulator[t] > 0.0:
                hebb_update(w, r, z, z_mean, rate[t] * modulator[t])
        if rates.shape[0] > 0:
            for j in range(n):
                rates[t, j] = r[j]
    return -1
