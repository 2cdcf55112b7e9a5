"""Dynamical similarity beside the numbers of dsa-metric, a separate implementation in float32."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from arcuate.compare import LinearDynamics, fit_dynamics, operator_distance
from arcuate.compare._alignment import least_distance

DATA = Path(__file__).parents[1] / "data/compare/dsa.npz"
PAIRS = [(0, 1), (0, 2), (1, 2)]


@pytest.fixture(scope="module")
def golden() -> Iterator[Any]:
    with np.load(DATA) as stored:
        yield stored


@pytest.fixture(scope="module")
def fits(golden: Any) -> list[LinearDynamics]:
    return [
        fit_dynamics(golden[f"in/data{i}"], n_delays=3, rank=6, ridge=0.0, center=False) for i in range(3)
    ]


def test_eigenvalues_and_singular_values(golden: Any, fits: list[LinearDynamics]) -> None:
    for i, fit in enumerate(fits):
        theirs = golden[f"out/dmd{i}/eigenvalues.re"] + 1j * golden[f"out/dmd{i}/eigenvalues.im"]
        apart = np.abs(theirs[:, None] - fit.eigenvalues[None, :])
        assert apart[linear_sum_assignment(apart)].max() < 1e-5
        np.testing.assert_allclose(
            fit.singular_values, golden[f"out/dmd{i}/singular_values"], rtol=1e-4, atol=1e-4
        )


def test_wasserstein(golden: Any, fits: list[LinearDynamics]) -> None:
    for i, j in PAIRS:
        found = operator_distance(fits[i].operator, fits[j].operator, score="wasserstein_squared")
        np.testing.assert_allclose(found, golden["out/wasserstein"][i, j], rtol=1e-4)


def test_objective_at_given_matrices_bounds_ours_from_above(golden: Any) -> None:
    a, b = (golden[f"out/dmd{i}/A_v"].astype(np.float64) for i in (0, 2))
    angular, euclidean = (operator_distance(a, b, score=score) for score in ("angular", "euclidean"))
    for c, (angle, distance) in zip(
        golden["in/objective/C"], golden["out/objective/angular_euclidean"], strict=True
    ):
        turned = c @ b @ c.T
        np.testing.assert_allclose(np.linalg.norm(a - turned), distance, rtol=1e-4)
        cosine = np.vdot(a, turned) / np.linalg.norm(a) / np.linalg.norm(b)
        np.testing.assert_allclose(np.arccos(cosine), angle, rtol=1e-4)
        assert angular < angle and euclidean < distance


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_the_minimum_is_no_higher_than_its_best_start(
    golden: Any, fits: list[LinearDynamics], pair: tuple[int, int]
) -> None:
    a, b = (fits[k].operator / np.linalg.norm(fits[k].operator) for k in pair)
    found = operator_distance(a, b), operator_distance(a, b, score="euclidean")
    assert found[0] == pytest.approx(2 * np.arcsin(found[1] / 2), abs=1e-12)
    assert found[1] >= least_distance(a, b)
    for search in ("iters200", "iters1500"):
        theirs = golden[f"out/{search}/score_by_start"][:, pair[0], pair[1]].min(axis=0)
        assert found[0] <= theirs[0] + 1e-4 and found[1] <= theirs[1] + 1e-4


@pytest.mark.parametrize("kind", ["rotation", "reflection"])
def test_known_turns_of_its_operators_are_found(golden: Any, kind: str) -> None:
    a = golden["out/dmd0/A_v"].astype(np.float64)
    assert operator_distance(a, golden[f"in/known/{kind}/B"], n_starts=1) < 1e-6
