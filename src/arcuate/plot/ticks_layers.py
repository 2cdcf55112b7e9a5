"""The page of the comparison of ticks and layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.plot._axes import GRAY, color, part, say, tidy
from arcuate.plot.panels import panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ticks_and_layers"]

WHERE = "plot.ticks_and_layers"
WORDS = {"ctm": "tick of the thought machine", "transformer": "layer of the transformer",
         "reservoir": "time of the reservoir (ms)"}  # fmt: skip
PAIRS = (("ctm", "transformer"), ("ctm", "reservoir"), ("transformer", "reservoir"))


def ticks_and_layers(result: Any, *, length: int | None = None) -> list[Axes]:
    """Draw how the steps of thought machine, transformer and reservoir correspond.

    Parameters
    ----------
    result : xarray.Dataset
        The data of the flagship ``tick_or_layer``.
    length : int, optional
        Signs of a row; the longest by default.

    Returns
    -------
    list of matplotlib.axes.Axes
        Six; their ``figure`` is the page.

    Raises
    ------
    SpecError
        If it is another result.

    Examples
    --------
    >>> import arcuate as arc
    >>> result = arc.flagships.run("tick_or_layer", quick=True)  # doctest: +SKIP
    >>> ticks_and_layers(result.data)[0].figure  # doctest: +SKIP
    """
    part(result, "similarity_ctm_transformer", where=WHERE)
    chosen = int(result.length.max()) if length is None else length
    at = result.sel(length=chosen)
    places = panels(2, 3, width=12.0, height=7.0)
    for ax, pair in zip(places, PAIRS, strict=False):
        _map(ax, at, pair)
    _order(places[3], at)
    _effort(places[4], at)
    _areas(places[5], at)
    places[0].figure.suptitle(f"{chosen} signs, {at.sizes['seed']} seeds")
    return places


def _map(ax: Axes, at: Any, pair: tuple[str, str]) -> None:
    """Draw the mean similarity of all steps, and for each step of the first the most alike of the second."""
    first, second = (f"step_{name}" for name in pair)
    mean = at["similarity_" + "_".join(pair)].mean("seed").transpose(first, second)
    mean = mean.dropna(first, how="all").dropna(second, how="all")
    image = ax.imshow(mean, origin="lower", aspect="auto", cmap="cividis", vmin=0, vmax=1)
    ax.plot(mean.values.argmax(1), np.arange(mean.sizes[first]), "o", mfc="none", color=color(1))
    for name, dim, axis in ((pair[1], second, ax.xaxis), (pair[0], first, ax.yaxis)):
        steps = mean[dim].values * (1e3 if name == "reservoir" else 1)
        axis.set_ticks(np.arange(len(steps)), [f"{value:g}" for value in steps])
    ax.set(xlabel=WORDS[pair[1]], ylabel=WORDS[pair[0]])
    ax.figure.colorbar(image, ax=ax, label="CKA")


def _order(ax: Axes, at: Any) -> None:
    """Draw rank correlations of steps, what chance passes, and what two thought machines have in common."""
    names = [*("_".join(pair) for pair in PAIRS), "ctm_ctm"]
    for k, name in enumerate(names):
        values = at[f"diagonality_{name}"].values
        ax.bar(k, np.nanmean(values) if np.isfinite(values).any() else np.nan, color=color(k), width=0.6)
        ax.plot(np.full(len(values), k), values, "o", color="k", ms=3)
        if f"diagonality_bound_{name}" in at:
            bound = float(at[f"diagonality_bound_{name}"].sel(null="stimuli").mean())
            ax.hlines(bound, k - 0.4, k + 0.4, color=GRAY, lw=2, label="" if k else "chance, 1 of 20")
    ax.set_xticks(range(len(names)), ["tick,\nlayer", "tick,\ntime", "layer,\ntime", "tick,\nother seed"])
    ax.set(ylabel="rank correlation of steps", ylim=(-1.05, 1.05))
    ax.axhline(0, color="k", lw=0.6)
    tidy(ax)


def _effort(ax: Axes, at: Any) -> None:
    """Draw ticks against layers until all answers of a row are certain, one point for each row."""
    jitter = np.random.default_rng(0).uniform(-0.25, 0.25, (2, at.sizes["stimulus"]))
    for k, seed in enumerate(at.seed.values):
        one = at.sel(seed=seed)
        x, y = one["certain_ctm"].values + jitter[0], one["certain_transformer"].values + jitter[1]
        ax.plot(x, y, ".", ms=3, alpha=0.5, color=color(k), label=f"seed {seed}")
    ax.set(xlabel="ticks until certain", ylabel="layers until certain")
    tidy(ax)


def _areas(ax: Axes, at: Any) -> None:
    """Draw the area under the ROC curve of each signal and system."""
    names = [name for name in ("ctm", "transformer", "reservoir") if np.isfinite(at[f"auroc_{name}"]).any()]
    if not names:
        say(ax, "all rows are answered alike")
        return
    x = np.arange(at.sizes["signal"])
    for k, name in enumerate(names):
        values = at[f"auroc_{name}"].transpose("seed", "signal").values
        place = x + 0.25 * (k - 1)
        ax.bar(place, np.nanmean(values, axis=0) - 0.5, width=0.22, bottom=0.5, color=color(k), label=name)
        ax.plot(np.tile(place, (len(values), 1)), values, ".", color="k", ms=3)
    ax.axhline(0.5, color="k", lw=0.6)
    ax.set_xticks(x, at.signal.values, rotation=30)
    ax.set(ylabel="area under the ROC curve, right rows", ylim=(0, 1))
    tidy(ax)
