"""What the studies of this folder train, and what they measure of it."""

from __future__ import annotations

from dataclasses import replace

import torch

from arcuate import nn
from arcuate.models import load_training
from arcuate.tasks import ItemLabel

TRIALS = 400  # shares within 0.03


def learn(
    n_classes: int = 512, burstiness: int = 4, rank_exponent: float = 0.0, steps: int = 4000, seed: int = 0
) -> dict[str, float]:
    """Train the network of the model on some classes; the shares of right answers in the three tests."""
    table = load_training("abrupt_icl")
    rule, chosen = dict(table["training"]), (n_classes, burstiness, rank_exponent)
    names = ("n_classes", "burstiness", "rank_exponent")
    task = ItemLabel(**table["task"], **dict(zip(names, chosen, strict=True)), world=seed)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the same numbers however many points run at a time
    try:
        model = nn.TinyTransformer(**table["parameters"], seed=seed)
        batches = task.batches(rule.pop("batch"))
        nn.fit(model, batches, _loss, **rule, steps=steps, every=steps, seed=seed, progress=False)
        tests = {name: replace(task, test=name).draw(TRIALS, seed=2**32 + seed) for name in _TESTS}
        with torch.no_grad():
            said = {name: model(torch.tensor(test.x))[:, -1].argmax(1) for name, test in tests.items()}
    finally:
        torch.set_num_threads(threads)
    return {_TESTS[name]: float(test.score(said[name].numpy()).mean()) for name, test in tests.items()}


_TESTS = {"novel": "icl_novel", "swap": "icl_swap", "weights": "iwl"}


def _loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(logits[:, -1], targets)
