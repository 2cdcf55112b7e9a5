"""What the pictures share: colors, axes, the words for nothing to show, and reading of results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import FitError, SpecError, unknown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette without its yellow, which is too light for lines."""

GRAY = "#6E7781"
"""Targets, switches and nulls."""

DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 3)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "++", "oo")

RASTERIZE_ABOVE = 100_000
"""Points above which a layer is stored as pixels in a vector file."""


def axes(ax: Axes | None, *, width: float = 6.4, height: float = 3.6) -> Axes:
    """Return the axes given, or those of a new figure, with or without a display."""
    if ax is not None:
        if not hasattr(ax, "transData"):
            raise SpecError.of(
                where="plot",
                name="ax",
                value=ax,
                bound="must be matplotlib Axes",
                fix="leave it out for a new figure",
            )
        return ax
    try:
        from matplotlib import pyplot

        return pyplot.subplots(figsize=(width, height), layout="constrained")[1]
    except ImportError:  # an interactive backend was asked for and there is no display
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        return figure.subplots()


def say(ax: Axes, text: str) -> Axes:
    """Write into the axes why there is nothing to see."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=GRAY, wrap=True)
    ax.set_xticks([])
    ax.set_yticks([])
    return ax


def color(index: int) -> str:
    """Return the color of the index-th curve."""
    return COLORS[index % len(COLORS)]


def marker(index: int) -> str:
    """Return the marker of the index-th curve: no two of the first 49 have both color and marker."""
    return MARKERS[(index + index // len(COLORS)) % len(MARKERS)]


def numbers(value: Any, *, where: str, name: str, ndim: tuple[int, ...]) -> np.ndarray:
    """Return a result's values as a float array with one of the numbers of dimensions; NaN is allowed."""
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError) as error:
        raise SpecError.of(where=where, name=name, value=value, bound="must be real numbers") from error
    if array.ndim not in ndim:
        raise SpecError.of(
            where=where,
            name=name,
            value=array.shape,
            bound=f"must have {' or '.join(map(str, ndim))} dimensions",
        )
    return array


def part(result: Any, name: str, *, where: str) -> Any:
    """Return a named part of a result: a Dataset's or mapping's key, or an attribute."""
    if isinstance(result, Mapping) or hasattr(result, "data_vars"):
        if name in result or name in getattr(result, "coords", ()):
            return result[name]
        raise unknown(where, name, [str(key) for key in result], kind="part")
    if hasattr(result, name):
        return getattr(result, name)
    kind = type(result).__name__
    if hasattr(result, "fit") and not any(key.endswith("_") for key in getattr(result, "__dict__", ())):
        raise FitError.of(where=where, bound=f"this {kind} is not fitted", fix="call fit first")
    bound = f"must be a result that has {name!r}; this {kind} has none"
    raise SpecError.of(where=where, name="result", value=result, bound=bound)


def states_of(result: Any, site: str | None, variable: str, where: str) -> Any:
    """Return the array of a Recording, a Dataset or itself."""
    if hasattr(result, "states") and hasattr(result, "sites"):
        known = list(result.sites)
        if site is None and len(known) != 1:
            raise SpecError.of(
                where=where,
                name="site",
                value=site,
                bound=f"must be one of {', '.join(known) or 'none recorded'}",
            )
        chosen = known[0] if site is None else site
        if chosen not in known:
            raise unknown(where, chosen, known, kind="site")
        result = result.states(chosen)
    if isinstance(result, Mapping) or hasattr(result, "data_vars"):
        return part(result, variable, where=where)
    return result


def steps_of(data: Any, count: int) -> tuple[np.ndarray, str]:
    """Return the horizontal positions and their label."""
    coordinates = getattr(data, "coords", {})
    if "time" in coordinates:
        return np.asarray(coordinates["time"], dtype=float) * 1e3, "time (ms)"
    for word in ("tick", "token", "layer"):
        if word in coordinates:
            return np.asarray(coordinates[word], dtype=float), word
    return np.arange(count, dtype=float), "sample"


def has_part(result: Any, name: str) -> bool:
    """Tell whether a result has a named part."""
    if isinstance(result, Mapping) or hasattr(result, "data_vars"):
        return name in result or name in getattr(result, "coords", ())
    return hasattr(result, name)


def percentiles(rows: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """Return percentiles over the first axis, leaving out NaN; NaN where nothing is left."""
    out = np.full((len(levels), rows.shape[1]), np.nan)
    some = ~np.isnan(rows).all(axis=0)
    if some.any():
        out[:, some] = np.nanpercentile(rows[:, some], levels, axis=0, method="nearest")
    return out


def named_curves(result: Any) -> Mapping[str, Any]:
    """Return the result as a mapping of name to values; a bare array gets the name ''."""
    if isinstance(result, Mapping):
        return {str(key): value for key, value in result.items()}
    return {"": result}


def mark_switches(ax: Axes, switches: Any) -> None:
    """Draw a line at every trial at which the task changed."""
    for index, trial in enumerate(numbers(switches, where="plot", name="switches", ndim=(1,))):
        ax.axvline(
            trial, color=GRAY, linewidth=1, linestyle=":", label="switch" if index == 0 else None, zorder=0
        )


def tidy(ax: Axes, *, legend: bool = True) -> Axes:
    """Remove the upper and right border and draw a legend if there is something to name."""
    ax.spines[["top", "right"]].set_visible(False)
    handles, labels = ax.get_legend_handles_labels()
    if legend and any(labels):
        ax.legend(handles, labels, frameon=False, fontsize="small")
    return ax


def legend_above(ax: Axes, *, columns: int = 3) -> Axes:
    """Draw the legend over the axes, where it hides nothing, if there is something to name."""
    if ax.get_legend_handles_labels()[1]:
        legend = ax.legend(
            frameon=False, fontsize="small", loc="lower left", bbox_to_anchor=(0, 1), ncols=columns
        )
        for line in legend.get_lines():
            if line.get_linestyle() == "None":
                line.set(markersize=5, alpha=1.0)
    return ax


def legend_beside(ax: Axes, *, title: str | None = None, last: tuple[str, ...] = ()) -> Axes:
    """Draw the legend at the right of the axes, where it hides nothing, if there is something to name."""
    named = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    if named:
        order = [word for word in named if word not in last] + [word for word in last if word in named]
        ax.legend(
            [named[word] for word in order],
            order,
            frameon=False,
            fontsize="small",
            loc="upper left",
            bbox_to_anchor=(1.0, 1.02),
            title=title,
            title_fontsize="small",
            alignment="left",
        )
    return ax
