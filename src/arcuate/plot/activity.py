"""Pictures of activity: spikes, states, modulators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import SpecError, check_int, unknown
from arcuate.plot._axes import (
    DASHES,
    GRAY,
    RASTERIZE_ABOVE,
    axes,
    color,
    legend_above,
    numbers,
    part,
    percentiles,
    say,
    states_of,
    steps_of,
    tidy,
)
from arcuate.units import to_si

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from arcuate.recording import Recording


def raster(
    rec: Recording,
    *,
    populations: Sequence[str] | None = None,
    trial: int | None = None,
    window: tuple[Any, Any] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw every spike as a mark at its time, populations above each other.

    Parameters
    ----------
    rec : Recording
        With spikes.
    populations : sequence of str, optional
        From bottom to top; default all.
    trial : int, optional
        Only the spikes of this trial; default all.
    window : (start, stop), optional
        Only spikes between these times since the start of the run, such as ``("0 s", "2 s")``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Time since the start of the run in ms against neuron; stored as pixels above 100 000 spikes.

    Raises
    ------
    UnknownNameError
        If a population was not recorded.

    Examples
    --------
    >>> from arcuate.recording import Recording
    >>> spikes = {"exc": {"time": [0.010, 0.020], "neuron": [3, 1], "n": 5}}
    >>> raster(Recording.build(source="numba", seed=1, spikes=spikes)).get_xlabel()
    'time (ms)'
    """
    where = "plot.raster"
    ax = axes(ax)
    ax.set_xlabel("time (ms)")
    ax.set_ylabel("neuron")
    known = list(rec.populations)
    shown = known if populations is None else list(populations)
    for name in shown:
        if name not in known:
            raise unknown(where, name, known, kind="population")
    points = {name: _points(rec.spikes(name), trial, window, where) for name in shown}
    total = sum(times.size for times, _ in points.values())
    if total == 0:
        return say(ax, "no spikes to show")
    base = 0
    for index, (name, (times, neurons)) in enumerate(points.items()):
        ax.plot(
            times * 1e3,
            neurons + base,
            linestyle="none",
            marker="s",
            markersize=_mark_size(total),
            markeredgewidth=0,
            color=color(index),
            alpha=float(np.clip(2e5 / total, 0.08, 1.0)),
            rasterized=total > RASTERIZE_ABOVE,
            label=name,
        )
        base += rec.n_neurons(name)
    ax.set_ylim(-0.5, max(base, 1) - 0.5)
    ax.yaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]
    tidy(ax, legend=False)
    if len(shown) > 1:
        legend_above(ax, columns=6)
    return ax


def _points(spikes: Any, trial: int | None, window: Any, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Return time in s and neuron of the spikes of a trial and a window."""
    times, neurons = np.asarray(spikes["time"]), np.asarray(spikes["neuron"])
    keep = np.ones(times.size, dtype=bool)
    if trial is not None:
        keep &= np.asarray(spikes["trial"]) == check_int(trial, where=where, name="trial", low=0)
    if window is not None:
        start, stop = (to_si(edge, "s", where=where, name="window") for edge in window)
        keep &= (times >= start) & (times < stop)
    return times[keep], neurons[keep]


def _mark_size(total: int) -> float:
    """Return a mark size in points that neither hides few spikes nor blackens many."""
    return float(np.clip(6.0 - np.log10(max(total, 1)), 0.7, 4.0))


def state_map(
    result: Any,
    *,
    site: str | None = None,
    variable: str = "r",
    ax: Axes | None = None,
) -> Axes:
    """Draw states as a heat map, one row per unit, rows sorted by the time of their peak.

    Each row is scaled to its own range. With two trials or more the order comes from the even trials and the
    picture from the mean of the odd ones, so that noise alone does not draw a diagonal.

    Parameters
    ----------
    result : Recording, Dataset, DataArray or array_like
        (trial, time, unit) or (time, unit); a Recording or Dataset is asked for `variable`.
    site : str, optional
        Site of a Recording; default its only one.
    variable : str, optional
        Recorded quantity.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Time in ms (or samples, if the result has no times) against unit.

    Raises
    ------
    UnknownNameError
        If the site or the variable was not recorded.
    SpecError
        If the states have neither two nor three dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> state_map(np.eye(20)).get_ylabel()
    'unit, by time of its peak'
    """
    where = "plot.state_map"
    ax = axes(ax)
    data = states_of(result, site, variable, where)
    values = numbers(data, where=where, name=variable, ndim=(2, 3))
    cube = values if values.ndim == 3 else values[None]
    ax.set_ylabel("unit, by time of its peak")
    times, label = steps_of(data, cube.shape[1])
    ax.set_xlabel(label)
    if cube.size == 0:
        return say(ax, "no states in this recording")
    shown, order_by = (cube, cube) if cube.shape[0] < 2 else (cube[1::2], cube[0::2])
    rows, guide = _trial_mean(shown).T, _trial_mean(order_by).T
    if not np.isfinite(rows).any():
        return say(ax, "all states are NaN")
    order = np.argsort(np.argmax(np.where(np.isfinite(guide), guide, -np.inf), axis=1), kind="stable")
    picture = _scaled(rows[order])
    step = times[1] - times[0] if times.size > 1 else 1.0
    image = ax.imshow(
        picture,
        aspect="auto",
        origin="upper",
        interpolation="nearest",
        cmap="cividis",
        vmin=0,
        vmax=1,
        extent=(times[0] - step / 2, times[-1] + step / 2, rows.shape[0] - 0.5, -0.5),
    )
    bar = ax.figure.colorbar(image, ax=ax)
    bar.set_label("state, scaled to each unit's range")
    if cube.shape[0] > 1:
        ax.set_title("mean of odd trials, sorted by even trials", fontsize="medium")
    return ax


def _trial_mean(cube: np.ndarray) -> np.ndarray:
    """Return the mean over trials, leaving out NaN; NaN where a unit has none."""
    known = np.isfinite(cube)
    count = known.sum(axis=0)
    total = np.where(known, cube, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _scaled(rows: np.ndarray) -> np.ndarray:
    """Return every row scaled to 0..1; a constant row becomes 0."""
    low = np.min(np.where(np.isfinite(rows), rows, np.inf), axis=1, keepdims=True)
    high = np.max(np.where(np.isfinite(rows), rows, -np.inf), axis=1, keepdims=True)
    span = high - low
    return np.where(
        span > 0, (rows - low) / np.where(span > 0, span, 1.0), np.where(np.isfinite(rows), 0.0, np.nan)
    )


def modulators(
    result: Any,
    *,
    phases: Mapping[str, tuple[float, float]] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the third factors of learning against the phase of the trial.

    Parameters
    ----------
    result : Dataset or mapping
        ``time`` (n_samples,) in s since the cue, and for every other name one modulator, (n_samples,) or
        (n_trials, n_samples), of which the median and the quartiles are drawn.
    phases : mapping of str to (start, stop), optional
        Phases to shade, s, such as ``{"window": (0.0, 1.2)}``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Time since the cue in ms against the modulator.

    Raises
    ------
    SpecError
        If a modulator and the times differ in length.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.linspace(0, 1.5, 151)
    >>> ax = modulators({"time": t, "when": 1.0 * (t < 1.2), "what": 1.0 * (t >= 1.2)})
    >>> ax.get_xlabel()
    'time since the cue (ms)'
    """
    where = "plot.modulators"
    ax = axes(ax)
    ax.set_xlabel("time since the cue (ms)")
    ax.set_ylabel("modulator")
    times = numbers(part(result, "time", where=where), where=where, name="time", ndim=(1,)) * 1e3
    names = [str(name) for name in getattr(result, "data_vars", result) if str(name) != "time"]
    if times.size == 0 or not names:
        return say(ax, "no modulators to show")
    for index, (name, (start, stop)) in enumerate((phases or {}).items()):
        ax.axvspan(
            start * 1e3, stop * 1e3, color=GRAY, alpha=0.16 - 0.08 * (index % 2), linewidth=0, zorder=0
        )
        ax.text(
            (start + stop) * 500,
            1.01,
            name,
            transform=ax.get_xaxis_transform(),
            ha="center",
            va="bottom",
            fontsize="small",
        )
    for index, name in enumerate(names):
        values = numbers(part(result, name, where=where), where=where, name=name, ndim=(1, 2))
        if values.shape[-1] != times.size:
            raise SpecError.of(
                where=where, name=name, value=values.shape, bound=f"must have {times.size} samples"
            )
        if not np.isfinite(values).any():
            ax.plot([], [], color=color(index), label=f"{name} (all NaN)")
            continue
        middle = values
        if values.ndim == 2:
            low, middle, high = percentiles(values, (25, 50, 75))
            ax.fill_between(times, low, high, color=color(index), alpha=0.2, linewidth=0)
        ax.plot(times, middle, color=color(index), linestyle=DASHES[index % len(DASHES)], label=name)
    return tidy(ax)
