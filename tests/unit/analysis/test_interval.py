"""The jackknife interval of any measure: against its closed form, and how often it holds the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import t

from arcuate.analysis import (
    golomb_chi,
    jackknife_interval,
    order_parameter,
    participation_ratio,
    phase_amplitude_coupling,
)
from arcuate.errors import SpecError


@pytest.mark.parametrize(("over", "axis"), [("unit", 2), ("segment", 1), ("trial", 0)])
def test_of_a_mean_it_is_the_interval_of_the_means_of_the_parts(over: str, axis: int) -> None:
    values = np.random.default_rng(0).standard_normal((20, 30, 40))
    band = jackknife_interval(np.mean, values, over=over, level=0.9)
    flat = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1).mean(axis=1)
    parts = flat.reshape(10, -1) if over == "segment" else flat.reshape(-1, 10).T
    half = t.ppf(0.95, 9) * parts.mean(axis=1).std(ddof=1) / np.sqrt(10)
    assert (band.estimate, band.low, band.high) == pytest.approx(
        (flat.mean(), flat.mean() - half, flat.mean() + half)
    )
    assert (band.n, band.level) == (values.shape[axis], 0.9)


def test_the_interval_of_chi_over_units_holds_the_truth() -> None:
    """Units follow one signal with gains that differ: chi is known for n of them."""
    n, hits = 60, 0
    for seed in range(100, 200):
        rng = np.random.default_rng(seed)
        signal = rng.standard_normal(400)
        gain = rng.uniform(0, 2, n)
        traces = signal[:, None] * gain + rng.standard_normal((400, n))
        band = jackknife_interval(golomb_chi, traces)
        power = signal.var()
        together = power * (1 + 1 / (3 * n)) + 1 / n
        truth = np.sqrt(together / (power * 4 / 3 + 1))
        hits += band.low <= truth <= band.high
    assert 88 <= hits <= 100


def test_the_interval_of_dimensions_over_segments_holds_the_truth() -> None:
    scale = np.array([3.0, 2.0, 1.0, 1.0])
    truth = (scale**2).sum() ** 2 / (scale**4).sum()
    hits = 0
    for seed in range(100, 200):
        states = np.random.default_rng(seed).standard_normal((1000, 4)) * scale
        band = jackknife_interval(participation_ratio, states, over="segment")
        hits += band.low <= truth <= band.high
    assert 88 <= hits <= 100


def test_coupling_and_agreement_in_phase_have_intervals() -> None:
    rng = np.random.default_rng(3)
    phase = np.angle(np.exp(1j * np.cumsum(rng.uniform(0.0, 0.2, 20_000))))
    amplitude = (1 + 0.5 * np.cos(phase)) * rng.uniform(0.5, 1.5, phase.size)
    band = jackknife_interval(
        lambda x: phase_amplitude_coupling(x[:, 0], x[:, 1]).mean_vector_length,
        np.column_stack([phase, amplitude]),
        over="segment",
    )
    assert band.low < 0.25 < band.high and band.high - band.low < 0.05
    angles = rng.normal(0.0, 1.0, 400)
    traces = np.cos(0.1 * np.pi * np.arange(200)[:, None] + angles)
    agreed = jackknife_interval(lambda x: order_parameter(x).mean(), traces)
    assert agreed.low < np.exp(-0.5) < agreed.high  # of normal phases with sd 1


ONES = np.ones((20, 4))


@pytest.mark.parametrize(
    ("values", "options", "words"),
    [
        (ONES, {"over": "neuron"}, "over"),
        (ONES, {"over": "trial"}, "n_trials"),
        (np.ones(9), {}, "n_steps"),
        (ONES[:, :1], {}, "2 or more units"),
        (ONES[:1], {"over": "segment"}, "2 or more segments"),
        (ONES * np.nan, {}, "finite"),
        (ONES, {"level": 1.0}, "level"),
        (ONES, {"measure": "chi"}, "measure"),
        (ONES, {"measure": lambda x: x.mean(axis=0)}, "one finite number"),
        (ONES, {"measure": lambda x: np.nan}, "one finite number"),
        (ONES, {"measure": lambda x: "a"}, "one finite number"),
    ],
    ids=[
        "over", "no trials", "a row", "one unit", "one step", "nan", "level", "text", "row", "gives nan",
        "gives text",
    ],
)  # fmt: skip
def test_bad_input_is_refused_by_name(values: np.ndarray, options: dict[str, Any], words: str) -> None:
    call = {"measure": np.mean, "values": values} | options
    with pytest.raises(SpecError, match=words):
        jackknife_interval(**call)  # type: ignore[arg-type]
