"""Measure the figures of expected.toml: e-prop teaches LIF and ALIF neurons to count cues over a delay."""

from __future__ import annotations

import itertools
import math

import numpy as np
from matplotlib.figure import Figure

from arcuate import plot
from arcuate.learning import EProp
from arcuate.models import load_training
from arcuate.study.reproduction import Reproduction, judge
from arcuate.tasks import EvidenceAccumulation

NAME, SEED, NAMES = "eprop_evidence", 2**32, ("iterations", "test_error", "chance")


def network(table, seed):
    """Network of LIF neurons, then ALIF neurons."""
    parameters, n = table["parameters"], table["adaptation"]["n_adaptive"]
    tau_a, tau_m = (float(parameters[name].split()[0]) for name in ("tau_a", "tau_m"))
    rise = table["adaptation"]["factor"] * (1 - math.exp(-1 / tau_a)) / (1 - math.exp(-1 / tau_m))
    return EProp(**parameters, beta=np.repeat([0, rise], [parameters["n_neurons"] - n, n]), seed=seed)


def learn(rule, model, seed, progress):
    """Learn until the error stays below the criterion; every batch is drawn anew."""
    task, checks = EvidenceAccumulation(n_trials=rule["n_trials"]), []
    drawn = (task.trials("1 ms", seed * SEED + k) for k in itertools.count())
    batches = ((trials.spikes, trials.side) for trials in drawn)
    error = lambda count: np.mean([1 - model.score(*next(batches)) for _ in range(count)])  # noqa: E731
    chance = 1 - model.set_params(n_iterations=0).fit(*(first := next(batches))).score(*first)
    for iteration in range(1, rule["most_iterations"] + 1):
        model.partial_fit(*next(batches))
        progress(iteration)
        if iteration % rule["every"] == 0:
            checks.append((iteration, error(1)))
            if checks[-1][1] < rule["stop_error"] and error(rule["checked_batches"]) < rule["stop_error"]:
                break
    else:
        iteration = math.inf
    return (iteration, error(rule["tested_batches"]), chance), checks, next(batches)


def reproduce(seeds, quick, out, progress):  # noqa: ARG001
    """Train a network for each seed; a quick run has fewer seeds and is otherwise the same."""
    table, errors = load_training(NAME), Figure(figsize=(7, 3), layout="constrained").subplots()
    rule, rows = table["training"], {}
    for number, seed in enumerate(seeds):
        report = lambda k, n=number: progress(n + k / rule["most_iterations"], len(seeds), "")  # noqa: E731
        rows[seed], checks, (spikes, side) = learn(rule, model := network(table, seed), seed, report)
        errors.plot(*zip(*checks, strict=True), label=f"seed {seed}")
    errors.set(xlabel="iteration", ylabel="error of 64 new trials")
    raster = plot.raster(model.states(spikes[:1], targets=side[:1])).figure
    measured = {name: {seed: float(row[k]) for seed, row in rows.items()} for k, name in enumerate(NAMES)}
    return Reproduction(model=NAME, figures=judge(NAME, measured, quick=quick),
        captions={"raster": f"Seed {seed}: one trial after learning."},
        plots={"errors": errors.figure, "raster": raster})  # fmt: skip
