"""The PMI-TR encoder: a transformer whose layers read and write memories where others attend to themselves.

Pure functions of NumPy arrays or torch tensors; parameters by the official names below ``net.``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from arcuate._inputs import check_bytes
from arcuate.ctm.dynamics import below, layer_norm, linear, sigmoid
from arcuate.errors import SpecError, check_int
from arcuate.memory.pmi import Array, Parameters, PMIConfig, PMIState, PMIStep, pmi_step, relu, weighted

__all__ = ["Encoding", "encode", "encode_plain", "positions"]


def _same(x: Array) -> Array:
    return x


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoding:
    """What an encoder made of tokens.

    Parameters
    ----------
    encoded : array, (B, T, D)
        After the last layer; there is no norm behind it.
    inputs : tuple of array, (B, T, D) each
        What the memory of each layer was given, normalized.
    steps : tuple of PMIStep
        What the memory of each layer did.
    """

    encoded: Array
    inputs: tuple[Array, ...]
    steps: tuple[PMIStep, ...]


def positions(n_tokens: int, d_model: int) -> np.ndarray:
    """Code of positions as in the official code: sine at even features i, cosine at odd ones, of
    ``p / 10000^(2 i / d_model)``, which is twice the usual exponent.

    Parameters
    ----------
    n_tokens, d_model : int
        The width must be even.

    Returns
    -------
    ndarray, (1, n_tokens, d_model)

    Examples
    --------
    >>> positions(2, 2)[0].round(4)
    array([[0.    , 1.    ],
           [0.8415, 1.    ]])
    """
    check_int(n_tokens, where="positions", name="n_tokens")
    if check_int(d_model, where="positions", name="d_model") % 2:
        raise SpecError.of(where="positions", name="d_model", value=d_model, bound="must be even")
    check_bytes(40 * n_tokens * d_model, where="positions", fix="use fewer tokens")
    feature = np.arange(d_model)
    angle = np.arange(n_tokens)[:, None] / 10000.0 ** (2 * feature / d_model)
    return np.where(feature % 2, np.cos(angle), np.sin(angle))[None]


def encode(
    tokens: Array,
    parameters: Parameters,
    *,
    config: PMIConfig,
    n_layers: int,
    states: Sequence[PMIState],
    drop: Callable[[Array], Array] = _same,
    n_read: int | None = None,
) -> Encoding:
    """Encode tokens: positions, then in each layer ``x + PMI(norm(x))`` and ``x + W relu(W norm(x))``.

    Parameters
    ----------
    tokens : array, (B, T, D)
    parameters : mapping of str to array
        With names in ``enc.`` every layer has the same weights; with ``layers.0.`` and on, its own.
    config : PMIConfig
    n_layers : int
    states : sequence of PMIState
        One, which passes from layer to layer, or one for each layer, which begin anew, as in the official
        code with weights of their own.
    drop : callable
        What dropout does to each of both that are added; nothing by default.
    n_read : int or None
        How many of the first tokens the last layer encodes, where no more are asked for; None: all.

    Returns
    -------
    Encoding

    Raises
    ------
    SpecError
        If the numbers of states and layers do not fit.

    Examples
    --------
    >>> from arcuate.memory import PMIMemory
    >>> memory = PMIMemory(PMIConfig(d_model=8, n_heads=2, n_slots=5))
    >>> weights = {f"self_attn.relational_memory.{name}": w for name, w in memory.parameters.items()}
    >>> weights |= {"fc1.weight": np.ones((4, 8)), "fc1.bias": np.zeros(4)}
    >>> weights |= {"fc2.weight": np.ones((8, 4)), "fc2.bias": np.zeros(8)}
    >>> norms = ("self_attn_layer_norm", "final_layer_norm")
    >>> weights |= {f"{name}.weight": np.ones(8) for name in norms}
    >>> weights |= {f"{name}.bias": np.zeros(8) for name in norms}
    >>> weights = {f"enc.{name}": w for name, w in weights.items()}
    >>> weights |= {"pe.pe": positions(3, 8), "pe.pos_emb_weight": np.ones((1, 3, 8))}
    >>> x, state = np.ones((2, 3, 8)), memory.initial_state(2)
    >>> encode(x, weights, config=memory.config, n_layers=2, states=[state]).encoded.shape
    (2, 3, 8)
    """
    check_int(n_layers, where="encode", name="n_layers")
    if len(states) not in (1, n_layers):
        bound = f"must be one state, or one for each of {n_layers} layers"
        raise SpecError.of(where="encode", name="states", value=len(states), bound=bound)
    inputs: list[Array] = []
    steps: list[PMIStep] = []

    def mix(seen: Array, layer: Parameters, n_read: int | None) -> Array:
        """What a layer's memory makes of its tokens."""
        number = len(steps)
        state = states[number] if len(states) > 1 or not number else steps[-1].state
        inputs.append(seen)
        memory = below(layer, "self_attn.relational_memory.")
        steps.append(pmi_step(seen, state, memory, config=config, n_read=n_read))
        return steps[-1].understanding

    x = _layers(tokens, parameters, n_layers=n_layers, mix=mix, drop=drop, n_read=n_read)
    return Encoding(encoded=x, inputs=tuple(inputs), steps=tuple(steps))


def encode_plain(
    tokens: Array,
    parameters: Parameters,
    *,
    n_heads: int,
    n_layers: int,
    top_k: int | None = None,
    drop: Callable[[Array], Array] = _same,
    n_read: int | None = None,
) -> Array:
    """Encode tokens as `encode` does, by layers in which tokens attend to themselves and nothing is kept.

    Parameters
    ----------
    tokens : array, (B, T, D)
    parameters : mapping of str to array
        As for `encode`, with ``self_attn.{q,k,v,out}_proj`` for the memory.
    n_heads, n_layers : int
    top_k : int or None
        Only so many of the largest weights of a row are kept, as they are; None keeps all.
    drop : callable
        As for `encode`.
    n_read : int or None
        As for `encode`.

    Returns
    -------
    array, (B, T, D)

    Examples
    --------
    >>> names = [f"self_attn.{name}_proj" for name in ("q", "k", "v", "out")] + ["fc1", "fc2"]
    >>> weights = {f"enc.{name}.weight": np.eye(4) for name in names}
    >>> weights |= {f"enc.{name}.bias": np.zeros(4) for name in names}
    >>> norms = ("self_attn_layer_norm", "final_layer_norm")
    >>> weights |= {f"enc.{name}.weight": np.ones(4) for name in norms}
    >>> weights |= {f"enc.{name}.bias": np.zeros(4) for name in norms}
    >>> weights |= {"pe.pe": positions(3, 4), "pe.pos_emb_weight": np.ones((1, 3, 4))}
    >>> encode_plain(np.ones((2, 3, 4)), weights, n_heads=2, n_layers=2).shape
    (2, 3, 4)
    """
    check_int(n_layers, where="encode_plain", name="n_layers")

    def mix(seen: Array, layer: Parameters, n_read: int | None) -> Array:
        """What tokens read from each other."""
        part = below(layer, "self_attn.")
        q, k, v = (
            linear(rows, part[f"{name}_proj.weight"], part[f"{name}_proj.bias"])
            .reshape((*rows.shape[:2], n_heads, -1))
            .swapaxes(1, 2)
            for name, rows in (("q", seen[:, :n_read]), ("k", seen), ("v", seen))
        )
        read = weighted(q, k, v, scale=q.shape[-1] ** -0.5, top_k=top_k).read
        return linear(read, part["out_proj.weight"], part["out_proj.bias"])

    return _layers(tokens, parameters, n_layers=n_layers, mix=mix, drop=drop, n_read=n_read)


def _layers(
    tokens: Array,
    parameters: Parameters,
    *,
    n_layers: int,
    mix: Callable[[Array, Parameters, int | None], Array],
    drop: Callable[[Array], Array],
    n_read: int | None,
) -> Array:
    """Run layers with a norm before each part; ``mix`` is what lets tokens see each other."""
    x, n = tokens, tokens.shape[1]
    if "pe.pe" in parameters:
        x = x + parameters["pe.pe"][:, :n] * sigmoid(parameters["pe.pos_emb_weight"][:, :n])
    shared = "enc.fc1.weight" in parameters
    for number in range(n_layers):
        layer = below(parameters, "enc." if shared else f"layers.{number}.")
        seen = layer_norm(x, layer["self_attn_layer_norm.weight"], layer["self_attn_layer_norm.bias"])
        asked = n_read if number == n_layers - 1 else None
        x = x[:, :asked] + drop(mix(seen, layer, asked))
        y = layer_norm(x, layer["final_layer_norm.weight"], layer["final_layer_norm.bias"])
        y = relu(linear(y, layer["fc1.weight"], layer["fc1.bias"]))
        x = x + drop(linear(y, layer["fc2.weight"], layer["fc2.bias"]))
    return x
