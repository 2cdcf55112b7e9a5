"""Files of a Recording: NetCDF-4 through h5netcdf, written beside and renamed, checked before they are read.

A file ends with a seal: one line with the sha256 of everything before it. Programs that read netCDF or HDF5
do not see it. Reading checks it first, so that a truncated or altered file is refused before the HDF5 library
meets it. Within the file every numeric array carries fletcher32 sums. Nothing is ever pickled.
"""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import shutil
import stat
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import FileFormatError, RecordingError
from arcuate.recording.schema import SCHEMA, check_tree, check_version

if TYPE_CHECKING:
    import xarray as xr

_MARK = b"\narcuate sha256 "
_SEAL_BYTES = len(_MARK) + 64 + 1
_HDF5 = b"\x89HDF\r\n\x1a\n"
_CHUNK = 1 << 20


def write_tree(tree: xr.DataTree, path: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """Write a tree and rename it into place once it has been read back.

    Parameters
    ----------
    tree : xarray.DataTree
        A checked Recording.
    path : path
        File to make.
    overwrite : bool
        Whether a file that exists may be replaced.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    RecordingError
        If the file exists, the folder does not, there is no space, or writing fails. Nothing partial is left.
    """
    target = _target(path, overwrite=overwrite)
    needed = _estimate(tree)
    free = shutil.disk_usage(target.parent).free
    if needed > free:
        raise RecordingError.of(
            where="Recording.save",
            name="path",
            value=str(target),
            bound=f"needs about {needed} bytes, {free} are free",
            fix="free some space or save elsewhere",
        )
    partial = target.parent / f".{secrets.token_hex(8)}.partial"
    try:
        _write(tree, partial)
        _seal(partial)
        if digest_tree(read_tree(partial)) != digest_tree(tree):
            raise OSError("what was read back differs from what was written")
        publish(partial, target, overwrite=overwrite)
    except RecordingError:
        raise
    except (OSError, RuntimeError, ValueError, TypeError, FileFormatError) as error:
        free = shutil.disk_usage(target.parent).free if target.parent.is_dir() else 0
        raise RecordingError.of(
            where="Recording.save",
            name="path",
            value=str(target),
            bound=f"could not be written ({str(error)[:200]}); {free} bytes are free there",
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return target


class _Shield(io.RawIOBase):
    """A file that goes on in memory once the disk fails, and keeps the error for later.

    HDF5 can crash the process when a write fails, and also when it reads back anything but what it wrote.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        self.error: OSError | None = None
        self.memory = io.BytesIO()

    def _fail(self, error: OSError) -> None:
        place = self.tell()
        self.memory = io.BytesIO(self.path.read_bytes())
        self.memory.seek(place)
        self.error = error

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self.memory.seek(offset, whence) if self.error else os.lseek(self.file, offset, whence)

    def tell(self) -> int:
        return self.memory.tell() if self.error else os.lseek(self.file, 0, os.SEEK_CUR)

    def truncate(self, size: int | None = None, /) -> int:
        length = self.tell() if size is None else size
        if self.error is None:
            try:
                os.ftruncate(self.file, length)
            except OSError as error:
                self._fail(error)
        if self.error is not None:
            missing = length - self.memory.getbuffer().nbytes
            self.memory.truncate(length)
            if missing > 0:
                place = self.memory.tell()
                self.memory.seek(0, os.SEEK_END)
                self.memory.write(bytes(missing))
                self.memory.seek(place)
        return length

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        piece = self.memory.read(len(view)) if self.error else os.read(self.file, len(view))
        view[: len(piece)] = piece
        return len(piece)

    def write(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        done = 0
        try:
            while done < len(view) and self.error is None:
                done += os.write(self.file, view[done:])
        except OSError as error:
            self._fail(error)
        if self.error is not None:
            self.memory.write(view[done:])
        return len(view)

    def close(self) -> None:
        if not self.closed:
            os.close(self.file)
        super().close()


def _write(tree: xr.DataTree, path: Path) -> None:
    shield = _Shield(path)
    try:
        tree.to_netcdf(shield, engine="h5netcdf", format="NETCDF4", encoding=_encoding(tree))
    except (OSError, RuntimeError, ValueError) as error:
        if shield.error is None:
            raise
        raise shield.error from error
    finally:
        shield.close()
    if shield.error is not None:
        raise shield.error


def _target(path: str | os.PathLike[str], *, overwrite: bool) -> Path:
    where = "Recording.save"
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise RecordingError.of(where=where, name="path", value=path, bound="must be the path of a file")
    target = Path(path).expanduser()
    try:
        kind = target.stat().st_mode if target.exists() else None
        folder = target.parent.is_dir()
    except (OSError, ValueError) as error:
        raise RecordingError.of(
            where=where, name="path", value=str(target), bound=f"cannot be used: {error}"
        ) from error
    if kind is not None and not stat.S_ISREG(kind):
        raise RecordingError.of(where=where, name="path", value=str(target), bound="is no regular file")
    if kind is not None and not overwrite:
        raise RecordingError.of(
            where=where,
            name="path",
            value=str(target),
            bound="exists",
            fix="choose another name or overwrite=True",
        )
    if not folder:
        raise RecordingError.of(
            where=where,
            name="path",
            value=str(target),
            bound="its folder does not exist",
            fix="make the folder first",
        )
    return target


def _estimate(tree: xr.DataTree) -> int:
    """Bytes that the file will need: arrays, attributes, text twice, a page for each variable."""
    total = 1 << 16
    for node in tree.subtree:
        total += sum(len(str(value)) * 4 for value in node.attrs.values()) + 4096
        for variable in node.to_dataset(inherit=False).variables.values():
            total += int(variable.nbytes * 1.1) + 4096
    return total


def _encoding(tree: xr.DataTree) -> dict[str, dict[str, Any]]:
    """Checksums for every numeric array that is not empty; no fill values."""
    encoding: dict[str, dict[str, Any]] = {}
    for node in tree.subtree:
        variables: dict[str, Any] = {}
        for name, variable in node.to_dataset(inherit=False).variables.items():
            options: dict[str, Any] = {"_FillValue": None} if variable.dtype.kind == "f" else {}
            if variable.size and variable.ndim and variable.dtype.kind in "fiub":
                options["fletcher32"] = True
            variables[str(name)] = options
        if variables:
            encoding[node.path] = variables
    return encoding


def _sha256(stream: IO[bytes], size: int) -> bytes:
    """Hexadecimal sha256 of the first `size` bytes."""
    digest = hashlib.sha256()
    stream.seek(0)
    while size > 0:
        piece = stream.read(min(_CHUNK, size))
        if not piece:
            break
        digest.update(piece)
        size -= len(piece)
    return digest.hexdigest().encode()


def _seal(path: Path) -> None:
    with path.open("r+b") as stream:
        size = stream.seek(0, os.SEEK_END)
        seal = _MARK + _sha256(stream, size) + b"\n"
        stream.seek(size)
        stream.write(seal)
        stream.flush()
        os.fsync(stream.fileno())


def publish(partial: Path, target: Path, *, overwrite: bool) -> None:
    """Give the finished file its name, without ever replacing one that appeared meanwhile."""
    if overwrite:
        os.replace(partial, target)
    else:
        try:
            os.link(partial, target)
        except FileExistsError:
            raise
        except OSError:  # a filesystem without hard links
            if target.exists():
                raise FileExistsError(f"{target} appeared while it was being written") from None
            os.rename(partial, target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _refuse(path: Any, bound: str, fix: str = "") -> FileFormatError:
    return FileFormatError.of(where="Recording.load", name="path", value=str(path), bound=bound, fix=fix)


def read_tree(path: str | os.PathLike[str]) -> xr.DataTree:
    """Read a file of a Recording into memory, after checking it.

    Parameters
    ----------
    path : path
        File written by `write_tree`.

    Returns
    -------
    xarray.DataTree

    Raises
    ------
    FileFormatError
        If there is no such file, or it is empty, a folder or no regular file, cut short, altered, of another
        program, or of an unknown major version of the schema.
    """
    import xarray as xr

    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise _refuse(path, "must be the path of a file")
    source = Path(path).expanduser()
    _check_bytes(source)
    _check_contents(source)
    try:
        with xr.open_datatree(source, engine="h5netcdf", mask_and_scale=False, decode_times=False) as lazy:
            tree = lazy.load()
        tree = restore(tree)
        check_tree(tree)
    except RecordingError as error:
        raise _refuse(source, f"breaks the schema: {error}") from error
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise _refuse(source, f"cannot be read: {str(error)[:200]}") from error
    return tree


def _check_bytes(path: Path) -> None:
    """Check that a regular file is whole, before the HDF5 library meets it."""
    try:
        info = path.stat()
        if stat.S_ISDIR(info.st_mode):
            raise _refuse(path, "is a folder")
        if not stat.S_ISREG(info.st_mode):
            raise _refuse(path, "is no regular file")
        if info.st_size == 0:
            raise _refuse(path, "is empty")
        with path.open("rb") as stream:
            start = stream.read(len(_HDF5))
            stream.seek(max(0, info.st_size - _SEAL_BYTES))
            end = stream.read()
            if start != _HDF5:
                raise _refuse(path, "is no netCDF-4 file")
            if not (end.startswith(_MARK) and end.endswith(b"\n")):
                raise _refuse(path, _without_seal(stream))
            if _sha256(stream, info.st_size - _SEAL_BYTES) != end[len(_MARK) : -1]:
                raise _refuse(path, "was altered or damaged after it was written: its sha256 does not match")
    except FileNotFoundError as error:
        raise _refuse(path, "does not exist") from error
    except (OSError, ValueError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise _refuse(path, f"cannot be opened: {error}") from error


def _without_seal(stream: IO[bytes]) -> str:
    """Say what a netCDF file without a seal probably is."""
    stream.seek(0)
    before = b""
    while piece := stream.read(_CHUNK):
        if SCHEMA.encode() in before + piece:
            return "lacks its closing checksum: it was cut short, or changed by another program"
        before = piece[-len(SCHEMA) :]
    return "is another program's netCDF file, not a Recording"


def _check_contents(path: Path) -> None:
    """Look at the header alone: whose file, which version, and that it declares no more than it holds."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            attrs = {
                name: _text(file.attrs[name]) for name in ("schema", "schema_version") if name in file.attrs
            }
            _check_links(file)
    except FileFormatError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise _refuse(path, f"cannot be read: {str(error)[:200]}") from error
    if attrs.get("schema") != SCHEMA:
        raise _refuse(
            path, f"is another program's file: its schema is {attrs.get('schema')!r}, not {SCHEMA!r}"
        )
    try:
        check_version(attrs, where="Recording.load")
    except RecordingError as error:
        raise _refuse(
            path, f"has schema version {attrs.get('schema_version')!r}: {error.bound}", error.fix or ""
        ) from error


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _check_links(group: Any, depth: int = 0) -> None:
    """Refuse what a Recording never holds: links elsewhere, and arrays that claim more than is stored."""
    import h5py

    if depth > 30:
        raise _refuse(group.file.filename, "nests its groups more than 30 deep")
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise _refuse(group.file.filename, f"holds a link to elsewhere at {group.name}/{name}")
        item = group[name]
        if isinstance(item, h5py.Group):
            _check_links(item, depth + 1)
        elif isinstance(item, h5py.Dataset):
            if item.is_virtual or item.external:
                raise _refuse(group.file.filename, f"points to other files at {item.name}")
            bare = _text(item.attrs.get("NAME", "")).startswith("This is a netCDF dimension but not")
            if not bare and item.size and item.id.get_storage_size() < item.size * item.dtype.itemsize:
                raise _refuse(group.file.filename, f"declares more than it stores at {item.name}")


def restore(tree: xr.DataTree) -> xr.DataTree:
    """Return text arrays to the narrowest fixed width, and attributes to plain Python.

    Parameters
    ----------
    tree : xarray.DataTree
        As read from a file; numbers that were not loaded stay so.

    Returns
    -------
    xarray.DataTree
    """
    import xarray as xr

    groups: dict[str, xr.Dataset] = {}
    for node in tree.subtree:
        dataset = node.to_dataset(inherit=False)
        text = {
            name: (variable.dims, variable.values.astype(str), variable.attrs)
            for name, variable in dataset.variables.items()
            if variable.dtype.kind in "OT"
        }
        dataset = dataset.assign({k: v for k, v in text.items() if k not in dataset.coords})
        dataset = dataset.assign_coords({k: v for k, v in text.items() if k in dataset.coords})
        dataset.attrs = {name: _python(value) for name, value in dataset.attrs.items()}
        for variable in dataset.variables.values():
            variable.encoding = {}
        groups[node.path] = dataset
    return xr.DataTree.from_dict(groups)


def _python(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(())[()]
    return value.item() if isinstance(value, np.generic) else value


def digest_tree(tree: xr.DataTree) -> str:
    """Return the sha256 of every array with its path, dims, type and shape; attributes do not count.

    Parameters
    ----------
    tree : xarray.DataTree

    Returns
    -------
    str
        Hexadecimal.
    """
    digest = hashlib.sha256()
    for node in sorted(tree.subtree, key=lambda item: item.path):
        dataset = node.to_dataset(inherit=False)
        for name in sorted(map(str, dataset.variables)):
            variable = dataset.variables[name]
            data: np.ndarray = np.ascontiguousarray(variable.values)
            if data.dtype.kind == "U":
                # the same text in a wider type is the same text
                words = [str(item).encode() for item in data.ravel().tolist()]
                width, payload = f"text {[len(word) for word in words]}", memoryview(b"".join(words))
            else:
                width = data.dtype.newbyteorder("<").str
                payload = data.astype(width, copy=False).data.cast("B") if data.size else memoryview(b"")
            digest.update(f"{node.path}\0{name}\0{variable.dims}\0{width}\0{data.shape}\0".encode())
            digest.update(payload)
    return digest.hexdigest()
