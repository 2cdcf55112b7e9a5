"""Measure the figures of expected.toml: how three systems have time, beside what was not trained."""

from __future__ import annotations

import numpy as np

from arcuate import models, nn, plot, probes, readout, rng
from arcuate.study import driven_rates
from arcuate.study.reproduction import Reproduction, judge_seeds
from arcuate.tasks import IntervalComparison


def network(name, table, sets, seed):
    """Train a network: for each kind of state, before and after, what is at its places for each set."""
    model = getattr(nn, table["kinds"][name])(**table.get(name, table["parameters"]), seed=seed)
    draw = IntervalComparison(**table["task"]).batches(table["watch"]["batch"])
    see = (nn if name == "ctm" else probes).capture
    for word in ("untrained_", ""):
        if not word:
            nn.fit(model, draw, nn.asked_loss, **table["training"][name], seed=seed, progress=False)
        for kind, places in table["places"][name].items():
            yield word + kind, {of: {place: see(model, trials.frames()[0], sites=[site]).states(site)
                .to_dataarray().values[0][np.arange(trials.n_trials), trials.probe + shift]
                for place, (site, shift) in places.items()} for of, trials in sets.items()}  # fmt: skip


def reservoir(size, sets, seed):
    """Filtered rates of a spiking reservoir as the probe begins and ends; before, those of other trials."""
    net = models.load_model("what_when_reservoir").replace(size["network"])
    rates = {of: {place: driven_rates(net, trials.drive(size["dt"], hold=size["hold"]), seed=seed,
        steps=size["steps"] * trials.probe + at).values for place, at in size["places"].items()}
        for of, trials in sets.items()}  # fmt: skip
    order = rng.stream(seed, "temporal_cognition/other").permutation(sets["time"].n_trials)
    yield "other_reservoir", {of: {k: v[order] for k, v in by.items()} for of, by in rates.items()}
    yield "reservoir", rates


def reproduce(seeds, quick, out, progress):  # noqa: ARG001
    """Show the same trials to all systems; a quick run has fewer, less training, and no thought machine."""
    table, rows = models.load_training("temporal_cognition"), {}
    table |= table["quick"] if quick else {}
    n, task = table["watch"]["trials"], IntervalComparison(**table["task"])
    for number, seed in enumerate(seeds):
        sets, rows[seed], codes = {"train": task.draw(n, seed=seed)}, {}, {}
        sets["time"], sets["number"] = task.matched(n, seed=2**32 + seed)
        systems = [network(name, table, sets, seed) for name in table["kinds"]]
        systems += [reservoir(table["reservoir"], sets, seed)]
        for kind, states in (one for system in systems for one in system):
            train, time = (list(states[of].values())[-1] for of in ("train", "time"))
            ridge = readout.Ridge(alpha=table["watch"]["penalty"] * train.var(0).mean(), fit_intercept=True)
            read = np.int64(ridge.fit(train, sets["train"].more[:, None] - 0.5).predict(time)[:, 0] > 0)
            said = states["time"].pop("answer").argmax(1) if "answer" in states["time"] else read
            codes[kind] = probes.interval_code(states["time"], sets["time"], said, other=states["number"],
                n_resamples=table["watch"]["resamples"], seed=seed)  # fmt: skip
            found = codes[kind].figures() | {"read_out": float(sets["time"].score(read).mean())}
            rows[seed] |= {f"{kind}_{name}": value for name, value in found.items()}
            progress(number + len(codes) / 8, len(seeds), kind)
    picture = plot.interval_codes({kind: code for kind, code in codes.items() if "_" not in kind})
    told = judge_seeds("temporal_cognition", rows, quick=quick)
    return Reproduction(model="temporal_cognition", **told, plots={"codes": picture})
