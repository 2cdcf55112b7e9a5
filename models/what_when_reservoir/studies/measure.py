"""What the studies of this folder vary beyond single fields, and what they measure."""

from __future__ import annotations

from typing import Any

import numpy as np

from arcuate import LogUniform, Network, Normal, Record, Recording, Uniform, analysis, load_model, simulate
from arcuate.study.ablation import gain as set_gain
from arcuate.study.session import predictor_of, session_of

RATIO = 4.0  # gain of inhibition over that of excitation, as in model.toml
SLOWEST, FASTEST = 0.0005, 0.02  # the range of a in model.toml, 1/ms
SETTLED = 10  # trials at the start that are not scored: the running mean has not settled
LATENCIES = ("200 ms", "300 ms", "500 ms", "700 ms", "1000 ms")


def run(changes: dict[str, Any], gain: float, seed: int, n_trials: int) -> Recording:
    """Run the model, changed, through one block of trials; without its rule, since time is decoded."""
    network = load_model("what_when_reservoir")
    blocks = [{"n_trials": n_trials, "latency": "500 ms", "probabilities": [0.5, 0.5]}]
    network = network.replace(
        **{"task.blocks": blocks, "readouts.prediction.rule": None},
        **changes,
        **set_gain(network, gain, ratio=RATIO),
    )
    return simulate(network, seed=seed, record=Record(readouts=("features",)), progress=False)


def recurrent(gain: float = 0.1, tau_syn: str = "50 ms", seed: int = 0, n_trials: int = 60) -> Recording:
    """The model with another gain of all its synapses, balance kept, and another decay of the excitation."""
    times = {f"projections.exc->{post}.synapse.tau_syn": tau_syn for post in ("exc", "inh")}
    return run(times, gain, seed, n_trials)


def unequal(
    heterogeneity: float = 1.0, noise: float = 0.2, gain: float = 0.1, seed: int = 0, n_trials: int = 60
) -> Recording:
    """The model with the spread of its excitatory cells scaled, from 0 (all equal) to 1, and a noise."""
    middle, spread = (SLOWEST * FASTEST) ** 0.5, (FASTEST / SLOWEST) ** (heterogeneity / 2)
    changes = {
        "populations.exc.neuron.a": LogUniform(middle / spread, middle * spread),
        "populations.exc.latents.rho": Uniform(0.5 - heterogeneity / 2, 0.5 + heterogeneity / 2),
        "populations.exc.bias": Normal(6.0, heterogeneity),
        "populations.exc.noise.sigma": noise,
        "populations.inh.noise.sigma": noise,
    }
    return run(changes, gain, seed, n_trials)


def time_code(recording: Recording) -> dict[str, float]:
    """How well ridge regression tells time from the population, and what that costs in spikes."""
    found = session_of(recording)
    states, trials = found.states[SETTLED:], found.trials.n_trials
    code = analysis.time_decoding(states, times=found.times, latencies=LATENCIES)
    error = np.abs(code["error"].values)
    noise = analysis.signal_to_noise(states, times=found.times)
    spikes = {name: recording.spikes(name).sizes["spike"] for name in recording.populations}
    return {
        "error_ms": float(error.mean() * 1e3),
        "late": float((error > 0.02 * (1 + 1e-9)).mean()),  # share of trials off by more than 20 ms
        "amplitude": float(code["amplitude"].mean()),
        "snr_700_ms": float(noise.sel(time=0.7, method="nearest")),
        "rate_exc_hz": spikes["exc"] / recording.n_neurons("exc") / recording.duration,
        "spikes_per_trial": sum(spikes.values()) / trials,
    }


def relearning(recording: Recording) -> dict[str, float]:
    """How many trials the two-bank rule needs for a new latency, scored by probes."""
    found = session_of(recording)
    trials, times = found.trials, found.times
    rule = predictor_of(Network.from_dict(recording.spec), n_outcomes=trials.n_outcomes)
    teacher = trials.teachers(times)
    rule.fit(found.states, teacher, outcome=trials.outcome, latency=trials.latency, times=times)
    error = analysis.timing_error(rule.probe_when_, trials.latency, times=times)
    needed = analysis.trials_to_criterion(error, block=trials.block, n_resamples=2)["trials"].values[0]
    last = slice(-20, None)
    return {
        "trials_first": float(needed[0]),
        "trials_switch": float(needed[1]),
        "error_last_ms": float(np.median(np.abs(error[last])) * 1e3),
        "amplitude_last": float(rule.probe_when_[last].max(axis=1).mean()),
        "amplitude_spread": float(rule.probe_when_[last].max(axis=1).std()),
    }
