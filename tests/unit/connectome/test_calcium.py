"""From fluorescence to activity and from spikes to fluorescence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.linalg import toeplitz
from scipy.optimize import nnls

import arcuate as arc
from arcuate import connectome
from arcuate.connectome import as_traces
from arcuate.errors import SpecError, UnknownNameError
from arcuate.recording import Recording

WAY = {"dims": ("neuron", "time"), "rate_hz": 4.0}


def traces(data: Any, **more: Any) -> xr.DataArray:
    return as_traces(data, **{**WAY, **more})


def missing() -> xr.DataArray:
    """Return traces of two animals, the second without the neuron "b"."""
    rng = np.random.default_rng(3)
    data = rng.random((2, 2, 120)) + 1.0
    data[1, 1] = np.nan
    return as_traces(data, dims=("animal", "neuron", "time"), rate_hz=4.0, labels=["a", "b"])


@pytest.mark.parametrize(
    "step",
    [
        connectome.delta_f_over_f,
        connectome.remove_bleaching,
        connectome.normalize,
        lambda x: connectome.smooth(x, sd_s=0.5),
        lambda x: connectome.deconvolve(x, decay_s=1.0)["activity"],
    ],
    ids=["dff", "bleaching", "normalize", "smooth", "deconvolve"],
)
def test_a_missing_neuron_stays_missing_and_others_do_not_care(step: Any) -> None:
    array = missing()
    done = step(array)
    assert np.isnan(done).all("time").values.tolist() == [[False, False], [False, True]]
    assert np.isnan(done).sum() == 120
    alone = step(array.isel(animal=[1], neuron=[0]))
    np.testing.assert_allclose(done.values[1, 0], alone.values[0, 0], rtol=1e-12, atol=1e-12)


class TestDeltaF:
    def test_the_baseline_is_a_percentile_of_the_samples_around(self) -> None:
        data = np.random.default_rng(1).random((2, 100)) + 1.0
        done = connectome.delta_f_over_f(traces(data), percentile=20, window_s=5.0).values[0]
        for t in (0, 3, 50, 99):
            near = data[:, max(t - 10, 0) : t + 11]  # 5 s at 4 Hz, made odd: 21 samples
            base = np.percentile(near, 20, axis=1)
            np.testing.assert_allclose(done[:, t], (data[:, t] - base) / base, rtol=1e-12)

    def test_relative_changes_have_no_baseline(self) -> None:
        data = np.random.default_rng(1).standard_normal((2, 100))
        with pytest.raises(SpecError, match=r"the baseline of neuron '\d' of animal '0' must be > 0.*raw"):
            connectome.delta_f_over_f(traces(data))


class TestBleaching:
    T = np.arange(960) / 4.0

    @pytest.mark.parametrize("tau", [60.0, 200.0])
    def test_the_curve_alone_is_taken_out(self, tau: float) -> None:
        raw = 100.0 * (0.3 + 0.7 * np.exp(-self.T / tau)) + 1e-9 * np.sin(self.T)
        flat = connectome.remove_bleaching(traces(raw[None])).values[0, 0]
        assert np.ptp(flat) / flat.mean() < 0.02
        np.testing.assert_allclose(flat.mean(), raw.mean(), rtol=0.01)

    def test_a_rise_is_no_bleaching(self) -> None:
        raw = 100.0 - 50.0 * np.exp(-self.T / 60.0)
        np.testing.assert_allclose(connectome.remove_bleaching(traces(raw[None])).values[0, 0], raw)

    def test_a_difference_for_relative_changes(self) -> None:
        wave = np.sin(self.T)
        flat = connectome.remove_bleaching(traces((np.exp(-self.T / 60.0) + wave)[None]), by="difference")
        left = flat.values[0, 0] - flat.values.mean()
        assert np.corrcoef(left, wave)[0, 1] > 0.999

    def test_a_curve_through_zero_cannot_be_divided_by(self) -> None:
        with pytest.raises(SpecError, match="the fitted curve"):
            connectome.remove_bleaching(traces((np.exp(-self.T / 60.0) - 0.5)[None]))


class TestDeconvolution:
    @pytest.mark.parametrize("sparsity", [0.0, 2.0])
    @pytest.mark.parametrize("seed", range(5))
    def test_it_is_the_non_negative_least_squares_solution(self, seed: int, sparsity: float) -> None:
        rng = np.random.default_rng(seed)
        decay = np.exp(-1 / (4.0 * 1.5))
        jumps = rng.poisson(0.1, 80) * rng.random(80)
        dense = toeplitz(decay ** np.arange(80), np.zeros(80))
        data = dense @ jumps + 0.2 * rng.standard_normal(80) - 0.1
        found = connectome.deconvolve(traces(data[None]), decay_s=1.5, sparsity=sparsity)
        steps = np.diff(data)
        noise = np.median(np.abs(steps - np.median(steps))) / 0.6744897501960817 / np.sqrt(2)
        shifted = data - np.linalg.solve(dense.T, np.full(80, sparsity * noise))
        exact, _ = nnls(dense, shifted)
        np.testing.assert_allclose(found["activity"].values[0, 0], exact, atol=1e-10)
        np.testing.assert_allclose(found["calcium"].values[0, 0], dense @ exact, atol=1e-10)

    def test_without_noise_the_spikes_come_back(self) -> None:
        rng = np.random.default_rng(2)
        jumps = (rng.random((3, 500)) < 0.05) * rng.uniform(0.5, 2.0, (3, 500))
        dense = toeplitz(np.exp(-np.arange(500) / 8.0), np.zeros(500))
        found = connectome.deconvolve(traces(jumps @ dense.T), decay_s=2.0)
        np.testing.assert_allclose(found["activity"].values[0], jumps, atol=1e-10)

    def test_spikes_of_a_noisy_trace_are_found(self) -> None:
        rng = np.random.default_rng(5)
        trains = [np.sort(rng.uniform(0, 240, 40)) for _ in range(10)]
        shown = connectome.fluorescence(
            trains, rate_hz=10.0, decay_s=1.0, noise=0.15, duration_s=240.0, seed=5
        )
        counts = np.stack([np.histogram(train, np.arange(2401) / 10.0 - 0.1)[0] for train in trains])
        raw = shown.values[0]
        found = connectome.deconvolve(shown, decay_s=1.0, sparsity=2.0)["activity"].values[0]

        def agreement(data: np.ndarray) -> float:
            kernel = np.exp(-0.5 * (np.arange(-6, 7) / 2.0) ** 2)
            near = [[np.convolve(row, kernel, "same") for row in one] for one in (data, counts)]
            return float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(*near, strict=True)]))

        assert agreement(found) > 0.9
        assert agreement(raw) < 0.6

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"decay_s": 0.0}, "decay_s = 0"),
            ({"decay_s": 1.0, "sparsity": -1.0}, "sparsity"),
        ],
        ids=["decay", "sparsity"],
    )
    def test_bad_options(self, options: dict[str, float], message: str) -> None:
        with pytest.raises(SpecError, match=message):
            connectome.deconvolve(missing(), **options)


class TestFluorescence:
    def test_each_spike_counts_from_its_own_time(self) -> None:
        trains = [[0.3, 1.01, 1.02], [2.0]]
        decay, rise = 0.8, 0.1
        shown = connectome.fluorescence(trains, rate_hz=7.0, decay_s=decay, rise_s=rise, duration_s=4.0)
        grid = shown["time"].values
        fine = np.linspace(0, 1, 100_001)
        peak = (np.exp(-fine / decay) - np.exp(-fine / rise)).max()
        for train, row in zip(trains, shown.values[0], strict=True):
            late = grid[:, None] - np.asarray(train)
            shape = np.where(late >= 0, np.exp(-late / decay) - np.exp(-late / rise), 0.0) / peak
            np.testing.assert_allclose(row, shape.sum(1), atol=1e-9)

    def test_a_run_of_our_own_becomes_traces(self) -> None:
        recording = arc.simulate(arc.load_model("izhikevich2003"), "0.5 s", seed=1)
        shown = connectome.fluorescence(recording, rate_hz=20.0, decay_s=0.3, noise=0.05, seed=2)
        assert shown.sizes["time"] == 10
        name = recording.populations[0]
        assert shown["neuron"].values[0] == f"{name}/0"
        assert shown.sizes["neuron"] == sum(recording.n_neurons(each) for each in recording.populations)
        times, neurons = recording.spike_arrays(name)
        busy = int(np.bincount(neurons).argmax())
        quiet = connectome.fluorescence(recording, rate_hz=20.0, decay_s=0.3, population=name).values[0]
        late = shown["time"].values[:, None] - times[neurons == busy]
        np.testing.assert_allclose(
            quiet[busy], np.where(late >= -1e-9, np.exp(-np.maximum(late, 0) / 0.3), 0).sum(1), atol=1e-9
        )

    def test_noise_is_seeded(self) -> None:
        options: dict[str, float] = {"rate_hz": 4.0, "decay_s": 1.0, "duration_s": 100.0, "noise": 0.5}
        one, two, other = (connectome.fluorescence([[]], seed=seed, **options) for seed in (1, 1, 2))
        np.testing.assert_array_equal(one, two)
        assert not np.array_equal(one, other)
        assert float(one.std()) == pytest.approx(0.5, rel=0.1)

    def test_what_it_gives_are_traces(self) -> None:
        shown = connectome.fluorescence([[1.0], [2.0]], rate_hz=4.0, decay_s=1.0, duration_s=5.0)
        xr.testing.assert_identical(as_traces(shown), shown)

    @pytest.mark.parametrize(
        ("spikes", "options", "message"),
        [
            ([[1.0]], {"rate_hz": 0.0}, "rate_hz = 0"),
            ([[1.0]], {"rise_s": 2.0}, "rise_s = 2"),
            ([[1.0]], {"duration_s": None}, "duration_s"),
            ([], {}, "times for each neuron"),
            ([[np.nan]], {}, "times for each neuron"),
            (Recording.build(source="x"), {}, "the recording has none"),
        ],
        ids=["rate", "rise", "duration", "nothing", "nan", "no spikes"],
    )
    def test_bad_input(self, spikes: Any, options: dict[str, Any], message: str) -> None:
        with pytest.raises(SpecError, match=message):
            connectome.fluorescence(spikes, **{"rate_hz": 4.0, "decay_s": 1.0, "duration_s": 5.0, **options})

    def test_a_population_that_is_not_there(self) -> None:
        recording = Recording.build(source="x", spikes={"exc": {"time": [0.1], "neuron": [0], "n": 1}})
        with pytest.raises(UnknownNameError, match="exc"):
            connectome.fluorescence(recording, rate_hz=4.0, decay_s=1.0, population="ex")


def test_smoothing_keeps_the_mean_and_narrows_white_noise_as_theory_says() -> None:
    data = np.random.default_rng(0).standard_normal((1, 20_000))
    done = connectome.smooth(traces(data), sd_s=1.0).values
    assert done.mean() == pytest.approx(data.mean(), abs=0.01)
    assert done.std() == pytest.approx((2 * np.sqrt(np.pi) * 4.0) ** -0.5, rel=0.05)


@pytest.mark.parametrize("by", ["zscore", "range", "peak"])
def test_scales(by: str) -> None:
    rows = connectome.normalize(missing(), by=by).values[0]
    if by == "zscore":
        np.testing.assert_allclose([rows.mean(1), rows.std(1)], [[0, 0], [1, 1]], atol=1e-12)
    elif by == "range":
        np.testing.assert_array_equal([rows.min(1), rows.max(1)], [[0, 0], [1, 1]])
    else:
        np.testing.assert_array_equal(np.abs(rows).max(1), [1, 1])
