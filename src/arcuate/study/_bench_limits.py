"""What a workload could cost at best: bytes over bandwidth plus synaptic events, both measured.

An estimate: the arrays of a step are read and written once at the bandwidth that this machine gives to a
set of that size, and every synaptic event costs what a bare scatter-add costs. Arithmetic is free, which is
true for linear and quadratic neurons and not for those that take exponentials.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from arcuate import rng
from arcuate._jit import compiled
from arcuate.engines._orders import per_spike_readouts
from arcuate.engines._programs import expression, program
from arcuate.engines.plan import CurrentPlan, FeaturePlan, Plan, PopulationPlan

__all__ = ["bandwidth", "bytes_per_step", "events_per_spike", "scatter_time", "update_bytes"]

REPEATS = 5
"""Measurements, of which the median counts."""

TRAFFIC = 2e8
"""Bytes that one measurement moves at least."""

EVENTS = 10_000_000
"""Synaptic events that one measurement of a scatter-add makes at least."""


def bytes_per_step(plan: Plan, *, itemsize: int = 8, order: str = "strict") -> int:
    """Count the bytes that a step must read or write whatever fires.

    State is read and written, values that differ between neurons are read, feedback weights are read. A
    read-out's weights are read for its output, and read and written by its rule, if they are at work on
    every step. What the order keeps up to date at spikes alone costs a step nothing.

    Parameters
    ----------
    plan : Plan
        Of the run.
    itemsize : int
        Bytes of a number.
    order : {"strict", "fast"}
        Order of sums.

    Returns
    -------
    int

    Examples
    --------
    >>> from arcuate.engines.build import build_plan
    >>> from arcuate.study.workloads import reservoir
    >>> bytes_per_step(build_plan(reservoir(100), seed=1, duration="1 ms")) // 100
    72
    """
    numbers, spared = 0, per_spike_readouts(plan, order)
    idle = {feature for name in spared for feature in plan.readouts[name].features}
    for population in plan.populations.values():
        varying = [*population.values.items(), ("bias", population.bias)]
        used = _read_by_update(population)
        per_neuron = 2 * len(population.model.variables)
        per_neuron += sum(value.ndim > 0 for key, value in varying if key in used)
        owners: list[CurrentPlan | FeaturePlan] = [*plan.currents_of(population.name)]
        owners += [bank for bank in plan.features_of(population.name) if bank.name not in idle]
        for owner in owners:
            per_neuron += 2 * len(owner.model.variables)
            per_neuron += sum(np.ndim(value) > 0 for value in owner.values.values())
        numbers += population.n * per_neuron
    for name, readout in plan.readouts.items():
        numbers += sum(weights.size for weights in readout.feedback.values())
        if name not in spared and len(readout.sample_steps) >= plan.n_steps:
            numbers += readout.n_outputs * readout.n_units * (3 if readout.spec.rule is not None else 1)
    return numbers * itemsize


def _read_by_update(population: PopulationPlan) -> set[str]:
    """Values that every neuron reads on every step, not only when it fires."""
    model = population.model
    return {"bias"} | program(model.updates[population.method]).reads | expression(model.threshold).names


def events_per_spike(plan: Plan) -> float:
    """Mean number of synapses that a spike goes to.

    Parameters
    ----------
    plan : Plan
        Of the run.

    Returns
    -------
    float
    """
    return sum(p.index.size for p in plan.projections.values()) / sum(p.n for p in plan.populations.values())


def update_bytes(n: int, *, itemsize: int = 8, waiting: int = 1) -> int:
    """Bytes of one update of least squares: half of a symmetric matrix, read, and written every few updates.

    Parameters
    ----------
    n : int
        Features.
    itemsize : int
        Bytes of a number.
    waiting : int
        Updates that are written together.

    Returns
    -------
    int

    Examples
    --------
    >>> update_bytes(2000), update_bytes(2000, waiting=16)
    (32016000, 17008500)
    """
    half = n * (n + 1) // 2 * itemsize
    return half + half // waiting


def _triad(a: Any, b: Any, c: Any, repeats: int) -> None:
    for _ in range(repeats):
        for i in range(a.shape[0]):
            a[i] = b[i] + a[i] * c[i]


def _scatter(total: Any, index: Any, weight: Any, repeats: int) -> None:
    for _ in range(repeats):
        for j in range(index.shape[0]):
            total[index[j]] += weight[j]


def _median_cpu(call: Callable[[], object]) -> float:
    call()
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return float(np.median(times))


@cache
def bandwidth(n_bytes: int, itemsize: int = 8) -> float:
    """Measure how fast a set of arrays is read and written, over and over.

    Parameters
    ----------
    n_bytes : int
        Of the set, which decides the level of cache that it lives in.
    itemsize : int
        Bytes of a number.

    Returns
    -------
    float, bytes/s

    Examples
    --------
    >>> bandwidth(24_000) > 1e8
    True
    """
    n = max(64, n_bytes // (3 * itemsize))
    a, b, c = (np.full(n, value, f"f{itemsize}") for value in (0.0, 1.0, 0.5))
    moved = 4 * n * itemsize  # three arrays read, one written
    repeats, triad = max(1, int(TRAFFIC / moved)), compiled(_triad)
    return repeats * moved / _median_cpu(lambda: triad(a, b, c, repeats))


@cache
def scatter_time(n: int, n_synapses: int, *, itemsize: int = 8) -> float:
    """Measure a synaptic event: one weight added to one of the targets, in any order.

    Parameters
    ----------
    n : int
        Targets.
    n_synapses : int
        Synapses that are gone through, which decides where the weights come from.
    itemsize : int
        Bytes of a number.

    Returns
    -------
    float, s

    Examples
    --------
    >>> 0 < scatter_time(100, 1000) < 1e-6
    True
    """
    index = rng.stream(0, "bench/scatter").integers(0, n, n_synapses, dtype=np.int32)
    total, weight = np.zeros(n, f"f{itemsize}"), np.ones(n_synapses, f"f{itemsize}")
    scatter, repeats = compiled(_scatter), max(1, EVENTS // n_synapses)
    return _median_cpu(lambda: scatter(total, index, weight, repeats)) / (repeats * n_synapses)
