"""Blocks left out of a model for some tokens, and what that costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from arcuate.errors import CapabilityError, SpecError, check_int, check_real
from arcuate.probes._given import given
from arcuate.probes._hooks import Flat, attach, evaluated
from arcuate.probes.record import capture
from arcuate.probes.sites import check_module, resolve
from arcuate.probes.voids import find_voids, random_voids
from arcuate.rng import stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["skip_blocks", "skip_curve"]


@contextmanager
def skip_blocks(model: Any, active: Any) -> Iterator[None]:
    """Leave blocks of a model out for some tokens, as long as the context lasts.

    Where a block is left out, the residual stream behind it is that before it. The block still runs, so that
    other tokens see its keys and values.

    Parameters
    ----------
    model : torch.nn.Module
        With canonical sites ``blocks.*.resid_pre`` and ``blocks.*.resid_post``.
    active : array_like of bool, (trial, token, block), or what broadcasts to it
        False where a block is left out, for the trials of each batch that runs.

    Yields
    ------
    None

    Raises
    ------
    SpecError
        If `active` does not fit the model or what it runs on.
    UnknownNameError
        If the model has no such sites.

    Examples
    --------
    >>> from arcuate.nn import TinyTransformer
    >>> model = TinyTransformer(n_outputs=5, n_tokens=5, d_model=8, n_layers=2, seed=1)
    >>> with torch.no_grad(), skip_blocks(model, [[[False, False]]]):
    ...     skipped = model([[1, 2, 3]])
    >>> skipped.shape
    torch.Size([1, 3, 5])
    """
    check_module(model, where="skip_blocks")
    before = resolve(model, "blocks.*.resid_pre", where="skip_blocks")["blocks.*.resid_pre"]
    after = resolve(model, "blocks.*.resid_post", where="skip_blocks")["blocks.*.resid_post"]
    flags = np.asarray(active)
    if flags.dtype != bool or flags.ndim != 3 or flags.shape[2] != len(after):
        bound = f"must be bool (trial, token, {len(after)} blocks), not {flags.dtype} {flags.shape}"
        raise SpecError.of(where="skip_blocks", name="active", bound=bound)
    if len(before) != len(after):
        bound = f"has {len(before)} sites before and {len(after)} behind its blocks"
        raise CapabilityError.of(where="skip_blocks", name="model", bound=bound)
    kept = torch.from_numpy(flags.copy())
    held: dict[int, torch.Tensor] = {}

    def enter(block: int) -> Callable[[Flat], None]:
        def see(flat: Flat) -> None:
            held[block] = flat.value

        return see

    def leave(block: int) -> Callable[[Flat], torch.Tensor]:
        def change(flat: Flat) -> torch.Tensor:
            stay, value = kept[:, :, block, None].to(flat.value.device), flat.value
            here, there = tuple(value.shape[:2]), tuple(stay.shape[:2])
            if any(n not in (1, size) for n, size in zip(there, here, strict=True)):
                bound = f"is for {there} trials and tokens, but the model runs on {here}"
                raise SpecError.of(where="skip_blocks", name="active", bound=bound)
            return torch.where(stay, value, held.pop(block))

        return change

    with ExitStack() as stack:
        for block, (first, last) in enumerate(zip(before, after, strict=True)):
            for site, function in ((first, enter(block)), (last, leave(block))):
                handle = attach(model, site, function, batch_first=True, where="skip_blocks")
                stack.callback(handle.remove)
        yield


def skip_curve(
    model: Any,
    inputs: Any,
    score: Callable[[Any], float],
    *,
    alphas: Sequence[float] = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0),
    n_random: int = 5,
    seed: int = 0,
    mask: Any = None,
) -> xr.Dataset:
    """Measure what leaving void blocks out costs, against leaving out as many at random.

    Which blocks are void is told from the states of the whole model, not of one with blocks left out. The
    first two blocks, which the rule hardly ever finds void, are not drawn at random.

    Parameters
    ----------
    model : torch.nn.Module
    inputs : array, tensor, tuple of them, or mapping
        As for `arcuate.probes.capture`; all trials run as one batch.
    score : callable
        A number from what the model gives, such as the accuracy.
    alphas : sequence of float
        Of `arcuate.probes.find_voids`.
    n_random : int
        Random choices for each alpha; for each token as many of the later blocks are left out as are void.
    seed : int
        Of the random choices.
    mask : array_like of bool, (trial, token), optional
        As for `arcuate.probes.capture`.

    Returns
    -------
    xarray.Dataset
        Over ``alpha``: ``kept`` (share of blocks that run), ``score``, and ``random`` over (``alpha``,
        ``draw``); ``whole``, the score of the model as it is.

    Raises
    ------
    SpecError
        If an argument does not fit.
    UnknownNameError
        If the model has no canonical sites.

    Examples
    --------
    >>> from arcuate.nn import TinyTransformer
    >>> model = TinyTransformer(n_outputs=5, n_tokens=5, d_model=8, n_layers=2, seed=1)
    >>> found = skip_curve(model, np.array([[1, 2, 3]]), lambda logits: float(logits.mean()), alphas=[0.5])
    >>> found["random"].dims
    ('alpha', 'draw')
    """
    import xarray as xr

    n = check_int(n_random, where="skip_curve", name="n_random")
    parts = [check_real(alpha, where="skip_curve", name="alphas", low=0.0) for alpha in alphas]
    blocks = resolve(model, "blocks.*.resid_post", where="skip_curve")["blocks.*.resid_post"]
    sites = ["blocks.0.resid_pre", *(site.name for site in blocks)]
    data = given(model, inputs, mask, batch_first=True)
    recording = capture(model, inputs, sites=sites, mask=mask, batch_size=data.n_trials, progress=False)

    def run(active: np.ndarray | None) -> float:
        with evaluated(model), ExitStack() as stack:
            if active is not None:
                stack.enter_context(skip_blocks(model, active))
            return float(score(model(*data.args, **data.kwargs)))

    columns: dict[str, list[Any]] = {"kept": [], "score": [], "random": []}
    for alpha in parts:
        found = find_voids(recording, alpha=alpha)
        active = found["active"].values
        columns["kept"].append(float(found["fraction"]))
        columns["score"].append(run(active))
        first = np.broadcast_to(active[..., :2], (n, *active[..., :2].shape))
        own = int(stream(seed, f"probes/skip_curve/{alpha!r}").integers(2**31))
        later = random_voids(active[..., 2:], seed=own, n_draws=n) if active.shape[-1] > 2 else first[..., :0]
        drawn = np.concatenate([first, later], axis=-1)
        columns["random"].append([run(one) for one in drawn])
    dims = {"kept": "alpha", "score": "alpha", "random": ("alpha", "draw")}
    result = {name: (dims[name], value) for name, value in columns.items()}
    return xr.Dataset(result | {"whole": ((), run(None))}, {"alpha": parts, "draw": np.arange(n)})
