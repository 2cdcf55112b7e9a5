"""Distal reward of Izhikevich 2007: factors of the script, the closed loop, two engines, figures (slow)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conformance.cases import assert_same_bits, plan_of, run

import arcuate as arc
from arcuate.engines.build import build_plan
from arcuate.study.reproduction import default_seeds, load_reproduce
from arcuate.verify import compare

NAME = "distal_reward"


def small() -> arc.Network:
    """A tenth of the neurons, connected ten times as densely, so that as many spikes arrive."""
    sizes = {"populations.exc.n": 80, "populations.inh.n": 20}
    return arc.load_model(NAME).replace(
        {
            **sizes,
            **{f"projections.{name}.connectivity.p": 0.8 for name in ("exc->exc", "exc->inh", "inh->exc")},
        }
    )


def closed_loop(*args: Any) -> Any:
    return load_reproduce(NAME).__globals__["closed_loop"](*args, lambda done, total: None)


def test_decays_are_those_of_the_script() -> None:
    plan = build_plan(small(), seed=1, duration="1 ms", inputs={"dopamine": [0.0]})
    assert plan.modulators["dopamine"].decay == pytest.approx(0.995, abs=2e-5)
    for name in ("exc->exc", "exc->inh"):
        rule = plan.projections[name].plasticity
        assert rule is not None
        assert float(rule.values["decay_e"]) ** 10 == pytest.approx(0.99, abs=1e-4)
        assert float(rule.values["decay_plus"]) == pytest.approx(0.95, abs=1e-3)
        assert (rule.sign, rule.low, rule.high) == (1.0, 0.0, 4.0)


def test_rewards_come_one_to_three_seconds_after_pairs() -> None:
    seconds = 20
    kept, every, rate, dopamine = closed_loop(small(), 2, seconds)
    given = arc.simulate(small(), f"{seconds} s", seed=2, inputs={"dopamine": dopamine}, progress=False)
    plan = build_plan(small(), seed=2, duration="1 ms", inputs={"dopamine": [0.0]})
    target = plan.projections["exc->exc"].index[0]
    spikes = given.spikes("exc")
    time, neuron = np.rint(np.asarray(spikes["time"]) * 1e3), np.asarray(spikes["neuron"])
    assert rate == pytest.approx(time.size / 80 / seconds, rel=1e-12)  # the loop and the replay are one run
    first, second = time[neuron == 0], time[neuron == target]
    pairs = [t for t in second if ((first < t) & (t - first < 20)).any()]
    rewards = np.flatnonzero(dopamine)
    assert rewards.size >= 1
    for reward in rewards:
        assert any(1000 < reward - t <= 3000 for t in pairs)
    assert sum(t + 3000 < 1000 * seconds for t in pairs) <= dopamine.sum() / 0.5 <= len(pairs)
    assert kept.shape[0] == 2
    assert every.min() >= 0.0
    assert every.max() <= 4.0


@pytest.mark.brian
def test_both_engines_give_the_same_bits() -> None:
    dopamine = np.zeros(1000)
    dopamine[::200] = 0.5
    plan = plan_of(small(), "1 s", seed=1, inputs={"dopamine": dopamine})
    assert_same_bits(compare(plan, [run(plan, "numba"), run(plan, "brian2")], ("numba", "brian2")))


@pytest.mark.brian
@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("engine", ["brian2", "brian2-cpp"])
def test_replay_of_a_hundred_thousand_spikes(engine: str) -> None:
    network = arc.load_model(NAME).replace(record=arc.Record(spikes=["exc"]))
    *_, dopamine = closed_loop(network, 1, 85)
    plan = plan_of(arc.load_model(NAME), "85 s", seed=1, inputs={"dopamine": dopamine})
    verification = compare(plan, [run(plan, "numba"), run(plan, engine)], ("numba", engine))
    assert dopamine.max() > 0.0
    print(f"{engine}: {verification.n_spikes} spikes, {max(verification.max_abs_diff.values()):.3g}")
    assert verification.n_spikes >= 100_000
    assert verification.identical, str(verification)
    assert max(verification.max_abs_diff.values()) <= 1e-12


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_the_rewarded_synapse_outgrows_the_others() -> None:
    found = load_reproduce(NAME)(default_seeds(NAME), False, None, lambda done, total, label: None)
    assert found.holds, [(figure.name, figure.measured) for figure in found.figures]
