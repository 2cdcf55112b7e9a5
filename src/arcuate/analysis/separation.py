"""Whether different inputs lead to different states, and similar ones to similar states."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats, as_real, as_states, as_times
from arcuate.analysis.interval import check_level, jackknife
from arcuate.errors import ArcuateWarning, SpecError, check_int, check_real
from arcuate.rng import stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["kernel_rank", "separation"]


def kernel_rank(
    states: ArrayLike,
    *,
    similar: ArrayLike | None = None,
    tolerance: float = 1e-2,
    share: float = 0.99,
    level: float = 0.95,
) -> xr.Dataset:
    """Rank of the states after many inputs, and after inputs that should be told apart less well.

    States one moment after s different inputs span a space; its dimension is the kernel rank, the number of
    inputs that a linear read-out can tell apart freely. After inputs that are the same but for noise, or for
    what was long ago, the rank is the generalization rank, which should be small. A network that computes
    has a large difference of the two.

    Parameters
    ----------
    states : array_like, (n_inputs, n_units)
        At least as many inputs as units.
    similar : array_like, (n_inputs, n_units), optional
        States after inputs that were equal in their last 100-200 ms, or jittered.
    tolerance : float
        Singular values above this part of the largest count.
    share : float
        The other rank: principal components that explain this part of the variance.
    level : float
        Coverage of the intervals, which leave out a tenth of the inputs in turn (jackknife).

    Returns
    -------
    Dataset
        ``kernel``, ``generalization``, ``difference`` (rule), each with ``_low`` and ``_high``; `rule` is
        "tolerance" or "variance". Without `similar`, ``kernel`` alone. ``singular_values`` (component).

    Raises
    ------
    SpecError
        If shapes do not go together, all units are constant, or a value is not finite.

    Warns
    -----
    ArcuateWarning
        If there are fewer inputs than units: the rank cannot exceed their number.

    References
    ----------
    R. Legenstein and W. Maass, Neural Networks 20 (2007), doi:10.1016/j.neunet.2007.04.017.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import kernel_rank
    >>> states = np.random.default_rng(0).normal(size=(80, 20))
    >>> kernel_rank(states, similar=np.outer(np.arange(1, 81), np.ones(20))).difference.values.tolist()
    [19.0, 19.0]
    """
    import xarray as xr

    where = "kernel_rank"
    cut = check_real(tolerance, where=where, name="tolerance", low=0.0, high=1.0, high_open=True)
    part = check_real(share, where=where, name="share", low=0.0, high=1.0, low_open=True, high_open=True)
    cover = check_level(level, where)
    sets = {"kernel": _rows(states, where, "states")}
    if similar is not None:
        sets["generalization"] = _rows(similar, where, "similar")
        if sets["generalization"].shape[1] != sets["kernel"].shape[1]:
            bound = f"must have {sets['kernel'].shape[1]} units, as states"
            raise SpecError.of(where=where, name="similar", value=sets["generalization"].shape, bound=bound)
    n, units = sets["kernel"].shape
    if n < units:
        text = f"{where}: {n} inputs for {units} units: the rank cannot exceed {n}; give more inputs"
        warnings.warn(text, ArcuateWarning, stacklevel=2)
    found = {name: _rank_interval(x, cut, part, level=cover) for name, x in sets.items()}
    if similar is not None:
        (one, half), (other, half_other) = found["kernel"], found["generalization"]
        found["difference"] = one - other, np.hypot(half, half_other)
    table: dict[str, Any] = {}
    for name, (value, half) in found.items():
        for key, entry in ((name, value), (f"{name}_low", value - half), (f"{name}_high", value + half)):
            table[key] = ("rule", entry, {"units": "1"})
    table["singular_values"] = ("component", np.linalg.svd(sets["kernel"], compute_uv=False), _unit(states))
    facts = {"tolerance": cut, "share": part, "level": cover, "n_inputs": n}
    return xr.Dataset(table, coords={"rule": ["tolerance", "variance"]}, attrs=facts)


def _unit(states: Any) -> dict[str, str]:
    """Return the unit that labeled states have; "1" of plain ones."""
    return {"units": str(getattr(states, "attrs", {}).get("units", "1"))}


def _rows(value: ArrayLike, where: str, name: str) -> Floats:
    array = as_real(value, where=where, name=name).astype(np.float64)
    if array.ndim != 2 or array.shape[0] < 3 or not array.shape[1]:
        bound = "must be (n_inputs, n_units) with 3 inputs or more"
        raise SpecError.of(where=where, name=name, value=f"shape {array.shape}", bound=bound)
    if not np.ptp(array, axis=0).any():
        bound = "must vary: every unit is constant over the inputs"
        raise SpecError.of(where=where, name=name, value=array.shape, bound=bound)
    return array


def _rank_interval(x: Floats, tolerance: float, share: float, *, level: float) -> tuple[Any, Any]:
    """Both ranks, and half of their intervals."""
    return jackknife(lambda kept: _ranks(x[kept], tolerance, share), len(x), level=level)


def _ranks(x: Floats, tolerance: float, share: float) -> Any:
    """Rank by size of the singular values, and by variance of the centered states."""
    s = np.linalg.svd(x, compute_uv=False)
    power = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2
    total = np.cumsum(power)
    enough = int(np.searchsorted(total, share * total[-1] * (1 - 1e-12))) + 1 if total[-1] > 0 else 0
    return np.array([float(np.sum(s > tolerance * s[0])) if s[0] > 0 else 0.0, enough])


def separation(
    first: ArrayLike,
    second: ArrayLike,
    *,
    times: ArrayLike,
    distance: ArrayLike,
    level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> xr.Dataset:
    """Distance of the states over time, for pairs of inputs at given distances.

    Parameters
    ----------
    first, second : array_like, (n_pairs, n_samples, n_units)
        States under the two inputs of each pair.
    times : array_like, (n_samples,), s
    distance : array_like, (n_pairs,)
        Distance of the two inputs, such as `van_rossum_distance`; pairs of one distance are averaged. 0
        stands for one input from two initial states (or with two noises): what separates those is not the
        input.
    level : float
        Coverage of the intervals.
    n_resamples : int
        Bootstrap resamples of pairs.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Dataset
        ``separation`` (distance, time), Euclidean distance in the unit of the states, mean over pairs;
        ``low``, ``high``, NaN for a single pair; ``excess``, ``separation`` less that at distance 0, where
        there is one; ``n_pairs`` (distance).

    Raises
    ------
    SpecError
        If shapes do not go together, or a value is not finite.

    References
    ----------
    W. Maass, T. Natschlaeger and H. Markram, Neural Computation 14 (2002), doi:10.1162/089976602760407955.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import separation
    >>> x = np.zeros((2, 3, 4))
    >>> found = separation(x, x + 0.5, times=[0.0, 0.1, 0.2], distance=[0.1, 0.1])
    >>> found.separation.values.tolist()
    [[1.0, 1.0, 1.0]]
    """
    import xarray as xr

    where = "separation"
    a, b = as_states(first, where=where, name="first"), as_states(second, where=where, name="second")
    if a.shape != b.shape:
        raise SpecError.of(
            where=where, name="second", value=b.shape, bound=f"must be {a.shape}, as the first"
        )
    grid = as_times(times, a.shape[1], where=where)
    apart = as_real(distance, where=where, name="distance").astype(np.float64)
    if apart.shape != a.shape[:1] or apart.min() < 0:
        bound = f"must be ({a.shape[0]},), one number >= 0 for each pair"
        raise SpecError.of(where=where, name="distance", value=apart, bound=bound)
    cover = check_level(level, where)
    count = check_int(n_resamples, where=where, name="n_resamples", low=2)
    length = np.sqrt(np.sum((a.astype(np.float64) - b) ** 2, axis=2))
    steps = np.unique(apart)
    value, low, high = (np.full((steps.size, grid.size), np.nan) for _ in range(3))
    rng = stream(seed, "analysis/separation")
    for k, step in enumerate(steps):
        rows = length[apart == step]
        value[k] = rows.mean(axis=0)
        if len(rows) > 1:
            weight = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=count) / len(rows)
            low[k], high[k] = np.quantile(weight @ rows, [(1 - cover) / 2, (1 + cover) / 2], axis=0)
    dims = ("distance", "time")
    unit = _unit(first)
    table: dict[str, Any] = {
        "separation": (dims, value, unit),
        "low": (dims, low, unit),
        "high": (dims, high, unit),
    }
    if steps[0] == 0:
        table["excess"] = (dims, value - value[0], unit)
    table["n_pairs"] = ("distance", [int(np.sum(apart == step)) for step in steps])
    coords = {"distance": steps, "time": ("time", grid, {"units": "s"})}
    return xr.Dataset(table, coords=coords, attrs={"level": cover})
