"""The dynamic functional connectome: affinities, factorization, communities, switching states.

Everything here is arrays and needs no torch.
"""

from __future__ import annotations

from arcuate.connectome.traces import as_traces, to_recording

__all__ = [
    "as_traces",
    "to_recording",
]
