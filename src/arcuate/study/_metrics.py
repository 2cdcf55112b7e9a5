"""What a measure returned, as a flat table of numbers and texts."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from arcuate.errors import SpecError

__all__ = ["Metric", "check_name", "measured", "name_of"]

Metric = bool | int | float | str | None
"""A number, a truth, a text; None for what is missing."""

COLUMNS = frozenset(
    ("point", "index", "seed", "status", "wall_seconds", "recording", "reason", "tries", "traceback", "best")
)
"""Columns of the tables of a study, a search and a page that are no metric and no field but the seed."""

MOST = 1000
"""Numbers that a measure may return (chosen: more belong into a recording)."""

_RETURN = 'return numbers by name, such as {"rate": 5.0}'


def measured(
    measure: Callable[[Any], Any] | None, result: Any, *, name: str = "", taken: Collection[str] = ()
) -> dict[str, Metric]:
    """Apply a measure and flatten what it returns.

    Parameters
    ----------
    measure : callable or None
        Function of the result; None where the result holds the metrics itself.
    result : object
        A recording, or what the function of a study returned.
    name : str
        Name of a single number; the measure's own by default.
    taken : collection of str
        Names that a metric must not have: those of the varied fields.

    Returns
    -------
    dict of str to number, bool, str or None
        None where there is nothing, or a number that is not finite.

    Raises
    ------
    SpecError
        If it is anything else; the message says what to return.

    Examples
    --------
    >>> measured(None, {"rate": 5, "cv": float("nan")})
    {'rate': 5, 'cv': None}
    >>> measured(len, [1, 2, 3])
    {'len': 3}
    """
    value = result if measure is None else measure(result)
    title = name or name_of(measure) if measure is not None else name
    where = f"measure {title!r}"
    flat: dict[str, Metric] = {}
    for key, item in _entries(value, title or "value", where).items():
        check_name(key, where=where, taken=taken)
        flat[key] = _metric(where, key, item)
    if not flat:
        raise SpecError.of(where=where, bound="returned nothing", fix=_RETURN)
    if len(flat) > MOST:
        raise SpecError.of(
            where=where,
            name="metrics",
            value=len(flat),
            bound=f"must be at most {MOST}",
            fix="return fewer numbers, and keep=True for the recordings",
        )
    return flat


def name_of(function: Any) -> str:
    """Name of a function, as one would call it.

    Parameters
    ----------
    function : callable
        Also a partial, or an object that can be called.

    Returns
    -------
    str

    Examples
    --------
    >>> name_of(len)
    'len'
    """
    function = getattr(function, "func", function)  # of a partial
    name = getattr(function, "__name__", "") or type(function).__name__
    return "measure" if name == "<lambda>" else str(name)


def check_name(name: str, *, where: str, taken: Collection[str] = (), what: str = "metric") -> None:
    """Refuse a name that a table has already, or that the file of a dataset cannot have."""
    if name in COLUMNS or name in taken:
        raise SpecError.of(
            where=where,
            name=name,
            bound="is a column of the table already",
            fix=f"give the {what} another name",
        )
    if "/" in name or not name.isprintable() or not name.strip(" .") or name != name.strip():
        raise SpecError.of(
            where=where,
            name=f"name of a {what}",
            value=name,
            bound="must be printable text of more than dots, without / or a space at an end",
            fix="give it another name",
        )


def utf8(text: str) -> str:
    """A text without NUL and halves of characters, as the name of a file may hold them that is not UTF-8."""
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\x00")


def _entries(value: Any, title: str, where: str) -> dict[str, Any]:
    """Values by name."""
    if isinstance(value, Mapping) and not hasattr(value, "data_vars"):
        odd = next((key for key in value if not isinstance(key, str) or not key), None)
        if odd is not None:
            raise SpecError.of(
                where=where, name="name of a metric", value=odd, bound="must be a text", fix=_RETURN
            )
        return dict(value)
    if hasattr(value, "data_vars"):
        return {
            key: item
            for name, variable in value.data_vars.items()
            for key, item in _cells(str(name), variable, where)
        }
    if hasattr(value, "dims") and hasattr(value, "coords"):
        return dict(_cells(str(value.name or title), value, where))
    return {title: value}


def _cells(name: str, variable: Any, where: str) -> list[tuple[str, Any]]:
    """Cells of a labeled array, named by its labels, such as ``rate.exc``."""
    if variable.size > MOST:
        raise SpecError.of(
            where=where,
            name=name,
            value=f"{variable.size} numbers",
            bound=f"must be at most {MOST}",
            fix="return fewer, such as a mean",
        )
    labels = [
        variable.coords[dim].values.tolist() if dim in variable.coords else range(size)
        for dim, size in variable.sizes.items()
    ]
    array = np.asarray(variable.values)
    return [
        (".".join([name, *(str(label[place]) for label, place in zip(labels, index, strict=True))]), cell)
        for index, cell in np.ndenumerate(array)
    ]


def _metric(where: str, name: str, value: Any) -> Metric:
    """One number, truth or text; None where there is none."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if hasattr(value, "dims") and not value.dims:  # a labeled array of one number
        value = value.values[()]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return utf8(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**63 else _as_float(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if hasattr(value, "shape"):
        shown: Any = f"{type(value).__name__} of shape {tuple(value.shape)}"
    else:
        shown = value
    raise SpecError.of(
        where=where,
        name=name,
        value=shown,
        bound="must be a number, True or False, a text, or None",
        fix=_RETURN,
    )


def _as_float(number: int) -> float | None:
    """A large whole number as a float; None beyond the largest."""
    try:
        return float(number)
    except OverflowError:
        return None
