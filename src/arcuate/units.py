"""Units at the door: text, quantities of Brian2 or pint, and plain numbers become SI floats.

A unit is written as its SI symbol (``"s"``, ``"V"``, ``"S/V"``, ``"A*s"``, ``"1"``); a quantity as a number
and a unit (``"20 ms"``, ``"0.02 /ms"``, ``"5e3 pA*ms"``). Symbols follow the SI brochure of the BIPM, 9th
edition. Neither Brian2 nor pint is imported; their quantities are recognized by what they offer.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from arcuate.errors import SpecError, UnitsError, bounds, check_array, check_real, unknown, within

__all__ = [
    "UNITS",
    "Dimension",
    "dimension",
    "format_si",
    "is_quantity_text",
    "parse_quantity",
    "to_si",
    "to_si_array",
]

Exponent = Fraction | int
"""Whole numbers are kept as such: to add and compare fractions takes ten times as long."""


class Dimension(NamedTuple):
    """Exponents of the seven SI base units.

    Parameters
    ----------
    m, kg, s, A, K, mol, cd : int or Fraction
        Exponent of each base unit.

    Examples
    --------
    >>> dimension("V") / dimension("A") == dimension("ohm")
    True
    """

    m: Exponent = 0
    kg: Exponent = 0
    s: Exponent = 0
    A: Exponent = 0
    K: Exponent = 0
    mol: Exponent = 0
    cd: Exponent = 0

    def __mul__(self, other: Dimension) -> Dimension:  # type: ignore[override]
        return Dimension(*(a + b for a, b in zip(self, other, strict=True)))

    def __truediv__(self, other: Dimension) -> Dimension:
        return Dimension(*(a - b for a, b in zip(self, other, strict=True)))

    def __pow__(self, exponent: Exponent) -> Dimension:
        return Dimension(*(a * exponent for a in self))

    def __str__(self) -> str:
        for name in ("1", "s", "1/s", "V", "A", "F", "S", "ohm", "m", "A*s", "S/V", "V/s", "A/s"):
            if dimension(name) == self:
                return name
        parts = [
            f"{base}**{float(power):g}" if power != 1 else base
            for base, power in zip(self._fields, self, strict=True)
            if power
        ]
        return "*".join(parts)


def _base(**exponents: int) -> Dimension:
    return Dimension(**exponents)


# Symbol: (power of ten, dimension).
_POWERS: dict[str, tuple[int, Dimension]] = {"1": (0, Dimension())}


def _define(symbol: str, prefixes: str, dim: Dimension) -> None:
    """Enter a unit and its multiples; a dot stands for no prefix."""
    powers = {"f": -15, "p": -12, "n": -9, "u": -6, "m": -3, "c": -2, ".": 0, "k": 3, "M": 6, "G": 9}
    for prefix in prefixes:
        _POWERS[prefix.strip(".") + symbol] = (powers[prefix], dim)


_define("s", "num.", _base(s=1))
_define("V", "num.", _base(kg=1, m=2, s=-3, A=-1))
_define("A", "fpnum.", _base(A=1))
_define("F", "fpnum.", _base(A=2, s=4, kg=-1, m=-2))
_define("S", "pnum.", _base(A=2, s=3, kg=-1, m=-2))
_define("ohm", ".kMG", _base(kg=1, m=2, s=-3, A=-2))
_define("Hz", "m.kM", _base(s=-1))
_define("m", "numc.", _base(m=1))
_define("M", "num", _base(m=-3, mol=1))
_POWERS.update(
    {name: (power + 3, dim) for name, (power, dim) in _POWERS.items() if name in ("nM", "uM", "mM")}
)
_define("K", ".", _base(K=1))

UNITS: dict[str, tuple[float, Dimension]] = {
    name: (float(f"1e{power}"), dim) for name, (power, dim) in _POWERS.items()
}
"""Every unit symbol, with its factor to SI and its dimension."""

_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d+))?", re.ASCII)
_TERM = re.compile(
    r"\s*(?P<operator>[*/])?\s*(?P<unit>[A-Za-z]+|1)(?:\s*(?:\*\*|\^)\s*(?P<power>[+-]?\d{1,2}(?:\.5)?))?",
    re.ASCII,
)
_WORD = re.compile("[A-Za-z]+", re.ASCII)
_SHOWN = {"s": "ms", "V": "mV", "A": "pA", "F": "pF", "S": "nS", "ohm": "Mohm", "1/s": "Hz"}
_LONGEST = 80


def dimension(unit: str) -> Dimension:
    """Return the dimension of a unit.

    Parameters
    ----------
    unit : str
        Units joined by ``*`` and ``/``, each with an optional power.

    Returns
    -------
    Dimension

    Raises
    ------
    UnitsError
        If it is not a unit.

    Examples
    --------
    >>> str(dimension("pA*ms"))
    'A*s'
    """
    return _unit(unit)[1]


def is_quantity_text(text: object) -> bool:
    """Say whether a value is text that holds a quantity, rather than a name or an expression.

    Parameters
    ----------
    text : object
        Anything.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_quantity_text("20 ms"), is_quantity_text("20*rho")
    (True, False)
    """
    if not isinstance(text, str):
        return False
    number = _NUMBER.match(text)
    if number is None or not _POWERS.keys() >= set(_WORD.findall(text, number.end())):
        return False
    try:
        parse_quantity(text)
    except UnitsError:
        return False
    return True


def parse_quantity(text: str) -> tuple[float, Dimension]:
    """Read a number with a unit.

    Parameters
    ----------
    text : str
        Such as ``"20 ms"``, ``"20*ms"``, ``"0.02 /ms"`` or, without a unit, ``"0.5"``.

    Returns
    -------
    value : float
        In SI, rounded once.
    dimension : Dimension
        What it measures.

    Raises
    ------
    UnitsError
        If it is not a number and a unit, or not finite.

    Examples
    --------
    >>> parse_quantity("5e3 pA*ms")[0]
    5e-12
    """
    match = _NUMBER.match(text) if isinstance(text, str) and len(text) <= _LONGEST else None
    rest = text[match.end() :].strip() if match else ""
    if match is None or rest[:1].isdigit():
        raise UnitsError.of(
            name="quantity", value=text, bound="must be a number and a unit", fix='write for example "20 ms"'
        )
    tens, dim = _unit(rest.removeprefix("*"))
    value = _scale(match[1], match[2], tens)
    if not math.isfinite(value):
        raise UnitsError.of(name="quantity", value=text, bound="must be finite")
    return value, dim


def to_si(
    value: object,
    unit: str,
    *,
    where: str,
    name: str,
    low: float | None = None,
    high: float | None = None,
    low_open: bool = False,
    high_open: bool = False,
) -> float:
    """Return a quantity as a float in SI, or refuse it.

    Parameters
    ----------
    value : str, quantity of Brian2 or pint, or float
        A plain number only where `unit` is ``"1"``.
    unit : str
        SI unit that is expected.
    where, name : str
        For the message.
    low, high : float or None
        Bounds in SI.
    low_open, high_open : bool
        Whether a bound itself is excluded.

    Returns
    -------
    float

    Raises
    ------
    UnitsError
        If the unit is missing, unknown or of another dimension.
    SpecError
        If it is not a finite number, or out of bounds.

    Examples
    --------
    >>> to_si("20 ms", "s", where="Neuron 'lif'", name="tau_m", low=0)
    0.02
    """
    wanted = dimension(unit)
    bare = False
    if isinstance(value, str):
        try:
            number, found = parse_quantity(value)
        except UnitsError as error:
            fix = error.fix if error.fix and "did you mean" in error.fix else _example(wanted)
            bound = error.bound or "is not a quantity"
            raise UnitsError.of(where=where, name=name, value=value, bound=bound, fix=fix) from None
    elif (quantity := _quantity(value, unit)) is not None:
        magnitude, found = quantity
        if np.ndim(magnitude):
            raise UnitsError.of(
                where=where, name=name, value=value, bound="must be one quantity, not an array"
            )
        number = float(magnitude)
    else:
        number, found, bare = check_real(value, where=where, name=name), Dimension(), True
    if found != wanted:
        bound = f"has the unit of {found}; a quantity in {wanted} is needed"
        if bare or found == Dimension():
            bound = f"has no unit; a quantity in {wanted} is needed"
        elif wanted == Dimension():
            bound = f"has the unit of {found}; a number without a unit is needed"
        raise UnitsError.of(
            where=where, name=name, value=value, bound=bound, fix=_example(wanted, number if bare else None)
        )
    if not within(number, low, high, low_open=low_open, high_open=high_open):
        bound = bounds(
            low, high, low_open=low_open, high_open=high_open, show=lambda bound: format_si(bound, unit)
        )
        raise SpecError.of(where=where, name=name, value=value, bound=bound)
    return number


def to_si_array(
    value: object, unit: str, *, where: str, name: str, shape: tuple[int | None, ...] | None = None
) -> np.ndarray:
    """Return quantities as a read-only float array in SI, or refuse them.

    Parameters
    ----------
    value : quantity array of Brian2 or pint, or sequence
        A sequence holds what `to_si` takes; plain numbers only where `unit` is ``"1"``.
    unit : str
        SI unit that is expected.
    where, name : str
        For the message.
    shape : tuple of (int or None) or None
        Required length per axis; ``None`` for any.

    Returns
    -------
    ndarray

    Raises
    ------
    UnitsError
        If a unit is missing or wrong.
    SpecError
        If the shape is wrong or an element is not finite.

    Examples
    --------
    >>> to_si_array(["1 ms", "2 ms"], "s", where="Projection 'a->b'", name="delay")
    array([0.001, 0.002])
    """
    wanted = dimension(unit)
    quantity = _quantity(value, unit)
    if quantity is not None:
        magnitude, found = quantity
        if found != wanted:
            bound = f"has the unit of {found}; quantities in {wanted} are needed"
            raise UnitsError.of(where=where, name=name, value=value, bound=bound)
        return check_array(magnitude, where=where, name=name, shape=shape)
    if isinstance(value, (list, tuple)) and any(isinstance(v, str) or _quantity(v, unit) for v in value):
        items = [to_si(v, unit, where=where, name=f"{name}[{k}]") for k, v in enumerate(value)]
        return check_array(items, where=where, name=name, shape=shape)
    if wanted != Dimension():
        raise UnitsError.of(
            where=where,
            name=name,
            value=value,
            bound=f"has no unit; quantities in {wanted} are needed",
            fix=f"give a list such as [{_example(wanted).removeprefix('use ')}, ...]",
        )
    return check_array(value, where=where, name=name, shape=shape)


def format_si(value: float, unit: str) -> str:
    """Write a value in SI with the unit that people would use; `parse_quantity` reads it back exactly.

    Parameters
    ----------
    value : float
        In SI, finite.
    unit : str
        SI unit of the value.

    Returns
    -------
    str

    Examples
    --------
    >>> format_si(0.02, "s"), format_si(5e-12, "A*s")
    ('20 ms', '5e-12 A*s')
    """
    dim = dimension(unit)
    if dim == Dimension():
        return _digits(value, 0) or repr(float(value))
    powers = _powers(dim)
    usual = _SHOWN.get(str(dim))
    if value == 0 and usual is not None:
        return f"0 {usual}"
    fitting = [pair for pair in powers if abs(value) * (1 + 1e-12) >= float(f"1e{pair[0]}")] or [*powers[:1]]
    for power, name in [*fitting[-1:], *(pair for pair in powers if pair[0] == 0)]:
        if text := _digits(value, power):
            return f"{text} {name}"
    tens = _unit(unit)[0]
    text = _digits(value, int(tens)) if tens.denominator == 1 else ""
    plain = unit.removeprefix("1") if unit.startswith("1/") else unit
    return f"{text} {plain}" if text else f"{float(value)!r} {str(dim).removeprefix('1')}"


@lru_cache(maxsize=64)
def _powers(dim: Dimension) -> tuple[tuple[int, str], ...]:
    """Units of a dimension that people would write, by their power of ten."""
    fitting = ((power, name) for name, (power, other) in _POWERS.items() if other == dim and name != "cm")
    return tuple(sorted(fitting))


def _digits(value: float, power: int) -> str:
    """Shortest decimal text that, times a power of ten, is exactly the value; empty if there is none."""
    scaled = float(value) / float(f"1e{power}") if power >= 0 else float(value) * float(f"1e{-power}")
    if not math.isfinite(scaled):
        return ""
    texts = (f"{scaled:.{digits}g}" for digits in range(1, 18))
    for text in texts:
        mantissa, _, exponent = text.partition("e")
        if _scale(mantissa, exponent, power) == value:
            plain = 1e-4 <= abs(scaled) < 1e6
            return f"{Decimal(text):f}" if plain else text
    return ""


def _quantity(value: Any, unit: str) -> tuple[Any, Dimension] | None:
    """Magnitude in SI and dimension of a quantity of Brian2 or pint; None for anything else."""
    brian: Any = getattr(value, "dim", None)
    if hasattr(brian, "get_dimension"):
        words = ("length", "mass", "time", "current", "temperature", "quantity of substance", "luminosity")
        powers = (Fraction(brian.get_dimension(word)).limit_denominator(100) for word in words)
        return np.array(value, dtype=float, subok=False), Dimension(*powers)
    if not hasattr(value, "dimensionality") or not hasattr(value, "to_base_units"):
        return None
    names = ("length", "mass", "time", "current", "temperature", "substance", "luminosity")
    found = {str(k).strip("[]"): Fraction(p).limit_denominator(100) for k, p in value.dimensionality.items()}
    dim = Dimension(*(found.get(name, 0) for name in names))
    if dim != dimension(unit):
        return np.array(value.magnitude, dtype=float), dim
    return np.array(value.to("" if unit == "1" else unit).magnitude, dtype=float), dim


def _example(wanted: Dimension, number: float | None = None) -> str:
    """Say what one would write instead."""
    if wanted == Dimension():
        return "use a number such as 0.5"
    unit = _SHOWN.get(str(wanted), str(wanted))
    return f'use for example "20 {unit}"' if number is None else f'did you mean "{number:g} {unit}"?'


@lru_cache(maxsize=1024)
def _unit(text: str) -> tuple[Exponent, Dimension]:
    """Parse a product of units into a power of ten and a dimension."""
    if len(text) > _LONGEST:
        raise UnitsError.of(name="unit", value=text, bound=f"must have at most {_LONGEST} characters")
    tens: Exponent = 0
    dim, place = Dimension(), 0
    while text[place:].strip():
        match = _TERM.match(text, place)
        if (
            match is None
            or (match["operator"] is None and place > 0)
            or (match["operator"] == "*" and place == 0)
        ):
            raise UnitsError.of(
                name="unit",
                value=text,
                bound="must be units joined by * or /",
                fix='write for example "pA*ms" or "1/ms"',
            )
        if match["unit"] not in _POWERS:
            error = unknown("", match["unit"], _POWERS, kind="unit")
            raise UnitsError.of(bound=error.bound or "", fix=error.fix or "")
        power = _exponent(match["power"] or "1") * (-1 if match["operator"] == "/" else 1)
        exponent, base = _POWERS[match["unit"]]
        tens, dim, place = tens + exponent * power, dim * base**power, match.end()
    return tens, dim


def _exponent(text: str) -> Exponent:
    power = Fraction(text)
    return int(power) if power.denominator == 1 else power


def _scale(mantissa: str, exponent: str | None, tens: Exponent) -> float:
    """Multiply decimal text by a power of ten, rounding once."""
    if len(mantissa) > _LONGEST or len(exponent or "") > 5:
        return math.inf
    if tens.denominator == 1:
        return float(f"{mantissa}e{int(exponent or 0) + int(tens)}")
    return float(f"{mantissa}e{exponent or 0}") * math.pow(10.0, tens)
