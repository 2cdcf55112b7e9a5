"""The order of operations is part of the model: a wrong order must be seen, and within milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conformance.cases import izh2003_network, izh2007_network, learning_network, lif_network, plan_of, run

import arcuate as arc
from arcuate.engines._brian_emit import Description
from arcuate.engines.plan import Plan
from arcuate.verify import Verification, compare

pytestmark = pytest.mark.brian


def update_of(job: Description, population: str = "exc") -> dict[str, Any]:
    """Code of slot S2 of a population."""
    name = f"{job.names.population[population]}_update"
    return next(update for update in job.updates if update["name"] == name)


def replace_in_update(job: Description, old: str, new: str) -> None:
    update = update_of(job)
    assert update["code"].count(old) == 1, update["code"]
    update["code"] = update["code"].replace(old, new)


def recovery_from_new_v(job: Description) -> None:
    """S2: u from the new v instead of the old one."""
    replace_in_update(
        job,
        "p0_u_new = (p0_u + (p0_a_dt * ((p0_b * (p0_v -",
        "p0_u_new = (p0_u + (p0_a_dt * ((p0_b * (p0_v_new -",
    )


def recovery_from_old_v(job: Description) -> None:
    """S2 of the legacy order: u from the old v instead of the new one."""
    update = update_of(job)
    old = "((p0_b * p0_v) - p0_u)"
    assert update["code"].count(old) == 1
    update["code"] = "p0_before = p0_v\n" + update["code"].replace(old, "((p0_b * p0_before) - p0_u)")


def decay_after_delivery(job: Description) -> None:
    """S2 and S4: synaptic currents decay after the spikes of the step have arrived."""
    update = update_of(job)
    lines = update["code"].split("\n")
    moved = [line for line in lines if line.startswith("c0_")]
    assert len(moved) >= 2
    update["code"] = "\n".join(line for line in lines if line not in moved)
    job.update("late_decay", update["group"], moved, when="after_synapses", order=0)


def delivery_before_threshold(job: Description) -> None:
    """S4 before S3: the spikes of a step arrive one step late."""
    for synapses in job.synapses:
        if synapses["on_pre"] is not None:
            synapses["when"] = "before_thresholds"


def reset_before_delivery(job: Description) -> None:
    """S5 before S4: a spike that arrives at a cell that just fired is judged after its reset."""
    for synapses in job.synapses:
        if synapses["on_pre"] is not None:
            synapses["when"] = "after_resets"


def feedback_before_reset(job: Description) -> None:
    """S6 before S5: the read-out misses the spikes of its own step."""
    for part in [*job.synapses, *job.updates]:
        if part["when"] == "end":
            part["when"] = "before_resets"


def input_after_update(job: Description) -> None:
    """S0 after S2: the input acts one step late."""
    moved = [update for update in job.updates if update["name"].endswith("_inputs")]
    assert moved
    for update in moved:
        update["when"] = "after_groups"


def chaotic() -> Plan:
    return plan_of(izh2007_network(gain="15000 pA*ms"), "50 ms")


def legacy() -> Plan:
    return plan_of(izh2003_network("legacy2003"), "300 ms")


def jumping() -> Plan:
    """LIF cells without a refractory time, so that arrivals right at a spike matter."""
    network = lif_network(arc.delta(), "6 mV")
    return plan_of(network.with_("populations.exc.neuron.t_ref", "0 ms"), "100 ms")


def fed_back() -> Plan:
    """A filter that jumps at a spike; a two-stage filter jumps one step later anyway."""
    return plan_of(learning_network(None, feedback=True, filter=arc.Filter(model="exponential")), "300 ms")


def driven() -> Plan:
    network = izh2007_network(60, inputs=[arc.Input(name="drive", target="exc", unit="pA", weight=1.0)])
    values = 200 * np.random.default_rng(4).normal(size=500)
    return plan_of(network, "50 ms", inputs={"drive": values})


MUTATIONS: list[tuple[Callable[[], Plan], Callable[[Description], None], float]] = [
    (chaotic, recovery_from_new_v, 40e-3),
    (chaotic, decay_after_delivery, 20e-3),
    (chaotic, delivery_before_threshold, 20e-3),
    (legacy, recovery_from_old_v, 300e-3),
    (jumping, reset_before_delivery, 100e-3),
    (jumping, delivery_before_threshold, 100e-3),
    (fed_back, feedback_before_reset, 300e-3),
    (driven, input_after_update, 50e-3),
]


@pytest.mark.parametrize(
    ("plan", "mutation", "within"), MUTATIONS, ids=lambda value: getattr(value, "__name__", "")
)
def test_another_order_gives_other_spikes(
    plan: Callable[[], Plan], mutation: Callable[[Description], None], within: float
) -> None:
    chosen = plan()
    verification = check(chosen, mutation)
    assert not verification.identical
    assert verification.first_mismatch is not None
    assert verification.first_mismatch.time <= within


@pytest.mark.parametrize(
    "plan", [chaotic, legacy, jumping, fed_back, driven], ids=lambda value: value.__name__
)
def test_the_right_order_gives_the_same_spikes(plan: Callable[[], Plan]) -> None:
    verification = check(plan(), lambda job: None)
    assert verification.identical, str(verification)
    assert verification.n_spikes >= 30


def check(plan: Plan, mutation: Callable[[Description], None]) -> Verification:
    runs = [run(plan, "numba"), run(plan, "brian2", amend=mutation)]
    return compare(plan, runs, ("numba", "brian2"))
