"""Double dissociation: effects worked out by hand, honest chance, and lesions that only look like one."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from arcuate.errors import SpecError
from arcuate.probes import double_dissociation, set_overlap

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
WRONG = [
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
