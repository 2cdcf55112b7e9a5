"""What the ticks of a thought are worth, asked of a thought of torch that still has gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

torch = pytest.importorskip("torch")

from arcuate import ctm  # noqa: E402
from arcuate.nn import ContinuousThoughtMachine  # noqa: E402

TARGETS = np.arange(12) % 3
ASKED: dict[str, Callable[[ctm.Thought], Any]] = {
    "accuracy": lambda thought: ctm.accuracy_by_tick(thought, TARGETS),
    "calibration": lambda thought: ctm.calibration(thought, TARGETS),
    "thinking time": ctm.thinking_time,
    "halting curve": lambda thought: ctm.halting_curve(thought, TARGETS, {"one": ctm.FixedTicks(n=2)}),
    "norm": lambda thought: ctm.halting_curve(thought, TARGETS, {"l2": ctm.NormChange(alpha=0.5)}),
    "gate": lambda thought: ctm.LearnedExit(cost=0.1, weights="regret").fit(thought, TARGETS).coef_,
}


@pytest.mark.parametrize("name", ASKED)
def test_gradients_make_no_difference(name: str) -> None:
    model = ContinuousThoughtMachine(
        n_outputs=3, n_ticks=4, n_neurons=16, width=2, heads=0, n_out=4, history=3, hidden=2, seed=1
    )
    thought = model(torch.from_numpy(np.random.default_rng(0).normal(size=(12, 2)).astype(np.float32)))
    assert thought.predictions.requires_grad
    tensors = {f.name: getattr(thought, f.name) for f in fields(thought)}
    bare = replace(thought, **{n: None if t is None else t.detach().numpy() for n, t in tensors.items()})
    found, expected = ASKED[name](thought), ASKED[name](bare)
    if isinstance(found, xr.Dataset):
        xr.testing.assert_identical(found, expected)
    else:
        np.testing.assert_array_equal(found, expected)
