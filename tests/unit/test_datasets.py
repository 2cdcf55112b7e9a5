"""Checked reading: the manifest, and users' files that are damaged, too large or dangerous."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcuate import datasets
from arcuate.errors import FileFormatError, SpecError, UnknownNameError
from arcuate.recording import Recording


def manifest(folder: Path, **changes: Any) -> Path:
    """A folder with one data set and its manifest."""
    np.savez(folder / "small.npz", x=np.arange(5.0), names=np.array(["a", "b"]))
    content = (folder / "small.npz").read_bytes()
    table = {
        "file": "small.npz",
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "license": "CC0-1.0",
        "origin": "made here",
        "made_by": "this test",
        "description": "five numbers",
    } | changes
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items() if value is not None]
    (folder / "MANIFEST.toml").write_text("[small]\n" + "\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize("name", datasets.names())
def test_what_is_bundled_is_whole_and_says_where_it_comes_from(name: str) -> None:
    entry = datasets.info(name)
    content = datasets.path(name).read_bytes()
    assert len(content) == entry.bytes <= 5_000_000
    assert hashlib.sha256(content).hexdigest() == entry.sha256
    assert entry.license and entry.origin and entry.made_by and entry.description
    assert datasets.load(name)


def test_nothing_lies_in_the_folder_without_an_entry() -> None:
    folder = datasets.path(datasets.names()[0]).parent
    listed = {datasets.info(name).file for name in datasets.names()}
    assert {file.name for file in folder.iterdir()} == listed | {"MANIFEST.toml"}


def test_the_cell_types_are_those_of_the_paper() -> None:
    table = datasets.load("izhikevich_types")
    assert table["regular_spiking"] == {"a": 0.02, "b": 0.2, "c": -65.0, "d": 8.0}
    assert table["fast_spiking"] == {"a": 0.1, "b": 0.2, "c": -65.0, "d": 2.0}


def test_a_manifest_leads_to_the_arrays(tmp_path: Path) -> None:
    folder = manifest(tmp_path)
    assert datasets.names(folder=folder) == ("small",)
    loaded = datasets.load("small", folder=folder)
    np.testing.assert_array_equal(loaded["x"], np.arange(5.0))
    assert loaded["names"].tolist() == ["a", "b"]


def test_an_altered_data_set_is_refused(tmp_path: Path) -> None:
    folder = manifest(tmp_path)
    content = bytearray((folder / "small.npz").read_bytes())
    for damaged in (content[:-1], content + b"x", bytes([content[0] ^ 1]) + content[1:]):
        (folder / "small.npz").write_bytes(damaged)
        with pytest.raises(FileFormatError, match="not the file of the manifest"):
            datasets.load("small", folder=folder)
    (folder / "small.npz").unlink()
    with pytest.raises(FileFormatError, match="does not exist"):
        datasets.load("small", folder=folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"file": "../secret.npz"},
        {"file": "/etc/passwd"},
        {"file": ".hidden"},
        {"bytes": 5_000_001},
        {"bytes": 0},
        {"bytes": "10"},
        {"sha256": "abc"},
        {"license": None},
        {"extra": 1},
    ],
)
def test_a_manifest_that_is_wrong_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(FileFormatError, match="MANIFEST"):
        datasets.names(folder=manifest(tmp_path, **changes))


def test_a_misspelt_name_gets_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="izhikevich_types"):
        datasets.load("izhikevich_type")


# ---- files of users


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(FileFormatError) as caught:
        datasets.read(path, **options)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".safetensors", ".json", ".toml", ".txt", ".nc"])
def test_what_is_no_file(tmp_path: Path, suffix: str) -> None:
    assert "does not exist" in refused(tmp_path / f"missing{suffix}")
    (tmp_path / f"folder{suffix}").mkdir()
    assert "is a folder" in refused(tmp_path / f"folder{suffix}")
    (tmp_path / f"empty{suffix}").touch()
    assert "is empty" in refused(tmp_path / f"empty{suffix}")
    (tmp_path / f"loop{suffix}").symlink_to(tmp_path / f"loop{suffix}")
    assert "cannot be opened" in refused(tmp_path / f"loop{suffix}")
    (tmp_path / f"null{suffix}").symlink_to("/dev/null")
    assert "no regular file" in refused(tmp_path / f"null{suffix}")


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".safetensors", ".json", ".toml", ".nc"])
@given(noise=st.binary(min_size=1, max_size=300))
def test_noise_is_refused(tmp_path_factory: pytest.TempPathFactory, suffix: str, noise: bytes) -> None:
    file = tmp_path_factory.mktemp("noise") / f"noise{suffix}"
    file.write_bytes(b"\xff" + noise)
    refused(file)


def test_unknown_kinds_and_no_paths(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(b"x")
    assert ".npz" in refused(tmp_path / "a.pkl")
    for path in (5, None, ""):
        with pytest.raises(FileFormatError, match="path of a file"):
            datasets.read(path)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="limit"):
        datasets.read(tmp_path / "a.npz", limit=0)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": NaN}', "NaN"),
        ('{"a": -Infinity}', "Infinity"),
        ('{"a": 1e400}', "too large"),
        ('{"a": 1, "a": 2}', "doubled key 'a'"),
        ("[" * 10_000 + "]" * 10_000, "nested too deep"),
        ('{"a": 1', "no valid JSON"),
        ("1" * 5000, "no valid JSON"),
        ('{"a": "\x00"}', "no valid JSON"),
    ],
)
def test_json_is_held_to_the_standard(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "a.json"
    file.write_text(text)
    assert why in refused(file)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a = 2026-11-24", "date"),
        ("a = [1, {b = 07:32:00}]", "date"),
        ("a = nan", "nan"),
        ("[t]\na = -inf", "inf"),
        ("a = 1\na = 2", "no valid TOML"),
        ("a = ", "no valid TOML"),
    ],
)
def test_toml_holds_numbers_and_names(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "a.toml"
    file.write_text(text)
    assert why in refused(file)


def test_plain_kinds_come_back(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"x": [1, 2.5, null, "é"]}', encoding="utf-8")
    assert datasets.read(tmp_path / "a.json") == {"x": [1, 2.5, None, "é"]}
    (tmp_path / "a.toml").write_text("x = [1, 2.5]")
    assert datasets.read(tmp_path / "a.toml") == {"x": [1, 2.5]}
    (tmp_path / "a.txt").write_text("hello")
    assert datasets.read(tmp_path / "a.txt") == "hello"
    array = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    np.save(tmp_path / "a.npy", array)
    assert datasets.read(tmp_path / "a.npy").tobytes() == array.tobytes()
    rec = Recording.build(source="x", events={"time": [0.0]})
    assert datasets.read(rec.save(tmp_path / "a.nc")) == rec


def npy(shape: tuple[int, ...], dtype: str, data: bytes) -> bytes:
    """An array file whose header says anything."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": dtype, "fortran_order": False, "shape": shape})
    return buffer.getvalue() + data


def test_arrays_that_lie_about_their_size(tmp_path: Path) -> None:
    file = tmp_path / "a.npy"
    file.write_bytes(npy((10**12,), "<f8", b"\0" * 80))
    assert f"{8 * 10**12} bytes" in refused(file)
    file.write_bytes(npy((100,), "<f8", b"\0" * 80))
    assert "declares 800 bytes" in refused(file)
    file.write_bytes(npy((10,), "|O", b"\0" * 80))
    assert "Python objects" in refused(file)
    file.write_bytes(npy((10,), "<f8", b"\0" * 80)[:40])
    assert "no readable array" in refused(file)


def archive(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as out:
        for name, content in members.items():
            out.writestr(name, content)
    return path


def test_an_archive_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    n = 2_000_000
    bomb = archive(tmp_path / "bomb.npz", {"x.npy": npy((n,), "<f8", b"\0" * (8 * n))})
    assert bomb.stat().st_size < 50_000
    assert "more than the limit of 1000000" in refused(bomb, limit=1_000_000)
    two = archive(tmp_path / "two.npz", {f"{k}.npy": npy((100,), "<f8", b"\0" * 800) for k in "ab"})
    assert "more than the limit" in refused(two, limit=1500)
    assert set(datasets.read(two, limit=1600)) == {"a", "b"}
    lying = archive(tmp_path / "lying.npz", {"x.npy": npy((3 * 2**27,), "<f8", b"\0" * 8)})
    assert "more than the limit" in refused(lying)


@pytest.mark.parametrize("name", ["../x.npy", "/x.npy", "a/../../x.npy", "x.pkl", "a\\x.npy"])
def test_members_with_other_names_are_refused(tmp_path: Path, name: str) -> None:
    file = archive(tmp_path / "a.npz", {name: npy((1,), "<f8", b"\0" * 8)})
    assert "must hold arrays alone" in refused(file)


def test_an_archive_of_pickles_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([{"a": 1}], dtype=object))
    assert "Python objects" in refused(tmp_path / "a.npz")


def test_no_damaged_bit_of_an_archive_gives_other_numbers(tmp_path: Path) -> None:
    numbers = np.random.default_rng(1).normal(size=200)
    np.savez(tmp_path / "a.npz", x=numbers)
    whole = (tmp_path / "a.npz").read_bytes()
    bad, refusals = tmp_path / "bad.npz", 0
    for place in range(0, len(whole), 5):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        bad.write_bytes(damaged)
        try:
            read = datasets.read(bad)
        except FileFormatError:
            refusals += 1
        else:
            assert {name: values.tobytes() for name, values in read.items()} == {"x": numbers.tobytes()}
    assert refusals > 300


def test_an_archive_without_arrays_is_refused(tmp_path: Path) -> None:
    assert "holds no array" in refused(archive(tmp_path / "a.npz", {}))


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(100.0))
    whole = (tmp_path / "a.npz").read_bytes()
    for length in range(1, len(whole), 37):
        (tmp_path / "b.npz").write_bytes(whole[:length])
        refused(tmp_path / "b.npz")


# ---- weights


def tensors(path: Path, entries: Any, data: bytes = b"", length: int | None = None) -> Path:
    """A file of weights whose header says anything."""
    header = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    size = (len(header) if length is None else length).to_bytes(8, "little")
    path.write_bytes(size + header + data)
    return path


def one(**changes: Any) -> dict[str, Any]:
    return {"x": {"dtype": "F64", "shape": [3], "data_offsets": [0, 24]} | changes}


def test_weights_are_those_of_the_format_s_own_library(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy")
    draw = np.random.default_rng(0)
    wanted = {
        "a": draw.normal(size=(3, 4)).astype(np.float32),
        "b": draw.integers(-9, 9, size=7),
        "none": np.zeros((0, 2)),
        "number": np.array(2.5),
        "flags": np.array([True, False]),
        "half": draw.normal(size=5).astype(np.float16),
    }
    library.save_file(wanted, tmp_path / "a.safetensors", {"arcuate": "{}"})
    found = datasets.read(tmp_path / "a.safetensors")
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()
    found["a"][0, 0] = 1  # an array of one's own


@pytest.mark.parametrize(
    ("entries", "data", "why"),
    [
        (one(), b"\0" * 23, "does not have"),
        (one(), b"\0" * 25, "bytes after its last array"),
        (one(shape=[4]), b"\0" * 24, "declares 32 bytes"),
        (one(shape=[10**12]), b"\0" * 24, "more than the limit"),
        (one(data_offsets=[0, 10**15], shape=[125 * 10**12]), b"\0" * 24, "more than the limit"),
        (one(data_offsets=[8, 32]), b"\0" * 32, "others take"),
        (one() | {"y": one()["x"]}, b"\0" * 24, "others take"),
        (one(dtype="BF16", data_offsets=[0, 6]), b"\0" * 6, "BF16"),
        (one(shape=[-3]), b"\0" * 24, "no readable array at 'x'"),
        (one(shape=[True]), b"\0" * 24, "no readable array at 'x'"),
        (one(data_offsets=[0]), b"\0" * 24, "no readable array at 'x'"),
        (one(data_offsets=None), b"\0" * 24, "no readable array at 'x'"),
        ({"x": 5}, b"", "no readable array at 'x'"),
        ({}, b"", "holds no array"),
        ({"__metadata__": {}}, b"", "holds no array"),
        ([], b"", "a table"),
        (b'{"x": NaN}', b"", "NaN"),
        (b'{"x": 1, "x": 1}', b"", "doubled key"),
        (b"\xff\xff", b"", "UTF-8"),
    ],
    ids=str,
)
def test_weights_that_lie(tmp_path: Path, entries: Any, data: bytes, why: str) -> None:
    assert why in refused(tensors(tmp_path / "a.safetensors", entries, data))


def test_a_header_that_is_longer_than_its_file(tmp_path: Path) -> None:
    for length in (10**4, 2**64 - 1):
        assert f"header of {length}" in refused(tensors(tmp_path / "a.safetensors", one(), length=length))


def weights(folder: Path, metadata: Any) -> Path:
    """A folder with a file of weights, and its manifest."""
    header = one() | ({} if metadata is None else {"__metadata__": metadata})
    content = tensors(folder / "w.safetensors", header, b"\0" * 24).read_bytes()
    changes = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return manifest(folder, file="w.safetensors", **changes)


def test_weights_say_what_they_are(tmp_path: Path) -> None:
    folder = weights(tmp_path, {"arcuate": '{"settings": {"heads": 2}}'})
    assert datasets.attributes("small", folder=folder) == {"settings": {"heads": 2}}
    assert datasets.load("small", folder=folder)["x"].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "told", [None, {}, [], {"arcuate": 5}, {"arcuate": "[1]"}, {"arcuate": "{"}], ids=str
)
def test_weights_that_do_not_say_what_they_are(tmp_path: Path, told: Any) -> None:
    with pytest.raises(FileFormatError):
        datasets.attributes("small", folder=weights(tmp_path, told))


def test_what_is_no_file_of_weights_has_no_attributes() -> None:
    with pytest.raises(FileFormatError, match="safetensors"):
        datasets.attributes("izhikevich_types")


def test_the_receptor_has_the_spikes_and_the_sound_of_both_recordings() -> None:
    receptor = datasets.grasshopper()
    spikes, sound = receptor.spikes("receptor"), receptor.states("stimulus")["amplitude"]
    assert [int((spikes["trial"] == trial).sum()) for trial in (0, 1)] == [929, 868]
    assert sound["stimulus"].values.tolist() == ["cutoff_200_hz", "cutoff_800_hz"]
    assert sound.values[:, 0, 0].tolist() == [0.242911, 0.203889]
    assert float(sound.max()) == 1.0
    assert receptor.duration == 20.0
    assert "NIPY Developers" in datasets.load("nitime_license")
    # half of the power of a modulation lies below its cut-off, and hardly any above
    for trial, cutoff in ((0, 200.0), (1, 800.0)):
        power = np.abs(np.fft.rfft(sound.values[trial, :, 0] - sound.values[trial].mean())) ** 2
        hertz = np.fft.rfftfreq(sound.sizes["time"], 50e-6)
        assert power[hertz > 2 * cutoff].sum() < 0.1 * power.sum() < power[hertz > cutoff / 2].sum()


def test_the_receptor_is_that_of_nitime() -> None:
    folder = Path(pytest.importorskip("nitime").__file__).parent / "data"
    receptor = datasets.grasshopper()
    spikes, sound = receptor.spikes("receptor"), receptor.states("stimulus")["amplitude"]
    for trial in (0, 1):
        stimulus = np.loadtxt(folder / f"grasshopper_stimulus{trial + 1}.txt")
        times = np.loadtxt(folder / f"grasshopper_spike_times{trial + 1}.txt")
        np.testing.assert_array_equal(sound.values[trial, :, 0], stimulus[:, 1])
        np.testing.assert_array_equal(spikes["time"].values[spikes["trial"] == trial], times / 1e6)
