"""Double dissociation: effects worked out by hand, honest chance, and lesions that only look like one."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from arcuate.errors import SpecError
from arcuate.probes import dissociate, double_dissociation, selective_set, set_overlap

WHOLE = np.ones(40)


def right(n: int) -> np.ndarray:
    """Scores of 40 items of which the first n are right."""
    return (np.arange(40) < n).astype(float)


def test_figures_are_those_worked_out_by_hand():
    found = double_dissociation((right(40), right(36)), (right(10), right(32)), (right(38), right(16)))
    np.testing.assert_allclose(found.effect, [[30 / 40, 4 / 40], [2 / 40, 20 / 40]])
    np.testing.assert_allclose(found.selectivity, [26 / 40, 18 / 40])
    assert float(found.interaction) == pytest.approx(44 / 40)
    assert float(found["index"]) == pytest.approx(22 / 40)
    low, high = found.index_interval.values
    assert low < 22 / 40 < high and bool(found.double) and float(found.p_items) == 1e-4


def test_one_lesion_that_hurts_one_task_is_not_double():
    found = double_dissociation((WHOLE, WHOLE), (right(4), right(4)), (WHOLE, right(4)))
    assert float(found["index"]) == pytest.approx(0.45)
    np.testing.assert_allclose(found.selectivity, [0, 0.9])
    assert not bool(found.double) and float(found.p_items) < 0.01


def test_chance_is_chance():
    draw = np.random.default_rng(0)
    p = []
    for _ in range(200):
        cuts = draw.normal(size=(2, 2, 20))
        found = double_dissociation((WHOLE[:20],) * 2, cuts[0], cuts[1], n_permutations=99, n_resamples=10)
        p.append(float(found.p_items))
    assert abs(np.mean(np.array(p) <= 0.05) - 0.05) < 0.045
    assert abs(np.mean(p) - 0.505) < 0.06


def test_random_sets_are_the_band_beside():
    draw = np.random.default_rng(1)
    sets = [(draw.random((60, 40)) < 0.8).astype(float) for _ in range(2)]
    found = double_dissociation((WHOLE, WHOLE), (right(4), WHOLE), (WHOLE, right(4)), random=sets)
    effect = 1 - np.stack([one.mean(axis=1) for one in sets], axis=1)
    np.testing.assert_allclose(found.random_effect, effect)
    contrast = effect[:, 0] - effect[:, 1]
    np.testing.assert_allclose(found.random_index, (contrast - np.roll(contrast, -1)) / 2)
    assert float(found.p_random) == pytest.approx(1 / 61)
    same = double_dissociation(
        (WHOLE, WHOLE), [one[0] for one in sets], [one[1] for one in sets], random=sets
    )
    assert float(same.p_random) > 1 / 61


NEEDS = ({"a": 0.1, "b": 0.5, "c": 0.1}, {"c": 0.6, "d": 0.3, "b": 0.2})
"""What the lesion of a part costs each of two tasks; costs add up."""


def costs(parts: list[str]) -> tuple[float, float]:
    """What a lesion of some parts costs both tasks."""
    first, second = (sum(need.get(part, 0.0) for part in parts) for need in NEEDS)
    return first, second


def test_the_most_selective_set_is_that_of_the_largest_differences():
    assert selective_set(costs, "dcbae", size=2) == ["b", "a"]  # .3 and .1; c costs the other task more
    assert selective_set(lambda parts: costs(parts)[::-1], "abcde", size=3) == ["c", "d", "e"]
    assert selective_set(lambda parts: (float({"x", "y"} <= set(parts)), 0.0), "xy", size=2) == ["x", "y"]


def test_sets_are_chosen_by_one_half_of_the_items_and_judged_by_the_other():
    """Each part is needed by some items alone: effects are counted over those that were not chosen by."""
    asked: list[tuple[tuple[str, ...], int, set[int]]] = []

    def lesion(task: int, items: np.ndarray, parts: list[str]) -> np.ndarray:
        asked.append((tuple(parts), task, set(items.tolist())))
        return np.full(len(items), 1 - costs(parts)[task])

    found = dissociate(lesion, "abcdef", n_items=(30, 41), size=2, n_random=50, seed=3)
    assert found.sets == (["b", "a"], ["c", "d"])
    np.testing.assert_allclose(found.judged.effect, [[0.6, 0.2], [0.1, 0.9]])
    assert float(found.judged["index"]) == pytest.approx((0.4 + 0.8) / 2)
    assert found.judged.sizes["set"] == 50 and [one.tolist() for one in found.intact] == [
        [1.0] * 15,
        [1.0] * 20,
    ]
    for task, n in ((0, 30), (1, 41)):
        chose, judged = (
            set().union(*(items for _, kind, items in part if kind == task))
            for part in (asked[:-106], asked[-106:])  # those that judge: intact, two sets, 50 random ones
        )
        assert chose.isdisjoint(judged) and chose | judged == set(range(n))
    again = dissociate(lesion, "abcdef", n_items=(30, 41), size=2, n_random=50, seed=3)
    np.testing.assert_array_equal(again.judged.random_index, found.judged.random_index)


def test_sets_chosen_from_noise_judge_as_noise():
    """No part is needed, and what a lesion costs an item is chance, the same whenever it is asked."""
    index, double = [], []
    for seed in range(40):

        def lesion(task: int, items: np.ndarray, parts: list[str], seed=seed) -> np.ndarray:
            draw = np.random.default_rng([seed, task, *(ord(one) for one in sorted(parts))])
            return (draw.random(40) < (0.7 if parts else 1.0)).astype(float)[items]

        found = dissociate(lesion, "abcdef", n_items=(40, 40), size=2, n_random=50, seed=seed).judged
        index.append(float(found["index"]))
        double.append(bool(found.double))
    assert abs(np.mean(index)) < 0.06  # the half that chose gives 0.14
    assert np.mean(double) < 0.1


def test_overlap_is_counted_over_all_sets():
    """Of all 3-sets out of 7 every one is as likely: what two share follows by counting them."""
    first, sets = (0, 1, 2), list(combinations(range(7), 3))
    for second in ((0, 1, 6), (4, 5, 6), (0, 5, 6)):
        overlap = set_overlap(first, second, n=7)
        shared = np.array([len(set(first) & set(one)) for one in sets])
        assert overlap.shared == len(set(first) & set(second))
        assert overlap.expected == pytest.approx(shared.mean())
        assert overlap.p_more == pytest.approx((shared >= overlap.shared).mean())
        assert overlap.p_less == pytest.approx((shared <= overlap.shared).mean())
    assert set_overlap([], [], n=3).jaccard == 0


BOTH = (WHOLE, WHOLE)
SETS = np.ones((50, 40))


def never(*_: object) -> np.ndarray:
    """Refuse to be asked: the input is refused before."""
    raise AssertionError


WRONG = [
    ("a part twice", lambda: selective_set(costs, "aba", size=1), "members"),
    ("too few parts", lambda: selective_set(costs, "ab", size=3), "size"),
    ("a cost that is none", lambda: selective_set(lambda parts: (np.nan, 0.0), "ab", size=1), "lesion"),
    ("sets that overlap", lambda: dissociate(never, "abc", n_items=(8, 8), size=2), "size"),
    ("few random sets", lambda: dissociate(never, "abcd", n_items=(8, 8), size=2, n_random=49), "n_random"),
    ("seven items", lambda: dissociate(never, "abcd", n_items=(8, 7), size=2), "n_items"),
    ("other items", lambda: dissociate(lambda *_: WHOLE, "abcd", n_items=(8, 8), size=2), "lesion"),
    ("items of one task", lambda: dissociate(never, "abcd", n_items=(8,), size=2), "n_items"),
    ("a number of items", lambda: dissociate(never, "abcd", n_items=8, size=2), "n_items"),
    (
        "three items judge nothing",
        lambda: double_dissociation((WHOLE[:3], WHOLE), (WHOLE[:3] * 0, WHOLE), (WHOLE[:3], WHOLE * 0)),
        "intact",
    ),
    ("one task", lambda: double_dissociation((WHOLE,), BOTH, BOTH), "intact"),
    ("scores NaN", lambda: double_dissociation((WHOLE, WHOLE * np.nan), BOTH, BOTH), "intact"),
    ("no items", lambda: double_dissociation((WHOLE, []), BOTH, BOTH), "intact"),
    ("scores as text", lambda: double_dissociation(BOTH, ("a", "b"), BOTH), "first"),
    ("39 items", lambda: double_dissociation(BOTH, (WHOLE, WHOLE[1:]), BOTH), "first"),
    ("items in rows", lambda: double_dissociation(BOTH, BOTH, (WHOLE[None], WHOLE[None])), "second"),
    ("49 sets", lambda: double_dissociation(BOTH, BOTH, BOTH, random=(SETS[1:], SETS[1:])), "random"),
    (
        "51 and 50 sets",
        lambda: double_dissociation(BOTH, BOTH, BOTH, random=(np.ones((51, 40)), SETS)),
        "random",
    ),
    ("sets of 39 items", lambda: double_dissociation(BOTH, BOTH, BOTH, random=(SETS, SETS[:, 1:])), "random"),
    ("no permutation", lambda: double_dissociation(BOTH, BOTH, BOTH, n_permutations=0), "n_permutations"),
    ("no resample", lambda: double_dissociation(BOTH, BOTH, BOTH, n_resamples=0), "n_resamples"),
    ("level 1", lambda: double_dissociation(BOTH, BOTH, BOTH, level=1.0), "level"),
    ("member twice", lambda: set_overlap([1, 1], [2], n=9), "first"),
    ("more members than there are", lambda: set_overlap([1, 2], [3, 4], n=3), "n"),
]


@pytest.mark.parametrize(("call", "name"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_it_is_refused_by_name(call, name):
    with pytest.raises(SpecError) as caught:
        call()
    assert caught.value.name == name
    assert len(str(caught.value).splitlines()) <= 4
