"""Loops over stored trials, compiled around the learning rules of the mechanisms.

Importing this module loads Numba; the estimators import it when they are fitted. The order of work in a
trial is that of the engines' slot S6: center, read out, learn at each sample; consolidate the identities
and move the running mean after the last one.

Shapes: T trials, S samples, N units, K outputs. States are (T, S, N), float32 or float64. The last
arguments are written to; an array of length 0 is not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcuate._jit import compiled
from arcuate.mechanisms import plasticity

__all__ = ["delta_trials", "read_trials", "rls_trials", "two_bank_trials"]

Array = NDArray[Any]

predict = compiled(plasticity.predict)
delta_update = compiled(plasticity.delta_update)
rls_reset = compiled(plasticity.rls_reset)
rls_update = compiled(plasticity.rls_update)
center_decay = compiled(plasticity.center_decay)
center_update = compiled(plasticity.center_update)
eligibility_add = compiled(plasticity.eligibility_add)
eligibility_finish = compiled(plasticity.eligibility_finish)
what_update = compiled(plasticity.what_update)


@compiled
def _center(states: Array, mean: Array, x: Array) -> None:
    """Features of one sample less their running mean."""
    for i in range(x.shape[0]):
        x[i] = states[i] - mean[i]


@compiled
def _move_mean(states: Array, mean: Array, trial: int, tau_trials: float, work: Array) -> None:
    """Running trial mean after a trial; a time constant of 0 means no centering."""
    if tau_trials <= 0.0:
        return
    work[:] = 0.0
    for s in range(states.shape[0]):
        for i in range(work.shape[0]):
            work[i] += states[s, i]
    for i in range(work.shape[0]):
        work[i] /= states.shape[0]
    center_update(mean, work, center_decay(trial, tau_trials))


@compiled
def read_trials(states: Array, weights: Array, mean: Array, out: Array) -> None:
    """Outputs (T, S, K) of fixed weights (K, N)."""
    x = np.empty(mean.shape[0])
    for t in range(states.shape[0]):
        for s in range(states.shape[1]):
            _center(states[t, s], mean, x)
            predict(weights, x, out[t, s])


@compiled
def delta_trials(
    states: Array,
    target: Array,
    gate: Array,
    rate: float,
    c: float,
    w_min: float,
    w_max: float,
    tau_trials: float,
    first: int,
    weights: Array,
    mean: Array,
    probe: Array,
    online: Array,
    history: Array,
) -> None:
    """Delta rule over trials: target (T, S, K), gate (T, S); probe and online (T, S, K)."""
    x, work, error = np.empty(mean.shape[0]), np.empty(mean.shape[0]), np.empty(weights.shape[0])
    frozen = np.empty_like(weights)
    for t in range(states.shape[0]):
        frozen[:, :] = weights
        if history.shape[0] > 0:
            history[t] = weights
        for s in range(states.shape[1]):
            _center(states[t, s], mean, x)
            predict(frozen, x, probe[t, s])
            predict(weights, x, online[t, s])
            if gate[t, s] != 0.0:
                for k in range(error.shape[0]):
                    error[k] = target[t, s, k] - online[t, s, k]
                delta_update(weights, x, error, rate * gate[t, s], c, w_min, w_max)
        _move_mean(states[t], mean, first + t, tau_trials, work)


@compiled
def rls_trials(
    states: Array,
    target: Array,
    gate: Array,
    every: int,
    reset: Array,
    alpha: float,
    forgetting: float,
    normalized: bool,
    tau_trials: float,
    first: int,
    p: Array,
    weights: Array,
    mean: Array,
    probe: Array,
    online: Array,
    history: Array,
) -> None:
    """Recursive least squares over trials: P (N, N), reset (T,) starts P again before a trial."""
    n = mean.shape[0]
    x, work, gain, error = np.empty(n), np.empty(n), np.empty(n), np.empty(weights.shape[0])
    frozen = np.empty_like(weights)
    for t in range(states.shape[0]):
        frozen[:, :] = weights
        if history.shape[0] > 0:
            history[t] = weights
        if reset[t]:
            rls_reset(p, alpha)
        for s in range(states.shape[1]):
            _center(states[t, s], mean, x)
            predict(frozen, x, probe[t, s])
            predict(weights, x, online[t, s])
            if s % every == 0 and gate[t, s] != 0.0:
                for k in range(error.shape[0]):
                    error[k] = target[t, s, k] - online[t, s, k]
                rls_update(p, weights, x, error, forgetting, gain, normalized)
        _move_mean(states[t], mean, first + t, tau_trials, work)


@compiled
def two_bank_trials(
    states: Array,
    teacher: Array,
    gate: Array,
    eligible: Array,
    outcome: Array,
    rates: Array,
    tau_trials: float,
    first: int,
    weights: Array,
    mean: Array,
    probe_when: Array,
    probe_what: Array,
    online: Array,
    modulator_when: Array,
    modulator_what: Array,
    history: Array,
) -> None:
    """Two-bank rule over trials.

    Teacher, gate and eligible are (T, S), outcome is (T,); rates holds eta_when, c_when, eta_what,
    c_what, w_min, w_max. Weights are (1 + K, N): the when-bank, then one row for each outcome. Written:
    probe_when, online and modulator_when (T, S); probe_what and modulator_what (T, K).
    """
    n = mean.shape[0]
    x, work, e, error = np.empty(n), np.empty(n), np.empty(n), np.empty(1)
    frozen, z = np.empty((1, n)), np.empty(1)
    when, what = weights[0:1], weights[1:]
    for t in range(states.shape[0]):
        frozen[:, :] = when
        if history.shape[0] > 0:
            history[t] = weights
        e[:] = 0.0
        total = 0.0
        for s in range(states.shape[1]):
            _center(states[t, s], mean, x)
            predict(frozen, x, z)
            probe_when[t, s] = z[0]
            predict(when, x, z)
            online[t, s] = z[0]
            if eligible[t, s] > 0.0:
                eligibility_add(e, x, eligible[t, s])
                total += eligible[t, s]
            modulator_when[t, s] = 0.0
            if gate[t, s] != 0.0:
                error[0] = teacher[t, s] - z[0]
                modulator_when[t, s] = gate[t, s] * abs(error[0])
                delta_update(when, x, error, rates[0] * gate[t, s], rates[1], rates[4], rates[5])
        eligibility_finish(e, total)
        predict(what, e, probe_what[t])
        what_update(what, e, outcome[t], rates[2], rates[3], rates[4], rates[5], modulator_what[t])
        _move_mean(states[t], mean, first + t, tau_trials, work)
