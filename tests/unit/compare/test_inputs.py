"""Checked arrays of a comparison: shapes, types, labels, centring far from zero."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr

from arcuate import compare
from arcuate.compare import _inputs
from arcuate.errors import ArcuateWarning, SpecError


def labeled(values: np.ndarray, labels: str) -> xr.DataArray:
    return xr.DataArray(values, dims=("stimulus", "unit"), coords={"stimulus": list(labels)})


def test_rows_are_matched_by_label() -> None:
    x = labeled(np.arange(10.0).reshape(5, 2), "abcde")
    order = [3, 0, 4, 1, 2]
    first, second = _inputs.as_pair(x, x[order], where="cka")
    np.testing.assert_array_equal(first, second)
    first, second = _inputs.as_pair(x, x[order].values, where="cka")
    np.testing.assert_array_equal(second, x.values[order])


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8", "uint64", "bool"])
def test_every_real_type_becomes_float64(dtype: str) -> None:
    values = np.array([[1, 0], [0, 1], [1, 1], [0, 0]]).astype(dtype)
    got = _inputs.as_samples(values, where="cka", name="x")
    assert got.dtype == np.float64
    np.testing.assert_array_equal(got, values)


def test_repeats_may_be_anywhere_in_a_labeled_array() -> None:
    values = np.random.default_rng(0).normal(size=(3, 5, 2))
    array = xr.DataArray(values, dims=("repeat", "stimulus", "unit"))
    got = _inputs.as_repeats(array, where="cka_cross", name="x")
    np.testing.assert_array_equal(got, values.transpose(1, 0, 2))


def test_centering_keeps_small_differences_of_large_values() -> None:
    small = np.random.default_rng(0).integers(-8, 8, size=(50, 4)).astype(float)
    np.testing.assert_allclose(_inputs.centered(small + 1e8), _inputs.centered(small), atol=1e-13)
    assert not _inputs.centered(np.full((7, 2), 0.1)).any()


def test_warning_points_at_the_caller() -> None:
    states = np.random.default_rng(0).normal(size=(6, 3))
    states[:, 1] = 0.1
    with pytest.warns(ArcuateWarning, match="x: 1 of 3 units are constant and left out: 1") as caught:
        kept = _inputs.varying(states, where="rsa", name="x", drop=True)
    np.testing.assert_array_equal(kept, states[:, [0, 2]])
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _inputs.varying(states, where="rsa", name="x") is states


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.zeros((3, 2)), ">= 4 samples"),
        (np.zeros((0, 2)), "none of them 0"),
        (np.zeros((5, 0)), "none of them 0"),
        (np.zeros((2, 5, 2)), "n_samples, n_units"),
        (np.zeros((5, 2), dtype=complex), "real numbers"),
        (np.zeros((5, 2), dtype=object), "real numbers"),
        ([[1, 2], [3]], "regular array"),
        ("states", "real numbers"),
        ([[1.0], [2.0], [float("inf")], [4.0], [float("nan")]], "2 of 5 rows: 2, 4"),
    ],
    ids=["three", "none", "no-unit", "cube", "complex", "object", "ragged", "text", "not-finite"],
)
def test_bad_samples_are_refused(value: object, words: str) -> None:
    with pytest.raises(SpecError, match=words) as caught:
        _inputs.as_samples(value, where="cka", name="x")  # type: ignore[arg-type]
    assert str(caught.value).startswith("cka: x") and len(str(caught.value).splitlines()) <= 4


def test_bad_labels_are_refused_by_name() -> None:
    values = np.random.default_rng(0).normal(size=(5, 2))
    x = labeled(values, "abcde")
    with pytest.raises(SpecError, match="y: must have each stimulus once, and these are doubled: b"):
        _inputs.as_pair(x, labeled(values, "abbde"), where="cka")
    with pytest.raises(SpecError, match="lacks d, e"):
        _inputs.as_pair(x, labeled(values, "abcxy"), where="cka")
    with pytest.raises(SpecError, match="y: must have the stimulus of x, lacks e"):
        _inputs.as_pair(x, x[:4], where="cka")
    x[2, 1] = np.nan
    with pytest.raises(SpecError, match=r"1 of 5 rows: 2 \(c\)"):
        _inputs.as_pair(x, x, where="cka")


def test_bad_repeats_trials_and_constant_states_are_refused() -> None:
    with pytest.raises(SpecError, match="repeats"):
        _inputs.as_repeats(np.zeros((5, 1, 2)), where="cka_cross", name="x")
    with pytest.raises(SpecError, match="one length, has 5, 6 steps"):
        _inputs.as_trials([np.zeros((5, 2)), np.zeros((6, 2))], where="dsa", name="x")
    with pytest.raises(SpecError, match="none varies"):
        _inputs.varying(np.full((5, 2), 0.1), where="cka", name="x")


def test_the_stimulus_that_one_side_lacks_is_named_whichever_side_it_is() -> None:
    values = np.random.default_rng(0).normal(size=(5, 2))
    with pytest.raises(SpecError, match="cka: x: must have the stimulus of y, lacks e"):
        _inputs.as_pair(labeled(values[:4], "abcd"), labeled(values, "abcde"), where="cka")


@pytest.mark.parametrize("samples", ["stimulus", "trial"])
def test_samples_are_found_by_name_wherever_they_stand(samples: str) -> None:
    x, y = (np.random.default_rng(k).normal(size=(12, 5)) for k in (0, 1))
    labels = [f"s{k}" for k in range(12)]
    one, two = (xr.DataArray(v, dims=(samples, "unit"), coords={samples: labels}) for v in (x, y))
    order = np.random.default_rng(2).permutation(12)
    for measure in (compare.cka, compare.rsa, compare.ridge):
        assert measure(one.T, two[order].T) == measure(x, y)
    np.testing.assert_array_equal(compare.encode(one.T, two.T).units.r, compare.encode(x, y).units.r)
    assert compare.encode(one.T, two.T).prediction.sample.values.tolist() == labels


def test_dissimilarities_are_those_of_stimuli_wherever_they_stand() -> None:
    states = np.random.default_rng(0).normal(size=(7, 3, 5))
    array = xr.DataArray(states, dims=("stimulus", "repeat", "unit"))
    exact = compare.rdm(states, kind="crossnobis")
    for dims in (("unit", "stimulus", "repeat"), ("repeat", "unit", "stimulus")):
        np.testing.assert_array_equal(compare.rdm(array.transpose(*dims), kind="crossnobis"), exact)


def test_trials_are_found_by_name_wherever_they_stand() -> None:
    states = np.random.default_rng(0).normal(size=(7, 30, 2))
    array = xr.DataArray(states, dims=("trial", "time", "unit")).transpose("unit", "time", "trial")
    np.testing.assert_array_equal(_inputs.as_trials(array, where="dsa", name="x"), states)


@pytest.mark.parametrize("dims", [("unit", "time"), ("neuron", "foo"), ("unit",)], ids="-".join)
def test_units_are_not_taken_for_samples(dims: tuple[str, ...]) -> None:
    array = xr.DataArray(np.random.default_rng(0).normal(size=(6, 6)[: len(dims)]), dims=dims)
    with pytest.raises(SpecError, match=r"x: has dimensions .*units come first"):
        compare.cka(array, np.ones(6))
