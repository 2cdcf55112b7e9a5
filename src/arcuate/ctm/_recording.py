"""A thought as a Recording: one site for each kind of state, ticks as the axis, pairs and tokens by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.ctm._answers import plain
from arcuate.ctm.dynamics import pair_list
from arcuate.errors import SpecError, check_choice
from arcuate.recording import Recording

if TYPE_CHECKING:
    from arcuate.ctm.inference import Thought

SITES = (
    "ctm/post",
    "ctm/pre",
    "ctm/sync_out",
    "ctm/sync_action",
    "ctm/attention",
    "ctm/prediction",
    "ctm/certainty",
)
"""Sites of a recorded thought; those of the attention are missing where there is none."""

LABELS = ("stimulus", "repeat", "condition")


def build(
    thought: Thought,
    parameters: Mapping[str, Any],
    *,
    labels: Mapping[str, Any],
    sites: Sequence[str] | None,
    **origin: Any,
) -> Recording:
    """Arrange the arrays of a thought; `Thought.recording` says how."""
    wanted = SITES if sites is None else tuple(sites)
    for name in wanted:
        check_choice(name, SITES, where="Thought.recording", name="site")
    n_trials, ticks = thought.predictions.shape[0], thought.predictions.shape[2]
    trial: dict[str, Any] = {"tick": np.arange(1, ticks + 1)}
    trial |= trial_labels(labels, n_trials, where="Thought.recording")
    states = {}
    for name in wanted:
        found = _site(thought, parameters, name)
        if found is not None:
            data, unit = found
            dims = ("trial", "tick", "unit")
            coords = {**trial, **{key: ("unit", value) for key, value in unit.items()}}
            states[name] = {key: (value.swapaxes(0, 1), dims, coords, "1") for key, value in data.items()}
    return Recording.build(states=states, **origin)


def trial_labels(labels: Mapping[str, Any], n_trials: int, *, where: str) -> dict[str, Any]:
    """Return the coordinates of the trials, of labels that are given; a text alone goes for all trials."""
    found = {}
    for name in LABELS:
        value = labels.get(name)
        if value is None:
            continue
        label = np.asarray([value] * n_trials if isinstance(value, str) else value)
        if label.shape != (n_trials,):
            bound = f"must be one label for each of the {n_trials} trials"
            raise SpecError.of(where=where, name=name, value=value, bound=bound)
        found[name] = ("trial", label)
    return found


def _site(
    thought: Thought, parameters: Mapping[str, Any], name: str
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]] | None:
    """Return the quantities of a site, each (T, B, units), and the names of its units."""
    kind = name.partition("/")[2]
    if kind == "post":
        return {"z": plain(thought.post_activations)}, {}
    if kind == "pre":
        return {"a": plain(thought.pre_activations)}, {}
    if kind == "prediction":
        return {"y": plain(thought.predictions).transpose(2, 0, 1)}, {}
    if kind == "certainty":
        both = plain(thought.certainties).transpose(2, 0, 1)
        return {"certainty": both[..., 1:], "entropy": both[..., :1]}, {}
    if kind == "attention":
        if thought.attention is None:
            return None
        weights = plain(thought.attention)[:, :, :, 0]
        heads, tokens = weights.shape[2:]
        units = {
            "head": np.repeat(np.arange(heads), tokens),
            "token": np.tile(np.arange(tokens), heads),
        }
        return {"weight": weights.reshape(*weights.shape[:2], -1)}, units
    synchrony = thought.sync_out if kind == "sync_out" else thought.sync_action
    if synchrony is None:
        return None
    return {"S": plain(synchrony)}, _pairs(parameters, kind.partition("_")[2])


def _pairs(parameters: Mapping[str, Any], role: str) -> dict[str, np.ndarray]:
    names = [f"{role}_neuron_indices_left", f"{role}_neuron_indices_right", f"decay_params_{role}"]
    for name in names:
        if name not in parameters:
            bound = "is missing; it tells which neurons a pair is made of"
            raise SpecError.of(where="Thought.recording", name=name, bound=bound)
    left, right, decay = (plain(parameters[name]) for name in names)
    pre, post = pair_list(left, right, len(decay))
    return {"pre": pre, "post": post, "decay": decay}
