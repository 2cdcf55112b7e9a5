"""From a plan to the source of one fused time loop.

The text depends on the structure of the plan alone (which mechanisms, which values vary from neuron to
neuron, whether synapses are many and in long rows), never on its numbers, so that one compiled kernel
serves every run of a structure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from arcuate.engines._emit_events import emit_decay, emit_fold, emit_spike
from arcuate.engines._emit_learn import emit_readout
from arcuate.engines._emit_plastic import Emitter, emit_modulator, emit_snapshots, plastic_of
from arcuate.engines._programs import expression, program
from arcuate.engines._short_term import emit_release
from arcuate.engines._source import Names, Source
from arcuate.engines.plan import CurrentPlan, FeaturePlan, Plan, PopulationPlan, ProjectionPlan

BLOCK = 64
"""Neurons whose spike flags, a byte each, are looked at together as eight words; flags are padded to it."""

LINE = 16
"""Synapses whose indices fill a cache line, and whose weights fill two."""

FAR = 2**18
"""Synapses of a projection, at least, that are more than the caches of one processor core hold: 3 MB."""


@dataclass(frozen=True, kw_only=True)
class KernelText:
    """A kernel's source and the names of its arguments, in order."""

    text: str
    arguments: tuple[str, ...]


def emit_kernel(plan: Plan, *, order: str = "strict", precision: str = "float64") -> KernelText:
    """Write the time loop of a plan.

    Parameters
    ----------
    plan : Plan
        What to run.
    order : {"strict", "fast"}
        Order of sums.
    precision : {"float64", "float32"}
        Precision of neurons, synapses and filters.

    Returns
    -------
    KernelText
        Source of ``kernel(n0, n1, ...)``, which runs steps n0 to n1 - 1 and returns the next step;
        less than n1 when a spike buffer could overflow.
    """
    names = Names.of(plan, order)
    src = Source(precision)
    plastic = {p.name: Emitter(src, names, plan, p) for p, _ in plastic_of(plan)}
    src.line("for n in range(n0, n1):")
    with src.block():
        emit_capacity(src, names, plan)
        emit_snapshots(src, names, plan)
        emit_inputs(src, names, plan)
        emit_feedback(src, names, plan)
        emit_decay(src, names, plan)
        for population in plan.populations.values():
            emit_update(src, names, plan, population)
        for rule in plastic.values():
            rule.traces()
        for population in plan.populations.values():
            _spikes(src, names, plan, population)
        for source in _spike_inputs(plan):
            _input_spikes(src, names, source)
        emit_release(src, names, plan)
        for rule in plastic.values():
            rule.launch()
        for projection in plan.projections:
            _deliver(src, names, plan, projection, plastic.get(projection))
        for rule in plastic.values():
            rule.steps()
        for population in plan.populations.values():
            emit_reset(src, names, plan, population)
        for readout in plan.readouts.values():
            emit_readout(src, names, plan, readout)
        emit_fold(src, names, plan)
        for rule in plastic.values():
            rule.fired()
        for modulator in plan.modulators.values():
            emit_modulator(src, names, modulator)
        for rule in plastic.values():
            rule.drift()
            rule.periodic()
        _record(src, names, plan)
    src.line("return n1")
    return KernelText(text=src.text(), arguments=src.arguments)


def emit_capacity(src: Source, names: Names, plan: Plan, *, leave: str = "return n") -> None:
    """Leave the loop before a spike buffer could overflow."""
    for name in plan.record.spikes:
        p = names.population[name]
        src.use(f"{p}_count", f"{p}_spike_neuron", f"{p}_n")
        src.line(f"if {p}_count[0] + {p}_n > {p}_spike_neuron.shape[0]:")
        src.line(f"    {leave}")


def emit_inputs(src: Source, names: Names, plan: Plan) -> None:
    """S0: the row of each driven input, one scalar a channel."""
    for name, drive in plan.inputs.items():
        if drive.kind != "current":
            continue
        x = names.input[name]
        src.use(f"{x}_values", f"{x}_every")
        src.line(f"{x}_row = n // {x}_every")
        for channel in range(drive.values.shape[1]):
            src.line(f"{x}_{channel} = " + src.scalar(f"{x}_values[{x}_row, {channel}]"))


def emit_feedback(src: Source, names: Names, plan: Plan) -> None:
    """S1: the read-outs' outputs of the end of the step before."""
    for name, readout in plan.readouts.items():
        if readout.feedback:
            o = names.readout[name]
            src.use(f"{o}_z")
            for k in range(readout.n_outputs):
                src.line(f"{o}_z{k} = " + src.scalar(f"{o}_z[{k}]"))


def input_terms(plan: Plan, population: PopulationPlan) -> list[tuple[str, str, int]]:
    """Terms of a population's total input after its bias, in the order of the sum.

    Parameters
    ----------
    plan : Plan
        The plan.
    population : PopulationPlan
        Whose input.

    Returns
    -------
    list of (kind, name, channel)
        Kind is ``"input"``, ``"feedback"``, ``"noise"`` or ``"current"``.
    """
    terms = [
        ("input", name, channel)
        for name, drive in plan.inputs.items()
        if drive.kind == "current" and population.name in drive.weight
        for channel in range(drive.values.shape[1])
    ]
    terms += [
        ("feedback", name, k)
        for name, readout in plan.readouts.items()
        if population.name in readout.feedback
        for k in range(readout.n_outputs)
    ]
    if population.noise is not None:
        terms.append(("noise", population.name, 0))
    terms += [("current", c.name, 0) for c in plan.currents_of(population.name) if c.outputs]
    return terms


def _value(src: Source, owner: str, key: str, value_shape: tuple[int, ...]) -> str:
    """Text that reads a value for neuron i; scalars are scalar arguments."""
    src.use(f"{owner}_{key}")
    return f"{owner}_{key}[i]" if value_shape else f"{owner}_{key}"


def _load(
    src: Source, owner: str, values: Mapping[str, object], wanted: Iterable[str], suffix: str = ""
) -> None:
    """Read the values that an expression wants into locals."""
    for key in sorted(wanted):
        if key in values:
            shape = values[key].shape  # type: ignore[attr-defined]
            src.line(f"{key}{suffix} = {_value(src, owner, key, shape)}")


def emit_update(src: Source, names: Names, plan: Plan, population: PopulationPlan) -> None:
    """S2 and the threshold of S3 for one population, one vectorizable loop."""
    p = names.population[population.name]
    model = population.model
    update, threshold = program(model.updates[population.method]), expression(model.threshold)
    src.use(f"{p}_flag", f"{p}_n")
    with src.loop("i", f"{p}_n"):
        for variable in model.variables:
            src.use(f"{p}_{variable}")
            src.line(f"{variable} = {p}_{variable}[i]")
        _load(src, p, population.values, update.reads | threshold.names)
        currents = plan.currents_of(population.name)
        for current in currents:
            _load_current(src, names.current[current.name], current)
        _sum_input(src, names, plan, population)
        for target, value in update.statements:
            src.line(f"{target} = {value.emit('numba', str)}")
        for variable in model.variables:
            src.line(f"{p}_{variable}[i] = {variable}")
        src.line(f"{p}_flag[i] = 1 if {threshold.emit('numba', str)} else 0")
        for current in currents:
            _update_current(src, names.current[current.name], current)
    for feature in plan.features_of(population.name):
        if feature.name not in names.lazy:
            _update_feature(src, names.feature[feature.name], feature)


def _renamer(owner: str) -> Callable[[str], str]:
    """Locals of a current or a feature bank carry its identifier."""
    return lambda key: f"{owner}_{key}_"


def _load_current(src: Source, c: str, current: CurrentPlan) -> None:
    for variable in current.model.variables:
        src.use(f"{c}_{variable}")
        src.line(f"{c}_{variable}_ = {c}_{variable}[i]")
    wanted = program(current.model.updates[current.method]).reads
    for _, text in current.outputs:  # a delta synapse adds to v alone
        wanted |= expression(text).names
    for key in sorted(wanted & set(current.values)):
        src.line(f"{c}_{key}_ = {_value(src, c, key, current.values[key].shape)}")


def _sum_input(src: Source, names: Names, plan: Plan, population: PopulationPlan) -> None:
    p = names.population[population.name]
    src.line(f"I = {_value(src, p, 'bias', population.bias.shape)}")
    contributions: list[tuple[str, str]] = []
    for kind, name, channel in input_terms(plan, population):
        if kind == "input":
            x = names.input[name]
            src.use(f"{x}_{p}_weight{channel}")
            src.line(f"I = I + {x}_{p}_weight{channel}[i] * {x}_{channel}")
        elif kind == "feedback":
            o = names.readout[name]
            src.use(f"{o}_{p}_feedback{channel}")
            src.line(f"I = I + {o}_{p}_feedback{channel}[i] * {o}_z{channel}")
        elif kind == "noise":
            src.use("n_noise", f"{p}_noise")
            scale = _value(src, p, "noise_scale", population.noise.scale.shape)  # type: ignore[union-attr]
            src.line(f"I = I + {scale} * {p}_noise[n - n_noise, i]")
        else:
            contributions += _contributions(names.current[name], plan.currents[name])
    if population.leaky:
        src.line("P = 0.0")
    if population.takes_conductance:
        src.line("G = 0.0")
    for target, text in contributions:
        src.line(f"{target} = {target} + {text}")


def _contributions(c: str, current: CurrentPlan) -> list[tuple[str, str]]:
    """What a synaptic current adds to which of the target's P, G and I; ``v`` is the target's."""
    rename = _renamer(c)
    return [
        (target, expression(text).emit("numba", lambda key: key if key == "v" else rename(key)))
        for target, text in current.outputs
    ]


def _update_current(src: Source, c: str, current: CurrentPlan) -> None:
    for target, value in program(current.model.updates[current.method]).statements:
        src.line(f"{c}_{target}_ = {value.emit('numba', _renamer(c))}")
    for variable in current.model.variables:
        src.line(f"{c}_{variable}[i] = {c}_{variable}_")


def _update_feature(src: Source, f: str, feature: FeaturePlan) -> None:
    update = program(feature.model.updates[feature.method])
    src.use(f"{f}_n")
    with src.loop("i", f"{f}_n"):
        for variable in feature.model.variables:
            src.use(f"{f}_{variable}")
            src.line(f"{f}_{variable}_ = {f}_{variable}[i]")
        for key in sorted(update.reads & set(feature.values)):
            src.line(f"{f}_{key}_ = {_value(src, f, key, feature.values[key].shape)}")
        for target, value in update.statements:
            src.line(f"{f}_{target}_ = {value.emit('numba', _renamer(f))}")
        for variable in feature.model.variables:
            src.line(f"{f}_{variable}[i] = {f}_{variable}_")


def _spikes(src: Source, names: Names, plan: Plan, population: PopulationPlan) -> None:
    """S3: the flags of this step as an ascending list in the source's ring."""
    p = names.population[population.name]
    src.use(f"{p}_flag", f"{p}_words", f"{p}_ring", f"{p}_ring_count")
    src.line(f"{p}_now = n % {p}_ring.shape[0]")
    src.line(f"{p}_fired = 0")
    src.line(f"for b in range({p}_words.shape[0]):")
    with src.block():
        src.line(f"if {' | '.join(f'{p}_words[b, {k}]' for k in range(BLOCK // 8))}:")
        with src.block():
            src.line(f"for i in range({BLOCK} * b, {BLOCK} * b + {BLOCK}):")
            src.line(f"    if {p}_flag[i]:")
            src.line(f"        {p}_ring[{p}_now, {p}_fired] = i")
            src.line(f"        {p}_fired += 1")
    src.line(f"{p}_ring_count[{p}_now] = {p}_fired")
    if population.name in plan.record.spikes:
        src.use(f"{p}_spike_neuron", f"{p}_spike_step", f"{p}_count")
        src.line(f"for q in range({p}_fired):")
        src.line(f"    {p}_spike_neuron[{p}_count[0] + q] = {p}_ring[{p}_now, q]")
        src.line(f"    {p}_spike_step[{p}_count[0] + q] = n")
        src.line(f"{p}_count[0] += {p}_fired")


def _spike_inputs(plan: Plan) -> list[str]:
    return [name for name, drive in plan.inputs.items() if drive.kind == "spikes"]


def _input_spikes(src: Source, names: Names, name: str) -> None:
    """S3 for a spike input: the channels whose value is not zero fire."""
    x = names.input[name]
    src.use(f"{x}_values", f"{x}_ring", f"{x}_ring_count")
    src.line(f"{x}_now = n % {x}_ring.shape[0]")
    src.line(f"{x}_fired = 0")
    src.line(f"for i in range({x}_values.shape[1]):")
    src.line(f"    if {x}_values[n, i] != 0.0:")
    src.line(f"        {x}_ring[{x}_now, {x}_fired] = i")
    src.line(f"        {x}_fired += 1")
    src.line(f"{x}_ring_count[{x}_now] = {x}_fired")


def _deliver(src: Source, names: Names, plan: Plan, name: str, plastic: Emitter | None) -> None:
    """S4: the spikes of step n - d, longest delay first."""
    projection = plan.projections[name]
    j, s = names.projection[name], names.source(projection.pre)
    src.use(f"{s}_ring", f"{s}_ring_count", f"{j}_delays")
    if projection.left is not None:
        _deliver_low_rank(src, names, plan, name)
        return
    src.use(f"{j}_indptr", f"{j}_index")
    if plastic is None:
        src.use(f"{j}_weight")
    src.line(f"for k in range({j}_delays.shape[0]):")
    with src.block():
        src.line(f"past = (n - {j}_delays[k]) % {s}_ring.shape[0]")
        src.line(f"for q in range({s}_ring_count[past]):")
        with src.block():
            src.line(f"row = {s}_ring[past, q]")
            released = _released(src, j, projection)
            if plastic is not None:
                plastic.arrival(lambda weight: emit_jump(src, names, plan, name, weight))
                return
            with _synapses(src, j, s, projection):
                emit_jump(
                    src, names, plan, name, f"({j}_weight[e]{released})" if released else f"{j}_weight[e]"
                )


@contextmanager
def _synapses(src: Source, j: str, s: str, projection: ProjectionPlan) -> Iterator[None]:
    """Write the loop over the synapses e of a spike, which asks for those of the next spike meanwhile.

    Rows lie anywhere, so the processor foresees no row's beginning, and in a large network most of the time
    would go by in waiting for it. In a small one nothing is gained, nor with rows of less than a line.
    """
    n_delays, pointers = projection.indptr.shape
    if projection.index.size < max(FAR, LINE * n_delays * (pointers - 1)):
        src.line(f"for e in range({j}_indptr[k, row], {j}_indptr[k, row + 1]):")
        with src.block():
            src.line(f"i = {j}_index[e]")
            yield
        return
    src.line(f"first, last = {j}_indptr[k, row], {j}_indptr[k, row + 1]")
    src.line("ahead = first")
    src.line(f"if q + 1 < {s}_ring_count[past]:")
    src.line(f"    ahead = {j}_indptr[k, {s}_ring[past, q + 1]]")
    src.line(f"for chunk in range(first, last, np.uint64({LINE})):")
    with src.block():
        src.line(f"prefetch({j}_index, ahead)")
        src.line(f"prefetch({j}_weight, ahead)")
        src.line(f"prefetch({j}_weight, ahead + np.uint64({LINE // 2}))")
        src.line(f"ahead += np.uint64({LINE})")
        src.line(f"for e in range(chunk, min(chunk + np.uint64({LINE}), last)):")
        with src.block():
            src.line(f"i = {j}_index[e]")
            yield


def _released(src: Source, j: str, projection: ProjectionPlan) -> str:
    """Factor on a weight for the spike at hand; empty without short-term plasticity."""
    if projection.short_term is None:
        return ""
    src.line(f"released = {j}_release[past, q]")
    return " * released"


def emit_jump(src: Source, names: Names, plan: Plan, name: str, weight: str) -> None:
    """Add what one delivered spike of a projection adds to its target i."""
    projection = plan.projections[name]
    current = plan.currents[projection.current]
    c = names.current[current.name]
    variable, amount = current.model.on_spike[0], expression(current.model.on_spike[1])
    for key in sorted(amount.names & set(current.values)):
        _value(src, c, key, current.values[key].shape)

    def rename(key: str) -> str:
        if key == "w":
            return weight
        return f"{c}_{key}[i]" if current.values[key].shape else f"{c}_{key}"

    text = amount.emit("numba", rename)
    if variable in current.model.variables:
        src.use(f"{c}_{variable}")
        src.line(f"{c}_{variable}[i] += {text}")
        return
    p, variable = names.population[projection.post], variable.removeprefix("post.")
    src.use(f"{p}_{variable}")
    if "ref" in plan.populations[projection.post].model.variables:
        src.use(f"{p}_ref")
        src.line(f"if {p}_ref[i] <= 0.0:")
        src.line(f"    {p}_{variable}[i] += {text}")
    else:
        src.line(f"{p}_{variable}[i] += {text}")


def _deliver_low_rank(src: Source, names: Names, plan: Plan, name: str) -> None:
    """Project the spikes on the right factors, then spread the sums over the left ones."""
    projection = plan.projections[name]
    j, s, p = names.projection[name], names.source(projection.pre), names.population[projection.post]
    src.use(f"{j}_left", f"{j}_right", f"{j}_latent", f"{p}_n")
    src.line(f"past = (n - {j}_delays[0]) % {s}_ring.shape[0]")
    src.line(f"if {s}_ring_count[past] > 0:")
    with src.block():
        src.line(f"for k in range({j}_latent.shape[0]):")
        src.line(f"    {j}_latent[k] = 0.0")
        src.line(f"for q in range({s}_ring_count[past]):")
        with src.block():
            src.line(f"row = {s}_ring[past, q]")
            released = _released(src, j, projection)
            src.line(f"for k in range({j}_latent.shape[0]):")
            src.line(f"    {j}_latent[k] += {j}_right[row, k]{released}")
        src.line(f"for i in range({p}_n):")
        with src.block():
            src.line("total = 0.0")
            src.line(f"for k in range({j}_latent.shape[0]):")
            src.line(f"    total += {j}_left[i, k] * {j}_latent[k]")
            emit_jump(src, names, plan, name, "total")


def emit_reset(src: Source, names: Names, plan: Plan, population: PopulationPlan) -> None:
    """S5 for the neurons that fired: their reset, and the jumps of their read-out filters."""
    p = names.population[population.name]
    reset = program(population.model.reset)
    with src.loop("q", f"{p}_fired"):
        src.line(f"i = {p}_ring[{p}_now, q]")
        touched = [v for v in population.model.variables if v in reset.assigned | reset.reads]
        for variable in touched:
            src.line(f"{variable} = {p}_{variable}[i]")
            place = (
                list(plan.populations).index(population.name),
                list(population.model.variables).index(variable),
            )
            _overflow(src, *place, variable)
        _load(src, p, population.values, reset.reads)
        for target, value in reset.statements:
            src.line(f"{target} = {value.emit('numba', str)}")
        for variable in touched:
            src.line(f"{p}_{variable}[i] = {variable}")
        for feature in plan.features_of(population.name):
            if feature.name in names.lazy:
                emit_spike(src, names, plan, feature)
                continue
            f = names.feature[feature.name]
            jump = program(feature.model.on_spike)
            for variable in feature.model.variables:
                if variable in jump.assigned:
                    src.line(f"{f}_{variable}_ = {f}_{variable}[i]")
            for key in sorted(jump.reads & set(feature.values)):
                src.line(f"{f}_{key}_ = {_value(src, f, key, feature.values[key].shape)}")
            for target, value in jump.statements:
                src.line(f"{f}_{target}_ = {value.emit('numba', _renamer(f))}")
            for variable in feature.model.variables:
                if variable in jump.assigned:
                    src.line(f"{f}_{variable}[i] = {f}_{variable}_")


def _overflow(src: Source, population: int, variable: int, name: str) -> None:
    """Note the first infinity that a reset would hide, since infinity is above every threshold."""
    src.use("trouble")
    src.line(f"if trouble[0] == 0 and not math.isfinite({name}):")
    for place, value in enumerate(("1", str(population), str(variable), "i")):
        src.line(f"    trouble[{place}] = {value}")


def _record(src: Source, names: Names, plan: Plan) -> None:
    """S7: read the recorded state at the scheduled steps."""
    if not plan.record.states:
        return
    src.use("record_steps", "record_next")
    src.line("if record_next[0] < record_steps.shape[0] and record_steps[record_next[0]] == n:")
    with src.block():
        for number, (site, variable, _) in enumerate(plan.record.states):
            array = f"{names.any(site)}_{variable}"
            src.use(array, f"record{number}", f"record{number}_neurons")
            scale = f" * {names.any(site)}_scale[0]" if site in names.lazy else ""
            src.line(f"for q in range(record{number}_neurons.shape[0]):")
            src.line(f"    record{number}[record_next[0], q] = {array}[record{number}_neurons[q]]{scale}")
        src.line("record_next[0] += 1")
