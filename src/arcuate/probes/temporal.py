"""How a system has time: which law its distances follow, which units prefer time, what it says where.

All functions take states as arrays, of transformers, thought machines and reservoirs alike, with one row per
trial. The laws and the tuning of units are in `arcuate.compare` (`perceived_distance`, `reference_coding`,
`tuning_curves`, `scalar_law`); here they are set beside a ceiling, over layers, ticks or times.

References
----------
Li et al., The other mind: how language models exhibit human temporal cognition, 2025, arXiv 2507.15851:
preference of units for times over matched numbers, laws of distance, value in early and orientation in late
layers.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from arcuate import rng
from arcuate._inputs import Floats, as_real
from arcuate.compare import encode, perceived_distance, scalar_law, tuning_curves
from arcuate.compare.inference import spearman_brown
from arcuate.errors import ArcuateWarning, SpecError, check_choice, check_int, check_real

if TYPE_CHECKING:
    import xarray as xr

    from arcuate.tasks import IntervalTrials

__all__ = ["IntervalCode", "distance_profile", "interval_code", "time_preference", "value_orientation"]

SCALAR = 8
"""Tuned units that the scalar law needs."""


def time_preference(time: ArrayLike, number: ArrayLike, *, n_null: int = 1000, seed: int = 0) -> xr.Dataset:
    """How much more active each unit is where a time is asked than where a matched number is.

    Row i of both must come from trials that match in all but what is asked. The null exchanges the two of a
    trial at random, and takes the largest of all units, so that p holds for the family.

    Parameters
    ----------
    time, number : array_like, (n_trials, n_units)
        Activity.
    n_null : int
        Exchanges.
    seed : int
        Stream ``"temporal/preference"``.

    Returns
    -------
    Dataset, (unit,)
        ``d_prime``, the difference of means over the root of the mean variance; NaN where a unit is constant
        in both. ``p``, corrected for the number of units. ``null_high``, without a dimension, is the 95 %
        quantile of the largest ``|d'|`` under the null.

    Raises
    ------
    SpecError
        If the shapes differ, there are fewer than 4 trials, or a number is not finite.

    Examples
    --------
    >>> draw = np.random.default_rng(0)
    >>> time, number = draw.standard_normal((2, 60, 20))
    >>> time[:, 3] += 2
    >>> found = time_preference(time, number)
    >>> np.flatnonzero(found.p < 0.05).tolist(), bool(found.d_prime[3] > 1.5)
    ([3], True)
    """
    import xarray as xr

    where = "time_preference"
    a, b = (_rows(part, where, name) for part, name in ((time, "time"), (number, "number")))
    if a.shape != b.shape or len(a) < 4:
        bound = f"must have the shape of time, {a.shape}, with 4 trials or more"
        raise SpecError.of(where=where, name="number", value=b.shape, bound=bound)
    draws = check_int(n_null, where=where, name="n_null")
    signs = rng.stream(rng.check_seed(seed), "temporal/preference").integers(2, size=(draws, len(a))) * 2 - 1
    both, power, apart = (a + b).mean(axis=0), (a**2 + b**2).mean(axis=0), (a - b).mean(axis=0)
    still = np.ptp(np.concatenate([a, b]), axis=0) == 0
    seen = np.where(still, np.nan, _d_prime(apart, both, power))
    null = np.abs(_d_prime(signs @ (a - b) / len(a), both, power))[:, ~still].max(axis=1, initial=0.0)
    p = (1 + (null[:, None] >= np.abs(seen)).sum(axis=0)) / (1 + draws)
    return xr.Dataset(
        {
            "d_prime": ("unit", seen),
            "p": ("unit", np.where(still, np.nan, p)),
            "null_high": float(np.quantile(null, 0.95)),
        }
    )


def _d_prime(apart: Floats, both: Floats, power: Floats) -> Floats:
    """Difference of means over the root of the mean variance, from means of sums, squares and differences."""
    variance = np.maximum((power - (both**2 + apart**2) / 2) / 2, 1e-12 * np.maximum(power, 1e-300))
    return np.asarray(apart / np.sqrt(variance))


def _rows(value: Any, where: str, name: str) -> Floats:
    """A finite matrix of floats."""
    found = as_real(value, where=where, name=name).astype(np.float64, copy=False)
    if found.ndim != 2:
        bound = f"must be (n_trials, n_units), not shape {found.shape}"
        raise SpecError.of(where=where, name=name, bound=bound)
    return found


def distance_profile(
    states: Any,
    values: ArrayLike,
    *,
    metric: str = "euclidean",
    references: ArrayLike | None = None,
    n_splits: int = 20,
    n_resamples: int = 500,
    seed: int = 0,
) -> xr.Dataset:
    """Which law of distance the states follow, at every layer, tick or time, under a noise ceiling.

    States of the same value are averaged; the dissimilarities of the means go to
    `arcuate.compare.perceived_distance`.

    Parameters
    ----------
    states : mapping of name to array_like (n_trials, n_units), or array_like (n_trials, n_places, n_units)
        Activity at each place. The second dimension of a labeled array names the places.
    values : array_like, (n_trials,)
        The time of each trial, at least 5 different ones.
    metric : {"euclidean", "cosine", "correlation"}
        Of dissimilarities. Euclidean distances are not squared: those of a line are linear.
    references : array_like, optional
        As in `perceived_distance`.
    n_splits : int
        Splits of the trials of every value into halves, for the ceiling.
    n_resamples : int
        Of values, for intervals.
    seed : int

    Returns
    -------
    Dataset, (place, model)
        ``r_squared`` (held out), ``low`` and ``high``; over places ``best``, ``decided`` (whether the models
        that do not hold the best are clearly behind), ``reference`` with ``reference_low`` and
        ``reference_high``, and ``ceiling``: how well the dissimilarities of halves of the trials agree, by
        Spearman and Brown, the share of variance that is the same in other trials. A law whose distances
        noise has lengthened alike can lie a little above it. It is NaN where a value has one trial, and 1
        where trials of a value are equal. Also ``rdm`` (place, value, other).

    Raises
    ------
    SpecError
        If shapes do not go together, there are fewer than 5 values, or states do not vary.

    Examples
    --------
    >>> k = np.repeat(np.arange(4.0, 21.0), 6)
    >>> noise = np.random.default_rng(0).normal(0, 0.05, (2, k.size, 1))
    >>> states = {"early": k[:, None] + noise[0], "late": np.log(k)[:, None] + 0.1 * noise[1]}
    >>> found = distance_profile(states, k, n_resamples=50)
    >>> found.best.values.tolist(), bool((found.ceiling > 0.99).all())
    (['linear', 'log'], True)
    """
    import xarray as xr

    where = "distance_profile"
    metric = check_choice(metric, ("euclidean", "cosine", "correlation"), where=where, name="metric")
    splits = check_int(n_splits, where=where, name="n_splits")
    places, y = _places(states, values, where)
    levels, index = np.unique(y, return_inverse=True)
    tables, rows, fits = [], [], []
    for matrix in places.values():
        seen = _apart(_means(matrix, index), metric, where)
        found = perceived_distance(seen, levels, references=references, n_resamples=n_resamples, seed=seed)
        ceiling = _ceiling(matrix, index, metric=metric, splits=splits, seed=seed)
        tables.append(seen)
        fits.append(found.models[["r_squared", "low", "high"]])
        rows.append((found.best, found.decided, ceiling, found.reference))
    where_is = list(places)
    out = xr.concat(fits, dim="place").assign_coords(place=where_is)
    best, decided, ceilings, reference = zip(*rows, strict=True)
    columns = {"best": list(best), "decided": list(decided), "ceiling": list(ceilings)}
    columns |= {
        f"reference{end}": [getattr(one, name) for one in reference]
        for end, name in (("", "estimate"), ("_low", "low"), ("_high", "high"))
    }
    out = out.assign({name: ("place", column) for name, column in columns.items()})
    return out.assign(rdm=(("place", "value", "other"), np.array(tables))).assign_coords(
        value=levels, other=levels
    )


def _places(states: Any, values: ArrayLike, where: str) -> tuple[dict[Any, Floats], Floats]:
    """Matrices (n_trials, n_units) by place, and the values of the trials."""
    y = as_real(values, where=where, name="values").astype(np.float64, copy=False)
    if isinstance(states, Mapping):
        places = {name: _rows(part, where, f"states[{name!r}]") for name, part in states.items()}
    else:
        array = as_real(np.asarray(states), where=where, name="states").astype(np.float64, copy=False)
        if array.ndim != 3:
            bound = f"must be (n_trials, n_places, n_units) or a mapping, not shape {array.shape}"
            raise SpecError.of(where=where, name="states", bound=bound)
        names: Any = range(array.shape[1])
        if hasattr(states, "dims") and states.dims[1] in states.coords:
            names = states.coords[states.dims[1]].values.tolist()
        places = {name: array[:, k] for k, name in enumerate(names)}
    if not places:
        raise SpecError.of(where=where, name="states", bound="must hold a place")
    for name, matrix in places.items():
        if y.ndim != 1 or len(matrix) != y.size:
            bound = f"must be one for each of the {len(matrix)} trials of {name!r}"
            raise SpecError.of(where=where, name="values", value=y.shape, bound=bound)
    return places, y


def _means(matrix: Floats, index: np.ndarray) -> Floats:
    """Mean state of each value."""
    total = np.zeros((int(index.max()) + 1, matrix.shape[1]))
    np.add.at(total, index, matrix)
    return np.asarray(total / np.bincount(index)[:, None])


def _apart(means: Floats, metric: str, where: str) -> Floats:
    """Dissimilarities of the mean states."""
    from scipy.spatial.distance import pdist, squareform

    found = squareform(pdist(means, metric))
    if not np.isfinite(found).all():
        bound = f"must vary over units for {metric} distances"
        raise SpecError.of(where=where, name="states", bound=bound)
    return np.asarray(found)


def _ceiling(matrix: Floats, index: np.ndarray, *, metric: str, splits: int, seed: int) -> float:
    """Agreement of the dissimilarities of two halves of the trials, for all trials."""
    if np.bincount(index).min() < 2:
        return np.nan
    generator = rng.stream(rng.check_seed(seed), "temporal/halves")
    pairs = np.triu_indices(int(index.max()) + 1, 1)
    found = []
    for _ in range(splits):
        order = np.lexsort((generator.random(index.size), index))
        rank = np.arange(index.size) - np.searchsorted(index[order], index[order])
        halves = [
            _apart(
                _means(matrix[order[rank % 2 == k]], index[order[rank % 2 == k]]), metric, "distance_profile"
            )
            for k in (0, 1)
        ]
        found.append(np.corrcoef(halves[0][pairs], halves[1][pairs])[0, 1])
    return float(spearman_brown(np.array([np.mean(found)]), 2.0)[0])


def value_orientation(
    states: Any, values: ArrayLike, reference: float, *, folds: int = 6, seed: int = 0
) -> xr.Dataset:
    """What a linear read-out finds at every place: how much, or on which side of the reference.

    Every value is held out whole. The two are not independent, since the side follows from the value; so
    what each has beyond the other is asked as well. A code of values that bends, as that of units with tuning
    curves, has a step at any reference; so the step is asked at false references too.

    Parameters
    ----------
    states : mapping or array_like
        As in `distance_profile`.
    values : array_like, (n_trials,)
    reference : float
        Between the values.
    folds : int
        Groups of values that are held out in turn.
    seed : int
        Of the folds.

    Returns
    -------
    Dataset, (place, target)
        ``r_squared``, held out, of ``value``; ``orientation``, +1 above the reference and -1 below it;
        ``graded``, the value less the mean of its side, which no orientation tells; and ``step``, the
        orientation less what is linear in the value, which no line tells. A line alone has no ``step`` and
        a side alone nothing ``graded``; both together have all of each. A ``step`` alone is no orientation:
        ``false_step`` (place, false_reference) has it between any other two neighbors among the values that
        leave 3 on either side, and ``sided`` (place) is the ``step`` less the largest of these, above 0 if
        the reference stands out; NaN where there is no other. It is strict: with few values on a side, folds
        that leave out most of them can hide a side that is there.

    Raises
    ------
    SpecError
        If shapes do not go together, or a side has fewer than 3 values.

    Examples
    --------
    >>> k = np.repeat(np.arange(4.0, 21.0), 6)
    >>> noise = np.random.default_rng(0).normal(0, 0.1, (2, k.size, 1))
    >>> states = {"early": (k - 10.5)[:, None] / 5 + noise[0], "late": np.sign(k - 10.5)[:, None] + noise[1]}
    >>> found = value_orientation(states, k, 10.5)
    >>> found.r_squared.sel(target=["graded", "step"]).round(2).values.tolist()
    [[0.25, -0.0], [-0.0, 0.09]]
    """
    import xarray as xr

    where = "value_orientation"
    places, y = _places(states, values, where)
    center = check_real(reference, where=where, name="reference", low=float(y.min()), high=float(y.max()))
    above, levels = y > center, np.unique(y)
    if min(np.unique(y[above]).size, np.unique(y[~above]).size) < 3:
        bound = "must leave 3 values or more on either side"
        raise SpecError.of(where=where, name="reference", value=reference, bound=bound)
    side = np.where(above, 1.0, -1.0)
    graded = y - np.where(above, y[above].mean(), y[~above].mean())
    left = np.arange(2, levels.size - 3)  # of the pair of neighbors
    left = left[(levels[left] > center) | (levels[left + 1] <= center)]
    false = (levels[left] + levels[left + 1]) / 2
    targets = np.stack([y, side, graded, *(_step(y, at) for at in (center, *false))], axis=1)
    scores = []
    for matrix in places.values():
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", ArcuateWarning
            )  # trials of a value may be equal; they share a fold
            found = encode(matrix, targets, folds=folds, groups=y, seed=seed)
        scores.append(found.units.r2.values)
    names = ["value", "orientation", "graded", "step"]
    table = np.array(scores)
    largest = table[:, 4:].max(axis=1) if false.size else np.full(len(table), np.nan)
    return xr.Dataset(
        {
            "r_squared": (("place", "target"), table[:, :4]),
            "false_step": (("place", "false_reference"), table[:, 4:]),
            "sided": ("place", table[:, 3] - largest),
        },
        coords={"place": list(places), "target": names, "false_reference": false},
        attrs={"reference": center},
    )


def _step(y: Floats, reference: float) -> Floats:
    """The side of a reference, +1 above it and -1 below it, less what is linear in the value."""
    side = np.where(y > reference, 1.0, -1.0)
    line = np.polynomial.polynomial.polyfit(y, side, 1)
    return np.asarray(side - np.polynomial.polynomial.polyval(y, line))


@dataclass(frozen=True, kw_only=True, eq=False)
class IntervalCode:
    """How one system has intervals.

    Attributes
    ----------
    accuracy : DataArray, (value,)
        Share of right answers by duration; ``reference`` among its attributes.
    laws : Dataset, (place, model)
        As of `distance_profile`.
    sides : Dataset, (place, target)
        As of `value_orientation`.
    tuning : Dataset, (unit,)
        Of the units of the last place, as of `arcuate.compare.tuning_curves`.
    preference : dict of place to Dataset, (unit,), or None
        As of `time_preference`, where matched states were given.
    """

    accuracy: xr.DataArray
    laws: xr.Dataset
    sides: xr.Dataset
    tuning: xr.Dataset
    preference: dict[Any, xr.Dataset] | None

    def figures(self, *, far: float = 2.0) -> dict[str, float]:
        """Return the numbers that sum it up.

        Parameters
        ----------
        far : float
            Durations count as far from the reference if they are further than this.

        Returns
        -------
        dict of str to float
            ``right`` and ``right_far``, shares of right answers; of the first and the last place each
            ``law_PLACE``, the largest held-out share of variance of a law, ``linear_PLACE``, ``log_PLACE``
            and ``reference_log_PLACE``, that of each of them, ``ceiling_PLACE`` and ``short_PLACE``, how far
            the best law stays below it, ``graded_PLACE``, ``step_PLACE``, ``sided_PLACE`` and, where it is
            known, ``prefer_PLACE``, the share of units with a preference; ``step_gain`` and ``sided_gain``
            from first to last; ``tuned``, the share of tuned units, and ``weber``, their median of width over
            preferred value. ``slope``, ``slope_low`` and ``trend`` of the widths are as
            `arcuate.compare.scalar_law` has them, NaN with fewer than 8 tuned units.

        Examples
        --------
        See `interval_code`.
        """
        away = np.abs(self.accuracy.value - self.accuracy.attrs["reference"]) > far
        found: dict[str, Any] = {
            "right": self.accuracy.mean(),
            "right_far": self.accuracy[away.values].mean(),
        }
        for word, k in (("first", 0), ("last", -1)):
            found[f"law_{word}"] = self.laws.r_squared[k].max()
            found |= {
                f"{law}_{word}": self.laws.r_squared.sel(model=law)[k] for law in self.laws.model.values
            }
            found[f"ceiling_{word}"] = self.laws.ceiling[k]
            found[f"short_{word}"] = found[f"ceiling_{word}"] - found[f"law_{word}"]
            for target in ("graded", "step"):
                found[f"{target}_{word}"] = self.sides.r_squared.sel(target=target)[k]
            found[f"sided_{word}"] = self.sides.sided[k]
            if self.preference is not None:
                found[f"prefer_{word}"] = (list(self.preference.values())[k].p < 0.05).mean()
        found |= {
            f"{name}_gain": found[f"{name}_last"] - found[f"{name}_first"] for name in ("step", "sided")
        }
        good = self.tuning.tuned.values
        share = self.tuning.width.values[good] / self.tuning.preferred.values[good]
        found |= {"tuned": good.mean(), "weber": np.median(share) if share.size else np.nan}
        found |= dict.fromkeys(("slope", "slope_low", "trend"), np.nan)
        if share.size >= SCALAR:
            law = scalar_law(self.tuning)
            found |= {"slope": law.slope.estimate, "slope_low": law.slope.low, "trend": law.trend.estimate}
        return {name: float(value) for name, value in found.items()}


def interval_code(
    states: Mapping[Any, ArrayLike],
    trials: IntervalTrials,
    answers: ArrayLike,
    *,
    other: Mapping[Any, ArrayLike] | None = None,
    n_resamples: int = 200,
    seed: int = 0,
) -> IntervalCode:
    """Look at a system that compares intervals: its answers, laws of distance, sides, tuning, preferences.

    Parameters
    ----------
    states : mapping of place to array_like, (n_trials, n_units)
        At the probe, the places from first to last.
    trials : IntervalTrials
        With one reference, in which times are asked.
    answers : array_like of int, (n_trials,)
        0 for less, 1 for more.
    other : mapping of place to array_like, optional
        States of the trials with the same streams in which the number is asked, as
        `arcuate.tasks.IntervalComparison.matched` draws them.
    n_resamples : int
        Of values, for intervals of the laws.
    seed : int

    Returns
    -------
    IntervalCode

    Raises
    ------
    SpecError
        If trials have several references, or states do not fit them.

    Examples
    --------
    >>> from arcuate.tasks import IntervalComparison
    >>> trials = IntervalComparison(low=4, high=20, reference=10.5).draw(400, seed=1)
    >>> code = interval_code({"log": np.log(trials.duration)[:, None]}, trials, trials.more, n_resamples=50)
    >>> code.figures()["right"], code.laws.best.item()
    (1.0, 'log')
    """
    import xarray as xr

    if np.unique(trials.reference).size != 1 or trials.number.any():
        bound = "must ask for times, with one reference for all"
        raise SpecError.of(where="interval_code", name="trials", bound=bound)
    reference, k = float(trials.reference[0]), trials.duration.astype(np.float64)
    levels, index = np.unique(k, return_inverse=True)
    right = np.bincount(index, trials.score(np.asarray(answers))) / np.bincount(index)
    last = np.asarray(list(states.values())[-1], dtype=np.float64)
    return IntervalCode(
        accuracy=xr.DataArray(right, {"value": levels}, ("value",), attrs={"reference": reference}),
        laws=distance_profile(states, k, n_resamples=n_resamples, seed=seed),
        sides=value_orientation(states, k, reference, seed=seed),
        tuning=tuning_curves(_means(last, index), levels),
        preference=None
        if other is None
        else {place: time_preference(states[place], other[place], seed=seed) for place in states},
    )
