"""Pictures of avalanches, branching and capacities: what is drawn, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from arcuate import analysis, plot
from arcuate.errors import SpecError, UnknownNameError

SIZES = np.random.default_rng(0).zipf(2.5, 2000)
LAW = analysis.power_law(SIZES, x_min=2)


def _process() -> np.ndarray:
    rng, activity = np.random.default_rng(0), np.full(8000, 100)
    for t in range(1, activity.size):
        activity[t] = rng.poisson(0.9 * activity[t - 1] + 10)
    return rng.binomial(activity, 0.2)


BRANCHING = analysis.branching_parameter(_process())
INPUT = np.random.default_rng(0).uniform(-1, 1, 2000)
LINE = np.stack([np.roll(INPUT, 1), np.roll(INPUT, 2)], axis=1)
MEMORY = analysis.memory_capacity(LINE, INPUT, max_delay=6)
PRODUCTS = np.column_stack([LINE, np.roll(INPUT, 1) * np.roll(INPUT, 3)])
PROCESSING = analysis.information_processing_capacity(PRODUCTS, INPUT, max_delay=6, max_degree=2)

DRAWN: dict[str, Any] = {
    "avalanches": (
        lambda ax: plot.avalanches({"size": SIZES}, fit=LAW, ax=ax),
        "size (spikes)",
        "share of avalanches as large or larger",
    ),
    "durations": (
        lambda ax: plot.avalanches({"duration": [1, 1, 4]}, quantity="duration", ax=ax),
        "duration (bins)",
        "share of avalanches as large or larger",
    ),
    "branching": (
        lambda ax: plot.branching(BRANCHING, ax=ax),
        "lag (steps)",
        "slope of activity on earlier activity",
    ),
    "memory": (lambda ax: plot.capacity_by_delay(MEMORY, ax=ax), "delay (samples)", "capacity"),
    "processing": (
        lambda ax: plot.capacity_by_delay(PROCESSING, ax=ax),
        "largest delay of a product (samples)",
        "capacity",
    ),
}


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    """Leave no figure open."""
    from matplotlib import pyplot

    yield
    pyplot.close("all")


def labels(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.mark.parametrize("name", DRAWN)
def test_it_returns_the_axes_it_was_given_with_labels_and_changes_no_settings(name: str) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    function, across, up = DRAWN[name]
    before = dict(mpl.rcParams)
    ax = Figure().subplots()
    assert function(ax) is ax
    assert (ax.get_xlabel(), ax.get_ylabel()) == (across, up)
    ax.figure.draw_without_rendering()
    assert function(None).figure is not ax.figure
    assert dict(mpl.rcParams) == before


def test_the_law_goes_through_the_shares_of_its_tail() -> None:
    ax = plot.avalanches({"size": SIZES}, fit=LAW)
    shares = next(line for line in ax.lines if line.get_marker() == "o")
    law = next(line for line in ax.lines if line.get_label().startswith("power law"))
    np.testing.assert_allclose(shares.get_ydata()[:3], [(k <= SIZES).mean() for k in (1, 2, 3)])
    x, y = law.get_data()
    assert x[0] == 2 and y[0] == pytest.approx((SIZES >= 2).mean())
    step = (
        LAW.exponent.estimate
    )  # P(x = 2) of the law: the share lost from 2 to 3, against the sum of the law
    k = np.arange(2.0, 2e6)
    assert 1 - y[1] / y[0] == pytest.approx(2**-step / np.sum(k**-step), rel=1e-4)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_slopes_stand_beside_the_exponential_that_was_fitted() -> None:
    ax = plot.branching(BRANCHING)
    measured, fitted, naive = ax.lines[:3]
    np.testing.assert_array_equal(measured.get_ydata(), BRANCHING.slope)
    ratio = fitted.get_ydata()[1:] / fitted.get_ydata()[:-1]
    np.testing.assert_allclose(ratio, BRANCHING.m.estimate)
    assert naive.get_ydata()[0] == BRANCHING.slope[0]
    assert np.abs(fitted.get_ydata() - measured.get_ydata())[:10].max() < 0.05


def test_degrees_are_stacked_up_to_the_last_delay_that_holds_something() -> None:
    ax = plot.capacity_by_delay(PROCESSING)
    heights = np.array([bar.get_height() for bar in ax.patches]).reshape(2, -1)
    np.testing.assert_allclose(heights, PROCESSING["by_delay"].values[:, :4])
    assert ax.patches[-1].get_x() + ax.patches[-1].get_width() / 2 == pytest.approx(3)
    tops = [bar.get_y() for bar in ax.patches[heights.shape[1] :]]
    np.testing.assert_allclose(tops, heights[0])
    assert labels(ax)[1].startswith("degree 2: 1 ")
    assert ax.get_legend().get_title().get_text() == "at most 3, the rank of the states"
    assert labels(plot.capacity_by_delay(MEMORY))[0].startswith("sum 2")


def test_nothing_to_draw_is_said() -> None:
    assert "no avalanches" in plot.avalanches({"size": []}).texts[0].get_text()
    assert "no capacities" in plot.capacity_by_delay(MEMORY * 0).texts[0].get_text()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: plot.avalanches({"size": SIZES}, quantity="length"), UnknownNameError, "length"),
        (lambda: plot.avalanches({"size": SIZES[:100]}, fit=LAW), SpecError, "fitted to these values"),
        (lambda: plot.avalanches({"size": SIZES}, fit=2.5), SpecError, "exponent"),
        (lambda: plot.avalanches({"start": SIZES}), UnknownNameError, "size"),
        (lambda: plot.branching(0.9), SpecError, "lag"),
        (lambda: plot.capacity_by_delay({"total": 3}), UnknownNameError, "capacity"),
    ],
    ids=["quantity", "other values", "no law", "no sizes", "number", "no capacity"],
)
def test_what_does_not_fit_is_refused(call: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        call()
