"""Measure the figures of expected.toml: how three systems have time, beside what was not trained."""

from __future__ import annotations

from itertools import chain

import numpy as np
import torch

from arcuate import nn, plot, probes, readout, rng
from arcuate.models import load_model, load_training
from arcuate.study import driven_rates
from arcuate.study.reproduction import Reproduction, judge_seeds
from arcuate.tasks import IntervalComparison

NAME = "temporal_cognition"


def network(name, table, task, sets, seed):
    """Train a network: for each kind of state, before and after, its places by set and the answers."""
    model = getattr(nn, table["kinds"][name])(
        **table["parameters" if name == "transformer" else name], seed=seed
    )
    tool = probes if name == "transformer" else nn
    for word in ("untrained_", ""):
        if not word:
            nn.fit(
                model, task.batches(64), nn.asked_loss, seed=seed, progress=False, **table["training"][name]
            )
        with torch.no_grad():
            said = model.eval()(torch.tensor(sets["time"].frames()[0]))
        said = said.transpose(1, 2) if name == "transformer" else said.predictions
        answers = said.numpy()[np.arange(len(said)), :, sets["time"].probe].argmax(1)
        for kind, places in table["places"][name].items():
            yield word + kind, {of: {place: tool.capture(model, trials.frames()[0], sites=[site]).states(site)
                .to_dataarray().values[0][np.arange(trials.n_trials), trials.probe + shift]
                for place, (site, shift) in places.items()} for of, trials in sets.items()}, answers  # fmt: skip


def reservoir(size, sets, seed):
    """Filtered rates of a spiking reservoir as the probe begins and ends; before, those of other trials."""
    net = load_model("what_when_reservoir").replace(size["network"])
    rates = {of: {place: driven_rates(net, trials.drive(size["dt"], hold=size["hold"]), seed=seed, progress=False,
        steps=size["steps"] * trials.probe + at).values for place, at in size["places"].items()}
        for of, trials in sets.items()}  # fmt: skip
    order = rng.stream(seed, "temporal_cognition/exchanged").permutation(sets["time"].n_trials)
    yield "exchanged_reservoir", {of: {k: v[order] for k, v in by.items()} for of, by in rates.items()}, None
    yield "reservoir", rates, None


def looked_at(table, states, answers, sets, seed):
    """Read the side out of the last place, as of a reservoir, and look at the code of time."""
    train, time = (list(states[of].values())[-1] for of in ("train", "time"))
    scale = train.std(0) + 1e-9
    ridge = readout.Ridge(**table["readout"]).fit(train / scale, 2.0 * sets["train"].more[:, None] - 1)
    read = (ridge.predict(time / scale)[:, 0] > 0).astype(int)
    code = probes.interval_code(states["time"], sets["time"], read if answers is None else answers,
        other=states["number"], n_resamples=table["watch"]["n_resamples"], seed=seed)  # fmt: skip
    return code, code.figures() | {"read_out": float(sets["time"].score(read).mean())}


def reproduce(seeds, quick, out, progress):  # noqa: ARG001
    """Show the same trials to all systems; a quick run has fewer, less training, and no thought machine."""
    table, rows = load_training(NAME), {}
    if quick:
        table["watch"], table["kinds"] = table["quick"]["watch"], table["quick"]["kinds"]
        table["training"]["transformer"]["steps"] = table["quick"]["steps"]
    n, task = table["watch"]["trials"], IntervalComparison(**table["task"])
    for number, seed in enumerate(seeds):
        sets = dict(zip(("time", "number"), task.matched(n, seed=2**32 + seed), strict=True))
        sets, rows[seed], codes = sets | {"train": task.draw(n, seed=seed)}, {}, {}
        parts = [reservoir(table["reservoir"], sets, seed)]
        for kind, *seen in chain(
            *parts, *(network(name, table, task, sets, seed) for name in table["kinds"])
        ):
            codes[kind], found = looked_at(table, *seen, sets, seed)
            rows[seed] |= {f"{kind}_{name}": value for name, value in found.items()}
            progress(number + len(codes) / 8, len(seeds), kind)
    drawn = {kind: code for kind, code in codes.items() if "_" not in kind}
    told, picture = judge_seeds(NAME, rows, quick=quick), plot.interval_codes(drawn)
    return Reproduction(model=NAME, **told, plots={"codes": picture})
