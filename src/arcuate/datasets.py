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
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np

from arcuate.errors import FileFormatError, check_int, unknown

if TYPE_CHECKING:
    from arcuate.recording import Recording

__all__ = ["DatasetInfo", "attributes", "grasshopper", "info", "load", "names", "path", "read"]

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
    tables = _read_toml(open_checked(file, where="datasets"), file)
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
    >>> "izhikevich_types" in names()
    True
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
    content = open_checked(file, where="datasets", limit=MAX_BUNDLED)
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


def grasshopper() -> Recording:
    """Spikes of an auditory receptor of a grasshopper, and the sound that drove it.

    Two recordings of 10 s, as two trials: the amplitude of a carrier was modulated at random, up to 200 Hz in
    the first and up to 800 Hz in the second, with a standard deviation of 6 dB. Each was played once, so that
    nothing is known of the noise from one repeat to the next.

    Returns
    -------
    Recording
        Spikes of the population "receptor", 929 and 868; at the site "stimulus" the ``amplitude``, relative
        to its peak, every 50 us. Trials are labeled "cutoff_200_hz" and "cutoff_800_hz".

    Notes
    -----
    A receptor of *Locusta migratoria*, recorded from within; the sound is a tone of its best frequency.
    Values are those of the files that come with nitime 0.12.1, whose license `load("nitime_license")` gives.

    References
    ----------
    A. Rokem et al., Journal of Neurophysiology 95, 2541 (2006).

    Examples
    --------
    >>> receptor = grasshopper()
    >>> receptor.spikes("receptor")["trial"].values.tolist().count(0)
    929
    >>> dict(receptor.states("stimulus").sizes)
    {'trial': 2, 'time': 200000, 'unit': 1}
    """
    from arcuate.recording import Recording

    table = load("grasshopper")
    trains = [table[f"spikes_{trial}"] / 1e6 for trial in (1, 2)]
    amplitude = np.stack([table[f"stimulus_{trial}"] / 1e7 for trial in (1, 2)])[..., None]
    n_samples = amplitude.shape[1]
    labels = np.array(["cutoff_200_hz", "cutoff_800_hz"])
    coords = {"time": np.arange(n_samples) * 50e-6, "stimulus": ("trial", labels)}
    spikes = {
        "time": np.concatenate(trains),
        "neuron": np.zeros(sum(map(len, trains)), dtype=np.int32),
        "trial": np.repeat([0, 1], [len(train) for train in trains]),
        "n": 1,
    }
    return Recording.build(
        source="nitime-0.12.1:grasshopper",
        spikes={"receptor": spikes},
        states={"stimulus": {"amplitude": (amplitude, ("trial", "time", "unit"), coords, "1")}},
        dt=50e-6,
        duration=len(amplitude) * n_samples * 50e-6,
    )


def attributes(name: str, *, folder: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """Return what a file of weights says of itself: settings of the model, and how it was trained.

    Parameters
    ----------
    name : str
        One of `names`, whose file is a ``.safetensors`` with a table named ``arcuate`` in its metadata.
    folder : path, optional
        Another folder with a ``MANIFEST.toml``.

    Returns
    -------
    dict

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    FileFormatError
        If the file is missing, altered, of another kind or says nothing of itself.

    Examples
    --------
    >>> attributes("ctm_parity_8")["settings"]["n_ticks"]
    10
    """
    file = path(name, folder=folder)
    if file.suffix != ".safetensors":
        raise _refuse("datasets.attributes", file, "must be a .safetensors file, which alone has attributes")
    with open_checked(file, where="datasets.attributes", limit=MAX_BUNDLED) as stream:
        header, _ = _tensor_header(stream, file)
    told = header.get("__metadata__", {})
    text = told.get("arcuate") if isinstance(told, dict) else None
    if not isinstance(text, str):
        raise _refuse("datasets.attributes", file, "says nothing of itself, no metadata named 'arcuate'")
    table = _parse_json(text, file)
    if not isinstance(table, dict):
        raise _refuse("datasets.attributes", file, "must have a table as its metadata named 'arcuate'")
    return table


def read(path: str | os.PathLike[str], *, limit: int = LIMIT) -> Any:
    """Read a file after checking what can be checked, by its suffix.

    Parameters
    ----------
    path : path
        ``.npz`` or ``.safetensors`` (a dict of arrays), ``.npy``, ``.json``, ``.toml``, ``.txt`` or ``.nc``
        (a Recording).
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
    suffix = file.suffix.lower()
    if suffix == ".nc":
        from arcuate.recording import Recording

        return Recording.load(file)
    if suffix not in _READERS:
        kinds = ", ".join([*_READERS, ".nc"])
        raise _refuse(where, file, f"must have one of the suffixes {kinds}")
    with open_checked(file, where=where, limit=limit) as stream:
        return _READERS[suffix](stream, file, limit)


def open_checked(file: Path, *, where: str, limit: int = LIMIT) -> IO[bytes]:
    """Open a regular file that is neither empty nor too large, for reading bytes."""
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
    return _parse_json(_decode(stream, file), file)


def _parse_json(text: str, file: Path) -> Any:
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


_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "<u1", "BOOL": "?",
}  # fmt: skip
"""Kinds of numbers in a ``.safetensors`` file that NumPy has too."""


def _tensor_header(stream: IO[bytes], file: Path) -> tuple[dict[str, Any], int]:
    """Header of a ``.safetensors`` file, and where its numbers begin: size (8 bytes), JSON, numbers."""
    size = file.stat().st_size
    length = int.from_bytes(stream.read(8), "little")
    if size < 10 or length > size - 8:
        raise _refuse("datasets.read", file, f"declares a header of {length} bytes in a file of {size}")
    try:
        text = stream.read(length).decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refuse("datasets.read", file, f"has no UTF-8 header (byte {error.start})") from error
    header = _parse_json(text, file)
    if not isinstance(header, dict):
        raise _refuse("datasets.read", file, "must have a table as its header")
    return header, 8 + length


def _naturals(numbers: Any) -> tuple[int, ...] | None:
    """Numbers that count something, or None."""
    good = isinstance(numbers, list) and all(type(n) is int and n >= 0 for n in numbers)
    return tuple(numbers) if good else None


def _tensor_place(entry: Any, file: Path, name: str) -> tuple[str, tuple[int, ...], int, int]:
    """Kind, shape, first and last byte that a header declares of an array."""
    told = entry if isinstance(entry, dict) else {}
    kind, shape, place = told.get("dtype"), _naturals(told.get("shape")), _naturals(told.get("data_offsets"))
    if not isinstance(kind, str) or shape is None or place is None or len(place) != 2:
        raise _refuse("datasets.read", file, f"has no readable array at {name!r}")
    if kind not in _DTYPES:
        raise _refuse(
            "datasets.read", file, f"has numbers of kind {kind!r} at {name!r}, which NumPy does not have"
        )
    return _DTYPES[kind], shape, place[0], place[1]


def _read_safetensors(stream: IO[bytes], file: Path, limit: int) -> dict[str, np.ndarray]:
    header, begin = _tensor_header(stream, file)
    header.pop("__metadata__", None)
    if not header:
        raise _refuse("datasets.read", file, "holds no array")
    places = {name: _tensor_place(entry, file, name) for name, entry in header.items()}
    arrays: dict[str, np.ndarray] = {}
    end = 0
    for name, (kind, shape, first, last) in sorted(places.items(), key=lambda item: item[1][2:]):
        declared = math.prod(shape) * np.dtype(kind).itemsize
        _check_size(declared, last - first, limit=limit, file=file, name=name)
        if first != end or begin + last > file.stat().st_size:
            bound = f"has {name!r} at bytes {first} to {last}, which others take or the file does not have"
            raise _refuse("datasets.read", file, bound)
        end = last
        stream.seek(begin + first)
        arrays[name] = np.frombuffer(stream.read(declared), dtype=kind).reshape(shape).copy()
    if begin + end != file.stat().st_size:
        raise _refuse("datasets.read", file, "has bytes after its last array")
    return arrays


_READERS: dict[str, Callable[[IO[bytes], Path, int], Any]] = {
    ".npz": _read_npz,
    ".npy": _read_npy,
    ".safetensors": _read_safetensors,
    ".json": _read_json,
    ".toml": _read_toml,
    ".txt": _read_text,
}
