"""Measure the figures of expected.toml: delayed non-match-to-sample from one error a trial."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from matplotlib.figure import Figure

from arcuate.learning import NodePerturbation
from arcuate.models import load_training
from arcuate.study.reproduction import Reproduction, judge
from arcuate.tasks import DelayedNonMatch

NAME, UNITS = "miconi_dnms", ("rate", "spiking")
PARTS = {"right_at_1000": 900, "right_at_end": -100, "right_spiking": -200}


def train(units, seed, count):
    """Learn; the figures of one network, its errors, and its answers without kicks."""
    table = load_training(NAME)
    net = NodePerturbation(**(table["parameters"] | {"units": units, "seed": seed}))
    trials = DelayedNonMatch(n_trials=table["run"][units], **table["task"]).trials(net.dt, seed)
    options = {"stimulus": trials.stimulus, "answer": trials.answer, "progress": count}
    net.fit(trials.inputs, trials.target, **options)
    right = net.history_.answer.values * trials.target[trials.stimulus, -1] > 0
    error, enough = net.history_.error.values, np.convolve(right, np.ones(100), "valid") >= 95
    reached = np.append(np.flatnonzero(enough) + 100, right.size + 1000)[0]
    row = {"units": units, "seed": seed, "trials_to_95": reached, "error_at_end": error[-100:].mean()}
    row |= {name: 100 * right[k:][: max(100, -k)].mean() for name, k in PARTS.items()}
    return row | {"guessing": error[:100].mean()}, error, net.predict(trials.inputs)


def reproduce(seeds, quick, out, progress):  # noqa: ARG001
    """Train each seed, side by side in threads; a quick run leaves out the spiking networks."""
    jobs = [("rate", s) for s in seeds] + [("spiking", s) for s in seeds[: 0 if quick else 5]]
    done = dict.fromkeys(jobs, 0.0)

    def work(job):
        def count(trials, of):
            done[job] = trials / of
            progress(sum(done.values()), len(jobs), "learning")

        return train(*job, count)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(work, jobs))
    measured = {
        name: {r["seed"]: r[name] for r, _, _ in results if r["units"] == UNITS[name == "right_spiking"]}
        for name in (*PARTS, "error_at_end", "guessing")
    }
    curves, answers = (Figure(figsize=(7, 3), layout="constrained") for _ in range(2))
    for axes, units in zip(curves.subplots(1, 2, sharey=True), UNITS, strict=True):
        axes.plot(np.transpose([e.reshape(-1, 50).mean(1) for r, e, _ in results if r["units"] == units]))
        axes.set(title=units, xlabel="trials / 50", ylabel="mean error", ylim=(0, 1.5))
    answers.subplots().plot(min(results, key=lambda r: r[0]["error_at_end"])[2].T)
    return Reproduction(model=NAME, figures=judge(NAME, measured, quick=quick),
        plots={"curves": curves, "answers": answers}, captions={"answers": "Best network: AA, AB, BA, BB."},
        tables={"seeds": {name: [row[name] for row, _, _ in results] for name in results[0][0]}})  # fmt: skip
