"""Pictures of learning: errors over trials, trials to criterion, angles, ablations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import SpecError, check_int
from arcuate.plot._axes import (
    DASHES,
    GRAY,
    RASTERIZE_ABOVE,
    axes,
    color,
    legend_above,
    mark_switches,
    named_curves,
    numbers,
    percentiles,
    say,
    tidy,
)
from arcuate.units import to_si

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HATCHES = ("", "//", "..", "xx", "--", "\\\\", "++")


def timing_error(
    result: Any,
    *,
    switches: Sequence[int] = (),
    smooth: int = 10,
    criterion: str | None = "20 ms",
    ax: Axes | None = None,
) -> Axes:
    """Draw the timing error of one rule or several over trials, with the switches of the task.

    Parameters
    ----------
    result : mapping of str to array_like, or array_like
        For each rule the error in s, (n_trials,) or (n_seeds, n_trials); its absolute value is drawn, of
        several seeds the median and the quartiles. NaN is left out.
    switches : sequence of int, optional
        Trials at which the task changed.
    smooth : int, optional
        Trials whose median is drawn at the first of them, as the criterion counts; 1 for none.
    criterion : quantity, optional
        Level to mark; None for none.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Trial against absolute timing error in ms.

    Raises
    ------
    SpecError
        If the values have another number of dimensions or `smooth` is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> timing_error({"FORCE": np.full(50, 0.3), "ours": np.zeros(50)}, switches=[25]).get_ylabel()
    'timing error (ms)'
    """
    where = "plot.timing_error"
    ax = axes(ax, width=8.0)
    ax.set_xlabel("trial")
    ax.set_ylabel("timing error (ms)")
    check_int(smooth, where=where, name="smooth")
    curves = named_curves(result)
    mark_switches(ax, switches)
    drawn = 0
    for index, (name, values) in enumerate(curves.items()):
        rows = np.abs(np.atleast_2d(numbers(values, where=where, name=name, ndim=(1, 2)))) * 1e3
        drawn += _trial_curve(ax, _running_median(rows, smooth, switches), name, index)
    if not drawn:
        return say(ax, "no timing errors in this result")
    if criterion is not None:
        level = to_si(criterion, "s", where=where, name="criterion", low=0.0) * 1e3
        ax.axhline(level, color=GRAY, linewidth=1, linestyle="--", label=f"criterion {level:g} ms")
    ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))
    legend_above(ax, columns=6)
    return tidy(ax, legend=False)


def _running_median(rows: np.ndarray, smooth: int, switches: Sequence[int]) -> np.ndarray:
    """Return for each trial the median of it and those after it; fewer before a switch and at the end."""
    if smooth == 1 or rows.size == 0:
        return rows
    inner = {int(trial) for trial in switches if 0 < trial < rows.shape[1]}
    edges = [0, *sorted(inner), rows.shape[1]]
    pieces = []
    for start, stop in pairwise(edges):
        width = min(smooth, stop - start)
        padded = np.concatenate([rows[:, start:stop], np.full((rows.shape[0], width - 1), np.nan)], axis=1)
        windows = np.lib.stride_tricks.sliding_window_view(padded, width, axis=1)
        pieces.append(percentiles(windows.reshape(-1, width).T, (50,))[0].reshape(rows.shape[0], -1))
    return np.concatenate(pieces, axis=1)


def _trial_curve(ax: Axes, rows: np.ndarray, name: str, index: int) -> bool:
    """Draw one curve with the band of its seeds; tell whether there was anything."""
    if rows.size == 0 or not np.isfinite(rows).any():
        return False
    trials = np.arange(rows.shape[1])
    low, middle, high = percentiles(rows, (25, 50, 75))
    if rows.shape[0] > 1:
        ax.fill_between(trials, low, high, color=color(index), alpha=0.2, linewidth=0)
    ax.plot(
        trials,
        middle,
        color=color(index),
        linestyle=DASHES[index % len(DASHES)],
        marker="o" if trials.size == 1 else None,
        label=name or None,
        rasterized=trials.size > RASTERIZE_ABOVE,
    )
    return True


def trials_to_criterion(result: Any, *, limit: int | None = None, ax: Axes | None = None) -> Axes:
    """Draw how many trials each rule needs, as bars of the median over seeds with its interval.

    Parameters
    ----------
    result : mapping
        For each rule values, or a mapping of switch to values, or the Dataset of
        `arcuate.analysis.trials_to_criterion`. Values are numbers of trials over seeds, infinite or NaN where
        the criterion was never met, or an `arcuate.analysis.Interval`.
    limit : int, optional
        Trials there were to learn in; a bar that never got there ends here, hatched. Default the largest
        finite number.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Rules, grouped by switch, against trials. The whisker is the 95 % bootstrap interval of the median.

    Raises
    ------
    SpecError
        If a rule's values are not numbers.

    Examples
    --------
    >>> trials_to_criterion({"ours": [9, 6, 7], "FORCE": [float("inf")] * 3}, limit=150).get_ylabel()
    'trials to criterion'
    """
    where = "plot.trials_to_criterion"
    ax = axes(ax)
    ax.set_ylabel("trials to criterion")
    table: dict[str, dict[str, tuple[float, float, float]]] = {}
    for rule, values in named_curves(result).items():
        table[rule] = _groups(values, where=where, name=rule)
    groups = list(dict.fromkeys(group for row in table.values() for group in row))
    if not groups:
        return say(ax, "no trials to count")
    finite = [v for row in table.values() for s in row.values() for v in s if np.isfinite(v)]
    top = float(limit) if limit is not None else max(finite, default=1.0)
    width = 0.8 / len(table)
    for index, (rule, row) in enumerate(table.items()):
        for group, (middle, low, high) in row.items():
            left = groups.index(group) + (index - (len(table) - 1) / 2) * width
            _bar(ax, left, (middle, low, high), top=top, width=width, index=index)
        ax.bar([0], [0], color=color(index), hatch=_HATCHES[index % 7], edgecolor="white", label=rule or None)
    ax.set_xticks(range(len(groups)), groups)
    ax.set_xlim(-0.6, len(groups) - 0.4)
    ax.set_ylim(0, top * 1.15 or 1.0)
    tidy(ax, legend=False)
    if any(table):
        legend_above(ax, columns=4)
    return ax


def _bar(
    ax: Axes, left: float, summary: tuple[float, float, float], *, top: float, width: float, index: int
) -> None:
    """Draw one bar with its whisker; one that never got there is pale and ends at the limit."""
    middle, low, high = (min(value, top) if not np.isnan(value) else top for value in summary)
    never = not np.isfinite(summary[0])
    ax.bar(
        left,
        middle,
        width=0.92 * width,
        color=color(index),
        alpha=0.35 if never else 1.0,
        hatch=_HATCHES[index % 7],
        edgecolor="white",
    )
    ax.errorbar(left, middle, yerr=[[middle - low], [high - middle]], color="black", capsize=3, linewidth=1)
    text = "never" if never else f"{middle:.3g}"
    ax.text(left, min(high, top) + 0.015 * top, text, ha="center", va="bottom", fontsize="x-small")


def _groups(values: Any, *, where: str, name: str) -> dict[str, tuple[float, float, float]]:
    """Return the median and its interval for every switch of one rule."""
    if hasattr(values, "data_vars"):
        words = [f"block {index + 1}" for index in range(values.sizes["block"])]
        columns = [
            numbers(values[key], where=where, name=key, ndim=(1,)) for key in ("median", "low", "high")
        ]
        return {word: (float(m), float(a), float(b)) for word, m, a, b in zip(words, *columns, strict=True)}
    groups = values if isinstance(values, Mapping) else {"": values}
    found = {str(group): _summary(item, where=where, name=name) for group, item in groups.items()}
    return {group: summary for group, summary in found.items() if summary is not None}


def _summary(values: Any, *, where: str, name: str) -> tuple[float, float, float] | None:
    """Return the estimate and its interval; NaN counts as never; None if there is no value."""
    from arcuate.analysis.interval import bootstrap_interval

    if all(hasattr(values, word) for word in ("estimate", "low", "high")):
        return float(values.estimate), float(values.low), float(values.high)
    array = np.atleast_1d(numbers(values, where=where, name=name, ndim=(0, 1)))
    if array.size == 0:
        return None
    band = bootstrap_interval(np.where(np.isnan(array), np.inf, array))
    return band.estimate, band.low, band.high


def angle(
    result: Any,
    *,
    nulls: Any = None,
    switches: Sequence[int] = (),
    ax: Axes | None = None,
) -> Axes:
    """Draw the angle of two sets of weights over trials, beside the bands that chance alone would give.

    Parameters
    ----------
    result : array_like or mapping of str to array_like
        Angle in degrees, (n_trials,) or (n_seeds, n_trials), as `arcuate.analysis.angle_history` returns it.
    nulls : AngleReport or mapping of str to (low, median, high), optional
        Bands of the null hypotheses in degrees.
    switches : sequence of int, optional
        Trials at which the task changed.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Trial against angle in degrees, 0 to 90.

    Raises
    ------
    SpecError
        If the values have another number of dimensions, or a band has not three values.

    Examples
    --------
    >>> import numpy as np
    >>> angle(np.full(40, 87.0), nulls={"isotropic": (84.3, 87.2, 89.7)}).get_ylabel()
    'angle (degrees)'
    """
    where = "plot.angle"
    ax = axes(ax, width=8.0)
    ax.set_xlabel("trial")
    ax.set_ylabel("angle (degrees)")
    curves = named_curves(result)
    mark_switches(ax, switches)
    drawn = 0
    for index, (name, values) in enumerate(curves.items()):
        rows = np.atleast_2d(numbers(values, where=where, name=name, ndim=(1, 2)))
        drawn += _trial_curve(ax, rows, name or "measured", index)
    if not drawn:
        return say(ax, "no angles in this result")
    for index, (name, band) in enumerate(_bands(nulls, where).items()):
        low, middle, high = band
        shade = color(len(curves) + index)
        ax.axhspan(
            low, high, color=shade, alpha=0.16, linewidth=0, zorder=0, label=f"null: {name}, 5 to 95 %"
        )
        ax.axhline(middle, color=shade, linewidth=1, linestyle=DASHES[(index + 1) % len(DASHES)], zorder=0)
    ax.set_ylim(0, 92)
    tidy(ax, legend=False)
    legend_above(ax, columns=3)
    return ax


def _bands(nulls: Any, where: str) -> dict[str, np.ndarray]:
    """Return name and (low, median, high) of every null."""
    if nulls is None:
        return {}
    if not isinstance(nulls, Mapping):
        nulls = {name: getattr(nulls, name, ()) for name in ("isotropic", "matched")}
    bands = {str(name): numbers(band, where=where, name="nulls", ndim=(1,)) for name, band in nulls.items()}
    for name, band in bands.items():
        if band.size != 3:
            raise SpecError.of(
                where=where, name=f"nulls[{name!r}]", value=band, bound="must be (low, median, high)"
            )
    return bands


def ablations(result: Any, *, label: str = "median timing error (ms)", ax: Axes | None = None) -> Axes:
    """Draw what is left when a part is taken away, one bar per ablation.

    Parameters
    ----------
    result : mapping of str to array_like
        For each ablation one value or one per seed, in the unit that `label` names; the first is the
        reference.
    label : str, optional
        Words and unit of the axis.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The value against the ablation; bars are medians, dots are seeds.

    Raises
    ------
    SpecError
        If the values are not numbers.

    Examples
    --------
    >>> ablations({"complete": [0.0, 2.0], "homogeneous": [230.0, 425.0]}).get_xlabel()
    'median timing error (ms)'
    """
    where = "plot.ablations"
    rows = {
        name: np.atleast_1d(numbers(values, where=where, name=name or "result", ndim=(0, 1)))
        for name, values in named_curves(result).items()
    }
    ax = axes(ax, height=1.2 + 0.34 * max(len(rows), 3))
    ax.set_xlabel(label)
    if not any(values.size for values in rows.values()):
        return say(ax, "no ablations in this result")
    for index, values in enumerate(rows.values()):
        known = values[np.isfinite(values)]
        if known.size == 0:
            ax.text(
                0.01,
                index,
                "no finite value",
                transform=ax.get_yaxis_transform(),
                va="center",
                fontsize="small",
            )
            continue
        middle = float(np.median(known))
        ax.barh(index, middle, height=0.7, color=color(0) if index else color(1))
        if known.size > 1:
            ax.plot(known, np.full(known.size, index), "o", color="black", markersize=3, alpha=0.6)
        ax.annotate(
            f"median {middle:.3g}" if known.size > 1 else f"{middle:.3g}",
            (float(max(known.max(), middle, 0.0)), index),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
        )
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.margins(x=0.1)
    return tidy(ax, legend=False)
