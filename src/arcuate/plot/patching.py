"""Pictures of what is cut, patched and pushed: where an answer comes from, beside what chance would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import SpecError, check_choice, unknown
from arcuate.plot._axes import (
    GRAY,
    axes,
    color,
    has_part,
    legend_above,
    named_curves,
    numbers,
    part,
    say,
    tidy,
)
from arcuate.plot._names import shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SCORES = {"metric": "metric", "kl": "divergence (nat)", "entropy": "entropy (nat)"}
BAND = (2.5, 97.5)
"""Percentiles of random sets and directions between which is shaded."""


def patching_map(
    result: Any, *, direction: str = "denoise", head: int | None = None, ax: Axes | None = None
) -> Axes:
    """Draw how much of an answer each place carries: sites against positions, or against heads.

    Parameters
    ----------
    result : Dataset
        As `arcuate.probes.activation_patching`, `arcuate.probes.attribution_patching` or
        `arcuate.probes.path_patching` gives it.
    direction : {"denoise", "noise"}
    head : int, optional
        Which head, where positions and heads were patched apart.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The first site below; 1 is the whole effect, and what was not patched is gray.

    Raises
    ------
    SpecError
        If the result has no such parts, or a head must be chosen.
    UnknownNameError
        If there is no such direction in it.

    Examples
    --------
    >>> from arcuate.nn import TinyTransformer
    >>> from arcuate.probes import activation_patching, logit_difference
    >>> model = TinyTransformer(n_outputs=7, n_tokens=7, d_model=8, n_heads=2, n_layers=2, seed=1)
    >>> found = activation_patching(model, [[1, 2, 3]], [[4, 2, 3]], metric=logit_difference(5, 6))
    >>> patching_map(found).get_xlabel()
    'position'
    """
    where = "plot.patching_map"
    effect = part(result, "effect", where=where)
    known = [str(one) for one in np.asarray(part(result, "direction", where=where))]
    if direction not in known:
        raise unknown(where, direction, known, kind="direction")
    table = effect.sel(direction=direction)
    if head is not None or {"position", "head"} <= set(table.dims):
        heads = [int(one) for one in np.asarray(part(result, "head", where=where))]
        if head not in heads:
            bound = f"must be one of {', '.join(map(str, heads))}"
            raise SpecError.of(where=where, name="head", value=head, bound=bound)
        table = table.sel(head=head)
    table = table if table.ndim > 1 else table.expand_dims({"": [0]}, axis=1)
    sites, along = table.dims
    values = numbers(table, where=where, name="effect", ndim=(2,))
    ax = axes(ax, width=5.2, height=1.6 + 0.3 * max(4, len(values)))
    if not np.isfinite(values).any():
        return say(ax, "nothing was patched here")
    most = max(1.0, float(np.nanmax(np.abs(values))))
    ax.set_facecolor("0.85")
    image = ax.imshow(values, origin="lower", aspect="auto", cmap="RdBu_r", vmin=-most, vmax=most)
    ax.figure.colorbar(image, ax=ax).set_label(f"effect ({direction}, 1: all)")
    ax.set(xlabel=str(along), ylabel="site")
    ax.set_yticks(range(len(values)), shorten([str(one) for one in table[sites].values]))
    named = ["none" if along == "head" and one == -1 else str(one) for one in table[along].values]
    step = max(1, len(named) // 16)
    ax.set_xticks(range(0, len(named), step), named[::step])
    if not along:
        ax.set(xlabel="all positions together", xticks=[])
    return ax


def ablation_effects(
    result: Any, *, label: str = "change of the mean metric", ax: Axes | None = None
) -> Axes:
    """Draw what sets of parts do when they are taken away, beside random sets of the same size.

    Parameters
    ----------
    result : Dataset, or mapping of str to Dataset
        As `arcuate.probes.ablate` gives it, of one set or of several by name.
    label : str, optional
        Words and unit of the axis.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        A bar for each set, with its p; dots are random sets, and between their 2.5th and 97.5th percentile
        is shaded.

    Raises
    ------
    SpecError
        If a result has no such parts.

    Examples
    --------
    >>> import xarray as xr
    >>> found = xr.Dataset({"effect": -0.7, "random_effect": ("set", [-0.1, 0.0, 0.1]), "p": 0.25})
    >>> ablation_effects({"two heads": found}).get_xlabel()
    'change of the mean metric'
    """
    where = "plot.ablation_effects"
    rows = {"": result} if hasattr(result, "data_vars") else named_curves(result)
    ax = axes(ax, height=1.4 + 0.5 * max(len(rows), 2))
    ax.set_xlabel(label)
    if not rows:
        return say(ax, "no ablations in this result")
    names = []
    for k, (name, one) in enumerate(rows.items()):
        effect = float(numbers(part(one, "effect", where=where), where=where, name="effect", ndim=(0,)))
        ax.barh(k, effect, height=0.5, color=color(0), label="set" if k == 0 else None)
        names.append(name or str(getattr(one, "attrs", {}).get("removed", "")))
        if not has_part(one, "random_effect"):
            continue
        null = numbers(part(one, "random_effect", where=where), where=where, name="random_effect", ndim=(1,))
        low, high = np.percentile(null, BAND)
        ax.barh(k, high - low, left=low, height=0.8, color=GRAY, alpha=0.25, zorder=0)
        spread = np.linspace(-0.3, 0.3, len(null)) if len(null) > 1 else np.zeros(1)
        shown = "random sets" if k == 0 else None
        ax.plot(null, k + spread, "o", color=GRAY, markersize=3, alpha=0.7, label=shown)
        p = float(numbers(part(one, "p", where=where), where=where, name="p", ndim=(0,)))
        ax.text(1.01, k, f"p = {p:.3g}", transform=ax.get_yaxis_transform(), va="center", fontsize="small")
    ax.axvline(0, color=GRAY, linewidth=1)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(-0.6, len(names) - 0.4)
    ax.use_sticky_edges = False
    legend_above(ax)
    return tidy(ax, legend=False)


def dose_response(
    result: Any, *, score: str = "metric", label: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw what pushes along a direction do at each dose, beside random directions of the same length.

    Parameters
    ----------
    result : Dataset
        As `arcuate.probes.steer_curve` gives it.
    score : {"metric", "kl", "entropy"}
    label : str, optional
        Words and unit of the axis, by default those of the score.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Means over trials against dose; between the 2.5th and 97.5th percentile of random directions is
        shaded. Off-target trials are dashed.

    Raises
    ------
    SpecError
        If the result has no such parts.
    UnknownNameError
        If there is no such score.

    Examples
    --------
    >>> from arcuate.nn import TinyTransformer
    >>> from arcuate.probes import logit_difference, steer_curve
    >>> model = TinyTransformer(n_outputs=7, n_tokens=7, d_model=8, n_heads=2, n_layers=2, seed=1)
    >>> metric = logit_difference(5, 6)
    >>> found = steer_curve(model, [[1, 2, 3]], range(8), site="blocks.0.resid_post", metric=metric)
    >>> dose_response(found, score="kl").get_ylabel()
    'divergence (nat)'
    """
    where = "plot.dose_response"
    check_choice(score, tuple(SCORES), where=where, name="score")
    dose = numbers(part(result, "dose", where=where), where=where, name="dose", ndim=(1,))
    values = numbers(part(result, score, where=where), where=where, name=score, ndim=(2,)).mean(axis=1)
    order = np.argsort(dose)
    ax = axes(ax)
    ax.set(xlabel="dose (mean length of a state)", ylabel=label or SCORES[score])
    if has_part(result, f"random_{score}"):
        null = part(result, f"random_{score}", where=where)
        rows = numbers(null, where=where, name=f"random_{score}", ndim=(2,))
        low, middle, high = np.percentile(rows, (BAND[0], 50, BAND[1]), axis=0)[:, order]
        ax.fill_between(
            dose[order], low, high, color=GRAY, alpha=0.25, label=f"{len(rows)} random directions"
        )
        ax.plot(dose[order], middle, color=GRAY, linewidth=1)
    ax.plot(dose[order], values[order], "-o", color=color(0), markersize=4, label="direction")
    off = {"metric": "off_target", "kl": "off_target_kl"}.get(score)
    if off and has_part(result, off):
        beside = numbers(part(result, off, where=where), where=where, name=off, ndim=(1,))
        ax.plot(dose[order], beside[order], "--s", color=color(1), markersize=4, label="off target")
    legend_above(ax)
    return tidy(ax, legend=False)
