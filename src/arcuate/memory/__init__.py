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
from arcuate.memory.pavlov import (
    EXPERIMENTS,
    Phase,
    acquisition,
    condition,
    heads_needed,
    kamin,
    trace_conditioning,
)

__all__ = [
    "EXPERIMENTS",
    "AssociativeMemory",
    "Phase",
    "acquisition",
    "capacity_exponent",
    "condition",
    "delta_error",
    "delta_error_by_age",
    "error_free_capacity",
    "heads_needed",
    "hebb_error",
    "kamin",
    "mean_capacity",
    "retrieval_error",
    "ridge_error",
    "trace_conditioning",
]
