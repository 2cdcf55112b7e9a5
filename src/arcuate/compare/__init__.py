"""Are two systems alike: measures on arrays, and one call that adds nulls, ceilings and corrections.

The measures take arrays; ``arcuate.compare(states, ...)`` takes recordings of any origin.
"""

from __future__ import annotations

from arcuate.compare._measure import Measure, refit

__all__ = ["Measure", "refit"]
