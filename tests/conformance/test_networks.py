"""Recurrent networks: the same spikes and the same bits from every engine, however long the run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conformance.cases import (
    assert_identical,
    assert_same_bits,
    compared,
    izh2003_network,
    izh2007_network,
    learning_network,
    lif_network,
    many_synapses,
    plan_of,
    reservoir_of_all_kinds,
    run,
    theta_network,
)
from networks import reservoir

import arcuate as arc
from arcuate._native import NativeFunction
from arcuate.engines.plan import Plan
from arcuate.verify import compare

pytestmark = pytest.mark.brian

CPP = ("numba", "brian2-cpp")
EVERY = ("numba", "brian2", "brian2-cython", "brian2-cpp")

LIF = {
    "exponential": lambda: lif_network(arc.exponential("5 ms"), "100 pA"),
    "double": lambda: lif_network(arc.double_exponential(), "1000 pA*ms"),
    "delta": lambda: lif_network(arc.delta(), "3 mV"),
    "euler": lambda: lif_network(arc.exponential("5 ms"), "100 pA", method="euler"),
}


def test_300_chaotic_cells_for_one_second() -> None:
    assert_identical(plan_of(izh2007_network(), "1 s"), n_spikes=1000)


@pytest.mark.parametrize("method", ["euler", "legacy2003"])
def test_izh2003_with_noise_and_delays(method: str) -> None:
    assert_identical(plan_of(izh2003_network(method), "500 ms", everything=True), n_spikes=300)


@pytest.mark.parametrize("synapse", LIF)
def test_lif_with_delays_and_refractoriness(synapse: str) -> None:
    assert_identical(plan_of(LIF[synapse](), "150 ms", everything=True), n_spikes=150)


def test_theta_up_to_the_last_digit_of_the_cosine() -> None:
    verification = compared(plan_of(theta_network(), "30 ms"))
    assert verification.identical, str(verification)
    assert verification.n_spikes >= 100
    assert max(verification.max_abs_diff.values()) <= 1e-12


@pytest.mark.parametrize("method", ["exact", "exponential_euler"])
def test_every_synapse_onto_the_same_cells(method: str) -> None:
    network = many_synapses(method)
    verification = compared(plan_of(network, "150 ms", everything=True))
    assert verification.n_spikes >= 150
    assert_same_bits(verification)


def test_random_low_rank_feedback_and_inhibition_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(NativeFunction, "slow")  # its kernel is kept, and not compiled in each run
    network = reservoir_of_all_kinds()
    verification = assert_identical(plan_of(network, "200 ms", everything=True), n_spikes=300)
    assert {"z/z", "exc/v"} <= set(verification.max_abs_diff)


UNITS = {"exc->exc": "pA", "kicks": "uV", "waves": "pA", "inh->exc": "nS"}


@pytest.mark.parametrize("part", [*UNITS, "z"])
def test_each_kind_of_input_changes_the_spikes(part: str) -> None:
    network = reservoir_of_all_kinds()
    silent = (
        {"readouts.z.initial_weight": np.zeros((2, 80))}
        if part == "z"
        else {f"projections.{part}.weight": f"0 {UNITS[part]}"}
    )
    less = network.replace(silent)
    plans = [plan_of(one, "100 ms") for one in (network, less)]
    assert not compare(plans[0], [run(plan, "numba") for plan in plans], ("whole", "less")).identical


def taught(rule: Any, duration: int, **parts: Any) -> Plan:
    """Plan of a learning network with a random teacher and gate over `duration` ms."""
    network = learning_network(rule, **parts)
    rng = np.random.default_rng(5)
    n_samples = duration // 2
    given = {}
    if rule is not None:
        given = {
            "targets": {"out": rng.normal(size=(n_samples, 2))},
            "gates": {"out": (rng.random(n_samples) < 0.7).astype(float)},
        }
    return plan_of(network, f"{duration} ms", everything=True, **given)


@pytest.mark.parametrize(("rule", "feedback"), [("delta", True), ("normalized", False), ("fixed", True)])
def test_read_outs_learn_the_same_weights(rule: str, feedback: bool) -> None:
    rules = {
        "delta": arc.Delta(learning_rate=0.002),
        "normalized": arc.Delta(learning_rate=0.5, normalization=2.0, w_min=-0.2, w_max=0.2),
        "fixed": None,
    }
    plan = taught(rules[rule], 300, feedback=feedback)
    verification = assert_identical(plan, n_spikes=150)
    assert {"out/z", "out/weights", "out/features"} <= set(verification.max_abs_diff)


def test_learning_changes_the_spikes_that_are_compared() -> None:
    still, learning = (taught(rule, 400, feedback=True) for rule in (None, arc.Delta(learning_rate=0.002)))
    assert not compare(still, [run(still, "numba"), run(learning, "numba")], ("still", "learning")).identical


def test_trials_of_a_task_center_the_features() -> None:
    network = reservoir()
    readout = arc.Readout(
        name="when", source=["exc", "inh"], center=arc.Center(tau_trials=2),
        rule=arc.Delta(learning_rate=0.3, normalization=30.0),
    )  # fmt: skip
    plan = plan_of(network.replace({"readouts": [readout]}), "3 s")
    assert plan.trial_start.size >= 3
    assert_identical(plan, n_spikes=300)


def test_cpp_standalone() -> None:
    plan = plan_of(izh2007_network(30), "500 ms")
    runs = [run(plan, engine) for engine in CPP]
    verification = compare(plan, runs, CPP)
    assert_same_bits(verification)
    assert verification.n_spikes >= 50
    assert "-ffp-contract=off" in str(runs[1].facts["flags"])


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("target", ["brian2", "brian2-cython", "brian2-cpp"])
def test_a_hundred_thousand_spikes(target: str) -> None:
    plan = plan_of(izh2007_network(gain="15000 pA*ms"), "10 s")
    assert_identical(plan, ("numba", target), n_spikes=100_000)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("network", ["izh2003", "legacy2003", "delta", "exponential"])
def test_every_target_of_brian2(network: str) -> None:
    chosen = {
        "izh2003": lambda: izh2003_network("euler"),
        "legacy2003": lambda: izh2003_network("legacy2003"),
        **LIF,
    }
    assert_identical(plan_of(chosen[network](), "500 ms", everything=True), EVERY, n_spikes=300)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_target_learns_the_same_weights() -> None:
    rule = arc.Delta(learning_rate=0.5, normalization=2.0, w_min=-0.2, w_max=0.2)
    assert_identical(taught(rule, 2000, feedback=True), EVERY, n_spikes=1000)
