"""Bad words on the command line: one clean message, exit 2, nothing run, no file touched."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import arcuate.models
from arcuate.cli.app import app

SPECIFICATION = """
name = "tiny"
dt = "0.5 ms"
[populations.exc]
n = 10
[populations.exc.neuron]
model = "izh2003"
a = 0.02
"""

Invoke = Callable[..., Result]


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Return a runner in a folder with one published model; a simulation that starts fails the test."""
    folder = tmp_path / "published" / "tiny"
    folder.mkdir(parents=True)
    (folder / "model.toml").write_text(SPECIFICATION, encoding="utf-8")
    (folder / "expected.toml").write_text(
        '[[figure]]\nname = "a"\nwhat = "b"\nsource = "c"\nhigh = 1\n', encoding="utf-8"
    )
    (folder / "reproduce.py").write_text("def reproduce(*words): raise AssertionError\n", encoding="utf-8")
    monkeypatch.setattr(arcuate.models, "models_folder", lambda: folder.parent)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)

    def invoke(*words: str) -> Result:
        before = sorted(here.iterdir())
        result = CliRunner().invoke(app, list(words))
        assert sorted(here.iterdir()) == before
        return result

    return invoke


def refused(result: Result, *words: str) -> None:
    """Demand exit 2, a message of at most four lines with these words, and no traceback."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    text = " ".join(result.stderr.split())
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["rnu", "tiny"], ["rnu"]),
        (["run"], ["MODEL"]),
        (["run", "tiny", "one", "two"], ["one"]),
        (["run", "tiny", "--seed"], ["--seed"]),
        (["run", "tiny", "--nosuch"], ["--nosuch"]),
        (["bench", "nosuch"], ["nosuch"]),
        (["reproduce"], ["MODEL"]),
    ],
)
def test_row_129_unknown_missing_and_surplus_words(
    invoke: Invoke, words: list[str], found: list[str]
) -> None:
    refused(invoke(*words), *found)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["run", "tinny", "--duration", "1 s"], ["tinny", "tiny"]),
        (["run", "../published/tiny", "--duration", "1 s"], ["../published/tiny"]),
        (["run", "", "--duration", "1 s"], ["model"]),
        (["reproduce", "tinny"], ["tinny", "tiny"]),
        (["reproduce", "tiny.toml"], ["tiny.toml"]),
        (["verify", "tinny", "--duration", "1 s"], ["tinny", "tiny"]),
        (["verify", "tiny", "--engines", "numba", "--duration", "1 s"], ["engines", "numba"]),
        (["verify", "tiny", "--engines", "", "--duration", "1 s"], ["engines"]),
        (["verify", "tiny", "--engines", "numba,brain2", "--duration", "1 s"], ["brain2", "brian2"]),
        (["run", "tiny", "--duration", "1 s", "--engine", "nunba"], ["nunba", "numba"]),
        (["run", "tiny", "--duration", "0 s"], ["duration"]),
        (["run", "tiny", "--duration", "-1 s"], ["duration"]),
        (["run", "tiny", "--duration", "1"], ["duration", "unit"]),
        (["run", "tiny", "--duration", "1 s s"], ["duration"]),
        (["run", "tiny", "--duration", "nan s"], ["duration"]),
        (["run", "tiny", "--duration", "1 mV"], ["duration"]),
        (["run", "tiny"], ["duration"]),
        (["run", "tiny", "--duration", "1 s", "--seed", "-1"], ["seed", "-1"]),
        (["run", "tiny", "--duration", "1 s", "--seed", "one"], ["seed", "one", "number"]),
        (["run", "tiny", "--duration", "1 s", "--seed", "1.5"], ["seed", "1.5", "number"]),
        (["run", "tiny", "--duration", "1 s", "--seed", str(2**200)], ["seed"]),
        (["run", "tiny", "--duration", "1 s", "--seed", "9" * 5000], ["seed"]),
        (["verify", "tiny", "--duration", "1 s", "--seed", "one"], ["seed", "one", "number"]),
        (["bench", "spiking", "--workloads", "W99"], ["workload", "W99"]),
        (["bench", "spiking", "--against", "brain2"], ["peer", "brain2", "brian2"]),
        (["bench", "spiking", "--workloads", ","], ["workloads", "at least one"]),
        (["bench", "spiking", "--python", "nest"], ["python", "nest", "peer=path"]),
        (["bench", "spiking", "--python", "nets=/x"], ["peer", "nets", "nest"]),
        (["bench", "spiking", "--python", "nest=/no/such/python"], ["python", "/no/such/python", "file"]),
        (["reproduce", "tiny", "--full"], ["tiny", "published size"]),
        (["reproduce", "tiny", "--full", "--quick"], ["--full", "quick"]),
        (["reproduce", "tiny", "--seeds", "one"], ["seeds", "one", "0-9"]),
        (["reproduce", "tiny", "--seeds", "9-0"], ["seeds", "9-0"]),
        (["reproduce", "tiny", "--seeds", "0-999999999"], ["seeds", "10000"]),
    ],
)
def test_a_value_is_refused_with_its_name_and_the_way_out(
    invoke: Invoke, words: list[str], found: list[str]
) -> None:
    start = time.process_time()
    refused(invoke(*words), "error: ", *found)
    assert time.process_time() - start < 2.0


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        ("populations.exc.n=abc", ["n", "abc"]),
        ("populations.exc.n=2.5", ["n", "2.5"]),
        ("populations.exc.n=true", ["n", "True"]),
        ("populations.exc.n=-5", ["n", "-5"]),
        ("populations.exc.n=[1, 2]", ["n"]),
        ("populations.exc.n=1979-05-27", ["populations.exc.n", "1979-05-27"]),
        ("dt=20", ["dt", "20 ms"]),
        ("dt=1 mV", ["dt", "1 mV"]),
        ("dt=nan", ["dt"]),
        ("dt={value=1}", ["dt"]),
        ("populations.exk.n=5", ["populations.exk.n", "populations.exc.n"]),
        ("populations.exc.neuron.aa=0.1", ["aa", "populations.exc.neuron.a"]),
        ("populations.exc.neuron.a=__import__('os')", ["a"]),
        ("populations.exc.neuron.a=1e400", ["a"]),
        ("n", ["a.b=value"]),
        ("=5", ["a.b=value"]),
        ("a.b=", ["a.b=value"]),
        ("..=5", [".."]),
        ("a.b=" + "[" * 3000, ["a.b=value"]),
        ("populations.exc.n=" + "[" * 1500, ["n"]),
    ],
)
def test_row_131_settings(invoke: Invoke, setting: str, found: list[str]) -> None:
    start = time.process_time()
    result = invoke("run", "tiny", "--duration", "1 s", "--set", setting)
    refused(result, "error: ", *found)
    assert len(result.stderr) < 1000
    assert time.process_time() - start < 2.0


def test_a_setting_comes_once(invoke: Invoke) -> None:
    result = invoke("run", "tiny", "--duration", "1 s", "--set", "dt=1 ms", "--set", "dt=2 ms")
    refused(result, "dt", "set once")


class TestOutput:
    def test_row_130_a_file_that_exists_is_not_overwritten(self, invoke: Invoke) -> None:
        Path("kept.nc").write_text("mine", encoding="utf-8")
        refused(invoke("run", "tiny", "--duration", "1 s", "--out", "kept.nc"), "kept.nc", "--force")
        assert Path("kept.nc").read_text(encoding="utf-8") == "mine"

    def test_row_130_a_folder_that_holds_something_is_not_overwritten(self, invoke: Invoke) -> None:
        Path("kept").mkdir()
        Path("kept/file").write_text("mine", encoding="utf-8")
        refused(invoke("reproduce", "tiny", "--out", "kept"), "kept", "--force")
        assert [path.name for path in Path("kept").iterdir()] == ["file"]

    def test_a_folder_in_place_of_a_file(self, invoke: Invoke) -> None:
        Path("place").mkdir()
        refused(invoke("run", "tiny", "--duration", "1 s", "--out", "place", "--force"), "place", "folder")

    def test_a_file_in_place_of_a_folder(self, invoke: Invoke) -> None:
        Path("place").write_text("mine", encoding="utf-8")
        refused(invoke("reproduce", "tiny", "--out", "place", "--force"), "place", "folder")
        assert Path("place").read_text(encoding="utf-8") == "mine"

    def test_a_file_in_place_of_a_folder_above(self, invoke: Invoke) -> None:
        Path("place").write_text("mine", encoding="utf-8")
        refused(invoke("run", "tiny", "--duration", "1 s", "--out", "place/deep/run.nc"), "place is a file")


class TestFiles:
    def test_row_121_missing_folder_empty_null_and_loop(self, invoke: Invoke) -> None:
        Path("folder.toml").mkdir()
        Path("empty.toml").touch()
        Path("null.toml").symlink_to("/dev/null")
        Path("loop.toml").symlink_to("loop.toml")
        for name in ("missing.toml", "folder.toml", "empty.toml", "null.toml", "loop.toml"):
            refused(invoke("run", name, "--duration", "1 s"), "error: ")

    def test_row_121_a_pipe_does_not_hang(self, invoke: Invoke) -> None:
        os.mkfifo("pipe.toml")
        refused(invoke("run", "pipe.toml", "--duration", "1 s"), "pipe.toml")

    @pytest.mark.parametrize(
        "text",
        ["name = ", "\x00", "name = 1979-05-27", SPECIFICATION + "[nosuch]\nx = 1\n", "a = " + "[" * 5000],
    )
    def test_row_123_not_a_specification(self, invoke: Invoke, text: str) -> None:
        Path("bad.toml").write_text(text, encoding="utf-8")
        result = invoke("run", "bad.toml", "--duration", "1 s")
        refused(result, "error: ")
        assert len(result.stderr) < 1000

    def test_not_text(self, invoke: Invoke) -> None:
        Path("bad.toml").write_bytes(b"\xff\xfe\x00name")
        refused(invoke("run", "bad.toml", "--duration", "1 s"), "error: ")


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.2])
def test_row_132_ctrl_c_at_once_leaves_no_traceback(delay: float) -> None:
    code = (
        "import sys, arcuate.cli; print('ready', flush=True); sys.argv[1:] = ['doctor']; arcuate.cli.main()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # also under a shell that ignores it
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in error


def test_an_engine_that_is_not_there_is_no_traceback(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    from arcuate.errors import MissingExtraError

    def missing(*words: object, **options: object) -> None:
        raise MissingExtraError.of(where="simulate", name="engine", value="brian2", bound="is not installed")

    monkeypatch.setattr(importlib.import_module("arcuate.simulate"), "simulate", missing)
    refused(invoke("run", "tiny", "--duration", "1 s", "--engine", "brian2"), "brian2", "not installed")
