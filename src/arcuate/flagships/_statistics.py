"""Statistics over a few seeds: Student's t interval, claims from the values of seeds, pairs of systems."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from arcuate.analysis.interval import Interval, check_level
from arcuate.errors import SpecError
from arcuate.flagships._result import Claim

__all__ = ["claim_over_seeds", "paired", "seed_interval"]


def seed_interval(
    values: Mapping[int, float], *, level: float = 0.95, low: float = -math.inf, high: float = math.inf
) -> Interval:
    """Return the mean over seeds with Student's t interval.

    A percentile bootstrap of five values is too narrow, so the interval is that of the mean of normal
    values. With one seed it is infinite.

    Parameters
    ----------
    values : mapping of int to float
        One value for each seed.
    level : float
        Coverage, between 0 and 1.
    low, high : float
        Ends of what the statistic can be; the interval is cut there.

    Returns
    -------
    Interval
        All NaN if there is no value, or one is NaN.

    Raises
    ------
    SpecError
        If the level is out of range.

    Examples
    --------
    >>> band = seed_interval({0: 1.0, 1: 2.0, 2: 3.0})
    >>> round(band.low, 3), band.estimate, round(band.high, 3)
    (-0.484, 2.0, 4.484)
    """
    from scipy.stats import t as student

    level = check_level(level, "seed_interval")
    data = np.array(list(values.values()), dtype=float)
    n = int(data.size)
    if n == 0 or np.isnan(data).any():
        return Interval(estimate=math.nan, low=math.nan, high=math.nan, level=level, n=n)
    mean, half = float(data.mean()), math.inf
    if n > 1:
        half = float(student.ppf((1 + level) / 2, n - 1) * data.std(ddof=1) / math.sqrt(n))
        low, high = max(mean - half, low), min(mean + half, high)
    else:
        low, high = -math.inf, math.inf
    return Interval(estimate=mean, low=min(low, mean), high=max(high, mean), level=level, n=n)


def claim_over_seeds(
    values: Mapping[int, float],
    *,
    within: tuple[float, float] = (-math.inf, math.inf),
    level: float = 0.95,
    **claim: Any,
) -> Claim:
    """Make a claim about the mean of a statistic over seeds.

    Parameters
    ----------
    values : mapping of int to float
        One value for each seed.
    within : tuple of two floats
        What the statistic can be; the interval is cut there.
    level : float
        Coverage of the interval.
    **claim
        The other fields of `Claim`: ``name``, ``question``, ``statistic``, ``above`` or ``below``, ...

    Returns
    -------
    Claim

    Examples
    --------
    >>> claim_over_seeds({0: 81.0, 1: 84.0, 2: 83.0}, within=(0, 90), name="angle", question="Orthogonal?",
    ...                  statistic="smallest angle", above=75.0, unit="deg").verdict
    'supported'
    """
    band = seed_interval(values, level=level, low=within[0], high=within[1])
    return Claim(estimate=band.estimate, low=band.low, high=band.high, n=band.n, **claim)


def paired(first: Mapping[int, float], second: Mapping[int, float]) -> dict[int, float]:
    """Return first minus second, seed by seed.

    Parameters
    ----------
    first, second : mapping of int to float
        One value for each seed, the same seeds in both.

    Returns
    -------
    dict of int to float

    Raises
    ------
    SpecError
        If the seeds differ.

    Examples
    --------
    >>> paired({0: 3.0, 1: 5.0}, {1: 1.0, 0: 1.0})
    {0: 2.0, 1: 4.0}
    """
    if set(first) != set(second):
        raise SpecError.of(
            where="paired",
            name="second",
            value=sorted(second),
            bound=f"must have the same seeds as the first, {sorted(first)}",
        )
    return {seed: first[seed] - second[seed] for seed in first}
