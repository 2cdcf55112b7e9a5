"""Measure the figures of expected.toml: a Continuous Thought Machine finds its way through mazes."""

from __future__ import annotations

import numpy as np
import torch

from arcuate import ctm, nn, plot
from arcuate.models import load_training
from arcuate.study.reproduction import Reproduction, judge
from arcuate.tasks import Maze

NAME, FRESH, SIZES, PASSES = "ctm_maze", 2**32, (9, 13, 21), 20
SMALL = "Reduced size, 9 x 9 and 10 moves instead of 39 x 39 and 100. Larger mazes are shown, not judged."
TOLD = {"mazes": "The first 10 moves of the true way, and those given by the shipped weights."}


def answers(model, trials):
    """Moves at the most certain tick (n, route), 256 trials at a time."""
    with torch.no_grad():
        thoughts = [model(part) for part in torch.from_numpy(trials.frames()[0]).split(256)]
    return np.concatenate([ctm.answers_by_tick(t, positions=trials.route)[..., -1] for t in thoughts])


def learn(seed, out, progress):
    """Train a machine and write its weights."""
    table = load_training(NAME)
    task, rule, backbone = Maze(**table["task"]), table["training"], table["backbone"] | {"seed": seed}
    settings, lookahead = table["parameters"] | {"seed": seed}, rule.pop("lookahead")
    loss = lambda thought, route: nn.route_loss(thought, route, lookahead=lookahead)  # noqa: E731
    model = nn.ContinuousThoughtMachine(**settings, backbone=nn.residual_backbone(**backbone))
    nn.fit(model, task.batches(rule.pop("batch")), loss, **rule, seed=seed, every=250,
        folder=out / f"seed-{seed}", progress=progress)  # fmt: skip
    nn.write_weights(model, out / f"{seed}.safetensors", told={"settings": settings | {"backbone": backbone}})
    return model.eval()


def walks(model, n, axes):
    """What a machine does in new mazes of several sizes, asked again from where each route ended."""
    table = {name: [] for name in ("size", "mean way", "whole routes", "1 pass", "5", str(PASSES))}
    for size, ax in zip(SIZES, axes, strict=True):
        trials = Maze(size=size).draw(n, seed=FRESH)
        given, places = answers(model, trials), trials.walk(lambda now: answers(model, now), passes=PASSES)
        there = (places == trials.goal[:, None]).all(axis=2).mean(axis=0)[[1, 5, PASSES]]
        row = (size, trials.lengths.mean(), trials.score(given).mean(), *there)
        table = {name: [*table[name], round(float(value), 3)] for name, value in zip(table, row, strict=True)}
        plot.maze(trials, given, ax=ax)
    return table


def reproduce(seeds, quick, out, progress):
    """Test the weights that come with the package; unless quick, train anew."""
    report = lambda k: lambda done, of: progress(k + done / of, len(seeds), "learning")  # noqa: E731
    sets = {} if quick else {"trained": {s: learn(s, out, report(k)) for k, s in enumerate(seeds)}}
    sets["shipped"] = dict.fromkeys(seeds, nn.shipped(NAME))
    new, axes = {seed: Maze().draw(1000, seed=FRESH + seed) for seed in seeds}, plot.panels(1, 3, width=12)
    got = {k: {s: new[s].score(answers(m, new[s])).mean() for s, m in of.items()} for k, of in sets.items()}
    table = {"larger mazes": walks(sets["shipped"][seeds[0]], 100 if quick else 1000, axes)}
    return Reproduction(model=NAME, figures=judge(NAME, got, quick=quick), caveats=(SMALL,),
        plots={"mazes": axes[0].figure}, captions=TOLD, tables=table)  # fmt: skip
