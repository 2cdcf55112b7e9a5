"""The specification: what a model is, as frozen data.

A `Network` is made of populations, projections, inputs, read-outs and what to record. It is read from and
written to TOML and JSON, has a content hash, and is varied by dotted path. Values carry units on the way in
(``"20 ms"``) and are floats in SI afterwards; random values stay distributions until the plan draws them.

Examples
--------
>>> net = Network(
...     name="pair",
...     dt="0.1 ms",
...     populations=[Population(name="exc", n=80, neuron=lif(tau_m="20 ms"))],
...     projections=[Projection(pre="exc", post="exc", connectivity=Sparse(0.1), weight="50 pA")],
... )
>>> Network.from_toml(net.to_toml()).sha256 == net.sha256
True
"""

from __future__ import annotations

from arcuate.spec.checks import check_parameters, parameter_order
from arcuate.spec.distributions import Distribution, Exponential, LogNormal, LogUniform, Normal, Uniform
from arcuate.spec.fit import synapse_weight_unit
from arcuate.spec.network import Network
from arcuate.spec.plasticity import (
    Modulator,
    Plasticity,
    inhibitory_stdp,
    stdp,
    synaptic_scaling,
    triplet_stdp,
    voltage_stdp,
)
from arcuate.spec.population import (
    Neuron,
    Noise,
    Population,
    adex,
    alif,
    hh,
    izh2003,
    izh2007,
    lif,
    neuron_from_ode,
    qif,
    theta,
)
from arcuate.spec.projection import (
    Connectivity,
    Dense,
    Edges,
    FixedInDegree,
    LowRank,
    Projection,
    Sparse,
)
from arcuate.spec.readout import RLS, Center, Delta, Feedback, Filter, Input, Readout, Rule, TwoBank
from arcuate.spec.record import Record, to_steps
from arcuate.spec.synapse import Synapse, TsodyksMarkram, alpha, delta, double_exponential, exponential, pulse
from arcuate.spec.values import FrozenDict, Quantity, Values

__all__ = [
    "RLS",
    "Center",
    "Connectivity",
    "Delta",
    "Dense",
    "Distribution",
    "Edges",
    "Exponential",
    "Feedback",
    "Filter",
    "FixedInDegree",
    "FrozenDict",
    "Input",
    "LogNormal",
    "LogUniform",
    "LowRank",
    "Modulator",
    "Network",
    "Neuron",
    "Noise",
    "Normal",
    "Plasticity",
    "Population",
    "Projection",
    "Quantity",
    "Readout",
    "Record",
    "Rule",
    "Sparse",
    "Synapse",
    "TsodyksMarkram",
    "TwoBank",
    "Uniform",
    "Values",
    "adex",
    "alif",
    "alpha",
    "check_parameters",
    "delta",
    "double_exponential",
    "exponential",
    "hh",
    "inhibitory_stdp",
    "izh2003",
    "izh2007",
    "lif",
    "neuron_from_ode",
    "parameter_order",
    "pulse",
    "qif",
    "stdp",
    "synapse_weight_unit",
    "synaptic_scaling",
    "theta",
    "to_steps",
    "triplet_stdp",
    "voltage_stdp",
]
