"""Recurrent networks trained trial by trial by a local rule with a third factor, as estimators."""

from __future__ import annotations

from arcuate.learning.baseline import Baseline, Critic, NoBaseline, RunningMean

__all__ = ["Baseline", "Critic", "NoBaseline", "RunningMean"]
