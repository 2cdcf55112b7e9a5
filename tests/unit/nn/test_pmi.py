"""PMI modules: the same as without torch, gradients by differences, baselines against torch's own layers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from arcuate.memory import PMIConfig, parameter_shapes  # noqa: E402
from arcuate.memory.pmi import GATES, INTEGRATIONS, LTM_RULES  # noqa: E402
from arcuate.nn import CNNPMI, PMIModule, PMITransformer, fit  # noqa: E402
from arcuate.nn.pmi_models import BASELINES  # noqa: E402

pytestmark = pytest.mark.torch

SMALL = PMIConfig(d_model=12, n_heads=3, n_slots=4, n_segments=3, d_key=5, top_k=2, d_ltm=6)
SIZES: dict[str, Any] = {"n_outputs": 3, "n_features": 5, "n_layers": 2, "d_hidden": 16}
X = torch.from_numpy(np.random.default_rng(0).standard_normal((3, 2, 6, 12)))
TOKENS = torch.from_numpy(np.random.default_rng(1).standard_normal((4, 6, 5))).float()


CELLS = {"ltm_source": "tokens", "ltm_features": "softmax"}


@pytest.mark.parametrize("integration", INTEGRATIONS)
@pytest.mark.parametrize("rule", [*LTM_RULES, "delta cells"])
def test_the_same_without_torch(rule: str, integration: str) -> None:
    stored = CELLS if rule == "delta cells" else {}
    config = replace(SMALL, ltm_rule=rule.split()[0], integration=integration, **stored)
    module = PMIModule(config, seed=3).double().eval()
    plain = module.to_numpy()
    assert plain.precision == "float64"
    # the module begins each trial with the draw of one trial
    first = plain.initial_state(1, seed=3)
    states = {"torch": module.initial_state(2)}
    for name in ("working_memory", "long_term_memory"):
        one = getattr(first, name)
        if one is not None:
            np.testing.assert_allclose(getattr(states["torch"], name), np.repeat(one, 2, axis=0))
    other: Any = replace(
        first,
        working_memory=states["torch"].working_memory.numpy(),
        long_term_memory=None if first.long_term_memory is None else states["torch"].long_term_memory.numpy(),
    )
    state: Any = None
    for chunk in X:
        step, expected = module(chunk, state), plain.step(chunk.numpy(), other)
        state, other = step.state, expected.state
        np.testing.assert_allclose(step.understanding.detach(), expected.understanding, atol=1e-12)
    again = PMIModule.from_numpy(plain)
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), module.parameters(), strict=True))


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("rule", [*LTM_RULES, "hebb cells"])
def test_gradients_are_those_of_differences(rule: str, gate: str) -> None:
    """Along a random direction of all parameters, through two steps."""
    stored = CELLS if rule == "hebb cells" else {}
    config = replace(SMALL, ltm_rule=rule.split()[0], gate=gate, top_k=None, **stored)
    module = PMIModule(config, seed=1).double().eval()

    def value() -> torch.Tensor:
        return (module(X[1], module(X[0]).state).understanding ** 2).sum()

    parameters = dict(module.named_parameters())
    assert {name: tuple(p.shape) for name, p in parameters.items()} == parameter_shapes(module.config)
    value().backward()
    rng, h = np.random.default_rng(2), 1e-6
    direction = {name: torch.from_numpy(rng.standard_normal(p.shape)) for name, p in parameters.items()}
    slope = sum((p.grad * direction[name]).sum() for name, p in parameters.items())
    ends = []
    with torch.no_grad():
        for shift in (h, -2 * h):
            for name, p in parameters.items():
                p += shift * direction[name]
            ends.append(value())
    assert slope.item() == pytest.approx(((ends[0] - ends[1]) / (2 * h)).item(), rel=1e-5)
    assert all(p.grad.abs().max() > 0 for name, p in parameters.items() if name != "key_proj.bias")


def test_the_official_rule_begins_anew_only_while_training() -> None:
    module = PMIModule(PMIConfig.official("triangles", d_model=16), seed=1)
    first, second = (module.train().initial_state(2).long_term_memory for _ in range(2))
    assert not torch.equal(first, second)
    assert 0 <= first.min() < 0.1
    assert 0.9 < first.max() < 1
    first, second = (module.eval().initial_state(2).long_term_memory for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(first[0], first[1])


@pytest.mark.parametrize("name", ["TR", "TR+HC"])
def test_a_plain_transformer_is_that_of_torch(name: str) -> None:
    model = PMITransformer.baseline(name, SMALL, **SIZES, seed=1).eval()
    x = model.tokens(TOKENS)
    x = x + model.net.pe.pe[:, :7] * torch.sigmoid(model.net.pe.pos_emb_weight[:, :7])
    for number in range(2):
        ours = model.net.enc if name == "TR" else model.net.layers[number]
        layer = torch.nn.TransformerEncoderLayer(12, 3, 16, norm_first=True, batch_first=True).eval()
        given = {
            f"linear{n}.{p}": getattr(ours.get_submodule(f"fc{n}"), p)
            for n in (1, 2)
            for p in ("weight", "bias")
        }
        for n, norm in ((1, ours.self_attn_layer_norm), (2, ours.final_layer_norm)):
            given |= {f"norm{n}.weight": norm.weight, f"norm{n}.bias": norm.bias}
        for part in ("weight", "bias"):
            rows = [getattr(ours.self_attn[f"{key}_proj"], part) for key in ("q", "k", "v")]
            given[f"self_attn.in_proj_{part}"] = torch.cat(rows)
            given[f"self_attn.out_proj.{part}"] = getattr(ours.self_attn["out_proj"], part)
        layer.load_state_dict(given)
        x = layer(x)
    torch.testing.assert_close(model(TOKENS), model.mlp_head(x[:, 0]), atol=1e-5, rtol=0)


def test_induced_attention_is_that_of_torch() -> None:
    """Scores divided by the root of the whole width, values kept beside queries."""
    layer = PMITransformer.baseline("ISAB", SMALL, **SIZES, seed=1).net.layers[0]
    part, rows = layer.mab0, torch.randn(2, 6, 12, generator=torch.Generator().manual_seed(0))
    asked = layer.I.expand(2, -1, -1)
    q, k, v = (
        f(x).unflatten(2, (3, 4)).transpose(1, 2)
        for f, x in ((part.fc_q, asked), (part.fc_k, rows), (part.fc_v, rows))
    )
    read = torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=12**-0.5)
    seen = part.ln0((q + read).transpose(1, 2).flatten(2))
    torch.testing.assert_close(part(asked, rows), part.ln1(seen + part.fc_o(seen).relu()), atol=1e-5, rtol=0)


def test_baselines_differ_as_their_names_say() -> None:
    built = {name: PMITransformer.baseline(name, SMALL, **SIZES, seed=1).eval() for name in BASELINES}
    answers = {name: model(TOKENS) for name, model in built.items()}
    assert all(answer.shape == (4, 3) for answer in answers.values())
    all_kept = PMITransformer.baseline("STR", replace(SMALL, n_slots=9, top_k=7), **SIZES, seed=1).eval()
    torch.testing.assert_close(all_kept(TOKENS), answers["TR"])  # seven tokens, seven kept
    assert (answers["STR"] - answers["TR"]).abs().max() > 1e-4
    sizes = {name: sum(p.numel() for p in model.net.parameters()) for name, model in built.items()}
    positions = built["TR"].net.pe.pos_emb_weight.numel()
    assert sizes["TR+HC"] - positions == 2 * (sizes["TR"] - positions)
    assert sizes["TR+HSW"] == sizes["TR+SSW"]
    assert {step.write.mask is None for step in built["TR+SSW"].encode(TOKENS).steps} == {True}
    masks = [step.write.mask.sum(-1) for step in built["TR+HSW"].encode(TOKENS).steps]
    assert all((mask == 2).all() for mask in masks)
    assert all(step.state.long_term_memory is None for step in built["TR+HSW"].encode(TOKENS).steps)


def test_memories_pass_through_shared_layers_alone() -> None:
    shared, own = (PMITransformer(SMALL, **SIZES, shared=shared).eval() for shared in (True, False))
    assert [step.state.step for step in shared.encode(TOKENS).steps] == [1, 2]
    assert [step.state.step for step in own.encode(TOKENS).steps] == [1, 1]
    assert not torch.equal(
        *(own.net.layers[n].get_parameter("self_attn.relational_memory.value_proj.weight") for n in (0, 1))
    )


@pytest.mark.parametrize("rule", LTM_RULES)
def test_no_trial_sees_another(rule: str) -> None:
    config = replace(SMALL, ltm_rule=rule)
    model = PMITransformer(config, **SIZES, seed=1).eval()
    torch.testing.assert_close(model(TOKENS)[2:3], model(TOKENS[2:3]), atol=1e-5, rtol=0)
    images = torch.randn(3, 1, 20, 20, generator=torch.Generator().manual_seed(1))
    network = CNNPMI(config, n_outputs=2, n_channels=1, seed=1).eval()
    torch.testing.assert_close(network(images)[2:], network(images[2:]), atol=1e-5, rtol=0)
    assert torch.equal(network(images), network(images))


def test_dropout_acts_only_while_training() -> None:
    model = PMITransformer(SMALL, **SIZES, dropout=0.5, seed=1)
    assert torch.equal(model.eval()(TOKENS), model(TOKENS))
    assert not torch.equal(model.train()(TOKENS), model(TOKENS))


def test_patches_are_rows_columns_channels() -> None:
    model = PMITransformer(SMALL, n_outputs=2, n_features=2, patch=3, n_layers=1, seed=1)
    image = torch.arange(2 * 6 * 9.0).reshape(1, 2, 6, 9) / 100
    tokens = model.tokens(image)
    assert tokens.shape == (1, 1 + 2 * 3, 12)
    piece = torch.stack([image[0, c, 3 + i, 6 + j] for i in range(3) for j in range(3) for c in range(2)])
    torch.testing.assert_close(tokens[0, -1], model.patch_to_embedding(piece))


def test_start_values_come_from_the_seed_alone() -> None:
    torch.manual_seed(5)
    first, again, other = (PMITransformer(SMALL, **SIZES, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert not torch.equal(first["mlp_head.weight"], other["mlp_head.weight"])
    state = torch.get_rng_state()
    CNNPMI(SMALL, n_outputs=2)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_training_learns() -> None:
    """Which of three tokens is marked: chance is 1/3."""

    def batches(rng: np.random.Generator) -> tuple[Any, Any]:
        x, which = rng.standard_normal((32, 3, 5)), rng.integers(3, size=32)
        x[np.arange(32), which, 0] += 6
        return x, which

    model = PMITransformer(SMALL, **SIZES | {"n_layers": 1}, seed=1)
    loss = torch.nn.functional.cross_entropy
    history = fit(model, batches, loss, steps=150, seed=1, learning_rate=1e-2, every=50, progress=False)
    assert history["loss"][0] > 0.3
    x, which = batches(np.random.default_rng(9))
    assert (model.eval()(torch.from_numpy(x)).argmax(1).numpy() == which).mean() > 0.8
