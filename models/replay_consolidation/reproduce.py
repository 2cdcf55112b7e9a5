"""Measure the figures of expected.toml: replay keeps a list that a slow learner would forget."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from arcuate import memory, plot, rng
from arcuate.models import load_training
from arcuate.study.reproduction import Reproduction, judge
from arcuate.tasks import PairLists

NAME, WAYS = "replay_consolidation", ("replay", "alone", "mixed")


def forget(table, seed, way):
    """Share of list 1 and of list 2 that is right, before and after every step of list 2: (2, steps + 1)."""
    (x,), (responses,) = PairLists().draw(1, seed=seed).frames()
    y, rule, draw = np.eye(responses.shape[1])[responses], table["lists"], rng.stream(seed, f"{NAME}/replay")
    sparse = {"n_active": rule["mixed"]} if way == "mixed" else {}
    store = memory.HippocampalStore(**table["parameters"] | sparse, seed=seed).write(x[0], y[0])
    slow, right = memory.SlowLearner(x.shape[2], y.shape[2], **table["slow"], seed=seed), []
    for _ in range(rule["steps"]):
        slow.write(x[0], y[0])
    for _ in range(rule["steps"] + 1):
        right.append([(slow.read(x[k]).argmax(axis=1) == responses[k]).mean() for k in (0, 1)])
        slow.write(x[1], y[1])
        if way != "alone":
            slow.write(*memory.replay(store, rule["replayed"], rng=draw, noise=rule["noise"]))
    return np.array(right).T


def walk(way, seed):
    """Places brought back by their order, forward and backward, from cues that are partly wrong; seconds."""
    places = rng.stream(seed, f"{NAME}/way").choice([-1, 1], size=(way["length"], way["width"]))
    store, row = memory.SequenceStore(way["width"], interval=way["interval"]).write(places), {}
    wrong = np.where(np.arange(way["width"]) < way["flipped"] * way["width"], -1, 1)
    for name, order in (("forward", places), ("backward", places[::-1])):
        found = store.replay(wrong * order[0], len(order) - 1, reverse=name == "backward", **way["speed"])
        row[name] = float(((found.values @ order[1:].T).argmax(axis=1) == np.arange(len(found))).mean())
    return row | {"seconds": float(found.time[-1])}, places @ found.values.T / way["width"]


def reproduce(seeds, quick, out, progress):  # noqa: ARG001
    """Learn two lists and walk a way for each seed; a quick run has one seed and is otherwise the same."""
    table, rows, kept = load_training(NAME), {}, {way: [] for way in WAYS}
    for number, seed in enumerate(seeds):
        progress(number, len(seeds), "lists")
        rows[seed], alike = walk(table["way"], seed)
        for way in WAYS:
            first, second = forget(table, seed, way)
            kept[way].append(first)
            rows[seed] |= {f"list_1_{way}": first[-1], f"list_2_{way}": second[-1]}
    ax = Figure(figsize=(5, 4), layout="constrained").subplots()
    ax.figure.colorbar(ax.imshow(alike, aspect="auto", origin="lower"), label="overlap")
    ax.set(xlabel="step of a backward replay", ylabel="place")
    measured = {name: {seed: row[name] for seed, row in rows.items()} for name in rows[seed]}
    forgetting = plot.forgetting(kept, across="step of list 2", label="share of list 1").figure
    return Reproduction(model=NAME, figures=judge(NAME, measured, quick=quick),
        plots={"replay": ax.figure, "forgetting": forgetting})  # fmt: skip
