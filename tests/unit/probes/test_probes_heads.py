"""Scores of heads are means of the entries that they speak of; losses those of the two copies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from probe_models import HEADS, LAYERS, N_WORDS, WIDTH, language

import arcuate as arc
from arcuate.errors import CapabilityError, SpecError, UnknownNameError

head_scores, pattern_scores = arc.probes.head_scores, arc.probes.pattern_scores
repeated_tokens = arc.probes.repeated_tokens


def looking(back: Any, length: int = 8) -> np.ndarray:
    """Return a pattern (1, 1, length, length) that looks `back` tokens back, or else at itself."""
    pattern = np.zeros((1, 1, length, length))
    for t in range(length):
        s = t - back(t)
        pattern[0, 0, t, s if s >= 0 else t] = 1.0
    return pattern


@pytest.mark.parametrize(
    ("name", "back"),
    [
        ("previous_token", lambda t: 1),
        ("induction", lambda t: 3),
        ("duplicate_token", lambda t: 4),
        ("first_token", lambda t: t),
    ],
    ids=["previous", "induction", "duplicate", "first"],
)
def test_a_head_that_does_one_thing_scores_one(name: str, back: Any) -> None:
    found = pattern_scores(looking(back), period=4)
    assert float(found[name][0]) == 1
    others = [float(found[other][0]) for other in found if other != name]
    assert max(others) <= 0.25  # of four or seven tokens, one that looks at the first


def test_scores_are_means_of_entries() -> None:
    draw = np.random.default_rng(0)
    pattern = draw.dirichlet(np.ones(6), size=(2, 3, 6))
    found = pattern_scores({"blocks.4.attn.pattern": pattern}, period=3)
    for h in range(3):
        a = pattern[:, h]
        assert float(found.previous_token[0, h]) == pytest.approx(
            np.mean([a[i, t, t - 1] for i in range(2) for t in range(1, 6)])
        )
        assert float(found.induction[0, h]) == pytest.approx(
            np.mean([a[i, t, t - 2] for i in range(2) for t in (3, 4, 5)])
        )
        assert float(found.duplicate_token[0, h]) == pytest.approx(
            np.mean([a[i, t, t - 3] for i in range(2) for t in (3, 4, 5)])
        )
        assert float(found.first_token[0, h]) == pytest.approx(
            np.mean([a[i, t, 0] for i in range(2) for t in range(1, 6)])
        )
    assert found.layer.values.tolist() == [4]
    assert np.isnan(pattern_scores(pattern).induction).all()


def test_texts_are_said_twice() -> None:
    words = repeated_tokens(50, period=7, n_trials=4, seed=3)
    assert (words[:, :7] == words[:, 7:]).all()
    assert words.min() >= 0
    assert words.max() < 50
    assert (words == repeated_tokens(50, period=7, n_trials=4, seed=3)).all()
    assert len(np.unique(repeated_tokens(5, period=500, n_trials=1))) == 5


def test_what_is_no_pattern_is_refused() -> None:
    with pytest.raises(SpecError, match="as many queries as keys"):
        pattern_scores(np.zeros((1, 2, 3, 4)))
    with pytest.raises(SpecError, match="half of the 8"):
        pattern_scores(looking(lambda t: 1), period=3)
    with pytest.raises(SpecError, match="finite"):
        pattern_scores(np.full((1, 1, 4, 4), np.nan))
    with pytest.raises(SpecError, match="one or more sites"):
        pattern_scores({})


@pytest.mark.torch
class TestModels:
    """Of a model, the same scores as of its recorded patterns, and its losses."""

    def check(self, model: Any, named: bool) -> None:
        torch = pytest.importorskip("torch")
        found = head_scores(model, period=6, n_trials=5, batch_size=2, seed=2)
        words = repeated_tokens(N_WORDS, period=6, n_trials=5, seed=2)
        recording = arc.probes.capture(model, words, sites="blocks.*.attn.pattern")
        wanted = pattern_scores(recording, period=6)
        for name in wanted:
            np.testing.assert_allclose(found[name], wanted[name], atol=1e-6)
        given = torch.as_tensor(words)
        with torch.no_grad():
            told = model(given).logits if named else model(given)
        first = torch.nn.functional.cross_entropy(told[:, :5].flatten(0, 1), given[:, 1:6].flatten())
        second = torch.nn.functional.cross_entropy(told[:, 6:11].flatten(0, 1), given[:, 7:].flatten())
        assert float(found.loss_first) == pytest.approx(float(first), rel=1e-5)
        assert float(found.loss_second) == pytest.approx(float(second), rel=1e-5)
        assert dict(found.induction.sizes) == {"layer": LAYERS, "head": HEADS}

    @pytest.mark.parametrize("attention", ["softmax", "linear", "delta"])
    def test_tiny(self, attention: str) -> None:
        pytest.importorskip("torch")
        model = arc.nn.TinyTransformer(
            n_outputs=N_WORDS, n_tokens=N_WORDS, d_model=WIDTH, n_layers=LAYERS, n_heads=HEADS,
            attention=attention,
        )  # fmt: skip
        self.check(model, named=False)

    @pytest.mark.parametrize("name", ["gpt2", "llama"])
    def test_language(self, name: str) -> None:
        pytest.importorskip("torch")
        self.check(language(name).model, named=True)

    def test_patterns_that_are_never_computed(self) -> None:
        pytest.importorskip("torch")
        model = language("llama").model
        model.set_attn_implementation("sdpa")
        with pytest.raises(CapabilityError, match=r'set_attn_implementation\("eager"\)'):
            head_scores(model, period=6)

    def test_models_without_patterns_or_words(self) -> None:
        torch = pytest.importorskip("torch")
        with pytest.raises(SpecError, match="n_tokens"):
            head_scores(torch.nn.Linear(2, 2))
        with pytest.raises(UnknownNameError):
            head_scores(torch.nn.Sequential(torch.nn.Embedding(5, 2)), n_tokens=5)


def test_a_model_that_looks_ahead_has_no_next_token_to_guess() -> None:
    torch = pytest.importorskip("torch")

    class Block(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attn = torch.nn.Module()
            self.attn.pattern = torch.nn.Identity()

    class BothWays(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.n_tokens, self.blocks, self.logits = 7, torch.nn.ModuleList([Block()]), torch.nn.Identity()

        def forward(self, tokens: Any) -> Any:
            batch, n = tokens.shape
            self.blocks[0].attn.pattern(torch.full((batch, 1, n, n), 1.0 / n))
            return self.logits(torch.zeros(batch, n, 7))

    found = head_scores(BothWays(), period=4, n_trials=2)
    assert np.isnan(found.loss_first) and np.isnan(found.loss_second)
    assert float(found.previous_token[0, 0]) == pytest.approx(1 / 8)
