"""Which pairs of neurons a synchrony vector holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from arcuate.errors import SpecError, check_choice, check_int
from arcuate.rng import stream

__all__ = ["SELECTIONS", "draw_neurons", "pair_list"]

Array = Any
"""A NumPy array or a torch tensor."""

SELECTIONS = ("first-last", "random", "random-pairing")
"""Ways to choose the neurons whose synchrony is read."""


def draw_neurons(
    selection: str, n: int, *, n_neurons: int, action: bool = False, n_self: int = 0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Choose the left and the right neurons of one synchrony vector.

    ``first-last`` takes the first n neurons, or, for the action, the last n. ``random`` draws n on the left
    and, independently, n on the right. ``random-pairing`` draws n pairs, of which the first ``n_self`` pair a
    neuron with itself. Draws are with replacement, as in the official code.

    Parameters
    ----------
    selection : {"first-last", "random", "random-pairing"}
    n : int
        Neurons on each side; pairs for ``random-pairing``. An action may have 0.
    n_neurons : int
        D.
    action : bool
        Whether it is the synchrony that asks, or the one that answers.
    n_self : int
        Pairs of a neuron with itself, for ``random-pairing`` alone.
    seed : int
        Address of the draws: ``ctm/pairs/out`` or ``ctm/pairs/action``.

    Returns
    -------
    tuple of ndarray
        Left and right, (n,) each.

    Raises
    ------
    SpecError
        If more pairs are asked for than exist, or more pairs with itself than pairs.

    Examples
    --------
    >>> draw_neurons("first-last", 2, n_neurons=5, action=True)
    (array([3, 4]), array([3, 4]))
    """
    where = "CTM action synchrony" if action else "CTM output synchrony"
    check_choice(selection, SELECTIONS, where=where, name="selection")
    d = check_int(n_neurons, where=where, name="n_neurons")
    check_int(n, where=where, name="n", low=0 if action else 1)
    pairwise = selection == "random-pairing"
    pairs, exist = n if pairwise else n * (n + 1) // 2, d * (d + 1) // 2
    if pairs > exist:
        largest = exist if pairwise else d
        bound = f"asks for {pairs} pairs, but {d} neurons have {exist}"
        raise SpecError.of(where=where, name="n", value=n, bound=bound, fix=f"use n <= {largest}")
    if n:
        check_int(n_self, where=where, name="n_self", low=0, high=n - 1 if pairwise else 0)
    if selection == "first-last":
        chosen = np.arange(d - n, d) if action else np.arange(n)
        return chosen, chosen.copy()
    rng = stream(seed, "ctm/pairs/action" if action else "ctm/pairs/out")
    left, right = rng.integers(d, size=n), rng.integers(d, size=n)
    right[:n_self] = left[:n_self]
    return left, right


def pair_list(left: Array, right: Array, n_pairs: int) -> tuple[Array, Array]:
    """Neurons i and j of every entry of a synchrony vector.

    As many pairs as neurons on a side: left and right are paired one by one (``random-pairing``). Otherwise
    the upper triangle of all left with all right, row by row, diagonal included.

    Parameters
    ----------
    left, right : array of int, (n,)
    n_pairs : int
        n, or n (n + 1) / 2: the length of the decays.

    Returns
    -------
    tuple of array
        i and j, (n_pairs,) each.

    Raises
    ------
    SpecError
        If n neurons cannot give that many pairs.

    Examples
    --------
    >>> pair_list(np.array([4, 5]), np.array([4, 5]), 3)
    (array([4, 4, 5]), array([4, 5, 5]))
    """
    n = len(left)
    if n_pairs == n and len(right) == n:
        return left, right
    if n_pairs != n * (n + 1) // 2 or len(right) != n:
        bound = f"must be {n} or {n * (n + 1) // 2} for {n} left and {len(right)} right neurons"
        raise SpecError.of(where="CTM synchrony", name="decays", value=n_pairs, bound=bound)
    rows, columns = np.triu_indices(n)
    return left[rows], right[columns]
