"""The fast order gives what the strict one gives, but for rounding, and the same bits however it is run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp

import arcuate as arc
from arcuate.engines import get_engine
from arcuate.engines._orders import per_spike_readouts
from arcuate.engines.build import build_plan
from arcuate.engines.plan import Plan
from arcuate.engines.result import RawRun
from arcuate.errors import CapabilityError, NonFiniteError, UnknownNameError
from arcuate.study.workloads import learning_reservoir, sines

DURATION = 0.4
TRACE = arc.Filter(model="exponential", parameters={"tau": "20 ms"})
RULES: dict[str, Any] = {
    "every step": {"rule": arc.Delta(learning_rate=1e-4)},
    "no rule": {"rule": None, "initial_weight": np.random.default_rng(0).normal(0, 0.05, (2, 200))},
    "every millisecond": {"rule": arc.Delta(learning_rate=1e-3), "period": "1 ms"},
    "no feedback": {"rule": arc.Delta(learning_rate=1e-3), "period": "1 ms", "feedback": None},
    "bounded": {"rule": arc.Delta(learning_rate=1e-4, w_min=-0.002, w_max=0.002)},
    "normalized": {"rule": arc.Delta(learning_rate=1e-2, normalization=1.0)},
    "two stages": {"rule": arc.Delta(learning_rate=1e-4), "filter": arc.Filter()},
    "least squares": {"rule": arc.RLS(alpha=1.0), "period": "2 ms"},
}


def network(**changes: Any) -> arc.Network:
    return learning_reservoir(200).replace({f"readouts.out.{key}": value for key, value in changes.items()})


def plan_of(net: arc.Network, **given: Any) -> Plan:
    readout = net.readouts["out"]
    if readout.rule is not None:
        steps = round(readout.period / net.dt)
        given.setdefault("targets", {"out": sines(round(DURATION / net.dt), net.dt)[steps - 1 :: steps]})
    return build_plan(net, seed=2, duration=f"{DURATION} s", **given)


def run(plan: Plan, order: str) -> RawRun:
    return get_engine("numba").start(plan, order=order).advance(plan.n_steps)


def relative(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max() / np.abs(b).max())


QUICK = ("no rule", "every step", "no feedback", "least squares")
"""Rules tried by default; each compiles two kernels."""


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in RULES]
)
def test_fast_is_strict_but_for_rounding(name: str) -> None:
    plan = plan_of(network(**RULES[name]))
    fast, strict = run(plan, "fast"), run(plan, "strict")
    for mine, theirs in zip(fast.spikes["reservoir"], strict.spikes["reservoir"], strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert strict.spikes["reservoir"][0].size > 1000
    assert relative(fast.outputs["out"], strict.outputs["out"]) < 1e-7
    for key, value in strict.final.items():
        if key in fast.final and np.abs(value).max() > 0.0:
            assert relative(fast.final[key], value) < 1e-7, key


def test_outputs_and_weights_follow_from_the_spikes_by_the_definition() -> None:
    """Every trace, output and weight at every step, from the run's spikes with plain NumPy."""
    gate = (np.arange(4000) // 500 % 2).astype(float)
    plan = plan_of(network(rule=arc.Delta(learning_rate=1e-4)), gates={"out": gate})
    raw = run(plan, "fast")
    neuron, step = raw.spikes["reservoir"]
    trace, weights, decay = np.zeros(200), np.zeros((2, 200)), np.exp(-0.1 / 20)
    outputs, target = np.empty((4000, 2)), sines(4000, 1e-4)
    for n in range(4000):
        trace *= decay
        trace[neuron[step == n]] += 1.0
        outputs[n] = weights @ trace
        weights += 1e-4 * gate[n] * np.outer(target[n] - outputs[n], trace)
    assert relative(raw.outputs["out"], outputs) < 1e-9
    assert relative(raw.final["out/weights"], weights) < 1e-9
    assert relative(raw.final["reservoir/filter0/r"], trace) < 1e-9


def crowd() -> arc.Network:
    """A read-out over two populations, and one that shares the traces of one of them."""
    base = learning_reservoir(60)
    first = base.populations["reservoir"]
    second = dataclasses.replace(first, name="other", n=40)
    rule, feedback = arc.Delta(learning_rate=1e-3), arc.Feedback(target="other", scale=1.0)
    pair = {"source": ["reservoir", "other"], "filter": TRACE, "period": "0.5 ms", "n_outputs": 2}
    return base.replace(
        populations=[first, second],
        readouts=[
            arc.Readout(name="a", rule=rule, **pair),
            arc.Readout(name="b", source="other", filter=TRACE, initial_weight=0.01, feedback=feedback),
        ],
    )


def crowd_options() -> dict[str, Any]:
    return {"duration": "400 ms", "seed": 4, "order": "fast", "targets": {"a": sines(800, 5e-4)}}


RECORD = arc.Record(states={"reservoir": ["v"]}, every="1 ms", readouts=("z", "features", "weights"))


def crowd_state(pieces: list[str], **options: Any) -> dict[str, np.ndarray]:
    simulation = arc.Simulation(crowd(), **crowd_options(), **options)
    for piece in pieces:
        simulation.advance(piece)
        simulation.state  # noqa: B018 - looking must not change anything
    simulation.advance()
    return simulation.state


def test_traces_that_a_sum_over_neurons_reads_are_kept_for_all_readouts() -> None:
    net, rule = crowd(), arc.Delta(learning_rate=1e-3, w_max=1.0)

    def kept(order: str = "fast", **changes: Any) -> tuple[str, ...]:
        second = dataclasses.replace(net.readouts["b"], **changes)
        others = net.replace(readouts=[net.readouts["a"], second])
        targets = {"a": np.zeros((2, 2)), "b": np.zeros((1, 1))}
        return per_spike_readouts(
            build_plan(others, seed=1, duration="1 ms", targets=targets if changes else {"a": targets["a"]}),
            order,
        )

    assert kept() == ("a", "b")
    assert kept("strict") == ()
    assert kept(rule=rule, period="1 ms") == ()
    assert kept(rule=rule, period="1 ms", filter=arc.Filter(model="exponential")) == ("a",)


def test_pieces_threads_and_recorders_leave_the_bits_alone(tmp_path: Path) -> None:
    reference = crowd_state([])
    assert {"a/weights", "b/z", "other/filter0/r"} <= reference.keys()
    for other in (
        crowd_state(["0.1 ms", "7 ms", "183.4 ms"]),
        crowd_state([], threads=2),
        crowd_state(["50 ms"], record=RECORD),
    ):
        assert reference.keys() == other.keys()
        assert all(reference[key].tobytes() == other[key].tobytes() for key in reference)


def test_a_checkpoint_keeps_the_order_and_the_bits(tmp_path: Path) -> None:
    options = crowd_options()
    simulation = arc.Simulation(crowd(), **options)
    simulation.advance("123.4 ms")
    simulation.checkpoint(tmp_path / "run.npz")
    resumed = arc.Simulation.resume(tmp_path / "run.npz", crowd(), targets=options["targets"])
    rest = resumed.advance()
    assert rest.outcome["order"] == "fast"
    reference = crowd_state([])
    assert all(reference[key].tobytes() == value.tobytes() for key, value in resumed.state.items())


def test_recorded_traces_and_weights_are_those_of_the_strict_order() -> None:
    options = crowd_options() | {"record": RECORD}
    fast, strict = (arc.simulate(crowd(), **(options | {"order": order})) for order in ("fast", "strict"))
    for site, variable in (
        ("a/features", "r"),
        ("a/output", "z"),
        ("b/output", "z"),
    ):
        mine, theirs = (rec.states(site)[variable].values for rec in (fast, strict))
        assert relative(mine, theirs) < 1e-9
    mine, theirs = (rec.weights("a")["weight"].values for rec in (fast, strict))
    assert relative(mine, theirs) < 1e-9


def test_rates_agree_where_chaos_has_parted_the_orders() -> None:
    net = learning_reservoir(300)
    rates = {
        order: [
            arc.simulate(
                net, "2 s", seed=seed, order=order, targets={"out": sines(20000, net.dt)}, progress=False
            ).outcome["rates_hz"]["reservoir"]
            for seed in range(4)
        ]
        for order in ("fast", "strict")
    }
    spread = np.std(rates["strict"], ddof=1)
    assert abs(np.mean(rates["fast"]) - np.mean(rates["strict"])) < spread
    np.testing.assert_allclose(rates["fast"], rates["strict"], rtol=0.05)


def test_a_diverging_rule_is_named_in_the_fast_order() -> None:
    with pytest.raises(NonFiniteError, match="learning rate"):
        run(plan_of(network(rule=arc.Delta(learning_rate=10.0), feedback=None)), "fast")


def test_orders_are_checked_by_name() -> None:
    net = learning_reservoir(10)
    with pytest.raises(UnknownNameError, match="fast"):
        arc.simulate(net, "1 ms", order="fats", targets={"out": sines(10, net.dt)})
    with pytest.raises(CapabilityError, match="order"):
        arc.simulate(net, "1 ms", order="fast", engine="brian2", targets={"out": sines(10, net.dt)})
    assert arc.simulate(net, "1 ms", targets={"out": sines(10, net.dt)}, seed=0).outcome["order"] == "strict"


def rates_of(net: arc.Network, n: int, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """Rate of every neuron, and the coefficients of variation of those with five intervals or more."""
    recording = arc.simulate(
        net, "2 s", seed=5, targets={"out": sines(20000, net.dt)}, progress=False, **options
    )
    spikes = recording.spikes("reservoir")
    neuron, time = spikes["neuron"].values, spikes["time"].values
    gaps = [np.diff(time[neuron == i]) for i in range(n)]
    variation = [gap.std() / gap.mean() for gap in gaps if gap.size >= 5]
    return np.bincount(neuron, minlength=n) / 2.0, np.array(variation)


@pytest.mark.parametrize("order", ["strict", "fast"])
def test_single_precision_gives_the_statistics_of_double(order: str) -> None:
    """As large a difference as that between two seeds of the same network would be seen."""
    net = learning_reservoir(300)
    single, double = (rates_of(net, 300, order=order, precision=p) for p in ("float32", "float64"))
    assert abs(single[0].mean() - double[0].mean()) < 0.03 * double[0].mean()
    assert np.corrcoef(single[0], double[0])[0, 1] > 0.99
    assert ks_2samp(single[1], double[1]).pvalue > 0.01


def test_one_step_in_single_precision_is_rounded_to_single() -> None:
    """Terms of up to 700 times dt, rounded to 24 bits a few times: within 2e-5 of double, and not equal."""
    net = learning_reservoir(200)
    record = arc.Record(states={"reservoir": ["v"]}, every="0.1 ms")
    given = {"seed": 1, "targets": {"out": sines(1, net.dt)}, "record": record}
    single, double = (arc.simulate(net, "0.1 ms", precision=p, **given) for p in ("float32", "float64"))
    assert single.outcome["precision"] == "float32"
    a, b = (rec.states("reservoir")["v"].values for rec in (single, double))
    assert a.dtype == np.float32
    np.testing.assert_allclose(a, b, rtol=0.0, atol=2e-5)
    assert np.abs(a - b).max() > 0.0


def test_single_precision_goes_on_from_a_checkpoint_and_is_refused_by_name(tmp_path: Path) -> None:
    net = learning_reservoir(200)
    given = {"seed": 1, "targets": {"out": sines(200, net.dt)}, "precision": "float32"}
    whole = arc.Simulation(net, "20 ms", **given)
    whole.advance()
    pieces = arc.Simulation(net, "20 ms", **given)
    pieces.advance("7.7 ms")
    pieces.checkpoint(tmp_path / "single.npz")
    resumed = arc.Simulation.resume(tmp_path / "single.npz", net, targets=given["targets"])
    resumed.advance()
    assert resumed.state["reservoir/v"].dtype == np.float32
    assert all(whole.state[key].tobytes() == value.tobytes() for key, value in resumed.state.items())
    with pytest.raises(CapabilityError, match="precision"):
        arc.simulate(net, "20 ms", engine="brian2", **given)
    with pytest.raises(UnknownNameError, match="float32"):
        arc.simulate(net, "20 ms", **(given | {"precision": "flaot32"}))
