"""Row 110 of the table of bad inputs: weights that are pickles, cut, of other or absurd shapes, elsewhere."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from language_models import gguf_bytes, tiny_llama

from arcuate.errors import ArcuateError, CapabilityError, FileFormatError

torch = pytest.importorskip("torch")

from arcuate.nn import _gguf_llama, load_language_model  # noqa: E402
from arcuate.nn._gguf import GGUF  # noqa: E402
from arcuate.nn.language import _tensors  # noqa: E402

pytestmark = pytest.mark.torch


class Trap:
    """What a pickle would run."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("pickle-was-run"),)


def refused(path: object, *told: str) -> None:
    with pytest.raises(ArcuateError) as error:
        load_language_model(path)  # type: ignore[arg-type]
    text = str(error.value)
    assert len(text.splitlines()) <= 4
    assert all(part in text for part in told), text
    assert not Path("pickle-was-run").exists()


def safetensors(entries: dict[str, Any], data: bytes = bytes(64)) -> bytes:
    head = json.dumps(entries).encode()
    return struct.pack("<Q", len(head)) + head + data


def entry(*shape: int, start: int = 0, end: int = 64, kind: str = "F32") -> dict[str, Any]:
    return {"dtype": kind, "shape": list(shape), "data_offsets": [start, end]}


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pth", "net.pkl", "old.ckpt"])
def test_pickles(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(pickle.dumps(Trap()))
    (tmp_path / "config.json").write_text("{}")
    refused(tmp_path / name, "pickle", "save_pretrained")
    refused(tmp_path, name, "pickle", "save_pretrained")


@pytest.mark.parametrize("packed", [False, True])
def test_a_pickle_under_another_name(tmp_path: Path, packed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "model.safetensors"
    if packed:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(Trap()))
    else:
        file.write_bytes(pickle.dumps(Trap(), protocol=2))
    with pytest.raises(FileFormatError, match="pickle"):
        _tensors(file)
    assert not (tmp_path / "pickle-was-run").exists()
    file.rename(tmp_path / "model.gguf")
    with pytest.raises(FileFormatError, match="no GGUF file"):
        GGUF(tmp_path / "model.gguf", where="test")


ELSEWHERE = [
    "../model.safetensors",
    "/etc/passwd",
    "a/b.safetensors",
    "..",
    "",
    "x.bin",
    "C:\\x.safetensors",
    3,
]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_parts_out_of_the_folder(tmp_path: Path, name: Any) -> None:
    (tmp_path / "config.json").write_text("{}")
    index = {"metadata": {}, "weight_map": {"a": name}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(tmp_path, "no .safetensors file of the folder")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"weight_map": {}}', '{"weight_map": 3}', "\xff"])
def test_an_index_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(text, encoding="latin-1")
    refused(tmp_path, "index.json")


@pytest.mark.parametrize("path", ["", "nowhere", 3, None, b"", "model.onnx", "."], ids=repr)
def test_paths_of_nothing(tmp_path: Path, path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.onnx").write_bytes(bytes(10))
    refused(path, "load_language_model", "path = ")


HEADS: dict[str, bytes] = {
    "empty": b"",
    "short": b"\x01",
    "long header": struct.pack("<Q", 10**12) + b"{}",
    "no json": struct.pack("<Q", 8) + b"notjson!",
    "a list": safetensors([]),  # type: ignore[arg-type]
    "1e12 by 1e12": safetensors({"w": entry(10**12, 10**12)}),
    "overflow": safetensors({"w": entry(2**32, 2**32)}),
    "1e12": safetensors({"w": entry(10**12)}),
    "negative": safetensors({"w": entry(-4, -4)}),
    "other shape": safetensors({"w": entry(4, 5)}),
    "beyond the end": safetensors({"w": entry(4, 4, start=64, end=128)}),
    "backwards": safetensors({"w": entry(4, 4, start=64, end=0)}),
    "overlap": safetensors({"w": entry(4, 4), "v": entry(4, 4)}),
    "unknown type": safetensors({"w": entry(4, 4, kind="F31")}),
    "data left over": safetensors({"w": entry(4, 4)}, bytes(80)),
    "cut": safetensors({"w": entry(4, 4)}, bytes(60)),
}


@pytest.mark.parametrize("case", HEADS)
def test_safetensors_that_lie(tmp_path: Path, case: str) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(HEADS[case])
    with pytest.raises(FileFormatError, match=r"model\.safetensors"):
        _tensors(file)


def test_safetensors_that_do_not(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(safetensors({"w": entry(4, 8, kind="F16")}, np.full(32, 0.5, "<f2").tobytes()))
    assert torch.equal(_tensors(file)["w"], torch.full((4, 8), 0.5))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"general.architecture": "mamba"}, "'mamba'"),
        ({"general.architecture": 3}, "general.architecture"),
        ({"llama.rope.scaling.type": "yarn"}, "stretches"),
        ({"llama.rope.dimension_count": 2}, "a part of each head"),
        ({"llama.embedding_length": "wide"}, "llama.embedding_length"),
        ({"llama.attention.head_count": 0}, "0 heads"),
        ({"llama.attention.head_count": 3}, "3 heads"),
        ({"llama.attention.head_count_kv": 0}, "0 heads"),
        ({"tokenizer.ggml.tokens": "a"}, "tokenizer.ggml.tokens"),
    ],
    ids=lambda part: part if isinstance(part, str) else None,
)
def test_settings_of_gguf(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    settings, tensors = tiny_llama()
    (tmp_path / "a.gguf").write_bytes(gguf_bytes(settings | change, tensors))
    file = GGUF(tmp_path / "a.gguf", where="load_language_model")
    with pytest.raises((FileFormatError, CapabilityError), match=told):
        _gguf_llama.state(file, _gguf_llama.configuration(file))


def test_settings_of_gguf_that_are_missing(tmp_path: Path) -> None:
    settings, tensors = tiny_llama()
    needed = [name for name in settings if name.startswith(("general", "llama")) and "_kv" not in name]
    for name in needed:
        rest = {key: value for key, value in settings.items() if key != name}
        (tmp_path / "a.gguf").write_bytes(gguf_bytes(rest, tensors))
        file = GGUF(tmp_path / "a.gguf", where="load_language_model")
        with pytest.raises(FileFormatError, match=name):
            _gguf_llama.configuration(file)


@pytest.mark.parametrize("name", ["blk.0.attn_q.bias", "blk.x.attn_q.weight", "blk.0.", "rope_freqs.weight"])
def test_tensors_that_a_llama_does_not_have(tmp_path: Path, name: str) -> None:
    settings, tensors = tiny_llama()
    (tmp_path / "a.gguf").write_bytes(gguf_bytes(settings, tensors | {name: (0, (4,), bytes(16))}))
    file = GGUF(tmp_path / "a.gguf", where="load_language_model")
    with pytest.raises(CapabilityError, match=r"does not have|stretches"):
        _gguf_llama.state(file, _gguf_llama.configuration(file))
