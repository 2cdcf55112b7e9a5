"""Pictures of states between which a network switches: when each holds, and how it couples the neurons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import SpecError
from arcuate.plot._axes import COLORS, axes, numbers, part, say, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["state_posterior", "state_weights"]


def state_posterior(result: Any, *, truth: Any = None, ax: Axes | None = None) -> Axes:
    """Draw the probability of each state over time, states above each other as stripes.

    Parameters
    ----------
    result : array_like, (T, S)
        Posterior of one sequence, as from `arcuate.connectome.HMMGLM.posterior`.
    truth : array_like of int, (T,), optional
        True state of each bin, numbered as in the posterior: a stripe at the top in the states' colors.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Bins against states; the fuller the color, the more probable.

    Raises
    ------
    SpecError
        If the posterior is no matrix of probabilities, or the truth does not fit.

    Examples
    --------
    >>> state_posterior([[1.0, 0.0], [0.2, 0.8]], truth=[0, 1]).get_ylabel()
    'state'
    """
    where = "plot.state_posterior"
    posterior = numbers(result, where=where, name="result", ndim=(2,))
    if not ((posterior >= 0) & (posterior <= 1 + 1e-9) | np.isnan(posterior)).all():
        raise SpecError.of(where=where, name="result", value=posterior, bound="must be within 0 to 1")
    n_bins, n_states = posterior.shape
    ax = axes(ax, height=0.9 + 0.35 * (n_states + (truth is not None)))
    ax.set(xlabel="bin", ylabel="state")
    if not posterior.size or np.isnan(posterior).all():
        return say(ax, "no bins in this posterior")
    rows, names = [_tinted(posterior[:, s], s) for s in range(n_states)], [str(s) for s in range(n_states)]
    if truth is not None:
        states = numbers(truth, where=where, name="truth", ndim=(1,))
        if states.shape != (n_bins,) or not np.isin(states, np.arange(n_states)).all():
            bound = f"must be {n_bins} states from 0 to {n_states - 1}"
            raise SpecError.of(where=where, name="truth", value=states, bound=bound)
        stripe = np.zeros((n_bins, 4))
        for s in range(n_states):
            stripe += _tinted((states == s).astype(float), s) * (states == s)[:, None]
        rows, names = [stripe, *rows], ["truth", *names]
    ax.imshow(
        np.stack(rows), aspect="auto", interpolation="nearest", extent=(-0.5, n_bins - 0.5, len(rows), 0)
    )
    ax.hlines(np.arange(1, len(rows)), -0.5, n_bins - 0.5, color="white", linewidth=1)
    ax.set_yticks(np.arange(len(rows)) + 0.5, names)
    return tidy(ax, legend=False)


def _tinted(share: np.ndarray, state: int) -> np.ndarray:
    """A row of pixels (T, 4) in the color of a state, as full as its share."""
    from matplotlib.colors import to_rgba

    row = np.tile(to_rgba(COLORS[state % len(COLORS)]), (len(share), 1))
    row[:, 3] = np.nan_to_num(share).clip(0, 1)
    return row


def state_weights(result: Any, *, ax: Axes | None = None) -> Axes:
    """Draw the shared adjacency, then the weights of every state, side by side.

    Parameters
    ----------
    result : HMMGLM, Dataset or mapping
        A fitted `arcuate.connectome.HMMGLM`, or its ``connectome_``: ``adjacency`` and ``confidence`` (N, N),
        ``state_weight`` (S, N, N).
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Neurons that send against neurons that receive, once for each part; orange excites, blue inhibits.
        The adjacency is the paler the less confident. Colors end at the largest weight between two neurons;
        that of a neuron on itself may be larger.

    Raises
    ------
    SpecError
        If shapes do not fit, or it is no such result.
    UnknownNameError
        If a part is missing.
    FitError
        If the model is not fitted.

    Examples
    --------
    >>> one = {"adjacency": [[1]], "confidence": [[0.9]], "state_weight": [[[0.5]], [[0.2]]]}
    >>> state_weights(one).get_xlabel()
    'neuron that sends'
    """
    where = "plot.state_weights"
    result = getattr(result, "connectome_", result)
    values = {
        name: numbers(part(result, name, where=where), where=where, name=name, ndim=(dims,))
        for name, dims in (("adjacency", 2), ("confidence", 2), ("state_weight", 3))
    }
    weights, n = values["state_weight"], len(values["adjacency"])
    if any(each.shape[-2:] != (n, n) for each in values.values()):
        bound = f"must fit an adjacency of {n} neurons: (states, {n}, {n})"
        raise SpecError.of(where=where, name="state_weight", value=weights.shape, bound=bound)
    ax = axes(ax, width=1.2 + 1.5 * (len(weights) + 1), height=2.4)
    ax.set(xlabel="neuron that sends", ylabel="neuron that receives")
    if not weights.size or np.isnan(weights).all():
        return say(ax, "no weights in this result")
    between = weights[:, ~np.eye(n, dtype=bool)] if n > 1 else weights
    top = float(np.nanmax(np.abs(between), initial=0)) or 1.0
    gap = np.full((n, max(1, n // 10)), np.nan)
    tiles = [values["adjacency"] * values["confidence"] * top, *weights]
    picture = np.hstack([tile for each in tiles for tile in (each, gap)][:-1])
    image = ax.imshow(picture, cmap=_blue_to_orange(), vmin=-top, vmax=top, interpolation="nearest")
    ax.figure.colorbar(image, ax=ax, label="weight", shrink=0.8)
    step = n + gap.shape[1]
    names = ["shared", *(f"state {s}" for s in range(len(weights)))]
    for index, name in enumerate(names):
        ax.text(index * step + (n - 1) / 2, -0.7, name, ha="center", va="bottom", fontsize="small")
    ax.set_xticks([])
    return tidy(ax, legend=False)


def _blue_to_orange() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("blue_to_orange", [COLORS[0], "#FFFFFF", COLORS[1]])
