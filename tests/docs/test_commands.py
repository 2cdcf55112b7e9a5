"""The two set-up commands of the README."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from house import ROOT

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="no make here")
COMMANDS = ("run", "test")


def _make(*arguments: str, cwd: Path, timeout: float) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL")}
    return subprocess.run(
        ["make", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )


def test_the_readme_names_both() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert tuple(re.findall(r"^make (\w+)", text, re.MULTILINE)) == COMMANDS


@needs_make
@pytest.mark.parametrize("target", COMMANDS)
def test_make_knows_what_to_do(target: str) -> None:
    done = _make("--dry-run", target, cwd=ROOT, timeout=30)
    assert done.returncode == 0, done.stderr
    wanted = ("arcuate reproduce", "arcuate compare") if target == "run" else ("-m pytest",)
    assert all(command in done.stdout for command in wanted)


def test_continuous_integration_runs_make_test() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert re.search(r"^(exec )?make test$", script.read_text(encoding="utf-8"), re.MULTILINE)


@needs_make
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_make_run_needs_nothing_and_works_twice(tmp_path: Path) -> None:
    copy = tmp_path / "a folder with spaces"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    for _ in range(2):
        done = _make("run", cwd=copy, timeout=900)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        for name in ("what_when_reservoir", "what_and_when"):
            report = copy / "out" / name / "report.html"
            assert report.stat().st_size > 10_000
            report.unlink()
