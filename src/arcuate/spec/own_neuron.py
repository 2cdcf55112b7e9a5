"""A user's own neuron: a model as data or from differential equations, checked, as tables and back."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from arcuate.errors import ExpressionError, SpecError, UnitsError, check_choice, unknown
from arcuate.mechanisms._ode import METHODS, update_program
from arcuate.mechanisms.expressions import Expression, check_name, parse, parse_program
from arcuate.mechanisms.neurons import MODELS, Constraint, NeuronModel, Parameter, Variable
from arcuate.spec.values import FrozenDict, Quantity, quantity
from arcuate.units import Dimension, dimension

__all__ = ["build_from_ode", "check_model", "read_model", "write_model"]

RESERVED = frozenset(
    "I P G i n n0 n1 q row some total past dt dt_ms n_noise trouble kernel math np bias flag count ring "
    "ring_count words noise noise_scale spike_neuron spike_step now fired value source dist values unit "
    "record_steps record_next latent learn".split()
)
"""Names that engines or files use for something else."""

_PART = re.compile(r"[cfjmopx]\d+_.*")
"""What engines call the arrays of the parts of a plan."""

MAX_PARTS, MAX_LINES = 64, 20
_EQUATION = re.compile(
    r"(?:(?P<factor>[^=]+?)\s*\*\s*)?d(?P<name>[A-Za-z]\w*)\s*/\s*dt\s*=(?P<value>[^=].*)", re.ASCII
)


def write_model(model: NeuronModel) -> FrozenDict[str, Any]:
    """Write a model as nested tables, without what is left at its default.

    Parameters
    ----------
    model : NeuronModel

    Returns
    -------
    FrozenDict
    """
    return FrozenDict(_table(model))


def _table(part: Any) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for entry in fields(part):
        value = getattr(part, entry.name)
        if value is None or (entry.default is not MISSING and value == entry.default):
            continue
        if isinstance(value, Mapping):
            value = FrozenDict(
                {
                    key: item if isinstance(item, str) else FrozenDict(_table(item))
                    for key, item in value.items()
                }
            )
        elif isinstance(value, tuple):
            value = tuple(
                FrozenDict(_table(item)) if isinstance(item, Constraint) else item for item in value
            )
        table[entry.name] = value
    return table


def read_model(table: Mapping[str, Any], *, where: str) -> NeuronModel:
    """Read a model from tables.

    Parameters
    ----------
    table : mapping
        As `write_model` gives it.
    where : str
        For messages.

    Returns
    -------
    NeuronModel

    Raises
    ------
    SpecError
        If a field is missing, unknown or wrong.
    """
    given = dict(table)
    for key, kind in (("parameters", Parameter), ("variables", Variable)):
        parts = given.get(key, {})
        if not isinstance(parts, Mapping):
            raise SpecError.of(where=where, name=key, value=parts, bound="must be a table")
        given[key] = {name: _part(kind, item, where=f"{where}, {key}.{name}") for name, item in parts.items()}
    constraints = given.get("constraints", ())
    if not isinstance(constraints, (list, tuple)):
        raise SpecError.of(where=where, name="constraints", value=constraints, bound="must be a list")
    given["constraints"] = tuple(_part(Constraint, item, where=where) for item in constraints)
    for key in ("time_constants", "leak"):
        if isinstance(given.get(key), (list, tuple)):
            given[key] = tuple(given[key])
    model: NeuronModel = _part(NeuronModel, given, where=where)
    return model


def _part(kind: type[Any], table: Any, *, where: str) -> Any:
    if isinstance(table, kind):
        return table
    if not isinstance(table, Mapping):
        raise SpecError.of(
            where=where, name="entry", value=table, bound=f"must be a {kind.__name__} or a table"
        )
    known = {entry.name: entry for entry in fields(kind)}
    for key in table:
        if key not in known:
            raise unknown(where, key, known, kind=f"field of {kind.__name__}")
    for key, entry in known.items():
        needed = entry.default is MISSING and entry.default_factory is MISSING
        if needed and key not in table and key != "default":
            raise SpecError.of(where=where, name=key, bound=f"is missing; a {kind.__name__} needs it")
    return kind(**{"default": None, **table} if kind is Parameter else dict(table))


def check_model(model: NeuronModel) -> NeuronModel:
    """Refuse a model whose names, texts or dimensions do not fit together.

    Parameters
    ----------
    model : NeuronModel

    Returns
    -------
    NeuronModel
        The same.

    Raises
    ------
    SpecError
        Naming the part that is wrong.
    """
    if not isinstance(model.name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", model.name):
        raise SpecError.of(
            where="NeuronModel",
            name="name",
            value=model.name,
            bound="must be a letter, then letters, digits, _",
        )
    where = f"NeuronModel {model.name!r}"
    if model.name in MODELS and model is not MODELS[model.name]:
        raise SpecError.of(
            where=where, name="name", value=model.name, bound="is the name of a model of the library",
            fix="choose another name",
        )  # fmt: skip
    _check_fields(model, where)
    dims = _names(model, where)
    dims = _check_constants(model, dims, where)
    if "G" in {name for text in model.updates.values() for name in parse_program(text, where=where).reads}:
        dims["G"] = dimension("S")
    for key, text in model.updates.items():
        _check_program(model, text, dims, where=f"{where}, method {key!r}")
    check_choice(model.default_method, tuple(model.updates), where=where, name="default_method")
    reset = {name: dim for name, dim in dims.items() if name not in ("I", "G")}
    _check_program(model, model.reset, reset, where=f"{where}, reset")
    threshold = parse(model.threshold, where=f"{where}, threshold")
    if not threshold.is_condition:
        raise ExpressionError.of(
            where=where, name="threshold", value=model.threshold, bound="must be a condition",
            fix='write for example "v >= v_peak"',
        )  # fmt: skip
    threshold.dimension(reset)
    for constraint in model.constraints:
        known = {key: dims[key] for key in model.parameters}
        relation = parse(constraint.expression, where=where)
        relation.dimension(known)
        if not relation.is_condition:
            raise ExpressionError.of(
                where=where, name="constraint", value=constraint.expression, bound="must be a condition"
            )
        if constraint.name not in model.parameters:
            raise unknown(where, constraint.name, model.parameters)
    for name in model.time_constants:
        if name not in model.parameters:
            raise unknown(where, name, model.parameters)
    return model


def _check_fields(model: NeuronModel, where: str) -> None:
    for key in ("parameters", "variables", "constants", "updates"):
        value = getattr(model, key)
        most = 1000 if key == "constants" else MAX_PARTS
        if not isinstance(value, Mapping) or len(value) > most:
            raise SpecError.of(where=where, name=key, value=value, bound=f"must be a table of at most {most}")
        if not all(isinstance(entry, str) for entry in value):
            raise SpecError.of(
                where=where, name=key, value=list(value), bound="must have names that are text"
            )
    _check_types(model, where)
    for key, kind in (("parameters", Parameter), ("variables", Variable)):
        for name, part in getattr(model, key).items():
            if not isinstance(part, kind):
                raise SpecError.of(where=where, name=f"{key}.{name}", value=part,
                                   bound=f"must be a {kind.__name__}")  # fmt: skip
            _check_types(part, f"{where}, {key}.{name}")
    for key, item, what in (("time_constants", str, "names"), ("constraints", Constraint, "constraints")):
        parts = getattr(model, key)
        if not isinstance(parts, tuple) or not all(isinstance(part, item) for part in parts):
            raise SpecError.of(where=where, name=key, value=parts, bound=f"must be a list of {what}")
    for part in model.constraints:
        _check_types(part, f"{where}, constraint")
    for key, texts in (("constants", model.constants), ("updates", model.updates)):
        for name, text in texts.items():
            if not isinstance(text, str):
                raise SpecError.of(where=where, name=f"{key}.{name}", value=text, bound="must be text")
    if model.leak is not None:
        raise SpecError.of(where=where, name="leak", value=model.leak, bound="is for models of the library")
    if model.time_unit not in (1.0, 1e-3):
        raise SpecError.of(
            where=where, name="time_unit", value=model.time_unit, bound="must be 1.0 or 1e-3, s"
        )
    if "v" not in model.variables:
        raise SpecError.of(where=where, name="variables", value=sorted(model.variables),
                           bound="must have v, the membrane potential")  # fmt: skip
    if "ref" in model.variables and "t_ref" not in model.parameters:
        raise SpecError.of(
            where=where, name="variables", value="ref",
            bound="is the rest of the refractory time, which needs the parameter t_ref",
            fix="add t_ref, or choose another name",
        )  # fmt: skip
    if not model.updates:
        raise SpecError.of(where=where, name="updates", value={}, bound="must have at least one method")


def _is_reserved(name: str) -> bool:
    return name in RESERVED or _PART.fullmatch(name) is not None


def _check_types(part: Any, where: str) -> None:
    """Refuse a field that is no text, number or flag where it is said to be one."""
    for entry in fields(part):
        value = getattr(part, entry.name)
        real = isinstance(value, (int, float)) and not isinstance(value, bool)
        number = real and abs(value) <= sys.float_info.max
        allowed = {
            "str": isinstance(value, str),
            "bool": isinstance(value, bool),
            "float": number,
            "float | None": number or value is None,
            "float | str | None": number or value is None or isinstance(value, str),
        }
        if not allowed.get(str(entry.type), True):
            words = {"str": "text", "bool": "true or false"}.get(str(entry.type), "a finite number")
            raise SpecError.of(where=where, name=entry.name, value=value, bound=f"must be {words}")


def _names(model: NeuronModel, where: str) -> dict[str, Dimension]:
    dims = {"dt": dimension("s"), "dt_ms": Dimension(), "I": dimension(model.input_unit)}
    for kind, parts in (("parameters", model.parameters), ("variables", model.variables)):
        for name, part in parts.items():
            check_name(name, where=f"{where}, {kind}", units=True)
            if (
                name in dims
                or _is_reserved(name)
                or (kind == "parameters" and name in ("model", "method", "initial"))
            ):
                raise SpecError.of(
                    where=where, name=f"{kind}.{name}", bound="is taken twice or used by the engines",
                    fix="choose another name",
                )  # fmt: skip
            dims[name] = dimension(part.unit)
    known = {key: value for key, value in dims.items() if key != "I"}
    for name, variable in model.variables.items():
        found = parse(variable.initial, where=f"{where}, {name}.initial", units=True)
        ready = {key: value for key, value in known.items() if key not in model.variables}
        if found.names and found.dimension(known if found.names <= set(known) else ready) != dims[name]:
            raise UnitsError.of(where=where, name=f"{name}.initial", value=variable.initial,
                                bound=f"must be in {variable.unit}")  # fmt: skip
    return dims


def _check_constants(model: NeuronModel, dims: dict[str, Dimension], where: str) -> dict[str, Dimension]:
    known = {key: value for key, value in dims.items() if key != "I" and key not in model.variables}
    for name, text in model.constants.items():
        check_name(name, where=f"{where}, constants", units=True)
        if name in dims or _is_reserved(name):
            raise SpecError.of(
                where=where, name=f"constants.{name}", bound="is taken", fix="choose another name"
            )
        known[name] = parse(text, where=f"{where}, constants.{name}", units=True).dimension(known)
    return {**known, **dims}


def _check_program(model: NeuronModel, text: str, dims: Mapping[str, Dimension], *, where: str) -> None:
    program = parse_program(text, where=where)
    local = dict(dims)
    for target, value in program.statements:
        if _is_reserved(target) or target in model.parameters or target in model.constants:
            raise SpecError.of(where=where, name=target, bound="must not be assigned", fix="use another name")
        found = value.dimension(local)
        if target in model.variables and value.names and found != dims[target]:
            raise UnitsError.of(
                where=where,
                name=target,
                value=value.text.strip(),
                bound=f"must be in {dims[target]}, not {found}",
            )
        local[target] = found if target not in model.variables else dims[target]


def build_from_ode(
    equations: str,
    *,
    threshold: str,
    reset: str,
    parameters: Mapping[str, Any],
    initial: Mapping[str, Any],
    method: str,
    input_unit: str,
    time_unit: str,
    name: str,
) -> NeuronModel:
    """Build a model from differential equations; see `neuron_from_ode`.

    Parameters
    ----------
    equations, threshold, reset, method, input_unit, time_unit, name : str
        As there.
    parameters, initial : mapping
        As there.

    Returns
    -------
    NeuronModel

    Raises
    ------
    SpecError
        If something is wrong with them.
    """
    where = f"neuron_from_ode {name!r}" if isinstance(name, str) else "neuron_from_ode"
    check_choice(method, METHODS, where=where, name="method")
    check_choice(time_unit, ("s", "ms"), where=where, name="time_unit")
    for key, table in (("parameters", parameters), ("initial", initial)):
        if not isinstance(table, Mapping) or not all(isinstance(entry, str) for entry in table):
            raise SpecError.of(where=where, name=key, value=table, bound="must be a table of name to value")
    slopes, factors = _read_equations(equations, where)
    values = {key: quantity(item, None, where=where, name=key) for key, item in parameters.items()}
    units = {key: getattr(value, "unit", "1") for key, value in values.items()}
    for key in initial:
        if key not in slopes:
            raise unknown(where, key, slopes, kind="variable")
    start = {key: quantity(initial.get(key, 0.0), None, where=where, name=f"initial.{key}") for key in slopes}
    states = {key: getattr(value, "unit", "1") for key, value in start.items()}
    dims = {key: dimension(unit) for key, unit in {**units, **states, "I": input_unit}.items()}
    step, second = ("dt_ms", Dimension()) if time_unit == "ms" else ("dt", dimension("s"))
    for key, value in slopes.items():
        found = value.dimension(dims)
        if value.names and found * second != dims[key]:
            raise UnitsError.of(
                where=where, name=f"d{key}/dt", value=value.text.strip(),
                bound=f"is in {found}, and {key} in {states[key]} per {time_unit} is needed",
                fix="check the units of the parameters and of initial",
            )  # fmt: skip
    program, constants = update_program(slopes, method, where=where, step=step)
    model = NeuronModel(
        name=name,
        doc="From differential equations.",
        parameters={key: _parameter(key, value, key in factors) for key, value in values.items()},
        variables={key: Variable(unit=states[key], initial=_start(start[key]), doc=key) for key in slopes},
        constants=constants,
        input_unit=input_unit,
        updates={method: program},
        threshold=threshold,
        reset=reset,
        ode=equations,
        source="given by the user",
        default_method=method,
        time_unit=1e-3 if time_unit == "ms" else 1.0,
        time_constants=tuple(
            key for key in units if key in factors and units[key] == "s" and method in ("euler", "heun")
        ),
    )
    return check_model(model)


def _parameter(name: str, value: float, is_factor: bool) -> Parameter:
    """A parameter of equations; one that divides a derivative is positive."""
    return Parameter(
        unit=getattr(value, "unit", "1"),
        default=float(value),
        doc=name,
        source="given by the user",
        low=0.0 if is_factor else None,
        low_open=is_factor,
    )


def _start(value: float) -> str:
    number = repr(float(value))
    return (
        f"{number}*{value.unit}"
        if isinstance(value, Quantity) and re.fullmatch(r"\w+", value.unit)
        else number
    )


def _read_equations(equations: object, where: str) -> tuple[dict[str, Expression], set[str]]:
    """Derivative of each variable, and what stands before one on the left and so divides it."""
    if not isinstance(equations, str):
        raise ExpressionError.of(where=where, name="equations", value=equations, bound="must be text")
    parse_program("", where=where)
    slopes: dict[str, Expression] = {}
    factors: set[str] = set()
    lines = [line.partition("#")[0].strip() for line in equations[:20_000].split("\n")]
    for line in filter(None, lines):
        match = _EQUATION.fullmatch(line) if len(line) <= 10_000 else None
        if match is None or len(slopes) >= MAX_LINES:
            raise ExpressionError.of(
                where=where, name="equations", value=line[:200],
                bound=f"must be at most {MAX_LINES} lines of the form dx/dt = expression",
                fix='write for example "tau_m*dv/dt = v_rest - v"',
            )  # fmt: skip
        key, factor, value = match["name"], match["factor"], match["value"]
        check_name(key, where=where, units=True)
        if key in slopes:
            raise ExpressionError.of(where=where, name=f"d{key}/dt", bound="is given twice")
        for text in (value, *([factor] if factor else [])):
            parse(text, where=where)
        factors.add(factor or "")
        slopes[key] = parse(f"({value})/({factor})" if factor else value, where=where)
    if not slopes:
        raise ExpressionError.of(
            where=where, name="equations", value=equations[:200], bound="must not be empty"
        )
    return slopes, factors
