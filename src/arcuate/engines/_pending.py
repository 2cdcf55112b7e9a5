"""Which read-outs write the downdates of least squares in groups, and what they keep for that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from arcuate.spec import RLS

if TYPE_CHECKING:
    from arcuate.engines._source import Names
    from arcuate.engines.plan import Array, Plan

PENDING = 16
"""Downdates that wait at most, a multiple of 4; chosen: of 2000 features they take 256 kB of cache."""

ROWS = 64
"""Rows of ``P`` that are computed together for whoever looks; chosen: they stay in cache."""

LARGE = 1e3
"""Scale at which they wait no longer; chosen: far from overflow, and seldom reached."""


def pending_readouts(plan: Plan, order: str) -> tuple[str, ...]:
    """Read-outs with recursive least squares, in the fast order.

    Parameters
    ----------
    plan : Plan
        What to run.
    order : {"strict", "fast"}
        Order of sums.

    Returns
    -------
    tuple of str
        Names, in the order of the plan; empty in the strict order.
    """
    learners = (name for name, readout in plan.readouts.items() if isinstance(readout.spec.rule, RLS))
    return tuple(learners) if order == "fast" else ()


def pending_state(plan: Plan, names: Names) -> dict[str, Array]:
    """Arrays beside ``P``, at step 0.

    Parameters
    ----------
    plan : Plan
        What to run.
    names : Names
        Identifiers.

    Returns
    -------
    dict of str to ndarray
        The downdates that wait, (PENDING, n); their number and the scale of ``P``, (2,).
    """
    table: dict[str, Array] = {}
    for name in names.pending:
        o = names.readout[name]
        table[f"{o}_pending"] = np.zeros((PENDING, plan.readouts[name].n_units))
        table[f"{o}_memo"] = np.array([0.0, 1.0])
    return table


def pending_values(names: Names, moving: Mapping[str, Array]) -> dict[str, Array]:
    """Compute ``P`` as it is at this step.

    Parameters
    ----------
    names : Names
        Identifiers.
    moving : mapping of str to ndarray
        State of the kernel.

    Returns
    -------
    dict of str to ndarray
        New symmetric arrays by kernel name, ``"o0_p"``.
    """
    table = {}
    for name in names.pending:
        o = names.readout[name]
        count, scale = moving[f"{o}_memo"]
        p = moving[f"{o}_p"].copy()
        for first in range(0, len(p), ROWS):
            rows = slice(first, first + ROWS)
            for h in moving[f"{o}_pending"][: int(count)]:
                p[rows, : first + ROWS] -= np.outer(h[rows], h[: first + ROWS])
            p[rows] *= scale
        table[f"{o}_p"] = np.tril(p) + np.tril(p, -1).T
    return table
