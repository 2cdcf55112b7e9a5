"""The dynamic functional connectome: affinities, factorization, communities, switching states.

Everything here is arrays and needs no torch.
"""

from __future__ import annotations

from arcuate.connectome.affinity import AFFINITIES, affinity, affinity_product
from arcuate.connectome.blocks import BlockModel
from arcuate.connectome.calcium import (
    deconvolve,
    delta_f_over_f,
    fluorescence,
    normalize,
    remove_bleaching,
    smooth,
)
from arcuate.connectome.description import Description, description_length, shortest_description
from arcuate.connectome.dynamic import Anatomy, DynamicConnectome
from arcuate.connectome.example import example_worms
from arcuate.connectome.glm import (
    exponential_basis,
    firing_rates,
    gaussian_log_density,
    gumbel_softmax_log_density,
    log_emission,
    one_hot_weights,
    spike_history,
)
from arcuate.connectome.hmm import StatePosterior, forward_backward, match_states, viterbi
from arcuate.connectome.hmm_selection import select_n_states
from arcuate.connectome.hmm_simulation import SwitchingNetwork, sample_counts, switching_network
from arcuate.connectome.hmmglm import HMMGLM
from arcuate.connectome.leiden import Modules, leiden
from arcuate.connectome.match import align_components, congruence, factor_match_score
from arcuate.connectome.ntf import NTF
from arcuate.connectome.operators import PackedTensor, ProductTensor
from arcuate.connectome.order import core_consistency, model_order
from arcuate.connectome.partitions import Consensus, align, ami, ari, consensus, nmi
from arcuate.connectome.planted import PlantedGraph, exponential_blocks, lfr_graph
from arcuate.connectome.simulated import SharedEvents, SimulatedTraces
from arcuate.connectome.surrogates import (
    circular_shift,
    dither_spikes,
    epoch_test,
    iaaft,
    p_values,
    permute_blocks,
    phase_randomize,
    shuffle_animals,
    shuffle_epochs,
    shuffle_intervals,
)
from arcuate.connectome.traces import as_traces, to_recording
from arcuate.connectome.windows import connectivity_states, windowed_connectivity

__all__ = [
    "AFFINITIES",
    "HMMGLM",
    "NTF",
    "Anatomy",
    "BlockModel",
    "Consensus",
    "Description",
    "DynamicConnectome",
    "Modules",
    "PackedTensor",
    "PlantedGraph",
    "ProductTensor",
    "SharedEvents",
    "SimulatedTraces",
    "StatePosterior",
    "SwitchingNetwork",
    "affinity",
    "affinity_product",
    "align",
    "align_components",
    "ami",
    "ari",
    "as_traces",
    "circular_shift",
    "congruence",
    "connectivity_states",
    "consensus",
    "core_consistency",
    "deconvolve",
    "delta_f_over_f",
    "description_length",
    "dither_spikes",
    "epoch_test",
    "example_worms",
    "exponential_basis",
    "exponential_blocks",
    "factor_match_score",
    "firing_rates",
    "fluorescence",
    "forward_backward",
    "gaussian_log_density",
    "gumbel_softmax_log_density",
    "iaaft",
    "leiden",
    "lfr_graph",
    "log_emission",
    "match_states",
    "model_order",
    "nmi",
    "normalize",
    "one_hot_weights",
    "p_values",
    "permute_blocks",
    "phase_randomize",
    "remove_bleaching",
    "sample_counts",
    "select_n_states",
    "shortest_description",
    "shuffle_animals",
    "shuffle_epochs",
    "shuffle_intervals",
    "smooth",
    "spike_history",
    "switching_network",
    "to_recording",
    "viterbi",
    "windowed_connectivity",
]
