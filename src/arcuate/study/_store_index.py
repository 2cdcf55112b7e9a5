"""The index of a study's store: one SQLite file, read with doubt and rebuilt from what can be proved.

The table ``entries`` holds one line for each point, and one for what the study is. SQLite keeps the keys a
second time, in the b-tree that makes them unique: a line that was lost from the table is still named there.
Where SQLite cannot read the file, the lines are looked for in its bytes: each carries its own checksum.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arcuate.errors import FileFormatError, StoreError
from arcuate.study._store_rows import KEY, Damage, Row, decode, decode_row, encode

NAME = "index.sqlite"
SCHEMA = "arcuate.study"
SCHEMA_VERSION = 1
STUDY = "study"
FINGERPRINT = "fingerprint:"

_PAGE = 8192
_TIMEOUT = 60.0  # s to wait for another writer
_LONGEST = 500  # bytes of a path that SQLite opens
_TABLES = {
    "entries": "CREATE TABLE entries (number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, "
    "sha256 TEXT NOT NULL, content TEXT NOT NULL)",
    "claims": "CREATE TABLE claims (key TEXT PRIMARY KEY, owner TEXT NOT NULL) WITHOUT ROWID",
}
_KEYS = "sqlite_autoindex_entries_1"  # the b-tree that makes the keys unique
_ENTRY = re.compile(r"study|fingerprint:[0-9a-f]{16}|[0-9a-f]{64}")
_LINE = re.compile(b"(" + _ENTRY.pattern.encode() + rb")([0-9a-f]{64})(?=\{)")
# a cell of the b-tree of the keys: header, type of the line's number, key; the number follows
_CELL = re.compile(rb"\x04\x81\x0d([\x01-\x06\x08\x09])([0-9a-f]{64})")
_MAGIC = b"SQLite format 3\0"
# SQLite's primary codes for trouble with the machine; what else it says is about the file
_MACHINE = frozenset({3, 5, 6, 7, 8, 9, 10, 13, 14, 15, 23})
_CANNOT_WRITE = frozenset({8, 10, 13, 14})


@dataclass
class Contents:
    """What an index holds, as far as it can be proved.

    Attributes
    ----------
    entries : dict of str to dict
        Content by key, of points and of the rest.
    damages : list of Damage
        What is wrong with the index.
    """

    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    damages: list[Damage] = field(default_factory=list)

    @property
    def rows(self) -> dict[str, Row]:
        """The points by key."""
        return {key: decode_row(content) for key, content in self.entries.items() if KEY.fullmatch(key)}


def code_of(error: sqlite3.Error) -> int:
    """Return SQLite's primary code of an error."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _connect(path: Path, options: str) -> sqlite3.Connection:
    if len(os.fsencode(path.absolute())) > _LONGEST:
        raise StoreError.of(
            where="Study store",
            name="folder",
            value=str(path.parent),
            bound=f"its index has a path of {len(os.fsencode(path.absolute()))} bytes; SQLite opens at most "
            f"{_LONGEST}",
            fix="choose a shorter path",
        )
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{options}", uri=True, timeout=_TIMEOUT, isolation_level=None
    )
    connection.text_factory = bytes  # damaged text need not be UTF-8
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA cell_size_check=ON")
    return connection


def writer(folder: Path) -> sqlite3.Connection:
    """Open the index of a store for writing; a commit returns once it is on the disk."""
    connection = _connect(folder / NAME, "mode=rw")
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")  # no older line of a point lies about
        # the log is copied into the file at once, so that little is lost with a damaged log
        connection.execute("PRAGMA wal_autocheckpoint=1")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Say whether nobody has the store open for writing, and keep it so."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(lock)


@contextmanager
def _reader(path: Path, *, alone: bool) -> Iterator[sqlite3.Connection]:
    """Open an index for reading, in a folder that cannot be written too."""
    copied = None
    # where nobody writes and nothing is left in a log, SQLite need not put files of its own beside the index
    quiet = alone and not _has_log(path)
    connection = _connect(path, "mode=ro&immutable=1" if quiet else "mode=ro")
    try:
        try:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.OperationalError as error:
            if code_of(error) not in _CANNOT_WRITE:
                raise
            connection.close()
            if _has_log(path):
                copied = tempfile.TemporaryDirectory()
                for file in (path, _log(path)):
                    shutil.copy(file, copied.name)
                connection = _connect(Path(copied.name) / NAME, "mode=ro")
            else:
                connection = _connect(path, "mode=ro&immutable=1")
        yield connection
    finally:
        connection.close()
        if copied is not None:
            copied.cleanup()


def _log(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _has_log(path: Path) -> bool:
    """Say whether something stands in the log; a process that was killed may leave an empty one."""
    log = _log(path)
    return log.exists() and log.stat().st_size > 0


def create(path: Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Write a new index to a new file and sync it."""
    connection = _connect(path, "mode=rwc")
    try:
        connection.execute(f"PRAGMA page_size={_PAGE}")
        connection.execute("BEGIN")
        for statement in _TABLES.values():
            connection.execute(statement)
        for content in entries:
            put(connection, content)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()


def put(connection: sqlite3.Connection, content: Mapping[str, Any]) -> None:
    """Write one line, in place of an older one of the same key; its number is the highest so far."""
    (last,) = connection.execute("SELECT ifnull(max(number), 0) FROM entries").fetchone()
    text, sha256 = encode({**content, "number": last + 1})
    connection.execute(
        "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?)", (last + 1, content["key"], sha256, text)
    )


def load(folder: Path, *, alone: bool | None = None) -> Contents:
    """Read the whole index and prove every line.

    Parameters
    ----------
    folder : pathlib.Path
        Of the store.
    alone : bool or None
        Whether nobody else writes into the store; None if that is to be found out.

    Raises
    ------
    FileFormatError
        If the file is another program's or of a later version.
    StoreError
        If it cannot be opened.
    """
    if alone is None:
        with _alone(folder) as nobody:
            return load(folder, alone=nobody)
    path = folder / NAME
    # of a log that grows one cannot say what is finished
    log = _committed(_log(path).read_bytes()) if alone and _log(path).exists() else b""
    found = _Found()
    if path.stat().st_size == 0:
        found.trouble = "is empty"
    else:
        try:
            with _reader(path, alone=alone) as connection:
                found.read(connection)
        except sqlite3.DatabaseError as error:
            if code_of(error) in _MACHINE:
                raise
            found.trouble = f"is damaged ({error})"
    pieces = [log]
    if found.trouble or found.lost:
        pieces.append(path.read_bytes())
    restored = found.salvage(pieces)
    if not found.entries and not found.lost and (found.alien or not _is_sqlite(pieces[-1])):
        raise FileFormatError.of(
            where="Study store", name="index", value=str(path), bound="is another program's file"
        )
    _check_version(path, found.entries.get(STUDY))
    return Contents(entries=found.entries, damages=_damages(found, restored))


def _damages(found: _Found, restored: bool) -> list[Damage]:
    damages = []
    if found.trouble or restored:
        damages.append(Damage(kind="index", path=NAME, problem=found.trouble or "its log is damaged"))
    for key in sorted(found.lost):
        if KEY.fullmatch(key):
            damages.append(Damage(kind="row", path=NAME, problem="the row is damaged", key=key))
    if STUDY not in found.entries or any(not KEY.fullmatch(key) for key in found.lost):
        damages.append(Damage(kind="description", path=NAME, problem="the description is damaged"))
    return damages


def _is_sqlite(data: bytes) -> bool:
    """Say whether bytes may be what is left of an SQLite file."""
    return not data.strip(b"\0") or data.startswith(_MAGIC[: len(data)])


def _check_version(path: Path, study: Mapping[str, Any] | None) -> None:
    if study is None:
        return
    version = study.get("schema_version")
    if study.get("schema") != SCHEMA or not isinstance(version, int):
        bound = f"has the schema {study.get('schema')!r}, not {SCHEMA!r}"
    elif version > SCHEMA_VERSION:
        bound = f"has schema version {version}; this version of arcuate reads up to {SCHEMA_VERSION}"
    else:
        return
    raise FileFormatError.of(
        where="Study store", name="index", value=str(path), bound=bound, fix="use a newer arcuate"
    )


class _Found:
    """Lines that were proved, what else is named, and what is wrong with the file."""

    def __init__(self) -> None:
        self.entries: dict[str, dict[str, Any]] = {}
        self.named: dict[str, int] = {}
        self.trouble = ""
        self.alien = False

    @property
    def lost(self) -> set[str]:
        """Keys of lines that were there and cannot be proved."""
        proved = {content["number"] for content in self.entries.values()}
        return {
            key
            for key, number in self.named.items()
            if key not in self.entries and number not in proved and _ENTRY.fullmatch(key)
        }

    def read(self, connection: sqlite3.Connection) -> None:
        """Read through SQLite, as far as it goes, in one state of the file."""
        connection.execute("BEGIN")
        tables = {
            name.decode(errors="replace"): sql.decode(errors="replace")
            for name, sql in connection.execute("SELECT name, sql FROM sqlite_schema WHERE type='table'")
        }
        self.alien = "entries" not in tables
        if tables != _TABLES:
            self.trouble = "its tables are not those of a study"
        suspects: dict[int, str] = {}
        try:
            lines = connection.execute("SELECT number, key, sha256, content FROM entries NOT INDEXED")
            for number, key, sha256, content in lines:
                good = decode(content, sha256) if _texts(sha256, content) else None
                if good is not None:
                    self.entries[good["key"]] = good
                else:
                    suspects[number] = _text(key)
        except sqlite3.DatabaseError as error:
            self._note(error)
        try:
            for number, key in connection.execute(f"SELECT number, key FROM entries INDEXED BY {_KEYS}"):
                self.named[_text(key)] = number
                suspects.pop(number, None)
            (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            if verdict != b"ok":
                self.trouble = self.trouble or f"is damaged ({_text(verdict)})"
        except sqlite3.DatabaseError as error:
            self._note(error)
        self.named |= {key: number for number, key in suspects.items() if key not in self.named}

    def _note(self, error: sqlite3.DatabaseError) -> None:
        if code_of(error) in _MACHINE:
            raise error
        self.trouble = self.trouble or f"is damaged ({error})"

    def salvage(self, pieces: Iterable[bytes]) -> bool:
        """Look for lines in the bytes; say whether one was found that SQLite did not give."""
        best: dict[str, dict[str, Any]] = {}
        for data in pieces:
            for match in _CELL.finditer(data):
                self.named.setdefault(match[2].decode(), _number(data, match))
            for match in _LINE.finditer(data):
                content = _content(data, match)
                if content is None:
                    self.named.setdefault(match[1].decode(), 0)
                    continue
                key = content["key"]
                known = best.get(key) or self.entries.get(key) or {"number": 0}
                if content["number"] > known["number"]:
                    best[key] = content
        # an older line of the same point may lie in space that was freed
        new = {key: content for key, content in best.items() if content["number"] >= self.named.get(key, 0)}
        self.entries |= new
        return bool(new)


def _texts(*values: object) -> bool:
    return all(isinstance(value, bytes) for value in values)


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else ""


def _number(data: bytes, cell: re.Match[bytes]) -> int:
    """Number of the line that a cell of the b-tree of the keys names."""
    kind, start = cell[1][0], cell.end()
    if kind > 6:
        return kind - 8
    return int.from_bytes(data[start : start + (kind if kind < 5 else 2 * kind - 4)])


def _content(data: bytes, match: re.Match[bytes]) -> dict[str, Any] | None:
    """Prove the line that starts at a match; None if it cannot be."""
    start = match.end()
    text = data[start : start + _PAGE].decode("latin-1")
    try:
        _, length = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return decode(data[start : start + length], match[2])


def _committed(log: bytes) -> bytes:
    """Return the part of a write-ahead log that holds finished transactions, as far as that can be told."""
    frame = 24 + _PAGE
    salt, end = log[16:24], 0
    if log[40:48] != salt:
        return log
    for start in range(32, len(log) - frame + 1, frame):
        if log[start + 8 : start + 16] == salt and any(log[start + 4 : start + 8]):
            end = start + frame
    return log[:end]
