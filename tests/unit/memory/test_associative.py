"""Associative memories against loops in plain NumPy, published properties and their closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from arcuate.memory import (
    AssociativeMemory,
    capacity_exponent,
    delta_error,
    delta_error_by_age,
    error_free_capacity,
    hebb_error,
    mean_capacity,
    retrieval_error,
    ridge_error,
)


def unit(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    x = rng.standard_normal((n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize("rule", ["hebb", "delta"])
@pytest.mark.parametrize(("decay", "eligibility"), [(1.0, 0.0), (0.9, 0.0), (1.0, 0.5), (0.8, 0.3)])
def test_the_loop_is_the_equation(rule: str, decay: float, eligibility: float) -> None:
    rng = np.random.default_rng(1)
    k, v, gain = rng.standard_normal((9, 4)) / 3, rng.standard_normal((9, 3)), rng.standard_normal(9)
    k[4] = 0.0 if eligibility else k[4]
    s, trace = np.zeros((4, 3)), np.zeros(4)
    for key, value, g in zip(k, v, gain, strict=True):
        s *= decay
        trace = eligibility * trace + key
        s += 0.3 * g * np.outer(trace, value - (s.T @ key if rule == "delta" else 0.0))
    options = {"learning_rate": 0.3, "decay": decay, "eligibility": eligibility}
    memory = AssociativeMemory(4, 3, rule=rule, **options)
    for part in (slice(0, 4), slice(4, 9)):
        memory.write(k[part], v[part], gain=gain[part])
    np.testing.assert_allclose(memory.weights, s, rtol=0, atol=1e-14)
    np.testing.assert_allclose(memory.read(k), k @ s, rtol=0, atol=1e-14)
    assert not memory.reset().weights.any()


def test_ridge_is_the_solution_of_its_equations() -> None:
    rng = np.random.default_rng(2)
    k, v, gain = rng.standard_normal((30, 8)), rng.standard_normal((30, 2)), rng.random(30)
    memory = AssociativeMemory(8, 2, rule="ridge", ridge=0.7)
    memory.write(k[:11], v[:11], gain=gain[:11]).write(k[11:], v[11:], gain=gain[11:])
    expected = np.linalg.solve(k.T @ (gain[:, None] * k) + 0.7 * np.eye(8), k.T @ (gain[:, None] * v))
    np.testing.assert_allclose(memory.weights, expected, atol=1e-12)


def test_many_passes_of_delta_tend_to_ridge() -> None:
    rng = np.random.default_rng(3)
    k, v = unit(rng, 10, 16), rng.standard_normal((10, 3))
    delta, ridge = AssociativeMemory(16, 3), AssociativeMemory(16, 3, rule="ridge").write(k, v)
    for _ in range(400):
        delta.write(k, v)
    np.testing.assert_allclose(delta.weights, ridge.weights, atol=1e-6)


def test_softmax_is_attention() -> None:
    rng = np.random.default_rng(4)
    k, v, q = (rng.standard_normal((n, 5)) for n in (7, 7, 3))
    scores = np.exp(0.8 * q @ k.T)
    expected = scores @ v / scores.sum(axis=1, keepdims=True)
    read = AssociativeMemory(5, 5, rule="softmax", beta=0.8).write(k, v).read(q)
    np.testing.assert_allclose(read, expected, atol=1e-14)
    only = AssociativeMemory(5, 5, rule="softmax", beta=0.8).write(k, v, gain=np.eye(7)[2]).read(q)
    np.testing.assert_allclose(only, np.repeat(v[2:3], 3, axis=0), atol=1e-14)


def test_reversing_a_gain_unlearns() -> None:
    rng = np.random.default_rng(5)
    k, v = rng.standard_normal((6, 4)), rng.standard_normal((6, 4))
    memory = AssociativeMemory(4, 4, rule="hebb").write(k, v).write(k, v, gain=-np.ones(6))
    np.testing.assert_allclose(memory.weights, 0.0, atol=1e-14)


@pytest.mark.parametrize(
    ("rule", "options", "n", "low", "high"),
    [
        ("hopfield", {}, 6, 0.99, 1.0),
        ("hopfield", {}, 17, 0.4, 0.9),
        ("hopfield", {}, 64, 0.0, 0.01),
        ("dense", {"degree": 3}, 256, 0.99, 1.0),
        ("dense", {"degree": 3}, 2048, 0.0, 0.05),
        ("dense", {"degree": 4}, 2048, 0.6, 0.95),
        ("softmax", {"beta": 32 / 128}, 8192, 0.99, 1.0),
    ],
)
def test_hopfield_capacity_grows_with_the_degree(
    rule: str, options: dict[str, float], n: int, low: float, high: float
) -> None:
    """Patterns of 128 signs, 15 % of them flipped; recovered at an overlap over 0.95."""
    rng = np.random.default_rng(6)
    recovered = []
    for _ in range(4):
        x = rng.choice([-1.0, 1.0], size=(n, 128))
        seen = x[:64] * np.where(rng.random((min(n, 64), 128)) < 0.15, -1.0, 1.0)
        read = AssociativeMemory(128, 128, rule=rule, **options).write(x).read(seen, steps=20)
        recovered.append(((read * x[:64]).mean(axis=1) > 0.95).mean())
    assert low <= np.mean(recovered) <= high


def test_a_stored_pattern_of_hopfield_stays() -> None:
    x = np.random.default_rng(7).choice([-1.0, 1.0], size=(3, 64))
    memory = AssociativeMemory(64, 64, rule="hopfield").write(x)
    assert not np.diag(memory.weights).any()
    np.testing.assert_array_equal(memory.read(x), x)


@pytest.mark.parametrize("rule", ["hebb", "delta", "ridge"])
def test_errors_are_those_of_the_closed_forms(rule: str) -> None:
    found = retrieval_error(rule, [32, 64, 256, 512], d_key=128, d_value=64, trials=4, seed=1)
    np.testing.assert_allclose(found.error.mean("trial"), found.closed_form, rtol=0.05, atol=1e-9)


@pytest.mark.parametrize(
    ("rule", "options"),
    [
        ("hebb", {"decay": 0.9}),
        ("delta", {"learning_rate": 0.5}),
        ("delta", {"decay": 0.9}),
        ("ridge", {"ridge": 1.0}),
    ],
)
def test_other_options_have_no_closed_form(rule: str, options: dict[str, float]) -> None:
    assert "closed_form" not in retrieval_error(rule, [8], d_key=16, trials=2, **options)


def test_delta_forgets_by_age_as_the_closed_form_says() -> None:
    rng, d, n = np.random.default_rng(8), 256, 512
    error = np.zeros(n)
    for _ in range(20):
        k, v = unit(rng, n, d), unit(rng, n, 64)
        error += ((AssociativeMemory(d, 64).write(k, v).read(k) - v) ** 2).sum(axis=1) / 20
    expected = delta_error_by_age(n, np.arange(n - 1, -1, -1), d_key=d)
    binned = [x.reshape(8, 64).mean(axis=1) for x in (error, expected)]
    np.testing.assert_allclose(*binned, rtol=0.05)
    np.testing.assert_allclose(expected.mean(), delta_error(n, d), rtol=0.01)


def test_the_mean_capacity_grows_as_the_width() -> None:
    for rule in ("hebb", "delta", "ridge"):
        capacity = mean_capacity(rule, [64, 256, 512], trials=5)
        assert capacity_exponent(capacity) == pytest.approx(1.0, abs=0.05)


def test_the_mean_capacity_of_the_least_width_is_found() -> None:
    """An error of (N - 1) / d is a half at N = d / 2 + 1; between whole numbers it is interpolated."""
    assert mean_capacity("hebb", [16], trials=200).item() == pytest.approx(9, abs=0.5)


def test_the_error_free_capacity_grows_as_the_root_of_the_width() -> None:
    capacity = error_free_capacity([64, 256, 1024, 4096], trials=60)
    np.testing.assert_allclose(capacity.median("trial"), [4, 8, 16, 32], rtol=0.15)
    assert capacity_exponent(capacity) == pytest.approx(0.5, abs=0.05)


def test_hebb_beats_one_pass_of_delta_in_naming_and_loses_in_error() -> None:
    hebb, delta = (retrieval_error(rule, [128], d_key=64, trials=10) for rule in ("hebb", "delta"))
    assert hebb.top1.mean() > 0.95 > 0.65 > delta.top1.mean()
    assert delta.error.mean() < hebb.error.mean()


def test_delta_wins_with_keys_that_resemble_each_other_and_when_values_change() -> None:
    rng, d, n = np.random.default_rng(9), 64, 32
    k = np.sqrt(0.5) * unit(rng, 1, d) + np.sqrt(0.5) * unit(rng, n, d)
    old, new = unit(rng, n, d), unit(rng, n, d)

    def right(rule: str, keys: np.ndarray, lists: tuple[np.ndarray, ...]) -> float:
        memory = AssociativeMemory(d, d, rule=rule, learning_rate=1.0)
        for values in lists:
            memory.write(keys, values)
        read = memory.read(keys) @ np.vstack((old, new)).T
        return float((read.argmax(axis=1) == np.arange(n, 2 * n)).mean())

    assert right("hebb", k, (new,)) < 0.5
    assert right("delta", k, (new,) * 10) > 0.95
    private = unit(rng, n, d)
    assert right("hebb", private, (old, new)) < 0.75
    assert right("delta", private, (old, new, new)) > 0.95


def test_closed_forms_have_their_limits() -> None:
    assert hebb_error(1, 64) == 0
    assert ridge_error(10**9, 64) == pytest.approx(1.0)
    assert delta_error(10**6, 64) == pytest.approx(2.0, abs=1e-3)
    assert delta_error(1, 10**6) == pytest.approx(0.0, abs=1e-5)


def test_passes_write_the_same_pairs_again() -> None:
    """Ten passes come close to least squares below the width, and not at it."""
    curve = {
        name: retrieval_error(rule, [16, 64], d_key=64, passes=passes, trials=5).error.mean("trial").values
        for name, rule, passes in (("one", "delta", 1), ("ten", "delta", 10), ("ridge", "ridge", 1))
    }
    assert curve["ridge"].max() < 1e-8
    assert curve["ten"][0] < 0.01 < 0.1 < curve["one"][0]
    assert 0.05 < curve["ten"][1] < 0.3
    assert "closed_form" not in retrieval_error("delta", [4], d_key=8, passes=2, trials=1)


@pytest.mark.parametrize("rule", ["hebb", "delta"])
def test_any_system_may_be_asked_for_what_it_recalls(rule: str) -> None:
    def system(keys: np.ndarray, values: np.ndarray) -> np.ndarray:
        weights = np.zeros((values.shape[1], keys.shape[1]))
        for k, v in zip(keys, values, strict=True):
            weights += np.outer(v - (rule == "delta") * (weights @ k), k)
        return keys @ weights.T

    sizes = {"d_key": 32, "d_value": 20, "correlation": 0.3, "trials": 3, "seed": 4}
    found, known = (retrieval_error(one, [8, 40], **sizes) for one in (system, rule))  # type: ignore[arg-type]
    np.testing.assert_allclose(found.error, known.error, rtol=1e-10)
    np.testing.assert_array_equal(found.top1, known.top1)
    assert found.attrs["rule"] == "system" and "closed_form" not in found


def test_correlated_keys_share_a_part_of_what_they_are() -> None:
    """Two keys overlap by the correlation on average: so much is read of another pair."""
    alike = retrieval_error("hebb", [2], d_key=256, d_value=16, correlation=0.5, trials=200)
    assert float(alike.error.mean()) == pytest.approx(0.25 + 0.75 / 256, rel=0.15)
    assert "closed_form" not in alike
    hebb, delta = (
        retrieval_error(rule, [32], d_key=64, passes=passes, correlation=0.5, trials=10)
        for rule, passes in (("hebb", 1), ("delta", 10))
    )
    assert hebb.top1.mean() < 0.5 < 0.95 < delta.top1.mean()


def test_values_that_came_before_are_corrected_by_delta_alone() -> None:
    hebb, delta = (retrieval_error(rule, [32], d_key=64, earlier=1, trials=10) for rule in ("hebb", "delta"))
    assert hebb.top1.mean() == pytest.approx(0.5, abs=0.1)  # the old and the new one are as strong
    assert delta.top1.mean() > 0.95
    assert "closed_form" not in hebb
