"""Measure the figures of expected.toml: few urns are known by heart, of many one counts."""

from __future__ import annotations

import torch
import xarray as xr

from arcuate import nn, plot, probes
from arcuate.models import load_training
from arcuate.study.reproduction import Reproduction, judge
from arcuate.tasks import Urns

NAME, ACCOUNT = "icl_strategies", ("gamma", "alpha", "beta", "r", "explained")


def loss(logits, targets):
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


def trained(table, n_urns, seed, folder, report):
    """Train with so many urns, and return the history, gaps and both predictors."""
    rule, task = dict(table["training"]), Urns(**table["task"], n_urns=n_urns, world=seed)
    new = Urns(**table["task"], source="prior").draw(table["watch"]["trials"], seed=2**32 + seed).frames()[0]
    best = probes.urn_predictors(new, task.laws)

    def figures(model):
        made = model(torch.tensor(new)).double().softmax(2).numpy()
        return {"distance": probes.relative_distance(made, best.memorizing, best.generalizing)}

    model = nn.TinyTransformer(**table["parameters"], seed=seed)
    history = nn.fit(model, task.batches(rule.pop("batch")), loss, **rule, seed=seed, folder=folder,
        every=table["watch"]["every"], evaluate=figures, progress=report)  # fmt: skip
    seen = task.draw(table["watch"]["trials"], seed=2**33 + seed).balls
    return history.distance, probes.strategy_gaps(seen, task.laws), best


def reproduce(seeds, quick, out, progress):
    """Train with each number of urns; a quick run has two of them, is short, and fits no account."""
    table, measured, plots, accounts = load_training(NAME), {}, {}, []
    table["training"]["steps"] = steps = table["quick" if quick else "training"]["steps"]
    tasks = table["quick" if quick else "watch"]["tasks"]
    for k, seed in enumerate(seeds):
        found = {n: trained(table, n, seed, out / f"urns-{n}-{steps}-{seed}",
            lambda done, of, j=j, k=k: progress(k + (j + done / of) / len(tasks), len(seeds), "urns"))
            for j, n in enumerate(tasks)}  # fmt: skip
        seen = xr.concat([found[n][0] for n in tasks], xr.IndexVariable("tasks", tasks))
        row = {f"distance_{n}": float(seen.sel(tasks=n)[-1]) for n in (8, 512)}
        maps = {f"trained, seed {seed}": seen}
        if not quick:
            known = [{n: found[n][part] for n in tasks} for part in (1, 2)]
            account = probes.fit_account(seen, *known)
            others = {"left_out": probes.predict_account(seen, *known), "levels": seen.mean("step")}
            shares = {key: 1 - float(((seen - one) ** 2).mean() / seen.var()) for key, one in others.items()}
            accounts.append({"seed": seed} | {key: getattr(account, key) for key in ACCOUNT} | shares)
            row |= {f"account_{key}": getattr(account, key) for key in ("r", "explained")}
            maps["account"] = account.distance
        plots[f"strategies-{seed}"] = plot.strategies(maps)[0].figure
        measured |= {name: measured.get(name, {}) | {seed: value} for name, value in row.items()}
    tables = {"account": {key: [row[key] for row in accounts] for key in accounts[0]}} if accounts else {}
    return Reproduction(model=NAME, figures=judge(NAME, measured, quick=quick), plots=plots, tables=tables)
