"""How many delays and dimensions dynamics are fitted with: those that predict."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.compare._dmd import Delays, LinearDynamics, delays, regress
from arcuate.compare._dynamics_inputs import ascending, both_inputs, both_systems
from arcuate.errors import SpecError, check_choice, check_int

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["choose_embedding", "chosen_embedding"]


def choose_embedding(
    x: ArrayLike,
    y: ArrayLike,
    *,
    n_delays: int | Sequence[int] | None = None,
    ranks: int | Sequence[int] | None = None,
    n_ahead: int | None = None,
    criterion: str = "mase",
    n_folds: int = 5,
    inputs: ArrayLike | tuple[ArrayLike, ArrayLike] | list[Floats | None] | None = None,
    n_components: int | None = None,
    ridge: float = 1e-6,
    center: bool = True,
    progress: ProgressOption = None,
) -> xr.Dataset:
    """Choose delays and rank by how well both systems are predicted.

    Parameters
    ----------
    x, y : array_like, (n_trials, n_steps, n_units)
    n_delays, ranks : int or sequence of int, optional
        What is tried; by default 1, 2, 4 and 8 delays (up to a quarter of a trial) and ranks 1, 2, 3, 4, 6,
        8, 12, 16, 24 and 32 as far as both systems hold them.
    n_ahead : int, optional
        Steps that are predicted from each state; by default 5, or as many as the trials leave.
    criterion : {"mase", "aic"}
        ``mase``: mean absolute error of held-out trials over that of predicting no change, from one step to
        `n_ahead`. ``aic``: Akaike's criterion for one step, per predicted number, of all trials, with
        the entries of the operator counted as parameters.
    n_folds : int
        Parts of the trials, each held out once.
    inputs, n_components, ridge, center
        As in `dsa`.
    progress : bool, callable or None
        A bar (by default after two seconds on a terminal), or a function of (done, in all).

    Returns
    -------
    Dataset, (n_delays, rank)
        ``error``, the mean over both systems and folds, NaN where they hold fewer dimensions; ``se``, its
        standard error over folds (of the mean of both systems; 0 for ``aic``). The attributes ``n_delays``
        and ``rank`` are those of the smallest rank, then fewest delays, within one standard error of the
        least.

    Raises
    ------
    SpecError
        If nothing that is to be tried fits the data.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import choose_embedding
    >>> t, noise = np.arange(60), np.random.default_rng(0)
    >>> trials = [[[np.cos(0.3 * s + p) + 0.1 * noise.standard_normal()] for s in t] for p in range(6)]
    >>> choose_embedding(trials, trials, n_delays=[1, 2, 4], ranks=[1, 2, 3]).attrs["rank"]
    2
    """
    where = "choose_embedding"
    check_choice(criterion, ("mase", "aic"), where=where, name="criterion")
    cubes, _, _ = both_systems(x, y, where=where, least=2)
    return chosen_embedding(
        cubes,
        both_inputs(inputs, cubes, where=where),
        n_delays=n_delays,
        ranks=ranks,
        n_ahead=n_ahead,
        criterion=criterion,
        n_folds=n_folds,
        n_components=n_components,
        ridge=ridge,
        center=center,
        progress=progress,
    )


def chosen_embedding(
    cubes: list[Floats],
    drives: list[Floats | None],
    *,
    n_delays: int | Sequence[int] | None = None,
    ranks: int | Sequence[int] | None = None,
    n_ahead: int | None = None,
    criterion: str = "mase",
    n_folds: int = 5,
    n_components: int | None = None,
    ridge: float = 1e-6,
    center: bool = True,
    progress: ProgressOption = None,
) -> xr.Dataset:
    """Choose delays and rank by how well any number of systems are predicted.

    Parameters
    ----------
    cubes : list of ndarray, (n_trials, n_steps, n_units)
        Checked trials of each system, with as many steps.
    drives : list of (ndarray or None)
        Inputs of each.
    n_delays, ranks, n_ahead, criterion, n_folds, n_components, ridge, center, progress
        As in `choose_embedding`.

    Returns
    -------
    Dataset, (n_delays, rank)
        As of `choose_embedding`; errors are means over all systems.

    Raises
    ------
    SpecError
        If nothing that is to be tried fits the data.
    """
    where = "choose_embedding"
    tries, sizes, ahead = _candidates(n_delays, ranks, n_ahead, cubes[0].shape[1])
    start = max(tries)
    most = check_int(n_folds, where=where, name="n_folds", low=2)
    parts = 1 if criterion == "aic" else min(most, *map(len, cubes))

    def fitted(cube: Floats, drive: Floats | None, n: int) -> Delays:
        return delays(
            cube, n_delays=n, where=where, name="x, y", n_components=n_components, center=center,
            inputs=drive, rank=max(sizes), strict=False,
        )  # fmt: skip

    def error(model: LinearDynamics, cube: Floats, drive: Floats | None) -> float:
        return (
            _mase(model, cube, drive, start, ahead)
            if criterion == "mase"
            else _aic(model, cube, drive, start)
        )

    check_progress(progress, where=where, unit="fits")
    errors = np.full((len(cubes), parts, len(tries), len(sizes)), np.nan)
    with progress_bar(progress, errors[..., 0].size, title=where, unit="fit") as advance:
        for which, fold, row in itertools.product(range(len(cubes)), range(parts), range(len(tries))):
            cube, drive = cubes[which], drives[which]
            held = np.arange(len(cube)) % parts == fold
            kept = ~held if parts > 1 else held
            driven = [None if drive is None else drive[part] for part in (kept, held)]
            found = fitted(cube[kept], driven[0], tries[row])
            for column, rank in enumerate(sizes):
                if rank <= found.axes.shape[1]:
                    errors[which, fold, row, column] = error(
                        regress(found, rank, ridge), cube[held], driven[1]
                    )
            if advance is not None:
                advance(1)
    out = _simplest(errors.mean(axis=0), tries, sizes, where)
    out.attrs |= {"criterion": criterion, "n_ahead": ahead}
    return out


def _candidates(
    n_delays: Any, ranks: Any, n_ahead: int | None, n_steps: int
) -> tuple[list[int], list[int], int]:
    """Delays and ranks to try, and the steps to predict from each state."""
    where = "choose_embedding"
    tries = ascending(n_delays, (1, 2, 4, 8), max(1, n_steps // 4), where, "n_delays")
    sizes = ascending(ranks, (1, 2, 3, 4, 6, 8, 12, 16, 24, 32), 1 << 30, where, "ranks")
    start = max(tries)
    steps = max(1, min(5, n_steps - start)) if n_ahead is None else n_ahead
    ahead = check_int(steps, where=where, name="n_ahead")
    if n_steps < start + ahead:
        bound = f"must leave steps to predict: {start} delays and {ahead} ahead of {n_steps} steps do not"
        raise SpecError.of(where=where, name="n_ahead", value=ahead, bound=bound, fix="use a smaller one")
    return tries, sizes, ahead


def _simplest(folds: Floats, tries: list[int], sizes: list[int], where: str) -> xr.Dataset:
    """Errors over folds (fold, n_delays, rank), and the simplest cell within one standard error."""
    import xarray as xr

    mean = folds.mean(axis=0)
    if np.isnan(mean).all():
        bound = f"must be held by the data, {sizes} are not with {tries} delays"
        raise SpecError.of(where=where, name="ranks", bound=bound, fix="use a smaller one")
    se = folds.std(axis=0, ddof=1) / np.sqrt(len(folds)) if len(folds) > 1 else np.zeros_like(mean)
    best = np.unravel_index(np.nanargmin(mean), mean.shape)
    good = np.argwhere(mean <= mean[best] + se[best])
    row, column = min(good.tolist(), key=lambda cell: (sizes[cell[1]], tries[cell[0]]))
    dims = ("n_delays", "rank")
    return xr.Dataset(
        {"error": (dims, mean), "se": (dims, se)},
        coords={"n_delays": tries, "rank": sizes},
        attrs={"n_delays": tries[row], "rank": sizes[column]},
    )


def _mase(model: LinearDynamics, cube: Floats, drive: Floats | None, start: int, ahead: int) -> float:
    """Error of predictions over that of no change, from steps that all delays reach."""
    wrong = still = 0.0
    for k in range(1, ahead + 1):
        truth = cube[:, start - 1 + k :]
        told = model.predict(cube, n_ahead=k, inputs=drive)[:, start - model.n_delays :]
        wrong += float(np.abs(truth - told).mean())
        still += float(np.abs(truth - cube[:, start - 1 : cube.shape[1] - k]).mean())
    return wrong / still if still > 0 else np.inf


def _aic(model: LinearDynamics, cube: Floats, drive: Floats | None, start: int) -> float:
    """Akaike's criterion of one step, per predicted number."""
    truth = cube[:, start:]
    told = model.predict(cube, n_ahead=1, inputs=drive)[:, start - model.n_delays :]
    n_free = model.operator.size + (0 if model.input_operator is None else model.input_operator.size)
    error = max(float(np.mean((truth - told) ** 2)), 1e-300)
    return float(np.log(error) + 2.0 * n_free / truth.size)
