"""RSA against numbers of rsatoolbox 0.3.2: dissimilarities, noise, comparators, ceilings."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import helmert
from scipy.spatial.distance import squareform

from arcuate.compare import (
    noise_covariance,
    rdm,
    rdm_noise_ceiling,
    rdm_similarity,
)
from arcuate.compare._precision import residuals_of
from arcuate.errors import ArcuateWarning

FOLDER = Path(__file__).resolve().parents[1] / "data" / "compare"
FILES = ("rsa_0", "rsa_1")
COMPARATORS = {
    "corr": 1e-9, "cosine": 1e-9, "corr_cov": 1e-9, "cosine_cov": 1e-9, "spearman": 1e-9, "rho-a": 1e-9,
    "tau-a": 1e-9, "tau-b": 1e-9, "bures": 2e-8,
}  # fmt: skip
ESTIMATORS = {
    "shrinkage_diag": "schaefer-strimmer",
    "shrinkage_eye": "ledoit-wolf",
    "diag": "diag",
    "full": "full",
}


@pytest.fixture(params=FILES)
def golden(request: pytest.FixtureRequest) -> dict[str, np.ndarray]:
    with np.load(FOLDER / f"{request.param}.npz") as file:
        return {name: file[name] for name in file.files}


def cube(golden: dict[str, np.ndarray], subject: str, data: str) -> tuple[np.ndarray, np.ndarray]:
    """States as (condition, repeat, channel), and the run of each repeat."""
    condition, run = golden["in/cond"], golden["in/run"]
    order = np.lexsort((run, condition))
    n = len(np.unique(condition))
    runs = run[order].reshape(n, -1)
    assert (runs == runs[0]).all()
    return golden[f"in/{subject}/{data}"][order].reshape(n, runs.shape[1], -1), runs[0]


def test_covariance_of_the_noise(golden: dict[str, np.ndarray]) -> None:
    found = [name for name in golden if "/precision/" in name]
    for name in found:
        _, subject, data, _, kind = name.split("/")
        states, _ = cube(golden, subject, data)
        # the package takes (conditions - 1) * repeats for the degrees of freedom of these balanced residuals
        dof = (len(states) - 1) * states.shape[1]
        covariance = noise_covariance(residuals_of(states), kind=ESTIMATORS[kind], dof=dof)
        np.testing.assert_allclose(np.linalg.inv(covariance), golden[name], rtol=1e-9, atol=1e-12)
    assert len(found) >= 8


def test_dissimilarities(golden: dict[str, np.ndarray]) -> None:
    found = [name for name in golden if "/rdm/" in name and not name.endswith("poisson_cv")]
    for name in found:
        _, subject, data, _, kind = name.split("/")
        states, runs = cube(golden, subject, data)
        precision = golden[f"out/{subject}/{data}/precision/shrinkage_diag"]
        options: dict[str, object] = {"remove_mean": kind.endswith("remove_mean")}
        if kind.endswith("_all_rows"):
            states = golden[f"in/{subject}/{data}"][: 2 * len(states)]
        if "nobis" in kind:
            options |= {"noise": precision, "folds": runs}
        if kind == "mahalanobis":
            options |= {"noise": precision}
        if kind == "crossnobis_identity":
            options |= {"noise": None}
        if kind == "poisson_prior2_w.5":
            options |= {"prior": (2.0, 0.5)}
        matrix = rdm(states, kind=kind.split("_")[0], **options)  # type: ignore[arg-type]
        np.testing.assert_allclose(squareform(matrix.values), golden[name], rtol=1e-9, atol=1e-12)
    assert len(found) >= 50


def test_cross_validated_poisson_of_the_last_fold(golden: dict[str, np.ndarray]) -> None:
    """The package returns its last fold alone; ours is the mean over folds, of which one may be taken."""
    found = [name for name in golden if name.endswith("poisson_cv")]
    for name in found:
        _, subject, data, _, _ = name.split("/")
        states, runs = cube(golden, subject, data)
        each = []
        for run in np.unique(runs):
            test, train = states[:, runs == run].mean(axis=1), states[:, runs != run].mean(axis=1)
            a, b = ((rate + 0.1) / 1.1 for rate in (train, test))
            gap = (a[:, None] - a) * (np.log(b)[:, None] - np.log(b))
            each.append(squareform(gap.mean(axis=-1), checks=False))
        np.testing.assert_allclose(each[-1], golden[name], rtol=1e-9, atol=1e-12)
        matrix = rdm(states, kind="poisson_cv", folds=runs)
        np.testing.assert_allclose(squareform(matrix.values), np.mean(each, axis=0), rtol=1e-9, atol=1e-12)
    assert found


@pytest.mark.parametrize("name", list(COMPARATORS))
@pytest.mark.filterwarnings("ignore::arcuate.errors.ArcuateWarning")
def test_comparators(golden: dict[str, np.ndarray], name: str) -> None:
    want = golden["out/compare/" + ("kendall" if name == "tau-b" else name)]
    np.testing.assert_allclose(table(golden, name), want, rtol=1e-9, atol=COMPARATORS[name])


def table(golden: dict[str, np.ndarray], name: str, covariance: np.ndarray | None = None) -> np.ndarray:
    return np.array(
        [
            [
                rdm_similarity(left, right, comparator=name, covariance=covariance)
                for right in golden["in/compare_right"]
            ]
            for left in golden["in/compare_left"]
        ]
    )


def test_bures_metric(golden: dict[str, np.ndarray]) -> None:
    """A root of an eigenvalue that is 0 is off by 1e-8 of the largest; so is the package's."""
    want = golden["out/compare/bures_metric"]
    np.testing.assert_allclose(
        table(golden, "bures_metric"), want, atol=2e-8 * golden["in/compare_left"].max()
    )


@pytest.mark.filterwarnings("ignore::arcuate.errors.ArcuateWarning")
@pytest.mark.parametrize("name", ["corr_cov", "cosine_cov"])
def test_whitening_by_a_given_covariance(golden: dict[str, np.ndarray], name: str) -> None:
    full, diagonal = golden["in/sigma_k_full"], golden["in/sigma_k_diag"]
    got = table(golden, name, full)
    np.testing.assert_allclose(got, golden[f"out/compare/{name}/sigma_full"], atol=1e-5)
    np.testing.assert_allclose(got, direct(golden, name, full), rtol=1e-9)
    # a vector is its diagonal matrix; the package centers first and scales after, which is not that
    got = table(golden, name, diagonal)
    np.testing.assert_allclose(got, table(golden, name, np.diag(diagonal)), rtol=1e-12)
    np.testing.assert_allclose(got, direct(golden, name, np.diag(diagonal)), rtol=1e-9)
    want = golden[f"out/compare/{name}/sigma_diag"]
    np.testing.assert_allclose(centered_first(golden, name, diagonal), want, rtol=1e-9)
    assert 1e-3 < np.abs(got - want).max() < 0.015


def vectors(golden: dict[str, np.ndarray], name: str, side: str) -> np.ndarray:
    found = golden[f"in/compare_{side}"]
    return found - found.mean(axis=1, keepdims=True) if name == "corr_cov" else found


def direct(golden: dict[str, np.ndarray], name: str, noise: np.ndarray) -> np.ndarray:
    """Solution with the covariance of all pairs, as it is defined."""
    n = len(noise)
    first, second = np.triu_indices(n, 1)
    contrasts = np.eye(n)[first] - np.eye(n)[second]
    v = (contrasts @ noise @ contrasts.T) ** 2
    left, right = vectors(golden, name, "left"), vectors(golden, name, "right")
    own = [np.sqrt(np.sum(side * np.linalg.solve(v, side.T).T, axis=1)) for side in (left, right)]
    return left @ np.linalg.solve(v, right.T) / np.outer(*own)  # type: ignore[no-any-return]


def centered_first(golden: dict[str, np.ndarray], name: str, diagonal: np.ndarray) -> np.ndarray:
    """What the package computes for a vector."""
    n = len(diagonal)
    center = helmert(n).T @ helmert(n)
    scale = np.sqrt(np.outer(diagonal, diagonal))
    moments = [
        np.array([(center @ squareform(v) @ center / scale).ravel() for v in vectors(golden, name, side)])
        for side in ("left", "right")
    ]
    own = [np.linalg.norm(side, axis=1) for side in moments]
    return moments[0] @ moments[1].T / np.outer(*own)  # type: ignore[no-any-return]


def test_distance_of_positive_second_moments(golden: dict[str, np.ndarray]) -> None:
    want = golden["out/compare_loose/neg_riem_dist"]
    if want.size == 0:  # its second moments are not positive
        assert golden["in/riem"].size
        return
    found = golden["in/riem"]
    got = [[rdm_similarity(a, b, comparator="neg_riem_dist") for b in found] for a in found]
    np.testing.assert_allclose(got, want, atol=1e-3)


def test_ceilings(golden: dict[str, np.ndarray]) -> None:
    found = [name for name in golden if name.startswith("out/ceiling/")]
    for name in found:
        _, _, data, comparator = name.split("/")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ArcuateWarning)
            ceiling = rdm_noise_ceiling(list(golden[f"in/ceiling/{data}"]), comparator=comparator)
        np.testing.assert_allclose([ceiling.lower, ceiling.upper], golden[name], rtol=1e-9)
    assert len(found) == 14
