"""The Tensor Brain: its operations by hand, its gradient, and what it comes to know."""

from __future__ import annotations

import numpy as np
import pytest

from arcuate.memory import TensorBrain

KNOW = ["feed entity", "evolve", "measure class", "measure color"]
PERCEIVE = ["sense", "measure entity", *KNOW]


WEIGHTS = ("symbols", "bias", "start", "sense", "evolve_in", "evolve_bias", "evolve_out")


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


class World:
    """24 entities of 6 classes, each with probabilities of 8 colors; scenes are noisy sums of vectors."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.kind = np.arange(24) % 6
        self.p_color = self.rng.dirichlet(np.full(8, 0.3), size=24)
        self.looks = {"entity": 24, "class": 6, "color": 8}
        self.vectors = {k: self.rng.standard_normal((n, 40)) for k, n in self.looks.items()}

    def draw(self, n: int, noise: float = 0.5) -> tuple[dict[str, np.ndarray], np.ndarray]:
        entity = self.rng.integers(24, size=n)
        color = (self.rng.random((n, 1)) > self.p_color[entity].cumsum(axis=1)).sum(axis=1).clip(max=7)
        labels = {"entity": entity, "class": self.kind[entity], "color": color}
        seen = sum(self.vectors[k][labels[k]] for k in labels)
        return labels, seen + noise * self.rng.standard_normal((n, 40))

    def right(self, brain: TensorBrain, noise: float) -> dict[str, float]:
        labels, seen = self.draw(2000, noise)
        found = brain.run(PERCEIVE, sensory=seen).probabilities
        return {k: float((p.argmax(axis=1) == labels[k]).mean()) for k, p in found.items()}

    def divergence(self, brain: TensorBrain) -> float:
        """Of what is known of the colors of entities, without any input, from the truth (nats)."""
        known = brain.run(KNOW, {"entity": np.arange(24)}).probabilities["color"]
        p = np.maximum(self.p_color, 1e-300)
        return float((p * np.log(p / known)).sum(axis=1).mean())


def learned(seed: int, n: int, n_steps: int) -> tuple[World, TensorBrain]:
    world = World(seed)
    labels, sensory = world.draw(n)
    brain = TensorBrain(world.looks, d_sensory=40, seed=seed)
    brain.fit([PERCEIVE, KNOW], labels, sensory=sensory, n_steps=n_steps, learning_rate=0.01, seed=seed)
    return world, brain


@pytest.fixture(scope="module")
def of_many_scenes() -> tuple[World, TensorBrain]:
    return learned(1, 20_000, 1500)


def small() -> TensorBrain:
    brain = TensorBrain({"entity": 4, "class": 2, "color": 3}, d_sensory=3, d_model=5, n_hidden=6, seed=2)
    rng = np.random.default_rng(2)
    brain.parameters = {name: rng.standard_normal(w.shape) for name, w in brain.parameters.items()}
    return brain


def test_the_operations_by_hand() -> None:
    brain, q = small(), np.random.default_rng(3).standard_normal((2, 5))
    a, b, start, sense, v, v0, w = (brain.parameters[name] for name in WEIGHTS)
    nu = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]])
    for row in range(2):
        np.testing.assert_allclose(brain.start(2)[row], start)
        np.testing.assert_allclose(
            brain.sense(q, nu)[row], q[row] + sum(nu[row, j] * sense[j] for j in range(3))
        )
        scores = np.array([np.exp(b[k] + a[:, k] @ sigmoid(q[row])) for k in (6, 7, 8)])
        np.testing.assert_allclose(brain.measure(q, "color")[row], scores / scores.sum())
        np.testing.assert_allclose(brain.feed(q, "class", [1, 0])[row], q[row] + a[:, (5, 4)[row]])
        moved = q[row] + w.T @ sigmoid(v0 + v.T @ sigmoid(q[row]))
        np.testing.assert_allclose(brain.evolve(q)[row], moved)
    mixed = brain.feed(q, "class", [[0.25, 0.75], [1.0, 0.0]])
    np.testing.assert_allclose(mixed[0], q[0] + 0.25 * a[:, 4] + 0.75 * a[:, 5])


def test_a_program_is_its_operations_in_turn() -> None:
    brain, nu = small(), np.random.default_rng(4).standard_normal((7, 3))
    found = brain.run(PERCEIVE, sensory=nu)
    q = brain.sense(brain.start(7), nu)
    seen = brain.measure(q, "entity")
    after = brain.evolve(brain.feed(q, "entity", seen.argmax(axis=1)))
    np.testing.assert_array_equal(found.state, after)
    np.testing.assert_array_equal(found.probabilities["entity"], seen)
    np.testing.assert_array_equal(found.probabilities["color"], brain.measure(after, "color"))
    told = brain.run(PERCEIVE, {"entity": np.arange(7) % 4}, sensory=nu).state
    assert not np.allclose(told, after)
    again = brain.run(["measure color"], state=brain.recall(brain.remember(after)))
    np.testing.assert_array_equal(again.probabilities["color"], found.probabilities["color"])
    assert len(brain.episodes) == 7


def test_the_loss_is_that_of_what_was_measured() -> None:
    brain, nu = small(), np.random.default_rng(5).standard_normal((6, 3))
    labels = {"entity": [0, 1, 2, 3, 0, 1], "class": [0, 1, 0, 1, 1, 1], "color": [2, 2, 0, 1, 0, 1]}
    found = brain.run(PERCEIVE, {"entity": labels["entity"]}, sensory=nu).probabilities
    expected = sum(-np.log(found[k][np.arange(6), labels[k]]).mean() for k in labels)
    assert brain.loss(PERCEIVE, labels, sensory=nu)[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", WEIGHTS)
def test_the_gradient_is_that_of_finite_differences(name: str) -> None:
    """Of a program with every operation, symbols fed twice, and two evolutions."""
    brain, nu = small(), np.random.default_rng(6).standard_normal((6, 3))
    program = [*PERCEIVE, "feed color", "feed entity as other", "evolve", "measure entity as third"]
    labels = {
        "entity": [0, 1, 2, 3, 0, 1],
        "class": [0, 1, 0, 1, 1, 1],
        "color": [2, 2, 0, 1, 0, 1],
        "other": [1, 1, 1, 0, 0, 3],
        "third": [3, 2, 1, 1, 1, 0],
    }
    gradient = brain.loss(program, labels, sensory=nu)[1][name]
    w = brain.parameters[name]
    for index in np.ndindex(w.shape):
        sides, value = [], w[index]
        for change in (1e-5, -1e-5):
            w[index] = value + change
            sides.append(brain.loss(program, labels, sensory=nu)[0])
        w[index] = value
        assert gradient[index] == pytest.approx((sides[0] - sides[1]) / 2e-5, abs=1e-8, rel=1e-6)


def test_adam_is_its_equations() -> None:
    """Two steps with one scene, so that what is drawn does not matter."""
    brain, other = small(), small()
    labels = {"entity": [2], "class": [1], "color": [0]}
    m = {name: np.zeros_like(w) for name, w in other.parameters.items()}
    v = {name: np.zeros_like(w) for name, w in other.parameters.items()}
    for t in (1, 2):
        gradient = other.loss(KNOW, labels)[1]
        for name, g in gradient.items():
            m[name] = 0.9 * m[name] + 0.1 * g
            v[name] = 0.999 * v[name] + 0.001 * g**2
            move = m[name] / (1 - 0.9**t) / (np.sqrt(v[name] / (1 - 0.999**t)) + 1e-8)
            other.parameters[name] -= 0.1 * (1.0, 0.5)[t - 1] * move
    told: list[tuple[int, int]] = []
    brain.fit([KNOW], labels, n_steps=2, batch=1, learning_rate=0.1, progress=lambda *now: told.append(now))
    assert told == [(1, 2), (2, 2)]
    for name, w in other.parameters.items():
        np.testing.assert_allclose(brain.parameters[name], w, rtol=1e-9, atol=1e-12)


def test_what_is_known_without_input_is_what_was_seen(of_many_scenes: tuple[World, TensorBrain]) -> None:
    world, brain = of_many_scenes
    few = learned(1, 300, 500)
    assert world.divergence(brain) < 0.05
    assert few[0].divergence(few[1]) > 0.15
    known = brain.run(KNOW, {"entity": np.arange(24)}).probabilities
    np.testing.assert_array_equal(known["class"].argmax(axis=1), world.kind)


def test_an_episode_is_recalled_after_one_look(of_many_scenes: tuple[World, TensorBrain]) -> None:
    world, brain = of_many_scenes
    labels, seen = world.draw(1000)
    trace = brain.recall(brain.remember(brain.run(PERCEIVE, sensory=seen).state))
    right = {}
    for noise in (0.0, 0.5, 1.0, 4.0):
        q = trace + noise * trace.std(axis=0).mean() * world.rng.standard_normal(trace.shape)
        right[noise] = [(brain.measure(q, k).argmax(axis=1) == labels[k]).mean() for k in ("entity", "color")]
    assert min(right[0.0] + right[0.5]) > 0.95
    assert min(right[1.0]) > 0.8
    assert max(right[4.0]) < 0.6


def test_a_class_is_seen_where_an_entity_is_not(of_many_scenes: tuple[World, TensorBrain]) -> None:
    world, brain = of_many_scenes
    right = {noise: world.right(brain, noise) for noise in (0.5, 2.0, 3.0)}
    assert min(right[0.5].values()) > 0.95
    assert right[0.5]["entity"] > right[2.0]["entity"] > right[3.0]["entity"]
    for noise in (2.0, 3.0):
        assert right[noise]["class"] > right[noise]["entity"] + 0.05


def test_facts_of_a_subject_and_an_object() -> None:
    """The predicate follows from the pair, not from either of the two."""
    rng = np.random.default_rng(7)
    table = rng.integers(3, size=(6, 6))
    pairs = {"subject": np.repeat(np.arange(6), 6), "object": np.tile(np.arange(6), 6)}
    ask = ["feed entity as subject", "evolve", "feed entity as object", "evolve", "measure predicate"]
    brain = TensorBrain({"entity": 6, "predicate": 3}, d_sensory=1, seed=7)
    brain.fit([ask], {**pairs, "predicate": table.ravel()}, n_steps=800, learning_rate=0.02)
    found = brain.run(ask, pairs).probabilities["predicate"].argmax(axis=1)
    assert (found == table.ravel()).mean() > 0.95


def test_the_same_seed_gives_the_same() -> None:
    first, again, other = (
        TensorBrain({"entity": 3, "color": 2}, d_sensory=2, seed=seed).fit(
            [["feed entity", "evolve", "measure color"]],
            {"entity": [0, 1, 2], "color": [0, 1, 1]},
            n_steps=5,
            seed=seed,
        )
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.losses_, again.losses_)
    assert (first.losses_ != other.losses_).all()
