"""What a model can no longer do when some of its heads, layers or units are taken away."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.compare.inference import p_value
from arcuate.errors import SpecError, check_choice, check_int, unknown
from arcuate.probes._hooks import evaluated
from arcuate.probes._outputs import Metric, activity, answers, checked, unpadded
from arcuate.probes.patch import Edit, intervene
from arcuate.probes.sites import check_module, site_names
from arcuate.rng import check_seed, stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["ablate", "rank_components"]

MODES = ("resample", "mean", "zero")
ALTERNATIVES = ("less", "greater", "two-sided")
PLACES = ("layer", "model")

Set = dict[Any, list[int]]
"""Members by the group that they belong to: heads by layer, units by site, layers by 0."""


def ablate(
    model: Any,
    inputs: Any,
    metric: Metric,
    *,
    heads: Sequence[tuple[int, int]] | None = None,
    layers: Sequence[int] | None = None,
    units: Mapping[str, Sequence[int]] | None = None,
    mode: str = "resample",
    reference: Any = None,
    positions: Any = None,
    n_random: int = 50,
    within: str = "layer",
    alternative: str = "less",
    seed: int = 0,
    progress: ProgressOption = None,
) -> xr.Dataset:
    """Take heads, layers or units away together, and as many others drawn at random beside them.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode meanwhile.
    inputs : array, tensor, tuple of them, or mapping of str to them
        As `arcuate.probes.capture` takes them; all trials go through at once.
    metric : callable
        One number for each trial, (trial,), of the outputs (trial, position, unit): logits, where several
        things come out. `arcuate.probes.logit_difference` makes one.
    heads : sequence of (layer, head), optional
        Exactly one of the three is given. A head goes at ``attn.z``, which it reads.
    layers : sequence of int, optional
        What their attention and feed-forward parts add to the residual stream goes.
    units : mapping of site to indices, optional
    mode : {"resample", "mean", "zero"}
        What stands in: the activity in another trial, the same one everywhere; the mean over trials and
        positions; or 0. Resampling keeps to what the rest of the model has seen, which zeros do not.
    reference : as `inputs`, optional
        Where the activity in other trials comes from, as long as `inputs`; by default these themselves, and
        no trial gets its own.
    positions : indices, optional
        Where they are taken away; by default everywhere.
    n_random : int
        Random sets; 0 for none.
    within : {"layer", "model"}
        Whether a random set has as many heads in each layer as the set has, and as many units at each site,
        or only as many in all. Layers are drawn from the whole model.
    alternative : {"less", "greater", "two-sided"}
        What the set does to the mean metric, more than random sets do: lower it, raise it, or move it.
    seed : int
        Of sets, from the stream ``probes/ablate/sets``, and of trials that stand in, from
        ``probes/ablate/donors``. Both are the same for any metric, so that two can be set side by side.
    progress : bool, callable or None
        As everywhere.

    Returns
    -------
    xarray.Dataset
        ``intact`` and ``ablated``, the metric of each ``trial``; ``effect``, the mean of their difference;
        and, if there are random sets, ``random`` over (``set``, ``trial``), ``random_effect`` over ``set``,
        whose labels name the members, and ``p`` = (1 + number of random sets that do as much) / (1 +
        n_random).

    Raises
    ------
    SpecError
        If an argument does not fit, the metric does not give one number for each trial, or there is only one
        set of this size.
    UnknownNameError
        If there is no such site; the nearest is named.
    NonFiniteError
        If the metric is not finite; the trial is named.

    References
    ----------
    K. Wang et al., "Interpretability in the wild", arXiv 2211.00593 (2022), mean ablation; L. Chan et al.,
    "Causal scrubbing" (2022), resampling; B. Phipson & G. Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010) 39,
    the p value.

    Examples
    --------
    >>> from arcuate.nn import TinyTransformer
    >>> model = TinyTransformer(n_outputs=7, n_tokens=7, d_model=8, n_heads=2, n_layers=2, seed=1)
    >>> tokens = np.random.default_rng(0).integers(7, size=(12, 5))
    >>> found = ablate(model, tokens, lambda logits: logits[:, -1, 3], heads=[(0, 1)], n_random=5)
    >>> dict(found.sizes)
    {'trial': 12, 'set': 5}
    """
    where = "ablate"
    check_choice(alternative, ALTERNATIVES, where=where, name="alternative")
    check_choice(within, PLACES, where=where, name="within")
    n_random = check_int(n_random, where=where, name="n_random", low=0)
    check_progress(progress, where=where, unit="sets")
    cut = _Cut(
        model, inputs, metric, mode=mode, reference=reference, positions=positions, seed=seed, where=where
    )
    kind, chosen = _asked(heads, layers, units, where)
    groups = cut.groups(kind, chosen)
    _check_members(kind, chosen, groups, where)
    if kind == "layers" or within == "layer":
        drawn = {group: groups[group] for group in chosen}
    else:
        drawn = groups
    sets = _random_sets(chosen, drawn, n_random, spread=within == "model", seed=seed) if n_random else []
    cut.prepare(kind, drawn)
    with progress_bar(progress, len(sets), title=where, unit="set") as tell:
        intact, ablated = cut.intact(), cut.without(kind, chosen)
        rows = []
        for one in sets:
            rows.append(cut.without(kind, one))
            if tell is not None:
                tell(1)
    found = _dataset(intact, ablated, kind, chosen)
    if sets:
        _add_random(found, np.stack(rows), [_label(kind, one) for one in sets], alternative)
    return found.assign_attrs(mode=mode, within=within, alternative=alternative, seed=seed)


def rank_components(
    model: Any,
    inputs: Any,
    metric: Metric,
    *,
    components: str = "heads",
    mode: str = "resample",
    reference: Any = None,
    positions: Any = None,
    seed: int = 0,
    progress: ProgressOption = None,
) -> xr.Dataset:
    """Take each head, or each layer, away alone.

    Parameters
    ----------
    model, inputs, metric, mode, reference, positions, seed, progress
        As `ablate` takes them.
    components : {"heads", "layers"}

    Returns
    -------
    xarray.Dataset
        ``intact`` over ``trial``, ``ablated`` over (``layer``, ``head``, ``trial``) or (``layer``,
        ``trial``), and ``effect``, the mean of their difference; NaN where a layer has fewer heads.

    Raises
    ------
    SpecError, UnknownNameError, NonFiniteError
        As `ablate`.

    Examples
    --------
    >>> from arcuate.nn import TinyTransformer
    >>> model = TinyTransformer(n_outputs=7, n_tokens=7, d_model=8, n_heads=2, n_layers=2, seed=1)
    >>> tokens = np.random.default_rng(0).integers(7, size=(12, 5))
    >>> found = rank_components(model, tokens, lambda logits: logits[:, -1, 3])
    >>> found["effect"].dims, found["effect"].shape
    (('layer', 'head'), (2, 2))
    """
    import xarray as xr

    where = "rank_components"
    check_choice(components, ("heads", "layers"), where=where, name="components")
    check_progress(progress, where=where, unit="components")
    cut = _Cut(
        model, inputs, metric, mode=mode, reference=reference, positions=positions, seed=seed, where=where
    )
    groups = cut.groups(components, {})
    cut.prepare(components, groups)
    alone = [(group, one) for group, members in groups.items() for one in members]
    with progress_bar(progress, len(alone), title=where, unit="component") as tell:
        intact = cut.intact()
        shape = (len(groups), max(map(len, groups.values()))) if components == "heads" else (1, len(alone))
        ablated = np.full((*shape, len(intact)), np.nan)
        for row, (group, members) in enumerate(groups.items()):
            for one in members:
                ablated[row, one] = cut.without(components, {group: [one]})
                if tell is not None:
                    tell(1)
    dims: tuple[str, ...] = ("layer", "head", "trial")
    if components == "layers":
        ablated, dims = ablated[0], ("layer", "trial")
    coords = {dim: np.arange(n) for dim, n in zip(dims, ablated.shape, strict=True)}
    parts = {"intact": ("trial", intact), "ablated": (dims, ablated)}
    found = xr.Dataset({**parts, "effect": (dims[:-1], (ablated - intact).mean(-1))}, coords)
    return found.assign_attrs(mode=mode, seed=seed)


class _Cut:
    """A model, trials and what stands in for what is taken away."""

    def __init__(
        self,
        model: Any,
        inputs: Any,
        metric: Metric,
        *,
        mode: str,
        reference: Any,
        positions: Any,
        seed: int,
        where: str,
    ) -> None:
        check_module(model, where=where)
        check_choice(mode, MODES, where=where, name="mode")
        if mode == "zero" and reference is not None:
            raise SpecError.of(where=where, name="reference", bound="has no meaning for zero")
        self.model, self.metric, self.mode, self.positions, self.where = model, metric, mode, positions, where
        self.seed, self.inputs = check_seed(seed), inputs
        self.data = checked(model, inputs, metric=metric, where=where)
        self.pool_inputs = inputs if reference is None else reference
        pool = checked(model, self.pool_inputs, metric=metric, where=where)
        self.donors = self._donors(pool.n_trials, own=reference is None) if mode == "resample" else None
        if mode == "resample":
            for name, one in (("inputs", self.data), ("reference", pool)):
                unpadded(one, where=where, name=name, fix='use mode="mean"')
        self.values: dict[str, torch.Tensor] = {}

    def _donors(self, n_pool: int, *, own: bool) -> np.ndarray:
        """Return the trial that stands in for each, the same at every site."""
        rng = stream(self.seed, "probes/ablate/donors")
        if not own:
            return rng.integers(n_pool, size=self.data.n_trials)
        if n_pool < 2:
            fix = "give reference= with other trials"
            raise SpecError.of(where=self.where, name="inputs", bound="must be two or more trials", fix=fix)
        order = rng.permutation(n_pool)
        donors = np.empty(n_pool, int)
        donors[order] = np.roll(order, 1)
        return donors

    def groups(self, kind: str, chosen: Set) -> dict[Any, list[int]]:
        """Return all components of a kind that the model has."""
        _, first = next(self.data.batches(1))
        one = first.kwargs or first.args
        if kind == "heads":
            found = activity(self.model, one, "blocks.*.attn.z")
            if not all(flat.heads for flat in found.values()):
                bound = "must say how many heads it has, as a config with num_attention_heads does"
                raise SpecError.of(where=self.where, name="model", bound=bound)
            return {int(site.split(".")[1]): list(range(z.heads or 0)) for site, z in found.items()}
        if kind == "layers":
            named = [re.match(r"blocks\.(\d+)\.", site) for site in site_names(self.model)]
            layers = sorted({int(match[1]) for match in named if match})
            if not layers:
                raise unknown(self.where, "blocks.*", site_names(self.model), kind="site")
            return {0: layers}
        found = activity(self.model, one, list(chosen))
        return {site: list(range(flat.value.shape[-1])) for site, flat in found.items()}

    def prepare(self, kind: str, groups: Mapping[Any, Sequence[int]]) -> None:
        """Record what stands in, at all sites where something will be taken away."""
        if self.mode == "zero":
            return
        sites = list(dict.fromkeys(site for site, _ in self._places(kind, groups)))
        found = activity(self.model, self.pool_inputs, sites, pads=self.mode == "resample")
        for site, (x, _) in found.items():
            if self.mode == "resample":
                self.values[site] = x[self.donors]
            else:
                self.values[site] = x.flatten(0, -2).nanmean(0)

    def _places(
        self, kind: str, members: Mapping[Any, Sequence[int]]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give the sites of components, and where there."""
        for group, some in members.items():
            if kind == "heads":
                yield f"blocks.{group}.attn.z", {"heads": list(some)}
            elif kind == "units":
                yield group, {"units": list(some)}
            else:
                parts = [f"blocks.{layer}.{part}.out" for layer in some for part in ("attn", "mlp")]
                known = set(site_names(self.model))
                yield from ((site, {}) for site in parts if site in known)

    def intact(self) -> np.ndarray:
        """Return the metric of each trial of the whole model."""
        with evaluated(self.model):
            return answers(self.model, self.data, self.metric, where=self.where)

    def without(self, kind: str, members: Set) -> np.ndarray:
        """Return the metric of each trial without some components."""
        more = {} if self.positions is None else {"positions": self.positions}
        mode = "zero" if self.mode == "zero" else "replace"
        edits = [
            Edit(site, mode, self.values.get(site), {**place, **more})
            for site, place in self._places(kind, members)
        ]
        with evaluated(self.model), intervene(self.model, *edits):
            return answers(self.model, self.data, self.metric, where=self.where)


def _asked(heads: Any, layers: Any, units: Any, where: str) -> tuple[str, Set]:
    """Return which kind of components is taken away, and which of them."""
    given = {"heads": heads, "layers": layers, "units": units}
    kinds = [kind for kind, some in given.items() if some is not None]
    if len(kinds) != 1:
        bound = f"exactly one must be given, not {len(kinds)}"
        raise SpecError.of(where=where, name="heads, layers, units", bound=bound)
    kind = kinds[0]
    some, found = given[kind], dict[Any, list[int]]()
    try:
        if kind == "units":
            found = {str(site): [int(k) for k in index] for site, index in dict(some).items()}
        elif kind == "layers":
            found = {0: [int(layer) for layer in some]}
        else:
            for layer, head in some:
                found.setdefault(int(layer), []).append(int(head))
    except (TypeError, ValueError) as error:
        bounds = {
            "heads": "must be pairs (layer, head)",
            "layers": "must be whole numbers",
            "units": "must map sites to whole numbers",
        }
        raise SpecError.of(where=where, name=kind, value=some, bound=bounds[kind]) from error
    if not found or not all(found.values()):
        raise SpecError.of(where=where, name=kind, value=some, bound="must name one or more")
    if any(len(set(members)) < len(members) for members in found.values()):
        raise SpecError.of(where=where, name=kind, value=some, bound="must name each one once")
    return kind, {group: sorted(members) for group, members in sorted(found.items())}


def _check_members(kind: str, chosen: Set, groups: Mapping[Any, Sequence[int]], where: str) -> None:
    """Refuse components that the model does not have."""
    for group, members in chosen.items():
        if group not in groups:
            bound = f"layer {group} is none of the {len(groups)} of the model"
            raise SpecError.of(where=where, name=kind, bound=bound)
        known = groups[group]
        bad = [one for one in members if one not in known]
        if bad:
            place = {"heads": f" of layer {group}", "units": f" of {group}", "layers": ""}[kind]
            bound = f"{bad[0]} is none of the {len(known)}{place}, which count from 0"
            raise SpecError.of(where=where, name=kind, bound=bound)


def _random_sets(
    chosen: Set, groups: Mapping[Any, Sequence[int]], n: int, *, spread: bool, seed: int
) -> list[Set]:
    """Draw sets as large as the one chosen: as many of each group, or as many in all."""
    every = [(group, one) for group, members in groups.items() for one in members]
    size = sum(map(len, chosen.values()))
    single = size == len(every) if spread else all(len(chosen[g]) == len(groups[g]) for g in chosen)
    if single:
        bound = "leave nothing to draw random sets from: the set is all there is"
        fix = 'use within="model", or n_random=0'
        raise SpecError.of(where="ablate", name="heads, layers, units", bound=bound, fix=fix)
    rng, sets = stream(seed, "probes/ablate/sets"), []
    for _ in range(n):
        one: Set = {}
        if spread:
            for k in sorted(rng.choice(len(every), size, replace=False)):
                one.setdefault(every[k][0], []).append(every[k][1])
        else:
            for group, members in chosen.items():
                one[group] = sorted(int(k) for k in rng.choice(groups[group], len(members), replace=False))
        sets.append(one)
    return sets


def _label(kind: str, members: Set) -> str:
    """Name the members of a set: heads as "layer.head", units as "site[unit]"."""
    form = {"heads": "{}.{}", "layers": "{1}", "units": "{}[{}]"}[kind]
    return " ".join(form.format(group, one) for group, some in members.items() for one in some)


def _dataset(intact: np.ndarray, ablated: np.ndarray, kind: str, chosen: Set) -> xr.Dataset:
    import xarray as xr

    parts = {"intact": ("trial", intact), "ablated": ("trial", ablated)}
    found = xr.Dataset(
        {**parts, "effect": float((ablated - intact).mean())}, {"trial": np.arange(len(intact))}
    )
    return found.assign_attrs({"components": kind, "removed": _label(kind, chosen)})


def _add_random(found: xr.Dataset, rows: np.ndarray, labels: list[str], alternative: str) -> None:
    """Add what random sets do, and how often as much as the set."""
    effects = (rows - found["intact"].values).mean(-1)
    value, sign = float(found["effect"]), {"less": -1.0, "greater": 1.0, "two-sided": 0.0}[alternative]
    observed, null = (sign * value, sign * effects) if sign else (abs(value), np.abs(effects))
    found["random"] = (("set", "trial"), rows)
    found["random_effect"] = ("set", effects)
    found["p"] = p_value(observed, null)
    found.coords["set"] = labels
