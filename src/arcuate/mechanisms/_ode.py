"""From differential equations to update programs: Euler, Heun, exponential Euler, exact for linear."""

from __future__ import annotations

from collections.abc import Mapping

from arcuate.errors import ExpressionError
from arcuate.mechanisms._tree import COMPARISONS, Node, leaves
from arcuate.mechanisms.expressions import Expression

__all__ = ["MAX_EXACT", "METHODS", "update_program"]

METHODS = ("euler", "heun", "exponential_euler", "exact")
MAX_EXACT = 4
"""Largest system that the exact method solves."""

_TERMS, _HALVINGS = 10, 6

Constants = dict[str, str]


def write(node: Node, rename: Mapping[str, str] | None = None) -> str:
    """Write a tree as an expression of the language."""
    if node.op == "name":
        return (rename or {}).get(node.value, str(node.value))
    if node.op == "unit":
        return str(node.value)
    if node.op == "number":
        return repr(node.value)
    args = [write(arg, rename) for arg in node.args]
    if node.op in ("neg", "not"):
        return f"({'-' if node.op == 'neg' else 'not '}{args[0]})"
    if node.op in ("+", "-", "*", "/", "and", "or", *COMPARISONS):
        return "(" + f" {node.op} ".join(args) + ")"
    if node.op in ("power", "pow"):
        return f"({args[0]}**{node.value if node.op == 'power' else args[1]})"
    return f"{node.op}({', '.join(args)})"


def names(node: Node) -> set[str]:
    """Variables in a tree."""
    return {leaf.value for leaf in leaves(node) if leaf.op == "name"}


_ZERO, _ONE = Node("number", (), 0.0), Node("number", (), 1.0)


def slope(node: Node, x: str) -> Node | None:
    """Coefficient of x in a tree that is linear in it; None if it is not seen to be."""
    if x not in names(node):
        return _ZERO
    if node.op == "name":
        return _ONE
    if node.op == "*" and sum(x in names(arg) for arg in node.args) == 1:
        left, right = node.args
        factor, rest = (left, right) if x in names(right) else (right, left)
        inner = slope(rest, x)
        return None if inner is None else factor if inner == _ONE else Node("*", (factor, inner))
    if node.op == "/" and x not in names(node.args[1]):
        inner = slope(node.args[0], x)
        return None if inner is None else Node("/", (inner, node.args[1]))
    if node.op in ("+", "-", "neg") or (node.op == "where" and x not in names(node.args[0])):
        parts = [slope(arg, x) for arg in node.args[node.op == "where" :]]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        if node.op == "+" and _ZERO in known:
            return known[1] if known[0] == _ZERO else known[0]
        if node.op == "-" and known[1] == _ZERO:
            return known[0]
        if node.op == "-" and known[0] == _ZERO:
            return Node("neg", (known[1],))
        return Node(node.op, (*node.args[:1], *known) if node.op == "where" else tuple(known))
    return None


def update_program(
    slopes: Mapping[str, Expression], method: str, *, where: str, step: str = "dt"
) -> tuple[str, Constants]:
    """Turn derivatives into the update program of a method.

    Parameters
    ----------
    slopes : mapping of str to Expression
        Derivative of each variable.
    method : str
        One of `METHODS`.
    where : str
        For messages.
    step : {"dt", "dt_ms"}
        Name of the step in the equations' unit of time.

    Returns
    -------
    tuple
        The program, and constants that it needs, by name.

    Raises
    ------
    ExpressionError
        If the method does not fit the equations.

    Examples
    --------
    >>> from arcuate.mechanisms.expressions import parse
    >>> print(update_program({"v": parse("-v/tau", where="Example")}, "euler", where="Example")[0])
    ode_v = ((-v) / tau)
    v = v + dt*ode_v
    """
    lines = [f"ode_{name} = {write(value._tree)}" for name, value in slopes.items()]
    if method == "euler":
        lines += [f"{name} = {name} + {step}*ode_{name}" for name in slopes]
        return "\n".join(lines), {}
    if method == "heun":
        ahead = {name: f"next_{name}" for name in slopes}
        lines += [f"next_{name} = {name} + {step}*ode_{name}" for name in slopes]
        lines += [f"end_{name} = {write(value._tree, ahead)}" for name, value in slopes.items()]
        lines += [f"{name} = {name} + 0.5*{step}*(ode_{name} + end_{name})" for name in slopes]
        return "\n".join(lines), {}
    if method == "exponential_euler":
        for name, value in slopes.items():
            rate = slope(value._tree, name)
            if rate is None:
                raise _refuse(
                    where, name, value, f"must be linear in {name} for the method 'exponential_euler'"
                )
            lines.append(f"rate_{name} = {step}*{write(rate)}" if rate != _ZERO else f"rate_{name} = 0.0")
        lines += [f"{name} = {name} + {step}*ode_{name}*exprel(rate_{name})" for name in slopes]
        return "\n".join(lines), {}
    constants = _exact(slopes, where, step)
    for i, name in enumerate(slopes):
        terms = " + ".join(f"gain_{i}_{j}*ode_{other}" for j, other in enumerate(slopes))
        lines.append(f"new_{name} = {name} + {terms}")
    return "\n".join([*lines, *(f"{name} = new_{name}" for name in slopes)]), constants


def _exact(slopes: Mapping[str, Expression], where: str, step: str) -> Constants:
    """The integral of exp(M s) over the step: Taylor series of a 64th of it, doubled six times."""
    variables, n = list(slopes), len(slopes)
    if n > MAX_EXACT:
        raise ExpressionError.of(
            where=where, name="method", value="exact", bound=f"solves at most {MAX_EXACT} equations, not {n}",
            fix='use method="exponential_euler"',
        )  # fmt: skip
    constants: Constants = {}
    for i, (name, value) in enumerate(slopes.items()):
        for j, other in enumerate(variables):
            rate = slope(value._tree, other)
            if rate is None or names(rate) & {*variables, "I", "G"}:
                raise _refuse(where, name, value, f"must be linear in {other} with a constant coefficient")
            text = write(rate) if rate != _ZERO else "0.0"
            constants[f"ode_{i}_{j}"] = f"{step}*{text}/{2.0**_HALVINGS!r}"
    one = [["1.0" if i == j else "0.0" for j in range(n)] for i in range(n)]
    z = [[f"ode_{i}_{j}" for j in range(n)] for i in range(n)]

    def define(stage: str, texts: list[list[str]]) -> list[list[str]]:
        for i in range(n):
            for j in range(n):
                constants[f"{stage}_{i}_{j}"] = texts[i][j]
        return [[f"{stage}_{i}_{j}" for j in range(n)] for i in range(n)]

    def product(a: list[list[str]], b: list[list[str]], i: int, j: int) -> str:
        return " + ".join(f"{a[i][k]}*{b[k][j]}" for k in range(n))

    f = one
    for k in range(_TERMS + 1, 1, -1):  # sum of Z**(k-1)/k!, from the last term
        f = define(f"taylor{k}", [[f"{one[i][j]} + ({product(z, f, i, j)})/{float(k)!r}" for j in range(n)]
                                  for i in range(n)])  # fmt: skip
    for k in range(_HALVINGS):
        zf = [[product(z, f, i, j) for j in range(n)] for i in range(n)]
        e = define(f"power{k}", [[f"{one[i][j]} + 0.5*({zf[i][j]})" for j in range(n)] for i in range(n)])
        f = define(f"double{k}", [[product(e, f, i, j) for j in range(n)] for i in range(n)])
        z = define(f"twice{k}", [[f"2.0*{z[i][j]}" for j in range(n)] for i in range(n)])
    define("gain", [[f"{step}*{f[i][j]}" for j in range(n)] for i in range(n)])
    return constants


def _refuse(where: str, name: str, value: Expression, bound: str) -> ExpressionError:
    return ExpressionError.of(
        where=where, name=f"d{name}/dt", value=value.text.strip(), bound=bound,
        fix='use method="euler" or "heun", or expand the products',
    )  # fmt: skip
