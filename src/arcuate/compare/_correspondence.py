"""Do the steps of one system follow those of another: ticks and layers, layers and time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats
from arcuate.compare._inputs import as_trials, dims_of
from arcuate.compare._measure import Measure
from arcuate.compare._registry import measure_of
from arcuate.errors import SpecError, check_int
from arcuate.rng import check_seed, stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["step_correspondence"]

WHERE = "step_correspondence"


def step_correspondence(
    x: ArrayLike, y: ArrayLike, *, measure: str | Measure = "cka", n_null: int = 200, seed: int = 0
) -> xr.Dataset:
    """Compare every step of one system with every step of another, and ask whether they go in one order.

    With the similarity C of each step s of `x` with each step r of `y`,

    - ``best`` is the most similar step of `y` for each step of `x`, and ``diagonality`` Spearman's rank
      correlation of s with it: 1 where later steps of `x` are most like later steps of `y`, 0 where all are
      most like one and the same;
    - ``path_cost`` is the mean of 1 - C along the best path from both first to both last steps on which
      neither goes back (dynamic time warping, Sakoe and Chiba 1978, doi:10.1109/TASSP.1978.1163055).

    Two nulls say what chance gives: stimuli of `y` permuted, which leaves nothing in common, and the steps
    of `x` in random order, which leaves all but the order.

    Parameters
    ----------
    x, y : array_like or DataArray, (n_stimuli, n_steps, n_units)
        States of two systems for the same stimuli, in the same order or with labels. Steps may be ticks,
        tokens, layers or bins of time; units may differ.
    measure : str or Measure
        A similarity of samples, such as ``"cka"``.
    n_null : int
        Permutations of either null.
    seed : int
        Of the permutations, from the streams ``step_correspondence/stimuli`` and ``.../steps``.

    Returns
    -------
    xarray.Dataset
        ``similarity`` (step_x, step_y), ``best`` (step_x); ``diagonality`` and ``path_cost``; of either null
        (``stimuli``, ``steps``) the ``..._mean``, the ``..._bound`` that chance passes in 1 of 20 cases, and
        the p value ``p_...`` over the dimension ``null``.

    Raises
    ------
    SpecError
        If states do not fit together or are not finite, there are fewer than three steps, or the measure is
        a distance or takes no samples.

    Examples
    --------
    >>> import numpy as np
    >>> from arcuate.compare import step_correspondence
    >>> walk = np.random.default_rng(0).standard_normal((40, 6, 5)).cumsum(1)
    >>> found = step_correspondence(walk, walk[:, ::2], n_null=99)
    >>> float(found.diagonality.round(2)), found.best.values.tolist()
    (0.93, [0, 1, 1, 2, 2, 2])
    """
    import xarray as xr

    check_int(n_null, where=WHERE, name="n_null", low=19)
    seed, how = check_seed(seed), _similarity(measure)
    first, second = _states(x, y)
    orders = _orders(len(first), n_null, seed)
    left, right = ([how.prepare(part[:, k]) for k in range(part.shape[1])] for part in (first, second))
    matrix = np.array([[how.score(a, b) for b in right] for a in left])
    chance = np.array([[how.null(a, b, orders) for b in right] for a in left]).transpose(2, 0, 1)
    draws = stream(seed, f"{WHERE}/steps")
    mixed = np.array([matrix[draws.permutation(len(matrix))] for _ in range(n_null)])
    data: dict[str, Any] = {
        "similarity": (("step_x", "step_y"), matrix),
        "best": ("step_x", matrix.argmax(1)),
    }
    for name, of, larger in (("diagonality", _diagonality, True), ("path_cost", _path_cost, False)):
        data[name] = ((), of(matrix))
        data |= _against(name, of, data[name][1], (chance, mixed), larger=larger)
    return xr.Dataset(
        data, {"null": ["stimuli", "steps"]}, {"measure": how.name, "n_null": n_null, "seed": seed}
    )


def _similarity(measure: str | Measure) -> Measure:
    how = measure_of(measure)
    if how.kind != "similarity" or how.takes != "samples":
        bound = "must be a similarity of samples, such as 'cka' or 'mutual_knn'"
        raise SpecError.of(where=WHERE, name="measure", value=how.name, bound=bound)
    return how


def _states(x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    """Return the states of both systems, stimuli matched by label where both have labels."""
    if "stimulus" in dims_of(x) and "stimulus" in dims_of(y):
        x, y = _matched(x, y)
    first, second = (
        as_trials(one, where=WHERE, name=name, least=4, least_steps=3) for one, name in ((x, "x"), (y, "y"))
    )
    if len(first) != len(second):
        bound = f"must have as many stimuli as x, {len(first)}"
        raise SpecError.of(where=WHERE, name="y", value=f"{len(second)} stimuli", bound=bound)
    return first, second


def _matched(x: Any, y: Any) -> tuple[Any, Any]:
    if "stimulus" not in x.coords or "stimulus" not in y.coords:
        return x, y
    names = [[str(label) for label in one["stimulus"].values] for one in (x, y)]
    if any(len(set(labels)) < len(labels) for labels in names) or set(names[0]) != set(names[1]):
        bound = "must have the same stimuli as x, each once"
        raise SpecError.of(where=WHERE, name="y", value=f"{len(names[1])} labels", bound=bound)
    place = {label: k for k, label in enumerate(names[1])}
    return x, y.isel(stimulus=[place[label] for label in names[0]])


def _orders(n: int, n_null: int, seed: int) -> np.ndarray:
    generator = stream(seed, f"{WHERE}/stimuli")
    return np.array([generator.permutation(n) for _ in range(n_null)])


def _against(
    name: str,
    statistic: Callable[[Floats], float],
    seen: float,
    nulls: tuple[Floats, Floats],
    *,
    larger: bool,
) -> dict[str, Any]:
    """Return mean, bound and p value of a statistic under both nulls."""
    rows = np.array([[statistic(matrix) for matrix in null] for null in nulls])
    passed = (rows >= seen - 1e-12 if larger else rows <= seen + 1e-12).sum(1)
    return {
        f"{name}_mean": ("null", rows.mean(1)),
        f"{name}_bound": ("null", np.quantile(rows, 0.95 if larger else 0.05, axis=1)),
        f"p_{name}": ("null", (1 + passed) / (1 + rows.shape[1])),
    }


def _diagonality(matrix: Floats) -> float:
    """Spearman's correlation of a row's number with its largest column; 0 where that is always the same."""
    from scipy.stats import rankdata

    best = rankdata(matrix.argmax(1))
    if np.ptp(best) == 0:
        return 0.0
    return float(np.corrcoef(np.arange(len(best)), best)[0, 1])


def _path_cost(matrix: Floats) -> float:
    """Mean of 1 - C along the path of least sum from corner to corner."""
    cost = 1.0 - matrix
    n, m = cost.shape
    total, length = np.full((n, m), np.inf), np.zeros((n, m), int)
    total[0, 0], length[0, 0] = cost[0, 0], 1
    for i in range(n):
        for j in range(m):
            before = [(i - 1, j - 1), (i - 1, j), (i, j - 1)]
            found = [(total[k, r], length[k, r]) for k, r in before if k >= 0 and r >= 0]
            if found:
                least, steps = min(found)
                total[i, j], length[i, j] = least + cost[i, j], steps + 1
    return float(total[-1, -1] / length[-1, -1])
