"""Node perturbation against loops written from the paper's equations, true gradients and itself in pieces."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from arcuate.errors import FitError, NonFiniteError, SpecError
from arcuate.learning import Critic, NoBaseline, NodePerturbation
from arcuate.mechanisms import perturbation
from arcuate.tasks import DelayedNonMatch

TASK = DelayedNonMatch(
    n_trials=14, first="1 ms", second="40 ms", stimulus="20 ms", duration="100 ms", response="20 ms"
)
TRIALS = TASK.trials("1 ms", seed=3)
DATA = {"stimulus": TRIALS.stimulus, "answer": TRIALS.answer, "progress": False}
FEW = {"n_neurons": 24, "kick_rate": "60 Hz", "warm_up": 5, "seed": 4}


def fitted(*args, data=DATA, **options) -> NodePerturbation:
    return NodePerturbation(*args, **(FEW | options)).fit(TRIALS.inputs, TRIALS.target, **data)


def paper(net: NodePerturbation, *, spiking: bool = False, cubed: bool = True) -> np.ndarray:
    """Weights (pre, post) after the trials, by plain NumPy from the equations."""
    fresh = NodePerturbation(**net.get_params())
    settings = fresh._settings()
    fresh._start(settings, 2, np.zeros(4))
    w, expected = fresh.recurrent_, np.zeros(4)
    for trial, s in enumerate(TRIALS.stimulus):
        x, v, kicks = fresh._draw(settings, trial, 100)
        mean, r, e, answers = x.copy(), np.tanh(x), np.zeros_like(w), []
        x[[1, 10]], x[11] = 1.0, -1.0
        r = np.zeros(24) if spiking else np.tanh(x)
        free = np.zeros(24, int)
        for t in range(100):
            x = x + (-x + r @ w + TRIALS.inputs[s, t] @ fresh.input_ + kicks[t]) / 30
            x[[1, 10]], x[11] = 1.0, -1.0
            if t >= 3:
                e += np.outer(r, x - mean) ** 3 if cubed else np.outer(r, kicks[t])
            mean = 0.05 * mean + 0.95 * x
            if spiking:
                r, v, free = lif(x, r, v, free, t)
            else:
                r = np.tanh(x)
            answers.append(r[0])
        error = np.mean(np.abs(np.array(answers[80:]) - TRIALS.target[s, 80:]))
        if trial >= 5:
            change = -0.1 * expected[s] * (error - expected[s]) * e
            w = w + np.clip(change, -3e-4, 3e-4)
        expected[s] = 0.75 * expected[s] + 0.25 * error
    return w


def lif(x, r, v, free, t):
    """One step of the cells: tau_m 10 ms, t_ref 5 ms, tau_syn 100 ms, threshold 1, reset 0."""
    rest = 1 / (5.5 + 10 * math.log(2.54 / 1.54))  # spikes per ms at x = 0
    gain = 2.54 * 1.54 / (10 * rest)
    level = 2.54 + gain * x
    able = t >= free
    v = np.where(able, level + (v - level) * math.exp(-1 / 10), v)
    fired = able & (v >= 1.0)
    r = math.exp(-1 / 100) * (r + 1) - 1 + fired * (1 - math.exp(-1 / 100)) / rest
    return r, np.where(fired, 0.0, v), np.where(fired, t + 6, free)


def test_the_rule_is_that_of_the_paper() -> None:
    net = fitted()
    assert (
        np.abs(
            net.recurrent_
            - NodePerturbation(**net.get_params())
            .set_params(warm_up=99)
            .fit(TRIALS.inputs, TRIALS.target, **DATA)
            .recurrent_
        ).max()
        > 1e-4
    )  # it did learn
    assert np.allclose(net.recurrent_, paper(net), rtol=0, atol=1e-14)


def test_the_rule_with_the_kick_is_that_of_the_paper() -> None:
    net = fitted(eligibility="kick")
    assert np.allclose(net.recurrent_, paper(net, cubed=False), rtol=0, atol=1e-14)


def test_the_spiking_version_obeys_its_equations() -> None:
    net = fitted("spiking")
    assert np.allclose(net.recurrent_, paper(net, spiking=True), rtol=0, atol=1e-14)


def test_cells_follow_the_closed_form_of_their_rate() -> None:
    # A slow ramp of x from -1 to 1 and the other way: the staircase of a step of 1 ms averages out.
    net = NodePerturbation("spiking", n_neurons=200, gain=0.0, kick=0.0, fixed={})
    net.fit(np.zeros((1, 10, 1)), np.zeros((1, 10)), progress=False)
    net.input_ = np.repeat([[1.0, -1.0]], 100, axis=0).reshape(1, 200)
    ramp = np.linspace(-1.0, 1.0, 4000)
    got = net.record(ramp[None, :, None]).states("recurrent")["r"].values[0, 200:3800]
    rest = 5.5 + 10 * math.log(2.54 / 1.54)  # mean interval at x = 0, ms
    level = np.maximum(2.54 + 2.54 * 1.54 * rest / 10 * ramp, 1.0 + 1e-12)
    r = rest / (5.5 + 10 * np.log(level / (level - 1.0))) - 1.0
    r[level < 1.0 + 1e-11] = -1.0
    up, down = got[:, ::2].mean(axis=1), got[:, 1::2].mean(axis=1)
    assert abs((up + down).mean() - (r + r[::-1])[200:3800].mean()) < 0.04
    slopes = [np.polyfit(ramp[200:3800], y, 1)[0] for y in ((up - down) / 2, (r - r[::-1])[200:3800] / 2)]
    assert abs(slopes[0] / slopes[1] - 1) < 0.05


@pytest.mark.parametrize("units", ["rate", "spiking"])
def test_pieces_and_threads_change_nothing(units: str) -> None:
    whole = fitted(units)
    pieces = NodePerturbation(units, **FEW)
    for part in (slice(0, 3), slice(3, 4), slice(4, 14)):
        pieces.partial_fit(TRIALS.inputs, TRIALS.target, **(DATA | {"stimulus": TRIALS.stimulus[part]}))
    assert np.array_equal(whole.recurrent_, pieces.recurrent_)
    assert whole.history_.identical(pieces.history_)
    with ThreadPoolExecutor(2) as pool:
        side = list(pool.map(lambda seed: fitted(units, seed=seed).recurrent_, [4, 9, 4]))
    assert np.array_equal(side[0], whole.recurrent_) and np.array_equal(side[2], whole.recurrent_)
    assert not np.array_equal(side[1], whole.recurrent_)


def test_an_interrupt_keeps_the_trials_that_were_over() -> None:
    def interrupt(done: int, of: int) -> None:
        if done == 9:
            raise KeyboardInterrupt

    net = NodePerturbation(**FEW)
    with pytest.raises(KeyboardInterrupt):
        net.fit(TRIALS.inputs, TRIALS.target, **(DATA | {"progress": interrupt}))
    assert net.n_trials_ == net.history_.sizes["trial"] == 9
    rest = {"stimulus": TRIALS.stimulus[9:]}
    net.partial_fit(TRIALS.inputs, TRIALS.target, **(DATA | rest))
    assert np.array_equal(net.recurrent_, fitted().recurrent_)


def test_a_function_that_is_compiled_does_what_it_does_plainly() -> None:
    from arcuate.learning import _perturbation as kernels

    rng = np.random.default_rng(0)
    pre, post = rng.normal(size=(19, 5)), rng.normal(size=(19, 7))
    plain, fast = np.zeros((5, 7)), np.zeros((5, 7))
    perturbation.outer_add(plain, pre, post)
    kernels.outer_add(fast, pre, post)
    assert np.allclose(plain, pre.T @ post, rtol=1e-13) and np.array_equal(plain, fast)
    perturbation.reward_update(plain, pre.T @ post, 0.5, 0.1)
    kernels.reward_update(fast, pre.T @ post, 0.5, 0.1)
    assert np.array_equal(plain, fast)


def forward(w, w_in, inputs, kicks, start) -> complex:
    """Mean squared output of unit 0 over the last ten steps; also for complex weights."""
    x, loss = start.astype(w.dtype), 0.0
    for t in range(len(inputs)):
        x = x + (-x + np.tanh(x) @ w + inputs[t] @ w_in + kicks[t]) / 3
        if t >= len(inputs) - 10:
            loss = loss + (np.tanh(x[0]) - 0.5) ** 2 / 10
    return loss


def test_the_mean_update_follows_the_true_gradient() -> None:
    """E[(R - R_0) e] / var(kick) is dR/dw to first order; the gradient by complex steps, exact to 1e-15."""
    from arcuate.learning import _perturbation as kernels

    rng, n, steps, sigma, samples = np.random.default_rng(5), 5, 20, 0.03, 20_000
    w, w_in = rng.normal(size=(n, n)) * 1.2 / math.sqrt(n), rng.uniform(-1, 1, (1, n))
    inputs, start = rng.uniform(-1, 1, (steps, 1)), rng.uniform(-0.1, 0.1, n)
    gradient, still = np.empty((n, n)), np.zeros((steps, n))
    for i, j in np.ndindex(n, n):
        moved = w.astype(complex)
        moved[i, j] += 1e-30j
        gradient[i, j] = forward(moved, w_in, inputs, still, start).imag / 1e-30
    base = forward(w, w_in, inputs, still, start)
    rates, pre, post = (np.empty((steps, n)) for _ in range(3))
    none, e, sums, squares = np.empty(0), np.empty((n, n)), np.zeros((n, n)), np.zeros((n, n))
    for _ in range(samples):
        kicks = sigma * rng.standard_normal((steps, n))
        args = (w, w_in, inputs, kicks, start, none.astype(int), none, 1 / 3, 0.05, False, rates, pre, post)
        assert kernels.rate_trial(*args) == -1
        e[:] = 0.0
        kernels.outer_add(e, pre, post)
        sample = (
            3 * (np.mean((rates[-10:, 0] - 0.5) ** 2) - base) * e / sigma**2 / 3
        )  # kick and J r enter alike
        sums += sample
        squares += sample**2
    mean = sums / samples
    error = np.sqrt((squares / samples - mean**2) / samples)
    assert np.abs((mean - gradient) / error).max() < 4.5  # of 25 weights
    cosine = np.sum(mean * gradient) / np.linalg.norm(mean) / np.linalg.norm(gradient)
    assert cosine > 0.98


def test_without_a_baseline_and_with_a_critic_it_learns_otherwise() -> None:
    weights = [
        fitted(baseline=b).recurrent_ for b in ("running_mean", NoBaseline(), Critic(learning_rate=0.2))
    ]
    assert not np.array_equal(weights[0], weights[1]) and not np.array_equal(weights[0], weights[2])
    assert fitted(baseline=Critic()).baseline_.shape == (3,)  # 1 and the mean of two channels


def test_the_recording_is_a_recording() -> None:
    net = fitted("spiking")
    rec = net.record(TRIALS.inputs, names=TRIALS.names)
    r = rec.states("recurrent")["r"]
    assert rec.source == "learning" and r.sizes == {"trial": 4, "time": 100, "unit": 24}
    assert r["stimulus"].values.tolist() == list(TRIALS.names)
    assert np.array_equal(r.values[:, :, 0], net.predict(TRIALS.inputs))
    assert rec.spikes("recurrent").sizes["spike"] > 100
    assert np.array_equal(rec.weights("recurrent")["weight"].values.reshape(24, 24), net.recurrent_)


def test_a_number_that_is_not_finite_is_named_with_trial_and_step() -> None:
    huge = TRIALS.inputs.copy()
    huge[2, 50, :] = 1.7e308  # the product with two weights, summed, is beyond the largest float
    net = NodePerturbation(**(FEW | {"tau": "1 ms", "n_neurons": 200}))
    with pytest.raises(NonFiniteError, match="not finite at trial 2, step 50"):
        net.fit(huge, TRIALS.target, **DATA)


def test_it_is_an_estimator() -> None:
    clone = pytest.importorskip("sklearn.base").clone
    net = NodePerturbation("spiking", gain=1.2)
    assert clone(net).get_params() == net.get_params()
    assert repr(net) == "NodePerturbation(units='spiking', gain=1.2)"
    with pytest.raises(FitError, match="not fitted"):
        net.predict(TRIALS.inputs)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"units": "spikes"}, "Did you mean 'spiking'"),
        ({"n_neurons": 0}, "n_neurons = 0: must be >= 1"),
        ({"output": 24}, "output = 24"),
        ({"fixed": {30: 1.0}}, "fixed = 30"),
        ({"tau": 30}, "tau"),
        ({"dt": "40 ms"}, "must be at most tau"),
        ({"kick_rate": "2 kHz"}, "at most one kick a step"),
        ({"keep": 1.0}, "keep = 1.0"),
        ({"max_change": 0.0}, "max_change = 0.0: must be > 0"),
        ({"baseline": "mean"}, "unknown kind of baseline 'mean'"),
        ({"eligibility": "cube"}, "cubed"),
        ({"seed": -1}, "seed = -1"),
    ],
)
def test_bad_parameters_are_refused(options, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        fitted(**options)


@pytest.mark.parametrize(
    ("x", "y", "more", "words"),
    [
        (TRIALS.inputs[0], TRIALS.target, {}, "X"),
        (TRIALS.inputs, TRIALS.target[:, :50], {}, r"y.*must have shape \(4, 100\)"),
        (np.where(TRIALS.inputs > 0, np.nan, 0.0), TRIALS.target, {}, "must be finite"),
        (
            TRIALS.inputs,
            TRIALS.target,
            {"stimulus": [0, 4]},
            "stimulus = 4: must be indices of the 4 stimuli",
        ),
        (TRIALS.inputs, TRIALS.target, {"stimulus": []}, "stimulus"),
        (TRIALS.inputs, TRIALS.target, {"answer": slice(200, 300)}, "answer"),
    ],
)
def test_bad_data_are_refused(x, y, more, words: str) -> None:
    with pytest.raises((FitError, SpecError), match=words):
        NodePerturbation(**FEW).fit(x, y, **more)
