"""The dynamic functional connectome: affinities, factorization, communities, switching states.

Everything here is arrays and needs no torch.
"""

from __future__ import annotations

from arcuate.connectome.calcium import (
    deconvolve,
    delta_f_over_f,
    fluorescence,
    normalize,
    remove_bleaching,
    smooth,
)
from arcuate.connectome.match import align_components, congruence, factor_match_score
from arcuate.connectome.ntf import NTF
from arcuate.connectome.traces import as_traces, to_recording

__all__ = [
    "NTF",
    "align_components",
    "as_traces",
    "congruence",
    "deconvolve",
    "delta_f_over_f",
    "factor_match_score",
    "fluorescence",
    "normalize",
    "remove_bleaching",
    "smooth",
    "to_recording",
]
