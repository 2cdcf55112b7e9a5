"""Alignment: against its definition, without bias, without the noise of repeats, and the traps around it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from arcuate import compare
from arcuate.compare import _gram
from arcuate.errors import ArcuateWarning, SpecError

pytestmark = pytest.mark.filterwarnings("ignore::arcuate.errors.ArcuateWarning")


def hsic(k: np.ndarray, m: np.ndarray) -> float:
    """Unbiased statistic as it is written by Song et al."""
    n = len(k)
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    one = np.ones(n)
    middle = (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
    return float((np.trace(k @ m) + middle - 2 / (n - 2) * one @ k @ m @ one) / (n * (n - 3)))


def debiased(k: np.ndarray, m: np.ndarray) -> float:
    return hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))


def draw(n: int, p: int, q: int, *, seed: int = 0, shared: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(n, shared))
    x, y = (latent @ rng.normal(size=(shared, w)) + rng.normal(size=(n, w)) for w in (p, q))
    return x, y + 3


SIZES = [(4, 3, 2), (30, 2, 3), (30, 20, 9), (12, 40, 5), (200, 6, 60)]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_both_forms_are_the_definition(size: tuple[int, int, int]) -> None:
    x, y = draw(*size)
    k, m = x @ x.T, y @ y.T
    assert compare.cka(x, y) == pytest.approx(debiased(k, m), abs=1e-11)
    h = np.eye(len(x)) - 1 / len(x)
    k, m = h @ k @ h, h @ m @ h
    biased = np.vdot(k, m) / np.linalg.norm(k) / np.linalg.norm(m)
    assert compare.cka(x, y, debiased=False) == pytest.approx(biased, abs=1e-12)


@pytest.mark.parametrize("options", [{}, {"debiased": False}, {"kernel": "rbf"}], ids=["u", "b", "rbf"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_null_is_the_score_of_reordered_samples(size: tuple[int, int, int], options: dict[str, Any]) -> None:
    x, y = draw(*size)
    measure = compare.cka_measure(**options)
    rng = np.random.default_rng(1)
    orders = np.array([rng.permutation(len(x)) for _ in range(70)])
    got = measure.null(measure.prepare(x), measure.prepare(y), orders)
    for k in (0, 63, 64, 69):
        assert got[k] == pytest.approx(compare.cka(x, y[orders[k]], **options), abs=1e-12)


def test_rbf_width_is_in_median_distances() -> None:
    x, y = draw(25, 4, 6)

    def kernel(states: np.ndarray) -> np.ndarray:
        d = np.linalg.norm(states[:, None] - states[None], axis=-1)
        median = np.median(d[np.triu_indices(len(d), 1)] ** 2)
        return np.exp(-(d**2) / (2 * 0.5**2 * median))

    got = compare.cka(x, y, kernel="rbf", width=0.5)
    assert got == pytest.approx(debiased(kernel(x), kernel(y)), abs=1e-12)


def test_single_precision_of_large_grams(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = draw(60, 90, 70)
    orders = np.array([np.random.default_rng(1).permutation(60) for _ in range(5)])
    every: tuple[dict[str, Any], ...] = ({}, {"kernel": "rbf"})
    for options in every:
        measure = compare.cka_measure(**options)
        exact = measure.null(measure.prepare(x), measure.prepare(y), orders)
        monkeypatch.setattr(_gram, "DOUBLE", 10)
        first, second = measure.prepare(x), measure.prepare(y)
        if "kernel" in options:
            assert first.matrix.dtype == np.float32
        np.testing.assert_allclose(measure.null(first, second, orders), exact, atol=1e-6)
        assert measure.score(first, second) == pytest.approx(compare.cka(x, y, **options), abs=1e-6)
        monkeypatch.undo()


def test_values_far_from_zero_keep_their_geometry() -> None:
    x, y = draw(40, 10, 8)
    x, y = np.round(x * 64) / 64, np.round(y * 64) / 64
    for options in ({}, {"debiased": False}, {"kernel": "rbf"}):
        far = compare.cka(x + 1e8, y - 1e8, **options)
        assert far == pytest.approx(compare.cka(x, y, **options), abs=1e-10)
    assert compare.cka(x * 1e200, y * 1e-200) == pytest.approx(compare.cka(x, y), abs=1e-10)


def test_half_precision_and_counts_are_taken_as_they_are() -> None:
    x, y = draw(40, 10, 8)
    x, y = x.astype(np.float16), np.round(np.abs(y)).astype(np.int32)
    assert compare.cka(x, y) == compare.cka(x.astype(float), y.astype(float))


# Bias under independence, and what takes it away.


@pytest.mark.parametrize(("n", "p", "bias"), [(50, 10, 0.169), (50, 50, 0.504), (50, 500, 0.908)])
def test_trap_independent_systems_look_alike_unless_debiased(n: int, p: int, bias: float) -> None:
    rng = np.random.default_rng(0)
    pairs = rng.normal(size=(60, 2, n, p))
    biased = np.mean([compare.cka(x, y, debiased=False) for x, y in pairs])
    unbiased = np.mean([compare.cka(x, y) for x, y in pairs])
    assert abs(biased - bias) < 0.03
    assert abs(biased - p / (n + p)) < 0.03
    assert abs(unbiased) < 0.013


def test_trap_debiasing_leaves_the_noise_of_repeats() -> None:
    rng = np.random.default_rng(3)
    truth, means, crossed = [], [], []
    for _ in range(40):
        latent = rng.normal(size=(60, 5))
        x, y = (
            (0.8 * latent + 0.6 * rng.normal(size=(60, 5))) @ rng.normal(size=(5, 80)) / np.sqrt(5)
            for _ in "xy"
        )
        noisy = [states[:, None] + 2 * rng.normal(size=(60, 4, 80)) for states in (x, y)]
        truth.append(compare.cka(x, y))
        means.append(compare.cka(*(states.mean(axis=1) for states in noisy)))
        crossed.append(compare.cka_cross(*noisy))
    assert abs(np.mean(crossed) - np.mean(truth)) < 0.05
    assert np.mean(means) < np.mean(truth) - 0.05


def test_crossed_alignment_is_its_definition() -> None:
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(12, 1, 3))
    x, y = (signal + 0.3 * rng.normal(size=(12, 4, 3)) for _ in "xy")

    def gram(states: np.ndarray, pairs: list[tuple[int, int]]) -> np.ndarray:
        products = [states[:, r] @ states[:, s].T for r, s in pairs]
        return sum(k + k.T for k in products) / (2 * len(pairs))

    every = [(r, s) for r in range(4) for s in range(4) if r != s]
    top = hsic(gram(x, every), gram(y, every))
    below = [hsic(gram(states, [(0, 1)]), gram(states, [(2, 3)])) for states in (x, y)]
    assert compare.cka_cross(x, y) == pytest.approx(top / np.sqrt(below[0] * below[1]), abs=1e-12)
    measure = compare.cka_cross_measure()
    order = rng.permutation(12)
    got = measure.null(measure.prepare(x), measure.prepare(y), order[None])
    assert got[0] == pytest.approx(compare.cka_cross(x, y[order]), abs=1e-12)


def test_repeats_without_signal_give_nan_and_say_so() -> None:
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(2, 6, 4, 5))
    with pytest.warns(ArcuateWarning, match="cka_cross: x: repeats have nothing in common"):
        assert np.isnan(compare.cka_cross(noise[0], noise[1]))


def test_p_values_under_the_null_are_uniform() -> None:
    rng = np.random.default_rng(5)
    measure, found = compare.cka_measure(), []
    for _ in range(200):
        x, y = (measure.prepare(rng.normal(size=(25, w))) for w in (20, 8))
        orders = np.array([rng.permutation(25) for _ in range(99)])
        found.append((1 + np.sum(measure.null(x, y, orders) >= measure.score(x, y))) / 100)
    assert stats.kstest(found, stats.uniform(0.005, 1).cdf).pvalue > 0.01


# One sample that decides.


def massive(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two systems that share one unit of 20, in which one sample is huge."""
    x, y = np.random.default_rng(seed).normal(size=(2, 100, 20))
    x[0, 0] = 300
    y[:, 0] = x[:, 0]
    return x, y


def test_trap_one_sample_decides_and_is_named() -> None:
    x, y = massive()
    labels = ["bos", *(f"word{k}" for k in range(1, 100))]
    named = [xr.DataArray(s, dims=("token", "unit"), coords={"token": labels}) for s in (x, y)]
    with pytest.warns(ArcuateWarning, match="cka: x: sample bos holds 98.9 % of the squared"):
        assert compare.cka(*named, debiased=False) > 0.99
    assert compare.cka(x, y) > 0.9
    with pytest.warns(ArcuateWarning, match="cka: sample 0 holds"):
        compare.cka_measure().prepare(x)
    assert compare.leverage(x)[0] > 0.98
    assert compare.high_leverage(x).tolist() == [0]
    assert abs(compare.cka(x[1:], y[1:])) < 0.1


def test_one_sample_is_left_out_or_brought_to_one_norm_on_demand() -> None:
    x, y = massive()
    with pytest.warns(ArcuateWarning, match="1 of 100 samples are left out for their leverage: 0"):
        assert compare.cka(x, y, exclude="leverage") == pytest.approx(compare.cka(x[1:], y[1:]), abs=1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert abs(compare.cka(x, y, normalize="unit")) < 0.2


def test_leverage_is_the_share_of_the_rows_of_the_centered_gram() -> None:
    for x in draw(20, 5, 40):
        c = x - x.mean(axis=0)
        rows = np.sum((c @ c.T) ** 2, axis=1)
        np.testing.assert_allclose(compare.leverage(x), rows / rows.sum(), atol=1e-12)


def test_huge_sample_does_not_cancel_the_others() -> None:
    x, y = draw(50, 4, 5)
    x[0] *= 1e5
    assert compare.cka(x, y) == pytest.approx(debiased(x @ x.T, y @ y.T), abs=1e-7)
    centered = x - x.mean(axis=0)
    assert compare.cka(x, y) == pytest.approx(debiased(centered @ centered.T, y @ y.T), abs=1e-9)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kernel": "cosine"}, "kernel"),
        ({"width": 0}, "width"),
        ({"debiased": "yes"}, "True or False"),
        ({"normalize": "z"}, "normalize"),
        ({"exclude": "first"}, "exclude"),
    ],
    ids=str,
)
def test_bad_options_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        compare.cka(*draw(10, 3, 3), **options)


def test_states_without_geometry_are_refused() -> None:
    with pytest.raises(SpecError, match="equally far"):
        compare.cka(np.eye(12), np.eye(12))
    with pytest.raises(SpecError, match="equally far"):
        compare.cka(np.eye(12), np.eye(12), kernel="rbf")
    assert compare.cka(np.eye(12), np.eye(12), debiased=False) == pytest.approx(1)
    with pytest.raises(SpecError, match="median distance of 0"):
        compare.cka(np.eye(12)[:, :1], np.eye(12), kernel="rbf", debiased=False)
    with pytest.raises(SpecError, match="no direction in samples 0"):
        compare.cka(np.r_[np.zeros((1, 3)), draw(9, 3, 3)[0]], draw(10, 3, 3)[0], normalize="unit")
    with pytest.raises(SpecError, match="one or more pairs"):
        compare.cka_minibatch([])
    with pytest.raises(SpecError, match="repeats"):
        compare.cka_cross(np.zeros((8, 3, 2)), np.zeros((8, 4, 2)))


# A few samples that decide together.


def batch(n: int = 200, large: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Two independent systems in which the first of each sequence is large in a direction of its own."""
    x, y = np.random.default_rng(5).normal(size=(2, n, 20))
    for states, unit in ((x, 3), (y, 7)):
        states[:large, unit] += 100
    return x, y


def test_trap_a_few_samples_decide_together_and_are_named() -> None:
    x, y = batch()
    assert compare.leverage(x).max() < 0.2
    with pytest.warns(ArcuateWarning, match=r"cka: x: 7 of 200 samples: .* hold 5\d.* the squared norm"):
        assert compare.cka(x, y) > 0.9
    assert compare.high_leverage(x).tolist() == list(range(12))
    with pytest.warns(ArcuateWarning, match="12 of 200 samples are left out") as caught:
        assert abs(compare.cka(x, y, exclude="leverage")) < 0.05
    assert len(caught) == 1


@pytest.mark.parametrize("n", [10, 20, 50, 100, 1000])
def test_samples_of_noise_do_not_decide(n: int) -> None:
    found = [
        compare.high_leverage(np.random.default_rng(seed).normal(size=(n, p))).size > 0
        for seed in range(100, 140)
        for p in (5, 30)
    ]
    assert np.mean(found) <= 0.02
    heavy = [
        compare.high_leverage(np.exp(0.5 * np.random.default_rng(seed).normal(size=(n, 30)))).size > 0
        for seed in range(100, 120)
    ]
    assert np.mean(heavy) <= 0.15


def test_a_measure_alone_names_no_option_that_it_lacks() -> None:
    with pytest.warns(ArcuateWarning, match="leave out of both systems, or") as caught:
        compare.cka_measure().prepare(batch()[0])
    assert "exclude" not in str(caught[0].message)
