"""Forward passes batch by batch, with what is at some sites in hand before the next batch runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

import torch

from arcuate._progress import ProgressOption, progress_bar
from arcuate.errors import CapabilityError, NonFiniteError, SpecError
from arcuate.probes._adapters import Site
from arcuate.probes._given import Given
from arcuate.probes._hooks import Flat, attach, evaluated, used_once

__all__ = ["passes"]

Act = Callable[[slice, Given, Mapping[str, Flat]], None]


def passes(
    model: torch.nn.Module,
    data: Given,
    sites: Sequence[Site],
    act: Act,
    *,
    size: int,
    where: str,
    progress: ProgressOption = None,
) -> None:
    """Run a model on all trials, without dropout and gradients, and hand over what is at some sites.

    Parameters
    ----------
    model : torch.nn.Module
    data : Given
    sites : sequence of Site
    act : callable
        Takes the rows of a batch, the batch, and what each site holds, by name.
    size : int
        Trials at a time.
    where : str
        For messages.
    progress : bool, callable or None

    Raises
    ------
    SpecError
        If the inputs do not go through the model, or a site is never reached.
    NonFiniteError
        If what is at a site of a real token is not finite.
    """
    held: dict[str, Flat] = {}
    with ExitStack() as stack:
        stack.enter_context(used_once(model, "capture"))
        stack.enter_context(evaluated(model))
        for site in sites:
            see = _keeper(held, site.name)
            stack.callback(attach(model, site, see, batch_first=True, where=where).remove)
        tell = stack.enter_context(progress_bar(progress, data.n_trials, title=where, unit="trial"))
        for rows, batch in data.batches(size):
            held.clear()
            batch.answer(model, where=where)
            for site in sites:
                _check(held, site, batch, where)
            act(rows, batch, held)
            if tell is not None:
                tell(batch.n_trials)


def _keeper(held: dict[str, Flat], name: str) -> Callable[[Flat], None]:
    def keep(flat: Flat) -> None:
        held[name] = flat

    return keep


def _check(held: Mapping[str, Flat], site: Site, batch: Given, where: str) -> None:
    """Refuse what was not reached, has no tokens, or is not finite at a real one."""
    if site.name not in held:
        bound = "is never reached when the model runs"
        raise SpecError.of(where=where, name="sites", value=site.name, bound=bound)
    value = held[site.name].value
    if value.ndim != 3 or len(value) != batch.n_trials:
        bound = f"must hold (trial, token, unit), not {tuple(value.shape)}"
        raise CapabilityError.of(where=where, name=site.name, bound=bound)
    if batch.mask is not None and batch.mask.shape == value.shape[:2]:
        value = value[batch.mask]
    if not bool(torch.isfinite(value.sum())) and not bool(torch.isfinite(value).all()):
        raise NonFiniteError.of(where=where, name=site.name, bound="is not finite in a batch")
