"""Slot S6 of the kernel: read-outs, their teachers and their rules, and the state that they need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from arcuate.engines._emit_events import emit_learn, weight_text
from arcuate.engines._source import Names, Source
from arcuate.engines.plan import Array, Plan, ReadoutPlan
from arcuate.spec import RLS, Delta, TwoBank

UNROLL = 8
"""Up to this many outputs are summed side by side, each in ascending feature index."""


def learning_constants(readout: ReadoutPlan, o: str) -> dict[str, Any]:
    """Kernel arguments of a read-out that never change.

    Parameters
    ----------
    readout : ReadoutPlan
        The read-out.
    o : str
        Its identifier in the kernel.

    Returns
    -------
    dict
    """
    last = np.flatnonzero(np.diff(readout.trial, append=-1) != 0)
    ends = np.zeros(readout.trial.size, np.uint8)
    ends[last] = 1
    table: dict[str, Any] = {
        f"{o}_sample_steps": readout.sample_steps,
        f"{o}_target": readout.target,
        f"{o}_gate": readout.gate,
        f"{o}_trial": readout.trial,
        f"{o}_ends": ends,
        f"{o}_outcome": readout.outcome,
        f"{o}_eligible": readout.eligible,
    }
    rule = readout.spec.rule
    if readout.spec.center is not None:
        table[f"{o}_tau_trials"] = float(readout.spec.center.tau_trials)
    if isinstance(rule, Delta):
        table |= {f"{o}_rate": rule.learning_rate, f"{o}_c": _normalization(rule)}
        table |= _bounds(rule, o)
    elif isinstance(rule, RLS):
        first = np.flatnonzero(np.diff(readout.trial, prepend=-1) != 0)
        resets = np.zeros(readout.trial.size, np.uint8)
        resets[first[np.isin(readout.trial[first], rule.reset_at)]] = 1
        table |= {f"{o}_alpha": rule.alpha, f"{o}_forgetting": rule.forgetting, f"{o}_resets": resets}
    elif isinstance(rule, TwoBank):
        table |= {f"{o}_eta_when": rule.eta_when, f"{o}_eta_what": rule.eta_what}
        table |= {f"{o}_c_when": rule.c_when, f"{o}_c_what": rule.c_what}
        table |= _bounds(rule, o)
    return {key: float(value) if isinstance(value, (int, float)) else value for key, value in table.items()}


def _bounds(rule: Delta | TwoBank, o: str) -> dict[str, float]:
    low, high = rule.w_min, rule.w_max
    return {f"{o}_w_min": -np.inf if low is None else low, f"{o}_w_max": np.inf if high is None else high}


def _normalization(rule: Delta) -> float:
    return -1.0 if rule.normalization is None else float(rule.normalization)


def learning_state(readout: ReadoutPlan, o: str) -> dict[str, Array]:
    """Arrays of a read-out that move, at step 0.

    Parameters
    ----------
    readout : ReadoutPlan
        The read-out.
    o : str
        Its identifier in the kernel.

    Returns
    -------
    dict of str to ndarray
    """
    n, k, rule = readout.n_units, readout.n_outputs, readout.spec.rule
    table = {
        f"{o}_weights": np.array(readout.initial, dtype=float, order="C"),
        f"{o}_z": np.zeros(k),
        f"{o}_x": np.zeros(n),
    }
    if readout.spec.center is not None:
        table |= {f"{o}_mean": np.zeros(n), f"{o}_trial_sum": np.zeros(n), f"{o}_trial_samples": np.zeros(1)}
    if rule is not None:
        table[f"{o}_error"] = np.zeros(k)
    if isinstance(rule, RLS):
        table |= {f"{o}_p": np.eye(n) / rule.alpha, f"{o}_gain": np.zeros(n)}
    if isinstance(rule, TwoBank):
        table |= {f"{o}_eligibility": np.zeros(n), f"{o}_eligibility_total": np.zeros(1)}
    return table


def emit_readout(src: Source, names: Names, plan: Plan, readout: ReadoutPlan) -> None:
    """Write slot S6 for one read-out.

    Parameters
    ----------
    src : Source
        Kernel being written.
    names : Names
        Identifiers.
    plan : Plan
        The plan.
    readout : ReadoutPlan
        The read-out.
    """
    o = names.readout[readout.name]
    per_spike = readout.name in names.per_spike
    src.use(f"{o}_sample_steps", f"{o}_next", f"{o}_first", f"{o}_weights", f"{o}_z")
    src.line(f"{o}_s = {o}_next[0]")
    src.line(f"{o}_due = {o}_s < {o}_sample_steps.shape[0] and {o}_sample_steps[{o}_s] == n")
    src.line("if True:" if readout.feedback else f"if {o}_due:")
    with src.block():
        if per_spike:
            src.line(f"for k in range({o}_z.shape[0]):")
            src.line(f"    {o}_z[k] = {o}_carry[k]")
        else:
            _gather(src, names, plan, readout)
            _outputs(src, o, readout)
    src.line(f"if {o}_due:")
    with src.block():
        _snapshot(src, names, plan, readout)
        if isinstance(readout.spec.rule, TwoBank):
            _identity(src, o)
        _keep(src, names, plan, readout)
        if readout.spec.rule is not None:
            if per_spike:
                emit_learn(src, names, readout)
            else:
                _learn(src, o, readout, pending=readout.name in names.pending)
        _trial_end(src, names, plan, readout)
        src.line(f"{o}_next[0] += 1")


def _gather(src: Source, names: Names, plan: Plan, readout: ReadoutPlan) -> None:
    """Features into one vector, less their running mean if the read-out is centered."""
    o = names.readout[readout.name]
    src.use(f"{o}_x")
    if readout.spec.center is not None:
        src.use(f"{o}_mean")
    for f, output, offset, mean in _banks(names, plan, readout):
        src.use(output, f"{f}_n")
        src.line(f"for i in range({f}_n):")
        src.line(f"    {o}_x[{offset} + i] = {output}[i]{mean}")


def _banks(names: Names, plan: Plan, readout: ReadoutPlan) -> Iterator[tuple[str, str, int, str]]:
    """Each feature bank: identifier, output array, place in the vector, and what centers it."""
    o, offset = names.readout[readout.name], 0
    for name in readout.features:
        f, feature = names.feature[name], plan.features[name]
        mean = f" - {o}_mean[{offset} + i]" if readout.spec.center is not None else ""
        yield f, f"{f}_{feature.model.output}", offset, mean
        offset += feature.n


def _outputs(src: Source, o: str, readout: ReadoutPlan) -> None:
    rows = 1 if isinstance(readout.spec.rule, TwoBank) else readout.n_outputs
    if rows > UNROLL:
        src.line(f"predict({o}_weights, {o}_x, {o}_z)")
        return
    for k in range(rows):
        src.line(f"total{k} = 0.0")
    src.line(f"for i in range({o}_x.shape[0]):")
    for k in range(rows):
        src.line(f"    total{k} += {o}_weights[{k}, i] * {o}_x[i]")
    for k in range(rows):
        src.line(f"{o}_z[{k}] = total{k}")


def _identity(src: Source, o: str) -> None:
    """Collect eligibility; the identity outputs follow the mean collected so far."""
    src.use(f"{o}_eligible", f"{o}_eligibility", f"{o}_eligibility_total")
    src.line(f"if {o}_eligible[{o}_s] > 0.0:")
    with src.block():
        src.line(f"eligibility_add({o}_eligibility, {o}_x, {o}_eligible[{o}_s])")
        src.line(f"{o}_eligibility_total[0] += {o}_eligible[{o}_s]")
        src.line(f"for k in range(1, {o}_z.shape[0]):")
        src.line("    total = 0.0")
        src.line(f"    for i in range({o}_x.shape[0]):")
        src.line(f"        total += {o}_weights[k, i] * ({o}_eligibility[i] / {o}_eligibility_total[0])")
        src.line(f"    {o}_z[k] = total")


def _snapshot(src: Source, names: Names, plan: Plan, readout: ReadoutPlan) -> None:
    o, learns = names.readout[readout.name], readout.spec.rule is not None
    src.use(f"{o}_snapshot_samples", f"{o}_snapshot_next", f"{o}_snapshots")
    src.line(f"q = {o}_snapshot_next[0]")
    src.line(f"if q < {o}_snapshot_samples.shape[0] and {o}_snapshot_samples[q] == {o}_s:")
    with src.block():
        src.line(f"for k in range({o}_weights.shape[0]):")
        if readout.name in names.per_spike:
            for f, output, offset, _ in _banks(names, plan, readout):
                value = weight_text(o, f"{offset} + i", f"{output}[i]", learns=learns)
                src.line(f"    for i in range({f}_r.shape[0]):")
                src.line(f"        {o}_snapshots[q, k, {offset} + i] = {value}")
        else:
            src.line(f"    for i in range({o}_weights.shape[1]):")
            src.line(f"        {o}_snapshots[q, k, i] = {o}_weights[k, i]")
        src.line(f"{o}_snapshot_next[0] += 1")


def _keep(src: Source, names: Names, plan: Plan, readout: ReadoutPlan) -> None:
    """Record outputs, and features without their centering."""
    o = names.readout[readout.name]
    src.use(f"{o}_outputs")
    src.line(f"q = {o}_s - {o}_first[0]")
    src.line(f"for k in range({o}_z.shape[0]):")
    src.line(f"    {o}_outputs[q, k] = {o}_z[k]")
    if "features" in plan.record.readouts:
        src.use(f"{o}_features")
        for f, output, offset, _ in _banks(names, plan, readout):
            src.use(output, f"{f}_n")
            scale = f" * {f}_scale[0]" if readout.name in names.per_spike else ""
            src.line(f"for i in range({f}_n):")
            src.line(f"    {o}_features[q, {offset} + i] = {output}[i]{scale}")


def _learn(src: Source, o: str, readout: ReadoutPlan, *, pending: bool) -> None:
    rule = readout.spec.rule
    src.use(f"{o}_gate", f"{o}_target", f"{o}_error")
    if isinstance(rule, RLS):
        src.use(f"{o}_resets", f"{o}_p", f"{o}_alpha")
        src.line(f"if {o}_resets[{o}_s]:")
        src.line(f"    rls_reset({o}_p, {o}_alpha)")
        if pending:
            src.line(f"    {o}_memo[0] = 0.0")
            src.line(f"    {o}_memo[1] = 1.0")
    src.line(f"if {o}_gate[{o}_s] != 0.0:")
    with src.block():
        rows = 1 if isinstance(rule, TwoBank) else readout.n_outputs
        src.line(f"for k in range({rows}):")
        src.line(f"    {o}_error[k] = {o}_target[{o}_s, k] - {o}_z[k]")
        if isinstance(rule, Delta):
            src.use(f"{o}_rate", f"{o}_c", f"{o}_w_min", f"{o}_w_max")
            src.line(
                f"delta_update({o}_weights, {o}_x, {o}_error, {o}_rate * {o}_gate[{o}_s], "
                f"{o}_c, {o}_w_min, {o}_w_max)"
            )
        elif isinstance(rule, RLS):
            src.use(f"{o}_forgetting", f"{o}_gain")
            state = f"{o}_weights, {o}_x, {o}_error, {o}_forgetting, {o}_gain, {rule.normalized}"
            if pending:
                src.use(f"{o}_pending", f"{o}_memo")
                src.line(f"rls_update_pending({o}_p, {o}_pending, {o}_memo, {state})")
            else:
                src.line(f"rls_update({o}_p, {state})")
        else:
            src.use(f"{o}_eta_when", f"{o}_c_when", f"{o}_w_min", f"{o}_w_max")
            src.line(
                f"delta_update({o}_weights[0:1], {o}_x, {o}_error[0:1], {o}_eta_when * {o}_gate[{o}_s], "
                f"{o}_c_when, {o}_w_min, {o}_w_max)"
            )


def _trial_end(src: Source, names: Names, plan: Plan, readout: ReadoutPlan) -> None:
    """After the last sample of a trial: consolidate the identities, then move the running mean."""
    two_bank, center = isinstance(readout.spec.rule, TwoBank), readout.spec.center is not None
    if not (two_bank or center):
        return
    o = names.readout[readout.name]
    src.use(f"{o}_ends", f"{o}_trial")
    if center:
        src.use(f"{o}_trial_sum", f"{o}_trial_samples", f"{o}_mean", f"{o}_tau_trials")
        for f, output, offset, _ in _banks(names, plan, readout):
            src.line(f"for i in range({f}_n):")
            src.line(f"    {o}_trial_sum[{offset} + i] += {output}[i]")
        src.line(f"{o}_trial_samples[0] += 1.0")
    src.line(f"if {o}_ends[{o}_s]:")
    with src.block():
        if two_bank:
            src.use(f"{o}_outcome", f"{o}_eta_what", f"{o}_c_what")
            src.line(f"eligibility_finish({o}_eligibility, {o}_eligibility_total[0])")
            src.line(
                f"what_update({o}_weights[1:], {o}_eligibility, {o}_outcome[{o}_trial[{o}_s]], {o}_eta_what, "
                f"{o}_c_what, {o}_w_min, {o}_w_max, {o}_error[1:])"
            )
            _clear(src, f"{o}_eligibility")
            src.line(f"{o}_eligibility_total[0] = 0.0")
        if center:
            src.line(f"for i in range({o}_x.shape[0]):")
            src.line(f"    {o}_trial_sum[i] /= {o}_trial_samples[0]")
            src.line(
                f"center_update({o}_mean, {o}_trial_sum, center_decay({o}_trial[{o}_s], {o}_tau_trials))"
            )
            _clear(src, f"{o}_trial_sum")
            src.line(f"{o}_trial_samples[0] = 0.0")


def _clear(src: Source, array: str) -> None:
    """Zero an array by a loop; an assignment to a slice would take seconds to compile."""
    src.line(f"for i in range({array}.shape[0]):")
    src.line(f"    {array}[i] = 0.0")
