"""Bad inputs of learning from reward: our error, the name, the value, the bound, before any work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from arcuate import learning
from arcuate.errors import ArcuateError
from arcuate.learning import Critic, ExploratoryHebb, NodePerturbation, RunningMean
from arcuate.tasks import DelayedNonMatch

NAN, INF = float("nan"), float("inf")
X, Y = np.zeros((2, 10, 1)), np.zeros((2, 10))


def perturbed(**options: Any) -> NodePerturbation:
    return NodePerturbation(**({"n_neurons": 12} | options)).fit(X, Y)


def explored(**options: Any) -> ExploratoryHebb:
    return ExploratoryHebb(**({"n_neurons": 12} | options)).fit(None, Y[0])


def order(*stimuli: Any) -> NodePerturbation:
    return NodePerturbation(n_neurons=12).fit(X, Y, stimulus=list(stimuli))


BAD: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    # 62: learning rate negative, NaN
    "rate negative": (lambda: perturbed(learning_rate=-0.1), ("learning_rate = -0.1", ">= 0")),
    "rate nan": (lambda: perturbed(learning_rate=NAN), ("learning_rate = nan", "finite")),
    "hebb rate negative": (lambda: explored(learning_rate=-1e-4), ("learning_rate = -0.0001", ">= 0")),
    "hebb rate inf": (lambda: explored(learning_rate=INF), ("learning_rate = inf", "finite")),
    "critic rate": (lambda: Critic(learning_rate=NAN), ("learning_rate = nan", "finite")),
    "mean rate": (lambda: RunningMean(rate=1.01), ("rate = 1.01", "<= 1")),
    # 63: time constants of 0
    "tau": (lambda: perturbed(tau="0 ms"), ("tau", "> 0")),
    "tau_filter": (lambda: explored(tau_filter="0 ms"), ("tau_filter", "> 0")),
    "decay": (lambda: explored(decay="-1 s"), ("decay", "> 0")),
    "tau without unit": (lambda: explored(tau=50), ("tau = 50", "unit")),
    # 64 and 65: bounds of weights
    "max_change": (lambda: perturbed(max_change=-1.0), ("max_change = -1.0", "> 0")),
    # 66: something of another length
    "targets": (lambda: NodePerturbation(n_neurons=12).fit(X, Y[:, :5]), ("y", "(2, 10)")),
    "inputs": (lambda: ExploratoryHebb(12).fit(np.zeros((4, 1)), Y[0]), ("X", "(10, any)")),
    "features": (lambda: RunningMean().start(0), ("n_features = 0", ">= 1")),
    # 67: a unit that is not there
    "output": (lambda: perturbed(output=12), ("output = 12", "<= 11")),
    "fixed": (lambda: perturbed(fixed={40: 1.0}), ("fixed = 40", "<= 11")),
    "kind of units": (lambda: perturbed(units="ratte"), ("'ratte'", "'rate'")),
    "kind of baseline": (lambda: perturbed(baseline="critc"), ("'critc'", "'critic'")),
    "field of a baseline": (
        lambda: perturbed(baseline={"kind": "critic", "rate": 1}),
        ("'rate'", "learning_rate"),
    ),
    # 69: events outside the trial
    "second": (lambda: DelayedNonMatch(second="100 ms"), ("second = '100 ms'", "at or after")),
    "response": (lambda: DelayedNonMatch(response="600 ms"), ("response", "at or after")),
    # 70: zero trials
    "no trials": (lambda: DelayedNonMatch(n_trials=0), ("n_trials = 0", ">= 1")),
    "no order": (order, ("stimulus", "indices of the 2 stimuli")),
    "other stimulus": (lambda: order(0, 2), ("stimulus = 2", "indices of the 2 stimuli")),
    "negative stimulus": (lambda: order(-1), ("stimulus = -1", "indices of the 2 stimuli")),
    # 71: empty training set
    "no stimuli": (lambda: NodePerturbation(n_neurons=12).fit(X[:0], Y[:0]), ("X", "at least one")),
    "no steps": (lambda: ExploratoryHebb(12).fit(None, []), ("y", "must not be empty")),
    "nan input": (lambda: NodePerturbation(n_neurons=12).fit(X + NAN, Y), ("X", "finite")),
    "nan target": (lambda: ExploratoryHebb(12).fit(None, Y[0] + NAN), ("y", "finite")),
    # sizes that cannot fit
    "too many": (lambda: perturbed(n_neurons=10**9), ("n_neurons = 1000000000", "<=")),
    "too many, sparse": (lambda: explored(n_neurons=10**9), ("n_neurons = 1000000000", "<=")),
    "seed": (lambda: explored(seed=-1), ("seed = -1", ">= 0")),
    "seed text": (lambda: perturbed(seed="one"), ("seed", "integer")),
    "misspelt": (lambda: perturbed().set_params(learning_rat=1.0), ("learning_rat", "'learning_rate'")),
    "progress": (lambda: NodePerturbation(n_neurons=12).fit(X, Y, progress="bar"), ("progress", "trials")),
}


@pytest.mark.parametrize("case", BAD)
def test_it_is_refused_by_name(case: str) -> None:
    call, words = BAD[case]
    with pytest.raises(ArcuateError) as caught:
        call()
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert message.count("\n") < 4


def test_every_public_name_is_there() -> None:
    assert all(hasattr(learning, name) for name in learning.__all__)
