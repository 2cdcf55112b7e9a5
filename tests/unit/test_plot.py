"""Pictures: labels with units, what degenerate results look like, many spikes, no display."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from arcuate import memory, plot, tasks
from arcuate.analysis import amplitude_vs_probability as fit_line
from arcuate.analysis import bootstrap_interval, trials_to_criterion
from arcuate.errors import ArcuateError, SpecError, UnknownNameError
from arcuate.recording import Recording
from arcuate.tasks import Maze

TIMES = np.linspace(0.0, 1.2, 121)

THOUGHTS = {
    "accuracy_by_tick",
    "animate_thought",
    "attention_path",
    "calibration",
    "calibration_by_tick",
    "dimensionality",
    "halting_curve",
    "neuron_traces",
    "phase_map",
    "risk_coverage",
    "synchrony_matrices",
    "wave_map",
}
"""Tested in test_plot_thought.py."""

CONNECTOME = {
    "affinity_map",
    "block_matrix",
    "chords",
    "community_flow",
    "factors",
    "model_order",
    "trace_map",
}
"""Tested in test_plot_traces.py, test_plot_communities.py and connectome/test_order.py."""

COMPARISON = {"comparison", "comparison_report", "dsa", "predictivity", "predictivity_over_time", "rdms"}
"""Tested in test_plot_comparison.py."""

PROBES = {
    "ablation_effects",
    "activation_growth",
    "activation_ratio",
    "answer_sources",
    "attribution_bars",
    "dissociation",
    "distance_laws",
    "dose_response",
    "head_map",
    "interval_codes",
    "interval_rdm",
    "lens_map",
    "locality",
    "logit_trajectory",
    "patching_map",
    "pointer_weights",
    "probe_profile",
    "skip_curve",
    "strategies",
    "three_memories",
    "ticks_and_layers",
    "transition",
    "tuning_widths",
    "voids",
    "what_and_when",
}
"""Tested in test_plot_depth, _mechanisms, _patching, _probes, _temporal and _transition, and in flagships."""

ANALYSES = {"avalanches", "branching", "capacity_by_delay"}
"""Tested in test_plot_analysis.py."""


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    """Leave no figure open."""
    from matplotlib import pyplot

    yield
    pyplot.close("all")


def recording(n_spikes: int, n: int = 5, *, seed: int = 0) -> Recording:
    """Return a recording of uniform spikes of two populations."""
    rng = np.random.default_rng(seed)
    spikes = {}
    for name in ("exc", "inh"):
        times = np.sort(rng.random(n_spikes))
        spikes[name] = {"time": times, "neuron": rng.integers(0, n, n_spikes), "n": n}
    return Recording.build(source="numba", seed=1, spikes=spikes, duration=1.0)


def bump(latency: float, height: float) -> np.ndarray:
    """Return a teacher's bump."""
    return height * np.exp(-((TIMES - latency) ** 2) / (2 * 0.03**2))


def blocks() -> dict[str, Any]:
    """Return read-outs and targets of two blocks and two outcomes."""
    target = np.stack(
        [np.stack([bump(0.4, 0.8), bump(0.4, 0.2)], 1), np.stack([bump(0.7, 0.2), bump(0.7, 0.8)], 1)]
    )
    return {"time": TIMES, "prediction": 0.9 * target, "target": target}


STUDY = {
    "gain": [0.1, 0.1, 0.2, 0.2, 0.1],
    "tau": ["20 ms", "5 ms", "20 ms", "5 ms", "20 ms"],
    "seed": [0, 0, 0, 0, 1],
    "error": [3.0, 4.0, 5.0, np.nan, 5.0],
    "spikes": [50.0, 40.0, 30.0, 20.0, 60.0],
}
"""Columns of a study: two fields, a repeat, a missing value."""

BLOCKING = memory.condition(tasks.EXPERIMENTS["blocking"])
HEBB = [memory.retrieval_error("hebb", [d // 4, d], d_key=d, trials=2) for d in (16, 32)]

STEPS = memory.PMIMemory(memory.PMIConfig(d_model=8, n_heads=2, n_slots=5)).run(np.ones((3, 1, 4, 8)))

COUPLED = {"adjacency": -np.eye(3), "confidence": np.full((3, 3), 0.9), "state_weight": np.ones((2, 3, 3))}

MAZES = Maze().draw(4, seed=0)


def texts(ax: Any) -> str:
    """Return every word in the axes."""
    return " ".join(text.get_text() for text in ax.texts)


def labels(ax: Any) -> list[str]:
    """Return the words of the legend."""
    return [text.get_text() for text in ax.get_legend().get_texts()]


def draw(ax: Any, form: str = "png") -> bytes:
    """Draw for real and return the file."""
    buffer = io.BytesIO()
    ax.figure.savefig(buffer, format=form)
    return buffer.getvalue()


PROPER: dict[str, tuple[Any, str, str]] = {
    "omission": (
        lambda ax: plot.omission({"when": [1.0, 0.5, 0.2, 0.6]}, withheld=(1, 3), ax=ax),
        "trial",
        "probe output",
    ),
    "raster": (lambda ax: plot.raster(recording(200), ax=ax), "time (ms)", "neuron"),
    "state_map": (
        lambda ax: plot.state_map(np.random.default_rng(0).random((4, 50, 7)), ax=ax),
        "sample",
        "unit, by time of its peak",
    ),
    "prediction_by_block": (
        lambda ax: plot.prediction_by_block(blocks(), ax=ax),
        "time since the cue (ms), one block after another",
        "read-out",
    ),
    "amplitude_vs_probability": (
        lambda ax: plot.amplitude_vs_probability(
            {"probability": [0.1, 0.5, 0.9], "amplitude": [[0.1, 0.4, 0.8], [0.1, 0.5, 0.9]]}, ax=ax
        ),
        "probability of the outcome",
        "amplitude of the prediction",
    ),
    "timing_error": (
        lambda ax: plot.timing_error(
            {"ours": np.zeros((3, 40)), "FORCE": np.full(40, 0.3)}, switches=[20], ax=ax
        ),
        "trial",
        "timing error (ms)",
    ),
    "trials_to_criterion": (
        lambda ax: plot.trials_to_criterion(
            {"ours": {"L": [7, 9, 8]}, "FORCE": {"L": [np.inf] * 3}}, limit=150, ax=ax
        ),
        "",
        "trials to criterion",
    ),
    "angle": (
        lambda ax: plot.angle(np.full(40, 86.0), nulls={"isotropic": (84.3, 87.2, 89.7)}, ax=ax),
        "trial",
        "angle (degrees)",
    ),
    "modulators": (
        lambda ax: plot.modulators({"time": TIMES, "when": np.ones((5, 121)), "what": np.zeros(121)}, ax=ax),
        "time since the cue (ms)",
        "modulator",
    ),
    "ablations": (
        lambda ax: plot.ablations({"complete": [0.0, 2.0], "homogeneous": [80.0, 425.0]}, ax=ax),
        "median timing error (ms)",
        "",
    ),
    "capacity_curves": (
        lambda ax: plot.capacity_curves({"hebb": HEBB, "softmax": HEBB[0].drop_vars("closed_form")}, ax=ax),
        "pairs / width of a key",
        "squared error / power of a value",
    ),
    "conditioning": (lambda ax: plot.conditioning(BLOCKING, ax=ax), "trial", "strength"),
    "forgetting": (
        lambda ax: plot.forgetting({"alone": [[1.0, 0.5], [1.0, 0.2]], "replay": [1.0, 1.0]}, ax=ax),
        "step",
        "share that is still right",
    ),
    "recall_by_load": (
        lambda ax: plot.recall_by_load({"ring": {4: [1.0, 0.9], 8: [0.5, 0.6]}}, held=4, ax=ax),
        "items to remember",
        "share recalled",
    ),
    "slot_attention": (lambda ax: plot.slot_attention(STEPS, ax=ax), "token", "slot"),
    "slot_gates": (lambda ax: plot.slot_gates(STEPS, ax=ax), "tick", "slot"),
    "memory_occupancy": (lambda ax: plot.memory_occupancy(STEPS, ax=ax), "tick", "norm"),
    "study_map": (lambda ax: plot.study_map(STUDY, "gain", "tau", metric="error", ax=ax), "gain", "tau"),
    "study_marginal": (
        lambda ax: plot.study_marginal(STUDY, "tau", metric="error", by="gain", ax=ax),
        "tau",
        "error",
    ),
    "pareto": (
        lambda ax: plot.pareto(STUDY, {"spikes": "minimize", "error": "minimize"}, ax=ax),
        "spikes (minimize)",
        "error (minimize)",
    ),
    "state_posterior": (
        lambda ax: plot.state_posterior([[0.9, 0.1], [0.2, 0.8]], truth=[0, 1], ax=ax),
        "bin",
        "state",
    ),
    "state_weights": (
        lambda ax: plot.state_weights(COUPLED, ax=ax),
        "neuron that sends",
        "neuron that receives",
    ),
    "maze": (
        lambda ax: plot.maze(MAZES, MAZES.targets, trial=1, attention=np.ones((4, 4)), ax=ax),
        "column",
        "row",
    ),
}

EMPTY: dict[str, Any] = {
    "raster": lambda: plot.raster(recording(0)),
    "raster without populations": lambda: plot.raster(Recording.build(source="numba", seed=1)),
    "state_map": lambda: plot.state_map(np.zeros((0, 10, 3))),
    "state_map of no unit": lambda: plot.state_map(np.zeros((2, 10, 0))),
    "state_map of NaN": lambda: plot.state_map(np.full((2, 10, 3), np.nan)),
    "prediction_by_block": lambda: plot.prediction_by_block(
        {"time": TIMES, "prediction": np.zeros((0, 121, 2)), "target": np.zeros((0, 121, 2))}
    ),
    "prediction_by_block of NaN": lambda: plot.prediction_by_block(
        {"time": TIMES, "prediction": np.full((1, 121, 2), np.nan), "target": np.zeros((1, 121, 2))}
    ),
    "amplitude_vs_probability": lambda: plot.amplitude_vs_probability({"probability": [], "amplitude": []}),
    "amplitude_vs_probability of NaN": lambda: plot.amplitude_vs_probability(
        {"probability": [0.5], "amplitude": [np.nan]}
    ),
    "timing_error": lambda: plot.timing_error({}),
    "timing_error of NaN": lambda: plot.timing_error({"ours": np.full(10, np.nan)}),
    "trials_to_criterion": lambda: plot.trials_to_criterion({"ours": []}),
    "angle": lambda: plot.angle(np.zeros(0)),
    "angle of NaN": lambda: plot.angle(np.full(5, np.nan)),
    "modulators": lambda: plot.modulators({"time": TIMES}),
    "ablations": lambda: plot.ablations({}),
    "omission": lambda: plot.omission({}, withheld=(0, 1)),
    "capacity_curves": lambda: plot.capacity_curves({}),
    "capacity_curves of NaN": lambda: plot.capacity_curves(HEBB[0] * np.nan),
    "conditioning of NaN": lambda: plot.conditioning(BLOCKING * np.nan),
    "forgetting": lambda: plot.forgetting({}),
    "forgetting of NaN": lambda: plot.forgetting([np.nan]),
    "recall_by_load": lambda: plot.recall_by_load({}),
    "slot_attention of no step": lambda: plot.slot_attention(STEPS, steps=[]),
    "study_map": lambda: plot.study_map({"x": [], "y": [], "m": []}, "x", "y", metric="m"),
    "study_map of NaN": lambda: plot.study_map({"x": [1], "y": [1], "m": [None]}, "x", "y", metric="m"),
    "study_marginal": lambda: plot.study_marginal({"x": [], "m": []}, "x", metric="m"),
    "state_posterior": lambda: plot.state_posterior(np.zeros((0, 2))),
    "state_posterior of NaN": lambda: plot.state_posterior(np.full((3, 2), np.nan)),
    "state_weights": lambda: plot.state_weights(
        {"adjacency": np.zeros((0, 0)), "confidence": np.zeros((0, 0)), "state_weight": np.zeros((0, 0, 0))}
    ),
    "pareto of NaN": lambda: plot.pareto({"a": [np.nan], "b": [1.0]}, {"a": "minimize", "b": "minimize"}),
}

ONE: dict[str, Any] = {
    "raster": lambda: plot.raster(recording(1, n=1)),
    "state_map": lambda: plot.state_map(np.ones((1, 1, 1))),
    "prediction_by_block": lambda: plot.prediction_by_block(
        {"time": [0.1], "prediction": [[[0.5]]], "target": [[[1.0]]]}
    ),
    "amplitude_vs_probability": lambda: plot.amplitude_vs_probability(
        {"probability": [0.5], "amplitude": [0.4]}
    ),
    "timing_error": lambda: plot.timing_error([0.01]),
    "trials_to_criterion": lambda: plot.trials_to_criterion({"ours": [0]}),
    "angle": lambda: plot.angle([88.0]),
    "modulators": lambda: plot.modulators({"time": [0.0], "when": [1.0]}),
    "ablations": lambda: plot.ablations({"complete": 3.0}),
    "omission": lambda: plot.omission({"when": [1.0]}, withheld=(0, 1)),
    "capacity_curves": lambda: plot.capacity_curves(HEBB[0].isel(n_items=[0], trial=[0])),
    "conditioning": lambda: plot.conditioning(BLOCKING[:1, :1]),
    "forgetting": lambda: plot.forgetting({"alone": [1.0]}),
    "recall_by_load": lambda: plot.recall_by_load({"ring": {4: 1.0}}),
    "slot_attention": lambda: plot.slot_attention(STEPS[:1]),
    "slot_gates": lambda: plot.slot_gates(STEPS[:1]),
    "memory_occupancy": lambda: plot.memory_occupancy(STEPS[:1]),
    "study_map": lambda: plot.study_map({"x": [1], "y": ["a"], "m": [2.0]}, "x", "y", metric="m"),
    "study_marginal": lambda: plot.study_marginal({"x": [1], "m": [2.0]}, "x", metric="m"),
    "pareto": lambda: plot.pareto({"a": [1.0], "b": [1.0]}, {"a": "minimize", "b": "maximize"}),
    "state_posterior": lambda: plot.state_posterior([[1.0]]),
    "state_weights": lambda: plot.state_weights(
        {"adjacency": [[1]], "confidence": [[1.0]], "state_weight": [[[0.0]]]}
    ),
    "maze": lambda: plot.maze(Maze(size=5, route=1).draw(1, seed=0)),
}


@pytest.mark.parametrize("name", PROPER)
class TestEveryPicture:
    def test_it_returns_the_axes_it_was_given_with_labels_and_units(self, name: str) -> None:
        from matplotlib.figure import Figure

        function, across, up = PROPER[name]
        ax = Figure().subplots()
        assert function(ax) is ax
        assert (ax.get_xlabel(), ax.get_ylabel()) == (across, up)
        assert draw(ax).startswith(b"\x89PNG")

    def test_it_makes_a_figure_of_its_own_and_leaves_the_settings(self, name: str) -> None:
        import matplotlib as mpl

        before = dict(mpl.rcParams)
        assert PROPER[name][0](None).figure is not None
        assert dict(mpl.rcParams) == before

    def test_it_is_one_of_the_tested_public_functions(self, name: str) -> None:
        here = set(plot.__all__) - THOUGHTS - CONNECTOME - COMPARISON - ANALYSES - PROBES
        assert here == {*PROPER, "panels"} == {*ONE, "panels"}
        assert name in plot.__all__


def test_panels_are_axes_of_one_page_row_by_row() -> None:
    from arcuate.errors import SpecError

    grid = plot.panels(2, 3, width=9.0)
    assert len(grid) == 6 and len({ax.figure for ax in grid}) == 1
    assert grid[1].get_position().x0 > grid[0].get_position().x0
    with pytest.raises(SpecError, match="rows"):
        plot.panels(0, 1)


@pytest.mark.parametrize("name", EMPTY)
def test_nothing_to_show_is_said_in_the_axes(name: str) -> None:
    ax = EMPTY[name]()
    assert any(word in texts(ax) for word in ("no ", "NaN"))
    draw(ax)


@pytest.mark.parametrize("name", ONE)
def test_one_of_everything_is_enough(name: str) -> None:
    ax = ONE[name]()
    assert "no " not in texts(ax)
    draw(ax)


class TestRaster:
    def test_marks_stand_at_time_in_ms_and_populations_above_each_other(self) -> None:
        spikes = {
            "exc": {"time": [0.010, 0.250], "neuron": [2, 0], "n": 3},
            "inh": {"time": [0.5], "neuron": [1], "n": 2},
        }
        ax = plot.raster(Recording.build(source="numba", seed=1, spikes=spikes))
        points = {line.get_label(): line.get_xydata().tolist() for line in ax.lines}
        assert points == {"exc": [[10.0, 2.0], [250.0, 0.0]], "inh": [[500.0, 4.0]]}
        assert labels(ax) == ["exc", "inh"]
        assert ax.get_ylim() == (-0.5, 4.5)

    def test_a_window_and_a_population_may_be_chosen(self) -> None:
        rec = recording(500)
        times = np.asarray(rec.spikes("inh")["time"])
        ax = plot.raster(rec, populations=["inh"], window=("200 ms", "500 ms"))
        (line,) = ax.lines
        assert len(line.get_xdata()) == np.sum((times >= 0.2) & (times < 0.5)) > 0

    def test_a_trial_may_be_chosen(self) -> None:
        spikes = {"exc": {"time": [0.1, 1.1], "neuron": [0, 1], "trial": [0, 1], "n": 2}}
        ax = plot.raster(Recording.build(source="numba", seed=1, spikes=spikes), trial=1)
        assert ax.lines[0].get_xydata().tolist() == [[1100.0, 1.0]]

    def test_an_unknown_population_is_named_with_its_neighbor(self) -> None:
        with pytest.raises(UnknownNameError, match="exc"):
            plot.raster(recording(5), populations=["ecx"])

    @pytest.mark.parametrize(("count", "pixels"), [(50_000, False), (50_001, True)])
    def test_above_1e5_spikes_marks_become_pixels(self, count: int, pixels: bool) -> None:
        ax = plot.raster(recording(count, n=300))
        assert [bool(line.get_rasterized()) for line in ax.lines] == [pixels, pixels]

    def test_a_million_spikes_are_quick_and_a_vector_file_stays_small(self) -> None:
        rec = recording(500_000, n=300)
        start = time.process_time()
        ax = plot.raster(rec)
        draw(ax)
        assert time.process_time() - start < 5.0
        assert len(draw(ax, "svg")) < 2_000_000


class TestStateMap:
    def test_rows_are_sorted_by_the_peaks_of_other_trials(self) -> None:
        peaks = np.array([30, 5, 18])
        cube = np.zeros((4, 40, 3))
        cube[:, peaks, [0, 1, 2]] = 1.0
        picture = plot.state_map(cube).images[0].get_array()
        assert picture.argmax(axis=1).tolist() == [5, 18, 30]

    def test_noise_alone_draws_no_diagonal(self) -> None:
        cube = np.random.default_rng(3).standard_normal((20, 200, 150))
        order = plot.state_map(cube).images[0].get_array().argmax(axis=1)
        assert abs(np.corrcoef(order, np.arange(150))[0, 1]) < 0.3

    def test_the_time_axis_is_in_ms(self) -> None:
        rec = Recording.build(
            source="numba",
            seed=1,
            states={
                "exc": {
                    "r": (
                        np.random.default_rng(0).random((20, 3)),
                        ("time", "unit"),
                        {"time": np.arange(20) * 0.01},
                        "1",
                    )
                }
            },
            duration=0.2,
        )
        ax = plot.state_map(rec)
        assert ax.get_xlabel() == "time (ms)"
        assert ax.images[0].get_extent()[:2] == pytest.approx([-5.0, 195.0])

    def test_an_unknown_site_or_variable_is_refused(self) -> None:
        rec = Recording.build(
            source="numba",
            seed=1,
            states={"exc": {"v": (np.zeros((2, 3)), ("time", "unit"), {"time": [0.0, 0.1]}, "V")}},
            duration=0.2,
        )
        with pytest.raises(UnknownNameError, match="exc"):
            plot.state_map(rec, site="exd")
        with pytest.raises(UnknownNameError, match="Choose from v"):
            plot.state_map(rec, variable="w")


class TestPrediction:
    def test_blocks_stand_side_by_side_with_their_own_times(self) -> None:
        ax = plot.prediction_by_block({**blocks(), "block": ["first", "second"], "outcome": ["A", "B"]})
        assert labels(ax) == ["A", "target", "B"]
        assert "first" in texts(ax)
        assert "second" in texts(ax)
        ticks = [tick.get_text() for tick in ax.get_xticklabels()]
        assert ticks == ticks[: len(ticks) // 2] * 2
        peak = max(
            line.get_xdata()[np.argmax(line.get_ydata())] for line in ax.lines if len(line.get_xdata()) == 121
        )
        assert peak == pytest.approx(1200 * 1.08 + 700)

    def test_shapes_that_differ_are_refused(self) -> None:
        result = blocks()
        with pytest.raises(SpecError, match="target"):
            plot.prediction_by_block({**result, "target": result["target"][:1]})

    def test_a_missing_part_is_named(self) -> None:
        with pytest.raises(UnknownNameError, match="target"):
            plot.prediction_by_block({"time": TIMES, "prediction": np.zeros((1, 121, 2)), "targets": 1})

    def test_the_line_is_that_of_the_analysis(self) -> None:
        p = np.linspace(0, 1, 6)
        amplitude = np.random.default_rng(1).normal(0.9 * p, 0.05, (4, 6))
        ax = plot.amplitude_vs_probability({"probability": p, "amplitude": amplitude})
        line = fit_line(amplitude, p)
        (words,) = [text for text in labels(ax) if "slope" in text]
        assert f"slope {line.slope:.2f}" in words
        assert f"{line.r_squared:.3f}" in words


class TestLearning:
    def test_the_error_is_absolute_in_ms(self) -> None:
        ax = plot.timing_error(np.full(5, -0.25), smooth=1, criterion=None)
        assert ax.lines[0].get_ydata().tolist() == [250.0] * 5

    def test_smoothing_is_the_median_from_here_on_and_stops_at_a_switch(self) -> None:
        error = np.array([0, 0, 0, 0, 9, 9, 0, 0]) * 1e-3
        ax = plot.timing_error(error, smooth=3, switches=[4], criterion=None)
        curve = next(line for line in ax.lines if len(line.get_xdata()) == 8)
        assert curve.get_ydata().tolist() == pytest.approx([0, 0, 0, 0, 9, 0, 0, 0])

    def test_the_criterion_needs_a_unit(self) -> None:
        with pytest.raises(ArcuateError, match="criterion"):
            plot.timing_error(np.zeros(5), criterion="20 mV")

    def test_bars_show_the_bootstrap_interval_of_the_analysis(self) -> None:
        values = [3.0, 5.0, 8.0, 9.0, 20.0]
        band = bootstrap_interval(values)
        ax = plot.trials_to_criterion({"ours": values})
        assert ax.patches[0].get_height() == band.estimate == 8.0
        (segment,) = [line.get_segments()[0] for line in ax.collections]
        assert segment[:, 1].tolist() == [band.low, band.high]

    def test_never_is_a_word_and_a_bar_to_the_limit(self) -> None:
        ax = plot.trials_to_criterion({"ours": [9.0, 9.0], "FORCE": [np.inf, np.nan]}, limit=150)
        assert "never" in texts(ax)
        assert sorted(patch.get_height() for patch in ax.patches)[-1] == 150

    def test_the_table_of_the_analysis_is_taken_as_it_is(self) -> None:
        error = np.r_[np.zeros(20), np.full(7, 0.3), np.zeros(13)]
        table = trials_to_criterion(error, block=np.repeat([0, 1], 20))
        ax = plot.trials_to_criterion({"ours": table})
        assert [tick.get_text() for tick in ax.get_xticklabels()] == ["block 1", "block 2"]
        assert [patch.get_height() for patch in ax.patches[:2]] == table["median"].values.tolist()

    def test_null_bands_lie_where_they_are_said_to(self) -> None:
        ax = plot.angle(
            np.full(10, 86.0), nulls={"isotropic": (84.0, 87.0, 89.0), "matched": (12.0, 30.0, 71.0)}
        )
        assert [(patch.get_y(), patch.get_height()) for patch in ax.patches] == [(84.0, 5.0), (12.0, 59.0)]
        with pytest.raises(SpecError, match="low, median, high"):
            plot.angle(np.full(10, 86.0), nulls={"isotropic": (84.0, 87.0)})

    def test_modulators_and_times_must_be_as_long(self) -> None:
        with pytest.raises(SpecError, match="121 samples"):
            plot.modulators({"time": TIMES, "when": np.zeros(120)})

    def test_phases_are_shaded_in_ms(self) -> None:
        ax = plot.modulators({"time": TIMES, "when": np.ones(121)}, phases={"window": (0.2, 1.0)})
        assert (ax.patches[0].get_x(), ax.patches[0].get_width()) == pytest.approx((200.0, 800.0))
        assert "window" in texts(ax)

    def test_ablations_draw_medians_and_every_seed(self) -> None:
        ax = plot.ablations({"complete": [0.0, 2.0, 7.0], "gate off": [np.nan]}, label="error (ms)")
        assert ax.patches[0].get_width() == 2.0
        assert ax.lines[0].get_xdata().tolist() == [0.0, 2.0, 7.0]
        assert "no finite value" in texts(ax)


class TestStudies:
    def test_a_map_has_means_over_the_rest_in_the_order_of_the_quantities(self) -> None:
        ax = plot.study_map(STUDY, "gain", "tau", metric="error")
        cells = ax.images[0].get_array()
        assert [tick.get_text() for tick in ax.get_yticklabels()] == ["5 ms", "20 ms"]
        assert cells.tolist() == [[4.0, None], [4.0, 5.0]]  # 20 ms, 0.1: the mean of two seeds

    def test_frame_and_dataset_and_columns_give_the_same_map(self) -> None:
        import pandas as pd

        grid = {key: values[:4] for key, values in STUDY.items() if key != "seed"}
        frame = pd.DataFrame(grid)
        dataset = frame.set_index(["gain", "tau"]).to_xarray()
        drawn = [
            plot.study_map(kind, "gain", "tau", metric="spikes").images[0].get_array()
            for kind in (grid, frame, dataset)
        ]
        for cells in drawn:
            assert cells.tolist() == [[40.0, 20.0], [50.0, 30.0]]

    def test_times_of_a_study_are_shown_in_ms(self) -> None:
        import pandas as pd

        frame = pd.DataFrame({"tau": [0.005, 0.02], "n": [1, 2], "error": [1.0, 2.0]})
        frame.attrs["units"] = {"tau": "s", "n": "Hz"}
        ax = plot.study_map(frame, "tau", "n", metric="error")
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("tau (ms)", "n (Hz)")
        assert [tick.get_text() for tick in ax.get_xticklabels()] == ["5", "20"]
        dataset = frame.set_index("tau")[["error"]].to_xarray()
        dataset["tau"].attrs["units"] = "s"
        assert plot.study_marginal(dataset, "tau", metric="error").get_xlabel() == "tau (ms)"

    def test_points_that_are_no_grid_stand_at_their_places(self) -> None:
        draws = np.random.default_rng(0).random((3, 20))
        ax = plot.study_map(dict(zip("xym", draws, strict=True)), "x", "y", metric="m")
        np.testing.assert_array_equal(ax.collections[0].get_offsets(), draws[:2].T)
        assert not ax.images

    def test_a_marginal_is_the_mean_at_each_value(self) -> None:
        ax = plot.study_marginal(STUDY, "tau", metric="error")
        assert ax.lines[-1].get_ydata().tolist() == [4.0, 13 / 3]
        assert ax.lines[0].get_ydata().size == len(STUDY["error"])

    def test_the_front_is_what_no_point_beats(self) -> None:
        ax = plot.pareto(STUDY, {"spikes": "maximize", "error": "minimize"})
        assert ax.lines[-1].get_xdata().tolist() == [50.0, 60.0]
        assert labels(ax) == ["beaten by another", "Pareto front"]

    def test_an_unknown_column_is_named_with_its_neighbor(self) -> None:
        with pytest.raises(UnknownNameError, match="error"):
            plot.study_map(STUDY, "gain", "tau", metric="eror")

    def test_texts_are_no_metric_and_one_goal_is_no_front(self) -> None:
        with pytest.raises(SpecError, match="numbers"):
            plot.study_map(STUDY, "gain", "seed", metric="tau")
        with pytest.raises(SpecError, match="two metrics"):
            plot.pareto(STUDY, {"error": "minimize"})
        with pytest.raises(SpecError, match="minimize"):
            plot.pareto(STUDY, {"error": "minimize", "spikes": "least"})


def test_curves_are_told_apart_without_color() -> None:
    ax = plot.timing_error({name: np.full(30, i / 100) for i, name in enumerate("abcd")}, criterion=None)
    styles = [str(line._dash_pattern) for line in ax.lines]
    assert len(set(styles)) == 4


def test_something_that_is_no_axes_is_refused() -> None:
    with pytest.raises(SpecError, match="matplotlib Axes"):
        plot.timing_error(np.zeros(4), ax=3)  # type: ignore[arg-type]


def test_without_a_display_an_interactive_backend_does_no_harm() -> None:
    code = "from arcuate import plot; print(plot.timing_error([0.1, 0.2]).get_xlabel())"
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    answer = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "MPLBACKEND": "TkAgg"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (answer.returncode, answer.stdout) == (0, "trial\n"), answer.stderr


def test_a_maze_shows_the_routes_where_they_go_and_the_goal() -> None:
    answers = MAZES.targets
    answers[2, 1:] = 0
    ax = plot.maze(MAZES, answers, trial=2)
    lines = {line.get_label(): line.get_xydata()[:, ::-1] for line in ax.lines}
    assert labels(ax) == ["true", "given", "start", "goal"]
    assert (lines["true"] == MAZES.follow(MAZES.targets)[2]).all()
    assert (lines["given"] == MAZES.follow(answers)[2]).all()
    assert (lines["start"] == MAZES.start[2]).all() and (lines["goal"] == MAZES.goal[2]).all()
    assert ax.get_ylim() == (8.5, -0.5)  # the first row on top
    shown = np.ma.getmaskarray(ax.images[0].get_array())
    assert (~shown == MAZES.walls[2]).all()
