"""The command line, in process and as a process of its own."""

from __future__ import annotations

import importlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

import arcuate.models
from arcuate.cli import console as console_module
from arcuate.cli.app import app
from arcuate.cli.console import Progress
from arcuate.cli.doctor import Finding, examine
from arcuate.cli.settings import parse_settings
from arcuate.errors import SpecError
from arcuate.recording import Recording
from arcuate.study.reproduction import default_seeds

SPECIFICATION = """
name = "tiny"
description = "Ten neurons for tests."
dt = "0.5 ms"
[populations.exc]
n = 10
bias = 10.0
[populations.exc.neuron]
model = "izh2003"
a = 0.02
"""

EXPECTED = """
[[figure]]
name = "spikes"
what = "spikes of the ten neurons"
statistic = "all"
low = 1
seeds = "0-2"
source = "chosen: any spike will do"

[[figure]]
name = "rare"
what = "something that takes long to measure"
value = 3.0
tolerance = 0.5
unit = "Hz"
source = "chosen: an example"
quick = false
"""

REPRODUCE = """
from arcuate import load_model, plot, simulate
from arcuate.study.reproduction import Reproduction, judge


def reproduce(seeds, quick, out, progress):
    spikes = {}
    for index, seed in enumerate(seeds):
        progress(index, len(seeds), f"seed {seed}")
        rec = simulate(load_model("tiny"), "100 ms", seed=seed)
        spikes[seed] = rec.spikes("exc").sizes["spike"]
    figures = judge("tiny", {"spikes": spikes}, quick=quick)
    return Reproduction(
        model="tiny",
        figures=figures,
        plots={"raster": plot.raster(rec).figure},
        captions={"raster": "Spikes & <nothing> else."},
        caveats=("Ten neurons are few.",),
        tables={"per seed": {"seed": list(spikes), "spikes": list(spikes.values())}},
    )
"""


@pytest.fixture
def runner() -> CliRunner:
    """Return a runner of commands."""
    return CliRunner()


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    """Return the path of a small model."""
    path = tmp_path / "tiny.toml"
    path.write_text(SPECIFICATION, encoding="utf-8")
    return str(path)


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Publish one small model and stand in an empty folder."""
    folder = tmp_path / "published"
    (folder / "tiny").mkdir(parents=True)
    for name, text in (
        ("model.toml", SPECIFICATION),
        ("expected.toml", EXPECTED),
        ("reproduce.py", REPRODUCE),
    ):
        (folder / "tiny" / name).write_text(text, encoding="utf-8")
    (folder / "tiny" / "fast.toml").write_text(SPECIFICATION.replace("0.5 ms", "1 ms"), encoding="utf-8")
    monkeypatch.setattr(arcuate.models, "models_folder", lambda: folder)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return folder


def flat(text: str) -> str:
    """Return the text without the line breaks of a terminal."""
    return re.sub(r"\s+", " ", text)


class TestRun:
    def test_it_says_what_came_out(self, runner: CliRunner, tiny: str) -> None:
        result = runner.invoke(app, ["run", tiny, "--duration", "100 ms", "--seed", "3"])
        assert result.exit_code == 0, result.output
        assert "tiny on numba, seed 3, 0.1 s" in result.stdout
        assert re.search(r"exc\s+10\s+\d+\s+[\d.]+ Hz", result.stdout)

    def test_it_saves_the_recording_with_what_was_set(
        self, runner: CliRunner, tiny: str, tmp_path: Path
    ) -> None:
        out = tmp_path / "new" / "folder" / "run.nc"
        arguments = ["run", tiny, "--duration", "50 ms", "--out", str(out)]
        changes = [
            "--set",
            "populations.exc.n=12",
            "--set",
            "dt=0.25 ms",
            "--set",
            "populations.exc.bias=0.0",
        ]
        result = runner.invoke(app, [*arguments, *changes])
        assert result.exit_code == 0, result.output
        rec = Recording.load(out)
        assert rec.n_neurons("exc") == 12
        assert rec.spikes("exc").sizes["spike"] == 0
        assert rec.dt == 0.00025

    def test_the_same_seed_gives_the_same_recording(
        self, runner: CliRunner, tiny: str, tmp_path: Path
    ) -> None:
        digests = []
        for name in ("a.nc", "b.nc"):
            arguments = ["run", tiny, "--duration", "80 ms", "--seed", "5", "--out", str(tmp_path / name)]
            assert runner.invoke(app, arguments).exit_code == 0
            rec = Recording.load(tmp_path / name)
            digests.append(rec.spikes("exc")["time"].values.tobytes())
        assert digests[0] == digests[1]
        assert digests[0]


class TestReproduce:
    def test_the_table_the_report_and_the_exit_code(self, runner: CliRunner, published: Path) -> None:
        result = runner.invoke(app, ["reproduce", "tiny", "--quick", "--out", "result"])
        assert result.exit_code == 0, result.output
        assert "not judged" in result.stdout
        assert "every judged figure holds" in result.stdout
        assert "Ten neurons are few." in result.stdout
        assert sorted(path.name for path in Path("result").iterdir()) == [
            "figures.json",
            "raster.png",
            "report.html",
        ]
        assert Path("result/raster.png").read_bytes().startswith(b"\x89PNG")
        summary = json.loads(Path("result/figures.json").read_text(encoding="utf-8"))
        assert summary["holds"] is True
        assert [figure["verdict"] for figure in summary["figures"]] == ["holds", "not judged"]
        assert list(summary["figures"][0]["values"]) == ["0"]

    def test_what_was_not_measured_fails_a_full_run(self, runner: CliRunner, published: Path) -> None:
        result = runner.invoke(app, ["reproduce", "tiny"])
        assert result.exit_code == 1
        assert "not every figure holds" in result.stdout
        assert re.search(r"rare\s+2.5 to 3.5 Hz\s+not measured\s+fails", result.stdout)
        assert "3 seeds" in result.stdout
        assert Path("out/tiny/report.html").is_file()

    def test_a_figure_that_misses_its_bound_fails(self, runner: CliRunner, published: Path) -> None:
        path = published / "tiny" / "expected.toml"
        path.write_text(EXPECTED.replace("low = 1\n", "high = 0\n"), encoding="utf-8")
        result = runner.invoke(app, ["reproduce", "tiny", "--quick"])
        assert result.exit_code == 1
        assert re.search(r"spikes\s+<= 0\s+\d+ \(1 seed\)\s+fails", result.stdout)

    def test_the_seeds_may_be_named(self, runner: CliRunner, published: Path) -> None:
        result = runner.invoke(app, ["reproduce", "tiny", "--quick", "--seeds", "4,7-8"])
        assert result.exit_code == 0, result.output
        summary = json.loads(Path("out/tiny/figures.json").read_text(encoding="utf-8"))
        assert list(summary["figures"][0]["values"]) == ["4", "7", "8"]

    def test_the_published_size_has_figures_and_seeds_of_its_own(
        self, runner: CliRunner, published: Path
    ) -> None:
        folder = published / "tiny"
        (folder / "full").mkdir()
        (folder / "full" / "expected.toml").write_text(
            EXPECTED.replace('low = 1\nseeds = "0-2"', 'low = 1\nseeds = "5-6"'), encoding="utf-8"
        )
        path = str(folder / "full" / "expected.toml")
        larger = f"""
def reproduce_full(seeds, quick, out, progress):
    measured = {{name: dict.fromkeys(seeds, 3.0) for name in ("spikes", "rare")}}
    return Reproduction(model="tiny", figures=judge({path!r}, measured, quick=quick))
"""
        (folder / "reproduce.py").write_text(REPRODUCE + larger, encoding="utf-8")
        result = runner.invoke(app, ["reproduce", "tiny", "--full", "--seeds", "5"])
        assert result.exit_code == 0, result.output
        summary = json.loads(Path("out/tiny/figures.json").read_text(encoding="utf-8"))
        assert [figure["verdict"] for figure in summary["figures"]] == ["holds", "holds"]
        assert default_seeds("tiny", full=True) == (0, 5, 6)

    def test_nothing_is_overwritten_unless_forced(self, runner: CliRunner, published: Path) -> None:
        assert runner.invoke(app, ["reproduce", "tiny", "--quick"]).exit_code == 0
        (Path("out/tiny") / "mine.txt").write_text("kept", encoding="utf-8")
        before = Path("out/tiny/report.html").read_bytes()
        result = runner.invoke(app, ["reproduce", "tiny", "--quick"])
        assert result.exit_code == 2
        assert "--force" in result.stderr
        assert Path("out/tiny/report.html").read_bytes() == before
        assert runner.invoke(app, ["reproduce", "tiny", "--quick", "--force"]).exit_code == 0
        assert (Path("out/tiny") / "mine.txt").read_text(encoding="utf-8") == "kept"


class TestOthers:
    def test_models_lists_every_model_and_variant(self, runner: CliRunner, published: Path) -> None:
        result = runner.invoke(app, ["models"])
        assert result.exit_code == 0, result.output
        assert re.search(r"tiny\s+10\s+Ten neurons for tests.\s+yes", result.stdout)
        assert "tiny/fast" in result.stdout
        assert runner.invoke(app, ["run", "tiny/fast", "--duration", "20 ms"]).exit_code == 0

    def test_verify_prints_the_verdict_and_exits_with_it(
        self, runner: CliRunner, tiny: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        verify_module = importlib.import_module("arcuate.verify")

        class Verdict:
            def __init__(self, identical: bool) -> None:
                self.identical = identical

            def __str__(self) -> str:
                return "identical: 7 spikes" if self.identical else "part at step 3"

        asked: list[Any] = []

        def fake(network: Any, engines: Any, **options: Any) -> Verdict:
            asked.append((network.name, engines, options))
            return Verdict(len(asked) == 1)

        monkeypatch.setattr(verify_module, "verify", fake)
        arguments = ["verify", tiny, "--engines", "numba, brian2", "--duration", "1 s", "--seed", "4"]
        first, second = runner.invoke(app, arguments), runner.invoke(app, arguments)
        assert (first.exit_code, first.stdout) == (0, "identical: 7 spikes\n")
        assert (second.exit_code, second.stdout) == (1, "part at step 3\n")
        assert asked[0] == ("tiny", ("numba", "brian2"), {"duration": "1 s", "seed": 4})

    @pytest.mark.brian
    def test_verify_compares_two_engines_for_real(self, runner: CliRunner, tiny: str) -> None:
        result = runner.invoke(app, ["verify", tiny, "--duration", "100 ms"])
        assert result.exit_code == 0, result.output
        assert re.fullmatch(r"identical: [1-9]\d* spikes\n", result.stdout)

    def test_bench_passes_on_what_was_asked(
        self, runner: CliRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        asked: list[Any] = []
        bench = importlib.import_module("arcuate.study.bench")

        def fake(workloads: Any, against: Any, quick: bool, *, pythons: Any, progress: Any, done: Any) -> Any:
            asked.append((workloads, against, quick, pythons))
            pair = bench.Pair(
                workload="W1",
                ours="strict f64",
                theirs="nest one thread",
                what="run",
                ratio=(4.25,),
                cpu=(0.5, 2.125),
                count=(100.0, 101.0),
            )
            result = bench.Measurement(pairs=[pair])
            done(result, "W1")
            return result

        monkeypatch.setattr(bench, "run_benchmarks", fake)
        words = ["--workloads", "W1,W2", "--against", "nest", "--quick", "--python", "nest=/x/python"]
        file = tmp_path / "speed.md"
        result = runner.invoke(app, ["bench", "spiking", *words, "--write", str(file)])
        assert result.exit_code == 0, result.output
        assert asked == [(("W1", "W2"), ("nest",), True, {"nest": "/x/python"})]
        assert "4.25" in result.stdout
        assert "| W1 | strict f64 | nest one thread | 4.25 | 0.5 | 2.12 | 100 / 101 |" in file.read_text()
        again = runner.invoke(app, ["bench", "spiking", *words, "--write", str(file)])
        assert again.exit_code == 2
        assert "--force" in again.output

    def test_doctor_exits_with_its_findings(self, runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
        found = [Finding(what="engine numba", found="does not run", mark="fails", advice="reinstall it")]
        monkeypatch.setattr("arcuate.cli.doctor.examine", lambda **_: found)
        result = runner.invoke(app, ["doctor"])
        assert result.exit_code == 1
        assert "engine numba: reinstall it" in result.stdout
        found[0] = Finding(what="engine numba", found="12 spikes", mark="ok")
        assert runner.invoke(app, ["doctor"]).exit_code == 0

    def test_the_doctor_looks_at_everything(self) -> None:
        findings = {finding.what: finding for finding in examine()}
        wanted = {
            "python",
            "arcuate",
            "numpy",
            "numba",
            "brian2",
            "compiler",
            "threads",
            "memory",
            "disk",
            "cache",
        }
        assert wanted <= set(findings)
        assert findings["engine numba"].mark == "ok"
        assert re.fullmatch(r"[1-9]\d* spikes of 10 neurons", findings["engine numba"].found)
        assert "--all" in findings["engine brian2-cpp"].found
        assert findings["cache"].mark == "ok"

    def test_a_known_conflict_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from arcuate.cli import doctor

        versions = {"numpy": "2.4.6", "brian2": "2.9.0"}
        monkeypatch.setattr("arcuate.study.report.package_version", versions.get)
        finding = next(finding for finding in doctor._versions() if finding.what == "brian2")
        assert finding.mark == "fails"
        assert "numpy<2.4" in finding.advice


class TestErrors:
    def test_ours_are_one_line_and_exit_2(self, runner: CliRunner, published: Path) -> None:
        result = runner.invoke(app, ["run", "tinny"])
        assert result.exit_code == 2
        assert result.stdout == ""
        assert result.stderr.startswith("error: ")
        assert "did you mean 'tiny'" in flat(result.stderr).lower()
        assert "Traceback" not in result.stderr

    @pytest.mark.parametrize("place", ["before", "after"])
    def test_debug_shows_the_traceback(self, runner: CliRunner, published: Path, place: str) -> None:
        words = ["--debug", "run", "tinny"] if place == "before" else ["run", "tinny", "--debug"]
        result = runner.invoke(app, words)
        assert isinstance(result.exception, LookupError)

    def test_ctrl_c_is_one_word_and_exit_130(
        self, runner: CliRunner, published: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(name: str) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(arcuate.models, "load_model", interrupted)
        result = runner.invoke(app, ["run", "tiny"])
        assert (result.exit_code, result.stderr) == (130, "interrupted\n")

    def test_a_file_that_cannot_be_read_is_no_traceback(
        self, runner: CliRunner, published: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refused(name: str) -> None:
            raise PermissionError(13, "Permission denied", "model.toml")

        monkeypatch.setattr(arcuate.models, "load_model", refused)
        result = runner.invoke(app, ["run", "tiny"])
        assert result.exit_code == 2
        assert "Permission denied" in result.stderr

    def test_our_warnings_are_one_line(
        self, runner: CliRunner, published: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import warnings

        from arcuate.errors import ArcuateWarning

        def warned() -> tuple[str, ...]:
            with warnings.catch_warnings():
                warnings.simplefilter("always")
                warnings.showwarning(ArcuateWarning("mind the gap"), ArcuateWarning, "file.py", 3)
            return ()

        monkeypatch.setattr(arcuate.models, "list_models", warned)
        result = runner.invoke(app, ["models"])
        assert (result.exit_code, result.stderr) == (0, "warning: mind the gap\n")


class TestSettings:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("a.b=1", 1),
            ("a.b=0.5", 0.5),
            ("a.b=true", True),
            ("a.b=20 ms", "20 ms"),
            ('a.b="20 ms"', "20 ms"),
            ("a.b=[1, 2]", [1, 2]),
            ('a.b={dist="uniform", low=0.0, high=1.0}', {"dist": "uniform", "low": 0.0, "high": 1.0}),
            ("a.b=-65 + 15*rho**2", "-65 + 15*rho**2"),
            ("a.b = x = y", "x = y"),
        ],
    )
    def test_values_are_read_as_toml_or_text(self, text: str, value: Any) -> None:
        assert parse_settings([text]) == {"a.b": value}

    def test_a_line_break_cannot_smuggle_a_second_setting(self) -> None:
        assert parse_settings(["a=1\nb = 2"]) == {"a": "1\nb = 2"}

    def test_a_path_comes_once(self) -> None:
        with pytest.raises(SpecError, match="set once"):
            parse_settings(["a.b=1", "a.b=2"])


class TestProgress:
    def test_short_work_shows_nothing(self, capsys: pytest.CaptureFixture[str]) -> None:
        with Progress("work") as progress:
            progress(1, 2)
        assert capsys.readouterr() == ("", "")

    def test_without_a_terminal_a_line_with_the_time_left_every_ten_seconds(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        times = iter([0.0, 0.0, 5.0, 20.0, 25.0, 40.0, 60.0])
        monkeypatch.setattr(console_module.time, "monotonic", times.__next__)
        with Progress("work") as progress:
            for done in (1, 4, 5, 8, 0):
                progress(done, 16, "seed 3")
        out, err = capsys.readouterr()
        assert out == ""
        assert err.splitlines() == [
            "seed 3: 25 %, about 60 s left",
            "seed 3: 50 %, about 40 s left",
            "seed 3: 60 s so far",
        ]

    def test_on_a_terminal_a_bar_that_is_gone_afterwards(self, monkeypatch: pytest.MonkeyPatch) -> None:
        screen = io.StringIO()
        terminal = Console(file=screen, force_terminal=True, width=100)
        monkeypatch.setattr(console_module, "console", lambda **_: terminal)
        with Progress("work") as progress:
            progress(8, 16, "seed 3")
            progress._bar.refresh()
            shown = screen.getvalue()
        assert "seed 3" in shown
        assert "50%" in shown
        assert "left" in shown
        assert screen.getvalue().endswith("\x1b[2K")  # the line is cleared


def arcuate_process(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "arcuate", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


class TestProcess:
    def test_it_starts_without_the_heavy_packages(self) -> None:
        code = (
            "import sys, arcuate.cli.app; heavy = {'numba', 'brian2', 'torch', 'matplotlib', 'xarray', "
            "'scipy', 'pandas', 'numpy', 'rich'} & set(sys.modules); print(sorted(heavy))"
        )
        answer = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
        )
        assert answer.stdout == "[]\n"

    def test_help_and_version(self) -> None:
        assert "reproduce" in arcuate_process("--help").stdout
        assert re.fullmatch(r"arcuate \d+\.\d+\.\d+\S*\n", arcuate_process("--version").stdout)

    def test_a_reader_that_closes_early_does_no_harm(self, tiny: str) -> None:
        command = f"'{sys.executable}' -m arcuate run '{tiny}' --duration '50 ms' | head -c 1"
        answer = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=60, check=False
        )
        assert (answer.returncode, answer.stderr) == (0, "")

    def test_a_closed_output_does_no_harm(self, tiny: str) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        answer = subprocess.run(
            [sys.executable, "-m", "arcuate", "run", tiny, "--duration", "50 ms"],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
        os.close(writer)
        assert (answer.returncode, answer.stderr) == (0, "")

    def test_locale_c_ascii_and_twenty_columns(self, tiny: str) -> None:
        environment = {
            **os.environ,
            "LC_ALL": "C",
            "PYTHONIOENCODING": "ascii",
            "COLUMNS": "20",
            "PYTHONUTF8": "0",
        }
        answer = arcuate_process("run", tiny, "--duration", "50 ms", env=environment)
        assert answer.returncode == 0, answer.stderr
        assert answer.stdout.isascii()
        assert "tiny on numba" in answer.stdout
        assert max(len(line) for line in answer.stdout.splitlines()[1:]) <= 20

    def test_ctrl_c_at_once_leaves_no_traceback(self, tiny: str) -> None:
        process = subprocess.Popen(
            [sys.executable, "-m", "arcuate", "run", tiny, "--duration", "100000 s"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # also where a shell ignores it
        )
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "Traceback" not in error
