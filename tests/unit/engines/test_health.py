"""Runs that blow up, fall silent, saturate or do not fit are noticed, and said by name."""

from __future__ import annotations

import numpy as np
import pytest
from networks import reservoir

import arcuate as arc
from arcuate.engines import get_engine
from arcuate.engines.build import build_plan
from arcuate.errors import ArcuateWarning, EngineError, MemoryLimitError, NonFiniteError, SpecError


def izh(n: int = 20, **options: object) -> arc.Network:
    return arc.Network(
        name="blow",
        dt="0.5 ms",
        populations=[arc.Population(name="exc", n=n, neuron=arc.izh2003(), bias=5.0)],
        inputs=[arc.Input(name="drive", target="exc", n_channels=n, weight=np.eye(n))],
        **options,
    )


@pytest.mark.parametrize("number", range(10))
def test_the_first_non_finite_value_is_named_by_neuron_and_step(number: int) -> None:
    generator = np.random.default_rng(number)
    step, neuron = int(generator.integers(10, 3900)), int(generator.integers(0, 20))
    drive = np.zeros((4000, 20))
    drive[step, neuron] = -1e200  # one step later v**2 overflows
    with pytest.raises(NonFiniteError) as caught:
        arc.simulate(izh(), "2 s", seed=1, inputs={"drive": drive})
    assert f"neuron {neuron}, step {step + 1}, t = {(step + 1) * 0.5:g} ms" in str(caught.value)
    assert caught.value.name in ("v", "u")


def test_a_learning_rate_that_diverges_is_named() -> None:
    network = reservoir().replace({"readouts.prediction.rule": arc.Delta(learning_rate=1e4)})
    with pytest.raises(NonFiniteError, match="learning rate"):
        arc.simulate(network, seed=1)


def test_silence_is_reported_once() -> None:
    network = izh().replace({"populations.exc.bias": 0.0})
    with pytest.warns(ArcuateWarning, match="did not fire"):
        recording = arc.simulate(network, "200 ms", seed=1, inputs={"drive": np.zeros((400, 20))})
    assert recording.outcome["notes"] == ["population 'exc' did not fire"]


def test_saturation_is_reported() -> None:
    network = izh().replace({"populations.exc.bias": 5000.0})
    with pytest.warns(ArcuateWarning, match="fires at"):
        arc.simulate(network, "200 ms", seed=1, inputs={"drive": np.zeros((400, 20))})


def test_weights_at_their_bounds_are_reported() -> None:
    rule = arc.Delta(learning_rate=1.0, w_min=0.0, w_max=0.0)
    with pytest.warns(ArcuateWarning, match="at a bound"):
        arc.simulate(reservoir().replace({"readouts.prediction.rule": rule}), seed=1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, []),
        ({"readouts.prediction.period": "7 ms"}, ["samples of read-out 'prediction' are kept as one long"]),
        ({"record.every": "7 ms"}, ["recorded states are kept as one long"]),
        (
            {"record.every": "7.3 ms", "record.epochs": "continuous"},
            ["every = 7.3 ms is rounded to 15 steps"],
        ),
    ],
)
def test_periods_that_do_not_fit_the_trials_or_the_step_are_noted(
    changes: dict[str, str], words: list[str]
) -> None:
    notes = arc.simulate(reservoir(**changes), seed=1, progress=False).outcome["notes"]
    assert len(notes) == len(words)
    assert all(word in note for word, note in zip(words, notes, strict=True))


def test_what_cannot_fit_is_refused_before_anything_is_allocated() -> None:
    network = arc.Network(
        name="large",
        dt="0.1 ms",
        populations=[arc.Population(name="exc", n=1_000_000, neuron=arc.lif())],
        record=arc.Record(states={"exc": ["v"]}, every="0.1 ms"),
    )
    with pytest.raises(MemoryLimitError) as caught:
        arc.simulate(network, "3600 s", seed=1)
    message = str(caught.value)
    assert "recorded states" in message and "GB" in message and "Record less" in message


def test_inputs_that_are_too_short_or_not_finite_are_refused() -> None:
    with pytest.raises(SpecError, match="400 steps"):
        arc.simulate(izh(), "200 ms", seed=1, inputs={"drive": np.zeros((399, 20))})
    bad = np.zeros((400, 20))
    bad[7, 3] = np.nan
    with pytest.raises(SpecError, match=r"\[7, 3\]"):
        arc.simulate(izh(), "200 ms", seed=1, inputs={"drive": bad})
    with pytest.raises(SpecError, match="n_steps, 20"):
        arc.simulate(izh(), "200 ms", seed=1, inputs={"drive": np.zeros((400, 19))})
    with pytest.raises(SpecError, match="'drive'"):
        arc.simulate(izh(), "200 ms", seed=1, inputs={"drive": np.zeros((400, 20)), "drift": np.zeros(400)})


def test_numbers_that_are_large_but_finite_are_no_trouble() -> None:
    cells = arc.Population(name="exc", n=3, neuron=arc.lif())
    synapses = arc.Projection(
        pre="exc", post="exc", connectivity=arc.Dense(), weight="1 pA", synapse=arc.exponential("1 s")
    )
    network = arc.Network(name="large", dt="0.1 ms", populations=[cells], projections=[synapses])
    run = get_engine("numba").start(build_plan(network, seed=1, duration="300 ms"))
    current = next(key for key in run.moving if key.startswith("c0_"))
    run.moving[current][1] = 1e200
    run.advance(2000)
    assert not run.memory.is_moderate() and np.isfinite(run.moving[current]).all()
    run.moving[current][1] = np.inf
    with pytest.raises(NonFiniteError, match="neuron 1, step 2000"):
        run.advance(1000)


def test_a_piece_beyond_the_plan_is_refused() -> None:
    simulation = arc.Simulation(izh(), "100 ms", seed=1, inputs={"drive": np.zeros((200, 20))})
    simulation.advance("60 ms")
    with pytest.raises(EngineError, match=r"0\.04 s are left"):
        simulation.advance("50 ms")
    simulation.advance("40 ms")
    with pytest.raises(EngineError, match="nothing is left"):
        simulation.advance()


@pytest.mark.parametrize("rule", [arc.TwoBank(), arc.Delta(learning_rate=0.1)])
def test_a_read_out_has_an_output_for_each_outcome(rule: object) -> None:
    network = reservoir().replace({"readouts.prediction.rule": rule, "readouts.prediction.n_outputs": 5})
    with pytest.raises(SpecError, match="2 outcomes of the task"):
        arc.simulate(network, seed=1)
