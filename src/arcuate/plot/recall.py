"""Pictures of memories: what they hold, how stimuli gain strength, what is forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import SpecError, check_int
from arcuate.plot._axes import (
    DASHES,
    GRAY,
    MARKERS,
    axes,
    color,
    has_part,
    legend_above,
    named_curves,
    numbers,
    part,
    percentiles,
    say,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FLOOR = 1e-4
"""Errors below it are drawn there."""

LEAST_MARKED = 5
"""Trials of one kind that are marked as a phase; shorter runs are trials in turn, and are not."""


def capacity_curves(result: Any, *, ax: Axes | None = None) -> Axes:
    """Draw the error of retrieval over pairs per width of a key, with the closed forms.

    Parameters
    ----------
    result : mapping of str to Dataset or sequence of Dataset, or either of them
        As `arcuate.memory.retrieval_error` gives them: ``error`` (n_items,) or (n_items, trial) and, where
        there is one, ``closed_form`` (n_items,), with the attribute ``d_key``. Several of one name are
        several widths.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Pairs over width of a key against squared error over that of a value, both on logarithmic scales;
        marks are measured, lines are closed forms, errors below 1e-4 are drawn there.

    Raises
    ------
    SpecError
        If a result has no such parts.

    Examples
    --------
    >>> from arcuate.memory import retrieval_error
    >>> curves = [retrieval_error("hebb", [d // 4, d], d_key=d, trials=2) for d in (16, 32)]
    >>> capacity_curves({"hebb": curves}).get_xlabel()
    'pairs / width of a key'
    """
    where = "plot.capacity_curves"
    ax = axes(ax)
    ax.set_xlabel("pairs / width of a key")
    ax.set_ylabel("squared error / power of a value")
    curves = {name: _curves(given, where) for name, given in _by_rule(result).items()}
    widths = sorted({width for given in curves.values() for width, _, _, _ in given})
    for index, (name, given) in enumerate(curves.items()):
        line: dict[str, Any] = {
            "linestyle": DASHES[index % len(DASHES)],
            "color": color(index),
            "linewidth": 1,
        }
        ax.plot([], [], **line, label=name or None)
        for width, load, error, form in given:
            mark = MARKERS[widths.index(width) % len(MARKERS)]
            ax.plot(load, np.maximum(error, FLOOR), mark, color=color(index), markersize=5, alpha=0.7)
            ax.plot(load, np.where(form > 0, form, np.nan), **line)
    if not widths:
        return say(ax, "no errors in this result")
    for width, mark in zip(widths, MARKERS, strict=False):
        ax.plot([], [], mark, color=GRAY, label=f"width {width}")
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    legend_above(ax, columns=5)
    return tidy(ax, legend=False)


def _by_rule(result: Any) -> Mapping[str, Any]:
    """Return the curves of each rule; those of a bare result have no name."""
    named = isinstance(result, Mapping) and not hasattr(result, "data_vars")
    return {str(name): given for name, given in result.items()} if named else {"": result}


def _curves(given: Any, where: str) -> list[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """Return width, pairs over width, mean error and closed form of every curve with a finite error."""
    found = []
    for curve in given if isinstance(given, Sequence) else [given]:
        error = numbers(part(curve, "error", where=where), where=where, name="error", ndim=(1, 2))
        pairs = numbers(part(curve, "n_items", where=where), where=where, name="n_items", ndim=(1,))
        width = check_int(getattr(curve, "attrs", {}).get("d_key"), where=where, name="d_key")
        if len(error) != len(pairs):
            bound = f"must have {len(pairs)} rows, one for each of n_items"
            raise SpecError.of(where=where, name="error", value=error.shape, bound=bound)
        mean = error if error.ndim == 1 else error.mean(axis=1)
        form = curve["closed_form"] if has_part(curve, "closed_form") else np.full(len(pairs), np.nan)
        if np.isfinite(mean).any():
            line = numbers(form, where=where, name="closed_form", ndim=(1,))
            found.append((width, pairs / width, mean, line))
    return found


def conditioning(result: Any, *, ax: Axes | None = None) -> Axes:
    """Draw how strongly each stimulus brings its outcome, trial by trial.

    Parameters
    ----------
    result : DataArray, (trial, stimulus)
        As `arcuate.memory.condition` returns it, with the coordinates ``stimulus`` and ``what``, the kind of
        each trial.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Trial against strength; a line of dots and words say where another kind of trial begins.

    Raises
    ------
    SpecError
        If the result has no trials of stimuli.

    Examples
    --------
    >>> from arcuate.memory import condition
    >>> from arcuate.tasks import EXPERIMENTS
    >>> [text.get_text() for text in conditioning(condition(EXPERIMENTS["blocking"])).texts]
    ['A+', 'AB+']
    """
    where = "plot.conditioning"
    ax = axes(ax)
    ax.set_xlabel("trial")
    ax.set_ylabel("strength")
    strength = numbers(result, where=where, name="result", ndim=(2,))
    coordinates = getattr(result, "coords", {})
    for name in ("stimulus", "what"):
        if name not in coordinates:
            fix = "draw what arcuate.memory.condition returns"
            raise SpecError.of(where=where, name=name, bound="must be a coordinate of the result", fix=fix)
    if not np.isfinite(strength).any():
        return say(ax, "no trials to show")
    for index, name in enumerate(np.asarray(coordinates["stimulus"])):
        style = DASHES[index % len(DASHES)]
        ax.plot(strength[:, index], color=color(index), linestyle=style, label=str(name))
    ax.axhline(0, color="black", linewidth=0.6)
    _mark_phases(ax, [str(what) for what in np.asarray(coordinates["what"])])
    return tidy(ax)


def _mark_phases(ax: Axes, kinds: Sequence[str]) -> None:
    """Write over the axes what happens in each phase of equal trials."""
    trial = 0
    for kind, run in groupby(kinds):
        length = len(list(run))
        if kind and length >= LEAST_MARKED:
            if trial > 1:
                ax.axvline(trial - 0.5, color=GRAY, linewidth=1, linestyle=":", zorder=0)
            middle = trial + length / 2
            ax.text(middle, 1.02, kind, transform=ax.get_xaxis_transform(), ha="center", color=GRAY)
        trial += length


def forgetting(
    result: Any, *, label: str = "share that is still right", across: str = "step", ax: Axes | None = None
) -> Axes:
    """Draw what is left of something learned while something else is learned.

    Parameters
    ----------
    result : mapping of str to array_like
        For each condition (n_steps,) or (n_seeds, n_steps), from before the first step on; of several seeds
        the median and the range.
    label, across : str, optional
        Words of the axes.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Steps against what is left; shaded from the least to the most of all seeds.

    Raises
    ------
    SpecError
        If the values have another number of dimensions.

    Examples
    --------
    >>> forgetting({"alone": [1.0, 0.6, 0.2], "with replay": [1.0, 1.0, 0.95]}).get_xlabel()
    'step'
    """
    ax = axes(ax)
    ax.set_xlabel(across)
    ax.set_ylabel(label)
    drawn = 0
    for index, (name, values) in enumerate(named_curves(result).items()):
        rows = np.atleast_2d(numbers(values, where="plot.forgetting", name=name or "result", ndim=(1, 2)))
        if rows.size == 0 or not np.isfinite(rows).any():
            continue
        steps, (low, middle, high) = np.arange(rows.shape[1]), percentiles(rows, (0, 50, 100))
        if rows.shape[0] > 1:
            ax.fill_between(steps, low, high, color=color(index), alpha=0.2, linewidth=0)
        style, mark = DASHES[index % len(DASHES)], "o" if rows.shape[1] == 1 else None
        ax.plot(steps, middle, color=color(index), linestyle=style, marker=mark, label=name or None)
        drawn += 1
    if not drawn:
        return say(ax, "no steps to show")
    ax.set_ylim(bottom=0)
    legend_above(ax, columns=4)
    return tidy(ax, legend=False)
