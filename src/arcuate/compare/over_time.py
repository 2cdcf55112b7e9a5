"""Encoding step by step: how well states predict responses while both go on, in folds of whole trials."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats
from arcuate.analysis.interval import bootstrap_interval
from arcuate.compare._inputs import (
    as_trials,
    dims_of,
    labels_of,
    listed,
    one_size,
    ordered,
    rank_of,
    varying,
    warn,
)
from arcuate.compare._ridge import ALPHAS, as_folds, warn_of_twins
from arcuate.compare.encoding import LOWEST_RELIABILITY, _Options, _options, correlations, reliability
from arcuate.errors import SpecError, check_int

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["encode_over_time"]

WHERE = "encode_over_time"
FEWEST = 3
"""Trials of a fold: the correlation of two is 1 or -1."""


def encode_over_time(
    x: ArrayLike,
    y: ArrayLike,
    *,
    train: tuple[int, int] | None = None,
    folds: int | ArrayLike = 5,
    groups: ArrayLike | None = None,
    alphas: ArrayLike = ALPHAS,
    n_components: int | None = None,
    reduce: str = "pca",
    n_splits: int = 20,
    seed: int = 0,
) -> xr.Dataset:
    """Predict units of one system from the states of another at each step, by the regression of `encode`.

    Parameters
    ----------
    x : array_like or DataArray, (n_trials, n_steps, p)
        States of any system: rates of a reservoir, ticks of a machine, places of a transformer.
    y : array_like or DataArray, (n_trials, n_steps, q) or (n_trials, n_repeats, n_steps, q)
        Responses. Two DataArrays whose trials have labels are matched by them.
    train : tuple of int, optional
        First step and the step after the last on which one regression is fitted, which is then tested at
        every step: a code that stays as it was is told from one that holds as much in another form.
        Default: a regression for each step.
    folds, groups : optional
        As of `encode`, for trials: a trial is in one fold with all its steps, in the same at all of them.
    alphas, n_components, reduce, n_splits, seed : optional
        As of `encode`.

    Returns
    -------
    Dataset, (step, unit)
        ``unit_r`` (step, unit), the mean of the correlations of the folds, which is ``r_folds`` of
        `encode`; ``r``, ``r_low`` and ``r_high`` (step,), its median over units with a bootstrap interval
        over them. With repeats also ``unit_reliability``, ``unit_r_corrected``, the median
        ``r_corrected`` with its interval, ``ceiling`` with its interval, the median of the square roots
        of the reliabilities, which is what ``r`` can reach, and ``n_units`` (step,), how many units
        repeat well enough for a corrected score.

    Raises
    ------
    SpecError
        Bad arrays or options, as of `encode`; different trials or steps; a range that is not within the
        steps.

    Warns
    -----
    ArcuateWarning
        Of units that were dropped from corrected scores, and of equal trials in different folds.

    Notes
    -----
    States that do not vary at a step say nothing there, and score 0. The correlation over all folds,
    which is ``r`` of `encode`, would be below 0: the training mean is low where the fold is high.

    References
    ----------
    A. Nayebi et al. (2023), arXiv 2305.11772 (corrected scores of neurons in the course of a trial).

    Examples
    --------
    >>> from arcuate.tasks import OccludedBall
    >>> trials = OccludedBall(n_steps=8, n_visible=4).draw(100, seed=1)
    >>> found = encode_over_time(trials.pixels, trials.population(10, seed=2))
    >>> found.r_corrected.values.round(1).tolist()
    [0.8, 0.8, 0.8, 0.8, 0.0, 0.0, 0.0, 0.0]
    """
    states, responses, labels = _matched(x, y)
    groups = labels if groups is None else groups
    options = _options(
        WHERE, folds=folds, groups=groups, alphas=alphas, n_components=n_components, reduce=reduce, seed=seed
    )
    splits = check_int(n_splits, where=WHERE, name="n_splits", low=20)
    n, _, n_steps, q = responses.shape
    mean = responses.mean(axis=1)
    for name, cube in (("x", states), ("y", mean)):
        varying(cube.reshape(n, -1), where=WHERE, name=name)
    least = 3 if options.alphas.size > 1 else 2
    fold = as_folds(folds, n, groups=groups, seed=seed, where=WHERE, least=least)
    if (smallest := int(np.bincount(fold).min())) < FEWEST:
        bound = f"must hold {FEWEST} trials or more each, for a correlation"
        raise SpecError.of(where=WHERE, name="folds", value=f"one of {smallest}", bound=bound)
    warn_of_twins(states.reshape(n, -1), mean.reshape(n, -1), fold, where=WHERE)
    found = np.empty((n_steps, q))
    if train is None:
        for step in range(n_steps):
            found[step] = _Fit.of(states[:, [step]], mean[:, [step]], fold, options).scores(
                states, mean, step
            )
    else:
        first, stop = _range(train, n_steps)
        fit = _Fit.of(states[:, first:stop], mean[:, first:stop], fold, options)
        for step in range(n_steps):
            found[step] = fit.scores(states, mean, step)
    found[mean.min(axis=0) == mean.max(axis=0)] = np.nan
    repeats = None
    if responses.shape[1] > 1:
        repeats = np.stack(
            [reliability(responses[:, :, step], n_splits=splits, seed=seed) for step in range(n_steps)]
        )
    return _dataset(found, repeats, train=train)


def _matched(x: Any, y: Any) -> tuple[Floats, Floats, np.ndarray | None]:
    """States (n, n_steps, p), responses (n, n_repeats, n_steps, q) and labels of the same trials."""
    states = as_trials(x, where=WHERE, name="x", least=4, least_steps=1)
    if rank_of(y) == 4:
        dims = dims_of(y)
        if "repeat" in dims:
            y = y.transpose("repeat", *(dim for dim in dims if dim != "repeat"))
        else:
            y = y.transpose(dims[1], dims[0], *dims[2:]) if dims else np.asarray(y).swapaxes(0, 1)
        parts = [as_trials(part, where=WHERE, name="y", least=4, least_steps=1) for part in y]
        if not parts:
            raise SpecError.of(where=WHERE, name="y", value=0, bound="must have 1 repeat or more")
        responses, one = np.stack(parts, axis=1), y[0]
    else:
        responses, one = as_trials(y, where=WHERE, name="y", least=4, least_steps=1)[:, None], y
    one_size(states, responses, where=WHERE)
    if responses.shape[2] != states.shape[1]:
        bound = f"must have the {states.shape[1]} steps of x"
        raise SpecError.of(where=WHERE, name="y", value=f"{responses.shape[2]} steps", bound=bound)
    labels, others = labels_of(x), labels_of(one)
    if labels is not None and others is not None and not np.array_equal(labels, others):
        responses = responses[ordered(x, one, where=WHERE)]
    labels = others if labels is None else labels
    return states, responses, None if labels is None or len(set(labels.tolist())) == len(labels) else labels


def _range(train: Any, n_steps: int) -> tuple[int, int]:
    if not isinstance(train, (tuple, list)) or len(train) != 2:
        bound = "must be the first step and the step after the last"
        raise SpecError.of(where=WHERE, name="train", value=train, bound=bound, fix="such as (0, 12)")
    first = check_int(train[0], where=WHERE, name="train[0]", low=0, high=n_steps - 1)
    return first, check_int(train[1], where=WHERE, name="train[1]", low=first + 1, high=n_steps)


@dataclass(frozen=True, kw_only=True)
class _Fit:
    """One regression for each fold, made on some steps of the trials of the others."""

    fold: np.ndarray
    maps: list[tuple[Any, Floats]]
    center: Floats
    directions: Floats | None

    @classmethod
    def of(cls, x: Floats, y: Floats, fold: np.ndarray, options: _Options) -> _Fit:
        """Fit states (n, k, p) to responses (n, k, q) of k steps."""
        rows = np.repeat(fold, x.shape[1])
        states, target = (cube.reshape(rows.size, -1) for cube in (x, y))
        center = states.mean(axis=0)
        states, target = states - center, target - target.mean(axis=0)
        model = replace(options, folds=rows, groups=None).folded(states, where=WHERE)
        alpha = model.choose(target)
        maps = [(split, model.weights(target, alpha, k)) for k, (_, _, split, _) in enumerate(model.outer)]
        return cls(fold=fold, maps=maps, center=center, directions=options.directions(states))

    def scores(self, x: Floats, y: Floats, step: int) -> Floats:
        """Mean over folds of the correlations of held-out trials at one step (q,)."""
        states = x[:, step] - self.center
        states = states if self.directions is None else states @ self.directions
        found = []
        for number, (split, weights) in enumerate(self.maps):
            test = self.fold == number
            said, wanted = split.components(states[test]) @ weights, y[test, step]
            still = (states[test] == states[test][0]).all()
            found.append(np.zeros(wanted.shape[1]) if still else correlations(said, wanted))
        return np.asarray(np.mean(found, axis=0))


def _dataset(r: Floats, repeats: Floats | None, *, train: Any) -> xr.Dataset:
    """Scores of units, and their medians with intervals."""
    import xarray as xr

    table: dict[str, Any] = {"unit_r": (("step", "unit"), r)} | _medians("r", r)
    if repeats is not None:
        kept = (repeats >= LOWEST_RELIABILITY) & np.isfinite(r)
        fixed = np.divide(r, np.sqrt(np.maximum(repeats, 0)), out=np.full_like(r, np.nan), where=kept)
        lost = np.flatnonzero((~kept & np.isfinite(r)).any(axis=0))
        if lost.size:
            warn(
                f"{WHERE}: {lost.size} of {r.shape[1]} units repeat less well than {LOWEST_RELIABILITY} at "
                f"some step and have no corrected score there: {listed(lost.tolist())}"
            )
        table["unit_reliability"] = (("step", "unit"), np.where(np.isfinite(r), repeats, np.nan))
        table["unit_r_corrected"] = (("step", "unit"), fixed)
        table |= _medians("r_corrected", fixed)
        table |= _medians("ceiling", np.sqrt(np.where(np.isfinite(r), np.maximum(repeats, 0), np.nan)))
        table["n_units"] = ("step", kept.sum(axis=1))
    attrs = {} if train is None else {"train": tuple(int(step) for step in train)}
    coords = {"step": np.arange(r.shape[0]), "unit": np.arange(r.shape[1])}
    return xr.Dataset(table, coords=coords, attrs=attrs)


def _medians(name: str, values: Floats) -> dict[str, Any]:
    """Median over units and its interval at each step; NaN where there is no unit."""
    ends = np.full((3, len(values)), np.nan)
    for step, row in enumerate(values):
        if np.isfinite(row).any():
            found = bootstrap_interval(row[np.isfinite(row)])
            ends[:, step] = found.estimate, found.low, found.high
    return {name + tail: ("step", part) for tail, part in zip(("", "_low", "_high"), ends, strict=True)}
