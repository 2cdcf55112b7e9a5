"""Plastic projections and modulators in the kernel, and the state that they need.

The kernel keeps strengths, which are weights times the sign of their projection. With an event-driven
eligibility a synapse holds its strength as ``base + c B`` and its eligibility as ``c q``: q is the decay
since the start of the epoch, the same for all, and B the sum since then of what each step would give a
synapse of eligibility q. Both cost one number for each target and step, not for each synapse; a synapse is
touched when a spike of either side meets it, and once an epoch, of one `tau_e`, to start q afresh.

A presynaptic trace is kept once for each source, as if without delay, with its values of the last steps: a
synapse of delay d reads it as it was d steps ago, before the jump of that step where an arrival reads it and
after it elsewhere. So the cost of a trace does not depend on the number of delays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from arcuate.engines._programs import expression, program
from arcuate.engines._source import Names, Source
from arcuate.engines.plan import Array, ModulatorPlan, Plan, PlasticityPlan, ProjectionPlan

Rename = Callable[[str], str]


def plastic_of(plan: Plan) -> list[tuple[ProjectionPlan, PlasticityPlan]]:
    """Plastic projections with their rules, in the order of the plan.

    Parameters
    ----------
    plan : Plan
        The plan.

    Returns
    -------
    list of (ProjectionPlan, PlasticityPlan)
    """
    return [(p, p.plasticity) for p in plan.projections.values() if p.plasticity is not None]


def event_driven(rule: PlasticityPlan) -> bool:
    """Whether the eligibility of a rule is kept in closed form.

    Parameters
    ----------
    rule : PlasticityPlan
        The rule.

    Returns
    -------
    bool
    """
    return rule.spec.method == "event_driven"


def plastic_constants(plan: Plan, names: Names) -> dict[str, Any]:
    """Kernel arguments of rules and modulators that never change.

    Parameters
    ----------
    plan : Plan
        The plan.
    names : Names
        Identifiers.

    Returns
    -------
    dict
    """
    table: dict[str, Any] = {}
    for projection, rule in plastic_of(plan):
        j = names.projection[projection.name]
        table |= {f"{j}_{key}": float(value) for key, value in rule.values.items()}
        table |= {f"{j}_low": rule.low, f"{j}_high": rule.high, f"{j}_epoch": rule.epoch}
        table |= {f"{j}_column": rule.column, f"{j}_edge": rule.edge}
        table |= {f"{j}_source": rule.source, f"{j}_row": rule.row}
        table |= {f"{j}_every": rule.every, f"{j}_norm": rule.norm}
    for name, modulator in plan.modulators.items():
        m = names.modulator[name]
        table |= {f"{m}_values": modulator.values, f"{m}_gate": modulator.gate}
        table |= {f"{m}_decay": modulator.decay, f"{m}_baseline": modulator.spec.baseline}
        for target, weight in modulator.feedback.items():
            table[f"{m}_{names.population[target]}_feedback"] = weight
    return table


def plastic_state(plan: Plan, names: Names) -> dict[str, Array]:
    """Arrays of rules and modulators that move, at step 0.

    Parameters
    ----------
    plan : Plan
        The plan.
    names : Names
        Identifiers.

    Returns
    -------
    dict of str to ndarray
    """
    table: dict[str, Array] = {}
    for projection, rule in plastic_of(plan):
        j, n_post = names.projection[projection.name], rule.column.size - 1
        table[f"{j}_strength"] = rule.sign * projection.weight
        n_pre, depth = projection.indptr.shape[1] - 1, int(projection.delays.max(initial=0)) + 1
        table[f"{j}_slots"] = np.zeros(projection.delays.size, np.int64)
        for key in rule.rule.pre.variables:
            table |= {f"{j}_{key}": np.zeros(n_pre), f"{j}_{key}_after": np.zeros(depth * n_pre)}
            if key in _own_traces(rule):
                table[f"{j}_{key}_before"] = np.zeros(depth * n_pre)
        table |= {f"{j}_{key}": rule.initial[key].copy() for key in rule.rule.post.variables}
        if rule.spec.tau_e is not None:
            table[f"{j}_eligibility"] = np.zeros(projection.weight.size)
        if event_driven(rule):
            table |= {f"{j}_gained": np.zeros(n_post), f"{j}_q": np.ones(1)}
    for name, modulator in plan.modulators.items():
        m = names.modulator[name]
        for owner, n in _levels(plan, names, modulator, m).items():
            table |= {f"{owner}_level": np.zeros(n), f"{owner}_factor": np.zeros(n)}
    return table


def _own_traces(rule: PlasticityPlan) -> list[str]:
    """Presynaptic traces that an arrival reads."""
    names = expression(rule.rule.on_pre).names if rule.rule.on_pre else frozenset()
    return [key for key in rule.rule.pre.variables if key in names]


def _levels(plan: Plan, names: Names, modulator: ModulatorPlan, m: str) -> dict[str, int]:
    """Identifiers and lengths of a modulator's levels."""
    if modulator.spec.readout is None:
        return {m: 1}
    return {f"{m}_{names.population[name]}": plan.populations[name].n for name in modulator.feedback}


def plastic_names(plan: Plan, names: Names) -> dict[str, str]:
    """Plan name -> kernel name of what a user may look at.

    Parameters
    ----------
    plan : Plan
        The plan.
    names : Names
        Identifiers.

    Returns
    -------
    dict of str to str
    """
    table = {}
    for projection, rule in plastic_of(plan):
        j, name = names.projection[projection.name], projection.name
        table[f"{name}/weight"] = f"{j}_strength"
        if rule.spec.tau_e is not None:
            table[f"{name}/eligibility"] = f"{j}_eligibility"
        keys = [*rule.rule.pre.variables, *rule.rule.post.variables]
        table |= {f"{name}/{key}": f"{j}_{key}" for key in keys}
    for name, modulator in plan.modulators.items():
        for owner in _levels(plan, names, modulator, names.modulator[name]):
            m = names.modulator[name]
            target = {f"{m}_{names.population[key]}": f"@{key}" for key in modulator.feedback}.get(owner, "")
            table[f"{name}{target}/level"] = f"{owner}_level"
    return table


def plastic_values(plan: Plan, names: Names, moving: Mapping[str, Array]) -> dict[str, Array]:
    """Weights and eligibilities as they are now, from what the kernel keeps.

    Parameters
    ----------
    plan : Plan
        The plan.
    names : Names
        Identifiers.
    moving : mapping of str to ndarray
        State of the kernel.

    Returns
    -------
    dict of str to ndarray
        By the names of the kernel's own arrays, in stored order.
    """
    table = {}
    for projection, rule in plastic_of(plan):
        j = names.projection[projection.name]
        strength = moving[f"{j}_strength"]
        if event_driven(rule):
            c = moving[f"{j}_eligibility"]
            strength = np.clip(strength + c * moving[f"{j}_gained"][projection.index], rule.low, rule.high)
            table[f"{j}_eligibility"] = c * moving[f"{j}_q"]
        table[f"{j}_strength"] = rule.sign * strength
    return table


class Emitter:
    """Writes what one plastic projection does in each slot."""

    def __init__(self, src: Source, names: Names, plan: Plan, projection: ProjectionPlan) -> None:
        assert projection.plasticity is not None
        self.src, self.names, self.plan, self.projection = src, names, plan, projection
        self.rule, self.spec = projection.plasticity.rule, projection.plasticity.spec
        self.j, self.p = names.projection[projection.name], names.population[projection.post]
        self.event = event_driven(projection.plasticity)

    def rename(self, key: str) -> str:
        """Identifier in the kernel of a name in the rule."""
        if key == "w":
            return "strength"
        if key.startswith("post_"):
            variable = f"{self.p}_{key.removeprefix('post_')}"
            self.src.use(variable)
            return f"{variable}[i]"
        if key in self.rule.pre.variables or key in self.rule.post.variables:
            return f"{self.j}_{key}_"
        self.src.use(f"{self.j}_{key}")
        return f"{self.j}_{key}"

    def load(self, keys: Any, index: str, past: str = "") -> None:
        """Read traces into locals: as they are, or ``_before`` or ``_after`` the jump of a past step."""
        for key in keys:
            self.src.use(f"{self.j}_{key}{past}")
            self.src.line(f"{self.j}_{key}_ = {self.j}_{key}{past}[{index}]")

    def run(self, text: str, keys: Any, index: str) -> None:
        """Run a program on traces and write back those that it assigns."""
        steps = program(text)
        for target, value in steps.statements:
            self.src.line(f"{self.j}_{target}_ = {value.emit('numba', self.rename)}")
        for key in keys:
            if key in steps.assigned:
                self.src.line(f"{self.j}_{key}[{index}] = {self.j}_{key}_")

    def traces(self) -> None:
        """S2: decay of the traces, after the neurons."""
        for side in (self.rule.pre, self.rule.post):
            if not side.update:
                continue
            keys = list(side.variables)
            self.src.use(f"{self.j}_{keys[0]}")
            self.src.line(f"for i in range({self.j}_{keys[0]}.shape[0]):")
            with self.src.block():
                self.load(keys, "i")
                self.run(side.update, keys, "i")

    def launch(self) -> None:
        """After S3: jumps of the presynaptic traces, and their values of this step for later arrivals."""
        pre, s = self.rule.pre, self.names.source(self.projection.pre)
        if not pre.variables:
            return
        j, own = self.j, _own_traces(self.projection.plasticity)  # type: ignore[arg-type]
        self.src.use(f"{j}_delays", f"{j}_slots", f"{s}_n", f"{s}_ring")
        keys = list(pre.variables)
        depth = f"({j}_{keys[0]}_after.shape[0] // {s}_n)"
        self.src.use(f"{j}_{keys[0]}_after")
        self.src.line(f"place = (n % {depth}) * {s}_n")
        self._store(own, s, "_before")
        self.src.line(f"for b in range({s}_fired):")
        with self.src.block():
            self.src.line(f"i = {s}_ring[{s}_now, b]")
            self.load(keys, "i")
            self.run(pre.on_spike, keys, "i")
        self._store(keys, s, "_after")
        self.src.line(f"for k in range({j}_delays.shape[0]):")
        self.src.line(f"    {j}_slots[k] = ((n - {j}_delays[k]) % {depth}) * {s}_n")

    def _store(self, keys: list[str], s: str, past: str) -> None:
        for key in keys:
            self.src.use(f"{self.j}_{key}", f"{self.j}_{key}{past}")
            self.src.line(f"for i in range({s}_n):")
            self.src.line(f"    {self.j}_{key}{past}[place + i] = {self.j}_{key}[i]")

    def bounded(self, text: str) -> str:
        """A strength inside its bounds; a NaN stays one."""
        low, high = f"{self.j}_low", f"{self.j}_high"
        self.src.use(low, high)
        return f"({low} if {text} < {low} else ({high} if {text} > {high} else {text}))"

    def present(self, e: str) -> None:
        """The strength of a synapse now, in ``strength``."""
        j = self.j
        self.src.use(f"{j}_strength")
        self.src.line(f"strength = {j}_strength[{e}]")
        if self.event:
            self.src.use(f"{j}_eligibility", f"{j}_gained")
            self.src.line(f"strength = strength + {j}_eligibility[{e}] * {j}_gained[i]")
            self.src.line(f"strength = {self.bounded('strength')}")

    def change(self, text: str, e: str) -> None:
        """Put an increment where it belongs: the eligibility, or the strength."""
        j, value = self.j, expression(text).emit("numba", self.rename)
        self.src.line(f"change = {value}")
        if self.event:
            self.src.use(f"{j}_q")
            self.src.line(f"share = {j}_eligibility[{e}] + change / {j}_q[0]")
            self.src.line(f"{j}_eligibility[{e}] = share")
            self.src.line(f"{j}_strength[{e}] = strength - share * {j}_gained[i]")
            return
        if self.spec.tau_e is not None:
            self.src.use(f"{j}_eligibility")
            self.src.line(f"{j}_eligibility[{e}] = {j}_eligibility[{e}] + change")
            return
        if self.spec.modulator is not None:
            self.src.line(f"change = change * {self._factor('factor')}")
        self.grow(e)

    def grow(self, e: str) -> None:
        """Add ``change`` to ``strength`` inside the bounds."""
        if self.spec.bounds == "soft":
            low, high = f"{self.j}_low", f"{self.j}_high"
            self.src.use(low, high)
            room = f"({high} - strength if change > 0.0 else strength - {low})"
            self.src.line(f"change = change * ({room} / ({high} - {low}))")
        self.src.line("strength = strength + change")
        self.src.line(f"strength = {self.bounded('strength')}")
        self.src.line(f"{self.j}_strength[{e}] = strength")

    def _factor(self, which: str) -> str:
        """A number of the modulator for target i: ``"factor"`` (M) or ``"level"``."""
        modulator = self.plan.modulators[str(self.spec.modulator)]
        m = self.names.modulator[modulator.name]
        if modulator.spec.readout is None:
            self.src.use(f"{m}_{which}")
            return f"{m}_{which}[0]"
        self.src.use(f"{m}_{self.p}_{which}")
        return f"{m}_{self.p}_{which}[i]"

    def arrival(self, jump: Callable[[str], None]) -> None:
        """S4: deliver each synapse of a row that a spike reaches, then change it."""
        j, post = self.j, self.rule.post
        self.src.use(f"{j}_indptr", f"{j}_index")
        self.load(_own_traces(self.projection.plasticity), f"{j}_slots[k] + row", "_before")  # type: ignore[arg-type]
        self.src.line(f"for e in range({j}_indptr[k, row], {j}_indptr[k, row + 1]):")
        with self.src.block():
            self.src.line(f"i = {j}_index[e]")
            self.present("e")
            sign = "-" if self.projection.plasticity.sign < 0.0 else ""  # type: ignore[union-attr]
            self.src.line(f"weight = {sign}strength")
            jump("weight")
            if self.rule.on_pre:
                self.load([k for k in post.variables if k in expression(self.rule.on_pre).names], "i")
                self.change(self.rule.on_pre, "e")

    def _column(self, text: str) -> None:
        """Change all synapses onto target i."""
        j, names = self.j, expression(text).names
        self.src.use(f"{j}_column", f"{j}_edge")
        read = [key for key in self.rule.pre.variables if key in names]
        if read:
            self.src.use(f"{j}_source", f"{j}_slots", f"{j}_row")
        single = self.projection.delays.size == 1
        place = f"{j}_slots[{'0' if single else f'{j}_row[a]'}] + {j}_source[a]"
        self.src.line(f"for a in range({j}_column[i], {j}_column[i + 1]):")
        with self.src.block():
            self.src.line(f"e = {j}_edge[a]")
            self.load(read, place, "_after")
            self.present("e")
            self.change(text, "e")

    def steps(self) -> None:
        """End of S4: what happens at every step to targets for which the rule is active."""
        if not self.rule.on_step:
            return
        post = self.rule.post.variables
        self.src.use(f"{self.p}_n")
        self.src.line(f"for i in range({self.p}_n):")
        with self.src.block():
            self.load(post, "i")
            self.src.line(f"if {expression(self.rule.active).emit('numba', self.rename)}:")
            with self.src.block():
                self._column(self.rule.on_step)

    def fired(self) -> None:
        """S6: the synapses onto targets that fired, then the traces of these targets."""
        post = self.rule.post
        if not self.rule.on_post and not post.on_spike:
            return
        self.src.use(f"{self.p}_ring")
        self.src.line(f"for b in range({self.p}_fired):")
        with self.src.block():
            self.src.line(f"i = {self.p}_ring[{self.p}_now, b]")
            self.load(post.variables, "i")
            if self.rule.on_post:
                self._column(self.rule.on_post)
            if post.on_spike:
                self.run(post.on_spike, post.variables, "i")

    def drift(self) -> None:
        """S6: what the modulator makes of the eligibilities."""
        if self.spec.tau_e is None:
            return
        j, m = self.j, self.names.modulator[str(self.spec.modulator)]
        self.src.use(
            f"{m}_gate", f"{j}_gain_level", f"{j}_gain_base", f"{j}_decay_e", f"{j}_eligibility",
            f"{j}_strength", f"{j}_index",
        )  # fmt: skip
        gain = f"{m}_gate[n] * ({j}_gain_level * {self._factor('level')} - {j}_gain_base)"
        if not self.event:
            self.src.line(f"for e in range({j}_index.shape[0]):")
            with self.src.block():
                self.src.line(f"i = {j}_index[e]")
                self.src.line(f"strength = {j}_strength[e]")
                self.src.line(f"change = {j}_eligibility[e] * ({gain})")
                self.grow("e")
                self.src.line(f"{j}_eligibility[e] = {j}_decay_e * {j}_eligibility[e]")
            return
        self.src.use(f"{j}_gained", f"{j}_q", f"{j}_epoch", f"{self.p}_n")
        self.src.line(f"if n % {j}_epoch == 0:")
        with self.src.block():
            self.src.line(f"for e in range({j}_index.shape[0]):")
            with self.src.block():
                self.src.line(f"i = {j}_index[e]")
                self.present("e")
                self.src.line(f"{j}_strength[e] = strength")
                self.src.line(f"{j}_eligibility[e] = {j}_eligibility[e] * {j}_q[0]")
            self.src.line(f"for i in range({self.p}_n):")
            self.src.line(f"    {j}_gained[i] = 0.0")
            self.src.line(f"{j}_q[0] = 1.0")
        self.src.line(f"for i in range({self.p}_n):")
        self.src.line(f"    {j}_gained[i] = {j}_gained[i] + {j}_q[0] * ({gain})")
        self.src.line(f"{j}_q[0] = {j}_q[0] * {j}_decay_e")

    def periodic(self) -> None:
        """S6, once a period: increments of all synapses, then their normalization."""
        if not self.projection.plasticity.every:  # type: ignore[union-attr]
            return
        j = self.j
        self.src.use(f"{j}_every", f"{self.p}_n")
        self.src.line(f"if n % {j}_every == 0:")
        with self.src.block():
            self.src.line(f"for i in range({self.p}_n):")
            with self.src.block():
                if self.rule.periodic:
                    self.load(self.rule.post.variables, "i")
                    self._column(self.rule.periodic)
                if self.spec.normalize is not None:
                    self._normalize()

    def _normalize(self) -> None:
        """Multiply the strengths onto target i so that their norm is that of the start."""
        j, l1 = self.j, self.spec.normalize == "l1"
        self.src.use(f"{j}_column", f"{j}_edge", f"{j}_norm")
        self.src.line("total = 0.0")
        self.src.line(f"for a in range({j}_column[i], {j}_column[i + 1]):")
        with self.src.block():
            self.src.line(f"e = {j}_edge[a]")
            self.present("e")
            self.src.line(f"total += {'abs(strength)' if l1 else 'strength * strength'}")
        self.src.line("if total > 0.0:")
        with self.src.block():
            self.src.line(f"scale = {j}_norm[i] / {'total' if l1 else 'math.sqrt(total)'}")
            self.src.line(f"for a in range({j}_column[i], {j}_column[i + 1]):")
            with self.src.block():
                self.src.line(f"e = {j}_edge[a]")
                self.present("e")
                self.src.line("strength = strength * scale")
                self.src.line(f"strength = {self.bounded('strength')}")
                kept = f" - {j}_eligibility[e] * {j}_gained[i]" if self.event else ""
                self.src.line(f"{j}_strength[e] = strength{kept}")


def emit_modulator(src: Source, names: Names, modulator: ModulatorPlan) -> None:
    """Write the part of S6 in which a modulator moves.

    Parameters
    ----------
    src : Source
        Kernel being written.
    names : Names
        Identifiers.
    modulator : ModulatorPlan
        The modulator.
    """
    m = names.modulator[modulator.name]
    src.use(f"{m}_gate", f"{m}_baseline")
    if modulator.spec.readout is None:
        src.use(f"{m}_level", f"{m}_factor", f"{m}_values", f"{m}_decay")
        src.line(f"{m}_level[0] = {m}_decay * {m}_level[0] + {m}_values[n, 0]")
        src.line(f"{m}_factor[0] = {m}_gate[n] * ({m}_level[0] - {m}_baseline)")
        return
    o = names.readout[modulator.spec.readout]
    src.use(f"{o}_error")
    for target, weight in modulator.feedback.items():
        p = names.population[target]
        src.use(f"{m}_{p}_level", f"{m}_{p}_factor", f"{m}_{p}_feedback")
        src.line(f"for i in range({m}_{p}_level.shape[0]):")
        with src.block():
            src.line("total = 0.0")
            for k in range(weight.shape[0]):
                src.line(f"total = total + {m}_{p}_feedback[{k}, i] * {o}_error[{k}]")
            src.line(f"{m}_{p}_level[i] = total")
            src.line(f"{m}_{p}_factor[i] = {m}_gate[n] * (total - {m}_baseline)")


def emit_snapshots(src: Source, names: Names, plan: Plan) -> None:
    """Write the copies of weights that are kept, before a step.

    Parameters
    ----------
    src : Source
        Kernel being written.
    names : Names
        Identifiers.
    plan : Plan
        The plan.
    """
    for name in plan.record.weights:
        projection, j = plan.projections[name], names.projection[name]
        if projection.plasticity is None:
            continue
        emitter = Emitter(src, names, plan, projection)
        src.use(f"{j}_kept", f"{j}_kept_steps", f"{j}_kept_next", f"{j}_index")
        src.line(f"if {j}_kept_next[0] < {j}_kept_steps.shape[0] and {j}_kept_steps[{j}_kept_next[0]] == n:")
        with src.block():
            src.line(f"for e in range({j}_index.shape[0]):")
            with src.block():
                src.line(f"i = {j}_index[e]")
                emitter.present("e")
                sign = "-" if projection.plasticity.sign < 0.0 else ""
                src.line(f"{j}_kept[{j}_kept_next[0], e] = {sign}strength")
            src.line(f"{j}_kept_next[0] += 1")
