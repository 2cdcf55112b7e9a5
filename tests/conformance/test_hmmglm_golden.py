"""The HMM-GLM against the official implementation: posteriors, likelihoods, gradients, trained parameters.

`tests/data/connectome/hmmglm.npz` holds what the official code gave in float64; see the README there. Its
training (Adam on one sequence at a time) is repeated here with our posteriors and our gradients.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit, log_softmax, logsumexp, softmax

from arcuate.connectome import (
    exponential_basis,
    firing_rates,
    forward_backward,
    gaussian_log_density,
    gumbel_softmax_log_density,
    log_emission,
    one_hot_weights,
    spike_history,
    viterbi,
)
from arcuate.connectome._hmm_fit import Sequences, curvature

FILE = Path(__file__).parents[1] / "data" / "connectome" / "hmmglm.npz"
FITS = ("naive", "gaussian", "onehot_softmax", "onehot_gumbel")
PLACES = [
    ("naive", "at_init", 0),
    ("onehot_softmax", "at_init", 0),
    *((fit, "at_final", 1) for fit in FITS),
]
STD, TAU = 1 / 3, 0.2


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(FILE, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def close(value: np.ndarray | float, wanted: np.ndarray, bound: float = 1e-8) -> None:
    assert_allclose(value, wanted, rtol=0, atol=bound * max(1.0, float(np.abs(wanted).max())))


def test_the_history_is_strictly_causal_and_equal(golden: dict[str, np.ndarray]) -> None:
    close(exponential_basis(5), golden["in/basis"], 2e-7)  # float32 there
    for spikes, wanted in zip(golden["in/spikes"], golden["out/convolved"], strict=True):
        close(spike_history(spikes, golden["in/basis"]), wanted, 1e-14)


@pytest.mark.parametrize(("fit", "place", "sequence"), PLACES)
def test_posteriors_paths_and_likelihoods(
    golden: dict[str, np.ndarray], fit: str, place: str, sequence: int
) -> None:
    at = f"{fit}/{place}/seq{sequence}/"
    parameters = f"{fit}/{'init' if place == 'at_init' else 'final'}/"
    weights = golden[f"{fit}/at_init/weight" if place == "at_init" else f"{fit}/final_weight"]
    spikes, basis = golden["in/spikes"][sequence], golden["in/basis"]
    emission = log_emission(spikes, weights, golden[parameters + "_bias"], basis=basis)
    close(emission, golden[at + "emission_log_prob"], 1e-12)
    transition = golden[parameters + "transition_matrix"]
    result = forward_backward(emission, transition)
    close(result.posterior, golden[at + "gamma_scaling"], 1e-11)
    close(result.transitions, golden[at + "xi_sum_scaling"], 1e-11)
    close(result.transitions, golden[at + "xi_sum_logsumexp"], 1e-11)
    close(result.log_likelihood, golden[at + "marginal_ll"], 1e-12)
    assert (viterbi(emission, transition) == golden[at + "viterbi"]).all()


def test_firing_rates(golden: dict[str, np.ndarray]) -> None:
    history = spike_history(golden["in/spikes"][1], golden["in/basis"])
    drive = history @ golden["onehot_softmax/final_weight"].swapaxes(1, 2)
    drive += golden["onehot_softmax/final/_bias"]
    close(firing_rates(drive), golden["onehot_softmax/at_final/seq1/firing_rates"], 1e-13)


def test_the_later_version_with_a_kernel_for_each_pair(golden: dict[str, np.ndarray]) -> None:
    kernel = golden["new_naive/w/conv.weight"].reshape(3, 6, 6, 5)
    drive = golden["new_naive/w/conv.bias"].reshape(3, 1, 6) + sum(
        spike_history(golden["in/spikes"][0], np.eye(5)[k]) @ kernel[..., 4 - k].swapaxes(1, 2)
        for k in range(5)
    )
    close(firing_rates(drive, nonlinearity="softplus"), golden["new_naive/rates"], 1e-12)
    emission = golden["new_naive/emission_log_prob"]
    transition = softmax(golden["new_naive/w/parametrizations.transition_matrix.original"], axis=-1)
    result = forward_backward(emission, transition)
    close(result.posterior, golden["new_naive/seq0/gamma"], 1e-11)
    close(result.transitions, golden["new_naive/seq0/xi_sum"], 1e-11)
    assert (viterbi(emission, transition) == golden["new_naive/seq0/viterbi"]).all()


def test_prior_densities(golden: dict[str, np.ndarray]) -> None:
    weights = golden["gaussian/init/_weight"]
    mean = golden["gaussian/init/weight_prior_mean"]
    close(
        gaussian_log_density(weights, mean, std=STD), golden["gaussian/at_init/prior_ll_before_mean_update"]
    )
    share = softmax(golden["onehot_softmax/init/_adjacency"], axis=-1)
    prior = softmax(
        golden["onehot_softmax/init/_adjacency_prior"], axis=-1
    )  # the code passes it as a logarithm
    density = gumbel_softmax_log_density(share, np.broadcast_to(prior, share.shape), tau=TAU)
    close(density.sum(), golden["onehot_softmax/at_init/prior_ll"])


class Official:
    """The official objective and its gradient, built of our parts."""

    def __init__(self, golden: dict[str, np.ndarray], fit: str) -> None:
        self.fit, self.one_hot = fit, fit.startswith("onehot")
        names = {"naive": ("_bias", "_weight"), "gaussian": ("_bias", "_weight")}
        self.names = names.get(fit, ("_bias", "_adjacency", "_strength", "_adjacency_prior"))
        self.p = {name: golden[f"{fit}/init/{name}"].copy() for name in self.names}
        self.transition = golden[f"{fit}/init/transition_matrix"].copy()
        self.spikes, self.basis = golden["in/spikes"].astype(float), golden["in/basis"]
        self.noise = golden.get(f"{fit}/gumbel_noise")
        self.moment = {name: (np.zeros_like(v), np.zeros_like(v)) for name, v in self.p.items()}
        self.losses: list[float] = []

    def weights(self, noise: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray | None]:
        """Weights, and the relaxed categories behind them."""
        if not self.one_hot:
            return self.p["_weight"], None
        logits = self.p["_adjacency"] if noise is None else (self.p["_adjacency"] + noise) / TAU
        category = softmax(logits, axis=-1)
        return one_hot_weights(category, np.logaddexp(0, self.p["_strength"])), category

    def loss(self, i: int, posterior: np.ndarray, steps: np.ndarray) -> tuple[float, dict[str, np.ndarray]]:
        noise = None if self.noise is None else self.noise[len(self.losses)]
        w, category = self.weights(noise)
        emission = log_emission(self.spikes[i], w, self.p["_bias"], basis=self.basis)
        total = np.sum(posterior[0] - np.log(len(w))) + np.sum(steps * np.log(self.transition))
        total += np.sum(posterior * emission)
        level = np.broadcast_to(self.p["_bias"], w.shape[:2])[..., None]
        data = Sequences.of([self.spikes[i]], self.basis)
        slope, _ = curvature(data, [posterior], np.concatenate([w, level], axis=2), "sigmoid")
        by_weight, gradient = slope[..., :-1], {"_bias": slope[..., -1].sum(0)}
        if category is not None:
            prior, of_prior = self.prior()
            total += prior
            pull = np.stack([-by_weight, 0 * by_weight, by_weight], axis=-1)
            pull *= np.logaddexp(0, self.p["_strength"])[..., None]
            through = category * (pull - (category * pull).sum(-1, keepdims=True))
            of_prior["_adjacency"] += through if noise is None else through / TAU
            size = (category[..., 2] - category[..., 0]) * expit(self.p["_strength"])
            gradient |= of_prior | {"_strength": by_weight * size}
        elif self.fit == "gaussian":
            mean = w.mean(0)
            total += gaussian_log_density(w, mean, std=STD)
            gradient["_weight"] = by_weight - (w - mean) / STD**2
        else:
            gradient["_weight"] = by_weight
        share = np.log(steps / steps.sum(1, keepdims=True))
        self.transition = softmax(np.maximum(share, -8), axis=1)
        return -float(total), {name: -value for name, value in gradient.items()}

    def prior(self) -> tuple[float, dict[str, np.ndarray]]:
        log_x = log_softmax(self.p["_adjacency"], axis=-1)
        p = softmax(self.p["_adjacency_prior"], axis=-1)
        rest = p - TAU * log_x
        responsible = np.exp(rest - logsumexp(rest, axis=-1, keepdims=True))
        by_x, by_p = 3 * TAU * responsible - (TAU + 1), (1 - 3 * responsible).sum(0)
        density = gumbel_softmax_log_density(np.exp(log_x), np.broadcast_to(p, log_x.shape), tau=TAU)
        return float(density.sum()), {
            "_adjacency": by_x - np.exp(log_x) * by_x.sum(-1, keepdims=True),
            "_adjacency_prior": p * (by_p - (p * by_p).sum(-1, keepdims=True)),
        }

    def epoch(self) -> None:
        for i in range(len(self.spikes)):
            emission = log_emission(self.spikes[i], self.weights()[0], self.p["_bias"], basis=self.basis)
            found = forward_backward(emission, self.transition)
            for _ in range(10):
                loss, gradient = self.loss(i, found.posterior, found.transitions)
                self.losses.append(loss)
                self.adam(gradient)

    def adam(self, gradient: dict[str, np.ndarray]) -> None:
        step = len(self.losses)
        for name, g in gradient.items():
            first, second = self.moment[name]
            first += 0.1 * (g - first)
            second += 0.001 * (g * g - second)
            size = np.sqrt(second / (1 - 0.999**step)) + 1e-8
            self.p[name] -= 0.01 * first / (1 - 0.9**step) / size
        for name in ("_adjacency", "_adjacency_prior"):
            if name in self.p:
                extreme = (log_softmax(self.p[name], axis=-1) < -20).any(-1)
                self.p[name][extreme] /= 2


@pytest.mark.parametrize("fit", FITS[:3])
def test_the_first_loss_and_its_gradient(golden: dict[str, np.ndarray], fit: str) -> None:
    model = Official(golden, fit)
    emission = log_emission(model.spikes[0], model.weights()[0], model.p["_bias"], basis=model.basis)
    found = forward_backward(emission, model.transition)
    loss, gradient = model.loss(0, found.posterior, found.transitions)
    close(loss, golden[f"{fit}/first/loss"])
    for name in model.names:
        close(gradient[name], golden[f"{fit}/first/grad/{name}"])


@pytest.mark.parametrize("fit", FITS)
def test_training_gives_the_same_parameters(golden: dict[str, np.ndarray], fit: str) -> None:
    model = Official(golden, fit)
    epochs = json.loads(golden["meta"].item())["config"]["epochs"]
    for epoch in range(epochs):
        model.epoch()
        if epoch in (0, epochs - 1):
            place = "after_epoch1" if epoch == 0 else "final"
            close(model.transition, golden[f"{fit}/{place}/transition_matrix"])
            for name in model.names:
                close(model.p[name], golden[f"{fit}/{place}/{name}"])
    close(np.array(model.losses), golden[f"{fit}/losses"])
