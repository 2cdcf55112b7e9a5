"""How much memory a run will need, known before anything is allocated."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from arcuate.errors import MemoryLimitError
from arcuate.spec import RLS, Dense, Edges, FixedInDegree, Network, Sparse

SHARE = 0.8
"""Share of the free memory that a run may take unless the caller says otherwise."""

RATE = 50.0
"""Spikes per second and neuron that the estimate of recorded spikes counts with."""


def estimate_memory(network: Network, n_steps: int, trials: Any = None) -> dict[str, int]:
    """Estimate the bytes of a plan and its run, part by part.

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
    seconds = n_steps * network.dt
    parts: dict[str, int] = {}
    for population in network.populations.values():
        model = population.neuron.mechanism
        arrays = len(model.parameters) + len(model.constants) + 3 * len(model.variables) + 2
        parts[f"population {population.name}"] = 8 * population.n * arrays
        if population.noise is not None and population.noise.mode == "frozen":
            parts[f"frozen noise of {population.name}"] = 8 * population.n * n_steps
        if network.record.spikes:
            parts[f"spikes of {population.name}"] = int(2 * 12 * RATE * seconds * population.n)
    for projection in network.projections.values():
        edges = _edges(projection.connectivity, sizes[projection.pre], sizes[projection.post])
        parts[f"projection {projection.name}"] = edges * (12 + 4 * 8) + 8 * sizes[projection.pre]
    for drive in network.inputs.values():
        parts[f"input {drive.name}"] = 8 * drive.n_channels * n_steps
    recorded = sum(
        len(variables) * len(network.record.neurons.get(name, range(sizes.get(name, 1))))
        for name, variables in network.record.states.items()
    )
    parts["recorded states"] = int(8 * recorded * seconds / network.record.every)
    for readout in network.readouts.values():
        units = sum(sizes[name] for name in readout.source)
        samples = int(seconds / readout.period) + 1
        needed = 8 * samples * (readout.n_outputs + 6)
        if "features" in network.record.readouts:
            needed += 8 * samples * units
        if "weights" in network.record.readouts:
            needed += 8 * units * readout.n_outputs * (trials.n_trials if trials is not None else 1)
        if isinstance(readout.rule, RLS):
            needed += 2 * 8 * units**2
        parts[f"read-out {readout.name}"] = needed
    return {name: size for name, size in parts.items() if size}


def _edges(rule: object, n_pre: int, n_post: int) -> int:
    if isinstance(rule, Sparse):
        return int(rule.p * n_pre * n_post)
    if isinstance(rule, Dense):
        return n_pre * n_post
    if isinstance(rule, FixedInDegree):
        return int(rule.k) * n_post
    if isinstance(rule, Edges):
        return len(np.asarray(rule.pre))
    return (n_pre + n_post) * int(rule.rank)  # type: ignore[attr-defined]


def available_memory() -> int:
    """Bytes of memory that are free, or can be freed, on this machine.

    Returns
    -------
    int

    Examples
    --------
    >>> available_memory() > 0
    True
    """
    try:
        with open("/proc/meminfo") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def check_memory(
    network: Network, n_steps: int, trials: Any = None, *, limit: int | None = None
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

    Returns
    -------
    dict of str to int
        The estimate.

    Raises
    ------
    MemoryLimitError
        With the number, the largest part and the way out.
    """
    parts = estimate_memory(network, n_steps, trials)
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
