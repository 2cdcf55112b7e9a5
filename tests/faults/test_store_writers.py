"""Several processes on one store: nothing is lost, nothing is there twice, nobody is turned away."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from studies import fresh, key, row

from arcuate.errors import StoreError
from arcuate.study.store import Store, verify

COMMIT = """
import sys
from studies import fresh, row
folder, first, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with fresh(folder) as store:
    for start in range(first, first + n, 4):
        store.commit([row(number) for number in range(start, min(start + 4, first + n))])
"""

SHARE = """
import sys
from studies import fresh, key, row
folder, n = sys.argv[1], int(sys.argv[2])
with fresh(folder) as store:
    done = store.done_keys()
    keys = {key(number): number for number in range(n) if key(number) not in done}
    while claimed := store.claim(keys, 3):
        store.commit([row(keys[k]) for k in claimed])
        print(*(keys[k] for k in claimed))
"""

HOLD = """
import sys
from studies import fresh, key
store = fresh(sys.argv[1])
print(len(store.claim([key(number) for number in range(5)], 5)), flush=True)
sys.stdin.read()
"""


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a process of Python that sees the helpers of the tests."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(processes: list[subprocess.Popen[str]]) -> list[str]:
    answers = [process.communicate(timeout=600) for process in processes]
    assert [err for _, err in answers] == [""] * len(processes)
    assert [process.returncode for process in processes] == [0] * len(processes)
    return [out for out, _ in answers]


@pytest.mark.parametrize(("n", "rows"), [(3, 40), pytest.param(16, 200, marks=pytest.mark.slow)])
@pytest.mark.timeout(900)
def test_no_row_of_many_processes_is_lost(tmp_path: Path, n: int, rows: int) -> None:
    finish([start(COMMIT, tmp_path, number * rows, rows) for number in range(n)])
    found = Store.read(tmp_path).rows()
    print(f"{n} processes, {rows} rows each: {len(found)} rows, {len({item.key for item in found})} keys")
    assert found == sorted(found, key=lambda item: item.index)
    assert [item.index for item in found] == list(range(n * rows))
    assert [item.metrics for item in found] == [row(number).metrics for number in range(n * rows)]
    assert verify(tmp_path) == []


@pytest.mark.parametrize("n", [60, pytest.param(600, marks=pytest.mark.slow)])
@pytest.mark.timeout(900)
def test_two_studies_share_the_points(tmp_path: Path, n: int) -> None:
    done = [set(map(int, out.split())) for out in finish([start(SHARE, tmp_path, n) for _ in range(2)])]
    print(
        f"two studies of {n} points: computed {[len(part) for part in done]}, twice {len(done[0] & done[1])}"
    )
    assert done[0] & done[1] == set()
    assert done[0] | done[1] == set(range(n))
    assert len(Store.read(tmp_path).rows()) == n


def test_claims_of_a_living_process_are_left_to_it_and_of_a_dead_one_taken_over(tmp_path: Path) -> None:
    keys = [key(number) for number in range(8)]
    with fresh(tmp_path) as store:
        other = start(HOLD, tmp_path)
        assert other.stdout is not None
        assert other.stdout.readline() == "5\n"
        assert store.claim(keys, 8) == keys[5:]
        store.release()
        other.send_signal(signal.SIGKILL)
        while store.claim(keys, 8) != keys:  # until the system has ended it
            time.sleep(0.01)
        other.communicate()


@pytest.mark.parametrize(
    "owner",
    [
        f"{socket.gethostname()} {os.getpid()} 12345 abcd",  # a number that was given to another process
        f"{socket.gethostname()} 4194305 12345 abcd",  # no process has so high a number
        f"another-host {os.getpid()} 12345 abcd",
    ],
    ids=["number of another process", "no such process", "another machine"],
)
def test_stale_claims_are_taken_over(tmp_path: Path, owner: str) -> None:
    with fresh(tmp_path) as store:
        index = sqlite3.connect(tmp_path / "index.sqlite")
        with index:
            index.execute("INSERT INTO claims VALUES (?, ?)", (key(1), owner))
        index.close()
        assert store.claim([key(1)], 1) == [key(1)]


def test_two_stores_of_one_process_do_not_take_each_others_claims(tmp_path: Path) -> None:
    keys = [key(number) for number in range(4)]
    with fresh(tmp_path) as one, fresh(tmp_path) as two:
        assert one.claim(keys, 2) == keys[:2]
        assert two.claim(keys, 4) == keys[2:]
        one.release()
        assert two.claim(keys, 4) == keys


def test_what_another_has_finished_is_neither_claimed_nor_replaced(tmp_path: Path) -> None:
    with fresh(tmp_path) as one, fresh(tmp_path) as two:
        one.commit([row(1), row(2, status="failed")])
        assert two.claim([key(1), key(2), key(3)], 3) == [key(3)]
        two.commit([row(1, metrics={"rate": -1.0}), row(2, metrics={"rate": -2.0})])
        first, second = one.rows()
        assert first.metrics == row(1).metrics
        assert second.metrics == {"rate": -2.0}  # done is better than failed
    with fresh(tmp_path) as three:
        three.commit([row(1, metrics={"rate": -1.0})])  # of an earlier run: replaced
        assert three.rows()[0].metrics == {"rate": -1.0}


def test_a_store_in_use_is_not_repaired(tmp_path: Path) -> None:
    with fresh(tmp_path), pytest.raises(StoreError, match="another process uses it"):
        verify(tmp_path, repair=True)
    assert verify(tmp_path, repair=True) == []
