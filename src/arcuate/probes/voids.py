"""Adaptive computation: which layers, ticks or moments change a state by little, given those before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import SpecError, check_choice, check_int, check_real
from arcuate.probes._depth import in_depth
from arcuate.rng import check_seed, stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["find_voids", "random_voids"]


def find_voids(states: Any, *, alpha: float = 0.8, rule: str = "length", certainty: Any = None) -> xr.Dataset:
    """Find the steps that hardly change a state, given how much those before did: voids.

    Parameters
    ----------
    states : Recording, mapping of str to states, or array_like
        Sites that follow one another, each (trial, token, unit), the first of them before the first step, as
        `arcuate.probes.capture` gives ``["embed", "blocks.*.resid_post"]``. Canonical names are sorted by
        block, others taken as they are. Or an array (trial, token, layer, unit). Or one site
        (trial, step, unit) whose steps follow one another: ticks of a thought, moments of a reservoir. Pads
        are NaN.
    alpha : float
        Part of the range of earlier changes below which a step is void.
    rule : {"length", "change"}
        What counts as change: that of the norm, as published, or the norm of the difference, which sees
        turns as well.
    certainty : array_like, (trial, step), optional
        Certainty of the read-out at each of the states of one site, kept beside.

    Returns
    -------
    xarray.Dataset
        Over (``trial``, ``token``, ``layer``), or (``trial``, axis) for one site, an entry for each state but
        the first: ``delta`` (what counts as change), ``threshold``, ``active`` (false: void), ``relative``
        (norm of the change over the norm before), ``cosine`` (of the states before and after). NaN where a
        state is a pad or has no length; pads are not active. ``fraction`` is the share of active entries,
        ``by_step`` and ``by_place`` that share for each step and each token.

    Raises
    ------
    SpecError
        If the states are not of such a shape or fewer than two, or an option is out of bounds.

    Notes
    -----
    Step l is void if d_l = ``|h_l| - |h_(l-1)|`` is below alpha times the range (largest less smallest) of
    d_j for the steps j < l of the same token. The first step is held against 0. The rule has two quirks. The
    change is signed: a step that shortens a state is void however far it turns it, which is why ``relative``
    and ``cosine`` stand beside. And the first two steps are nearly always active: the range of no change, or
    of one, is 0. The states must be those between the blocks: the last of the hidden states of many models is
    behind a norm, which hides the last step.

    References
    ----------
    Shemiranifar, Void in language models (2025), with alpha = 0.8.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.probes import find_voids
    >>> lengths = np.array([1.0, 3.0, 6.0, 6.5, 6.0])[None, None, :, None]
    >>> found = find_voids(lengths * np.ones(4) / 2)
    >>> found["delta"].values[0, 0].tolist()
    [2.0, 3.0, 0.5, -0.5]
    >>> found["active"].values[0, 0].tolist()
    [True, True, False, False]
    """
    where = "find_voids"
    part = check_real(alpha, where=where, name="alpha", low=0.0)
    check_choice(rule, ("length", "change"), where=where, name="rule")
    depth = in_depth(states, where=where, least=2)
    delta, relative, cosine = [], [], []
    previous: Any = None
    for cube, there in depth.all():
        length = np.where(there, np.linalg.norm(cube, axis=2), np.nan)
        if previous is not None:
            before, h = previous
            moved = np.where(np.isfinite(before), np.linalg.norm(cube - h, axis=2), np.nan)
            delta.append(length - before if rule == "length" else moved)
            with np.errstate(divide="ignore", invalid="ignore"):
                turned = np.einsum("bti,bti->bt", cube, h) / (length * before)
                share = moved / before
            relative.append(np.where(before > 0, share, np.nan))
            cosine.append(np.where(before * length > 0, turned, np.nan))
        previous = length, cube
    change = depth.laid(delta)
    threshold = part * _range_before(change)
    result = _dataset(depth, change, threshold)
    dims = depth.dims()
    result["relative"] = dims, depth.laid(relative)
    result["cosine"] = dims, depth.laid(cosine)
    if certainty is not None:
        result["certainty"] = dims, _certainty(certainty, depth.place is None, change.shape)
    return result.assign_attrs(alpha=part, rule=rule)


def _range_before(change: np.ndarray) -> np.ndarray:
    """Return the range of what is before each step along the last axis; 0 before the first."""
    found = np.zeros_like(change)
    high, low = (ufunc.accumulate(change, axis=-1) for ufunc in (np.fmax, np.fmin))
    found[..., 1:] = np.nan_to_num(high - low)[..., :-1]  # pads in front leave no range
    return found


def _dataset(depth: Any, change: np.ndarray, threshold: np.ndarray) -> xr.Dataset:
    import xarray as xr

    dims, names = depth.dims(), depth.names[1:]
    real = np.isfinite(change)
    active = real & (change >= threshold)
    coords = depth.coords()
    if depth.word == "layer":
        coords["site"] = ("layer", [str(name) for name in names])
    else:
        coords[depth.word] = names
    before = tuple(range(change.ndim - 1))
    with np.errstate(invalid="ignore"):
        columns: dict[str, Any] = {
            "delta": (dims, change),
            "threshold": (dims, np.where(real, threshold, np.nan)),
            "active": (dims, active),
            "fraction": ((), active.sum() / real.sum()),
            "by_step": (dims[-1:], active.sum(before) / real.sum(before)),
            "by_place": (dims[:-1], active.sum(-1) / real.sum(-1)),
        }
    return xr.Dataset(columns, coords)


def _certainty(certainty: Any, steps: bool, shape: tuple[int, ...]) -> np.ndarray:
    """Return the certainty after each step."""
    array = np.asarray(certainty, dtype=float)
    wanted = (shape[0], shape[-1] + 1)
    if not steps or array.shape != wanted:
        bound = f"must be {wanted} for states (trial, step, unit), not {array.shape}"
        raise SpecError.of(where="find_voids", name="certainty", bound=bound)
    return array[:, 1:]


def random_voids(active: Any, *, seed: int, n_draws: int = 1) -> np.ndarray:
    """Draw which steps to leave out at random, for each token as many as are void: a control.

    Parameters
    ----------
    active : array_like of bool, (..., step)
        As `find_voids` gives it.
    seed : int
        The stream is ``probes/random_voids``.
    n_draws : int

    Returns
    -------
    ndarray of bool, (n_draws, ..., step)
        True where a step stays.

    Raises
    ------
    SpecError
        If an argument does not fit.

    Examples
    --------
    >>> from arcuate.probes import random_voids
    >>> drawn = random_voids([[True, False, False], [True, True, False]], seed=1, n_draws=4)
    >>> drawn.shape, drawn.sum(axis=2)[0].tolist()
    ((4, 2, 3), [1, 2])
    """
    flags = np.asarray(active)
    if flags.dtype != bool or not flags.ndim or not flags.size:
        bound = f"must be true or false for each step, not {flags.dtype} {flags.shape}"
        raise SpecError.of(where="random_voids", name="active", bound=bound)
    n = check_int(n_draws, where="random_voids", name="n_draws")
    rng = stream(check_seed(seed), "probes/random_voids")
    return rng.permuted(np.broadcast_to(flags, (n, *flags.shape)).copy(), axis=-1)
