"""Pictures on the way from traces to communities: traces, affinities, factors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate._inputs import epochs_of
from arcuate.connectome import as_traces
from arcuate.errors import SpecError, check_choice, check_int
from arcuate.plot._axes import GRAY, axes, color, numbers, part, say

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMES = 60
"""So many neurons are named along an axis; of more, none is."""


def trace_map(traces: Any, *, animal: str | None = None, stimuli: Any = None, ax: Axes | None = None) -> Axes:
    """Draw the traces of one animal, each neuron scaled to its own range.

    Parameters
    ----------
    traces : DataArray, (animal, neuron, time), or what else `arcuate.connectome.as_traces` takes
    animal : str, optional
        Which animal; the first by default.
    stimuli : sequence of (start, stop) or (start, stop, name), s, or a table of events, optional
        Marked above the traces.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Time in s against neurons, in their order; neurons that the animal lacks are gray.

    Raises
    ------
    SpecError
        If they are no traces.
    UnknownNameError
        If there is no such animal.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.connectome import as_traces
    >>> data = np.random.default_rng(0).random((3, 40))
    >>> ax = trace_map(as_traces(data, dims=("neuron", "time"), rate_hz=4.0, labels=["AVA", "AWB", "RIM"]))
    >>> [text.get_text() for text in ax.get_yticklabels()]
    ['AVA', 'AWB', 'RIM']
    """
    where = "plot.trace_map"
    array = as_traces(traces)
    known = array["animal"].values.tolist()
    name = known[0] if animal is None else check_choice(animal, known, where=where, name="animal")
    rows = array.values[known.index(name)]
    there = ~np.isnan(rows[:, 0])
    ax = axes(ax, width=8.0, height=4.0)
    ax.set(xlabel="time (s)", ylabel="neuron")
    if not there.any():
        return say(ax, f"no neuron of {name} to show")
    low, high = rows[there].min(axis=1, keepdims=True), rows[there].max(axis=1, keepdims=True)
    scaled = np.full(rows.shape, np.nan)
    scaled[there] = (rows[there] - low) / (high - low)
    image = _map(ax, scaled, array["time"].values, array["neuron"].values.tolist())
    ax.figure.colorbar(image, ax=ax).set_label("trace, lowest to highest")
    _mark(ax, _spans(stimuli, where), above=True)
    return ax


def affinity_map(
    affinity: Any, *, animal: str | None = None, most: int = 200, stimuli: Any = None, ax: Axes | None = None
) -> Axes:
    """Draw affinities over time, the pairs that are closest on the whole above.

    Parameters
    ----------
    affinity : DataArray, (pair, time, animal)
        As `arcuate.connectome.affinity` gives it.
    animal : str, optional
        Which animal; the mean over animals by default.
    most : int
        So many pairs at most.
    stimuli : sequence of (start, stop) or (start, stop, name), s, or a table of events, optional
        Marked above the pairs.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Time in s against pairs. Colors end at the 99.5th percentile, since affinities have few large values.

    Raises
    ------
    SpecError
        If it has other dimensions.
    UnknownNameError
        If there is no such animal.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> ax = affinity_map(xr.DataArray(np.ones((3, 5, 2)), dims=("pair", "time", "animal")))
    >>> ax.get_xlabel()
    'time (s)'
    """
    where = "plot.affinity_map"
    most = check_int(most, where=where, name="most")
    if getattr(affinity, "dims", None) != ("pair", "time", "animal"):
        bound = "must have the dims pair, time and animal"
        raise SpecError.of(
            where=where, name="affinity", value=getattr(affinity, "dims", affinity), bound=bound
        )
    if animal is not None:
        known = [str(name) for name in affinity["animal"].values]
        check_choice(animal, known, where=where, name="animal")
        affinity = affinity.isel(animal=[known.index(animal)])
    ax = axes(ax, width=8.0, height=4.0)
    ax.set(xlabel="time (s)", ylabel="pair, closest above")
    values = affinity.values
    seen = ~np.isnan(values)
    rows = np.where(seen, values, 0.0).sum(axis=2) / np.maximum(seen.sum(axis=2), 1)
    rows = rows[seen.any(axis=(1, 2))]
    if not rows.size:
        return say(ax, "no pair to show")
    rows = rows[np.argsort(-rows.mean(axis=1), kind="stable")[:most]]
    times = np.asarray(
        affinity["time"].values if "time" in affinity.coords else np.arange(rows.shape[1]), float
    )
    image = _map(ax, rows, times, [])
    image.set_clim(0.0, max(float(np.percentile(rows, 99.5)), np.finfo(float).tiny))
    ax.figure.colorbar(image, ax=ax).set_label("affinity")
    _mark(ax, _spans(stimuli, where), above=True)
    return ax


def factors(
    model: Any,
    *,
    components: Sequence[int] | None = None,
    communities: Any = None,
    stimuli: Any = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the components of a factorization, one below the other: who, when, and in which animals.

    Parameters
    ----------
    model : NTF or Dataset
        A fitted `arcuate.connectome.NTF`, or its ``result_``.
    components : sequence of int, optional
        Which ones, by number; the eight strongest by default.
    communities : array_like of int, (n_neurons,) or (n_components, n_neurons), optional
        Community of every neuron, by which matrices are sorted; one color a community.
    stimuli : sequence of (start, stop) or (start, stop, name), s, or a table of events, optional
        Shaded behind the curves over time.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        A frame whose ``child_axes`` are the panels, row by row: pairs as a matrix of neurons, time as a
        curve, all else as bars.

    Raises
    ------
    SpecError
        If a component does not exist, the communities are not those of these neurons, or it is no such
        result.
    FitError
        If the model is not fitted.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> from arcuate.connectome import NTF
    >>> data = np.random.default_rng(0).random((6, 9, 2))
    >>> fitted = NTF(2, n_starts=1).fit(xr.DataArray(data, dims=("pair", "time", "animal")))
    >>> len(factors(fitted).child_axes)
    6
    """
    where = "plot.factors"
    result = getattr(model, "result_", model)
    weights = numbers(part(result, "weight", where=where), where=where, name="weight", ndim=(1,))
    last = weights.size - 1
    wanted = range(min(weights.size, 8)) if components is None else components
    shown = [check_int(k, where=where, name="component", low=0, high=last) for k in wanted]
    modes = [name.removeprefix("factor_") for name in map(str, result) if name.startswith("factor_")]
    ax = axes(ax, width=9.0, height=1.6 * max(len(shown), 1) + 0.6)
    words = ["pair" if mode == "neuron" else "time (s)" if mode == "time" else mode for mode in modes]
    ax.set(xlabel="  |  ".join(words), ylabel="component")
    if not shown or not np.isfinite(weights[shown]).all():
        return say(ax, "no component to show")
    epochs = _spans(stimuli, where)
    ax.spines[:].set_visible(False)
    ax.set_xticks([])
    height = 1.0 / len(shown)
    ax.set_yticks([1.0 - height * (k + 0.5) for k in range(len(shown))], [str(k) for k in shown])
    ax.tick_params(length=0)
    ax.set(xlim=(0, 1), ylim=(0, 1))
    edges = np.cumsum([0.0, *(2.2 if mode == "time" else 1.0 for mode in modes)])
    edges = edges / edges[-1]
    for row, component in enumerate(shown):
        one = result.isel(component=component)
        labels = None if communities is None else _labels(communities, component, last + 1, where)
        for mode, left, right in zip(modes, edges[:-1], edges[1:], strict=True):
            box = (left + 0.02, 1.0 - height * (row + 0.9), right - left - 0.04, 0.8 * height)
            panel = ax.inset_axes(box)
            panel.tick_params(labelsize="x-small")
            if mode in ("pair", "neuron"):
                _matrix(panel, one, labels, where)
            elif mode == "time":
                _curve(panel, one, epochs, row=row)
            else:
                _bars(panel, one[f"factor_{mode}"], one.coords.get(mode), last=row == len(shown) - 1)
    return ax


def _spans(stimuli: Any, where: str) -> list[tuple[float, float, str]]:
    return [] if stimuli is None else epochs_of(stimuli, where=where, name="stimuli")


def _map(ax: Axes, rows: np.ndarray, times: np.ndarray, names: list[str]) -> Any:
    """Draw rows over time, the first row above; what is missing is gray."""
    from matplotlib import colormaps

    step = (times[-1] - times[0]) / max(times.size - 1, 1) or 1.0
    extent = (times[0] - step / 2, times[-1] + step / 2, len(rows) - 0.5, -0.5)
    colors = colormaps["cividis"].with_extremes(bad="#D9DEE3")
    image = ax.imshow(rows, aspect="auto", extent=extent, cmap=colors, interpolation="nearest")
    if 0 < len(names) <= NAMES:
        ax.set_yticks(range(len(names)), names, fontsize="x-small" if len(names) > 12 else "small")
    else:
        ax.yaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]
    ax.spines[:].set_visible(False)
    return image


def _mark(ax: Axes, epochs: list[tuple[float, float, str]], *, above: bool) -> None:
    """Mark epochs by bars above the axes, or shade them; each name is written once."""
    kinds = list(dict.fromkeys(name for _, _, name in epochs))
    across = ax.get_xaxis_transform()
    for start, stop, name in epochs:
        tint = color(kinds.index(name))
        if above:
            ax.plot([start, stop], [1.02, 1.02], color=tint, linewidth=4, transform=across, clip_on=False,
                    solid_capstyle="butt", scalex=False, scaley=False)  # fmt: skip
            ax.text(
                (start + stop) / 2, 1.04, name, transform=across, ha="center", va="bottom", fontsize="small"
            )
        else:
            ax.axvspan(start, stop, color=tint, alpha=0.2, linewidth=0)


def _labels(communities: Any, component: int, n_components: int, where: str) -> np.ndarray:
    labels = np.asarray(communities)
    if labels.ndim == 2 and len(labels) == n_components:
        labels = labels[component]
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        bound = "must be whole numbers, (n_neurons,) or (n_components, n_neurons)"
        raise SpecError.of(where=where, name="communities", value=communities, bound=bound)
    return labels


def _matrix(panel: Axes, one: Any, labels: np.ndarray | None, where: str) -> None:
    """Draw the affinities of a component as a matrix of neurons, sorted by community."""
    from arcuate.connectome._ntf.files import graph

    if one.attrs.get("dims", "").split(",").count("neuron") == 1:
        _bars(panel, one["factor_neuron"], one.coords.get("neuron"), last=False)
        return
    matrix = graph(one).values
    order = np.arange(len(matrix))
    if labels is not None:
        if labels.size != len(matrix):
            bound = f"must be {len(matrix)} labels, one for each neuron"
            raise SpecError.of(where=where, name="communities", value=f"{labels.size} labels", bound=bound)
        order = np.argsort(labels, kind="stable")
    panel.imshow(matrix[np.ix_(order, order)], cmap="cividis", interpolation="nearest", aspect="auto")
    panel.set(xticks=[], yticks=[])
    if labels is None:
        return
    sorted_labels = labels[order]
    for k, label in enumerate(np.unique(labels)):
        first, last = (int(f(np.flatnonzero(sorted_labels == label))) for f in (np.min, np.max))
        panel.plot([-1.0, -1.0], [first - 0.5, last + 0.5], color=color(k), linewidth=3, clip_on=False,
                   solid_capstyle="butt", scalex=False, scaley=False)  # fmt: skip
        if last + 1 < len(order):
            panel.axhline(last + 0.5, color="white", linewidth=0.8)
            panel.axvline(last + 0.5, color="white", linewidth=0.8)


def _curve(panel: Axes, one: Any, epochs: list[tuple[float, float, str]], *, row: int) -> None:
    loading = one["factor_time"].values
    times = one["time"].values if "time" in one.coords else np.arange(loading.size)
    panel.plot(times, loading, color="#0072B2", linewidth=1)
    _mark(panel, epochs, above=False)
    if row == 0:
        for name in dict.fromkeys(name for _, _, name in epochs):
            start, stop = next((a, b) for a, b, own in epochs if own == name)
            panel.text((start + stop) / 2, 1.02, name, transform=panel.get_xaxis_transform(), ha="center",
                       va="bottom", fontsize="x-small", color=GRAY)  # fmt: skip
    panel.set(ylim=(0, None), yticks=[])
    panel.margins(x=0)
    panel.spines[["top", "right", "left"]].set_visible(False)


def _bars(panel: Axes, loading: Any, names: Any, *, last: bool) -> None:
    values = loading.values
    panel.bar(np.arange(values.size), values, color="#D55E00", width=0.7)
    panel.set(ylim=(0, None), yticks=[], xticks=[])
    if last and names is not None and values.size <= 24:
        panel.set_xticks(range(values.size), [str(name) for name in names.values], rotation=90)
    panel.spines[["top", "right", "left"]].set_visible(False)
