"""Pictures of communities: what stands where, one color for each, and what is refused."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from arcuate import plot
from arcuate.connectome import exponential_blocks
from arcuate.errors import SpecError
from arcuate.plot._axes import COLORS

GRAPH = exponential_blocks(12, 3, ratio=5.0, seed=0).graph
LABELS = np.tile([2, 0, 1], 4)

DRAWN: dict[str, Any] = {
    "block_matrix": lambda ax: plot.block_matrix(GRAPH, LABELS, ax=ax),
    "chords": lambda ax: plot.chords(GRAPH, LABELS, names=list("abcdefghijkl"), ax=ax),
    "community_flow": lambda ax: plot.community_flow([LABELS, LABELS[::-1]], ax=ax),
}
EMPTY: dict[str, Any] = {
    "block_matrix": lambda: plot.block_matrix(np.zeros((0, 0)), np.zeros(0)),
    "chords": lambda: plot.chords(np.zeros((0, 0)), np.zeros(0)),
    "community_flow": lambda: plot.community_flow(np.zeros((2, 0))),
}


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    from matplotlib import pyplot

    yield
    pyplot.close("all")


@pytest.mark.parametrize("name", DRAWN)
def test_it_returns_the_axes_it_was_given_and_changes_no_settings(name: str) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    before = dict(mpl.rcParams)
    ax = Figure().subplots()
    assert DRAWN[name](ax) is ax
    ax.figure.savefig(io.BytesIO())
    assert DRAWN[name](None).figure is not ax.figure
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("name", EMPTY)
def test_nothing_to_show_is_said(name: str) -> None:
    assert "no " in EMPTY[name]().texts[0].get_text()


def test_nodes_stand_by_community_with_a_border_between() -> None:
    ax = plot.block_matrix(GRAPH, LABELS)
    shown = np.asarray(ax.images[0].get_array().filled(0.0))
    order = np.argsort(LABELS, kind="stable")
    np.testing.assert_array_equal(shown, GRAPH[np.ix_(order, order)])
    borders = [line.get_ydata()[0] for line in ax.lines if line.get_color() == "white"][::2]
    assert borders == [3.5, 7.5]
    assert [line.get_color() for line in ax.lines if line.get_color() != "white"] == list(COLORS[:3])


def test_the_strongest_pairs_are_chords_and_a_community_has_one_color() -> None:
    places = np.random.default_rng(1).random((len(GRAPH), 2))
    there = plot.chords(GRAPH, LABELS, positions=places, names=list("abcdefghijkl"), most=5)
    drawn = np.concatenate([line.get_xydata() for line in there.lines])
    assert sorted(map(tuple, drawn)) == sorted(map(tuple, places)) and len(there.patches) == 5
    middle = there.patches[0].get_path().vertices
    assert np.allclose(middle[1], (middle[0] + middle[2]) / 2)  # straight
    ax = plot.chords(GRAPH, LABELS, most=5)
    assert len(ax.patches) == 5
    assert [line.get_color() for line in ax.lines] == list(COLORS[:3])
    assert len(plot.chords(np.zeros((3, 3)), [0, 0, 0]).patches) == 0


def test_bands_are_as_wide_as_the_nodes_that_go() -> None:
    ax = plot.community_flow([[0, 0, 0, 1], [0, 0, 1, 1]], names=["early", "late"])
    widths = []
    for band in ax.collections:
        points = band.get_paths()[0].vertices
        start = points[np.isclose(points[:, 0], points[:, 0].min()), 1]
        widths.append(round(float(np.ptp(start))))
    assert sorted(widths) == [1, 1, 2]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["early", "late"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: plot.block_matrix(np.ones((2, 3)), [0, 1]), "square"),
        (lambda: plot.block_matrix(GRAPH, [0, 1]), "12 integers"),
        (lambda: plot.chords(GRAPH, LABELS - 1), "labels"),
        (lambda: plot.chords(GRAPH, LABELS, names=["a"]), "1 names"),
        (lambda: plot.chords(GRAPH, LABELS, positions=[[0, 1]]), "a place for each node"),
        (lambda: plot.community_flow([[0.5, 1.0]]), "integers"),
        (lambda: plot.community_flow([[0, 1]], names=["a", "b"]), "2 names"),
    ],
    ids=["oblong", "short", "negative", "names", "places", "halves", "components"],
)
def test_what_does_not_fit_is_refused(call: Any, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        call()
