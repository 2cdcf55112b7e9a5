"""Intervals over trials: of shares, of means, and by resampling."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcuate.errors import check_real
from arcuate.rng import check_seed, stream

__all__ = ["RESAMPLES", "check_level", "mean_interval", "percentiles", "resamples", "wilson"]

Floats = NDArray[np.float64]

RESAMPLES = 400
"""Bootstrap samples of trials (chosen: the ends of a 95 % interval then rest on 10 samples each)."""


def check_level(level: float) -> None:
    """Refuse what is no coverage of an interval.

    Parameters
    ----------
    level : float

    Raises
    ------
    SpecError
    """
    check_real(level, where="CTM", name="level", low=0, high=1, low_open=True, high_open=True)


def wilson(share: ArrayLike, n: ArrayLike, level: float) -> tuple[Floats, Floats]:
    """Interval of a share of n (Wilson 1927).

    Parameters
    ----------
    share : array_like
    n : array_like
        Size of the sample.
    level : float

    Returns
    -------
    tuple of ndarray
        Lower and upper end.
    """
    from scipy.special import ndtri

    check_level(level)
    p, size = np.asarray(share, dtype=np.float64), np.asarray(n, dtype=np.float64)
    z = float(ndtri(0.5 + level / 2))
    middle = (p + z * z / (2 * size)) / (1 + z * z / size)
    half = z / (1 + z * z / size) * np.sqrt(p * (1 - p) / size + (z / (2 * size)) ** 2)
    return np.clip(middle - half, 0.0, 1.0), np.clip(middle + half, 0.0, 1.0)


def mean_interval(values: Floats, level: float) -> tuple[Floats, Floats, Floats]:
    """Mean over the first axis and its normal interval, without what is NaN.

    Parameters
    ----------
    values : ndarray, (B, ...)
    level : float

    Returns
    -------
    tuple of ndarray
        Mean, lower and upper end; NaN where nothing is known.
    """
    from scipy.special import ndtri

    known = np.isfinite(values)
    n = known.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, values, 0.0).sum(0) / n
        variance = np.where(known, (values - mean) ** 2, 0.0).sum(0) / (n - 1)
        half = float(ndtri(0.5 + level / 2)) * np.sqrt(variance / n)
    return mean, mean - half, mean + half


def resamples(n: int, seed: int, name: str) -> Floats:
    """How often a bootstrap sample has each trial: (samples, n).

    Parameters
    ----------
    n : int
    seed : int
    name : str
        Address of the draws.

    Returns
    -------
    ndarray
    """
    rng = stream(check_seed(seed), name)
    return rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(np.float64)


def percentiles(many: Floats, level: float) -> tuple[Any, Any]:
    """Ends of a percentile interval over the first axis; NaN where no sample has a value."""
    known = np.isfinite(many).any(0)
    filled = np.where(known, many, 0.0)
    low, high = np.nanquantile(filled, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    return np.where(known, low, np.nan), np.where(known, high, np.nan)
