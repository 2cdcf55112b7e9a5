"""Intervals and paired differences where some halves of the stimuli give no score."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from toy_measure import toy

from arcuate.compare import Measure, compare, compare_pairs
from arcuate.compare._scoring import spread
from arcuate.compare.inference import half_samples
from arcuate.errors import ArcuateError, ArcuateWarning, SpecError


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def refusing(x: np.ndarray, share: float) -> Measure:
    """The toy measure, refusing the halves whose first unit has the greatest means."""
    base = toy()
    limit = np.quantile([x[rows, 0].mean() for rows in half_samples(len(x), 100, 0)], 1 - share)

    def prepare(states: np.ndarray) -> Any:
        if len(states) < len(x) and np.isin(states[0, 0], x[:, 0]) and states[:, 0].mean() > limit:
            raise SpecError("toy: the mean is too great")
        return base.prepare(states)

    return replace(base, prepare=prepare)


def test_a_score_that_is_not_defined_has_no_p() -> None:
    states = {name: normal(40, 4, 5, seed=k) for k, name in enumerate("abc")}
    dims = ("stimulus", "repeat", "unit")
    with pytest.warns(ArcuateWarning, match="not defined"):
        found = compare_pairs(states, ("a", "b"), ("a", "c"), measure="cka_cross", dims=dims, n_boot=99)
    assert np.isnan([found.estimate, found.low, found.high, found.p]).all()


def test_halves_that_the_measure_refuses_are_no_evidence() -> None:
    states = {name: normal(16, 5, seed=k) for k, name in enumerate("abc")}
    with pytest.raises(ArcuateError, match="k"):  # ten neighbors of eight stimuli
        compare_pairs(states, ("a", "b"), ("a", "c"), measure="knn", n_boot=99)


def test_an_interval_that_halves_do_not_allow_says_so() -> None:
    states = {name: normal(16, 5, seed=k) for k, name in enumerate("ab")}
    with pytest.warns(ArcuateWarning, match="20 of 20 halves of the stimuli give no score"):
        result = compare(states, measure="knn", n_boot=20, n_null=19)
    assert np.isnan(result.data["low"].values[0, 0, 1]) and np.isfinite(result.data["value"].values[0, 0, 1])


@pytest.mark.parametrize("lost", [0, 9, 11])
def test_a_tenth_of_the_halves_may_be_lost(lost: int) -> None:
    draws = normal(100, 1, 1)
    draws[:lost] = np.nan
    ends, text = spread(draws, SpecError("too large") if lost else None)
    if lost > 10:
        assert (
            np.isnan(ends).all()
            and text == "11 of 100 halves of the stimuli give no score (too large): no interval"
        )
    else:
        kept = draws[lost:] - draws[lost:].mean()
        assert ends.ravel() == pytest.approx(np.quantile(kept, [0.025, 0.975]))
        assert text == (f"{lost} of 100 halves of the stimuli give no score (too large)" if lost else "")


def test_few_lost_halves_are_counted_in_both_calls() -> None:
    states = {name: normal(40, 5, seed=k) for k, name in enumerate("xyz")}
    states["y"] += states["x"]
    limited = refusing(states["x"], 0.05)
    with pytest.warns(ArcuateWarning, match="halves of the stimuli give no score"):
        found = compare_pairs(states, ("x", "y"), ("x", "z"), measure=limited, n_boot=100)
    assert 90 <= found.n_boot < 100 and found.low < found.estimate < found.high
    with pytest.warns(ArcuateWarning, match="interval is from the others"):
        result = compare(states, measure=limited, n_boot=100, null=None)
    assert np.isfinite(result.data["low"].sel(a="x", b="y")).all()


def test_one_pair_turned_is_the_same_pair() -> None:
    states = {name: normal(20, 5, seed=k) for k, name in enumerate("ab")}
    with pytest.raises(SpecError, match="differ"):
        compare_pairs(states, ("a", "b"), ("b", "a"), n_boot=19)
    both = compare_pairs(states, ("a", "b"), ("b", "a"), measure="ridge", n_boot=19)
    assert both.estimate != 0
