"""Learning rules against batch least squares and hand-written steps, interpreted and compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arcuate._jit import compiled
from arcuate.mechanisms import plasticity as rules

INF = np.inf


@pytest.fixture(params=["interpreted", "compiled"])
def f(request: pytest.FixtureRequest) -> Any:
    """The functions of the module, as written or compiled."""
    wrap = compiled if request.param == "compiled" else (lambda function: function)

    class Functions:
        def __getattr__(self, name: str) -> Any:
            return wrap(getattr(rules, name))

    return Functions()


def data(n_samples: int, n: int, k: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_samples, n))
    return x, x @ rng.normal(size=(n, k)) + 0.1 * rng.normal(size=(n_samples, k))


def learn_rls(
    f: Any, x: np.ndarray, y: np.ndarray, alpha: float, forgetting: float
) -> tuple[np.ndarray, np.ndarray]:
    n, k = x.shape[1], y.shape[1]
    p, w, buffer, z = np.empty((n, n)), np.zeros((k, n)), np.empty(n), np.empty(k)
    f.rls_reset(p, alpha)
    for sample, target in zip(x, y, strict=True):
        f.predict(w, sample, z)
        f.rls_update(p, w, sample, target - z, forgetting, buffer)
    return w, p


@pytest.mark.parametrize("alpha", [0.1, 1.0, 30.0])
def test_rls_equals_batch_ridge(f: Any, alpha: float) -> None:
    x, y = data(60, 12, 3)
    w, p = learn_rls(f, x, y, alpha, 1.0)
    matrix = x.T @ x + alpha * np.eye(12)
    np.testing.assert_allclose(w.T, np.linalg.solve(matrix, x.T @ y), rtol=1e-8)
    np.testing.assert_allclose(p, np.linalg.inv(matrix), rtol=1e-8, atol=1e-12)


def test_rls_with_forgetting_equals_weighted_ridge(f: Any) -> None:
    x, y = data(80, 8, 2, seed=1)
    factor, alpha = 0.97, 0.5
    w, _ = learn_rls(f, x, y, alpha, factor)
    weight = factor ** np.arange(len(x) - 1, -1, -1)
    matrix = (x.T * weight) @ x + alpha * factor ** len(x) * np.eye(8)
    np.testing.assert_allclose(w.T, np.linalg.solve(matrix, (x.T * weight) @ y), rtol=1e-8)


def test_rls_keeps_p_symmetric_to_the_bit(f: Any) -> None:
    x, y = data(50, 9, 1, seed=2)
    for factor in (1.0, 0.99):
        _, p = learn_rls(f, x, y, 1.0, factor)
        assert np.array_equal(p, p.T)


def test_rls_without_normalization_is_the_published_force_step(f: Any) -> None:
    x, y = data(20, 5, 2, seed=3)
    p, w, buffer, z = np.eye(5) * 2, np.zeros((2, 5)), np.empty(5), np.empty(2)
    p_ref, phi = np.eye(5) * 2, np.zeros((5, 2))
    for r, target in zip(x, y, strict=True):
        f.predict(w, r, z)
        f.rls_update(p, w, r, target - z, 1.0, buffer, False)
        error = phi.T @ r - target
        cd = p_ref @ r
        phi = phi - np.outer(cd, error)
        p_ref = p_ref - np.outer(cd, cd) / (1 + r @ cd)
        np.testing.assert_allclose(w, phi.T, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(p, p_ref, rtol=1e-10, atol=1e-12)


def test_plain_delta_step(f: Any) -> None:
    w, x, error = np.ones((2, 3)), np.array([1.0, -2.0, 0.5]), np.array([0.1, -0.3])
    f.delta_update(w, x, error, 0.2, -1.0, -INF, INF)
    np.testing.assert_allclose(w, 1 + 0.2 * np.outer(error, x), rtol=1e-15)


def test_normalized_delta_step_with_rate_one_removes_the_error(f: Any) -> None:
    x, y = data(1, 6, 2, seed=4)
    w, z = np.zeros((2, 6)), np.empty(2)
    f.delta_update(w, x[0], y[0], 1.0, 0.0, -INF, INF)
    f.predict(w, x[0], z)
    np.testing.assert_allclose(z, y[0], rtol=1e-12)


def test_normalized_delta_divides_by_c_plus_the_square(f: Any) -> None:
    w, x = np.zeros((1, 2)), np.array([3.0, 4.0])
    f.delta_update(w, x, np.array([2.0]), 0.3, 30.0, -INF, INF)
    np.testing.assert_allclose(w, 0.3 * 2 * x[None] / (30 + 25), rtol=1e-15)


def test_delta_leaves_weights_alone_for_silent_features(f: Any) -> None:
    w = np.full((1, 2), 0.5)
    f.delta_update(w, np.zeros(2), np.array([1.0]), 0.3, 0.0, -INF, INF)
    assert w.tolist() == [[0.5, 0.5]]


def test_bounds_hold_and_nan_stays_visible(f: Any) -> None:
    w = np.zeros((1, 2))
    f.delta_update(w, np.array([1.0, -1.0]), np.array([100.0]), 1.0, -1.0, -5.0, 5.0)
    assert w.tolist() == [[5.0, -5.0]]
    f.delta_update(w, np.array([np.nan, 0.0]), np.array([1.0]), 1.0, -1.0, -5.0, 5.0)
    assert np.isnan(w[0, 0]) and w[0, 1] == -5.0


def test_what_rule_converges_to_the_probability(f: Any) -> None:
    rng = np.random.default_rng(5)
    e, rate = np.array([1.0, 2.0, -1.0]), 0.06
    v, delta, q = np.zeros((2, 3)), np.empty(2), []
    for trial in range(4_000):
        f.what_update(v, e, int(rng.random() >= 0.7), rate, 1.0, -INF, INF, delta)
        if trial >= 1_000:
            q.append(v @ e)
    assert np.mean(q, axis=0) == pytest.approx([0.7, 0.3], abs=0.02)
    gain = rate * (e @ e) / (1 + e @ e)
    assert np.var(q, axis=0) == pytest.approx(gain / (2 - gain) * 0.21, rel=0.25)


def test_omission_teaches_every_identity_zero(f: Any) -> None:
    v, delta = np.array([[1.0], [0.5]]), np.empty(2)
    f.what_update(v, np.array([1.0]), -1, 0.5, 1.0, -INF, INF, delta)
    assert delta.tolist() == [-1.0, -0.5]
    assert v.tolist() == [[0.75], [0.375]]


def test_eligibility_is_a_weighted_mean(f: Any) -> None:
    x, weight = np.random.default_rng(6).normal(size=(7, 4)), np.array([0.0, 1.0, 0.5, 0.0, 2.0, 0.1, 0.0])
    e = np.zeros(4)
    for sample, amount in zip(x, weight, strict=True):
        f.eligibility_add(e, sample, amount)
    f.eligibility_finish(e, weight.sum())
    np.testing.assert_allclose(e, weight @ x / weight.sum(), rtol=1e-13)
    f.eligibility_finish(e, 0.0)
    assert not e.any()


def test_center_is_the_plain_mean_first_and_exponential_later(f: Any) -> None:
    means = np.random.default_rng(7).normal(size=(60, 3))
    mu = np.full(3, 1e3)  # what was there before the first trial is forgotten
    for trial in range(20):
        f.center_update(mu, means[trial], f.center_decay(trial, 20.0))
    np.testing.assert_allclose(mu, means[:20].mean(axis=0), rtol=1e-12)
    before = mu.copy()
    f.center_update(mu, means[20], f.center_decay(20, 20.0))
    np.testing.assert_allclose(mu, 0.95 * before + 0.05 * means[20], rtol=1e-12)


def test_compiled_and_interpreted_give_equal_bits() -> None:
    x, y = data(30, 17, 2, seed=8)

    class Plain:
        def __getattr__(self, name: str) -> Any:
            return getattr(rules, name)

    class Fast:
        def __getattr__(self, name: str) -> Any:
            return compiled(getattr(rules, name))

    for alpha, factor in ((1.0, 1.0), (0.1, 0.99)):
        slow, fast = learn_rls(Plain(), x, y, alpha, factor), learn_rls(Fast(), x, y, alpha, factor)
        assert np.array_equal(slow[0], fast[0])
        assert np.array_equal(slow[1], fast[1])
