"""Conditioning: the tables and curves of the field, in closed form."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from arcuate.memory import (
    acquisition,
    condition,
    heads_needed,
    kamin,
    lookup_chain,
    trace_conditioning,
)
from arcuate.rng import stream
from arcuate.tasks import EXPERIMENTS, Phase

# weights of A and B after 40 trials a phase at a rate of 0.2
KAMIN = {
    "blocking": ((16, 8), (1, 0)),
    "control": ((8, 8), (0.5, 0.5)),
    "extinction": ((8, 0), (0, 0)),
    "overexpectation": ((16, 16), (0.5, 0.5)),
    "inhibition": ((16, 0), (0.75, -0.75)),
}


@pytest.mark.parametrize("experiment", KAMIN)
def test_the_table_of_kamin(experiment: str) -> None:
    found = kamin().sel(experiment=experiment)
    assert set(KAMIN) == set(EXPERIMENTS)
    np.testing.assert_allclose(found.sel(rule="hebb"), KAMIN[experiment][0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.sel(rule="delta"), KAMIN[experiment][1], rtol=0, atol=5e-4)


@pytest.mark.parametrize(("rate", "letters"), [(0.2, "A"), (0.1, "AB"), (0.05, "ABC")])
def test_acquisition_is_its_closed_form(rate: float, letters: str) -> None:
    strength = condition([Phase(trials=(f"{letters}+",), n=30)], learning_rate=rate)
    expected = [acquisition(t, learning_rate=rate, stimuli=len(letters)) for t in range(31)]
    np.testing.assert_allclose(strength, np.repeat(expected, len(letters)).reshape(31, -1), atol=1e-13)


def test_trials_in_turn_teach_an_inhibitor_in_the_limit() -> None:
    strength = condition([Phase(trials=("A+", "AB-"), n=400)])
    np.testing.assert_allclose(strength[-1], [1.0, -1.0], atol=1e-6)
    assert strength.what.values[1:4].tolist() == ["A+", "AB-", "A+"]


def test_an_interval_weakens_by_the_eligibility() -> None:
    delays = range(8)
    strength = trace_conditioning(delays, eligibility=0.7, learning_rate=0.3)
    np.testing.assert_allclose(strength, 0.3 * 0.7 ** np.arange(8), rtol=1e-12)


def test_redundant_heads_carry_a_chain() -> None:
    """As many heads as the bound says fail seldom enough; one fewer may not."""
    p, layers, failure = 0.2, 16, 0.05
    h = heads_needed(p, layers=layers, failure=failure)
    assert 1 - (1 - p**h) ** layers <= failure < 1 - (1 - p ** (h - 1)) ** layers
    assert heads_needed(p, layers=16 * 5, failure=failure) == h + 1


def test_a_chain_is_look_ups_of_hebbian_memories() -> None:
    """The same draws, read by the matrix that a memory would have."""
    item = lookup_chain(2, n_items=5, d_key=4, layers=3, chains=4, seed=3)
    rng = stream(3, "memory/lookup_chain")
    for chain in item.values:
        for now, then in pairwise(chain):
            score = np.zeros(5)
            for _ in range(2):
                k, v = (x / np.linalg.norm(x, axis=1)[:, None] for x in rng.standard_normal((2, 5, 4)))
                score += v @ (k[now] @ sum(np.outer(a, b) for a, b in zip(k, v, strict=True)))
            assert then == score.argmax()
    assert len(np.unique(item)) > 1  # some go astray


def test_a_chain_of_lookups_needs_heads_or_width() -> None:
    """Sixteen look-ups in a row, 16 pairs in keys of width 16: the share of chains that end right."""
    for heads, width, expected in ((1, 16, 0.19), (2, 16, 0.89), (1, 32, 0.76)):
        item = lookup_chain(heads, n_items=width, d_key=width, chains=150, seed=10)
        p = float((item.diff("layer") != 0).mean())
        share = float((item[:, -1] == 0).mean())
        assert share == pytest.approx(expected, abs=0.12)
        assert float((item == 0).all("layer").mean()) == pytest.approx((1 - p) ** 16, abs=0.08)


def test_as_many_heads_as_the_bound_says_carry_a_chain() -> None:
    one = lookup_chain(1, chains=100, seed=11)
    p = float((one.diff("layer") != 0).mean())
    item = lookup_chain(heads_needed(p, layers=16, failure=0.05), chains=200, seed=12)
    assert float((item[:, -1] != 0).mean()) <= 0.05
