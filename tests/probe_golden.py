"""Make ``data/probes/gpt2.npz``: what TransformerLens and nnsight find in a small GPT-2 with random weights.

Run ``python tests/probe_golden.py`` where transformer-lens 2.18.0, nnsight 0.8.1, transformers and torch are
installed; nothing is fetched. The project itself is not imported. All numbers are float64.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

WORDS, WIDTH, HEADS, LAYERS, CONTEXT, TRIALS, LENGTH = 50, 32, 4, 2, 16, 4, 6
D_HEAD = WIDTH // HEADS
PLACE = 2
"""The position in which clean and corrupt trials differ."""


def hugging_face() -> Any:
    """Return a GPT-2 whose every weight matters, with the exact GELU."""
    import transformers

    config = transformers.GPT2Config(
        vocab_size=WORDS, n_embd=WIDTH, n_head=HEADS, n_layer=LAYERS, n_positions=CONTEXT,
        activation_function="gelu", attn_implementation="eager",
    )  # fmt: skip
    torch.manual_seed(1)
    model = transformers.GPT2LMHeadModel(config)
    for name, parameter in model.named_parameters():
        scale = 1.0 if name.endswith(("wte.weight", "wpe.weight")) else 0.25
        torch.nn.init.normal_(parameter, std=scale, mean=1.0 if "ln_" in name and "weight" in name else 0.0)
    return model.double().eval()


def transformer_lens(weights: dict[str, torch.Tensor]) -> Any:
    """Return the same model as a HookedTransformer, with no weight processed."""
    from transformer_lens import HookedTransformer, HookedTransformerConfig

    model = HookedTransformer(
        HookedTransformerConfig(
            n_layers=LAYERS, d_model=WIDTH, n_ctx=CONTEXT, d_head=D_HEAD, n_heads=HEADS, d_vocab=WORDS,
            act_fn="gelu", normalization_type="LN", dtype=torch.float64, device="cpu",
        )
    )  # fmt: skip
    state = {
        "embed.W_E": weights["transformer.wte.weight"],
        "pos_embed.W_pos": weights["transformer.wpe.weight"],
        "ln_final.w": weights["transformer.ln_f.weight"],
        "ln_final.b": weights["transformer.ln_f.bias"],
        "unembed.W_U": weights["transformer.wte.weight"].T,
        "unembed.b_U": torch.zeros(WORDS, dtype=torch.float64),
    }
    for i in range(LAYERS):
        of = {key.removeprefix(f"transformer.h.{i}."): value for key, value in weights.items()}
        block = f"blocks.{i}."
        for k, name in enumerate("QKV"):
            columns = of["attn.c_attn.weight"].chunk(3, 1)[k].reshape(WIDTH, HEADS, D_HEAD)
            state[f"{block}attn.W_{name}"] = columns.transpose(0, 1)
            state[f"{block}attn.b_{name}"] = of["attn.c_attn.bias"].chunk(3)[k].reshape(HEADS, D_HEAD)
        state[f"{block}attn.W_O"] = of["attn.c_proj.weight"].reshape(HEADS, D_HEAD, WIDTH)
        state[f"{block}attn.b_O"] = of["attn.c_proj.bias"]
        for theirs, ours in (("ln1", "ln_1"), ("ln2", "ln_2")):
            state[f"{block}{theirs}.w"], state[f"{block}{theirs}.b"] = (
                of[f"{ours}.weight"],
                of[f"{ours}.bias"],
            )
        for theirs, ours in (("in", "c_fc"), ("out", "c_proj")):
            state[f"{block}mlp.W_{theirs}"] = of[f"mlp.{ours}.weight"]
            state[f"{block}mlp.b_{theirs}"] = of[f"mlp.{ours}.bias"]
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and all("mask" in key or "IGNORE" in key for key in missing), (missing, unexpected)
    return model.eval()


def trials() -> dict[str, torch.Tensor]:
    """Return trials that differ in one word, and what is asked about them."""
    rng = np.random.default_rng(2)
    clean = rng.integers(WORDS, size=(TRIALS, LENGTH))
    corrupt = clean.copy()
    corrupt[:, PLACE] = (clean[:, PLACE] + 7) % WORDS
    answer, foil = clean[:, PLACE], corrupt[:, PLACE]
    found = {"clean": clean, "corrupt": corrupt, "answer": answer, "foil": foil}
    return {key: torch.from_numpy(value) for key, value in found.items()}


def of_transformer_lens(model: Any, given: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Return streams, patterns, lenses, and effects of patching and of attribution."""
    from transformer_lens import patching

    rows = torch.arange(TRIALS)

    def difference(logits: torch.Tensor) -> torch.Tensor:
        return logits[rows, -1, given["answer"]] - logits[rows, -1, given["foil"]]

    logits, cache = model.run_with_cache(given["clean"])
    _, other = model.run_with_cache(given["corrupt"])
    clean = difference(logits).mean()
    corrupt = difference(model(given["corrupt"])).mean()

    def effect(patched: torch.Tensor) -> torch.Tensor:
        return (difference(patched).mean() - corrupt) / (clean - corrupt)

    found = {"logits": logits, "metric": difference(logits)}
    for i in range(LAYERS):
        for site in (
            "hook_resid_pre",
            "hook_resid_mid",
            "hook_resid_post",
            "attn.hook_pattern",
            "attn.hook_z",
        ):
            found[f"{i}/{site.split('hook_')[1]}"] = cache[f"blocks.{i}.{site}"]
        found[f"{i}/lens"] = model.unembed(model.ln_final(cache[f"blocks.{i}.hook_resid_post"]))
    parts, labels = cache.get_full_resid_decomposition(expand_neurons=False, pos_slice=-1, return_labels=True)
    scaled = (
        cache.apply_ln_to_stack(parts, layer=-1, pos_slice=-1) * model.ln_final.w
    )  # the gain is not folded
    toward = (model.unembed.W_U[:, given["answer"]] - model.unembed.W_U[:, given["foil"]]).T
    found["said"], found["said_by"] = (scaled * toward).sum(-1), np.array(labels)
    assert torch.allclose(found["said"].sum(0) + toward @ model.ln_final.b, found["metric"])
    arguments = (model, given["corrupt"], cache, effect)
    found["patch/resid_pre"] = patching.get_act_patch_resid_pre(*arguments)
    found["patch/resid_mid"] = patching.get_act_patch_resid_mid(*arguments)
    found["patch/attn.out"] = patching.get_act_patch_attn_out(*arguments)
    found["patch/mlp.out"] = patching.get_act_patch_mlp_out(*arguments)
    found["patch/attn.z"] = patching.get_act_patch_attn_head_out_by_pos(*arguments)
    found["patch/attn.z_all"] = patching.get_act_patch_attn_head_out_all_pos(*arguments)
    found["patch/attn.q_all"] = patching.get_act_patch_attn_head_q_all_pos(*arguments)
    found["patch/attn.k_all"] = patching.get_act_patch_attn_head_k_all_pos(*arguments)
    found["patch/attn.v_all"] = patching.get_act_patch_attn_head_v_all_pos(*arguments)
    found["patch/pattern_all"] = patching.get_act_patch_attn_head_pattern_all_pos(*arguments)
    slopes = {}
    with (
        torch.enable_grad(),
        model.hooks(
            bwd_hooks=[
                (f"blocks.{i}.attn.hook_z", lambda g, hook: slopes.update({hook.name: g.clone()}))
                for i in range(LAYERS)
            ]
        ),
    ):
        effect(model(given["corrupt"])).backward()
    moved = [(cache[name] - other[name]) * slopes[name] for name in sorted(slopes)]
    found["attribution/attn.z"] = torch.stack([one.sum((0, 3)) for one in moved])
    return found


def of_nnsight(model: Any, given: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Return effects of the stream, and of paths from heads of the first block to values of the next."""
    from nnsight import NNsight

    traced, rows = NNsight(model), torch.arange(TRIALS)

    def difference(logits: torch.Tensor) -> torch.Tensor:
        return (logits[rows, -1, given["answer"]] - logits[rows, -1, given["foil"]]).mean()

    with traced.trace(given["clean"]):
        z = traced.transformer.h[0].attn.c_proj.input.save()
        stream = traced.transformer.h[0].output[0].save()
        logits = traced.lm_head.output.save()
    clean = difference(logits)
    with traced.trace(given["corrupt"]):
        z_base = traced.transformer.h[0].attn.c_proj.input.save()
        logits = traced.lm_head.output.save()
    corrupt = difference(logits)
    effects = torch.zeros(LENGTH, dtype=torch.float64)
    for k in range(LENGTH):
        with traced.trace(given["corrupt"]):
            traced.transformer.h[0].output[0][:, k] = stream[:, k]
            logits = traced.lm_head.output.save()
        effects[k] = (difference(logits) - corrupt) / (clean - corrupt)
    paths = torch.zeros(HEADS, HEADS, dtype=torch.float64)
    for sender in range(HEADS):
        sent, units = z_base.clone(), slice(sender * D_HEAD, (sender + 1) * D_HEAD)
        sent[:, :, units] = z[:, :, units]
        with traced.trace(given["corrupt"]):
            traced.transformer.h[0].attn.c_proj.input = sent
            arrived = traced.transformer.h[1].attn.c_attn.output.save()
        for receiver in range(HEADS):
            units = slice(2 * WIDTH + receiver * D_HEAD, 2 * WIDTH + (receiver + 1) * D_HEAD)
            with traced.trace(given["corrupt"]):
                traced.transformer.h[1].attn.c_attn.output[:, :, units] = arrived[:, :, units]
                logits = traced.lm_head.output.save()
            paths[sender, receiver] = (difference(logits) - corrupt) / (clean - corrupt)
    return {"nnsight/patch/resid_post": effects, "nnsight/paths": paths}


def main() -> None:
    """Write the file."""
    model, given = hugging_face(), trials()
    weights = {key: value for key, value in model.state_dict().items() if key != "lm_head.weight"}
    with torch.no_grad():
        lens = of_transformer_lens(transformer_lens(weights), given)
        sight = of_nnsight(model, given)
        assert torch.allclose(lens["logits"], model(given["clean"]).logits)
    found = {f"w/{key}": value for key, value in weights.items()} | {
        f"in/{key}": value for key, value in given.items()
    }
    found |= {f"out/{key}": value for key, value in (lens | sight).items()}
    path = Path(__file__).parent / "data" / "probes" / "gpt2.npz"
    path.parent.mkdir(exist_ok=True)
    arrays: dict[str, Any] = {
        key: np.asarray(value.detach() if isinstance(value, torch.Tensor) else value)
        for key, value in found.items()
    }
    np.savez_compressed(path, **arrays)
    print(
        path,
        path.stat().st_size,
        {key: value.shape for key, value in arrays.items() if key.startswith("out")},
    )


if __name__ == "__main__":
    main()
