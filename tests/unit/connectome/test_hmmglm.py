"""The HMM-GLM: its gradient, its priors, what a fit finds and in which order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.special import digamma, gammaln
from scipy.stats import binom, norm, poisson
from sklearn.base import clone

from arcuate.connectome import (
    HMMGLM,
    SwitchingNetwork,
    firing_rates,
    log_emission,
    match_states,
    sample_counts,
    select_n_states,
    spike_history,
    switching_network,
)
from arcuate.connectome._hmm_fit import GaussianPrior, Sequences, curvature
from arcuate.connectome._one_hot import OneHotPrior, _next_alpha

KINDS = ("sigmoid", "softplus", "exp")
BASIS = np.array([0.6, 0.3, 0.1])


def small(seed: int = 0, n_states: int = 2) -> tuple[SwitchingNetwork, list[np.ndarray], np.ndarray]:
    """A network of six neurons that differ much between states, and six sequences."""
    network = switching_network(n_states, 6, sparsity=0.6, seed=seed)
    spikes, states = network.sample(1000, n_sequences=6, seed=seed)
    return network, list(spikes), states


@pytest.fixture(scope="module")
def fitted() -> tuple[SwitchingNetwork, list[np.ndarray], np.ndarray, HMMGLM]:
    network, spikes, states = small()
    return network, spikes, states, HMMGLM(2).fit(spikes[:4])


def test_the_history_of_a_bin_never_sees_the_bin() -> None:
    spikes = np.random.default_rng(0).poisson(1.0, (30, 2))
    changed = spikes.copy()
    changed[10:] += 1
    before, after = spike_history(spikes, BASIS), spike_history(changed, BASIS)
    assert (before[:11] == after[:11]).all() and (before[11:14] != after[11:14]).all()
    direct = sum(b * spikes[20 - 1 - k] for k, b in enumerate(BASIS))
    assert_allclose(before[20], direct)


@pytest.mark.parametrize("kind", KINDS)
def test_the_emission_is_poissons(kind: str) -> None:
    rng = np.random.default_rng(1)
    spikes, w, b = rng.poisson(0.7, (20, 3)), rng.normal(0, 0.5, (2, 3, 3)), rng.normal(0, 0.5, (2, 3))
    rates = firing_rates(spike_history(spikes, BASIS) @ w.swapaxes(1, 2) + b[:, None], nonlinearity=kind)
    wanted = poisson.logpmf(spikes, rates).sum(2).T
    assert_allclose(log_emission(spikes, w, b, basis=BASIS, nonlinearity=kind), wanted, atol=1e-6)


def test_many_neurons_do_not_underflow() -> None:
    spikes = np.random.default_rng(2).poisson(2.0, (30, 400))
    found = log_emission(spikes, np.zeros((1, 400, 400)), np.full(400, -12.0), basis=BASIS)
    rate = firing_rates(-12.0)
    assert_allclose(found[:, 0], poisson.logpmf(spikes, rate).sum(1), rtol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_is_that_of_finite_differences(kind: str) -> None:
    rng = np.random.default_rng(3)
    spikes = rng.poisson(0.7, (60, 3)).astype(float)
    coupling = rng.normal(0, 0.3, (2, 3, 4))
    posterior = rng.dirichlet([1, 1], 60)
    gradient, information = curvature(Sequences.of([spikes], BASIS), [posterior], coupling, kind)

    def value(c: np.ndarray) -> float:
        emission = log_emission(spikes, c[..., :-1], c[..., -1], basis=BASIS, nonlinearity=kind)
        return float(np.sum(posterior * emission))

    for place in np.ndindex(coupling.shape):
        step = np.zeros_like(coupling)
        step[place] = 1e-5
        slope = (value(coupling + step) - value(coupling - step)) / 2e-5
        assert_allclose(gradient[place], slope, atol=1e-5)
    assert (np.linalg.eigvalsh(information) > 0).all()


@pytest.mark.parametrize("learn_mean", [True, False])
@pytest.mark.parametrize("shared_bias", [True, False])
def test_a_step_solves_the_whole_system(learn_mean: bool, shared_bias: bool) -> None:
    """All unknowns of a neuron at once: weights and biases of the states, and the means."""
    rng = np.random.default_rng(4)
    s, n = 3, 4
    root = rng.normal(size=(s, n, 9, n + 1))
    information = np.einsum("snki,snkj->snij", root, root)
    gradient = rng.normal(size=(s, n, n + 1))
    prior = GaussianPrior(std=0.5, learn_mean=learn_mean, shared_bias=shared_bias)
    found = prior.step(prior.start(np.zeros((s, n, n + 1))), gradient, information)
    means = s * n + s + np.arange(n)
    for neuron in range(n):
        whole, pull = np.zeros((means[-1] + 1,) * 2), np.zeros(means[-1] + 1)
        for k in range(s):
            place = [*range(k * n, (k + 1) * n), s * n + (0 if shared_bias else k)]
            whole[np.ix_(place, place)] += information[k, neuron]
            pull[place] += gradient[k, neuron]
            gap = np.zeros((n, len(whole)))
            gap[np.arange(n), place[:n]] = 2.0
            if learn_mean:
                gap[np.arange(n), means] = -2.0
            whole += gap.T @ gap
        whole[np.diag_indices(len(whole))] += np.r_[np.zeros(s * n), np.full(s + n, 0.01)]
        solved = np.linalg.solve(whole, pull)
        assert_allclose(found.coupling[:, neuron, :n], solved[: s * n].reshape(s, n), atol=1e-10)
        assert_allclose(found.mean[neuron], solved[means] if learn_mean else 0, atol=1e-10)
        biases = solved[[s * n] * s] if shared_bias else solved[s * n : s * n + s]
        assert_allclose(found.coupling[:, neuron, n], biases, atol=1e-10)
        inverse = np.linalg.inv(whole)[: s * n, : s * n]
        variance, of_mean = prior.variances(information)
        assert_allclose(variance[:, neuron].ravel(), np.diag(inverse), rtol=1e-8)
        wanted = inverse.reshape(s, n, s, n).sum((0, 2)) / s**2
        assert_allclose(of_mean[neuron], np.diag(wanted), rtol=1e-8)


@pytest.mark.parametrize("prior", ["none", "gaussian"])
@pytest.mark.parametrize("bias", [0.0, -2.0])
def test_one_pair_in_twenty_without_coupling_is_called_connected(prior: str, bias: float) -> None:
    """Two-sided, at 1.96 standard errors; 1000 pairs, and the bounds that 1 in 1000 such counts passes."""
    called = 0
    for seed in range(10):
        counts = np.random.default_rng(seed).poisson(firing_rates(bias), (3000, 10))
        model = HMMGLM(1, prior=prior, max_iter=10).fit([counts])
        called += np.count_nonzero(model.connectome_["adjacency"])
        confidence = model.connectome_["confidence"].where(model.connectome_["adjacency"] != 0)
        assert np.nanmin(confidence) >= norm.cdf(1.96)
    low, high = binom.ppf([0.0005, 0.9995], 1000, 0.05)
    assert low <= called <= high
    assert model.connectome_["confidence"].attrs["long_name"] == "probability of the sign of the mean weight"


@pytest.mark.parametrize(("slope", "own"), [(3.0, 4.0), (-2.0, 1.0), (40.0, 9.0), (-0.1, 0.0)])
def test_one_weight_has_the_posterior_of_numerical_integration(slope: float, own: float) -> None:
    """One state, one pair, no bias: the posterior and its evidence are exact."""
    prior = OneHotPrior(shared_bias=False)
    information = np.array([[[[own, 0.0], [0.0, 1.0]]]])
    belief = replace(prior.start(np.zeros((1, 1, 2))), deviation=np.full(2, 0.7))
    alpha = belief.alpha
    log_p = digamma(belief.counts[0, 0]) - digamma(belief.counts[0, 0].sum())
    found = prior._round(belief, information, np.array([[[slope, 0.0]]]))

    def part(low: float, high: float, power: int) -> float:
        def density(w: float) -> float:
            return 2 * norm.pdf(w, scale=0.7) * np.exp(slope * w - 0.5 * own * w * w) * w**power

        return float(quad(density, low, high, points=[slope / max(own, 1)] if low * high == 0 else None)[0])

    parts = np.array([part(-12, 0, 0), 1.0, part(0, 12, 0)]) * np.exp(log_p)
    assert_allclose(found.category[0, 0, 0], parts / parts.sum(), rtol=1e-4, atol=1e-8)
    first = (np.exp(log_p[0]) * part(-12, 0, 1) + np.exp(log_p[2]) * part(0, 12, 1)) / parts.sum()
    assert_allclose(found.coupling[0, 0, 0], first, rtol=1e-4, atol=1e-8)
    bound = replace(found, alpha=alpha, deviation=np.full(2, 0.7))
    value = prior.objective(bound, information) + slope * found.coupling[0, 0, 0]
    value -= 0.5 * own * found.coupling[0, 0, 0] ** 2
    q = found.category[0, 0, 0]
    pairs = _log_beta(bound.counts[0, 0]) - _log_beta(alpha[1]) - np.sum(q * log_p)
    assert_allclose(value, np.log(parts.sum()) + pairs, atol=1e-4)


def _log_beta(alpha: np.ndarray) -> float:
    return float(gammaln(alpha).sum() - gammaln(alpha.sum()))


def test_the_dirichlet_of_categories_becomes_more_probable() -> None:
    rng = np.random.default_rng(5)
    p = rng.dirichlet([0.3, 2.0, 0.5], (30, 30))
    counts = np.array([rng.multinomial(8, q) for q in p.reshape(-1, 3)]).astype(float)

    def evidence(alpha: np.ndarray) -> float:
        return sum(_log_beta(alpha + c) - _log_beta(alpha) for c in counts)

    alpha, values = np.ones(3), []
    for _ in range(20):
        values.append(evidence(alpha))
        alpha = _next_alpha(alpha, counts)
    assert (np.diff(values) >= -1e-9).all()
    assert_allclose(alpha, [0.3, 2.0, 0.5], rtol=0.25)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prior", ["none", "gaussian"])
def test_the_objective_never_falls(prior: str, kind: str) -> None:
    _, spikes, _ = small(1)
    model = HMMGLM(2, prior=prior, nonlinearity=kind, n_starts=1, max_iter=8).fit(spikes[:2])
    assert len(model.objectives_) > 1
    assert (np.diff(model.objectives_) >= 0).all()


def test_a_fit_finds_states_and_signs(
    fitted: tuple[SwitchingNetwork, list[np.ndarray], np.ndarray, HMMGLM],
) -> None:
    network, spikes, states, model = fitted
    found = np.concatenate([p.values.argmax(1) for p in model.posterior(spikes[4:])])
    truth = states[4:].ravel()
    match = match_states(truth, found)
    assert (match[truth] == found).mean() > 0.85
    assert np.corrcoef(model.weights_[match].ravel(), network.weights.ravel())[0, 1] > 0.9
    signs = model.connectome_["state_adjacency"].values[match]
    assert (signs == network.adjacency).mean() > 0.8
    assert model.converged_ and model.bits_per_spike(spikes[4:]) > 0.05


def test_states_come_in_the_order_of_their_share_of_time(
    fitted: tuple[SwitchingNetwork, list[np.ndarray], np.ndarray, HMMGLM],
) -> None:
    _, spikes, _, model = fitted
    assert (np.diff(model.occupancy_) <= 0).all()
    assert_allclose(model.occupancy_.sum(), 1)
    share = np.mean([p.values.mean(0) for p in model.posterior(spikes[:4])], axis=0)
    assert_allclose(share, model.occupancy_, atol=1e-9)
    again = HMMGLM(2, seed=5).fit(spikes[:4])
    assert_allclose(again.weights_, model.weights_, atol=0.05)


def test_the_same_seed_gives_the_same_bits(
    fitted: tuple[SwitchingNetwork, list[np.ndarray], np.ndarray, HMMGLM],
) -> None:
    _, spikes, _, model = fitted
    again = clone(model).fit(np.array(spikes[:4]))
    assert (again.weights_ == model.weights_).all() and again.objectives_ == model.objectives_


def test_the_likelihood_is_that_of_the_chain(
    fitted: tuple[SwitchingNetwork, list[np.ndarray], np.ndarray, HMMGLM],
) -> None:
    _, spikes, _, model = fitted
    assert_allclose(model.score(spikes[:4]) * 4000, model.log_likelihood_, rtol=1e-12)
    each = model.log_likelihood(spikes)
    assert each.shape == (6,) and len(model.viterbi(spikes)[0]) == 1000


def test_one_state_is_a_model_that_does_not_switch() -> None:
    network, spikes, _ = small(2, n_states=1)
    model = HMMGLM(1, prior="none").fit(spikes)
    assert np.corrcoef(model.weights_.ravel(), network.weights.ravel())[0, 1] > 0.95
    assert (model.posterior(spikes)[0] == 1).all() and model.transition_.tolist() == [[1.0]]
    assert (model.connectome_["adjacency"] == model.connectome_["state_adjacency"][0]).mean() > 0.9


def test_biases_may_belong_to_states() -> None:
    network, _, _ = small(3)
    bias = np.array([[-2.0] * 6, [0.5] * 6])
    spikes, states = sample_counts(
        network.weights, bias, network.transition, basis=network.basis, n_bins=800, n_sequences=3
    )
    model = HMMGLM(2, shared_bias=False, n_starts=1).fit(list(spikes))
    found = np.concatenate([p.values.argmax(1) for p in model.posterior(list(spikes))])
    match = match_states(states.ravel(), found)
    assert (match[states.ravel()] == found).mean() > 0.9
    assert_allclose(model.bias_[match], bias, atol=0.6)
    assert HMMGLM(2, n_starts=1).fit(list(spikes)).score(list(spikes)) < model.score(list(spikes))


def test_samples_have_the_rates_and_the_states_of_their_model() -> None:
    transition = np.array([[0.9, 0.1], [0.3, 0.7]])
    bias = np.array([[-1.0, 0.0], [0.0, 1.0]])
    spikes, states = sample_counts(
        np.zeros((2, 2, 2)), bias, transition, basis=[1.0], nonlinearity="exp", n_bins=2000, n_sequences=5
    )
    assert_allclose((states == 0).mean(), 0.75, atol=0.03)
    for s in range(2):
        assert_allclose(spikes[states == s].mean(0), np.exp(bias[s]), rtol=0.06)
    stays = (states[:, 1:] == states[:, :-1])[states[:, :-1] == 0].mean()
    assert_allclose(stays, 0.9, atol=0.02)


def test_a_network_is_drawn_as_it_says() -> None:
    network = switching_network(4, 30, sparsity=0.3, excitatory=0.25, seed=3)
    assert_allclose((network.weights != 0).mean(), 0.3, atol=0.03)
    assert_allclose((network.weights > 0).sum() / (network.weights != 0).sum(), 0.25, atol=0.04)
    assert np.abs(network.weights).max() <= np.log(4) and np.abs(network.bias).max() <= 0.05
    assert (network.weights == switching_network(4, 30, sparsity=0.3, excitatory=0.25, seed=3).weights).all()


def test_held_out_likelihood_tells_two_states_from_one() -> None:
    _, spikes, _ = small(4)
    table = select_n_states(spikes[:3], [1, 2], n_folds=3, prior="gaussian", n_starts=1, max_iter=15)
    assert table.attrs["best"] == 2 and table.attrs["simplest"] == 2
    assert table["score"].shape == (2, 3)


def test_the_simplest_number_is_held_to_the_error_of_the_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folds differ by far more than numbers of states do, and alike for each number."""
    folds = iter([-11.0, -1.0, 9.0, -0.5, 10.2, 20.0, 0.0, 10.0, 20.0])
    monkeypatch.setattr(HMMGLM, "fit", lambda self, spikes: self)
    monkeypatch.setattr(HMMGLM, "score", lambda self, spikes: next(folds))
    table = select_n_states(np.ones((3, 9, 2)), [1, 2, 3])
    assert (table["held_out"][2] - table["error"][2]) < table["held_out"][1]
    assert table.attrs == {"best": 3, "simplest": 2}
    folds = iter([-1.0, 9.0, 19.0, 0.0, 10.0, 20.0])
    table = select_n_states(np.ones((3, 9, 2)), [1, 2])
    assert table["held_out"][0] > table["held_out"][1] - table["error"][1]
    assert table.attrs == {"best": 2, "simplest": 2}


def test_progress_counts_epochs() -> None:
    _, spikes, _ = small(5)
    seen: list[tuple[int, int]] = []
    HMMGLM(2, n_starts=1, max_iter=3, progress=lambda done, total: seen.append((done, total))).fit(spikes[:1])
    assert [done for done, _ in seen] == list(range(1, len(seen) + 1))
