"""The sine nearest to a signal: planted ones are found, and what is left has its closed form."""

from __future__ import annotations

import numpy as np
import pytest

from arcuate.analysis import period_match, sine_fit
from arcuate.errors import SpecError

TIMES = 3.0 + np.arange(5000) * 1e-3


@pytest.mark.parametrize("frequency", [0.7, 4.97, 5.0, 47.3])
@pytest.mark.parametrize("phase", [-2.0, 0.0, 1.0])
def test_a_planted_sine_is_found(frequency, phase):
    signal = 0.8 * np.sin(2 * np.pi * frequency * (TIMES - TIMES[0]) + phase)
    fit = sine_fit(TIMES, signal)
    assert fit.frequency == pytest.approx(frequency, abs=1e-6)
    assert fit.amplitude == pytest.approx(0.8, abs=1e-6)
    assert fit.phase == pytest.approx(phase, abs=1e-4)
    assert fit.rmse < 1e-5


def test_what_is_left_is_the_noise():
    rng = np.random.default_rng(0)
    signal = np.sin(2 * np.pi * 5.0 * TIMES) + 0.1 * rng.normal(size=TIMES.size)
    fit = sine_fit(TIMES, signal)
    assert fit.rmse == pytest.approx(0.1, rel=0.03)
    assert fit.frequency == pytest.approx(5.0, abs=2e-3)


def test_a_fixed_amplitude_leaves_the_difference():
    signal = 0.9 * np.sin(2 * np.pi * 5.0 * TIMES)
    assert sine_fit(TIMES, signal, amplitude=1.0).rmse == pytest.approx(0.1 / np.sqrt(2), rel=1e-4)


def test_a_fixed_frequency_leaves_the_slip():
    # a slip of s rad per second over T seconds: the best shift leaves the share 1 - (sin(x)/x)^2, x = s T/2
    slip, length = 0.2, TIMES.size * 1e-3
    signal = np.sin((2 * np.pi * 5.0 - slip) * TIMES)
    x = slip * length / 2
    expected = np.sqrt((1 - (np.sin(x) / x) ** 2) / 2)
    assert sine_fit(TIMES, signal, frequency=5.0).rmse == pytest.approx(expected, rel=0.01)
    assert sine_fit(TIMES, signal).rmse < 1e-5


@pytest.mark.parametrize(
    ("times", "values", "options"),
    [
        (TIMES[:5], np.zeros(5), {}),
        (TIMES**2, np.zeros(TIMES.size), {}),
        (TIMES, np.zeros((TIMES.size, 2)), {}),
        (TIMES, np.full(TIMES.size, np.nan), {}),
        (TIMES, np.zeros(TIMES.size), {"frequency": 0.0}),
        (TIMES, np.zeros(TIMES.size), {"amplitude": -1.0}),
    ],
)
def test_what_is_not_a_signal_is_refused(times, values, options):
    with pytest.raises(SpecError):
        sine_fit(times, values, **options)


def test_a_shifted_pattern_is_found_by_an_independent_search():
    rng = np.random.default_rng(3)
    pattern = rng.normal(size=60)
    signal = np.concatenate(
        [np.roll(pattern, 11), np.roll(pattern, 59) * 2 + 1, rng.normal(size=60), [9.0] * 5]
    )
    match = period_match(signal, pattern)
    for k in range(3):
        period = signal[60 * k : 60 * (k + 1)]
        shifted = [np.roll(pattern, s) for s in range(60)]
        scores = [np.corrcoef(period, other)[0, 1] for other in shifted]
        assert match.shift[k] == int(np.argmax(scores))
        assert match.correlation[k] == pytest.approx(max(scores), abs=1e-12)
        left = np.sqrt(np.mean((period - shifted[match.shift[k]]) ** 2)) / pattern.std()
        assert match.rmse[k] == pytest.approx(left, abs=1e-12)
    assert match.shift[:2].tolist() == [11, 59]


@pytest.mark.parametrize(
    ("values", "pattern"), [([1.0] * 5, [1.0, 2.0] * 3), ([1.0] * 5, [1.0, 1.0]), ([[1.0]], [0.0, 1])]
)
def test_signals_without_a_period_are_refused(values, pattern):
    with pytest.raises(SpecError, match="period_match"):
        period_match(values, pattern)
