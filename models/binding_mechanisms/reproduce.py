"""Measure the figures of expected.toml: what answers follow after an interchange, layer by layer."""

from __future__ import annotations

from matplotlib.figure import Figure
from torch.nn.functional import cross_entropy

from arcuate import nn, plot, probes
from arcuate.models import load_training
from arcuate.study.reproduction import Reproduction, judge
from arcuate.tasks import Bindings

NAME, STRONGEST = "binding_mechanisms", ("lexical", "reflexive")
INNER, POINTERS = ("blocks.0.resid_post", "blocks.1.resid_post"), ["positional", "lexical", "reflexive"]


def loss(logits, targets):
    return cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)


def interchanged(table, model, seed, *, n_resamples=0, only_right=True):
    """Patch what stands at the question after each layer but the last, and fit the mixture."""
    trials = Bindings(**table["task"]).draw(table["pairs"]["n"], seed=2**32 + seed)
    answers, fresh = (
        probes.patch_bindings(model, pairs, sites=INNER, only_right=only_right)
        for pairs in (trials.interchanged(seed=seed), trials.interchanged(seed=seed, fresh=True))
    )
    fitted = probes.binding_mechanisms(answers, n_resamples=n_resamples, seed=seed)
    rows = fitted.agreement.to_dataset("mixture").to_dataframe()
    rows["gain"] = rows["all"] - rows[POINTERS].max(axis=1)
    return answers, fitted, rows.assign(copied=fresh.outside.mean("trial").to_series())


def reproduce(seeds, quick, out, progress):
    """Train and patch a transformer for each seed; a quick run has one, fewer steps, pairs and resamples."""
    table, measured, told = load_training(NAME), {}, []
    table["training"]["steps"] = steps = table["quick" if quick else "training"].pop("steps")
    table["pairs"] |= table["quick"] if quick else {}
    n_resamples, rule = table["pairs"]["n_resamples"], table["batches"]
    batches = Bindings(**table["task"]).batches(rule["size"], n_groups=rule["n_groups"], form="tokens")
    for number, seed in enumerate(seeds):
        model = nn.TinyTransformer(**table["parameters"], seed=seed)
        control = interchanged(table, model, seed, only_right=False)[2]
        nn.fit(model, batches, loss, **table["training"], seed=seed, folder=out / f"{steps}-{seed}",
            progress=lambda done, of, k=number: progress(k + done / of, len(seeds), "learning"))  # fmt: skip
        answers, fitted, rows = interchanged(table, model, seed, n_resamples=n_resamples)
        sources, row = probes.answer_sources(answers), {"accuracy": answers.attrs["accuracy"]}
        for layer, (site, strongest) in enumerate(zip(INNER, STRONGEST, strict=True)):
            named = {"agreement": "all", "without": f"no {strongest}", "copied": "copied"}
            row |= {f"{name}_{layer}": rows[column][site] for name, column in named.items()}
            row[f"{strongest}_{layer}"] = sources.share.sel(site=site, source=strongest).mean()
        measured |= {name: measured.get(name, {}) | {seed: float(value)} for name, value in row.items()}
        for network, part in (("trained", rows), ("untrained", control)):
            told += part.reset_index().assign(seed=seed, network=network).to_dict("records")
    drawn = Figure(figsize=(10, 4), layout="constrained")
    for ax, site in zip(drawn.subplots(1, len(INNER)), INNER, strict=True):
        plot.answer_sources(sources, site=site, ax=ax)
    plots = {"sources": drawn, "weights": plot.pointer_weights(fitted).figure}
    tables = {"mixtures": {key: [row[key] for row in told] for key in told[0]}}
    return Reproduction(model=NAME, figures=judge(NAME, measured, quick=quick), plots=plots, tables=tables)
