"""The plan: what a specification and a seed come to, as arrays.

All randomness is resolved here, before an engine sees anything, so that every engine gets the same
numbers. A plan is read-only; the state that moves belongs to the engine.

Order of a step, the same for every engine (slots S0 to S7)::

    S0 input     rows of the inputs and of the noise for step n
    S1 feedback  the read-out's output of the end of step n-1 times the feedback weights
    S2 update    neurons, then synaptic currents, then read-out filters, from the state of step n-1;
                 then the traces of plastic projections, which see the neurons' new state
    S3 spike     threshold, ascending neuron; short-term plasticity of those that fired
    S4 deliver   spikes of step n-d: oldest first, then ascending pre, then ascending post; a plastic
                 synapse changes after its weight was delivered
    S5 reset     neurons and read-out filters of those that fired
    S6 learn     z = W r; at sample steps: error, rule, weights; plastic projections: postsynaptic
                 spikes, modulators, drift of the weights, periodic increments, normalization
    S7 record    state after S6, stamped n * dt

The total input of a neuron is summed in the order bias, inputs, feedback, noise, synaptic currents,
each in the order of the specification.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from arcuate.engines._programs import program

if TYPE_CHECKING:
    from arcuate.mechanisms.neurons import NeuronModel
    from arcuate.mechanisms.short_term import ShortTermModel
    from arcuate.mechanisms.synapses import FilterModel, SynapseModel
    from arcuate.mechanisms.synaptic_rules import SynapticRule
    from arcuate.spec import Modulator, Network, Plasticity, Readout

Array = NDArray[Any]
"""Any NumPy array."""


@dataclass(frozen=True, kw_only=True)
class NoisePlan:
    """White noise of one population.

    Attributes
    ----------
    scale : ndarray, () or (n,), input unit
        Factor on the standard normal of each step, ``sigma / sqrt(dt)``.
    stream : str
        Name of the stream of standard normals, one for each step and neuron.
    frozen : ndarray, (n_steps, n rounded up to a multiple of 4), or None
        The standard normals themselves if the specification asked for frozen noise.
    """

    scale: Array
    stream: str
    frozen: Array | None = None


@dataclass(frozen=True, kw_only=True)
class PopulationPlan:
    """One population as arrays: every value is () if all neurons share it, else (n,)."""

    name: str
    n: int
    model: NeuronModel
    method: str
    values: Mapping[str, Array]
    initial: Mapping[str, Array]
    bias: Array
    noise: NoisePlan | None = None

    @property
    def leaky(self) -> bool:
        """True if synaptic currents enter the membrane by their exact contribution, not through I."""
        return self.model.leak is not None and self.method == "exact"

    @property
    def takes_conductance(self) -> bool:
        """True if the update reads the total conductance ``G``; its input current is then ``I - G*v``."""
        return "G" in program(self.model.updates[self.method]).reads


@dataclass(frozen=True, kw_only=True)
class CurrentPlan:
    """A synaptic current onto one population, shared by all projections with the same synapse.

    Attributes
    ----------
    leaky : bool
        Whether its exact contribution to a linear membrane is added to ``P``.
    ohmic : bool
        Whether the target takes its conductance as ``G``.
    """

    name: str
    post: str
    model: SynapseModel
    method: str
    values: Mapping[str, Array]
    leaky: bool
    ohmic: bool = False

    @property
    def outputs(self) -> tuple[tuple[str, str], ...]:
        """What it adds to the neuron's ``P`` (leaky), ``G`` (ohmic) and ``I``, as expressions."""
        if self.leaky:
            return (("P", self.model.leak_contribution),)
        if self.ohmic:
            return (("G", self.model.conductance), ("I", self.model.driven))
        return (("I", self.model.current),) if self.model.current else ()


@dataclass(frozen=True, kw_only=True)
class PlasticityPlan:
    """The rule of a projection as arrays.

    Attributes
    ----------
    values : mapping of str to ndarray, ()
        Parameters and constants of the rule, in SI; with an eligibility also its ``decay_e`` and the
        factors ``gain_level`` and ``gain_base`` of the modulator's level and baseline.
    initial : mapping of str to ndarray, (n_post,)
        Postsynaptic traces at the start.
    sign : float
        A weight is this times a strength; -1 if the source inhibits.
    low, high : float
        Bounds of the strength; infinite for none.
    column : ndarray, (n_post + 1,), int64
        Pointers into `edge`, `source` and `row`: the synapses onto each target, in stored order.
    edge : ndarray, (n_synapses,), int32
        Index of each of them among the stored synapses.
    source, row : ndarray, (n_synapses,), int32
        Presynaptic neuron of each of them, and the place of its delay among the delays; `row` is empty if
        there is one delay.
    epoch : int
        Steps after which an event-driven eligibility is written anew.
    every : int
        Period of normalization and of periodic increments, steps; 0 for none.
    norm : ndarray, (n_post,)
        Norm of the strengths onto each target at the start; empty without normalization.
    """

    spec: Plasticity
    rule: SynapticRule
    values: Mapping[str, Array]
    initial: Mapping[str, Array]
    sign: float
    low: float
    high: float
    column: Array
    edge: Array
    source: Array
    row: Array
    epoch: int
    every: int
    norm: Array


@dataclass(frozen=True, kw_only=True)
class ModulatorPlan:
    """A third factor.

    Attributes
    ----------
    values : ndarray, (n_steps, 1)
        What each step adds to the level, or the level itself; empty for the error of a read-out.
    decay : float
        Factor on the level from one step to the next; 0 if the values are the level.
    gate : ndarray, (n_steps,)
        Factor on the modulator.
    feedback : mapping of str to ndarray, (n_outputs, n_post)
        Weights of the errors for each population that needs them; empty for a broadcast.
    """

    name: str
    spec: Modulator
    values: Array
    decay: float
    gate: Array
    feedback: Mapping[str, Array]


@dataclass(frozen=True, kw_only=True)
class ShortTermPlan:
    """Short-term plasticity of one projection; every value is () or (n_pre,)."""

    model: ShortTermModel
    values: Mapping[str, Array]


@dataclass(frozen=True, kw_only=True)
class ProjectionPlan:
    """Synapses sorted by (delay descending, pre, post).

    Attributes
    ----------
    pre, post : str
        Populations (or, for ``pre``, a spike input).
    current : str
        Name of the :class:`CurrentPlan` that the spikes jump into.
    delays : ndarray, (n_delays,), steps
        Distinct delays, longest first.
    indptr : ndarray, (n_delays, n_pre + 1), int64
        Row pointers into `index` and `weight`, one row of pointers for each distinct delay.
    index : ndarray, (n_synapses,), int32
        Postsynaptic neurons.
    weight : ndarray, (n_synapses,), float64
        Or float32, in a plan for single precision, if nothing changes or records them.
    left, right : ndarray, (n_post, rank) and (n_pre, rank), or None
        Factors of a low-rank projection, which has no explicit synapses.
    short_term : ShortTermPlan or None
        Its short-term plasticity.
    """

    name: str
    pre: str
    post: str
    current: str
    delays: Array
    indptr: Array
    index: Array
    weight: Array
    left: Array | None = None
    right: Array | None = None
    plasticity: PlasticityPlan | None = None
    short_term: ShortTermPlan | None = None

    def edges(self) -> tuple[Array, Array]:
        """Presynaptic neuron and delay in steps of every stored synapse.

        Returns
        -------
        tuple of ndarray
            ``(pre, delay)``, each (n_synapses,), in stored order.
        """
        counts = np.diff(self.indptr, axis=1)
        n_pre = counts.shape[1]
        pre = np.concatenate([np.repeat(np.arange(n_pre), row) for row in counts])
        return pre, np.repeat(self.delays, counts.sum(axis=1))


@dataclass(frozen=True, kw_only=True)
class InputPlan:
    """A driven input: ``values[n // every] @ weight`` is added to each target's input at step n."""

    name: str
    kind: str
    values: Array
    every: int
    weight: Mapping[str, Array]


@dataclass(frozen=True, kw_only=True)
class FeaturePlan:
    """A bank of read-out filters on the spikes of one population."""

    name: str
    population: str
    n: int
    model: FilterModel
    method: str
    values: Mapping[str, Array]


@dataclass(frozen=True, kw_only=True)
class ReadoutPlan:
    """A read-out, its teacher and its schedule.

    Attributes
    ----------
    features : tuple of str
        Feature banks whose concatenation is r, (n_units,).
    initial : ndarray, (n_outputs, n_units)
        Weights at the start.
    feedback : mapping of str to ndarray, (n_outputs, n)
        Feedback weights for each target population; empty for none.
    sample_steps : ndarray, (n_samples,), int64
        Steps after which the read-out is sampled and, if it has a rule, learns.
    target : ndarray, (n_samples, n_outputs)
        Teacher at the samples; empty without a rule.
    gate : ndarray, (n_samples,)
        Attention gate at the samples.
    eligible : ndarray, (n_samples,)
        Weight of each sample in the eligibility of its trial (two-bank rule).
    trial : ndarray, (n_samples,), int64
        Trial of each sample.
    phase : ndarray, (n_samples,), s
        Time of each sample since its trial's start.
    outcome : ndarray, (n_trials,), int64
        Index of the outcome of each trial; -1 for an omission.
    latency : ndarray, (n_trials,), s
        When the outcome of each trial comes.
    """

    name: str
    spec: Readout
    features: tuple[str, ...]
    n_units: int
    n_outputs: int
    initial: Array
    feedback: Mapping[str, Array]
    sample_steps: Array
    target: Array
    gate: Array
    trial: Array
    phase: Array
    eligible: Array
    outcome: Array
    latency: Array


@dataclass(frozen=True, kw_only=True)
class RecordPlan:
    """What to keep: (site, variable, neurons) triples and the steps at which they are read.

    `weights` holds, for each projection whose weights are kept, the steps before which they are read.
    """

    spikes: tuple[str, ...]
    states: tuple[tuple[str, str, Array], ...]
    steps: Array
    readouts: tuple[str, ...]
    weights: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything an engine needs to run.

    Attributes
    ----------
    n_steps : int
        Length of the run; inputs, teachers and schedules reach that far.
    dt : float, s
    trial_start : ndarray, (n_trials,), int64
        First step of each trial of the task; empty without one.
    trials : object or None
        The task's trials, for the events of the recording.
    """

    network: Network
    seed: int
    dt: float
    n_steps: int
    populations: Mapping[str, PopulationPlan]
    currents: Mapping[str, CurrentPlan]
    projections: Mapping[str, ProjectionPlan]
    inputs: Mapping[str, InputPlan]
    features: Mapping[str, FeaturePlan]
    readouts: Mapping[str, ReadoutPlan]
    record: RecordPlan
    trial_start: Array
    trials: Any = None
    modulators: Mapping[str, ModulatorPlan] = field(default_factory=dict)
    memory: Mapping[str, int] = field(default_factory=dict)

    def currents_of(self, population: str) -> list[CurrentPlan]:
        """Synaptic currents onto a population, in the order of the sum.

        Parameters
        ----------
        population : str
            Name of the postsynaptic population.

        Returns
        -------
        list of CurrentPlan
        """
        return [c for c in self.currents.values() if c.post == population]

    def features_of(self, population: str) -> list[FeaturePlan]:
        """Read-out filters on a population's spikes.

        Parameters
        ----------
        population : str
            Name of the source population.

        Returns
        -------
        list of FeaturePlan
        """
        return [f for f in self.features.values() if f.population == population]

    def max_delay(self, source: str) -> int:
        """Longest delay, in steps, of the projections that leave a source.

        Parameters
        ----------
        source : str
            Population or spike input.

        Returns
        -------
        int
        """
        return max(
            (int(p.delays.max(initial=0)) for p in self.projections.values() if p.pre == source), default=0
        )
