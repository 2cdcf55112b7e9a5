"""A picture of how many items a memory holds: right answers against what it was given to remember."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import SpecError, check_int, check_real
from arcuate.plot._axes import DASHES, GRAY, MARKERS, axes, color, legend_above, numbers, say, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["recall_by_load"]


def recall_by_load(
    result: Mapping[str, Mapping[int, Any]],
    *,
    held: int | None = None,
    chance: float = 0.0,
    ax: Axes | None = None,
) -> Axes:
    """Draw the share of items that are recalled against how many there were, one curve per memory.

    Parameters
    ----------
    result : mapping of str to mapping of int to array_like
        For each memory, for each number of items, one share or one per seed.
    held : int, optional
        Items that a memory may hold exactly: a curve ``held / n``, and a guess for the others, is drawn.
    chance : float, optional
        Share that is right by guessing.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Items against share; lines are means over seeds, marks are seeds.

    Raises
    ------
    SpecError
        If a result is no such mapping, a number of items is no integer from 1, a share is no number within 0
        to 1, or an option is out of bounds.

    Examples
    --------
    >>> recall_by_load({"ring": {4: [1.0, 0.9], 8: [0.5, 0.6]}}, held=4, chance=1 / 16).get_xlabel()
    'items to remember'
    """
    where = "plot.recall_by_load"
    check_real(chance, where=where, name="chance", low=0, high=1)
    if held is not None:
        check_int(held, where=where, name="held")
    if not isinstance(result, Mapping) or not all(isinstance(runs, Mapping) for runs in result.values()):
        bound = "must be, for each memory, a mapping of numbers of items to shares"
        raise SpecError.of(where=where, name="result", bound=bound)
    ax = axes(ax)
    ax.set(xlabel="items to remember", ylabel="share recalled", ylim=(0, 1.03))
    loads: set[int] = set()
    for index, (name, runs) in enumerate(result.items()):
        given = {check_int(n, where=where, name="items"): values for n, values in runs.items()}
        shares = {n: _shares(given[n], name, where) for n in sorted(given) if np.size(given[n])}
        if not shares:
            continue
        loads |= shares.keys()
        tint, dash, mark = color(index), DASHES[index % len(DASHES)], MARKERS[index % len(MARKERS)]
        ax.plot(
            list(shares),
            [row.mean() for row in shares.values()],
            color=tint,
            linestyle=dash,
            label=name or None,
        )
        places = np.repeat(list(shares), [row.size for row in shares.values()])
        ax.plot(places, np.concatenate(list(shares.values())), mark, color=tint, markersize=3, alpha=0.6)
    if not loads:
        return say(ax, "no shares in this result")
    n = np.unique(np.geomspace(min(loads), max(loads), 500).round())
    if held is not None:
        kept = np.minimum(1, held / n)
        ax.plot(n, kept + (1 - kept) * chance, color=GRAY, linewidth=1, label=f"{held} held, or a guess")
    if chance:
        ax.axhline(chance, color=GRAY, linewidth=1, linestyle="--", label="chance")
    legend_above(ax, columns=4)
    return tidy(ax, legend=False)


def _shares(values: Any, name: str, where: str) -> np.ndarray:
    """Return shares of one load as a row, or refuse them."""
    row = np.atleast_1d(numbers(values, where=where, name=name, ndim=(0, 1)))
    if not ((row >= 0) & (row <= 1)).all():
        raise SpecError.of(where=where, name=name, value=row, bound="must be within 0 to 1")
    return row
