"""Dimensions and subspaces that are planted in each condition, and nulls where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest

from arcuate.analysis import condition_angles, condition_dimensionality, peak_map
from arcuate.analysis.interval import jackknife
from arcuate.errors import SpecError


def planted(
    angle: float, *, trials: int = 30, noise: float = 0.05, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Two conditions that move along lines at an angle, in degrees, in 8 dimensions."""
    rng = np.random.default_rng(seed)
    frame = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    theta = np.radians(angle)
    lines = np.stack([frame[0], np.cos(theta) * frame[0] + np.sin(theta) * frame[1]])
    condition = np.arange(2 * trials) % 2
    score = rng.normal(size=(2 * trials, 20, 1))
    return score * lines[condition][:, None] + noise * rng.normal(size=(2 * trials, 20, 8)), condition


@pytest.mark.parametrize("angle", [0.0, 30.0, 90.0])
def test_planted_angle_is_found_and_only_a_different_one_differs(angle):
    states, condition = planted(angle)
    found = condition_angles(states, condition, n_components=1, n_null=99)
    assert float(found.angle[0]) == pytest.approx(angle, abs=1.5)
    assert float(found.high[0] - found.low[0]) < 4
    if angle:
        assert float(found.p[0]) == 0.01
        assert float(found.low[0]) < angle < float(found.high[0]) + 0.5
    else:
        assert float(found.p[0]) > 0.05
    assert found.angle.units == "degree"


def test_labels_exchanged_between_trials_differ_as_often_as_they_should():
    p = []
    for seed in range(60):
        states = np.random.default_rng(seed).normal(size=(12, 8, 5))
        p.append(float(condition_angles(states, np.arange(12) % 2, n_null=39, seed=seed).p[-1]))
    assert np.mean(np.array(p) <= 0.25) == pytest.approx(0.25, abs=0.15)


def test_nulls_of_random_subspaces_have_their_shape():
    states, condition = planted(30.0)
    found = condition_angles(states, condition, n_components=1, n_null=200)
    assert float(found.matched.median()) < float(found.isotropic.median())


def test_dimensions_of_each_condition():
    rng = np.random.default_rng(1)
    one, other = np.zeros((20, 200, 10)), np.zeros((20, 200, 10))
    one[..., :3], other[..., :] = rng.normal(size=(20, 200, 3)), rng.normal(size=(20, 200, 10))
    found = condition_dimensionality(np.concatenate([one, other]), ["a"] * 20 + ["b"] * 20)
    assert found.condition.values.tolist() == ["a", "b"]
    assert found.ratio.values == pytest.approx([3, 10], rel=0.02)
    assert np.all((found.low.values <= found.ratio.values) & (found.ratio.values <= found.high.values))


def test_what_trials_share_is_taken_away():
    rng = np.random.default_rng(2)
    shared = rng.normal(size=(1, 300, 1)) * np.ones((1, 1, 6))
    states = shared + 0.1 * rng.normal(size=(15, 300, 6))
    found = condition_dimensionality(states)
    assert float(found.ratio[0]) == pytest.approx(1.0, abs=0.02)
    assert float(found.locked[0]) == pytest.approx(6.0, rel=0.02)
    same = condition_dimensionality(np.repeat(shared, 4, axis=0))
    assert np.isnan(same.locked.values).all()


def test_jackknife_of_a_mean_is_the_classical_interval():
    from scipy import stats

    x = np.random.default_rng(3).normal(size=10)
    value, half = jackknife(lambda kept: x[kept].mean(), 10, level=0.9)
    assert value == x.mean()
    assert half == pytest.approx(stats.t.ppf(0.95, 9) * x.std(ddof=1) / np.sqrt(10))


def test_ridge_of_a_sequence_is_found_and_its_order():
    rng = np.random.default_rng(4)
    times, order = np.arange(60) * 0.01, rng.permutation(20)
    peaks = np.linspace(0.05, 0.55, 20)[order]
    rate = np.where(np.abs(times[:, None] - peaks) <= 0.0501, 6.0, 2.0)
    trials = rng.poisson(rate, size=(400, 60, 20))
    found = peak_map(trials, times=times, width="100 ms", n_surrogates=99)
    assert float(found.p) == 0.01
    assert 2.0 < float(found.low) < float(found.ridge_to_background) < float(found.high) < 3.1
    assert found.activity.sizes == {"unit": 20, "time": 60}
    np.testing.assert_allclose(found.peak, np.sort(peaks), atol=0.052)
    assert np.corrcoef(peaks[found.unit.values], np.arange(20))[0, 1] > 0.97


def test_noise_has_no_ridge_though_sorting_by_its_own_peaks_shows_one():
    p, ratio = [], []
    for seed in range(40):
        trials = np.random.default_rng(seed).poisson(2.0, size=(10, 30, 8))
        found = peak_map(trials, times=np.arange(30) * 0.01, width="30 ms", n_surrogates=39, seed=seed)
        p.append(float(found.p))
        ratio.append(float(found.ridge_to_background))
    assert np.mean(ratio) == pytest.approx(1.0, abs=0.04)
    assert np.mean(np.array(p) <= 0.25) == pytest.approx(0.25, abs=0.2)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: condition_angles(x, np.zeros(6, int)), "two different"),
        (lambda x: condition_angles(x, [0, 0, 0, 0, 0, 1]), "3 trials"),
        (lambda x: condition_angles(x, [0, 1]), "each trial"),
        (lambda x: condition_angles(x, np.arange(6) % 2, n_components=9), "n_components"),
        (lambda x: condition_angles(x + 1j, np.arange(6) % 2), "real"),
        (lambda x: condition_dimensionality(x, np.arange(6) % 3), "3 trials"),
        (lambda x: condition_dimensionality(np.ones((6, 4, 3))), "constant"),
        (lambda x: condition_dimensionality(np.full((6, 4, 3), np.nan)), "finite"),
        (lambda x: condition_dimensionality(x, np.arange(6) * 0.5), "integer"),
        (lambda x: peak_map(x[:1], times=np.arange(4) * 0.1), "2 trials"),
        (lambda x: peak_map(-x - 9, times=np.arange(4) * 0.1), ">= 0"),
        (lambda x: peak_map(0 * x, times=np.arange(4) * 0.1), "not 0"),
        (lambda x: peak_map(abs(x), times=np.arange(4) * 0.1, width="1 s"), "shorter"),
        (lambda x: peak_map(abs(x), times=np.arange(4) * 0.1, width=1), "width"),
    ],
    ids=range(14),
)
def test_bad_input_is_refused(call, text):
    with pytest.raises(SpecError, match=text):
        call(np.random.default_rng(0).normal(size=(6, 4, 3)))
