"""Pictures of a PMI memory at work: the numbers that are drawn, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from arcuate import plot
from arcuate.errors import SpecError, UnknownNameError
from arcuate.memory import PMIConfig, PMIMemory, record_steps
from arcuate.recording import Recording

CONFIG = PMIConfig(d_model=12, n_heads=3, n_slots=4, n_segments=2, d_key=5, top_k=2, ltm_rule="ring")
TOKENS = np.random.default_rng(4).standard_normal((5, 2, 6, 12))
STEPS = PMIMemory(CONFIG, seed=2).run(TOKENS)


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    """Leave no figure open."""
    from matplotlib import pyplot

    yield
    pyplot.close("all")


def picture(ax: Any) -> np.ndarray:
    """Return the numbers of the image."""
    return np.ma.filled(ax.images[0].get_array().astype(float), np.nan)


def run(**changes: Any) -> Any:
    return PMIMemory(replace(CONFIG, **changes), seed=2).run(TOKENS)


def test_slots_are_drawn_over_the_tokens_they_kept() -> None:
    drawn = picture(plot.slot_attention(STEPS, steps=[4, 0], trial=1))
    assert drawn.shape == (4, 13) and np.isnan(drawn[:, 6]).all()
    for k, step in enumerate((4, 0)):
        write = STEPS[step].write
        kept = (write.probabilities * write.mask)[1].mean(axis=0)
        np.testing.assert_allclose(drawn[:, 7 * k : 7 * k + 6], kept)
    one = picture(plot.slot_attention(STEPS, steps=[3], head=2))
    assert ((one > 0).sum(axis=1) == 2).all()  # as many as top_k
    np.testing.assert_allclose(one[one > 0], STEPS[3].write.probabilities[0, 2][STEPS[3].write.mask[0, 2]])


def test_without_a_mask_every_weight_is_drawn() -> None:
    steps = run(top_k=None)
    drawn = picture(plot.slot_attention(steps, steps=[1], head=0))
    np.testing.assert_allclose(drawn, steps[1].write.probabilities[0, 0])


def test_a_recording_is_drawn_as_its_steps_are() -> None:
    recording = record_steps(STEPS, axis="layer")
    for function in (plot.slot_attention, plot.slot_gates):
        np.testing.assert_array_equal(picture(function(recording)), picture(function(STEPS)))
    assert plot.slot_gates(recording).get_xlabel() == "layer"
    words = [text.get_text() for text in plot.slot_attention(recording).get_xticklabels()]
    assert words == ["layer 1", "layer 3", "layer 5"]


@pytest.mark.parametrize("gate", ["unit", "memory"])
def test_gates_are_means_over_features(gate: str) -> None:
    steps = run(gate=gate)
    whole, second = picture(plot.slot_gates(steps)), picture(plot.slot_gates(steps, trial=1))
    assert whole.shape == (9, 5) and np.isnan(whole[4]).all()
    for step in (0, 4):
        np.testing.assert_allclose(whole[:4, step], steps[step].input_gate.mean(axis=(0, 2)))
        np.testing.assert_allclose(second[5:, step], steps[step].forget_gate[1].mean(axis=-1))


def test_a_ring_fills_one_segment_after_the_other() -> None:
    lines = plot.memory_occupancy(STEPS, trial=1).lines
    for segment, line in enumerate(lines):
        expected = [np.linalg.norm(step.state.long_term_memory[1, segment]) for step in STEPS]
        np.testing.assert_allclose(line.get_xydata(), np.transpose([[1, 2, 3, 4, 5], expected]))
    assert lines[1].get_ydata()[0] == 0 < lines[1].get_ydata()[1]
    assert len({(line.get_linestyle(), line.get_marker()) for line in lines}) == 2


def test_the_rank_is_that_of_rows_in_as_many_directions() -> None:
    step = STEPS[0]
    stored = np.zeros((1, 2, 4, 12))
    stored[0, 0] = 3 * np.eye(4, 12)  # four directions, evenly
    stored[0, 1, 0, 0] = 7.0  # one
    state = replace(step.state, long_term_memory=stored)
    ax = plot.memory_occupancy([replace(step, state=state)], measure="rank")
    np.testing.assert_allclose([line.get_ydata()[0] for line in ax.lines], [4.0, 1.0])
    assert ax.get_ylabel() == "effective rank"
    state = replace(step.state, long_term_memory=0 * stored)
    empty = plot.memory_occupancy([replace(step, state=state)], measure="rank")
    assert [line.get_ydata()[0] for line in empty.lines] == [0.0, 0.0]
    state = replace(step.state, long_term_memory=np.nan * stored)
    assert "NaN" in plot.memory_occupancy([replace(step, state=state)]).texts[0].get_text()


BAD: list[tuple[str, Any, type[Exception], str]] = [
    ("attention of a number", lambda: plot.slot_attention(3), SpecError, "result"),
    ("gates of no step", lambda: plot.slot_gates([]), SpecError, "result"),
    ("occupancy of arrays", lambda: plot.memory_occupancy([np.ones(3)]), SpecError, "result"),
    ("another recording", lambda: plot.slot_gates(Recording.build(source="numpy")), UnknownNameError, "pmi/"),
    ("no gates", lambda: plot.slot_gates(run(gate="none")), UnknownNameError, "pmi/gates"),
    (
        "a workspace",
        lambda: plot.memory_occupancy(run(ltm_rule="none")),
        UnknownNameError,
        "long_term_memory",
    ),
    ("step 5 of 5", lambda: plot.slot_attention(STEPS, steps=[5]), SpecError, "step"),
    ("head 3 of 3", lambda: plot.slot_attention(STEPS, head=3), SpecError, "head"),
    ("trial 2 of 2", lambda: plot.slot_attention(STEPS, trial=2), SpecError, "trial"),
    ("gates of trial 2", lambda: plot.slot_gates(STEPS, trial=2), SpecError, "trial"),
    ("occupancy of trial 2", lambda: plot.memory_occupancy(STEPS, trial=2), SpecError, "trial"),
    ("another measure", lambda: plot.memory_occupancy(STEPS, measure="mass"), SpecError, "measure"),
]


@pytest.mark.parametrize(("make", "error", "word"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_what_is_no_memory_at_work_is_refused_by_name(make: Any, error: Any, word: str) -> None:
    with pytest.raises(error, match=word) as caught:
        make()
    assert len(str(caught.value).splitlines()) <= 4
