"""Encoding over time: at each step it is `encode`, with one regression for all steps it is `RidgeEncoder`."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr

from arcuate.compare import RidgeEncoder, encode, encode_over_time
from arcuate.errors import ArcuateWarning, SpecError

ALPHAS = (0.1, 10.0, 1000.0)


def systems(n: int = 60, steps: int = 3, p: int = 6, q: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """States and noisy repeats of responses, a linear code that differs from step to step."""
    draw = np.random.default_rng(3)
    x = draw.standard_normal((n, steps, p))
    signal = np.einsum("nsp,spq->nsq", x, draw.standard_normal((steps, p, q)))
    return x, signal[:, None] + 2 * draw.standard_normal((n, 5, steps, q))


X, Y = systems()
FOLD = np.arange(60) % 4


@pytest.mark.parametrize("options", [{}, {"n_components": 3}, {"n_components": 4, "reduce": "random"}])
def test_each_step_is_encode_at_this_step(options):
    found = encode_over_time(X, Y, folds=FOLD, alphas=ALPHAS, seed=5, **options)
    for step in range(3):
        one = encode(X[:, step], Y[:, :, step], folds=FOLD, alphas=ALPHAS, seed=5, **options)
        np.testing.assert_allclose(found.unit_r[step], one.units.r_folds, rtol=1e-9)
        np.testing.assert_allclose(found.unit_reliability[step], one.units.reliability)
        wanted = one.units.r_folds / np.sqrt(one.units.reliability)
        np.testing.assert_allclose(found.unit_r_corrected[step], wanted, rtol=1e-9)
        assert float(found.r_corrected[step]) == pytest.approx(float(np.median(wanted)))
        assert found.r_low[step] <= found.r[step] <= found.r_high[step]
    assert found.n_units.values.tolist() == [4, 4, 4]
    np.testing.assert_allclose(found.ceiling, np.sqrt(found.unit_reliability).median("unit"))


def test_one_regression_for_a_range_is_that_of_the_rows_of_the_other_trials():
    found = encode_over_time(X, Y, train=(0, 2), folds=FOLD, alphas=2.5)
    mean = Y.mean(axis=1)
    wanted = np.zeros((3, 4))
    for number in range(4):
        rest, test = number != FOLD, number == FOLD
        model = RidgeEncoder(alphas=2.5).fit(X[rest, :2].reshape(-1, 6), mean[rest, :2].reshape(-1, 4))
        for step in range(3):
            said = model.predict(X[test, step])
            wanted[step] += [np.corrcoef(said[:, k], mean[test, step, k])[0, 1] / 4 for k in range(4)]
    np.testing.assert_allclose(found.unit_r, wanted, rtol=1e-8)
    assert found.attrs["train"] == (0, 2)
    each = encode_over_time(X, Y, folds=FOLD, alphas=2.5)
    assert float(found.r[2]) < float(each.r[2]) - 0.3  # the code of step 2 is another one


def test_a_code_that_stays_is_read_by_the_regression_of_other_steps():
    x, y = np.tile(X[:, :1], (1, 3, 1)), np.tile(Y[:, :, :1], (1, 1, 3, 1))
    found = encode_over_time(x, y, train=(0, 1), folds=FOLD)
    np.testing.assert_allclose(found.unit_r[2], encode_over_time(x, y, folds=FOLD).unit_r[0], rtol=1e-9)


def test_states_that_say_nothing_score_nothing_and_still_units_have_no_score():
    x, y = X.copy(), Y.copy()
    x[:, 1] = 7.0
    y[..., 2, 3] = 0.0
    found = encode_over_time(x, y, folds=FOLD)
    assert found.unit_r[1].values.tolist() == [0.0] * 4
    assert not encode_over_time(x, y, train=(0, 1), folds=FOLD).unit_r[1].values.any()
    assert np.isnan(found.unit_r[2]).values.tolist() == [False, False, False, True]
    assert found.n_units.values.tolist() == [4, 4, 3]
    y[..., 2, :] = 0.0
    assert np.isnan(encode_over_time(x, y, folds=FOLD).r[2])
    shuffled = encode_over_time(X, Y[np.random.default_rng(1).permutation(60)], folds=FOLD)
    assert abs(float(shuffled.unit_r.mean())) < 0.15


def test_units_that_do_not_repeat_are_dropped_with_a_warning():
    y = Y.copy()
    y[..., 1, 2] = np.random.default_rng(7).standard_normal((60, 5))
    with pytest.warns(ArcuateWarning, match="1 of 4 units repeat less well than 0.1"):
        found = encode_over_time(X, y, folds=FOLD)
    assert np.isnan(found.unit_r_corrected).values.sum() == 1
    assert np.isfinite(found.r_corrected).all()


def test_trials_are_matched_by_label_and_dimensions_by_name():
    names = [f"t{k}" for k in range(60)]
    x = xr.DataArray(X, dims=("trial", "step", "unit"), coords={"trial": names})
    y = xr.DataArray(Y, dims=("trial", "repeat", "step", "unit"), coords={"trial": names})
    wanted = encode_over_time(X, Y, folds=FOLD)
    for other in (y[::-1], y.transpose("unit", "step", "trial", "repeat")):
        xr.testing.assert_allclose(encode_over_time(x, other, folds=FOLD), wanted)
    plain = encode_over_time(x.transpose("step", "unit", "trial"), y.mean("repeat"), folds=FOLD)
    np.testing.assert_allclose(plain.unit_r, wanted.unit_r)
    assert "r_corrected" not in plain
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(SpecError, match="tears"):
            encode_over_time(X, Y, folds=FOLD, groups=np.arange(60) // 2)
    twins = X.copy(), Y.copy()
    for array in twins:
        array[1] = array[0]
    with pytest.warns(ArcuateWarning, match="0 = 1"):
        encode_over_time(*twins, folds=FOLD)


@pytest.mark.parametrize(
    ("x", "y", "options", "words"),
    [
        (X[:, 0], Y[:, :, 0], {}, "x"), (X[:50], Y, {}, "60"), (X, Y[:, :, :2], {}, "3 steps of x"),
        (X, Y, {"train": 3}, "train"), (X, Y, {"train": (0, 4)}, r"train\[1\]"),
        (X, Y, {"train": (2, 2)}, r"train\[1\]"), (X, Y, {"folds": 2}, "folds"),
        (X, Y, {"folds": 30}, "one of 2"),
        (X, Y, {"n_splits": 3}, "n_splits"), (X * np.nan, Y, {}, "finite"), (0 * X, Y, {}, "none varies"),
        (X, 0 * Y, {}, "none varies"), (X, Y[:, :0], {}, "y"), (X, "y", {}, "y"),
    ],
)  # fmt: skip
def test_what_cannot_be_encoded_is_refused_by_name(x, y, options, words):
    with pytest.raises(SpecError, match=words):
        encode_over_time(x, y, **options)
