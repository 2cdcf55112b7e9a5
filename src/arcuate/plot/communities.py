"""Pictures of communities: a matrix ordered by blocks, chords between blocks, membership over components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import SpecError, check_int
from arcuate.plot._axes import GRAY, axes, color, numbers, say, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["block_matrix", "chords", "community_flow"]


def block_matrix(graph: Any, labels: Any, *, ax: Axes | None = None) -> Axes:
    """Draw the weights of a graph with its nodes ordered by community, with borders.

    Parameters
    ----------
    graph : array_like, (n, n)
        Symmetric weights.
    labels : array_like, (n,), int
        Community of each node; the bar on the left has its color in the other pictures.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SpecError
        If the matrix is not square or there is not one label for each node.

    Examples
    --------
    >>> block_matrix([[0, 2, 1], [2, 0, 1], [1, 1, 0]], [0, 1, 0]).get_xlabel()
    'node, by community'
    """
    matrix, names = _graph(graph, labels, "plot.block_matrix")
    ax = axes(ax, width=4.8, height=4.4)
    ax.set(xlabel="node, by community", ylabel="node, by community")
    if not matrix.size:
        return say(ax, "no nodes in this graph")
    order = np.argsort(names, kind="stable")
    shown = matrix[np.ix_(order, order)].copy()
    np.fill_diagonal(shown, np.nan)
    image = ax.imshow(shown, cmap="cividis", interpolation="nearest")
    edges = np.flatnonzero(np.diff(names[order])) + 0.5
    for edge in edges:
        ax.axhline(edge, color="white", linewidth=1)
        ax.axvline(edge, color="white", linewidth=1)
    n = len(matrix)
    for start, end in zip([-0.5, *edges], [*edges, n - 0.5], strict=True):
        bar: Any = {
            "color": color(int(names[order][int(start + 0.5)])),
            "linewidth": 5,
            "solid_capstyle": "butt",
        }
        ax.plot([-0.5 - 0.02 * n] * 2, [start, end], clip_on=False, **bar)
    ax.set(xlim=(-0.5 - 0.03 * n, n - 0.5), xticks=[], yticks=[])
    ax.figure.colorbar(image, ax=ax, label="weight")
    return tidy(ax, legend=False)


def chords(
    graph: Any,
    labels: Any,
    *,
    positions: Any = None,
    names: Any = None,
    most: int = 150,
    ax: Axes | None = None,
) -> Axes:
    """Draw nodes on a circle by community, or where they are, and links between their strongest pairs.

    Parameters
    ----------
    graph : array_like, (n, n)
        Symmetric weights.
    labels : array_like, (n,), int
        Community of each node. Links within one have its color, others are gray.
    positions : array_like, (n, 2), optional
        Places of the nodes, such as of cells in the body; default on a circle.
    names : sequence of str, optional
        Names of the nodes, drawn if there are 60 or fewer.
    most : int
        Links at most.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SpecError
        If the matrix is not square or not finite, there is not one label, name or place for each node, or
        `most` is below 1.

    Examples
    --------
    >>> len(chords([[0, 2, 1], [2, 0, 0], [1, 0, 0]], [0, 0, 1]).patches)
    2
    """
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    where = "plot.chords"
    matrix, blocks = _graph(graph, labels, where)
    n = len(matrix)
    check_int(most, where=where, name="most")
    if not np.isfinite(matrix).all():
        bound = "must be finite; set pairs that were not seen to 0"
        raise SpecError.of(
            where=where, name="graph", value=float(matrix[~np.isfinite(matrix)][0]), bound=bound
        )
    if names is not None and len(names) != n:
        raise SpecError.of(where=where, name="names", value=f"{len(names)} names", bound=f"must be {n}")
    place, angle = _places(positions, blocks, where)
    ax = axes(ax, width=4.8, height=4.8)
    ax.set(aspect="equal", xticks=[], yticks=[])
    for side in ax.spines.values():
        side.set_visible(False)
    if not n:
        return say(ax, "no nodes in this graph")
    bend = 0.25 if positions is None else 0.5
    if positions is None:
        ax.set(xlim=(-1.35, 1.35), ylim=(-1.35, 1.35))
    first, second = np.triu_indices(n, 1)
    weights = matrix[first, second]
    strongest = np.argsort(-weights, kind="stable")[:most]
    strongest = strongest[weights[strongest] > 0]
    for k in strongest[::-1]:
        i, j = first[k], second[k]
        path = Path(
            [place[i], bend * (place[i] + place[j]), place[j]], [Path.MOVETO, Path.CURVE3, Path.CURVE3]
        )
        within = blocks[i] == blocks[j]
        share = float(weights[k] / weights[strongest[0]])
        ax.add_patch(
            PathPatch(
                path,
                facecolor="none",
                edgecolor=color(int(blocks[i])) if within else GRAY,
                linewidth=0.4 + 1.4 * share,
                alpha=0.7 if within else 0.35,
            )
        )
    for block in np.unique(blocks):
        on = blocks == block
        ax.plot(*place[on].T, "o", color=color(int(block)), markersize=5, label=f"community {block}")
    if names is not None and n <= 60:
        _write(ax, [str(name) for name in names], place, None if positions is not None else angle)
    return ax


def _places(positions: Any, blocks: np.ndarray, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Where nodes are, and their angles on the circle that they are on without positions."""
    n, angle = len(blocks), np.zeros(len(blocks))
    if positions is None:
        angle[np.argsort(blocks, kind="stable")] = 2 * np.pi * np.arange(n) / max(n, 1)
        return np.stack([np.cos(angle), np.sin(angle)], axis=1), angle
    place = numbers(positions, where=where, name="positions", ndim=(2,))
    if place.shape != (n, 2) or not np.isfinite(place).all():
        bound = f"must be ({n}, 2), all finite: a place for each node"
        raise SpecError.of(where=where, name="positions", value=f"shape {place.shape}", bound=bound)
    return place, angle


def _write(ax: Axes, names: list[str], place: np.ndarray, angle: np.ndarray | None) -> None:
    """Names beside their nodes, or outward where these are on a circle."""
    for k, name in enumerate(names):
        if angle is None:
            ax.annotate(name, place[k], (4, 2), textcoords="offset points", fontsize="x-small")
            continue
        (x, y), turn = 1.05 * place[k], float(np.degrees(angle[k]))
        left = 90 < turn < 270
        ax.text(x, y, name, fontsize="x-small", rotation=turn + 180 * left, rotation_mode="anchor",
                ha="right" if left else "left", va="center")  # fmt: skip


def community_flow(labels: Any, *, names: Any = None, ax: Axes | None = None) -> Axes:
    """Draw how nodes move between communities from one component to the next.

    Parameters
    ----------
    labels : array_like, (component, n), int
        Communities of every component, with numbers that agree, such as ``DynamicConnectome.labels_``.
    names : sequence of str, optional
        Names of the components.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        A bar of each component, split by community; bands are as wide as the number of nodes that go.

    Raises
    ------
    SpecError
        If labels are not a table of integers, or names do not fit.

    Examples
    --------
    >>> ax = community_flow([[0, 0, 1], [0, 1, 1]])
    >>> len(ax.collections), ax.get_ylabel()
    (3, 'nodes')
    """
    where = "plot.community_flow"
    table = numbers(labels, where=where, name="labels", ndim=(2,))
    if table.size and (not np.isfinite(table).all() or (table != np.round(table)).any() or table.min() < 0):
        raise SpecError.of(where=where, name="labels", value=labels, bound="must be integers >= 0")
    rows = table.astype(int)
    words = [str(k) for k in range(len(rows))] if names is None else [str(name) for name in names]
    if len(words) != len(rows):
        raise SpecError.of(
            where=where, name="names", value=f"{len(words)} names", bound=f"must be {len(rows)}"
        )
    ax = axes(ax)
    ax.set(xlabel="component", ylabel="nodes")
    if not rows.size:
        return say(ax, "no communities to show")
    for at, row in enumerate(rows):
        below = 0
        for block in np.unique(row):
            size = int((row == block).sum())
            ax.bar(at, size, 0.16, bottom=below, color=color(int(block)), edgecolor="white", linewidth=0.8)
            ax.text(
                at, below + size / 2, str(block), ha="center", va="center", fontsize="x-small", color="white"
            )
            below += size
    across = np.linspace(0.0, 1.0, 30)
    bend = across**2 * (3 - 2 * across)
    for at in range(len(rows) - 1):
        start, end = rows[at], rows[at + 1]
        left = np.argsort(np.lexsort((np.arange(len(start)), end, start)))
        right = np.argsort(np.lexsort((np.arange(len(start)), start, end)))
        for one, other in np.unique(np.stack([start, end], axis=1), axis=0):
            on = (start == one) & (end == other)
            y0, y1, size = left[on].min(), right[on].min(), int(on.sum())
            low = y0 + (y1 - y0) * bend
            ax.fill_between(
                at + 0.08 + 0.84 * across, low, low + size, color=color(int(one)), alpha=0.35, linewidth=0
            )
    ax.set_xticks(range(len(rows)), words)
    ax.set(xlim=(-0.3, len(rows) - 0.7), ylim=(0, rows.shape[1]))
    return tidy(ax, legend=False)


def _graph(graph: Any, labels: Any, where: str) -> tuple[np.ndarray, np.ndarray]:
    matrix = numbers(graph, where=where, name="graph", ndim=(2,))
    names = numbers(labels, where=where, name="labels", ndim=(1,))
    if matrix.shape[0] != matrix.shape[1]:
        raise SpecError.of(where=where, name="graph", value=matrix.shape, bound="must be square")
    if len(names) != len(matrix) or (names != np.round(names)).any() or (names.size and names.min() < 0):
        bound = f"must be {len(matrix)} integers >= 0, one for each node"
        raise SpecError.of(where=where, name="labels", value=labels, bound=bound)
    return matrix, names.astype(int)
