"""Rows 62 to 67 of the table of bad inputs, for plastic projections and modulators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import arcuate as arc
from arcuate.engines.build import build_plan
from arcuate.errors import ArcuateError, SpecError, UnitsError, UnknownNameError


def network(rule: Any = None, *, weight: Any = 1.0, neuron: Any = None, **parts: Any) -> arc.Network:
    """One plastic projection of dimensionless weights."""
    cells = {"n": 3, "neuron": arc.izh2003() if neuron is None else neuron}
    options = {key: parts.pop(key) for key in ("connectivity", "balance", "synapse") if key in parts}
    return arc.Network(
        name="bad",
        dt="1 ms",
        populations=[
            arc.Population(name="exc", sign=parts.pop("sign", None), **cells),
            arc.Population(name="out", **cells),
        ],
        projections=[
            arc.Projection(
                pre="exc", post="out", plasticity=arc.stdp(0.1, 0.1) if rule is None else rule, weight=weight,
                **{"connectivity": arc.Dense(), **options},
            )
        ],
        modulators=parts.pop("modulators", [arc.Modulator(name="reward", tau="0.2 s")]),
        **parts,
    )  # fmt: skip


def planned(values: Any, **more: Any) -> Any:
    given = {"reward": values} if values is not None else {}
    return build_plan(network(), seed=1, duration="10 ms", inputs=given, **more)


def gated(**options: Any) -> arc.Plasticity:
    return arc.stdp(0.1, 0.1, modulator="reward", **options)


CASES: dict[str, tuple[Callable[[], Any], type[ArcuateError], tuple[str, ...]]] = {
    # 62: learning rate negative or NaN
    "rate": (
        lambda: gated(tau_e="1 s", learning_rate="-1 Hz"), SpecError, ("learning_rate = '-1 Hz'", ">= 0")
    ),
    "nan rate": (
        lambda: gated(tau_e="1 s", learning_rate=float("nan")), SpecError, ("learning_rate = nan",)
    ),
    "amplitude": (lambda: arc.stdp(-0.1, 0.1), SpecError, ("a_plus = -0.1", ">= 0")),
    "nan amplitude": (lambda: arc.stdp(float("nan"), 0.1), SpecError, ("a_plus = nan",)),
    "eta": (lambda: arc.inhibitory_stdp(-1.0), SpecError, ("eta = -1", ">= 0")),
    "missing amplitude": (lambda: arc.Plasticity(model="stdp"), SpecError, ("a_plus", "is missing")),
    # 63: time constant 0
    "tau_e": (lambda: gated(tau_e="0 s"), SpecError, ("tau_e = ", "> 0")),
    "tau_plus": (lambda: arc.stdp(0.1, 0.1, tau_plus="0 ms"), SpecError, ("tau_plus = ", "> 0")),
    "tau": (lambda: arc.Modulator(name="reward", tau="0 s"), SpecError, ("tau = ", "> 0")),
    "short tau": (
        lambda: network(arc.stdp(0.1, 0.1, tau_plus="0.1 ms")), SpecError, ("dt", "tau_plus", "exc->out")
    ),
    "short tau_e": (lambda: network(gated(tau_e="0.1 ms")), SpecError, ("dt", "tau_e")),
    # 64: bounds the wrong way round
    "bounds": (
        lambda: arc.stdp(0.1, 0.1, w_min=2.0, w_max=1.0), SpecError, ("w_min = 2", "must be < w_max (1.0)")
    ),
    "soft without bounds": (
        lambda: arc.stdp(0.1, 0.1, bounds="soft", w_max=1.0), SpecError, ("w_min", "must be given")
    ),
    "soft and event-driven": (
        lambda: gated(tau_e="1 s", bounds="soft", w_min=0.0, w_max=1.0), SpecError,
        ("bounds = 'soft'", "clock_driven"),
    ),
    # 65: initial weight outside bounds
    "weight": (lambda: network(arc.stdp(0.1, 0.1, w_max=0.5)), SpecError, ("weight = 1.0", "w_max is 0.5")),
    "drawn weight": (
        lambda: network(arc.stdp(0.1, 0.1, w_max=0.5), weight=arc.Uniform(0, 1)), SpecError,
        ("weight = ", "w_max is 0.5"),
    ),
    "drawn without bounds": (
        lambda: build_plan(
            network(arc.stdp(0.1, 0.1, w_max=0.5), weight=arc.Normal(0, 5)), seed=1, duration="10 ms",
            inputs={"reward": np.zeros(10)},
        ),
        SpecError, ("weight = ", "beyond w_max, 0.5"),
    ),
    # 66: a modulator of another length
    "short": (lambda: planned(np.zeros(9)), SpecError, ("Modulator 'reward'", "9 rows", "10 steps")),
    "long": (lambda: planned(np.zeros(11)), SpecError, ("11 rows", "values[:10]")),
    "wide": (lambda: planned(np.zeros((10, 2))), SpecError, ("(10, 2)", "(n_steps, 1)")),
    "nan": (lambda: planned(np.full(10, np.nan)), SpecError, ("values", "nan")),
    "not given": (
        lambda: planned(None),
        SpecError, ("Modulator 'reward'", "must be given", 'inputs={"reward"'),
    ),
    "gate": (
        lambda: planned(np.zeros(10), gates={"reward": np.ones(9)}), SpecError, ("gate", "(9,)", "(10,)")
    ),
    "misspelt gate": (
        lambda: planned(np.zeros(10), gates={"rewrd": np.ones(10)}), UnknownNameError, ("rewrd", "reward")
    ),
    # 67: a rule on a projection without what it needs
    "no modulator": (
        lambda: network(arc.stdp(0.1, 0.1, modulator="rewrd")), UnknownNameError, ("rewrd", "reward")
    ),
    "eligibility alone": (lambda: arc.stdp(0.1, 0.1, tau_e="1 s"), SpecError, ("modulator", "tau_e")),
    "method alone": (
        lambda: arc.stdp(0.1, 0.1, method="clock_driven"), SpecError, ("method = 'clock_driven'", "tau_e")
    ),
    "period alone": (lambda: arc.stdp(0.1, 0.1, every="1 s"), SpecError, ("every = '1 s'", "left out")),
    "no voltage": (
        lambda: network(arc.voltage_stdp("1 /V", "1 /V**2")), UnitsError, ("voltage_stdp", "reads v in V")
    ),
    "no v at all": (
        lambda: network(arc.voltage_stdp("1 /V", "1 /V**2"), neuron=arc.theta(tau="10 ms")), ArcuateError,
        ("voltage_stdp",),
    ),
    "low rank": (
        lambda: network(connectivity=arc.LowRank(1, arc.Normal(0, 1), arc.Normal(0, 1))), SpecError,
        ("plasticity", "single synapses"),
    ),
    "balance": (lambda: network(balance="row"), SpecError, ("balance = 'row'", "plastic")),
    "unit": (
        lambda: network(arc.stdp("0.1 pA", 0.1)),
        UnitsError, ("plasticity.a_plus", "unit of the weight"),
    ),
    "unit of a bound": (
        lambda: network(arc.stdp(0.1, 0.1, w_max="4 pA")),
        UnitsError, ("plasticity.w_max", "unit of the weight"),
    ),
    "misspelt parameter": (lambda: arc.stdp(0.1, 0.1, taup="1 ms"), UnknownNameError, ("taup",)),
    "misspelt rule": (lambda: arc.Plasticity(model="stpd"), UnknownNameError, ("'stpd'", "stdp")),
    "recorded projection": (
        lambda: network(record=arc.Record(weights={"exc->inh": "1 s"})), UnknownNameError, ("exc->out",)
    ),
    "read-out of a modulator": (
        lambda: network(modulators=[arc.Modulator(name="m", readout="z", feedback=1.0)]),
        UnknownNameError, ("'z'",),
    ),
    "read-out without error": (
        lambda: network(
            modulators=[arc.Modulator(name="m", readout="z", feedback=1.0)],
            readouts=[arc.Readout(name="z", source="exc")],
        ),
        SpecError, ("readout = 'z'", "must have a rule"),
    ),
    "feedback alone": (
        lambda: arc.Modulator(name="m", feedback=1.0),
        SpecError, ("readout", "must be given"),
    ),
    "shared name": (lambda: network(modulators=[arc.Modulator(name="exc")]), SpecError, ("exc", "also")),
    "upper bound of an inhibitory source": (
        lambda: network(arc.stdp(0.1, 0.1, w_max=-1.0), sign="inhibitory", weight=-1.0),
        SpecError, ("w_max", "sign"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_in_our_words(case: str) -> None:
    build, kind, words = CASES[case]
    with pytest.raises(kind) as caught:
        build()
    for word in words:
        assert word in str(caught.value), str(caught.value)


@pytest.mark.parametrize(
    ("name", "values", "word"),
    [
        ("rewrd", np.zeros(5), "reward"),
        ("reward", np.zeros(11), "1 to 10 rows"),
        ("reward", np.zeros((5, 2)), "(n_steps, 1)"),
        ("reward", [np.nan] * 5, "nan"),
        ("reward", 3.0, "0 rows"),
        ("reward", [], "0 rows"),
    ],
)
def test_values_set_on_the_way_must_fit(name: str, values: Any, word: str) -> None:
    run = arc.Simulation(network(), "10 ms", seed=1, inputs={"reward": np.zeros(10)})
    before = run.plan.modulators["reward"].values.copy()
    with pytest.raises(ArcuateError) as caught:
        run.set_input(name, values)
    assert word in str(caught.value)
    np.testing.assert_array_equal(run.plan.modulators["reward"].values, before)


def test_a_network_with_rules_survives_toml_and_paths() -> None:
    made = network(gated(tau_e="1 s", w_max=4.0), record=arc.Record(weights={"exc->out": "1 s"}))
    assert arc.Network.from_toml(made.to_toml()).sha256 == made.sha256
    assert arc.Network.from_json(made.to_json()).sha256 == made.sha256
    path = "projections.exc->out.plasticity.a_plus"
    assert made.with_(path, 0.2).get(path) == 0.2
    assert made.with_("modulators.reward.tau", "100 ms").sha256 != made.sha256
