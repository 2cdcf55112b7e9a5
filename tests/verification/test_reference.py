"""The compiled loop against a slow NumPy interpreter of the step contract, on random networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from verification.random_networks import STRUCTURES, Drawn, seeds
from verification.reference import Reference

from arcuate.engines import get_engine
from arcuate.engines.build import build_plan
from arcuate.engines.plan import Plan


def plan_of(drawn: Drawn, seed: int, n_steps: int) -> Plan:
    """A plan with inputs and teachers of the shapes that the network asks for."""
    network, wanted = drawn
    generator = np.random.default_rng(seed % 2**32)
    inputs: dict[str, Any] = {}
    for name, (channels, kind) in wanted.get("inputs", {}).items():
        values = generator.standard_normal((n_steps, channels))
        inputs[name] = values if kind == "normal" else (values > 2.0).astype(float)
    targets = {}
    for name, outputs in wanted.get("targets", {}).items():
        period = max(1, int(network.readouts[name].period / network.dt + 0.5))
        targets[name] = generator.standard_normal((-(-n_steps // period), outputs))
    duration = f"{n_steps * network.dt!r} s"
    return build_plan(network, seed=seed, duration=duration, inputs=inputs, targets=targets)


def compare(plan: Plan) -> int:
    """Assert equal spikes, and states within 1e-12 of their largest value; give the number of spikes."""
    run = get_engine("numba").start(plan)
    raw = run.advance(plan.n_steps)
    reference = Reference(plan)
    spikes = reference.run(plan.n_steps)
    for name, (neuron, step) in spikes.items():
        np.testing.assert_array_equal(raw.spikes[name][1], step, err_msg=name)
        np.testing.assert_array_equal(raw.spikes[name][0], neuron, err_msg=name)
    state = run.state()
    for name, value in reference.state().items():
        scale = max(float(np.abs(value).max(initial=0.0)), 1e-300)
        assert np.abs(state[name] - value).max(initial=0.0) <= 1e-12 * scale, name
    return sum(step.size for _, step in spikes.values())


def check_many(structure: str, sizes: st.SearchStrategy[int], *, examples: int, n_steps: int) -> int:
    total = 0

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck), database=None)
    @given(drawn=STRUCTURES[structure](sizes), seed=seeds)
    def check(drawn: Drawn, seed: int) -> None:
        nonlocal total
        total += compare(plan_of(drawn, seed, n_steps))

    check()
    return total


@pytest.mark.parametrize("structure", STRUCTURES)
def test_a_few_random_networks(structure: str) -> None:
    assert check_many(structure, st.just(9), examples=5, n_steps=300) > 100


@pytest.mark.slow
@pytest.mark.parametrize("structure", STRUCTURES)
def test_fifty_random_networks(structure: str) -> None:
    assert check_many(structure, st.just(9), examples=13, n_steps=300) > 100


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("structure", STRUCTURES)
def test_ten_thousand_steps(structure: str) -> None:
    assert check_many(structure, st.integers(2, 14), examples=13, n_steps=10_000) > 2000


@pytest.mark.parametrize(("structure", "swapped"), [("balanced", "synapses"), ("integrators", "delivery")])
def test_the_comparison_sees_a_wrong_order(structure: str, swapped: str) -> None:
    differing = 0

    @settings(max_examples=4, suppress_health_check=list(HealthCheck), database=None)
    @given(drawn=STRUCTURES[structure](st.just(9)), seed=st.integers(0, 100))
    def check(drawn: Drawn, seed: int) -> None:
        nonlocal differing
        plan = plan_of(drawn, seed, 300)
        right, wrong = Reference(plan), Reference(plan, swapped=swapped)
        right.run(300)
        wrong.run(300)
        states = right.state(), wrong.state()
        differing += any(not np.allclose(states[0][key], states[1][key], rtol=1e-9) for key in states[0])

    check()
    assert differing > 0
