"""Where the canonical sites are in the layouts of GPT-2, Llama and BERT, and in modules that name them so.

A layout is known by the paths of its modules alone; nothing is imported or loaded to tell it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["Site", "canonical"]

_OWN = re.compile(
    r"(blocks\.\d+\.(resid_pre|attn\.(q|k|v|z|pattern|rate|out)|resid_mid|mlp\.(pre|post|out)|resid_post)"
    r"|embed|final_norm|logits)"
)


@dataclass(frozen=True)
class Site:
    """One place in a model.

    Attributes
    ----------
    name : str
        Canonical name, or "path:in" or "path:out".
    path, side : str
        Module, and whether what goes in or what comes out.
    item : int
        Which part, where several things come out.
    part : (int, int) or None
        Which of how many equal parts of the units.
    heads : int or None
        Attention heads that the units belong to, in equal shares.
    weights : bool
        Whether it holds attention weights (trial, head, query, key).
    editable : bool
        Whether the model goes on with what is here.
    """

    name: str
    path: str
    side: str
    item: int = 0
    part: tuple[int, int] | None = None
    heads: int | None = None
    weights: bool = False
    editable: bool = True


@dataclass(frozen=True)
class _Layout:
    """Paths of the sites: of the whole model, and of each block."""

    mark: str
    block: str
    whole: Mapping[str, str]
    blocks: Mapping[str, str]


_LAYOUTS = (
    _Layout(  # GPT-2
        mark="h.0.attn.c_attn",
        block="h.{}",
        whole={"embed": "drop:in", "final_norm": "ln_f:out", "logits": "lm_head:out"},
        blocks={
            "resid_pre": ":in",
            "attn.q": ".attn.c_attn:out",
            "attn.k": ".attn.c_attn:out",
            "attn.v": ".attn.c_attn:out",
            "attn.pattern": ".attn:out",
            "attn.z": ".attn.c_proj:in",
            "attn.out": ".attn.c_proj:out",
            "resid_mid": ".ln_2:in",
            "mlp.pre": ".mlp.c_fc:out",
            "mlp.post": ".mlp.c_proj:in",
            "mlp.out": ".mlp.c_proj:out",
            "resid_post": ":out",
        },
    ),
    _Layout(  # Llama and those built like it
        mark="layers.0.self_attn.q_proj",
        block="layers.{}",
        whole={"embed": "embed_tokens:out", "final_norm": "norm:out", "logits": "lm_head:out"},
        blocks={
            "resid_pre": ":in",
            "attn.q": ".self_attn.q_proj:out",
            "attn.k": ".self_attn.k_proj:out",
            "attn.v": ".self_attn.v_proj:out",
            "attn.pattern": ".self_attn:out",
            "attn.z": ".self_attn.o_proj:in",
            "attn.out": ".self_attn.o_proj:out",
            "resid_mid": ".post_attention_layernorm:in",
            "mlp.pre": ".mlp.gate_proj:out",
            "mlp.post": ".mlp.down_proj:in",
            "mlp.out": ".mlp.down_proj:out",
            "resid_post": ":out",
        },
    ),
    _Layout(  # BERT: norms after the sums, none at the end
        mark="encoder.layer.0.attention.self.query",
        block="encoder.layer.{}",
        whole={"embed": "embeddings:out", "logits": "cls:out"},
        blocks={
            "resid_pre": ":in",
            "attn.q": ".attention.self.query:out",
            "attn.k": ".attention.self.key:out",
            "attn.v": ".attention.self.value:out",
            "attn.pattern": ".attention.self:out",
            "attn.z": ".attention.output.dense:in",
            "attn.out": ".attention.output.dense:out",
            "resid_mid": ".attention.output:out",
            "mlp.pre": ".intermediate.dense:out",
            "mlp.post": ".output.dense:in",
            "mlp.out": ".output.dense:out",
            "resid_post": ":out",
        },
    ),
)


def canonical(model: torch.nn.Module) -> dict[str, Site]:
    """Return the canonical sites of a model, by name, in the order of its blocks.

    Parameters
    ----------
    model : torch.nn.Module

    Returns
    -------
    dict of str to Site
        Empty for a model of a layout that is not known.
    """
    paths = [path for path, _ in model.named_modules()]
    own = [path for path in paths if _OWN.fullmatch(path)]
    if any(path.startswith("blocks.") for path in own):
        return {path: Site(path, path, "out", weights=path.endswith("attn.pattern")) for path in own}
    for layout in _LAYOUTS:
        marked = [path for path in paths if path == layout.mark or path.endswith(f".{layout.mark}")]
        if marked:
            return _laid_out(model, layout, marked[0].removesuffix(layout.mark), set(paths))
    return {}


def _laid_out(model: torch.nn.Module, layout: _Layout, prefix: str, paths: set[str]) -> dict[str, Site]:
    found: dict[str, Site] = {}

    def add(name: str, place: str, **more: Any) -> None:
        path, _, side = place.rpartition(":")
        if path in paths:
            found[name] = Site(name, path, side, **more)

    add("embed", prefix + layout.whole["embed"])
    heads, shared = _heads(model)
    i = 0
    while (block := prefix + layout.block.format(i)) in paths:
        for name, place in layout.blocks.items():
            more: dict[str, Any] = {}
            kind = name.removeprefix("attn.")
            if kind in ("q", "z"):
                more["heads"] = heads
            elif kind in ("k", "v"):
                more["heads"] = shared
            elif kind == "pattern":
                more |= {"item": 1, "weights": True, "editable": False}
            elif kind == "resid_mid" and place.endswith(":in"):  # the stream goes on beside the norm
                more["editable"] = False
            if place.endswith("c_attn:out"):
                more["part"] = ("qkv".index(kind), 3)
            add(f"blocks.{i}.{name}", block + place, **more)
        i += 1
    for name, place in layout.whole.items():
        if name != "embed":
            add(name, place if name == "logits" else prefix + place)
    return found


def _heads(model: torch.nn.Module) -> tuple[int | None, int | None]:
    """Return the heads of queries, and of keys and values, where the model says them."""
    config = getattr(model, "config", None)
    heads = getattr(config, "num_attention_heads", None)
    return heads, getattr(config, "num_key_value_heads", None) or heads
