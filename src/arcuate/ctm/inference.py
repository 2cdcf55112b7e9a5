"""A whole thought in NumPy: the forward pass of a Continuous Thought Machine from its parameters.

Parameters are arrays by the official names, as a state dict or a safetensors file holds them. What kind of
model it is follows from the names and shapes; only ticks, heads and the shape of a prediction are told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.ctm import _plain
from arcuate.ctm._answers import classes_of
from arcuate.ctm._layout import Arrays, Walk, checked
from arcuate.ctm.dynamics import (
    below,
    certainty,
    linear,
    neuron_models,
    pair_list,
    synapse,
    update_trace,
    windowed_synchrony,
)
from arcuate.ctm.positions import positional_code
from arcuate.errors import CapabilityError, NonFiniteError, SpecError, check_choice, check_int

if TYPE_CHECKING:
    from arcuate.recording import Recording

__all__ = ["Thought", "WindowThought", "forward", "forward_window"]

ENGINES = ("numpy", "numba")
"""Plain equations, and matrix products with compiled loops between them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Thought:
    """What a model did in every tick.

    Parameters
    ----------
    predictions : ndarray, (B, O, T)
        Logits.
    certainties : ndarray, (B, 2, T)
        Normalized entropy, and one less that.
    sync_out : ndarray, (T, B, P)
        Synchrony that the predictions are read from.
    sync_action : ndarray, (T, B, P) or None
        Synchrony that asks; None without attention.
    pre_activations, post_activations : ndarray, (T, B, D)
        What the synapses gave, and what the neurons made of it.
    attention : ndarray, (T, B, heads, 1, L) or None
        Weights of the tokens.
    reads : ndarray, (T, B, E) or None
        What the attention gave.
    key_values : ndarray, (B, L, E) or None
        What it attended to.
    trace : ndarray, (B, D, M)
        History of the neurons after the last tick, oldest first.
    """

    predictions: np.ndarray
    certainties: np.ndarray
    sync_out: np.ndarray
    sync_action: np.ndarray | None
    pre_activations: np.ndarray
    post_activations: np.ndarray
    attention: np.ndarray | None
    reads: np.ndarray | None
    key_values: np.ndarray | None
    trace: np.ndarray

    def recording(
        self,
        parameters: Mapping[str, Any],
        *,
        source: str,
        stimulus: Any = None,
        repeat: Any = None,
        condition: Any = None,
        sites: Sequence[str] | None = None,
        seed: int | None = None,
        spec_json: str | None = None,
    ) -> Recording:
        """Label a thought, so that it is saved, compared and analyzed as any other activity.

        Parameters
        ----------
        parameters : mapping of str to array
            Those that the thought came from; the pairs of neurons are read from them.
        source : str
            What made it, such as "numpy", "numba" or "torch:ContinuousThoughtMachine".
        stimulus, repeat, condition : sequence of B, optional
            Labels of the trials; a text alone goes for all of them.
        sites : sequence of str, optional
            Sites to keep; all by default.
        seed, spec_json : optional
            As in `Recording.build`.

        Returns
        -------
        Recording
            States over (``trial``, ``tick``, ``unit``), ticks from 1: ``z`` of ``ctm/post``, ``a`` of
            ``ctm/pre``, ``S`` of ``ctm/sync_out`` and ``ctm/sync_action`` (units are pairs, with coordinates
            ``pre``, ``post`` and ``decay``), ``weight`` of ``ctm/attention`` (``head``, ``token``), ``y`` of
            ``ctm/prediction``, ``certainty`` and ``entropy`` of ``ctm/certainty``.

        Raises
        ------
        SpecError
            If labels are not one for each trial, a site does not exist, or the pairs are missing.

        Examples
        --------
        >>> z = np.zeros((3, 2, 4))
        >>> thought = Thought(
        ...     predictions=np.zeros((2, 5, 3)), certainties=np.zeros((2, 2, 3)), pre_activations=z,
        ...     post_activations=z, sync_out=np.zeros((3, 2, 1)), sync_action=None, attention=None,
        ...     reads=None, key_values=None, trace=np.zeros((2, 4, 1)),
        ... )
        >>> pair = {"out_neuron_indices_left": [1], "out_neuron_indices_right": [3]}
        >>> pair |= {"decay_params_out": [0.1]}
        >>> recording = thought.recording(pair, source="numpy", stimulus=["a", "b"])
        >>> recording.states("ctm/sync_out")["pre"].values.tolist(), dict(recording.states("ctm/post").sizes)
        ([1], {'trial': 2, 'tick': 3, 'unit': 4})
        """
        from arcuate.ctm._recording import build

        labels = {"stimulus": stimulus, "repeat": repeat, "condition": condition}
        return build(
            self, parameters, labels=labels, sites=sites, source=source, seed=seed, spec_json=spec_json
        )

    def last(self, n: int) -> Thought:
        """Return what was done in the last ticks, such as those in which an answer is asked for.

        Parameters
        ----------
        n : int
            Ticks.

        Returns
        -------
        Thought
            Keys and values, and the history after the last tick, are those of the whole thought.

        Raises
        ------
        SpecError
            If there were not so many.

        Examples
        --------
        >>> z = np.arange(3.0).reshape(3, 1, 1)
        >>> thought = Thought(
        ...     predictions=np.zeros((1, 2, 3)), certainties=np.zeros((1, 2, 3)), pre_activations=z,
        ...     post_activations=z, sync_out=z, sync_action=None, attention=None, reads=None,
        ...     key_values=None, trace=np.zeros((1, 1, 1)),
        ... )
        >>> thought.last(2).post_activations.ravel().tolist()
        [1.0, 2.0]
        """
        check_int(n, where="Thought.last", name="n", high=self.predictions.shape[-1])
        kept: dict[str, Any] = {
            name: getattr(self, name)[..., -n:] for name in ("predictions", "certainties")
        }
        whole = {*kept, "key_values", "trace"}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in whole and value is not None:
                kept[field.name] = value[-n:]
        return replace(self, **kept)


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowThought:
    """What a model with a sliding window did in one step of its environment.

    Parameters
    ----------
    sync_out : ndarray, (B, P)
        Synchrony after the last tick.
    pre_activations, post_activations : ndarray, (T, B, D)
        Of every tick.
    trace, activated_trace : ndarray, (B, D, M)
        Histories before and after the neurons' models; the next step goes on from them.
    """

    sync_out: np.ndarray
    pre_activations: np.ndarray
    post_activations: np.ndarray
    trace: np.ndarray
    activated_trace: np.ndarray


def forward(
    x: np.ndarray,
    parameters: Mapping[str, Any],
    *,
    ticks: int,
    heads: int = 1,
    shape: Sequence[int] = (-1,),
    precision: str = "float64",
    engine: str = "numpy",
) -> Thought:
    """Think for some ticks about a batch of inputs as the official model does.

    Parameters
    ----------
    x : ndarray
        Of +1 and -1, (B, L), for a model with the parity backbone; features (B, C, L) or (B, C, h, w) for
        one with attention and no backbone; (B, E) for one without attention.
    parameters : mapping of str to array
        By their official names. Decays need not be clipped.
    ticks : int
        T, at least 1; it may differ from that of the training.
    heads : int
        Heads of the attention.
    shape : sequence of int
        Positions and classes of a prediction.
    precision : {"float64", "float32"}
    engine : {"numpy", "numba"}
        The equations as they stand, or the same numbers up to rounding, several times as fast.

    Returns
    -------
    Thought

    Raises
    ------
    SpecError
        If ticks, heads, the input or a parameter do not fit each other.
    NonFiniteError
        If the input, a parameter or the activity is not finite; the tick is named.

    Examples
    --------
    >>> weights = {
    ...     "start_activated_state": np.ones(2), "start_trace": np.zeros((2, 1)),
    ...     "decay_params_out": np.zeros(1), "out_neuron_indices_left": np.array([0]),
    ...     "out_neuron_indices_right": np.array([1]),
    ...     "synapses.1.weight": np.eye(4, 3), "synapses.1.bias": np.zeros(4),
    ...     "synapses.3.weight": np.ones(2), "synapses.3.bias": np.zeros(2),
    ...     "trace_processor.0.0.w1": np.ones((1, 2, 2)), "trace_processor.0.0.b1": np.zeros((1, 2, 2)),
    ...     "trace_processor.0.0.T": np.ones(1),
    ...     "output_projector.0.weight": np.ones((2, 1)), "output_projector.0.bias": np.zeros(2),
    ... }
    >>> thought = forward(np.array([[0.5]]), weights, ticks=3)
    >>> thought.predictions.shape, thought.sync_out.shape
    ((1, 2, 3), (3, 1, 1))
    """
    check_int(ticks, where="CTM", name="ticks")
    w, given = prepare(x, parameters, heads=heads, shape=shape, precision=precision)
    walk = start(w, given, ticks=ticks, heads=heads, engine=engine)
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is named below
        for _ in range(ticks):
            walk.step()
    seen = walk.ticks()
    _check_activity(seen.post)
    y = linear(seen.out, w["output_projector.0.weight"], w["output_projector.0.bias"])
    certainties = certainty(y.reshape((-1, y.shape[-1])), shape).reshape((*y.shape[:2], 2))
    return Thought(
        predictions=y.transpose(1, 2, 0),
        certainties=certainties.transpose(1, 2, 0),
        sync_out=seen.out,
        sync_action=seen.action,
        pre_activations=seen.pre,
        post_activations=seen.post,
        attention=seen.attention,
        reads=seen.reads,
        key_values=seen.key_values,
        trace=seen.trace,
    )


def prepare(
    x: np.ndarray, parameters: Mapping[str, Any], *, heads: int, shape: Sequence[int], precision: str
) -> tuple[Arrays, np.ndarray]:
    """Check what a thought starts from.

    Parameters
    ----------
    x, parameters, heads, shape, precision
        As `forward` takes them.

    Returns
    -------
    tuple
        Parameters in one precision, and tokens with their positions (B, L, C) or plain features (B, E).

    Raises
    ------
    SpecError, NonFiniteError
        As `forward`.
    """
    w = checked(parameters, precision)
    given = _given(np.asarray(x), w, precision)
    _check_widths(w, given, heads)
    classes_of(len(w["output_projector.0.bias"]), shape)
    return w, given


def start(w: Arrays, given: np.ndarray, *, ticks: int, heads: int, engine: str, record: bool = True) -> Walk:
    """Begin a thought.

    Parameters
    ----------
    w, given
        As `prepare` gives them.
    ticks : int
        At most so many.
    heads : int
    engine : {"numpy", "numba"}
    record : bool
        Whether all ticks are asked for afterwards; without, trials may leave.

    Returns
    -------
    Walk
    """
    check_choice(engine, ENGINES, where="CTM", name="engine")
    if engine == "numba":
        from arcuate.ctm import _fused

        return _fused.Walk(w, given, ticks=ticks, heads=heads, record=record)
    return _plain.Walk(w, given, heads=heads)


def predict(out: np.ndarray, w: Arrays, tick: int) -> np.ndarray:
    """Read a prediction from the synchrony of one tick.

    Parameters
    ----------
    out : ndarray, (B, P)
    w : dict of str to ndarray
        As `prepare` gives them.
    tick : int
        From 1 on.

    Returns
    -------
    ndarray, (B, O)

    Raises
    ------
    NonFiniteError
        If it is not finite; the tick is named.
    """
    y = linear(out, w["output_projector.0.weight"], w["output_projector.0.bias"])
    if not np.isfinite(y).all():
        bound = f"is not finite at tick {tick}"
        raise NonFiniteError.of(where="CTM", name="prediction", bound=bound, fix="look at the weights")
    return y


def forward_window(
    x: np.ndarray,
    parameters: Mapping[str, Any],
    previous: WindowThought | None = None,
    *,
    ticks: int,
    precision: str = "float64",
) -> WindowThought:
    """Think about one observation with the variant for reinforcement learning.

    Its ``first-last`` reads the last n neurons whatever its index buffers say, so their length alone is used.

    Parameters
    ----------
    x : ndarray, (B, ...)
        Observations; flattened where the model has the classic-control backbone, else (B, E).
    parameters : mapping of str to array
        By their official names.
    previous : WindowThought or None
        The step before, whose histories go on; None begins anew.
    ticks : int
        T, at least 1.
    precision : {"float64", "float32"}

    Returns
    -------
    WindowThought

    Raises
    ------
    SpecError
        If ticks, the input, the histories or a parameter do not fit each other.
    NonFiniteError
        If the input, a parameter or the activity is not finite; the tick is named.

    Examples
    --------
    >>> weights = {
    ...     "start_trace": np.zeros((2, 1)), "start_activated_trace": np.ones((2, 1)),
    ...     "decay_params_out": np.zeros(1), "out_neuron_indices_left": np.array([0]),
    ...     "out_neuron_indices_right": np.array([1]),
    ...     "synapses.1.weight": np.eye(4, 3), "synapses.1.bias": np.zeros(4),
    ...     "synapses.3.weight": np.ones(2), "synapses.3.bias": np.zeros(2),
    ...     "trace_processor.0.0.w1": np.ones((1, 2, 2)), "trace_processor.0.0.b1": np.zeros((1, 2, 2)),
    ...     "trace_processor.0.0.T": np.ones(1),
    ... }
    >>> first = forward_window(np.array([[0.5]]), weights, ticks=2)
    >>> forward_window(np.array([[0.1]]), weights, first, ticks=2).sync_out.shape
    (1, 1)
    """
    check_int(ticks, where="CTM", name="ticks")
    w = checked(parameters, precision)
    x = _input(np.asarray(x), precision)
    features = x
    backbone = below(w, "backbone.input_projector.")
    if backbone:
        features = x.reshape((x.shape[0], -1))
        _check_last(features, backbone["1.weight"].shape[1], "x")
        features = synapse(features, backbone)
    _check_widths(w, features, 1)
    trace, activated = _histories(w, previous, features.shape[0])
    synapses, models = below(w, "synapses."), below(w, "trace_processor.")
    pre, post = [], []
    for _ in range(ticks):
        pre.append(synapse(np.concatenate((features, activated[..., -1]), axis=-1), synapses))
        trace = update_trace(trace, pre[-1])
        post.append(neuron_models(trace, models))
        activated = update_trace(activated, post[-1])
    _check_activity(np.stack(post))
    return WindowThought(
        sync_out=windowed_synchrony(activated, w["decay_params_out"], _last_pairs(w)),
        pre_activations=np.stack(pre),
        post_activations=np.stack(post),
        trace=trace,
        activated_trace=activated,
    )


def _input(x: np.ndarray, precision: str) -> np.ndarray:
    if x.dtype.kind not in "fiu" or x.ndim < 2 or not x.size:
        bound = f"must be numbers, one row per trial, not {x.dtype} of shape {x.shape}"
        raise SpecError.of(where="CTM", name="x", bound=bound)
    if not np.isfinite(x).all():
        place = [int(k) for k in np.argwhere(~np.isfinite(x))[0]]
        bound = f"must be finite; x{place} is {x[tuple(place)]}, and tick 1 would read it"
        raise NonFiniteError.of(where="CTM", name="x", bound=bound)
    return x.astype(precision, copy=False)


def _given(x: np.ndarray, w: Arrays, precision: str) -> np.ndarray:
    """Tokens with positions (B, L, C); for a model without attention the input itself."""
    x = _input(x, precision)
    if "kv_proj.0.weight" not in w:
        return x
    if "backbone.embedding.weight" in w:
        if x.ndim != 2 or not np.isin(x, (-1, 0, 1)).all():
            raise SpecError.of(where="CTM", name="x", value=x, bound="must be +1 and -1, (trial, token)")
        tokens = w["backbone.embedding.weight"][(x == 1).astype(int)]
        grid: tuple[int, ...] = x.shape[1:]
    elif any(name.startswith("backbone.") for name in w):
        fix = "pass its features to arcuate.nn"
        raise CapabilityError.of(where="CTM", bound="has a backbone of layers", fix=fix)
    else:
        tokens = x.reshape((*x.shape[:2], -1)).swapaxes(1, 2)
        grid = x.shape[2:]
    _check_last(tokens, w["kv_proj.0.weight"].shape[1], "x")
    code = below(w, "positional_embedding.")
    return tokens + positional_code(grid, code) if code else tokens


def _check_last(x: np.ndarray, width: int, name: str) -> None:
    if x.shape[-1] != width:
        bound = f"has {x.shape[-1]} features, but the model takes {width}"
        raise SpecError.of(where="CTM", name=name, bound=bound)


def _check_widths(w: Arrays, direct: np.ndarray, heads: int) -> None:
    """Without attention the input goes to the synapses; with it, the heads divide its width."""
    if "kv_proj.0.weight" in w:
        width = len(w["kv_proj.0.weight"])
        check_int(heads, where="CTM", name="heads", high=width)
        if width % heads:
            raise SpecError.of(where="CTM", name="heads", value=heads, bound=f"must divide the width {width}")
        return
    first = w.get("synapses.first_projection.0.weight", w.get("synapses.1.weight"))
    assert first is not None
    _check_last(direct, first.shape[1] - len(w["start_trace"]), "x")
    if direct.ndim != 2:
        raise SpecError.of(where="CTM", name="x", bound=f"must be (trial, feature), not {direct.shape}")


def _last_pairs(w: Arrays) -> tuple[np.ndarray, np.ndarray]:
    neurons, n = w["start_trace"].shape[0], len(w["out_neuron_indices_left"])
    last = np.arange(neurons - n, neurons)
    return pair_list(last, last, len(w["decay_params_out"]))


def _histories(w: Arrays, previous: WindowThought | None, batch: int) -> tuple[np.ndarray, np.ndarray]:
    if previous is None:
        starts = (w["start_trace"], w["start_activated_trace"])
        first, second = (np.repeat(start[None], batch, axis=0) for start in starts)
        return first, second
    for name in ("trace", "activated_trace"):
        shape, wanted = getattr(previous, name).shape, (batch, *w["start_trace"].shape)
        if shape != wanted:
            bound = f"of the step before must have shape {wanted}, not {shape}"
            raise SpecError.of(where="CTM", name=name, bound=bound)
    kind = w["start_trace"].dtype
    return previous.trace.astype(kind, copy=False), previous.activated_trace.astype(kind, copy=False)


def _check_activity(post: np.ndarray) -> None:
    if not np.isfinite(post).all():
        tick, trial, neuron = (int(k) for k in np.argwhere(~np.isfinite(post))[0])
        bound = f"is {post[tick, trial, neuron]} at tick {tick + 1}, trial {trial}, neuron {neuron}"
        raise NonFiniteError.of(where="CTM", name="post-activation", bound=bound, fix="look at the weights")
