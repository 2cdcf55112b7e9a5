"""Dissimilarities and the noise they are whitened by, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from arcuate.compare import _rdm, noise_covariance, noise_precision, rdm
from arcuate.compare._precision import residuals_of
from arcuate.errors import ArcuateWarning

RNG = np.random.default_rng(20)
STATES = RNG.normal(size=(9, 6))
REPEATS = RNG.normal(size=(9, 5, 6)) + STATES[:, None]


def pairwise(states: np.ndarray, distance: str) -> np.ndarray:
    return cdist(states, states, distance)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("kind", "want"),
    [
        ("euclidean", pairwise(STATES, "sqeuclidean") / 6),
        ("correlation", pairwise(STATES, "correlation")),
        ("cosine", pairwise(STATES, "cosine")),
    ],
)
def test_distances_between_patterns(kind: str, want: np.ndarray) -> None:
    got = rdm(STATES, kind=kind).values
    np.testing.assert_allclose(got, want, atol=1e-14)
    assert (got == got.T).all()
    assert not np.diag(got).any()


def test_repeats_are_averaged() -> None:
    np.testing.assert_allclose(rdm(REPEATS), rdm(REPEATS.mean(axis=1)), atol=1e-14)


def test_mahalanobis_is_the_distance_by_the_precision() -> None:
    precision = noise_precision(REPEATS)
    gap = REPEATS.mean(axis=1)[:, None] - REPEATS.mean(axis=1)
    want = np.einsum("ijp,pq,ijq->ij", gap, precision, gap) / 6
    np.testing.assert_allclose(rdm(REPEATS, kind="mahalanobis"), want, atol=1e-13)
    np.testing.assert_allclose(rdm(REPEATS, kind="mahalanobis", noise=precision), want, atol=1e-13)
    got = rdm(REPEATS.mean(axis=1), kind="mahalanobis", noise=precision)
    np.testing.assert_allclose(got, want, atol=1e-13)


@pytest.mark.parametrize("folds", [None, [0, 0, 1, 1, 2], list("aabbb")])
def test_crossnobis_is_the_mean_over_folds(folds: list[object] | None) -> None:
    fold = np.arange(5) if folds is None else np.unique(folds, return_inverse=True)[1]
    want = []
    for k in np.unique(fold):
        test, train = REPEATS[:, fold == k].mean(axis=1), REPEATS[:, fold != k].mean(axis=1)
        a, b = (side[:, None] - side for side in (train, test))
        precision = noise_precision(REPEATS[:, fold != k], kind="schaefer-strimmer")
        want.append([np.einsum("ijp,pq,ijq->ij", a, p, b) / 6 for p in (precision, np.eye(6))])
    own, none = np.mean(want, axis=0)
    got = rdm(REPEATS, kind="crossnobis", noise="schaefer-strimmer", folds=folds)
    np.testing.assert_allclose(got, (own + own.T) / 2, atol=1e-13)
    got = rdm(REPEATS, kind="crossnobis", noise=None, folds=folds)
    np.testing.assert_allclose(got, none, atol=1e-13)
    got = rdm(REPEATS, kind="crossnobis", noise=4 * np.eye(6), folds=folds)
    np.testing.assert_allclose(got, 4 * none, atol=1e-13)


def test_poisson_is_the_symmetrized_divergence_of_rates() -> None:
    counts = RNG.poisson(3.0, size=(8, 4, 7))
    rate = (counts.mean(axis=1) + 0.5 * 2) / 1.5
    a, b = rate[:, None], rate[None]
    want = np.mean(a * np.log(a / b) - a + b + b * np.log(b / a) - b + a, axis=-1)
    np.testing.assert_allclose(rdm(counts, kind="poisson", prior=(2.0, 0.5)), want, atol=1e-14)


@pytest.mark.parametrize("kind", ["euclidean", "crossnobis", "poisson_cv"])
def test_blocks_of_rows_change_nothing(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    states = np.abs(REPEATS)
    whole = rdm(states, kind=kind)
    monkeypatch.setattr(_rdm, "_ROWS", 4)
    np.testing.assert_allclose(rdm(states, kind=kind), whole, atol=1e-14)


@pytest.mark.parametrize("kind", ["euclidean", "mahalanobis", "crossnobis"])
def test_values_far_from_zero(kind: str) -> None:
    states = np.round(REPEATS * 1024) / 1024  # such that the sum is exact
    far = states + 1e8 * np.arange(1, 7)
    np.testing.assert_allclose(rdm(far, kind=kind), rdm(states, kind=kind), atol=1e-7)


def test_equal_distances_of_integers_are_ties() -> None:
    states = RNG.integers(0, 3, size=(40, 11))
    whole = np.array([[np.sum((a - b) ** 2) for a in states] for b in states]) / 11
    np.testing.assert_array_equal(rdm(states + 12345), whole)


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8", "uint16"])
def test_types(dtype: str) -> None:
    states = RNG.integers(0, 50, size=(6, 4)).astype(dtype)
    np.testing.assert_array_equal(rdm(states), rdm(states.astype(float)))


def test_labels_are_kept() -> None:
    array = xr.DataArray(
        REPEATS.transpose(1, 0, 2),
        dims=("repeat", "stimulus", "unit"),
        coords={"stimulus": list("abcdefghi")},
    )
    got = rdm(array, kind="crossnobis")
    assert got.dims == ("stimulus", "stimulus_2")
    assert "".join(got.stimulus.values) == "".join(got.stimulus_2.values) == "abcdefghi"
    np.testing.assert_array_equal(got, rdm(REPEATS, kind="crossnobis"))


@pytest.mark.parametrize("kind", ["correlation", "cosine", "mahalanobis", "crossnobis"])
def test_constant_units_are_left_out_with_a_warning(kind: str) -> None:
    more = np.insert(REPEATS, [0, 3], 7.0, axis=2)
    with pytest.warns(ArcuateWarning, match="2 of 8 units are constant and left out: 0, 4"):
        got = rdm(more, kind=kind)
    np.testing.assert_allclose(got, rdm(REPEATS, kind=kind), atol=1e-14)


def test_the_mean_of_a_pattern_may_be_removed() -> None:
    lifted = REPEATS + RNG.normal(size=(9, 5, 1))
    for kind in ("euclidean", "crossnobis"):
        one, other = (rdm(x, kind=kind, noise=None, remove_mean=True) for x in (REPEATS, lifted))
        np.testing.assert_allclose(one, other, atol=1e-13)


@pytest.mark.parametrize("noise", [None, "ledoit-wolf", "schaefer-strimmer", "diag"])
def test_crossnobis_without_a_difference_is_0_on_average(noise: str | None) -> None:
    rng = np.random.default_rng(1)
    mixing = np.linalg.cholesky(0.5 * np.eye(12) + 0.5)
    means = []
    for _ in range(300):
        states = rng.normal(size=(8, 4, 12)) @ mixing.T
        means.append(rdm(states, kind="crossnobis", noise=noise).values[np.triu_indices(8, 1)].mean())
    assert abs(np.mean(means)) < 3 * np.std(means) / np.sqrt(300)
    assert np.min(means) < 0 < np.max(means)


def test_crossnobis_is_the_distance_without_noise_on_average() -> None:
    rng = np.random.default_rng(2)
    signal = rng.normal(size=(6, 10))
    found = np.array(
        [
            rdm(signal[:, None] + rng.normal(size=(6, 3, 10)), kind="crossnobis", noise=None)
            for _ in range(400)
        ]
    )
    error = found.std(axis=0) / np.sqrt(len(found)) + 1e-12
    assert np.abs((found.mean(axis=0) - rdm(signal).values) / error).max() < 4
    assert rdm(signal[:, None] + rng.normal(size=(6, 3, 10))).values.mean() > rdm(signal).values.mean()


def test_ledoit_wolf_as_scikit_learn_computes_it() -> None:
    covariance = pytest.importorskip("sklearn.covariance")
    rest = residuals_of(REPEATS)
    want = covariance.LedoitWolf(assume_centered=True).fit(rest).covariance_
    np.testing.assert_allclose(noise_covariance(rest, dof=len(rest)), want, rtol=1e-10)
    np.testing.assert_allclose(noise_precision(REPEATS), np.linalg.inv(want * 45 / 36), rtol=1e-9)


@given(st.integers(0, 2**32 - 1), st.integers(3, 40), st.integers(1, 12))
@settings(max_examples=60)
def test_shrunk_covariances_can_be_inverted(seed: int, n: int, p: int) -> None:
    rest = np.random.default_rng(seed).normal(size=(n, p)) * np.arange(1, p + 1)
    for kind in ("ledoit-wolf", "schaefer-strimmer"):
        values = np.linalg.eigvalsh(noise_covariance(rest, kind=kind))
        assert values[0] > 0
    full, shrunk = noise_covariance(rest, kind="full"), noise_covariance(rest, kind="schaefer-strimmer")
    np.testing.assert_allclose(np.diag(shrunk), np.diag(full))
    assert (np.abs(shrunk) <= np.abs(full) * (1 + 1e-12)).all()
