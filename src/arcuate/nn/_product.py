"""A matrix product that is made in every tick, whose matrix gets its gradient once.

In a loop over ticks autograd would make, and add up, one gradient of every weight per tick. Here each tick
only keeps its input and the gradient of its output, and one product over all ticks gives the same sum.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable

__all__ = ["Product"]


class Product:
    """y = x R + b in every tick, for one matrix (..., K, N), and one bias or none.

    Parameters
    ----------
    right : tensor, (..., K, N)
        R.
    bias : tensor, (N,), or None
        b, for a matrix without leading axes.
    """

    def __init__(self, right: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        self.right, self.bias = right.detach(), None if bias is None else bias.detach()
        self.kept: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.task = -1
        self.token = _Open.apply(self, right, bias)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return y of one tick."""
        return _Use.apply(x, self.token, self)

    def keep(self, x: torch.Tensor, dy: torch.Tensor) -> None:
        """Remember one tick of a backward pass; a pass that begins forgets what another left."""
        task = torch._C._current_graph_task_id()
        if task != self.task:
            self.kept, self.task = [], task
        self.kept.append((x, dy))

    def gradients(self) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Return the gradients of matrix and bias, summed over the ticks."""
        kept, self.kept = self.kept, []
        if not kept:
            return None, None
        x, dy = (torch.cat(parts, dim=-2) for parts in zip(*kept, strict=True))
        # in this order the gradient of a transposed weight is laid out as the weight
        return (dy.transpose(-1, -2) @ x).transpose(-1, -2), None if self.bias is None else dy.sum(0)


class _Open(torch.autograd.Function):  # type: ignore[misc]
    """Gives the token that every use takes, so that its backward runs after theirs."""

    @staticmethod
    def forward(ctx: Any, product: Product, right: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        ctx.product = product
        return right.new_zeros(())

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, _: torch.Tensor) -> tuple[Any, ...]:
        return (None, *ctx.product.gradients())


class _Use(torch.autograd.Function):  # type: ignore[misc]
    """One tick."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, token: torch.Tensor, product: Product) -> torch.Tensor:
        ctx.save_for_backward(x, product.right)
        ctx.product = product
        if product.bias is not None:
            return torch.addmm(product.bias, x, product.right)
        return x @ product.right

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, dy: torch.Tensor) -> tuple[Any, ...]:
        x, right = ctx.saved_tensors
        if ctx.needs_input_grad[1]:
            ctx.product.keep(x, dy)
        return dy @ right.transpose(-1, -2), None, None
