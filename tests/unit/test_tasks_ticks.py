"""What/when trials tick by tick: against a slow count of steps, and as words for a transformer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arcuate.errors import TaskError
from arcuate.tasks import Block, Condition, Trials, WhatWhen

KINDS = [
    Condition(latency="430 ms", probabilities={"A": 0.8, "B": 0.2}, cues="left"),
    Condition(
        latency="270 ms", probabilities={"A": 0.3, "B": 0.7}, cues=[("right", "20 ms"), ("left", "110 ms")]
    ),
]


def drawn(n: int = 60, **options: Any) -> Trials:
    task = WhatWhen(blocks=[Block(n_trials=n, conditions=KINDS, omission=0.2)], window="600 ms", **options)
    return task.trials("5 ms", seed=3)


@pytest.mark.parametrize("shown", [False, True])
def test_frames_are_a_count_of_steps(shown: bool) -> None:
    trials = drawn(latency_jitter="40 ms", outcome_to_reservoir=shown)
    x, targets = trials.frames("25 ms")
    assert x.shape == (60, 24, 4 if shown else 2) and targets.shape == (60, 24)
    dense = trials.cues.dense(trials.n_steps)
    if shown:
        dense = np.concatenate((dense, trials.outcome_pulses.dense(trials.n_steps)), axis=1)
    for k in range(60):
        for tick in range(24):
            steps = slice(trials.start[k] + 5 * tick, trials.start[k] + 5 * (tick + 1))
            np.testing.assert_allclose(x[k, tick], dense[steps].mean(axis=0), rtol=1e-6)
            follow = range(5 * (tick + 1), 5 * (tick + 2))
            comes = trials.outcome[k] >= 0 and trials.latency_steps[k] in follow
            assert targets[k, tick] == (trials.outcome[k] + 1 if comes else 0)


def test_every_outcome_is_asked_for_once_and_omissions_never() -> None:
    trials = drawn()
    _, targets = trials.frames("50 ms")
    assert ((targets > 0).sum(axis=1) == (trials.outcome >= 0)).all()
    assert (targets.max(axis=1) == trials.outcome + 1).all()


def test_words_say_what_is_on() -> None:
    trials = drawn(outcome_to_reservoir=True)
    read = trials.tokens("10 ms")
    x, targets = trials.frames("10 ms")
    assert read.vocabulary == ("nothing", "A", "B", "left", "right")
    assert np.array_equal(read.targets, targets)
    names = np.array(read.vocabulary)[read.tokens]
    for channel, name in enumerate(("left", "right", "A", "B")):
        assert np.array_equal(names == name, x[:, :, channel] > 0)
    assert np.array_equal(names == "nothing", ~x.any(axis=2))


def test_scores_need_what_and_when() -> None:
    trials = drawn()
    _, targets = trials.frames("50 ms")
    assert trials.score(targets, "50 ms").all()
    came = trials.outcome >= 0
    early, wrong = np.roll(targets, -1, axis=1), np.where(targets > 0, 3 - targets, 0)
    assert np.array_equal(trials.score(early, "50 ms"), ~came)
    assert np.array_equal(trials.score(wrong, "50 ms"), ~came)


def test_batches_are_new_trials_in_the_proportions_of_the_blocks() -> None:
    blocks = [
        Block(n_trials=3, latency="400 ms", probabilities={"A": 1.0, "B": 0.0}, cues="left"),
        Block(n_trials=1, latency="200 ms", probabilities={"A": 0.0, "B": 1.0}, cues="right"),
    ]
    batches = WhatWhen(blocks=blocks, window="600 ms").batches(64, dt="10 ms", tick="50 ms")
    x, targets = batches(np.random.default_rng(1))
    again, other = batches(np.random.default_rng(1)), batches(np.random.default_rng(2))
    assert x.dtype == np.float32 and np.array_equal(x, again[0]) and not np.array_equal(x, other[0])
    left = x[:, 0, 0] == 1
    assert left.sum() == 48
    assert (targets[left, 7] == 1).all() and (targets[~left, 3] == 2).all()
    assert (
        WhatWhen(blocks=blocks).batches(3, dt="10 ms", tick="50 ms")(np.random.default_rng(1))[0].shape[0]
        == 3
    )


@pytest.mark.parametrize("tick", ["3 ms", "0 ms", "700 ms"])
def test_ticks_that_do_not_fit_are_named(tick: str) -> None:
    for call in (drawn().frames, drawn().tokens, lambda t: drawn().score(np.zeros((60, 12)), t)):
        with pytest.raises(TaskError, match="tick"):
            call(tick)
    task = WhatWhen(blocks=[Block(n_trials=1, latency="400 ms", probabilities=[0.8, 0.2])], window="600 ms")
    with pytest.raises(TaskError, match="tick"):
        task.batches(4, dt="5 ms", tick=tick)


def test_answers_of_another_shape_are_named() -> None:
    with pytest.raises(TaskError, match="answers"):
        drawn().score(np.zeros((60, 11)), "50 ms")
