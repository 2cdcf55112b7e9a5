"""Surrogates keep what they should, and waves are found where there is one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arcuate.analysis import dimensionality, golomb_chi, surrogate, surrogate_test, travelling_wave
from arcuate.errors import SpecError

RNG = np.random.default_rng(4)
N, T, TRIALS = 24, 48, 10
PLACE = RNG.permutation(np.linspace(0, 2 * np.pi, N, endpoint=False))
STEPS = 2 * np.pi * 3 * np.arange(T)[:, None] / T


def noisy(clean: Any, noise: float = 0.5) -> np.ndarray:
    """Trials of a pattern with phases of their own and noise."""
    starts = RNG.random(TRIALS) * 2 * np.pi
    return np.stack([clean(STEPS + start) for start in starts]) + noise * RNG.normal(size=(TRIALS, T, N))


def test_phases_at_random_keep_spectrum_and_mean() -> None:
    for n in (16, 17):
        traces = RNG.normal(size=(3, n, 4)) + 2.0
        drawn = surrogate(traces, method="phase", seed=3)
        np.testing.assert_allclose(np.abs(np.fft.rfft(drawn, axis=1)), np.abs(np.fft.rfft(traces, axis=1)))
        np.testing.assert_allclose(drawn.values.mean(1), traces.mean(1))
        assert np.abs(drawn.values - traces).max() > 0.5
        np.testing.assert_array_equal(drawn, surrogate(traces, method="phase", seed=3))


def test_shuffled_trials_keep_every_trace_of_a_unit() -> None:
    traces = RNG.normal(size=(6, 8, 5))
    drawn = surrogate(traces, method="trial", seed=1).values
    for unit in range(5):
        rows = {tuple(row) for row in traces[:, :, unit]}
        assert {tuple(row) for row in drawn[:, :, unit]} == rows
    assert not np.array_equal(drawn[:, :, 0] == traces[:, :, 0], drawn[:, :, 1] == traces[:, :, 1])


def test_common_input_is_seen_and_independence_is_not() -> None:
    common = RNG.normal(size=(4, 60, 1)) + RNG.normal(size=(4, 60, 8))
    alone = RNG.normal(size=(4, 60, 8))

    def measure(traces: Any) -> Any:
        return golomb_chi(traces).mean()

    found = surrogate_test(measure, common, method="phase", n=99, seed=2)
    assert float(found.p) == pytest.approx(0.01) and float(found.z) > 5
    assert float(surrogate_test(measure, alone, method="phase", n=99, seed=2).p) > 0.05
    assert float(surrogate_test(measure, common, method="trial", n=99, seed=2).p) == pytest.approx(0.01)


def test_p_values_of_independent_units_are_level() -> None:
    """Over 60 data sets without any relation, few are called significant."""
    rng = np.random.default_rng(8)
    p = [
        float(
            surrogate_test(
                lambda x: golomb_chi(x).mean(), rng.normal(size=(2, 32, 5)), method="phase", n=19, seed=k
            ).p
        )
        for k in range(60)
    ]
    assert np.mean(np.array(p) <= 0.1) < 0.25
    assert 0.35 < np.mean(p) < 0.7


def test_a_wave_is_found_on_trials_that_it_was_not_fitted_to() -> None:
    found = travelling_wave(noisy(lambda k: np.cos(k - PLACE)), n_surrogates=19, seed=5)
    turned = np.exp(1j * (found.phase.values + PLACE)), np.exp(1j * (found.phase.values - PLACE))
    assert max(abs(side.mean()) for side in turned) > 0.98
    assert float(found.share) > 0.5 and float(found.directionality) > 0.95
    assert float(found.share_p) == float(found.directionality_p) == pytest.approx(0.05)
    assert float(found.frequency) == pytest.approx(3 / T, rel=0.05)
    assert found.activity.shape == (T, N)
    assert float(found.directionality_surrogate.max()) < 0.6


def test_a_standing_wave_explains_much_and_goes_nowhere() -> None:
    found = travelling_wave(noisy(lambda k: np.cos(k) * np.cos(PLACE)), n_surrogates=19, seed=5)
    assert float(found.share) > 0.3
    assert float(found.share_p) == pytest.approx(0.05)
    assert float(found.directionality) < 0.1


def test_noise_has_no_wave() -> None:
    found = travelling_wave(RNG.normal(size=(TRIALS, T, N)), n_surrogates=39, seed=5)
    assert float(found.share_p) > 0.05
    assert float(found.directionality_p) > 0.05


def test_a_band_takes_one_wave_of_two() -> None:
    both = noisy(lambda k: np.cos(k - PLACE) + 2 * np.cos(2 * k + PLACE), 0.2)
    slow, fast = (
        travelling_wave(both, band=band, n_surrogates=0) for band in ((2 / T, 4 / T), (5 / T, 7 / T))
    )
    opposite = np.mean(np.exp(1j * (slow.phase.values + fast.phase.values)))
    assert float(slow.directionality) > 0.95 and float(fast.directionality) > 0.95
    assert abs(opposite) > 0.95
    assert "share_p" not in slow


def test_nothing_that_varies_is_no_synchrony_and_no_finding() -> None:
    flat = np.full((2, 50, 7), 0.1)  # whose variance is not 0 in floating point
    assert np.isnan(golomb_chi(flat)).all()
    with pytest.raises(SpecError, match="finite"):  # not p = 1 / (n + 1)
        surrogate_test(lambda x: golomb_chi(x).mean(skipna=False), flat, method="trial", n=9)


def test_dimensionality_over_steps() -> None:
    """White in 20 dimensions gives 19.9; a line gives 1."""
    traces = RNG.normal(size=(4000, 3, 20))
    traces[:, 1] = traces[:, 1, :1] * np.arange(1, 21)
    traces[:, 2] = 0.0
    found = dimensionality(traces)
    assert found.values[0] == pytest.approx(19.9, abs=0.05)
    assert found.values[1] == pytest.approx(1.0)
    assert np.isnan(found.values[2])
    assert 1 < found.attrs["pooled"] < 20


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: surrogate(np.ones((1, 8, 2)), method="trial"), "2 trials"),
        (lambda: surrogate(np.ones((2, 3, 2)), method="phase"), "4 steps"),
        (lambda: surrogate(np.ones((2, 8, 2)), method="shuffle"), "method"),
        (lambda: surrogate_test(np.asarray, np.ones((2, 8, 2)), method="phase"), "one number"),
        (lambda: surrogate_test(np.mean, np.ones((2, 8, 2)), method="phase", n=0), "n = 0"),
        (lambda: travelling_wave(np.ones((4, 8, 3))), "vary"),
        (lambda: travelling_wave(np.ones((1, 8, 3))), "2 trials"),
        (lambda: travelling_wave(np.ones((4, 8, 2))), "3 units"),
        (lambda: surrogate_test(lambda x: "one", np.ones((2, 8, 2)), method="phase"), "real numbers"),
        (lambda: dimensionality(np.ones((2, 8, 2))), "3 trials"),
    ],
    ids=range(10),
)
def test_what_is_refused(call: Any, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        call()


def test_dimensionality_has_an_interval_at_each_step():
    """Of 25 independent units and many trials the ratio is near 25, with trials near 25 / (1 + 25 / n)."""
    held = 0
    for seed in range(40):
        found = dimensionality(np.random.default_rng(seed).normal(size=(60, 1, 5)))
        truth = 5 / (1 + 6 / 60)  # of covariances from 60 samples: E tr^2 / E tr of the square
        held += bool(found.low[0] < truth < found.high[0])
        assert float(found.low[0]) <= float(found[0]) <= float(found.high[0])
    assert held >= 32


def test_dimensionality_of_three_trials_has_no_interval():
    found = dimensionality(np.random.default_rng(0).normal(size=(3, 4, 5)))
    assert np.isfinite(found.values).all()
    assert np.isnan(found.low.values).all()
