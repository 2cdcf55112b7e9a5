"""Answers by class, checked before they are scored."""

from __future__ import annotations

from typing import Any

import numpy as np

from arcuate.errors import TaskError

__all__ = ["given_answers", "hits"]


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
    given = given_answers(answers, where=where)
    if given.shape != targets.shape or given.dtype.kind not in "iu":
        bound = f"must be whole numbers of shape {targets.shape}, not {given.dtype} of {given.shape}"
        raise TaskError.of(where=where, name="answers", bound=bound)
    wrong = (given < 0) | (given >= n_classes)
    if wrong.any():
        bound = f"must be from 0 to {n_classes - 1}"
        raise TaskError.of(where=where, name="answers", value=given[wrong][0].item(), bound=bound)
    return np.asarray(given == targets)


def given_answers(value: Any, *, where: str, name: str = "answers") -> np.ndarray:
    """Return answers as an array, whole numbers among objects as such; or refuse a ragged list of them.

    Parameters
    ----------
    value : array_like
        As they were given.
    where, name : str
        For the message.

    Returns
    -------
    ndarray

    Raises
    ------
    TaskError
        If rows differ in length.

    Examples
    --------
    >>> given_answers([[0, 1], [1, 1]], where="score").shape
    (2, 2)
    """
    try:
        array = np.asarray(value)
    except ValueError as error:
        bound = "must have rows of one length"
        raise TaskError.of(where=where, name=name, bound=bound) from error
    whole = array.dtype == object and all(
        isinstance(one, (int, np.integer)) and abs(int(one)) < 2**63 for one in array.flat
    )
    return array.astype(np.int64) if whole else array
