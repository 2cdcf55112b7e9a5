"""Measure the figures of expected.toml: how often the balanced network fires."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from arcuate import load_model, plot, simulate
from arcuate.analysis import rates
from arcuate.study.reproduction import Reproduction, judge

NAME, SECONDS = "cobahh", 4.0


def evaluate(recording):
    """Figures of one run."""
    rate = {name: float(np.mean(rates(recording, population=name))) for name in ("exc", "inh")}
    times = np.asarray(recording.spikes("exc")["time"])
    halves = [np.mean((times < SECONDS / 2) == early) for early in (True, False)]
    return {
        "rate": 0.8 * rate["exc"] + 0.2 * rate["inh"],
        "same_rate": abs(rate["exc"] / rate["inh"] - 1.0),
        "steady": abs(halves[1] / halves[0] - 1.0),
    }


def reproduce(seeds, quick, out, progress):  # noqa: ARG001
    """Run each seed for four seconds; a quick run has fewer seeds of the same network."""
    network, rows = load_model(NAME), {}
    for number, seed in enumerate(seeds):
        report = lambda done, of, n=number: progress(n + done / of, len(seeds), "spiking")  # noqa: E731
        recording = simulate(network, f"{SECONDS} s", seed=seed, progress=report)
        rows[seed] = evaluate(recording)
    axes = Figure(figsize=(7, 3), layout="constrained").subplots()
    for name in ("exc", "inh"):
        times = np.asarray(recording.spikes(name)["time"])
        counts, edges = np.histogram(times, bins=np.arange(0.0, SECONDS + 0.01, 0.02))
        axes.plot(edges[:-1], counts / (0.02 * network.populations[name].n), label=name)
    axes.set(xlabel="time (s)", ylabel="population rate (Hz)", xlim=(0, 1))
    axes.legend()
    raster = plot.raster(recording, window=("1 s", "1.5 s")).figure
    measured = {name: {seed: row[name] for seed, row in rows.items()} for name in rows[seed]}
    table = {"seed": list(rows), **{name: list(values.values()) for name, values in measured.items()}}
    return Reproduction(model=NAME, figures=judge(NAME, measured, quick=quick), tables={"seeds": table},
        plots={"raster": raster, "rate": axes.figure},
        captions={"raster": "Half a second of the last seed.", "rate": "In bins of 20 ms."})  # fmt: skip
