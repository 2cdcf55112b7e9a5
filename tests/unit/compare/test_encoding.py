"""Ridge encoding against closed forms, scikit-learn and known truths; folds that keep stimuli whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from arcuate.compare import (
    RidgeEncoder,
    encode,
    encode_both,
    lagged,
    reliability,
    ridge,
    ridge_measure,
)
from arcuate.compare._ridge import as_folds
from arcuate.compare.inference import spearman_brown
from arcuate.errors import ArcuateWarning

ALPHAS = (0.1, 10.0, 1000.0)


def systems(seed: int = 0, *, n: int = 60, p: int = 7, q: int = 5) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    x = draw.standard_normal((n, p)) * np.arange(1, p + 1)
    y = x @ draw.standard_normal((p, q)) / p + draw.standard_normal((n, q))
    return x, y


def direct(x: np.ndarray, y: np.ndarray, test: np.ndarray, *, alpha: float) -> np.ndarray:
    """Ridge regression as in a textbook: trained on the others, units standardized there."""
    train = np.setdiff1d(np.arange(len(x)), test)
    mean, scale = x[train].mean(axis=0), x[train].std(axis=0)
    z, base = (x[train] - mean) / scale, y[train].mean(axis=0)
    weights = np.linalg.solve(z.T @ z + alpha * np.eye(x.shape[1]), z.T @ (y[train] - base))
    return base + (x[test] - mean) / scale @ weights


@pytest.mark.parametrize("p", [7, 90])
def test_predictions_are_those_of_the_equations_in_both_forms(p: int) -> None:
    x, y = systems(p=p)
    fold = np.arange(60) % 4
    found = encode(x, y, folds=fold, alphas=2.5)
    for number in range(4):
        test = np.flatnonzero(fold == number)
        wanted = direct(x, y, test, alpha=2.5)
        np.testing.assert_allclose(found.prediction.values[test], wanted, rtol=1e-9, atol=1e-9)
    r = [np.corrcoef(found.prediction.values[:, unit], y[:, unit])[0, 1] for unit in range(5)]
    np.testing.assert_allclose(found.units["r"], r, rtol=1e-12)
    assert found.median.estimate == pytest.approx(np.median(r))
    assert ridge(x, y, folds=fold, alphas=2.5) == pytest.approx(np.median(r))
    base = np.stack([y[fold != fold[row]].mean(axis=0) for row in range(60)])
    r2 = 1 - ((y - found.prediction.values) ** 2).sum(axis=0) / ((y - base) ** 2).sum(axis=0)
    np.testing.assert_allclose(found.units["r2"], r2, rtol=1e-10)
    parts = [
        [np.corrcoef(found.prediction.values[fold == k, unit], y[fold == k, unit])[0, 1] for k in range(4)]
        for unit in range(5)
    ]
    np.testing.assert_allclose(found.units["r_folds"], np.mean(parts, axis=1), rtol=1e-10)


@pytest.mark.parametrize("p", [7, 90])
def test_the_penalty_of_a_unit_is_the_one_that_the_other_folds_choose(p: int) -> None:
    x, y = systems(3, p=p)
    y[:, 0] = np.random.default_rng(9).standard_normal(60)
    fold = np.arange(60) % 4
    found = encode(x, y, folds=fold, alphas=ALPHAS)
    for number in range(4):
        rest = np.flatnonzero(fold != number)
        errors = np.zeros((3, 5))
        for inner in set(range(4)) - {number}:
            test = np.flatnonzero(fold[rest] == inner)
            for row, alpha in enumerate(ALPHAS):
                wanted = direct(x[rest], y[rest], test, alpha=alpha)
                errors[row] += ((wanted - y[rest][test]) ** 2).sum(axis=0)
        np.testing.assert_array_equal(
            found.units["alpha"].values[number], np.array(ALPHAS)[errors.argmin(axis=0)]
        )
    assert len(np.unique(found.units["alpha"])) > 1


def test_the_estimator_is_a_grid_search_of_scikit_learn() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    pipeline = pytest.importorskip("sklearn.pipeline")
    scaler = pytest.importorskip("sklearn.preprocessing").StandardScaler
    selection = pytest.importorskip("sklearn.model_selection")
    x, y = systems(5)
    fold = np.arange(60) % 5
    ours = RidgeEncoder(alphas=ALPHAS, folds=fold).fit(x, y)
    for unit in (0, 4):
        search = selection.GridSearchCV(
            pipeline.make_pipeline(scaler(), linear.Ridge()),
            {"ridge__alpha": ALPHAS},
            scoring="neg_mean_squared_error",
            cv=selection.PredefinedSplit(fold),
        ).fit(x, y[:, unit])
        assert search.best_params_["ridge__alpha"] == ours.alpha_[unit]
        np.testing.assert_allclose(ours.predict(x)[:, unit], search.predict(x), rtol=1e-9, atol=1e-9)
    base = pytest.importorskip("sklearn.base")
    assert base.clone(RidgeEncoder(folds=3)).get_params() == RidgeEncoder(folds=3).get_params()


def test_fewer_components_are_principal_components_of_the_training_samples() -> None:
    x, y = systems(1, p=12)
    fold = np.arange(60) % 3
    found = encode(x, y, folds=fold, alphas=3.0, n_components=4)
    for number in range(3):
        train, test = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        mean, scale = x[train].mean(axis=0), x[train].std(axis=0)
        z = (x[train] - mean) / scale
        axes = np.linalg.svd(z, full_matrices=False)[2][:4].T
        inside, outside = z @ axes, (x[test] - mean) / scale @ axes
        base = y[train].mean(axis=0)
        weights = np.linalg.solve(inside.T @ inside + 3 * np.eye(4), inside.T @ (y[train] - base))
        np.testing.assert_allclose(found.prediction.values[test], base + outside @ weights, rtol=1e-8)


def test_at_equal_width_a_wide_system_does_not_win_for_free() -> None:
    draw = np.random.default_rng(0)
    y = draw.standard_normal((200, 10))
    wide = y @ draw.standard_normal((10, 300)) / 3 + draw.standard_normal((200, 300))
    narrow = wide[:, :10]
    assert ridge(wide, y) - ridge(narrow, y) > 0.3
    at_ten = [ridge(part, y, n_components=10, reduce="random") for part in (wide, narrow)]
    assert abs(at_ten[0] - at_ten[1]) < 0.1
    # principal components of 300 units are less noisy than 10 of them: width is the same, the system better
    assert ridge(wide, y, n_components=10) > at_ten[0]


@pytest.mark.parametrize(
    "options", [{}, {"n_components": 3}, {"groups": np.arange(40) // 2}, {"alphas": 1.0}]
)
def test_permutations_without_refitting_score_as_a_fit_of_the_permuted(options: dict[str, Any]) -> None:
    x, y = systems(2, n=40)
    measure = ridge_measure(folds=4, **options)
    a, b = measure.prepare(x), measure.prepare(y)
    orders = np.stack([np.random.default_rng(k).permutation(40) for k in range(7)])
    wanted = [ridge(x, y[order], folds=4, **options) for order in orders]
    np.testing.assert_allclose(measure.null(a, b, orders), wanted, rtol=1e-9)
    assert measure.score(a, b) == pytest.approx(ridge(x, y, folds=4, **options))
    assert measure.null(a, b, orders[:0]).size == 0


@pytest.mark.slow
def test_p_values_are_uniform_where_nothing_is_shared() -> None:
    from scipy.stats import kstest

    found = []
    for seed in range(200):
        draw = np.random.default_rng(seed)
        measure = ridge_measure(folds=5)
        a, b = (measure.prepare(draw.standard_normal((50, p))) for p in (6, 4))
        orders = np.stack([draw.permutation(50) for _ in range(99)])
        found.append((1 + (measure.null(a, b, orders) >= measure.score(a, b)).sum()) / 100)
    assert kstest(found, "uniform").pvalue > 0.01
    assert 0 < np.mean(np.array(found) <= 0.05) < 0.11


def test_the_corrected_score_is_that_of_responses_without_noise() -> None:
    # the setting of which a plain score gets 0.62: 4 repeats, a part of the signal that is not linear
    for seed in (10, 11):
        draw = np.random.default_rng(seed)
        x = draw.standard_normal((1000, 20))
        signal = x @ draw.standard_normal((20, 40)) / np.sqrt(20) + 0.7 * draw.standard_normal((1000, 40))
        signal /= signal.std(axis=0)
        y = signal[:, None] + 1.7 * draw.standard_normal((1000, 4, 40))
        found = encode(x, y)
        truth = np.median(
            [np.corrcoef(found.prediction[:, unit], signal[:, unit])[0, 1] for unit in range(40)]
        )
        assert found.median.estimate == pytest.approx(0.62, abs=0.03)
        assert np.median(found.units["reliability"]) == pytest.approx(0.582, abs=0.03)
        assert found.median_corrected is not None
        assert found.median_corrected.estimate == pytest.approx(truth, abs=0.03)
        assert truth == pytest.approx(0.818, abs=0.03)
        assert found.n_dropped == 0


def test_a_noisy_predictor_is_corrected_too() -> None:
    draw = np.random.default_rng(0)
    signal = draw.standard_normal((2000, 10))
    y = signal @ draw.standard_normal((10, 20)) / np.sqrt(10)
    # 4 repeats with noise of the variance of the signal: reliability of the mean 4/5
    x = signal[:, None] + draw.standard_normal((2000, 4, 10))
    found = encode(x, y)
    assert found.median.estimate == pytest.approx(np.sqrt(0.8), abs=0.02)
    np.testing.assert_allclose(found.units["reliability_x"], 0.8, atol=0.05)
    np.testing.assert_array_equal(found.units["reliability"], 1.0)
    assert found.median_corrected is not None
    assert found.median_corrected.estimate == pytest.approx(1.0, abs=0.02)
    wide = encode(x, y, n_components=10, reduce="random")
    np.testing.assert_allclose(wide.units["reliability_x"], 0.8, atol=0.05)


@pytest.mark.parametrize("n_repeats", [2, 5, 8])
def test_reliability_is_signal_over_signal_and_noise_of_the_mean(n_repeats: int) -> None:
    draw = np.random.default_rng(1)
    y = draw.standard_normal((20_000, 1, 2)) + [1.0, 2.0] * draw.standard_normal((20_000, n_repeats, 2))
    wanted = n_repeats / (n_repeats + np.array([1.0, 4.0]))
    np.testing.assert_allclose(reliability(y), wanted, atol=0.03)


def test_units_that_do_not_repeat_are_dropped_with_a_count_and_nothing_is_clipped() -> None:
    draw = np.random.default_rng(4)
    x = draw.standard_normal((80, 3))
    y = (x @ draw.choice([-1.0, 1.0], (3, 12)))[:, None] + 2.5 * draw.standard_normal((80, 4, 12))
    y[:, :, 5:7] = draw.standard_normal((80, 4, 2)) - np.array([1, -1, 1, -1])[None, :, None] * x[:, :1, None]
    with pytest.warns(ArcuateWarning, match="2 of 12 units repeat less well than 0.1.*: 5, 6"):
        found = encode(x, y)
    assert found.n_dropped == 2
    assert np.isnan(found.units["r_corrected"]).values.nonzero()[0].tolist() == [5, 6]
    assert float(found.units["r_corrected"].max()) > 1.0
    assert found.median_corrected is not None and found.median_corrected.n == 10


def test_a_stimulus_that_stands_twice_stays_in_one_fold() -> None:
    draw = np.random.default_rng(0)
    x = np.repeat(draw.standard_normal((40, 30)), 2, axis=0)
    y = np.repeat(draw.standard_normal((40, 6)), 2, axis=0) + 0.1 * draw.standard_normal((80, 6))
    names = np.repeat([f"tone{k}" for k in range(40)], 2)
    leaky = ridge(x, y)
    labeled = xr.DataArray(x, dims=("stimulus", "unit"), coords={"stimulus": names})
    found = encode(labeled, y)
    for name in names:
        assert len(set(found.fold[names == name])) == 1
    # nothing is shared but the stimuli themselves
    assert leaky > 0.4
    assert found.median.estimate < 0.2
    assert ridge(x, y, groups=names) == pytest.approx(found.median.estimate)
    with pytest.warns(ArcuateWarning, match=r"samples are the same in x and y.*groups="):
        ridge(x, np.repeat(y[::2], 2, axis=0))


def test_groups_are_dealt_evenly() -> None:
    groups = np.repeat(np.arange(23), np.arange(1, 24))
    fold = as_folds(4, groups.size, groups=groups, seed=0, where="f")
    assert all(len(set(fold[groups == name])) == 1 for name in range(23))
    sizes = np.bincount(fold)
    assert sizes.size == 4 and sizes.max() - sizes.min() <= 3
    np.testing.assert_array_equal(
        np.bincount(as_folds(5, 52, groups=None, seed=1, where="f")), [11, 11, 10, 10, 10]
    )


def test_labels_are_matched_whatever_their_order() -> None:
    x, y = systems()
    names = [f"s{k}" for k in range(60)]
    first = xr.DataArray(x, dims=("stimulus", "unit"), coords={"stimulus": names})
    second = xr.DataArray(y, dims=("stimulus", "unit"), coords={"stimulus": names, "unit": list("abcde")})
    order = np.random.default_rng(1).permutation(60)
    straight, turned = encode(first, second), encode(first, second[order])
    xr.testing.assert_allclose(straight.units, turned.units)
    assert straight.units["unit"].values.tolist() == list("abcde")
    assert straight.prediction["sample"].values.tolist() == names
    assert ridge(first, second[order]) == pytest.approx(ridge(x, y))


def test_both_directions_say_different_things() -> None:
    x, y = systems(n=200)
    both = encode_both(x, y[:, :1], alphas=1.0)
    assert both["x->y"].median.n == 1 and both["y->x"].median.n == 7
    assert both["x->y"].median.estimate > both["y->x"].median.estimate
    assert "no noise ceiling" in repr(both["x->y"])


def test_values_far_from_zero_and_of_other_types_score_the_same() -> None:
    x, y = systems()
    wanted = ridge(x, y)
    assert ridge(x + 1e8, y * 1e-3 - 1e8 * 1e-3) == pytest.approx(wanted, abs=1e-5)
    assert ridge(x * 1e-9, y * 1e9) == pytest.approx(wanted)
    half = x.astype(np.float16)
    assert ridge(half, y) == pytest.approx(ridge(half.astype(float), y))
    counts = np.random.default_rng(0).poisson(30, (60, 4))
    assert ridge(counts, counts) > 0.99


def test_constant_units_have_no_score_and_are_counted() -> None:
    x, y = systems()
    y[:, 2] = 1.0
    x[:, 0] = 5.0
    with pytest.warns(ArcuateWarning, match="y: 1 of 5 units are constant"):
        found = encode(x, y)
    assert found.n_constant == 1 and found.median.n == 4 and np.isnan(found.units["r"][2])
    np.testing.assert_allclose(
        found.units["r"][[0, 1, 3, 4]], encode(x[:, 1:], y[:, [0, 1, 3, 4]]).units["r"]
    )


def test_the_estimator_predicts_one_or_many_targets() -> None:
    x, y = systems()
    one = RidgeEncoder().fit(x, y[:, 0])
    assert one.predict(x).shape == (60,)
    np.testing.assert_allclose(one.predict(x[:2]), RidgeEncoder().fit(x, y).predict(x)[:2, 0])
    assert repr(RidgeEncoder(folds=3)) == "RidgeEncoder(folds=3)"


def test_a_receptor_is_predicted_from_the_sound_of_its_other_recording() -> None:
    from scipy.ndimage import gaussian_filter1d

    from arcuate import datasets

    data = datasets.grasshopper()
    spikes, sound = data.spikes("receptor"), data.states("stimulus")["amplitude"].values[..., 0]
    edges, fold = np.arange(10_001) * 1e-3, np.arange(10_000) // 2000
    rates = [
        gaussian_filter1d(np.histogram(spikes["time"][spikes["trial"] == k], edges)[0].astype(float), 3.0)
        for k in (0, 1)
    ]
    states = [lagged(wave.reshape(10_000, 20).mean(axis=1), 40) for wave in sound]
    for train, test, low, high in ((0, 1, 0.375, 0.395), (1, 0, 0.48, 0.50)):
        model = RidgeEncoder(folds=fold).fit(states[train], rates[train])
        assert low < np.corrcoef(model.predict(states[test]), rates[test])[0, 1] < high


def test_lags_are_the_past_of_every_unit() -> None:
    x = np.arange(10.0).reshape(5, 2)
    np.testing.assert_array_equal(lagged(x, 2)[0], [0, 0, 1, 1])
    np.testing.assert_array_equal(lagged(x, 2)[3], [4, 6, 5, 7])


@pytest.mark.parametrize(
    "cases", [100, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
def test_scores_are_correlations_that_no_shift_scale_or_order_of_units_changes(cases: int) -> None:
    for seed in range(cases):
        draw = np.random.default_rng(seed)
        n, p, q = draw.integers(9, 30), draw.integers(1, 12), draw.integers(1, 5)
        x, y = draw.standard_normal((n, p)), draw.standard_normal((n, q))
        y += draw.uniform(0, 3) * x[:, :1]
        options: dict[str, Any] = {"folds": 3, "alphas": (0.1, 10.0), "seed": seed}
        wanted = ridge(x, y, **options)
        assert -1 <= wanted <= 1
        scale = 10 ** draw.uniform(-6, 6, p)
        changed = ((x + draw.standard_normal(p)) * scale)[:, draw.permutation(p)]
        other = ((y + draw.standard_normal(q)) * 10 ** draw.uniform(-6, 6, q))[:, draw.permutation(q)]
        assert ridge(changed, other, **options) == pytest.approx(wanted, abs=1e-6), seed


def test_reliability_is_spearman_and_brown_of_halves_and_0_of_what_is_opposed() -> None:
    signal = np.random.default_rng(0).standard_normal((50, 1))
    opposed = np.stack([signal, -signal, signal, -signal], axis=1)
    assert reliability(opposed, n_splits=50)[0] == 0
    rng = np.random.default_rng(1)
    noisy = rng.standard_normal((500, 2, 1)) + rng.standard_normal((500, 1, 1))
    r = np.corrcoef(noisy[:, 0, 0], noisy[:, 1, 0])[0, 1]
    np.testing.assert_allclose(reliability(noisy), spearman_brown([r]), rtol=1e-12)
