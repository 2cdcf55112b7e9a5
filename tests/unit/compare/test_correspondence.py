"""Steps of one system beside the steps of another."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from arcuate.compare import cka, step_correspondence
from arcuate.compare._correspondence import _diagonality, _path_cost
from arcuate.errors import SpecError


def _walk(n=60, steps=6, units=8, seed=0):
    return np.random.default_rng(seed).standard_normal((n, steps, units)).cumsum(1)


def test_scores_are_those_of_the_measure():
    x, y = _walk(seed=1), _walk(seed=2, steps=4)
    found = step_correspondence(x, y, n_null=19)
    for i in range(6):
        for j in range(4):
            assert found.similarity[i, j] == pytest.approx(cka(x[:, i], y[:, j]), abs=1e-12)
    assert found.best.values.tolist() == found.similarity.values.argmax(1).tolist()


def test_a_system_follows_itself_and_its_reverse_backward():
    x = _walk()
    same, back = (step_correspondence(x, y, n_null=199) for y in (x, x[:, ::-1]))
    assert same.diagonality == pytest.approx(1) and back.diagonality == pytest.approx(-1)
    assert same.path_cost == pytest.approx(0, abs=1e-12)
    assert float(same.p_diagonality.sel(null="steps")) < 0.02
    assert float(same.p_diagonality.sel(null="stimuli")) < 0.05
    assert float(same.p_path_cost.sel(null="stimuli")) == pytest.approx(1 / 200)
    assert float(back.p_diagonality.max()) == 1.0


def test_all_alike_to_one_step_is_no_order():
    assert _diagonality(np.array([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]])) == 0.0


def test_the_path_is_the_cheapest_of_all():
    matrix = np.random.default_rng(3).random((4, 3))

    def paths(i, j):
        if (i, j) == (0, 0):
            return [[(0, 0)]]
        before = [(i - 1, j - 1), (i - 1, j), (i, j - 1)]
        return [[*path, (i, j)] for a, b in before if a >= 0 and b >= 0 for path in paths(a, b)]

    cost = {sum(1 - matrix[k] for k in path): len(path) for path in paths(3, 2)}
    assert _path_cost(matrix) == pytest.approx(min(cost) / cost[min(cost)])


def test_independent_systems_are_as_chance_has_it():
    p = [
        float(
            step_correspondence(
                _walk(30, 4, seed=2 * k), _walk(30, 4, seed=2 * k + 1), n_null=19
            ).p_path_cost[0]
        )
        for k in range(20)
    ]
    assert 0.3 < np.mean(p) < 0.7
    assert np.mean(np.array(p) <= 0.1) < 0.3


def test_stimuli_are_matched_by_label():
    x, labels = _walk(), np.array([f"s{k}" for k in range(60)])
    order = np.random.default_rng(5).permutation(60)
    a = xr.DataArray(x, dims=("stimulus", "tick", "unit"), coords={"stimulus": labels})
    b = xr.DataArray(x[order], dims=("stimulus", "layer", "unit"), coords={"stimulus": labels[order]})
    assert float(step_correspondence(a, b, n_null=19).path_cost) == pytest.approx(0, abs=1e-12)
    with pytest.raises(SpecError, match="same stimuli"):
        step_correspondence(a, b[1:], n_null=19)


@pytest.mark.parametrize(
    ("x", "y", "options", "words"),
    [
        (_walk(), _walk()[:50], {}, "as many stimuli"),
        (_walk(), _walk(steps=2), {}, "needs >= 3 steps"),
        (_walk(), _walk() * np.nan, {}, "finite"),
        (_walk(), _walk(), {"measure": "dsa"}, "similarity of samples"),
        (_walk(), _walk(), {"n_null": 5}, "n_null"),
    ],
    ids=["stimuli", "steps", "nan", "measure", "null"],
)
def test_what_does_not_fit_is_refused(x, y, options, words):
    with pytest.raises(SpecError, match=words):
        step_correspondence(x, y, **options)
