"""The same weights give what TransformerLens and nnsight found in them (stored, in float64)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arcuate as arc

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

FILE = Path(__file__).parents[2] / "data" / "probes" / "gpt2.npz"
TOLERANCE = {"rtol": 1e-8, "atol": 1e-8}
SINGLE = {"rtol": 1e-6, "atol": 1e-7}
"""Of the effects that TransformerLens keeps in float32."""


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(FILE, allow_pickle=False) as file:
        return {key: file[key] for key in file}


def _own(weights: dict[str, Any]) -> dict[str, Any]:
    """Return the weights of a GPT-2 by the names of the small transformer."""
    found = {
        "embed.tokens.weight": weights["wte.weight"],
        "embed.positions.weight": weights["wpe.weight"],
        "logits.weight": weights["wte.weight"],
    }
    modules = {"ln_1": "attn_norm", "ln_2": "mlp_norm", "attn.c_proj": "attn.out"}
    modules |= {"mlp.c_fc": "mlp.pre", "mlp.c_proj": "mlp.out"}
    for key, value in weights.items():
        path, _, kind = key.rpartition(".")
        turned = value.T if value.ndim == 2 else value  # GPT-2 keeps (in, out)
        if path == "ln_f":
            found[f"final_norm.{kind}"] = value
        elif path.startswith("h."):
            _, block, part = path.split(".", 2)
            if part == "attn.c_attn":
                thirds = turned.chunk(3)
                found |= {
                    f"blocks.{block}.attn.{n}.{kind}": one for n, one in zip("qkv", thirds, strict=True)
                }
            else:
                found[f"blocks.{block}.{modules[part]}.{kind}"] = turned
    return found


@pytest.fixture(scope="module", params=["tiny", "transformers"])
def model(request: pytest.FixtureRequest, golden: dict[str, np.ndarray]) -> Any:
    """Return the model with the stored weights, as ours and in the layout of GPT-2."""
    prefix = "w/transformer."
    weights = {key.removeprefix(prefix): torch.from_numpy(golden[key]) for key in golden if prefix in key}
    if request.param == "tiny":
        sizes = {"n_outputs": 50, "n_tokens": 50, "d_model": 32, "n_heads": 4, "max_tokens": 16}
        one: Any = arc.nn.TinyTransformer(**sizes, n_layers=2, tied=True).double().eval()
        one.load_state_dict(_own(weights))
        return one
    transformers: Any = pytest.importorskip("transformers", reason='needs pip install "arcuate[lm]"')
    config = transformers.GPT2Config(
        vocab_size=50, n_embd=32, n_head=4, n_layer=2, n_positions=16, activation_function="gelu",
        attn_implementation="eager",
    )  # fmt: skip
    one = transformers.GPT2LMHeadModel(config).double().eval()
    weights = {f"transformer.{key}": value for key, value in weights.items()}
    one.load_state_dict({**weights, "lm_head.weight": weights["transformer.wte.weight"]})
    return one


def _pair(golden: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, Any]:
    metric = arc.probes.logit_difference(golden["in/answer"], golden["in/foil"])
    return golden["in/clean"], golden["in/corrupt"], metric


@pytest.mark.parametrize("site", ["resid_pre", "resid_mid", "resid_post", "attn.z", "attn.pattern"])
def test_streams_and_patterns(model: Any, golden: dict[str, np.ndarray], site: str) -> None:
    for layer in range(2):
        name = f"blocks.{layer}.{site}"
        states = arc.probes.capture(model, golden["in/clean"], sites=name).states(name)
        wanted = golden[f"out/{layer}/{site.removeprefix('attn.')}"]  # pattern: (trial, head, query, key)
        if site == "attn.pattern":
            wanted = wanted.swapaxes(1, 2)
        got = states["weight" if site == "attn.pattern" else "activation"].values
        np.testing.assert_allclose(got, wanted.reshape(got.shape), **TOLERANCE)


def test_logits_and_lens(model: Any, golden: dict[str, np.ndarray]) -> None:
    recording = arc.probes.capture(model, golden["in/clean"], sites="logits")
    np.testing.assert_allclose(recording.states("logits")["activation"], golden["out/logits"], **TOLERANCE)
    found = arc.probes.logit_lens(model, golden["in/clean"], log_probabilities=True)
    for layer in range(2):
        wanted = torch.from_numpy(golden[f"out/{layer}/lens"]).log_softmax(-1)
        got = found["log_probability"].isel(layer=layer).transpose("trial", "token", "word")
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


def test_direct_attribution(model: Any, golden: dict[str, np.ndarray]) -> None:
    options = {"target": golden["in/answer"], "against": golden["in/foil"]}
    found = arc.probes.logit_attribution(model, golden["in/clean"], **options)["contribution"].isel(token=-1)
    ours = dict(zip(found["component"].values.tolist(), found.values.T, strict=True))
    names = {f"L{i}H{j}": f"blocks.{i}.head.{j}" for i in range(2) for j in range(4)}
    names |= {f"{i}_mlp_out": f"blocks.{i}.mlp.out" for i in range(2)}
    names |= {"embed": "embed.tokens", "pos_embed": "embed.positions"}
    theirs = dict(zip(golden["out/said_by"].tolist(), golden["out/said"], strict=True))
    together = names["embed"] not in ours  # a stream that begins with both
    if together:
        np.testing.assert_allclose(ours["embed"], theirs["embed"] + theirs["pos_embed"], rtol=1e-5, atol=1e-5)
    for theirs_name, name in names.items():
        if not (together and "embed" in theirs_name):
            np.testing.assert_allclose(ours[name], theirs[theirs_name], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("site", ["resid_pre", "resid_mid", "attn.out", "mlp.out", "attn.z"])
def test_effects_of_positions(model: Any, golden: dict[str, np.ndarray], site: str) -> None:
    if site == "resid_mid" and not isinstance(model, arc.nn.TinyTransformer):
        pytest.skip("the middle of the stream of GPT-2 cannot be changed")
    clean, corrupt, metric = _pair(golden)
    over = ("position", "head") if site == "attn.z" else ("position",)
    found = arc.probes.activation_patching(
        model, clean, corrupt, metric=metric, sites=f"blocks.*.{site}", over=over, directions="denoise"
    )
    np.testing.assert_allclose(found["effect"][0], golden[f"out/patch/{site}"], **SINGLE)


@pytest.mark.parametrize("site", ["attn.z", "attn.q", "attn.k", "attn.v", "attn.pattern"])
def test_effects_of_heads(model: Any, golden: dict[str, np.ndarray], site: str) -> None:
    if site == "attn.pattern" and not isinstance(model, arc.nn.TinyTransformer):
        pytest.skip("the patterns of transformers cannot be changed")
    clean, corrupt, metric = _pair(golden)
    found = arc.probes.activation_patching(
        model, clean, corrupt, metric=metric, sites=f"blocks.*.{site}", over=("head",), directions="denoise"
    )
    name = "pattern" if site == "attn.pattern" else site
    np.testing.assert_allclose(found["effect"][0], golden[f"out/patch/{name}_all"], **SINGLE)


def test_slopes(model: Any, golden: dict[str, np.ndarray]) -> None:
    clean, corrupt, metric = _pair(golden)
    found = arc.probes.attribution_patching(
        model, clean, corrupt, metric=metric, sites="blocks.*.attn.z", over=("position", "head"),
        directions="denoise",
    )  # fmt: skip
    np.testing.assert_allclose(found["effect"][0], golden["out/attribution/attn.z"], **TOLERANCE)


def test_streams_and_paths_of_nnsight(model: Any, golden: dict[str, np.ndarray]) -> None:
    clean, corrupt, metric = _pair(golden)
    options: dict[str, Any] = {"metric": metric, "directions": "denoise"}
    found = arc.probes.activation_patching(model, clean, corrupt, sites="blocks.0.resid_post", **options)
    np.testing.assert_allclose(found["effect"][0, 0], golden["out/nnsight/patch/resid_post"], **TOLERANCE)
    for head in range(4):
        path = arc.probes.path_patching(
            model, clean, corrupt, senders="blocks.0.attn.z", receivers={"blocks.1.attn.v": [head]}, **options
        )
        np.testing.assert_allclose(path["effect"][0, 0], golden["out/nnsight/paths"][:, head], **TOLERANCE)
