"""Measure the figures of expected.toml: transformers with and without a PMI memory on Sort-of-CLEVR."""

from __future__ import annotations

import numpy as np
import torch

from arcuate import nn
from arcuate.errors import CapabilityError
from arcuate.memory import PMIConfig
from arcuate.models import load_training, model_folder
from arcuate.study.reproduction import Reproduction, differences, judge
from arcuate.tasks import SortOfClevr

NAME, FULL = "pmi_sort_of_clevr", model_folder("pmi_sort_of_clevr") / "full/expected.toml"
SMALL, BASELINE = "Scenes are described, networks small; from pixels: --full.", nn.PMITransformer.baseline
FAMILIES, VARIANTS = "unary binary ternary".split(), "TR,TR+HC,TR+HSW,PMI,PMI one map,PMI repaired".split(",")


def trained(name, table, seed, **options):
    """Train a variant: percent right by family at the end, and how many numbers were trained."""
    sizes, memory, rule = table["parameters"] | {"seed": seed}, table["memory"], dict(table["training"])
    view, device, batch = (rule.pop(key) for key in ("view", "device", "batch"))
    config = PMIConfig.official("sort_of_clevr", **memory | table.get(name, {}))
    model = nn.PMITransformer(config, **sizes) if name[:3] == "PMI" else BASELINE(name, config, **sizes)
    task = SortOfClevr(view=view)
    test = task.draw(4000, seed=2**32 + seed)

    def shares(model):
        right = 100 * test.score(model(test.frames()[0]).argmax(1).cpu().numpy())
        return {family: right[test.question[:, 0] == k].mean() for k, family in enumerate(FAMILIES)}

    history = nn.fit(model.to(device), task.batches(batch), torch.nn.functional.cross_entropy, **rule,
        seed=seed, every=250, evaluate=shares, **options)  # fmt: skip
    return [float(history[f][-1]) for f in FAMILIES], sum(p.numel() for p in model.parameters())


def reproduce(seeds, quick, out, progress, *, size="", expected=NAME):
    """Train every variant with every seed (a quick run only begins to), and compare them with TR."""
    whole, right, count, jobs = load_training(NAME), {}, {}, [(v, seed) for v in VARIANTS for seed in seeds]
    changes = whole.get("quick" if quick else size, {})
    table = {key: part | changes.get(key, {}) for key, part in whole.items() if isinstance(part, dict)}
    for k, (name, seed) in enumerate(jobs):
        shares, count[name] = trained(name, table, seed, folder=out / f"{name}-{seed}",
            progress=lambda done, of, k=k: progress(k + done / of, len(jobs), ""))  # fmt: skip
        right.setdefault(name, []).append(shares)
    mean = {name: np.mean(rows, axis=1) for name, rows in right.items()}
    gaps = {"gap": mean["PMI repaired"] - mean["TR"], "map": mean["PMI one map"] - mean["PMI"]}
    measured = {name: dict(zip(seeds, gap.tolist(), strict=True)) for name, gap in gaps.items() if not quick}
    measured["numbers"] = count["PMI repaired"] / count["TR+HC"]
    rows = differences(mean, "TR") | dict(zip(FAMILIES, np.mean(list(right.values()), axis=1).T, strict=True))
    return Reproduction(model=NAME, figures=judge(expected, measured, quick=quick), caveats=(SMALL,),
        tables={"accuracy": rows | {"numbers": list(count.values())}})  # fmt: skip


def reproduce_full(seeds, quick, out, progress):  # noqa: ARG001
    """Train the published size, from pixels."""
    if not torch.cuda.is_available():
        raise CapabilityError.of(where=f"{NAME} --full", bound="needs a GPU", fix="leave out --full")
    return reproduce(seeds, False, out, progress, size="published", expected=str(FULL))
