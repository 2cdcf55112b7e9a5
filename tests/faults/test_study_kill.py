"""Kill -9 at random moments: the study, a worker, both. Nothing that was acknowledged is lost.

A study runs in a process of its own. While it runs, processes are killed; a study whose parent was killed is
started again, until it is complete. What the store held before a kill must be in the final table, word for
word.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from arcuate.errors import FileFormatError
from arcuate.study.store import Row, Store, verify

JOB = Path(__file__).parents[1] / "study_job.py"
WORKERS = 2


@dataclass
class Figures:
    """What many kills did."""

    kills: Counter[str] = field(default_factory=Counter)
    studies: int = 0
    acknowledged: int = 0
    lost: int = 0
    duplicates: int = 0
    unreadable: int = 0
    recomputed: int = 0
    most_recomputed: int = 0
    failed: int = 0
    unequal: int = 0

    @property
    def total(self) -> int:
        """Kills of all kinds."""
        return sum(self.kills.values())


def children(parent: int) -> list[int]:
    """Processes that a process has started, and theirs."""
    found, pairs = [parent], []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                state, above = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if state != "Z":
                pairs.append((int(entry.name), int(above)))
    for above in found:
        found += [number for number, its in pairs if its == above]
    return found[1:]


def workers(parent: int) -> list[int]:
    """Processes that run points, by what they were started with."""
    chosen = []
    for number in children(parent):
        try:
            words = Path(f"/proc/{number}/cmdline").read_bytes()
        except OSError:
            continue
        if b"popen_loky" in words or b"spawn_main" in words:
            chosen.append(number)
    return chosen


def begin(backend: str, folder: Path, *, points: int, seconds: float) -> subprocess.Popen[bytes]:
    """Start or resume the study."""
    words = [sys.executable, str(JOB), backend, str(folder), str(points), str(seconds)]
    path = os.pathsep.join([str(JOB.parent), *sys.path])
    return subprocess.Popen(
        words,
        env=os.environ | {"PYTHONPATH": path, "STUDY_OF_A_TEST": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def rows_of(folder: Path) -> dict[str, Row]:
    """What is acknowledged."""
    try:
        return {row.key: row for row in Store.read(folder).rows()}
    except FileFormatError:
        if (folder / "index.sqlite").exists():
            raise
        return {}  # killed before there was an index


def calls(folder: Path) -> int:
    """How often the function was called."""
    log = Path(f"{folder}.log")
    return len(log.read_text().splitlines()) if log.exists() else 0


def strike(process: subprocess.Popen[bytes], whom: str, chance: random.Random) -> bool:
    """Kill; False if there was nobody."""
    victims = workers(process.pid)
    if whom != "parent" and not victims:
        return False
    chosen = [] if whom == "parent" else [chance.choice(victims)]
    if whom != "worker":
        chosen.append(process.pid)
    for number in chosen:
        try:
            os.kill(number, signal.SIGKILL)
        except ProcessLookupError:
            return False
    return True


def torture(
    folder: Path,
    figures: Figures,
    chance: random.Random,
    *,
    backend: str,
    points: int,
    seconds: float,
    kills: int,
) -> None:
    """One study from its start to its end, with kills on the way."""
    acknowledged: dict[str, Row] = {}
    before = figures.total
    while True:
        process = begin(backend, folder, points=points, seconds=seconds)
        first = calls(folder)
        while process.poll() is None and calls(folder) == first:  # it has begun to compute
            time.sleep(0.02)
        assert orphans(folder) or process.poll() is not None  # they are found while they live
        while process.poll() is None:
            time.sleep(chance.uniform(0.05, 1.5))
            if figures.total - before >= kills:
                process.wait(timeout=240)
            if process.poll() is not None:
                break
            try:
                rows = rows_of(folder)
            except Exception:
                figures.unreadable += 1
                raise
            acknowledged.update(rows)
            whom = chance.choice(("parent", "worker", "both"))
            if strike(process, whom, chance):
                figures.kills[whom] += 1
                if whom != "worker":
                    process.wait(timeout=60)
        error = process.communicate(timeout=60)[1].decode()
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, error
    final = Store.read(folder).rows()
    table = {row.key: row for row in final}
    figures.studies += 1
    figures.acknowledged += len(acknowledged)
    figures.lost += sum(table.get(key) != row for key, row in acknowledged.items())
    figures.duplicates += len(final) - len(table)
    figures.failed += sum(row.status != "done" for row in final)
    figures.unequal += [(row.index, row.metrics) for row in final] != [
        (index, {"square": float(index * index)}) for index in range(points)
    ]
    again = calls(folder) - points
    figures.recomputed += again
    figures.most_recomputed = max(figures.most_recomputed, -(-again // max(1, figures.total - before)))
    assert not [damage for damage in verify(folder) if damage.kind != "leftover"]
    limit = time.monotonic() + 30
    while (left := orphans(folder)) and time.monotonic() < limit:
        time.sleep(0.1)
    assert left == []


def orphans(folder: Path) -> list[str]:
    """Processes that were started for a study and are still there."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                if f"STUDY_OF_A_TEST={folder}\0".encode() in (entry / "environ").read_bytes():
                    found.append((entry / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
    return found


def check(figures: Figures) -> None:
    """What must hold."""
    assert (figures.lost, figures.duplicates, figures.unreadable) == (0, 0, 0)
    assert (figures.failed, figures.unequal) == (0, 0)
    assert figures.recomputed <= WORKERS * figures.total


@pytest.mark.parametrize("backend", ["loky", "dask"])
def test_some_kills(backend: str, tmp_path: Path) -> None:
    if backend == "dask":
        pytest.importorskip("distributed")
    figures = Figures()
    chance = random.Random(4)
    torture(tmp_path / "study", figures, chance, backend=backend, points=40, seconds=0.1, kills=3)
    assert figures.total > 0
    check(figures)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("backend", ["loky", "dask"])
def test_a_hundred_kills(backend: str, tmp_path: Path) -> None:
    if backend == "dask":
        pytest.importorskip("distributed")
    figures = Figures()
    chance = random.Random(f"kills {backend}")
    while figures.total < 100:
        folder = tmp_path / f"study {figures.studies}"
        left = 100 - figures.total
        torture(folder, figures, chance, backend=backend, points=200, seconds=0.1, kills=min(20, left))
    print(f"\n{backend}: {figures}")
    check(figures)
