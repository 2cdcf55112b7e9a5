"""The dynamic functional connectome: affinities, factorization, communities, switching states.

Everything here is arrays and needs no torch.
"""

from __future__ import annotations

__all__: list[str] = []
