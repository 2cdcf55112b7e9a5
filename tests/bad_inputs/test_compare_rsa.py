"""What RSA refuses, and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

from arcuate import compare
from arcuate.errors import ArcuateWarning, SpecError

RNG = np.random.default_rng(1)
X = RNG.normal(size=(6, 4))
R = RNG.normal(size=(6, 3, 4))
D = compare.rdm(X)


def labeled(labels: str) -> xr.DataArray:
    return xr.DataArray(X[: len(labels)], dims=("stimulus", "unit"), coords={"stimulus": list(labels)})


def changed(array: Any, place: Any, value: float) -> np.ndarray:
    out = np.array(array, dtype=float)
    out[place] = value
    return out


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: compare.rdm(X[:2]), "needs >= 3 samples"),
        (lambda: compare.rdm(X[:1]), "needs >= 3 samples"),
        (lambda: compare.rdm(np.ones((6, 4))), "none varies"),
        (lambda: compare.rdm(changed(X, (3, 1), np.nan)), "is not in 1 of 6 rows: 3"),
        (lambda: compare.rdm(changed(X, (3, 1), np.inf)), "is not in 1 of 6 rows: 3"),
        (lambda: compare.rdm(X + 1j), "must hold real numbers"),
        (lambda: compare.rdm(X.astype(object)), "must hold real numbers"),
        (lambda: compare.rdm([[1.0], [1.0, 2.0]]), "regular array"),
        (lambda: compare.rdm(np.zeros((2, 3, 4, 5))), "shape (2, 3, 4, 5)"),
        (lambda: compare.rdm(X, kind="euclid"), "'euclidean'"),
        (lambda: compare.rdm(labeled("abcdea")), "doubled: a"),
        (lambda: compare.rdm(R[:, :1], kind="crossnobis"), "needs >= 2 repeats"),
        (lambda: compare.rdm(R[:, :1], kind="mahalanobis"), "needs >= 2 repeats"),
        (lambda: compare.rdm(R[:, :1] ** 2, kind="poisson_cv"), "needs >= 2 repeats"),
        (lambda: compare.rdm(R, kind="crossnobis", folds=[0, 0, 0]), "needs >= 2 folds"),
        (lambda: compare.rdm(R, kind="crossnobis", folds=[0, 1]), "each of the 3 repeats"),
        (lambda: compare.rdm(R, kind="crossnobis", noise="oas"), "noise"),
        (lambda: compare.rdm(R, kind="crossnobis", noise=np.eye(3)), "of shape (4, 4)"),
        (lambda: compare.rdm(R, kind="crossnobis", noise=-np.eye(4)), "positive definite"),
        (lambda: compare.rdm(R, kind="crossnobis", noise=np.triu(np.ones((4, 4)))), "symmetric"),
        (lambda: compare.rdm(np.repeat(X[:, None], 3, axis=1), kind="mahalanobis"), "has no noise"),
        (
            lambda: compare.rdm(RNG.normal(size=(4, 2, 9)), kind="mahalanobis", noise="full"),
            "4 degrees of freedom for the noise of 9 units",
        ),
        (
            lambda: compare.rdm(X[:, None] + R * [1, 1, 0, 1], kind="mahalanobis", noise="diag"),
            "1 units without noise: 2",
        ),
        (lambda: compare.rdm(changed(X, 4, 2.0), kind="correlation"), "constant over units"),
        (lambda: compare.rdm(changed(X, 4, 0.0), kind="cosine"), "stimuli 4"),
        (lambda: compare.rdm(X, kind="poisson"), "must hold counts or rates >= 0"),
        (lambda: compare.rdm(changed(X**2, 0, 0), kind="poisson", prior=(1.0, 0.0)), "a rate of 0"),
        (lambda: compare.rdm(X**2, kind="poisson", prior=(0.0, 0.1)), "prior[0] = 0"),
        (lambda: compare.noise_covariance(X[:1]), "needs >= 2 samples"),
        (lambda: compare.noise_covariance(X, kind="shrunk"), "ledoit-wolf"),
        (lambda: compare.noise_covariance(X, dof=7), "dof = 7"),
        (lambda: compare.noise_precision(R[:, :1]), "needs >= 2 repeats"),
    ],
)  # fmt: skip
def test_states(call: Callable[[], Any], words: str) -> None:
    refused(call, words)


def refused(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        call()
    text = str(caught.value)
    assert words in text
    assert text.count("\n") < 4


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: compare.rsa(X, X[:5]), "must have the 15 pairs of x"),
        (lambda: compare.rsa(labeled("abcdef"), labeled("abcdeg")), "lacks f and has g"),
        (lambda: compare.rsa(labeled("abcdef"), labeled("abcde")), "lacks f"),
        (lambda: compare.rsa(labeled("abcde"), labeled("abcdef")), "has f"),
        (lambda: compare.rsa(labeled("abcdef"), labeled("abcdee")), "doubled: e"),
        (lambda: compare.rsa(X, X, comparator="rho"), "'rho-a'"),
        (lambda: compare.rsa(X, X, dissimilarity="crossnobi"), "'crossnobis'"),
        (lambda: compare.rsa_measure(comparator="rho"), "'rho-a'"),
        (lambda: compare.rsa_measure(dissimilarity="none"), "dissimilarity"),
        (lambda: compare.rsa_crossnobis(R, R[:, :1]), "needs >= 2 repeats"),
        (lambda: compare.rdm_similarity(D, np.ones((6, 6)) - np.eye(6)), "are all 1"),
        (lambda: compare.rdm_similarity(D, np.eye(6)), "must have a diagonal of 0"),
        (lambda: compare.rdm_similarity(D, np.triu(D)), "must be symmetric"),
        (lambda: compare.rdm_similarity(D, changed(D, (0, 1), np.nan)), "must be finite"),
        (lambda: compare.rdm_similarity(D, D[:, :4]), "must be a square matrix"),
        (lambda: compare.rdm_similarity([1.0, 2.0, 3.0, 4.0], [1.0] * 4), "n (n - 1) / 2 pairs"),
        (lambda: compare.rdm_similarity([1.0], [1.0]), "n (n - 1) / 2 pairs"),
        (lambda: compare.rdm_similarity(D, D, covariance=np.ones(6)), "cosine_cov and corr_cov"),
        (lambda: compare.rdm_similarity(D, D, comparator="corr_cov", covariance=np.ones(5)), "of 6 stimuli"),
        (
            lambda: compare.rdm_similarity(D, D, comparator="corr_cov", covariance=-np.ones(6)),
            "positive definite",
        ),
        (lambda: compare.rdm_similarity(-D, np.zeros((6, 6)), comparator="cosine_cov"), "are all 0"),
        (lambda: compare.rdm_similarity(D, -D, comparator="bures"), "must have one above 0"),
        (lambda: compare.rdm_similarity(D, D, comparator="neg_riem_dist"), "in general position"),
        (lambda: compare.rdm_noise_ceiling([D]), "needs >= 2 subjects"),
        (lambda: compare.rdm_noise_ceiling([D, D[:5, :5]]), "must have the 15 pairs of rdms[0]"),
    ],
)
def test_comparisons(call: Callable[[], Any], words: str) -> None:
    refused(call, words)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: compare.model_rdm([1.0, 2.0], kind="time"), ">= 3 stimuli"),
        (lambda: compare.model_rdm([0.1, 0.2, 1.2], kind="probability"), "must lie in 0 to 1"),
        (lambda: compare.model_rdm([1.0, 0.0, 2.0], kind="weber"), "is not for stimuli 1"),
        (lambda: compare.model_rdm([1.0, np.nan, 2.0], kind="time"), "must be finite"),
        (lambda: compare.model_rdm([1.0, 2.0, 3.0], kind="log"), "weber"),
        (lambda: compare.fit_rdm(D, {}), "at least one model"),
        (lambda: compare.fit_rdm(D, {"a": D[:5, :5]}), "models['a'] = 10"),
        (lambda: compare.fit_rdm(D, {"a": D}, folds=2), "must leave >= 3 stimuli"),
        (lambda: compare.fit_rdm(D, {"a": D}, folds=7), "folds = 7"),
        (lambda: compare.fit_rdm(D, {"a": D}, folds=[0, 1]), "each of the 6 stimuli"),
        (lambda: compare.geo_topological(D, lower=0.5, upper=0.5), "must be > lower = 0.5"),
        (lambda: compare.geo_topological(D, lower=-0.1, upper=0.5), "lower = -0.1"),
        (lambda: compare.topological_rsa(D[:5, :5], D[:5, :5]), "needs >= 6 stimuli"),
        (lambda: compare.topological_rsa(D, D, quantiles=[0.5]), "needs >= 2 that differ"),
        (lambda: compare.topological_rsa(D, D, comparator="bures_metric"), "comparator"),
        (lambda: compare.topological_rsa(D, np.ones((6, 6)) - np.eye(6)), "nothing to compare"),
    ],
)
def test_models_and_topology(call: Callable[[], Any], words: str) -> None:
    refused(call, words)


def test_noise_of_two_repeats_is_warned_of() -> None:
    with pytest.warns(ArcuateWarning, match="lie above 0 where there is no difference"):
        compare.rdm(R[:, :2], kind="crossnobis")


def test_rows_in_another_order_are_another_comparison_without_labels() -> None:
    order = [1, 0, 3, 2, 5, 4]
    assert compare.rsa(labeled("abcdef"), labeled("abcdef")[order]) == pytest.approx(1)
    assert compare.rsa(X, X[order]) < 0.9
