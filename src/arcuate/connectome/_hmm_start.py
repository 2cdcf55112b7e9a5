"""Where fits begin: states from windows whose pairs of neurons are coupled alike."""

from __future__ import annotations

import warnings

import numpy as np

from arcuate.connectome._hmm_fit import GaussianPrior, Sequences, curvature
from arcuate.connectome.glm import RATE_FLOOR, rates_in_place, slopes

__all__ = ["first_posteriors", "pooled_coupling"]

WINDOWS = (30, 60, 20)
"""Bins per window, by start in turn (chosen: about as long as states in the published data last)."""

TRIES = 10
"""Clusterings per start, of which the tightest is taken (chosen)."""

SURE = 0.9
"""Posterior that a window's own state begins with (chosen)."""


def pooled_coupling(data: Sequences, kind: str, *, steps: int = 4) -> np.ndarray:
    """Couplings (1, N, N + 1) of one state that does not switch."""
    n = data.counts[0].shape[1]
    mean = sum(each.sum(0) for each in data.counts) / data.n_bins
    coupling = np.zeros((1, n, n + 1))
    coupling[0, :, n] = inverse(mean, kind)
    everything = [np.ones((len(each), 1)) for each in data.counts]
    prior = GaussianPrior(std=1.0, learn_mean=False, shared_bias=True)
    belief = prior.start(coupling)
    for _ in range(steps):
        belief = prior.step(belief, *curvature(data, everything, belief.coupling, kind))
        np.clip(belief.coupling, -20, 20, out=belief.coupling)
    return belief.coupling


def inverse(rates: np.ndarray, kind: str) -> np.ndarray:
    """Drive that gives some rates; those that the nonlinearity cannot give are brought near."""
    low = np.maximum(rates, 1e-4)
    if kind == "sigmoid":
        low = np.minimum(low, 0.95)
        return np.asarray(np.log(low / (1 - low)))
    return np.asarray(np.log(np.expm1(low)) if kind == "softplus" else np.log(low))


def first_posteriors(
    data: Sequences, pooled: np.ndarray, n_states: int, *, kind: str, start: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Posteriors (T, S) from clusters of windows.

    Where the pooled couplings are wrong, the gradient of a window by them says in which direction. The
    gradients of all windows, scaled to unit variance and projected on as many principal components as there
    are differences between states, are clustered (k-means++; Arthur and Vassilvitskii 2007).
    """
    width = WINDOWS[start % len(WINDOWS)]
    slopes_of, sizes = [], []
    for rows, counts in zip(data.rows, data.counts, strict=True):
        score = _scores(rows, counts, pooled[0], kind)
        edges = np.arange(0, max(len(rows) - width // 2, 1), width)
        for a, b in zip(edges, [*edges[1:], len(rows)], strict=True):
            slopes_of.append((score[a:b].T @ rows[a:b]).ravel())
        sizes.append(np.diff([*edges, len(rows)]))
    features = np.array(slopes_of)
    features -= features.mean(0)
    features /= features.std(0) + 1e-12
    points = _components(features, max(n_states - 1, 1))
    labels = _clusters(points, min(n_states, len(points)), rng)
    posteriors, at = [], 0
    for lengths in sizes:
        states = np.repeat(labels[at : at + len(lengths)], lengths)
        posteriors.append(SURE * np.eye(n_states)[states] + (1 - SURE) / n_states)
        at += len(lengths)
    return posteriors


def _clusters(points: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Labels of the tightest of several k-means clusterings."""
    from scipy.cluster.vq import kmeans2

    best, least = np.zeros(len(points), np.intp), np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an empty cluster: such a clustering is not tight
        for _ in range(TRIES):
            centers, labels = kmeans2(points, n, minit="++", rng=rng, iter=50)
            spread = float(np.sum((points - centers[labels]) ** 2))
            if spread < least:
                best, least = labels, spread
    return best


def _scores(rows: np.ndarray, counts: np.ndarray, coupling: np.ndarray, kind: str) -> np.ndarray:
    """Derivative of each bin's log-likelihood by each neuron's drive."""
    rates = rates_in_place(rows @ coupling.T, kind)
    return np.asarray(slopes(rates, kind) * (counts / (rates + RATE_FLOOR) - 1))


def _components(features: np.ndarray, n: int) -> np.ndarray:
    """First principal components of rows, in their own units: (rows, n)."""
    if len(features) > features.shape[1]:
        vectors = np.linalg.eigh(features.T @ features)[1][:, ::-1][:, :n]
        return np.asarray(features @ vectors)
    values, vectors = np.linalg.eigh(features @ features.T)
    return np.asarray(vectors[:, ::-1][:, :n] * np.sqrt(np.maximum(values[::-1][:n], 0)))
