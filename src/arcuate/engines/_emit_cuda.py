"""From a plan to a CUDA kernel that runs many networks of one structure, one block of threads each.

The text is Numba's dialect of Python and most of it is written by the emitter of the processor's kernel,
so no equation is written twice; here are the parts in which threads work together. Why Numba and not
Triton: the kernel is a long loop over steps with barriers and lists of spikes, which Triton's programs
over tiles cannot say; and Numba's simulator runs the very same text without a GPU.

A block stays resident for the whole call, so that a step costs some barriers instead of a dozen launches.
Every sum has one order: spikes are listed in ascending neuron, rows are added one after the other (the
targets of one row differ, so its threads need no atomic operation), and read-outs are reduced by a fixed
tree. The same call therefore gives the same bits again.
"""

from __future__ import annotations

from arcuate.engines._emit import (
    KernelText,
    emit_capacity,
    emit_feedback,
    emit_inputs,
    emit_jump,
    emit_reset,
    emit_update,
)
from arcuate.engines._source import Names, Source
from arcuate.engines.plan import Plan, ReadoutPlan
from arcuate.spec import Delta

__all__ = ["emit_cuda_kernel"]


class CudaSource(Source):
    """Source of a kernel whose arguments have the network as their first dimension.

    Parameters
    ----------
    width : int
        Threads of a block, a power of two.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def rounds(self, size: str) -> str:
        return f"lane, {size}, {self.width}"

    def sync(self) -> None:
        """Let the threads of a network wait for one another."""
        self.line("cuda.syncthreads()")

    def text(self) -> str:
        given = ", ".join(f"all_{name}" for name in self.arguments)
        head = [
            f"def kernel(n1, next_step, {given}):",
            "    net = cuda.blockIdx.x",
            "    lane = cuda.threadIdx.x",
            *(f"    {name} = all_{name}[net]" for name in self.arguments),
            f"    counts = cuda.shared.array({self.width}, np.int32)",
            f"    partial = cuda.shared.array({self.width}, np.float64)",
        ]
        return "\n".join([*head, *self._lines]) + "\n"


def emit_cuda_kernel(plan: Plan, *, width: int) -> KernelText:
    """Write the kernel of a plan's structure.

    Parameters
    ----------
    plan : Plan
        Any network of the batch.
    width : int
        Threads of a block; a power of two.

    Returns
    -------
    KernelText
        Source of ``kernel(n1, next_step, ...)``, which takes each network from ``next_step[net]`` to n1, or
        to the step at which a spike buffer could overflow.
    """
    names, src = Names.of(plan), CudaSource(width)
    src.line("n = next_step[net]")
    src.line("while n < n1:")
    with src.block():
        _step(src, names, plan)
        src.line("n += 1")
        src.sync()
    src.line("if lane == 0:")
    src.line("    next_step[net] = n")
    return KernelText(text=src.text(), arguments=src.arguments)


def _step(src: CudaSource, names: Names, plan: Plan) -> None:
    emit_capacity(src, names, plan, leave="break")
    emit_inputs(src, names, plan)
    emit_feedback(src, names, plan)
    for population in plan.populations.values():
        emit_update(src, names, plan, population)
    src.sync()
    for name in plan.populations:
        p = names.population[name]
        _list_spikes(src, p, f"{p}_n", f"{p}_flag[i] != 0")
        if name in plan.record.spikes:
            _keep_spikes(src, p)
    for name, drive in plan.inputs.items():
        if drive.kind == "spikes":
            x = names.input[name]
            src.use(f"{x}_values")
            _list_spikes(src, x, f"{x}_values.shape[1]", f"{x}_values[n, i] != 0.0")
    src.sync()
    for name in plan.projections:
        _deliver(src, names, plan, name)
    for population in plan.populations.values():
        emit_reset(src, names, plan, population)
    src.sync()
    for readout in plan.readouts.values():
        _readout(src, names, plan, readout)


def _list_spikes(src: CudaSource, owner: str, size: str, condition: str) -> None:
    """S3: each thread lists the spikes of a run of neurons, placed by a scan over their counts."""
    src.use(f"{owner}_ring", f"{owner}_ring_count")
    last = src.width - 1
    mine = "for i in range(lane * chunk, stop):"
    src.line(f"{owner}_now = n % {owner}_ring.shape[0]")
    src.line(f"chunk = ({size} + {last}) // {src.width}")
    src.line(f"stop = lane * chunk + chunk if lane * chunk + chunk < {size} else {size}")
    src.line("some = 0")
    src.line(mine)
    src.line(f"    if {condition}:")
    src.line("        some += 1")
    src.line("counts[lane] = some")
    src.sync()
    src.line("reach = 1")
    src.line(f"while reach < {src.width}:")
    with src.block():
        src.line("below = counts[lane - reach] if lane >= reach else np.int32(0)")
        src.sync()
        src.line("counts[lane] += below")
        src.sync()
        src.line("reach *= 2")
    src.line(f"{owner}_fired = counts[{last}]")
    src.line("place = counts[lane] - some")
    src.line(mine)
    src.line(f"    if {condition}:")
    src.line(f"        {owner}_ring[{owner}_now, place] = i")
    src.line("        place += 1")
    src.line("if lane == 0:")
    src.line(f"    {owner}_ring_count[{owner}_now] = {owner}_fired")
    src.sync()


def _keep_spikes(src: CudaSource, p: str) -> None:
    src.use(f"{p}_spike_neuron", f"{p}_spike_step", f"{p}_count")
    with src.loop("q", f"{p}_fired"):
        src.line(f"{p}_spike_neuron[{p}_count[0] + q] = {p}_ring[{p}_now, q]")
        src.line(f"{p}_spike_step[{p}_count[0] + q] = n")
    src.sync()
    src.line("if lane == 0:")
    src.line(f"    {p}_count[0] += {p}_fired")


def _deliver(src: CudaSource, names: Names, plan: Plan, name: str) -> None:
    """S4: row after row; the threads share the targets of one row."""
    projection = plan.projections[name]
    j, s = names.projection[name], names.source(projection.pre)
    src.use(f"{s}_ring", f"{s}_ring_count", f"{j}_delays", f"{j}_indptr", f"{j}_index", f"{j}_weight")
    src.line(f"for k in range({j}_delays.shape[0]):")
    with src.block():
        src.line(f"past = (n - {j}_delays[k] + {s}_ring.shape[0]) % {s}_ring.shape[0]")
        src.line(f"for q in range({s}_ring_count[past]):")
        with src.block():
            src.line(f"row = {s}_ring[past, q]")
            first, last = f"{j}_indptr[k, row]", f"{j}_indptr[k, row + 1]"
            src.line(f"for e in range({first} + lane, {last}, {src.width}):")
            with src.block():
                src.line(f"i = {j}_index[e]")
                emit_jump(src, names, plan, name, f"{j}_weight[e]")
            src.sync()


def _sum(src: CudaSource, terms: list[tuple[str, str]]) -> None:
    """Sum terms over loops of threads, then over threads by a fixed tree, into partial[0]."""
    src.line("total = 0.0")
    for size, term in terms:
        with src.loop("i", size):
            src.line(f"total += {term}")
    src.line("partial[lane] = total")
    src.sync()
    src.line(f"reach = {src.width // 2}")
    src.line("while reach > 0:")
    with src.block():
        src.line("if lane < reach:")
        src.line("    partial[lane] += partial[lane + reach]")
        src.sync()
        src.line("reach //= 2")


def _readout(src: CudaSource, names: Names, plan: Plan, readout: ReadoutPlan) -> None:
    """S6: output, error and the delta rule."""
    o = names.readout[readout.name]
    banks, offset = [], 0
    for name in readout.features:
        feature, f = plan.features[name], names.feature[name]
        src.use(f"{f}_n", f"{f}_{feature.model.output}")
        banks.append((f"{f}_n", f"{f}_{feature.model.output}[i]", offset))
        offset += feature.n
    src.use(f"{o}_sample_steps", f"{o}_next", f"{o}_weights", f"{o}_z", f"{o}_outputs")
    src.line(f"{o}_s = {o}_next[0]")
    src.line(f"{o}_due = {o}_s < {o}_sample_steps.shape[0] and {o}_sample_steps[{o}_s] == n")
    src.line("if True:" if readout.feedback else f"if {o}_due:")
    with src.block():
        for k in range(readout.n_outputs):
            _sum(src, [(size, f"{o}_weights[{k}, {start} + i] * {r}") for size, r, start in banks])
            src.line("if lane == 0:")
            src.line(f"    {o}_z[{k}] = partial[0]")
            src.sync()
    src.line(f"if {o}_due:")
    with src.block():
        src.line("if lane == 0:")
        for k in range(readout.n_outputs):
            src.line(f"    {o}_outputs[{o}_s, {k}] = {o}_z[{k}]")
        if isinstance(readout.spec.rule, Delta):
            _learn(src, o, readout, banks)
        src.sync()
        src.line("if lane == 0:")
        src.line(f"    {o}_next[0] = {o}_s + 1")


def _learn(src: CudaSource, o: str, readout: ReadoutPlan, banks: list[tuple[str, str, int]]) -> None:
    src.use(f"{o}_gate", f"{o}_target", f"{o}_rate", f"{o}_w_min", f"{o}_w_max")
    src.line(f"scale = {o}_rate * {o}_gate[{o}_s]")
    if readout.spec.rule.normalization is not None:
        src.use(f"{o}_c")
        _sum(src, [(size, f"{r} * {r}") for size, r, _ in banks])
        src.line(f"bottom = {o}_c + partial[0]")
        src.line("scale = scale / bottom if bottom != 0.0 else 0.0")
        src.sync()
    for k in range(readout.n_outputs):
        src.line(f"step = scale * ({o}_target[{o}_s, {k}] - {o}_z[{k}])")
        for size, r, start in banks:
            with src.loop("i", size):
                src.line(f"value = {o}_weights[{k}, {start} + i] + step * {r}")
                src.line(f"value = {o}_w_min if value < {o}_w_min else value")
                src.line(f"{o}_weights[{k}, {start} + i] = {o}_w_max if value > {o}_w_max else value")
