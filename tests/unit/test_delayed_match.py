"""Delayed non-match-to-sample: what is shown, what is to be answered, in every form."""

from __future__ import annotations

import numpy as np
import pytest

from arcuate.errors import SpecError, TaskError
from arcuate.tasks import DelayedNonMatch


def test_it_shows_what_the_published_program_shows() -> None:
    trials = DelayedNonMatch(n_trials=9).trials("1 ms", seed=0)
    for name, shown, target in zip(trials.names, trials.inputs, trials.target, strict=True):
        on = [np.flatnonzero(shown[:, channel]).tolist() for channel in (0, 1)]
        expected = [[], []]
        expected["AB".index(name[0])] += range(1, 201)
        expected["AB".index(name[1])] += range(400, 600)
        assert on == expected
        assert set(target) == {0.98 if name[0] != name[1] else -0.98}
    assert trials.answer == slice(800, 1000)
    assert trials.stimulus.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0]


def test_a_drawn_order_is_even_and_has_its_own_seed() -> None:
    task = DelayedNonMatch(n_trials=4000, order="random")
    order = task.trials("1 ms", seed=1).stimulus
    counts = np.bincount(order, minlength=4)
    assert np.all(np.abs(counts - 1000) < 4 * np.sqrt(750))  # four standard errors
    assert np.array_equal(order, task.trials("2 ms", seed=1).stimulus)
    assert not np.array_equal(order, task.trials("1 ms", seed=2).stimulus)


def test_currents_and_frames_are_the_same_trials() -> None:
    trials = DelayedNonMatch(n_trials=6, first="0 ms").trials("0.5 ms", seed=0)
    drive = trials.drive()
    assert drive.shape == (12000, 2)
    assert np.array_equal(drive[2000:4000], trials.inputs[1])
    frames = trials.frames("100 ms")
    assert frames.shape == (4, 10, 2)
    assert np.array_equal(np.repeat(frames, 200, axis=1), trials.inputs)  # every time is a multiple of 100 ms


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"second": "150 ms"}, "second = .*must start at or after the end of the first stimulus"),
        ({"duration": "700 ms"}, "response = .*must start at or after the end of the second stimulus"),
        ({"stimulus": "0 ms"}, "stimulus"),
        ({"stimulus": 200}, "stimulus"),
        ({"target": -1.0}, "target = -1.0: must be > 0"),
        ({"order": "shuffled"}, "order"),
        ({"n_trials": 0}, "n_trials = 0"),
    ],
)
def test_bad_values_are_refused(options, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        DelayedNonMatch(**options)


def test_bad_grids_are_refused() -> None:
    trials = DelayedNonMatch(n_trials=2).trials("1 ms", seed=0)
    for every in ("300 ms", "0.4 ms", "2 s"):
        with pytest.raises(TaskError, match="divides 1000 steps"):
            trials.frames(every)
    with pytest.raises(SpecError, match="n_trials = 3"):
        trials.drive(3)
    with pytest.raises(TaskError, match="dt"):
        DelayedNonMatch().trials("0.5 s", seed=0)
