"""Inputs that go or change on the way, against whole thoughts and a machine that only copies its input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcuate import ctm
from arcuate.errors import ArcuateError, NonFiniteError, SpecError

Array = np.ndarray[Any, Any]
FOLDER = Path(__file__).parents[2] / "data" / "ctm"
TICKS = 6


def official(name: str) -> tuple[dict[str, Array], Array, Array, dict[str, Any]]:
    """Weights of the official code drawn at random, inputs, any targets, and options of a pass."""
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    told = json.loads(arrays["meta"].item())["configuration"]
    rng = np.random.default_rng(5)
    shape = arrays["in/x"].shape[1:]
    x = rng.choice([-1, 1], (40, *shape)) if "parity" in name else rng.normal(size=(40, *shape))
    weights = {key[2:]: value for key, value in arrays.items() if key.startswith("w/")}
    outputs = len(weights["output_projector.0.bias"])
    classes = np.empty(outputs).reshape(told["prediction_reshaper"]).shape[-1]
    targets = rng.integers(classes, size=(40, outputs // classes))
    return weights, x, targets, {"heads": max(told["heads"], 1), "shape": tuple(told["prediction_reshaper"])}


def copier() -> tuple[dict[str, Array], Array, Array]:
    """A machine of 2 neurons whose answer is the sign of the input it sees, and whose certainty grows."""
    weights = {
        "start_activated_state": np.full(2, 0.1),
        "start_trace": np.zeros((2, 1)),
        "decay_params_out": np.full(1, 15.0),  # synchrony of the present tick alone
        "out_neuron_indices_left": np.array([0]),
        "out_neuron_indices_right": np.array([0]),
        "synapses.1.weight": np.array([[9.0, 0, 0], [-9.0, 0, 0], [0, 0, 0], [0, 0, 0]]),
        "synapses.1.bias": np.zeros(4),
        "synapses.3.weight": np.ones(2),
        "synapses.3.bias": np.ones(2),
        "trace_processor.0.0.w1": np.array([[[1.0, 1.0], [0.0, 0.0]]]),
        "trace_processor.0.0.b1": np.zeros((1, 2, 2)),
        "trace_processor.0.0.T": np.ones(1),
        "output_projector.0.weight": np.array([[-9.0], [9.0]]),
        "output_projector.0.bias": np.array([3.0, -3.0]),
    }
    x = np.random.default_rng(0).choice([-1.0, 1.0], size=(200, 1))
    return weights, x, (x[:, 0] > 0).astype(int)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("name", ["ctm_parity_random", "ctm_feat2d_pairing_unet3_lnnlm", "ctm_sort_noheads"])
def test_both_ends_are_whole_thoughts(name: str, engine: str) -> None:
    weights, x, targets, options = official(name)
    blank = x[0]
    table = ctm.filler_ticks(
        x, targets, weights, at=[0, 3, TICKS], ticks=TICKS, blank=blank, engine=engine, **options
    )
    whole = ctm.forward(x, weights, ticks=TICKS, **options)
    curve = ctm.accuracy_by_tick(whole, targets).sel(readout="most certain")
    blanks = ctm.forward(np.repeat(blank[None], 40, axis=0), weights, ticks=TICKS, **options)
    for measure in ("element", "whole"):
        at = table.sel(measure=measure)
        assert float(at["full"]) == float(curve[measure][-1]) == float(at["filler"].sel(tick=TICKS))
        assert float(at["stopped"].sel(tick=3)) == float(curve[measure].sel(tick=3))
        assert np.isnan(at["stopped"].sel(tick=0))
        nothing = ctm.accuracy_by_tick(blanks, targets).sel(readout="most certain")[measure][-1]
        assert float(at["filler"].sel(tick=0)) == float(nothing)


@pytest.mark.parametrize("name", ["ctm_parity_random", "ctm_feat2d_pairing_unet3_lnnlm", "ctm_sort_noheads"])
def test_both_engines_take_the_input_away(name: str) -> None:
    weights, x, targets, options = official(name)
    tables = [
        ctm.filler_ticks(x, targets, weights, at=[0, 2], ticks=TICKS, engine=engine, **options)
        for engine in ("numpy", "numba")
    ]
    assert tables[0].equals(tables[1])
    # without an input from the start, all trials answer alike
    one = ctm.filler_ticks(x[:1], targets[:1], weights, at=[0], ticks=TICKS, **options)
    again = ctm.filler_ticks(x[1:2], targets[:1], weights, at=[0], ticks=TICKS, **options)
    assert one["filler"].equals(again["filler"])


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_a_machine_that_copies_follows_the_input_it_has(engine: str) -> None:
    weights, x, targets = copier()
    whole = ctm.forward(x, weights, ticks=3, engine=engine)
    assert (ctm.answers_by_tick(whole, "last")[:, 0, -1] == targets).all()
    table = ctm.shuffled_content(x, targets, weights, at=[0, 3], ticks=3, engine=engine, seed=2)
    element = table.sel(measure="element")
    assert element["other"].values.tolist()[0] == 1.0
    assert element["own"].values.tolist()[1] == 1.0
    assert abs(float(element["own"][0]) - 0.5) < 0.15
    assert float(element["other_p"][0]) == pytest.approx(1 / 201)
    assert float(element["own_p"][0]) > 0.01
    assert abs(float(element["null"][0]) - 0.5) < 0.05


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_activity_that_blows_up_is_told_with_its_tick(engine: str) -> None:
    weights, x, targets = copier()
    largest = float(np.finfo(np.float64).max)
    for name in ("weight", "bias"):
        weights[f"output_projector.0.{name}"] = np.full_like(weights[f"output_projector.0.{name}"], largest)
    for control in (ctm.filler_ticks, ctm.shuffled_content):
        with pytest.raises(NonFiniteError, match="prediction: is not finite at tick 1"):
            control(x, targets, weights, at=[1], ticks=3, engine=engine)


def test_what_controls_refuse() -> None:
    weights, x, targets, options = official("ctm_parity_random")

    def filler(**changed: Any) -> Any:
        given = {"x": x, "targets": targets, "parameters": weights, "at": [1], "ticks": TICKS, **options}
        return ctm.filler_ticks(**{**given, **changed})

    def shuffled(**changed: Any) -> Any:
        given = {"x": x, "targets": targets, "parameters": weights, "at": [1], "ticks": TICKS, **options}
        return ctm.shuffled_content(**{**given, **changed})

    refused: list[tuple[str, Any]] = [
        ("at", lambda: filler(at=[TICKS + 1])),
        ("at", lambda: shuffled(at=[-1])),
        ("ticks", lambda: filler(ticks=0)),
        ("targets", lambda: filler(targets=targets[:, :-1])),
        ("targets", lambda: shuffled(targets=targets + 0.5)),
        ("targets", lambda: filler(targets=targets + 2)),
        ("targets", lambda: filler(targets=1)),
        ("blank", lambda: filler(blank=x[0, :-1])),
        ("level", lambda: filler(level=0)),
        ("n_null", lambda: shuffled(n_null=0)),
        ("x", lambda: shuffled(x=x[:1], targets=targets[:1])),
    ]
    for word, call in refused:
        with pytest.raises(SpecError, match=word) as caught:
            call()
        assert isinstance(caught.value, ArcuateError)
        assert str(caught.value).count("\n") < 4
