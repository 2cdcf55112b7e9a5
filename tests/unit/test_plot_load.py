"""The picture of recall by load: what is drawn, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from arcuate import plot
from arcuate.errors import SpecError


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    """Leave no figure open."""
    from matplotlib import pyplot

    yield
    pyplot.close("all")


def test_means_seeds_and_what_would_be_held() -> None:
    ax = plot.recall_by_load({"ring": {8: [0.5, 0.7], 4: [1.0, 0.8]}}, held=4, chance=0.5)
    mean, seeds, held, chance = ax.lines
    np.testing.assert_allclose(mean.get_xydata(), [[4, 0.9], [8, 0.6]])
    np.testing.assert_allclose(seeds.get_xydata(), [[4, 1.0], [4, 0.8], [8, 0.5], [8, 0.7]])
    np.testing.assert_allclose(held.get_xydata()[[0, -1]], [[4, 1], [8, 0.75]])
    assert set(chance.get_ydata()) == {0.5}
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("items to remember", "share recalled")


def test_one_value_and_a_given_place() -> None:
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert plot.recall_by_load({"one": {4: 1.0}}, ax=ax) is ax
    assert len(ax.lines) == 2


@pytest.mark.parametrize("empty", [{}, {"a": {}}, {"a": {4: []}}], ids=["none", "no loads", "no seeds"])
def test_nothing_to_draw_is_said(empty: Any) -> None:
    assert "no shares" in plot.recall_by_load(empty).texts[0].get_text()


@pytest.mark.parametrize(
    ("result", "options", "word"),
    [
        ([0.5], {}, "result"),
        ({"a": [0.5]}, {}, "result"),
        ({"a": {4: 40.0}}, {}, "within 0 to 1"),
        ({"a": {4: [float("nan")]}}, {}, "within 0 to 1"),
        ({"a": {4: "much"}}, {}, "a"),
        ({"a": {"four": 0.5}}, {}, "items = 'four'"),
        ({"a": {4: 0.5, 0: 1.0}}, {"held": 4}, "items = 0"),
        ({"a": {4: 0.5}}, {"held": 0}, "held"),
        ({"a": {4: 0.5}}, {"chance": 2}, "chance"),
    ],
    ids=[
        "a list",
        "no loads",
        "percent",
        "not a number",
        "words",
        "items in words",
        "no items",
        "none held",
        "chance of 2",
    ],
)
def test_bad_results_are_refused(result: Any, options: dict[str, Any], word: str) -> None:
    with pytest.raises(SpecError, match=word):
        plot.recall_by_load(result, **options)


def test_many_more_items_make_no_more_points() -> None:
    ax = plot.recall_by_load({"a": {4: 1.0, 10**9: 0.0}}, held=4)
    assert max(len(line.get_xdata()) for line in ax.lines) <= 500
