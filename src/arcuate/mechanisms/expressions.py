"""The small language in which mechanisms are written, and its translation.

Numbers, names, ``+ - * / **``, comparisons, ``and or not``, and the functions in `FUNCTIONS`. Text is read
by Python's parser into a tree and every node is checked against a list of what is allowed; nothing is
ever executed as the user wrote it.

One tree gives NumPy values, Numba source and Brian2 source with the same IEEE operations in the same
order: every operation is in parentheses, numbers are floats, ``x**3`` is ``x*x*x`` from left to right,
``x**0.5`` is ``sqrt(x)``, and nothing is folded or simplified. ``+ - * /``, comparisons, ``exp exprel tanh
sqrt abs floor where min max clip`` have identical bits everywhere; ``log sin cos`` and other powers depend
on the mathematical library, in the last digit.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from arcuate.errors import ExpressionError, NonFiniteError, UnitsError, check_array, unknown
from arcuate.mechanisms._tree import CONDITIONS, TEMPLATES, Node, dimension_of, emit, evaluate, extent, leaves
from arcuate.units import UNITS, Dimension

__all__ = ["CONSTANTS", "FUNCTIONS", "Expression", "Program", "check_name", "parse", "parse_program"]

FUNCTIONS: dict[str, int] = {
    "exp": 1, "exprel": 1, "log": 1, "sqrt": 1, "tanh": 1, "sin": 1, "cos": 1, "abs": 1, "floor": 1,
    "min": 2, "max": 2, "clip": 3, "where": 3,
}  # fmt: skip
"""Functions and their number of arguments. ``min`` and ``max`` keep a NaN of either argument, ``clip(x, low,
high)`` keeps a NaN of x, ``where(condition, a, b)`` is a or b, ``exprel(x)`` is (exp(x) - 1)/x and 1 at 0."""

CONSTANTS: dict[str, float] = {"pi": math.pi}
"""Names that stand for a number."""

MAX_TEXT, MAX_NESTING, MAX_DEPTH, MAX_SIZE, MAX_POWER, MAX_NAME = 10_000, 50, 100, 5_000, 16, 64

_UNIT_NAMES = frozenset(UNITS) - {"1"}
_BINARY = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_COMPARE = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_ASSIGNMENT = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=(?!=)(.*)", re.ASCII)
_FORBIDDEN = frozenset({*dir(builtins), *keyword.kwlist, *keyword.softkwlist})


@dataclass(frozen=True)
class Expression:
    """A checked expression; `parse` makes it.

    Parameters
    ----------
    text : str
        As it was written.
    names : frozenset of str
        Names of variables in it; units, constants and functions do not count.
    is_condition : bool
        Whether its value is true or false rather than a number.
    where : str
        The object it belongs to, for messages.

    Examples
    --------
    >>> drive = parse("b*v - u", where="Neuron")
    >>> sorted(drive.names), drive.evaluate({"b": 0.2, "v": -65.0, "u": 1.0})
    (['b', 'u', 'v'], -14.0)
    """

    text: str
    names: frozenset[str]
    is_condition: bool
    where: str = field(default="", compare=False)
    _tree: Node = field(default=Node("number", (), 0.0), repr=False)

    def evaluate(self, namespace: Mapping[str, Any] | None = None, *, finite: bool = True) -> Any:
        """Compute the value with NumPy, in float64.

        Parameters
        ----------
        namespace : mapping of str to array_like
            Value of every name; arrays broadcast.
        finite : bool
            Whether an infinite or undefined result is an error.

        Returns
        -------
        float, bool or ndarray
            An array if any value is one.

        Raises
        ------
        UnknownNameError
            If a name has no value.
        NonFiniteError
            If an element of the result is not finite.
        ExpressionError
            If shapes do not fit.

        Examples
        --------
        >>> parse("where(x > 0, x, 0.0)", where="Example").evaluate({"x": [-1.0, 2.0]})
        array([0., 2.])
        """
        given = {} if namespace is None else namespace
        for name in sorted(self.names - set(given)):
            raise unknown(f"{self.where}: {self.text!r}", name, given, kind="name")
        values = {
            name: value
            if type(value := given[name]) is np.ndarray and value.dtype == np.float64
            else check_array(value, where=self.where, name=name, finite=False)
            for name in self.names
        }
        with np.errstate(all="ignore"):
            try:
                result = np.asarray(evaluate(self._tree, values))
                if self._tree.op == "name":  # nobody else's array
                    result = result.copy()
            except ValueError as error:
                shapes = ", ".join(f"{name} {values[name].shape}" for name in sorted(values))
                raise ExpressionError.of(
                    where=self.where, name=self.text, bound=f"has values whose shapes do not fit: {shapes}"
                ) from error
        if finite and not np.isfinite(result).all():
            index = tuple(int(k) for k in np.argwhere(~np.isfinite(result))[0])
            at = f"element [{', '.join(map(str, index))}] is " if index else "is "
            raise NonFiniteError.of(
                where=self.where,
                name=self.text,
                value=float(result[index]),
                bound=f"must be finite; {at}{result[index]}",
                fix="look for a division by 0, a logarithm or root of a negative number, or an overflow",
            )
        return result if result.ndim else result.item()

    def dimension(self, names: Mapping[str, Dimension]) -> Dimension:
        """Check the dimensions and return that of the result.

        Parameters
        ----------
        names : mapping of str to Dimension
            Dimension of every name. A literal 0 fits any dimension.

        Returns
        -------
        Dimension
            Of a condition, that of a plain number.

        Raises
        ------
        UnitsError
            If an operation combines dimensions that do not fit.
        UnknownNameError
            If a name has no dimension.

        Examples
        --------
        >>> from arcuate.units import dimension
        >>> volts = {"v": dimension("V"), "v_r": dimension("V"), "g": dimension("S")}
        >>> str(parse("g*(v - v_r)", where="Neuron").dimension(volts))
        'A'
        """
        for name in sorted(self.names - set(names)):
            raise unknown(f"{self.where}: {self.text!r}", name, names, kind="name")
        try:
            return dimension_of(self._tree, names) or Dimension()
        except UnitsError as error:
            raise UnitsError.of(where=self.where, name=self.text, bound=error.bound or "") from None

    def emit(self, target: str = "numba", rename: Callable[[str], str] = str) -> str:
        """Translate to source text.

        Parameters
        ----------
        target : {"numba", "brian"}
            Numba source needs ``math`` and ``np`` in scope; both call ``arc_exp(x)``, ``arc_exprel(x)`` and
            ``arc_tanh(x)``, and Brian2 source ``arc_where(c, a, b)``, ``arc_min(a, b)``, ``arc_max(a, b)``,
            ``arc_clip(x, low, high)`` and ``arc_floor(x)``, which the engine provides.
        rename : callable
            From the name of a variable to what stands in the source.

        Returns
        -------
        str
            With every operation in parentheses.

        Raises
        ------
        ExpressionError
            If the target is neither of the two.

        Examples
        --------
        >>> parse("a + b**2 > 1", where="Neuron").emit("numba", lambda name: f"{name}[i]")
        '((a[i] + (b[i] * b[i])) > 1.0)'
        """
        if target not in TEMPLATES:
            raise ExpressionError.of(name="target", value=target, bound="must be 'numba' or 'brian'")
        return emit(self._tree, target, rename)


@dataclass(frozen=True)
class Program:
    """Assignments that run one after the other; `parse_program` makes it.

    Parameters
    ----------
    text : str
        As it was written.
    statements : tuple of (str, Expression)
        Variable and value, in order.

    Examples
    --------
    >>> program = parse_program("v_new = v + I  # step", where="Neuron")
    >>> program.assigned, sorted(program.reads)
    (frozenset({'v_new'}), ['I', 'v'])
    """

    text: str
    statements: tuple[tuple[str, Expression], ...]

    @property
    def assigned(self) -> frozenset[str]:
        """Names that the program gives a value."""
        return frozenset(target for target, _ in self.statements)

    @property
    def reads(self) -> frozenset[str]:
        """Names whose value from before the program is used."""
        read: set[str] = set()
        written: set[str] = set()
        for target, expression in self.statements:
            read |= expression.names - written
            written.add(target)
        return frozenset(read)

    def evaluate(self, namespace: Mapping[str, Any]) -> dict[str, Any]:
        """Run the program with NumPy, for reference.

        Parameters
        ----------
        namespace : mapping of str to array_like
            Values before; left unchanged.

        Returns
        -------
        dict
            Values after, those given included.

        Raises
        ------
        UnknownNameError
            If a name has no value.

        Examples
        --------
        >>> parse_program("a = 2*a", where="Example").evaluate({"a": 3.0})
        {'a': 6.0}
        """
        values = dict(namespace)
        for target, expression in self.statements:
            values[target] = expression.evaluate(values, finite=False)
        return values

    def emit(self, target: str = "numba", rename: Callable[[str], str] = str) -> str:
        """Translate to source text, one assignment a line.

        Parameters
        ----------
        target : {"numba", "brian"}
            As in `Expression.emit`.
        rename : callable
            From the name of a variable to what stands in the source.

        Returns
        -------
        str

        Examples
        --------
        >>> parse_program("v = v + dt*I", where="Neuron").emit("brian")
        'v = (v + (dt * I))'
        """
        return "\n".join(f"{rename(name)} = {value.emit(target, rename)}" for name, value in self.statements)


def parse(text: str, *, where: str, units: bool = False) -> Expression:
    """Read an expression.

    Parameters
    ----------
    text : str
        ASCII, at most 10 000 characters, parentheses nested at most 50 deep.
    where : str
        The object it belongs to, for messages.
    units : bool
        Whether names of units such as ``mV`` stand for their value in SI.

    Returns
    -------
    Expression

    Raises
    ------
    ExpressionError
        If it is not in the language.

    Examples
    --------
    >>> parse("v_r + 40*mV", where="Neuron", units=True).evaluate({"v_r": 0.0})
    0.04
    """
    given: object = text
    if not isinstance(given, str):
        _check_text(given, where)
    return _parsed(text, where, units)


@lru_cache(maxsize=256)
def _parsed(text: str, where: str, units: bool) -> Expression:
    """Read text; networks of one structure say the same many times."""
    _check_text(text, where)
    try:
        tree = ast.parse(" ".join(text.split()), mode="eval").body
        node = _Reader(text, where, units).read(tree)
    except ExpressionError:
        raise
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise ExpressionError.of(
            where=where, name="expression", value=text, bound="is not an expression", fix=_HELP
        ) from error
    names = frozenset(leaf.value for leaf in leaves(node) if leaf.op == "name")
    return Expression(text, names, node.op in CONDITIONS, where, node)


def parse_program(text: str, *, where: str) -> Program:
    """Read assignments, one a line; ``#`` starts a comment.

    Parameters
    ----------
    text : str
        Lines such as ``v = v + dt*I``; may be empty.
    where : str
        The object it belongs to, for messages.

    Returns
    -------
    Program

    Raises
    ------
    ExpressionError
        If a line is not an assignment of a number to a name.

    Examples
    --------
    >>> len(parse_program("a = 1.0\\nb = a + 1.0", where="Example").statements)
    2
    """
    _check_text(text, where, program=True)
    statements = []
    for number, line in enumerate(text.split("\n"), start=1):
        code = line.partition("#")[0].strip()
        if not code:
            continue
        place = f"{where}, line {number}"
        match = _ASSIGNMENT.fullmatch(code)
        if match is None:
            raise ExpressionError.of(
                where=place,
                name="statement",
                value=code,
                bound="must be name = expression",
                fix="write v = v + 1",
            )
        target, expression = check_name(match[1], where=place), parse(match[2], where=place)
        if expression.is_condition:
            raise ExpressionError.of(
                where=place,
                name=target,
                value=match[2].strip(),
                bound="must be a number, not a condition",
                fix="write where(condition, 1, 0)",
            )
        statements.append((target, expression))
    return Program(text, tuple(statements))


def check_name(name: object, *, where: str, units: bool = False) -> str:
    """Return a name that a variable may have, or refuse it.

    Parameters
    ----------
    name : str
        An ASCII letter, then letters, digits and underscores; at most 64.
    where : str
        For the message.
    units : bool
        Whether names of units are taken.

    Returns
    -------
    str

    Raises
    ------
    ExpressionError
        If it is not such a name, or is taken by a function, a constant, a unit or Python.

    Examples
    --------
    >>> check_name("tau_m", where="Neuron")
    'tau_m'
    """
    reason = ""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > MAX_NAME:
        reason = f"must be a letter, then letters, digits and underscores, at most {MAX_NAME}"
    elif name in FUNCTIONS or name in CONSTANTS or (units and name in _UNIT_NAMES):
        reason = "is the name of a function, a constant or a unit"
    elif name in _FORBIDDEN or name.startswith("arc_"):
        reason = "is a name that Python or arcuate uses"
    if reason:
        raise ExpressionError.of(
            where=where, name="name", value=name, bound=reason, fix="choose another name"
        )
    return str(name)


_HELP = f"use numbers, names, + - * / **, comparisons, and/or/not, and {' '.join(FUNCTIONS)}"


def _check_text(text: object, where: str, *, program: bool = False) -> None:
    """Refuse what is not short, plain, shallow text, before Python's parser sees it."""
    bound, depth, deepest = "", 0, 0
    if not isinstance(text, str):
        bound = "must be text"
    elif len(text) > MAX_TEXT:
        bound = f"must have at most {MAX_TEXT} characters, not {len(text)}"
    elif odd := next((c for c in text if not (" " <= c <= "~" or c in "\t\n")), ""):
        bound = f"must be plain ASCII without control characters, not U+{ord(odd):04X}"
    else:
        for character in text:
            depth += (character in "([{") - (character in ")]}")
            deepest = max(deepest, depth)
        if deepest > MAX_NESTING:
            bound = f"must have parentheses nested at most {MAX_NESTING} deep, not {deepest}"
        elif not program and not text.strip():
            bound = "must not be empty"
        elif not program and "#" in text:
            bound = "must not contain a comment"
    if bound:
        raise ExpressionError.of(where=where, name="expression", value=text, bound=bound)


class _Reader:
    """Turns Python's tree into ours, refusing what is not listed."""

    def __init__(self, text: str, where: str, units: bool) -> None:
        self.text, self.where, self.units = text, where, units

    def refuse(self, bound: str, fix: str = _HELP) -> ExpressionError:
        return ExpressionError.of(
            where=self.where, name="expression", value=self.text.strip(), bound=bound, fix=fix
        )

    def read(self, tree: ast.expr) -> Node:
        """Read the whole expression."""
        node = self.node(tree, 1)
        size, depth = extent(node)
        if size > MAX_SIZE or depth > MAX_DEPTH:
            raise self.refuse(
                f"must have at most {MAX_SIZE} operations, nested at most {MAX_DEPTH} deep",
                "split it into several statements",
            )
        return node

    def node(self, tree: ast.expr, level: int) -> Node:
        """Read one operation; numbers and conditions are told apart by `number` and `condition`."""
        if level > 2 * MAX_DEPTH:
            raise self.refuse(f"must be nested at most {MAX_DEPTH} deep", "split it into several statements")
        match tree:
            case ast.Constant(value=bool() | str() | bytes() | None) | ast.Constant(value=complex()):
                raise self.refuse("contains a value that is not a real number")
            case ast.Constant(value=int() | float() as value):
                if not abs(value) <= sys.float_info.max:
                    raise self.refuse("contains a number that is too large")
                return Node("number", (), float(value))
            case ast.Name(id=name):
                return self.name(name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return Node("neg", (self.number(operand, level),))
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.number(operand, level)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Node("not", (self.condition(operand, level),))
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return self.power(self.number(left, level), self.number(right, level))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return Node(_BINARY[type(op)], (self.number(left, level), self.number(right, level)))
            case ast.BoolOp(op=op, values=values):
                word = "and" if isinstance(op, ast.And) else "or"
                return Node(word, tuple(self.condition(value, level) for value in values))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
                return Node(_COMPARE[type(op)], (self.number(left, level), self.number(right, level)))
            case ast.Compare(ops=[_, _, *_]):
                raise self.refuse("chains comparisons", "write a < b and b < c")
            case ast.Call():
                return self.call(tree, level)
        raise self.refuse(f"contains a construct that is not allowed ({_construct(tree)})")

    def name(self, name: str) -> Node:
        """Read a name: a unit, a constant or a variable."""
        if self.units and name in _UNIT_NAMES:
            return Node("unit", (), name)
        if name in CONSTANTS:
            return Node("number", (), CONSTANTS[name])
        return Node("name", (), check_name(name, where=f"{self.where}: {self.text.strip()[:60]!r}"))

    def power(self, base: Node, exponent: Node) -> Node:
        """Read a power; one with a whole exponent is a product, with exponent 0.5 a square root."""
        if not any(leaf.op in ("name", "unit") for leaf in leaves(exponent)):
            with np.errstate(all="ignore"):
                number = float(evaluate(exponent, {}))
            if number == 0 or not abs(number) <= MAX_POWER:
                raise self.refuse(f"has an exponent that is 0 or beyond +-{MAX_POWER}", "use exp(b*log(a))")
            if number.is_integer():
                return Node("power", (base,), int(number))
            if number == 0.5:
                return Node("sqrt", (base,))
        return Node("pow", (base, exponent))

    def call(self, tree: ast.Call, level: int) -> Node:
        """Read a call of one of the functions."""
        if not isinstance(tree.func, ast.Name):
            raise self.refuse(f"contains a construct that is not allowed ({_construct(tree.func)})")
        name = tree.func.id
        if name not in FUNCTIONS:
            error = unknown(f"{self.where}: {self.text.strip()[:60]!r}", name, FUNCTIONS, kind="function")
            raise ExpressionError.of(where=error.where or "", bound=error.bound or "", fix=error.fix or "")
        if tree.keywords or len(tree.args) != FUNCTIONS[name]:
            raise self.refuse(f"must give {name} {FUNCTIONS[name]} argument(s)", "give them by position")
        first = self.condition if name == "where" else self.number
        args = (first(tree.args[0], level), *(self.number(arg, level) for arg in tree.args[1:]))
        return Node(name, args)

    def number(self, tree: ast.expr, level: int) -> Node:
        """Read an operand that must be a number."""
        node = self.node(tree, level + 1)
        if node.op in CONDITIONS:
            raise self.refuse("uses a condition as a number", "write where(condition, 1, 0)")
        return node

    def condition(self, tree: ast.expr, level: int) -> Node:
        """Read an operand that must be a condition."""
        node = self.node(tree, level + 1)
        if node.op not in CONDITIONS:
            raise self.refuse("uses a number as a condition", "write x != 0")
        return node


def _construct(tree: ast.AST) -> str:
    """Name a construct in words."""
    words = {"NamedExpr": "walrus assignment", "IfExp": "if ... else", "Mod": "%", "FloorDiv": "//"}
    kind = type(tree.op if isinstance(tree, (ast.BinOp, ast.UnaryOp)) else tree).__name__
    return words.get(kind, re.sub(r"(?<!^)(?=[A-Z])", " ", kind).lower())
