"""Pictures over depth: which layers a token uses, what leaving others out costs, massive activations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import SpecError, check_int
from arcuate.plot._axes import DASHES, GRAY, axes, color, marker, numbers, part, say

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LIGHT = "#DCE3EA"


def voids(result: Any, *, trial: int = 0, prompt: int | None = None, ax: Axes | None = None) -> Axes:
    """Draw which layers are active for each token, or which ticks or moments in each trial.

    Parameters
    ----------
    result : Dataset
        As `arcuate.probes.find_voids` gives it.
    trial : int
        Which trial, counted from 0, where there are tokens.
    prompt : int, optional
        Tokens of the prompt; a line stands behind them.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Token against layer; what is void is light, what is a pad white.

    Raises
    ------
    SpecError
        If there is no such trial, or the result is of another kind.

    Examples
    --------
    >>> from arcuate.probes import find_voids
    >>> import numpy as np
    >>> ax = voids(find_voids(np.random.default_rng(0).normal(size=(1, 5, 4, 3))))
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('token', 'layer')
    """
    from matplotlib.colors import ListedColormap

    where = "plot.voids"
    active, real = part(result, "active", where=where), part(result, "delta", where=where).notnull()
    ax = axes(ax)
    across, along = active.dims[-2], active.dims[-1]
    if active.ndim == 3:
        index = check_int(trial, where=where, name="trial", low=0, high=active.sizes["trial"] - 1)
        active, real = active[index], real[index]
    places, label = _along(result, along, real.shape[-1])
    ax.set(xlabel=across, ylabel=label)
    if not real.size:
        return say(ax, "no states")
    seen = np.where(real.values, active.values.astype(float), np.nan).T
    places = result[along].values if along in result.coords else np.arange(len(seen))
    edges = _edges(places)
    bounds = np.arange(seen.shape[1] + 1) - 0.5
    ax.pcolormesh(
        bounds, edges, np.ma.masked_invalid(seen), cmap=ListedColormap(["#DCE3EA", color(0)]), vmin=0, vmax=1
    )
    ax.set_title(f"active {100 * float(np.nanmean(seen)):.0f} %", fontsize="medium")
    if prompt is not None:
        ax.axvline(prompt - 0.5, color=color(1), linestyle="--", label="end of the prompt")
        ax.legend(loc="upper right")
    return ax


def _along(result: Any, word: str, n: int) -> tuple[np.ndarray, str]:
    """Return places along an axis, and its label."""
    places = np.asarray(result[word], dtype=float) if word in result.coords else np.arange(float(n))
    return (places * 1e3, "time (ms)") if word == "time" else (places, word)


def _edges(places: np.ndarray) -> np.ndarray:
    """Return the borders between places."""
    if len(places) == 1:
        return places[0] + np.array([-0.5, 0.5])
    middle = (places[1:] + places[:-1]) / 2
    return np.concatenate([[2 * places[0] - middle[0]], middle, [2 * places[-1] - middle[-1]]])


def skip_curve(result: Any, *, score: str = "score", ax: Axes | None = None) -> Axes:
    """Draw what leaving void blocks out costs, beside leaving out as many at random.

    Parameters
    ----------
    result : Dataset
        As `arcuate.probes.skip_curve` gives it.
    score : str
        What the score is, for the axis.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Share of blocks that run against the score; the band spans the random choices.

    Raises
    ------
    SpecError
        If the result is of another kind.

    Examples
    --------
    >>> import xarray as xr
    >>> columns = {"kept": ("alpha", [0.9, 0.5]), "score": ("alpha", [1.0, 0.8]), "whole": 1.0}
    >>> columns["random"] = (("alpha", "draw"), [[0.9, 0.8], [0.2, 0.4]])
    >>> ax = skip_curve(xr.Dataset(columns, {"alpha": [0.1, 0.8]}), score="accuracy")
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('share of blocks that run', 'accuracy')
    """
    where = "plot.skip_curve"
    kept = numbers(part(result, "kept", where=where), where=where, name="kept", ndim=(1,))
    order = np.argsort(kept)
    found = numbers(part(result, "score", where=where), where=where, name="score", ndim=(1,))[order]
    drawn = numbers(part(result, "random", where=where), where=where, name="random", ndim=(2,))[order]
    ax, x = axes(ax), kept[order]
    ax.fill_between(x, drawn.min(1), drawn.max(1), color=GRAY, alpha=0.25, linewidth=0)
    ax.plot(x, drawn.mean(1), color=GRAY, linestyle="--", label="as many at random")
    ax.plot(x, found, color=color(0), marker=marker(0), label="void blocks left out")
    whole = float(part(result, "whole", where=where))
    ax.axhline(whole, color=color(1), linestyle=":", label="no block left out")
    ax.set(xlabel="share of blocks that run", ylabel=score)
    ax.legend()
    return ax


def activation_ratio(result: Any, *, above: float | None = None, ax: Axes | None = None) -> Axes:
    """Draw the ratio of the largest activation to the typical one over depth.

    Parameters
    ----------
    result : Dataset
        As `arcuate.probes.activation_ratio` gives it.
    above : float, optional
        A line at the ratio that counts as massive; that of the result by default.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Layer, or step, against ratio on a logarithmic scale; each trial as a thin line.

    Raises
    ------
    SpecError
        If the result is of another kind.

    Examples
    --------
    >>> from arcuate import probes
    >>> import numpy as np
    >>> ax = activation_ratio(probes.activation_ratio(np.random.default_rng(0).normal(size=(2, 5, 4, 3))))
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('layer', 'largest / median activation')
    """
    where = "plot.activation_ratio"
    mean, each = (part(result, name, where=where) for name in ("ratio", "ratio_by_trial"))
    along = mean.dims[0]
    x = np.asarray(result[along]) if along in result.coords else np.arange(mean.size)
    ax = axes(ax)
    ax.set(
        xlabel="time (s)" if along == "time" else along, ylabel="largest / median activation", yscale="log"
    )
    for row in each.values:
        ax.plot(x, row, color=GRAY, linewidth=0.6, alpha=0.5)
    ax.plot(x, mean.values, color=color(0), marker=marker(0), label="mean of trials")
    bound = result.attrs.get("above") if above is None else above
    if bound is not None:
        ax.axhline(bound, color=color(1), linestyle="--", label=f"massive: {bound:g}")
    names = [str(name) for name in result["site"].values] if "site" in result.coords else []
    if names and len(names) <= 12:
        ax.set_xticks(x, names, rotation=45, ha="right", fontsize="small")
    ax.legend()
    return ax


def activation_growth(fits: Mapping[str, Any], *, ax: Axes | None = None) -> Axes:
    """Draw how ratios of activations grow during training, with the fitted curves.

    Parameters
    ----------
    fits : mapping of str to GrowthFit
        Of each layer, as `arcuate.probes.fit_growth` gives it.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Training step against ratio; points are data, lines fits, and a triangle is a peak within training.

    Raises
    ------
    SpecError
        If there is no fit, or something is none.

    Examples
    --------
    >>> from arcuate.probes import fit_growth
    >>> import numpy as np
    >>> step = np.arange(0.0, 100.0, 5.0)
    >>> ax = activation_growth({"blocks.0": fit_growth(step, np.sqrt(step), n_starts=2, n_resamples=0)})
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('training step', 'largest / median activation')
    """
    where = "plot.activation_growth"
    if not isinstance(fits, Mapping) or not fits:
        raise SpecError.of(where=where, name="fits", value=fits, bound="must name at least one fit")
    ax = axes(ax)
    for index, (name, fit) in enumerate(fits.items()):
        step = numbers(part(fit, "step", where=where), where=where, name="step", ndim=(1,))
        ratio = numbers(part(fit, "ratio", where=where), where=where, name="ratio", ndim=(1,))
        fine, shade = np.linspace(step[0], step[-1], 400), color(index)
        ax.plot(step, ratio, marker(index), color=shade, markersize=3, alpha=0.6)
        label = f"{name}, R² {fit.r2:.3f}"
        ax.plot(fine, fit(fine), color=shade, linestyle=DASHES[index % len(DASHES)], label=label)
        if fit.peak_inside:
            ax.plot(fit.peak, fit([fit.peak])[0], "v", color=shade, markersize=9, markerfacecolor="white")
    ax.set(xlabel="training step", ylabel="largest / median activation")
    ax.legend()
    return ax
