"""Measure the figures of expected.toml: what is known, remembered and perceived through the same symbols."""

from __future__ import annotations

import numpy as np

from arcuate import memory, plot, rng
from arcuate.models import load_training
from arcuate.study.reproduction import Reproduction, judge

NAME, KNOW = "tensor_brain", ["feed entity", "evolve", "measure class", "measure color"]
PERCEIVE = ["sense", "measure entity", *KNOW]


def learn(table, seed, n):
    """A world and a brain that saw n of its scenes; how far its knowledge is off (nats), classes it knows."""
    world, rule = memory.SceneWorld(seed=seed), table["training"]
    labels, sensory = world.draw(n)
    brain, steps = memory.TensorBrain(**table["parameters"], seed=seed), n // rule["batch"]
    brain.fit([PERCEIVE, KNOW], labels, sensory=sensory, n_steps=steps, **rule, seed=seed, progress=False)
    known = brain.run(KNOW, {"entity": np.arange(len(world.class_of))}).probabilities
    return world, brain, world.divergence(known["color"]), np.mean(known["class"].argmax(1) == world.class_of)


def shares(world, brain, size, seed):
    """Shares right: recalled with noise on the trace of an episode, seen with noise on what is sensed."""
    right = lambda p, said, group: float((p.argmax(axis=1) == said[group]).mean())  # noqa: E731
    labels, sensory = world.draw(size["tested"])
    trace = brain.recall(brain.remember(brain.run(PERCEIVE, sensory=sensory).state))
    noise = trace.std(axis=0) * rng.stream(seed, f"{NAME}/trace").standard_normal(trace.shape)
    curves = {f"recalled {group}": [right(brain.measure(trace + a * noise, group), labels, group)
        for a in size["trace_noise"]] for group in ("entity", "color")}  # fmt: skip
    drawn = [world.draw(size["tested"], noise=a) for a in size["sensory_noise"]]
    seen = [(said, brain.run(PERCEIVE, sensory=sensed).probabilities) for said, sensed in drawn]
    return curves | {f"seen {g}": [right(p[g], said, g) for said, p in seen] for g in ("entity", "class")}


def reproduce(seeds, quick, out, progress):  # noqa: ARG001
    """Learn from more and more scenes for each seed; a quick run has one seed and is otherwise the same."""
    rows, axes, size = {}, plot.panels(1, 3, height=3.5), (table := load_training(NAME))["scenes"]
    for number, seed in enumerate(seeds):
        progress(number, len(seeds), "scenes")
        found = [learn(table, seed, n) for n in size["learned"]]
        off, curves = [f[2] for f in found], shares(*found[-1][:2], size, seed)
        recalled = np.min([curves["recalled entity"], curves["recalled color"]], axis=0)
        ahead = np.subtract(curves["seen class"], curves["seen entity"])
        rows[seed] = {"divergence": off[-1], "falls": float(np.max(np.divide(off[1:], off[:-1]))),
            "classes": min(f[3] for f in found[1:]), "recall": recalled[0], "recall_noise": recalled[2],
            "recall_lost": recalled[4], "class_ahead": min(ahead[2:])}  # fmt: skip
        axes[0].loglog(size["learned"], off, "o-")
    for name, curve in curves.items():
        seen = name.startswith("seen")
        axes[1 + seen].plot(size["sensory_noise" if seen else "trace_noise"], curve, "o-", label=name)
    for ax, text in zip(axes, ("scenes", "noise on the trace", "noise on what is sensed"), strict=True):
        ax.set(xlabel=text, ylabel="share right")
        ax.legend(*ax.get_legend_handles_labels(), frameon=False)
    axes[0].set_ylabel("divergence (nats)")
    measured = {name: {seed: row[name] for seed, row in rows.items()} for name in rows[seed]}
    return Reproduction(model=NAME, figures=judge(NAME, measured, quick=quick),
        plots={"brain": axes[0].figure})  # fmt: skip
