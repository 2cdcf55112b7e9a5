"""Thought machines whose input goes on: what follows from their equations, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from arcuate.ctm import forward  # noqa: E402
from arcuate.errors import ArcuateError, NonFiniteError, SpecError  # noqa: E402
from arcuate.nn import QuestionThoughtMachine, SeriesThoughtMachine, fit, load_official, tick_loss  # noqa: E402

pytestmark = pytest.mark.torch

SMALL: dict[str, Any] = {
    "n_outputs": 10,
    "n_ticks": 3,
    "ticks_per_image": 2,
    "ticks_per_part": 2,
    "n_neurons": 24,
    "width": 8,
    "heads": 2,
    "n_out": 5,
    "n_action": 4,
    "selection": "random",
    "history": 4,
    "hidden": 3,
    "seed": 1,
}
SERIES: dict[str, Any] = {"n_outputs": 3, "width": 2, "n_neurons": 16, "n_out": 4, "history": 3, "hidden": 2}


def machine(**options: Any) -> Any:
    return QuestionThoughtMachine(**{**SMALL, **options})


def pair(batch: int = 4, images: int = 2, parts: int = 3) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    question = rng.integers(images, size=(batch, parts))
    question[:, 1::2] = -rng.integers(1, 3, size=(batch, parts // 2))
    return torch.as_tensor(rng.random((batch, images, 1, 8, 8))), torch.as_tensor(question)


def test_a_longer_answer_begins_as_a_shorter_one() -> None:
    model = machine().eval()
    short, long = model(pair()), model(pair(), n_ticks=6)
    assert short.predictions.shape[2] == 2 * 2 + 3 * 2 + 3
    assert torch.equal(long.predictions[..., : 2 * 2 + 3 * 2 + 3], short.predictions)


def test_trials_do_not_see_each_other() -> None:
    model = machine().eval()
    images, question = pair()
    whole, one = model((images, question)), model((images[2:3], question[2:3]))
    torch.testing.assert_close(whole.predictions[2:3], one.predictions)


def test_the_answer_depends_on_images_indices_and_operators() -> None:
    model = machine().eval()
    images, question = pair()
    before = model((images, question)).last(3).predictions
    for place, change in ((0, 1 - question[:, 0]), (1, -3 - question[:, 1]), (2, 1 - question[:, 2])):
        other = question.clone()
        other[:, place] = change
        assert (model((images, other)).last(3).predictions != before).any(1).any(1).all()
    other = images.clone()
    other[:, 0] += 0.5
    assert (model((other, question)).last(3).predictions != before).any(1).any(1).all()


def test_synchrony_is_that_of_the_definition() -> None:
    """The sums of all past products, with the decays of the model, over the roots of their weights."""
    model = machine().double()
    with torch.no_grad():
        model.decay_params_out.uniform_(0, 1)
        thought = model.eval()(pair())
    z = torch.cat((model.start_activated_state.expand(1, 4, -1), thought.post_activations))
    left, right = model.out_neuron_indices_left, model.out_neuron_indices_right
    rows, columns = np.triu_indices(5)
    products = z[..., left[rows]] * z[..., right[columns]]
    for tick in (0, 5, 12):
        weight = torch.exp(-torch.outer(torch.arange(tick + 1, -1, -1.0).double(), model.decay_params_out))
        expected = (weight[:, None] * products[: tick + 2]).sum(0) / weight.sum(0).sqrt()
        torch.testing.assert_close(thought.sync_out[tick], expected, rtol=1e-12, atol=1e-12)


def test_the_last_ticks_of_a_thought() -> None:
    thought = machine().eval()(pair())
    answer = thought.last(3)
    assert torch.equal(answer.predictions, thought.predictions[..., -3:])
    assert torch.equal(answer.certainties, thought.certainties[..., -3:])
    for name in ("sync_out", "sync_action", "pre_activations", "post_activations", "attention", "reads"):
        assert torch.equal(getattr(answer, name), getattr(thought, name)[-3:])
    assert answer.trace is thought.trace and answer.key_values is thought.key_values
    with pytest.raises(SpecError, match="13"):
        thought.last(14)


def test_the_thought_of_another_engine_has_last_ticks_too() -> None:
    model = SeriesThoughtMachine(**SERIES)
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    assert forward(np.zeros((1, 2)), weights, ticks=5).last(2).predictions.shape == (1, 3, 2)


def test_a_row_that_stays_is_one_thought() -> None:
    """A series that does not change is a pass of the model without attention, in NumPy."""
    model = SeriesThoughtMachine(**SERIES, seed=3).double().eval()
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    row = np.array([[0.3, -0.7], [1.0, 0.2]])
    told = forward(row, weights, ticks=6)
    for rows, ticks in ((6, 1), (3, 2)):
        thought = model(torch.as_tensor(row).unsqueeze(1).expand(-1, rows, -1), n_ticks=ticks)
        for name in ("predictions", "sync_out", "post_activations", "trace"):
            found = getattr(thought, name).detach().numpy()
            np.testing.assert_allclose(found, getattr(told, name), rtol=0, atol=1e-12)


def test_a_series_is_read_in_order_of_time() -> None:
    model = SeriesThoughtMachine(**SERIES).eval()
    x = torch.zeros(1, 8, 2)
    x[0, 4, 0] = 1.0
    quiet, told = model(torch.zeros(1, 8, 2)), model(x)
    assert torch.equal(quiet.predictions[..., :4], told.predictions[..., :4])
    assert (quiet.predictions[..., 4:] != told.predictions[..., 4:]).any(1).all()


def test_training_takes_pairs_and_is_the_same_again() -> None:
    from arcuate.tasks import DigitQuestions

    pytest.importorskip("sklearn")
    batches = DigitQuestions(digits=1, operations=1).batches(16)
    histories = []
    for _ in range(2):
        model = machine()
        history = fit(
            model, batches, lambda thought, targets: tick_loss(thought.last(3), targets),
            steps=40, seed=1, learning_rate=3e-3, every=20, progress=False,
        )  # fmt: skip
        histories.append((history["loss"].values, model.state_dict()))
    assert histories[0][0][1] < histories[0][0][0]
    assert all(torch.equal(value, histories[1][1][name]) for name, value in histories[0][1].items())


def test_start_values_come_from_the_seed_alone() -> None:
    torch.manual_seed(1)
    one = machine().state_dict()
    torch.manual_seed(2)
    two, other = machine().state_dict(), machine(seed=2).state_dict()
    assert all(torch.equal(value, two[name]) for name, value in one.items())
    for name in ("backbone_digit.layers.0.weight", "operator_backbone.embedding.weight", "synapses.1.weight"):
        assert not torch.equal(one[name], other[name])


def test_indices_are_sines_and_cosines() -> None:
    table = machine().index_backbone.embedding
    for index in (0, 1, 7):
        for k in range(4):
            angle = index / 10000 ** (2 * k / 8)
            np.testing.assert_allclose(
                table[index, 2 * k : 2 * k + 2], [np.sin(angle), np.cos(angle)], atol=1e-6
            )


def refusal(call: Callable[[], Any], kind: type[ArcuateError] = SpecError) -> str:
    with pytest.raises(kind) as caught:
        call()
    message = str(caught.value)
    assert len(message.splitlines()) <= 4
    return message


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"heads": 0}, "heads"),
        ({"width": 9, "heads": 3}, "width"),
        ({"n_action": 0}, "n_action"),
        ({"ticks_per_image": 0}, "ticks_per_image"),
        ({"ticks_per_part": 1.5}, "ticks_per_part"),
        ({"n_ticks": 0}, "n_ticks"),
        ({"n_channels": 0}, "n_channels"),
        ({"backbone": "parity"}, "backbone"),
        ({"positions": "fourier"}, "positions"),
    ],
)
def test_arguments_that_do_not_fit_are_named(change: dict[str, Any], name: str) -> None:
    assert name in refusal(lambda: machine(**change))


def test_inputs_that_do_not_fit_are_named() -> None:
    model = machine()
    images, question = pair()
    bad = images.clone()
    bad[1, 0, 0, 2, 3] = float("nan")
    other = question.clone()
    other[2, 1] = 1
    far = question.clone()
    far[0, 2] = 50
    for x, kind, word in (
        (images, SpecError, "pair"),
        ((images[:, 0], question), SpecError, "images"),
        ((images[..., :3], question), SpecError, "4 x 4"),
        ((images.expand(-1, -1, 3, -1, -1), question), SpecError, "images"),
        ((bad, question), NonFiniteError, "[1, 0, 0, 2, 3]"),
        ((images, question[:2]), SpecError, "question"),
        ((images, question[:, :2]), SpecError, "odd"),
        ((images, question.double()), SpecError, "whole"),
        ((images, other), SpecError, "-1"),
        ((images, far), SpecError, "49"),
    ):
        assert word in refusal(lambda x=x: model(x), kind)  # type: ignore[misc]
    assert "n_ticks" in refusal(lambda: model((images, question), n_ticks=0))
    series = SeriesThoughtMachine(**SERIES)
    assert "rows" in refusal(lambda: series(torch.zeros(2, 2)))
    assert "rows" in refusal(lambda: series(torch.zeros(2, 5, 3)))
    assert "x[0, 1, 0]" in refusal(
        lambda: series(torch.tensor([[[0.0, 0.0], [np.inf, 0.0]]])), NonFiniteError
    )
    assert "heads" in refusal(lambda: SeriesThoughtMachine(**SERIES, heads=2))


def test_activity_that_is_not_finite_is_named_at_its_tick() -> None:
    model = machine()
    model.trace_processor[0][0].b1.data[0, 3] = float("inf")
    assert "tick 1" in refusal(lambda: model(pair()), NonFiniteError)


def test_official_weights_of_another_configuration_are_named() -> None:
    configuration = {
        "iterations": 1, "d_model": 24, "d_input": 8, "heads": 2, "n_synch_out": 5, "n_synch_action": 4,
        "synapse_depth": 1, "memory_length": 4, "deep_nlms": True, "memory_hidden_dims": 3,
        "do_layernorm_nlm": False, "out_dims": 10, "iterations_per_digit": 2,
        "iterations_per_question_part": 2, "iterations_for_answering": 3, "neuron_select_type": "random",
    }  # fmt: skip
    model = machine().eval()
    again = load_official(model.state_dict(), configuration).eval()
    assert torch.equal(again(pair()).predictions, model(pair()).predictions)
    small = {**configuration, "d_model": 20}
    assert "start_activated_state" in refusal(lambda: load_official(model.state_dict(), small))
    short = dict(model.state_dict())
    del short["backbone_digit.layers.4.weight"]
    assert "backbone_digit.layers.4.weight" in refusal(lambda: load_official(short, configuration))
    missing = {name: value for name, value in configuration.items() if name != "iterations_per_digit"}
    assert "iterations_per_digit" in refusal(lambda: load_official(model.state_dict(), missing))


def test_a_small_machine_learns_what_comes_and_when() -> None:
    """After one cue A mostly comes after 200 ms, after the other B after 350 ms: with those probabilities."""
    from arcuate.nn import series_loss
    from arcuate.tasks import Block, Condition, WhatWhen

    kinds = [
        Condition(latency="200 ms", probabilities={"A": 0.8, "B": 0.2}, cues="left"),
        Condition(latency="350 ms", probabilities={"A": 0.1, "B": 0.9}, cues="right"),
    ]
    task = WhatWhen(blocks=[Block(n_trials=64, conditions=kinds)], window="500 ms")
    model = SeriesThoughtMachine(
        n_outputs=3, width=2, n_neurons=24, n_out=8, selection="random", history=6, hidden=4, seed=1
    )
    fit(
        model, task.batches(64, dt="10 ms", tick="50 ms"), series_loss,
        steps=150, seed=1, learning_rate=1e-2, warmup=20, progress=False,
    )  # fmt: skip
    trials = task.trials("10 ms", seed=100)
    x, targets = trials.frames("50 ms")
    with torch.no_grad():
        thought = model.eval()(x)
    chances = thought.predictions.softmax(1).numpy()
    for condition, (when, what, share) in enumerate(((3, 1, 0.8), (6, 2, 0.9))):
        mine = np.flatnonzero(trials.condition == condition)[0]
        assert chances[mine].argmax(0).tolist() == [what if tick == when else 0 for tick in range(10)]
        assert abs(chances[mine, what, when] - share) < 0.08
    likely = np.where(targets > 0, np.where(trials.condition == 0, 1, 2)[:, None], 0)
    assert trials.score(likely, "50 ms").mean() == (likely == targets).all(1).mean()
    least = 64 * [0.0]
    for k, c in enumerate(trials.condition):
        p = {(0, 0): 0.8, (0, 1): 0.2, (1, 0): 0.1, (1, 1): 0.9}[int(c), int(trials.outcome[k])]
        least[k] = -np.log(p) / 10
    assert series_loss(thought, torch.as_tensor(targets)).item() < np.mean(least) + 0.03


def test_a_loss_of_a_series_is_the_mean_of_its_rows() -> None:
    from arcuate.nn import series_loss

    model = SeriesThoughtMachine(**SERIES, ticks_per_row=2)
    thought, targets = model(torch.rand(4, 5, 2)), torch.arange(20).view(4, 5) % 3
    told = thought.predictions.log_softmax(1)
    expected = -np.mean([told[b, targets[b, r], 2 * r + 1].item() for b in range(4) for r in range(5)])
    assert abs(series_loss(thought, targets).item() - expected) < 1e-6
    for bad in (targets[:3], targets[:, :4], targets + 1, targets.double(), targets[:, 0]):
        assert "targets" in refusal(lambda bad=bad: series_loss(thought, bad))  # type: ignore[misc]


def test_asked_places_alone_count_for_transformers_and_machines():
    from arcuate.nn import SeriesThoughtMachine, asked_loss

    logits = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(1))
    targets = torch.full((3, 5), -1)
    targets[0, 2], targets[2, 4] = 3, 0
    by_hand = -(logits[0, 2].log_softmax(0)[3] + logits[2, 4].log_softmax(0)[0]) / 2
    assert asked_loss(logits, targets).item() == pytest.approx(by_hand.item(), rel=1e-6)
    thought = SeriesThoughtMachine(n_outputs=4, width=2, n_neurons=16, n_out=4)(torch.zeros(3, 5, 2))
    same = asked_loss(thought.predictions.transpose(1, 2), targets)
    assert asked_loss(thought, targets).item() == pytest.approx(same.item(), rel=1e-6)
    for bad in (targets[:, :4], targets.float(), torch.full((3, 5), -1), targets + 2):
        with pytest.raises(SpecError, match="targets"):
            asked_loss(logits, bad)
