"""The Continuous Thought Machine: neurons with a memory of their own, and synchrony as the representation.

The equations are pure functions that take NumPy arrays and torch tensors alike; `forward` runs them from
the parameters of a trained model, without torch.
"""

from __future__ import annotations

from arcuate.ctm.controls import filler_ticks, shuffled_content
from arcuate.ctm.decoding import Decoded, decode
from arcuate.ctm.dynamics import (
    SynchronyState,
    attention_read,
    certainty,
    decay_factor,
    draw_neurons,
    glu,
    key_values,
    layer_norm,
    neuron_models,
    pair_list,
    pair_products,
    project_keys_values,
    step_synchrony,
    synapse,
    synchrony,
    update_trace,
    windowed_synchrony,
)
from arcuate.ctm.evaluation import (
    accuracy_by_tick,
    answers_by_tick,
    calibration,
    halting_curve,
    risk_coverage,
    thinking_time,
)
from arcuate.ctm.gate import LearnedExit
from arcuate.ctm.halting import (
    CertaintyOrAbstain,
    CertaintyThreshold,
    Decision,
    FirstFinish,
    FixedTicks,
    Halted,
    NormChange,
    Patience,
    Policy,
    TickState,
    forward_halting,
    halt,
)
from arcuate.ctm.inference import Thought, WindowThought, forward, forward_window
from arcuate.ctm.positions import positional_code, rotational_positions

__all__ = [
    "CertaintyOrAbstain",
    "CertaintyThreshold",
    "Decision",
    "Decoded",
    "FirstFinish",
    "FixedTicks",
    "Halted",
    "LearnedExit",
    "NormChange",
    "Patience",
    "Policy",
    "SynchronyState",
    "Thought",
    "TickState",
    "WindowThought",
    "accuracy_by_tick",
    "answers_by_tick",
    "attention_read",
    "calibration",
    "certainty",
    "decay_factor",
    "decode",
    "draw_neurons",
    "filler_ticks",
    "forward",
    "forward_halting",
    "forward_window",
    "glu",
    "halt",
    "halting_curve",
    "key_values",
    "layer_norm",
    "neuron_models",
    "pair_list",
    "pair_products",
    "positional_code",
    "project_keys_values",
    "risk_coverage",
    "rotational_positions",
    "shuffled_content",
    "step_synchrony",
    "synapse",
    "synchrony",
    "thinking_time",
    "update_trace",
    "windowed_synchrony",
]
