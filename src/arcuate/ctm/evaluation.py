"""How right, how sure and how quick a Continuous Thought Machine is, tick by tick.

Everything is a function of a finished `Thought` and of what would have been right, and gives an
`xarray.Dataset` with intervals over trials. An answer has positions (one per class of a row of targets); a
trial is *whole* if all of them are right. Read-outs, calibration and thinking time are those of the analyses
of Darlow et al. 2025 (arXiv 2505.05522).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcuate.ctm._answers import (
    Floats,
    as_targets,
    by_position,
    certainty_of,
    classes_of,
    most_certain,
    normalized_entropy,
    probabilities,
)
from arcuate.ctm._intervals import RESAMPLES, check_level, mean_interval, percentiles, resamples, wilson
from arcuate.ctm.halting import Policy, halt
from arcuate.ctm.inference import Thought
from arcuate.errors import NonFiniteError, SpecError, check_choice, check_int, check_real
from arcuate.rng import check_seed, stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "READOUTS",
    "accuracy_by_tick",
    "answers_by_tick",
    "calibration",
    "halting_curve",
    "risk_coverage",
    "thinking_time",
]

READOUTS = ("last", "most certain", "mean probability", "mean logits", "certainty-weighted")
"""What an answer may be read from, of all ticks so far."""

SURE = (0.5, 0.8, 0.9)
"""Certainties whose share of trials is counted (as the analyses of the paper do)."""


def answers_by_tick(thought: Thought, readout: str = "most certain", *, positions: int = 1) -> NDArray[Any]:
    """Answer at every tick, from the ticks up to it.

    Parameters
    ----------
    thought : Thought
    readout : str
        ``"last"``: the tick itself. ``"most certain"``: the most certain so far, ties to the first.
        ``"mean probability"``, ``"mean logits"``: of all so far. ``"certainty-weighted"``: logits weighted by
        their certainty.
    positions : int
        Positions that a prediction falls into.

    Returns
    -------
    ndarray of int, (B, positions, T)
        Classes.

    Raises
    ------
    SpecError
        If there is no such read-out or the predictions do not fall into so many positions.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate import ctm
    >>> y = np.array([[[0.0, 4.0, 0.0], [1.0, 0.0, 2.0]]])
    >>> sure = ctm.certainty(y[0].T).T[None]
    >>> empty = np.zeros((3, 1, 1))
    >>> thought = ctm.Thought(
    ...     predictions=y, certainties=sure, sync_out=empty, sync_action=None, pre_activations=empty,
    ...     post_activations=empty, attention=None, reads=None, key_values=None, trace=empty,
    ... )
    >>> answers_by_tick(thought, "last")[0, 0], answers_by_tick(thought, "most certain")[0, 0]
    (array([1, 0, 1]), array([1, 0, 0]))
    """
    check_choice(readout, READOUTS, where="CTM", name="readout")
    logits = by_position(thought, positions)
    sure = certainty_of(thought)
    if readout == "last":
        return np.asarray(logits.argmax(2))
    if readout == "most certain":
        return np.take_along_axis(logits.argmax(2), most_certain(sure)[:, None], axis=2)
    values = probabilities(logits) if readout == "mean probability" else logits
    if readout == "certainty-weighted":
        values = values * sure[:, None, None]
    return np.asarray(np.cumsum(values, axis=3).argmax(2))


def accuracy_by_tick(thought: Thought, targets: ArrayLike, *, level: float = 0.95) -> xr.Dataset:
    """Share of right answers at every tick, for every read-out.

    Parameters
    ----------
    thought : Thought
    targets : array_like of int
        Right class of each trial (B,), or of each of its positions (B, L).
    level : float
        Coverage of the intervals (Wilson 1927, with the trials as the sample; for positions they are rather
        too wide than too narrow).

    Returns
    -------
    xarray.Dataset
        Over (readout, tick): ``element`` (share of right positions) and ``whole`` (of trials with all
        positions right), with ``_low`` and ``_high``; over tick: mean ``certainty``; over (threshold, tick):
        ``sure``, the share of trials at least so certain.

    Raises
    ------
    SpecError
        If the targets do not fit the predictions.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate import ctm
    >>> y = np.array([[[0.0, 4.0, 0.0], [1.0, 0.0, 2.0]]])
    >>> sure = ctm.certainty(y[0].T).T[None]
    >>> empty = np.zeros((3, 1, 1))
    >>> thought = ctm.Thought(
    ...     predictions=y, certainties=sure, sync_out=empty, sync_action=None, pre_activations=empty,
    ...     post_activations=empty, attention=None, reads=None, key_values=None, trace=empty,
    ... )
    >>> accuracy_by_tick(thought, [1])["whole"].sel(readout="last").values
    array([1., 0., 1.])
    """
    import xarray as xr

    wanted = as_targets(thought, targets)
    sure = certainty_of(thought)
    right = np.stack(
        [answers_by_tick(thought, name, positions=wanted.shape[1]) == wanted[..., None] for name in READOUTS]
    )
    n, ticks = sure.shape
    columns: dict[str, Any] = {}
    for name, values in (("element", right.mean(2).mean(1)), ("whole", right.all(2).mean(1))):
        low, high = wilson(values, n, level)
        for suffix, numbers in (("", values), ("_low", low), ("_high", high)):
            columns[name + suffix] = (("readout", "tick"), numbers)
    columns["certainty"] = ("tick", sure.mean(0))
    columns["sure"] = ("threshold", "tick"), np.stack([(sure >= bound).mean(0) for bound in SURE])
    coords = {"readout": list(READOUTS), "tick": np.arange(1, ticks + 1), "threshold": list(SURE)}
    return xr.Dataset(columns, coords, {"n_trials": n, "positions": wanted.shape[1], "level": level})


def calibration(
    thought: Thought, targets: ArrayLike, *, bins: int = 10, level: float = 0.95, seed: int = 0
) -> xr.Dataset:
    """How often answers of some probability are right: reliability, and its mean error, by tick.

    Each position of each trial counts once. The expected calibration error is the distance of accuracy and
    mean probability in bins of equal width, weighted by their counts (Guo et al. 2017, arXiv 1706.04599).

    Parameters
    ----------
    thought : Thought
    targets : array_like of int
        (B,) or (B, L).
    bins : int
        Of the probability of the chosen class.
    level : float
        Coverage of the intervals: percentiles of a bootstrap over trials.
    seed : int
        Of the bootstrap.

    Returns
    -------
    xarray.Dataset
        Over (probability, tick): ``ece`` with ``_low`` and ``_high``; over (probability, tick, bin):
        ``accuracy`` with both, mean ``confidence`` and ``count``. The probability is that of the class chosen
        at the tick, either ``"at the tick"`` or as the ``"mean so far"`` (as the paper has it). Bins without
        any are NaN.

    Raises
    ------
    SpecError
        If the targets do not fit the predictions.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate import ctm
    >>> y = np.log(np.array([[[0.75], [0.25]]] * 4))
    >>> sure, empty = np.zeros((4, 2, 1)), np.zeros((1, 4, 1))
    >>> thought = ctm.Thought(
    ...     predictions=y, certainties=sure, sync_out=empty, sync_action=None, pre_activations=empty,
    ...     post_activations=empty, attention=None, reads=None, key_values=None, trace=empty,
    ... )
    >>> calibration(thought, [0, 0, 0, 1])["ece"].sel(probability="at the tick").values.round(12)
    array([0.])
    """
    import xarray as xr

    check_int(bins, where="calibration", name="bins")
    check_level(level)
    wanted = as_targets(thought, targets)
    p = probabilities(by_position(thought, wanted.shape[1]))
    chosen = p.argmax(2)
    running = np.cumsum(p, axis=3) / np.arange(1, p.shape[3] + 1)
    sums = [_bin_sums(values, chosen, wanted, bins) for values in (p, running)]
    weights = resamples(len(p), seed, "ctm/calibration")
    accuracy, confidence, count, ece, spread, ece_spread = [], [], [], [], [], []
    for values in sums:  # (B, 3, T, bins)
        total = values.sum(0)
        many = np.tensordot(weights, values, axes=1)
        ece.append(_ece(total))
        ece_spread.append(percentiles(_ece(many), level))
        with np.errstate(invalid="ignore"):
            accuracy.append(total[1] / total[0])
            confidence.append(total[2] / total[0])
            spread.append(percentiles(many[:, 1] / many[:, 0], level))
        count.append(total[0])
    by_bin = ("probability", "tick", "bin")
    columns: dict[str, Any] = {
        "ece": (by_bin[:2], np.stack(ece)),
        "ece_low": (by_bin[:2], np.stack([low for low, _ in ece_spread])),
        "ece_high": (by_bin[:2], np.stack([high for _, high in ece_spread])),
        "accuracy": (by_bin, np.stack(accuracy)),
        "accuracy_low": (by_bin, np.stack([low for low, _ in spread])),
        "accuracy_high": (by_bin, np.stack([high for _, high in spread])),
        "confidence": (by_bin, np.stack(confidence)),
        "count": (by_bin, np.stack(count).astype(int)),
    }
    coords = {
        "probability": ["at the tick", "mean so far"],
        "tick": np.arange(1, p.shape[3] + 1),
        "bin": (np.arange(bins) + 0.5) / bins,
    }
    attributes = {"n_trials": len(p), "positions": wanted.shape[1], "level": level, "seed": str(seed)}
    return xr.Dataset(columns, coords, attributes)


def risk_coverage(
    certainty: ArrayLike, right: ArrayLike, *, level: float = 0.95, seed: int = 0
) -> xr.Dataset:
    """What is left of the errors if the least certain answers are withheld.

    Parameters
    ----------
    certainty : array_like, (B,)
        Of each answer; any number that grows with it.
    right : array_like of bool, (B,)
    level : float
        Coverage of the intervals: Wilson's for the risk, percentiles of a bootstrap over trials for the rest.
    seed : int
        Of the bootstrap.

    Returns
    -------
    xarray.Dataset
        Over coverage (the share that is answered, one for each distinct certainty): ``risk``, the share of
        errors among the answered, with ``_low`` and ``_high``, and ``threshold``. Numbers with intervals:
        ``auroc``, the probability that a right answer is more certain than a wrong one (ties count half; NaN
        if all or none are right), and ``aurc``, the mean risk over coverage.

    Raises
    ------
    SpecError
        If there are not as many certainties as answers.

    Examples
    --------
    >>> found = risk_coverage([0.9, 0.8, 0.7, 0.1], [True, True, False, False])
    >>> float(found["auroc"]), found["risk"].values.round(2).tolist()
    (1.0, [0.0, 0.0, 0.33, 0.5])
    """
    import xarray as xr

    check_level(level)
    score = np.asarray(certainty, dtype=np.float64)
    good = np.asarray(right)
    if score.ndim != 1 or not len(score) or good.shape != score.shape or good.dtype != bool:
        found = f"{good.dtype} of shape {good.shape}"
        bound = f"must be true or false, one for each of {score.size} certainties, not {found}"
        raise SpecError.of(where="risk_coverage", name="right", bound=bound)
    if not np.isfinite(score).all():
        raise NonFiniteError.of(where="risk_coverage", name="certainty", bound="must be finite")
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    answered = ends + 1
    risk = np.cumsum(~good[order])[ends] / answered
    low, high = wilson(risk, answered, level)
    draws = stream(check_seed(seed), "ctm/risk").integers(len(score), size=(RESAMPLES, len(score)))
    both = np.array([(_auroc(score[row], good[row]), _aurc(score[row], good[row])) for row in draws])
    columns: dict[str, Any] = {
        "risk": ("coverage", risk),
        "risk_low": ("coverage", low),
        "risk_high": ("coverage", high),
        "threshold": ("coverage", score[order][ends]),
    }
    for name, value, many in (
        ("auroc", _auroc(score, good), both[:, 0]),
        ("aurc", _aurc(score, good), both[:, 1]),
    ):
        columns[name] = value
        columns[f"{name}_low"], columns[f"{name}_high"] = percentiles(many, level)
    attributes = {"n_trials": len(score), "level": level, "seed": str(seed)}
    return xr.Dataset(columns, {"coverage": answered / len(score)}, attributes)


def halting_curve(
    thought: Thought, targets: ArrayLike, policies: Mapping[str, Policy], *, level: float = 0.95
) -> xr.Dataset:
    """Ticks that policies take, and how right they are with them.

    Parameters
    ----------
    thought : Thought
        Of trials that no policy was fitted to.
    targets : array_like of int
        (B,) or (B, L).
    policies : mapping of str to Policy
        By the name they get in the table.
    level : float
        Coverage of the intervals: normal for ticks, Wilson's for shares, over trials.

    Returns
    -------
    xarray.Dataset
        Over policy: mean ``ticks``; of the trials that are answered, shares of right positions ``element``
        and of right trials ``whole``, each with ``_low`` and ``_high``; ``share`` of the ticks that there
        were; ``abstained``, the share of trials without an answer.

    Raises
    ------
    SpecError
        If the targets do not fit the predictions.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate import ctm
    >>> y = np.array([[[0.0, 4.0, 0.0], [1.0, 0.0, 2.0]]])
    >>> sure = ctm.certainty(y[0].T).T[None]
    >>> empty = np.zeros((3, 1, 1))
    >>> thought = ctm.Thought(
    ...     predictions=y, certainties=sure, sync_out=empty, sync_action=None, pre_activations=empty,
    ...     post_activations=empty, attention=None, reads=None, key_values=None, trace=empty,
    ... )
    >>> policies = {"one": ctm.FixedTicks(n=1), "sure": ctm.CertaintyThreshold(threshold=0.8)}
    >>> found = halting_curve(thought, [0], policies)
    >>> found["ticks"].values.tolist(), found["whole"].values.tolist()
    ([1.0, 2.0], [0.0, 1.0])
    """
    import xarray as xr

    check_level(level)
    wanted = as_targets(thought, targets)
    shape = wanted.shape[1], thought.predictions.shape[1] // wanted.shape[1]
    columns: dict[str, list[Any]] = {name: [] for name in ("share", "abstained")}
    for policy in policies.values():
        halted = halt(thought, policy, shape=shape)
        columns["share"].append(halted.share)
        columns["abstained"].append(halted.abstained.mean())
        answered = ~halted.abstained
        right = (halted.answers() == wanted)[answered]
        n = max(len(right), 1)
        rows: dict[str, tuple[Any, Any, Any]] = {
            "ticks": mean_interval(halted.ticks.astype(np.float64), level)
        }
        for name, good in (("element", right), ("whole", right.all(1))):
            value = good.mean() if len(right) else np.nan
            rows[name] = (value, *wilson(value, n, level))
        for name, numbers in rows.items():
            for suffix, number in zip(("", "_low", "_high"), numbers, strict=True):
                columns.setdefault(name + suffix, []).append(float(number))
    attributes = {"n_trials": len(wanted), "n_ticks": thought.predictions.shape[2], "level": level}
    return xr.Dataset(
        {name: ("policy", values) for name, values in columns.items()}, {"policy": list(policies)}, attributes
    )


def thinking_time(
    thought: Thought, *, shape: Sequence[int] = (-1,), threshold: float = 0.1, level: float = 0.95
) -> xr.Dataset:
    """When each position of an answer was decided.

    Parameters
    ----------
    thought : Thought
    shape : sequence of int
        Positions and classes of a prediction.
    threshold : float
        Normalized entropy below which a position counts as decided (0.1 in the paper's analysis of parity).
    level : float
        Coverage of the intervals, normal, over trials.

    Returns
    -------
    xarray.Dataset
        Over (trial, position): ``surest``, the tick of the least entropy, and ``settled``, the first with an
        entropy below the threshold (NaN: never). Over trial: ``most_certain``, the tick of the largest
        certainty, and ``doubt``, one less the mean certainty over ticks. Over position: the means
        ``surest_mean`` and ``settled_mean`` (of those that were), with ``_low`` and ``_high``.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate import ctm
    >>> y = np.array([[[0.0, 9.0, 9.5], [0.0, 0.0, 0.0]]])
    >>> sure = ctm.certainty(y[0].T).T[None]
    >>> empty = np.zeros((3, 1, 1))
    >>> thought = ctm.Thought(
    ...     predictions=y, certainties=sure, sync_out=empty, sync_action=None, pre_activations=empty,
    ...     post_activations=empty, attention=None, reads=None, key_values=None, trace=empty,
    ... )
    >>> found = thinking_time(thought)
    >>> found["surest"].values.tolist(), found["settled"].values.tolist()
    ([[3]], [[2.0]])
    """
    import xarray as xr

    check_level(level)
    check_real(threshold, where="thinking_time", name="threshold", low=0, high=1)
    outputs = thought.predictions.shape[1]
    logits = by_position(thought, outputs // classes_of(outputs, shape))
    entropy = normalized_entropy(logits)  # (B, positions, T)
    below = entropy < threshold
    settled = np.where(below.any(2), below.argmax(2) + 1.0, np.nan)
    surest = entropy.argmin(2) + 1
    sure = certainty_of(thought)
    columns: dict[str, Any] = {
        "surest": (("trial", "position"), surest),
        "settled": (("trial", "position"), settled),
        "most_certain": ("trial", sure.argmax(1) + 1),
        "doubt": ("trial", 1.0 - sure.mean(1)),
    }
    for name, values in (("surest", surest.astype(np.float64)), ("settled", settled)):
        for suffix, numbers in zip(("mean", "low", "high"), mean_interval(values, level), strict=True):
            columns[f"{name}_{suffix}"] = ("position", numbers)
    coords = {"trial": np.arange(len(sure)), "position": np.arange(surest.shape[1])}
    return xr.Dataset(columns, coords, {"threshold": threshold, "level": level})


def _auroc(score: Floats, right: NDArray[np.bool_]) -> float:
    """Probability that a right one has the larger score, ties counted half (Mann-Whitney).

    Parameters
    ----------
    score : ndarray, (B,)
    right : ndarray of bool, (B,)

    Returns
    -------
    float
        NaN if all or none are right.
    """
    from scipy.stats import rankdata

    n, wrong = int(right.sum()), int((~right).sum())
    if not n or not wrong:
        return float("nan")
    return float((rankdata(score)[right].sum() - n * (n + 1) / 2) / (n * wrong))


def _aurc(score: Floats, right: NDArray[np.bool_]) -> float:
    """Mean risk over coverage; among equal scores the errors count as spread evenly."""
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1) + 1
    errors = np.interp(
        np.arange(len(score) + 1), np.append(0, ends), np.append(0, np.cumsum(~right[order])[ends - 1])
    )
    return float(np.mean(errors[1:] / np.arange(1, len(score) + 1)))


def _bin_sums(p: Floats, chosen: NDArray[Any], wanted: NDArray[np.int64], bins: int) -> Floats:
    """Positions, right ones and sum of probabilities in each bin: (B, 3, T, bins)."""
    confidence = np.take_along_axis(p, chosen[:, :, None], axis=2)[:, :, 0]
    where = np.minimum((confidence * bins).astype(int), bins - 1)
    batch, _, ticks = chosen.shape
    flat = (np.arange(batch)[:, None, None] * ticks + np.arange(ticks)) * bins + where
    size = batch * ticks * bins
    right = (chosen == wanted[..., None]).astype(np.float64)
    parts = [
        np.bincount(flat.ravel(), None if values is None else values.ravel(), size)
        for values in (None, right, confidence)
    ]
    return np.stack(parts).reshape(3, batch, ticks, bins).swapaxes(0, 1).astype(np.float64)


def _ece(sums: NDArray[Any]) -> Floats:
    """Expected calibration error of sums (..., 3, T, bins): (..., T)."""
    n, right, confidence = (sums[..., k, :, :] for k in range(3))
    return np.asarray(np.abs(right - confidence).sum(-1) / n.sum(-1))
