"""Several pictures on one page, and the picture of withheld outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import check_int
from arcuate.plot._axes import DASHES, GRAY, axes, color, legend_above, named_curves, numbers, say, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def panels(rows: int, columns: int, *, width: float = 10.0, height: float = 6.0) -> list[Axes]:
    """Make a figure with a grid of axes to draw on, with or without a display.

    Parameters
    ----------
    rows, columns : int
        Of the grid.
    width, height : float
        Of the figure, inches.

    Returns
    -------
    list of matplotlib.axes.Axes
        Row by row; their ``figure`` is the page.

    Raises
    ------
    SpecError
        If there is not at least one row and one column.

    Examples
    --------
    >>> len(panels(2, 2))
    4
    """
    check_int(rows, where="plot.panels", name="rows", high=20)
    check_int(columns, where="plot.panels", name="columns", high=20)
    page = axes(None, width=width, height=height).figure
    page.clear()
    return list(np.atleast_1d(page.subplots(rows, columns)).ravel())


def omission(
    result: Any, *, withheld: tuple[int, int], label: str = "probe output", ax: Axes | None = None
) -> Axes:
    """Draw how a prediction fades while its outcome is withheld, and comes back.

    Parameters
    ----------
    result : mapping of str to array_like
        For each quantity (n_trials,) or (n_seeds, n_trials); of several seeds the median and the quartiles.
    withheld : (first, stop)
        Trials without outcome.
    label : str, optional
        Words of the axis.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Trial against the quantities; the trials without outcome are shaded.

    Raises
    ------
    SpecError
        If the values have another number of dimensions.

    Examples
    --------
    >>> omission({"when": [1.0, 0.5, 0.2, 0.6]}, withheld=(1, 3)).get_xlabel()
    'trial'
    """
    ax = axes(ax, width=8.0)
    ax.set_xlabel("trial")
    ax.set_ylabel(label)
    first, stop = withheld
    ax.axvspan(
        first - 0.5, stop - 0.5, color=GRAY, alpha=0.15, linewidth=0, zorder=0, label="outcome withheld"
    )
    drawn = 0
    for index, (name, values) in enumerate(named_curves(result).items()):
        rows = np.atleast_2d(numbers(values, where="plot.omission", name=name or "result", ndim=(1, 2)))
        if rows.size == 0 or not np.isfinite(rows).any():
            continue
        trials, (low, middle, high) = np.arange(rows.shape[1]), np.percentile(rows, (25, 50, 75), axis=0)
        if rows.shape[0] > 1:
            ax.fill_between(trials, low, high, color=color(index), alpha=0.2, linewidth=0)
        ax.plot(trials, middle, color=color(index), linestyle=DASHES[index % len(DASHES)], label=name or None)
        drawn += 1
    if not drawn:
        return say(ax, "no trials to show")
    ax.axhline(0, color="black", linewidth=0.6)
    legend_above(ax, columns=5)
    return tidy(ax, legend=False)
