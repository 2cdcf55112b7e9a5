"""Expected figures, their reading, and verdicts that are computed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import arcuate.models
from arcuate.errors import FileFormatError, SpecError, UnknownNameError
from arcuate.study.reproduction import (
    Figure,
    Reproduction,
    default_seeds,
    differences,
    judge,
    load_reproduce,
    parse_seeds,
    read_expected,
)

ENTRY = '[[figure]]\nname = "error"\nwhat = "the error"\nsource = "card"\n'


def write(tmp_path: Path, text: str) -> Path:
    """Return an expected.toml with the text."""
    path = tmp_path / "expected.toml"
    path.write_text(text, encoding="utf-8")
    return path


def figure(
    statistic: str, values: dict[int, float], low: float = -math.inf, high: float = math.inf
) -> Figure:
    """Return a figure with values."""
    return Figure(
        name="f",
        what="w",
        statistic=statistic,
        low=low,
        high=high,
        unit="ms",
        source="s",
        expected_seeds=(0,),
        values=values,
    )


class TestVerdict:
    @pytest.mark.parametrize(
        ("statistic", "values", "got"),
        [
            ("median", {0: 1.0, 1: 9.0, 2: 2.0}, 2.0),
            ("mean", {0: 1.0, 1: 3.0}, 2.0),
            ("min", {0: 1.0, 1: 3.0}, 1.0),
            ("max", {0: 1.0, 1: 3.0}, 3.0),
            ("std", {0: 1.0, 1: 3.0}, math.sqrt(2.0)),
            ("median", {0: 1.0, 1: math.inf, 2: math.inf}, math.inf),
        ],
    )
    def test_the_statistic_over_seeds(self, statistic: str, values: dict[int, float], got: float) -> None:
        assert figure(statistic, values).got == pytest.approx(got)

    @pytest.mark.parametrize(("value", "holds"), [(1.0, True), (2.0, True), (0.999, False), (2.001, False)])
    def test_the_bounds_are_included(self, value: float, holds: bool) -> None:
        assert figure("median", {0: value}, 1.0, 2.0).verdict == ("holds" if holds else "fails")

    @pytest.mark.parametrize("values", [{}, {0: math.nan}, {0: 1.5, 1: math.nan}])
    def test_nothing_and_nan_never_hold(self, values: dict[int, float]) -> None:
        assert figure("median", values, 1.0, 2.0).verdict == "fails"
        assert figure("all", values, -math.inf, math.inf).verdict == "fails"

    def test_never_recovering_holds_where_it_is_expected(self) -> None:
        assert figure("median", {0: math.inf, 1: math.inf}, low=100.0).holds
        assert figure("all", {0: math.inf, 1: 120.0}, low=100.0).got == 120.0
        assert not figure("median", {0: math.inf}, high=15.0).holds

    @given(
        values=st.lists(st.floats(-10, 10), min_size=1, max_size=8),
        low=st.floats(-5, 0),
        high=st.floats(0, 5),
    )
    def test_all_means_every_seed(self, values: list[float], low: float, high: float) -> None:
        seeds = dict(enumerate(values))
        assert figure("all", seeds, low, high).holds == all(low <= value <= high for value in values)

    def test_a_reproduction_holds_if_all_that_is_judged_does(self) -> None:
        good, bad = figure("median", {0: 1.5}, 1.0, 2.0), figure("median", {0: 3.0}, 1.0, 2.0)
        skipped = Figure(**{**vars(bad), "judged": False})
        assert Reproduction(model="m", figures=(good, skipped)).holds
        assert not Reproduction(model="m", figures=(good, bad)).holds
        assert not Reproduction(model="m", figures=(skipped,)).holds

    @pytest.mark.parametrize(
        ("low", "high", "text"),
        [(-math.inf, 20.0, "<= 20 ms"), (0.97, math.inf, ">= 0.97 ms"), (0.85, 1.05, "0.85 to 1.05 ms")],
    )
    def test_bounds_are_written_as_people_do(self, low: float, high: float, text: str) -> None:
        assert figure("median", {}, low, high).expected == text


class TestExpected:
    def test_every_way_of_writing_bounds(self, tmp_path: Path) -> None:
        bounds = ["high = 20", "low = 0.97", "low = 1\nhigh = 2", "value = 3.0\ntolerance = 0.5"]
        text = "".join(ENTRY.replace('"error"', f'"f{i}"') + bound + "\n" for i, bound in enumerate(bounds))
        figures = read_expected(write(tmp_path, text))
        assert [(f.low, f.high) for f in figures] == [(-math.inf, 20), (0.97, math.inf), (1, 2), (2.5, 3.5)]
        assert [(f.statistic, f.unit, f.expected_seeds, f.judged) for f in figures] == [
            ("median", "", (0,), True)
        ] * 4

    @pytest.mark.parametrize(
        ("text", "word"),
        [
            ("", "figure"),
            ("x = 1", "figure"),
            ("[figure]\nname = 'a'", "figure"),
            ("not toml", "TOML"),
            (ENTRY, "low and/or high"),
            (ENTRY + "value = 1.0", "tolerance"),
            (ENTRY + "value = 1.0\ntolerance = 0.1\nhigh = 2", "low and/or high"),
            (ENTRY + "value = 1.0\ntolerance = -0.1", "tolerance"),
            (ENTRY + "low = 2\nhigh = 1", "low"),
            (ENTRY + "high = nan", "high"),
            (ENTRY + 'high = "20"', "high"),
            (ENTRY + "high = 1\nquick = 1", "quick"),
            (ENTRY + "high = 1\nseeds = 3", "seeds"),
            (ENTRY + 'high = 1\nseeds = "a"', "seeds"),
            (ENTRY + 'high = 1\nstatistic = "mode"', "statistic"),
            (ENTRY + "hihg = 1", "high"),
            (ENTRY.replace('source = "card"', 'source = " "') + "high = 1", "source"),
            (ENTRY.replace('what = "the error"\n', "") + "high = 1", "what"),
            ((ENTRY + "high = 1\n") * 2, "one figure"),
        ],
    )
    def test_what_is_wrong_is_named(self, tmp_path: Path, text: str, word: str) -> None:
        with pytest.raises((FileFormatError, SpecError), match=word) as caught:
            read_expected(write(tmp_path, text))
        assert len(str(caught.value).splitlines()) <= 4

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(FileFormatError, match=r"expected\.toml"):
            read_expected(tmp_path / "expected.toml")


class TestJudge:
    TEXT = (
        ENTRY + 'high = 20\nseeds = "0-9"\n' + ENTRY.replace('"error"', '"slow"') + "low = 1\nquick = false\n"
    )

    def test_values_meet_their_figures(self, tmp_path: Path) -> None:
        path = str(write(tmp_path, self.TEXT))
        full = judge(path, {"error": {0: 3.0, 1: 30.0}, "slow": 0.5})
        assert [f.verdict for f in full] == ["holds", "fails"]
        assert full[1].values == {0: 0.5}
        quick = judge(path, {"error": {0: 3.0}}, quick=True)
        assert [f.verdict for f in quick] == ["holds", "not judged"]
        assert [f.verdict for f in judge(path, {"error": {0: 3.0}})] == ["holds", "fails"]

    def test_a_figure_that_nobody_expects_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(UnknownNameError, match="error"):
            judge(str(write(tmp_path, self.TEXT)), {"errors": {0: 1.0}})

    @pytest.mark.parametrize("value", ["fast", None, {0: "fast"}, [1.0, 2.0]])
    def test_a_value_that_is_no_number_is_named(self, tmp_path: Path, value: Any) -> None:
        with pytest.raises(SpecError, match="error"):
            judge(str(write(tmp_path, self.TEXT)), {"error": value})


class TestSeeds:
    @pytest.mark.parametrize(
        ("text", "seeds"), [("0", (0,)), ("0-3", (0, 1, 2, 3)), ("7, 1-2", (7, 1, 2)), ("5-5", (5,))]
    )
    def test_numbers_and_ranges(self, text: str, seeds: tuple[int, ...]) -> None:
        assert parse_seeds(text) == seeds

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "a",
            "-1",
            "3-1",
            "1-",
            "1,,2",
            "1,1",
            "0-2,2",
            "0-1000000000",
            "1.5",
            "\u0663",
            "1e3",
            "9" * 50,
        ],
    )
    def test_anything_else_is_refused(self, text: str) -> None:
        with pytest.raises(SpecError, match="seeds"):
            parse_seeds(text)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Publish a model without reproduce.py."""
    place = tmp_path / "models" / "tiny"
    place.mkdir(parents=True)
    (place / "model.toml").write_text("", encoding="utf-8")
    monkeypatch.setattr(arcuate.models, "models_folder", lambda: place.parent)
    return place


class TestLoading:
    def test_the_function_of_the_file(self, folder: Path) -> None:
        (folder / "reproduce.py").write_text("def reproduce(*words):\n    return words\n", encoding="utf-8")
        assert load_reproduce("tiny")(1, 2) == (1, 2)

    @pytest.mark.parametrize("text", ["", "reproduce = 3"])
    def test_a_file_without_it(self, folder: Path, text: str) -> None:
        (folder / "reproduce.py").write_text(text, encoding="utf-8")
        with pytest.raises(FileFormatError, match="reproduce"):
            load_reproduce("tiny")

    def test_no_file(self, folder: Path) -> None:
        with pytest.raises(FileFormatError, match=r"reproduce\.py"):
            load_reproduce("tiny")

    @pytest.mark.parametrize("name", ["../tiny", "tiny/../tiny", "/tiny", "tiny/reproduce", "", "."])
    def test_only_a_published_name_is_run(self, folder: Path, name: str) -> None:
        (folder / "reproduce.py").write_text("raise SystemExit(3)\n", encoding="utf-8")
        with pytest.raises(UnknownNameError):
            load_reproduce(name)

    def test_default_seeds_are_those_of_the_figures(self, folder: Path) -> None:
        (folder / "expected.toml").write_text(
            ENTRY
            + 'high = 1\nseeds = "3-5"\n'
            + ENTRY.replace('"error"', '"b"')
            + 'high = 1\nseeds = "4-7"\n',
            encoding="utf-8",
        )
        assert default_seeds("tiny") == (3, 4, 5, 6, 7)
        assert default_seeds("tiny", quick=True) == (3,)


class TestDifferences:
    def test_the_interval_is_that_of_a_paired_t_test(self) -> None:
        from scipy.stats import ttest_rel

        rng = np.random.default_rng(1)
        old, new, far = rng.normal(size=5), rng.normal(size=5), rng.normal(size=5) + 9
        found = differences({"old": old, "new": new, "far": far, "low": old - far}, "old")
        interval = ttest_rel(new, old).confidence_interval(0.95)
        assert found["difference"][1] - found["half_width"][1] == pytest.approx(interval.low)
        assert found["difference"][1] + found["half_width"][1] == pytest.approx(interval.high)
        assert found["verdict"] == ["no difference", "no difference", "ahead", "behind"]

    def test_one_seed_decides_nothing(self) -> None:
        found = differences({"old": [1.0], "new": [9.0]}, "old")
        assert found["half_width"] == [math.inf] * 2
        assert found["verdict"][1] == "no difference"

    def test_what_cannot_be_compared(self) -> None:
        with pytest.raises(SpecError, match="new = 1: must have 2 values"):
            differences({"old": [1.0, 2.0], "new": [1.0]}, "old")
        with pytest.raises(UnknownNameError, match="'old'"):
            differences({"old": [1.0, 2.0]}, "odl")
