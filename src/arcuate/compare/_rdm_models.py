"""Dissimilarities that a hypothesis predicts, and their mixture that predicts stimuli it has not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import nnls
from scipy.spatial.distance import squareform

from arcuate._inputs import Floats, as_real
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.compare._comparators import COMPARATORS
from arcuate.compare._inputs import labels_of, listed, plain_array, rank_of
from arcuate.compare._rdm import LEAST, labeled, matched
from arcuate.compare.inference import p_value
from arcuate.errors import SpecError, check_choice, check_int
from arcuate.rng import stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["RDMFit", "fit_rdm", "model_rdm"]

MODELS = ("identity", "time", "probability", "weber")


def model_rdm(values: ArrayLike, *, kind: str) -> xr.DataArray:
    """Dissimilarities of stimuli by one property of each.

    Parameters
    ----------
    values : array_like or DataArray, (n_stimuli,)
        The property; labels become those of the result.
    kind : {"identity", "time", "probability", "weber"}
        ``"identity"``: 0 where it is the same, else 1; its values may be text. ``"time"`` and
        ``"probability"``: how far apart they are. ``"weber"``: how far apart their logarithms are (Weber
        and Fechner: equal ratios are equally far).

    Returns
    -------
    DataArray, (stimulus, stimulus_2)

    Raises
    ------
    SpecError
        If there are fewer than 3 stimuli, a probability is outside of 0 to 1, or a value without logarithm.

    Examples
    --------
    >>> model_rdm([1.0, 2.0, 4.0], kind="weber").values.round(2).tolist()
    [[0.0, 0.69, 1.39], [0.69, 0.0, 0.69], [1.39, 0.69, 0.0]]
    """
    where = "model_rdm"
    check_choice(kind, MODELS, where=where, name="kind")
    labels = labels_of(values)
    if kind == "identity":
        given = plain_array(values, where=where, name="values")
    else:
        given = as_real(values, where=where, name="values").astype(np.float64, copy=False)
    if given.ndim != 1 or len(given) < LEAST:
        bound = f"must be one value for each of >= {LEAST} stimuli"
        raise SpecError.of(where=where, name="values", value=f"shape {given.shape}", bound=bound)
    if kind == "probability" and ((given < 0) | (given > 1)).any():
        raise SpecError.of(where=where, name="values", value=given, bound="must lie in 0 to 1")
    if kind == "weber":
        if not (given > 0).all():
            bound = f"must be > 0, is not for stimuli {listed(np.flatnonzero(given <= 0))}"
            raise SpecError.of(where=where, name="values", bound=bound)
        given = np.log(given)
    first, second = np.triu_indices(len(given), 1)
    if kind == "identity":
        pairs = (given[first] != given[second]).astype(np.float64)
    else:
        pairs = np.abs(given[first] - given[second])
    return labeled(pairs, labels, kind)


@dataclass(frozen=True, kw_only=True)
class RDMFit:
    """A mixture of models fitted to a matrix of dissimilarities.

    Attributes
    ----------
    score : float
        Similarity of the data with the prediction; NaN where that is the same for all pairs.
    comparator : str
    weights : DataArray, (model,)
        From all stimuli.
    fold_weights : DataArray, (fit, model)
        From the stimuli left in, one fit for each couple of folds left out.
    predicted : DataArray, (stimulus, stimulus_2)
        Each pair by the weights of stimuli of which it holds neither.
    null : ndarray, (n_null,)
        Scores for stimuli in other orders, weights fitted anew.
    p : float
        By `inference.p_value`; NaN without a null.
    """

    score: float
    comparator: str
    weights: xr.DataArray
    fold_weights: xr.DataArray
    predicted: xr.DataArray
    null: Floats
    p: float


def fit_rdm(
    data: ArrayLike,
    models: Mapping[str, ArrayLike],
    *,
    folds: int | ArrayLike = 5,
    comparator: str = "rho-a",
    n_null: int = 0,
    seed: int = 0,
    progress: ProgressOption = None,
) -> RDMFit:
    """Weigh models by nonnegative least squares, and score the mixture on stimuli that were left out.

    A pair of stimuli is predicted by weights from which both of their folds were left out, so that neither of
    the two was seen.

    Of data that no model predicts the mean score is *below* 0: where pairs are high, the others are low, and
    so is the constant that is fitted to them. So a score is held against ``null``, not against 0.

    Parameters
    ----------
    data : array_like or DataArray, (n_stimuli, n_stimuli) or (n_pairs,)
        As in `rdm_similarity`.
    models : mapping of str to array_like or DataArray
        Dissimilarities by name (`model_rdm`, `rdm`, one's own), matched by label where they have any. The
        model ``"identity"`` of stimuli that all differ is a constant, such as noise adds.
    folds : int or array_like, (n_stimuli,)
        Number of folds of stimuli, drawn at random, or the fold of each.
    comparator : str
        As in `rdm_similarity`.
    n_null : int
        Orders of the stimuli of the data for a null; every one takes a fit for each couple of folds.
    seed : int
        Of folds and orders.
    progress : bool, callable or None
        A bar over the null (by default after two seconds on a terminal), or a function of (done, in all).

    Returns
    -------
    RDMFit

    Raises
    ------
    SpecError
        If there is no model, stimuli differ, or folds leave fewer than 3 stimuli to fit.

    Examples
    --------
    >>> import numpy as np
    >>> times, identity = np.arange(12.0), np.arange(12) % 3
    >>> models = {"time": model_rdm(times, kind="time"), "what": model_rdm(identity, kind="identity")}
    >>> fit = fit_rdm(0.5 * models["time"] + 2 * models["what"], models, comparator="corr")
    >>> fit.weights.values.round(6).tolist(), round(fit.score, 6)
    ([0.5, 2.0], 1.0)
    """
    where = "fit_rdm"
    check_choice(comparator, COMPARATORS, where=where, name="comparator")
    if not isinstance(models, Mapping) or not models:
        bound = 'must be a mapping of names to matrices, such as {"time": matrix}, with at least one model'
        raise SpecError.of(where=where, name="models", bound=bound)
    names = list(models)
    found, labels = matched(
        [data, *models.values()], where=where, names=["data", *(f"models[{name!r}]" for name in names)]
    )
    target, columns = found[0], np.stack(found[1:], axis=1)
    n = len(squareform(target, checks=False))
    fold = _folds(folds, n, seed, where)
    couples = _couples(fold)
    count = check_int(n_null, where=where, name="n_null", low=0)
    check_progress(progress, where=where, unit="orders")
    predicted, weights = _predicted(target, columns, couples)
    score, null = _score(predicted, target, comparator), np.empty(count)
    square, rng = squareform(target, checks=False), stream(seed, "compare/fit_rdm/null")
    with progress_bar(progress, count, title=where, unit="order") as advance:
        for draw in range(count):
            order = rng.permutation(n)
            other = squareform(square[np.ix_(order, order)], checks=False)
            null[draw] = _score(_predicted(other, columns, couples)[0], other, comparator)
            if advance is not None:
                advance(1)
    p = p_value(score, null, kind=COMPARATORS[comparator].kind) if count else float("nan")
    return RDMFit(
        score=score, comparator=comparator, weights=_named(_weights(columns, target), names),
        fold_weights=_named(np.array(weights), names), predicted=labeled(predicted, labels, "predicted"),
        null=null, p=p,
    )  # fmt: skip


def _couples(fold: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of stimuli from each couple of folds, and pairs with none from either."""
    first, second = (fold[index] for index in np.triu_indices(len(fold), 1))
    found = []
    for a in range(fold.max() + 1):
        for b in range(a, fold.max() + 1):
            ask = ((first == a) & (second == b)) | ((first == b) & (second == a))
            given = (first != a) & (first != b) & (second != a) & (second != b)
            found.append((ask, given))
    return found


def _predicted(
    target: Floats, columns: Floats, couples: list[tuple[np.ndarray, np.ndarray]]
) -> tuple[Floats, list[Floats]]:
    """Each pair by the weights without its folds, and these weights."""
    predicted, weights = np.empty_like(target), []
    for ask, given in couples:
        weights.append(_weights(columns[given], target[given]))
        predicted[ask] = columns[ask] @ weights[-1]
    return predicted, weights


def _score(predicted: Floats, target: Floats, comparator: str) -> float:
    """Similarity of prediction and data; NaN where the prediction is the same for all pairs."""
    compare = COMPARATORS[comparator]
    if predicted.min() == predicted.max():
        return float("nan")
    return compare.score(compare.prepare(predicted), compare.prepare(target))


def _weights(columns: Floats, target: Floats) -> Floats:
    """Nonnegative least squares, on columns of equal length."""
    size = np.sqrt((columns**2).sum(axis=0))
    size[size == 0] = 1
    return nnls(columns / size, target)[0] / size


def _named(weights: Floats, names: list[str]) -> xr.DataArray:
    import xarray as xr

    dims = ("fit", "model")[-weights.ndim :]
    return xr.DataArray(weights, dims=dims, coords={"model": names}, name="weight")


def _folds(folds: Any, n: int, seed: int, where: str) -> np.ndarray:
    """Index of the fold of each stimulus."""
    if rank_of(folds) == 0:
        count = check_int(folds, where=where, name="folds", low=2, high=n)
        fold = stream(seed, "compare/fit_rdm").permutation(n) % count
    else:
        given = plain_array(folds, where=where, name="folds")
        if given.shape != (n,):
            bound = f"must be a number, or name the fold of each of the {n} stimuli"
            raise SpecError.of(where=where, name="folds", value=f"shape {given.shape}", bound=bound)
        fold = np.unique(given.astype(str) if given.dtype.kind == "O" else given, return_inverse=True)[1]
    sizes = np.sort(np.bincount(fold))
    left = n - int(sizes[-2:].sum())
    if len(sizes) < 3 or left < LEAST:
        bound = f"must leave >= {LEAST} stimuli when two folds are left out, leaves {left}"
        raise SpecError.of(
            where=where, name="folds", value=len(sizes), bound=bound, fix="more, smaller folds"
        )
    return fold
