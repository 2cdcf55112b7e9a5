"""The Pareto front against the definition, written out."""

from __future__ import annotations

import numpy as np
import pytest

from arcuate.analysis import pareto_front
from arcuate.errors import SpecError


def by_definition(table: np.ndarray) -> list[bool]:
    """Compare every point with every other."""
    return [
        not any(all(b <= a) and any(b < a) for j, b in enumerate(table) if j != i)
        for i, a in enumerate(table)
    ]


@pytest.mark.parametrize("n_goals", [1, 2, 3])
def test_random_tables_with_ties(n_goals: int) -> None:
    for seed in range(20):
        table = np.random.default_rng(seed).integers(0, 6, (40, n_goals)).astype(float)
        assert pareto_front(table).tolist() == by_definition(table)


def test_maximized_columns_are_turned_round() -> None:
    table = np.random.default_rng(1).random((50, 2))
    turned = table * [1, -1]
    assert pareto_front(table, goals=("minimize", "maximize")).tolist() == by_definition(turned)


def test_a_missing_value_is_never_on_the_front_and_beats_nobody() -> None:
    table = [[0.0, np.nan], [1.0, 1.0], [-np.inf, 0.0]]
    assert pareto_front(table).tolist() == [False, True, False]


def test_the_table_of_the_caller_is_left_alone() -> None:
    table = np.array([[1.0, 2.0]])
    pareto_front(table, goals=("maximize", "maximize"))
    assert table.tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize(
    ("values", "goals", "word"),
    [
        ([1.0, 2.0], None, "shape"),
        ([["a"]], None, "numbers"),
        ([[1.0, 2.0]], ("minimize",), "columns"),
        ([[1.0]], ("least",), "minimize"),
    ],
)
def test_what_is_no_table_or_no_goal_is_refused(values: object, goals: object, word: str) -> None:
    with pytest.raises(SpecError, match=word):
        pareto_front(values, goals=goals)  # type: ignore[arg-type]
