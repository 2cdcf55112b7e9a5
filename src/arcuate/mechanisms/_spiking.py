"""Adaptive and quadratic integrate-and-fire neurons: alif, adex, qif."""

from __future__ import annotations

from arcuate.mechanisms._neuron import Constraint, NeuronModel, Parameter, Variable

__all__ = ["ADEX", "ALIF", "QIF"]

_BELLEC = "Bellec et al. 2020, Nat. Commun. 11:3625, doi:10.1038/s41467-020-17236-y"
_BRETTE = "Brette and Gerstner 2005, J. Neurophysiol. 94:3637, doi:10.1152/jn.00686.2005"
_MONTBRIO = "Montbrio, Pazo and Roxin 2015, Phys. Rev. X 5:021028, doi:10.1103/PhysRevX.5.021028"

ALIF = NeuronModel(
    name="alif",
    doc="Leaky integrate-and-fire neuron with an adaptive threshold, in discrete time and without units.",
    parameters={
        "tau_m": Parameter(
            unit="s",
            default=20e-3,
            doc="membrane time constant",
            source=_BELLEC,
            low=0.0,
            high=100.0,
            low_open=True,
        ),
        "tau_a": Parameter(
            unit="s",
            default=200e-3,
            doc="time constant of the threshold's adaptation",
            source=_BELLEC,
            low=0.0,
            high=1e4,
            low_open=True,
        ),
        "beta": Parameter(
            unit="1",
            default=0.07,
            doc="rise of the threshold with each spike; 0 makes it a plain neuron",
            source=_BELLEC,
            low=0.0,
            high=1e6,
        ),
        "v_thresh": Parameter(
            unit="1",
            default=1.0,
            doc="threshold at rest, taken off v in the step after a spike",
            source="chosen: the unit of v",
            low=0.0,
            high=1e6,
            low_open=True,
        ),
        "t_ref": Parameter(
            unit="s",
            default=0.0,
            doc="time without spikes, rounded to steps; v goes on",
            source=_BELLEC,
            low=0.0,
            high=10.0,
        ),
    },
    variables={
        "v": Variable(unit="1", initial="0.0", doc="membrane potential"),
        "a": Variable(unit="1", initial="0.0", doc="adaptation of the threshold"),
        "z": Variable(unit="1", initial="0.0", doc="1 after a spike in this step"),
        "silent": Variable(unit="1", initial="0.0", doc="steps left without spikes"),
    },
    constants={
        "alpha": "exp(-dt/tau_m)",
        "rho": "exp(-dt/tau_a)",
        "ref_steps": "floor(t_ref/dt + 0.5)",
    },
    input_unit="1",
    updates={
        "discrete": """
            v = alpha*v + I - z*v_thresh
            a = rho*a + z
            z = 0.0*z
            silent = max(silent - 1.0, 0.0)
        """,
    },
    threshold="v > v_thresh + beta*a and silent <= 0.0",
    reset="""
        z = 1.0
        silent = ref_steps
    """,
    ode="""
        v(t) = alpha*v(t-1) + I(t) - z(t-1)*v_thresh, alpha = exp(-dt/tau_m)
        a(t) = rho*a(t-1) + z(t-1), rho = exp(-dt/tau_a)
        v > v_thresh + beta*a: z = 1, then none for t_ref
    """,
    source=f"{_BELLEC}, Methods",
    default_method="discrete",
    time_constants=("tau_m", "tau_a"),
)
"""v(t) is what the paper's v(t) is, and a spike of step t reaches v in step t + 1: with the synapse ``pulse``
of delay 0, v(t+1) = alpha v(t) + W z(t) + W_in x(t+1) - z(t) v_thresh."""

ADEX = NeuronModel(
    name="adex",
    doc="Adaptive exponential integrate-and-fire neuron.",
    parameters={
        "c_m": Parameter(
            unit="F",
            default=281e-12,
            doc="membrane capacitance",
            source=_BRETTE,
            low=0.0,
            high=1e-6,
            low_open=True,
        ),
        "g_leak": Parameter(
            unit="S",
            default=30e-9,
            doc="leak conductance",
            source=_BRETTE,
            low=0.0,
            high=1e-3,
            low_open=True,
        ),
        "v_rest": Parameter(
            unit="V",
            default=-70.6e-3,
            doc="reversal potential of the leak",
            source=_BRETTE,
            low=-0.2,
            high=0.2,
        ),
        "v_thresh": Parameter(
            unit="V",
            default=-50.4e-3,
            doc="threshold of the exponential",
            source=_BRETTE,
            low=-0.2,
            high=0.2,
        ),
        "delta_t": Parameter(
            unit="V",
            default=2e-3,
            doc="slope factor of the exponential",
            source=_BRETTE,
            low=1e-4,
            high=0.1,
        ),
        "tau_w": Parameter(
            unit="s",
            default=144e-3,
            doc="time constant of adaptation",
            source=_BRETTE,
            low=0.0,
            high=100.0,
            low_open=True,
        ),
        "a": Parameter(
            unit="S", default=4e-9, doc="adaptation below threshold", source=_BRETTE, low=-1e-3, high=1e-3
        ),
        "b": Parameter(
            unit="A", default=80.5e-12, doc="jump of w at a spike", source=_BRETTE, low=-1e-6, high=1e-6
        ),
        "v_reset": Parameter(
            unit="V", default=-70.6e-3, doc="potential after a spike", source=_BRETTE, low=-0.2, high=0.2
        ),
        "v_peak": Parameter(
            unit="V",
            default=20e-3,
            doc="potential at which a spike is cut",
            source=_BRETTE,
            low=-0.2,
            high=0.5,
        ),
    },
    variables={
        "v": Variable(unit="V", initial="v_rest", doc="membrane potential"),
        "w": Variable(unit="A", initial="0.0", doc="adaptation current"),
    },
    constants={
        "dt_over_c": "dt/c_m",
        "dt_over_tau": "dt/tau_w",
        "half_dt_over_c": "0.5*dt/c_m",
        "half_dt_over_tau": "0.5*dt/tau_w",
        "per_slope": "1.0/delta_t",
        "g_slope": "g_leak*delta_t",
    },
    input_unit="A",
    updates={
        "euler": """
            v_new = v + dt_over_c*(g_leak*(v_rest - v) + g_slope*exp((v - v_thresh)*per_slope) - w + I)
            w_new = w + dt_over_tau*(a*(v - v_rest) - w)
            v = v_new
            w = w_new
        """,
        "heun": """
            v_slope = g_leak*(v_rest - v) + g_slope*exp((v - v_thresh)*per_slope) - w + I
            w_slope = a*(v - v_rest) - w
            v_next = min(v + dt_over_c*v_slope, v_peak)
            w_next = w + dt_over_tau*w_slope
            v_end = g_leak*(v_rest - v_next) + g_slope*exp((v_next - v_thresh)*per_slope) - w_next + I
            w_end = a*(v_next - v_rest) - w_next
            v = v + half_dt_over_c*(v_slope + v_end)
            w = w + half_dt_over_tau*(w_slope + w_end)
        """,
    },
    threshold="v >= v_peak",
    reset="""
        v = v_reset
        w = w + b
    """,
    ode="""
        c_m*dv/dt = g_leak*(v_rest - v) + g_leak*delta_t*exp((v - v_thresh)/delta_t) - w + I
        tau_w*dw/dt = a*(v - v_rest) - w
        v >= v_peak: v = v_reset, w = w + b
    """,
    source=_BRETTE,
    default_method="euler",
    constraints=(
        Constraint(
            name="v_reset",
            expression="v_reset < v_peak",
            bound="must be below v_peak",
            fix="lower v_reset; a reset at or above the peak fires at every step",
        ),
        Constraint(
            name="v_peak",
            expression="(v_peak - v_thresh)/delta_t < 500.0",
            bound="must be within 500 slope factors of v_thresh, or the exponential overflows",
            fix="lower v_peak, or raise delta_t",
        ),
    ),
    time_constants=("tau_w",),
)
"""The old v is below v_peak at every step, so the exponent is bounded by ``(v_peak - v_thresh)/delta_t``; the
second stage of Heun's method clips its v there."""

QIF = NeuronModel(
    name="qif",
    doc="Quadratic integrate-and-fire neuron; from minus to plus infinity it takes pi*tau/sqrt(I).",
    parameters={
        "tau": Parameter(
            unit="s",
            default=10e-3,
            doc="unit of time of the equation",
            source=_MONTBRIO,
            low=0.0,
            high=1000.0,
            low_open=True,
        ),
        "v_peak": Parameter(
            unit="1",
            default=100.0,
            doc="value of v at which a spike is cut",
            source=_MONTBRIO,
            low=0.0,
            high=1e6,
            low_open=True,
        ),
        "v_reset": Parameter(
            unit="1", default=-100.0, doc="value of v after a spike", source=_MONTBRIO, low=-1e6, high=1e6
        ),
    },
    variables={"v": Variable(unit="1", initial="v_reset", doc="membrane potential")},
    constants={"dt_over_tau": "dt/tau"},
    input_unit="1",
    updates={"euler": "v = v + dt_over_tau*(v*v + I)"},
    threshold="v >= v_peak",
    reset="v = v_reset",
    ode="""
        tau*dv/dt = v**2 + I
        v >= v_peak: v = v_reset
    """,
    source=_MONTBRIO,
    default_method="euler",
    constraints=(
        Constraint(
            name="v_reset",
            expression="v_reset < v_peak",
            bound="must be below v_peak",
            fix="lower v_reset; a reset at or above the peak fires at every step",
        ),
    ),
    time_constants=("tau",),
)
