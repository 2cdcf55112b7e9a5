"""Pictures of learning in context: when it comes, what comes before it, which strategy it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import SpecError
from arcuate.plot._axes import COLORS, DASHES, GRAY, MARKERS, axes, color, has_part, numbers, part, say, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["logit_trajectory", "strategies", "transition"]

SHARES = {"novel": "ICL, novel classes", "swap": "ICL, swapped labels", "weights": "IWL"}
MEASURES = {"ila1": "ILA1", "tila2": "TILA2", "cla": "CLA"}


def transition(history: Any, *, ax: Axes | None = None) -> Axes:
    """Draw the loss, right answers in context and from the weights, and what attention shows beforehand.

    Parameters
    ----------
    history : Dataset
        Along ``step``: ``loss``, shares right ``novel``, ``swap`` and ``weights``, and ``ila1``, ``tila2``
        and ``cla`` as `arcuate.probes.induction_progress` has them; what is missing is not drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Step against share, with the loss, in parts of its largest value, behind.

    Raises
    ------
    UnknownNameError
        If the history has no ``step``.

    Examples
    --------
    >>> import xarray as xr
    >>> columns = {"loss": ("step", [2.7, 0.1]), "novel": ("step", [0.1, 1.0]), "ila1": ("step", [0.1, 0.9])}
    >>> ax = transition(xr.Dataset(columns, {"step": [100, 200]}))
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('step of training', 'share right, or attention')
    """
    where = "plot.transition"
    ax = axes(ax)
    ax.set(xlabel="step of training", ylabel="share right, or attention")
    steps = numbers(part(history, "step", where=where), where=where, name="step", ndim=(1,))
    if not steps.size:
        return say(ax, "no steps to show")
    if has_part(history, "loss"):
        loss = numbers(history["loss"], where=where, name="loss", ndim=(1,))
        ax.plot(steps, loss / np.nanmax(loss), color=GRAY, label=f"loss / {np.nanmax(loss):.3g} nats")
    for k, (name, word) in enumerate((SHARES | MEASURES).items()):
        if has_part(history, name):
            values = numbers(history[name], where=where, name=name, ndim=(1,))
            style: dict[str, Any] = {"marker": MARKERS[k], "markersize": 3} if name in SHARES else {}
            ax.plot(steps, values, color=color(k), linestyle=DASHES[k % 3], label=word, **style)
    ax.set_ylim(-0.05, 1.05)
    return tidy(ax)


def logit_trajectory(model: Any, courses: Mapping[str, Any], *, ax: Axes | None = None) -> Axes:
    """Draw paths of the nested logits over the surface of their loss.

    Parameters
    ----------
    model : arcuate.probes.NestedLogit
        Whose loss is drawn, at the median gain of the paths, over both attentions' logits.
    courses : mapping of str to mapping
        Each with ``beta``, ``kappa`` and ``xi``, as `NestedLogit.flow` and `NestedLogit.fit` give them.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The logit of the first layer against that of the second.

    Raises
    ------
    SpecError
        If the model has no loss, or a path lacks a logit.

    Examples
    --------
    >>> from arcuate.probes import NestedLogit
    >>> model = NestedLogit(n_context=4, n_labels=16, n_others=8)
    >>> ax = logit_trajectory(model, {"flow": model.flow(np.linspace(0, 60, 61))})
    >>> ax.get_ylabel()
    'logit of a match, κ'
    """
    where = "plot.logit_trajectory"
    if not hasattr(model, "evaluate"):
        raise SpecError.of(where=where, name="model", value=model, bound="must be a NestedLogit")
    ax = axes(ax, width=5.4, height=4.2)
    ax.set(xlabel="logit of the own item, β", ylabel="logit of a match, κ")
    paths = {
        str(name): np.array(
            [
                numbers(part(course, key, where=where), where=where, name=key, ndim=(1,))
                for key in ("beta", "kappa", "xi")
            ]
        )
        for name, course in courses.items()
    }
    parts = [path[:, np.isfinite(path).all(axis=0)] for path in paths.values()]
    points = np.concatenate(parts or [np.empty((3, 0))], axis=1)
    if not points.size:
        return say(ax, "no path to show")
    low, high, gain = np.minimum(points.min(axis=1), 0), points.max(axis=1), np.median(points[2])
    beta, kappa = (np.linspace(low[k] - 0.5, high[k] + 0.5, 80) for k in (0, 1))
    loss = model.evaluate(*np.meshgrid(beta, kappa), gain)["loss"]
    filled = ax.contourf(beta, kappa, loss, levels=12, cmap="Greys", alpha=0.6)
    ax.figure.colorbar(filled, ax=ax, label=f"loss at ξ = {gain:.3g} (nats)")
    for k, (name, path) in enumerate(paths.items()):
        ax.plot(path[0], path[1], color=color(k), linestyle=DASHES[k % 3], label=name)
        ax.plot(path[0, -1:], path[1, -1:], color=color(k), marker=MARKERS[k % len(MARKERS)])
    return tidy(ax)


def strategies(distances: Mapping[str, Any], *, axs: Sequence[Axes] | None = None) -> Sequence[Axes]:
    """Draw relative distances over steps and numbers of tasks, one map for each of model and account.

    Parameters
    ----------
    distances : mapping of str to DataArray, (step, tasks)
        As `arcuate.probes.relative_distance` and `StrategyAccount.distance` have them.
    axs : sequence of matplotlib.axes.Axes, optional
        One for each; default a new figure.

    Returns
    -------
    sequence of matplotlib.axes.Axes
        Step against tasks; blue, 0, generalizes; orange, 1, memorizes.

    Raises
    ------
    SpecError
        If there are not as many axes as maps.

    Examples
    --------
    >>> import xarray as xr
    >>> seen = xr.DataArray([[0.2, 0.1], [0.9, 0.1]], {"step": [10, 100], "tasks": [8, 512]}, name="d")
    >>> [ax.get_title() for ax in strategies({"model": seen, "account": seen})]
    ['model', 'account']
    """
    from matplotlib.colors import LinearSegmentedColormap

    where = "plot.strategies"
    if axs is None:
        figure = axes(None, width=3.6 * max(1, len(distances)), height=3.2).figure
        figure.clear()
        axs = list(figure.subplots(1, max(1, len(distances)), sharey=True, squeeze=False)[0])
    if len(axs) != max(1, len(distances)):
        raise SpecError.of(where=where, name="axs", value=len(axs), bound=f"must be {len(distances)} axes")
    between = LinearSegmentedColormap.from_list("strategies", [COLORS[0], "#F5F5F5", COLORS[1]])
    if not distances:
        say(axs[0], "no distances to show")
        return axs
    for ax, (name, given) in zip(axs, distances.items(), strict=True):
        table = given.transpose("step", "tasks")
        shown = ax.imshow(
            table.values.T,
            cmap=between,
            vmin=0,
            vmax=1,
            aspect="auto",
            origin="lower",
            interpolation="nearest",
        )
        for axis, dim in ((ax.xaxis, "step"), (ax.yaxis, "tasks")):
            every = -(-len(table[dim]) // 5)
            axis.set_ticks(range(0, len(table[dim]), every), [str(n) for n in table[dim].values[::every]])
        ax.set(title=name, xlabel="step of training")
    axs[0].set_ylabel("tasks of the training")
    axs[-1].figure.colorbar(shown, ax=axs[-1], label="distance (1: memorizing)")
    return axs
