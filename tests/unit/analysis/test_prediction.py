"""Scores of a prediction against hand-made trials and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from arcuate.analysis import (
    amplitude_vs_probability,
    bootstrap_interval,
    criterion_trial,
    gaussian_pulse,
    outcome_share,
    predicted_outcomes,
    prediction_amplitude,
    timing_error,
    trials_to_criterion,
)

TIMES = np.arange(120) * 0.01


def test_timing_error_is_peak_minus_latency():
    peak = np.array([0.4, 0.35, 0.7])
    output = gaussian_pulse(TIMES, peak)
    np.testing.assert_allclose(timing_error(output, [0.4, 0.4, 0.4], times=TIMES), peak - 0.4, atol=1e-12)
    np.testing.assert_allclose(
        timing_error(np.stack([output, -output]), 0.4, times=TIMES)[0], peak - 0.4, atol=1e-12
    )
    assert timing_error(np.zeros((1, 120)), 0.4, times=TIMES)[0] == pytest.approx(-0.4)


def test_timing_error_with_a_grid_for_each_trial():
    grid = TIMES + np.array([[0.0], [0.003]])
    output = gaussian_pulse(TIMES, [0.4, 0.4])
    np.testing.assert_allclose(timing_error(output, [0.4, 0.4], times=grid), [0.0, 0.003], atol=1e-12)


def test_two_banks_predict_the_product_and_its_peak_is_the_amplitude():
    when = np.array([[0.1, 0.9, 0.2], [-0.3, -0.1, -0.2]])
    what = np.array([[0.8, -0.2], [0.5, 0.5]])
    outputs = predicted_outcomes(when, what)
    np.testing.assert_allclose(outputs[0, :, 0], [0.08, 0.72, 0.16])
    np.testing.assert_allclose(prediction_amplitude(outputs), [[0.72, -0.18], [0.0, 0.0]])


def test_share_is_taken_where_the_sum_peaks_and_takes_out_the_size_of_the_pulse():
    pulse = gaussian_pulse(TIMES, [0.4, 0.7, 0.5])
    shares = np.array([[0.8, 0.2], [0.55, 0.45], [0.0, 1.0]])
    outputs = np.array([1.0, 0.3, 0.01])[:, None, None] * pulse[:, :, None] * shares[:, None, :]
    outputs[0, 0, 0] = -5.0  # away from the predicted time
    np.testing.assert_allclose(outcome_share(outputs), shares, atol=1e-12)
    np.testing.assert_array_equal(outcome_share(0 * outputs), 0)


def brute_force(errors, window, bound, statistic):
    for t in range(len(errors) - window + 1):
        part = errors[t : t + window]
        if (np.median(np.abs(part)) if statistic == "median" else abs(np.mean(part))) <= bound:
            return t
    return math.inf


@pytest.mark.parametrize("statistic", ["median", "mean"])
def test_criterion_is_the_first_window_that_meets_it(statistic):
    rng = np.random.default_rng(0)
    for _ in range(200):
        errors = rng.normal(size=25) * np.linspace(1, 0.05, 25)
        window, bound = int(rng.integers(1, 12)), float(rng.uniform(0.02, 0.5))
        expected = brute_force(errors, window, bound, statistic)
        assert criterion_trial(errors, window=window, bound=bound, statistic=statistic) == expected


def test_an_error_of_the_bound_read_off_the_grid_meets_it():
    error = timing_error(gaussian_pulse(TIMES, np.full(10, 0.72)), 0.7, times=TIMES)
    assert error.max() > 0.02  # by rounding
    assert criterion_trial(error, window=10, bound=0.02) == 0
    later = timing_error(gaussian_pulse(TIMES, np.full(10, 0.73)), 0.7, times=TIMES)
    assert criterion_trial(later, window=10, bound=0.02) == math.inf


def test_trials_to_criterion_counts_from_each_switch():
    """Seed k recovers k trials after the switch; a median of ten holds four bad ones."""
    block = np.repeat([0, 1, 2], 50)
    errors = np.zeros((5, 150))
    for seed in range(5):
        errors[seed, 50 : 50 + 4 + seed] = 0.3
    errors[:, 100:] = 0.3
    table = trials_to_criterion(errors, block=block)
    np.testing.assert_array_equal(table.trials[:, 0], 0)
    np.testing.assert_array_equal(table.trials[:, 1], [0, 1, 2, 3, 4])
    assert np.isinf(table.trials[:, 2]).all()
    np.testing.assert_array_equal(table.reached, [1, 1, 0])
    assert float(table["median"][1]) == 2
    assert np.isinf(table["high"][2])
    assert 0 <= float(table["low"][1]) <= 2 <= float(table["high"][1]) <= 4


def test_a_window_does_not_reach_into_the_next_block():
    block = np.repeat([0, 1], [12, 30])
    errors = np.r_[np.full(8, 0.3), np.zeros(34)]
    assert np.isinf(trials_to_criterion(errors, block=block).trials[0, 0])
    assert trials_to_criterion(errors, block=np.zeros(42)).trials[0, 0] == 4


def test_probability_criterion_compares_the_mean_estimate_with_the_truth():
    """Exponential approach 0.8 -> 0.2 at rate 0.1: the mean of 20 from t on is off by
    0.6 * 0.9^t * (1 - 0.9^20) / (20 * 0.1)."""
    target = np.repeat([0.8, 0.2], 100)
    estimate = np.r_[np.full(100, 0.8), 0.2 + 0.6 * 0.9 ** np.arange(100)]
    off = 0.6 * 0.9 ** np.arange(80) * (1 - 0.9**20) / 2.0
    table = trials_to_criterion(estimate, block=target, kind="probability", target=target)
    assert table.trials.values.tolist() == [[0.0, float(np.argmax(off <= 0.1))]]
    assert table.attrs["window"] == 20


def test_line_through_known_points():
    p = np.linspace(0, 1, 11)
    fit = amplitude_vs_probability(0.97 * p - 0.01, p)
    assert fit.slope == pytest.approx(0.97, rel=1e-12)
    assert fit.intercept == pytest.approx(-0.01, rel=1e-9)
    assert fit.r_squared == pytest.approx(1.0, abs=1e-12)
    assert fit.slope_interval is None


def test_line_over_seeds_is_that_of_polyfit_with_an_interval():
    rng = np.random.default_rng(1)
    p = np.linspace(0, 1, 11)
    amplitude = rng.normal(0.95, 0.05, size=(12, 1)) * p + 0.03 * rng.normal(size=(12, 11))
    fit = amplitude_vs_probability(amplitude, p)
    mean = amplitude.mean(axis=0)
    slope, intercept = np.polyfit(p, mean, 1)
    assert fit.slope == pytest.approx(slope, rel=1e-9)
    assert fit.intercept == pytest.approx(intercept, abs=1e-9)
    assert fit.r_squared == pytest.approx(np.corrcoef(p, mean)[0, 1] ** 2, rel=1e-9)
    whole = np.corrcoef(np.tile(p, 12), amplitude.ravel())[0, 1] ** 2
    assert fit.pooled_r_squared == pytest.approx(whole, rel=1e-9)
    own = [np.corrcoef(p, row)[0, 1] ** 2 for row in amplitude]
    np.testing.assert_allclose(fit.r_squares, own, rtol=1e-9)
    assert fit.slope_interval is not None
    assert fit.slope_interval.low < fit.slope < fit.slope_interval.high
    slopes = [np.polyfit(p, row, 1)[0] for row in amplitude]
    np.testing.assert_allclose(fit.slopes, slopes, rtol=1e-9)
    assert fit.slope_interval.estimate == pytest.approx(np.mean(slopes), rel=1e-9)
    sem = np.std(slopes) / np.sqrt(12)
    assert fit.slope_interval.high - fit.slope_interval.low == pytest.approx(3.92 * sem, rel=0.15)


def test_bootstrap_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(2)
    hits = 0
    for k in range(300):
        band = bootstrap_interval(rng.normal(size=40), statistic="mean", level=0.9, n_resamples=400, seed=k)
        hits += band.low <= 0 <= band.high
    assert 0.82 <= hits / 300 <= 0.95


def test_bootstrap_is_seeded_and_bears_never():
    values = [3.0, 5.0, 8.0, math.inf, math.inf]
    band = bootstrap_interval(values)
    assert band == bootstrap_interval(values)
    assert band.estimate == 8.0
    assert band.high == math.inf
    assert band.low in values
    assert band.n == 5
