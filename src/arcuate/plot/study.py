"""Pictures of parameter studies: a map over two fields, the course along one, goals that pull apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import SpecError, check_choice
from arcuate.plot._axes import DASHES, GRAY, MARKERS, axes, color, has_part, part, say, tidy
from arcuate.units import is_quantity_text, parse_quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_SPARSE = 0.25
"""Share of the cells of a map that must have a point; below, points are drawn where they lie."""
_MOST_TICKS = 12
_SHOWN = {"s": ("ms", 1e3), "V": ("mV", 1e3)}
"""Units in which SI numbers are shown, and how many of them make one of SI."""


def study_map(result: Any, x: str, y: str, *, metric: str, ax: Axes | None = None) -> Axes:
    """Draw a metric over two fields of a study, averaged over everything else that varied.

    Parameters
    ----------
    result : pandas.DataFrame, xarray.Dataset or mapping
        What ``study.table()`` or ``study.dataset()`` gives, or columns of one length.
    x, y : str
        Fields that varied.
    metric : str
        Column of numbers.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        One cell for each pair of values, gray where nothing is known. A design that is no grid (Sobol,
        random) is drawn as colored points at their places.

    Raises
    ------
    UnknownNameError
        If there is no such column.
    SpecError
        If the metric is not numbers.

    Examples
    --------
    >>> table = {"gain": [1, 1, 2, 2], "tau": ["5 ms", "9 ms"] * 2, "rate": [3.0, 4.0, 5.0, 6.0]}
    >>> study_map(table, "gain", "tau", metric="rate").get_ylabel()
    'tau'
    """
    where = "plot.study_map"
    ax = axes(ax, width=5.6, height=4.2)
    ax.set_xlabel(_label(result, x))
    ax.set_ylabel(_label(result, y))
    left, below, height = _columns(result, (x, y), metric, where=where)
    if not np.isfinite(height).any():
        return say(ax, f"no value of {metric} to show")
    (across, columns), (up, rows) = _levels(left), _levels(below)
    n_cells = len(columns) * len(rows)
    if len({*zip(across, up, strict=True)}) < _MOST_SPARSE * n_cells and _are_numbers(columns + rows):
        known = np.isfinite(height)
        at, over = (np.array([_number(value) for value in column])[known] for column in (left, below))
        drawn: Any = ax.scatter(at, over, c=height[known], cmap="viridis", edgecolor="black", linewidth=0.4)
        tidy(ax, legend=False)
    else:
        drawn = _cells(ax, _mean_cells(across, up, height, shape=(len(rows), len(columns))))
        _name_ticks(ax.xaxis, columns)
        _name_ticks(ax.yaxis, rows)
    ax.figure.colorbar(drawn, ax=ax, label=metric)
    return ax


def study_marginal(
    result: Any, x: str, *, metric: str, by: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw a metric along one field of a study: every point, and the mean at each value.

    Parameters
    ----------
    result : pandas.DataFrame, xarray.Dataset or mapping
        As in `study_map`.
    x : str
        Field that varied.
    metric : str
        Column of numbers.
    by : str, optional
        Another field; one curve for each of its values.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Evenly spaced values of the field against the metric.

    Raises
    ------
    UnknownNameError
        If there is no such column.
    SpecError
        If the metric is not numbers.

    Examples
    --------
    >>> table = {"gain": [1, 1, 2, 2], "seed": [0, 1, 0, 1], "rate": [3.0, 4.0, 5.0, 6.0]}
    >>> [line.get_ydata().tolist() for line in study_marginal(table, "gain", metric="rate").lines[-1:]]
    [[3.5, 5.5]]
    """
    where = "plot.study_marginal"
    ax = axes(ax)
    ax.set_xlabel(_label(result, x))
    ax.set_ylabel(metric)
    fields = (x,) if by is None else (x, by)
    *given, height = _columns(result, fields, metric, where=where)
    if not np.isfinite(height).any():
        return say(ax, f"no value of {metric} to show")
    places, levels = _levels(given[0])
    group, names = _levels(given[1]) if by is not None else (np.zeros(places.size, int), [None])
    for index, name in enumerate(names):
        mine = group == index
        mean = _mean_cells(places[mine], np.zeros(mine.sum(), int), height[mine], shape=(1, len(levels)))[0]
        ax.plot(places[mine], height[mine], ".", color=color(index), markersize=4, alpha=0.5)
        ax.plot(
            np.arange(len(levels)),
            mean,
            color=color(index),
            linestyle=DASHES[index % len(DASHES)],
            marker=MARKERS[index % len(MARKERS)],
            markersize=5,
            label=None if by is None else f"{_label(result, by)} = {_word(name)}",
        )
    _name_ticks(ax.xaxis, levels)
    return tidy(ax)


def pareto(result: Any, goals: Mapping[str, str], *, ax: Axes | None = None) -> Axes:
    """Draw two metrics of a study against each other, with the front that no point beats.

    Parameters
    ----------
    result : pandas.DataFrame, xarray.Dataset or mapping
        As in `study_map`.
    goals : mapping of str to {"minimize", "maximize"}
        Two metrics, the first along x; as for `arcuate.study.search`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Every point, and the front of `arcuate.analysis.pareto_front` as a line.

    Raises
    ------
    UnknownNameError
        If there is no such column.
    SpecError
        If there are not two goals, or a metric is not numbers.

    Examples
    --------
    >>> table = {"error": [3.0, 2.0, 1.0], "spikes": [10.0, 40.0, 20.0]}
    >>> ax = pareto(table, {"spikes": "minimize", "error": "minimize"})
    >>> ax.lines[-1].get_xdata().tolist()
    [10.0, 20.0]
    """
    from arcuate.analysis.pareto import pareto_front

    where = "plot.pareto"
    if not isinstance(goals, Mapping) or len(goals) != 2:
        raise SpecError.of(
            where=where,
            name="goals",
            value=goals,
            bound="must name two metrics",
            fix='write {"error": "minimize", "spikes": "minimize"}',
        )
    for name, word in goals.items():
        check_choice(word, ("minimize", "maximize"), where=where, name=f"goals[{name!r}]")
    ax = axes(ax, width=5.0, height=4.2)
    across, up = goals
    ax.set_xlabel(f"{across} ({goals[across]})")
    ax.set_ylabel(f"{up} ({goals[up]})")
    *_, left = _columns(result, (), across, where=where)
    *_, below = _columns(result, (), up, where=where)
    both = np.column_stack([left, below])
    front = pareto_front(both, goals=tuple(goals.values()))
    if not front.any():
        return say(ax, f"no point with {across} and {up}")
    known = np.isfinite(both).all(axis=1)
    others = both[known & ~front]
    ax.plot(others[:, 0], others[:, 1], "o", color=GRAY, markersize=4, alpha=0.6, label="beaten by another")
    best = both[front][np.argsort(both[front][:, 0], kind="stable")]
    ax.plot(best[:, 0], best[:, 1], "s-", color=color(1), markersize=6, label="Pareto front")
    return tidy(ax)


def _columns(result: Any, fields: tuple[str, ...], metric: str, *, where: str) -> list[Any]:
    """Values of some fields (lists, in the units of their labels) and of a metric, point by point."""
    factors = [_SHOWN.get(_unit(result, name), ("", 1.0))[1] for name in fields]
    if hasattr(result, "data_vars"):
        result = result[[metric]].to_dataframe().reset_index() if has_part(result, metric) else result
    if hasattr(result, "columns"):  # a frame is asked by column, not by attribute
        result = {str(name): result[name].tolist() for name in result.columns}
    found: list[Any] = [list(part(result, name, where=where)) for name in fields]
    found = [
        column if factor == 1.0 else [value * factor for value in column]
        for column, factor in zip(found, factors, strict=True)
    ]
    values = part(result, metric, where=where)
    try:
        height = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SpecError.of(where=where, name=metric, value=values, bound="must be numbers") from error
    for name, column in zip(fields, found, strict=True):
        if len(column) != height.size:
            raise SpecError.of(
                where=where, name=name, value=len(column), bound=f"must have {height.size} values"
            )
    return [*found, height]


def _unit(result: Any, name: str) -> str:
    """SI unit of a field of a study's table or dataset; empty if it has none."""
    if hasattr(result, "data_vars"):
        return str(result[name].attrs.get("units", "")) if has_part(result, name) else ""
    return str(getattr(result, "attrs", {}).get("units", {}).get(name, ""))


def _label(result: Any, name: str) -> str:
    unit = _unit(result, name)
    return f"{name} ({_SHOWN.get(unit, (unit, 1.0))[0]})" if unit else name


def _levels(column: list[Any]) -> tuple[np.ndarray, list[Any]]:
    """Place of each value among the values that differ, and these: numbers and quantities in order."""
    distinct = list(dict.fromkeys(_plain(value) for value in column))
    if _are_numbers(distinct):
        distinct.sort(key=_number)
    place = {value: index for index, value in enumerate(distinct)}
    return np.array([place[_plain(value)] for value in column], dtype=int), distinct


def _plain(value: Any) -> Any:
    """A value that can be looked up."""
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, (str, int, float)) else str(value)


def _number(value: Any) -> float:
    return float(parse_quantity(value)[0]) if isinstance(value, str) else float(value)


def _are_numbers(values: list[Any]) -> bool:
    return all(not isinstance(value, str) or is_quantity_text(value) for value in values)


def _mean_cells(across: np.ndarray, up: np.ndarray, height: np.ndarray, *, shape: tuple[int, int]) -> Any:
    """Mean of the finite values in each cell; NaN where there is none."""
    known = np.isfinite(height)
    total, count = np.zeros(shape), np.zeros(shape)
    np.add.at(total, (up[known], across[known]), height[known])
    np.add.at(count, (up[known], across[known]), 1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _cells(ax: Axes, cells: np.ndarray) -> Any:
    """Draw a table of values as a map; what is NaN stays gray."""
    ax.set_facecolor("#D0D4D8")
    return ax.imshow(np.ma.masked_invalid(cells), origin="lower", aspect="auto", cmap="viridis")


def _name_ticks(axis: Any, levels: list[Any]) -> None:
    """Write the values at their places, not more than fit."""
    step = -(-len(levels) // _MOST_TICKS)
    axis.set_ticks(range(0, len(levels), step), [_word(level) for level in levels[::step]])


def _word(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
