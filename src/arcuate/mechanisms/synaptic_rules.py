"""Rules of plastic synapses, each written once as data: traces, increments, and when they happen.

A rule says by how much a spike changes the *strength* of a synapse: its weight, or, for a source under
Dale's law that inhibits, the weight's absolute value. Whether the increment goes into the strength at once,
is multiplied by a modulator, or goes into an eligibility that a modulator turns into strength later, is not
the rule's business: every rule can be gated in each of these ways.

Expressions may read the rule's parameters and constants, its traces, ``w`` (the strength before), ``dt``,
``period`` (s between two periodic updates) and, in the updates of the postsynaptic traces and in `on_step`,
the postsynaptic neuron's variables as ``post_v`` and so on. Increments read the traces before the jump of
the spike that causes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from arcuate.mechanisms.neurons import Parameter, Variable

__all__ = ["RULES", "SynapticRule", "Traces"]


@dataclass(frozen=True, kw_only=True)
class Traces:
    """Variables of one side of a synapse that a rule keeps, one value for each neuron.

    Parameters
    ----------
    variables : mapping of str to Variable
        Traces; a presynaptic one exists once for each delay and starts at 0.
    update : str
        Program of slot S2, run after the neurons' own update.
    on_spike : str
        Program run after the increments of a spike: at its arrival, or in S6 for a postsynaptic spike.

    Examples
    --------
    >>> RULES["stdp"].pre.on_spike
    'x_pre = x_pre + 1.0'
    """

    variables: Mapping[str, Variable] = field(default_factory=dict)
    update: str = ""
    on_spike: str = ""


@dataclass(frozen=True, kw_only=True)
class SynapticRule:
    """A rule of plastic synapses as data.

    Parameters
    ----------
    name : str
        Key in `RULES`.
    doc : str
        One line for people.
    parameters : mapping of str to Parameter
        Parameters. A unit that starts with ``w`` is in the unit of the projection's weight.
    source : str
        Publication.
    ode : str
        The rule in the paper's terms, for readers.
    constants : mapping of str to str
        Expressions over parameters, earlier constants, ``dt`` and ``period``.
    pre, post : Traces
        Traces of the presynaptic and the postsynaptic neurons.
    on_pre : str
        Increment when a presynaptic spike arrives (S4, after the weight was delivered); empty for none.
    on_post : str
        Increment when the postsynaptic neuron fired (S6); empty for none.
    on_step : str
        Increment of every step (end of S4, before the reset), for targets for which `active` holds.
    active : str
        Condition over postsynaptic traces and variables.
    periodic : str
        Increment of all synapses, once a period (S6); empty for none.
    time_constants : tuple of str
        Parameters that are times which the step must resolve.
    needs : tuple of str
        Variables of the postsynaptic neuron that it reads.

    Examples
    --------
    >>> RULES["stdp"].on_post
    'a_plus*x_pre'
    """

    name: str
    doc: str
    parameters: Mapping[str, Parameter]
    source: str
    ode: str
    constants: Mapping[str, str] = field(default_factory=dict)
    pre: Traces = field(default_factory=Traces)
    post: Traces = field(default_factory=Traces)
    on_pre: str = ""
    on_post: str = ""
    on_step: str = ""
    active: str = ""
    periodic: str = ""
    time_constants: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


_SONG = "Song, Miller and Abbott 2000, Nat. Neurosci. 3:919, doi:10.1038/78829"
_PFISTER = "Pfister and Gerstner 2006, J. Neurosci. 26:9673, doi:10.1523/JNEUROSCI.1425-06.2006"
_CLOPATH = "Clopath et al. 2010, Nat. Neurosci. 13:344, doi:10.1038/nn.2479"
_VOGELS = "Vogels et al. 2011, Science 334:1569, doi:10.1126/science.1211095"
_TURRIGIANO = "Turrigiano et al. 1998, Nature 391:892, doi:10.1038/36103"


def _tau(default: float, doc: str, source: str) -> Parameter:
    return Parameter(unit="s", default=default, doc=doc, source=source, low=0.0, high=1e6, low_open=True)


def _size(doc: str, source: str, unit: str = "w", default: float | None = None) -> Parameter:
    return Parameter(unit=unit, default=default, doc=doc, source=source, low=0.0)


def _trace(name: str, doc: str, unit: str = "1") -> dict[str, Variable]:
    return {name: Variable(unit=unit, initial="0.0", doc=doc)}


_stdp = SynapticRule(
    name="stdp",
    doc="Pair rule: every pair of spikes counts, by an exponential window on each side.",
    parameters={
        "a_plus": _size("potentiation by a pair of no lag, A+", _SONG),
        "a_minus": _size("depression by a pair of no lag, A-", _SONG),
        "tau_plus": _tau(20e-3, "decay of the window of potentiation", _SONG),
        "tau_minus": _tau(20e-3, "decay of the window of depression", _SONG),
    },
    constants={"decay_plus": "exp(-dt/tau_plus)", "decay_minus": "exp(-dt/tau_minus)"},
    pre=Traces(
        variables=_trace("x_pre", "presynaptic trace"),
        update="x_pre = decay_plus*x_pre",
        on_spike="x_pre = x_pre + 1.0",
    ),
    post=Traces(
        variables=_trace("x_post", "postsynaptic trace"),
        update="x_post = decay_minus*x_post",
        on_spike="x_post = x_post + 1.0",
    ),
    on_pre="-a_minus*x_post",
    on_post="a_plus*x_pre",
    ode="dw = a_plus exp(-lag/tau_plus) for lag >= 0, -a_minus exp(lag/tau_minus) for lag < 0",
    source=_SONG,
    time_constants=("tau_plus", "tau_minus"),
)

_triplet = SynapticRule(
    name="triplet_stdp",
    doc="Triplet rule: potentiation also counts the postsynaptic spikes before, depression the presynaptic.",
    parameters={
        "a2_plus": _size("potentiation by pairs, A2+", _PFISTER),
        "a3_plus": _size("potentiation by triplets, A3+", _PFISTER),
        "a2_minus": _size("depression by pairs, A2-", _PFISTER),
        "a3_minus": _size("depression by triplets, A3-", _PFISTER),
        "tau_plus": _tau(16.8e-3, "decay of the presynaptic trace r1", _PFISTER),
        "tau_minus": _tau(33.7e-3, "decay of the postsynaptic trace o1", _PFISTER),
        "tau_x": _tau(101e-3, "decay of the slow presynaptic trace r2", _PFISTER),
        "tau_y": _tau(114e-3, "decay of the slow postsynaptic trace o2", f"{_PFISTER}; minimal model"),
    },
    constants={
        "decay_plus": "exp(-dt/tau_plus)",
        "decay_x": "exp(-dt/tau_x)",
        "decay_minus": "exp(-dt/tau_minus)",
        "decay_y": "exp(-dt/tau_y)",
    },
    pre=Traces(
        variables={**_trace("r1", "fast presynaptic trace"), **_trace("r2", "slow presynaptic trace")},
        update="r1 = decay_plus*r1\nr2 = decay_x*r2",
        on_spike="r1 = r1 + 1.0\nr2 = r2 + 1.0",
    ),
    post=Traces(
        variables={**_trace("o1", "fast postsynaptic trace"), **_trace("o2", "slow postsynaptic trace")},
        update="o1 = decay_minus*o1\no2 = decay_y*o2",
        on_spike="o1 = o1 + 1.0\no2 = o2 + 1.0",
    ),
    on_pre="-o1*(a2_minus + a3_minus*r2)",
    on_post="r1*(a2_plus + a3_plus*o2)",
    ode="post: dw = r1 (A2+ + A3+ o2(t - eps)); pre: dw = -o1 (A2- + A3- r2(t - eps))",
    source=_PFISTER,
    time_constants=("tau_plus", "tau_minus", "tau_x", "tau_y"),
)

_voltage = SynapticRule(
    name="voltage_stdp",
    doc="Voltage rule: depression at a spike by the filtered voltage, potentiation while it is high.",
    parameters={
        "a_ltd": _size("amplitude of depression", _CLOPATH, "w/V"),
        "a_ltp": _size("amplitude of potentiation", _CLOPATH, "w/V**2"),
        "theta_minus": Parameter(unit="V", default=-70.6e-3, doc="lower threshold", source=_CLOPATH),
        "theta_plus": Parameter(unit="V", default=-45.3e-3, doc="upper threshold", source=_CLOPATH),
        "tau_x": _tau(15e-3, "decay of the presynaptic trace", _CLOPATH),
        "tau_minus": _tau(10e-3, "filter of the voltage for depression", _CLOPATH),
        "tau_plus": _tau(7e-3, "filter of the voltage for potentiation", _CLOPATH),
    },
    constants={
        "decay_x": "exp(-dt/tau_x)",
        "jump_x": "1.0/tau_x",
        "decay_minus": "exp(-dt/tau_minus)",
        "decay_plus": "exp(-dt/tau_plus)",
        "gain_minus": "1.0 - decay_minus",
        "gain_plus": "1.0 - decay_plus",
    },
    pre=Traces(
        variables=_trace("x_pre", "filtered presynaptic spikes", "1/s"),
        update="x_pre = decay_x*x_pre",
        on_spike="x_pre = x_pre + jump_x",
    ),
    post=Traces(
        variables={
            "u_minus": Variable(unit="V", initial="post_v", doc="filtered voltage for depression"),
            "u_plus": Variable(unit="V", initial="post_v", doc="filtered voltage for potentiation"),
        },
        update=(
            "u_minus = decay_minus*u_minus + gain_minus*post_v\nu_plus = decay_plus*u_plus + gain_plus*post_v"
        ),
    ),
    on_pre="-a_ltd*max(u_minus - theta_minus, 0.0)",
    on_step="a_ltp*x_pre*(post_v - theta_plus)*(u_plus - theta_minus)*dt",
    active="post_v > theta_plus and u_plus > theta_minus",
    ode="dw/dt = -A_LTD X [u_- - theta_-]_+ + A_LTP x [u - theta_+]_+ [u_+ - theta_-]_+",
    source=_CLOPATH,
    time_constants=("tau_x", "tau_minus", "tau_plus"),
    needs=("v",),
)

_inhibitory = SynapticRule(
    name="inhibitory_stdp",
    doc="Symmetric pairs strengthen, a presynaptic spike alone weakens: the target's rate is held.",
    parameters={
        "eta": _size("strength gained by a pair of no lag", _VOGELS),
        "rate": Parameter(
            unit="1/s", default=3.0, doc="target rate rho0", source=_VOGELS, low=0.0, high=1000.0
        ),
        "tau": _tau(20e-3, "decay of both traces", _VOGELS),
    },
    constants={"decay": "exp(-dt/tau)", "alpha": "2.0*rate*tau"},
    pre=Traces(
        variables=_trace("x_pre", "presynaptic trace"),
        update="x_pre = decay*x_pre",
        on_spike="x_pre = x_pre + 1.0",
    ),
    post=Traces(
        variables=_trace("x_post", "postsynaptic trace"),
        update="x_post = decay*x_post",
        on_spike="x_post = x_post + 1.0",
    ),
    on_pre="eta*(x_post - alpha)",
    on_post="eta*x_pre",
    ode="pre: dw = eta (x_post - 2 rho0 tau); post: dw = eta x_pre",
    source=_VOGELS,
    time_constants=("tau",),
)

_scaling = SynapticRule(
    name="synaptic_scaling",
    doc="All synapses of a target grow or shrink by one factor until its rate is the wanted one.",
    parameters={
        "rate": Parameter(
            unit="1/s", default=5.0, doc="wanted rate", source="chosen: cortical order of magnitude",
            low=0.0, high=1000.0, low_open=True,
        ),
        "tau_h": _tau(100.0, "time constant of scaling", "chosen: far longer than learning by spikes"),
        "tau_rate": _tau(1.0, "filter of the rate", "chosen: some spikes at the wanted rate"),
    },
    constants={"decay_rate": "exp(-dt/tau_rate)", "jump_rate": "1.0/tau_rate", "gain": "period/(rate*tau_h)"},
    post=Traces(
        variables={"nu": Variable(unit="1/s", initial="rate", doc="filtered rate")},
        update="nu = decay_rate*nu",
        on_spike="nu = nu + jump_rate",
    ),
    periodic="gain*w*(rate - nu)",
    ode="tau_h dw/dt = w (rate - nu)/rate",
    source=_TURRIGIANO,
    time_constants=("tau_h", "tau_rate"),
)  # fmt: skip

#: Rules of plastic synapses by name.
RULES: Mapping[str, SynapticRule] = {
    rule.name: rule for rule in (_stdp, _triplet, _voltage, _inhibitory, _scaling)
}
