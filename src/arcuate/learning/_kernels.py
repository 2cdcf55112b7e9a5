"""E-prop for recurrent networks of LIF and ALIF neurons, as loops over one trial's arrays.

The state of a synapse from i to j, of which its eligibility trace is made, obeys (Bellec et al. 2020,
equations 24 and 25)::

    eps_v_i(t)   = alpha eps_v_i(t-1) + z_i(t-1)                            one number per neuron before
    eps_a_ji(t)  = (rho - beta_j psi_j(t-1)) eps_a_ji(t-1) + psi_j(t-1) eps_v_i(t-1)      one per synapse
    e_ji(t)      = psi_j(t) (eps_v_i(t) - beta_j eps_a_ji(t))
    ebar_ji(t)   = kappa ebar_ji(t-1) + (1 - kappa) e_ji(t)
    gradient_ji  = sum over t of L_j(t) ebar_ji(t) + r_j e_ji(t)

`traces` computes them in this form. Training needs the sums only. They are linear in the spikes ``z_i``, with
coefficients that belong to the neuron after the synapse, so `backward` collects these coefficients from the
end of the trial to its start, two numbers per neuron, and adds them up at the spikes of each neuron before.
The sum is the same to rounding, and costs what the spikes cost instead of what all synapses cost in a step.
No signal passes from one neuron to another but the spikes and the learning signal L: that is what makes it
e-prop and not backpropagation through time.

Importing this module loads Numba; the estimators import it when they run. Every function loops in a fixed
order and writes only into the arrays it is given. Shapes: T steps, M inputs, N neurons, K outputs; weights
are (before, after).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcuate._jit import compiled

__all__ = ["backward", "forward", "traces"]

Array = NDArray[Any]


@compiled
def forward(
    input_first: Array,
    input_index: Array,
    input_value: Array,
    w_in: Array,
    w_rec: Array,
    w_out: Array,
    beta: Array,
    alpha: float,
    rho: float,
    kappa: float,
    gain: float,
    v_thresh: float,
    n_ref: int,
    dampening: float,
    spike_first: Array,
    spike_index: Array,
    counts: Array,
    psi: Array,
    output: Array,
    work: Array,
    potential: Array,
    threshold: Array,
) -> None:
    """Run one trial from rest: spikes, surrogate derivatives and outputs.

    ``v = alpha v + gain (W_in x(t) + W_rec z(t-1)) - v_thresh z(t-1)``; ``a = rho a + z(t-1)``; a spike where
    ``v > v_thresh + beta a`` and the last one is at least `n_ref` steps ago; ``psi =
    dampening/v_thresh max(0, 1 - |v - A|/v_thresh)``, and 0 while refractory;
    ``y = kappa y + (1 - kappa) W_out z``.

    Parameters
    ----------
    input_first, input_index, input_value : (T + 1,), (n,), (n,) arrays
        The inputs that are not 0, step by step: those of step t are ``input_first[t]:input_first[t + 1]``.
    w_in, w_rec, w_out : (M, N), (N, N), (N, K) arrays
        Weights.
    beta : (N,) array
        Strength of the adaptation; 0 for LIF.
    alpha, rho, kappa : float
        Decay in a step of potential, adaptation and output.
    gain : float
        Factor on the currents.
    v_thresh : float
        Threshold.
    n_ref : int
        Steps from a spike to the next that is possible; 0 is as 1.
    dampening : float
        Height of the surrogate derivative.
    spike_first, spike_index : (T + 1,), (room,) arrays
        Written: spikes step by step, as the inputs. There is room for ``N ceil(T/max(n_ref, 1))``.
    counts : (N,) array
        Written: spikes of each neuron.
    psi : (T, N) array
        Written: surrogate derivatives.
    output : (T, K) array
        Written.
    work : (5, N) array
        Written; the first row holds the last potential.
    potential, threshold : (T, N) arrays
        Written: v and A. Length 0 for none.
    """
    n_steps, n = psi.shape
    n_outputs = w_out.shape[1]
    v, a, z, wait, current = work[0], work[1], work[2], work[3], work[4]
    for row in range(5):
        for j in range(n):
            work[row, j] = 0.0
    for j in range(n):
        counts[j] = 0
    pause = float(max(n_ref, 1) - 1)
    height = dampening / v_thresh
    scale = 1.0 / v_thresh
    spike_first[0] = 0
    total, last = 0, 0
    for t in range(n_steps):
        for j in range(n):
            current[j] = 0.0
        for e in range(input_first[t], input_first[t + 1]):
            value, row_in = input_value[e], w_in[input_index[e]]
            for j in range(n):
                current[j] += value * row_in[j]
        for e in range(last, total):
            row_rec = w_rec[spike_index[e]]
            for j in range(n):
                current[j] += row_rec[j]
        last = total
        psi_t = psi[t]
        for j in range(n):
            a[j] = rho * a[j] + z[j]
            v[j] = alpha * v[j] + gain * current[j] - v_thresh * z[j]
            over = v[j] - (v_thresh + beta[j] * a[j])
            free = 1.0 if wait[j] <= 0.0 else 0.0
            slope = 1.0 - abs(over) * scale
            slope = slope if slope > 0.0 else 0.0
            psi_t[j] = height * slope * free
            fired = free if over > 0.0 else 0.0
            z[j] = fired
            left = wait[j] - 1.0
            left = left if left > 0.0 else 0.0
            wait[j] = pause if fired > 0.0 else left
        for k in range(n_outputs):
            output[t, k] = kappa * output[t - 1, k] if t > 0 else 0.0
        for j in range(n):
            if z[j] > 0.0:
                spike_index[total] = j
                total += 1
                counts[j] += 1
                for k in range(n_outputs):
                    output[t, k] += (1.0 - kappa) * w_out[j, k]
        spike_first[t + 1] = total
        if potential.shape[0] > 0:
            for j in range(n):
                potential[t, j] = v[j]
                threshold[t, j] = v_thresh + beta[j] * a[j]


@compiled
def backward(
    input_first: Array,
    input_index: Array,
    input_value: Array,
    spike_first: Array,
    spike_index: Array,
    psi: Array,
    error: Array,
    feedback: Array,
    regularizer: Array,
    beta: Array,
    alpha: float,
    rho: float,
    kappa: float,
    gain: float,
    g_in: Array,
    g_rec: Array,
    g_out: Array,
    work: Array,
) -> None:
    """Add the gradients of one trial.

    Parameters
    ----------
    input_first, input_index, input_value, spike_first, spike_index, psi : arrays
        As `forward` took and left them.
    error : (T, K) array
        Derivative of the loss by the outputs.
    feedback : (K, N) array
        Weights from the errors to the learning signals, ``L = feedback' error``.
    regularizer : (N,) array
        Added to the learning signal of the unfiltered trace, equal in each step.
    beta, alpha, rho, kappa, gain : array and floats
        As in `forward`.
    g_in, g_rec, g_out : (M, N), (N, N), (N, K) arrays
        Added to. Autapses and absent synapses are the caller's to clear.
    work : (4, N) array
        Written.
    """
    n_steps, n = psi.shape
    n_outputs = error.shape[1]
    q, later, signal, c = work[0], work[1], work[2], work[3]
    for j in range(n):
        q[j] = 0.0
        later[j] = 0.0
    filtered = np.zeros(n_outputs)
    for t in range(n_steps - 1, -1, -1):
        for k in range(n_outputs):
            filtered[k] = kappa * filtered[k] + (1.0 - kappa) * error[t, k]
        for e in range(spike_first[t], spike_first[t + 1]):
            i = spike_index[e]
            for k in range(n_outputs):
                g_out[i, k] += filtered[k]
            row_rec = g_rec[i]
            for j in range(n):
                row_rec[j] += gain * later[j]  # a spike of step t arrives in step t + 1
        for j in range(n):
            signal[j] = regularizer[j]
        for k in range(n_outputs):
            level, row_back = filtered[k], feedback[k]
            if level != 0.0:
                for j in range(n):
                    signal[j] += level * row_back[j]
        psi_t = psi[t]
        for j in range(n):
            c[j] = psi_t[j] * (signal[j] + q[j])
        for j in range(n):
            q[j] = rho * q[j] - beta[j] * c[j]
        for j in range(n):
            later[j] = alpha * later[j] + c[j]
        for e in range(input_first[t], input_first[t + 1]):
            value, row_in = gain * input_value[e], g_in[input_index[e]]
            for j in range(n):
                row_in[j] += value * later[j]


@compiled
def traces(
    pre: Array,
    psi: Array,
    beta: Array,
    alpha: float,
    rho: float,
    kappa: float,
    eps_v: Array,
    eps_a: Array,
    eligibility: Array,
    filtered: Array,
) -> None:
    """Eligibility traces of S synapses, step by step as they arise.

    Parameters
    ----------
    pre : (T, S) array
        What arrives at each synapse, in the step in which it arrives, times the gain.
    psi : (T, S) array
        Surrogate derivative of the neuron after each synapse.
    beta : (S,) array
        Adaptation of the neuron after each synapse.
    alpha, rho, kappa : float
        Decays, as in `forward`.
    eps_v, eps_a, eligibility, filtered : (T, S) arrays
        Written: both components, the trace and the trace as the output filters it.

    References
    ----------
    Bellec et al. 2020, Nat. Commun. 11:3625, equations 24 and 25, doi:10.1038/s41467-020-17236-y.

    Examples
    --------
    >>> pre, psi = np.array([[1.0], [0.0]]), np.ones((2, 1))
    >>> v, a, e, ebar = (np.empty((2, 1)) for _ in range(4))
    >>> traces(pre, psi, np.array([0.5]), 0.5, 0.9, 0.0, v, a, e, ebar)
    >>> e[:, 0].tolist()
    [1.0, 0.0]
    """
    for t in range(pre.shape[0]):
        for s in range(pre.shape[1]):
            eps_v[t, s] = pre[t, s]
            eps_a[t, s] = 0.0
            low = 0.0
            if t > 0:
                eps_v[t, s] += alpha * eps_v[t - 1, s]
                eps_a[t, s] = (rho - beta[s] * psi[t - 1, s]) * eps_a[t - 1, s]
                eps_a[t, s] += psi[t - 1, s] * eps_v[t - 1, s]
                low = filtered[t - 1, s]
            eligibility[t, s] = psi[t, s] * (eps_v[t, s] - beta[s] * eps_a[t, s])
            filtered[t, s] = kappa * low + (1.0 - kappa) * eligibility[t, s]
