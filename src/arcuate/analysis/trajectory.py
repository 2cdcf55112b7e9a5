"""The time code of a population: signal to noise along the trial, decoding of time, order of peaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcuate._inputs import as_real, as_states, as_times, seconds, seconds_array
from arcuate.analysis.interval import check_level
from arcuate.errors import SpecError, check_int, check_real
from arcuate.rng import stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["gaussian_pulse", "peak_map", "peak_times", "signal_to_noise", "time_decoding"]

Floats = NDArray[np.float64]


def gaussian_pulse(times: ArrayLike, latency: ArrayLike, *, width: Any = "30 ms") -> Floats:
    """The teacher s(t) = exp(-(t - L)^2 / (2 width^2)).

    Parameters
    ----------
    times : array_like, (n_samples,), s
    latency : array_like, () or (n_trials,), s
        Center of the pulse; NaN for no pulse.
    width : quantity
        Standard deviation. The default is that of the what/when model (our choice there).

    Returns
    -------
    ndarray, (n_samples,) or (n_trials, n_samples)
        1 at the latency.

    Raises
    ------
    UnitsError
        If the width is not a positive time.

    Examples
    --------
    >>> from arcuate.analysis import gaussian_pulse
    >>> gaussian_pulse([0.37, 0.4, 0.43], 0.4).round(3).tolist()
    [0.607, 1.0, 0.607]
    """
    sd = seconds(width, where="gaussian_pulse", name="width", low_open=True)
    grid = as_real(times, where="gaussian_pulse", name="times").astype(np.float64, copy=False)
    center = np.asarray(latency, dtype=np.float64)
    pulse = np.exp(-((grid - center[..., None]) ** 2) / (2.0 * sd**2))
    return np.asarray(np.where(np.isnan(pulse), 0.0, pulse))


def signal_to_noise(states: ArrayLike, *, times: ArrayLike) -> xr.DataArray:
    """Signal to trial noise along the trial: ``|mean(t) - grand mean|^2 / trial variance(t)``.

    Parameters
    ----------
    states : array_like, (n_trials, n_samples, n_units)
        At least two trials.
    times : array_like, (n_samples,), s

    Returns
    -------
    DataArray, (time,)
        The variance is summed over units, with n_trials - 1 in the denominator. Infinite where trials
        agree exactly.

    Raises
    ------
    SpecError
        If there are fewer than two trials or a value is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import signal_to_noise
    >>> states = np.array([[[1.0], [-1.0]], [[3.0], [-3.0]]])
    >>> signal_to_noise(states, times=[0.0, 0.01]).values.tolist()
    [2.0, 2.0]
    """
    import xarray as xr

    where = "signal_to_noise"
    cube = as_states(states, where=where, name="states")
    if cube.shape[0] < 2:
        raise SpecError.of(
            where=where, name="states", value=f"{cube.shape[0]} trial", bound="needs >= 2 trials"
        )
    grid = as_times(times, cube.shape[1], where=where)
    mean = cube.mean(axis=0, dtype=np.float64)
    signal = np.sum((mean - mean.mean(axis=0)) ** 2, axis=1)
    noise = np.zeros(grid.size)
    for trial in cube:
        noise += np.sum((trial - mean) ** 2, axis=1)
    noise /= cube.shape[0] - 1
    out = np.full(grid.size, np.nan)
    np.divide(signal, noise, out=out, where=noise > 0)
    out[(noise == 0) & (signal > 0)] = np.inf
    return xr.DataArray(
        out, coords={"time": ("time", grid, {"units": "s"})}, dims="time", attrs={"units": "1"}
    )


def peak_times(states: ArrayLike, *, times: ArrayLike) -> xr.DataArray:
    """Time at which the trial mean of each unit peaks.

    Parameters
    ----------
    states : array_like, (n_trials, n_samples, n_units)
    times : array_like, (n_samples,), s

    Returns
    -------
    DataArray, (unit,), s
        The first peak of several equal ones. ``np.argsort`` of it is the order of a sorted heat map.

    Raises
    ------
    SpecError
        If shapes do not go together or a value is not finite.

    Examples
    --------
    >>> from arcuate.analysis import peak_times
    >>> peak_times([[0.0, 2.0], [1.0, 0.0]], times=[0.0, 0.01]).values.tolist()
    [0.01, 0.0]
    """
    import xarray as xr

    cube = as_states(states, where="peak_times", name="states")
    grid = as_times(times, cube.shape[1], where="peak_times")
    return xr.DataArray(
        grid[np.argmax(cube.mean(axis=0, dtype=np.float64), axis=0)],
        dims="unit",
        attrs={"units": "s", "long_name": "peak time"},
    )


def peak_map(
    states: ArrayLike,
    *,
    times: ArrayLike,
    width: Any = "100 ms",
    n_surrogates: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Units in the order of their peaks, and how far activity stands out along that ridge.

    Any noise shows a ridge when it is sorted by its own peaks. So the order comes from half of the trials and
    the map from the others.

    Parameters
    ----------
    states : array_like, (n_trials, n_samples, n_units)
        Activity of 0 or more, such as rates, in two trials or more.
    times : array_like, (n_samples,), s
    width : quantity
        The ridge of a unit: samples nearer to its peak than half of this.
    n_surrogates : int
        Maps in which each unit is shifted around the trial by a random time.
    level : float
        Coverage of the interval, a bootstrap over units.
    seed : int
        Of the halves, the surrogates and the bootstrap.

    Returns
    -------
    Dataset
        ``activity`` (unit, time), mean of the held-out trials, sorted by ``peak`` (unit), s, of the other
        half; coordinate ``unit``, the number of each in `states`. ``ridge_to_background``: mean activity on
        the ridge over that off it, of all units together, with ``low`` and ``high``; ``surrogate``, and
        ``p``, share of maps whose ridge is at least as high. 1 is no ridge.

    Raises
    ------
    SpecError
        If there are fewer than two trials, activity is negative or 0 throughout, or the ridge is as long as
        the trial.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import gaussian_pulse, peak_map
    >>> times = np.arange(100) * 0.01
    >>> code = 5 * gaussian_pulse(times, np.linspace(0, 1, 30)).T + 1
    >>> trials = np.random.default_rng(0).poisson(code, size=(20, 100, 30))
    >>> found = peak_map(trials, times=times, n_surrogates=99)
    >>> float(found.ridge_to_background.round()), float(found.p)
    (4.0, 0.01)
    """
    import xarray as xr

    where = "peak_map"
    cube = as_states(states, where=where, name="states")
    grid = as_times(times, cube.shape[1], where=where)
    half = 0.5 * seconds(width, where=where, name="width", low_open=True)
    count = check_int(n_surrogates, where=where, name="n_surrogates", low=1)
    cover = check_level(level, where)
    if len(cube) < 2:
        raise SpecError.of(where=where, name="states", value=cube.shape, bound="needs >= 2 trials")
    if cube.min() < 0 or not cube.any():
        bound = "must be >= 0 and not 0 throughout, such as rates"
        raise SpecError.of(where=where, name="states", value=float(cube.min()), bound=bound)
    order = stream(seed, "analysis/peak_map/halves").permutation(len(cube))
    fitted, held = (cube[part].mean(axis=0, dtype=np.float64).T for part in (order[::2], order[1::2]))
    peaks = grid[np.argmax(fitted, axis=1)]
    ridge = np.abs(grid - peaks[:, None]) <= half
    if ridge.all(axis=1).any():
        bound = f"must be shorter than the {grid[-1] - grid[0]:g} s of a trial"
        raise SpecError.of(where=where, name="width", value=width, bound=bound)
    rng, units, steps = stream(seed, "analysis/peak_map"), len(held), grid.size
    turned = np.empty(count)
    for k in range(count):
        shift = (np.arange(steps) + rng.integers(0, steps, size=(units, 1))) % steps
        turned[k] = _ridge(np.take_along_axis(held, shift, axis=1), ridge)
    value = _ridge(held, ridge)
    picks = rng.integers(0, units, size=(1000, units))
    low, high = np.quantile([_ridge(held[p], ridge[p]) for p in picks], [(1 - cover) / 2, (1 + cover) / 2])
    rows = np.argsort(peaks, kind="stable")
    return xr.Dataset(
        {
            "activity": (("unit", "time"), held[rows]),
            "peak": ("unit", peaks[rows], {"units": "s"}),
            "ridge_to_background": ((), value, {"units": "1"}),
            "low": ((), float(low), {"units": "1"}),
            "high": ((), float(high), {"units": "1"}),
            "surrogate": ("draw", turned, {"units": "1"}),
            "p": ((), float((1 + np.sum(turned >= value)) / (1 + count))),
        },
        coords={"unit": rows, "time": ("time", grid, {"units": "s"})},
        attrs={"width": 2 * half, "level": cover},
    )


def _ridge(activity: Floats, ridge: NDArray[np.bool_]) -> float:
    """Mean on the ridge over the mean off it; infinite where nothing is off it."""
    on, off = float(activity[ridge].mean()), float(activity[~ridge].mean())
    return on / off if off > 0 else np.inf


def time_decoding(
    states: ArrayLike,
    *,
    times: ArrayLike,
    latencies: Any = ("200 ms", "300 ms", "500 ms", "700 ms", "1000 ms"),
    width: Any = "30 ms",
    alpha: float = 10.0,
    n_folds: int = 5,
    seed: int = 0,
) -> xr.Dataset:
    """How well a linear read-out can tell time: ridge decoding, cross-validated over trials.

    Two targets: for each latency L a Gaussian pulse at L, decoded at the time of the largest output;
    and the time elapsed since the start of the trial.

    Parameters
    ----------
    states : array_like, (n_trials, n_samples, n_units)
    times : array_like, (n_samples,), s
    latencies : sequence of quantities, or ndarray in s
        Each within the span of `times`.
    width : quantity
        Standard deviation of the pulse.
    alpha : float
        Ridge penalty, not applied to the intercept (default: our choice).
    n_folds : int
        Folds of whole trials; no trial is tested by weights that saw it.
    seed : int
        Seed of the assignment of trials to folds.

    Returns
    -------
    Dataset
        ``error`` (trial, latency) s: decoded minus true latency of each held-out trial;
        ``median_error`` (latency) s: median of its absolute value;
        ``amplitude`` (trial, latency): largest output of the trial;
        ``elapsed`` (time) s: mean decoded time; ``elapsed_error`` (time) s: median absolute error.

    Raises
    ------
    SpecError
        If there are fewer trials than folds, or a latency lies outside the samples.

    Examples
    --------
    Units that fire at their own time decode it:

    >>> import numpy as np
    >>> from arcuate.analysis import gaussian_pulse, time_decoding
    >>> times = np.arange(100) * 0.01
    >>> code = gaussian_pulse(times, np.linspace(0, 1, 50)).T
    >>> trials = code + 0.01 * np.random.default_rng(0).normal(size=(10, 100, 50))
    >>> time_decoding(trials, times=times, latencies=["500 ms"]).median_error.values.tolist()
    [0.0]
    """
    import xarray as xr

    where = "time_decoding"
    cube = as_states(states, where=where, name="states")
    grid = as_times(times, cube.shape[1], where=where)
    centers = seconds_array(latencies, where=where, name="latencies")
    if np.any(centers < grid[0]) or np.any(centers > grid[-1]):
        raise SpecError.of(
            where=where, name="latencies", value=centers, bound=f"must lie in [{grid[0]:g}, {grid[-1]:g}] s"
        )
    penalty = check_real(alpha, where=where, name="alpha", low=0.0, low_open=True)
    folds = _folds(cube.shape[0], n_folds, seed)
    targets = np.concatenate([gaussian_pulse(grid, centers, width=width), grid[None]]).T
    output = _cross_validated(cube, targets, folds, penalty)
    peak = np.argmax(output[..., :-1], axis=1)
    error = grid[peak] - centers
    axis = {"time": ("time", grid, {"units": "s"}), "latency": ("latency", centers, {"units": "s"})}
    s = {"units": "s"}
    return xr.Dataset(
        {
            "error": (("trial", "latency"), error, s),
            "median_error": ("latency", np.median(np.abs(error), axis=0), s),
            "amplitude": (("trial", "latency"), output[..., :-1].max(axis=1)),
            "elapsed": ("time", output[..., -1].mean(axis=0), s),
            "elapsed_error": ("time", np.median(np.abs(output[..., -1] - grid), axis=0), s),
        },
        coords=axis,
        attrs={"alpha": penalty, "n_folds": len(folds)},
    )


def _folds(n_trials: int, n_folds: int, seed: int) -> list[NDArray[np.intp]]:
    count = check_int(n_folds, where="time_decoding", name="n_folds", low=2)
    if n_trials < count:
        raise SpecError.of(
            where="time_decoding",
            name="states",
            value=f"{n_trials} trials",
            bound=f"needs >= n_folds = {count}",
        )
    order = stream(seed, "analysis/time_decoding").permutation(n_trials)
    return [np.sort(part) for part in np.array_split(order, count)]


def _cross_validated(
    cube: NDArray[Any], targets: Floats, folds: list[NDArray[np.intp]], alpha: float
) -> Floats:
    """Outputs (n_trials, n_samples, n_targets) of ridge weights that did not see the trial."""
    n_units = cube.shape[2]
    shift = cube.mean(axis=(0, 1), dtype=np.float64)

    def design(trials: NDArray[np.intp]) -> Floats:
        block = cube[trials] - shift
        return np.concatenate([block, np.ones((*block.shape[:2], 1))], axis=2)

    grams, crosses = [], []
    for trials in folds:
        block = design(trials)
        flat = block.reshape(-1, n_units + 1)
        grams.append(flat.T @ flat)
        crosses.append(block.sum(axis=0).T @ targets)
    total, total_cross = sum(grams), sum(crosses)
    ridge = np.diag(np.append(np.full(n_units, alpha), 0.0))
    out = np.empty((*cube.shape[:2], targets.shape[1]))
    for trials, gram, cross in zip(folds, grams, crosses, strict=True):
        weights = np.linalg.solve(total - gram + ridge, total_cross - cross)
        out[trials] = design(trials) @ weights
    return out
