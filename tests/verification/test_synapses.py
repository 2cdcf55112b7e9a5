"""Whole runs of alpha and conductance synapses against closed forms, and their orders of convergence."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from verification.test_closed_forms import (
    BIAS,
    RESISTANCE,
    REST,
    SPIKES,
    TAU_M,
    charged,
    listeners,
    response,
    voltages,
)

import arcuate as arc

MS = 1e-3
ARRIVALS = np.array([1.0, 4.0, 4.4, 12.0, 15.0]) * MS


@pytest.mark.parametrize("dt", [0.1e-3, 0.25e-3])
@pytest.mark.parametrize("tau_syn", [2e-3, 9.9999e-3, 10e-3, 30e-3])
def test_alpha_current_onto_a_leaky_membrane_is_exact(tau_syn: float, dt: float) -> None:
    n, weight = 400, 1e-12
    network = listeners(arc.alpha(f"{tau_syn * 1e3!r} ms"), "1000 pA*ms", dt)
    measured = voltages(network, SPIKES, n)
    for i, (tau, bias) in enumerate(zip(TAU_M, BIAS, strict=True)):
        system = np.array([[-1 / tau, 1 / tau, 0.0], [0.0, -1 / tau_syn, 1.0], [0.0, 0.0, -1 / tau_syn]])
        jump = np.array([0.0, 0.0, RESISTANCE * weight / tau_syn**2])  # w t/tau**2 exp(-t/tau), of area w
        step, state = expm(system * dt), [jump]
        for _ in range(n - 1):
            state.append(step @ state[-1])
        kernel = np.array(state)[:, 0]
        wanted = response(kernel, SPIKES) + charged(tau, bias, n, dt)
        np.testing.assert_allclose(measured[:, i], REST + wanted, rtol=1e-12, atol=0)
        assert np.ptp(wanted) > 1e-4


SYNAPSES: dict[str, Any] = {
    "exponential": (arc.exponential("5 ms", e_rev="0 mV"), lambda t: np.exp(-t / 5)),
    "alpha": (arc.alpha("3 ms", e_rev="0 mV"), lambda t: t / 3 * np.exp(1 - t / 3)),
    "double_exponential": (
        arc.double_exponential("1 ms", "6 ms", e_rev="-80 mV"),
        lambda t: (np.exp(-t / 6) - np.exp(-t)) / (6 ** (-1 / 5) - 6 ** (-6 / 5)),
    ),
}


def exact_end(name: str, neuron: str) -> float:
    """Potential at 20 ms of a passive cell that five conductances of 20 nS open onto."""
    synapse, shape = SYNAPSES[name]
    e_rev = float(synapse.parameters["e_rev"])

    def slope(t: float, v: np.ndarray) -> np.ndarray:
        since = (t - ARRIVALS[t >= ARRIVALS]) / MS
        current = 20e-9 * float(np.sum(shape(since))) * (e_rev - v)
        if neuron == "lif":
            return (REST - v + RESISTANCE * (current + 0.1e-9)) / 10e-3
        u = 0.0  # izh2007 without recovery
        return (0.7e-6 * (v + 60e-3) * (v + 40e-3) - u + current + 0.1e-9) / 100e-12

    v, edges = np.array([REST if neuron == "lif" else -60e-3]), [0.0, *ARRIVALS, 20 * MS]
    for start, stop in pairwise(edges):
        span = (start, np.nextafter(stop, 0.0))
        v = solve_ivp(slope, span, v, method="DOP853", rtol=1e-12, atol=1e-15).y[:, -1]
    return float(v[0])


def measured_end(name: str, cell: arc.Neuron, dt: float) -> float:
    network = arc.Network(
        name="one",
        dt=f"{dt / MS!r} ms",
        populations=[arc.Population(name="post", n=1, neuron=cell, bias="0.1 nA")],
        inputs=[
            arc.Input(name="train", target="post", kind="spikes", weight="20 nS", synapse=SYNAPSES[name][0])
        ],
    )
    n_steps = round(20 * MS / dt)
    values = np.zeros((n_steps, 1))
    values[np.rint(ARRIVALS / dt).astype(int) - 1] = 1.0  # a spike arrives at the end of its step
    simulation = arc.Simulation(network, "20 ms", seed=1, inputs={"train": values})
    assert simulation.advance().spikes("post").sizes["spike"] == 0
    return float(simulation.state["post/v"][0])


@pytest.mark.parametrize("method", ["exact", "euler", "exponential_euler"])
@pytest.mark.parametrize("name", SYNAPSES)
def test_conductances_converge_with_order_one(name: str, method: str) -> None:
    cell, wanted = arc.lif(method=method, v_thresh="1 V"), exact_end(name, "lif")
    errors = [abs(measured_end(name, cell, 0.1 * MS / 2**k) - wanted) for k in range(4)]
    assert errors[-1] > 1e-9  # above rounding, or there would be no order to see
    np.testing.assert_allclose(np.log2(np.array(errors[:-1]) / errors[1:]), 1.0, atol=0.1)


def test_a_neuron_that_does_not_read_the_conductance_gets_its_current() -> None:
    cell = arc.izh2007(a="0 Hz", b="0 nS", initial={"u": "0 pA"}, v_peak="400 mV")
    wanted = exact_end("double_exponential", "izh2007")
    errors = [abs(measured_end("double_exponential", cell, 0.1 * MS / 2**k) - wanted) for k in range(4)]
    np.testing.assert_allclose(np.log2(np.array(errors[:-1]) / errors[1:]), 1.0, atol=0.1)


def test_exponential_euler_settles_between_the_potentials_however_large_the_conductance() -> None:
    network = arc.Network(
        name="clamped",
        dt="0.1 ms",
        populations=[arc.Population(name="post", n=1, neuron=arc.lif(method="exponential_euler"))],
        inputs=[
            arc.Input(
                name="on", target="post", kind="spikes", weight="1 mS",
                synapse=arc.exponential("100 s", e_rev="-70 mV"),
            )
        ],
    )  # fmt: skip
    simulation = arc.Simulation(network, "10 ms", seed=1, inputs={"on": np.eye(100)[:, :1]})
    simulation.advance()
    load = 1.0 + RESISTANCE * 1e-3
    wanted = (REST + RESISTANCE * 1e-3 * -70e-3) / load
    np.testing.assert_allclose(simulation.state["post/v"], wanted, rtol=1e-7)
