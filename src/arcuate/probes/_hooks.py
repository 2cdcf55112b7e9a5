"""Hooks on the sites of a model: what is there, laid flat, seen or put anew as it came."""

from __future__ import annotations

import copy
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch

from arcuate.errors import CapabilityError, SpecError
from arcuate.probes._adapters import Site

__all__ = ["Flat", "attach", "evaluated", "used_once"]

_BUSY: dict[str, weakref.WeakSet[torch.nn.Module]] = {
    "capture": weakref.WeakSet(),
    "intervene": weakref.WeakSet(),
}
_LOCK = threading.Lock()


class Flat(NamedTuple):
    """What is at a site: (trial, position, unit) or (trial, unit), and the heads that the units belong to."""

    value: torch.Tensor
    heads: int | None


@contextmanager
def used_once(model: torch.nn.Module, what: str) -> Iterator[None]:
    """Refuse a second use of a model within the first."""
    with _LOCK:
        if model in _BUSY[what]:
            bound = f"is in another {what} already"
            fix = "give all sites to one call" if what == "capture" else "give all edits to one call"
            raise SpecError.of(where=what, name="model", bound=bound, fix=fix)
        _BUSY[what].add(model)
    try:
        yield
    finally:
        with _LOCK:
            _BUSY[what].discard(model)


@contextmanager
def evaluated(model: torch.nn.Module) -> Iterator[None]:
    """Take a model out of training, and put each of its modules back as it was."""
    training = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, was in training:
            module.training = was


def attach(
    model: torch.nn.Module,
    site: Site,
    change: Callable[[Flat], torch.Tensor | None],
    *,
    batch_first: bool,
    where: str,
) -> Any:
    """Hang a function on a site.

    Parameters
    ----------
    model : torch.nn.Module
    site : Site
    change : callable
        Takes what is there; returns what shall be there, in the same shape, or None to leave it.
    batch_first : bool
        Whether trials are the first dimension of what is there.
    where : str
        For messages.

    Returns
    -------
    handle
        Its ``remove()`` takes the function away.
    """
    module = model.get_submodule(site.path)

    def seen(value: Any) -> torch.Tensor | None:
        if not isinstance(value, torch.Tensor):
            raise _not_a_tensor(site, value, where)
        turned = value if batch_first or value.ndim < 3 else value.transpose(0, 1)
        new = change(_flat(turned, site))
        if new is None:
            return None
        new = _unflat(new, turned, site)
        return new if turned is value else new.transpose(0, 1)

    def before(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if args:
            new = seen(args[0])
            return None if new is None else ((new, *args[1:]), kwargs)
        key = next((key for key, value in kwargs.items() if isinstance(value, torch.Tensor)), None)
        new = seen(None if key is None else kwargs[key])
        return None if new is None else (args, kwargs | {key: new})

    def after(_: Any, __: Any, output: Any) -> Any:
        key = _key(output, site.item)
        new = seen(output if key is None else output[key])
        return None if new is None else _rebuilt(output, key, new)

    if site.side == "in":
        return module.register_forward_pre_hook(before, with_kwargs=True)
    return module.register_forward_hook(after)


def _not_a_tensor(site: Site, value: Any, where: str) -> CapabilityError:
    if site.weights:
        bound = "gives no attention weights, since its attention is computed without them"
        fix = 'call model.set_attn_implementation("eager") before'
        return CapabilityError.of(where=where, name=site.name, bound=bound, fix=fix)
    bound = f"must hold a tensor, not {type(value).__name__}"
    return CapabilityError.of(where=where, name=site.name, bound=bound)


def _key(output: Any, item: int) -> Any:
    """Return the key of what is meant in an output of several parts; None for a single tensor."""
    if isinstance(output, Mapping):
        named = [key for key in ("last_hidden_state", "logits") if output.get(key) is not None]
        tensors = [key for key, value in output.items() if isinstance(value, torch.Tensor)]
        return next(iter([*named, *tensors, *output]), None)
    if isinstance(output, (tuple, list)) and len(output) > item:
        return item
    return None


def _rebuilt(output: Any, key: Any, new: torch.Tensor) -> Any:
    """Return an output of the kind that came, with one part put anew."""
    if key is None:
        return new
    if isinstance(output, tuple):
        parts = (*output[:key], new, *output[key + 1 :])
        return type(output)(*parts) if hasattr(output, "_fields") else type(output)(parts)
    other = copy.copy(output)
    other[key] = new
    return other


def _flat(value: torch.Tensor, site: Site) -> Flat:
    """Lay the units out in one dimension: those of heads side by side, and those of channels."""
    if site.weights and value.ndim == 4:
        return Flat(value.transpose(1, 2).flatten(2), value.shape[1])
    if site.part is not None:
        which, of = site.part
        return Flat(value.chunk(of, dim=-1)[which], site.heads)
    if value.ndim == 4 and ".attn." in f".{site.name}":
        return Flat(value.flatten(2), value.shape[2])
    if value.ndim < 2:
        return Flat(value.reshape(-1, 1), None)
    return Flat(value.flatten(1) if value.ndim > 3 else value, site.heads)


def _unflat(new: torch.Tensor, value: torch.Tensor, site: Site) -> torch.Tensor:
    """Undo `_flat`."""
    if site.weights and value.ndim == 4:
        return new.unflatten(2, (value.shape[1], value.shape[3])).transpose(1, 2)
    if site.part is not None:
        which, of = site.part
        parts = list(value.chunk(of, dim=-1))
        parts[which] = new
        return torch.cat(parts, dim=-1)
    return new.reshape(value.shape)
