"""Least squares with half a matrix and delayed downdates equals the rule as written, and batch ridge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import reservoir

import arcuate as arc
from arcuate._jit import compiled
from arcuate.engines import get_engine
from arcuate.engines._pending import LARGE, PENDING
from arcuate.engines._rls import rls_update_pending
from arcuate.engines.build import build_plan
from arcuate.engines.plan import Plan
from arcuate.mechanisms.plasticity import rls_update
from arcuate.study.workloads import learning_reservoir, sines

STEPS = 600


def matrix(p: np.ndarray, pending: np.ndarray, memo: np.ndarray) -> np.ndarray:
    low = np.tril(p)
    h = pending[: int(memo[0])]
    return memo[1] * (low + np.tril(low, -1).T - h.T @ h)


def learn(n: int, rows: int, *, forgetting: float = 1.0, normalized: bool = True) -> Any:
    """Weights, P and gain after some updates, by the delayed and by the strict update."""
    draw = np.random.default_rng(n)
    x, y = draw.normal(size=(rows, n)), draw.normal(size=(rows, 3))
    strict = compiled(rls_update)
    p, q, gains = np.eye(n), np.eye(n), np.empty((2, n))
    w, v = np.zeros((3, n)), np.zeros((3, n))
    pending, memo = np.full((PENDING, n), np.nan), np.array([0.0, 1.0])
    for features, target in zip(x, y, strict=True):
        error = 0.1 * (target - w @ features)
        rls_update_pending(p, pending, memo, w, features, error, forgetting, gains[0], normalized)
        error = 0.1 * (target - v @ features)
        strict(q, v, features, error, forgetting, gains[1], normalized)
    return (w, matrix(p, pending, memo), gains[0]), (v, q, gains[1])


@pytest.mark.parametrize(
    ("n", "forgetting"), [(1, 0.9), (3, 0.9), (8, 0.9), (8, 1.0), (37, 0.999), (130, 1.0), (130, 0.999)]
)
@pytest.mark.parametrize("normalized", [True, False])
def test_delayed_updates_are_the_strict_ones_but_for_rounding(
    n: int, forgetting: float, normalized: bool
) -> None:
    for mine, theirs in zip(*learn(n, STEPS, normalized=normalized, forgetting=forgetting), strict=True):
        assert np.isfinite(theirs).all()
        assert np.abs(mine - theirs).max() <= 1e-9 * np.abs(theirs).max()


def test_a_scale_that_grows_fast_is_not_left_to_grow() -> None:
    """Forgetting of a tenth passes the bound every few updates, before the rows are full."""
    assert 10.0**PENDING > LARGE
    for mine, theirs in zip(*learn(2, STEPS, forgetting=0.1), strict=True):
        assert np.isfinite(mine).all()
        assert np.abs(mine - theirs).max() <= 1e-9 * np.abs(theirs).max()


def test_least_squares_is_batch_ridge() -> None:
    draw, n, rows, alpha = np.random.default_rng(3), 50, 500, 2.0
    x, y = draw.normal(size=(rows, n)), draw.normal(size=(rows, 1))
    p, w, gain = np.eye(n) / alpha, np.zeros((1, n)), np.empty(n)
    pending, memo = np.zeros((PENDING, n)), np.array([0.0, 1.0])
    for features, target in zip(x, y, strict=True):
        rls_update_pending(p, pending, memo, w, features, target - w @ features, 1.0, gain, True)
    gram = x.T @ x + alpha * np.eye(n)
    np.testing.assert_allclose(w[0], np.linalg.solve(gram, x.T @ y[:, 0]), rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(matrix(p, pending, memo), np.linalg.inv(gram), rtol=1e-8, atol=1e-12)


def network(**rule: Any) -> arc.Network:
    """Features of a number that four does not divide."""
    changes = {"readouts.out.rule": arc.RLS(alpha=1.0, **rule), "readouts.out.period": "1 ms"}
    return learning_reservoir(103).replace({**changes, "readouts.out.feedback": None})


def options(order: str = "fast") -> dict[str, Any]:
    gate = (np.arange(300) % 7 != 0).astype(float)
    return {"targets": {"out": sines(3000, 1e-4)[9::10]}, "gates": {"out": gate}, "order": order, "seed": 4}


def finished(pieces: list[str], **given: Any) -> dict[str, np.ndarray]:
    simulation = arc.Simulation(network(forgetting=0.999), "300 ms", **{**options(), **given})
    for piece in pieces:
        simulation.advance(piece)
        simulation.state  # noqa: B018 - looking must not change anything
    simulation.advance()
    return simulation.state


@pytest.mark.parametrize("rule", [{}, {"forgetting": 0.999, "normalized": False}])
def test_a_run_is_the_strict_one_but_for_rounding(rule: dict[str, Any]) -> None:
    net = network().replace({f"readouts.out.rule.{key}": value for key, value in rule.items()})
    states, outputs = [], []
    for order in ("fast", "strict"):
        given = options(order)
        plan: Plan = build_plan(
            net, seed=4, duration="300 ms", targets=given["targets"], gates=given["gates"]
        )
        raw = get_engine("numba").start(plan, order=order).advance(plan.n_steps)
        states.append(raw.final)
        outputs.append(raw.outputs["out"])
    assert states[0].keys() == states[1].keys()
    assert np.abs(outputs[1]).max() > 0.1
    for mine, theirs in [tuple(outputs), *((states[0][f"out/{k}"], states[1][f"out/{k}"]) for k in KEYS)]:
        assert np.abs(mine - theirs).max() <= 1e-9 * np.abs(theirs).max()
    np.testing.assert_array_equal(states[0]["out/p"], states[0]["out/p"].T)


KEYS = ("p", "weights", "gain", "error")


def test_resets_drop_what_waits() -> None:
    rule = arc.RLS(alpha=1.0, reset_at=(3,), forgetting=0.9998)
    net = reservoir().replace({"readouts.prediction.rule": rule, "readouts.prediction.n_outputs": 2})
    fast, strict = (
        arc.simulate(net, seed=5, order=order).weights("prediction")["weight"].values
        for order in ("fast", "strict")
    )
    assert np.abs(strict).max() > 0.0
    assert np.abs(fast - strict).max() <= 1e-9 * np.abs(strict).max()


def test_pieces_threads_and_looks_leave_the_bits_alone(tmp_path: Path) -> None:
    reference = finished([])
    assert {"out/p", "out/weights"} <= reference.keys()
    for other in (finished(["0.1 ms", "7 ms", "183.4 ms"]), finished(["50 ms"], threads=2)):
        assert reference.keys() == other.keys()
        assert all(reference[key].tobytes() == other[key].tobytes() for key in reference)
    simulation = arc.Simulation(network(forgetting=0.999), "300 ms", **options())
    simulation.advance("123.4 ms")
    simulation.checkpoint(tmp_path / "run.npz")
    given = {key: options()[key] for key in ("targets", "gates")}
    resumed = arc.Simulation.resume(tmp_path / "run.npz", network(forgetting=0.999), **given)
    assert resumed.advance().outcome["order"] == "fast"
    assert all(reference[key].tobytes() == value.tobytes() for key, value in resumed.state.items())
