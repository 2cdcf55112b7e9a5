"""Neurons of a user: step programs and differential equations, against the library's own and closed forms."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scipy.linalg import expm

import arcuate as arc
from arcuate.errors import ExpressionError, NonFiniteError, SpecError, UnitsError
from arcuate.mechanisms.neurons import MODELS

IZH: dict[str, Any] = {
    "equations": "c_m*dv/dt = k*(v - v_r)*(v - v_t) - u + I\ndu/dt = a*(b*(v - v_r) - u)",
    "threshold": "v >= v_peak",
    "reset": "v = c\nu = u + d",
    "parameters": {
        "c_m": "100 pF", "k": "0.7 nS/mV", "v_r": "-60 mV", "v_t": "-40 mV", "v_peak": "35 mV",
        "a": "0.03 /ms", "b": "-2 nS", "c": "-50 mV", "d": "100 pA",
    },
    "initial": {"v": "-60 mV", "u": "0 pA"},
    "input_unit": "A",
}  # fmt: skip
LIF: dict[str, Any] = {
    "equations": "tau_m*dv/dt = v_rest - v + r*I",
    "threshold": "v >= v_thresh",
    "reset": "v = v_rest",
    "parameters": {"tau_m": "10 ms", "r": "40 Mohm", "v_rest": "-65 mV", "v_thresh": "-50 mV"},
    "initial": {"v": "-65 mV"},
    "input_unit": "A",
}
ADEX: dict[str, Any] = {
    "equations": """
        c_m*dv/dt = g*(v_rest - v) + g*slope*exp((v - v_thresh)/slope) - w + I
        tau_w*dw/dt = a*(v - v_rest) - w   # adaptation
    """,
    "threshold": "v >= v_peak",
    "reset": "v = v_rest\nw = w + b",
    "parameters": {
        "c_m": "281 pF", "g": "30 nS", "v_rest": "-70.6 mV", "slope": "2 mV", "v_thresh": "-50.4 mV",
        "tau_w": "144 ms", "a": "4 nS", "b": "80.5 pA", "v_peak": "20 mV",
    },
    "initial": {"v": "-70.6 mV", "w": "0 pA"},
    "input_unit": "A",
}  # fmt: skip


def net(neuron: arc.Neuron, bias: Any, dt: str = "0.1 ms") -> arc.Network:
    return arc.Network(
        name="own", dt=dt, populations=[arc.Population(name="exc", n=3, neuron=neuron, bias=bias)]
    )


def spikes(neuron: arc.Neuron, bias: Any, duration: str = "500 ms") -> np.ndarray:
    found: np.ndarray = arc.simulate(net(neuron, bias), duration, seed=1).spikes("exc")["time"].values
    return found


@pytest.mark.parametrize(
    ("text", "method", "library", "bias"),
    [
        (IZH, "euler", arc.izh2007(), "150 pA"),
        (LIF, "exact", arc.lif(t_ref="0 ms"), "0.5 nA"),
        (LIF, "euler", arc.lif(t_ref="0 ms", method="euler"), "0.5 nA"),
        (ADEX, "euler", arc.adex(), "1 nA"),
    ],
)
def test_text_fires_like_the_library(text: Any, method: str, library: arc.Neuron, bias: str) -> None:
    own = spikes(arc.neuron_from_ode(**text, method=method, name="mine"), bias)
    assert own.size >= 15
    assert np.array_equal(own, spikes(library, bias))


def test_exact_is_the_matrix_exponential() -> None:
    tau = {"tau_1": 5e-3, "tau_2": 8e-3, "tau_3": 0.7e-3}
    neuron = arc.neuron_from_ode(
        "tau_1*dv/dt = x - v + I\ntau_2*dx/dt = -x - 0.5*v + y\ntau_3*dy/dt = 1 - y", method="exact",
        threshold="v > 1e9", reset="v = 0", parameters={k: f"{t!r} s" for k, t in tau.items()},
        initial={"v": 1.0, "x": -2.0, "y": 0.5},
    )  # fmt: skip
    for dt in (0.1e-3, 1e-3):
        simulation = arc.Simulation(net(neuron, 0.3, f"{dt!r} s"), "10 ms", seed=1)
        simulation.advance()
        m = np.zeros((4, 4))  # the input and the constant as a fourth variable
        m[0] = np.array([-1, 1, 0, 0.3]) / 5e-3
        m[1] = np.array([-0.5, -1, 1, 0]) / 8e-3
        m[2] = np.array([0, 0, -1, 1]) / 0.7e-3
        wanted = expm(m * 10e-3) @ [1.0, -2.0, 0.5, 1.0]
        found = [simulation.state[f"exc/{key}"][0] for key in "vxy"]
        np.testing.assert_allclose(found, wanted[:3], rtol=1e-12, atol=1e-12)


def test_orders_of_heun_and_exponential_euler() -> None:
    """dv/dt = -v*x, dx/dt = -x, whose solution is v0 exp(x0 (exp(-t) - 1))."""
    for method, order in (("heun", 2), ("exponential_euler", 1)):
        neuron = arc.neuron_from_ode(
            "tau*dv/dt = -x*v\ntau*dx/dt = -x", threshold="v > 9", reset="v = 0", method=method,
            parameters={"tau": "10 ms"}, initial={"v": 1.0, "x": 1.0},
        )  # fmt: skip
        errors = []
        for dt in (0.4, 0.2, 0.1):
            simulation = arc.Simulation(net(neuron, 0.0, f"{dt} ms"), "10 ms", seed=1)
            simulation.advance()
            errors.append(abs(simulation.state["exc/v"][0] - np.exp(np.exp(-1.0) - 1.0)))
        np.testing.assert_allclose(np.log2(np.divide(errors[:-1], errors[1:])), order, atol=0.1)


def test_a_model_as_data_is_a_table_and_has_a_hash() -> None:
    model = dataclasses.replace(MODELS["izh2003"], name="mine")
    neuron = arc.Neuron(model=model, parameters={"a": arc.Uniform(0.02, 0.1)})
    network = net(neuron, 10.0)
    for back in (arc.Network.from_toml(network.to_toml()), arc.Network.from_json(network.to_json())):
        assert back == network
        assert back.populations["exc"].neuron.mechanism.updates == model.updates
    assert network != net(arc.Neuron(model=dataclasses.replace(model, reset="v = c")), 10.0)
    assert np.array_equal(
        spikes(arc.Neuron(model=model), 10.0, "300 ms"), spikes(arc.izh2003(), 10.0, "300 ms")
    )


def test_variables_may_be_named_like_the_ends_of_arrays_of_the_engine() -> None:
    def trains(names: list[str], growth: float = 0.0) -> np.ndarray:
        lines = [f"tau*d{name}/dt = growth*{name}**2 - {name}" for name in names]
        cell = arc.neuron_from_ode(
            "\n".join([f"tau*dv/dt = {' + '.join(names)} + I - v", *lines]),
            threshold="v > 1", reset="v = 0", parameters={"tau": "10 ms", "growth": growth},
            initial=dict.fromkeys(names, 2.0),
        )  # fmt: skip
        return spikes(cell, 2.0, "100 ms")

    names = ["p", "open_p", "my_flag", "n_count", "was_kept_steps", "no_sample_steps"]
    named = trains(names)
    assert named.size and np.array_equal(named, trains(["a1", "a2", "a3", "a4", "a5", "a6"]))
    with pytest.raises(NonFiniteError, match=r"step \d+.*: p = "):
        trains(names, growth=1.0)


@pytest.mark.brian
def test_brian2_has_the_same_bits() -> None:
    from conformance.cases import assert_identical, plan_of

    neuron = arc.neuron_from_ode(**ADEX, method="euler", name="mine")
    assert_identical(plan_of(net(neuron, "1 nA"), "100 ms", everything=True), n_spikes=6)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"equations": "dv/dt = __import__('os')"}, ExpressionError, "not allowed|function"),
        ({"equations": "dv/dt = v.real"}, ExpressionError, "not allowed"),
        ({"equations": "dv/dt = (lambda: 1)()"}, ExpressionError, "not allowed"),
        ({"equations": "dv/dt = " + "(" * 10_000 + "v" + ")" * 10_000}, ExpressionError, "must be"),
        ({"equations": "dv/dt = 9**9**9**9"}, ExpressionError, "exponent|large"),
        ({"equations": "tau_m*dv/dt = v_rst - v + r*I"}, SpecError, "Did you mean 'v_rest'"),
        ({"equations": "dv/dt = print"}, ExpressionError, "Python"),
        ({"equations": "tau_m*dv/dt = v_rest - v + I"}, UnitsError, "combines"),
        ({"equations": "dv/dt = v_rest - v + r*I"}, UnitsError, "needed"),
        ({"equations": "x" * 1_000_000}, ExpressionError, "of the form"),
        ({"equations": "dv/dt = v\u202e"}, ExpressionError, "U\\+202E"),
        ({"equations": ""}, ExpressionError, "empty"),
        ({"equations": 3}, ExpressionError, "text"),
        ({"equations": "dx/dt = 0", "initial": {}}, SpecError, "must have v"),
        ({"equations": "dv/dt = v\ndv/dt = v"}, ExpressionError, "twice"),
        ({"threshold": "v"}, ExpressionError, "condition"),
        ({"threshold": "v >= 1"}, UnitsError, "combines"),
        ({"reset": "v = r"}, UnitsError, "must be in V"),
        ({"reset": "tau_m = tau_m"}, SpecError, "must not be assigned"),
        ({"method": "rk4"}, SpecError, "euler"),
        ({"parameters": {**LIF["parameters"], "i": 1.0}}, SpecError, "used by the engines"),
        ({"parameters": {**LIF["parameters"], "j0_index": 1.0}}, SpecError, "used by the engines"),
        ({"equations": LIF["equations"] + "\ndref/dt = ref/tau_m"}, SpecError, "t_ref"),
        ({"parameters": {"tau_m": float("nan")}}, SpecError, "finite"),
        ({"initial": {"vv": 1.0}}, SpecError, "Did you mean 'v'"),
        ({"name": "lif"}, SpecError, "of the library"),
        ({"name": "a b"}, SpecError, "letter"),
        ({"name": None}, SpecError, "letter"),
    ],
)
def test_bad_equations_are_refused(change: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        arc.neuron_from_ode(**{**LIF, "name": "mine", **change})


@pytest.mark.parametrize(
    ("equations", "method"),
    [
        ("tau_m*dv/dt = v*v", "exact"),
        ("tau_m*dv/dt = v*I", "exact"),
        ("tau_m*dv/dt = exp(v)", "exponential_euler"),
    ],
)
def test_methods_that_do_not_fit_are_refused(equations: str, method: str) -> None:
    with pytest.raises(ExpressionError, match="must be linear"):
        arc.neuron_from_ode(
            equations, threshold="v > 1", reset="v = 0", parameters={"tau_m": "1 ms"}, method=method
        )
