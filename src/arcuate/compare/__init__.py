"""Are two systems alike: measures on arrays, and one call that adds nulls, ceilings and corrections.

The measures take arrays; ``arcuate.compare(states, ...)`` takes recordings of any origin.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

from arcuate.compare._call import compare
from arcuate.compare._cca import (
    canonical_correlations,
    cca,
    cca_measure,
    pwcca,
    pwcca_measure,
    svcca,
    svcca_measure,
)
from arcuate.compare._cka import cka, cka_measure, cka_minibatch, high_leverage, leverage
from arcuate.compare._cka_cross import cka_cross, cka_cross_measure
from arcuate.compare._comparators import rdm_similarity
from arcuate.compare._comparison import Comparison
from arcuate.compare._correspondence import step_correspondence
from arcuate.compare._difference import PairedDifference, compare_pairs
from arcuate.compare._dmd import LinearDynamics, fit_dynamics
from arcuate.compare._embedding import choose_embedding
from arcuate.compare._itda import DictionaryOverlap, dictionary_overlap, itda, itda_dictionary, itda_measure
from arcuate.compare._matching import one_to_one, one_to_one_measure, soft_matching, soft_matching_measure
from arcuate.compare._measure import Measure, refit
from arcuate.compare._neighbors import mutual_knn, mutual_knn_measure
from arcuate.compare._precision import noise_covariance, noise_precision
from arcuate.compare._rdm import rdm
from arcuate.compare._rdm_ceiling import RDMCeiling, rdm_noise_ceiling
from arcuate.compare._rdm_models import RDMFit, fit_rdm, model_rdm
from arcuate.compare._rsa import rsa, rsa_crossnobis, rsa_crossnobis_measure, rsa_measure
from arcuate.compare._shape import procrustes, procrustes_measure, shape_distance, shape_measure
from arcuate.compare._topology import TopologicalRSA, geo_topological, topological_rsa
from arcuate.compare._trajectory import combined_auroc, readout_signals, signal_auroc, trajectory_signals
from arcuate.compare._weber import (
    PerceivedDistance,
    ScalarLaw,
    perceived_distance,
    reference_coding,
    scalar_law,
    tuning_curves,
)
from arcuate.compare.dynamics import (
    DynamicalSimilarity,
    SurrogateTest,
    dsa,
    dsa_grid,
    dsa_measure,
    dsa_surrogates,
    operator_distance,
)
from arcuate.compare.encoder import RidgeEncoder, lagged
from arcuate.compare.encoding import Encoding, encode, encode_both, reliability, ridge, ridge_measure
from arcuate.compare.factorized import FactorizedReadout
from arcuate.compare.over_time import encode_over_time

__all__ = [
    "Comparison",
    "DictionaryOverlap",
    "DynamicalSimilarity",
    "Encoding",
    "FactorizedReadout",
    "LinearDynamics",
    "Measure",
    "PairedDifference",
    "PerceivedDistance",
    "RDMCeiling",
    "RDMFit",
    "RidgeEncoder",
    "ScalarLaw",
    "SurrogateTest",
    "TopologicalRSA",
    "canonical_correlations",
    "cca",
    "cca_measure",
    "choose_embedding",
    "cka",
    "cka_cross",
    "cka_cross_measure",
    "cka_measure",
    "cka_minibatch",
    "combined_auroc",
    "compare",
    "compare_pairs",
    "dictionary_overlap",
    "dsa",
    "dsa_grid",
    "dsa_measure",
    "dsa_surrogates",
    "encode",
    "encode_both",
    "encode_over_time",
    "fit_dynamics",
    "fit_rdm",
    "geo_topological",
    "high_leverage",
    "itda",
    "itda_dictionary",
    "itda_measure",
    "lagged",
    "leverage",
    "model_rdm",
    "mutual_knn",
    "mutual_knn_measure",
    "noise_covariance",
    "noise_precision",
    "one_to_one",
    "one_to_one_measure",
    "operator_distance",
    "perceived_distance",
    "procrustes",
    "procrustes_measure",
    "pwcca",
    "pwcca_measure",
    "rdm",
    "rdm_noise_ceiling",
    "rdm_similarity",
    "readout_signals",
    "reference_coding",
    "refit",
    "reliability",
    "ridge",
    "ridge_measure",
    "rsa",
    "rsa_crossnobis",
    "rsa_crossnobis_measure",
    "rsa_measure",
    "scalar_law",
    "shape_distance",
    "shape_measure",
    "signal_auroc",
    "soft_matching",
    "soft_matching_measure",
    "step_correspondence",
    "svcca",
    "svcca_measure",
    "topological_rsa",
    "trajectory_signals",
    "tuning_curves",
]


class _Callable(ModuleType):
    """Lets ``arcuate.compare`` be the package of measures and the one call at once."""

    def __call__(self, *args: Any, **options: Any) -> Comparison:
        """Compare the states of systems; see `arcuate.compare.compare`."""
        return compare(*args, **options)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process by name, as part of a notebook's function that uses the package."""
        return importlib.import_module, (self.__name__,)


sys.modules[__name__].__class__ = _Callable
