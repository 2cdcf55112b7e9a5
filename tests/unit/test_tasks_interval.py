"""Comparison of intervals: trials read back symbol by symbol, and the same trials in every form."""

from __future__ import annotations

import numpy as np
import pytest

from arcuate.errors import SpecError, TaskError
from arcuate.tasks import IntervalComparison

BOTH = IntervalComparison(low=4, high=12, reference=7.5, number_reference=3.5, lead=5)


def read(words: list[str]) -> tuple[int, int, str, int]:
    """Read a trial as someone who sees only its words: duration, dots, what is asked, first interval."""
    start = max(words.index(cue) if cue in words else -1 for cue in ("time", "number"))
    first = -1
    if "mark" in words:
        first = words.index("mark") - start - 1
        start = words.index("time", start + 1)
    inside = words[start + 1 : words.index("probe")]
    return len(inside), inside.count("dot"), words[start], first


@pytest.mark.parametrize("task", [BOTH, IntervalComparison(low=3, high=9, lead=4)], ids=["learned", "shown"])
def test_what_a_trial_shows_is_what_it_says(task):
    trials = task.draw(200, seed=1)
    told = trials.tokens()
    for row, words in enumerate(told.tokens):
        duration, dots, cue, first = read([told.vocabulary[k] for k in words])
        assert (duration, dots, cue == "number") == (
            trials.duration[row], trials.dots[row], trials.number[row],
        )  # fmt: skip
        against = trials.reference[row] if first < 0 else first
        assert trials.more[row] == ((dots if cue == "number" else duration) > against)


def test_durations_are_even_and_dots_do_not_tell_which_is_asked():
    trials = BOTH.draw(20_000, seed=2)
    counts = np.bincount(trials.duration, minlength=13)[4:]
    assert np.abs(counts - 20_000 / 9).max() < 4 * np.sqrt(20_000 / 9)
    of = [trials.dots[trials.number == asked] / trials.duration[trials.number == asked] for asked in (0, 1)]
    assert abs(of[0].mean() - of[1].mean()) < 0.02
    assert trials.dots.min() == 0
    assert (trials.dots <= trials.duration).all()


def test_matched_trials_are_the_same_streams_under_two_questions():
    time, number = BOTH.matched(300, seed=5)
    cue = time.symbols != number.symbols
    assert cue.sum(axis=1).tolist() == [1] * 300
    assert set(time.symbols[cue]) == {2}
    assert set(number.symbols[cue]) == {3}
    assert np.array_equal(time.more, time.duration > 7.5)
    assert np.array_equal(number.more, number.dots > 3.5)
    with pytest.raises(SpecError, match="number_reference"):
        IntervalComparison(reference=7.5).matched(3, seed=0)


def test_a_first_interval_is_never_the_second_and_either_answer_is_as_likely():
    trials = IntervalComparison(low=2, high=6).draw(20_000, seed=3)
    assert (trials.reference != trials.value).all()
    assert abs(trials.more.mean() - 0.5) < 4 * 0.5 / np.sqrt(20_000)


def test_every_form_has_the_same_trials_in_the_same_order():
    trials = BOTH.draw(30, seed=4)
    x, targets = trials.frames()
    told, shown = trials.tokens(), trials.drive("1 ms", hold="3 ms")
    assert np.array_equal(x @ np.arange(3, 8) + 2 * (x.sum(axis=2) == 0), told.tokens)
    assert np.array_equal(targets, told.targets)
    assert told.asked.sum(axis=1).tolist() == [1] * 30
    assert np.array_equal(shown.inputs[:, ::3].argmax(axis=2) + 1, np.maximum(trials.symbols, 1))
    assert np.array_equal(shown.targets[shown.asked].reshape(30, 3)[:, 0] > 0, trials.more == 1)
    assert np.array_equal(told.targets[told.asked], trials.more)
    assert trials.score(trials.more).all()


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        ({"reference": 7.0}, "reference"), ({"reference": 30.5}, "reference"), ({"low": 0}, "low"),
        ({"high": 4}, "high"), ({"number_reference": 2.5}, "number_reference"), ({"lead": -1}, "lead"),
    ],
    ids=["whole", "outside", "none", "empty", "shown", "negative"],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(bad, name):
    with pytest.raises(SpecError, match=name):
        IntervalComparison(**bad)


def test_answers_of_another_shape_are_refused():
    with pytest.raises(TaskError, match="answers"):
        BOTH.draw(3, seed=0).score(np.zeros((3, 1), dtype=int))
