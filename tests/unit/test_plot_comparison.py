"""Pictures of comparisons: what stands where, stars only after correction, ceilings only where known."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from toy_measure import toy, trials

from arcuate import plot
from arcuate.compare import compare
from arcuate.errors import SpecError, UnknownNameError

X, NOISE, OTHER = np.random.default_rng(0).standard_normal((3, 20, 4, 3, 5))
STATES = {"net": X, "near": X + 0.5 * NOISE, "far": OTHER}
REPEATS = ("stimulus", "repeat", "tick", "unit")
MEASURES = [toy(), toy(name="ridge", symmetric=False), trials()]
QUICK: dict[str, Any] = {"n_null": 99, "n_boot": 0, "dims": REPEATS}
RESULT = compare(
    STATES,
    measure=[
        *MEASURES[:2],
        toy(
            name="dsa",
            kind="distance",
            score=lambda x, y: 1 - float(np.vdot(x, y)),
            null=lambda x, y, o: np.ones(len(o)),
        ),
    ],
    **(QUICK | {"n_boot": 20}),
)
STEPS = compare(STATES, within="matrix", measure=toy(), **QUICK)
BARE = compare({"x": X[:, 0, 0], "y": NOISE[:, 0, 0]}, measure=toy(), correction=None, n_null=19, n_boot=0)

DRAWN: dict[str, Any] = {
    "comparison": (lambda ax: plot.comparison(RESULT, ax=ax), "b", "a"),
    "comparison of steps": (
        lambda ax: plot.comparison(STEPS, a="net", b="far", ax=ax),
        "step of far",
        "step of net",
    ),
    "profile": (lambda ax: plot.comparison(RESULT, kind="profile", ax=ax), "b", "toy, score"),
    "profile of steps": (
        lambda ax: plot.comparison(STEPS, kind="profile", a="net", ax=ax),
        "step of b",
        "toy, score",
    ),
    "predictivity": (
        lambda ax: plot.predictivity(RESULT, ax=ax),
        "predictor → predicted",
        "median correlation, held out",
    ),
    "rdms": (lambda ax: plot.rdms(RESULT, ax=ax), "stimulus, for each system", "stimulus"),
    "dsa": (lambda ax: plot.dsa(RESULT, ax=ax), "b", "a"),
    "dsa map": (
        lambda ax: plot.dsa(RESULT, kind="mds", ax=ax),
        "first coordinate, dsa",
        "second coordinate, dsa",
    ),
    "dsa spectra": (
        lambda ax: plot.dsa({"one": [0.5j, -0.5j], "two": [0.9]}, kind="spectra", ax=ax),
        "real part",
        "imaginary part",
    ),
}


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    from matplotlib import pyplot

    yield
    pyplot.close("all")


@pytest.mark.parametrize("name", DRAWN)
def test_it_returns_the_axes_it_was_given_with_labels_and_changes_no_settings(name: str) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    function, across, up = DRAWN[name]
    before = dict(mpl.rcParams)
    ax = Figure().subplots()
    assert function(ax) is ax
    assert ax.get_xlabel() == across and ax.get_ylabel().startswith(up)
    ax.figure.savefig(io.BytesIO())
    assert function(None).figure is not ax.figure
    assert dict(mpl.rcParams) == before


def test_a_matrix_has_the_scores_and_stars_where_they_were_earned() -> None:
    ax = plot.comparison(RESULT)
    np.testing.assert_allclose(
        ax.images[0].get_array().filled(np.nan), RESULT.data["value"].sel(measure="toy")
    )
    texts = {tuple(map(int, text.get_position())): text.get_text() for text in ax.texts}
    assert texts[1, 0].endswith("*") and not texts[2, 0].endswith("*") and not texts[0, 0].endswith("*")
    assert "corrected by max" in ax.figure.axes[-1].get_ylabel()


def test_without_correction_there_are_no_stars_and_without_repeats_no_ceiling() -> None:
    ax = plot.comparison(BARE)
    assert not any("*" in text.get_text() for text in ax.texts)
    ax = plot.comparison(BARE, kind="profile")
    assert not ax.collections
    assert not any(np.allclose(line.get_ydata(), 1) for line in ax.lines)


def test_a_profile_has_interval_ceiling_and_null() -> None:
    ax = plot.comparison(RESULT, kind="profile", a="net")
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert words == ["net", "ceiling of net", "mean of the null"]
    wanted = RESULT.data["value"].sel(measure="toy", a="net").values
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [np.nan, *wanted[1:]])  # not with itself


def test_bars_stand_for_both_directions_under_their_ceilings() -> None:
    ax = plot.predictivity(RESULT)
    words = [label.get_text() for label in ax.get_xticklabels()]
    assert words == ["net → near", "net → far", "near → net", "near → far", "far → net", "far → near"]
    value = RESULT.data["value"].sel(measure="ridge")
    wanted = [float(value.sel(a=a, b=b)) for a, b in (word.split(" → ") for word in words)]
    assert [bar.get_height() for bar in ax.patches] == pytest.approx(wanted)
    assert ax.collections


def test_dissimilarities_are_drawn_by_rank() -> None:
    ax = plot.rdms(RESULT)
    assert len(ax.images) == 3
    ranks = ax.images[0].get_array()
    assert float(ranks.min()) == 0 and float(ranks.max()) == 1
    rows = RESULT.rdms.values[0][np.triu_indices(20, 1)]
    np.testing.assert_array_equal(np.argsort(rows), np.argsort(np.asarray(ranks)[np.triu_indices(20, 1)]))


def test_a_map_keeps_distances_of_points_on_a_plane() -> None:
    from arcuate.plot.comparison import _scaled

    points = np.random.default_rng(0).standard_normal((6, 2))
    away = np.linalg.norm(points[:, None] - points, axis=2)
    place = _scaled(away)
    np.testing.assert_allclose(np.linalg.norm(place[:, None] - place, axis=2), away, atol=1e-12)


def test_a_page_of_all_says_what_is_missing() -> None:
    page = plot.comparison_report(RESULT)
    assert len(page) == 6 and len({ax.figure for ax in page}) == 1
    assert not any(text.get_text().startswith("no ") for ax in page for text in ax.texts)
    page[0].figure.savefig(io.BytesIO())
    words = [text.get_text() for ax in plot.comparison_report(BARE)[3:] for text in ax.texts]
    assert words == [
        "no scores of prediction in this result",
        *["no distances of dynamics in this result"] * 2,
    ]
    assert plot.comparison_report(STEPS)[0].texts[0].get_text() == "no dissimilarities in this result"


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: plot.comparison(RESULT, measure="ckka"), UnknownNameError, "ckka"),
        (lambda: plot.comparison(RESULT, kind="bar"), UnknownNameError, "bar"),
        (lambda: plot.comparison(STEPS, a="nett"), UnknownNameError, "net"),
        (lambda: plot.comparison(3), SpecError, "data"),
        (lambda: plot.predictivity(BARE), UnknownNameError, "ridge"),
        (lambda: plot.dsa(RESULT, kind="spectra"), SpecError, "mapping"),
        (lambda: plot.rdms(STEPS), SpecError, "no dissimilarities"),
    ],
    ids=["measure", "kind", "leaf", "number", "no ridge", "spectra", "rdms"],
)
def test_what_does_not_fit_is_refused(call: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        call()
