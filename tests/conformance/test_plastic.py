"""Plastic networks: the same spikes, weights and traces from every engine, to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conformance.cases import assert_same_bits, plan_of, run
from plastic import RULES, mixed, pulses, relay, trains

import arcuate as arc
from arcuate.engines.plan import Plan
from arcuate.verify import compare

pytestmark = [pytest.mark.brian, pytest.mark.filterwarnings("ignore:every weight")]


def agree(plan: Plan, engine: str, *, n_spikes: int) -> None:
    """Both engines give the same spikes, state and snapshots, in which weights have moved."""
    runs = [run(plan, "numba"), run(plan, engine)]
    verification = compare(plan, runs, ("numba", engine))
    assert_same_bits(verification)
    assert verification.n_spikes >= n_spikes
    plastic = [p for p in plan.projections.values() if p.plasticity is not None]
    assert {f"{p.name}/weight" for p in plastic} <= set(verification.max_abs_diff)
    for projection in plastic:
        assert np.abs(runs[0].final[f"{projection.name}/weight"] - projection.weight).max() > 0.0
    for name, (steps, weights) in runs[0].synapses.items():
        np.testing.assert_array_equal(steps, runs[1].synapses[name][0])
        np.testing.assert_array_equal(weights, runs[1].synapses[name][1])


def rules() -> Plan:
    """Every rule without a third factor, on random spikes and delayed synapses."""
    network, inputs = relay(
        trains(4, 0.05, 400, 1), trains(3, 0.05, 400, 2), n_steps=401, delay="3 ms",
        rules={**RULES, "scaling": arc.synaptic_scaling("20 Hz", tau_h="10 s", every="20 ms")},
        weight=arc.Uniform("0.9 fA", "1.1 fA"),
    )  # fmt: skip
    return plan_of(network, "401 ms", inputs=inputs)


def taught() -> Plan:
    """Eligibility, and a gate without one, that listen to the error of a read-out."""
    readout = arc.Readout(name="out", source="exc", n_outputs=2, rule=arc.Delta(learning_rate=0.01))
    network = mixed(
        reward=arc.stdp(0.1, 0.12, modulator="error", tau_e="100 ms", w_max=4.0),
        soft=arc.stdp(0.01, 0.012, modulator="error"),
        readouts=[readout],
        modulators=[arc.Modulator(name="error", readout="out", feedback=arc.Normal(0, 1))],
    )
    target = np.random.default_rng(1).normal(size=(30, 2))
    return plan_of(network, "300 ms", targets={"out": target})


CASES: dict[str, Any] = {
    "rules": (rules, 50),
    "event_driven": (lambda: plan_of(mixed(), "700 ms", inputs=pulses(700)), 500),
    "clock_driven": (lambda: plan_of(mixed("clock_driven"), "700 ms", inputs=pulses(700)), 500),
    "taught": (taught, 200),
}


@pytest.mark.parametrize("case", CASES)
def test_every_bit(case: str) -> None:
    plan, n_spikes = CASES[case]
    agree(plan(), "brian2", n_spikes=n_spikes)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("case", CASES)
def test_every_bit_in_cpp(case: str) -> None:
    plan, n_spikes = CASES[case]
    agree(plan(), "brian2-cpp", n_spikes=n_spikes)
