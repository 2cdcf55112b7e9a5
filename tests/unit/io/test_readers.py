"""Readers of other programs' files and objects: what was written comes back, and bad files are refused."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from arcuate import io
from arcuate.connectome import as_traces
from arcuate.errors import ArcuateError, FileFormatError, SpecError, UnknownNameError
from arcuate.recording import Recording

DATA = np.random.default_rng(11).standard_normal((40, 3))  # times by neurons
NAMES = ["AVA", "AWB", "RIM"]


def trace(recording: Recording) -> np.ndarray:
    """Return the traces (n_times, n_neurons) of the one animal."""
    return np.asarray(recording.states("traces")["trace"].values[0])


def names(recording: Recording) -> list[str]:
    return list(recording.states("traces")["neuron"].values.tolist())


def times(recording: Recording) -> np.ndarray:
    return np.asarray(recording.states("traces")["time"].values)


class TestCsv:
    @staticmethod
    def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
        file = folder / "worm.csv"
        file.write_text(text, encoding=encoding)
        return file

    @staticmethod
    def table(rows: np.ndarray, header: list[Any], index: list[Any] | None, mark: str = ",") -> str:
        lines = [mark.join(map(str, ([""] if index is not None else []) + header))]
        for k, row in enumerate(rows):
            lines.append(mark.join(map(repr, row.tolist())))
            if index is not None:
                lines[-1] = f"{index[k]}{mark}{lines[-1]}"
        return "\n".join(lines) + "\n"

    def test_rows_are_times(self, tmp_path: Path) -> None:
        file = self.write(tmp_path, self.table(DATA, NAMES, [0.25 * k for k in range(40)]))
        recording = io.read_csv(file, dims=("time", "neuron"), index=True, units="dF/F")
        np.testing.assert_array_equal(trace(recording), DATA)
        np.testing.assert_array_equal(times(recording), 0.25 * np.arange(40))
        assert names(recording) == NAMES
        assert as_traces(recording).attrs == {"units": "dF/F", "rate_hz": 4.0}
        assert as_traces(recording)["animal"].values.tolist() == ["worm"]

    def test_rows_are_neurons(self, tmp_path: Path) -> None:
        file = self.write(tmp_path, self.table(DATA.T, [0.5 * k for k in range(40)], NAMES))
        recording = io.read_csv(file, dims=("neuron", "time"), index=True)
        np.testing.assert_array_equal(trace(recording), DATA)
        assert names(recording) == NAMES
        assert times(recording)[1] == 0.5

    def test_numbers_alone(self, tmp_path: Path) -> None:
        file = self.write(tmp_path, "\n".join(";".join(map(repr, row.tolist())) for row in DATA))
        options: dict[str, Any] = {"dims": ("time", "neuron"), "header": False, "rate_hz": 4.0}
        recording = io.read_csv(file, delimiter=";", labels=NAMES, **options)
        np.testing.assert_array_equal(trace(recording), DATA)
        with pytest.raises(FileFormatError, match=r"one column, with ';'.*delimiter"):
            io.read_csv(file, **options)

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8"])
    def test_a_byte_order_mark_is_no_part_of_a_name(self, tmp_path: Path, encoding: str) -> None:
        file = self.write(tmp_path, "AVA,RÍM\n1,2\n3,4\n", encoding)
        assert names(io.read_csv(file, dims=("time", "neuron"), rate_hz=1.0)) == ["AVA", "RÍM"]

    def test_empty_cells_are_missing(self, tmp_path: Path) -> None:
        file = self.write(tmp_path, "a,b\r\n1,\r\nNaN,4\r\n")
        read = trace(io.read_csv(file, dims=("time", "neuron"), rate_hz=1.0))
        np.testing.assert_array_equal(read, [[1, np.nan], [np.nan, 4]])

    @pytest.mark.parametrize(
        ("text", "options", "message"),
        [
            ("a,b\n1,2\n3\n", {}, "1 cells in line 3, and 2 in the first row"),
            ("a,b\n1,2\n3,high\n", {}, "'high' where a number belongs, in row 3, column 2"),
            ("a,b\nx,2\ny,4\n", {}, "'x' where a number belongs, in row 2, column 1.*[Ii]ndex=True"),
            ("a,b\n", {}, "no row of numbers"),
            ("\n\n", {}, "holds no row"),
            ("t,a\n0,1\n1,2\n", {"index": True}, "not both"),
            ("a,a\n1,2\n3,4\n", {}, "each once"),
            ("a,b\n1,2\n3,4\n", {"dims": ("time", "cell")}, "must be time and neuron"),
            ("a,b\n1,2\n3,4\n", {"dims": None}, "dims = None"),
            ("a,b\n1,2\n3,4\n", {"labels": 3}, "labels = 3"),
            ("a,b\n1,2\n3,4\n", {"delimiter": ";;"}, "one character"),
            ("a,b\n1,2\n3,4\n", {"rate_hz": None}, "must be given"),
            ("a,b\n1,2\n3,4\n", {"rate_hz": 0.0}, "rate_hz = 0"),
            ('a,b\n1,"2\n3,4\n', {}, "no table of text"),
        ],
        ids=[
            "ragged", "text", "names", "header", "blank", "two rates", "twice", "dims", "no dims", "number",
            "mark", "none", "zero", "quote",
        ],
    )  # fmt: skip
    def test_bad_tables(self, tmp_path: Path, text: str, options: dict[str, Any], message: str) -> None:
        file = self.write(tmp_path, text)
        with pytest.raises(ArcuateError, match=message):
            io.read_csv(file, **{"dims": ("time", "neuron"), "rate_hz": 4.0, **options})

    def test_bytes_that_are_no_text(self, tmp_path: Path) -> None:
        file = tmp_path / "worm.csv"
        file.write_bytes(b"a,b\n1,\xff\n")
        with pytest.raises(FileFormatError, match=r"not UTF-8 text \(byte"):
            io.read_csv(file, dims=("time", "neuron"), rate_hz=1.0)


class TestArrays:
    @pytest.mark.parametrize("kind", ["npz", "h5", "mat"])
    @pytest.mark.parametrize("across", [False, True], ids=["tn", "nt"])
    def test_orientation_is_what_dims_say(self, tmp_path: Path, kind: str, across: bool) -> None:
        content = {
            "F": DATA.T if across else DATA, "t": np.arange(40) * 0.6, "names": np.array(NAMES),
        }  # fmt: skip
        file = tmp_path / f"worm.{kind}"
        if kind == "npz":
            np.savez(file, **content)
        elif kind == "mat":
            savemat(file, {**content, "names": np.array(NAMES, dtype=object)})
        else:
            with h5py.File(file, "w") as stream:
                stream["group/F"], stream["t"], stream["names"] = content["F"], content["t"], NAMES
        dims = ("neuron", "time") if across else ("time", "neuron")
        name = "group/F" if kind == "h5" else "F"
        recording = io.read_arrays(file, name=name, dims=dims, times="t", labels="names")
        np.testing.assert_array_equal(trace(recording), DATA)
        np.testing.assert_array_equal(times(recording), content["t"])
        assert names(recording) == NAMES

    def test_matlab_7_3_has_the_axes_that_matlab_shows(self, tmp_path: Path) -> None:
        file = tmp_path / "new.mat"
        with h5py.File(file, "w", userblock_size=512) as stream:
            stream["F"] = DATA.T  # MATLAB writes a 40 x 3 matrix as 3 x 40
            cells = [
                stream.create_dataset(f"#refs#/{k}", data=[[ord(c)] for c in n]) for k, n in enumerate(NAMES)
            ]
            stream["names"] = np.array([[cell.ref for cell in cells]], dtype=h5py.ref_dtype)
        recording = io.read_arrays(file, name="F", dims=("time", "neuron"), rate_hz=4.0, labels="names")
        np.testing.assert_array_equal(trace(recording), DATA)
        assert names(recording) == NAMES

    def test_several_animals(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "two.npz", F=np.stack([DATA, -DATA]).swapaxes(1, 2), who=["w1", "w2"])
        recording = io.read_arrays(
            tmp_path / "two.npz", name="F", dims=("animal", "neuron", "time"), rate_hz=4.0, animals="who"
        )
        traces = as_traces(recording)
        assert traces["animal"].values.tolist() == ["w1", "w2"]
        np.testing.assert_array_equal(traces.sel(animal="w2"), -DATA.T)

    def test_pickled_arrays_are_refused(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "bad.npz", F=np.array([{}, None], dtype=object))
        with pytest.raises(FileFormatError, match="pickles are never read"):
            io.read_arrays(tmp_path / "bad.npz", name="F", dims=("time", "neuron"), rate_hz=1.0)

    def test_what_does_not_fit(self, tmp_path: Path) -> None:
        file = tmp_path / "worm.npz"
        np.savez(file, F=DATA, words=np.array(["a"]))
        read: Callable[..., Recording] = io.read_arrays
        with pytest.raises(UnknownNameError, match="unknown array 'G'"):
            read(file, name="G", dims=("time", "neuron"), rate_hz=1.0)
        with pytest.raises(FileFormatError, match="no numbers at 'words'"):
            read(file, name="words", dims=("time",), rate_hz=1.0)
        with pytest.raises(SpecError, match="must name each axis"):
            read(file, name="F", dims=("time",), rate_hz=1.0)
        with pytest.raises(SpecError, match=r"40 times.*must be 3.*may be swapped"):
            read(file, name="F", dims=("neuron", "time"), times=np.arange(40.0))
        with pytest.raises(SpecError, match="one for each neuron"):
            read(file, name="F", dims=("time", "neuron"), rate_hz=1.0, labels=["a"])
        for wrong in ({"dims": None}, {"labels": 3}, {"animals": 3}):
            with pytest.raises(SpecError, match=f"{next(iter(wrong))} = .*list of names"):
                read(file, name="F", **{"dims": ("time", "neuron"), "rate_hz": 1.0, **wrong})
        for text in ("words", ["a"] * 40):
            with pytest.raises(SpecError, match=r"times.*must be numbers"):
                read(file, name="F", dims=("time", "neuron"), times=text)


def write_nwb(file: Path, **change: Any) -> Path:
    """Write the parts of an NWB 2 file that hold traces, as h5py sees them."""
    with h5py.File(file, "w") as stream:
        stream.attrs["nwb_version"] = "2.6.0"
        stream["general/subject/subject_id"] = "worm7"
        plane = stream.create_group("processing/ophys/ImageSegmentation/plane")
        plane["id"] = np.arange(5)
        plane["neuron_name"] = ["x", *NAMES, "y"]
        for container, factor in (("Fluorescence", 2.0), ("DfOverF", 1.0)):
            box = stream.create_group(f"processing/ophys/{container}")
            box.attrs["neurodata_type"] = container
            group = box.create_group("series")
            group.attrs["neurodata_type"] = "RoiResponseSeries"
            data = change.get("data", DATA) * factor
            group["data"] = data
            unit = change.get("unit", "dF/F")
            if unit is not None:
                group["data"].attrs["unit"] = unit
            group["data"].attrs["conversion"] = change.get("conversion", 1.0)
            group["rois"] = np.array([1, 2, 3])
            group["rois"].attrs["table"] = plane.ref
            if change.get("rate") is None:
                group["timestamps"] = 0.25 * np.arange(40) + 2.0
            else:
                group["starting_time"] = 2.0
                group["starting_time"].attrs["rate"] = change["rate"]
        trials = stream.create_group("intervals/trials")
        trials["start_time"], trials["stop_time"], trials["stimulus"] = (
            [3.0, 5.0],
            [4.0, 7.0],
            ["NaCl", "air"],
        )
    return file


class TestNwb:
    @pytest.mark.parametrize("rate", [None, 4.0], ids=["timestamps", "rate"])
    def test_relative_changes_come_before_raw_fluorescence(self, tmp_path: Path, rate: float | None) -> None:
        recording = io.read_nwb(write_nwb(tmp_path / "a.nwb", rate=rate))
        np.testing.assert_array_equal(trace(recording), DATA)
        np.testing.assert_array_equal(times(recording), 0.25 * np.arange(40) + 2.0)
        assert names(recording) == NAMES
        assert as_traces(recording)["animal"].values.tolist() == ["worm7"]
        assert recording.events["stimulus"].values.tolist() == ["NaCl", "air"]
        assert recording.events["duration"].values.tolist() == [1.0, 2.0]

    def test_another_kind_and_its_factor(self, tmp_path: Path) -> None:
        file = write_nwb(tmp_path / "a.nwb", conversion=0.5)
        np.testing.assert_array_equal(trace(io.read_nwb(file, kind="Fluorescence")), DATA)
        assert names(io.read_nwb(file, label_column="id")) == ["1", "2", "3"]

    def test_no_unit_is_asked_for(self, tmp_path: Path) -> None:
        file = write_nwb(tmp_path / "a.nwb", unit=None)
        with pytest.raises(FileFormatError, match=r"no unit at .*DfOverF/series/data.*[Gg]ive units"):
            io.read_nwb(file)
        assert as_traces(io.read_nwb(file, units="dF/F")).attrs["units"] == "dF/F"

    def test_data_that_are_not_time_first(self, tmp_path: Path) -> None:
        with pytest.raises(FileFormatError, match=r"\(3, 40\).*40 times and 3 regions.*time first"):
            io.read_nwb(write_nwb(tmp_path / "a.nwb", data=DATA.T))

    def test_a_rate_of_zero(self, tmp_path: Path) -> None:
        with pytest.raises(FileFormatError, match="neither timestamps nor a rate above 0"):
            io.read_nwb(write_nwb(tmp_path / "a.nwb", rate=0.0))

    def test_links_to_other_files_are_refused(self, tmp_path: Path) -> None:
        file = write_nwb(tmp_path / "a.nwb")
        with h5py.File(file, "a") as stream:
            stream["processing/other"] = h5py.ExternalLink("/etc/hostname", "/")
        with pytest.raises(FileFormatError, match="links to another file"):
            io.read_nwb(file)

    def test_other_files(self, tmp_path: Path) -> None:
        with h5py.File(tmp_path / "other.h5", "w") as stream:
            stream["x"] = 1.0
        with pytest.raises(FileFormatError, match=r"another program's HDF5 file.*read_arrays"):
            io.read_nwb(tmp_path / "other.h5")
        with h5py.File(tmp_path / "empty.nwb", "w") as stream:
            stream.attrs["nwb_version"] = "2.6.0"
        with pytest.raises(FileFormatError, match="no traces and no spikes"):
            io.read_nwb(tmp_path / "empty.nwb")
        file = write_nwb(tmp_path / "a.nwb")
        file.write_bytes(file.read_bytes()[:3000])
        with pytest.raises(FileFormatError, match="cannot be read"):
            io.read_nwb(file)
        with pytest.raises(UnknownNameError, match="series"):
            io.read_nwb(write_nwb(tmp_path / "b.nwb"), series="serie")

    @pytest.mark.filterwarnings("default")
    def test_files_of_pynwb(self, tmp_path: Path) -> None:
        pynwb = pytest.importorskip("pynwb")
        ophys = pytest.importorskip("pynwb.ophys")
        start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
        whole = pynwb.NWBFile("a session", "id", start)
        channel = ophys.OpticalChannel(name="green", description="emission", emission_lambda=500.0)
        plane = whole.create_imaging_plane(
            name="plane", optical_channel=channel, description="one", device=whole.create_device("scope"),
            excitation_lambda=600.0, indicator="GCaMP", location="head", imaging_rate=4.0,
        )  # fmt: skip
        module = whole.create_processing_module("ophys", "traces")
        segmentation = ophys.ImageSegmentation()
        module.add(segmentation)
        table = segmentation.create_plane_segmentation(name="rois", description="all", imaging_plane=plane)
        table.add_column("neuron_name", "name")
        for name in ["x", *NAMES]:
            table.add_roi(image_mask=np.ones((2, 2)), neuron_name=name)
        for box, factor in ((ophys.Fluorescence(), 2.0), (ophys.DfOverF(), 1.0)):
            module.add(box)
            rows = table.create_roi_table_region(region=[1, 2, 3], description="those with names")
            box.create_roi_response_series(
                name="series", data=DATA * factor, rois=rows, unit="dF/F", rate=4.0, starting_time=1.0
            )
        whole.add_unit(spike_times=[0.1, 0.2])
        whole.add_unit(spike_times=[0.3])
        whole.add_trial(start_time=1.0, stop_time=2.0)
        with pynwb.NWBHDF5IO(str(tmp_path / "a.nwb"), "w") as file:
            file.write(whole)
        recording = io.read_nwb(tmp_path / "a.nwb")
        np.testing.assert_array_equal(trace(recording), DATA)
        np.testing.assert_array_equal(times(recording), 1.0 + np.arange(40) / 4)
        assert names(recording) == NAMES
        spikes = recording.spikes("units")
        assert spikes["time"].values.tolist() == [0.1, 0.2, 0.3]
        assert spikes["neuron"].values.tolist() == [0, 0, 1]
        assert recording.events["stimulus"].values.tolist() == ["trials"]


class TestObjects:
    @pytest.mark.filterwarnings("default")
    def test_a_segment_of_neo(self) -> None:
        neo, pq = pytest.importorskip("neo"), pytest.importorskip("quantities")
        segment = neo.Segment()
        signal = neo.AnalogSignal(
            DATA, units="mV", sampling_rate=1 * pq.kHz, t_start=500 * pq.ms,
            array_annotations={"channel_names": NAMES}, name="probe",
        )  # fmt: skip
        segment.analogsignals.append(signal)
        segment.spiketrains.append(neo.SpikeTrain([10, 20] * pq.ms, t_stop=1 * pq.s))
        segment.epochs.append(neo.Epoch([1.0] * pq.s, durations=[2.0] * pq.s, labels=["NaCl"]))
        recording = io.from_neo(segment)
        np.testing.assert_array_equal(trace(recording), DATA)
        np.testing.assert_allclose(times(recording), 0.5 + np.arange(40) * 1e-3)
        traces = as_traces(recording)
        assert traces["neuron"].values.tolist() == NAMES
        assert traces.attrs["units"] == "mV"
        np.testing.assert_allclose(recording.spikes("units")["time"], [0.01, 0.02])
        assert recording.events["duration"].values.tolist() == [2.0]
        alone = io.from_neo(list(segment.spiketrains))
        assert (alone.duration, alone.populations) == (1.0, ("units",))
        segment.analogsignals.append(signal.copy())
        with pytest.raises(SpecError, match="2 signals"):
            io.from_neo(segment)
        with pytest.raises(SpecError, match="must be a Segment"):
            io.from_neo(DATA)

    @pytest.mark.filterwarnings("default")
    def test_frames_and_groups_of_pynapple(self) -> None:
        nap = pytest.importorskip("pynapple")
        frame = nap.TsdFrame(t=np.arange(40) / 4, d=DATA, columns=NAMES)
        epochs = {"NaCl": nap.IntervalSet(start=[1.0, 4.0], end=[2.0, 6.0])}
        recording = io.from_pynapple(frame, epochs=epochs, units="dF/F")
        np.testing.assert_array_equal(trace(recording), DATA)
        assert names(recording) == NAMES
        assert recording.events["duration"].values.tolist() == [1.0, 2.0]
        whole = nap.IntervalSet(start=0.0, end=5.0)
        trains = {0: nap.Ts(t=[0.1, 0.2], time_support=whole), 1: nap.Ts(t=[0.3], time_support=whole)}
        group = io.from_pynapple(nap.TsGroup(trains, time_support=whole))
        assert group.duration == 5.0
        spikes = group.spikes("units")
        assert spikes["neuron"].values.tolist() == [0, 0, 1]
        with pytest.raises(SpecError, match="must be a TsdFrame"):
            io.from_pynapple(DATA)


class TestSuite2p:
    @staticmethod
    def write(folder: Path, **change: Any) -> Path:
        content = {
            "F": DATA.T + 10.0, "Fneu": DATA.T * 0.5, "iscell": np.array([[1, 0.9], [0, 0.2], [1, 0.7]]),
        }  # fmt: skip
        for name, value in {**content, **change}.items():
            np.save(folder / f"{name}.npy", value)
        return folder

    def test_fluorescence_less_that_around(self, tmp_path: Path) -> None:
        recording = io.read_suite2p(self.write(tmp_path), rate_hz=30.0)
        np.testing.assert_allclose(trace(recording), (DATA * (1 - 0.7 * 0.5) + 10.0)[:, [0, 2]])
        assert names(recording) == ["0", "2"]
        every = io.read_suite2p(tmp_path, rate_hz=30.0, neuropil=0.0, cells_only=False)
        np.testing.assert_allclose(trace(every), DATA + 10.0)

    def test_what_does_not_fit(self, tmp_path: Path) -> None:
        with pytest.raises(FileFormatError, match="do not fit"):
            io.read_suite2p(self.write(tmp_path, Fneu=DATA), rate_hz=1.0)
        with pytest.raises(FileFormatError, match=r"no region a cell.*[Cc]ells_only"):
            io.read_suite2p(self.write(tmp_path, iscell=np.zeros((3, 2))), rate_hz=1.0)
        with pytest.raises(FileFormatError, match="pickles are never read"):
            io.read_suite2p(self.write(tmp_path, F=np.array([{}], dtype=object)), rate_hz=1.0)
        with pytest.raises(FileFormatError, match="must be a folder"):
            io.read_suite2p(tmp_path / "nowhere", rate_hz=1.0)
        with pytest.raises(SpecError, match="rate_hz"):
            io.read_suite2p(tmp_path, rate_hz=0.0)
        (tmp_path / "whole" / "suite2p" / "plane0").mkdir(parents=True)
        with pytest.raises(FileFormatError, match="plane0"):
            io.read_suite2p(tmp_path / "whole", rate_hz=1.0)


def worm_table(**drop: Any) -> pd.DataFrame:
    """Return a table like that of the worm-graph project: two studies, worms with other neurons."""
    rows = []
    for study, worm, own in (
        ("A2020", "worm0", NAMES),
        ("A2020", "worm1", NAMES[:2]),
        ("B2021", "worm0", NAMES),
    ):
        for slot, name in enumerate(own):
            rows.append(
                {
                    "source_dataset": study, "worm": worm, "neuron": name, "slot": slot,
                    "is_labeled_neuron": name != "RIM" or study == "A2020",
                    "calcium_data": DATA[:20, slot], "time_in_seconds": np.arange(20) / 3,
                    "original_calcium_data": DATA[:, slot], "original_time_in_seconds": np.arange(40) / 4,
                }
            )  # fmt: skip
    return pd.DataFrame(rows).drop(columns=list(drop))


class TestWorms:
    def test_the_homogenized_table(self, tmp_path: Path) -> None:
        pytest.importorskip("pyarrow")
        file = tmp_path / "worms.parquet"
        worm_table().to_parquet(file)
        worms = io.read_worm_graph(file)
        assert list(worms) == ["A2020/worm0", "A2020/worm1", "B2021/worm0"]
        assert names(worms["B2021/worm0"]) == NAMES[:2]
        assert names(io.read_worm_graph(file, labeled=False)["B2021/worm0"]) == NAMES
        whole = as_traces(io.read_worm_graph(file, source="A2020", original=True), neurons="union")
        assert whole["animal"].values.tolist() == ["A2020/worm0", "A2020/worm1"]
        np.testing.assert_array_equal(whole[0], DATA.T)
        assert np.isnan(whole.sel(animal="A2020/worm1", neuron="RIM")).all()
        with pytest.raises(UnknownNameError, match="A2020"):
            io.read_worm_graph(file, source="A2002")

    def test_a_table_of_something_else(self, tmp_path: Path) -> None:
        pytest.importorskip("pyarrow")
        file = tmp_path / "worms.parquet"
        worm_table(neuron=True, calcium_data=True).to_parquet(file)
        with pytest.raises(FileFormatError, match="no column neuron, calcium_data"):
            io.read_worm_graph(file)
        file.write_bytes(b"PAR1 nothing")
        with pytest.raises(FileFormatError, match="damaged or no parquet"):
            io.read_worm_graph(file)

    @staticmethod
    def wormwideweb(file: Path, **change: Any) -> Path:
        labeled = {
            "3": {"label": "AVAL", "confidence": 3}, "1": {"label": "AVAL", "confidence": 5},
            "2": {"label": "RIM?", "confidence": 4},
        }  # fmt: skip
        content = {
            "uid": "2022-01-01-01", "num_neurons": 3, "max_t": 40, "avg_timestep": 0.01,
            "trace_array": DATA.T.tolist(), "trace_original": (DATA.T + 5).tolist(),
            "timestamp_confocal": (0.6 * np.arange(40)).tolist(), "labeled": labeled,
        }  # fmt: skip
        content.update(change)
        file.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
        return file

    def test_wormwideweb(self, tmp_path: Path) -> None:
        file = self.wormwideweb(tmp_path / "a.json")
        recording = io.read_wormwideweb(file)
        assert names(recording) == ["AVAL"]
        np.testing.assert_array_equal(trace(recording), DATA[:, :1])
        every = io.read_wormwideweb(file, quantity="trace_original", labeled=False)
        assert names(every) == ["AVAL", "roi2", "roi3"]
        np.testing.assert_array_equal(trace(every), DATA + 5)
        assert as_traces(every)["animal"].values.tolist() == ["2022-01-01-01"]
        turned = self.wormwideweb(tmp_path / "b.json", trace_array=DATA.tolist(), timestamp_confocal=None)
        np.testing.assert_array_equal(trace(io.read_wormwideweb(turned, labeled=False)), DATA)
        np.testing.assert_allclose(times(io.read_wormwideweb(turned)), 0.6 * np.arange(40))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"labeled": None}, "must be a table with"),
            ({"trace_array": [[1.0], [2.0, 3.0]]}, "matrix of numbers"),
            ({"max_t": 41}, r"\(3, 40\) for \(3, 41\)"),
            ({"labeled": {}}, "names no neuron"),
            ({"labeled": {"9": {"label": "AVA"}}}, "numbered 1 to 3"),
            ({"timestamp_confocal": [0.0]}, "1 times for 40 samples"),
            ({"timestamp_confocal": None, "avg_timestep": 0}, "neither"),
            ({"timestamp_confocal": ["now"] * 40}, "numbers at timestamp_confocal"),
            ({"labeled": {"1": {"label": "AVA", "confidence": "high"}}}, "confidence of neuron '1'.*'high'"),
        ],
        ids=["key", "ragged", "shape", "none", "number", "times", "no times", "text", "confidence"],
    )
    def test_another_json(self, tmp_path: Path, change: dict[str, Any], message: str) -> None:
        with pytest.raises(FileFormatError, match=message):
            io.read_wormwideweb(self.wormwideweb(tmp_path / "a.json", **change))

    def test_yemini(self, tmp_path: Path) -> None:
        def cells(rows: list[Any]) -> np.ndarray:
            out = np.empty((1, len(rows)), dtype=object)
            for k, row in enumerate(rows):
                out[0, k] = np.asarray(row, dtype=float).reshape(1, -1) if len(row) else np.zeros((0, 0))
            return out

        traces = np.empty((2, 1), dtype=object)
        traces[0, 0] = cells([DATA[:, 0], [], DATA[:, 1], DATA[:, 2]])  # AVA: two left, two right
        traces[1, 0] = cells([DATA[:30, 2], DATA[:, 0]])  # AWB: one each
        column = np.array([["AVA"], ["RIH"]], dtype=object)
        file = tmp_path / "heads.mat"
        content = {
            "neurons": column, "traces": traces, "files": np.array([["w1"], ["w2"]], dtype=object),
            "fps": 4.0, "stims": np.array([[2, 1], [1, 2]]),
            "stim_times": np.array([[2.0, 3.0], [5.0, 6.5]]),
            "stim_names": np.array([["butanone"], ["NaCl"]], dtype=object),
        }  # fmt: skip
        savemat(file, content)
        worms = io.read_yemini(file)
        assert {name: names(worm) for name, worm in worms.items()} == {
            "w1": ["AVAL", "AVAR", "RIH"],
            "w2": ["AVAR", "RIH"],
        }
        np.testing.assert_array_equal(trace(worms["w1"])[:, :2], DATA[:, [0, 1]])
        np.testing.assert_array_equal(trace(worms["w2"]), DATA[:, [2, 0]])
        assert np.isnan(trace(worms["w1"])[30:, 2]).all()
        events = worms["w1"].events
        assert events["stimulus"].values.tolist() == ["NaCl", "butanone"]
        assert events["duration"].values.tolist() == [1.0, 1.5]
        whole = as_traces(worms, neurons="union", bad="drop")
        assert whole["neuron"].values.tolist() == ["AVAL", "AVAR", "RIH"]
        with pytest.raises(FileFormatError, match="no norm_traces"):
            io.read_yemini(file, quantity="norm_traces")
        for message, change in (
            (r"a rate above 0 at fps, not \[0.0\]", {"fps": 0.0}),
            ("numbers at fps", {"fps": "fast"}),
            (r"\[2.0, 3.0\] of worm 1, and they are numbered 1 to 2", {"stims": np.array([[2, 3], [1, 2]])}),
            (r"stims \(1, 2\)", {"stims": np.array([[2, 1]])}),
        ):
            savemat(file, content | change)
            with pytest.raises(FileFormatError, match=message):
                io.read_yemini(file)


READERS: dict[str, Callable[[Any], Any]] = {
    ".csv": lambda path: io.read_csv(path, dims=("time", "neuron"), rate_hz=1.0),
    ".npz": lambda path: io.read_arrays(path, name="F", dims=("time", "neuron"), rate_hz=1.0),
    ".h5": lambda path: io.read_arrays(path, name="F", dims=("time", "neuron"), rate_hz=1.0),
    ".mat": lambda path: io.read_arrays(path, name="F", dims=("time", "neuron"), rate_hz=1.0),
    ".nwb": io.read_nwb,
    ".json": io.read_wormwideweb,
    ".parquet": io.read_worm_graph,
    ".MAT": io.read_yemini,
}


@pytest.mark.parametrize("suffix", READERS)
class TestAnyReader:
    def test_missing(self, suffix: str, tmp_path: Path) -> None:
        with pytest.raises(FileFormatError, match="does not exist"):
            READERS[suffix](tmp_path / f"none{suffix}")

    def test_empty(self, suffix: str, tmp_path: Path) -> None:
        (tmp_path / f"a{suffix}").touch()
        with pytest.raises(FileFormatError, match="is empty"):
            READERS[suffix](tmp_path / f"a{suffix}")

    def test_a_folder(self, suffix: str, tmp_path: Path) -> None:
        with pytest.raises(FileFormatError, match="is a folder"):
            READERS[suffix](tmp_path)

    def test_a_pipe(self, suffix: str, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / f"a{suffix}")
        with pytest.raises(FileFormatError, match="no regular file"):
            READERS[suffix](tmp_path / f"a{suffix}")

    def test_another_suffix(self, suffix: str, tmp_path: Path) -> None:
        (tmp_path / "a.xyz").write_text("x")
        with pytest.raises(FileFormatError, match="must have one of the suffixes"):
            READERS[suffix](tmp_path / "a.xyz")

    @pytest.mark.filterwarnings("ignore::UserWarning")
    def test_noise(self, suffix: str, tmp_path: Path) -> None:
        (tmp_path / f"a{suffix}").write_bytes(np.random.default_rng(0).bytes(4000))
        with pytest.raises(FileFormatError) as caught:
            READERS[suffix](tmp_path / f"a{suffix}")
        assert str(caught.value).count("\n") < 4

    @pytest.mark.parametrize("path", [None, 3, ""], ids=["none", "number", "nothing"])
    def test_no_path(self, suffix: str, path: Any) -> None:
        with pytest.raises(FileFormatError, match="must be the path of a file"):
            READERS[suffix](path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", [".nwb", ".npz", ".mat", ".json", ".csv"])
def test_damaged_files_are_read_or_refused_and_raise_nothing_else(suffix: str, tmp_path: Path) -> None:
    whole, damaged = tmp_path / f"whole{suffix}", tmp_path / f"damaged{suffix}"
    if suffix == ".nwb":
        write_nwb(whole)
    elif suffix == ".npz":
        np.savez(whole, F=DATA)
    elif suffix == ".mat":
        savemat(whole, {"F": DATA})
    elif suffix == ".json":
        TestWorms.wormwideweb(whole)
    else:
        TestCsv.write(tmp_path, TestCsv.table(DATA, NAMES, None)).rename(whole)
    content, rng = whole.read_bytes(), np.random.default_rng(3)
    refused = 0
    for trial in range(30):
        changed = bytearray(content)
        if trial % 2:
            del changed[rng.integers(1, len(changed)) :]
        else:
            for place in rng.integers(0, len(changed), 4):
                changed[place] = rng.integers(256)
        damaged.write_bytes(bytes(changed))
        try:
            READERS[suffix](damaged)
        except ArcuateError:
            refused += 1
    assert refused >= 10
