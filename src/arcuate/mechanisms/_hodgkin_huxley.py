"""The Hodgkin-Huxley neuron of the simulators' benchmark."""

from __future__ import annotations

import re

from arcuate.mechanisms._neuron import NeuronModel, Parameter, Variable

__all__ = ["HH"]

_TRAUB = "Traub and Miles 1991, Neuronal Networks of the Hippocampus, Cambridge University Press"
_BRETTE = "Brette et al. 2007, J. Comput. Neurosci. 23:349, doi:10.1007/s10827-007-0038-6, benchmark 3"

_RATES = """
            alpha_m = 1.28/exprel((13.0 - x)*0.25)
            beta_m = 1.4/exprel((x - 40.0)*0.2)
            alpha_h = 0.128*exp((17.0 - x)/18.0)
            beta_h = 4.0/(1.0 + exp((40.0 - x)*0.2))
            alpha_n = 0.16/exprel((15.0 - x)*0.2)
            beta_n = 0.5*exp((10.0 - x)*0.025)
"""
"""Per ms; x is v - v_t in mV. The paper's 0.32*(13 - x)/(exp((13 - x)/4) - 1) is 1.28/exprel((13 - x)/4)."""


def _steady(alpha: str, beta: str) -> str:
    """Value at which a gate starts."""
    rates = dict(line.strip().split(" = ", 1) for line in _RATES.strip().splitlines())
    up, down = (re.sub(r"\bx\b", "((v - v_t)*per_mv)", rates[name]) for name in (alpha, beta))
    return f"{up}/({up} + {down})"


HH = NeuronModel(
    name="hh",
    doc="Hodgkin-Huxley neuron with sodium, potassium and leak, in the form of Traub and Miles.",
    parameters={
        "c_m": Parameter(
            unit="F",
            default=200e-12,
            doc="membrane capacitance; 1 uF/cm2 on 20 000 um2",
            source=_BRETTE,
            low=0.0,
            high=1e-6,
            low_open=True,
        ),
        "g_leak": Parameter(
            unit="S",
            default=10e-9,
            doc="leak conductance",
            source=_BRETTE,
            low=0.0,
            high=1e-3,
            low_open=True,
        ),
        "g_na": Parameter(
            unit="S", default=20e-6, doc="largest conductance of sodium", source=_BRETTE, low=0.0, high=1e-2
        ),
        "g_k": Parameter(
            unit="S",
            default=6e-6,
            doc="largest conductance of potassium",
            source=_BRETTE,
            low=0.0,
            high=1e-2,
        ),
        "v_rest": Parameter(
            unit="V", default=-60e-3, doc="reversal potential of the leak", source=_BRETTE, low=-0.2, high=0.2
        ),
        "v_na": Parameter(
            unit="V", default=50e-3, doc="reversal potential of sodium", source=_BRETTE, low=-0.2, high=0.2
        ),
        "v_k": Parameter(
            unit="V",
            default=-90e-3,
            doc="reversal potential of potassium",
            source=_BRETTE,
            low=-0.2,
            high=0.2,
        ),
        "v_t": Parameter(
            unit="V", default=-63e-3, doc="shift of the gates' voltage", source=_BRETTE, low=-0.2, high=0.2
        ),
        "v_thresh": Parameter(
            unit="V",
            default=-20e-3,
            doc="potential above which a spike is counted",
            source=_BRETTE,
            low=-0.2,
            high=0.2,
        ),
        "t_ref": Parameter(
            unit="s",
            default=3e-3,
            doc="time in which no second spike is counted; v goes on",
            source=_BRETTE,
            low=0.0,
            high=10.0,
        ),
    },
    variables={
        "v": Variable(unit="V", initial="v_rest", doc="membrane potential"),
        "m_na": Variable(unit="1", initial=_steady("alpha_m", "beta_m"), doc="m, activation of sodium"),
        "h_na": Variable(unit="1", initial=_steady("alpha_h", "beta_h"), doc="h, inactivation of sodium"),
        "n_k": Variable(unit="1", initial=_steady("alpha_n", "beta_n"), doc="n, activation of potassium"),
        "silent": Variable(unit="1", initial="0.0", doc="steps left in which no spike is counted"),
    },
    constants={
        "per_mv": "1.0/mV",
        "dt_over_c": "dt/c_m",
        "ref_steps": "floor(t_ref/dt + 0.5)",
    },
    input_unit="A",
    updates={
        "exponential_euler": f"""
            x = (v - v_t)*per_mv
            {_RATES.strip()}
            g_m = g_na*(m_na*m_na*m_na)*h_na
            g_n = g_k*(n_k*n_k*n_k*n_k)
            g = g_leak + g_m + g_n + G
            v_inf = (g_leak*v_rest + g_m*v_na + g_n*v_k + I)/g
            v = v_inf + (v - v_inf)*exp(-dt_over_c*g)
            r_m = alpha_m + beta_m
            m_inf = alpha_m/r_m
            m_na = m_inf + (m_na - m_inf)*exp(-dt_ms*r_m)
            r_h = alpha_h + beta_h
            h_inf = alpha_h/r_h
            h_na = h_inf + (h_na - h_inf)*exp(-dt_ms*r_h)
            r_n = alpha_n + beta_n
            n_inf = alpha_n/r_n
            n_k = n_inf + (n_k - n_inf)*exp(-dt_ms*r_n)
            silent = max(silent - 1.0, 0.0)
        """,
    },
    threshold="v > v_thresh and silent <= 0.0",
    reset="silent = ref_steps",
    ode="""
        c_m*dv/dt = g_leak*(v_rest - v) + g_na*m_na**3*h_na*(v_na - v) + g_k*n_k**4*(v_k - v) + I
        dm_na/dt = alpha_m*(1 - m_na) - beta_m*m_na, the same for h_na and n_k; per ms, x = (v - v_t)/mV:
        alpha_m = 0.32*(13 - x)/(exp((13 - x)/4) - 1), beta_m = 0.28*(x - 40)/(exp((x - 40)/5) - 1)
        alpha_h = 0.128*exp((17 - x)/18), beta_h = 4/(1 + exp((40 - x)/5))
        alpha_n = 0.032*(15 - x)/(exp((15 - x)/5) - 1), beta_n = 0.5*exp((10 - x)/40)
        v > v_thresh: a spike, then none for t_ref
    """,
    source=f"{_BRETTE}; {_TRAUB}",
    default_method="exponential_euler",
    max_dt=0.1e-3,
)
"""All equations are solved from the old state. The longest step is that of the benchmark."""
