"""E-prop over a batch of trials: packed inputs, a fixed order of sums, trials spread over threads.

Importing this module loads Numba; the estimators import it when they run.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcuate.learning import _kernels
from arcuate.learning._settings import Settings

__all__ = ["Activity", "Weights", "gradients", "run_trials"]

Array = NDArray[Any]

BLOCKS = 8
"""Gradients are summed over at most so many blocks of trials, whatever the number of threads."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Weights as the kernels take them, (before, after); feedback is (n_outputs, n_neurons)."""

    w_in: Array
    w_rec: Array
    w_out: Array
    feedback: Array


@dataclass(frozen=True, kw_only=True)
class Activity:
    """What the forward pass of a batch leaves behind, trial by trial."""

    events: list[tuple[Array, Array, Array]]
    spike_first: Array
    spike_index: Array
    counts: Array
    psi: Array
    output: Array
    final: Array
    potential: Array
    threshold: Array

    def spikes(self, trial: int) -> tuple[Array, Array]:
        """Step and neuron of every spike of a trial."""
        first = self.spike_first[trial]
        step = np.repeat(np.arange(first.size - 1), np.diff(first))
        return step, self.spike_index[trial, : first[-1]].astype(np.int64)


def _spread(job: Callable[[int], None], count: int, threads: int) -> None:
    """Do jobs 0 .. count - 1 on up to so many threads; each writes to its own arrays only."""
    if min(threads, count) <= 1:
        for index in range(count):
            job(index)
        return
    with ThreadPoolExecutor(max_workers=min(threads, count)) as pool:
        for _ in pool.map(job, range(count)):
            pass


def _events(inputs: Array) -> tuple[Array, Array, Array]:
    """Entries of one trial (n_steps, n_inputs) that are not 0, step by step."""
    step, index = np.nonzero(inputs)
    first = np.searchsorted(step, np.arange(inputs.shape[0] + 1)).astype(np.int64)
    return first, index.astype(np.int64), inputs[step, index].astype(np.float64)


def run_trials(
    inputs: Array, weights: Weights, settings: Settings, *, threads: int = 1, states: bool = False
) -> Activity:
    """Run every trial from rest.

    Parameters
    ----------
    inputs : ndarray, (n_trials, n_steps, n_inputs)
        Spikes or values; zeros cost nothing.
    weights : Weights
    settings : Settings
    threads : int
        Trials run side by side; the result does not depend on it.
    states : bool
        Also keep potentials and thresholds.

    Returns
    -------
    Activity
    """
    trials, steps, _ = inputs.shape
    n, n_outputs = weights.w_out.shape
    room = n * -(-steps // max(settings.n_ref, 1))
    kept = (trials, steps if states else 0, n)
    activity = Activity(
        events=[_events(trial) for trial in inputs],
        spike_first=np.empty((trials, steps + 1), np.int64),
        spike_index=np.empty((trials, room), np.int32),
        counts=np.empty((trials, n), np.int64),
        psi=np.empty((trials, steps, n)),
        output=np.empty((trials, steps, n_outputs)),
        final=np.empty((trials, n)),
        potential=np.empty(kept),
        threshold=np.empty(kept),
    )
    decays = (settings.beta, settings.alpha, settings.rho, settings.kappa, settings.gain)

    def job(b: int) -> None:
        work = np.empty((5, n))
        _kernels.forward(
            *activity.events[b],
            *(weights.w_in, weights.w_rec, weights.w_out),
            *decays,
            *(settings.v_thresh, settings.n_ref, settings.dampening),
            *(activity.spike_first[b], activity.spike_index[b], activity.counts[b]),
            *(activity.psi[b], activity.output[b], work),
            *(activity.potential[b], activity.threshold[b]),
        )
        activity.final[b] = work[0]

    _spread(job, trials, threads)
    return activity


def gradients(
    activity: Activity,
    weights: Weights,
    settings: Settings,
    *,
    error: Array,
    regularizer: Array,
    threads: int = 1,
) -> dict[str, Array]:
    """E-prop's gradients, summed over trials.

    Parameters
    ----------
    activity : Activity
        From `run_trials`.
    weights : Weights
    settings : Settings
    error : ndarray, (n_trials, n_steps, n_outputs)
        Derivative of the loss by the outputs.
    regularizer : ndarray, (n_neurons,)
        Coefficient of the unfiltered eligibility trace in each step.
    threads : int
        Blocks of trials run side by side; the order of the sums does not depend on it.

    Returns
    -------
    dict of str to ndarray
        "w_in", "w_rec" and "w_out", (before, after).
    """
    trials, n = activity.counts.shape
    blocks = min(trials, BLOCKS)
    names = ("w_in", "w_rec", "w_out")
    sums = {name: np.zeros((blocks, *getattr(weights, name).shape)) for name in names}
    decays = (settings.beta, settings.alpha, settings.rho, settings.kappa, settings.gain)

    def job(block: int) -> None:
        work = np.empty((4, n))
        for b in range(trials * block // blocks, trials * (block + 1) // blocks):
            _kernels.backward(
                *activity.events[b],
                *(activity.spike_first[b], activity.spike_index[b], activity.psi[b]),
                *(error[b], weights.feedback, regularizer),
                *decays,
                *(sums[name][block] for name in names),
                work,
            )

    _spread(job, blocks, threads)
    for name in names:
        for block in range(1, blocks):
            sums[name][0] += sums[name][block]
    return {name: sums[name][0] for name in names}
