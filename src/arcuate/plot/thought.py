"""Pictures of a thought: neurons, their synchrony, what they attend to, waves, phases, dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.analysis import synchrony_matrix
from arcuate.errors import SpecError, check_array, check_int
from arcuate.plot._axes import (
    DASHES,
    MARKERS,
    axes,
    color,
    named_curves,
    numbers,
    part,
    say,
    states_of,
    steps_of,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN_NEURONS = 8
"""Neurons that are drawn if none are chosen."""


def neuron_traces(
    result: Any,
    *,
    site: str | None = "ctm/post",
    variable: str = "z",
    units: Sequence[int] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw what some neurons do, one above the other: every trial thin, their mean thick.

    Parameters
    ----------
    result : Recording, Dataset, DataArray or array_like
        (trial, tick, unit) or (tick, unit).
    site, variable : str, optional
        Of a Recording.
    units : sequence of int, optional
        Neurons by position; default the 8 that vary most.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Tick (or time in ms) against activity, each neuron shifted by a constant and named on the axis.

    Raises
    ------
    SpecError
        If a neuron does not exist or the states have neither two nor three dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> neuron_traces(np.random.default_rng(0).normal(size=(3, 10, 5)), units=[0, 4]).get_ylabel()
    'neuron'
    """
    where = "plot.neuron_traces"
    ax = axes(ax, height=4.2)
    cube, steps, label = _cube(result, site, variable, where)
    ax.set(xlabel=label, ylabel="neuron")
    if cube.size == 0 or not np.isfinite(cube).any():
        return say(ax, "no activity to show")
    if units is None:
        spread = np.nanstd(cube, axis=(0, 1))
        units = np.sort(np.argsort(-spread, kind="stable")[:SHOWN_NEURONS]).tolist()
    chosen = [check_int(unit, where=where, name="unit", low=0, high=cube.shape[2] - 1) for unit in units]
    gap = 1.1 * max(float(np.nanmax(np.ptp(cube[:, :, chosen], axis=(0, 1)), initial=0.0)), 1e-12)
    places = []
    for row, unit in enumerate(chosen):
        shifted = cube[:, :, unit] + row * gap
        ax.plot(
            steps, shifted.T, color=color(row), linewidth=0.5, alpha=float(np.clip(6 / len(cube), 0.08, 0.6))
        )
        ax.plot(steps, shifted.mean(axis=0), color=color(row), linewidth=2)
        places.append(float(np.nanmean(shifted)))
    ax.set_yticks(places, [str(unit) for unit in chosen])
    return tidy(ax, legend=False)


def _cube(result: Any, site: str | None, variable: str, where: str) -> tuple[np.ndarray, np.ndarray, str]:
    """Return states (trial, step, unit), the steps and their label."""
    data = states_of(result, site, variable, where)
    values = numbers(data, where=where, name=variable, ndim=(2, 3))
    cube = values if values.ndim == 3 else values[None]
    return cube, *steps_of(data, cube.shape[1])


def synchrony_matrices(
    result: Any, *, steps: Sequence[int] | None = None, trial: int | None = None, ax: Axes | None = None
) -> Axes:
    """Draw how all pairs of neurons moved together up to a few ticks, one matrix beside the other.

    Neurons are ordered by clustering of the last matrix (average linkage), the same in each.

    Parameters
    ----------
    result : DataArray, (trial, AXIS, unit)
        As `arcuate.analysis.synchrony` gives it; units are pairs.
    steps : sequence of int, optional
        Which steps, by position; default the first, the middle and the last.
    trial : int, optional
        By position; default the mean over trials.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Neuron against neuron; the colors are symmetric around 0.

    Raises
    ------
    SpecError
        If the units are not pairs, or a step or a trial does not exist.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import synchrony
    >>> found = synchrony(np.random.default_rng(0).normal(size=(3, 10, 5)))
    >>> synchrony_matrices(found).get_ylabel()
    'neuron, by cluster'
    """
    where = "plot.synchrony_matrices"
    ax = axes(ax, width=9.0, height=3.4)
    matrix = synchrony_matrix(result)
    values = matrix.values if matrix.ndim == 4 else matrix.values[None]
    n_steps, n = values.shape[1], values.shape[-1]
    ax.set(xlabel="neuron, by cluster", ylabel="neuron, by cluster")
    if not np.isfinite(values).any():
        return say(ax, "no synchrony to show")
    if trial is not None:
        which = check_int(trial, where=where, name="trial", low=0, high=len(values) - 1)
        values = values[which : which + 1]
    first = int(np.argmax(np.isfinite(values).any(axis=(0, 2, 3))))
    wanted = (first, (first + n_steps - 1) // 2, n_steps - 1) if steps is None else steps
    shown = [check_int(step, where=where, name="step", low=0, high=n_steps - 1) for step in wanted]
    mean = _finite_mean(values)
    order = _clusters(mean[-1])
    gap = max(n // 12, 1)
    picture = np.full((n, len(shown) * (n + gap) - gap), np.nan)
    for k, step in enumerate(shown):
        picture[:, k * (n + gap) : k * (n + gap) + n] = mean[step][np.ix_(order, order)]
    limit = float(np.nanmax(np.abs(picture), initial=0.0)) or 1.0
    image = ax.imshow(
        picture, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest", aspect="equal"
    )
    ax.figure.colorbar(image, ax=ax, shrink=0.8).set_label(f"synchrony ({matrix.name or 'as given'})")
    places, label = steps_of(matrix, n_steps)
    middles = [k * (n + gap) + (n - 1) / 2 for k in range(len(shown))]
    ax.set_xticks(middles, [f"{label.partition(' ')[0]} {places[step]:g}" for step in shown])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    return ax


def _finite_mean(values: np.ndarray) -> np.ndarray:
    """Return the mean over the first axis, leaving out NaN; NaN where nothing is left."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    return np.where(count > 0, np.where(known, values, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)


def _clusters(matrix: np.ndarray) -> np.ndarray:
    """Return an order in which neurons with the same relations stand together."""
    if len(matrix) < 3:
        return np.arange(len(matrix))
    from scipy.cluster.hierarchy import leaves_list, linkage

    return leaves_list(linkage(np.nan_to_num(matrix), method="average"))


def attention_path(
    rec: Any,
    *,
    trial: int = 0,
    head: int | None = None,
    grid: tuple[int, int] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw where a thought looks, tick by tick, and the center of its attention.

    Parameters
    ----------
    rec : Recording
        Of a thought with attention.
    trial : int
        By position.
    head : int, optional
        Default the mean over heads.
    grid : (rows, columns), optional
        How tokens lie in an image; default a sequence.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Of a sequence: tick against token. Of a grid: the mean attention over ticks, and on it the path of the
        center.

    Raises
    ------
    SpecError
        If there is no such trial or head, or the grid does not hold the tokens.
    UnknownNameError
        If there is no attention in the recording.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.recording import Recording
    >>> units = {"head": ("unit", [0, 0, 0, 0]), "token": ("unit", [0, 1, 2, 3])}
    >>> weight = (np.full((1, 5, 4), 0.25), ("trial", "tick", "unit"), units)
    >>> rec = Recording.build(source="numpy", states={"ctm/attention": {"weight": weight}})
    >>> attention_path(rec).get_xlabel(), attention_path(rec, grid=(2, 2)).get_xlabel()
    ('tick', 'column')
    """
    where = "plot.attention_path"
    ax = axes(ax)
    weights, ticks = attention_of(rec, trial, head=head, where=where)
    tokens = weights.shape[1]
    if not len(ticks) or not np.isfinite(weights).any():
        return say(ax, "no attention to show")
    if grid is None:
        ax.set(xlabel="tick", ylabel="token")
        edges = (ticks[0] - 0.5, ticks[-1] + 0.5, tokens - 0.5, -0.5)
        image = ax.imshow(
            weights.T, aspect="auto", cmap="cividis", vmin=0, extent=edges, interpolation="nearest"
        )
        ax.plot(ticks, weights @ np.arange(tokens), color="#D55E00", linewidth=2, label="center of attention")
        ax.yaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]
        ax.figure.colorbar(image, ax=ax).set_label("attention")
        return tidy(ax)
    rows, columns = check_array(grid, where=where, name="grid", shape=(2,), dtype=int)
    if min(rows, columns) < 1 or rows * columns != tokens:
        raise SpecError.of(where=where, name="grid", value=grid, bound=f"must hold the {tokens} tokens")
    ax.set(xlabel="column", ylabel="row")
    ax.imshow(weights.mean(axis=0).reshape(rows, columns), cmap="Greys", vmin=0, interpolation="nearest")
    down, across = np.divmod(np.arange(tokens), columns)
    x, y = weights @ across, weights @ down
    ax.plot(x, y, color="#56B4E9", linewidth=1)
    points = ax.scatter(x, y, c=ticks, cmap="viridis", s=18, zorder=3)
    ax.figure.colorbar(points, ax=ax).set_label("tick")
    return ax


def attention_of(rec: Any, trial: int, *, head: int | None, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of one trial (T, tokens), and the ticks."""
    if not hasattr(rec, "sites"):
        raise SpecError.of(where=where, name="rec", value=rec, bound="must be a Recording")
    data = states_of(rec, "ctm/attention", "weight", where)
    which = check_int(trial, where=where, name="trial", low=0, high=data.shape[0] - 1)
    heads = int(data["head"].values.max()) + 1
    values = data.values[which].reshape(data.shape[1], heads, -1)
    if head is None:
        return values.mean(axis=1), data["tick"].values
    return values[:, check_int(head, where=where, name="head", low=0, high=heads - 1)], data["tick"].values


def wave_map(result: Any, *, ax: Axes | None = None) -> Axes:
    """Draw the mean activity of held-out trials, neurons in the order that the other trials gave.

    A wave shows as slanted bands; the title says whether it is more than surrogates have.

    Parameters
    ----------
    result : Dataset
        As `arcuate.analysis.travelling_wave` gives it.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Tick (or time in ms) against neuron, by its phase on the wave.

    Raises
    ------
    UnknownNameError
        If the result is of another kind.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import travelling_wave
    >>> traces = np.random.default_rng(0).normal(size=(4, 20, 6))
    >>> wave_map(travelling_wave(traces, n_surrogates=9)).get_ylabel()
    'neuron, by phase of the wave'
    """
    where = "plot.wave_map"
    ax = axes(ax)
    data = part(result, "activity", where=where)
    activity = numbers(data, where=where, name="activity", ndim=(2,))
    steps, label = steps_of(data, len(activity))
    ax.set(xlabel=label, ylabel="neuron, by phase of the wave")
    if not activity.size or not np.isfinite(activity).any():
        return say(ax, "no activity to show")
    order = np.argsort(numbers(part(result, "phase", where=where), where=where, name="phase", ndim=(1,)))
    _map(ax, activity[:, order], steps, "RdBu_r", "activity of held-out trials (standard deviations)")
    words = []
    for name in ("share", "directionality"):
        null = numbers(part(result, f"{name}_surrogate", where=where), where=where, name=name, ndim=(1,))
        words.append(f"{name} {float(part(result, name, where=where)):.2f}")
        if null.size:
            words[-1] += (
                f" (surrogates {null.mean():.2f}, p = {float(part(result, f'{name}_p', where=where)):.2g})"
            )
    ax.set_title(", ".join(words), fontsize="small")
    return ax


def _map(
    ax: Axes, rows: np.ndarray, steps: np.ndarray, cmap: str, label: str, *, limit: float | None = None
) -> None:
    """Draw values (step, unit) as colors, symmetric around 0."""
    top = limit or float(np.nanmax(np.abs(rows), initial=0.0)) or 1.0
    half = (steps[1] - steps[0]) / 2 if len(steps) > 1 else 0.5
    edges = (steps[0] - half, steps[-1] + half, rows.shape[1] - 0.5, -0.5)
    image = ax.imshow(
        rows.T, aspect="auto", cmap=cmap, vmin=-top, vmax=top, extent=edges, interpolation="nearest"
    )
    ax.figure.colorbar(image, ax=ax).set_label(label)


def phase_map(
    signal: Any, *, trial: int = 0, order: Sequence[int] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the phase of each neuron at each tick.

    Parameters
    ----------
    signal : DataArray or array_like, (trial, AXIS, unit), complex
        As `arcuate.analysis.analytic_signal` gives it.
    trial : int
        By position.
    order : sequence of int, optional
        Of the neurons, such as the order of the phases of a wave; default as they come.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Tick (or time in ms) against neuron; colors go round.

    Raises
    ------
    SpecError
        If the signal is not complex, or a trial or a neuron does not exist.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import analytic_signal
    >>> phase_map(analytic_signal(np.random.default_rng(0).normal(size=(2, 12, 4)))).get_ylabel()
    'neuron'
    """
    where = "plot.phase_map"
    ax = axes(ax)
    try:
        values = np.asarray(signal)
    except ValueError as error:
        bound = "must be a regular array"
        raise SpecError.of(where=where, name="signal", value=signal, bound=bound) from error
    if values.dtype.kind != "c" or values.ndim != 3:
        bound = f"must be complex, (trial, step, unit), not {values.dtype} of shape {values.shape}"
        raise SpecError.of(
            where=where, name="signal", bound=bound, fix="use arcuate.analysis.analytic_signal"
        )
    steps, label = steps_of(signal, values.shape[1])
    ax.set(xlabel=label, ylabel="neuron")
    if not values.size or not np.isfinite(values).any():
        return say(ax, "no phases to show")
    which = check_int(trial, where=where, name="trial", low=0, high=len(values) - 1)
    high = values.shape[2] - 1
    units = range(high + 1) if order is None else order
    shown = [check_int(unit, where=where, name="unit", low=0, high=high) for unit in units]
    _map(ax, np.angle(values[which][:, shown]), steps, "twilight", "phase (rad)", limit=float(np.pi))
    if order is not None:
        ax.set_ylabel("neuron, in the order given")
    return ax


def dimensionality(result: Any, *, ax: Axes | None = None) -> Axes:
    """Draw the participation ratio of activity over trials, tick by tick.

    Parameters
    ----------
    result : DataArray, (AXIS,), or mapping of str to DataArray
        As `arcuate.analysis.dimensionality` gives it.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Tick (or time in ms) against participation ratio.

    Raises
    ------
    SpecError
        If a curve has another number of dimensions.

    Examples
    --------
    >>> dimensionality({"z": [2.0, 5.0, 4.0]}).get_ylabel()
    'participation ratio'
    """
    where = "plot.dimensionality"
    ax = axes(ax)
    ax.set(xlabel="sample", ylabel="participation ratio")
    curves: Mapping[str, Any] = {"": result} if hasattr(result, "dims") else named_curves(result)
    drawn = 0
    for index, (name, values) in enumerate(curves.items()):
        row = numbers(values, where=where, name=name or "result", ndim=(1,))
        if not row.size or not np.isfinite(row).any():
            continue
        steps, label = steps_of(values, len(row))
        ax.set_xlabel(label)
        style: dict[str, Any] = {
            "linestyle": DASHES[index % len(DASHES)],
            "marker": MARKERS[index % len(MARKERS)],
        }
        ax.plot(steps, row, color=color(index), markersize=3, label=name or None, **style)
        drawn += 1
    if not drawn:
        return say(ax, "no dimensions to show")
    ax.set_ylim(bottom=0)
    return tidy(ax)
