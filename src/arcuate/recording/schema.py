"""The schema of a Recording: arrays in, checked datasets out; and the check of a whole tree.

Groups: ``/spikes/<population>``, ``/states/<site>``, ``/weights/<name>``, ``/events``, ``/outcome``.
Attributes are text and numbers only, because netCDF can hold nothing else; anything nested is JSON text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import RecordingError, check_choice

if TYPE_CHECKING:
    import xarray as xr

SCHEMA = "arcuate.recording"
VERSION = "1.0"
AXES = ("time", "tick", "token", "layer")
GROUPS = ("spikes", "states", "weights", "events", "outcome")
TRIAL_LABELS = ("stimulus", "repeat", "condition")
_KINDS = "fiubU"
_INT64 = 2**63


def _array(value: Any, *, where: str, name: str) -> np.ndarray:
    """Return an array of a kind that a netCDF file can hold: real, whole, true/false or text."""
    array = np.asarray(value)
    if array.dtype.kind in "OT" and all(isinstance(item, str) for item in array.ravel()):
        array = array.astype(str) if array.size else array.astype("<U1")
    if array.dtype.kind not in _KINDS or (array.dtype.itemsize == 16 and array.dtype.kind == "f"):
        raise RecordingError.of(
            where=where,
            name=name,
            value=f"array of {array.dtype}",
            bound="must hold real numbers, whole numbers, true/false or text",
            fix="split a complex array into real and imaginary part" if array.dtype.kind == "c" else "",
        )
    return array


def _column(value: Any, *, where: str, name: str, n: int | None = None) -> np.ndarray:
    array = _array(value, where=where, name=name)
    if array.ndim != 1 or (n is not None and array.size != n):
        wanted = "(n,)" if n is None else f"({n},)"
        raise RecordingError.of(
            where=where, name=name, value=f"array of shape {array.shape}", bound=f"must have shape {wanted}"
        )
    return array


def _indices(value: Any, *, where: str, name: str, n: int | None = None, low: int = 0) -> np.ndarray:
    array = _column(value, where=where, name=name, n=n)
    if array.size and (array.dtype.kind not in "iu" or array.min() < low or array.max() >= 2**31):
        shown = (
            f"array of {array.dtype}" if array.dtype.kind not in "iu" else f"{array.min()} .. {array.max()}"
        )
        raise RecordingError.of(
            where=where, name=name, value=shown, bound=f"must be whole numbers from {low} to 2147483647"
        )
    return array.astype(np.int32)


def _times(value: Any, *, where: str, name: str, n: int | None = None) -> np.ndarray:
    array = _column(value, where=where, name=name, n=n)
    if array.size and array.dtype.kind not in "fiu":
        raise RecordingError.of(
            where=where, name=name, value=f"array of {array.dtype}", bound="must be times in s"
        )
    array = array.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise RecordingError.of(
            where=where, name=f"{name}[{bad[0]}]", value=float(array[bad[0]]), bound="must be finite"
        )
    return array


def _keys(table: Mapping[str, Any], *, where: str, needed: Iterable[str], allowed: Iterable[str]) -> None:
    for name in needed:
        if name not in table:
            raise RecordingError.of(where=where, name=name, value=None, bound="must be given")
    choices = [*needed, *allowed]
    for name in table:
        check_choice(name, choices, where=where, name="field")


def group_name(value: Any, *, where: str) -> str:
    """Check the name of a population, site or projection.

    Parameters
    ----------
    value : str
        Parts separated by single slashes.
    where : str
        Place named in an error.

    Returns
    -------
    str

    Raises
    ------
    RecordingError
        If the name is empty, too long, has an empty part or a control character.
    """
    ok = isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable()
    if not ok or any(part.strip() in ("", ".", "..") for part in value.split("/")):
        raise RecordingError.of(
            where=where,
            name="name",
            value=value,
            bound="must be 1 to 200 printable characters, with no empty part between slashes",
        )
    return str(value)


@dataclass(frozen=True)
class Spikes:
    """Spikes of one population, sorted by trial, time and neuron.

    Attributes
    ----------
    time : ndarray, (n_spikes,), s
    neuron, trial : ndarray, (n_spikes,), int32
    n : int, optional
        Number of neurons, where it is known.
    """

    time: np.ndarray
    neuron: np.ndarray
    trial: np.ndarray
    n: int | None


def sorted_spikes(name: str, table: Mapping[str, Any]) -> Spikes:
    """Check and sort the spikes of one population.

    Parameters
    ----------
    name : str
        Population.
    table : mapping
        "time" (s) and "neuron", each (n_spikes,); optional "trial" (n_spikes,), 0 by default, and "n", the
        number of neurons.

    Returns
    -------
    Spikes
        Copies of the arrays.

    Raises
    ------
    RecordingError
        Naming the field, the value and the rule.

    Examples
    --------
    >>> sorted_spikes("exc", {"time": [0.2, 0.1], "neuron": [0, 1]}).time.tolist()
    [0.1, 0.2]
    """
    where = f"spikes of {name!r}"
    if not isinstance(table, Mapping):
        raise RecordingError.of(where=where, name="table", value=table, bound="must be a table of arrays")
    _keys(table, where=where, needed=("time", "neuron"), allowed=("trial", "n"))
    time = _times(table["time"], where=where, name="time")
    neuron = _indices(table["neuron"], where=where, name="neuron", n=time.size)
    given = table.get("trial")
    trial = np.zeros(time.size, np.int32) if given is None else given
    trial = _indices(trial, where=where, name="trial", n=time.size, low=-1)
    n = None if table.get("n") is None else int(table["n"])
    if n is not None and neuron.size and int(neuron.max()) >= n:
        raise RecordingError.of(
            where=where, name="neuron", value=int(neuron.max()), bound=f"must be < n, {n} neurons"
        )
    if not _is_sorted(trial, time, neuron):
        order = np.lexsort((neuron, time, trial))
        time, neuron, trial = time[order], neuron[order], trial[order]
    return Spikes(time, neuron, trial, n)


def spikes_dataset(spikes: Spikes) -> xr.Dataset:
    """Label the spikes of one population.

    Parameters
    ----------
    spikes : Spikes

    Returns
    -------
    xarray.Dataset
        Ragged, dimension ``spike``.
    """
    import xarray as xr

    columns: dict[str, Any] = {
        "time": ("spike", spikes.time, {"units": "s"}),
        "neuron": ("spike", spikes.neuron),
        "trial": ("spike", spikes.trial),
    }
    return xr.Dataset(columns, attrs={} if spikes.n is None else {"n_neurons": spikes.n})


def _is_sorted(*keys: np.ndarray) -> bool:
    """Whether rows ascend in the lexical order of the keys, the first key deciding first."""
    tied = np.ones(max(keys[0].size - 1, 0), dtype=bool)
    for key in keys:
        if np.any(tied & (key[1:] < key[:-1])):
            return False
        tied &= key[1:] == key[:-1]
    return True


def _variable(
    value: Any, *, where: str, name: str
) -> tuple[np.ndarray, tuple[str, ...], dict[str, Any], str]:
    """Take one state apart into data, dims, coordinates and unit."""
    if hasattr(value, "dims") and hasattr(value, "coords") and hasattr(value, "attrs"):
        coords = {key: (c.dims, c.values) for key, c in value.coords.items()}
        return value.values, tuple(map(str, value.dims)), coords, str(value.attrs.get("units", "1"))
    if isinstance(value, Mapping):
        _keys(value, where=f"{where}, {name!r}", needed=("data", "dims"), allowed=("coords", "units"))
        value = (value["data"], value["dims"], value.get("coords"), value.get("units"))
    if not isinstance(value, tuple) or not 2 <= len(value) <= 4:
        raise RecordingError.of(
            where=where,
            name=name,
            value=value,
            bound="must be a DataArray, or a table or tuple of data, dims, coords, units",
        )
    padded = [*value, None, None]
    data, dims, coords, units = padded[:4]
    return np.asarray(data), tuple(dims), dict(coords or {}), str(units or "1")


def _axis(dims: tuple[str, ...], *, where: str, name: str) -> str:
    axes = [dim for dim in dims if dim in AXES]
    rest = [dim for dim in dims if dim not in AXES]
    order = [dim for dim in ("trial", *axes, "unit") if dim in dims]
    if len(axes) != 1 or any(dim not in ("trial", "unit") for dim in rest) or list(dims) != order:
        raise RecordingError.of(
            where=where,
            name=f"{name}.dims",
            value=dims,
            bound='must be ("trial", AXIS, "unit") with AXIS one of ' + ", ".join(AXES),
            fix="transpose the array, or record one site for each further dimension",
        )
    return axes[0]


def states_dataset(site: str, variables: Mapping[str, Any] | xr.Dataset) -> xr.Dataset:
    """Build the dense states of one site.

    Parameters
    ----------
    site : str
        Name, a path such as "reservoir/exc".
    variables : mapping or Dataset
        For each quantity a DataArray, or data, dims, coords and units. Dims are ("trial", AXIS, "unit") in
        this order; a missing ``trial`` or ``unit`` is added with length 1. An integer array keeps its type.

    Returns
    -------
    xarray.Dataset
        Dimensions (``trial``, AXIS, ``unit``), coordinates completed.
    """
    import xarray as xr

    where = f"states of {site!r}"
    if hasattr(variables, "data_vars"):
        variables = {str(name): variable for name, variable in variables.data_vars.items()}
    if not isinstance(variables, Mapping) or not variables:
        raise RecordingError.of(
            where=where, name="variables", value=variables, bound="must hold at least one state"
        )
    axis = ""
    data_vars: dict[str, Any] = {}
    coords: dict[str, Any] = {}
    for name, value in variables.items():
        data, dims, own, units = _variable(value, where=where, name=str(name))
        mine = _axis(dims, where=where, name=str(name))
        if axis and mine != axis:
            raise RecordingError.of(
                where=where, name=f"{name}.dims", value=dims, bound=f"must use the site's one axis, {axis!r}"
            )
        axis = mine
        data = _array(data, where=where, name=str(name))
        if data.ndim != len(dims):
            raise RecordingError.of(
                where=where,
                name=str(name),
                value=f"array of shape {data.shape}",
                bound=f"must have the dims {dims}",
            )
        data = data[None] if "trial" not in dims else data
        data = data[..., None] if "unit" not in dims else data
        data_vars[str(name)] = (("trial", axis, "unit"), data, {"units": units})
        coords |= own
    try:
        dataset = xr.Dataset(data_vars, coords=_coords(coords, where=where))
    except ValueError as error:
        shapes = {name: value[1].shape for name, value in data_vars.items()}
        raise RecordingError.of(
            where=where,
            name="shapes",
            value=shapes,
            bound="must agree with one another and with the coordinates",
        ) from error
    return _complete(dataset, axis, where=where)


def _coords(coords: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """Give each coordinate its dimension: its own name, or ``trial`` unless it says otherwise."""
    checked: dict[str, Any] = {}
    for name, value in coords.items():
        if isinstance(value, tuple) and len(value) >= 2 and isinstance(value[0], (str, tuple)):
            dims, data = value[0], value[1]
        elif name in (*AXES, "trial", "unit"):
            dims, data = name, value
        else:
            dims, data = "trial", value
        checked[name] = (dims, _array(data, where=where, name=f"coordinate {name!r}"))
    return checked


def _complete(dataset: xr.Dataset, axis: str, *, where: str) -> xr.Dataset:
    """Add the coordinates every site has, and check the within-trial axis."""
    added: dict[str, Any] = {}
    for dim in ("trial", axis, "unit"):
        if dim in dataset.coords:
            continue
        if dim == "time":
            raise RecordingError.of(
                where=where, name="time", value=None, bound="must be given as a coordinate, in s"
            )
        added[dim] = np.arange(dataset.sizes[dim])
    if axis == "time":
        time = _times(dataset["time"].values, where=where, name="time")
        if np.any(np.diff(time) <= 0):
            raise RecordingError.of(where=where, name="time", value=time, bound="must ascend")
        dataset = dataset.assign_coords(time=("time", time, {"units": "s"}))
    trials = added["trial"] if "trial" in added else dataset["trial"].values
    if len(set(trials.tolist())) != trials.size or trials.dtype.kind not in "iu":
        raise RecordingError.of(
            where=where, name="trial", value=trials, bound="must be whole numbers, each once"
        )
    for name in ("stimulus", "condition"):
        if name not in dataset.coords:
            added[name] = ("trial", np.full(trials.size, "", dtype="<U1"))
    if "repeat" not in dataset.coords:
        stimulus = added["stimulus"][1] if "stimulus" in added else dataset["stimulus"].values
        added["repeat"] = ("trial", repeats(stimulus))
    return dataset.assign_coords(added) if added else dataset


def repeats(stimulus: np.ndarray) -> np.ndarray:
    """Number the trials of each stimulus, 0, 1, 2, ..."""
    repeat = np.zeros(stimulus.size, dtype=np.int64)
    for label in np.unique(stimulus):
        mine = stimulus == label
        repeat[mine] = np.arange(mine.sum())
    return repeat


def weights_dataset(name: str, table: Mapping[str, Any]) -> xr.Dataset:
    """Build the weights of one projection or read-out.

    Parameters
    ----------
    name : str
        Projection or read-out.
    table : mapping
        "weight" (n_snapshots, n_synapses) or (n_synapses,), "pre" and "post" (n_synapses,); optional "delay"
        (n_synapses,), s, "time" (n_snapshots,), s, and "units".

    Returns
    -------
    xarray.Dataset
        Dimensions (``snapshot``, ``synapse``).
    """
    import xarray as xr

    where = f"weights of {name!r}"
    if not isinstance(table, Mapping):
        raise RecordingError.of(where=where, name="table", value=table, bound="must be a table of arrays")
    _keys(table, where=where, needed=("weight", "pre", "post"), allowed=("delay", "time", "units"))
    pre = _indices(table["pre"], where=where, name="pre")
    post = _indices(table["post"], where=where, name="post", n=pre.size)
    weight = np.atleast_2d(_array(table["weight"], where=where, name="weight"))
    if weight.ndim != 2 or weight.shape[1] != pre.size:
        raise RecordingError.of(
            where=where,
            name="weight",
            value=f"array of shape {np.shape(table['weight'])}",
            bound=f"must have shape (n_snapshots, {pre.size}), one column for each of pre",
        )
    delay = table.get("delay")
    delay = (
        np.zeros(pre.size) if delay is None else np.broadcast_to(np.asarray(delay, dtype=float), pre.shape)
    )
    coords: dict[str, Any] = {
        "pre": ("synapse", pre),
        "post": ("synapse", post),
        "delay": ("synapse", _times(delay, where=where, name="delay"), {"units": "s"}),
    }
    if table.get("time") is not None:
        time = _times(table["time"], where=where, name="time", n=weight.shape[0])
        coords["time"] = ("snapshot", time, {"units": "s"})
    return xr.Dataset(
        {"weight": (("snapshot", "synapse"), weight, {"units": str(table.get("units") or "1")})},
        coords=coords,
    )


def events_dataset(table: Any) -> xr.Dataset:
    """Build the table of events.

    Parameters
    ----------
    table : mapping, pandas.DataFrame or xarray.Dataset
        Columns of equal length, (n_events,). Times ("time", "duration", "latency") are in s.

    Returns
    -------
    xarray.Dataset
        Dimension ``event``.
    """
    import xarray as xr

    if hasattr(table, "data_vars"):
        table = {str(name): variable.values for name, variable in table.data_vars.items()}
    elif hasattr(table, "columns") and hasattr(table, "to_numpy"):
        table = {str(name): table[name].to_numpy() for name in table.columns}
    if not isinstance(table, Mapping):
        raise RecordingError.of(where="events", name="table", value=table, bound="must be a table of columns")
    columns: dict[str, Any] = {}
    n: int | None = None
    for name, value in table.items():
        if name in ("time", "duration", "latency"):
            columns[name] = ("event", _times(value, where="events", name=name, n=n), {"units": "s"})
        else:
            columns[group_name(name, where="events")] = (
                "event",
                _column(value, where="events", name=name, n=n),
            )
        n = columns[name][1].size
    return xr.Dataset(columns)


def pack(table: Mapping[str, Any], *, where: str) -> dict[str, str | int | float]:
    """Turn a table into attributes: text and numbers as they are, all else as JSON text.

    Parameters
    ----------
    table : mapping
        Values of any nesting of tables, lists, text, numbers, true/false and None. Inside nested values NaN
        and infinities become the texts "nan", "inf", "-inf", since JSON has no word for them.
    where : str
        Place named in an error.

    Returns
    -------
    dict
        With the key ``json_fields`` (space-separated names) where JSON text stands.
    """
    if not isinstance(table, Mapping):
        raise RecordingError.of(where=where, name="table", value=table, bound="must be a table")
    attrs: dict[str, str | int | float] = {}
    nested = []
    for name, value in table.items():
        if not isinstance(name, str) or not name.isidentifier() or name == "json_fields":
            raise RecordingError.of(where=where, name="key", value=name, bound="must be an identifier")
        plain = _plain(value, where=where, name=name)
        if isinstance(value, float | np.floating):
            attrs[name] = float(value)
        elif isinstance(plain, str) or (type(plain) is int and -_INT64 <= plain < _INT64):
            attrs[name] = plain
        else:
            attrs[name] = json.dumps(plain, allow_nan=False)
            nested.append(name)
    if nested:
        attrs["json_fields"] = " ".join(nested)
    return attrs


def unpack(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """Undo `pack`.

    Parameters
    ----------
    attrs : mapping
        What `pack` returned, perhaps after a round trip through a file.

    Returns
    -------
    dict
    """
    nested = str(attrs.get("json_fields", "")).split()
    table: dict[str, Any] = {}
    for name, value in attrs.items():
        if name != "json_fields":
            table[str(name)] = json.loads(value) if name in nested else _scalar(value)
    return table


def _scalar(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _plain(value: Any, *, where: str, name: str, depth: int = 0) -> Any:
    """Return JSON-able Python objects; refuse anything that would be lost."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    value = _scalar(value)
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if depth < 20 and isinstance(value, Mapping):
        return {str(k): _plain(v, where=where, name=f"{name}.{k}", depth=depth + 1) for k, v in value.items()}
    if depth < 20 and isinstance(value, (list, tuple)):
        return [_plain(v, where=where, name=name, depth=depth + 1) for v in value]
    raise RecordingError.of(
        where=where,
        name=name,
        value=value,
        bound="must be text, numbers, true/false, None, or tables and lists of them",
    )


def _fail(where: str, name: str, value: Any, bound: str) -> RecordingError:
    return RecordingError.of(where=where, name=name, value=value, bound=bound)


def check_version(attrs: Mapping[Any, Any], *, where: str) -> None:
    """Refuse a tree of another schema or of an unknown major version.

    Parameters
    ----------
    attrs : mapping
        Attributes of the root.
    where : str
        Place named in an error.

    Raises
    ------
    RecordingError
    """
    if attrs.get("schema") != SCHEMA:
        raise _fail(where, "schema", attrs.get("schema"), f"must be {SCHEMA!r}: this is no Recording")
    version = str(attrs.get("schema_version", ""))
    if version.split(".")[0] != VERSION.split(".", maxsplit=1)[0]:
        raise RecordingError.of(
            where=where,
            name="schema_version",
            value=version,
            bound=f"must be {VERSION.split('.', maxsplit=1)[0]}.x, the only one this release reads",
            fix="upgrade arcuate if the file is newer",
        )


def check_tree(tree: xr.DataTree) -> None:
    """Check a tree against the schema.

    Parameters
    ----------
    tree : xarray.DataTree

    Raises
    ------
    RecordingError
        Naming the group, the field, the value and the rule.
    """
    check_version(tree.attrs, where="Recording")
    for node in tree.subtree:
        for name, value in node.attrs.items():
            if not isinstance(value, (str, int, float, np.number)) or isinstance(value, bool):
                raise _fail(node.path, f"attribute {name!r}", value, "must be text or a number")
    for name in tree.children:
        if name not in GROUPS:
            raise _fail("Recording", "group", name, f"must be one of {', '.join(GROUPS)}")
    for top, check in (("spikes", _check_spikes), ("states", _check_states), ("weights", _check_weights)):
        for path, dataset in leaves(tree, top).items():
            check(path, dataset)
    if any(dim != "event" for dim in group(tree, "events").dims):
        raise _fail("/events", "dims", tuple(group(tree, "events").dims), 'must be ("event",)')


def group(tree: xr.DataTree, name: str) -> xr.Dataset:
    """Return the dataset of a top group; empty if there is none.

    Parameters
    ----------
    tree : xarray.DataTree
    name : str
        "events" or "outcome".

    Returns
    -------
    xarray.Dataset
    """
    import xarray as xr

    return tree.children[name].to_dataset(inherit=False) if name in tree.children else xr.Dataset()


def leaves(tree: xr.DataTree, group: str) -> dict[str, xr.Dataset]:
    """Return the datasets below a group by their path in it.

    Parameters
    ----------
    tree : xarray.DataTree
    group : str
        "spikes", "states" or "weights".

    Returns
    -------
    dict of str to Dataset
        In the order of the tree.
    """
    if group not in tree.children:
        return {}
    root = tree.children[group]
    return {
        node.relative_to(root): node.to_dataset(inherit=False)
        for node in root.subtree
        if node is not root and not node.children
    }


def _check_spikes(path: str, dataset: xr.Dataset) -> None:
    where = f"/spikes/{path}"
    for name in ("time", "neuron", "trial"):
        if name not in dataset or dataset[name].dims != ("spike",):
            raise _fail(where, name, None, 'must be there, with the dimension "spike"')
    keys = [dataset[name].values for name in ("trial", "time", "neuron")]
    if not _is_sorted(*keys):
        raise _fail(where, "order", "unsorted", "must be sorted by trial, time and neuron")


def _check_states(path: str, dataset: xr.Dataset) -> None:
    where = f"/states/{path}"
    axes = [axis for axis in AXES if axis in dataset.dims]
    if len(axes) != 1 or not dataset.data_vars:
        raise _fail(where, "dims", tuple(dataset.dims), f"must have exactly one of {', '.join(AXES)}")
    for name, variable in dataset.data_vars.items():
        if variable.dims != ("trial", axes[0], "unit"):
            raise _fail(where, f"{name}.dims", variable.dims, f"must be ('trial', {axes[0]!r}, 'unit')")
        if "units" not in variable.attrs:
            raise _fail(where, f"{name}.units", None, 'must be given, "1" for none')
    for label in ("trial", axes[0], "unit", *TRIAL_LABELS):
        if label not in dataset.coords:
            raise _fail(where, label, None, "must be there as a coordinate")


def _check_weights(path: str, dataset: xr.Dataset) -> None:
    where = f"/weights/{path}"
    if "weight" not in dataset or dataset["weight"].dims != ("snapshot", "synapse"):
        raise _fail(where, "weight", None, 'must be there, with dims ("snapshot", "synapse")')
    for name in ("pre", "post", "delay"):
        if name not in dataset.coords or dataset[name].dims != ("synapse",):
            raise _fail(where, name, None, 'must be there as a coordinate of "synapse"')
