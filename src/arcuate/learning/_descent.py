"""What follows a gradient: the loss it comes from, and the step that it makes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcuate.learning._settings import Settings

__all__ = ["adam_step", "decision", "loss_and_error", "rate_penalty"]

Array = NDArray[Any]

ADAM = {"first": 0.9, "second": 0.999, "epsilon": 1e-8}
"""Kingma and Ba 2015, arXiv:1412.6980, the settings recommended below algorithm 1."""


def loss_and_error(output: Array, target: Array, settings: Settings) -> tuple[float, Array]:
    """Loss of a batch, the mean over its trials, and its derivative by the outputs.

    Regression: half the squared error, summed over the window and the outputs. Classification: cross-entropy
    of the softmax, the mean over the window. Both as in the authors' published code.

    Parameters
    ----------
    output : ndarray, (n_trials, n_steps, n_outputs)
        Outputs.
    target : ndarray, (n_trials, n_steps, n_outputs) or (n_trials,) of int
        Targets, or classes.
    settings : Settings

    Returns
    -------
    float and ndarray, (n_trials, n_steps, n_outputs)
    """
    trials, steps, _ = output.shape
    width = steps if settings.window is None else min(settings.window, steps)
    error = np.zeros_like(output)
    seen = output[:, steps - width :]
    if settings.task == "regression":
        error[:, steps - width :] = (seen - target[:, steps - width :]) / trials
        return 0.5 * trials * float(np.sum(error**2)), error
    shifted = seen - seen.max(axis=2, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=2, keepdims=True))
    rows = np.arange(trials)
    share = np.exp(shifted - log_sum)
    share[rows, :, target] -= 1.0
    error[:, steps - width :] = share / (trials * width)
    loss = np.sum(log_sum[..., 0] - shifted[rows, :, target]) / (trials * width)
    return float(loss), error


def rate_penalty(counts: Array, n_steps: int, settings: Settings) -> tuple[float, Array]:
    """Penalty of the firing rates, and the coefficient of the eligibility trace in each step.

    ``c_reg/2`` times the sum over neurons of the squared distance of the rate from its target, rates in
    spikes per ms and averaged over the batch, as in the authors' published code.

    Parameters
    ----------
    counts : ndarray, (n_trials, n_neurons)
        Spikes.
    n_steps : int
        Steps of a trial.
    settings : Settings

    Returns
    -------
    float and ndarray, (n_neurons,)
    """
    time = counts.shape[0] * n_steps * settings.dt * 1e3
    excess = counts.sum(axis=0) / time - settings.rate_target
    return 0.5 * settings.c_reg * float(np.sum(excess**2)), settings.c_reg * excess / time


def adam_step(gradient: Array, moments: Array, count: int) -> Array:
    """Direction of one step of Adam, to be multiplied by the learning rate and taken off.

    Parameters
    ----------
    gradient : ndarray
        Gradient.
    moments : ndarray, (2, ...)
        Moving averages of gradient and square; updated.
    count : int
        Steps so far, this one included.

    Returns
    -------
    ndarray

    References
    ----------
    Kingma and Ba 2015, arXiv:1412.6980, algorithm 1.

    Examples
    --------
    >>> adam_step(np.array([3.0]), np.zeros((2, 1)), 1).round(6).tolist()
    [1.0]
    """
    first, second = ADAM["first"], ADAM["second"]
    moments[0] = first * moments[0] + (1 - first) * gradient
    moments[1] = second * moments[1] + (1 - second) * gradient**2
    mean, square = moments[0] / (1 - first**count), moments[1] / (1 - second**count)
    return np.asarray(mean / (np.sqrt(square) + ADAM["epsilon"]))


def decision(output: Array, settings: Settings) -> Array:
    """Mean output of the window, by which a class is chosen.

    Parameters
    ----------
    output : ndarray, (n_trials, n_steps, n_outputs)
        Outputs.
    settings : Settings

    Returns
    -------
    ndarray, (n_trials, n_outputs)
    """
    width = output.shape[1] if settings.window is None else settings.window
    return np.asarray(output[:, -width:].mean(axis=1))
