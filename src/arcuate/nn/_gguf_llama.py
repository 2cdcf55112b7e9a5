"""What a GGUF file of Llama layout says, as `transformers` and `tokenizers` take it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from arcuate._optional import require
from arcuate.errors import CapabilityError, FileFormatError
from arcuate.nn._gguf import GGUF

__all__ = ["configuration", "state", "tokenizer"]

_PARTS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_WHOLE = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_GPT2 = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_SPLITS = {"default": _GPT2, "gpt-2": _GPT2, "smollm": _GPT2, "llama3": _LLAMA3, "llama-bpe": _LLAMA3}
_DIGIT_BY_DIGIT = ("smollm",)
_CONTROL = 3  # type of a token that stands for no text


def _refused(file: GGUF, bound: str, fix: str = "") -> CapabilityError:
    where = "load_language_model"
    return CapabilityError.of(where=where, name="path", value=str(file.path), bound=bound, fix=fix)


def _told(file: GGUF, name: str, kind: type, default: Any = None) -> Any:
    """Return a setting of the type that it must have."""
    value = file.settings.get(name, default)
    number = kind is float and type(value) is int
    if type(value) is not kind and not number:
        bound = f"must tell {name} as {kind.__name__}, not {value!r}"[:200]
        raise FileFormatError.of(where="load_language_model", name="path", value=str(file.path), bound=bound)
    return value


def configuration(file: GGUF) -> dict[str, Any]:
    """Return the configuration of a Llama model, as a ``config.json`` holds it.

    Parameters
    ----------
    file : GGUF

    Returns
    -------
    dict

    Raises
    ------
    CapabilityError
        If it is of another architecture, or its positions are stretched.
    FileFormatError
        If a setting is missing or of another type.
    """
    kind = _told(file, "general.architecture", str)
    if kind != "llama":
        fix = "convert its published weights, or give the folder of its safetensors"
        raise _refused(file, f"is of the architecture {kind!r}; of GGUF files only 'llama' is read", fix)
    if _told(file, "llama.rope.scaling.type", str, "none") != "none" or "rope_freqs.weight" in file.places:
        raise _refused(
            file, "stretches its rotary positions, which is not read", "give the folder of its safetensors"
        )
    heads = _told(file, "llama.attention.head_count", int)
    width = _told(file, "llama.embedding_length", int)
    if heads < 1 or width < 1:
        raise _refused(file, f"tells of {heads} heads and {width} units")
    size = _told(file, "llama.attention.key_length", int, width // heads)
    if _told(file, "llama.rope.dimension_count", int, size) != size:
        raise _refused(file, "turns a part of each head only, which is not read")
    tokens = len(_told(file, "tokenizer.ggml.tokens", list))
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": _told(file, "llama.vocab_size", int, tokens),
        "hidden_size": width,
        "intermediate_size": _told(file, "llama.feed_forward_length", int),
        "num_hidden_layers": _told(file, "llama.block_count", int),
        "num_attention_heads": heads,
        "num_key_value_heads": _told(file, "llama.attention.head_count_kv", int, heads),
        "head_dim": size,
        "max_position_embeddings": _told(file, "llama.context_length", int),
        "rms_norm_eps": _told(file, "llama.attention.layer_norm_rms_epsilon", float),
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": _told(file, "llama.rope.freq_base", float, 10000.0),
        },
        "tie_word_embeddings": "output.weight" not in file.places,
    }
    for ours, theirs in (("bos", "bos"), ("eos", "eos"), ("pad", "padding")):
        config[f"{ours}_token_id"] = file.settings.get(f"tokenizer.ggml.{theirs}_token_id")
    return config


def state(file: GGUF, config: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Return the weights under the names of `transformers`, rows of queries and keys in its order.

    Parameters
    ----------
    file : GGUF
    config : mapping
        By `configuration`.

    Returns
    -------
    dict of str to torch.Tensor
        float32.

    Raises
    ------
    CapabilityError
        If there is a tensor that the Llama layout does not have.
    """
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    found = {}
    for name in file.places:
        block, _, rest = name.removeprefix("blk.").partition(".")
        part = rest.removesuffix(".weight")
        if name in _WHOLE:
            found[_WHOLE[name]] = torch.from_numpy(file.tensor(name))
        elif name.startswith("blk.") and block.isdecimal() and part in _PARTS and rest != part:
            values = file.tensor(name)
            if part in heads:
                if heads[part] < 1 or len(values) % (2 * heads[part]):
                    raise _refused(file, f"holds {name!r} of {len(values)} rows, for {heads[part]} heads")
                # pairs that are turned together stand side by side in the file, half a head apart here
                paired = values.reshape(heads[part], -1, 2, values.shape[-1])
                values = paired.swapaxes(1, 2).reshape(values.shape)
            found[f"model.layers.{int(block)}.{_PARTS[part]}.weight"] = torch.from_numpy(values)
        else:
            raise _refused(file, f"holds the tensor {name[:60]!r}, which a Llama model does not have")
    return found


def tokenizer(file: GGUF) -> Any:
    """Return the byte-pair tokenizer that the file holds.

    Parameters
    ----------
    file : GGUF

    Returns
    -------
    tokenizers.Tokenizer

    Raises
    ------
    CapabilityError
        If it is of another kind.
    FileFormatError
        If its parts do not fit each other.
    """
    require("tokenizers", extra="lm", purpose="a language model")
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors

    kind = _told(file, "tokenizer.ggml.model", str)
    split = _told(file, "tokenizer.ggml.pre", str, "default")
    if kind != "gpt2" or split not in _SPLITS:
        bound = f"has a tokenizer of the kind {kind!r}, {split!r}, which is not read"
        raise _refused(file, bound, "put the tokenizer.json that was published with the weights beside it")
    tokens = _told(file, "tokenizer.ggml.tokens", list)
    merges = [tuple(str(pair).split(" ")) for pair in _told(file, "tokenizer.ggml.merges", list)]
    vocabulary = {str(token): i for i, token in enumerate(tokens)}
    kinds = _told(file, "tokenizer.ggml.token_type", list, [1] * len(tokens))
    try:
        whole = _SPLITS[split] is _LLAMA3  # a word that is a token is taken as it is, merges or not
        made = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=whole))
    except Exception as error:  # the class that tokenizers raises
        bound = f"holds a tokenizer whose parts do not fit ({error})"
        raise FileFormatError.of(
            where="load_language_model", name="path", value=str(file.path), bound=bound
        ) from error
    digits = [pre_tokenizers.Digits(individual_digits=True)] if split in _DIGIT_BY_DIGIT else []
    words = pre_tokenizers.Split(Regex(_SPLITS[split]), behavior="isolated")
    letters = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.pre_tokenizer = pre_tokenizers.Sequence([*digits, words, letters])
    made.decoder = decoders.ByteLevel()
    special = [token for token, kind in zip(tokens, kinds, strict=False) if kind == _CONTROL]
    made.add_special_tokens([AddedToken(token, normalized=False) for token in special])
    first = file.settings.get("tokenizer.ggml.bos_token_id")
    if file.settings.get("tokenizer.ggml.add_bos_token") is True and first in range(len(tokens)):
        begin = tokens[first]
        made.post_processor = processors.TemplateProcessing(
            single=[begin, "$A"], special_tokens=[(begin, first)]
        )
    return made
