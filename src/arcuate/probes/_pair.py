"""Two runs of a model whose trials differ in what is asked about, and one with parts of the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from arcuate.errors import SpecError
from arcuate.probes._given import Given
from arcuate.probes._hooks import Flat, evaluated
from arcuate.probes._outputs import Metric, activity, answers, checked, has_mask, outputs, score
from arcuate.probes.patch import Edit, intervene
from arcuate.probes.sites import check_module

__all__ = ["Pair"]

SMALLEST = 1e-5
"""Smallest difference of both metrics, of their mean size; less is rounding in single precision (chosen)."""


class Pair:
    """A clean and a corrupt run.

    Parameters
    ----------
    model : torch.nn.Module
    clean, corrupt : inputs
    metric : callable
    where : str
        For messages.

    Raises
    ------
    SpecError
        If both inputs are not laid out alike, or the metric is the same in both.
    """

    def __init__(self, model: Any, clean: Any, corrupt: Any, metric: Metric, *, where: str) -> None:
        check_module(model, where=where)
        self.model, self.metric, self.where = model, metric, where
        self.inputs = {"clean": clean, "corrupt": corrupt}
        runs = {name: checked(model, one, metric=metric, where=where) for name, one in self.inputs.items()}
        _check_alike(runs["clean"], runs["corrupt"], self.inputs, where)
        self.n_trials = runs["clean"].n_trials
        self.data = {"denoise": runs["corrupt"], "noise": runs["clean"]}
        """The run that is patched into, by direction."""
        with evaluated(model):
            self.clean, self.corrupt = (answers(model, one, metric, where=where) for one in runs.values())
        self.span = float(self.clean.mean() - self.corrupt.mean())
        size = float(np.abs(self.clean).mean() + np.abs(self.corrupt).mean())
        if abs(self.span) <= SMALLEST * size:
            bound = (
                f"is the same in both runs, {self.clean.mean():.4g} and {self.corrupt.mean():.4g} on average"
            )
            fix = "choose a metric, or corrupt trials, in which the answers differ"
            raise SpecError.of(where=where, name="metric", bound=bound, fix=fix)

    def start(self, way: str) -> np.ndarray:
        """Return the metric of the run that is patched into."""
        return self.corrupt if way == "denoise" else self.clean

    def states(self, sites: Any) -> dict[str, tuple[Flat, Flat]]:
        """Return what is at sites in the clean and in the corrupt run."""
        clean, corrupt = (activity(self.model, self.inputs[name], sites) for name in ("clean", "corrupt"))
        return {site: (clean[site], corrupt[site]) for site in clean}

    def tiled(self, way: str, times: int) -> Given:
        """Return the inputs of the run that is patched into, several times over."""
        one = self.data[way]
        args = tuple(_repeated(part, times) for part in one.args)
        kwargs = {key: _repeated(part, times) for key, part in one.kwargs.items()}
        return one._replace(args=args, kwargs=kwargs, mask=None, n_trials=one.n_trials * times)

    def patched(self, way: str, values: Mapping[str, torch.Tensor], times: int) -> list[np.ndarray]:
        """Return the metric of each of several runs, with what stands in for the activity at sites in all."""
        return self.edited(way, [Edit(site, "replace", value) for site, value in values.items()], times)

    def edited(self, way: str, edits: Sequence[Edit], times: int) -> list[np.ndarray]:
        """Return the metric of each of several runs that are edited at once."""
        with evaluated(self.model), intervene(self.model, *edits):
            answer = outputs(self.model, self.tiled(way, times), where=self.where)
        return [score(self.metric, one, where=self.where).cpu().numpy() for one in answer.chunk(times)]

    def effect(self, means: np.ndarray, noise: Sequence[bool]) -> np.ndarray:
        """Return the share of the difference of both runs; along the first axis, what is lost by noise."""
        share = (means - self.corrupt.mean()) / self.span
        flipped = np.asarray(noise).reshape(-1, *[1] * (share.ndim - 1))
        return np.where(flipped, 1 - share, share)


def _repeated(part: Any, times: int) -> Any:
    return part.repeat(times, *[1] * (part.ndim - 1)) if isinstance(part, torch.Tensor) else part


def _check_alike(clean: Given, corrupt: Given, inputs: Mapping[str, Any], where: str) -> None:
    """Refuse inputs between which nothing can be put over."""
    shapes = [
        {key: tuple(part.shape) for key, part in _parts(one).items() if isinstance(part, torch.Tensor)}
        for one in (clean, corrupt)
    ]
    if shapes[0] != shapes[1]:
        bound = f"has shapes {list(shapes[1].values())}, but clean has {list(shapes[0].values())}"
        fix = "give trials of the same number and length, token for token"
        raise SpecError.of(where=where, name="corrupt", bound=bound, fix=fix)
    if has_mask(inputs["clean"]):
        masks = [one.kwargs["attention_mask"] for one in (clean, corrupt)]
        if not torch.equal(*masks):
            bound = "has other pads than clean: attention_mask must be the same"
            raise SpecError.of(where=where, name="corrupt", bound=bound)


def _parts(data: Given) -> dict[str, Any]:
    return data.kwargs or {str(k): part for k, part in enumerate(data.args)}
