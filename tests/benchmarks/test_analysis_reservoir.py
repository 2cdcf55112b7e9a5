"""Information-processing capacity of 500 states over 20 000 samples on one core, beside what they cost."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from arcuate import analysis

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

UNITS, SAMPLES, WASHOUT = 500, 20_000, 200
RADIUS, SCALE, BIAS = 0.6, 0.5, 0.5


def echo_states(u: np.ndarray, *, radius: float, scale: float, bias: float, seed: int) -> np.ndarray:
    """States of a tanh network that each input drives."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(UNITS, UNITS))
    weights *= radius / np.abs(np.linalg.eigvals(weights)).max()
    into, offset = scale * rng.uniform(-1, 1, UNITS), bias * rng.uniform(-1, 1, UNITS)
    x = np.zeros(UNITS)
    states = np.empty((len(u), UNITS))
    for n, value in enumerate(u):
        x = np.tanh(weights @ x + into * value + offset)
        states[n] = x
    return states


def test_capacity_of_500_states_takes_less_than_a_minute(benchmark: Any) -> None:
    u = np.random.default_rng(1).uniform(-1, 1, SAMPLES)
    states = echo_states(u, radius=RADIUS, scale=SCALE, bias=BIAS, seed=2)
    options = {"max_degree": 4, "max_delay": 100, "max_products": 40_000}

    def run() -> tuple[Any, float]:
        start = time.process_time()
        found = analysis.information_processing_capacity(
            states, u, washout=WASHOUT, progress=False, **options
        )
        return found, time.process_time() - start

    found, seconds = benchmark.pedantic(run, rounds=1)
    tested, n = int(found.tested.sum()), SAMPLES - WASHOUT
    block = np.random.default_rng(3).normal(size=(128, n)).astype(np.float32)
    basis = states[WASHOUT:].astype(np.float32)
    start = time.process_time()
    for _ in range(5):
        block @ basis
    pace = (time.process_time() - start) / 5 / 128
    limit = tested * pace
    benchmark.extra_info["seconds"] = seconds
    benchmark.extra_info["products alone"] = limit
    gigaflops = 2 * n * UNITS / pace / 1e9
    print(
        f"\n{tested} products of degrees 1 to {found.sizes['degree']} {found.tested.values.tolist()}, "
        f"ended by themselves: {found.saturated.values.tolist()}; {seconds:.1f} s, of which {limit:.1f} s "
        f"are the products with the states in single precision at {gigaflops:.0f} GFlop/s"
    )
    print(
        f"capacity by degree {found.by_degree.values.round(1).tolist()}, in all {float(found.total):.1f} "
        f"[{float(found.total_low):.1f}, {float(found.total_high):.1f}] of rank {int(found['rank'])} "
        f"(without correction {float(found.raw_total):.1f}); {found.sizes['product']} products count"
    )
    assert found.saturated[:2].all()
    assert abs(float(found.by_delay[:, -3:].sum())) < 0.01 * float(found.total)
    assert 0 < float(found.total_low) <= int(found["rank"])
