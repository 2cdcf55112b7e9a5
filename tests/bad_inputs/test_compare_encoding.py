"""Encoding on what cannot be encoded: each is refused by name, value, bound and way out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from arcuate.compare import FactorizedReadout, RidgeEncoder, encode, reliability, ridge, ridge_measure
from arcuate.errors import FitError, SpecError

X = np.random.default_rng(0).standard_normal((20, 3))
Y = np.random.default_rng(1).standard_normal((20, 2))
HOLE = np.where(np.arange(20)[:, None] == 7, np.nan, X)


def labeled(values: np.ndarray, names: Any) -> xr.DataArray:
    return xr.DataArray(values, dims=("stimulus", "unit"), coords={"stimulus": names})


NAMES = [f"s{k}" for k in range(20)]


@pytest.mark.parametrize(
    ("x", "y", "options", "words"),
    [
        pytest.param(HOLE, Y, {}, ["x = nan", "row", "7"], id="nan-row"),
        pytest.param(X, Y + 1j, {}, ["y", "complex"], id="complex"),
        pytest.param(np.full((20, 3), "a", dtype=object), Y, {}, ["x", "real"], id="object"),
        pytest.param(X[:3], Y[:3], {}, ["x = 3", ">= 4 samples"], id="three-samples"),
        pytest.param(X, Y[:19], {}, ["y = 19", "20 samples of x"], id="unequal"),
        pytest.param(np.ones((20, 3)), Y, {}, ["x", "none varies"], id="constant-x"),
        pytest.param(X, np.ones((20, 2)), {}, ["y", "none varies"], id="constant-y"),
        pytest.param(X, Y, {"folds": 2}, ["folds", ">= 3"], id="two-folds"),
        pytest.param(X, Y, {"folds": 21}, ["folds", "20 samples"], id="many-folds"),
        pytest.param(X, Y, {"folds": [0, 1, 2]}, ["folds", "20"], id="folds-shape"),
        pytest.param(X, Y, {"folds": np.arange(20) % 2}, ["folds = 2", ">= 3"], id="two-given-folds"),
        pytest.param(X, Y, {"groups": [0] * 20}, ["folds = 5", "1 groups"], id="one-group"),
        pytest.param(X, Y, {"groups": [0, 1]}, ["groups", "20"], id="groups-shape"),
        pytest.param(
            X, Y, {"groups": np.arange(20) // 2, "folds": np.arange(20) % 4},
            ["folds", "tears 0, 1", "train rows would be tested"], id="torn-groups",
        ),
        pytest.param(
            labeled(X, ["a", "a", *NAMES[2:]]), Y, {"folds": np.arange(20) % 4}, ["tears a"], id="torn-label"
        ),
        pytest.param(
            labeled(X, NAMES), labeled(Y, [*NAMES[:-1], "other"]), {}, ["y", "lacks s19"], id="missing-label"
        ),
        pytest.param(
            labeled(X, ["a", "a", *NAMES[2:]]), labeled(Y, NAMES), {}, ["x", "doubled: a"],
            id="doubled-label",
        ),
        pytest.param(X, Y, {"alphas": []}, ["alphas", "above 0"], id="no-alpha"),
        pytest.param(X, Y, {"alphas": [0.0, 1.0]}, ["alphas", "above 0"], id="zero-alpha"),
        pytest.param(X, Y, {"alphas": [np.inf]}, ["alphas", "finite"], id="infinite-alpha"),
        pytest.param(X, Y, {"n_components": 0}, ["n_components = 0"], id="no-component"),
        pytest.param(X, Y, {"reduce": "pcs"}, ["reduce", "pca"], id="reduce"),
        pytest.param(X, Y, {"seed": -1}, ["seed"], id="seed"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("call", [encode, ridge])
def test_what_cannot_be_encoded_is_refused(call: Any, x: Any, y: Any, options: Any, words: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        call(x, y, **options)
    text = str(caught.value)
    assert len(text.splitlines()) <= 4
    for word in words:
        assert word in text, text


def test_few_splits_and_few_repeats_are_refused() -> None:
    with pytest.raises(SpecError, match="n_splits = 5"):
        encode(X, Y, n_splits=5)
    with pytest.raises(SpecError, match="2 repeats"):
        reliability(X[:, None])


def test_a_measure_checks_its_options_when_it_is_made() -> None:
    with pytest.raises(SpecError, match="alphas"):
        ridge_measure(alphas=-1.0)
    with pytest.raises(SpecError, match="n_components"):
        ridge_measure(n_components=1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("estimator", [RidgeEncoder(), FactorizedReadout()])
def test_an_estimator_says_that_it_is_not_fitted(estimator: Any) -> None:
    with pytest.raises(FitError, match="not fitted"):
        estimator.predict(X)


def test_an_estimator_refuses_other_units_and_bad_parameters() -> None:
    with pytest.raises(FitError, match="must have the 3 units"):
        RidgeEncoder().fit(X, Y).predict(X[:, :2])
    with pytest.raises(SpecError, match="folds"):
        RidgeEncoder(folds=1).fit(X, Y)
    cube = X.reshape(5, 4, 3)
    for bad in ({"alpha": 0.0}, {"max_iter": 0}, {"tol": -1.0}):
        with pytest.raises(SpecError, match=next(iter(bad))):
            FactorizedReadout(**bad).fit(cube, Y[:5])
    with pytest.raises(SpecError, match="5 samples of X"):
        FactorizedReadout().fit(cube, Y)
    with pytest.raises(SpecError, match="4 steps and 3 units"):
        FactorizedReadout().fit(cube, Y[:5]).predict(cube[:, :3])
