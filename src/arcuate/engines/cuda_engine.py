"""Many networks of one structure on a GPU in one call: a block of threads for each network.

This is the engine for parameter studies: one small network does not fill a GPU, hundreds do. Noise is
drawn on the processor, with the numbers of the other engines, and copied block by block.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from arcuate._inputs import SHARE
from arcuate._philox import padded_normals
from arcuate.engines._compile import python_kernel
from arcuate.engines._emit_cuda import emit_cuda_kernel
from arcuate.engines._source import Names
from arcuate.engines.numba_engine import kernel_constants, kernel_state, public_names
from arcuate.engines.plan import Array, Plan
from arcuate.engines.result import RawRun
from arcuate.errors import CapabilityError, EngineError, MemoryLimitError, NonFiniteError, SpecError
from arcuate.spec import Delta, LowRank, Network

__all__ = [
    "check_batch",
    "check_networks",
    "explain_cuda",
    "gpu_is_there",
    "host_arrays",
    "networks_per_call",
    "run_on_gpu",
]

WIDTH = 256
"""Threads of a block: enough to hide the latency of memory for a thousand neurons, few enough to scan."""

CHUNK = 1000
"""Steps between two looks at the spike buffers and for non-finite state."""

Progress = Callable[[int], None]
"""Called with the number of steps, of all networks together, done since the last call."""

_HEADER = """\
import math

import numpy as np
from numba import cuda


@cuda.jit(device=True)
def arc_exp(x):
    return math.exp(x)


@cuda.jit(device=True)
def arc_exprel(x):
    return 1.0 if x == 0.0 else math.expm1(x) / x


@cuda.jit(device=True)
def arc_tanh(x):
    return math.tanh(x)

"""
"""The GPU has its own exponentials, whose last digit differs."""


def gpu_is_there() -> bool:
    """Tell whether Numba finds a GPU that it can use, or its simulator is switched on.

    Returns
    -------
    bool

    Examples
    --------
    >>> isinstance(gpu_is_there(), bool)
    True
    """
    from numba import cuda

    return _simulated() or bool(cuda.is_available())


def _simulated() -> bool:
    return os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"


def explain_cuda(network: Network) -> list[str]:
    """Say what in a network the batched GPU engine cannot run.

    Parameters
    ----------
    network : Network
        The specification.

    Returns
    -------
    list of str
        One sentence for each obstacle; empty if there is none.

    Examples
    --------
    >>> from arcuate.spec import Population, lif
    >>> cells = Population(name="exc", n=1, neuron=lif())
    >>> explain_cuda(Network(name="one", dt="0.1 ms", populations=[cells]))
    []
    """
    obstacles = []
    for projection in network.projections.values():
        if isinstance(projection.connectivity, LowRank):
            obstacles.append(f"Projection {projection.name!r} is low-rank")
        if projection.short_term is not None:
            obstacles.append(f"Projection {projection.name!r} has short-term plasticity")
        if projection.plasticity is not None:
            obstacles.append(f"Projection {projection.name!r} is plastic")
    for readout in network.readouts.values():
        if readout.rule is not None and not isinstance(readout.rule, Delta):
            obstacles.append(f"Readout {readout.name!r} learns by {type(readout.rule).__name__}, not Delta")
        if readout.center is not None:
            obstacles.append(f"Readout {readout.name!r} is centered on its running mean")
    record = network.record
    if record.states:
        obstacles.append("states are recorded; only spikes and outputs of read-outs are")
    if {"features", "weights"} & set(record.readouts):
        obstacles.append("features or weights of read-outs are recorded at every sample")
    return obstacles


def check_networks(networks: Sequence[Network]) -> None:
    """Refuse specifications with something that the engine lacks.

    Parameters
    ----------
    networks : sequence of Network
        What is to be run.

    Raises
    ------
    CapabilityError
        Naming the first network and the feature.
    """
    for number, network in enumerate(networks):
        for obstacle in explain_cuda(network)[:1]:
            raise _unable(number, network, obstacle)


def _unable(number: int, network: Network, obstacle: str) -> CapabilityError:
    return CapabilityError.of(
        where="Engine 'cuda'", name="network", value=f"{network.name} ({number})", bound=obstacle,
        fix='use engine="numba", which runs every specification',
    )  # fmt: skip


def check_batch(plans: Sequence[Plan]) -> None:
    """Refuse plans that one kernel cannot run together.

    Parameters
    ----------
    plans : sequence of Plan
        Networks that differ in values, seeds and inputs only.

    Raises
    ------
    CapabilityError
        If a network has what the engine lacks, or two synapses join the same pair with the same delay.
    SpecError
        If structures, sizes or lengths differ; names the first that does.
    """
    check_networks([plan.network for plan in plans])
    for number, plan in enumerate(plans):
        for projection in plan.projections.values():
            if _doubled(projection.indptr, projection.index):
                twice = f"Projection {projection.name!r} joins a pair by two synapses of one delay"
                raise _unable(number, plan.network, twice)
    shape = _shape(plans[0])
    for number, plan in enumerate(plans):
        if _shape(plan) != shape:
            raise SpecError.of(
                where="Engine 'cuda'", name="networks", value=f"number {number} ({plan.network.name!r})",
                bound="must have the structure, sizes, step and length of number 0",
                fix='run it apart, or use engine="numba"',
            )  # fmt: skip


def _shape(plan: Plan) -> tuple[Any, ...]:
    sizes = tuple((name, population.n) for name, population in plan.populations.items())
    samples = tuple(readout.sample_steps.size for readout in plan.readouts.values())
    return (emit_cuda_kernel(plan, width=WIDTH).text, sizes, samples, plan.n_steps, plan.dt)


def _doubled(indptr: Array, index: Array) -> bool:
    """Whether a row of synapses, sorted by target, names a target twice."""
    same = np.flatnonzero(np.diff(index) == 0) + 1
    return bool(np.setdiff1d(same, indptr).size)


def networks_per_call(plan: Plan) -> int:
    """How many networks like one fit on the GPU side by side.

    Parameters
    ----------
    plan : Plan
        Any of them.

    Returns
    -------
    int
        At least 1; whether one fits is found when it is run.
    """
    if not gpu_is_there() or _simulated():
        return sys.maxsize
    from numba import cuda

    wanted = emit_cuda_kernel(plan, width=WIDTH).arguments
    one = sum(value.nbytes for value in host_arrays([plan], wanted).values())
    one += sum(8 * CHUNK * (p.n + 4) for p in plan.populations.values() if p.noise is not None)
    return max(1, int(SHARE * cuda.current_context().get_memory_info()[0] // one))


def run_on_gpu(
    plans: Sequence[Plan], *, progress: Progress | None = None, width: int = WIDTH
) -> list[RawRun]:
    """Run networks of one structure side by side on a GPU.

    Parameters
    ----------
    plans : sequence of Plan
        One plan a network.
    progress : callable, optional
        Called with the number of steps done since the last call, summed over networks.
    width : int
        Threads of a block, a power of two.

    Returns
    -------
    list of RawRun
        In the order of the plans.

    Raises
    ------
    CapabilityError, SpecError
        As :func:`check_batch`.
    EngineError
        If there is no GPU.
    MemoryLimitError
        If the networks do not fit into its memory together.
    NonFiniteError
        If a state variable leaves the finite numbers; names network, variable, neuron and step.
    """
    check_batch(plans)
    if not gpu_is_there():
        raise EngineError.of(
            where="Engine 'cuda'", name="GPU", bound="none was found that Numba can use",
            fix='use engine="numba"; on a machine with a GPU: pip install "numba-cuda[cu13]"',
        )  # fmt: skip
    return _Batch(plans, width).run(progress)


def host_arrays(plans: Sequence[Plan], wanted: Sequence[str]) -> dict[str, Array]:
    """Kernel arguments of all networks, stacked, but for the noise.

    Parameters
    ----------
    plans : sequence of Plan
        Networks of one structure.
    wanted : sequence of str
        Names of the kernel's arguments.

    Returns
    -------
    dict of str to ndarray, (n_networks, ...)
    """
    names = Names.of(plans[0])
    tables = [
        {**kernel_constants(plan, names), **kernel_state(plan, names), **_buffers(plan, names)}
        for plan in plans
    ]
    return {  # a row of pointers that is filled up has no synapses
        key: _stack([table[key] for table in tables], fill_last=key.endswith("_indptr"))
        for key in wanted
        if key in tables[0]
    }


def _buffers(plan: Plan, names: Names) -> dict[str, Any]:
    table: dict[str, Any] = {"trouble": np.zeros(4, np.int64)}
    for name in plan.record.spikes:
        p, n = names.population[name], plan.populations[name].n
        capacity = max(16 * n, 4096)
        table |= {f"{p}_spike_neuron": np.empty(capacity, np.int32), f"{p}_count": np.zeros(1, np.int64)}
        table[f"{p}_spike_step"] = np.empty(capacity, np.int64)
    for name, readout in plan.readouts.items():
        o = names.readout[name]
        table[f"{o}_next"] = np.zeros(1, np.int64)
        table[f"{o}_outputs"] = np.full((readout.sample_steps.size, readout.n_outputs), np.nan)
    return table


class _Batch:
    """State of all networks on the device."""

    def __init__(self, plans: Sequence[Plan], width: int) -> None:
        from numba import cuda

        self.plans, self.width, self.names = list(plans), width, Names.of(plans[0])
        start = time.perf_counter()
        source = emit_cuda_kernel(plans[0], width=width)
        self.wanted = source.arguments
        self.kernel = _compiled(source.text)
        self.moving = tuple(key for key in kernel_state(plans[0], self.names) if key in self.wanted)
        host = host_arrays(plans, self.wanted)
        _check_memory(host)
        self.device = {key: cuda.to_device(value) for key, value in host.items()}
        self.next = cuda.to_device(np.zeros(len(plans), np.int64))
        self.spikes: list[dict[str, list[tuple[Array, Array]]]] = [
            {name: [] for name in plan.record.spikes} for plan in plans
        ]
        self.load = time.perf_counter() - start

    def run(self, progress: Progress | None) -> list[RawRun]:
        from numba import cuda

        start, n_steps = time.perf_counter(), self.plans[0].n_steps
        for first in range(0, n_steps, CHUNK):
            last = min(first + CHUNK, n_steps)
            given = {**self.device, **self._noise(first, last)}
            arguments = [given[key] for key in self.wanted]
            while int(self.next.copy_to_host().min()) < last:
                self.kernel[len(self.plans), self.width](last, self.next, *arguments)
                cuda.synchronize()
                self._flush()
            self._check(last)
            if progress is not None:
                progress((last - first) * len(self.plans))
        return self._results(time.perf_counter() - start)

    def _noise(self, first: int, last: int) -> dict[str, Any]:
        from numba import cuda

        table: dict[str, Any] = {}
        for name, population in self.plans[0].populations.items():
            if population.noise is None:
                continue
            rows = []
            for plan in self.plans:
                noise = plan.populations[name].noise
                assert noise is not None
                if noise.frozen is not None:
                    rows.append(noise.frozen[first:last])
                else:
                    rows.append(padded_normals(plan.seed, noise.stream, first, last, n=population.n))
            table[f"{self.names.population[name]}_noise"] = cuda.to_device(np.stack(rows))
            table["n_noise"] = cuda.to_device(np.full(len(self.plans), first, np.int64))
        return table

    def _flush(self) -> None:
        """Take the spikes out of the buffers on the device."""
        for name in self.plans[0].record.spikes:
            p = self.names.population[name]
            counts = self.device[f"{p}_count"].copy_to_host()
            if not counts.any():
                continue
            neuron = self.device[f"{p}_spike_neuron"].copy_to_host()
            step = self.device[f"{p}_spike_step"].copy_to_host()
            for number, count in enumerate(counts[:, 0]):
                if count:
                    piece = (neuron[number, :count].copy(), step[number, :count].copy())
                    self.spikes[number][name].append(piece)
            self.device[f"{p}_count"].copy_to_device(np.zeros_like(counts))

    def _check(self, last: int) -> None:
        """Raise for the first network that is not finite; the processor's engine names the step."""
        bad = self.device["trouble"].copy_to_host()[:, 0] != 0
        for key in self.moving:
            values = self.device[key].copy_to_host()
            if values.dtype.kind == "f":
                bad |= ~np.isfinite(values).reshape(len(self.plans), -1).all(axis=1)
        if not bad.any():
            return
        number = int(np.flatnonzero(bad)[0])
        from arcuate.engines.numba_engine import NumbaEngine

        plan = self.plans[number]
        NumbaEngine().start(plan).advance(last)
        raise NonFiniteError.of(
            where=f"Engine 'cuda', network {number} ({plan.network.name!r})", name="state", value=np.nan,
            bound=f"must stay finite; it does not before step {last}, although the processor's engine does",
            fix='use engine="numba"',
        )  # fmt: skip

    def _results(self, wall: float) -> list[RawRun]:
        host = {key: self.device[key].copy_to_host() for key in self.moving}
        outputs = {
            name: self.device[f"{self.names.readout[name]}_outputs"].copy_to_host()
            for name in self.plans[0].readouts
        }
        facts = {"load_s": self.load, "order": "tree", "threads": self.width, "networks": len(self.plans)}
        return [
            self._result(number, plan, host, outputs, wall=wall, facts=facts)
            for number, plan in enumerate(self.plans)
        ]

    def _result(
        self,
        number: int,
        plan: Plan,
        host: Mapping[str, Array],
        outputs: Mapping[str, Array],
        *,
        wall: float,
        facts: Mapping[str, Any],
    ) -> RawRun:
        spikes = {}
        for name, pieces in self.spikes[number].items():
            neuron = np.concatenate([piece[0] for piece in pieces] or [np.empty(0, np.int32)])
            spikes[name] = (
                neuron, np.concatenate([piece[1] for piece in pieces] or [np.empty(0, np.int64)])
            )  # fmt: skip
        empty = {name: np.empty(0, np.int64) for name in plan.readouts}
        return RawRun(
            first=0, stop=plan.n_steps, spikes=spikes, state_steps=np.empty(0, np.int64), states={},
            sample_steps={name: readout.sample_steps for name, readout in plan.readouts.items()},
            outputs={name: values[number] for name, values in outputs.items()},
            features={name: np.empty((0, r.n_units)) for name, r in plan.readouts.items()},
            weight_steps=empty,
            weights={name: np.empty((0, r.n_outputs, r.n_units)) for name, r in plan.readouts.items()},
            final={
                name: host[key][number] for name, key in public_names(plan, self.names).items() if key in host
            },
            wall=wall, facts=dict(facts),
        )  # fmt: skip


@cache
def _compiled(text: str) -> Any:
    from numba import cuda

    return cuda.jit(python_kernel(text, _HEADER), fastmath=False)


def _stack(values: Sequence[Any], *, fill_last: bool = False) -> Array:
    """One array with the network as its first dimension; shorter ones are padded."""
    arrays = [np.asarray(value) for value in values]
    shape = tuple(max(sizes) for sizes in zip(*(array.shape for array in arrays), strict=True))
    out = np.zeros((len(arrays), *shape), arrays[0].dtype)
    for number, array in enumerate(arrays):
        if fill_last and array.size:
            out[number] = array.flat[-1]
        place: tuple[Any, ...] = (number, *(slice(size) for size in array.shape))
        out[place] = array
    return out


def _check_memory(host: Mapping[str, Array]) -> None:
    if _simulated():
        return
    from numba import cuda

    needed = sum(value.nbytes for value in host.values())
    free = int(cuda.current_context().get_memory_info()[0])
    if needed > SHARE * free:
        largest = max(host, key=lambda key: host[key].nbytes)
        raise MemoryLimitError.of(
            where="Engine 'cuda'", name="networks", value=f"{needed / 1e9:.3g} GB",
            bound=f"must fit into {SHARE:.0%} of {free / 1e9:.3g} GB; the largest part is {largest}",
            fix="run fewer networks in one call",
        )  # fmt: skip
