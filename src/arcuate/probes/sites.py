"""Names of the places in a model, and the patterns that choose among them."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch

from arcuate.errors import SpecError, unknown
from arcuate.probes._adapters import Site, canonical

__all__ = ["resolve", "site_names"]


def site_names(model: Any) -> tuple[str, ...]:
    """Return the names of all sites of a model.

    Parameters
    ----------
    model : torch.nn.Module

    Returns
    -------
    tuple of str
        Canonical names first, such as "blocks.0.resid_post", where the layout is one of GPT-2, Llama or BERT
        or the modules themselves are named so; then "path:in" and "path:out" of every module.

    Raises
    ------
    SpecError
        If it is not a torch module.

    Examples
    --------
    >>> site_names(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh()))
    (':in', ':out', '0:in', '0:out', '1:in', '1:out')
    """
    check_module(model, where="site_names")
    return (*canonical(model), *_raw(model))


def check_module(model: object, *, where: str) -> None:
    """Refuse what is not a torch module.

    Parameters
    ----------
    model : object
    where : str
        For the message.

    Raises
    ------
    SpecError
    """
    if not isinstance(model, torch.nn.Module):
        bound = f"must be a torch.nn.Module, not {type(model).__name__}"
        raise SpecError.of(where=where, name="model", bound=bound)


def _raw(model: torch.nn.Module) -> dict[str, Site]:
    """Both sides of every module that can be called."""
    idle = (torch.nn.ModuleList, torch.nn.ModuleDict)
    return {
        f"{path}:{side}": Site(f"{path}:{side}", path, side)
        for path, module in model.named_modules()
        if not isinstance(module, idle)
        for side in ("in", "out")
    }


def resolve(model: torch.nn.Module, sites: str | Sequence[str], *, where: str) -> dict[str, list[Site]]:
    """Find the sites that names and patterns speak of.

    Parameters
    ----------
    model : torch.nn.Module
    sites : str or sequence of str
        Names, or patterns with ``*``, ``?`` and ``[]``; a pattern with a colon is one of raw names.
    where : str
        For the message.

    Returns
    -------
    dict of str to list of Site
        The sites of each name and pattern, in the order of the model.

    Raises
    ------
    SpecError
        If there is none, or something is not a text.
    UnknownNameError
        If a name or a pattern fits nothing; the nearest name is told.
    """
    asked = [sites] if isinstance(sites, str) else sites
    if not isinstance(asked, Sequence) or not asked or not all(isinstance(one, str) for one in asked):
        raise SpecError.of(where=where, name="sites", value=sites, bound="must be one or more names of sites")
    own, raw = canonical(model), _raw(model)
    found = {}
    for name in asked:
        known = raw if ":" in name or not own else own
        if name in known:
            found[name] = [known[name]]
        else:
            found[name] = [site for key, site in known.items() if fnmatchcase(key, name)]
        if not found[name]:
            fitting = own | raw if known is own else known
            raise unknown(where, name, list(fitting), kind="site")
    return found
