"""Affinities: how much two neurons move together, for every pair at every moment.

All kinds are symmetric and not negative, so that they can be factorized. With the first derivative ``d``
of a trace (Savitzky and Golay 1964), scaled within each neuron, ``d+ = max(d, 0)`` and
``d- = max(-d, 0)``::

    comotion       sqrt(max(d_i d_j, 0))              both rise or both fall: geometric mean of the slopes
    corise         sqrt(d+_i d+_j)                    both rise
    slope_product  max(d_i d_j, 0)
    slope_min      min(|d_i|, |d_j|) where the signs agree, else 0
    coactivity     sqrt(y_i y_j)                      y = max(x - 20th percentile, 0), scaled
    edge_series    max(z_i z_j, 0)                    z-scores: edge time series (Faskowitz et al. 2020)
    sliding        max(r_ij, 0)                       Pearson correlation in a window

Since ``d+_i d-_i = 0``, ``max(d_i d_j, 0) = d+_i d+_j + d-_i d-_j``, of which one term at most is not 0, so
that the square root may be taken of each: every kind but ``slope_min`` and ``sliding`` is a sum of one or two
products of a row for each neuron, which is what `affinity_product` keeps.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from arcuate._inputs import seconds
from arcuate.connectome.operators import ProductTensor
from arcuate.connectome.traces import as_traces
from arcuate.errors import MemoryLimitError, SpecError, check_choice

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["AFFINITIES", "affinity", "affinity_product"]

Floats = NDArray[np.float64]

AFFINITIES = ("comotion", "corise", "slope_product", "slope_min", "coactivity", "edge_series", "sliding")
"""Kinds of affinity."""

PRODUCTS = tuple(kind for kind in AFFINITIES if kind not in ("slope_min", "sliding"))
"""Kinds that are sums of products."""

WINDOWS = {"sliding": "15 s"}
"""Default window of a correlation; that of a derivative is 2 s (both chosen)."""

LARGEST = 8 * 2**30
"""Bytes of affinities that are still computed."""


def affinity(
    traces: Any,
    kind: str = "comotion",
    *,
    window: Any = None,
    smooth: Any = "0 s",
    scale: str = "max",
) -> xr.DataArray:
    """Compute how much the neurons of every pair move together, at every time.

    Parameters
    ----------
    traces : xarray.DataArray or Recording
        Whatever `as_traces` takes without further words; a neuron that is missing in an animal is NaN at all
        its times.
    kind : str
        One of `AFFINITIES`. The square root of ``comotion`` matters: plain products are ruled by a few large
        events. ``sliding`` withstands noise best and blurs every onset by its window.
    window : str or quantity, optional
        Length of the derivative's window, 2 s unless given (polynomials of order 2; an odd number of frames,
        at least 5), or of the correlation's, 15 s. Not used by ``coactivity`` and ``edge_series``.
    smooth : str or quantity
        Standard deviation of a Gaussian that smooths the traces first; 0 for none.
    scale : {"max", "percentile"}
        What a slope or an activity is divided by within each neuron: its largest absolute value, or the
        99.5th percentile of absolute values, which one artefact does not move.

    Returns
    -------
    xarray.DataArray, (pair, time, animal)
        Affinities >= 0. Coordinates ``first`` and ``second`` of ``pair`` name the two neurons, in the order
        of the upper triangle, row by row. Pairs that are missing in an animal are NaN.

    Raises
    ------
    SpecError
        If they are no traces (see `as_traces`) or of fewer than two neurons, or a window does not fit.
    UnknownNameError
        If there is no such kind or scale.
    MemoryLimitError
        If affinities would take more than 8 GiB; `affinity_product` keeps them as products.

    Examples
    --------
    >>> from arcuate.connectome import SharedEvents
    >>> affinity(SharedEvents(n_animals=2).draw(1).traces).sizes
    Frozen({'pair': 780, 'time': 960, 'animal': 2})
    """
    import xarray as xr

    where = "affinity"
    check_choice(kind, AFFINITIES, where=where, name="kind")
    checked = _checked(traces, where)
    n, n_times, n_animals = checked.sizes["neuron"], checked.sizes["time"], checked.sizes["animal"]
    size = 8 * n * (n - 1) // 2 * n_times * n_animals
    if size > LARGEST:
        bound = f"affinities of {n} neurons would take {size / 2**30:.1f} GiB, more than {LARGEST >> 30}"
        raise MemoryLimitError.of(where=where, bound=bound, fix="use affinity_product")
    frames = _frames(window, kind, checked, where)
    rows = _rows(checked, kind, frames, smooth, scale, where)
    values = np.empty((n * (n - 1) // 2, n_times, n_animals))
    for i, block in _blocks(values, n):
        if kind == "sliding":
            _windowed(rows, i, block, frames)
        elif kind == "slope_min":
            _least(rows, i, block)
        else:
            _products(rows, i, block)
    first, second = np.triu_indices(n, 1)
    names = checked.neuron.values
    coords = {"first": ("pair", names[first]), "second": ("pair", names[second])}
    return xr.DataArray(
        values,
        dims=("pair", "time", "animal"),
        coords=coords | {"time": checked.time.values, "animal": checked.animal.values},
        attrs={"kind": kind, "rate_hz": checked.attrs["rate_hz"]},
    )


def affinity_product(
    traces: Any,
    kind: str = "comotion",
    *,
    animal: str | None = None,
    window: Any = None,
    smooth: Any = "0 s",
    scale: str = "max",
) -> ProductTensor:
    """Return affinities of one animal as products, which never form the tensor.

    Parameters
    ----------
    traces : xarray.DataArray or Recording
        Whatever `as_traces` takes without further words.
    kind : str
        Any kind but ``slope_min`` and ``sliding``, which are no products.
    animal : str, optional
        Which animal; may be left out if there is one.
    window, smooth, scale
        As for `affinity`.

    Returns
    -------
    ProductTensor
        ``X[i, j, t] = sum_k parts[k, i, t] parts[k, j, t]`` with one or two parts, of the neurons that this
        animal has; the diagonal is the affinity of a neuron with itself.

    Raises
    ------
    SpecError
        If they are no traces, it is not said which animal, or a window does not fit.
    UnknownNameError
        If there is no such kind, animal or scale.

    Examples
    --------
    >>> from arcuate.connectome import SharedEvents
    >>> affinity_product(SharedEvents(n_animals=1).draw(1).traces).parts.shape
    (2, 40, 960)
    """
    where = "affinity_product"
    if kind in AFFINITIES and kind not in PRODUCTS:
        bound = f"is no sum of products; one of {', '.join(PRODUCTS)} is"
        raise SpecError.of(where=where, name="kind", value=kind, bound=bound, fix="or use affinity")
    check_choice(kind, PRODUCTS, where=where, name="kind")
    checked = _checked(traces, where)
    names = [str(name) for name in checked.animal.values]
    if animal is None:
        if len(names) > 1:
            bound = f"must be said: there are {len(names)} animals"
            raise SpecError.of(where=where, name="animal", bound=bound, fix=f"use animal={names[0]!r}")
        animal = names[0]
    check_choice(animal, names, where=where, name="animal")
    alone = checked.isel(animal=[names.index(animal)]).dropna("neuron")
    if alone.sizes["neuron"] < 2:
        bound = f"must be of at least two neurons in {animal!r}"
        raise SpecError.of(where=where, name="traces", value=dict(alone.sizes), bound=bound)
    rows = _rows(alone, kind, _frames(window, kind, alone, where), smooth, scale, where)
    labels = [str(name) for name in alone.neuron.values]
    return ProductTensor(np.ascontiguousarray(rows[..., 0]), labels=labels, times=alone.time.values)


def _checked(traces: Any, where: str) -> xr.DataArray:
    """Traces of at least two neurons."""
    checked = as_traces(traces)
    if checked.sizes["neuron"] < 2:
        bound = "must be of at least two neurons"
        raise SpecError.of(where=where, name="traces", value=dict(checked.sizes), bound=bound)
    return checked


def _rows(checked: xr.DataArray, kind: str, frames: int, smooth: Any, scale: str, where: str) -> Floats:
    """What affinities are made of, for each neuron: (n_parts, n_neurons, n_times, n_animals)."""
    check_choice(scale, ("max", "percentile"), where=where, name="scale")
    rate = float(checked.attrs["rate_hz"])
    x = _smoothed(checked.values, seconds(smooth, where=where, name="smooth") * rate)
    if kind in ("edge_series", "sliding"):
        x = _divided(x - x.mean(axis=2, keepdims=True), x.std(axis=2, keepdims=True))
    elif kind == "coactivity":
        x = np.maximum(x - np.percentile(x, 20, axis=2, keepdims=True), 0)
        x = _divided(x, _height(x, scale))
    else:
        from scipy.signal import savgol_filter

        slope = savgol_filter(np.nan_to_num(x), frames, 2, deriv=1, delta=1 / rate, axis=2)
        x = np.where(np.isnan(x), np.nan, slope)
        x = _divided(x, _height(x, scale))
    x = np.ascontiguousarray(x.transpose(1, 2, 0))
    if kind == "sliding":
        return _moments(x, frames)
    if kind in ("coactivity", "corise"):
        return np.sqrt(np.maximum(x, 0))[None]
    parts = np.stack((np.maximum(x, 0), np.maximum(-x, 0)))
    return np.sqrt(parts) if kind == "comotion" else parts


def _frames(window: Any, kind: str, checked: xr.DataArray, where: str) -> int:
    """Frames of a window: an odd number, 5 at least, that fits."""
    length = seconds(WINDOWS.get(kind, "2 s") if window is None else window, where=where, name="window")
    frames = max(int(length * checked.attrs["rate_hz"]) // 2 * 2 + 1, 5)
    if frames > checked.sizes["time"]:
        bound = f"is {frames} frames, more than the {checked.sizes['time']} there are"
        raise SpecError.of(
            where=where, name="window", bound=bound, fix="use a shorter window or longer traces"
        )
    return frames


def _smoothed(x: Floats, frames: float) -> Floats:
    if frames == 0:
        return x
    from scipy.ndimage import gaussian_filter1d

    smoothed: Floats = gaussian_filter1d(x, frames, axis=2, mode="nearest")
    return smoothed


def _height(x: Floats, scale: str) -> Floats:
    size = np.abs(x)
    if scale == "max":
        return size.max(axis=2, keepdims=True)
    return np.percentile(size, 99.5, axis=2, keepdims=True)


def _divided(x: Floats, by: Floats) -> Floats:
    """Divide, and leave 0 where there is nothing to divide by but rounding; NaN stays."""
    flat = by <= 1e-12 * np.abs(x).max(axis=2, keepdims=True)
    return np.where(flat & ~np.isnan(x), 0.0, x / np.where(flat, 1.0, by))


def _blocks(values: Floats, n: int) -> Iterator[tuple[int, Floats]]:
    """Pairs of each neuron with those after it: a part of the values."""
    start = 0
    for i in range(n - 1):
        yield i, values[start : start + n - 1 - i]
        start += n - 1 - i


def _products(rows: Floats, i: int, block: Floats) -> None:
    np.multiply(rows[0, i], rows[0, i + 1 :], out=block)
    for part in rows[1:]:
        block += part[i] * part[i + 1 :]


def _least(rows: Floats, i: int, block: Floats) -> None:
    np.minimum(rows[0, i], rows[0, i + 1 :], out=block)
    for part in rows[1:]:
        block += np.minimum(part[i], part[i + 1 :])


def _moments(z: Floats, frames: int) -> Floats:
    """z-scores, their mean and their standard deviation in a window: (3, n_neurons, n_times, n_animals)."""
    mean = _window_mean(z, frames)
    variance = _window_mean(z * z, frames) - mean**2
    variance[variance < 1e-10] = 0  # nothing but rounding is left
    return np.stack((z, mean, np.sqrt(variance)))


def _windowed(rows: Floats, i: int, block: Floats, frames: int) -> None:
    z, mean, spread = rows
    block[:] = _window_mean(z[i] * z[i + 1 :], frames) - mean[i] * mean[i + 1 :]
    scale = spread[i] * spread[i + 1 :]
    scale[scale == 0] = np.inf
    block /= scale
    np.clip(block, 0, 1, out=block)


def _window_mean(x: Floats, frames: int) -> Floats:
    """Mean in a centered window that is shorter at both ends, by running sums along the second axis."""
    n = x.shape[1]
    sums = np.zeros((x.shape[0], n + 1, *x.shape[2:]))
    np.cumsum(x, axis=1, out=sums[:, 1:])
    low = np.maximum(np.arange(n) - frames // 2, 0)
    high = np.minimum(np.arange(n) + frames // 2 + 1, n)
    count = (high - low).reshape(-1, *(1 for _ in x.shape[2:]))
    mean: Floats = (sums[:, high] - sums[:, low]) / count
    return mean
