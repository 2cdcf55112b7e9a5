"""Slot S6 for Brian2: a read-out, its running mean and the delta rule, as groups and summed variables.

A read-out is a group of one neuron (outputs, errors) and a group with one neuron for each unit (filtered
spikes, weights). Both run at every step and a mask tells the steps at which the read-out is sampled, so
any schedule of samples can be had; sums go in ascending unit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.engines.plan import Array, ReadoutPlan
from arcuate.mechanisms.plasticity import center_decay
from arcuate.spec import Delta

if TYPE_CHECKING:
    from arcuate.engines._brian_emit import Description

SLOTS = 10
"""Orders in the slot ``end`` that one read-out uses."""


def describe_readout(job: Description, readout: ReadoutPlan, o: str, order: int) -> None:
    """Add one read-out to a network.

    Parameters
    ----------
    job : Description
        The network being described.
    readout : ReadoutPlan
        The read-out.
    o : str
        Its identifier.
    order : int
        Its place among the read-outs.
    """
    first = SLOTS * order
    _schedule(job, readout, o)
    outputs = job.add_group(o, 1, order=0)
    units = job.add_group(f"{o}u", readout.n_units, order=0)
    for name in ("due", "gate"):
        job.declare(outputs, f"{o}_{name}", np.zeros(1))
    for k in range(readout.n_outputs):
        for name in ("z", "sum", "error", "step"):
            job.declare(outputs, f"{o}_{name}{k}", np.zeros(1))
        job.declare(units, f"{o}_w{k}", readout.initial[k])
        job.link(units, f"{o}_step{k}", o, f"{o}_step{k}")
        job.final += [(o, f"{o}_z{k}"), (o, f"{o}_error{k}"), (f"{o}u", f"{o}_w{k}")]
    for name in ("x", "r", "mean", "trial_sum", "trial_samples"):
        job.declare(units, f"{o}_{name}", np.zeros(readout.n_units))
        job.final.append((f"{o}u", f"{o}_{name}"))
    for name in ("norm", "active"):
        job.declare(outputs, f"{o}_{name}", np.zeros(1))
    job.link(units, f"{o}_due", o, f"{o}_due")
    job.link(units, f"{o}_active", o, f"{o}_active")
    _gather(job, readout, o, first)
    _sums(job, readout, o, first + 2)
    job.update(f"{o}_outputs", o, _output_lines(job, outputs, readout, o), when="end", order=first + 3)
    _keep(job, readout, o, first + 4)
    job.update(f"{o}_learn", f"{o}u", _learn_lines(job, units, readout, o), when="end", order=first + 8)


def _schedule(job: Description, readout: ReadoutPlan, o: str) -> None:
    """Arrays over steps: when the read-out is sampled, its gate, its teacher, the ends of trials."""
    within = readout.sample_steps < job.n_steps
    steps = readout.sample_steps[within]

    def spread(values: Array) -> Array:
        whole = np.zeros(job.n_steps)
        whole[steps] = values[within]
        return whole

    job.add_timed(f"{o}_due_at", spread(np.ones(within.size)))
    if isinstance(readout.spec.rule, Delta):
        job.add_timed(f"{o}_gate_at", spread(readout.gate))
        for k in range(readout.n_outputs):
            job.add_timed(f"{o}_target{k}_at", spread(readout.target[:, k]))
    if readout.spec.center is not None:
        ends = np.diff(readout.trial, append=-1) != 0
        tau = float(readout.spec.center.tau_trials)
        fresh = [
            1.0 - center_decay(int(t), tau) if end else 0.0
            for t, end in zip(readout.trial, ends, strict=True)
        ]
        job.add_timed(f"{o}_fresh_at", spread(np.array(fresh)))
    job.add_timed(f"{o}_first_at", spread((np.diff(readout.trial, prepend=-1) != 0).astype(float)))


def _gather(job: Description, readout: ReadoutPlan, o: str, order: int) -> None:
    """Filtered spikes of all sources in one vector, less their running mean."""
    offset, units = 0, job.groups[f"{o}u"]
    for name in readout.features:
        f, feature = job.names.feature[name], job.plan.features[name]
        job.declare(units, f"{f}_copy", np.zeros(readout.n_units))
        job.add_synapses(
            f"{o}_{f}", job.names.population[feature.population], f"{o}u", order=order,
            model=f"{f}_copy_post = {f}_{feature.model.output}_pre : 1 (summed)",
            i=np.arange(feature.n), j=offset + np.arange(feature.n),
        )  # fmt: skip
        offset += feature.n
    now = " + ".join(f"{job.names.feature[name]}_copy" for name in readout.features)
    mean = f" - {o}_mean" if readout.spec.center is not None else ""
    lines = [f"{o}_r = {now}"]
    if readout.feedback:
        lines.append(f"{o}_x = {o}_r{mean}")
    else:
        lines.append(f"{o}_x = arc_where({o}_due_at(t) > 0.5, {o}_r{mean}, {o}_x)")
    job.update(f"{o}_gather", f"{o}u", lines, when="end", order=order + 1)


def _sums(job: Description, readout: ReadoutPlan, o: str, order: int) -> None:
    model = "".join(
        f"{o}_sum{k}_post = {o}_w{k}_pre*{o}_x_pre : 1 (summed)\n" for k in range(readout.n_outputs)
    )
    if _normalized(readout):
        model += f"{o}_norm_post = {o}_x_pre*{o}_x_pre : 1 (summed)\n"
    n = readout.n_units
    job.add_synapses(f"{o}_sums", f"{o}u", o, order=order, model=model, i=np.arange(n), j=np.zeros(n, int))


def _normalized(readout: ReadoutPlan) -> bool:
    return isinstance(readout.spec.rule, Delta) and readout.spec.rule.normalization is not None


def _output_lines(job: Description, group: dict[str, Any], readout: ReadoutPlan, o: str) -> list[str]:
    """Outputs, errors and the factor of each output's update."""
    lines = [f"{o}_due = {o}_due_at(t)"]
    for k in range(readout.n_outputs):
        if readout.feedback:
            lines.append(f"{o}_z{k} = {o}_sum{k}")
        else:
            lines.append(f"{o}_z{k} = arc_where({o}_due > 0.5, {o}_sum{k}, {o}_z{k})")
    rule = readout.spec.rule
    if not isinstance(rule, Delta):
        return lines
    job.declare(group, f"{o}_rate", np.array([rule.learning_rate]), "constant")
    lines += [f"{o}_gate = {o}_gate_at(t)", f"{o}_active = arc_where({o}_gate != 0.0, {o}_due, 0.0)"]
    lines += [
        f"{o}_error{k} = arc_where({o}_active > 0.5, {o}_target{k}_at(t) - {o}_z{k}, {o}_error{k})"
        for k in range(readout.n_outputs)
    ]
    scale = f"{o}_rate*{o}_gate"
    if _normalized(readout):
        job.declare(group, f"{o}_c", np.array([rule.normalization]), "constant")
        lines.append(f"{o}_bottom = {o}_c + {o}_norm")
        lines.append(f"{o}_active = arc_where({o}_bottom == 0.0, 0.0, {o}_active)")
        scale = f"({scale})/arc_where({o}_bottom == 0.0, 1.0, {o}_bottom)"
    lines.append(f"{o}_scale = {scale}")
    return lines + [f"{o}_step{k} = {o}_scale*{o}_error{k}" for k in range(readout.n_outputs)]


def _keep(job: Description, readout: ReadoutPlan, o: str, order: int) -> None:
    """Outputs, features and weights as they are before the update of the sample."""
    outputs, units = job.groups[o], job.groups[f"{o}u"]
    wanted = [(outputs, "sample", f"{o}_due_at(t) > 0.5", [f"{o}_z{k}" for k in range(readout.n_outputs)])]
    if "features" in job.plan.record.readouts:
        wanted.append((units, "sample", f"{o}_due_at(t) > 0.5", [f"{o}_r"]))
    if "weights" in job.plan.record.readouts:
        weights = [f"{o}_w{k}" for k in range(readout.n_outputs)]
        wanted.append((units, "snapshot", f"{o}_first_at(t) > 0.5", weights))
    for group, event, condition, variables in wanted:
        group["events"][event] = {"condition": f"{condition} and i >= 0", "when": "end", "order": order}
        job.monitor(f"{group['name']}_{event}", group["name"], event, variables, when="end", order=order + 1)


def _learn_lines(job: Description, group: dict[str, Any], readout: ReadoutPlan, o: str) -> list[str]:
    lines, rule = [], readout.spec.rule
    if isinstance(rule, Delta):
        for k in range(readout.n_outputs):
            lines.append(f"{o}_new{k} = {o}_w{k} + {o}_step{k}*{o}_x")
            for name, bound, function in (("w_min", rule.w_min, "max"), ("w_max", rule.w_max, "min")):
                if bound is not None and np.isfinite(bound):
                    if k == 0:
                        job.declare(group, f"{o}_{name}", np.array(bound), "constant")
                    lines.append(f"{o}_new{k} = arc_{function}({o}_new{k}, {o}_{name})")
            lines.append(f"{o}_w{k} = arc_where({o}_active > 0.5, {o}_new{k}, {o}_w{k})")
    if readout.spec.center is not None:
        lines += [
            f"{o}_trial_sum = arc_where({o}_due > 0.5, {o}_trial_sum + {o}_r, {o}_trial_sum)",
            f"{o}_trial_samples = arc_where({o}_due > 0.5, {o}_trial_samples + 1.0, {o}_trial_samples)",
            f"{o}_fresh = {o}_fresh_at(t)",
            f"{o}_now = {o}_trial_sum/arc_max({o}_trial_samples, 1.0)",
            f"{o}_moved = {o}_mean + {o}_fresh*({o}_now - {o}_mean)",
            f"{o}_mean = arc_where({o}_fresh > 0.0, {o}_moved, {o}_mean)",
            f"{o}_trial_sum = arc_where({o}_fresh > 0.0, 0.0, {o}_trial_sum)",
            f"{o}_trial_samples = arc_where({o}_fresh > 0.0, 0.0, {o}_trial_samples)",
        ]
    return lines
