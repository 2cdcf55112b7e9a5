"""Analyses of recordings: spikes, synchrony and waves, subspaces, the time code, how good a prediction is.

They take a Recording or arrays, and cannot know whether the numbers came from an engine, a trained
network or an animal.
"""

from __future__ import annotations

from arcuate.analysis.avalanches import Crackling, PowerLaw, avalanches, crackling, power_law
from arcuate.analysis.branching import Branching, branching_parameter
from arcuate.analysis.capacity import information_processing_capacity, memory_capacity
from arcuate.analysis.conditions import condition_angles, condition_dimensionality
from arcuate.analysis.correlograms import count_correlation, cross_correlation_histogram
from arcuate.analysis.distances import van_rossum_distance, victor_purpura_distance
from arcuate.analysis.gain import effective_gain, response_slope, spectral_radius
from arcuate.analysis.interval import Interval, bootstrap_interval, jackknife_interval, neuron_interval
from arcuate.analysis.pareto import pareto_front
from arcuate.analysis.phase import (
    PhaseAmplitude,
    analytic_signal,
    golomb_chi,
    order_parameter,
    phase_amplitude_coupling,
)
from arcuate.analysis.prediction import (
    LineFit,
    amplitude_vs_probability,
    criterion_trial,
    outcome_share,
    predicted_outcomes,
    prediction_amplitude,
    timing_error,
    trials_to_criterion,
)
from arcuate.analysis.sensitivity import lyapunov_twin, spike_distance, spike_insertion
from arcuate.analysis.separation import kernel_rank, separation
from arcuate.analysis.spike_surrogates import spike_surrogate
from arcuate.analysis.spike_synchrony import spike_chi, spike_synchrony
from arcuate.analysis.spikes import filtered_rates, isi_cv, rates, spike_counts, summary
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
from arcuate.analysis.synchronization import spike_traces, synchrony, synchrony_kernel, synchrony_matrix
from arcuate.analysis.tangent import lyapunov_tangent
from arcuate.analysis.trajectory import gaussian_pulse, peak_map, peak_times, signal_to_noise, time_decoding
from arcuate.analysis.variability import fano_factor, local_variation, rate_distribution
from arcuate.analysis.waveform import PeriodMatch, SineFit, period_match, sine_fit
from arcuate.analysis.waves import dimensionality, surrogate, surrogate_test, travelling_wave

__all__ = [
    "AngleReport",
    "Branching",
    "Crackling",
    "Interval",
    "LineFit",
    "PeriodMatch",
    "PhaseAmplitude",
    "PowerLaw",
    "SineFit",
    "SubspaceComparison",
    "amplitude_vs_probability",
    "analytic_signal",
    "angle_history",
    "angle_null",
    "avalanches",
    "bootstrap_interval",
    "branching_parameter",
    "compare_subspaces",
    "condition_angles",
    "condition_dimensionality",
    "count_correlation",
    "covariance",
    "crackling",
    "criterion_trial",
    "cross_correlation_histogram",
    "dimensionality",
    "effective_gain",
    "fano_factor",
    "filtered_rates",
    "gaussian_pulse",
    "golomb_chi",
    "information_processing_capacity",
    "isi_cv",
    "jackknife_interval",
    "kernel_rank",
    "local_variation",
    "lyapunov_tangent",
    "lyapunov_twin",
    "memory_capacity",
    "neuron_interval",
    "order_parameter",
    "outcome_share",
    "pareto_front",
    "participation_ratio",
    "peak_map",
    "peak_times",
    "period_match",
    "phase_amplitude_coupling",
    "power_law",
    "predicted_outcomes",
    "prediction_amplitude",
    "principal_angles",
    "rate_distribution",
    "rates",
    "response_slope",
    "separation",
    "signal_correlation",
    "signal_to_noise",
    "sine_fit",
    "spectral_radius",
    "spike_chi",
    "spike_counts",
    "spike_distance",
    "spike_insertion",
    "spike_surrogate",
    "spike_synchrony",
    "spike_traces",
    "summary",
    "surrogate",
    "surrogate_test",
    "synchrony",
    "synchrony_kernel",
    "synchrony_matrix",
    "time_decoding",
    "timing_error",
    "travelling_wave",
    "trials_to_criterion",
    "van_rossum_distance",
    "victor_purpura_distance",
]
