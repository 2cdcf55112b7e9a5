"""The folder in which a study keeps its results: one SQLite index and the files of its recordings.

A row in the index is the acknowledgement of a result. The file of a recording is written, synced, read back
and renamed before its row is committed, so that no row names a file that is not whole. What was altered or
lost later is noticed by checksums, listed by `verify`, and computed again by the next run.
"""

from __future__ import annotations

import dataclasses
import os
import re
import secrets
import sqlite3
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from arcuate.errors import ArcuateWarning, FileFormatError, RecordingError, StoreError
from arcuate.recording.files import write_tree
from arcuate.study import _store_index as indexes
from arcuate.study._store_folder import (
    RECORDINGS,
    as_folder,
    checksum,
    guarded,
    harm_of,
    loaded,
    lock_folder,
    opened,
    recording_files,
    relative,
    repair_folder,
    share,
    study_entry,
    sync,
    verified,
)
from arcuate.study._store_rows import (
    KEY,
    Damage,
    Row,
    decode,
    decode_row,
    encode,
    is_alive,
    row_table,
    short_hash,
    this_process,
)

if TYPE_CHECKING:
    from arcuate.recording import Recording

__all__ = ["Damage", "Row", "Store", "verify"]

_READABLE = 80  # characters of a file's name that say which point it is


class Store:
    """The results of one study in a folder; made by `Store.open` or `Store.read`.

    Attributes
    ----------
    folder : pathlib.Path
        Where it is.
    description : dict
        What the study is, as it was given to `open`; empty if that was lost.
    fingerprint : str
        Short hash of what makes the rows now; empty if opened for reading.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> with Store.open(folder, {"name": "gain"}, fingerprint={"model": "abc"}) as store:
    ...     store.commit([Row(key="0" * 64, index=0, values={"gain": 1.5}, seed=1, metrics={"rate": 5.0})])
    >>> Store.read(folder).rows()[0].metrics
    {'rate': 5.0}
    """

    def __init__(self, folder: Path, *, description: Mapping[str, Any]) -> None:
        self.folder = folder
        self.description = dict(description)
        self.fingerprint = ""
        self._connection: sqlite3.Connection | None = None
        self._contents = indexes.Contents()  # of a store that was opened for reading
        self._lock: int | None = None
        self._owner = f"{this_process()} {secrets.token_hex(4)}"
        self._seen = 0  # number of the last line that was there when the store was opened
        self._own: set[str] = set()
        self._file = (0, 0)

    @classmethod
    def open(
        cls, folder: str | os.PathLike[str], description: Mapping[str, Any], *, fingerprint: Mapping[str, Any]
    ) -> Store:
        """Open the store of a study for writing, making it if there is none.

        A damaged index is moved into the folder ``damaged`` and rebuilt from the rows that can be proved.

        Parameters
        ----------
        folder : path
            Folder of the store; made if it does not exist.
        description : mapping
            What the study is; its ``name`` must be that of the study that is there.
        fingerprint : mapping of str to str
            What makes the rows: hashes of the model and the measure, the version, options.

        Returns
        -------
        Store

        Raises
        ------
        FileFormatError
            If the folder holds another program's index or one of a later version.
        SpecError
            If it holds another study.
        StoreError
            If the folder cannot be used.

        Examples
        --------
        >>> import tempfile
        >>> Store.open(tempfile.mkdtemp(), {"name": "gain"}, fingerprint={"model": "abc"}).done_keys()
        set()
        """
        place = as_folder(folder)
        with guarded(place):
            place.mkdir(parents=True, exist_ok=True)
            (place / RECORDINGS).mkdir(exist_ok=True)
            lock, used = lock_folder(place)
            store = cls(place, description=description)
            store._lock = lock
            try:
                contents = opened(place, description, used=used)
                store._connection = indexes.writer(place)
                store._begin(contents, fingerprint)
                share(lock)
            except BaseException:
                store.close()
                raise
        return store

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> Store:
        """Read the store of a study as it is now, in a folder that cannot be written too.

        Parameters
        ----------
        folder : path
            Folder of the store.

        Returns
        -------
        Store

        Raises
        ------
        FileFormatError
            If the folder holds no study, or one of another program or of a later version.
        StoreError
            If it cannot be read.

        Warns
        -----
        ArcuateWarning
            If rows are damaged; they are left out.

        Examples
        --------
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> Store.open(folder, {"name": "gain"}, fingerprint={}).close()
        >>> Store.read(folder).description
        {'name': 'gain'}
        """
        place = as_folder(folder)
        with guarded(place):
            contents = loaded(place)
        if contents.damages:
            warnings.warn(
                f"{place}: the index is damaged; {sum(d.key is not None for d in contents.damages)} rows are "
                "left out. `arcuate study verify` lists them, the next run computes them again.",
                ArcuateWarning,
                stacklevel=2,
            )
        store = cls(place, description=contents.entries.get(indexes.STUDY, {}).get("description", {}))
        store._contents = contents
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back what was claimed and close the index; twice does no harm.

        Examples
        --------
        >>> import tempfile
        >>> Store.open(tempfile.mkdtemp(), {"name": "gain"}, fingerprint={}).close()
        """
        connection, self._connection = self._connection, None
        lock, self._lock = self._lock, None
        if connection is not None:
            with suppress(sqlite3.Error):  # a claim that stays is taken over once this process is gone
                connection.execute("DELETE FROM claims WHERE owner = ?", (self._owner,))
            connection.close()
        if lock is not None:
            os.close(lock)

    def rows(self) -> list[Row]:
        """Return every row that can be proved, in the order of the design.

        Returns
        -------
        list of Row

        Examples
        --------
        >>> import tempfile
        >>> Store.open(tempfile.mkdtemp(), {"name": "gain"}, fingerprint={}).rows()
        []
        """
        with guarded(self.folder):
            found = [decode_row(content) for key, content in self._entries() if KEY.fullmatch(key)]
        return sorted(found, key=lambda row: (row.index, row.key))

    def done_keys(self) -> set[str]:
        """Return the keys of the points that are done and whose recording, if they have one, is whole.

        Every recording is read once to check it.

        Returns
        -------
        set of str

        Examples
        --------
        >>> import tempfile
        >>> Store.open(tempfile.mkdtemp(), {"name": "gain"}, fingerprint={}).done_keys()
        set()
        """
        rows = self.rows()
        with guarded(self.folder):
            return {row.key for row in rows if row.status == "done" and not harm_of(self.folder, row)}

    @property
    def fingerprints(self) -> dict[str, dict[str, Any]]:
        """What made the rows, by the short hash that a row names."""
        with guarded(self.folder):
            start = indexes.FINGERPRINT
            return {
                key.removeprefix(start): content["fingerprint"]
                for key, content in self._entries()
                if key.startswith(start)
            }

    def commit(self, rows: Iterable[Row], recordings: Mapping[str, Recording] | None = None) -> None:
        """Keep results: first the files, then all rows in one transaction, which acknowledges them.

        A row of a point that another process has finished since the store was opened is left out.

        Parameters
        ----------
        rows : iterable of Row
            Results; what the store knows better (file, fingerprint, version, time) it fills in.
        recordings : mapping of str to Recording, optional
            Recordings to be kept, by the key of their row.

        Raises
        ------
        StoreError
            If something cannot be written, naming the path and the free bytes. No row is then acknowledged.

        Examples
        --------
        >>> import tempfile
        >>> store = Store.open(tempfile.mkdtemp(), {"name": "gain"}, fingerprint={"model": "abc"})
        >>> store.commit([Row(key="a" * 64, index=0, values={}, seed=1)])
        >>> len(store.done_keys())
        1
        """
        ready: dict[str, _File] = {}
        rows = [self._stamped(row) for row in rows]
        try:
            with guarded(self.folder):
                self._check_place()
                for key, recording in (recordings or {}).items():
                    ready[key] = self._written(recording)
                self._transact(rows, ready)
                self._check_place()
        finally:
            for file in ready.values():
                file.partial.unlink(missing_ok=True)

    def claim(self, keys: Iterable[str], limit: int) -> list[str]:
        """Reserve points, so that two processes on one store share the work.

        Points that a living process of this host has claimed, or that anyone has committed since this store
        was opened, are left out. Claims of a process that is gone are taken over.

        Parameters
        ----------
        keys : iterable of str
            Points that are to be computed, the first ones first.
        limit : int
            How many to claim at most.

        Returns
        -------
        list of str
            The claimed ones; those that this store had claimed before are among them.

        Examples
        --------
        >>> import tempfile
        >>> store = Store.open(tempfile.mkdtemp(), {"name": "gain"}, fingerprint={})
        >>> [key[:4] for key in store.claim(["a" * 64, "b" * 64], 1)]
        ['aaaa']
        """
        chosen: list[str] = []
        with guarded(self.folder), self._transaction() as connection:
            self._check_place()
            claims = {
                key.decode(): owner.decode()
                for key, owner in connection.execute("SELECT key, owner FROM claims")
            }
            living = {owner for owner in set(claims.values()) if owner != self._owner and is_alive(owner)}
            fresh = {
                key.decode()
                for (key,) in connection.execute("SELECT key FROM entries WHERE number > ?", (self._seen,))
            }
            for key in keys:
                if len(chosen) >= limit:
                    break
                if key not in fresh and claims.get(key) not in living:
                    chosen.append(key)
            connection.executemany(
                "INSERT OR REPLACE INTO claims VALUES (?, ?)", [(key, self._owner) for key in chosen]
            )
        return chosen

    def release(self) -> None:
        """Give back every point that this store has claimed and not committed.

        Examples
        --------
        >>> import tempfile
        >>> Store.open(tempfile.mkdtemp(), {"name": "gain"}, fingerprint={}).release()
        """
        with guarded(self.folder), self._transaction() as connection:
            connection.execute("DELETE FROM claims WHERE owner = ?", (self._owner,))

    def recover(self, keys: Iterable[str], measure: Callable[[str, Recording], Row | None], /) -> list[str]:
        """Measure recordings whose row is lost again, rather than simulate them again.

        Parameters
        ----------
        keys : iterable of str
            Points that have no row.
        measure : callable
            Called as ``measure(key, recording)`` with a recording whose file is whole. Returns its row, or
            None if the recording is not that of the point.

        Returns
        -------
        list of str
            Points that have a row now.

        Examples
        --------
        >>> import tempfile
        >>> store = Store.open(tempfile.mkdtemp(), {"name": "gain"}, fingerprint={})
        >>> store.recover(["a" * 64], lambda key, recording: None)
        []
        """
        from arcuate.recording import Recording

        wanted = {key[:16]: key for key in keys}
        taken = {row.recording for row in self.rows()}
        recovered = []
        with guarded(self.folder):
            files = [path for path in recording_files(self.folder) if relative(path) not in taken]
        for path in files:
            match = _NAME.search(path.name)
            key = wanted.get(match[1]) if match else None
            if key is None or key in recovered:
                continue
            try:
                row = measure(key, Recording.load(path))
            except FileFormatError:
                continue  # it stays behind, and `verify` removes it
            if row is not None:
                size, sha256 = checksum(path)
                with guarded(self.folder):
                    self._transact(
                        [
                            dataclasses.replace(
                                self._stamped(row),
                                recording=relative(path),
                                recording_bytes=size,
                                recording_sha256=sha256,
                            )
                        ],
                        {},
                    )
                recovered.append(key)
        return recovered

    # ------------------------------------------------------------------ the parts of it

    def _begin(self, contents: indexes.Contents, fingerprint: Mapping[str, Any]) -> None:
        """Note where the store stands and write down what the study is and what makes its rows."""
        assert self._connection is not None
        info = os.stat(self.folder / indexes.NAME)
        self._file = (info.st_dev, info.st_ino)
        self.fingerprint = short_hash(fingerprint)
        line = {"key": indexes.FINGERPRINT + self.fingerprint, "fingerprint": dict(fingerprint)}
        with self._transaction() as connection:
            for content in (study_entry(self.description), line):
                there = dict(contents.entries.get(str(content["key"]), {}))
                there.pop("number", None)
                if encode(there) != encode(content):
                    indexes.put(connection, content)
            (self._seen,) = connection.execute("SELECT ifnull(max(number), 0) FROM entries").fetchone()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._writer()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _writer(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError.of(
                where="Study store",
                name="folder",
                value=str(self.folder),
                bound="is closed or was opened for reading only",
                fix="open it with Store.open",
            )
        return self._connection

    def _entries(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every line that can be proved."""
        if self._connection is None:
            yield from self._contents.entries.items()
            return
        for sha256, content in self._connection.execute("SELECT sha256, content FROM entries"):
            entry = decode(content, sha256)
            if entry is not None:
                yield entry["key"], entry

    def _stamped(self, row: Row) -> Row:
        """Check a row and fill in what the store knows."""
        from arcuate import __version__

        if not KEY.fullmatch(row.key):
            raise StoreError.of(
                where="Study store", name="key", value=row.key, bound="must be 64 hexadecimal digits"
            )
        return dataclasses.replace(
            row,
            fingerprint=self.fingerprint,
            version=__version__,
            committed_utc=datetime.now(UTC).isoformat(timespec="microseconds"),
        )

    def _written(self, recording: Recording) -> _File:
        """Write a recording to a hidden name; it is synced and has been read back."""
        partial = self.folder / RECORDINGS / f".{secrets.token_hex(8)}.partial"
        try:
            write_tree(recording.tree, partial, overwrite=False)
        except RecordingError as error:
            raise StoreError.of(
                where="Study store",
                name="folder",
                value=str(self.folder),
                bound=f"a recording {error.bound}",
                fix=error.fix or "",
            ) from error
        size, sha256 = checksum(partial)
        return _File(partial=partial, size=size, sha256=sha256)

    def _transact(self, rows: Iterable[Row], ready: Mapping[str, _File]) -> None:
        """Give the files their names and commit the rows, alone among all processes."""
        named: list[Path] = []
        old: list[Path] = []
        committing = False
        try:
            with self._transaction() as connection:
                for row in rows:
                    before = self._before(connection, row.key)
                    if before is None:
                        continue
                    if row.key in ready:
                        row = self._named(row, ready[row.key], before)
                        named.append(self.folder / str(row.recording))
                    if before and before != row.recording:
                        old.append(self.folder / before)
                    indexes.put(connection, row_table(row))
                    connection.execute("DELETE FROM claims WHERE key = ?", (row.key,))
                    self._own.add(row.key)
                if named:
                    sync(self.folder / RECORDINGS)
                committing = True
        except BaseException:
            # after a failed commit the rows may still be found in the log, so their files stay
            for path in [] if committing else named:
                path.unlink(missing_ok=True)
            raise
        for path in old:
            path.unlink(missing_ok=True)

    def _before(self, connection: sqlite3.Connection, key: str) -> str | None:
        """Name the file of the row that will be replaced, or ""; None if another process has just made it."""
        found = connection.execute(
            "SELECT number, sha256, content FROM entries WHERE key = ?", (key,)
        ).fetchone()
        if found is None:
            return ""
        number, sha256, content = found
        entry = decode(content, sha256) or {}
        if number > self._seen and key not in self._own and entry.get("status") == "done":
            return None
        return entry.get("recording") or ""

    def _named(self, row: Row, file: _File, before: str) -> Row:
        """Rename a file to a name that tells the point, but not to that of the row it replaces."""
        values = "_".join(f"{name.rpartition('.')[2]}={value}" for name, value in row.values.items())
        readable = re.sub(r"[^A-Za-z0-9=.+_-]+", "", values)[:_READABLE].lstrip(".") or "point"
        name = f"{RECORDINGS}/{readable}-{row.key[:16]}.nc"
        if name == before:
            name = f"{RECORDINGS}/{readable}-{row.key[:16]}-2.nc"
        os.replace(file.partial, self.folder / name)
        return dataclasses.replace(
            row, recording=name, recording_bytes=file.size, recording_sha256=file.sha256
        )

    def _check_place(self) -> None:
        """Notice that the index was removed or replaced, since SQLite would go on with the old file."""
        self._writer()
        try:
            info = os.stat(self.folder / indexes.NAME)
        except FileNotFoundError:
            info = None
        if info is None or (info.st_dev, info.st_ino) != self._file:
            raise StoreError.of(
                where="Study store",
                name="folder",
                value=str(self.folder),
                bound="its index was removed or replaced while the study ran",
                fix="run the study again: what is still there is kept",
            )


@dataclasses.dataclass(frozen=True)
class _File:
    """A recording that is written and waits for its name."""

    partial: Path
    size: int
    sha256: str


_NAME = re.compile(r"-([0-9a-f]{16})(?:-2)?\.nc$")


def verify(
    folder: str | os.PathLike[str], *, keys: Iterable[str] | None = None, repair: bool = False
) -> list[Damage]:
    """Read everything in a store and list what is not as it was written.

    Parameters
    ----------
    folder : path
        Folder of the store.
    keys : iterable of str, optional
        All points of the study. If the index is harmed, those that it no longer names are listed too.
    repair : bool
        Whether to rebuild a harmed index, to move damaged files into the folder ``damaged`` and to remove
        files that no row names. Points that were lost are computed by the next run.

    Returns
    -------
    list of Damage
        What was found, before any repair; empty if all is well.

    Raises
    ------
    FileFormatError
        If the folder holds no study, or one of another program or of a later version.
    StoreError
        If it cannot be read, or is to be repaired while another process uses it.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> Store.open(folder, {"name": "gain"}, fingerprint={}).close()
    >>> verify(folder)
    []
    """
    place = as_folder(folder)
    with guarded(place):
        if not repair:
            return verified(place, keys)[1]
        lock, used = lock_folder(place)
        try:
            if used:
                raise StoreError.of(
                    where="Study store",
                    name="folder",
                    value=str(place),
                    bound="another process uses it",
                    fix="stop it first",
                )
            contents, damages = verified(place, keys, alone=True)
            repair_folder(place, contents, damages)
        finally:
            os.close(lock)
    return damages
