"""Pictures of mazes: the way to the goal, a given route, and where a model looked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import SpecError, check_int
from arcuate.plot._axes import GRAY, axes, color, legend_above, numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from arcuate.tasks import MazeTrials


def maze(
    trials: MazeTrials, answers: Any = None, *, trial: int = 0, attention: Any = None, ax: Axes | None = None
) -> Axes:
    """Draw a maze with the asked part of the way to its goal and a given route.

    Parameters
    ----------
    trials : MazeTrials
        From `arcuate.tasks.Maze`.
    answers : array_like of int, (n_trials, route), optional
        Moves that were answered; those into a wall are left out, as `MazeTrials.follow` does.
    trial : int
        Which trial.
    attention : array_like, (h, w), optional
        How much each part of the maze was looked at, drawn below the routes.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Column against row, the first row on top.

    Raises
    ------
    SpecError
        If the trial is not there, or the attention is no map.
    TaskError
        If the answers do not fit the trials.

    Examples
    --------
    >>> from arcuate.tasks import Maze
    >>> trials = Maze().draw(2, seed=0)
    >>> maze(trials, trials.targets, trial=1).get_xlabel()
    'column'
    """
    where = "plot.maze"
    if not hasattr(trials, "walls"):
        raise SpecError.of(where=where, name="trials", value=trials, bound="must be trials of a Maze")
    check_int(trial, where=where, name="trial", low=0, high=trials.n_trials - 1)
    walls = trials.walls[trial]
    size = len(walls)
    routes = {"true": trials.follow(trials.targets)[trial]}
    if answers is not None:
        routes["given"] = trials.follow(np.asarray(answers))[trial]
    looked = None if attention is None else numbers(attention, where=where, name="attention", ndim=(2,))
    ax = axes(ax, width=4.0, height=4.2)
    if looked is not None:
        _stretch(ax, looked, size)
    ax.imshow(np.where(walls, 0.15, np.nan), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    for name, places in routes.items():
        rows, columns = places.T
        if name == "true":
            ax.plot(columns, rows, color=GRAY, lw=5, alpha=0.6, label=name)
        else:
            ax.plot(columns, rows, color=color(1), lw=1.8, ls="--", label=name)
    for name, (row, column), mark in (
        ("start", trials.start[trial], "o"),
        ("goal", trials.goal[trial], "*"),
    ):
        ax.plot(column, row, mark, color=color(0 if name == "start" else 2), ms=9, ls="", label=name)
    ax.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5), xlabel="column", ylabel="row")
    return legend_above(ax, columns=4)


def _stretch(ax: Axes, looked: np.ndarray, size: int) -> None:
    """Draw a map of any size over the cells of the maze."""
    image = ax.imshow(
        looked, cmap="Blues", vmin=0, extent=(-0.5, size - 0.5, size - 0.5, -0.5), interpolation="nearest"
    )
    ax.figure.colorbar(image, ax=ax, shrink=0.8, label="attention")
