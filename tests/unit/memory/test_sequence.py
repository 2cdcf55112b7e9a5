"""Sequences: recalled in order, forward and backward, up to what theory says they hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcuate.errors import SpecError
from arcuate.memory import SequenceStore


def way(seed: int, n: int, d: int) -> np.ndarray:
    return np.random.default_rng(seed).choice([-1.0, 1.0], size=(n, d))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 12), cue=st.integers(0, 10))
def test_the_order_comes_back_forward_and_backward(seed: int, n: int, cue: int) -> None:
    xi, cue = way(seed, n, 300), min(cue, n - 2)
    store = SequenceStore(300).write(xi)
    np.testing.assert_array_equal(store.replay(xi[cue], n - 1 - cue), xi[cue + 1 :])
    back = store.replay(xi[cue + 1], cue + 1, reverse=True)
    np.testing.assert_array_equal(back, xi[cue::-1])


def test_a_damaged_cue_is_enough() -> None:
    xi = way(1, 10, 400)
    store = SequenceStore(400).write(xi)
    for reverse, cue, rest in ((False, xi[0], xi[1:]), (True, xi[9], xi[8::-1])):
        damaged = cue.copy()
        damaged[:60] *= -1
        np.testing.assert_array_equal(store.replay(damaged, 9, reverse=reverse)[3:], rest[3:])


def test_the_matrix_is_the_sum_over_steps_of_all_sequences() -> None:
    first, second = way(2, 4, 6), way(3, 3, 6)
    weights = SequenceStore(6).write(first).write(second).links.weights
    expected = np.zeros((6, 6))
    for xi in (first, second):
        for t in range(len(xi) - 1):
            expected += np.outer(xi[t], xi[t + 1]) / 6
    np.testing.assert_allclose(weights, expected, atol=1e-15)


@pytest.mark.parametrize("reverse", [False, True])
def test_it_holds_a_quarter_of_its_width_and_not_a_third(reverse: bool) -> None:
    """The capacity of long sequences is 0.269 d (Düring, Coolen and Sherrington 1998)."""
    d, overlap = 1500, {}
    for load in (0.2, 0.35):
        xi = way(4, int(load * d), d)
        cue, rest = (xi[-1], xi[-2::-1]) if reverse else (xi[0], xi[1:])
        found = SequenceStore(d).write(xi).replay(cue, 60, reverse=reverse)
        overlap[load] = float((found[-1].values * rest[59]).mean())
    assert overlap[0.2] > 0.85
    assert overlap[0.35] < 0.3


def test_a_replay_is_faster_than_what_was_seen() -> None:
    store = SequenceStore(50, interval="200 ms").write(way(5, 5, 50))
    found = store.replay(way(5, 5, 50)[0], 4, compression=20)
    np.testing.assert_allclose(found.time, [0.01, 0.02, 0.03, 0.04])
    assert found.dims == ("time", "unit")


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: SequenceStore(0), "d"),
        (lambda: SequenceStore(3, interval=0.1), "interval"),
        (lambda: SequenceStore(3, interval="0 s"), "interval"),
        (lambda: SequenceStore(3).write([[1, 1, 1]]), "two steps"),
        (lambda: SequenceStore(3).write([[1, 1], [1, 1]]), "sequence"),
        (lambda: SequenceStore(3).write([[1, 1, 0], [1, 1, 1]]), "-1 and"),
        (lambda: SequenceStore(3).write([[1, 1, np.nan], [1, 1, 1]]), "sequence"),
        (lambda: SequenceStore(3).replay([1, 1], 1), "cue"),
        (lambda: SequenceStore(3).replay([1, 1, 1], 0), "n_steps"),
        (lambda: SequenceStore(3).replay([1, 1, 1], 1, compression=0), "compression"),
    ],
    ids=[
        "width",
        "bare time",
        "no time",
        "one step",
        "other width",
        "zero",
        "nan",
        "cue",
        "steps",
        "compression",
    ],
)
def test_what_does_not_fit_is_refused_by_name(call: object, word: str) -> None:
    with pytest.raises(SpecError, match=word):
        call()  # type: ignore[operator]
