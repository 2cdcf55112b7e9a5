"""Rows 121, 124 and 125 of the table of bad inputs, old and alien files, and bad data for a Recording."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

from arcuate.errors import ArcuateError, FileFormatError, RecordingError, UnitsError, UnknownNameError
from arcuate.recording import Recording

TIME = np.arange(4) * 0.1


def build(**values: Any) -> Recording:
    return Recording.build(**{"source": "x"} | values)


def spikes(**columns: Any) -> Recording:
    return build(spikes={"p": {"time": [0.1, 0.2], "neuron": [0, 1]} | columns})


def state(data: Any, dims: tuple[str, ...], **coords: Any) -> Recording:
    return build(states={"s": {"x": (data, dims, coords, "V")}})


def weights(**columns: Any) -> Recording:
    return build(weights={"w": {"weight": [1.0, 2.0], "pre": [0, 1], "post": [1, 0]} | columns})


def good() -> Recording:
    return build(
        spikes={"exc": {"time": [0.1, 0.5], "neuron": [0, 1], "n": 2}},
        states={"exc": {"v": (np.zeros((4, 2)), ("time", "unit"), {"time": TIME}, "V")}},
        weights={"w": {"weight": [1.0], "pre": [0], "post": [0]}},
        duration=1.0,
    )


ROWS: list[tuple[str, Callable[[], object], str]] = [
    ("source", lambda: build(source=""), "source"),
    ("source 5", lambda: build(source=5), "source"),
    ("spec", lambda: build(spec_json={"a": 1}), "spec_json"),
    ("duration", lambda: build(duration=float("nan")), "duration"),
    ("duration < 0", lambda: build(duration=-1.0), "duration"),
    ("dt 0", lambda: build(dt=0.0), "dt"),
    ("lengths", lambda: spikes(neuron=[0, 1, 2]), "neuron"),
    ("nan time", lambda: spikes(time=[0.1, np.nan]), "time[1]"),
    ("inf time", lambda: spikes(time=[-np.inf, 0.1]), "time[0]"),
    ("text time", lambda: spikes(time=["a", "b"]), "time"),
    ("complex", lambda: spikes(time=[0.1j, 0.2]), "time"),
    ("2-D", lambda: spikes(time=[[0.1, 0.2]]), "time"),
    ("negative neuron", lambda: spikes(neuron=[-1, 0]), "neuron"),
    ("half neuron", lambda: spikes(neuron=[0.5, 1.0]), "neuron"),
    ("beyond n", lambda: spikes(n=1), "neuron"),
    ("trial -2", lambda: spikes(trial=[-2, 0]), "trial"),
    ("no neuron", lambda: build(spikes={"p": {"time": [0.1]}}), "neuron"),
    ("spikes a list", lambda: build(spikes=[1]), "spikes"),
    ("table a list", lambda: build(spikes={"p": [1]}), "table"),
    ("no name", lambda: build(spikes={"": {"time": [], "neuron": []}}), "name"),
    ("up", lambda: build(spikes={"../p": {"time": [], "neuron": []}}), "name"),
    ("long", lambda: build(spikes={"p" * 300: {"time": [], "neuron": []}}), "name"),
    ("bidi", lambda: build(spikes={"p\u202e": {"time": [], "neuron": []}}), "name"),
    (
        "folder and site",
        lambda: build(states={n: {"x": (np.zeros(4), ("time",), {"time": TIME})} for n in ("a", "a/b")}),
        "name",
    ),
    ("no axis", lambda: state(np.zeros((2, 3)), ("trial", "unit")), "x.dims"),
    ("two axes", lambda: state(np.zeros((4, 3)), ("time", "token"), time=TIME), "x.dims"),
    ("order", lambda: state(np.zeros((3, 4)), ("unit", "time"), time=TIME), "x.dims"),
    ("unknown dim", lambda: state(np.zeros((4, 3)), ("time", "neuron"), time=TIME), "x.dims"),
    ("no time", lambda: state(np.zeros((4, 3)), ("time", "unit")), "time"),
    ("time back", lambda: state(np.zeros((4, 3)), ("time", "unit"), time=TIME[::-1]), "time"),
    ("time nan", lambda: state(np.zeros((1, 3)), ("time", "unit"), time=[np.nan]), "time[0]"),
    ("time short", lambda: state(np.zeros((4, 3)), ("time", "unit"), time=TIME[:2]), "shapes"),
    ("dims short", lambda: state(np.zeros((4, 3, 2)), ("time", "unit"), time=TIME), "x"),
    ("objects", lambda: state(np.array([[{}]]), ("time", "unit"), time=[0.0]), "x"),
    ("complex state", lambda: state(np.zeros((4, 3), complex), ("time", "unit"), time=TIME), "x"),
    ("dates", lambda: state(np.zeros((4, 3), "M8[s]"), ("time", "unit"), time=TIME), "x"),
    ("trials twice", lambda: state(np.zeros((2, 4)), ("trial", "time"), time=TIME, trial=[1, 1]), "trial"),
    ("state a number", lambda: build(states={"s": {"x": 5}}), "x"),
    ("no states", lambda: build(states={"s": {}}), "variables"),
    (
        "axes differ",
        lambda: build(
            states={"s": {"x": (np.zeros(4), ("time",), {"time": TIME}), "y": (np.zeros(4), ("tick",))}}
        ),
        "y.dims",
    ),
    ("weights shape", lambda: weights(weight=[1.0, 2.0, 3.0]), "weight"),
    ("post short", lambda: weights(post=[1]), "post"),
    ("snapshot times", lambda: weights(time=[0.0, 1.0]), "time"),
    ("events ragged", lambda: build(events={"time": [0.0], "kind": ["a", "b"]}), "kind"),
    ("events a list", lambda: build(events=[1, 2]), "table"),
    ("event nan", lambda: build(events={"time": [np.nan]}), "time[0]"),
    ("outcome a list", lambda: build(outcome=[1]), "table"),
    ("outcome key", lambda: build(outcome={"a b": 1}), "key"),
    ("outcome object", lambda: build(outcome={"f": object()}), "f"),
    ("joining nothing", lambda: Recording.concatenate([]), "recordings"),
    ("joining no list", lambda: Recording.concatenate(5), "recordings"),
    ("joining a number", lambda: Recording.concatenate([5]), "recordings"),
    ("window backward", lambda: good().select(time=slice("1 s", "0.5 s")), "time"),
    ("window a number", lambda: good().select(time=5), "time"),
    ("trial text", lambda: good().select(trial="a"), "trial"),
    ("slice step", lambda: good().select(neuron=slice(0, 4, 2)), "neuron"),
    ("epoch outside", lambda: good().epochs("exc", "v", [0.0, 0.3], window="200 ms"), "starts[1]"),
    ("epoch before", lambda: good().epochs("exc", "v", [0.0], window=("-100 ms", "100 ms")), "starts[0]"),
    ("epoch nan", lambda: good().epochs("exc", "v", [np.nan], window="100 ms"), "starts"),
    ("no epochs", lambda: good().epochs("exc", "v", [], window="100 ms"), "starts"),
    ("save nowhere", lambda: good().save("/no/such/folder/r.nc"), "path"),
    ("save to folder", lambda: good().save("/"), "path"),
    ("save to device", lambda: good().save("/dev/null", overwrite=True), "path"),
    ("save to long", lambda: good().save("/tmp/" + "x" * 300 + ".nc"), "path"),
    ("save to null", lambda: good().save("/tmp/a\0b.nc"), "path"),
    ("save to 5", lambda: good().save(5), "path"),
    ("save to empty", lambda: good().save(""), "path"),
]


@pytest.mark.parametrize(("call", "name"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_refused(call: Callable[[], object], name: str) -> None:
    begin = time.process_time()
    with pytest.raises(RecordingError) as caught:
        call()
    assert time.process_time() - begin < 2.0
    message = str(caught.value)
    assert len(message.splitlines()) <= 4
    assert name in str(caught.value.name)
    assert name in message
    assert caught.value.bound


@pytest.mark.parametrize(
    ("call", "error", "nearest"),
    [
        (lambda: good().spikes("ecx"), UnknownNameError, "exc"),
        (lambda: good().states("ex"), UnknownNameError, "exc"),
        (lambda: good().weights("ww"), UnknownNameError, "w"),
        (lambda: good().select(population="ecx"), UnknownNameError, "exc"),
        (lambda: good().select(site=["ecx"]), UnknownNameError, "exc"),
        (lambda: good().epochs("exc", "w", [0.0], window="100 ms"), UnknownNameError, "v"),
        (lambda: good().to_pandas("spike/exc"), UnknownNameError, "spikes/exc"),
        (lambda: Recording.concatenate([good(), good()], dim="trails"), UnknownNameError, "trial"),
        (lambda: good().select(population=5), UnknownNameError, "5"),
        (lambda: spikes(neurons=[0, 1]), UnknownNameError, "neuron"),
        (lambda: good().select(time=slice(0, 0.5)), UnitsError, "ms"),
        (lambda: good().epochs("exc", "v", [0.0], window=0.1), UnitsError, "ms"),
    ],
)
def test_misspelt_names_and_bare_times(
    call: Callable[[], object], error: type[ArcuateError], nearest: str
) -> None:
    with pytest.raises(error, match=nearest):
        call()


@pytest.mark.parametrize(
    ("second", "name"),
    [
        (lambda: good(), "start"),
        (lambda: build(duration=1.0, start=1.0), "recordings[1]"),
        (lambda: build(source="y", start=1.0), "recordings[1]"),
    ],
)
def test_pieces_that_do_not_follow_are_refused(second: Callable[[], Recording], name: str) -> None:
    with pytest.raises(RecordingError) as caught:
        Recording.concatenate([good(), second()])
    assert name in str(caught.value)


def test_pieces_that_end_within_a_trial_are_refused() -> None:
    v = np.zeros((1, 4, 2))
    dims = ("trial", "time", "unit")
    cut = build(states={"s": {"v": (v, dims, {"time": TIME, "start": [0.0]}, "V")}})
    running = build(states={"s": {"v": (v, dims, {"time": TIME + 0.4}, "V")}})
    with pytest.raises(RecordingError, match="within a trial"):
        Recording.concatenate([cut, running])
    other = build(states={"s": {"v": (v, dims, {"time": TIME + 0.4, "start": [0.5]}, "V")}})
    with pytest.raises(RecordingError, match="must start at 0 s"):
        Recording.concatenate([cut, other])


def test_pieces_of_other_networks_are_refused() -> None:
    a, b = (build(spec_sha256=text) for text in ("aa", "bb"))
    for dim in ("time", "trial"):
        with pytest.raises(RecordingError, match="spec_sha256"):
            Recording.concatenate([a, b], dim=dim)
    n = [build(spikes={"p": {"time": [], "neuron": [], "n": n}}) for n in (5, 6)]
    with pytest.raises(RecordingError, match="n_neurons"):
        Recording.concatenate(n, dim="trial")
    w = [weights(), weights(pre=[1, 0])]
    with pytest.raises(RecordingError, match="same synapses"):
        Recording.concatenate(w, dim="trial")


# ---- files


def seal(path: Path) -> Path:
    """Close a file as `Recording.save` does, so that what is inside is looked at."""
    content = path.read_bytes()
    path.write_bytes(content + b"\narcuate sha256 " + hashlib.sha256(content).hexdigest().encode() + b"\n")
    return path


def refusal(path: Any) -> str:
    """The message; it must name the file and be one sentence."""
    begin = time.process_time()
    with pytest.raises(FileFormatError) as caught:
        Recording.load(path)
    assert time.process_time() - begin < 2.0
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert Path(os.fspath(path)).name[:20] in message
    return message


def test_what_is_no_file(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "missing.nc")
    assert "is a folder" in refusal(tmp_path)
    assert "is no regular file" in refusal("/dev/null")
    os.mkfifo(tmp_path / "fifo.nc")
    assert "is no regular file" in refusal(tmp_path / "fifo.nc")
    (tmp_path / "loop.nc").symlink_to(tmp_path / "loop.nc")
    assert "cannot be opened" in refusal(tmp_path / "loop.nc")
    (tmp_path / "empty.nc").touch()
    assert "is empty" in refusal(tmp_path / "empty.nc")
    assert "cannot be opened" in refusal(tmp_path / ("x" * 300))
    for path in (5, "", None):
        with pytest.raises(FileFormatError, match="path of a file"):
            Recording.load(path)  # type: ignore[arg-type]


def test_what_is_no_netcdf(tmp_path: Path) -> None:
    for name, content in (
        ("text.nc", b"hello"),
        ("zip.nc", b"PK\x03\x04" + b"\0" * 100),
        ("nc3.nc", b"CDF\x01" * 30),
    ):
        (tmp_path / name).write_bytes(content)
        assert "no netCDF-4 file" in refusal(tmp_path / name)
    rng = np.random.default_rng(0)
    for k in range(20):
        path = tmp_path / f"noise{k}.nc"
        path.write_bytes(b"\x89HDF\r\n\x1a\n" + rng.bytes(int(rng.integers(0, 2000))))
        assert "another program" in refusal(path)


def test_files_of_other_programs(tmp_path: Path) -> None:
    xr.Dataset({"t": ("x", [1.0, 2.0])}).to_netcdf(tmp_path / "climate.nc", engine="h5netcdf")
    assert "another program's" in refusal(tmp_path / "climate.nc")
    assert "another program's" in refusal(seal(tmp_path / "climate.nc"))
    good().tree.to_netcdf(tmp_path / "resaved.nc", engine="h5netcdf")
    assert "changed by another program" in refusal(tmp_path / "resaved.nc")


@pytest.mark.parametrize(
    ("version", "fine"),
    [("1.0", True), ("1.7", True), ("2.0", False), ("0.9", False), ("", False), ("x", False)],
)
def test_versions_of_the_schema(tmp_path: Path, version: str, fine: bool) -> None:
    tree = good().tree.copy()
    tree.attrs["schema_version"] = version
    path = tmp_path / "future.nc"
    tree.to_netcdf(path, engine="h5netcdf")
    seal(path)
    if fine:
        assert Recording.load(path).equals(good())
    else:
        message = refusal(path)
        assert f"schema version {version!r}" in message
        assert "1.x" in message


def test_a_sealed_file_that_breaks_the_schema(tmp_path: Path) -> None:
    for k, change in enumerate(
        (
            {"/spikes/exc": xr.Dataset({"time": ("spike", [0.2, 0.1])})},
            {"/spikes/exc": xr.Dataset({n: ("spike", [2, 1]) for n in ("time", "neuron", "trial")})},
            {"/states/exc": xr.Dataset({"v": (("time", "unit"), np.zeros((2, 2)))})},
            {"/weights/w": xr.Dataset({"weight": ("synapse", [1.0])})},
            {"/events": xr.Dataset({"time": ("row", [1.0])})},
            {"/other": xr.Dataset({"time": ("row", [1.0])})},
        )
    ):
        root = {"/": xr.Dataset(attrs=good().tree.attrs)}
        path = tmp_path / f"broken{k}.nc"
        xr.DataTree.from_dict(root | change).to_netcdf(path, engine="h5netcdf")
        assert "breaks the schema" in refusal(seal(path))


def test_a_header_that_declares_more_than_is_stored(tmp_path: Path) -> None:
    path = good().save(tmp_path / "big.nc")
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"\narcuate sha256 ")])
    with h5py.File(path, "r+") as file:
        file["spikes/exc"].create_dataset("huge", shape=(10**13,), dtype="f8", chunks=(1024,))
    assert "declares more than it stores" in refusal(seal(path))


@pytest.mark.parametrize("link", [h5py.SoftLink("/spikes"), h5py.ExternalLink("/etc/hostname", "/x")])
def test_links_out_of_the_file_are_not_followed(tmp_path: Path, link: Any) -> None:
    path = good().save(tmp_path / "link.nc")
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"\narcuate sha256 ")])
    with h5py.File(path, "r+") as file:
        file["spikes"]["more"] = link
    assert "link to elsewhere" in refusal(seal(path))


def test_saving_refused_touches_nothing(tmp_path: Path) -> None:
    good().save(tmp_path / "r.nc")
    before = (tmp_path / "r.nc").stat()
    with pytest.raises(RecordingError):
        good().save(tmp_path / "r.nc")
    after = (tmp_path / "r.nc").stat()
    assert (before.st_mtime_ns, before.st_ino, before.st_size) == (
        after.st_mtime_ns,
        after.st_ino,
        after.st_size,
    )
    assert os.listdir(tmp_path) == ["r.nc"]
