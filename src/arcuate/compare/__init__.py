"""Are two systems alike: measures on arrays, and one call that adds nulls, ceilings and corrections.

The measures take arrays; ``arcuate.compare(states, ...)`` takes recordings of any origin.
"""

from __future__ import annotations

from arcuate.compare._cka import cka, cka_measure, cka_minibatch, high_leverage, leverage
from arcuate.compare._cka_cross import cka_cross, cka_cross_measure
from arcuate.compare._measure import Measure, refit
from arcuate.compare.encoder import RidgeEncoder
from arcuate.compare.encoding import (
    Encoding,
    encode,
    encode_both,
    reliability,
    ridge,
    ridge_measure,
)
from arcuate.compare.factorized import FactorizedReadout

__all__ = [
    "Encoding",
    "FactorizedReadout",
    "Measure",
    "RidgeEncoder",
    "cka",
    "cka_cross",
    "cka_cross_measure",
    "cka_measure",
    "cka_minibatch",
    "encode",
    "encode_both",
    "high_leverage",
    "leverage",
    "refit",
    "reliability",
    "ridge",
    "ridge_measure",
]
