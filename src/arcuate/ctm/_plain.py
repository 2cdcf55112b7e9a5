"""A thought tick by tick, by the equations as they stand."""

from __future__ import annotations

import numpy as np

from arcuate.ctm._layout import Arrays, Tick, Ticks
from arcuate.ctm.dynamics import (
    SynchronyState,
    attention_read,
    below,
    decay_factor,
    key_values,
    linear,
    neuron_models,
    pair_list,
    pair_products,
    project_keys_values,
    step_synchrony,
    synapse,
    synchrony,
    update_trace,
)

__all__ = ["Walk"]


class Walk:
    """A thought under way, of tokens (B, L, C), or of features (B, E) for a model without attention."""

    def __init__(self, w: Arrays, x: np.ndarray, *, heads: int) -> None:
        self._x = x
        self._reader = _Reader(x, w, heads) if "kv_proj.0.weight" in w else None
        self._pairs, self._r = _pairs(w, "out"), decay_factor(w["decay_params_out"])
        self._z = np.repeat(w["start_activated_state"][None], len(x), axis=0)
        self._trace = np.repeat(w["start_trace"][None], len(x), axis=0)
        self._state = step_synchrony(None, pair_products(self._z, self._pairs), self._r)
        self._synapses, self._models = below(w, "synapses."), below(w, "trace_processor.")
        self._pre: list[np.ndarray] = []
        self._post: list[np.ndarray] = []
        self._out: list[np.ndarray] = []

    def step(self) -> Tick:
        """Take one tick."""
        read = self._x if self._reader is None else self._reader.read(self._z)
        self._pre.append(synapse(np.concatenate((read, self._z), axis=-1), self._synapses))
        self._trace = update_trace(self._trace, self._pre[-1])
        self._z = neuron_models(self._trace, self._models)
        self._post.append(self._z)
        self._state = step_synchrony(self._state, pair_products(self._z, self._pairs), self._r)
        self._out.append(synchrony(self._state))
        return Tick(self._z, self._out[-1])

    def keep(self, rows: np.ndarray) -> None:
        """Go on with some trials alone; what they gave before is dropped."""
        self._x, self._z, self._trace = self._x[rows], self._z[rows], self._trace[rows]
        self._state = self._state._replace(alpha=self._state.alpha[rows])
        if self._reader is not None:
            self._reader.keep(rows)
        for seen in (self._pre, self._post, self._out):
            seen.clear()

    def look(self, x: np.ndarray | None) -> None:
        """Go on with another input; None: with none, what is read is the attention's bias."""
        if self._reader is not None:
            self._reader.look(x)
        else:
            self._x = np.zeros_like(self._x) if x is None else x

    def ticks(self) -> Ticks:
        """Return what all ticks gave."""
        reader = self._reader
        return Ticks(
            pre=np.stack(self._pre),
            post=np.stack(self._post),
            out=np.stack(self._out),
            action=None if reader is None else np.stack(reader.synchrony),
            reads=None if reader is None else np.stack(reader.reads),
            attention=None if reader is None else np.stack(reader.weights),
            key_values=None if reader is None else reader.key_values,
            trace=self._trace,
        )


class _Reader:
    """The way from the neurons to the input and back: action synchrony, query, attention."""

    key_values: np.ndarray
    _projected: tuple[np.ndarray, np.ndarray]

    def __init__(self, tokens: np.ndarray, w: Arrays, heads: int) -> None:
        self._w, self._heads, self._part = w, heads, below(w, "attention.")
        self._pairs, self._r = _pairs(w, "action"), decay_factor(w["decay_params_action"])
        self._state: SynchronyState | None = None
        self.look(tokens)
        self.synchrony: list[np.ndarray] = []
        self.weights: list[np.ndarray] = []
        self.reads: list[np.ndarray] = []

    def look(self, tokens: np.ndarray | None) -> None:
        if tokens is None:
            keys, values = self._projected
            self._projected = np.zeros_like(keys), np.zeros_like(values)
            return
        self.key_values = key_values(tokens, below(self._w, "kv_proj."))
        self._projected = project_keys_values(self.key_values, self._part)

    def keep(self, rows: np.ndarray) -> None:
        self.key_values = self.key_values[rows]
        keys, values = self._projected
        self._projected = keys[rows], values[rows]
        if self._state is not None:
            self._state = self._state._replace(alpha=self._state.alpha[rows])
        for seen in (self.synchrony, self.weights, self.reads):
            seen.clear()

    def read(self, z: np.ndarray) -> np.ndarray:
        self._state = step_synchrony(self._state, pair_products(z, self._pairs), self._r)
        self.synchrony.append(synchrony(self._state))
        query = linear(self.synchrony[-1], self._w["q_proj.weight"], self._w["q_proj.bias"])
        read, weights = attention_read(query, self._projected, self._part, heads=self._heads)
        self.weights.append(weights)
        self.reads.append(read)
        return read


def _pairs(w: Arrays, role: str) -> tuple[np.ndarray, np.ndarray]:
    left, right = (w[f"{role}_neuron_indices_{side}"] for side in ("left", "right"))
    return pair_list(left, right, len(w[f"decay_params_{role}"]))
