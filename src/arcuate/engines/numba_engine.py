"""The Numba engine: one fused time loop for each structure of network, compiled once and cached."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np

from arcuate._inputs import as_real
from arcuate._native import Call
from arcuate._philox import padded_normals
from arcuate.engines._compile import load_kernel
from arcuate.engines._emit import BLOCK, emit_kernel
from arcuate.engines._emit_events import event_state, event_values
from arcuate.engines._emit_learn import learning_constants, learning_state
from arcuate.engines._emit_plastic import plastic_constants, plastic_names, plastic_state, plastic_values
from arcuate.engines._pending import pending_state, pending_values
from arcuate.engines._precision import aligned, in_precision, unsigned
from arcuate.engines._short_term import short_term_constants, short_term_state
from arcuate.engines._source import Names
from arcuate.engines._state import State
from arcuate.engines.health import check_finite
from arcuate.engines.plan import Array, Plan, ReadoutPlan
from arcuate.engines.result import RawRun
from arcuate.errors import EngineError, SpecError, unknown
from arcuate.spec import Network

CHECK_EVERY = 1000
"""Steps between two looks for non-finite state (reliability: found within 1000 steps)."""

NOISE_BYTES = 2**20
"""Size that a block of noise should not exceed, so that it is still in cache when it is read."""

Progress = Callable[[int], None]
"""Called with the number of steps done since the last call."""


class NumbaEngine:
    """Runs every network that a specification can describe."""

    name = "numba"

    def capabilities(self) -> frozenset[str]:
        """Features of a specification that this engine can run.

        Returns
        -------
        frozenset of str
        """
        return frozenset(
            {
                "delay",
                "low_rank",
                "noise",
                "spike_input",
                "feedback",
                "center",
                "rule:Delta",
                "rule:RLS",
                "rule:TwoBank",
                "plasticity",
                "short_term",
                "checkpoint",
                "advance",
                "threads",
                "order:fast",
                "precision:float32",
            }
        )

    def explain(self, network: Network) -> list[str]:
        """Say what in a network this engine cannot run.

        Parameters
        ----------
        network : Network
            The specification.

        Returns
        -------
        list of str
            One sentence for each obstacle; empty here, since this engine runs everything.
        """
        return []

    def start(
        self, plan: Plan, *, threads: int = 1, order: str = "strict", precision: str = "float64"
    ) -> NumbaRun:
        """Prepare a run: state at its initial values, kernel compiled or loaded.

        Parameters
        ----------
        plan : Plan
            What to run.
        threads : int
            With two or more, noise is drawn ahead in a second thread. The numbers are the same.
        order : {"strict", "fast"}
            Order of sums, as in :func:`arcuate.simulate`.
        precision : {"float64", "float32"}
            Precision of neurons, synapses and filters; that of read-outs is always double.

        Returns
        -------
        NumbaRun
        """
        return NumbaRun(plan, threads=threads, order=order, precision=precision)


class NumbaRun:
    """A running simulation: the plan's constants, the state that moves, the compiled loop."""

    def __init__(
        self, plan: Plan, *, threads: int = 1, order: str = "strict", precision: str = "float64"
    ) -> None:
        self.plan = plan
        self.step = 0
        self.threads = threads
        self.order, self.precision = order, precision
        self.names = Names.of(plan, order)
        source = emit_kernel(plan, order=order, precision=precision)
        start = time.perf_counter()
        self._kernel = Call(load_kernel(source.text))
        self._wanted = source.arguments
        self._constants = in_precision(kernel_constants(plan, self.names), plan, self.names, precision)
        moving = in_precision(kernel_state(plan, self.names), plan, self.names, precision)
        self.memory = State(moving, apart=[key for key in learner_matrices(self.names) if key in moving])
        self.moving = self.memory.arrays
        self._constants |= _views(self.moving, self.names) | unsigned(self._constants, self.names)
        self.public = public_names(plan, self.names)
        self.facts: dict[str, str | int | float] = {
            "load_s": time.perf_counter() - start,
            "order": order,
            "precision": precision,
        }

    def state(self) -> dict[str, Array]:
        """Copy of everything that moves, by its name in the plan.

        Returns
        -------
        dict of str to ndarray
            ``"exc/v"``, ``"readout/weights"`` and the like.
        """
        exact = self.exact() | pending_values(self.names, self.moving)
        return {
            name: exact[key] if key in exact else np.array(self.moving[key])
            for name, key in self.public.items()
        }

    def copy(self, plan: Plan) -> NumbaRun:
        """Start another run where this one is.

        Parameters
        ----------
        plan : Plan
            Plan of the new run, of the same network.

        Returns
        -------
        NumbaRun
        """
        twin = NumbaRun(plan, threads=self.threads, order=self.order, precision=self.precision)
        twin.memory.restore(self.memory.blocks)
        twin.step = self.step
        return twin

    def free(self) -> dict[str, Array]:
        """Give what may be set between two steps: variables of neurons, synaptic currents and filters.

        Returns
        -------
        dict of str to ndarray
            The arrays themselves, by their names in the plan; those kept in another form are not among them.
        """
        kept = self.exact()
        owners = (*self.plan.populations, *self.plan.currents, *self.plan.features)
        return {
            name: self.moving[key]
            for name, key in self.public.items()
            if key not in kept and name.rpartition("/")[0] in owners
        }

    def set_state(self, values: Mapping[str, Any]) -> None:
        """Write values of neurons, synaptic currents and filters over those of this step.

        Parameters
        ----------
        values : mapping of str to array_like
            By their names in the plan, in SI.

        Raises
        ------
        SpecError
            If a name or a shape does not fit, or a value is not finite.
        """
        table: Any = values
        if not isinstance(table, Mapping):
            bound = "must be a mapping of names of variables to values"
            raise SpecError.of(where="set_state", name="values", value=values, bound=bound)
        free, given = self.free(), {}
        for name, value in table.items():
            if name not in free:
                raise unknown("set_state", name, free, kind="variable")
            array = as_real(value, where="set_state", name=name, boolean=False)
            if array.shape not in ((), free[name].shape):
                bound = f"must have the shape {free[name].shape}"
                raise SpecError.of(where="set_state", name=name, value=f"shape {array.shape}", bound=bound)
            given[name] = array
        for name, array in given.items():
            free[name][...] = array

    def exact(self) -> dict[str, Array]:
        """Compute what the kernel keeps in another form than the plan's, by its name in the kernel.

        Returns
        -------
        dict of str to ndarray
        """
        plan, names, moving = self.plan, self.names, self.moving
        return event_values(plan, names, moving) | plastic_values(plan, names, moving)

    def advance(self, n_steps: int, *, progress: Progress | None = None) -> RawRun:
        """Run the next steps.

        Parameters
        ----------
        n_steps : int
            How many.
        progress : callable, optional
            Called with the number of steps done since the last call.

        Returns
        -------
        RawRun

        Raises
        ------
        EngineError
            If inputs, teachers or schedules do not reach that far.
        NonFiniteError
            If a state variable leaves the finite numbers; names the first one.
        """
        stop = self.step + n_steps
        if stop > self.plan.n_steps:
            raise EngineError.of(
                where="advance",
                name="duration",
                value=n_steps * self.plan.dt,
                bound=f"at most {(self.plan.n_steps - self.step) * self.plan.dt:g} s are left of the plan",
                fix="plan a longer run",
            )
        collector = _Collector(self.plan, self.names, self.step, stop, precision=self.precision)
        fixed = {**self._constants, **self.moving, **collector.arguments(), "trouble": np.zeros(4, np.int64)}
        start = time.perf_counter()
        backup, checked = self.memory.copy(), self.step
        for first, last, noise in self._blocks(stop):
            self.run_block(first, last, {**fixed, **noise, "n_noise": first}, collector=collector)
            if last - checked >= CHECK_EVERY or last == stop:
                check_finite(self, backup, first=checked, last=last, arguments=fixed)
                if last < stop:
                    self._keep(backup, checked, last)
                checked = last
            self.step = last
            if progress is not None:
                progress(last - first)
        return collector.result(
            self.state(), time.perf_counter() - start, {**self.facts, "threads": self.threads}
        )

    def run_block(
        self, first: int, last: int, arguments: Mapping[str, Any], *, collector: _Collector | None = None
    ) -> None:
        """Run steps first to last - 1; a full spike buffer is emptied in between.

        Parameters
        ----------
        first, last : int
            The block.
        arguments : mapping
            Kernel arguments by name.
        collector : _Collector, optional
            What takes the spikes out of full buffers.
        """
        values = [arguments[key] for key in self._wanted]
        n = first
        while n < last:
            n = int(self._kernel(n, last, *values))
            if collector is not None:
                collector.flush()

    def _keep(self, backup: dict[str, Array], first: int, last: int) -> None:
        """Copy the state for the next check; a large matrix only if its rule was at work since."""
        matrices = learner_matrices(self.names)
        for key, value in self.memory.blocks.items():
            if key in matrices:
                owner = matrices[key]
                steps = self._constants[f"{owner}_sample_steps"]
                low, high = np.searchsorted(steps, [first, last])
                if not self._constants[f"{owner}_gate"][low:high].any():
                    continue
            np.copyto(backup[key], value)

    def _blocks(self, stop: int) -> Iterator[tuple[int, int, dict[str, Array]]]:
        """Blocks of steps with their noise, drawn one block ahead if there is a thread for it."""
        width = sum(
            p.n for p in self.plan.populations.values() if p.noise is not None and p.noise.frozen is None
        )
        rows = CHECK_EVERY if width == 0 else int(np.clip(NOISE_BYTES // (8 * width), 32, CHECK_EVERY))
        edges = [*range(self.step, stop, rows), stop]
        if self.threads < 2 or width == 0:
            for first, last in pairwise(edges):
                yield first, last, self.noise(first, last)
            return
        with ThreadPoolExecutor(max_workers=1) as pool:
            ahead: Future[dict[str, Array]] | None = None
            for first, last in pairwise(edges):
                noise = self.noise(first, last) if ahead is None else ahead.result()
                following = min(last + rows, stop)
                ahead = pool.submit(self.noise, last, following) if following > last else None
                yield first, last, noise

    def noise(self, first: int, last: int) -> dict[str, Array]:
        """Draw the standard normals of each noisy population for steps first to last - 1.

        Parameters
        ----------
        first, last : int
            Steps of the run.

        Returns
        -------
        dict of str to ndarray
            Kernel arguments; the numbers depend on the step alone, so a step can be drawn again.
        """
        block = {}
        for name, population in self.plan.populations.items():
            if population.noise is None:
                continue
            key = f"{self.names.population[name]}_noise"
            if population.noise.frozen is not None:
                drawn = population.noise.frozen[first:last]
            else:
                drawn = padded_normals(self.plan.seed, population.noise.stream, first, last, n=population.n)
            block[key] = drawn.astype(self.precision, copy=False)
        return block


class _Collector:
    """Buffers of one piece of a run, filled by the kernel and gathered at its end."""

    def __init__(
        self, plan: Plan, names: Names, first: int, stop: int, *, precision: str = "float64"
    ) -> None:
        self.plan, self.names, self.first, self.stop = plan, names, first, stop
        self._spikes: dict[str, list[tuple[Array, Array]]] = {name: [] for name in plan.record.spikes}
        self._buffers: dict[str, Array] = {}
        for name in plan.record.spikes:
            p, n = names.population[name], plan.populations[name].n
            capacity = max(16 * n, 65536)
            self._buffers[f"{p}_spike_neuron"] = np.empty(capacity, np.int32)
            self._buffers[f"{p}_spike_step"] = np.empty(capacity, np.int64)
            self._buffers[f"{p}_count"] = np.zeros(1, np.int64)
        steps = plan.record.steps
        self.steps = steps[(steps >= first) & (steps < stop)]
        self._buffers["record_steps"] = self.steps
        self._buffers["record_next"] = np.zeros(1, np.int64)
        for number, (_, _, neurons) in enumerate(plan.record.states):
            self._buffers[f"record{number}"] = np.empty((self.steps.size, neurons.size), precision)
            self._buffers[f"record{number}_neurons"] = neurons
        for name, steps in plan.record.weights.items():
            j, kept = names.projection[name], steps[(steps >= first) & (steps < stop)]
            self._buffers |= {f"{j}_kept_steps": kept, f"{j}_kept_next": np.zeros(1, np.int64)}
            weight = plan.projections[name].weight
            self._buffers[f"{j}_kept"] = np.tile(weight, (kept.size, 1))
        for name, readout in plan.readouts.items():
            self._readout_buffers(name, readout.n_outputs, readout.n_units)

    def _readout_buffers(self, name: str, n_outputs: int, n_units: int) -> None:
        o, readout, keep = self.names.readout[name], self.plan.readouts[name], self.plan.record.readouts
        low, high = np.searchsorted(readout.sample_steps, [self.first, self.stop])
        snapshots = (
            _snapshot_samples(readout.trial, low, high) if "weights" in keep else np.empty(0, np.int64)
        )
        self._buffers |= {
            f"{o}_next": np.array([low], np.int64),
            f"{o}_first": np.array([low], np.int64),
            f"{o}_outputs": np.full((high - low, n_outputs), np.nan),
            f"{o}_features": np.empty((high - low if "features" in keep else 0, n_units)),
            f"{o}_snapshot_samples": snapshots,
            f"{o}_snapshot_next": np.zeros(1, np.int64),
            f"{o}_snapshots": np.empty((snapshots.size, n_outputs, n_units)),
        }

    def arguments(self) -> dict[str, Array]:
        return self._buffers

    def flush(self) -> None:
        """Move the spikes out of the kernel's buffers."""
        for name, pieces in self._spikes.items():
            p = self.names.population[name]
            count = int(self._buffers[f"{p}_count"][0])
            if count:
                pieces.append(
                    (
                        self._buffers[f"{p}_spike_neuron"][:count].copy(),
                        self._buffers[f"{p}_spike_step"][:count].copy(),
                    )
                )
                self._buffers[f"{p}_count"][0] = 0

    def result(self, final: dict[str, Array], wall: float, facts: Mapping[str, str | int | float]) -> RawRun:
        self.flush()
        spikes = {}
        for name, pieces in self._spikes.items():
            neuron = np.concatenate([piece[0] for piece in pieces] or [np.empty(0, np.int32)])
            step = np.concatenate([piece[1] for piece in pieces] or [np.empty(0, np.int64)])
            spikes[name] = (neuron, step)
        states = {
            (site, variable): self._buffers[f"record{number}"]
            for number, (site, variable, _) in enumerate(self.plan.record.states)
        }
        readouts = self.plan.readouts
        key = {name: self.names.readout[name] for name in readouts}
        low = {name: int(self._buffers[f"{o}_first"][0]) for name, o in key.items()}
        return RawRun(
            first=self.first,
            stop=self.stop,
            spikes=spikes,
            state_steps=self.steps,
            states=states,
            sample_steps={
                name: readouts[name].sample_steps[low[name] : low[name] + len(self._buffers[f"{o}_outputs"])]
                for name, o in key.items()
            },
            outputs={name: self._buffers[f"{o}_outputs"] for name, o in key.items()},
            features={name: self._buffers[f"{o}_features"] for name, o in key.items()},
            weight_steps={
                name: readouts[name].sample_steps[self._buffers[f"{o}_snapshot_samples"]]
                for name, o in key.items()
            },
            weights={name: self._buffers[f"{o}_snapshots"] for name, o in key.items()},
            synapses={
                name: (self._buffers[f"{j}_kept_steps"], self._buffers[f"{j}_kept"])
                for name, j in ((name, self.names.projection[name]) for name in self.plan.record.weights)
            },
            final=final,
            wall=wall,
            facts=facts,
        )


def _snapshot_samples(trial: Array, low: int, high: int) -> Array:
    """Samples before which weights are copied: the first of each trial."""
    first = np.flatnonzero(np.diff(trial, prepend=-1))
    return first[(first >= low) & (first < high)].astype(np.int64)


def _argument(value: Array) -> float | Array:
    """A value that all neurons share travels as a float, any other as an aligned array."""
    return float(value) if value.ndim == 0 else aligned(value)


def learner_matrices(names: Names) -> dict[str, str]:
    """Kernel name -> read-out of the matrices that least squares would have."""
    return {f"{o}_p": o for o in names.readout.values()}


def kernel_constants(plan: Plan, names: Names) -> dict[str, Any]:
    """Kernel arguments that never change."""
    table: dict[str, Any] = {}
    for name, population in plan.populations.items():
        p = names.population[name]
        table |= {f"{p}_{key}": _argument(value) for key, value in population.values.items()}
        table |= {f"{p}_n": population.n, f"{p}_bias": _argument(population.bias)}
        if population.noise is not None:
            table[f"{p}_noise_scale"] = _argument(population.noise.scale)
    for name, current in plan.currents.items():
        table |= {f"{names.current[name]}_{key}": _argument(value) for key, value in current.values.items()}
    for name, feature in plan.features.items():
        table |= {f"{names.feature[name]}_{key}": _argument(value) for key, value in feature.values.items()}
        table[f"{names.feature[name]}_n"] = feature.n
    for name, projection in plan.projections.items():
        j = names.projection[name]
        table |= {f"{j}_delays": projection.delays, f"{j}_indptr": projection.indptr}
        table |= {f"{j}_index": projection.index, f"{j}_weight": projection.weight}
        table |= short_term_constants(projection, j, plan.dt)
        if projection.left is not None and projection.right is not None:
            table |= {f"{j}_left": projection.left, f"{j}_right": projection.right}
    for name, drive in plan.inputs.items():
        x = names.input[name]
        table |= {f"{x}_values": drive.values, f"{x}_every": drive.every}
        for target, weight in drive.weight.items():
            for channel, row in enumerate(weight):
                table[f"{x}_{names.population[target]}_weight{channel}"] = aligned(row)
    for name, readout in plan.readouts.items():
        o = names.readout[name]
        table |= learning_constants(readout, o)
        for target, weight in readout.feedback.items():
            for k, row in enumerate(weight):
                table[f"{o}_{names.population[target]}_feedback{k}"] = aligned(row)
    return table | plastic_constants(plan, names)


def kernel_state(plan: Plan, names: Names) -> dict[str, Array]:
    """State at step 0."""
    table: dict[str, Array] = {}
    for name, population in plan.populations.items():
        p = names.population[name]
        table |= {f"{p}_{key}": value for key, value in population.initial.items()}
        table[f"{p}_flag"] = np.zeros(-(-population.n // BLOCK) * BLOCK, np.uint8)
        table |= _ring(p, plan.max_delay(name), population.n)
    for name, drive in plan.inputs.items():
        if drive.kind == "spikes":
            table |= _ring(names.input[name], plan.max_delay(name), drive.values.shape[1])
    for name, current in plan.currents.items():
        n = plan.populations[current.post].n
        table |= {f"{names.current[name]}_{key}": np.zeros(n) for key in current.model.variables}
    for name, feature in plan.features.items():
        table |= {f"{names.feature[name]}_{key}": np.zeros(feature.n) for key in feature.model.variables}
    for name, projection in plan.projections.items():
        if projection.short_term is not None:
            rows, n = table[f"{names.source(projection.pre)}_ring"].shape
            table |= short_term_state(projection, names.projection[name], rows=rows, n=n)
        if projection.left is not None:
            table[f"{names.projection[name]}_latent"] = np.zeros(projection.left.shape[1])
    for readout in plan.readouts.values():
        table |= _learning(readout, names)
    return table | event_state(plan, names) | pending_state(plan, names) | plastic_state(plan, names)


def _learning(readout: ReadoutPlan, names: Names) -> dict[str, Array]:
    """State of a read-out; one kept per spike never gathers its features."""
    o = names.readout[readout.name]
    table = learning_state(readout, o)
    if readout.name in names.per_spike:
        del table[f"{o}_x"]
    return table


def _views(moving: Mapping[str, Array], names: Names) -> dict[str, Array]:
    """Arrays of the state as the kernel reads them too: eight flags as one word."""
    return {
        f"{p}_words": moving[f"{p}_flag"].view(np.uint64).reshape(-1, BLOCK // 8)
        for p in names.population.values()
    }


def _ring(owner: str, max_delay: int, n: int) -> dict[str, Array]:
    """Spikes of the last steps, as far back as the longest delay."""
    return {
        f"{owner}_ring": np.zeros((max_delay + 1, n), np.int32),
        f"{owner}_ring_count": np.zeros(max_delay + 1, np.int64),
    }


def public_names(plan: Plan, names: Names) -> dict[str, str]:
    """Plan name -> kernel name of the state that a user may look at."""
    table: dict[str, str] = {}
    for name, population in plan.populations.items():
        table |= {f"{name}/{key}": f"{names.population[name]}_{key}" for key in population.model.variables}
    for name, current in plan.currents.items():
        table |= {f"{name}/{key}": f"{names.current[name]}_{key}" for key in current.model.variables}
    for name, feature in plan.features.items():
        table |= {f"{name}/{key}": f"{names.feature[name]}_{key}" for key in feature.model.variables}
    for name, readout in plan.readouts.items():
        o = names.readout[name]
        table |= {f"{name}/{key.removeprefix(o + '_')}": key for key in _learning(readout, names)}
    for name, projection in plan.projections.items():
        if projection.short_term is not None:
            table |= {
                f"{name}/{key}": f"{names.projection[name]}_{key}"
                for key in projection.short_term.model.variables
            }
    return table | plastic_names(plan, names)
