"""Writers of other programs' files and objects: what was written is read back, and by those programs too."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io

from arcuate import analysis, io
from arcuate.errors import ArcuateError, ArcuateWarning, FileFormatError, SpecError, UnknownNameError
from arcuate.io._build import traces_recording
from arcuate.io._take import span_of
from arcuate.recording import Recording

DRAW = np.random.default_rng(5)
DATA = DRAW.standard_normal((1, 30, 3))
TIMES = 2.0 + np.arange(30) / 3  # no short decimals
NAMES = ["AVA", "AWB", "RIM"]
SPIKES = {"time": np.sort(DRAW.uniform(2, 12, 40)), "neuron": DRAW.choice([0, 1, 3], 40), "n": 5}
EVENTS = {"stimulus": ["tone", "click"], "time": [3.0, 5.5], "duration": [1.0, 0.25]}


def made(data: np.ndarray = DATA, *, units: str = "mV", **parts: Any) -> Recording:
    """A recording with states, unless told otherwise also spikes and events."""
    animals = [f"worm{k}" for k in range(len(data))]
    coords = {"time": TIMES, "neuron": ("unit", np.array(NAMES)), "animal": ("trial", np.array(animals))}
    states = {"traces": {"trace": (data, ("trial", "time", "unit"), coords, units)}}
    parts = {"states": states, "spikes": {"units": SPIKES}, "events": EVENTS} | parts
    return Recording.build(source="test", start=2.0, duration=10.0, **parts)


def same(found: Recording, wanted: Recording, *, units: str = "mV") -> None:
    """Compare states, names, times and unit."""
    ours, theirs = (recording.states("traces")["trace"] for recording in (found, wanted))
    np.testing.assert_array_equal(ours.values, theirs.values)
    np.testing.assert_allclose(ours["time"].values, TIMES, rtol=1e-14)
    assert ours["neuron"].values.tolist() == NAMES
    assert ours.attrs["units"] == units


@pytest.mark.parametrize("dims", [("time", "neuron"), ("neuron", "time")])
@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_a_table_of_text_comes_back_with_equal_bits(suffix: str, dims: Any, tmp_path: Path) -> None:
    data = DATA.copy()
    data[0, 4, 1], data[0, 5, 2] = np.nan, 1e-300
    recording = made(data)
    file = io.write_csv(recording, tmp_path / f"worm{suffix}", dims=dims)
    mark = "\t" if suffix == ".tsv" else ","
    same(io.read_csv(file, dims=dims, index=True, delimiter=mark, units="mV"), recording)


@pytest.mark.parametrize("dims", [("time", "neuron"), ("neuron", "time")])
def test_parquet_comes_back(dims: Any, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    file = io.write_parquet(made(), tmp_path / "worm.parquet", dims=dims)
    same(io.read_parquet(file, dims=dims, index=dims[0], units="mV"), made())
    assert pd.read_parquet(file).shape == ((30, 4) if dims[0] == "time" else (3, 31))


def test_parquet_of_others_is_read_by_orientation_and_rate(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    file = tmp_path / "other.parquet"
    pd.DataFrame(DATA[0], columns=NAMES).to_parquet(file)
    found = io.read_parquet(file, dims=("time", "neuron"), rate_hz=4.0)
    assert found.states("traces")["neuron"].values.tolist() == NAMES
    assert found.states("traces")["time"].values[1] == 0.25
    turned = io.read_parquet(file, dims=("neuron", "time"), rate_hz=4.0)
    assert dict(turned.states("traces").sizes) == {"trial": 1, "time": 3, "unit": 30}


def test_arrays_of_several_animals_come_back(tmp_path: Path) -> None:
    recording = made(np.concatenate([DATA, DATA + 1]))
    file = io.write_arrays(recording, tmp_path / "worms.npz")
    with np.load(file) as table:
        assert table["dims"].tolist() == ["animal", "time", "neuron"] and str(table["units"]) == "mV"
    found = io.read_arrays(
        file,
        name="traces",
        dims=("animal", "time", "neuron"),
        times="times",
        labels="labels",
        animals="animals",
        units="mV",
    )
    same(found, recording)
    assert found.states("traces")["animal"].values.tolist() == ["worm0", "worm1"]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".npz", ".parquet"])
def test_spikes_come_back_with_equal_bits(suffix: str, tmp_path: Path) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    recording = Recording.build(
        source="x", spikes={"exc": SPIKES | {"trial": np.repeat([0, 1], 20)}}, duration=20.0
    )
    file = io.write_spikes(recording, tmp_path / f"spikes{suffix}")
    found = io.read_spikes(file, trial="trial", population="exc", n_neurons=5, duration=20.0)
    for name in ("time", "neuron", "trial"):
        np.testing.assert_array_equal(found.spikes("exc")[name], recording.spikes("exc")[name])
    assert found.n_neurons("exc") == 5 and found.duration == 20.0


@pytest.mark.parametrize("suffix", [".CSV", ".TSV", ".NPZ", ".Parquet"])
def test_a_suffix_in_capitals_is_the_same_format(suffix: str, tmp_path: Path) -> None:
    if suffix == ".Parquet":
        pytest.importorskip("pyarrow")
    recording = made()
    file = io.write_spikes(recording, tmp_path / f"a{suffix}")
    plain = io.write_spikes(recording, tmp_path / f"b{suffix.lower()}")
    assert file.read_bytes()[:4] == plain.read_bytes()[:4]
    assert file.read_bytes().count(b"\t") == plain.read_bytes().count(b"\t")
    found = io.read_spikes(file)
    np.testing.assert_array_equal(found.spikes("units")["time"], recording.spikes("units")["time"])
    if suffix == ".NPZ":
        arrays = io.write_arrays(recording, tmp_path / f"c{suffix}")
        axes = ("animal", "time", "neuron")
        again = io.read_arrays(
            arrays, name="traces", dims=axes, times="times", labels="labels", units="units"
        )
        same(again, recording)
    assert {entry.name for entry in tmp_path.iterdir()} <= {f"a{suffix}", plain.name, f"c{suffix}"}


def test_a_table_with_tabs_needs_no_delimiter(tmp_path: Path) -> None:
    file = io.write_csv(made(), tmp_path / "worm.tsv")
    same(io.read_csv(file, dims=("time", "neuron"), index=True, units="mV"), made())


@pytest.mark.parametrize("suffix", [".npz", ".h5", ".mat"])
def test_the_unit_of_arrays_may_be_an_array_of_text(suffix: str, tmp_path: Path) -> None:
    table = {"V": DATA[0], "unit": "mV", "two": np.array(["mV", "V"])}
    file = tmp_path / f"cell{suffix}"
    if suffix == ".npz":
        np.savez(file, **table)
    elif suffix == ".mat":
        scipy.io.savemat(file, table)
    else:
        with h5py.File(file, "w") as stream:
            stream["V"], stream["unit"], stream["two"] = DATA[0], "mV", ["mV", "V"]
    options: Any = {"name": "V", "dims": ("time", "neuron"), "rate_hz": 1.0}
    for units, wanted in (("unit", "mV"), ("V", "V"), ("dF/F", "dF/F")):  # "V" is an array of numbers here
        assert io.read_arrays(file, units=units, **options).states("traces")["trace"].attrs["units"] == wanted
    with pytest.raises(FileFormatError, match="one unit"):
        io.read_arrays(file, units="two", **options)


def test_trials_that_are_taken_as_one_are_told(tmp_path: Path) -> None:
    spikes = {"exc": {"time": [0.25, 0.5, 0.25], "neuron": [1, 0, 1], "trial": [0, 0, 1], "n": 3}}
    file = io.write_spikes(Recording.build(source="x", spikes=spikes), tmp_path / "spikes.csv")
    with pytest.warns(ArcuateWarning, match='trial="trial"'):
        assert not io.read_spikes(file).spikes("units")["trial"].values.any()
    assert io.read_spikes(file, trial="trial").spikes("units")["trial"].values.tolist() == [0, 0, 1]


def test_a_record_of_spikes_may_start_late_and_last_a_quantity(tmp_path: Path) -> None:
    file = tmp_path / "spikes.csv"
    file.write_text("time,neuron\n5.25,1\n5.5,0\n6.0,1\n")
    for start, duration in ((5.0, 1.0), ("5 s", "1000 ms")):
        found = io.read_spikes(file, start=start, duration=duration, n_neurons=2)
        assert (found.start, found.duration) == (5.0, 1.0)
        assert analysis.rates(found).values.tolist() == [1.0, 2.0]
    assert io.read_spikes(file, duration="6 s").duration == 6.0
    refused = (
        ({"duration": 1.0}, "duration = 1"),
        ({"start": 5.3, "duration": 1.0}, "start = 5.3"),
        ({"start": 5.0, "duration": "900 ms"}, "duration"),
        ({"duration": "6 mV"}, "duration"),
        ({"duration": float("nan")}, "duration"),
        ({"duration": -1.0}, "duration"),
        ({"start": None}, "start"),
        ({"time": ["time"]}, "must be text"),
        ({"neuron": 0}, "must be text"),
    )
    for options, words in refused:
        with pytest.raises(ArcuateError, match=words):
            io.read_spikes(file, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "time",
    [
        np.array([1 + 1j, 2.0]),
        np.array(["2026-01-01", "2026-01-02"], "datetime64[D]"),
        np.array([True, False]),
    ],
    ids=["complex", "dates", "bool"],
)
def test_times_of_spikes_are_real_numbers(time: np.ndarray, tmp_path: Path) -> None:
    np.savez(tmp_path / "spikes.npz", time=time, neuron=[0, 1])
    with pytest.raises(FileFormatError, match="must hold numbers"):
        io.read_spikes(tmp_path / "spikes.npz")


@pytest.mark.filterwarnings("default")
def test_nwb_comes_back_and_is_valid(tmp_path: Path) -> None:
    pynwb = pytest.importorskip("pynwb")
    recording = made()
    begun = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
    file = io.write_nwb(recording, tmp_path / "worm.nwb", start_time=begun)
    found = io.read_nwb(file)
    same(found, recording)
    assert found.states("traces")["animal"].values.tolist() == ["worm0"]
    np.testing.assert_array_equal(found.spikes("units")["time"], recording.spikes("units")["time"])
    np.testing.assert_array_equal(found.spikes("units")["neuron"], recording.spikes("units")["neuron"])
    assert found.n_neurons("units") == 5
    assert found.events["stimulus"].values.tolist() == ["tone", "click"]
    np.testing.assert_allclose(found.events["duration"], [1.0, 0.25])
    assert not pynwb.validate(path=str(file))
    with pynwb.NWBHDF5IO(str(file), "r") as stream:
        content = stream.read()
        np.testing.assert_array_equal(content.acquisition["traces"].data[:], DATA[0])
        assert content.acquisition["traces"].unit == "mV"
        assert len(content.units) == 5 and content.session_start_time == begun
    for part in ({"states": None}, {"spikes": None, "events": None}):
        again = io.read_nwb(io.write_nwb(made(**part), tmp_path / "part.nwb", overwrite=True))
        assert (again.sites, again.populations) == (made(**part).sites, made(**part).populations)


@pytest.mark.filterwarnings("default")
def test_neo_comes_back() -> None:
    neo = pytest.importorskip("neo")
    recording = made()
    segment = io.to_neo(recording)
    assert isinstance(segment, neo.Segment) and len(segment.spiketrains) == 5
    found = io.from_neo(segment)
    same(found, recording)
    np.testing.assert_allclose(found.spikes("units")["time"], recording.spikes("units")["time"])
    np.testing.assert_array_equal(found.spikes("units")["neuron"], recording.spikes("units")["neuron"])
    assert found.events["stimulus"].values.tolist() == ["tone", "click"]
    np.testing.assert_allclose(found.events["duration"], [1.0, 0.25])
    with pytest.raises(SpecError, match="does not know"):
        io.to_neo(made(units="florin"))


def late(units: str = "V", **parts: Any) -> Recording:
    """A record of 10 s from 5 s on, with states over 2 s of it unless they are left out."""
    v = (np.ones((4, 2)), ("time", "unit"), {"time": 6 + np.arange(4) * 0.5}, units)
    spikes = {"units": {"time": [5.25, 12.5, 13.0], "neuron": [1, 0, 1], "n": 3}}
    return Recording.build(
        source="x", start=5.0, duration=10.0, **{"states": {"exc": {"v": v}}, "spikes": spikes} | parts
    )


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("way", ["nwb", "neo"])
@pytest.mark.parametrize("parts", [{}, {"states": None}], ids=["states", "spikes alone"])
def test_rates_are_the_same_after_a_file_or_an_object_of_others(way: str, parts: Any, tmp_path: Path) -> None:
    pytest.importorskip("pynwb" if way == "nwb" else "neo")
    recording = late(**parts)
    if way == "neo":
        found = io.from_neo(io.to_neo(recording))
    else:
        found = io.read_nwb(io.write_nwb(recording, tmp_path / "late.nwb"))
    assert (found.start, found.duration) == pytest.approx((5.0, 10.0))
    assert analysis.rates(found).values == pytest.approx([0.1, 0.2, 0.0])


@pytest.mark.filterwarnings("default")
def test_neo_keeps_a_unit_of_1() -> None:
    pytest.importorskip("neo")
    found = io.from_neo(io.to_neo(late("1")))
    assert found.states("traces")["trace"].attrs["units"] == "1"


def test_a_recording_of_traces_reaches_over_what_was_recorded_besides() -> None:
    options: dict[str, Any] = {
        "times": np.array([6.0, 6.5]), "labels": None, "animals": ["0"], "units": "V",
        "source": "x", "where": "f",
    }  # fmt: skip
    for span, wanted in ((None, (6.0, 1.0)), ((6.2, 6.3), (6.0, 1.0)), ((5.0, 15.0), (5.0, 10.0))):
        found = traces_recording(np.ones((1, 2, 1)), span=span, **options)
        assert (found.start, found.duration) == wanted
    empty = traces_recording(np.ones((1, 0, 1)), span=(5.0, 6.0), **options | {"times": np.zeros(0)})
    assert (empty.start, empty.duration) == (5.0, 1.0)


@pytest.mark.parametrize("known", [True, False])
def test_a_file_of_units_has_a_duration_where_it_says_when_they_were_observed(
    known: bool, tmp_path: Path
) -> None:
    with h5py.File(tmp_path / "units.nwb", "w") as stream:
        stream.attrs["nwb_version"] = "2.6.0"
        stream["units/spike_times"], stream["units/spike_times_index"] = [5.25, 12.5, 13.0], [1, 3]
        if known:
            stream["units/obs_intervals"] = [[5.0, 15.0], [5.0, 8.0], [9.0, 15.0]]
            stream["units/obs_intervals_index"] = [1, 3]
    found = io.read_nwb(tmp_path / "units.nwb")
    assert (found.start, found.duration) == ((5.0, 10.0) if known else (0.0, None))
    if known:
        assert analysis.rates(found).values == pytest.approx([0.1, 0.2])


def test_the_span_of_a_recording_holds_its_spikes() -> None:
    assert span_of(late(), np.array([5.25, 12.5])) == (5.0, 15.0)
    assert span_of(Recording.build(source="x", start=5.0), np.array([5.25, 12.5])) == (5.0, 12.5)
    assert span_of(late(), np.zeros(0)) == (5.0, 15.0)


TWO = made(np.concatenate([DATA, DATA]))
EMPTY = Recording.build(source="x")


@pytest.mark.parametrize(
    ("write", "suffix", "recording", "options", "words"),
    [
        pytest.param(io.write_csv, ".csv", TWO, {}, "one animal or trial", id="csv-two"),
        pytest.param(io.write_csv, ".csv", EMPTY, {}, "no states", id="csv-none"),
        pytest.param(io.write_csv, ".csv", "worm", {}, "must be a Recording", id="csv-text"),
        pytest.param(io.write_csv, ".csv", made(), {"dims": ("time", "unit")}, "time and neuron", id="dims"),
        pytest.param(io.write_csv, ".csv", made(), {"site": "trace"}, "'traces'", id="site"),
        pytest.param(io.write_csv, ".csv", made(), {"quantity": "v"}, "quantity", id="quantity"),
        pytest.param(io.write_csv, ".xls", made(), {}, "suffixes", id="suffix"),
        pytest.param(io.write_arrays, ".npz", EMPTY, {}, "no states", id="npz-none"),
        pytest.param(io.write_spikes, ".csv", EMPTY, {}, "no spikes", id="spikes-none"),
        pytest.param(io.write_spikes, ".csv", made(), {"population": "unit"}, "'units'", id="population"),
        pytest.param(io.write_nwb, ".nwb", EMPTY, {}, "states or spikes", id="nwb-none"),
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_nothing(
    write: Any, suffix: str, recording: Any, options: Any, words: str, tmp_path: Path
) -> None:
    with pytest.raises(ArcuateError, match=words):
        write(recording, tmp_path / f"file{suffix}", **options)
    assert not list(tmp_path.iterdir())


def test_a_file_is_not_replaced_unless_asked(tmp_path: Path) -> None:
    file = io.write_csv(made(), tmp_path / "worm.csv")
    before = file.read_bytes()
    with pytest.raises(FileFormatError, match="exists"):
        io.write_csv(made(DATA + 1), file)
    assert file.read_bytes() == before
    io.write_csv(made(DATA + 1), file, overwrite=True)
    assert file.read_bytes() != before
    with pytest.raises(FileFormatError, match="folder that exists"):
        io.write_csv(made(), tmp_path / "nowhere" / "worm.csv")
    assert [entry.name for entry in tmp_path.iterdir()] == ["worm.csv"]


@pytest.mark.parametrize(
    ("text", "options", "kind", "words"),
    [
        ("time,neuron\n0.1,0\n0.2,x\n", {}, FileFormatError, "numbers.*'neuron'"),
        ("time,neuron\n0.1,0.5\n", {}, FileFormatError, "whole numbers"),
        ("time,neuron\n0.1,-1\n", {}, FileFormatError, "whole numbers"),
        ("time,neuron\nnan,1\n", {}, FileFormatError, "none missing"),
        ("t,neuron\n0.1,1\n", {}, UnknownNameError, "time"),
        ("time,neuron\n0.1,4\n", {"n_neurons": 4}, SpecError, "n_neurons = 4"),
        ("time,neuron\n3.0,4\n", {"duration": 2.0}, SpecError, "duration"),
    ],
)
def test_bad_tables_of_spikes_are_refused(
    text: str, options: Any, kind: type[Exception], words: str, tmp_path: Path
) -> None:
    file = tmp_path / "spikes.csv"
    file.write_text(text)
    with pytest.raises(kind, match=words):
        io.read_spikes(file, **options)


def test_bad_parquet_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    file = tmp_path / "worm.parquet"
    pd.DataFrame({"time": [0.0, 1.0], "AVA": [1.0, 2.0], "who": ["a", "b"]}).to_parquet(file)
    with pytest.raises(FileFormatError, match="no numbers in column who"):
        io.read_parquet(file, dims=("time", "neuron"), index="time")
    with pytest.raises(UnknownNameError, match="time"):
        io.read_parquet(file, dims=("time", "neuron"), index="tme")
    with pytest.raises(SpecError, match="time and neuron"):
        io.read_parquet(file, dims=("time", "animal"))
    file.write_bytes(b"PAR1 no table")
    with pytest.raises(FileFormatError, match="damaged"):
        io.read_parquet(file, dims=("time", "neuron"), rate_hz=1.0)
