"""A loss that sees a drawn number of the first ticks."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from arcuate.errors import SpecError  # noqa: E402
from arcuate.nn import ContinuousThoughtMachine, tick_loss  # noqa: E402

pytestmark = pytest.mark.torch


def test_tick_dropout_is_the_loss_of_fewer_ticks() -> None:
    model = ContinuousThoughtMachine(
        n_outputs=6, n_ticks=5, n_neurons=16, width=2, heads=0, n_out=4, history=3, hidden=2, shape=(2, 3)
    )
    x, targets = (
        torch.randn(20, 2, generator=torch.Generator().manual_seed(1)),
        torch.arange(40).view(20, 2) % 3,
    )
    thought = model(x)
    shorter = {
        ticks: tick_loss(model(x, n_ticks=ticks), targets).item()  # the first ticks do not know of the others
        for ticks in range(1, 6)
    }
    assert len(set(shorter.values())) == 5
    found = set()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for _ in range(60):
            loss = tick_loss(thought, targets, fewest=3).item()
            found.add(min(shorter, key=lambda ticks: abs(shorter[ticks] - loss)))
            assert min(abs(value - loss) for value in shorter.values()) < 1e-6
    assert found == {3, 4, 5}
    assert tick_loss(thought, targets, fewest=5).item() == tick_loss(thought, targets).item()
    last = replace(
        thought, predictions=thought.predictions[..., :4], certainties=thought.certainties[..., :4]
    )
    with pytest.raises(SpecError, match="fewest"):
        tick_loss(last, targets, fewest=5)
    with pytest.raises(SpecError, match="fewest"):
        tick_loss(last, targets, fewest=0)
