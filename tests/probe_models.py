"""Small models of many kinds with random weights, for the tests of probes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

N_WORDS, WIDTH, HEADS, LAYERS, CONTEXT = 13, 8, 2, 2, 16


@dataclass(frozen=True)
class Case:
    """A model, inputs for it, and the sites at its end."""

    model: Any
    inputs: Any
    last: str
    logits: Callable[[], Any]
    batch_first: bool = True


def _case(model: Any, inputs: Any, last: str, **more: Any) -> Case:
    import torch

    model = model.eval()

    def logits() -> Any:
        with torch.no_grad():
            output = model(**inputs) if isinstance(inputs, dict) else model(inputs)
        if isinstance(output, tuple):
            return output[0]
        return output.logits if hasattr(output, "logits") else output

    return Case(model, inputs, last, logits, **more)


def tokens(seed: int = 0, n: int = 3, length: int = 5) -> Any:
    """Return random tokens (n, length)."""
    import torch

    return torch.randint(0, N_WORDS, (n, length), generator=torch.Generator().manual_seed(seed))


def normal(*shape: int, seed: int = 0) -> Any:
    """Return normal numbers."""
    import torch

    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def plain(name: str, seed: int = 0) -> Case:
    """Return a model of torch itself."""
    import torch
    from torch import nn

    with torch.random.fork_rng():
        torch.manual_seed(1)
        if name == "sequential":
            layers = (nn.Linear(4, 6), nn.Tanh(), nn.Dropout(0.5), nn.Linear(6, 3))
            return _case(nn.Sequential(*layers), normal(3, 4, seed=seed), "3:out")
        if name == "lstm":
            return _case(nn.LSTM(4, 6), normal(5, 3, 4, seed=seed), ":out", batch_first=False)
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 16, batch_first=True)
        encoder = nn.TransformerEncoder(layer, LAYERS)
        return _case(encoder, normal(3, 5, WIDTH, seed=seed), "layers.1:out")


def language(name: str, seed: int = 0) -> Case:
    """Return a tiny model of transformers with random weights; skip where the package is absent."""
    transformers: Any = pytest.importorskip("transformers", reason='needs pip install "arcuate[lm]"')
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(1)
        sizes: dict[str, Any] = {"vocab_size": N_WORDS, "attn_implementation": "eager"}
        if name == "gpt2":
            config = transformers.GPT2Config(
                n_embd=WIDTH, n_head=HEADS, n_layer=LAYERS, n_positions=CONTEXT, **sizes
            )
            model = transformers.GPT2LMHeadModel(config)
        else:
            sizes |= {
                "hidden_size": WIDTH, "num_attention_heads": HEADS, "num_hidden_layers": LAYERS,
                "intermediate_size": 16, "max_position_embeddings": CONTEXT,
            }  # fmt: skip
            if name == "llama":
                config = transformers.LlamaConfig(num_key_value_heads=1, **sizes)
                model = transformers.LlamaForCausalLM(config)
            else:
                model = transformers.BertForMaskedLM(transformers.BertConfig(**sizes))
        for parameter in model.parameters():  # biases start at 0, which would hide what is done with them
            torch.nn.init.normal_(parameter, std=0.3)
    return _case(model, {"input_ids": tokens(seed)}, "blocks.1.resid_post")


PLAIN = ("sequential", "lstm", "encoder")
LANGUAGE = ("gpt2", "llama", "bert")


def case(name: str, seed: int = 0) -> Case:
    """Return the model of a name, with inputs of a seed."""
    return plain(name, seed) if name in PLAIN else language(name, seed)
