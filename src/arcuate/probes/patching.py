"""Where in a model an answer comes from: activity of one run put into another, or estimated by slopes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.errors import SpecError, check_choice, check_int
from arcuate.probes._hooks import Flat, evaluated
from arcuate.probes._outputs import Metric, outputs, score
from arcuate.probes._pair import Pair
from arcuate.probes.patch import Edit, intervene

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["activation_patching", "attribution_patching", "logit_difference"]

DIRECTIONS = ("denoise", "noise")
DIMS = ("position", "head")


def logit_difference(answer: Any, foil: Any, *, position: Any = -1) -> Metric:
    """Make a metric: how much larger the logit of the answer is than that of another word.

    Parameters
    ----------
    answer, foil : int or array_like of int, (trial,)
    position : int or array_like of int, (trial,)
        Of the outputs that is read; may be counted from the end.

    Returns
    -------
    callable
        Takes logits (trial, position, word), or (trial, word), and gives (trial,).

    Raises
    ------
    SpecError
        If these are not whole numbers, or words are negative.

    Examples
    --------
    >>> metric = logit_difference([0, 1], 2)
    >>> metric(torch.tensor([[[5.0, 4.0, 1.0]], [[5.0, 4.0, 1.0]]])).tolist()
    [4.0, 3.0]
    """
    indices = {}
    for name, value in (("answer", answer), ("foil", foil), ("position", position)):
        array = np.asarray(value)
        if array.dtype.kind not in "iu" or array.ndim > 1 or (name != "position" and (array < 0).any()):
            bound = "must be a whole number, or one for each trial" + ", from 0" * (name != "position")
            raise SpecError.of(where="logit_difference", name=name, value=value, bound=bound)
        indices[name] = torch.from_numpy(array.astype(np.int64))

    def metric(logits: torch.Tensor) -> torch.Tensor:
        rows = torch.arange(len(logits), device=logits.device)
        at = {name: index.to(logits.device) for name, index in indices.items()}
        read = logits if logits.ndim == 2 else logits[rows, at["position"]]
        return read[rows, at["answer"]] - read[rows, at["foil"]]

    return metric


def activation_patching(
    model: Any,
    clean: Any,
    corrupt: Any,
    *,
    metric: Metric,
    sites: str | Sequence[str] = "blocks.*.resid_post",
    over: Sequence[str] = ("position",),
    positions: Any = None,
    directions: Sequence[str] = DIRECTIONS,
    batch_size: int = 256,
    progress: ProgressOption = None,
) -> xr.Dataset:
    r"""Put the activity of one run into another, place by place, and see how far the answer follows.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode meanwhile.
    clean, corrupt : array, tensor, tuple of them, or mapping of str to them
        Inputs as `arcuate.probes.capture` takes them: trial by trial the same but for what is asked about,
        and of the same length.
    metric : callable
        One number for each trial, (trial,), of the outputs (trial, position, unit): logits, where several
        things come out. `logit_difference` makes one.
    sites : str or sequence of str
        Names or patterns.
    over : sequence of {"position", "head"}
        What is patched apart: each position, each head, each pair of them; () for a whole site at once.
    positions : indices, optional
        Those that are patched; default all.
    directions : sequence of {"denoise", "noise"}
        "denoise" puts clean activity into the corrupt run, and finds what suffices for the answer; "noise"
        puts corrupt activity into the clean run, and finds what the answer needs.
    batch_size : int
        Trials times places that run at once; all trials of a place always do.
    progress : bool, callable or None
        As everywhere.

    Returns
    -------
    xarray.Dataset
        ``effect`` over (``direction``, ``site``, then ``position`` and ``head`` if apart): of the means over
        trials, :math:`(m_\mathrm{patched} - m_\mathrm{corrupt}) / (m_\mathrm{clean} - m_\mathrm{corrupt})`
        in denoising and one minus it in noising, so that 1 is all of it in both; ``metric``, of each
        ``trial`` also; ``clean`` and ``corrupt``. NaN where a site has fewer heads than another.

    Raises
    ------
    SpecError
        If the two inputs are not laid out alike, the metric is the same in both runs, or an argument does
        not fit.
    UnknownNameError
        If there is no such site; the nearest is named.
    CapabilityError
        If the model does not go on with what is at a site.
    NonFiniteError
        If the metric is not finite; the trial is named.

    References
    ----------
    K. Meng et al., "Locating and editing factual associations in GPT", arXiv 2202.05262 (2022);
    S. Heimersheim & N. Nanda, "How to use and interpret activation patching", arXiv 2404.15255 (2024).

    Examples
    --------
    >>> from arcuate.nn import TinyTransformer
    >>> model = TinyTransformer(n_outputs=7, n_tokens=7, d_model=8, n_heads=2, n_layers=2, seed=1)
    >>> found = activation_patching(model, [[1, 2, 3]], [[4, 2, 3]], metric=logit_difference(5, 6))
    >>> found["effect"].sel(direction="denoise", site="blocks.1.resid_post").values.round(3).tolist()[-1]
    1.0
    """
    where = "activation_patching"
    apart = words(over, DIMS, where=where, name="over")
    ways = words(directions, DIRECTIONS, where=where, name="directions", some=True)
    size = check_int(batch_size, where=where, name="batch_size")
    check_progress(progress, where=where, unit="places")
    pair = Pair(model, clean, corrupt, metric, where=where)
    states = pair.states(sites)
    places = {site: _places(site, flat, apart, positions, where) for site, (flat, _) in states.items()}
    found: dict[Any, np.ndarray] = {}
    total = len(ways) * sum(map(len, places.values()))
    with progress_bar(progress, total, title=where, unit="place") as tell:
        for way, (site, both) in product(ways, states.items()):
            source, base = both if way == "denoise" else both[::-1]
            step = max(1, size // pair.n_trials)
            for first in range(0, len(places[site]), step):
                some = places[site][first : first + step]
                values = torch.cat([torch.where(one.mask, source.value, base.value) for one in some])
                rows = pair.patched(way, {site: values}, len(some))
                found |= {(way, site, *one.key): row for one, row in zip(some, rows, strict=True)}
                if tell is not None:
                    tell(len(some))
    return dataset(found, pair, apart)


def attribution_patching(
    model: Any,
    clean: Any,
    corrupt: Any,
    *,
    metric: Metric,
    sites: str | Sequence[str] = "blocks.*.resid_post",
    over: Sequence[str] = ("position",),
    positions: Any = None,
    directions: Sequence[str] = DIRECTIONS,
    truth: xr.Dataset | None = None,
) -> xr.Dataset:
    r"""Estimate `activation_patching` at all places at once, by one step back through the model.

    At the run that is patched into, the metric is taken to be linear in the activity a:
    :math:`m_\mathrm{patched} \approx m + (a_\mathrm{source} - a) \cdot \partial m / \partial a`.

    Parameters
    ----------
    model, clean, corrupt, sites, over, positions, directions
        As `activation_patching` takes them.
    metric : callable
        As there, of torch tensors, so that it has a slope.
    truth : xarray.Dataset, optional
        What `activation_patching` found, of the same model and trials, at some or all of these places.

    Returns
    -------
    xarray.Dataset
        As `activation_patching`; and with `truth` also ``correlation``, that of both effects over the places
        that they share, for each ``direction``: NaN below three places or where one of both is constant.

    Raises
    ------
    SpecError
        Also if the metric has no slope, or `truth` shares no place.
    UnknownNameError, CapabilityError, NonFiniteError
        As `activation_patching`.

    References
    ----------
    N. Nanda, "Attribution patching" (2023); A. Syed, C. Rager & A. Conmy, arXiv 2310.10348 (2023).

    Examples
    --------
    >>> from arcuate.nn import TinyTransformer
    >>> model = TinyTransformer(n_outputs=7, n_tokens=7, d_model=8, n_heads=2, n_layers=2, seed=1)
    >>> pair, metric = ([[1, 2, 3]], [[4, 2, 3]]), logit_difference(5, 6)
    >>> truth = activation_patching(model, *pair, metric=metric)
    >>> found = attribution_patching(model, *pair, metric=metric, truth=truth)
    >>> found["effect"].dims, found["correlation"].dims
    (('direction', 'site', 'position'), ('direction',))
    """
    where = "attribution_patching"
    apart = words(over, DIMS, where=where, name="over")
    ways = words(directions, DIRECTIONS, where=where, name="directions", some=True)
    pair = Pair(model, clean, corrupt, metric, where=where)
    states = pair.states(sites)
    places = {site: _places(site, flat, apart, positions, where) for site, (flat, _) in states.items()}
    found: dict[Any, np.ndarray] = {}
    for way in ways:
        start = pair.start(way)
        slopes = _slopes(pair, way, {site: flat for site, (flat, _) in states.items()})
        for site, (clean_at, corrupt_at) in states.items():
            step = (clean_at.value - corrupt_at.value) * (1 if way == "denoise" else -1)
            change = (step * slopes[site]).double()
            for one in places[site]:
                row = torch.where(one.mask, change, 0.0).flatten(1).sum(1)
                found[way, site, *one.key] = start + row.numpy()
    result = dataset(found, pair, apart)
    if truth is not None:
        result["correlation"] = _correlation(result, truth, where)
    return result


def _slopes(pair: Pair, way: str, states: Mapping[str, Flat]) -> dict[str, torch.Tensor]:
    """Return the slope of each trial's metric at sites of the run that is patched into."""
    own = next(pair.model.parameters(), torch.zeros(()))
    zeros = {
        site: torch.zeros(flat.value.shape, dtype=own.dtype, device=own.device, requires_grad=True)
        for site, flat in states.items()
    }
    edits = [Edit(site, "add", zero) for site, zero in zeros.items()]
    with evaluated(pair.model), torch.enable_grad(), intervene(pair.model, *edits):
        answer = outputs(pair.model, pair.data[way], where=pair.where)
        value = score(pair.metric, answer, where=pair.where)
        if not value.requires_grad:
            bound = "has no slope; it must compute with torch, and not only count or choose"
            raise SpecError.of(where=pair.where, name="metric", bound=bound, fix="use logit_difference")
        slopes = torch.autograd.grad(value.sum(), list(zeros.values()), allow_unused=True)
    return {
        site: torch.zeros(zero.shape) if slope is None else slope.detach().cpu()
        for (site, zero), slope in zip(zeros.items(), slopes, strict=True)
    }


class _Place(NamedTuple):
    """Where one patch goes: labels, and a mask that broadcasts to the activity of a site."""

    key: tuple[int, ...]
    mask: torch.Tensor


def _places(site: str, flat: Flat, apart: Sequence[str], positions: Any, where: str) -> list[_Place]:
    """Return the patches of one site."""
    shape = flat.value.shape
    if len(shape) < 3 and ("position" in apart or positions is not None):
        bound = f"has no meaning at {site}, which has no positions"
        raise SpecError.of(where=where, name="over" if positions is None else "positions", bound=bound)
    if "head" in apart and not flat.heads:
        fix = "choose attn.q, attn.k, attn.v, attn.z, or leave heads together"
        raise SpecError.of(where=where, name="over", bound=f"has heads, but {site} has none", fix=fix)
    n = shape[1] if len(shape) == 3 else 1
    chosen = indices(positions, n, where)
    heads: list[Any] = list(range(flat.heads or 0)) if "head" in apart else [None]
    parts: list[Any] = list(chosen) if "position" in apart else [chosen]
    places = []
    for part, head in product(parts, heads):
        rows = torch.zeros(n, 1, dtype=torch.bool)
        rows[part] = True
        units = torch.ones(shape[-1], dtype=torch.bool)
        if head is not None:
            units = torch.arange(shape[-1]) // (shape[-1] // (flat.heads or 1)) == head
        key = tuple(int(one) for one, name in ((part, "position"), (head, "head")) if name in apart)
        places.append(_Place(key, rows & units if len(shape) == 3 else units))
    return places


def indices(positions: Any, n: int, where: str) -> np.ndarray:
    """Return positions, counted from the start."""
    try:
        chosen = np.arange(n) if positions is None else np.atleast_1d(np.arange(n)[np.asarray(positions)])
    except (IndexError, TypeError, ValueError):
        chosen = np.empty(0, int)
    if not len(chosen):
        bound = f"must be one or more indices below {n}"
        raise SpecError.of(where=where, name="positions", value=positions, bound=bound)
    return chosen


def words(value: Any, choices: Sequence[str], *, where: str, name: str, some: bool = False) -> list[str]:
    """Return chosen words in the order of the choices."""
    chosen = [value] if isinstance(value, str) else value
    if not isinstance(chosen, Sequence) or (some and not chosen):
        raise SpecError.of(where=where, name=name, value=value, bound=f"must be some of {', '.join(choices)}")
    for word in chosen:
        check_choice(word, choices, where=where, name=name)
    return [word for word in choices if word in chosen]


def dataset(found: Mapping[Any, np.ndarray], pair: Pair, apart: Sequence[str]) -> xr.Dataset:
    """Lay the metrics of all places out, and the effects that they make."""
    import xarray as xr

    dims = ["direction", "site", *apart]
    labels = [list(dict.fromkeys(key[k] for key in found)) for k in range(len(dims))]
    array = np.full((*map(len, labels), pair.n_trials), np.nan)
    for key, row in found.items():
        array[tuple(labels[k].index(part) for k, part in enumerate(key))] = row
    coords: dict[str, Any] = dict(zip(dims, labels, strict=True))
    result = xr.Dataset(coords={**coords, "trial": np.arange(pair.n_trials)})
    result["effect"] = (dims, pair.effect(array.mean(-1), [way == "noise" for way in labels[0]]))
    result["metric"] = ([*dims, "trial"], array)
    return result.assign(clean=("trial", pair.clean), corrupt=("trial", pair.corrupt))


def _correlation(result: xr.Dataset, truth: Any, where: str) -> xr.DataArray:
    """Return the correlation of two results over the places that they share."""
    import xarray as xr

    if (
        not hasattr(truth, "data_vars")
        or "effect" not in truth
        or truth["effect"].dims != result["effect"].dims
    ):
        bound = f"must be what activation_patching found, over {', '.join(map(str, result['effect'].dims))}"
        raise SpecError.of(where=where, name="truth", bound=bound)
    one, other = xr.align(result["effect"], truth["effect"], join="inner")
    if not one.size:
        raise SpecError.of(where=where, name="truth", bound="shares no place with what is asked for")
    values = []
    for a, b in zip(one.values, other.values, strict=True):
        both = np.isfinite(a) & np.isfinite(b)
        varied = both.sum() > 2 and np.ptp(a[both]) > 0 and np.ptp(b[both]) > 0
        values.append(np.corrcoef(a[both], b[both])[0, 1] if varied else np.nan)
    return xr.DataArray(values, {"direction": one["direction"].values}, ("direction",))
