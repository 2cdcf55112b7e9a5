"""Rates, interval statistics and filtered rates against processes of known statistics."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from arcuate.analysis import filtered_rates, isi_cv, rates, spike_counts, summary
from arcuate.errors import SpecError


def poisson(rate: float, duration: float, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    counts = rng.poisson(rate * duration, size=n)
    return rng.uniform(0, duration, counts.sum()), np.repeat(np.arange(n), counts)


def recording(time, neuron, n, duration, trial=None):
    columns = {"time": ("spike", time), "neuron": ("spike", neuron)}
    if trial is not None:
        columns["trial"] = ("spike", trial)
    table = xr.Dataset(columns, attrs={"n_neurons": n})
    return SimpleNamespace(
        spikes={"exc": table}.__getitem__, populations=["exc"], outcome={"duration": duration}
    )


def test_rates_count_spikes_and_know_the_silent():
    result = rates([0.5, 1.0, 1.5, 0.1], neuron=[2, 2, 2, 0], n_neurons=4, duration="2 s")
    assert result.dims == ("neuron",)
    assert result.attrs["units"] == "Hz"
    np.testing.assert_array_equal(result, [0.5, 0.0, 1.5, 0.0])


def test_counts_fall_into_bins_by_their_beginnings():
    step = 1e-4 * np.arange(3000)  # every tick of 0.1 ms: rounding must move no spike into the bin before
    table = spike_counts(step, bin_width="1 ms", duration="0.3 s")
    assert table.shape == (300, 1) and (table == 10).all()
    short = spike_counts([0.01, 0.29], neuron=[1, 1], n_neurons=3, bin_width="40 ms", duration=0.3)
    assert short.shape == (7, 3) and short.sum() == 1 and short.values[0, 1] == 1
    time, neuron = poisson(20.0, 50.0, 8)
    counts = spike_counts(recording(time, neuron, 8, 50.0), bin_width="50 ms")
    np.testing.assert_allclose(
        counts.sum("time") / 50.0, rates(time, neuron=neuron, n_neurons=8, duration=50.0)
    )


@pytest.mark.parametrize("width", ["2 s", "0 s", "-1 ms", 5, "3 mV", None])
def test_a_bin_is_a_time_and_no_longer_than_the_record(width):
    with pytest.raises(SpecError, match="bin_width"):
        spike_counts([0.5], bin_width=width, duration="1 s")


def test_a_recording_and_its_arrays_give_the_same():
    time, neuron = poisson(20.0, 50.0, 8)
    rec = recording(time, neuron, 8, 50.0)
    arrays = {"neuron": neuron, "n_neurons": 8}
    xr.testing.assert_identical(rates(rec), rates(time, duration="50 s", **arrays))
    xr.testing.assert_identical(isi_cv(rec, "exc"), isi_cv(time, **arrays))
    grid = np.arange(0, 50, 0.5)
    xr.testing.assert_identical(filtered_rates(rec, times=grid), filtered_rates(time, times=grid, **arrays))


def test_poisson_trains_have_cv_one_and_their_rate():
    time, neuron = poisson(20.0, 500.0, 20)
    cv = isi_cv(time, neuron=neuron, n_neurons=20)
    assert float(cv.mean()) == pytest.approx(1.0, abs=0.01)
    assert float(rates(time, neuron=neuron, n_neurons=20, duration=500.0).mean()) == pytest.approx(
        20, rel=0.02
    )


def test_gamma_intervals_have_the_cv_of_their_shape():
    rng = np.random.default_rng(1)
    time = np.cumsum(rng.gamma(4.0, 0.01, size=(10, 5000)), axis=1)
    cv = isi_cv(time.ravel(), neuron=np.repeat(np.arange(10), 5000), n_neurons=10)
    np.testing.assert_allclose(cv, 0.5, rtol=0.05)


def test_cv_needs_five_intervals():
    five, six = np.arange(5) * 0.1, np.arange(6) * 0.1
    time, neuron = np.r_[five, six], np.r_[np.zeros(5, int), np.ones(6, int)]
    cv = isi_cv(time, neuron=neuron, n_neurons=3)
    assert np.isnan(cv[0])
    assert float(cv[1]) == pytest.approx(0.0, abs=1e-12)
    assert np.isnan(cv[2])
    assert not np.isnan(isi_cv(time, neuron=neuron, n_neurons=3, min_intervals=4)[0])


def test_cv_is_sd_over_mean_whatever_the_order_of_the_spikes():
    rng = np.random.default_rng(2)
    time = np.sort(rng.uniform(0, 10, 40))
    interval = np.diff(time)
    order = rng.permutation(40)
    assert float(isi_cv(time[order])[0]) == pytest.approx(interval.std() / interval.mean(), rel=1e-12)


def test_time_that_starts_again_in_each_trial_makes_no_interval_across():
    train = np.array([0.1, 0.3, 0.4, 0.8])
    trial = np.repeat([0, 1, 2], 4)
    cv = isi_cv(np.tile(train, 3), neuron=np.zeros(12, int), n_neurons=1, trial=trial)
    interval = np.tile(np.diff(train), 3)
    assert float(cv[0]) == pytest.approx(interval.std() / interval.mean(), rel=1e-12)
    on = isi_cv(np.r_[train, train + 1, train + 2], neuron=np.zeros(12, int), n_neurons=1, trial=trial)
    interval = np.diff(np.r_[train, train + 1, train + 2])
    assert float(on[0]) == pytest.approx(interval.std() / interval.mean(), rel=1e-12)


@pytest.mark.parametrize("model", ["exponential", "two_stage", "double_exponential"])
def test_rates_through_a_filter_have_unit_area(model):
    tau = ("2 ms", "20 ms") if model == "double_exponential" else "30 ms"
    grid = np.arange(0.0, 2.0, 1e-4)
    trace = filtered_rates([0.1, 0.5], times=grid, tau=tau, model=model)
    assert trace.attrs["units"] == "Hz"
    assert float(trace.sum()) * 1e-4 == pytest.approx(2.0, rel=2e-3)
    assert np.all(trace[grid < 0.1] == 0)


def test_discrete_filter_is_the_recursion_of_the_engines():
    """S2: rs = e rs, r = e r + (1 - e) rs; S5: rs += 1 for a spike of this step; sampled after."""
    dt, tau, n_steps, n = 0.5e-3, 30e-3, 4000, 3
    raster = np.random.default_rng(3).random((n_steps, n)) < 0.02
    step, neuron = np.nonzero(raster)
    e = np.exp(-dt / tau)
    rs, r, single = np.zeros((3, n))
    expected, expected_single = np.zeros((n_steps, n)), np.zeros((n_steps, n))
    for k in range(n_steps):
        rs = e * rs
        r = e * r + (1 - e) * rs
        single = e * single + raster[k]
        rs = rs + raster[k]
        expected[k], expected_single[k] = r, single
    every = np.arange(0, n_steps, 20)
    given = {"neuron": neuron, "n_neurons": n, "scale": "trace", "dt": "0.5 ms"}
    two = filtered_rates(step * dt, times=every * dt, tau="30 ms", model="two_stage", **given)
    one = filtered_rates(step * dt, times=every * dt, tau="30 ms", model="exponential", **given)
    np.testing.assert_allclose(two, expected[every], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(one, expected_single[every], rtol=1e-9, atol=1e-12)


def test_many_spikes_are_filtered_in_pieces_without_a_seam():
    time, neuron = poisson(100.0, 30.0, 40, seed=4)  # more spike-sample pairs than one piece holds
    grid = np.arange(0, 30, 0.01)
    whole = filtered_rates(time, neuron=neuron, n_neurons=40, times=grid)
    for k in (0, 17, 39):
        alone = filtered_rates(time[neuron == k], times=grid)
        np.testing.assert_allclose(whole[:, k], alone[:, 0], rtol=1e-10, atol=1e-10)
    assert float(whole[100:].mean()) == pytest.approx(100, rel=0.03)


def test_summary_of_known_populations():
    regular = np.tile(np.arange(0, 10, 0.1), 2)
    rec = recording(regular, np.repeat([0, 1], 100), 4, 10.0)
    table = summary(rec).sel(population="exc")
    assert float(table.rate_mean) == pytest.approx(5.0)
    assert float(table.rate_median) == pytest.approx(5.0)
    assert float(table.silent) == 0.5
    assert float(table.gini) == pytest.approx(0.5)
    assert float(table.cv) == pytest.approx(0.0, abs=1e-12)


def test_a_silent_population_is_an_answer_not_an_error():
    rec = recording(np.empty(0), np.empty(0, int), 5, 10.0)
    assert np.all(rates(rec) == 0)
    assert np.isnan(isi_cv(rec)).all()
    assert np.all(filtered_rates(rec, times=np.array([0.0, 1.0])) == 0)
    table = summary(rec)
    assert float(table.silent[0]) == 1.0
    assert np.isnan(table.cv[0])
