"""Whole-brain recordings of C. elegans: homogenized tables, WormWideWeb, and Yemini et al. 2021.

Each animal becomes a Recording of its own; `arcuate.connectome.as_traces` joins them by the names of
neurons.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from arcuate import datasets
from arcuate._optional import require
from arcuate.errors import ArcuateError, check_choice
from arcuate.io._build import as_text, checked, epoch_table, refuse, texts, traces_recording
from arcuate.io.arrays import load_mat
from arcuate.recording import Recording

__all__ = ["read_worm_graph", "read_wormwideweb", "read_yemini"]


def read_worm_graph(
    path: Any, *, source: str | None = None, original: bool = False, labeled: bool = True
) -> dict[str, Recording]:
    """Read a table of the homogenized C. elegans recordings of the worm-graph project (Simeon et al. 2024).

    Parameters
    ----------
    path : path
        A ``.parquet`` file with the columns ``source_dataset``, ``worm``, ``neuron``, ``calcium_data`` and
        ``time_in_seconds``, one row for each neuron of each worm.
    source : str, optional
        One of the studies in the file, such as "Kato2015"; all by default.
    original : bool
        Take the samples of the study (columns ``original_...``) instead of the resampled ones.
    labeled : bool
        Only neurons with a known name, by the column ``is_labeled_neuron``.

    Returns
    -------
    dict of str to Recording
        For each ``"study/worm"``.

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    FileFormatError
        Missing, empty, damaged, or without these columns.
    UnknownNameError
        If there is no such study.

    Examples
    --------
    >>> read_worm_graph("nowhere.parquet")
    Traceback (most recent call last):
    arcuate.errors.FileFormatError: read_worm_graph: path = 'nowhere.parquet': does not exist.
    """
    import pandas as pd

    where = "read_worm_graph"
    file = checked(path, where=where, suffixes=(".parquet",))
    require("pyarrow", extra="study", purpose=where)
    prefix = "original_" if original else ""
    columns = {"data": f"{prefix}calcium_data", "times": f"{prefix}time_in_seconds"}
    needed = ["source_dataset", "worm", "neuron", *columns.values()]
    needed += ["is_labeled_neuron"] if labeled else []
    try:
        table = pd.read_parquet(file, engine="pyarrow")
        missing = [name for name in needed if name not in table]
        if missing:
            raise refuse(where, file, f"has no column {', '.join(missing)}")
        if source is not None:
            check_choice(source, sorted(set(texts(table["source_dataset"]))), where=where, name="study")
            table = table[table["source_dataset"] == source]
        if labeled:
            table = table[table["is_labeled_neuron"].astype(bool)]
        found = _worms(table, columns, file)
    except Exception as error:  # a damaged file makes its library raise anything
        if isinstance(error, ArcuateError):
            raise
        raise refuse(where, file, f"is damaged or no parquet file: {str(error)[:100]}") from error
    if not found:
        raise refuse(where, file, "holds no such neuron", "labeled=False takes those without a name too")
    return found


def _worms(table: Any, columns: dict[str, str], file: Path) -> dict[str, Recording]:
    """Return a Recording for each worm of each study."""
    where = "read_worm_graph"
    found = {}
    for (study, worm), rows in table.groupby(["source_dataset", "worm"], sort=True):
        name = f"{study}/{worm}"
        times = np.asarray(rows[columns["times"]].iloc[0], dtype=np.float64)
        traces = [np.asarray(trace, dtype=np.float64) for trace in rows[columns["data"]]]
        if any(trace.shape != times.shape for trace in traces):
            raise refuse(where, file, f"has traces and times of different lengths for {name}")
        found[name] = traces_recording(
            np.stack(traces, axis=1)[None], times=times, labels=texts(rows["neuron"]), animals=[name],
            units="1", source=f"worm-graph:{file.name}", where=where,
        )  # fmt: skip
    return found


def read_wormwideweb(path: Any, *, quantity: str = "trace_array", labeled: bool = True) -> Recording:
    """Read a recording as WormWideWeb gives it (Atanas, Kim et al. 2023).

    Parameters
    ----------
    path : path
        A ``.json`` file with ``trace_array`` (n_neurons, n_times), ``timestamp_confocal`` (s) or
        ``avg_timestep`` (minutes), and ``labeled``, names by the number of a neuron from 1 on.
    quantity : {"trace_array", "trace_original"}
        z-scores, or the ratio that they come from.
    labeled : bool
        Only neurons with a certain name; others are named "roi12" by their number. A name with a question
        mark is not certain, and of a name that several neurons have, the most confident keeps it.

    Returns
    -------
    Recording
        One animal, by the file's ``uid``.

    Raises
    ------
    FileFormatError
        Missing, empty, no JSON, without these keys, or with traces of another shape.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> content = {"uid": "worm", "num_neurons": 2, "max_t": 3, "trace_array": [[0, 1, 2], [2, 1, 0]],
    ...            "timestamp_confocal": [0.0, 0.6, 1.2], "labeled": {"2": {"label": "AVAL"}}}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "worm.json")
    ...     _ = file.write_text(json.dumps(content))
    ...     recording = read_wormwideweb(file)
    >>> recording.states("traces")["neuron"].values.tolist()
    ['AVAL']
    """
    where = "read_wormwideweb"
    check_choice(quantity, ("trace_array", "trace_original"), where=where, name="quantity")
    file = checked(path, where=where, suffixes=(".json",))
    table = datasets.read(file)
    if not isinstance(table, dict) or not {quantity, "labeled"} <= set(table):
        raise refuse(where, file, f"must be a table with {quantity} and labeled")
    try:
        traces = np.asarray(table[quantity], dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise refuse(where, file, f"must hold a matrix of numbers at {quantity}") from error
    if traces.ndim != 2 or 0 in traces.shape:
        raise refuse(where, file, f"must hold a matrix of numbers at {quantity}, not shape {traces.shape}")
    told = table.get("num_neurons", traces.shape[0]), table.get("max_t", traces.shape[1])
    if traces.shape != told:
        if traces.T.shape != told:
            raise refuse(where, file, f"has {quantity} {traces.shape} for {told} neurons and times")
        traces = traces.T
    names = _names(table["labeled"], len(traces), file)
    keep = [index for index, name in enumerate(names) if not labeled or not name.startswith("roi")]
    if not keep:
        raise refuse(where, file, "names no neuron", "labeled=False takes all of them")
    return traces_recording(
        traces[keep].T[None], times=_stamps(table, traces.shape[1], file), labels=[names[i] for i in keep],
        animals=[str(table.get("uid", file.stem))], units="z" if quantity == "trace_array" else "1",
        source=f"wormwideweb:{file.name}", where=where,
    )  # fmt: skip


def _names(labeled: Any, n: int, file: Path) -> list[str]:
    """Names of n neurons; "roi12" where there is no certain one."""
    names = [f"roi{index + 1}" for index in range(n)]
    best: dict[str, tuple[float, int]] = {}
    for key, entry in labeled.items() if isinstance(labeled, dict) else ():
        label = str(entry.get("label", "")) if isinstance(entry, dict) else ""
        if not label or "?" in label:
            continue
        index = int(key) - 1 if str(key).isdigit() else -1
        if not 0 <= index < n:
            raise refuse("read_wormwideweb", file, f"names neuron {key!r}, and neurons are numbered 1 to {n}")
        confidence = entry.get("confidence") or 0.0
        if not isinstance(confidence, int | float):
            bound = f"has a confidence of neuron {key!r} that is no number: {str(confidence)[:40]!r}"
            raise refuse("read_wormwideweb", file, bound)
        found = float(confidence), -index
        best[label] = max(best.get(label, (-math.inf, 0)), found)
    for label, (_, place) in best.items():
        names[-place] = label
    return names


def _stamps(table: dict[str, Any], n: int, file: Path) -> np.ndarray:
    if "timestamp_confocal" in table:
        try:
            times = np.asarray(table["timestamp_confocal"], dtype=np.float64).reshape(-1)
        except (ValueError, TypeError) as error:
            bound = "must hold numbers at timestamp_confocal"
            raise refuse("read_wormwideweb", file, bound) from error
        if times.size < n:
            raise refuse("read_wormwideweb", file, f"has {times.size} times for {n} samples")
        return np.asarray(times[:n])
    step = table.get("avg_timestep")
    if not isinstance(step, int | float) or not step > 0:
        raise refuse("read_wormwideweb", file, "has neither timestamp_confocal nor avg_timestep")
    return np.arange(n) * float(step) * 60.0


def read_yemini(path: Any, *, quantity: str = "traces") -> dict[str, Recording]:
    """Read the recordings of identified neurons of Yemini et al. 2021.

    Parameters
    ----------
    path : path
        Such as ``all_traces_Heads_new.mat``, with the cells ``neurons``, ``traces`` and ``files``, and with
        ``fps``, ``stims``, ``stim_names`` and ``stim_times`` (s).
    quantity : {"traces", "norm_traces"}
        Relative changes, or those brought to one scale by their authors.

    Returns
    -------
    dict of str to Recording
        For each worm, by the name of its file. A neuron with a left and a right one is named with L and R;
        neurons that a worm lacks are left out, and the stimuli are events in the worm's own order.

    Raises
    ------
    FileFormatError
        Missing, empty, damaged, or without these parts.

    Notes
    -----
    The cell of a neuron holds one trace for each worm, or for a pair first all left and then all right ones.
    Stimuli of a worm are numbers from 1 into ``stim_names``, one for each row of ``stim_times``.

    Examples
    --------
    >>> read_yemini("nowhere.mat")
    Traceback (most recent call last):
    arcuate.errors.FileFormatError: read_yemini: path = 'nowhere.mat': does not exist.
    """
    where = "read_yemini"
    check_choice(quantity, ("traces", "norm_traces"), where=where, name="quantity")
    file = checked(path, where=where, suffixes=(".mat",))
    table = load_mat(file, where=where)
    needed = ("neurons", quantity, "files", "fps", "stims", "stim_names", "stim_times")
    missing = [name for name in needed if name not in table]
    if missing:
        raise refuse(where, file, f"has no {', '.join(missing)}")
    worms, neurons = texts(table["files"]), texts(table["neurons"])
    cells = [np.asarray(cell, dtype=object).reshape(-1) for cell in table[quantity].reshape(-1)]
    rate = _matrix(table, "fps", file).reshape(-1)
    if not rate.size or not 0 < rate[0] < math.inf:
        raise refuse(where, file, f"must hold a rate above 0 at fps, not {rate[:1].tolist()}")
    if len(cells) != len(neurons) or any(cell.size not in (len(worms), 2 * len(worms)) for cell in cells):
        raise refuse(where, file, f"must hold {len(worms)} traces, or twice as many, for each of its neurons")
    found = {}
    for index, worm in enumerate(worms):
        traces: dict[str, np.ndarray] = {}
        for name, cell in zip(neurons, cells, strict=True):
            pair = cell.size == 2 * len(worms)
            for side, place in (("L", index), ("R", index + len(worms))) if pair else (("", index),):
                trace = np.asarray(cell[place], dtype=np.float64).reshape(-1)
                if trace.size:
                    traces[name + side] = trace
        if not traces:
            continue
        values = np.full((max(trace.size for trace in traces.values()), len(traces)), np.nan)
        for column, trace in enumerate(traces.values()):
            values[: trace.size, column] = trace
        found[worm] = traces_recording(
            values[None], times=np.arange(len(values)) / rate[0], labels=list(traces), animals=[worm],
            units="dF/F", source=f"yemini2021:{file.name}", where=where, events=_stimuli(table, index, file),
        )  # fmt: skip
    return found


def _matrix(table: dict[str, Any], name: str, file: Path) -> np.ndarray:
    try:
        return np.asarray(table[name], dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise refuse("read_yemini", file, f"must hold numbers at {name}") from error


def _stimuli(table: dict[str, Any], worm: int, file: Path) -> dict[str, Any] | None:
    names = [as_text(name) for name in texts(table["stim_names"])]
    times, orders = _matrix(table, "stim_times", file), _matrix(table, "stims", file)
    if not times.size:
        return None
    if times.shape[1:] != (2,) or orders.ndim != 2 or len(orders) <= worm or orders.shape[1] != len(times):
        bound = f"has stims {orders.shape}, (worm, stimulus), and stim_times {times.shape}, (stimulus, 2)"
        raise refuse("read_yemini", file, bound)
    order = orders[worm]
    if not np.isin(order, np.arange(1, len(names) + 1)).all():
        bound = f"has stimuli {order.tolist()} of worm {worm + 1}, and they are numbered 1 to {len(names)}"
        raise refuse("read_yemini", file, bound)
    spans = zip(order.astype(int) - 1, times, strict=True)
    return epoch_table([(names[k], float(start), float(stop)) for k, (start, stop) in spans])
