"""Words of sentences added up: against the sum as it is written, and trained on stories."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from arcuate.errors import SpecError  # noqa: E402
from arcuate.memory import PMIConfig  # noqa: E402
from arcuate.nn import PMITransformer, SentenceEmbedding, fit  # noqa: E402
from arcuate.tasks import BABI_WORDS, Babi  # noqa: E402

pytestmark = pytest.mark.torch


def test_the_sum_of_the_paper() -> None:
    """Sukhbaatar et al. 2015, section 4.1: places and features are counted from 1."""
    read = SentenceEmbedding(30, 7, seed=3).double()
    words = read.words.weight.detach().numpy()
    x = np.array([[[3, 1, 4, 1], [5, 9, 0, 0], [0, 0, 0, 0]], [[2, 6, 5, 0], [29, 0, 0, 0], [1, 2, 3, 4]]])
    expected = np.zeros((2, 3, 7))
    for place in np.ndindex(2, 3):
        sentence = [word for word in x[place] if word]
        n, d = len(sentence), 7
        for j, word in enumerate(sentence, start=1):
            for k in range(1, d + 1):
                weight = (1 - j / n) - (k / d) * (1 - 2 * j / n)
                expected[(*place, k - 1)] += weight * words[word, k - 1]
    np.testing.assert_allclose(read(x).detach(), expected, atol=1e-14)


def test_room_behind_a_sentence_says_nothing_and_learns_nothing() -> None:
    read = SentenceEmbedding(5, 3)
    x = torch.tensor([[[1, 2, 4]]])
    wide = torch.nn.functional.pad(x, (0, 6))
    assert torch.equal(read(x), read(wide))
    read(wide).sum().backward()
    assert not read.words.weight.grad[0].any()
    assert read.words.weight.grad[1].any()


def test_start_values_have_a_seed() -> None:
    first, again, other = (SentenceEmbedding(9, 4, seed=seed).words.weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.slow
def test_a_transformer_learns_from_stories() -> None:
    """In 150 steps the answer is a room, and more often the right one than any."""
    n, task = len(BABI_WORDS), Babi(kinds=(12,))
    x, targets = task.draw(2400, seed=2).frames()
    config = PMIConfig(d_model=16, n_heads=4)
    sizes: dict[str, Any] = {"n_outputs": n, "n_features": 16, "n_layers": 2, "d_hidden": 32, "dropout": 0.0}
    model = torch.nn.Sequential(SentenceEmbedding(n, 16), PMITransformer.baseline("TR", config, **sizes))

    def batches(rng: np.random.Generator) -> Any:
        which = rng.integers(2000, size=32)
        return x[which], targets[which]

    loss = torch.nn.functional.cross_entropy
    history = fit(model, batches, loss, steps=150, seed=1, learning_rate=1e-2, every=50,
        optimizer="muon", progress=False)  # fmt: skip
    right = (model.eval()(x[2000:]).argmax(1).numpy() == targets[2000:]).mean()
    assert history["loss"][-1] < history["loss"][0]
    assert right > 1 / 6 + 3 * np.sqrt(5 / 36 / 400)


@pytest.mark.parametrize(
    ("call", "name", "words"),
    [
        (lambda: SentenceEmbedding(0, 3), "n_words", "1"),
        (lambda: SentenceEmbedding(3, 0), "width", "1"),
        (lambda: SentenceEmbedding(5, 3)(np.zeros((2, 3), int)), "x", "(2, 3)"),
        (lambda: SentenceEmbedding(5, 3)(np.zeros((2, 0, 3), int)), "x", "(2, 0, 3)"),
        (lambda: SentenceEmbedding(5, 3)(np.zeros((1, 1, 3))), "x", "whole numbers"),
        (lambda: SentenceEmbedding(5, 3)(np.full((1, 1, 3), 5)), "5", "0 to 4"),
        (lambda: SentenceEmbedding(5, 3)(np.full((1, 1, 3), -1)), "-1", "0 to 4"),
        (lambda: SentenceEmbedding(5, 3)(["a"]), "x", "array of numbers"),
    ],
    ids=["no words", "no width", "flat", "empty", "real", "too large", "negative", "text"],
)
def test_refused_by_name(call: Any, name: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        call()
    assert name in str(caught.value)
    assert words in str(caught.value)
