"""Analyses of recordings: spikes, subspaces, the time code, and how good a prediction is.

They take a Recording or arrays, and cannot know whether the numbers came from an engine, a trained
network or an animal.
"""

from __future__ import annotations

from arcuate.analysis.pareto import pareto_front
from arcuate.analysis.prediction import (
    Interval,
    LineFit,
    amplitude_vs_probability,
    bootstrap_interval,
    criterion_trial,
    outcome_share,
    predicted_outcomes,
    prediction_amplitude,
    timing_error,
    trials_to_criterion,
)
from arcuate.analysis.spikes import filtered_rates, isi_cv, rates, summary
from arcuate.analysis.subspace import (
    AngleReport,
    SubspaceComparison,
    angle_history,
    angle_null,
    compare_subspaces,
    covariance,
    participation_ratio,
    principal_angles,
    signal_correlation,
)
from arcuate.analysis.trajectory import gaussian_pulse, peak_times, signal_to_noise, time_decoding
from arcuate.analysis.waveform import PeriodMatch, SineFit, period_match, sine_fit

__all__ = [
    "AngleReport",
    "Interval",
    "LineFit",
    "PeriodMatch",
    "SineFit",
    "SubspaceComparison",
    "amplitude_vs_probability",
    "angle_history",
    "angle_null",
    "bootstrap_interval",
    "compare_subspaces",
    "covariance",
    "criterion_trial",
    "filtered_rates",
    "gaussian_pulse",
    "isi_cv",
    "outcome_share",
    "pareto_front",
    "participation_ratio",
    "peak_times",
    "period_match",
    "predicted_outcomes",
    "prediction_amplitude",
    "principal_angles",
    "rates",
    "signal_correlation",
    "signal_to_noise",
    "sine_fit",
    "summary",
    "time_decoding",
    "timing_error",
    "trials_to_criterion",
]
