"""Dimensions and directions of activity, condition by condition: of how many, and are they the same."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcuate._inputs import Floats, as_states
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.analysis.interval import check_level, jackknife
from arcuate.analysis.subspace import angle_null, covariance, participation_ratio, principal_angles
from arcuate.errors import SpecError, check_int
from arcuate.rng import stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["condition_angles", "condition_dimensionality"]


def condition_dimensionality(
    states: ArrayLike, condition: ArrayLike | None = None, *, level: float = 0.95
) -> xr.Dataset:
    """Participation ratio of each condition, with and without the response that its trials share.

    Parameters
    ----------
    states : array_like, (n_trials, n_samples, n_units)
    condition : array_like, (n_trials,), optional
        Label of each trial, each of at least 3 trials; default all are one.
    level : float
        Coverage of the intervals, which leave out a tenth of the trials in turn (jackknife of the logarithm).

    Returns
    -------
    Dataset
        ``ratio``, ``low``, ``high`` (condition): of samples less their mean. ``locked``, ``locked_low``,
        ``locked_high``: of what remains without the mean over trials at each time, NaN where nothing does.

    Raises
    ------
    SpecError
        If a condition has fewer than 3 trials or does not vary, or labels and trials do not go together.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import condition_dimensionality
    >>> noise = 0.1 * np.random.default_rng(0).normal(size=(40, 50, 10))
    >>> response = np.sin(np.linspace(0, 6, 50))[:, None] * np.ones(10)
    >>> found = condition_dimensionality(noise + response)
    >>> found.ratio.values.round(1).tolist(), found.locked.values.round(1).tolist()
    ([1.0], [9.9])
    """
    import xarray as xr

    where = "condition_dimensionality"
    cube, labels, names = _by_condition(states, condition, where, least=3)
    cover = check_level(level, where)
    table: dict[str, list[float]] = {}
    for name in names:
        trials = cube[labels == name]
        for remove, key in (("mean", ""), ("locked", "locked")):
            low, value, high = _ratio_interval(trials, remove, cover)
            parts = ("ratio", "low", "high") if not key else ("locked", "locked_low", "locked_high")
            for part, number in zip(parts, (value, low, high), strict=True):
                table.setdefault(part, []).append(number)
    return xr.Dataset(
        {key: ("condition", values, {"units": "1"}) for key, values in table.items()},
        coords={"condition": names},
        attrs={"level": cover},
    )


def _ratio_interval(trials: NDArray[Any], remove: str, level: float) -> tuple[float, float, float]:
    """Low end, value and high end of a participation ratio over trials."""
    if remove == "locked" and not np.ptp(trials, axis=0).any():
        return math.nan, math.nan, math.nan

    def measure(kept: NDArray[np.intp]) -> float:
        return math.log(participation_ratio(trials[kept], remove=remove))

    value, half = jackknife(measure, len(trials), level=level)
    return math.exp(value - half), math.exp(value), math.exp(value + half)


def condition_angles(
    states: ArrayLike,
    condition: ArrayLike,
    *,
    n_components: int = 2,
    n_null: int = 200,
    level: float = 0.95,
    seed: int = 0,
    progress: ProgressOption = None,
) -> xr.Dataset:
    """Principal angles of the subspaces in which activity moves in two conditions, beside three nulls.

    The subspace of a condition is spanned by the first principal components of its trials.

    Parameters
    ----------
    states : array_like, (n_trials, n_samples, n_units)
    condition : array_like, (n_trials,)
        Two different labels, each of at least 3 trials.
    n_components : int
        Dimension of each subspace.
    n_null : int
        Draws of each null.
    level : float
        Coverage of the intervals, which leave out a tenth of the trials in turn.
    seed : int
        Of the nulls.
    progress : bool, callable or None
        Progress bar.

    Returns
    -------
    Dataset
        ``angle``, ``low``, ``high`` (component), degrees, smallest first; ``shuffled`` (draw, component),
        with labels exchanged between trials, which tells subspaces that differ from an estimate that does;
        ``p`` (component), share of those draws that are at least as large, counting the observed one;
        ``isotropic`` and ``matched`` (draw), smallest angles of random subspaces and of those drawn with the
        covariance of all trials, against which subspaces may be said to share something.

    Raises
    ------
    SpecError
        If there are not two conditions, or there are more components than units.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.analysis import condition_angles
    >>> states = np.random.default_rng(0).normal(size=(40, 30, 6)) * 0.1
    >>> condition = np.repeat([0, 1], 20)
    >>> states[condition == 0, :, 0] *= 30
    >>> states[condition == 1, :, 1] *= 30
    >>> found = condition_angles(states, condition, n_components=1, n_null=99)
    >>> round(float(found.angle[0])), float(found.p[0])
    (90, 0.01)
    """
    import xarray as xr

    where = "condition_angles"
    cube, labels, names = _by_condition(states, condition, where, least=3)
    if len(names) != 2:
        bound = f"must have two different labels, not {len(names)}"
        raise SpecError.of(where=where, name="condition", value=names, bound=bound)
    units = cube.shape[2]
    count = check_int(n_components, where=where, name="n_components", high=units)
    draws = check_int(n_null, where=where, name="n_null", low=1)
    cover = check_level(level, where)
    check_progress(progress, where=where, unit="draws")
    first = labels == names[0]

    def angles(members: NDArray[np.bool_], kept: NDArray[np.intp] | None = None) -> Floats:
        rows = np.arange(len(cube)) if kept is None else kept
        sides = (rows[members[rows]], rows[~members[rows]])
        return principal_angles(*(_components(cube[side], count) for side in sides))

    found = angles(first)
    rng, shuffled = stream(seed, "analysis/condition_angles"), np.empty((draws, found.size))
    with progress_bar(progress, draws, title=where, unit="draw") as step:
        for k in range(draws):
            shuffled[k] = angles(rng.permutation(first))
            if step is not None:
                step(1)
    order = np.r_[np.flatnonzero(first), np.flatnonzero(~first)]
    half = jackknife(lambda kept: angles(first, kept), len(cube), level=cover, order=order)[1]
    size: dict[str, Any] = {"n_a": count, "n_b": count, "n_null": draws, "seed": seed}
    degrees = {"units": "degree"}
    return xr.Dataset(
        {
            "angle": ("component", found, degrees),
            "low": ("component", np.clip(found - half, 0, 90), degrees),
            "high": ("component", np.clip(found + half, 0, 90), degrees),
            "shuffled": (("draw", "component"), shuffled, degrees),
            "p": ("component", (1 + np.sum(shuffled >= found, axis=0)) / (1 + draws)),
            "isotropic": ("draw", angle_null("isotropic", n_units=units, **size), degrees),
            "matched": ("draw", angle_null("matched", cov=covariance(cube), **size), degrees),
        },
        attrs={"conditions": " ".join(map(str, names)), "level": cover},
    )


def _components(trials: NDArray[Any], count: int) -> Floats:
    """First principal components of the pooled samples, as rows."""
    return np.asarray(np.linalg.eigh(covariance(trials))[1][:, -count:].T)


def _by_condition(
    states: ArrayLike, condition: ArrayLike | None, where: str, *, least: int
) -> tuple[NDArray[Any], NDArray[Any], list[Any]]:
    cube = as_states(states, where=where, name="states")
    labels = np.zeros(len(cube), dtype=np.int64) if condition is None else np.asarray(condition)
    if labels.shape != cube.shape[:1] or labels.dtype.kind not in "iuUSb":
        bound = f"must be ({len(cube)},), a name or an integer for each trial"
        value = f"{labels.dtype} of shape {labels.shape}"
        raise SpecError.of(where=where, name="condition", value=value, bound=bound)
    names, counts = np.unique(labels, return_counts=True)
    if counts.min() < least:
        few = names[np.argmin(counts)]
        bound = f"condition {few!s} needs >= {least} trials"
        raise SpecError.of(where=where, name="states", value=f"{counts.min()} trials", bound=bound)
    return cube, labels, names.tolist()
