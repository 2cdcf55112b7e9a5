"""What holds of every adapter also holds of a real transformer, and its one massive unit is found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arcuate as arc

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.torch, pytest.mark.weights]

Edit, capture, intervene = arc.probes.Edit, arc.probes.capture, arc.probes.intervene
TEXT, OTHER = "The capital of France is", "Water boils at one hundred"


def values(recording: Any, site: str) -> np.ndarray:
    return np.asarray(recording.states(site)["activation"])


def logits(language: Any, tokens: Any) -> Any:
    with torch.no_grad():
        return language.model(**tokens).logits


def test_parts_add_up_to_the_last_residual(smollm2: Any) -> None:
    sites = ["embed", "blocks.*.attn.out", "blocks.*.mlp.out", "blocks.29.resid_post"]
    seen = capture(smollm2.model, smollm2.tokens(TEXT), sites=sites)
    last = values(seen, "blocks.29.resid_post")
    total = sum(values(seen, site).astype(float) for site in seen.sites if site != "blocks.29.resid_post")
    assert np.abs(total - last).max() < 1e-5 * np.abs(last).max()


def test_an_edit_that_changes_nothing_changes_no_bit(smollm2: Any) -> None:
    tokens = smollm2.tokens(TEXT)
    before = logits(smollm2, tokens)
    with intervene(smollm2.model, Edit("blocks.*.resid_post", "scale", 1.0)):
        assert torch.equal(logits(smollm2, tokens), before)
    assert torch.equal(logits(smollm2, tokens), before)


def test_the_last_residual_of_another_text_gives_its_answer(smollm2: Any) -> None:
    one, other = smollm2.tokens(TEXT), smollm2.tokens(OTHER)
    assert one["input_ids"].shape == other["input_ids"].shape
    site = "blocks.29.resid_post"
    value = torch.from_numpy(values(capture(smollm2.model, other, sites=site), site))
    with intervene(smollm2.model, Edit(site, "replace", value)):
        assert torch.equal(logits(smollm2, one), logits(smollm2, other))


def test_without_any_head_there_is_no_attention(smollm2: Any) -> None:
    """The output projection has no bias, so that heads of zero and an output of zero are the same."""
    tokens, found = smollm2.tokens(TEXT), []
    for site in ("attn.z", "attn.out"):
        with intervene(smollm2.model, Edit(f"blocks.*.{site}", "zero")):
            found.append(logits(smollm2, tokens))
    assert torch.equal(*found)
    assert not torch.allclose(found[0], logits(smollm2, tokens), atol=1.0)


def test_pads_change_nothing(smollm2: Any) -> None:
    both = smollm2.tokens(["Hello", TEXT])
    found = logits(smollm2, both)[0, -1]
    torch.testing.assert_close(found, logits(smollm2, smollm2.tokens("Hello"))[0, -1], atol=1e-3, rtol=1e-4)


def test_one_unit_of_the_first_token_is_massive_after_block_11(smollm2: Any) -> None:
    seen = capture(smollm2.model, smollm2.tokens(TEXT), sites="blocks.*.resid_post")
    found = arc.probes.activation_ratio(seen)
    ratio = found.ratio.values
    assert ratio[11] > 5000 > 500 > ratio[10]
    assert ratio.argmax() == 11
    assert int(found.token.isel(trial=0, layer=11)) == 0


def test_sentences_are_read_by_all_blocks_of_minilm(minilm: Any) -> None:
    tokens = minilm.tokens(["A man plays.", "Somebody is playing the guitar."])
    seen = capture(minilm.model, tokens, sites="blocks.*.resid_post", reduce="mask-mean")
    expected = minilm.sentence_embeddings(["A man plays.", "Somebody is playing the guitar."])
    np.testing.assert_allclose(values(seen, "blocks.5.resid_post").reshape(2, -1), expected, atol=1e-5)
