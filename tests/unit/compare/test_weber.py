"""Laws of magnitude on simulated judgments and units, whose law is known."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from arcuate.compare import ScalarLaw, perceived_distance, reference_coding, scalar_law, tuning_curves
from arcuate.errors import ArcuateWarning

Y = np.geomspace(2.0, 60.0, 14)
YEARS = np.arange(1905.0, 2101.0, 10.0)


def judged(seen: np.ndarray, noise: float, seed: int) -> np.ndarray:
    """Distances between perceived places, with symmetric noise."""
    e = noise * np.random.default_rng(seed).standard_normal((seen.size, seen.size))
    return np.abs(seen[:, None] - seen) + np.triu(e, 1) + np.triu(e, 1).T


@pytest.mark.parametrize("seed", [0, 1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("law", ["linear", "log", "reference_log"])
def test_the_law_is_found(law: str, seed: int) -> None:
    places = {"linear": Y / 20, "log": np.log(Y), "reference_log": np.log(np.abs(Y - 22.0))}
    found = perceived_distance(judged(places[law], 0.1, seed), Y, n_resamples=100)
    assert found.best == law and found.decided
    assert found.models.r_squared.sel(model=law) > 0.9
    assert (found.models.low <= found.models.r_squared).all()


def test_the_reference_is_found_and_bracketed() -> None:
    seen = np.log(np.abs(YEARS - 2026.0))
    grid = np.arange(1800.0, 2200.0, 2.0)
    found = perceived_distance(judged(seen, 0.05, 3), YEARS, references=grid, n_resamples=200)
    assert found.decided and found.reference.estimate == 2026
    assert found.reference.low <= 2026 <= found.reference.high
    assert (
        found.models.r_squared.sel(model="linear") < 0.8 < found.models.r_squared.sel(model="reference_log")
    )


def test_noise_decides_nothing() -> None:
    found = perceived_distance(judged(np.zeros(Y.size), 1.0, 4), Y, n_resamples=100)
    assert not found.decided and (found.models.r_squared < 0.1).all()


def test_forms_of_the_input_agree() -> None:
    rdm = judged(np.log(Y), 0.1, 5)
    one = perceived_distance(rdm, Y, n_resamples=20)
    flat = perceived_distance(rdm[np.triu_indices(Y.size, 1)], Y, n_resamples=20)
    alike = perceived_distance(3.0 - rdm, Y, kind="similarity", n_resamples=20)
    for other in (flat, alike):
        np.testing.assert_allclose(other.models.r_squared, one.models.r_squared)
    np.testing.assert_allclose(one.models.slope.sel(model="log"), 1.0, atol=0.1)


def test_values_below_zero_have_no_logarithm() -> None:
    with pytest.warns(ArcuateWarning, match="log model is left out"):
        found = perceived_distance(judged(Y - 30, 0.1, 6), Y - 30, n_resamples=20)
    assert "log" not in found.models.model and found.best == "linear"


def test_units_that_code_distance_from_a_reference() -> None:
    rng = np.random.default_rng(7)
    active = np.stack(
        [np.log(np.abs(YEARS - 2020.5)), -np.log(np.abs(YEARS - 1950.5)), rng.standard_normal(20)], 1
    )
    found = reference_coding(active, YEARS, references=np.arange(1900.5, 2100.0, 2.0))
    assert found.reference[:2].values.tolist() == [2020.5, 1950.5]
    assert found.slope[0] > 0 > found.slope[1] and found.minimum[0] in (2015, 2025)
    np.testing.assert_allclose(found.r_squared[:2], 1.0)
    assert found.r_squared[2] < 0.7


def bumps(preferred: np.ndarray, width: np.ndarray, noise: float, seed: int) -> np.ndarray:
    grid = np.linspace(1.0, 40.0, 60)
    rates = 2.0 + 5.0 * np.exp(-((grid[:, None] - preferred) ** 2) / (2 * width**2))
    return rates + noise * np.random.default_rng(seed).standard_normal(rates.shape)


def test_tuning_is_recovered() -> None:
    preferred, width = np.linspace(6.0, 28.0, 12), np.linspace(1.5, 5.0, 12)
    found = tuning_curves(bumps(preferred, width, 0.0, 0), np.linspace(1.0, 40.0, 60))
    np.testing.assert_allclose(found.preferred, preferred, rtol=1e-5)
    np.testing.assert_allclose(found.width, width, rtol=1e-5)
    np.testing.assert_allclose(found.amplitude, 5.0, rtol=1e-5)
    assert found.tuned.all()


def test_what_is_no_bump_is_not_tuned() -> None:
    grid = np.linspace(1.0, 40.0, 60)
    rng = np.random.default_rng(8)
    units = np.stack([grid, rng.standard_normal(60), np.ones(60), -np.exp(-((grid - 20) ** 2) / 18)], axis=1)
    found = tuning_curves(units, grid)
    assert not found.tuned.any() and np.isnan(found.r_squared[2])


@pytest.mark.parametrize("seed", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in (1, 2))])
def test_the_scalar_law_and_its_absence(seed: int) -> None:
    rng = np.random.default_rng([9, seed])
    grid, preferred = np.linspace(1.0, 40.0, 60), np.linspace(5.0, 25.0, 40)
    wobble = np.exp(0.1 * rng.standard_normal(40))
    law = scalar_law(tuning_curves(bumps(preferred, 0.2 * preferred * wobble, 0.2, seed), grid))
    assert law.holds and law.slope.low < 0.2 < law.slope.high
    assert law.fraction.low < 0.21 and law.fraction.high > 0.19
    flat = scalar_law(tuning_curves(bumps(preferred, 3.0 * wobble, 0.2, seed), grid))
    assert not flat.holds and flat.trend.high < 0


def laws(offset: float, n: int) -> list[ScalarLaw]:
    found = []
    for seed in range(40, 80):
        rng, place = np.random.default_rng([10, n, seed]), np.linspace(1.0, 5.0, n)
        width = (offset + 0.2 * place) * (1 + 0.15 * rng.standard_normal(n))
        units = {"preferred": ("unit", place), "width": ("unit", width), "tuned": ("unit", place > 0)}
        found.append(scalar_law(xr.Dataset(units), n_resamples=300))
    return found


def test_few_units_do_not_show_the_scalar_law() -> None:
    assert sum(law.holds for law in laws(0.4, 10)) <= 2
    assert sum(law.holds for law in laws(0.0, 40)) >= 32
    assert not any(law.holds for law in laws(0.4, 40))
    assert all(law.intercept.low > 0 for law in laws(0.4, 40))
