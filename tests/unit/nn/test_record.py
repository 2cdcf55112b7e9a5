"""Captured thoughts: equal to the pure equations, whatever the chunk; the model is left alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arcuate as arc
from arcuate import ctm
from arcuate.errors import SpecError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

RNG = np.random.default_rng(2)
X = np.where(RNG.random((7, 6)) < 0.5, -1.0, 1.0)


def machine(**changed: Any) -> Any:
    """A small model for sequences of +1 and -1."""
    arguments: dict[str, Any] = {
        "n_outputs": 12, "n_ticks": 5, "n_neurons": 20, "width": 8, "heads": 2, "n_out": 4, "n_action": 3,
        "selection": "random", "history": 3, "hidden": 2, "backbone": "parity", "positions": "rotational",
        "shape": (6, 2), "dropout": 0.3, "seed": 3,
    }  # fmt: skip
    return arc.nn.ContinuousThoughtMachine(**(arguments | changed))


def test_a_capture_is_the_recording_of_the_pure_equations() -> None:
    model = machine().double()
    captured = arc.nn.capture(model, (X, None), n_ticks=6, stimulus=list("abcdefg"), seed=4)
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    plain = ctm.forward(X, weights, ticks=6, heads=2, shape=(6, 2))
    expected = plain.recording(weights, source="numpy")
    assert captured.sites == expected.sites
    for site in captured.sites:
        mine, other = captured.states(site), expected.states(site)
        for name in other.data_vars:
            np.testing.assert_allclose(mine[name].values, other[name].values, rtol=1e-9, atol=1e-11)
    assert captured.states("ctm/sync_out")["pre"].equals(expected.states("ctm/sync_out")["pre"])
    assert captured.source == "torch:ContinuousThoughtMachine"
    assert captured.seed == 4
    assert captured.spec is not None
    sizes = {name: captured.spec[name] for name in ("n_neurons", "n_outputs", "history", "heads", "shape")}
    assert sizes == {"n_neurons": 20, "n_outputs": 12, "history": 3, "heads": 2, "shape": [6, 2]}


def test_chunks_change_no_number_and_the_model_is_left_in_training() -> None:
    model = machine().double().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    whole, parts = (arc.nn.capture(model, X, chunk=chunk) for chunk in (100, 2))
    for site in whole.sites:
        for name, value in whole.states(site).data_vars.items():
            assert value.shape[0] == len(X)
            np.testing.assert_allclose(value.values, parts.states(site)[name].values, rtol=1e-9, atol=1e-11)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_trials_of_a_task_are_taken_as_they_are() -> None:
    trials = arc.tasks.Parity(length=6).draw(4, seed=1)
    rec = arc.nn.capture(machine(), trials.frames(), sites=["ctm/post"])
    assert rec.states("ctm/post").sizes["trial"] == 4


def test_a_machine_that_hears_questions_is_captured() -> None:
    model = arc.nn.QuestionThoughtMachine(
        n_outputs=10, n_ticks=2, ticks_per_image=2, ticks_per_part=1, n_neurons=20, width=8, heads=2, n_out=4,
        n_action=3, history=3, hidden=2, seed=1,
    ).double()  # fmt: skip
    x, targets = arc.tasks.DigitQuestions(digits=2, operations=1).draw(5, seed=1).frames()
    found = arc.nn.capture(model, (x, targets), chunk=2).states("ctm/prediction")["y"]
    with torch.no_grad():
        thought = model.eval()(tuple(torch.from_numpy(part) for part in x))
    expected = thought.predictions.permute(0, 2, 1).numpy()
    np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-11)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(SpecError, match="ContinuousThoughtMachine"):
        arc.nn.capture(torch.nn.Linear(2, 2), X)
    with pytest.raises(SpecError, match="chunk"):
        arc.nn.capture(machine(), X, chunk=0)
    with pytest.raises(SpecError, match="batch"):
        arc.nn.capture(machine(), np.zeros((0, 6)))
    with pytest.raises(SpecError, match="batch: must be numbers"):
        arc.nn.capture(machine(), [["a", "b"]])
    with pytest.raises(SpecError, match="as many rows"):
        arc.nn.capture(machine(), ((X, X[1:]), None))
    with pytest.raises(SpecError, match="stimulus"):
        arc.nn.capture(machine(), X, stimulus=["a"])
