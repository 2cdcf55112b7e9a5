"""Arrival of spikes and refractoriness, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conformance.cases import BOTH, assert_identical, plan_of, run

import arcuate as arc
from arcuate.engines import _emit
from arcuate.engines._emit import LINE, emit_kernel

pytestmark = pytest.mark.brian


def pair(delay: list[str], synapse: Any, weight: Any) -> arc.Network:
    """One cell that fires by itself and one synapse for each delay, each onto a cell of its own."""
    n = len(delay)
    return arc.Network(
        name="pair",
        dt="0.1 ms",
        populations=[
            arc.Population(name="pre", n=1, neuron=arc.lif(), bias="500 pA"),
            arc.Population(name="post", n=n, neuron=arc.lif()),
        ],
        projections=[
            arc.Projection(
                pre="pre", post="post", connectivity=arc.Edges([0] * n, list(range(n))), synapse=synapse,
                weight=weight, delay=arc.spec.Values(delay),
            )
        ],
    )  # fmt: skip


@pytest.mark.parametrize("engine", BOTH)
def test_a_spike_arrives_after_its_delay(engine: str) -> None:
    network = pair(["0 ms", "0.1 ms", "0.7 ms"], arc.exponential("5 ms"), "10 pA")
    plan = plan_of(network, "30 ms", everything=True)
    result = run(plan, engine)
    fired = result.spikes["pre"][1]
    assert fired.size >= 2
    (current,) = plan.currents
    s = result.states[current, "s"]
    decay = np.exp(-1e-4 / 5e-3)
    for neuron, delay in enumerate((0, 1, 7)):
        jump = s[1:, neuron] - decay * s[:-1, neuron]
        arrived = np.flatnonzero(jump > 5e-12) + 1
        assert arrived.tolist() == [step + delay for step in fired if step + delay < plan.n_steps]
        np.testing.assert_allclose(jump[arrived - 1], 10e-12, rtol=1e-12)


@pytest.mark.parametrize("engine", BOTH)
def test_a_delta_synapse_steps_v_after_the_threshold_was_looked_at(engine: str) -> None:
    network = pair(["0 ms", "0.1 ms", "0.7 ms"], arc.delta(), "20 mV")
    plan = plan_of(network, "16 ms", everything=True)
    result = run(plan, engine)
    (fired,) = result.spikes["pre"][1]
    v = result.states["post", "v"]
    for neuron, delay in enumerate((0, 1, 7)):
        assert v[fired + delay - 1, neuron] == -65e-3
        assert v[fired + delay, neuron] == pytest.approx(-45e-3, rel=1e-12)
        own = result.spikes["post"][1][result.spikes["post"][0] == neuron]
        assert own.tolist() == [fired + delay + 1]


ROWS = (0, 1, LINE - 1, LINE, LINE + 1, 0, 3 * LINE, 2, 5 * LINE + 3, 0)
"""Synapses of each source: some have none, among them the first and the last; others fill lines or do not."""


def fan(rows: tuple[int, ...], delay: list[str]) -> tuple[arc.Network, np.ndarray, np.ndarray]:
    """Cells that fire at once, onto as many others as they have synapses; targets and weights (A) as well."""
    rng = np.random.default_rng(5)
    n_post = max(rows)
    pre = np.repeat(np.arange(len(rows)), rows)
    post = np.concatenate([np.sort(rng.choice(n_post, row, replace=False)) for row in rows])
    weight = rng.uniform(-1e-11, 1e-11, pre.size)
    given = [delay[k % len(delay)] for k in range(pre.size)]
    network = arc.Network(
        name="fan",
        dt="0.1 ms",
        populations=[
            arc.Population(name="pre", n=len(rows), neuron=arc.lif(), bias="500 pA"),
            arc.Population(name="post", n=n_post, neuron=arc.lif()),
        ],
        projections=[
            arc.Projection(
                pre="pre", post="post", connectivity=arc.Edges(pre, post), synapse=arc.exponential("5 ms"),
                weight=arc.spec.Values(weight, "A"), delay=arc.spec.Values(given),
            )
        ],
    )  # fmt: skip
    return network, post, weight


@pytest.mark.parametrize("engine", BOTH)
@pytest.mark.parametrize("delay", ["0 ms", "0.7 ms"])
def test_rows_of_any_length_arrive_whole_and_in_order(
    delay: str, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_emit, "FAR", 0)
    network, post, weight = fan(ROWS, [delay])
    plan = plan_of(network, "20 ms", everything=True)
    assert "prefetch(" in emit_kernel(plan).text
    result = run(plan, engine)
    neuron, step = result.spikes["pre"]
    together = step == step[0]
    assert neuron[together].tolist() == list(range(len(ROWS)))
    wanted = np.zeros(max(ROWS))
    for i, w in zip(post, weight, strict=True):  # edges are sorted by source, then by target
        wanted[i] += w
    (current,) = plan.currents
    arrival = step[0] + round(float(delay.split()[0]) * 10)
    assert not result.states[current, "s"][:arrival].any()
    np.testing.assert_array_equal(result.states[current, "s"][arrival], wanted)


def test_rows_are_fetched_where_they_are_far_and_long(monkeypatch: pytest.MonkeyPatch) -> None:
    short, *_ = fan((1, LINE, 2), ["0 ms"])
    split, *_ = fan(ROWS, ["0 ms", "0.1 ms", "0.7 ms", "1 ms"])
    long, *_ = fan(ROWS, ["0 ms"])
    plans = [plan_of(network, "1 ms") for network in (long, short, split)]
    assert ["prefetch(" in emit_kernel(plan).text for plan in plans] == [False, False, False]
    monkeypatch.setattr(_emit, "FAR", 0)
    assert ["prefetch(" in emit_kernel(plan).text for plan in plans] == [True, False, False]


def pushed(t_ref: str) -> arc.Network:
    """A cell that each input spike lifts over its threshold, unless it is refractory."""
    return arc.Network(
        name="pushed",
        dt="0.1 ms",
        populations=[arc.Population(name="cell", n=1, neuron=arc.lif(t_ref=t_ref))],
        inputs=[arc.Input(name="push", target="cell", kind="spikes", weight="20 mV")],
    )


def expected_spikes(pushes: np.ndarray, refractory: int) -> list[int]:
    """The rule in words: free again when n - n_spike >= refractory; a push counts only on a free cell.

    A push in the step of a spike comes before the reset and is lost in it.
    """
    spikes: list[int] = []
    lifted = False
    for n, push in enumerate(pushes):
        free = not spikes or n - spikes[-1] >= refractory
        if lifted and free:
            spikes.append(n)
        lifted = bool(push) and free and not (spikes and spikes[-1] == n)
    return spikes


@pytest.mark.parametrize(("t_ref", "steps"), [("0 ms", 0), ("0.1 ms", 1), ("0.2 ms", 2), ("0.5 ms", 5)])
@pytest.mark.parametrize("every", [1, 2, 3, 7])
def test_a_refractory_cell_ignores_pushes(t_ref: str, steps: int, every: int) -> None:
    pushes = np.zeros(100)
    pushes[5::every] = 1.0
    wanted = expected_spikes(pushes, steps)
    assert len(wanted) >= 8
    plan = plan_of(pushed(t_ref), "10 ms", inputs={"push": pushes}, everything=True)
    results = [run(plan, engine) for engine in (BOTH if every == 3 else ("numba",))]
    for result in results:
        assert result.spikes["cell"][1].tolist() == wanted


def test_delays_and_pushes_have_the_same_bits_on_every_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_emit, "FAR", 0)
    rng = np.random.default_rng(3)
    pushes = (rng.random((2000, 1)) < 0.1).astype(float)
    assert_identical(
        plan_of(pushed("0.5 ms"), "200 ms", inputs={"push": pushes}, everything=True), n_spikes=50
    )
    delays = ["0 ms", "0.1 ms", "0.7 ms", "0.7 ms"]
    for several in (["0.3 ms"], delays):
        assert_identical(plan_of(fan(ROWS, several)[0], "100 ms", everything=True), n_spikes=50)
    assert_identical(plan_of(pair(delays, arc.delta(), "20 mV"), "100 ms", everything=True), n_spikes=5)
