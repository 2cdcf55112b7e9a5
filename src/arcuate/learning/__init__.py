"""Recurrent networks trained trial by trial by a local rule with a third factor, as estimators."""

from __future__ import annotations

from arcuate.learning.baseline import Baseline, Critic, NoBaseline, RunningMean
from arcuate.learning.eprop import EProp
from arcuate.learning.exploratory_hebb import ExploratoryHebb
from arcuate.learning.node_perturbation import NodePerturbation
from arcuate.learning.superspike import SuperSpike

__all__ = [
    "Baseline",
    "Critic",
    "EProp",
    "ExploratoryHebb",
    "NoBaseline",
    "NodePerturbation",
    "RunningMean",
    "SuperSpike",
]
