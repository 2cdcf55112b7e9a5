"""Predictions as answers: positions, classes, probabilities, and what would have been right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcuate.errors import SpecError, check_int

if TYPE_CHECKING:
    from arcuate.ctm.inference import Thought

__all__ = [
    "Floats",
    "as_targets",
    "by_position",
    "certainty_of",
    "classes_of",
    "most_certain",
    "normalized_entropy",
    "plain",
    "probabilities",
]

Floats = NDArray[np.float64]


def classes_of(outputs: int, shape: Sequence[int]) -> int:
    """Classes of a prediction that falls into positions.

    Parameters
    ----------
    outputs : int
        Numbers in a prediction.
    shape : sequence of int
        Positions and classes.

    Returns
    -------
    int

    Raises
    ------
    SpecError
        If the shape does not hold the outputs, or ends in fewer than two classes.
    """
    try:
        classes = np.empty(outputs).reshape(tuple(shape)).shape[-1]
    except (TypeError, ValueError, IndexError) as error:
        bound = f"must multiply to the {outputs} outputs of the model"
        raise SpecError.of(where="CTM", name="shape", value=shape, bound=bound) from error
    if classes < 2:
        bound = "must end in two classes or more; the certainty of one is not defined"
        raise SpecError.of(where="CTM", name="shape", value=shape, bound=bound)
    return classes


def plain(value: Any) -> np.ndarray:
    """Return a tensor or an array as an array of NumPy."""
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)


def certainty_of(thought: Thought) -> Floats:
    """Certainty of every tick (B, T)."""
    return plain(thought.certainties)[:, 1].astype(np.float64, copy=False)


def by_position(thought: Thought, positions: int) -> Floats:
    """Logits (B, positions, classes, T).

    Parameters
    ----------
    thought : Thought
    positions : int

    Returns
    -------
    ndarray

    Raises
    ------
    SpecError
        If the outputs do not fall into so many positions of two classes or more.
    """
    logits = plain(thought.predictions).astype(np.float64, copy=False)
    batch, outputs, ticks = logits.shape
    check_int(positions, where="CTM", name="positions")
    if outputs % positions or outputs // positions < 2:
        bound = f"must divide the {outputs} outputs into two classes or more"
        raise SpecError.of(where="CTM", name="positions", value=positions, bound=bound)
    return logits.reshape(batch, positions, -1, ticks)


def as_targets(thought: Thought, targets: ArrayLike) -> NDArray[np.int64]:
    """Targets (B, positions) that fit a thought.

    Parameters
    ----------
    thought : Thought
    targets : array_like of int, (B,) or (B, L)

    Returns
    -------
    ndarray

    Raises
    ------
    SpecError
        If there is not one, or one row, per trial, or a target is no class.
    """
    wanted = np.asarray(targets)
    batch = len(thought.predictions)
    if wanted.ndim not in (1, 2) or len(wanted) != batch or wanted.dtype.kind not in "iu":
        found = f"{wanted.dtype} of shape {wanted.shape}"
        bound = f"must be whole numbers, one or one row for each of {batch} trials, not {found}"
        raise SpecError.of(where="CTM", name="targets", bound=bound)
    wanted = wanted.reshape(batch, -1)
    classes = by_position(thought, wanted.shape[1]).shape[2]
    if (wanted < 0).any() or (wanted >= classes).any():
        raise SpecError.of(where="CTM", name="targets", bound=f"must be classes from 0 to {classes - 1}")
    return wanted.astype(np.int64)


def most_certain(certainty: Floats) -> NDArray[Any]:
    """Index of the largest certainty so far, ties to the first: (B, T) of (B, T).

    Parameters
    ----------
    certainty : ndarray, (B, T)

    Returns
    -------
    ndarray of int
    """
    best = np.maximum.accumulate(certainty, axis=1)
    new = np.ones(certainty.shape, dtype=bool)
    new[:, 1:] = certainty[:, 1:] > best[:, :-1]
    return np.asarray(np.maximum.accumulate(np.where(new, np.arange(certainty.shape[1]), 0), axis=1))


def probabilities(logits: Floats) -> Floats:
    """Softmax over the classes, the axis before the last.

    Parameters
    ----------
    logits : ndarray, (..., classes, T)

    Returns
    -------
    ndarray
    """
    p = np.exp(logits - logits.max(-2, keepdims=True))
    return np.asarray(p / p.sum(-2, keepdims=True))


def normalized_entropy(logits: Floats) -> Floats:
    """Entropy over the classes, the axis before the last, in units of log(classes).

    Parameters
    ----------
    logits : ndarray, (..., classes, T)

    Returns
    -------
    ndarray, (..., T)
    """
    x = logits - logits.max(-2, keepdims=True)
    total = np.exp(x).sum(-2, keepdims=True)
    p, log_p = np.exp(x) / total, x - np.log(total)
    return np.asarray(-(p * log_p).sum(-2) / np.log(logits.shape[-2]))
