"""What is known of the heads and logits of SmolLM2-135M."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arcuate as arc

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.torch, pytest.mark.weights]

TEXT = "The capital of France is Paris, and the capital of Germany is"


def test_induction_heads(smollm2: Any) -> None:
    """The figures were measured with other code, on other tokens."""
    smollm2.model.set_attn_implementation("eager")
    found = arc.probes.head_scores(smollm2.model, period=50, n_trials=8, seed=0)
    induction = {(18, 6): 0.87, (17, 3): 0.76, (17, 4): 0.72, (17, 5): 0.64}
    for (layer, head), value in induction.items():
        assert float(found.induction[layer, head]) == pytest.approx(value, abs=0.05)
    assert np.unravel_index(int(found.induction.values.argmax()), (30, 9)) == (18, 6)
    for layer, head in ((16, 0), (11, 1)):
        assert float(found.previous_token[layer, head]) == pytest.approx(0.865, abs=0.05)
    assert float(found.loss_first) == pytest.approx(14.1, abs=0.7)
    assert float(found.loss_second) == pytest.approx(3.0, abs=0.7)


def test_attribution_and_lens_end_at_the_logits(smollm2: Any) -> None:
    tokens = smollm2.tokens(TEXT)
    with torch.no_grad():
        logits = smollm2.model(**tokens).logits
    best = logits.argmax(-1)
    found = arc.probes.logit_attribution(smollm2.model, tokens, target=best)
    wanted = logits.gather(2, best[..., None])[..., 0]
    np.testing.assert_allclose(found.contribution.sum("component", dtype=float), wanted, atol=1e-4)
    seen = arc.probes.logit_lens(smollm2.model, tokens)
    assert float(abs(seen.kl[..., -1]).max()) < 1e-4
    assert float(seen.kl[0, 1:, 0].mean()) > 2 * float(seen.kl[0, 1:, 27].mean())
    assert smollm2.tokenizer.decode([int(seen.top[0, -1, -1])]) == " Berlin"
