"""Configurations of the official PMI code, and weights that can be drawn again.

As a script, with the path of the official code (commit a094ee3), it runs that code, prints how far ours is
from it in float32, and writes tests/data/memory/variants.npz: ``python tests/pmi_variants.py PATH``. The file
holds no weights: they are drawn here, by name, both when the file is made and when it is tested.
"""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from ctm_variants import drawn, summary

FILE = Path(__file__).parent / "data" / "memory" / "variants.npz"

TRANSFORMER: dict[str, Any] = {
    "image_size": 30, "patch_size": 10, "embed_dim": 16, "functional": False, "num_layers": 2,
    "num_heads": 4, "share_vanilla_parameters": True, "shared_memory_attention": True, "use_topk": True,
    "topk": 5, "mem_slots": 8, "use_long_men": True, "long_mem_segs": 5, "long_mem_aggre": True,
    "use_wm_inference": True, "null_attention": False, "lr": 1e-4,
}  # fmt: skip
CNN: dict[str, Any] = {
    "h_dim": 32, "mem_slots": 8, "use_topk": True, "topk": 5, "use_long_men": True, "long_mem_segs": 5,
    "long_mem_aggre": True, "use_wm_inference": True, "null_attention": False,
}  # fmt: skip

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "as published": ("transformer", {}),
    "one layer, one head": ("transformer", {"num_layers": 1, "num_heads": 1}),
    "many layers and heads, wide": ("transformer", {"num_layers": 6, "num_heads": 16, "embed_dim": 64}),
    "odd width, three heads": ("transformer", {"embed_dim": 18, "num_heads": 3}),
    "one slot, one segment": ("transformer", {"mem_slots": 1, "long_mem_segs": 1}),
    "more slots than the width": ("transformer", {"mem_slots": 20, "long_mem_segs": 7}),
    "one token for a slot": ("transformer", {"topk": 1}),
    "seven tokens, six slots": ("transformer", {"topk": 7, "mem_slots": 6}),
    "more than there are tokens": ("transformer", {"topk": 30, "mem_slots": 3}),
    "soft competition": ("transformer", {"use_topk": False}),
    "soft, not corrected": ("transformer", {"use_topk": False, "long_mem_aggre": False}),
    "not corrected": ("transformer", {"long_mem_aggre": False, "num_layers": 3}),
    "long-term memory alone": ("transformer", {"use_wm_inference": False, "num_layers": 3}),
    "alone and not corrected": ("transformer", {"use_wm_inference": False, "long_mem_aggre": False}),
    "own weights": ("transformer", {"share_vanilla_parameters": False, "num_layers": 3}),
    "own weights, soft": ("transformer", {"share_vanilla_parameters": False, "use_topk": False}),
    "one patch": ("transformer", {"patch_size": 30, "topk": 2}),
    "wide, many patches": ("transformer", {"patch_size": 5, "embed_dim": 64, "num_heads": 2}),
    "a hundred patches": ("transformer", {"patch_size": 3, "num_heads": 8, "topk": 3}),
    "convolutions": ("cnn", {}),
    "convolutions, two tokens for a slot": ("cnn", {"topk": 2, "size": 64}),
    "convolutions, soft": ("cnn", {"use_topk": False, "mem_slots": 3}),
    "convolutions, not corrected": ("cnn", {"long_mem_aggre": False, "size": 45, "topk": 3}),
    "convolutions, long-term memory alone": ("cnn", {"use_wm_inference": False, "long_mem_segs": 2}),
    "convolutions, wide": ("cnn", {"h_dim": 256, "topk": 3, "batch": 1}),
}  # fmt: skip

BATCH = 3

LAYERED = (
    "as published",
    "wide, many patches",
    "odd width, three heads",
    "soft competition",
    "not corrected",
    "long-term memory alone",
    "own weights",
    "convolutions, two tokens for a slot",
)
"""Cases of which the file has what the memory of every layer did to the first trial."""

SEEN = ("candidate", "working_memory", "long_term_memory", "understanding")


def arguments(name: str) -> dict[str, Any]:
    """Arguments of the official class."""
    kind, changes = CASES[name]
    base = TRANSFORMER if kind == "transformer" else CNN
    return {**base, **{key: value for key, value in changes.items() if key in base}}


def weight(name: str, shape: tuple[int, ...]) -> np.ndarray | None:
    """Value of a weight of the official name; None for what is counted, not learned."""
    if name.endswith(("num_batches_tracked", ".pe")):
        return None
    v = drawn(name, shape)
    if name.endswith(("running_var", "pos_emb_weight")) or ("norm" in name.lower() and "weight" in name):
        return 1 + 0.3 * v
    if name.endswith("projector.w") or name == "cls_token":
        return 2 * v
    if len(shape) < 2 or name.endswith("memory_gate_projector.bias"):
        return 0.5 * v
    inputs = shape[1] if name.endswith("memory_gate_projector.weight") else int(np.prod(shape[1:]))
    return v * np.sqrt(3 / inputs)


def inputs(name: str) -> tuple[np.ndarray, ...]:
    """Images, and questions if there are any."""
    kind, changes = CASES[name]
    batch = changes.get("batch", BATCH)
    if kind == "cnn":
        side = changes.get("size", 32)
        return (drawn(f"image/{name}", (batch, 3, side, side)),)
    side = TRANSFORMER["image_size"]
    return drawn(f"image/{name}", (batch, 3, side, side)), drawn(f"question/{name}", (batch, 18))


def starts(name: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Memories that are begun with, one pair for each layer that begins anew."""
    c, batch = arguments(name), len(inputs(name)[0])
    n, d = c["mem_slots"], c.get("embed_dim", c.get("h_dim"))
    one = np.broadcast_to(np.eye(n, d), (batch, n, d)).copy()
    layers = 1 if c.get("share_vanilla_parameters", True) else c["num_layers"]
    shape = (batch, c["long_mem_segs"], n, d)
    return [(one, (drawn(f"start/{name}/{layer}", shape) + 1) / 2) for layer in range(layers)]


def targets(name: str) -> np.ndarray:
    """Classes."""
    return np.arange(len(inputs(name)[0])) * 3 % 10


def official(path: str) -> dict[str, Any]:
    """Return the official classes by kind; both folders have modules of the same names."""
    import torch

    def rearrange(x: Any, _: str, p1: int, p2: int) -> Any:
        return x.unfold(2, p1, p1).unfold(3, p2, p2).permute(0, 2, 3, 4, 5, 1).flatten(3).flatten(1, 2)

    einops = ModuleType("einops")  # two of its functions are asked for, each for one pattern
    einops.rearrange = rearrange  # type: ignore[attr-defined]
    einops.repeat = lambda x, _, b: x.expand(b, -1, -1)  # type: ignore[attr-defined]
    sys.modules["einops"] = einops
    found = {}
    for kind, folder in {"transformer": "sort_of_clevr_and_babi", "cnn": "triangle_and_cifar10"}.items():
        for name in [name for name in sys.modules if name.split(".")[0] in _THEIRS]:
            del sys.modules[name]
        sys.path[:0] = [str(Path(path) / folder), path]
        with contextlib.redirect_stdout(io.StringIO()):
            import model
        del sys.path[:2]
        model.F = SimpleNamespace(**vars(torch.nn.functional))
        model.F.dropout = lambda x: x  # always on there, also in evaluation
        found[kind] = model
    return found


_THEIRS = ("model", "transformers", "transformer_utilities", "utils")


def build(found: dict[str, Any], name: str) -> Any:
    """Return the official model of a case in float64, with weights and starts as they are drawn here."""
    import torch

    kind, c = CASES[name][0], arguments(name)
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = getattr(found[kind], "CNN_PMI" if kind == "cnn" else "Transformer")(SimpleNamespace(**c))
    if kind == "cnn":  # these three have a width of 256 there, whatever the width of the memory is
        d = c["h_dim"]
        theirs.f_fc1, theirs.fcout.fc2 = torch.nn.Linear(d, d), torch.nn.Linear(d, d)
        theirs.fcout.fc3 = torch.nn.Linear(d, 10)
    theirs = theirs.double()
    with torch.no_grad():
        for key, value in theirs.state_dict().items():
            made = weight(key, tuple(value.shape))
            if made is not None and not any(f"attention_mlp.{copy}." in key for copy in (1, 2, 3)):
                value.copy_(torch.as_tensor(made))
    pairs = [tuple(torch.as_tensor(part) for part in pair) for pair in starts(name)]
    if kind == "cnn":
        theirs.memory, theirs.Mr = pairs[0]
    else:
        memories = [m for m in theirs.modules() if type(m).__name__ == "SW_LTM"]
        assert len(memories) == len(pairs)
        for memory, pair in zip(memories, pairs, strict=True):
            memory.initial_state = lambda *_, pair=pair, **__: pair
    return theirs


def watch(theirs: Any) -> list[dict[str, Any]]:
    """Note what each pass of an official memory gives for the first trial, in the order of the passes."""
    noted: list[dict[str, Any]] = []

    def before(memory: Any) -> Any:
        inner = memory.attend_over_memory

        def attend(*given: Any) -> Any:
            candidate = inner(*given)
            noted.append({"candidate": candidate[0]})
            return candidate

        return attend

    def after(_: Any, __: Any, found: Any) -> None:
        names = ("working_memory", "long_term_memory", "understanding")
        noted[-1] |= {key: value[0] for key, value in zip(names, found[2:], strict=True)}

    for memory in (m for m in theirs.modules() if type(m).__name__ == "SW_LTM"):
        memory.attend_over_memory = before(memory)
        memory.register_forward_hook(after)
    return noted


def main(path: str) -> None:
    """Run the official code, say how far ours is, and write the file."""
    import torch
    from conformance.test_pmi_variants import ours
    from pytest import MonkeyPatch

    patch = MonkeyPatch()
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    found, arrays = official(path), {}
    print("| configuration | answers, float32 | answers, float64 | gradients, float64 |\n|---|---|---|---|")
    for number, name in enumerate(CASES):
        x = tuple(torch.as_tensor(part) for part in inputs(name))
        theirs = build(found, name)
        noted = watch(theirs)
        with torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
            answers = theirs.eval()(*x)
        if name in LAYERED:
            arrays |= {
                f"{number}/{layer}/{key}": one[key].numpy() for layer, one in enumerate(noted) for key in SEEN
            }
        arrays[f"{number}/out"] = answers.numpy()
        theirs = build(found, name).train(CASES[name][0] == "cnn")  # dropout cannot be the same
        with contextlib.redirect_stdout(io.StringIO()):
            loss = torch.nn.functional.nll_loss(theirs(*x), torch.as_tensor(targets(name)))
        loss.backward()
        arrays[f"{number}/loss"] = loss.detach().numpy()
        parameters = dict(theirs.named_parameters())
        gradients = {key: one.grad for key, one in parameters.items() if one.grad is not None}
        arrays[f"{number}/grad"] = np.array(
            [summary(key, gradients[key].numpy()) for key in sorted(gradients)]
        )
        differences = []
        for precision in (torch.float32, torch.float64):
            model, seen = ours(name, precision, patch)
            with torch.no_grad():
                differences.append((torch.log_softmax(model(seen), 1) - answers).abs().max().item())
        model, seen = ours(name, torch.float64, patch)
        model.train(CASES[name][0] == "cnn")
        torch.nn.functional.cross_entropy(model(seen), torch.as_tensor(targets(name))).backward()
        off = max(
            (model.get_parameter(key).grad.reshape(-1) - grad.reshape(-1)).abs().max().item()
            for key, grad in gradients.items()
        )
        print(f"| {name} | {differences[0]:.1e} | {differences[1]:.1e} | {off:.1e} |", flush=True)
    np.savez_compressed(FILE, **arrays)
    print(FILE, len(arrays), "arrays")


if __name__ == "__main__":
    main(sys.argv[1])
