"""What attention heads look at: the token before, what followed the same token, the same token, the first.

Scores of patterns on a text of random tokens that is said twice (Elhage and others 2021; Olsson and others
2022).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate._inputs import as_real
from arcuate._progress import ProgressOption, check_progress
from arcuate.errors import SpecError, check_int
from arcuate.rng import check_seed, stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["head_scores", "pattern_scores", "repeated_tokens"]

SCORES = ("previous_token", "induction", "duplicate_token", "first_token")


def repeated_tokens(n_tokens: int, *, period: int = 50, n_trials: int = 8, seed: int = 0) -> np.ndarray:
    """Texts of random tokens that are said twice.

    Parameters
    ----------
    n_tokens : int
        Vocabulary; tokens are drawn evenly, with replacement.
    period : int
        T, tokens before the text begins again.
    n_trials : int
    seed : int
        The stream is ``probes/repeated_tokens``.

    Returns
    -------
    ndarray of int, (n_trials, 2 T)

    Raises
    ------
    SpecError

    Examples
    --------
    >>> repeated_tokens(7, period=3, n_trials=1, seed=1).tolist()
    [[5, 3, 6, 5, 3, 6]]
    """
    where = "repeated_tokens"
    words = check_int(n_tokens, where=where, name="n_tokens", low=2)
    length = check_int(period, where=where, name="period", low=2)
    count = check_int(n_trials, where=where, name="n_trials")
    draw = stream(check_seed(seed), "probes/repeated_tokens")
    return np.tile(draw.integers(words, size=(count, length)), 2)


def pattern_scores(patterns: Any, *, period: int | None = None) -> xr.Dataset:
    """Score the attention of heads by what they look at.

    With A[t, s] what token t takes from token s, means over trials and tokens t of: ``previous_token``,
    A[t, t - 1]; ``first_token``, A[t, 0], both from the second token on; and in the second half of texts that
    repeat after T tokens ``duplicate_token``, A[t, t - T], and ``induction``, A[t, t - T + 1], what followed
    this token when it stood there first.

    Parameters
    ----------
    patterns : array_like, (trial, head, query, key), Recording, or mapping of sites to arrays
        A Recording or Dataset as `arcuate.probes.capture` makes it of the sites "blocks.*.attn.pattern".
    period : int, optional
        T; without it there is neither induction nor duplicate_token.

    Returns
    -------
    Dataset, (head,), or (layer, head) of several sites
        With the name of the ``site`` along ``layer``.

    Raises
    ------
    SpecError
        If a pattern is not square, or the period is not half of its length.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.probes import pattern_scores
    >>> back = np.eye(6, k=-1)[None, None]
    >>> back[0, 0, 0, 0] = 1.0
    >>> found = pattern_scores(back, period=3)
    >>> float(found.previous_token[0]), float(found.induction[0])
    (1.0, 0.0)
    """
    where = "pattern_scores"
    sites = _sites(patterns)
    if sites is None:
        return _dataset(_means(_cube(patterns, where), period, where)[None], None).isel(layer=0, drop=True)
    if not sites:
        raise SpecError.of(where=where, name="patterns", bound="must hold one or more sites")
    rows = [_means(_cube(one, f"{where}: {name}"), period, where) for name, one in sites.items()]
    return _dataset(_table(rows), list(sites))


def _sites(patterns: Any) -> dict[str, Any] | None:
    if hasattr(patterns, "states") and hasattr(patterns, "sites"):
        names = [name for name in patterns.sites if name.endswith("attn.pattern")]
        return {name: patterns.states(name) for name in names}
    if isinstance(patterns, Mapping) and not hasattr(patterns, "data_vars"):
        return {str(name): value for name, value in patterns.items()}
    return None


def _cube(pattern: Any, where: str) -> np.ndarray:
    """Return patterns as (trial, head, query, key)."""
    if hasattr(pattern, "data_vars"):
        if "weight" not in pattern or "key" not in pattern.coords:
            bound = "must hold attention weights, of a site attn.pattern"
            raise SpecError.of(where=where, name="patterns", bound=bound)
        heads = int(pattern["head"].max()) + 1
        flat = as_real(pattern["weight"].values, where=where, name="patterns")
        cube = flat.reshape(*flat.shape[:2], heads, -1).transpose(0, 2, 1, 3)
    else:
        cube = as_real(pattern, where=where, name="patterns")
    if cube.ndim != 4 or cube.shape[2] != cube.shape[3] or cube.shape[2] < 2 or not cube.size:
        bound = f"must be (trial, head, query, key), as many queries as keys, not {cube.shape}"
        raise SpecError.of(where=where, name="patterns", bound=bound)
    return cube


def _means(cube: Any, period: int | None, where: str) -> np.ndarray:
    """Return the scores (head, score) of patterns, arrays or tensors (trial, head, query, key)."""
    length = int(cube.shape[2])
    if period is not None:
        check_int(period, where=where, name="period", low=2)
        if 2 * period != length:
            bound = f"must be half of the {length} tokens"
            raise SpecError.of(where=where, name="period", value=period, bound=bound)
    t = np.arange(1, length)
    found = {"previous_token": cube[:, :, t, t - 1], "first_token": cube[:, :, t, 0]}
    if period is not None:
        t = np.arange(period, length)
        found["induction"], found["duplicate_token"] = (
            cube[:, :, t, t - period + 1],
            cube[:, :, t, t - period],
        )
    columns = [_mean(found[name]) if name in found else np.full(cube.shape[1], np.nan) for name in SCORES]
    return np.stack(columns, axis=1)


def _mean(values: Any) -> np.ndarray:
    """Return the means over trials and tokens of an array or tensor (trial, head, token)."""
    mean = values.mean((0, 2))
    return np.asarray(mean.double().cpu() if hasattr(mean, "cpu") else mean, dtype=np.float64)


def _table(rows: list[np.ndarray]) -> np.ndarray:
    """Return (layer, head, score); NaN where a layer has fewer heads."""
    table = np.full((len(rows), max(len(row) for row in rows), len(SCORES)), np.nan)
    for k, row in enumerate(rows):
        table[k, : len(row)] = row
    return table


def _dataset(table: np.ndarray, sites: list[str] | None) -> xr.Dataset:
    import xarray as xr

    coords: dict[str, Any] = {"head": np.arange(table.shape[1])}
    if sites is not None:
        number = [re.match(r"blocks\.(\d+)\.", site) for site in sites]
        layer = [int(m[1]) if m else k for k, m in enumerate(number)]
        coords |= {"layer": layer, "site": ("layer", sites)}
    values = {name: (("layer", "head"), table[..., k], {"units": "1"}) for k, name in enumerate(SCORES)}
    return xr.Dataset(values, coords=coords)


def head_scores(
    model: Any,
    *,
    n_tokens: int | None = None,
    period: int = 50,
    n_trials: int = 8,
    batch_size: int = 2,
    seed: int = 0,
    progress: ProgressOption = None,
) -> xr.Dataset:
    """Score all heads of a model on random tokens that are said twice, and how well it uses the repetition.

    Parameters
    ----------
    model : torch.nn.Module
        With the sites "blocks.*.attn.pattern", which takes tokens; one of `transformers` after
        ``set_attn_implementation("eager")``.
    n_tokens : int, optional
        Vocabulary; by default that of the model.
    period, n_trials, seed
        As in `repeated_tokens`.
    batch_size : int
        Trials at a time; the patterns of all layers are held for as many.
    progress : bool, callable or None

    Returns
    -------
    Dataset, (layer, head)
        As `pattern_scores`, and ``loss_first`` and ``loss_second`` (nat): the mean cross-entropy of the next
        token within the first copy and within the second, where the model has logits over the vocabulary and
        no token attends to a later one; NaN elsewhere.

    Raises
    ------
    SpecError
        If the vocabulary is not known, or an argument does not fit.
    UnknownNameError
        If there are no patterns.
    CapabilityError
        If the patterns are never computed, as with the attention "sdpa" of `transformers`.

    References
    ----------
    C. Olsson et al., "In-context learning and induction heads", arXiv 2209.11895 (2022).

    Examples
    --------
    >>> from arcuate.nn import TinyTransformer
    >>> from arcuate.probes import head_scores
    >>> model = TinyTransformer(n_outputs=9, n_tokens=9, d_model=8, n_layers=2, n_heads=2, seed=1)
    >>> found = head_scores(model, period=8)
    >>> dict(found.induction.sizes), bool(abs(found.loss_first - found.loss_second) < 0.3)
    ({'layer': 2, 'head': 2}, True)
    """
    import torch

    from arcuate.probes._adapters import canonical
    from arcuate.probes._given import Given, given
    from arcuate.probes._hooks import Flat
    from arcuate.probes._run import passes
    from arcuate.probes.sites import check_module, resolve

    where = "head_scores"
    check_module(model, where=where)
    size = check_int(batch_size, where=where, name="batch_size")
    check_progress(progress, where=where, unit="trials")
    config = getattr(model, "config", None)
    known = getattr(config, "vocab_size", getattr(model, "n_tokens", None)) if n_tokens is None else n_tokens
    if known is None:
        bound = "must be given: the model does not tell its vocabulary"
        raise SpecError.of(where=where, name="n_tokens", bound=bound)
    tokens = repeated_tokens(known, period=period, n_trials=n_trials, seed=seed)
    sites = resolve(model, "blocks.*.attn.pattern", where=where)["blocks.*.attn.pattern"]
    end = canonical(model).get("logits")
    rows: list[list[np.ndarray]] = []
    losses: list[np.ndarray] = []
    ahead = [0.0]

    def see(which: slice, batch: Given, held: Mapping[str, Flat]) -> None:
        found = []
        for site in sites:
            value, heads = held[site.name]
            cube = value.unflatten(2, (heads, -1)).transpose(1, 2)
            found.append(_means(cube, period, where) * batch.n_trials)
            ahead.append(float(cube.float().triu(1).abs().max()))
        rows.append(found)
        if end is not None and held[end.name].value.shape[2] >= known:
            told = held[end.name].value[:, :-1].float().flatten(0, 1)
            wanted = torch.as_tensor(tokens[which, 1:], device=told.device)
            each = torch.nn.functional.cross_entropy(told, wanted.flatten(), reduction="none")
            losses.append(each.unflatten(0, wanted.shape).double().cpu().numpy())

    asked = [*sites, *([] if end is None else [end])]
    data = given(model, tokens, None, batch_first=True)
    passes(model, data, asked, see, size=size, where=where, progress=progress)
    table = _table([np.sum(parts, axis=0) / n_trials for parts in zip(*rows, strict=True)])
    result = _dataset(table, [site.name for site in sites])
    loss = np.concatenate(losses) if losses and max(ahead) == 0 else np.full((1, 2 * period - 1), np.nan)
    nat = {"units": "nat"}
    # the first token of the second copy cannot be known
    result["loss_first"] = ((), loss[:, : period - 1].mean(), nat)
    result["loss_second"] = ((), loss[:, period:].mean(), nat)
    return result.assign_attrs(period=period, n_trials=n_trials, seed=check_seed(seed))
