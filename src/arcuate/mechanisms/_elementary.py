"""Exponentials with the same bits in NumPy, Numba, C++ and Cython.

Each function is written once, in additions, multiplications, divisions and choices that IEEE 754 defines
to the last bit. Called with NumPy arrays it computes; called with a symbol it writes the source of the
same operations, one a line, for a compiler that must not contract them. There is no table and no branch,
so compilers vectorize loops over them.

``exp(x) = 2**k exp(r)`` with ``k`` the whole number next to ``x/ln 2``, which the sum with a large number
rounds to and leaves in the low bits (Cody and Waite 1980, Software Manual for the Elementary Functions,
chapter 6); ``r`` is the rest, at most ``ln(2)/2``, and ``exp(r) - 1 - r`` is ``r**2`` times a polynomial.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["ELEMENTARY", "source", "used"]

LOWEST, HIGHEST = -746.0, 710.0
"""Below the first, exp(x) is 0; above the second, infinity."""

INV_LN2 = 1.4426950408889634
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
"""ln 2 in two parts; the first has 21 zeros at its end, so its product with a whole k is exact."""

BIASED = 6755399441055744.0 + 2046.0
"""1.5 * 2**52, where floats are whole numbers, plus twice the bias of a float's exponent."""

POLYNOMIAL = (
    0.5000000000000011, 0.16666666666666413, 0.041666666666530155, 0.008333333333494461,
    0.0013888888943630134, 0.00019841269506578723, 2.480149309888739e-05, 2.755758637378518e-06,
    2.763024838532302e-07, 2.500006162553128e-08,
)  # fmt: skip
"""Coefficients of (exp(r) - 1 - r)/r**2 on +-ln(2)/2: our own Remez fit, relative error of exp 3.6e-18."""


@dataclass(frozen=True, kw_only=True)
class _Dialect:
    """How a language writes a function of one number."""

    head: str
    let: str
    choose: str
    scales: tuple[str, ...]
    give: str
    tail: str = ""


_DIALECTS: Mapping[str, _Dialect] = {
    "numba": _Dialect(
        head="@inlined\ndef {name}(x):",
        let="    {0} = {1}",
        choose="({1} if {0} else {2})",
        scales=("    {1} = scale_low({0})", "    {2} = scale_high({0})"),
        give="    return {0}",
    ),
    "cpp": _Dialect(
        head="inline double {name}(double x) {{",
        let="    double {0} = {1};",
        choose="({0} ? {1} : {2})",
        scales=(
            "    union {{ double number; unsigned long long bits; }} of_{0}, of_{1}, of_{2};",
            "    of_{0}.number = {0};",
            "    of_{1}.bits = (of_{0}.bits >> 1) << 52;",
            "    of_{2}.bits = (of_{0}.bits - (of_{0}.bits >> 1)) << 52;",
            "    double {1} = of_{1}.number, {2} = of_{2}.number;",
        ),
        give="    return {0};",
        tail="}}",
    ),
    "cython": _Dialect(
        head=(  # Brian2 calls the module so; division by zero gives infinity, as everywhere else
            "from libc.string cimport memcpy as arc_memcpy\n"
            "@_cython.cdivision(True)\n"
            "cdef inline double {name}(double x):"
        ),
        let="    cdef double {0} = {1}",
        choose="({1} if {0} else {2})",
        scales=(
            "    cdef double {1}, {2}",
            "    cdef unsigned long long of_{0}, of_{1}, of_{2}",
            "    arc_memcpy(&of_{0}, &{0}, 8)",
            "    of_{1} = (of_{0} >> 1) << 52",
            "    of_{2} = (of_{0} - (of_{0} >> 1)) << 52",
            "    arc_memcpy(&{1}, &of_{1}, 8)",
            "    arc_memcpy(&{2}, &of_{2}, 8)",
        ),
        give="    return {0}",
    ),
}


@dataclass
class _Trace:
    """Lines written so far."""

    dialect: _Dialect
    lines: list[str] = field(default_factory=list)
    count: int = 0

    def fresh(self) -> _Symbol:
        self.count += 1
        return _Symbol(self, f"t{self.count}")

    def let(self, text: str) -> _Symbol:
        symbol = self.fresh()
        self.lines.append(self.dialect.let.format(symbol.name, text))
        return symbol


@dataclass(frozen=True)
class _Symbol:
    """A number that is not known yet; what is done with it becomes source."""

    trace: _Trace
    name: str

    def _binary(self, op: str, left: object, right: object) -> _Symbol:
        return self.trace.let(f"{_text(left)} {op} {_text(right)}")

    def __add__(self, other: object) -> _Symbol:
        return self._binary("+", self, other)

    def __radd__(self, other: object) -> _Symbol:
        return self._binary("+", other, self)

    def __sub__(self, other: object) -> _Symbol:
        return self._binary("-", self, other)

    def __mul__(self, other: object) -> _Symbol:
        return self._binary("*", self, other)

    def __truediv__(self, other: object) -> _Symbol:
        return self._binary("/", self, other)

    def __neg__(self) -> _Symbol:
        return self.trace.let(f"-{self.name}")

    def __lt__(self, other: object) -> str:
        return f"{self.name} < {_text(other)}"

    def __gt__(self, other: object) -> str:
        return f"{self.name} > {_text(other)}"


def _text(operand: object) -> str:
    return operand.name if isinstance(operand, _Symbol) else repr(operand)


def _choose(x: Any, condition: Any, yes: Any, no: Any) -> Any:
    """`yes` where the condition on x holds."""
    if isinstance(x, _Symbol):
        return x.trace.let(x.trace.dialect.choose.format(condition, _text(yes), _text(no)))
    return np.where(condition, yes, no)


def _scales(t: Any) -> tuple[Any, Any]:
    """2**k as a product of two floats, from the low bits of t, so that a subnormal result is rounded once."""
    if isinstance(t, _Symbol):
        names = t.trace.fresh(), t.trace.fresh()
        t.trace.lines += [line.format(t.name, *(n.name for n in names)) for line in t.trace.dialect.scales]
        return names
    bits = np.asarray(t, np.float64).view(np.uint64)
    half = bits >> np.uint64(1)
    low, high = half << np.uint64(52), (bits - half) << np.uint64(52)
    return low.view(np.float64), high.view(np.float64)


def _parts(x: Any) -> tuple[Any, Any, Any, Any]:
    """exp(r) - 1, k, and 2**k as a product."""
    z = _choose(x, x < LOWEST, LOWEST, x)
    z = _choose(x, x > HIGHEST, HIGHEST, z)
    t = z * INV_LN2 + BIASED
    k = t - BIASED
    r = (z - k * LN2_HIGH) - k * LN2_LOW
    q = r * POLYNOMIAL[-1] + POLYNOMIAL[-2]
    for coefficient in POLYNOMIAL[-3::-1]:
        q = q * r + coefficient
    return r + (r * r) * q, k, *_scales(t)


def _exp(x: Any) -> Any:
    p, _, low, high = _parts(x)
    return ((p + 1.0) * low) * high


def _expm1(x: Any) -> Any:
    """exp(x) - 1, without the loss of digits next to 0."""
    p, k, low, high = _parts(x)
    large = ((p + 1.0) * low) * high
    small = (p * low) * high + (low * high - 1.0)
    return _choose(k, k > 60.0, large, small)


def _exprel(x: Any) -> Any:
    """(exp(x) - 1)/x, and 1 at 0."""
    zero = f"{x.name} == 0.0" if isinstance(x, _Symbol) else x == 0.0
    quotient = _expm1(x) / _choose(x, x > HIGHEST, HIGHEST, x)  # infinity at infinity
    return _choose(x, zero, 1.0, quotient)


def _tanh(x: Any) -> Any:
    size = _choose(x, x < 0.0, -x, x)
    size = _choose(size, size > 20.0, 20.0, size)  # where tanh is 1, to the last bit
    e = _expm1(size * 2.0)
    y = e / (e + 2.0)
    return _choose(x, x < 0.0, -y, y)


_WRITTEN: Mapping[str, Callable[[Any], Any]] = {"exp": _exp, "exprel": _exprel, "tanh": _tanh}


def _with_numpy(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def compute(x: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(np.asarray(x, np.float64))[()]

    return compute


ELEMENTARY: Mapping[str, Callable[[Any], Any]] = {
    name: _with_numpy(function) for name, function in _WRITTEN.items()
}
"""The functions, for NumPy arrays of float64, by their names in the expression language."""


def source(name: str, dialect: str) -> str:
    """Write a function as source, under the name ``arc_`` and its own.

    Parameters
    ----------
    name : {"exp", "exprel", "tanh"}
        Name in the expression language.
    dialect : {"numba", "cpp", "cython"}
        Numba source needs ``inlined``, ``scale_low`` and ``scale_high`` in scope.

    Returns
    -------
    str
        One function of one double.

    Examples
    --------
    >>> print(source("exp", "cpp").splitlines()[0])
    inline double arc_exp(double x) {
    """
    words = _DIALECTS[dialect]
    trace = _Trace(words)
    result = _WRITTEN[name](_Symbol(trace, "x"))
    lines = [words.head.format(name=f"arc_{name}"), *trace.lines, words.give.format(result.name)]
    return "\n".join([*lines, words.tail.format()] if words.tail else lines) + "\n"


def used(text: str) -> list[str]:
    """Names of the functions that a source calls.

    Parameters
    ----------
    text : str
        Source.

    Returns
    -------
    list of str

    Examples
    --------
    >>> used("v = arc_exp(u)")
    ['exp']
    """
    called = set(re.findall(r"\barc_(\w+)\(", text))
    return [name for name in _WRITTEN if name in called]
