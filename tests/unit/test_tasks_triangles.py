"""Triangles: kinds told by their angles, images painted pixel by pixel, the same trials in every form."""

from __future__ import annotations

import math

import numpy as np
import pytest

from arcuate.tasks import Triangles


def is_equilateral(a, b, c) -> bool:
    """Whether a side, turned by 60 degrees to the left or the right, ends near the third corner."""
    side = complex(*b) - complex(*a)
    ends = (complex(*a) + side * complex(0.5, sign * math.sqrt(0.75)) for sign in (1, -1))
    return any(abs(end - complex(*c)) < 1.5 for end in ends)


@pytest.mark.parametrize("size", [64, 40])
def test_equilateral_triangles_are_those_that_a_turn_closes(size):
    trials = Triangles(size=size).draw(1000, seed=4)
    assert trials.corners.min() >= 1 and trials.corners.max() < size
    for corners, answer in zip(trials.corners.tolist(), trials.answers.tolist(), strict=True):
        sides = [math.dist(corners[k], corners[k - 1]) for k in range(3)]
        assert sides[1] >= 8
        if answer == 0:
            assert is_equilateral(*corners)
        else:
            assert max(sides) > 1.05 * min(sides)
    assert 400 < trials.answers.sum() < 600


def test_images_show_clusters_at_the_corners_and_nothing_else():
    trials = Triangles().draw(12, seed=3)
    for corners, image in zip(trials.corners.tolist(), trials.images, strict=True):
        near = np.zeros((64, 64), dtype=bool)
        for x, y in corners:
            for row in range(64):
                for column in range(64):
                    near[row, column] |= math.hypot(column - x, row - y) <= 2 + math.sqrt(2)
            around = [(x + p, y + q) for p in (-1, 0, 1) for q in (-1, 0, 1)]
            assert all(image[q, p] for p, q in around if 0 <= p < 64 and 0 <= q < 64)
        assert not (image & ~near).any()


def test_a_cluster_is_symmetric_about_its_corner():
    trials = Triangles().draw(200, seed=5)
    for corners, image in zip(trials.corners, trials.images, strict=True):
        apart = np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1)
        if apart.min() > 10 and corners.min() > 4 and corners.max() < 59:
            for x, y in corners:
                patch = image[y - 4 : y + 5, x - 4 : x + 5]
                assert (patch == patch[::-1, ::-1]).all()
                assert 13 <= patch.sum() <= 45


def test_triangles_lie_at_every_angle():
    trials = Triangles().draw(2000, seed=0)
    a, b, _ = np.moveaxis(trials.corners[trials.answers == 0], 1, 0)
    angle = np.arctan2(*(b - a).T)
    assert np.histogram(angle, bins=6, range=(-np.pi, np.pi))[0].min() > 80


def test_every_form_has_the_same_trials_in_the_same_order():
    trials = Triangles(size=20).draw(20, seed=2)
    x, targets = trials.frames()
    read, shown = trials.tokens(), trials.drive("1 ms", hold="5 ms")
    words = np.array(read.vocabulary)
    assert (words[read.tokens] == np.where(x.reshape(20, -1) > 0, "light", "dark")).all()
    assert (words[read.targets[:, -1]] == np.where(targets == 0, "equilateral", "other")).all()
    assert read.asked.sum() == 20
    assert (shown.inputs[:, 2:100:5, :-1] == x[:, 0]).all()
    assert (shown.inputs[..., -1] == shown.asked).all() and (shown.asked.sum(axis=1) == 5).all()
    assert (shown.targets[:, 102].argmax(axis=1) == targets).all()
    assert len(shown.channels) == shown.inputs.shape[2]


def test_draws_are_seeded_and_cannot_be_changed():
    one, again, other = (Triangles().draw(50, seed=seed) for seed in (1, 1, 2))
    assert (one.images == again.images).all() and (one.answers == again.answers).all()
    assert (one.images != other.images).any()
    with pytest.raises(ValueError, match="read-only"):
        one.images[0, 0, 0] = True


def test_batches_are_new_draws():
    batches = Triangles().batches(8)
    generator = np.random.default_rng(0)
    (x, targets), (y, _) = batches(generator), batches(generator)
    assert (x != y).any()
    assert x.flags.writeable and targets.flags.writeable  # torch warns of others
    assert (x == batches(np.random.default_rng(0))[0]).all()


def test_scores_tell_which_trial_is_wrong():
    trials = Triangles().draw(3, seed=0)
    answers = trials.answers.copy()
    answers[1] = 1 - answers[1]
    assert trials.score(answers).tolist() == [True, False, True]
