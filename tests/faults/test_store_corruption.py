"""A damaged store: no value is wrong in silence, the damaged points are listed, and only they are redone.

Each trial harms one file of a copy of one store: a bit, a page, its end, or all of it. It prints the figures.
"""

from __future__ import annotations

import functools
import os
import shutil
import sqlite3
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from studies import fresh, key, recording, row

from arcuate import rng
from arcuate.errors import ArcuateWarning, FileFormatError
from arcuate.recording import Recording
from arcuate.study.store import Row, Store, verify

Harm = Callable[[Path, np.random.Generator], str]
POINTS = 200
KEYS = [key(number) for number in range(POINTS)]


def made(number: int) -> tuple[Row, Recording | None]:
    """Point of the study: every eighth one keeps its recording, every tenth fails."""
    if number % 10 == 3:
        return row(number, status="failed", reason="diverged", traceback="line\n" * 200), None
    metrics = {"rate": number / 3, "note": "x" * (number * 7 % 900)}
    return row(number, metrics=metrics), recording(number) if number % 8 == 0 else None


def compute(store: Store, numbers: list[int]) -> None:
    """Commit points in groups of seven."""
    for start in range(0, len(numbers), 7):
        made_now = [made(number) for number in numbers[start : start + 7]]
        recordings = {item.key: rec for item, rec in made_now if rec is not None}
        store.commit([item for item, _ in made_now], recordings)


def facts(item: Row) -> tuple[object, ...]:
    """What must be the same after a point is computed again."""
    return (
        item.key,
        item.index,
        item.values,
        item.seed,
        item.status,
        item.metrics,
        item.reason,
        item.traceback,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store at rest. Its first points were committed twice, so that older lines once lay in the file."""
    folder = tmp_path_factory.mktemp("whole")
    with fresh(folder) as store:
        store.commit([row(number, status="failed", reason="first try") for number in range(40)])
        compute(store, list(range(POINTS)))
    assert sorted(file.name for file in folder.iterdir()) == ["index.sqlite", "recordings"]
    return folder


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory, whole: Path) -> Path:
    """The store of a killed process whose last commits are in the log only, since somebody was reading."""
    folder = tmp_path_factory.mktemp("logged")
    live = tmp_path_factory.mktemp("live")
    with fresh(live) as store:
        compute(store, list(range(POINTS - 60)))
        reader = sqlite3.connect(live / "index.sqlite")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM entries").fetchone()
        compute(store, list(range(POINTS - 60, POINTS)))
        shutil.copytree(live, folder, dirs_exist_ok=True)
        reader.close()
    assert (folder / "index.sqlite-wal").stat().st_size > 100_000
    return folder


def copy(source: Path, target: Path, harmed: str) -> None:
    """Copy a store; recordings that stay whole are links, since nothing ever writes into one."""
    (target / "recordings").mkdir(parents=True)
    for file in source.rglob("*"):
        if file.is_file():
            name = file.relative_to(source)
            linked = name.parent.name == "recordings" and str(name) != harmed
            (os.link if linked else shutil.copyfile)(file, target / name)


def flip(path: Path, draw: np.random.Generator) -> str:
    data = bytearray(path.read_bytes())
    place, bit = int(draw.integers(len(data))), int(draw.integers(8))
    data[place] ^= 1 << bit
    path.write_bytes(data)
    return f"bit {bit} of byte {place}"


def cut(path: Path, draw: np.random.Generator) -> str:
    size = int(draw.integers(path.stat().st_size))
    os.truncate(path, size)
    return f"cut to {size} bytes"


def delete(path: Path, draw: np.random.Generator) -> str:
    path.unlink()
    return "deleted"


def zero(path: Path, draw: np.random.Generator) -> str:
    page = int(draw.integers(path.stat().st_size // 8192))
    with path.open("r+b") as stream:
        stream.seek(page * 8192)
        stream.write(bytes(8192))
    return f"page {page} zeroed"


def read(folder: Path) -> list[Row]:
    """What a reader gets: the rows that are there; without an index there are none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ArcuateWarning)
        try:
            return Store.read(folder).rows()
        except FileFormatError as error:
            assert "index is missing" in str(error)
            return []


@functools.cache
def originals(source: Path) -> dict[str, Row]:
    """Rows of an unharmed store."""
    return {item.key: item for item in read(source)}


def bad_values(source: Path, folder: Path) -> tuple[set[str], set[str]]:
    """Points that read wrong in silence, and points that do not read at all."""
    truth = originals(source)
    wrong, unread = set(), set(truth)
    for item in read(folder):
        if item != truth.get(item.key):
            wrong.add(item.key)
            continue
        file = folder / (item.recording or "")
        if item.recording and not (file.exists() and file.samefile(source / item.recording)):
            try:
                found = Recording.load(file).digest()
            except FileFormatError:
                continue
            if found != Recording.load(source / item.recording).digest():
                wrong.add(item.key)
        unread.discard(item.key)
    return wrong, unread - wrong


def resume(folder: Path) -> set[str]:
    """Run the study again; return the points that were computed or measured again."""
    again = set()
    with fresh(folder) as store:
        rows = {item.key: item for item in store.rows()}
        done = store.done_keys()
        left = [k for k in KEYS if k not in done and rows.get(k, row(0)).status == "done"]
        left += [k for k in KEYS if k not in rows and k not in left]
        measured = store.recover([k for k in left if k not in rows], lambda k, rec: made(KEYS.index(k))[0])
        again = set(left)
        compute(store, [KEYS.index(k) for k in left if k not in measured])
    return again


def trial(
    source: Path, target: Path, harm: Callable[..., str], draw: np.random.Generator, name: str
) -> Counter[str]:
    """Harm one file of a copy and count what went wrong."""
    truth = originals(source)
    copy(source, target, name)
    what = f"{name}: {harm(target / name, draw)}"
    wrong, unread = bad_values(source, target)
    listed = {damage.key for damage in verify(target, keys=KEYS) if damage.key}
    again = resume(target)
    after = {item.key: facts(item) for item in read(target)}
    left = [damage for damage in verify(target) if damage.kind != "leftover"]
    counts = Counter(
        trials=1,
        harmed=bool(unread),
        wrong=len(wrong),
        listed_wrongly=listed != unread,
        redone_wrongly=again != unread,
        table_differs=after != {k: facts(item) for k, item in truth.items()},
        still_damaged=bool(left),
    )
    if any(counts[bad] for bad in counts if bad not in ("trials", "harmed")):
        print(what, dict(counts), len(listed ^ unread), len(again ^ unread), left[:2])
    shutil.rmtree(target)
    return counts


def files(source: Path, draw: np.random.Generator) -> Iterator[str]:
    """Names of files to harm: the index as often as the recordings together."""
    recordings = sorted(str(file.relative_to(source)) for file in (source / "recordings").iterdir())
    while True:
        yield "index.sqlite" if draw.random() < 0.5 else recordings[int(draw.integers(len(recordings)))]


def check(counts: Counter[str], title: str) -> None:
    print(f"{title}: {dict(counts)}")
    assert counts["harmed"] > 0
    assert not any(counts[bad] for bad in counts if bad not in ("trials", "harmed"))


@pytest.mark.parametrize(
    ("harm", "n"),
    [
        (flip, 30),
        (cut, 6),
        (delete, 4),
        (zero, 6),
        pytest.param(flip, 1000, marks=pytest.mark.slow),
        pytest.param(cut, 200, marks=pytest.mark.slow),
        pytest.param(delete, 50, marks=pytest.mark.slow),
        pytest.param(zero, 100, marks=pytest.mark.slow),
    ],
)
@pytest.mark.timeout(3600)
def test_damage_is_seen_and_mended(whole: Path, tmp_path: Path, harm: Harm, n: int) -> None:
    draw = rng.stream(n, f"harm/{harm.__name__}")
    names = files(whole, draw)
    counts: Counter[str] = Counter()
    for _ in range(n):
        name = "index.sqlite" if harm is zero else next(names)
        counts += trial(whole, tmp_path / "copy", harm, draw, name)
    check(counts, f"{harm.__name__} of a store at rest")


@pytest.mark.parametrize("n", [10, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.timeout(3600)
def test_a_damaged_log_is_seen_and_mended(logged: Path, tmp_path: Path, n: int) -> None:
    draw = rng.stream(n, "harm/log")
    counts: Counter[str] = Counter()
    for _ in range(n):
        name = ("index.sqlite", "index.sqlite-wal", "index.sqlite-shm")[int(draw.integers(3))]
        counts += trial(logged, tmp_path / "copy", flip, draw, name)
    check(counts, "flip in the files of a killed process")
