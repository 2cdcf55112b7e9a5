"""A LIF/ALIF network in PyTorch, differentiated by autograd: what e-prop's gradients must equal.

Written from the equations, without the code under test. Spikes that are transmitted are detached; a
neuron's own spike reaches its own adaptation with its surrogate derivative.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

SIZES = {"n_inputs": 12, "n_neurons": 15, "n_outputs": 3}
STEPS, TRIALS = 80, 4
CASES: dict[str, dict[str, Any]] = {
    "lif": {"beta": 0.0, "t_ref": "0 ms", "tau_m": "30 ms"},
    "alif": {"beta": [0.0] * 5 + [0.2] * 10, "t_ref": "3 ms", "tau_m": "20 ms", "tau_a": "200 ms"},
}
SHARED: dict[str, Any] = {"v_thresh": 0.6, "tau_out": "15 ms", "c_reg": 40.0, "rate_target": "20 Hz"}
LEARNING_RATE = 0.02


class Spike(torch.autograd.Function):
    """A step forward, a triangle backward."""

    @staticmethod
    def forward(ctx: Any, over: Any, v_thresh: float, free: Any) -> Any:
        ctx.save_for_backward(over, free)
        ctx.v_thresh = v_thresh
        return (over > 0).double() * free

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        over, free = ctx.saved_tensors
        slope = 0.3 / ctx.v_thresh * torch.clamp(1 - torch.abs(over / ctx.v_thresh), min=0)
        return grad * slope * free, None, None


def data(task: str) -> tuple[np.ndarray, np.ndarray]:
    """Trials of a fixed small problem."""
    generator = np.random.default_rng(7)
    x = (generator.random((TRIALS, STEPS, SIZES["n_inputs"])) < 0.1).astype(float)
    if task == "classification":
        return x, np.array([0, 2, 1, 2])
    return x, generator.normal(size=(TRIALS, STEPS, SIZES["n_outputs"]))


def start() -> dict[str, np.ndarray]:
    """First weights, (after, before)."""
    n, m, k = SIZES["n_neurons"], SIZES["n_inputs"], SIZES["n_outputs"]
    generator = np.random.default_rng(3)
    w_rec = generator.normal(size=(n, n)) / math.sqrt(n)
    np.fill_diagonal(w_rec, 0.0)
    shapes = {"w_in": (n, m), "w_out": (k, n), "feedback": (n, k)}
    rest = {name: generator.normal(size=shape) / math.sqrt(shape[1]) for name, shape in shapes.items()}
    return {"w_in": rest["w_in"], "w_rec": w_rec, "w_out": rest["w_out"], "feedback": rest["feedback"]}


def _ms(text: str) -> float:
    return float(text.split()[0])


def run(weights: dict[str, Any], x: Any, case: dict[str, Any], gain: float) -> tuple[Any, Any]:
    """Return outputs (trials, steps, outputs) and spikes (trials, steps, neurons)."""
    v_thresh = SHARED["v_thresh"]
    alpha = math.exp(-1 / _ms(case["tau_m"]))
    rho = math.exp(-1 / _ms(case.get("tau_a", "2000 ms")))
    kappa = math.exp(-1 / _ms(SHARED["tau_out"]))
    beta = torch.as_tensor(np.broadcast_to(case["beta"], SIZES["n_neurons"]).copy())
    pause = max(int(_ms(case["t_ref"])), 1)
    zeros = torch.zeros(len(x), SIZES["n_neurons"], dtype=torch.float64)
    v, a, z, own = zeros, zeros, zeros, zeros
    since = torch.full_like(zeros, 1e9)
    y = torch.zeros(len(x), SIZES["n_outputs"], dtype=torch.float64)
    outputs, spikes = [], []
    for t in range(x.shape[1]):
        a = rho * a + own
        heard = z.detach()
        v = alpha * v + gain * (x[:, t] @ weights["w_in"].T + heard @ weights["w_rec"].T) - heard * v_thresh
        since = since + 1
        free = (since >= pause).double()
        z = own = Spike.apply(v - (v_thresh + beta * a), v_thresh, free)
        since = torch.where(z.detach() > 0, torch.zeros_like(since), since)
        y = kappa * y + (1 - kappa) * (z @ weights["w_out"].T)
        outputs.append(y)
        spikes.append(z)
    return torch.stack(outputs, 1), torch.stack(spikes, 1)


def losses(
    weights: dict[str, Any], task: str, case: dict[str, Any], *, window: int = STEPS, gain: float = 1.0
) -> tuple[Any, Any, Any]:
    """Return loss, penalty of the rates and spikes; loss and penalty can be differentiated."""
    x, target = data(task)
    y, z = run(weights, torch.as_tensor(x), case, gain)
    y = y[:, -window:]
    if task == "regression":
        loss = 0.5 * ((y - torch.as_tensor(target)[:, -window:]) ** 2).sum() / TRIALS
    else:
        classes = torch.as_tensor(target).repeat_interleave(window)
        loss = torch.nn.functional.cross_entropy(y.reshape(-1, SIZES["n_outputs"]), classes)
    rates = z.mean(dim=(0, 1))  # per step of 1 ms
    penalty = 0.5 * SHARED["c_reg"] * ((rates - _ms(SHARED["rate_target"]) / 1000) ** 2).sum()
    return loss, penalty, z


def tensors(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Weights that autograd follows, without the feedback."""
    names = ("w_in", "w_rec", "w_out")
    return {name: torch.tensor(arrays[name], dtype=torch.float64, requires_grad=True) for name in names}


def train(task: str, case: dict[str, Any], iterations: int = 5) -> list[float]:
    """Losses of gradient descent from `start`, penalty included, before each step."""
    weights, kept = tensors(start()), []
    for _ in range(iterations):
        loss, penalty, _ = losses(weights, task, case)
        total = loss + penalty
        kept.append(float(total.detach()))
        for name, gradient in zip(weights, torch.autograd.grad(total, list(weights.values())), strict=True):
            if name == "w_rec":
                gradient = gradient - torch.diag(torch.diag(gradient))
            weights[name] = (weights[name] - LEARNING_RATE * gradient).detach().requires_grad_()
    return kept
