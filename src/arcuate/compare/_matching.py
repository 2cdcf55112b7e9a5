"""Are single units alike: correlations of units under the best matching, soft or one to one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import lcm

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats
from arcuate.compare._inputs import as_pair, centered, varying
from arcuate.compare._leverage import warn_of_leverage
from arcuate.compare._measure import Measure

__all__ = ["one_to_one", "one_to_one_measure", "soft_matching", "soft_matching_measure"]

COPIES = 1500
"""Most copies of units for which a transport is solved as an assignment."""


def soft_matching(x: ArrayLike, y: ArrayLike) -> float:
    """Correlation of units under the best transport of one system's units onto the other's.

    Parameters
    ----------
    x, y : array_like or DataArray, (n_samples, n_units)
        States of two systems for the same samples; their units may differ in number. DataArrays are matched
        by label.

    Returns
    -------
    float
        Largest ``sum T_ij corr(x_i, y_j)`` over ``T >= 0`` whose rows sum to 1/p and columns to 1/q. 1 if
        every unit has its like in the other system. Exact; rotations of the units change it.

    Raises
    ------
    SpecError
        If the states cannot be compared.

    Warns
    -----
    ArcuateWarning
        If units are constant; they are left out. If a few samples decide all correlations.

    References
    ----------
    M. Khosla, A. Williams, UniReps 2023, arXiv:2311.09466.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import soft_matching
    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> round(soft_matching(x, np.repeat(x, 2, axis=1)), 6), round(soft_matching(x, x[:, :3]), 2)
    (1.0, 0.77)
    """
    return _compare(x, y, soft_matching_measure())


def soft_matching_measure() -> Measure:
    """Soft matching of units as a `Measure`.

    Returns
    -------
    Measure

    Examples
    --------
    >>> from arcuate.compare import soft_matching_measure
    >>> "rotation" in soft_matching_measure().invariances
    False
    """
    return _measure("soft_matching", _transport)


def one_to_one(x: ArrayLike, y: ArrayLike) -> float:
    """Mean correlation of units, each of the narrower system paired with one of the other.

    Parameters
    ----------
    x, y : array_like or DataArray, (n_samples, n_units)

    Returns
    -------
    float
        1 if every unit of the narrower system is found in the other; units left over do not count.

    Raises
    ------
    SpecError
        If the states cannot be compared.

    Warns
    -----
    ArcuateWarning
        If units are constant; they are left out. If a few samples decide all correlations.

    References
    ----------
    Y. Li et al., ICLR 2016, arXiv:1511.07543, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import one_to_one
    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> round(one_to_one(x, x[:, [2, 0, 1]]), 6)
    1.0
    """
    return _compare(x, y, one_to_one_measure())


def one_to_one_measure() -> Measure:
    """Matching of units one to one as a `Measure`.

    Returns
    -------
    Measure

    Examples
    --------
    >>> from arcuate.compare import one_to_one_measure
    >>> one_to_one_measure().name
    'one_to_one'
    """
    return _measure("one_to_one", _assignment)


def _compare(x: ArrayLike, y: ArrayLike, measure: Measure) -> float:
    first, second = as_pair(x, y, where=measure.name)
    keep = partial(_prepare, where=measure.name)
    return measure.score(keep(first, name="x"), keep(second, name="y"))


def _measure(name: str, match: Callable[[Floats], float]) -> Measure:
    def score(first: Floats, second: Floats) -> float:
        return float(np.clip(match(first.T @ second), -1, 1))

    def null(first: Floats, second: Floats, orders: np.ndarray) -> Floats:
        return np.array([score(first, second[order]) for order in orders])

    return Measure(
        name=name,
        kind="similarity",
        low=-1.0,
        high=1.0,
        symmetric=True,
        invariances=("scale", "shift", "permutation"),
        prepare=partial(_prepare, where=name),
        score=score,
        null=null,
    )


def _prepare(states: Floats, *, where: str, name: str = "states") -> Floats:
    """Centered units of norm 1; constant ones have no correlation and are left out."""
    units = centered(varying(states, where=where, name=name, drop=True))
    units /= np.max(np.abs(units), axis=0)
    units /= np.linalg.norm(units, axis=0)
    warn_of_leverage(units, where=where, name=name)
    return units


def _assignment(table: Floats) -> float:
    from scipy.optimize import linear_sum_assignment

    return float(table[linear_sum_assignment(table, maximize=True)].mean())


def _transport(table: Floats) -> float:
    """Best transport: an assignment of copies where few are needed, else a linear program."""
    p, q = table.shape
    copies = lcm(p, q)
    if copies <= max(COPIES, p, q):
        return _assignment(np.repeat(np.repeat(table, copies // p, axis=0), copies // q, axis=1))
    return _program(table)


def _program(table: Floats) -> float:
    from scipy.optimize import linprog
    from scipy.sparse import eye, kron, vstack

    p, q = table.shape
    sums = vstack([kron(eye(p), np.ones((1, q))), kron(np.ones((1, p)), eye(q))]).tocsr()
    each = np.r_[np.full(p, 1 / p), np.full(q, 1 / q)]
    found = linprog(-table.ravel(), A_eq=sums[:-1], b_eq=each[:-1], method="highs")
    assert found.success, found.message
    return float(-found.fun)
