"""Tables to and from a Recording: traces as CSV, NPZ and Parquet, spikes as rows of time and neuron."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from arcuate import datasets
from arcuate._optional import require
from arcuate.errors import ArcuateError, ArcuateWarning, SpecError, check_int, check_real, unknown
from arcuate.io._build import checked, grid, refuse, traces_recording
from arcuate.io._take import as_recording, check_dims, traces_of, trains_of, write_whole
from arcuate.recording import Recording
from arcuate.units import to_si

__all__ = ["read_parquet", "read_spikes", "write_arrays", "write_csv", "write_parquet", "write_spikes"]

_SPIKES = (".csv", ".tsv", ".parquet", ".npz")


def write_csv(
    recording: Recording,
    path: Any,
    *,
    dims: Sequence[str] = ("time", "neuron"),
    site: str | None = None,
    quantity: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write traces of one animal as a table of text, which `read_csv` reads with ``index=True``.

    Parameters
    ----------
    recording : Recording
    path : path
        A ``.csv``, ``.tsv`` (tabs) or ``.txt`` file.
    dims : ("time", "neuron") or ("neuron", "time")
        What rows and columns are; both are named in the file, times in s.
    site, quantity : str, optional
        Which states; the only ones by default.
    overwrite : bool
        Whether a file that exists may be replaced.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    SpecError
        No or several such states, several animals, states that are not over time.
    FileFormatError
        If the file exists, its folder does not, or it cannot be written.

    Notes
    -----
    Numbers are written such that reading gives the same bits; what is not finite as "nan", "inf" or "-inf".
    The unit of the traces is not in the file.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from arcuate import io
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "worm.csv")
    ...     _ = file.write_text("time,AVA,AWB\\n0.0,1.0,2.0\\n0.25,1.5,1.0\\n")
    ...     worm = io.read_csv(file, dims=("time", "neuron"), index=True)
    ...     print(io.write_csv(worm, file, dims=("neuron", "time"), overwrite=True).read_text())
    neuron,0.0,0.25
    AVA,1.0,1.5
    AWB,2.0,1.0
    <BLANKLINE>
    """
    where = "write_csv"
    rows, columns = check_dims(dims, where=where)
    traces = traces_of(recording, site=site, quantity=quantity, where=where)
    values = traces.single(where=where)
    names = {"time": [repr(float(time)) for time in traces.times], "neuron": traces.labels}
    body = values if rows == "time" else values.T

    def write(file: Path) -> None:
        with file.open("w", encoding="utf-8", newline="") as stream:
            mark = "\t" if file.suffix.lower() == ".tsv" else ","
            out = csv.writer(stream, delimiter=mark, lineterminator="\n")
            out.writerow([rows, *names[columns]])
            out.writerows(
                [name, *map(repr, row.tolist())] for name, row in zip(names[rows], body, strict=True)
            )

    return write_whole(path, write, where=where, suffixes=(".csv", ".tsv", ".txt"), overwrite=overwrite)


def write_arrays(
    recording: Recording,
    path: Any,
    *,
    site: str | None = None,
    quantity: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write traces of all animals as arrays, which `read_arrays` and any NumPy read.

    Parameters
    ----------
    recording : Recording
    path : path
        A ``.npz`` file.
    site, quantity : str, optional
        Which states; the only ones by default.
    overwrite : bool
        Whether a file that exists may be replaced.

    Returns
    -------
    pathlib.Path
        With the arrays ``traces`` (animal, time, neuron), ``times`` (s), ``labels``, ``animals``, ``units``,
        and ``dims``, the names of the axes of the first.

    Raises
    ------
    SpecError
        No or several such states, or states that are not over time.
    FileFormatError
        If the file exists, its folder does not, or it cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from arcuate import io
    >>> from arcuate.recording import Recording
    >>> v = (np.ones((4, 2)), ("time", "unit"), {"time": np.arange(4) * 0.5}, "V")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = io.write_arrays(Recording.build(source="x", states={"exc": {"v": v}}), folder + "/v.npz")
    ...     axes = ("animal", "time", "neuron")
    ...     names = {"times": "times", "labels": "labels", "units": "units"}
    ...     found = io.read_arrays(file, name="traces", dims=axes, **names)
    >>> found.states("traces")["time"].values.tolist(), found.states("traces")["trace"].attrs["units"]
    ([0.0, 0.5, 1.0, 1.5], 'V')
    """
    where = "write_arrays"
    traces = traces_of(recording, site=site, quantity=quantity, where=where)

    def write(file: Path) -> None:
        with file.open("wb") as out:  # NumPy would put ".npz" behind a name in capitals
            np.savez_compressed(
                out, traces=traces.values, times=traces.times, labels=np.array(traces.labels),
                animals=np.array(traces.animals), units=np.array(traces.units),
                dims=np.array(["animal", "time", "neuron"]),
            )  # fmt: skip

    return write_whole(path, write, where=where, suffixes=(".npz",), overwrite=overwrite)


def write_parquet(
    recording: Recording,
    path: Any,
    *,
    dims: Sequence[str] = ("time", "neuron"),
    site: str | None = None,
    quantity: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write traces of one animal as a Parquet table, which `read_parquet` reads.

    Parameters
    ----------
    recording : Recording
    path : path
        A ``.parquet`` file.
    dims : ("time", "neuron") or ("neuron", "time")
        What rows and columns are; a column of the first's name holds the times (s) or the neurons.
    site, quantity : str, optional
        Which states; the only ones by default.
    overwrite : bool
        Whether a file that exists may be replaced.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    SpecError
        No or several such states, several animals, a neuron that is named as the column of times.
    FileFormatError
        If the file exists, its folder does not, or it cannot be written.

    Examples
    --------
    >>> from arcuate.recording import Recording
    >>> write_parquet(Recording.build(source="x"), "x.parquet")  # doctest: +SKIP
    Traceback (most recent call last):
    arcuate.errors.SpecError: write_parquet: site = None: has no states.
    """
    import pandas as pd

    where = "write_parquet"
    rows, columns = check_dims(dims, where=where)
    require("pyarrow", extra="study", purpose=where)
    traces = traces_of(recording, site=site, quantity=quantity, where=where)
    values = traces.single(where=where)
    names: dict[str, Any] = {"time": traces.times, "neuron": traces.labels}
    heads = [str(float(name)) if columns == "time" else name for name in names[columns]]
    if rows in heads:
        bound = f"must not be named {rows!r}, as the column of the rows is"
        raise SpecError.of(where=where, name="labels", bound=bound)
    table = pd.DataFrame(values if rows == "time" else values.T, columns=heads)
    table.insert(0, rows, names[rows])
    return write_whole(
        path, lambda file: table.to_parquet(file, engine="pyarrow", index=False), where=where,
        suffixes=(".parquet",), overwrite=overwrite,
    )  # fmt: skip


def read_parquet(
    path: Any,
    *,
    dims: Sequence[str],
    index: str | None = None,
    rate_hz: float | None = None,
    units: str = "1",
) -> Recording:
    """Read traces from a Parquet table.

    Parameters
    ----------
    path : path
        A ``.parquet`` file whose columns, but for the index, are numbers.
    dims : ("time", "neuron") or ("neuron", "time")
        What the rows and the columns are; the names of the columns are those of neurons, or times in s.
    index : str, optional
        Column that names the rows: times in s, or neurons.
    rate_hz : float, optional
        Samples a second; needed where the file does not hold the times.
    units : str
        Unit of the traces.

    Returns
    -------
    Recording
        One animal, by the name of the file.

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    FileFormatError
        Missing, empty, damaged, no rows, or a column that holds no numbers.
    UnknownNameError
        If there is no column of the name of the index.
    SpecError
        If the orientation, the rate or the names do not fit.

    Examples
    --------
    >>> read_parquet("nowhere.parquet", dims=("time", "neuron"))
    Traceback (most recent call last):
    arcuate.errors.FileFormatError: read_parquet: path = 'nowhere.parquet': does not exist.
    """
    where = "read_parquet"
    order = check_dims(dims, where=where)
    file = checked(path, where=where, suffixes=(".parquet",))
    table = _parquet(file, where=where)
    if index is not None and index not in table:
        raise unknown(f"{where} {file.name}", index, table.columns, kind="column")
    names = None if index is None else table.pop(index).tolist()
    text = [str(name) for name, kind in table.dtypes.items() if kind.kind not in "fiub"]
    if text:
        bound = f"holds no numbers in column {', '.join(text)[:80]}"
        raise refuse(where, file, bound, "index= names the column of the rows" if index is None else "")
    values = table.to_numpy(dtype=np.float64)
    if 0 in values.shape:
        raise refuse(
            where, file, "holds no row of numbers" if not len(values) else "holds no column of numbers"
        )
    along = dict(zip(order, (names, [str(name) for name in table.columns]), strict=True))
    values = values if order[0] == "time" else values.T
    times: Any = along["time"]
    if rate_hz is not None and order[0] == "neuron":
        times = None
    labels = None if along["neuron"] is None else [str(name) for name in along["neuron"]]
    return traces_recording(
        values[None], times=grid(len(values), rate_hz, times, where=where), labels=labels,
        animals=[file.stem], units=units, source=f"parquet:{file.name}", where=where,
    )  # fmt: skip


def _parquet(file: Path, *, where: str) -> Any:
    import pandas as pd

    require("pyarrow", extra="study", purpose=where)
    try:
        return pd.read_parquet(file, engine="pyarrow")
    except Exception as error:  # a damaged file makes its library raise anything
        raise refuse(where, file, f"is damaged or no parquet file: {str(error)[:100]}") from error


def write_spikes(
    recording: Recording, path: Any, *, population: str | None = None, overwrite: bool = False
) -> Path:
    """Write the spikes of a population as a table, which `read_spikes` reads.

    Parameters
    ----------
    recording : Recording
    path : path
        A ``.csv``, ``.tsv``, ``.parquet`` or ``.npz`` file with the columns, or arrays, ``time`` (s),
        ``neuron`` and ``trial``.
    population : str, optional
        The only one by default.
    overwrite : bool
        Whether a file that exists may be replaced.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    SpecError
        If there are no spikes, or several populations and none is named.
    FileFormatError
        If the file exists, its folder does not, or it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from arcuate.recording import Recording
    >>> spikes = {"exc": {"time": [0.25, 0.5], "neuron": [1, 0]}}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = write_spikes(Recording.build(source="x", spikes=spikes), folder + "/spikes.csv")
    ...     print(file.read_text())
    time,neuron,trial
    0.25,1,0
    0.5,0,0
    <BLANKLINE>
    """
    where = "write_spikes"
    found = trains_of(as_recording(recording, where=where), population, where=where)
    table = dict(zip(("time", "neuron", "trial"), found, strict=True))

    def write(file: Path) -> None:
        import pandas as pd

        if file.suffix.lower() == ".npz":
            with file.open("wb") as out:
                np.savez_compressed(out, **table)  # type: ignore[arg-type]
        elif file.suffix.lower() == ".parquet":
            require("pyarrow", extra="study", purpose=where)
            pd.DataFrame(table).to_parquet(file, engine="pyarrow", index=False)
        else:
            mark = "\t" if file.suffix.lower() == ".tsv" else ","
            pd.DataFrame(table).to_csv(file, sep=mark, index=False, lineterminator="\n")

    return write_whole(path, write, where=where, suffixes=_SPIKES, overwrite=overwrite)


def read_spikes(
    path: Any,
    *,
    time: str = "time",
    neuron: str = "neuron",
    trial: str | None = None,
    population: str = "units",
    n_neurons: int | None = None,
    start: Any = 0.0,
    duration: Any = None,
) -> Recording:
    """Read spikes from a table with one row for each.

    Parameters
    ----------
    path : path
        A ``.csv``, ``.tsv``, ``.parquet`` or ``.npz`` file.
    time, neuron : str
        Columns, or arrays, with times in s and with neurons as whole numbers from 0 on.
    trial : str, optional
        Column with trials as whole numbers; one trial by default, with a warning if the file has a column
        ``trial`` with several.
    population : str
        Name in the Recording.
    n_neurons : int, optional
        Number of neurons, which a table of spikes does not tell where some are silent.
    start, duration : quantity or float in s, optional
        When the record begins, and its length, in which all spikes must lie.

    Returns
    -------
    Recording

    Raises
    ------
    FileFormatError
        Missing, empty, damaged, columns of different lengths, no numbers, neurons that are not whole.
    SpecError
        If a spike lies outside the record, there are fewer neurons than in the file, or the name of a column
        is no text.
    UnknownNameError
        If there is no such column.

    Examples
    --------
    >>> read_spikes("nowhere.csv")
    Traceback (most recent call last):
    arcuate.errors.FileFormatError: read_spikes: path = 'nowhere.csv': does not exist.
    """
    where = "read_spikes"
    file = checked(path, where=where, suffixes=_SPIKES)
    columns: dict[str, Any] = {"time": time, "neuron": neuron} | ({} if trial is None else {"trial": trial})
    for name, column in columns.items():
        if not isinstance(column, str):
            bound = "must be text, the name of a column"
            raise SpecError.of(where=where, name=name, value=column, bound=bound)
    table = _columns(file, where=where)
    if trial is None and "trial" in table and np.unique(np.asarray(table["trial"])).size > 1:
        message = f'{where}: {file.name}: several trials are taken as one; trial="trial" keeps them apart'
        warnings.warn(message, ArcuateWarning, stacklevel=2)
    found: dict[str, Any] = {}
    for name, column in columns.items():
        if column not in table:
            raise unknown(f"{where} {file.name}", column, table, kind="column")
        values = _numbers(np.asarray(table[column]))
        if values.ndim != 1 or values.dtype.kind not in "fiu" or not np.isfinite(values).all():
            raise refuse(where, file, f"must hold numbers, none missing, in a row at {column!r}")
        if name != "time" and ((values != np.floor(values)) | (values < 0)).any():
            raise refuse(where, file, f"must hold whole numbers from 0 on at {column!r}")
        found[name] = values.astype(np.float64 if name == "time" else np.int64)
    if len({values.size for values in found.values()}) > 1:
        sizes = ", ".join(f"{name} {values.size}" for name, values in found.items())
        raise refuse(where, file, f"has columns of different lengths: {sizes}")
    if n_neurons is not None:
        least = int(found["neuron"].max(initial=-1)) + 1
        found["n"] = check_int(n_neurons, where=where, name="n_neurons", low=least)
    first, length = _span(found["time"], start, duration)
    kind = file.suffix[1:].lower()
    return Recording.build(
        source=f"{kind}:{file.name}", spikes={population: found}, start=first, duration=length
    )


def _span(time: np.ndarray, start: Any, duration: Any) -> tuple[float, float | None]:
    """Start and length, s, of a record in which all spikes lie; no length where none is given."""
    plain = (int, float, np.number)
    given = {"start": start} | ({} if duration is None else {"duration": duration})
    span = {
        name: check_real(value, where="read_spikes", name=name)
        if isinstance(value, plain)
        else to_si(value, "s", where="read_spikes", name=name)
        for name, value in given.items()
    }
    first, length = span["start"], span.get("duration")
    low, high = float(time.min(initial=np.inf)), float(time.max(initial=-np.inf))
    slack = 1e-9 * (length or 0.0)  # rounding of start + duration
    if (duration is not None or first) and low < first - slack:
        bound = f"must be at most {low:g} s, the first spike"
        raise SpecError.of(where="read_spikes", name="start", value=start, bound=bound)
    if length is not None and (length < 0 or high > first + length + slack):
        bound = f"must be at least {max(high - first, 0.0):g} s, up to the last spike"
        fix = "" if first or length < high - low else f"start={low:g} begins with the first"
        raise SpecError.of(where="read_spikes", name="duration", value=duration, bound=bound, fix=fix)
    return first, length


def _numbers(values: np.ndarray) -> np.ndarray:
    """Numbers of a column of text, where each cell is one; else the column as it is."""
    try:
        return values.astype(np.float64) if values.dtype.kind in "OSU" else values
    except (ValueError, TypeError):
        return values


def _columns(file: Path, *, where: str) -> Any:
    import pandas as pd

    if file.suffix.lower() == ".npz":
        return datasets.read(file)
    if file.suffix.lower() == ".parquet":
        return _parquet(file, where=where)
    try:
        mark = "\t" if file.suffix.lower() == ".tsv" else ","
        return pd.read_csv(file, sep=mark, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except Exception as error:  # a damaged file makes its library raise anything
        if isinstance(error, ArcuateError):
            raise
        raise refuse(where, file, f"is no table of text: {str(error)[:100]}") from error
