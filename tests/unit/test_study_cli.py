"""``arcuate study``: from a TOML file to results, tables, files and a page."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

import arcuate.study.runner as runner_module
from arcuate.cli import study as cli_module
from arcuate.cli.app import app
from arcuate.study.results import Results

FUNCTIONS = """
import time
from pathlib import Path


def square(x, tau, factor=1.0):
    with Path("calls.txt").open("a") as file:
        file.write(f"{x}\\n")
    if x == 3 and not Path("mended").exists():
        raise ValueError("three is too much")
    return {"square": factor * x * x, "word": "even" if x % 2 == 0 else "odd"}


def slow(x):
    with Path("calls.txt").open("a") as file:
        file.write(f"{x}\\n")
    time.sleep(0.3)
    return {"same": x}
"""

SQUARES = """
name = "squares"
model = "functions.py:square"
[design.values]
x = [1, 2, 3, 4]
tau = ["10 ms", "20 ms"]
"""

SLOW = """
name = "slow"
model = "functions.py:slow"
[design.values]
x = [RANGE]
""".replace("RANGE", ", ".join(str(x) for x in range(100)))

NETWORK = """
name = "tiny"
dt = "0.5 ms"
[populations.exc]
n = 10
bias = 10.0
[populations.exc.neuron]
model = "izh2003"
a = 0.02
"""

RATES = """
name = "rates"
model = "net.toml"
duration = "50 ms"
keep = true
[design.values]
"populations.exc.neuron.a" = [0.02, 0.1]
seed = [0, 1]
"""

# that points failed and metrics are missing is what these studies are for
pytestmark = pytest.mark.filterwarnings("ignore::arcuate.errors.ArcuateWarning")

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a runner of ``arcuate study`` in a folder with two studies; one process, no waiting."""
    here = tmp_path / "here & now"
    here.mkdir()
    monkeypatch.chdir(here)
    for name, text in {
        "functions.py": FUNCTIONS,
        "squares.toml": SQUARES,
        "slow.toml": SLOW,
        "net.toml": NETWORK,
        "rates.toml": RATES,
    }.items():
        Path(name).write_text(text, encoding="utf-8")

    def run(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, ["study", *words])
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return run


def calls() -> list[int]:
    """Return what the functions were called with."""
    path = Path("calls.txt")
    return [int(line) for line in path.read_text().split()] if path.exists() else []


class TestRun:
    def test_a_file_is_run_and_what_failed_is_said(self, run: Run) -> None:
        result = run("squares.toml", "--n-jobs", "1", code=1)
        assert re.search(r"squares: 6 points done, 2 failed in [\d.e-]+ s", result.stdout)
        assert re.search(r"2\s+ValueError: three is too much", result.stdout)
        assert "arcuate study report out/squares" in result.stdout
        table = Results.open("out/squares").table()
        assert table["square"].dropna().tolist() == [1, 1, 4, 4, 16, 16]

    def test_the_same_command_goes_on(self, run: Run) -> None:
        run("squares.toml", "--n-jobs", "1", code=1)
        before = calls()
        Path("mended").touch()
        run("squares.toml", "--n-jobs", "1")
        assert calls()[len(before) :] == [3, 3]

    @pytest.mark.parametrize(
        "words",
        [
            ["run", "squares.toml", "--out", "there"],
            ["--out", "there", "squares.toml"],
            ["./squares.toml", "--out=there"],
        ],
    )
    def test_the_word_run_may_be_left_out(self, run: Run, words: list[str]) -> None:
        Path("mended").touch()
        run(*words, "--n-jobs", "1")
        assert len(Results.open("there").table()) == 8

    def test_a_file_may_have_the_name_of_a_command(self, run: Run) -> None:
        Path("mended").touch()
        Path("squares.toml").rename("verify.toml")
        run("verify.toml", "--n-jobs", "1")
        assert len(calls()) == 8

    def test_set_changes_a_field_of_the_network(self, run: Run) -> None:
        run("rates.toml", "--n-jobs", "1", "--set", "populations.exc.n=3")
        assert Results.open("out/rates").recording(0).n_neurons("exc") == 3

    def test_options_of_the_file_count_until_they_are_overruled(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[dict[str, Any]] = []

        def noted(study: Any, store: Any, **options: Any) -> None:
            asked.append({name: options[name] for name in ("n_jobs", "time_limit", "retries")})

        monkeypatch.setattr(runner_module, "run_points", noted)
        Path("squares.toml").write_text(
            SQUARES + '[run]\ntime_limit = "9 s"\nretries = 1\n', encoding="utf-8"
        )
        for words in (["squares.toml"], ["resume", "out/squares"]):
            run(*words, code=1)  # nothing is run
            assert asked.pop() == {"n_jobs": None, "time_limit": 9.0, "retries": 1}
            run(*words, "--retries", "5", "--n-jobs", "3", "--changed", "keep", code=1)
            assert asked.pop() == {"n_jobs": 3, "time_limit": 9.0, "retries": 5}
            run(*words, "--time-limit", "120 s", code=1)
            assert asked.pop() == {"n_jobs": None, "time_limit": 120.0, "retries": 1}

    def test_a_dry_run_leaves_nothing(self, run: Run) -> None:
        result = run("squares.toml", "--dry-run", "--n-jobs", "2")
        assert "8 points, none done yet; 2 processes" in result.stdout
        assert len(set(calls())) == 1
        assert not Path("out").exists()

    def test_a_dry_run_counts_what_is_done(self, run: Run) -> None:
        run("squares.toml", "--n-jobs", "1", code=1)
        Path("mended").touch()
        assert "8 points, 6 done already" in run("squares.toml", "--dry-run", "--n-jobs", "1").stdout

    def test_a_dry_run_tells_that_its_point_fails(self, run: Run) -> None:
        Path("squares.toml").write_text(SQUARES.replace("[1, 2, 3, 4]", "[3]"), encoding="utf-8")
        result = run("squares.toml", "--dry-run", "--n-jobs", "1")
        assert "the point that was tried failed: ValueError: three is too much" in result.stderr
        assert "2 points, none done yet" in result.stdout

    def test_a_published_study_is_found_by_its_name(self, run: Run) -> None:
        result = run("what_when_reservoir/learning_rate_latencie", code=2)
        assert "what_when_reservoir/learning_rate_latency" in result.stderr


class TestResume:
    def test_a_study_of_a_network_goes_on(self, run: Run) -> None:
        run("rates.toml", "--n-jobs", "1")
        first = Results.open("out/rates").table()
        (Path("out/rates") / first["recording"][2]).unlink()
        for name in ("rates.toml", "net.toml"):
            Path(name).unlink()
        assert "4 points done" in run("resume", "out/rates", "--n-jobs", "1").stdout
        again = Results.open("out/rates").table()
        columns = [name for name in again if name not in ("wall_seconds", "recording")]
        pd.testing.assert_frame_equal(first[columns], again[columns])
        run("verify", "out/rates")

    def test_functions_beside_the_file_are_found_while_they_are_there(self, run: Run) -> None:
        run("squares.toml", "--n-jobs", "1", code=1)
        before = calls()
        Path("mended").touch()
        run("resume", "out/squares", "--n-jobs", "1")
        assert calls()[len(before) :] == [3, 3]
        Path("functions.py").unlink()
        assert "functions.py" in run("resume", "out/squares", code=2).stderr


class TestVerify:
    def test_all_is_well(self, run: Run) -> None:
        run("rates.toml", "--n-jobs", "1")
        assert run("verify", "out/rates").stdout == "nothing is damaged\n"

    def test_a_damaged_recording_is_named_and_put_aside(self, run: Run) -> None:
        run("rates.toml", "--n-jobs", "1")
        name = Results.open("out/rates").table()["recording"][1]
        path = Path("out/rates") / name
        path.write_bytes(path.read_bytes()[:-100])
        result = run("verify", "out/rates", code=1)
        assert result.stdout.startswith(f"{name}: ")
        assert result.stdout.endswith("1 found; 1 point to compute again\n")
        assert path.exists()
        assert "put aside" in run("verify", "out/rates", "--repair", code=1).stdout
        assert not path.exists()
        run("rates.toml", "--n-jobs", "1")
        run("verify", "out/rates")


class TestTable:
    def test_fields_in_usual_units_and_metrics(self, run: Run) -> None:
        run("squares.toml", "--n-jobs", "1", code=1)
        result = run("table", "out/squares")
        assert re.search(
            r"point\s+x\s+tau \(ms\)\s+seed\s+square\s+word\s+status", result.stdout
        ) or re.search(r"point\s+x\s+tau \(ms\)", result.stdout)
        assert re.search(r"\n\s*1\s+1\s+20\s", result.stdout)
        assert len(re.findall(r"failed", result.stdout)) == 2

    def test_the_failed_ones_with_their_reasons(self, run: Run) -> None:
        run("squares.toml", "--n-jobs", "1", code=1)
        result = run("table", "out/squares", "--failed")
        assert len(re.findall(r"^\s+[45]\s+3\s", result.stdout, re.MULTILINE)) == 2
        assert "ValueError" in result.stdout
        assert "Traceback" not in result.stdout

    def test_a_long_table_is_cut_unless_all_is_wanted(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cli_module, "_SHOWN", 3)
        run("squares.toml", "--n-jobs", "1", code=1)
        assert "5 more; --all shows them" in run("table", "out/squares").stdout
        assert "more" not in run("table", "out/squares", "--all").stdout


class TestExport:
    @pytest.mark.parametrize(("name", "read"), [("t.csv", pd.read_csv), ("t.parquet", pd.read_parquet)])
    def test_the_file_holds_the_table(self, run: Run, name: str, read: Callable[..., pd.DataFrame]) -> None:
        run("squares.toml", "--n-jobs", "1", code=1)
        assert run("export", "out/squares", name).stdout == f"wrote {name}\n"
        table, found = Results.open("out/squares").table(), read(name)
        np.testing.assert_array_equal(found["square"], table["square"].astype(float))
        assert found["status"].tolist() == table["status"].tolist()
        np.testing.assert_array_equal(found["tau"], [0.01, 0.02] * 4)

    def test_a_file_that_exists_is_replaced_only_by_force(self, run: Run) -> None:
        run("squares.toml", "--n-jobs", "1", code=1)
        Path("t.csv").write_text("mine", encoding="utf-8")
        assert "--force" in run("export", "out/squares", "t.csv", code=2).stderr
        assert Path("t.csv").read_text(encoding="utf-8") == "mine"
        run("export", "out/squares", "t.csv", "--force")
        assert len(pd.read_csv("t.csv")) == 8


class TestReport:
    def test_the_page_tells_points_reasons_and_origin(self, run: Run) -> None:
        run("squares.toml", "--n-jobs", "1", code=1)
        assert run("report", "out/squares").stdout == "report: out/squares/report.html\n"
        page = Path("out/squares/report.html").read_text(encoding="utf-8")
        for words in (
            "<dd>6 of 8 done</dd>",
            "ValueError: three is too much",
            "functions.py:square",
            "in square",
        ):
            assert words in page
        table = Results.open("out/squares").design
        assert len(table) == 8

    def test_links_lead_to_the_recordings_from_wherever_the_page_is(self, run: Run) -> None:
        run("rates.toml", "--n-jobs", "1")
        run("report", "out/rates", "--out", "pages/new/page.html")
        page = Path("pages/new/page.html")
        links = re.findall(r'"((?:\.\./)+out/rates/recordings/[^"]+\.nc)"', page.read_text(encoding="utf-8"))
        assert len(links) == 4
        assert all((page.parent / link.replace("%3D", "=")).is_file() for link in links)

    def test_a_store_that_is_only_read_is_left_as_it_is(self, run: Run) -> None:
        run("rates.toml", "--n-jobs", "1")
        before = {path: path.read_bytes() for path in Path("out/rates").rglob("*.*") if path.is_file()}
        run("report", "out/rates", "--out", "page.html")
        run("table", "out/rates")
        run("export", "out/rates", "t.csv")
        after = {path: path.read_bytes() for path in Path("out/rates").rglob("*.*") if path.is_file()}
        assert after == before


class TestProcess:
    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_a_run_that_is_stopped_keeps_what_is_done(self, run: Run, number: int, code: int) -> None:
        words = [sys.executable, "-m", "arcuate", "study", "slow.toml", "--n-jobs", "1"]
        with subprocess.Popen(
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        ) as process:
            for _ in range(600):
                if len(calls()) > 2:
                    break
                time.sleep(0.05)
            process.send_signal(number)
            _, error = process.communicate(timeout=60)
        assert process.returncode == code, error
        assert "Traceback" not in error
        assert "what is done is kept" in error
        done = Results.open("out/slow").table()
        assert 1 <= len(done) < 100
        assert set(done["status"]) == {"done"}

    def test_a_reader_that_closes_early_does_no_harm(self, run: Run) -> None:
        run("squares.toml", "--n-jobs", "1", code=1)
        command = f"'{sys.executable}' -m arcuate study table out/squares | head -c 1"
        answer = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=60, check=False
        )
        assert (answer.returncode, answer.stderr) == (0, "")

    def test_locale_c_ascii_and_twenty_columns(self, run: Run) -> None:
        run("squares.toml", "--n-jobs", "1", code=1)
        environment = {
            **os.environ,
            "LC_ALL": "C",
            "PYTHONIOENCODING": "ascii",
            "COLUMNS": "20",
            "PYTHONUTF8": "0",
        }
        for words in (
            ["table", "out/squares"],
            ["report", "out/squares", "--force"],
            ["verify", "out/squares"],
        ):
            answer = subprocess.run(
                [sys.executable, "-m", "arcuate", "study", *words],
                env=environment,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert answer.returncode == 0, answer.stderr
            assert answer.stdout.isascii()
