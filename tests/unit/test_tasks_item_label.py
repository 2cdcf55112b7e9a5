"""Items and labels: the law of the paper, what each test asks, the same trials in every form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from arcuate.errors import SpecError, TaskError
from arcuate.tasks import ItemLabel

TASK = ItemLabel()


def read(task, x):
    """Classes of the items and labels of the context, by the nearest mean and the nearest label vector."""
    vectors = x[..., 2 * task.max_pairs + 1 :]
    classes = (vectors[:, ::2] @ task.means.T).argmax(axis=2)
    off = np.linalg.norm(vectors[:, 1::2, None] - task.label_vectors, axis=3)
    assert off.min(axis=2).max() < 1e-6
    return classes, off.argmin(axis=2)


@pytest.mark.parametrize("burstiness", [1, 2, 4, 8])
def test_a_burst_is_so_many_of_each_class_and_the_target_is_one_of_them(burstiness):
    task = replace(TASK, burstiness=burstiness)
    trials = task.draw(300, seed=1)
    counts = (trials.classes[:, :-1, None] == trials.classes[:, None, :-1]).sum(axis=2)
    assert (counts % burstiness == 0).all() and np.median(counts) == burstiness
    assert (trials.matches.sum(axis=1) >= burstiness).all()
    mixed = replace(task, p_bursty=0.0).draw(300, seed=1)
    assert mixed.matches.any(axis=1).mean() < 0.06  # 8 of 512 by chance


def test_vectors_are_means_with_noise_and_labels():
    trials = ItemLabel(n_classes=32, n_dims=512, noise=0.5).draw(200, seed=3)
    task = ItemLabel(n_classes=32, n_dims=512, noise=0.5)
    classes, labels = read(task, trials.x)
    assert (classes == trials.classes).all() and (labels == trials.labels[:, :-1]).all()
    assert (trials.labels == trials.classes % 16).all()
    items = trials.x[:, ::2, 17:]
    assert abs((items**2).sum(axis=2).mean() - 1) < 0.02
    along = (items * task.means[trials.classes]).sum(axis=2) / (task.means[trials.classes] ** 2).sum(axis=2)
    assert abs(along.mean() - 1 / np.sqrt(1.25)) < 0.01


def test_places_are_told_and_shifted_at_random():
    x = ItemLabel(n_pairs=4, max_pairs=8, burstiness=2).draw(2000, seed=2).x[..., :17]
    assert (x.sum(axis=2) == 1).all() and (np.diff(x.argmax(axis=2), axis=1) == 1).all()
    first = np.bincount(x[:, 0].argmax(axis=1), minlength=9)
    assert len(first) == 9 and (np.abs(first / 2000 - 1 / 9) < 0.03).all()


def test_ranks_are_drawn_by_their_power():
    task = ItemLabel(n_classes=16, burstiness=1, rank_exponent=1.0)
    shares = np.bincount(task.draw(5000, seed=1).classes.ravel(), minlength=16) / 45_000
    assert np.abs(shares - 1 / np.arange(1, 17) / (1 / np.arange(1, 17)).sum()).max() < 0.01


def test_tests_share_the_world_and_change_one_thing():
    plain, novel, swap, weights = (
        replace(TASK, test=name).draw(400, seed=1) for name in ("none", "novel", "swap", "weights")
    )
    assert (plain.classes == swap.classes).all() and ((plain.labels + 1) % 16 == swap.labels).all()
    assert (swap.x[:, ::2] == plain.x[:, ::2]).all() and (swap.x[:, 1::2] != plain.x[:, 1::2]).any()
    assert (novel.x[:, 1::2] == plain.x[:, 1::2]).all()
    other = replace(TASK, test="novel").means
    assert np.abs(TASK.means @ other.T).max() < 1.5 and np.abs((TASK.means * other).sum(axis=1).mean()) < 0.05
    assert weights.matches.any(axis=1).mean() < 0.06
    assert (TASK.means == replace(TASK, burstiness=2).means).all()
    assert (TASK.means != replace(TASK, world=1).means).any()


def test_every_form_has_the_same_trials():
    trials = TASK.draw(5, seed=2)
    x, targets = trials.frames()
    shown = trials.drive("1 ms", hold="3 ms")
    assert (shown.inputs[:, 1::3] == x).all() and len(shown.channels) == x.shape[2]
    assert (shown.asked.sum(axis=1) == 3).all() and shown.asked[:, -1].all()
    assert (shown.targets[:, -1].argmax(axis=1) == targets).all()
    assert trials.score(targets).all() and not trials.score((targets + 1) % 16).any()
    y, _ = TASK.batches(3)(np.random.default_rng(0))
    assert y.shape == (3, 17, 49) and y.flags.writeable


@pytest.mark.parametrize(
    ("change", "error", "name"),
    [
        ({"n_classes": 100}, TaskError, "n_labels"),
        ({"burstiness": 3}, TaskError, "burstiness"),
        ({"n_pairs": 16}, TaskError, "n_pairs"),
        ({"n_dims": 0}, SpecError, "n_dims"),
        ({"noise": -0.1}, SpecError, "noise"),
        ({"p_bursty": 1.5}, SpecError, "p_bursty"),
        ({"rank_exponent": float("nan")}, SpecError, "rank_exponent"),
        ({"test": "iwl"}, SpecError, "test"),
    ],
)
def test_bad_values_are_named(change, error, name):
    with pytest.raises((error, ValueError), match=name):
        ItemLabel(**change)


def test_too_many_trials_are_refused():
    with pytest.raises(SpecError, match="n_trials"):
        TASK.draw(10**9, seed=1)
