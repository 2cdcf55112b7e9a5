"""What every measure of comparison is: a few functions and what is known of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from arcuate._inputs import Floats
from arcuate._progress import ProgressOption

__all__ = ["Measure", "refit"]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A way to compare the states of two systems.

    What can be computed of one system alone is computed once, by `prepare`; scores and permutations need
    only that.

    Parameters
    ----------
    name : str
        Such as ``"cka"``.
    kind : {"similarity", "distance"}
        Whether more is more alike.
    low, high : float
        Range of the scores.
    symmetric : bool
        Whether the order of the two does not matter.
    invariances : tuple of str
        Changes of one system that leave the score: ``"rotation"``, ``"scale"``, ``"shift"``, ``"linear"``,
        ``"permutation"`` (of units).
    takes : {"samples", "repeats", "trials"}
        What `prepare` takes: (sample, unit), (sample, repeat, unit), or (trial, step, unit).
    prepare : callable
        Makes of checked states (float64) what the scores are computed from.
    score : callable
        Takes two prepared systems, returns a float.
    null : callable
        Takes two prepared systems and orders (n_orders, n) of the second one's samples, trials where those
        are taken; returns the scores (n_orders,), without preparing anything anew.
    options : dict
        What the measure was made with, for a report.
    pooled : bool
        Whether units of several systems side by side, each with a Gram of norm 1, stand for all of them: for
        measures of Grams or dissimilarities. Others would find the units of one system again in the pool.
    family : str
        The name it had when it was made, which `dataclasses.replace` of the name leaves: what is known of
        ``"ridge"`` is known of it by any name.
    choose : callable or None
        Of a measure with options that all systems must share and that are left open: takes what `prepare`
        takes of each system, as a list, and an option for a bar; returns the measure with them chosen.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import Measure, refit
    >>> score = lambda first, second: float(np.vdot(first, second))
    >>> overlap = Measure(
    ...     name="overlap",
    ...     kind="similarity",
    ...     low=-1,
    ...     high=1,
    ...     symmetric=True,
    ...     invariances=("scale",),
    ...     prepare=lambda states: states / np.linalg.norm(states),
    ...     score=score,
    ...     null=refit(score, lambda states, order: states[order]),
    ... )
    >>> states = overlap.prepare(np.array([[1.0, 0.0], [0.0, 1.0]]))
    >>> round(overlap.score(states, states), 6), overlap.null(states, states, np.array([[1, 0]]))
    (1.0, array([0.]))
    """

    name: str
    kind: str
    low: float
    high: float
    symmetric: bool
    invariances: tuple[str, ...]
    takes: str = "samples"
    prepare: Callable[[Floats], Any]
    score: Callable[[Any, Any], float]
    null: Callable[[Any, Any, np.ndarray], Floats]
    options: dict[str, Any] = field(default_factory=dict)
    pooled: bool = False
    family: str = ""
    choose: Callable[[list[Floats], ProgressOption], Measure] | None = None

    def __post_init__(self) -> None:
        if not self.family:
            object.__setattr__(self, "family", self.name)


def refit(
    score: Callable[[Any, Any], float], reorder: Callable[[Any, np.ndarray], Any]
) -> Callable[[Any, Any, np.ndarray], Floats]:
    """Scores under other orders, one after the other: for measures that know nothing faster.

    Parameters
    ----------
    score : callable
        As in `Measure`.
    reorder : callable
        Takes a prepared system and an order; returns the prepared system in that order.

    Returns
    -------
    callable
        The ``null`` of a `Measure`.
    """

    def null(first: Any, second: Any, orders: np.ndarray) -> Floats:
        return np.array([score(first, reorder(second, order)) for order in orders])

    return null
