"""Dynamical similarity beside dsa-metric, of the method's authors: time and objective in one run."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from linear_systems import oscillators, trials, turn

from arcuate.compare import dsa, fit_dynamics, operator_distance

pytestmark = pytest.mark.slow
SYSTEMS = {
    "same": ((0.1, 0.3, 0.6, 1.0), (0.1, 0.3, 0.6, 1.0)),
    "near": ((0.1, 0.3, 0.6, 1.0), (0.1, 0.3, 0.7, 1.1)),
    "other": ((0.1, 0.3, 0.6, 1.0), (0.2, 0.5, 0.9, 1.4)),
    "far": ((0.05, 0.1, 0.15, 0.2), (1.0, 1.5, 2.0, 2.5)),
}


@pytest.fixture(scope="module")
def peer() -> Any:
    """The package, on one thread."""
    torch = pytest.importorskip("torch")
    package = pytest.importorskip("DSA", reason="needs dsa-metric")
    torch.set_num_threads(1)
    return package


def seen(angles: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """10 trials x 200 steps of 12 noisy units."""
    states = trials(oscillators(angles, 0.97), rng, n=10, steps=200) @ rng.standard_normal((8, 12))
    return states @ turn(12, rng) + 0.02 * rng.standard_normal(states.shape)


def test_time_and_objective(peer: Any) -> None:
    """Both sides fit two systems (5 delays, rank 8) and search for the best basis, in turn."""
    print("\nsystems | angle ours, theirs | CPU s fit and search, with self-distances, theirs | ratios")
    rng = np.random.default_rng(0)
    x = seen(SYSTEMS["same"][0], rng)
    dsa(x, x, n_delays=5, rank=8)
    ratios = []
    for name, (one, other) in SYSTEMS.items():
        x, y = seen(one, rng), seen(other, rng)
        times: list[list[float]] = [[], [], []]
        for _ in range(3):
            start = time.process_time()
            options = {"n_delays": 5, "rank": 8, "score_method": "angular", "device": "cpu"}
            theirs = float(peer.DSA([x], [y], **options).fit_score())
            times[2].append(time.process_time() - start)
            start = time.process_time()
            fits = [fit_dynamics(states, n_delays=5, rank=8) for states in (x, y)]
            ours = operator_distance(fits[0].operator, fits[1].operator)
            times[0].append(time.process_time() - start)
            start = time.process_time()
            dsa(x, y, n_delays=5, rank=8)
            times[1].append(time.process_time() - start)
        core, whole, their = np.median(times, axis=1)
        ratios.append((their / core, their / whole))
        print(
            f"{name} | {ours:.5f} {theirs:.5f} | {core:.3f} {whole:.3f} {their:.3f} | "
            f"{their / core:.0f}x {their / whole:.1f}x"
        )
        assert ours <= theirs + 1e-3
    print("least ratios: {:.0f}x, with self-distances {:.1f}x".format(*np.min(ratios, axis=0)))


def test_exact_turns(peer: Any) -> None:
    """Operators that are rotations or reflections of each other: ours is at 0, wherever theirs stops."""
    print("\nturn | ours | theirs (5 starts)")
    torch = pytest.importorskip("torch")
    for case in range(8):
        rng = np.random.default_rng([1, case])
        a, q = rng.standard_normal((8, 8)) / np.sqrt(8), turn(8, rng, mirror=bool(case % 2))
        b = q.T @ a @ q
        ours, theirs = operator_distance(a, b), []
        for start in range(5):
            torch.manual_seed(start)
            search = peer.simdist.SimilarityTransformDist(iters=1500, score_method="angular", lr=0.01)
            theirs.append(float(search.fit_score(a.copy(), b.copy())))
        print(f"{'reflection' if case % 2 else 'rotation'} | {ours:.1e} | {np.round(theirs, 3)}")
        assert ours < 1e-6


def test_other_systems(peer: Any) -> None:
    """Random and fitted operators of several ranks: our minimum is never above their best start."""
    print("\nrank | ours | theirs, best of 3 starts")
    torch = pytest.importorskip("torch")
    for rank in (3, 6, 10, 15):
        rng = np.random.default_rng([2, rank])
        a, b = rng.standard_normal((2, rank, rank)) / np.sqrt(rank)
        theirs = []
        for start in range(3):
            torch.manual_seed(start)
            search = peer.simdist.SimilarityTransformDist(iters=1500, score_method="angular", lr=0.01)
            theirs.append(float(search.fit_score(a.copy(), b.copy())))
        ours = operator_distance(a, b)
        print(f"{rank} | {ours:.4f} | {min(theirs):.4f} of {np.round(theirs, 4)}")
        assert ours <= min(theirs) + 1e-3
