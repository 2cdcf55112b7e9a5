"""Pictures of activity that spreads: distributions of avalanches, slopes of the branching parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import SpecError, check_choice
from arcuate.plot._axes import GRAY, axes, color, legend_above, numbers, part, say, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["avalanches", "branching"]

_UNITS = {"size": "spikes", "duration": "bins"}


def avalanches(result: Any, *, quantity: str = "size", fit: Any = None, ax: Axes | None = None) -> Axes:
    """Draw how many avalanches are at least so large, on logarithmic axes, with a fitted power law.

    Shares at or above a value need no bins and do not scatter in the tail. A power law of exponent a is a
    line of slope 1 - a from its smallest value on, but a line does not say that there is a power law.

    Parameters
    ----------
    result : Dataset, (avalanche,)
        Of `arcuate.analysis.avalanches`.
    quantity : {"size", "duration"}
        In spikes, or in bins.
    fit : PowerLaw, optional
        Of `arcuate.analysis.power_law`, of the same values; its interval is a band.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SpecError
        If the fit is none, or none of these values.
    UnknownNameError
        If the result has no such quantity.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import power_law
    >>> sizes = np.random.default_rng(0).zipf(2.5, 2000)
    >>> avalanches({"size": sizes}, fit=power_law(sizes)).get_xlabel()
    'size (spikes)'
    """
    where = "plot.avalanches"
    check_choice(quantity, tuple(_UNITS), where=where, name="quantity")
    data = numbers(part(result, quantity, where=where), where=where, name=quantity, ndim=(1,))
    ax = axes(ax, width=4.8)
    ax.set(xlabel=f"{quantity} ({_UNITS[quantity]})", ylabel="share of avalanches as large or larger")
    if not data.size:
        return say(ax, "no avalanches in this result")
    if fit is not None:
        _law(ax, data, fit, where)
    values, count = np.unique(data, return_counts=True)
    share = count[::-1].cumsum()[::-1] / data.size
    ax.plot(values, share, "o", markersize=3, color=color(0), label=f"{data.size} avalanches", zorder=3)
    ax.set(xscale="log", yscale="log")
    return tidy(legend_above(ax, columns=1), legend=False)


def _law(ax: Axes, data: np.ndarray, fit: Any, where: str) -> None:
    """Draw the fitted law over its tail."""
    from scipy.special import zeta

    exponent, least = part(fit, "exponent", where=where), part(fit, "x_min", where=where)
    tail = int(np.sum(data >= least))
    if tail != fit.n_tail:
        bound = f"must be fitted to these values, of which {tail} are {least} or more"
        raise SpecError.of(where=where, name="fit", value=f"n_tail {fit.n_tail}", bound=bound)
    x = np.unique(np.geomspace(least, data.max(), 200).round())

    def shares(slope: float) -> np.ndarray:
        return np.asarray(tail / data.size * zeta(slope, x) / zeta(slope, least))

    words = f"power law: exponent {_interval(exponent)}, from {least} on"
    ax.fill_between(x, shares(exponent.low), shares(exponent.high), color=color(1), alpha=0.2, linewidth=0)
    ax.plot(x, shares(exponent.estimate), color=color(1), label=words)
    ax.axvline(least, color=GRAY, linewidth=0.8, linestyle=":")


def _interval(found: Any) -> str:
    return f"{found.estimate:.3g} ({found.low:.3g} to {found.high:.3g})"


def branching(result: Any, *, ax: Axes | None = None) -> Axes:
    """Draw the slopes of activity on earlier activity, and the exponential from which m is read.

    Parameters
    ----------
    result : Branching
        Of `arcuate.analysis.branching_parameter`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Lag against slope: what was measured, ``amplitude m^k``, and how the slopes would fall if the first
        were m, as where all neurons are seen.

    Raises
    ------
    SpecError
        If the result is none of a branching parameter.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import branching_parameter
    >>> rng, activity = np.random.default_rng(0), np.full(5000, 100)
    >>> for t in range(1, activity.size):
    ...     activity[t] = rng.poisson(0.9 * activity[t - 1] + 10)
    >>> branching(branching_parameter(activity)).get_xlabel()
    'lag (steps)'
    """
    where = "plot.branching"
    lag = numbers(part(result, "lag", where=where), where=where, name="lag", ndim=(1,))
    slope = numbers(part(result, "slope", where=where), where=where, name="slope", ndim=(1,))
    m, naive = part(result, "m", where=where), part(result, "naive", where=where)
    ax = axes(ax, width=4.8)
    ax.set(xlabel="lag (steps)", ylabel="slope of activity on earlier activity")
    if not lag.size:
        return say(ax, "no lags in this result")
    ax.plot(lag, slope, "o", markersize=3, color=color(0), label="slopes", zorder=3)
    fall = result.amplitude * m.estimate**lag
    ax.plot(lag, fall, color=color(1), label=f"m = {_interval(m)}, over all lags")
    words = f"m = {_interval(naive)}, by the first alone"
    ax.plot(lag, naive.estimate**lag, color=GRAY, linestyle="--", label=words)
    ax.axhline(0, color="black", linewidth=0.6)
    return tidy(legend_above(ax, columns=1), legend=False)
