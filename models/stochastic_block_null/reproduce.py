"""Measure the figures of expected.toml: communities where planted, one block where there are none."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from arcuate.connectome import BlockModel, exponential_blocks, lfr_graph, nmi
from arcuate.models import load_training
from arcuate.study.reproduction import Reproduction, judge

NAME = "stochastic_block_null"


def draw(table, case, seed):
    """One graph of a case."""
    if case in table["ratios"]:
        return exponential_blocks(**table["dense"], ratio=table["ratios"][case], seed=seed)
    shared = {key: value for key, value in table["lfr"].items() if key not in ("smallest", "largest")}
    sizes = (table["lfr"]["smallest"], table["lfr"]["largest"])
    return lfr_graph(**shared, **table["cases"][case], sizes=sizes, seed=seed)


def reproduce(seeds, quick, out, progress):  # noqa: ARG001
    """Fit a graph of every case and seed; a quick run has one seed and is otherwise the same."""
    table, measured, agreement = load_training(NAME), {}, {}
    cases = [*table["cases"], *table["ratios"]]
    for number, seed in enumerate(seeds):
        for place, case in enumerate(cases):
            progress(number * len(cases) + place, len(seeds) * len(cases), case)
            drawn = draw(table, case, seed)
            model = BlockModel(**table["parameters"], seed=seed, progress=False).fit(drawn.graph)
            agreement.setdefault(case, []).append(nmi(drawn.labels, model.labels_))
            found = model.n_blocks_ if case == "null" else agreement[case][-1]
            measured.setdefault(case, {})[seed] = found
            if case == "null":
                measured.setdefault("null_evidence", {})[seed] = model.log_bayes_factor_
    ax = Figure(figsize=(6, 3.5), layout="constrained").subplots()
    ax.barh(cases, [np.mean(agreement[case]) for case in cases], color="#0072B2")
    ax.set(xlabel="agreement with the planted communities (NMI)", xlim=(0, 1))
    del measured["dense_15"]  # below what can be detected: drawn, not judged
    figures = judge(NAME, measured, quick=quick)
    return Reproduction(model=NAME, figures=figures, plots={"agreement": ax.figure})
