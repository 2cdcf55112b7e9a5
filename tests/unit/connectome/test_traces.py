"""Traces: animals by neurons by times, whatever they come from, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import xarray as xr

from arcuate.connectome import as_traces, to_recording
from arcuate.errors import ArcuateWarning, SpecError, UnknownNameError
from arcuate.recording import Recording

RNG = np.random.default_rng(7)
ONE = RNG.standard_normal((3, 50))
TWO = RNG.standard_normal((3, 50))
NAMES = ["AVA", "AWB", "RIM"]
WAY = {"dims": ("neuron", "time"), "rate_hz": 4.0}


def test_an_array_gets_names_and_times() -> None:
    traces = as_traces(ONE, labels=NAMES, animals=["w1"], units="dF/F", **WAY)
    assert traces.dims == ("animal", "neuron", "time")
    assert traces.dtype == np.float64
    assert traces.attrs == {"units": "dF/F", "rate_hz": 4.0}
    np.testing.assert_array_equal(traces.sel(animal="w1", neuron="RIM"), ONE[2])
    np.testing.assert_array_equal(traces["time"], np.arange(50) / 4.0)


@pytest.mark.parametrize(
    ("data", "dims"),
    [
        (ONE, ("neuron", "time")),
        (ONE.T, ("time", "neuron")),
        (ONE[None], ("animal", "neuron", "time")),
        (ONE.T[:, None], ("time", "animal", "neuron")),
        (ONE.T[:, None].tolist(), ("time", "animal", "neuron")),
        (ONE.tolist(), ("neuron", "time")),
        ([ONE], ("neuron", "time")),
        ({"0": ONE}, ("neuron", "time")),
    ],
    ids=["nt", "tn", "ant", "tan", "nested", "lists", "list", "mapping"],
)
def test_orientation_is_what_dims_say(data: Any, dims: tuple[str, ...]) -> None:
    traces = as_traces(data, dims=dims, rate_hz=4.0, labels=NAMES)
    xr.testing.assert_identical(traces, as_traces(ONE, labels=NAMES, **WAY))


def test_a_square_array_is_read_as_it_is_said_not_as_it_looks() -> None:
    square = RNG.standard_normal((4, 4))
    across = as_traces(square, dims=("time", "neuron"), rate_hz=1.0)
    np.testing.assert_array_equal(across[0], square.T)


def test_a_data_array_is_transposed_by_name() -> None:
    array = xr.DataArray(
        ONE.T, dims=("time", "neuron"), coords={"neuron": NAMES, "time": np.arange(50) / 4 + 10.0}
    )
    traces = as_traces(array)
    np.testing.assert_array_equal(traces[0], ONE)
    assert traces.attrs["rate_hz"] == 4.0
    assert float(traces["time"][0]) == 10.0


def test_what_went_in_once_goes_in_again_unchanged() -> None:
    start = xr.DataArray(
        ONE, dims=("neuron", "time"), coords={"time": 0.1 + 0.6 * np.arange(50)}, attrs={"units": "z"}
    )
    once = as_traces(start)
    xr.testing.assert_identical(once, as_traces(once))
    xr.testing.assert_identical(as_traces(as_traces(once)), once)


def test_a_recording_goes_in_and_comes_out(tmp_path: Any) -> None:
    traces = as_traces(
        [ONE, TWO], labels=[NAMES, ["AVA", "RIM", "ASE"]], neurons="union", units="dF/F", **WAY
    )
    events = {"stimulus": ["NaCl"], "time": [2.0], "stop": [4.0]}
    file = to_recording(traces, source="test", events=events).save(tmp_path / "traces.nc")
    recording = Recording.load(file)
    xr.testing.assert_identical(as_traces(recording), traces)
    assert recording.events["stimulus"].values.tolist() == ["NaCl"]
    assert recording.duration == pytest.approx(12.5)


def test_states_of_a_run_are_traces_by_number() -> None:
    states = {"exc": {"v": (ONE.T[None], ("trial", "time", "unit"), {"time": np.arange(50) * 1e-3}, "V")}}
    traces = as_traces(Recording.build(source="numba", states=states))
    assert traces["neuron"].values.tolist() == ["0", "1", "2"]
    assert traces.attrs == {"units": "V", "rate_hz": 1000.0}


def test_several_recordings_become_several_animals() -> None:
    single = [to_recording(as_traces(data, labels=NAMES, **WAY)) for data in (ONE, TWO)]
    traces = as_traces(single, animals=["w1", "w2"])
    np.testing.assert_array_equal(traces, np.stack([ONE, TWO]))
    named = as_traces(dict(zip(["w1", "w2"], single, strict=True)))
    xr.testing.assert_identical(named, traces)


class TestNeuronsThatDiffer:
    LABELS = (["AVA", "AWB", "RIM"], ["RIM", "ASE", "AVA"])

    def test_it_must_be_said_what_to_do(self) -> None:
        with pytest.raises(SpecError, match=r"'0' lacks ASE.*neurons=\"union\".*neurons=\"intersection\""):
            as_traces([ONE, TWO], labels=self.LABELS, **WAY)

    def test_union_leaves_nan_where_one_is_missing(self) -> None:
        traces = as_traces([ONE, TWO], labels=self.LABELS, neurons="union", **WAY)
        assert traces["neuron"].values.tolist() == ["AVA", "AWB", "RIM", "ASE"]
        missing = np.isnan(traces).all("time").values.tolist()
        assert missing == [[False, False, False, True], [False, True, False, False]]
        np.testing.assert_array_equal(traces.sel(neuron="AVA"), [ONE[0], TWO[2]])

    def test_intersection_keeps_what_all_have(self) -> None:
        traces = as_traces([ONE, TWO], labels=self.LABELS, neurons="intersection", **WAY)
        assert traces["neuron"].values.tolist() == ["AVA", "RIM"]
        np.testing.assert_array_equal(traces, [ONE[[0, 2]], TWO[[2, 0]]])
        union = as_traces([ONE, TWO], labels=self.LABELS, neurons="union", **WAY)
        xr.testing.assert_identical(as_traces(union, neurons="intersection"), traces)

    def test_the_same_names_in_another_order_need_no_word(self) -> None:
        traces = as_traces([ONE, TWO], labels=[NAMES, NAMES[::-1]], **WAY)
        np.testing.assert_array_equal(traces[1], TWO[::-1])

    def test_none_in_common(self) -> None:
        with pytest.raises(SpecError, match="no neuron is in every animal"):
            as_traces([ONE, TWO], labels=[NAMES, list("abc")], neurons="intersection", **WAY)


class TestTimes:
    def test_uneven_times_are_interpolated_and_it_is_said(self) -> None:
        times = np.sort(RNG.uniform(0, 10, 200))
        lines = np.stack([2 * times + 1, -times])
        with pytest.warns(
            ArcuateWarning, match="not uniform; interpolated linearly onto .* samples at 10 Hz"
        ):
            traces = as_traces(lines, dims=("neuron", "time"), times=times, rate_hz=10.0)
        grid = traces["time"].values
        np.testing.assert_allclose(np.diff(grid), 0.1)
        assert times[0] <= grid[0] and grid[-1] <= times[-1] and times[-1] - grid[-1] < 0.1
        np.testing.assert_allclose(traces[0], [2 * grid + 1, -grid], atol=1e-12)

    def test_jitter_far_below_a_step_is_no_reason_to_interpolate(self) -> None:
        times = 0.6 * np.arange(50) + RNG.uniform(-0.002, 0.002, 50)
        traces = as_traces(ONE, dims=("neuron", "time"), times=times)
        np.testing.assert_array_equal(traces[0], ONE)
        np.testing.assert_allclose(np.diff(traces["time"]), np.diff(traces["time"])[0])

    def test_animals_share_the_time_that_all_have(self) -> None:
        times = [np.arange(50) / 4, np.arange(50) / 4 + 2.0]
        with pytest.warns(ArcuateWarning, match="of the animals differ"):
            traces = as_traces([ONE, TWO], dims=("neuron", "time"), times=times)
        assert traces["time"].values[[0, -1]].tolist() == [2.0, 12.25]
        np.testing.assert_allclose(traces, [ONE[:, 8:], TWO[:, :42]])

    def test_another_rate_than_that_of_the_times(self) -> None:
        with pytest.warns(ArcuateWarning, match="a rate of 4 Hz"):
            traces = as_traces(ONE, dims=("neuron", "time"), times=np.arange(50) / 4, rate_hz=2.0)
        np.testing.assert_allclose(traces[0], ONE[:, ::2])

    def test_a_missing_neuron_stays_missing_when_interpolated(self) -> None:
        data = ONE.copy()
        data[1] = np.nan
        with pytest.warns(ArcuateWarning):
            traces = as_traces(data, dims=("neuron", "time"), times=np.arange(50) ** 1.1)
        assert np.isnan(traces[0]).all("time").values.tolist() == [False, True, False]


class TestHoles:
    def test_short_ones_are_filled_on_demand(self) -> None:
        data = np.tile(np.arange(50.0), (3, 1))
        holes = data.copy()
        holes[0, 10:13] = holes[1, 40] = np.nan
        traces = as_traces(holes, fill_s=0.75, **WAY)
        np.testing.assert_allclose(traces[0], data)

    def test_at_an_end_the_nearest_value_holds(self) -> None:
        data = ONE.copy()
        data[0, :2] = np.nan
        assert (as_traces(data, fill_s=1.0, **WAY)[0, 0, :2] == ONE[0, 2]).all()

    @pytest.mark.parametrize("fill_s", [0.0, 0.5])
    def test_longer_ones_are_refused_by_name(self, fill_s: float) -> None:
        data = ONE.copy()
        data[1, 20:23] = np.nan
        with pytest.raises(SpecError, match=r"'AWB' of animal '0' has 3 NaN in a row from 5 s.*fill_s=0\.75"):
            as_traces(data, labels=NAMES, fill_s=fill_s, **WAY)

    def test_or_leave_the_neuron_out(self) -> None:
        data = ONE.copy()
        data[1, 20:23] = np.nan
        traces = as_traces([data, TWO], labels=NAMES, bad="drop", **WAY)
        assert np.isnan(traces).any("time").values.tolist() == [[False, True, False], [False] * 3]
        assert np.isnan(traces[0, 1]).all()

    def test_the_data_given_are_not_written_to(self) -> None:
        data = ONE.copy()
        data[1, 20] = np.nan
        before = data.copy()
        as_traces(data, fill_s=1.0, **WAY)
        np.testing.assert_array_equal(data, before)


def test_counts_of_spikes_are_warned_of() -> None:
    counts = RNG.poisson(0.2, (3, 200))
    with pytest.warns(ArcuateWarning, match=re.escape("arcuate.connectome.fluorescence")):
        as_traces(counts, **WAY)


def test_whole_numbers_of_a_camera_are_not_counts() -> None:
    assert as_traces(RNG.integers(100, 4000, (3, 50)), **WAY).dtype == np.float64


def _with(index: Any, value: float) -> np.ndarray:
    data = ONE.copy()
    data[index] = value
    return data


BAD: dict[str, tuple[Any, dict[str, Any], str]] = {
    "no axes": (ONE, {"rate_hz": 4.0}, r"\(3, 50\) have no names.*never guessed"),
    "two axes for three": (ONE[None], WAY, "must name each axis"),
    "unknown axis": (ONE, {"dims": ("cell", "time"), "rate_hz": 1.0}, "must name each axis"),
    "no rate": (ONE, {"dims": WAY["dims"]}, "rate_hz.*is needed.*Give rate_hz"),
    "rate of zero": (ONE, {**WAY, "rate_hz": 0.0}, r"rate_hz = 0\.0: must be > 0 Hz.*give times"),
    "rate below zero": (ONE, {**WAY, "rate_hz": -1.0}, "must be > 0 Hz"),
    "rate of NaN": (ONE, {**WAY, "rate_hz": np.nan}, "must be finite"),
    "transposed, by names": (ONE.T, {**WAY, "labels": NAMES}, "must be 50 names.*axes may be swapped"),
    "transposed, by times": (ONE.T, {"dims": WAY["dims"], "times": np.arange(50)}, "axes may be swapped"),
    "times too few": (ONE, {"dims": WAY["dims"], "times": np.arange(49)}, "must be 50 numbers"),
    "times fall": (ONE, {"dims": WAY["dims"], "times": [*range(49), 47]}, "ascend, at index 49"),
    "times of NaN": (ONE, {"dims": WAY["dims"], "times": [np.nan, *range(49)]}, "finite.*at index 0"),
    "times apart": (
        [ONE, TWO],
        {"dims": WAY["dims"], "times": [np.arange(50), np.arange(50) + 99]},
        "overlap",
    ),
    "infinite": (_with((1, 4), np.inf), WAY, r"finite or NaN, at index \(1, 4\)"),
    "constant": (_with(1, 2.0), {**WAY, "labels": NAMES}, "'AWB' of animal '0' never changes.*bad=\"drop\""),
    "nothing but NaN": (ONE * np.nan, WAY, "every value is NaN"),
    "a name twice": (ONE, {**WAY, "labels": ["a", "a", "b"]}, r"each neuron once"),
    "animals too many": (ONE, {**WAY, "animals": ["a", "b"]}, "must be 1 names"),
    "animals twice": ([ONE, TWO], {**WAY, "animals": ["a", "a"]}, "each once"),
    "text": ([["a", "b"]], WAY, "must hold real numbers"),
    "ragged": ([[1.0, 2.0], [1.0]], WAY, "regular array"),
    "complex": (ONE * 1j, WAY, "must hold real numbers"),
    "one sample": (ONE[:, :1], WAY, "at least 2 samples"),
    "no neuron": (ONE[:0], WAY, "must hold a neuron"),
    "no animal": ([], WAY, "at least one animal"),
    "text alone": ("traces.csv", WAY, "must be an array"),
    "lists for other animals": ([ONE, TWO], {**WAY, "labels": [NAMES] * 3}, "one for each of the 2 animals"),
    "wrong way with neurons": (ONE, {**WAY, "neurons": "all"}, "unknown neurons 'all'"),
    "wrong way with bad ones": (ONE, {**WAY, "bad": "keep"}, "unknown bad 'keep'"),
    "other dims": (xr.DataArray(ONE, dims=("cell", "frame")), {"rate_hz": 1.0}, "rename"),
    "spikes alone": (
        Recording.build(source="x", spikes={"exc": {"time": [0.1], "neuron": [0], "n": 1}}),
        {},
        "no states.*fluorescence",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_by_name(name: str) -> None:
    data, options, message = BAD[name]
    with pytest.raises(SpecError, match=message) as caught:
        as_traces(data, **options)
    assert str(caught.value).count("\n") < 4


def test_a_site_that_is_not_there() -> None:
    recording = to_recording(as_traces(ONE, **WAY))
    with pytest.raises(UnknownNameError, match="traces"):
        as_traces(recording, quantity="trce")
