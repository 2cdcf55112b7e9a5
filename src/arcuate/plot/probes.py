"""Pictures of probes: answers of each layer, parts that speak for them, what heads look at, what is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import SpecError, check_choice, check_int
from arcuate.plot._axes import GRAY, axes, color, has_part, legend_above, numbers, part, say, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LENS_SCORES = {
    "kl": "divergence from the answer (nat)",
    "entropy": "entropy (nat)",
    "rank": "rank of the target",
    "probability": "probability of the target",
}

HEAD_SCORES = {
    "induction": "attention to what followed this token",
    "previous_token": "attention to the token before",
    "duplicate_token": "attention to the same token before",
    "first_token": "attention to the first token",
}

MOST_WORDS = 600
"""Cells of a map into which words are written at most."""

NAMED = 24
"""Sites that are named along an axis at most."""


def lens_map(
    result: Any,
    *,
    trial: int = 0,
    score: str = "kl",
    words: Callable[[int], str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw what each layer would answer at each token of one trial.

    Parameters
    ----------
    result : Dataset
        As `arcuate.probes.logit_lens` gives it.
    trial : int
    score : {"kl", "entropy", "rank", "probability"}
        Shown as color.
    words : callable, optional
        From the number of a word to its text; with it, the first answer is written into each cell.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Tokens against layers, the first below.

    Raises
    ------
    SpecError
        If the result has no such parts, or the trial does not exist.
    UnknownNameError
        If there is no such score.

    Examples
    --------
    >>> from arcuate.nn import TinyTransformer
    >>> from arcuate.probes import logit_lens
    >>> model = TinyTransformer(n_outputs=5, n_tokens=5, d_model=8, n_layers=3, seed=1)
    >>> lens_map(logit_lens(model, [[1, 2, 3, 4]]), words=str).get_ylabel()
    'layer'
    """
    where = "plot.lens_map"
    check_choice(score, tuple(LENS_SCORES), where=where, name="score")
    values = numbers(part(result, score, where=where), where=where, name=score, ndim=(3,))
    row = _index(trial, len(values), where, "trial")
    cells = values[row].T
    ax = axes(ax, width=max(6.4, 0.45 * cells.shape[1] if words else 6.4), height=3.8)
    ax.set(xlabel="token", ylabel="layer")
    if not np.isfinite(cells).any():
        return say(ax, "nothing to show in this trial")
    image = ax.imshow(cells, origin="lower", aspect="auto", cmap="viridis", interpolation="nearest")
    ax.figure.colorbar(image, ax=ax).set_label(LENS_SCORES[score])
    _ticks(ax, part(result, "layer", where=where), part(result, "token", where=where))
    if words is not None and cells.size <= MOST_WORDS:
        top = numbers(part(result, "top", where=where), where=where, name="top", ndim=(3,))[row].T
        bright = np.asarray(image.norm(np.where(np.isfinite(cells), cells, 0.0)), dtype=float)
        for (k, t), word in np.ndenumerate(top):
            if word >= 0:
                shade = "black" if bright[k, t] > 0.6 else "white"
                ax.text(t, k, words(int(word)).strip()[:8], ha="center", va="center", color=shade, fontsize=6)
    return ax


def _index(value: int, n: int, where: str, name: str) -> int:
    found = check_int(value, where=where, name=name, low=None)
    if not -n <= found < n:
        raise SpecError.of(where=where, name=name, value=value, bound=f"must be among the {n} of the result")
    return found % n


def _ticks(ax: Axes, rows: Any, columns: Any) -> None:
    """Name rows and columns, not more of them than can be read."""
    for axis, names in ((ax.yaxis, rows), (ax.xaxis, columns)):
        labels = np.asarray(names)
        step = -(-len(labels) // NAMED)
        axis.set_ticks(np.arange(0, len(labels), step), [str(name) for name in labels[::step]])


def attribution_bars(
    result: Any, *, trial: int = 0, token: int = -1, n_parts: int = 12, ax: Axes | None = None
) -> Axes:
    """Draw what the parts of a model add to a logit, the largest above.

    Parameters
    ----------
    result : Dataset
        As `arcuate.probes.logit_attribution` gives it.
    trial, token : int
        Where; counted from the end if negative.
    n_parts : int
        Parts with a bar of their own; all others share one.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Contributions to the logit, or to the difference of two, against parts; the sum stands in the title.

    Raises
    ------
    SpecError
        If the result has no such parts, or trial or token do not exist.

    Examples
    --------
    >>> from arcuate.nn import TinyTransformer
    >>> from arcuate.probes import logit_attribution
    >>> model = TinyTransformer(n_outputs=5, n_tokens=5, d_model=8, n_layers=2, n_heads=2, seed=1)
    >>> ax = attribution_bars(logit_attribution(model, [[1, 2, 3]], target=4), n_parts=5)
    >>> ax.get_xlabel(), len(ax.patches)
    ('contribution to the logit', 6)
    """
    where = "plot.attribution_bars"
    table = numbers(part(result, "contribution", where=where), where=where, name="contribution", ndim=(3,))
    names = [str(name) for name in np.asarray(part(result, "component", where=where))]
    count = check_int(n_parts, where=where, name="n_parts")
    i, t = _index(trial, len(table), where, "trial"), _index(token, table.shape[1], where, "token")
    values = table[i, t]
    ax = axes(ax, height=1.2 + 0.24 * (min(count, len(values)) + 1))
    quantity = str(getattr(result, "attrs", {}).get("quantity", "logit"))
    ax.set_xlabel(f"contribution to the {quantity}")
    if np.isnan(values).any():
        return say(ax, "a pad: nothing to show")
    order = np.argsort(-np.abs(values), kind="stable")
    shown, rest = order[:count], order[count:]
    bars = [(names[k], float(values[k])) for k in shown]
    if rest.size:
        bars.append((f"{rest.size} others", float(values[rest].sum())))
    heights = np.arange(len(bars))
    shades = [color(0) if value >= 0 else color(1) for _, value in bars]
    ax.barh(heights, [value for _, value in bars], color=shades)
    ax.set_yticks(heights, [name for name, _ in bars], fontsize="small")
    ax.invert_yaxis()
    ax.axvline(0, color=GRAY, linewidth=1)
    ax.set_title(f"sum {values.sum():.3g}", fontsize="medium")
    return tidy(ax, legend=False)


def head_map(result: Any, *, score: str = "induction", ax: Axes | None = None) -> Axes:
    """Draw a score of every head.

    Parameters
    ----------
    result : Dataset
        As `arcuate.probes.head_scores` or `pattern_scores` of several sites gives it.
    score : {"induction", "previous_token", "duplicate_token", "first_token"}
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Heads against layers, the first below; the highest head is named in the title.

    Raises
    ------
    SpecError
        If the result has no such parts.
    UnknownNameError
        If there is no such score.

    Examples
    --------
    >>> from arcuate.nn import TinyTransformer
    >>> from arcuate.probes import head_scores
    >>> model = TinyTransformer(n_outputs=5, n_tokens=5, d_model=8, n_layers=2, n_heads=2, seed=1)
    >>> head_map(head_scores(model, period=6)).get_xlabel()
    'head'
    """
    where = "plot.head_map"
    check_choice(score, tuple(HEAD_SCORES), where=where, name="score")
    table = numbers(part(result, score, where=where), where=where, name=score, ndim=(2,))
    ax = axes(ax, width=4.8, height=3.8)
    ax.set(xlabel="head", ylabel="layer")
    if not np.isfinite(table).any():
        return say(ax, f"no {score.replace('_', ' ')} in this result: the texts do not repeat")
    image = ax.imshow(table, origin="lower", aspect="auto", cmap="viridis", vmin=min(0.0, np.nanmin(table)))
    ax.figure.colorbar(image, ax=ax).set_label(HEAD_SCORES[score])
    layers, heads = (np.asarray(part(result, name, where=where)) for name in ("layer", "head"))
    _ticks(ax, layers, heads)
    k, h = np.unravel_index(int(np.nanargmax(table)), table.shape)
    ax.set_title(f"highest: {layers[k]}.{heads[h]}, {table[k, h]:.2f}", fontsize="medium")
    return ax


def probe_profile(result: Any, *, ax: Axes | None = None) -> Axes:
    """Draw what a linear probe reads at each site, beside its control task and chance.

    Parameters
    ----------
    result : Dataset
        As `arcuate.probes.linear_probe` gives it, of one site or several.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Sites against accuracy or R²; bars are intervals over texts, the band is chance. Selectivity is the
        height between instances and control, where there is a control task.

    Raises
    ------
    SpecError
        If the result has no such parts.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.probes import linear_probe
    >>> draw = np.random.default_rng(0)
    >>> kind = np.arange(60) % 2
    >>> sites = {f"site {k}": draw.standard_normal((60, 3)) + k * kind[:, None] for k in range(2)}
    >>> ax = probe_profile(linear_probe(sites, kind, groups=np.arange(60), n_controls=0))
    >>> ax.get_ylabel(), [label.get_text() for label in ax.get_xticklabels()]
    ('accuracy', ['site 0', 'site 1'])
    """
    where = "plot.probe_profile"
    score = numbers(part(result, "score", where=where), where=where, name="score", ndim=(0, 1))
    sites = [str(site) for site in np.asarray(part(result, "site", where=where))] if score.ndim else [""]
    place = np.arange(len(sites))
    ax = axes(ax)
    kind = str(getattr(result, "attrs", {}).get("score", "score"))
    ax.set_ylabel("R²" if kind == "R2" else kind)
    low, high = (_row(result, f"chance_{end}", where) for end in ("low", "high"))
    edges = np.concatenate((place[:1] - 0.4, place, place[-1:] + 0.4))
    band = [np.concatenate((side[:1], side, side[-1:])) for side in (low, high)]
    ax.fill_between(edges, *band, color=GRAY, alpha=0.25, linewidth=0, label="chance")
    names = {"score": ("texts not seen", "o"), "instances": ("instances not seen", "s")}
    names["control"] = ("control task", "^")
    if has_part(result, "instances") and np.array_equal(
        _row(result, "instances", where), _row(result, "score", where)
    ):
        del names["instances"]  # whole texts were held out for both
    for index, (name, (label, mark)) in enumerate(names.items()):
        if not has_part(result, name) or not np.isfinite(_row(result, name, where)).any():
            continue
        values, low, high = (_row(result, f"{name}{end}", where) for end in ("", "_low", "_high"))
        bars = np.maximum(np.stack((values - low, high - values)), 0.0)
        style: dict[str, Any] = {"color": color(index), "marker": mark, "markersize": 5, "linewidth": 1}
        ax.errorbar(place + 0.08 * (index - 1), values, bars, capsize=2, label=label, **style)
    step = -(-len(sites) // NAMED)
    long = max(map(len, sites)) > 8
    ax.set_xticks(place[::step], sites[::step], rotation=30 if long else 0, ha="right" if long else "center")
    ax.set_xlabel("site")
    legend_above(ax, columns=4)
    return tidy(ax, legend=False)


def _row(result: Any, name: str, where: str) -> np.ndarray:
    values = numbers(part(result, name, where=where), where=where, name=name, ndim=(0, 1))
    return np.atleast_1d(values)
