"""Laws of magnitude: how far apart two values seem, and how wide units are tuned to them.

The distance laws are those of Li et al. 2025 (arXiv 2507.15851), picked by held-out error; the scalar law is
that of Gibbon 1977 (width in proportion to what is timed).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats, as_real
from arcuate.analysis.interval import Interval
from arcuate.compare._inputs import as_samples, warn
from arcuate.errors import SpecError, check_choice, check_int, check_real
from arcuate.rng import stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "PerceivedDistance",
    "ScalarLaw",
    "perceived_distance",
    "reference_coding",
    "scalar_law",
    "tuning_curves",
]

N_GRID = 301


@dataclass(frozen=True, kw_only=True)
class PerceivedDistance:
    """Which law of distance a dissimilarity follows.

    Attributes
    ----------
    best : str
        The model with the least held-out error. The reference-log model holds both others as limits (R at 0
        and far away), so it is named only where each of them is clearly behind it.
    decided : bool
        Whether the models that do not hold the best one are clearly behind it: in all but the outer
        resamples of stimuli.
    models : Dataset, (model,)
        ``r_squared`` (held out) with ``low`` and ``high``; ``behind``, how much lower than the best, with
        ``behind_low`` and ``behind_high``; ``slope`` and ``intercept`` of the fit to all pairs.
    reference : Interval
        R of the reference-log model, over resamples of the stimuli; NaN if that model was not asked for.
    """

    best: str
    decided: bool
    models: xr.Dataset
    reference: Interval


def perceived_distance(
    rdm: ArrayLike,
    values: ArrayLike,
    *,
    kind: str = "distance",
    references: ArrayLike | None = None,
    n_folds: int = 10,
    n_resamples: int = 500,
    level: float = 0.95,
    seed: int = 0,
) -> PerceivedDistance:
    """Pick the law by which perceived distance grows with values such as times or years.

    Dissimilarities are fitted as a + b d, b >= 0, with d = ``|y1 - y2|`` (linear), ``|log y1 - log y2|``
    (log), or ``|log|y1 - R| - log|y2 - R||`` (reference_log, R from a grid). Folds hold out whole stimuli:
    a model is fitted to pairs of the others and predicts every pair with a held-out one.

    Parameters
    ----------
    rdm : array_like, (n, n) or (n (n - 1) / 2,)
        Dissimilarities, symmetric, or those above the diagonal row by row.
    values : array_like, (n,)
        One for each stimulus, at least 5 different ones; the log model needs all to be positive and is left
        out with a warning otherwise.
    kind : {"distance", "similarity"}
        Whether more is less alike.
    references : array_like, optional
        Grid of R; by default 301 from one range below the values to one range above. Those nearer to a value
        than a tenth of the least step between values are left out, as the law is infinite there.
    n_folds : int
    n_resamples : int
        Resamples of stimuli, for intervals.
    level : float
        Of the intervals.
    seed : int
        Of folds and resamples.

    Returns
    -------
    PerceivedDistance

    Raises
    ------
    SpecError
        If the matrix is not symmetric, does not go with the values, or does not vary.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import perceived_distance
    >>> years = np.arange(1900.0, 2101.0, 20.0)
    >>> seen = np.log(np.abs(years - 2027.0))
    >>> noise = np.random.default_rng(0).normal(0, 0.05, (11, 11))
    >>> found = perceived_distance(np.abs(seen[:, None] - seen) + noise + noise.T, years)
    >>> found.best, found.decided, abs(found.reference.estimate - 2027) < 3
    ('reference_log', True, True)
    """
    where = "perceived_distance"
    y, seen = _magnitudes(values, where), _matrix(rdm, where)
    if seen.shape[0] != y.size:
        bound = f"must have one value for each of the {seen.shape[0]} stimuli"
        raise SpecError.of(where=where, name="values", value=y.size, bound=bound)
    if check_choice(kind, ("distance", "similarity"), where=where, name="kind") == "similarity":
        seen = -seen
    check_real(level, where=where, name="level", low=0.0, high=1.0, low_open=True, high_open=True)
    designs = _designs(y, references, where)
    folds = min(check_int(n_folds, where=where, name="n_folds", low=2), y.size // 2)
    rng = stream(seed, "compare/weber")
    group = rng.permutation(np.arange(y.size) % folds)
    errors, base = _held_out(seen, designs, group)
    n = check_int(n_resamples, where=where, name="n_resamples")
    draws = [np.bincount(rng.integers(y.size, size=y.size), minlength=y.size) for _ in range(n)]
    weights = np.array([np.ones(y.size), *draws], dtype=np.float64)
    whole = np.einsum("ri,ij,rj->r", weights, base, weights)
    scores = np.array([1 - np.einsum("ri,ij,rj->r", weights, e, weights) / whole for e in errors.values()])
    return _picked(scores, seen, designs, weights, level)


def _picked(
    scores: Floats, seen: Floats, designs: dict[str, Any], weights: Floats, level: float
) -> PerceivedDistance:
    """The result, from held-out scores (model, resample), the first being that of all stimuli."""
    import xarray as xr

    names, ends = list(designs), [(1 - level) / 2, (1 + level) / 2]

    def clearly(better: int, worse: list[int]) -> bool:
        apart = (
            np.quantile(scores[better, 1:] - scores[worse][:, 1:], ends[0], axis=1) if worse else np.ones(1)
        )
        return bool((apart > 0).all())

    plain = [k for k, name in enumerate(names) if name != "reference_log"]
    best = int(np.argmax(scores[:, 0]))
    if best not in plain and not clearly(best, plain):
        best = plain[int(np.argmax(scores[plain, 0]))]
    decided = clearly(best, [k for k in plain if k != best])
    behind = scores[best] - scores
    fits = [_fitted(seen, d, np.ones(len(seen))) for d, _ in designs.values()]
    reference = Interval(estimate=np.nan, low=np.nan, high=np.nan, level=level, n=len(seen))
    if "reference_log" in designs:
        cube, grid = designs["reference_log"]
        found = [float(grid[_fitted(seen, cube, w)[0]]) for w in weights]
        low, high = np.quantile(found[1:], ends)
        reference = Interval(estimate=found[0], low=float(low), high=float(high), level=level, n=len(seen))
    columns: dict[str, Any] = {"r_squared": scores[:, 0], "behind": behind[:, 0]}
    for word, drawn in (("", scores), ("behind_", behind)):
        columns[f"{word}low"], columns[f"{word}high"] = np.quantile(drawn[:, 1:], ends, axis=1)
    columns |= {"slope": [fit[1] for fit in fits], "intercept": [fit[2] for fit in fits]}
    models = xr.Dataset(
        {name: ("model", np.asarray(column)) for name, column in columns.items()},
        coords={"model": names},
        attrs={"level": level},
    )
    return PerceivedDistance(best=names[best], decided=decided, models=models, reference=reference)


def _magnitudes(values: ArrayLike, where: str) -> Floats:
    y = as_real(values, where=where, name="values").astype(np.float64, copy=False)
    if y.ndim != 1 or np.unique(y).size < 5:
        bound = "must be a vector with at least 5 different values"
        raise SpecError.of(where=where, name="values", value=f"shape {y.shape}", bound=bound)
    return y


def _matrix(rdm: ArrayLike, where: str) -> Floats:
    """A symmetric matrix with an empty diagonal."""
    seen = as_real(rdm, where=where, name="rdm").astype(np.float64)
    if seen.ndim == 1:
        n = round((1 + np.sqrt(1 + 8 * seen.size)) / 2)
        if n * (n - 1) // 2 != seen.size:
            bound = "must be n (n - 1) / 2 numbers, those above the diagonal"
            raise SpecError.of(where=where, name="rdm", value=seen.size, bound=bound)
        full = np.zeros((n, n))
        full[np.triu_indices(n, 1)] = seen
        seen = full + full.T
    if seen.ndim != 2 or seen.shape[0] != seen.shape[1]:
        bound = "must be (n, n), or those above the diagonal"
        raise SpecError.of(where=where, name="rdm", value=f"shape {seen.shape}", bound=bound)
    off = ~np.eye(len(seen), dtype=bool)
    if not np.allclose(seen, seen.T, rtol=1e-6, atol=1e-9 * np.abs(seen).max()):
        raise SpecError.of(where=where, name="rdm", bound="must be symmetric", fix="use (rdm + rdm.T) / 2")
    if len(seen) < 5 or np.ptp(seen[off]) == 0:
        raise SpecError.of(where=where, name="rdm", bound="must be of at least 5 stimuli, and vary")
    return seen


def _designs(y: Floats, references: ArrayLike | None, where: str) -> dict[str, tuple[Floats, Floats]]:
    """Distances (grid, n, n) of each model, and its grid of R."""

    def apart(of: Floats) -> Floats:
        return np.abs(of[..., :, None] - of[..., None, :])

    out = {"linear": (apart(y)[None], np.array([np.nan]))}
    if y.min() > 0:
        out["log"] = (apart(np.log(y))[None], np.array([np.nan]))
    else:
        warn(f"{where}: values are not all positive; the log model is left out")
    grid = _grid(y, references, where)
    return out | {"reference_log": (apart(np.log(np.abs(y - grid[:, None]))), grid)}


def _grid(y: Floats, references: ArrayLike | None, where: str) -> Floats:
    """References that are not too near to any value."""
    grid = np.linspace(2 * y.min() - y.max(), 2 * y.max() - y.min(), N_GRID)
    if references is not None:
        grid = np.atleast_1d(as_real(references, where=where, name="references")).astype(np.float64)
    room = 0.1 * np.diff(np.unique(y)).min()
    grid = grid[np.abs(grid[:, None] - y).min(axis=1) >= room]
    if grid.size == 0:
        bound = f"must hold some that are {room:.3g} or more from every value"
        raise SpecError.of(where=where, name="references", bound=bound)
    return grid


def _fitted(seen: Floats, cube: Floats, weights: Floats) -> tuple[int, float, float]:
    """Least squares ``a + b d``, b >= 0, over pairs: place in the grid, b and a.

    A pair weighs as often as both its stimuli were drawn.
    """
    pairs = np.triu_indices(len(seen), 1)
    w = (weights[:, None] * weights)[pairs]
    w = w / w.sum()
    d, s = cube[:, pairs[0], pairs[1]], seen[pairs]
    mean_d, mean_s = d @ w, float(s @ w)
    joint, spread = (d * s) @ w - mean_d * mean_s, (d * d) @ w - mean_d**2
    slopes = np.maximum(np.divide(joint, spread, out=np.zeros_like(joint), where=spread > 1e-300), 0.0)
    place = int(np.argmax(slopes * (2 * joint - slopes * spread)))
    return place, float(slopes[place]), float(mean_s - slopes[place] * mean_d[place])


def _held_out(
    seen: Floats, designs: dict[str, tuple[Floats, Floats]], group: np.ndarray
) -> tuple[dict[str, Floats], Floats]:
    """Squared errors (n, n) of held-out pairs under each model, and under the mean of the training pairs."""
    n = len(seen)
    total = {name: np.zeros((n, n)) for name in (*designs, "mean")}
    times = np.zeros((n, n))
    for fold in np.unique(group):
        out = group == fold
        pairs = (out[:, None] | out) & ~np.eye(n, dtype=bool)
        times += pairs
        kept = (~out).astype(np.float64)
        for name, (cube, _) in designs.items():
            place, slope, offset = _fitted(seen, cube, kept)
            total[name] += pairs * (seen - offset - slope * cube[place]) ** 2
        inner = seen[np.ix_(~out, ~out)]
        mean = (inner.sum() - np.trace(inner)) / (len(inner) * (len(inner) - 1))
        total["mean"] += pairs * (seen - mean) ** 2
    times[times == 0] = 1.0
    base = total.pop("mean") / times
    return {name: value / times for name, value in total.items()}, base


def reference_coding(
    activity: ArrayLike, values: ArrayLike, *, references: ArrayLike | None = None
) -> xr.Dataset:
    """How well each unit follows the logarithm of the distance from a reference.

    Activity is fitted as ``a + b log|y - R|``, R from a grid.

    Parameters
    ----------
    activity : array_like, (n_values, n_units)
    values : array_like, (n_values,)
    references : array_like, optional
        As in `perceived_distance`.

    Returns
    -------
    Dataset, (unit,)
        ``r_squared``, ``slope`` (positive: least active near the reference), ``reference`` and ``minimum``,
        the value at which the unit was least active. A constant unit has an ``r_squared`` of NaN.

    Raises
    ------
    SpecError
        If shapes do not go together or a number is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import reference_coding
    >>> y = np.arange(1.0, 21.0)
    >>> found = reference_coding(np.log(np.abs(y - 7.5)), y, references=[3.5, 7.5, 11.5])
    >>> float(found.reference[0]), float(found.r_squared[0].round(6))
    (7.5, 1.0)
    """
    import xarray as xr

    where = "reference_coding"
    y, rates = _with_values(activity, values, where)
    grid = _grid(y, references, where)
    d = np.log(np.abs(y - grid[:, None]))
    d -= d.mean(axis=1, keepdims=True)
    r = rates - rates.mean(axis=0)
    spread, power = (d**2).sum(axis=1), (r**2).sum(axis=0)
    joint = d @ r
    fit = joint**2 / spread[:, None]
    place = fit.argmax(axis=0)
    unit = np.arange(r.shape[1])
    share = np.divide(fit[place, unit], power, out=np.full(power.size, np.nan), where=power > 0)
    return xr.Dataset(
        {
            "r_squared": ("unit", share),
            "slope": ("unit", joint[place, unit] / spread[place]),
            "reference": ("unit", grid[place]),
            "minimum": ("unit", y[rates.argmin(axis=0)]),
        }
    )


def tuning_curves(activity: ArrayLike, values: ArrayLike, *, least: float = 0.5) -> xr.Dataset:
    """Preferred value and width of each unit: a Gaussian bump fitted to its activity.

    Activity is ``baseline + amplitude exp(-(y - preferred)^2 / (2 width^2))``, by least squares from the best
    of a grid of bumps that rise.

    Parameters
    ----------
    activity : array_like, (n_values, n_units)
        Means over repeats.
    values : array_like, (n_values,)
    least : float
        A unit counts as tuned if its ``r_squared`` is at least this, its preferred value lies within the
        values, and its width between half the least step and the range of values. Units that peak at the
        edge are cut off and would bias the widths.

    Returns
    -------
    Dataset, (unit,)
        ``preferred``, ``width`` (standard deviation), ``amplitude``, ``baseline``, ``r_squared``, ``tuned``.

    Raises
    ------
    SpecError
        If shapes do not go together or a number is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import tuning_curves
    >>> y = np.arange(1.0, 11.0)
    >>> found = tuning_curves(np.exp(-((y - 4.0) ** 2) / 8.0), y)
    >>> float(found.preferred[0].round(3)), float(found.width[0].round(3)), bool(found.tuned[0])
    (4.0, 2.0, True)
    """
    import xarray as xr

    where = "tuning_curves"
    y, rates = _with_values(activity, values, where)
    check_real(least, where=where, name="least", low=0.0, high=1.0)
    steps, span = np.diff(np.unique(y)), float(np.ptp(y))
    centers = np.linspace(y.min(), y.max(), 4 * y.size)
    widths = np.geomspace(0.5 * steps.min(), span, 24)
    spots = np.stack([grid.ravel() for grid in np.meshgrid(centers, widths, indexing="ij")], axis=1)
    bumps = np.exp(-((y - spots[:, :1]) ** 2) / (2 * spots[:, 1:] ** 2))
    bumps -= bumps.mean(axis=1, keepdims=True)
    r = rates - rates.mean(axis=0)
    joint = np.maximum(bumps @ r, 0.0)
    start = (joint**2 / np.maximum((bumps**2).sum(axis=1), 1e-300)[:, None]).argmax(axis=0)
    rows = np.array([_bump(y, rate, spots[k]) for rate, k in zip(rates.T, start, strict=True)])
    names = ("preferred", "width", "amplitude", "baseline", "r_squared")
    out = {name: ("unit", column) for name, column in zip(names, rows.T, strict=True)}
    preferred, width, amplitude, _, share = rows.T
    inside = (preferred >= y.min()) & (preferred <= y.max())
    narrow = (width >= 0.5 * steps.min()) & (width <= span)
    out["tuned"] = ("unit", (share >= least) & inside & narrow & (amplitude > 0))
    return xr.Dataset(out)


def _with_values(activity: ArrayLike, values: ArrayLike, where: str) -> tuple[Floats, Floats]:
    y = _magnitudes(values, where)
    rates = as_samples(activity, where=where, name="activity")
    if len(rates) != y.size:
        bound = f"must have a row for each of the {y.size} values"
        raise SpecError.of(where=where, name="activity", value=len(rates), bound=bound)
    return y, rates


def _bump(y: Floats, rate: Floats, start: Floats) -> tuple[float, ...]:
    """Least squares of one bump; height and baseline follow from place and width."""
    from scipy.optimize import least_squares

    power = float(np.sum((rate - rate.mean()) ** 2))
    if power == 0:
        return (np.nan, np.nan, 0.0, float(rate.mean()), np.nan)

    def linear(place: Floats) -> tuple[Floats, Floats]:
        bump = np.exp(-0.5 * ((y - place[0]) / np.exp(place[1])) ** 2)
        table = np.stack([np.ones_like(y), bump], axis=1)
        return table, np.linalg.lstsq(table, rate, rcond=None)[0]

    def residuals(place: Floats) -> Floats:
        table, weights = linear(place)
        return table @ weights - rate

    span = np.ptp(y)
    low = [y.min() - span, np.log(1e-3 * span)]
    high = [y.max() + span, np.log(10 * span)]
    found = least_squares(
        residuals, [start[0], np.log(start[1])], bounds=(low, high), x_scale=[0.1 * span, 1.0]
    )
    baseline, amplitude = linear(found.x)[1]
    share = 1 - float(np.sum(found.fun**2)) / power
    return float(found.x[0]), float(np.exp(found.x[1])), float(amplitude), float(baseline), share


NEAR = 0.25
"""Intercept, in mean widths, up to which widths count as proportional (chosen)."""


@dataclass(frozen=True, kw_only=True)
class ScalarLaw:
    """Whether widths grow in proportion to what units prefer.

    Attributes
    ----------
    slope, intercept : Interval
        Of the least-squares line of width over preferred value. The scalar law has a slope above 0.
    fraction : Interval
        Median of width / preferred value, the Weber fraction.
    trend : Interval
        Rank correlation of width / preferred value with the preferred value: 0 under the scalar law, -1
        where the width is the same everywhere.
    holds : bool
        Whether the law is shown: the slope is above 0, the interval of the intercept within a quarter of the
        mean width of 0 (chosen), and 0 in the interval of the trend. False says that it is not shown, by few
        or noisy units perhaps; that it is wrong is said by an intercept or trend whose interval leaves out 0.
    n_units : int
    """

    slope: Interval
    intercept: Interval
    fraction: Interval
    trend: Interval
    holds: bool
    n_units: int


def scalar_law(
    tuning: xr.Dataset, *, level: float = 0.95, n_resamples: int = 2000, seed: int = 0
) -> ScalarLaw:
    """Test the scalar law on fitted tuning curves.

    Parameters
    ----------
    tuning : Dataset, (unit,)
        With ``preferred``, ``width`` and ``tuned``, as `tuning_curves` gives; only tuned units count.
    level : float
        Of the intervals, over resamples of units.
    n_resamples : int
    seed : int

    Returns
    -------
    ScalarLaw

    Raises
    ------
    SpecError
        If there are fewer than 8 tuned units, or one prefers a value that is not positive.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from arcuate.compare import scalar_law
    >>> place = np.linspace(1.0, 5.0, 20)
    >>> width = 0.2 * place * (1 + 0.1 * np.random.default_rng(0).standard_normal(20))
    >>> units = {"preferred": ("unit", place), "width": ("unit", width), "tuned": ("unit", place > 0)}
    >>> found = scalar_law(xr.Dataset(units))
    >>> found.holds, round(found.fraction.estimate, 2)
    (True, 0.2)
    """
    from scipy.stats import rankdata

    where = "scalar_law"
    check_real(level, where=where, name="level", low=0.0, high=1.0, low_open=True, high_open=True)
    n = check_int(n_resamples, where=where, name="n_resamples", low=2)
    if not hasattr(tuning, "data_vars"):
        bound = "must be a Dataset, as tuning_curves gives"
        raise SpecError.of(where=where, name="tuning", value=tuning, bound=bound)
    missing = {"preferred", "width", "tuned"} - set(tuning)
    if missing:
        raise SpecError.of(where=where, name="tuning", bound=f"lacks {', '.join(sorted(missing))}")
    good = tuning.tuned.values.astype(bool)
    place, width = tuning.preferred.values[good], tuning.width.values[good]
    if place.size < 8 or np.unique(place).size < 3 or place.min() <= 0:
        bound = "needs 8 or more tuned units that prefer different values, all positive"
        raise SpecError.of(where=where, name="tuning", value=place.size, bound=bound)
    picks = stream(seed, "compare/scalar_law").integers(place.size, size=(n, place.size))
    picks = np.concatenate([np.arange(place.size)[None], picks])
    p, w = place[picks], width[picks]
    p0, w0 = p - p.mean(axis=1, keepdims=True), w - w.mean(axis=1, keepdims=True)
    power = (p0**2).sum(axis=1)
    slope = np.divide((p0 * w0).sum(axis=1), power, out=np.zeros(len(p)), where=power > 0)
    ranks = [rankdata(v, axis=1) - (place.size + 1) / 2 for v in (p, w / p)]
    sizes = np.sqrt((ranks[0] ** 2).sum(axis=1) * (ranks[1] ** 2).sum(axis=1))
    trend = np.divide((ranks[0] * ranks[1]).sum(axis=1), sizes, out=np.zeros(len(p)), where=sizes > 0)

    def band(draws: Floats) -> Interval:
        low, high = np.quantile(draws[1:], [(1 - level) / 2, (1 + level) / 2])
        return Interval(
            estimate=float(draws[0]), low=float(low), high=float(high), level=level, n=int(place.size)
        )

    line, bent = band(slope), band(trend)
    start = band(w.mean(axis=1) - slope * p.mean(axis=1))
    return ScalarLaw(
        slope=line,
        intercept=start,
        fraction=band(np.median(w / p, axis=1)),
        trend=bent,
        holds=line.low > 0
        and bent.low <= 0 <= bent.high
        and max(-start.low, start.high) < NEAR * float(width.mean()),
        n_units=int(place.size),
    )
