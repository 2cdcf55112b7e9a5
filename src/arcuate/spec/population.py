"""What spikes: neuron models with their parameters, and populations of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from arcuate.errors import SpecError, UnitsError, check_choice, check_int, unknown
from arcuate.mechanisms.expressions import check_name as check_variable
from arcuate.mechanisms.neurons import MODELS, PRESETS, NeuronModel
from arcuate.mechanisms.noise import MODES, noise_unit
from arcuate.spec.checks import (
    MAX_COUNT,
    check_expression,
    check_name,
    check_parameters,
    parameter_order,
    read_parameters,
)
from arcuate.spec.distributions import Distribution, value_from
from arcuate.spec.own_neuron import build_from_ode, check_model, read_model, write_model
from arcuate.spec.part import Part
from arcuate.spec.values import FrozenDict, Quantity, Values, check_bounds, same_unit

__all__ = [
    "Neuron", "Noise", "Population", "adex", "alif", "hh", "izh2003", "izh2007", "lif", "neuron_from_ode",
    "qif", "theta",
]  # fmt: skip

SIGNS = ("excitatory", "inhibitory")


@dataclass(frozen=True, kw_only=True, eq=False)
class Neuron(Part):
    """A neuron model with its parameters.

    Parameters
    ----------
    model : str or NeuronModel
        A model of one's own, or the name of a model: ``"izh2003"``, ``"izh2007"``, ``"lif"``, ``"alif"``,
        ``"adex"``, ``"qif"``, ``"theta"``, ``"hh"``; see `arcuate.mechanisms.neurons.MODELS`.
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

    model: Any = "izh2003"
    method: Any = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    initial: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.model, (NeuronModel, Mapping)):
            own = (
                self.model if isinstance(self.model, NeuronModel) else read_model(self.model, where="Neuron")
            )
            mechanism = check_model(own)
            self._set(model=write_model(mechanism))
        else:
            mechanism = MODELS[check_choice(self.model, tuple(MODELS), where="Neuron", name="model")]
        object.__setattr__(self, "_mechanism", mechanism)
        where = f"Neuron {mechanism.name!r}"
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
        model: NeuronModel = self.__dict__["_mechanism"]
        return model


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


def alif(*, method: str | None = None, initial: Any = None, **parameters: Any) -> Neuron:
    """Leaky integrate-and-fire neuron with an adaptive threshold, in discrete time (Bellec et al. 2020).

    Without units: a spike takes ``v_thresh`` off v in the next step. Recurrent input through the synapse
    `pulse` arrives in the next step, too.

    Parameters
    ----------
    method : str or None
        ``"discrete"``.
    initial : mapping or None
        Starting values of ``v``, ``a``, ``z`` and ``silent``.
    **parameters
        ``tau_m tau_a beta v_thresh t_ref``; ``beta=0`` is a neuron without adaptation.

    Returns
    -------
    Neuron

    Examples
    --------
    >>> alif(tau_a="2 s").parameters["beta"]
    0.07
    """
    return _neuron("alif", method, initial, None, parameters)


def adex(*, method: str | None = None, initial: Any = None, **parameters: Any) -> Neuron:
    """Adaptive exponential integrate-and-fire neuron (Brette and Gerstner 2005).

    Parameters
    ----------
    method : str or None
        ``"euler"`` (default; both equations from old values) or ``"heun"`` (order 2).
    initial : mapping or None
        Starting values of ``v`` and ``w``.
    **parameters
        ``c_m g_leak v_rest v_thresh delta_t tau_w a b v_reset v_peak``.

    Returns
    -------
    Neuron

    Examples
    --------
    >>> adex(method="heun", b="60 pA").parameters["b"]
    60 pA
    """
    return _neuron("adex", method, initial, None, parameters)


def qif(*, method: str | None = None, initial: Any = None, **parameters: Any) -> Neuron:
    """Quadratic integrate-and-fire neuron, without units but for its time constant.

    Parameters
    ----------
    method : str or None
        ``"euler"``.
    initial : mapping or None
        Starting value of ``v``.
    **parameters
        ``tau v_peak v_reset``.

    Returns
    -------
    Neuron

    Examples
    --------
    >>> qif(v_peak=50).parameters["v_peak"]
    50.0
    """
    return _neuron("qif", method, initial, None, parameters)


def hh(*, method: str | None = None, initial: Any = None, **parameters: Any) -> Neuron:
    """Hodgkin-Huxley neuron of the simulators' benchmark (Brette et al. 2007), steps up to 0.1 ms.

    Parameters
    ----------
    method : str or None
        ``"exponential_euler"``, for v and for the gates.
    initial : mapping or None
        Starting values of ``v``, ``m_na``, ``h_na``, ``n_k`` and ``silent``, by default the steady state.
    **parameters
        ``c_m g_leak g_na g_k v_rest v_na v_k v_t v_thresh t_ref``.

    Returns
    -------
    Neuron

    Examples
    --------
    >>> hh(v_rest="-65 mV").method
    'exponential_euler'
    """
    return _neuron("hh", method, initial, None, parameters)


def neuron_from_ode(
    equations: str,
    *,
    threshold: str,
    reset: str,
    parameters: Mapping[str, Any] = FrozenDict({}),
    initial: Mapping[str, Any] = FrozenDict({}),
    method: str = "euler",
    input_unit: str = "1",
    time_unit: str = "s",
    name: str = "own",
) -> Neuron:
    """Make a neuron from differential equations.

    Parameters
    ----------
    equations : str
        One line for each variable, ``dv/dt = ...`` or ``tau_m*dv/dt = ...``; ``v`` must be among them, ``I``
        is the total input.
    threshold : str
        Condition for a spike, such as ``"v >= v_peak"``.
    reset : str
        Assignments, one a line, for the neurons that fired.
    parameters : mapping
        Values of the parameters, ``"20 ms"`` or plain numbers; they fix the units.
    initial : mapping
        Values with which variables start; they fix the units. Those left out start at 0 without a unit.
    method : str
        ``"euler"``, ``"heun"``, ``"exponential_euler"`` (each equation linear in its own variable), or
        ``"exact"`` (a linear system with constant coefficients, input constant within a step).
    input_unit : str
        Unit of ``I``.
    time_unit : {"s", "ms"}
        What the equations without units count time in; ``"ms"`` makes their step ``dt`` in ms.
    name : str
        Name of the model, other than those of the library.

    Returns
    -------
    Neuron

    Raises
    ------
    SpecError
        If an equation is not in the language, a unit does not fit, or the method does not.

    Examples
    --------
    >>> cell = neuron_from_ode("tau*dv/dt = I - v", threshold="v > 1", reset="v = 0", method="exact",
    ...     parameters={"tau": "20 ms"})
    >>> cell.parameters["tau"]
    20 ms
    """
    model = build_from_ode(
        equations, threshold=threshold, reset=reset, parameters=parameters, initial=initial, method=method,
        input_unit=input_unit, time_unit=time_unit, name=name,
    )  # fmt: skip
    return Neuron(model=model)


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
            check_variable(key, where=f"{where}, latents", units=True)
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
