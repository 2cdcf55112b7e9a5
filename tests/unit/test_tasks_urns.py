"""Balls and urns: frequencies of the urns, new urns for every trial, the same trials in every form."""

from __future__ import annotations

import numpy as np
import pytest

from arcuate.errors import SpecError
from arcuate.tasks import Urns


def test_balls_have_the_frequencies_of_their_urn():
    task = Urns(n_urns=3, n_symbols=4, length=99)
    trials = task.draw(900, seed=1)
    urn = (np.abs(trials.laws[:, None] - task.laws).max(axis=2) == 0).argmax(axis=1)
    assert (np.abs(np.bincount(urn) / 900 - 1 / 3) < 0.06).all()
    for k in range(3):
        found = np.bincount(trials.balls[urn == k].ravel(), minlength=4) / trials.balls[urn == k].size
        assert np.abs(found - task.laws[k]).max() < 0.01


def test_urns_of_the_prior_are_flat_and_new():
    task = Urns(source="prior", n_symbols=5)
    laws = task.draw(4000, seed=1).laws
    assert len(np.unique(laws[:, 0])) == 4000 and np.allclose(laws.sum(axis=1), 1)
    assert np.abs(laws.mean(axis=0) - 0.2).max() < 0.01
    assert abs(laws.var() - 0.8 * 0.2 / 6) < 0.001  # of Dirichlet(1): m (1 - m) / (V + 1)


def test_the_world_is_the_urns_and_the_seed_the_draws():
    assert (Urns().laws == Urns(length=3).laws).all() and (Urns().laws != Urns(world=1).laws).any()
    one, again, other = (Urns().draw(20, seed=seed).balls for seed in (1, 1, 2))
    assert (one == again).all() and (one != other).any()


def test_every_form_has_the_same_trials():
    trials = Urns(n_symbols=3, length=5).draw(7, seed=2)
    x, targets = trials.frames()
    words, shown = trials.tokens(), trials.drive("1 ms", hold="2 ms")
    assert (words.tokens == x).all() and (words.targets == targets).all() and words.asked.all()
    assert (shown.inputs[:, ::2].argmax(axis=2) == x).all() and shown.asked.all()
    assert (shown.targets[:, 1::2].argmax(axis=2) == targets).all()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"n_urns": 0}, "n_urns"),
        ({"n_symbols": 1}, "n_symbols"),
        ({"length": 0.5}, "length"),
        ({"source": "bag"}, "bag"),
    ],
)
def test_bad_values_are_named(change, name):
    with pytest.raises((SpecError, ValueError), match=name):
        Urns(**change)
