"""Search: better than chance, the same after a stop, honest about failed points and several goals."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arcuate as arc
from arcuate.errors import SpecError, StoreError
from arcuate.study import search

pytest.importorskip("optuna")

RANGES = {"x": arc.Uniform(-1, 1), "tau": arc.LogUniform("1 ms", "100 ms")}
DEPTH = {"depth": "minimize"}
CALLS = itertools.count()


def bowl(x: float, tau: Any) -> dict[str, float]:
    """Least at x = 0.3, tau = 10 ms."""
    next(CALLS)
    return {"depth": (x - 0.3) ** 2 + 0.2 * np.log10(float(tau) / 0.01) ** 2, "cost": 1.0 - x}


def start(n: int = 4) -> arc.Study:
    """A study whose design is the start of a search."""
    return arc.Study(bowl, arc.Design.sobol(RANGES, n, seed=1))


def points(table: Any) -> list[tuple[float, float]]:
    return [(float(x), float(tau)) for x, tau in zip(table["x"], table["tau"], strict=True)]


def test_it_finds_a_better_point_than_as_many_random_ones(tmp_path: Path) -> None:
    found, drawn = [], []
    for seed in range(5):
        table = search(start(), RANGES, DEPTH, folder=tmp_path / f"s{seed}", n=36, seed=seed, n_jobs=1)
        random = arc.Study(bowl, arc.Design.random(RANGES, 40, seed=seed))
        found.append(table["depth"].min())
        drawn.append(random.run(tmp_path / f"r{seed}", n_jobs=1)["depth"].min())
    assert np.median(found) < np.median(drawn)
    assert np.median(found) < 0.01


def test_points_lie_in_the_ranges_and_carry_the_units(tmp_path: Path) -> None:
    table = search(start(), RANGES, DEPTH, folder=tmp_path / "s", n=8, n_jobs=1)
    assert len(table) == 12
    assert table["x"].between(-1, 1).all()
    assert all(1e-3 <= tau <= 0.1 for _, tau in points(table))


@pytest.mark.parametrize("stops", [range(1, 16), [8], [5, 11]], ids=["every", "batch", "within a batch"])
def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path, stops: Any) -> None:
    whole = search(start(), RANGES, DEPTH, folder=tmp_path / "whole", n=16, batch=4, n_jobs=1)
    before = next(CALLS)
    for n in [*stops, 16]:
        parts = search(start(), RANGES, DEPTH, folder=tmp_path / "parts", n=n, batch=4, n_jobs=1)
    assert points(parts) == points(whole)
    assert next(CALLS) - before - 1 == len(whole)  # nothing was computed twice


def test_a_search_whose_last_batch_was_cut_by_a_crash_asks_for_the_same_points(tmp_path: Path) -> None:
    whole = search(start(), RANGES, DEPTH, folder=tmp_path / "whole", n=8, batch=4, n_jobs=1)

    def commit(store: Any, rows: Any, *args: Any, **options: Any) -> None:
        committed.extend(rows)
        if len(committed) > 9:
            raise StoreError.of(where="store", bound="the disk is full")
        original(store, rows, *args, **options)

    from arcuate.study.store import Store

    original, committed = Store.commit, []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "commit", commit)
        with pytest.raises(StoreError):
            search(start(), RANGES, DEPTH, folder=tmp_path / "parts", n=8, batch=4, n_jobs=1)
    parts = search(start(), RANGES, DEPTH, folder=tmp_path / "parts", n=8, batch=4, n_jobs=1)
    assert points(parts) == points(whole)


def test_results_of_an_older_function_propose_nothing_when_they_are_computed_again(tmp_path: Path) -> None:
    def hill(x: float, peak: float) -> dict[str, float]:
        return {"height": -((x - peak) ** 2)}

    def found(folder: str, peak: float) -> list[float]:
        study = arc.Study(functools.partial(hill, peak=peak), {"x": [-1.0, 1.0]})
        options: dict[str, Any] = {"n": 16, "batch": 4, "n_jobs": 1, "changed": "recompute"}
        ranges = {"x": arc.Uniform(-1, 1)}
        table = search(study, ranges, {"height": "maximize"}, folder=tmp_path / folder, **options)
        return [float(x) for x in table["x"]]

    found("used", 0.7)
    assert found("used", -0.4) == found("new", -0.4)


def test_two_goals_mark_the_front(tmp_path: Path) -> None:
    goals = {"depth": "minimize", "cost": "minimize"}
    table = search(start(), RANGES, goals, folder=tmp_path / "s", n=16, n_jobs=1)
    front = arc.analysis.pareto_front(table[list(goals)].to_numpy())
    assert table["best"].tolist() == front.tolist()
    assert 1 < front.sum() < len(table)


def test_one_goal_marks_the_best(tmp_path: Path) -> None:
    table = search(start(), RANGES, {"cost": "maximize"}, folder=tmp_path / "s", n=4, n_jobs=1)
    assert table["cost"][table["best"]].tolist() == [table["cost"].max()]


def test_points_that_fail_or_lack_a_goal_are_kept_and_never_best(tmp_path: Path) -> None:
    def fragile(x: float) -> dict[str, float]:
        if x < 0.3:
            raise ValueError("too low")
        return {"depth": np.nan if x < 0.6 else x}

    ranges = {"x": arc.Uniform(0, 1)}
    study = arc.Study(fragile, arc.Design.sobol(ranges, 8, seed=1))
    with pytest.warns(arc.errors.ArcuateWarning):
        table = search(study, ranges, DEPTH, folder=tmp_path / "s", n=24, n_jobs=1)
    assert {"failed", "done"} == set(table["status"])
    (best,) = table["x"][table["best"]]
    assert best == table["x"][table["x"] >= 0.6].min()


def test_categories_end_when_all_are_known(tmp_path: Path) -> None:
    choices = {"kind": ["a", "b", "c"], "n": [1, 2]}
    study = arc.Study(lambda kind, n: {"depth": n}, arc.Design.points([{"kind": "a", "n": 1}]))
    table = search(study, choices, DEPTH, folder=tmp_path / "s", n=50, n_jobs=1)
    assert len(table) == 6


def test_a_network_is_searched_by_its_paths(tmp_path: Path) -> None:
    cells = arc.Population(name="exc", n=5, neuron=arc.lif(), bias="0.45 nA")
    net = arc.Network(name="five", dt="0.5 ms", populations=[cells])
    ranges = {"populations.exc.bias": arc.Uniform("0.5 nA", "0.6 nA"), "populations.exc.n": [5, 8]}
    study = arc.Study(net, arc.Design.sobol(ranges, 2, seed=1), duration="500 ms")
    table = arc.study.search(
        study, ranges, {"rate_mean.exc": "maximize"}, folder=tmp_path / "s", n=4, n_jobs=1
    )
    assert len(table) == 6
    assert table["rate_mean.exc"][table["best"]].iloc[0] > 0


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"study": 3}, "must be a Study"),
        ({"ranges": {"x": arc.Uniform(0, 1)}}, "must name the fields"),
        ({"ranges": RANGES | {"x": arc.Normal(0, 1)}}, "LogUniform"),
        ({"ranges": RANGES | {"x": []}}, "at least one value"),
        ({"goals": {}}, "at least one metric"),
        ({"goals": {"depth": "least"}}, "minimize"),
        ({"n": 0}, ">= 1"),
        ({"batch": True}, "batch"),
        ({"seed": None}, "integer"),
        ({"n_jobs": 0}, "n_jobs"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_cannot_be_is_refused_before_anything_runs(
    tmp_path: Path, changes: dict[str, Any], word: str
) -> None:
    given = {"study": start(), "ranges": RANGES, "goals": DEPTH, "n": 4} | changes
    before = next(CALLS)
    positional = [given.pop(name) for name in ("study", "ranges", "goals")]
    with pytest.raises(SpecError, match=word):
        search(*positional, folder=tmp_path / "s", **given)
    assert next(CALLS) == before + 1
    assert not (tmp_path / "s").exists()


def test_a_design_that_varies_the_seed_is_refused_with_the_way_out(tmp_path: Path) -> None:
    study = arc.Study(lambda x, seed: {"depth": x}, {"x": [1, 2], "seed": [0, 1]})
    with pytest.raises(SpecError, match="repeat the best"):
        search(study, {"x": arc.Uniform(0, 1)}, DEPTH, folder=tmp_path / "s", n=4)
