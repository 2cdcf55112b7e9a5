"""Rows that are written to a memory or asked of it, and numbers of them, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from arcuate.errors import SpecError, check_array, check_int

__all__ = ["check_counts", "check_rows"]


def check_rows(value: Any, width: int, where: str, *, name: str) -> np.ndarray:
    """Take an array of rows of a width, at least one, all finite.

    Parameters
    ----------
    value : array_like, (n, width)
    width : int
    where, name : str
        For the message.

    Returns
    -------
    ndarray, (n, width), float64

    Raises
    ------
    SpecError
        If the shape is another, a number is not finite, or there is no row.
    """
    array = check_array(value, where=where, name=name, shape=(None, width))
    if not len(array):
        raise SpecError.of(where=where, name=name, value=array, bound="must have at least one row")
    return array


def check_counts(values: Any, where: str, *, name: str, low: int = 1) -> list[int]:
    """Take whole numbers, at least one.

    Parameters
    ----------
    values : sequence of int
    where, name : str
        For the message.
    low : int
        Least that each may be.

    Returns
    -------
    list of int

    Raises
    ------
    SpecError
        If it is a number alone or a text, there is none, or one is out of bounds.
    """
    many = isinstance(values, (Sequence, np.ndarray)) and not isinstance(values, (str, bytes))
    if not many or not np.size(values):
        fix = f"as in {name}=[{values}]" if isinstance(values, int) else ""
        bound = "must be a list of integers, at least one"
        raise SpecError.of(where=where, name=name, value=values, bound=bound, fix=fix)
    return [check_int(value, where=where, name=name, low=low) for value in values]
