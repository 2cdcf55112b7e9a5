"""How a Continuous Thought Machine reads its input: keys and values once, one query per tick."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch.nn import functional as F

from arcuate.nn._layers import affine_product
from arcuate.nn._pass import Reading
from arcuate.nn._product import Product

__all__ = ["Reader", "Tokens", "reading"]


class Tokens(NamedTuple):
    """What is attended to (B, L, E); with few kinds of tokens a table (V, L, E) of each kind at each place,
    and which of V each token is (B, L)."""

    each: torch.Tensor
    table: torch.Tensor | None = None
    choice: torch.Tensor | None = None


def reading(model: Any, tokens: Tokens) -> Reading:
    """Keys and values, of a table if there is one, and the query map folded into that of the attention."""
    attention, width, heads = model.attention, model.width, model.heads
    weight, bias = attention.in_proj_weight, attention.in_proj_bias
    rows, order, choice = tokens.table, (2, 3, 0, 1, 4), tokens.choice  # to (heads, V, L, e)
    if rows is None or choice is None:
        rows, order = tokens.each, (2, 0, 3, 1, 4)  # to (B, heads, L, e)
        choice = torch.zeros(rows.shape[:2], dtype=torch.long)
    both = F.linear(rows, weight[width:], bias[width:]).unflatten(-1, (2, heads, -1)).permute(order)
    keys, values = both.contiguous().flatten(*((2, 3) if rows is tokens.table else (1, 2)))
    scale = 1 / math.sqrt(width // heads)
    query = weight[:width] @ model.q_proj.weight * scale
    query_bias = (weight[:width] @ model.q_proj.bias + bias[:width]) * scale
    out = attention.out_proj
    return Reading(keys, values, choice, query, query_bias, out.weight, out.bias)


class Reader:
    """The attention of one pass: keys and values projected once, the query map folded into its own."""

    def __init__(self, model: Any, kv: torch.Tensor) -> None:
        attention, width = model.attention, model.width
        self.heads, self.out = model.heads, affine_product(attention.out_proj)
        self.dropout = model.dropout if model.training else 0.0
        weight, bias = attention.in_proj_weight, attention.in_proj_bias
        keys, values = F.linear(kv, weight[width:], bias[width:]).chunk(2, dim=-1)
        self.keys = Product(self._by_head(keys).transpose(1, 2))
        self.values = Product(self._by_head(values))
        scale = 1 / math.sqrt(width // self.heads)
        folded = (weight[:width] @ model.q_proj.weight * scale).t()
        self.query = Product(folded, (weight[:width] @ model.q_proj.bias + bias[:width]) * scale)
        self.weights: list[torch.Tensor] = []
        self.reads: list[torch.Tensor] = []

    def _by_head(self, x: torch.Tensor) -> torch.Tensor:
        """(B, L, E) -> (B heads, L, E / heads)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2).flatten(0, 1).contiguous()

    def read(self, synchrony: torch.Tensor) -> torch.Tensor:
        """Return what one query per trial reads (B, E)."""
        batch = len(synchrony)
        query = self.query(synchrony).view(batch * self.heads, 1, -1)
        weights = torch.softmax(self.keys(query), dim=-1)
        self.weights.append(weights.view(batch, self.heads, 1, -1))
        if self.dropout:
            weights = F.dropout(weights, self.dropout)
        self.reads.append(self.out(self.values(weights).view(batch, -1)))
        return self.reads[-1]
