"""GGUF files: values of every type against gguf's own, and files that lie about themselves."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from language_models import gguf_bytes, shipped_or_skip

from arcuate.errors import ArcuateError, CapabilityError, FileFormatError

pytest.importorskip("torch")

from arcuate.nn._gguf import GGUF, TYPES, dequantized

pytestmark = pytest.mark.torch
NUMBERS = np.arange(12, dtype="<f4").reshape(3, 4)
BLOCK = 1 << 40


def written(place: Path, raw: bytes) -> GGUF:
    file = place / "a.gguf"
    file.write_bytes(raw)
    return GGUF(file, where="test")


def good(**more: Any) -> bytes:
    return gguf_bytes(
        {"general.architecture": "llama", "n": 7, "words": ["a", "bé"], "on": True, "nested": [[1, 2], [3]]},
        {"w": (0, (3, 4), NUMBERS.tobytes()), "h": (1, (4,), NUMBERS[0].astype("<f2").tobytes())},
        **more,
    )


def test_settings_and_tensors_come_back(tmp_path: Path) -> None:
    file = written(tmp_path, good())
    assert file.settings["words"] == ["a", "bé"]
    assert (file.settings["n"], file.settings["on"], file.settings["nested"]) == (7, True, [[1, 2], [3]])
    np.testing.assert_array_equal(file.tensor("w"), NUMBERS)
    np.testing.assert_array_equal(file.tensor("h"), NUMBERS[0])


@pytest.mark.parametrize("name", ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"])
def test_blocks_are_read_as_gguf_reads_them(root: Path, name: str) -> None:
    kind = next(number for number, block in TYPES.items() if block.name == name)
    with np.load(root / "tests" / "data" / "nn" / "gguf_blocks.npz") as golden:
        np.testing.assert_array_equal(dequantized(golden[f"{name}/raw"], kind), golden[f"{name}/values"])


def test_brain_floats_are_the_upper_half_of_floats() -> None:
    values = np.array([1.5, -0.25, 3e30, 0.0], np.float32)
    upper = (values.view(np.uint32) >> 16).astype(np.uint16)
    read = dequantized(upper.view(np.uint8), 30)
    np.testing.assert_array_equal(read, (upper.astype(np.uint32) << 16).view(np.float32))
    np.testing.assert_allclose(read, values, rtol=2**-7)


def test_more_values_than_are_read_at_a_time() -> None:
    values = np.arange(300_000, dtype=np.float32)
    np.testing.assert_array_equal(dequantized(values.view(np.uint8), 0), values)


def test_every_cut_is_noticed(tmp_path: Path) -> None:
    whole = good()
    end = len(whole) - 32 + 8  # the last tensor has 8 bytes, the rest is filling
    for n in range(0, end, 3):
        with pytest.raises(FileFormatError):
            written(tmp_path, whole[:n])
    written(tmp_path, whole[:end])


def test_any_changed_byte_is_read_or_refused(tmp_path: Path) -> None:
    whole, rng = good(), np.random.default_rng(0)
    for at in range(0, len(whole), 3):
        changed = bytearray(whole)
        changed[at] = rng.integers(256)
        try:
            file = written(tmp_path, bytes(changed))
            assert all(np.size(file.tensor(name)) < 100 for name in file.places)
        except ArcuateError:
            pass


def head(n_tensors: int, n_settings: int, rest: bytes = b"", version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, n_tensors, n_settings) + rest


LONG = struct.pack("<Q", 1) + b"a"
W = {"w": (0, (3, 4), NUMBERS.tobytes())}
LIES = {
    "no gguf": (b"PK\x03\x04" + bytes(60), "does not begin with 'GGUF'"),
    "empty": (b"", "is empty"),
    "version 1": (head(0, 0, version=1), "version 1"),
    "most tensors": (head(2**63, 0), "more than fit"),
    "most settings": (head(0, 2**62), "more than fit"),
    "long name": (head(0, 1, struct.pack("<Q", 2**60) + bytes(40)), "cut short"),
    "long array": (head(0, 1, LONG + struct.pack("<IIQ", 9, 5, 2**61) + bytes(40)), "more than fit"),
    "long list": (head(0, 1, LONG + struct.pack("<IIQ", 9, 8, 2**61) + bytes(40)), "more than fit"),
    "deep": (
        head(0, 1, LONG + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 6 + bytes(40)),
        "unknown type",
    ),
    "unknown setting": (head(0, 1, LONG + struct.pack("<I", 99) + bytes(40)), "unknown type"),
    "not text": (head(0, 1, struct.pack("<Q", 2) + b"\xff\xfe" + bytes(40)), "not UTF-8"),
    "1e12 by 1e12": (gguf_bytes({}, {"w": (0, (10**12, 10**12), NUMBERS.tobytes())}), "beyond its end"),
    "1e12 in blocks": (gguf_bytes({}, {"w": (3, (10**12, 32), NUMBERS.tobytes())}), "beyond its end"),
    "no rows": (gguf_bytes({}, {"w": (0, (0, 4), NUMBERS.tobytes())}), "no whole blocks"),
    "no whole blocks": (gguf_bytes({}, {"w": (3, (3, 4), NUMBERS.tobytes())}), "no whole blocks"),
    "dimensions": (gguf_bytes({}, {"w": (0, (1, 1, 1, 3, 4), NUMBERS.tobytes())}), "5 dimensions"),
    "beyond the end": (gguf_bytes({}, W, offsets={"w": 2**63}), "beyond its end"),
    "unaligned": (gguf_bytes({}, W, offsets={"w": 8}), "unaligned"),
    "alignment": (gguf_bytes({"general.alignment": 3}, W), "power of two"),
    "twice": (head(0, 2, (LONG + struct.pack("<IB", 0, 1)) * 2), "twice"),
    "overlap": (gguf_bytes({}, W | {"v": (0, (4,), NUMBERS[0].tobytes())}, offsets={"v": 0}), "same place"),
}


@pytest.mark.parametrize("lie", LIES)
def test_files_that_lie_are_refused(tmp_path: Path, lie: str) -> None:
    raw, told = LIES[lie]
    with pytest.raises(FileFormatError, match=told):
        written(tmp_path, raw)


def test_two_tensors_of_one_name(tmp_path: Path) -> None:
    raw = gguf_bytes({}, W | {"v": (0, (4,), NUMBERS[0].tobytes())})
    with pytest.raises(FileFormatError, match="two tensors"):
        written(tmp_path, raw.replace(struct.pack("<Q", 1) + b"v", struct.pack("<Q", 1) + b"w"))


def test_a_type_that_is_not_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(CapabilityError, match=r"type 16.*Q4_1"):
        written(tmp_path, gguf_bytes({}, {"w": (16, (3, 256), bytes(1000))}))


@pytest.mark.weights
@pytest.mark.slow
def test_tensors_of_smollm2_are_read_as_gguf_reads_them() -> None:
    theirs = pytest.importorskip("gguf")
    from arcuate.nn._packages import PACKAGES, unpacked

    shipped_or_skip("smollm2")
    path = unpacked("smollm2", PACKAGES["smollm2"], folder=None) / PACKAGES["smollm2"].members[0].name
    file = GGUF(path, where="test")
    read = theirs.GGUFReader(path)
    assert len(read.tensors) == len(file.places) == 272
    for one in read.tensors[::9]:
        expected = theirs.quants.dequantize(one.data, one.tensor_type)
        np.testing.assert_array_equal(file.tensor(one.name), expected)
