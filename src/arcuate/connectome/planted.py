"""Graphs with planted communities, to see what a method finds and what it makes up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arcuate.connectome._graphs import Floats, Labels
from arcuate.errors import SpecError, check_int, check_real
from arcuate.rng import check_seed, stream

__all__ = ["PlantedGraph", "exponential_blocks", "lfr_graph"]


@dataclass(frozen=True, kw_only=True)
class PlantedGraph:
    """A weighted graph and the communities that were planted in it.

    Attributes
    ----------
    graph : ndarray, (n, n)
        Symmetric weights with an empty diagonal.
    labels : ndarray, (n,), int64
        Community of each node.
    seed : int
        Seed it was drawn from.
    """

    graph: Floats
    labels: Labels
    seed: int


def exponential_blocks(n: int = 100, n_blocks: int = 5, *, ratio: float = 2.0, seed: int = 0) -> PlantedGraph:
    """Draw a dense graph with exponential weights, whose mean is `ratio` within blocks and 1 between.

    Parameters
    ----------
    n : int
        Nodes.
    n_blocks : int
        Blocks of equal size, or nearly so.
    ratio : float
        Mean weight within over between; 1 is the null, without blocks.
    seed : int

    Returns
    -------
    PlantedGraph

    Raises
    ------
    SpecError
        If a number is out of bounds.

    Examples
    --------
    >>> from arcuate.connectome import exponential_blocks
    >>> drawn = exponential_blocks(20, 2, ratio=3.0, seed=1)
    >>> drawn.graph.shape, drawn.labels.tolist()[8:12]
    ((20, 20), [0, 0, 1, 1])
    """
    where = "exponential_blocks"
    check_int(n, where=where, name="n", low=2)
    check_int(n_blocks, where=where, name="n_blocks", high=n)
    check_real(ratio, where=where, name="ratio", low=0.0, low_open=True)
    labels = (np.arange(n) * n_blocks) // n
    mean = np.where(labels[:, None] == labels[None, :], ratio, 1.0)
    drawn = stream(check_seed(seed), "connectome/exponential_blocks").exponential(size=(n, n))
    return PlantedGraph(graph=_both(drawn) * mean, labels=labels.astype(np.int64), seed=seed)


def lfr_graph(
    n: int = 125,
    *,
    mean_degree: float = 25.0,
    max_degree: float = 100.0,
    mixing: float = 0.5,
    weight_mixing: float = 0.5,
    beta: float = 1.0,
    sizes: tuple[int, int] = (10, 40),
    noise_shape: float = 4.0,
    seed: int = 0,
) -> PlantedGraph:
    """Draw a sparse weighted graph with uneven degrees, strengths and community sizes.

    After the benchmark of Lancichinetti and Fortunato 2009: degrees from a power law of exponent 2, sizes of
    exponent 1; a share `mixing` of each degree and `weight_mixing` of each strength, degree^beta, goes to
    other communities. Unlike there, edges are independent given the expected degrees, weights are the
    geometric mean of what both ends would give, and are multiplied by gamma noise.

    Parameters
    ----------
    n : int
        Nodes.
    mean_degree, max_degree : float
        Mean and largest expected degree.
    mixing : float
        Share of a node's edges that leave its community.
    weight_mixing : float
        Share of its strength that does.
    beta : float
        Exponent of strength over degree.
    sizes : (int, int)
        Smallest and largest community.
    noise_shape : float
        Shape of the gamma noise with mean 1.
    seed : int

    Returns
    -------
    PlantedGraph

    Raises
    ------
    SpecError
        If a number is out of bounds, or no communities of these sizes can hold the nodes.

    Examples
    --------
    >>> from arcuate.connectome import lfr_graph
    >>> drawn = lfr_graph(mixing=0.25, seed=1)
    >>> drawn.graph.shape, int(drawn.labels.max()) + 1
    ((125, 125), 7)
    """
    where = "lfr_graph"
    check_int(n, where=where, name="n", low=4)
    check_real(mean_degree, where=where, name="mean_degree", low=1.0, high=n / 2)
    check_real(max_degree, where=where, name="max_degree", low=1.5 * mean_degree, high=float(n))
    for name, value in (("mixing", mixing), ("weight_mixing", weight_mixing)):
        check_real(value, where=where, name=name, low=0.0, high=1.0, low_open=True, high_open=True)
    check_real(beta, where=where, name="beta", low=0.0, high=4.0)
    check_real(noise_shape, where=where, name="noise_shape", low=0.0, low_open=True)
    draw = stream(check_seed(seed), "connectome/lfr_graph")
    degrees = _power_law(draw, n, _lowest(mean_degree, max_degree), max_degree)
    labels = draw.permutation(_communities(draw, n, sizes, where))
    same = labels[:, None] == labels[None, :]
    chance = np.zeros((n, n))
    for share, pairs in ((1.0 - mixing, same & ~np.eye(n, dtype=bool)), (mixing, ~same)):
        chance += _edge_chances(degrees * share, pairs)
    edges = np.triu(draw.random((n, n)) < chance, 1)
    edges = edges | edges.T
    strength = np.maximum(edges.sum(axis=1), 1).astype(float) ** beta
    weights = np.zeros((n, n))
    for share, pairs in ((1.0 - weight_mixing, same), (weight_mixing, ~same)):
        each = share * strength / np.maximum((edges & pairs).sum(axis=1), 1)
        weights += np.sqrt(np.outer(each, each)) * pairs
    noise = _both(draw.gamma(noise_shape, 1.0 / noise_shape, size=(n, n)))
    return PlantedGraph(graph=edges * weights * noise, labels=labels.astype(np.int64), seed=seed)


def _both(drawn: Floats) -> Floats:
    upper = np.triu(drawn, 1)
    return np.asarray(upper + upper.T, dtype=np.float64)


def _power_law(draw: np.random.Generator, n: int, low: float, high: float) -> Floats:
    """Numbers with density x^-2 between two bounds."""
    return np.asarray(1.0 / (1.0 / low - draw.random(n) * (1.0 / low - 1.0 / high)), dtype=np.float64)


def _lowest(mean: float, high: float) -> float:
    """Lower bound of such numbers for a given mean, by bisection."""
    low, up = 1e-3, high
    for _ in range(100):
        middle = (low + up) / 2
        if np.log(high / middle) / (1.0 / middle - 1.0 / high) < mean:
            low = middle
        else:
            up = middle
    return low


def _communities(draw: np.random.Generator, n: int, sizes: tuple[int, int], where: str) -> Labels:
    """Labels of communities with density 1 / size, until they hold all nodes; the last is cut to fit."""
    small, large = (check_int(size, where=where, name="sizes", high=n) for size in sizes)
    for _ in range(1000):
        drawn: list[int] = []
        while sum(drawn) < n:
            drawn.append(int(small * ((large + 1) / small) ** draw.random()))
        drawn[-1] -= sum(drawn) - n
        if drawn[-1] >= small:
            return np.repeat(np.arange(len(drawn)), drawn)
    bound = f"cannot hold {n} nodes in communities of {small} to {large}"
    raise SpecError.of(where=where, name="sizes", value=sizes, bound=bound)


def _edge_chances(degrees: Floats, pairs: Floats) -> Floats:
    """Chances min(1, x_i x_j) of the given pairs that meet expected degrees, as far as there are pairs."""
    room = pairs.sum(axis=1)
    wanted = np.minimum(degrees, 0.98 * room)
    x = np.sqrt(wanted / np.maximum(room, 1))
    for _ in range(200):
        expected = (np.minimum(np.outer(x, x), 1.0) * pairs).sum(axis=1)
        x = np.minimum(x * np.sqrt(wanted / np.maximum(expected, 1e-9)), 1e3)
    return np.asarray(np.minimum(np.outer(x, x), 1.0) * pairs, dtype=np.float64)
