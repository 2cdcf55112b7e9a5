"""Sorting: orders found by insertion, and the same lists in every form."""

from __future__ import annotations

import numpy as np
import pytest

from arcuate.tasks import Sort


def inserted(values) -> list[int]:
    """Places in rising order, found by insertion."""
    order: list[int] = []
    for place, value in enumerate(values):
        k = 0
        while k < len(order) and values[order[k]] < value:
            k += 1
        order.insert(k, place)
    return order


def spoken(words, length) -> list[float]:
    """Numbers of a sequence of words."""
    numbers = ["".join(words[5 * k : 5 * k + 5]) for k in range(length)]
    return [int(number) / 1000 for number in numbers]


def test_answers_are_those_that_insertion_gives():
    trials = Sort(length=7).draw(300, seed=4)
    for values, order in zip(trials.values.tolist(), trials.order.tolist(), strict=True):
        assert order == inserted(values)


def test_an_answer_that_was_written_down():
    assert inserted([0.3, -1.0, 2.0, 0.1]) == [1, 3, 0, 2]


def test_numbers_are_standard_normal_and_no_two_of_a_list_are_equal():
    values = Sort(length=30).draw(2000, seed=0).values
    assert abs(values.mean()) < 4 / np.sqrt(values.size)
    assert abs(values.var() - 1) < 4 * np.sqrt(2 / values.size)
    assert all(len(set(row)) == 30 for row in values.tolist())


def test_every_form_has_the_same_trials_in_the_same_order():
    trials = Sort(length=5).draw(40, seed=2)
    x, targets = trials.frames()
    read, shown = trials.tokens(), trials.drive("1 ms", hold="5 ms")
    words = np.array(read.vocabulary)
    for row, values in zip(words[read.tokens].tolist(), x.tolist(), strict=True):
        assert spoken(row, 5) == pytest.approx(values, abs=1e-6)
        assert row[25:] == ["?"] * 5
    assert (words[read.targets[:, 25:]] == np.char.add("place ", targets.astype(str))).all()
    assert read.asked.sum(axis=1).tolist() == [5] * 40
    assert not read.asked[:, :25].any()
    assert (shown.inputs[:, 2:25:5, 0] == x).all()
    assert not shown.inputs[:, 25:, 0].any()
    assert (shown.inputs[:, :, 1] == shown.asked).all()
    assert (shown.targets[:, 27::5].argmax(axis=2) == targets).all()
    assert (shown.targets.sum(axis=2) == shown.asked).all()


def test_draws_are_seeded_and_cannot_be_changed():
    one, again, other = (Sort(length=6).draw(50, seed=seed) for seed in (1, 1, 2))
    assert (one.values == again.values).all()
    assert (one.values != other.values).any()
    with pytest.raises(ValueError, match="read-only"):
        one.values[0, 0] = 0


def test_batches_are_new_draws():
    batches = Sort(length=6).batches(32)
    generator = np.random.default_rng(0)
    (x, targets), (y, _) = batches(generator), batches(generator)
    assert (x != y).any()
    assert x.flags.writeable and targets.flags.writeable  # torch warns of others
    assert [inserted(row) for row in x.tolist()] == targets.tolist()


def test_scores_tell_ranks_and_whole_lists_apart():
    trials = Sort(length=3).draw(4, seed=0)
    answers = np.concatenate((trials.order, np.full((4, 2), -1)), axis=1)
    assert trials.score(answers).all()
    answers[1, [0, 1]] = answers[1, [1, 0]]
    answers[2, 3] = 0
    answers[3, 2] = -1
    assert trials.score(answers).tolist() == [True, False, False, False]
    assert trials.score_items(answers).sum(axis=1).tolist() == [3, 1, 3, 2]
    assert not trials.score(trials.order[:, :2]).any()
