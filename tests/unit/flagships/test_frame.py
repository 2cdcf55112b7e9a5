"""The frame of the flagship comparisons, on a toy: verdicts, statistics over seeds, files, the command."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from arcuate import flagships
from arcuate.cli.app import app
from arcuate.errors import ArcuateError, FileFormatError, SpecError, UnknownNameError
from arcuate.flagships import (
    Claim,
    FlagshipResult,
    Hypothesis,
    Steps,
    claim_over_seeds,
    paired,
    seed_interval,
)
from arcuate.flagships._steps import Progress, ShownProgress

NUMBERS = st.floats(-100, 100)
VERDICTS = {"supported", "contradicted", "undecided"}


def _claim(low: float, estimate: float, high: float, **more: float) -> Claim:
    return Claim(
        name="value",
        question="Is it in the range?",
        statistic="value",
        estimate=estimate,
        low=low,
        high=high,
        **more,  # type: ignore[arg-type]
    )


class TestClaim:
    @given(st.tuples(NUMBERS, NUMBERS, NUMBERS).map(sorted), NUMBERS)
    def test_the_verdict_follows_from_the_interval_and_the_bound(
        self, interval: list[float], bound: float
    ) -> None:
        low, estimate, high = interval
        verdict = _claim(low, estimate, high, above=bound).verdict
        assert (verdict == "supported") == (low > bound)
        assert (verdict == "contradicted") == (high < bound)
        mirrored = _claim(-high, -estimate, -low, below=-bound).verdict
        assert mirrored == verdict

    @given(st.tuples(NUMBERS, NUMBERS, NUMBERS).map(sorted), st.tuples(NUMBERS, NUMBERS).map(sorted))
    def test_of_a_range_the_interval_lies_within_without_or_across(
        self, interval: list[float], span: list[float]
    ) -> None:
        low, estimate, high = interval
        if span[0] == span[1]:
            return
        verdict = _claim(low, estimate, high, above=span[0], below=span[1]).verdict
        assert (verdict == "supported") == (span[0] < low and high < span[1])
        assert (verdict == "contradicted") == (high < span[0] or low > span[1])

    def test_no_difference_at_all_does_not_support_a_difference(self) -> None:
        assert _claim(0.0, 0.0, 0.0, above=0.0).verdict == "undecided"

    def test_what_was_not_measured_or_has_no_interval_decides_nothing(self) -> None:
        missing = _claim(math.nan, math.nan, math.nan, above=0.0)
        single = _claim(-math.inf, 5.0, math.inf, above=0.0)
        assert missing.verdict == single.verdict == "undecided"
        assert missing.interval == "none: not measured"
        assert single.interval == "none: n = 1"

    @pytest.mark.parametrize("span", [{}, {"above": 1.0, "below": 1.0}, {"above": 2.0, "below": 1.0}])
    def test_it_must_claim_something(self, span: dict[str, float]) -> None:
        with pytest.raises(SpecError, match="must claim a range"):
            _claim(0.0, 1.0, 2.0, **span)

    def test_an_estimate_outside_its_interval_is_refused(self) -> None:
        with pytest.raises(SpecError, match="within its interval"):
            _claim(0.0, 3.0, 2.0, above=0.0)

    def test_the_sentence_holds_the_numbers(self) -> None:
        claim = _claim(1.0, 2.0, 3.0, above=0.5, null=0.25, ceiling=9.0)
        assert claim.sentence == (
            "Is it in the range? Supported: value 2, interval 1 to 3 (n = 1), claimed > 0.5, "
            "null 0.25, ceiling 9."
        )


class TestHypothesis:
    @given(st.lists(st.sampled_from([(1, "supported"), (-1, "contradicted"), (0, "undecided")]), min_size=1))
    def test_all_and_any(self, chosen: list[tuple[int, str]]) -> None:
        claims = tuple(_claim(2.0 * x - 1, 2.0 * x, 2.0 * x + 1, above=0.0) for x, _ in chosen)
        words = {word for _, word in chosen}
        every = Hypothesis(name="H", text="all", claims=claims).verdict
        some = Hypothesis(name="H", text="any", claims=claims, rule="any").verdict
        assert (every == "supported") == (words == {"supported"})
        assert (every == "contradicted") == ("contradicted" in words)
        assert (some == "supported") == ("supported" in words)
        assert (some == "contradicted") == (words == {"contradicted"})

    def test_it_needs_claims_and_a_rule(self) -> None:
        with pytest.raises(SpecError, match="one or more claims"):
            Hypothesis(name="H", text="nothing", claims=())
        with pytest.raises(SpecError, match="rule"):
            Hypothesis(name="H", text="x", claims=(_claim(0, 1, 2, above=0),), rule="most")


class TestSeeds:
    def test_the_interval_is_that_of_student(self) -> None:
        from scipy.stats import ttest_1samp

        values = dict(enumerate([1.0, 4.0, 2.0, 8.0, 5.0]))
        band = seed_interval(values)
        truth = ttest_1samp(list(values.values()), 0.0).confidence_interval(0.95)
        assert (band.low, band.high) == pytest.approx((truth.low, truth.high))
        assert band.estimate == pytest.approx(4.0)

    def test_it_covers_the_truth_as_often_as_it_says(self) -> None:
        draws = np.random.default_rng(3).standard_normal((2000, 4))
        bands = [seed_interval(dict(enumerate(row))) for row in draws]
        covered = np.mean([band.low <= 0.0 <= band.high for band in bands])
        assert covered == pytest.approx(0.95, abs=0.02)  # four standard errors

    def test_it_is_cut_at_what_the_statistic_can_be(self) -> None:
        band = seed_interval({0: 80.0, 1: 89.0}, low=0.0, high=90.0)
        assert (band.low, band.high) == (pytest.approx(27.33, abs=0.01), 90.0)

    def test_few_or_missing_values_give_no_interval(self) -> None:
        assert seed_interval({0: 1.0}, low=0.0, high=2.0).low == -math.inf
        assert math.isnan(seed_interval({0: 1.0, 1: math.nan}).estimate)
        assert math.isnan(seed_interval({}).low)

    def test_pairs_go_by_seed(self) -> None:
        assert paired({0: 1.0, 1: 2.0}, {1: 5.0, 0: 3.0}) == {0: -2.0, 1: -3.0}
        with pytest.raises(SpecError, match="same seeds"):
            paired({0: 1.0}, {1: 1.0})


def _toy(seeds: tuple[int, ...], quick: bool, progress: Progress) -> FlagshipResult:
    from arcuate import plot

    steps = Steps(progress, len(seeds) + 1)
    values = {}
    for seed in seeds:
        steps(f"seed {seed}")
        values[seed] = 10.0 + seed + quick
    steps("figure")
    steps.inner(1, 2)
    claim = claim_over_seeds(
        values,
        name="value/toy",
        question="Is <it> above 5?",
        statistic="value",
        above=5.0,
        unit="Hz",
        null=0.0,
    )
    lone = claim_over_seeds({0: 1.0}, name="lone", question="Is one enough?", statistic="value", below=2.0)
    data = xr.Dataset({"value": ("seed", list(values.values()))}, coords={"seed": list(seeds)})
    return FlagshipResult(
        name="toy",
        title="Is the toy above 5?",
        data=data,
        claims=(claim, lone),
        hypotheses=(Hypothesis(name="H1", text="the toy is above 5", claims=(claim,)),),
        plots={"toy": plot.panels(1, 1)[0].figure},
        caveats=("It is a toy & nothing else.",),
        tables={"per seed": {"seed": list(seeds), "value": list(values.values())}},
    )


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Add a small flagship, and stand in an empty folder."""
    module = ModuleType("arcuate.flagships.toy")
    module.flagship, module.SEEDS, module.QUICK_SEEDS = _toy, (0, 1, 2), (0, 1)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "arcuate.flagships.toy", module)
    monkeypatch.setattr(flagships, "NAMES", (*flagships.NAMES, "toy"))
    monkeypatch.chdir(tmp_path)
    return "toy"


class TestRun:
    def test_the_numbers_say_where_they_came_from(self, toy: str) -> None:
        labels: list[str] = []
        result = flagships.run(
            toy, progress=lambda done, total, label: labels.append(f"{done:g}/{total:g} {label}")
        )
        assert result.seeds == (0, 1, 2) and not result.quick
        about = result.data.attrs
        assert (about["schema"], about["flagship"], about["seeds"]) == (
            "arcuate.flagship/1",
            "toy",
            "0, 1, 2",
        )
        assert json.loads(about["versions"])["protocol"] == "full"
        assert labels == ["0/4 seed 0", "1/4 seed 1", "2/4 seed 2", "3/4 figure", "3.5/4 figure"]

    def test_quick_and_own_seeds(self, toy: str) -> None:
        assert flagships.run(toy, quick=True, progress=False).seeds == (0, 1)
        assert flagships.run(toy, seeds=[7], progress=False).claim("value/toy").verdict == "undecided"

    @pytest.mark.parametrize("seeds", [[], [1, 1], "12", [-1], [0.5]])
    def test_bad_seeds_are_refused(self, toy: str, seeds: object) -> None:
        with pytest.raises(ArcuateError, match="seeds"):
            flagships.run(toy, seeds=seeds)  # type: ignore[arg-type]

    def test_unknown_names_bring_the_nearest(self, toy: str) -> None:
        with pytest.raises(UnknownNameError, match="Did you mean 'toy'"):
            flagships.run("toi")
        with pytest.raises(UnknownNameError, match="value/toy"):
            flagships.run(toy, progress=False).claim("value/toi")

    def test_claims_differ_in_name(self) -> None:
        claim = _claim(0, 1, 2, above=0)
        with pytest.raises(SpecError, match="differ in name"):
            FlagshipResult(name="x", title="x", data=xr.Dataset(), claims=(claim, claim))

    def test_a_bar_takes_the_labels(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("arcuate._progress.BAR_AFTER", -1.0)
        with ShownProgress(True, "toy") as shown:
            shown(1, 4, "first")
            shown(3, 4, "second")
            assert shown._bar is not None and shown._bar._bar is not None
            assert (shown._bar._bar.desc, shown._bar._bar.n) == ("second: ", 750)


class TestSave:
    def test_all_files_are_there_and_hold_the_same(self, toy: str) -> None:
        result = flagships.run(toy, progress=False)
        page = result.save("result", wall_seconds=3.0).read_text(encoding="utf-8")
        with xr.open_dataset("result/result.nc", engine="h5netcdf") as data:
            assert data["value"].values.tolist() == [10.0, 11.0, 12.0]
            assert data.attrs["flagship"] == "toy"
        assert Path("result/verdict.txt").read_text() == result.verdict + "\n"
        summary = json.loads(Path("result/claims.json").read_text())
        assert summary["hypotheses"][0]["verdict"] == summary["claims"][0]["verdict"] == "supported"
        assert summary["claims"][1]["low"] == "-inf"
        assert "Is &lt;it&gt; above 5?" in page and "a toy &amp; nothing" in page and "It took 3 s" in page
        assert "http" not in page.replace("http-equiv", "") and "<script" not in page

    def test_a_folder_that_holds_something_is_refused(self, toy: str) -> None:
        result = flagships.run(toy, progress=False)
        result.save("result")
        with pytest.raises(FileFormatError, match="force"):
            result.save("result")
        assert result.save("result", force=True).is_file()


class TestCommand:
    def test_it_prints_the_claims_and_any_verdict_is_no_failure(self, toy: str) -> None:
        done = CliRunner().invoke(app, ["compare", "toy", "--quick"])
        assert done.exit_code == 0, done.output
        assert "supported" in done.output and "undecided" in done.output
        assert "H1, the toy is above 5" in done.output and "note: It is a toy" in done.output
        assert Path("out/toy/report.html").is_file()
        assert CliRunner().invoke(app, ["compare", "toy", "--seeds", "3-5", "--force"]).exit_code == 0

    def test_mistakes_exit_with_2_before_anything_runs(self, toy: str) -> None:
        unknown = CliRunner().invoke(app, ["compare", "toi"])
        assert unknown.exit_code == 2 and "Did you mean 'toy'" in unknown.output
        Path("full").mkdir()
        Path("full/file").write_text("x")
        held = CliRunner().invoke(app, ["compare", "toy", "--out", "full"])
        assert held.exit_code == 2 and "must be empty" in held.output


def test_the_how_to_and_the_help_name_every_flagship() -> None:
    page = (Path(__file__).parents[3] / "docs" / "howto" / "flagships.md").read_text(encoding="utf-8")
    told = " ".join(CliRunner().invoke(app, ["compare", "--help"]).output.split())
    for name in flagships.NAMES:
        assert f"`{name}`" in page or f"compare {name}" in page
        assert name in told
