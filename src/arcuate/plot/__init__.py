"""Pictures of results: every function takes a result and ``ax``, and returns the axes it drew on.

None calls ``show`` or touches matplotlib's settings; a new figure is made only if ``ax`` is None. Times are
in ms, potentials in mV, rates in Hz. Colors are those of Okabe and Ito, which color-blind readers tell apart,
and no curve is told from another by color alone. An empty result gives axes that say so.

Matplotlib is imported when the first picture is drawn.
"""

from __future__ import annotations

from arcuate.plot.activity import modulators, raster, state_map
from arcuate.plot.animation import animate_thought
from arcuate.plot.capacity import capacity_by_delay
from arcuate.plot.communities import block_matrix, chords, community_flow
from arcuate.plot.comparison import comparison, dsa, predictivity, rdms
from arcuate.plot.comparison_page import comparison_report
from arcuate.plot.criticality import avalanches, branching
from arcuate.plot.depth import activation_growth, activation_ratio, skip_curve, voids
from arcuate.plot.flagships import what_and_when
from arcuate.plot.learning import ablations, angle, timing_error, trials_to_criterion
from arcuate.plot.load import recall_by_load
from arcuate.plot.maze import maze
from arcuate.plot.mechanisms import answer_sources, dissociation, pointer_weights
from arcuate.plot.memory_steps import memory_occupancy, slot_attention, slot_gates
from arcuate.plot.order import model_order
from arcuate.plot.panels import omission, panels
from arcuate.plot.patching import ablation_effects, dose_response, patching_map
from arcuate.plot.prediction import amplitude_vs_probability, prediction_by_block, predictivity_over_time
from arcuate.plot.probes import attribution_bars, head_map, lens_map, probe_profile
from arcuate.plot.recall import capacity_curves, conditioning, forgetting
from arcuate.plot.states import state_posterior, state_weights
from arcuate.plot.study import pareto, study_map, study_marginal
from arcuate.plot.temporal import distance_laws, interval_codes, interval_rdm, locality, tuning_widths
from arcuate.plot.thought import (
    attention_path,
    dimensionality,
    neuron_traces,
    phase_map,
    synchrony_matrices,
    wave_map,
)
from arcuate.plot.three_memories import three_memories
from arcuate.plot.ticks import (
    accuracy_by_tick,
    calibration,
    calibration_by_tick,
    halting_curve,
    risk_coverage,
)
from arcuate.plot.ticks_layers import ticks_and_layers
from arcuate.plot.traces import affinity_map, factors, trace_map
from arcuate.plot.transition import logit_trajectory, strategies, transition

__all__ = [
    "ablation_effects",
    "ablations",
    "accuracy_by_tick",
    "activation_growth",
    "activation_ratio",
    "affinity_map",
    "amplitude_vs_probability",
    "angle",
    "animate_thought",
    "answer_sources",
    "attention_path",
    "attribution_bars",
    "avalanches",
    "block_matrix",
    "branching",
    "calibration",
    "calibration_by_tick",
    "capacity_by_delay",
    "capacity_curves",
    "chords",
    "community_flow",
    "comparison",
    "comparison_report",
    "conditioning",
    "dimensionality",
    "dissociation",
    "distance_laws",
    "dose_response",
    "dsa",
    "factors",
    "forgetting",
    "halting_curve",
    "head_map",
    "interval_codes",
    "interval_rdm",
    "lens_map",
    "locality",
    "logit_trajectory",
    "maze",
    "memory_occupancy",
    "model_order",
    "modulators",
    "neuron_traces",
    "omission",
    "panels",
    "pareto",
    "patching_map",
    "phase_map",
    "pointer_weights",
    "prediction_by_block",
    "predictivity",
    "predictivity_over_time",
    "probe_profile",
    "raster",
    "rdms",
    "recall_by_load",
    "risk_coverage",
    "skip_curve",
    "slot_attention",
    "slot_gates",
    "state_map",
    "state_posterior",
    "state_weights",
    "strategies",
    "study_map",
    "study_marginal",
    "synchrony_matrices",
    "three_memories",
    "ticks_and_layers",
    "timing_error",
    "trace_map",
    "transition",
    "trials_to_criterion",
    "tuning_widths",
    "voids",
    "wave_map",
    "what_and_when",
]
