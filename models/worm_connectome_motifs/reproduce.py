"""Measure the figures of expected.toml: communities, a stimulus and a silenced neuron in simulated traces."""

from __future__ import annotations

from itertools import product

import numpy as np

from arcuate import connectome as cm
from arcuate import plot
from arcuate.models import load_training
from arcuate.study.reproduction import Reproduction, judge

NAME = "worm_connectome_motifs"


def fit(table, drawn, seed, kind="comotion"):
    """Factorize the affinities of all animals."""
    return cm.NTF(**table["parameters"], seed=seed, progress=False).fit(cm.affinity(drawn.traces, kind))


def stimulus_p(table, seed):
    """Smallest p of a component that follows the stimulus, of all components at once."""
    drawn = cm.SharedEvents(stimulus=table["stimulus"]["epochs"], **table["traces"]).draw(seed)
    loadings = fit(table, drawn, seed).factors_[1]
    return float(cm.epoch_test(loadings, **table["stimulus"], times=drawn.traces.time, seed=seed).p.min())


def silence(table, seed, drawn, model):
    """Whether a neuron is in its community before and after it is silenced; agreement on the others (ARI)."""
    order, strong = drawn.recovery(model).component.values, int(np.argmax(drawn.present.sum(axis=1)))
    neuron = int(np.argmin(np.where(drawn.members[strong], drawn.members.sum(axis=0), len(order) + 1)))
    other = fit(table, cm.SharedEvents(silenced=(neuron,), **table["traces"]).draw(seed), seed)
    pairs, rest = zip(order, cm.align_components(other, model)[order], strict=True), np.arange(40) != neuron
    find = lambda graph: cm.BlockModel(**table["blocks"], seed=seed).fit(graph.values).labels_  # noqa: E731
    labels = [(find(model.graph(int(k))), find(other.graph(int(j)))) for k, j in pairs]
    mates = drawn.members[strong] & rest
    joined = [float(part[neuron] == np.bincount(part[mates]).argmax()) for part in labels[strong]]
    return *joined, float(np.mean([cm.ari(one[rest], two[rest]) for one, two in labels]))


def reproduce(seeds, quick, out, progress):  # noqa: ARG001
    """Draw, factorize and judge for each seed; all kinds of affinity and levels of noise unless quick."""
    table, kinds, rows = load_training(NAME), [], {}
    for number, seed in enumerate(seeds):
        progress(number, len(seeds), "seeds")
        drawn = cm.SharedEvents(**table["traces"]).draw(seed)
        found = drawn.recovery(model := fit(table, drawn, seed)).mean()
        rows[seed] = [float(found.time), float(found.auc), stimulus_p(table, seed)]
        rows[seed] += silence(table, seed, drawn, model)
    for noise, kind in product([] if quick else table["table"]["noise"], cm.AFFINITIES):
        draws = [(seed, cm.SharedEvents(noise=noise).draw(seed)) for seed in seeds][: table["table"]["seeds"]]
        scores = [d.recovery(fit(table, d, seed, kind)).mean().to_array() for seed, d in draws]
        kinds.append([noise, kind, *np.round(np.mean(scores, axis=0), 3)[1:].tolist()])
    names = ("time_cosine", "pair_auc", "stimulus_p", "joined", "silenced", "rest_ari")
    measured = {name: {seed: row[k] for seed, row in rows.items()} for k, name in enumerate(names)}
    head = ("noise", "kind", "pair", "time", "animal", "auc")
    tables = {} if quick else {"kinds": dict(zip(head, zip(*kinds, strict=True), strict=True))}
    return Reproduction(model=NAME, figures=judge(NAME, measured, quick=quick), tables=tables,
        plots={"components": plot.factors(model).figure})  # fmt: skip
