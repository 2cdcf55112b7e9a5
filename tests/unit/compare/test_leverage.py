"""One stimulus that two systems share makes them alike: every measure that it decides says so."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

from arcuate import compare
from arcuate.errors import ArcuateWarning

DECIDED: dict[str, Callable[[Any, Any], float]] = {
    "corr": lambda x, y: compare.rsa(x, y, comparator="corr"),
    "corr_cov": lambda x, y: compare.rsa(x, y, comparator="corr_cov"),
    "bures": lambda x, y: compare.rsa(x, y, comparator="bures"),
    "soft_matching": compare.soft_matching,
    "one_to_one": compare.one_to_one,
}
IMMUNE: dict[str, Callable[[Any, Any], float]] = {
    "rho-a": compare.rsa,
    "directions": lambda x, y: compare.rsa(x, y, dissimilarity="correlation", comparator="corr"),
}


def pair(seed: int, factor: float) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.random.default_rng(seed).normal(size=(2, 60, 10))
    x[7] *= factor
    y[7] *= factor
    return x, y


def told(measure: Callable[[Any, Any], float], x: Any, y: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        measure(x, y)
    return [str(warning.message) for warning in caught if "squared norm" in str(warning.message)]


@pytest.mark.filterwarnings("ignore::arcuate.errors.ArcuateWarning")
@pytest.mark.parametrize("name", DECIDED)
def test_a_stimulus_that_decides_is_named(name: str) -> None:
    for seed in range(4):
        assert DECIDED[name](*pair(seed, 1)) < DECIDED[name](*pair(seed, 15)) - 0.15
        both = told(DECIDED[name], *pair(seed, 15))
        assert [text.split(":")[1].strip() for text in both] == ["x", "y"]
        assert all("sample 7 holds" in text for text in both)
        assert not told(DECIDED[name], *pair(seed, 1))


@pytest.mark.parametrize("name", IMMUNE)
def test_what_it_does_not_decide_is_not_warned_of(name: str) -> None:
    for seed in range(4):
        assert abs(IMMUNE[name](*pair(seed, 15))) < 0.3
        assert not told(IMMUNE[name], *pair(seed, 15))


def test_it_is_named_by_its_label() -> None:
    labels = [f"token {k}" for k in range(60)]
    x, y = (xr.DataArray(v, dims=("stimulus", "unit"), coords={"stimulus": labels}) for v in pair(0, 15))
    assert all("token 7 holds" in text for text in told(DECIDED["corr"], x, y[::-1]))


@pytest.mark.parametrize(
    "measure", [compare.rsa_measure(comparator="corr"), "soft_matching"], ids=["rsa", "soft"]
)
def test_compare_names_the_stimulus_whatever_the_order(measure: Any) -> None:
    labels = [f"token {k}" for k in range(60)]  # sorted as words, token 7 is in another row
    arrays = (xr.DataArray(v, dims=("stimulus", "unit"), coords={"stimulus": labels}) for v in pair(0, 15))
    x, y = arrays
    with pytest.warns(ArcuateWarning, match="squared"):
        found = compare.compare({"a": x[::-1], "b": y}, measure=measure, n_null=19)
    note = str(found.data.warning.sel(a="a", b="b").item())
    assert note.count("stimulus 'token 7' alone holds") == 2
    assert "sample" not in note  # said once, not by row as well


@pytest.mark.filterwarnings("ignore::arcuate.errors.ArcuateWarning")
@pytest.mark.parametrize(
    ("comparator", "high"), [("cosine", True), ("cosine_cov", True), ("corr_cov", False)]
)
def test_the_cosine_of_positive_dissimilarities_is_noted(comparator: str, high: bool) -> None:
    x, y = pair(0, 1)
    measure = compare.rsa_measure(comparator=comparator)
    found = compare.compare({"a": x, "b": y}, a="a", b="b", measure=measure, n_null=19)
    assert ("all positive" in str(found.data.warning.values.ravel().tolist())) == high
    assert (found.data.value.item() > 0.1) == high
