"""Greedy decoding: against a decoder that goes through the ticks one by one, and against the loss."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from arcuate.ctm import decode
from arcuate.errors import SpecError


def one_by_one(said: list[int], blank: int) -> tuple[list[int], list[int]]:
    """Items and waits of one trial, from the groups of equal outputs."""
    items, waits, wait = [], [], 0
    for output, group in itertools.groupby(said):
        ticks = len(list(group))
        if output == blank:
            wait += ticks
        else:
            items.append(output)
            waits.append(wait)
            wait = ticks - 1
    return items, waits


def test_equal_to_a_decoder_that_goes_through_the_ticks():
    y = np.random.default_rng(0).normal(size=(500, 4, 12))
    written = decode(y)
    for trial in range(500):
        items, waits = one_by_one(y[trial].argmax(axis=0).tolist(), 3)
        rest = [-1] * (12 - len(items))
        assert written.items[trial].tolist() == items + rest
        assert written.waits[trial].tolist() == waits + rest


def test_a_case_that_was_written_down():
    said = np.array([[3, 1, 1, 3, 1, 0, 0, 3]])
    written = decode(np.eye(4)[said].swapaxes(1, 2))
    assert written.items[0].tolist() == [1, 1, 0, -1, -1, -1, -1, -1]
    assert written.waits[0].tolist() == [1, 2, 0, -1, -1, -1, -1, -1]


def test_blanks_alone_write_nothing():
    assert (decode(np.eye(3)[[[2, 2, 2]]].swapaxes(1, 2)).items == -1).all()


@pytest.mark.parametrize("shape", [(4, 3), (2, 1, 3)])
def test_what_is_no_prediction_is_refused(shape):
    with pytest.raises(SpecError, match="predictions"):
        decode(np.zeros(shape))


def test_what_the_loss_finds_likely_is_decoded():
    torch = pytest.importorskip("torch")
    targets = np.random.default_rng(1).permuted(np.tile(np.arange(5), (20, 1)), axis=1)
    y = torch.zeros(20, 6, 12, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([y], lr=0.3)
    for _ in range(60):
        optimizer.zero_grad()
        loss = torch.nn.functional.ctc_loss(
            y.log_softmax(1).permute(2, 0, 1),
            torch.from_numpy(targets),
            torch.full((20,), 12),
            torch.full((20,), 5),
            blank=5,
        )
        loss.backward()
        optimizer.step()
    assert (decode(y.detach().numpy()).items[:, :5] == targets).all()
