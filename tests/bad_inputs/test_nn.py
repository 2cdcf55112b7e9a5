"""What torch models that think refuse, and how: backbones, the variant that acts, weights of others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from arcuate.errors import ArcuateError, FileFormatError, NonFiniteError, SpecError, UnknownNameError  # noqa: E402
from arcuate.nn import (  # noqa: E402
    ContinuousThoughtMachine,
    QuestionThoughtMachine,
    SeriesThoughtMachine,
    ThoughtAgent,
    WindowedThoughtMachine,
    fit,
    load_official,
    load_official_window,
    tick_loss,
)
from arcuate.nn.backbones import ControlBackbone, GridBackbone, ResNet, backbone_of  # noqa: E402

pytestmark = pytest.mark.torch
NAN = float("nan")
SMALL: dict[str, Any] = {
    "n_ticks": 2, "n_neurons": 8, "width": 4, "n_out": 3, "n_observations": 2, "history": 3, "hidden": 2,
}  # fmt: skip
OFFICIAL: dict[str, Any] = {
    "iterations": 2, "d_model": 8, "d_input": 4, "n_synch_out": 3, "synapse_depth": 1, "memory_length": 3,
    "deep_nlms": True, "memory_hidden_dims": 2, "do_layernorm_nlm": False,
    "backbone_type": "classic-control-backbone",
}  # fmt: skip
X = torch.ones(2, 2)


def machine(**options: Any) -> Any:
    return WindowedThoughtMachine(**{**SMALL, **options})


def image(name: Any, channels: int | None = 1, **options: Any) -> Any:
    return ContinuousThoughtMachine(
        n_outputs=3, n_ticks=2, n_neurons=16, width=4, heads=2, n_out=4, n_action=4, history=3, hidden=2,
        backbone=name, n_features=channels, **options,
    )  # fmt: skip


def features() -> Any:
    return ContinuousThoughtMachine(n_outputs=3, n_ticks=2, n_neurons=8, width=2, heads=0, n_out=3, history=3)


def series() -> Any:
    return SeriesThoughtMachine(n_outputs=3, n_neurons=8, width=2, n_out=3, history=3)


def questions() -> Any:
    return QuestionThoughtMachine(
        n_outputs=3, n_ticks=1, ticks_per_image=1, ticks_per_part=1, n_neurons=8, width=4, heads=2, n_out=3,
        n_action=3, history=3,
    )  # fmt: skip


def learn(x: Any) -> Any:
    return fit(features(), lambda rng: (x, X), tick_loss, steps=1, seed=1, progress=False)


def after(**changes: Any) -> Any:
    return replace(machine()(X), **changes)


def filled(name: str, value: float) -> Any:
    model = machine()
    model.get_parameter(name).data.fill_(value)
    return model


def other(**changes: Any) -> dict[str, Any]:
    state = dict(machine().state_dict())
    for name, value in changes.items():
        state.pop(name, None)
        if value is not None:
            state[name] = value
    return state


CASES: dict[str, tuple[Callable[[], Any], type[ArcuateError], str, tuple[str, ...]]] = {
    "no ticks": (lambda: machine(n_ticks=0), SpecError, "n_ticks", (">= 1",)),
    "no ticks in a step": (lambda: machine()(X, n_ticks=0), SpecError, "n_ticks", (">= 1",)),
    "half a tick": (lambda: machine()(X, n_ticks=1.5), SpecError, "n_ticks", ("integer",)),
    "more neurons than there are": (lambda: machine(n_out=9), SpecError, "n_out", ("9", "8")),
    "no history": (lambda: machine(history=0), SpecError, "history", (">= 1",)),
    "dropout of all": (lambda: machine(dropout=1.0), SpecError, "dropout", ("< 1",)),
    "nothing observed": (lambda: machine(n_observations=None), SpecError, "n_observations", ("integer",)),
    "unknown backbone": (lambda: machine(backbone="gird"), UnknownNameError, "gird", ("grid",)),
    "observations of another width": (
        lambda: machine()(torch.ones(2, 3)),
        SpecError,
        "x",
        ("2 numbers", "(2, 3)"),
    ),
    "one observation without a trial": (lambda: machine()(torch.ones(2)), SpecError, "x", ("(2,)",)),
    "a word for observations": (lambda: machine()("abc"), SpecError, "x", ("tensor", "str")),
    "a word for features": (lambda: features()("abc"), SpecError, "x", ("tensor", "str")),
    "a word for a series": (lambda: series()("abc"), SpecError, "x", ("tensor", "str")),
    "a word for a question": (lambda: questions()((torch.ones(1), "abc")), SpecError, "question", ("str",)),
    "a word for ends": (lambda: machine()(X, machine()(X), done="abc"), SpecError, "done", ("str",)),
    "words to learn from": (lambda: learn("abc"), SpecError, "batches", ("tensor", "str")),
    "no trial": (lambda: machine()(torch.ones(0, 2)), SpecError, "x", ("(0, 2)",)),
    "nan in an observation": (
        lambda: machine()(torch.tensor([[1.0, 1], [1, NAN]])),
        NonFiniteError,
        "x",
        ("[1, 1]", "tick 1"),
    ),
    "nan in the weights": (
        lambda: filled("synapses.1.bias", NAN)(X),
        NonFiniteError,
        "post-activation",
        ("tick 1",),
    ),
    "a history that is too short": (
        lambda: machine()(X, after(trace=torch.ones(2, 8, 2))),
        SpecError,
        "trace",
        ("(2, 8, 3)", "(2, 8, 2)"),
    ),
    "a history of other trials": (
        lambda: machine()(torch.ones(3, 2), machine()(X)),
        SpecError,
        "trace",
        ("(3, 8, 3)", "(2, 8, 3)"),
    ),
    "ends of other trials": (
        lambda: machine()(X, machine()(X), done=torch.ones(3)),
        SpecError,
        "done",
        ("(2,)", "(3,)"),
    ),
    "no actions": (lambda: ThoughtAgent(machine(), n_actions=0), SpecError, "n_actions", (">= 1",)),
    "an agent without a machine": (
        lambda: ThoughtAgent(torch.nn.Identity(), n_actions=2),  # type: ignore[arg-type]
        SpecError,
        "machine",
        ("Identity",),
    ),
    "no step": (
        lambda: ThoughtAgent(machine(), n_actions=2).unroll(torch.ones(0, 2, 2)),
        SpecError,
        "x",
        ("one step",),
    ),
    "ends of other steps": (
        lambda: ThoughtAgent(machine(), n_actions=2).unroll(torch.ones(3, 2, 2), done=torch.ones(2, 2)),
        SpecError,
        "x",
        ("3 and 2",),
    ),
    "cells of three axes": (lambda: GridBackbone(4)(torch.zeros(7, 7, 3)), SpecError, "x", ("(7, 7, 3)",)),
    "a grid that is too large": (lambda: GridBackbone(4)(torch.zeros(1, 8, 7, 3)), SpecError, "x", ("49",)),
    "an object that is not known": (
        lambda: GridBackbone(4)(torch.full((1, 7, 7, 3), 11)),
        SpecError,
        "x",
        ("objects", "0 to 10"),
    ),
    "a smaller grid than the machine's": (
        lambda: machine(backbone="grid")(torch.zeros(1, 3, 3, 3)),
        SpecError,
        "x",
        ("36", "196"),
    ),
    "sensors without a number": (lambda: ControlBackbone(0, 4), SpecError, "n_observations", (">= 1",)),
    "a network of an unknown depth": (lambda: ResNet(20, 2), UnknownNameError, "20", ("18",)),
    "a network of five stages": (lambda: ResNet(18, 5), SpecError, "stages", ("4",)),
    "a network by a wrong name": (
        lambda: backbone_of("resnet18", 1, width=4),
        UnknownNameError,
        "resnet18",
        ("resnet18-",),
    ),
    "an image without channels": (
        lambda: image("resnet18-1", None),
        SpecError,
        "n_features",
        ("integer",),
    ),
    "an image of other channels": (
        lambda: image("shallow-wide", 1)(torch.ones(1, 3, 8, 8)),
        SpecError,
        "x",
        ("(trials, 1, h, w)", "(1, 3, 8, 8)"),
    ),
    "an image that is too small": (
        lambda: image("pixels", 1)(torch.ones(1, 1, 3, 8)),
        SpecError,
        "x",
        ("4 by 4",),
    ),
    "nan in an image": (
        lambda: image("resnet18-1")(torch.full((1, 1, 4, 4), NAN)),
        NonFiniteError,
        "x",
        ("[0, 0, 0, 0]",),
    ),
    "a code of squares for another image": (
        lambda: image("pixels", positions="rotational-2d")(torch.ones(1, 1, 8, 16)),
        SpecError,
        "grid",
        ("square", "(2, 4)"),
    ),
    "weights of another history": (
        lambda: load_official_window(other(), {**OFFICIAL, "memory_length": 4}),
        SpecError,
        "start_trace",
        ("(8, 4)", "(8, 3)"),
    ),
    "weights of another depth": (
        lambda: load_official_window(other(), {**OFFICIAL, "synapse_depth": 2}),
        SpecError,
        "synapses.first_projection.0.weight",
        ("missing",),
    ),
    "a weight that is missing": (
        lambda: load_official_window(other(start_activated_trace=None), OFFICIAL),
        SpecError,
        "start_activated_trace",
        ("missing",),
    ),
    "a weight too many": (
        lambda: load_official_window(other(start_activated_state=torch.ones(8)), OFFICIAL),
        SpecError,
        "start_activated_state",
        ("not part",),
    ),
    "a weight that is not finite": (
        lambda: load_official_window(other(start_trace=torch.full((8, 3), NAN)), OFFICIAL),
        NonFiniteError,
        "start_trace",
        ("finite",),
    ),
    "an argument of nobody": (
        lambda: load_official_window(other(), {**OFFICIAL, "iteration": 3}),
        UnknownNameError,
        "iteration",
        ("iterations",),
    ),
    "an argument that is missing": (
        lambda: load_official_window(other(), {"d_model": 8}),
        SpecError,
        "iterations",
        ("missing",),
    ),
    "a selection that it has not": (
        lambda: load_official_window(other(), {**OFFICIAL, "neuron_select_type": "random"}),
        UnknownNameError,
        "random",
        ("first-last",),
    ),
    "a file that is not there": (
        lambda: load_official_window("nowhere.safetensors", OFFICIAL),
        FileFormatError,
        "weights",
        ("nowhere",),
    ),
    "one number for batch norm": (
        lambda: image(torch.nn.BatchNorm2d(4), channels=4).train()(torch.ones(1, 4, 1, 1)),
        SpecError,
        "x",
        ("one number per channel", "eval()"),
    ),
    "a backbone that is not known": (
        lambda: load_official({}, {"backbone_type": "resnet18-5"}),
        UnknownNameError,
        "resnet18-5",
        ("resnet18-",),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_named(name: str) -> None:
    call, kind, culprit, words = CASES[name]
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    assert caught.value.name == culprit, text
    assert len(text.splitlines()) <= 4 and all(word in text for word in words), text


def test_activity_that_overflows_is_named_at_its_tick() -> None:
    model = filled("trace_processor.0.2.b1", 1e30)  # the first tick is finite, its square is not
    model.trace_processor[0][0].b1.data.fill_(1e30)
    model.synapses[1].weight.data.fill_(1e30)
    with pytest.raises(NonFiniteError, match=r"at tick \d"):
        model(X, n_ticks=3)


def test_a_decay_out_of_bounds_counts_as_the_bound() -> None:
    model, clipped = machine(), machine()
    model.decay_params_out.data.copy_(torch.tensor([-3.0, 1e30, 4.5, 0.0, 0.5, 4.0]))
    clipped.decay_params_out.data.copy_(torch.tensor([0.0, 4.0, 4.0, 0.0, 0.5, 4.0]))
    assert torch.equal(model(X, n_ticks=5).sync_out, clipped(X, n_ticks=5).sync_out)
