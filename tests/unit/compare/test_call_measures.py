"""Every measure by name through the one call: what is shared is found, noise is not; folds by stimulus."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from linear_systems import oscillators, trials

from arcuate.compare import choose_embedding, compare, dsa_measure
from arcuate.compare._registry import FACTORIES, measure_of
from arcuate.errors import ArcuateWarning, SpecError

pytestmark = pytest.mark.filterwarnings("ignore::arcuate.errors.ArcuateWarning")

RNG = np.random.default_rng(0)
SHARED = RNG.standard_normal((32, 1, 6, 5))
ALIKE = {
    "x": SHARED + 0.3 * RNG.standard_normal((32, 4, 6, 5)),
    "y": 2 * SHARED[..., ::-1] + 0.5 * RNG.standard_normal((32, 4, 6, 5)),
    "noise": RNG.standard_normal((32, 4, 6, 5)),
}
QUICK: dict[str, Any] = {"dims": ("stimulus", "repeat", "time", "unit"), "n_null": 39, "n_boot": 0}
NAMES = [name for name in FACTORIES if name != "dsa"]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_shared_is_found_and_noise_is_not(name: str) -> None:
    result = compare(ALIKE, a="x", measure=name, b=["y", "noise"], ceiling=None, **QUICK)
    made = measure_of(name)
    p = result.data["p"].sel(measure=made.name, a="x")
    assert float(p.sel(b="y")) == 1 / 40
    assert float(p.sel(b="noise")) > 1 / 40 or np.isnan(p.sel(b="noise"))
    assert made.low <= float(result.data["value"].sel(measure=made.name, a="x", b="y")) <= made.high


@pytest.mark.parametrize("name", NAMES)
def test_two_threads_and_another_order_change_no_bit(name: str) -> None:
    import xarray as xr

    order = np.random.default_rng(1).permutation(32)
    dims = QUICK["dims"]
    options = QUICK | {"dims": None, "n_null": 9}
    once, turned = (
        {
            key: xr.DataArray(array[rows], dims=dims, coords={"stimulus": rows})
            for key, array in ALIKE.items()
            if key != "noise"
        }
        for rows in (np.arange(32), order)
    )
    assert compare(once, measure=name, **options) == compare(turned, measure=name, n_jobs=2, **options)


def test_dynamics_have_distances_without_a_null_and_it_is_said() -> None:
    result = compare(ALIKE, measure=dsa_measure(n_delays=1, rank=2), within="dynamics", ceiling=None, **QUICK)
    assert np.isfinite(result.data["value"]).all() and result.data["p"].isnull().all()
    assert "dsa_surrogates" in str(result.data["warning"].sel(a="x", b="y").item())


def test_dynamics_by_name_choose_one_embedding_and_stand_beside_their_halves() -> None:
    rng = np.random.default_rng(3)
    states = {}
    for name, angle in (("slow", 0.5), ("slow too", 0.5), ("fast", 1.0)):
        x = trials(oscillators((angle,)), rng, n=24, steps=60)
        states[name] = x @ rng.standard_normal((x.shape[2], 8)) + 0.05 * rng.standard_normal((24, 60, 8))
    options: dict[str, Any] = {"dims": ("stimulus", "time", "unit"), "null": None}
    with pytest.warns(ArcuateWarning, match=r"dsa: \d delays and rank 2, the same for all systems"):
        result = compare(states, measure="dsa", **options)
    about = result.spec["measures"]["dsa"]["options"]
    assert about["rank"] == 2 and about["embedding"] == "chosen"
    values = result.data["value"].sel(measure="dsa")
    own = np.diag(values)
    assert (own > 0).all() and (own < 0.1).all()
    assert values.sel(a="slow", b="fast") > 5 * own.max() > values.sel(a="slow", b="slow too")
    ceilings = result.data["ceiling_low"].sel(measure="dsa").values
    np.testing.assert_array_equal(ceilings[0, 1:], np.maximum(own[0], own[1:]))
    given = dsa_measure(n_delays=about["n_delays"], rank=2)
    assert compare(states, measure=given, **options).data["value"].equals(result.data["value"])
    first, second = states["slow"], states["fast"]
    best = choose_embedding(first, second).attrs
    with pytest.warns(ArcuateWarning, match="embedding"):
        pair = compare({"x": first, "y": second}, measure="dsa", ceiling=None, **options)
    made = pair.spec["measures"]["dsa"]["options"]
    assert (made["n_delays"], made["rank"]) == (best["n_delays"], best["rank"])


def test_what_is_open_is_not_fitted() -> None:
    with pytest.raises(SpecError, match="n_delays, rank: must be given: what is left out is chosen"):
        dsa_measure(rank=2).prepare(np.zeros((4, 20, 2)))


def test_a_stimulus_is_in_one_fold_with_all_its_steps() -> None:
    same = np.random.default_rng(2).standard_normal(
        (20, 1, 12)
    )  # a stimulus shows one state at all its steps
    states = {
        "x": np.repeat(same, 8, axis=1),
        "y": np.random.default_rng(3).standard_normal((20, 1, 12)).repeat(8, 1),
    }
    options = QUICK | {"dims": ("stimulus", "time", "unit"), "samples": ("stimulus", "time")}
    fair = compare(states, a="x", b="y", measure="ridge", **options).data["value"].item()
    straddling = measure_of("ridge")
    x, y = (straddling.prepare(array.reshape(160, 12)) for array in states.values())
    assert straddling.score(x, y) > 0.7 and fair < 0.4  # what was memorized, and what generalizes


def test_folds_are_named_by_a_column_of_the_stimuli() -> None:
    import xarray as xr

    group = np.arange(32) // 8
    states = {
        name: xr.DataArray(
            array.mean((1, 2)), dims=("stimulus", "unit"), coords={"group": ("stimulus", group)}
        )
        for name, array in ALIKE.items()
    }
    got = compare(states, a="x", b="y", measure="ridge", folds="group", n_null=9).data["value"].item()
    from arcuate.compare import ridge

    assert got == pytest.approx(ridge(states["x"].values, states["y"].values, folds=group), abs=1e-12)
