"""Pictures of time in states and of locality: what is drawn, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import xarray as xr

from arcuate import plot
from arcuate.compare import tuning_curves
from arcuate.errors import SpecError, UnknownNameError
from arcuate.probes import distance_profile, interval_code, locality_scores, step_by_step
from arcuate.tasks import BayesNet, IntervalComparison

K = np.repeat(np.arange(4.0, 13.0), 4)
PROFILE = distance_profile({"early": K[:, None], "late": np.log(K)[:, None]}, K, n_resamples=20)


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    """Leave no figure open."""
    from matplotlib import pyplot

    yield
    pyplot.close("all")


def test_laws_are_bars_below_their_ceiling() -> None:
    ax = plot.distance_laws(PROFILE)
    heights = [[bar.get_height() for bar in group] for group in ax.containers if hasattr(group, "patches")]
    np.testing.assert_allclose(np.array(heights).T, PROFILE.r_squared.values)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["early", "late"]
    assert ax.get_ylabel() == "variance explained"


def test_dissimilarities_are_those_of_the_place(tmp_path) -> None:
    ax = plot.interval_rdm(PROFILE, "late")
    np.testing.assert_allclose(ax.images[0].get_array(), PROFILE.rdm.sel(place="late").values)
    assert ax.images[0].get_extent() == [3.5, 12.5, 3.5, 12.5]
    ax.figure.savefig(tmp_path / "rdm.png")
    assert (tmp_path / "rdm.png").stat().st_size > 1000
    with pytest.raises(UnknownNameError, match="lat"):
        plot.interval_rdm(PROFILE, "lat")


def test_widths_are_those_of_tuned_units_and_lines_go_through_the_origin() -> None:
    levels = np.arange(4.0, 21.0)
    rates = np.exp(-((levels[:, None] - [8.0, 12.0]) ** 2) / (2 * np.array([1.6, 2.4]) ** 2))
    ax = plot.tuning_widths({"reservoir": tuning_curves(rates, levels)}, unit="s")
    units, law = ax.lines
    np.testing.assert_allclose(units.get_xydata(), [[8, 1.6], [12, 2.4]], rtol=1e-3)
    np.testing.assert_allclose(law.get_xydata(), [[0, 0], [12, 2.4]], rtol=1e-3)
    assert ax.get_ylabel() == "width of tuning (s)"
    none = tuning_curves(rates, levels)
    none["tuned"] = none.tuned & False
    assert "no tuned unit" in plot.tuning_widths({"none": none}).texts[0].get_text()


def test_errors_of_each_way_of_asking() -> None:
    net = BayesNet.chain(4, flip=0.1)
    scores = locality_scores(step_by_step(lambda q: np.full(q.n_draws, 0.4), net, [(0, 3)]))
    ax = plot.locality({"a": scores, "b": scores})
    direct = ax.containers[0]
    assert [bar.get_height() for bar in direct] == pytest.approx([float(scores.mse_true[0])] * 2)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["a", "b"]
    assert "no scores" in plot.locality({}).texts[0].get_text()


def test_systems_side_by_side(tmp_path) -> None:
    trials = IntervalComparison(low=4, high=14, reference=8.5).draw(150, seed=1)
    states = {"one": trials.duration[:, None] * 1.0, "two": np.log(trials.duration)[:, None]}
    code = interval_code(states, trials, trials.more, n_resamples=10)
    figure = plot.interval_codes({"a": code, "b": code, "c": code})
    figure.savefig(tmp_path / "codes.png")
    titles = [ax.get_title() for ax in figure.axes]
    assert {"a", "b", "c"} <= set(titles)
    assert figure.axes[0].get_xlabel() == "duration (places)"


@pytest.mark.parametrize(
    ("draw", "name"),
    [
        (lambda: plot.distance_laws(xr.Dataset()), "r_squared"), (lambda: plot.tuning_widths([1]), "tuning"),
        (lambda: plot.locality([1]), "scores"), (lambda: plot.interval_codes({}), "codes"),
    ],
    ids=["laws", "widths", "errors", "codes"],
)  # fmt: skip
def test_bad_results_are_refused(draw, name) -> None:
    with pytest.raises((SpecError, UnknownNameError), match=name):
        draw()
