"""Pictures of traces, affinities and factors: what stands where, and what is refused."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import xarray as xr

from arcuate import plot
from arcuate.connectome import NTF, as_traces
from arcuate.errors import FitError, SpecError, UnknownNameError

NAMES = ["AVA", "AWB", "RIM", "ASE"]
FIRST, SECOND = np.triu_indices(4, 1)
EPOCHS = {"stimulus": ["NaCl", "air"], "time": [2.0, 6.0], "duration": [1.0, 2.0]}


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    """Leave no figure open."""
    from matplotlib import pyplot

    yield
    pyplot.close("all")


def traces() -> xr.DataArray:
    data = np.random.default_rng(0).random((2, 4, 40))
    data[1, 2] = np.nan
    return as_traces(data, dims=("animal", "neuron", "time"), rate_hz=4.0, labels=NAMES, animals=["w1", "w2"])


def affinity() -> xr.DataArray:
    values = np.random.default_rng(1).random((6, 40, 2))
    values[0, :, 1] = np.nan
    names = np.array(NAMES)
    return xr.DataArray(
        values,
        dims=("pair", "time", "animal"),
        coords={
            "first": ("pair", names[FIRST]),
            "second": ("pair", names[SECOND]),
            "time": np.arange(40) / 4,
            "animal": ["w1", "w2"],
        },
    )


MODEL = NTF(2, n_starts=1, seed=1).fit(affinity().fillna(0.1))

DRAWN: dict[str, Any] = {
    "trace_map": lambda ax: plot.trace_map(traces(), stimuli=EPOCHS, ax=ax),
    "affinity_map": lambda ax: plot.affinity_map(affinity(), stimuli=[(2.0, 3.0)], ax=ax),
    "factors": lambda ax: plot.factors(MODEL, communities=[0, 1, 0, 1], stimuli=EPOCHS, ax=ax),
}
WORDS = {
    "trace_map": ("time (s)", "neuron"),
    "affinity_map": ("time (s)", "pair, closest above"),
    "factors": ("pair  |  time (s)  |  animal", "component"),
}


@pytest.mark.parametrize("name", DRAWN)
def test_it_returns_the_axes_it_was_given_with_labels_and_units(name: str) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    before = dict(mpl.rcParams)
    ax = Figure().subplots()
    assert DRAWN[name](ax) is ax
    assert (ax.get_xlabel(), ax.get_ylabel()) == WORDS[name]
    ax.figure.savefig(io.BytesIO())
    assert DRAWN[name](None).figure is not ax.figure
    assert dict(mpl.rcParams) == before


class TestTraces:
    def test_each_neuron_has_its_own_range_and_a_missing_one_is_not_drawn(self) -> None:
        shown = np.ma.filled(plot.trace_map(traces(), animal="w2").images[0].get_array(), np.nan)
        assert np.isnan(shown[2]).all()
        np.testing.assert_array_equal([shown[[0, 1, 3]].min(1), shown[[0, 1, 3]].max(1)], [[0] * 3, [1] * 3])

    def test_stimuli_are_named_above(self) -> None:
        ax = plot.trace_map(traces(), stimuli=EPOCHS)
        assert [text.get_text() for text in ax.texts] == ["NaCl", "air"]
        assert [line.get_xdata().tolist() for line in ax.lines] == [[2.0, 3.0], [6.0, 8.0]]
        assert ax.get_xlim() == (-0.125, 9.875)

    def test_an_animal_that_is_not_there(self) -> None:
        with pytest.raises(UnknownNameError, match="w2"):
            plot.trace_map(traces(), animal="w3")

    def test_an_animal_without_neurons_is_said(self) -> None:
        array = traces()
        array[1] = np.nan
        assert "no neuron of w2" in plot.trace_map(array, animal="w2").texts[0].get_text()


class TestAffinities:
    def test_the_closest_pairs_stand_above(self) -> None:
        array = affinity()
        rows = np.asarray(plot.affinity_map(array, animal="w1", most=3).images[0].get_array())
        mean = array.sel(animal="w1").values
        np.testing.assert_array_equal(rows, mean[np.argsort(-mean.mean(1))[:3]])

    def test_the_mean_is_over_the_animals_that_have_the_pair(self) -> None:
        array = affinity()
        rows = np.asarray(plot.affinity_map(array).images[0].get_array())
        mean = np.nanmean(array.values, axis=2)
        np.testing.assert_allclose(rows, mean[np.argsort(-mean.mean(1))])

    def test_what_is_no_affinity(self) -> None:
        with pytest.raises(SpecError, match="dims pair, time and animal"):
            plot.affinity_map(np.ones((3, 4, 5)))
        with pytest.raises(UnknownNameError, match="w1"):
            plot.affinity_map(affinity(), animal="x")
        assert "no pair" in plot.affinity_map(affinity() * np.nan).texts[0].get_text()


class TestFactors:
    def test_a_row_for_each_component_with_matrix_curve_and_bars(self) -> None:
        panels = plot.factors(MODEL, communities=[0, 1, 0, 1]).child_axes
        assert len(panels) == 6
        order = [0, 2, 1, 3]
        expected = MODEL.graph(1).values[np.ix_(order, order)]
        np.testing.assert_allclose(panels[3].images[0].get_array(), expected)
        np.testing.assert_array_equal(panels[4].lines[0].get_ydata(), MODEL.factors_[1][:, 1])
        np.testing.assert_array_equal(
            [bar.get_height() for bar in panels[5].patches], MODEL.factors_[2][:, 1]
        )
        assert [text.get_text() for text in panels[5].get_xticklabels()] == ["w1", "w2"]

    def test_stimuli_are_shaded_behind_every_curve(self) -> None:
        panels = plot.factors(MODEL, stimuli=EPOCHS).child_axes
        for panel in panels[1::3]:
            edges = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in panel.patches]
            assert edges == [(2.0, 3.0), (6.0, 8.0)]

    def test_some_components_of_a_result(self) -> None:
        ax = plot.factors(MODEL.result_, components=[1])
        assert [text.get_text() for text in ax.get_yticklabels()] == ["1"]
        assert len(ax.child_axes) == 3

    def test_communities_of_every_component_may_differ(self) -> None:
        panels = plot.factors(MODEL, communities=[[0, 0, 0, 0], [1, 0, 1, 0]]).child_axes
        np.testing.assert_allclose(panels[0].images[0].get_array(), MODEL.graph(0).values)
        order = [1, 3, 0, 2]
        np.testing.assert_allclose(
            panels[3].images[0].get_array(), MODEL.graph(1).values[np.ix_(order, order)]
        )

    def test_any_other_mode_is_bars(self) -> None:
        data = np.random.default_rng(0).random((5, 4, 3))
        model = NTF(1, n_starts=1).fit(data)
        panels = plot.factors(model).child_axes
        assert [len(panel.patches) for panel in panels] == [5, 4, 3]

    def test_a_model_that_is_not_fitted_or_no_factorization(self) -> None:
        with pytest.raises(FitError, match=r"this NTF is not fitted. Call fit first"):
            plot.factors(NTF(2))
        with pytest.raises(SpecError, match="must be a result that has 'weight'"):
            plot.factors(np.zeros((3, 3)))

    def test_nothing_to_show_is_said(self) -> None:
        assert "no component" in plot.factors(MODEL, components=[]).texts[0].get_text()

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"components": [2]}, "component = 2"),
            ({"communities": [0, 1]}, "must be 4 labels"),
            ({"communities": ["a", "b", "a", "b"]}, "whole numbers"),
            ({"stimuli": [(3.0, 2.0)]}, "start, stop"),
            ({"stimuli": {"time": [1.0]}}, "time and duration"),
        ],
        ids=["component", "labels", "words", "stimulus", "table"],
    )
    def test_what_does_not_fit(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(SpecError, match=message):
            plot.factors(MODEL, **options)
