"""Equations of the Continuous Thought Machine, as pure functions of arrays.

Every function takes NumPy arrays or torch tensors and gives the same kind back; nothing is changed in place.
Parameters are mappings with the names of the official implementation
(https://github.com/SakanaAI/continuous-thought-machines, Apache-2.0, commit aecfb63), less the prefix of the
part: ``synapse`` takes what stands below ``synapses.``, and so on. Equations are those of Darlow et al. 2025,
arXiv 2505.05522, by their numbers in docs/concepts/ctm.md, which also tells the official code's quirks.

Letters: B trials, T ticks, D neurons, E width of the attention, L tokens, M length of the history,
H hidden width of a neuron-level model, P pairs of neurons, O outputs.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from arcuate.errors import SpecError, check_choice, check_int
from arcuate.rng import stream

__all__ = [
    "DECAY_MAX",
    "SELECTIONS",
    "WINDOW_DECAY_MAX",
    "SynchronyState",
    "attention_read",
    "below",
    "certainty",
    "decay_factor",
    "draw_neurons",
    "glu",
    "key_values",
    "layer_norm",
    "linear",
    "namespace",
    "neuron_models",
    "pair_list",
    "pair_products",
    "project_keys_values",
    "sigmoid",
    "step_synchrony",
    "synapse",
    "synchrony",
    "update_trace",
    "windowed_synchrony",
]

Array = Any
"""A NumPy array or a torch tensor."""

Parameters = Mapping[str, Array]
"""Arrays by their official names."""

DECAY_MAX = 15.0
"""Largest decay per tick that the official code lets through: exp(-15) is 3e-7."""

WINDOW_DECAY_MAX = 4.0
"""The same for synchrony over a sliding window."""

SELECTIONS = ("first-last", "random", "random-pairing")
"""Ways to choose the neurons whose synchrony is read."""

LAYER_NORM_EPS = 1e-5


def namespace(x: Array) -> Any:
    """Give the package of an array, which is loaded already: NumPy or torch.

    Parameters
    ----------
    x : array

    Returns
    -------
    module

    Examples
    --------
    >>> namespace(np.ones(1)) is np
    True
    """
    return sys.modules[type(x).__module__.partition(".")[0]]


def _same(x: Array) -> Array:
    return x


def below(parameters: Parameters, prefix: str) -> dict[str, Array]:
    """Take the parameters whose names begin with a prefix, without it.

    Parameters
    ----------
    parameters : mapping of str to array
    prefix : str

    Returns
    -------
    dict of str to array

    Examples
    --------
    >>> below({"synapses.1.bias": 0.0, "start_trace": 1.0}, "synapses.")
    {'1.bias': 0.0}
    """
    return {name[len(prefix) :]: value for name, value in parameters.items() if name.startswith(prefix)}


def sigmoid(x: Array) -> Array:
    """Logistic function 1 / (1 + exp(-x)), by way of tanh, which cannot overflow.

    Parameters
    ----------
    x : array

    Returns
    -------
    array

    Examples
    --------
    >>> float(sigmoid(np.array(0.0)))
    0.5
    """
    return 0.5 + 0.5 * namespace(x).tanh(0.5 * x)


def glu(x: Array) -> Array:
    """Gated linear unit over the last axis: the first half times the logistic function of the second.

    Parameters
    ----------
    x : array, (..., 2 n)

    Returns
    -------
    array, (..., n)

    Examples
    --------
    >>> glu(np.array([1.0, 2.0, 0.0, 0.0]))
    array([0.5, 1. ])
    """
    n = x.shape[-1] // 2
    return x[..., :n] * sigmoid(x[..., n:])


def linear(x: Array, weight: Array, bias: Array) -> Array:
    """Affine map of the last axis: ``x @ weight.T + bias``.

    Parameters
    ----------
    x : array, (..., n)
    weight : array, (m, n)
    bias : array, (m,)

    Returns
    -------
    array, (..., m)

    Examples
    --------
    >>> linear(np.array([1.0, 2.0]), np.array([[3.0, 4.0]]), np.array([0.5]))
    array([11.5])
    """
    return x @ weight.T + bias


def layer_norm(x: Array, scale: Array, shift: Array) -> Array:
    """Zero mean and unit (population) variance over the last axis, then an affine map; epsilon is 1e-5.

    Parameters
    ----------
    x : array, (..., n)
    scale, shift : array, (n,)

    Returns
    -------
    array, (..., n)

    Examples
    --------
    >>> layer_norm(np.array([1.0, 3.0]), np.ones(2), np.zeros(2)).round(4)
    array([-1.,  1.])
    """
    xp = namespace(x)
    centered = x - xp.mean(x, axis=-1, keepdims=True)
    variance = xp.mean(centered * centered, axis=-1, keepdims=True)
    return centered / xp.sqrt(variance + LAYER_NORM_EPS) * scale + shift


def _silu_block(x: Array, parameters: Parameters, name: tuple[str, int]) -> Array:
    """Linear, layer norm, SiLU; the name is a stem and the number of the linear map, the norm's is next."""
    stem, first = name
    y = linear(x, parameters[f"{stem}{first}.weight"], parameters[f"{stem}{first}.bias"])
    norm = f"{stem}{first + 1}"
    y = layer_norm(y, parameters[f"{norm}.weight"], parameters[f"{norm}.bias"])
    return y * sigmoid(y)


def synapse(x: Array, parameters: Parameters, *, drop: Callable[[Array], Array] = _same) -> Array:
    """Pre-activations of all neurons from what is read and what the neurons last did (equation 3).

    Depth 1 is ``Linear -> GLU -> LayerNorm``, which the reinforcement-learning variant does twice. Deeper is
    a U-Net of ``Linear -> LayerNorm -> SiLU`` with a layer norm after each sum with a skipped level; the
    parameters' names say which it is.

    Parameters
    ----------
    x : array, (..., E + D)
        The read first, then the post-activations.
    parameters : mapping of str to array
        What stands below ``synapses.`` in the official names.
    drop : callable
        Dropout, applied where the official code does: before each linear map but the U-Net's first.

    Returns
    -------
    array, (..., D)

    Examples
    --------
    >>> block = {"1.weight": np.eye(4, 3), "1.bias": np.zeros(4)}
    >>> block |= {"3.weight": np.ones(2), "3.bias": np.zeros(2)}
    >>> synapse(np.array([1.0, 2.0, 3.0]), block).round(3)
    array([-0.991,  0.991])
    """
    if "first_projection.0.weight" in parameters:
        return _unet(x, parameters, drop)
    first = 1
    while f"{first}.weight" in parameters:
        # the dropout of a first block has number 0; a second block follows without one
        x = drop(x) if first == 1 else x
        x = glu(linear(x, parameters[f"{first}.weight"], parameters[f"{first}.bias"]))
        x = layer_norm(x, parameters[f"{first + 2}.weight"], parameters[f"{first + 2}.bias"])
        first += 3
    return x


def _unet(x: Array, parameters: Parameters, drop: Callable[[Array], Array]) -> Array:
    levels = [_silu_block(x, parameters, ("first_projection.", 0))]
    depth = sum(name.startswith("skip_lns.") and name.endswith(".weight") for name in parameters)
    for level in range(depth):
        levels.append(_silu_block(drop(levels[-1]), parameters, (f"down_projections.{level}.", 1)))
    up = levels.pop()
    for level in reversed(range(depth)):
        up = _silu_block(drop(up), parameters, (f"up_projections.{level}.", 1)) + levels[level]
        up = layer_norm(up, parameters[f"skip_lns.{level}.weight"], parameters[f"skip_lns.{level}.bias"])
    return up


def neuron_models(trace: Array, parameters: Parameters, *, drop: Callable[[Array], Array] = _same) -> Array:
    """Post-activations: each neuron maps its own history by weights of its own (equation 5).

    One layer (linear) or two (deep), each ``(input . w + b) / T`` and a GLU; with a ``layernorm`` among the
    parameters, each layer first normalizes its input over the history.

    Parameters
    ----------
    trace : array, (B, D, M)
        Pre-activations, oldest first.
    parameters : mapping of str to array
        What stands below ``trace_processor.`` in the official names: weights (in, out, D), biases
        (1, D, out).
    drop : callable
        Dropout on the input of each layer.

    Returns
    -------
    array, (B, D)

    Examples
    --------
    >>> one = {"0.0.w1": np.ones((2, 2, 1)), "0.0.b1": np.zeros((1, 1, 2)), "0.0.T": np.array([1.0])}
    >>> neuron_models(np.array([[[0.5, 0.5]]]), one).round(4)
    array([[0.7311]])
    """
    x = trace
    for layer in ("0.0.", "0.2."):
        if f"{layer}w1" in parameters:
            x = glu(_neuron_layer(drop(x), parameters, layer))
    return x[..., 0]


def _neuron_layer(x: Array, parameters: Parameters, layer: str) -> Array:
    xp = namespace(x)
    scale = parameters.get(f"{layer}layernorm.weight")
    if scale is not None:
        x = layer_norm(x, scale, parameters[f"{layer}layernorm.bias"])
    weight = xp.moveaxis(parameters[f"{layer}w1"], -1, 0)  # (D, in, out): one product per neuron
    y = (x.swapaxes(0, 1) @ weight).swapaxes(0, 1)
    return (y + parameters[f"{layer}b1"]) / parameters[f"{layer}T"]


def update_trace(trace: Array, activation: Array) -> Array:
    """Drop the oldest entry of a history and append the newest (equation 4).

    Parameters
    ----------
    trace : array, (B, D, M)
    activation : array, (B, D)

    Returns
    -------
    array, (B, D, M)

    Examples
    --------
    >>> update_trace(np.array([[[1.0, 2.0]]]), np.array([[3.0]]))
    array([[[2., 3.]]])
    """
    return namespace(trace).concatenate((trace[..., 1:], activation[..., None]), axis=-1)


def draw_neurons(
    selection: str, n: int, *, n_neurons: int, action: bool = False, n_self: int = 0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Choose the left and the right neurons of one synchrony vector.

    ``first-last`` takes the first n neurons, or, for the action, the last n. ``random`` draws n on the left
    and, independently, n on the right. ``random-pairing`` draws n pairs, of which the first ``n_self`` pair a
    neuron with itself. Draws are with replacement, as in the official code.

    Parameters
    ----------
    selection : {"first-last", "random", "random-pairing"}
    n : int
        Neurons on each side; pairs for ``random-pairing``.
    n_neurons : int
        D.
    action : bool
        Whether it is the synchrony that asks, or the one that answers.
    n_self : int
        Pairs of a neuron with itself, for ``random-pairing`` alone.
    seed : int
        Address of the draws: ``ctm/pairs/out`` or ``ctm/pairs/action``.

    Returns
    -------
    tuple of ndarray
        Left and right, (n,) each.

    Raises
    ------
    SpecError
        If more pairs are asked for than exist, or more pairs with itself than pairs.

    Examples
    --------
    >>> draw_neurons("first-last", 2, n_neurons=5, action=True)
    (array([3, 4]), array([3, 4]))
    """
    where = "CTM action synchrony" if action else "CTM output synchrony"
    check_choice(selection, SELECTIONS, where=where, name="selection")
    d = check_int(n_neurons, where=where, name="n_neurons")
    check_int(n, where=where, name="n")
    pairwise = selection == "random-pairing"
    pairs, exist = n if pairwise else n * (n + 1) // 2, d * (d + 1) // 2
    if pairs > exist:
        largest = exist if pairwise else d
        bound = f"asks for {pairs} pairs, but {d} neurons have {exist}"
        raise SpecError.of(where=where, name="n", value=n, bound=bound, fix=f"use n <= {largest}")
    check_int(n_self, where=where, name="n_self", low=0, high=n - 1 if pairwise else 0)
    if selection == "first-last":
        chosen = np.arange(d - n, d) if action else np.arange(n)
        return chosen, chosen.copy()
    rng = stream(seed, "ctm/pairs/action" if action else "ctm/pairs/out")
    left, right = rng.integers(d, size=n), rng.integers(d, size=n)
    right[:n_self] = left[:n_self]
    return left, right


def pair_list(left: Array, right: Array, n_pairs: int) -> tuple[Array, Array]:
    """Neurons i and j of every entry of a synchrony vector.

    As many pairs as neurons on a side: left and right are paired one by one (``random-pairing``). Otherwise
    the upper triangle of all left with all right, row by row, diagonal included.

    Parameters
    ----------
    left, right : array of int, (n,)
    n_pairs : int
        n, or n (n + 1) / 2: the length of the decays.

    Returns
    -------
    tuple of array
        i and j, (n_pairs,) each.

    Raises
    ------
    SpecError
        If n neurons cannot give that many pairs.

    Examples
    --------
    >>> pair_list(np.array([4, 5]), np.array([4, 5]), 3)
    (array([4, 4, 5]), array([4, 5, 5]))
    """
    n = len(left)
    if n_pairs == n and len(right) == n:
        return left, right
    if n_pairs != n * (n + 1) // 2 or len(right) != n:
        bound = f"must be {n} or {n * (n + 1) // 2} for {n} left and {len(right)} right neurons"
        raise SpecError.of(where="CTM synchrony", name="decays", value=n_pairs, bound=bound)
    rows, columns = np.triu_indices(n)
    return left[rows], right[columns]


def pair_products(z: Array, pairs: tuple[Array, Array]) -> Array:
    """Products of the post-activations of pairs, the increments of synchrony.

    Parameters
    ----------
    z : array, (..., D)
    pairs : tuple of array of int
        i and j, as `pair_list` gives them.

    Returns
    -------
    array, (..., P)

    Examples
    --------
    >>> pair_products(np.array([2.0, 3.0]), (np.array([0, 1]), np.array([1, 1])))
    array([6., 9.])
    """
    return z[..., pairs[0]] * z[..., pairs[1]]


def decay_factor(decay: Array, *, maximum: float = DECAY_MAX) -> Array:
    """What is left of synchrony after a tick: r = exp(-clip(decay, 0, maximum)).

    Negative decays would let synchrony grow without bound; like the official code, this takes them for 0.

    Parameters
    ----------
    decay : array, (P,)
        Per tick.
    maximum : float
        15, or 4 for a sliding window.

    Returns
    -------
    array, (P,)
        In (0, 1].

    Examples
    --------
    >>> decay_factor(np.array([-1.0, 0.0, np.log(2.0)])).round(3)
    array([1. , 1. , 0.5])
    """
    xp = namespace(decay)
    return xp.exp(-xp.clip(decay, 0.0, maximum))


class SynchronyState(NamedTuple):
    """Running sums of one synchrony vector.

    Parameters
    ----------
    alpha : array, (B, P)
        Discounted sum of products.
    beta : array, (P,)
        Discounted number of terms.

    Examples
    --------
    >>> state = step_synchrony(None, np.array([[4.0]]), np.array([1.0]))
    >>> float(state.beta[0])
    1.0
    """

    alpha: Array
    beta: Array


def step_synchrony(state: SynchronyState | None, products: Array, r: Array) -> SynchronyState:
    """Add one tick: alpha <- r alpha + z_i z_j, beta <- r beta + 1 (equations 1 and 6).

    Output synchrony begins with the products of the start state; action synchrony begins empty and sees
    that state at its first tick.

    Parameters
    ----------
    state : SynchronyState or None
        None before the first term.
    products : array, (B, P)
    r : array, (P,)
        As `decay_factor` gives it.

    Returns
    -------
    SynchronyState

    Examples
    --------
    >>> half = np.array([0.5])
    >>> state = step_synchrony(None, np.array([[4.0]]), half)
    >>> step_synchrony(state, np.array([[1.0]]), half)
    SynchronyState(alpha=array([[3.]]), beta=array([1.5]))
    """
    if state is None:
        return SynchronyState(products, namespace(r).ones_like(r))
    return SynchronyState(r * state.alpha + products, r * state.beta + 1.0)


def synchrony(state: SynchronyState) -> Array:
    """Read the vector: S = alpha / sqrt(beta) (equations 1 and 6).

    Parameters
    ----------
    state : SynchronyState

    Returns
    -------
    array, (B, P)

    Examples
    --------
    >>> synchrony(SynchronyState(np.array([[6.0]]), np.array([4.0])))
    array([[3.]])
    """
    return state.alpha / namespace(state.beta).sqrt(state.beta)


def windowed_synchrony(trace: Array, decay: Array, pairs: tuple[Array, Array]) -> Array:
    """Synchrony over the last M post-activations, as the reinforcement-learning variant has it.

    Parameters
    ----------
    trace : array, (B, D, M)
        Post-activations, oldest first.
    decay : array, (P,)
        Per tick, taken between 0 and 4.
    pairs : tuple of array of int

    Returns
    -------
    array, (B, P)

    Examples
    --------
    >>> one = np.zeros(1, int)
    >>> windowed_synchrony(np.array([[[1.0, 2.0]]]), np.zeros(1), (one, one)).round(4)
    array([[3.5355]])
    """
    r = decay_factor(decay, maximum=WINDOW_DECAY_MAX)
    state = None
    for k in range(trace.shape[-1]):
        state = step_synchrony(state, pair_products(trace[..., k], pairs), r)
    if state is None:
        raise SpecError.of(where="CTM", name="trace", bound="must hold at least one tick")
    return synchrony(state)


def certainty(prediction: Array, shape: Sequence[int] = (-1,)) -> Array:
    """Normalized entropy of a prediction, and one less that: the certainty (equation 7).

    Parameters
    ----------
    prediction : array, (B, O)
        Logits.
    shape : sequence of int
        How O falls into positions and classes (``prediction_reshaper``); the last axis is the classes.

    Returns
    -------
    array, (B, 2)
        Entropy in units of log(classes), averaged over positions; certainty.

    Examples
    --------
    >>> certainty(np.zeros((1, 4)))
    array([[1., 0.]])
    """
    xp = namespace(prediction)
    x = prediction.reshape((prediction.shape[0], *shape))
    x = x - xp.amax(x, axis=-1, keepdims=True)
    log_p = x - xp.log(xp.sum(xp.exp(x), axis=-1, keepdims=True))
    entropy = -xp.sum(xp.exp(log_p) * log_p, axis=-1) / math.log(x.shape[-1])
    entropy = xp.mean(entropy.reshape((prediction.shape[0], -1)), axis=-1)
    return xp.stack((entropy, 1.0 - entropy), axis=-1)


def key_values(tokens: Array, parameters: Parameters) -> Array:
    """What is attended to: an affine map and a layer norm of each token, once per input.

    Parameters
    ----------
    tokens : array, (B, L, C)
        Features, positions added.
    parameters : mapping of str to array
        What stands below ``kv_proj.``.

    Returns
    -------
    array, (B, L, E)

    Examples
    --------
    >>> part = {"0.weight": np.eye(2), "0.bias": np.zeros(2), "1.weight": np.ones(2), "1.bias": np.zeros(2)}
    >>> key_values(np.array([[[1.0, 3.0]]]), part).round(4)
    array([[[-1.,  1.]]])
    """
    mapped = linear(tokens, parameters["0.weight"], parameters["0.bias"])
    return layer_norm(mapped, parameters["1.weight"], parameters["1.bias"])


def project_keys_values(kv: Array, parameters: Parameters) -> tuple[Array, Array]:
    """Keys and values of the attention, which no tick changes.

    Parameters
    ----------
    kv : array, (B, L, E)
        As `key_values` gives it.
    parameters : mapping of str to array
        What stands below ``attention.``.

    Returns
    -------
    tuple of array
        Keys and values, (B, L, E) each.

    Examples
    --------
    >>> part = {"in_proj_weight": np.vstack([np.eye(2)] * 3), "in_proj_bias": np.zeros(6)}
    >>> keys, values = project_keys_values(np.ones((1, 3, 2)), part)
    >>> keys.shape
    (1, 3, 2)
    """
    e = kv.shape[-1]
    weight, bias = parameters["in_proj_weight"], parameters["in_proj_bias"]
    return linear(kv, weight[e : 2 * e], bias[e : 2 * e]), linear(kv, weight[2 * e :], bias[2 * e :])


def attention_read(
    query: Array,
    keys_values: tuple[Array, Array],
    parameters: Parameters,
    *,
    heads: int,
    drop: Callable[[Array], Array] = _same,
) -> tuple[Array, Array]:
    """Read the tokens by one query per trial: softmax(q k / sqrt(E / heads)) v (equation 2).

    Parameters
    ----------
    query : array, (B, E)
        Before the attention's own projection.
    keys_values : tuple of array
        As `project_keys_values` gives them.
    parameters : mapping of str to array
        What stands below ``attention.``.
    heads : int
        Must divide E.
    drop : callable
        Dropout of the weights.

    Returns
    -------
    tuple of array
        The read (B, E), and the weights (B, heads, 1, L) before dropout.

    Examples
    --------
    >>> part = {"in_proj_weight": np.vstack([np.eye(2)] * 3), "in_proj_bias": np.zeros(6)}
    >>> part |= {"out_proj.weight": np.eye(2), "out_proj.bias": np.zeros(2)}
    >>> tokens = np.array([[[1.0, 0.0], [0.0, 1.0]]])
    >>> read, weights = attention_read(np.zeros((1, 2)), project_keys_values(tokens, part), part, heads=1)
    >>> read
    array([[0.5, 0.5]])
    """
    xp = namespace(query)
    batch, e = query.shape
    q = linear(query, parameters["in_proj_weight"][:e], parameters["in_proj_bias"][:e])
    q = q.reshape((batch, heads, 1, e // heads))
    k, v = (x.reshape((batch, -1, heads, e // heads)).swapaxes(1, 2) for x in keys_values)
    scores = q @ k.swapaxes(-1, -2) / math.sqrt(e // heads)
    scores = xp.exp(scores - xp.amax(scores, axis=-1, keepdims=True))
    weights = scores / xp.sum(scores, axis=-1, keepdims=True)
    read = (drop(weights) @ v).reshape((batch, e))
    return linear(read, parameters["out_proj.weight"], parameters["out_proj.bias"]), weights
