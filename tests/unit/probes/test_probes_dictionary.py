"""Dictionaries find what was planted: directions, behaviors of a Markov chain, factors of a product."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

import arcuate as arc
from arcuate.errors import NonFiniteError, SpecError
from arcuate.probes import match_features, step_dictionary
from arcuate.probes.dictionary import _Learner


def behaviors(seed: int, n_trials: int = 60, n_steps: int = 30, width: int = 32) -> tuple[Any, Any, Any]:
    """States of a chain over six behaviors, each a direction, under noise and two slow common ones."""
    draw = np.random.default_rng(seed)
    move = np.full((6, 6), 0.06) + 0.64 * np.eye(6)
    label = np.empty((n_trials, n_steps), int)
    label[:, 0] = draw.integers(6, size=n_trials)
    for t in range(1, n_steps):
        label[:, t] = [draw.choice(6, p=move[one]) for one in label[:, t - 1]]
    directions = draw.standard_normal((6, width)) / np.sqrt(width)
    slow = draw.standard_normal((2, width)) / np.sqrt(width)
    drift = np.cumsum(draw.standard_normal((n_trials, n_steps, 2)), axis=1) / np.sqrt(n_steps)
    amount = draw.uniform(2, 4, size=label.shape)[..., None]
    states = (
        amount * directions[label] + drift @ slow + 0.25 * draw.standard_normal((n_trials, n_steps, width))
    )
    return states + 1.0, label, directions


@pytest.mark.parametrize("seed", [11, 12])
def test_planted_behaviors_have_features(seed: int) -> None:
    """Five of six behaviors have a feature with an area of 0.9 or more in trials that did not choose it."""
    states, label, directions = behaviors(seed)
    found = step_dictionary(states, 16, k=3, steps=600, seed=seed)
    match = match_features(found, label, seed=seed)
    assert int((match.auroc >= 0.9).sum()) >= 5
    cosine = [
        float(found.atoms.values[int(match.feature[c])] @ directions[c] / np.linalg.norm(directions[c]))
        for c in range(6)
    ]
    assert sum(one > 0.7 for one in cosine) >= 5
    assert found.r2 > 0.5
    assert found.n_active <= 3
    np.testing.assert_allclose(np.linalg.norm(found.atoms, axis=1), 1)


def test_an_atom_steers_its_behavior() -> None:
    torch = pytest.importorskip("torch")
    states, label, directions = behaviors(13)
    found = step_dictionary(states, 16, k=3, steps=600, seed=1)
    match = match_features(found, label)
    policy = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Linear(32, 6, bias=False))
    with torch.no_grad():
        policy[1].weight.copy_(torch.as_tensor(directions))
    x = torch.as_tensor(states - 1.0, dtype=torch.float32)
    before = np.bincount(policy(x).argmax(-1).flatten(), minlength=6)
    for one in range(6):
        push = 3.0 * found.atoms[int(match.feature[one])].values
        with arc.probes.intervene(policy, arc.probes.Edit("0:out", "add", push)), torch.no_grad():
            after = np.bincount(policy(x).argmax(-1).flatten(), minlength=6)
        assert after[one] >= 2 * before[one]


def test_slopes_are_those_of_differences() -> None:
    draw = np.random.default_rng(0)
    learner = _Learner(draw.standard_normal((50, 6)), 9, 3, np.random.default_rng(1))
    learner.encoder += 0.1 * draw.standard_normal((9, 6))
    learner.bias, learner.offset = 0.1 * draw.standard_normal(9), 0.1 * draw.standard_normal(6)
    x = learner.x[:20]

    def loss() -> float:
        rest = learner.code(x) @ learner.atoms + learner.offset - x
        return float((rest**2).sum() / 2 / len(x))

    slopes, _ = learner._slopes(x)
    for name, slope in slopes.items():
        values = getattr(learner, name)
        for index in [tuple(draw.integers(n) for n in values.shape) for _ in range(5)]:
            old, ends = values[index], []
            for step in (1e-6, -1e-6):
                values[index] = old + step
                ends.append(loss())
            values[index] = old
            assert slope[index] == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-6)


def test_factors_of_a_product_are_found() -> None:
    draw = np.random.default_rng(2)
    atoms = np.kron(np.eye(3), [1.0, 1.0, 1.0])
    code = draw.exponential(size=(30, 8, 3)) * (draw.random((30, 8, 3)) < 0.5)
    found = step_dictionary(code @ atoms, 3, method="nmf", seed=1)
    assert found.r2 > 0.999
    cosine = found.atoms.values @ atoms.T / np.sqrt(3)
    np.testing.assert_allclose(cosine.max(0), 1, atol=1e-3)
    back = found.activations.values @ found.atoms.values
    np.testing.assert_allclose(back, code @ atoms, atol=0.05)


def test_names_and_pads_are_kept() -> None:
    states, _, _ = behaviors(14, n_trials=6, n_steps=5)
    states[2, 3:] = np.nan
    named = xr.DataArray(
        states,
        dims=("trial", "time", "unit"),
        coords={"time": np.arange(5) * 1e-3, "stimulus": ("trial", list("abcdef"))},
    )
    found = step_dictionary(named, 5, k=2, steps=20)
    assert found.activations.dims == ("trial", "time", "feature")
    assert found.activations.stimulus.values.tolist() == list("abcdef")
    assert np.isnan(found.activations[2, 3:]).all()
    assert int(np.isnan(found.activations).any("feature").sum()) == 2
    energy = (found.activations**2).sum(("trial", "time")).values
    assert (np.diff(energy) <= 0).all()
    again = step_dictionary(named, 5, k=2, steps=20)
    assert (again.atoms.values == found.atoms.values).all()


def test_a_match_is_judged_where_it_was_not_chosen() -> None:
    """Among many features of noise, the best on one half is at chance on the other."""
    draw = np.random.default_rng(0)
    found = match_features(draw.random((40, 10, 30)), draw.integers(2, size=(40, 10)))
    assert (found.low < 0.5).all()
    assert (found.high > 0.5).all()


X = np.random.default_rng(0).standard_normal((20, 4))


@pytest.mark.parametrize(
    ("states", "n", "more", "message"),
    [
        (X, 30, {}, "n_features = 30: must be from 2 to the 20 states"),
        (X, 4, {"k": 5}, "k = 5: must be at most the 4 features"),
        (X, 4, {"k": 2, "method": "nmf"}, "must be >= 0"),
        (np.abs(X), 8, {"k": 2, "method": "nmf"}, "at most the 4 units"),
        (np.ones((20, 4)), 4, {}, "all the same"),
        (np.where(X > 2, np.nan, X), 4, {}, "finite"),
        (X, 4, {"method": "pca"}, "pca"),
    ],
    ids=("few", "k", "negative", "units", "constant", "nan", "method"),
)
def test_what_has_no_dictionary_is_refused(states: Any, n: int, more: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        step_dictionary(states, n, **more)


def test_what_blows_up_is_told_with_its_step() -> None:
    with pytest.raises(NonFiniteError, match="at step"), np.errstate(all="ignore"):
        step_dictionary(X, 4, rate=1e200)


def test_labels_that_cannot_be_matched_are_refused() -> None:
    with pytest.raises(SpecError, match="two or more"):
        match_features(np.abs(X), np.zeros(20, int))
    with pytest.raises(SpecError, match="one half"):
        match_features(np.abs(X), np.arange(20) == 3)
    with pytest.raises(SpecError, match="labels"):
        match_features(np.abs(X), np.zeros(19, int))
