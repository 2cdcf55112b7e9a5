"""The one-hot prior: a weight is inhibitory, absent or excitatory, and the expectation over the three exact.

Category c of pair ij in state s has the probability ``p_ijc``, shared by the states and Dirichlet(alpha)
distributed over pairs; the size of a present weight is half-normal. The posterior is taken to factorize over
weights (mean field; Carbonetto and Stephens 2012, doi:10.1214/12-BA703, for two categories), with the
log-likelihood expanded to second order. ``alpha`` and the deviation of sizes are set to what makes the data
most probable (empirical Bayes; Minka 2000 for ``alpha``), apart for a neuron's weight on itself, which holds
what its own spike does to it and may be much larger.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from arcuate._jit import compiled
from arcuate.connectome._hmm_fit import WEAK, bias_penalty
from arcuate.connectome._hmm_kernels import one_hot_sweeps

__all__ = ["OneHotBelief", "OneHotPrior"]

WIDEST = 100.0
"""Largest deviation of sizes (chosen): a spike after which a neuron never fires has no finite weight."""

ROUNDS, SWEEPS = 4, 3
"""Turns of weights and parameters of the prior per epoch, and rounds over all weights in each (chosen)."""


@dataclass(frozen=True, kw_only=True)
class OneHotBelief:
    """Posterior of all weights, and the parameters of their prior.

    ``coupling`` (S, N, N + 1) holds the posterior means and the bias; ``center`` and ``variance`` (S, N, N)
    are of the Gaussian whose halves the posterior of a present weight is; ``category`` (S, N, N, 3);
    ``alpha`` (2, 3) and ``deviation`` (2,) of the half-normal sizes, of pairs and of neurons on themselves.
    """

    coupling: np.ndarray
    center: np.ndarray
    variance: np.ndarray
    category: np.ndarray
    alpha: np.ndarray
    deviation: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Parameters (N, N, 3) of the Dirichlet posterior of each pair's categories."""
        return np.asarray(by_pair(self.alpha, self.category.shape[1]) + self.category.sum(0))


@dataclass(frozen=True, kw_only=True)
class OneHotPrior:
    """Three categories per weight, with probabilities per pair that all states share."""

    shared_bias: bool

    def start(self, coupling: np.ndarray) -> OneHotBelief:
        """Begin at dense couplings, with every category open."""
        weights = coupling[..., :-1]
        category = np.broadcast_to([0.25, 0.5, 0.25], (*weights.shape, 3)).copy()
        return OneHotBelief(
            coupling=coupling,
            center=weights.copy(),
            variance=np.full(weights.shape, 1e-3),
            category=category,
            alpha=np.tile([0.25, 0.5, 0.25], (2, 1)),
            deviation=np.full(2, np.clip(np.sqrt(np.mean(weights**2)), 1e-2, WIDEST)),
        )

    def objective(self, belief: OneHotBelief, information: np.ndarray) -> float:
        """Expected curvature and divergence from the prior, both negative."""
        halves = _Halves(belief)
        n = belief.center.shape[1]
        spread = np.sum(np.diagonal(information[..., :n, :n], axis1=2, axis2=3) * halves.variance)
        pairs = np.sum(_log_beta(belief.counts) - _log_beta(by_pair(belief.alpha, n)))
        return float(
            pairs - 0.5 * (spread + bias_penalty(belief.coupling, self.shared_bias)) - halves.divergence
        )

    def step(self, belief: OneHotBelief, gradient: np.ndarray, information: np.ndarray) -> OneHotBelief:
        """Coordinate ascent over the weights and the parameters of the prior, in turns."""
        n = belief.center.shape[1]
        linear = gradient + np.einsum("snij,snj->sni", information, belief.coupling)
        damped = information.copy()
        damped[..., n, n] += 1 / WEAK**2 / (len(damped) if self.shared_bias else 1)
        for _ in range(ROUNDS):
            belief = self._round(belief, damped, linear)
        return belief

    def _round(self, belief: OneHotBelief, information: np.ndarray, linear: np.ndarray) -> OneHotBelief:
        from scipy.special import digamma

        n = belief.center.shape[1]
        counts = belief.counts
        log_prior = digamma(counts) - digamma(counts.sum(-1, keepdims=True))
        bias, mean = belief.coupling[..., n].copy(), belief.coupling[..., :n].copy()
        center, variance = np.empty_like(mean), np.empty_like(mean)
        category = np.empty((*mean.shape, 3))
        compiled(one_hot_sweeps)(
            information, linear, log_prior, by_pair(belief.deviation, n), SWEEPS, self.shared_bias,
            bias, mean, center, variance, category,
        )  # fmt: skip
        new = replace(
            belief,
            coupling=np.concatenate([mean, bias[..., None]], axis=-1),
            center=center,
            variance=variance,
            category=category,
        )
        own, counts = np.eye(n, dtype=bool), category.sum(0)
        alpha = [_next_alpha(old, counts[own == s]) for s, old in enumerate(new.alpha)]
        return replace(new, deviation=_Halves(new).deviation, alpha=np.array(alpha))

    def between(self, old: OneHotBelief, new: OneHotBelief, share: float) -> OneHotBelief:
        """Go only a share of the way, in the parameters of the posterior."""
        mixed = {
            name: getattr(old, name) + share * (getattr(new, name) - getattr(old, name))
            for name in ("coupling", "center", "variance", "category", "alpha", "deviation")
        }
        belief = OneHotBelief(**mixed)
        belief.coupling[..., :-1] = _Halves(belief).mean
        return belief


def by_pair(values: np.ndarray, n: int) -> np.ndarray:
    """Values (2, ...) of pairs and of neurons on themselves, laid out as a matrix (n, n, ...)."""
    return np.asarray(values[np.eye(n, dtype=int)])


class _Halves:
    """Moments of the halves of a Gaussian, below and above zero, mixed by category."""

    def __init__(self, belief: OneHotBelief) -> None:
        from scipy.special import log_ndtr, xlogy

        center, variance, category = belief.center, belief.variance, belief.category
        width = np.sqrt(variance)
        z = center / width
        self.mean, square, divergence = np.zeros_like(z), np.zeros_like(z), xlogy(category, category).sum()
        own = np.eye(center.shape[1], dtype=bool)
        deviation = by_pair(belief.deviation, len(own))
        present = category[..., 0] + category[..., 2]
        for side, c in ((-1, 0), (1, 2)):
            log_half = log_ndtr(side * z)
            ratio = side * np.exp(-0.5 * z * z - log_half) / np.sqrt(2 * np.pi)
            mean = center + width * ratio
            second = center * mean + variance
            share = category[..., c]
            self.mean += share * mean
            square += share * second
            around = (second - 2 * center * mean + center**2) / variance
            excess = np.log(deviation / width) - np.log(2) - log_half
            divergence += np.sum(share * (excess - 0.5 * around + 0.5 * second / deviation**2))
        self.variance = square - self.mean**2
        self.divergence = float(divergence)
        ratio = [square[:, own == s].sum() / max(present[:, own == s].sum(), 1e-12) for s in (0, 1)]
        self.deviation = np.clip(np.sqrt(ratio), 1e-3, WIDEST)


def _log_beta(alpha: np.ndarray) -> np.ndarray:
    """Logarithm of the multivariate beta function, over the last axis."""
    from scipy.special import gammaln

    return np.asarray(gammaln(alpha).sum(-1) - gammaln(alpha.sum(-1)))


def _next_alpha(alpha: np.ndarray, counts: np.ndarray, *, rounds: int = 5) -> np.ndarray:
    """Fixed point for the Dirichlet behind counts (n, 3) of categories (Minka 2000); itself without any."""
    from scipy.special import digamma

    for _ in range(rounds if len(counts) else 0):
        top = np.sum(digamma(counts + alpha) - digamma(alpha), axis=0)
        below = np.sum(digamma(counts.sum(-1) + alpha.sum()) - digamma(alpha.sum()))
        alpha = np.clip(alpha * top / below, 1e-3, 1e3)
    return np.asarray(alpha)
