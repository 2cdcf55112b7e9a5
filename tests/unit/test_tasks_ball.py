"""A ball in a box: where it is against walls hit one by one, what is seen of it, who follows it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import least_squares

from arcuate.errors import MemoryLimitError, SpecError, TaskError
from arcuate.tasks import OccludedBall


def bounced(place: float, velocity: float, n_steps: int) -> tuple[list[float], list[float]]:
    """Move a ball wall by wall: on to the next one, turn, on with what is left of the step."""
    places, velocities = [place], [velocity]
    for _ in range(n_steps - 1):
        left = abs(velocity)
        while True:
            room = 1.0 - place if velocity > 0 else place
            if left <= room:
                place += left if velocity > 0 else -left
                break
            place, left, velocity = (1.0 if velocity > 0 else 0.0), left - room, -velocity
        places.append(place)
        velocities.append(velocity)
    return places, velocities


@pytest.mark.parametrize("n_dims", [1, 2])
def test_a_ball_goes_as_one_that_is_moved_from_wall_to_wall(n_dims):
    trials = OccludedBall(n_steps=40, n_dims=n_dims, n_pixels=5, slowest=0.02, fastest=0.9).draw(30, seed=1)
    turns = 0
    for row in range(30):
        for dim in range(n_dims):
            start = trials.positions[row, 0, dim], trials.velocities[row, 0, dim]
            places, velocities = bounced(*map(float, start), 40)
            np.testing.assert_allclose(trials.positions[row, :, dim], places, atol=1e-9)
            np.testing.assert_allclose(trials.velocities[row, :, dim], velocities, atol=1e-9)
            turns += np.count_nonzero(np.diff(np.sign(velocities)))
    assert turns > 100
    speed = np.linalg.norm(trials.velocities, axis=2)
    np.testing.assert_allclose(speed, speed[:, :1] * np.ones(40))
    assert speed.min() >= 0.02
    assert speed.max() <= 0.9


def test_places_speeds_and_directions_are_even():
    task = OccludedBall(n_steps=2, n_visible=1, n_dims=2, n_pixels=2, slowest=0.01, fastest=0.09)
    trials = task.draw(20_000, seed=2)
    speed = np.linalg.norm(trials.velocities[:, 0], axis=1)
    angle = np.arctan2(*trials.velocities[:, 0].T)
    for values, low, high in ((trials.positions[:, 0, 0], 0, 1), (speed, 0.01, 0.09), (angle, -np.pi, np.pi)):
        counts = np.histogram(values, 10, (low, high))[0]
        assert counts.sum() == 20_000
        assert np.abs(counts - 2000).max() < 4.5 * np.sqrt(2000)


def test_what_is_seen_is_a_bump_until_it_is_hidden():
    trials = OccludedBall(n_dims=2, n_pixels=6, width=0.2, n_visible=7, n_steps=11).draw(9, seed=3)
    assert trials.hidden.tolist() == [False] * 7 + [True] * 4
    assert not trials.pixels[:, 7:].any()
    row, step, (i, j) = 4, 5, (2, 3)
    apart = trials.positions[row, step] - np.array([2.5, 3.5]) / 6
    assert trials.pixels[row, step, 6 * i + j] == pytest.approx(np.exp(-(apart @ apart) / 0.08))
    for array in (trials.pixels, trials.positions, trials.velocities):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    whole = OccludedBall(n_dims=2, n_pixels=6, width=0.2, n_visible=11, n_steps=11).draw(9, seed=3)
    assert np.array_equal(whole.positions, trials.positions)
    assert np.array_equal(whole.pixels[:, :7], trials.pixels[:, :7])
    assert whole.pixels[:, 7:].any(axis=2).all()


def test_every_form_has_the_same_trials():
    trials = OccludedBall(n_pixels=8).draw(6, seed=4)
    x, targets = trials.frames()
    shown = trials.drive("1 ms", hold="3 ms")
    assert np.array_equal(shown.inputs[:, ::3].astype(np.float32), x)
    assert np.array_equal(shown.targets[:, 2::3].astype(np.float32), targets)
    assert shown.asked.sum(axis=1).tolist() == [36] * 6
    assert not shown.inputs[shown.asked].any()
    inputs, _ = OccludedBall(n_pixels=8).batches(3)(np.random.default_rng(0))
    assert inputs.shape == (3, 24, 8)


def test_neurons_follow_the_ball_by_place_and_velocity_when_it_is_hidden_too():
    trials = OccludedBall(n_dims=2, slowest=0.05, fastest=0.1).draw(300, seed=5)
    options = {"peak": 4.0, "width": 0.3, "depth": 0.5, "seed": 6}
    expected = trials.population(3, n_repeats=1, noise="none", **options).values[:, 0]
    position, velocity = (part.reshape(-1, 2) for part in (trials.positions, trials.velocities))
    for unit in range(3):

        def rate(p):
            square = ((position - p[:2]) ** 2).sum(axis=1)
            return 4 * np.exp(-square / 0.18) * (1 + 0.5 * velocity @ p[2:] / 0.1)

        found = least_squares(lambda p, k=unit: rate(p) - expected[..., k].ravel(), [0.5, 0.5, 0.0, 0.0])
        assert found.cost < 1e-12
        assert np.linalg.norm(found.x[2:]) == pytest.approx(1.0)
        assert (found.x[:2] > 0).all()
        assert (found.x[:2] < 1).all()
    for noise in ("poisson", "gaussian"):
        seen = trials.population(3, n_repeats=60, noise=noise, **options)
        assert seen.dims == ("trial", "repeat", "step", "unit")
        rest = (seen.mean("repeat").values - expected) / np.sqrt(expected / 60)
        assert abs(rest.mean()) < 4 / np.sqrt(rest.size)
        assert rest.var() == pytest.approx(1.0, abs=4 * np.sqrt(3 / rest.size))
    counts = trials.population(3, n_repeats=2, **options).values
    assert np.array_equal(counts, counts.round())
    again = (
        OccludedBall(n_dims=2, slowest=0.05, fastest=0.1)
        .draw(300, seed=5)
        .population(3, n_repeats=2, **options)
    )
    assert np.array_equal(counts, again.values)


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        ({"n_steps": 1}, "n_steps"), ({"n_visible": 25}, "n_visible"), ({"n_dims": 3}, "n_dims"),
        ({"n_pixels": 1}, "n_pixels"), ({"width": 0.0}, "width"), ({"fastest": 1.5}, "fastest"),
        ({"slowest": 0.2}, "slowest"), ({"n_steps": 60_000, "n_dims": 2, "n_pixels": 200}, "for one trial"),
    ],
)  # fmt: skip
def test_balls_that_cannot_be_are_refused_by_name(bad, name):
    with pytest.raises(SpecError, match=name):
        OccludedBall(**bad)


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        ({"n_units": 0}, "n_units"), ({"n_repeats": 1.5}, "n_repeats"), ({"peak": 0.0}, "peak"),
        ({"width": np.nan}, "width"), ({"depth": 1.1}, "depth"), ({"noise": "possion"}, "poisson"),
        ({"seed": -1}, "seed"),
    ],
)  # fmt: skip
def test_neurons_that_cannot_be_are_refused_by_name(bad, name):
    with pytest.raises(SpecError, match=name):
        OccludedBall().draw(2, seed=0).population(**bad)


def test_what_does_not_fit_is_refused_beforehand():
    trials = OccludedBall().draw(50, seed=0)
    with pytest.raises(MemoryLimitError):
        trials.population(60_000, n_repeats=60_000)
    with pytest.raises(TaskError, match="hold"):
        trials.drive("1 ms", hold="2.5 ms")
