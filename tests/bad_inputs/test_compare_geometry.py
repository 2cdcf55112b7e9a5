"""Bad states for every geometric measure: each is refused by name, or has a defined result."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from arcuate import compare
from arcuate.errors import ArcuateError, ArcuateWarning, SpecError

MEASURES: dict[str, Callable[..., float]] = {
    "cka": compare.cka,
    "cca": compare.cca,
    "svcca": compare.svcca,
    "pwcca": compare.pwcca,
    "procrustes": compare.procrustes,
    "shape_distance": compare.shape_distance,
    "soft_matching": compare.soft_matching,
    "one_to_one": compare.one_to_one,
    "mutual_knn": lambda x, y: compare.mutual_knn(x, y, k=2),
    "itda": lambda x, y: compare.itda(x, y, n_orders=2),
}
every = pytest.mark.parametrize("name", MEASURES)
GOOD = np.random.default_rng(0).normal(size=(12, 3))


def nan_row() -> np.ndarray:
    bad = GOOD.copy()
    bad[5, 1] = np.nan
    return bad


BAD: dict[str, tuple[object, str]] = {
    "three samples": (GOOD[:3], "samples"),
    "one sample": (GOOD[:1], "samples"),
    "no sample": (GOOD[:0], "none of them 0"),
    "no unit": (GOOD[:, :0], "none of them 0"),
    "other number": (GOOD[:9], "samples"),
    "NaN": (nan_row(), "1 of 12 rows: 5"),
    "infinite": (np.where(np.isnan(nan_row()), np.inf, GOOD), "1 of 12 rows: 5"),
    "complex": (GOOD * 1j, "real numbers"),
    "masked": (np.ma.masked_equal(GOOD, GOOD[0, 0]), "none masked"),
    "object": (GOOD.astype(object), "real numbers"),
    "text": ("GOOD", "real numbers"),
    "ragged": ([[1, 2], [3]] * 6, "regular array"),
    "cube": (GOOD[None], "n_samples, n_units"),
    "constant": (np.full((12, 3), 0.1), "none varies"),
    "None": (None, "real numbers"),
}


@pytest.mark.filterwarnings("ignore::arcuate.errors.ArcuateWarning")
@every
@pytest.mark.parametrize("what", BAD)
@pytest.mark.parametrize("second", [False, True], ids=["x", "y"])
def test_bad_states_are_refused_by_name(name: str, what: str, second: bool) -> None:
    bad, words = BAD[what]
    with pytest.raises(SpecError, match=words) as caught:
        MEASURES[name](*((GOOD, bad) if second else (bad, GOOD)))
    assert isinstance(caught.value, ArcuateError)
    assert len(str(caught.value).splitlines()) <= 4
    if what != "other number":
        assert (": y" if second else ": x") in str(caught.value)


@every
def test_samples_are_matched_by_label(name: str) -> None:
    other = GOOD + 0.3 * np.random.default_rng(1).normal(size=GOOD.shape)
    labels = [f"s{k}" for k in range(12)]
    x, y = (xr.DataArray(s, dims=("stimulus", "unit"), coords={"stimulus": labels}) for s in (GOOD, other))
    shuffled = y[np.random.default_rng(2).permutation(12)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert MEASURES[name](x, shuffled) == MEASURES[name](GOOD, other)
    with pytest.raises(SpecError, match="lacks s0"):
        MEASURES[name](x, y.assign_coords(stimulus=["else", *labels[1:]]))
    with pytest.raises(SpecError, match="doubled"):
        MEASURES[name](x, y.assign_coords(stimulus=["s1", *labels[1:]]))


@every
def test_units_without_variance_and_other_types_are_taken(name: str) -> None:
    other = np.round(GOOD * 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exact = MEASURES[name](GOOD, other)
        for dtype in (np.float16, np.int8, np.float32):
            assert MEASURES[name](GOOD, other.astype(dtype)) == exact
        if name not in ("mutual_knn", "itda"):  # for the cosine a constant is one more direction
            silent = np.c_[other, np.zeros(12)]
            assert MEASURES[name](GOOD, silent) == pytest.approx(exact, abs=1e-10)


@every
def test_values_far_from_zero_keep_their_differences(name: str) -> None:
    if name in ("mutual_knn", "itda"):
        return  # cosines hang on where zero is
    x = np.round(GOOD * 256) / 256
    y = np.round((GOOD + 0.5 * np.random.default_rng(3).normal(size=GOOD.shape)) * 256) / 256
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert MEASURES[name](x + 1e8, y - 1e8) == pytest.approx(MEASURES[name](x, y), abs=1e-10)


@every
def test_huge_and_tiny_values_are_compared_or_refused(name: str) -> None:
    other = GOOD + 0.3 * np.random.default_rng(1).normal(size=GOOD.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ArcuateWarning)
        exact = MEASURES[name](GOOD, other)
        for factor in (2.0**600, 2.0**-600):
            if name in ("procrustes", "shape_distance"):
                with pytest.raises(SpecError, match="to be squared"):
                    MEASURES[name](GOOD, other * factor)
            else:
                assert MEASURES[name](GOOD, other * factor) == pytest.approx(exact, abs=1e-9)


@pytest.mark.filterwarnings("ignore::arcuate.errors.ArcuateWarning")
def test_batches_too_large_to_be_squared_are_refused() -> None:
    with pytest.raises(SpecError, match="too large to be squared"):
        compare.cka_minibatch([(GOOD, GOOD * 1e200)])
    with pytest.raises(SpecError, match="samples"):
        compare.cka_minibatch([(GOOD, GOOD), (GOOD[:3], GOOD[:3])])


def test_repeats_are_matched_by_label_wherever_they_stand() -> None:
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(12, 1, 3))
    x, y = (signal + 0.3 * rng.normal(size=(12, 4, 3)) for _ in "xy")
    labels = [f"s{k}" for k in range(12)]
    coords = {"stimulus": labels, "repeat": range(4)}
    one, two = (xr.DataArray(s, dims=("stimulus", "repeat", "unit"), coords=coords) for s in (x, y))
    shuffled = two[rng.permutation(12)].transpose("repeat", "stimulus", "unit")
    assert compare.cka_cross(one, shuffled) == compare.cka_cross(x, y)
    with pytest.raises(SpecError, match="y: must have the stimulus of x, lacks s"):
        compare.cka_cross(one, shuffled.assign_coords(stimulus=["else", *shuffled.stimulus.values[1:]]))
