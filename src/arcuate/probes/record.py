"""What any torch module does with its inputs, as a Recording."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from arcuate._inputs import check_bytes
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.ctm._recording import trial_labels
from arcuate.errors import (
    ArcuateError,
    ArcuateWarning,
    CapabilityError,
    NonFiniteError,
    SpecError,
    check_choice,
    check_int,
)
from arcuate.probes._adapters import Site
from arcuate.probes._given import Given, Places, given
from arcuate.probes._hooks import Flat, attach, evaluated, used_once
from arcuate.probes.sites import check_module, resolve
from arcuate.recording import AXES, Recording
from arcuate.recording.streams import Stream

__all__ = ["capture"]

REDUCTIONS = ("last", "mean", "mask-mean")
DTYPES = ("float32", "float16")
HALF_MAX = 65504.0
HALF_STEP = 2.0**-11  # largest relative error of rounding to float16

Reduce = str | Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor] | None


def capture(
    model: Any,
    inputs: Any,
    *,
    sites: str | Sequence[str],
    positions: Any = None,
    reduce: Reduce = None,
    mask: Any = None,
    dtype: str | None = None,
    to: str | Path | None = None,
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
    positions : int, sequence of int or slice, optional
        Which tokens or ticks to keep, counted from 0, or from the end where negative; the recording has
        their places as coordinates. By default all.
    reduce : {"last", "mean", "mask-mean"}, callable or None
        What is kept of the tokens or ticks of a trial, on the device of the model: the last real one, the
        mean of all, the mean of the real ones, or what a function makes of values (trial, token, unit) and
        mask (trial, token) or None, as (trial, unit). None: all. It sees `positions` only.
    mask : array_like of bool, (trial, token), optional
        True for real tokens, False for pads; by default "attention_mask" of a mapping. The model itself sees
        no more than `inputs`.
    dtype : {"float32", "float16"}, optional
        Numbers of the recording; by default float32, or float64 as the model has it. float16 takes half the
        room: what it cannot hold is refused, and a site where the largest numbers are rounded by more than
        a typical one is warned of.
    to : path, optional
        Folder to stream to, batch by batch, instead of keeping all in memory (zarr v3, needs the extra
        ``io``). It gets its name once it is whole; its numbers are read when they are looked at, now and
        after `Recording.load`.
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
        As everywhere: None shows a bar on a terminal after two seconds. Its title says the size of the
        recording, which is known with the first batch; ``outcome["bytes"]`` keeps it.

    Returns
    -------
    Recording
        For each site ``activation`` over (``trial``, axis, ``unit``); attention weights are ``weight``, their
        units pairs of ``head`` and ``key``. Where units belong to heads, ``head`` is a coordinate. What has
        no axis, or lost it by `reduce`, gets one of length 1, ``layer``, with the number of its block; a
        module that is called many times, as a cell of a recurrent network is, gets ``tick`` from 1. Pads are
        NaN.

    Raises
    ------
    SpecError
        If an argument does not fit, a site is never reached, tokens go beyond the model's context, a number
        is beyond float16, or the model is in another capture already.
    UnknownNameError
        If there is no such site; the nearest is named.
    MemoryLimitError
        If the recording would not fit into memory; known, and told, within the first batch.
    RecordingError
        If `to` exists or cannot be written, or would not fit onto the disk, told within the first batch.
    MissingExtraError
        If `to` is given without zarr.
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
    if dtype is not None:
        check_choice(dtype, DTYPES, where="capture", name="dtype")
    asked = resolve(model, sites, where="capture")
    data = given(model, inputs, mask, batch_first=batch_first)
    _check_mask(reduce, data.mask)
    labels = {"stimulus": stimulus, "repeat": repeat, "condition": condition}
    trial = trial_labels(labels, data.n_trials, where="capture")
    keep = _Keep(Places.of(positions), reduce, None if dtype is None else getattr(torch, dtype))
    with ExitStack() as stack:
        stream = None if to is None else stack.enter_context(Stream(to, where="capture"))
        room = _Room(data.n_trials, min(size, data.n_trials), stream)
        word = axis or ("token" if data.words() else "tick")
        stores = {site.name: _Store(site, keep, room, word) for group in asked.values() for site in group}
        _run(model, data, stores, size=size, batch_first=batch_first, progress=progress)
        for name, group in asked.items():
            if not any(stores[site.name].array is not None for site in group):
                bound = "is never reached when the model runs"
                raise SpecError.of(where="capture", name="sites", value=name, bound=bound)
        for store in stores.values():
            store.warn()
        spec = {"model": type(model).__name__, "reduce": "function" if callable(reduce) else reduce}
        recording = Recording.build(
            source=f"torch:{type(model).__name__}",
            seed=seed,
            spec_json=json.dumps(spec),
            states={name: store.state(trial) for name, store in stores.items() if store.made},
            outcome={"bytes": room.needed},
        )
        return recording if stream is None else Recording(stream.finish(recording.tree))


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
    with ExitStack() as stack:
        stack.enter_context(used_once(model, "capture"))
        stack.enter_context(evaluated(model))
        for store in stores.values():
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
            bar.title = f"capture, {store.room.needed / 1e6:.3g} MB"
            if tell is not None:
                tell(batch.n_trials)


@dataclass(frozen=True)
class _Keep:
    """What is kept of what a site gives."""

    places: Places
    reduce: Reduce
    dtype: torch.dtype | None


class _Room:
    """Where the arrays of all sites are, in memory or in a stream, and how much they take."""

    def __init__(self, n_trials: int, n_batch: int, stream: Stream | None) -> None:
        self.n_trials, self.n_batch, self.stream, self.needed = n_trials, n_batch, stream, 0

    def reserve(self, n_bytes: int, n_rows: int) -> None:
        """Count what a site gave for some trials of the first batch; refuse what will not fit."""
        self.needed += n_bytes * self.n_trials // n_rows
        fix = "choose fewer sites or trials, give reduce= or positions=, or stream with to="
        if self.stream is None:
            check_bytes(self.needed, where="capture", fix=fix)
        else:
            check_bytes(self.needed * self.n_batch // self.n_trials, where="capture", fix="give batch_size=")
            self.stream.check_space(self.needed)

    def array(self, path: str, value: torch.Tensor, axis: str) -> Any:
        """Make the array of a site, for all trials, from what one batch gave."""
        shape, dtype = (self.n_trials, *value.shape[1:]), value.numpy().dtype
        if self.stream is None:
            return np.empty(shape, dtype)
        names = ("trial", axis, "unit")
        return self.stream.array(path, shape, dtype, rows=self.n_batch, dimension_names=names)


class _Store:
    """What one site gave."""

    def __init__(self, site: Site, keep: _Keep, room: _Room, axis: str) -> None:
        self.site, self.room, self.reduce, self.places = site, room, keep.reduce, keep.places
        self.dtype = keep.dtype
        self.array: Any = None
        self.heads: int | None = None
        self.word, self.axis = axis, axis
        self.quantity = "weight" if site.weights else "activation"
        self.kept: np.ndarray | None = None
        self.extended = False
        self.lossy = (0.0, 0.0)

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
        self.kept, self.extended = None, value.ndim == 3
        if self.extended:
            self.kept = self.places.among(value.shape[1], self.site.name)
            value, mask = self.places.take(value, self.kept), self.places.take(mask, self.kept)
        self._check_finite(value, mask)
        if self.extended and self.reduce is not None:
            value, mask, self.kept = self._reduced(value, mask), None, None
        if value.is_floating_point():
            value = self._rounded(value, mask)
        if self.array is None:
            self.room.reserve(value.numel() * value.dtype.itemsize, n)
        if mask is not None and value.is_floating_point():
            value = value.masked_fill(~mask[:, :, None], float("nan"))
        mine = value.untyped_storage().data_ptr() != flat.value.untyped_storage().data_ptr()
        self.calls.append(value.to("cpu", copy=not mine))

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

    def _rounded(self, value: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Return the values in the type of the recording; tell what float16 would lose."""
        if self.dtype is None:
            return value if value.dtype == torch.float64 else value.float()
        if self.dtype == torch.float16 and value.numel():
            size = value.abs() if mask is None else value.abs()[mask]
            most, typical = float(size.max()), float(size.float().median())
            if most > HALF_MAX:
                bound = f"reaches {most:.3g} at {self.site.name}, more than the {HALF_MAX:g} of float16"
                fix = "record float32"
                raise SpecError.of(where="capture", name="dtype", value="float16", bound=bound, fix=fix)
            if most * HALF_STEP > max(typical, self.lossy[1]):
                self.lossy = (most, typical)
        return value.to(self.dtype)

    def warn(self) -> None:
        """Warn of a site whose largest numbers are rounded by more than a typical one."""
        most, typical = self.lossy
        if most:
            text = (
                f"capture: dtype = 'float16' rounds the largest activations of {self.site.name}, {most:.3g}, "
                f"by up to {most * HALF_STEP:.2g}, more than the typical {typical:.2g}; record float32"
            )
            warnings.warn(text, ArcuateWarning, stacklevel=3)

    @property
    def made(self) -> bool:
        """Tell whether the site was reached."""
        return self.array is not None

    def _reduced(self, value: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        if callable(self.reduce):
            found = self.reduce(value, mask)
            if not isinstance(found, torch.Tensor) or found.ndim != 2 or len(found) != len(value):
                shape = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
                bound = f"must give (trial, unit) with {len(value)} trials, not {shape}"
                raise SpecError.of(where="capture", name="reduce", bound=bound)
            return found
        if mask is not None and not mask.any(1).all():
            bound = f"keep no real token of a trial at {self.site.name}"
            raise SpecError.of(where="capture", name="positions", bound=bound, fix="give positions of all")
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
            path = f"states/{self.site.name}/{self.quantity}"
            self.array = self.room.array(path, value, self.axis)
        if self.array.shape[1:] != value.shape[1:]:
            bound = f"has shape {tuple(value.shape[1:])} in a batch and {self.array.shape[1:]} before"
            raise CapabilityError.of(where="capture", name=self.site.name, bound=bound)
        self.array[rows] = value.numpy()

    def _joined(self) -> torch.Tensor:
        """Return the calls of a batch as (trial, axis, unit)."""
        if len(self.calls) == 1:
            value = self.calls[0]
            self.axis = self.word if value.ndim == 3 else "layer"
            return value if value.ndim == 3 else value[:, None]
        if any(one.ndim != 2 or one.shape != self.calls[0].shape for one in self.calls):
            bound = f"is called {len(self.calls)} times in one pass, each with an axis or other shape"
            raise CapabilityError.of(
                where="capture", name=self.site.name, bound=bound, fix="give reduce=, or the site around it"
            )
        self.axis = "tick"
        value = torch.stack(self.calls, dim=1)
        if self.extended:  # each call had an axis, which was reduced: all of them stay
            return value
        self.kept = self.places.among(len(self.calls), self.site.name)
        return self.places.take(value, self.kept)

    def state(self, trial: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values with their names, as `Recording.build` takes them."""
        n, units = self.array.shape[1:]
        block = re.match(r"blocks\.(\d+)\.", self.site.name)
        place = np.arange(n) if self.kept is None else self.kept
        if self.axis == "tick":
            place = place + 1
        elif self.axis == "layer" and block and n == 1:
            place = place + int(block[1])
        coords = {**trial, self.axis: place}
        if self.heads and units % self.heads == 0:
            coords["head"] = ("unit", np.repeat(np.arange(self.heads), units // self.heads))
            if self.site.weights:
                coords["key"] = ("unit", np.tile(np.arange(units // self.heads), self.heads))
        streamed = self.room.stream is not None
        data = np.broadcast_to(np.zeros((), self.array.dtype), self.array.shape) if streamed else self.array
        return {self.quantity: (data, ("trial", self.axis, "unit"), coords, "1")}
