"""Avalanches, power laws, branching and surrogates against processes whose parameters are known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from arcuate.analysis import (
    avalanches,
    branching_parameter,
    count_correlation,
    crackling,
    cross_correlation_histogram,
    isi_cv,
    local_variation,
    power_law,
    rates,
    spike_counts,
    spike_surrogate,
    spike_synchrony,
)
from arcuate.errors import FitError


def zeta_numbers(exponent: float, x_min: int, n: int, seed: int) -> np.ndarray:
    """Numbers of the discrete law from x_min on, by inverting its distribution."""
    from scipy.special import zeta

    x = np.arange(x_min, 200_000)
    beyond = zeta(exponent, x + 1.0) / zeta(exponent, float(x_min))
    draws = np.random.default_rng(seed).random(n)
    return x[np.minimum(np.searchsorted(-beyond, -draws), x.size - 1)]


@pytest.mark.parametrize(("exponent", "x_min"), [(1.5, 1), (2.0, 3), (2.5, 10)])
def test_exponents_come_back(exponent: float, x_min: int) -> None:
    data = zeta_numbers(exponent, x_min, 10_000, seed=1)
    found = power_law(data[data < 150_000], x_min=x_min)
    assert abs(found.exponent.estimate - exponent) < 0.05
    assert found.exponent.low < found.exponent.estimate < found.exponent.high
    width = (exponent - 1) / math.sqrt(10_000)  # standard error of the continuous law, near that of this one
    assert 2 * width < found.exponent.high - found.exponent.low < 6 * width


def test_the_beginning_of_the_tail_comes_back() -> None:
    rng = np.random.default_rng(2)
    tail = zeta_numbers(2.5, 12, 5000, seed=3)
    found = power_law(np.r_[rng.integers(1, 12, 8000), tail])
    assert 11 <= found.x_min <= 16  # from 11 to 15 over ten other seeds
    assert abs(found.exponent.estimate - 2.5) < 0.1
    assert found.distance < 0.02
    assert power_law(np.r_[rng.integers(1, 12, 8000), tail], x_min=1).distance > 0.1


def test_the_exponent_is_the_most_likely_one() -> None:
    from scipy.optimize import minimize_scalar
    from scipy.special import zeta

    data = zeta_numbers(2.2, 4, 500, seed=4)
    loss = lambda a: data.size * np.log(zeta(a, 4.0)) + a * np.log(data).sum()  # noqa: E731
    best = minimize_scalar(loss, bounds=(1.1, 5.0), method="bounded", options={"xatol": 1e-10}).x
    assert math.isclose(power_law(data, x_min=4).exponent.estimate, best, rel_tol=1e-6)


def test_values_beyond_every_law_are_refused() -> None:
    """Of 100 000 tens and 60 elevens the exponent would be 78."""
    with pytest.raises(FitError, match="between 1 and 20"):
        power_law([10] * 100_000 + [11] * 60)
    with pytest.raises(FitError, match="between 1 and 20"):
        power_law([10] * 100_000 + [11] * 60, x_min=10)
    near = zeta_numbers(15.0, 10, 3000, seed=2)
    assert abs(power_law(near, x_min=10).exponent.estimate - 15) < 1.5


def test_avalanches_are_cut_at_empty_bins() -> None:
    times = [0.01, 0.11, 0.12, 0.21, 0.55, 0.71, 0.72, 0.73, 0.95]
    found = avalanches(times, bin_width="0.1 s", duration="1 s")
    assert found["size"].values.tolist() == [1, 3]  # the first and the last are cut off
    assert found["duration"].values.tolist() == [1, 1]
    np.testing.assert_allclose(found.start, [0.5, 0.7])
    by_neuron = avalanches(times, neuron=np.arange(9) % 3, n_neurons=3, bin_width="0.1 s", duration="1 s")
    np.testing.assert_array_equal(found["size"], by_neuron["size"])
    assert math.isclose(avalanches(times, duration="1 s").attrs["bin_width"], 0.94 / 8)


def tree(n: int, m: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sizes and durations of processes that branch with Poisson numbers of children."""
    rng = np.random.default_rng(seed)
    alive, now, size, duration = np.arange(n), np.ones(n, int), np.ones(n, int), np.ones(n, int)
    for _ in range(3000):
        now = rng.poisson(m * now)
        alive, now = alive[now > 0], now[now > 0]
        size[alive] += now
        duration[alive] += 1
    over = np.ones(n, bool)
    over[alive] = False
    return size[over], duration[over]


def test_a_critical_process_crackles() -> None:
    size, duration = tree(20_000, 1.0, seed=5)
    found = crackling(size, duration, size_min=10, duration_min=10)
    assert abs(found.size.exponent.estimate - 1.5) < 0.05
    assert abs(found.duration.exponent.estimate - 2.0) < 0.15
    assert abs(found.measured.estimate - 2.0) < 0.15
    assert abs(found.difference.estimate) < 0.3
    assert found.predicted.low < found.predicted.estimate < found.predicted.high


def test_independent_neurons_make_no_power_law() -> None:
    rng = np.random.default_rng(6)
    times = rng.uniform(0, 200, 20_000)
    found = avalanches(times, duration="200 s")
    # A bin is empty with 1/e: durations are geometric, with a mean of e bins.
    assert abs(float(found["duration"].mean()) - math.e) < 0.1
    assert power_law(found["duration"].values, x_min=1).distance > 0.1


def branching(m: float, n: int, seed: int, rate: float = 100.0) -> np.ndarray:
    rng, activity = np.random.default_rng(seed), np.empty(n, int)
    now = int(rate)
    for t in range(n):
        now = rng.poisson(m * now + (1 - m) * rate)
        activity[t] = now
    return activity


def test_a_rhythm_has_no_branching_parameter() -> None:
    for activity in (np.tile([0, 1], 2000), np.tile([3, 3, 3, 0, 0, 0], 1000)):
        with pytest.raises(FitError, match=r"from 0 to 1\.2"):
            branching_parameter(activity)


@pytest.mark.parametrize("m", [0.9, 0.98])
def test_branching_is_found_in_a_tenth_of_the_spikes_where_one_lag_fails(m: float) -> None:
    whole = branching(m, 60_000, seed=7)
    seen = np.random.default_rng(8).binomial(whole, 0.1)
    full = branching_parameter(whole)
    assert abs(full.m.estimate - m) < 0.01 and abs(full.naive.estimate - m) < 0.01
    part = branching_parameter(seen)
    assert abs(part.m.estimate - m) < 0.02
    assert part.m.low < m < part.m.high
    assert part.naive.high < m - 0.1
    fano = 1 / (1 - m**2)  # of the activity; of a share p of it, 1 - p + p fano
    expected = 0.1 * fano / (1 - 0.1 + 0.1 * fano)
    assert abs(part.amplitude - expected) < 0.1
    assert math.isclose(part.time_constant, -1 / math.log(part.m.estimate))


def test_an_autoregressive_process_gives_its_coefficient() -> None:
    rng = np.random.default_rng(9)
    noise = rng.normal(size=50_000)
    x = np.empty(noise.size)
    x[0] = noise[0]
    for t in range(1, x.size):
        x[t] = 0.95 * x[t - 1] + noise[t]
    found = branching_parameter(x - x.min())
    assert abs(found.m.estimate - 0.95) < 0.01 and abs(found.amplitude - 1) < 0.02
    noisy = branching_parameter(x - x.min() + np.abs(rng.normal(size=x.size)) * 8)
    assert abs(noisy.m.estimate - 0.95) < 0.02 and noisy.naive.high < 0.6


def test_the_fit_is_exact_on_exact_slopes() -> None:
    from arcuate.analysis.branching import _fit

    lag = np.arange(1, 31)
    m, amplitude = _fit(np.stack([0.3 * 0.97**lag, 0.8 * 0.2**lag]), lag)
    np.testing.assert_allclose(m, [0.97, 0.2], rtol=1e-6)
    np.testing.assert_allclose(amplitude, [0.3, 0.8], rtol=1e-5)


def together(seed: int = 10) -> dict[str, Any]:
    """Three neurons whose spikes follow one rhythm, with a lag of 3 ms from one to the next."""
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(0, 39.9, 800))
    parts = [np.clip(times + 0.003 * k + rng.normal(0, 3e-4, 800), 0, 40) for k in range(3)]
    return {
        "source": np.concatenate(parts),
        "neuron": np.repeat([0, 1, 2], 800),
        "n_neurons": 3,
        "duration": 40.0,
    }


def test_jitter_keeps_counts_and_loses_fine_timing() -> None:
    given = together()
    moved = spike_surrogate(**given, kind="jitter", width="50 ms")
    before, after = spike_counts(**given, bin_width="50 ms"), spike_counts(moved, bin_width="50 ms")
    np.testing.assert_array_equal(before, after)
    assert float(spike_synchrony(**given, width="5 ms")["mean"]) > 0.6
    assert float(spike_synchrony(moved, width="5 ms")["mean"]) < 0.35
    peak = cross_correlation_histogram(**given, pairs=[[0], [1]])["count"].max()
    flat = cross_correlation_histogram(moved, pairs=[[0], [1]])["count"].max()
    assert float(flat) < float(peak) / 3


def test_shuffled_intervals_keep_their_distribution() -> None:
    given = together()
    moved = spike_surrogate(**given, kind="interval")
    arrays = {"neuron": given["neuron"], "n_neurons": 3}
    np.testing.assert_allclose(isi_cv(moved), isi_cv(given["source"], **arrays), rtol=1e-9)
    np.testing.assert_allclose(rates(moved), rates(**given))
    assert abs(float(spike_synchrony(moved, width="5 ms")["mean"])) < 0.05
    assert not np.allclose(local_variation(moved).lv, local_variation(given["source"], **arrays).lv)


def test_shuffled_trials_keep_the_mean_over_trials() -> None:
    given = together()
    moved = spike_surrogate(**given, kind="trial", width="1 s")
    before = spike_counts(**given, bin_width="100 ms").values.reshape(40, 10, 3)
    after = spike_counts(moved, bin_width="100 ms").values.reshape(40, 10, 3)
    np.testing.assert_array_equal(after.sum(axis=0), before.sum(axis=0))
    assert float(count_correlation(**given)["mean"]) > 0.5
    assert abs(float(count_correlation(moved)["mean"])) < 0.1


def test_surrogates_are_named_by_seed_number_and_neuron() -> None:
    given = together()
    one = spike_surrogate(**given, kind="jitter", width="50 ms", seed=1)
    assert one.identical(spike_surrogate(**given, kind="jitter", width="50 ms", seed=1))
    for other in ({"seed": 2}, {"seed": 1, "draw": 1}):
        assert not one.identical(spike_surrogate(**given, kind="jitter", width="50 ms", **other))
    kept = given["neuron"] != 1
    fewer = given | {"source": given["source"][kept], "neuron": given["neuron"][kept]}
    part = spike_surrogate(**fewer, kind="jitter", width="50 ms", seed=1)
    np.testing.assert_array_equal(part.time[part.neuron == 2], one.time[one.neuron == 2])
