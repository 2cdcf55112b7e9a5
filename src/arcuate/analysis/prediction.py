"""Scores of a prediction: when, with what amplitude, and how many trials until it is right.

All of them take probe outputs: the output of the weights frozen at the start of a trial, before the
trial taught them anything. The online output of a fast rule follows its teacher within the trial and
peaks at the right time without predicting it; scored on it, a rule looks several times faster.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcuate._inputs import as_real, as_times, seconds
from arcuate.analysis.interval import Interval, bootstrap_interval
from arcuate.errors import SpecError, check_choice, check_int, check_real

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "LineFit",
    "amplitude_vs_probability",
    "criterion_trial",
    "outcome_share",
    "predicted_outcomes",
    "prediction_amplitude",
    "timing_error",
    "trials_to_criterion",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LineFit:
    """A least-squares line.

    Attributes
    ----------
    slope, intercept, r_squared : float
        Of the line through the means over seeds.
    pooled_r_squared : float
        Of the same line, over the points of all seeds.
    slopes, r_squares : tuple of float
        Of the line of each seed.
    slope_interval, intercept_interval : Interval or None
        Over seeds; None for a single one.
    """

    slope: float
    intercept: float
    r_squared: float
    pooled_r_squared: float
    slopes: tuple[float, ...]
    r_squares: tuple[float, ...]
    slope_interval: Interval | None
    intercept_interval: Interval | None


def timing_error(probe: ArrayLike, latency: ArrayLike, *, times: ArrayLike) -> Floats:
    """Time of the largest probe output minus the latency, trial by trial.

    Parameters
    ----------
    probe : array_like, (..., n_trials, n_samples)
        Output of the weights frozen at trial start; of several outcomes, their sum.
    latency : array_like, (n_trials,) or (), s
        When the outcome comes, or on an omission trial would have come.
    times : array_like, (n_samples,) or (n_trials, n_samples), s
        Time of each sample since the start of its trial.

    Returns
    -------
    ndarray, (..., n_trials), s
        Positive if the output peaks late. The first of several equal peaks counts, so an output of
        zeros peaks at the first sample.

    Raises
    ------
    SpecError
        If shapes do not go together or a value is not finite.

    Examples
    --------
    >>> from arcuate.analysis import timing_error
    >>> timing_error([[0.0, 1.0, 0.5]], 0.01, times=[0.0, 0.01, 0.02]).tolist()
    [0.0]
    """
    where = "timing_error"
    output = as_real(probe, where=where, name="probe")
    if output.ndim < 1 or 0 in output.shape:
        raise SpecError.of(
            where=where,
            name="probe",
            value=f"shape {output.shape}",
            bound="must be (..., n_trials, n_samples)",
        )
    grid = as_times(times, output.shape[-2:], where=where)
    true = as_real(latency, where=where, name="latency")
    if true.ndim and true.shape != output.shape[-2:-1]:
        raise SpecError.of(
            where=where,
            name="latency",
            value=f"shape {true.shape}",
            bound=f"must be {output.shape[-2:-1]}, one per trial",
        )
    peak = np.argmax(output, axis=-1)
    if grid.ndim == 1:
        return np.asarray(grid[peak] - true)
    return np.asarray(grid[np.arange(grid.shape[0]), peak] - true)


def predicted_outcomes(when: ArrayLike, what: ArrayLike) -> Floats:
    """Predictions of a two-bank read-out, o_k(t) = max(z(t), 0) q_k.

    Parameters
    ----------
    when : array_like, (n_trials, n_samples)
        Probe of the when-bank, z.
    what : array_like, (n_trials, n_outcomes)
        Probe of the what-bank, q.

    Returns
    -------
    ndarray, (n_trials, n_samples, n_outcomes)
        What a single-bank read-out gives directly. The predicted time is that of the largest sum over
        outcomes.

    Raises
    ------
    SpecError
        If the numbers of trials differ or a value is not finite.

    Examples
    --------
    >>> from arcuate.analysis import predicted_outcomes
    >>> predicted_outcomes([[-1.0, 0.5]], [[0.5, 0.25]]).tolist()
    [[[0.0, 0.0], [0.25, 0.125]]]
    """
    where = "predicted_outcomes"
    z, q = as_real(when, where=where, name="when"), as_real(what, where=where, name="what")
    if z.ndim != 2 or q.ndim != 2 or z.shape[0] != q.shape[0] or z.shape[1] == 0:
        raise SpecError.of(
            where=where,
            name="what",
            value=f"shapes {z.shape}, {q.shape}",
            bound="must be (n_trials, n_samples) and (n_trials, n_outcomes)",
        )
    return np.asarray(np.maximum(z, 0.0)[:, :, None] * q[:, None, :])


def _outputs(probe: ArrayLike, where: str) -> NDArray[Any]:
    output = as_real(probe, where=where, name="probe")
    if output.ndim != 3 or 0 in output.shape:
        raise SpecError.of(
            where=where,
            name="probe",
            value=f"shape {output.shape}",
            bound="must be (n_trials, n_samples, n_outcomes)",
            fix="use predicted_outcomes(when, what) for a two-bank read-out",
        )
    return output


def prediction_amplitude(probe: ArrayLike) -> Floats:
    """Amplitude of each predicted outcome: its value where it is largest in size.

    Parameters
    ----------
    probe : array_like, (n_trials, n_samples, n_outcomes)
        Probe outputs of a single-bank read-out, or :func:`predicted_outcomes` of two banks.

    Returns
    -------
    ndarray, (n_trials, n_outcomes)
        With its sign.

    Raises
    ------
    SpecError
        If the shape is another or a value is not finite.

    Examples
    --------
    >>> from arcuate.analysis import prediction_amplitude
    >>> prediction_amplitude([[[0.0, 0.1], [0.5, -0.2], [0.2, 0.0]]]).tolist()
    [[0.5, -0.2]]
    """
    output = _outputs(probe, "prediction_amplitude")
    peak = np.argmax(np.abs(output), axis=1)
    return np.asarray(np.take_along_axis(output, peak[:, None, :], axis=1)[:, 0, :])


def outcome_share(probe: ArrayLike) -> Floats:
    """Probability that a single-bank read-out gives each outcome: its share at the predicted time.

    Least squares shrinks the whole pulse when the latency changes; the share takes that out, which is
    the reading that is kindest to such a read-out. The two-bank read-out has q for this.

    Parameters
    ----------
    probe : array_like, (n_trials, n_samples, n_outcomes)
        Probe outputs.

    Returns
    -------
    ndarray, (n_trials, n_outcomes)
        Output over the sum of outputs, at the sample where the sum is largest; 0 where the sum is not
        positive, which is no prediction.

    Raises
    ------
    SpecError
        If the shape is another or a value is not finite.

    Examples
    --------
    >>> from arcuate.analysis import outcome_share
    >>> outcome_share([[[0.0, 0.0], [0.3, 0.1]]]).round(3).tolist()
    [[0.75, 0.25]]
    """
    output = _outputs(probe, "outcome_share")
    peak = np.argmax(output.sum(axis=2), axis=1)
    value = output[np.arange(output.shape[0]), peak].astype(np.float64)
    total = value.sum(axis=1, keepdims=True)
    return np.divide(value, total, out=np.zeros_like(value), where=total > 0)


def amplitude_vs_probability(
    amplitude: ArrayLike,
    probability: ArrayLike,
    *,
    level: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> LineFit:
    """Line of amplitude against the probability of the outcome.

    Parameters
    ----------
    amplitude : array_like, (n_conditions,) or (n_seeds, n_conditions)
        Mean amplitude over the trials of each condition.
    probability : array_like, (n_conditions,)
        True or realized probability of each condition.
    level : float
        Coverage of the intervals.
    n_resamples : int
        Bootstrap resamples over seeds.
    seed : int
        Seed of the resampling.

    Returns
    -------
    LineFit

    Raises
    ------
    SpecError
        If there are fewer than 3 conditions, or all have one probability.

    Examples
    --------
    >>> from arcuate.analysis import amplitude_vs_probability
    >>> fit = amplitude_vs_probability([0.0, 0.5, 1.0], [0.0, 0.5, 1.0])
    >>> fit.slope, fit.intercept, fit.r_squared
    (1.0, 0.0, 1.0)
    """
    where = "amplitude_vs_probability"
    y, p = (
        as_real(amplitude, where=where, name="amplitude"),
        as_real(probability, where=where, name="probability"),
    )
    rows = np.atleast_2d(y).astype(np.float64)
    if p.ndim != 1 or rows.ndim != 2 or rows.shape[1] != p.size or rows.shape[0] == 0:
        raise SpecError.of(
            where=where,
            name="amplitude",
            value=f"shape {y.shape}",
            bound=f"must be (n_seeds, n_conditions) for {p.size} probabilities",
        )
    if p.size < 3 or np.ptp(p) == 0:
        raise SpecError.of(
            where=where, name="probability", value=p, bound="needs >= 3 conditions that differ"
        )
    x = p - p.mean()
    slopes = rows @ x / (x @ x)
    intercepts = rows.mean(axis=1) - slopes * p.mean()
    slope, intercept = float(slopes.mean()), float(intercepts.mean())
    line = intercept + slope * p
    own = intercepts[:, None] + slopes[:, None] * p
    options: dict[str, Any] = {"statistic": "mean", "level": level, "n_resamples": n_resamples, "seed": seed}
    several = rows.shape[0] > 1
    return LineFit(
        slope=slope,
        intercept=intercept,
        r_squared=_r_squared(rows.mean(axis=0), line),
        pooled_r_squared=_r_squared(rows, line),
        slopes=tuple(slopes.tolist()),
        r_squares=tuple(_r_squared(row, fit) for row, fit in zip(rows, own, strict=True)),
        slope_interval=bootstrap_interval(slopes, **options) if several else None,
        intercept_interval=bootstrap_interval(intercepts, **options) if several else None,
    )


def _r_squared(values: Floats, line: Floats) -> float:
    """Share of the variance that a line explains; NaN for constant values."""
    spread = float(np.sum((values - values.mean()) ** 2))
    return 1.0 - float(np.sum((values - line) ** 2)) / spread if spread > 0 else math.nan


def criterion_trial(values: ArrayLike, *, window: int, bound: float, statistic: str = "median") -> float:
    """First trial from which a statistic over `window` consecutive trials is within a bound.

    Parameters
    ----------
    values : array_like, (n_trials,)
        Errors; their sign does not matter.
    window : int
        Number of consecutive trials; the window starts at the trial that is returned.
    bound : float
        Largest value allowed, in the unit of `values`.
    statistic : {"median", "mean"}
        Median of the absolute values, or absolute value of the mean.

    Returns
    -------
    float
        Trial counted from 0; infinity if the criterion is not met.

    Raises
    ------
    SpecError
        If a value is not finite or an option is out of range.

    Examples
    --------
    >>> from arcuate.analysis import criterion_trial
    >>> criterion_trial([3.0, 3.0, 0.0, 0.0, 0.0], window=3, bound=0.5)
    1.0
    >>> criterion_trial([3.0, 3.0, 3.0], window=2, bound=0.5)
    inf
    """
    where = "criterion_trial"
    errors = as_real(values, where=where, name="values")
    if errors.ndim != 1:
        raise SpecError.of(
            where=where, name="values", value=f"shape {errors.shape}", bound="must be (n_trials,)"
        )
    check_choice(statistic, ("median", "mean"), where=where, name="statistic")
    width = check_int(window, where=where, name="window")
    limit = check_real(bound, where=where, name="bound", low=0.0)
    if errors.size < width:
        return math.inf
    windows = np.lib.stride_tricks.sliding_window_view(errors, width)
    score = np.median(np.abs(windows), axis=1) if statistic == "median" else np.abs(windows.mean(axis=1))
    # One part in 1e9 more, so that an error of 20 ms read off a decimal grid counts as 20 ms.
    met = np.flatnonzero(score <= limit * (1 + 1e-9))
    return float(met[0]) if met.size else math.inf


def trials_to_criterion(
    values: ArrayLike,
    *,
    block: ArrayLike,
    kind: str = "latency",
    target: ArrayLike | None = None,
    window: int | None = None,
    bound: Any = None,
    level: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> xr.Dataset:
    """Trials after the start of each block until the prediction is right.

    Parameters
    ----------
    values : array_like, (n_trials,) or (n_seeds, n_trials)
        Timing errors in s of probe outputs for "latency"; probe estimates of the probability for
        "probability".
    block : array_like, (n_trials,)
        Block of each trial; every stretch of one value is a block.
    kind : {"latency", "probability"}
        Median absolute error over 10 trials <= 20 ms, or mean over 20 trials within 0.1 of `target`.
    target : array_like, (n_trials,) or (n_seeds, n_trials), optional
        True probability of each trial, for "probability".
    window : int, optional
        Another number of trials.
    bound : quantity or float, optional
        Another bound: a time, or a difference of probabilities.
    level : float
        Coverage of the interval.
    n_resamples : int
        Bootstrap resamples over seeds.
    seed : int
        Seed of the resampling.

    Returns
    -------
    Dataset
        ``trials`` (seed, block): first trial of the block from which the criterion holds, counted from
        0, infinity for never; ``median``, ``low``, ``high`` (block) over seeds; ``reached`` (block):
        fraction of seeds that got there.

    Raises
    ------
    SpecError
        If shapes do not go together, or "probability" comes without a target.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import trials_to_criterion
    >>> error = np.r_[np.zeros(20), np.full(7, 0.3), np.zeros(13)]
    >>> trials_to_criterion(error, block=np.repeat([0, 1], 20)).trials.values.tolist()
    [[0.0, 3.0]]
    """
    import xarray as xr

    where = "trials_to_criterion"
    check_choice(kind, ("latency", "probability"), where=where, name="kind")
    rows = np.atleast_2d(as_real(values, where=where, name="values"))
    labels = np.asarray(block)
    if rows.ndim != 2 or labels.shape != rows.shape[1:] or labels.size == 0:
        raise SpecError.of(
            where=where,
            name="block",
            value=f"shape {labels.shape}",
            bound=f"must be {rows.shape[1:]}, one per trial",
        )
    if kind == "probability":
        rows = rows - _like(target, rows.shape, where)
    width, limit, statistic = _criterion(kind, window, bound, where)
    starts = np.flatnonzero(np.r_[True, labels[1:] != labels[:-1]])
    stops = np.r_[starts[1:], labels.size]
    trials = np.array(
        [
            [
                criterion_trial(row[i:j], window=width, bound=limit, statistic=statistic)
                for i, j in _pairs(starts, stops)
            ]
            for row in rows
        ]
    )
    bands = [
        bootstrap_interval(column, level=level, n_resamples=n_resamples, seed=seed) for column in trials.T
    ]
    return xr.Dataset(
        {
            "trials": (("seed", "block"), trials),
            "median": ("block", [band.estimate for band in bands]),
            "low": ("block", [band.low for band in bands]),
            "high": ("block", [band.high for band in bands]),
            "reached": ("block", np.isfinite(trials).mean(axis=0)),
        },
        coords={"block": labels[starts]},
        attrs={"kind": kind, "window": int(width), "bound": limit, "level": level},
    )


def _pairs(starts: NDArray[Any], stops: NDArray[Any]) -> list[tuple[int, int]]:
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def _criterion(kind: str, window: int | None, bound: Any, where: str) -> tuple[int, float, str]:
    """Width of the window, bound and statistic of a criterion."""
    if kind == "latency":
        limit = seconds("20 ms" if bound is None else bound, where=where, name="bound")
        return 10 if window is None else window, limit, "median"
    limit = check_real(0.1 if bound is None else bound, where=where, name="bound", low=0.0)
    return 20 if window is None else window, limit, "mean"


def _like(target: ArrayLike | None, shape: tuple[int, ...], where: str) -> Floats:
    if target is None:
        raise SpecError.of(where=where, name="target", value=None, bound='is needed for kind="probability"')
    array = as_real(target, where=where, name="target")
    if array.shape not in (shape, shape[1:]):
        raise SpecError.of(
            where=where, name="target", value=f"shape {array.shape}", bound=f"must be {shape[1:]} or {shape}"
        )
    if np.any(array < 0) or np.any(array > 1):
        raise SpecError.of(where=where, name="target", value=array, bound="must be probabilities in [0, 1]")
    return array
