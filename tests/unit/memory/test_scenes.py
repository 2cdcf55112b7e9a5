"""Scenes: their labels follow the world's laws, and what is sensed is the sum of vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arcuate.errors import SpecError
from arcuate.memory import SceneWorld


def test_labels_follow_the_world() -> None:
    world = SceneWorld(entities=4, classes=2, colors=3, concentration=1.0, seed=1)
    labels, _ = world.draw(40_000)
    np.testing.assert_array_equal(labels["class"], labels["entity"] % 2)
    for entity in range(4):
        colors = labels["color"][labels["entity"] == entity]
        shares = np.bincount(colors, minlength=3) / len(colors)
        np.testing.assert_allclose(shares, world.p_color[entity], atol=0.02)


def test_what_is_sensed_is_a_sum_with_noise() -> None:
    world = SceneWorld(seed=2)
    labels, sensed = world.draw(50, noise=0.0)
    for row in range(50):
        parts = [world.vectors[group][labels[group][row]] for group in ("entity", "class", "color")]
        np.testing.assert_allclose(sensed[row], np.sum(parts, axis=0))
    labels, sensed = world.draw(2000, noise=1.5)
    rest = sensed - sum(world.vectors[group][label] for group, label in labels.items())
    assert rest.std() == pytest.approx(1.5, rel=0.02)


def test_the_same_seed_gives_the_same_world_and_scenes() -> None:
    first, again, other = (SceneWorld(seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.draw(9)[1], again.draw(9)[1])
    assert not np.array_equal(first.p_color, other.p_color)
    assert not np.array_equal(first.draw(9)[1], SceneWorld(seed=3).draw(9)[1])  # its next nine


def test_divergence_is_that_of_kullback_and_leibler() -> None:
    world = SceneWorld(entities=2, classes=1, colors=2)
    world.p_color = np.array([[0.5, 0.5], [1.0, 0.0]])
    expected = (0.5 * np.log(0.5 / 0.25) + 0.5 * np.log(0.5 / 0.75) + np.log(1 / 0.8)) / 2
    assert world.divergence([[0.25, 0.75], [0.8, 0.2]]) == pytest.approx(expected)
    assert world.divergence([[0.5, 0.5], [0.0, 1.0]]) == np.inf


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: SceneWorld(entities=0), "entities"),
        (lambda: SceneWorld(concentration=0.0), "concentration"),
        (lambda: SceneWorld(d_sensory=1.5), "d_sensory"),  # type: ignore[arg-type]
        (lambda: SceneWorld().draw(0), "n = 0"),
        (lambda: SceneWorld().draw(1, noise=-1.0), "noise"),
        (lambda: SceneWorld().divergence(np.ones((2, 2))), "known"),
    ],
    ids=["entities", "concentration", "width", "none", "noise", "shape"],
)
def test_what_does_not_fit_is_refused_by_name(call: Any, word: str) -> None:
    with pytest.raises(SpecError, match=word):
        call()
