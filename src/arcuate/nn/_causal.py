"""Parts of a small transformer: causal attention of three kinds, feed-forward parts, blocks.

What a probe may look at is the output of a module with the name of its site; a module that computes nothing
stands where there would be none otherwise.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["ACTIVATIONS", "ATTENTIONS", "Block", "Embedding", "delta_pattern", "rotate"]

ACTIVATIONS: dict[str, type[nn.Module]] = {"gelu": nn.GELU, "relu": nn.ReLU}

BASE = 10000.0
"""Of the wavelengths of rotary positions (Su and others 2021)."""


def rotate(x: torch.Tensor) -> torch.Tensor:
    """Turn queries or keys (B, T, H, d), d even, by their positions.

    The pair of features i and i + d / 2 is turned by the angle ``t 10000^(-2 i / d)`` at position t, so that
    the product of a query and a key depends on their distance alone (Su and others 2021, arXiv 2104.09864).
    """
    n, width = x.shape[1], x.shape[-1]
    feature = torch.arange(0, width, 2, dtype=x.dtype, device=x.device)
    place = torch.arange(n, dtype=x.dtype, device=x.device)
    angle = (place[:, None] * BASE ** (-feature / width))[:, None]  # (T, 1, d / 2)
    first, second = x.chunk(2, dim=-1)
    cos, sin = angle.cos(), angle.sin()
    return torch.cat((first * cos - second * sin, first * sin + second * cos), dim=-1)


def softmax_pattern(q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    """``softmax(q k' / sqrt(d))`` over this token and those before (Vaswani and others 2017)."""
    scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
    later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
    return scores.masked_fill(later, -torch.inf).softmax(-1)


def linear_pattern(q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    """``q k'`` of queries and keys of length one: what a matrix to which ``k v'`` is added gives back."""
    return (F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-1, -2)).tril()


def delta_pattern(q: torch.Tensor, k: torch.Tensor, rate: torch.Tensor) -> torch.Tensor:
    """Weights of values in what a matrix gives back that is written by the delta rule.

    ``S <- S + rate k (v - S' k)'`` adds ``k u'`` with ``u_t = rate_t (v_t - sum_{s<t} (k_t . k_s) u_s)``.
    With L the part of ``k k'`` below its diagonal, U is ``(1 + rate L)^-1 rate V``, and the pattern what
    stands before V in ``tril(q k') U`` (Yang and others 2024, arXiv 2406.06484). Rates are (B, H, T).
    """
    unit = F.normalize(k, dim=-1)
    below = (rate.unsqueeze(-1) * (unit @ unit.transpose(-1, -2))).tril(-1)
    read = linear_pattern(q, k)
    written = torch.linalg.solve_triangular(below, read, upper=False, left=False, unitriangular=True)
    return written * rate.unsqueeze(-2)


ATTENTIONS: dict[str, Callable[..., torch.Tensor]] = {
    "softmax": softmax_pattern,
    "linear": linear_pattern,
    "delta": delta_pattern,
}


class Heads(nn.Linear):  # type: ignore[misc]
    """An affine map to all heads: (B, T, D) -> (B, T, H, d)."""

    def __init__(self, width: int, n_heads: int, d_head: int) -> None:
        super().__init__(width, n_heads * d_head)
        self.n_heads = n_heads

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return queries, keys or values."""
        return super().forward(x).unflatten(-1, (self.n_heads, -1))


class CausalAttention(nn.Module):  # type: ignore[misc]
    """Each token reads from itself and those before: ``z = pattern v`` in every head."""

    def __init__(self, width: int, *, n_heads: int, d_head: int, kind: str, rotary: bool) -> None:
        super().__init__()
        self.kind, self.rotary = kind, rotary
        self.q, self.k, self.v = (Heads(width, n_heads, d_head) for _ in range(3))
        if kind == "delta":
            self.rate = nn.Sequential(nn.Linear(width, n_heads), nn.Sigmoid())
        self.pattern, self.z = nn.Identity(), nn.Identity()
        self.out = nn.Linear(n_heads * d_head, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what tokens (B, T, D) read from each other, (B, T, D)."""
        q, k, v = self.q(x), self.k(x), self.v(x)
        if self.rotary:
            q, k = rotate(q), rotate(k)
        parts = [part.transpose(1, 2) for part in (q, k)]
        if self.kind == "delta":
            parts.append(self.rate(x).transpose(1, 2))
        pattern = self.pattern(ATTENTIONS[self.kind](*parts))
        z = self.z((pattern @ v.transpose(1, 2)).transpose(1, 2))
        return self.out(z.flatten(2))


class FeedForward(nn.Module):  # type: ignore[misc]
    """``out(post(pre(x)))``, where post is the nonlinearity and its outputs are the neurons."""

    def __init__(self, width: int, d_mlp: int, activation: str) -> None:
        super().__init__()
        self.pre, self.post = nn.Linear(width, d_mlp), ACTIVATIONS[activation]()
        self.out = nn.Linear(d_mlp, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, T, D)."""
        return self.out(self.post(self.pre(x)))


class Block(nn.Module):  # type: ignore[misc]
    """``x + attn(norm(x))``, then, unless it is attention alone, ``x + mlp(norm(x))``."""

    def __init__(self, attn: CausalAttention, mlp: FeedForward | None, *, width: int, norm: bool) -> None:
        super().__init__()
        self.resid_pre, self.resid_mid, self.resid_post = (nn.Identity() for _ in range(3))
        self.attn_norm = nn.LayerNorm(width) if norm else nn.Identity()
        self.attn = attn
        if mlp is not None:
            self.mlp_norm = nn.LayerNorm(width) if norm else nn.Identity()
        self.mlp = mlp

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the residual stream (B, T, D) after this block."""
        x = self.resid_pre(x)
        x = self.resid_mid(x + self.attn(self.attn_norm(x)))
        if self.mlp is not None:
            x = x + self.mlp(self.mlp_norm(x))
        return self.resid_post(x)


class Embedding(nn.Module):  # type: ignore[misc]
    """The beginning of the residual stream: tokens, by number or as vectors, and their positions."""

    def __init__(self, tokens: nn.Module, max_tokens: int | None, width: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.positions = None if max_tokens is None else nn.Embedding(max_tokens, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, T, D)."""
        embedded = self.tokens(x)
        return embedded if self.positions is None else embedded + self.positions.weight[: x.shape[1]]
