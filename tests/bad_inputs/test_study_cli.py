"""Bad words for ``arcuate study``: one clean message, exit 2, nothing run, no store and no file touched."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from arcuate.cli.app import app
from arcuate.study.study import Study

FUNCTIONS = """
from pathlib import Path


def square(x):
    Path("ran").touch()
    return {"square": x * x}
"""

NETWORK = """
name = "tiny"
dt = "0.5 ms"
[populations.exc]
n = 10
[populations.exc.neuron]
model = "izh2003"
a = 0.02
"""

RATES = """
name = "rates"
model = "net.toml"
duration = "50 ms"
[design.values]
"populations.exc.neuron.a" = [0.02, 0.1]
"""

SQUARES = """
name = "squares"
model = "functions.py:square"
[design.values]
x = [1, 2]
"""

Invoke = Callable[..., Result]


def tree() -> dict[str, bytes]:
    """Return all that lies in the folder and below, but for SQLite's own marks, which hold nothing."""
    found = {str(path): path.read_bytes() if path.is_file() else b"" for path in Path.cwd().rglob("*")}
    marks = {
        name for name, data in found.items() if name.endswith("-shm") or (name.endswith("-wal") and not data)
    }
    return {name: data for name, data in found.items() if name not in marks}


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Return a runner in a folder with studies and a store; it demands that nothing there is changed."""
    monkeypatch.chdir(tmp_path)
    Path("functions.py").write_text(FUNCTIONS, encoding="utf-8")
    for name, text in {"net": NETWORK, "rates": RATES, "squares": SQUARES}.items():
        Path(f"{name}.toml").write_text(text, encoding="utf-8")
    Study(_double, {"x": [1, 2]}, name="squares").run("store", n_jobs=1)

    def invoke(*words: str) -> Result:
        before = tree()
        result = CliRunner().invoke(app, ["study", *words])
        assert tree() == before
        return result

    return invoke


def _double(x: float) -> dict[str, float]:
    return {"double": 2 * x}


def refused(result: Result, *words: str) -> None:
    """Demand exit 2, a message of at most four lines with these words, and no traceback."""
    assert result.exit_code == 2, (result.output, result.exception)
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert len(result.stderr) < 1000
    text = " ".join(result.stderr.split())
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["veriy", "store"], ["veriy"]),
        (["verify"], ["FOLDER"]),
        (["verify", "store", "more"], ["more"]),
        (["export", "store"], ["FILE"]),
        (["export", "store", "a.csv", "b.csv"], ["b.csv"]),
        (["squares.toml", "one", "two"], ["one"]),
        (["squares.toml", "--n-jobs"], ["--n-jobs"]),
        (["squares.toml", "--nosuch"], ["--nosuch"]),
        (["--nosuch", "squares.toml"], ["--nosuch"]),
        (["table", "store", "--out", "x"], ["--out"]),
        (["run"], ["FILE.toml"]),
    ],
)
def test_row_129_unknown_missing_and_surplus_words(
    invoke: Invoke, words: list[str], found: list[str]
) -> None:
    refused(invoke(*words), *found)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--n-jobs", "0"], ["n-jobs", "'0'", "1 or more"]),
        (["--n-jobs", "-1"], ["n-jobs", "'-1'", "whole number"]),
        (["--n-jobs", "two"], ["n-jobs", "'two'", "whole number"]),
        (["--n-jobs", "1.5"], ["n-jobs", "'1.5'", "whole number"]),
        (["--n-jobs", "9" * 5000], ["n-jobs", "whole number"]),
        (["--retries", "-1"], ["retries", "'-1'", "whole number"]),
        (["--retries", "many"], ["retries", "'many'", "whole number"]),
        (["--retries", "1000"], ["retries", "1000", "100"]),
        (["--time-limit", "0 s"], ["time_limit", "0 s", "> 0"]),
        (["--time-limit", "-1 s"], ["time_limit", "-1 s"]),
        (["--time-limit", "60"], ["time_limit", "60", "unit"]),
        (["--time-limit", "60 mV"], ["time_limit", "60 mV"]),
        (["--time-limit", "soon"], ["time_limit", "soon"]),
        (["--time-limit", "nan s"], ["time_limit", "nan"]),
        (["--changed", "kep"], ["changed", "kep", "keep"]),
        (["--set", "x=1"], ["set", "x", "function"]),
    ],
)
def test_rows_119_120_a_value_is_refused_with_its_name_and_the_way_out(
    invoke: Invoke, words: list[str], found: list[str]
) -> None:
    start = time.process_time()
    refused(invoke("squares.toml", *words), "error: ", *found)
    assert time.process_time() - start < 2.0


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        ("populations.exc.n=abc", ["n", "abc"]),
        ("populations.exc.n=-5", ["n", "-5"]),
        ("populations.exk.n=5", ["populations.exk.n", "populations.exc.n"]),
        ("dt=20", ["dt", "20 ms"]),
        ("dt=1979-05-27", ["dt", "1979-05-27"]),
        ("a.b=", ["a.b=value"]),
        ("n", ["a.b=value"]),
        ("populations.exc.neuron.a=__import__('os')", ["a"]),
    ],
)
def test_row_131_settings(invoke: Invoke, setting: str, found: list[str]) -> None:
    refused(invoke("rates.toml", "--set", setting), "error: ", *found)


class TestStudyFiles:
    def test_row_121_missing_folder_empty_null_loop_and_pipe(self, invoke: Invoke) -> None:
        Path("folder.toml").mkdir()
        Path("empty.toml").touch()
        Path("null.toml").symlink_to("/dev/null")
        for name in ("missing.toml", "no/such.toml", "folder.toml", "empty.toml", "null.toml"):
            refused(invoke(name), "error: ")

    def test_row_121_a_loop_and_a_pipe_do_not_hang(self, invoke: Invoke) -> None:
        Path("loop.toml").symlink_to("loop.toml")
        os.mkfifo("pipe.toml")
        for name in ("loop.toml", "pipe.toml"):
            refused(invoke(name), "error: ")

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("name = ", []),
            ("\x00", []),
            ("model = 1979-05-27\n", []),
            (SQUARES + "[nosuch]\nx = 1\n", ["nosuch"]),
            (SQUARES.replace("x = [1, 2]", "x = [1, 1]"), ["x"]),
            (SQUARES.replace("x = [1, 2]", "x = []"), ["x"]),
            (SQUARES.replace("x = [1, 2]", "y = [1]"), ["y"]),
            (SQUARES.replace("py:square", "py:sqare"), ["sqare", "square"]),
            (SQUARES.replace("functions.py:square", "../functions.py:square"), ["functions.py"]),
            (SQUARES.replace("functions.py:square", "os:system"), ["os:system"]),
            (RATES.replace("exc.neuron.a", "exc.neuron.aa"), ["aa"]),
            (RATES.replace("0.02, 0.1", "0.02, nan"), []),
            ("a = " + "[" * 5000, []),
        ],
    )
    def test_row_123_not_a_study(self, invoke: Invoke, text: str, found: list[str]) -> None:
        Path("bad.toml").write_text(text, encoding="utf-8")
        refused(invoke("bad.toml"), "error: ", *found)

    def test_a_published_study_that_is_not_there(self, invoke: Invoke) -> None:
        refused(invoke("what_when/nosuch"), "what_when/nosuch")


class TestFolders:
    @pytest.mark.parametrize("command", [["verify"], ["resume"], ["table"], ["report"], ["export"]])
    def test_row_121_what_is_no_store(self, invoke: Invoke, command: list[str]) -> None:
        Path("empty").mkdir()
        Path("file").write_text("mine", encoding="utf-8")
        Path("null").symlink_to("/dev/null")
        Path("loop").symlink_to("loop")
        more = ["new.csv"] if command == ["export"] else []
        for name in ("missing", "empty", "file", "null"):
            refused(invoke(*command, name, *more), "error: ", name)

    @pytest.mark.parametrize("command", [["verify"], ["resume"], ["table"], ["report"], ["export"]])
    def test_row_118_the_index_of_another_program(self, invoke: Invoke, command: list[str]) -> None:
        Path("other").mkdir()
        connection = sqlite3.connect("other/index.sqlite")
        connection.execute("CREATE TABLE photos (name TEXT)")
        connection.commit()
        connection.close()
        more = ["new.csv"] if command == ["export"] else []
        refused(invoke(*command, "other", *more), "error: ", "other")

    def test_row_118_another_study(self, invoke: Invoke) -> None:
        refused(invoke("rates.toml", "--out", "store", "--n-jobs", "1"), "error: ", "squares", "rates")

    def test_row_117_the_same_study_of_another_function(self, invoke: Invoke) -> None:
        result = invoke("squares.toml", "--out", "store", "--n-jobs", "1")
        refused(result, "error: ", "_double", "functions.py:square", 'changed="recompute"')
        assert not Path("ran").exists()

    def test_a_folder_with_other_things(self, invoke: Invoke) -> None:
        Path("mine").mkdir()
        Path("mine/photo").write_text("mine", encoding="utf-8")
        for words in (["--n-jobs", "1"], ["--dry-run"]):
            refused(invoke("squares.toml", "--out", "mine", *words), "error: ", "mine", "empty")

    def test_a_file_in_place_of_the_folder(self, invoke: Invoke) -> None:
        for place in ("net.toml", "net.toml/deeper"):
            refused(invoke("squares.toml", "--out", place, "--n-jobs", "1"), "error: ", "net.toml")


class TestOutput:
    def test_row_130_a_file_that_exists_is_not_overwritten(self, invoke: Invoke) -> None:
        Path("kept.csv").write_text("mine", encoding="utf-8")
        refused(invoke("export", "store", "kept.csv"), "kept.csv", "--force")
        refused(invoke("report", "store", "--out", "kept.csv"), "kept.csv", "--force")
        Path("store/report.html").write_text("mine", encoding="utf-8")
        refused(invoke("report", "store"), "report.html", "--force")

    @pytest.mark.parametrize("name", ["table.xlsx", "table", ".csv", "table.CSV", "table.pickle"])
    def test_a_kind_of_file_that_is_not_known(self, invoke: Invoke, name: str) -> None:
        refused(invoke("export", "store", name), "error: ", ".csv or .parquet")

    def test_a_folder_in_place_of_a_file(self, invoke: Invoke) -> None:
        Path("place.csv").mkdir()
        refused(invoke("export", "store", "place.csv", "--force"), "place.csv", "folder")
        refused(invoke("report", "store", "--out", "place.csv", "--force"), "place.csv", "folder")

    def test_a_file_in_place_of_a_folder_above(self, invoke: Invoke) -> None:
        refused(invoke("export", "store", "net.toml/t.csv"), "net.toml is a file")
        refused(invoke("report", "store", "--out", "net.toml/t.html"), "net.toml is a file")


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.4])
def test_row_132_ctrl_c_at_once_leaves_no_traceback(tmp_path: Path, delay: float) -> None:
    (tmp_path / "functions.py").write_text(FUNCTIONS, encoding="utf-8")
    (tmp_path / "squares.toml").write_text(
        SQUARES.replace("[1, 2]", str(list(range(50_000)))), encoding="utf-8"
    )
    code = (
        "import sys, arcuate.cli; print('ready', flush=True); sys.argv[1:] = ['study', 'squares.toml']; "
        "arcuate.cli.main()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
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


@pytest.mark.parametrize("name", ["../elsewhere", "/tmp/elsewhere", ".."])
def test_a_study_writes_nowhere_but_in_out_unless_it_is_told(invoke: Invoke, name: str) -> None:
    Path("squares.toml").write_text(SQUARES.replace("squares", name), encoding="utf-8")
    refused(invoke("squares.toml", "--n-jobs", "1"), "name", name, "--out FOLDER")
