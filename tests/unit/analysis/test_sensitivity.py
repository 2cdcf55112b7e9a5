"""Exponents that are known, twins that stay twins, one spike more in networks with and without synapses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import plastic
import pytest
from networks import reservoir

import arcuate as arc
from arcuate.analysis import lyapunov_tangent, lyapunov_twin, spike_distance, spike_insertion
from arcuate.errors import NonFiniteError, SpecError


def cells(n: int = 20, g: float = 0.0, **changes: Any) -> arc.Network:
    """Leaky neurons that fire by themselves, without synapses or with random ones."""
    network = arc.Network(
        name="cells",
        dt="0.1 ms",
        populations=[
            arc.Population(
                name="exc", n=n, neuron=arc.lif(t_ref="2 ms"), bias=arc.Uniform("0.5 nA", "0.7 nA")
            )
        ],
        projections=[
            arc.Projection(
                pre="exc",
                post="exc",
                connectivity=arc.Sparse(0.3),
                weight=arc.Normal("0 nA", f"{g} nA"),
                synapse=arc.exponential("5 ms"),
            )
        ]
        if g
        else [],
    )
    return network.replace(**changes) if changes else network


def ready(network: arc.Network, duration: str = "5 s", burn: str = "300 ms") -> arc.Simulation:
    sim = arc.Simulation(network, duration, seed=3)
    sim.advance(burn)
    return sim


@pytest.mark.parametrize(
    ("step", "state", "exponent"),
    [
        (lambda x: 4 * x * (1 - x), 0.3, math.log(2)),
        (lambda x: 3.2 * x * (1 - x), 0.3, 0.5 * math.log(4 + 2 * 3.2 - 3.2**2)),
        (lambda x: 3 * x % 1.0, 0.123, math.log(3)),
        (lambda x: np.array([[0.5, 0.3], [0.0, -0.8]]) @ x, [0.3, 1.0], math.log(0.8)),
        (lambda x: np.array([[1.1, 5.0], [0.0, 0.2]]) @ x, [0.0, 0.0], math.log(1.1)),
    ],
    ids=["logistic 4", "logistic 3.2", "times 3", "linear that shrinks", "linear that grows"],
)
def test_exponents_of_maps_are_those_of_the_closed_form(step, state, exponent):
    """Of the orbit of period 2 at r = 3.2, half of ln |4 + 2 r - r^2|."""
    found = lyapunov_twin(step, state, d0=1e-10 if np.ndim(state) == 0 else 1e-3, n_intervals=1500)
    tolerance = 3e-2 if exponent > 0 else 1e-3
    assert float(found.exponent) == pytest.approx(exponent, abs=tolerance)
    assert float(found.exponent_low) - 1e-9 <= float(found.exponent) <= float(found.exponent_high) + 1e-9
    assert found.exponent.units == "1"


def test_several_steps_between_two_pulls_give_the_exponent_of_one_step():
    one, ten = (
        lyapunov_twin(lambda x: 4 * x * (1 - x), 0.3, d0=1e-12, interval=k, n_intervals=1000) for k in (1, 10)
    )
    assert float(ten.exponent) == pytest.approx(float(one.exponent), abs=0.03)


def test_a_map_that_changes_nothing_has_exponent_0_and_one_that_forgets_all_is_merged():
    assert float(lyapunov_twin(lambda x: 1.0 * x, [1.0, 2.0], d0=0.5).exponent) == pytest.approx(0, abs=1e-12)
    gone = lyapunov_twin(lambda x: 0.0 * x, [1.0, 2.0], d0=0.5)
    assert float(gone.merged) == 1.0
    assert float(gone.exponent) == pytest.approx(math.log(1e-12))


def test_a_copy_goes_on_as_the_first_does_until_it_is_changed():
    sim = arc.Simulation(reservoir(), seed=2)
    sim.advance("400 ms")
    twin, other = sim.copy(), sim.copy()
    before = sim.state
    other.set_state({"exc/v": other.read_state()["exc/v"] + 5.0})
    assert all(np.array_equal(value, sim.state[name]) for name, value in before.items())
    first, second, third = (run.advance("500 ms") for run in (sim, twin, other))
    assert spike_distance(first, second).values.max() == 0.0
    assert all(np.array_equal(value, twin.state[name]) for name, value in sim.state.items())
    assert spike_distance(first, third).values.max() > 0.1
    sim.set_input("cue", np.full(100, 1.0))
    assert not np.array_equal(sim.plan.inputs["cue"].values, twin.plan.inputs["cue"].values)


def test_a_copy_of_a_run_with_plastic_synapses_has_weights_of_its_own():
    sim = arc.Simulation(plastic.mixed(), "400 ms", seed=1, inputs=plastic.pulses(400))
    sim.advance("100 ms")
    twin, before = sim.copy(), sim.state
    sim.advance("300 ms")
    after = sim.state
    assert any(not np.array_equal(value, after[name]) for name, value in before.items())
    assert all(np.array_equal(value, twin.state[name]) for name, value in before.items())
    twin.advance("300 ms")
    assert all(np.array_equal(value, twin.state[name]) for name, value in after.items())


def test_what_may_not_be_set_is_refused():
    sim = arc.Simulation(cells(), "1 s", seed=1)
    before = sim.state
    for values, text in (
        ({"exc/w": 0.0}, "exc/w"),
        ({"exc/v": [0.0, 1.0]}, "shape"),
        ({"exc/v": 0.0, "exc/ref": np.nan}, "finite"),
        ({"exc/v": 1j}, "real"),
        ({"exc/v": True}, "real"),
        ({"exc/v": np.zeros(20, bool)}, "real"),
        ({"exc/v": [[1.0], [2.0, 3.0]]}, "regular"),
        ({"exc/v": np.ma.masked_less(np.arange(20.0), 3)}, "3 masked"),
        ("exc/v", "mapping"),
        (None, "mapping"),
        ([("exc/v", 0.0)], "mapping"),
    ):
        with pytest.raises(SpecError, match=text):
            sim.set_state(values)  # type: ignore[arg-type]
    assert all(np.array_equal(value, sim.state[name]) for name, value in before.items())


def test_neurons_that_share_nothing_are_stable():
    """Between spikes a difference decays with tau_m = 20 ms, and a reset takes the rest."""
    found = lyapunov_twin(ready(cells()), d0="0.01 mV", variables=["exc/v"], n_intervals=50)
    assert float(found.exponent_high) < -40.0
    assert found.attrs["d0"] == pytest.approx(1e-5)
    assert found.exponent.units == "1/s"


def test_silent_neurons_forget_with_their_time_constant():
    network = cells(populations=[arc.Population(name="exc", n=20, neuron=arc.lif(tau_m="20 ms"))])
    sim = arc.Simulation(network, "5 s", seed=1)
    sim.set_state({"exc/v": np.linspace(-0.066, -0.064, 20)})
    found = lyapunov_twin(sim, d0="0.01 mV", variables=["exc/v"], n_intervals=50)
    assert float(found.exponent) == pytest.approx(-50.0, rel=1e-6)
    assert float(found.merged) == 0.0


def test_one_spike_more_stays_where_no_synapse_carries_it():
    found = spike_insertion(
        ready(cells()), variable="exc/v", peak="0 mV", n_insertions=5, duration="400 ms", window="20 ms"
    )
    assert float(found.plateau_high) < 2 / 20  # of 20 neurons one is moved
    assert found.distance.sizes == {"insertion": 5, "time": 20}
    assert float(found.plateau_low) <= float(found.plateau) <= float(found.plateau_high)


def test_one_spike_more_spreads_where_synapses_are_strong_and_random():
    sim = ready(cells(60, g=0.5), "8 s")
    options: dict[str, Any] = {"variable": "exc/v", "peak": 0.0, "window": "20 ms", "duration": "400 ms"}
    found = spike_insertion(sim, n_insertions=8, **options)
    alone = spike_insertion(ready(cells(60), "8 s"), n_insertions=8, **options)
    assert float(found.plateau_low) > 5 * float(alone.plateau_high)
    assert float(found["mean"][0]) < float(found.plateau) / 2
    assert float(found.growth_rate_low) > 0
    positive = lyapunov_twin(sim, d0="5 mV", n_intervals=60)
    assert float(positive.exponent_low) > 0


def test_distance_counts_spikes_by_neuron_and_window():
    def run(times: list[float], neurons: list[int]) -> arc.Recording:
        return arc.Recording.build(
            spikes={"exc": {"time": times, "neuron": neurons, "n": 3}}, duration="0.2 s", source="test"
        )

    one, other = run([0.01, 0.02, 0.12], [0, 0, 1]), run([0.03, 0.06, 0.13], [0, 2, 1])
    assert spike_distance(one, other, window="50 ms").values == pytest.approx([1 / 3, 1.0, 0.0, 0.0])
    assert spike_distance(one, one).values.max() == 0.0


def phases_after(span: float, weights: np.ndarray, speed: np.ndarray, drive: np.ndarray) -> Any:
    """Map of the phases of quadratic neurons over a span of time, neuron by neuron in plain Python."""

    def step(start: np.ndarray) -> np.ndarray:
        phase, left = [float(x) for x in start], span
        while True:
            waits = [(math.pi - x) / w for x, w in zip(phase, speed, strict=True)]
            j = min(range(len(waits)), key=waits.__getitem__)
            move = min(waits[j], left)
            phase = [x + w * move for x, w in zip(phase, speed, strict=True)]
            left -= move
            if move < waits[j]:
                return np.array(phase)
            phase[j] = -math.pi
            for i in range(len(phase)):
                if weights[i, j]:
                    v = math.sqrt(drive[i]) * math.tan(phase[i] / 2) + weights[i, j]
                    phase[i] = 2 * math.atan(v / math.sqrt(drive[i]))

    return step


def test_tangent_exponent_is_that_of_a_twin_without_a_grid():
    """Twelve neurons that inhibit each other and are chaotic, followed for many spikes by both."""
    rng = np.random.default_rng(5)
    n, tau = 12, 0.01
    weights = -rng.uniform(0.2, 1.0, (n, n)) * (rng.random((n, n)) < 0.4)
    np.fill_diagonal(weights, 0.0)
    drive = rng.uniform(0.8, 1.5, n)
    found = lyapunov_tangent(weights, drive, tau="10 ms", n_spikes=20_000, n_exponents=2)
    step = phases_after(0.02, weights, 2 * np.sqrt(drive) / tau, drive)
    twin = lyapunov_twin(step, rng.uniform(-3, 3, n), d0=1e-7, n_intervals=3000)
    assert float(found.low[0]) > 5.0
    apart = float(twin.exponent) / 0.02 - float(found.exponent[0])
    assert abs(apart) < 1.5


def test_neurons_without_synapses_have_only_zero_exponents_and_their_own_rates():
    drive = np.array([0.5, 1.0, 2.0])
    found = lyapunov_tangent(np.zeros((3, 3)), drive, tau="10 ms", n_spikes=2000, n_exponents=3)
    assert found.exponent.values == pytest.approx(0.0, abs=1e-9)
    assert float(found.rate) == pytest.approx(np.mean(np.sqrt(drive) / (math.pi * 0.01)), rel=0.01)


def test_two_equal_neurons_that_inhibit_each_other():
    """Started anywhere, the sum of both exponents is the mean logarithm of the derivatives; one is 0."""
    j = -0.5
    weights = np.array([[0.0, j], [j, 0.0]])
    found = lyapunov_tangent(weights, 1.0, tau="10 ms", n_spikes=4000, n_exponents=2)
    assert np.abs(found.exponent.values).min() < 0.2

    phase, logs, time = np.array([0.3, -1.0]), 0.0, 0.0
    for _ in range(4000):
        i = int(np.argmax(phase))
        wait = (math.pi - phase[i]) / 200.0
        phase, time = phase + 200.0 * wait, time + wait
        phase[i] = -math.pi
        v = math.tan(phase[1 - i] / 2)
        logs += math.log((1 + v**2) / (1 + (v + j) ** 2))
        phase[1 - i] = 2 * math.atan(v + j)
    assert float(found.exponent.sum()) == pytest.approx(logs / time, abs=1.0)


def test_a_seed_gives_the_same_numbers_again():
    one, two = (
        lyapunov_tangent(np.full((5, 5), -0.1), 1.0, tau="10 ms", n_spikes=200, seed=4) for _ in range(2)
    )
    assert one.equals(two)


def test_a_function_that_blows_up_is_told():
    with pytest.raises(NonFiniteError, match="not finite"), np.errstate(over="ignore", invalid="ignore"):
        lyapunov_twin(lambda x: x**9, [1e9, 1e9], d0=1.0)


def test_a_peak_that_makes_nobody_fire_is_refused():
    with pytest.raises(SpecError, match="must fire"):
        spike_insertion(ready(cells()), variable="exc/v", peak=-0.07, duration="50 ms")
