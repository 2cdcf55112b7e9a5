"""The loss of a route gives what the official implementation gave: loss and gradient, each lookahead.

The file holds predictions, certainties and routes made up for it, with 0 to 9 first moves right at various
ticks, and what the maze loss of https://github.com/SakanaAI/continuous-thought-machines (Apache-2.0, commit
aecfb63) made of them in float64.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from arcuate.nn import route_loss, tick_loss  # noqa: E402

pytestmark = pytest.mark.torch

FILE = Path(__file__).resolve().parents[1] / "data" / "ctm" / "route_loss.npz"


@pytest.fixture(scope="module")
def golden():
    with np.load(FILE) as file:
        return {key: file[key] for key in file.files}


def thought_of(golden, dtype=torch.float64):
    """Predictions as a model lays them out, (B, R x classes, T), and what asks for their gradient."""
    predictions = torch.tensor(golden["in/predictions"], dtype=dtype, requires_grad=True)
    certainties = torch.tensor(golden["in/certainties"], dtype=dtype)
    return SimpleNamespace(predictions=predictions.flatten(1, 2), certainties=certainties), predictions


@pytest.mark.parametrize("tick", ["certain", "last"])
@pytest.mark.parametrize("lookahead", [1, 2, 5])
def test_loss_and_gradient(golden, lookahead, tick):
    thought, predictions = thought_of(golden)
    targets = torch.tensor(golden["in/targets"])
    loss = route_loss(thought, targets, lookahead=lookahead, most_certain=tick == "certain")
    loss.backward()
    assert loss.item() == pytest.approx(golden[f"{lookahead}/{tick}/loss"].item(), rel=1e-12)
    gradient = golden[f"{lookahead}/{tick}/gradient"]
    assert np.abs(predictions.grad.numpy() - gradient).max() < 1e-12 < 1e-3 < np.abs(gradient).max()


def test_how_far_the_counted_moves_reach(golden):
    """A logit of move k has a gradient exactly if k is at most the last leading right move plus lookahead."""
    thought, predictions = thought_of(golden)
    targets = torch.tensor(golden["in/targets"])
    for lookahead in (1, 3):
        predictions.grad = None
        route_loss(thought, targets, lookahead=lookahead).backward(retain_graph=True)
        used = (predictions.grad != 0).any(3).any(2)
        for b, route in enumerate(targets.numpy()):
            answers = golden["in/predictions"][b].argmax(1)  # (R, T)
            leading = max(
                next((k for k in range(9) if answers[k, t] != route[k]), 9) for t in range(answers.shape[1])
            )
            assert used[b].sum().item() == min(max(leading - 1, 0) + lookahead, 9)
            assert used[b, : used[b].sum()].all()


def test_a_look_ahead_to_the_end_is_the_loss_of_the_whole_route(golden):
    thought, _ = thought_of(golden)
    targets = torch.tensor(golden["in/targets"])
    assert torch.allclose(route_loss(thought, targets, lookahead=9), tick_loss(thought, targets), rtol=1e-14)
