"""From a plan to the description of one Brian2 network: equations, code, slots and orders as data.

Slots of the step contract and where Brian2 runs them::

    S0 start    S1 linked read-out outputs    S2 groups    S3 thresholds    S4 synapses    S5 resets
    S6 end      S7 after_end

The update of a population is one ``run_regularly`` in the slot ``groups``, so statements run in the order
in which they are written, on every target; an integration ``method`` would do the same but needs differential
equations that say something else. Every name carries the prefix of its part, as in the Numba
kernel, so nothing can collide with Brian2's own names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from arcuate._philox import standard_normals
from arcuate.engines._brian_learn import describe_readout
from arcuate.engines._brian_plastic import PlasticDescription, describe_modulator
from arcuate.engines._emit import input_terms
from arcuate.engines._programs import expression, program
from arcuate.engines._short_term import describe_short_term
from arcuate.engines._source import Names
from arcuate.engines.plan import (
    Array,
    CurrentPlan,
    FeaturePlan,
    InputPlan,
    Plan,
    PopulationPlan,
    ProjectionPlan,
)
from arcuate.mechanisms.expressions import Expression, Program

SLOTS = 3
"""Orders that a projection has within the slot of the synapses."""


class Description:
    """A network as data: what the job of the other process is given.

    Attributes
    ----------
    timed, groups, synapses, updates, monitors : list of dict
        Arrays looked up by time, neuron groups, synapses, code that runs at every step, monitors.
    final : list of (group, variable)
        What is read at the end.
    arrays : dict of str to ndarray
        Numbers that the above refer to by key.
    """

    def __init__(self, plan: Plan, n_steps: int) -> None:
        self.plan, self.names, self.n_steps = plan, Names.of(plan), n_steps
        self.timed: list[dict[str, Any]] = []
        self.groups: dict[str, dict[str, Any]] = {}
        self.synapses: list[dict[str, Any]] = []
        self.updates: list[dict[str, Any]] = []
        self.monitors: list[dict[str, Any]] = []
        self.final: list[tuple[str, str]] = []
        self.arrays: dict[str, Array] = {}

    def spec(self) -> dict[str, Any]:
        """The description without its arrays, for JSON."""
        return {
            "dt": self.plan.dt,
            "n_steps": self.n_steps,
            "timed": self.timed,
            "groups": list(self.groups.values()),
            "synapses": self.synapses,
            "updates": self.updates,
            "monitors": self.monitors,
            "final": self.final,
        }

    def add_timed(self, name: str, values: Array, every: int = 1) -> None:
        """Add an array that is looked up by time, one row for each `every` steps."""
        key = f"timed/{name}"
        self.arrays[key] = np.asarray(values, float)
        self.timed.append({"name": name, "key": key, "every": every})

    def add_group(self, name: str, n: int, *, order: int) -> dict[str, Any]:
        """Add a group without variables."""
        group = {
            "name": name, "n": n, "order": order, "equations": "", "threshold": None, "reset": None,
            "events": {}, "linked": {}, "values": {},
        }  # fmt: skip
        self.groups[name] = group
        return group

    def declare(self, group: dict[str, Any], variable: str, value: Array, *flags: str) -> None:
        """Add a variable to a group with its value; () makes it one number that all neurons share."""
        value = np.asarray(value, float)
        words = [*flags, "shared"] if value.ndim == 0 else list(flags)
        self._equation(group, variable, words)
        key = f"{group['name']}/{variable}"
        self.arrays[key] = value
        group["values"][variable] = key

    def declare_local(self, group: dict[str, Any], variable: str) -> None:
        """Add one number that all neurons of a group share and that code sets before it is read."""
        self._equation(group, variable, ["shared"])

    def link(self, group: dict[str, Any], variable: str, source: str, its_variable: str) -> None:
        """Add a variable that is the one value of a variable of another group."""
        self._equation(group, variable, ["linked"])
        group["linked"][variable] = (source, its_variable)

    @staticmethod
    def _equation(group: dict[str, Any], variable: str, words: list[str]) -> None:
        line = f"{variable} : 1" + (f" ({', '.join(words)})" if words else "")
        group["equations"] += line + "\n"

    def update(
        self, name: str, group: str, lines: Iterable[str], *, when: str, order: int, every: int = 1
    ) -> None:
        """Add code that runs in a slot of the steps that are a multiple of `every`."""
        code = "\n".join(lines)
        if code:
            self.updates.append(
                {"name": name, "group": group, "code": code, "when": when, "order": order, "every": every}
            )

    def add_synapses(
        self, name: str, source: str, target: str, *, order: int, **parts: Any
    ) -> dict[str, Any]:
        """Add synapses: ``i`` and ``j`` (indices), ``model``, optionally ``on_pre`` and ``delay`` (steps)."""
        for key in ("i", "j", "delay"):
            if key in parts:
                self.arrays[f"{name}/{key}"] = np.asarray(parts[key])
        synapses = {
            "name": name, "source": source, "target": target, "order": order, "model": parts["model"],
            "on_pre": parts.get("on_pre"), "when": "synapses" if "on_pre" in parts else "end",
            "on_post": parts.get("on_post"), "summed": parts.get("summed"),
            "i": f"{name}/i", "j": f"{name}/j", "delay": f"{name}/delay", "values": {},
        }  # fmt: skip
        self.synapses.append(synapses)
        return synapses

    def monitor(
        self,
        name: str,
        group: str,
        event: str,
        variables: Iterable[str],
        *,
        when: str,
        order: int,
        every: int = 0,
    ) -> None:
        """Record variables where an event happens, or of all neurons or synapses `every` so many steps."""
        self.monitors.append(
            {
                "name": name,
                "group": group,
                "event": event,
                "variables": list(variables),
                "when": when,
                "order": order,
                "every": every,
            }
        )


def describe(plan: Plan, n_steps: int) -> Description:
    """Write a plan as a Brian2 network.

    Parameters
    ----------
    plan : Plan
        The plan.
    n_steps : int
        How many of its steps will be run.

    Returns
    -------
    Description
    """
    job = Description(plan, n_steps)
    for order, drive in enumerate(plan.inputs.values()):
        _input(job, drive, order)
    for order, (name, readout) in enumerate(plan.readouts.items()):
        describe_readout(job, readout, job.names.readout[name], order)
    for order, population in enumerate(plan.populations.values()):
        _population(job, population, order)
    for order, modulator in enumerate(plan.modulators.values()):
        describe_modulator(job, modulator, order)
    for order, projection in enumerate(plan.projections.values()):
        _projection(job, projection, order)
    _record(job)
    return job


def emit(text: Expression, prefix: str, suffix: str = "") -> str:
    """Brian2 text of an expression whose names all get a prefix and a suffix."""
    return text.emit("brian", lambda key: f"{prefix}_{key}{suffix}")


def _statements(text: Program, prefix: str) -> list[str]:
    """Assignments of a program.

    Brian2 rewrites ``x = x + ...`` into ``x += ...`` by computer algebra, which changes the order of the
    operations; a statement that reads its own target therefore goes through a name of its own.
    """
    lines = []
    for number, (target, value) in enumerate(text.statements):
        name = f"{prefix}_{target}"
        if target in value.names:
            lines += [f"{prefix}__{number} = {emit(value, prefix)}", f"{name} = {prefix}__{number}"]
        else:
            lines.append(f"{name} = {emit(value, prefix)}")
    return lines


def _input(job: Description, drive: InputPlan, order: int) -> None:
    """S0: one array for each channel of a current; a group that fires for spikes."""
    x = job.names.input[drive.name]
    if drive.kind == "current":
        for channel in range(drive.values.shape[1]):
            job.add_timed(f"{x}_values{channel}", drive.values[:, channel], drive.every)
        return
    job.add_timed(f"{x}_values", drive.values)
    group = job.add_group(x, drive.values.shape[1], order=len(job.plan.populations) + order)
    group["threshold"] = f"{x}_values(t, i) != 0.0"


def _population(job: Description, population: PopulationPlan, order: int) -> None:
    plan, p, model = job.plan, job.names.population[population.name], population.model
    group = job.add_group(p, population.n, order=order)
    update, reset = program(model.updates[population.method]), program(model.reset)
    threshold = expression(model.threshold)
    for variable in model.variables:
        job.declare(group, f"{p}_{variable}", np.broadcast_to(population.initial[variable], population.n))
        job.final.append((p, f"{p}_{variable}"))
    _constants(job, group, p, population.values, update.reads | threshold.names | reset.reads)
    currents, features = plan.currents_of(population.name), plan.features_of(population.name)
    for current in currents:
        _current_variables(job, group, current)
    for feature in features:
        _feature_variables(job, group, feature)
    rows = _rows(job, group, population)
    job.update(f"{p}_inputs", p, rows, when="start", order=order)
    lines = _total_input(job, group, population) + _statements(update, p)
    for current in currents:
        lines += _statements(program(current.model.updates[current.method]), job.names.current[current.name])
    for feature in features:
        lines += _statements(program(feature.model.updates[feature.method]), job.names.feature[feature.name])
    job.update(f"{p}_update", p, lines, when="groups", order=order)
    group["threshold"] = emit(threshold, p)
    lines = _statements(reset, p)
    for feature in features:
        lines += _statements(program(feature.model.on_spike), job.names.feature[feature.name])
    group["reset"] = "\n".join(lines)


def _constants(
    job: Description, group: dict[str, Any], prefix: str, values: Mapping[str, Array], wanted: Iterable[str]
) -> None:
    for key in sorted(set(wanted) & set(values)):
        job.declare(group, f"{prefix}_{key}", values[key], "constant")


def _current_variables(job: Description, group: dict[str, Any], current: CurrentPlan) -> None:
    c, model = job.names.current[current.name], current.model
    wanted = set(program(model.updates[current.method]).reads) | set(expression(model.on_spike[1]).names)
    for _, text in current.outputs:
        wanted |= expression(text).names
    for variable in model.variables:
        job.declare(group, f"{c}_{variable}", np.zeros(group["n"]))
        job.final.append((group["name"], f"{c}_{variable}"))
    _constants(job, group, c, current.values, wanted)


def _feature_variables(job: Description, group: dict[str, Any], feature: FeaturePlan) -> None:
    f, model = job.names.feature[feature.name], feature.model
    wanted = program(model.updates[feature.method]).reads | program(model.on_spike).reads
    for variable in model.variables:
        job.declare(group, f"{f}_{variable}", np.zeros(group["n"]))
        job.final.append((group["name"], f"{f}_{variable}"))
    _constants(job, group, f, feature.values, wanted)


def _rows(job: Description, group: dict[str, Any], population: PopulationPlan) -> list[str]:
    """S0 and S1: the values of this step that all neurons share."""
    lines = []
    for kind, name, channel in input_terms(job.plan, population):
        if kind == "input":
            x = job.names.input[name]
            job.declare_local(group, f"{x}_{channel}")
            weight = job.plan.inputs[name].weight[population.name][channel]
            job.declare(group, f"{x}_weight{channel}", weight, "constant")
            lines.append(f"{x}_{channel} = {x}_values{channel}(t)")
        elif kind == "feedback":
            o = job.names.readout[name]
            job.link(group, f"{o}_z{channel}", o, f"{o}_z{channel}")
            weight = job.plan.readouts[name].feedback[population.name][channel]
            job.declare(group, f"{o}_feedback{channel}", weight, "constant")
    return lines


def _total_input(job: Description, group: dict[str, Any], population: PopulationPlan) -> list[str]:
    """The total input as one left-to-right sum, and the exact contributions of currents to a leaky v."""
    p = group["name"]
    job.declare(group, f"{p}_bias", np.broadcast_to(population.bias, population.n), "constant")
    sums = {"I": f"{p}_bias", "P": "0.0", "G": "0.0"}
    for kind, name, channel in input_terms(job.plan, population):
        if kind == "input":
            x = job.names.input[name]
            sums["I"] = f"({sums['I']} + {x}_weight{channel}*{x}_{channel})"
        elif kind == "feedback":
            o = job.names.readout[name]
            sums["I"] = f"({sums['I']} + {o}_feedback{channel}*{o}_z{channel})"
        elif kind == "noise":
            _noise(job, group, population)
            sums["I"] = f"({sums['I']} + {p}_noise_scale*{p}_noise(t, i))"
        else:
            c = job.names.current[name]
            for target, text in job.plan.currents[name].outputs:
                sums[target] = f"({sums[target]} + {_contribution(text, p, c)})"
    wanted = {"I": True, "P": population.leaky, "G": population.takes_conductance}
    return [f"{p}_{target} = {total}" for target, total in sums.items() if wanted[target]]


def _contribution(text: str, p: str, c: str) -> str:
    """Text of what a synaptic current adds; ``v`` is the target's."""
    return expression(text).emit("brian", lambda key: f"{p if key == 'v' else c}_{key}")


def _noise(job: Description, group: dict[str, Any], population: PopulationPlan) -> None:
    """The standard normals of the whole run, the same bits that the Numba engine uses."""
    noise, p = population.noise, group["name"]
    assert noise is not None
    job.declare(group, f"{p}_noise_scale", noise.scale, "constant")
    if noise.frozen is not None:
        values = noise.frozen[: job.n_steps, : population.n]
    else:
        values = standard_normals(job.plan.seed, noise.stream, 0, job.n_steps, n=population.n)
    job.add_timed(f"{p}_noise", values)


def _projection(job: Description, projection: ProjectionPlan, order: int) -> None:
    """S4: synapses in the order of the plan; Brian2's queue delivers the oldest spikes first."""
    if projection.left is not None:
        _low_rank(job, projection, order)
        return
    if projection.weight.size == 0:
        return
    plan, names = job.plan, job.names
    j, c = names.projection[projection.name], names.current[projection.current]
    p = names.population[projection.post]
    variable, amount = plan.currents[projection.current].model.on_spike

    def jump(weight: str) -> str:
        text = expression(amount).emit("brian", lambda key: weight if key == "w" else f"{c}_{key}_post")
        if variable != "post.v":
            return f"{c}_{variable}_post += {text}"
        refractory = "ref" in plan.populations[projection.post].model.variables
        return f"{p}_v_post += {text}" + (f"*int({p}_ref_post <= 0.0)" if refractory else "")

    pre, delay = projection.edges()
    place: dict[str, Any] = {"order": SLOTS * order, "i": pre, "j": projection.index, "delay": delay}
    if projection.plasticity is not None:
        plastic = PlasticDescription(job, projection, order)
        plastic.declare()
        synapses = job.add_synapses(
            j, names.source(projection.pre), p, model=plastic.model(), on_pre=plastic.on_pre(jump),
            on_post=plastic.on_post(), summed=plastic.summed(), **place,
        )  # fmt: skip
        plastic.values(synapses)
        plastic.updates()
        return
    synapses = job.add_synapses(
        j, names.source(projection.pre), p, model=f"{j}_w : 1 (constant)", on_pre=jump(f"{j}_w"), **place
    )
    if projection.short_term is not None:
        lines = _released(job, synapses, projection, pre)
        synapses["on_pre"] = "\n".join([*lines, jump(f"({j}_w*{j}_release)")])
    job.arrays[f"{j}/w"] = projection.weight
    synapses["values"][f"{j}_w"] = f"{j}/w"


def _released(
    job: Description, synapses: dict[str, Any], projection: ProjectionPlan, pre: Array
) -> list[str]:
    """Short-term plasticity: statements that set what the spike at hand delivers."""
    j = job.names.projection[projection.name]
    head = [f"{j}_elapsed = (t_in_timesteps - {j}_last)*{j}_dt", f"{j}_last = t_in_timesteps"]
    return head + _statements(*describe_short_term(job, synapses, projection, j, pre=pre))


def _low_rank(job: Description, projection: ProjectionPlan, order: int) -> None:
    """S4: spikes add the right factors into a group of one, whose sums the targets weigh by the left ones."""
    plan, names, left, right = job.plan, job.names, projection.left, projection.right
    assert left is not None and right is not None
    j, c = names.projection[projection.name], names.current[projection.current]
    p, latent = names.population[projection.post], f"{j}_latent"
    group, pre = job.groups[p], np.arange(right.shape[0])
    job.add_group(latent, 1, order=0)
    total, sums = "0.0", range(right.shape[1])
    for k in sums:
        job.declare(job.groups[latent], f"{j}_sum{k}", np.zeros(1))
        job.declare(group, f"{j}_left{k}", left[:, k], "constant")
        job.link(group, f"{j}_sum{k}", latent, f"{j}_sum{k}")
        total = f"({total} + {j}_left{k}*{j}_sum{k})"
    synapses = job.add_synapses(
        j, names.source(projection.pre), latent, order=SLOTS * order, i=pre, j=np.zeros_like(pre),
        delay=np.full(pre.size, projection.delays[0]), on_pre="",
        model="\n".join(f"{j}_right{k} : 1 (constant)" for k in sums),
    )  # fmt: skip
    lines = [] if projection.short_term is None else _released(job, synapses, projection, pre)
    share = "" if projection.short_term is None else f"*{j}_release"
    synapses["on_pre"] = "\n".join([*lines, *(f"{j}_sum{k}_post += {j}_right{k}{share}" for k in sums)])
    for k in sums:
        job.arrays[f"{j}/right{k}"] = right[:, k].copy()
        synapses["values"][f"{j}_right{k}"] = f"{j}/right{k}"
    variable, amount = plan.currents[projection.current].model.on_spike
    text = expression(amount).emit("brian", lambda key: f"{j}_total" if key == "w" else f"{c}_{key}")
    target = f"{p}_v" if variable == "post.v" else f"{c}_{variable}"
    if variable == "post.v" and "ref" in plan.populations[projection.post].model.variables:
        text += f"*int({p}_ref <= 0.0)"
    code = [f"{j}_total = {total}", f"{j}_more = {target} + {text}", f"{target} = {j}_more"]
    job.update(f"{j}_spread", p, code, when="synapses", order=SLOTS * order + 1)
    clear = [f"{j}_sum{k} = 0.0" for k in sums]
    job.update(f"{j}_clear", latent, clear, when="synapses", order=SLOTS * order + 2)


def _record(job: Description) -> None:
    """S7: spikes, and the states of some neurons at the scheduled steps by an event of their own."""
    for name in job.plan.record.spikes:
        p = job.names.population[name]
        job.monitor(f"{p}_spikes", p, "spike", (), when="after_end", order=0)
    steps = job.plan.record.steps
    if not job.plan.record.states or not steps.size:
        return
    now = np.zeros(job.n_steps)
    now[steps[steps < job.n_steps]] = 1.0
    job.add_timed("record_now", now)
    for number, (site, variable, neurons) in enumerate(job.plan.record.states):
        group = job.groups[job.names.population[owner(job.plan, site)]]
        keep = np.zeros(group["n"])
        keep[neurons] = 1.0
        job.declare(group, f"record{number}_keep", keep, "constant")
        group["events"][f"record{number}"] = {
            "condition": f"record_now(t) > 0.5 and record{number}_keep > 0.5",
            "when": "after_end", "order": 2 * number + 1,
        }  # fmt: skip
        job.monitor(
            f"record{number}", group["name"], f"record{number}", [f"{job.names.any(site)}_{variable}"],
            when="after_end", order=2 * number + 2,
        )  # fmt: skip


def owner(plan: Plan, site: str) -> str:
    """Population in whose group the variables of a site live."""
    if site in plan.populations:
        return site
    return plan.currents[site].post if site in plan.currents else plan.features[site].population
