"""Configurations of the official Continuous Thought Machine, and weights that can be drawn again.

As a script, with the path of the official code (commit aecfb63), it runs that code and writes
tests/data/ctm/variants.npz: ``python tests/ctm_variants.py PATH``. Files hold no weights: they are
drawn here, by name, from Philox, both when the file is made and when it is tested.
"""

from __future__ import annotations

import contextlib
import copy
import io
import sys
import zlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

FILE = Path(__file__).parent / "data" / "ctm" / "variants.npz"

MAIN = {
    "iterations": 3, "d_model": 19, "d_input": 6, "heads": 3, "n_synch_out": 5, "n_synch_action": 4,
    "synapse_depth": 1, "memory_length": 4, "deep_nlms": True, "memory_hidden_dims": 3,
    "do_layernorm_nlm": False, "backbone_type": "none", "positional_embedding_type": "none", "out_dims": 6,
    "prediction_reshaper": [-1], "dropout": 0.0, "neuron_select_type": "random-pairing",
    "n_random_pairing_self": 0,
}  # fmt: skip
WINDOW = {
    "iterations": 3, "d_model": 13, "d_input": 4, "n_synch_out": 5, "synapse_depth": 1, "memory_length": 4,
    "deep_nlms": True, "memory_hidden_dims": 3, "do_layernorm_nlm": False,
    "backbone_type": "classic-control-backbone",
}  # fmt: skip

CASES: dict[str, tuple[str, dict[str, Any], tuple[int, ...], str]] = {
    "resnet18-2, many scales of waves": (
        "main",
        {"backbone_type": "resnet18-2", "positional_embedding_type": "multi-learnable-fourier"},
        (3, 1, 9, 8),
        "class",
    ),
    "resnet34-3, turned vectors, evaluated": (
        "main",
        {"backbone_type": "resnet34-3", "positional_embedding_type": "custom-rotational", "synapse_depth": 2},
        (2, 2, 16, 16),
        "evaluated",
    ),
    "resnet50-1, waves": (
        "main",
        {"backbone_type": "resnet50-1", "positional_embedding_type": "learnable-fourier", "heads": 1},
        (2, 3, 5, 6),
        "class",
    ),
    "resnet152-2, evaluated": ("main", {"backbone_type": "resnet152-2"}, (1, 4, 5, 5), "evaluated"),
    "shallow and wide": ("main", {"backbone_type": "shallow-wide", "heads": 2}, (2, 1, 3, 5), "class"),
    "one tick, one trial, history of one": (
        "main",
        {
            "iterations": 1, "memory_length": 1, "synapse_depth": 8, "d_model": 23, "do_layernorm_nlm": True,
            "backbone_type": "parity_backbone", "positional_embedding_type": "custom-rotational-1d",
            "n_random_pairing_self": 3, "prediction_reshaper": [3, 2],
        },
        (1, 5),
        "positions",
    ),
    "first and last of an odd number": (
        "main",
        {
            "neuron_select_type": "first-last", "n_synch_out": 11, "n_synch_action": 8, "deep_nlms": False,
            "memory_length": 9, "synapse_depth": 5, "iterations": 12, "do_layernorm_nlm": True,
        },
        (2, 3, 2, 3),
        "class",
    ),
    "random, deep with layer norm": (
        "main",
        {
            "neuron_select_type": "random", "n_synch_out": 7, "n_synch_action": 1, "do_layernorm_nlm": True,
            "iterations": 7, "memory_length": 2, "synapse_depth": 3, "memory_hidden_dims": 1,
        },
        (3, 2, 4),
        "class",
    ),
    "a list": (
        "sort",
        {
            "neuron_select_type": "random", "synapse_depth": 7, "iterations": 11, "d_input": 5, "d_model": 9,
            "out_dims": 6, "memory_length": 10,
        },
        (2, 5),
        "list",
    ),
    "acting by a few numbers": (
        "window", {"synapse_depth": 4, "deep_nlms": False, "do_layernorm_nlm": True}, (4, 2, 3), "steps"
    ),
    "acting in a grid": ("window", {"backbone_type": "navigation-backbone"}, (3, 2, 7, 7, 3), "steps"),
}  # fmt: skip


def drawn(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers from -1 to 1 whose address is a name."""
    bits = np.random.Philox(key=zlib.crc32(name.encode()))
    return 2 * np.random.Generator(bits).random(shape) - 1


def weight(name: str, shape: tuple[int, ...]) -> np.ndarray | None:
    """Value of a weight of the official name; None for what is counted, not learned."""
    v = drawn(name, shape)
    if name.endswith(("_left", "_right", "num_batches_tracked", "diagonal_mask_out")):
        return None
    if name.startswith("decay_params"):
        return np.where(v > 0.9, 200 * v, 1.5 * v)  # on both sides of 0, and beyond 15
    if name.endswith((".T", "running_var")) or (len(shape) == 1 and name.endswith("weight")):
        return 1 + 0.3 * v
    if len(shape) < 2 or name.endswith(("b1", "start_trace", "start_activated_trace")):
        return 0.5 * v
    inputs = shape[0] if name.endswith("w1") else int(np.prod(shape[1:]))
    return v * np.sqrt(3 / inputs)


def inputs(name: str) -> np.ndarray:
    """Input of a case."""
    kind, changes, shape, _ = CASES[name]
    x = drawn(f"input/{name}", shape)
    if changes.get("backbone_type") == "parity_backbone":
        return np.where(x > 0, 1.0, -1.0)
    if kind == "window" and len(shape) == 5:
        return np.floor((x + 1) / 2 * np.array([11, 6, 3]))
    return 2 * x


def targets(name: str) -> np.ndarray:
    """Classes of a case: one per trial, per position, or a list without repeats."""
    _, _, (batch, *_), sort = CASES[name]
    if sort == "positions":
        return (drawn(f"target/{name}", (batch, 3)) > 0).astype(int)
    if sort == "list":
        return np.argsort(drawn(f"target/{name}", (batch, 5)), axis=1)
    return np.arange(batch) % 6


def summary(name: str, gradient: np.ndarray) -> np.ndarray:
    """Two numbers of a gradient: its norm, and its product with a drawn direction."""
    g = np.asarray(gradient, float).ravel()
    return np.array([np.sqrt(g @ g), g @ drawn(f"direction/{name}", g.shape)])


def main(path: str) -> None:
    """Run the official code and write the file."""
    sys.path.insert(0, path)
    import models.ctm
    import models.ctm_rl
    import models.ctm_sort
    import models.modules
    import models.utils
    import torch
    from utils import losses

    class Lifted(ModuleType):
        """torch whose float32 is float64, for constants that the official code keeps in float32."""

        def __getattr__(self, name: str) -> Any:
            return torch.float64 if name in ("float32", "float") else getattr(torch, name)

    def begin(model: Any, x: Any) -> tuple[Any, Any]:
        first, second = (
            v.expand(x.shape[1], -1, -1) for v in (model.start_trace, model.start_activated_trace)
        )
        return first, second

    kinds = {
        "main": models.ctm.ContinuousThoughtMachine,
        "sort": models.ctm_sort.ContinuousThoughtMachineSORT,
        "window": models.ctm_rl.ContinuousThoughtMachineRL,
    }
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    for module in (models.ctm, models.modules, models.utils):
        module.torch = Lifted("torch")
    arrays: dict[str, np.ndarray] = {}
    for number, (name, (kind, changes, _, sort)) in enumerate(CASES.items()):
        x = torch.as_tensor(inputs(name))
        np.random.seed(number)  # noqa: NPY002 - the official code draws its pairs from it
        with contextlib.redirect_stdout(io.StringIO()):
            model = kinds[kind](**({**WINDOW, **changes} if kind == "window" else {**MAIN, **changes}))
            if kind == "window":
                model(x[0], begin(model, x))
            else:
                model.eval()(x)
        model.kv_features = None
        for key, value in model.state_dict().items():
            made = weight(key, tuple(value.shape))
            if made is not None:
                value.copy_(torch.as_tensor(made))
            elif "_neuron_indices_" in key:
                arrays[f"{number}/w/{key}"] = value.numpy().copy()
        model = copy.deepcopy(model).train(sort != "evaluated")
        model.zero_grad()
        out: dict[str, Any] = {}
        if kind == "window":
            state, read = begin(model, x), []
            for step in x:
                synchrony, state = model(step, state)
                read.append(synchrony)
            out["sync_out"] = torch.stack(read)
            loss = out["sync_out"].sin().sum()
        else:
            out["predictions"], out["certainties"], out["sync_out"] = model(x)
            t = torch.as_tensor(targets(name))
            if sort == "list":
                loss = losses.sort_loss(out["predictions"], t)
            elif sort == "positions":
                y = out["predictions"].reshape(len(x), 3, 2, -1)
                loss, _ = losses.parity_loss(y, out["certainties"], t)
            else:
                loss, _ = losses.image_classification_loss(out["predictions"], out["certainties"], t)
        loss.backward()
        out["loss"] = loss
        arrays |= {f"{number}/out/{key}": value.detach().numpy() for key, value in out.items()}
        for key, parameter in model.named_parameters():
            if parameter.grad is not None:
                arrays[f"{number}/grad/{key}"] = summary(key, parameter.grad.numpy())
    np.savez_compressed(FILE, **arrays)
    print(FILE, len(arrays), "arrays")


if __name__ == "__main__":
    main(sys.argv[1])
