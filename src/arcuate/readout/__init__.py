"""Read-outs as estimators, in the manner of scikit-learn, which is not needed for them.

Ridge solves for all samples at once. Delta, RLS and TwoBankPredictor learn trial by trial with the very
functions that the engines compile into their time loop, so that weights learned on stored states equal
those learned during a simulation. Their ``probe_`` outputs are those of the weights frozen at the start
of each trial, before the trial taught them anything; scores are to be taken from these.
"""

from __future__ import annotations

from arcuate.readout.linear import RLS, Delta, Ridge
from arcuate.readout.prediction import TwoBankPredictor, eligibility_weights, prediction_targets

__all__ = ["RLS", "Delta", "Ridge", "TwoBankPredictor", "eligibility_weights", "prediction_targets"]
