"""One page of a comparison: what was measured, each in a panel of its own, and a caption."""

from __future__ import annotations

import string
import textwrap
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.plot._axes import axes, part, say
from arcuate.plot._names import shared_path
from arcuate.plot.comparison import (
    any_stars,
    crowded,
    distance_map,
    matrix,
    one_measure,
    prediction,
    profile,
    rdm_grid,
    rdms,
    star_words,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["comparison_report"]

_WIDTH = 10.0
_PAIRS = 3
"""Pairs of which the steps are shown at most."""


def comparison_report(result: Any) -> list[Axes]:
    """Draw one page: dissimilarities, scores with ceilings and nulls, predictivity, distances of dynamics.

    Parameters
    ----------
    result : Comparison
        Of any measures. There are panels for what is in it, and for nothing else.

    Returns
    -------
    list of matplotlib.axes.Axes
        From top to bottom: dissimilarities; for each measure of geometry a matrix and a profile (of steps,
        the first three pairs); predictivity; matrix and map of dynamics. Their ``figure`` is the page. The
        caption at its foot says once what stars, bands and thin lines are.

    Raises
    ------
    SpecError
        If the result is no comparison.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import compare
    >>> x, y = np.random.default_rng(0).standard_normal((2, 30, 4))
    >>> page = comparison_report(compare({"x": x, "y": y}, n_null=99, n_boot=0))
    >>> [ax.get_title(loc="left") for ax in page]
    ['a  Dissimilarities', 'b  cka', 'c  cka, each system with the others']
    """
    data = part(result, "data", where="plot.comparison_report")
    rows = _rows(result, data)
    caption = textwrap.fill(_caption(data), 165)
    height = sum(row[0] for row in rows) + 0.18 * (caption.count("\n") + 1) + 0.3
    page: Any = axes(None, width=_WIDTH, height=max(height, 2.0)).figure
    page.clear()
    page.set_layout_engine("constrained", h_pad=0.08, hspace=0.02, w_pad=0.08, wspace=0.02)
    page.supxlabel(caption, x=0.01, ha="left", fontsize=8)
    if not rows:
        return [say(page.subplots(), "no scores in this result")]
    grid = page.add_gridspec(len(rows), 1, height_ratios=[row[0] for row in rows])
    drawn: list[Axes] = []
    for k, (_, widths, panels) in enumerate(rows):
        inner = grid[k].subgridspec(1, len(widths), width_ratios=widths)
        for j, (title, fill) in enumerate(panels):
            ax = page.add_subplot(inner[j])
            fill(ax=ax)
            letter = string.ascii_letters[len(drawn) % 52]
            ax.set_title(f"{letter}  {title}", loc="left", fontsize=10, pad=6)
            drawn.append(ax)
    return drawn


Panel = tuple[str, Callable[..., Any]]
Row = tuple[float, list[float], list[Panel]]


def _rows(result: Any, data: Any) -> list[Row]:
    """Height, widths and panels (title, function) of each row of the page."""
    rows: list[Row] = []
    if "rdm" in data and data["rdm"].size:
        high, wide = rdm_grid(min(12, len(data["rdm"])))
        size = min(2.2, (_WIDTH - 1.6) / wide / 1.12)
        left = max(0.3, _WIDTH - 1.4 - size * wide * 1.12)
        widths = [_WIDTH - left, left]
        rows.append((size * 1.2 * high + 0.7, widths, [("Dissimilarities", partial(rdms, result))]))
    scores = [one_measure(result, name, "plot.comparison_report") for name in result.measures]
    scores = [one for one in scores if np.isfinite(one["value"]).any()]
    if "within_a" in data.dims:
        return rows + [row for one in scores for row in _steps(one)]
    if crowded(data):
        return rows + _squares(scores)
    return rows + [_pairs(one) for one in scores]


def _side(one: Any) -> float:
    n = max(len(one["a"]), len(one["b"]))
    return min(5.0, max(1.7, (0.38 if n <= 8 else 0.28) * n))


def _square(one: Any) -> Panel:
    if one.attrs["label"] == "ridge":
        return "ridge, predictivity", partial(prediction, one, note=False)
    return one.attrs["label"], partial(matrix, one, note=False)


def _map(one: Any) -> list[Panel]:
    if list(one["a"].values) != list(one["b"].values):
        return []
    return [("dsa, map", partial(distance_map, one, where="plot.comparison_report"))]


def _squares(scores: list[Any]) -> list[Row]:
    """Rows of two matrices each, for many systems; last the map of dynamics."""
    rows: list[Row] = []
    squares = [_square(one) for one in scores]
    for k in range(0, len(squares), 2):
        rows.append((min(2.5, _side(scores[0])) + 1.5, [_WIDTH / 2] * 2, squares[k : k + 2]))
    for one in scores:
        if one.attrs["label"] == "dsa" and _map(one):
            rows.append((3.4, [6.5, 3.5], _map(one)))
    return rows


def _pairs(one: Any) -> Row:
    """A row of a measure with one score for each pair of systems."""
    name, side = one.attrs["label"], _side(one)
    if name == "ridge":
        return 2.9, [_WIDTH], [_square(one)]
    line = (f"{name}, each system with the others", partial(profile, one, None, note=False))
    beside = _map(one) if name == "dsa" else [line]
    return side + 1.2, [side + 2.6, _WIDTH - side - 2.6], [_square(one), *beside]


def _steps(one: Any) -> list[Row]:
    """Rows of a measure whose steps were compared with each other."""
    name = one.attrs["label"]
    pairs = [(a, b) for a in one["a"].values for b in one["b"].values if a != b]
    pairs = [(a, b) for a, b in pairs if np.isfinite(one["value"].sel(a=a, b=b)).any()]
    if one.attrs["about"]["symmetric"]:
        pairs = [(a, b) for k, (a, b) in enumerate(pairs) if (b, a) not in pairs[:k]]
    left = f", {_PAIRS} of {len(pairs)} pairs" if len(pairs) > _PAIRS else ""
    shown: list[Panel] = [
        (name + ("" if k else left), partial(matrix, one.sel(a=a, b=b), note=False))
        for k, (a, b) in enumerate(pairs[:_PAIRS])
    ]
    line = (f"{name}, at the best step of a", partial(profile, one, None, note=False))
    return [(2.9, [_WIDTH / _PAIRS] * _PAIRS, shown), (3.2, [_WIDTH], [line])]


def _caption(data: Any) -> str:
    """What the marks of all panels mean, and how the scores came about."""
    told = data.attrs
    words = [f"Samples: {told['samples']}; within a trial: {told['within']}."]
    if np.isfinite(data["p"]).any():
        words.append(f"Null: {told['null']}, {told['n_null']} orders.")
    one = data.assign_attrs(correction=told["correction"])
    if any_stars(one):
        words.append(
            star_words(one).replace("*", "Star or outline:" if "within_a" in data.dims else "*") + "."
        )
    elif told["correction"] == "none":
        words.append("No correction, so no stars.")
    if np.isfinite(data["low"]).any() and not crowded(data):
        words.append("Thin lines: 95 % interval over stimuli.")
    some = np.isfinite(data["ceiling_low"]).any()
    if crowded(data) and "within_a" not in data.dims:
        words.append("Intervals, ceilings and nulls of so many pairs: plot.comparison(kind='profile').")
    else:
        rough = "ceiling_by" in data and any(
            "lower bound" in str(by) for by in data["ceiling_by"].values.flat
        )
        bands = f"Gray bands: ceiling{', for some scores a lower bound of it' if rough else ''}."
        words.append(bands if some else "No ceiling: neither repeats nor seeds tell it.")
    if "rdm" in data:
        words.append("Dissimilarities are shown by rank on one scale.")
    names = [str(one) for dim in ("a", "b") for one in data[dim].values]
    if shared_path(names):
        words.append(f"All names begin with {shared_path(names)}.")
    return " ".join(words)
