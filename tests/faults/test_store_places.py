"""A store killed, moved about, and in odd places."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from studies import NAME, fresh, key, recording, row

from arcuate.errors import ArcuateWarning, FileFormatError, StoreError
from arcuate.study import store as stores
from arcuate.study.store import Store, verify

KILLED = """
import os, signal, sys
from studies import fresh, key, recording, row
from arcuate.study import store as stores
folder, moment = sys.argv[1:]
store = fresh(folder)
store.commit([row(0)], {key(0): recording(0)})
print("acknowledged", flush=True)
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
replace, check = os.replace, store._check_place
if moment == "before the file has its name":
    os.replace = die
elif moment == "after the file has its name":
    os.replace = lambda *names: (replace(*names), die())
elif moment == "before the row is committed":
    stores.sync = die
elif moment == "after the row is committed":
    store._check_place = lambda: (check(), die()) if store._own >= {key(1)} else check()
elif moment == "while the file is written":
    stores.checksum = die
store.commit([row(1)], {key(1): recording(1)})
"""

MOMENTS = (
    "while the file is written",
    "before the file has its name",
    "after the file has its name",
    "before the row is committed",
    "after the row is committed",
)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_process_killed_while_it_commits(tmp_path: Path, moment: str) -> None:
    process = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), moment],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert process.stdout == "acknowledged\n"
    committed = moment == "after the row is committed"
    there = {key(0), key(1)} if committed else {key(0)}
    assert Store.read(tmp_path).done_keys() == there
    assert {damage.kind for damage in verify(tmp_path)} == (set() if committed else {"leftover"})
    with fresh(tmp_path) as store:
        again = store.recover({key(0), key(1)} - store.done_keys(), lambda k, found: row(1))
        assert again == ([key(1)] if moment in MOMENTS[2:4] else [])
        store.commit([row(1)], {key(1): recording(1)})
        assert store.done_keys() == {key(0), key(1)}
    verify(tmp_path, repair=True)
    assert verify(tmp_path) == []
    assert len(list((tmp_path / "recordings").iterdir())) == 2


def test_a_folder_that_is_deleted_in_the_middle(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    with fresh(folder) as store:
        store.commit([row(0)], {key(0): recording(0)})
        shutil.rmtree(folder)
        for recordings in (None, {key(1): recording(1)}):
            with pytest.raises(StoreError, match="removed or replaced"):
                store.commit([row(1)], recordings)
        with pytest.raises(StoreError, match="removed or replaced"):
            store.claim([key(1)], 1)
    with fresh(folder) as store:
        assert store.done_keys() == set()


def test_an_index_that_is_deleted_in_the_middle_acknowledges_nothing_more(tmp_path: Path) -> None:
    with fresh(tmp_path) as store:
        store.commit([row(0)], {key(0): recording(0)})
        (tmp_path / "index.sqlite").unlink()
        with pytest.raises(StoreError, match="removed, and another process uses it"):
            fresh(tmp_path)
        with pytest.raises(StoreError, match="removed or replaced"):
            store.commit([row(1)])
    with fresh(tmp_path) as store:  # no line comes out of the log of the old index
        assert store.rows() == []
        assert store.recover([key(0)], lambda k, found: row(0)) == [key(0)]


def test_a_deleted_index_is_rebuilt_from_the_recordings(tmp_path: Path) -> None:
    with fresh(tmp_path) as store:
        store.commit([row(n) for n in range(4)], {key(n): recording(n) for n in range(3)})
    (tmp_path / "index.sqlite").unlink()
    with pytest.raises(FileFormatError, match="holds recordings, but its index is missing"):
        Store.read(tmp_path)
    keys = [key(n) for n in range(4)]
    for _ in range(2):  # repair does not take the recordings for garbage
        damages = verify(tmp_path, keys=keys, repair=True)
        assert damages[0].problem == "is missing"
        assert [damage.key for damage in damages if damage.key] == keys
    assert len(list((tmp_path / "recordings").iterdir())) == 3
    (tmp_path / "recordings").joinpath(f"x-{key(3)[:16]}.nc").write_bytes(b"no recording")
    seen = []

    def measure(k: str, found: object) -> stores.Row | None:
        seen.append(k)
        number = keys.index(k)
        assert found == recording(number)
        return row(number) if number else None  # the first is said to be another model's

    with fresh(tmp_path) as store:
        assert set(store.recover(keys, measure)) == {key(1), key(2)}
        assert set(seen) == {key(0), key(1), key(2)}
        assert store.done_keys() == {key(1), key(2)}


def test_a_deleted_recording_takes_its_point_with_it(tmp_path: Path) -> None:
    with fresh(tmp_path) as store:
        store.commit([row(n) for n in range(3)], {key(n): recording(n) for n in range(3)})
        (tmp_path / str(store.rows()[1].recording)).unlink()
        assert store.done_keys() == {key(0), key(2)}
    (damage,) = verify(tmp_path, repair=True)
    assert (damage.kind, damage.key, damage.problem) == ("recording", key(1), "is missing")
    assert [item.index for item in Store.read(tmp_path).rows()] == [0, 2]
    assert verify(tmp_path) == []


def test_repair_moves_a_damaged_recording_aside(tmp_path: Path) -> None:
    with fresh(tmp_path) as store:
        store.commit([row(0)], {key(0): recording(0)})
        file = tmp_path / str(store.rows()[0].recording)
    file.write_bytes(file.read_bytes() + b" ")
    (damage,) = verify(tmp_path, repair=True)
    assert damage.key == key(0)
    assert (tmp_path / "damaged" / file.name).is_file()
    assert not file.exists()


def test_the_clock_goes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Earlier(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) - timedelta(hours=1)

    with fresh(tmp_path) as store:
        store.commit([row(0), row(1, status="failed")])
        assert store.claim([key(2), key(3)], 1) == [key(2)]
        monkeypatch.setattr(stores, "datetime", Earlier)
        store.commit([row(1), row(2)])
        assert store.claim([key(1), key(2), key(3)], 3) == [key(3)]
    rows = Store.read(tmp_path).rows()
    assert [item.status for item in rows] == ["done"] * 3
    assert rows[2].committed_utc < rows[0].committed_utc
    assert verify(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["with two spaces", "Übung/ß 雪", "a%20b?c#d&e", "-x", "new\nline", "q'u\"ote"]
)
def test_odd_names(tmp_path: Path, name: str) -> None:
    with fresh(tmp_path / name) as store:
        store.commit([row(0)], {key(0): recording(0)})
    assert Store.read(tmp_path / name).done_keys() == {key(0)}
    assert verify(tmp_path / name) == []


def test_long_paths_work_as_far_as_sqlite_opens_them(tmp_path: Path) -> None:
    long = tmp_path / ("a" * 200) / ("b" * 100)
    with fresh(long) as store:
        store.commit([row(0)], {key(0): recording(0)})
    assert Store.read(long).done_keys() == {key(0)}
    for folder in (long / ("c" * 200), tmp_path / ("d" * 300)):
        with pytest.raises(StoreError, match=r"SQLite opens at most|File name too long"):
            fresh(folder)


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    """A folder that cannot be written, with a store in it."""
    folder = tmp_path / "locked"
    with fresh(folder) as store:
        store.commit([row(0)], {key(0): recording(0)})
    bind = [["mount", "--bind", str(folder), str(folder)], ["mount", "-o", "remount,ro,bind", str(folder)]]
    if os.geteuid() != 0:
        for place in (folder / "recordings", folder):
            place.chmod(0o500)
        yield folder
        for place in (folder, folder / "recordings"):
            place.chmod(0o700)
    elif shutil.which("mount") is None or any(
        subprocess.run(c, capture_output=True).returncode for c in bind
    ):
        pytest.skip("a folder cannot be made read-only here")
    else:
        yield folder
        subprocess.run(["umount", str(folder)], check=True)


def test_a_folder_that_cannot_be_written_is_read(locked: Path) -> None:
    assert Store.read(locked).done_keys() == {key(0)}
    assert Store.read(locked).description == NAME
    assert verify(locked) == []
    with pytest.raises(StoreError, match=r"locked.*cannot be used"):
        fresh(locked)


def test_a_log_in_a_folder_that_cannot_be_written_is_read(locked: Path, tmp_path: Path) -> None:
    live, copied = tmp_path / "live", tmp_path / "copied"
    with fresh(live) as store:
        reader = sqlite3.connect(live / "index.sqlite")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM entries").fetchone()
        store.commit([row(1)])  # stays in the log while somebody reads
        shutil.copytree(live, copied, ignore=shutil.ignore_patterns("*-shm"))
        reader.close()
    subprocess.run(["mount", "--bind", str(copied), str(copied)], check=False)
    subprocess.run(["mount", "-o", "remount,ro,bind", str(copied)], check=False)
    try:
        assert Store.read(copied).done_keys() == {key(1)}
    finally:
        subprocess.run(["umount", str(copied)], check=False)


def test_no_home_and_no_cache(tmp_path: Path) -> None:
    script = "import sys; from studies import *; fresh(sys.argv[1]).commit([row(0)], {key(0): recording(0)})"
    process = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "study")],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "HOME": "/nonexistent",
            "ARCUATE_CACHE": "/proc/cache",
        },
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    assert Store.read(tmp_path / "study").done_keys() == {key(0)}


def test_a_damaged_index_is_kept_aside_and_its_rows_are_told_to_be_missing(tmp_path: Path) -> None:
    with fresh(tmp_path) as store:
        store.commit([row(n) for n in range(50)])
    index = tmp_path / "index.sqlite"
    data = index.read_bytes()
    place = data.index(f'"index":7,"key":"{key(7)}"'.encode())
    index.write_bytes(data[:place] + b'"index":8' + data[place + 9 :])
    with pytest.warns(ArcuateWarning, match="1 rows are left out"):
        rows = Store.read(tmp_path).rows()
    assert [item.index for item in rows] == [n for n in range(50) if n != 7]
    assert [damage.key for damage in verify(tmp_path)] == [key(7)]
    with fresh(tmp_path) as store:
        assert store.done_keys() == {key(n) for n in range(50) if n != 7}
    (aside,) = (tmp_path / "damaged").iterdir()
    assert aside.read_bytes()[place : place + 9] == b'"index":8'
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(Store.read(tmp_path).rows()) == 49
