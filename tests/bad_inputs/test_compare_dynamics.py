"""What dynamical similarity refuses, and what the message names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from linear_systems import oscillators, trials

from arcuate.compare import (
    choose_embedding,
    dsa,
    dsa_measure,
    dsa_surrogates,
    fit_dynamics,
    operator_distance,
)
from arcuate.errors import ArcuateError, SpecError

GOOD = trials(oscillators((0.3, 0.8)), np.random.default_rng(0), n=4, steps=30)


def changed(place: tuple[int, ...], value: float) -> np.ndarray:
    out = GOOD.copy()
    out[place] = value
    return out


def labeled(axis: str, step: float) -> xr.DataArray:
    return xr.DataArray(GOOD, dims=("trial", axis, "unit"), coords={axis: step * np.arange(30)})


STATES: dict[str, tuple[Any, str]] = {
    "ragged": ([GOOD[0], GOOD[1][:20]], "one length"),
    "one_trial": (GOOD[:1], ">= 2 trials"),
    "flat": (GOOD[0], ">= 2 trials"),
    "nan": (changed((2, 5, 1), np.nan), "finite"),
    "infinite": (changed((0, 0, 0), np.inf), "finite"),
    "constant": (np.ones((4, 30, 3)), "none varies"),
    "complex": (GOOD + 0j, "real numbers"),
    "objects": (GOOD.astype(object), "real numbers"),
    "text": ("states", "real numbers"),
    "other_length": (GOOD[:, :20], "30 steps"),
    "short": (GOOD[:, :1], "steps"),
    "empty": (np.empty((0, 30, 4)), "none of them 0"),
}


@pytest.mark.parametrize("case", STATES)
def test_states(case: str) -> None:
    states, words = STATES[case]
    with pytest.raises(SpecError, match=words) as caught:
        dsa(GOOD, states, n_delays=2, rank=3)
    assert len(str(caught.value).splitlines()) <= 4


OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "many_delays": ({"n_delays": 30, "rank": 2}, "too few for 30 delays"),
    "high_rank": ({"n_delays": 1, "rank": 5}, "<= 4"),
    "rank_zero": ({"n_delays": 1, "rank": 0}, "rank"),
    "no_delay": ({"n_delays": 0, "rank": 2}, "n_delays"),
    "half_a_delay": ({"n_delays": 1.5, "rank": 2}, "n_delays"),
    "unknown_score": ({"n_delays": 1, "rank": 2, "score": "wasserstein"}, "wasserstein_squared"),
    "negative_ridge": ({"n_delays": 1, "rank": 2, "ridge": -1.0}, "ridge"),
    "no_start": ({"n_delays": 1, "rank": 2, "n_starts": 0}, "n_starts"),
    "no_split": ({"n_delays": 1, "rank": 2, "n_splits": 0}, "n_splits"),
    "components": ({"n_delays": 1, "rank": 2, "n_components": 5}, "n_components"),
    "few_components": ({"n_delays": 1, "rank": 3, "n_components": 2}, "<= 2"),
    "inputs": ({"n_delays": 1, "rank": 2, "inputs": GOOD[:, :-1]}, "inputs"),
    "nan_inputs": ({"n_delays": 1, "rank": 2, "inputs": changed((0, 0, 0), np.nan)}, "finite"),
    "too_many_ranks": ({"rank": 99}, "held by the data"),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_options(case: str) -> None:
    options, words = OPTIONS[case]
    with pytest.raises(ArcuateError, match=words) as caught:
        dsa(GOOD, GOOD, **options)
    assert len(str(caught.value).splitlines()) <= 4


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (labeled("time", 0.01), labeled("tick", 1.0), "along time"),
        (labeled("time", 0.01), labeled("time", 0.02), "steps of 0.01 s"),
        (labeled("time", 0.01).transpose("time", "trial", "unit"), GOOD, "Transpose"),
        (labeled("moment", 0.01), GOOD, "Transpose or rename"),
        (labeled("time", 0.01).assign_coords(time=np.arange(30.0) ** 2), GOOD, "Resample"),
    ],
    ids=["axes", "steps", "order", "name", "uneven"],
)
def test_axes(x: Any, y: Any, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        dsa(x, y, n_delays=1, rank=2)


def test_the_others() -> None:
    with pytest.raises(SpecError, match="one size"):
        operator_distance(np.eye(2), np.eye(3))
    with pytest.raises(SpecError, match="inputs"):
        fit_dynamics(GOOD, n_delays=1, rank=2, inputs=GOOD[:2])
    fit = fit_dynamics(GOOD, n_delays=1, rank=2)
    with pytest.raises(SpecError, match="4 units"):
        fit.predict(GOOD[:, :, :3])
    with pytest.raises(SpecError, match="exactly where"):
        fit.predict(GOOD, inputs=GOOD)
    with pytest.raises(SpecError, match="n_ahead"):
        choose_embedding(GOOD, GOOD, n_ahead=29)
    with pytest.raises(SpecError, match="rank"):
        dsa_measure(n_delays=1, rank=-1)
    with pytest.raises(SpecError, match="n_surrogates"):
        dsa_surrogates(GOOD, np.concatenate([GOOD, GOOD]), n_delays=1, rank=2, n_surrogates=0)
    with pytest.raises(SpecError, match="8 trials"):
        dsa_surrogates(GOOD, GOOD, n_delays=1, rank=2)
