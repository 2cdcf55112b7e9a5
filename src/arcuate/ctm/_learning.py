"""What a tick of a model that is trained does between its matrix products, and its gradient, compiled.

Trials come first and features are contiguous, except in the histories of the neurons, (D, M + T, B), and in
what their models compute of them, (D, 2 H, B). All is done in the precision of the arrays; sums over the
features of a trial are taken in double. Stores of all ticks have their axis in front and are written at one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcuate._jit import compiled

__all__ = [
    "gate_norm",
    "gate_norm_gradient",
    "neurons",
    "neurons_gradient",
    "softmax_chosen",
    "softmax_chosen_gradient",
    "sync",
    "sync_gradient",
]

Array = NDArray[Any]


@compiled
def growth(x: float) -> float:
    """exp(x) - 1 from -40 to 40, a polynomial that is squared four times; no branch, so loops vectorize."""
    k = type(x)
    t = k(-40.0) if x < k(-40.0) else x  # what is not a number stays so
    t = (k(40.0) if t > k(40.0) else t) * k(0.0625)
    p = t * k(1.0 / 3628800.0) + k(1.0 / 362880.0)
    p = p * t + k(1.0 / 40320.0)
    p = p * t + k(1.0 / 5040.0)
    p = p * t + k(1.0 / 720.0)
    p = p * t + k(1.0 / 120.0)
    p = p * t + k(1.0 / 24.0)
    p = p * t + k(1.0 / 6.0)
    p = p * t + k(0.5)
    p = p * t + k(1.0)
    p = p * t
    p = p * (p + k(2.0))
    p = p * (p + k(2.0))
    p = p * (p + k(2.0))
    return p * (p + k(2.0))


@compiled
def logistic(x: float) -> float:
    """1/(1 + exp(-x)) to 3e-13 in double precision, to 2e-7 in single."""
    k = type(x)
    return k(1.0) / (growth(-x) + k(2.0))


@compiled
def gate_norm(
    u: Array, scale: Array, shift: Array, tick: int, pre: Array, history: Array, moments: Array
) -> None:
    """Gated linear unit and layer norm of u (B, 2 D), to pre (T, B, D) and the history.

    Moments (T, B, 2) get mean and 1/deviation of each trial.
    """
    batch, n = pre.shape[1:]
    slot = history.shape[1] - pre.shape[0] + tick
    for b in range(batch):
        for i in range(n):
            pre[tick, b, i] = u[b, i] * logistic(u[b, n + i])
        s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
        for i in range(0, n - 3, 4):
            s0 += pre[tick, b, i]
            s1 += pre[tick, b, i + 1]
            s2 += pre[tick, b, i + 2]
            s3 += pre[tick, b, i + 3]
        for i in range(n - n % 4, n):
            s0 += pre[tick, b, i]
        mean = (s0 + s1 + s2 + s3) / n
        s0, s1 = 0.0, 0.0
        for i in range(0, n - 1, 2):
            s0 += (pre[tick, b, i] - mean) * (pre[tick, b, i] - mean)
            s1 += (pre[tick, b, i + 1] - mean) * (pre[tick, b, i + 1] - mean)
        if n % 2:
            s0 += (pre[tick, b, n - 1] - mean) * (pre[tick, b, n - 1] - mean)
        moments[tick, b, 0] = mean
        moments[tick, b, 1] = 1.0 / np.sqrt((s0 + s1) / n + 1e-5)
        middle, spread = moments[tick, b, 0], moments[tick, b, 1]
        for i in range(n):
            pre[tick, b, i] = (pre[tick, b, i] - middle) * spread * scale[i] + shift[i]
    for i in range(n):
        for b in range(batch):
            history[i, slot, b] = pre[tick, b, i]


@compiled
def gate_norm_gradient(
    u: Array,
    scale: Array,
    tick: int,
    moments: Array,
    d_history: Array,
    du: Array,
    d_scale: Array,
    d_shift: Array,
) -> None:
    """Gradient of `gate_norm`, from that of the history: to du (T, B, 2 D), added to those of the norm."""
    batch, n = u.shape[0], u.shape[1] // 2
    slot = d_history.shape[1] - du.shape[0] + tick
    one = u.dtype.type(1.0)
    da, gate, y = np.empty((batch, n), u.dtype), np.empty(n, u.dtype), np.empty(n, u.dtype)
    for i in range(n):
        for b in range(batch):
            da[b, i] = d_history[i, slot, b]
    for b in range(batch):
        mean, spread = moments[tick, b, 0], moments[tick, b, 1]
        for i in range(n):
            gate[i] = logistic(u[b, n + i])
            y[i] = (u[b, i] * gate[i] - mean) * spread
            d_shift[i] += da[b, i]
            d_scale[i] += da[b, i] * y[i]
            da[b, i] *= scale[i]
        s0, s1, t0, t1 = 0.0, 0.0, 0.0, 0.0
        for i in range(0, n - 1, 2):
            s0 += da[b, i]
            s1 += da[b, i + 1]
            t0 += da[b, i] * y[i]
            t1 += da[b, i + 1] * y[i + 1]
        if n % 2:
            s0 += da[b, n - 1]
            t0 += da[b, n - 1] * y[n - 1]
        first, second = u.dtype.type((s0 + s1) / n), u.dtype.type((t0 + t1) / n)
        for i in range(n):
            dy = (da[b, i] - first - y[i] * second) * spread
            du[tick, b, i] = dy * gate[i]
            du[tick, b, n + i] = dy * u[b, i] * gate[i] * (one - gate[i])


@compiled
def neurons(h: Array, bias: Array, second: Array, second_bias: Array, tick: int, x: Array, z: Array) -> None:
    """What follows the first product h (D, 2 H, B) of the neurons: gate, second layer (D, 2, H), gate.

    Post-activations go to z (T + 1, D, B) and to the last D columns of x (T + 1, B, E + D), both at tick + 1.
    """
    n, width, batch = h.shape
    hidden, first = width // 2, x.shape[2] - n
    y, gate = np.empty((hidden, batch), h.dtype), np.empty((hidden, batch), h.dtype)
    value, to_gate = np.empty(batch, h.dtype), np.empty(batch, h.dtype)
    flat, flat_gate = y.reshape(hidden * batch), gate.reshape(hidden * batch)
    for d in range(n):
        for c in range(hidden):
            left, right = bias[d, c], bias[d, hidden + c]
            for b in range(batch):
                y[c, b] = h[d, c, b] + left
                gate[c, b] = h[d, hidden + c, b] + right
        for q in range(hidden * batch):
            flat[q] *= logistic(flat_gate[q])
        for b in range(batch):
            value[b] = second_bias[d, 0]
            to_gate[b] = second_bias[d, 1]
        for c in range(hidden):
            left, right = second[d, 0, c], second[d, 1, c]
            for b in range(batch):
                value[b] += left * y[c, b]
                to_gate[b] += right * y[c, b]
        for b in range(batch):
            z[tick + 1, d, b] = value[b] * logistic(to_gate[b])
        for b in range(batch):
            x[tick + 1, b, first + d] = z[tick + 1, d, b]


@compiled
def neurons_gradient(
    h: Array,
    bias: Array,
    second: Array,
    second_bias: Array,
    dz: Array,
    d_bias: Array,
    d_second: Array,
    d_second_bias: Array,
) -> None:
    """Gradient of `neurons`, from dz (D, B): written over h, added to those of the parameters."""
    n, width, batch = h.shape
    hidden = width // 2
    one = h.dtype.type(1.0)
    y, gate = np.empty((hidden, batch), h.dtype), np.empty((hidden, batch), h.dtype)
    value, to_gate = np.empty(batch, h.dtype), np.empty(batch, h.dtype)
    flat_gate = gate.reshape(hidden * batch)
    for d in range(n):
        for c in range(hidden):
            left, right = bias[d, c], bias[d, hidden + c]
            for b in range(batch):
                y[c, b] = h[d, c, b] + left
                gate[c, b] = h[d, hidden + c, b] + right
        for q in range(hidden * batch):
            flat_gate[q] = logistic(flat_gate[q])
        for b in range(batch):
            value[b] = second_bias[d, 0]
            to_gate[b] = second_bias[d, 1]
        for c in range(hidden):
            left, right = second[d, 0, c], second[d, 1, c]
            for b in range(batch):
                value[b] += left * (y[c, b] * gate[c, b])
                to_gate[b] += right * (y[c, b] * gate[c, b])
        for b in range(batch):
            to_gate[b] = logistic(to_gate[b])
        for b in range(batch):
            g = dz[d, b] * to_gate[b]
            to_gate[b] = g * value[b] * (one - to_gate[b])
            value[b] = g
        sum_value, sum_gate = 0.0, 0.0
        for b in range(batch):
            sum_value += value[b]
            sum_gate += to_gate[b]
        d_second_bias[d, 0] += sum_value
        d_second_bias[d, 1] += sum_gate
        for c in range(hidden):
            left, right = second[d, 0, c], second[d, 1, c]
            s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
            for b in range(batch):
                dy = left * value[b] + right * to_gate[b]
                down = dy * gate[c, b]
                across = down * y[c, b] * (one - gate[c, b])
                y[c, b] *= gate[c, b]
                h[d, c, b] = down
                h[d, hidden + c, b] = across
            for b in range(batch):
                s0 += value[b] * y[c, b]
                s1 += to_gate[b] * y[c, b]
                s2 += h[d, c, b]
                s3 += h[d, hidden + c, b]
            d_second[d, 0, c] += s0
            d_second[d, 1, c] += s1
            d_bias[d, c] += s2
            d_bias[d, hidden + c] += s3


@compiled
def sync(
    z: Array, tick: int, pairs: Array, r: Array, scale: Array, total: Array, asked: Array, out: Array
) -> None:
    """Add the products of the pairs (2, P) of z[tick], of (T + 1, D, B), to the sums total (P, B).

    The first pairs ask at this tick, asked (T, Pa, B); the others answer for the one before, out (T, Po, B).
    """
    ticks, n_asked, batch = asked.shape
    for p in range(total.shape[0]):
        i, j, decay, factor = pairs[0, p], pairs[1, p], r[p], scale[tick, p]
        for b in range(batch):
            total[p, b] = decay * total[p, b] + z[tick, i, b] * z[tick, j, b]
        if p < n_asked:
            if tick < ticks:
                for b in range(batch):
                    asked[tick, p, b] = total[p, b] * factor
        elif tick > 0:
            for b in range(batch):
                out[tick - 1, p - n_asked, b] = total[p, b] * factor


@compiled
def sync_gradient(
    z: Array,
    tick: int,
    pairs: Array,
    r: Array,
    scale: Array,
    asked: Array,
    out: Array,
    d_asked: Array,
    d_out: Array,
    g: Array,
    dz: Array,
    dr: Array,
    d_scale: Array,
) -> None:
    """Gradient of `sync`, from d_asked (Pa, B) of this tick and d_out (T, Po, B).

    Keeps that of the sums in g (P, B), adds to dz (D, B), dr (P,) and d_scale (T + 1, P).
    """
    ticks, n_asked, batch = asked.shape
    total, d = np.empty(batch, g.dtype), np.empty(batch, g.dtype)
    for p in range(g.shape[0]):
        i, j, decay, factor = pairs[0, p], pairs[1, p], r[p], scale[tick, p]
        back = g.dtype.type(1.0) / factor
        d[:] = 0.0
        if p >= n_asked and tick > 0:
            for b in range(batch):
                total[b] = out[tick - 1, p - n_asked, b] * back
                d[b] = d_out[tick - 1, p - n_asked, b]
        elif p < n_asked and tick < ticks:
            for b in range(batch):
                total[b] = asked[tick, p, b] * back
                d[b] = d_asked[p, b]
        elif tick == 0:
            for b in range(batch):
                total[b] = z[tick, i, b] * z[tick, j, b]
        else:
            continue  # nobody asks after the last tick
        s0, s1 = 0.0, 0.0
        for b in range(batch):
            s0 += g[p, b] * total[b]
            s1 += d[b] * total[b]
        dr[p] += s0
        d_scale[tick, p] += s1
        for b in range(batch):
            g[p, b] = decay * g[p, b] + factor * d[b]
        for b in range(batch):
            dz[i, b] += g[p, b] * z[tick, j, b]
        for b in range(batch):
            dz[j, b] += g[p, b] * z[tick, i, b]


@compiled
def softmax_chosen(scores: Array, choice: Array, tick: int, attention: Array, spread: Array) -> None:
    """Softmax of the scores that belong to the tokens of each trial.

    Scores are (N, R, K): either of all trials with the K = V L rows of a table, choice (B, L) of V, for each
    head; or of each trial and head with its own K = L tokens. Attention is (T, B, heads, L); spread
    (N, T, R, K) has the same where the scores stood, and 0 at what was not chosen.
    """
    _, batch, heads, length = attention.shape
    table = scores.shape[1] == batch and scores.shape[0] == heads
    one = scores.dtype.type(1.0)
    for b in range(batch):
        for head in range(heads):
            n, row = (head, b) if table else (b * heads + head, 0)
            weights = attention[tick, b, head]
            largest = scores[n, row, choice[b, 0] * length]
            for k in range(length):
                weights[k] = scores[n, row, choice[b, k] * length + k]
                largest = max(largest, weights[k])
            for k in range(length):
                weights[k] = growth(weights[k] - largest) + one
            total = 0.0
            for k in range(length):
                total += weights[k]
            share = scores.dtype.type(1.0 / total)
            for k in range(length):
                weights[k] *= share
            spread[n, tick, row] = 0.0
            for k in range(length):
                spread[n, tick, row, choice[b, k] * length + k] = weights[k]


@compiled
def softmax_chosen_gradient(
    d_spread: Array, choice: Array, tick: int, attention: Array, d_attention: Array, d_scores: Array
) -> None:
    """Gradient of `softmax_chosen`, from d_spread (N, R, K) and d_attention.

    That is (T, B, heads, L), or (0, 0, 0, 0) if nobody asks for it.
    """
    _, batch, heads, length = attention.shape
    table = d_spread.shape[1] == batch and d_spread.shape[0] == heads
    slope = np.empty(length, attention.dtype)
    for b in range(batch):
        for head in range(heads):
            n, row = (head, b) if table else (b * heads + head, 0)
            for k in range(length):
                slope[k] = d_spread[n, row, choice[b, k] * length + k]
            if d_attention.shape[0]:
                for k in range(length):
                    slope[k] += d_attention[tick, b, head, k]
            total = 0.0
            for k in range(length):
                total += attention[tick, b, head, k] * slope[k]
            middle = slope.dtype.type(total)
            d_scores[n, tick, row] = 0.0
            for k in range(length):
                column = choice[b, k] * length + k
                d_scores[n, tick, row, column] = attention[tick, b, head, k] * (slope[k] - middle)
