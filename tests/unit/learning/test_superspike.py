"""SuperSpike against its equations, against autodiff, and on the task of its paper."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arcuate.errors import FitError, NonFiniteError, SpecError
from arcuate.learning import SuperSpike

STEPS, INPUTS, OUTPUTS = 150, 10, 2


def data(trials: int = 2) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    shapes = ((trials, STEPS, INPUTS), (trials, STEPS, OUTPUTS))
    x, y = (generator.random(shape) < p for shape, p in zip(shapes, (0.1, 0.03), strict=True))
    return x.astype(float), y.astype(float)


def started(**options: Any) -> SuperSpike:
    """Return a model with strong weights, whose layers fire."""
    settings = {"n_inputs": INPUTS, "n_outputs": OUTPUTS, "dt": "1 ms", "n_iterations": 0, "seed": 2}
    model = SuperSpike(**{**settings, **options}).fit(*data())
    model.w_hidden_ = 4.0 * model.w_hidden_
    model.w_out_ = 12.0 * np.abs(model.w_out_) if model.n_hidden else 4.0 * model.w_out_
    return model


def decays(model: SuperSpike) -> list[float]:
    names = ("tau_syn", "tau_m", "tau_rise", "tau_decay")
    return [float(np.exp(-1 / float(getattr(model, name).split()[0]))) for name in names]


def layer(x: np.ndarray, w: np.ndarray, model: SuperSpike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Surrogate times response (T, N, M), spikes (T, N), and potentials, forward in time."""
    syn, mem, _, _ = decays(model)
    s, p = np.zeros(w.shape[1]), np.zeros(w.shape[1])
    current, u, z = (np.zeros(len(w)) for _ in range(3))
    last = np.full(len(w), -1000)
    rows = []
    for t, arrived in enumerate(x):
        s = syn * s + arrived
        p = mem * p + (1 - mem) * s
        current = syn * current + w @ arrived
        u = mem * u + (1 - mem) * current - z
        z = ((u > 1) & (t - last >= 5)).astype(float)
        last = np.where(z > 0, t, last)
        rows.append((np.outer((1 + 10 * np.abs(u - 1)) ** -2, p), z, u))
    product, spikes, potential = (np.array(part) for part in zip(*rows, strict=True))
    return product, spikes, potential


def alpha(x: np.ndarray, model: SuperSpike) -> np.ndarray:
    """Double exponential of any array along its first axis, as a convolution."""
    _, _, rise, decay = decays(model)
    lag = np.arange(len(x))
    kernel = np.convolve(rise**lag, (1 - decay) * decay**lag)[: len(x)]
    flat = x.reshape(len(x), -1).T
    return np.array([np.convolve(row, kernel)[: len(x)] for row in flat]).T.reshape(x.shape)


@pytest.mark.parametrize("feedback", ["symmetric", "random", "uniform"])
@pytest.mark.parametrize("n_hidden", [0, 7])
def test_sums_equal_traces_that_run_forward_in_time(n_hidden: int, feedback: str) -> None:
    model = started(n_hidden=n_hidden, feedback=feedback)
    x, y = data()
    wanted = {"w_hidden": np.zeros_like(model.w_hidden_), "w_out": np.zeros_like(model.w_out_)}
    fired = []
    for trial, target in zip(x, y, strict=True):
        product, z, drive = None, None, trial
        if n_hidden:
            product, drive, _ = layer(trial, model.w_hidden_, model)
            assert drive.sum() > 20
        out, z, _ = layer(drive, model.w_out_, model)
        fired.append(z)
        error = alpha(z - target, model)
        wanted["w_out"] += np.einsum("tk,tki->ki", error, alpha(out, model)) / 2
        if product is not None:
            back = {"symmetric": model.w_out_.T, "random": model.feedback_, "uniform": np.ones((7, 2))}[
                feedback
            ]
            wanted["w_hidden"] += np.einsum("tj,tji->ji", error @ back.T, alpha(product, model)) / 2
    assert np.sum(fired) > 10
    np.testing.assert_array_equal(model.predict(x), fired)
    found = model.gradient(x, y)
    assert set(found) == ({"w_hidden", "w_out"} if n_hidden else {"w_out"})
    for name, value in found.items():
        np.testing.assert_allclose(value, wanted[name], rtol=0, atol=1e-12 * np.abs(wanted[name]).max())


@pytest.mark.torch
def test_one_layer_follows_the_gradient_of_autodiff_with_the_reset_detached() -> None:
    """With the reset in the graph the two must part: a spike would then also change later potentials."""
    import torch

    class Spike(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, over: Any, free: Any) -> Any:
            ctx.save_for_backward(over)
            return (over > 0).double() * free

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            (over,) = ctx.saved_tensors
            return grad / (1 + 10 * torch.abs(over)) ** 2, None

    model = started()
    syn, mem, rise, decay = decays(model)
    x, y = (torch.tensor(part) for part in data())

    def gradient(detached: bool) -> np.ndarray:
        w = torch.tensor(model.w_out_, requires_grad=True)
        current, u, z, a, b = (torch.zeros(2, OUTPUTS, dtype=torch.float64) for _ in range(5))
        wait = torch.zeros(2, OUTPUTS, dtype=torch.float64)
        loss = torch.zeros((), dtype=torch.float64)
        for t in range(STEPS):
            current = syn * current + x[:, t] @ w.T
            u = mem * u + (1 - mem) * current - (z.detach() if detached else z)
            wait = torch.clamp(wait - 1, min=0)
            z = Spike.apply(u - 1, (wait == 0).double())
            wait = torch.where(z > 0, torch.full_like(wait, 5), wait).detach()
            a = rise * a + z - y[:, t]
            b = decay * b + (1 - decay) * a
            loss = loss + 0.5 * (b**2).sum() / 2
        return np.asarray(torch.autograd.grad(loss, w)[0])

    found = model.gradient(*data())["w_out"]
    wanted = gradient(detached=True)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-11 * np.abs(wanted).max())
    assert np.abs(gradient(detached=False) - wanted).max() > 1e-3 * np.abs(wanted).max()


FRACTION = 0.1
"""Of the first loss, below which every seed must come; chosen before the first run.

Seeds 0 to 4 with 500 iterations served to choose the length (four came below, seed 0 stood at 0.24); seeds 5
to 9 had not been seen.
"""


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5, 10))
def test_an_output_learns_spike_times_of_a_frozen_noise(seed: int) -> None:
    generator = np.random.default_rng(100 + seed)
    x = generator.random((1, 5000, 100)) < 10 * 1e-4  # 100 inputs at 10 Hz, 500 ms
    y = np.zeros((1, 5000, 1))
    y[0, 500:5000:1000] = 1
    model = SuperSpike(n_inputs=100, n_outputs=1, n_iterations=1500, seed=seed).fit(x, y)
    loss = model.history_["loss"].values
    print(f"seed {seed}: loss {loss[0]:.3g} to {loss[-1]:.3g}, score {model.score(x, y):.3f}")
    assert loss[-1] < FRACTION * loss[0]


def test_training_lowers_the_loss_and_seeds_decide() -> None:
    x, y = data(1)
    options = {"n_inputs": INPUTS, "n_outputs": OUTPUTS, "n_hidden": 20, "dt": "1 ms", "n_iterations": 60}
    first, again = (SuperSpike(**options, seed=1, learning_rate=0.02).fit(x, y) for _ in range(2))
    np.testing.assert_array_equal(first.w_hidden_, again.w_hidden_)
    assert not np.array_equal(first.w_out_, SuperSpike(**options, seed=2).fit(x, y).w_out_)
    loss = first.history_["loss"].values
    assert loss.shape == (60,)
    assert loss[-1] < loss[0]
    np.testing.assert_array_equal(first.feedback_, first.w_out_.T)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_inputs": 0}, "n_inputs = 0"),
        ({"n_hidden": -1}, "n_hidden"),
        ({"tau_m": 20}, "tau_m"),
        ({"tau_decay": "0 ms"}, "tau_decay"),
        ({"v_thresh": 0.0}, "v_thresh"),
        ({"beta": -1.0}, "beta"),
        ({"feedback": "symetric"}, "symmetric"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"seed": None}, "seed"),
    ],
)
def test_bad_parameters_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        started(**options)


def test_bad_data_and_a_missing_fit_are_refused() -> None:
    x, y = data()
    model = started()
    for bad in (y[:1], y[:, :, :1], 2 * y, np.full_like(y, np.nan)):
        with pytest.raises(FitError, match="targets"):
            model.gradient(x, bad)
    with pytest.raises(FitError, match="inputs"):
        model.predict(x[:, :, :3])
    with pytest.raises(FitError, match="no spikes"):
        model.score(x, np.zeros_like(y))
    with pytest.raises(FitError, match="not fitted"):
        SuperSpike(n_inputs=1, n_outputs=1).predict(x)
    with pytest.raises(FitError, match="start anew"):
        model.set_params(n_hidden=3).predict(x)


def test_what_is_not_finite_is_named() -> None:
    model = started()
    model.w_out_ = np.where(np.arange(OUTPUTS)[:, None] == 1, 1e308, model.w_out_)
    with pytest.raises(NonFiniteError, match=r"iteration 0.*trial 0, step \d+, neuron 1 after w_out_"):
        model.predict(data()[0])
    with pytest.raises(NonFiniteError, match=r"iteration \d"):
        started(learning_rate=1e308, n_iterations=4)
