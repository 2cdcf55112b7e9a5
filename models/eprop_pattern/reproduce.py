"""Measure the figures of expected.toml: a LIF network learns a sum of four sines by e-prop."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from arcuate import plot, rng
from arcuate.learning import EProp
from arcuate.models import load_training
from arcuate.study.reproduction import Reproduction, judge

NAME = "eprop_pattern"
FROZEN = "Tested on the spikes it was trained on, as in the published program: one pattern, no noise."


def problem(table, seed):
    """Frozen input spikes (1, n_steps, n_inputs) and the target (1, n_steps), largest value 1."""
    pattern, n_inputs = table["pattern"], table["parameters"]["n_inputs"]
    n, spiking = pattern["n_steps"], float(pattern["input_rate"].split()[0]) / 1000  # probability in 1 ms
    inputs = rng.stream(seed, "pattern/inputs").random((1, n, n_inputs)) < spiking
    draw, periods = rng.stream(seed, "pattern/target"), pattern["periods"]
    weights, phases = draw.uniform(*pattern["weights"], 4), draw.uniform(0, 2 * np.pi, 4)
    cycles = 2 * np.pi * (n // np.array(periods))  # whole cycles, as in the program
    target = np.sin(np.linspace(phases, phases + cycles, n)) @ weights
    target -= target[0]
    return inputs, (target / np.abs(target).max())[None]


def reproduce(seeds, quick, out, progress):  # noqa: ARG001
    """Train a network for each seed; a quick run has fewer seeds and is otherwise the same."""
    table, rows, names = load_training(NAME), {}, ("unexplained", "error_ratio", "rate")
    losses = Figure(figsize=(7, 3), layout="constrained").subplots()
    for number, seed in enumerate(seeds):
        inputs, target = problem(table, seed)
        model = EProp(**table["parameters"], seed=seed)
        report = lambda done, of, k=number: progress(k + done / of, len(seeds), "learning")  # noqa: E731
        model.fit(inputs, target, progress=report)
        output, error = model.predict(inputs)[0, :, 0], 2 * model.history_["loss"] / target.size
        left, rate = np.mean((output - target[0]) ** 2), float(model.history_["rate"][-1])
        rows[seed] = dict(zip(names, (left / target.var(), left / float(error[0]), rate), strict=True))
        losses.semilogy(error["iteration"], error / target.var(), lw=0.8, label=f"seed {seed}")
    losses.set(xlabel="iteration", ylabel="squared error / variance")
    losses.legend(fontsize="small")
    rec = model.states(inputs, targets=target, synapses=[(0, 1), (2, 3)])
    waves = Figure(figsize=(7, 5), layout="constrained")
    top, middle, low = waves.subplots(3, 1, sharex=True)
    top.plot(target[0], "0.6", output, "C0")
    middle.plot(rec.states("eprop/synapses")["filtered"][0], lw=0.8)
    low.plot(rec.states("eprop/neurons")["learning_signal"][0, :, [1, 3]], lw=0.8)
    for axes, text in ((top, "y"), (middle, "eligibility"), (low, "learning signal")):
        axes.set(ylabel=text, xlabel="step")
    measured = {name: {seed: row[name] for seed, row in rows.items()} for name in names}
    columns = {name: list(values.values()) for name, values in measured.items()}
    spikes = plot.raster(rec, populations=["neurons"]).figure
    return Reproduction(model=NAME, figures=judge(NAME, measured, quick=quick), caveats=(FROZEN,),
        plots={"losses": losses.figure, "waves": waves, "raster": spikes},
        captions={"waves": f"Seed {seed}, after learning: target and output, two traces, their signals."},
        tables={"seeds": {"seed": list(rows), **columns}})  # fmt: skip
