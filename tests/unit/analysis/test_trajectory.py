"""The time code: signal to noise by its formula, decoding of codes with and without time in them."""

from __future__ import annotations

import numpy as np
import pytest

from arcuate.analysis import gaussian_pulse, peak_times, signal_to_noise, time_decoding

TIMES = np.arange(100) * 0.01


def coded(noise: float, n_trials: int = 15, seed: int = 0) -> np.ndarray:
    code = gaussian_pulse(TIMES, np.linspace(0, 1, 40), width="60 ms").T
    return code + noise * np.random.default_rng(seed).normal(size=(n_trials, 100, 40))


def test_pulse_is_a_gaussian_of_the_width_in_seconds():
    pulse = gaussian_pulse(TIMES, [0.4, np.nan], width="30 ms")
    np.testing.assert_allclose(pulse[0], np.exp(-((TIMES - 0.4) ** 2) / (2 * 0.03**2)), rtol=1e-12)
    assert np.all(pulse[1] == 0)


def test_signal_to_noise_recovers_what_was_planted():
    rng = np.random.default_rng(1)
    mean = rng.normal(size=(100, 30))
    scale = np.linspace(0.5, 2.0, 100)
    states = mean + scale[:, None] * rng.normal(size=(3000, 100, 30))
    expected = np.sum((mean - mean.mean(axis=0)) ** 2, axis=1) / (30 * scale**2)
    result = signal_to_noise(states, times=TIMES)
    np.testing.assert_allclose(result, expected, rtol=0.1)
    np.testing.assert_array_equal(result.time, TIMES)


def test_signal_to_noise_formula_and_its_limits():
    states = np.random.default_rng(2).normal(size=(4, 5, 3)) + 10
    mean = states.mean(axis=0)
    expected = ((mean - mean.mean(axis=0)) ** 2).sum(axis=1) / states.var(axis=0, ddof=1).sum(axis=1)
    np.testing.assert_allclose(signal_to_noise(states, times=TIMES[:5]), expected, rtol=1e-12)
    same = np.broadcast_to(np.arange(5.0)[:, None], (3, 5, 2))
    assert np.isinf(signal_to_noise(same, times=TIMES[:5])[[0, 1, 3, 4]]).all()
    assert np.isnan(signal_to_noise(same, times=TIMES[:5])[2])


def test_peaks_are_where_they_were_put():
    centers = np.array([0.3, 0.05, 0.72])
    np.testing.assert_allclose(peak_times(gaussian_pulse(TIMES, centers).T, times=TIMES), centers, atol=1e-12)


def test_a_time_code_is_decoded_to_the_grid():
    latencies = ("200 ms", "500 ms", "800 ms")
    result = time_decoding(coded(0.02), times=TIMES, latencies=latencies, alpha=1.0)
    assert result.error.shape == (15, 3)
    np.testing.assert_allclose(result.latency, [0.2, 0.5, 0.8])
    assert np.rint(result.median_error / 0.01).max() <= 1  # steps of the grid
    assert float(result.amplitude.min()) > 0.7
    assert float(result.elapsed_error.max()) < 0.05
    np.testing.assert_allclose(result.elapsed, TIMES, atol=0.05)


def test_no_time_in_the_states_no_time_out_of_them():
    """Independent noise: the decoder must sit at chance, which in-sample fitting would not."""
    noise = np.random.default_rng(3).normal(size=(12, 100, 300))
    result = time_decoding(noise, times=TIMES, latencies=["500 ms"])
    assert float(result.median_error[0]) > 0.1
    assert float(result.elapsed_error.mean()) > 0.15


def test_every_trial_is_decoded_by_weights_that_did_not_see_it():
    """Against an explicit ridge with leave-one-out folds."""
    states = coded(0.5, n_trials=5)[:, :, :8]
    target = gaussian_pulse(TIMES, 0.5)
    result = time_decoding(states, times=TIMES, latencies=["500 ms"], alpha=2.0, n_folds=5)
    for trial in range(5):
        rest = np.delete(states, trial, axis=0).reshape(-1, 8)
        y = np.tile(target, 4)
        x0, y0 = rest.mean(axis=0), y.mean()
        w = np.linalg.solve((rest - x0).T @ (rest - x0) + 2.0 * np.eye(8), (rest - x0).T @ (y - y0))
        output = (states[trial] - x0) @ w + y0
        assert float(result.amplitude[trial, 0]) == pytest.approx(output.max(), rel=1e-9)
        assert float(result.error[trial, 0]) == pytest.approx(TIMES[output.argmax()] - 0.5, abs=1e-12)


def test_order_of_units_and_single_precision_do_not_matter():
    states = coded(0.1)
    order = np.random.default_rng(4).permutation(40)
    one = time_decoding(states, times=TIMES, latencies=["500 ms"])
    two = time_decoding(states[:, :, order], times=TIMES, latencies=["500 ms"])
    np.testing.assert_allclose(one.amplitude, two.amplitude, rtol=1e-9)
    narrow = time_decoding(states.astype(np.float32), times=TIMES, latencies=["500 ms"])
    np.testing.assert_allclose(one.amplitude, narrow.amplitude, rtol=1e-4)
