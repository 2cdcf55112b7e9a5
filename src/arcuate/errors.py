"""Errors that say what, the value, the bound and the way out, and the checks that raise them.

Every error is an `ArcuateError` and also the built-in error that one would expect, so
``except ValueError`` works as well as ``except arcuate.errors.SpecError``.
"""

from __future__ import annotations

import difflib
import math
import numbers
import operator
import reprlib
from collections.abc import Callable, Collection, Iterable
from typing import Any, Self

import numpy as np

__all__ = [
    "ArcuateError",
    "ArcuateWarning",
    "CapabilityError",
    "EngineError",
    "ExpressionError",
    "FileFormatError",
    "FitError",
    "MemoryLimitError",
    "MissingExtraError",
    "NonFiniteError",
    "RecordingError",
    "SpecError",
    "StoreError",
    "TaskError",
    "TimeLimitError",
    "UnitsError",
    "UnknownNameError",
    "check_array",
    "check_choice",
    "check_int",
    "check_real",
    "unknown",
]

_MISSING: Any = object()
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxset = _SHORT.maxdict = 4


class ArcuateError(Exception):
    """Base of every error that this package raises on purpose.

    Attributes
    ----------
    where : str or None
        The object that is wrong, such as ``"Population 'exc'"``.
    name : str or None
        The field or parameter.
    value : object
        The value that was refused; anything but a number is kept as a short text.
    bound : str or None
        What the value must be.
    fix : str or None
        The way out.
    batch : Batch or None
        What the other runs gave, if one of a batch failed.

    Examples
    --------
    >>> error = SpecError.of(where="Population 'exc'", name="n", value=0, bound="must be >= 1", fix="use n=1")
    >>> print(error)
    Population 'exc': n = 0: must be >= 1. Use n=1.
    """

    where: str | None = None
    name: str | None = None
    value: Any = None
    bound: str | None = None
    fix: str | None = None
    batch: Any = None

    @classmethod
    def of(cls, *, where: str = "", name: str = "", value: Any = _MISSING, bound: str, fix: str = "") -> Self:
        """Build the error from its parts; the message has at most four lines.

        Parameters
        ----------
        where : str
            The object that is wrong.
        name : str
            The field or parameter.
        value : object
            The value that was refused; left out of the message when not given.
        bound : str
            What the value must be.
        fix : str
            The way out.

        Returns
        -------
        ArcuateError
            An instance of the class it was called on, to be raised.

        Examples
        --------
        >>> print(UnitsError.of(name="tau_m", value=20, bound="needs a unit of s", fix='use "20 ms"'))
        tau_m = 20: needs a unit of s. Use "20 ms".
        """
        subject = _plain(name, 80)
        if value is not _MISSING:
            subject = f"{subject or 'value'} = {_short(value)}"
        parts = [part for part in (_plain(where, 120), subject, _plain(bound, 400).rstrip(".")) if part]
        message = ": ".join(parts) + "."
        if fix:
            fix = _plain(fix, 400).rstrip(".")
            message += f" {fix[0].upper()}{fix[1:]}" + ("" if fix.endswith("?") else ".")
        error = cls(message)
        error.where, error.name, error.bound, error.fix = where or None, name or None, bound, fix or None
        if value is not _MISSING:
            error.value = value if isinstance(value, (int, float)) else _short(value)
        return error


class SpecError(ArcuateError, ValueError):
    """A description of a model, a run or a task is not valid."""


class UnitsError(SpecError):
    """A quantity has no unit, an unknown one or the wrong one."""


class ExpressionError(SpecError):
    """An expression is not in the language."""


class UnknownNameError(SpecError, LookupError):
    """A name is not among those that exist."""


class TaskError(SpecError):
    """A task is not valid."""


class CapabilityError(ArcuateError, NotImplementedError):
    """An engine cannot do what a description asks for."""


class MemoryLimitError(MemoryError, ArcuateError):  # in this order it can be made anew in another process
    """A run would need more memory than it may have."""


class NonFiniteError(ArcuateError, FloatingPointError):
    """A number became infinite or not a number."""


class RecordingError(ArcuateError, ValueError):
    """A recording does not have the form it should have."""


class FileFormatError(ArcuateError, ValueError):
    """A file is not what it should be."""


class StoreError(ArcuateError, OSError):
    """The folder of a study cannot be used, written or trusted."""


class MissingExtraError(ArcuateError, ImportError):
    """An optional package is not installed."""


class EngineError(ArcuateError, RuntimeError):
    """An engine failed."""


class TimeLimitError(ArcuateError, TimeoutError):
    """A run took longer than it may."""


class FitError(ArcuateError, ValueError):
    """An estimator cannot be fitted to the data, or was not fitted yet."""


class ArcuateWarning(UserWarning):
    """A result that is probably not what was wanted."""


def unknown(where: str, name: object, choices: Iterable[str], *, kind: str = "parameter") -> UnknownNameError:
    """Build the error for a name that does not exist, with the nearest one that does.

    Parameters
    ----------
    where : str
        The object in which the name was looked up.
    name : object
        The name.
    choices : iterable of str
        Names that exist.
    kind : str
        What the name is a name of.

    Returns
    -------
    UnknownNameError
        To be raised.

    Examples
    --------
    >>> print(unknown("Neuron 'lif'", "tua_m", ["tau_m", "v_reset"]))
    Neuron 'lif': unknown parameter 'tua_m'. Did you mean 'tau_m'?
    """
    known = sorted(map(str, choices))
    text = str(name) if isinstance(name, str) else _short(name)
    near = difflib.get_close_matches(text[:80], known, n=1)
    if near:
        fix = f"did you mean {near[0]!r}?"
    elif known:
        more = f" and {len(known) - 12} more" if len(known) > 12 else ""
        fix = f"choose from {', '.join(known[:12])}{more}"
    else:
        fix = f"there is no {kind} to choose from"
    error = UnknownNameError.of(where=where, bound=f"unknown {kind} {_short(name)}", fix=fix)
    error.name = _plain(text, 80)
    return error


def check_int(value: object, *, where: str, name: str, low: int | None = 1, high: int | None = None) -> int:
    """Return an integer within bounds, or refuse it.

    Parameters
    ----------
    value : object
        A Python or NumPy integer; a bool, a float or text is refused.
    where, name : str
        For the message.
    low, high : int or None
        Bounds, both included.

    Returns
    -------
    int

    Raises
    ------
    SpecError
        If it is not an integer or out of bounds.

    Examples
    --------
    >>> check_int(5, where="Population 'exc'", name="n")
    5
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        fix = ""
        if isinstance(value, (float, np.floating)) and float(value).is_integer():
            fix = f"use {name}={int(value)}"
        raise SpecError.of(where=where, name=name, value=value, bound="must be an integer", fix=fix)
    number = operator.index(value)
    if (low is not None and number < low) or (high is not None and number > high):
        raise SpecError.of(where=where, name=name, value=number, bound=bounds(low, high))
    return number


def check_real(
    value: object,
    *,
    where: str,
    name: str,
    low: float | None = None,
    high: float | None = None,
    low_open: bool = False,
    high_open: bool = False,
) -> float:
    """Return a finite real number within bounds, or refuse it.

    Parameters
    ----------
    value : object
        A real number; a bool, a complex number or text is refused.
    where, name : str
        For the message.
    low, high : float or None
        Bounds.
    low_open, high_open : bool
        Whether a bound itself is excluded.

    Returns
    -------
    float

    Raises
    ------
    SpecError
        If it is not a number, not finite or out of bounds.

    Examples
    --------
    >>> check_real(0.1, where="Sparse", name="p", low=0, high=1)
    0.1
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise SpecError.of(where=where, name=name, value=value, bound="must be a real number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise SpecError.of(where=where, name=name, value=value, bound="must be finite")
    if not within(number, low, high, low_open=low_open, high_open=high_open):
        bound = bounds(low, high, low_open=low_open, high_open=high_open)
        raise SpecError.of(where=where, name=name, value=value, bound=bound)
    return number


def check_choice(value: object, choices: Collection[str], *, where: str, name: str) -> str:
    """Return a word that is one of several, or refuse it with the nearest.

    Parameters
    ----------
    value : object
        The word.
    choices : collection of str
        Words that are allowed.
    where, name : str
        For the message.

    Returns
    -------
    str

    Raises
    ------
    UnknownNameError
        If it is not among them.

    Examples
    --------
    >>> check_choice("row", ("row", "none"), where="Projection 'exc->exc'", name="balance")
    'row'
    """
    if isinstance(value, str) and value in choices:
        return value
    raise unknown(where, value, choices, kind=name)


def check_array(
    value: object,
    *,
    where: str,
    name: str,
    shape: tuple[int | None, ...] | None = None,
    finite: bool = True,
    dtype: type = float,
) -> np.ndarray:
    """Return a read-only copy of an array of numbers, or refuse it.

    Parameters
    ----------
    value : array_like
        Numbers; complex numbers, objects, text and quantities with a unit are refused.
    where, name : str
        For the message.
    shape : tuple of (int or None) or None
        Required length per axis; ``None`` for any.
    finite : bool
        Whether every element must be finite.
    dtype : type
        ``float``, ``int`` or ``bool``.

    Returns
    -------
    ndarray
        A contiguous copy that nobody can write to.

    Raises
    ------
    SpecError
        If the type, the shape or an element is wrong.

    Examples
    --------
    >>> check_array([1, 2], where="Edges", name="weight", shape=(2,))
    array([1., 2.])
    """

    def refuse(bound: str) -> SpecError:
        return SpecError.of(where=where, name=name, value=value, bound=bound)

    if not getattr(value, "is_dimensionless", True) or not getattr(value, "dimensionless", True):
        raise refuse("must be plain numbers without a unit")
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise refuse("must be a rectangular array of numbers") from error
    if np.ma.is_masked(value):
        raise refuse("must have no masked values")
    kinds = {float: "fiu", int: "iu", bool: "b"}[dtype]
    if array.dtype.kind not in kinds and array.size:
        words = {float: "real numbers", int: "integers", bool: "booleans"}[dtype]
        raise refuse(f"must be an array of {words}, not of {array.dtype}")
    if shape is not None and (
        array.ndim != len(shape)
        or any(n is not None and n != m for n, m in zip(shape, array.shape, strict=True))
    ):
        wanted = ", ".join("any" if n is None else str(n) for n in shape) + ("," if len(shape) == 1 else "")
        raise refuse(f"must have shape ({wanted}), not {array.shape}")
    copy: np.ndarray = np.array(array, dtype=dtype, order="C", subok=False)
    if finite and dtype is float and not np.isfinite(copy).all():
        index = tuple(int(k) for k in np.argwhere(~np.isfinite(copy))[0])
        raise refuse(f"must be finite; element {_index(index)} is {copy[index]}")
    copy.flags.writeable = False
    return copy


def _index(index: tuple[int, ...]) -> str:
    """Write an index as a user would type it between the brackets."""
    return "[" + ", ".join(map(str, index)) + "]"


def within(
    number: float, low: float | None, high: float | None, *, low_open: bool = False, high_open: bool = False
) -> bool:
    """Say whether a number lies within bounds, either of which may be absent or excluded."""
    below = low is not None and (number < low or (low_open and number == low))
    above = high is not None and (number > high or (high_open and number == high))
    return not (below or above)


def bounds(
    low: float | None,
    high: float | None,
    *,
    low_open: bool = False,
    high_open: bool = False,
    show: Callable[[float], str] = "{:.12g}".format,
) -> str:
    """Say bounds in words."""
    parts = []
    if low is not None:
        parts.append(f"{'>' if low_open else '>='} {show(low)}")
    if high is not None:
        parts.append(f"{'<' if high_open else '<='} {show(high)}")
    return "must be " + " and ".join(parts)


def _short(value: object) -> str:
    """Write any value on one line of at most 80 characters, whatever it is."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 256:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        if value.size > 4 or value.dtype.kind == "O":
            return f"array of shape {value.shape}, {value.dtype}"
        value = value.tolist()
    return _plain(" ".join(_SHORT.repr(value).split()), 80)


def _plain(text: str, limit: int) -> str:
    """Escape what cannot be seen and cut what is long."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[: limit + 1])
    return text if len(text) <= limit else text[: limit - 3] + "..."
