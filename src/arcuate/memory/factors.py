"""Samples of a sparse factor graph: some variables are functions of two others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from arcuate._inputs import check_bytes
from arcuate.errors import SpecError, check_choice, check_int, check_real
from arcuate.rng import check_seed, stream

__all__ = ["FactorSamples", "draw_factors"]

WHERE = "draw_factors"
FUNCTIONS = {"and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor}


@dataclass(frozen=True, kw_only=True, eq=False)
class FactorSamples:
    """What `draw_factors` gives.

    Parameters
    ----------
    x : ndarray of 0 and 1, (n, free + targets)
        Free variables, then targets with noise.
    answers : ndarray of 0 and 1, (n, targets)
        Targets without noise.
    parents : ndarray of int, (targets, 2)
        Free variables that each target is a function of, in ascending order.

    Examples
    --------
    >>> drawn = draw_factors(5, functions=["xor", "and"], free=4)
    >>> drawn.x.shape, drawn.answers.shape, drawn.parents.shape
    ((5, 6), (5, 2), (2, 2))
    """

    x: np.ndarray
    answers: np.ndarray
    parents: np.ndarray


def draw_factors(
    n: int, *, functions: Sequence[str], free: int = 16, noise: float = 0.05, seed: int = 0
) -> FactorSamples:
    """Draw free variables, and targets that are functions of two of them.

    Parameters
    ----------
    n : int
        Samples.
    functions : sequence of {"and", "or", "xor"}
        One for each target.
    free : int
        Variables that are 0 or 1 with equal probability, at least 2 (16, chosen).
    noise : float
        Probability that a target is flipped, at most 1/2 (0.05, chosen).
    seed : int
        Address of the draws: ``memory/factors``.

    Returns
    -------
    FactorSamples

    Raises
    ------
    SpecError
        If a number is out of bounds or there is no function.
    UnknownNameError
        If a function does not exist.
    MemoryLimitError
        If the samples would not fit into memory.

    Examples
    --------
    >>> drawn = draw_factors(8, functions=["xor"], free=3, noise=0.0)
    >>> bool((drawn.x[:, 3] == drawn.x[:, drawn.parents[0, 0]] ^ drawn.x[:, drawn.parents[0, 1]]).all())
    True
    """
    check_int(n, where=WHERE, name="n")
    check_int(free, where=WHERE, name="free", low=2)
    check_real(noise, where=WHERE, name="noise", low=0, high=0.5)
    if isinstance(functions, str) or not functions:
        fix = 'use ["xor"] * 8'
        raise SpecError.of(where=WHERE, name="functions", value=functions, bound="must be a list", fix=fix)
    for name in functions:
        check_choice(name, FUNCTIONS, where=WHERE, name="functions")
    need = 8 * n * (2 * free + 4 * len(functions))
    check_bytes(need, where=WHERE, fix="draw fewer samples or fewer variables")
    rng = stream(check_seed(seed), "memory/factors")
    parents = np.sort([rng.choice(free, 2, replace=False) for _ in functions], axis=1)
    x = rng.integers(2, size=(n, free))
    columns = [FUNCTIONS[f](x[:, i], x[:, j]) for f, (i, j) in zip(functions, parents, strict=True)]
    answers = np.stack(columns, axis=1)
    flipped = rng.random(answers.shape) < noise
    return FactorSamples(x=np.hstack((x, answers ^ flipped)), answers=answers, parents=parents)
