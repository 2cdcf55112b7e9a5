"""A picture of how many components a factorization should have: errors and stability against their number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.plot._axes import DASHES, GRAY, MARKERS, axes, color, legend_above, numbers, part, say, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["model_order"]

CURVES = (("error", "all entries"), ("held_out_error", "held out"), ("null_error", "surrogates"))


def model_order(result: Any, *, ax: Axes | None = None) -> Axes:
    """Draw errors and stability of a factorization against its number of components.

    Parameters
    ----------
    result : xarray.Dataset or mapping
        What `arcuate.connectome.model_order` returned.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Rank against relative error, means with the range over folds and surrogates; on an axis to the right
        the median factor match score over starts. Vertical lines are what criteria chose.

    Raises
    ------
    SpecError
        If a part is not numeric or has a wrong shape.
    UnknownNameError
        If there is no ``rank`` or ``error``.

    Examples
    --------
    >>> model_order({"rank": [1, 2], "error": [0.5, 0.2], "match": [[1.0], [0.9]]}).get_xlabel()
    'components'
    """
    where = "plot.model_order"
    ranks = numbers(part(result, "rank", where=where), where=where, name="rank", ndim=(1,))
    part(result, "error", where=where)
    ax = axes(ax)
    ax.set(xlabel="components", ylabel="relative error")
    if not ranks.size:
        return say(ax, "no ranks in this result")
    for index, (name, label) in enumerate(CURVES):
        if name not in result:
            continue
        values = numbers(result[name], where=where, name=name, ndim=(1, 2)).reshape(len(ranks), -1)
        style: Any = {
            "color": color(index),
            "linestyle": DASHES[index],
            "marker": MARKERS[index],
            "markersize": 4,
        }
        ax.plot(ranks, values.mean(axis=1), label=label, **style)
        if values.shape[1] > 1:
            low, high = values.min(axis=1), values.max(axis=1)
            ax.fill_between(ranks, low, high, color=color(index), alpha=0.2, linewidth=0)
    if "match" in result:
        scores = numbers(result["match"], where=where, name="match", ndim=(2,))
        right = ax.twinx()
        right.set(ylim=(0, 1.03), ylabel="match of starts")
        right.plot(ranks, np.median(scores, axis=1), ":", marker="x", color=GRAY)
        ax.plot([], [], ":", marker="x", color=GRAY, label="match of starts")
    if "choice" in result:
        names = [str(name) for name in np.asarray(result["criterion"]).tolist()]
        chosen = numbers(result["choice"], where=where, name="choice", ndim=(1,))
        for rank in np.unique(chosen):
            by = ", ".join(name.replace("_", " ") for name, k in zip(names, chosen, strict=True) if k == rank)
            ax.axvline(rank, color=GRAY, linewidth=1, linestyle="--")
            ax.annotate(by, (rank, 0.02), xycoords=("data", "axes fraction"), rotation=90, fontsize="x-small",
                        ha="right", va="bottom", color=GRAY)  # fmt: skip
    ax.set_xticks(ranks)
    legend_above(ax, columns=4)
    return tidy(ax, legend=False)
