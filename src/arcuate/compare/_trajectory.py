"""Signals of how a state moves through a trial, whatever a step is, and what they tell about its outcome.

Net, cumulative and aligned change after Vilas et al. 2025 (arXiv 2510.10494), net change divided by the
number of steps as in their code; straightness and curvature are ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats, as_real
from arcuate.compare._inputs import warn
from arcuate.errors import SpecError, check_int, check_real
from arcuate.rng import stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["combined_auroc", "readout_signals", "signal_auroc", "trajectory_signals"]

PENALTIES = np.geomspace(1e-3, 10.0, 9)
"""Ridge penalties per trial that are tried (chosen)."""

SIGNALS = {"net": "1", "cumulative": "1", "aligned": "1", "straightness": "1", "curvature": "rad"}


def trajectory_signals(
    states: ArrayLike | Sequence[ArrayLike], *, n_segments: int | None = None
) -> xr.Dataset:
    """How far, how long and how straight the state moves in each trial.

    With segment means H_1 to H_N: ``net`` is ``|H_N - H_1| / (N - 1)``; ``cumulative`` the sum of the
    lengths of the steps ``H_n - H_{n-1}``; ``aligned`` their mean cosine with ``H_N - H_1``;
    ``straightness`` is ``|H_N - H_1| / cumulative``; ``curvature`` the mean angle between successive steps.

    Parameters
    ----------
    states : array_like, (n_trials, n_steps, n_units) or (n_trials, n_layers, n_steps, n_units)
        Or a list of trials (n_steps, n_units) or (n_layers, n_steps, n_units) of unequal numbers of steps.
        Steps may be ticks, bins of time, tokens or layers.
    n_segments : int, optional
        Number of nearly equal parts of each trial whose means are used; every step by default.

    Returns
    -------
    Dataset, (trial,) or (trial, layer)
        NaN where a signal is not defined: fewer than two segments, three for the curvature, or no movement.
        Steps of length 0 have no direction and are left out of means of angles.

    Raises
    ------
    SpecError
        If states are not finite numbers, or a trial has fewer steps than segments.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import trajectory_signals
    >>> corner = np.array([[[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]]])
    >>> found = trajectory_signals(corner)
    >>> [round(float(found[name][0]), 3) for name in found]
    [2.5, 7.0, 0.7, 0.714, 1.571]
    """
    import xarray as xr

    segments, layered = _segments(states, n_segments, where="trajectory_signals")
    rows = [[_signals(layer) for layer in trial] for trial in segments]
    values, dims = np.array(rows), ("trial", "layer") if layered else ("trial",)
    return xr.Dataset(
        {
            name: (dims, values[:, :, k] if layered else values[:, 0, k], {"units": units})
            for k, (name, units) in enumerate(SIGNALS.items())
        }
    )


def _signals(means: Floats) -> tuple[float, ...]:
    """The five signals of one trajectory (segment, unit)."""
    steps = np.diff(means, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    if len(steps) == 0:
        return (math.nan,) * len(SIGNALS)
    whole = means[-1] - means[0]
    far, path = float(np.linalg.norm(whole)), float(lengths.sum())
    units = steps[lengths > 0] / lengths[lengths > 0, None]
    aligned = float(np.mean(units @ (whole / far))) if far > 0 else math.nan
    turns = np.linalg.norm(np.diff(units, axis=0), axis=1)
    bend = float(np.mean(2.0 * np.arcsin(np.minimum(turns / 2.0, 1.0)))) if turns.size else math.nan
    return far / len(steps), path, aligned, far / path if path > 0 else math.nan, bend


def _segments(states: Any, n_segments: int | None, *, where: str) -> tuple[list[list[Floats]], bool]:
    """Segment means of each trial and layer, and whether there are layers."""
    count = None if n_segments is None else check_int(n_segments, where=where, name="n_segments", low=2)
    out, ranks = [], set()
    if not hasattr(states, "__len__") or getattr(states, "ndim", 1) == 0 or len(states) == 0:
        raise SpecError.of(where=where, name="states", value=states, bound="must hold one or more trials")
    for index, trial in enumerate(states):
        array = as_real(trial, where=where, name=f"states[{index}]").astype(np.float64, copy=False)
        ranks.add((array.ndim, *array.shape[:-2], *array.shape[-1:]))
        if array.ndim not in (2, 3) or 0 in array.shape or len(ranks) > 1:
            bound = "must be (n_steps, n_units) or (n_layers, n_steps, n_units), the same in every trial"
            raise SpecError.of(
                where=where, name=f"states[{index}]", value=f"shape {array.shape}", bound=bound
            )
        steps = array.shape[-2]
        if count is not None and steps < count:
            bound = f"has {steps} steps, fewer than {count} segments"
            raise SpecError.of(where=where, name=f"states[{index}]", bound=bound, fix="use fewer segments")
        layers = array if array.ndim == 3 else array[None]
        starts = np.arange(steps) if count is None else np.arange(count) * steps // count
        sizes = np.diff(np.append(starts, steps))
        out.append([np.add.reduceat(layer, starts, axis=0) / sizes[:, None] for layer in layers])
    return out, ranks.pop()[0] == 3


def readout_signals(
    states: ArrayLike | Sequence[ArrayLike],
    readout: ArrayLike | Callable[[Floats], ArrayLike],
    *,
    n_segments: int | None = None,
) -> xr.Dataset:
    """What the system's own read-out says in each segment: margin and entropy.

    The baselines that signals of movement have to beat.

    Parameters
    ----------
    states
        As in `trajectory_signals`, of equal numbers of segments.
    readout : array_like, (n_units, n_classes), or callable
        Weights, or what makes logits (n, n_classes) of states (n, n_units).
    n_segments : int, optional
        As in `trajectory_signals`.

    Returns
    -------
    Dataset, (trial, segment) or (trial, layer, segment)
        ``margin``, the largest logit less the second, and ``entropy`` (nats) of their softmax.

    Raises
    ------
    SpecError
        If the read-out does not give two or more finite logits for each state.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import readout_signals
    >>> found = readout_signals(np.array([[[0.0, 0.0], [2.0, 0.0]]]), np.eye(2))
    >>> found.margin.values.tolist(), found.entropy.values.round(3).tolist()
    ([[0.0, 2.0]], [[0.693, 0.365]])
    """
    import xarray as xr

    where = "readout_signals"
    segments, layered = _segments(states, n_segments, where=where)
    if len({len(layer) for trial in segments for layer in trial}) > 1:
        bound = "must have one number of segments"
        raise SpecError.of(where=where, name="n_segments", value=n_segments, bound=bound, fix="give a number")
    cube = np.array(segments)
    flat = cube.reshape(-1, cube.shape[-1])
    logits = read_out(readout, flat, where=where)
    ranked = np.partition(logits, -2, axis=1)
    shifted = logits - logits.max(axis=1, keepdims=True)
    total = np.exp(shifted).sum(axis=1)
    entropy = np.log(total) - (np.exp(shifted) * shifted).sum(axis=1) / total
    shape, dims = cube.shape[:3], ("trial", "layer", "segment")
    if not layered:
        shape, dims = (cube.shape[0], cube.shape[2]), ("trial", "segment")  # type: ignore[assignment]
    return xr.Dataset(
        {
            "margin": (dims, (ranked[:, -1] - ranked[:, -2]).reshape(shape), {"units": "1"}),
            "entropy": (dims, entropy.reshape(shape), {"units": "nat"}),
        }
    )


def read_out(readout: ArrayLike | Callable[[Floats], ArrayLike], states: Floats, *, where: str) -> Floats:
    """Logits of a system's read-out.

    Parameters
    ----------
    readout : array_like, (n_units, n_classes), or callable
    states : ndarray, (n, n_units)
    where : str
        Who asks.

    Returns
    -------
    ndarray, (n, n_classes)

    Raises
    ------
    SpecError
        If it does not give two or more finite logits for each state.

    Examples
    --------
    >>> import numpy as np
    >>> read_out(np.eye(2), np.array([[1.0, 2.0]]), where="readout_signals").tolist()
    [[1.0, 2.0]]
    """
    if callable(readout):
        logits = as_real(readout(states), where=where, name="readout(states)")
    else:
        weights = as_real(readout, where=where, name="readout")
        if weights.ndim != 2 or weights.shape[0] != states.shape[1]:
            bound = f"must be ({states.shape[1]} units, n_classes)"
            raise SpecError.of(where=where, name="readout", value=f"shape {weights.shape}", bound=bound)
        logits = states @ weights
    if logits.ndim != 2 or len(logits) != len(states) or logits.shape[1] < 2:
        bound = f"must give ({len(states)}, n_classes) logits, of two classes or more"
        raise SpecError.of(where=where, name="readout", value=f"shape {logits.shape}", bound=bound)
    return logits


def signal_auroc(
    signals: xr.Dataset | Mapping[str, xr.Dataset],
    label: ArrayLike | Mapping[str, ArrayLike],
    *,
    level: float = 0.95,
) -> xr.Dataset:
    """How well each signal tells trials of one outcome from those of the other.

    The area under the ROC curve: the probability that a trial with the label has the larger signal, ties
    counting half. Other dimensions than ``trial`` (layers, segments) get an area each, then these are
    averaged. The interval is that of a single area of as many trials (Newcombe 2006, method 5), which
    holds at areas of 0 and 1 too; trials count as independent.

    Parameters
    ----------
    signals : Dataset with a dimension ``trial``, or mapping from systems to such
    label : array_like of bool, (n_trials,), or mapping from systems to such
        For example whether a trial was answered correctly.
    level : float
        Of the interval.

    Returns
    -------
    Dataset, (signal,) or (system, signal)
        ``auroc``, ``low``, ``high``, and ``n_yes`` and ``n_no``, the trials that had a value for the signal.

    Raises
    ------
    SpecError
        If a label does not go with the trials, is no truth value, or one of the outcomes does not occur.

    Warns
    -----
    ArcuateWarning
        If trials are left out of a signal because it is not defined there.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from arcuate.compare import signal_auroc
    >>> signals = xr.Dataset({"net": ("trial", np.arange(8.0))})
    >>> found = signal_auroc(signals, [False, False, False, True, False, True, True, True])
    >>> float(found.auroc[0]), float(found.low[0].round(2)), float(found.high[0].round(2))
    (0.9375, 0.51, 0.99)
    """
    import xarray as xr

    where = "signal_auroc"
    check_real(level, where=where, name="level", low=0.0, high=1.0, low_open=True, high_open=True)
    if isinstance(signals, Mapping) and not isinstance(signals, xr.Dataset):
        if not signals:
            raise SpecError.of(where=where, name="signals", bound="must hold one or more systems")
        parts = []
        for system, found in signals.items():
            if isinstance(label, Mapping) and system not in label:
                raise SpecError.of(where=where, name="label", bound=f"has none for {system!r}")
            own = label[system] if isinstance(label, Mapping) else label
            parts.append(_areas(found, own, level, f"{where}: {system}"))
        return xr.concat(parts, dim="system").assign_coords(system=list(signals))
    return _areas(signals, label, level, where)


def _areas(signals: Any, label: Any, level: float, where: str) -> xr.Dataset:
    """Areas and intervals of all signals of one system."""
    import xarray as xr

    if not isinstance(signals, xr.Dataset) or "trial" not in signals.dims or not len(signals):
        bound = "must be a Dataset of signals with a dimension trial"
        raise SpecError.of(where=where, name="signals", value=type(signals).__name__, bound=bound)
    truth = np.asarray(label)
    if truth.shape != (signals.sizes["trial"],) or not np.isin(truth, (0, 1)).all():
        bound = f"must be {signals.sizes['trial']} truth values, one for each trial"
        raise SpecError.of(where=where, name="label", value=f"{truth.dtype} {truth.shape}", bound=bound)
    yes = truth.astype(bool)
    columns: list[tuple[float, ...]] = []
    for name, signal in signals.items():
        values = signal.transpose("trial", ...).values.reshape(yes.size, -1).astype(np.float64)
        there = ~np.isnan(values).any(axis=1)
        if not there.all():
            warn(f"{where}: {name} is not defined in {int((~there).sum())} of {yes.size} trials, left out")
        m, n = int(yes[there].sum()), int((~yes[there]).sum())
        if m == 0 or n == 0:
            bound = f"must be both true and false among the trials with a {name}, is {m} and {n} times"
            raise SpecError.of(where=where, name="label", bound=bound)
        area = float(np.mean([_area(column, yes[there]) for column in values[there].T]))
        columns.append(_row(area, yes[there], level))
    return _table([str(name) for name in signals], columns, level)


def _row(area: float, yes: np.ndarray, level: float) -> tuple[float, ...]:
    """Area, interval, and the numbers of trials."""
    m, n = int(yes.sum()), int((~yes).sum())
    return (area, *_newcombe(area, m, n, level), m, n)


def _table(signals: list[str], rows: list[tuple[float, ...]], level: float) -> xr.Dataset:
    import xarray as xr

    names = ("auroc", "low", "high", "n_yes", "n_no")
    return xr.Dataset(
        {
            key: ("signal", np.array(column))
            for key, column in zip(names, zip(*rows, strict=True), strict=True)
        },
        coords={"signal": signals},
        attrs={"level": level},
    )


def combined_auroc(
    signals: xr.Dataset, label: ArrayLike, *, n_folds: int = 5, level: float = 0.95, seed: int = 0
) -> xr.Dataset:
    """How well all signals together tell the outcome of trials that were not used for fitting.

    A ridge-penalized logistic regression on all signals of all layers, standardized within each fold; its
    penalty is chosen by the log loss of inner folds. Every trial is scored by the fit of the other folds.

    Parameters
    ----------
    signals : Dataset with a dimension ``trial``
        Trials for which a signal is not defined are left out with a warning.
    label : array_like of bool, (n_trials,)
    n_folds : int
        Outer and inner folds, each with trials of both outcomes.
    level : float
        Of the interval, as in `signal_auroc`.
    seed : int
        Of the folds.

    Returns
    -------
    Dataset, (signal,)
        As `signal_auroc`, of the one signal ``"combined"``: the area within folds, averaged.

    Raises
    ------
    SpecError
        As `signal_auroc`, or if there are fewer trials of one outcome than twice the folds.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from arcuate.compare import combined_auroc
    >>> yes = np.arange(80) % 2
    >>> x, y = np.random.default_rng(0).standard_normal((2, 80)) + [yes, -yes]
    >>> signals = xr.Dataset({"net": ("trial", x), "aligned": ("trial", y)})
    >>> bool(combined_auroc(signals, yes).low[0] > 0.6)
    True
    """
    where = "combined_auroc"
    _areas(signals, label, level, where)
    folds = check_int(n_folds, where=where, name="n_folds", low=2)
    columns = [s.transpose("trial", ...).values.reshape(signals.sizes["trial"], -1) for s in signals.values()]
    table, yes = np.concatenate(columns, axis=1).astype(np.float64), np.asarray(label).astype(bool)
    there = ~np.isnan(table).any(axis=1)
    table, yes = table[there], yes[there]
    fewest = min(int(yes.sum()), int((~yes).sum()))
    if fewest < 2 * folds:
        bound = f"must be true and false in {2 * folds} trials or more each, for {folds} folds"
        raise SpecError.of(where=where, name="label", value=fewest, bound=bound, fix="use fewer folds")
    rng = stream(seed, "compare/combined_auroc")
    group, scores = _stratified(yes, folds, rng), np.empty(yes.size)
    for fold in range(folds):
        held = group == fold
        inner = _stratified(yes[~held], folds, rng)
        losses = []
        for penalty in PENALTIES:
            told = np.empty(inner.size)
            for part in range(folds):
                out = inner == part
                told[out] = _logits(table[~held][~out], yes[~held][~out], table[~held][out], penalty)
            losses.append(np.logaddexp(0.0, np.where(yes[~held], -told, told)).mean())
        scores[held] = _logits(table[~held], yes[~held], table[held], PENALTIES[int(np.argmin(losses))])
    area = float(np.mean([_area(scores[group == k], yes[group == k]) for k in range(folds)]))
    return _table(["combined"], [_row(area, yes, level)], level)


def _stratified(yes: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """A fold for each trial, with both outcomes in each."""
    group = np.empty(yes.size, dtype=int)
    for outcome in (True, False):
        places = np.flatnonzero(yes == outcome)
        group[places] = rng.permutation(np.arange(places.size) % folds)
    return group


def _logits(table: Floats, yes: np.ndarray, held: Floats, penalty: float) -> Floats:
    """Log odds of held-out rows under a penalized logistic regression, by Newton's method.

    The penalty is per row, on standardized columns, and spares the intercept.
    """
    mean, spread = table.mean(axis=0), table.std(axis=0)
    spread[spread == 0] = 1.0
    x = np.column_stack([np.ones(len(table)), (table - mean) / spread])
    ridge = penalty * len(x) * np.diag([0.0, *np.ones(x.shape[1] - 1)])
    weights = np.zeros(x.shape[1])
    for _ in range(50):
        chance = 0.5 * (1 + np.tanh(0.5 * x @ weights))
        slope = x.T @ (chance - yes) + ridge @ weights
        bend = (x * (chance * (1 - chance))[:, None]).T @ x + ridge
        step = np.linalg.solve(bend + 1e-9 * np.eye(len(bend)), slope)
        weights = weights - step
        if np.abs(step).max() < 1e-8:
            break
    return np.asarray(np.column_stack([np.ones(len(held)), (held - mean) / spread]) @ weights)


def _area(values: Floats, yes: np.ndarray) -> float:
    """Mann and Whitney's statistic as a share, from midranks."""
    from scipy.stats import rankdata

    return float(area_of_ranks(rankdata(values), yes))


def area_of_ranks(ranks: Floats, yes: np.ndarray) -> Floats:
    """Areas under ROC curves, from midranks.

    Parameters
    ----------
    ranks : ndarray, (n, ...)
        Of each signal by itself.
    yes : ndarray of bool, (n,)

    Returns
    -------
    ndarray, (...)

    Examples
    --------
    >>> import numpy as np
    >>> float(area_of_ranks(np.array([1.0, 2.0, 3.0]), np.array([False, True, True])))
    1.0
    """
    m = int(yes.sum())
    return np.asarray((ranks[yes].sum(axis=0) - m * (m + 1) / 2) / (m * (yes.size - m)))


def _newcombe(area: float, m: int, n: int, level: float) -> tuple[float, float]:
    """Areas from which the observed one is as many standard errors away as the level allows."""
    from scipy.optimize import brentq
    from scipy.stats import norm

    z, half = float(norm.ppf(0.5 + level / 2)), (m + n) / 2

    def excess(true: float) -> float:
        spread = 2 * half - 1 - (3 * half - 3) / ((2 - true) * (1 + true))
        return (true - area) ** 2 - z**2 * true * (1 - true) * spread / (m * n)

    edge = min(max(area, 1e-12), 1 - 1e-12)
    low = 0.0 if area == 0 else float(brentq(excess, 0.0, edge))
    return low, 1.0 if area == 1 else float(brentq(excess, edge, 1.0))
