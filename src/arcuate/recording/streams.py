"""Streams of a Recording: a zarr v3 folder, written piece by piece beside its name and renamed when whole.

Every piece carries a crc32c sum. Reading checks that all pieces are there and whole before anything is used;
the numbers themselves stay on the disk until somebody looks.
"""

from __future__ import annotations

import json
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


_STATES = "/states"


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
            self._partial.mkdir()
        except OSError as error:
            raise self.error(f"could not be written ({error})") from error
        self._made: dict[str, Any] = {}
        self._alike: dict[tuple[Any, ...], tuple[Any, bytes]] = {}
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
        key = (shape, np.dtype(dtype).str, rows, str(more))
        config = {"write_empty_chunks": True}
        if key in self._alike:  # sites are alike: what describes one describes the next
            first, label = self._alike[key]
            folder = self._partial / name
            folder.mkdir(parents=True)
            folder.joinpath("zarr.json").write_bytes(label)
            place = self.zarr.storage.StorePath(first.store, name)
            made = self.zarr.Array(self.zarr.AsyncArray(first.metadata, place, config))
        else:
            chunks = tuple(max(1, size) for size in (rows or shape[0], *shape[1:])) if shape else ()
            with warnings.catch_warnings():  # text of fixed width is what Recordings have
                warnings.simplefilter("ignore", self.zarr.errors.UnstableSpecificationWarning)
                made = self.zarr.create_array(
                    store=self._partial,
                    name=name,
                    zarr_format=3,
                    shape=shape,
                    dtype=dtype,
                    chunks=chunks,
                    compressors=(self.zarr.codecs.Crc32cCodec(),),
                    config=config,
                    **more,
                )
            self._alike[key] = made, self._partial.joinpath(name, "zarr.json").read_bytes()
        self._made[name] = made
        return made

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
        import xarray as xr

        check_tree(tree)
        try:
            groups = {node.path: node.to_dataset(inherit=False) for node in tree.subtree}
            for path, dataset in _shared_once(groups).items():
                self._write(path.strip("/"), dataset)
            for file in _files(self._partial):
                with file.open("rb") as stream:
                    os.fsync(stream.fileno())
            if self.path.exists():
                raise self.error("appeared while it was being written")
            os.rename(self._partial, self.path)
        except OSError as error:
            raise self.error(f"could not be written ({error})") from error
        for name, array in self._made.items():
            _lazy(groups[f"/{name.rpartition('/')[0]}"], array, self.path, name)
        return xr.DataTree.from_dict(groups)

    def _write(self, path: str, dataset: xr.Dataset) -> None:
        """Write the attributes and the coordinates of a group, and variables that are not there yet."""
        beside = " ".join(str(name) for name in dataset.coords if name not in dataset.dims)
        attrs = dict(dataset.attrs) | ({"coordinates": beside} if beside else {})
        folder = self._partial / path
        folder.mkdir(parents=True, exist_ok=True)
        label = {"zarr_format": 3, "node_type": "group", "attributes": attrs}
        folder.joinpath("zarr.json").write_text(json.dumps(label))
        for name, variable in dataset.variables.items():
            full = f"{path}/{name}".strip("/")
            if full not in self._made:
                more: dict[str, Any] = {"dimension_names": variable.dims, "attributes": dict(variable.attrs)}
                self.array(full, variable.shape, variable.dtype, **more)[...] = variable.values
                del self._made[full]


def _shared_once(groups: dict[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """Move coordinates that all sites have alike to the group around them."""
    sites = [path for path in groups if path.startswith(f"{_STATES}/") and groups[path].data_vars]
    if not sites:
        return groups
    first, *others = (groups[path] for path in sites)
    alike = [
        name
        for name, variable in first.coords.variables.items()
        if all(name in one.coords and one.variables[name].identical(variable) for one in others)
    ]
    found = {path: group.drop_vars(alike) if path in sites else group for path, group in groups.items()}
    return found | {_STATES: groups[_STATES].assign_coords({name: first[name].variable for name in alike})}


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _lazy(dataset: xr.Dataset, array: Any, folder: Path, name: str) -> None:
    """Put an array on the disk in the place of a variable; its numbers are read when they are looked at."""
    import xarray as xr
    from xarray.backends import BackendArray
    from xarray.core import indexing

    class Pieces(BackendArray):
        """What is on the disk."""

        def __init__(self) -> None:
            self.shape, self.dtype = array.shape, array.dtype

        def __getitem__(self, key: Any) -> np.ndarray:
            support = indexing.IndexingSupport.OUTER
            return indexing.explicit_indexing_adapter(key, self.shape, support, self._read)

        def _read(self, key: Any) -> np.ndarray:
            pieces = require("zarr", extra="io", purpose="reading a streamed recording")
            try:
                return np.asarray(pieces.open_array(folder / name, mode="r").oindex[key])
            except (OSError, ValueError, RuntimeError) as error:
                bound = f"cannot be read at {name}: moved, or damaged ({str(error)[:200]})"
                raise FileFormatError.of(where="Recording", value=str(folder), bound=bound) from error

    short = name.rpartition("/")[2]
    data = indexing.LazilyIndexedArray(Pieces())
    dataset[short] = xr.Variable(array.metadata.dimension_names, data, dict(array.attrs))


def _open(path: Path, zarr: Any) -> xr.DataTree:
    """Open a folder; coordinates are read, all else when it is looked at."""
    import xarray as xr

    root = zarr.open_group(path, mode="r", zarr_format=3)
    members = dict(root.members(max_depth=None))
    groups = {"": root} | {name: item for name, item in members.items() if isinstance(item, zarr.Group)}
    arrays = {name: item for name, item in members.items() if isinstance(item, zarr.Array)}
    tree: dict[str, xr.Dataset] = {}
    for place, group in groups.items():
        attrs = dict(group.attrs)
        beside = str(attrs.pop("coordinates", "")).split()
        tree[f"/{place}"] = dataset = xr.Dataset(attrs=attrs)
        for name, array in arrays.items():
            folder, _, short = name.rpartition("/")
            if folder != place:
                continue
            dims = array.metadata.dimension_names
            label = short in beside or dims == (short,)
            if label or not place.startswith("states/"):
                variable = xr.Variable(dims, np.asarray(array[...]), dict(array.attrs))
                table = dataset.coords if label else dataset
                table[short] = variable
            else:
                _lazy(dataset, array, path, name)
    shared = tree.get(_STATES, xr.Dataset())
    labels = {str(name): part.variable for name, part in shared.coords.items()}
    for place, dataset in tree.items():
        if place.startswith(f"{_STATES}/") and dataset.data_vars:
            tree[place] = dataset.assign_coords(labels)
    tree[_STATES] = xr.Dataset(attrs=shared.attrs)
    return restore(xr.DataTree.from_dict(tree))


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
        tree = _open(source, zarr)
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
