"""All ticks of a Continuous Thought Machine as one step of autograd, for the processor.

Forward and gradient are written out: large products are left to the library, what stands between them is
compiled (`arcuate.ctm._learning`), and weights get their gradients in one product over all ticks. What the
neurons compute of their histories is computed again on the way back rather than kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from arcuate._native import Call
from arcuate.ctm import _learning as kernels

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Ticks", "run"]

Tensor = torch.Tensor

NARROW = 16
"""Below so many trials the products of the neurons are faster with the trials as rows."""

PACKED_FROM = 8
"""From so many ticks on it pays to lay the weights out anew for their products."""


class Ticks(NamedTuple):
    """What happened: (T, B, features), attention (T, B, heads, L), trace (B, D, M)."""

    sync_out: Tensor
    sync_action: Tensor | None
    pre: Tensor
    post: Tensor
    attention: Tensor | None
    reads: Tensor | None
    trace: Tensor


class Reading(NamedTuple):
    """How the input is read: keys and values (N, K, e), choice (B, L), and three affine maps.

    N = heads and K = V L for a table of all tokens that trials may choose from; N = B heads and K = L for
    tokens of each trial's own, which all choose 0.
    """

    keys: Tensor
    values: Tensor
    choice: Tensor
    query: Tensor
    query_bias: Tensor
    out: Tensor
    out_bias: Tensor


class Neurons(NamedTuple):
    """Synapses, norm, neurons' models (D, M, 2 H), (D, 2 H), (D, 2, H), (D, 2), start values, synchrony."""

    weight: Tensor
    bias: Tensor
    norm: Tensor
    norm_bias: Tensor
    first: Tensor
    first_bias: Tensor
    second: Tensor
    second_bias: Tensor
    state: Tensor
    trace: Tensor
    r: Tensor
    scale: Tensor


def run(
    x: Tensor | None, reading: Reading | None, neurons: Neurons, *, pairs: Tensor, heads: int, n_asked: int
) -> Ticks:
    """Run as many ticks as `scale` has rows less one.

    Parameters
    ----------
    x : tensor (B, E) or None
        Input that is not read but given.
    reading : Reading or None
    neurons : Neurons
    pairs : tensor of int (2, P)
        Those that ask first.
    heads, n_asked : int

    Returns
    -------
    Ticks
    """
    batch = len(x) if x is not None else len(reading.choice)
    plan = _Plan(pairs.numpy(), heads, n_asked, batch, len(neurons.scale) - 1)
    choice = None if reading is None else reading.choice.numpy()
    given = (None,) * 6 if reading is None else (reading.keys, reading.values, *reading[3:])
    found = _Run.apply(plan, choice, x, *given, *neurons)
    if reading is None:
        return Ticks(found[0], None, found[1], found[2], None, None, found[3])
    return Ticks(*found[:1], found[4], *found[1:3], found[5], found[6], found[3])


class _Plan(NamedTuple):
    """What has no gradient."""

    pairs: NDArray[np.int64]
    heads: int
    n_asked: int
    batch: int
    ticks: int


class _Affine:
    """x W^T + b for one weight and many x; laid out anew where torch can and it pays."""

    def __init__(self, weight: Tensor, bias: Tensor | None, *, rows: int, times: int) -> None:
        self._bias = bias
        self._packed = None
        self._weight = weight
        if times >= PACKED_FROM and weight.dtype == torch.float32 and _can_pack():
            self._packed = torch.ops.mkldnn._reorder_linear_weight(weight, rows)

    def __call__(self, x: Tensor) -> Tensor:
        if self._packed is not None:
            y: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._packed, self._bias, "none", [], "")
            return y
        return F.linear(x, self._weight, self._bias)


def _can_pack() -> bool:
    """Whether this torch has the products with weights that are laid out anew (its compiler uses them)."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")


class _Run(torch.autograd.Function):  # type: ignore[misc]
    """The ticks."""

    @staticmethod
    def forward(ctx: Any, plan: _Plan, choice: Any, x: Tensor | None, *given: Tensor | None) -> Any:
        neurons = Neurons(*given[6:])
        reading = None if given[0] is None else _Reader(plan, choice, *given[:6])
        batch, ticks = plan.batch, plan.ticks
        (d, m), width = neurons.trace.shape, neurons.weight.shape[1] - len(neurons.state)
        new = neurons.trace.new_empty
        joined, pre = new(ticks + 1, batch, width + d), new(ticks, batch, d)
        history = new(d, m + ticks, batch)
        history[:, :m] = neurons.trace.unsqueeze(-1)
        joined[0, :, width:] = neurons.state
        if x is not None:
            joined[:, :, :width] = x
        asked, out = new(ticks, batch, plan.n_asked), new(ticks, batch, plan.pairs.shape[1] - plan.n_asked)
        moments, total = new(ticks, batch, 2), np.zeros((batch, plan.pairs.shape[1]), pre.numpy().dtype)
        synapses = _Affine(neurons.weight, neurons.bias, rows=batch, times=ticks)
        product, h = _first_product(neurons.first, batch)
        n_joined, n_history, n_scale = joined.numpy(), history.numpy(), neurons.scale.numpy()
        synchrony = Call(kernels.sync), n_joined, width
        sums = plan.pairs, neurons.r.numpy(), n_scale, total, asked.numpy(), out.numpy()
        gate, norm = Call(kernels.gate_norm), (neurons.norm.numpy(), neurons.norm_bias.numpy())
        stores = pre.numpy(), n_history, moments.numpy()
        models = Call(kernels.neurons)
        parts = tuple(
            part.numpy() for part in (neurons.first_bias, neurons.second, neurons.second_bias)
        )
        kept = []
        keep = any(ctx.needs_input_grad)
        for tick in range(ticks):
            synchrony[0](*synchrony[1:], tick, *sums)
            if reading is not None:
                joined[tick, :, :width] = reading.read(asked[tick], tick)
            u = synapses(joined[tick])
            gate(u.numpy(), *norm, tick, *stores)
            product(history[:, tick + 1 : tick + 1 + m])
            models(h.numpy(), *parts, tick, n_joined)
            if keep:
                kept.append(u)
        synchrony[0](*synchrony[1:], ticks, *sums)
        ctx.set_materialize_grads(False)
        ctx.plan, ctx.choice = plan, choice
        results = [out, pre, joined[1:, :, width:], history[:, ticks:].permute(2, 0, 1)]
        if reading is not None:
            results += [asked, reading.attention, joined[:ticks, :, :width]]
        if keep:
            inner = () if reading is None else reading.kept()
            ctx.n_inner = len(inner)
            ctx.save_for_backward(*given, *inner, joined, history, moments, asked, out, *kept)
        return tuple(results)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        saved = ctx.saved_tensors
        given, inner, rest = saved[:18], saved[18 : 18 + ctx.n_inner], saved[18 + ctx.n_inner :]
        back = _Back(ctx.plan, ctx.choice, given, inner, rest, gradients, ctx.needs_input_grad)
        for tick in reversed(range(ctx.plan.ticks)):
            back.step(tick)
        return None, None, *back.gradients()


def _first_product(weight: Tensor, batch: int) -> tuple[Any, Tensor]:
    """How the first product of the neurons is made, and the array (D, 2 H, B) that it fills."""
    d, _, width = weight.shape
    if batch < NARROW:
        rows = weight.new_empty(d, batch, width)
        return lambda window: torch.bmm(window.transpose(1, 2), weight, out=rows), rows.transpose(1, 2)
    columns, turned = weight.new_empty(d, width, batch), weight.transpose(1, 2)
    return lambda window: torch.bmm(turned, window, out=columns), columns


class _Reader:
    """The attention of one pass."""

    def __init__(
        self,
        plan: _Plan,
        choice: NDArray[np.int64],
        keys: Tensor,
        values: Tensor,
        query: Tensor,
        query_bias: Tensor,
        out: Tensor,
        out_bias: Tensor,
    ) -> None:
        batch, ticks = plan.batch, plan.ticks
        self._keys, self._values = keys.transpose(1, 2), values
        self._query = _Affine(query, query_bias, rows=batch, times=ticks)
        self._out = _Affine(out, out_bias, rows=batch, times=ticks)
        new, (n, k, e) = keys.new_empty, keys.shape
        rows = batch * plan.heads // n
        self._by_head = (batch, plan.heads) if n == plan.heads else (1, n)
        self.queries, self.spread = new(n, ticks, rows, e), new(n, ticks, rows, k)
        self.attention = new(ticks, batch, plan.heads, choice.shape[1])
        self.mixed = new(ticks, batch, plan.heads * e)
        self._scores = new(n, rows, k)
        self._softmax = Call(kernels.softmax_chosen)
        self._choice = choice
        self._views = self.attention.numpy(), self.spread.numpy()

    def read(self, asked: Tensor, tick: int) -> Tensor:
        """Return what each trial reads (B, E)."""
        queries = self.queries[:, tick]
        queries.copy_(self._query(asked).view(*self._by_head, -1).transpose(0, 1))
        torch.bmm(queries, self._keys, out=self._scores)
        self._softmax(self._scores.numpy(), self._choice, tick, *self._views)
        mixed = torch.bmm(self.spread[:, tick], self._values)
        self.mixed[tick].view(*self._by_head, -1).copy_(mixed.transpose(0, 1))
        return self._out(self.mixed[tick])

    def kept(self) -> tuple[Tensor, ...]:
        """What the gradient needs."""
        return self.queries, self.spread, self.attention, self.mixed


class _Back:
    """The way back through the ticks."""

    def __init__(
        self, plan: _Plan, choice: Any, given: Any, inner: Any, rest: Any, gradients: Any, needed: Any
    ) -> None:
        self.plan, self.given, self.needed = plan, Neurons(*given[6:]), needed
        self.joined, self.history, moments, asked, out, *self.kept = rest
        neurons, ticks, batch = self.given, plan.ticks, plan.batch
        (d, m), new = neurons.trace.shape, neurons.trace.new_empty
        self.m, self.width = m, neurons.weight.shape[1] - d
        d_out, d_pre, self.d_post, d_trace, *d_read = gradients
        self.d_history = neurons.trace.new_zeros(self.history.shape)
        if d_pre is not None:
            self.d_history[:, m:] += d_pre.permute(2, 0, 1)
        if d_trace is not None:
            self.d_history[:, ticks:] += d_trace.permute(1, 2, 0)
        self.reader = None if given[0] is None else _ReaderBack(plan, choice, given[:6], inner, d_read)
        self.du = new(ticks, batch, len(neurons.weight))
        self.dx = None if given[0] is not None or not needed[2] else new(batch, self.width).zero_()
        self.synapses = _Affine(neurons.weight.t(), None, rows=batch, times=ticks)
        self.product, self.h = _first_product(neurons.first, batch)
        late = ("weight", "bias", "state", "trace")  # made from all ticks at once
        self.found = Neurons(**{
            name: one if name in late else torch.zeros_like(one) for name, one in neurons._asdict().items()
        })  # fmt: skip
        d_out = out.new_zeros(out.shape) if d_out is None else d_out.contiguous()
        self.d_asked = new(batch, plan.n_asked)
        n_pairs = plan.pairs.shape[1]
        self._sync, self._gate, self._models = (
            Call(one) for one in (kernels.sync_gradient, kernels.gate_norm_gradient, kernels.neurons_gradient)
        )
        self._sums = (
            plan.pairs, neurons.r.numpy(), neurons.scale.numpy(), asked.numpy(), out.numpy(),
        )  # fmt: skip
        self._d_out, self._g = d_out.numpy(), np.zeros((batch, n_pairs), out.numpy().dtype)
        self._into = self.found.r.numpy(), self.found.scale.numpy()
        self._moments = moments.numpy()
        self.dz = new(batch, d).zero_()
        self._synchronize(ticks)

    def _synchronize(self, tick: int) -> None:
        self._sync(
            self.joined.numpy(), tick, *self._sums, self.d_asked.numpy(), self._d_out, self._g,
            self.dz.numpy(), *self._into,
        )  # fmt: skip

    def step(self, tick: int) -> None:
        """Go back through one tick, from the gradient of its post-activations to that of the one before."""
        given, found = self.given, self.found
        if self.d_post is not None:
            self.dz += self.d_post[tick]
        window = slice(tick + 1, tick + 1 + self.m)
        self.product(self.history[:, window])
        parts = given.first_bias, given.second, given.second_bias
        into = found.first_bias, found.second, found.second_bias
        self._models(
            self.h.numpy(), *(one.numpy() for one in parts), self.dz.numpy(), *(one.numpy() for one in into)
        )
        found.first.baddbmm_(self.history[:, window], self.h.transpose(1, 2))
        if self.plan.batch < NARROW:
            back = torch.bmm(self.h.transpose(1, 2), given.first.transpose(1, 2)).transpose(1, 2)
        else:
            back = torch.bmm(given.first, self.h)
        self.d_history[:, window] += back
        self._gate(
            self.kept[tick].numpy(), given.norm.numpy(), tick, self._moments, self.d_history.numpy(),
            self.du.numpy(), found.norm.numpy(), found.norm_bias.numpy(),
        )  # fmt: skip
        dx = self.synapses(self.du[tick])
        self.dz.copy_(dx[:, self.width :])
        if self.reader is not None:
            self.d_asked = self.reader.step(tick, dx[:, : self.width])
        elif self.dx is not None:
            self.dx += dx[:, : self.width]
        self._synchronize(tick)

    def gradients(self) -> tuple[Tensor | None, ...]:
        """Return the gradients of what was given."""
        found = self.found
        du, ticks = self.du.flatten(0, 1), self.plan.ticks
        weight = du.t() @ self.joined[:ticks].flatten(0, 1)
        found = found._replace(
            weight=weight,
            bias=du.sum(0),
            state=self.dz.sum(0),
            trace=self.d_history[:, : self.m].sum(2),
        )
        read = (None,) * 6 if self.reader is None else self.reader.gradients(self._sums[3])
        return self.dx, *read, *found


class _ReaderBack:
    """The way back through the attention."""

    def __init__(self, plan: _Plan, choice: Any, given: Any, inner: Any, gradients: Any) -> None:
        self.keys, self.values, query, _, out, _ = given
        self.queries, self.spread, self.attention, self.mixed = inner
        self.d_asked, d_attention, self.d_reads = gradients
        batch, ticks, new = plan.batch, plan.ticks, self.keys.new_empty
        self._query = _Affine(query.t(), None, rows=batch, times=ticks)
        self._out = _Affine(out.t(), None, rows=batch, times=ticks)
        n = len(self.keys)
        self._by_head = (batch, plan.heads) if n == plan.heads else (1, n)
        self._turned = self.values.transpose(1, 2)
        self.d_scores, self.d_mixed = torch.empty_like(self.spread), torch.empty_like(self.queries)
        self.d_queries, self.d_read = new(self.mixed.shape), new(self.mixed.shape)
        self._d_spread = new(self._size())
        self._softmax, self._choice = Call(kernels.softmax_chosen_gradient), choice
        none = np.empty((0, 0, 0, 0), self.attention.numpy().dtype)
        self._d_attention = none if d_attention is None else d_attention.contiguous().numpy()

    def _size(self) -> tuple[int, int, int]:
        n, _, rows, k = self.spread.shape
        return n, rows, k

    def step(self, tick: int, d_read: Tensor) -> Tensor:
        """Return the gradient of what asked (B, Pa), from that of what was read (B, E)."""
        if self.d_reads is not None:
            d_read = d_read + self.d_reads[tick]
        self.d_read[tick] = d_read
        d_mixed = self.d_mixed[:, tick]
        d_mixed.copy_(self._out(self.d_read[tick]).view(*self._by_head, -1).transpose(0, 1))
        torch.bmm(d_mixed, self._turned, out=self._d_spread)
        self._softmax(
            self._d_spread.numpy(), self._choice, tick, self.attention.numpy(), self._d_attention,
            self.d_scores.numpy(),
        )  # fmt: skip
        d_queries = torch.bmm(self.d_scores[:, tick], self.keys)
        self.d_queries[tick].view(*self._by_head, -1).copy_(d_queries.transpose(0, 1))
        asked = self._query(self.d_queries[tick])
        return asked if self.d_asked is None else asked + self.d_asked[tick]

    def gradients(self, asked: NDArray[Any]) -> tuple[Tensor, ...]:
        """Return the gradients of keys, values, and of weights and biases of both maps."""
        scores, queries, spread, mixed = (
            one.flatten(1, 2) for one in (self.d_scores, self.queries, self.spread, self.d_mixed)
        )
        d_queries, d_read = self.d_queries.flatten(0, 1), self.d_read.flatten(0, 1)
        return (
            torch.bmm(scores.transpose(1, 2), queries),
            torch.bmm(spread.transpose(1, 2), mixed),
            d_queries.t() @ torch.from_numpy(asked).flatten(0, 1),
            d_queries.sum(0),
            d_read.t() @ self.mixed.flatten(0, 1),
            d_read.sum(0),
        )
