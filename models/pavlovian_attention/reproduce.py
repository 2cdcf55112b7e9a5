"""Measure the figures of expected.toml: what attention holds, as a memory that is conditioned."""

from __future__ import annotations

import numpy as np

from arcuate import memory, plot, tasks
from arcuate.models import load_training
from arcuate.study.reproduction import Reproduction, judge

NAME, FORMS = "pavlovian_attention", {"hebb": 1, "delta": 32, "ridge": 1}  # pairs from which a form is judged


def capacities(size, seed):
    """Curves over pairs, how far they are from closed forms and each other, exponents over the width."""
    curves, row, wide = {}, {}, sum(width < size["judged_from"] for width in size["widths"])
    for rule, passes in (*((rule, 1) for rule in FORMS), ("softmax", 1), ("delta", size["passes"])):
        curves[rule if passes == 1 else "delta, 10 passes"] = [memory.retrieval_error(
            rule, [round(load * d) for load in size["loads"]], d_key=d, d_value=16, passes=passes,
            trials=max(1, size["reads"] // d), seed=seed) for d in size["widths"]]  # fmt: skip
    for rule, least in FORMS.items():
        off = [abs(c.error.mean("trial") / c.closed_form - 1).where(c.closed_form > 0) for c in curves[rule]]
        row[f"{rule}_form"] = max(float(c.where(c.n_items >= least).max()) for c in off[wide:])
        row[f"{rule}_exponent"] = memory.capacity_exponent(
            memory.mean_capacity(rule, size["grown"], seed=seed)
        )
    row["error_free_exponent"] = memory.capacity_exponent(memory.error_free_capacity(size["free"], seed=seed))
    row["ridge_none"] = max(float(c.error.where(c.closed_form == 0).max()) for c in curves["ridge"])
    row["softmax_named"] = min(float(c.top1.mean("trial").min()) for c in curves["softmax"][wide:])
    many = np.array([c.error.mean("trial")[-3:] for c in curves["delta, 10 passes"][wide:]])
    return row | {"passes_collapse": np.max(np.ptp(many, axis=0) / many.mean(axis=0))}, curves


def chains(size, failure, seed):
    """Distance from (1 - p)^layers of chains with one head, and chains lost with as many heads as needed."""
    one, layers = memory.lookup_chain(1, **size, seed=seed), size["layers"]
    p, kept = float((one.diff("layer") != 0).mean()), float((one == 0).all("layer").mean())
    heads = memory.heads_needed(p, layers=layers, failure=failure)
    lost = float((memory.lookup_chain(heads, **size, seed=seed)[:, -1] != 0).mean())
    return {"chain_form": abs(kept - (1 - p) ** layers), "chain_heads": heads, "chain_lost": lost}


def reproduce(seeds, quick, out, progress):  # noqa: ARG001
    """Store, read and condition; a quick run has one seed and fewer memories for each point."""
    rows, axes, table = {}, plot.panels(2, 3), load_training(NAME)
    size, d = table["capacity"] | ({"reads": 2048} if quick else {}), table["parameters"]["d_key"]
    off = abs(memory.kamin() - np.array([table["kamin"][name] for name in tasks.EXPERIMENTS]))
    for number, seed in enumerate(seeds):
        progress(number, len(seeds), "capacities")
        row, curves = capacities(size, seed)
        row |= chains(table["chain"], table["failure"]["of_chains"], seed)
        row |= {f"{rule}_{name}": float(memory.retrieval_error(rule, d_key=d, seed=seed, **how).top1.mean())
            for rule in ("hebb", "delta") for name, how in table["naming"].items()}  # fmt: skip
        rows[seed] = row | {f"kamin_{rule}": float(off.sel(rule=rule).max()) for rule in ("hebb", "delta")}
    for ax, (name, phases) in zip(axes, tasks.EXPERIMENTS.items(), strict=False):
        plot.conditioning(memory.condition(phases), ax=ax).set_title(name, pad=18)
    memory.trace_conditioning(range(9), eligibility=0.7).plot(ax=axes[-1], marker="o")
    measured = {name: {seed: row[name] for seed, row in rows.items()} for name in rows[seed]}
    return Reproduction(model=NAME, figures=judge(NAME, measured, quick=quick), plots={
        "capacity": plot.capacity_curves(curves).figure, "conditioning": axes[0].figure})  # fmt: skip
