"""What every engine gives back: plain arrays, before they become a Recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from arcuate.engines.plan import Array


@dataclass(frozen=True, kw_only=True)
class RawRun:
    """One piece of a run as an engine leaves it.

    Attributes
    ----------
    first, stop : int
        The piece holds steps first to stop - 1.
    spikes : mapping of str to (neuron, step)
        Spikes of each recorded population, sorted by (step, neuron).
    state_steps : ndarray, (n_rows,), int64
        Steps after which states were read.
    states : mapping of (site, variable) to ndarray, (n_rows, n_neurons)
    sample_steps : mapping of read-out to ndarray, (n_samples,), int64
    outputs : mapping of read-out to ndarray, (n_samples, n_outputs)
        Output z at the samples, before the sample's own update.
    features : mapping of read-out to ndarray, (n_samples, n_units)
        Filtered spikes r at the samples, if they were asked for.
    weight_steps : mapping of read-out to ndarray, (n_snapshots,), int64
    weights : mapping of read-out to ndarray, (n_snapshots, n_outputs, n_units)
    final : mapping of "part/variable" to ndarray
        State after the last step, of populations, currents, feature banks and read-outs.
    wall : float, s
        Time that the steps took, without compilation.
    synapses : mapping of projection to (steps, weights), (n_snapshots,) and (n_snapshots, n_synapses)
        Weights of projections before the steps at which they were asked for, in stored order.
    facts : mapping of str to str, int or float
        Whatever else belongs into the outcome: compile time, threads, flags.
    """

    first: int
    stop: int
    spikes: Mapping[str, tuple[Array, Array]]
    state_steps: Array
    states: Mapping[tuple[str, str], Array]
    sample_steps: Mapping[str, Array]
    outputs: Mapping[str, Array]
    features: Mapping[str, Array]
    weight_steps: Mapping[str, Array]
    weights: Mapping[str, Array]
    final: Mapping[str, Array]
    wall: float
    synapses: Mapping[str, tuple[Array, Array]] = field(default_factory=dict)
    facts: Mapping[str, str | int | float] = field(default_factory=dict)
