"""Read-outs per spike, for the fast order: the delta rule on decaying traces in closed form.

Between its spikes a trace decays, ``r_i(n) = rho_i p(n)`` with ``p(n + 1) = kappa p(n)``, so

- the output decays with it, ``z(n + 1) = kappa z(n)``, and a spike of i adds ``w_i``;
- a step of the rule, ``w_i += g r_i`` for all i, adds ``g Q`` to the output, where ``Q = sum r_i^2`` decays
  with ``kappa^2`` and grows by ``2 r_i + 1`` at a spike of i;
- the weight of i is ``w_i + rho_i (A - A_i)``: A is the sum of ``g p`` over all steps of the rule, and
  ``A_i`` what it was when ``w_i`` was last brought up to date, at a spike of i.

What is stored is ``rho``, ``p`` (the scale), ``w`` and ``A_i`` (since), ``A`` (sum), ``Q`` (square) and the
output after the rule (carry). When p has fallen to a thousandth, all weights are brought up to date and p
starts at 1 again, so differences of A keep 13 digits. This happens at steps that depend on kappa alone, and
whoever reads weights or traces in between gets them from the closed form: neither changes the run's numbers.

Exact but for rounding. Delta rule: Widrow and Hoff 1960, IRE WESCON Convention Record 4:96; work at events in
place of steps is event-driven simulation (Morrison, Diesmann and Gerstner 2008, Biol. Cybern. 98:459,
doi:10.1007/s00422-008-0233-1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from arcuate.engines._source import Names, Source

if TYPE_CHECKING:
    from arcuate.engines.plan import Array, FeaturePlan, Plan, ReadoutPlan

FLOOR = 1e-3
"""Scale at which traces start again; chosen: three of sixteen digits are lost in a difference of sums."""


def event_state(plan: Plan, names: Names) -> dict[str, Array]:
    """Arrays beside traces, weights and outputs that read-outs per spike need, at step 0.

    Parameters
    ----------
    plan : Plan
        What to run.
    names : Names
        Identifiers.

    Returns
    -------
    dict of str to ndarray
    """
    table: dict[str, Array] = {f"{names.feature[name]}_scale": np.ones(1) for name in names.lazy}
    for name in names.per_spike:
        o, readout = names.readout[name], plan.readouts[name]
        table[f"{o}_carry"] = np.zeros(readout.n_outputs)
        if readout.spec.rule is not None:
            table[f"{o}_since"] = np.zeros((readout.n_outputs, readout.n_units))
            table[f"{o}_sum"] = np.zeros(readout.n_outputs)
            table[f"{o}_square"] = np.zeros(1)
    return table


def event_values(plan: Plan, names: Names, moving: Mapping[str, Array]) -> dict[str, Array]:
    """Traces and weights as they are at this step, of feature banks and read-outs kept per spike.

    Parameters
    ----------
    plan : Plan
        What runs.
    names : Names
        Identifiers.
    moving : mapping of str to ndarray
        State of the kernel.

    Returns
    -------
    dict of str to ndarray
        New arrays by kernel name, ``"f0_r"`` and ``"o0_weights"``.
    """
    table = {}
    for name in names.lazy:
        f = names.feature[name]
        table[f"{f}_r"] = moving[f"{f}_r"] * moving[f"{f}_scale"]
    for name in names.per_spike:
        o, readout = names.readout[name], plan.readouts[name]
        weights = moving[f"{o}_weights"].copy()
        if readout.spec.rule is not None:
            rho = np.concatenate([moving[f"{names.feature[f]}_r"] for f in readout.features])
            with np.errstate(all="ignore"):  # whoever looks for numbers that are not finite finds them
                weights += rho * (moving[f"{o}_sum"][:, None] - moving[f"{o}_since"])
        table[f"{o}_weights"] = weights
    return table


def emit_decay(src: Source, names: Names, plan: Plan) -> None:
    """Write slot S2 of traces and read-outs kept per spike: everything decays.

    Parameters
    ----------
    src : Source
        Kernel being written.
    names : Names
        Identifiers.
    plan : Plan
        The plan.
    """
    for name in names.lazy:
        f = names.feature[name]
        src.use(f"{f}_scale", f"{f}_decay_r")
        src.line(f"{f}_scale[0] *= {f}_decay_r")
    for name in names.per_spike:
        o, readout = names.readout[name], plan.readouts[name]
        decay = f"{names.feature[readout.features[0]]}_decay_r"
        src.use(f"{o}_carry", decay)
        src.line(f"for k in range({o}_carry.shape[0]):")
        src.line(f"    {o}_carry[k] *= {decay}")
        if readout.spec.rule is not None:
            src.use(f"{o}_square")
            src.line(f"{o}_square[0] *= {decay} * {decay}")


def emit_spike(src: Source, names: Names, plan: Plan, feature: FeaturePlan) -> None:
    """Write slot S5 of a trace kept per spike, for neuron ``i`` of its population.

    Parameters
    ----------
    src : Source
        Kernel being written.
    names : Names
        Identifiers.
    plan : Plan
        The plan.
    feature : FeaturePlan
        The feature bank.
    """
    f = names.feature[feature.name]
    src.use(f"{f}_r", f"{f}_scale")
    src.line(f"{f}_rho = {f}_r[i]")
    for name in names.per_spike:
        o, readout = names.readout[name], plan.readouts[name]
        for bank, offset in _banks(plan, readout):
            if bank is not feature:
                continue
            src.use(f"{o}_weights", f"{o}_carry")
            src.line(f"for k in range({o}_carry.shape[0]):")
            with src.block():
                if readout.spec.rule is None:
                    src.line(f"{o}_carry[k] += {o}_weights[k, {offset} + i]")
                else:
                    src.use(f"{o}_sum", f"{o}_since")
                    _update_weight(src, o, f"{offset} + i", f"{f}_rho")
                    src.line(f"{o}_since[k, {offset} + i] = {o}_sum[k]")
                    src.line(f"{o}_carry[k] += {o}_weights[k, {offset} + i]")
            if readout.spec.rule is not None:
                src.use(f"{o}_square")
                src.line(f"{o}_square[0] += 2.0 * ({f}_rho * {f}_scale[0]) + 1.0")
    src.line(f"{f}_r[i] = {f}_rho + 1.0 / {f}_scale[0]")


def emit_learn(src: Source, names: Names, readout: ReadoutPlan) -> None:
    """Write slot S6 of a read-out kept per spike: a step of the delta rule.

    Parameters
    ----------
    src : Source
        Kernel being written.
    names : Names
        Identifiers.
    readout : ReadoutPlan
        The read-out.
    """
    o, scale = names.readout[readout.name], f"{names.feature[readout.features[0]]}_scale"
    src.use(f"{o}_gate", f"{o}_target", f"{o}_error", f"{o}_rate", f"{o}_sum", f"{o}_square", scale)
    src.line(f"if {o}_gate[{o}_s] != 0.0:")
    with src.block():
        src.line(f"for k in range({o}_carry.shape[0]):")
        src.line(f"    {o}_error[k] = {o}_target[{o}_s, k] - {o}_z[k]")
        src.line(f"    step = {o}_rate * {o}_gate[{o}_s] * {o}_error[k]")
        src.line(f"    {o}_sum[k] += step * {scale}[0]")
        src.line(f"    {o}_carry[k] += step * {o}_square[0]")


def emit_fold(src: Source, names: Names, plan: Plan) -> None:
    """Write the end of slot S6: bring all weights up to date where the scale has become small.

    Parameters
    ----------
    src : Source
        Kernel being written.
    names : Names
        Identifiers.
    plan : Plan
        The plan.
    """
    for name in names.per_spike:
        o, readout = names.readout[name], plan.readouts[name]
        if readout.spec.rule is None:
            continue
        src.line(f"if {names.feature[readout.features[0]]}_scale[0] < {FLOOR!r}:")
        with src.block():
            src.line(f"for k in range({o}_sum.shape[0]):")
            with src.block():
                for bank, offset in _banks(plan, readout):
                    f = names.feature[bank.name]
                    src.line(f"for i in range({f}_r.shape[0]):")
                    with src.block():
                        _update_weight(src, o, f"{offset} + i", f"{f}_r[i]")
                        src.line(f"{o}_since[k, {offset} + i] = 0.0")
                src.line(f"{o}_sum[k] = 0.0")
    for name in names.lazy:
        f = names.feature[name]
        src.line(f"if {f}_scale[0] < {FLOOR!r}:")
        src.line(f"    for i in range({f}_r.shape[0]):")
        src.line(f"        {f}_r[i] *= {f}_scale[0]")
        src.line(f"    {f}_scale[0] = 1.0")


def weight_text(o: str, place: str, rho: str, *, learns: bool) -> str:
    """Text of the weight that output ``k`` has at this step.

    Parameters
    ----------
    o : str
        The read-out's identifier.
    place : str
        Index of the feature.
    rho : str
        Stored trace of that feature.
    learns : bool
        Whether the read-out has a rule.

    Returns
    -------
    str
    """
    stored = f"{o}_weights[k, {place}]"
    return f"{stored} + {rho} * ({o}_sum[k] - {o}_since[k, {place}])" if learns else stored


def _update_weight(src: Source, o: str, place: str, rho: str) -> None:
    src.line(f"{o}_weights[k, {place}] = {weight_text(o, place, rho, learns=True)}")


def _banks(plan: Plan, readout: ReadoutPlan) -> Iterator[tuple[FeaturePlan, int]]:
    """Each feature bank of a read-out, and its place in the vector of features."""
    offset = 0
    for name in readout.features:
        yield plan.features[name], offset
        offset += plan.features[name].n
