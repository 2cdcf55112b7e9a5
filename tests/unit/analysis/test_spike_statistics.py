"""Measures of spike trains against closed forms, direct sums over pairs of spikes, and published values."""

from __future__ import annotations

import itertools
import math
import warnings
from typing import Any

import hypothesis
import numpy as np
import pytest
import xarray as xr
from hypothesis import strategies as st

from arcuate.analysis import (
    count_correlation,
    cross_correlation_histogram,
    fano_factor,
    filtered_rates,
    golomb_chi,
    isi_cv,
    local_variation,
    neuron_interval,
    rate_distribution,
    rates,
    spike_chi,
    spike_counts,
    spike_synchrony,
    spike_traces,
    synchrony,
    synchrony_matrix,
    van_rossum_distance,
    victor_purpura_distance,
)
from arcuate.errors import RecordingError
from arcuate.recording import Recording


def poisson(rate: float, duration: float, n: int, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    counts = rng.poisson(rate * duration, size=n)
    return {
        "source": rng.uniform(0, duration, counts.sum()),
        "neuron": np.repeat(np.arange(n), counts),
        "n_neurons": n,
        "duration": duration,
    }


def trains(*times: Any, duration: float) -> dict[str, Any]:
    parts = [np.asarray(part, float) for part in times]
    return {
        "source": np.concatenate(parts),
        "neuron": np.repeat(np.arange(len(parts)), [part.size for part in parts]),
        "n_neurons": len(parts),
        "duration": duration,
    }


def split(given: dict[str, Any]) -> list[np.ndarray]:
    return [np.sort(given["source"][given["neuron"] == k]) for k in range(given["n_neurons"])]


def untimed(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name != "duration"}


def test_a_poisson_process_has_one_everywhere() -> None:
    given = poisson(20.0, 200.0, 30)
    local = local_variation(**untimed(given), refractory="0 s")
    for name in ("cv2", "lv", "lvr"):
        band = local.sel(measure=name)
        assert band["low"] < 1.0 < band["high"], name
        assert abs(band["mean"] - 1.0) < 0.01
    assert abs(neuron_interval(isi_cv(**untimed(given))).estimate - 1.0) < 0.01
    fano = fano_factor(**given)
    np.testing.assert_allclose(fano["mean"], 1.0, atol=0.05)
    assert fano.sizes == {"neuron": 30, "window": 5}


@pytest.mark.parametrize("n_windows", [2, 5, 10])
def test_a_poisson_process_has_a_fano_factor_of_one_for_few_windows_too(n_windows: int) -> None:
    """Given its spikes, the counts are multinomial: with n - 1 the mean is 1, with n it is 1 - 1/n."""
    held = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        n_spikes = rng.poisson(50.0, 100)
        given = {
            "source": rng.uniform(0, 10, n_spikes.sum()),
            "neuron": np.repeat(np.arange(100), n_spikes),
            "n_neurons": 100,
            "duration": "10 s",
            "windows": f"{10 / n_windows} s",
        }
        fano = fano_factor(**given, seed=seed)
        held += bool(fano.low[0] < 1.0 < fano.high[0])
        other = fano_factor(**given, ddof=0)
        np.testing.assert_allclose(other.fano, fano.fano * (1 - 1 / n_windows))
    assert held >= 16


def test_two_intervals_that_a_trial_parts_are_no_pair() -> None:
    """Two clocks of different rate, one in each trial: nothing varies within a trial."""
    times, trial = [0.0, 0.1, 0.2, 0.0, 0.3, 0.6], [0, 0, 0, 1, 1, 1]
    found = local_variation(times, trial=trial)
    assert [float(found[name][0]) for name in ("cv2", "lv", "lvr")] == pytest.approx([0.0] * 3, abs=1e-12)
    running = local_variation([*times[:3], 1.0, 1.3, 1.6], trial=trial)
    assert float(running.cv2[0]) > 0.5  # time runs on, so that the pause counts


@pytest.mark.parametrize("shape", [2, 5])
def test_a_gamma_process_has_the_variation_of_its_order(shape: int) -> None:
    rng = np.random.default_rng(shape)
    times = np.cumsum(rng.gamma(shape, 0.1 / shape, size=60_000))
    local = local_variation(times, refractory="0 s")
    assert abs(float(local.lv[0]) - 3 / (2 * shape + 1)) < 0.02  # Shinomoto et al. 2003
    assert abs(float(isi_cv(times)[0]) - 1 / math.sqrt(shape)) < 0.01
    fano = fano_factor(times, windows="10 s", duration=float(times[-1]) + 0.01).fano
    assert abs(float(fano[0, 0]) - 1 / shape) < 0.1


def test_local_variation_does_not_see_a_slow_change_of_the_rate() -> None:
    rng = np.random.default_rng(2)
    t = np.cumsum(rng.exponential(1.0, size=20_000))
    warped = 2000 * (np.exp(t / t[-1] * 3) - 1) / (math.e**3 - 1)  # the rate falls 20-fold
    assert float(isi_cv(warped)[0]) > 1.2
    assert abs(float(local_variation(warped).lv[0]) - 1.0) < 0.03


def sttc(a: np.ndarray, b: np.ndarray, width: float, duration: float) -> float:
    """The definition; tiled time is what the gaps between tiles leave."""

    def share(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.mean(np.abs(x[:, None] - y).min(axis=1) <= width))

    def tiled(x: np.ndarray) -> float:
        gaps = np.maximum(np.diff(x) - 2 * width, 0).sum()
        gaps += max(x[0] - width, 0.0) + max(duration - x[-1] - width, 0.0)
        return 1.0 - gaps / duration

    pa, pb, ta, tb = share(a, b), share(b, a), tiled(a), tiled(b)
    return 0.5 * ((pa - tb) / (1 - pa * tb) + (pb - ta) / (1 - pb * ta))


def test_tiling_is_its_definition() -> None:
    given = poisson(4.0, 20.0, 4, seed=3)
    found = spike_synchrony(**given, width="30 ms").sttc
    for p, (i, j) in enumerate(zip(found.pre.values, found.post.values, strict=True)):
        if i != j:
            parts = split(given)
            assert abs(float(found[p]) - sttc(parts[i], parts[j], 0.03, 20.0)) < 1e-12
        else:
            assert found[p] == 1.0


def test_published_values_of_the_tiling_coefficient() -> None:
    rng = np.random.default_rng(0)
    times = rng.uniform(0, 1000, 5000)
    shifted = trains(times, np.clip(times + 0.01, 0, 1000), duration=1000.0)
    assert abs(float(spike_synchrony(**shifted, width="50 ms", pairs=[[0], [1]]).sttc[0]) - 1.0) < 1e-12
    alone = poisson(5.0, 1000.0, 2, seed=1)
    assert abs(float(spike_synchrony(**alone, width="50 ms", pairs=[[0], [1]]).sttc[0])) < 0.02
    apart = trains(np.arange(5.0), np.arange(5.0) + 0.5, duration=4.5)
    found = spike_synchrony(**apart, width="50 ms", pairs=[[0], [1]])
    assert abs(float(found.sttc[0]) + 0.10) < 0.005


def test_a_tile_over_the_whole_record_gives_one() -> None:
    given = trains([0.5], [0.5], duration=1.0)
    np.testing.assert_array_equal(spike_synchrony(**given, width="2 s").sttc, 1.0)


def test_tiling_keeps_its_width_late_in_a_long_record() -> None:
    given = trains([5000.0], [5000.02], duration=10_000.0)  # 20 ms apart, with a tile of 5 ms
    found = spike_synchrony(**given, width="5 ms", pairs=[[0], [1]])
    assert float(found.sttc[0]) < 0


def products(a: np.ndarray, b: np.ndarray, tau: float) -> float:
    return float(np.exp(-np.abs(a[:, None] - b) / tau).sum())


@pytest.mark.parametrize("tau", [1e-5, 1e-3, 0.02, 5.0])  # from 2000 blocks of the kernel to a part of one
def test_coincidence_and_van_rossum_are_sums_over_pairs_of_spikes(tau: float) -> None:
    given = poisson(8.0, 12.0, 4, seed=4)
    given["source"][::7] = given["source"][3]  # spikes at the same time
    parts = split(given)
    found = spike_synchrony(**given, width=f"{tau} s", kind="coincidence").coincidence
    distance = van_rossum_distance(**given, tau=f"{tau} s").distance
    for p, (i, j) in enumerate(zip(found.pre.values, found.post.values, strict=True)):
        a, b = parts[i], parts[j]
        own = products(a, a, tau), products(b, b, tau)
        assert math.isclose(float(found[p]), products(a, b, tau) / math.sqrt(own[0] * own[1]), rel_tol=1e-11)
        square = own[0] + own[1] - 2 * products(a, b, tau)
        assert math.isclose(float(distance[p]) ** 2, max(square, 0.0), rel_tol=1e-10, abs_tol=1e-9)


def test_coincidence_is_the_synchrony_of_traces_on_a_fine_grid() -> None:
    given = poisson(20.0, 2.0, 3, seed=5)
    given["source"] = np.sort(given["source"] * 0.8)  # traces die out within the record
    spikes = {"exc": {"time": given["source"], "neuron": given["neuron"], "n": 3}}
    rec = Recording.build(source="numba", spikes=spikes, duration=2.0)
    exact = spike_synchrony(rec, width="20 ms", kind="coincidence").coincidence
    traces = spike_traces(rec, dt="0.2 ms", tau="20 ms", trial="2 s")
    coarse = synchrony(traces, kind="cosine", every=10_000)
    np.testing.assert_array_equal(exact.pre, coarse.pre)
    np.testing.assert_allclose(exact, coarse.values[0, 0], atol=5e-3)
    np.testing.assert_allclose(synchrony_matrix(exact), synchrony_matrix(coarse)[0, 0], atol=5e-3)


def test_van_rossum_of_one_pair_of_spikes() -> None:
    given = trains([0.2], [0.23], [], [0.2], duration=1.0)
    found = synchrony_matrix(van_rossum_distance(**given, tau="10 ms").distance).values
    assert math.isclose(found[0, 1], math.sqrt(2 * (1 - math.exp(-3))), rel_tol=1e-13)
    assert found[0, 2] == 1.0 and found[2, 2] == 0.0 and found[0, 3] == 0.0


def purpura(a: np.ndarray, b: np.ndarray, q: float) -> float:
    """The table of Victor and Purpura, one entry after the other."""
    table = np.zeros((a.size + 1, b.size + 1))
    table[:, 0], table[0] = np.arange(a.size + 1), np.arange(b.size + 1)
    for i, j in itertools.product(range(1, a.size + 1), range(1, b.size + 1)):
        table[i, j] = min(
            table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + q * abs(a[i - 1] - b[j - 1])
        )
    return float(table[-1, -1])


@pytest.mark.parametrize("q", [0.0, 0.1, 3.0, 20.0, 500.0])
def test_victor_purpura_is_the_full_table(q: float) -> None:
    given = poisson(9.0, 3.0, 6, seed=6)
    given["source"][::5] = given["source"][1]
    parts = split(given)
    found = victor_purpura_distance(**given, cost=f"{q} Hz")
    for p, (i, j) in enumerate(zip(found.pre.values, found.post.values, strict=True)):
        assert math.isclose(float(found.distance[p]), purpura(parts[i], parts[j], q), abs_tol=1e-10)


def test_victor_purpura_goes_from_the_difference_of_counts_to_their_sum() -> None:
    given = poisson(9.0, 3.0, 4, seed=7)
    count = np.bincount(given["neuron"])
    free = synchrony_matrix(victor_purpura_distance(**given, cost="0 Hz").distance)
    np.testing.assert_array_equal(free, np.abs(count[:, None] - count))
    steep = synchrony_matrix(victor_purpura_distance(**given, cost=math.inf).distance)
    np.testing.assert_array_equal(steep, (count[:, None] + count) * (1 - np.eye(4)))


@pytest.mark.parametrize("seed", range(3))
def test_distances_are_distances(seed: int) -> None:
    given = poisson(6.0, 2.0, 7, seed=seed)
    for found in (
        van_rossum_distance(**given, tau="50 ms"),
        victor_purpura_distance(**given, cost="10 Hz"),
    ):
        table = synchrony_matrix(found.distance).values
        assert (np.diagonal(table) == 0).all() and (table[~np.eye(7, dtype=bool)] > 0).all()
        assert (table[:, :, None] <= table[:, None] + table[None] + 1e-9).all()
        assert found["low"] <= found["mean"] <= found["high"]


def test_chi_is_one_for_copies_and_one_over_root_n_for_strangers() -> None:
    times = np.random.default_rng(8).uniform(0, 20, 300)
    copies = trains(*[times] * 5, duration=20.0)
    band = spike_chi(**copies)
    np.testing.assert_allclose([band.low, band.estimate, band.high], 1.0, rtol=1e-9)
    for n in (10, 100):
        band = spike_chi(**poisson(10.0, 30.0, n, seed=n))
        assert abs(band.estimate * math.sqrt(n) - 1.0) < 0.08
        assert band.low < 1 / math.sqrt(n) < band.high


def test_chi_is_that_of_the_traces() -> None:
    given = poisson(15.0, 4.0, 6, seed=9)
    spikes = {"exc": {"time": given["source"], "neuron": given["neuron"], "n": 6}}
    rec = Recording.build(source="numba", spikes=spikes, duration=4.0)
    traces = spike_traces(rec, dt="1 ms", tau="10 ms", trial="4 s")
    assert math.isclose(spike_chi(rec).estimate, float(golomb_chi(traces)[0]), rel_tol=1e-9)


def test_correlations_are_those_of_numpy() -> None:
    given = poisson(20.0, 30.0, 5, seed=10)
    counts = spike_counts(**given, bin_width="50 ms").values
    found = synchrony_matrix(count_correlation(**given).correlation)
    np.testing.assert_allclose(found, np.corrcoef(counts.T), atol=1e-12)
    band = count_correlation(**given, kind="covariance")
    np.testing.assert_allclose(synchrony_matrix(band.covariance), np.cov(counts.T), atol=1e-12)
    assert band["low"] <= band["mean"] <= band["high"]


def test_a_shared_source_makes_the_expected_correlation() -> None:
    shared, own = poisson(10.0, 400.0, 1, seed=11), poisson(10.0, 400.0, 8, seed=12)
    parts = [np.r_[shared["source"], times] for times in split(own)]
    found = count_correlation(**trains(*parts, duration=400.0))
    assert abs(float(found["mean"]) - 0.5) < 0.03  # half of the spikes of each are those of the source


def test_a_histogram_shows_who_comes_first() -> None:
    given = poisson(10.0, 20.0, 1, seed=13)
    times = np.round(given["source"][given["source"] < 19.9], 3)
    both = trains(times, times + 0.007, duration=20.0)
    found = cross_correlation_histogram(**both, pairs=[[0], [1]], window="20 ms")
    assert math.isclose(float(found.lag[np.argmax(found["count"].values[0])]), 0.007)
    turned = cross_correlation_histogram(**both, pairs=[[1], [0]], window="20 ms")
    np.testing.assert_array_equal(found["count"][0], turned["count"][0, ::-1])
    flat = cross_correlation_histogram(**poisson(10, 400, 2, seed=14), scale="corrected", bin_width="10 ms")
    expected = 10.0 * 10.0 * 400.0 * 0.01
    assert abs(float(flat.corrected.sel(unit=1).mean()) / expected - 1) < 0.1


def test_how_rates_are_distributed() -> None:
    given = trains(np.arange(0, 10, 0.5), np.arange(0, 10, 0.1), [], duration=10.0)
    found = rate_distribution(**given, bins=[0, 1, 5, 10])
    np.testing.assert_allclose(found.share, [1 / 3, 1 / 3, 1 / 3])
    value = found.value
    assert value.sel(measure="mean") == 4.0 and value.sel(measure="median") == 2.0
    assert math.isclose(float(value.sel(measure="silent")), 1 / 3)
    assert math.isclose(float(value.sel(measure="gini")), 5 / 9)  # sum of |a - b| over pairs, over 2 n^2 mean
    assert (found.low <= value).all() and (value <= found.high).all()
    assert (found.share_low <= found.share).all() and (found.share <= found.share_high).all()


def test_a_recording_a_table_and_arrays_give_the_same_in_any_order() -> None:
    given = poisson(10.0, 10.0, 4, seed=15)
    rec = Recording.build(
        source="numba",
        spikes={"exc": {"time": given["source"], "neuron": given["neuron"], "n": 4}},
        duration=10.0,
    )
    order = np.random.default_rng(0).permutation(given["source"].size)
    mixed = given | {"source": given["source"][order], "neuron": given["neuron"][order]}
    calls: list[tuple[Any, dict[str, Any]]] = [
        (local_variation, {}),
        (fano_factor, {}),
        (rate_distribution, {}),
        (spike_synchrony, {"width": "5 ms"}),
        (count_correlation, {}),
        (cross_correlation_histogram, {}),
        (van_rossum_distance, {"tau": "10 ms"}),
        (victor_purpura_distance, {"cost": "10 Hz"}),
    ]
    for call, options in calls:
        arrays = untimed(mixed) if call is local_variation else mixed
        expected = call(**arrays, **options)
        xr.testing.assert_identical(call(rec, **options), expected)
        xr.testing.assert_identical(call(rec.spikes("exc"), **options), expected)


def test_a_part_of_a_recording_counts_from_its_own_start() -> None:
    given = poisson(10.0, 10.0, 3, seed=16)
    rec = Recording.build(
        source="numba",
        spikes={"exc": {"time": given["source"], "neuron": given["neuron"], "n": 3}},
        duration=10.0,
    )
    part = rec.select(time=("4 s", "6 s"))
    kept = (given["source"] >= 4) & (given["source"] < 6)
    arrays = {
        "source": given["source"][kept] - 4,
        "neuron": given["neuron"][kept],
        "n_neurons": 3,
        "duration": 2.0,
    }
    xr.testing.assert_allclose(spike_synchrony(part, width="20 ms"), spike_synchrony(**arrays, width="20 ms"))
    xr.testing.assert_allclose(fano_factor(part), fano_factor(**arrays))


def test_the_interval_over_neurons_covers_the_mean_of_other_neurons() -> None:
    rng, hits = np.random.default_rng(17), 0
    for k in range(100):
        own = rng.normal(size=25)
        i, j = np.triu_indices(25, 1)
        values = xr.DataArray(
            own[i] + own[j], dims="unit", coords={"pre": ("unit", i), "post": ("unit", j)}
        )  # pairs share neurons: taken as independent, the interval would hold 0 in about 40 % of the cases
        band = neuron_interval(values, level=0.9, seed=k)
        hits += band.low <= 0 <= band.high
    assert 80 <= hits <= 98


def test_a_single_neuron_has_no_interval_over_neurons() -> None:
    band = neuron_interval(rates([0.1, 0.2], duration="1 s"))
    assert band.estimate == 2.0 and math.isnan(band.low) and math.isnan(band.high) and band.n == 1


@hypothesis.given(
    seed=st.integers(0, 10**6), n=st.integers(2, 5), rate=st.floats(0.3, 40.0), width=st.floats(1e-4, 3.0)
)
@hypothesis.settings(max_examples=100, deadline=None)
def test_ranges_and_symmetries(seed: int, n: int, rate: float, width: float) -> None:
    one = poisson(rate, 2.0, n, seed=seed)
    if not one["source"].size:
        return
    back = one | {"source": 2.0 - one["source"]}
    slow = one | {"source": one["source"] * 8.0, "duration": 16.0}
    for kind in ("sttc", "coincidence"):
        found = spike_synchrony(**one, width=f"{width!r} s", kind=kind)[kind].values
        known = found[~np.isnan(found)]
        low = -1.0 if kind == "sttc" else 0.0
        assert (known >= low - 1e-12).all() and (known <= 1.0 + 1e-12).all()
        for other, span in ((back, width), (slow, width * 8.0)):
            same = spike_synchrony(**other, width=f"{span!r} s", kind=kind)[kind].values
            np.testing.assert_allclose(same, found, rtol=1e-9, atol=1e-9)
    count = np.bincount(one["neuron"], minlength=n)
    distance = victor_purpura_distance(**one, cost=f"{1 / width!r} Hz").distance
    i, j = distance.pre.values, distance.post.values
    assert (distance >= np.abs(count[i] - count[j]) - 1e-9).all()
    assert (distance <= count[i] + count[j] + 1e-9).all()
    again = victor_purpura_distance(**slow, cost=f"{1 / width / 8!r} Hz").distance
    np.testing.assert_allclose(again, distance, atol=1e-8)


def test_a_gaussian_has_unit_area_and_looks_both_ways() -> None:
    times = np.arange(-200, 201) * 1e-3 + 1.0
    rate = filtered_rates([1.0], times=times, tau="20 ms", model="gaussian")
    assert math.isclose(float(rate.sum()) * 1e-3, 1.0, rel_tol=1e-5) and rate.attrs["units"] == "Hz"
    np.testing.assert_allclose(rate.values, rate.values[::-1], rtol=1e-9)
    assert math.isclose(float(rate[220, 0]), math.exp(-0.5) / (0.02 * math.sqrt(2 * math.pi)), rel_tol=1e-9)


def test_chi_of_a_record_that_is_mostly_silent_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        band = spike_chi([1.0], duration="1 s")  # most resamples of the pieces hold no spike
    assert (band.estimate, band.low, band.high) == pytest.approx((1.0, 1.0, 1.0))


def test_a_rate_is_of_the_record():
    late = Recording.build(
        source="x", spikes={"exc": {"time": [5.25, 5.5], "neuron": [1, 1], "n": 2}}, start=5.0, duration=1.0
    )
    assert rates(late).values.tolist() == [0.0, 2.0]
    with pytest.raises(RecordingError, match=r"time = 7\.5: must be from 0 to 2 s"):
        rates([0.1, 7.5], duration="2 s")
