"""Synapse models and spike filters, each written once as a step program.

A synapse of one projection has one copy of its variables per target neuron. Its update runs in slot S2,
after the neuron has used the old state; a delivered spike adds to one variable in slot S4. The exact
steps are propagators of the linear equations, so their constants hold for any time step; time constants
that coincide are the limit of the same formula, not a special case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from arcuate.mechanisms.neurons import Parameter, Variable

__all__ = ["FILTERS", "SYNAPSES", "FilterModel", "SynapseModel"]


@dataclass(frozen=True, kw_only=True)
class SynapseModel:
    """A synapse model as data.

    Parameters
    ----------
    name : str
        Key in `SYNAPSES`.
    doc : str
        One line for people.
    parameters : mapping of str to Parameter
        Parameters, one value per target neuron or one for all.
    variables : mapping of str to Variable
        Variables per target neuron. A unit ``"input"`` stands for the input unit of the target,
        ``"input/s"`` for that over seconds, ``"S"`` and ``"S/s"`` for a conductance and its rate.
    constants : mapping of str to mapping of str to str
        Per method: expressions over parameters, earlier constants and ``dt`` (s).
    updates : mapping of str to str
        Update program per method, slot S2.
    current : str
        Contribution to ``I`` of the target, at the old state; empty for none. May read the membrane
        potential ``v`` of the target.
    conductance, driven : str
        Contributions to ``G`` and ``I`` of a target whose update reads ``G``, instead of `current`: such a
        membrane has the input current ``I - G*v``. Empty for a synapse that sends a current.
    leak_constants : mapping of str to str
        Constants of the exact contribution to a linear membrane: expressions over the above and
        ``leak_tau`` (s), ``leak_resistance`` (ohm) of the target.
    leak_contribution : str
        Contribution to ``P`` of the target, at the old state; empty for none.
    on_spike : tuple of str
        Variable that a delivered spike adds to, and the amount: ``w`` is the weight. The variable
        ``"post.v"`` is the target's membrane potential, left alone while the target is refractory.
    weight_unit : str
        ``"input"``, ``"input*s"`` (an area), ``"S"`` (a conductance) or ``"v"`` (a step of the
        target's ``v``).
    default_method : str
        Method used when none is named.
    source : str
        Publication.
    time_constants : tuple of str
        Parameters that are times which the step must resolve.

    Examples
    --------
    >>> SYNAPSES["exponential"].on_spike
    ('s', 'w')
    """

    name: str
    doc: str
    parameters: Mapping[str, Parameter]
    variables: Mapping[str, Variable]
    constants: Mapping[str, Mapping[str, str]]
    updates: Mapping[str, str]
    current: str
    on_spike: tuple[str, str]
    weight_unit: str
    source: str
    leak_constants: Mapping[str, str] = field(default_factory=dict)
    leak_contribution: str = ""
    conductance: str = ""
    driven: str = ""
    default_method: str = "exact"
    time_constants: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FilterModel:
    """A filter from spikes to the variable that a read-out reads.

    Parameters
    ----------
    name : str
        Key in `FILTERS`.
    doc : str
        One line for people.
    parameters : mapping of str to Parameter
        Parameters, the same for all neurons.
    variables : mapping of str to Variable
        Variables per source neuron, all zero at the start.
    constants : mapping of str to mapping of str to str
        Per method: expressions over parameters, earlier constants and ``dt`` (s).
    updates : mapping of str to str
        Update program per method, slot S2.
    on_spike : str
        Program run in slot S5 for the neurons that fired.
    output : str
        Variable that the read-out reads.
    default_method : str
        Method used when none is named.
    source : str
        Publication.
    time_constants : tuple of str
        Parameters that are times which the step must resolve.

    Examples
    --------
    >>> FILTERS["two_stage"].output
    'r'
    """

    name: str
    doc: str
    parameters: Mapping[str, Parameter]
    variables: Mapping[str, Variable]
    constants: Mapping[str, Mapping[str, str]]
    updates: Mapping[str, str]
    on_spike: str
    source: str
    output: str = "r"
    default_method: str = "exact"
    time_constants: tuple[str, ...] = ()


_ROTTER = "Rotter and Diesmann 1999, Biol. Cybern. 81:381, doi:10.1007/s004220050570"
_NICOLA = "Nicola and Clopath 2017, Nat. Commun. 8:2208, doi:10.1038/s41467-017-01827-3; ModelDB 190565"
_BELLEC = "Bellec et al. 2020, Nat. Commun. 11:3625, equation 6, doi:10.1038/s41467-020-17236-y"
_RALL = "Rall 1967, J. Neurophysiol. 30:1138, doi:10.1152/jn.1967.30.5.1138"
_DESTEXHE = "Destexhe, Mainen and Sejnowski 1998, Methods in Neuronal Modeling, MIT Press, chapter 1"
_CHOSEN = "chosen: no default in the literature fits every use"


def _tau(default: float | None, doc: str, source: str) -> Parameter:
    return Parameter(unit="s", default=default, doc=doc, source=source, low=0.0, high=100.0, low_open=True)


# exp(-dt/p) convolved with exp(-t/q) over one step is dt*exp(-dt/p)*phi(x), x = dt/p - dt/q and
# phi(x) = (exp(x) - 1)/x. Written with t = tanh(x/2), phi = 2t/((1 - t) x) keeps all digits for p near q.
def _convolution(name: str, slow: str, fast: str) -> dict[str, str]:
    """Constants ending in `name`: the convolution of two exponential decays over one step, seconds."""
    x, t = f"{name}_x", f"{name}_t"
    return {
        x: f"dt/{slow} - dt/{fast}",
        t: f"tanh(0.5*{x})",
        name: f"dt*exp(-dt/{slow})*where({x} == 0.0, 1.0, 2.0*{t}/((1.0 - {t})*where({x} == 0.0, 1.0, {x})))",
    }


# Three exponential decays convolved over one step: dt**2 times the divided difference of exp at
# -dt/tau of the three. Points apart by less than 0.1 use the series about their mean (terms to order 6).
def _triple(rise: str, decay: str) -> dict[str, str]:
    """Constants that end in ``leak_gain_h``: what ``h`` adds to a leaky membrane over one step."""
    return {
        "leak_a": "-dt/leak_tau",
        "leak_b": f"-dt/{rise}",
        "leak_c": f"-dt/{decay}",
        **_TRIPLE,
    }


_TRIPLE = {
    "leak_mean": "(leak_a + leak_b + leak_c)/3.0",
    "leak_p": "leak_a - leak_mean",
    "leak_q": "leak_b - leak_mean",
    "leak_r": "leak_c - leak_mean",
    "leak_low": "min(leak_p, min(leak_q, leak_r))",
    "leak_high": "max(leak_p, max(leak_q, leak_r))",
    "leak_mid": "max(min(leak_p, leak_q), min(max(leak_p, leak_q), leak_r))",
    "leak_e2": "leak_p*leak_q + leak_p*leak_r + leak_q*leak_r",
    "leak_e3": "leak_p*leak_q*leak_r",
    "leak_series": (
        "0.5 - leak_e2/24.0 + leak_e3/120.0 + leak_e2**2/720.0 - leak_e2*leak_e3/2520.0"
        " + (leak_e3**2 - leak_e2**3)/40320.0"
    ),
    "leak_gap_low": "where(leak_mid == leak_low, 1.0, leak_mid - leak_low)",
    "leak_gap_high": "where(leak_high == leak_mid, 1.0, leak_high - leak_mid)",
    "leak_t_low": "tanh(0.5*(leak_mid - leak_low))",
    "leak_t_high": "tanh(0.5*(leak_high - leak_mid))",
    "leak_d_low": (
        "exp(leak_low)*where(leak_mid == leak_low, 1.0, 2.0*leak_t_low/((1.0 - leak_t_low)*leak_gap_low))"
    ),
    "leak_d_high": (
        "exp(leak_mid)*where(leak_high == leak_mid, 1.0, 2.0*leak_t_high/((1.0 - leak_t_high)*leak_gap_high))"
    ),
    "leak_spread": "leak_high - leak_low",
    "leak_direct": "(leak_d_high - leak_d_low)/where(leak_spread < 0.1, 1.0, leak_spread)",
    "leak_gain_h": (
        "leak_resistance*dt*dt/leak_tau*exp(leak_mean)*where(leak_spread < 0.1, leak_series, leak_direct)"
    ),
}

_delta = SynapseModel(
    name="delta",
    doc="A spike steps the target's membrane potential by the weight.",
    parameters={},
    variables={},
    constants={"exact": {}},
    updates={"exact": ""},
    current="",
    on_spike=("post.v", "w"),
    weight_unit="v",
    source="Brunel 2000, J. Comput. Neurosci. 8:183, doi:10.1023/A:1008925309027",
)

_pulse = SynapseModel(
    name="pulse",
    doc="A spike adds the weight to the target's input of the following step, and of that step alone.",
    parameters={},
    variables={"s": Variable(unit="input", initial="0.0", doc="spikes of the last step, weighted")},
    constants={"exact": {}},
    updates={"exact": "s = 0.0"},
    current="s",
    on_spike=("s", "w"),
    weight_unit="input",
    leak_constants={"leak_gain": "leak_resistance*(1.0 - exp(-dt/leak_tau))"},
    leak_contribution="leak_gain*s",
    source=_BELLEC,
)

_exponential = SynapseModel(
    name="exponential",
    doc="A spike steps the target's current by the weight; the current decays with tau_syn.",
    parameters={"tau_syn": _tau(10e-3, "decay time constant", _CHOSEN)},
    variables={"s": Variable(unit="input", initial="0.0", doc="synaptic current")},
    constants={"exact": {"decay_syn": "exp(-dt/tau_syn)"}},
    updates={"exact": "s = decay_syn*s"},
    current="s",
    on_spike=("s", "w"),
    weight_unit="input",
    leak_constants={
        **_convolution("leak_conv", "leak_tau", "tau_syn"),
        "leak_gain": "leak_resistance*leak_conv/leak_tau",
    },
    leak_contribution="leak_gain*s",
    source=_ROTTER,
    time_constants=("tau_syn",),
)

_DOUBLE_EXACT = {
    "decay_rise": "exp(-dt/tau_rise)",
    "decay_decay": "exp(-dt/tau_decay)",
    **_convolution("kappa", "tau_rise", "tau_decay"),
    "jump": "1.0/(tau_rise*tau_decay)",
}
_DOUBLE_SEMI = {
    "decay_rise": "exp(-dt/tau_rise)",
    "decay_decay": "exp(-dt/tau_decay)",
    "kappa": "dt",
    "jump": "1.0/(tau_rise*tau_decay)",
}
_DOUBLE_UPDATE = """
    s = decay_rise*s + kappa*h
    h = decay_decay*h
"""

_double_exponential = SynapseModel(
    name="double_exponential",
    doc="A spike sends a current of rise tau_rise and decay tau_decay whose area is the weight.",
    parameters={
        "tau_rise": _tau(2e-3, "rise time constant", _NICOLA),
        "tau_decay": _tau(20e-3, "decay time constant", _NICOLA),
    },
    variables={
        "s": Variable(unit="input", initial="0.0", doc="synaptic current"),
        "h": Variable(unit="input/s", initial="0.0", doc="rate of rise of the current"),
    },
    constants={"exact": _DOUBLE_EXACT, "semi_exact": _DOUBLE_SEMI},
    updates={"exact": _DOUBLE_UPDATE, "semi_exact": _DOUBLE_UPDATE},
    current="s",
    on_spike=("h", "w*jump"),
    weight_unit="input*s",
    leak_constants={
        **_convolution("leak_conv", "leak_tau", "tau_rise"),
        "leak_gain_s": "leak_resistance*leak_conv/leak_tau",
        **_triple("tau_rise", "tau_decay"),
    },
    leak_contribution="leak_gain_s*s + leak_gain_h*h",
    source=f"{_ROTTER}; semi-exact step of {_NICOLA}",
    time_constants=("tau_rise", "tau_decay"),
)

_ALPHA_EXACT = {"decay_syn": "exp(-dt/tau_syn)", "kappa": "dt*decay_syn"}
_ALPHA_UPDATE = "{0} = decay_syn*{0} + kappa*h\nh = decay_syn*h"

_alpha = SynapseModel(
    name="alpha",
    doc="A spike sends a current that rises and decays with one tau_syn, whose area is the weight.",
    parameters={"tau_syn": _tau(2e-3, "time from a spike to the peak of its current", _CHOSEN)},
    variables={
        "s": Variable(unit="input", initial="0.0", doc="synaptic current"),
        "h": Variable(unit="input/s", initial="0.0", doc="rate of rise of the current"),
    },
    constants={"exact": {**_ALPHA_EXACT, "jump": "1.0/(tau_syn*tau_syn)"}},
    updates={"exact": _ALPHA_UPDATE.format("s")},
    current="s",
    on_spike=("h", "w*jump"),
    weight_unit="input*s",
    leak_constants={
        **_convolution("leak_conv", "leak_tau", "tau_syn"),
        "leak_gain_s": "leak_resistance*leak_conv/leak_tau",
        **_triple("tau_syn", "tau_syn"),
    },
    leak_contribution="leak_gain_s*s + leak_gain_h*h",
    source=f"{_RALL}; exact step of {_ROTTER}",
    time_constants=("tau_syn",),
)

_E_REV = Parameter(
    unit="V",
    default=None,
    doc="reversal potential, such as 0 mV (excitatory) or -80 mV (inhibitory)",
    source=f"{_DESTEXHE}, equation 1.2",
    low=-0.5,
    high=0.5,
)
_CONDUCTANCE = {
    "g": Variable(unit="S", initial="0.0", doc="synaptic conductance"),
    "h": Variable(unit="S/s", initial="0.0", doc="rate of rise of the conductance"),
}

_exponential_conductance = SynapseModel(
    name="exponential_conductance",
    doc="A spike steps the target's conductance to e_rev by the weight; it decays with tau_syn.",
    parameters={"tau_syn": _tau(10e-3, "decay time constant", _CHOSEN), "e_rev": _E_REV},
    variables={"g": _CONDUCTANCE["g"]},
    constants={"exact": {"decay_syn": "exp(-dt/tau_syn)"}},
    updates={"exact": "g = decay_syn*g"},
    on_spike=("g", "w"),
    source=f"{_DESTEXHE}; {_ROTTER}",
    time_constants=("tau_syn",),
    current="g*(e_rev - v)",
    conductance="g",
    driven="g*e_rev",
    weight_unit="S",
)

_alpha_conductance = SynapseModel(
    name="alpha_conductance",
    doc="A spike opens a conductance to e_rev that peaks after tau_syn at the weight.",
    parameters={"tau_syn": _tau(2e-3, "time from a spike to its peak", _CHOSEN), "e_rev": _E_REV},
    variables=_CONDUCTANCE,
    constants={"exact": {**_ALPHA_EXACT, "jump": "2.718281828459045/tau_syn"}},
    updates={"exact": _ALPHA_UPDATE.format("g")},
    on_spike=("h", "w*jump"),
    source=f"{_RALL}; exact step of {_ROTTER}",
    time_constants=("tau_syn",),
    current="g*(e_rev - v)",
    conductance="g",
    driven="g*e_rev",
    weight_unit="S",
)

# A jump of 1 in h peaks at tau_rise*r**(-1/(r - 1)), r = tau_decay/tau_rise; log(r)/(r - 1) keeps all digits.
_PEAK = {
    "ratio": "tau_decay/tau_rise",
    "log_ratio": "where(ratio == 1.0, 1.0, log(ratio)/where(ratio == 1.0, 1.0, ratio - 1.0))",
    "opening": "exp(log_ratio)/tau_rise",
}

_double_conductance = SynapseModel(
    name="double_exponential_conductance",
    doc="A spike opens a conductance to e_rev of rise tau_rise and decay tau_decay that peaks at the weight.",
    parameters={
        "tau_rise": _tau(2e-3, "rise time constant", _NICOLA),
        "tau_decay": _tau(20e-3, "decay time constant", _NICOLA),
        "e_rev": _E_REV,
    },
    variables=_CONDUCTANCE,
    constants={"exact": {**_DOUBLE_EXACT, **_PEAK}},
    updates={"exact": "g = decay_rise*g + kappa*h\nh = decay_decay*h"},
    on_spike=("h", "w*opening"),
    source=f"{_DESTEXHE}; exact step of {_ROTTER}",
    time_constants=("tau_rise", "tau_decay"),
    current="g*(e_rev - v)",
    conductance="g",
    driven="g*e_rev",
    weight_unit="S",
)

#: Synapse models by name.
SYNAPSES: Mapping[str, SynapseModel] = {
    model.name: model
    for model in (
        _delta,
        _pulse,
        _exponential,
        _alpha,
        _double_exponential,
        _exponential_conductance,
        _alpha_conductance,
        _double_conductance,
    )
}

_exponential_filter = FilterModel(
    name="exponential",
    doc="A spike adds one; the trace decays with tau.",
    parameters={"tau": _tau(30e-3, "decay time constant", _CHOSEN)},
    variables={"r": Variable(unit="1", initial="0.0", doc="filtered spike train")},
    constants={"exact": {"decay_r": "exp(-dt/tau)"}},
    updates={"exact": "r = decay_r*r"},
    on_spike="r = r + 1.0",
    source="Dayan and Abbott 2001, Theoretical Neuroscience, MIT Press, section 1.2",
    time_constants=("tau",),
)

_two_stage_filter = FilterModel(
    name="two_stage",
    doc="Two decays of the same tau in a row; a spike adds one to the first.",
    parameters={"tau": _tau(30e-3, "time constant of both stages", _CHOSEN)},
    variables={
        "rs": Variable(unit="1", initial="0.0", doc="first stage"),
        "r": Variable(unit="1", initial="0.0", doc="second stage, what the read-out reads"),
    },
    constants={"exact": {"decay_r": "exp(-dt/tau)", "gain_r": "1.0 - decay_r"}},
    updates={"exact": "rs = decay_r*rs\nr = decay_r*r + gain_r*rs"},
    on_spike="rs = rs + 1.0",
    source="chosen: the alpha-shaped trace in its discrete form",
    time_constants=("tau",),
)

_double_filter = FilterModel(
    name="double_exponential",
    doc="A spike sends a trace of rise tau_rise and decay tau_decay whose integral is the area.",
    parameters={
        "tau_rise": _tau(2e-3, "rise time constant", _NICOLA),
        "tau_decay": _tau(20e-3, "decay time constant", _NICOLA),
        "area": Parameter(
            unit="s",
            default=1e-3,
            doc="integral of one spike's trace; 1 ms gives spikes per ms",
            source=_NICOLA,
            low=0.0,
            high=1000.0,
            low_open=True,
        ),
    },
    variables={
        "r": Variable(unit="1", initial="0.0", doc="filtered spike train"),
        "h": Variable(unit="1/s", initial="0.0", doc="rate of rise of the trace"),
    },
    constants={
        "exact": {**_DOUBLE_EXACT, "jump": "area/(tau_rise*tau_decay)"},
        "semi_exact": {**_DOUBLE_SEMI, "jump": "area/(tau_rise*tau_decay)"},
    },
    updates={
        "exact": "r = decay_rise*r + kappa*h\nh = decay_decay*h",
        "semi_exact": "r = decay_rise*r + kappa*h\nh = decay_decay*h",
    },
    on_spike="h = h + jump",
    source=_NICOLA,
    time_constants=("tau_rise", "tau_decay"),
)

#: Spike filters by name.
FILTERS: Mapping[str, FilterModel] = {
    model.name: model for model in (_exponential_filter, _two_stage_filter, _double_filter)
}
