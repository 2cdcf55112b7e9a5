"""What spikes: neuron models with their parameters, and populations of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from arcuate.errors import SpecError, UnitsError, check_choice, check_int, unknown
from arcuate.mechanisms.expressions import parse
from arcuate.mechanisms.neurons import MODELS, PRESETS, NeuronModel, Parameter
from arcuate.mechanisms.noise import MODES, noise_unit
from arcuate.spec.distributions import Distribution, value_from
from arcuate.spec.part import Part
from arcuate.spec.values import FrozenDict, Quantity, Values, check_bounds, quantity, same_unit
from arcuate.units import dimension

__all__ = [
    "Neuron",
    "Noise",
    "Population",
    "check_parameters",
    "izh2003",
    "izh2007",
    "lif",
    "parameter_order",
    "theta",
]

#: Largest number of neurons of a population and of explicit synapses of a projection.
MAX_COUNT = 2**31 - 1
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_LINK = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(->[A-Za-z_][A-Za-z0-9_]*)?\Z")
_LONGEST_NAME = 64
SIGNS = ("excitatory", "inhibitory")


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
    return frozenset(parse(text, where=f"{where}, {name}", units=True).names)


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
    expression = parse(text, where=f"{where}, {name}", units=True)
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
    >>> check_parameters(MODELS["lif"], {"tau_m": 0.02}, where="Neuron 'lif'")
    """
    for name, value in values.items():
        if name in model.parameters:
            _check_parameter(model.parameters[name], value, where=where, name=name)
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


def _check_parameter(parameter: Parameter, value: Any, *, where: str, name: str) -> None:
    """Check a number, an array, or what is known of a distribution against the bounds."""
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
            _check_parameter(parameter, value, where=where, name=name)
        elif not names_in(value, where=where, name=name):
            number = parse(value, where=f"{where}, {name}", units=True).evaluate({})
            check_expression(value, {}, parameter.unit, where=where, name=name)
            _check_parameter(parameter, float(number), where=where, name=name)
        values[name] = value
    return FrozenDict(values)


@dataclass(frozen=True, kw_only=True, eq=False)
class Neuron(Part):
    """A neuron model with its parameters.

    Parameters
    ----------
    model : str
        ``"izh2003"``, ``"izh2007"``, ``"lif"`` or ``"theta"``; see `arcuate.mechanisms.neurons.MODELS`.
    method : str or None
        Integration method; ``None`` takes the model's default.
    parameters : mapping
        A number (dimensionless only), ``"20 ms"``, a `Distribution`, an array with one element per neuron, or
        an expression of other parameters and of the population's latents. Those left out get the default.
    initial : mapping
        Starting values of state variables, in the same forms; an expression may also read parameters.

    Raises
    ------
    SpecError
        If a value is out of bounds, has the wrong unit or an unknown name.

    Examples
    --------
    >>> Neuron(model="lif", parameters={"tau_m": "20 ms"}).parameters["tau_m"]
    20 ms
    """

    flat: ClassVar[str] = "parameters"

    model: str = "izh2003"
    method: Any = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    initial: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        model = check_choice(self.model, tuple(MODELS), where="Neuron", name="model")
        where = f"Neuron {model!r}"
        mechanism = MODELS[model]
        method = mechanism.default_method if self.method is None else self.method
        check_choice(method, tuple(mechanism.updates), where=where, name="method")
        parameters = read_parameters(self.parameters, mechanism.parameters, where=where, per_neuron=True)
        parameter_order(parameters, where=where)
        numeric = {
            name: value.array if isinstance(value, Values) else value
            for name, value in parameters.items()
            if isinstance(value, (float, Values))
        }
        lengths = {np.size(value) for value in numeric.values() if np.ndim(value)}
        if len(lengths) <= 1:
            check_parameters(mechanism, numeric, where=where)
        if not isinstance(self.initial, Mapping):
            raise SpecError.of(where=where, name="initial", value=self.initial, bound="must be a table")
        initial = {}
        for name, value in self.initial.items():
            if name not in mechanism.variables:
                raise unknown(where, name, mechanism.variables, kind="state variable")
            unit = mechanism.variables[name].unit
            initial[name] = value_from(value, unit, where=where, name=f"initial.{name}")
        self._set(method=method, parameters=parameters, initial=FrozenDict(initial))

    @property
    def mechanism(self) -> NeuronModel:
        """The model as data."""
        return MODELS[self.model]


def _neuron(model: str, method: Any, initial: Any, preset: str | None, parameters: dict[str, Any]) -> Neuron:
    base: dict[str, Any] = {}
    if preset is not None:
        known = PRESETS.get(model, {})
        if preset not in known:
            raise unknown(f"Neuron {model!r}", preset, known, kind="preset")
        base.update(known[preset].parameters)
    return Neuron(model=model, method=method, parameters={**base, **parameters}, initial=initial or {})


def izh2003(
    *, method: str | None = None, initial: Any = None, preset: str | None = None, **parameters: Any
) -> Neuron:
    """Izhikevich neuron of 2003, in the paper's own dimensionless units (mV and ms by convention).

    Parameters
    ----------
    method : str or None
        ``"euler"`` (default; both equations from old values) or ``"legacy2003"`` (the order of the
        published code: two half steps of v, then u from the new v).
    initial : mapping or None
        Starting values of ``v`` and ``u``.
    preset : str or None
        ``"RS"``, ``"IB"``, ``"CH"``, ``"FS"``, ``"LTS"``, ``"TC"`` or ``"RZ"``.
    **parameters
        ``a b c d v_peak``.

    Returns
    -------
    Neuron

    Examples
    --------
    >>> izh2003(preset="FS").parameters["a"]
    0.1
    """
    return _neuron("izh2003", method, initial, preset, parameters)


def izh2007(
    *, method: str | None = None, initial: Any = None, preset: str | None = None, **parameters: Any
) -> Neuron:
    """Izhikevich neuron of 2007, with units.

    Parameters
    ----------
    method : str or None
        ``"euler"`` (both equations from old values).
    initial : mapping or None
        Starting values of ``v`` and ``u``.
    preset : str or None
        ``"RS"``.
    **parameters
        ``c_m k v_r v_t v_peak a b c d``.

    Returns
    -------
    Neuron

    Examples
    --------
    >>> izh2007(v_t="v_r + 40*mV - b/k").parameters["v_t"]
    'v_r + 40*mV - b/k'
    """
    return _neuron("izh2007", method, initial, preset, parameters)


def lif(*, method: str | None = None, initial: Any = None, **parameters: Any) -> Neuron:
    """Leaky integrate-and-fire neuron.

    Parameters
    ----------
    method : str or None
        ``"exact"`` (default; propagator, synaptic currents included) or ``"euler"``.
    initial : mapping or None
        Starting values of ``v`` and ``ref``.
    **parameters
        ``tau_m resistance v_rest v_thresh v_reset t_ref``.

    Returns
    -------
    Neuron

    Examples
    --------
    >>> lif(tau_m="20 ms").method
    'exact'
    """
    return _neuron("lif", method, initial, None, parameters)


def theta(*, method: str | None = None, initial: Any = None, **parameters: Any) -> Neuron:
    """Theta neuron.

    Parameters
    ----------
    method : str or None
        ``"euler"``.
    initial : mapping or None
        Starting value of the phase ``v``.
    **parameters
        ``tau``.

    Returns
    -------
    Neuron

    Examples
    --------
    >>> theta().parameters["tau"] == 1.0
    True
    """
    return _neuron("theta", method, initial, None, parameters)


@dataclass(frozen=True, kw_only=True, eq=False)
class Noise(Part):
    """White noise in the input of every neuron of a population.

    Each step adds ``sigma/sqrt(dt) * N(0, 1)``, with dt in ms for ``izh2003`` and in s for the others.

    Parameters
    ----------
    sigma : value
        Amplitude: the input unit times the square root of time, such as ``"5 pA*s**0.5"``; a plain number for
        a model without units.
    mode : str
        ``"native"`` draws while the engine runs, ``"frozen"`` in the plan; the numbers are the same.

    Examples
    --------
    >>> Noise(sigma=0.2).mode
    'native'
    """

    sigma: Any
    mode: str = "native"

    def __post_init__(self) -> None:
        sigma = value_from(self.sigma, None, where="Noise", name="sigma")
        low = sigma.support[0] if isinstance(sigma, Distribution) else sigma
        if not isinstance(low, str) and np.isfinite(np.min(low)):
            unit = getattr(sigma, "unit", "1")
            check_bounds(np.asarray(low, dtype=float), unit, where="Noise", name="sigma", low=0.0)
        self._set(sigma=sigma, mode=check_choice(self.mode, MODES, where="Noise", name="mode"))


@dataclass(frozen=True, kw_only=True, eq=False)
class Population(Part):
    """A group of neurons of one model.

    Parameters
    ----------
    name : str
        ASCII letters, digits and ``_``.
    n : int
        Number of neurons.
    neuron : Neuron
        Model and parameters.
    sign : str or None
        ``"excitatory"`` or ``"inhibitory"`` makes every outgoing weight keep that sign (Dale's law).
    latents : mapping
        Numbers per neuron, drawn once, that expressions of parameters, bias and noise may read.
    bias : value
        Constant input, in the model's input unit.
    noise : Noise or None
        White noise in the input.

    Raises
    ------
    SpecError
        If a value is out of bounds, of the wrong length or unit, or reads an unknown name.

    Examples
    --------
    >>> cells = Population(name="exc", n=480, neuron=izh2003(c="-65 + 15*rho**2"), latents={"rho": {
    ...     "dist": "uniform", "low": 0, "high": 1}}, bias=6)
    >>> cells.n, cells.bias
    (480, 6.0)
    """

    name: str
    n: int
    neuron: Any = field(default_factory=Neuron)
    sign: str | None = None
    latents: Mapping[str, Any] = field(default_factory=dict)
    bias: Any = None
    noise: Any = None

    def __post_init__(self) -> None:
        name = check_name(self.name, where="Population")
        where = f"Population {name!r}"
        n = check_int(self.n, where=where, name="n", low=1, high=MAX_COUNT)
        neuron = Neuron.from_tree(self.neuron, where=where)
        if self.sign is not None:
            check_choice(self.sign, SIGNS, where=where, name="sign")
        model = neuron.mechanism
        latents = self._read_latents(where, set(model.parameters) | set(model.variables))
        unit = model.input_unit
        bias = (0.0 if unit == "1" else Quantity(0.0, unit)) if self.bias is None else self.bias
        bias = value_from(bias, unit, where=where, name="bias")
        noise = None if self.noise is None else Noise.from_tree(self.noise, where=where)
        self._set(n=n, neuron=neuron, latents=latents, bias=bias, noise=noise)
        self._check_values(where)

    def _read_latents(self, where: str, taken: set[str]) -> FrozenDict[str, Any]:
        if not isinstance(self.latents, Mapping):
            raise SpecError.of(where=where, name="latents", value=self.latents, bound="must be a table")
        latents = {}
        for key, value in self.latents.items():
            check_name(key, where=where, name="latents")
            if key in taken:
                raise SpecError.of(
                    where=where,
                    name=f"latents.{key}",
                    value=value,
                    bound="is also a parameter or a state variable",
                    fix="choose another name",
                )
            latents[key] = value_from(value, None, where=where, name=f"latents.{key}")
            if isinstance(latents[key], str):
                raise SpecError.of(
                    where=where,
                    name=f"latents.{key}",
                    value=value,
                    bound="must be a number, a distribution or an array",
                )
        return FrozenDict(latents)

    def _check_values(self, where: str) -> None:
        """Check lengths of arrays, and the names and units of expressions."""
        neuron, model = self.neuron, self.neuron.mechanism
        units = {key: getattr(value, "unit", "1") for key, value in self.latents.items()}
        units |= {key: parameter.unit for key, parameter in model.parameters.items()}
        entries = [(key, value, model.parameters[key].unit) for key, value in neuron.parameters.items()]
        entries += [(f"latents.{key}", value, units[key]) for key, value in self.latents.items()]
        entries.append(("bias", self.bias, model.input_unit))
        if self.noise is not None:
            sigma, wanted = self.noise.sigma, noise_unit(model.input_unit)
            if not isinstance(sigma, str) and not same_unit(getattr(sigma, "unit", "1"), wanted):
                raise UnitsError.of(
                    where=where,
                    name="noise.sigma",
                    value=sigma,
                    bound=f"must be in {wanted}",
                    fix='use for example "5 pA*s**0.5"' if wanted != "1" else "give a plain number",
                )
            entries.append(("noise.sigma", sigma, wanted))
        for key, value, unit in entries:
            self._check_value(value, units, unit, where=where, name=key)
        for key, variable in model.variables.items():
            if key in neuron.initial:
                self._check_value(
                    neuron.initial[key], units, variable.unit, where=where, name=f"initial.{key}"
                )
            units[key] = variable.unit

    def _check_value(self, value: Any, units: Mapping[str, str], unit: str, *, where: str, name: str) -> None:
        if isinstance(value, Values) and value.shape != (self.n,):
            raise SpecError.of(
                where=where,
                name=name,
                value=value,
                bound=f"must have one element per neuron, shape ({self.n},)",
            )
        if isinstance(value, str):
            check_expression(value, units, unit, where=where, name=name)
