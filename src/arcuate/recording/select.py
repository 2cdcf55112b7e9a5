"""Parts of a recording: by trial, time, neuron, population and site; and cuts of a continuous state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import RecordingError, check_int, unknown
from arcuate.recording import schema
from arcuate.units import to_si

if TYPE_CHECKING:
    import xarray as xr

_WHERE = "Recording.select"


def select(
    tree: xr.DataTree, *, trial: Any, time: Any, neuron: Any, population: Any, site: Any
) -> xr.DataTree:
    """Return a tree with the chosen parts; see `Recording.select`.

    Parameters
    ----------
    tree : xarray.DataTree
    trial, time, neuron, population, site
        As in `Recording.select`; None for all.

    Returns
    -------
    xarray.DataTree
    """
    import xarray as xr

    interval = None if time is None else _interval(time, where=_WHERE, name="time")
    attrs = dict(tree.attrs)
    if trial is not None:
        attrs.pop("duration_s", None)
    if interval is not None:
        attrs = _clip(attrs, interval)
    groups: dict[str, xr.Dataset] = {"/": xr.Dataset(attrs=attrs)}
    for name in _chosen(population, schema.leaves(tree, "spikes"), "population"):
        dataset = schema.leaves(tree, "spikes")[name]
        keep = _mask(dataset["trial"].values, trial, "trial") & _mask(
            dataset["neuron"].values, neuron, "neuron"
        )
        keep &= _within(dataset["time"].values, interval)
        dataset = dataset.isel(spike=np.flatnonzero(keep))
        if neuron is not None and "n_neurons" in dataset.attrs:
            n = int(dataset.attrs["n_neurons"])
            left = _mask(np.arange(n), neuron, "neuron")
            dataset = dataset.assign_attrs(n_selected=int(left.sum()))
        groups[f"/spikes/{name}"] = dataset
    for name in _chosen(site, schema.leaves(tree, "states"), "site"):
        dataset = schema.leaves(tree, "states")[name]
        dataset = dataset.isel(trial=np.flatnonzero(_mask(dataset["trial"].values, trial, "trial")))
        dataset = dataset.isel(unit=np.flatnonzero(_mask(dataset["unit"].values, neuron, "neuron")))
        if "time" in dataset.dims:
            dataset = dataset.isel(time=np.flatnonzero(_within(dataset["time"].values, interval)))
        groups[f"/states/{name}"] = dataset
    for name, dataset in schema.leaves(tree, "weights").items():
        groups[f"/weights/{name}"] = dataset
    groups["/events"] = _events(schema.group(tree, "events"), trial, interval)
    groups["/outcome"] = schema.group(tree, "outcome")
    return xr.DataTree.from_dict(groups)


def _events(dataset: xr.Dataset, trial: Any, interval: tuple[float, float] | None) -> xr.Dataset:
    if "event" not in dataset.dims:
        return dataset
    keep = np.ones(dataset.sizes["event"], dtype=bool)
    if "trial" in dataset:
        keep &= _mask(dataset["trial"].values, trial, "trial")
    if "time" in dataset:
        keep &= _within(dataset["time"].values, interval)
    return dataset.isel(event=np.flatnonzero(keep))


def _chosen(wanted: Any, found: Iterable[str], kind: str) -> list[str]:
    names = list(found)
    if wanted is None:
        return names
    asked = [wanted] if isinstance(wanted, str) or not isinstance(wanted, Iterable) else list(wanted)
    for name in asked:
        if name not in names:
            raise unknown(_WHERE, str(name), names, kind=kind)
    return [name for name in names if name in asked]


def _mask(labels: np.ndarray, wanted: Any, name: str) -> np.ndarray:
    """Which labels are asked for; a slice is half open and counts labels, not positions."""
    if wanted is None:
        return np.ones(labels.size, dtype=bool)
    if isinstance(wanted, slice):
        if wanted.step not in (None, 1):
            raise RecordingError.of(
                where=_WHERE, name=name, value=wanted, bound="must be a slice without a step"
            )
        keep = np.ones(labels.size, dtype=bool)
        if wanted.start is not None:
            keep &= labels >= check_int(wanted.start, where=_WHERE, name=f"{name}.start", low=None)
        if wanted.stop is not None:
            keep &= labels < check_int(wanted.stop, where=_WHERE, name=f"{name}.stop", low=None)
        return keep
    chosen = np.atleast_1d(np.asarray(wanted))
    if chosen.ndim != 1 or (chosen.size and chosen.dtype.kind not in "iu"):
        raise RecordingError.of(
            where=_WHERE, name=name, value=wanted, bound="must be a whole number, a list of them or a slice"
        )
    return np.isin(labels, chosen)


def _within(times: np.ndarray, interval: tuple[float, float] | None) -> np.ndarray:
    if interval is None:
        return np.ones(times.size, dtype=bool)
    return np.asarray((times >= interval[0]) & (times < interval[1]))


def _interval(value: Any, *, where: str, name: str) -> tuple[float, float]:
    """Return the ends of a half-open interval, s; an end that is not given is infinite."""
    if isinstance(value, slice) and value.step is None:
        value = (value.start, value.stop)
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise RecordingError.of(
            where=where,
            name=name,
            value=value,
            bound="must be a slice or pair of times",
            fix='use slice("0 s", "1 s")',
        )
    low, high = (
        end if part is None else to_si(part, "s", where=where, name=name)
        for part, end in zip(value, (-np.inf, np.inf), strict=True)
    )
    if high <= low:
        raise RecordingError.of(where=where, name=name, value=value, bound="must end after it starts")
    return float(low), float(high)


def _clip(attrs: dict[Any, Any], interval: tuple[float, float]) -> dict[Any, Any]:
    """Start and length of the part of the run that is left."""
    clipped = dict(attrs)
    if "duration_s" in attrs:
        first = float(attrs.get("start_s", 0.0))
        low = max(first, interval[0])
        high = min(first + float(attrs["duration_s"]), interval[1])
        clipped |= {"start_s": low, "duration_s": max(high - low, 0.0)}
    return clipped


def cut(states: xr.DataArray, starts: Any, *, window: Any, where: str) -> xr.DataArray:
    """Cut a continuous state into trials; see `Recording.epochs`.

    Parameters
    ----------
    states : xarray.DataArray
        Dims (``trial`` of length 1, ``time``, ``unit``).
    starts : array_like, (n_trials,)
        s.
    window : quantity or pair of quantities
        Half-open interval.
    where : str
        Place named in an error.

    Returns
    -------
    xarray.DataArray
    """
    import xarray as xr

    if "time" not in states.dims or states.sizes["trial"] != 1:
        raise RecordingError.of(
            where=where,
            name="dims",
            value=dict(states.sizes),
            bound="must have a time axis and a single trial: this state is cut already, or not in time",
        )
    low, high = _interval(
        window if isinstance(window, (tuple, list, slice)) else ("0 s", window), where=where, name="window"
    )
    if not np.isfinite(low) or not np.isfinite(high):
        raise RecordingError.of(where=where, name="window", value=window, bound="must have two ends")
    time = states["time"].values
    period = _period(time, where=where)
    zero = np.atleast_1d(np.asarray(starts, dtype=float))
    if zero.ndim != 1 or not zero.size or not np.isfinite(zero).all():
        raise RecordingError.of(
            where=where, name="starts", value=starts, bound="must be finite times, at least one"
        )
    length = max(1, round((high - low) / period))
    first = np.rint((zero + low - time[0]) / period).astype(np.int64)
    bad = np.flatnonzero((first < 0) | (first + length > time.size))
    if bad.size:
        raise RecordingError.of(
            where=where,
            name=f"starts[{bad[0]}]",
            value=float(zero[bad[0]]),
            bound=f"its window must lie within the recorded {time[0]:g} .. {time[-1] + period:g} s",
        )
    rows = first[:, None] + np.arange(length)
    return xr.DataArray(
        states.values[0][rows],
        dims=("trial", "time", "unit"),
        coords={
            "trial": np.arange(zero.size),
            "start": ("trial", zero),
            "time": low + np.arange(length) * period,
            "unit": states["unit"].values,
        },
        name=states.name,
        attrs=dict(states.attrs),
    )


def _period(time: np.ndarray, *, where: str) -> float:
    if time.size < 2:
        raise RecordingError.of(
            where=where, name="time", value=time.size, bound="must have at least two samples"
        )
    period = float((time[-1] - time[0]) / (time.size - 1))
    if np.abs(np.diff(time) - period).max() > 1e-6 * period + 1e-12 * abs(float(time[-1])):
        raise RecordingError.of(
            where=where, name="time", value="uneven", bound="must be evenly spaced to be cut"
        )
    return period
