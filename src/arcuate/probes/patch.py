"""Changing what is at the sites of any torch module while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from arcuate.errors import CapabilityError, SpecError, check_choice
from arcuate.probes._adapters import Site
from arcuate.probes._hooks import Flat, attach, used_once
from arcuate.probes.sites import check_module, resolve
from arcuate.rng import check_seed, stream

__all__ = ["Edit", "intervene"]

MODES = ("replace", "add", "scale", "zero", "mean", "resample", "project_out", "steer")
PLACES = ("batch", "positions", "heads", "units")


@dataclass(frozen=True, eq=False)
class Edit:
    """One change of what is at a site.

    Parameters
    ----------
    site : str
        Name or pattern, as `arcuate.probes.capture` takes it.
    mode : str
        With x for what is there, and v for `value`:

        - ``"replace"``: v; ``"add"``: x + v; ``"scale"``: v x; ``"zero"``: 0.
        - ``"mean"``: the mean of v over everything but units.
        - ``"resample"``: the trial of v, or of the batch itself if there is no v, that is drawn for each
          trial; of the batch never its own.
        - ``"project_out"``: x without its part along v, one direction (unit,) or several (n, unit).
        - ``"steer"``: x + v, brought back to the length of x in each position.
    value : array_like, optional
        Laid out as in a recording, (trial, position, unit), or what broadcasts to it.
    where : mapping, optional
        Indices of "batch", "positions", "heads" and "units" that are changed; all by default. Positions may
        be counted from the end.
    seed : int
        Of what is drawn; the stream is ``probes/resample/<site>``.

    Raises
    ------
    SpecError
        If an argument does not fit.

    Examples
    --------
    >>> Edit("blocks.0.attn.z", "zero", where={"heads": [1]}).mode
    'zero'
    """

    site: str
    mode: str
    value: Any = None
    where: Mapping[str, Any] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice(self.mode, MODES, where="Edit", name="mode")
        check_seed(self.seed)
        if self.where is not None and not isinstance(self.where, Mapping):
            raise SpecError.of(where="Edit", name="where", value=self.where, bound="must be a mapping")
        for key in self.where or {}:
            check_choice(key, PLACES, where="Edit", name="where")
        if self.mode not in ("zero", "resample") and self.value is None:
            raise SpecError.of(where="Edit", name="value", bound=f"must be given to {self.mode}")
        if self.mode == "zero" and self.value is not None:
            raise SpecError.of(where="Edit", name="value", bound="has no meaning for zero")


@contextmanager
def intervene(model: Any, *edits: Edit, batch_first: bool = True) -> Iterator[None]:
    """Change what is at the sites of a model, as long as the context lasts.

    Edits of one site are made in the order in which they are given, and before
    `arcuate.probes.capture` within the context sees the site. Gradients flow through them.

    Parameters
    ----------
    model : torch.nn.Module
    *edits : Edit
    batch_first : bool
        As in `arcuate.probes.capture`.

    Yields
    ------
    None

    Raises
    ------
    SpecError
        If a value or an index does not fit what is at a site, the model is in another `intervene`, or, at the
        end of the context, an edit was never made.
    UnknownNameError
        If there is no such site; the nearest is named.
    CapabilityError
        If the model does not go on with what is at a site, as with attention weights of GPT-2, Llama and BERT
        and ``resid_mid`` of the first two.

    Examples
    --------
    >>> model, x = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU()), torch.ones(1, 2)
    >>> with intervene(model, Edit("0:out", "replace", [-1.0, 0.5, 2.0])):
    ...     model(x).tolist()
    [[0.0, 0.5, 2.0]]
    """
    check_module(model, where="intervene")
    if not edits or not all(isinstance(edit, Edit) for edit in edits):
        raise SpecError.of(where="intervene", name="edits", bound="must be one or more Edits")
    asked = [next(iter(resolve(model, edit.site, where="intervene").values())) for edit in edits]
    for site in (site for group in asked for site in group if not site.editable):
        bound = "can be looked at but not changed: the model does not go on with it"
        fix = "edit attn.z" if site.weights else "edit attn.out, or resid_pre of the same block"
        raise CapabilityError.of(where="intervene", name=site.name, bound=bound, fix=fix)
    made = [0] * len(edits)
    with ExitStack() as stack:
        stack.enter_context(used_once(model, "intervene"))
        for k, (edit, group) in enumerate(zip(edits, asked, strict=True)):
            for site in group:
                change = _change(edit, site, made, k)
                handle = attach(model, site, change, batch_first=batch_first, where="intervene")
                stack.callback(handle.remove)
        yield
    for edit, times in zip(edits, made, strict=True):
        if not times:
            bound = "was never made: the model did not reach the site"
            raise SpecError.of(where="intervene", name="edit", value=edit.site, bound=bound)


def _change(edit: Edit, site: Site, made: list[int], k: int) -> Callable[[Flat], torch.Tensor]:
    """Return what a hook does for an edit, counting how often."""
    rng = stream(edit.seed, f"probes/resample/{site.name}")

    def change(flat: Flat) -> torch.Tensor:
        x = flat.value
        chosen = _chosen(edit, flat, site)
        new = torch.where(chosen, _edited(edit, x, chosen, rng), x)
        made[k] += 1
        return new

    return change


def _edited(edit: Edit, x: torch.Tensor, chosen: torch.Tensor, rng: Any) -> torch.Tensor:
    """Return what shall be at a site, where it is changed at all."""
    if edit.mode == "zero":
        return torch.zeros_like(x)
    if edit.mode == "resample":
        return _resampled(edit, x, rng)
    value = _tensor(edit.value, x, edit)
    if edit.mode == "project_out":
        return _projected(edit, x, value, chosen)
    if edit.mode == "mean":
        value = value.reshape(-1, value.shape[-1]).mean(0) if value.ndim else value
    value = _broadcast(value, x, edit)
    if edit.mode in ("replace", "mean"):
        return value
    if edit.mode == "scale":
        return x * value
    if edit.mode == "add":
        return x + value
    moved = x + value
    length = torch.linalg.vector_norm(moved, dim=-1, keepdim=True)
    tiny = torch.finfo(x.dtype).tiny
    return moved * (torch.linalg.vector_norm(x, dim=-1, keepdim=True) / length.clamp_min(tiny))


def _resampled(edit: Edit, x: torch.Tensor, rng: Any) -> torch.Tensor:
    if edit.value is not None:
        pool = _tensor(edit.value, x, edit)
        if pool.ndim != x.ndim or not len(pool) or pool.shape[1:] != x.shape[1:]:
            raise _wrong(edit, "value", f"must be (trial, *{tuple(x.shape[1:])}), not {tuple(pool.shape)}")
        return pool[torch.as_tensor(rng.integers(len(pool), size=len(x)), device=x.device)]
    if len(x) < 2:
        raise _wrong(edit, "value", "must be given for a batch of one trial")
    order = torch.as_tensor(rng.permutation(len(x)), device=x.device)
    new = torch.empty_like(x)
    new[order] = x[order.roll(1)]
    return new


def _projected(edit: Edit, x: torch.Tensor, value: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Leave out the part along some directions, within the units that are changed."""
    directions = value.reshape(-1, value.shape[-1]) if value.ndim in (1, 2) else value
    if directions.ndim != 2 or directions.shape[1] != x.shape[-1]:
        raise _wrong(edit, "value", f"must be (unit,) or (n, unit) with {x.shape[-1]} units")
    units = chosen.flatten(0, -2).any(0) if chosen.ndim > 1 else chosen
    directions = (directions * units).double()
    if int(torch.linalg.matrix_rank(directions)) < len(directions):
        raise _wrong(edit, "value", "must be directions that do not depend on each other")
    basis = torch.linalg.qr(directions.T).Q.to(x.dtype)
    return x - (x @ basis) @ basis.T


def _tensor(value: Any, x: torch.Tensor, edit: Edit) -> torch.Tensor:
    try:
        tensor = value if isinstance(value, torch.Tensor) else torch.from_numpy(np.array(value))
        tensor = tensor.to(x.device, x.dtype)
    except (TypeError, ValueError, RuntimeError) as error:
        raise _wrong(edit, "value", f"must be numbers ({error})") from error
    if not torch.isfinite(tensor).all():
        raise _wrong(edit, "value", "must be finite")
    return tensor


def _broadcast(value: torch.Tensor, x: torch.Tensor, edit: Edit) -> torch.Tensor:
    try:
        return torch.broadcast_to(value, x.shape)
    except RuntimeError as error:
        bound = f"has shape {tuple(value.shape)}, which does not fit {tuple(x.shape)}"
        raise _wrong(edit, "value", bound) from error


def _chosen(edit: Edit, flat: Flat, site: Site) -> torch.Tensor:
    """Return where a site is changed, as it broadcasts to what is there."""
    x, heads = flat
    chosen = torch.ones(x.shape, dtype=torch.bool, device=x.device)
    for key, index in (edit.where or {}).items():
        if (key == "positions" and x.ndim < 3) or (key == "heads" and not heads):
            raise _wrong(edit, f"where[{key!r}]", f"has no meaning at {site.name}")
        axis = {"batch": 0, "positions": 1}.get(key, x.ndim - 1)
        n = heads if key == "heads" and heads else x.shape[axis]
        part = torch.zeros(n, dtype=torch.bool, device=x.device)
        try:
            places = index if isinstance(index, slice) else np.arange(n)[np.asarray(index)]
            part[places] = True
        except (IndexError, TypeError, ValueError, RuntimeError) as error:
            raise _wrong(edit, f"where[{key!r}]", f"must be indices below {n} ({error})") from error
        if not part.any():
            raise _wrong(edit, f"where[{key!r}]", f"chooses none of {n}")
        if key == "heads":
            part = part.repeat_interleave(x.shape[axis] // n)
        chosen &= part.reshape([-1 if k == axis else 1 for k in range(x.ndim)])
    return chosen


def _wrong(edit: Edit, name: str, bound: str) -> SpecError:
    return SpecError.of(where=f"Edit of {edit.site!r}", name=name, bound=bound)
