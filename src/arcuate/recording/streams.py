"""Streams of a Recording: a zarr v3 folder, written piece by piece beside its name and renamed when whole.

Every piece carries a crc32c sum. Reading checks that all pieces are there and whole before anything is used;
the numbers themselves stay on the disk until somebody looks.
"""

from __future__ import annotations

import os
import secrets
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate._optional import require
from arcuate.errors import FileFormatError, RecordingError
from arcuate.recording.files import restore
from arcuate.recording.schema import SCHEMA, check_tree

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Stream", "is_stream", "read_stream"]


class Stream:
    """A folder that becomes a Recording, array by array and piece by piece; a context.

    Left by an error, or before `finish`, it leaves nothing behind.

    Parameters
    ----------
    path : path
        Folder to make.
    where : str
        For messages.

    Raises
    ------
    RecordingError
        If the path exists or its folder does not.
    MissingExtraError
        Without zarr.
    """

    def __init__(self, path: Any, *, where: str) -> None:
        self.zarr = require("zarr", extra="io", purpose="streaming a recording to the disk")
        if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
            raise RecordingError.of(where=where, name="to", value=path, bound="must be the path of a folder")
        self.where, self.path = where, Path(path).expanduser()
        if self.path.exists() or self.path.is_symlink():
            raise self.error("exists", fix="choose another name, or remove it")
        if not self.path.parent.is_dir():
            raise self.error("its folder does not exist", fix="make the folder first")
        self._partial = self.path.parent / f".{secrets.token_hex(8)}.partial"

    def error(self, bound: str, *, fix: str = "") -> RecordingError:
        """Return an error about the folder.

        Parameters
        ----------
        bound : str
            What is wrong.
        fix : str
            The way out.

        Returns
        -------
        RecordingError
        """
        return RecordingError.of(where=self.where, name="to", value=str(self.path), bound=bound, fix=fix)

    def __enter__(self) -> Stream:
        try:
            self._root = self.zarr.create_group(self._partial, zarr_format=3)
        except OSError as error:
            raise self.error(f"could not be written ({error})") from error
        return self

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self._partial, ignore_errors=True)

    def check_space(self, need: int) -> None:
        """Refuse what the disk cannot hold.

        Parameters
        ----------
        need : int
            Bytes of all arrays.

        Raises
        ------
        RecordingError
        """
        free = shutil.disk_usage(self.path.parent).free
        if need > free:
            bound = f"needs {need / 1e9:.3g} GB, {free / 1e9:.3g} are free"
            raise self.error(bound, fix="choose fewer sites or trials, or give reduce= or positions=")

    def array(self, name: str, shape: tuple[int, ...], dtype: Any, *, rows: int = 0, **more: Any) -> Any:
        """Make an array, to be filled by ``array[first:last] = values``.

        Parameters
        ----------
        name : str
            Path, as "states/blocks.0.resid_post/activation".
        shape : tuple of int
        dtype : numpy dtype
        rows : int
            How many rows make a piece; 0: all.
        **more
            Its ``attributes`` and ``dimension_names``.

        Returns
        -------
        zarr.Array
        """
        chunks = tuple(max(1, size) for size in (rows or shape[0], *shape[1:])) if shape else ()
        with warnings.catch_warnings():  # text of fixed width is what Recordings have
            warnings.simplefilter("ignore", self.zarr.errors.UnstableSpecificationWarning)
            return self._root.create_array(
                name,
                shape=shape,
                dtype=dtype,
                chunks=chunks,
                compressors=(self.zarr.codecs.Crc32cCodec(),),
                config={"write_empty_chunks": True},
                **more,
            )

    def finish(self, tree: xr.DataTree) -> xr.DataTree:
        """Write all that was not made by `array`, and give the folder its name.

        Parameters
        ----------
        tree : xarray.DataTree
            The Recording; of an array that was made already only names, units and coordinates count.

        Returns
        -------
        xarray.DataTree
            What now is on the disk; numbers are read when they are looked at.

        Raises
        ------
        RecordingError
            If writing fails.
        """
        check_tree(tree)
        try:
            for node in tree.subtree:
                self._write(node)
            for file in _files(self._partial):
                with file.open("rb") as stream:
                    os.fsync(stream.fileno())
            if self.path.exists():
                raise self.error("appeared while it was being written")
            os.rename(self._partial, self.path)
        except OSError as error:
            raise self.error(f"could not be written ({error})") from error
        return _open(self.path)

    def _write(self, node: xr.DataTree) -> None:
        """Write the attributes and the coordinates of a group, and variables that are not there yet."""
        path = node.path.strip("/")
        group = self._root.require_group(path) if path else self._root
        dataset = node.to_dataset(inherit=False)
        beside = " ".join(str(name) for name in dataset.coords if name not in dataset.dims)
        group.attrs.update(dict(dataset.attrs) | ({"coordinates": beside} if beside else {}))
        for name, variable in dataset.variables.items():
            full = f"{path}/{name}" if path else str(name)
            if full not in self._root:
                array = self.array(full, variable.shape, variable.dtype, dimension_names=variable.dims)
                array[...] = variable.values
            self._root[full].attrs.update(variable.attrs)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _open(path: Path) -> xr.DataTree:
    import xarray as xr

    tree = xr.open_datatree(
        path, engine="zarr", chunks=None, cache=False, mask_and_scale=False, decode_times=False,
        consolidated=False,
    )  # fmt: skip
    return restore(tree)


def is_stream(path: Any) -> bool:
    """Tell whether a path is a zarr folder.

    Parameters
    ----------
    path : path

    Returns
    -------
    bool
    """
    if not isinstance(path, (str, os.PathLike)):
        return False
    return os.path.isfile(Path(path).expanduser() / "zarr.json")  # False for a path that cannot be


def read_stream(path: str | os.PathLike[str]) -> xr.DataTree:
    """Open a folder that a `Stream` made, after reading every piece of it once.

    Parameters
    ----------
    path : path

    Returns
    -------
    xarray.DataTree
        Numbers are read from the disk each time they are looked at.

    Raises
    ------
    FileFormatError
        If it is cut short, altered, or of another program or version.
    """
    zarr = require("zarr", extra="io", purpose="reading a streamed recording")
    source = Path(path).expanduser()

    def refuse(bound: str) -> FileFormatError:
        return FileFormatError.of(where="Recording.load", name="path", value=str(source), bound=bound)

    try:
        root = zarr.open_group(source, mode="r", zarr_format=3)
        if root.attrs.get("schema") != SCHEMA:
            raise refuse(f"is another program's folder: its schema is {root.attrs.get('schema')!r}")
        for name, item in root.members(max_depth=None):
            if isinstance(item, zarr.Array):
                _check_pieces(item, zarr, name)
        tree = _open(source)
        check_tree(tree)
    except FileFormatError:
        raise
    except RecordingError as error:
        raise refuse(f"breaks the schema: {error}") from error
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise refuse(f"was altered or damaged after it was written ({str(error)[:200]})") from error
    return tree


def _check_pieces(array: Any, zarr: Any, name: str) -> None:
    """Read an array piece by piece, so that each sum is checked."""
    if array.compressors != (zarr.codecs.Crc32cCodec(),):
        raise ValueError(f"{name} has no checksums")
    if array.nchunks_initialized != array.nchunks:
        raise ValueError(f"{name} has {array.nchunks_initialized} of {array.nchunks} pieces")
    if array.ndim == 0:
        np.asarray(array[()])
    else:
        for first in range(0, array.shape[0], array.chunks[0]):
            array[first : first + array.chunks[0]]
