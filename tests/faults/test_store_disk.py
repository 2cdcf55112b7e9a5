"""A disk that is full or fails: an error that names the place and the space, nothing partial, and a resume.

Full disks are small file systems in memory, where the tests may mount them. Failing system calls are put
between SQLite and the system by a small library, where there is a C compiler.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from studies import fresh, key, recording, row

from arcuate.errors import StoreError
from arcuate.recording import Recording
from arcuate.study.store import Store, verify

FULL = r"Study store: folder = '{}': .* \d+ .*are free"
FILL = """
import sys
import tempfile
from studies import fresh, recording, row
folder, n, keep = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "keep"
with fresh(folder) as store:
    done = store.done_keys()
    for number in range(n):
        item = row(number, metrics={"note": "x" * 3000})
        if item.key not in done:
            store.commit([item], {item.key: recording(number, 10000)} if keep else None)
            print(number, flush=True)
"""


def python(script: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script that sees the helpers of the tests."""
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def mount(place: Path, options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    return shutil.which("mount") is not None and subprocess.run(command, capture_output=True).returncode == 0


@pytest.fixture
def small(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of few megabytes."""
    place = Path(tempfile.mkdtemp(prefix="small-"))
    if not mount(place, f"size={request.param}m"):
        place.rmdir()
        pytest.skip("a file system in memory cannot be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)
    place.rmdir()


def whole(folder: Path) -> bool:
    """Whether nothing in the store is harmed or half written."""
    harmed = any(damage.kind != "leftover" for damage in verify(folder))
    return not harmed and not list(folder.rglob("*.partial"))


@pytest.mark.parametrize("keep", ["rows", "keep"])
@pytest.mark.parametrize(
    "small",
    [2, pytest.param(6, marks=pytest.mark.slow), pytest.param(20, marks=pytest.mark.slow)],
    indirect=True,
)
def test_a_full_disk_stops_a_study_that_resumes_when_there_is_space(small: Path, keep: str) -> None:
    folder = small / "study"
    n = 8000 if keep == "rows" else 200
    process = python(FILL, folder, n, keep)
    acknowledged = {key(int(number)) for number in process.stdout.split()}
    message = process.stderr.strip().rpartition("\n")[2]
    assert process.returncode == 1  # an exception, no crash
    assert re.match(
        rf"arcuate\.errors\.StoreError: Study store: folder = '{folder}': .* \d+ .*are free", message
    )
    assert Store.read(folder).done_keys() == acknowledged
    assert whole(folder)
    free = shutil.disk_usage(small).free
    print(f"{free} bytes left, {len(acknowledged)} rows acknowledged: {message}")
    subprocess.run(["mount", "-o", "remount,size=300m", str(small)], check=True)
    again = python(FILL, folder, min(n, len(acknowledged) + 10), keep)
    assert again.returncode == 0, again.stderr
    assert not {key(int(number)) for number in again.stdout.split()} & acknowledged
    assert len(Store.read(folder).done_keys()) == min(n, len(acknowledged) + 10)
    assert whole(folder)


def fill(place: Path, free: int) -> Path:
    """Leave so many bytes of a file system free."""
    ballast = place / "ballast"
    size = shutil.disk_usage(place).free - free
    with ballast.open("wb") as stream:
        while size > 0:
            size -= stream.write(bytes(min(size, 1 << 16)))
    return ballast


@pytest.mark.parametrize("small", [2], indirect=True)
def test_space_that_ends_at_any_byte(small: Path) -> None:
    folder = small / "study"
    with fresh(folder) as store:
        store.commit([row(0)], {key(0): recording(0)})
    refused = 0
    for step in range(12):
        ballast = fill(small, step * 16384)
        number = step + 1
        try:
            with fresh(folder) as store:
                store.commit([row(number)], {key(number): recording(number)})
        except StoreError as error:
            assert re.match(FULL.format(folder), str(error))
            refused += 1
            here = set()
        else:
            here = {key(number)}
        assert Store.read(folder).done_keys() >= here
        assert whole(folder)
        ballast.unlink()
        with fresh(folder) as store:
            store.commit([row(number)], {key(number): recording(number)})
        assert key(number) in Store.read(folder).done_keys()
    print(f"space ended at 12 places: {refused} refused")
    assert 0 < refused < 12


def failing(number: int) -> Callable[..., None]:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(
    ("function", "fault"),
    [
        ("fsync", errno.EIO),
        ("replace", errno.EXDEV),
        ("link", errno.EIO),
        ("write", errno.EIO),
        ("write", errno.ENOSPC),
        ("open", errno.EMFILE),
    ],
)
def test_a_failing_call_leaves_nothing_partial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, fault: int
) -> None:
    with fresh(tmp_path) as store:
        store.commit([row(0)], {key(0): recording(0)})
        with monkeypatch.context() as patch:
            patch.setattr(os, function, failing(fault))
            if function == "link":  # a file system without hard links, where renaming fails too
                patch.setattr(os, "rename", failing(fault))
            with pytest.raises(StoreError, match="bytes are free") as caught:
                store.commit([row(1)], {key(1): recording(1)})
        assert str(tmp_path)[:20] in str(caught.value)
        assert store.done_keys() == {key(0)}
        assert whole(tmp_path)
        store.commit([row(1)], {key(1): recording(1)})
        assert store.done_keys() == {key(0), key(1)}
    assert verify(tmp_path) == []


def test_writes_that_return_short_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, bytes(data)[:1000]))
    with fresh(tmp_path) as store:
        store.commit([row(1)], {key(1): recording(1)})
        (found,) = store.rows()
    monkeypatch.undo()
    assert Recording.load(tmp_path / str(found.recording)).equals(recording(1))
    assert verify(tmp_path) == []


SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* the call number FAULT_AT to FAULT_CALL on a file of the index fails, and all later ones */
static int seen;
static int hit(const char *call, int file) {
    char link[64], name[4096];
    const char *which = getenv("FAULT_CALL"), *at = getenv("FAULT_AT");
    if (!which || !at || strcmp(which, call)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = readlink(link, name, sizeof name - 1);
    if (size < 0) return 0;
    name[size] = 0;
    return strstr(name, "index.sqlite") && ++seen >= atoi(at);
}
#define SYNC(name) int name(int file) { \
    int (*real)(int) = dlsym(RTLD_NEXT, #name); \
    if (hit("sync", file)) { errno = EIO; return -1; } \
    return real(file); }
SYNC(fsync)
SYNC(fdatasync)
#define WRITE(name, offset) ssize_t name(int file, const void *data, size_t size, offset place) { \
    ssize_t (*real)(int, const void *, size_t, offset) = dlsym(RTLD_NEXT, #name); \
    if (hit("short", file) && size > 1) size = size / 2; \
    if (hit("full", file)) { errno = ENOSPC; return -1; } \
    return real(file, data, size, place); }
WRITE(pwrite, off_t)
WRITE(pwrite64, off64_t)
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that lets chosen system calls fail."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("no C compiler here")
    place = tmp_path_factory.mktemp("shim")
    (place / "shim.c").write_text(SHIM)
    command = [compiler, "-shared", "-fPIC", "-o", "shim.so", "shim.c", "-ldl"]
    subprocess.run(command, cwd=place, check=True, capture_output=True)
    return place / "shim.so"


@pytest.mark.parametrize("call", ["sync", "full", "short"])
@pytest.mark.parametrize("at", [1, 4, 9, pytest.param(20, marks=pytest.mark.slow)])
def test_sqlite_on_a_failing_disk(tmp_path: Path, shim: Path, call: str, at: int) -> None:
    with fresh(tmp_path) as store:
        store.commit([row(0, metrics={"note": "x" * 3000})])
    process = python(FILL, tmp_path, 20, "rows", LD_PRELOAD=str(shim), FAULT_CALL=call, FAULT_AT=str(at))
    acknowledged = {key(0)} | {key(int(number)) for number in process.stdout.split()}
    if call == "short":
        assert process.returncode == 0, process.stderr
    else:
        assert process.returncode == 1
        last = process.stderr.strip().rpartition("\n")[2]
        assert re.match(r"arcuate\.errors\.StoreError: .* \d+ bytes are free there", last)
    done = Store.read(tmp_path).done_keys()
    print(call, at, len(acknowledged), "acknowledged,", len(done), "there")
    assert acknowledged <= done
    assert whole(tmp_path)
    assert python(FILL, tmp_path, 20, "rows").returncode == 0
    assert Store.read(tmp_path).done_keys() == {key(number) for number in range(20)}
    assert verify(tmp_path) == []


HANDLES = """
import resource, sys
from studies import fresh, key, recording, row
from arcuate.errors import ArcuateError
fresh(sys.argv[1] + "/warm").commit([row(0)], {key(0): recording(0)})  # what is imported late is there now
resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
store = fresh(sys.argv[1] + "/study")
store.commit([row(0)], {key(0): recording(0)})
for spare in range(4):
    held = []
    try:
        while True:
            held.append(open("/dev/null"))
    except OSError:
        for _ in range(spare):
            held.pop().close()
    commit = lambda: store.commit([row(1)], {key(1): recording(1)})
    for action in (commit, lambda: fresh(sys.argv[1] + "/study")):
        try:
            action()
        except ArcuateError as error:
            print(type(error).__name__)
    for file in held:
        file.close()
store.commit([row(2)], {key(2): recording(2)})
store.close()
"""


def test_no_more_file_handles(tmp_path: Path) -> None:
    process = python(HANDLES, tmp_path)
    assert process.returncode == 0, process.stderr
    assert len(process.stdout.split()) >= 4
    assert key(2) in Store.read(tmp_path / "study").done_keys()
    assert whole(tmp_path / "study")


def test_a_failed_commit_can_be_repeated_in_the_same_store(tmp_path: Path) -> None:
    with fresh(tmp_path) as store:
        with pytest.raises(StoreError, match="must be a number"):
            store.commit([row(0), row(1, metrics={"rate": object()})], {key(0): recording(0)})
        assert store.rows() == []
        assert list((tmp_path / "recordings").iterdir()) == []
        store.commit([row(0)], {key(0): recording(0)})
        assert store.done_keys() == {key(0)}
