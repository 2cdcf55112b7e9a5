"""Gates that are learned: targets by definition, weights by scikit-learn, use on trials unseen."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from arcuate import ctm
from arcuate.ctm.gate import LearnedExit
from arcuate.errors import FitError, SpecError, UnknownNameError

Array = np.ndarray[Any, Any]


def trials(seed: int, n: int = 300, ticks: int = 9) -> tuple[ctm.Thought, Array, Array]:
    """Two positions of two classes that are noise until a trial is ready, then right and sure."""
    rng = np.random.default_rng(seed)
    targets, ready = rng.integers(2, size=(n, 2)), rng.integers(2, ticks, size=n)
    known = np.arange(1, ticks + 1) >= ready[:, None, None]
    gap = np.where(known, 6.0 * (2 * targets[..., None] - 1), 0.0) + rng.normal(size=(n, 2, ticks))
    y = np.stack((-gap / 2, gap / 2), axis=2).reshape(n, 4, ticks)
    sure = ctm.certainty(y.transpose(2, 0, 1).reshape(-1, 4), (2, 2)).reshape(ticks, n, 2)
    rest = np.zeros((ticks, n, 1))
    thought = ctm.Thought(
        predictions=y,
        certainties=sure.transpose(1, 2, 0),
        sync_out=rest,
        sync_action=None,
        pre_activations=rest,
        post_activations=rest,
        attention=None,
        reads=None,
        key_values=None,
        trace=rest,
    )
    return thought, targets, ready


def features(thought: ctm.Thought, tick: int) -> Array:
    rows = []
    for b in range(len(thought.predictions)):
        p = [np.exp(v) / np.exp(v).sum() for v in thought.predictions[b, :, tick].reshape(2, 2)]
        sure = thought.certainties[b, 1]
        before = sure[tick - 1] if tick else 0.0
        margin = min(abs(q[0] - q[1]) for q in p)
        rows.append([sure[tick], sure[tick] - before, margin, sum(math.log(max(q)) for q in p)])
    return np.array(rows)


def test_the_tick_that_is_wanted() -> None:
    thought, targets, _ = trials(0, n=60)
    gate = LearnedExit(cost=2.0).fit(thought, targets)
    for b in range(60):
        best, sure, costs = 0, -1.0, []
        for tick in range(9):
            if thought.certainties[b, 1, tick] > sure:
                best, sure = tick, thought.certainties[b, 1, tick]
            error = 0.0
            for place in range(2):
                v = thought.predictions[b, :, best].reshape(2, 2)[place]
                error -= v[targets[b, place]] - math.log(np.exp(v).sum())
            costs.append(error + 2.0 * (tick + 1) / 9)
        assert gate.wanted_[b] == 1 + int(np.argmin(costs))


def test_a_gate_is_the_regression_of_scikit_learn() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    thought, targets, _ = trials(1)
    gate = LearnedExit(cost=1.0, penalty=0.5).fit(thought, targets)
    for tick in (2, 5):
        x, stop = features(thought, tick), gate.wanted_ <= tick + 1
        mean, scale = x.mean(0), x.std(0)
        expected = linear_model.LogisticRegression(C=2.0, class_weight="balanced", tol=1e-10, max_iter=10000)
        expected.fit((x - mean) / scale, stop)
        np.testing.assert_allclose(gate.coef_[tick] * scale, expected.coef_[0], rtol=1e-3, atol=1e-4)
        assert gate.intercept_[tick] + gate.coef_[tick] @ mean == pytest.approx(
            expected.intercept_[0], abs=1e-3
        )


@pytest.mark.parametrize("weights", ["balanced", "regret"])
def test_it_stops_trials_it_has_not_seen_when_they_are_ready(weights: str) -> None:
    gate = LearnedExit(weights=weights).fit(*trials(2)[:2])
    thought, targets, ready = trials(3)
    found = ctm.halt(thought, gate, shape=(2, 2))
    assert (found.ticks == ready).mean() > 0.85
    assert found.right(targets).mean() > 0.9
    asked = ctm.TickState(
        tick=99,
        trial=np.arange(1),
        prediction=np.array([[0.0, 9.0, 9.0, 0.0]]),
        certainty=np.ones(1),
        post_activation=np.zeros((1, 1)),
        synchrony=np.zeros((1, 1)),
        shape=(2, 2),
    )
    assert gate.probability(asked)[0] > 0.5  # after the last tick, the last gate


def test_a_higher_cost_stops_earlier() -> None:
    fitted, judged = trials(4), trials(5)
    found = [
        ctm.halt(
            judged[0], LearnedExit(cost=cost, weights="regret").fit(*fitted[:2]), shape=(2, 2)
        ).ticks.mean()
        for cost in (0.1, 3.0, 30.0)
    ]
    assert found[0] > found[1] > found[2]


def test_an_estimator_as_scikit_learn_expects_it() -> None:
    base = pytest.importorskip("sklearn.base")
    gate = LearnedExit(cost=0.3).fit(*trials(6, n=40)[:2])
    again = base.clone(gate)
    assert again.get_params() == gate.get_params()
    assert not hasattr(again, "coef_")
    assert gate.coef_.shape == (9, 4)


def test_what_a_gate_refuses() -> None:
    thought, targets, _ = trials(7, n=20)
    with pytest.raises(FitError, match="fit first"):
        ctm.halt(thought, LearnedExit(), shape=(2, 2))
    for changed in ({"cost": -1.0}, {"cost": math.nan}, {"penalty": 0.0}):
        with pytest.raises(SpecError, match=next(iter(changed))):
            LearnedExit(**changed).fit(thought, targets)  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="balanced"):
        LearnedExit(weights="balance").fit(thought, targets)
    with pytest.raises(SpecError, match="targets"):
        LearnedExit().fit(thought, targets[:-1])
    few = trials(8, n=4)
    with pytest.raises(FitError, match="trials"):
        LearnedExit().fit(few[0], few[1])
