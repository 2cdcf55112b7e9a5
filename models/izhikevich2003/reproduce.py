"""Measure the figures of expected.toml: rates, and the two rhythms of the spectrum of all spikes."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from arcuate import load_model, plot, simulate
from arcuate.analysis import isi_cv, rates
from arcuate.study.reproduction import Reproduction, judge

NAME, SECONDS = "izhikevich2003", 20.0
REGULAR = (
    "median CV of the intervals of excitatory neurons: {:.2f}; the paper calls the trains Poissonian (1)"
)
ALPHA, GAMMA, ABOVE = (5.0, 15.0), (25.0, 60.0), (100.0, 400.0)


def spectrum(recording):
    """Mean power of the number of spikes in each ms, in pieces of 1 s; frequency (Hz) and power."""
    step = np.concatenate([recording.spikes(name)["time"].values for name in ("exc", "inh")]) / 1e-3
    count = np.bincount(np.rint(step).astype(int), minlength=round(SECONDS * 1e3))
    pieces = count.reshape(-1, 1000) - count.mean()
    return np.arange(501.0), np.mean(np.abs(np.fft.rfft(pieces * np.hanning(1000))) ** 2, axis=0)


def evaluate(recording):
    """Figures of one run; power is given relative to that between 100 and 400 Hz."""
    hertz, power = spectrum(recording)
    inside = lambda band: (hertz >= band[0]) & (hertz <= band[1])  # noqa: E731
    power = power / np.median(power[inside(ABOVE)])
    figures = {f"{name}_rate": float(np.mean(rates(recording, population=name))) for name in ("exc", "inh")}
    for name, band in (("alpha", ALPHA), ("gamma", GAMMA)):
        best = np.argmax(np.where(inside(band), power, 0.0))
        figures |= {f"{name}_frequency": float(hertz[best]), f"{name}_power": float(power[best])}
    return figures


def reproduce(seeds, quick, out, progress):  # noqa: ARG001
    """Run each seed for twenty seconds; a quick run has fewer seeds of the same network."""
    network, rows = load_model(NAME), {}
    axes = Figure(figsize=(7, 3), layout="constrained").subplots()
    for number, seed in enumerate(seeds):
        report = lambda done, of, n=number: progress(n + done / of, len(seeds), "spiking")  # noqa: E731
        recording = simulate(network, f"{SECONDS} s", seed=seed, progress=report)
        rows[seed] = evaluate(recording)
        hertz, power = spectrum(recording)
        axes.semilogy(hertz[1:101], power[1:101], label=f"seed {seed}")
    axes.set(xlabel="frequency (Hz)", ylabel="power of all spikes")
    axes.legend()
    cv = float(np.nanmedian(isi_cv(recording, population="exc")))
    raster = plot.raster(recording, window=("1 s", "2 s")).figure
    measured = {name: {seed: row[name] for seed, row in rows.items()} for name in rows[seed]}
    table = {"seed": list(rows), **{name: list(values.values()) for name, values in measured.items()}}
    return Reproduction(model=NAME, figures=judge(NAME, measured, quick=quick), tables={"seeds": table},
        caveats=(REGULAR.format(cv),),
        plots={"raster": raster, "spectrum": axes.figure},
        captions={"raster": "One second, as figure 3.", "spectrum": "Spikes of all neurons."})  # fmt: skip
