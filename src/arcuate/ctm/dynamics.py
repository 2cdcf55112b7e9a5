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

from arcuate.ctm._answers import classes_of
from arcuate.ctm._checks import check_heads, check_widths, part
from arcuate.ctm.pairs import SELECTIONS, draw_neurons, pair_list
from arcuate.errors import NonFiniteError, SpecError, check_real

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
    package = type(x).__module__.partition(".")[0]
    if not hasattr(x, "shape") or package not in ("numpy", "torch"):
        bound = f"must be a NumPy array or a torch tensor, not {type(x).__name__}"
        raise SpecError.of(where="CTM", name="x", bound=bound)
    return np if package == "numpy" else sys.modules[package]


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
    """Logistic function 1 / (1 + exp(-x)); it does not overflow, and what is near 0 keeps its digits.

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
    xp = namespace(x)
    if xp is not np:
        return xp.sigmoid(x)
    from scipy.special import expit

    return expit(x)


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
    n, odd = divmod(x.shape[-1], 2)
    if odd or not n:
        raise SpecError.of(where="CTM", name="x", value=tuple(x.shape), bound="must end in an even axis")
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
    check_widths(x.shape, weight.shape[-1:], "x")
    check_widths(bias.shape, weight.shape[:1], "bias")
    if (xp := namespace(x)) is not np:  # adds the bias while it multiplies
        return xp.nn.functional.linear(x, weight, bias)
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
    check_widths(scale.shape, x.shape[-1:], "scale")
    check_widths(shift.shape, x.shape[-1:], "shift")
    if xp is not np:  # rounds, and has a gradient, as the official code does
        return xp.nn.functional.layer_norm(x, x.shape[-1:], scale, shift, LAYER_NORM_EPS)
    centered = x - xp.mean(x, axis=-1, keepdims=True)
    variance = xp.mean(centered * centered, axis=-1, keepdims=True)
    return centered / xp.sqrt(variance + LAYER_NORM_EPS) * scale + shift


def _map(x: Array, parameters: Parameters, name: str) -> Array:
    return linear(x, part(parameters, f"{name}.weight"), part(parameters, f"{name}.bias"))


def _norm(x: Array, parameters: Parameters, name: str) -> Array:
    return layer_norm(x, part(parameters, f"{name}.weight"), part(parameters, f"{name}.bias"))


def _silu_block(x: Array, parameters: Parameters, name: tuple[str, int]) -> Array:
    """Linear, layer norm, SiLU; the name is a stem and the number of the linear map, the norm's is next."""
    stem, first = name
    y = _map(x, parameters, f"{stem}{first}")
    y = _norm(y, parameters, f"{stem}{first + 1}")
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
    x = _norm(glu(_map(drop(x), parameters, "1")), parameters, "3")
    # the dropout of the first block has number 0; a second block follows without one
    return _norm(glu(_map(x, parameters, "4")), parameters, "6") if "4.weight" in parameters else x


def _unet(x: Array, parameters: Parameters, drop: Callable[[Array], Array]) -> Array:
    levels = [_silu_block(x, parameters, ("first_projection.", 0))]
    depth = sum(name.startswith("skip_lns.") and name.endswith(".weight") for name in parameters)
    for level in range(depth):
        levels.append(_silu_block(drop(levels[-1]), parameters, (f"down_projections.{level}.", 1)))
    up = levels.pop()
    for level in reversed(range(depth)):
        up = _silu_block(drop(up), parameters, (f"up_projections.{level}.", 1)) + levels[level]
        up = _norm(up, parameters, f"skip_lns.{level}")
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
    x = glu(_neuron_layer(drop(trace), parameters, "0.0."))
    if "0.2.w1" in parameters:
        x = glu(_neuron_layer(drop(x), parameters, "0.2."))
    return x[..., 0]


def _neuron_layer(x: Array, parameters: Parameters, layer: str) -> Array:
    xp = namespace(x)
    weight = xp.moveaxis(part(parameters, f"{layer}w1"), -1, 0)  # (D, in, out): one product per neuron
    check_widths(x.shape, weight.shape[:2], "trace")
    if f"{layer}layernorm.weight" in parameters:
        x = _norm(x, parameters, f"{layer}layernorm")
    y = (x.swapaxes(0, 1) @ weight).swapaxes(0, 1)
    return (y + part(parameters, f"{layer}b1")) / part(parameters, f"{layer}T")


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
    check_widths(activation.shape, trace.shape[:-1], "activation")
    return namespace(trace).concatenate((trace[..., 1:], activation[..., None]), axis=-1)


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
    try:
        return z[..., pairs[0]] * z[..., pairs[1]]
    except IndexError as error:
        bound = f"must be numbers of the {z.shape[-1]} neurons ({error})"
        raise SpecError.of(where="CTM", name="pairs", bound=bound) from error


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
    check_real(maximum, where="CTM", name="maximum", low=0)
    if xp.isnan(decay).any():
        raise NonFiniteError.of(where="CTM", name="decay", bound="must be numbers, not nan")
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
    if r.shape:
        check_widths(r.shape, products.shape[-1:], "r")
    if state is None:
        return SynchronyState(products, namespace(r).ones_like(r))
    check_widths(products.shape, state.alpha.shape, "products")
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
    classes_of(prediction.shape[-1], shape)
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
    return _norm(_map(tokens, parameters, "0"), parameters, "1")


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
    weight, bias = part(parameters, "in_proj_weight"), part(parameters, "in_proj_bias")
    check_widths(weight.shape, (3 * e, e), "in_proj_weight")
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
    check_heads(heads, e)
    for x, name in zip(keys_values, ("keys", "values"), strict=True):
        check_widths((len(x), x.shape[-1]), (batch, e), name)
    q = linear(query, part(parameters, "in_proj_weight")[:e], part(parameters, "in_proj_bias")[:e])
    q = q.reshape((batch, heads, 1, e // heads))
    k, v = (x.reshape((batch, -1, heads, e // heads)).swapaxes(1, 2) for x in keys_values)
    scores = q @ k.swapaxes(-1, -2) / math.sqrt(e // heads)
    scores = xp.exp(scores - xp.amax(scores, axis=-1, keepdims=True))
    weights = scores / xp.sum(scores, axis=-1, keepdims=True)
    read = (drop(weights) @ v).reshape((batch, e))
    return _map(read, parameters, "out_proj"), weights
