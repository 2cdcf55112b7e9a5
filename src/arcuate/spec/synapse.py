"""Synapses: a model from the catalog with its parameters, and one function for each model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from arcuate.errors import check_choice
from arcuate.mechanisms.short_term import SHORT_TERM, ShortTermModel
from arcuate.mechanisms.synapses import SYNAPSES, SynapseModel
from arcuate.spec.checks import check_expression, read_parameters
from arcuate.spec.part import Part

__all__ = ["Synapse", "TsodyksMarkram", "alpha", "delta", "double_exponential", "exponential", "pulse"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Synapse(Part):
    """A synapse model with its parameters.

    Parameters
    ----------
    model : str
        Key in :data:`arcuate.mechanisms.synapses.SYNAPSES`, such as ``"exponential"``.
    method : str or None
        ``"exact"``; ``"semi_exact"`` (double_exponential only) is the step of Nicola and Clopath 2017.
    parameters : mapping
        Time constants, and the reversal potential of a conductance.

    Examples
    --------
    >>> Synapse(model="exponential", parameters={"tau_syn": "5 ms"}).parameters["tau_syn"]
    5 ms
    """

    flat: ClassVar[str] = "parameters"

    model: str = "exponential"
    method: Any = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_choice(self.model, tuple(SYNAPSES), where="Synapse", name="model")
        where = f"Synapse {self.model!r}"
        mechanism = SYNAPSES[self.model]
        method = mechanism.default_method if self.method is None else self.method
        check_choice(method, tuple(mechanism.updates), where=where, name="method")
        parameters = read_parameters(self.parameters, mechanism.parameters, where=where, per_neuron=False)
        self._set(method=method, parameters=parameters)

    @property
    def mechanism(self) -> SynapseModel:
        """The model as data."""
        return SYNAPSES[self.model]


@dataclass(frozen=True, kw_only=True, eq=False)
class TsodyksMarkram(Part):
    """Short-term depression and facilitation of a projection.

    A spike delivers the share ``u*x`` of each weight: the utilization u is raised by every spike and decays
    with `tau_facil`, the resources x are used up and recover with `tau_rec`. There is one pair for each
    presynaptic neuron.

    Parameters
    ----------
    U : value
        Utilization of a spike after long silence, 0 to 1. This and the others: a number, a distribution, an
        array of one value for each presynaptic neuron, or an expression of the other two.
    tau_rec : value
        Time constant of the recovery of resources.
    tau_facil : value
        Time constant of facilitation; ``"0 s"`` for none.

    Examples
    --------
    >>> TsodyksMarkram(U=0.2, tau_rec="200 ms", tau_facil="1.5 s").tau_facil
    1.5 s
    """

    tag: ClassVar[tuple[str, str]] = ("kind", "tsodyks_markram")

    U: Any = None
    tau_rec: Any = None
    tau_facil: Any = None

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in self.mechanism.parameters}
        known = {name: value for name, value in given.items() if value is not None}
        read = read_parameters(known, self.mechanism.parameters, where="TsodyksMarkram", per_neuron=True)
        units = {name: parameter.unit for name, parameter in self.mechanism.parameters.items()}
        for name, value in read.items():
            if isinstance(value, str):
                check_expression(value, units, units[name], where="TsodyksMarkram", name=name)
        self._set(**read)

    @property
    def mechanism(self) -> ShortTermModel:
        """The model as data."""
        return SHORT_TERM["tsodyks_markram"]


def delta() -> Synapse:
    """A spike steps the target's membrane potential by the weight.

    Returns
    -------
    Synapse

    Examples
    --------
    >>> delta().model
    'delta'
    """
    return Synapse(model="delta")


def _named(model: str, parameters: dict[str, Any], e_rev: Any, method: str | None = None) -> Synapse:
    """The synapse of that time course, as a current, or as a conductance if there is a reversal potential."""
    if e_rev is not None:
        model, parameters = f"{model}_conductance", {**parameters, "e_rev": e_rev}
    return Synapse(model=model, method=method, parameters=parameters)


def exponential(tau_syn: Any = "10 ms", *, e_rev: Any = None) -> Synapse:
    """A spike steps the target's current or conductance by the weight; it decays.

    Parameters
    ----------
    tau_syn : str
        Decay time constant.
    e_rev : str or None
        Reversal potential; with one, the weight is a conductance, without, a current.

    Returns
    -------
    Synapse

    Examples
    --------
    >>> exponential("5 ms").parameters["tau_syn"]
    5 ms
    >>> exponential("5 ms", e_rev="0 mV").model
    'exponential_conductance'
    """
    return _named("exponential", {"tau_syn": tau_syn}, e_rev)


def alpha(tau_syn: Any = "2 ms", *, e_rev: Any = None) -> Synapse:
    """A spike sends a current or opens a conductance that rises and decays with one time constant.

    Parameters
    ----------
    tau_syn : str
        Time from the spike to the peak.
    e_rev : str or None
        Reversal potential; with one, the weight is the conductance at the peak, without, the area of
        the current.

    Returns
    -------
    Synapse

    Examples
    --------
    >>> alpha("3 ms").model, alpha("3 ms", e_rev="-80 mV").model
    ('alpha', 'alpha_conductance')
    """
    return _named("alpha", {"tau_syn": tau_syn}, e_rev)


def double_exponential(
    tau_rise: Any = "2 ms", tau_decay: Any = "20 ms", *, e_rev: Any = None, method: str | None = None
) -> Synapse:
    """A spike sends a current, or opens a conductance, with a rise and a decay.

    Parameters
    ----------
    tau_rise, tau_decay : str
        Time constants.
    e_rev : str or None
        Reversal potential; with one, the weight is the conductance at the peak, without, the area of
        the current.
    method : str or None
        ``"exact"`` (default) or, for a current, ``"semi_exact"``.

    Returns
    -------
    Synapse

    Examples
    --------
    >>> double_exponential("2 ms", "20 ms", method="semi_exact").method
    'semi_exact'
    """
    return _named("double_exponential", {"tau_rise": tau_rise, "tau_decay": tau_decay}, e_rev, method)


def pulse() -> Synapse:
    """A spike adds the weight to the target's input of the following step, and of that step alone.

    Returns
    -------
    Synapse

    Examples
    --------
    >>> pulse().model
    'pulse'
    """
    return Synapse(model="pulse")
