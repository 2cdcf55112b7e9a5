"""Are two systems alike: measures on arrays, and one call that adds nulls, ceilings and corrections.

The measures take arrays; ``arcuate.compare(states, ...)`` takes recordings of any origin.
"""

from __future__ import annotations

from arcuate.compare._cka import cka, cka_measure, cka_minibatch, high_leverage, leverage
from arcuate.compare._cka_cross import cka_cross, cka_cross_measure
from arcuate.compare._dmd import LinearDynamics, fit_dynamics
from arcuate.compare._embedding import choose_embedding
from arcuate.compare._measure import Measure, refit
from arcuate.compare.dynamics import (
    DynamicalSimilarity,
    SurrogateTest,
    dsa,
    dsa_grid,
    dsa_measure,
    dsa_surrogates,
    operator_distance,
)
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
    "DynamicalSimilarity",
    "Encoding",
    "FactorizedReadout",
    "LinearDynamics",
    "Measure",
    "RidgeEncoder",
    "SurrogateTest",
    "choose_embedding",
    "cka",
    "cka_cross",
    "cka_cross_measure",
    "cka_measure",
    "cka_minibatch",
    "dsa",
    "dsa_grid",
    "dsa_measure",
    "dsa_surrogates",
    "encode",
    "encode_both",
    "fit_dynamics",
    "high_leverage",
    "leverage",
    "operator_distance",
    "refit",
    "reliability",
    "ridge",
    "ridge_measure",
]
