"""Checked reading: the data sets that come with the package, and files of users.

The folder ``data/`` has one table for each file in ``MANIFEST.toml``: size, sha256, license, origin. Size and
sum are checked before a file is parsed. Nothing is unpickled, sizes are read from headers and compared with a
limit before anything is allocated, and JSON is held to the standard (no NaN, no 1e400, no doubled keys).
"""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import os
import stat
import tomllib
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from arcuate.errors import FileFormatError, check_int, unknown

__all__ = ["DatasetInfo", "info", "load", "names", "path", "read"]

MAX_BUNDLED = 5_000_000
LIMIT = 2**30


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """What the manifest says of a data set.

    Parameters
    ----------
    name, file : str
        Name, and file in the folder.
    bytes : int
        Size.
    sha256 : str
        Sum of the file.
    license, origin, made_by, description : str
        License, where it comes from, how it was made, and what is in it.
    """

    name: str
    file: str
    bytes: int
    sha256: str
    license: str
    origin: str
    made_by: str
    description: str


def _refuse(where: str, file: object, bound: str, fix: str = "") -> FileFormatError:
    return FileFormatError.of(where=where, name="path", value=str(file), bound=bound, fix=fix)


def _folder(folder: str | os.PathLike[str] | None) -> Path:
    """The folder given, the one in the wheel, or the one of a checkout."""
    if folder is not None:
        return Path(folder)
    here = Path(__file__).resolve().parent
    candidates = (here / "_data", here.parents[1] / "data")
    found = next((c for c in candidates if (c / "MANIFEST.toml").is_file()), None)
    if found is None:
        raise _refuse("datasets", candidates[0], "is missing", "install the package again")
    return found


def _manifest(folder: Path) -> dict[str, DatasetInfo]:
    file = folder / "MANIFEST.toml"
    tables = _read_toml(_open_checked(file, where="datasets"), file)
    wanted = [field.name for field in fields(DatasetInfo) if field.name != "name"]
    entries = {}
    for name, table in tables.items():
        if not isinstance(table, Mapping) or sorted(table) != sorted(wanted):
            raise _refuse("datasets", file, f"table [{name}] must have exactly the keys {', '.join(wanted)}")
        entry = DatasetInfo(name=name, **table)
        inside = Path(entry.file).name == entry.file and not entry.file.startswith(".")
        size_ok = type(entry.bytes) is int and 0 < entry.bytes <= MAX_BUNDLED
        if not inside or not size_ok or len(str(entry.sha256)) != 64:
            raise _refuse(
                "datasets", file, f"table [{name}] must name a file of the folder, its size and sha256"
            )
        entries[name] = entry
    return entries


def names(*, folder: str | os.PathLike[str] | None = None) -> tuple[str, ...]:
    """Return the names of the data sets that come with the package.

    Parameters
    ----------
    folder : path, optional
        Another folder with a ``MANIFEST.toml``.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> names()
    ('izhikevich_types',)
    """
    return tuple(_manifest(_folder(folder)))


def info(name: str, *, folder: str | os.PathLike[str] | None = None) -> DatasetInfo:
    """Return license, origin, size and sum of a data set.

    Parameters
    ----------
    name : str
        One of `names`.
    folder : path, optional
        Another folder with a ``MANIFEST.toml``.

    Returns
    -------
    DatasetInfo

    Raises
    ------
    UnknownNameError
        If there is none of that name; the nearest is named.

    Examples
    --------
    >>> info("izhikevich_types").license
    'CC0-1.0'
    """
    entries = _manifest(_folder(folder))
    if name not in entries:
        raise unknown("datasets", name, list(entries), kind="data set")
    return entries[name]


def path(name: str, *, folder: str | os.PathLike[str] | None = None) -> Path:
    """Return the file of a data set once its size and sha256 have been checked.

    Parameters
    ----------
    name : str
        One of `names`.
    folder : path, optional
        Another folder with a ``MANIFEST.toml``.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    FileFormatError
        If the file is missing or is not the one of the manifest.

    Examples
    --------
    >>> path("izhikevich_types").name
    'izhikevich_types.toml'
    """
    entry = info(name, folder=folder)
    file = _folder(folder) / entry.file
    content = _open_checked(file, where="datasets", limit=MAX_BUNDLED)
    with content as stream:
        data = stream.read(entry.bytes + 1)
    if len(data) != entry.bytes or hashlib.sha256(data).hexdigest() != entry.sha256:
        raise _refuse(
            "datasets", file, f"is not the file of the manifest ({entry.bytes} bytes, {entry.sha256[:12]}...)"
        )
    return file


def load(name: str, *, folder: str | os.PathLike[str] | None = None) -> Any:
    """Read a data set that comes with the package.

    Parameters
    ----------
    name : str
        One of `names`.
    folder : path, optional
        Another folder with a ``MANIFEST.toml``.

    Returns
    -------
    dict of ndarray, ndarray, dict, list, str or Recording
        As `read` gives for the file's kind.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    FileFormatError
        If the file is missing, altered or not of its kind.

    Examples
    --------
    >>> load("izhikevich_types")["regular_spiking"]
    {'a': 0.02, 'b': 0.2, 'c': -65.0, 'd': 8.0}
    """
    return read(path(name, folder=folder))


def read(path: str | os.PathLike[str], *, limit: int = LIMIT) -> Any:
    """Read a file after checking what can be checked, by its suffix.

    Parameters
    ----------
    path : path
        ``.npz`` (a dict of arrays), ``.npy``, ``.json``, ``.toml``, ``.txt`` or ``.nc`` (a Recording).
    limit : int
        Most bytes that the content may take in memory.

    Returns
    -------
    dict of ndarray, ndarray, dict, list, str or Recording

    Raises
    ------
    FileFormatError
        In one sentence: missing, empty, a folder, too large, or not what its suffix says.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "numbers.json")
    ...     _ = file.write_text('{"rate": 5.0}')
    ...     read(file)
    {'rate': 5.0}
    """
    where = "datasets.read"
    limit = check_int(limit, where=where, name="limit", low=1)
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise _refuse(where, path, "must be the path of a file")
    file = Path(path).expanduser()
    if file.suffix == ".nc":
        from arcuate.recording import Recording

        return Recording.load(file)
    if file.suffix not in _READERS:
        kinds = ", ".join([*_READERS, ".nc"])
        raise _refuse(where, file, f"must have one of the suffixes {kinds}")
    with _open_checked(file, where=where, limit=limit) as stream:
        return _READERS[file.suffix](stream, file, limit)


def _open_checked(file: Path, *, where: str, limit: int = LIMIT) -> IO[bytes]:
    """Open a regular file that is neither empty nor too large."""
    try:
        entry = file.stat()
        if not stat.S_ISREG(entry.st_mode):
            raise _refuse(where, file, "is a folder" if stat.S_ISDIR(entry.st_mode) else "is no regular file")
        if entry.st_size == 0:
            raise _refuse(where, file, "is empty")
        if entry.st_size > limit:
            raise _refuse(where, file, f"has {entry.st_size} bytes, more than the limit of {limit}")
        return file.open("rb")
    except FileNotFoundError as error:
        raise _refuse(where, file, "does not exist") from error
    except OSError as error:
        raise _refuse(where, file, f"cannot be opened: {error.strerror}") from error


def _decode(stream: IO[bytes], file: Path) -> str:
    try:
        return stream.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refuse("datasets.read", file, f"is not UTF-8 text (byte {error.start})") from error


def _read_text(stream: IO[bytes], file: Path, limit: int) -> str:  # noqa: ARG001
    return _decode(stream, file)


def _read_json(stream: IO[bytes], file: Path, limit: int) -> Any:  # noqa: ARG001
    def refuse_word(word: str) -> Any:
        raise ValueError(f"{word} is no JSON")

    def number(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            raise ValueError(f"{text[:40]} is too large")
        return value

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) != len(pairs):
            keys = [key for key, _ in pairs]
            raise ValueError(f"doubled key {next(k for k in keys if keys.count(k) > 1)!r}")
        return table

    text = _decode(stream, file)
    try:
        return json.loads(text, parse_constant=refuse_word, parse_float=number, object_pairs_hook=unique)
    except RecursionError as error:
        raise _refuse("datasets.read", file, "is nested too deep") from error
    except ValueError as error:
        raise _refuse("datasets.read", file, f"is no valid JSON: {str(error)[:120]}") from error


def _read_toml(stream: IO[bytes], file: Path, limit: int = LIMIT) -> dict[str, Any]:  # noqa: ARG001
    with stream:
        text = _decode(stream, file)
    try:
        table = tomllib.loads(text)
        _check_plain(table)
    except RecursionError as error:
        raise _refuse("datasets.read", file, "is nested too deep") from error
    except ValueError as error:
        raise _refuse("datasets.read", file, f"is no valid TOML: {str(error)[:120]}") from error
    return table


def _check_plain(value: Any) -> None:
    """Refuse dates, NaN and infinities, which a table of numbers and names has no use for."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _check_plain(item)
    elif isinstance(value, (datetime.date, datetime.time)):
        raise ValueError(f"it holds a date, {value}")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"it holds {value}")


def _declared(stream: IO[bytes], file: Path, name: str) -> tuple[int, int]:
    """Bytes that the header of an array declares, and bytes of the header itself."""
    try:
        version = np.lib.format.read_magic(stream)
        reader = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if reader is None:
            raise ValueError(f"version {version} of the format")
        shape, _, dtype = reader(stream)
    except (ValueError, EOFError, OSError) as error:
        raise _refuse(
            "datasets.read", file, f"has no readable array at {name!r}: {str(error)[:100]}"
        ) from error
    if dtype.hasobject:
        raise _refuse("datasets.read", file, f"holds Python objects at {name!r}; pickles are never read")
    return math.prod(shape) * dtype.itemsize, stream.tell()


def _check_size(declared: int, stored: int, *, limit: int, file: Path, name: str) -> None:
    if declared > limit:
        raise _refuse(
            "datasets.read", file, f"declares {declared} bytes at {name!r}, more than the limit of {limit}"
        )
    if declared != stored:
        raise _refuse("datasets.read", file, f"declares {declared} bytes at {name!r} and stores {stored}")


def _read_npy(stream: IO[bytes], file: Path, limit: int) -> np.ndarray:
    declared, header = _declared(stream, file, file.name)
    _check_size(declared, file.stat().st_size - header, limit=limit, file=file, name=file.name)
    stream.seek(0)
    return np.asarray(np.load(stream, allow_pickle=False))


def _read_npz(stream: IO[bytes], file: Path, limit: int) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    left = limit
    try:
        with zipfile.ZipFile(stream) as archive:
            for member in archive.infolist():
                name = member.filename
                if (
                    not name.endswith(".npy")
                    or name.startswith("/")
                    or ".." in name.split("/")
                    or "\\" in name
                ):
                    raise _refuse("datasets.read", file, f"must hold arrays alone, not {name!r}")
                if name.removesuffix(".npy") in arrays:
                    raise _refuse("datasets.read", file, f"holds {name!r} twice")
                with archive.open(member) as content:
                    declared, header = _declared(content, file, name)
                _check_size(declared, member.file_size - header, limit=left, file=file, name=name)
                left -= declared
                with archive.open(member) as content:
                    array = np.lib.format.read_array(cast(Any, content), allow_pickle=False)
                    # reading on to the end makes the archive check its sum
                    if content.read(1):
                        raise _refuse("datasets.read", file, f"has bytes after the array at {name!r}")
                arrays[name.removesuffix(".npy")] = array
    except FileFormatError:
        raise
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, RuntimeError, NotImplementedError) as error:
        raise _refuse(
            "datasets.read", file, f"is damaged or no archive of arrays: {str(error)[:100]}"
        ) from error
    if not arrays:
        raise _refuse("datasets.read", file, "holds no array")
    return arrays


_READERS: dict[str, Callable[[IO[bytes], Path, int], Any]] = {
    ".npz": _read_npz,
    ".npy": _read_npy,
    ".json": _read_json,
    ".toml": _read_toml,
    ".txt": _read_text,
}
