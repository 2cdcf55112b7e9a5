"""Pictures of comparisons: what stands where, stars only after correction, ceilings only where known."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from toy_measure import toy, trials

from arcuate import plot
from arcuate.compare import compare, encode_over_time
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
        "predicted",
        "median correlation,\nheld out",
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
    assert "corrected by max" in ax.images[0].colorbar.ax.get_ylabel()


def test_without_correction_there_are_no_stars_and_without_repeats_no_ceiling() -> None:
    ax = plot.comparison(BARE)
    assert not any("*" in text.get_text() for text in ax.texts)
    ax = plot.comparison(BARE, kind="profile")
    assert "ceiling" not in [text.get_text() for text in ax.get_legend().get_texts()]
    assert not any(np.allclose(line.get_ydata(), 1) for line in ax.lines)


def test_a_profile_has_interval_ceiling_and_null() -> None:
    ax = plot.comparison(RESULT, kind="profile", a="net")
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert words == ["net", "ceiling", "mean of the null"]
    wanted = RESULT.data["value"].sel(measure="toy", a="net").values
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [np.nan, *wanted[1:]])  # not with itself


def test_bars_stand_for_both_directions_under_their_ceilings() -> None:
    ax = plot.predictivity(RESULT)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["net", "near", "far"]
    words = [text.get_text() for text in ax.get_legend().get_texts()]
    assert words == ["net", "near", "far", "ceiling"]
    value = RESULT.data["value"].sel(measure="ridge")
    wanted = [float(value.sel(a=a, b=b)) for a in STATES for b in STATES if a != b]
    assert [bar.get_height() for bar in ax.patches] == pytest.approx(wanted)
    places = [round(bar.get_x() + bar.get_width() / 2) for bar in ax.patches]
    assert places == [1, 2, 0, 2, 0, 1]  # over what they predict
    assert ax.collections


def test_many_predictors_are_a_matrix() -> None:
    wide = many(8)
    ax = plot.predictivity(wide)
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("predictor", "predicted")
    np.testing.assert_allclose(ax.images[0].get_array().filled(np.nan), wide.data["value"][0])


def test_lines_of_many_systems_differ_in_color_or_marker() -> None:
    ax = plot.comparison(many(8), kind="profile", measure="ridge")
    looks = {(line.get_color(), line.get_marker()) for line in ax.lines if line.get_marker() != "None"}
    assert len(looks) == 8


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


def titles(page: list[Any]) -> list[str]:
    return [ax.get_title(loc="left") for ax in page]


def caption(page: list[Any]) -> str:
    return " ".join(page[0].figure.get_supxlabel().split())


def test_a_page_has_panels_for_what_is_in_the_result_and_one_caption() -> None:
    page = plot.comparison_report(RESULT)
    assert titles(page) == [
        "a  Dissimilarities",
        "b  toy",
        "c  toy, each system with the others",
        "d  ridge, predictivity",
        "e  dsa",
        "f  dsa, map",
    ]
    assert len({ax.figure for ax in page}) == 1
    assert "* p < 0.05, corrected by max." in caption(page) and "Gray bands: ceiling, for some" in caption(
        page
    )
    assert not any("p <" in ax.get_ylabel() for ax in page)  # said once
    page[0].figure.savefig(io.BytesIO())
    page = plot.comparison_report(BARE)
    assert titles(page) == ["a  Dissimilarities", "b  toy", "c  toy, each system with the others"]
    assert "No ceiling" in caption(page) and "no stars" in caption(page)
    page = plot.comparison_report(STEPS)
    assert titles(page) == ["a  toy", "b  toy", "c  toy", "d  toy, at the best step of a"]


def test_a_page_of_many_systems_has_matrices() -> None:
    page = plot.comparison_report(many(8))
    assert titles(page) == ["a  Dissimilarities", "b  ridge, predictivity"]
    assert "kind='profile'" in caption(page) and "All names begin with run/." in caption(page)


@pytest.mark.parametrize("n", [2, 5, pytest.param(12, marks=pytest.mark.slow)])
def test_no_words_overlap_or_leave_the_picture(n: int) -> None:
    result = many(n)
    alone = [
        plot.comparison(result),
        plot.comparison(result, kind="profile"),
        plot.predictivity(result),
        plot.rdms(result),
        plot.dsa(result, kind="mds", measure="ridge"),
    ]
    for ax in [*alone, *plot.comparison_report(result)]:
        ax.figure.draw_without_rendering()
        whole, drawn = ax.figure.bbox, ax.get_tightbbox()
        assert whole.x0 - 2 <= drawn.x0 and drawn.x1 <= whole.x1 + 2
        assert whole.y0 - 2 <= drawn.y0 and drawn.y1 <= whole.y1 + 2
        upright = [word for word in ax.get_xticklabels() if not word.get_rotation()]
        for words in (upright, [*ax.get_yticklabels(), *ax.texts]):
            boxes = [word.get_window_extent() for word in words if word.get_text() not in ("", "*")]
            assert not any(one.overlaps(other) for k, one in enumerate(boxes) for other in boxes[:k])


def many(n: int) -> Any:
    """Return a comparison of n systems with long names."""
    rng = np.random.default_rng(0)
    names = [
        f"run/{'a_reservoir_of_many_neurons' if k % 2 else 'transformer'}/blocks.{k}/out" for k in range(n)
    ]
    states = {name: rng.standard_normal((12, 2, 3)) for name in names}
    return compare(states, measure=MEASURES[1], n_null=19, n_boot=0, dims=("stimulus", "repeat", "unit"))


def test_more_dissimilarities_than_are_shown_are_told() -> None:
    ax = plot.rdms(RESULT, most=2)
    assert len(ax.images) == 2 and ax.get_xlabel() == "stimulus, for each system (the first 2 of 3)"


def test_names_lose_what_they_share_and_stay_different() -> None:
    from arcuate.plot._names import shared_path, shorten

    assert shorten(["m/net/seed0/exc", "m/net/seed1/exc"]) == ["seed0/exc", "seed1/exc"]
    assert shared_path(["m/net/a", "m/net"]) == "m/" and shared_path(["a/b"]) == ""
    assert shorten(["only/one"]) == ["only/one"]
    assert shorten(["a_very_long_name_of_a_layer.10"], most=12) == ["a_very_lo…10"]
    alike = [f"{'x' * 30}{end}{'y' * 30}" for end in "ab"]
    assert len(set(shorten(alike))) == 2


def test_what_earned_a_mark_is_outlined_among_steps() -> None:
    ax = plot.comparison(STEPS, a="net", b="near")
    marked = (STEPS.data["p_corrected"].sel(measure="toy", a="net", b="near") < 0.05).values
    edges = np.diff(np.pad(marked, 1).astype(int), axis=0), np.diff(np.pad(marked, 1).astype(int), axis=1)
    drawn = [len(one.get_segments()) for one in ax.collections]
    assert drawn == ([sum(int(np.abs(one).sum()) for one in edges)] * 2 if marked.any() else [])


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


def test_predictivity_over_time_is_a_line_for_each_system_below_its_ceiling() -> None:
    draw = np.random.default_rng(0)
    x = draw.standard_normal((60, 5, 3))
    y = x[:, None] @ draw.standard_normal((3, 4)) + draw.standard_normal((60, 6, 5, 4))
    scores = {"one": encode_over_time(x, y), "other": encode_over_time(np.zeros_like(x) + x[:, :1], y)}
    ax = plot.predictivity_over_time(scores, since=2)
    for line, found in zip(ax.lines[:2], scores.values(), strict=True):
        np.testing.assert_allclose(line.get_xydata().T, [np.arange(-2, 3), found.r_corrected])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["one", "other", "ceiling"]
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert band.max() == 1.0
    assert band.min() == pytest.approx(float(scores["one"].ceiling.min()))
    bare = plot.predictivity_over_time({"one": encode_over_time(x, y[:, 0])})
    assert bare.get_ylabel() == "median correlation, held out"
    assert bare.get_xlabel() == "step"
    assert "ceiling" not in [text.get_text() for text in bare.get_legend().get_texts()]
    assert "no scores" in plot.predictivity_over_time({}).texts[0].get_text()
    with pytest.raises(SpecError, match="scores"):
        plot.predictivity_over_time(scores["one"].r.values)
    with pytest.raises(UnknownNameError, match="step"):
        plot.predictivity_over_time({"one": {}})
