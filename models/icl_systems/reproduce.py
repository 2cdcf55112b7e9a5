"""Measure the figures of expected.toml: who reads a label from the context, and whose states are alike."""

from __future__ import annotations

import numpy as np
import torch

from arcuate import compare, memory, nn, probes, readout
from arcuate.models import load_model, load_training
from arcuate.study import driven_rates
from arcuate.study.reproduction import Reproduction, judge
from arcuate.tasks import ItemLabel

NAME, SITES = "icl_systems", {"before": "blocks.1.resid_post", "pmi": "mlp_head:in", "ctm": "ctm/sync_out"}
LOGITS = {"before": lambda y: y[:, -1], "pmi": lambda y: y, "ctm": lambda y: y.predictions[..., -1]}


def trained(name, table, task, tests, seed):
    """Train a network, and the transformer on; scores of labels in the tests and states of new classes."""
    kind, turn = getattr(nn, table["kinds"][name]), (0, 2, 1) if name == "ctm" else (0, 1, 2)
    sizes = table["parameters" if name == "before" else name]
    model = kind(*([memory.PMIConfig(**table["slots"])] if name == "pmi" else ()), **sizes, seed=seed)
    shown = {test: drawn.x.transpose(turn).copy() for test, drawn in tests.items()}
    draw = task.batches(table["watch"]["batch"])
    for k, (part, steps) in enumerate(table["steps"][name].items()):
        nn.fit(model, lambda rng: [part.transpose(turn[: part.ndim]).copy() for part in draw(rng)],
            lambda y, targets: torch.nn.functional.cross_entropy(LOGITS[name](y), targets), steps=steps,
            seed=seed + 1000 * k, progress=False, **table["training"])  # fmt: skip
        seen = (nn if name == "ctm" else probes).capture(model.eval(), shown["novel"], sites=[SITES[name]])
        scores = {test: LOGITS[name](model(torch.tensor(x))).detach().numpy() for test, x in shown.items()}
        yield part, (scores, seen.states(SITES[name]).to_dataarray().values[0, :, -1])


def reservoir(size, task, tests, seed):
    """Read the last state of each trial out of a spiking reservoir."""
    network = load_model("what_when_reservoir").replace(size["network"])
    train = task.draw(size["trials"], seed=seed)
    states = {name: driven_rates(network, drawn.drive("0.5 ms", hold=size["hold"]), steps=-1, seed=seed,
        progress=False).values for name, drawn in {"train": train, **tests}.items()}  # fmt: skip
    ridge = readout.Ridge(**size["readout"]).fit(states["train"], np.eye(16)[train.labels[:, -1]])
    return {name: ridge.predict(states[name]) for name in tests}, states["novel"]


def reproduce(seeds, quick, out, progress):  # noqa: ARG001
    """Show the same trials to all systems; a quick run has the reservoir alone."""
    table, rows = load_training(NAME), {}
    for k, seed in enumerate(seeds):
        task, n = ItemLabel(**table["task"], world=seed), table["watch"]["trials"]
        tests = {name: ItemLabel(**table["task"], test=name, world=seed).draw(n, seed=2**32 + seed)
            for name in ("novel", "weights")}  # fmt: skip
        found = {"reservoir": reservoir(table["reservoir"], task, tests, seed)}
        for number, name in enumerate(() if quick else SITES):
            progress(k + (number + 1) / 4, len(seeds), name)
            found |= trained(name, table, task, tests, seed)
        rows[seed] = {f"{system}_{name}": float(drawn.score(scores[name].argmax(1)).mean())
            for system, (scores, _) in found.items() for name, drawn in tests.items()}  # fmt: skip
        for a, b in () if quick else table["watch"]["pairs"]:
            rows[seed][f"cka_{a}_{b}"] = compare.cka(found[a][1], found[b][1])
    measured = {name: {seed: row[name] for seed, row in rows.items()} for name in rows[seed]}
    return Reproduction(model=NAME, figures=judge(NAME, measured, quick=quick))
