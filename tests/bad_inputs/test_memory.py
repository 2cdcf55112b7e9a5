"""What the memories refuse, and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from arcuate import memory
from arcuate.errors import ArcuateError, NonFiniteError, SpecError, UnknownNameError

AM = memory.AssociativeMemory
K, V = np.eye(3), np.ones((3, 2))


def refusal(call: Callable[[], Any], kind: type[ArcuateError] = SpecError) -> str:
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    assert text.count("\n") < 4
    return text


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: AM(0, 2), "d_key = 0"),
        (lambda: AM(3, 2.5), "d_value = 2.5"),
        (lambda: AM(3, 2, rule="delat"), "'delta'"),
        (lambda: AM(3, 2, learning_rates=1.0), "'learning_rate'"),
        (lambda: AM(3, 2, rule="softmax", degree=3), "degree"),
        (lambda: AM(3, 2, learning_rate=0.0), "must be > 0"),
        (lambda: AM(3, 2, decay=1.5), "decay = 1.5"),
        (lambda: AM(3, 2, eligibility=1.0), "must be >= 0 and < 1"),
        (lambda: AM(3, 2, rule="dense", degree=1), "degree = 1"),
        (lambda: AM(3, 2, rule="softmax", beta=np.nan), "must be finite"),
        (lambda: AM(3, 2).write(np.ones((4, 2)), np.ones((4, 2))), "must have shape (any, 3)"),
        (lambda: AM(3, 2).write(K, V[:2]), "must fit 3 keys"),
        (lambda: AM(3, 2).write(K), "must fit 3 keys: (3, 2)"),
        (lambda: AM(3, 2).write(np.empty((0, 3)), np.empty((0, 2))), "at least one row"),
        (lambda: AM(3, 2).write(np.full((1, 3), np.nan), V[:1]), "must be finite"),
        (lambda: AM(3, 2).write(K, V, gain=[1.0]), "gain"),
        (lambda: AM(3, 2, rule="softmax").write(K, V, gain=[1, 1, -1]), "gain = -1"),
        (lambda: AM(3, 2).write(np.zeros((1, 3)), V[:1]), "row 0 is zero"),
        (lambda: AM(3, 2).read(np.ones((1, 2))), "queries"),
        (lambda: AM(3, 2).read(K, steps=2), "steps = 2"),
        (lambda: AM(3, 3).read(K, steps=0), "steps = 0"),
        (lambda: AM(3, 2, rule="dense").write(K, V).weights, "weights"),
        (lambda: memory.hebb_error(0, 3), "n_items = 0"),
        (lambda: memory.delta_error_by_age(5, 5, d_key=3), "< 5"),
        (lambda: memory.retrieval_error("dense", [3], d_key=4), "dense"),
        (lambda: memory.mean_capacity("hebb", [64], error=1.0), "error = 1"),
        (lambda: memory.Phase(trials=("A",)), "+ or -"),
        (lambda: memory.Phase(trials=("AA+",)), "each once"),
        (lambda: memory.Phase(trials="A+"), "tuple"),  # type: ignore[arg-type]
        (lambda: memory.Phase(trials=("A+",), n=0), "n = 0"),
        (lambda: memory.condition([]), "phases"),
        (lambda: memory.condition(memory.EXPERIMENTS["blocking"], rule="ridge"), "rule"),
        (lambda: memory.trace_conditioning([1], eligibility=0.0), "eligibility = 0"),
        (lambda: memory.trace_conditioning([-1], eligibility=0.5), "delays = -1"),
        (lambda: memory.heads_needed(1.0, layers=3, failure=0.1), "p = 1"),
        (lambda: memory.acquisition(-1), "trials = -1"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_it_is_refused_by_name(call: Callable[[], Any], words: str) -> None:
    assert words in refusal(call)


def test_a_rule_that_does_not_exist_is_named_with_the_nearest() -> None:
    assert "Did you mean 'hopfield'?" in refusal(lambda: AM(2, 2, rule="hopfeld"), UnknownNameError)


def test_growth_beyond_all_bounds_is_told_and_nothing_is_lost() -> None:
    stored = AM(1, 1, learning_rate=0.5).write([[1.0]], [[2.0]])
    before = stored.weights.copy()
    text = refusal(lambda: stored.write(np.full((2000, 1), 10.0), np.ones((2000, 1))), NonFiniteError)
    assert "at pair" in text
    assert "must be < 2" in text
    np.testing.assert_array_equal(stored.weights, before)
