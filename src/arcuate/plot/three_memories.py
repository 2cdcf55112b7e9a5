"""The page of the comparison of memories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.plot._axes import DASHES, GRAY, HATCHES, axes, color, marker, part, say, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["three_memories"]

WHERE = "plot.three_memories"
SHORT = {
    "hebb": "Hebb", "delta": "delta", "lookup": "lookup", "reservoir": "reservoir",
    "transformer": "softmax att.", "linear": "linear att.", "deltanet": "delta att.", "pmi": "PMI net",
}  # fmt: skip
SYMBOLIC = ("hebb", "delta", "lookup", "reservoir")
TRAINED = ("transformer", "linear", "deltanet", "pmi")
STAGES = {"question": "o", "read": "s"}


def three_memories(data: Any) -> list[Axes]:
    """Draw the page of the flagship ``three_memories``.

    Parameters
    ----------
    data : xarray.Dataset
        ``FlagshipResult.data`` of that flagship.

    Returns
    -------
    list of matplotlib.axes.Axes
        Capacity, answers by the number of pairs, gain of the mixture, battery; then sources of the answers of
        rules and reservoir, of trained systems at the question, and of these at what was read. Their
        ``figure`` is the page.

    Raises
    ------
    SpecError
        If the data are of something else.

    Examples
    --------
    >>> import arcuate as arc
    >>> result = arc.flagships.run("three_memories", quick=True)  # doctest: +SKIP
    >>> page = three_memories(result.data)  # doctest: +SKIP
    """
    for name in ("share", "gain", "effect", "fidelity", "right"):
        part(data, name, where=WHERE)
    page: Any = axes(None, width=14.0, height=12.5).figure
    page.clear()
    page.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
    rows = page.subplots(4, 4, gridspec_kw={"height_ratios": (1.5, 1, 1, 1)})
    places: list[Any] = list(rows.ravel())
    _capacity(places[0], data)
    _right(places[1], data)
    _gain(places[2], data)
    _battery(page, places[3], data)
    for letter, ax, title in zip(
        "abcd", places, ("Recall of random pairs", "Answers", "Mixing", "Conditioning"), strict=False
    ):
        ax.set_title(f"{letter}  {title}", loc="left", fontsize=10)
    panels = [(name, "question") for name in (*SYMBOLIC, *TRAINED)] + [(name, "read") for name in TRAINED]
    for ax, (name, stage) in zip(places[4:], panels, strict=True):
        _sources(ax, data, name, stage)
    handles, labels = places[4].get_legend_handles_labels()
    page.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=5,
        frameon=False,
        title="answers that follow the pointer",
    )
    return places


def _capacity(ax: Any, data: Any) -> None:
    """Draw the recall of each rule at each width on the closed form."""
    mean = data.mean("seed")
    for k, rule in enumerate(data["rule"].values):
        for j, width in enumerate(data["width"].values):
            one = mean.sel(rule=rule, width=width).sortby(data["pairs"].sel(width=width))
            load = one["pairs"] / width
            words = str(rule) if j == 0 else None
            size = 3.0 + 1.2 * j
            ax.plot(load, one["fidelity"], marker(k), color=color(k), ms=size, mfc="none", label=words)
            if j == data.sizes["width"] - 1:
                ax.plot(load, one["theory"], color=color(k), linestyle=DASHES[k], lw=1.2)
    load = data["pairs"].sel(width=64) / 64
    order = np.argsort(load.values)
    for k, rule in enumerate(data["written"].values):
        held = mean["synapses"].sel(written=rule).values[order]
        words = f"reservoir, {rule}"
        ax.plot(load.values[order], held, "x:", color=color(k), lw=0.8, ms=5, label=words)
    ax.set(xlabel="pairs / width", ylabel="1 / sqrt(1 + squared error)", ylim=(0.2, 1.04))
    tidy(ax)


def _right(ax: Any, data: Any) -> None:
    """Draw the share of questions that are answered right."""
    mean = data["right"].mean("seed")
    for k, name in enumerate(data["system"].values):
        ax.plot(
            data["n_pairs"], mean.sel(system=name), marker=marker(k), color=color(k), label=SHORT[str(name)],
            linestyle=DASHES[k % len(DASHES)], ms=4, alpha=0.8,
        )  # fmt: skip
    ax.plot(data["n_pairs"], 1 / data["n_pairs"], color=GRAY, linestyle=":", label="one of them")
    ax.set(xlabel="pairs", ylabel="share right", ylim=(0, 1.05))
    tidy(ax, legend=False)
    ax.legend(frameon=False, fontsize="x-small", ncols=2, loc="center", bbox_to_anchor=(0.55, 0.66))


def _gain(ax: Any, data: Any) -> None:
    """Draw the gain of the mixture, seeds as points, at what is asked and what was read."""
    names = [str(name) for name in data["system"].values]
    for k, name in enumerate(names):
        for j, (stage, shape) in enumerate(STAGES.items()):
            one = data.sel(system=name, stage=stage)
            values = one["gain"].values
            if np.isfinite(values).any():
                place = k + 0.3 * (j - 0.5) + np.linspace(-0.1, 0.1, len(values))
                ax.plot(place, one["gain_null"], shape, color=GRAY, ms=3, mfc="none", alpha=0.7)
                ax.plot(place, values, shape, color=color(k), ms=5)
    for shape, words, shade in (
        ("o", "question taken over", "black"),
        ("s", "read taken over", "black"),
        ("o", "pointers permuted", GRAY),
    ):
        ax.plot([], [], shape, color=shade, mfc="none" if shade == GRAY else shade, ms=4, label=words)
    ax.axhline(0.0, color="black", lw=0.6)
    ax.set_ylabel("agreement, mixture less best pointer")
    ax.set_xticks(range(len(names)), [SHORT[name] for name in names], rotation=45, ha="right")
    low, high = ax.get_ylim()
    ax.set_ylim(min(low, -0.1), max(high, 0.1) + 0.08)
    tidy(ax)


def _battery(page: Any, ax: Any, data: Any) -> None:
    """Draw each effect of each system as a shade with its number; a cross where nothing was learned."""
    names = [str(name) for name in data["system"].values]
    effects = [str(name) for name in data["effect_name"].values]
    mean = data["effect"].mean("seed").transpose("system", "effect_name").values.copy()
    judged = data["conditioned"].values.astype(bool)
    mean[np.ix_(~judged, np.array(effects) != "learned")] = np.nan
    image = ax.imshow(np.clip(mean, -1, 1), cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    for i in range(len(names)):
        for j in range(len(effects)):
            known = np.isfinite(mean[i, j])
            ax.text(
                j, i, f"{mean[i, j]:.2f}" if known else "x", ha="center", va="center", fontsize=8,
                color="white" if known and abs(mean[i, j]) > 0.6 else "black",
            )  # fmt: skip
    words = [
        f"{SHORT[name]}{'' if fine else ' (not learned)'}" for name, fine in zip(names, judged, strict=True)
    ]
    ax.set_yticks(range(len(names)), words)
    ax.set_xticks(range(len(effects)), [one.replace(" ", "\n") for one in effects], rotation=45, ha="right")
    page.colorbar(image, ax=ax, label="in units of acquisition", shrink=0.8)


def _sources(ax: Any, data: Any, name: str, stage: str) -> None:
    """Draw the shares of all sources, stacked, over the place of the group asked about."""
    share = data["share"].sel(system=name, stage=stage).mean("seed").transpose("index", "source").values
    ax.set_title(f"{SHORT[name]}, {stage} taken over", loc="left", fontsize=9)
    if not np.isfinite(share).any():
        say(ax, "not measured")
        return
    known = np.isfinite(share).all(axis=1)
    names = [str(one) for one in data["source"].values]
    layers = ax.stackplot(
        data["index"].values[known], share[known].T, labels=names, edgecolor="white", linewidth=0.5
    )
    for k, layer in enumerate(layers):
        layer.set_facecolor(GRAY if names[k] == "other" else color(k))
        layer.set_hatch(HATCHES[k % len(HATCHES)])
    ax.set(xlabel="place of the group asked about", ylabel="share of answers", ylim=(0, 1))
    ax.set_xlim(float(data["index"].min()), float(data["index"].max()))
    tidy(ax, legend=False)
