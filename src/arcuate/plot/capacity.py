"""Picture of what a network keeps of its input: capacities by delay and by degree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.plot._axes import HATCHES, axes, color, has_part, legend_above, numbers, part, say, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["capacity_by_delay"]


def capacity_by_delay(result: Any, *, ax: Axes | None = None) -> Axes:
    """Draw the capacity at each delay, of several degrees one on the other.

    Parameters
    ----------
    result : Dataset
        Of `arcuate.analysis.information_processing_capacity` or `memory_capacity`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        A bar for each delay up to the last that holds something. Of several degrees the delay is the largest
        in a product; the legend has the sum of each with its interval, and how much it can be at most.
        Of one, the bars have intervals.

    Raises
    ------
    UnknownNameError
        If the result has no capacities by delay.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import memory_capacity
    >>> u = np.random.default_rng(0).uniform(-1, 1, 1000)
    >>> line = np.stack([np.roll(u, 1), np.roll(u, 2)], axis=1)
    >>> capacity_by_delay(memory_capacity(line, u, max_delay=5)).get_xlabel()
    'delay (samples)'
    """
    where = "plot.capacity_by_delay"
    several = has_part(result, "by_delay")
    name, dim = ("by_delay", "lag") if several else ("capacity", "delay")
    found = numbers(part(result, name, where=where), where=where, name=name, ndim=(1, 2))
    lag = numbers(part(result, dim, where=where), where=where, name=dim, ndim=(1,))
    ax = axes(ax)
    ax.set(xlabel="largest delay of a product (samples)" if several else "delay (samples)", ylabel="capacity")
    rows = np.atleast_2d(found)
    held = np.flatnonzero((rows > 0).any(axis=0))
    if not held.size:
        return say(ax, "no capacities above chance in this result")
    stop = held[-1] + 1
    if several:
        _stack(ax, result, lag[:stop], rows[:, :stop])
    else:
        low, high = (numbers(result[end], where=where, name=end, ndim=(1,)) for end in ("low", "high"))
        ax.bar(lag[:stop], rows[0, :stop], color=color(0), label=f"sum {_sum(result, 'total')}")
        ax.vlines(lag[:stop], low[:stop], high[:stop], color="black", linewidth=1)
    ax.axhline(0, color="black", linewidth=0.6)
    legend: Any = legend_above(ax, columns=2).get_legend()
    legend.set_title(f"at most {int(result['rank'])}, the rank of the states")
    legend.get_title().set_fontsize("small")
    return tidy(ax, legend=False)


def _stack(ax: Axes, result: Any, lag: np.ndarray, rows: np.ndarray) -> None:
    bottom = np.zeros(lag.size)
    for k, (degree, row) in enumerate(zip(np.asarray(result["degree"]), rows, strict=True)):
        words = f"degree {degree}: {_sum(result.sel(degree=degree), 'by_degree')}"
        look: dict[str, Any] = {
            "color": color(k),
            "hatch": HATCHES[k % len(HATCHES)],
            "edgecolor": "white",
            "linewidth": 0,
        }
        ax.bar(lag, row, bottom=bottom, label=words, **look)
        bottom += row


def _sum(result: Any, name: str) -> str:
    value, low, high = (float(result[name + end]) for end in ("", "_low", "_high"))
    return f"{value:.3g} ({low:.3g} to {high:.3g})"
