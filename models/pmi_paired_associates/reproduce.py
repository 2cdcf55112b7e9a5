"""Measure the figures of expected.toml: PMI memories see pairs chunk by chunk and are asked for a value."""

from __future__ import annotations

import torch
from matplotlib.figure import Figure
from torch.nn.functional import cross_entropy

from arcuate import nn, plot
from arcuate.memory import PMIConfig
from arcuate.models import load_training
from arcuate.study.reproduction import Reproduction, judge
from arcuate.tasks import PairedAssociates

NAME, PAIRS = "pmi_paired_associates", (4, 8, 16, 20, 32, 48, 64)
NAMES = ("working", "official", "ring", "delta", "residual", "tokens", "cells", "transformer")


def tested(model, seed):
    """Right answers by number of pairs, and the effective rank of what is held after each of 16 chunks."""
    right = {}
    with torch.no_grad():
        for pairs in PAIRS:
            trials = PairedAssociates(n_chunks=pairs // 4).draw(1000, seed=2**32 + seed)
            x = torch.tensor(trials.frames()[0])
            right[pairs] = trials.score_items(model(x).argmax(-1).numpy()).mean()
        if model.mixing != "memory" or model.config.ltm_rule != "delta":
            return right, [float("nan")] * 16
        power = torch.linalg.svdvals(torch.stack([s.long_term_memory for s in model.memorize(x)])) ** 2
    return right, (power.sum(-1) ** 2 / (power**2).sum(-1)).sum(-1).mean(1)  # of all segments


def learn(name, seed, out, progress):
    """Train a variant, or go on with it."""
    table = load_training(NAME)
    memory, settings = (table[key] | table[name].get(key, {}) for key in ("parameters", "network"))
    rule, model = table["training"], nn.EpisodeMemory(PMIConfig(**memory), **settings, seed=seed)
    loss, batches = lambda z, y: cross_entropy(z.mT, y), PairedAssociates().batches(**table["batches"])
    nn.fit(model, batches, loss, **rule, seed=seed, folder=out / f"{name}-{seed}", progress=progress)
    return model.eval()


def reproduce(seeds, quick, out, progress):
    """Test the weights that come with the package; unless quick, train every variant."""
    runs = {("shipped", seed): tested(nn.shipped("pmi_associates"), seed) for seed in seeds}
    for k, (name, seed) in enumerate((name, seed) for name in NAMES for seed in seeds if not quick):
        report = lambda done, of, k=k: progress(k + done / of, len(NAMES) * len(seeds), "learning")  # noqa: E731
        runs[name, seed] = tested(learn(name, seed, out, report), seed)
    got = {name: {n: {s: runs[name, s][0][n] for s in seeds} for n in PAIRS} for name, _ in runs}
    measured = {f"{name}_{n}": right[n] for name, right in got.items() for n in (32, 48)}
    if not quick:
        measured["ring_flat"] = {s: got["ring"][20][s] / got["ring"][4][s] for s in seeds}
    words = {"xlabel": "pairs seen", "ylabel": "effective rank of what is held"}
    held = Figure(layout="constrained").subplots(subplot_kw=words)
    for (name, seed), (_, rank) in runs.items():
        held.plot(range(4, 65, 4), rank, label=f"{name}, seed {seed}")
    held.legend(fontsize="x-small")
    shares = {name: {n: list(right[n].values()) for n in PAIRS} for name, right in got.items()}
    plots = {"recall": plot.recall_by_load(shares, held=4, chance=1 / 16).figure, "held": held.figure}
    return Reproduction(model=NAME, figures=judge(NAME, measured, quick=quick), plots=plots)
