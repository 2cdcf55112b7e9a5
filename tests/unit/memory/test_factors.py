"""Samples of a factor graph: functions, noise, parents."""

from __future__ import annotations

from typing import Any

import pytest

from arcuate.errors import ArcuateError
from arcuate.memory import draw_factors


def test_targets_are_the_functions_of_their_parents() -> None:
    functions = ["xor", "and", "or", "xor"]
    drawn = draw_factors(300, functions=functions, free=5, seed=1)
    tables = {"and": (0, 0, 0, 1), "or": (0, 1, 1, 1), "xor": (0, 1, 1, 0)}
    for column, (name, (i, j)) in enumerate(zip(functions, drawn.parents, strict=True)):
        assert 0 <= i < j < 5
        for row in range(300):
            assert drawn.answers[row, column] == tables[name][2 * drawn.x[row, i] + drawn.x[row, j]]


def test_noise_is_the_share_that_is_flipped() -> None:
    drawn = draw_factors(20_000, functions=["xor"] * 4, noise=0.1, seed=2)
    assert (drawn.x[:, 16:] != drawn.answers).mean() == pytest.approx(0.1, abs=0.005)
    assert drawn.x[:, :16].mean() == pytest.approx(0.5, abs=0.005)
    assert (
        draw_factors(500, functions=["or"], noise=0.0).x[:, 16]
        == draw_factors(500, functions=["or"]).answers[:, 0]
    ).all()


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: draw_factors(0, functions=["xor"]), "n = 0"),
        (lambda: draw_factors(1, functions=[]), "functions"),
        (lambda: draw_factors(1, functions="xor"), "functions"),
        (lambda: draw_factors(1, functions=["xro"]), "xor"),
        (lambda: draw_factors(1, functions=["xor"], free=1), "free = 1"),
        (lambda: draw_factors(1, functions=["xor"], noise=0.6), "noise = 0.6"),
    ],
    ids=["none", "no function", "text", "misspelt", "one", "noise"],
)
def test_what_does_not_fit_is_refused_by_name(call: Any, word: str) -> None:
    with pytest.raises(ArcuateError, match=word):
        call()
