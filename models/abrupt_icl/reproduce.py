"""Measure the figures of expected.toml: a label is read from the context, abruptly, or known by heart."""

from __future__ import annotations

from dataclasses import replace

import torch

from arcuate import nn, plot, probes
from arcuate.models import load_training
from arcuate.study.reproduction import Reproduction, judge
from arcuate.tasks import ItemLabel

NAME, SITES = "abrupt_icl", "blocks.*.attn.pattern"


def watched(task, n, seed):
    """Return what tells of a model how right it is in each test, and where it attends."""
    tests = {k: replace(task, test=k).draw(n, seed=2**32 + seed) for k in ("novel", "swap", "weights")}
    novel = tests["novel"]

    def figures(model):
        logits = {name: model(torch.tensor(test.x))[:, -1] for name, test in tests.items()}
        row = {name: test.score(logits[name].argmax(1).numpy()).mean() for name, test in tests.items()}
        patterns = probes.capture(model, novel.x, sites=SITES, progress=False)
        first, second = (probes.induction_progress(patterns, novel).isel(layer=k, head=0) for k in range(2))
        row |= {"ila1": first.item_label, "tila2": second.target_label, "cla": second.context_label}
        right = logits["novel"].softmax(1).numpy()[range(n), novel.labels[:, -1]].mean()
        return row | {"right": right, "margin": probes.label_margin(logits["novel"], novel).mean()}

    return figures


def trained(table, setting, seed, folder, report):
    """Train in one of the two settings, and return the history."""
    rule, task = dict(table["training"]), ItemLabel(**table["task"], **table[setting], world=seed)
    return nn.fit(nn.TinyTransformer(**table["parameters"], seed=seed), task.batches(rule.pop("batch")),
        lambda logits, targets: torch.nn.functional.cross_entropy(logits[:, -1], targets), **rule, seed=seed,
        steps=table["steps"][setting], every=table["watch"]["every"], folder=folder, progress=report,
        evaluate=watched(task, table["watch"]["trials"], seed))  # fmt: skip


def reproduce(seeds, quick, out, progress):
    """Train in both settings; a quick run has the second one alone, and is short."""
    table, measured, plots = load_training(NAME), {}, {}
    table["steps"] |= table["quick"] if quick else {}
    least = probes.NestedLogit(n_labels=table["task"]["n_labels"], **table["least"])
    runs = [(setting, seed) for setting in ("weights", "context")[: 1 + (not quick)] for seed in seeds]
    for k, (setting, seed) in enumerate(runs):
        history = trained(table, setting, seed, out / f"{setting}-{table['steps'][setting]}-{seed}",
            lambda done, of, k=k: progress(k + done / of, len(runs), ""))  # fmt: skip
        found = {f"{setting}_{name}": float(history[name][-1]) for name in ("novel", "weights")}
        plots[f"{setting}-{seed}"] = plot.transition(history).figure
        if setting == "context":
            found["lead"] = probes.crossing(history.novel, 0.75) - probes.crossing(history.ila1, 0.5)
            share = ((1 + history.tila2 / history.cla) / 2).clip(0, 1)
            paths = {"network": least.fit(history.ila1, share, history.right), "flow": least.flow(range(61))}
            plots[f"logits-{seed}"] = plot.logit_trajectory(least, paths).figure
        measured |= {name: measured.get(name, {}) | {seed: value} for name, value in found.items()}
    return Reproduction(model=NAME, figures=judge(NAME, measured, quick=quick), plots=plots)
