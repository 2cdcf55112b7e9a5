"""Measure the figures of expected.toml: a Continuous Thought Machine writes the order of some numbers."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from arcuate import ctm, nn
from arcuate.models import load_training
from arcuate.study.reproduction import Reproduction, judge
from arcuate.tasks import Sort

NAME, SMALL = "ctm_sort", "Six numbers and 15 ticks; the published size is 30 and 50."


def written(model, trials):
    """Return what a model writes for new lists."""
    with torch.no_grad():
        return ctm.decode(model(torch.tensor(trials.values)).predictions.numpy())


def learn(seed, out, progress):
    """Train a machine, write its weights, and return it with its history."""
    table = load_training(NAME)
    rule, settings = table["training"], {**table["parameters"], "seed": seed}
    task, batch = Sort(length=rule.pop("length")), rule.pop("batch")
    test = task.draw(500, seed=seed)
    share = lambda model: {"whole": test.score(written(model, test).items).mean()}  # noqa: E731
    model = nn.ContinuousThoughtMachine(**settings)
    history = nn.fit(model, task.batches(batch), nn.ctc_loss, **rule, seed=seed, every=250, progress=progress,
        evaluate=share, folder=out / f"{seed}")  # fmt: skip
    nn.write_weights(model, out / f"sort-{seed}.safetensors", told={"settings": settings})
    return model.eval(), history


def reproduce(seeds, quick, out, progress):
    """Test the weights that come with the package; unless quick, train anew."""
    length, rows = load_training(NAME)["training"]["length"], {}
    learning, waiting = (Figure(figsize=(7, 3), layout="constrained").subplots() for _ in range(2))
    for number, seed in enumerate(seeds):
        report = lambda done, of, k=number: progress(k + done / of, len(seeds), "learning")  # noqa: E731
        model, history = (nn.shipped("ctm_sort_6"), None) if quick else learn(seed, out, report)
        trials = Sort(length=length).draw(2000, seed=2**32 + seed)
        found = written(model, trials)
        right = trials.score(found.items)
        gaps = np.diff(np.sort(trials.values[right], axis=1), axis=1).ravel()
        waits = found.waits[right, 1:length].ravel()
        rows[seed] = right.mean(), spearmanr(gaps, waits).statistic
        ticks = np.unique(waits)
        waiting.plot(ticks, [gaps[waits == k].mean() for k in ticks], "o-", label=f"seed {seed}")
        if history is not None:
            learning.plot(history["step"], history["whole"], label=f"seed {seed}")
    waiting.set(xlabel="ticks waited before an item", ylabel="gap to the number before")
    learning.set(xlabel="step", ylabel="whole lists right")
    names = ("whole", "wait_gap")
    measured = {name: {seed: float(row[k]) for seed, row in rows.items()} for k, name in enumerate(names)}
    return Reproduction(model=NAME, figures=judge(NAME, measured, quick=quick), caveats=(SMALL,),
        plots={"waiting": waiting.figure} | ({} if quick else {"learning": learning.figure}))  # fmt: skip
