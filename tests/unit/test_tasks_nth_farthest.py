"""Nth farthest: answers found by sorting distances, and the same trials in every form."""

from __future__ import annotations

import math

import numpy as np
import pytest

from arcuate.tasks import NthFarthest


def sorted_out(rows, size) -> int:
    """Read vectors, labels and question from the rows of a trial, and sort the labels by distance."""
    n_dims = len(rows[0]) - 3 * size
    vectors = {row[n_dims : n_dims + size].index(1.0): row[:n_dims] for row in rows}
    assert len(vectors) == size
    rank, reference = rows[0][-2 * size : -size].index(1.0), rows[0][-size:].index(1.0)
    falling = sorted(vectors, key=lambda label: -math.dist(vectors[label], vectors[reference]))
    return falling[rank]


@pytest.mark.parametrize(("size", "n_dims"), [(8, 16), (4, 4), (3, 2)])
def test_answers_are_those_of_sorted_distances(size, n_dims):
    x, targets = NthFarthest(n_vectors=size, n_dims=n_dims).draw(300, seed=4).frames()
    assert [sorted_out(rows, size) for rows in x.tolist()] == targets.tolist()


def test_labels_ranks_and_answers_are_even():
    trials = NthFarthest(n_vectors=4, n_dims=4).draw(20_000, seed=0)
    for drawn in (trials.answers, trials.rank, trials.reference, trials.labels[:, 0]):
        assert np.abs(np.bincount(drawn, minlength=4) / 20_000 - 0.25).max() < 0.015
    assert abs(trials.vectors.mean()) < 0.01 and abs(trials.vectors.var() - 1 / 3) < 0.01


def test_every_form_has_the_same_trials_in_the_same_order():
    trials = NthFarthest(n_vectors=4, n_dims=3).draw(20, seed=2)
    x, targets = trials.frames()
    read, shown = trials.tokens(), trials.drive("1 ms", hold="5 ms")
    words = np.array(read.vocabulary)
    for trial in range(20):
        said = words[read.tokens[trial]].tolist()
        for k, row in enumerate(x[trial]):
            assert said[4 * k] == f"label {row[3:7].argmax()}"
            assert np.abs(np.array(said[4 * k + 1 : 4 * k + 4], dtype=float) - row[:3]).max() < 0.00501
        assert said[16:] == [f"rank {x[trial, 0, 7:11].argmax()}", f"label {x[trial, 0, 11:].argmax()}"]
        assert words[read.targets[trial, -1]] == f"label {targets[trial]}"
    assert read.asked.sum() == 20
    assert np.allclose(shown.inputs[:, 2:20:5, :-1], x)
    assert (shown.inputs[..., -1] == shown.asked).all() and (shown.asked.sum(axis=1) == 5).all()
    assert (shown.targets[:, 22].argmax(axis=1) == targets).all()
    assert len(shown.channels) == shown.inputs.shape[2]


def test_draws_are_seeded_and_cannot_be_changed():
    one, again, other = (NthFarthest().draw(50, seed=seed) for seed in (1, 1, 2))
    assert (one.vectors == again.vectors).all() and (one.answers == again.answers).all()
    assert (one.vectors != other.vectors).any()
    with pytest.raises(ValueError, match="read-only"):
        one.answers[0] = 0


def test_batches_are_new_draws():
    batches = NthFarthest().batches(32)
    generator = np.random.default_rng(0)
    (x, targets), (y, _) = batches(generator), batches(generator)
    assert (x != y).any()
    assert x.flags.writeable and targets.flags.writeable  # torch warns of others
    assert (x == batches(np.random.default_rng(0))[0]).all()


def test_scores_tell_which_trial_is_wrong():
    trials = NthFarthest().draw(3, seed=0)
    answers = trials.answers.copy()
    answers[1] = (answers[1] + 1) % 8
    assert trials.score(answers).tolist() == [True, False, True]
