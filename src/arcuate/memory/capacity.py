"""What an associative memory can hold: closed forms for random unit keys, and measurements of the same.

Errors are mean squared errors relative to the power of the values. The closed forms are derived for keys
drawn evenly from the sphere; that of the delta rule is for large widths.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate._inputs import check_bytes
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.errors import SpecError, check_array, check_choice, check_int, check_real
from arcuate.memory._rows import check_counts
from arcuate.memory.associative import AssociativeMemory
from arcuate.rng import check_seed, stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "capacity_exponent",
    "delta_error",
    "delta_error_by_age",
    "error_free_capacity",
    "hebb_error",
    "mean_capacity",
    "retrieval_error",
    "ridge_error",
]


def _load(n_items: Any, d_key: Any) -> tuple[np.ndarray, int]:
    d = check_int(d_key, where="closed form", name="d_key")
    n = check_array(n_items, where="closed form", name="n_items")
    if (n < 1).any():
        raise SpecError.of(where="closed form", name="n_items", value=float(n.min()), bound="must be >= 1")
    return n, d


def hebb_error(n_items: Any, d_key: int) -> np.ndarray:
    """Expected squared error of a Hebbian memory of random unit keys, ``(N - 1) / d``, relative to a value's.

    Parameters
    ----------
    n_items : array_like
        N, pairs stored.
    d_key : int
        d, width of a key.

    Returns
    -------
    ndarray
        As ``n_items``.

    Examples
    --------
    >>> hebb_error([33, 129], 128)
    array([0.25, 1.  ])
    """
    n, d = _load(n_items, d_key)
    return (n - 1) / d


def delta_error(n_items: Any, d_key: int) -> np.ndarray:
    """Expected squared error after one pass of the delta rule with rate 1, over all pairs.

    With ``t = N / d``: ``2 - exp(-t) + (exp(-t) - exp(-2t) - 2 + 2 exp(-t)) / t``, for large d.

    Parameters
    ----------
    n_items : array_like
        N, pairs stored.
    d_key : int
        d, width of a key.

    Returns
    -------
    ndarray
        As ``n_items``.

    Examples
    --------
    >>> delta_error([64, 256], 256).round(3)
    array([0.141, 0.6  ])
    """
    n, d = _load(n_items, d_key)
    t = n / d
    once = np.exp(-t)
    return 2 - once + (once - once**2 - 2 + 2 * once) / t


def delta_error_by_age(n_items: int, age: Any, *, d_key: int) -> np.ndarray:
    """Expected squared error of a pair that was stored some pairs ago, after one pass of the delta rule.

    With ``t = N / d``, ``a = age / d`` and ``tau = t - a``, when it was stored:
    ``2 - exp(-t) + exp(-tau - 2a) - 2 exp(-a)``, for large d; the last pair is recalled without error.

    Parameters
    ----------
    n_items : int
        N, pairs stored.
    age : array_like
        Pairs stored since, 0 to N - 1.
    d_key : int
        d, width of a key.

    Returns
    -------
    ndarray
        As ``age``.

    Examples
    --------
    >>> delta_error_by_age(256, [0, 128], d_key=256).round(3)
    array([0.   , 0.642])
    """
    n, d = _load(n_items, d_key)
    a = check_array(age, where="closed form", name="age") / d
    t = n / d
    if (a < 0).any() or (a >= t).any():
        bound = f"must be >= 0 and < {int(n)}"
        raise SpecError.of(where="closed form", name="age", value=a * d, bound=bound)
    return 2 - np.exp(-t) + np.exp(-(t - a) - 2 * a) - 2 * np.exp(-a)


def ridge_error(n_items: Any, d_key: int) -> np.ndarray:
    """Expected squared error of least squares, ``max(0, 1 - d / N)``: none up to d pairs.

    Parameters
    ----------
    n_items : array_like
        N, pairs stored.
    d_key : int
        d, width of a key.

    Returns
    -------
    ndarray
        As ``n_items``.

    Examples
    --------
    >>> ridge_error([64, 128, 512], 128)
    array([0.  , 0.  , 0.75])
    """
    n, d = _load(n_items, d_key)
    return np.maximum(0.0, 1 - d / n)


_CLOSED_FORMS = {"hebb": hebb_error, "delta": delta_error, "ridge": ridge_error}


def retrieval_error(
    rule: str | Callable[[np.ndarray, np.ndarray], Any],
    n_items: Sequence[int],
    *,
    d_key: int,
    d_value: int | None = None,
    passes: int = 1,
    correlation: float = 0.0,
    earlier: int = 0,
    trials: int = 20,
    seed: int = 0,
    progress: ProgressOption = None,
    **options: float,
) -> xr.Dataset:
    """Store random unit keys with random unit values, and read all of them.

    Parameters
    ----------
    rule : {"hebb", "delta", "ridge", "softmax"} or callable
        Those that give values back, not signs. Or any system: a function that is given keys (N, d_key) and
        values (N, d_value), which it meets one pair after the other, and returns what it then reads for
        each key, (N, d_value). It takes no ``passes``, ``earlier`` or options.
    n_items : sequence of int
        Numbers of pairs.
    d_key : int
        Width of a key.
    d_value : int or None
        Width of a value; that of a key if None.
    passes : int
        How often all pairs are written, in one order; many passes of delta come close to ridge.
    correlation : float
        Squared length, 0 to below 1, of what all keys of a memory have in common:
        ``k = sqrt(correlation) common + sqrt(1 - correlation) private``, both of unit length.
    earlier : int
        Values that every key had before the one that is asked for; all of them may be named.
    trials : int
        Memories for each number of pairs.
    seed : int
        Address of the draws: ``memory/retrieval``.
    progress : bool, callable or None
        A bar after two seconds on a terminal, by default.
    **options : float
        Of the rule.

    Returns
    -------
    xarray.Dataset
        ``error`` (n_items, trial), mean squared error over that of the values; ``top1`` (n_items, trial),
        share of pairs whose value is the nearest to what was read; and ``closed_form`` (n_items) where the
        rule has one (one pass, unrelated keys, one value each, options left as they are: rate 1, nothing
        forgotten, no ridge).

    Raises
    ------
    SpecError
        If the rule or a number is not valid, or what a function reads is not finite or has another shape.
    MemoryLimitError
        If the pairs of a memory would not fit into memory.

    Examples
    --------
    >>> found = retrieval_error("hebb", [32], d_key=128, trials=5)
    >>> abs(float(found.error.mean()) / float(found.closed_form[0]) - 1) < 0.05
    True

    A memory that keeps the last eight pairs:

    >>> def recent(keys, values):
    ...     return np.where(np.arange(len(keys))[:, None] < len(keys) - 8, 0.0, values)
    >>> retrieval_error(recent, [4, 16], d_key=32, trials=2).error.mean("trial").values.tolist()
    [0.0, 0.5]
    """
    import xarray as xr

    if not callable(rule):
        check_choice(rule, ("hebb", "delta", "ridge", "softmax"), where="retrieval_error", name="rule")
    elif passes != 1 or earlier or options:
        bound = 'must be left as they are, since the rule is a function: write passes="..." into it'
        raise SpecError.of(where="retrieval_error", name="passes, earlier and options", bound=bound)
    numbers = check_counts(n_items, "retrieval_error", name="n_items")
    for name, count, least in (("passes", passes, 1), ("trials", trials, 1), ("earlier", earlier, 0)):
        check_int(count, where="retrieval_error", name=name, low=least)
    shared = check_real(
        correlation, where="retrieval_error", name="correlation", low=0, high=1, high_open=True
    )
    check_progress(progress, where="retrieval_error", unit="memories")
    rng = stream(check_seed(seed), "memory/retrieval")
    width = check_int(d_key if d_value is None else d_value, where="retrieval_error", name="d_value")
    named = rule if isinstance(rule, str) else getattr(rule, "__name__", type(rule).__name__)
    memory = AssociativeMemory(d_key, width, rule=rule, **options) if isinstance(rule, str) else rule
    most, times = max(numbers), 1 + earlier
    need = 8 * most * (2 * d_key + (2 * times + 2) * width + 2 * times * most)
    need += 8 * trials * 2 * len(numbers)
    check_bytes(need, where="retrieval_error", fix="use fewer pairs, earlier values or trials")
    error, top1 = np.empty((2, len(numbers), trials))
    with progress_bar(progress, len(numbers) * trials, title=f"recall by {named}", unit="memory") as tell:
        for i, n in enumerate(numbers):
            for trial in range(trials):
                k, v, before = _pairs(n, (d_key, width), rng, shared=shared, earlier=earlier)
                read = _recalled(memory, k, (*before, *[v] * passes))
                error[i, trial] = ((read - v) ** 2).sum(axis=1).mean()
                top1[i, trial] = ((read @ np.vstack((v, *before)).T).argmax(axis=1) == np.arange(n)).mean()
                if tell:
                    tell(1)
    data: dict[str, Any] = {"error": (("n_items", "trial"), error), "top1": (("n_items", "trial"), top1)}
    if passes == 1 and not shared and not earlier and _is_plain(memory):
        data["closed_form"] = ("n_items", _CLOSED_FORMS[named](numbers, d_key))
    attrs = {
        "rule": named,
        "d_key": d_key,
        "d_value": width,
        "passes": passes,
        "correlation": shared,
        "earlier": earlier,
        "seed": seed,
    }
    return xr.Dataset(data, coords={"n_items": numbers}, attrs=attrs)


def _is_plain(memory: Any) -> bool:
    """Whether it is a rule that has a closed form, with its options left as they are."""
    if not isinstance(memory, AssociativeMemory) or memory.rule not in _CLOSED_FORMS:
        return False
    return memory.options == AssociativeMemory(memory.d_key, memory.d_value, rule=memory.rule).options


def _pairs(
    n: int, widths: tuple[int, int], rng: np.random.Generator, *, shared: float, earlier: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw keys, their values, and the values that they had before, (earlier, n, d_value)."""
    k, v = (_unit(rng, n, width) for width in widths)
    if shared:
        k = math.sqrt(shared) * _unit(rng, 1, widths[0]) + math.sqrt(1 - shared) * k
    return k, v, _unit(rng, earlier * n, widths[1]).reshape(earlier, n, widths[1])


def _recalled(memory: Any, keys: np.ndarray, written: Sequence[np.ndarray]) -> np.ndarray:
    """Write the values one set after the other, and return what is read for the keys."""
    if isinstance(memory, AssociativeMemory):
        memory.reset()
        for values in written:
            memory.write(keys, values)
        return memory.read(keys)
    where, (values,) = "retrieval_error", written
    read = memory(keys.copy(), values.copy())
    return check_array(read, where=where, name="what rule returns", shape=values.shape)


def _unit(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    rows = rng.standard_normal((n, d))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def mean_capacity(
    rule: str,
    d_key: Sequence[int],
    *,
    error: float = 0.5,
    trials: int = 20,
    seed: int = 0,
    progress: ProgressOption = None,
) -> xr.DataArray:
    """Pairs that a rule keeps with a given mean squared error, for several widths; it grows as d.

    Parameters
    ----------
    rule : {"hebb", "delta", "ridge"}
    d_key : sequence of int
        Widths.
    error : float
        Mean squared error over that of the values, 0 < error < 1 (0.5, chosen).
    trials : int
        Memories for each number of pairs.
    seed : int
        As for `retrieval_error`.
    progress : bool, callable or None
        A bar over the widths after two seconds on a terminal, by default.

    Returns
    -------
    xarray.DataArray, (d_key,)
        Interpolated between numbers of pairs a third apart.

    Raises
    ------
    SpecError
        If the rule or a number is not valid.
    MemoryLimitError
        If a memory would not fit into memory.

    Examples
    --------
    >>> mean_capacity("hebb", [64], trials=5).sizes["d_key"]
    1
    """
    import xarray as xr

    check_choice(rule, tuple(_CLOSED_FORMS), where="mean_capacity", name="rule")
    check_real(error, where="mean_capacity", name="error", low=0, high=1, low_open=True, high_open=True)
    widths = check_counts(d_key, "mean_capacity", name="d_key", low=16)
    check_progress(progress, where="mean_capacity", unit="widths")
    found = np.empty(len(widths))
    with progress_bar(progress, len(widths), title=f"capacity of {rule}", unit="width") as tell:
        for i, d in enumerate(widths):
            n, mean = [1], [0.0]
            while mean[-1] < error:  # a third more pairs each time, until they are too many
                n.append(max(d // 8, n[-1] + 1, n[-1] * 4 // 3))
                curve = retrieval_error(
                    rule, n[-1:], d_key=d, d_value=16, trials=trials, seed=seed, progress=False
                )
                mean.append(float(curve["error"].mean()))
            found[i] = np.exp(np.interp(error, mean[-2:], np.log(n[-2:])))
            if tell:
                tell(1)
    return xr.DataArray(found, dims="d_key", coords={"d_key": widths}, name="capacity")


def error_free_capacity(
    d_key: Sequence[int], *, trials: int = 200, seed: int = 0, progress: ProgressOption = None
) -> xr.DataArray:
    """Random unit keys that can be stored before one of them is disturbed by half its value or more.

    The largest N with ``sum_j |k_i . k_j| < 1/2`` for each of the first N keys: no read by a Hebbian memory
    of values within [-1, 1] can then be off by 1/2. It grows as the square root of d; near ``sqrt(d) / 2``.

    Parameters
    ----------
    d_key : sequence of int
        Widths.
    trials : int
        Sets of keys for each width.
    seed : int
        Address of the draws: ``memory/error_free``.
    progress : bool, callable or None
        A bar over the sets of keys after two seconds on a terminal, by default.

    Returns
    -------
    xarray.DataArray, (d_key, trial)

    Raises
    ------
    SpecError
        If a number is out of bounds.
    MemoryLimitError
        If keys would not fit into memory.

    Examples
    --------
    >>> float(error_free_capacity([64], trials=50).median())
    4.0
    """
    import xarray as xr

    check_int(trials, where="error_free_capacity", name="trials")
    rng = stream(check_seed(seed), "memory/error_free")
    widths = check_counts(d_key, "error_free_capacity", name="d_key")
    check_progress(progress, where="error_free_capacity", unit="sets")
    most = 2 * math.isqrt(max(widths)) + 4
    need = 8 * (len(widths) * trials + most * (2 * max(widths) + 3 * most))
    check_bytes(need, where="error_free_capacity", fix="use smaller widths or fewer trials")
    found = np.empty((len(widths), trials), dtype=int)
    with progress_bar(progress, len(widths) * trials, title="keys without error", unit="set") as tell:
        for i, d in enumerate(widths):
            n = 2 * math.isqrt(d) + 4
            for trial in range(trials):
                keys = _unit(rng, n, d)
                overlap = np.abs(keys @ keys.T)
                np.fill_diagonal(overlap, 0.0)
                # column m: what keys 0..m together do to each key; the worst of the first m + 1 decides
                disturbed = np.tril(overlap.cumsum(axis=1).T).max(axis=1)
                found[i, trial] = int((disturbed < 0.5).argmin())
                if tell:
                    tell(1)
    return xr.DataArray(found, dims=("d_key", "trial"), coords={"d_key": widths}, name="capacity")


def capacity_exponent(capacity: xr.DataArray) -> float:
    """Slope of the logarithm of a capacity over the logarithm of the width.

    Parameters
    ----------
    capacity : xarray.DataArray
        As `mean_capacity` or `error_free_capacity` gives it; over trials the median is taken.

    Returns
    -------
    float

    Examples
    --------
    >>> import xarray as xr
    >>> round(capacity_exponent(xr.DataArray([2.0, 4.0], dims="d_key", coords={"d_key": [16, 64]})), 6)
    0.5
    """
    median = capacity.median("trial") if "trial" in capacity.dims else capacity
    if median.sizes["d_key"] < 2 or not (median > 0).all():
        bound = "must be positive for two widths or more"
        raise SpecError.of(where="capacity_exponent", name="capacity", bound=bound)
    return float(np.polyfit(np.log(median["d_key"].values), np.log(median.values), 1)[0])
