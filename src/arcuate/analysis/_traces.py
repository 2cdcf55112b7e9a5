"""What measures of synchrony share: traces as (trial, step, unit), with the labels of a DataArray."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcuate._inputs import as_states, check_bytes, check_unmasked
from arcuate.errors import SpecError, check_array
from arcuate.recording import AXES

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]


class Traces:
    """Traces of several trials, and how their axes are called.

    Parameters
    ----------
    value : array_like, (n_trials, n_steps, n_units) or (n_steps, n_units)
        A DataArray keeps its labels; plain arrays get steps from 0.
    where : str
        Who asks.
    complex_too : bool
        Whether complex traces will do.
    least : int
        Fewest steps that will do.

    Attributes
    ----------
    cube : ndarray, (n_trials, n_steps, n_units)
    axis : str
        Name of the steps: time, tick, token, layer, or step.
    coords : dict
        Coordinates of trials and steps.
    """

    def __init__(self, value: Any, where: str, *, complex_too: bool = False, least: int = 1) -> None:
        if complex_too and _is_complex(value):
            check_unmasked(value, where=where, name="traces")
            array = np.asarray(value)
            real = as_states(array.real, where=where, name="traces")
            self.cube: NDArray[Any] = real + 1j * as_states(array.imag, where=where, name="traces")
        else:
            self.cube = as_states(value, where=where, name="traces").astype(np.float64, copy=False)
        if self.n_steps < least:
            bound = f"must have at least {least} steps"
            raise SpecError.of(where=where, name="traces", value=self.cube.shape, bound=bound)
        self.axis, self.coords = "step", {}
        dims = tuple(map(str, getattr(value, "dims", ())))
        named = [dim for dim in dims if dim in AXES]
        if named:
            self.axis = named[0]
            self.coords = {
                name: coordinate
                for name, coordinate in value.coords.items()
                if set(coordinate.dims) <= {"trial", self.axis} and coordinate.dims
            }

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return int(self.cube.shape[0])

    @property
    def n_steps(self) -> int:
        """Number of steps in a trial."""
        return int(self.cube.shape[1])

    @property
    def n_units(self) -> int:
        """Number of units."""
        return int(self.cube.shape[2])

    def labeled(self, values: Any, dims: tuple[str, ...], **coords: Any) -> Any:
        """Return a DataArray with the labels of the traces; ``AXIS`` stands for the name of the steps."""
        import xarray as xr

        names = tuple(self.axis if dim == "AXIS" else dim for dim in dims)
        kept = {name: value for name, value in self.coords.items() if set(value.dims) <= set(names)}
        return xr.DataArray(values, dims=names, coords=kept | coords)


def _is_complex(value: Any) -> bool:
    try:
        return np.iscomplexobj(value)
    except ValueError:  # a ragged list, which is refused as such
        return False


def as_pairs(pairs: Any, n_units: int, where: str) -> Pairs:
    """Units i and j of each pair.

    Parameters
    ----------
    pairs : array_like, (2, n_pairs), or None
        None for all with i <= j, row by row.
    n_units : int
    where : str
        Who asks.

    Returns
    -------
    (ndarray of int, ndarray of int), (n_pairs,)

    Raises
    ------
    MemoryLimitError
        If all pairs would not fit.
    """
    if pairs is None:
        check_bytes(9 * n_units * n_units, where=where, fix="choose pairs")
        first, second = np.triu_indices(n_units)
        return first, second
    both = check_array(pairs, where=where, name="pairs", dtype=int)
    fits = both.ndim == 2 and len(both) == 2 and both.size
    if not fits or both.min() < 0 or both.max() >= n_units:
        bound = f"must be (2, n_pairs) whole numbers from 0 to {n_units - 1}"
        raise SpecError.of(where=where, name="pairs", value=both, bound=bound)
    return both[0], both[1]


def labeled_pairs(values: NDArray[Any], pairs: Pairs, name: str, **more: Any) -> Any:
    """Label values of pairs (unit, ...).

    Parameters
    ----------
    values : ndarray, (n_pairs, ...)
    pairs : (ndarray of int, ndarray of int)
    name : str
    **more
        Coordinate of each further axis.

    Returns
    -------
    DataArray
        With the coordinates ``pre`` and ``post`` on ``unit``.
    """
    import xarray as xr

    coords = {"pre": ("unit", pairs[0]), "post": ("unit", pairs[1]), "unit": np.arange(pairs[0].size)}
    return xr.DataArray(values, dims=("unit", *more), coords=coords | more, name=name, attrs={"units": "1"})
