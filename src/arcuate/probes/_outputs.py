"""What probes that cut and patch share: a model run on inputs, one number of each trial read off it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from arcuate.errors import ArcuateError, CapabilityError, NonFiniteError, SpecError
from arcuate.probes._given import Given, given
from arcuate.probes._hooks import Flat, _key
from arcuate.probes.record import capture

__all__ = ["Metric", "activity", "answers", "checked", "has_mask", "outputs", "score", "unpadded"]

Metric = Callable[[torch.Tensor], Any]


def checked(model: torch.nn.Module, inputs: Any, *, metric: object, where: str) -> Given:
    """Return inputs as the model takes them, after a look at the metric."""
    if not callable(metric):
        bound = "must be a function of the model's outputs that gives one number for each trial"
        raise SpecError.of(where=where, name="metric", value=metric, bound=bound)
    return given(model, inputs, None, batch_first=True)


def outputs(model: torch.nn.Module, data: Given, *, where: str) -> torch.Tensor:
    """Return what the model answers to all trials at once: logits, where several things come out."""
    output = data.answer(model, where=where)
    key = _key(output, 0)
    found = output if key is None else output[key]
    if not isinstance(found, torch.Tensor) or found.ndim < 2:
        bound = f"must answer with a tensor (trial, ..., unit), not {type(found).__name__}"
        raise CapabilityError.of(where=where, name=type(model).__name__, bound=bound)
    return found


def score(metric: Metric, answer: torch.Tensor, *, where: str) -> torch.Tensor:
    """Return the metric of each trial, (trial,), in double precision."""
    try:
        found = metric(answer)
        values = found if isinstance(found, torch.Tensor) else torch.as_tensor(np.asarray(found))
        values = values.double()
    except ArcuateError:
        raise
    except (IndexError, RuntimeError, TypeError, ValueError) as error:
        bound = f"does not take outputs of shape {tuple(answer.shape)} ({error})"
        raise SpecError.of(where=where, name="metric", bound=bound) from error
    if values.shape != answer.shape[:1]:
        bound = f"must give one number for each of the {len(answer)} trials, not shape {tuple(values.shape)}"
        fix = "return (trial,), as logits[:, -1, 3] is"
        raise SpecError.of(where=where, name="metric", bound=bound, fix=fix)
    bad = ~torch.isfinite(values)
    if bad.any():
        bound = f"is {float(values[bad][0])} in trial {int(bad.nonzero()[0])}"
        raise NonFiniteError.of(where=where, name="metric", bound=bound)
    return values


def answers(model: torch.nn.Module, data: Given, metric: Metric, *, where: str) -> np.ndarray:
    """Run a model and return the metric of each trial."""
    return score(metric, outputs(model, data, where=where), where=where).detach().cpu().numpy()


def activity(
    model: Any, inputs: Any, sites: Any, *, pads: bool = True, batch_size: int = 32
) -> dict[str, Flat]:
    """Return what is at sites by name, (trial, position, unit) or (trial, unit); pads may be made NaN."""
    mask = np.ones(np.shape(inputs["attention_mask"])) if pads and has_mask(inputs) else None
    found = capture(model, inputs, sites=sites, mask=mask, batch_size=batch_size, progress=False)
    return {site: _laid(found.states(site)) for site in found.sites}


def _laid(states: Any) -> Flat:
    """Return the states of one site, without the axis that those have which have none."""
    array = states["weight" if "weight" in states else "activation"]
    value = torch.from_numpy(array.values)
    heads = int(states["head"].max()) + 1 if "head" in states.coords else None
    return Flat(value[:, 0] if array.dims[1] == "layer" else value, heads)


def has_mask(inputs: Any) -> bool:
    """Tell whether inputs say which tokens are real."""
    return isinstance(inputs, Mapping) and inputs.get("attention_mask") is not None


def unpadded(data: Given, *, where: str, name: str, fix: str) -> None:
    """Refuse trials of several lengths."""
    if data.mask is not None:
        bound = "must be trials of one length, since a pad would stand in for a token"
        raise SpecError.of(where=where, name=name, bound=bound, fix=fix)
