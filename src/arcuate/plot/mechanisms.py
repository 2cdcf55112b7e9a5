"""Pictures of mechanisms: what answers follow, how strong each pointer is, which lesion hurts which task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import SpecError, unknown
from arcuate.plot._axes import GRAY, HATCHES, axes, color, has_part, legend_above, numbers, part, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["answer_sources", "dissociation", "pointer_weights"]

SYMBOLS = {"positional": "place, $w$", "lexical": "question, mean $g$", "reflexive": "answer, mean $g'$"}
BAND = (2.5, 97.5)


def answer_sources(result: Any, *, site: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw which pointer the answers followed, stacked, over the place of the group that was asked about.

    Parameters
    ----------
    result : Dataset
        As `arcuate.probes.answer_sources` gives it: ``share`` (site, index, source).
    site : str, optional
        Which; may be left out if there is one.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Place of the group that the second context asked about, from 1, against shares that add up to 1.

    Raises
    ------
    SpecError
        If the result has no such part, or there are several sites and none is named.
    UnknownNameError
        If there is no such site.

    Examples
    --------
    >>> import xarray as xr
    >>> names = ["positional", "lexical", "reflexive", "original", "other"]
    >>> even = xr.Dataset({"share": (("site", "index", "source"), np.full((1, 4, 5), 0.2))},
    ...     {"site": ["state"], "source": names})
    >>> answer_sources(even).get_ylabel()
    'share of answers'
    """
    where = "plot.answer_sources"
    ax = axes(ax)
    share = numbers(part(result, "share", where=where), where=where, name="share", ndim=(3,))
    sites, names = _labels(result, ("site", "source"), where)
    if site is None and len(sites) != 1:
        bound = f"must be named, one of {', '.join(sites[:4])}"
        raise SpecError.of(where=where, name="site", value=site, bound=bound)
    if site is not None and site not in sites:
        raise unknown(where, site, sites, kind="site")
    rows = share[sites.index(site) if site is not None else 0]
    known = ~np.isnan(rows).any(axis=1)
    places = np.arange(1, len(rows) + 1)[known]
    layers = ax.stackplot(places, rows[known].T, labels=names, edgecolor="white", linewidth=0.5)
    for number, layer in enumerate(layers):
        layer.set_facecolor(color(number) if names[number] != "other" else GRAY)
        layer.set_hatch(HATCHES[number % len(HATCHES)])
    ax.set(ylabel="share of answers", ylim=(0, 1))
    ax.set_xlabel(f"place of the group asked about, {site or sites[0]}")
    ax.set_xticks(places)
    legend_above(ax, columns=3)
    return tidy(ax, legend=False)


def pointer_weights(result: Any, *, ax: Axes | None = None) -> Axes:
    """Draw how strong each pointer is in the fitted mixture, site by site, with intervals.

    Parameters
    ----------
    result : Dataset
        As `arcuate.probes.binding_mechanisms` gives it: ``weight`` (site, mechanism) and
        ``weight_interval`` (site, mechanism, end).
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Bars of w and of the means of g and g', in units of a logit.

    Raises
    ------
    SpecError
        If the result has no such parts.

    Examples
    --------
    >>> import xarray as xr
    >>> fitted = xr.Dataset(
    ...     {"weight": (("site", "mechanism"), [[0.1, 4.0, 0.2]]),
    ...     "weight_interval": (("site", "mechanism", "end"), [[[0.0, 0.2], [3.5, 4.5], [0.1, 0.3]]])},
    ...     {"site": ["state"], "mechanism": ["positional", "lexical", "reflexive"]},
    ... )
    >>> pointer_weights(fitted).get_ylabel()
    'weight (logit)'
    """
    where = "plot.pointer_weights"
    ax = axes(ax)
    weight, ends = _with_interval(result, "weight", where)
    sites, names = _labels(result, ("site", "mechanism"), where)
    _bars(ax, weight, ends, [SYMBOLS.get(name, name) for name in names])
    ax.set_xticks(range(len(sites)), sites, rotation=20 if len(sites) > 2 else 0)
    ax.set_ylabel("weight (logit)")
    legend_above(ax, columns=len(names))
    return tidy(ax, legend=False)


def dissociation(result: Any, *, ax: Axes | None = None) -> Axes:
    """Draw what each of two lesions costs on each of two tasks, with the band of random sets.

    Parameters
    ----------
    result : Dataset
        As `arcuate.probes.double_dissociation` gives it.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Bars of lost score for each lesion, one for each task; a gray box behind each is where 95 % of random
        sets are.

    Raises
    ------
    SpecError
        If the result has no such parts.

    Examples
    --------
    >>> from arcuate.probes import double_dissociation
    >>> whole, hurt = np.ones(40), np.zeros(40)
    >>> found = double_dissociation((whole, whole), (hurt, whole), (whole, hurt))
    >>> dissociation(found).get_ylabel()
    'lost score'
    """
    where = "plot.dissociation"
    ax = axes(ax)
    effect, ends = _with_interval(result, "effect", where)
    lesions, tasks = _labels(result, ("lesion", "task"), where)
    places = _bars(ax, effect, ends, tasks)
    if has_part(result, "random_effect"):
        drawn = numbers(result["random_effect"], where=where, name="random_effect", ndim=(2,))
        low, high = np.percentile(drawn, BAND, axis=0)
        for task, (x, width) in enumerate(places):
            style: dict[str, Any] = {"color": GRAY, "alpha": 0.35, "zorder": 3}
            label = "95 % of random sets" if task == 0 else None
            ax.bar(x, high[task] - low[task], 1.1 * width, low[task], label=label, **style)
    ax.set_xticks(range(len(lesions)), lesions)
    ax.set_ylabel("lost score")
    ax.axhline(0, color=GRAY, linewidth=0.8)
    legend_above(ax, columns=3)
    return tidy(ax, legend=False)


def _with_interval(result: Any, name: str, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a part over two dimensions, and its interval."""
    ends = f"{name}_interval"
    value = numbers(part(result, name, where=where), where=where, name=name, ndim=(2,))
    return value, numbers(part(result, ends, where=where), where=where, name=ends, ndim=(3,))


def _labels(result: Any, dims: tuple[str, str], where: str) -> list[list[str]]:
    return [[str(one) for one in np.asarray(part(result, dim, where=where))] for dim in dims]


def _bars(ax: Axes, height: np.ndarray, ends: np.ndarray, names: list[str]) -> list[tuple[np.ndarray, float]]:
    """Draw groups of bars (group, bar) with intervals (group, bar, end); return where each kind stands."""
    width, places = 0.8 / len(names), []
    for number, name in enumerate(names):
        x = np.arange(len(height)) + (number - (len(names) - 1) / 2) * width
        style: dict[str, Any] = {
            "color": color(number),
            "hatch": HATCHES[number % len(HATCHES)],
            "edgecolor": "white",
        }
        ax.bar(x, height[:, number], width, label=name, **style)
        known = ~np.isnan(ends[:, number]).any(axis=1)
        away = np.abs(ends[known, number] - height[known, number, None]).T
        line: dict[str, Any] = {"fmt": "none", "color": "black", "capsize": 3, "zorder": 4}
        ax.errorbar(x[known], height[known, number], yerr=away, **line)
        places.append((x, width))
    return places
