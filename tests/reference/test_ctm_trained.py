"""Machines that were trained: what the shipped ones can, and a training from the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from arcuate.errors import CapabilityError
from arcuate.study.reproduction import load_reproduce

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.torch


def silent(*_: object) -> None:
    """Take progress and say nothing."""


def test_the_shipped_machines_count_signs(tmp_path: Path) -> None:
    result = load_reproduce("ctm_parity")((1,), True, tmp_path, silent)
    verdicts = {figure.name: figure.verdict for figure in result.figures}
    assert verdicts["shipped_8"] == verdicts["shipped_16"] == "holds"
    assert verdicts["parity_8"] == "not judged"


def test_the_shipped_machine_sorts_and_waits_longer_before_a_wider_gap(tmp_path: Path) -> None:
    result = load_reproduce("ctm_sort")((1,), True, tmp_path, silent)
    assert {figure.name: figure.verdict for figure in result.figures} == {
        "whole": "holds",
        "wait_gap": "holds",
    }


def test_the_shipped_machine_finds_its_way(tmp_path: Path) -> None:
    result = load_reproduce("ctm_maze")((1,), True, tmp_path, silent)
    verdicts = {figure.name: figure.verdict for figure in result.figures}
    assert verdicts == {"shipped": "holds", "trained": "not judged"}
    walks = result.tables["larger mazes"]
    assert walks["size"] == [9, 13, 21] and walks["whole routes"][0] > walks["whole routes"][1] > 0
    assert walks["20"][0] > 0.9 and walks["1 pass"][0] < walks["5"][0]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, and it would train for hours")
def test_the_published_size_is_refused_without_a_gpu(tmp_path: Path) -> None:
    with pytest.raises(CapabilityError, match="GPU"):
        load_reproduce("ctm_parity", full=True)((1,), False, tmp_path, silent)


@pytest.mark.slow
def test_a_machine_learns_to_count_8_signs_within_1500_steps() -> None:
    from arcuate import nn
    from arcuate.models import load_training
    from arcuate.tasks import Parity

    table = load_training("ctm_parity")
    rule = table["training"]
    task, batch = Parity(length=rule.pop("length")), rule.pop("batch")
    model = nn.ContinuousThoughtMachine(**table["parameters"], seed=4)
    nn.fit(model, task.batches(batch), nn.tick_loss, **rule, seed=4, progress=False)
    x, targets = (torch.tensor(part) for part in task.draw(2048, seed=0).frames())
    with torch.no_grad():
        assert nn.accuracy(model.eval()(x), targets)["whole"] >= 0.99


@pytest.mark.slow
def test_a_machine_learns_the_first_moves_within_250_steps() -> None:
    """The best constant answer, wait, is right for three moves in ten and for no whole route."""
    from arcuate import nn
    from arcuate.models import load_training
    from arcuate.tasks import Maze

    table = load_training("ctm_maze")
    task, rule = Maze(**table["task"]), table["training"] | {"steps": 250, "warmup": 50}
    batch, lookahead = rule.pop("batch"), rule.pop("lookahead")
    backbone = nn.residual_backbone(**table["backbone"], seed=4)
    model = nn.ContinuousThoughtMachine(**table["parameters"], backbone=backbone, seed=4)
    loss = lambda thought, route: nn.route_loss(thought, route, lookahead=lookahead)  # noqa: E731
    nn.fit(model, task.batches(batch), loss, **rule, seed=4, progress=False)
    x, targets = (torch.from_numpy(part) for part in task.draw(500, seed=0).frames())
    with torch.no_grad():
        shares = nn.accuracy(model.eval()(x), targets)
    assert shares["element"] > 0.5 and shares["whole"] > 0.05


def test_the_shipped_machine_answers_questions_about_digits_it_never_saw() -> None:
    pytest.importorskip("sklearn")
    from arcuate import nn
    from arcuate.tasks import DigitQuestions

    model, right = nn.shipped("ctm_digits"), []
    for task in DigitQuestions(digits=(1, 3), operations=(1, 2), images="test").each():
        trials = task.draw(300, seed=77)
        (images, question), _ = trials.frames()
        with torch.no_grad():
            thought = model((torch.from_numpy(images), torch.from_numpy(question))).last(model.n_ticks)
        tick = thought.certainties[:, 1].argmax(1)
        answers = thought.predictions[torch.arange(300), :, tick].argmax(1)
        right.append(trials.score(answers.numpy()).mean())
    assert min(right[:3]) > 0.9
    assert sum(right) / 6 > 0.8
