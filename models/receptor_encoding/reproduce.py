"""Measure the figures of expected.toml: a neuron and ridge regression hear a sound that is new to them."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter1d

from arcuate import Input, Network, Noise, Population, alif, datasets, simulate
from arcuate.compare import RidgeEncoder, lagged
from arcuate.models import load_training
from arcuate.study.reproduction import Reproduction, judge

NAME, N_BINS, MS, DT = "receptor_encoding", 10_000, 1e-3, 1e-4


def recordings():
    """Sound every 0.1 ms, and rate, of both recordings."""
    data = datasets.grasshopper()
    spikes, sound = data.spikes("receptor"), data.states("stimulus")["amplitude"].values.reshape(2, -1, 2)
    return [(sound[k].mean(axis=1), rate(spikes["time"].values[spikes["trial"] == k], 1)) for k in (0, 1)]


def rate(times, n):
    """Spikes of n neurons in bins of 1 ms, smoothed by a Gaussian of 3 ms, in Hz of one neuron."""
    return gaussian_filter1d(np.histogram(times, bins=np.arange(N_BINS + 1) * MS)[0] / (n * MS), 3.0)


def neuron(p, sound, *, n, seed):
    """Rate of n copies of an adapting neuron that a power of an earlier sound drives."""
    leak, shift = 1 - np.exp(-DT / (p["tau_m"] * MS)), round(p["delay"] * MS / DT)
    cell = alif(**{name: f"{p[name]} ms" for name in ("tau_m", "tau_a", "t_ref")}, beta=p["beta"])
    noise = Noise(sigma=p["noise"] * np.sqrt(leak * (2 - leak) * DT))
    copies = Population(name="receptor", n=n, neuron=cell, bias=-leak * p["bias"], noise=noise)
    sounds = [Input(name="sound", target="receptor", weight=leak * p["gain"])]
    network = Network(name=NAME, dt=f"{DT} s", populations=[copies], inputs=sounds)
    drive = np.pad(sound, (shift, 0), mode="edge")[: sound.size, None] ** p["power"]
    recording = simulate(network, f"{N_BINS} ms", seed=seed, inputs={"sound": drive}, progress=False)
    return rate(recording.spike_arrays("receptor")[0], n)


def reproduce(seeds, quick, out, progress):  # noqa: ARG001
    """Predict each recording by what was fitted to the other; a quick run has one seed of the noise."""
    table, data, measured = load_training(NAME), recordings(), {}
    states = [lagged(sound.reshape(N_BINS, -1).mean(axis=1), table["ridge"]["lags"]) for sound, _ in data]
    for test, ax in enumerate(Figure(figsize=(8, 5), layout="constrained").subplots(2, sharex=True)):
        encoder = RidgeEncoder(**table["parameters"], folds=np.arange(N_BINS) // 2000)
        curves = [data[test][1], encoder.fit(states[1 - test], data[1 - test][1]).predict(states[test]), None]
        for number, seed in enumerate(seeds):
            progress(test * len(seeds) + number, 2 * len(seeds), "receptor")
            curves[2] = neuron(table[f"recording_{2 - test}"], data[test][0], n=table["copies"], seed=seed)
            parts = [np.corrcoef(part)[0, 1:] for part in np.split(np.array(curves), 20, axis=1)]
            scores = (*np.corrcoef(curves)[0, 1:], np.mean(np.diff(parts) > 0))
            for name, score in zip(("ridge", "neuron", "better"), scores, strict=True):
                measured.setdefault(f"{name}_{test + 1}", {})[seed] = float(score)
        ax.plot(np.array(curves)[:, 2000:2400].T, label=["receptor", "ridge regression", "neuron"])
        ax.set(ylabel="rate (Hz)", xlabel="time from 2 s on (ms)", title=f"recording {test + 1}")
    ax.legend(loc="upper right", ncols=3)
    return Reproduction(model=NAME, figures=judge(NAME, measured, quick=quick), plots={"rate": ax.figure},
        caveats=("Each sound was played once: there is no noise ceiling to tell what is left.",))  # fmt: skip
