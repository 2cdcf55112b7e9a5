"""Limits of a null: the least p that orders allow, and the memory that all steps with all steps take."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from toy_measure import toy

from arcuate.compare import compare
from arcuate.compare._scoring import Cell
from arcuate.errors import ArcuateWarning, MemoryLimitError


def test_few_stimuli_of_many_steps_have_few_orders() -> None:
    x = np.random.default_rng(0).normal(size=(3, 50, 4))
    y = x + 0.01 * np.random.default_rng(1).normal(size=x.shape)
    options = {"samples": ("stimulus", "time"), "dims": ("stimulus", "time", "unit"), "ceiling": None}
    with pytest.warns(ArcuateWarning, match=r"p cannot be below 0\.17 with 5 orders of the null"):
        result = compare({"x": x, "y": y}, n_null=1000, n_boot=0, **options)
    assert float(result.data["p"].values[0, 0, 1]) == pytest.approx(1 / 6, abs=0.04)  # of 1000 drawn orders


def test_a_null_of_all_steps_that_would_not_fit_is_refused_at_once() -> None:
    states = {name: np.zeros((4, 3000, 1)) + np.arange(4)[:, None, None] for name in "xy"}
    with pytest.raises(MemoryLimitError, match="3000 x 3000 steps, 100000 orders"):
        compare(states, measure=toy(), within="matrix", dims=("stimulus", "time", "unit"), n_null=100_000)


def test_standardizing_takes_little_beside_the_null() -> None:
    null = np.random.default_rng(2).normal(size=(50, 50, 400))
    tracemalloc.start()
    cell = Cell.tested(np.full((50, 50), 2.0), null, "similarity")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.4 * null.nbytes
    everything = np.concatenate([np.full((50, 50, 1), 2.0), null], axis=-1)
    z = (everything - everything.mean(axis=-1, keepdims=True)) / everything.std(axis=-1, keepdims=True)
    assert cell.z == pytest.approx(z[..., 0]) and cell.top == pytest.approx(z[..., 1:].max(axis=(0, 1)))
    assert cell.null_sd == pytest.approx(null.std(axis=-1))
