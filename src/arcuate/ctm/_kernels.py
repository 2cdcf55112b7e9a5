"""What a tick does between its matrix products, compiled: one pass over memory for each.

Arrays are feature-major, the trials innermost and contiguous: (features, B). Sums and logistic functions are
taken in double precision, whatever the arrays have. The last argument is written to.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcuate._jit import compiled

__all__ = [
    "glu_norm",
    "history_norm",
    "logistic",
    "neuron_gate",
    "neuron_tail",
    "norm_silu",
    "pair_synchrony",
    "softmax_rows",
    "sum_norm",
]

Array = NDArray[Any]


@compiled
def logistic(x: float) -> float:
    """1/(1 + exp(-x)) to 3e-13, a polynomial to the 16th power; it has no branch, so loops vectorize."""
    t = -40.0 if x < -40.0 else x  # what is not a number stays so
    t = (40.0 if t > 40.0 else t) * -0.0625
    p = t * (1.0 / 3628800.0) + 1.0 / 362880.0
    p = p * t + 1.0 / 40320.0
    p = p * t + 1.0 / 5040.0
    p = p * t + 1.0 / 720.0
    p = p * t + 1.0 / 120.0
    p = p * t + 1.0 / 24.0
    p = p * t + 1.0 / 6.0
    p = p * t + 1.0 / 2.0
    p = p * t + 1.0
    p = p * t + 1.0
    p = p * p
    p = p * p
    p = p * p
    return 1.0 / (1.0 + p * p)


@compiled
def pair_synchrony(
    z: Array, left: Array, right: Array, r: Array, scale: Array, alpha: Array, out: Array
) -> None:
    """Add a tick to the sums alpha (P, B) of pairs and read them times scale (P,), 1/sqrt(beta)."""
    for p in range(alpha.shape[0]):
        i, j, decay, factor = left[p], right[p], r[p], scale[p]
        for b in range(alpha.shape[1]):
            total = decay * alpha[p, b] + z[i, b] * z[j, b]
            alpha[p, b] = total
            out[p, b] = total * factor


@compiled
def softmax_rows(scores: Array, out: Array) -> None:
    """Softmax of every row (N, L)."""
    for n in range(scores.shape[0]):
        largest = scores[n, 0]
        for k in range(1, scores.shape[1]):
            largest = max(largest, scores[n, k])
        total = 0.0
        for k in range(scores.shape[1]):
            value = np.exp(scores[n, k] - largest)
            out[n, k] = value
            total += value
        for k in range(scores.shape[1]):
            out[n, k] /= total


@compiled
def _normalize(x: Array, scale: Array, shift: Array, mean: Array, spread: Array) -> None:
    """Layer norm of x (n, B) over its rows, in place; mean and spread (B,) are work arrays."""
    n, batch = x.shape
    mean[:] = 0.0
    spread[:] = 0.0
    for i in range(n):
        for b in range(batch):
            mean[b] += x[i, b]
    for b in range(batch):
        mean[b] /= n
    for i in range(n):
        for b in range(batch):
            spread[b] += (x[i, b] - mean[b]) * (x[i, b] - mean[b])
    for b in range(batch):
        spread[b] = 1.0 / np.sqrt(spread[b] / n + 1e-5)
    for i in range(n):
        for b in range(batch):
            x[i, b] = (x[i, b] - mean[b]) * spread[b] * scale[i] + shift[i]


@compiled
def glu_norm(u: Array, bias: Array, scale: Array, shift: Array, out: Array) -> None:
    """Bias, gated linear unit of u (2 n, B), layer norm: out (n, B)."""
    n, batch = out.shape
    for i in range(n):
        for b in range(batch):
            out[i, b] = (u[i, b] + bias[i]) * logistic(u[n + i, b] + bias[n + i])
    _normalize(out, scale, shift, np.empty(batch), np.empty(batch))


@compiled
def norm_silu(u: Array, bias: Array, scale: Array, shift: Array, out: Array) -> None:
    """Bias, layer norm, SiLU: out (n, B)."""
    n, batch = out.shape
    for i in range(n):
        for b in range(batch):
            out[i, b] = u[i, b] + bias[i]
    _normalize(out, scale, shift, np.empty(batch), np.empty(batch))
    for i in range(n):
        for b in range(batch):
            out[i, b] *= logistic(out[i, b])


@compiled
def sum_norm(x: Array, skipped: Array, scale: Array, shift: Array, out: Array) -> None:
    """Layer norm of a sum: out (n, B)."""
    n, batch = out.shape
    for i in range(n):
        for b in range(batch):
            out[i, b] = x[i, b] + skipped[i, b]
    _normalize(out, scale, shift, np.empty(batch), np.empty(batch))


@compiled
def history_norm(window: Array, scale: Array, shift: Array, out: Array) -> None:
    """Layer norm of every neuron's history: window and out (D, M, B)."""
    batch = out.shape[2]
    mean, spread = np.empty(batch), np.empty(batch)
    for d in range(out.shape[0]):
        out[d] = window[d]
        _normalize(out[d], scale, shift, mean, spread)


@compiled
def neuron_gate(u: Array, bias: Array, gain: float, out: Array) -> None:
    """Bias (D, 2 n), gain (1/temperature), gated linear unit of u (D, 2 n, B): out (D, n, B)."""
    for d in range(out.shape[0]):
        n = out.shape[1]
        for c in range(n):
            for b in range(out.shape[2]):
                gate = logistic((u[d, n + c, b] + bias[d, n + c]) * gain)
                out[d, c, b] = (u[d, c, b] + bias[d, c]) * gain * gate


@compiled
def neuron_tail(
    u: Array,
    bias: Array,
    gain: float,
    second: Array,
    second_bias: Array,
    second_gain: float,
    out: Array,
) -> None:
    """What follows the first product of a deep neuron: gate, second layer (D, H, 2), gate: out (D, B)."""
    hidden, batch = second.shape[1], out.shape[1]
    value, gate = np.empty(batch), np.empty(batch)
    for d in range(out.shape[0]):
        value[:] = second_bias[d, 0]
        gate[:] = second_bias[d, 1]
        for c in range(hidden):
            to_value, to_gate = second[d, c, 0], second[d, c, 1]
            for b in range(batch):
                x = (u[d, c, b] + bias[d, c]) * gain
                x *= logistic((u[d, hidden + c, b] + bias[d, hidden + c]) * gain)
                value[b] += to_value * x
                gate[b] += to_gate * x
        for b in range(batch):
            out[d, b] = value[b] * second_gain * logistic(gate[b] * second_gain)
