"""How many nats it takes to describe a graph with a partition: the microcanonical stochastic block model.

Equations: T. Peixoto, Nonparametric Bayesian inference of the microcanonical stochastic block model, Physical
Review E 95, 012317 (2017), and Nonparametric weighted stochastic block models, Physical Review E 97, 012306
(2018). They are what graph-tool computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import gammaln

from arcuate._jit import compiled
from arcuate.connectome import _description_kernels
from arcuate.connectome._graphs import Floats, Labels, as_graph, as_labels, relabel
from arcuate.errors import SpecError, check_choice, check_int
from arcuate.rng import check_seed, stream

__all__ = ["Description", "description_length", "shortest_description"]

COUNTING = ("exact", "graph-tool")
_MOST_ENDS = 20_000


def description_length(
    graph: Any,
    labels: Any,
    *,
    upper: Sequence[Any] | None = None,
    degree_corrected: bool = True,
    weights: str = "exponential",
    copies: int = 1,
    counting: str = "exact",
) -> float:
    """Nats that describe a weighted graph and a partition of its nodes.

    The negative logarithm of their joint probability: edges given the numbers of edges between blocks (and
    the degrees), degrees given their sum over each block, partition, numbers of edges, weights given their
    sum between two blocks, and these sums given the total.

    Parameters
    ----------
    graph : array_like, (n, n)
        Symmetric weights >= 0, 0 where there is no edge; each pair counts once.
    labels : array_like, (n,)
        Block of each node.
    upper : sequence of array_like, or None
        Levels above: the group of each block, then the group of each group, and so on. None: a flat prior
        over the numbers of edges.
    degree_corrected : bool
        Whether degrees are described by themselves, instead of as random within a block.
    weights : {"exponential", "none"}
        Whether weights are described, as exponential, or edges alone.
    copies : int
        How often each edge is there. 2 is what comes of mirroring the edges of an undirected graph, which
        doubles the evidence; for comparison with such figures only.
    counting : {"exact", "graph-tool"}
        Ways to write a sum of degrees: all of them, or as the table of graph-tool 2.45 has it, which leaves
        some out (0.05 to 0.6 nats here).

    Returns
    -------
    float, nats

    Raises
    ------
    SpecError
        If the graph or a level is not valid.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.connectome import description_length
    >>> graph = np.kron([[4.0, 1.0], [1.0, 4.0]], np.ones((8, 8))) * (1 - np.eye(16))
    >>> halves = np.arange(16) // 8
    >>> bool(description_length(graph, halves) < description_length(graph, 0 * halves))
    True
    """
    where = "description_length"
    matrix = as_graph(graph, where=where)
    z = as_labels(labels, len(matrix), where=where)
    weighted, exact = _policies(weights, counting, where)
    times = check_int(copies, where=where, name="copies")
    counts = np.where(matrix > 0, float(times), 0.0)
    total = float(
        compiled(_description_kernels.description)(
            counts,
            matrix * times,
            z,
            int(z.max()) + 1,
            bool(degree_corrected),
            weighted,
            False,
            _log_counts(counts, bool(degree_corrected), exact=exact),
        )
    )
    if upper is None:
        return total
    return total + _upper_levels(counts, matrix * times, z, upper, weighted=weighted, where=where)


def _policies(weights: str, counting: str, where: str) -> tuple[bool, bool]:
    weighted = check_choice(weights, ("exponential", "none"), where=where, name="weights") == "exponential"
    return weighted, check_choice(counting, COUNTING, where=where, name="counting") == "exact"


def _between(matrix: Floats, z: Labels) -> Floats:
    """Sums over the pairs of two blocks; within a block each pair counts twice."""
    one = np.eye(int(z.max()) + 1)[z]
    return np.asarray(one.T @ matrix @ one, dtype=np.float64)


def _choose(n: Any, k: Any) -> Any:
    return gammaln(np.asarray(n) + 1.0) - gammaln(np.asarray(k) + 1.0) - gammaln(np.asarray(n) - k + 1.0)


def _weights_term(count: Floats, total: Floats) -> float:
    on = count > 1
    return float(((count[on] - 1) * np.log(total[on]) - gammaln(count[on])).sum())


def _upper_levels(
    counts: Floats, sums: Floats, z: Labels, upper: Sequence[Any], *, weighted: bool, where: str
) -> float:
    """What levels above change: the flat prior of edges goes, each level describes the one below it."""
    ends, weight = _between(counts, z), _between(sums, z)
    edges, blocks = ends.sum() / 2, len(ends)
    total = -float(_choose(blocks * (blocks + 1) / 2 + edges - 1, edges))
    for level, given in enumerate(upper):
        y = as_labels(given, len(ends), where=where, name=f"upper[{level}]")
        sizes = np.bincount(y).astype(float)
        total += np.log(len(y)) + float(_choose(len(y) - 1, len(sizes) - 1)) + gammaln(len(y) + 1.0)
        total -= float(gammaln(sizes + 1).sum())
        filled = np.triu(ends) > 0
        whole = weight / (1 + np.eye(len(weight)))
        up_filled = _between((filled | filled.T).astype(float) * (1 + np.eye(len(ends))), y)
        above, up_weight = _between(ends, y), _between(weight, y)
        upper_half = np.triu_indices(len(above))
        diagonal = 1 + np.eye(len(above))
        places = np.where(np.eye(len(above)) > 0, sizes * (sizes + 1) / 2, np.outer(sizes, sizes))
        number = (above / diagonal)[upper_half]
        total += float(_choose(places[upper_half] + number - 1, number).sum())
        if weighted:
            total += _weights_term((up_filled / diagonal)[upper_half], (up_weight / diagonal)[upper_half])
            on = number > 0
            total += _weights_term(
                np.array([float(on.sum())]), np.array([whole[np.triu_indices(len(whole))].sum()])
            )
        ends, weight = above, up_weight
    top = len(ends)
    return total + float(_choose(top * (top + 1) / 2 + edges - 1, edges))


def _log_counts(counts: Floats, corrected: bool, *, exact: bool) -> Floats:
    """Logarithm of the number of partitions of an integer m into at most k parts: (k, m).

    q(m, k) = q(m, k - 1) + q(m - k, k), q(0, k) = 1. The table of graph-tool takes q(m - k, k) as 0 for m <
    2k.
    """
    if not corrected:
        return np.zeros((1, 1))
    ends, parts = int(counts.sum()), len(counts)
    if ends > _MOST_ENDS:
        raise SpecError.of(
            where="description_length",
            name="graph",
            value=f"{ends // 2} edges",
            bound=f"with degree correction must have <= {_MOST_ENDS // 2}, counting copies",
            fix="use degree_corrected=False",
        )
    row = np.full(ends + 1, -np.inf)
    row[0] = 0.0
    table = np.full((parts + 1, ends + 1), -np.inf)
    table[0] = row
    for k in range(1, parts + 1):
        start = 0 if exact or k == 1 else k
        length = -(-(len(row) - start) // k) * k
        padded = np.full(max(length, 0), -np.inf)
        padded[: max(len(row) - start, 0)] = row[start:]
        row = row.copy()
        row[start:] = np.logaddexp.accumulate(padded.reshape(-1, k), axis=0).ravel()[: len(row) - start]
        table[k] = row
    table[:, 0] = 0.0
    return table


@dataclass(frozen=True, kw_only=True)
class Description:
    """The shortest description that a search found.

    Attributes
    ----------
    labels : ndarray, (n,), int64
        Block of each node, the largest block first.
    length : float
        Description length in nats, with one level of all blocks above.
    degree_corrected : bool
        Which of the two models gave it.
    lengths : dict of str to float
        The shortest of each model: "degree-corrected" and "plain".
    n_blocks : int
        Number of blocks.
    """

    labels: Labels
    length: float
    degree_corrected: bool
    lengths: dict[str, float]
    n_blocks: int


def shortest_description(
    graph: Any,
    *,
    weights: str = "exponential",
    copies: int = 1,
    counting: str = "exact",
    n_starts: int = 10,
    max_blocks: int = 10,
    seed: int = 0,
) -> Description:
    """Search the partition with the shortest description, with and without degree correction.

    Random starts with 1 to `max_blocks` blocks; nodes move and blocks merge while that shortens the
    description. Each step computes it anew, so this is for graphs of some hundred nodes and for comparison;
    `BlockModel` is the faster model, and has probabilities.

    Parameters
    ----------
    graph : array_like, (n, n)
        Symmetric weights >= 0.
    weights, copies, counting
        As in `description_length`.
    n_starts : int
        Starts of each model.
    max_blocks : int
        Most blocks of a start.
    seed : int
        Seed of the starts.

    Returns
    -------
    Description

    Raises
    ------
    SpecError
        If the graph or an option is not valid.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.connectome import shortest_description
    >>> graph = np.kron([[9.0, 1.0], [1.0, 9.0]], np.ones((8, 8))) * (1 - np.eye(16))
    >>> shortest_description(graph, n_starts=4, max_blocks=4).labels.tolist()
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]
    """
    where = "shortest_description"
    matrix = as_graph(graph, where=where)
    weighted, exact = _policies(weights, counting, where)
    times = check_int(copies, where=where, name="copies")
    most = min(check_int(max_blocks, where=where, name="max_blocks"), len(matrix))
    starts = check_int(n_starts, where=where, name="n_starts")
    draw = stream(check_seed(seed), "connectome/description")
    counts = np.where(matrix > 0, float(times), 0.0)
    search = compiled(_description_kernels.shorten)
    found: dict[str, tuple[float, Labels]] = {}
    for name, corrected in (("degree-corrected", True), ("plain", False)):
        table = _log_counts(counts, corrected, exact=exact)
        for k in range(starts):
            first = draw.integers(0, 1 + (k * most) // starts + (k > 0), len(matrix))
            z = np.unique(first, return_inverse=True)[1].astype(np.int64)
            length = search(counts, matrix * times, z, corrected, weighted, True, table)
            if name not in found or length < found[name][0]:
                found[name] = (length, z)
    best = min(found, key=lambda name: found[name][0])
    labels = relabel(found[best][1])
    return Description(
        labels=labels,
        length=found[best][0],
        degree_corrected=best == "degree-corrected",
        lengths={name: length for name, (length, _) in found.items()},
        n_blocks=int(labels.max()) + 1,
    )
