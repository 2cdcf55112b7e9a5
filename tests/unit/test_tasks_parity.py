"""Parity: answers counted by hand, and the same trials in every form."""

from __future__ import annotations

import numpy as np
import pytest

from arcuate.tasks import Parity


def counted(signs) -> list[int]:
    """Count the minus signs one after the other."""
    answers, count = [], 0
    for sign in signs:
        if sign == -1:
            count += 1
        answers.append(count % 2)
    return answers


def test_answers_are_those_that_counting_gives():
    trials = Parity(length=9).draw(300, seed=4)
    for signs, odd in zip(trials.signs.tolist(), trials.odd.tolist(), strict=True):
        assert odd == counted(signs)


def test_an_answer_that_was_written_down():
    assert counted([1, -1, -1, 1, -1]) == [0, 1, 0, 0, 1]


def test_signs_are_fair_and_independent_of_their_neighbors():
    signs = Parity(length=8).draw(20_000, seed=0).signs
    assert set(np.unique(signs)) == {-1, 1}
    assert np.abs(signs.mean(axis=0)).max() < 4 / np.sqrt(20_000)
    assert abs((signs[:, 1:] * signs[:, :-1]).mean()) < 4 / np.sqrt(140_000)


def test_every_form_has_the_same_trials_in_the_same_order():
    trials = Parity(length=6).draw(20, seed=2)
    x, targets = trials.frames()
    read, shown = trials.tokens(), trials.drive("1 ms", hold="5 ms")
    words = np.array(read.vocabulary)
    assert (words[read.tokens] == np.where(x > 0, "+1", "-1")).all()
    assert (words[read.targets] == np.where(targets == 1, "odd", "even")).all()
    assert read.asked.all()
    assert (shown.inputs[:, 2::5, 0] == x).all()
    assert (shown.targets[:, 4::5, 0] == targets).all()
    assert shown.asked.all()


def test_draws_are_seeded_and_cannot_be_changed():
    one, again, other = (Parity(length=8).draw(50, seed=seed) for seed in (1, 1, 2))
    assert (one.signs == again.signs).all()
    assert (one.signs != other.signs).any()
    with pytest.raises(ValueError, match="read-only"):
        one.signs[0, 0] = 0


def test_batches_are_new_draws():
    batches = Parity(length=8).batches(32)
    generator = np.random.default_rng(0)
    (x, targets), (y, _) = batches(generator), batches(generator)
    assert (x != y).any()
    assert x.flags.writeable and targets.flags.writeable  # torch warns of others
    assert [counted(row) for row in x.tolist()] == targets.tolist()
    assert (x == batches(np.random.default_rng(0))[0]).all()


def test_scores_tell_places_and_whole_rows_apart():
    trials = Parity(length=4).draw(3, seed=0)
    answers = trials.odd.copy()
    answers[1, 2] = 1 - answers[1, 2]
    assert trials.score(answers).tolist() == [True, False, True]
    assert np.argwhere(~trials.score_items(answers)).tolist() == [[1, 2]]
