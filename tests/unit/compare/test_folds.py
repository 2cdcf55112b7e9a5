"""Folds of encoding measures within `compare` and `compare_pairs`: by stimuli, by any name, in halves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from arcuate.compare import compare, compare_pairs, ridge_measure
from arcuate.errors import SpecError

STEPS = {"samples": ("stimulus", "time"), "dims": ("stimulus", "time", "unit")}


def slow(*names: str) -> dict[str, np.ndarray]:
    """Systems of unrelated stimuli of 30 steps that hardly differ within a stimulus."""
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=(20, 1, 4)) + 0.1 * rng.normal(size=(20, 30, 4)) for name in names}


def of_pair(result: Any, variable: str = "value") -> float:
    return float(result.data[variable].values[0, 0, 0])


@pytest.mark.parametrize(
    "measure", ["ridge", replace(ridge_measure(), name="encoding")], ids=["name", "renamed"]
)
def test_stimuli_do_not_leak_into_other_folds(measure: Any) -> None:
    states = slow("a", "b", "c")
    result = compare(states, a="a", b="b", measure=measure, null=None, **STEPS)
    found = compare_pairs(states, ("a", "b"), ("a", "c"), measure=measure, n_boot=19, **STEPS)
    assert (
        found.first == pytest.approx(of_pair(result)) and found.first < 0.2
    )  # 0.6 where steps straddle folds
    assert found.p > 0.1


def test_two_of_one_kind_stay_apart() -> None:
    measures = [ridge_measure(), replace(ridge_measure(n_components=1), name="narrow")]
    result = compare(slow("a", "b"), measure=measures, n_null=19, **STEPS)
    assert result.measures == ("ridge", "narrow")
    p = result.data["p_corrected"]
    assert np.isfinite(p.sel(a="a", b="b")).all()
    assert result.spec["measures"]["narrow"]["options"]["n_components"] == 1


def test_given_folds_must_keep_stimuli_whole() -> None:
    states = slow("a", "b")
    torn = ridge_measure(folds=np.arange(600) % 5)
    with pytest.raises(SpecError, match="one fold"):
        compare(states, measure=torn, null=None, **STEPS)
    whole = ridge_measure(folds=np.repeat(np.arange(20) % 5, 30))
    assert of_pair(compare(states, a="a", b="b", measure=whole, null=None, **STEPS)) < 0.2
    with pytest.raises(SpecError, match="steps of each"):
        compare(states, measure=ridge_measure(groups=np.arange(600) // 7), null=None, **STEPS)


def test_halves_take_their_part_of_given_folds() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(40, 4))
    states = {"x": x, "y": x + rng.normal(size=(40, 4)), "z": rng.normal(size=(40, 4))}
    by_array = ridge_measure(folds=np.arange(40) % 4)
    column = {"group": ("stimulus", np.arange(40) % 4)}
    labeled = {name: xr.DataArray(x, dims=("stimulus", "unit"), coords=column) for name, x in states.items()}
    options = {"a": "x", "b": "y", "n_boot": 20, "null": None}
    one = compare(states, measure=by_array, **options)
    other = compare(labeled, measure="ridge", folds="group", **options)
    for name in ("value", "low", "high"):
        assert of_pair(one, name) == pytest.approx(of_pair(other, name)) and np.isfinite(of_pair(one, name))
    pairs = (("x", "y"), ("x", "z"))
    first = compare_pairs(states, *pairs, measure=by_array, n_boot=20)
    second = compare_pairs(labeled, *pairs, measure="ridge", folds="group", n_boot=20)
    assert first == second and first.low > 0
    with pytest.raises(SpecError, match="cross-validated"):
        compare_pairs(states, *pairs, folds=3, n_boot=20)
    with pytest.raises(SpecError, match="already"):
        compare_pairs(states, *pairs, measure=by_array, folds=3, n_boot=20)


def test_leaves_that_disagree_on_folds_are_refused() -> None:
    x = np.random.default_rng(2).normal(size=(30, 3))
    states = {
        name: xr.DataArray(x, dims=("stimulus", "unit"), coords={"group": ("stimulus", np.arange(30) % k)})
        for name, k in (("a", 5), ("b", 3))
    }
    with pytest.raises(
        SpecError, match=r"differs between leaves for 24 stimuli: 3 is in '3' by 'a', in '0' by"
    ):
        compare(states, measure="ridge", folds="group", null=None)
