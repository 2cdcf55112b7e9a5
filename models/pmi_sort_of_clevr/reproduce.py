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

NAME, SMALL = "pmi_sort_of_clevr", "Scenes are described, networks small; from pixels on a GPU: --full."
FULL, PARTS = model_folder(NAME) / "full/expected.toml", ("parameters", "memory", "repaired", "training")
FAMILIES = ("unary", "binary", "ternary")
VARIANTS = ("TR", "TR+HC", "TR+HSW", "PMI", "PMI one map", "PMI repaired")


def trained(name, table, seed, **options):
    """Train a variant: percent right by family at the end, and how many numbers were trained."""
    sizes, memory, rule = table["parameters"] | {"seed": seed}, table["memory"], dict(table["training"])
    view, device, batch = (rule.pop(key) for key in ("view", "device", "batch"))
    official, task = PMIConfig.official("sort_of_clevr", **memory), SortOfClevr(view=view)
    one_map = PMIConfig.official("sort_of_clevr", **memory, input_projection=False)
    repaired = PMIConfig(**memory | table["repaired"])
    ours = {"PMI": official, "PMI one map": one_map, "PMI repaired": repaired}.get(name)
    model = nn.PMITransformer(ours, **sizes) if ours else nn.PMITransformer.baseline(name, official, **sizes)
    test, place = task.draw(4000, seed=2**32 + seed), lambda part: torch.tensor(part, device=device)
    x = tuple(map(place, x)) if isinstance(x := test.frames()[0], tuple) else place(x)

    def shares(model):
        right = 100 * test.score(model(x).argmax(1).cpu().numpy())
        return {family: right[test.question[:, 0] == k].mean() for k, family in enumerate(FAMILIES)}

    history = nn.fit(model.to(device), task.batches(batch), torch.nn.functional.cross_entropy, **rule,
        seed=seed, every=250, evaluate=shares, **options)  # fmt: skip
    return [float(history[f][-1]) for f in FAMILIES], sum(p.numel() for p in model.parameters())


def reproduce(seeds, quick, out, progress, *, size="quick", expected=NAME):
    """Train every variant with every seed (a quick run only begins to), and compare them with TR."""
    whole, right, count, jobs = load_training(NAME), {}, {}, [(v, seed) for v in VARIANTS for seed in seeds]
    changes = whole[size] if quick or size != "quick" else {}
    table = {key: whole[key] | changes.get(key, {}) for key in PARTS}
    for k, (name, seed) in enumerate(jobs):
        shares, count[name] = trained(name, table, seed, folder=out / f"{name}-{seed}",
            progress=lambda done, of, k=k: progress(k + done / of, len(jobs), ""))  # fmt: skip
        right.setdefault(name, []).append(shares)
    mean = {name: np.mean(rows, axis=1) for name, rows in right.items()}
    unary = np.subtract(right["PMI one map"], right["PMI"])[:, 0]
    gaps = {} if quick else {"gap": mean["PMI repaired"] - mean["TR"], "map": unary}
    measured = {name: dict(zip(seeds, gap.tolist(), strict=True)) for name, gap in gaps.items()}
    measured["numbers"] = count["PMI repaired"] / count["TR+HC"]
    rows = differences(mean, "TR") | dict(zip(FAMILIES, np.mean(list(right.values()), axis=1).T, strict=True))
    return Reproduction(model=NAME, figures=judge(expected, measured, quick=quick), caveats=(SMALL,),
        tables={"accuracy": rows | {"numbers": list(count.values())}})  # fmt: skip


def reproduce_full(seeds, quick, out, progress):  # noqa: ARG001
    """Train the published size, from pixels."""
    if not torch.cuda.is_available():
        raise CapabilityError.of(where=f"{NAME} --full", bound="needs a GPU", fix="leave out --full")
    return reproduce(seeds, False, out, progress, size="published", expected=str(FULL))
