"""What goes in and what comes out: inputs, filters, read-outs, feedback and the online learning rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from arcuate.errors import SpecError, check_choice, check_int, check_real
from arcuate.mechanisms.synapses import FILTERS, FilterModel
from arcuate.spec.checks import check_flag, check_name, read_parameters
from arcuate.spec.distributions import Distribution, value_from
from arcuate.spec.part import Part, tagged
from arcuate.spec.synapse import Synapse, delta
from arcuate.spec.times import active_windows as _active
from arcuate.spec.times import seconds as _time
from arcuate.spec.times import window as _window
from arcuate.spec.values import Values
from arcuate.units import dimension

__all__ = ["RLS", "Center", "Delta", "Feedback", "Filter", "Input", "Readout", "Rule", "TwoBank"]

#: Most outputs of a read-out and channels of an input.
MAX_CHANNELS = 100_000
ELIGIBILITIES = ("cue", "event", "trace", "post")


def _names(value: Any, *, where: str, name: str) -> tuple[str, ...]:
    """Read one name or several different ones."""
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not names:
        raise SpecError.of(where=where, name=name, value=value, bound="must be a name or a list of names")
    checked = tuple(check_name(item, where=where, name=name) for item in names)
    if len(set(checked)) < len(checked):
        raise SpecError.of(where=where, name=name, value=value, bound="must name every population once")
    return checked


def _weight(value: Any, *, where: str, name: str) -> Any:
    """Read a number, a distribution or a matrix."""
    read = value_from(value, None, where=where, name=name)
    if isinstance(read, str):
        raise SpecError.of(
            where=where,
            name=name,
            value=value,
            bound="must be a number, a distribution or an array",
            fix='use for example Uniform(0, 30) or "5 pA"',
        )
    return read


@dataclass(frozen=True, kw_only=True, eq=False)
class Input(Part):
    """A drive from outside: currents or spikes, given when the network runs or by its task.

    Parameters
    ----------
    name : str
        ASCII letters, digits and ``_``; the task or the caller gives the values under this name.
    target : str or list of str
        Populations that receive it.
    n_channels : int
        Number of channels.
    weight : value
        From every channel to every target neuron: a number, a distribution (one draw per pair), or an
        array of shape (n_target, n_channels), targets in order. Its unit times `unit` is the input unit
        of the target; for spikes its unit is that of the synapse.
    unit : str
        Unit of the values of a current.
    kind : str
        ``"current"`` or ``"spikes"``.
    synapse : Synapse or None
        For spikes: the synapse they arrive at; a delta synapse unless given.

    Raises
    ------
    SpecError
        If a value is wrong.

    Examples
    --------
    >>> Input(name="cue", target="exc", weight={"dist": "uniform", "low": 0, "high": 30}).weight
    Uniform(low=0.0, high=30.0)
    """

    name: str
    target: Any
    n_channels: int = 1
    weight: Any = 1.0
    unit: str = "1"
    kind: str = "current"
    synapse: Any = None

    def __post_init__(self) -> None:
        where = f"Input {check_name(self.name, where='Input')!r}"
        target = _names(self.target, where=where, name="target")
        n = check_int(self.n_channels, where=where, name="n_channels", high=MAX_CHANNELS)
        weight = _weight(self.weight, where=where, name="weight")
        if isinstance(weight, Values) and (len(weight.shape) != 2 or weight.shape[1] != n):
            raise SpecError.of(
                where=where,
                name="weight",
                value=weight.shape,
                bound=f"must have shape (n_target, {n})",
                fix="rows are target neurons, columns are channels",
            )
        kind = check_choice(self.kind, ("current", "spikes"), where=where, name="kind")
        if not isinstance(self.unit, str):
            raise SpecError.of(where=where, name="unit", value=self.unit, bound="must be a text such as 'A'")
        dimension(self.unit)
        synapse = None if self.synapse is None else Synapse.from_tree(self.synapse, where=where)
        if kind == "spikes":
            synapse = synapse or delta()
            if self.unit != "1":
                raise SpecError.of(where=where, name="unit", value=self.unit, bound="must be '1' for spikes")
        elif synapse is not None:
            raise SpecError.of(
                where=where,
                name="synapse",
                value=synapse.model,
                bound="must be left out for a current",
                fix='use kind="spikes"',
            )
        self._set(target=target, n_channels=n, weight=weight, synapse=synapse)


@dataclass(frozen=True, kw_only=True, eq=False)
class Filter(Part):
    """The filter from spikes to the features of a read-out.

    Parameters
    ----------
    model : str
        ``"exponential"``, ``"two_stage"`` or ``"double_exponential"``.
    method : str or None
        ``"exact"``; ``"semi_exact"`` (double_exponential only) is the step of Nicola and Clopath 2017.
    parameters : mapping
        Time constants; the double exponential also has `area`.

    Examples
    --------
    >>> Filter(model="two_stage", parameters={"tau": "30 ms"}).parameters["tau"]
    30 ms
    """

    flat: ClassVar[str] = "parameters"

    model: str = "two_stage"
    method: Any = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_choice(self.model, tuple(FILTERS), where="Filter", name="model")
        where = f"Filter {self.model!r}"
        mechanism = FILTERS[self.model]
        method = mechanism.default_method if self.method is None else self.method
        check_choice(method, tuple(mechanism.updates), where=where, name="method")
        parameters = read_parameters(self.parameters, mechanism.parameters, where=where, per_neuron=False)
        self._set(method=method, parameters=parameters)

    @property
    def mechanism(self) -> FilterModel:
        """The filter as data."""
        return FILTERS[self.model]


@dataclass(frozen=True, kw_only=True, eq=False)
class Center(Part):
    """Subtract the running trial mean from the features.

    Parameters
    ----------
    tau_trials : float
        Time constant in trials, >= 1.

    Examples
    --------
    >>> Center(tau_trials=50).tau_trials
    50.0
    """

    tau_trials: float = 50.0

    def __post_init__(self) -> None:
        self._set(
            tau_trials=check_real(self.tau_trials, where="Center", name="tau_trials", low=1.0, high=1e9)
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Feedback(Part):
    """Feed the outputs of a read-out back as a current.

    Parameters
    ----------
    target : str
        Population that receives it.
    scale : value
        Current per unit of output: a number, a distribution (one draw per target neuron and output), or
        an array of shape (n_target, n_outputs), in the input unit of the target.

    Examples
    --------
    >>> Feedback(target="res", scale={"dist": "uniform", "low": "-5 nA", "high": "5 nA"}).scale.high
    5 nA
    """

    target: str
    scale: Any

    def __post_init__(self) -> None:
        check_name(self.target, where="Feedback", name="target")
        self._set(scale=_weight(self.scale, where="Feedback", name="scale"))


@dataclass(frozen=True, kw_only=True, eq=False)
class Rule(Part):
    """Base of the online rules; each learns once per period of its read-out."""

    def _bounds(self, where: str) -> tuple[float | None, float | None]:
        """Check ``w_min`` and ``w_max``, where ``None`` is no bound."""
        low, high = (
            None if bound is None else check_real(bound, where=where, name=name) + 0.0
            for name, bound in (
                ("w_min", getattr(self, "w_min", None)),
                ("w_max", getattr(self, "w_max", None)),
            )
        )
        if low is not None and high is not None and low > high:
            raise SpecError.of(where=where, name="w_min", value=low, bound=f"must be <= w_max ({high:g})")
        return low, high


def _rate(value: Any, *, where: str, name: str) -> float:
    return check_real(value, where=where, name=name, low=0.0, high=1e6) + 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Delta(Rule):
    """Delta rule, plain or normalized: ``w += learning_rate * gate * error * x [/(c + |x|^2)]``.

    Parameters
    ----------
    learning_rate : float
        Step size, >= 0; below 2 for the normalized form to be stable.
    normalization : float or None
        The constant c; ``None`` means no division.
    w_min, w_max : float or None
        Bounds of a weight; ``None`` means none.
    active : list of (start, stop) or None
        Times of the run in which it learns; ``None`` leaves that to the gate of the task.

    Raises
    ------
    SpecError
        If a value is negative or the bounds are the wrong way round.

    Examples
    --------
    >>> Delta(learning_rate=0.3, normalization=30).normalization
    30.0
    """

    tag: ClassVar[tuple[str, str]] = ("kind", "delta")

    learning_rate: float
    normalization: float | None = None
    w_min: float | None = None
    w_max: float | None = None
    active: Any = None

    def __post_init__(self) -> None:
        where = "Rule 'delta'"
        rate = _rate(self.learning_rate, where=where, name="learning_rate")
        c = self.normalization
        if c is not None:
            c = check_real(c, where=where, name="normalization", low=0.0) + 0.0
            if rate >= 2.0:
                raise SpecError.of(
                    where=where,
                    name="learning_rate",
                    value=rate,
                    bound="must be < 2 with a normalization",
                    fix="a normalized step of 2 or more grows without bound",
                )
        low, high = self._bounds(where)
        active = _active(self.active, where=where)
        self._set(learning_rate=rate, normalization=c, w_min=low, w_max=high, active=active)


@dataclass(frozen=True, kw_only=True, eq=False)
class RLS(Rule):
    """Recursive least squares, the rule of FORCE.

    Parameters
    ----------
    alpha : float
        Regularization, > 0: P starts at I/alpha.
    forgetting : float
        Forgetting factor in (0, 1]; 1 remembers everything.
    reset_at : list of int
        Trials before which P starts afresh; the weights stay.
    normalized : bool
        Whether the gain of the weights is divided by ``forgetting + x P x``, which is least squares. The code
        of Nicola and Clopath 2017 leaves that out.
    active : list of (start, stop) or None
        Times of the run in which it learns; ``None`` leaves that to the gate of the task.

    Raises
    ------
    SpecError
        If alpha is not positive or the factor not in (0, 1].

    Examples
    --------
    >>> RLS(alpha=1.0, reset_at=[150]).reset_at
    (150,)
    """

    tag: ClassVar[tuple[str, str]] = ("kind", "rls")

    alpha: float
    forgetting: float = 1.0
    reset_at: Any = ()
    normalized: bool = True
    active: Any = None

    def __post_init__(self) -> None:
        where = "Rule 'rls'"
        alpha = check_real(self.alpha, where=where, name="alpha", low=0.0, low_open=True)
        forgetting = check_real(
            self.forgetting, where=where, name="forgetting", low=0.0, high=1.0, low_open=True
        )
        if isinstance(self.reset_at, (str, Mapping)) or not isinstance(self.reset_at, Sequence):
            raise SpecError.of(
                where=where, name="reset_at", value=self.reset_at, bound="must be a list of trials"
            )
        trials = (check_int(trial, where=where, name="reset_at", low=0) for trial in self.reset_at)
        self._set(
            alpha=alpha,
            forgetting=forgetting,
            reset_at=tuple(sorted(set(trials))),
            normalized=check_flag(self.normalized, where=where, name="normalized"),
            active=_active(self.active, where=where),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class TwoBank(Rule):
    """Two banks on the same features: "when" learns online, "what" learns after the outcome.

    Online, inside `when_window` after the cue, ``w += eta_when * delta(t) * x/(c_when + |x|^2)``. Once per
    trial, in the interval after it, ``V_k += eta_what * delta_k * e/(c_what + |e|^2)`` with the eligibility
    e of that trial. The outputs are the identities; the prediction of one is ``max(z, 0) * q_k``.

    Parameters
    ----------
    eta_when, eta_what : float
        Learning rates, in [0, 2).
    c_when, c_what : float
        Constants of the normalization, >= 0.
    eligibility : str
        What e is the mean of x over: ``"cue"``, `cue_window` after the cue; ``"event"``, weighted by the
        teacher; ``"trace"``, weighted by an exponential of `trace_tau` that ends at the event; ``"post"``,
        `post_window` after the event. Without an event the last three leave no eligibility.
    when_window, cue_window, post_window : (start, stop)
        Windows after the cue, after the cue, and after the event.
    trace_tau : str
        Time constant of ``"trace"``.
    w_min, w_max : float or None
        Bounds of every weight; ``None`` means none.

    Raises
    ------
    SpecError
        If a rate is out of bounds or a window is empty.

    References
    ----------
    Reimplementation from the abstract of Yamada and Chao, arXiv:2510.14382; every number is our choice.

    Examples
    --------
    >>> TwoBank(eta_when=0.1).eligibility
    'cue'
    """

    tag: ClassVar[tuple[str, str]] = ("kind", "two_bank")

    eta_when: float = 0.3
    eta_what: float = 0.06
    c_when: float = 30.0
    c_what: float = 1.0
    eligibility: str = "cue"
    when_window: Any = ("0 ms", "1200 ms")
    cue_window: Any = ("0 ms", "300 ms")
    post_window: Any = ("100 ms", "300 ms")
    trace_tau: Any = "300 ms"
    w_min: float | None = None
    w_max: float | None = None

    def __post_init__(self) -> None:
        where = "Rule 'two_bank'"
        for name in ("eta_when", "eta_what"):
            value = check_real(getattr(self, name), where=where, name=name, low=0.0, high=2.0, high_open=True)
            self._set(**{name: value + 0.0})
        for name in ("c_when", "c_what"):
            self._set(**{name: check_real(getattr(self, name), where=where, name=name, low=0.0) + 0.0})
        check_choice(self.eligibility, ELIGIBILITIES, where=where, name="eligibility")
        for name in ("when_window", "cue_window", "post_window"):
            self._set(**{name: _window(getattr(self, name), where=where, name=name)})
        low, high = self._bounds(where)
        tau = _time(self.trace_tau, where=where, name="trace_tau", low_open=True)
        self._set(trace_tau=tau, w_min=low, w_max=high)


RULES: Mapping[str, type[Rule]] = {kind.tag[1]: kind for kind in (Delta, RLS, TwoBank)}


@dataclass(frozen=True, kw_only=True, eq=False)
class Readout(Part):
    """A linear read-out of filtered spikes, with an optional online rule and feedback.

    Parameters
    ----------
    name : str
        ASCII letters, digits and ``_``.
    source : str or list of str
        Populations, concatenated in this order.
    n_outputs : int
        Number of outputs; for the two-bank rule the number of identities.
    filter : Filter
        From spikes to features.
    period : str
        Time between samples of the features for learning and recording; rounded to steps.
    center : Center or None
        Subtract the running trial mean.
    feedback : Feedback or None
        Current of the outputs.
    rule : Delta, RLS, TwoBank or None
        Online rule.
    initial_weight : float or array
        One number, or an array of shape (n_rows, n_features); the two-bank rule has a row for "when"
        before those of the outputs.

    Raises
    ------
    SpecError
        If a value is wrong or the starting weight is outside the bounds of the rule.

    Examples
    --------
    >>> Readout(name="out", source="exc", n_outputs=2, rule=RLS(alpha=1.0)).rule.alpha
    1.0
    """

    name: str
    source: Any
    n_outputs: int = 1
    filter: Any = field(default_factory=Filter)
    period: Any = "10 ms"
    center: Any = None
    feedback: Any = None
    rule: Any = None
    initial_weight: Any = 0.0

    def __post_init__(self) -> None:
        where = f"Readout {check_name(self.name, where='Readout')!r}"
        parts: dict[str, Any] = {}
        for key, kind in (("filter", Filter), ("center", Center), ("feedback", Feedback)):
            given = getattr(self, key)
            parts[key] = (
                None if given is None and key != "filter" else kind.from_tree(given or {}, where=where)
            )
        rule = None if self.rule is None else tagged(self.rule, RULES, Rule, where=where, name="rule")
        weight = _weight(self.initial_weight, where=where, name="initial_weight")
        n = check_int(self.n_outputs, where=where, name="n_outputs", high=MAX_CHANNELS)
        self._set(
            source=_names(self.source, where=where, name="source"),
            n_outputs=n,
            rule=rule,
            initial_weight=weight,
            period=_time(self.period, where=where, name="period", low_open=True),
            **parts,
        )
        self._check_weight(where)
        if isinstance(rule, TwoBank) and parts["feedback"] is not None:
            raise SpecError.of(
                where=where,
                name="feedback",
                value=parts["feedback"].target,
                bound="must be left out with the two-bank rule",
                fix="use Delta or RLS for a read-out with feedback",
            )

    @property
    def n_rows(self) -> int:
        """Rows of the weights: the outputs, after one row for "when" under the two-bank rule."""
        return self.n_outputs + isinstance(self.rule, TwoBank)

    def _check_weight(self, where: str) -> None:
        """Refuse starting weights of the wrong form or outside the bounds of the rule."""
        weight = self.initial_weight
        if isinstance(weight, Distribution) or getattr(weight, "unit", "1") != "1":
            raise SpecError.of(
                where=where, name="initial_weight", value=weight, bound="must be a plain number or an array"
            )
        array = np.asarray(weight, dtype=float)
        if array.ndim and (array.ndim != 2 or array.shape[0] != self.n_rows):
            raise SpecError.of(
                where=where,
                name="initial_weight",
                value=array.shape,
                bound=f"must have shape ({self.n_rows}, n_features)",
            )
        for name, outside in (("w_min", np.less), ("w_max", np.greater)):
            bound = getattr(self.rule, name, None)
            if bound is not None and outside(array, bound).any():
                sign = ">=" if name == "w_min" else "<="
                raise SpecError.of(
                    where=where,
                    name="initial_weight",
                    value=weight,
                    bound=f"must be {sign} {name} ({bound:g})",
                    fix="start inside the bounds of the rule",
                )
