"""What any torch module does with its inputs, as a Recording."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch

from arcuate._inputs import check_bytes
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.ctm._recording import trial_labels
from arcuate.errors import ArcuateError, CapabilityError, NonFiniteError, SpecError, check_choice, check_int
from arcuate.probes._adapters import Site
from arcuate.probes._given import Given, given
from arcuate.probes._hooks import Flat, attach, evaluated, used_once
from arcuate.probes.sites import check_module, resolve
from arcuate.recording import AXES, Recording

__all__ = ["capture"]

REDUCTIONS = ("last", "mean", "mask-mean")

Reduce = str | Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor] | None


def capture(
    model: Any,
    inputs: Any,
    *,
    sites: str | Sequence[str],
    reduce: Reduce = None,
    mask: Any = None,
    batch_size: int = 32,
    batch_first: bool = True,
    axis: str | None = None,
    stimulus: Any = None,
    repeat: Any = None,
    condition: Any = None,
    seed: int | None = None,
    progress: ProgressOption = None,
) -> Recording:
    """Run a model on inputs and record what is at its sites, without dropout and without gradients.

    Parameters
    ----------
    model : torch.nn.Module
        Any; left as it was, in training or not.
    inputs : array, tensor, tuple of them, or mapping of str to them
        One row per trial. A tuple holds arguments by position, a mapping those by name, as
        ``{"input_ids": ..., "attention_mask": ...}``.
    sites : str or sequence of str
        Names, or patterns such as "blocks.*.resid_post" or "layers.*:out"; `site_names` lists them.
    reduce : {"last", "mean", "mask-mean"}, callable or None
        What is kept of the tokens or ticks of a trial, on the device of the model: the last real one, the
        mean of all, the mean of the real ones, or what a function makes of values (trial, token, unit) and
        mask (trial, token) or None, as (trial, unit). None: all.
    mask : array_like of bool, (trial, token), optional
        True for real tokens, False for pads; by default "attention_mask" of a mapping. The model itself sees
        no more than `inputs`.
    batch_size : int
        Trials at a time.
    batch_first : bool
        Whether trials are the first dimension of inputs and sites; False: the second, as in `torch.nn.LSTM`.
    axis : {"token", "tick", "time", "layer"}, optional
        Name of the dimension within a trial. By default "token" for inputs of whole numbers and "tick" for
        others.
    stimulus, repeat, condition : sequence, optional
        Labels of the trials; a text alone goes for all of them.
    seed : int, optional
        Seed of the training or of the inputs, kept with the recording.
    progress : bool, callable or None
        As everywhere: None shows a bar on a terminal after two seconds.

    Returns
    -------
    Recording
        For each site ``activation`` over (``trial``, axis, ``unit``); attention weights are ``weight``, their
        units pairs of ``head`` and ``key``. Where units belong to heads, ``head`` is a coordinate. What has
        no axis, or lost it by `reduce`, gets one of length 1, ``layer``, with the number of its block; a
        module that is called many times, as a cell of a recurrent network is, gets ``tick`` from 1. Pads are
        NaN. Numbers are float32, or float64 as the model has it.

    Raises
    ------
    SpecError
        If an argument does not fit, a site is never reached, tokens go beyond the model's context, or the
        model is in another capture already.
    UnknownNameError
        If there is no such site; the nearest is named.
    MemoryLimitError
        If the recording would not fit into memory; known, and told, within the first batch.
    CapabilityError
        If a site holds no tensor, as attention weights that the model does not compute.
    NonFiniteError
        If a number is not finite; site, trial and place are named.

    Examples
    --------
    >>> model = torch.nn.LSTM(3, 5, batch_first=True)
    >>> recording = capture(model, np.zeros((4, 7, 3)), sites=":out", stimulus=list("abcd"))
    >>> dict(recording.states(":out").sizes)
    {'trial': 4, 'tick': 7, 'unit': 5}
    >>> recording = capture(model, np.zeros((4, 7, 3)), sites=":out", reduce="last")
    >>> dict(recording.states(":out").sizes)
    {'trial': 4, 'layer': 1, 'unit': 5}
    """
    check_module(model, where="capture")
    size = check_int(batch_size, where="capture", name="batch_size")
    if not callable(reduce) and reduce is not None:
        check_choice(reduce, REDUCTIONS, where="capture", name="reduce")
    if axis is not None:
        check_choice(axis, AXES, where="capture", name="axis")
    check_progress(progress, where="capture", unit="trials")
    asked = resolve(model, sites, where="capture")
    data = given(model, inputs, mask, batch_first=batch_first)
    _check_mask(reduce, data.mask)
    labels = {"stimulus": stimulus, "repeat": repeat, "condition": condition}
    trial = trial_labels(labels, data.n_trials, where="capture")
    stores = {site.name: _Store(site, data.n_trials, reduce) for group in asked.values() for site in group}
    _run(model, data, stores, size=size, batch_first=batch_first, progress=progress)
    for name, group in asked.items():
        if not any(stores[site.name].array is not None for site in group):
            bound = "is never reached when the model runs"
            raise SpecError.of(where="capture", name="sites", value=name, bound=bound)
    word = axis or ("token" if data.words() else "tick")
    spec = {"model": type(model).__name__, "reduce": reduce if isinstance(reduce, str | None) else "function"}
    return Recording.build(
        source=f"torch:{type(model).__name__}",
        seed=seed,
        spec_json=json.dumps(spec),
        states={name: store.state(trial, word) for name, store in stores.items() if store.array is not None},
    )


def _check_mask(reduce: Reduce, mask: torch.Tensor | None) -> None:
    if reduce == "mean" and mask is not None:
        bound = "would count pads in, since the trials have several lengths"
        raise SpecError.of(
            where="capture", name="reduce", value=reduce, bound=bound, fix='use reduce="mask-mean"'
        )


def _run(
    model: torch.nn.Module,
    data: Given,
    stores: Mapping[str, _Store],
    *,
    size: int,
    batch_first: bool,
    progress: ProgressOption,
) -> None:
    """Run all batches with the stores on their sites."""
    needed = [0]
    with ExitStack() as stack:
        stack.enter_context(used_once(model, "capture"))
        stack.enter_context(evaluated(model))
        for store in stores.values():
            store.needed = needed
            handle = attach(model, store.site, store.see, batch_first=batch_first, where="capture")
            stack.callback(handle.remove)
        bar = progress_bar(progress, data.n_trials, title="capture", unit="trial")
        tell = stack.enter_context(bar)
        for rows, batch in data.batches(size):
            for store in stores.values():
                store.start(batch)
            try:
                model(*batch.args, **batch.kwargs)
            except ArcuateError:
                raise
            except (RuntimeError, TypeError, IndexError) as error:
                bound = f"do not go through {type(model).__name__} ({error})"
                raise SpecError.of(where="capture", name="inputs", bound=bound) from error
            for store in stores.values():
                store.keep(rows)
            if tell is not None:
                tell(batch.n_trials)


class _Store:
    """What one site gave."""

    def __init__(self, site: Site, n_trials: int, reduce: Reduce) -> None:
        self.site, self.n_trials, self.reduce = site, n_trials, reduce
        self.array: np.ndarray | None = None
        self.heads: int | None = None
        self.kind = "axis"
        self.needed = [0]

    def start(self, batch: Given) -> None:
        """Begin a batch."""
        self.batch, self.calls = batch, list[torch.Tensor]()

    def see(self, flat: Flat) -> None:
        """Take in what one call gave."""
        value, n = flat.value.detach(), self.batch.n_trials
        if len(value) != n:
            bound = f"must have one row for each of the {n} trials of a batch, not shape {tuple(value.shape)}"
            raise CapabilityError.of(where="capture", name=self.site.name, bound=bound)
        self.heads = flat.heads
        mask = self._mask(value)
        self._check_finite(value, mask)
        if value.ndim == 3 and self.reduce is not None:
            value, mask = self._reduced(value), None
        dtype = value.dtype
        if value.is_floating_point() and dtype != torch.float64:
            dtype = torch.float32
        if self.array is None:
            self.needed[0] += value.numel() * dtype.itemsize * self.n_trials // n
            fix = "choose fewer sites or trials, or give reduce="
            check_bytes(self.needed[0], where="capture", fix=fix)
        if mask is not None and value.is_floating_point():
            value = value.masked_fill(~mask[:, :, None], float("nan"))
        self.calls.append(value.to("cpu", dtype, copy=True))

    def _mask(self, value: torch.Tensor) -> torch.Tensor | None:
        """Return the mask of these values, if it speaks of their axis."""
        mask = self.batch.mask
        if mask is None or value.ndim != 3:
            return None
        if mask.shape[1] != value.shape[1]:
            if self.reduce is None:
                return None
            bound = f"is for {mask.shape[1]} tokens, but {self.site.name} has {value.shape[1]}"
            raise SpecError.of(where="capture", name="mask", bound=bound)
        return mask

    def _check_finite(self, value: torch.Tensor, mask: torch.Tensor | None) -> None:
        if not value.is_floating_point() or bool(torch.isfinite(value.sum())):
            return
        bad = ~torch.isfinite(value)
        if mask is not None:
            bad &= mask[:, :, None]
        if bad.any():
            place = tuple(int(k) for k in bad.nonzero()[0])
            bound = f"is not finite, at index {place} of a batch"
            raise NonFiniteError.of(where="capture", name=self.site.name, bound=bound)

    def _reduced(self, value: torch.Tensor) -> torch.Tensor:
        mask = self.batch.mask
        if callable(self.reduce):
            found = self.reduce(value, mask)
            if not isinstance(found, torch.Tensor) or found.ndim != 2 or len(found) != len(value):
                shape = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
                bound = f"must give (trial, unit) with {len(value)} trials, not {shape}"
                raise SpecError.of(where="capture", name="reduce", bound=bound)
            return found
        if mask is None:
            return value[:, -1] if self.reduce == "last" else value.mean(1)
        if self.reduce == "last":
            place = torch.arange(mask.shape[1], device=mask.device)
            last = torch.where(mask, place, 0).amax(1)
            return value[torch.arange(len(value), device=value.device), last]
        real = mask[:, :, None]
        return torch.where(real, value, 0).sum(1) / real.sum(1)

    def keep(self, rows: slice) -> None:
        """Put the calls of a batch where its trials belong."""
        if not self.calls:
            return
        value = self._joined()
        self.calls = []
        if self.array is None:
            self.array = np.empty((self.n_trials, *value.shape[1:]), value.numpy().dtype)
        if self.array.shape[1:] != value.shape[1:]:
            bound = f"has shape {tuple(value.shape[1:])} in a batch and {self.array.shape[1:]} before"
            raise CapabilityError.of(where="capture", name=self.site.name, bound=bound)
        self.array[rows] = value.numpy()

    def _joined(self) -> torch.Tensor:
        """Return the calls of a batch as (trial, axis, unit)."""
        if len(self.calls) == 1:
            value = self.calls[0]
            self.kind = "axis" if value.ndim == 3 else "layer"
            return value if value.ndim == 3 else value[:, None]
        if any(one.ndim != 2 or one.shape != self.calls[0].shape for one in self.calls):
            bound = f"is called {len(self.calls)} times in one pass, each with an axis or other shape"
            raise CapabilityError.of(
                where="capture", name=self.site.name, bound=bound, fix="give reduce=, or the site around it"
            )
        self.kind = "tick"
        return torch.stack(self.calls, dim=1)

    def state(self, trial: Mapping[str, Any], axis: str) -> dict[str, Any]:
        """Return the values with their names, as `Recording.build` takes them."""
        assert self.array is not None
        n, units = self.array.shape[1:]
        block = re.match(r"blocks\.(\d+)\.", self.site.name)
        word = axis if self.kind == "axis" else self.kind
        first = {"layer": int(block[1]) if block and n == 1 else 0, "tick": 1}.get(word, 0)
        coords = {**trial, word: np.arange(first, first + n)}
        if self.heads and units % self.heads == 0:
            coords["head"] = ("unit", np.repeat(np.arange(self.heads), units // self.heads))
            if self.site.weights:
                coords["key"] = ("unit", np.tile(np.arange(units // self.heads), self.heads))
        name = "weight" if self.site.weights else "activation"
        return {name: (self.array, ("trial", word, "unit"), coords, "1")}
