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
from arcuate.ctm._layout import Arrays, Tick, Ticks
from arcuate.ctm.dynamics import (
    below,
    decay_factor,
    key_values,
    pair_list,
    pair_products,
    project_keys_values,
)

__all__ = ["Walk"]


AHEAD = 8
"""Ticks that a history has room for before it is shifted, where the past is not kept (chosen)."""


class Walk:
    """A thought under way, of tokens (B, L, C), or of features (B, E) for a model without attention.

    Buffers hold all ticks, and what a tick gives is a view; without ``record`` they hold one.
    """

    def __init__(self, w: Arrays, x: np.ndarray, *, ticks: int, heads: int, record: bool = True) -> None:
        batch, (d, m) = len(x), w["start_trace"].shape
        dtype = w["start_trace"].dtype
        self._tick, self._m = 0, m
        slots, ahead = (ticks, ticks) if record else (1, min(ticks, AHEAD))
        self._reader = _Reader(w, x, (ticks, slots), heads) if "kv_proj.0.weight" in w else None
        part, self._width = _first_map(w, None if self._reader is None else below(w, "attention."))
        self._joined = np.empty((self._width + d, batch), dtype)
        self._synapses, self._models = _synapses(part, d), _neuron_models(below(w, "trace_processor.0."))
        self._history, self._next = np.empty((d, m + ahead, batch), dtype), m
        self._history[:, :m] = w["start_trace"][..., None]
        self._post = np.empty((slots, d, batch), dtype)
        self._z = np.repeat(w["start_activated_state"][:, None], batch, axis=1)
        self._out = _Synchrony(w, "out", (ticks, slots), batch)
        self._out.start(self._z)
        if self._reader is None:
            self.look(x)

    def step(self) -> Tick:
        """Take one tick."""
        tick, m = self._tick, self._m
        if self._reader is not None:
            self._joined[: self._width] = self._reader.read(self._z, tick)
        self._joined[self._width :] = self._z
        if self._next == self._history.shape[1]:
            self._history[:, :m] = self._history[:, self._next - m :].copy()
            self._next = m
        self._history[:, self._next] = self._synapses(self._joined)
        self._next += 1
        self._z = self._post[tick % len(self._post)]
        self._models(self._history[:, self._next - m : self._next], self._z)
        self._tick += 1
        return Tick(self._z.T, self._out.add(self._z, tick).T)

    def keep(self, rows: np.ndarray) -> None:
        """Go on with some trials alone, of a walk without record."""
        self._z, self._joined, self._history = (
            part.take(rows, axis=-1) for part in (self._z, self._joined, self._history)
        )
        self._post = np.empty((1, *self._z.shape), self._z.dtype)
        self._out.keep(rows)
        if self._reader is not None:
            self._reader.keep(rows)

    def look(self, x: np.ndarray | None) -> None:
        """Go on with another input; None: with none, what is read is the attention's bias."""
        if self._reader is not None:
            self._reader.look(x)
        else:
            self._joined[: self._width] = 0 if x is None else x.T

    def ticks(self) -> Ticks:
        """Return what all ticks gave, of a walk with record."""
        reader, m = self._reader, self._m
        return Ticks(
            pre=self._history[:, m:].transpose(1, 2, 0),
            post=self._post.swapaxes(1, 2),
            out=self._out.values.swapaxes(1, 2),
            action=None if reader is None else reader.synchrony.values.swapaxes(1, 2),
            reads=None if reader is None else reader.reads().swapaxes(1, 2),
            attention=None if reader is None else reader.weights,
            key_values=None if reader is None else reader.key_values,
            trace=self._history[:, -m:].transpose(2, 0, 1),
        )


class _Synchrony:
    """One synchrony vector; of so many ticks, as many as there are slots are kept."""

    def __init__(self, w: Arrays, role: str, size: tuple[int, int], batch: int) -> None:
        ticks, slots = size
        decay = w[f"decay_params_{role}"]
        left, right = (w[f"{role}_neuron_indices_{side}"] for side in ("left", "right"))
        pairs = pair_list(left, right, len(decay))
        self._left, self._right = (np.ascontiguousarray(side, np.int64) for side in pairs)
        self._r = decay_factor(decay)
        self._alpha = np.zeros((len(decay), batch), decay.dtype)
        self._scale = np.empty((ticks, len(decay)))
        self._fill(np.zeros(len(decay)))
        self.values = np.empty((slots, len(decay), batch), decay.dtype)

    def _fill(self, beta: np.ndarray) -> None:
        """1/sqrt(beta) of every tick, which no data change."""
        for row in self._scale:
            beta = self._r * beta + 1.0
            row[:] = 1.0 / np.sqrt(beta)

    def start(self, z: np.ndarray) -> None:
        self._alpha[:] = pair_products(z.T, (self._left, self._right)).T
        self._fill(np.ones(len(self._r)))

    def keep(self, rows: np.ndarray) -> None:
        self._alpha = self._alpha.take(rows, axis=-1)
        self.values = np.empty((1, *self._alpha.shape), self._alpha.dtype)

    def add(self, z: np.ndarray, tick: int) -> np.ndarray:
        scale, values = self._scale[tick], self.values[tick % len(self.values)]
        _kernels.pair_synchrony(z, self._left, self._right, self._r, scale, self._alpha, values)
        return values


class _Reader:
    """Attention up to the mixed values; the map that follows is folded into the synapses."""

    key_values: np.ndarray
    _keys: np.ndarray
    _values: np.ndarray

    def __init__(self, w: Arrays, tokens: np.ndarray, size: tuple[int, int], heads: int) -> None:
        self._part, self._map, self._heads = below(w, "attention."), below(w, "kv_proj."), heads
        self.look(tokens)
        batch, length, e = self.key_values.shape
        into, into_bias = self._part["in_proj_weight"][:e], self._part["in_proj_bias"][:e]
        root = math.sqrt(e // heads)
        self._query = into @ w["q_proj.weight"] / root
        self._query_bias = (into @ w["q_proj.bias"] + into_bias) / root
        self.synchrony = _Synchrony(w, "action", size, batch)
        self.weights = np.empty((size[1], batch, heads, 1, length), into.dtype)
        self._mixed = np.empty((size[1], e, batch), into.dtype)

    def look(self, tokens: np.ndarray | None) -> None:
        if tokens is None:
            self._keys, self._values = np.zeros_like(self._keys), np.zeros_like(self._values)
            return
        self.key_values = key_values(tokens, self._map)
        batch, length, e = self.key_values.shape
        k, v = project_keys_values(self.key_values, self._part)
        split = (batch, length, self._heads, e // self._heads)
        self._keys = np.ascontiguousarray(k.reshape(split).transpose(0, 2, 3, 1))
        self._values = np.ascontiguousarray(v.reshape(split).transpose(0, 2, 1, 3))

    def keep(self, rows: np.ndarray) -> None:
        self._keys, self._values = self._keys[rows], self._values[rows]
        self.synchrony.keep(rows)
        self.weights = np.empty((1, len(rows), *self.weights.shape[2:]), self._keys.dtype)
        self._mixed = np.empty((1, self._mixed.shape[1], len(rows)), self._keys.dtype)

    def read(self, z: np.ndarray, tick: int) -> np.ndarray:
        batch, heads, _, length = self.weights.shape[1:]
        q = (self._query @ self.synchrony.add(z, tick)).T + self._query_bias
        scores = q.reshape((batch, heads, 1, -1)) @ self._keys
        slot = tick % len(self.weights)
        weights = self.weights[slot]
        _kernels.softmax_rows(scores.reshape((-1, length)), weights.reshape((-1, length)))
        self._mixed[slot] = (weights @ self._values).reshape((batch, -1)).T
        return self._mixed[slot]

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


def _synapses(part: Arrays, d: int) -> Callable[[np.ndarray], np.ndarray]:
    if "first_projection.0.weight" in part:
        return _unet(part)

    def blocks(x: np.ndarray) -> np.ndarray:
        for first in (1, 4):
            if f"{first}.weight" in part:
                out = np.empty((d, x.shape[1]), x.dtype)
                norm = part[f"{first + 2}.weight"], part[f"{first + 2}.bias"]
                _kernels.glu_norm(part[f"{first}.weight"] @ x, part[f"{first}.bias"], *norm, out)
                x = out
        return x

    return blocks


def _unet(part: Arrays) -> Callable[[np.ndarray], np.ndarray]:
    depth = sum(name.startswith("skip_lns.") and name.endswith(".weight") for name in part)

    def block(x: np.ndarray, stem: str, first: int) -> np.ndarray:
        weight, bias = part[f"{stem}{first}.weight"], part[f"{stem}{first}.bias"]
        out = np.empty((len(weight), x.shape[1]), x.dtype)
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


def _neuron_models(part: Arrays) -> Callable[[np.ndarray, np.ndarray], None]:
    """Layers of neurons, their weights laid out as one product for each neuron: (D, out, in)."""
    layers = [_Layer(below(part, name)) for name in ("0.", "2.") if f"{name}w1" in part]
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
            x = np.empty((len(product), product.shape[1] // 2, x.shape[2]), product.dtype)
            _kernels.neuron_gate(product, layer.bias, layer.gain, x)
        z[:] = x[:, 0]

    return layered


class _Layer:
    """One layer of all neurons."""

    def __init__(self, part: Arrays) -> None:
        self.weight = np.ascontiguousarray(part["w1"].transpose(2, 1, 0))
        self.bias = np.ascontiguousarray(part["b1"][0])
        self.gain = 1.0 / float(part["T"][0])
        self.norm: Any = None
        if "layernorm.weight" in part:
            self.norm = part["layernorm.weight"], part["layernorm.bias"]
        self._out = np.empty((*self.weight.shape[:2], 0), self.weight.dtype)

    def product(self, x: np.ndarray) -> np.ndarray:
        if self.norm is not None:
            normal = np.empty(x.shape, x.dtype)
            _kernels.history_norm(x, *self.norm, normal)
            x = normal
        if self._out.shape[2] != x.shape[2]:
            self._out = np.empty((*self._out.shape[:2], x.shape[2]), self._out.dtype)
        return np.matmul(self.weight, x, out=self._out)
