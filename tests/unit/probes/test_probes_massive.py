"""Ratios are those that were planted; the curve of growth gives back peaks and ends that were put in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arcuate as arc
from arcuate.errors import FitError, SpecError
from arcuate.probes import GrowthFit, activation_ratio, fit_growth

RNG = np.random.default_rng(0)


def states() -> np.ndarray:
    """Return (trial, token, layer, unit) with massive activations in the second layer."""
    values = RNG.uniform(1, 1.01, size=(2, 5, 3, 4)) * RNG.choice([-1, 1], size=(2, 5, 3, 4))
    values[0, 0, 1, 2] = -1000
    values[1, 3, 1, 1] = 3000
    values[1, 3, 1, 0] = 600
    return values


def test_ratios_tokens_and_units() -> None:
    found = activation_ratio(states())
    np.testing.assert_allclose(found["ratio"], [1, 2000, 1], rtol=0.02)
    np.testing.assert_allclose(found["ratio_by_trial"][:, 1], [1000, 3000], rtol=0.01)
    assert found["token"][:, 1].values.tolist() == [0, 3]
    assert found["unit"][:, 1].values.tolist() == [2, 1]
    assert found["n_massive"].values.tolist() == [[0, 1, 0], [0, 2, 0]]
    assert found["n_tokens"].values.tolist() == [[0, 1, 0], [0, 1, 0]]
    assert activation_ratio(states(), above=2000)["n_massive"].values.sum() == 1


def test_pads_are_left_out() -> None:
    values = states()
    values[1, 3:] = np.nan
    found = activation_ratio(values)
    np.testing.assert_allclose(found["ratio"], [1, 500.5, 1], rtol=0.02)
    values[1] = np.nan
    found = activation_ratio(values)
    assert found["token"][1].values.tolist() == [-1, -1, -1] and np.isnan(found["ratio_by_trial"][1]).all()
    assert np.isfinite(found["ratio"]).all()


def test_pads_on_the_left_do_not_move_tokens() -> None:
    values = states()
    values[1, :3] = np.nan
    assert activation_ratio(values)["token"][1, 1] == 3


def test_rates_of_a_reservoir() -> None:
    rates = (
        np.array([[[1.0, 2.0, 9.0], [0.0, 0.0, 5.0]]]),
        ("trial", "time", "unit"),
        {"time": [0.0, 0.1]},
        "Hz",
    )
    recording = arc.recording.Recording.build(source="numba", states={"exc": {"rate": rates}})
    found = activation_ratio(recording.states("exc"))
    assert found["ratio"].dims == ("time",) and found["ratio"].values.tolist() == [4.5, np.inf]
    assert found["unit"].values.tolist() == [[2, 2]]


def curve(step: np.ndarray, a: float, decay: float, speed: float, shift: float, k: float) -> np.ndarray:
    x = speed * step + shift
    return a * np.exp(-decay * x) * np.log(x) + k


STEP = np.linspace(0, 1000, 60)
EARLY = (40.0, 0.05, 0.1, 1.5, 5.0)


def test_a_curve_without_noise_is_found() -> None:
    found = fit_growth(STEP, curve(STEP, *EARLY), n_resamples=0)
    assert found.r2 > 0.99999
    np.testing.assert_allclose(found(STEP), curve(STEP, *EARLY), atol=0.05)
    fine = np.linspace(0, 1000, 200_001)
    assert found.peak == pytest.approx(fine[curve(fine, *EARLY).argmax()], abs=1) and found.peak_inside
    assert found.offset == pytest.approx(5, abs=0.5)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_noise_moves_the_parameters_and_hardly_the_curve(seed: int) -> None:
    rng = np.random.default_rng(seed)
    true = curve(STEP, *EARLY)
    found = fit_growth(
        STEP, true + rng.normal(0, 0.02 * np.ptp(true), STEP.size), n_starts=6, n_resamples=8, seed=seed
    )
    assert found.r2 > 0.99 and found.r2_resampled[0] > 0.98
    assert np.abs(found(STEP) - true).max() < 0.08 * np.ptp(true)
    assert found.peak_inside and found.peak == pytest.approx(80, rel=0.3)
    assert max(found.spread.values()) > 0.03 and set(found.spread) == {
        "amplitude", "decay", "speed", "shift", "offset"
    }  # fmt: skip


def test_a_rise_without_a_peak_is_told() -> None:
    found = fit_growth(STEP, curve(STEP, 20.0, 1e-5, 0.05, 1.5, 3.0), n_resamples=0)
    assert found.r2 > 0.9999 and not found.peak_inside and found.peak > 1000
    fall = fit_growth(STEP, -curve(STEP, *EARLY), n_resamples=0)
    assert fall.amplitude < 0 and not fall.peak_inside


def test_the_same_seed_gives_the_same_fit() -> None:
    first, second = (
        fit_growth(STEP, curve(STEP, *EARLY) + np.sin(STEP), n_resamples=2, seed=4) for _ in "ab"
    )
    assert isinstance(first, GrowthFit)
    assert first.spread == second.spread and first.decay == second.decay


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: activation_ratio(states(), above=-1), SpecError, "above"),
        (lambda: activation_ratio(np.ones(3)), SpecError, "states"),
        (lambda: activation_ratio(np.full((1, 2, 2, 3), np.nan)), SpecError, "NaN"),
        (lambda: fit_growth(STEP[:7], STEP[:7]), SpecError, "at least 8"),
        (lambda: fit_growth(STEP[::-1], STEP), SpecError, "ascending"),
        (lambda: fit_growth(STEP, STEP[:-1]), SpecError, "60 for 59"),
        (lambda: fit_growth(STEP, STEP * np.nan), SpecError, "finite"),
        (lambda: fit_growth(STEP, STEP * 0), FitError, "the same at all steps"),
        (lambda: fit_growth(STEP, STEP, n_starts=0), SpecError, "n_starts"),
        (lambda: fit_growth(STEP, STEP, seed=-1), SpecError, "seed"),
    ],
)
def test_what_is_refused(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()


@pytest.mark.torch
def test_ratios_while_a_model_is_trained() -> None:
    pytest.importorskip("torch")
    import torch

    model = arc.nn.TinyTransformer(n_tokens=5, n_outputs=5, d_model=8, n_layers=2, seed=1)
    text = RNG.integers(5, size=(2, 6))

    def batch(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        tokens = rng.integers(5, size=(4, 6))
        return tokens, tokens

    def loss(logits: Any, targets: Any) -> Any:
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def ratios(model: Any) -> dict[str, float]:
        found = activation_ratio(arc.probes.capture(model, text, sites="blocks.*.resid_post"))
        return dict(zip(found["site"].values.tolist(), found["ratio"].values.tolist(), strict=True))

    history = arc.nn.fit(model, batch, loss, steps=8, seed=1, every=2, evaluate=ratios)
    assert history["blocks.1.resid_post"].sizes == {"step": 4}
    assert float(history["blocks.1.resid_post"][-1]) == pytest.approx(ratios(model)["blocks.1.resid_post"])
