"""Transformers with and without a PMI memory on three bAbI types at once; prints the table of the docs.

``pytest tests/reference/test_babi_trained.py -m "" -s -n 0`` takes some six processor minutes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from arcuate import nn  # noqa: E402
from arcuate.memory import PMIConfig  # noqa: E402
from arcuate.tasks import BABI_WORDS, Babi  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.timeout(1800)]

KINDS, WIDTH, STEPS = (1, 6, 15), 32, 1500


def trained(name: str, seed: int) -> list[float]:
    """Percent right of each type after training on 20 000 questions."""
    n, task = len(BABI_WORDS), Babi(kinds=KINDS)
    sizes: dict[str, Any] = {
        "n_outputs": n, "n_features": WIDTH, "n_layers": 3, "d_hidden": 2 * WIDTH, "dropout": 0.0,
        "seed": seed,
    }  # fmt: skip
    config = PMIConfig.official("sort_of_clevr", d_model=WIDTH)
    plain = nn.PMITransformer.baseline
    reader = nn.PMITransformer(config, **sizes) if name == "PMI" else plain(name, config, **sizes)
    model = torch.nn.Sequential(nn.SentenceEmbedding(n, WIDTH, seed=seed), reader)
    x, targets = task.draw(20_000, seed=seed).frames()

    def batches(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        which = rng.integers(len(x), size=64)
        return x[which], targets[which]

    nn.fit(model, batches, torch.nn.functional.cross_entropy, steps=STEPS, seed=seed, optimizer="muon",
        learning_rate=5e-3, warmup=100, every=STEPS, progress=False)  # fmt: skip
    test = task.draw(1500, seed=2**32 + seed)
    with torch.no_grad():
        right = 100 * test.score(model.eval()(torch.from_numpy(test.frames()[0])).argmax(1).numpy())
    return [float(right[test.kinds == kind].mean()) for kind in KINDS]


def test_both_learn_one_fact() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    rows = {name: np.array([trained(name, seed) for seed in (1, 2, 3)]) for name in ("TR", "PMI")}
    torch.set_num_threads(before)
    for name, found in rows.items():
        print(name, *(f"type {kind}: {found[:, k].round(1)}" for k, kind in enumerate(KINDS)))
        assert found[:, 0].min() > 95
        assert found[:, 1].min() > 70
