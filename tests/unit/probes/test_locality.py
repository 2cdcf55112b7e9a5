"""Asking at once and in steps: closed forms on chains, and predictors that are known to the last digit."""

from __future__ import annotations

import numpy as np
import pytest

from arcuate.errors import NonFiniteError, SpecError
from arcuate.probes import PairTable, Question, WordPredictor, locality_scores, step_by_step
from arcuate.tasks import BayesNet, LocalExperience

CHAIN = BayesNet.chain(5, flip=0.12)
FAR = [(0, 2), (0, 3), (0, 4), (1, 3), (1, 4), (2, 4)]


def knows_all(net):
    """A predictor that knows the net: exact, from the last variable that was said."""
    return lambda q: net.conditional[np.asarray(q.variable), q.names[:, -1], q.values[:, -1]]


def knows_steps(net):
    """A predictor that knows neighbors exactly and says the marginal of all others."""

    def predict(q):
        near = net.distances[q.variable, q.names[:, -1]] == 1
        return np.where(
            near, net.conditional[q.variable, q.names[:, -1], q.values[:, -1]], net.marginal[q.variable]
        )

    return predict


def test_one_who_knows_the_steps_needs_them_and_is_right_with_them():
    found = step_by_step(knows_steps(CHAIN), CHAIN, FAR, n_draws=2000)
    scores = locality_scores(found)
    theory = np.mean([(0.5 * 0.76 ** (b - a)) ** 2 for a, b in FAR])  # the marginal is 1/2
    assert float(scores.marginal_mse) == pytest.approx(theory)
    assert float(scores.mse_true.sel(estimator="direct")) == pytest.approx(theory)
    assert float(scores.mse_marginal.sel(estimator="direct")) == 0
    assert float(scores.mse_true.sel(estimator="scaffolded")) < 2 * 0.25 / 2000
    assert float(scores.slope.sel(estimator="scaffolded")) == pytest.approx(1, abs=0.05)
    assert np.isnan(scores.slope.sel(estimator="free"))


def test_one_who_knows_all_needs_no_steps():
    scores = locality_scores(step_by_step(knows_all(CHAIN), CHAIN, FAR))
    assert float(scores.mse_true.sel(estimator="direct")) == pytest.approx(0)
    assert float(scores.slope.sel(estimator="direct")) == pytest.approx(1)


def test_tables_of_pairs_that_saw_neighbors_alone_show_the_gap():
    seen = LocalExperience(net=CHAIN, p=1.0, drop=0.0, held_out=FAR).draw(40_000, seed=1)
    scores = locality_scores(step_by_step(PairTable(seen), CHAIN, FAR, n_draws=2000, seed=2))
    direct, scaffolded = (float(scores.mse_true.sel(estimator=name)) for name in ("direct", "scaffolded"))
    assert direct == pytest.approx(float(scores.marginal_mse), rel=0.05)
    assert scaffolded < 0.001
    assert scaffolded < 0.03 * direct


def test_tables_that_saw_everything_show_none():
    seen = LocalExperience(net=CHAIN, observed="full", drop=0.0).draw(40_000, seed=1)
    scores = locality_scores(step_by_step(PairTable(seen), CHAIN, FAR, n_draws=200))
    assert float(scores.mse_true.sel(estimator="direct")) < 0.0005


def test_wandering_until_the_goal_is_named_is_right_on_average():
    def propose(q):
        chance = np.zeros((q.n_draws, 5))
        last = q.names[:, -1]
        chance[np.arange(q.n_draws), last + np.where(q.goal > last, 1, -1)] = 1.0  # the next on the way
        return chance

    found = step_by_step(knows_steps(CHAIN), CHAIN, FAR, propose=propose, n_draws=3000)
    scores = locality_scores(found).sel(estimator="free")
    assert float(scores.mse_true) < 2 * 0.25 / 3000
    cut = step_by_step(knows_steps(CHAIN), CHAIN, [(0, 4)], propose=propose, n_draws=50, max_steps=1)
    assert cut.estimate.sel(estimator="free").values == pytest.approx(0.5)


def test_both_directions_and_values_are_asked():
    found = step_by_step(knows_all(CHAIN), CHAIN, [(0, 3)])
    assert list(zip(found.target.values, found.given.values, found.value.values, strict=True)) == [
        (0, 3, 0), (0, 3, 1), (3, 0, 0), (3, 0, 1),
    ]  # fmt: skip
    assert found.distance.values.tolist() == [3] * 4
    assert found.true.values[1] == pytest.approx((1 + 0.76**3) / 2)
    assert found.weight.values == pytest.approx(0.5)


def test_negative_scaffolds_are_as_long_and_off_the_path():
    asked = []

    def predict(q):
        asked.append((q.goal, q.names[0, 0], q.variable))
        return np.full(q.n_draws, 0.5)

    net = BayesNet.chain(8, flip=0.1)
    step_by_step(predict, net, [(2, 5)], n_draws=3)
    between = [
        [v for g, y, v in asked if g == goal and y == given and v != goal] for goal, given in ((2, 5), (5, 2))
    ]
    for row in between:
        assert len(row) == 8  # two values, two variables, scaffolded and negative
        assert {v for v in row if 2 < v < 5} == {3, 4}
        assert len({v for v in row if not 2 <= v <= 5}) == 2


def test_too_few_variables_off_the_path_make_no_negative_scaffold():
    found = step_by_step(knows_steps(CHAIN), CHAIN, FAR, n_draws=20)
    negative = found.estimate.sel(estimator="negative")
    assert (negative.isnull() == (found.distance > 2)).all()  # of five variables, two are off a path of three
    assert found.estimate.sel(estimator=["direct", "scaffolded"]).notnull().all()
    scores, near = locality_scores(found), locality_scores(found.sel(question=found.distance == 2))
    for name in ("mse_true", "mse_marginal", "slope"):
        assert float(scores[name].sel(estimator="negative")) == pytest.approx(
            float(near[name].sel(estimator="negative"))
        )
    none = locality_scores(step_by_step(knows_steps(CHAIN), CHAIN, [(0, 4)], n_draws=20))
    assert none.mse_true.sel(estimator="negative").isnull() and none.slope.sel(estimator="negative").isnull()


def test_words_are_those_of_the_task():
    trials = LocalExperience(net=CHAIN, drop=0.0, observed="full").draw(50, seed=3)
    told, row, seen = trials.tokens(), 7, []

    def logits(words):
        seen.append(words)
        return np.arange(16.0) * np.ones((*words.shape, 1))

    predict = WordPredictor(logits, 5)
    names = trials.order[row, :2]
    question = Question(
        goal=int(trials.goal[row]), names=names[None], values=trials.states[row, names][None], variable=3
    )
    assert predict(question).tolist() == pytest.approx([1 / (1 + np.exp(-1))])
    assert seen[0][0].tolist() == told.tokens[row, :3].tolist()
    assert told.vocabulary[7] == "X3=1"
    chance = predict.propose(question)
    assert chance.shape == (1, 5)
    assert chance.sum() == pytest.approx(1)
    assert np.log(chance[0, 4] / chance[0, 3]) == pytest.approx(2)


@pytest.mark.parametrize(
    ("predict", "pairs", "error", "name"),
    [
        (lambda q: np.full(q.n_draws, 1.5), FAR, NonFiniteError, "predict"),
        (lambda q: np.full(q.n_draws, np.nan), FAR, NonFiniteError, "predict"),
        (lambda q: 0.5, FAR, SpecError, "predict"),
        (lambda q: np.full(q.n_draws, 0.5), [], SpecError, "pairs"),
        (lambda q: np.full(q.n_draws, 0.5), [(1, 1)], SpecError, "pairs"),
    ],
    ids=["above one", "nan", "number", "none", "same"],
)
def test_what_does_not_fit_is_refused_by_name(predict, pairs, error, name):
    with pytest.raises(error, match=name):
        step_by_step(predict, CHAIN, pairs)


def test_variables_that_nothing_joins_are_refused():
    net = BayesNet(parents=[(), ()], tables=[0.5, 0.5])
    with pytest.raises(SpecError, match="path"):
        step_by_step(knows_all(net), net, [(0, 1)])
