"""Small transformers: torch's own layers, memories written step by step, sites, training, bad input."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from arcuate.errors import MemoryLimitError, NonFiniteError, SpecError  # noqa: E402
from arcuate.memory import AssociativeMemory  # noqa: E402
from arcuate.nn import TinyTransformer, fit  # noqa: E402
from arcuate.nn._causal import delta_pattern, rotate  # noqa: E402

pytestmark = pytest.mark.torch

KINDS = ("softmax", "linear", "delta")
SIZES: dict[str, Any] = {"n_outputs": 11, "n_tokens": 11, "d_model": 16, "n_layers": 2, "n_heads": 4}
TOKENS = torch.from_numpy(np.random.default_rng(0).integers(11, size=(3, 9)))


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def seen(model: nn.Module, x: Any) -> dict[str, torch.Tensor]:
    """Run a model; what hooks see at each of its modules."""
    found: dict[str, torch.Tensor] = {}

    def keep(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
            assert name not in found, f"{name} fired twice"
            found[name] = output

        return hook

    hooks = [part.register_forward_hook(keep(name)) for name, part in model.named_modules() if name]
    with torch.no_grad():
        found["result"] = model(x)
    for hook in hooks:
        hook.remove()
    return found


# ------------------------------------------------------------------ what is computed


@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_the_layers_of_torch_with_the_same_weights(activation: str) -> None:
    model = TinyTransformer(**SIZES, activation=activation, seed=1).double()
    layer = nn.TransformerEncoderLayer(
        16, 4, 64, dropout=0.0, activation=activation, batch_first=True, norm_first=True, dtype=torch.float64
    )
    other = nn.TransformerEncoder(
        layer, 2, norm=nn.LayerNorm(16, dtype=torch.float64), enable_nested_tensor=False
    )
    own = model.state_dict()
    renamed = {"norm.weight": own["final_norm.weight"], "norm.bias": own["final_norm.bias"]}
    pairs = {
        "self_attn.out_proj": "attn.out", "linear1": "mlp.pre", "linear2": "mlp.out",
        "norm1": "attn_norm", "norm2": "mlp_norm",
    }  # fmt: skip
    for i in range(2):
        for kind in ("weight", "bias"):
            parts = [own[f"blocks.{i}.attn.{name}.{kind}"] for name in ("q", "k", "v")]
            renamed[f"layers.{i}.self_attn.in_proj_{kind}"] = torch.cat(parts)
            for theirs, ours in pairs.items():
                renamed[f"layers.{i}.{theirs}.{kind}"] = own[f"blocks.{i}.{ours}.{kind}"]
    other.load_state_dict(renamed)
    embedded = own["embed.tokens.weight"][TOKENS] + own["embed.positions.weight"][:9]
    later = torch.ones(9, 9, dtype=torch.bool).triu(1)
    expected = other(embedded, mask=later) @ own["logits.weight"].T + own["logits.bias"]
    torch.testing.assert_close(model(TOKENS), expected, rtol=0, atol=1e-12)


def test_a_head_of_torch() -> None:
    found = seen(TinyTransformer(**SIZES, seed=2).double(), TOKENS)
    q, k, v = (found[f"blocks.1.attn.{name}"].transpose(1, 2) for name in ("q", "k", "v"))
    expected = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)
    torch.testing.assert_close(found["blocks.1.attn.z"], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("kind", "rule"), [("linear", "hebb"), ("delta", "delta")])
def test_a_memory_that_is_written_step_by_step(kind: str, rule: str) -> None:
    model = TinyTransformer(**SIZES, attention=kind, positions="none", seed=3).double()
    found = seen(model, TOKENS)
    q, k, v, z = (found[f"blocks.1.attn.{name}"].numpy() for name in ("q", "k", "v", "z"))
    rate = found["blocks.1.attn.rate"].numpy() if kind == "delta" else np.ones(q.shape[:3])
    q, k = (part / np.linalg.norm(part, axis=-1, keepdims=True) for part in (q, k))
    assert 0 < rate.min() <= rate.max() <= 1
    for trial in range(3):
        for head in range(4):
            memory = AssociativeMemory(4, 4, rule=rule)
            for t in range(9):
                at = (trial, slice(t, t + 1), head)
                memory.write(k[at], v[at], gain=rate[at])
                np.testing.assert_allclose(memory.read(q[at])[0], z[trial, t, head], atol=1e-12)


def test_gradients_of_the_delta_rule() -> None:
    q, k = (draw(1, 2, 5, 3, seed=seed).requires_grad_() for seed in (1, 2))
    rate = draw(1, 2, 5, seed=3).sigmoid().requires_grad_()
    assert torch.autograd.gradcheck(delta_pattern, (q, k, rate))


def test_rotary_positions_tell_distances_alone() -> None:
    q, k = (draw(1, 1, 2, 6, seed=seed).expand(1, 12, 2, 6) for seed in (1, 2))  # the same at each position
    turned = rotate(q), rotate(k)
    scores = torch.einsum("bthd,bshd->hts", *turned)
    torch.testing.assert_close(scores[:, 1:, 1:], scores[:, :-1, :-1], rtol=0, atol=1e-12)
    assert not torch.allclose(scores[:, 0, 0], scores[:, 1, 0])
    torch.testing.assert_close(turned[0].norm(dim=-1), q.norm(dim=-1))
    plane = rotate(torch.tensor([1.0, 0.0]).expand(1, 12, 1, 2).double())[0, :, 0]
    t = torch.arange(12).double()
    torch.testing.assert_close(plane, torch.stack((t.cos(), t.sin()), dim=1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("positions", ["learned", "rotary", "none"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_token_knows_what_comes_later(kind: str, positions: str) -> None:
    model = TinyTransformer(**SIZES, attention=kind, positions=positions, seed=1).double()
    x = model(TOKENS)
    for t in (1, 5, 8):
        other = TOKENS.clone()
        other[:, t:] = (other[:, t:] + 1) % 11
        y = model(other)
        torch.testing.assert_close(y[:, :t], x[:, :t], rtol=0, atol=1e-13)
        assert (y[:, t] - x[:, t]).abs().max() > 1e-3
        torch.testing.assert_close(model(TOKENS[:, :t]), x[:, :t], rtol=0, atol=1e-13)
    first = TOKENS.clone()
    first[:, 0] = (first[:, 0] + 1) % 11
    assert (model(first)[:, 8] - x[:, 8]).abs().max() > 1e-4


def test_order_is_told_by_positions_alone() -> None:
    """One layer of attention over a set: the last token's answer does not depend on the order before it."""
    order = torch.tensor([3, 1, 0, 2, 4])
    for positions, kind in (("none", "softmax"), ("learned", "softmax"), ("rotary", "linear")):
        model = TinyTransformer(
            n_outputs=4, n_tokens=11, d_model=8, n_layers=1, positions=positions, attention=kind, seed=1
        ).double()
        x, y = model(TOKENS[:, :5])[:, -1], model(TOKENS[:, :5][:, order])[:, -1]
        assert torch.allclose(x, y, rtol=0, atol=1e-12) == (positions == "none")


# ------------------------------------------------------------------ sites


@pytest.mark.parametrize("d_mlp", [0, 24])
@pytest.mark.parametrize("kind", KINDS)
def test_the_residual_stream_is_the_sum_of_what_is_written(kind: str, d_mlp: int) -> None:
    model = TinyTransformer(**SIZES, attention=kind, d_mlp=d_mlp, d_head=5, seed=1)
    found = seen(model, TOKENS)
    shapes = {
        "resid_pre": (3, 9, 16), "attn.q": (3, 9, 4, 5), "attn.k": (3, 9, 4, 5), "attn.v": (3, 9, 4, 5),
        "attn.pattern": (3, 4, 9, 9), "attn.z": (3, 9, 4, 5), "attn.out": (3, 9, 16), "resid_mid": (3, 9, 16),
        "resid_post": (3, 9, 16),
    }  # fmt: skip
    if d_mlp:
        shapes |= {"mlp.pre": (3, 9, 24), "mlp.post": (3, 9, 24), "mlp.out": (3, 9, 16)}
    for i in range(2):
        assert {name: tuple(found[f"blocks.{i}.{name}"].shape) for name in shapes} == shapes
    total = found["embed"].clone()
    for i in range(2):
        assert torch.equal(
            found[f"blocks.{i}.resid_pre"], found[f"blocks.{i - 1}.resid_post" if i else "embed"]
        )
        total += found[f"blocks.{i}.attn.out"]
        torch.testing.assert_close(total, found[f"blocks.{i}.resid_mid"], rtol=1e-5, atol=1e-6)
        total += found[f"blocks.{i}.mlp.out"] if d_mlp else 0
    assert (total - found["blocks.1.resid_post"]).norm() <= 1e-5 * total.norm()
    assert torch.equal(found["logits"], found["result"])
    assert tuple(found["final_norm"].shape) == (3, 9, 16)


def test_what_a_hook_gives_back_is_what_goes_on() -> None:
    """Every site lies on the way to the logits, and the last residual stream decides them."""
    model = TinyTransformer(**SIZES, attention="delta", positions="rotary", seed=1)
    plain = model(TOKENS)
    last = seen(model, TOKENS.flip(1))["blocks.1.resid_post"]
    sites = [
        f"blocks.{i}.{name}"
        for i in range(2)
        for name in (
            *("resid_pre", "attn.q", "attn.k", "attn.v", "attn.rate", "attn.pattern", "attn.z", "attn.out"),
            *("resid_mid", "mlp.pre", "mlp.post", "mlp.out", "resid_post"),
        )
    ]
    for site in ("embed", *sites, "final_norm", "logits"):
        part = model.get_submodule(site)
        hook = part.register_forward_hook(lambda module, inputs, output: output * 1.5 + 0.1)
        assert not torch.allclose(model(TOKENS), plain), site
        hook.remove()
    hook = model.get_submodule("blocks.1.resid_post").register_forward_hook(lambda *_: last)
    assert torch.equal(model(TOKENS), model(TOKENS.flip(1)))
    hook.remove()
    assert torch.equal(model(TOKENS), plain)


def test_a_tied_read_out() -> None:
    model = TinyTransformer(**SIZES, tied=True, seed=1)
    found = seen(model, TOKENS)
    torch.testing.assert_close(found["result"], found["final_norm"] @ model.embed.tokens.weight.T)
    assert sum(p.numel() for p in model.parameters()) == sum(
        p.numel() for p in TinyTransformer(**SIZES, seed=1).parameters()
    ) - 11 * (16 + 1)


def test_vectors_enter_as_they_are() -> None:
    x = draw(2, 7, 10).float()
    model = TinyTransformer(
        n_outputs=3, n_features=10, d_mlp=0, norm=False, positions="none", readout=(12, 6), seed=1
    )
    found = seen(model, x)
    assert torch.equal(found["embed"], x)
    y = found["blocks.1.resid_post"]
    for number in (0, 2, 4):
        y = model.logits[number](y).relu() if number < 4 else model.logits[number](y)
    torch.testing.assert_close(found["result"], y)
    assert sorted(dict(model.named_parameters()))[0] == "blocks.0.attn.k.bias"
    mapped = TinyTransformer(n_outputs=3, n_features=10, d_model=8, seed=1)
    own = mapped.state_dict()
    expected = x @ own["embed.tokens.weight"].T + own["embed.tokens.bias"] + own["embed.positions.weight"][:7]
    torch.testing.assert_close(seen(mapped, x.numpy())["embed"], expected)


# ------------------------------------------------------------------ start values, files


def test_start_values_are_those_of_the_seed() -> None:
    before = torch.random.get_rng_state()
    one, same, other, deeper = (
        TinyTransformer(**{**SIZES, "n_layers": n}, seed=seed).state_dict()
        for n, seed in ((2, 1), (2, 1), (2, 2), (3, 1))
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    assert list(one) == list(same)
    for name, value in one.items():
        assert torch.equal(value, same[name])
        assert torch.equal(value, deeper[name]), name  # each parameter has a stream of its own
        assert "norm" in name or not torch.equal(value, other[name]), name
    assert abs(one["embed.positions.weight"].var().item() * 16 - 1) < 0.1


def test_a_state_loads_strictly() -> None:
    model, other = (TinyTransformer(**SIZES, tied=True, attention="delta", seed=seed) for seed in (1, 2))
    assert not torch.equal(model(TOKENS), other(TOKENS))
    other.load_state_dict(model.state_dict(), strict=True)
    assert torch.equal(model(TOKENS), other(TOKENS))
    assert other.logits.weight is other.embed.tokens.weight


# ------------------------------------------------------------------ training


def token_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def shifted(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """At each token, name the one before (its own at the first)."""
    x = rng.integers(11, size=(32, 9))
    return x, np.concatenate((x[:, :1], x[:, :-1]), axis=1)


@pytest.mark.parametrize("kind", KINDS)
def test_learns_to_name_the_token_before(kind: str) -> None:
    model = TinyTransformer(**{**SIZES, "n_layers": 1}, attention=kind, d_mlp=0, seed=3)
    fit(model, shifted, token_loss, steps=60, seed=3, learning_rate=2e-2, every=60, progress=False)
    x, targets = shifted(np.random.default_rng(99))
    right = (model(x).argmax(-1).numpy() == targets).mean()
    assert right > 0.85  # chance is 1 / 11


def test_a_tied_training_goes_on_with_equal_bits(tmp_path: Path) -> None:
    calls = 0

    def halting(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return shifted(rng)

    whole, half, resumed = (TinyTransformer(**SIZES, tied=True, seed=1) for _ in range(3))
    options: dict[str, Any] = {"steps": 4, "seed": 1, "every": 2, "progress": False}
    fit(whole, shifted, token_loss, **options)
    with pytest.raises(KeyboardInterrupt):
        fit(half, halting, token_loss, folder=tmp_path, **options)
    fit(resumed, shifted, token_loss, folder=tmp_path, **options)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def repeated(rng: np.random.Generator, n: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Random tokens, twice; n differs from batch to batch, so that no fixed distance tells what follows."""
    n = int(rng.integers(6, 17)) if n is None else n
    half = rng.permuted(np.tile(np.arange(32), (64, 1)), axis=1)[:, :n]
    x = np.concatenate((half, half), axis=1)
    targets = np.full_like(x, -100)  # what torch leaves out
    targets[:, n:-1] = x[:, n + 1 :]
    return x, targets


@pytest.mark.slow
def test_two_layers_of_attention_learn_induction() -> None:
    """Layer 1 looks at the token before, layer 2 at what followed this token when it stood here first."""
    model = TinyTransformer(
        n_outputs=32, n_tokens=32, d_model=64, n_heads=2, d_mlp=0, positions="rotary", seed=4
    )
    fit(model, repeated, token_loss, steps=600, seed=4, learning_rate=3e-3, warmup=50, progress=False)
    n = 12
    x, targets = repeated(np.random.default_rng(99), n)
    found = seen(model, x)
    assert (found["result"].argmax(-1).numpy() == targets)[:, n:-1].mean() > 0.9  # chance is 1 / 32
    t = np.arange(n, 2 * n - 1)
    first, second = (found[f"blocks.{i}.attn.pattern"] for i in (0, 1))
    assert second[:, :, t, t - n + 1].mean((0, 2)).max() > 0.5  # without preference less than 1 / n
    assert first[:, :, t, t - 1].mean((0, 2)).max() > 0.5


# ------------------------------------------------------------------ bad input

TEXT: dict[str, Any] = {"n_outputs": 5, "n_tokens": 5, "d_model": 8}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_tokens": None}, "n_tokens"),
        ({"n_features": 3}, "not both"),
        ({"d_model": None}, "d_model = None: must be given"),
        ({"n_heads": 3}, "must divide d_model = 8"),
        ({"d_head": 3, "positions": "rotary"}, "must be even"),
        ({"attention": "sofmax"}, "softmax"),
        ({"positions": "rotery"}, "rotary"),
        ({"activation": "silu"}, "activation"),
        ({"tied": True, "n_outputs": 4}, "n_tokens == n_outputs"),
        ({"tied": True, "readout": (4,)}, "no layers between"),
        ({"tied": 1}, "True or False"),
        ({"readout": 4}, r"readout=\(128, 128\)"),
        ({"readout": (4, 0)}, "readout"),
        ({"n_layers": 0}, "n_layers"),
        ({"d_mlp": -1}, "d_mlp"),
        ({"n_outputs": 2.5}, "n_outputs"),
        ({"seed": -1}, "seed"),
    ],
    ids=str,
)
def test_what_cannot_be_built_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        TinyTransformer(**{**TEXT, **changes})
    assert len(str(caught.value).splitlines()) <= 4


def test_input_that_does_not_fit_is_refused() -> None:
    text = TinyTransformer(**TEXT, max_tokens=6)
    for x, message in (
        ([[0, 5]], "tokens from 0 to 4"),
        ([[-1]], "tokens from 0 to 4"),
        ([[0.5]], "whole numbers"),
        ([1, 2], "whole numbers"),
        (np.zeros((1, 0), dtype=int), "whole numbers"),
        (np.zeros((1, 7), dtype=int), "max_tokens = 6"),
        ("text", "tensor or an array"),
    ):
        with pytest.raises(SpecError, match=message):
            text(x)
    vectors = TinyTransformer(n_outputs=2, n_features=3)
    with pytest.raises(SpecError, match=r"\(any, any, 3\)"):
        vectors(np.zeros((1, 2, 4)))
    with pytest.raises(NonFiniteError, match="must be finite"):
        vectors(np.full((1, 2, 3), math.nan))
    with torch.no_grad():
        vectors.blocks[1].attn.out.bias[0] = torch.inf
    with pytest.raises(NonFiniteError, match="logits: are not finite"):
        vectors(np.zeros((1, 2, 3)))


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(MemoryLimitError, match="smaller widths"):
        TinyTransformer(n_outputs=5, n_tokens=5, d_model=1 << 20)
    with pytest.raises(MemoryLimitError, match="fewer trials"):
        TinyTransformer(n_outputs=2, n_features=1, positions="none")(np.zeros((1, 200_000, 1)))
