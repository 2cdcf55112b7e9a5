"""The cache of compiled code: damaged, raced, unwritable, in odd places. The run works and says the same.

Each process runs one small kernel and prints the digest of its recording, and whether Numba was loaded,
which it is only to compile.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from arcuate import _native

SCRIPT = """
import sys, arcuate as arc
cells = arc.Population(name="exc", n=3, neuron=arc.lif(), bias="0.5 nA")
net = arc.Network(name="three", dt="0.1 ms", populations=[cells])
print(arc.simulate(net, "50 ms", seed=1, progress=False).digest(), "numba" in sys.modules)
"""


def start(script: str = SCRIPT, /, **environment: str | None) -> subprocess.Popen[str]:
    merged = {**os.environ, **environment}
    return subprocess.Popen(
        [sys.executable, "-W", "error::UserWarning", "-c", script],
        env={key: value for key, value in merged.items() if value is not None},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> tuple[str, bool]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert err == ""
    digest, compiled = out.split()
    return digest, compiled == "True"


def run(folder: Path, **environment: str | None) -> tuple[str, bool]:
    return end(start(ARCUATE_CACHE=str(folder), **environment))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A cache that one process has filled, and what it computed."""
    folder = tmp_path_factory.mktemp("cache")
    digest, compiled = run(folder)
    assert compiled
    return folder, digest


@pytest.fixture
def cache(filled: tuple[Path, str], tmp_path: Path) -> tuple[Path, str]:
    """A copy of it."""
    shutil.copytree(filled[0], tmp_path / "cache")
    return tmp_path / "cache", filled[1]


def code(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.o"))


def test_another_process_does_not_compile(cache: tuple[Path, str]) -> None:
    assert len(code(cache[0])) == 1
    assert run(cache[0]) == (cache[1], False)


def damages(data: bytes) -> Iterator[bytes]:
    """Ways to damage a file, in its checksum, its header and its machine code."""
    yield b""
    yield data[: len(data) // 2]
    yield data[:-1]
    for place in (3, 40, 110, len(data) // 2, len(data) - 1):
        yield data[:place] + bytes([data[place] ^ 64]) + data[place + 1 :]
    yield b"\0" * len(data)
    yield data + b"more"


def test_damaged_code_is_never_taken(cache: tuple[Path, str]) -> None:

    (path,) = code(cache[0])
    data = path.read_bytes()
    key = data[32:96].decode()
    assert _native._read(path, key) is not None
    for damaged in damages(data):
        path.write_bytes(damaged)
        assert _native._read(path, key) is None
    assert _native._read(path.with_name("gone.o"), key) is None
    assert _native._read(cache[0], key) is None


@pytest.mark.parametrize("kind", ["truncated", "altered", "folder"])
def test_a_damaged_file_is_compiled_again(cache: tuple[Path, str], kind: str) -> None:
    (path,) = code(cache[0])
    data = path.read_bytes()
    path.unlink()
    if kind == "folder":
        path.mkdir()
    else:
        path.write_bytes(data[:1000] if kind == "truncated" else data[:-9] + bytes(9))
    (source,) = cache[0].rglob("kernel_*.py")
    source.write_bytes(b"\xff not python")
    assert run(cache[0]) == (cache[1], True)
    assert run(cache[0]) == (cache[1], kind == "folder")


def test_code_of_something_else_is_not_taken(cache: tuple[Path, str]) -> None:

    (path,) = code(cache[0])
    assert _native._read(path, "0" * 64) is None


def test_four_first_processes_at_once(tmp_path: Path, filled: tuple[Path, str]) -> None:
    processes = [start(ARCUATE_CACHE=str(tmp_path)) for _ in range(4)]
    assert {end(process)[0] for process in processes} == {filled[1]}
    assert len(code(tmp_path)) == 1
    assert not list(tmp_path.rglob("*.tmp"))
    assert run(tmp_path) == (filled[1], False)


def test_code_that_calls_the_mathematical_library_is_loaded_without_numba(tmp_path: Path) -> None:
    script = (
        "import sys, numpy as np\n"
        "from arcuate._philox import padded_normals\n"
        "print(padded_normals(1, 'a', 0, 2, n=3).sum(), 'numba' in sys.modules)"
    )
    first, second = (end(start(script, ARCUATE_CACHE=str(tmp_path))) for _ in range(2))
    assert (first[0], first[1], second) == (second[0], True, (first[0], False))


def test_no_home_folder(tmp_path: Path, filled: tuple[Path, str]) -> None:
    nowhere = {"HOME": None, "XDG_CACHE_HOME": None, "ARCUATE_CACHE": None, "TMPDIR": str(tmp_path)}
    with_home = {**nowhere, "HOME": str(tmp_path / "home")}
    assert end(start(**with_home))[0] == filled[1]
    assert len(code(tmp_path / "home" / ".cache" / "arcuate")) == 1
    (tmp_path / "file").write_text("")
    broken = {**nowhere, "HOME": str(tmp_path / "file")}  # nothing can be made below a file
    assert end(start(**broken)) == (filled[1], True)
    assert not list(tmp_path.glob("arcuate-*"))


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(cache: tuple[Path, str]) -> None:
    for folder in [cache[0], *(path for path in cache[0].rglob("*") if path.is_dir())]:
        folder.chmod(0o500)
    assert run(cache[0])[0] == cache[1]


def test_a_cache_that_is_full_or_taken_away_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from arcuate.engines import _compile

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_native.tempfile, "mkstemp", refuse)
    _native._write(tmp_path / "native" / "code.o", "0" * 64, _native._Code(code=b"code"))
    assert not code(tmp_path)
    path = _compile._written(tmp_path / "kernels" / "kernel_1.py", "x = 1\n")
    assert tmp_path not in path.parents and path.read_text() == "x = 1\n"
    shutil.rmtree(path.parent)


def test_a_changed_rule_is_other_code() -> None:
    from arcuate.mechanisms import plasticity

    def changed(space: dict[str, object], text: str) -> str:
        return _native.fingerprint(space[text])  # type: ignore[arg-type]

    before = _native.fingerprint(plasticity.rls_update)
    assert before == _native.fingerprint(plasticity.rls_update)
    assert before != _native.fingerprint(plasticity.rls_reset)
    first, second = {"K": 1.0}, {"K": 2.0}
    for space in (first, second):
        exec("def scaled(x):\n    return helper(x)\ndef helper(x):\n    return K * x\n", space)
    assert changed(first, "scaled") != changed(second, "scaled")  # a constant of what is called


def test_files_of_another_layout_are_other_code(monkeypatch: pytest.MonkeyPatch) -> None:
    before = _native._platform.__wrapped__()
    monkeypatch.setattr(_native, "FORMAT", "another")
    assert _native._platform.__wrapped__() != before
