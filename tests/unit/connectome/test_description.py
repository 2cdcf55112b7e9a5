"""Description lengths: counting by hand, levels, and what a search gives."""

from __future__ import annotations

from functools import cache
from math import comb, factorial, log

import numpy as np
import pytest

from arcuate.connectome import description_length, shortest_description

RING = np.array([[0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]], float)


@cache
def ways(m: int, k: int) -> int:
    """Ways to write m as a sum of at most k positive integers, by recursion."""
    if m == 0:
        return 1
    return 0 if k == 0 else ways(m, k - 1) + (ways(m - k, k) if m >= k else 0)


def test_one_block_by_hand() -> None:
    plain = -log(2**4 * factorial(4)) + 8 * log(4) + log(4)
    assert description_length(RING, [0] * 4, degree_corrected=False, weights="none") == pytest.approx(plain)
    degrees = log(ways(8, 4))  # all degrees are 2: one way to give them to nodes
    corrected = -log(2**4 * factorial(4)) + log(factorial(8)) - 4 * log(2) + degrees + log(4)
    assert description_length(RING, [0] * 4, weights="none") == pytest.approx(corrected)


def test_two_blocks_and_exponential_weights_by_hand() -> None:
    labels = [0, 1, 0, 1]
    edges = -log(factorial(4)) + 4 * log(2) * 2 + log(comb(3 + 4 - 1, 4))
    partition = log(4) + log(comb(3, 1)) + log(factorial(4)) - 2 * log(2)
    got = description_length(3 * RING, labels, degree_corrected=False, weights="none")
    assert got == pytest.approx(edges + partition)
    weights = -log(factorial(3)) + 3 * log(12)  # four weights that sum to 12
    got = description_length(3 * RING, labels, degree_corrected=False)
    assert got == pytest.approx(edges + partition + weights)


def test_levels_of_one_group_each_add_nothing_but_names() -> None:
    labels = [0, 0, 1, 1]
    one = description_length(RING, labels, upper=[[0, 0]], weights="none")
    assert description_length(RING, labels, upper=[[0, 0], [0]], weights="none") == pytest.approx(one)
    assert one - description_length(RING, labels, weights="none") == pytest.approx(log(2))


def test_the_search_finds_planted_blocks_and_is_reproducible() -> None:
    rng = np.random.default_rng(3)
    truth = np.repeat([0, 1, 2], 12)
    mean = np.where(truth[:, None] == truth, 5.0, 1.0)
    upper = np.triu(rng.exponential(size=(36, 36)) * mean, 1)
    first, second = (
        shortest_description(upper + upper.T, n_starts=6, max_blocks=6, seed=4) for _ in range(2)
    )
    assert first.labels.tolist() == truth.tolist()
    assert first.labels.tolist() == second.labels.tolist()
    assert first.length == min(first.lengths.values()) == second.length
