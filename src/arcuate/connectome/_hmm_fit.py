"""Expectation-maximization of an HMM-GLM: statistics, steps under a Gaussian prior, the loop itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from arcuate._jit import compiled
from arcuate.connectome._hmm_kernels import pair_products
from arcuate.connectome.glm import (
    CHUNK,
    RATE_FLOOR,
    emissions,
    history_rows,
    log_factorials,
    rates_in_place,
    slopes,
)
from arcuate.connectome.hmm import run_chain
from arcuate.errors import NonFiniteError

__all__ = ["Expectation", "Fit", "GaussianPrior", "Sequences", "begin", "curvature", "expect", "run"]

WEAK = 10.0
"""Standard deviation of every bias, and of weights without a prior: what spikes leave open stays finite."""

NEGLIGIBLE = 1e-3
"""Posterior below which a bin adds nothing to the curvature of a state (its gradient is always complete)."""

TRANSITION_COUNT = 0.1
"""Steps from each state to each that are added to those expected: a prior that keeps every step possible."""


@dataclass(frozen=True, kw_only=True)
class Sequences:
    """Counts with their history: lists over sequences of (T, N) and (T, N + 1)."""

    counts: list[np.ndarray]
    rows: list[np.ndarray]
    constant: float

    @classmethod
    def of(cls, counts: list[np.ndarray], basis: np.ndarray) -> Sequences:
        """Prepare counts."""
        rows = [history_rows(each, basis) for each in counts]
        constant = -sum(float(log_factorials(each).sum()) for each in counts)
        return cls(counts=counts, rows=rows, constant=constant)

    def part(self, n_bins: int) -> Sequences:
        """Sequences spread over all, until they have so many bins."""
        n = len(self.counts)
        needed = max(1, min(n, round(n * n_bins / self.n_bins)))
        some = np.linspace(0, n - 1, needed).round().astype(int)
        return replace(
            self,
            counts=[self.counts[i][:n_bins] for i in some],
            rows=[self.rows[i][:n_bins] for i in some],
        )

    @property
    def n_bins(self) -> int:
        """Bins of all sequences together."""
        return sum(map(len, self.counts))


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """Posteriors of all sequences under some parameters, and their exact log-likelihood."""

    posteriors: list[np.ndarray]
    transitions: np.ndarray
    log_likelihood: float


def expect(data: Sequences, coupling: np.ndarray, transition: np.ndarray, kind: str) -> Expectation:
    """E-step: forward-backward over every sequence."""
    n_states = len(transition)
    first = np.full(n_states, 1 / n_states)
    total, steps, posteriors = data.constant, np.zeros((n_states, n_states)), []
    for rows, counts in zip(data.rows, data.counts, strict=True):
        result = run_chain(emissions(rows, counts, coupling, kind=kind), transition, first)
        total += result.log_likelihood
        steps += result.transitions
        posteriors.append(result.posterior)
    return Expectation(posteriors=posteriors, transitions=steps, log_likelihood=total)


def curvature(
    data: Sequences, posteriors: list[np.ndarray], coupling: np.ndarray, kind: str
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient (S, N, M) and Fisher information (S, N, M, M) of the expected log-likelihood; M = N + 1."""
    n_states, n, m = coupling.shape
    gradient, packed = np.zeros((n_states, n, m)), np.zeros((n_states, m * (m + 1) // 2, n))
    for rows, counts, posterior in zip(data.rows, data.counts, posteriors, strict=True):
        for s in range(n_states):
            bins = np.flatnonzero(posterior[:, s])
            for start in range(0, len(bins), CHUNK):
                some = bins[start : start + CHUNK]
                slope, products = _terms(rows[some], counts[some], posterior[some, s], coupling[s], kind)
                gradient[s] += slope
                packed[s] += products
    upper = np.triu_indices(m)
    information = np.empty((n_states, n, m, m))
    information[..., upper[0], upper[1]] = information[..., upper[1], upper[0]] = packed.swapaxes(1, 2)
    return gradient, information


def _terms(
    rows: np.ndarray, counts: np.ndarray, share: np.ndarray, coupling: np.ndarray, kind: str
) -> tuple[np.ndarray, np.ndarray]:
    """What some bins add to the gradient (N, M) and the information (M (M + 1) / 2, N) of one state."""
    rates = rates_in_place(rows @ coupling.T, kind)
    slope = slopes(rates, kind) * share[:, None]
    gradient = (slope * (counts / (rates + RATE_FLOOR) - 1)).T @ rows
    heavy = share > NEGLIGIBLE
    rows, rates, slope, share = rows[heavy], rates[heavy], slope[heavy], share[heavy]
    weight = slope * slope / (share[:, None] * (rates + RATE_FLOOR))
    products = np.empty((len(rows), rows.shape[1] * (rows.shape[1] + 1) // 2))
    compiled(pair_products)(rows, products)
    return gradient, products.T @ weight


class Belief(Protocol):
    """What a prior knows about the couplings: at least their values (S, N, N + 1)."""

    @property
    def coupling(self) -> np.ndarray:
        """Weights, and last the bias."""


class Prior(Protocol):
    """How weights are tied together, and the step that makes them more probable."""

    def start(self, coupling: np.ndarray) -> Any:
        """Begin at some couplings."""

    def objective(self, belief: Any, information: np.ndarray) -> float:
        """What is added to the log-likelihood."""

    def step(self, belief: Any, gradient: np.ndarray, information: np.ndarray) -> Any:
        """Take one step up."""

    def between(self, old: Any, new: Any, share: float) -> Any:
        """Go only a share of the way."""


@dataclass(frozen=True, kw_only=True)
class GaussianBelief:
    """Couplings (S, N, N + 1) and the mean (N, N) of their prior."""

    coupling: np.ndarray
    mean: np.ndarray


@dataclass(frozen=True, kw_only=True)
class GaussianPrior:
    """Weights of all states around one mean per pair, or around zero.

    The step solves, for each neuron, the weighted least squares of Fisher scoring. What the states share, the
    means and mostly the bias, makes the system an arrow: the blocks of the states are eliminated first.
    """

    std: float
    learn_mean: bool
    shared_bias: bool

    def start(self, coupling: np.ndarray) -> GaussianBelief:
        """Begin at some couplings."""
        return self._centered(coupling)

    def _centered(self, coupling: np.ndarray) -> GaussianBelief:
        weights = coupling[..., :-1]
        mean = np.zeros(weights.shape[1:])
        if self.learn_mean:
            mean = weights.sum(0) / (len(weights) + self.std**2 / WEAK**2)
        return GaussianBelief(coupling=coupling, mean=mean)

    def objective(self, belief: GaussianBelief, information: np.ndarray) -> float:
        """Log density of weights, their mean and biases, up to a constant."""
        gap = np.sum((belief.coupling[..., :-1] - belief.mean) ** 2) / self.std**2
        far = np.sum(belief.mean**2) / WEAK**2 + bias_penalty(belief.coupling, self.shared_bias)
        return -0.5 * float(gap + far)

    def step(self, belief: GaussianBelief, gradient: np.ndarray, information: np.ndarray) -> GaussianBelief:
        """One step of Fisher scoring, over weights, their mean and biases together."""
        n = belief.coupling.shape[1]
        linear = gradient + np.einsum("snij,snj->sni", information, belief.coupling)
        block, columns, corner = self._arrow(information)
        own, n_shared = columns.shape[2:]
        pull = np.zeros((n, n_shared))
        if self.shared_bias:
            pull[:, -1] = linear[..., n].sum(0)
        side = np.concatenate([columns, linear[..., :own, None]], axis=-1)
        solved = np.linalg.solve(block, side)
        coupling = np.broadcast_to(belief.coupling[..., n:], belief.coupling.shape).copy()
        coupling[..., :own] = solved[..., -1]
        if n_shared:
            sent = np.einsum("snok,snol->nkl", columns, solved)
            shared = np.linalg.solve(corner - sent[..., :-1], pull[..., None] + sent[..., -1:])[..., 0]
            coupling[..., :own] += np.einsum("snok,nk->sno", solved[..., :-1], shared)
            if self.shared_bias:
                coupling[..., n] = shared[:, -1]
        return self._centered(coupling)

    def _arrow(self, information: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The system of each neuron: blocks of the states, and columns and corner of what states share.

        Shapes (S, N, own, own), (S, N, own, shared) with the sign turned, and (N, shared, shared).
        """
        n_states, n, m = information.shape[:3]
        own = n if self.shared_bias else m  # unknowns of one state and neuron
        precision, weak = 1 / self.std**2, 1 / WEAK**2
        block = information[..., :own, :own] + np.diag(np.full(own, precision))
        block[..., n:, n:] += weak - precision
        columns, corner = [np.empty((n_states, n, own, 0))], [np.empty((n, 0))]
        if self.learn_mean:
            columns.append(np.broadcast_to(precision * np.eye(own, n), (n_states, n, own, n)))
            corner.append(np.full((n, n), n_states * precision + weak))
        if self.shared_bias:
            columns.append(-information[..., :n, n:])
            corner.append(information[..., n:, n].sum(0) + weak)
        diagonal = np.concatenate(corner, 1)
        return block, np.concatenate(columns, -1), diagonal[..., None] * np.eye(diagonal.shape[1])

    def variances(self, information: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Variance of each weight (S, N, N) and of its mean over states (N, N), all else being open too.

        From the diagonal of the inverse of a neuron's whole system: weights of all states, biases, means.
        """
        n_states, n = information.shape[:2]
        block, columns, corner = self._arrow(information)
        inverse = np.linalg.inv(block)
        alone = np.diagonal(inverse, axis1=2, axis2=3)[..., :n]
        through = inverse @ columns
        shared = np.linalg.inv(corner - np.einsum("snok,snol->nkl", columns, through))
        through = through[..., :n, :]
        together = through.sum(0)
        mean = alone.sum(0) + np.einsum("nik,nkl,nil->ni", together, shared, together, optimize=True)
        by_state = alone + np.einsum("snik,nkl,snil->sni", through, shared, through, optimize=True)
        return by_state, mean / n_states**2

    def between(self, old: GaussianBelief, new: GaussianBelief, share: float) -> GaussianBelief:
        """Go only a share of the way."""
        return self._centered(old.coupling + share * (new.coupling - old.coupling))


def bias_penalty(coupling: np.ndarray, shared: bool) -> float:
    """Squared biases over their prior variance, each counted once."""
    bias = coupling[:1, :, -1] if shared else coupling[..., -1]
    return float(np.sum(bias**2)) / WEAK**2


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Where a fit is: what it believes, its statistics, and the objective at first and after each epoch."""

    belief: Any
    transition: np.ndarray
    expectation: Expectation
    objectives: tuple[float, ...] = ()
    converged: bool = False

    @property
    def objective(self) -> float:
        """The last objective."""
        return self.objectives[-1]


def next_transition(steps: np.ndarray) -> np.ndarray:
    """M-step of the transition matrix from expected steps (S, S)."""
    counts = steps + TRANSITION_COUNT
    return np.asarray(counts / counts.sum(1, keepdims=True))


def begin(data: Sequences, belief: Any, transition: np.ndarray, kind: str) -> Fit:
    """E-step at the beginning."""
    return Fit(
        belief=belief, transition=transition, expectation=expect(data, belief.coupling, transition, kind)
    )


def run(
    data: Sequences,
    prior: Prior,
    fit: Fit,
    *,
    kind: str,
    max_iter: int,
    tol: float,
    where: str,
    advance: Callable[[int], None] | None = None,
) -> Fit:
    """Epochs of generalized EM: each takes one step, halved until the objective no longer falls.

    It ends when an epoch adds less than ``tol`` per bin, or when no part of a step adds anything.
    """
    for epoch in range(1, max_iter + 1):
        gradient, information = curvature(data, fit.expectation.posteriors, fit.belief.coupling, kind)
        transition = next_transition(fit.expectation.transitions)
        before = _objective(prior, fit.belief, fit.transition, fit.expectation, information)
        if not fit.objectives:
            fit = replace(fit, objectives=(before,))
        full = prior.step(fit.belief, gradient, information)
        if not np.isfinite(full.coupling).all():
            raise blown_up(where, epoch, "a weight")
        share = 1.0
        while True:
            belief = full if share == 1 else prior.between(fit.belief, full, share)
            expectation = expect(data, belief.coupling, transition, kind)
            after = _objective(prior, belief, transition, expectation, information)
            if after >= before or share < 1e-3:
                break
            share /= 2
        if not after >= before:
            if not np.isfinite(before):
                raise blown_up(where, epoch, "the log-likelihood")
            return replace(fit, converged=True)
        fit = Fit(
            belief=belief,
            transition=transition,
            expectation=expectation,
            objectives=(*fit.objectives, after),
        )
        if advance is not None:
            advance(1)
        if after - before < tol * data.n_bins:
            return replace(fit, converged=True)
    return fit


def _objective(
    prior: Prior, belief: Any, transition: np.ndarray, expectation: Expectation, information: np.ndarray
) -> float:
    chain = TRANSITION_COUNT * float(np.log(transition).sum())
    return expectation.log_likelihood + chain + prior.objective(belief, information)


def blown_up(where: str, epoch: int, what: str) -> NonFiniteError:
    """The error of a fit that left the numbers."""
    return NonFiniteError.of(
        where=where,
        bound=f"{what} is not finite in epoch {epoch}",
        fix='use nonlinearity="sigmoid", which is bounded, or fewer states',
    )
