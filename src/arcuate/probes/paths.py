"""By which way one part of a model acts on an answer: path patching."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.errors import SpecError, check_int
from arcuate.probes._hooks import Flat, evaluated
from arcuate.probes._outputs import Metric, activity
from arcuate.probes._pair import Pair
from arcuate.probes.patch import Edit, intervene
from arcuate.probes.patching import DIRECTIONS, dataset, indices, words
from arcuate.probes.sites import resolve

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["path_patching"]

Ends = str | Sequence[str] | Mapping[str, Sequence[int] | None]


def path_patching(
    model: Any,
    clean: Any,
    corrupt: Any,
    *,
    metric: Metric,
    senders: Ends,
    receivers: Ends,
    freeze_mlps: bool = False,
    positions: Any = None,
    directions: Sequence[str] = DIRECTIONS,
    batch_size: int = 256,
    progress: ProgressOption = None,
) -> xr.Dataset:
    """Let a part of one run act on another through chosen receivers alone.

    In a first run the sender has the activity of the other run, all other heads keep theirs, and what then
    arrives at the receivers is recorded; in a second, the receivers have that, and all else is computed.

    Parameters
    ----------
    model, clean, corrupt, metric, directions, progress
        As `arcuate.probes.activation_patching` takes them.
    senders : str, sequence of str, or mapping of str to indices or None
        Sites, each by itself, and each of its heads by itself: all, or those that a mapping names.
    receivers : the same
        Sites, or heads of theirs, which receive together: the queries, keys or values of heads
        (``attn.q``, ``attn.k``, ``attn.v``), the neurons of a feed-forward part (``mlp.pre``), or the end of
        the stream (``final_norm``, the last ``resid_post``) for what is said directly.
    freeze_mlps : bool
        Whether feed-forward parts keep their activity too, and a path goes through none.
    positions : indices, optional
        Where the sender is patched; by default everywhere.
    batch_size : int
        Trials times senders that run at once; all trials of a sender always do.

    Returns
    -------
    xarray.Dataset
        As of `arcuate.probes.activation_patching`, over (``direction``, ``site``, ``head``) of senders; the
        head of a site without heads is -1.

    Raises
    ------
    SpecError
        Also if a receiver is held still itself, stands before every sender, or a head does not exist.
    UnknownNameError, CapabilityError, NonFiniteError
        As `arcuate.probes.activation_patching`.

    References
    ----------
    K. Wang et al., "Interpretability in the wild", arXiv 2211.00593 (2022); N. Goldowsky-Dill et al.,
    "Localizing model behavior with path patching", arXiv 2304.05969 (2023).

    Examples
    --------
    >>> from arcuate.nn import TinyTransformer
    >>> from arcuate.probes import logit_difference
    >>> model = TinyTransformer(n_outputs=7, n_tokens=7, d_model=8, n_heads=2, n_layers=2, seed=1)
    >>> pair, ends = ([[1, 2, 3]], [[4, 2, 3]]), ("blocks.0.attn.z", {"blocks.1.attn.v": [1]})
    >>> metric = logit_difference(5, 6)
    >>> found = path_patching(model, *pair, metric=metric, senders=ends[0], receivers=ends[1])
    >>> found["effect"].dims, found["effect"].shape
    (('direction', 'site', 'head'), (2, 1, 2))
    """
    where = "path_patching"
    ways = words(directions, DIRECTIONS, where=where, name="directions", some=True)
    size = check_int(batch_size, where=where, name="batch_size")
    check_progress(progress, where=where, unit="senders")
    pair = Pair(model, clean, corrupt, metric, where=where)
    to = _Ends(model, receivers, where=where, name="receivers")
    of = _Ends(model, senders, where=where, name="senders")
    frozen = _frozen(model, to, freeze_mlps=freeze_mlps, where=where)
    _check_order(of, to, where)
    states = pair.states([*dict.fromkeys([*frozen, *of.sites, *to.sites])])
    heads = to.heads({site: states[site][0] for site in to.sites})
    alone = of.heads({site: states[site][0] for site in of.sites}, each=True)
    found: dict[Any, np.ndarray] = {}
    total = len(ways) * sum(map(len, alone.values()))
    with progress_bar(progress, total, title=where, unit="sender") as tell:
        for way, (site, some) in product(ways, alone.items()):
            step = max(1, size // pair.n_trials)
            for first in range(0, len(some), step):
                part = some[first : first + step]
                sent = _sent(way, states[site], part, positions, where)
                held = {name: states[name][way == "denoise"].value for name in frozen}
                arrived = _arrived(pair, way, {**_tiled(held, len(part)), site: sent}, list(to.sites))
                edits = [Edit(name, "replace", arrived[name].value, heads[name]) for name in to.sites]
                rows = pair.edited(way, edits, len(part))
                found |= {(way, site, head): row for head, row in zip(part, rows, strict=True)}
                if tell is not None:
                    tell(len(part))
    return dataset(found, pair, ["head"])


class _Ends:
    """Sites where paths begin or end, and which heads there."""

    def __init__(self, model: Any, asked: Any, *, where: str, name: str) -> None:
        self.where, self.name = where, name
        named = dict(asked) if isinstance(asked, Mapping) else None
        found = resolve(model, list(named) if named is not None else asked, where=where)
        self.sites = {
            site.name: None if named is None else named[key] for key, group in found.items() for site in group
        }

    def heads(self, states: Mapping[str, Flat], *, each: bool = False) -> dict[str, Any]:
        """Return the heads of each site: each by itself, -1 for none; or where an edit changes them."""
        chosen: dict[str, Any] = {}
        for site, index in self.sites.items():
            n = states[site].heads or 0
            if index is not None and not n:
                bound = f"names heads of {site}, which has none"
                raise SpecError.of(where=self.where, name=self.name, bound=bound)
            some = list(range(n)) if index is None else list(index)
            bad = [one for one in some if one not in range(n)]
            if bad or (n and not some):
                bound = f"must be heads from 0 to {n - 1} of {site}, not {bad or some}"
                raise SpecError.of(where=self.where, name=self.name, bound=bound)
            chosen[site] = (some or [-1]) if each else ({"heads": some} if n else None)
        return chosen


def _frozen(model: Any, to: _Ends, *, freeze_mlps: bool, where: str) -> list[str]:
    """Return the sites that keep their activity while the sender acts."""
    patterns = ["blocks.*.attn.z"] + ["blocks.*.mlp.out"] * freeze_mlps
    frozen = [site.name for group in resolve(model, patterns, where=where).values() for site in group]
    still = [site for site in to.sites if site in frozen]
    if still:
        bound = f"{still[0]} is held still, so that nothing arrives there"
        fix = "choose attn.q, attn.k, attn.v or mlp.pre"
        raise SpecError.of(where=where, name="receivers", bound=bound, fix=fix)
    return frozen


def _check_order(of: _Ends, to: _Ends, where: str) -> None:
    """Refuse a sender that comes later than all receivers."""
    places = [[_place(site) for site in ends] for ends in (of.sites, to.sites)]
    known = [place for place in places[1] if place is not None]
    if len(known) < len(places[1]):
        return
    for site, place in zip(of.sites, places[0], strict=True):
        if place is not None and place > max(known):
            bound = f"{site} stands behind all receivers, so that no path leads from it to them"
            raise SpecError.of(where=where, name="senders", bound=bound)


def _place(site: str) -> tuple[int, int] | None:
    """Return block of a canonical site and its place in it; None of any other."""
    match = re.match(r"blocks\.(\d+)\.(.+)", site)
    if match is None:
        return None
    parts = (
        "resid_pre",
        "attn.",
        "attn.z",
        "attn.out",
        "resid_mid",
        "mlp.",
        "mlp.post",
        "mlp.out",
        "resid_post",
    )
    named = [
        k
        for k, part in enumerate(parts)
        if match[2] == part or (part[-1] == "." and match[2].startswith(part))
    ]
    return int(match[1]), max(named, default=0)


def _sent(
    way: str, both: tuple[Flat, Flat], heads: Sequence[int], positions: Any, where: str
) -> torch.Tensor:
    """Return the activity of a sending site, once for each head that has that of the other run."""
    source, base = both if way == "denoise" else both[::-1]
    shape = source.value.shape
    rows = torch.zeros(shape[1], 1, dtype=torch.bool)
    rows[indices(positions, shape[1], where)] = True
    owner = torch.arange(shape[-1]) // (shape[-1] // (source.heads or 1))
    return torch.cat(
        [torch.where(rows & ((owner == head) | (head < 0)), source.value, base.value) for head in heads]
    )


def _tiled(held: Mapping[str, torch.Tensor], times: int) -> dict[str, torch.Tensor]:
    return {site: value.repeat(times, *[1] * (value.ndim - 1)) for site, value in held.items()}


def _arrived(
    pair: Pair, way: str, values: Mapping[str, torch.Tensor], sites: Sequence[str]
) -> dict[str, Flat]:
    """Return what arrives at receivers when other sites have given activity."""
    data = pair.tiled(way, len(next(iter(values.values()))) // pair.n_trials)
    edits = [Edit(site, "replace", value) for site, value in values.items()]
    with evaluated(pair.model), intervene(pair.model, *edits):
        return activity(pair.model, data.kwargs or data.args, sites, batch_size=data.n_trials)
