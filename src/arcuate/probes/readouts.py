"""The lens for any system: what its own trained read-out says at every tick or moment, before the last."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats
from arcuate.compare._trajectory import read_out
from arcuate.errors import SpecError
from arcuate.probes._samples import as_cube, per_sample
from arcuate.probes._scores import SCORES, log_softmax, scores

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["readout_lens"]


def readout_lens(
    states: Any,
    readout: ArrayLike | Callable[[Floats], ArrayLike],
    *,
    target: ArrayLike | None = None,
) -> xr.Dataset:
    """Apply a system's own read-out at every step, and set it beside what it says at the last.

    Parameters
    ----------
    states : Dataset, DataArray or array_like, (trial, step, unit)
        As `Recording.states` gives them; NaN at pads. Steps may be ticks, bins of time, tokens or layers.
    readout : array_like, (unit, class), or callable
        Weights, or what makes logits (n, class) of states (n, unit), as `arcuate.compare.readout_signals`
        takes it.
    target : array_like of int, (trial,) or (trial, step), optional
        The class whose rank and probability are asked for; by default the one that is first at the last step.

    Returns
    -------
    Dataset, (trial, step)
        ``kl`` (nat), of what the last step says from what this one says; ``entropy`` (nat); ``rank`` of the
        target, 0 for the first; its ``probability``; ``top``, the first (-1 at pads). The steps keep their
        name and coordinates.

    Raises
    ------
    SpecError
        If the read-out does not give two or more finite logits for each state, or a target is no class.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.probes import readout_lens
    >>> found = readout_lens(np.array([[[0.0, 0.0], [2.0, 0.0]]]), np.eye(2))
    >>> found.kl.values.round(3).tolist(), found.probability.values.round(3).tolist()
    ([[0.328, 0.0]], [[0.5, 0.881]])
    """
    import xarray as xr

    where = "readout_lens"
    labeled, cube, there = as_cube(states, where=where)
    shape = (int(there.shape[0]), int(there.shape[1]))
    if not there.any(axis=1).all():
        bound = f"has nothing but NaN in trial {int((~there.any(axis=1)).argmax())}"
        raise SpecError.of(where=where, name="states", bound=bound)
    told = log_softmax(np, read_out(readout, cube[there], where=where).astype(np.float64))
    end = shape[1] - 1 - there[:, ::-1].argmax(axis=1)
    row = np.full(shape, -1)
    row[there] = np.arange(len(told))
    final = told[row[np.arange(shape[0]), end]][np.nonzero(there)[0]]
    wanted = final.argmax(axis=1)
    if target is not None:
        wanted = per_sample(target, shape, where=where, name="target")[there]
        if wanted.dtype.kind not in "iu" or wanted.min() < 0 or wanted.max() >= told.shape[1]:
            bound = f"must be whole numbers from 0 to {told.shape[1] - 1}, the classes of the read-out"
            raise SpecError.of(where=where, name="target", value=target, bound=bound)
    found: dict[str, Any] = {}
    dims = tuple(getattr(labeled, "dims", ("trial", "step")))[:2]
    dims = dims if len(dims) == 2 and cube.shape[:2] == np.shape(labeled)[:2] else ("trial", "step")
    for name, value in scores(np, told, final, wanted).items():
        filled = np.full(shape, -1, int) if name == "top" else np.full(shape, np.nan)
        filled[there] = value
        found[name] = (dims, filled, {"units": SCORES[name]})
    coords = getattr(labeled, "coords", {})
    kept = {str(k): c for k, c in coords.items() if set(c.dims) <= set(dims) and "unit" not in c.dims}
    return xr.Dataset(found, coords=kept)
