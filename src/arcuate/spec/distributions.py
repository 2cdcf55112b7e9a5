"""Distributions: numbers to be drawn later, one per neuron or per synapse.

A specification holds the distribution; the plan draws from it, from a stream with an address.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from arcuate.errors import SpecError, UnitsError, unknown
from arcuate.spec.values import FrozenDict, Quantity, Values, quantity, same_unit
from arcuate.units import is_quantity_text

__all__ = [
    "DISTRIBUTIONS",
    "Distribution",
    "Exponential",
    "LogNormal",
    "LogUniform",
    "Normal",
    "Uniform",
    "value_from",
]

Array = npt.NDArray[np.float64]

#: A number and one word: a quantity, even if nobody knows its unit.
_LIKE_QUANTITY = re.compile(r"\s*[+-]?[0-9.]+([eE][+-]?[0-9]+)?\s*[A-Za-z]+\s*\Z", re.ASCII)


def check_fields(cls: type[Any], args: tuple[Any, ...], values: Mapping[str, Any]) -> None:
    """Refuse a field that a dataclass does not have, or one that it needs and was not given.

    Parameters
    ----------
    cls : type
        The dataclass.
    args : tuple
        Values given by position.
    values : mapping
        Values given by name.

    Raises
    ------
    SpecError
        Naming the field, and the nearest one if it is unknown.

    Examples
    --------
    >>> check_fields(Uniform, (0,), {"high": 1})
    """
    known = {field.name: field for field in fields(cls)}
    for key in values:
        if key not in known:
            raise unknown(cls.__name__, key, known, kind="field")
    given = {*values, *[key for key, field in known.items() if not field.kw_only][: len(args)]}
    for key, field in known.items():
        if key not in given and field.default is MISSING and field.default_factory is MISSING:
            raise SpecError.of(where=cls.__name__, name=key, bound="is missing")


@dataclass(frozen=True)
class Distribution:
    """Base of the distributions: numbers to be drawn later, one per neuron or per synapse.

    Examples
    --------
    >>> import numpy as np
    >>> Uniform(0, 1).sample(np.random.default_rng(0), 3).shape
    (3,)
    """

    dist: ClassVar[str] = ""

    def __new__(cls, *args: Any, **values: Any) -> Self:
        """Refuse a misspelt or a missing parameter by name, before Python does in words of its own."""
        check_fields(cls, args, values)
        return super().__new__(cls)

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))

    def __post_init__(self) -> None:
        where = f"Distribution {self.dist!r}"
        units = []
        for field in fields(self):
            value = quantity(getattr(self, field.name), None, where=where, name=field.name)
            object.__setattr__(self, field.name, value)
            units.append(value.unit if isinstance(value, Quantity) else "1")
        if len(set(units)) > 1:
            names = ", ".join(
                f"{field.name} in {unit}" for field, unit in zip(fields(self), units, strict=True)
            )
            raise UnitsError.of(
                where=where,
                bound=f"the parameters have different units ({names})",
                fix="give all the same unit",
            )
        self._check(where)

    def _check(self, where: str) -> None:
        """Refuse parameters that define no distribution."""

    @property
    def unit(self) -> str:
        """SI unit of the numbers drawn."""
        value = getattr(self, fields(self)[0].name)
        return value.unit if isinstance(value, Quantity) else "1"

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest number that can be drawn, in SI."""
        return -np.inf, np.inf

    def sample(self, rng: np.random.Generator, size: int | tuple[int, ...]) -> Array:
        """Draw numbers.

        Parameters
        ----------
        rng : numpy.random.Generator
            Stream to draw from.
        size : int or tuple of int
            Shape.

        Returns
        -------
        array
            In SI.
        """
        raise NotImplementedError

    def quantile(self, p: npt.ArrayLike) -> Array:
        """Numbers below which a draw lies with some probability: the inverse of the distribution function.

        Parameters
        ----------
        p : array_like
            Probabilities, from 0 to 1.

        Returns
        -------
        array, of the shape of p
            In SI.

        Examples
        --------
        >>> Uniform("10 ms", "30 ms").quantile([0.0, 1.0]).tolist()
        [0.01, 0.03]
        """
        raise NotImplementedError

    def tree(self) -> dict[str, Any]:
        """The distribution as a table: its kind and its parameters."""
        return {"dist": self.dist, **{field.name: getattr(self, field.name) for field in fields(self)}}


def _standard_normal(p: npt.ArrayLike) -> Array:
    """Quantiles of the standard normal distribution."""
    from scipy.special import ndtri

    return np.asarray(ndtri(np.asarray(p, float)))


def _refuse(where: str, name: str, value: float, bound: str) -> SpecError:
    return SpecError.of(where=where, name=name, value=value, bound=bound)


@dataclass(frozen=True)
class Uniform(Distribution):
    """Uniform between `low` and `high`.

    Parameters
    ----------
    low, high : float or str
        Bounds, such as ``0.1`` or ``"5 ms"``.

    Examples
    --------
    >>> Uniform("1 ms", "5 ms").unit
    's'
    """

    dist: ClassVar[str] = "uniform"
    low: Any
    high: Any

    def _check(self, where: str) -> None:
        if self.low > self.high:
            raise _refuse(where, "low", self.low, f"must be <= high ({self.high!r})")

    @property
    def support(self) -> tuple[float, float]:
        return float(self.low), float(self.high)

    def sample(self, rng: np.random.Generator, size: int | tuple[int, ...]) -> Array:
        return float(self.low) + (float(self.high) - float(self.low)) * rng.random(size)

    def quantile(self, p: npt.ArrayLike) -> Array:
        return float(self.low) + (float(self.high) - float(self.low)) * np.asarray(p, float)


@dataclass(frozen=True)
class Normal(Distribution):
    """Normal with a mean and a standard deviation.

    Parameters
    ----------
    mean, sd : float or str
        Mean and standard deviation, sd >= 0.

    Examples
    --------
    >>> Normal(6, 1).mean
    6.0
    """

    dist: ClassVar[str] = "normal"
    mean: Any
    sd: Any

    def _check(self, where: str) -> None:
        if self.sd < 0:
            raise _refuse(where, "sd", self.sd, "must be >= 0")

    def sample(self, rng: np.random.Generator, size: int | tuple[int, ...]) -> Array:
        return float(self.mean) + float(self.sd) * rng.standard_normal(size)

    def quantile(self, p: npt.ArrayLike) -> Array:
        return float(self.mean) + float(self.sd) * _standard_normal(p)


@dataclass(frozen=True)
class LogUniform(Distribution):
    """Uniform in the logarithm, between `low` and `high`.

    Parameters
    ----------
    low, high : float or str
        Bounds, > 0.

    Examples
    --------
    >>> LogUniform(0.0005, 0.02).support
    (0.0005, 0.02)
    """

    dist: ClassVar[str] = "loguniform"
    low: Any
    high: Any

    def _check(self, where: str) -> None:
        if self.low <= 0:
            raise _refuse(where, "low", self.low, "must be > 0")
        if self.low > self.high:
            raise _refuse(where, "low", self.low, f"must be <= high ({self.high!r})")

    @property
    def support(self) -> tuple[float, float]:
        return float(self.low), float(self.high)

    def sample(self, rng: np.random.Generator, size: int | tuple[int, ...]) -> Array:
        low, high = np.log(float(self.low)), np.log(float(self.high))
        drawn = np.exp(low + (high - low) * rng.random(size))
        return np.clip(drawn, float(self.low), float(self.high))

    def quantile(self, p: npt.ArrayLike) -> Array:
        low, high = np.log(float(self.low)), np.log(float(self.high))
        found = np.exp(low + (high - low) * np.asarray(p, float))
        return np.asarray(np.clip(found, float(self.low), float(self.high)))


@dataclass(frozen=True)
class LogNormal(Distribution):
    """Log-normal, by the mean and standard deviation of the numbers themselves, not of their logarithm.

    Parameters
    ----------
    mean, sd : float or str
        Mean > 0 and standard deviation >= 0.

    Examples
    --------
    >>> LogNormal(1.0, 0.5).support[0]
    0.0
    """

    dist: ClassVar[str] = "lognormal"
    mean: Any
    sd: Any

    def _check(self, where: str) -> None:
        if self.mean <= 0:
            raise _refuse(where, "mean", self.mean, "must be > 0")
        if self.sd < 0:
            raise _refuse(where, "sd", self.sd, "must be >= 0")

    @property
    def support(self) -> tuple[float, float]:
        return 0.0, np.inf

    def sample(self, rng: np.random.Generator, size: int | tuple[int, ...]) -> Array:
        variance = np.log1p((float(self.sd) / float(self.mean)) ** 2)
        location = np.log(float(self.mean)) - 0.5 * variance
        return np.exp(location + np.sqrt(variance) * rng.standard_normal(size))

    def quantile(self, p: npt.ArrayLike) -> Array:
        variance = np.log1p((float(self.sd) / float(self.mean)) ** 2)
        location = np.log(float(self.mean)) - 0.5 * variance
        return np.asarray(np.exp(location + np.sqrt(variance) * _standard_normal(p)))


@dataclass(frozen=True)
class Exponential(Distribution):
    """Exponential with mean `scale`.

    Parameters
    ----------
    scale : float or str
        Mean, > 0.

    Examples
    --------
    >>> Exponential("200 ms").scale
    200 ms
    """

    dist: ClassVar[str] = "exponential"
    scale: Any

    def _check(self, where: str) -> None:
        if self.scale <= 0:
            raise _refuse(where, "scale", self.scale, "must be > 0")

    @property
    def support(self) -> tuple[float, float]:
        return 0.0, np.inf

    def sample(self, rng: np.random.Generator, size: int | tuple[int, ...]) -> Array:
        return float(self.scale) * rng.standard_exponential(size)

    def quantile(self, p: npt.ArrayLike) -> Array:
        return -float(self.scale) * np.log1p(-np.asarray(p, float))


#: Distributions by the word that names them in a file.
DISTRIBUTIONS: Mapping[str, Callable[..., Distribution]] = FrozenDict(
    {kind.dist: kind for kind in (Uniform, Normal, LogUniform, LogNormal, Exponential)}
)


def value_from(value: Any, unit: str | None, *, where: str, name: str) -> Any:
    """Read a value of any form: a number, a distribution, an array, or the text of an expression.

    Parameters
    ----------
    value : object
        A number or ``"20 ms"``; a `Distribution` or ``{"dist": ...}``; an array, a list, `Values` or
        ``{"values": [...], "unit": "ms"}``; or an expression, returned as it is.
    unit : str or None
        SI unit it must have; ``None`` takes any.
    where, name : str
        For the message.

    Returns
    -------
    float, Distribution, Values or str
        Frozen and in SI.

    Raises
    ------
    SpecError
        If it has none of these forms.

    Examples
    --------
    >>> value_from({"dist": "uniform", "low": 0, "high": 1}, "1", where="Population", name="rho")
    Uniform(low=0.0, high=1.0)
    """
    if isinstance(value, Mapping):
        value = _from_table(value, where=where, name=name)
    elif isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and _is_plain(value)):
        value = Values(value, where=where, name=name)
    if isinstance(value, (Distribution, Values)):
        if unit is not None and not same_unit(value.unit, unit):
            fix = (
                f'give it as Values(x, "{unit}")'
                if isinstance(value, Values)
                else "give its parameters units"
            )
            raise UnitsError.of(
                where=where, name=name, value=value, bound=f"must be in {unit}, not in {value.unit}", fix=fix
            )
        return value
    if isinstance(value, str) and not (is_quantity_text(value) or _LIKE_QUANTITY.match(value)):
        return value
    return quantity(value, unit, where=where, name=name)


def _is_plain(array: np.ndarray) -> bool:
    """Whether an array has axes and no unit of another package."""
    return array.ndim > 0 and not hasattr(array, "dim")


def _from_table(table: Mapping[str, Any], *, where: str, name: str) -> Distribution | Values:
    """Read a distribution or an array from its table."""
    entries = dict(table)
    if "values" in entries:
        extra = set(entries) - {"values", "unit"}
        if extra:
            raise unknown(f"{where}, {name}", extra.pop(), ("values", "unit"), kind="field")
        return Values(entries["values"], entries.get("unit", "1"), where=where, name=name)
    kind = entries.pop("dist", None)
    if kind is None:
        raise SpecError.of(
            where=where,
            name=name,
            value=dict(table),
            bound="must be a value",
            fix='a table needs dist="uniform" (and low, high) or values=[...]',
        )
    if kind not in DISTRIBUTIONS:
        raise unknown(f"{where}, {name}", kind, DISTRIBUTIONS, kind="distribution")
    known = [field.name for field in fields(DISTRIBUTIONS[kind])]  # type: ignore[arg-type]
    for key in entries:
        if key not in known:
            raise unknown(f"{where}, {name}", key, known, kind=f"parameter of {kind!r}")
    for key in known:
        if key not in entries:
            raise SpecError.of(where=where, name=f"{name}.{key}", bound=f"is missing for dist={kind!r}")
    return DISTRIBUTIONS[kind](**entries)
