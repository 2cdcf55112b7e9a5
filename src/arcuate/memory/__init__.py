"""Memories: one way to write and to read, the rules that follow it, and what conditioning says of them.

Everything here is arrays and needs no torch.
"""

from __future__ import annotations

from arcuate.memory.associative import AssociativeMemory
from arcuate.memory.capacity import (
    capacity_exponent,
    delta_error,
    delta_error_by_age,
    error_free_capacity,
    hebb_error,
    mean_capacity,
    retrieval_error,
    ridge_error,
)
from arcuate.memory.consolidation import HippocampalStore, SlowLearner, consolidate, replay
from arcuate.memory.factors import FactorSamples, draw_factors
from arcuate.memory.inference import PMIMemory, draw_parameters, parameter_shapes, record_steps
from arcuate.memory.pavlov import (
    acquisition,
    condition,
    heads_needed,
    kamin,
    lookup_chain,
    trace_conditioning,
)
from arcuate.memory.pmi import (
    Attention,
    PMIConfig,
    PMIState,
    PMIStep,
    attend,
    compete,
    gates,
    memorize,
    pmi_step,
    recall,
    remember,
    retrieve,
)
from arcuate.memory.scenes import SceneWorld
from arcuate.memory.sequence import SequenceStore
from arcuate.memory.tensor_brain import Decoding, TensorBrain
from arcuate.memory.tokenizer import SpikeStateTokenizer, bursts
from arcuate.memory.transformer import Encoding, encode, positions
from arcuate.memory.workspace import ConsciousBottleneck

__all__ = [
    "AssociativeMemory",
    "Attention",
    "ConsciousBottleneck",
    "Decoding",
    "Encoding",
    "FactorSamples",
    "HippocampalStore",
    "PMIConfig",
    "PMIMemory",
    "PMIState",
    "PMIStep",
    "SceneWorld",
    "SequenceStore",
    "SlowLearner",
    "SpikeStateTokenizer",
    "TensorBrain",
    "acquisition",
    "attend",
    "bursts",
    "capacity_exponent",
    "compete",
    "condition",
    "consolidate",
    "delta_error",
    "delta_error_by_age",
    "draw_factors",
    "draw_parameters",
    "encode",
    "error_free_capacity",
    "gates",
    "heads_needed",
    "hebb_error",
    "kamin",
    "lookup_chain",
    "mean_capacity",
    "memorize",
    "parameter_shapes",
    "pmi_step",
    "positions",
    "recall",
    "record_steps",
    "remember",
    "replay",
    "retrieval_error",
    "retrieve",
    "ridge_error",
    "trace_conditioning",
]
