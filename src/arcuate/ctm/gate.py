"""A policy that is learned: a gate for each tick, fitted to finished thoughts.

Jointly learned exits (Regol, Chataoui and Coates 2024, "Jointly-Learned Exit and Inference for a Dynamic
Neural Network", arXiv 2310.09163) carried over to ticks: an exit is a tick, all exits share the model's
read-out, which stays as it is, and the gates are fitted alone.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcuate.ctm._answers import (
    Floats,
    as_targets,
    by_position,
    certainty_of,
    most_certain,
    probabilities,
)
from arcuate.ctm.halting import Decision, TickState
from arcuate.ctm.inference import Thought
from arcuate.errors import FitError, check_choice, check_real
from arcuate.readout._base import Estimator

__all__ = ["FEATURES", "LearnedExit"]

FEATURES = ("certainty", "change of certainty", "smallest margin", "log probability of the answer")
"""What a gate sees of a tick: certainty and its change; over positions, the smallest difference between the
two most probable classes, and the sum of the logarithms of the largest probabilities."""

WEIGHTS = ("balanced", "regret")
"""How trials count at a gate."""

STEPS = 50
"""Newton steps at most; with a ridge a handful is enough."""

LARGEST = 30.0
"""Largest log-odds of a gate, and that of a gate for a tick at which all or no trials are to stop."""


class LearnedExit(Estimator):
    """Stop where a gate, learned from other trials, says that more ticks are not worth their cost.

    The gate of a tick is a logistic regression on `FEATURES`. It learns from finished thoughts: of each
    trial, the tick is wanted at which (error + ``cost`` * tick / T) is smallest, the first if several are,
    and all gates from there on are to open. The error is the cross-entropy of the whole answer, read at the
    most certain tick so far. A fitted gate is a policy: a trial stops at the first gate of 0.5 or more.

    Parameters
    ----------
    cost : float
        Of all ticks together, in nats (0.7 in the paper).
    weights : {"balanced", "regret"}
        Trials that are to stop weigh together as much at a gate as those that are not, as in the paper; or
        each weighs what a wrong gate costs it: stopping too early the error that more ticks would have saved,
        going on one more tick. The first stops early often, for there are many gates at which it may err.
    penalty : float
        Ridge on the weights of standardized features (chosen: that of scikit-learn).

    Attributes
    ----------
    coef_ : ndarray, (T, features)
        Weights of each tick's gate.
    intercept_ : ndarray, (T,)
        In log-odds.
    wanted_ : ndarray of int, (B,)
        Tick that each trial of the fit was wanted to stop at.

    Examples
    --------
    >>> from arcuate import ctm
    >>> rng = np.random.default_rng(0)
    >>> targets, ready = rng.integers(2, size=400), rng.integers(1, 9, size=400)
    >>> known = np.arange(10) >= ready[:, None]
    >>> gap = np.where(known, 8.0 * (2 * targets[:, None] - 1), rng.normal(size=(400, 10)))
    >>> y = np.stack((-gap / 2, gap / 2), axis=1)
    >>> sure = ctm.certainty(y.transpose(2, 0, 1).reshape(-1, 2)).reshape(10, 400, 2).transpose(1, 2, 0)
    >>> empty = np.zeros((10, 400, 1))
    >>> thought = ctm.Thought(
    ...     predictions=y, certainties=sure, sync_out=empty, sync_action=None, pre_activations=empty,
    ...     post_activations=empty, attention=None, reads=None, key_values=None, trace=empty,
    ... )
    >>> gate = LearnedExit().fit(thought, targets)
    >>> gate.coef_.shape, bool(ctm.halt(thought, gate).share < 0.7)
    ((10, 4), True)
    """

    coef_: Floats
    intercept_: Floats
    wanted_: NDArray[np.int64]

    def __init__(self, *, cost: float = 0.7, weights: str = "balanced", penalty: float = 1.0) -> None:
        self.cost = cost
        self.weights = weights
        self.penalty = penalty

    def fit(self, thought: Thought, targets: ArrayLike) -> Self:
        """Fit a gate for each tick.

        Parameters
        ----------
        thought : Thought
            Finished, of trials that are not judged later.
        targets : array_like of int, (B,) or (B, positions)
            Right classes.

        Returns
        -------
        LearnedExit
            The estimator itself.

        Raises
        ------
        SpecError
            If a parameter is out of bounds or the targets do not fit the predictions.
        FitError
            If there are fewer trials than a gate has weights.
        """
        where = "LearnedExit"
        cost = check_real(self.cost, where=where, name="cost", low=0)
        penalty = check_real(self.penalty, where=where, name="penalty", low=0, low_open=True)
        check_choice(self.weights, WEIGHTS, where=where, name="weights")
        right = as_targets(thought, targets)
        n, ticks = right.shape[0], thought.predictions.shape[2]
        if n <= len(FEATURES) + 1:
            bound = f"must hold more than {len(FEATURES) + 1} trials"
            raise FitError.of(where=where, name="thought", value=n, bound=bound)
        logits = by_position(thought, right.shape[1])
        certainty = certainty_of(thought)
        errors = _errors(logits, right, certainty) + cost * np.arange(1, ticks + 1) / ticks
        self.wanted_ = errors.argmin(1) + 1
        before = np.concatenate((np.zeros((n, 1)), certainty[:, :-1]), axis=1)
        self.coef_, self.intercept_ = np.zeros((ticks, len(FEATURES))), np.zeros(ticks)
        for tick in range(ticks):
            x = _features(logits[..., tick], certainty[:, tick], before[:, tick])
            stop = self.wanted_ <= tick + 1
            regret = errors[:, tick] - errors.min(1)
            weight = _weights(stop, self.weights, regret=regret, tick=cost / ticks)
            self.coef_[tick], self.intercept_[tick] = _gate(x, stop, weight, penalty)
        return self

    def probability(self, state: TickState) -> Floats:
        """Opening of the gate of a tick (B,); ticks after the last that was fitted have its gate.

        Parameters
        ----------
        state : TickState
            The memo is written to.

        Returns
        -------
        ndarray

        Raises
        ------
        FitError
            If the gates have not been fitted.
        """
        if not hasattr(self, "coef_"):
            raise FitError.of(where="LearnedExit", bound="has not been fitted", fix="call fit first")
        certainty = np.asarray(state.certainty, dtype=np.float64)
        before = state.memo.get("certainty", np.zeros_like(certainty))
        x = _features(state.logits().astype(np.float64), certainty, before)
        state.memo["certainty"] = certainty
        row = min(state.tick, len(self.intercept_)) - 1
        odds = np.clip(x @ self.coef_[row] + self.intercept_[row], -LARGEST, LARGEST)
        return np.asarray(1.0 / (1.0 + np.exp(-odds)))

    def __call__(self, state: TickState, /) -> Decision:
        """Decide about one tick."""
        stop = self.probability(state)
        return Decision(stop, np.zeros(len(stop)))


def _errors(logits: Floats, right: NDArray[np.int64], certainty: Floats) -> Floats:
    """Cross-entropy of the whole answer that would be read at each tick (B, T)."""
    chosen = np.take_along_axis(probabilities(logits), right[:, :, None, None], axis=2)[:, :, 0]
    each = -np.log(np.maximum(chosen, np.finfo(np.float64).tiny)).sum(1)
    return np.take_along_axis(each, most_certain(certainty), axis=1)


def _features(logits: Floats, certainty: Floats, before: Floats) -> Floats:
    """What a gate sees (B, features) of logits (B, positions, classes)."""
    p = np.sort(probabilities(logits[..., None])[..., 0], axis=-1)
    margin = (p[..., -1] - p[..., -2]).min(1)
    return np.stack((certainty, certainty - before, margin, np.log(p[..., -1]).sum(1)), axis=1)


def _weights(stop: NDArray[np.bool_], kind: str, *, regret: Floats, tick: float) -> Floats:
    """Weights of trials at a gate (B,), of mean 1: what each class has together, or what an error costs."""
    n, count = len(stop), max(int(stop.sum()), 1)
    if kind == "balanced":
        return np.where(stop, n / (2 * count), n / (2 * max(n - count, 1)))
    weight = np.where(stop, tick, regret)
    mean = weight.mean()
    return np.asarray(weight / mean) if mean > 0 else np.ones(n)


def _gate(x: Floats, stop: NDArray[np.bool_], weight: Floats, penalty: float) -> tuple[Floats, float]:
    """Weights and intercept of a logistic regression with a ridge, by Newton's method."""
    n, k = x.shape
    count = int(stop.sum())
    if count in (0, n):
        return np.zeros(k), LARGEST if count else -LARGEST
    mean, scale = x.mean(0), x.std(0)
    scale[scale < 1e-12] = 1.0
    z = np.column_stack(((x - mean) / scale, np.ones(n)))
    ridge = np.append(np.full(k, penalty), 1e-9)
    beta = np.zeros(k + 1)
    for _ in range(STEPS):
        p = 1.0 / (1.0 + np.exp(-np.clip(z @ beta, -LARGEST, LARGEST)))
        gradient = z.T @ (weight * (p - stop)) + ridge * beta
        hessian = (z.T * (weight * p * (1 - p))) @ z + np.diag(ridge)
        step = np.linalg.solve(hessian, gradient)
        beta -= step * min(1.0, 5.0 / np.linalg.norm(step))
        if np.abs(step).max() < 1e-10:
            break
    coef = beta[:k] / scale
    return coef, float(beta[k] - coef @ mean)
