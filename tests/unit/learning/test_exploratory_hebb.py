"""The exploratory Hebb rule against a loop written from its equations, and against itself in pieces."""

from __future__ import annotations

import math

import numpy as np
import pytest

from arcuate.errors import FitError, NonFiniteError, SpecError
from arcuate.learning import ExploratoryHebb

T = np.arange(2400)
TARGET = np.column_stack([np.sin(2 * np.pi * T / 600), 0.5 * np.cos(2 * np.pi * T / 600)])
INPUTS = np.column_stack([T % 600 < 50, T % 600 > 500, T % 7 == 0]).astype(float)
FEW = {"n_neurons": 40, "connectivity": 0.3, "seed": 2}


def paper(net: ExploratoryHebb, inputs: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Read-out weights and outputs without exploration, by plain NumPy from the equations."""
    fresh = ExploratoryHebb(**net.get_params())
    fresh._start(fresh._settings(), inputs.shape[1], target.shape[1])
    start, pre, weight = fresh.synapses_
    full = np.zeros((40, 40))
    for post in range(40):
        full[post, pre[start[post] : start[post + 1]]] = weight[start[post] : start[post + 1]]
    x, r = fresh.state_["x"], fresh.state_["r"]
    n_out = target.shape[1]
    z, z_mean, p_mean, w, outputs = np.zeros(n_out), np.zeros(n_out), 0.0, np.zeros((n_out, 40)), []
    from arcuate.rng import stream

    for t in range(len(target)):
        if t % 1000 == 0:
            name = f"exploratory_hebb/block {t // 1000}"
            noise = stream(2, f"{name}/state").uniform(-1, 1, (1000, 40)) * 0.05
            xi = stream(2, f"{name}/exploration").uniform(-1, 1, (1000, n_out)) * 0.5
        x = x + (-x + full @ r + z @ fresh.feedback_ + inputs[t] @ fresh.input_) / 50
        r = np.tanh(x) + noise[t % 1000]
        outputs.append(w @ r)
        z = w @ r + xi[t % 1000]
        reward = -np.sum((z - target[t]) ** 2)
        z_mean = 0.8 * z_mean + 0.2 * z
        p_mean = 0.8 * p_mean + 0.2 * reward
        if reward > p_mean:
            w = w + 5e-4 / (1 + t * 1e-3 / 20) * np.outer(z - z_mean, r)
    return w, np.array(outputs)


def test_the_rule_is_that_of_the_paper() -> None:
    net = ExploratoryHebb(**FEW).fit(INPUTS[:1500], TARGET[:1500], progress=False)
    weights, outputs = paper(net, INPUTS[:1500], TARGET[:1500])
    # A chaotic network doubles a rounding error many times; 1.5 s are short enough for ten digits.
    assert np.allclose(net.coef_, weights, rtol=0, atol=1e-10)
    assert np.abs(net.coef_).max() > 0.01
    rmse = math.sqrt(np.mean((outputs[:1000] - TARGET[:1000]) ** 2))
    assert float(net.history_.rmse[0]) == pytest.approx(rmse, rel=1e-9)


def test_weights_have_the_moments_of_the_model() -> None:
    net = ExploratoryHebb(400, seed=1).fit(None, TARGET[:1, :1])
    _, pre, weight = net.synapses_
    n = 400 * 400
    assert abs(weight.size - 0.1 * n) < 4 * math.sqrt(0.09 * n)
    variance = 1.5**2 / 40
    assert abs(weight.var() / variance - 1) < 4 * math.sqrt(2 / weight.size)
    assert pre.min() == 0 and pre.max() == 399
    assert abs(np.abs(net.feedback_).mean() - 0.5) < 4 * math.sqrt(1 / 12 / 400)


def test_pieces_change_nothing() -> None:
    whole = ExploratoryHebb(**FEW).fit(INPUTS, TARGET, progress=False)
    pieces = ExploratoryHebb(**FEW)
    for a, b in ((0, 1), (1, 700), (700, 1000), (1000, 2400)):
        pieces.partial_fit(INPUTS[a:b], TARGET[a:b], progress=False)
    assert np.array_equal(whole.coef_, pieces.coef_)
    assert all(np.array_equal(whole.state_[k], pieces.state_[k]) for k in whole.state_)
    assert np.array_equal(whole.generate(300, INPUTS[:300]), pieces.generate(300, INPUTS[:300]))


def test_a_run_alone_leaves_the_estimator_as_it_is() -> None:
    net = ExploratoryHebb(**FEW).fit(None, TARGET[:1500], progress=False)
    before = net.coef_.copy()
    first = net.generate(1200)
    assert np.array_equal(first, net.generate(1200)) and np.array_equal(net.generate(300), first[:300])
    assert np.array_equal(before, net.coef_)
    rec = net.record(1200)
    assert rec.source == "learning"
    assert np.array_equal(rec.states("output")["z"].values[0], first)
    r = rec.states("reservoir")["r"].values[0]
    assert np.allclose(r @ net.coef_.T, first, rtol=0, atol=1e-12)  # the output is a read-out of the rates


def test_a_reward_that_is_only_better_or_worse_teaches_a_constant() -> None:
    # Without chaos or feedback, and with a constant target, the mean output must come near it.
    net = ExploratoryHebb(100, gain=0.5, feedback=0.0, state_noise=0.0, seed=3)
    inputs, target = np.ones((6000, 1)), np.full(6000, 0.7)
    net.fit(inputs, target, progress=False)
    assert abs(net.generate(200, inputs[:200]).mean() - 0.7) < 0.05
    assert float(net.history_.rmse[0]) > 0.2 > 4 * float(net.history_.rmse[-1])


def test_a_number_that_is_not_finite_is_named_with_its_step() -> None:
    net = ExploratoryHebb(**(FEW | {"learning_rate": 1e305}))
    with pytest.raises(NonFiniteError, match=r"is not finite at trial 0, step \d+"):
        net.fit(None, TARGET, progress=False)
    assert not hasattr(net, "history_")


def test_it_is_an_estimator() -> None:
    clone = pytest.importorskip("sklearn.base").clone
    net = ExploratoryHebb(50, decay="5 s")
    assert clone(net).get_params() == net.get_params()
    with pytest.raises(FitError, match="not fitted"):
        net.generate(10)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_neurons": 2.5}, "n_neurons = 2.5"),
        ({"connectivity": 0.0}, "connectivity = 0.0: must be > 0"),
        ({"connectivity": 1.5}, "connectivity = 1.5"),
        ({"tau": "0.5 ms"}, "tau = '0.5 ms': must be at least dt"),
        ({"tau_filter": 5}, "tau_filter"),
        ({"decay": "0 s"}, "decay = 0.0: must be > 0"),
        ({"exploration": -1.0}, "exploration = -1.0"),
        ({"gain": float("nan")}, "gain"),
    ],
)
def test_bad_parameters_are_refused(options, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        ExploratoryHebb(**(FEW | options)).fit(None, TARGET)


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (INPUTS[:10], TARGET, r"X.*must have shape \(2400, any\)"),
        (None, np.full(10, np.nan), "must be finite"),
        (None, np.empty((0, 1)), "must not be empty"),
        (None, "sine", "y"),
    ],
)
def test_bad_data_are_refused(x, y, words: str) -> None:
    with pytest.raises(FitError, match=words):
        ExploratoryHebb(**FEW).fit(x, y)


def test_other_inputs_than_those_of_the_fit_are_refused() -> None:
    net = ExploratoryHebb(**FEW).fit(INPUTS[:20], TARGET[:20])
    with pytest.raises(FitError, match="channels of X = 0: must be the 3 of the fit"):
        net.generate(10)
    with pytest.raises(FitError, match="outputs of y = 1: must be the 2 of the fit"):
        net.partial_fit(INPUTS[:20], TARGET[:20, 0])
