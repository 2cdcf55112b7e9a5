"""The store of a study: what is committed is there, once, and what is not a store is refused by name."""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from studies import NAME, fresh, key, recording, row

from arcuate.errors import ArcuateError, ArcuateWarning, FileFormatError, SpecError, StoreError
from arcuate.recording import Recording
from arcuate.study import _store_index
from arcuate.study.store import Store, verify


def test_what_is_committed_is_read_back(tmp_path: Path) -> None:
    odd = {"nan": math.nan, "inf": -math.inf, "none": None, "flag": True, "text": "ü\ud800", "list": [1, 2.5]}
    with fresh(tmp_path) as store:
        store.commit([row(2, status="failed", reason="no", traceback="here"), row(1, metrics=odd)])
        assert store.done_keys() == {key(1)}
    first, second = Store.read(tmp_path).rows()
    assert (second.status, second.reason, second.traceback) == ("failed", "no", "here")
    assert second.metrics == {"rate": 2 / 3}
    assert math.isnan(first.metrics.pop("nan"))
    assert first.metrics == {name: value for name, value in odd.items() if name != "nan"}
    assert first.values == {"a.gain": 1 / 7}
    assert Store.read(tmp_path).fingerprints == {first.fingerprint: {"model": "m1"}}
    assert Store.read(tmp_path).description == NAME
    assert verify(tmp_path) == []


def test_numbers_of_numpy_become_plain(tmp_path: Path) -> None:
    with fresh(tmp_path) as store:
        store.commit([row(0, metrics={"a": np.float32(0.5), "b": np.int64(3), "c": np.bool_(True)})])
        (found,) = store.rows()
    assert found.metrics == {"a": 0.5, "b": 3, "c": True}
    assert [type(value) for value in found.metrics.values()] == [float, int, bool]


def test_a_recording_is_kept_under_a_name_that_says_which_point_it_is(tmp_path: Path) -> None:
    with fresh(tmp_path) as store:
        values = {"populations.exc.gain": 0.5, "dt": "0.1 ms"}
        store.commit([row(0, values=values)], {key(0): recording(0)})
        (found,) = store.rows()
        assert found.recording == f"recordings/gain=0.5_dt=0.1ms-{key(0)[:16]}.nc"
        assert found.recording_bytes == (tmp_path / found.recording).stat().st_size
        assert Recording.load(tmp_path / found.recording).equals(recording(0))
        first = found
        for _ in range(2):  # a point that is computed again never overwrites the file of its row
            store.commit([row(0, values=values)], {key(0): recording(0)})
            (found,) = store.rows()
            assert [file.name for file in (tmp_path / "recordings").iterdir()] == [
                Path(str(found.recording)).name
            ]
    assert found.recording == first.recording


def test_a_store_grows_by_a_design_that_grows(tmp_path: Path) -> None:
    with fresh(tmp_path) as store:
        store.commit([row(0)])
    larger = {**NAME, "n": 4}
    with Store.open(tmp_path, larger, fingerprint={"model": "m2"}) as store:
        store.commit([row(1)])
    store = Store.read(tmp_path)
    assert store.description == larger
    first, second = (store.fingerprints[item.fingerprint] for item in store.rows())
    assert (first, second) == ({"model": "m1"}, {"model": "m2"})


def test_another_study_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    fresh(tmp_path).close()
    before = (tmp_path / "index.sqlite").read_bytes()
    with pytest.raises(SpecError, match="holds the study 'gain', not 'noise'"):
        Store.open(tmp_path, {"name": "noise"}, fingerprint={})
    assert (tmp_path / "index.sqlite").read_bytes() == before


def test_who_only_looks_leaves_nothing_beside_an_empty_log(tmp_path: Path) -> None:
    with fresh(tmp_path) as store:
        store.commit([row(1)])
    (tmp_path / "index.sqlite-wal").touch()  # of a process that was killed
    before = sorted(tmp_path.iterdir())
    assert len(Store.read(tmp_path).rows()) == 1
    with pytest.raises(SpecError, match="holds the study"):
        Store.open(tmp_path, {"name": "noise"}, fingerprint={})
    assert sorted(tmp_path.iterdir()) == before
    with fresh(tmp_path) as store:
        assert len(store.rows()) == 1
    assert not (tmp_path / "index.sqlite-wal").exists()


def another_program(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE birds (name TEXT)")
    connection.close()


def text(path: Path) -> None:
    path.write_text("name,rate\na,1\n")


def later_version(path: Path) -> None:
    fresh(path.parent).close()
    connection = sqlite3.connect(path)
    study = {"key": "study", "schema": "arcuate.study", "schema_version": 2, "description": NAME}
    with connection:
        _store_index.put(connection, study)
    connection.close()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (another_program, "is another program's file"),
        (text, "is another program's file"),
        (later_version, "has schema version 2; this version of arcuate reads up to 1"),
    ],
)
def test_an_index_that_is_not_ours_is_refused(
    tmp_path: Path, make: Callable[[Path], None], words: str
) -> None:
    make(tmp_path / "index.sqlite")
    before = (tmp_path / "index.sqlite").read_bytes()
    for call in (fresh, Store.read, verify, lambda folder: verify(folder, repair=True)):
        with pytest.raises(FileFormatError, match=words) as caught:
            call(tmp_path)
        assert str(caught.value).count("\n") < 4
    assert (tmp_path / "index.sqlite").read_bytes() == before


def test_what_is_no_folder_of_a_study_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").mkdir()
    odd = ["file", "loop", "pipe", "empty", "absent"]
    for place in [*(tmp_path / name for name in odd), "/dev/null", "", "a\0b", 3]:
        for call in (Store.read, verify):
            with pytest.raises(ArcuateError):
                call(place)  # type: ignore[arg-type]
    for place in [*(tmp_path / name for name in odd[:3]), "/dev/null/study", "", "a\0b", None]:
        with pytest.raises(StoreError):
            fresh(place)  # type: ignore[arg-type]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file", "loop", "pipe"]


def test_an_empty_index_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "index.sqlite").touch()
    with fresh(tmp_path) as store:
        store.commit([row(0)])
    assert Store.read(tmp_path).done_keys() == {key(0)}


def test_a_store_that_is_closed_or_only_read_takes_nothing(tmp_path: Path) -> None:
    store = fresh(tmp_path)
    store.close()
    store.close()
    for closed in (store, Store.read(tmp_path)):
        for call in (lambda s: s.commit([row(0)]), lambda s: s.claim([key(0)], 1), lambda s: s.release()):
            with pytest.raises(StoreError, match="closed or was opened for reading only"):
                call(closed)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"key": "abc"}, "must be 64 hexadecimal digits"),
        ({"metrics": {"rate": object()}}, "metrics = .* must be a number, a bool, text"),
        ({"values": {"f": print}}, "values = .* must be a number, a bool, text"),
    ],
)
def test_a_row_that_cannot_be_kept_is_refused(tmp_path: Path, changes: dict[str, object], words: str) -> None:
    with fresh(tmp_path) as store:
        with pytest.raises(StoreError, match=words):
            store.commit([row(0), row(1, **changes)])
        assert store.rows() == []


def test_a_row_that_names_a_file_outside_the_store_is_damaged(tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("not a recording")
    folder = tmp_path / "store"
    names = (str(mine), "recordings/../../mine.txt", "../mine.txt", "index.sqlite")
    with fresh(folder) as store:
        store.commit([row(place, status="failed", recording=name) for place, name in enumerate(names)])
    with pytest.warns(ArcuateWarning, match="4 rows"):
        assert Store.read(folder).rows() == []
    lost = {damage.key for damage in verify(folder, repair=True) if damage.kind == "row"}
    assert lost == set(map(key, range(4)))
    with fresh(folder) as store:
        store.commit([row(place) for place in range(4)])
        assert len(store.done_keys()) == 4
    assert mine.read_text() == "not a recording"


def test_rows_longer_than_a_page_survive_a_damaged_index(tmp_path: Path) -> None:
    with fresh(tmp_path) as store:
        store.commit([row(n, traceback="x" * 20_000 * (n % 2)) for n in range(20)])
    with (tmp_path / "index.sqlite").open("r+b") as stream:
        stream.write(bytes(100))  # the header: SQLite cannot read the file at all
    with pytest.warns(ArcuateWarning, match="10 rows are left out"):
        rows = Store.read(tmp_path).rows()
    assert [item.index for item in rows] == list(range(0, 20, 2))  # what lay in one piece
    assert {damage.key for damage in verify(tmp_path) if damage.key} == {key(n) for n in range(1, 20, 2)}
    with fresh(tmp_path) as store:
        assert store.done_keys() == {item.key for item in rows}
    assert verify(tmp_path) == []


def test_a_lost_description_is_told_and_written_again(tmp_path: Path) -> None:
    with fresh(tmp_path) as store:
        store.commit([row(0)])
    index = tmp_path / "index.sqlite"
    index.write_bytes(index.read_bytes().replace(b'"description":{"n"', b'"description":{"m"'))
    assert [damage.kind for damage in verify(tmp_path)] == ["description"]
    with pytest.warns(ArcuateWarning):
        assert Store.read(tmp_path).description == {}
    assert verify(tmp_path, repair=True)
    with fresh(tmp_path) as store:
        assert store.done_keys() == {key(0)}
    assert Store.read(tmp_path).description == NAME


def test_reading_writes_nothing(tmp_path: Path) -> None:
    with fresh(tmp_path) as store:
        store.commit([row(0)], {key(0): recording(0)})
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    Store.read(tmp_path).done_keys()
    verify(tmp_path)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_a_running_study_is_read_as_it_is_now(tmp_path: Path) -> None:
    with fresh(tmp_path) as store:
        store.commit([row(0)])
        assert Store.read(tmp_path).done_keys() == {key(0)}
        store.commit([row(1)])
        assert Store.read(tmp_path).done_keys() == {key(0), key(1)}
        assert verify(tmp_path) == []
