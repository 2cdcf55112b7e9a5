"""Files of Neurodata Without Borders: responses of regions, spikes of units, epochs.

The layout is that of NWB 2 in HDF5 (nwb-schema, types RoiResponseSeries, TimeSeries, DynamicTableRegion,
Units, TimeIntervals), read by h5py; links to other files are refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from arcuate.errors import ArcuateError, check_choice, unknown
from arcuate.io._build import (
    as_text,
    checked,
    epoch_table,
    refuse,
    spike_table,
    texts,
    traces_recording,
)
from arcuate.recording import Recording

__all__ = ["read_nwb"]

_WHERE = "read_nwb"
KINDS = ("DfOverF", "Fluorescence", "RoiResponseSeries", "ElectricalSeries", "TimeSeries")
"""What to look for, best first: relative changes, raw fluorescence, regions that stand alone, others."""


def read_nwb(
    path: Any,
    *,
    kind: str | None = None,
    series: str | None = None,
    label_column: str | None = None,
    units: str | None = None,
) -> Recording:
    """Read traces, spikes and epochs of an NWB file.

    Parameters
    ----------
    path : path
        A ``.nwb`` file (HDF5).
    kind : {"DfOverF", "Fluorescence", "RoiResponseSeries", "ElectricalSeries", "TimeSeries"}, optional
        Which responses to take; the first of them that the file has by default.
    series : str, optional
        Name of the series, where there are several of the kind.
    label_column : str, optional
        Column of the plane segmentation that names the regions; by default the one that holds text, or else
        their numbers.
    units : str, optional
        Unit of the traces; needed where the file has none.

    Returns
    -------
    Recording
        Traces of one animal, by the identifier of the subject or the name of the file, with the times of the
        file; spikes as the population "units"; the tables of intervals as events with ``stimulus``, ``time``
        and ``duration``. It reaches over the traces, the spikes and the observation intervals of the units
        (from the first to the last, gaps included); of spikes alone without such intervals the duration
        is not known, and there are no rates.

    Raises
    ------
    FileFormatError
        Missing, empty, no HDF5, no NWB, neither traces nor spikes, data that are not time first, no unit.
    UnknownNameError
        If there is no such series or column.

    Examples
    --------
    >>> read_nwb("nowhere.nwb")
    Traceback (most recent call last):
    arcuate.errors.FileFormatError: read_nwb: path = 'nowhere.nwb': does not exist.
    """
    import h5py

    if kind is not None:
        check_choice(kind, KINDS, where=_WHERE, name="kind")
    file = checked(path, where=_WHERE, suffixes=(".nwb", ".h5", ".hdf5"))
    if not h5py.is_hdf5(file):
        raise refuse(_WHERE, file, "is no HDF5 file, which NWB files are")
    try:
        with h5py.File(file, "r") as stream:
            return _Reader(stream, file).read(kind, series, label_column, units)
    except Exception as error:  # a damaged file makes its library raise anything
        if isinstance(error, ArcuateError):
            raise
        raise refuse(_WHERE, file, f"cannot be read: {str(error)[:100]}") from error


class _Reader:
    """One open file."""

    def __init__(self, stream: Any, file: Path) -> None:
        self.stream, self.file = stream, file
        if "nwb_version" not in stream.attrs:
            raise refuse(
                _WHERE,
                file,
                "is another program's HDF5 file: it has no nwb_version",
                "arcuate.io.read_arrays reads arrays of any HDF5 file",
            )

    def read(self, kind: str | None, series: str | None, column: str | None, units: str | None) -> Recording:
        spikes, events, observed = self._spikes(), epoch_table(self._epochs()), self._observed()
        group = self._series(kind, series)
        if group is None and spikes is None:
            raise refuse(_WHERE, self.file, f"holds no {kind or 'traces'} and no spikes")
        source = f"nwb:{self.file.name}"
        if group is None:
            options: dict[str, Any] = {"source": source, "spikes": spikes, "events": events}
            if observed.size:
                start, stop = _hull(spikes, observed)
                options |= {"start": start, "duration": stop - start}
            return Recording.build(**options)
        data, times = self._data(group)
        return traces_recording(
            data[None], times=times, labels=self._labels(group, data.shape[1], column),
            animals=[self._animal()], units=units or self._unit(group), source=source, where=_WHERE,
            events=events, spikes=spikes, span=_hull(spikes, observed),
        )  # fmt: skip

    def _series(self, kind: str | None, name: str | None) -> Any:
        """Return the group of the chosen series, or None where there is none."""
        found: dict[str, list[Any]] = {each: [] for each in KINDS}
        self._collect(self.stream, "", found, depth=0)
        chosen = kind or next((each for each in KINDS if found[each]), None)
        groups = found[chosen] if chosen else []
        if name is not None:
            groups = [group for each in KINDS if kind in (None, each) for group in found[each]]
            known = [group.name.rpartition("/")[2] for group in groups]
            groups = [group for group, own in zip(groups, known, strict=True) if name in (own, group.name)]
            if not groups:
                raise unknown(f"{_WHERE} {self.file.name}", name, known, kind="series")
        if len(groups) > 1:
            names = ", ".join(group.name for group in groups)
            raise refuse(
                _WHERE, self.file, f"has several series: {names[:200]}", "give series, one of their names"
            )
        return groups[0] if groups else None

    def _collect(self, group: Any, parent: str, found: dict[str, list[Any]], *, depth: int) -> None:
        import h5py

        for name in group if depth < 8 else ():
            if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
                raise refuse(_WHERE, self.file, f"links to another file at {group.name}/{name}")
            item = group[name]
            if not isinstance(item, h5py.Group) or name == "specifications":
                continue
            kind = as_text(item.attrs.get("neurodata_type", ""))
            if kind == "RoiResponseSeries":
                found[parent if parent in KINDS else kind].append(item)
            elif kind in KINDS[3:]:
                found[kind].append(item)
            else:
                self._collect(item, kind, found, depth=depth + 1)

    def _data(self, group: Any) -> tuple[np.ndarray, np.ndarray]:
        """Values (n_times, n_regions) in the file's unit, and their times."""
        data = group["data"]
        if data.dtype.kind not in "fiu" or data.ndim not in (1, 2):
            raise refuse(_WHERE, self.file, f"must hold a matrix of numbers at {data.name}, not {data.shape}")
        values = np.asarray(data[()], dtype=np.float64).reshape(len(data), -1)
        values = values * float(data.attrs.get("conversion", 1.0)) + float(data.attrs.get("offset", 0.0))
        n_regions = group["rois"].shape[0] if "rois" in group else values.shape[1]
        n_times = group["timestamps"].shape[0] if "timestamps" in group else len(values)
        if values.shape != (n_times, n_regions):
            bound = f"has data {values.shape} at {data.name} for {n_times} times and {n_regions} regions"
            fix = "NWB has time first; read_arrays reads another order with dims"
            raise refuse(_WHERE, self.file, bound, fix)
        if "timestamps" in group:
            return values, np.asarray(group["timestamps"][()], dtype=np.float64)
        start = group.get("starting_time")
        rate = float(start.attrs.get("rate", 0.0)) if start is not None else 0.0
        if not rate > 0.0:
            raise refuse(_WHERE, self.file, f"has neither timestamps nor a rate above 0 at {group.name}")
        return values, float(start[()]) + np.arange(len(values)) / rate

    def _unit(self, group: Any) -> str:
        unit = as_text(group["data"].attrs.get("unit", "")).strip()
        if not unit:
            raise refuse(
                _WHERE, self.file, f"has no unit at {group.name}/data", 'give units, such as units="dF/F"'
            )
        return unit

    def _labels(self, group: Any, n: int, column: str | None) -> list[str] | None:
        """Names of regions, from the table of the plane segmentation."""
        rois = group.get("rois", group.get("electrodes"))
        reference = rois.attrs.get("table") if rois is not None else None
        own = self.stream.get(f"processing/arcuate/{group.name.rpartition('/')[2]}/label")
        if own is not None and rois is None and own.shape == (n,):
            return texts(own[()])
        if reference is None:
            return None
        table, rows = self.stream[reference], np.asarray(rois[()], dtype=int)
        columns = {name: table[name] for name in table if self._is_column(table[name])}
        if column is not None and column not in columns:
            raise unknown(f"{_WHERE} {self.file.name}", column, columns, kind="column")
        text = [name for name, item in columns.items() if item.dtype.kind in "OSU"]
        if column is None:
            column = text[0] if len(text) == 1 else "id" if "id" in columns else None
        if column is None or rows.size != n:
            return None
        names = texts(columns[column][()])
        return [names[row] for row in rows]

    @staticmethod
    def _is_column(item: Any) -> bool:
        return hasattr(item, "dtype") and item.ndim == 1 and item.dtype.kind in "OSUiu"

    def _animal(self) -> str:
        subject = self.stream.get("general/subject/subject_id")
        return as_text(subject[()]) if subject is not None else self.file.stem

    def _spikes(self) -> dict[str, Any] | None:
        units = self.stream.get("units")
        if units is None or "spike_times" not in units or "spike_times_index" not in units:
            return None
        ends = np.asarray(units["spike_times_index"][()], dtype=np.int64)
        trains = np.split(np.asarray(units["spike_times"][()], dtype=np.float64), ends[:-1])
        return {"units": spike_table(trains)}

    def _observed(self) -> np.ndarray:
        """Begins and ends, s, of all intervals in which units were observed; none where the file has none."""
        item = self.stream.get("units/obs_intervals")
        found = np.zeros(0) if item is None else np.asarray(item[()], dtype=np.float64).reshape(-1)
        return found[np.isfinite(found)]

    def _epochs(self) -> list[tuple[str, float, float]]:
        rows: list[tuple[str, float, float]] = []
        for name, table in (self.stream.get("intervals") or {}).items():
            if "start_time" not in table or "stop_time" not in table:
                continue
            start, stop = (
                np.asarray(table[f"{word}_time"][()], dtype=np.float64) for word in ("start", "stop")
            )
            labels = texts(table["stimulus"][()]) if "stimulus" in table else [name] * start.size
            rows += zip(labels, start.tolist(), stop.tolist(), strict=True)
        return rows


def _hull(spikes: dict[str, Any] | None, observed: np.ndarray) -> Any:
    """First and last time, s, of spikes and of observation; None where there is neither."""
    time = observed if spikes is None else np.concatenate((observed, spikes["units"]["time"]))
    return (float(time.min()), float(time.max())) if time.size else None
