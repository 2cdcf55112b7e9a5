"""One trial of a recurrent network with perturbations, compiled around the rules of the mechanisms.

Importing this module loads Numba; the estimators import it when they are fitted. Shapes: T steps, N neurons,
C channels; weights are (pre, post). The last arguments are written to; arrays of length 0 are not.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcuate._jit import compiled
from arcuate.mechanisms import perturbation

__all__ = ["outer_add", "rate_trial", "reward_update", "spiking_trial"]

Array = NDArray[Any]

deviate = compiled(perturbation.deviate)
outer_add = compiled(perturbation.outer_add)
reward_update = compiled(perturbation.reward_update)


@compiled
def _drive(w: Array, w_in: Array, r: Array, inputs: Array, u: Array) -> None:
    """Add recurrent and external input to u, in ascending order of groups of four presynaptic neurons."""
    n = u.shape[0]
    first = r.shape[0] % 4
    for i in range(first):
        for j in range(n):
            u[j] += r[i] * w[i, j]
    for i in range(first, r.shape[0], 4):
        r0, r1, r2, r3 = r[i], r[i + 1], r[i + 2], r[i + 3]
        for j in range(n):
            u[j] += (r0 * w[i, j] + r1 * w[i + 1, j]) + (r2 * w[i + 2, j] + r3 * w[i + 3, j])
    for c in range(inputs.shape[0]):
        if inputs[c] != 0.0:
            for j in range(n):
                u[j] += inputs[c] * w_in[c, j]


@compiled
def _factors(r: Array, d: Array, kick: Array, cubed: bool, pre: Array, post: Array) -> None:
    """Factors of the eligibility of one step: cubes of rate and deviation, or rate and kick."""
    for j in range(r.shape[0]):
        if cubed:
            pre[j] = r[j] * r[j] * r[j]
            post[j] = d[j] * d[j] * d[j]
        else:
            pre[j] = r[j]
            post[j] = kick[j]


@compiled
def _activate(u: Array, leak: float, fixed: Array, fixed_value: Array, x: Array) -> float:
    """Leaky integration ``x += leak (u - x)``, then the fixed units; returns the sum, finite if all are."""
    for j in range(x.shape[0]):
        x[j] += leak * (u[j] - x[j])
    for k in range(fixed.shape[0]):
        x[fixed[k]] = fixed_value[k]
    total = 0.0
    for j in range(x.shape[0]):
        total += x[j]
    return total


@compiled
def rate_trial(
    w: Array,
    w_in: Array,
    inputs: Array,
    kicks: Array,
    start: Array,
    fixed: Array,
    fixed_value: Array,
    leak: float,
    keep: float,
    cubed: bool,
    rates: Array,
    pre: Array,
    post: Array,
) -> int:
    """Run ``tau dx/dt = -x + J tanh(x) + input + kick``; return the first step that is not finite, or -1.

    Inputs (T, C), kicks (T, N), start (N,). Written: rates, pre and post (T, N).
    """
    n = start.shape[0]
    x, mean, d, u, r, before = start.copy(), start.copy(), np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    for k in range(fixed.shape[0]):
        x[fixed[k]] = fixed_value[k]
    for j in range(n):
        r[j] = math.tanh(x[j])
    for t in range(inputs.shape[0]):
        for j in range(n):
            u[j] = kicks[t, j]
            before[j] = r[j]
        _drive(w, w_in, r, inputs[t], u)
        if not math.isfinite(_activate(u, leak, fixed, fixed_value, x)):
            return t
        for j in range(n):
            r[j] = math.tanh(x[j])
            rates[t, j] = r[j]
        if pre.shape[0] > 0:
            deviate(x, mean, keep, d)
            _factors(before, d, kicks[t], cubed, pre[t], post[t])
    return -1


@compiled
def spiking_trial(
    w: Array,
    w_in: Array,
    inputs: Array,
    kicks: Array,
    start: Array,
    v_start: Array,
    fixed: Array,
    fixed_value: Array,
    leak: float,
    keep: float,
    cubed: bool,
    cell: Array,
    rates: Array,
    spikes: Array,
    pre: Array,
    post: Array,
) -> int:
    """Run LIF neurons driven by the current x; the first step that is not finite, or -1.

    The current obeys the equation of the rate network with ``r = s / r_0 - 1``, s the filtered spikes and
    r_0 the rate at x = 0. `cell` holds the decay of v, the drive, the gain of x, the refractory steps, the
    decay of s and the jump of r at a spike. Written: rates, pre and post (T, N), spikes (T, N), uint8.
    """
    n = start.shape[0]
    decay, drive, gain, refractory, fade, jump = cell[0], cell[1], cell[2], cell[3], cell[4], cell[5]
    x, mean, d, u, r, before = start.copy(), start.copy(), np.empty(n), np.empty(n), np.zeros(n), np.empty(n)
    v, rest = v_start.copy(), np.zeros(n)
    for k in range(fixed.shape[0]):
        x[fixed[k]] = fixed_value[k]
    for t in range(inputs.shape[0]):
        for j in range(n):
            u[j] = kicks[t, j]
            before[j] = r[j]
        _drive(w, w_in, r, inputs[t], u)
        if not math.isfinite(_activate(u, leak, fixed, fixed_value, x)):
            return t
        for j in range(n):
            r[j] = fade * (r[j] + 1.0) - 1.0
            spikes[t, j] = 0
            if rest[j] > 0.0:
                rest[j] -= 1.0
            else:
                level = drive + gain * x[j]
                v[j] = level + (v[j] - level) * decay
                if v[j] >= 1.0:
                    v[j] = 0.0
                    rest[j] = refractory
                    r[j] += jump
                    spikes[t, j] = 1
            rates[t, j] = r[j]
        if pre.shape[0] > 0:
            deviate(x, mean, keep, d)
            _factors(before, d, kicks[t], cubed, pre[t], post[t])
    return -1
