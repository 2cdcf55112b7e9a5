"""What block models see of a graph: features of its pairs, and priors of what is integrated out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from arcuate.connectome._graphs import Floats

__all__ = ["EDGES", "WEIGHTS", "Likelihood", "expected_edges", "likelihood", "strength_factors"]

WEIGHTS = ("exponential", "strength", "normal", "poisson")
EDGES = ("auto", "none", "bernoulli", "poisson")

_FAMILY = {"exponential": 1.0, "normal": 2.0, "poisson": 3.0, "strength": 3.0}
_EDGE_MODEL = {"none": 0.0, "bernoulli": 1.0, "poisson": 2.0}


@dataclass(frozen=True, kw_only=True)
class Likelihood:
    """A graph as the kernels take it.

    Attributes
    ----------
    weights, edges : str
        Family of weights and model of edges.
    pairs : ndarray, (n, n, 4)
    rule : ndarray, (7,)
    table : ndarray, (5, size)
        As in `arcuate.connectome._block_kernels`.
    residuals : tuple of ndarray, (n, n)
        What spectral starts look at.
    """

    weights: str
    edges: str
    pairs: Floats
    rule: Floats
    table: Floats
    residuals: tuple[Floats, ...]


def strength_factors(graph: Floats, *, sweeps: int = 50) -> Floats:
    """Factor of each node such that the mean of w_ij / (phi_i phi_j) over the edges of every node is 1.

    Fixed point of phi_i^2 = phi_i mean_j(w_ij / phi_j).

    Parameters
    ----------
    graph : ndarray, (n, n)
        Weights >= 0.
    sweeps : int
        Iterations.

    Returns
    -------
    ndarray, (n,)

    Examples
    --------
    >>> strength_factors(np.array([[0.0, 6.0, 2.0], [6.0, 0.0, 3.0], [2.0, 3.0, 0.0]])).round(3).tolist()
    [2.0, 3.0, 1.0]
    """
    degree = np.maximum((graph > 0).sum(axis=1), 1)
    phi = np.sqrt(np.maximum(graph.sum(axis=1) / degree, np.finfo(float).tiny))
    phi[graph.sum(axis=1) == 0] = 1.0
    for _ in range(sweeps):
        mean = (graph / phi[None, :]).sum(axis=1) / degree
        phi = np.where(mean > 0, np.sqrt(phi * mean), 1.0)
    return np.asarray(phi, dtype=np.float64)


def expected_edges(edges: Floats, *, sweeps: int = 200) -> Floats:
    """Probability of each edge in a random graph with these degrees in the mean: x_i x_j / (1 + x_i x_j).

    Park and Newman 2004; unlike k_i k_j / 2E it stays below 1 for hubs.

    Parameters
    ----------
    edges : ndarray, (n, n)
        0 or 1.
    sweeps : int
        Iterations at most.

    Returns
    -------
    ndarray, (n, n)

    Examples
    --------
    >>> star = np.zeros((4, 4))
    >>> star[0, 1:] = star[1:, 0] = 1.0
    >>> bool(np.allclose(expected_edges(star).sum(axis=1), star.sum(axis=1), atol=0.05))
    True
    """
    degree = edges.sum(axis=1)
    apart = 1.0 - np.eye(len(edges))
    x = degree / np.sqrt(degree.sum())
    for _ in range(sweeps):
        product = np.outer(x, x)
        got = (product / (1.0 + product) * apart).sum(axis=1)
        new = np.where(degree > 0, x * np.sqrt(degree / np.maximum(got, np.finfo(float).tiny)), 0.0)
        new = np.minimum(new, 1e6)
        done = np.abs(new - x).max() <= 1e-9 * max(1.0, x.max())
        x = new
        if done:
            break
    product = np.outer(x, x)
    return np.asarray(product / (1.0 + product) * apart, dtype=np.float64)


def likelihood(
    graph: Floats, weights: str, edges: str, *, shape: float = 1.0, corrected: bool = True
) -> Likelihood:
    """Describe a graph to the kernels.

    Parameters
    ----------
    graph : ndarray, (n, n)
        Symmetric, with an empty diagonal.
    weights, edges : str
        As in `BlockModel`.
    shape : float
        Shape of gamma weights, 1 for exponential ones.
    corrected : bool
        Whether degrees and strengths of nodes are taken out.

    Returns
    -------
    Likelihood
    """
    n = len(graph)
    apart = 1.0 - np.eye(n)
    present = (graph != 0).astype(float)
    full = present.sum() == n * (n - 1)
    if weights in ("strength", "poisson"):
        model, x, exposure = "none", *_counted(graph, weights, corrected)
        residuals: tuple[Floats, ...] = (x - exposure * x.sum() / exposure.sum(),)
    else:
        model = ("none" if full else "poisson" if corrected else "bernoulli") if edges == "auto" else edges
        x = _scaled(graph, present, weights, corrected)
        exposure = np.zeros((n, n))
        if model == "bernoulli":
            exposure = apart
        elif model == "poisson":
            exposure = expected_edges(present) if corrected else apart * present.sum() / (n * (n - 1))
        share = exposure if model != "bernoulli" else apart * present.sum() / (n * (n - 1))
        level = present * (x - (0.0 if weights == "normal" else 1.0))
        unequal = present - share if model != "none" else np.zeros((n, n))
        residuals = tuple(r for r in (level + unequal, level, unequal) if np.any(np.abs(r) > 1e-12)) or (
            level,
        )
        x = x * (shape if weights == "exponential" else 1.0)
    size = n * (n - 1) // 2 + n + 2
    rule = np.array([_FAMILY[weights], 1.0, 1.0, shape, _EDGE_MODEL[model], 1.0, 1.0])
    if weights == "normal":
        rule[1:4] = 1.0, 0.5, 0.1
    return Likelihood(
        weights=weights,
        edges=model,
        pairs=np.ascontiguousarray(np.stack([present, x, x * x, exposure], axis=-1)),
        rule=rule,
        table=_table(rule, size),
        residuals=residuals,
    )


def _counted(graph: Floats, weights: str, corrected: bool) -> tuple[Floats, Floats]:
    """Weights of all pairs, absent ones 0, as numbers of quanta, and how many each pair should have.

    For strengths, weights are corrected (`strength_factors`) and the expectation is that of edges with these
    degrees. A quantum is the dispersion of the weights around it (Pearson's), so that their variance is that
    of counts. Counts are their own quanta, and expected in proportion to the strengths of both nodes.
    """
    apart = 1.0 - np.eye(len(graph))
    present = (graph > 0).astype(float)
    if weights == "poisson":
        strength = graph.sum(axis=1)
        expected = np.outer(strength, strength) * apart if corrected else apart
        return graph, np.asarray(expected * (graph.sum() / expected.sum()), dtype=np.float64)
    x = _scaled(graph, present, weights, corrected)
    full = bool((present + np.eye(len(graph))).all())
    expected = expected_edges(present) if corrected and not full else apart
    expected = expected * (x.sum() / expected.sum())
    quantum = float(((x - expected) ** 2).sum() / expected.sum())
    quantum = quantum if quantum > 1e-9 else 1.0  # all pairs alike
    return x / quantum, np.asarray(expected / quantum, dtype=np.float64)


def _scaled(graph: Floats, present: Floats, weights: str, corrected: bool) -> Floats:
    """Weights with mean 1 (exponential) or mean 0 and deviation 1 (normal) over the edges."""
    on = present > 0
    if weights == "normal":
        x = np.zeros_like(graph)
        values = graph[on]
        spread = float(values.std())
        x[on] = (values - values.mean()) / (spread if spread > 0 else 1.0)
        return x
    factors = strength_factors(graph) if corrected else np.ones(len(graph))
    x = graph / np.outer(factors, factors)
    return np.asarray(x * (present.sum() / x.sum()), dtype=np.float64)


def _table(rule: Floats, size: int) -> Floats:
    """Logarithms of gamma functions of counts: of weights, of edges (three rows), of numbers."""
    k = np.arange(size, dtype=np.float64)
    table = np.zeros((5, size))
    family, a, b, shape = rule[:4]
    if family == 1.0:
        table[0] = gammaln(a + shape * k) - gammaln(a) - shape * k * np.log(b)
    elif family == 2.0:
        table[0] = gammaln(a + 0.5 * k) - gammaln(a) - 0.5 * k * np.log(2.0 * np.pi * b)
        table[0] += 0.5 * np.log(shape / (shape + k))
    if rule[4] == 1.0:
        table[1], table[2], table[3] = (
            gammaln(rule[5] + k),
            gammaln(rule[6] + k),
            gammaln(rule[5] + rule[6] + k),
        )
        table[1] += gammaln(rule[5] + rule[6]) - gammaln(rule[5]) - gammaln(rule[6])
    elif rule[4] == 2.0:
        table[1] = gammaln(rule[5] + k) - gammaln(rule[5]) - k * np.log(rule[6])
    table[4] = gammaln(1.0 + k)
    return table
