"""The data set of simulated worms: it is what its function draws, and it says what it was drawn from."""

from __future__ import annotations

import numpy as np

import arcuate as arc
from arcuate.connectome import as_traces, example_worms, smooth


def test_the_file_is_what_the_function_draws() -> None:
    stored, drawn = arc.datasets.load("worms"), example_worms(7)
    one, other = as_traces(stored), as_traces(drawn)
    np.testing.assert_allclose(one, other, atol=1e-5)
    assert one["neuron"].equals(other["neuron"])
    assert one["animal"].equals(other["animal"])
    assert stored.events.equals(drawn.events)
    assert {key: stored.outcome[key] for key in drawn.outcome} == drawn.outcome


def test_the_seed_is_the_only_difference() -> None:
    np.testing.assert_array_equal(as_traces(example_worms(1)), as_traces(example_worms(1)))
    assert example_worms(1).outcome["communities"] != example_worms(2).outcome["communities"]


def test_neurons_of_an_active_community_move_together_and_others_do_not() -> None:
    worms = arc.datasets.load("worms")
    traces, truth = as_traces(worms), worms.outcome
    slopes = np.gradient(smooth(traces, sd_s=0.5).values, axis=2)
    time, names = traces["time"].values, traces["neuron"].values.tolist()
    for members, bouts, animals in zip(truth["communities"], truth["active"], truth["animals"], strict=True):
        inside = np.any([(time >= start) & (time <= stop) for start, stop in bouts], axis=0)
        rows = [names.index(name) for name in members]
        others = [index for index in range(len(names)) if index not in rows]
        for animal in animals:
            here = slopes[traces["animal"].values.tolist().index(animal)][:, inside]
            together = np.corrcoef(here)[np.ix_(rows, rows)][np.triu_indices(len(rows), 1)]
            apart = np.corrcoef(here)[np.ix_(rows, others)]
            assert np.nanmean(together) > 0.25 > 0.15 > abs(np.nanmean(apart))


def test_the_first_community_is_that_of_the_stimulus() -> None:
    worms = arc.datasets.load("worms")
    starts = [bout[0] for bout in worms.outcome["active"][0]]
    assert starts == worms.events["time"].values.tolist()
    assert len(worms.outcome["animals"][0]) == 6


def test_some_neurons_are_missing_and_none_everywhere() -> None:
    missing = np.isnan(as_traces(arc.datasets.load("worms"))).all("time")
    assert 5 < int(missing.sum()) < 30
    assert not missing.all("animal").any()
