"""Ceilings: what two noisy views of one signal reach, what seeds tell, and what each is made of."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from toy_measure import distance

from arcuate.compare import cca as mean_correlation
from arcuate.compare import compare, shape_distance

REPEATS = ("stimulus", "repeat", "unit")
QUICK: dict[str, Any] = {"null": None, "n_boot": 0}


def views(dims: int, units: int, n_repeats: int, noise: float, *, seed: int) -> dict[str, np.ndarray]:
    """Two systems that hold one signal of some dimensions in other directions, seen with noise."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(60, dims))
    states = {}
    for name in "xy":
        signal = hidden @ np.linalg.qr(rng.normal(size=(units, dims)))[0].T
        seen = noise * signal.std() * rng.normal(size=(60, n_repeats, units))
        states[name] = signal[:, None] + seen
    return states


def of_pair(result: Any, name: str) -> Any:
    return result.data[name].sel(a="x", b="y").values[0]


@pytest.mark.parametrize("case", [(5, 80, 4, 2.0), (30, 80, 4, 2.0), (5, 80, 8, 4.0)], ids=str)
def test_one_signal_in_many_units_lies_at_the_ceiling(case: tuple[int, int, int, float]) -> None:
    found = []
    for seed in range(8):
        result = compare(views(*case, seed=seed), dims=REPEATS, **QUICK)
        found.append([float(of_pair(result, name)) for name in ("ceiling_low", "value", "ceiling_high")])
        assert of_pair(result, "ceiling_by") == "repeats"
    low, mean, high = np.mean(found, axis=0)
    assert low < mean and mean == pytest.approx(high, abs=0.025)  # by Spearman and Brown 0.03 to 0.1 too low


def test_a_bound_that_may_be_too_low_is_called_so() -> None:
    states = views(5, 10, 4, 2.0, seed=0)
    result = compare(states, measure=["rsa", "cka_biased", "ridge"], dims=REPEATS, **QUICK)
    told = result.data["ceiling_by"].sel(a="x", b="y").values.tolist()
    assert told == ["repeats, a lower bound", "repeats, a lower bound", "repeats"]
    few = compare({name: x[:, :3] for name, x in states.items()}, dims=REPEATS, **QUICK)
    assert of_pair(few, "ceiling_by") == "repeats, a lower bound"  # the share needs two pairs of repeats


def test_the_ceiling_without_noise_is_one() -> None:
    states = {name: np.repeat(x[:, :1], 4, axis=1) for name, x in views(3, 20, 1, 0.1, seed=1).items()}
    assert float(of_pair(compare(states, dims=REPEATS, **QUICK), "ceiling_high")) == pytest.approx(1)


def seeds() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {name: rng.normal(size=(40, 6)) for name in ("net/seed0", "net/seed1", "net/seed2", "target")}


@pytest.mark.parametrize("name", ["one_to_one", "soft_matching", "cca", "svcca", "shape", "knn"])
def test_seeds_are_not_found_again_in_their_pool(name: str) -> None:
    result = compare(seeds(), a="net/*", b="target", measure=name, **QUICK)
    assert np.isnan(result.data["ceiling_high"]).all() and np.isfinite(result.data["ceiling_low"]).all()


def test_without_a_pool_the_bound_is_from_seed_to_seed() -> None:
    states = seeds()
    result = compare(states, a="net/*", b="target", measure=["cca", "shape"], **QUICK)
    nets = [x for name, x in states.items() if name != "target"]
    low = result.data["ceiling_low"].values[:, 0, 0]
    for found, function in zip(low, (mean_correlation, shape_distance), strict=True):
        assert found == pytest.approx(np.mean([function(x, y) for x, y in combinations(nets, 2)]))


def test_both_ends_are_in_order_for_distances_too() -> None:
    result = compare(seeds(), a="net/*", b="target", measure=distance(), **QUICK)
    low, high = (result.data[f"ceiling_{end}"].values for end in ("low", "high"))
    assert (low < high).all()


def test_each_pair_says_why_it_has_no_ceiling() -> None:
    states = views(3, 8, 4, 1.0, seed=2)
    states["one"] = states["x"][:, :1]
    states["two"] = states["y"][:, :1]
    result = compare(states, dims=REPEATS, **QUICK)
    told = result.data["ceiling_by"].sel(measure="cka")
    assert str(told.sel(a="x", b="y").item()) == str(told.sel(a="y", b="x").item()) == "repeats"
    assert str(told.sel(a="x", b="one").item()) == "repeats"
    assert str(told.sel(a="one", b="two").item()).startswith("none: no leaf has more than one repeat")
    asked = compare(states, dims=REPEATS, ceiling=None, **QUICK)
    assert str(asked.data["ceiling_by"].sel(a="x", b="y").values[0]) == "none: not asked for"
