"""Two Bayesian learners as a yardstick: one knows the tasks of its training, one knows only their law.

References
----------
D. Wurgaft, E. Lubana, C. Park, H. Tanaka, G. Reddy and N. Goodman, In-context learning strategies emerge
rationally (2025), arXiv 2506.17859; linear regression: A. Raventós, M. Paul, F. Chen and S. Ganguli,
Pretraining task diversity and the emergence of non-Bayesian in-context learning for regression (2023), arXiv
2306.15063. The account's equation is given as the literature tells it; how it is fitted is ours.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import as_real, check_bytes
from arcuate.errors import FitError, SpecError, check_choice, check_real

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "StrategyAccount",
    "fit_account",
    "predict_account",
    "regression_predictors",
    "relative_distance",
    "strategy_gaps",
    "symmetrized_kl",
    "urn_predictors",
]

DISTANCES = ("kl", "squared")
TINY = 1e-300
WEIGHTS = np.linspace(0, 1, 101)


def urn_predictors(balls: ArrayLike, laws: ArrayLike) -> xr.Dataset:
    r"""Predict the next ball by knowing the urns, and by counting.

    After n balls, of which :math:`n_v` are v:

    .. math::
        G(v) = \frac{n_v + 1}{n + V}, \qquad M(v) = \sum_d w_d\, \pi_d(v), \quad
        w_d \propto \prod_i \pi_d(x_i)

    G is the posterior mean under the flat Dirichlet law, M that of who knows the D urns.

    Parameters
    ----------
    balls : array_like of int, (trial, token)
        What was read.
    laws : array_like, (urn, symbol)
        Probabilities of the urns that M knows.

    Returns
    -------
    xarray.Dataset
        ``memorizing`` and ``generalizing`` over (``trial``, ``token``, ``outcome``): probabilities of what
        comes after each token.

    Raises
    ------
    SpecError
        If the balls are no symbols, or a law is not one of probabilities.
    MemoryLimitError
        If the predictions would not fit into memory.

    Examples
    --------
    >>> found = urn_predictors([[0, 0, 1]], [[0.5, 0.5], [0.9, 0.1]])
    >>> found["generalizing"][0, :, 0].values.round(3)  # (n_0 + 1) / (n + 2)
    array([0.667, 0.75 , 0.6  ])
    >>> found["memorizing"][0, 0].values.round(3)  # weights 5/14 and 9/14
    array([0.757, 0.243])
    """
    import xarray as xr

    where = "urn_predictors"
    table = as_real(laws, where=where, name="laws").astype(float)
    if table.ndim != 2 or table.size == 0 or (table < 0).any() or not np.allclose(table.sum(axis=1), 1):
        bound = "must be (urn, symbol), and each row probabilities that add up to 1"
        raise SpecError.of(where=where, name="laws", value=table.shape, bound=bound)
    read, n_symbols = np.asarray(balls), table.shape[1]
    if read.ndim != 2 or read.dtype.kind not in "iu" or (read < 0).any() or (read >= n_symbols).any():
        bound = f"must be (trial, token), whole numbers from 0 to {n_symbols - 1}"
        raise SpecError.of(where=where, name="balls", bound=bound)
    need = 8 * read.size * (3 * n_symbols + 2 * len(table))
    check_bytes(need, where=where, fix="give fewer trials at once")
    seen = np.cumsum(np.eye(n_symbols)[read], axis=1)
    counted = (seen + 1) / (seen.sum(axis=2, keepdims=True) + n_symbols)
    evidence = seen @ np.log(np.maximum(table, TINY)).T
    known = _normalized(evidence) @ table
    parts = {"memorizing": known, "generalizing": counted}
    return xr.Dataset({name: (("trial", "token", "outcome"), value) for name, value in parts.items()})


def _normalized(evidence: np.ndarray) -> np.ndarray:
    """Return weights in proportion to the exponential of the last axis."""
    weights = np.exp(evidence - evidence.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def regression_predictors(
    x: ArrayLike, y: ArrayLike, weights: ArrayLike, *, noise: float, prior: float = 1.0
) -> xr.Dataset:
    r"""Predict the next y = w . x + noise by knowing the weights of the training, and by ridge regression.

    Parameters
    ----------
    x : array_like, (trial, token, feature)
    y : array_like, (trial, token)
    weights : array_like, (task, feature)
        That the memorizing learner knows, all equally frequent.
    noise : float
        Standard deviation of y about w . x.
    prior : float
        Standard deviation of each weight, of mean 0, as the generalizing learner knows it.

    Returns
    -------
    xarray.Dataset
        ``memorizing`` and ``generalizing`` over (``trial``, ``token``): the mean of each y given its x and
        the pairs before it, and ``memorizing_variance`` and ``generalizing_variance``.

    Raises
    ------
    SpecError
        If the shapes do not fit each other or a standard deviation is not positive.
    MemoryLimitError
        If the predictions would not fit into memory.

    Notes
    -----
    The generalizing mean is ridge regression with the penalty noise² / prior².

    Examples
    --------
    >>> found = regression_predictors([[[1.0], [1.0]]], [[2.0, 2.0]], [[0.0], [2.0]], noise=1.0)
    >>> found["generalizing"].values, found["generalizing_variance"].values
    (array([[0., 1.]]), array([[2. , 1.5]]))
    >>> found["memorizing"].values.round(3)  # 1, then weights of 1 and e**2
    array([[1.   , 1.762]])
    """
    import xarray as xr

    where = "regression_predictors"
    check_real(noise, where=where, name="noise", low=0, low_open=True)
    check_real(prior, where=where, name="prior", low=0, low_open=True)
    points = as_real(x, where=where, name="x").astype(float)
    values = as_real(y, where=where, name="y").astype(float)
    table = as_real(weights, where=where, name="weights").astype(float)
    if points.ndim != 3 or points.size == 0:
        raise SpecError.of(where=where, name="x", value=points.shape, bound="must be (trial, token, feature)")
    if values.shape != points.shape[:2]:
        raise SpecError.of(where=where, name="y", value=values.shape, bound=f"must be {points.shape[:2]}")
    n_trials, length, width = points.shape
    if table.ndim != 2 or table.shape[1] != width or len(table) == 0:
        raise SpecError.of(where=where, name="weights", value=table.shape, bound=f"must be (task, {width})")
    check_bytes(32 * n_trials * length * len(table), where=where, fix="give fewer trials at once")
    means = points @ table.T  # (trial, token, task)
    evidence = np.cumsum(-((values[..., None] - means) ** 2) / (2 * noise**2), axis=1)
    before = np.concatenate((np.zeros((n_trials, 1, len(table))), evidence[:, :-1]), axis=1)
    share = _normalized(before)
    known = (share * means).sum(axis=2)
    spread = noise**2 + (share * (means - known[..., None]) ** 2).sum(axis=2)
    ridge, width_of = np.empty_like(values), np.empty_like(values)
    precision = np.broadcast_to(np.eye(width) / prior**2, (n_trials, width, width)).copy()
    moment = np.zeros((n_trials, width))
    for token in range(length):
        row = points[:, token]
        along = np.linalg.solve(precision, row[..., None])[..., 0]
        ridge[:, token] = (along * moment).sum(axis=1)
        width_of[:, token] = noise**2 + (along * row).sum(axis=1)
        precision += row[:, :, None] * row[:, None, :] / noise**2
        moment += row * values[:, token, None] / noise**2
    parts = {"memorizing": known, "generalizing": ridge}
    parts |= {"memorizing_variance": spread, "generalizing_variance": width_of}
    return xr.Dataset({name: (("trial", "token"), value) for name, value in parts.items()})


def symmetrized_kl(p: ArrayLike, q: ArrayLike) -> float:
    """Half the sum of both Kullback-Leibler divergences, in nats, averaged over all predictions.

    Parameters
    ----------
    p, q : array_like, (..., outcome)
        Probabilities, of one shape.

    Returns
    -------
    float

    Raises
    ------
    SpecError
        If they are not probabilities of one shape.

    Examples
    --------
    >>> round(symmetrized_kl([0.5, 0.5], [0.9, 0.1]), 4)  # 0.2 ln 9
    0.4394
    """
    first, second = (_probabilities(value, name) for value, name in ((p, "p"), (q, "q")))
    if first.shape != second.shape:
        bound = f"must have the shape {first.shape} of p"
        raise SpecError.of(where="symmetrized_kl", name="q", value=second.shape, bound=bound)
    return _kl(first, second)


def _kl(p: np.ndarray, q: np.ndarray) -> float:
    logs = np.log(np.maximum(p, TINY)) - np.log(np.maximum(q, TINY))
    return float(((p - q) * logs).sum(axis=-1).mean() / 2)


def _probabilities(value: ArrayLike, name: str) -> np.ndarray:
    given = as_real(value, where="symmetrized_kl", name=name).astype(float)
    sums = given.sum(axis=-1) if given.size and given.ndim else np.zeros(1)
    if (given < 0).any() or not np.allclose(sums, 1, atol=1e-4):
        bound = "must be probabilities, which add up to 1 over the last dimension"
        raise SpecError.of(where="symmetrized_kl", name=name, bound=bound)
    return given


def relative_distance(
    predictions: ArrayLike, memorizing: ArrayLike, generalizing: ArrayLike, *, distance: str = "kl"
) -> float:
    r"""Place a learner between the two yardsticks: 0 where it generalizes, 1 where it memorizes.

    .. math:: \frac12 + \frac{d(h, G) - d(h, M)}{2\, d(G, M)}

    Parameters
    ----------
    predictions : array_like
        Of any system, h: a transformer's probabilities, a reservoir's read-out, an animal's choices.
    memorizing, generalizing : array_like
        M and G, of the same trials; best of tasks that nobody was trained on.
    distance : {"kl", "squared"}
        `symmetrized_kl` of probabilities over the last dimension, or the mean squared difference of numbers.

    Returns
    -------
    float
        From 0 to 1 between them; neither distance is a metric, so that it may lie beyond.

    Raises
    ------
    SpecError
        If the shapes differ, or both yardsticks predict the same.

    Examples
    --------
    >>> found = urn_predictors([[0, 0, 1, 0]], [[0.5, 0.5], [0.9, 0.1]])
    >>> memorizing, generalizing = found["memorizing"], found["generalizing"]
    >>> relative_distance(generalizing, memorizing, generalizing)
    0.0
    >>> relative_distance(memorizing, memorizing, generalizing)
    1.0
    """
    where = "relative_distance"
    check_choice(distance, DISTANCES, where=where, name="distance")
    given = [
        _probabilities(value, name) if distance == "kl" else as_real(value, where=where, name=name)
        for value, name in (
            (predictions, "predictions"),
            (memorizing, "memorizing"),
            (generalizing, "generalizing"),
        )
    ]
    for value, name in zip(given[1:], ("memorizing", "generalizing"), strict=True):
        if value.shape != given[0].shape:
            bound = f"must have the shape {given[0].shape} of the predictions"
            raise SpecError.of(where=where, name=name, value=value.shape, bound=bound)
    h, m, g = given
    apart = _kl if distance == "kl" else _squared
    whole = apart(g, m)
    if whole == 0:
        fix = "give trials of tasks that are not among the known ones"
        raise SpecError.of(where=where, name="memorizing", bound="predicts what generalizing does", fix=fix)
    return 0.5 + (apart(h, g) - apart(h, m)) / (2 * whole)


def _squared(p: np.ndarray, q: np.ndarray) -> float:
    return float(((p - q) ** 2).mean())


def strategy_gaps(balls: ArrayLike, laws: ArrayLike) -> dict[str, float]:
    """Tell what memorizing the urns gains and what it costs, for `fit_account`.

    Parameters
    ----------
    balls : array_like of int, (trial, token)
        From the urns of the training.
    laws : array_like, (urn, symbol)

    Returns
    -------
    dict of str to float
        ``loss``: by how many nats a ball the memorizing learner predicts better than the counting one;
        ``size``: bytes of its table of urns in single precision, compressed, less those of one flat row, all
        that the other needs.

    Raises
    ------
    SpecError
        If the balls are no symbols, or a law is not one of probabilities.

    Examples
    --------
    >>> from arcuate.tasks import Urns
    >>> task = Urns(n_urns=4)
    >>> gaps = strategy_gaps(task.draw(100, seed=1).balls, task.laws)
    >>> round(gaps["loss"], 1), gaps["size"] > 0
    (0.1, True)
    """
    read = np.asarray(balls)
    found = urn_predictors(read, laws)
    index = (*np.indices(read[:, 1:].shape), read[:, 1:])
    loss = {
        name: -np.log(np.maximum(found[name].values[:, :-1][index], TINY)).mean()
        for name in ("memorizing", "generalizing")
    }
    table = np.asarray(laws, dtype=np.float32)
    flat = np.full(table.shape[1], 1 / table.shape[1], dtype=np.float32)
    size = len(zlib.compress(table.tobytes(), 9)) - len(zlib.compress(flat.tobytes(), 9))
    return {"loss": float(loss["generalizing"] - loss["memorizing"]), "size": float(size)}


@dataclass(frozen=True, kw_only=True)
class StrategyAccount:
    r"""The hierarchical account of a training, as `fit_account` finds it.

    Parameters
    ----------
    gamma, alpha, beta : float
        Of :math:`\eta(N, D) = \gamma N^{1 - \alpha} \Delta L(D) - \Delta K(D)^\beta`.
    distance : xarray.DataArray, (step, tasks)
        What it says where training stands, 0 generalizing and 1 memorizing.
    weight : xarray.DataArray, (step, tasks)
        Of the memorizing learner, :math:`\sigma(\eta)`.
    r : float
        Correlation with what was measured.
    explained : float
        Share of the variance of what was measured.
    """

    gamma: float
    alpha: float
    beta: float
    distance: xr.DataArray
    weight: xr.DataArray
    r: float
    explained: float


def fit_account(
    distance: xr.DataArray, gaps: Mapping[int, Mapping[str, float]], predictions: Mapping[int, xr.Dataset]
) -> StrategyAccount:
    r"""Fit the hierarchical account to distances over a training (Wurgaft et al. 2025).

    A learner that weighs both strategies by what they explain and what they cost predicts

    .. math::
        \sigma(\eta) M + (1 - \sigma(\eta)) G, \qquad
        \eta(N, D) = \gamma N^{1 - \alpha} \Delta L(D) - \Delta K(D)^\beta

    after N steps with D tasks, where :math:`\Delta L` is the loss that M saves and :math:`\Delta K` what more
    it takes to write M down. Three numbers are fitted, by least squares, to all distances.

    Parameters
    ----------
    distance : xarray.DataArray, (step, tasks)
        `relative_distance` of what was trained, with N and D as coordinates.
    gaps : mapping
        `strategy_gaps` of each D.
    predictions : mapping
        `urn_predictors` of each D, of the trials on which the distance was measured.

    Returns
    -------
    StrategyAccount

    Raises
    ------
    SpecError
        If a dimension, or a number of tasks, is missing.
    FitError
        If there are fewer than four distances, or all are alike.

    Examples
    --------
    >>> import xarray as xr
    >>> from arcuate.tasks import Urns
    >>> gaps, predictions = {}, {}
    >>> for n in (4, 64):
    ...     task = Urns(n_urns=n)
    ...     gaps[n] = strategy_gaps(task.draw(200, seed=1).balls, task.laws)
    ...     balls = Urns(source="prior").draw(50, seed=1).balls
    ...     predictions[n] = urn_predictors(balls, task.laws)
    >>> seen = xr.DataArray(
    ...     [[0.5, 0.1], [0.7, 0.1], [0.9, 0.2]], {"step": [10, 100, 1000], "tasks": [4, 64]}
    ... )
    >>> account = fit_account(seen, gaps, predictions)
    >>> account.r > 0.9, account.distance.dims
    (True, ('step', 'tasks'))
    """
    seen, *known = _account_inputs(distance, gaps, predictions)
    best = _account_search(seen.values, *known)
    expected, share = _account_said(best, *known)
    residual = float(((expected - seen.values) ** 2).sum() / ((seen.values - seen.values.mean()) ** 2).sum())
    flat = expected.std() == 0
    return StrategyAccount(
        gamma=float(np.exp(best[0])),
        alpha=float(best[1]),
        beta=float(best[2]),
        distance=seen.copy(data=expected),
        weight=seen.copy(data=share),
        r=float("nan") if flat else float(np.corrcoef(expected.ravel(), seen.values.ravel())[0, 1]),
        explained=1 - residual,
    )


def predict_account(
    distance: xr.DataArray, gaps: Mapping[int, Mapping[str, float]], predictions: Mapping[int, xr.Dataset]
) -> xr.DataArray:
    """Say where a training with each number of tasks stands, by the account fitted to all other numbers.

    The fit of `fit_account` is judged by the distances it was fitted to; this is not.

    Parameters
    ----------
    distance, gaps, predictions
        As of `fit_account`, of three numbers of tasks or more.

    Returns
    -------
    xarray.DataArray, (step, tasks)
        Relative distances.

    Raises
    ------
    SpecError
        If a dimension, or a number of tasks, is missing, or there are fewer than three.
    FitError
        If what is left has fewer than four distances, or all are alike.

    Examples
    --------
    >>> import xarray as xr
    >>> from arcuate.tasks import Urns
    >>> gaps, predictions = {}, {}
    >>> for n in (4, 16, 64):
    ...     task = Urns(n_urns=n)
    ...     gaps[n] = strategy_gaps(task.draw(200, seed=1).balls, task.laws)
    ...     balls = Urns(source="prior").draw(50, seed=1).balls
    ...     predictions[n] = urn_predictors(balls, task.laws)
    >>> seen = xr.DataArray(
    ...     [[0.5, 0.3, 0.1], [0.9, 0.5, 0.2]], {"step": [10, 1000], "tasks": [4, 16, 64]}
    ... )
    >>> predict_account(seen, gaps, predictions).shape
    (2, 3)
    """
    seen, *known = _account_inputs(distance, gaps, predictions)
    if seen.sizes["tasks"] < 3:
        bound = "must have three numbers of tasks or more"
        raise SpecError.of(where="predict_account", name="distance", value=seen.sizes["tasks"], bound=bound)
    expected = np.empty(seen.shape)
    for k, n in enumerate(seen["tasks"].values):
        rest, *others = _account_inputs(seen.drop_sel(tasks=n), gaps, predictions)
        best = _account_search(rest.values, *others)
        expected[:, k] = _account_said(best, *known)[0][:, k]
    return seen.copy(data=expected)


def _account_said(
    parameters: np.ndarray, steps: np.ndarray, loss: np.ndarray, size: np.ndarray, curves: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Distances (step, tasks) that an account says, and weights of the memorizing learner."""
    gamma, alpha, beta = np.exp(parameters[0]), parameters[1], parameters[2]
    eta = gamma * steps[:, None] ** (1 - alpha) * loss - size**beta
    share = 1 / (1 + np.exp(-np.clip(eta, -500, 500)))
    columns = zip(share.T, curves, strict=True)
    return np.stack([np.interp(one, WEIGHTS, curve) for one, curve in columns], axis=1), np.asarray(share)


def _account_search(seen: np.ndarray, *known: Any) -> np.ndarray:
    """The log of gamma, alpha and beta by least squares, from several starts."""
    from scipy.optimize import least_squares

    fits = [
        least_squares(
            lambda parameters: (_account_said(parameters, *known)[0] - seen).ravel(),
            (start, alpha, beta),
            bounds=((-20, 0, 0), (20, 1, 1)),
            diff_step=1e-3,
        )
        for start in (-4.0, 0.0, 4.0)
        for alpha in (0.2, 0.7)
        for beta in (0.1, 0.3)
    ]
    return np.asarray(min(fits, key=lambda fit: float(fit.cost)).x)


def _account_inputs(distance: Any, gaps: Any, predictions: Any) -> Any:
    """Return checked distances, steps, gaps of each number of tasks, and distances of mixtures by weight."""
    where = "fit_account"
    if set(getattr(distance, "dims", ())) != {"step", "tasks"}:
        bound = "must have the dimensions step and tasks"
        raise SpecError.of(where=where, name="distance", value=getattr(distance, "dims", None), bound=bound)
    seen = distance.transpose("step", "tasks")
    as_real(seen.values, where=where, name="distance")
    steps = as_real(seen["step"].values, where=where, name="step").astype(float)
    numbers = [int(n) for n in seen["tasks"].values]
    for name, given in (("gaps", gaps), ("predictions", predictions)):
        missing = [n for n in numbers if n not in given]
        if missing:
            bound = f"lacks {missing[0]} tasks"
            raise SpecError.of(where=where, name=name, value=sorted(given), bound=bound)
    if (steps <= 0).any():
        raise SpecError.of(where=where, name="step", value=steps.min(), bound="must be above 0")
    if seen.size < 4 or np.ptp(seen.values) == 0:
        raise FitError.of(where=where, name="distance", bound="must be four numbers or more, not all alike")
    loss, size = (np.array([gaps[n][name] for n in numbers]) for name in ("loss", "size"))
    return seen, steps, np.maximum(loss, 0), np.maximum(size, 0), [_mixtures(predictions[n]) for n in numbers]


def _mixtures(predictions: Any) -> np.ndarray:
    """Relative distance of mixtures of both learners, by the weight of the memorizing one."""
    m, g = (predictions[name].values for name in ("memorizing", "generalizing"))
    return np.array([relative_distance(w * m + (1 - w) * g, m, g) for w in WEIGHTS])
