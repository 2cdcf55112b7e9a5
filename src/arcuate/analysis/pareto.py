"""Which points are best when several goals pull apart: the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcuate.errors import SpecError, check_choice

__all__ = ["pareto_front"]

GOALS = ("minimize", "maximize")


def pareto_front(values: ArrayLike, *, goals: Sequence[str] | None = None) -> NDArray[np.bool_]:
    """Mark the points that no other point beats: better in one goal and not worse in any.

    Parameters
    ----------
    values : array_like, (n_points, n_goals)
        A point with a value that is not finite is never on the front.
    goals : sequence of {"minimize", "maximize"}, optional
        One for each column; by default all are minimized.

    Returns
    -------
    ndarray of bool, (n_points,)
        Equal points are on the front together.

    Raises
    ------
    SpecError
        If the values are no table of numbers, or the goals do not fit its columns.

    Examples
    --------
    >>> from arcuate.analysis import pareto_front
    >>> pareto_front([[1.0, 5.0], [2.0, 2.0], [3.0, 3.0], [5.0, 1.0]]).tolist()
    [True, True, False, True]
    """
    where = "pareto_front"
    try:
        table = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SpecError.of(where=where, name="values", value=values, bound="must be numbers") from error
    if table.ndim != 2 or table.shape[1] == 0:
        raise SpecError.of(
            where=where, name="values", value=table.shape, bound="must have the shape (n_points, n_goals)"
        )
    words = ("minimize",) * table.shape[1] if goals is None else tuple(goals)
    if len(words) != table.shape[1]:
        raise SpecError.of(
            where=where, name="goals", value=words, bound=f"must be one for each of {table.shape[1]} columns"
        )
    for column, word in enumerate(words):
        if check_choice(word, GOALS, where=where, name=f"goals[{column}]") == "maximize":
            table[:, column] *= -1.0
    front: NDArray[np.bool_] = np.asarray(np.isfinite(table).all(axis=1))
    for place in np.flatnonzero(front):
        if front[place]:
            beaten = (table >= table[place]).all(axis=1) & (table > table[place]).any(axis=1)
            front &= ~beaten
    return front
