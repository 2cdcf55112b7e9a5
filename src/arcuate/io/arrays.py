"""Arrays in files of HDF5, MATLAB and NumPy, by their names and with their orientation said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from arcuate import datasets
from arcuate.errors import ArcuateError, SpecError, unknown
from arcuate.io._build import as_row, checked, grid, refuse, texts, traces_recording
from arcuate.recording import Recording

__all__ = ["read_arrays"]

_WHERE = "read_arrays"
_DIMS = ("animal", "time", "neuron")


def read_arrays(
    path: Any,
    *,
    name: str,
    dims: Sequence[str],
    rate_hz: float | None = None,
    times: Any = None,
    labels: Any = None,
    animals: Any = None,
    units: str = "1",
) -> Recording:
    """Read traces from a file of arrays.

    Parameters
    ----------
    path : path
        ``.npz``, ``.h5``, ``.hdf5``, ``.nwb`` or ``.mat``, also of MATLAB 7.3.
    name : str
        Name of the array of traces, in HDF5 a path such as ``"gcamp/trace_array"``.
    dims : sequence of str
        What its axes are, as its own program shows them: neuron, time, and animal where it has one.
    rate_hz : float, optional
        Samples a second, or give `times`.
    times : str or array_like, s, optional
        Times of the samples, or the name of an array of the file that holds them.
    labels, animals : str or sequence of str, optional
        Names, or the name of an array of the file that holds them.
    units : str
        Unit of the traces, or the name of an array of the file that holds it, such as ``"units"`` in a file
        of `write_arrays`.

    Returns
    -------
    Recording
        One trial for each animal.

    Raises
    ------
    FileFormatError
        Missing, empty, damaged, pickled, or without such an array.
    SpecError
        If the orientation, the times or the names do not fit.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "worm.npz")
    ...     np.savez(file, F=np.ones((2, 5)), names=["AVA", "AWB"])
    ...     recording = read_arrays(file, name="F", dims=("neuron", "time"), rate_hz=4.0, labels="names")
    >>> recording.states("traces")["neuron"].values.tolist()
    ['AVA', 'AWB']
    """
    order = tuple(as_row(dims, where=_WHERE, name="dims"))
    file = checked(path, where=_WHERE, suffixes=(".npz", ".h5", ".hdf5", ".nwb", ".mat"))
    wanted = [name, *(item for item in (times, labels, animals) if isinstance(item, str))]
    found = _arrays(file, wanted, maybe=units)
    if units in found and found[units].dtype.kind in "OSU":
        if found[units].size != 1:
            raise refuse(_WHERE, file, f"must hold one unit at {units!r}, has {found[units].size}")
        units = texts(found[units])[0]
    data = found[name]
    if data.dtype.kind not in "fiub":
        raise refuse(_WHERE, file, f"holds no numbers at {name!r}, but {data.dtype}")
    if sorted(map(str, order)) not in (sorted(_DIMS), sorted(_DIMS[1:])) or len(order) != data.ndim:
        bound = (
            f"must name each axis of {name!r}, of shape {data.shape}: neuron, time, and animal if it has one"
        )
        raise SpecError.of(where=_WHERE, name="dims", value=order, bound=bound)
    if len(order) == 2:
        data, order = data[None], ("animal", *order)
    data = data.transpose([order.index(dim) for dim in _DIMS])
    grid_s = grid(data.shape[1], rate_hz, found[times] if isinstance(times, str) else times, where=_WHERE)
    label = texts(found[labels]) if isinstance(labels, str) else labels
    animal = texts(found[animals]) if isinstance(animals, str) else animals
    if animal is None:
        animal = [file.stem] if len(data) == 1 else [str(index) for index in range(len(data))]
    return traces_recording(
        data, times=grid_s, labels=label, animals=animal, units=units,
        source=f"{file.suffix[1:].lower()}:{file.name}", where=_WHERE,
    )  # fmt: skip


def _arrays(file: Path, wanted: list[str], *, maybe: str) -> dict[str, np.ndarray]:
    """Arrays by name: those that are wanted, and one more if the file has it."""
    if file.suffix.lower() == ".npz":
        table = datasets.read(file)
        return {name: _part(table, name, file) for name in (*wanted, *({maybe} & set(table)))}
    if _is_hdf5(file):
        return _from_hdf5(file, wanted, maybe=maybe)
    if file.suffix.lower() == ".mat":
        table = load_mat(file, where=_WHERE)
        names = (*wanted, *({maybe} & set(table)))
        return {name: np.squeeze(_part(table, name, file)) for name in names}
    raise refuse(_WHERE, file, "is no HDF5 file")


def _part(table: dict[str, Any], name: str, file: Path) -> np.ndarray:
    if name not in table:
        raise unknown(f"{_WHERE} {file.name}", name, table, kind="array")
    return np.asarray(table[name])


def _is_hdf5(file: Path) -> bool:
    import h5py

    return bool(h5py.is_hdf5(file))


def load_mat(file: Path, *, where: str) -> dict[str, Any]:
    """Read a MATLAB file of a version before 7.3."""
    from scipy.io import loadmat

    try:
        table = loadmat(file, chars_as_strings=True)
    except NotImplementedError as error:
        raise refuse(where, file, "is of MATLAB 7.3", "save it with -v7") from error
    except Exception as error:  # a damaged file makes its library raise anything
        raise refuse(where, file, f"is damaged or no MATLAB file: {str(error)[:100]}") from error
    return {name: value for name, value in table.items() if not name.startswith("__")}


def _from_hdf5(file: Path, wanted: list[str], *, maybe: str) -> dict[str, np.ndarray]:
    """Read arrays of an HDF5 file; those of MATLAB in the order of axes that MATLAB shows."""
    import h5py

    matlab = file.suffix.lower() == ".mat"
    found = {}
    try:
        with h5py.File(file, "r") as stream:
            more = [maybe] if isinstance(stream.get(maybe or "/"), h5py.Dataset) else []
            for name in wanted + more:
                item = stream.get(name)
                if not isinstance(item, h5py.Dataset):
                    known = _names(stream)
                    raise unknown(f"{_WHERE} {file.name}", name, known, kind="array")
                if h5py.check_ref_dtype(item.dtype) is not None:
                    data = np.array([_characters(stream[ref][()]) for ref in item[()].reshape(-1)])
                else:
                    data = np.asarray(item[()])
                found[name] = data.T if matlab else data
    except Exception as error:  # a damaged file makes its library raise anything
        if isinstance(error, ArcuateError):
            raise
        raise refuse(_WHERE, file, f"cannot be read: {str(error)[:100]}") from error
    return found


def _names(stream: Any) -> list[str]:
    """Paths of all arrays in an HDF5 file."""
    found: list[str] = []
    stream.visititems(lambda name, item: found.append(name) if hasattr(item, "dtype") else None)
    return found


def _characters(codes: Any) -> str:
    """Text that MATLAB 7.3 keeps as codes of its characters."""
    return "".join(chr(int(code)) for code in np.asarray(codes).reshape(-1))
