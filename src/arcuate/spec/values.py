"""Values that a specification holds: quantities, arrays and tables, all frozen.

A value given as ``"20 ms"`` becomes a `Quantity`, a float in SI that remembers its unit, so a part can be
rebuilt from its own fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from arcuate.errors import SpecError, UnitsError, check_array, check_real
from arcuate.units import dimension, format_si, parse_quantity, to_si

__all__ = ["FrozenDict", "Quantity", "Values", "check_bounds", "quantity", "same_unit"]

Array = npt.NDArray[np.float64]
K = TypeVar("K")
V_co = TypeVar("V_co", covariant=True)

#: SI units by which a value is named when nothing else says which.
_NAMED_UNITS = (
    "1",
    "s",
    "V",
    "A",
    "F",
    "S",
    "ohm",
    "1/s",
    "S/V",
    "A*s",
    "V*s",
    "A*s**0.5",
    "V*s**0.5",
    "V/s",
    "A/s",
    "m",
    "1/V",
    "1/V**2",
    "S/V**2",
    "F/V",
)


class Quantity(float):
    """A float in SI that remembers its unit.

    Parameters
    ----------
    value : float
        The number, in SI.
    unit : str
        SI unit.

    Examples
    --------
    >>> delay = Quantity(0.0015, "s")
    >>> delay, delay == 0.0015, delay * 2
    (1.5 ms, True, 0.003)
    """

    __slots__ = ("unit",)
    unit: str

    def __new__(cls, value: float, unit: str) -> Quantity:
        self = super().__new__(cls, value)
        self.unit = unit
        return self

    def __reduce__(self) -> tuple[type[Quantity], tuple[float, str]]:
        return Quantity, (float(self), self.unit)

    @property
    def text(self) -> str:
        """The quantity as text that reads back as the same float."""
        text = format_si(float(self), self.unit)
        if parse_quantity(text)[0] == float(self):
            return text
        return f"{float(self)!r} {self.unit.removeprefix('1') or '1'}"

    def __repr__(self) -> str:
        return self.text

    __str__ = __repr__


class FrozenDict(Mapping[K, V_co], Generic[K, V_co]):
    """A mapping that cannot change, keeps its order and can be hashed.

    Parameters
    ----------
    items : mapping
        Copied.

    Examples
    --------
    >>> FrozenDict({"a": 1})["a"]
    1
    """

    __slots__ = ("_items",)
    _items: dict[K, V_co]

    def __init__(self, items: Mapping[K, V_co] | None = None) -> None:
        object.__setattr__(self, "_items", dict(items or {}))

    def __getitem__(self, key: K) -> V_co:
        return self._items[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a specification is frozen; {name!r} cannot be set")

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenDict, (dict(self._items),)

    def __repr__(self) -> str:
        return repr(self._items)


class Values:
    """A frozen array of numbers with a unit.

    Parameters
    ----------
    values : array_like
        One or two axes of numbers, in multiples of `unit`; or of texts such as ``"20 ms"``.
    unit : str
        Unit of the numbers, such as ``"ms"``.
    where, name : str
        For the message.

    Raises
    ------
    SpecError
        If the values are not finite real numbers.

    Examples
    --------
    >>> Values([10, 20], "ms").array
    array([0.01, 0.02])
    """

    __slots__ = ("array", "unit")
    array: Array
    unit: str

    def __init__(self, values: Any, unit: str = "1", *, where: str = "Values", name: str = "values") -> None:
        factor, si_unit = 1.0, "1"
        if unit not in ("1", ""):
            factor, si_unit = _factor(unit, where=where, name=name)
        if isinstance(values, (list, tuple)) and any(isinstance(item, (str, Quantity)) for item in values):
            first = quantity(values[0], None, where=where, name=name)
            si_unit = first.unit if isinstance(first, Quantity) else "1"
            values = [float(quantity(item, si_unit, where=where, name=name)) for item in values]
            factor = 1.0
        array = check_array(values, where=where, name=name)
        if array.ndim not in (1, 2) or array.size == 0:
            raise SpecError.of(
                where=where,
                name=name,
                value=np.shape(array),
                bound="must be an array of one or two axes with at least one element",
            )
        if factor != 1.0:
            array = array * factor
            array.flags.writeable = False
        object.__setattr__(self, "array", array)
        object.__setattr__(self, "unit", si_unit)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a specification is frozen; {name!r} cannot be set")

    def __reduce__(self) -> tuple[Any, ...]:
        return Values, (self.array, self.unit)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if dtype is not None or copy:
            return np.array(self.array, dtype=dtype)
        return self.array

    def __len__(self) -> int:
        return len(self.array)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.array.shape

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Values) and self.unit == other.unit and np.array_equal(self.array, other.array)
        )

    def __hash__(self) -> int:
        return hash((self.unit, self.array.shape, self.array.tobytes()))

    def __repr__(self) -> str:
        unit = "" if self.unit == "1" else f" {self.unit}"
        return f"Values(shape={self.array.shape}, {self.array.min():g} to {self.array.max():g}{unit})"


def _factor(unit: str, *, where: str, name: str) -> tuple[float, str]:
    """Return the SI value and the SI name of one `unit`."""
    if not isinstance(unit, str):
        raise UnitsError.of(where=where, name=name, value=unit, bound="the unit must be a text such as 'ms'")
    try:
        factor, dims = parse_quantity(f"1 {unit}")
    except SpecError as error:
        raise UnitsError.of(
            where=where, name=name, value=unit, bound="must be a known unit", fix='write it as in "20 ms"'
        ) from error
    return factor, _unit_name(dims, where=where, name=name)


def _unit_name(dims: Any, *, where: str, name: str) -> str:
    """Return the SI name of a dimension that a value of a network may have."""
    for unit in _NAMED_UNITS:
        if dimension(unit) == dims:
            return unit
    raise UnitsError.of(
        where=where,
        name=name,
        bound="has a dimension that nothing in a network has",
        fix=f"units used here are {', '.join(_NAMED_UNITS[1:9])} and their multiples",
    )


def same_unit(given: str, wanted: str) -> bool:
    """Whether two unit names mean the same dimension.

    Parameters
    ----------
    given, wanted : str
        SI unit names.

    Returns
    -------
    bool

    Examples
    --------
    >>> same_unit("Hz", "1/s")
    True
    """
    return given == wanted or dimension(given) == dimension(wanted)


def quantity(
    value: Any,
    unit: str | None,
    *,
    where: str,
    name: str,
    low: float | None = None,
    high: float | None = None,
    low_open: bool = False,
    high_open: bool = False,
) -> float:
    """Read one number with its unit.

    Parameters
    ----------
    value : float, str or quantity
        ``"20 ms"``, a number (dimensionless only), or a `Quantity`.
    unit : str or None
        SI unit it must have; ``None`` takes any and keeps it.
    where, name : str
        For the message.
    low, high : float or None
        Bounds, in SI.
    low_open, high_open : bool
        Whether a bound itself is excluded.

    Returns
    -------
    float
        In SI; a `Quantity` unless dimensionless.

    Raises
    ------
    UnitsError
        If the unit is missing or wrong.
    SpecError
        If it is not a finite number or out of bounds.

    Examples
    --------
    >>> quantity("20 ms", "s", where="Neuron", name="tau_m")
    20 ms
    """
    number: float
    if isinstance(value, Quantity):
        if unit is not None and not same_unit(value.unit, unit):
            raise UnitsError.of(where=where, name=name, value=value.text, bound=f"must be in {unit}")
        unit = unit or value.unit
        number = float(value)
    elif unit is None:
        if isinstance(value, str):
            number, dims = parse_quantity(value)
            unit = _unit_name(dims, where=where, name=name)
        elif isinstance(value, (int, float, np.number)) and not isinstance(value, (bool, np.bool_)):
            number, unit = check_real(value, where=where, name=name), "1"
        else:
            raise SpecError.of(
                where=where, name=name, value=value, bound='must be a number or a text such as "20 pA"'
            )
    else:
        number = to_si(value, unit, where=where, name=name)
    number = number + 0.0
    check_bounds(
        number, unit, where=where, name=name, low=low, high=high, low_open=low_open, high_open=high_open
    )
    return number if unit == "1" else Quantity(number, unit)


def check_bounds(
    value: float | Array,
    unit: str,
    *,
    where: str,
    name: str,
    low: float | None = None,
    high: float | None = None,
    low_open: bool = False,
    high_open: bool = False,
) -> None:
    """Refuse a number, or an array with an element, that is not finite or out of bounds.

    Parameters
    ----------
    value : float or array
        In SI.
    unit : str
        SI unit, for the message.
    where, name : str
        For the message.
    low, high : float or None
        Bounds, in SI.
    low_open, high_open : bool
        Whether a bound itself is excluded.

    Raises
    ------
    SpecError
        If an element is out of bounds; the message names the first.

    Examples
    --------
    >>> check_bounds(0.02, "s", where="Neuron", name="tau_m", low=0.0)
    """
    array = np.asarray(value, dtype=float)
    bad = ~np.isfinite(array)
    if low is not None:
        bad |= array <= low if low_open else array < low
    if high is not None:
        bad |= array >= high if high_open else array > high
    if not bad.any():
        return
    words = [] if low is None else [f"{'>' if low_open else '>='} {_show(low, unit)}"]
    words += [] if high is None else [f"{'<' if high_open else '<='} {_show(high, unit)}"]
    first = float(array[bad][0]) if array.ndim else float(array)
    bound = ("must be finite and " if not np.isfinite(first) else "must be ") + " and ".join(words)
    if array.ndim:
        bound += f"; element {int(np.flatnonzero(bad)[0])} is not"
    raise SpecError.of(
        where=where, name=name, value=first if unit == "1" else _show(first, unit), bound=bound or "finite"
    )


def _show(value: float, unit: str) -> str:
    return f"{value:g}" if unit == "1" else str(format_si(value, unit))
