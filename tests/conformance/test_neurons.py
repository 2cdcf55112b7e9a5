"""One neuron under constant current: every engine against the equations written out here."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from conformance.cases import BOTH, assert_same_bits, plan_of, run

import arcuate as arc
from arcuate.verify import compare

pytestmark = pytest.mark.brian

Trace = tuple[list[int], np.ndarray]


def izh2003(n_steps: int, *, current: float, dt: float = 0.5, halves: bool = False) -> Trace:
    """The published 2003 form, regular spiking; `halves` is the order of the published program.

    That order feeds the overshoot of v into u: a difference in the last digit grows three- to tenfold
    with every spike, so products are formed here as in the library, ``v*v`` and ``0.5*dt`` first.
    """
    v, u, spikes, trace = -65.0, 0.2 * -65.0, [], []
    half, rate = 0.5 * dt, 0.02 * dt
    for n in range(n_steps):
        if halves:
            for _ in range(2):
                v = v + half * (0.04 * (v * v) + 5 * v + 140 - u + current)
            u = u + rate * (0.2 * v - u)
        else:
            v, u = v + dt * (0.04 * v * v + 5 * v + 140 - u + current), u + 0.02 * dt * (0.2 * v - u)
        if v >= 30:
            spikes.append(n)
            v, u = -65.0, u + 8
        trace.append(v)
    return spikes, np.array(trace)


def izh2007(n_steps: int, *, current: float, dt: float = 1e-4) -> Trace:
    """Regular spiking cell of 2007 in SI units."""
    v, u, spikes, trace = -60e-3, 0.0, [], []
    for n in range(n_steps):
        dv = (0.7e-6 * (v + 60e-3) * (v + 40e-3) - u + current) / 100e-12
        du = 30.0 * (-2e-9 * (v + 60e-3) - u)
        v, u = v + dt * dv, u + dt * du
        if v >= 35e-3:
            spikes.append(n)
            v, u = -50e-3, u + 100e-12
        trace.append(v)
    return spikes, np.array(trace)


def lif(n_steps: int, *, current: float, dt: float = 1e-4) -> Trace:
    """Closed form between spikes: an exponential that starts when the neuron is free again."""
    rest, threshold, tau, hold = -65e-3, -50e-3, 10e-3, 20
    v_inf = rest + 40e6 * current
    spikes, trace, last = [], [], None
    for n in range(n_steps):
        free = n + 1 if last is None else n - last - hold + 1
        v = rest if free <= 0 else v_inf + (rest - v_inf) * math.exp(-free * dt / tau)
        if v >= threshold:
            spikes.append(n)
            last, v = n, rest
        trace.append(v)
    return spikes, np.array(trace)


def theta(n_steps: int, *, current: float, dt: float = 1e-5) -> Trace:
    """Forward Euler on the phase."""
    v, spikes, trace = -math.pi, [], []
    for n in range(n_steps):
        v = v + dt / 10e-3 * (1 - math.cos(v) + math.pi**2 * (1 + math.cos(v)) * current)
        if v >= math.pi:
            spikes.append(n)
            v = -math.pi
        trace.append(v)
    return spikes, np.array(trace)


CASES: dict[str, tuple[arc.Neuron, str, str, Callable[[int], Trace], float]] = {
    "izh2003": (arc.izh2003(), "0.5 ms", "10", lambda n: izh2003(n, current=10.0), 100.0),
    "izh2003-legacy": (
        arc.izh2003(method="legacy2003"), "0.5 ms", "10",
        lambda n: izh2003(n, current=10.0, halves=True), 100.0,
    ),
    "izh2007": (arc.izh2007(), "0.1 ms", "150 pA", lambda n: izh2007(n, current=150e-12), 0.1),
    "lif": (arc.lif(), "0.1 ms", "500 pA", lambda n: lif(n, current=500e-12), 0.1),
    "theta": (arc.theta(tau="10 ms"), "0.01 ms", "1.5", lambda n: theta(n, current=1.5), 2 * math.pi),
}  # fmt: skip


def single(neuron: arc.Neuron, dt: str, bias: str) -> arc.Network:
    value = bias if " " in bias else float(bias)
    return arc.Network(
        name="one", dt=dt, populations=[arc.Population(name="cell", n=1, neuron=neuron, bias=value)]
    )


@pytest.mark.parametrize("case", CASES)
def test_one_neuron_follows_its_equations_and_has_the_same_bits_everywhere(case: str) -> None:
    neuron, dt, bias, reference, scale = CASES[case]
    network = single(neuron, dt, bias)
    plan = plan_of(network, f"{3000 * network.dt!r} s", everything=True)
    spikes, trace = reference(plan.n_steps)
    assert len(spikes) >= 3
    runs = [run(plan, engine) for engine in BOTH]
    for result in runs:
        assert result.spikes["cell"][1].tolist() == spikes
        np.testing.assert_allclose(result.states["cell", "v"][:, 0], trace, rtol=0, atol=1e-12 * scale)
    assert_same_bits(compare(plan, runs, BOTH))


@pytest.mark.parametrize(("current", "engines"), [(0.4e-9, BOTH), (0.5e-9, BOTH[:1]), (1e-9, BOTH[:1])])
def test_lif_fires_at_the_analytic_rate(current: float, engines: tuple[str, ...]) -> None:
    network = single(arc.lif(), "0.1 ms", f"{current * 1e12} pA")
    drive = 40e6 * current
    steps_up = math.ceil(10e-3 / 1e-4 * math.log(drive / (drive - 15e-3)))
    for engine in engines:
        steps = run(plan_of(network, "200 ms"), engine).spikes["cell"][1]
        assert steps[0] == steps_up - 1
        assert set(np.diff(steps)) == {steps_up - 1 + 20}


def test_theta_fires_at_the_analytic_rate() -> None:
    network = single(arc.theta(tau="10 ms"), "0.01 ms", "2.25")
    for engine in BOTH:
        steps = run(plan_of(network, "60 ms"), engine).spikes["cell"][1]
        assert steps.size >= 8
        period = np.diff(steps).mean() * network.dt
        assert period == pytest.approx(10e-3 / math.sqrt(2.25), rel=5e-3)
