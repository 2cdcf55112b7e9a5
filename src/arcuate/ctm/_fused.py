"""A thought as few large matrix products with compiled loops between them.

The same numbers as the plain pass up to rounding, and several times as fast: keys and values are projected
once; the query's two maps are one, and the map after the attention is part of the synapses'; the history is a
view of a buffer that holds all ticks, not a copy; predictions are read off at the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from arcuate.ctm import _kernels
from arcuate.ctm._layout import Arrays, Ticks
from arcuate.ctm.dynamics import (
    below,
    decay_factor,
    key_values,
    pair_list,
    pair_products,
    project_keys_values,
)

__all__ = ["think"]


def think(w: Arrays, x: np.ndarray, *, ticks: int, heads: int) -> Ticks:
    """Run all ticks on tokens (B, L, C), or on features (B, E) for a model without attention."""
    batch, (d, m) = len(x), w["start_trace"].shape
    dtype = w["start_trace"].dtype
    reader = _Reader(w, x, ticks, heads) if "kv_proj.0.weight" in w else None
    part, width = _first_map(w, None if reader is None else below(w, "attention."))
    joined = np.empty((width + d, batch), dtype)
    if reader is None:
        joined[:width] = x.T
    synapses, models = _synapses(part, d, batch), _neuron_models(below(w, "trace_processor.0."), batch)
    history = np.empty((d, m + ticks, batch), dtype)
    history[:, :m] = w["start_trace"][..., None]
    post = np.empty((ticks, d, batch), dtype)
    z = np.repeat(w["start_activated_state"][:, None], batch, axis=1)
    out = _Synchrony(w, "out", ticks, batch)
    out.start(z)
    for tick in range(ticks):
        if reader is not None:
            joined[:width] = reader.read(z, tick)
        joined[width:] = z
        history[:, m + tick] = synapses(joined)
        z = post[tick]
        models(history[:, tick + 1 : tick + 1 + m], z)
        out.add(z, tick)
    return Ticks(
        pre=history[:, m:].transpose(1, 2, 0),
        post=post.swapaxes(1, 2),
        out=out.values.swapaxes(1, 2),
        action=None if reader is None else reader.synchrony.values.swapaxes(1, 2),
        reads=None if reader is None else reader.reads().swapaxes(1, 2),
        attention=None if reader is None else reader.weights,
        key_values=None if reader is None else reader.key_values,
        trace=history[:, ticks:].transpose(2, 0, 1),
    )


class _Synchrony:
    """One synchrony vector of all ticks."""

    def __init__(self, w: Arrays, role: str, ticks: int, batch: int) -> None:
        decay = w[f"decay_params_{role}"]
        left, right = (w[f"{role}_neuron_indices_{side}"] for side in ("left", "right"))
        pairs = pair_list(left, right, len(decay))
        self._left, self._right = (np.ascontiguousarray(side, np.int64) for side in pairs)
        self._r = decay_factor(decay)
        self._alpha = np.zeros((len(decay), batch), decay.dtype)
        self._scale = np.empty((ticks, len(decay)))
        self._fill(np.zeros(len(decay)))
        self.values = np.empty((ticks, len(decay), batch), decay.dtype)

    def _fill(self, beta: np.ndarray) -> None:
        """1/sqrt(beta) of every tick, which no data change."""
        for row in self._scale:
            beta = self._r * beta + 1.0
            row[:] = 1.0 / np.sqrt(beta)

    def start(self, z: np.ndarray) -> None:
        self._alpha[:] = pair_products(z.T, (self._left, self._right)).T
        self._fill(np.ones(len(self._r)))

    def add(self, z: np.ndarray, tick: int) -> np.ndarray:
        scale, values = self._scale[tick], self.values[tick]
        _kernels.pair_synchrony(z, self._left, self._right, self._r, scale, self._alpha, values)
        return values


class _Reader:
    """Attention up to the mixed values; the map that follows is folded into the synapses."""

    def __init__(self, w: Arrays, tokens: np.ndarray, ticks: int, heads: int) -> None:
        self._part = below(w, "attention.")
        self.key_values = key_values(tokens, below(w, "kv_proj."))
        batch, length, e = self.key_values.shape
        k, v = project_keys_values(self.key_values, self._part)
        split = (batch, length, heads, e // heads)
        self._keys = np.ascontiguousarray(k.reshape(split).transpose(0, 2, 3, 1))
        self._values = np.ascontiguousarray(v.reshape(split).transpose(0, 2, 1, 3))
        into, into_bias = self._part["in_proj_weight"][:e], self._part["in_proj_bias"][:e]
        root = math.sqrt(e // heads)
        self._query = into @ w["q_proj.weight"] / root
        self._query_bias = (into @ w["q_proj.bias"] + into_bias) / root
        self.synchrony = _Synchrony(w, "action", ticks, batch)
        self.weights = np.empty((ticks, batch, heads, 1, length), into.dtype)
        self._mixed = np.empty((ticks, e, batch), into.dtype)

    def read(self, z: np.ndarray, tick: int) -> np.ndarray:
        batch, heads, _, length = self.weights.shape[1:]
        q = (self._query @ self.synchrony.add(z, tick)).T + self._query_bias
        scores = q.reshape((batch, heads, 1, -1)) @ self._keys
        weights = self.weights[tick]
        _kernels.softmax_rows(scores.reshape((-1, length)), weights.reshape((-1, length)))
        self._mixed[tick] = (weights @ self._values).reshape((batch, -1)).T
        return self._mixed[tick]

    def reads(self) -> np.ndarray:
        return self._part["out_proj.weight"] @ self._mixed + self._part["out_proj.bias"][:, None]


def _first_map(w: Arrays, attention: Arrays | None) -> tuple[Arrays, int]:
    """The synapses' parameters, the first map made to take what the heads mixed; and its width."""
    part = below(w, "synapses.")
    name = "first_projection.0" if "first_projection.0.weight" in part else "1"
    weight, bias = part[f"{name}.weight"], part[f"{name}.bias"]
    width = weight.shape[1] - len(w["start_trace"])
    if attention is not None:
        after = weight[:, :width]
        part[f"{name}.bias"] = bias + after @ attention["out_proj.bias"]
        part[f"{name}.weight"] = np.hstack((after @ attention["out_proj.weight"], weight[:, width:]))
    return part, width


def _synapses(part: Arrays, d: int, batch: int) -> Callable[[np.ndarray], np.ndarray]:
    if "first_projection.0.weight" in part:
        return _unet(part, batch)

    def blocks(x: np.ndarray) -> np.ndarray:
        for first in (1, 4):
            if f"{first}.weight" in part:
                out = np.empty((d, batch), x.dtype)
                norm = part[f"{first + 2}.weight"], part[f"{first + 2}.bias"]
                _kernels.glu_norm(part[f"{first}.weight"] @ x, part[f"{first}.bias"], *norm, out)
                x = out
        return x

    return blocks


def _unet(part: Arrays, batch: int) -> Callable[[np.ndarray], np.ndarray]:
    depth = sum(name.startswith("skip_lns.") and name.endswith(".weight") for name in part)

    def block(x: np.ndarray, stem: str, first: int) -> np.ndarray:
        weight, bias = part[f"{stem}{first}.weight"], part[f"{stem}{first}.bias"]
        out = np.empty((len(weight), batch), x.dtype)
        norm = f"{stem}{first + 1}"
        _kernels.norm_silu(weight @ x, bias, part[f"{norm}.weight"], part[f"{norm}.bias"], out)
        return out

    def unet(x: np.ndarray) -> np.ndarray:
        levels = [block(x, "first_projection.", 0)]
        for level in range(depth):
            levels.append(block(levels[-1], f"down_projections.{level}.", 1))
        up = levels.pop()
        for level in reversed(range(depth)):
            up = block(up, f"up_projections.{level}.", 1)
            norm = part[f"skip_lns.{level}.weight"], part[f"skip_lns.{level}.bias"]
            out = np.empty_like(up)
            _kernels.sum_norm(up, levels[level], *norm, out)
            up = out
        return up

    return unet


def _neuron_models(part: Arrays, batch: int) -> Callable[[np.ndarray, np.ndarray], None]:
    """Layers of neurons, their weights laid out as one product for each neuron: (D, out, in)."""
    layers = [_Layer(below(part, name), batch) for name in ("0.", "2.") if f"{name}w1" in part]
    first = layers[0]
    if len(layers) == 2 and layers[1].norm is None:
        second = layers[1]
        weight = np.ascontiguousarray(second.weight.transpose(0, 2, 1))

        def deep(window: np.ndarray, z: np.ndarray) -> None:
            tail = weight, second.bias, second.gain
            _kernels.neuron_tail(first.product(window), first.bias, first.gain, *tail, z)

        return deep

    def layered(window: np.ndarray, z: np.ndarray) -> None:
        x = window
        for layer in layers:
            product = layer.product(x)
            x = np.empty((len(product), product.shape[1] // 2, batch), product.dtype)
            _kernels.neuron_gate(product, layer.bias, layer.gain, x)
        z[:] = x[:, 0]

    return layered


class _Layer:
    """One layer of all neurons."""

    def __init__(self, part: Arrays, batch: int) -> None:
        self.weight = np.ascontiguousarray(part["w1"].transpose(2, 1, 0))
        self.bias = np.ascontiguousarray(part["b1"][0])
        self.gain = 1.0 / float(part["T"][0])
        self.norm: Any = None
        if "layernorm.weight" in part:
            self.norm = part["layernorm.weight"], part["layernorm.bias"]
        self._out = np.empty((*self.weight.shape[:2], batch), self.weight.dtype)

    def product(self, x: np.ndarray) -> np.ndarray:
        if self.norm is not None:
            normal = np.empty(x.shape, x.dtype)
            _kernels.history_norm(x, *self.norm, normal)
            x = normal
        return np.matmul(self.weight, x, out=self._out)
