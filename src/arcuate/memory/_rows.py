"""Rows that are written to a memory or asked of it, checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from arcuate.errors import SpecError, check_array

__all__ = ["check_rows"]


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
