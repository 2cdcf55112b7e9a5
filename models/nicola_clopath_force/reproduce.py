"""Measure the figures of expected.toml: a network learns a 5 Hz sine by FORCE and goes on alone."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from arcuate import load_model, plot, simulate
from arcuate.analysis import sine_fit
from arcuate.study.reproduction import Reproduction, judge

NAME, HERTZ, ALONE, END = "nicola_clopath_force", 5.0, 10.0, 15.0  # the rule of model.toml is active 5-10 s
SLIP = "RMSE of the 5 s alone against the teacher as it is: {}; the phase slips, see the card"


def teacher(network, end=END):
    """Time of each sample and the sine there; the published code counts the first step as step 1."""
    every = round(network.readouts["z"].period / network.dt)
    t = (np.arange(0, round(end / network.dt), every) + 1) * network.dt
    return t, np.sin(2 * np.pi * HERTZ * t)


def evaluate(t, z, y):
    """Figures of one run; beside them the RMSE of the test phase unaligned and with one shift in time."""
    test = t > ALONE
    rmse = lambda part: np.sqrt(np.mean((z - y)[part] ** 2))  # noqa: E731
    best, unit = sine_fit(t[test], z[test]), sine_fit(t[test], z[test], amplitude=1.0)
    figures = {
        "training_rmse": rmse((t > ALONE - 1) & ~test),
        "first_second_rmse": rmse(test & (t <= ALONE + 1)),
    }
    figures |= {"test_rmse": unit.rmse, "frequency": best.frequency, "amplitude": best.amplitude}
    one_shift = sine_fit(t[test], z[test], frequency=HERTZ, amplitude=1.0)
    return figures, {"plain RMSE": rmse(test), "RMSE with one shift": one_shift.rmse}


def reproduce(seeds, quick, out, progress):  # noqa: ARG001
    """Run the published protocol for each seed; a quick run has fewer seeds of the same network."""
    network, rows, phases = load_model(NAME), {}, Figure(figsize=(7, 5), layout="constrained")
    (t, y), errors = teacher(network), Figure(figsize=(7, 3), layout="constrained").subplots()
    for number, seed in enumerate(seeds):
        report = lambda done, of, n=number: progress(n + done / of, len(seeds), "spiking")  # noqa: E731
        rec = simulate(network, f"{END} s", seed=seed, targets={"z": y}, progress=report)
        z = np.asarray(rec.states("z/output")["z"]).ravel()
        figures, beside = evaluate(t, z, y)
        rows[seed] = {"seed": seed, **figures, **beside, "spikes": rec.spikes("res").sizes["spike"]}
        cycles = np.sqrt(np.mean(((z - y) ** 2).reshape(75, -1), axis=1))  # 75 cycles of 5 Hz in 15 s
        errors.semilogy((np.arange(75) + 0.5) / HERTZ, cycles, label=f"seed {seed}")
    errors.set(xlabel="time (s)", ylabel="RMSE of each cycle")
    errors.legend()
    for axes, low in zip(phases.subplots(3, 1), (4.0, 9.0, 13.0), strict=True):
        axes.plot(t, y, "0.6", t, z, "C0")
        axes.set(xlim=(low, low + 2), ylim=(-1.6, 1.6), xlabel="time (s)", ylabel="z (blue), teacher")
    spikes = plot.raster(rec, window=(f"{ALONE - 0.4} s", f"{ALONE + 0.4} s"))
    measured = {name: {seed: row[name] for seed, row in rows.items()} for name in figures}
    plain = SLIP.format(", ".join(f"{row['plain RMSE']:.3f}" for row in rows.values()))
    return Reproduction(model=NAME, figures=judge(NAME, measured, quick=quick), caveats=(plain,),
        plots={"phases": phases, "rmse": errors.figure, "raster": spikes.figure},
        captions={"rmse": "Learning from 5 s to 10 s.", "raster": "Learning stops at 10 s."},
        tables={"seeds": {name: [row[name] for row in rows.values()] for name in rows[seed]}})  # fmt: skip
