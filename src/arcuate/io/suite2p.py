"""Results of suite2p: fluorescence of regions, less a part of that around them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from arcuate import datasets
from arcuate.errors import check_real
from arcuate.io._build import refuse, traces_recording
from arcuate.recording import Recording

__all__ = ["read_suite2p"]

_WHERE = "read_suite2p"


def read_suite2p(folder: Any, *, rate_hz: float, neuropil: float = 0.7, cells_only: bool = True) -> Recording:
    r"""Read a folder of suite2p: :math:`F - 0.7\,F_{neu}` of the regions that it calls cells.

    Parameters
    ----------
    folder : path
        Such as ``suite2p/plane0``, with ``F.npy`` and ``Fneu.npy`` (n_regions, n_frames) and ``iscell.npy``.
    rate_hz : float
        Frames a second; suite2p keeps it in a pickled file, which is not read.
    neuropil : float
        Part of the surrounding fluorescence to subtract; 0.7 is suite2p's own.
    cells_only : bool
        Leave out what suite2p does not call a cell.

    Returns
    -------
    Recording
        One animal, by the name of the folder; neurons are named by their number in suite2p.

    Raises
    ------
    FileFormatError
        If the folder or a file is missing, damaged, pickled or of another shape.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name, value in (("F", 10.0), ("Fneu", 2.0), ("iscell", 1.0)):
    ...         shape = (3, 2 if name == "iscell" else 8)
    ...         np.save(pathlib.Path(folder, f"{name}.npy"), np.full(shape, value))
    ...     recording = read_suite2p(folder, rate_hz=30.0)
    >>> round(float(recording.states("traces")["trace"][0, 0, 0]), 6)
    8.6
    """
    rate = check_real(rate_hz, where=_WHERE, name="rate_hz", low=0.0, low_open=True)
    part = check_real(neuropil, where=_WHERE, name="neuropil", low=0.0, high=1.0)
    if not isinstance(folder, (str, os.PathLike)) or not Path(folder).expanduser().is_dir():
        raise refuse(_WHERE, folder, "must be a folder that exists")
    place = Path(folder).expanduser()
    if not (place / "F.npy").exists() and (place / "suite2p" / "plane0").is_dir():
        raise refuse(_WHERE, place, "has no F.npy", f"give {place / 'suite2p' / 'plane0'}")
    signal, around, cells = (_matrix(place / f"{name}.npy") for name in ("F", "Fneu", "iscell"))
    if signal.shape != around.shape or cells.shape[0] != signal.shape[0]:
        bound = f"has F {signal.shape}, Fneu {around.shape} and iscell {cells.shape}, which do not fit"
        raise refuse(_WHERE, place, bound)
    keep = np.flatnonzero(cells[:, 0] > 0) if cells_only else np.arange(len(signal))
    if not keep.size:
        raise refuse(_WHERE, place, "calls no region a cell", "cells_only=False reads all regions")
    values = signal[keep].astype(np.float64) - part * around[keep]
    return traces_recording(
        values.T[None], times=np.arange(values.shape[1]) / rate, labels=[str(index) for index in keep],
        animals=[place.resolve().name], units="F", source=f"suite2p:{place.resolve().name}", where=_WHERE,
    )  # fmt: skip


def _matrix(file: Path) -> np.ndarray:
    array = np.asarray(datasets.read(file))
    if array.ndim != 2 or array.dtype.kind not in "fiub" or 0 in array.shape:
        raise refuse(_WHERE, file, f"must hold a matrix of numbers, not {array.dtype} of shape {array.shape}")
    return array
