"""Compiled functions that a generated kernel may call: the learning rules of the mechanisms, unchanged."""

from __future__ import annotations

from arcuate._jit import compiled
from arcuate.mechanisms import plasticity

predict = compiled(plasticity.predict)
delta_update = compiled(plasticity.delta_update)
rls_reset = compiled(plasticity.rls_reset)
rls_update = compiled(plasticity.rls_update)
center_decay = compiled(plasticity.center_decay)
center_update = compiled(plasticity.center_update)
eligibility_add = compiled(plasticity.eligibility_add)
eligibility_finish = compiled(plasticity.eligibility_finish)
what_update = compiled(plasticity.what_update)

__all__ = [
    "center_decay",
    "center_update",
    "delta_update",
    "eligibility_add",
    "eligibility_finish",
    "predict",
    "rls_reset",
    "rls_update",
    "what_update",
]
