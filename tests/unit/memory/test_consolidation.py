"""Replay against forgetting, spikes as tokens, and a bottleneck against what made the data."""

from __future__ import annotations

import numpy as np
import pytest

from arcuate.memory import (
    AssociativeMemory,
    ConsciousBottleneck,
    HippocampalStore,
    SlowLearner,
    SpikeStateTokenizer,
    bursts,
    consolidate,
    replay,
)


def kept(seed: int, *, active: int = 30, replays: bool = True) -> tuple[float, float]:
    """Share of list 1 and of list 2 that is right after both were learned, one after the other."""
    rng = np.random.default_rng(seed)
    items, contexts = rng.standard_normal((20, 30)), rng.standard_normal((2, 10))
    x = [np.hstack((items, np.repeat(context[None], 20, axis=0))) for context in contexts]
    y = [np.eye(20)[rng.permutation(20)] for _ in contexts]
    slow = SlowLearner(40, 20, seed=seed)
    for _ in range(200):
        slow.write(x[0], y[0])
    store = HippocampalStore(40, 20, n_active=active, seed=seed).write(x[0], y[0])
    for _ in range(200):
        slow.write(x[1], y[1])
        if replays:
            slow.write(*replay(store, 20, rng=rng))
    share = [
        float((slow.read(a).argmax(axis=1) == b.argmax(axis=1)).mean()) for a, b in zip(x, y, strict=True)
    ]
    return share[0], share[1]


def test_replay_keeps_what_would_be_forgotten() -> None:
    with_replay, without, mixed = (
        np.array([kept(seed, **options) for seed in range(5)])
        for options in ({}, {"replays": False}, {"active": 600})
    )
    assert (with_replay[:, 0] >= 0.95).all()
    assert (without[:, 0] <= 0.2).all()
    assert (mixed[:, 0] <= 0.3).all()
    for both in (with_replay, without, mixed):
        assert (both[:, 1] >= 0.95).all()


def test_the_step_of_a_slow_learner_is_the_gradient() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((5, 3)), rng.random((5, 4))
    slow = SlowLearner(3, 4, n_hidden=6, learning_rate=1.0, seed=1)

    def loss() -> float:
        return float(-(y * np.log(slow.read(x))).sum() / 5)

    before = {name: getattr(slow, name).copy() for name in ("w1", "b1", "w2", "b2")}
    numeric = {}
    for name, value in before.items():
        grad = np.zeros_like(value)
        for index in np.ndindex(value.shape):
            sides = []
            for change in (1e-6, -1e-6):
                getattr(slow, name)[index] = value[index] + change
                sides.append(loss())
            getattr(slow, name)[index] = value[index]
            grad[index] = (sides[0] - sides[1]) / 2e-6
        numeric[name] = grad
    slow.write(x, y)
    for name, grad in numeric.items():
        np.testing.assert_allclose(before[name] - getattr(slow, name), grad, atol=1e-8)


def test_a_store_recalls_what_it_was_told_once() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((20, 40)), np.eye(20)
    store = HippocampalStore(40, 20, seed=2).write(x, y)
    found_x, found_y = store.recall(x + 0.3 * rng.standard_normal(x.shape))
    assert (found_y.argmax(axis=1) == np.arange(20)).all()
    assert min(np.corrcoef(a, b)[0, 1] for a, b in zip(found_x, x, strict=True)) > 0.9
    assert (store.encode(x).sum(axis=1) == 30).all()


def test_replay_teaches_any_memory() -> None:
    x, y = np.eye(6), np.random.default_rng(3).standard_normal((6, 2))
    store = HippocampalStore(6, 2, seed=3).write(x, y)
    memory, told = AssociativeMemory(6, 2, rule="delta", learning_rate=0.5), []
    consolidate(store, memory, events=60, noise=0.0, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (60, 60)
    for a, b in zip(memory.read(x), y, strict=True):
        assert np.corrcoef(a, b)[0, 1] > 0.99 or np.allclose(a, b, atol=0.3)


def test_tokens_are_filtered_spikes() -> None:
    rng = np.random.default_rng(4)
    times = np.sort(rng.uniform(0, 1, 300))
    neurons = rng.integers(8, size=300)
    tokenizer = SpikeStateTokenizer(8, 5, tau="30 ms", sample_every="40 ms", seed=4)
    tokens = tokenizer.tokens(times, neurons, duration="1 s")
    assert tokens.shape == (25, 5)
    for token, now in zip(tokens.values, tokens.time.values, strict=True):
        trace = np.zeros(8)
        for t, i in zip(times, neurons, strict=True):
            if t <= now:
                trace[i] += np.exp(-(now - t) / 0.03)
        x = tokenizer.projection @ trace
        np.testing.assert_allclose(token, (x - x.mean()) / np.sqrt(x.var() + 1e-5), atol=1e-10)


def test_bursts_are_found_where_they_are() -> None:
    rng = np.random.default_rng(5)
    calm = rng.uniform(0, 10, 4000)
    planted = [(2.0, 2.04), (7.5, 7.55)]
    times = np.sort(np.concatenate([calm, *(rng.uniform(*span, 400) for span in planted)]))
    found = bursts(times, duration="10 s")
    np.testing.assert_allclose(found.values, planted, atol=0.006)
    assert bursts(np.sort(calm), duration="10 s").size == 0


@pytest.mark.parametrize("n", [50, 200])
def test_a_bottleneck_finds_the_two_that_matter(n: int) -> None:
    """Eight targets are the exclusive or of two of sixteen others, each with 5 % noise."""
    right = {1: [], 2: []}
    for seed in range(4):
        rng = np.random.default_rng(seed)
        parents = np.array([rng.choice(16, 2, replace=False) for _ in range(8)])

        def draw(size: int) -> tuple[np.ndarray, np.ndarray]:
            free = rng.integers(2, size=(size, 16))  # noqa: B023
            clean = free[:, parents[:, 0]] ^ free[:, parents[:, 1]]  # noqa: B023
            noisy = clean ^ (rng.random(clean.shape) < 0.05)  # noqa: B023
            return np.hstack((free, noisy)), clean

        seen, (test, clean) = draw(n)[0], draw(500)
        for k, shares in right.items():
            thought = ConsciousBottleneck(k).fit(seen, targets=range(16, 24))
            for i in range(8):
                shares.append(((thought.predict_proba(test, query=16 + i) > 0.5) == clean[:, i]).mean())
    assert np.mean(right[2]) >= 0.98
    assert np.mean(right[1]) < 0.7
