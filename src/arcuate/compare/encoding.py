"""Encoding: how well the states of one system predict those of another, by cross-validated ridge regression.

Every unit of the second system gets a penalty of its own, chosen inside the training folds. Scores are those
of samples that no fit has seen; a group, such as a stimulus, is in one fold as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats
from arcuate.analysis.interval import Interval, bootstrap_interval
from arcuate.compare._inputs import (
    as_repeats,
    as_samples,
    centered,
    dims_of,
    labels_of,
    laid_out,
    listed,
    one_size,
    ordered,
    plain_array,
    rank_of,
    varying,
    warn,
)
from arcuate.compare._measure import Measure
from arcuate.compare._ridge import (
    ALPHAS,
    Folded,
    as_alphas,
    as_folds,
    warn_of_twins,
)
from arcuate.compare.inference import spearman_brown
from arcuate.errors import SpecError, check_choice, check_int
from arcuate.rng import stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "ALPHAS",
    "Encoding",
    "encode",
    "encode_both",
    "reliability",
    "ridge",
    "ridge_measure",
]

LOWEST_RELIABILITY = 0.1
"""Units that repeat less well than this are left out of corrected scores: they would be divided by noise."""

_BLOCK = 1 << 22


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How well one system predicts each unit of another.

    Attributes
    ----------
    units : xarray.Dataset, (unit,)
        ``r``, correlation of prediction and response over all held-out samples; ``r_folds``, mean of the
        correlations of the folds; ``r2``, 1 - SSE/SST with the mean of the training samples as base;
        ``alpha`` over (``fold``, ``unit``); and, where there are repeats, ``reliability`` of the responses,
        ``reliability_x`` of the predictions (1 where the predictor has none), ``r_corrected``, NaN for a
        unit that was dropped.
    prediction : xarray.DataArray, (sample, unit)
        Of held-out samples.
    fold : ndarray, (n_samples,)
        Fold of every sample.
    median : Interval
        Of ``r`` over the units, with a bootstrap interval over them.
    median_corrected : Interval or None
        Of ``r_corrected``; None without repeats, or if every unit was dropped.
    n_dropped : int
        Units whose reliability is below 0.1, which have no corrected score.
    n_constant : int
        Units that never vary, which have no score at all.
    """

    units: xr.Dataset
    prediction: xr.DataArray
    fold: np.ndarray
    median: Interval
    median_corrected: Interval | None
    n_dropped: int
    n_constant: int

    def __repr__(self) -> str:
        shown, fixed = self.median, self.median_corrected
        text = f"median r {shown.estimate:.3f} [{shown.low:.3f}, {shown.high:.3f}] of {shown.n} units"
        if fixed is not None:
            text += f", corrected {fixed.estimate:.3f} [{fixed.low:.3f}, {fixed.high:.3f}] of {fixed.n}"
        else:
            text += ", no repeats: no noise ceiling" if "reliability" not in self.units else ""
        return f"<Encoding: {text}>"


@dataclass(frozen=True, kw_only=True)
class _Options:
    """What a fit is made with, checked."""

    folds: Any
    groups: Any
    alphas: Floats
    n_components: int | None
    reduce: str
    seed: int

    def directions(self, x: Floats) -> Floats | None:
        """Random directions (p, k) of units of equal variance, where those were asked for."""
        k = self.n_components
        if k is None or self.reduce != "random":
            return None
        draw = stream(self.seed, "compare/projection").standard_normal((x.shape[1], k))
        scale = x.std(axis=0)
        return draw / np.sqrt(k) / np.where(scale > 0, scale, 1.0)[:, None]

    def folded(self, x: Floats, *, where: str) -> Folded:
        least = 3 if self.alphas.size > 1 else 2
        fold = as_folds(self.folds, len(x), groups=self.groups, seed=self.seed, where=where, least=least)
        smallest = int(len(x) - np.bincount(fold).max())
        if smallest < 2:
            raise SpecError.of(where=where, name="folds", bound="must leave 2 samples to train on")
        k = self.n_components if self.reduce == "pca" else None
        directions = self.directions(x)
        return Folded(x=x if directions is None else x @ directions, fold=fold, alphas=self.alphas, k=k)


def _options(
    where: str, *, folds: Any, groups: Any, alphas: Any, n_components: int | None, reduce: str, seed: int
) -> _Options:
    if n_components is not None:
        n_components = check_int(n_components, where=where, name="n_components")
    check_choice(reduce, ("pca", "random"), where=where, name="reduce")
    found = as_alphas(alphas, where=where)
    return _Options(
        folds=folds, groups=groups, alphas=found, n_components=n_components, reduce=reduce, seed=seed
    )


def encode(
    x: ArrayLike,
    y: ArrayLike,
    *,
    folds: int | ArrayLike = 5,
    groups: ArrayLike | None = None,
    alphas: ArrayLike = ALPHAS,
    n_components: int | None = None,
    reduce: str = "pca",
    n_splits: int = 20,
    seed: int = 0,
) -> Encoding:
    """Predict every unit of one system from the states of another, by ridge regression.

    Parameters
    ----------
    x : array_like or DataArray, (n_samples, p) or (n_samples, n_repeats, p)
        Predictor; the mean of its repeats predicts, and what they differ by corrects.
    y : array_like or DataArray, (n_samples, q) or (n_samples, n_repeats, q)
        Responses. Two DataArrays with labels are matched by them.
    folds : int or array_like, (n_samples,)
        Number of folds, or the fold of each sample: blocks for samples that follow each other in time.
    groups : array_like, (n_samples,), optional
        What must not straddle folds, such as the stimulus; by default the labels of a DataArray.
    alphas : array_like
        Penalties to choose from, for each unit and fold on the folds that are left; 10^-3 to 10^6.
    n_components : int, optional
        Width to which x is brought, the same for every predictor that is compared: a wider one wins for
        free.
    reduce : {"pca", "random"}
        Principal components of the training samples, or random directions.
    n_splits : int
        Splits of the repeats into halves, 20 or more.
    seed : int
        Of folds, directions and splits.

    Returns
    -------
    Encoding

    Raises
    ------
    SpecError
        Bad states or options; labels that do not match; a group in several folds; no unit that varies.

    Warns
    -----
    ArcuateWarning
        Of constant units, of units that were dropped, and of equal samples in different folds.

    Notes
    -----
    Units are standardized within the training folds. A prediction that is no better than the training mean
    is correlated *negatively* with the response over all folds, since the mean without a fold is lower where
    the fold is higher; ``r_folds`` and ``r2`` have no such floor.

    The corrected score is r / sqrt(reliability * reliability_x), each by Spearman and Brown from halves of
    the repeats (`reliability`); it is never clipped. It takes out the noise of the responses that are
    predicted, not of those that are learned from: with few samples and much noise the weights are worse than
    they would be without noise, and the corrected score is below that of noiseless responses.

    References
    ----------
    D. Yamins et al., PNAS 111 (2014), doi:10.1073/pnas.1403112111 (correction by both reliabilities).

    Examples
    --------
    >>> import numpy as np
    >>> draw = np.random.default_rng(0)
    >>> x = draw.standard_normal((100, 8))
    >>> y = x @ draw.standard_normal((8, 3)) + draw.standard_normal((100, 3))
    >>> encode(x, y)
    <Encoding: median r 0.877 [0.742, 0.949] of 3 units, no repeats: no noise ceiling>
    """
    where = "encode"
    first, second, labels = _matched(x, y, where=where)
    groups = labels if groups is None else groups
    options = _options(
        where, folds=folds, groups=groups, alphas=alphas, n_components=n_components, reduce=reduce, seed=seed
    )
    splits = check_int(n_splits, where=where, name="n_splits", low=20)
    states, responses = (part.mean(axis=1) for part in (first, second))
    varying(states, where=where, name="x")
    varying(responses, where=where, name="y")
    still = responses.min(axis=0) == responses.max(axis=0)
    if still.any():
        units = np.flatnonzero(still)
        warn(f"{where}: y: {units.size} of {still.size} units are constant, without score: {listed(units)}")
    model = options.folded(centered(states), where=where)
    warn_of_twins(states, responses, model.fold, where=where)
    target = centered(responses)
    alpha = model.choose(target)
    prediction, base = model.predict(target, alpha)
    columns = _scores(prediction, target, base, model.fold, still)
    columns["alpha"] = (("fold", "unit"), alpha)
    if first.shape[1] > 1 or second.shape[1] > 1:
        columns |= _corrected(first, second, model, alpha, options=options, splits=splits, r=columns["r"][1])
    return _result(columns, prediction + responses.mean(axis=0), model.fold, still, x=x, y=y)


def _matched(x: Any, y: Any, *, where: str) -> tuple[Floats, Floats, np.ndarray | None]:
    """Both systems with their repeats, matched by label, and the labels where they stand several times."""
    first, second = (_with_repeats(value, where=where, name=name) for value, name in ((x, "x"), (y, "y")))
    one_size(first, second, where=where)
    labels, others = labels_of(x), labels_of(y)
    if labels is not None and others is not None and not np.array_equal(labels, others):
        second = second[ordered(x, y, where=where)]
    labels = others if labels is None else labels
    return first, second, None if labels is None or len(set(labels.tolist())) == len(labels) else labels


def _with_repeats(value: Any, *, where: str, name: str) -> Floats:
    """One system as (n_samples, n_repeats, n_units); samples without repeats have one."""
    if rank_of(value) == 3 or "repeat" in dims_of(value):
        return as_repeats(value, where=where, name=name, least_repeats=1)
    return as_samples(value, where=where, name=name)[:, None]


def correlations(first: Floats, second: Floats) -> Floats:
    """Correlation of the columns of two arrays; 0 where one of them does not vary.

    Parameters
    ----------
    first, second : ndarray, (n, q)

    Returns
    -------
    ndarray, (q,)
    """
    a, b = first - first.mean(axis=0), second - second.mean(axis=0)
    norm = np.sqrt(np.einsum("ij,ij->j", a, a) * np.einsum("ij,ij->j", b, b))
    both = np.einsum("ij,ij->j", a, b)
    return np.divide(both, norm, out=np.zeros_like(both), where=norm > 0)


def _scores(
    prediction: Floats, y: Floats, base: Floats, fold: np.ndarray, still: np.ndarray
) -> dict[str, Any]:
    folds = [correlations(prediction[fold == k], y[fold == k]) for k in range(int(fold.max()) + 1)]
    total = ((y - base) ** 2).sum(axis=0)
    wrong = ((y - prediction) ** 2).sum(axis=0)
    r2 = 1 - np.divide(wrong, total, out=np.full_like(total, np.nan), where=total > 0)
    table = {"r": correlations(prediction, y), "r_folds": np.mean(folds, axis=0), "r2": r2}
    return {name: ("unit", np.where(still, np.nan, values)) for name, values in table.items()}


def _corrected(
    first: Floats, second: Floats, model: Folded, alpha: Floats, *, options: _Options, splits: int, r: Floats
) -> dict[str, Any]:
    """Reliabilities of responses and predictions, and what the score would be without noise."""
    of_y = of_x = np.ones(second.shape[2])
    if second.shape[1] > 1:
        of_y = reliability(second, n_splits=splits, seed=options.seed)
    if first.shape[1] > 1:
        target, means = centered(second.mean(axis=1)), first.mean(axis=1)
        directions = options.directions(centered(means))
        seen = np.empty((*first.shape[:2], second.shape[2]))
        for repeat in range(first.shape[1]):
            states = first[:, repeat] - means.mean(axis=0)
            states = states if directions is None else states @ directions
            for number, (_, test, split, _) in enumerate(model.outer):
                seen[test, repeat] = split.components(states[test]) @ model.weights(target, alpha, number)
        of_x = reliability(seen, n_splits=splits, seed=options.seed)
    kept = np.fmin(of_y, of_x) >= LOWEST_RELIABILITY
    fixed = np.full(r.size, np.nan)
    fixed[kept] = r[kept] / np.sqrt(of_y[kept] * of_x[kept])
    names = ("reliability", "reliability_x", "r_corrected")
    return {name: ("unit", values) for name, values in zip(names, (of_y, of_x, fixed), strict=True)}


def _result(
    columns: dict[str, Any], prediction: Floats, fold: np.ndarray, still: np.ndarray, *, x: Any, y: Any
) -> Encoding:
    """Label the scores and sum them up."""
    import xarray as xr

    labels, names = labels_of(x), None
    if len(dims := dims_of(laid_out(y, where="encode", name="y"))) > 1 and dims[-1] in y.indexes:
        names = y.indexes[dims[-1]] if len(y[dims[-1]]) == still.size else None
    unit = np.arange(still.size) if names is None else np.asarray(names)
    rows = np.arange(len(prediction)) if labels is None else labels
    units = xr.Dataset(columns, coords={"unit": unit, "fold": np.arange(int(fold.max()) + 1)})
    dropped, fixed = 0, None
    if "r_corrected" in columns:
        values = columns["r_corrected"][1]
        low = np.isnan(values) & ~still
        dropped = int(low.sum())
        if dropped:
            warn(
                f"encode: {dropped} of {still.size} units repeat less well than {LOWEST_RELIABILITY} and have"
                f" no corrected score: {listed(unit[low].tolist())}"
            )
        if not np.isnan(values).all():
            fixed = bootstrap_interval(values[~np.isnan(values)])
    return Encoding(
        units=units,
        prediction=xr.DataArray(
            prediction, dims=("sample", "unit"), coords={"sample": rows, "unit": unit}, name="prediction"
        ),
        fold=fold,
        median=bootstrap_interval(columns["r"][1][~still]),
        median_corrected=fixed,
        n_dropped=dropped,
        n_constant=int(still.sum()),
    )


def encode_both(x: ArrayLike, y: ArrayLike, **options: Any) -> dict[str, Encoding]:
    """Predict each of two systems from the other: the two say different things.

    Parameters
    ----------
    x, y : array_like or DataArray, (n_samples, n_units) or (n_samples, n_repeats, n_units)
    **options
        As `encode` takes them.

    Returns
    -------
    dict of str to Encoding
        ``"x->y"`` and ``"y->x"``.

    Raises
    ------
    SpecError
        As `encode`.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((100, 8))
    >>> both = encode_both(x, x[:, :2])
    >>> [bool(both[way].median.estimate > 0.9) for way in ("x->y", "y->x")]
    [True, False]
    """
    return {"x->y": encode(x, y, **options), "y->x": encode(y, x, **options)}


def reliability(y: ArrayLike, *, n_splits: int = 20, seed: int = 0) -> Floats:
    """How well the mean over repeats would repeat, by Spearman and Brown from halves of the repeats.

    Parameters
    ----------
    y : array_like, (n_samples, n_repeats, n_units)
    n_splits : int
        Random splits into halves, whose correlations are averaged.
    seed : int
        Of the splits.

    Returns
    -------
    ndarray, (n_units,)
        m r/(1 + (m - 1) r), with r the mean correlation of the means of two halves of h repeats each and
        m = n_repeats/h; with an even number of repeats 2 r/(1 + r). 0 where r is negative.

    Raises
    ------
    SpecError
        If there are fewer than 2 repeats, or a value is not finite.

    References
    ----------
    C. Spearman, British Journal of Psychology 3 (1910); W. Brown, the same volume.

    Examples
    --------
    >>> import numpy as np
    >>> draw = np.random.default_rng(0)
    >>> signal = draw.standard_normal((2000, 1, 1))
    >>> reliability(signal + draw.standard_normal((2000, 4, 1))).round(1)  # 4 repeats: 4/(4 + 1)
    array([0.8])
    """
    where = "reliability"
    data = as_repeats(y, where=where, name="y")
    count = check_int(n_splits, where=where, name="n_splits")
    n_repeats = data.shape[1]
    half, draw = n_repeats // 2, stream(seed, "compare/halves")
    total = np.zeros(data.shape[2])
    for _ in range(count):
        order = draw.permutation(n_repeats)
        parts = (data[:, order[:half]].mean(axis=1), data[:, order[half : 2 * half]].mean(axis=1))
        total += correlations(*parts)
    return spearman_brown(total / count, n_repeats / half)


def ridge(
    x: ArrayLike,
    y: ArrayLike,
    *,
    folds: int | ArrayLike = 5,
    groups: ArrayLike | None = None,
    alphas: ArrayLike = ALPHAS,
    n_components: int | None = None,
    reduce: str = "pca",
    seed: int = 0,
) -> float:
    """Median over the units of y of the correlation between their responses and what x predicts of them.

    Parameters
    ----------
    x, y : array_like or DataArray, (n_samples, n_units)
        Predictor and responses.
    folds, groups, alphas, n_components, reduce, seed
        As in `encode`, which also says how well each unit is predicted, with intervals and corrections.

    Returns
    -------
    float
        From -1 to 1.

    Raises
    ------
    SpecError
        As `encode`.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((100, 8))
    >>> ridge(x, x[:, :3] @ [[1.0], [2.0], [3.0]]) > 0.99
    True
    """
    where = "ridge"
    first, second, labels = _matched(x, y, where=where)
    fixed = labels if groups is None else groups
    measure = ridge_measure(
        folds=folds, groups=fixed, alphas=alphas, n_components=n_components, reduce=reduce, seed=seed
    )
    for part, name in ((first, "x"), (second, "y")):
        varying(part.mean(axis=1), where=where, name=name)
    systems = [measure.prepare(part.mean(axis=1)) for part in (first, second)]
    warn_of_twins(first.mean(axis=1), second.mean(axis=1), systems[0].model.fold, where=where)
    return measure.score(systems[0], systems[1])


@dataclass(frozen=True)
class _System:
    """One system of the measure: predictor and responses in one, decomposed when it first predicts."""

    states: Floats
    options: _Options

    @cached_property
    def model(self) -> Folded:
        return self.options.folded(centered(self.states), where="ridge")

    @cached_property
    def target(self) -> Floats:
        return centered(varying(self.states, where="ridge", name="y", drop=True))


def ridge_measure(
    *,
    folds: int | ArrayLike = 5,
    groups: ArrayLike | None = None,
    alphas: ArrayLike = ALPHAS,
    n_components: int | None = None,
    reduce: str = "pca",
    seed: int = 0,
) -> Measure:
    """Ridge encoding as a measure; permutations of the responses need no new decomposition.

    Parameters
    ----------
    folds, groups, alphas, n_components, reduce, seed
        As in `encode`.

    Returns
    -------
    Measure
        Not symmetric: the first system predicts the second.

    Raises
    ------
    SpecError
        If an option is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> measure = ridge_measure(folds=4)
    >>> x = measure.prepare(np.random.default_rng(0).standard_normal((40, 3)))
    >>> orders = np.array([np.random.default_rng(k).permutation(40) for k in range(19)])
    >>> bool(measure.score(x, x) > measure.null(x, x, orders).max())
    True
    """
    options = _options(
        "ridge",
        folds=folds,
        groups=groups,
        alphas=alphas,
        n_components=n_components,
        reduce=reduce,
        seed=seed,
    )

    found_by_data = n_components is None or reduce == "pca"

    def prepare(states: Floats) -> _System:
        return _System(varying(states, where="ridge", name="states"), options)

    def score(first: _System, second: _System) -> float:
        return float(_medians(first.model, second.target, 1)[0])

    def null(first: _System, second: _System, orders: np.ndarray) -> Floats:
        target = second.target
        n, q = target.shape
        at_once = max(1, _BLOCK // (n * q))
        found = []
        for k in range(0, len(orders), at_once):
            block = orders[k : k + at_once]
            found.append(_medians(first.model, target[block.T].reshape(n, -1), len(block)))
        return np.concatenate(found) if found else np.zeros(0)

    return Measure(
        name="ridge",
        kind="similarity",
        low=-1.0,
        high=1.0,
        symmetric=False,
        invariances=("permutation", "scale", "shift") if found_by_data else ("scale", "shift"),
        prepare=prepare,
        score=score,
        null=null,
        options={"folds": _plain(folds, "folds"), "groups": _plain(groups, "groups"),
                 "alphas": options.alphas.tolist(), "n_components": n_components, "reduce": reduce,
                 "seed": seed},
    )  # fmt: skip


def _plain(given: Any, name: str) -> Any:
    """What was given, arrays as lists for a report."""
    single = given is None or isinstance(given, (int, str, np.generic))
    return given if single else plain_array(given, where="ridge", name=name).tolist()


def _medians(model: Folded, y: Floats, count: int) -> Floats:
    """Median score over the units of each of some systems that stand side by side."""
    prediction, _ = model.predict(y, model.choose(y))
    return np.median(correlations(prediction, y).reshape(count, -1), axis=1)
