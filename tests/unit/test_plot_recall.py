"""Pictures of memories: the numbers that are drawn, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from arcuate import memory, plot, tasks
from arcuate.errors import SpecError, UnknownNameError


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    """Leave no figure open."""
    from matplotlib import pyplot

    yield
    pyplot.close("all")


def points(ax: Any) -> list[np.ndarray]:
    """Return the points of every line that has some."""
    return [line.get_xydata() for line in ax.lines if len(line.get_xydata())]


def words(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_widths_fall_on_one_line() -> None:
    curves = [memory.retrieval_error("hebb", [d // 2, 2 * d], d_key=d, trials=3) for d in (16, 64)]
    ax = plot.capacity_curves(
        {"hebb": curves, "ridge": memory.retrieval_error("ridge", [8], d_key=16, trials=2)}
    )
    drawn = points(ax)
    for number, curve in enumerate(curves):
        np.testing.assert_allclose(drawn[2 * number][:, 0], [0.5, 2.0])
        np.testing.assert_allclose(drawn[2 * number][:, 1], curve.error.mean("trial"))
        np.testing.assert_allclose(drawn[2 * number + 1][:, 1], curve.closed_form)
    assert drawn[4][0, 1] == 1e-4  # no error at all
    assert words(ax) == ["hebb", "ridge", "width 16", "width 64"]
    marks = {line.get_marker() for line in ax.lines if line.get_label().startswith("width")}
    assert len(marks) == 2
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_a_curve_without_trials_and_without_closed_form_is_drawn() -> None:
    curve = memory.retrieval_error("delta", [4, 8], d_key=16, trials=2, passes=2)
    assert "closed_form" not in curve
    mean = curve.mean("trial", keep_attrs=True)
    np.testing.assert_allclose(points(plot.capacity_curves(mean))[0][:, 1], curve.error.mean("trial"))


def test_more_rules_than_colors_are_drawn() -> None:
    curve = memory.retrieval_error("hebb", [4], d_key=16, trials=2)
    assert len(words(plot.capacity_curves({f"rule {k}": curve for k in range(9)}))) == 10


@pytest.mark.parametrize(
    ("change", "error", "word"),
    [
        (lambda curve: curve.drop_vars("error"), UnknownNameError, "error"),
        (lambda curve: curve.assign_attrs(d_key=0), SpecError, "d_key"),
        (lambda curve: {"error": [1.0], "n_items": [1, 2]}, (SpecError, UnknownNameError), "must|error"),
    ],
    ids=["no error", "no width", "no curve"],
)
def test_what_is_no_curve_is_refused(change: Any, error: Any, word: str) -> None:
    curve = memory.retrieval_error("hebb", [4], d_key=16, trials=2)
    with pytest.raises(error, match=word):
        plot.capacity_curves({"hebb": [change(curve)]})


def test_strengths_are_drawn_with_their_phases() -> None:
    strength = memory.condition(tasks.EXPERIMENTS["extinction"])
    ax = plot.conditioning(strength)
    np.testing.assert_array_equal(points(ax)[0][:, 1], strength[:, 0])
    assert words(ax) == ["A"]
    assert [text.get_text() for text in ax.texts] == ["A+", "A-"]
    borders = [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == ":"]
    assert borders == [40.5]  # between the last A+, trial 40, and the first A-, trial 41


def test_trials_in_turn_are_no_phases() -> None:
    ax = plot.conditioning(memory.condition([tasks.Phase(trials=("A+", "AB-"), n=20)]))
    assert not ax.texts
    assert len(ax.lines) == 3  # A, B and zero


def test_strengths_need_their_names() -> None:
    with pytest.raises(SpecError, match="stimulus"):
        plot.conditioning(np.zeros((3, 2)))


def test_forgetting_is_the_median_and_the_range_of_seeds() -> None:
    rows = np.array([[1.0, 0.2], [1.0, 0.4], [0.9, 0.1]])
    ax = plot.forgetting({"alone": rows, "with replay": [1.0, 1.0]})
    np.testing.assert_allclose(points(ax)[0], [[0, 1.0], [1, 0.2]])
    band = ax.collections[0].get_paths()[0].vertices
    np.testing.assert_allclose([band[:, 1].min(), band[:, 1].max()], [0.1, 1.0])
    assert words(ax) == ["alone", "with replay"]
    with pytest.raises(SpecError, match="dimensions"):
        plot.forgetting({"alone": np.zeros((2, 2, 2))})
