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

NARROW = 16
"""Below so many trials the products of the neurons are faster with the trials as rows."""

PACKED_TICKS, PACKED_WEIGHTS = 8, 1 << 19
"""From so many ticks, and weights in a matrix, on it pays to lay these out anew for their products."""


class Ticks(NamedTuple):
    """What happened: (T, B, features), attention (T, B, heads, L), trace (B, D, M)."""

    sync_out: torch.Tensor
    sync_action: torch.Tensor | None
    pre: torch.Tensor
    post: torch.Tensor
    attention: torch.Tensor | None
    reads: torch.Tensor | None
    trace: torch.Tensor


class Reading(NamedTuple):
    """How the input is read: keys and values (N, K, e), choice (B, L), and three affine maps.

    N = heads and K = V L for a table of all tokens that trials may choose from; N = B heads and K = L for
    tokens of each trial's own, which all choose 0.
    """

    keys: torch.Tensor
    values: torch.Tensor
    choice: torch.Tensor
    query: torch.Tensor
    query_bias: torch.Tensor
    out: torch.Tensor
    out_bias: torch.Tensor


class Neurons(NamedTuple):
    """Synapses, norm, neurons' models (D, M, 2 H), (D, 2 H), (D, 2, H), (D, 2), start values, synchrony."""

    weight: torch.Tensor
    bias: torch.Tensor
    norm: torch.Tensor
    norm_bias: torch.Tensor
    first: torch.Tensor
    first_bias: torch.Tensor
    second: torch.Tensor
    second_bias: torch.Tensor
    state: torch.Tensor
    trace: torch.Tensor
    r: torch.Tensor
    scale: torch.Tensor


def run(
    x: torch.Tensor | None,
    reading: Reading | None,
    neurons: Neurons,
    *,
    pairs: torch.Tensor,
    heads: int,
    n_asked: int,
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
    ticks = len(neurons.scale) - 1
    if reading is None:
        assert x is not None
        plan = _Plan(pairs.numpy(), heads, n_asked, len(x), ticks)
        out, pre, post, trace = _Run.apply(plan, None, x, *[None] * 6, *neurons)
        return Ticks(out, None, pre, post, None, None, trace)
    plan = _Plan(pairs.numpy(), heads, n_asked, len(reading.choice), ticks)
    given = reading.keys, reading.values, *reading[3:]
    out, pre, post, trace, asked, attention, reads = _Run.apply(
        plan, reading.choice.numpy(), None, *given, *neurons
    )
    return Ticks(out, asked, pre, post, attention, reads, trace)


class _Plan(NamedTuple):
    """What has no gradient."""

    pairs: NDArray[np.int64]
    heads: int
    n_asked: int
    batch: int
    ticks: int


class _Affine:
    """x W^T + b for one weight and many x; laid out anew where torch can and it pays."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, *, rows: int, times: int) -> None:
        self._bias = bias
        self._packed = None
        self._weight = weight
        large = times >= PACKED_TICKS and weight.numel() >= PACKED_WEIGHTS
        if large and weight.dtype == torch.float32 and _can_pack():
            self._packed = torch.ops.mkldnn._reorder_linear_weight(weight, rows)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if self._packed is not None:
            y: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, self._packed, self._bias, "none", [], "")
            return y
        return F.linear(x, self._weight, self._bias)


def _can_pack() -> bool:
    """Whether this torch has the products with weights that are laid out anew (its compiler uses them)."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")


class _Run(torch.autograd.Function):  # type: ignore[misc]
    """The ticks."""

    @staticmethod
    def forward(
        ctx: Any, plan: _Plan, choice: Any, x: torch.Tensor | None, *given: torch.Tensor | None
    ) -> Any:
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
        z, moments = new(ticks + 1, d, batch), new(ticks, batch, 2)
        z[0] = neurons.state.unsqueeze(-1)
        n_pairs = plan.pairs.shape[1]
        asked, out = new(ticks, plan.n_asked, batch), new(ticks, n_pairs - plan.n_asked, batch)
        synapses = _Affine(neurons.weight, neurons.bias, rows=batch, times=ticks)
        product, h = _first_product(neurons.first, batch)
        n_z, n_h, total = z.numpy(), h.numpy(), np.zeros((n_pairs, batch), pre.numpy().dtype)
        sums = plan.pairs, *_arrays(neurons.r, neurons.scale), total, *_arrays(asked, out)
        norm, stores = _arrays(neurons.norm, neurons.norm_bias), _arrays(pre, history, moments)
        parts = _arrays(neurons.first_bias, neurons.second, neurons.second_bias)
        into = joined.numpy(), n_z
        synchrony, gate, models = Call(kernels.sync), Call(kernels.gate_norm), Call(kernels.neurons)
        kept = []
        keep = any(ctx.needs_input_grad)
        for tick in range(ticks):
            synchrony(n_z, tick, *sums)
            if reading is not None:
                joined[tick, :, :width] = reading.read(asked[tick], tick)
            u = synapses(joined[tick])
            gate(u.numpy(), *norm, tick, *stores)
            product(history[:, tick + 1 : tick + 1 + m])
            models(n_h, *parts, tick, *into)
            if keep:
                kept.append(u)
        synchrony(n_z, ticks, *sums)
        ctx.set_materialize_grads(False)
        ctx.plan, ctx.choice = plan, choice
        results = [out.transpose(1, 2), pre, joined[1:, :, width:], history[:, ticks:].permute(2, 0, 1)]
        if reading is not None:
            results += [asked.transpose(1, 2), reading.attention, joined[:ticks, :, :width]]
        if keep:
            inner = () if reading is None else reading.kept()
            ctx.n_inner = len(inner)
            ctx.save_for_backward(*given, *inner, joined, z, history, moments, asked, out, *kept)
        return tuple(results)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *gradients: torch.Tensor | None) -> Any:
        saved = ctx.saved_tensors
        given, inner, rest = saved[:18], saved[18 : 18 + ctx.n_inner], saved[18 + ctx.n_inner :]
        back = _Back(ctx.plan, ctx.choice, given, inner, rest, gradients, ctx.needs_input_grad)
        for tick in reversed(range(ctx.plan.ticks)):
            back.step(tick)
        return None, None, *back.gradients()


def _arrays(*tensors: torch.Tensor) -> tuple[NDArray[Any], ...]:
    return tuple(tensor.numpy() for tensor in tensors)


def _first_product(weight: torch.Tensor, batch: int) -> tuple[Any, torch.Tensor]:
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
        keys: torch.Tensor,
        values: torch.Tensor,
        query: torch.Tensor,
        query_bias: torch.Tensor,
        out: torch.Tensor,
        out_bias: torch.Tensor,
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

    def read(self, asked: torch.Tensor, tick: int) -> torch.Tensor:
        """Return what each trial reads (B, E)."""
        queries = self.queries[:, tick]
        queries.copy_(self._query(asked.t().contiguous()).view(*self._by_head, -1).transpose(0, 1))
        torch.bmm(queries, self._keys, out=self._scores)
        self._softmax(self._scores.numpy(), self._choice, tick, *self._views)
        mixed = torch.bmm(self.spread[:, tick], self._values)
        self.mixed[tick].view(*self._by_head, -1).copy_(mixed.transpose(0, 1))
        return self._out(self.mixed[tick])

    def kept(self) -> tuple[torch.Tensor, ...]:
        """What the gradient needs."""
        return self.queries, self.spread, self.attention, self.mixed


class _Back:
    """The way back through the ticks."""

    def __init__(
        self, plan: _Plan, choice: Any, given: Any, inner: Any, rest: Any, gradients: Any, needed: Any
    ) -> None:
        self.plan, self.given, self.needed = plan, Neurons(*given[6:]), needed
        self.joined, z, self.history, moments, asked, out, *self.kept = rest
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
        d_out = torch.zeros_like(out) if d_out is None else d_out.transpose(1, 2).contiguous()
        self.dz, self.asked = new(d, batch).zero_(), asked
        self._sync, self._gate, self._models = (
            Call(one) for one in (kernels.sync_gradient, kernels.gate_norm_gradient, kernels.neurons_gradient)
        )
        self._z, self._dz, self._h = _arrays(z, self.dz, self.h)
        self._sums = plan.pairs, *_arrays(neurons.r, neurons.scale, asked, out)
        g = np.zeros((plan.pairs.shape[1], batch), self._z.dtype)
        self._into = d_out.numpy(), g, self._dz, *_arrays(self.found.r, self.found.scale)
        self._layers = _arrays(neurons.first_bias, neurons.second, neurons.second_bias)
        self._d_layers = _arrays(self.found.first_bias, self.found.second, self.found.second_bias)
        self._norm, self._moments = _arrays(neurons.norm, moments)
        self._d_norm = _arrays(self.d_history, self.du, self.found.norm, self.found.norm_bias)
        self._synchronize(ticks, asked[0].numpy())

    def _synchronize(self, tick: int, d_asked: NDArray[Any]) -> None:
        self._sync(self._z, tick, *self._sums, d_asked, *self._into)

    def step(self, tick: int) -> None:
        """Go back through one tick, from the gradient of its post-activations to that of the one before."""
        given, found = self.given, self.found
        if self.d_post is not None:
            self.dz += self.d_post[tick].t()
        window = slice(tick + 1, tick + 1 + self.m)
        self.product(self.history[:, window])
        self._models(self._h, *self._layers, self._dz, *self._d_layers)
        turned = self.h.transpose(1, 2)
        found.first.baddbmm_(self.history[:, window], turned)
        if self.plan.batch < NARROW:
            back = torch.bmm(turned, given.first.transpose(1, 2)).transpose(1, 2)
        else:
            back = torch.bmm(given.first, self.h)
        self.d_history[:, window] += back
        self._gate(self.kept[tick].numpy(), self._norm, tick, self._moments, *self._d_norm)
        dx = self.synapses(self.du[tick])
        self.dz.copy_(dx[:, self.width :].t())
        d_asked = self.asked[0]
        if self.reader is not None:
            d_asked = self.reader.step(tick, dx[:, : self.width]).t().contiguous()
        elif self.dx is not None:
            self.dx += dx[:, : self.width]
        self._synchronize(tick, d_asked.numpy())

    def gradients(self) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of what was given."""
        found = self.found
        du, ticks = self.du.flatten(0, 1), self.plan.ticks
        weight = du.t() @ self.joined[:ticks].flatten(0, 1)
        found = found._replace(
            weight=weight,
            bias=du.sum(0),
            state=self.dz.sum(1),
            trace=self.d_history[:, : self.m].sum(2),
        )
        read = (None,) * 6 if self.reader is None else self.reader.gradients(self.asked)
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

    def step(self, tick: int, d_read: torch.Tensor) -> torch.Tensor:
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

    def gradients(self, asked: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the gradients of keys, values, and of weights and biases of both maps."""
        scores, queries, spread, mixed = (
            one.flatten(1, 2) for one in (self.d_scores, self.queries, self.spread, self.d_mixed)
        )
        d_queries, d_read = self.d_queries.flatten(0, 1), self.d_read.flatten(0, 1)
        return (
            torch.bmm(scores.transpose(1, 2), queries),
            torch.bmm(spread.transpose(1, 2), mixed),
            d_queries.t() @ asked.transpose(1, 2).flatten(0, 1),
            d_queries.sum(0),
            d_read.t() @ self.mixed.flatten(0, 1),
            d_read.sum(0),
        )
