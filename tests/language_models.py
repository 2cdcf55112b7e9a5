"""Language models for tests: real ones from the cache, or a skip, and tiny files written here."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest


def shipped_or_skip(name: str) -> Any:
    """Return downloaded weights, or skip the test with the line that brings them."""
    from arcuate.errors import MissingExtraError
    from arcuate.nn import shipped

    try:
        return shipped(name)
    except MissingExtraError as error:
        pytest.skip(str(error))


_CODES = {bool: (7, "<?"), int: (4, "<I"), float: (6, "<f")}


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(value: Any) -> tuple[int, bytes]:
    """Return the type of a setting in a GGUF file, and its bytes."""
    if isinstance(value, str):
        return 8, _text(value)
    if isinstance(value, list):
        items = [_value(one) for one in value]
        kind = items[0][0] if items else 4
        return 9, struct.pack("<IQ", kind, len(items)) + b"".join(raw for _, raw in items)
    kind, code = _CODES[type(value)]
    return kind, struct.pack(code, value)


def gguf_bytes(
    settings: dict[str, Any],
    tensors: dict[str, tuple[int, tuple[int, ...], bytes]],
    *,
    offsets: dict[str, int] | None = None,
) -> bytes:
    """Return a GGUF file of settings, and tensors as type, shape (rows first) and bytes; offsets may lie."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(settings))
    for name, value in settings.items():
        kind, raw = _value(value)
        head += _text(name) + struct.pack("<I", kind) + raw
    data = b""
    for name, (kind, shape, raw) in tensors.items():
        at = (offsets or {}).get(name, len(data))
        head += _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape[::-1], kind, at)
        data += raw + bytes(-len(raw) % 32)
    return head + bytes(-len(head) % 32) + data


def tiny_llama(seed: int = 0) -> tuple[dict[str, Any], dict[str, tuple[int, tuple[int, ...], bytes]]]:
    """Return settings and tensors (F32) of a Llama model of two layers and 260 tokens, as GGUF has them."""
    letters = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [256 + i for i in range(256 - len(letters))]
    tokens = ["<end>", *map(chr, letters + others), "Ġa", "an", "Ġan"]
    settings = {
        "general.architecture": "llama",
        "llama.block_count": 2,
        "llama.context_length": 32,
        "llama.embedding_length": 16,
        "llama.feed_forward_length": 24,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3] + [1] * (len(tokens) - 1),
        "tokenizer.ggml.merges": ["Ġ a", "a n", "Ġa n"],
        "tokenizer.ggml.eos_token_id": 0,
    }
    rng = np.random.default_rng(seed)
    shapes = {"token_embd.weight": (len(tokens), 16), "output_norm.weight": (16,)}
    for i in range(2):
        parts = {"attn_norm": (16,), "attn_q": (16, 16), "attn_k": (8, 16), "attn_v": (8, 16)}
        parts |= {"attn_output": (16, 16), "ffn_norm": (16,), "ffn_gate": (24, 16), "ffn_up": (24, 16)}
        shapes |= {
            f"blk.{i}.{part}.weight": shape for part, shape in (parts | {"ffn_down": (16, 24)}).items()
        }
    tensors = {
        name: (0, shape, (rng.normal(size=shape) * 0.3).astype("<f4").tobytes())
        for name, shape in shapes.items()
    }
    return settings, tensors
