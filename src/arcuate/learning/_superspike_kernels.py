"""SuperSpike's layers and its sums, as loops over one trial's arrays.

The eligibility of a synapse from i to j is ``alpha * (sigma'(u_j) (epsilon * S_i))``, two filters one after
the other; the weight's change sums it times the error signal. That sum is linear in the spikes ``S_i``, so
`backward` runs the filters from the end of the trial to its start, four numbers for each neuron after, and
adds up at the spikes. The sum is the same to rounding.

Importing this module loads Numba; the estimator imports it when it runs. Shapes: T steps, M inputs, N
neurons; weights are (before, after).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcuate._jit import compiled

__all__ = ["backward", "forward", "smooth"]

Array = NDArray[Any]


@compiled
def forward(
    x: Array, w: Array, syn: float, mem: float, v_thresh: float, n_ref: int, potential: Array, z: Array
) -> None:
    """Run a layer from rest.

    ``I = syn I + W x``; ``u = mem u + (1 - mem) I - v_thresh z(t-1)``; a spike where ``u > v_thresh``.

    Parameters
    ----------
    x, w : (T, M), (M, N) arrays
        Spikes and weights.
    syn, mem : float
        Decay in a step of synapse and membrane.
    v_thresh : float
        Threshold.
    n_ref : int
        Steps from a spike to the next that is possible.
    potential, z : (T, N) arrays
        Written: u before the reset, and spikes.
    """
    n_steps, n_inputs = x.shape
    n = w.shape[1]
    current = np.zeros(n)
    wait = np.zeros(n, np.int64)
    for t in range(n_steps):
        for j in range(n):
            current[j] *= syn
        for i in range(n_inputs):
            if x[t, i] != 0.0:
                for j in range(n):
                    current[j] += x[t, i] * w[i, j]
        for j in range(n):
            u = (1.0 - mem) * current[j]
            if t > 0:
                u += mem * potential[t - 1, j] - v_thresh * z[t - 1, j]
            potential[t, j] = u
            z[t, j] = 0.0
            if wait[j] > 0:
                wait[j] -= 1
            if u > v_thresh and wait[j] == 0:
                z[t, j] = 1.0
                wait[j] = n_ref


@compiled
def smooth(x: Array, rise: float, decay: float, out: Array) -> None:
    """Filter by the double exponential: ``a = rise a + x``; ``out = decay out + (1 - decay) a``.

    Parameters
    ----------
    x : (T, N) array
        Spikes, or differences of spikes.
    rise, decay : float
        Decays in a step.
    out : (T, N) array
        Written.
    """
    a = np.zeros(x.shape[1])
    for t in range(x.shape[0]):
        for k in range(x.shape[1]):
            a[k] = rise * a[k] + x[t, k]
            out[t, k] = (1.0 - decay) * a[k]
            if t > 0:
                out[t, k] += decay * out[t - 1, k]


@compiled
def backward(
    x: Array,
    potential: Array,
    signal: Array,
    beta: float,
    syn: float,
    mem: float,
    rise: float,
    decay: float,
    v_thresh: float,
    g: Array,
) -> None:
    """Add a layer's sum over steps of signal times eligibility.

    Parameters
    ----------
    x, potential : (T, M), (T, N) arrays
        As in `forward`.
    signal : (T, N) array
        Error signal of each neuron.
    beta : float
        Steepness of the surrogate derivative ``(1 + beta |u - v_thresh|)^-2``.
    syn, mem, rise, decay, v_thresh : float
        As in `forward` and `smooth`.
    g : (M, N) array
        Added to.
    """
    n = g.shape[1]
    b, a, p, s = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    for t in range(x.shape[0] - 1, -1, -1):
        for j in range(n):
            b[j] = decay * b[j] + signal[t, j]
            a[j] = rise * a[j] + (1.0 - decay) * b[j]
            root = 1.0 + beta * abs(potential[t, j] - v_thresh)
            p[j] = mem * p[j] + a[j] / (root * root)
            s[j] = syn * s[j] + (1.0 - mem) * p[j]
        for i in range(x.shape[1]):
            if x[t, i] != 0.0:
                for j in range(n):
                    g[i, j] += x[t, i] * s[j]
