"""Measure the figures of expected.toml: thoughts of two elements against a network that sees everything."""

from __future__ import annotations

from itertools import product

import numpy as np

from arcuate import _optional, memory, plot, rng
from arcuate.models import load_training
from arcuate.study.reproduction import Reproduction, judge

NAME = "consciousness_bottleneck"


def thoughts(k, n, drawn, tested):
    """Share of answers without noise that are right, and of targets of which both parents were found."""
    each = range(first := drawn.x.shape[1] - len(drawn.parents), drawn.x.shape[1])
    thought = memory.ConsciousBottleneck(k).fit(drawn.x[:n], targets=each)
    p = np.stack([thought.predict_proba(drawn.x[-tested:], query=q) for q in each], axis=1)
    found = [set(drawn.parents[q - first]) <= set(thought.select(q)) for q in each]
    return np.mean((p > 0.5) == drawn.answers[-tested:]), np.mean(found)


def network(rule, n, drawn, tested):
    """Share of answers that are right of a network that gets all other variables and the query."""
    perceptrons = _optional.require(
        "sklearn.neural_network", extra="sklearn", purpose="the network beside it"
    )
    model, draws = perceptrons.MLPClassifier(rule["hidden"], random_state=1), rng.stream(n, f"{NAME}/network")
    signs, targets = 2 * drawn.x - 1, len(drawn.parents)
    hidden = np.hstack((np.zeros((targets, signs.shape[1] - targets)), np.eye(targets)))
    ask = lambda rows, query: np.hstack((signs[rows] * (1 - hidden[query]), np.eye(targets)[query]))  # noqa: E731
    for rows, query in draws.integers((n, targets), size=(rule["steps"], rule["batch"], 2)).transpose(
        0, 2, 1
    ):
        model.partial_fit(ask(rows, query), drawn.x[rows, query - targets], classes=(0, 1))
    rows, query = np.divmod(np.arange(tested * targets), targets)
    return np.mean(model.predict(ask(rows - tested, query)) == drawn.answers[rows - tested, query])


def reproduce(seeds, quick, out, progress):  # noqa: ARG001
    """Learn from more and more samples for each seed; a quick run has one seed and no network."""
    rows, table, ax = {seed: {} for seed in seeds}, load_training(NAME), plot.panels(1, 1)[0]
    size, graphs, rule = table["samples"], table["graphs"], table["network"]
    for number, (seed, kind) in enumerate(product(seeds, ("xor", "mix"))):
        progress(number, 2 * len(seeds), kind)
        options = {"functions": graphs[kind] * graphs["copies"], "seed": seed + 1000 * (kind == "mix")}
        samples = memory.draw_factors(graphs["n"], free=graphs["free"], noise=graphs["noise"], **options)
        for k, n in product((1, 2), size["few"]):
            right, found = thoughts(k, n, samples, size["tested"])
            rows[seed] |= {f"{kind}_{k}_{n}": right, f"{kind}_{k}_{n}_found": found}
        for n in () if quick or kind == "mix" or number >= 2 * rule["seeds"] else size["many"]:
            rows[seed][f"network_{n}"] = network(rule, n, samples, size["tested"])
    kinds = [*product(("xor_2", "mix_2", "xor_1", "network"), size["few"] + size["many"])]
    points = [(k, n, row[f"{k}_{n}"]) for row in rows.values() for k, n in kinds if f"{k}_{n}" in row]
    columns = dict(zip(("thought", "samples", "right"), zip(*points, strict=True), strict=True))
    plot.study_marginal(columns, "samples", metric="right", by="thought", ax=ax).set_xscale("log")
    measured = {f.name: {s: row[f.name] for s, row in rows.items() if f.name in row} for f in judge(NAME, {})}
    return Reproduction(model=NAME, figures=judge(NAME, measured, quick=quick), plots={"samples": ax.figure})
