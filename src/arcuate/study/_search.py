"""Search instead of a grid: Optuna proposes the next points, the store of the study keeps them.

Nothing is kept by Optuna. Each batch of points is proposed from the results of those before it, by a sampler
whose random numbers depend on the seed and the place of the batch alone. A search that was stopped proposes
the same points again, finds what is done in the store, and goes on as if it had not been stopped.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate._optional import require
from arcuate.analysis.pareto import pareto_front
from arcuate.errors import SpecError, check_choice, check_int
from arcuate.rng import check_seed, stream
from arcuate.spec import LogUniform, Uniform
from arcuate.spec.values import Quantity, quantity
from arcuate.study._axes import read_axis
from arcuate.study.design import SEED, Design, Point
from arcuate.study.store import Row, Store
from arcuate.study.study import Study

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["search"]

_TRIES = 20
"""Proposals in a row that may be known already before a search counts as exhausted."""
_WHERE = "search"


def search(
    study: Study,
    ranges: Mapping[str, Any],
    goals: Mapping[str, str],
    *,
    folder: str | os.PathLike[str],
    n: int,
    batch: int = 8,
    seed: int = 0,
    **run_options: Any,
) -> pd.DataFrame:
    """Run a study, then the points that a search proposes for one goal or several.

    Parameters
    ----------
    study : Study
        What is run and measured; the points of its design come first.
    ranges : mapping of str to Uniform, LogUniform or sequence
        Where to search: a range, or a list of categories, for each field of the design.
    goals : mapping of str to {"minimize", "maximize"}
        Metrics of the study. With several the search looks for the points that no other beats in all.
    folder : path
        Of the store; a search goes on from what is there.
    n : int
        Points to propose; what an earlier call with the same arguments has run is taken from the store.
    batch : int
        Points that are proposed, and run, at a time.
    seed : int
        Seed of the proposals; not of the points, which is that of the study.
    **run_options : object
        As for `Study.run`: n_jobs, time_limit, retries, changed, progress.

    Returns
    -------
    pandas.DataFrame
        As `Study.run`, with a column ``best``: whether the point is on the Pareto front (with one goal:
        whether it is the best). A point that failed, or without one of the goals, never is.

    Raises
    ------
    SpecError
        If an argument is refused; nothing is run then.
    MissingExtraError
        If Optuna is not installed.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> import arcuate as arc
    >>> def bowl(x):
    ...     return {"depth": (x - 0.3) ** 2}
    >>> study, ranges = arc.Study(bowl, {"x": [0.0, 1.0]}), {"x": arc.Uniform(0, 1)}
    >>> table = arc.study.search(study, ranges, {"depth": "minimize"}, folder=mkdtemp(), n=16, n_jobs=1)
    >>> len(table), bool(abs(table.x[table.best].item() - 0.3) < 0.1)
    (18, True)
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress")  # of tqdm, in a notebook without widgets
        require("optuna", extra="study", purpose="a search")
    space = _space(study, ranges)
    _check_goals(goals)
    check_int(n, where=_WHERE, name="n", low=1, high=100_000)
    check_int(batch, where=_WHERE, name="batch", low=1, high=1000)
    if seed is None:
        raise SpecError.of(where=_WHERE, name="seed", value=seed, bound="must be an integer")
    first, points = check_seed(seed), [dict(point.values) for point in study.design]
    whole, start = study, len(points)
    again = run_options.get("changed") == "recompute"  # what the store holds may be of an older function
    study.run(folder, **run_options)
    rows = _rows(folder)
    while (done := len(points) - start) < n:
        told = [(values, rows[key]) for values, key in zip(points, whole.keys(), strict=True) if key in rows]
        random = stream(first, f"search/{done}")
        proposals = _propose(whole, space, goals, told=told, count=min(batch, n - done), random=random)
        if not proposals:
            break
        points += proposals
        whole = _with_points(study, points)
        if again or not rows.keys() >= set(whole.keys()):
            good = [
                values for values, row in told if row.status == "done"
            ]  # failed ones only at the end again
            _with_points(study, good + proposals).run(folder, **run_options)
            rows = _rows(folder)
    return _marked(whole.run(folder, **run_options), goals)


def _rows(folder: str | os.PathLike[str]) -> dict[str, Row]:
    """What the store holds, by key."""
    return {row.key: row for row in Store.read(folder).rows()}


def _space(study: object, ranges: object) -> dict[str, Any]:
    """Distributions of Optuna by field, after every check."""
    if not isinstance(study, Study):
        raise SpecError.of(where=_WHERE, name="study", value=study, bound="must be a Study")
    names = set(study.design.names)
    if SEED in names:
        raise SpecError.of(
            where=_WHERE,
            name="design",
            value=sorted(names),
            bound="must not vary the seed: a search compares points of one seed",
            fix="search with Study(..., seed=1), then repeat the best points over seeds",
        )
    if not isinstance(ranges, Mapping) or set(ranges) != names:
        raise SpecError.of(
            where=_WHERE,
            name="ranges",
            value=sorted(map(str, ranges)) if isinstance(ranges, Mapping) else ranges,
            bound=f"must name the fields of the design, {sorted(names)}",
        )
    return {path: _Axis(path, ranges[path]) for path in study.design.names}


class _Axis:
    """One field of a search: between values of a study and numbers of Optuna."""

    def __init__(self, path: str, given: Any) -> None:
        from optuna.distributions import CategoricalDistribution, FloatDistribution

        self.unit: str | None = None
        self.choices: tuple[Any, ...] = ()
        if isinstance(given, (Uniform, LogUniform)):
            self.unit = given.unit
            low, high = given.support
            self.distribution: Any = FloatDistribution(low, high, log=isinstance(given, LogUniform))
        elif isinstance(given, (list, tuple, range, np.ndarray)):
            self.choices = tuple(read_axis(_WHERE, f"ranges[{path!r}]", given))
            self.distribution = CategoricalDistribution(tuple(range(len(self.choices))))
        else:
            raise SpecError.of(
                where=_WHERE,
                name=f"ranges[{path!r}]",
                value=given,
                bound="must be Uniform, LogUniform or a list of values",
                fix='use for example arc.Uniform("5 ms", "50 ms")',
            )

    def value(self, number: Any) -> Any:
        """The value of a study for a number of Optuna."""
        if self.unit is None:
            return self.choices[number]
        return float(number) if self.unit == "1" else Quantity(number, self.unit)

    def number(self, path: str, value: Any) -> Any:
        """The number of Optuna for a value of a study; None if it lies outside."""
        if self.unit is None:
            return self.choices.index(value) if value in self.choices else None
        number = float(quantity(value, self.unit, where=_WHERE, name=path))
        return number if self.distribution.low <= number <= self.distribution.high else None


def _check_goals(goals: object) -> None:
    if not isinstance(goals, Mapping) or not goals:
        raise SpecError.of(
            where=_WHERE,
            name="goals",
            value=goals,
            bound="must name at least one metric",
            fix='write {"error": "minimize", "spikes": "minimize"}',
        )
    for name, word in goals.items():
        check_choice(word, ("minimize", "maximize"), where=_WHERE, name=f"goals[{name!r}]")


def _propose(
    study: Study,
    space: Mapping[str, _Axis],
    goals: Mapping[str, str],
    *,
    told: list[tuple[dict[str, Any], Row]],
    count: int,
    random: np.random.Generator,
) -> list[dict[str, Any]]:
    """Points that the study does not have, proposed from its rows; fewer where no others are left."""
    import optuna

    known, tries = set(study.keys()), 0
    found: list[dict[str, Any]] = []
    directions: Any = list(goals.values())
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(multivariate=True, seed=int(random.integers(2**32)))
        mind = optuna.create_study(directions=directions, sampler=sampler)
        trials = (_trial(values, row, space, goals=goals) for values, row in told)
        mind.add_trials([trial for trial in trials if trial is not None])
        while len(found) < count and tries < _TRIES:
            numbers = mind.ask({path: axis.distribution for path, axis in space.items()}).params
            values = {path: axis.value(numbers[path]) for path, axis in space.items()}
            key, tries = study.key(Point(index=0, values=values)), tries + 1
            if key not in known:
                known.add(key)
                found.append(values)
                tries = 0
    finally:
        optuna.logging.set_verbosity(verbosity)
    return found


def _trial(
    point: Mapping[str, Any], row: Row, space: Mapping[str, _Axis], *, goals: Mapping[str, str]
) -> Any:
    """What Optuna is told of a point; nothing of one outside the ranges."""
    from optuna.trial import TrialState, create_trial

    numbers = {path: axis.number(path, point[path]) for path, axis in space.items()}
    if None in numbers.values():
        return None
    values = [row.metrics.get(name) for name in goals]
    whole = all(isinstance(value, (int, float)) and np.isfinite(value) for value in values)
    return create_trial(
        state=TrialState.COMPLETE if whole else TrialState.FAIL,
        values=[float(value) for value in values if value is not None] if whole else None,
        params=numbers,
        distributions={path: axis.distribution for path, axis in space.items()},
    )


def _with_points(study: Study, points: list[dict[str, Any]]) -> Study:
    """The same study at other points."""
    duration = study.duration
    return Study(
        study.spec,
        Design.points(points),
        study.measure,
        name=study.name,
        duration=None if duration is None else f"{duration!r} s",
        seed=study.seed,
        record=study.record,
        keep=study.keep,
        engine=study.engine,
        order=study.order,
        precision=study.precision,
        defaults=study.defaults,
    )


def _marked(table: pd.DataFrame, goals: Mapping[str, str]) -> pd.DataFrame:
    """The table with a column that tells the points which no other beats."""
    values = np.full((len(table), len(goals)), np.nan)
    for place, name in enumerate(goals):
        if name in table:
            values[:, place] = table[name].to_numpy(dtype=np.float64, na_value=np.nan)
    return table.assign(best=pareto_front(values, goals=tuple(goals.values())))
