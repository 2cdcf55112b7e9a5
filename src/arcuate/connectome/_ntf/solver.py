"""Alternating updates of non-negative factors, one start at a time, over any operator.

Inside, a factor lies as (rank, dimension). An operator gives ``shape``, ``norm2`` (squared norm) and
``work(rank, crew)``, whose ``mttkrp(mode, factors)`` is the tensor times the Khatri-Rao product of the other
modes, and whose ``impute(factors)`` fills hidden entries (squared norm ``filled2``) and gives their squared
change. Where whole fibres are missing, ``rows(mode, factors)`` gives Gram matrices of single rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import sqrt
from typing import Any, Protocol

import numpy as np

from arcuate.connectome._ntf import _kernels as kernels
from arcuate.connectome._ntf.passes import Crew, fast

__all__ = ["Fit", "Operator", "Rule", "finish", "solve", "tie"]

SWEEPS = 8
"""Most sweeps over the components in one update of a factor (chosen: next to free beside the product)."""

LEAST = 0.05
"""Share of the first sweep's squared step below which an update ends (chosen)."""

WINDOW = 10
"""Iterations over which progress is judged: a shorter look ends in a swamp."""


class Operator(Protocol):
    """A tensor, seen through its products with factors."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Dimensions of the tensor."""

    @property
    def dtype(self) -> np.dtype:
        """Of the factors."""

    @property
    def norm2(self) -> float:
        """Squared norm of what was observed."""

    def residual2(self, factors: Sequence[np.ndarray]) -> float | None:
        """Squared norm of the residual without cancellation, where it can be had."""

    def work(self, rank: int, crew: Crew | None = None) -> Any:
        """Work arrays of one start, whose passes a crew of threads shares."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """When to stop and how to step."""

    max_iter: int
    tol: float = 0.0
    extrapolate: bool = False
    penalty: float = 0.0
    fixed: frozenset[int] = frozenset()
    sweeps: int = SWEEPS
    least: float = LEAST
    crew: Crew | None = None


@dataclass(kw_only=True)
class Fit:
    """Where a start ended: factors as (rank, dimension), the objective of every exact iteration."""

    factors: list[np.ndarray]
    errors: list[float] = field(default_factory=list)
    error: float = np.inf
    converged: bool = False
    n_iter: int = 0


class _Momentum:
    """How far to extrapolate (Ang, Cohen, Gillis and Hien 2019)."""

    def __init__(self) -> None:
        self.beta, self.most = 0.5, 1.0

    def faster(self) -> None:
        self.beta = min(self.most, 1.05 * self.beta)
        self.most = min(1.0, 1.01 * self.most)

    def slower(self) -> None:
        self.most, self.beta = self.beta, self.beta / 1.5


class _Progress:
    """Factors of one start: where they are, where extrapolation has taken them, the best point so far.

    The best point is one whose error is known: the extrapolated factors of all modes but the last, and the
    last mode's new one. ``previous`` holds factors that were not extrapolated.
    """

    def __init__(self, start: Sequence[np.ndarray], dtype: np.dtype) -> None:
        self.ahead = [np.ascontiguousarray(f, dtype) for f in start]
        self.previous = list(self.ahead)
        self.best, self.momentum = list(self.ahead), _Momentum()
        self.objective, self.beta, self.failed = np.inf, 0.0, False
        self.grams = np.array([f @ f.T for f in self.ahead])

    def judge(self, objective: float, last: int, *, extrapolate: bool) -> bool:
        """Keep a better point and step beyond its last mode; else fall back. Whether it was better."""
        better = objective <= self.objective
        if better:
            grew = self.objective < np.inf
            self.objective, self.failed, self.best = objective, False, list(self.ahead)
            if extrapolate:
                if grew:
                    self.momentum.faster()
                self.beta = self.momentum.beta
                new = self.ahead[last]
                beyond = new + new.dtype.type(self.beta) * (new - self.before)
                self.ahead[last] = np.maximum(beyond, 0)
                self.grams[last] = self.ahead[last] @ self.ahead[last].T
        else:  # without momentum from here, or from the best point where that has failed once
            self.ahead = list(self.best if self.failed else self.previous)
            self.previous = list(self.ahead)
            self.momentum.slower()
            self.beta, self.failed = 0.0 if self.failed else self.momentum.beta, True
            for mode, factor in enumerate(self.ahead):
                self.grams[mode] = factor @ factor.T
        return better

    def step(self, mode: int, new: np.ndarray, ahead: np.ndarray) -> None:
        """Take one mode's update."""
        self.before, self.previous[mode], self.ahead[mode] = self.previous[mode], new, ahead


def solve(operator: Operator, start: Sequence[np.ndarray], rule: Rule) -> Fit:
    """Update the factors in turn until progress ends; the objective of what is returned never rises."""
    update, by_rows, facts = fast(kernels.update), fast(kernels.update_rows), np.empty(2)
    at, fit = _Progress(start, operator.dtype), Fit(factors=[])
    modes = [m for m in range(len(at.ahead)) if m not in rule.fixed]
    last, rank = modes[-1], len(at.ahead[0])
    work, gram, scratch = (
        operator.work(rank, rule.crew),
        at.grams[0].copy(),
        np.empty(kernels.LANES, operator.dtype),
    )
    for _ in range(rule.max_iter):
        for mode in modes:
            target, old = work.mttkrp(mode, at.ahead), at.ahead[mode]
            new = np.empty_like(old)
            ahead = np.empty_like(old) if mode != last else new
            beta = at.beta if mode != last else 0.0
            settings = np.array([beta, rule.penalty, rule.least], operator.dtype)
            rows = work.rows(mode, at.ahead)
            if rows is None:
                update(
                    target, old, at.previous[mode], at.grams, mode, settings, rule.sweeps, new, ahead,
                    gram, scratch, facts,
                )  # fmt: skip
            else:
                by_rows(target, old, at.previous[mode], *rows, settings, rule.sweeps, new, ahead, facts)
            at.step(mode, new, ahead)
        objective = operator.norm2 + work.filled2 - 2 * facts[0] + facts[1] - work.impute(at.ahead)
        if rule.penalty:
            objective += 2 * rule.penalty * sum(float(f.sum(dtype=float)) for f in at.ahead)
        if not at.judge(objective, last, extrapolate=rule.extrapolate):
            work.impute(at.ahead)
        fit.error = sqrt(max(at.objective, 0.0) / operator.norm2)
        fit.errors.append(fit.error)
        if _stalled(fit.errors, rule.tol):
            fit.converged = True
            break
    fit.factors, fit.n_iter = at.best, len(fit.errors)
    return fit


def _stalled(errors: list[float], tol: float) -> bool:
    if len(errors) <= WINDOW or not tol:
        return False
    return errors[-1 - WINDOW] - errors[-1] < tol * errors[-1] or errors[-1] == 0.0


def finish(quick: Operator, operator: Operator, start: Sequence[np.ndarray], rule: Rule) -> Fit:
    """Run a start on a compressed tensor and end it with exact iterations.

    Three plain ones do where their gains shrink so fast that what is left, as a geometric series, is
    small; a tensor that no small basis holds goes on by the full rule.
    """
    near = solve(quick, start, rule)
    fit = solve(operator, near.factors, replace(rule, extrapolate=False, max_iter=3, tol=0.0))
    first, second = -np.diff(fit.errors)
    fit.converged = second**2 <= WINDOW * rule.tol * fit.error * (first - second)
    if not fit.converged and rule.max_iter > near.n_iter:
        more = solve(operator, fit.factors, replace(rule, max_iter=rule.max_iter - near.n_iter))
        fit = replace(more, errors=fit.errors + more.errors, n_iter=more.n_iter + 3)
    fit.n_iter += near.n_iter
    return fit


def tie(operator: Operator, fit: Fit, rule: Rule) -> Fit:
    """Give both modes of a symmetric tensor one factor, their geometric mean, and fit the third mode to it.

    At a minimum the two are equal but for scale; before it, and at a saddle, they may not be.
    """
    a, b, c = fit.factors
    both = np.sqrt(a * b)
    only = replace(rule, fixed=frozenset({0, 1}), max_iter=100, tol=1e-8)
    end = solve(operator, [both, both, c], only)
    return replace(fit, factors=end.factors, error=end.error)
