"""The tree of an expression, and what is done with it: values, dimensions, source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from arcuate.errors import UnitsError
from arcuate.mechanisms._elementary import ELEMENTARY
from arcuate.units import UNITS, Dimension

COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
CONDITIONS = frozenset({*COMPARISONS, "and", "or", "not"})
"""Operations whose result is true or false."""


class Node(NamedTuple):
    """One operation of an expression: a word, its operands, and a number or a name for a leaf."""

    op: str
    args: tuple[Node, ...] = ()
    value: Any = None


def leaves(node: Node) -> Iterator[Node]:
    """Numbers, names and units of a tree, from left to right."""
    if not node.args:
        yield node
    for arg in node.args:
        yield from leaves(arg)


def extent(node: Node) -> tuple[int, int]:
    """Operations and depth of the source that a tree becomes, where powers and choices repeat operands."""
    if not node.args:
        return 1, 1
    sizes, depths = zip(*map(extent, node.args), strict=True)
    copies, levels = 1, 1
    if node.op == "power":
        copies, levels = abs(node.value), abs(node.value)
    elif node.op in ("min", "max", "clip"):
        copies, levels = 3, 3
    return 1 + min(copies * sum(sizes), 10**9), levels + max(depths)


def evaluate(node: Node, values: Mapping[str, Any]) -> Any:
    """Compute a tree with NumPy."""
    if node.op == "name":
        return values[node.value]
    if node.op in ("number", "unit"):
        return np.float64(UNITS[node.value][0] if node.op == "unit" else node.value)
    args = [evaluate(arg, values) for arg in node.args]
    if node.op == "power":
        product = reduce(np.multiply, args * abs(node.value))
        return product if node.value > 0 else 1.0 / product
    return _NUMPY[node.op](*args)


_NUMPY: dict[str, Callable[..., Any]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "pow": np.power, "neg": np.negative,
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
    "==": np.equal, "!=": np.not_equal,
    "and": lambda *args: reduce(np.logical_and, args),
    "or": lambda *args: reduce(np.logical_or, args),
    "not": np.logical_not, "where": np.where,
    **ELEMENTARY, "log": np.log, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos,
    "abs": np.abs, "floor": np.floor,
    "min": lambda a, b: np.where((a < b) | (a != a), a, b),
    "max": lambda a, b: np.where((a > b) | (a != a), a, b),
    "clip": lambda x, low, high: np.where(x < low, low, np.where(x > high, high, x)),
}  # fmt: skip

_SAME = {
    "neg": "(-{0})", "not": "(not {0})", "pow": "({0} ** {1})",
    **{op: f"({{0}} {op} {{1}})" for op in ("+", "-", "*", "/", *COMPARISONS)},
    **{name: f"arc_{name}({{0}})" for name in ELEMENTARY},
}  # fmt: skip
_NUMBA = {
    **_SAME,
    **{name: f"math.{name}({{0}})" for name in ("log", "sqrt", "sin", "cos")},
    "abs": "abs({0})",
    "floor": "np.floor({0})",
    "where": "({1} if {0} else {2})",
    "min": "({0} if (({0} < {1}) or ({0} != {0})) else {1})",
    "max": "({0} if (({0} > {1}) or ({0} != {0})) else {1})",
    "clip": "({1} if ({0} < {1}) else ({2} if ({0} > {2}) else {0}))",
}
_BRIAN = {
    **_SAME,
    **{name: f"{name}({{0}})" for name in ("log", "sqrt", "sin", "cos", "abs")},
    "floor": "arc_floor({0})",
    "where": "arc_where({0}, {1}, {2})",
    "min": "arc_min({0}, {1})",
    "max": "arc_max({0}, {1})",
    "clip": "arc_clip({0}, {1}, {2})",
}

TEMPLATES = {"numba": _NUMBA, "brian": _BRIAN}
"""Source of each operation, per target; ``{0}`` is the first operand."""


def emit(node: Node, target: str, rename: Callable[[str], str]) -> str:
    """Write a tree as source."""
    if node.op == "name":
        return rename(node.value)
    if node.op in ("number", "unit"):
        return repr(UNITS[node.value][0] if node.op == "unit" else node.value)
    args = [emit(arg, target, rename) for arg in node.args]
    if node.op in ("and", "or"):
        return "(" + f" {node.op} ".join(args) + ")"
    if node.op == "power":
        product = " * ".join(args * abs(node.value))
        product = f"({product})" if abs(node.value) > 1 else product
        return product if node.value > 0 else f"(1.0 / {product})"
    return TEMPLATES[target][node.op].format(*args)


def dimension_of(node: Node, names: Mapping[str, Dimension]) -> Dimension | None:
    """Dimension of a tree; None for a literal zero, which fits any."""
    if node.op == "name":
        return names[node.value]
    if node.op == "unit":
        return UNITS[node.value][1]
    if node.op == "number":
        return Dimension() if node.value else None
    args = [dimension_of(arg, names) for arg in node.args]
    if node.op == "*":
        return None if None in args else (args[0] or Dimension()) * (args[1] or Dimension())
    if node.op == "/":
        return None if args[0] is None else args[0] / (args[1] or Dimension())
    if node.op in ("power", "sqrt"):
        return None if args[0] is None else args[0] ** (Fraction(1, 2) if node.op == "sqrt" else node.value)
    if node.op in ("neg", "abs"):
        return args[0]
    if node.op in ("+", "-", "min", "max", "clip", "where") or node.op in COMPARISONS:
        known = [arg for arg in args[node.op == "where" :] if arg is not None]
        for other in known[1:]:
            if other != known[0]:
                raise UnitsError.of(bound=f"combines {known[0]} and {other} by {node.op!r}")
        return Dimension() if node.op in CONDITIONS else next(iter(known), None)
    for arg in args:
        if arg is not None and arg != Dimension():
            raise UnitsError.of(bound=f"gives {node.op!r} a quantity in {arg}; it takes plain numbers")
    return Dimension()
