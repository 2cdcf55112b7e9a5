"""From leaves to samples: what becomes of the within-trial axis, and what counts as one observation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from arcuate._inputs import Floats
from arcuate.compare._inputs import listed
from arcuate.compare._states import WHERE, Leaf
from arcuate.errors import SpecError, check_choice
from arcuate.recording import AXES
from arcuate.units import to_si

__all__ = ["WITHIN", "Plan", "plan_of", "samples_of"]

WITHIN = ("mean", "last", "slice", "concat", "samples", "matrix", "dynamics")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How leaves become samples.

    Parameters
    ----------
    within : str
        One of `WITHIN`.
    cut : (float, float) or None
        Steps of ``within=slice(a, b)``: a <= step < b.
    regress : bool
        Whether the mean over the stimuli at each step is subtracted.
    """

    within: str
    cut: tuple[float, float] | None = None
    regress: bool = False

    @property
    def text(self) -> str:
        """As a user would write it."""
        return self.within if self.cut is None else f"slice({self.cut[0]:g}, {self.cut[1]:g})"


def plan_of(leaves: Mapping[str, Leaf], *, samples: Any, within: Any, regress_out: Any) -> Plan:
    """Check `samples`, `within` and `regress_out` against each other and against the leaves.

    Parameters
    ----------
    leaves : mapping
    samples, within, regress_out : object
        As in `compare`.

    Returns
    -------
    Plan

    Raises
    ------
    SpecError
    """
    cut = None
    if isinstance(within, slice):
        cut, word = _cut(within), "slice"
    else:
        word = check_choice(within, [w for w in WITHIN if w != "slice"], where=WHERE, name="within")
    along = _samples(samples)
    if along and word not in ("mean", "samples"):
        bound = f"makes each {along} a sample, which within={word!r} contradicts"
        raise SpecError.of(where=WHERE, name="samples", value=samples, bound=bound, fix="leave within out")
    word = "samples" if along else word
    axes = {leaf.axis for leaf in leaves.values() if leaf.axis}
    if along and axes != {along}:
        bound = f"asks for the axis {along!r}; the states have {listed(sorted(axes)) or 'none'}"
        raise SpecError.of(where=WHERE, name="samples", value=samples, bound=bound)
    if word == "samples":
        _same_steps(leaves)
    if word in ("concat", "matrix") and not axes:
        bound = f"needs states with one of {', '.join(AXES)}"
        raise SpecError.of(where=WHERE, name="within", value=word, bound=bound)
    if regress_out is not None:
        check_choice(regress_out, sorted(axes), where=WHERE, name="regress_out")
        if word != "samples":
            bound = "needs each step to be a sample"
            fix = f'say samples=("stimulus", {regress_out!r})'
            raise SpecError.of(where=WHERE, name="regress_out", value=regress_out, bound=bound, fix=fix)
        if len(next(iter(leaves.values())).order) < 2:  # type: ignore[arg-type]  # joined leaves have an order
            bound = "needs more than one stimulus: the mean over them is what is taken out"
            raise SpecError.of(where=WHERE, name="regress_out", value=regress_out, bound=bound)
    return Plan(within=word, cut=cut, regress=regress_out is not None)


def _cut(value: slice) -> tuple[float, float]:
    if value.step is not None:
        bound = "must be slice(start, stop) without a step"
        raise SpecError.of(where=WHERE, name="within", value=value, bound=bound)
    low, high = (
        default if end is None else _end(end)
        for end, default in ((value.start, -np.inf), (value.stop, np.inf))
    )
    if not low < high:
        bound = "must end after it starts"
        raise SpecError.of(where=WHERE, name="within", value=value, bound=bound)
    return low, high


def _end(value: Any) -> float:
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
        return float(value)
    return to_si(value, "s", where=WHERE, name="within")


def _samples(samples: Any) -> str:
    """The axis of which every step is a sample; empty where stimuli are the samples."""
    words = [str(word) for word in samples] if isinstance(samples, (tuple, list)) else []
    if (isinstance(samples, str) and samples == "stimulus") or words == ["stimulus"]:
        return ""
    if isinstance(samples, str) and samples in AXES:
        bound = "single steps are no samples: neighbors are alike, so p values would come out too small"
        fix = f'say samples=("stimulus", {samples!r}); the null then permutes whole stimuli'
        raise SpecError.of(where=WHERE, name="samples", value=samples, bound=bound, fix=fix)
    if len(words) == 2 and words[0] == "stimulus":
        return check_choice(samples[1], AXES, where=WHERE, name="samples[1]")
    bound = 'must be "stimulus" or ("stimulus", "time"), or another axis'
    raise SpecError.of(where=WHERE, name="samples", value=samples, bound=bound)


def _same_steps(leaves: Mapping[str, Leaf]) -> None:
    """Steps that are samples must be the same steps in all leaves."""
    first = next(iter(leaves.values()))
    for leaf in leaves.values():
        if len(leaf.steps) != len(first.steps):
            bound = (
                f"has {len(leaf.steps)} steps, {first.name!r} {len(first.steps)}; as samples they must match"
            )
            fix = "cut or resample them to one length"
            raise SpecError.of(where=f"{WHERE}: states {leaf.name!r}", name=leaf.axis, bound=bound, fix=fix)
        if leaf.axis != first.axis or not np.allclose(leaf.steps.astype(float), first.steps.astype(float)):
            bound = f"must be the steps of {first.name!r}"
            raise SpecError.of(where=f"{WHERE}: states {leaf.name!r}", name=leaf.axis or "steps", bound=bound)


def samples_of(leaf: Leaf, plan: Plan, takes: str) -> list[Floats]:
    """What a measure prepares, of one leaf: one array, or one for each step of ``within="matrix"``.

    Parameters
    ----------
    leaf : Leaf
        With its order.
    plan : Plan
    takes : {"samples", "repeats", "trials"}
        As in `Measure`.

    Returns
    -------
    list of ndarray, float64
        (sample, unit), (sample, repeat, unit) or (trial, step, unit).

    Raises
    ------
    SpecError
        If a value is not finite, naming stimulus and unit.
    """
    values = leaf.values
    if takes == "samples":
        values = values.mean(axis=1, dtype=np.float64, keepdims=True) if values.shape[1] > 1 else values
    values = values[leaf.order].astype(np.float64, copy=False)
    _finite(values, leaf)
    if takes == "trials":
        return [np.ascontiguousarray(values.reshape(-1, *values.shape[2:]))]
    return [x[:, 0] if takes == "samples" else x for x in _reduced(values, leaf, plan)]


def _reduced(values: Floats, leaf: Leaf, plan: Plan) -> list[Floats]:
    """Arrays (sample, repeat, unit) of states (stimulus, repeat, step, unit)."""
    stimuli, repeats, steps, units = values.shape
    if plan.within == "mean":
        return [values.mean(axis=2) if steps > 1 else values[:, :, 0]]
    if plan.within == "last":
        return [values[:, :, -1]]
    if plan.cut is not None:
        within = (leaf.steps >= plan.cut[0]) & (leaf.steps < plan.cut[1])
        if not within.any():
            bound = f"holds no step of {leaf.name!r}, which go from {leaf.steps[0]} to {leaf.steps[-1]}"
            raise SpecError.of(where=WHERE, name="within", value=plan.text, bound=bound)
        return [values[:, :, within].mean(axis=2)]
    if plan.within == "concat":
        return [values.reshape(stimuli, repeats, steps * units)]
    if plan.within == "matrix":
        return [np.ascontiguousarray(values[:, :, step]) for step in range(steps)]
    if plan.within == "samples":
        values = values - values.mean(axis=0) if plan.regress else values
        return [np.ascontiguousarray(values.transpose(0, 2, 1, 3)).reshape(-1, repeats, units)]
    bound = "gives trials, and this measure takes samples"
    raise SpecError.of(
        where=WHERE, name="within", value=plan.within, bound=bound, fix='use within="mean" or another'
    )


def _finite(values: Floats, leaf: Leaf) -> None:
    """Refuse what is not finite, by stimulus and unit."""
    for row, stimulus in enumerate(values):
        if not np.isfinite(stimulus).all():
            repeat, step, unit = (int(k) for k in np.argwhere(~np.isfinite(stimulus))[0])
            label = leaf.labels[leaf.order[row]]  # type: ignore[index]  # joined leaves have an order
            rows = sum(not np.isfinite(other).all() for other in values)
            bound = f"must be finite, is not for {rows} of {len(values)} stimuli: {label!r}, unit {unit}"
            value = float(stimulus[repeat, step, unit])
            fix = "leave these stimuli or units out"
            if leaf.axis:
                fix += (
                    "; trials padded with NaN must be cut to one length, or averaged over the steps there are"
                )
                fix += f', x.mean("{leaf.axis}") of a DataArray'
            raise SpecError.of(where=f"{WHERE}: states {leaf.name!r}", value=value, bound=bound, fix=fix)
