"""Plastic synapses and the third factor: rules of projections, and modulators that gate them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from arcuate.errors import SpecError, check_choice, check_real, unknown
from arcuate.mechanisms.neurons import Parameter
from arcuate.mechanisms.synaptic_rules import RULES, SynapticRule
from arcuate.spec.checks import check_name, read_parameters
from arcuate.spec.distributions import Distribution, value_from
from arcuate.spec.part import Part
from arcuate.spec.times import active_windows, seconds
from arcuate.spec.values import FrozenDict, Values, check_bounds, quantity

__all__ = [
    "Modulator",
    "Plasticity",
    "inhibitory_stdp",
    "stdp",
    "synaptic_scaling",
    "triplet_stdp",
    "voltage_stdp",
]

METHODS = ("event_driven", "clock_driven")


@dataclass(frozen=True, kw_only=True, eq=False)
class Plasticity(Part):
    """The rule by which the synapses of a projection change.

    Without a modulator the rule's increments go into the weights at once. With a modulator they are
    multiplied by it. With a modulator and `tau_e` they go into an eligibility e that decays with `tau_e`,
    and the weight follows ``dw/dt = learning_rate * M * e``.

    Parameters
    ----------
    model : str
        ``"stdp"``, ``"triplet_stdp"``, ``"voltage_stdp"``, ``"inhibitory_stdp"`` or ``"synaptic_scaling"``.
    parameters : mapping
        Of the rule; amplitudes are in the unit of the weight.
    modulator : str or None
        Name of the third factor.
    tau_e : str or None
        Time constant of the eligibility; needs a modulator.
    learning_rate : str
        Weight gained per second, unit of eligibility and unit of modulator; needs `tau_e`.
    method : str
        With `tau_e`: ``"event_driven"`` computes a weight in closed form when it is needed;
        ``"clock_driven"`` changes every weight at every step. Bounds are applied then.
    w_min, w_max : value or None
        Bounds of a weight, or of its absolute value if the source population inhibits. A source with a sign
        has the bound 0 anyway (Dale's law).
    bounds : str
        ``"hard"`` clips; ``"soft"`` also multiplies growth by ``(w_max - w)/(w_max - w_min)`` and decline by
        ``(w - w_min)/(w_max - w_min)``.
    normalize : str or None
        ``"l1"`` or ``"l2"``: once a period the weights onto each neuron are multiplied so that their norm is
        that of the start.
    every : str or None
        Period of normalization and of rules that change all weights at once.

    Raises
    ------
    SpecError
        If a value is out of bounds or two do not go together.

    Examples
    --------
    >>> Plasticity(parameters={"a_plus": 0.1, "a_minus": 0.12}, w_max=4.0).parameters["tau_plus"]
    20 ms
    """

    flat: ClassVar[str] = "parameters"

    model: str = "stdp"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    modulator: str | None = None
    tau_e: Any = None
    learning_rate: Any = None
    method: str | None = None
    w_min: Any = None
    w_max: Any = None
    bounds: str = "hard"
    normalize: str | None = None
    every: Any = None

    def __post_init__(self) -> None:
        check_choice(self.model, tuple(RULES), where="Plasticity", name="model")
        where = f"Plasticity {self.model!r}"
        parameters = _parameters(self.parameters, self.mechanism, where=where)
        if self.modulator is not None:
            check_name(self.modulator, where=where, name="modulator")
        self._set(parameters=parameters, **self._eligibility(where))
        low, high = (
            None
            if getattr(self, name) is None
            else quantity(getattr(self, name), None, where=where, name=name)
            for name in ("w_min", "w_max")
        )
        check_choice(self.bounds, ("hard", "soft"), where=where, name="bounds")
        if low is not None and high is not None and low >= high:
            raise SpecError.of(where=where, name="w_min", value=low, bound=f"must be < w_max ({high})")
        if self.bounds == "soft" and (low is None or high is None):
            missing = "w_min" if low is None else "w_max"
            raise SpecError.of(where=where, name=missing, bound="must be given for soft bounds")
        if self.bounds == "soft" and self.method == "event_driven":
            raise SpecError.of(
                where=where, name="bounds", value="soft", bound="has no closed form with an eligibility",
                fix='use method="clock_driven", or bounds="hard"',
            )  # fmt: skip
        self._set(w_min=low, w_max=high, every=self._period(where))

    @property
    def mechanism(self) -> SynapticRule:
        """The rule as data."""
        return RULES[self.model]

    def _eligibility(self, where: str) -> dict[str, Any]:
        """Read what belongs to the eligibility, and refuse it without one."""
        if self.tau_e is None:
            for name in ("learning_rate", "method"):
                if getattr(self, name) is not None:
                    raise SpecError.of(
                        where=where, name=name, value=getattr(self, name),
                        bound="needs an eligibility", fix='give tau_e, such as "1 s"',
                    )  # fmt: skip
            return {}
        if self.modulator is None:
            raise SpecError.of(
                where=where, name="modulator", bound="must be given with tau_e",
                fix="an eligibility changes weights only through a modulator",
            )  # fmt: skip
        rate = "1 Hz" if self.learning_rate is None else self.learning_rate
        rate = quantity(rate, "1/s", where=where, name="learning_rate", low=0.0, high=1e9)
        method = METHODS[0] if self.method is None else self.method
        return {
            "tau_e": seconds(self.tau_e, where=where, name="tau_e", low_open=True),
            "learning_rate": rate,
            "method": check_choice(method, METHODS, where=where, name="method"),
        }

    def _period(self, where: str) -> float | None:
        if self.normalize is not None:
            check_choice(self.normalize, ("l1", "l2"), where=where, name="normalize")
        periodic = bool(self.mechanism.periodic) or self.normalize is not None
        if self.every is None:
            return quantity("100 ms", "s", where=where, name="every") if periodic else None
        if not periodic:
            raise SpecError.of(
                where=where, name="every", value=self.every,
                bound="must be left out: nothing of this rule happens once a period",
            )  # fmt: skip
        return seconds(self.every, where=where, name="every", low_open=True)


def _parameters(given: Any, rule: SynapticRule, *, where: str) -> FrozenDict[str, Any]:
    """Read parameters; those in the unit of the weight keep whatever unit they have for now."""
    plain = {key: item for key, item in rule.parameters.items() if not item.unit.startswith("w")}
    if not isinstance(given, Mapping):
        raise SpecError.of(
            where=where, name="parameters", value=given, bound="must be a table of name to value"
        )
    for name in given:
        if name not in rule.parameters:
            raise unknown(where, name, rule.parameters)
    values = dict(
        read_parameters({k: v for k, v in given.items() if k in plain}, plain, where=where, per_neuron=False)
    )
    for name, parameter in rule.parameters.items():
        if name not in plain:
            values[name] = _scaled(given.get(name), parameter, where=where, name=name)
    return FrozenDict({name: values[name] for name in rule.parameters})


def _scaled(value: Any, parameter: Parameter, *, where: str, name: str) -> float:
    if value is None:
        raise SpecError.of(where=where, name=name, bound=f"is missing ({parameter.doc})")
    read = quantity(value, None, where=where, name=name)
    unit = getattr(read, "unit", "1")
    check_bounds(
        np.asarray(float(read)), unit, where=where, name=name, low=parameter.low, high=parameter.high
    )
    return read


def stdp(
    a_plus: Any, a_minus: Any, *, tau_plus: Any = "20 ms", tau_minus: Any = "20 ms", **options: Any
) -> Plasticity:
    """Pair rule of spike-timing-dependent plasticity; R-STDP with a modulator and an eligibility.

    Parameters
    ----------
    a_plus, a_minus : value, >= 0
        Change by a pair of no lag, in the unit of the weight.
    tau_plus, tau_minus : str
        Decay of the windows.
    **options
        Other fields of `Plasticity`, such as `modulator`, `tau_e` and `w_max`.

    Returns
    -------
    Plasticity

    References
    ----------
    Song, Miller and Abbott 2000, doi:10.1038/78829; R-STDP: Izhikevich 2007, doi:10.1093/cercor/bhl152.

    Examples
    --------
    >>> stdp(0.1, 0.15, modulator="dopamine", tau_e="1 s").method
    'event_driven'
    """
    parameters = {"a_plus": a_plus, "a_minus": a_minus, "tau_plus": tau_plus, "tau_minus": tau_minus}
    return Plasticity(model="stdp", parameters=parameters, **options)


def triplet_stdp(
    a2_plus: Any, a3_plus: Any, *, a2_minus: Any, a3_minus: Any = 0.0, **options: Any
) -> Plasticity:
    """Triplet rule, whose potentiation grows with the rate of pairing.

    Parameters
    ----------
    a2_plus, a3_plus, a2_minus, a3_minus : value, >= 0
        Amplitudes of pairs and triplets, in the unit of the weight.
    **options
        Time constants, and other fields of `Plasticity`.

    Returns
    -------
    Plasticity

    References
    ----------
    Pfister and Gerstner 2006, doi:10.1523/JNEUROSCI.1425-06.2006, equations 3 and 4.

    Examples
    --------
    >>> triplet_stdp(0.0, 6.5e-3, a2_minus=7.1e-3).parameters["tau_y"]
    114 ms
    """
    amplitudes = {"a2_plus": a2_plus, "a3_plus": a3_plus, "a2_minus": a2_minus, "a3_minus": a3_minus}
    return _rule("triplet_stdp", amplitudes, options)


def voltage_stdp(a_ltd: Any, a_ltp: Any, **options: Any) -> Plasticity:
    """Voltage rule.

    Parameters
    ----------
    a_ltd, a_ltp : value, >= 0
        Amplitudes, in the unit of the weight over V and V**2.
    **options
        Thresholds, time constants, and other fields of `Plasticity`.

    Returns
    -------
    Plasticity

    References
    ----------
    Clopath et al. 2010, doi:10.1038/nn.2479, equation 3.

    Examples
    --------
    >>> voltage_stdp("0.14 /V", "80 /V**2").parameters["theta_plus"]
    -45.3 mV
    """
    return _rule("voltage_stdp", {"a_ltd": a_ltd, "a_ltp": a_ltp}, options)


def inhibitory_stdp(eta: Any, rate: Any = "3 Hz", *, tau: Any = "20 ms", **options: Any) -> Plasticity:
    """Inhibitory rule that holds the rate of the target.

    Parameters
    ----------
    eta : value, >= 0
        Strength gained by a pair of no lag, in the unit of the weight.
    rate : str
        Wanted rate of the target.
    tau : str
        Decay of both traces.
    **options
        Other fields of `Plasticity`.

    Returns
    -------
    Plasticity

    References
    ----------
    Vogels et al. 2011, doi:10.1126/science.1211095.

    Examples
    --------
    >>> inhibitory_stdp(0.01).parameters["rate"]
    3 Hz
    """
    return _rule("inhibitory_stdp", {"eta": eta, "rate": rate, "tau": tau}, options)


def synaptic_scaling(
    rate: Any = "5 Hz", *, tau_h: Any = "100 s", tau_rate: Any = "1 s", **options: Any
) -> Plasticity:
    """Multiplicative scaling of all synapses of a target towards a wanted rate.

    Parameters
    ----------
    rate : str
        Wanted rate.
    tau_h, tau_rate : str
        Time constants of scaling and of the filtered rate.
    **options
        Other fields of `Plasticity`, such as `every`.

    Returns
    -------
    Plasticity

    References
    ----------
    Turrigiano et al. 1998, doi:10.1038/36103.

    Examples
    --------
    >>> synaptic_scaling("4 Hz").every
    100 ms
    """
    return _rule("synaptic_scaling", {"rate": rate, "tau_h": tau_h, "tau_rate": tau_rate}, options)


def _rule(model: str, parameters: dict[str, Any], options: dict[str, Any]) -> Plasticity:
    known = RULES[model].parameters
    more = {key: options.pop(key) for key in list(options) if key in known}
    return Plasticity(model=model, parameters={**parameters, **more}, **options)


@dataclass(frozen=True, kw_only=True, eq=False)
class Modulator(Part):
    """A third factor that plastic projections name.

    Broadcast, from outside: its values, one for each step, are given under its name when the network runs,
    as ``inputs={"dopamine": array}``; each is added to a level D that decays with `tau`, or is the level if
    there is no `tau`. From the error of a read-out: every postsynaptic neuron j has its own level, the
    sum over outputs k of ``B_jk (target_k - z_k)`` of the latest sample. In both cases
    ``M = gate * (level - baseline)``.

    Parameters
    ----------
    name : str
        ASCII letters, digits and ``_``.
    tau : str or None
        Decay of the level.
    baseline : float
        What the level is compared with; a negative one is a tonic level.
    readout : str or None
        Read-out whose error it is; needs `feedback`.
    feedback : distribution, number or None
        Fixed weights B, drawn once for each postsynaptic neuron and output.
    active : list of (start, stop) or None
        Times of the run in which it is not 0; ``None`` leaves that to ``gates={"dopamine": array}`` with one
        value for each step, or 1.

    Raises
    ------
    SpecError
        If a value is wrong.

    References
    ----------
    Fremaux and Gerstner 2016, Front. Neural Circuits 9:85, doi:10.3389/fncir.2015.00085.

    Examples
    --------
    >>> Modulator(name="dopamine", tau="200 ms").tau
    200 ms
    """

    name: str
    tau: Any = None
    baseline: float = 0.0
    readout: str | None = None
    feedback: Any = None
    active: Any = None

    def __post_init__(self) -> None:
        where = f"Modulator {check_name(self.name, where='Modulator')!r}"
        tau = None if self.tau is None else seconds(self.tau, where=where, name="tau", low_open=True)
        baseline = check_real(self.baseline, where=where, name="baseline") + 0.0
        feedback = self.feedback
        if (self.readout is None) != (feedback is None):
            raise SpecError.of(
                where=where, name="feedback" if feedback is None else "readout",
                bound="must be given, since an error reaches the synapses through fixed weights",
                fix='use readout="out" and feedback=Normal(0, 1), or neither',
            )  # fmt: skip
        if feedback is not None:
            check_name(self.readout, where=where, name="readout")
            feedback = value_from(feedback, "1", where=where, name="feedback")
            if isinstance(feedback, (str, Values)) or not isinstance(feedback, (float, Distribution)):
                raise SpecError.of(
                    where=where,
                    name="feedback",
                    value=self.feedback,
                    bound="must be a number or a distribution",
                )
            if tau is not None:
                raise SpecError.of(
                    where=where, name="tau", value=tau, bound="must be left out for the error of a read-out"
                )
        self._set(
            tau=tau, baseline=baseline, feedback=feedback, active=active_windows(self.active, where=where)
        )
