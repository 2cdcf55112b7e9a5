"""Pictures of comparisons: scores with null and ceiling, dissimilarities, predictions, dynamics.

A star marks a p value below 0.05 after correction over the whole call; without correction there are no stars.
The ceiling is a band, and there is none where neither repeats nor seeds tell it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import SpecError, check_choice, check_int, unknown
from arcuate.plot._axes import (
    COLORS,
    DASHES,
    GRAY,
    HATCHES,
    axes,
    color,
    legend_beside,
    marker,
    numbers,
    part,
    say,
    tidy,
)
from arcuate.plot._names import LONGEST, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["comparison", "dsa", "predictivity", "rdms"]

LEVEL = 0.05
_LETTER = 0.062
"""Width of a letter, inches."""

_LINES = 12
"""Pairs of which the steps are drawn in one picture at most."""

_WRITTEN = 10
"""Rows and columns up to which the numbers are written into a matrix."""


def comparison(
    result: Any,
    *,
    kind: str = "matrix",
    measure: str | None = None,
    a: str | None = None,
    b: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the scores of one measure as a matrix of all pairs, or as a profile over the second side.

    Parameters
    ----------
    result : Comparison
    kind : {"matrix", "profile"}
        A matrix of a against b, or, if each step was compared with each, of the steps of one pair. A profile
        has a line for each a over b (or over the steps of b, at the best step of a), with its interval, the
        band of its ceiling, and the mean of its null.
    measure : str, optional
        Of several.
    a, b : str, optional
        The pair whose steps are drawn; the first one by default. For a profile, `a` picks one line.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SpecError
        If the result is no comparison.
    UnknownNameError
        If it has no such measure or leaf, or the kind does not exist.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import compare
    >>> x, y = np.random.default_rng(0).standard_normal((2, 30, 4))
    >>> comparison(compare({"x": x, "y": y}, n_null=99, n_boot=0)).get_xlabel()
    'b'
    """
    where = "plot.comparison"
    check_choice(kind, ("matrix", "profile"), where=where, name="kind")
    data = one_measure(result, measure, where)
    steps = "within_a" in data.dims
    if kind == "profile":
        return profile(data, _named(data, "a", a, where) if a is not None else None, ax)
    if steps:
        data = data.sel(a=_named(data, "a", a, where), b=_named(data, "b", b, where))
    return matrix(data, ax)


def one_measure(result: Any, measure: str | None, where: str) -> Any:
    """Scores of one measure, with its name and kind among the attributes."""
    data = part(result, "data", where=where)
    known = [str(name) for name in data["measure"].values]
    name = known[0] if measure is None else measure
    if name not in known:
        raise unknown(where, name, known, kind="measure")
    systems = list(dict.fromkeys(str(one) for dim in ("a", "b") for one in data[dim].values))
    about = result.spec["measures"][name]
    return data.sel(measure=name).assign_attrs(label=name, about=about, systems=systems)


def _named(data: Any, dim: str, name: str | None, where: str) -> str:
    known = [str(one) for one in data[dim].values]
    if name is None:
        other = {"a": "b", "b": "a"}[dim]
        single = str(data[other].values.ravel()[0])
        return next((one for one in known if dim == "a" or one != single), known[0])
    if name not in known:
        raise unknown(where, name, known, kind=f"leaf on side {dim}")
    return name


def _stars(data: Any) -> np.ndarray:
    corrected = data.attrs["correction"] != "none"
    return np.asarray(data["p_corrected"]) < LEVEL if corrected else np.zeros(data["value"].shape, dtype=bool)


def crowded(data: Any) -> bool:
    """Tell whether there are more systems than colors, or too many pairs to show each with its interval."""
    return len(data["a"]) > len(COLORS) or len(data["a"]) * len(data["b"]) > len(COLORS) ** 2


def any_stars(data: Any) -> bool:
    """Tell whether any score is marked."""
    return bool(_stars(data).any())


def _label(data: Any, *, note: bool = True, mark: str = "*") -> str:
    """Words of an axis of scores; what a star means stands in a second line, unless a caption says it."""
    marked = note and _stars(data).any()
    kind = "distance" if data.attrs["about"]["kind"] == "distance" else "score"
    return f"{data.attrs['label']}, {kind}" + (f"\n{star_words(data, mark)}" if marked else "")


def star_words(data: Any, mark: str = "*") -> str:
    """Return what a mark means."""
    return f"{mark} p < {LEVEL:g}, corrected by {data.attrs['correction']}"


def _short(data: Any, dim: str, most: int = LONGEST) -> list[str]:
    return shorten(
        [str(one) for one in np.atleast_1d(data[dim].values)], among=data.attrs["systems"], most=most
    )


def _step_of(data: Any, dim: str) -> str:
    """Words of an axis of steps, in two lines if the name is long."""
    name = _short(data, dim)[0]
    return f"step of{' ' if len(name) < 16 else chr(10)}{name}"


def _name_across(ax: Axes, places: Any, names: list[str], *, slanted: bool) -> None:
    """Write names under an axis; slanted, each ends at its tick."""
    ax.set_xticks(places, names, fontsize="small")
    for word in ax.get_xticklabels() if slanted else []:
        word.set(rotation=45, ha="right", rotation_mode="anchor")


def _wide(names: list[str]) -> float:
    return _LETTER * max(map(len, names))


def _crowd(ax: Axes, names: list[str], beside: list[str]) -> bool:
    """Tell whether names have no room side by side under an axis with a legend of others."""
    width = 1.2 * ax.get_window_extent().width / ax.figure.dpi - 0.9  # not yet laid out
    return _wide(names) > (width - 0.55 - _wide(beside)) / len(names)


def _bar_beside(ax: Axes, image: Any, label: str) -> None:
    """Draw the scale of colors as high as the picture."""
    ax.figure.colorbar(image, cax=ax.inset_axes((1.03, 0, 0.05, 1)), label=label)


def matrix(data: Any, ax: Axes | None, *, names: tuple[str, str] = ("a", "b"), note: bool = True) -> Axes:
    """Draw scores of one measure, all pairs of systems or of the steps of one pair."""
    values = np.asarray(data["value"], dtype=float)
    steps = "within_a" in data.dims
    rows, columns = _short(data, "a"), _short(data, "b")
    slanted = max(map(len, columns)) > 6
    cell = 0.44 if max(values.shape) <= _WRITTEN else 0.3
    high, wide = (4.0, 4.0) if steps else (max(1.4, cell * size) for size in values.shape)
    below = 0.8 + (0.7 * _wide(columns) if slanted else 0.0)
    ax = axes(ax, width=wide + _wide(rows) + 2.0, height=high + below)
    if steps:
        names = (_step_of(data, "a"), _step_of(data, "b"))
    ax.set(ylabel=names[0], xlabel=names[1])
    if not np.isfinite(values).any():
        return say(ax, "no scores in this result")
    image = ax.imshow(values, cmap="cividis", aspect="auto" if steps else "equal", interpolation="nearest")
    if steps:
        _outline(ax, _stars(data))
    else:
        _write(ax, values, _stars(data), image.get_clim())
    if steps:
        for axis, dim in ((ax.yaxis, "within_a"), (ax.xaxis, "within_b")):
            every = -(-len(data[dim]) // 10)
            shown = data[dim].values[::every]
            axis.set_ticks(np.arange(0, len(data[dim]), every), [f"{one:g}" for one in shown])
    else:
        ax.set_yticks(np.arange(len(rows)), rows, fontsize="small")
        _name_across(ax, np.arange(len(columns)), columns, slanted=slanted)
    _bar_beside(ax, image, _label(data, note=note, mark="outlined:" if steps else "*"))
    return ax


def _write(ax: Axes, values: np.ndarray, stars: np.ndarray, ends: tuple[float, float]) -> None:
    """Write the numbers into a small matrix, and stars into any."""
    small = max(values.shape) <= _WRITTEN
    for (i, j), value in np.ndenumerate(values):
        text = (f"{value:.2f}" if small and np.isfinite(value) else "") + ("*" if stars[i, j] else "")
        if text:
            shade = "white" if value < sum(ends) / 2 else "black"
            size = 7 if small else 9
            ax.text(j, i, text, ha="center", va="center", color=shade, fontsize=size)


def _outline(ax: Axes, marked: np.ndarray) -> None:
    """Draw a line around all cells that are marked."""
    from matplotlib.collections import LineCollection

    inside = np.pad(marked, 1)
    up = [
        [(j - 0.5, i - 0.5), (j - 0.5, i + 0.5)]
        for i, j in np.argwhere(inside[1:-1, 1:] != inside[1:-1, :-1])
    ]
    across = [
        [(j - 0.5, i - 0.5), (j + 0.5, i - 0.5)]
        for i, j in np.argwhere(inside[1:, 1:-1] != inside[:-1, 1:-1])
    ]
    if up:
        ax.add_collection(LineCollection(up + across, colors="white", linewidths=2.6))
        ax.add_collection(LineCollection(up + across, colors="black", linewidths=1.2))


def profile(data: Any, a: str | None, ax: Axes | None, *, note: bool = True) -> Axes:
    """Draw the scores of each a over b, or over the steps of b."""
    steps = "within_b" in data.dims
    lines = _lines(data, [a] if a is not None else [str(one) for one in data["a"].values])
    most = _LINES if steps else len(lines)
    ax = axes(ax, width=8.4 if steps else 7.0 + 0.05 * len(lines) * len(data["b"]), height=3.8)
    left = f" ({most} of {len(lines)} pairs)" if len(lines) > most else ""
    ax.set(xlabel=("step of b" if steps else "b") + left, ylabel=_label(data, note=note))
    if not lines:
        return say(ax, "no scores in this result")
    words: dict[str, str] = {"ceiling": "ceiling", "null": "mean of the null"}
    joined = steps or not set(map(str, data["a"].values)) & set(map(str, data["b"].values))
    for index, (label, line) in enumerate(lines[:most]):
        x = np.asarray(data["within_b"], dtype=float) if steps else np.arange(len(data["b"]), dtype=float)
        slot = 0.0 if steps else 0.8 / len(lines)
        x = x + (index - (len(lines) - 1) / 2) * slot
        _line(
            ax,
            line,
            index,
            x,
            slot,
            label=label,
            words=words,
            joined=joined,
            alpha=0.35 if len(lines) <= 3 or not steps else 0.12,
        )
    if not steps:
        names = _short(data, "b")
        slanted = _crowd(ax, names, [label for label, _ in lines])
        _name_across(ax, np.arange(len(names)), names, slanted=slanted)
        ax.set_xlim(-0.6, len(data["b"]) - 0.4)
    ax.spines[["top", "right"]].set_visible(False)
    return legend_beside(ax, last=("ceiling", "mean of the null"))


def _lines(data: Any, names: list[str]) -> list[tuple[str, Any]]:
    """Label and scores of each line that has any: of each a, or of each pair at the best step of a."""
    steps = "within_b" in data.dims
    others = [str(one) for one in data["b"].values]
    systems = data.attrs["systems"]
    short = dict(zip(systems, shorten(systems, most=14 if steps else LONGEST), strict=True))
    found = []
    for name in names:
        for other in others if steps else [""]:
            line = data.sel(a=name, b=other) if steps else data.sel(a=name).where(data["b"] != name)
            if name == other or not np.isfinite(line["value"]).any():
                continue
            label = short[name]
            if steps:
                line = line.isel(within_a=int(line["value"].max("within_b").argmax("within_a")))
                label = f"{label} at step {line['within_a'].item():g}, {short[other]}"
            found.append((label, line))
    return found


def _line(ax: Axes, line: Any, index: int, x: np.ndarray, slot: float, **how: Any) -> None:
    """One line with interval, ceiling, null and stars; beside others, each point in a slot of its own."""
    value, words = np.asarray(line["value"], dtype=float), how["words"]
    own: dict[str, Any] = {"color": color(index)}
    style: Any = DASHES[index % len(DASHES)] if how["joined"] else "none"
    ax.plot(x, value, marker=marker(index), markersize=4, linestyle=style, label=how["label"], **own)
    low, high = (np.asarray(line[end], dtype=float) for end in ("low", "high"))
    if np.isfinite(low).any():
        ax.vlines(x, low, high, linewidth=1, **own)
    low, high = (np.asarray(line[f"ceiling_{end}"], dtype=float) for end in ("low", "high"))
    if np.isfinite(low).any():
        _ceiling(
            ax,
            x,
            low,
            np.where(np.isfinite(high), high, low),
            slot,
            label=words.pop("ceiling", None),
            alpha=how["alpha"],
        )
    null = np.asarray(line["null_mean"], dtype=float)
    if np.isfinite(null).any():
        label = words.pop("null", None)
        if slot:
            null = np.where(np.isfinite(value), null, np.nan)
            ax.hlines(null, x - slot / 2, x + slot / 2, color=GRAY, linewidth=1, linestyle=":", label=label)
        else:
            ax.plot(x, null, color=GRAY, linewidth=1, linestyle=":", label=label)
    for at in np.flatnonzero(_stars(line)):
        top = np.nanmax([value[at], float(line["high"][at])])
        ax.annotate("*", (x[at], top), (0, 0), textcoords="offset points", ha="center", **own)


def _ceiling(
    ax: Axes,
    x: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    slot: float,
    *,
    label: str | None,
    alpha: float = 0.35,
) -> None:
    """Gray band with an edge: along a line, or over each point in its slot."""
    look: dict[str, Any] = {"facecolor": GRAY, "alpha": alpha, "edgecolor": GRAY, "linewidth": 0.8}
    if not slot:
        ax.fill_between(x, low, high, label=label, **look)
        return
    ends = np.stack([x - slot / 2, x + slot / 2, x + slot / 2], axis=1).ravel()
    bottom, top = (np.stack([end, end, np.full(end.shape, np.nan)], axis=1).ravel() for end in (low, high))
    ax.fill_between(ends, bottom, top, label=label, **look)


def rdms(result: Any, *, most: int = 12, ax: Axes | None = None) -> Axes:
    """Draw the dissimilarities of stimuli in each system, by rank, on one scale.

    Parameters
    ----------
    result : Comparison or DataArray, (system, stimulus, stimulus_2)
        As of ``Comparison.rdms``.
    most : int
        Systems at most; if there are more, the axis says so.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The systems side by side, in rows of six or fewer.

    Raises
    ------
    SpecError
        If there are no dissimilarities.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import compare
    >>> x, y = np.random.default_rng(0).standard_normal((2, 30, 4))
    >>> rdms(compare({"x": x, "y": y}, n_null=99, n_boot=0)).get_ylabel()
    'stimulus'
    """
    where = "plot.rdms"
    check_int(most, where=where, name="most")
    found = result if hasattr(result, "dims") else part(result, "rdms", where=where)
    cubes = numbers(found, where=where, name="rdms", ndim=(3,))[:most]
    rows, columns = rdm_grid(len(cubes))
    ax = axes(ax, width=1.7 * columns + 1.6, height=1.95 * rows + 0.6)
    left = f" (the first {most} of {len(found)})" if len(found) > most else ""
    ax.set(xlabel=f"stimulus, for each system{left}", ylabel="stimulus")
    if not cubes.size:
        return say(ax, "no dissimilarities to show")
    names = shorten([str(name) for name in found["system"].values[:most]], most=20 if columns > 4 else 24)
    n = cubes.shape[1]
    for k, square in enumerate(cubes):
        over, up = (k % columns) * 1.12 * n - 0.5, (k // columns) * 1.2 * n - 0.5
        extent = (over, over + n, up + n, up)
        ax.imshow(_ranks(square), cmap="cividis", vmin=0, vmax=1, extent=extent, interpolation="nearest")
        ax.text(over + n / 2, up - 0.02 * n, names[k], ha="center", va="bottom", fontsize=7)
    ax.set(xlim=(-0.5, (columns - 1) * 1.12 * n + n - 0.5), xticks=[])
    ax.set(ylim=((rows - 1) * 1.2 * n + n - 0.5, -0.5 - 0.12 * n), yticks=[])
    if n <= 20 and "stimulus" in found.coords:
        words = shorten([str(label) for label in found["stimulus"].values])
        places = [row * 1.2 * n + one for row in range(rows) for one in range(n)]
        ax.set_yticks(places, words * rows, fontsize=min(7, 100 / n))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    scale = ax.inset_axes((1.02, 0, 0.012 + 0.02 / columns, 1))
    ax.figure.colorbar(ax.images[-1], cax=scale, label="dissimilarity, by rank")
    return ax


def rdm_grid(count: int) -> tuple[int, int]:
    """Return rows and columns in which so many squares stand."""
    rows = max(1, -(-count // 6))
    return rows, max(1, -(-count // rows))


def _ranks(square: np.ndarray) -> np.ndarray:
    """Ranks of the pairs from 0 to 1; the diagonal is left empty."""
    from scipy.stats import rankdata

    out = np.full(square.shape, np.nan)
    pairs = np.triu_indices(len(square), 1)
    ranks = rankdata(square[pairs])
    out[pairs] = (ranks - 1) / max(1, len(ranks) - 1)
    out.T[pairs] = out[pairs]
    return out


def predictivity(result: Any, *, measure: str = "ridge", ax: Axes | None = None) -> Axes:
    """Draw how well each system predicts each other, with the ceiling of what it predicts.

    Up to seven systems are bars, grouped by what is predicted, more a matrix of predictor and predicted.

    Parameters
    ----------
    result : Comparison
    measure : str
        Name of the encoding measure.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        A bar for each direction of each pair, with its interval where there is one, and the band of its
        ceiling; or a matrix without these.

    Raises
    ------
    SpecError
        If the steps of trials were compared with each other.
    UnknownNameError
        If the result has no such measure.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import compare
    >>> x, y = np.random.default_rng(0).standard_normal((2, 40, 4))
    >>> len(predictivity(compare({"x": x, "y": y}, measure="ridge", n_null=99)).patches)
    2
    """
    where = "plot.predictivity"
    data = one_measure(result, measure, where)
    if "within_a" in data.dims:
        bound = "must hold one score of each pair"
        raise SpecError.of(where=where, name="result", bound=bound, fix="use plot.comparison for steps")
    return prediction(data, ax)


def prediction(data: Any, ax: Axes | None, *, note: bool = True) -> Axes:
    """Draw scores of prediction as groups of bars, or as a matrix if there are many systems."""
    if crowded(data):
        return matrix(data, ax, names=("predictor", "predicted"), note=note)
    ax = axes(ax, width=7.0 + 0.1 * len(data["a"]) * len(data["b"]), height=3.8)
    words = "median correlation,\nheld out"
    if note and _stars(data).any():
        words += f"\n{star_words(data)}"
    ax.set(xlabel="predicted", ylabel=words)
    if not np.isfinite(data["value"]).any():
        return say(ax, "no scores in this result")
    legend: dict[str, str] = {"ceiling": "ceiling"}
    for k, (name, label) in enumerate(zip(data["a"].values, _short(data, "a"), strict=True)):
        one = data.sel(a=name).where(data["b"] != name)
        some = np.flatnonzero(np.isfinite(one["value"]))
        if some.size:
            rank = [np.sum(data["a"].values[:k] != other) for other in data["b"].values]
            size = [np.sum(data["a"].values != other) for other in data["b"].values]
            x = np.arange(len(rank)) + (np.asarray(rank) - (np.asarray(size) - 1) / 2) * 0.8 / max(size)
            _bars(ax, one.isel(b=some), k, x[some], 0.8 / max(size), label=label, words=legend)
    ax.axhline(0, color="black", linewidth=0.8)
    names = _short(data, "b")
    slanted = _crowd(ax, names, _short(data, "a"))
    _name_across(ax, np.arange(len(names)), names, slanted=slanted)
    ax.spines[["top", "right"]].set_visible(False)
    return legend_beside(ax, title="predictor", last=("ceiling",))


def _bars(ax: Axes, one: Any, index: int, x: np.ndarray, slot: float, **how: Any) -> None:
    """Bars of one predictor, with intervals, ceilings and stars."""
    value = np.asarray(one["value"], dtype=float)
    hatch = HATCHES[index % len(HATCHES)]
    ax.bar(x, value, 0.9 * slot, color=color(index), hatch=hatch, edgecolor="white", linewidth=0,
           label=how["label"])  # fmt: skip
    low, high = (np.asarray(one[end], dtype=float) for end in ("low", "high"))
    if np.isfinite(low).any():
        ax.vlines(x, low, high, color="black", linewidth=1)
    low, high = (np.asarray(one[f"ceiling_{end}"], dtype=float) for end in ("low", "high"))
    if np.isfinite(low).any():
        label = how["words"].pop("ceiling", None)
        _ceiling(ax, x, low, np.where(np.isfinite(high), high, low), 0.9 * slot, label=label)
    for at in np.flatnonzero(_stars(one)):
        top = np.nanmax([value[at], float(one["high"][at]), 0])
        ax.annotate("*", (x[at], top), (0, -1), textcoords="offset points", ha="center")


def dsa(result: Any, *, kind: str = "matrix", measure: str = "dsa", ax: Axes | None = None) -> Axes:
    """Draw distances of dynamics as a matrix or a map, or the eigenvalues of fitted dynamics.

    Parameters
    ----------
    result : Comparison, or for the spectra a mapping of str to LinearDynamics or eigenvalues
    kind : {"matrix", "mds", "spectra"}
        Classical scaling puts systems at distances as near as can be to those measured.
    measure : str
        Name of the measure.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SpecError
        If a map is asked for and the two sides are not the same systems.
    UnknownNameError
        If the result has no such measure, or the kind does not exist.

    Examples
    --------
    >>> dsa({"ring": [0.9 + 0.1j, 0.9 - 0.1j]}, kind="spectra").get_xlabel()
    'real part'
    """
    where = "plot.dsa"
    check_choice(kind, ("matrix", "mds", "spectra"), where=where, name="kind")
    if kind == "spectra":
        return _spectra(result, axes(ax, width=6.2, height=4.4), where)
    data = one_measure(result, measure, where)
    if kind == "matrix":
        return matrix(data, ax)
    return distance_map(data, ax, where)


def _spectra(result: Any, ax: Axes, where: str) -> Axes:
    if not isinstance(result, Mapping):
        bound = "must be a mapping of names to fitted dynamics or eigenvalues"
        raise SpecError.of(where=where, name="result", value=result, bound=bound)
    around = np.exp(2j * np.pi * np.linspace(0, 1, 200))
    ax.plot(around.real, around.imag, color=GRAY, linewidth=1, label="modulus 1: neither grows nor decays")
    ax.set(xlabel="real part", ylabel="imaginary part", aspect="equal")
    if not result:
        return say(ax, "no systems to show")
    short = shorten(map(str, result))
    for k, one in enumerate(result.values()):
        values = np.asarray(getattr(one, "eigenvalues", one), dtype=complex).ravel()
        ax.plot(
            values.real,
            values.imag,
            marker(k),
            color=color(k),
            fillstyle="none",
            label=short[k],
        )
    ax.spines[["top", "right"]].set_visible(False)
    return legend_beside(ax)


def distance_map(data: Any, ax: Axes | None, where: str) -> Axes:
    """Draw systems at distances as near as can be to those measured."""
    names = [str(name) for name in data["a"].values]
    if names != [str(name) for name in data["b"].values]:
        bound = "must hold all pairs of some systems"
        raise SpecError.of(where=where, name="result", bound=bound, fix="compare without a and b")
    unit = data.attrs["label"]
    ax = axes(ax, width=6.2, height=4.0)
    ax.set(xlabel=f"first coordinate, {unit}", ylabel=f"second coordinate, {unit}")
    away = np.asarray(data["value"], dtype=float)
    away = np.where(np.eye(len(away), dtype=bool), 0.0, (away + away.T) / 2)
    if not np.isfinite(away).all() or len(away) < 2:
        return say(ax, "no distances of all pairs")
    for k, (place, name) in enumerate(zip(_scaled(away), shorten(names), strict=True)):
        ax.plot(*place, marker(k), color=color(k), label=name)
    ax.set_aspect("equal", adjustable="datalim")
    ax.margins(0.15)
    return legend_beside(tidy(ax, legend=False))


def _scaled(away: np.ndarray) -> np.ndarray:
    """Classical scaling (Torgerson 1952): coordinates (system, 2)."""
    middle = np.eye(len(away)) - 1 / len(away)
    values, vectors = np.linalg.eigh(-0.5 * middle @ away**2 @ middle)
    place = vectors[:, ::-1][:, :2] * np.sqrt(np.maximum(values[::-1][:2], 0))
    return place * np.where(place.sum(axis=0) < 0, -1, 1)
