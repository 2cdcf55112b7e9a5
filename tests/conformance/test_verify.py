"""The comparison itself: it finds the first difference, and only differences."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from conformance.cases import plan_of, run
from networks import lif_pair, reservoir

import arcuate as arc
from arcuate.engines.plan import Plan
from arcuate.engines.result import RawRun
from arcuate.errors import CapabilityError, SpecError, UnknownNameError
from arcuate.verify import compare

NAMES = ("numba", "other")


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_of(reservoir())


@pytest.fixture(scope="module")
def result(plan: Plan) -> RawRun:
    return run(plan, "numba")


def with_spikes(result: RawRun, population: str, neuron: Any, step: Any) -> RawRun:
    spikes = {**result.spikes, population: (np.asarray(neuron), np.asarray(step))}
    return dataclasses.replace(result, spikes=spikes)


def test_a_run_is_identical_to_itself(plan: Plan, result: RawRun) -> None:
    verification = compare(plan, [result, result], NAMES)
    assert verification
    assert verification.identical
    assert verification.first_mismatch is None
    assert verification.n_spikes == sum(neuron.size for neuron, _ in result.spikes.values()) > 100
    assert str(verification) == f"identical: {verification.n_spikes} spikes"
    assert verification.duration == pytest.approx(plan.n_steps * plan.dt)
    assert set(verification.max_abs_diff.values()) == {0.0}
    assert {"exc/v", "prediction/weights", "prediction/z"} <= set(verification.max_abs_diff)


def test_the_order_in_which_spikes_are_listed_does_not_matter(plan: Plan, result: RawRun) -> None:
    neuron, step = result.spikes["exc"]
    shuffled = np.random.default_rng(0).permutation(neuron.size)
    other = with_spikes(result, "exc", neuron[shuffled], step[shuffled])
    assert compare(plan, [result, other], NAMES).identical


@pytest.mark.parametrize("missing", [0, 7, -1])
def test_a_missing_spike_is_named(plan: Plan, result: RawRun, missing: int) -> None:
    neuron, step = result.spikes["inh"]
    other = with_spikes(result, "inh", np.delete(neuron, missing), np.delete(step, missing))
    verification = compare(plan, [result, other], NAMES)
    found = verification.first_mismatch
    assert not verification
    assert found is not None
    assert (found.step, found.neuron, found.population) == (step[missing], neuron[missing], "inh")
    assert (found.only_on, found.missing_on) == NAMES
    assert found.time == pytest.approx(step[missing] * plan.dt)
    assert str(verification) == (
        f"numba and other part at step {found.step} ({found.time * 1e3:.6g} ms): "
        f"neuron {found.neuron} of 'inh' fires on numba only"
    )
    swapped = compare(plan, [other, result], NAMES).first_mismatch
    assert swapped is not None
    assert (swapped.only_on, swapped.missing_on) == ("other", "numba")


def test_the_earliest_of_several_differences_is_named(plan: Plan, result: RawRun) -> None:
    (exc, exc_step), (inh, inh_step) = result.spikes["exc"], result.spikes["inh"]
    later = with_spikes(
        result, "exc", exc, np.where(np.arange(exc.size) == exc.size - 1, exc_step + 1, exc_step)
    )
    both = with_spikes(later, "inh", np.append(inh, 3), np.append(inh_step, 2))
    found = compare(plan, [result, both], NAMES).first_mismatch
    assert found is not None
    assert (found.step, found.neuron, found.population, found.only_on) == (2, 3, "inh", "other")
    found = compare(plan, [result, result, later], ("a", "b", "c")).first_mismatch
    assert found is not None
    assert (found.step, found.only_on, found.missing_on) == (exc_step[-1], "a", "c")


def test_a_spike_that_is_listed_twice_is_a_difference(plan: Plan, result: RawRun) -> None:
    neuron, step = result.spikes["exc"]
    other = with_spikes(result, "exc", np.append(neuron, neuron[4]), np.append(step, step[4]))
    found = compare(plan, [result, other], NAMES).first_mismatch
    assert found is not None
    assert (found.step, found.neuron, found.only_on) == (step[4], neuron[4], "other")


def test_a_silent_engine_is_a_difference(plan: Plan, result: RawRun) -> None:
    nothing = with_spikes(result, "exc", np.empty(0, int), np.empty(0, int))
    found = compare(plan, [result, nothing], NAMES).first_mismatch
    assert found is not None
    assert found.only_on == "numba"
    found = compare(plan, [nothing, result], NAMES).first_mismatch
    assert found is not None
    assert found.only_on == "other"


def test_differences_of_the_state_are_measured(plan: Plan, result: RawRun) -> None:
    final = {key: value.copy() for key, value in result.final.items()}
    final["exc/v"][3] += 2.0**-20
    final["inh/u"][0] = np.nan
    outputs = {"prediction": result.outputs["prediction"].copy()}
    outputs["prediction"][2, 1] -= 0.5
    other = dataclasses.replace(result, final=final, outputs=outputs)
    verification = compare(plan, [result, other], NAMES)
    assert verification.identical
    assert verification.max_abs_diff["exc/v"] == pytest.approx(2.0**-20, rel=1e-6)
    assert verification.max_abs_diff["inh/u"] == np.inf
    assert verification.max_abs_diff["prediction/z"] == pytest.approx(0.5)
    assert verification.max_abs_diff["exc/u"] == 0.0


def test_no_spikes_are_not_called_agreement() -> None:
    quiet = plan_of(lif_pair(), "1 ms")
    silent = run(quiet, "numba")
    assert (
        str(compare(quiet, [silent, silent], NAMES)) == "identical: 0 spikes, so only the state was compared"
    )


@pytest.mark.parametrize("engines", ["numba", ("numba",), ("numba", "numba"), ()])
def test_two_engines_are_needed(engines: Any) -> None:
    with pytest.raises(SpecError, match="two or more different engines"):
        arc.verify(lif_pair(), engines, duration="1 ms")


def test_unknown_and_unable_engines_are_named() -> None:
    with pytest.raises(UnknownNameError, match="brian2"):
        arc.verify(lif_pair(), ("numba", "brain2"), duration="1 ms")
    with pytest.raises(CapabilityError, match="TwoBank"):
        arc.verify(reservoir(), ("numba", "brian2"))


@pytest.mark.brian
def test_verify_runs_both_engines() -> None:
    verification = arc.verify(lif_pair("0.7 ms"), duration="100 ms", seed=2)
    assert verification.identical, str(verification)
    assert verification.engines == ("numba", "brian2")
    assert (verification.seed, verification.duration) == (2, pytest.approx(0.1))
    assert verification.n_spikes >= 4
    assert set(verification.max_abs_diff.values()) == {0.0}
