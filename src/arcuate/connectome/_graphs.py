"""Checks of weighted graphs that all of communities share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcuate._inputs import as_real
from arcuate.errors import SpecError

__all__ = ["Floats", "Labels", "as_graph", "as_labels", "relabel"]

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def as_graph(
    value: Any,
    *,
    where: str,
    name: str = "graph",
    signed: bool = False,
    least: int = 2,
    empty: bool = False,
) -> Floats:
    """An undirected weighted graph as a symmetric matrix with an empty diagonal.

    Parameters
    ----------
    value : array_like, (n, n)
        Weights of pairs; 0 where there is no edge. Each pair stands twice, above and below the diagonal, and
        counts once.
    where, name : str
        Who asks, and for which argument.
    signed : bool
        Whether weights may be negative.
    least : int
        Fewest nodes that will do.
    empty : bool
        Whether it may have no edge.

    Returns
    -------
    ndarray, (n, n), float64

    Raises
    ------
    SpecError
        If it is not square, not finite, negative, asymmetric (directed), has weights of nodes with
        themselves, too few nodes or no edge.

    Examples
    --------
    >>> as_graph([[0, 2], [2, 0]], where="f").tolist()
    [[0.0, 2.0], [2.0, 0.0]]
    """

    def refuse(shown: Any, bound: str, fix: str = "") -> SpecError:
        return SpecError.of(where=where, name=name, value=shown, bound=bound, fix=fix)

    graph = as_real(value, where=where, name=name).astype(np.float64)
    if graph.ndim != 2 or graph.shape[0] != graph.shape[1]:
        fix = "fold a vector of pairs back into a square matrix" if graph.ndim == 1 else ""
        raise refuse(f"shape {graph.shape}", "must be a square matrix, one row for each node", fix)
    if len(graph) < least:
        raise refuse(f"{len(graph)} node(s)", f"must have >= {least} nodes")
    if np.any(np.diagonal(graph)):
        i = int(np.argmax(np.diagonal(graph) != 0))
        raise refuse(
            float(graph[i, i]),
            f"node {i} must not be tied to itself",
            "set the diagonal to 0 (numpy.fill_diagonal)",
        )
    if not signed and np.any(graph < 0):
        i, j = (int(k) for k in np.argwhere(graph < 0)[0])
        fix = 'clip them at 0, or use weights="normal" for signed weights such as correlations'
        raise refuse(float(graph[i, j]), f"weights must be >= 0, at pair ({i}, {j})", fix)
    scale = np.abs(graph).max()
    if scale == 0 and not empty:
        raise refuse(f"{len(graph)} nodes", "must have an edge; all weights are 0")
    apart = np.abs(graph - graph.T)
    if apart.max() > 1e-9 * scale:
        i, j = (int(k) for k in np.unravel_index(int(apart.argmax()), graph.shape))
        raise refuse(
            f"{graph[i, j]:.6g} at ({i}, {j}), {graph[j, i]:.6g} at ({j}, {i})",
            "must be symmetric; directed graphs are not modeled",
            "average both directions: (graph + graph.T) / 2",
        )
    return np.ascontiguousarray((graph + graph.T) / 2)


def as_labels(value: Any, n: int | None = None, *, where: str, name: str = "labels") -> Labels:
    """A partition as one integer for each node.

    Parameters
    ----------
    value : array_like, (n,)
        Labels: integers or text.
    n : int or None
        Number of nodes it must have.
    where, name : str
        For the message.

    Returns
    -------
    ndarray, (n,), int64
        Blocks 0, 1, ... in the order of their sorted labels.

    Raises
    ------
    SpecError
        If it is not one label for each node.

    Examples
    --------
    >>> as_labels(["b", "a", "b"], where="f").tolist()
    [1, 0, 1]
    """
    array = np.asarray(value)
    if array.ndim != 1 or not array.size or array.dtype.kind not in "iubU":
        bound = "must be one integer or text for each node"
        raise SpecError.of(where=where, name=name, value=value, bound=bound)
    if n is not None and len(array) != n:
        raise SpecError.of(where=where, name=name, value=f"{len(array)} labels", bound=f"must have {n}")
    return np.unique(array, return_inverse=True)[1].astype(np.int64)


def relabel(labels: Labels) -> Labels:
    """Number blocks by size, the largest first; of equal ones the one whose first node comes first.

    Parameters
    ----------
    labels : ndarray, (n,), int

    Returns
    -------
    ndarray, (n,), int64

    Examples
    --------
    >>> relabel(np.array([5, 2, 2])).tolist()
    [1, 0, 0]
    """
    _, first, inverse, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(first), np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(first))
    return rank[inverse].astype(np.int64)
