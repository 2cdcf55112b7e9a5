"""Plastic projections against closed forms over pairs of spikes, and what a run does with their state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plastic import RULES, final, mixed, pulses, relay, trains

import arcuate as arc
from arcuate.errors import NonFiniteError

DT = 1e-3


@pytest.mark.parametrize("lag", [-40, -5, -1, 0, 1, 5, 40])
def test_window_of_one_pair(lag: int) -> None:
    network, inputs = relay([[50]], [[50 + lag]], n_steps=100)
    expected = 0.1 * np.exp(-lag / 20) if lag >= 0 else -0.12 * np.exp(lag / 20)
    assert final(network, inputs, 100)["pair"][0, 0] - 1.0 == pytest.approx(expected, rel=1e-12)


@pytest.fixture(scope="module")
def random() -> tuple[list[list[int]], list[list[int]], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Random trains, the weights that all rules make of them, and the weights of the start."""
    pre, post = trains(3, 0.03, 1500, 1), trains(2, 0.03, 1500, 2)
    network, inputs = relay(pre, post, n_steps=1501, delay="3 ms", weight=arc.Uniform("0.9 fA", "1.1 fA"))
    start = {
        name: arc.Simulation(network, "1 ms", seed=1, inputs={k: v[:1] for k, v in inputs.items()}).state[
            f"{name}/weight"
        ]
        for name in network.projections
    }
    return pre, post, final(network, inputs, 1501), {k: v.reshape(3, 2) / 1e-15 for k, v in start.items()}


def exponentials(train: np.ndarray, t: int, tau: float, *, before: int) -> float:
    """Trace at step t of the spikes of a train before a step."""
    return float(sum(np.exp(-(t - s) * DT / tau) for s in train if s < before))


def pair(pre: np.ndarray, post: np.ndarray) -> float:
    change = 0.0
    for t in pre:
        change -= 0.12 * exponentials(post, t, 0.02, before=t)
    for t in post:
        change += 0.1 * exponentials(pre, t, 0.02, before=t + 1)
    return change


def triplet(pre: np.ndarray, post: np.ndarray) -> float:
    change = 0.0
    for t in pre:  # the arrival of a step comes before the postsynaptic spike of that step
        o1, r2 = exponentials(post, t, 33.7e-3, before=t), exponentials(pre, t, 101e-3, before=t)
        change -= o1 * (0.02 + 0.03 * r2)
    for t in post:
        r1, o2 = exponentials(pre, t, 16.8e-3, before=t + 1), exponentials(post, t, 114e-3, before=t)
        change += r1 * (0.01 + 0.06 * o2)
    return change


def inhibitory(pre: np.ndarray, post: np.ndarray) -> float:
    pairs = sum(np.exp(-abs(s - t) / 20) for s in pre for t in post)
    return 0.01 * float(pairs) - pre.size * 0.01 * 2 * 10 * 0.02


@pytest.mark.parametrize("rule", [pair, triplet, inhibitory])
def test_rules_are_sums_over_spikes(rule: Any, random: Any) -> None:
    pre, post, weights, start = random
    arrivals = [np.array(train) + 3 for train in pre]
    expected = [
        [rule(a[a < 1501], np.array(b)) + start[rule.__name__][i, j] for j, b in enumerate(post)]
        for i, a in enumerate(arrivals)
    ]
    np.testing.assert_allclose(weights[rule.__name__], expected, rtol=0, atol=1e-10)


def test_bounds_hold_and_soft_bounds_slow_down(random: Any) -> None:
    *_, weights, start = random
    assert weights["hard"].max() == pytest.approx(2.0, rel=1e-12)
    assert (start["soft"] < weights["soft"]).all()
    assert (weights["soft"] < 2.0).all()


@pytest.mark.parametrize(("kind", "order"), [("l1", 1), ("l2", 2)])
def test_normalization_keeps_the_norm_of_the_start(kind: str, order: int, random: Any) -> None:
    *_, weights, start = random
    norms = [np.linalg.norm(w[kind], order, axis=0) for w in (start, weights)]
    np.testing.assert_allclose(*norms, rtol=1e-12)
    assert np.abs(weights[kind] - start[kind]).max() > 0.1


def test_inhibitory_sources_keep_their_sign() -> None:
    run = arc.Simulation(mixed(), "300 ms", seed=3, inputs=pulses(300))
    run.advance()
    weight = run.state["inh->exc/weight"]
    assert (weight <= 0.0).all()
    assert weight.min() < -1.0


def closed_form(
    pre: list[int], post: list[int], reward: dict[int, float], n_steps: int, *, tau: float, base: float
) -> float:
    """Weight after Izhikevich's rule, integrated from event to event in continuous time."""
    tau_e, w, c, level, last = 1.0, 1.0, 0.0, 0.0, 0
    taus = (tau_e + tau) / (tau_e * tau)
    events = sorted({*pre, *post, *reward, n_steps})
    for t in events:
        gap = (t - last) * DT
        w += c * (level / taus * -np.expm1(-taus * gap) - base * tau_e * -np.expm1(-gap / tau_e))
        c, level, last = c * np.exp(-gap / tau_e), level * np.exp(-gap / tau), t
        if t in pre:
            c -= sum(0.12 * np.exp(-(t - s) * DT / 0.02) for s in post if s < t)
        if t in post:
            c += sum(0.1 * np.exp(-(t - s) * DT / 0.02) for s in pre if s <= t)
        level += reward.get(t, 0.0)
    return w


THIRD = {
    **{
        method: arc.stdp("0.1 fA", "0.12 fA", modulator="dopamine", tau_e="1 s", method=method)
        for method in ("event_driven", "clock_driven")
    },
    "gated": arc.stdp("0.1 fA", "0.12 fA", modulator="gate"),
}
"""The pair rule with a third factor, side by side."""


@pytest.mark.parametrize("base", [0.0, -0.3])
def test_reward_modulated_rule_is_its_closed_form(base: float) -> None:
    n_steps, pre, post = 6000, trains(2, 0.01, 6000, 7), trains(2, 0.01, 6000, 8)
    reward = {int(k): 0.5 for k in np.random.default_rng(9).integers(1, 6000, 12)}
    modulators = [arc.Modulator(name="dopamine", tau="200 ms", baseline=base), arc.Modulator(name="gate")]
    network, inputs = relay(pre, post, n_steps=n_steps, rules=THIRD, modulators=modulators)
    given = {"dopamine": np.array([reward.get(k, 0.0) for k in range(n_steps)]), "gate": np.ones(n_steps)}
    weights = final(network, {**inputs, **given}, n_steps)
    expected = [[closed_form(a, b, reward, n_steps, tau=0.2, base=base) for b in post] for a in pre]
    for method in ("event_driven", "clock_driven"):
        np.testing.assert_allclose(weights[method], expected, rtol=1e-9)
        assert np.ptp(weights[method]) > 0.01


def test_a_modulator_gates_a_rule_without_eligibility() -> None:
    pairs, gate = [50, 150, 250], np.ones(300)
    gate[100:200] = 0.0

    def weight(values: np.ndarray, active: Any = None, **more: Any) -> float:
        modulators = [arc.Modulator(name="dopamine", tau="200 ms"), arc.Modulator(name="gate", active=active)]
        network, inputs = relay([pairs], [pairs], n_steps=300, rules=THIRD, modulators=modulators)
        inputs |= {"dopamine": np.zeros(300), "gate": values}
        return float(final(network, inputs, 300, **more)["gated"][0, 0])

    closed = weight(gate)
    assert closed < weight(np.ones(300))
    assert weight(np.ones(300), [("0 ms", "100 ms"), ("200 ms", "300 ms")]) == closed
    assert weight(np.ones(300), gates={"gate": gate}) == closed


def test_pieces_and_checkpoints_give_the_same_bits(tmp_path: Path) -> None:
    network, inputs = mixed(), pulses(1500)
    whole = arc.Simulation(network, "1500 ms", seed=3, inputs=inputs)
    whole.advance()
    run = arc.Simulation(network, "1500 ms", seed=3, inputs=inputs)
    run.advance("433 ms")
    run.checkpoint(tmp_path / "run.npz")
    run = arc.Simulation.resume(tmp_path / "run.npz", network, inputs=inputs)
    run.advance("500 ms")
    run.advance()
    expected = whole.state
    assert {"exc->exc/weight", "exc->exc/eligibility", "exc->inh/x_pre", "dopamine/level"} <= set(expected)
    for name, value in run.state.items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


def test_weights_are_recorded_at_the_chosen_times() -> None:
    recording = arc.simulate(mixed(), "1 s", seed=3, inputs=pulses(1000))
    kept = recording.weights("exc->exc")
    assert kept["time"].values.tolist() == [0.0, 0.3, 0.6, 0.9, 1.0]
    assert (kept["weight"].values[0] == 1.0).all()
    assert float(kept["delay"][0]) == 1e-3
    assert recording.weights("inh->exc")["time"].values.tolist() == [0.5, 1.0]
    assert (recording.weights("inh->exc")["weight"].values <= 0.0).all()
    half = arc.simulate(mixed(), "600 ms", seed=3, inputs=pulses(600)).weights("exc->exc")["weight"].values
    np.testing.assert_array_equal(half[-1], kept["weight"].values[2])


def test_reward_may_depend_on_spikes() -> None:
    network = mixed()
    run = arc.Simulation(network, "600 ms", seed=3, inputs={"dopamine": np.zeros(600)})
    given = np.zeros(600)
    for start in range(0, 600, 100):
        count = int(run.advance("100 ms").spikes("exc").sizes["spike"])
        if start < 500:
            values = np.zeros(100)
            values[10] = 0.01 * count
            run.set_input("dopamine", values)
            given[start + 100 : start + 200] = values
    replay = arc.Simulation(network, "600 ms", seed=3, inputs={"dopamine": given})
    replay.advance()
    assert given.max() > 0.0
    for name, value in replay.state.items():
        np.testing.assert_array_equal(value, run.state[name], err_msg=name)


def test_the_error_of_a_readout_reaches_each_target_through_fixed_weights() -> None:
    readout = arc.Readout(
        name="out", source="post", n_outputs=2, period="5 ms", rule=arc.Delta(learning_rate=0.0)
    )
    modulator = arc.Modulator(name="error", readout="out", feedback=arc.Normal(0, 1))
    pairs = list(range(20, 400, 40))
    rule = arc.stdp("0.1 fA", "0 fA", modulator="error", tau_e="100 ms")
    network, inputs = relay(
        [pairs], [pairs, pairs], n_steps=400, rules={"rule": rule}, modulators=[modulator], readouts=[readout]
    )
    target = np.tile([[0.5, -1.0]], (80, 1))
    run = arc.Simulation(network, "400 ms", seed=1, inputs=inputs, targets={"out": target})
    run.advance()
    level = target[0] @ run.plan.modulators["error"].feedback["post"]
    np.testing.assert_allclose(run.state["error@post/level"], level, rtol=1e-14)
    change = run.state["rule/weight"] / 1e-15 - 1.0
    assert change[0] / change[1] == pytest.approx(level[0] / level[1], rel=1e-9)


def test_weights_that_are_not_finite_are_named() -> None:
    pairs = list(range(10, 100, 10))
    rules = {**RULES, "pair": arc.stdp("1e308 A", "0 A")}
    network, inputs = relay([pairs], [pairs], n_steps=100, rules=rules)
    with pytest.raises(NonFiniteError, match=r"pair.*synapse 0, step.*weight"):
        arc.simulate(network, "100 ms", seed=1, inputs=inputs)
