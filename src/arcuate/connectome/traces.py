"""Traces of identified neurons: animals, neurons by name, one uniform grid of times."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from arcuate.errors import ArcuateWarning, SpecError, check_choice, check_real, unknown
from arcuate.recording import Recording

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["as_traces", "to_recording"]

Floats = NDArray[np.float64]
DIMS = ("animal", "neuron", "time")
SITE, QUANTITY = "traces", "trace"
STRAY = 0.01
"""Times that stray from a uniform grid by less than this part of a step count as uniform."""
_WHERE = "as_traces"


def as_traces(
    data: Any,
    *,
    dims: Sequence[str] | None = None,
    rate_hz: float | None = None,
    times: Any = None,
    labels: Any = None,
    animals: Sequence[str] | None = None,
    neurons: str | None = None,
    fill_s: float = 0.0,
    bad: str = "refuse",
    site: str | None = None,
    quantity: str | None = None,
    units: str | None = None,
) -> xr.DataArray:
    """Arrange traces as animals by neurons by times, on one uniform grid, or say what stands in the way.

    Parameters
    ----------
    data : array_like, DataArray, Recording, or a sequence or mapping of them, one for each animal
        An array needs `dims`; a DataArray has them by name; a mapping names the animals.
    dims : sequence of str, optional
        What the axes of a plain array are, in any order: ``("neuron", "time")``, with animals
        ``("animal", "neuron", "time")``. It is never guessed from the shape.
    rate_hz : float, optional
        Samples a second. With uneven `times`, the rate of the grid, which is else that of their median step.
    times : array_like, (n_times,), s, or one for each animal, optional
        When the samples were taken. Uneven ones are interpolated linearly onto a grid, with a warning.
    labels : sequence of str, (n_neurons,), or one for each animal, optional
        Names of neurons; their numbers by default.
    animals : sequence of str, (n_animals,), optional
        Names of animals; their numbers by default.
    neurons : {"union", "intersection"}, optional
        What to keep where animals differ in their neurons, which must then be said: all, with NaN where an
        animal lacks one, or those that every animal has.
    fill_s : float, s
        Runs of NaN up to this long are filled by linear interpolation, at the ends by the nearest value.
    bad : {"refuse", "drop"}
        What becomes of a neuron that still has a run of NaN, or that never changes: an error by its name, or
        it counts as missing in that animal.
    site, quantity : str, optional
        Which states of a Recording; needed where it has several.
    units : str, optional
        Unit of the traces, "1" by default: that of ``attrs["units"]`` or of the Recording.

    Returns
    -------
    DataArray, (animal, neuron, time), float64
        Coordinates are names, names and s; attributes ``units`` and ``rate_hz``. A neuron that an animal
        lacks is NaN at all its times, and nothing else is.

    Raises
    ------
    SpecError
        By name: axes that are not said, a rate of zero, times that do not ascend, names that do not fit, a
        NaN run, a neuron that never changes, neurons that differ between animals.

    Warns
    -----
    ArcuateWarning
        Where times are interpolated onto a grid, or the numbers look like counts of spikes.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> first, second = rng.random((2, 40)), rng.random((2, 40))
    >>> traces = as_traces([first, second], dims=("neuron", "time"), rate_hz=4.0,
    ...                    labels=[["AVA", "AWB"], ["AVA", "RIM"]], animals=["w1", "w2"], neurons="union")
    >>> traces.sizes["neuron"], traces.sel(animal="w2", neuron="AWB").isnull().all().item()
    (3, True)
    """
    bad = check_choice(bad, ("refuse", "drop"), where=_WHERE, name="bad")
    fill_s = check_real(fill_s, where=_WHERE, name="fill_s", low=0.0)
    if neurons is not None:
        check_choice(neurons, ("union", "intersection"), where=_WHERE, name="neurons")
    rate = None if rate_hz is None else _rate(rate_hz)
    given = _Given(dims=dims, rate=rate, times=times, labels=labels, site=site, quantity=quantity)
    parts = _named(_parts(data, given), animals)
    parts, rate = _on_one_grid(parts, rate)
    names = _neurons(parts, neurons)
    values = np.full((len(parts), len(names), parts[0].times.size), np.nan)
    place = {name: index for index, name in enumerate(names)}
    for row, part in zip(values, parts, strict=True):
        mine = [index for index, name in enumerate(part.labels) if name in place]
        row[[place[part.labels[index]] for index in mine]] = part.values[mine]
    _clean(
        values,
        [part.animal for part in parts],
        names,
        start=parts[0].times[0],
        rate=rate,
        fill=int(np.floor(fill_s * rate + 1e-9)),
        drop=bad == "drop",
    )
    _look_for_counts(values)
    found = parts[0].units or "1" if units is None else units
    return _array(values, [part.animal for part in parts], names, parts[0].times, rate, found)


def to_recording(
    traces: Any, *, site: str = SITE, quantity: str = QUANTITY, source: str = "traces", events: Any = None
) -> Recording:
    """Put traces into a Recording, so that they can be saved, and read again by `as_traces`.

    Parameters
    ----------
    traces : DataArray, (animal, neuron, time), or what else `as_traces` takes without further words
    site, quantity : str
        Names of the states.
    source : str
        Where they come from, such as "nwb:worm.nwb".
    events : mapping or DataFrame, optional
        Columns of equal length, such as ``stimulus``, ``time`` and ``stop`` (s).

    Returns
    -------
    Recording
        One trial for each animal, one unit for each neuron; names are the coordinates ``animal`` and
        ``neuron``.

    Raises
    ------
    SpecError
        If they are no traces.

    Examples
    --------
    >>> import numpy as np
    >>> data = np.random.default_rng(1).random((3, 40))
    >>> traces = as_traces(data, dims=("neuron", "time"), rate_hz=2.0, labels=["AVA", "AWB", "RIM"])
    >>> recording = to_recording(traces)
    >>> as_traces(recording).equals(traces), recording.states("traces")["neuron"].values.tolist()
    (True, ['AVA', 'AWB', 'RIM'])
    """
    array = as_traces(traces)
    coords = {
        "time": array["time"].values,
        "animal": ("trial", array["animal"].values),
        "neuron": ("unit", array["neuron"].values),
    }
    value = (array.values.swapaxes(1, 2), ("trial", "time", "unit"), coords, array.attrs["units"])
    rate, times = array.attrs["rate_hz"], array["time"].values
    return Recording.build(
        source=source,
        states={site: {quantity: value}},
        events=events,
        dt=1.0 / rate,
        start=float(times[0]),
        duration=times.size / rate,
    )


@dataclass(frozen=True, kw_only=True)
class _Given:
    """What was said about the data."""

    dims: Sequence[str] | None
    rate: float | None
    times: Any
    labels: Any
    site: str | None
    quantity: str | None

    def of(self, index: int, key: Any, n: int) -> _Given:
        """Say it of one animal of several: each has its own times and names, or all have the same."""
        return replace(
            self,
            times=_one_of(self.times, index, key, n, name="times"),
            labels=_one_of(self.labels, index, key, n, name="labels"),
        )


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Traces of one animal: values (n_neurons, n_times), names, times in s."""

    values: Floats
    labels: list[str]
    times: Floats
    animal: str | None
    units: str


def _refuse(name: str, bound: str, *, fix: str = "", **value: Any) -> SpecError:
    return SpecError.of(where=_WHERE, name=name, bound=bound, fix=fix, **value)


def _rate(value: Any) -> float:
    number = check_real(value, where=_WHERE, name="rate_hz")
    if number <= 0.0:
        fix = "give the samples a second, such as rate_hz=4.0, or leave it out and give times"
        raise _refuse("rate_hz", "must be > 0 Hz", value=number, fix=fix)
    return number


def _one_of(value: Any, index: int, key: Any, n: int, *, name: str) -> Any:
    """One animal's share of what was given for all of them together or for each."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        if key not in value:
            raise unknown(_WHERE, key, [str(item) for item in value], kind=f"animal in {name}")
        return value[key]
    items = list(value)
    if all(np.ndim(item) == 0 for item in items):
        return value
    if len(items) != n:
        raise _refuse(
            name, f"must be one list, or one for each of the {n} animals", value=f"{len(items)} lists"
        )
    return items[index]


def _parts(data: Any, given: _Given) -> list[_Part]:
    """Take the data apart into animals."""
    if isinstance(data, Recording):
        return _of_dataarray(_states(data, given), given)
    if hasattr(data, "dims") and hasattr(data, "coords") and hasattr(data, "values"):
        return _of_dataarray(data, given)
    plain = given.dims is not None and len(given.dims) == len(DIMS)
    if isinstance(data, Mapping):
        items = list(data.items())
    elif isinstance(data, list | tuple) and not plain and (not data or np.ndim(data[0]) != 1):
        items = list(enumerate(data))
    elif hasattr(data, "__array__") or isinstance(data, list | tuple):
        return _of_array(data, given)
    else:
        raise _refuse(
            "data", "must be an array, a DataArray, a Recording, or one of them for each animal", value=data
        )
    if not items:
        raise _refuse("data", "must hold at least one animal", value=data)
    parts = []
    for index, (key, item) in enumerate(items):
        own = _parts(item, given.of(index, key, len(items)))
        if isinstance(key, str):
            if len(own) != 1:
                raise _refuse("data", f"must hold one animal at {key!r}, not {len(own)}")
            own = [replace(own[0], animal=key)]
        parts += own
    return parts


def _states(recording: Recording, given: _Given) -> xr.DataArray:
    """The chosen states of a Recording, trials as animals and units as neurons."""
    import xarray as xr

    sites = recording.sites
    site = given.site or (sites[0] if len(sites) == 1 else None)
    if site is None:
        raise _refuse(
            "site",
            f"must be one of {', '.join(sites) or 'none: the recording has no states'}",
            value=None,
            fix="spikes become traces by arcuate.connectome.fluorescence",
        )
    dataset = recording.states(site)
    known = [str(name) for name in dataset.data_vars]
    quantity = given.quantity or (known[0] if len(known) == 1 else None)
    if quantity not in known:
        raise unknown(_WHERE, quantity, known, kind="quantity")
    array = dataset[quantity]
    if "time" not in array.dims:
        raise _refuse("site", f"must have states over time, and has them over {array.dims[1]}", value=site)
    coords = {
        "animal": _own(array, "animal", "trial"),
        "neuron": _own(array, "neuron", "unit"),
        "time": array["time"].values,
    }
    values = array.values.swapaxes(1, 2)
    return xr.DataArray(values, dims=DIMS, coords=coords, attrs=array.attrs)


def _own(array: xr.DataArray, name: str, dim: str) -> NDArray[Any]:
    """Names along a dimension of a Recording, or its numbers."""
    return np.asarray(array[name if name in array.coords else dim].values)


def _of_dataarray(array: xr.DataArray, given: _Given) -> list[_Part]:
    dims = tuple(str(dim) for dim in array.dims)
    if sorted(dims) not in (sorted(DIMS), sorted(DIMS[1:])):
        fix = 'rename them: data.rename(cell="neuron", frame="time")'
        raise _refuse("dims", "must be animal (or none), neuron and time", value=dims, fix=fix)
    labels = _coord(array, "neuron") if given.labels is None else given.labels
    times = _coord(array, "time") if given.times is None else given.times
    if times is None and given.rate is None and "rate_hz" in array.attrs:
        given = replace(given, rate=_rate(array.attrs["rate_hz"]))
    parts = _of_array(array.values, replace(given, dims=dims, labels=labels, times=times))
    found = _coord(array, "animal")
    names = [None] * len(parts) if found is None else [str(name) for name in np.atleast_1d(found)]
    units = str(array.attrs.get("units", ""))
    return [replace(part, animal=name, units=units) for part, name in zip(parts, names, strict=True)]


def _coord(array: xr.DataArray, name: str) -> NDArray[Any] | None:
    return np.asarray(array.coords[name].values) if name in array.coords else None


def _of_array(data: Any, given: _Given) -> list[_Part]:
    """Take a plain array apart, by the names of its axes."""
    values = _real(data)
    if given.dims is None:
        fix = 'say what they are, such as dims=("neuron", "time"); an orientation is never guessed'
        raise _refuse("dims", f"the axes of an array of shape {values.shape} have no names", fix=fix)
    dims = tuple(given.dims)
    if sorted(dims) not in (sorted(DIMS), sorted(DIMS[1:])) or len(dims) != values.ndim:
        bound = (
            f"must name each axis of an array of shape {values.shape}: neuron, time, and animal if it has one"
        )
        raise _refuse("dims", bound, value=dims)
    if len(dims) == 2:
        values, dims = values[None], ("animal", *dims)
    values = values.transpose([dims.index(dim) for dim in DIMS])
    n_animals, n_neurons, n_times = values.shape
    if 0 in values.shape or n_times < 2:
        raise _refuse("data", f"must hold a neuron and at least 2 samples, not {n_neurons} and {n_times}")
    parts = []
    for index, rows in enumerate(values):
        own = given.of(index, index, n_animals)
        labels = _labels(own.labels, n_neurons, n_times)
        times = _times(own, n_times, n_neurons)
        parts.append(_Part(values=rows, labels=labels, times=times, animal=None, units=""))
    return parts


def _real(data: Any) -> Floats:
    try:
        array = np.asarray(data)
    except (ValueError, TypeError) as error:
        raise _refuse("data", "must be a regular array of numbers", value=data) from error
    if array.dtype.kind not in "fiub":
        raise _refuse("data", "must hold real numbers", value=f"array of {array.dtype}")
    array = array.astype(np.float64, copy=False)
    if np.isinf(array).any():
        index = tuple(int(k) for k in np.argwhere(np.isinf(array))[0])
        raise _refuse("data", f"must be finite or NaN, at index {index}", value=float(array[index]))
    return array


def _labels(labels: Any, n_neurons: int, n_times: int) -> list[str]:
    if labels is None:
        return [str(index) for index in range(n_neurons)]
    names = [str(name) for name in labels]
    if len(names) != n_neurons:
        fix = "the axes may be swapped: dims names them in their order" if len(names) == n_times else ""
        raise _refuse(
            "labels", f"must be {n_neurons} names, one for each neuron", value=f"{len(names)} names", fix=fix
        )
    doubled = (
        sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    )
    if doubled:
        fix = "average or rename those that share a name"
        raise _refuse("labels", "must name each neuron once", value=doubled, fix=fix)
    return names


def _times(given: _Given, n_times: int, n_neurons: int) -> Floats:
    if given.times is None:
        if given.rate is None:
            fix = "give rate_hz, samples a second, or times, in s"
            raise _refuse("rate_hz", "is needed: the data have no times", fix=fix)
        return np.arange(n_times) / given.rate
    times = np.asarray(given.times)
    if times.dtype.kind not in "fiu" or times.ndim != 1 or times.size != n_times:
        swapped = times.ndim == 1 and times.size == n_neurons
        raise _refuse(
            "times",
            f"must be {n_times} numbers, one for each sample, in s",
            value=f"shape {times.shape}, {times.dtype}",
            fix="the axes may be swapped: dims names them in their order" if swapped else "",
        )
    times = times.astype(np.float64)
    wrong = np.flatnonzero(~np.isfinite(times) | (np.diff(times, prepend=-np.inf) <= 0))
    if wrong.size:
        index = int(wrong[0])
        raise _refuse(
            "times",
            f"must be finite and ascend, at index {index}",
            value=float(times[index]),
            fix="sort the samples by time and keep one of those at the same time",
        )
    return times


def _named(parts: list[_Part], animals: Sequence[str] | None) -> list[_Part]:
    if animals is None:
        names = [str(index) if part.animal is None else part.animal for index, part in enumerate(parts)]
        if len(set(names)) < len(names):
            names = [str(index) for index in range(len(parts))]
    else:
        names = [animals] if isinstance(animals, str) else [str(name) for name in animals]
    if len(names) != len(parts) or len(set(names)) < len(names):
        raise _refuse("animals", f"must be {len(parts)} names, one for each animal, each once", value=names)
    return [replace(part, animal=name) for part, name in zip(parts, names, strict=True)]


def _on_one_grid(parts: list[_Part], rate: float | None) -> tuple[list[_Part], float]:
    """Bring all animals to one uniform grid of times, by linear interpolation where they are not on it."""
    first = parts[0].times
    step = float(first[-1] - first[0]) / (first.size - 1)
    same = all(part.times.size == first.size and _near(part.times, first, step) for part in parts)
    even = first[0] + step * np.arange(first.size)
    if same and _near(first, even, step) and (rate is None or abs(rate * step - 1.0) < 1e-6):
        rate = _digits(1.0 / step) if rate is None else rate
        times = first if np.abs(first - even).max() < 1e-9 * step else even
        return [replace(part, times=times) for part in parts], rate
    begin = max(float(part.times[0]) for part in parts)
    end = min(float(part.times[-1]) for part in parts)
    if rate is None:
        rate = _digits(1.0 / max(float(np.median(np.diff(part.times))) for part in parts))
    count = int(np.floor((end - begin) * rate + 1e-9)) + 1
    if count < 2:
        raise _refuse(
            "times",
            "must overlap: no two samples fall into the time that all animals share",
            value=f"{begin:.6g} to {end:.6g} s",
        )
    why = "the times are not uniform" if same else "the times of the animals differ"
    if same and _near(first, even, step):
        why = f"the times have a rate of {1.0 / step:.6g} Hz"
    warnings.warn(
        f"{_WHERE}: {why}; interpolated linearly onto {count} samples at {rate:.6g} Hz from {begin:.6g} s.",
        ArcuateWarning,
        stacklevel=3,
    )
    times = begin + np.arange(count) / rate
    return [replace(part, values=_interpolate(part, times), times=times) for part in parts], rate


def _digits(rate: float) -> float:
    """A rate without the last digits, which are those of the times' rounding."""
    return float(f"{rate:.12g}")


def _near(one: Floats, other: Floats, step: float) -> bool:
    return bool(np.abs(one - other).max() <= STRAY * step)


def _interpolate(part: _Part, times: Floats) -> Floats:
    """Values at other times; next to a NaN it stays NaN."""
    return np.stack([np.interp(times, part.times, row) for row in part.values])


def _neurons(parts: list[_Part], keep: str | None) -> list[str]:
    """Names of the neurons to keep, in the order in which they come."""
    present = [
        {name for name, row in zip(part.labels, part.values, strict=True) if not np.isnan(row).all()}
        for part in parts
    ]
    every = list(dict.fromkeys(name for part in parts for name in part.labels))
    listed = all(set(part.labels) == set(every) for part in parts)
    if keep is None and not listed:
        lacking = next(part for part in parts if set(part.labels) != set(every))
        lost = sorted(set(every) - set(lacking.labels))[:3]
        fix = 'say neurons="union" (missing ones are NaN) or neurons="intersection"'
        raise _refuse(
            "neurons", f"animal {lacking.animal!r} lacks {', '.join(lost)}, which others have", fix=fix
        )
    if keep == "intersection":
        every = [name for name in every if all(name in mine for mine in present)]
        if not every:
            raise _refuse("neurons", "no neuron is in every animal", value=keep, fix='use neurons="union"')
    if not any(present):
        raise _refuse("data", "must hold a number: every value is NaN")
    return every


def _clean(
    values: Floats,
    animals: list[str | None],
    names: list[str],
    *,
    start: float,
    rate: float,
    fill: int,
    drop: bool,
) -> None:
    """Fill short runs of NaN, and refuse or drop what is left of them and what never changes; in place."""
    holes = np.isnan(values)
    count = holes.sum(axis=2)
    for animal, neuron in np.argwhere((count > 0) & (count < values.shape[2])):
        row = values[animal, neuron]
        run = _fill(row, fill)
        if run is not None:
            if not drop:
                bound = (
                    f"neuron {names[neuron]!r} of animal {animals[animal]!r} has {run[1]} NaN in a row"
                    f" from {start + run[0] / rate:.6g} s"
                )
                fix = f'use fill_s={run[1] / rate:.4g} to fill such runs, or bad="drop" to leave it out'
                raise _refuse("data", bound, fix=fix)
            row[:] = np.nan
    still = values.min(axis=2) == values.max(axis=2)
    if still.any() and not drop:
        animal, neuron = (int(k) for k in np.argwhere(still)[0])
        more = f", and {still.sum() - 1} more" if still.sum() > 1 else ""
        bound = f"neuron {names[neuron]!r} of animal {animals[animal]!r} never changes{more}"
        raise _refuse("data", bound, fix='use bad="drop" to leave such neurons out')
    values[still] = np.nan


def _fill(row: Floats, longest: int) -> tuple[int, int] | None:
    """Fill runs of NaN up to a length, in place; return start and length of the first that is longer."""
    holes = np.isnan(row)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], holes, [False])).astype(np.int8)))
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    long = np.flatnonzero(lengths > longest)
    if long.size:
        return int(starts[long[0]]), int(lengths[long[0]])
    row[holes] = np.interp(np.flatnonzero(holes), np.flatnonzero(~holes), row[~holes])
    return None


def _look_for_counts(values: Floats) -> None:
    """Warn of numbers that are whole, not negative and mostly zero: spikes in bins, not traces."""
    some = values[~np.isnan(values)]
    head = some[:1000]
    if not head.size or (head < 0).any() or (head != np.round(head)).any():
        return
    if (some >= 0).all() and (some == np.round(some)).all() and (some == 0).mean() > 0.5:
        warnings.warn(
            f"{_WHERE}: the numbers look like counts of spikes (whole, most of them 0), and traces are"
            " needed; arcuate.connectome.fluorescence makes traces of spikes.",
            ArcuateWarning,
            stacklevel=3,
        )


def _array(
    values: Floats, animals: list[str | None], names: list[str], times: Floats, rate: float, units: str
) -> xr.DataArray:
    import xarray as xr

    return xr.DataArray(
        values,
        dims=DIMS,
        coords={
            "animal": np.array(animals, dtype=str),
            "neuron": np.array(names, dtype=str),
            "time": ("time", times, {"units": "s"}),
        },
        attrs={"units": units, "rate_hz": rate},
        name="trace",
    )
