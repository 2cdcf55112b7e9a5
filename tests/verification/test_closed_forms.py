"""Whole runs against mathematics: propagators, firing rates, refractoriness, delays, spike times."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.linalg import expm

import arcuate as arc
from arcuate.engines.build import build_plan
from arcuate.spec import Values

TAU_M = np.array([5e-3, 10e-3, 20e-3])
RESISTANCE, REST = 40e6, -65e-3
BIAS = np.array([0.0, 0.05e-9, -0.02e-9])


def listeners(synapse: arc.Synapse, weight: str, dt: float) -> arc.Network:
    """Three LIF neurons that cannot fire, of different time constants, one spike channel onto all."""
    neuron = arc.lif(tau_m=Values(TAU_M * 1e3, "ms"), v_thresh="1 V")
    return arc.Network(
        name="listeners",
        dt=f"{dt * 1e3!r} ms",
        populations=[arc.Population(name="post", n=3, neuron=neuron, bias=Values(BIAS, "A"))],
        inputs=[arc.Input(name="train", target="post", kind="spikes", weight=weight, synapse=synapse)],
        record=arc.Record(spikes=False, states={"post": ["v"]}, every=f"{dt * 1e3!r} ms"),
    )


def response(kernel: np.ndarray, spikes: np.ndarray) -> np.ndarray:
    """Sum of the responses to spikes that arrive at the end of their step, after every step."""
    return np.sum([np.concatenate([np.zeros(k), kernel[: kernel.size - k]]) for k in spikes], axis=0)


def charged(tau: float, bias: float, n_steps: int, dt: float) -> np.ndarray:
    """Response to a constant current that begins at t = 0, after every step."""
    return RESISTANCE * bias * -np.expm1(-np.arange(1, n_steps + 1) * dt / tau)


def voltages(network: arc.Network, spikes: np.ndarray, n_steps: int) -> np.ndarray:
    values = np.zeros((n_steps, 1))
    values[spikes] = 1.0
    recording = arc.simulate(network, f"{n_steps * network.dt!r} s", seed=1, inputs={"train": values})
    return np.asarray(recording.states("post")["v"].values[0])


SPIKES = np.array([3, 40, 41, 200, 333])


@pytest.mark.parametrize("dt", [0.1e-3, 0.25e-3])
@pytest.mark.parametrize("tau_syn", [2e-3, 9.999999e-3, 10e-3, 50e-3])
def test_exponential_current_onto_a_leaky_membrane_is_exact(tau_syn: float, dt: float) -> None:
    n, weight = 400, 80e-12
    network = listeners(arc.exponential(f"{tau_syn * 1e3!r} ms"), "80 pA", dt)
    measured = voltages(network, SPIKES, n)
    for i, (tau, bias) in enumerate(zip(TAU_M, BIAS, strict=True)):
        t, apart = np.arange(n) * dt, 1 / tau_syn - 1 / tau
        area = t if apart == 0.0 else -np.expm1(-apart * t) / apart
        kernel = RESISTANCE * weight / tau * np.exp(-t / tau) * area
        wanted = response(kernel, SPIKES) + charged(tau, bias, n, dt)
        np.testing.assert_allclose(measured[:, i], REST + wanted, rtol=1e-12, atol=0)
        assert np.ptp(wanted) > 1e-4


@pytest.mark.parametrize("method", ["exact", "euler"])
def test_a_pulse_is_felt_in_the_step_after_the_spike_and_in_no_other(method: str) -> None:
    n, dt, spikes = 400, 0.25e-3, np.array([3, 40, 41, 200, 333])
    network = listeners(arc.pulse(), "80 pA", dt)
    network = network.replace({"populations.post.neuron.method": method, "populations.post.bias": "0 A"})
    measured = voltages(network, spikes, n) - REST
    decay = np.exp(-dt / TAU_M) if method == "exact" else 1.0 - dt / TAU_M
    v = np.zeros(3)
    for step in range(n):
        v = decay * v + (1.0 - decay) * RESISTANCE * 80e-12 * ((step - 1) in spikes)
        np.testing.assert_allclose(measured[step], v, rtol=0, atol=1e-15)
    assert v.min() > 1e-9


@pytest.mark.parametrize("dt", [0.1e-3, 0.25e-3])
@pytest.mark.parametrize(
    "taus", [(2e-3, 20e-3), (20e-3, 2e-3), (10e-3, 10e-3), (5e-3, 10e-3), (10.0001e-3, 10e-3), (3e-3, 3e-3)]
)
def test_double_exponential_current_onto_a_leaky_membrane_is_exact(
    taus: tuple[float, float], dt: float
) -> None:
    n, weight = 400, 1e-12
    rise, decay = taus
    synapse = arc.double_exponential(f"{rise * 1e3!r} ms", f"{decay * 1e3!r} ms")
    measured = voltages(listeners(synapse, "1000 pA*ms", dt), SPIKES, n)
    for i, (tau, bias) in enumerate(zip(TAU_M, BIAS, strict=True)):
        system = np.array([[-1 / tau, 1 / tau, 0.0], [0.0, -1 / rise, 1 / rise], [0.0, 0.0, -1 / decay]])
        jump = np.array([0.0, 0.0, RESISTANCE * weight / decay])  # area w
        kernel = (expm(system * (np.arange(n) * dt)[:, None, None]) @ jump)[:, 0]
        wanted = response(kernel, SPIKES) + charged(tau, bias, n, dt)
        np.testing.assert_allclose(measured[:, i], REST + wanted, rtol=1e-12, atol=0)
        assert np.ptp(wanted) > 1e-4


def test_the_peak_of_a_psp_is_where_and_as_high_as_it_should_be() -> None:
    dt, tau_syn, weight = 0.1e-3, 2e-3, 80e-12
    psp = voltages(listeners(arc.exponential("2 ms"), "80 pA", dt), np.array([0]), 400) - REST
    psp -= np.stack([charged(tau, bias, 400, dt) for tau, bias in zip(TAU_M, BIAS, strict=True)], axis=1)
    peak = np.log(TAU_M / tau_syn) * TAU_M * tau_syn / (TAU_M - tau_syn)
    height = RESISTANCE * weight * (tau_syn / TAU_M) ** (TAU_M / (TAU_M - tau_syn))
    assert np.abs(psp.argmax(axis=0) * dt - peak).max() <= dt
    np.testing.assert_allclose(psp.max(axis=0), height, rtol=1e-3)


@pytest.mark.parametrize("tau", [3e-3, 10e-3])
def test_equal_time_constants_give_an_alpha_function(tau: float) -> None:
    dt, weight = 0.25e-3, 1e-12
    synapse = arc.double_exponential(f"{tau * 1e3!r} ms", f"{tau * 1e3!r} ms")
    values = np.zeros((400, 1))
    values[0] = 1.0
    simulation = arc.Simulation(
        listeners(synapse, "1000 pA*ms", dt), "100 ms", seed=1, inputs={"train": values}
    )
    for steps in (1, 5, 6, 28, 40, 100):
        simulation.advance(f"{steps * dt!r} s")
        t = simulation.time - dt
        wanted = weight * t / tau**2 * np.exp(-t / tau)
        current = simulation.state["post/double_exponential0/s"]
        np.testing.assert_allclose(current, wanted, rtol=1e-12, atol=1e-12 * weight / tau)


def firing(bias: np.ndarray, dt: str, t_ref: str, **neuron: Any) -> arc.Network:
    return arc.Network(
        name="firing",
        dt=dt,
        populations=[
            arc.Population(
                name="exc",
                n=bias.size,
                neuron=arc.lif(t_ref=t_ref, v_reset="-70 mV", **neuron),
                bias=Values(bias, "A"),
            )
        ],
    )


def intervals(network: arc.Network, duration: str) -> list[np.ndarray]:
    spikes = arc.simulate(network, duration, seed=1).spikes("exc")
    steps = np.rint(spikes["time"].values / network.dt).astype(int)
    neuron = spikes["neuron"].values
    return [np.diff(steps[neuron == i]) for i in range(network.populations["exc"].n)]


@pytest.mark.parametrize("t_ref", [0.0, 2e-3])
def test_firing_rate_of_a_leaky_neuron(t_ref: float) -> None:
    dt, tau, threshold, reset = 0.005e-3, 10e-3, -50e-3, -70e-3
    bias = np.array([0.376e-9, 0.4e-9, 0.45e-9, 0.6e-9, 0.8e-9])
    v_inf = REST + RESISTANCE * bias
    rise = tau * np.log((v_inf - reset) / (v_inf - threshold))
    found = intervals(firing(bias, "0.005 ms", f"{t_ref * 1e3} ms"), "200 ms")
    for i, steps in enumerate(found):
        assert steps.size >= 2
        held = max(round(t_ref / dt) - 1, 0)  # free in the step n with n - n_spike >= t_ref/dt
        assert set(steps.tolist()) == {held + int(np.ceil(rise[i] / dt))}
        rate = 1.0 / (steps.mean() * dt)
        assert rate == pytest.approx(1.0 / (t_ref + rise[i]), rel=1e-3)


@pytest.mark.parametrize(
    ("t_ref", "steps"), [("0 ms", 1), ("0.1 ms", 1), ("0.2 ms", 2), ("0.24 ms", 2), ("2 ms", 20)]
)
@pytest.mark.filterwarnings("ignore:population 'exc' fires at")
def test_no_neuron_fires_faster_than_its_refractory_time_allows(t_ref: str, steps: int) -> None:
    found = intervals(firing(np.full(5, 1e-3), "0.1 ms", t_ref), "50 ms")
    assert all(set(interval.tolist()) == {steps} for interval in found)


def test_spikes_arrive_after_exactly_their_delay() -> None:
    dt = 0.1e-3
    delay = np.array([0.0, 0.1, 0.7, 0.04999, 0.05, 0.74, 0.75])  # ms
    steps = np.array([0, 1, 7, 0, 1, 7, 8])  # rounded, half a step up
    network = arc.Network(
        name="delays",
        dt="0.1 ms",
        populations=[
            arc.Population(name="pre", n=1, neuron=arc.lif(), bias="0.5 nA"),
            arc.Population(name="post", n=delay.size, neuron=arc.lif()),
        ],
        projections=[
            arc.Projection(
                pre="pre",
                post="post",
                connectivity=arc.Edges(np.zeros(delay.size, int), np.arange(delay.size)),
                weight="5 mV",
                delay=Values(delay, "ms"),
                synapse=arc.delta(),
            )
        ],
        record=arc.Record(spikes=["pre"], states={"post": ["v"]}, every="0.1 ms"),
    )
    recording = arc.simulate(network, "30 ms", seed=1)
    time = recording.spikes("pre")["time"].values
    fired = np.rint(time / dt).astype(int)
    np.testing.assert_array_equal(time, fired * network.dt)  # n dt, to the bit
    tau, v_inf = 10e-3, REST + RESISTANCE * 0.5e-9
    assert fired[0] == int(np.ceil(tau * np.log((v_inf - REST) / (v_inf + 50e-3)) / dt)) - 1
    v = recording.states("post")["v"].values[0]
    for i, d in enumerate(steps):
        arrival = int(fired[0]) + int(d)
        assert (v[:arrival, i] == REST).all()
        assert v[arrival, i] == REST + 5e-3


def lif_cells(n: int, **options: Any) -> arc.Population:
    return arc.Population(name="exc", n=n, neuron=arc.lif(), bias=arc.Uniform("0.3 nA", "0.6 nA"), **options)


def test_a_low_rank_projection_is_the_matrix_that_it_stands_for() -> None:
    generator = np.random.default_rng(2)
    left, right = generator.standard_normal((2, 12, 3))
    matrix = 30e-12 * right @ left.T  # (n_pre, n_post)

    def network(connectivity: Any, weight: Any) -> arc.Network:
        recurrent = arc.Projection(
            pre="exc",
            post="exc",
            connectivity=connectivity,
            weight=weight,
            delay="0.3 ms",
            synapse=arc.exponential("5 ms"),
        )
        record = arc.Record(states={"exc": ["v"]}, every="1 ms")
        return arc.Network(
            name="low_rank", dt="0.1 ms", populations=[lif_cells(12)], projections=[recurrent], record=record
        )

    low = arc.simulate(network(arc.LowRank(3, left, right), "30 pA"), "300 ms", seed=1)
    dense = arc.simulate(network(arc.Dense(allow_self=True), Values(matrix, "A")), "300 ms", seed=1)
    apart = arc.simulate(network(arc.Dense(), Values(0 * matrix, "A")), "300 ms", seed=1)
    spikes = [run.spikes("exc")["time"].values for run in (low, dense, apart)]
    np.testing.assert_array_equal(spikes[0], spikes[1])
    v = [run.states("exc")["v"].values[0] for run in (low, dense, apart)]
    np.testing.assert_allclose(v[0], v[1], rtol=1e-12)
    assert spikes[0].size > 100 and not np.allclose(v[0], v[2])


def test_weights_of_doubled_synapses_add_up() -> None:
    def voltage(edges: arc.Edges, weight: list[float]) -> np.ndarray:
        network = arc.Network(
            name="doubled",
            dt="0.1 ms",
            populations=[lif_cells(2)],
            projections=[
                arc.Projection(
                    pre="exc",
                    post="exc",
                    connectivity=edges,
                    weight=Values(weight, "pA"),
                    delay="0.3 ms",
                    synapse=arc.exponential("5 ms"),
                )
            ],
            record=arc.Record(states={"exc": ["v"]}, every="1 ms"),
        )
        return np.asarray(arc.simulate(network, "100 ms", seed=1).states("exc")["v"].values[0])

    twice = voltage(arc.Edges([0, 0, 1], [1, 1, 0]), [10.0, 22.0, 7.0])
    once = voltage(arc.Edges([0, 1], [1, 0]), [32.0, 7.0])
    np.testing.assert_allclose(twice, once, rtol=1e-12)
    assert not np.allclose(twice, voltage(arc.Edges([0, 1], [1, 0]), [22.0, 7.0]))


def test_a_low_rank_weight_may_read_the_sizes() -> None:
    rank = arc.LowRank(1, np.ones((4, 1)), np.ones((4, 1)))
    network = arc.Network(
        name="sizes",
        dt="0.1 ms",
        populations=[lif_cells(4)],
        projections=[
            arc.Projection(
                pre="exc", post="exc", connectivity=rank, weight="g/n_pre", constants={"g": "80 pA"}
            )
        ],
    )
    plan = build_plan(network, seed=1, duration="1 ms")
    np.testing.assert_allclose(plan.projections["exc->exc"].left, np.full((4, 1), 20e-12), rtol=1e-15)
