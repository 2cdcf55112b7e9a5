"""Pictures of comparisons: scores with null and ceiling, dissimilarities, dynamics, and one page of all.

A star marks a p value below 0.05 after correction over the whole call; without correction there are no stars.
The ceiling is a band, and there is none where neither repeats nor seeds tell it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import SpecError, check_choice, unknown
from arcuate.plot._axes import (
    COLORS,
    DASHES,
    GRAY,
    MARKERS,
    axes,
    color,
    legend_above,
    numbers,
    part,
    say,
    tidy,
)
from arcuate.plot.panels import panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["comparison", "comparison_report", "dsa", "predictivity", "rdms"]

LEVEL = 0.05
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
    data = _one(result, measure, where)
    steps = "within_a" in data.dims
    if kind == "profile":
        return _profile(data, _named(data, "a", a, where) if a is not None else None, axes(ax))
    if steps:
        data = data.sel(a=_named(data, "a", a, where), b=_named(data, "b", b, where))
    return _matrix(data, axes(ax, width=5.6, height=4.6))


def _one(result: Any, measure: str | None, where: str) -> Any:
    """Scores of one measure, with its name and kind among the attributes."""
    data = part(result, "data", where=where)
    known = [str(name) for name in data["measure"].values]
    name = known[0] if measure is None else measure
    if name not in known:
        raise unknown(where, name, known, kind="measure")
    return data.sel(measure=name).assign_attrs(label=name, about=result.spec["measures"][name])


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


def _label(data: Any) -> str:
    star = f" (* p < {LEVEL:g}, corrected by {data.attrs['correction']})" if _stars(data).any() else ""
    kind = "distance" if data.attrs["about"]["kind"] == "distance" else "score"
    return f"{data.attrs['label']}, {kind}{star}"


def _matrix(data: Any, ax: Axes) -> Axes:
    values = np.asarray(data["value"], dtype=float)
    steps = "within_a" in data.dims
    names = [f"step of {data['a'].item()}", f"step of {data['b'].item()}"] if steps else ["a", "b"]
    ax.set(ylabel=names[0], xlabel=names[1])
    if not np.isfinite(values).any():
        return say(ax, "no scores in this result")
    image = ax.imshow(values, cmap="cividis", aspect="auto" if steps else "equal", interpolation="nearest")
    stars = _stars(data)
    low, high = image.get_clim()
    for (i, j), value in np.ndenumerate(values):
        written = "" if steps or max(values.shape) > _WRITTEN or np.isnan(value) else f"{value:.2f}"
        text = written + ("*" if stars[i, j] else "")
        if text:
            shade = "white" if value < (low + high) / 2 else "black"
            ax.text(j, i, text, ha="center", va="center", color=shade, fontsize="small")
    for axis, dim in ((ax.yaxis, "within_a" if steps else "a"), (ax.xaxis, "within_b" if steps else "b")):
        every = max(1, len(data[dim]) // (12 if steps else 40))
        words = [f"{one:g}" if steps else str(one) for one in data[dim].values[::every]]
        axis.set_ticks(np.arange(0, len(data[dim]), every), words)
    if not steps:
        ax.tick_params(axis="x", rotation=30)
    ax.figure.colorbar(image, ax=ax, label=_label(data), shrink=0.7)
    return ax


def _profile(data: Any, a: str | None, ax: Axes) -> Axes:
    steps = "within_b" in data.dims
    names = [a] if a is not None else [str(one) for one in data["a"].values]
    ax.set(xlabel="step of b" if steps else "b", ylabel=_label(data))
    drawn = 0
    for name in names:
        for other in [str(one) for one in data["b"].values] if steps else [None]:
            line = data.sel(a=name) if other is None else data.sel(a=name, b=other)
            if other is None:
                line = line.where(line["b"] != name)
            if other == name or not np.isfinite(line["value"]).any():
                continue
            if steps:
                best = int(line["value"].max("within_b").argmax("within_a"))
                line = line.isel(within_a=best)
            label = name if other is None else f"{name} at step {line['within_a'].item():g}, {other}"
            _line(ax, line, drawn, label, data["within_b"].values if steps else None)
            drawn += 1
    if not drawn:
        return say(ax, "no scores in this result")
    if not steps:
        ax.set_xticks(np.arange(len(data["b"])), [str(one) for one in data["b"].values])
        ax.tick_params(axis="x", rotation=30)
    ax.spines[["top", "right"]].set_visible(False)
    return legend_above(ax, columns=2)


def _line(ax: Axes, line: Any, index: int, label: str, across: np.ndarray | None) -> None:
    """One line with interval, ceiling, null and stars."""
    value = np.asarray(line["value"], dtype=float)
    x = np.arange(len(value)) if across is None else np.asarray(across, dtype=float)
    own: dict[str, Any] = {"color": color(index)}
    style: Any = DASHES[index % len(DASHES)]
    ax.plot(x, value, marker=MARKERS[index % len(MARKERS)], markersize=4, linestyle=style, label=label, **own)
    low, high = (np.asarray(line[end], dtype=float) for end in ("low", "high"))
    if np.isfinite(low).any():
        ax.vlines(x, low, high, linewidth=1, **own)
    low, high = (np.asarray(line[f"ceiling_{end}"], dtype=float) for end in ("low", "high"))
    if np.isfinite(low).any():
        high = np.where(np.isfinite(high), high, low)
        ax.fill_between(x, low, high, alpha=0.2, linewidth=0, label=f"ceiling of {label}", **own)
    if np.isfinite(line["null_mean"]).any():
        words = "mean of the null" if index == 0 else None
        ax.plot(x, line["null_mean"], color=GRAY, linewidth=1, linestyle=":", label=words)
    for at in np.flatnonzero(_stars(line)):
        ax.annotate("*", (x[at], value[at]), (0, 4), textcoords="offset points", ha="center", **own)


def rdms(result: Any, *, most: int = 6, ax: Axes | None = None) -> Axes:
    """Draw the dissimilarities of stimuli in each system, by rank, on one scale.

    Parameters
    ----------
    result : Comparison or DataArray, (system, stimulus, stimulus_2)
        As of ``Comparison.rdms``.
    most : int
        Systems at most.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The systems side by side.

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
    found = result if hasattr(result, "dims") else part(result, "rdms", where=where)
    cubes = numbers(found, where=where, name="rdms", ndim=(3,))[:most]
    names = [str(name) for name in found["system"].values[:most]]
    ax = axes(ax, width=3.0 * max(1, len(cubes)) + 1.0, height=3.4)
    ax.set(xlabel="stimulus, for each system", ylabel="stimulus")
    if not cubes.size:
        return say(ax, "no dissimilarities to show")
    n = cubes.shape[1]
    for k, square in enumerate(cubes):
        left = k * 1.08 * n
        extent = (left - 0.5, left + n - 0.5, n - 0.5, -0.5)
        ax.imshow(_ranks(square), cmap="cividis", vmin=0, vmax=1, extent=extent, interpolation="nearest")
        ax.text(left + (n - 1) / 2, -0.5 - 0.03 * n, names[k], ha="center", va="bottom", fontsize="small")
    ax.set(xlim=(-0.5, (len(cubes) - 1) * 1.08 * n + n - 0.5), ylim=(n - 0.5, -0.5), xticks=[])
    if n <= 20 and "stimulus" in found.coords:
        ax.set_yticks(np.arange(n), [str(label) for label in found["stimulus"].values])
    ax.figure.colorbar(ax.images[-1], ax=ax, label="dissimilarity, by rank", shrink=0.5)
    return ax


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
        A bar for each direction of each pair, with its interval where there is one; over it the band of its
        ceiling.

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
    data = _one(result, measure, where)
    if "within_a" in data.dims:
        bound = "must hold one score of each pair"
        raise SpecError.of(where=where, name="result", bound=bound, fix="use plot.comparison for steps")
    ax = axes(ax)
    ax.set(xlabel="predictor → predicted", ylabel="median correlation, held out")
    bars = [(x, y) for x in data["a"].values for y in data["b"].values if x != y]
    bars = [pair for pair in bars if np.isfinite(data["value"].sel(a=pair[0], b=pair[1]))]
    if not bars:
        return say(ax, "no scores in this result")
    stars, words = False, {"ceiling": "ceiling by repeats or seeds"}
    for k, (x, y) in enumerate(bars):
        one = data.sel(a=x, b=y)
        value = float(one["value"])
        ax.bar(k, value, 0.6, color=color(list(data["a"].values).index(x)))
        if np.isfinite(one["low"]):
            ax.vlines(k, float(one["low"]), float(one["high"]), color="black", linewidth=1)
        if np.isfinite(one["ceiling_low"]):
            low, high = (float(one[f"ceiling_{end}"]) for end in ("low", "high"))
            band = [low, high if np.isfinite(high) else low]
            ax.fill_between([k - 0.4, k + 0.4], band[0], band[1] + 1e-3, color=GRAY, alpha=0.4, linewidth=0,
                            label=words.pop("ceiling", None))  # fmt: skip
        if bool(_stars(one)):
            stars = True
            ax.annotate("*", (k, max(value, 0)), (0, 1), textcoords="offset points", ha="center")
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set_xticks(
        range(len(bars)), [f"{x} → {y}" for x, y in bars], rotation=30, ha="right", fontsize="small"
    )
    if stars:
        ax.set_ylabel(f"median correlation, held out (* p < {LEVEL:g}, corrected)")
    ax.spines[["top", "right"]].set_visible(False)
    return legend_above(ax)


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
        return _spectra(result, axes(ax, width=4.6, height=4.4), where)
    data = _one(result, measure, where)
    if kind == "matrix":
        return _matrix(data, axes(ax, width=5.6, height=4.6))
    return _map(data, axes(ax, width=4.6, height=4.4), where)


def _spectra(result: Any, ax: Axes, where: str) -> Axes:
    if not isinstance(result, Mapping):
        bound = "must be a mapping of names to fitted dynamics or eigenvalues"
        raise SpecError.of(where=where, name="result", value=result, bound=bound)
    around = np.exp(2j * np.pi * np.linspace(0, 1, 200))
    ax.plot(around.real, around.imag, color=GRAY, linewidth=1, label="modulus 1: neither grows nor decays")
    ax.set(xlabel="real part", ylabel="imaginary part", aspect="equal")
    if not result:
        return say(ax, "no systems to show")
    for k, (name, one) in enumerate(result.items()):
        values = np.asarray(getattr(one, "eigenvalues", one), dtype=complex).ravel()
        ax.plot(
            values.real,
            values.imag,
            MARKERS[k % len(MARKERS)],
            color=color(k),
            fillstyle="none",
            label=str(name),
        )
    ax.spines[["top", "right"]].set_visible(False)
    return legend_above(ax, columns=2)


def _map(data: Any, ax: Axes, where: str) -> Axes:
    names = [str(name) for name in data["a"].values]
    if names != [str(name) for name in data["b"].values]:
        bound = "must hold all pairs of some systems"
        raise SpecError.of(where=where, name="result", bound=bound, fix="compare without a and b")
    unit = data.attrs["label"]
    ax.set(xlabel=f"first coordinate, {unit}", ylabel=f"second coordinate, {unit}")
    away = np.asarray(data["value"], dtype=float)
    away = np.where(np.eye(len(away), dtype=bool), 0.0, (away + away.T) / 2)
    if not np.isfinite(away).all() or len(away) < 2:
        return say(ax, "no distances of all pairs")
    place = _scaled(away)
    for k, name in enumerate(names):
        ax.plot(*place[k], MARKERS[k % len(MARKERS)], color=COLORS[k % len(COLORS)])
        ax.annotate(name, place[k], (5, 3), textcoords="offset points", fontsize="small")
    ax.set_aspect("equal", adjustable="datalim")
    ax.margins(0.25)
    return tidy(ax, legend=False)


def _scaled(away: np.ndarray) -> np.ndarray:
    """Classical scaling (Torgerson 1952): coordinates (system, 2)."""
    middle = np.eye(len(away)) - 1 / len(away)
    values, vectors = np.linalg.eigh(-0.5 * middle @ away**2 @ middle)
    place = vectors[:, ::-1][:, :2] * np.sqrt(np.maximum(values[::-1][:2], 0))
    return place * np.where(place.sum(axis=0) < 0, -1, 1)


def comparison_report(result: Any) -> list[Axes]:
    """Draw one page: dissimilarities, scores, predictivity against its ceiling, distances of dynamics.

    Parameters
    ----------
    result : Comparison
        Of any measures. The matrix shows the first that is neither ``ridge`` nor ``dsa``; what was not
        measured is said in its place.

    Returns
    -------
    list of matplotlib.axes.Axes
        Six: dissimilarities, matrix and profile, predictivity, matrix and map of dynamics. Their ``figure``
        is the page.

    Raises
    ------
    SpecError
        If the result is no comparison.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import compare
    >>> x, y = np.random.default_rng(0).standard_normal((2, 30, 4))
    >>> len(comparison_report(compare({"x": x, "y": y}, n_null=99, n_boot=0)))
    6
    """
    data = part(result, "data", where="plot.comparison_report")
    grid = panels(2, 3, width=15.0, height=8.0)
    single = "within_a" not in data.dims
    if "rdm" in data:
        rdms(result, most=3, ax=grid[0])
    else:
        say(grid[0], "no dissimilarities in this result")
    geometry = next((name for name in result.measures if name not in ("ridge", "dsa")), None)
    for kind, ax in (("matrix", grid[1]), ("profile", grid[2])):
        if geometry is None:
            say(ax, "no scores of geometry in this result")
        else:
            comparison(result, kind=kind, measure=geometry, ax=ax)
    if "ridge" in result.measures and single:
        predictivity(result, ax=grid[3])
    else:
        say(grid[3], "no scores of prediction in this result")
    both = list(data["a"].values) == list(data["b"].values)
    for kind, ax in (("matrix", grid[4]), ("mds", grid[5])):
        if "dsa" in result.measures and single and (both or kind == "matrix"):
            dsa(result, kind=kind, ax=ax)
        else:
            say(ax, "no distances of dynamics in this result")
    return grid
