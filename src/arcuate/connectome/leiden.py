"""Communities of largest modularity, by leidenalg: fast, good where communities are assortative, and never
silent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from arcuate._optional import require
from arcuate.connectome._graphs import Labels, as_graph, as_labels, relabel
from arcuate.errors import check_int, check_real
from arcuate.rng import check_seed, stream

__all__ = ["Modules", "leiden"]


@dataclass(frozen=True, kw_only=True)
class Modules:
    """Communities that a modularity search found.

    Attributes
    ----------
    labels : ndarray, (n,), int64
        Community of each node in the best run, the largest first.
    partitions : tuple of ndarray
        Labels of every run, for a `consensus`.
    modularity : float
        Of the best run.
    n_blocks : int
        Number of communities of the best run. It is larger than 1 in noise too: `BlockModel` says whether to
        believe them.
    """

    labels: Labels
    partitions: tuple[Labels, ...]
    modularity: float
    n_blocks: int


def leiden(graph: Any, *, resolution: float = 1.0, n_runs: int = 10, seed: int = 0) -> Modules:
    """Maximize modularity with the Leiden algorithm (Traag, Waltman and van Eck 2019), the best of several
    runs.

    Needs the extra ``communities`` (igraph and leidenalg, which are under the GPL).

    Parameters
    ----------
    graph : array_like, (n, n)
        Symmetric weights >= 0.
    resolution : float
        Weight of the expectation; larger gives smaller communities.
    n_runs : int
        Runs from different seeds.
    seed : int

    Returns
    -------
    Modules

    Raises
    ------
    SpecError
        If the graph or an option is not valid.
    MissingExtraError
        If igraph or leidenalg is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.connectome import leiden
    >>> graph = np.kron(np.eye(2), np.ones((4, 4))) * (1 - np.eye(8))
    >>> leiden(graph).labels.tolist()  # doctest: +SKIP
    [0, 0, 0, 0, 1, 1, 1, 1]
    """
    matrix = as_graph(graph, where="leiden")
    gamma = check_real(resolution, where="leiden", name="resolution", low=0.0, low_open=True)
    runs = check_int(n_runs, where="leiden", name="n_runs")
    draw = stream(check_seed(seed), "connectome/leiden")
    igraph = require("igraph", extra="communities", purpose="leiden")
    leidenalg = require("leidenalg", extra="communities", purpose="leiden")
    network = igraph.Graph.Weighted_Adjacency(matrix.tolist(), mode="undirected", loops=False)
    found = []
    for _ in range(runs):
        part = leidenalg.find_partition(
            network,
            leidenalg.RBConfigurationVertexPartition,
            weights="weight",
            resolution_parameter=gamma,
            seed=int(draw.integers(2**31 - 1)),
            n_iterations=-1,
        )
        found.append((float(part.quality()), relabel(as_labels(part.membership, where="leiden")), part))
    _, labels, part = max(found, key=lambda one: one[0])
    return Modules(
        labels=labels,
        partitions=tuple(one[1] for one in found),
        modularity=float(network.modularity(part.membership, weights="weight", resolution=gamma)),
        n_blocks=int(labels.max()) + 1,
    )
