"""What a study has found: a read-only view of its store."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate._optional import require
from arcuate.errors import SpecError, StoreError, check_int
from arcuate.spec.values import Quantity
from arcuate.study._identity import PointKeys
from arcuate.study.design import SEED, Block, Design
from arcuate.units import Dimension, dimension, is_quantity_text, parse_quantity

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from arcuate.recording import Recording
    from arcuate.study.store import Row

__all__ = ["Results"]

POINT = "point"
"""Name of the index of the table, and of the dimension of a design that is no grid."""


class Results:
    """What a study has found so far; opened by `Results.open`, which changes nothing.

    Attributes
    ----------
    folder : Path
        Of the store.
    description : mapping
        What the store keeps of the study.
    design : Design
        The points of the study.
    rows : mapping of int to Row
        What is stored of each point that was run, by its place in the design.

    Examples
    --------
    >>> import tempfile
    >>> import arcuate as arc
    >>> folder = tempfile.mkdtemp()
    >>> table = arc.Study(lambda x: {"square": x * x}, {"x": [1, 2, 3]}).run(folder, n_jobs=1)
    >>> results = arc.study.Results.open(folder)
    >>> results.table()["square"].tolist(), results.dataset()["square"].sel(x=2).item()
    ([1, 4, 9], 4)
    """

    def __init__(
        self, folder: Path, description: Mapping[str, Any], design: Design, *, rows: Mapping[int, Row]
    ) -> None:
        self.folder, self.description, self.design, self.rows = folder, description, design, rows

    @classmethod
    def open(cls, folder: str | os.PathLike[str], *, keys: PointKeys | None = None) -> Results:
        """Open the store of a study.

        Parameters
        ----------
        folder : path
            Of the store.
        keys : PointKeys, optional
            Of this very study, which knows them already; else they are worked out.

        Returns
        -------
        Results
            With the points of the study as it was run last; what the store holds beside them, of a design
            that had other points once, is left out.

        Raises
        ------
        FileFormatError
            If the folder holds no store.

        Examples
        --------
        >>> import tempfile
        >>> import arcuate as arc
        >>> folder = tempfile.mkdtemp()
        >>> table = arc.Study(lambda x: {"square": x * x}, {"x": [1, 2, 3]}).run(folder, n_jobs=1)
        >>> len(arc.study.Results.open(folder).rows)
        3
        """
        from arcuate.study.store import Store

        store = Store.read(folder)
        found = store.rows()
        description = store.description
        try:
            design = Design.from_description(description["design"])
            keys = PointKeys.of(description) if keys is None else keys
        except (KeyError, TypeError, SpecError):  # the description is lost, or the points came one by one
            design, listed = _as_listed(found)
            return cls(store.folder, description, design, rows=listed)
        by_key = {row.key: row for row in found}
        places = ((point.index, keys.key(point)) for point in design)
        rows = {index: by_key[key] for index, key in places if key in by_key}
        return cls(store.folder, description, design, rows=rows)

    def table(self) -> pd.DataFrame:
        """Return one row per point that was run.

        Returns
        -------
        pandas.DataFrame
            Indexed by the place of the point in the design. Columns: the varied fields (quantities in SI,
            their units in ``attrs["units"]``), ``seed``, the metrics (NaN where one is missing),
            ``status`` (``"done"`` or ``"failed"``), ``wall_seconds``, and ``recording``, the file in the
            folder.

        Examples
        --------
        >>> import tempfile
        >>> import arcuate as arc
        >>> study = arc.Study(lambda tau: {"same": 1.0}, {"tau": ["10 ms", "20 ms"]})
        >>> table = study.run(tempfile.mkdtemp(), n_jobs=1)
        >>> table["tau"].tolist(), table.attrs["units"]
        ([0.01, 0.02], {'tau': 's'})
        """
        import pandas as pd

        rows = dict(sorted(self.rows.items()))
        points = [self.design[index] for index in rows]
        columns: dict[str, Any] = {}
        units: dict[str, str] = {}
        for name in self.design.names:
            columns[name], unit = _column([point.values[name] for point in points])
            if unit:
                units[name] = unit
        if SEED not in columns:
            columns[SEED] = _column([row.seed for row in rows.values()])[0]
        for name in self.metrics:
            columns[name] = _cells([row.metrics.get(name) for row in rows.values()])
        columns["status"] = [row.status for row in rows.values()]
        columns["wall_seconds"] = [row.wall_seconds for row in rows.values()]
        columns["recording"] = [row.recording for row in rows.values()]
        table = pd.DataFrame(columns, index=pd.Index(list(rows), name=POINT, dtype="int64"))
        table.attrs["units"] = units
        return table

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics, in the order in which they were met first."""
        return tuple(dict.fromkeys(name for row in self.rows.values() for name in row.metrics))

    def dataset(self) -> xr.Dataset:
        """Return the metrics over the varied fields.

        Returns
        -------
        xarray.Dataset
            With one dimension per varied field for a grid, and NaN (an empty text for texts) at points that
            were not run; for another design with the dimension ``point``, and the fields as its
            coordinates. ``status`` is empty where nothing was run.

        Examples
        --------
        >>> import tempfile
        >>> import arcuate as arc
        >>> study = arc.Study(lambda x, y: {"sum": x + y}, {"x": [1, 2], "y": [10, 20, 30]})
        >>> table = study.run(tempfile.mkdtemp(), n_jobs=1)
        >>> study.dataset()["sum"].sel(x=2).values.tolist()
        [12, 22, 32]
        """
        import xarray as xr

        axes = self.design.axes
        shape: tuple[int, ...]
        if axes is None:
            places = {index: index for index in self.rows}
            dims, shape = [POINT], (len(self.design),)
            given = {name: [point.values[name] for point in self.design] for name in self.design.names}
            coords: dict[str, Any] = {POINT: np.arange(shape[0])}
        else:
            dims, shape = list(axes), tuple(len(values) for values in axes.values())
            kept = self.design.kept
            places = {index: index if kept is None else int(kept[index]) for index in self.rows}
            given, coords = {name: list(values) for name, values in axes.items()}, {}
        for name, values in given.items():
            column, unit = _column(values)
            dim = POINT if axes is None else name
            coords[name] = (dim, column, {"units": unit} if unit else {})
        order = [places[index] for index in self.rows]
        variables = {
            name: _spread([row.metrics.get(name) for row in self.rows.values()], order, shape)
            for name in self.metrics
        }
        variables["status"] = _spread([row.status for row in self.rows.values()], order, shape)
        seconds = _spread([row.wall_seconds for row in self.rows.values()], order, shape)
        data = {name: (dims, values) for name, values in variables.items()}
        data["wall_seconds"] = (dims, seconds, {"units": "s"})  # type: ignore[assignment]
        return xr.Dataset(data, coords=coords, attrs={"name": str(self.description.get("name", ""))})

    def recording(self, index: int) -> Recording:
        """Load the Recording of a point.

        Parameters
        ----------
        index : int
            Place of the point in the design, as in the table.

        Returns
        -------
        Recording

        Raises
        ------
        SpecError
            If there is no such point, or its recording was not kept.
        FileFormatError
            If the file is damaged.

        Examples
        --------
        >>> import tempfile
        >>> import arcuate as arc
        >>> cells = arc.Population(name="exc", n=5, neuron=arc.lif(), bias="0.5 nA")
        >>> net = arc.Network(name="five", dt="0.1 ms", populations=[cells])
        >>> def size(recording):
        ...     return recording.n_neurons("exc")
        >>> study = arc.Study(net, {"populations.exc.n": [1, 2]}, size, duration="20 ms", keep=True)
        >>> study.run(tempfile.mkdtemp(), n_jobs=1)["size"].tolist()
        [1, 2]
        >>> study.results().recording(1).n_neurons("exc")
        2
        """
        from arcuate.recording import Recording

        where = f"Results of {self.folder.name!r}"
        place = check_int(index, where=where, name="index", low=0, high=len(self.design) - 1)
        row = self.rows.get(place)
        if row is None or row.recording is None:
            why = "was not run" if row is None else "has no recording"
            if row is not None and row.status == "failed":
                why = f"failed: {row.reason}"[:200]
            raise SpecError.of(
                where=where,
                name="index",
                value=place,
                bound=f"this point {why}",
                fix="" if row is None or row.status == "failed" else "run the study with keep=True",
            )
        return Recording.load(self.folder / row.recording)

    def failed(self) -> pd.DataFrame:
        """Return the points that failed, and why.

        Returns
        -------
        pandas.DataFrame
            Indexed as `table`. Columns: the varied fields, ``seed``, ``reason``, ``tries`` and
            ``traceback``.

        Examples
        --------
        >>> import tempfile, warnings
        >>> import arcuate as arc
        >>> study = arc.Study(lambda x: {"inverse": 1 / x}, {"x": [0, 1]})
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")  # says that a point failed
        ...     table = study.run(tempfile.mkdtemp(), n_jobs=1)
        >>> study.results().failed()["reason"].tolist()
        ['ZeroDivisionError: division by zero']
        """
        table = self.table()
        table = table.loc[table["status"] == "failed", list(dict.fromkeys([*self.design.names, SEED]))]
        rows = [self.rows[index] for index in table.index]
        return table.assign(
            reason=[row.reason for row in rows],
            tries=[row.tries for row in rows],
            traceback=[row.traceback for row in rows],
        )

    def export(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the table to a file.

        Parameters
        ----------
        path : path
            With the suffix ``.csv`` or ``.parquet`` (which needs the extra ``study``).
        overwrite : bool
            Whether a file that exists may be replaced.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        SpecError
            If the suffix is another one, or the file exists.
        StoreError
            If it cannot be written; nothing partial stays.
        MissingExtraError
            If pyarrow is needed and not there.

        Examples
        --------
        >>> import tempfile
        >>> import arcuate as arc
        >>> folder = tempfile.mkdtemp()
        >>> study = arc.Study(lambda x: {"square": x * x}, {"x": [1, 2]})
        >>> table = study.run(folder, n_jobs=1)
        >>> study.results().export(f"{folder}/table.csv").read_text().splitlines()[1][:6]
        '0,1,0,'
        """
        target = Path(path)
        where = "Results.export"
        if target.suffix not in (".csv", ".parquet"):
            raise SpecError.of(
                where=where, name="path", value=str(path), bound="must end in .csv or .parquet"
            )
        if target.exists() and not overwrite:
            raise SpecError.of(
                where=where, name="path", value=str(path), bound="exists", fix="use overwrite=True"
            )
        table = self.table()
        if target.suffix == ".parquet":
            require("pyarrow", extra="study", purpose="a Parquet file")
            for name in table.columns:
                table[name] = _of_one_kind(table[name].tolist())
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        try:
            if target.suffix == ".csv":
                table.to_csv(partial)
            else:
                table.to_parquet(partial)
            os.replace(partial, target)
        except OSError as error:
            raise StoreError.of(
                where=where, name="path", value=str(path), bound=f"cannot be written ({error.strerror})"
            ) from error
        finally:
            partial.unlink(missing_ok=True)
        return target

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        failed = sum(row.status == "failed" for row in self.rows.values())
        name = self.description.get("name", "?")
        return (
            f"<Results of {name!r}: {len(self.rows) - failed} of {len(self.design)} points done"
            + (f", {failed} failed" if failed else "")
            + f"; {self.folder}>"
        )


def _as_listed(found: Sequence[Row]) -> tuple[Design, dict[int, Row]]:
    """Points in the order in which they were stored, for a store that does not say what its design was."""
    names = tuple(dict.fromkeys(name for row in found for name in row.values)) or (SEED,)
    rows = tuple(tuple(row.values.get(name) for name in names) for row in found)
    block = Block(names=names, rows=tuple(row[0] for row in rows) if len(names) == 1 else rows)
    return Design(kind="points", blocks=(block,)), dict(enumerate(found))


def _column(values: Sequence[Any]) -> tuple[Any, str]:
    """Values of a field as a column, and their unit: quantities in SI, what is no number or text as text."""
    found = [_measured(value) for value in values]
    dims = {dim for _, dim in found}
    numbers = [number for number, _ in found]
    if len(dims) == 1 and None not in dims:
        (dim,) = dims
        if any(isinstance(number, int) and abs(number) >= 2**63 for number in numbers):
            return [str(number) for number in numbers], ""
        return numbers, "" if dim == Dimension() else str(dim)
    if all(isinstance(value, (bool, np.bool_)) for value in values):
        return list(values), ""
    return [value if value is None or isinstance(value, str) else str(value) for value in values], ""


def _measured(value: Any) -> tuple[Any, Dimension | None]:
    """A value in SI and its dimension; no dimension for what is neither a number nor a quantity."""
    if isinstance(value, Quantity):
        return float(value), dimension(value.unit)
    if isinstance(value, str) and is_quantity_text(value):
        number, dim = parse_quantity(value)
        return (value, None) if dim == Dimension() else (number, dim)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value, Dimension()
    return value, None


def _cells(values: Sequence[Any]) -> np.ndarray:
    """Values of a metric as a column; NaN for a number that is missing, None for another value."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float}:
        whole = None not in values and kinds == {int}
        return np.array([np.nan if value is None else value for value in values], int if whole else float)
    if kinds == {bool} and None not in values:
        return np.array(values, bool)
    column = np.empty(len(values), object)
    column[:] = values
    return column


def _of_one_kind(values: list[Any]) -> list[Any]:
    """A column as it is, or as texts where it holds values of several kinds, which Parquet does not take."""
    kinds = {type(value) for value in values if not (value is None or value != value)}
    if len(kinds) < 2:
        return values
    return [None if value is None or value != value else str(value) for value in values]


def _spread(values: Sequence[Any], order: Sequence[int], shape: tuple[int, ...]) -> np.ndarray:
    """Values of a metric over the grid; NaN at points without one, an empty text among texts."""
    cells = _cells(values)
    size = math.prod(shape)
    if cells.dtype == object and all(
        value is None or isinstance(value, (bool, int, float)) for value in values
    ):
        cells = np.array([np.nan if value is None else value for value in values], float)
    if cells.dtype.kind == "O":
        whole = np.full(size, "", object)
        cells = np.array(["" if value is None else str(value) for value in values], object)
    elif len(order) == size:
        whole = np.empty(size, cells.dtype)
    else:
        whole = np.full(size, np.nan)
    whole[list(order)] = cells
    return whole.reshape(shape)
