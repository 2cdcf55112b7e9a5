"""Tables of text: rows and columns whose meaning the reader is told."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from arcuate.errors import SpecError
from arcuate.io._build import Floats, as_row, checked, grid, refuse, traces_recording
from arcuate.recording import Recording

__all__ = ["read_csv"]

_WHERE = "read_csv"
_MISSING = frozenset({"", "nan", "na", "n/a", "null"})


def read_csv(
    path: Any,
    *,
    dims: Sequence[str],
    rate_hz: float | None = None,
    header: bool = True,
    index: bool = False,
    delimiter: str | None = None,
    labels: Sequence[str] | None = None,
    units: str = "1",
) -> Recording:
    """Read traces from a table of text.

    Parameters
    ----------
    path : path
        A ``.csv``, ``.tsv`` or ``.txt`` file in UTF-8, with or without a byte-order mark.
    dims : ("time", "neuron") or ("neuron", "time")
        What the rows and the columns are.
    rate_hz : float, optional
        Samples a second; needed where the file does not hold the times.
    header : bool
        Whether the first row names the columns: neurons, or times in s.
    index : bool
        Whether the first column names the rows: times in s, or neurons.
    delimiter : str, optional
        One character between the cells; by default a tab in a ``.tsv`` file and a comma in others.
    labels : sequence of str, optional
        Names of the neurons where the file does not hold them.
    units : str
        Unit of the traces.

    Returns
    -------
    Recording
        One animal, by the name of the file. An empty cell, or one that says NaN or NA, is NaN.

    Raises
    ------
    FileFormatError
        Missing, empty, not UTF-8, a cell that is no number, a row of another length; with row and column.
    SpecError
        If the orientation, the rate or the names do not fit.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "worm.csv")
    ...     _ = file.write_text("time,AVA,AWB\\n0.0,1.0,2.0\\n0.25,1.5,1.0\\n")
    ...     read_csv(file, dims=("time", "neuron"), index=True).states("traces")["trace"].values[0].tolist()
    [[1.0, 2.0], [1.5, 1.0]]
    """
    if sorted(map(str, as_row(dims, where=_WHERE, name="dims"))) != ["neuron", "time"]:
        fix = 'say what rows and columns are: dims=("time", "neuron") or ("neuron", "time")'
        raise SpecError.of(where=_WHERE, name="dims", value=dims, bound="must be time and neuron", fix=fix)
    if delimiter is not None and (not isinstance(delimiter, str) or len(delimiter) != 1):
        raise SpecError.of(where=_WHERE, name="delimiter", value=delimiter, bound="must be one character")
    file = checked(path, where=_WHERE, suffixes=(".csv", ".tsv", ".txt"))
    rows = _rows(file, delimiter or ("\t" if file.suffix.lower() == ".tsv" else ","))
    columns, rows = (rows[0], rows[1:]) if header else ([], rows)
    names = [row[0] for row in rows] if index else []
    columns, body = (columns[1:], [row[1:] for row in rows]) if index else (columns, rows)
    if not body or not body[0]:
        raise refuse(_WHERE, file, "holds no row of numbers" if not body else "holds no column of numbers")
    values = _numbers(body, file, first=1 + header, column=1 + index)
    along = dict(zip(dims, (names, columns), strict=True))
    values = values if tuple(dims) == ("time", "neuron") else values.T
    times = _numbers([along["time"]], file, first=1, column=1)[0] if along["time"] else None
    found = labels if labels is not None else along["neuron"] or None
    grid_s = grid(values.shape[0], rate_hz, times, where=_WHERE)
    return traces_recording(
        values[None], times=grid_s, labels=found, animals=[file.stem], units=units,
        source=f"csv:{file.name}", where=_WHERE,
    )  # fmt: skip


def _rows(file: Path, delimiter: str) -> list[list[str]]:
    """Cells of all rows that are not blank, every row as long as the first."""
    rows: list[list[str]] = []
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, delimiter=delimiter, strict=True)
            for row in reader:
                if not row:
                    continue
                rows.append([cell.strip() for cell in row])
                if len(row) != len(rows[0]):
                    bound = (
                        f"has {len(row)} cells in line {reader.line_num}, and {len(rows[0])} in the first row"
                    )
                    raise refuse(_WHERE, file, bound)
    except UnicodeDecodeError as error:
        raise refuse(_WHERE, file, f"is not UTF-8 text (byte {error.start})", "save it as UTF-8") from error
    except csv.Error as error:
        raise refuse(_WHERE, file, f"is no table of text: {error}") from error
    if not rows:
        raise refuse(_WHERE, file, "holds no row")
    other = next((mark for mark in ";\t," if mark != delimiter and mark in rows[0][0]), None)
    if len(rows[0]) == 1 and other is not None:
        raise refuse(_WHERE, file, f"has one column, with {other!r} in it", f"give delimiter={other!r}")
    return rows


def _numbers(rows: list[list[str]], file: Path, *, first: int, column: int) -> Floats:
    """Numbers of the cells; `first` and `column` are those of the first cell, for the message."""
    out = np.empty((len(rows), len(rows[0])))
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            try:
                out[i, j] = float(cell)
            except ValueError as error:
                if cell.lower() not in _MISSING:
                    bound = (
                        f"has {cell[:40]!r} where a number belongs, in row {i + first}, column {j + column}"
                    )
                    fix = (
                        "index=True says that the first column names the rows"
                        if j == 0 and column == 1
                        else ""
                    )
                    raise refuse(_WHERE, file, bound, fix) from error
                out[i, j] = np.nan
    return out
