"""Measure the figures of expected.toml: what answers follow after an interchange, layer by layer."""

from __future__ import annotations

from matplotlib.figure import Figure
from torch.nn.functional import cross_entropy

from arcuate import nn, plot, probes
from arcuate.models import load_training
from arcuate.study.reproduction import Reproduction, judge
from arcuate.tasks import Bindings

NAME, STRONGEST = "binding_mechanisms", ("lexical", "reflexive")


def loss(logits, targets):
    return cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)


def learn(table, seed, out, progress):
    """Train on questions about every group of a context."""
    model, rule = nn.TinyTransformer(**table["parameters"], seed=seed), table["batches"]
    batches = Bindings(**table["task"]).batches(rule["size"], n_groups=rule["n_groups"], form="tokens")
    nn.fit(
        model, batches, loss, **table["training"], seed=seed, folder=out / f"seed-{seed}", progress=progress
    )
    return model.eval()


def interchanged(table, model, seed, *, quick):
    """Patch what stands at the question after each layer, and fit the mixture."""
    trials = Bindings(**table["task"]).draw(table["pairs"]["n"], seed=2**32 + seed)
    answers = probes.patch_bindings(model, trials.interchanged(seed=seed))
    n_resamples = 20 if quick else table["pairs"]["n_resamples"]
    return answers, probes.binding_mechanisms(answers, n_resamples=n_resamples, seed=seed)


def reproduce(seeds, quick, out, progress):
    """Train and patch one transformer for each seed; a quick run has one seed and fewer resamples."""
    table, measured = load_training(NAME), {}
    for number, seed in enumerate(seeds):
        report = lambda done, of, k=number: progress(k + done / of, len(seeds), "learning")  # noqa: E731
        answers, fitted = interchanged(table, learn(table, seed, out, report), seed, quick=quick)
        sources = probes.answer_sources(answers)
        row = {"accuracy": answers.attrs["accuracy"]}
        for layer, strongest in enumerate(STRONGEST):
            agreement = fitted.agreement[layer]
            row[f"agreement_{layer}"] = agreement.sel(mixture="all")
            row[f"without_{layer}"] = agreement.sel(mixture=f"no {strongest}")
            row[f"{strongest}_{layer}"] = sources.share[layer].sel(source=strongest).mean()
        for name, value in row.items():
            measured.setdefault(name, {})[seed] = float(value)
    drawn = Figure(figsize=(10, 4), layout="constrained")
    for ax, site in zip(drawn.subplots(1, len(STRONGEST)), sources.site.values, strict=True):
        plot.answer_sources(sources, site=str(site), ax=ax)
    plots = {"sources": drawn, "weights": plot.pointer_weights(fitted).figure}
    return Reproduction(model=NAME, figures=judge(NAME, measured, quick=quick), plots=plots)
