"""The files of a study's store: its folder, its lock, its index as a file, its recordings."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from arcuate.errors import ArcuateError, FileFormatError, SpecError, StoreError
from arcuate.recording.files import publish
from arcuate.study import _store_index as indexes
from arcuate.study._store_rows import Damage, Row

RECORDINGS = "recordings"
_DAMAGED = "damaged"
_CHUNK = 1 << 20


def study_entry(description: Mapping[str, Any]) -> dict[str, Any]:
    """Build the line of the index that says what the study is."""
    return {
        "key": indexes.STUDY,
        "schema": indexes.SCHEMA,
        "schema_version": indexes.SCHEMA_VERSION,
        "description": dict(description),
    }


def as_folder(folder: str | os.PathLike[str]) -> Path:
    if not isinstance(folder, (str, os.PathLike)) or not os.fspath(folder):
        raise StoreError.of(where="Study store", name="folder", value=folder, bound="must be a path")
    return Path(folder).expanduser()


def has_store(folder: str | os.PathLike[str]) -> bool:
    """Whether there is a store in a folder, in whatever state.

    Parameters
    ----------
    folder : path
        Which may not be there.

    Returns
    -------
    bool

    Examples
    --------
    >>> has_store("no/such/folder")
    False
    """
    return os.path.lexists(as_folder(folder) / indexes.NAME)


@contextmanager
def guarded(folder: Path) -> Iterator[None]:
    """Turn what SQLite and the system say into an error that names the folder and the free space."""
    try:
        yield
    except ArcuateError:
        raise
    except (sqlite3.Error, OSError, ValueError) as error:
        try:
            space = f"; {shutil.disk_usage(folder).free} bytes are free there"
        except (OSError, ValueError):
            space = ""
        raise StoreError.of(
            where="Study store",
            name="folder",
            value=str(folder),
            bound=f"cannot be used ({str(error)[:200]}){space}",
        ) from error


def lock_folder(folder: Path) -> tuple[int, bool]:
    """Mark a folder as in use; say whether another process uses it. The system forgets a dead process."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(lock, fcntl.LOCK_SH)  # one who only opens or reads is soon done
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(lock, fcntl.LOCK_SH)
            return lock, True
    except OSError:
        pass  # a file system without locks
    return lock, False


def share(lock: int) -> None:
    """Let other processes use the folder too."""
    with suppress(OSError):  # a file system without locks
        fcntl.flock(lock, fcntl.LOCK_SH)


def opened(folder: Path, description: Mapping[str, Any], *, used: bool) -> indexes.Contents:
    """Read the index, made or rebuilt where it must be, and check that it is that of the study."""
    path = folder / indexes.NAME
    if not path.exists():
        if used:
            raise StoreError.of(
                where="Study store",
                name="folder",
                value=str(folder),
                bound="its index was removed, and another process uses it",
                fix="stop the other process, then run the study again",
            )
        _move_log(folder)  # SQLite would play a log that was left into the new file
        publish_index(folder, [study_entry(description)])
    contents = indexes.load(folder, alone=not used)
    there = contents.entries.get(indexes.STUDY, {}).get("description", description)
    if there.get("name") != description.get("name"):
        raise SpecError.of(
            where="Study store",
            name="folder",
            value=str(folder),
            bound=f"holds the study {there.get('name')!r}, not {description.get('name')!r}",
            fix="choose another folder",
        )
    if contents.damages:
        if used:
            raise StoreError.of(
                where="Study store",
                name="folder",
                value=str(folder),
                bound="its index is damaged, and another process uses it",
                fix="stop the other process, then run the study again",
            )
        rebuild(folder, contents.entries.values())
    return contents


def publish_index(folder: Path, entries: Iterable[Mapping[str, Any]], *, overwrite: bool = False) -> None:
    """Make an index beside its place and move it there in one step."""
    partial = folder / f".index-{secrets.token_hex(8)}.partial"
    try:
        indexes.create(partial, entries)
        sync(partial)
        publish(partial, folder / indexes.NAME, overwrite=overwrite)
    except FileExistsError:
        pass  # another process was faster
    finally:
        partial.unlink(missing_ok=True)


def rebuild(folder: Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Replace the index by one that holds what was proved; the old one is kept in ``damaged``."""
    (folder / _DAMAGED).mkdir(exist_ok=True)
    shutil.copyfile(folder / indexes.NAME, folder / _DAMAGED / f"index-{secrets.token_hex(4)}.sqlite")
    _move_log(folder)
    publish_index(folder, entries, overwrite=True)


def _move_log(folder: Path) -> None:
    """Move the log of an index, if there is one, into ``damaged``."""
    for suffix in ("-wal", "-shm"):
        path = folder / (indexes.NAME + suffix)
        if path.exists():
            (folder / _DAMAGED).mkdir(exist_ok=True)
            os.replace(path, folder / _DAMAGED / f"index-{secrets.token_hex(4)}.sqlite{suffix}")


def loaded(folder: Path, *, alone: bool | None = None) -> indexes.Contents:
    """Read the index of a store that must be there."""
    path = folder / indexes.NAME
    if path.is_file():
        return indexes.load(folder, alone=alone)
    if not folder.is_dir():
        bound = "is no folder" if folder.exists() else "does not exist"
    elif (folder / RECORDINGS).is_dir():
        bound = "holds recordings, but its index is missing"
    else:
        bound = "holds no study"
    raise FileFormatError.of(where="Study store", name="folder", value=str(folder), bound=bound)


def sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def checksum(path: Path) -> tuple[int, str]:
    """Size and sha256 of a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while piece := stream.read(_CHUNK):
            digest.update(piece)
            size += len(piece)
    return size, digest.hexdigest()


def relative(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def recording_files(folder: Path) -> list[Path]:
    """Every file that is in the folder of the recordings."""
    place = folder / RECORDINGS
    return sorted(path for path in place.iterdir() if path.is_file()) if place.is_dir() else []


def harm_of(folder: Path, row: Row) -> str:
    """Say what is wrong with the file of a row; empty if nothing is, or there is none."""
    if row.recording is None:
        return ""
    path = folder / row.recording
    if not path.is_file():
        return "is missing"
    if path.stat().st_size != row.recording_bytes:
        return f"has {path.stat().st_size} bytes, not {row.recording_bytes}"
    return "" if checksum(path)[1] == row.recording_sha256 else "was altered: its sha256 does not match"


def verified(
    folder: Path, keys: Iterable[str] | None, *, alone: bool | None = None
) -> tuple[indexes.Contents, list[Damage]]:
    """What the index holds, and everything that is wrong with the store."""
    missing = (folder / RECORDINGS).is_dir() and not (folder / indexes.NAME).exists()
    if missing:
        contents = indexes.Contents(damages=[Damage(kind="index", path=indexes.NAME, problem="is missing")])
    else:
        contents = loaded(folder, alone=alone)
    damages = list(contents.damages)
    rows = contents.rows
    if any(damage.kind == "index" for damage in damages):
        known = rows.keys() | {damage.key for damage in damages}
        damages += [
            Damage(kind="row", path=indexes.NAME, problem="has no row, it may be lost", key=key)
            for key in keys or ()
            if key not in known
        ]
    for row in rows.values():
        if problem := harm_of(folder, row):
            damages.append(Damage(kind="recording", path=str(row.recording), problem=problem, key=row.key))
    taken = {row.recording for row in rows.values()}
    left = [path for path in recording_files(folder) if relative(path) not in taken]
    damages += [Damage(kind="leftover", path=relative(path), problem="belongs to no row") for path in left]
    damages += [
        Damage(kind="leftover", path=path.name, problem="was never finished")
        for path in sorted(folder.glob(".index-*.partial*"))
    ]
    return contents, damages


def repair_folder(folder: Path, contents: indexes.Contents, damages: list[Damage]) -> None:
    """Leave only what is whole. Files without a row stay while the index may have lost theirs."""
    harmed = any(damage.kind in ("index", "row", "description") for damage in damages)
    for damage in damages:
        path = folder / damage.path
        if damage.kind == "recording" and path.is_file():
            (folder / _DAMAGED).mkdir(exist_ok=True)
            os.replace(path, folder / _DAMAGED / path.name)
        elif damage.kind == "leftover" and not harmed:
            path.unlink(missing_ok=True)
    lost = {damage.key for damage in damages}
    if any(damage.kind != "leftover" for damage in damages) and (folder / indexes.NAME).exists():
        rebuild(folder, [entry for key, entry in contents.entries.items() if key not in lost])
