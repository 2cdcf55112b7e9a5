"""Checks that several parts of a specification share: names, expressions, parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from arcuate.errors import ExpressionError, SpecError, UnitsError, unknown
from arcuate.mechanisms.expressions import Expression, parse
from arcuate.mechanisms.neurons import NeuronModel, Parameter
from arcuate.spec.distributions import Distribution, value_from
from arcuate.spec.values import FrozenDict, Quantity, check_bounds, quantity
from arcuate.units import dimension

__all__ = [
    "check_expression",
    "check_flag",
    "check_name",
    "check_parameters",
    "names_in",
    "parameter_order",
    "read_expression",
    "read_parameters",
]

#: Largest number of neurons of a population and of explicit synapses of a projection.
MAX_COUNT = 2**31 - 1
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_LINK = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(->[A-Za-z_][A-Za-z0-9_]*)?\Z")
_LONGEST_NAME = 64


def check_name(value: Any, *, where: str, name: str = "name", link: bool = False) -> str:
    """Return a name made of ASCII letters, digits and ``_``, or refuse it.

    Parameters
    ----------
    value : object
        The name.
    where, name : str
        For the message.
    link : bool
        Whether ``pre->post`` is allowed.

    Returns
    -------
    str

    Raises
    ------
    SpecError
        If it is no such name.

    Examples
    --------
    >>> check_name("exc", where="Population")
    'exc'
    """
    pattern = _LINK if link else _NAME
    short = isinstance(value, str) and all(len(side) <= _LONGEST_NAME for side in value.split("->"))
    if short and pattern.match(value):
        return value
    raise SpecError.of(
        where=where,
        name=name,
        value=value,
        bound=f"must be 1 to {_LONGEST_NAME} ASCII letters, digits or _, and not start with a digit",
        fix='use a name such as "exc" or "layer_4"',
    )


def check_flag(value: Any, *, where: str, name: str) -> bool:
    """Return a boolean, or refuse it.

    Parameters
    ----------
    value : object
        The flag.
    where, name : str
        For the message.

    Returns
    -------
    bool

    Raises
    ------
    SpecError
        If it is neither True nor False.

    Examples
    --------
    >>> check_flag(True, where="Sparse", name="allow_self")
    True
    """
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise SpecError.of(where=where, name=name, value=value, bound="must be True or False")


def names_in(text: str, *, where: str, name: str) -> frozenset[str]:
    """Names that the text of an expression reads, without units.

    Parameters
    ----------
    text : str
        The expression.
    where, name : str
        For the message.

    Returns
    -------
    frozenset of str

    Raises
    ------
    ExpressionError
        If it is not in the language.

    Examples
    --------
    >>> sorted(names_in("v_r + 40*mV - b/k", where="Neuron", name="v_t"))
    ['b', 'k', 'v_r']
    """
    return read_expression(text, where=where, name=name).names


def read_expression(text: str, *, where: str, name: str) -> Expression:
    """Parse the expression of a value; units are names in it.

    Parameters
    ----------
    text : str
        The expression.
    where, name : str
        For the message.

    Returns
    -------
    Expression

    Raises
    ------
    ExpressionError
        If it is not in the language; the message names the value.

    Examples
    --------
    >>> read_expression("2*ms", where="Neuron", name="tau_m").evaluate()
    0.002
    """
    try:
        return parse(text, where=f"{where}, {name}", units=True)
    except ExpressionError as error:
        bound, fix = error.bound or str(error), error.fix or ""
        raise ExpressionError.of(where=where, name=name, value=text, bound=bound, fix=fix) from error


def check_expression(text: str, names: Mapping[str, str], unit: str, *, where: str, name: str) -> None:
    """Refuse an expression with a name that is not there or a result of the wrong unit.

    Parameters
    ----------
    text : str
        The expression.
    names : mapping of str to str
        SI unit of every name that it may read.
    unit : str
        SI unit of the result.
    where, name : str
        For the message.

    Raises
    ------
    UnknownNameError
        If it reads another name.
    UnitsError
        If the units do not fit.

    Examples
    --------
    >>> check_expression("2*a", {"a": "s"}, "s", where="Neuron", name="tau_m")
    """
    expression = read_expression(text, where=where, name=name)
    for read in sorted(expression.names):
        if read not in names:
            raise unknown(f"{where}, {name} = {text!r}", read, names, kind="name")
    try:
        found = expression.dimension({key: dimension(names[key]) for key in expression.names})
    except UnitsError as error:
        raise UnitsError.of(where=where, name=name, value=text, bound=str(error)) from error
    if found != dimension(unit):
        wanted = "a plain number" if unit == "1" else f"in {unit}"
        raise UnitsError.of(
            where=where,
            name=name,
            value=text,
            bound=f"must be {wanted}, but comes out in {found}",
            fix="multiply numbers by a unit, as in 40*mV" if unit != "1" else "",
        )


def parameter_order(values: Mapping[str, Any], *, where: str) -> tuple[str, ...]:
    """Order in which to resolve values that may be expressions of one another.

    Parameters
    ----------
    values : mapping
        Numbers, distributions, arrays and expressions by name.
    where : str
        For the message.

    Returns
    -------
    tuple of str
        Every name after the names that its expression reads.

    Raises
    ------
    SpecError
        If expressions depend on each other in a circle.

    Examples
    --------
    >>> parameter_order({"c": "2*a", "a": 1.0}, where="Neuron")
    ('a', 'c')
    """
    order: list[str] = []
    open_names: list[str] = []

    def visit(name: str) -> None:
        if name in order:
            return
        if name in open_names:
            circle = " -> ".join([*open_names[open_names.index(name) :], name])
            raise SpecError.of(
                where=where,
                name=name,
                value=values[name],
                bound=f"depends on itself ({circle})",
                fix="give one of them a number",
            )
        open_names.append(name)
        value = values[name]
        if isinstance(value, str):
            for read in sorted(names_in(value, where=where, name=name)):
                if read in values:
                    visit(read)
        open_names.pop()
        order.append(name)

    for name in values:
        visit(name)
    return tuple(order)


def check_parameters(model: NeuronModel, values: Mapping[str, float | np.ndarray], *, where: str) -> None:
    """Refuse resolved parameters that are out of bounds or violate a relation of the model.

    Parameters
    ----------
    model : NeuronModel
        The model.
    values : mapping of str to float or array
        Resolved parameters in SI; those not known yet are left out.
    where : str
        For the message.

    Raises
    ------
    SpecError
        If a parameter, or an element of one, violates a bound or a relation.

    Examples
    --------
    >>> from arcuate.mechanisms.neurons import MODELS
    >>> check_parameters(MODELS["lif"], {"tau_m": 0.02}, where="Neuron 'lif'")
    """
    for name, value in values.items():
        if name in model.parameters:
            check_parameter(model.parameters[name], value, where=where, name=name)
    for constraint in model.constraints:
        expression = parse(constraint.expression, where=where)
        if not set(expression.names) <= set(values):
            continue
        holds = np.asarray(expression.evaluate({key: values[key] for key in expression.names}))
        if not holds.all():
            shape = holds.shape
            index = int(np.flatnonzero(~holds.ravel())[0])
            first = float(np.broadcast_to(np.asarray(values[constraint.name]), shape).ravel()[index])
            unit = model.parameters[constraint.name].unit
            raise SpecError.of(
                where=where,
                name=constraint.name,
                value=Quantity(first, unit).text if unit != "1" else first,
                bound=constraint.bound,
                fix=constraint.fix,
            )


def check_parameter(parameter: Parameter, value: Any, *, where: str, name: str) -> None:
    """Refuse a number, an array, or what is known of a distribution, that is out of bounds.

    Parameters
    ----------
    parameter : Parameter
        The parameter of a mechanism.
    value : float, array or Distribution
        Its value, in SI.
    where, name : str
        For the message.

    Raises
    ------
    SpecError
        If a value is out of bounds.

    Examples
    --------
    >>> from arcuate.mechanisms.neurons import MODELS
    >>> check_parameter(MODELS["lif"].parameters["tau_m"], 0.02, where="Neuron", name="tau_m")
    """
    if isinstance(value, Distribution):
        if not np.isfinite(value.support).all():
            return  # what is drawn is checked in the plan
        value = np.asarray(value.support)
    check_bounds(
        np.asarray(value, dtype=float),
        parameter.unit,
        where=where,
        name=name,
        low=parameter.low,
        high=parameter.high,
        low_open=parameter.low_open,
        high_open=parameter.high_open,
    )


def read_parameters(
    given: Any, known: Mapping[str, Parameter], *, where: str, per_neuron: bool
) -> FrozenDict[str, Any]:
    """Read the parameters of a mechanism, fill in defaults and check bounds.

    Parameters
    ----------
    given : mapping
        Values by name.
    known : mapping of str to Parameter
        Parameters of the mechanism.
    where : str
        For the message.
    per_neuron : bool
        Whether distributions, arrays and expressions are allowed.

    Returns
    -------
    FrozenDict
        All parameters, in SI.

    Raises
    ------
    SpecError
        If a value is wrong or one is missing.

    Examples
    --------
    >>> from arcuate.mechanisms.neurons import MODELS
    >>> read_parameters({}, MODELS["theta"].parameters, where="Neuron", per_neuron=True)
    {'tau': 1 s}
    """
    if not isinstance(given, Mapping):
        raise SpecError.of(
            where=where, name="parameters", value=given, bound="must be a table of name to value"
        )
    for name in given:
        if name not in known:
            raise unknown(where, name, known)
    values: dict[str, Any] = {}
    for name, parameter in known.items():
        value = given.get(name, parameter.default)
        if value is None:
            raise SpecError.of(where=where, name=name, bound=f"is missing ({parameter.doc})")
        if name not in given and isinstance(value, float) and parameter.unit != "1":
            value = Quantity(value, parameter.unit)
        if per_neuron:
            value = value_from(value, parameter.unit, where=where, name=name)
        else:
            value = quantity(value, parameter.unit, where=where, name=name)
        if not isinstance(value, str):
            check_parameter(parameter, value, where=where, name=name)
        elif not names_in(value, where=where, name=name):
            number = read_expression(value, where=where, name=name).evaluate(finite=False)
            check_expression(value, {}, parameter.unit, where=where, name=name)
            check_parameter(parameter, float(number), where=where, name=name)
        values[name] = value
    return FrozenDict(values)
