"""What any torch module does with its inputs, as a Recording."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import torch

from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.ctm._recording import trial_labels
from arcuate.errors import (
    SpecError,
    check_choice,
    check_int,
)
from arcuate.probes._adapters import Site
from arcuate.probes._given import Given, Places, given
from arcuate.probes._hooks import attach, evaluated, used_once
from arcuate.probes._store import Keep, Reduce, Room, Store
from arcuate.probes.sites import check_module, resolve
from arcuate.recording import AXES, Recording
from arcuate.recording.streams import Stream

__all__ = ["capture"]

REDUCTIONS = ("last", "mean", "mask-mean")
DTYPES = ("float32", "float16")


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
        By default float32, or float64 as the model has it. What float16 cannot hold is refused, and a site
        whose largest numbers it rounds by more than a typical one is warned of.
    to : path, optional
        Folder to stream to, batch by batch (zarr v3, extra ``io``). It gets its name once it is whole; its
        numbers are read when they are looked at, now and after `Recording.load`.
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
        recording, known with the first batch, as ``outcome["bytes"]`` does.

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
        If the recording would not fit into memory; told within the first batch.
    RecordingError
        If `to` exists, cannot be written, or would not fit onto the disk; told within the first batch.
    CapabilityError
        If a site holds no tensor, as attention weights that the model does not compute.
    NonFiniteError
        If a number is not finite; site, trial and place are named.

    Examples
    --------
    >>> model = torch.nn.LSTM(3, 5, batch_first=True)
    >>> recording = capture(model, torch.zeros(4, 7, 3), sites=":out", stimulus=list("abcd"))
    >>> dict(recording.states(":out").sizes)
    {'trial': 4, 'tick': 7, 'unit': 5}
    >>> capture(model, torch.zeros(4, 7, 3), sites=":out", reduce="last").states(":out").sizes["layer"]
    1
    """
    check_module(model, where="capture")
    size = check_int(batch_size, where="capture", name="batch_size")
    check_progress(progress, where="capture", unit="trials")
    _check_choices(reduce=reduce, axis=axis, dtype=dtype)
    asked = resolve(model, sites, where="capture")
    data = given(model, inputs, mask, batch_first=batch_first)
    _check_mask(reduce, data.mask)
    labels = {"stimulus": stimulus, "repeat": repeat, "condition": condition}
    trial = trial_labels(labels, data.n_trials, where="capture")
    keep = Keep(Places.of(positions), reduce, None if dtype is None else getattr(torch, dtype))
    with nullcontext() if to is None else Stream(to, where="capture") as stream:
        room = Room(data.n_trials, min(size, data.n_trials), stream)
        word = axis or ("token" if data.words() else "tick")
        stores = {site.name: Store(site, keep, room, axis=word) for group in asked.values() for site in group}
        _run(model, data, stores, size=size, batch_first=batch_first, progress=progress)
        _check_reached(asked, stores)
        way = "function" if callable(reduce) else reduce
        found = Recording.build(
            source=f"torch:{type(model).__name__}",
            seed=seed,
            spec_json=json.dumps({"model": type(model).__name__, "reduce": way}),
            states={name: store.state(trial) for name, store in stores.items() if store.made},
            outcome={"bytes": room.needed},
        )
        return found if stream is None else Recording(stream.finish(found.tree))


def _check_choices(**policies: Any) -> None:
    choices = {"reduce": REDUCTIONS, "axis": AXES, "dtype": DTYPES}
    for name, value in policies.items():
        if value is not None and not (name == "reduce" and callable(value)):
            check_choice(value, choices[name], where="capture", name=name)


def _check_reached(asked: Mapping[str, Sequence[Site]], stores: Mapping[str, Store]) -> None:
    """Refuse what gave nothing; warn of what float16 lost."""
    for name, group in asked.items():
        if not any(stores[site.name].made for site in group):
            bound = "is never reached when the model runs"
            raise SpecError.of(where="capture", name="sites", value=name, bound=bound)
    for store in stores.values():
        store.warn()


def _check_mask(reduce: Reduce, mask: torch.Tensor | None) -> None:
    if reduce == "mean" and mask is not None:
        bound = "would count pads in, since the trials have several lengths"
        raise SpecError.of(
            where="capture", name="reduce", value=reduce, bound=bound, fix='use reduce="mask-mean"'
        )


def _run(
    model: torch.nn.Module,
    data: Given,
    stores: Mapping[str, Store],
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
            batch.answer(model, where="capture")
            for store in stores.values():
                store.keep(rows)
            bar.title = f"capture, {store.room.needed / 1e6:.3g} MB"
            if tell is not None:
                tell(batch.n_trials)
