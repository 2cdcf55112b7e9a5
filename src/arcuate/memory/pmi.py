"""Perception, memory, inference: a working memory that tokens compete for, a long-term memory behind it.

Equations of Zeng, Lin, Hu, Huang and Zhang 2023, arXiv 2310.09297, by their steps in
docs/concepts/memory.md, as pure functions of NumPy arrays or torch tensors. Parameters are mappings with the
names of the official code (https://github.com/zengxyyu/PMI-TR, MIT, commit a094ee3) below
``relational_memory.``; what it has no name for is named ``ltm_*`` and ``stm_*`` here.

Letters: B trials, T tokens, D width, H heads, N slots of the working memory, C segments of the long-term one,
E width of a long-term key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from arcuate.ctm.dynamics import layer_norm, linear, namespace, sigmoid
from arcuate.errors import SpecError
from arcuate.memory.configuration import GATES, INTEGRATIONS, LTM_RULES, PMIConfig

__all__ = [
    "GATES",
    "INTEGRATIONS",
    "LTM_RULES",
    "Attention",
    "PMIConfig",
    "PMIState",
    "PMIStep",
    "attend",
    "compete",
    "gates",
    "memorize",
    "pmi_step",
    "recall",
    "remember",
    "retrieve",
    "standardize",
    "weighted",
]

Array = Any
"""A NumPy array or a torch tensor."""

Parameters = Mapping[str, Array]
"""Arrays by their official names."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PMIState:
    """What both memories hold.

    Parameters
    ----------
    working_memory : array, (B, N, D)
    long_term_memory : array or None
        As `PMIConfig.ltm_shape` says.
    step : int
        Writes so far.
    """

    working_memory: Array
    long_term_memory: Array | None
    step: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Attention:
    """One reading of some rows by others.

    Parameters
    ----------
    read : array, (B, queries, D)
    probabilities : array, (B, H, queries, rows)
        Softmax, before the mask.
    mask : array of bool or None
        Which of them were kept; None if all.
    """

    read: Array
    probabilities: Array
    mask: Array | None


@dataclass(frozen=True, kw_only=True, eq=False)
class PMIStep:
    """What one step did.

    Parameters
    ----------
    understanding : array, (B, T, D)
        What comes out.
    state : PMIState
        Both memories after it.
    candidate : array, (B, N, D)
        What was to be written.
    input_gate, forget_gate : array or None
        (B, N, D), or (B, N, 1) with one gate for each slot.
    write, working_read : Attention
        Slots over tokens, tokens over slots.
    long_read : array, (B, T, D) or None
    long_attention, correction : Attention or None
        How the long-term memory was read, if by attention, and how its read was corrected.
    """

    understanding: Array
    state: PMIState
    candidate: Array
    input_gate: Array | None
    forget_gate: Array | None
    write: Attention
    working_read: Attention
    long_read: Array | None
    long_attention: Attention | None
    correction: Attention | None

    def __repr__(self) -> str:
        return f"PMIStep(understanding={tuple(self.understanding.shape)}, step={self.state.step})"


def _affine(x: Array, parameters: Parameters, name: str) -> Array:
    return linear(x, parameters[f"{name}.weight"], parameters[f"{name}.bias"])


def _norm(x: Array, parameters: Parameters, name: str) -> Array:
    return layer_norm(x, parameters[f"{name}.weight"], parameters[f"{name}.bias"])


def standardize(x: Array) -> Array:
    """Give every row zero mean and unit variance: a layer norm without parameters.

    Parameters
    ----------
    x : array, (..., n)

    Returns
    -------
    array, (..., n)
    """
    one = namespace(x).ones_like(x.reshape((-1, x.shape[-1]))[0])
    return layer_norm(x, one, 0 * one)


def _unit(x: Array) -> Array:
    """Rows of length one; a row of zeros stays one."""
    xp = namespace(x)
    return x / xp.sqrt(xp.sum(x * x, axis=-1, keepdims=True) + 1e-12)


def relu(x: Array) -> Array:
    """Zero what is negative.

    Parameters
    ----------
    x : array

    Returns
    -------
    array
    """
    xp = namespace(x)
    return np.maximum(x, 0) if xp is np else xp.relu(x)


def _softmax(x: Array) -> Array:
    xp = namespace(x)
    if xp is not np and x.shape[-1] < 16 <= x.shape[-2]:  # torch is slow with rows shorter than a vector
        return xp.softmax(x.swapaxes(-1, -2), -2).swapaxes(-1, -2)
    if xp is not np:
        return xp.softmax(x, -1)
    x = xp.exp(x - xp.amax(x, axis=-1, keepdims=True))
    return x / xp.sum(x, axis=-1, keepdims=True)


def attend(
    query: Array, rows: Array, parameters: Parameters, *, config: PMIConfig, top_k: int | None = None
) -> Attention:
    """Read rows by queries, with the one triple of projections that every reading shares.

    ``softmax(q k')`` in each head, the ``top_k`` largest kept as they are and the others zero, times the
    values; heads side by side, without another projection.

    Parameters
    ----------
    query : array, (B, queries, D)
    rows : array, (B, rows, D)
    parameters : mapping of str to array
        ``query_proj``, ``key_proj`` and ``value_proj``, each weight and bias.
    config : PMIConfig
    top_k : int or None
        None, or no fewer than there are rows, keeps all.

    Returns
    -------
    Attention

    Examples
    --------
    >>> import numpy as np
    >>> part = {f"{name}_proj.bias": np.zeros(2) for name in ("query", "key", "value")}
    >>> part |= {f"{name}_proj.weight": np.eye(2) for name in ("query", "key", "value")}
    >>> config = PMIConfig(d_model=2, n_heads=1, d_key=2, top_k=1)
    >>> attend(np.ones((1, 1, 2)), np.eye(2)[None], part, config=config).read
    array([[[0.5, 0.5]]])
    """
    q = heads(query, parameters, "query_proj", config=config)
    if _are_few(q, rows):
        return _attend_by_few(q, rows, parameters, config=config, top_k=top_k)
    return _attend(q, rows, parameters, config=config, top_k=top_k)[0]


def heads(x: Array, parameters: Parameters, name: str, *, config: PMIConfig) -> Array:
    """Project rows, and give each head its part.

    Parameters
    ----------
    x : array, (B, rows, D)
    parameters : mapping of str to array
    name : str
        Of the projection.
    config : PMIConfig

    Returns
    -------
    array, (B, H, rows, width)
    """
    whole = _affine(x, parameters, name)
    return whole.reshape((x.shape[0], x.shape[1], config.n_heads, -1)).swapaxes(1, 2)


def _attend(
    q: Array, rows: Array, parameters: Parameters, *, config: PMIConfig, top_k: int | None = None
) -> tuple[Attention, Array]:
    """Read rows by queries that are projected already; with the values (B, H, rows, width)."""
    k, v = (heads(rows, parameters, name, config=config) for name in ("key_proj", "value_proj"))
    return weighted(q, k, v, scale=_scale(config), top_k=top_k), v


def _scale(config: PMIConfig) -> float | None:
    return config.d_key**-0.5 if config.scale_scores else None


def _are_few(q: Array, rows: Array) -> bool:
    """Whether `_attend_by_few` multiplies less often than `_attend`."""
    (_, n_heads, n, width), (_, n_rows, d) = q.shape, rows.shape
    few = n * (n_heads * width + 2 * n_heads * n_rows + d)
    return bool(few < n_rows * (n_heads * width + d))


def _attend_by_few(
    q: Array, rows: Array, parameters: Parameters, *, config: PMIConfig, top_k: int | None
) -> Attention:
    """As `_attend`, with the projections on the side of the few queries: ``(q W_k) x'``, ``(weights x) W_v``.

    The bias of the keys, which adds the same to all scores of a row, is left out.
    """
    (batch, n_heads, n, _), d = q.shape, rows.shape[2]
    folded = _by_head(q) @ parameters["key_proj.weight"].reshape((n_heads, -1, d))
    scale, rows_turned = _scale(config), rows.swapaxes(1, 2)
    scores = _by_trial(folded, batch) @ rows_turned
    scores = scores if scale is None else scores * scale
    probabilities, weights, mask = _shares(scores.reshape((batch, n_heads, n, -1)), top_k)
    mixed = (weights.reshape((batch, n_heads * n, -1)) @ rows).reshape((batch, n_heads, n, d))
    value = parameters["value_proj.weight"].reshape((n_heads, -1, d)).swapaxes(1, 2)
    read = (_by_head(mixed) @ value).reshape((n_heads, batch, n, -1)).swapaxes(0, 1)
    whole = namespace(weights).sum(weights, -1)[..., None]
    read = read + whole * parameters["value_proj.bias"].reshape((n_heads, 1, -1))
    return Attention(read=read.swapaxes(1, 2).reshape((batch, n, -1)), probabilities=probabilities, mask=mask)


def _by_head(x: Array) -> Array:
    """(B, H, n, width) -> (H, B n, width)."""
    return x.swapaxes(0, 1).reshape((x.shape[1], x.shape[0] * x.shape[2], -1))


def _by_trial(x: Array, batch: int) -> Array:
    """(H, B n, width) -> (B, H n, width)."""
    return x.reshape((x.shape[0], batch, -1, x.shape[2])).swapaxes(0, 1).reshape((batch, -1, x.shape[2]))


def _heads_of_read(
    seen: Attention, values: Array | None, parameters: Parameters, name: str, *, config: PMIConfig
) -> Array:
    """`heads` of what was read; of few values by projecting those: ``weights (values W')``."""
    (batch, n_heads, n, n_rows), d = seen.probabilities.shape, seen.read.shape[2]
    if values is None or n_rows * (d + n * n_heads) >= n * d:
        return heads(seen.read, parameters, name, config=config)
    weight = parameters[f"{name}.weight"].reshape((-1, n_heads, values.shape[3])).swapaxes(0, 1)
    folded = _by_trial(_by_head(values) @ weight.swapaxes(1, 2), batch)
    weights = seen.probabilities if seen.mask is None else seen.probabilities * seen.mask
    whole = weights.swapaxes(1, 2).reshape((batch, n, -1)) @ folded + parameters[f"{name}.bias"]
    return whole.reshape((batch, n, n_heads, -1)).swapaxes(1, 2)


def weighted(q: Array, k: Array, v: Array, *, scale: float | None, top_k: int | None) -> Attention:
    """Read values by the softmax of queries times keys.

    Parameters
    ----------
    q, k, v : array, (B, H, queries or rows, width)
    scale : float or None
        Factor of the scores.
    top_k : int or None
        As for `attend`.

    Returns
    -------
    Attention
    """
    q = q if scale is None else q * scale
    probabilities, weights, mask = _shares(q @ k.swapaxes(-1, -2), top_k)
    read = (weights @ v).swapaxes(1, 2).reshape((q.shape[0], q.shape[2], -1))
    return Attention(read=read, probabilities=probabilities, mask=mask)


def _shares(scores: Array, top_k: int | None) -> tuple[Array, Array, Array | None]:
    """Softmax of scores, what of it is kept, and the mask."""
    probabilities = _softmax(scores)
    if top_k is None or top_k >= scores.shape[-1]:
        return probabilities, probabilities, None
    mask = _largest(probabilities, top_k)
    return probabilities, probabilities * mask, mask


def _largest(x: Array, k: int) -> Array:
    """Mark the k largest numbers of each row; of equal ones, the first."""
    xp = namespace(x)
    if xp is np:
        least = np.partition(x, -k, axis=-1)[..., -k, None]
    else:
        least = xp.topk(x, k).values[..., -1:]
    above, tied = x > least, x == least
    room = k - xp.sum(above, -1, keepdims=True)
    return above | (tied & (xp.cumsum(tied, -1) <= room))


def _perceive(tokens: Array, parameters: Parameters, *, config: PMIConfig) -> Array:
    """Project tokens (step 0), if they are to be."""
    return _affine(tokens, parameters, "input_projector") if config.input_projection else tokens


def compete(
    x: Array, working_memory: Array, parameters: Parameters, *, config: PMIConfig
) -> tuple[Array, Attention]:
    """Let tokens compete for the slots (steps 1 and 2).

    Parameters
    ----------
    x : array, (B, T, D)
        Tokens, projected.
    working_memory : array, (B, N, D)
    parameters : mapping of str to array
    config : PMIConfig

    Returns
    -------
    tuple
        The candidate (B, N, D), and the last reading of the tokens by the slots.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.memory import PMIMemory
    >>> memory = PMIMemory(PMIConfig(d_model=8, n_heads=2, n_slots=5))
    >>> x, state = np.ones((2, 3, 8)), memory.initial_state(2)
    >>> candidate, seen = compete(x, state.working_memory, memory.parameters, config=memory.config)
    >>> candidate.shape, seen.probabilities.shape
    ((2, 5, 8), (2, 2, 5, 3))
    """
    memory = working_memory
    for _ in range(config.n_blocks):
        seen = attend(memory, x, parameters, config=config, top_k=config.top_k)
        memory = _norm(memory + seen.read, parameters, "attended_memory_layernorm")
        y = memory
        for layer in range(config.mlp_layers):
            y = relu(_affine(y, parameters, f"attention_mlp.{0 if config.mlp_shared else layer}"))
        memory = _norm(memory + y, parameters, "attended_memory_layernorm2")
    return memory, seen


def gates(x: Array, working_memory: Array, parameters: Parameters) -> tuple[Array, Array]:
    """Input and forget gates from the tokens and what the slots hold (step 3).

    Parameters
    ----------
    x : array, (B, T, D)
        Tokens, projected.
    working_memory : array, (B, N, D)
    parameters : mapping of str to array

    Returns
    -------
    tuple of array
        (B, N, D) each, or (B, N, 1), as the parameters' shapes say.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.memory import PMIMemory
    >>> memory = PMIMemory(PMIConfig(d_model=8, n_heads=2, n_slots=5))
    >>> x, state = np.ones((2, 3, 8)), memory.initial_state(2)
    >>> opened, kept = gates(x, state.working_memory, memory.parameters)
    >>> opened.shape, bool((opened > 0).all())
    ((2, 5, 8), True)
    """
    xp = namespace(x)
    seen = xp.mean(relu(parameters["input_gate_projector.w"] * x), axis=1)
    seen = _affine(seen, parameters, "input_gate_projector.linear")
    held = xp.tanh(working_memory).swapaxes(0, 1) @ parameters["memory_gate_projector.weight"]
    both = held.swapaxes(0, 1) + parameters["memory_gate_projector.bias"] + seen[:, None]
    half = both.shape[-1] // 2
    return (
        sigmoid(both[..., :half] + parameters["input_bias"]),
        sigmoid(both[..., half:] + parameters["forget_bias"]),
    )


def remember(state: PMIState, candidate: Array, parameters: Parameters, *, config: PMIConfig) -> Array | None:
    """Take a candidate into the long-term memory (step 4).

    Parameters
    ----------
    state : PMIState
        Before the write.
    candidate : array, (B, N, D)
        Not gated; or the tokens (B, T, D), if they are what is stored.
    parameters : mapping of str to array
    config : PMIConfig

    Returns
    -------
    array or None
        The new long-term memory, as `PMIConfig.ltm_shape` says.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.memory import PMIMemory
    >>> memory = PMIMemory(PMIConfig(d_model=8, n_heads=2, n_slots=5, ltm_rule="ring"))
    >>> x, state = np.ones((2, 3, 8)), memory.initial_state(2)
    >>> float(remember(state, np.ones((2, 5, 8)), memory.parameters, config=memory.config).sum())
    80.0
    """
    memory = state.long_term_memory
    if config.ltm_rule == "none" or memory is None:
        return None
    xp = namespace(candidate)
    if config.ltm_rule == "official":
        raised = xp.sum(memory, axis=-1, keepdims=True) * candidate[:, None]
        return _norm(memory + raised, parameters, "attended_memory_layernorm3")
    if config.ltm_rule == "ring":
        c = state.step % config.n_segments
        return xp.concatenate((memory[:, :c], candidate[:, None], memory[:, c + 1 :]), axis=1)
    if config.ltm_rule == "stm":
        return memory + parameters["stm_rate"] * _relations(candidate, parameters) / config.n_slots
    keys = _address(candidate, parameters["ltm_key.weight"], config)
    error = (candidate @ parameters["ltm_value.weight"].T)[:, None]
    if config.ltm_rule == "delta":
        error = error - keys @ memory
    rate = sigmoid(_affine(candidate, parameters, "ltm_rate"))[:, None]
    return memory + (2 / keys.shape[-2]) * (keys.swapaxes(-1, -2) @ (rate * error))


def _address(x: Array, weight: Array, config: PMIConfig) -> Array:
    """Keys or queries of length one, (B, C, rows, E)."""
    address = namespace(x).einsum("bnd,ced->bcne", x, weight)
    return _unit(_softmax(address) if config.ltm_features == "softmax" else address)


def _relations(items: Array, parameters: Parameters) -> Array:
    """Products of items with items, ``sum_j tanh(q_s * k_j) v_j'`` for each s (Le, Tran, Venkatesh 2020)."""
    xp = namespace(items)
    q, k, v = (items @ parameters[f"stm_{name}.weight"].T for name in ("query", "key", "value"))
    q, k, v = (standardize(part) for part in (q, k, v))
    paired = xp.tanh(q[:, :, None] * k[:, None])  # (B, s, j, E)
    return paired.swapaxes(-1, -2) @ v[:, None]


def recall(
    x: Array, state: PMIState, parameters: Parameters, *, config: PMIConfig, asking: Array | None = None
) -> tuple[Array, Attention | None]:
    """Read the long-term memory by the tokens (step 5).

    Parameters
    ----------
    x : array, (B, T, D)
        Tokens, projected.
    state : PMIState
        With a long-term memory, after at least one write for ``ring``.
    parameters : mapping of str to array
    config : PMIConfig
    asking : array or None
        Queries of the tokens by `heads`, if they are known already.

    Returns
    -------
    tuple
        The read (B, T, D), and the `Attention` it came from, None for fast weights and relations.

    Raises
    ------
    SpecError
        If a ring was not written to.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.memory import PMIMemory
    >>> memory = PMIMemory(PMIConfig(d_model=8, n_heads=2, n_slots=5))
    >>> x, state = np.ones((2, 3, 8)), memory.initial_state(2)
    >>> bool(recall(x, state, memory.parameters, config=memory.config)[0].any())  # nothing is stored yet
    False
    """
    return _recall(x, state, parameters, config=config, asking=asking)[:2]


def _recall(
    x: Array, state: PMIState, parameters: Parameters, *, config: PMIConfig, asking: Array | None
) -> tuple[Array, Attention | None, Array | None]:
    """As `recall`; with the values, if it was read by attention."""
    xp = namespace(x)
    memory: Any = state.long_term_memory
    batch, n_tokens = x.shape[:2]
    if config.ltm_rule in ("official", "ring"):
        top_k = config.top_k if config.ltm_rule == "official" else None
        if config.ltm_rule == "official":
            rows = xp.mean(memory, axis=1)
        elif not state.step:
            fix = "write to it first, by memorize or pmi_step"
            raise SpecError.of(where="recall", name="state", bound="holds nothing in its ring", fix=fix)
        else:
            rows = memory[:, : min(state.step, config.n_segments)].reshape((batch, -1, config.d_model))
        q = heads(x, parameters, "query_proj", config=config) if asking is None else asking
        seen, values = _attend(q, rows, parameters, config=config, top_k=top_k)
        return seen.read, seen, values
    if config.ltm_rule == "stm":
        slots = _softmax(
            (x @ parameters["stm_slots.weight"].T).reshape((batch, n_tokens, config.n_heads, -1))
        )
        asked = _unit((x @ parameters["stm_read.weight"].T).reshape((batch, n_tokens, config.n_heads, -1)))
        read = xp.einsum("bthn,bthe,bned->bthd", slots, asked, memory)
        return read.reshape((batch, n_tokens, -1)) @ parameters["stm_out.weight"].T, None, None
    asked = _address(x, parameters["ltm_query.weight"], config)
    read = (asked @ memory).swapaxes(1, 2).reshape((batch, n_tokens, -1))
    return read @ parameters["ltm_out.weight"].T, None, None


def pmi_step(
    tokens: Array,
    state: PMIState,
    parameters: Parameters,
    *,
    config: PMIConfig,
    n_read: int | None = None,
) -> PMIStep:
    """Perceive tokens, write both memories, read both, and join what they say.

    Parameters
    ----------
    tokens : array, (B, T, d_input)
    state : PMIState
    parameters : mapping of str to array
    config : PMIConfig
    n_read : int or None
        How many of the first tokens are to be understood; None: all. All are written.

    Returns
    -------
    PMIStep

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.memory import PMIMemory
    >>> memory = PMIMemory(PMIConfig(d_model=8, n_heads=2, n_slots=5))
    >>> x, state = np.ones((2, 3, 8)), memory.initial_state(2)
    >>> pmi_step(x, state, memory.parameters, config=memory.config)
    PMIStep(understanding=(2, 3, 8), step=1)
    """
    x = _perceive(tokens, parameters, config=config)
    written = _write(x, state, parameters, config=config)
    return PMIStep(**written, **_read(x, written["state"], parameters, config=config, n_read=n_read))


def memorize(tokens: Array, state: PMIState, parameters: Parameters, *, config: PMIConfig) -> PMIState:
    """Perceive tokens and write both memories, without reading them: steps 0 to 4 of `pmi_step`.

    Parameters
    ----------
    tokens : array, (B, T, d_input)
    state : PMIState
    parameters : mapping of str to array
    config : PMIConfig

    Returns
    -------
    PMIState
        As after `pmi_step`.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.memory import PMIMemory
    >>> memory = PMIMemory(PMIConfig(d_model=8, n_heads=2, n_slots=5))
    >>> state = memorize(np.ones((2, 3, 8)), memory.initial_state(2), memory.parameters, config=memory.config)
    >>> state.step
    1
    """
    x = _perceive(tokens, parameters, config=config)
    new: PMIState = _write(x, state, parameters, config=config)["state"]
    return new


def retrieve(tokens: Array, state: PMIState, parameters: Parameters, *, config: PMIConfig) -> Array:
    """Ask both memories and write nothing: steps 0, 5 and 6 of `pmi_step`.

    Parameters
    ----------
    tokens : array, (B, T, d_input)
    state : PMIState
        After at least one write for ``ring``.
    parameters : mapping of str to array
    config : PMIConfig

    Returns
    -------
    array, (B, T, D)
        What is understood.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.memory import PMIMemory
    >>> memory = PMIMemory(PMIConfig(d_model=8, n_heads=2, n_slots=5))
    >>> x, state = np.ones((2, 3, 8)), memory.initial_state(2)
    >>> step = pmi_step(x, state, memory.parameters, config=memory.config)
    >>> again = retrieve(x, step.state, memory.parameters, config=memory.config)
    >>> bool((again == step.understanding).all())
    True
    """
    x = _perceive(tokens, parameters, config=config)
    return _read(x, state, parameters, config=config)["understanding"]


def _write(x: Array, state: PMIState, parameters: Parameters, *, config: PMIConfig) -> dict[str, Any]:
    """Steps 1 to 4, by the names of `PMIStep`."""
    candidate, write = compete(x, state.working_memory, parameters, config=config)
    working, opened, kept = candidate, None, None
    if config.gate != "none":
        opened, kept = gates(x, state.working_memory, parameters)
        working = opened * namespace(x).tanh(candidate) + kept * state.working_memory
    rows = x if config.ltm_source == "tokens" else candidate
    long = remember(state, rows, parameters, config=config)
    new = PMIState(working_memory=working, long_term_memory=long, step=state.step + 1)
    gated = {"input_gate": opened, "forget_gate": kept}
    return {"state": new, "candidate": candidate, "write": write, **gated}


def _read(
    x: Array, state: PMIState, parameters: Parameters, *, config: PMIConfig, n_read: int | None = None
) -> dict[str, Any]:
    """Steps 5 and 6, by the names of `PMIStep`."""
    working = state.working_memory
    rows = namespace(x).concatenate((working, x), axis=1) if config.read_tokens else working
    joins = config.ltm_rule != "none"
    corrects = joins and config.integration != "direct"  # a correction reads what all tokens have read
    asking = heads(x if corrects else x[:, :n_read], parameters, "query_proj", config=config)
    working_read, values = _attend(asking, rows, parameters, config=config)
    long_read, long_attention, correction = None, None, None
    understanding = working_read.read[:, :n_read]
    if joins:
        few = asking[:, :, :n_read]
        long_read, long_attention, kept = _recall(x[:, :n_read], state, parameters, config=config, asking=few)
        joined = long_read
        if corrects:
            if long_attention is None:
                q = heads(long_read, parameters, "query_proj", config=config)
            else:
                q = _heads_of_read(long_attention, kept, parameters, "query_proj", config=config)
            k, v = (
                _heads_of_read(working_read, values, parameters, name, config=config)
                for name in ("key_proj", "value_proj")
            )
            correction = weighted(q, k, v, scale=_scale(config), top_k=None)
            joined = correction.read if config.integration == "correction" else long_read + correction.read
        understanding = config.alpha * understanding + (1 - config.alpha) * joined
    if config.output_projection:
        understanding = _affine(understanding, parameters, "output_projector")
    return {
        "understanding": understanding,
        "working_read": working_read,
        "long_read": long_read,
        "long_attention": long_attention,
        "correction": correction,
    }
