"""Contributions add up to the logits on every layout, and are what a part adds where that can be seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from probe_models import HEADS, LAYERS, N_WORDS, WIDTH, language, tokens

import arcuate as arc
from arcuate.errors import CapabilityError, SpecError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

logit_attribution = arc.probes.logit_attribution

TINY = {
    "norm": {},
    "no norm": {"norm": False},
    "tied": {"tied": True},
    "rotary": {"positions": "rotary"},
    "delta": {"attention": "delta", "positions": "none"},
    "attention alone": {"d_mlp": 0},
}


def tiny(**more: Any) -> Any:
    options: dict[str, Any] = {
        "n_outputs": N_WORDS, "n_tokens": N_WORDS, "d_model": WIDTH, "n_layers": LAYERS, "n_heads": HEADS
    }  # fmt: skip
    model = arc.nn.TinyTransformer(**options | more, seed=1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():  # gains of 1 and biases of 0 would hide what is done
            if "norm" in name:
                parameter.add_(torch.linspace(-0.5, 0.5, WIDTH))
    return model


def logits_of(model: Any, words: Any) -> Any:
    with torch.no_grad():
        output = model(words)
    return output.logits if hasattr(output, "logits") else output


@pytest.mark.parametrize("name", [*TINY, "gpt2", "llama"])
def test_parts_add_up_to_the_logits(name: str) -> None:
    model = language(name).model if name in ("gpt2", "llama") else tiny(**TINY[name])
    words, target = tokens(), np.array([1, 12, 5])
    logits = logits_of(model, words).numpy()
    found = logit_attribution(model, words, target=target, batch_size=2)
    wanted = logits[np.arange(3), :, target]
    np.testing.assert_allclose(found.contribution.sum("component"), wanted, atol=1e-4)
    np.testing.assert_allclose(found.logit, wanted, atol=1e-4)
    both = logit_attribution(model, words, target=target, against=tokens(seed=4))
    other = np.take_along_axis(logits, tokens(seed=4).numpy()[..., None], 2)[..., 0]
    np.testing.assert_allclose(both.contribution.sum("component"), wanted - other, atol=1e-4)
    assert both.attrs["quantity"] == "logit difference"
    heads = found.component[found.kind == "head"].values.tolist()
    assert heads == [f"blocks.{i}.head.{j}" for i in range(LAYERS) for j in range(HEADS)]


def test_a_part_adds_what_goes_without_it() -> None:
    """Without norms, a head of the last block adds to the logit what is missing when it is cut."""
    model, words = tiny(norm=False, d_mlp=0), tokens()
    found = logit_attribution(model, words, target=3)
    whole = logits_of(model, words)[..., 3]
    for head in range(HEADS):
        cut = arc.probes.Edit("blocks.1.attn.z", "zero", where={"heads": [head]})
        with arc.probes.intervene(model, cut):
            without = logits_of(model, words)[..., 3]
        part = found.contribution.sel(component=f"blocks.1.head.{head}")
        np.testing.assert_allclose(part, whole - without, atol=1e-5)


def test_tokens_and_positions_are_told_apart() -> None:
    model, words = tiny(norm=False), tokens()
    found = logit_attribution(model, words, target=3)
    row = model.logits.weight[3].detach()
    np.testing.assert_allclose(
        found.contribution.sel(component="embed.tokens"), model.embed.tokens(words).detach() @ row, atol=1e-5
    )
    place = (model.embed.positions.weight[:5] @ row).detach()
    np.testing.assert_allclose(found.contribution.sel(component="embed.positions")[1], place, atol=1e-5)
    np.testing.assert_allclose(
        found.contribution.sel(component="logits.bias"), model.logits.bias[3].item(), rtol=1e-6
    )


def test_the_scale_of_the_norm_is_held() -> None:
    """Contributions are the gradient of the frozen norm times what each part writes."""
    model, words = tiny(), tokens()
    found = logit_attribution(model, words, target=3)
    states = arc.probes.capture(model, words, sites=["blocks.*.mlp.out", "blocks.1.resid_post"])
    x = torch.as_tensor(states.states("blocks.1.resid_post")["activation"].values)
    spread = (x.var(-1, correction=0) + model.final_norm.eps).sqrt()[..., None]
    part = torch.as_tensor(states.states("blocks.0.mlp.out")["activation"].values)
    part = (part - part.mean(-1, keepdim=True)) / spread * model.final_norm.weight
    wanted = (part @ model.logits.weight[3]).detach()
    np.testing.assert_allclose(found.contribution.sel(component="blocks.0.mlp.out"), wanted, atol=1e-5)


def test_half_precision_adds_up_to_its_own_logits() -> None:
    model = tiny().to(torch.bfloat16)
    found = logit_attribution(model, tokens(), target=3)
    assert 0 < float(abs(found.error).max()) < 0.03
    seen = arc.probes.logit_lens(model, tokens())
    assert float(abs(seen.kl[..., -1]).max()) < 1e-3


def test_pads_are_nan() -> None:
    mask = np.ones((3, 5), bool)
    mask[2, 1:] = False
    found = logit_attribution(tiny(), tokens(), target=3, mask=mask)
    assert (np.isnan(found.contribution).all("component").values == ~mask).all()
    assert (np.isnan(found.logit).values == ~mask).all()


def test_what_is_no_sum_is_refused() -> None:
    with pytest.raises(CapabilityError, match="linear, not Sequential"):
        logit_attribution(tiny(readout=(4,)), tokens(), target=3)
    for target in (N_WORDS, -1, 0.5, [1, 2]):
        with pytest.raises(SpecError, match="target"):
            logit_attribution(tiny(), tokens(), target=target)
    with pytest.raises(SpecError, match="against"):
        logit_attribution(tiny(), tokens(), target=1, against=N_WORDS)
    model = tiny()
    model.blocks[0].resid_post.register_forward_hook(lambda module, given, output: output + 1.0)
    model.blocks[0].resid_post.register_forward_hook(lambda module, given, output: output * 2.0)
    with pytest.raises(CapabilityError, match="other parts"):
        logit_attribution(model, tokens(), target=3)


def test_bert_has_norms_behind_its_parts() -> None:
    with pytest.raises(CapabilityError, match="norms behind"):
        logit_attribution(language("bert").model, tokens(), target=3)
