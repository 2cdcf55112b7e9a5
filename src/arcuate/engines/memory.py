"""How much memory a run will need, known before anything is allocated.

Two peaks matter. While the plan is built, a projection needs several arrays of the length of its synapses
beside what was built before. While it runs, everything that moves is there three times: as state, as the
state at the start of the block (to name the first number that is not finite), and in what is given back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from arcuate._inputs import SHARE, available_memory
from arcuate.errors import MemoryLimitError
from arcuate.mechanisms.expressions import parse
from arcuate.spec import (
    RLS,
    Dense,
    Distribution,
    Edges,
    FixedInDegree,
    LowRank,
    Network,
    Population,
    Projection,
    Readout,
    Sparse,
    Values,
)
from arcuate.spec.projection import MAX_DELAY

RATE = 50.0
"""Spikes per second and neuron that the estimate of recorded spikes counts with."""

SPIKE = 40
"""Bytes of a recorded spike: in the buffer's pieces, joined, and in the recording."""

KEPT_SPIKE = 16
"""Bytes of a spike in a recording: time, neuron and trial."""

SYNAPSE = 12
"""Bytes of a synapse of a spike input: target and weight."""

INDEX = 4
"""Bytes of a synapse's target."""

PLASTIC = 8
"""Bytes that find a synapse and its source from its target; 4 more if delays differ."""

ENDS = 8
"""Bytes of both ends of a synapse while its projection is built."""

DRAWING = 16
"""Bytes of a synapse while it is drawn: a number for the pair, and both ends."""

BALANCING = 33
"""Bytes of a synapse while rows of weights are balanced."""

SORTING = 64
"""Bytes of a synapse while a projection is sorted by its delays, besides its weight before and after."""

MOVING = 3
"""Copies of what moves."""


def estimate_memory(
    network: Network, n_steps: int, trials: Any = None, *, precision: str = "float64"
) -> dict[str, int]:
    """Estimate the bytes of a plan and its run, part by part.

    Parameters
    ----------
    network : Network
        The specification.
    n_steps : int
        Length of the run.
    trials : object, optional
        The task's trials.
    precision : {"float64", "float32"}
        Precision of the run.

    Returns
    -------
    dict of str to int
        Bytes by part, such as ``"projection exc->exc"``.

    Examples
    --------
    >>> from arcuate.spec import Network, Population, lif
    >>> net = Network(name="one", dt="0.1 ms", populations=[Population(name="exc", n=1000, neuron=lif())])
    >>> estimate_memory(net, 1000)["population exc"] < 1_000_000
    True
    """
    sizes = {name: population.n for name, population in network.populations.items()}
    parts: dict[str, int] = {}
    built = peak = 0
    busiest = "building the inputs"
    for name, population in network.populations.items():
        planned, moving = _population(network, population)
        parts[f"population {name}"] = planned + moving
        noise = _noise(population, n_steps)
        built += planned + noise.get(f"frozen noise of {name}", 0)
        parts |= noise
        if network.record.spikes is True or name in (network.record.spikes or ()):
            buffers = 12 * max(16 * population.n, 65536)
            counted = int(SPIKE * RATE * n_steps * network.dt * population.n)
            parts[f"spikes of {name}"] = buffers + counted
    for drive in network.inputs.values():
        targets = sum(sizes[name] for name in drive.target)
        parts[f"input {drive.name}"] = 8 * drive.n_channels * (n_steps + 2 * targets)
        if drive.kind == "spikes":
            parts[f"input {drive.name}"] += SYNAPSE * drive.n_channels * targets
        built += parts[f"input {drive.name}"]
        peak = max(peak, built + drive.n_channels * n_steps)  # which values are finite
    for projection in network.projections.values():
        size, work = _projection(
            projection,
            sizes,
            network.dt,
            precision=precision,
            recorded=projection.name in network.record.weights,
        )
        parts[f"projection {projection.name}"] = size
        if built + work > peak:
            peak, busiest = built + work, f"building projection {projection.name}"
        built += size
    for modulator in network.modulators.values():
        parts[f"modulator {modulator.name}"] = 8 * n_steps * (2 if modulator.readout is None else 1)
    parts |= _snapshots(network, sizes, n_steps)
    parts["recorded states"] = _states(network, sizes, n_steps)
    for readout in network.readouts.values():
        parts[f"read-out {readout.name}"] = _readout(network, readout, sizes, n_steps, trials)
    parts[busiest] = max(0, peak - sum(parts.values()))
    return {name: size for name, size in parts.items() if size}


def kept_memory(network: Network, n_steps: int, trials: Any = None) -> int:
    """Estimate the bytes that stay when a run is over: those of its recording.

    Parameters
    ----------
    network : Network
        The specification.
    n_steps : int
        Length of the run.
    trials : object, optional
        The task's trials.

    Returns
    -------
    int
    """
    sizes = {name: population.n for name, population in network.populations.items()}
    record = network.record
    kept = _states(network, sizes, n_steps) if record.states else 0
    for name, n in sizes.items():
        if record.spikes is True or name in (record.spikes or ()):
            kept += int(KEPT_SPIKE * RATE * n_steps * network.dt * n)
    for readout in network.readouts.values():
        units, rows = sum(sizes[name] for name in readout.source), readout.n_rows
        samples = -(-n_steps // max(1, int(readout.period / network.dt + 0.5)))
        kept += 8 * samples * (rows + 1) * ("z" in record.readouts)
        kept += 8 * samples * units * ("features" in record.readouts)
        snapshots = (trials.n_trials if trials is not None else 1) + 1
        kept += 8 * units * rows * snapshots * ("weights" in record.readouts)
    return kept


def _varying(population: Population) -> tuple[int, int]:
    """Number of values that differ from neuron to neuron: parameters and constants, and latents."""
    model = population.neuron.mechanism
    varying = {key for key, value in population.latents.items() if _is_array(value)}
    latents = len(varying)
    entries = dict(population.neuron.parameters)
    reads = {
        key: parse(value, where="", units=True).names for key, value in entries.items() if _is_text(value)
    }
    found = {key for key, value in entries.items() if _is_array(value)}
    for _ in entries:  # a parameter may read another, in any order
        found |= {key for key, names in reads.items() if names & (varying | found)}
    for key, text in model.constants.items():
        if parse(text, where="").names & found:
            found.add(key)
    extra = [population.bias, None if population.noise is None else population.noise.sigma]
    return len(found) + sum(_is_array(value) or _is_text(value) for value in extra), latents


def _is_array(value: object) -> bool:
    return isinstance(value, (Distribution, Values))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _population(network: Network, population: Population) -> tuple[int, int]:
    """Bytes of the plan, and of what moves: state, currents, traces, and the spikes of late."""
    n, model = population.n, population.neuron.mechanism
    varying, latents = _varying(population)
    leaving = [p for p in network.projections.values() if p.pre == population.name]
    ring = 1 + max((_steps(p.delay, network.dt)[1] for p in leaving), default=0)
    arriving = [p.synapse for p in network.projections.values() if p.post == population.name]
    arriving += [x.synapse for x in network.inputs.values() if population.name in x.target and x.synapse]
    currents = sum(len(synapse.mechanism.variables) for synapse in set(arriving))
    filters = {readout.filter for readout in network.readouts.values() if population.name in readout.source}
    traces = sum(len(filter_.mechanism.variables) for filter_ in filters)
    moving = 8 * MOVING * (len(model.variables) + currents + traces) + 2 * (1 + 4 * ring)
    moving += 8 * MOVING * (ring + 3) * sum(p.short_term is not None for p in leaving)
    return 8 * n * (len(model.variables) + varying + latents), n * (moving + 8 * varying)


def _noise(population: Population, n_steps: int) -> dict[str, int]:
    if population.noise is None:
        return {}
    width = -(-population.n // 4) * 4
    if population.noise.mode == "frozen":
        return {f"frozen noise of {population.name}": 8 * width * (n_steps + 1)}
    rows = min(max(2**20 // (8 * width), 32), 1000)  # as the engine cuts it into blocks
    return {f"noise of {population.name}": 8 * width * (min(2 * rows, n_steps) + 1)}


def _steps(delay: Any, dt: float) -> tuple[int, int]:
    """Least and largest delay in steps; of a distribution without bounds, as a sample of it has them."""
    if isinstance(delay, Distribution):
        low, high = delay.support
        if not (np.isfinite(low) and np.isfinite(high)):
            drawn = delay.sample(np.random.default_rng(0), 1000)
            low, high = float(drawn.min()), float(drawn.max())
    else:
        array = np.asarray(delay, dtype=float)
        low, high = float(array.min()), float(array.max())
    return int(max(low, 0.0) / dt + 0.5), int(min(high, MAX_DELAY) / dt + 0.5)


def weight_type(projection: Projection, precision: str, *, recorded: bool) -> type:
    """Type of the weights in the plan: single in single precision, unless something changes or reads them.

    Parameters
    ----------
    projection : Projection
        Whose weights.
    precision : {"float64", "float32"}
        Precision of the run.
    recorded : bool
        Whether the recording keeps them.

    Returns
    -------
    type
    """
    changed = projection.plasticity is not None or projection.short_term is not None
    single = precision == "float32" and not (changed or recorded or projection.balance == "row")
    return np.float32 if single else np.float64


def _projection(
    projection: Projection, sizes: Mapping[str, int], dt: float, *, precision: str, recorded: bool
) -> tuple[int, int]:
    """Bytes that stay, and bytes while the projection is built."""
    n_pre, n_post = sizes[projection.pre], sizes[projection.post]
    rule = projection.connectivity
    if isinstance(rule, LowRank):
        size = 8 * rule.rank * (n_pre + n_post) + 8 * (n_pre + 1)
        return size, size + 8 * rule.rank * n_post
    count = _edges(rule, n_pre, n_post)
    low, high = _steps(projection.delay, dt)
    rows = 1 if isinstance(projection.delay, float) else high - low + 1
    pointers = 8 * min(rows, max(count, 1)) * (n_pre + 1)
    wide = np.dtype(weight_type(projection, precision, recorded=recorded)).itemsize
    drawn = [projection.delay, *projection.latents.values()]
    resolved = ENDS + wide + 1 + 8 * sum(isinstance(value, (Distribution, str)) for value in drawn)
    work = max(DRAWING, resolved, BALANCING if projection.balance == "row" else 0)
    if isinstance(rule, Edges) or not isinstance(projection.delay, float):
        work = max(work, SORTING + 2 * wide)
    size = (INDEX + wide) * count + pointers
    if projection.plasticity is not None:
        eligibility = projection.plasticity.tau_e is not None
        rule = projection.plasticity.mechanism
        own = parse(rule.on_pre, where="").names if rule.on_pre else frozenset()
        past = (high + 1) * sum(1 + (key in own) for key in rule.pre.variables)
        size += (PLASTIC + 4 * (rows > 1) + 8 * MOVING * (1 + eligibility)) * count
        size += 8 * MOVING * n_pre * (len(rule.pre.variables) + past)
    return size, work * count + pointers


def _snapshots(network: Network, sizes: Mapping[str, int], n_steps: int) -> dict[str, int]:
    """Bytes of weights that are kept: in the buffer, and joined with the last ones."""
    parts = {}
    for name, when in network.record.weights.items():
        projection = network.projections[name]
        count = _edges(projection.connectivity, sizes[projection.pre], sizes[projection.post])
        rows = len(when) if isinstance(when, tuple) else n_steps * network.dt / when
        parts[f"recorded weights of {name}"] = int(2 * 8 * count * (rows + 2))
    return parts


def _states(network: Network, sizes: Mapping[str, int], n_steps: int) -> int:
    record = network.record
    kept = sum(
        len(variables) * len(record.neurons.get(name, range(sizes[name])))
        for name, variables in record.states.items()
    )
    every = max(1, int(record.every / network.dt + 0.5))
    return 8 * (kept + 1) * -(-n_steps // every)


def _readout(network: Network, readout: Readout, sizes: Mapping[str, int], n_steps: int, trials: Any) -> int:
    units, rows = sum(sizes[name] for name in readout.source), readout.n_rows
    samples = -(-n_steps // max(1, int(readout.period / network.dt + 0.5)))
    needed = 8 * samples * (2 * rows + 6) + 8 * units * ((MOVING + 1) * rows + 3 * MOVING)
    if readout.feedback is not None:
        needed += 2 * 8 * rows * sizes[readout.feedback.target]
    if "features" in network.record.readouts:
        needed += 8 * samples * units
    if "weights" in network.record.readouts:
        needed += 2 * 8 * units * rows * ((trials.n_trials if trials is not None else 1) + 1)
    if isinstance(readout.rule, RLS):
        needed += MOVING * 8 * units**2
    return int(needed)


def _edges(rule: object, n_pre: int, n_post: int) -> int:
    if isinstance(rule, Sparse):
        return int(rule.p * n_pre * n_post)
    if isinstance(rule, Dense):
        return n_pre * n_post
    if isinstance(rule, FixedInDegree):
        return int(rule.k) * n_post
    return len(rule.pre) if isinstance(rule, Edges) else 0


def check_memory(
    network: Network,
    n_steps: int,
    trials: Any = None,
    *,
    limit: int | None = None,
    precision: str = "float64",
) -> dict[str, int]:
    """Refuse a run that would not fit.

    Parameters
    ----------
    network : Network
        The specification.
    n_steps : int
        Length of the run.
    trials : object, optional
        The task's trials.
    limit : int, optional
        Bytes allowed; 80 % of what is available by default.
    precision : {"float64", "float32"}
        Precision of the run.

    Returns
    -------
    dict of str to int
        The estimate.

    Raises
    ------
    MemoryLimitError
        With the number, the largest part and the way out.
    """
    parts = estimate_memory(network, n_steps, trials, precision=precision)
    total, allowed = sum(parts.values()), int(SHARE * available_memory()) if limit is None else limit
    if total > allowed:
        largest = max(parts, key=lambda name: parts[name])
        raise MemoryLimitError.of(
            where=f"Network {network.name!r}",
            name="memory",
            value=f"{total / 1e9:.3g} GB",
            bound=f"must be <= {allowed / 1e9:.3g} GB; the largest part is {largest!r} "
            f"with {parts[largest] / 1e9:.3g} GB",
            fix="record less or less often, shorten the run, shrink that part, or pass memory_limit=",
        )
    return parts
