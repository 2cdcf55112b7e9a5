"""Times and windows of a specification."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from arcuate.errors import SpecError
from arcuate.spec.values import quantity

__all__ = ["active_windows", "seconds", "window"]


def seconds(value: Any, *, where: str, name: str, low_open: bool = False) -> float:
    """Read a time that is not negative.

    Parameters
    ----------
    value : str or quantity
        The time.
    where, name : str
        For the message.
    low_open : bool
        Whether 0 is refused.

    Returns
    -------
    float
        In s.

    Examples
    --------
    >>> seconds("20 ms", where="Filter", name="tau")
    20 ms
    """
    return quantity(value, "s", where=where, name=name, low=0.0, high=1e6, low_open=low_open)


def window(value: Any, *, where: str, name: str) -> tuple[float, float]:
    """Read a pair of times, the first before the second.

    Parameters
    ----------
    value : (start, stop)
        The pair.
    where, name : str
        For the message.

    Returns
    -------
    tuple of float
        In s.

    Raises
    ------
    SpecError
        If it is no pair, or stops before it starts.

    Examples
    --------
    >>> window(("0 ms", "300 ms"), where="Rule", name="active")
    (0 ms, 300 ms)
    """
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
        raise SpecError.of(
            where=where, name=name, value=value, bound="must be a pair of times", fix='use ("0 ms", "300 ms")'
        )
    start, stop = (seconds(item, where=where, name=name) for item in value)
    if start >= stop:
        raise SpecError.of(where=where, name=name, value=value, bound="must start before it stops")
    return start, stop


def active_windows(value: Any, *, where: str) -> tuple[tuple[float, float], ...] | None:
    """Read the windows of the run in which something is at work.

    Parameters
    ----------
    value : list of (start, stop) or None
        The windows.
    where : str
        For the message.

    Returns
    -------
    tuple of (float, float) or None
        In s.

    Raises
    ------
    SpecError
        If one is no window, or two overlap.

    Examples
    --------
    >>> active_windows([("0 s", "1 s")], where="Rule")
    ((0 ms, 1 s),)
    """
    if value is None:
        return None
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        raise SpecError.of(
            where=where,
            name="active",
            value=value,
            bound="must be a list of pairs of times",
            fix='use active=(("5 s", "10 s"),)',
        )
    windows = tuple(window(item, where=where, name=f"active.{index}") for index, item in enumerate(value))
    for earlier, later in pairwise(sorted(windows)):
        if later[0] < earlier[1]:
            raise SpecError.of(
                where=where,
                name="active",
                value=(earlier, later),
                bound="must not overlap",
                fix="join the two windows",
            )
    return windows
