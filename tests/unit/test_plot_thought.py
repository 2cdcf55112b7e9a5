"""Pictures of a thought: labels, the numbers that are drawn, what degenerate results look like, films."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from arcuate import analysis, ctm, plot
from arcuate.errors import CapabilityError, SpecError, UnknownNameError
from arcuate.recording import Recording

RNG = np.random.default_rng(6)
B, T, D, H, L = 5, 8, 10, 2, 6
TICKS = np.arange(1, T + 1)


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    """Leave no figure open."""
    from matplotlib import pyplot

    yield
    pyplot.close("all")


def thought(ticks: int = T) -> ctm.Thought:
    """A thought of random numbers."""
    weights = RNG.random((ticks, B, H, 1, L))
    y = RNG.normal(size=(B, 6, ticks))
    sure = ctm.certainty(y.transpose(0, 2, 1).reshape(-1, 6), (3, 2)).reshape(B, ticks, 2)
    return ctm.Thought(
        predictions=y,
        certainties=sure.transpose(0, 2, 1),
        sync_out=RNG.normal(size=(ticks, B, 3)),
        sync_action=RNG.normal(size=(ticks, B, 3)),
        pre_activations=RNG.normal(size=(ticks, B, D)),
        post_activations=RNG.normal(size=(ticks, B, D)),
        attention=weights / weights.sum(-1, keepdims=True),
        reads=None,
        key_values=None,
        trace=np.zeros((B, D, 2)),
    )


def recording(ticks: int = T, **changed: Any) -> Recording:
    """The same as a recording."""
    pairs: dict[str, Any] = {}
    for role in ("out", "action"):
        pairs[f"{role}_neuron_indices_left"] = np.array([0, 1])
        pairs[f"{role}_neuron_indices_right"] = np.array([3, 4])
        pairs[f"decay_params_{role}"] = np.zeros(3)
    return thought(ticks).recording(pairs, source="numpy", **changed)


TARGETS = RNG.integers(0, 2, size=(B, 3))
Z = recording().states("ctm/post")["z"]
SYNC = analysis.synchrony(Z)
WAVE = analysis.travelling_wave(Z, n_surrogates=3)
SIGNAL = analysis.analytic_signal(Z)
ACCURACY = ctm.accuracy_by_tick(thought(), TARGETS)
CALIBRATION = ctm.calibration(thought(), TARGETS)
RISK = ctm.risk_coverage(RNG.random(30), RNG.random(30) < 0.5)
POLICIES = xr.Dataset(
    {
        name: ("policy", values)
        for name, values in {
            "ticks": [3.0, 7.0], "ticks_low": [2.5, 6.8], "ticks_high": [3.5, 7.1],
            "whole": [0.6, 0.9], "whole_low": [0.5, 0.8], "whole_high": [0.7, 0.95],
        }.items()
    },
    {"policy": ["fixed", "certainty"]},
)  # fmt: skip

PROPER: dict[str, tuple[Any, str, str]] = {
    "neuron_traces": (lambda ax: plot.neuron_traces(recording(), ax=ax), "tick", "neuron"),
    "synchrony_matrices": (
        lambda ax: plot.synchrony_matrices(SYNC, ax=ax),
        "neuron, by cluster",
        "neuron, by cluster",
    ),
    "attention_path": (lambda ax: plot.attention_path(recording(), ax=ax), "tick", "token"),
    "attention_path on a grid": (
        lambda ax: plot.attention_path(recording(), grid=(2, 3), ax=ax),
        "column",
        "row",
    ),
    "wave_map": (lambda ax: plot.wave_map(WAVE, ax=ax), "tick", "neuron, by phase of the wave"),
    "phase_map": (lambda ax: plot.phase_map(SIGNAL, ax=ax), "tick", "neuron"),
    "dimensionality": (
        lambda ax: plot.dimensionality({"z": analysis.dimensionality(Z)}, ax=ax),
        "tick",
        "participation ratio",
    ),
    "accuracy_by_tick": (
        lambda ax: plot.accuracy_by_tick(ACCURACY, of="element", ax=ax),
        "tick",
        "share of positions that are right",
    ),
    "calibration": (
        lambda ax: plot.calibration(CALIBRATION, ax=ax),
        "probability of the answer",
        "share right",
    ),
    "calibration_by_tick": (
        lambda ax: plot.calibration_by_tick(CALIBRATION, ax=ax),
        "tick",
        "expected calibration error",
    ),
    "halting_curve": (
        lambda ax: plot.halting_curve(POLICIES, ax=ax),
        "mean ticks",
        "share of trials that are right",
    ),
    "risk_coverage": (
        lambda ax: plot.risk_coverage(RISK, ax=ax),
        "share of trials answered",
        "share of errors among them",
    ),
}

NOTHING = (np.nan * ACCURACY[["whole", "whole_low", "whole_high", "certainty"]]).assign_coords(
    ACCURACY.coords
)
EMPTY: dict[str, Any] = {
    "neuron_traces": lambda: plot.neuron_traces(np.zeros((0, 4, 3))),
    "synchrony_matrices": lambda: plot.synchrony_matrices(np.nan * SYNC),
    "attention_path": lambda: plot.attention_path(_without_attention()),
    "wave_map": lambda: plot.wave_map(WAVE.assign(activity=np.nan * WAVE.activity)),
    "phase_map": lambda: plot.phase_map(np.zeros((0, 4, 3), complex)),
    "dimensionality": lambda: plot.dimensionality([np.nan, np.nan]),
    "accuracy_by_tick": lambda: plot.accuracy_by_tick(NOTHING),
    "calibration": lambda: plot.calibration(np.nan * CALIBRATION),
    "calibration_by_tick": lambda: plot.calibration_by_tick(np.nan * CALIBRATION),
    "halting_curve": lambda: plot.halting_curve(np.nan * POLICIES),
    "risk_coverage": lambda: plot.risk_coverage(np.nan * RISK),
}

ONE: dict[str, Any] = {
    "neuron_traces": lambda: plot.neuron_traces(np.ones((1, 1, 1))),
    "synchrony_matrices": lambda: plot.synchrony_matrices(analysis.synchrony(np.ones((1, 1, 1)))),
    "attention_path": lambda: plot.attention_path(recording(1)),
    "wave_map": lambda: plot.wave_map(analysis.travelling_wave(Z[:2, :4, :3], n_surrogates=0)),
    "phase_map": lambda: plot.phase_map(np.ones((1, 1, 1), complex)),
    "dimensionality": lambda: plot.dimensionality([3.0]),
    "accuracy_by_tick": lambda: plot.accuracy_by_tick(ctm.accuracy_by_tick(thought(1), TARGETS)),
    "calibration": lambda: plot.calibration(ctm.calibration(thought(1), TARGETS, bins=1)),
    "calibration_by_tick": lambda: plot.calibration_by_tick(ctm.calibration(thought(1), TARGETS)),
    "halting_curve": lambda: plot.halting_curve(POLICIES[{"policy": [0]}]),
    "risk_coverage": lambda: plot.risk_coverage(ctm.risk_coverage([0.5], [True])),
}


def _without_attention() -> Recording:
    units = {"head": ("unit", [0, 0]), "token": ("unit", [0, 1])}
    weight = (np.full((1, 3, 2), np.nan), ("trial", "tick", "unit"), units)
    return Recording.build(source="numpy", states={"ctm/attention": {"weight": weight}})


def draw(ax: Any) -> bytes:
    """Draw for real and return the file."""
    buffer = io.BytesIO()
    ax.figure.savefig(buffer, format="png")
    return buffer.getvalue()


def texts(ax: Any) -> str:
    """Return every word in the axes."""
    return " ".join(text.get_text() for text in ax.texts)


@pytest.mark.parametrize("name", PROPER)
def test_it_returns_the_axes_it_was_given_with_labels(name: str) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    function, across, up = PROPER[name]
    before = dict(mpl.rcParams)
    ax = Figure().subplots()
    assert function(ax) is ax
    assert (ax.get_xlabel(), ax.get_ylabel()) == (across, up)
    assert draw(ax).startswith(b"\x89PNG")
    assert function(None).figure is not None
    assert dict(mpl.rcParams) == before
    with pytest.raises(SpecError, match="Axes"):
        function("here")


@pytest.mark.parametrize("name", EMPTY)
def test_nothing_to_show_is_said_in_the_axes(name: str) -> None:
    ax = EMPTY[name]()
    assert "no " in texts(ax)
    draw(ax)


@pytest.mark.parametrize("name", ONE)
def test_one_of_everything_is_enough(name: str) -> None:
    ax = ONE[name]()
    assert "no " not in texts(ax)
    draw(ax)


def test_traces_are_those_of_the_neurons_that_vary_most() -> None:
    cube = RNG.normal(size=(3, 6, 12)) * 2.0 ** np.arange(12)
    ax = plot.neuron_traces(cube)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == [str(k) for k in range(4, 12)]
    lines = plot.neuron_traces(cube, units=[2, 11]).lines
    assert len(lines) == 2 * (3 + 1)
    np.testing.assert_allclose(lines[3].get_ydata(), cube[:, :, 2].mean(0))
    shift = lines[7].get_ydata() - cube[:, :, 11].mean(0)
    np.testing.assert_allclose(shift, shift[0])
    assert shift[0] > 0
    with pytest.raises(SpecError, match="unit"):
        plot.neuron_traces(cube, units=[12])


def test_matrices_hold_the_synchrony_in_one_order() -> None:
    ax = plot.synchrony_matrices(SYNC, steps=[2, 7], trial=1)
    picture = np.asarray(ax.images[0].get_array().filled(np.nan))
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["tick 3", "tick 8"]
    matrix = analysis.synchrony_matrix(SYNC).values[1]
    first, last = picture[:, :D], picture[:, -D:]
    np.testing.assert_allclose(np.sort(first.ravel()), np.sort(matrix[2].ravel()))
    np.testing.assert_allclose(np.sort(last.ravel()), np.sort(matrix[7].ravel()))
    np.testing.assert_allclose(np.diag(last), 1.0)
    with pytest.raises(SpecError, match="step"):
        plot.synchrony_matrices(SYNC, steps=[8])


def test_neurons_that_go_together_stand_together() -> None:
    common = RNG.normal(size=(1, 60, 2))
    traces = common[:, :, np.arange(12) % 2] + 0.1 * RNG.normal(size=(1, 60, 12))
    picture = plot.synchrony_matrices(analysis.synchrony(traces), steps=[59]).images[0].get_array()
    assert picture[:6, :6].min() > 0.9 and picture[6:, 6:].min() > 0.9
    assert np.abs(picture[:6, 6:]).max() < 0.6


def test_the_path_is_the_center_of_attention() -> None:
    rec = recording()
    weights = rec.states("ctm/attention")["weight"].values[2].reshape(T, H, L)
    ax = plot.attention_path(rec, trial=2, head=1)
    np.testing.assert_allclose(ax.images[0].get_array(), weights[:, 1].T)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), weights[:, 1] @ np.arange(L))
    assert ax.lines[0].get_xdata().tolist() == TICKS.tolist()
    flat = plot.attention_path(rec, trial=2, grid=(2, 3))
    mean = weights.mean(1)
    np.testing.assert_allclose(flat.images[0].get_array(), mean.mean(0).reshape(2, 3))
    np.testing.assert_allclose(flat.lines[0].get_xdata(), mean @ np.tile(np.arange(3), 2))
    np.testing.assert_allclose(flat.lines[0].get_ydata(), mean @ np.repeat(np.arange(2), 3))
    for bad in ({"trial": 5}, {"head": 2}, {"grid": (2, 2)}):
        with pytest.raises(SpecError):
            plot.attention_path(rec, **bad)
    with pytest.raises(UnknownNameError, match="ctm/attention"):
        plot.attention_path(recording(sites=["ctm/post"]))


def test_a_wave_is_drawn_in_its_own_order() -> None:
    place = RNG.permutation(np.linspace(0, 2 * np.pi, 12, endpoint=False))
    wave = np.cos(2 * np.pi * np.arange(20)[:, None] / 20 - place) * np.ones((4, 1, 1))
    ax = plot.wave_map(analysis.travelling_wave(wave, n_surrogates=19))
    peaks = np.asarray(ax.images[0].get_array()).argmax(axis=1)
    steps = np.diff(np.append(peaks, peaks[0])) % 20
    assert set(steps.tolist()) <= {1, 2} or set((20 - steps).tolist()) <= {1, 2}
    assert "directionality 1.00 (surrogates" in ax.get_title() and "p = 0.05" in ax.get_title()


def test_phases_are_drawn_in_the_order_given() -> None:
    picture = plot.phase_map(SIGNAL, trial=3, order=[4, 0]).images[0].get_array()
    np.testing.assert_allclose(picture, np.angle(SIGNAL.values[3][:, [4, 0]]).T)
    with pytest.raises(SpecError, match="analytic_signal"):
        plot.phase_map(Z)


def test_accuracy_and_calibration_are_the_numbers_of_the_result() -> None:
    ax = plot.accuracy_by_tick(ACCURACY, readouts=["last"])
    np.testing.assert_allclose(ax.lines[0].get_ydata(), ACCURACY["whole"].sel(readout="last"))
    np.testing.assert_allclose(ax.lines[1].get_ydata(), ACCURACY["certainty"])
    with pytest.raises(UnknownNameError, match="last"):
        plot.accuracy_by_tick(ACCURACY, readouts=["lats"])
    ax = plot.calibration(CALIBRATION, probability="mean so far", ticks=[4])
    row = CALIBRATION.sel(probability="mean so far", tick=4)
    some = np.isfinite(row["accuracy"].values)
    np.testing.assert_allclose(ax.lines[1].get_ydata(), row["accuracy"].values[some])
    (label,) = [text.get_text() for text in ax.get_legend().get_texts()]
    assert label == f"tick 4, ECE {float(row['ece']):.3f}"
    with pytest.raises(UnknownNameError, match="tick"):
        plot.calibration(CALIBRATION, ticks=[0])


def test_policies_stand_at_their_ticks_with_both_intervals() -> None:
    ax = plot.halting_curve(POLICIES)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["fixed", "certainty"]
    across, up = (bars.get_segments()[0] for bars in ax.containers[1].lines[2])
    np.testing.assert_allclose(across, [[6.8, 0.9], [7.1, 0.9]])
    np.testing.assert_allclose(up, [[7.0, 0.8], [7.0, 0.95]])
    with pytest.raises(UnknownNameError, match="element"):
        plot.halting_curve(POLICIES, of="element")


class TestFilm:
    def test_a_gif_has_one_picture_for_each_tick(self, tmp_path: Path) -> None:
        from PIL import Image

        seen: list[tuple[int, int]] = []
        made = plot.animate_thought(
            recording(), tmp_path / "thought.gif", fps=5, progress=lambda k, n: seen.append((k, n))
        )
        with Image.open(made) as film:
            assert film.n_frames == T
            assert film.info["duration"] == 200
        assert seen[-1] == (T, T)

    def test_a_page_needs_nothing_else(self, tmp_path: Path) -> None:
        made = plot.animate_thought(recording(3, sites=["ctm/post"]), tmp_path / "thought.html")
        page = made.read_text(encoding="utf-8")
        assert page.count("data:image/png;base64") == 3
        assert made == tmp_path / "thought.html"

    def test_what_is_refused(self, tmp_path: Path) -> None:
        rec = recording(2)
        for path, words in (("thought.mp4", ".gif or .html"), ("no/thought.gif", "folder"), ("", ".gif")):
            with pytest.raises(SpecError, match=words):
                plot.animate_thought(rec, tmp_path / path if path else path)
        with pytest.raises(SpecError, match="trial"):
            plot.animate_thought(rec, tmp_path / "a.gif", trial=B)
        with pytest.raises(SpecError, match="fps"):
            plot.animate_thought(rec, tmp_path / "a.gif", fps=0)
        with pytest.raises(UnknownNameError, match="site"):
            plot.animate_thought(_without_attention(), tmp_path / "a.gif")
        assert not list(tmp_path.iterdir())

    def test_without_a_writer_the_other_format_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from matplotlib.animation import writers

        monkeypatch.setattr(writers, "is_available", lambda name: False)
        with pytest.raises(CapabilityError, match=r"html"):
            plot.animate_thought(recording(2), tmp_path / "a.gif")


def test_what_is_no_thought_is_refused_by_name(tmp_path: Path) -> None:
    calls: list[tuple[Any, str]] = [
        (lambda: plot.attention_path(3), "Recording"),
        (lambda: plot.animate_thought(3, tmp_path / "a.gif"), "Recording"),
        (lambda: plot.attention_path(recording(), grid=3), "grid"),  # type: ignore[arg-type]
        (lambda: plot.attention_path(recording(), grid=(-2, -3)), "grid"),
        (lambda: plot.phase_map([[1j], [1j, 2j]]), "signal"),
    ]
    for call, words in calls:
        with pytest.raises(SpecError, match=words):
            call()


def test_pictures_of_thoughts_need_no_torch() -> None:
    assert all("torch" not in vars(sys.modules[f"arcuate.plot.{name}"]) for name in ("thought", "ticks"))


def test_every_picture_of_a_thought_is_tested_here() -> None:
    names = {name.partition(" ")[0] for name in PROPER}
    modules = ("arcuate.plot.thought", "arcuate.plot.ticks")
    assert names == {name for name in plot.__all__ if getattr(plot, name).__module__ in modules}
    assert names == set(EMPTY) == set(ONE)
    assert isinstance(SYNC, xr.DataArray)
