"""Neuron models, each written once as a step program.

A model is data: parameters with units, state variables, constants that follow from the parameters and
the time step, one update program per integration method, a threshold and a reset. Engines translate the
programs; they choose neither the order of the statements nor the integrator.

Statements run one after the other. A method that reads only old values (Jacobi order) writes the new
ones to temporaries first. In an update program ``I`` is the total input of the step, taken at the old
state. A model with ``leak`` run by the method ``"exact"`` gets the synaptic currents apart: ``I`` then
leaves them out and ``P`` is the sum of their exact contributions to ``v``. An update that reads ``G`` gets
the total synaptic conductance there, and ``I`` holds each conductance times its reversal potential, so that
the input current is ``I - G*v``; without it, ``I`` holds the currents of the conductances at the old ``v``.
"""

from __future__ import annotations

from collections.abc import Mapping

from arcuate.mechanisms._hodgkin_huxley import HH
from arcuate.mechanisms._neuron import Constraint, NeuronModel, Parameter, Preset, Variable
from arcuate.mechanisms._spiking import ADEX, ALIF, QIF

__all__ = ["MODELS", "PRESETS", "Constraint", "NeuronModel", "Parameter", "Preset", "Variable"]


_IZH2003 = "Izhikevich 2003, IEEE Trans. Neural Netw. 14:1569, doi:10.1109/TNN.2003.820440"
_IZH2007 = "Izhikevich 2007, Dynamical Systems in Neuroscience, MIT Press, chapter 8"
_POTJANS = "Potjans and Diesmann 2014, Cereb. Cortex 24:785, doi:10.1093/cercor/bhs358"
_NICOLA = "Nicola and Clopath 2017, Nat. Commun. 8:2208, doi:10.1038/s41467-017-01827-3; ModelDB 190565"
_ERMENTROUT = "Ermentrout and Kopell 1986, SIAM J. Appl. Math. 46:233, doi:10.1137/0146017"

_izh2003 = NeuronModel(
    name="izh2003",
    doc="Izhikevich neuron, dimensionless form of 2003; v in mV and time in ms by convention.",
    parameters={
        "a": Parameter(
            unit="1", default=0.02, doc="rate of recovery, per ms", source=_IZH2003, low=0.0, high=10.0
        ),
        "b": Parameter(
            unit="1", default=0.2, doc="sensitivity of recovery to v", source=_IZH2003, low=-100.0, high=100.0
        ),
        "c": Parameter(
            unit="1", default=-65.0, doc="value of v after a spike", source=_IZH2003, low=-200.0, high=200.0
        ),
        "d": Parameter(
            unit="1", default=8.0, doc="jump of u at a spike", source=_IZH2003, low=-1000.0, high=1000.0
        ),
        "v_peak": Parameter(
            unit="1",
            default=30.0,
            doc="value of v at which a spike is cut",
            source=_IZH2003,
            low=-200.0,
            high=1000.0,
        ),
    },
    variables={
        "v": Variable(unit="1", initial="c", doc="membrane potential, in mV by convention"),
        "u": Variable(unit="1", initial="b*v", doc="recovery"),
    },
    constants={"half_dt_ms": "0.5*dt_ms", "a_dt": "a*dt_ms"},
    input_unit="1",
    time_unit=1e-3,
    updates={
        "euler": """
            v_new = v + dt_ms*(0.04*v**2 + 5.0*v + 140.0 - u + I)
            u_new = u + a_dt*(b*v - u)
            v = v_new
            u = u_new
        """,
        "legacy2003": """
            v = v + half_dt_ms*(0.04*v**2 + 5.0*v + 140.0 - u + I)
            v = v + half_dt_ms*(0.04*v**2 + 5.0*v + 140.0 - u + I)
            u = u + a_dt*(b*v - u)
        """,
    },
    threshold="v >= v_peak",
    reset="""
        v = c
        u = u + d
    """,
    ode="""
        dv/dt = 0.04*v**2 + 5*v + 140 - u + I
        du/dt = a*(b*v - u)
        v >= v_peak: v = c, u = u + d
    """,
    source=_IZH2003,
    default_method="euler",
    constraints=(
        Constraint(
            name="c",
            expression="c < v_peak",
            bound="must be below v_peak",
            fix="lower c, or raise v_peak; a reset above the peak fires at every step",
        ),
    ),
)

_izh2007 = NeuronModel(
    name="izh2007",
    doc="Izhikevich neuron with units, form of 2007.",
    parameters={
        "c_m": Parameter(
            unit="F",
            default=100e-12,
            doc="membrane capacitance",
            source=_IZH2007,
            low=0.0,
            high=1e-6,
            low_open=True,
        ),
        "k": Parameter(
            unit="S/V",
            default=0.7e-6,
            doc="curvature of the current-voltage relation",
            source=_IZH2007,
            low=0.0,
            high=1.0,
            low_open=True,
        ),
        "v_r": Parameter(
            unit="V", default=-60e-3, doc="resting potential", source=_IZH2007, low=-0.2, high=0.2
        ),
        "v_t": Parameter(
            unit="V",
            default=-40e-3,
            doc="instantaneous threshold potential",
            source=_IZH2007,
            low=-0.2,
            high=0.2,
        ),
        "v_peak": Parameter(
            unit="V",
            default=35e-3,
            doc="potential at which a spike is cut",
            source=_IZH2007,
            low=-0.2,
            high=0.5,
        ),
        "a": Parameter(unit="1/s", default=30.0, doc="rate of recovery", source=_IZH2007, low=0.0, high=1e5),
        "b": Parameter(
            unit="S", default=-2e-9, doc="sensitivity of recovery to v", source=_IZH2007, low=-1e-3, high=1e-3
        ),
        "c": Parameter(
            unit="V", default=-50e-3, doc="potential after a spike", source=_IZH2007, low=-0.2, high=0.2
        ),
        "d": Parameter(
            unit="A", default=100e-12, doc="jump of u at a spike", source=_IZH2007, low=-1e-6, high=1e-6
        ),
    },
    variables={
        "v": Variable(unit="V", initial="v_r", doc="membrane potential"),
        "u": Variable(unit="A", initial="b*(v - v_r)", doc="recovery current"),
    },
    constants={"dt_over_c": "dt/c_m", "a_dt": "a*dt"},
    input_unit="A",
    updates={
        "euler": """
            v_new = v + dt_over_c*(k*(v - v_r)*(v - v_t) - u + I)
            u_new = u + a_dt*(b*(v - v_r) - u)
            v = v_new
            u = u_new
        """,
    },
    threshold="v >= v_peak",
    reset="""
        v = c
        u = u + d
    """,
    ode="""
        c_m*dv/dt = k*(v - v_r)*(v - v_t) - u + I
        du/dt = a*(b*(v - v_r) - u)
        v >= v_peak: v = c, u = u + d
    """,
    source=_IZH2007,
    default_method="euler",
    constraints=(
        Constraint(
            name="c",
            expression="c < v_peak",
            bound="must be below v_peak",
            fix="lower c, or raise v_peak; a reset above the peak fires at every step",
        ),
    ),
)

_lif = NeuronModel(
    name="lif",
    doc="Leaky integrate-and-fire neuron with current input.",
    parameters={
        "tau_m": Parameter(
            unit="s",
            default=10e-3,
            doc="membrane time constant",
            source=_POTJANS,
            low=0.0,
            high=100.0,
            low_open=True,
        ),
        "resistance": Parameter(
            unit="ohm",
            default=40e6,
            doc="input resistance; tau_m over the capacitance of 250 pF",
            source=_POTJANS,
            low=0.0,
            high=1e12,
            low_open=True,
        ),
        "v_rest": Parameter(
            unit="V", default=-65e-3, doc="resting potential", source=_POTJANS, low=-1.0, high=1.0
        ),
        "v_thresh": Parameter(unit="V", default=-50e-3, doc="threshold", source=_POTJANS, low=-1.0, high=1.0),
        "v_reset": Parameter(
            unit="V", default=-65e-3, doc="potential after a spike", source=_POTJANS, low=-1.0, high=1.0
        ),
        "t_ref": Parameter(
            unit="s",
            default=2e-3,
            doc="refractory time, rounded to steps; v is held and cannot fire",
            source=_POTJANS,
            low=0.0,
            high=10.0,
        ),
    },
    variables={
        "v": Variable(unit="V", initial="v_rest", doc="membrane potential"),
        "ref": Variable(unit="1", initial="0.0", doc="refractory steps left"),
    },
    constants={
        "decay_m": "exp(-dt/tau_m)",
        "dt_over_tau": "dt/tau_m",
        "ref_steps": "floor(t_ref/dt + 0.5)",
    },
    input_unit="A",
    updates={
        "exact": """
            ref = max(ref - 1.0, 0.0)
            v_inf = v_rest + resistance*I
            v_new = v_inf + (v - v_inf)*decay_m + P
            v = where(ref > 0.0, v, v_new)
        """,
        "euler": """
            ref = max(ref - 1.0, 0.0)
            v_new = v + dt_over_tau*(v_rest - v + resistance*I)
            v = where(ref > 0.0, v, v_new)
        """,
        "exponential_euler": """
            ref = max(ref - 1.0, 0.0)
            load = 1.0 + resistance*G
            v_inf = (v_rest + resistance*I)/load
            v_new = v_inf + (v - v_inf)*exp(-dt_over_tau*load)
            v = where(ref > 0.0, v, v_new)
        """,
    },
    threshold="v >= v_thresh and ref <= 0.0",
    reset="""
        v = v_reset
        ref = ref_steps
    """,
    ode="""
        tau_m*dv/dt = v_rest - v + resistance*I
        v >= v_thresh: v = v_reset, held for t_ref
    """,
    source=_POTJANS,
    default_method="exact",
    leak=("tau_m", "resistance"),
    constraints=(
        Constraint(
            name="v_reset",
            expression="v_reset < v_thresh",
            bound="must be below v_thresh",
            fix="lower v_reset; a reset at or above the threshold fires at every step",
        ),
    ),
    time_constants=("tau_m",),
)

_theta = NeuronModel(
    name="theta",
    doc="Theta neuron; a constant input I > 0 fires at sqrt(I)/tau.",
    parameters={
        "tau": Parameter(
            unit="s",
            default=1.0,
            doc="unit of time of the equation",
            source=_NICOLA,
            low=0.0,
            high=1000.0,
            low_open=True,
        ),
    },
    variables={"v": Variable(unit="1", initial="-3.141592653589793", doc="phase, between -pi and pi")},
    constants={"dt_over_tau": "dt/tau", "pi_squared": "9.869604401089358"},
    input_unit="1",
    updates={
        "euler": """
            cos_v = cos(v)
            v = v + dt_over_tau*(1.0 - cos_v + pi_squared*(1.0 + cos_v)*I)
        """,
    },
    threshold="v >= 3.141592653589793",
    reset="v = -3.141592653589793",
    ode="""
        tau*dv/dt = 1 - cos(v) + pi**2*(1 + cos(v))*I
        v >= pi: v = -pi
    """,
    source=f"{_ERMENTROUT}; scaling of {_NICOLA}",
    default_method="euler",
    time_constants=("tau",),
)

#: Neuron models by name.
MODELS: Mapping[str, NeuronModel] = {
    model.name: model for model in (_izh2003, _izh2007, _lif, ALIF, ADEX, QIF, _theta, HH)
}


def _preset_2003(doc: str, a: float, b: float, *, c: float, d: float) -> Preset:
    return Preset(
        model="izh2003", parameters={"a": a, "b": b, "c": c, "d": d}, doc=doc, source=f"{_IZH2003}, figure 2"
    )


#: Published parameter sets, by model and by the short name of the firing pattern.
PRESETS: Mapping[str, Mapping[str, Preset]] = {
    "izh2003": {
        "RS": _preset_2003("regular spiking", 0.02, 0.2, c=-65.0, d=8.0),
        "IB": _preset_2003("intrinsically bursting", 0.02, 0.2, c=-55.0, d=4.0),
        "CH": _preset_2003("chattering", 0.02, 0.2, c=-50.0, d=2.0),
        "FS": _preset_2003("fast spiking", 0.1, 0.2, c=-65.0, d=2.0),
        "LTS": _preset_2003("low-threshold spiking", 0.02, 0.25, c=-65.0, d=2.0),
        "TC": _preset_2003("thalamo-cortical", 0.02, 0.25, c=-65.0, d=0.05),
        "RZ": _preset_2003("resonator", 0.1, 0.26, c=-65.0, d=2.0),
    },
    "izh2007": {
        "RS": Preset(
            model="izh2007",
            parameters={
                "c_m": "100 pF",
                "k": "0.7 nS/mV",
                "v_r": "-60 mV",
                "v_t": "-40 mV",
                "v_peak": "35 mV",
                "a": "0.03 /ms",
                "b": "-2 nS",
                "c": "-50 mV",
                "d": "100 pA",
            },
            doc="regular spiking, layer 5 pyramidal cell",
            source=_IZH2007,
        ),
    },
}
