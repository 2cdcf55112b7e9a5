"""Answers by class, checked before they are scored."""

from __future__ import annotations

import numpy as np

from arcuate.errors import TaskError

__all__ = ["hits"]


def hits(answers: np.ndarray, targets: np.ndarray, *, n_classes: int, where: str) -> np.ndarray:
    """Return which answers are right, in the shape of the targets.

    Parameters
    ----------
    answers, targets : array_like of int
        Classes from 0 to ``n_classes - 1``.
    n_classes : int
        How many classes there are.
    where : str
        Who asks, for the message.

    Returns
    -------
    ndarray, bool

    Raises
    ------
    TaskError
        If the answers are no whole numbers of the shape of the targets, or no classes.
    """
    given = np.asarray(answers)
    if given.shape != targets.shape or given.dtype.kind not in "iu":
        bound = f"must be whole numbers of shape {targets.shape}, not {given.dtype} of {given.shape}"
        raise TaskError.of(where=where, name="answers", bound=bound)
    wrong = (given < 0) | (given >= n_classes)
    if wrong.any():
        bound = f"must be from 0 to {n_classes - 1}"
        raise TaskError.of(where=where, name="answers", value=given[wrong][0].item(), bound=bound)
    return np.asarray(given == targets)
