"""What a trained model does with a batch, as a Recording."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import numpy as np
import torch

from arcuate.ctm import Thought
from arcuate.errors import SpecError, check_int
from arcuate.nn.ctm import ContinuousThoughtMachine
from arcuate.recording import Recording

__all__ = ["capture"]

_TRIALS_FIRST = ("predictions", "certainties")
_LEFT = ("key_values", "reads", "trace")  # parts of a thought that no site holds


def capture(
    model: Any,
    batch: Any,
    *,
    n_ticks: int | None = None,
    stimulus: Any = None,
    repeat: Any = None,
    condition: Any = None,
    sites: Any = None,
    seed: int | None = None,
    chunk: int = 256,
) -> Recording:
    """Let a model think about a batch and record all ticks, without dropout and without gradients.

    Parameters
    ----------
    model : ContinuousThoughtMachine
        Left as it was, in training or not.
    batch : array, tensor or (input, targets)
        One row per trial, or what the ``frames()`` of a task's trials gives; targets are not looked at. A
        model that takes a pair, as `QuestionThoughtMachine` does, needs (pair, targets).
    n_ticks : int or None
        Ticks; None: those of the model.
    stimulus, repeat, condition : sequence, optional
        Labels of the trials; a text alone goes for all of them.
    sites : sequence of str, optional
        Sites to keep, as `arcuate.ctm.Thought.recording` names them; all by default.
    seed : int, optional
        Seed of the training or of the trials, kept with the recording.
    chunk : int
        Trials at a time, which bounds the memory; no number depends on it but by rounding.

    Returns
    -------
    Recording
        As `arcuate.ctm.Thought.recording` gives it; ``spec`` tells the sizes of the model.

    Raises
    ------
    SpecError
        If the model is of another kind, or the input, the labels or a site do not fit.
    NonFiniteError
        If the input or the activity is not finite; the tick is named.

    Examples
    --------
    >>> model = ContinuousThoughtMachine(
    ...     n_outputs=3, n_ticks=4, n_neurons=16, width=2, heads=0, n_out=4, history=3, hidden=None
    ... )
    >>> recording = capture(model, np.zeros((5, 2)), stimulus=list("abcde"))
    >>> dict(recording.states("ctm/post").sizes), recording.spec["n_neurons"]
    ({'trial': 5, 'tick': 4, 'unit': 16}, 16)
    """
    if not isinstance(model, ContinuousThoughtMachine):
        bound = f"must be a ContinuousThoughtMachine, not {type(model).__name__}"
        raise SpecError.of(where="capture", name="model", bound=bound)
    size = check_int(chunk, where="capture", name="chunk")
    x = batch[0] if isinstance(batch, tuple) else batch
    given = [_given(part) for part in (x if isinstance(x, tuple) else (x,))]
    chunks = [part.split(size) for part in given]
    if len({len(part) for part in given}) > 1:
        bound = f"must have as many rows in each part, not {[len(part) for part in given]}"
        raise SpecError.of(where="capture", name="batch", bound=bound)
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            thoughts = [
                _plain(model(parts if isinstance(x, tuple) else parts[0], n_ticks=n_ticks))
                for parts in zip(*chunks, strict=True)
            ]
    finally:
        model.train(training)
    return _joined(thoughts).recording(
        model.state_dict(),
        source=f"torch:{type(model).__name__}",
        stimulus=stimulus,
        repeat=repeat,
        condition=condition,
        sites=sites,
        seed=seed,
        spec_json=_specification(model),
    )


def _given(part: Any) -> torch.Tensor:
    """Return a part of a batch as a tensor, one row per trial."""
    try:
        given = (
            part if isinstance(part, torch.Tensor) else torch.from_numpy(np.array(part))
        )  # may be read-only
    except (TypeError, ValueError) as error:
        raise SpecError.of(where="capture", name="batch", bound=f"must be numbers ({error})") from error
    if given.ndim < 2 or not len(given):
        bound = f"must have one row per trial, not shape {tuple(given.shape)}"
        raise SpecError.of(where="capture", name="batch", bound=bound)
    return given


def _plain(thought: Thought) -> Thought:
    """Take the tensors of a thought to the memory of the host, without what no site holds."""
    parts: dict[str, Any] = dict.fromkeys(_LEFT)
    for name in (field.name for field in fields(thought) if field.name not in _LEFT):
        value = getattr(thought, name)
        parts[name] = None if value is None else value.cpu().numpy()
    return Thought(**parts)


def _joined(thoughts: list[Thought]) -> Thought:
    parts: dict[str, Any] = {}
    for field in fields(Thought):
        arrays = [getattr(thought, field.name) for thought in thoughts]
        axis = 0 if field.name in _TRIALS_FIRST else 1
        parts[field.name] = None if arrays[0] is None else np.concatenate(arrays, axis=axis)
    return Thought(**parts)


def _specification(model: ContinuousThoughtMachine) -> str:
    sizes = {"n_outputs": model.output_projector[0].out_features, "history": model.start_trace.shape[1]}
    for name in ("n_ticks", "n_neurons", "width", "heads", "shape"):
        sizes[name] = getattr(model, name)
    return json.dumps({"model": type(model).__name__, **sizes})
