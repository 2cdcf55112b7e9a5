"""Measure the figures of expected.toml: a pattern learned from a scalar reward and then generated alone."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from matplotlib.figure import Figure

from arcuate import rng
from arcuate.analysis import period_match
from arcuate.learning import ExploratoryHebb
from arcuate.models import load_training
from arcuate.study.reproduction import Reproduction, judge

NAME, JUDGED = "hoerzer_pattern", ("correlation", "worst_period", "nrmse", "untrained", "first_period")


def train(seed, report):
    """Learn, then run alone; the figures of one network, its errors, the pattern and the output alone."""
    table = load_training(NAME)
    parts, phase = table["pattern"], np.arange(table["pattern"]["n_steps"]) / table["pattern"]["n_steps"]
    sines = [np.sin(2 * np.pi * (k + 1) * phase) / d for k, d in enumerate(parts["divisors"])]
    wave, net = parts["scale"] * np.sum(sines, axis=0), ExploratoryHebb(seed=seed, **table["parameters"])
    net.fit(None, wave, progress=False)
    net.coef_ = rng.stream(seed, "random").normal(size=net.coef_.shape) / np.sqrt(net.n_neurons)
    before = period_match(net.generate(10 * wave.size)[:, 0], wave)
    net.fit(None, np.tile(wave, table["run"]["learned"]), progress=report)
    output = net.generate(table["run"]["alone"] * wave.size)[:, 0]
    match, half = period_match(output, wave), wave.size / 2
    figures = (np.median(match.correlation), match.correlation.min(), np.median(match.rmse))
    figures += (np.median(before.correlation), np.corrcoef(output[: wave.size], wave)[0, 1])
    slip = np.median((np.diff(match.shift) + half) % wave.size - half)
    return {"seed": seed, **dict(zip(JUDGED, figures, strict=True)), "slip": slip}, net.history_, wave, output


def reproduce(seeds, quick, out, progress):  # noqa: ARG001
    """Train each seed, side by side in threads; a quick run has fewer seeds of the same network."""
    done, (curves, alone) = dict.fromkeys(seeds, 0.0), (Figure(figsize=(7, 3)) for _ in range(2))

    def work(seed):
        def report(steps, of):
            done[seed] = steps / of
            progress(sum(done.values()), len(seeds), "learning")

        return train(seed, report)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(work, seeds))
    rows = [r[0] for r in results]
    axes, panels, (*_, wave, output) = curves.subplots(), alone.subplots(1, 2, sharey=True), results[-1]
    axes.semilogy(np.transpose([history.rmse for _, history, *_ in results]))
    axes.set(xlabel="periods learned", ylabel="RMSE")
    for panel, part in zip(panels, (output[: 3 * wave.size], output[-3 * wave.size :]), strict=True):
        panel.plot(np.column_stack([np.tile(wave, 3), part]))
    measured = {name: {row["seed"]: row[name] for row in rows} for name in JUDGED}
    return Reproduction(model=NAME, figures=judge(NAME, measured, quick=quick),
        plots={"rmse": curves, "alone": alone}, captions={"alone": "Blue: the pattern."},
        tables={"seeds": {name: [row[name] for row in rows] for name in rows[0]}})  # fmt: skip
