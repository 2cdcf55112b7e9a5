"""Pages of the flagship comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.plot._axes import GRAY, axes, color, marker, part, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["what_and_when"]


def what_and_when(data: Any) -> list[Axes]:
    """Draw the page of the flagship ``what_and_when``.

    Parameters
    ----------
    data : xarray.Dataset
        ``FlagshipResult.data`` of that flagship.

    Returns
    -------
    list of matplotlib.axes.Axes
        Angles of read-out weights, of demixed subspaces; read-out against probability; shares of identity,
        delay and probability; predictions from and to the reservoir; distances of dynamics. Their ``figure``
        is the page.

    Raises
    ------
    SpecError
        If the data are of something else.

    Examples
    --------
    >>> import arcuate as arc
    >>> result = arc.flagships.run("what_and_when", quick=True)  # doctest: +SKIP
    >>> page = what_and_when(result.data)  # doctest: +SKIP
    """
    for name in ("angle", "demixed", "amplitude", "weight", "value"):
        part(data, name, where="plot.what_and_when")
    page: Any = axes(None, width=11.0, height=6.6).figure
    page.clear()
    page.set_layout_engine("constrained", w_pad=0.1, h_pad=0.1)
    panels: list[Any] = list(page.subplots(2, 3).ravel())
    _angles(panels[0], data["angle"], {"isotropic": GRAY, "matched": "black"}, data)
    panels[0].axhline(float(data.attrs["near"]), color=GRAY, linestyle=":", linewidth=1.0)
    _angles(panels[1], data["demixed"].isel(pair=0), {"shuffled": "black"}, data)
    _amplitude(panels[2], data)
    _weights(panels[3], data)
    _ridge(panels[4], data)
    _dynamics(page, panels[5], data)
    titles = (
        "Read-outs of what and when", "Demixed identity and delay", "Probability and read-out",
        "What makes cues differ", "Prediction by ridge regression", "Distance of dynamics",
    )  # fmt: skip
    for letter, ax, title in zip("abcdef", panels, titles, strict=True):
        ax.set_title(f"{letter}  {title}", loc="left", fontsize=10)
    return panels


def _short(names: Any) -> list[str]:
    """Return names of systems that fit side by side."""
    return [str(name).replace("transformer", "transf.").replace("reservoir", "res.") for name in names]


def _points(ax: Any, values: Any, place: float, shade: str) -> None:
    """Draw seeds as points and their mean as a bar."""
    numbers = np.asarray(values, dtype=float)
    spread = np.linspace(-0.12, 0.12, len(numbers)) if len(numbers) > 1 else np.zeros(1)
    ax.plot(place + spread, numbers, "o", color=shade, markersize=4, alpha=0.8)
    if np.isfinite(numbers).any():
        ax.hlines(np.nanmean(numbers), place - 0.25, place + 0.25, color=shade, linewidth=2.0)


def _angles(ax: Any, values: Any, nulls: dict[str, str], data: Any) -> None:
    """Draw an angle of each system beside its nulls."""
    names = [str(name) for name in data["system"].values]
    for k, name in enumerate(names):
        _points(ax, values.sel(system=name), k, color(k))
        for null, shade in nulls.items():
            height = float(data[null].sel(system=name).mean())
            ax.hlines(height, k - 0.38, k + 0.38, color=shade, linewidth=1.2)
    ax.set(xticks=range(len(names)), xticklabels=_short(names), ylim=(0, 92))
    ax.set_ylabel("smallest angle (degrees)")
    tidy(ax, legend=False)


def _amplitude(ax: Any, data: Any) -> None:
    """Draw the size of the read-out against the probability."""
    p = data["probability"].values
    ax.plot(p, p, color=GRAY, linestyle=":", linewidth=1.0, label="equal")
    for k, name in enumerate(data["system"].values):
        mean = data["amplitude"].sel(system=name).mean("seed")
        ax.plot(p, mean, marker=marker(k), color=color(k), label=str(name))
    ax.set(xlabel="probability of the outcome (1)", ylabel="read-out, largest (1)", ylim=(0, 1.5))
    tidy(ax)


def _weights(ax: Any, data: Any) -> None:
    """Draw the share of each property in the fitted dissimilarities."""
    names, factors = data["system"].values, [str(name) for name in data["factor"].values]
    width = 0.8 / len(factors)
    for j, factor in enumerate(factors):
        mean = data["weight"].sel(factor=factor).mean("seed").values
        place = np.arange(len(names)) + (j - (len(factors) - 1) / 2) * width
        ax.bar(place, mean, width * 0.9, color=color(j + 4), label=factor)
    ax.set(xticks=range(len(names)), xticklabels=_short(names), ylim=(0, 1.25))
    ax.set_ylabel("share of the fit (1)")
    tidy(ax)


def _ridge(ax: Any, data: Any) -> None:
    """Draw predictions from the reservoir and to it, with ceilings and nulls."""
    first, *others = [str(name) for name in data["system"].values]
    pairs = [pair for name in others for pair in ((first, name), (name, first))]
    ridge = data.sel(measure="ridge")
    for k, (a, b) in enumerate(pairs):
        one = ridge.sel(a=a, b=b)
        _points(ax, one["value"], k, color(k // 2 + 1))
        for name, shade in (("ceiling_high", "black"), ("null_mean", GRAY)):
            ax.hlines(float(one[name].mean()), k - 0.38, k + 0.38, color=shade, linewidth=1.2)
    ax.set(xticks=range(len(pairs)), ylabel="correlation, cues left out (1)")
    ax.set_xticklabels([f"{a[:3]} > {b[:3]}" for a, b in pairs], rotation=45, ha="right")
    ax.axhline(0.0, color=GRAY, linewidth=0.6)
    tidy(ax, legend=False)


def _dynamics(page: Any, ax: Any, data: Any) -> None:
    """Draw the mean distance of the dynamics of each pair."""
    names = [str(name) for name in data["system"].values]
    mean = data["value"].sel(measure="dsa").mean("seed").values.copy()
    shown = ax.imshow(mean, cmap="viridis", vmin=0.0)
    for i in range(len(names)):
        for j in range(len(names)):
            if np.isfinite(mean[i, j]):
                ax.text(j, i, f"{mean[i, j]:.2f}", ha="center", va="center", color="white", fontsize=8)
    ax.set(xticks=range(len(names)), xticklabels=names, yticks=range(len(names)), yticklabels=names)
    ax.tick_params(axis="x", rotation=45)
    page.colorbar(shown, ax=ax, label="angular distance (rad)", shrink=0.8)
