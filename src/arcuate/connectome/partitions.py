"""Partitions of nodes into communities: how alike two are, how to align them, what many have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import squareform
from scipy.special import gammaln

from arcuate.connectome._graphs import Floats, Labels, as_labels, relabel
from arcuate.errors import SpecError, check_int

__all__ = ["Consensus", "align", "ami", "ari", "consensus", "nmi"]


def _table(first: Any, second: Any, where: str) -> Floats:
    a = as_labels(first, where=where, name="first")
    b = as_labels(second, len(a), where=where, name="second")
    return _overlap(a, b)


def _overlap(a: Labels, b: Labels) -> Floats:
    """Nodes that two partitions have in common, block by block."""
    columns = int(b.max()) + 1
    return (
        np.bincount(a * columns + b, minlength=(int(a.max()) + 1) * columns)
        .reshape(-1, columns)
        .astype(float)
    )


def _entropy(sizes: Floats) -> float:
    p = sizes[sizes > 0] / sizes.sum()
    return float(-(p * np.log(p)).sum())


def _information(table: Floats) -> float:
    p = table / table.sum()
    chance = np.outer(p.sum(axis=1), p.sum(axis=0))
    on = p > 0
    return max(0.0, float((p[on] * np.log(p[on] / chance[on])).sum()))


def _nmi(a: Labels, b: Labels) -> float:
    table = _overlap(a, b)
    mean = (_entropy(table.sum(axis=1)) + _entropy(table.sum(axis=0))) / 2
    return 1.0 if mean == 0 else min(1.0, _information(table) / mean)


def nmi(first: Any, second: Any) -> float:
    """Normalized mutual information of two partitions: 2 I(a; b) / (H(a) + H(b)).

    Not corrected for chance: it rises with the number of communities; `ami` and `ari` are corrected.

    Parameters
    ----------
    first, second : array_like, (n,)
        One label for each node, integers or text.

    Returns
    -------
    float
        0 to 1; 1 for two partitions of one block each.

    Raises
    ------
    SpecError
        If they are not one label for each node.

    Examples
    --------
    >>> from arcuate.connectome import nmi
    >>> nmi([0, 0, 1, 1], [5, 5, 3, 3])
    1.0
    """
    a = as_labels(first, where="nmi", name="first")
    return _nmi(a, as_labels(second, len(a), where="nmi", name="second"))


def ami(first: Any, second: Any) -> float:
    """Mutual information of two partitions, corrected for chance (Vinh, Epps and Bailey 2010).

    (I - E[I]) / ((H(a) + H(b)) / 2 - E[I]), with the expectation over all partitions of the same sizes.

    Parameters
    ----------
    first, second : array_like, (n,)
        One label for each node.

    Returns
    -------
    float
        1 if they are the same, about 0 for unrelated ones, below 0 for less than chance.

    Raises
    ------
    SpecError
        If they are not one label for each node.

    Examples
    --------
    >>> from arcuate.connectome import ami
    >>> round(ami([0, 0, 1, 1], [0, 1, 0, 1]), 3)
    -0.5
    """
    table = _table(first, second, "ami")
    rows, columns, n = table.sum(axis=1), table.sum(axis=0), table.sum()
    if len(rows) == len(columns) == 1 or len(rows) == len(columns) == n:
        return 1.0
    expected = 0.0
    for a in rows:
        for b in columns:  # hypergeometric: how many of a fall into b
            k = np.arange(max(1.0, a + b - n), min(a, b) + 1)
            log_p = gammaln(a + 1) + gammaln(b + 1) + gammaln(n - a + 1) + gammaln(n - b + 1) - gammaln(n + 1)
            log_p = (
                log_p - gammaln(k + 1) - gammaln(a - k + 1) - gammaln(b - k + 1) - gammaln(n - a - b + k + 1)
            )
            expected += float((k / n * np.log(n * k / (a * b)) * np.exp(log_p)).sum())
    span = (_entropy(rows) + _entropy(columns)) / 2 - expected
    tiny = np.finfo(float).eps
    return (_information(table) - expected) / (min(span, -tiny) if span < 0 else max(span, tiny))


def ari(first: Any, second: Any) -> float:
    """Rand index of two partitions, corrected for chance (Hubert and Arabie 1985).

    Parameters
    ----------
    first, second : array_like, (n,)
        One label for each node.

    Returns
    -------
    float
        1 if they are the same, about 0 for unrelated ones, below 0 for less than chance.

    Raises
    ------
    SpecError
        If they are not one label for each node.

    Examples
    --------
    >>> from arcuate.connectome import ari
    >>> round(ari([0, 0, 1, 1], [0, 1, 0, 1]), 3)
    -0.5
    """
    table = _table(first, second, "ari")
    both = float((table * (table - 1)).sum())
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    a, b = float((rows * (rows - 1)).sum()), float((columns * (columns - 1)).sum())
    n = table.sum()
    expected = a * b / (n * (n - 1)) if n > 1 else 0.0
    return 1.0 if (a + b) / 2 == expected else float((both - expected) / ((a + b) / 2 - expected))


def align(labels: Any, reference: Any) -> Labels:
    """Rename the blocks of a partition after those of another, so that as many nodes as can be agree.

    Parameters
    ----------
    labels : array_like, (n,)
        Partition to rename.
    reference : array_like, (n,), int
        Partition whose numbers are kept.

    Returns
    -------
    ndarray, (n,), int64
        Blocks without a partner get the numbers after the largest of the reference. The pairing is the best
        one (Kuhn 1955).

    Raises
    ------
    SpecError
        If they are not one label for each node, or the reference is not integers >= 0.

    Examples
    --------
    >>> from arcuate.connectome import align
    >>> align([1, 1, 0, 2], [0, 0, 3, 3]).tolist()
    [0, 0, 3, 4]
    """
    a = as_labels(labels, where="align")
    kept = np.asarray(reference)
    b = as_labels(kept, len(a), where="align", name="reference")
    if kept.dtype.kind not in "iu" or kept.min() < 0:
        raise SpecError.of(where="align", name="reference", value=reference, bound="must be integers >= 0")
    names = np.unique(kept)
    rows, columns = linear_sum_assignment(_overlap(a, b), maximize=True)
    new = np.full(int(a.max()) + 1, -1, dtype=np.int64)
    new[rows] = names[columns]
    free = np.flatnonzero(new < 0)
    new[free] = int(names.max()) + 1 + np.arange(len(free))
    return new[a]


@dataclass(frozen=True, kw_only=True)
class Consensus:
    """What many partitions of the same nodes have in common.

    Attributes
    ----------
    labels : ndarray, (n,), int64
        The partition closest to all, its largest block first.
    coassignment : ndarray, (n, n)
        Share of partitions in which two nodes are together.
    persistence : ndarray, (n,)
        Share of partitions in which a node is where the consensus has it, after alignment.
    score : float
        Mean normalized mutual information of the consensus with the partitions.
    n_blocks : int
        Number of blocks of the consensus.
    """

    labels: Labels
    coassignment: Floats
    persistence: Floats
    score: float
    n_blocks: int


def consensus(partitions: Sequence[Any] | np.ndarray, *, max_blocks: int | None = None) -> Consensus:
    """Find the partition that many partitions have in common.

    Nodes are joined by average linkage of their co-assignment; of all levels the one is taken whose mean
    normalized mutual information with the partitions is the largest (Strehl and Ghosh 2002 state that goal).

    Parameters
    ----------
    partitions : sequence of array_like, (n_partitions, n)
        Of restarts, posterior samples, components or animals.
    max_blocks : int or None
        Most blocks of the consensus; None: as many as the partition with the most.

    Returns
    -------
    Consensus

    Raises
    ------
    SpecError
        If there is no partition, or they differ in their number of nodes.

    Examples
    --------
    >>> from arcuate.connectome import consensus
    >>> found = consensus([[0, 0, 1, 1], [1, 1, 0, 0], [0, 0, 1, 2]])
    >>> found.labels.tolist(), found.persistence.round(2).tolist()
    ([0, 0, 1, 1], [1.0, 1.0, 1.0, 0.67])
    """
    if not hasattr(partitions, "__len__") or getattr(partitions, "ndim", 1) == 0:
        bound = "must be a list of partitions"
        raise SpecError.of(where="consensus", name="partitions", value=partitions, bound=bound)
    if not len(partitions):
        raise SpecError.of(where="consensus", name="partitions", bound="must hold at least one partition")
    first = as_labels(partitions[0], where="consensus", name="partitions[0]")
    rows = [
        as_labels(part, len(first), where="consensus", name=f"partitions[{k}]")
        for k, part in enumerate(partitions)
    ]
    n = len(first)
    together = np.zeros((n, n))
    for row in rows:
        together += row[:, None] == row[None, :]
    together /= len(rows)
    most = max(int(row.max()) + 1 for row in rows)
    if max_blocks is not None:
        most = min(most, check_int(max_blocks, where="consensus", name="max_blocks"))
    labels, score = _best_level(together, rows, most)
    aligned = np.array([align(row, labels) for row in rows])
    return Consensus(
        labels=labels,
        coassignment=together,
        persistence=np.asarray((aligned == labels).mean(axis=0), dtype=np.float64),
        score=score,
        n_blocks=int(labels.max()) + 1,
    )


def _best_level(together: Floats, rows: list[Labels], most: int) -> tuple[Labels, float]:
    """The level of the tree of co-assignments that is closest to the partitions; of ties the coarsest."""
    n = len(together)
    best, score = np.zeros(n, np.int64), float(np.mean([_nmi(np.zeros(n, np.int64), row) for row in rows]))
    if n == 1:
        return best, score
    tree = linkage(squareform(1.0 - together, checks=False), "average")
    for level in range(2, min(most, n) + 1):
        labels = fcluster(tree, level, "maxclust").astype(np.int64) - 1
        mean = float(np.mean([_nmi(labels, row) for row in rows]))
        if mean > score + 1e-12:
            best, score = labels, mean
    return relabel(best), score
