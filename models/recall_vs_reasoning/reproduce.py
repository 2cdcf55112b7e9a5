"""Measure the figures of expected.toml: what lesions of heads cost recall and reasoning."""

from __future__ import annotations

import numpy as np
import torch

from arcuate import nn, plot, probes
from arcuate.models import load_training
from arcuate.study.reproduction import Reproduction, judge
from arcuate.tasks import TwoHop

NAME, KINDS = "recall_vs_reasoning", ("one_hop", "held_out")
NAMED = {"lesion": ["heads of recall", "heads of reasoning"], "task": ["recall", "reasoning"]}


def loss(logits, targets):
    return torch.nn.functional.cross_entropy(logits[:, -1], targets[:, -1])


def lesions(model, task, donors):
    """Say which questions are answered right with the heads of other questions at the last word."""
    asked = [task.questions(kind) for kind in KINDS]

    def lesion(kind, items, heads):
        trials, options = asked[kind].chosen(items), {"heads": heads, "positions": [-1], "n_random": 0}
        words, right = torch.tensor(trials.tokens().tokens), lambda y: trials.score(y[:, -1].argmax(1))
        if not heads:
            return right(model(words))
        runs = [probes.ablate(model, words, right, **options, seed=seed) for seed in range(donors)]
        return np.mean([run.ablated for run in runs], axis=0)

    return lesion, tuple(trials.n_trials for trials in asked)


def reproduce(seeds, quick, out, progress):
    """Train a transformer for each seed, and cut its heads; a quick run has fewer steps."""
    table, measured, plots, told = load_training(NAME), {}, {}, []
    rule, training = table["lesions"], table["training"]
    training["steps"] = table["quick" if quick else "training"]["steps"]
    size, donors = training.pop("batch"), rule.pop("donors")
    for k, seed in enumerate(seeds):
        task = TwoHop(**table["task"], world=seed)
        model = nn.TinyTransformer(**table["parameters"], seed=seed)
        nn.fit(model, task.batches(size, form="tokens"), loss, **training, seed=seed,
            folder=out / f"{training['steps']}-{seed}",
            progress=lambda done, of, k=k: progress(k + done / of, len(seeds), "learning"))  # fmt: skip
        lesion, n_items = lesions(model.eval(), task, donors)
        heads = [(layer, head) for layer in range(model.n_layers) for head in range(model.n_heads)]
        cut = probes.dissociate(lesion, heads, n_items=n_items, **rule, seed=seed)
        found, low = cut.judged.assign_coords(NAMED), cut.judged.selectivity_interval[:, 0].values
        row = {f"right_{kind}": whole.mean() for kind, whole in zip(KINDS, cut.intact, strict=True)}
        row |= {name: found[name].item() for name in ("index", "p_items", "p_random")}
        measured |= {name: measured.get(name, {}) | {seed: float(value)} for name, value in row.items()}
        told.append({"seed": seed} | row | {"costs": str(found.effect.values.round(3).tolist()),
            "double": bool(found.double), "low_recall": low[0], "low_reasoning": low[1],
            "recall": str(cut.sets[0]), "reasoning": str(cut.sets[1])})  # fmt: skip
        plots[f"dissociation-{seed}"] = plot.dissociation(found).figure
    tables = {"lesions": {key: [row[key] for row in told] for key in told[0]}}
    return Reproduction(model=NAME, figures=judge(NAME, measured, quick=quick), plots=plots, tables=tables)
