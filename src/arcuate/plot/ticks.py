"""Pictures of what the ticks of a thought are worth: accuracy, certainty, calibration, risk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import check_choice, unknown
from arcuate.plot._axes import DASHES, GRAY, MARKERS, axes, color, numbers, part, say, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHARES = {"whole": "trials", "element": "positions"}
"""What is counted right, and of what it is a share."""


def accuracy_by_tick(
    result: Any, *, of: str = "whole", readouts: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the share of right answers and the mean certainty, tick by tick.

    Parameters
    ----------
    result : Dataset
        As `arcuate.ctm.accuracy_by_tick` gives it.
    of : {"whole", "element"}
        Trials with all positions right, or positions.
    readouts : sequence of str, optional
        Read-outs to draw; default all.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Tick against share, with the intervals of the result.

    Raises
    ------
    UnknownNameError
        If a read-out is not in the result, or the result is of another kind.

    Examples
    --------
    >>> import xarray as xr
    >>> columns = {name: (("readout", "tick"), [[0.2, 0.9]]) for name in ("whole", "whole_low", "whole_high")}
    >>> columns["certainty"] = ("tick", [0.3, 0.8])
    >>> ax = accuracy_by_tick(xr.Dataset(columns, {"readout": ["last"], "tick": [1, 2]}))
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('tick', 'share of trials that are right')
    """
    where = "plot.accuracy_by_tick"
    check_choice(of, SHARES, where=where, name="of")
    ax = axes(ax)
    ax.set(xlabel="tick", ylabel=f"share of {SHARES[of]} that are right")
    known = [str(name) for name in part(result, "readout", where=where).values]
    table = part(result, of, where=where)
    ticks = part(result, "tick", where=where).values
    for index, name in enumerate(known if readouts is None else readouts):
        if name not in known:
            raise unknown(where, name, known, kind="readout")
        row = known.index(name)
        middle = numbers(table.values[row], where=where, name=of, ndim=(1,))
        low, high = (part(result, of + end, where=where).values[row] for end in ("_low", "_high"))
        ax.fill_between(ticks, low, high, color=color(index), alpha=0.15, linewidth=0)
        ax.plot(ticks, middle, color=color(index), linestyle=DASHES[index % len(DASHES)], label=name)
    if not ax.lines or not np.isfinite(table.values).any():
        return say(ax, "no answers to show")
    sure = numbers(part(result, "certainty", where=where), where=where, name="certainty", ndim=(1,))
    ax.plot(ticks, sure, color=GRAY, linewidth=1, marker=".", label="mean certainty")
    ax.set_ylim(-0.02, 1.02)
    return tidy(ax)


def calibration(
    result: Any,
    *,
    probability: str = "at the tick",
    ticks: Sequence[int] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how often answers of some probability are right, at a few ticks.

    Parameters
    ----------
    result : Dataset
        As `arcuate.ctm.calibration` gives it.
    probability : str
        Which probability of the result.
    ticks : sequence of int, optional
        By label; default the first, the middle and the last.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Mean probability in a bin against share right, with intervals; the legend has the expected
        calibration error (ECE). Bins without answers are left out.

    Raises
    ------
    UnknownNameError
        If the probability or a tick is not in the result.

    Examples
    --------
    >>> import xarray as xr
    >>> three = ("probability", "tick", "bin")
    >>> columns = {name: (three, [[[0.2, 0.9]]]) for name in ("accuracy", "accuracy_low", "accuracy_high")}
    >>> columns |= {"confidence": (three, [[[0.25, 0.9]]]), "ece": (three[:2], [[0.03]])}
    >>> result = xr.Dataset(columns, {"probability": ["at the tick"], "tick": [1], "bin": [0.25, 0.75]})
    >>> calibration(result).get_xlabel()
    'probability of the answer'
    """
    where = "plot.calibration"
    ax = axes(ax, width=4.4, height=4.0)
    ax.set(xlabel="probability of the answer", ylabel="share right")
    chosen = _probability(result, probability, where)
    known = [int(tick) for tick in part(result, "tick", where=where).values]
    if not known or not np.isfinite(chosen["accuracy"].values).any():
        return say(ax, "no answers to show")
    shown = sorted({known[0], known[len(known) // 2], known[-1]}) if ticks is None else list(ticks)
    ax.plot([0, 1], [0, 1], color=GRAY, linewidth=1, linestyle=":", zorder=0)
    for index, tick in enumerate(shown):
        if tick not in known:
            raise unknown(where, tick, [str(one) for one in known], kind="tick")
        row = chosen.sel(tick=tick)
        x, y = row["confidence"].values, row["accuracy"].values
        some = np.isfinite(x) & np.isfinite(y)
        span = np.stack([y - row["accuracy_low"].values, row["accuracy_high"].values - y])[:, some]
        label = f"tick {tick}, ECE {float(row['ece']):.3f}"
        style: dict[str, Any] = {
            "linestyle": DASHES[index % len(DASHES)],
            "marker": MARKERS[index % len(MARKERS)],
        }
        ax.errorbar(
            x[some],
            y[some],
            yerr=np.clip(span, 0, None),
            color=color(index),
            label=label,
            markersize=4,
            **style,
        )
    return tidy(ax)


def calibration_by_tick(result: Any, *, ax: Axes | None = None) -> Axes:
    """Draw the expected calibration error, tick by tick, for each probability of the result.

    Parameters
    ----------
    result : Dataset
        As `arcuate.ctm.calibration` gives it.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Tick against error, with intervals.

    Raises
    ------
    UnknownNameError
        If the result is of another kind.

    Examples
    --------
    >>> import xarray as xr
    >>> columns = {name: (("probability", "tick"), [[0.2, 0.1]]) for name in ("ece", "ece_low", "ece_high")}
    >>> result = xr.Dataset(columns, {"probability": ["at the tick"], "tick": [1, 2]})
    >>> calibration_by_tick(result).get_ylabel()
    'expected calibration error'
    """
    where = "plot.calibration_by_tick"
    ax = axes(ax)
    ax.set(xlabel="tick", ylabel="expected calibration error")
    ticks = part(result, "tick", where=where).values
    if not np.isfinite(part(result, "ece", where=where).values).any():
        return say(ax, "no answers to show")
    for index, name in enumerate(part(result, "probability", where=where).values):
        row = _probability(result, str(name), where)
        ax.fill_between(
            ticks, row["ece_low"].values, row["ece_high"].values, color=color(index), alpha=0.15, linewidth=0
        )
        label = f"probability {name}"
        ax.plot(
            ticks, row["ece"].values, color=color(index), linestyle=DASHES[index % len(DASHES)], label=label
        )
    ax.set_ylim(bottom=0)
    return tidy(ax)


def _probability(result: Any, name: str, where: str) -> Any:
    known = [str(one) for one in part(result, "probability", where=where).values]
    if name not in known:
        raise unknown(where, name, known, kind="probability")
    return result.isel(probability=known.index(name))


def risk_coverage(result: Any, *, ax: Axes | None = None) -> Axes:
    """Draw how many errors are left if the least certain answers are withheld.

    Parameters
    ----------
    result : Dataset
        As `arcuate.ctm.risk_coverage` gives it.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Share of answers that are given against share of errors among them, with the interval.

    Raises
    ------
    UnknownNameError
        If the result is of another kind.

    Examples
    --------
    >>> from arcuate import ctm
    >>> found = ctm.risk_coverage([0.9, 0.8, 0.7, 0.1], [True, True, False, False])
    >>> risk_coverage(found).get_xlabel()
    'share of trials answered'
    """
    where = "plot.risk_coverage"
    ax = axes(ax)
    ax.set(xlabel="share of trials answered", ylabel="share of errors among them")
    risk = numbers(part(result, "risk", where=where), where=where, name="risk", ndim=(1,))
    if not risk.size or not np.isfinite(risk).any():
        return say(ax, "no answers to show")
    coverage = part(result, "coverage", where=where).values
    low, high = (part(result, f"risk_{end}", where=where).values for end in ("low", "high"))
    ax.fill_between(coverage, low, high, color=color(0), alpha=0.15, linewidth=0)
    words = f"AUROC {float(part(result, 'auroc', where=where)):.3f}"
    ax.plot(coverage, risk, color=color(0), marker="." if risk.size < 30 else "", label=words)
    ax.set(xlim=(0, 1.02), ylim=(0, None))
    return tidy(ax)


def halting_curve(result: Any, *, of: str = "whole", ax: Axes | None = None) -> Axes:
    """Draw how many ticks policies take and how right they are with them.

    Parameters
    ----------
    result : Dataset
        Over ``policy``: ``ticks`` and the share that is right, with their intervals.
    of : {"whole", "element"}
        Trials with all positions right, or positions.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Mean ticks against share, with the intervals of both, one point for each policy.

    Raises
    ------
    UnknownNameError
        If the result is of another kind.

    Examples
    --------
    >>> import xarray as xr
    >>> columns = {name + end: ("policy", [8.0 if name == "ticks" else 0.9])
    ...            for name in ("ticks", "whole") for end in ("", "_low", "_high")}
    >>> halting_curve(xr.Dataset(columns, {"policy": ["certainty"]})).get_xlabel()
    'mean ticks'
    """
    where = "plot.halting_curve"
    check_choice(of, SHARES, where=where, name="of")
    ax = axes(ax)
    ax.set(xlabel="mean ticks", ylabel=f"share of {SHARES[of]} that are right")
    values = {
        name: np.stack([part(result, name + end, where=where).values for end in ("", "_low", "_high")])
        for name in ("ticks", of)
    }
    if not np.isfinite(values[of][0]).any():
        return say(ax, "no policies to show")
    for index, name in enumerate(part(result, "policy", where=where).values):
        (x, *x_ends), (y, *y_ends) = values["ticks"][:, index], values[of][:, index]
        ax.errorbar(
            x,
            y,
            xerr=np.abs(np.array(x_ends) - x)[:, None],
            yerr=np.abs(np.array(y_ends) - y)[:, None],
            color=color(index),
            marker=MARKERS[index % len(MARKERS)],
            linestyle="none",
            label=str(name),
        )
    return tidy(ax)
