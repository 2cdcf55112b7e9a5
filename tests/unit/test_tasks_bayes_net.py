"""Bayes nets: exact numbers against sums over all states and against samples; what experience shows."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from arcuate.errors import SpecError
from arcuate.tasks import BayesNet, LocalExperience

TREE = BayesNet.random(9, seed=3, strength=0.7)


def every_state(net: BayesNet) -> tuple[np.ndarray, np.ndarray]:
    """All states and their probabilities, written out."""
    states = list(product((0, 1), repeat=net.n_variables))
    weights = []
    for state in states:
        weight = 1.0
        for k, (of, table) in enumerate(zip(net.parents, net.tables, strict=True)):
            one = float(table[tuple(state[p] for p in of)])
            weight *= one if state[k] else 1 - one
        weights.append(weight)
    return np.array(states), np.array(weights)


@pytest.mark.parametrize("edges", [None, 12], ids=["tree", "several parents"])
def test_pairs_are_those_of_the_sum_over_all_states(edges):
    net = BayesNet.random(9, seed=5, n_edges=edges, strength=0.7)
    states, weights = every_state(net)
    assert weights.sum() == pytest.approx(1)
    for i, j, a, b in product(range(9), range(9), (0, 1), (0, 1)):
        exact = weights[(states[:, i] == a) & (states[:, j] == b)].sum()
        assert net.joint[i, j, a, b] == pytest.approx(exact, abs=1e-12)
        if a and i != j:
            given = weights[states[:, j] == b].sum()
            assert net.conditional[i, j, b] == pytest.approx(exact / given)


def test_roots_that_nothing_joins_are_independent():
    net = BayesNet(parents=[(), (), (1,)], tables=[0.3, 0.6, [0.2, 0.9]])
    assert net.joint[0, 2, 1, 1] == pytest.approx(0.3 * (0.4 * 0.2 + 0.6 * 0.9))
    assert net.path(0, 2) == ()
    assert net.distances[0].tolist() == [0, -1, -1]


def test_a_chain_of_copies_has_the_closed_form():
    net = BayesNet.chain(6, flip=0.1)
    steps = np.abs(np.subtract.outer(np.arange(6), np.arange(6)))
    assert np.allclose(net.conditional[:, :, 1], (1 + 0.8**steps) / 2)
    assert np.array_equal(net.distances, steps)
    p = (1 + 0.8**3) / 2
    assert net.mutual_information[0, 3] == pytest.approx(1 + p * np.log2(p) + (1 - p) * np.log2(1 - p))


def test_samples_have_the_probabilities_of_the_net():
    states = TREE.sample(np.random.default_rng(0), 40_000)
    assert np.abs(states.mean(axis=0) - TREE.marginal).max() < 4 * 0.5 / np.sqrt(40_000)
    both = (states[:, :, None] & states[:, None, :]).mean(axis=0)
    assert np.abs(both - TREE.joint[:, :, 1, 1]).max() < 4 * 0.5 / np.sqrt(40_000)


def test_pairs_far_apart_are_sorted_and_no_neighbors():
    pairs = TREE.far_pairs(5)
    told = [TREE.mutual_information[pair] for pair in pairs]
    assert told == sorted(told, reverse=True)
    assert all(TREE.distances[pair] >= 2 for pair in pairs)
    for one, other in pairs:
        path = TREE.path(one, other)
        assert [TREE.distances[step] for step in pairwise(path)] == [1] * (len(path) - 1)


@pytest.mark.parametrize("observed", ["local", "full", "wrong"])
def test_held_out_pairs_are_never_seen_together_and_others_are(observed):
    task = LocalExperience(net=TREE, observed=observed, held_out=TREE.far_pairs(3))
    shown = task.draw(5000, seed=1).shown
    together = (shown[:, :, None] & shown[:, None, :]).sum(axis=0)
    assert all(together[pair] == 0 for pair in task.held_out)
    assert shown.any(axis=1).all()
    edges = [(k, of[0]) for k, of in enumerate(TREE.parents) if of]
    seen = np.mean([together[edge] for edge in edges])
    assert seen > (400 if observed != "wrong" else 100)


def test_neighborhoods_are_as_wide_as_the_radius_says():
    net = BayesNet.chain(41, flip=0.1)
    shown = LocalExperience(net=net, p=0.33, drop=0.0).draw(20_000, seed=2).shown
    width = shown.sum(axis=1)
    inside = 1 - (shown[:, 0] | shown[:, -1])
    assert set((width[inside == 1] % 2).tolist()) == {1}  # 2 r + 1 where no end cuts it
    assert (width == 3).mean() == pytest.approx(0.33 * 39 / 41 + 0.33 * 0.67 * 2 / 41, abs=0.015)
    heavy = LocalExperience(net=net, radius="zipf", drop=0.0).draw(20_000, seed=2).shown.sum(axis=1)
    assert (heavy == 3).mean() == pytest.approx(6 / np.pi**2 * 39 / 41, abs=0.02)


def test_a_string_says_goal_names_and_values():
    trials = LocalExperience(net=TREE, held_out=TREE.far_pairs(3)).draw(200, seed=6)
    told = trials.tokens()
    for row, words in enumerate(told.tokens):
        text = [told.vocabulary[k] for k in words]
        stop = text.index("end") if "end" in text else len(text)
        names, values = zip(*(word.split("=") for word in text[1:stop]), strict=True)
        assert text[0] == f"goal X{trials.goal[row]}"
        assert f"X{trials.goal[row]}" in names
        assert sorted(int(name[1:]) for name in names) == np.flatnonzero(trials.shown[row]).tolist()
        assert [trials.states[row, int(name[1:])] for name in names] == list(map(int, values))
        asked = told.targets[row, told.asked[row]]
        assert asked.tolist() == [*words[1:stop].tolist(), told.vocabulary.index("end")]


def test_currents_are_those_of_the_words():
    trials = LocalExperience(net=TREE).draw(10, seed=7)
    told, shown = trials.tokens(), trials.drive("1 ms", hold="2 ms")
    assert np.array_equal(shown.inputs[:, ::2].argmax(axis=2), told.tokens)
    assert np.array_equal(shown.targets[:, ::2].argmax(axis=2)[told.asked], told.targets[told.asked])


@pytest.mark.parametrize(
    ("parents", "tables", "name"),
    [
        ([(), (1,)], [0.5, [0.5, 0.5]], "parents"), ([(), (0,)], [0.5, 0.5], "tables"),
        ([()], [1.5], "tables"), ([(), (0,)], [0.5], "tables"), ([], [], "parents"),
    ],
    ids=["later", "shape", "above one", "too few", "none"],
)  # fmt: skip
def test_a_net_that_is_none_is_refused(parents, tables, name):
    with pytest.raises(SpecError, match=name):
        BayesNet(parents=parents, tables=tables)


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        ({"observed": "some"}, "observed"), ({"drop": 1.0}, "drop"), ({"p": 0.0}, "p"),
        ({"held_out": [(0, 9)]}, "held_out"), ({"held_out": [(2, 2)]}, "held_out"), ({"net": 3}, "net"),
    ],
    ids=["observed", "drop", "p", "outside", "same", "net"],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(bad, name):
    with pytest.raises(SpecError, match=name):
        LocalExperience(**{"net": TREE} | bad)


def test_a_large_net_with_several_parents_is_not_summed():
    net = BayesNet.random(20, seed=1, n_edges=25)
    with pytest.raises(SpecError, match="n_variables"):
        net.joint  # noqa: B018
