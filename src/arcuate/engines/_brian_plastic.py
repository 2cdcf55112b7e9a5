"""Plastic projections and modulators for Brian2: the same quantities in the same order as in the kernel.

Traces of targets live in the group of the target, those of sources on every synapse, where they decay and
jump with the delay of the synapse. Orders in the slot ``end``: postsynaptic spikes, jumps of the targets'
traces, modulators, drift, periodic changes; those of read-outs come before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.engines._emit_plastic import event_driven, plastic_of
from arcuate.engines._programs import expression, program
from arcuate.engines.plan import ModulatorPlan, PlasticityPlan, ProjectionPlan

if TYPE_CHECKING:
    from arcuate.engines._brian_emit import Description

TRACES, STEPS, FIRED, JUMPS, MODULATORS, DRIFT = 100_000, 100_000, 100_000, 200_000, 300_000, 400_000
"""First order of each part, far behind those of populations, projections and read-outs."""

SLOTS = 10
"""Orders that the drift and the periodic changes of one projection use."""


class PlasticDescription:
    """One plastic projection, part by part."""

    def __init__(self, job: Description, projection: ProjectionPlan, order: int) -> None:
        assert projection.plasticity is not None
        self.job, self.projection, self.order = job, projection, order
        self.plan: PlasticityPlan = projection.plasticity
        self.rule, self.spec = self.plan.rule, self.plan.spec
        self.j, self.p = job.names.projection[projection.name], job.names.population[projection.post]
        self.event = event_driven(self.plan)
        self.low, self.high = f"{self.j}_low", f"{self.j}_high"

    def in_synapse(self, key: str) -> str:
        """Identifier of a name of the rule in code of the synapses."""
        if key == "w":
            return f"{self.j}_s"
        if key.startswith("post_"):
            return f"{self.p}_{key.removeprefix('post_')}_post"
        if key in self.rule.post.variables:
            return f"{self.j}_{key}_t_post"
        return f"{self.j}_{key}_t" if key in self.rule.pre.variables else f"{self.j}_{key}_k"

    def in_group(self, key: str) -> str:
        """Identifier of a name of the rule in code of the target's group."""
        if key.startswith("post_"):
            return f"{self.p}_{key.removeprefix('post_')}"
        return f"{self.j}_{key}_t" if key in self.rule.post.variables else f"{self.j}_{key}"

    def run(self, text: str, rename: Any, tag: str, guard: str = "") -> list[str]:
        """Statements of a program, each through a name of its own; with a guard, only where it holds."""
        lines = []
        for number, (target, value) in enumerate(program(text).statements):
            own, name = f"{self.j}_{tag}{number}", rename(target)
            lines.append(f"{own} = {value.emit('brian', rename)}")
            lines.append(f"{name} = arc_where({guard}, {own}, {name})" if guard else f"{name} = {own}")
        return lines

    def declare(self) -> None:
        """Traces of the target and what else belongs to each of its neurons."""
        job, j, group = self.job, self.j, self.job.groups[self.p]
        for key, value in self.plan.initial.items():
            job.declare(group, f"{j}_{key}_t", value)
            job.final.append((self.p, f"{j}_{key}_t"))
        post = self.rule.post
        wanted = program(post.update).reads | program(post.on_spike).reads
        if self.spec.tau_e is not None:
            wanted |= {"gain_level", "gain_base", "decay_e"}
        for key in sorted(wanted & set(self.plan.values)):
            job.declare(group, f"{j}_{key}", self.plan.values[key], "constant")
        if self.event:
            job.declare(group, f"{j}_gained", np.zeros(group["n"]))
            job.declare(group, f"{j}_q", np.ones(group["n"]))
            job.final += [(self.p, f"{j}_gained"), (self.p, f"{j}_q")]
        if self.spec.normalize is not None:
            job.declare(group, f"{j}_norm", self.plan.norm, "constant")
            job.declare(group, f"{j}_total", np.zeros(group["n"]))

    def model(self) -> str:
        """Variables of the synapses."""
        lines = [
            f"{self.j}_w : 1",
            f"{self.low} : 1 (shared, constant)",
            f"{self.high} : 1 (shared, constant)",
        ]
        lines += [f"{self.j}_{key}_k : 1 (shared, constant)" for key in self.plan.values]
        lines += [f"{self.j}_{key}_t : 1" for key in self.rule.pre.variables]
        if self.spec.tau_e is not None:
            lines.append(f"{self.j}_c : 1")
        if self.spec.normalize is not None:
            size = "abs({0})" if self.spec.normalize == "l1" else "({0}*{0})"
            lines.append(f"{self.j}_total_post = {size.format(self.j + '_w')} : 1 (summed)")
        if self.projection.name in self.job.plan.record.weights:
            lines.append(f"{self.j}_now : 1")
        return "\n".join(lines)

    def values(self, synapses: dict[str, Any]) -> None:
        """Numbers of the synapses' variables."""
        table: dict[str, Any] = {"w": self.plan.sign * self.projection.weight, "low": self.plan.low}
        table |= {"high": self.plan.high, **{f"{key}_k": value for key, value in self.plan.values.items()}}
        for key, value in table.items():
            self.job.arrays[f"{self.j}/{key}"] = np.asarray(value, float)
            synapses["values"][f"{self.j}_{key}"] = f"{self.j}/{key}"
        self.job.final.append((self.j, f"{self.j}_w"))
        self.job.final += [(self.j, f"{self.j}_{key}_t") for key in self.rule.pre.variables]
        if self.spec.tau_e is not None:
            self.job.final.append((self.j, f"{self.j}_c"))

    def present(self) -> list[str]:
        """The strength now."""
        j = self.j
        if not self.event:
            return [f"{j}_s = {j}_w"]
        return [f"{j}_s = arc_clip({j}_w + {j}_c*{j}_gained_post, {self.low}, {self.high})"]

    def change(self, text: str, guard: str = "") -> list[str]:
        """Put an increment where it belongs."""
        j, value = self.j, expression(text).emit("brian", self.in_synapse)
        if guard:
            value = f"arc_where({guard}, {value}, 0.0)"
        if self.event:
            return [
                f"{j}_share = {j}_c + ({value})/{j}_q_post",
                f"{j}_c = {j}_share",
                f"{j}_w = {j}_s - {j}_share*{j}_gained_post",
            ]
        if self.spec.tau_e is not None:
            return [f"{j}_share = {j}_c + {value}", f"{j}_c = {j}_share"]
        if self.spec.modulator is not None:
            value = f"({value})*{self._factor('factor')}_post"
        return [f"{j}_change = {value}", *self.grow()]

    def grow(self) -> list[str]:
        """Add the change to the strength inside the bounds."""
        j, lines = self.j, []
        if self.spec.bounds == "soft":
            room = f"arc_where({j}_change > 0.0, {self.high} - {j}_s, {j}_s - {self.low})"
            lines.append(f"{j}_scaled = {j}_change*({room}/({self.high} - {self.low}))")
        step = f"{j}_scaled" if lines else f"{j}_change"
        return [*lines, f"{j}_w = arc_clip({j}_s + {step}, {self.low}, {self.high})"]

    def _factor(self, which: str) -> str:
        """A number of the modulator in the target's group."""
        return f"{self.job.names.modulator[str(self.spec.modulator)]}_{which}_{self.p}"

    def on_pre(self, jump: Any) -> str:
        """S4: deliver, change, move the trace."""
        weight = f"(-{self.j}_s)" if self.plan.sign < 0.0 else f"{self.j}_s"
        lines = [*self.present(), jump(weight)]
        if self.rule.on_pre:
            lines += self.change(self.rule.on_pre)
        if self.rule.pre.on_spike:
            lines += self.run(self.rule.pre.on_spike, self.in_synapse, "a")
        return "\n".join(lines)

    def on_post(self) -> dict[str, Any] | None:
        """S6: code for the synapses onto targets that fired."""
        if not self.rule.on_post:
            return None
        code = "\n".join([*self.present(), *self.change(self.rule.on_post)])
        return {"code": code, "when": "end", "order": FIRED + self.order}

    def summed(self) -> dict[str, Any] | None:
        """Slot and order of the sums that normalization needs."""
        if self.spec.normalize is None:
            return None
        return {"when": "end", "order": DRIFT + SLOTS * self.order + 5}

    def updates(self) -> None:
        """What runs at every step or once a period."""
        job, j, p, order = self.job, self.j, self.p, self.order
        rule, group = self.rule, self.job.groups[self.p]
        if rule.pre.update:
            lines = self.run(rule.pre.update, self.in_synapse, "b")
            job.update(f"{j}_fade", j, lines, when="groups", order=TRACES + order)
        if rule.post.update:
            lines = self.run(rule.post.update, self.in_group, "c")
            job.update(f"{j}_wane", p, lines, when="groups", order=TRACES + order)
        if rule.on_step:
            guard = expression(rule.active).emit("brian", self.in_synapse)
            lines = [*self.present(), *self.change(rule.on_step, guard)]
            job.update(f"{j}_steps", j, lines, when="synapses", order=STEPS + order)
        if rule.post.on_spike:
            job.declare(group, f"{j}_fired", np.zeros(group["n"]))
            group["reset"] += f"\n{j}_fired = 1.0"
            lines = self.run(rule.post.on_spike, self.in_group, "d", guard=f"{j}_fired > 0.5")
            job.update(f"{j}_jump", p, [*lines, f"{j}_fired = 0.0"], when="end", order=JUMPS + order)
        self._drift(DRIFT + SLOTS * order)
        self._periodic(DRIFT + SLOTS * order + 4)
        self._keep()

    def _drift(self, first: int) -> None:
        if self.spec.tau_e is None:
            return
        job, j, p = self.job, self.j, self.p
        gate, level = self._factor("gate"), self._factor("level")
        if not self.event:
            gain = f"({gate}_post*({j}_gain_level_k*{level}_post - {j}_gain_base_k))"
            lines = [f"{j}_s = {j}_w", f"{j}_change = {j}_c*{gain}", *self.grow()]
            lines += [f"{j}_share = {j}_decay_e_k*{j}_c", f"{j}_c = {j}_share"]
            job.update(f"{j}_drift", j, lines, when="end", order=first)
            return
        every = self.plan.epoch
        lines = [*self.present(), f"{j}_w = {j}_s", f"{j}_share = {j}_c*{j}_q_post", f"{j}_c = {j}_share"]
        job.update(f"{j}_afresh", j, lines, when="end", order=first, every=every)
        lines = [f"{j}_gained = 0.0", f"{j}_q = 1.0"]
        job.update(f"{j}_zero", p, lines, when="end", order=first + 1, every=every)
        lines = [
            f"{j}_more = {j}_gained + {j}_q*({gate}*({j}_gain_level*{level} - {j}_gain_base))",
            f"{j}_gained = {j}_more",
            f"{j}_less = {j}_q*{j}_decay_e",
            f"{j}_q = {j}_less",
        ]
        job.update(f"{j}_drift", p, lines, when="end", order=first + 2)

    def _periodic(self, first: int) -> None:
        job, j, every = self.job, self.j, self.plan.every
        if self.rule.periodic:
            lines = [*self.present(), *self.change(self.rule.periodic)]
            job.update(f"{j}_all", j, lines, when="end", order=first, every=every)
        if self.spec.normalize is None:
            return
        total = f"{j}_total_post" if self.spec.normalize == "l1" else f"sqrt({j}_total_post)"
        some = f"{j}_total_post > 0.0"
        scale = f"arc_where({some}, {j}_norm_post/arc_where({some}, {total}, 1.0), 1.0)"
        lines = [f"{j}_scaled = {j}_w*({scale})", f"{j}_w = arc_clip({j}_scaled, {self.low}, {self.high})"]
        job.update(f"{j}_normal", j, lines, when="end", order=first + 2, every=every)

    def _keep(self) -> None:
        """Snapshots of the weights, before steps."""
        steps = self.job.plan.record.weights.get(self.projection.name)
        if steps is None or not steps.size:
            return
        j, every = self.j, snapshot_period(steps, self.job.n_steps)
        lines = [*self.present(), f"{j}_now = {'-' if self.plan.sign < 0.0 else ''}{j}_s"]
        self.job.update(f"{j}_look", j, lines, when="start", order=TRACES, every=every)
        self.job.monitor(f"{j}_kept", j, "every", [f"{j}_now"], when="start", order=TRACES + 1, every=every)


def snapshot_period(steps: Any, n_steps: int) -> int:
    """Greatest number of steps of which all steps of a schedule are multiples.

    Parameters
    ----------
    steps : ndarray of int
        The schedule.
    n_steps : int
        Length of the run, the answer if the schedule is step 0 alone.

    Returns
    -------
    int

    Examples
    --------
    >>> snapshot_period(np.array([0, 200, 300]), 1000)
    100
    """
    return int(np.gcd.reduce(steps)) or n_steps


def describe_modulator(job: Description, modulator: ModulatorPlan, order: int) -> None:
    """Add one modulator to a network.

    Parameters
    ----------
    job : Description
        The network being described.
    modulator : ModulatorPlan
        The modulator.
    order : int
        Its place among the modulators.
    """
    m, plan = job.names.modulator[modulator.name], job.plan
    job.add_timed(f"{m}_gate_at", modulator.gate[: job.n_steps])
    targets = [p.post for p, rule in plastic_of(plan) if rule.spec.modulator == modulator.name]
    if modulator.spec.readout is None:
        job.add_timed(f"{m}_values", modulator.values[: job.n_steps, 0])
        group = job.add_group(m, 1, order=0)
        job.declare(group, f"{m}_level", np.zeros(1))
        job.declare(group, f"{m}_decay", np.asarray(modulator.decay), "constant")
        lines = [f"{m}_new = {m}_decay*{m}_level + {m}_values(t)", f"{m}_level = {m}_new"]
        job.update(f"{m}_move", m, lines, when="end", order=MODULATORS + 2 * order)
        job.final.append((m, f"{m}_level"))
    for target in dict.fromkeys(targets):
        p = job.names.population[target]
        group = job.groups[p]
        for name in ("level", "factor", "gate"):
            job.declare(group, f"{m}_{name}_{p}", np.zeros(group["n"]))
        job.declare(group, f"{m}_baseline_{p}", np.asarray(modulator.spec.baseline), "constant")
        lines = [
            f"{m}_gate_{p} = {m}_gate_at(t)",
            f"{m}_level_{p} = {_level(job, modulator, target)}",
            f"{m}_factor_{p} = {m}_gate_{p}*({m}_level_{p} - {m}_baseline_{p})",
        ]
        job.update(f"{m}_copy_{p}", p, lines, when="end", order=MODULATORS + 2 * order + 1)
        job.final.append((p, f"{m}_level_{p}"))


def _level(job: Description, modulator: ModulatorPlan, target: str) -> str:
    """A modulator's level in the group of a target, whose synapses cannot look at linked variables."""
    m, p = job.names.modulator[modulator.name], job.names.population[target]
    group, total = job.groups[p], "0.0"
    if modulator.spec.readout is None:
        job.link(group, f"{m}_source_{p}", m, f"{m}_level")
        return f"{m}_source_{p}"
    o = job.names.readout[modulator.spec.readout]
    for k, row in enumerate(modulator.feedback[target]):
        job.declare(group, f"{m}_feedback{k}_{p}", row, "constant")
        job.link(group, f"{m}_error{k}_{p}", o, f"{o}_error{k}")
        total = f"({total} + {m}_feedback{k}_{p}*{m}_error{k}_{p})"
    return total


def plastic_final(job: Description, out: Any) -> dict[str, Any]:
    """Final state of rules and modulators by the names of the plan.

    Parameters
    ----------
    job : Description
        The network that ran.
    out : mapping of str to ndarray
        Its answer.

    Returns
    -------
    dict of str to ndarray
    """
    final: dict[str, Any] = {}
    for projection, rule in plastic_of(job.plan):
        if not projection.weight.size:
            continue
        j, p = job.names.projection[projection.name], job.names.population[projection.post]
        name, strength = projection.name, out[f"{j}/{j}_w"]
        if rule.spec.tau_e is not None:
            final[f"{name}/eligibility"] = out[f"{j}/{j}_c"]
        if event_driven(rule):
            gained, q = out[f"{p}/{j}_gained"], out[f"{p}/{j}_q"]
            strength = np.clip(strength + out[f"{j}/{j}_c"] * gained[projection.index], rule.low, rule.high)
            final[f"{name}/eligibility"] = out[f"{j}/{j}_c"] * q[projection.index]
        final[f"{name}/weight"] = rule.sign * strength
        final |= {f"{name}/{key}": out[f"{p}/{j}_{key}_t"] for key in rule.rule.post.variables}
    for name, modulator in job.plan.modulators.items():
        m = job.names.modulator[name]
        if modulator.spec.readout is None:
            final[f"{name}/level"] = out[f"{m}/{m}_level"]
        for target in modulator.feedback:
            p = job.names.population[target]
            final[f"{name}@{target}/level"] = out[f"{p}/{m}_level_{p}"]
    return final


def plastic_snapshots(job: Description, out: Any) -> dict[str, Any]:
    """Weights of projections that were kept.

    Parameters
    ----------
    job : Description
        The network that ran.
    out : mapping of str to ndarray
        Its answer.

    Returns
    -------
    dict of str to (steps, weights)
    """
    table = {}
    for name, schedule in job.plan.record.weights.items():
        steps, projection = schedule[schedule < job.n_steps], job.plan.projections[name]
        weights = np.tile(projection.weight, (steps.size, 1))
        if projection.plasticity is not None and steps.size and projection.weight.size:
            j = job.names.projection[name]
            weights = out[f"{j}_kept/{j}_now"].T[steps // snapshot_period(schedule, job.n_steps)]
        table[name] = (steps, weights)
    return table
