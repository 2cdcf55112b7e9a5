"""How many components: stability, held-out blocks, information, core consistency, surrogates, side by side.

No single number decides. Held-out error and stability together do best; the others are shown beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from arcuate._inputs import as_real
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.connectome._ntf.input import as_tensor, check_rank
from arcuate.connectome.match import factor_match_score
from arcuate.connectome.ntf import NTF
from arcuate.connectome.operators import PackedTensor, ProductTensor
from arcuate.errors import SpecError, check_int, check_real
from arcuate.rng import check_seed, stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["core_consistency", "model_order"]

Floats = NDArray[np.float64]

CV_STARTS = 2
"""Random starts of a fit to what is not held out (chosen: a fold costs less, and there are several)."""


def core_consistency(X: Any, model: Any) -> float:
    """Say how little the components of a factorization interact (Bro and Kiers 2003).

    Parameters
    ----------
    X : array_like
        The tensor that was factorized, of any order, without NaN.
    model : NTF or sequence of ndarray, (dimension, component)
        A fitted model, or factors whose first one has the weights.

    Returns
    -------
    float, %
        ``100 (1 - |G - I|^2 / R)`` with the core ``G``, which is ``X`` times the pseudo-inverse of every
        factor, and ``I`` the core of a sum of R components. 100 is best; it may be far below 0, and is
        erratic in noise.

    Raises
    ------
    SpecError
        If the tensor is not finite, or factors do not fit it.

    Examples
    --------
    >>> factors = [np.random.default_rng(k).random((8, 2)) for k in range(3)]
    >>> round(core_consistency(np.einsum("ir,jr,kr->ijk", *factors), factors), 6)
    100.0
    """
    core = as_real(X, where="core_consistency", name="X").astype(np.float64)
    factors = _weighted(model)
    if core.shape != tuple(len(factor) for factor in factors):
        bound = f"must have the dimensions of the tensor, {core.shape}"
        raise SpecError.of(where="core_consistency", name="model", bound=bound)
    for factor in factors:
        core = np.tensordot(core, np.linalg.pinv(factor), axes=(0, 1))
    rank = core.shape[0]
    core[(np.arange(rank),) * core.ndim] -= 1
    return float(100 * (1 - (core**2).sum() / rank))


def model_order(
    X: Any,
    ranks: Iterable[int],
    *,
    mask: Any = None,
    n_starts: int = 6,
    n_folds: int = 5,
    held_out: float = 0.1,
    block: int | None = None,
    axis: int = 1,
    null: Callable[[int], Any] | None = None,
    n_null: int = 5,
    max_iter: int = 500,
    n_jobs: int = 1,
    seed: int = 0,
    progress: ProgressOption = None,
) -> xr.Dataset:
    """Factorize a tensor at several ranks, and measure what speaks for each.

    Parameters
    ----------
    X : ndarray or xarray.DataArray
        Numbers >= 0, two modes or more; one of them is time.
    ranks : iterable of int
        Numbers of components.
    mask : array_like of bool, optional
        True where the tensor was observed.
    n_starts : int
        Random starts at each rank, at least 2.
    n_folds : int
        Folds of the cross-validation; 0 for none. At most ``1 / held_out``.
    held_out : float
        Share of the entries that a fold holds out, in blocks of time, each of one fibre (one pair in one
        animal): neighbors in time are alike, and single entries would be given away by them. Where a tensor
        is symmetric in two modes, an entry and its mirror image are held out together.
    block : int, optional
        Length of such a block in frames; by default three times as long as the autocorrelation of the data
        takes to fall to 1/e, and at most a quarter of the whole.
    axis : int
        Which mode is time, if the data do not name it ``time``.
    null : callable, optional
        Gives the tensor of surrogate number 0, 1, ..., such as
        ``lambda k: affinity(circular_shift(traces, seed=1, number=k))``. It is fitted as the data are, with
        as many starts and iterations: its error would be too large with fewer.
    n_null : int
        Surrogates.
    max_iter : int
        Most iterations of a start.
    n_jobs : int
        Threads, over starts.
    seed : int
        Of starts and folds.
    progress : bool, callable or None
        A bar over all fits.

    Returns
    -------
    xarray.Dataset
        Over ``rank``: ``error`` (relative, of the best start); ``match`` (rank, start), factor match score of
        the other starts with the best; ``held_out_error`` (rank, fold); ``bic``, and ``bic_thinned``, for
        which the number of entries is divided by the correlation time of the residuals;
        ``core_consistency`` (%); ``spread``, the sum of squared singular values of the first factor over the
        largest, mean over starts, of which one looks where it flattens; ``null_error`` (rank, surrogate).
        ``choice`` (criterion): the rank of the lowest ``bic`` and ``bic_thinned``, and by
        ``cross_validation`` the smallest rank whose held-out error is not higher than the lowest by more than
        one standard error of their difference over folds.

    Raises
    ------
    SpecError
        If an option or the tensor is not valid.

    References
    ----------
    G. Schwarz, Ann. Statist. 6 (1978); R. Bro and H. A. L. Kiers, J. Chemometrics 17 (2003); E. Acar,
    D. M. Dunlavy and T. G. Kolda, J. Chemometrics 25 (2011); A. B. Owen and P. O. Perry, Ann. Appl. Stat. 3
    (2009), who hold out blocks of a matrix.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = np.einsum("ir,jr,kr->ijk", rng.random((20, 2)) ** 3, rng.random((60, 2)) ** 3, rng.random((4, 2)))
    >>> order = model_order(np.abs(X + 0.02 * rng.normal(size=X.shape)), [1, 2, 3], n_starts=3, n_folds=3)
    >>> order.choice.sel(criterion="bic").item()
    2
    """
    where = "model_order"
    wanted = _ranks(ranks, where)
    check_int(n_starts, where=where, name="n_starts", low=2)
    check_real(held_out, where=where, name="held_out", low=0, high=0.5, low_open=True)
    groups = round(1 / held_out)
    check_int(n_folds, where=where, name="n_folds", low=0, high=groups)
    check_int(n_null, where=where, name="n_null")
    check_progress(progress, where=where, unit="fits")
    check_seed(seed)
    values, seen, time = _tensor(X, mask, axis, where)
    check_rank(wanted[-1], values.shape)
    length = _block(np.where(seen, values, np.nan), time, block, where)
    same = _symmetric(values, seen, time) if n_folds else None
    folds = [_held_out(seen.shape, time, length, groups, k, seed) for k in range(n_folds)]
    folds = [(fold if same is None else _mirrored(fold, same)) & seen for fold in folds]
    nulls = [] if null is None else _surrogates(null, n_null, seen, where)
    rule: dict[str, Any] = {"max_iter": max_iter, "n_jobs": n_jobs, "seed": seed, "progress": False}
    rows = []
    total = len(wanted) * (1 + len(folds) + len(nulls))
    with progress_bar(progress, total, title=where, unit="fit") as advance:
        step = advance or (lambda _: None)
        for rank in wanted:
            model = _fit(values, seen, NTF(rank, n_starts=n_starts, **rule))
            step(1)
            rows.append(_described(values, seen, model))
            brief = NTF(rank, n_starts=CV_STARTS, **rule)
            rows[-1]["held_out_error"] = [_held_out_error(values, seen, hide, brief, step) for hide in folds]
            full = NTF(rank, n_starts=n_starts, **rule)
            rows[-1]["null_error"] = [_null_error(tensor, seen, full, step) for tensor in nulls]
    out = _table(rows, wanted).assign_attrs(block=length, seed=seed)
    return _judged(out, values, seen, time, model)


def _ranks(ranks: Any, where: str) -> list[int]:
    if not isinstance(ranks, Iterable):
        raise SpecError.of(where=where, name="ranks", value=ranks, bound="must be a list of numbers")
    wanted = [check_int(rank, where=where, name="ranks") for rank in ranks]
    if not wanted or sorted(set(wanted)) != wanted:
        raise SpecError.of(where=where, name="ranks", value=wanted, bound="must be different and ascend")
    return wanted


def _fit(data: Floats, seen: NDArray[np.bool_], model: NTF) -> NTF:
    return model.fit(data, mask=None if seen.all() else seen)


def _null_error(data: Floats, seen: NDArray[np.bool_], model: NTF, step: Callable[[int], None]) -> float:
    step(1)
    return _fit(data, seen, model).error_


def _held_out_error(
    values: Floats,
    seen: NDArray[np.bool_],
    hidden: NDArray[np.bool_],
    model: NTF,
    step: Callable[[int], None],
) -> float:
    """Error of what was held out, relative to it."""
    step(1)
    _fit(values, seen & ~hidden, model)
    found = values[hidden]
    norm = np.linalg.norm(found)
    return float(np.linalg.norm(found - _model(model)[hidden]) / norm) if norm > 0 else np.nan


def _table(rows: list[dict[str, Any]], ranks: list[int]) -> xr.Dataset:
    import xarray as xr

    dims = {"match": ("start",), "held_out_error": ("fold",), "null_error": ("surrogate",)}
    measured = {
        name: (("rank", *dims.get(name, ())), np.array([row[name] for row in rows]))
        for name in rows[0]
        if np.size(rows[0][name])
    }
    return xr.Dataset(measured, coords={"rank": ranks})


def _described(values: Floats, seen: NDArray[np.bool_], model: NTF) -> dict[str, Any]:
    """What one fit with several starts says by itself."""
    best = int(np.argmin(model.starts_["error"].values))
    others = [factors for k, factors in enumerate(model.start_factors_) if k != best]
    sizes = [np.linalg.svd(factors[0], compute_uv=False) ** 2 for factors in model.start_factors_]
    filled = values if seen.all() else np.where(seen, values, _model(model))
    return {
        "error": model.error_,
        "match": [factor_match_score(factors, model.start_factors_[best]) for factors in others],
        "core_consistency": core_consistency(filled, model),
        "spread": float(np.mean([size.sum() / size[0] for size in sizes])),
    }


def _tensor(X: Any, mask: Any, axis: int, where: str) -> tuple[Floats, NDArray[np.bool_], int]:
    """Values, where they are observed, and which axis is time."""
    if isinstance(X, (PackedTensor, ProductTensor)):
        bound = "must be an array; symmetric tensors and products have to_dense()"
        raise SpecError.of(where=where, name="X", value=type(X).__name__, bound=bound)
    as_tensor(X, mask, where=where, dtype=np.dtype(np.float32))
    values, dims = np.asarray(X, dtype=np.float64), tuple(map(str, getattr(X, "dims", ())))
    axis = check_int(axis, where=where, name="axis", low=0, high=values.ndim - 1)
    time = dims.index("time") if "time" in dims else axis
    return values, np.ones(values.shape, bool) if mask is None else np.asarray(mask), time


def _surrogates(null: Any, n_null: int, seen: NDArray[np.bool_], where: str) -> list[Floats]:
    """Values of all surrogates, which must be as the data are."""
    if not callable(null):
        bound = "must be a function of the number of a surrogate"
        raise SpecError.of(where=where, name="null", value=type(null).__name__, bound=bound)
    tensors = []
    for k in range(n_null):
        data = null(k)
        if np.shape(data) != seen.shape:
            bound = f"must have the shape of the data, {seen.shape}"
            raise SpecError.of(where=where, name=f"null({k})", value=f"shape {np.shape(data)}", bound=bound)
        tensors.append(_tensor(data, seen, 0, f"{where}: null({k})")[0])
    return tensors


def _block(values: Floats, time: int, block: int | None, where: str) -> int:
    n_times = values.shape[time]
    if block is not None:
        return check_int(block, where=where, name="block", high=n_times // 2)
    fall = np.flatnonzero(_autocorrelation(values, time) < np.exp(-1))
    return int(min(max(3 * fall[0], 1) if fall.size else n_times, max(n_times // 4, 1)))


def _autocorrelation(values: Floats, time: int) -> Floats:
    """Autocorrelation along time, pooled over fibres; NaN counts for nothing."""
    n_times = values.shape[time]
    rows = np.moveaxis(values, time, -1).reshape(-1, n_times)
    there = ~np.isnan(rows)
    mean = np.where(there, rows, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    sums = _lagged(np.where(there, rows - mean[:, None], 0.0))
    sums *= np.arange(n_times, 0, -1) / np.maximum(_lagged(there.astype(np.float64)), 1)
    floor = n_times * (np.finfo(float).eps * np.abs(mean).max(initial=0)) ** 2
    return sums / sums[0] if sums[0] > floor else np.zeros(n_times)


def _lagged(rows: Floats) -> Floats:
    """Products of what is k samples apart, summed over all rows."""
    n_times = rows.shape[1]
    power: Floats = (np.abs(np.fft.rfft(rows, 2 * n_times)) ** 2).sum(axis=0)
    return np.asarray(np.fft.irfft(power)[:n_times])


def _symmetric(values: Floats, seen: NDArray[np.bool_], time: int) -> tuple[int, int] | None:
    """The two modes, other than time, that may change places."""
    slack = 1e-6 * float(np.abs(values[seen]).max())
    for one, other in combinations([k for k in range(values.ndim) if k != time], 2):
        if values.shape[one] == values.shape[other] > 1:
            both = seen & seen.swapaxes(one, other)
            if np.allclose(values[both], values.swapaxes(one, other)[both], rtol=0, atol=slack):
                return one, other
    return None


def _mirrored(hidden: NDArray[np.bool_], modes: tuple[int, int]) -> NDArray[np.bool_]:
    """Hide below the diagonal of two modes what is hidden above it."""
    n = hidden.shape[modes[0]]
    shape = [n if k in modes else 1 for k in range(hidden.ndim)]
    return np.where(np.triu(np.ones((n, n), bool)).reshape(shape), hidden, hidden.swapaxes(*modes))


def _held_out(
    shape: Sequence[int], time: int, length: int, groups: int, fold: int, seed: int
) -> NDArray[np.bool_]:
    """Blocks of time of fibres, one group of several."""
    rng = stream(seed, "model order/folds")
    n_blocks = -(-shape[time] // length) + 1
    cells = [n for k, n in enumerate(shape) if k != time]
    group = rng.integers(0, groups, size=(*cells, n_blocks))
    start = rng.integers(0, length, size=cells)
    index = (np.arange(shape[time]) + start[..., None]) // length
    return np.moveaxis(np.take_along_axis(group, index, axis=-1) == fold, -1, time)


def _weighted(model: Any) -> list[Floats]:
    """Factors of a model, the first one with the weights."""
    if not hasattr(model, "factors_"):
        try:
            given = [np.asarray(factor, dtype=np.float64) for factor in model]
        except (TypeError, ValueError):
            given = []
        if not given or any(factor.ndim != 2 for factor in given):
            bound = "must be a fitted NTF or factors (dimension, component)"
            raise SpecError.of(where="core_consistency", name="model", value=model, bound=bound)
        return given
    first, *others = (np.asarray(factor, dtype=np.float64) for factor in model.factors_)
    return [first * model.weights_, *others]


def _model(model: Any) -> Floats:
    """The tensor that a model says."""
    factors = _weighted(model)
    others = factors[1]
    for factor in factors[2:]:
        others = (others[:, None] * factor[None]).reshape(-1, factor.shape[1])
    return (factors[0] @ others.T).reshape([len(factor) for factor in factors])


def _judged(out: xr.Dataset, values: Floats, seen: NDArray[np.bool_], time: int, last: NTF) -> xr.Dataset:
    """Add what is computed from errors, and the rank that each criterion takes."""
    count, norm = int(seen.sum()), float((values[seen] ** 2).sum())
    residual = np.where(seen, values - _model(last), np.nan)
    falling = _autocorrelation(residual, time)
    until = int(np.argmax(np.append(falling, -1.0) <= 0))
    thin = 1 + 2 * float(falling[1:until].sum())
    freedom = out["rank"].values * (sum(values.shape) - (values.ndim - 1))
    mean_square = np.maximum(out["error"].values ** 2 * norm / count, np.finfo(float).tiny)
    choice = {}
    for name, n in (("bic", count), ("bic_thinned", count / thin)):
        out[name] = "rank", n * np.log(mean_square) + freedom * np.log(n)
        choice[name] = int(out["rank"].values[np.argmin(out[name].values)])
    if "held_out_error" in out:
        choice["cross_validation"] = _one_standard_error(out["held_out_error"])
    out["choice"] = "criterion", list(choice.values())
    out.attrs["correlation_time"] = thin
    return out.assign_coords(criterion=list(choice))


def _one_standard_error(errors: xr.DataArray) -> int:
    folds = errors.transpose("rank", "fold").values
    above = folds - folds[np.argmin(folds.mean(axis=1))]
    n_folds = folds.shape[1]
    slack = above.std(axis=1, ddof=1) / np.sqrt(n_folds) if n_folds > 1 else 0.0
    return int(errors["rank"].values[np.argmax(above.mean(axis=1) <= slack)])
