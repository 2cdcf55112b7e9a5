"""Alternating updates of non-negative factors, one start at a time, over any operator.

Inside, a factor lies as (rank, dimension). An operator gives ``shape``, ``norm2`` (squared norm) and
``work(rank)``, whose ``mttkrp(mode, factors)`` is the tensor times the Khatri-Rao product of the other modes,
and whose ``impute(factors)`` fills hidden entries (squared norm ``filled2``) and gives their squared change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import sqrt
from typing import Any, Protocol

import numpy as np

from arcuate._jit import compiled
from arcuate.connectome import _ntf_kernels as kernels

__all__ = ["Fit", "Operator", "Rule", "solve", "tie"]

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

    def work(self, rank: int) -> Any:
        """Work arrays of one start."""


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


@dataclass(kw_only=True)
class Fit:
    """Where a start ended: factors as (rank, dimension), the objective of every iteration."""

    factors: list[np.ndarray]
    errors: list[float] = field(default_factory=list)
    error: float = np.inf
    converged: bool = False


class _Momentum:
    """How far to extrapolate (Ang, Cohen, Gillis and Hien 2019)."""

    def __init__(self) -> None:
        self.beta, self.most = 0.5, 1.0

    def faster(self) -> None:
        self.beta = min(self.most, 1.05 * self.beta)
        self.most = min(1.0, 1.01 * self.most)

    def slower(self) -> None:
        self.most, self.beta = self.beta, self.beta / 1.5


def solve(operator: Operator, start: Sequence[np.ndarray], rule: Rule) -> Fit:
    """Update the factors in turn until progress ends; the objective of what is returned never rises."""
    hals = compiled(kernels.hals, reassociate=True)
    dtype = operator.dtype.type
    current = [np.ascontiguousarray(f, operator.dtype) for f in start]
    modes = [m for m in range(len(current)) if m not in rule.fixed]
    rank, last = len(current[0]), modes[-1]
    work, scratch = operator.work(rank), np.empty(kernels.LANES, operator.dtype)
    ahead, fit, momentum = list(current), Fit(factors=list(current)), _Momentum()
    grams = [f @ f.T for f in ahead]
    best, failed, beta = np.inf, False, 0.0
    for _ in range(rule.max_iter):
        for mode in modes:
            target = work.mttkrp(mode, ahead)
            gram = np.prod([g for m, g in enumerate(grams) if m != mode], axis=0)
            new = ahead[mode].copy()
            hals(new, target, gram, dtype(rule.penalty), rule.sweeps, dtype(rule.least), scratch)
            previous, current[mode], ahead[mode] = current[mode], new, new
            if mode != last:
                if beta:
                    ahead[mode] = np.maximum(new + dtype(beta) * (new - previous), 0)
                grams[mode] = ahead[mode] @ ahead[mode].T
        objective = _objective(operator.norm2 + work.filled2, target, gram, ahead[last])
        objective -= work.impute(ahead)
        objective += 2 * rule.penalty * sum(float(f.sum(dtype=float)) for f in ahead)
        if objective <= best:
            best, failed = objective, False
            fit.factors = list(ahead)
            if rule.extrapolate:
                momentum.faster() if fit.errors else None
                beta = momentum.beta
                ahead[last] = np.maximum(new + dtype(beta) * (new - previous), 0)
        else:  # without momentum from here, or from the best point where that has failed once
            ahead = list(fit.factors if failed else current)
            current = list(ahead)
            momentum.slower()
            beta, failed = 0.0 if failed else momentum.beta, True
            grams = [f @ f.T for f in ahead]
            work.impute(ahead)
        grams[last] = ahead[last] @ ahead[last].T
        fit.error = sqrt(max(best, 0.0) / operator.norm2)
        fit.errors.append(fit.error)
        if _stalled(fit.errors, rule.tol):
            fit.converged = True
            break
    return fit


def _objective(norm2: float, target: np.ndarray, gram: np.ndarray, factor: np.ndarray) -> float:
    """Squared norm of the residual, from the last update's product; sums in double precision."""
    wide = factor.astype(float)
    inner = float(np.vdot(target.astype(float), wide))
    return norm2 - 2 * inner + float(np.vdot(gram.astype(float), wide @ wide.T))


def _stalled(errors: list[float], tol: float) -> bool:
    if len(errors) <= WINDOW or not tol:
        return False
    return errors[-1 - WINDOW] - errors[-1] < tol * errors[-1] or errors[-1] == 0.0


def tie(operator: Operator, fit: Fit, rule: Rule) -> Fit:
    """Give both modes of a symmetric tensor one factor, their geometric mean, and fit the third mode to it.

    At a minimum the two are equal but for scale; before it, and at a saddle, they may not be.
    """
    a, b, c = fit.factors
    both = np.sqrt(a * b)
    only = replace(rule, fixed=frozenset({0, 1}), max_iter=100, tol=1e-8)
    end = solve(operator, [both, both, c], only)
    return Fit(factors=end.factors, errors=fit.errors, error=end.error, converged=fit.converged)
