"""Files of a factorization, and the graph of a component."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from arcuate.errors import CapabilityError, FileFormatError, SpecError

__all__ = ["graph", "load", "save"]

SCHEMA = "arcuate-ntf-1"


def save(
    result: xr.Dataset,
    starts: xr.Dataset,
    errors: np.ndarray,
    *,
    params: dict[str, Any],
    path: str | os.PathLike[str],
    overwrite: bool,
) -> None:
    """Write beside and rename, with checksums."""
    target = Path(path).expanduser()
    if target.exists() and not overwrite:
        fix = "choose another name or overwrite=True"
        raise SpecError.of(where="NTF.save", name="path", value=str(target), bound="exists", fix=fix)
    starts = starts.assign(converged=starts["converged"].astype("int8"))
    starts = starts.rename({name: f"start_{name}" for name in starts.data_vars})
    whole = result.merge(starts).assign(errors=("iteration", errors))
    whole.attrs |= {"schema": SCHEMA, "parameters": json.dumps(params)}
    encoding = {name: {"fletcher32": True} for name, v in whole.variables.items() if v.dtype.kind in "fi"}
    beside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        whole.to_netcdf(beside, engine="h5netcdf", format="NETCDF4", encoding=encoding)
        os.replace(beside, target)
    except OSError as error:
        bound = f"cannot be written: {error.strerror or error}"
        raise SpecError.of(where="NTF.save", name="path", value=str(target), bound=bound) from error
    finally:
        beside.unlink(missing_ok=True)


def load(path: str | os.PathLike[str]) -> tuple[xr.Dataset, xr.Dataset, np.ndarray, dict[str, Any]]:
    """Read a file and take it apart; nothing in it is run."""
    source = Path(path).expanduser()
    try:
        with xr.open_dataset(source, engine="h5netcdf", decode_times=False) as lazy:
            whole = lazy.load()
        if whole.attrs.pop("schema", None) != SCHEMA:
            raise ValueError(f"is not of the schema {SCHEMA}")
        params = json.loads(whole.attrs.pop("parameters"))
        errors = whole["errors"].values
        names = {name: str(name)[6:] for name in whole.data_vars if str(name).startswith("start_")}
        starts = whole[list(names)].rename(names).drop_vars(set(whole.coords))
        starts = starts.assign(converged=starts["converged"].astype(bool))
        starts.attrs = {}
        result = whole.drop_vars(["errors", *names])
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise FileFormatError.of(
            where="NTF.load", name="path", value=str(source), bound=f"{error}"
        ) from error
    return result, starts, errors, params


def graph(component: xr.Dataset) -> xr.DataArray:
    """Fold the pairs of one component back to a matrix of neurons."""
    weight = float(component["weight"])
    dims = component.attrs["dims"].split(",")
    if dims.count("neuron") == 2:
        loading = component["factor_neuron"].values
        names = component["neuron"].values if "neuron" in component.coords else np.arange(len(loading))
        matrix = weight * np.outer(loading, loading)
    elif "pair" in dims:
        loading = component["factor_pair"].values
        first, second, names = _pairs(component, len(loading))
        matrix = np.zeros((len(names), len(names)))
        matrix[first, second] = matrix[second, first] = weight * loading
    else:
        bound = f"needs a mode 'pair' or two modes 'neuron', not {', '.join(dims)}"
        raise CapabilityError.of(
            where="NTF.graph", bound=bound, fix="name the modes: fit an xarray.DataArray"
        )
    coords = {"neuron": names, "other": names}
    return xr.DataArray(matrix, dims=("neuron", "other"), coords=coords, name="graph")


def _pairs(component: xr.Dataset, n_pairs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices of both neurons of every pair, and the neurons' names."""
    if "first" in component.coords and "second" in component.coords:
        first, second = component["first"].values, component["second"].values
        names = np.array(list(dict.fromkeys([*first.tolist(), *second.tolist()])))
        place = {name: k for k, name in enumerate(names.tolist())}
        return (
            np.array([place[v] for v in first.tolist()]),
            np.array([place[v] for v in second.tolist()]),
            names,
        )
    n = round((1 + (1 + 8 * n_pairs) ** 0.5) / 2)
    if n * (n - 1) // 2 != n_pairs:
        bound = f"cannot tell the neurons of {n_pairs} pairs"
        raise CapabilityError.of(where="NTF.graph", bound=bound, fix="give coordinates first and second")
    first, second = np.triu_indices(n, 1)
    return first, second, np.arange(n)
