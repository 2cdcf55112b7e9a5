"""Baselines against the algebra of three-factor rules: E[dw] = Cov(R, e) + E[R - baseline] E[e]."""

from __future__ import annotations

import math

import numpy as np
import pytest

from arcuate.errors import SpecError, UnknownNameError
from arcuate.learning import Critic, NoBaseline, RunningMean
from arcuate.learning.baseline import as_baseline

# Two stimuli: eligibility N(MU, SD^2), reward A_s + B_s e + N(0, NOISE^2). So Cov(R, e | s) = B_s SD^2.
MU, SD, NOISE = 0.7, 0.5, 0.3
A, B = np.array([1.0, 3.0]), np.array([0.4, -0.2])
N = 40_000


def draw(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    kind = rng.integers(2, size=N)
    e = rng.normal(MU, SD, size=N)
    return kind, e, A[kind] + B[kind] * e + rng.normal(0, NOISE, size=N)


def mean_change(baseline, features: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Mean of (R - baseline) e for each stimulus, and its standard error, after the baseline settled."""
    kind, e, reward = draw(seed)
    state = baseline.start(features.shape[1])
    dw = np.array(
        [baseline.learn(state, features[k], r) * x for k, r, x in zip(kind, reward, e, strict=True)]
    )
    settled = np.arange(N) >= 1000
    parts = [dw[settled & (kind == k)] for k in (0, 1)]
    return np.array([p.mean() for p in parts]), np.array([p.std() / math.sqrt(p.size) for p in parts])


COVARIANCE = B * SD**2
MEAN_REWARD = A + B * MU


def test_without_a_baseline_the_change_is_covariance_plus_the_unsupervised_bias() -> None:
    got, error = mean_change(NoBaseline(), np.ones((2, 1)))
    assert np.all(np.abs(got - (COVARIANCE + MEAN_REWARD * MU)) < 4 * error)
    assert np.all(
        np.abs(got - COVARIANCE) > 20 * error
    )  # the bias is far larger than the chance of this test


@pytest.mark.parametrize("baseline", [RunningMean(rate=0.02), Critic(learning_rate=0.02)])
def test_a_baseline_for_each_stimulus_leaves_the_covariance(baseline) -> None:
    got, error = mean_change(baseline, np.eye(2))
    assert np.all(np.abs(got - COVARIANCE) < 4 * error)


def test_one_mean_for_both_stimuli_leaves_the_bias_of_their_difference() -> None:
    got, error = mean_change(RunningMean(rate=0.005), np.ones((2, 1)))
    bias = (MEAN_REWARD - MEAN_REWARD.mean()) * MU
    # The mean of both moves with the stimuli drawn lately, which all trials share: a second error.
    slack = 4 * error + 4 * np.std(draw(0)[2]) * MU / math.sqrt(N / 2)
    assert np.all(np.abs(got - COVARIANCE - bias) < slack)
    assert np.all(np.abs(bias) > 5 * slack)


def test_a_running_mean_is_the_exponential_average() -> None:
    reward = np.random.default_rng(1).normal(size=50)
    mean = RunningMean(rate=0.25)
    state, x = mean.start(1), np.ones(1)
    for r in reward:
        mean.learn(state, x, r)
    weights = 0.25 * 0.75 ** np.arange(50)[::-1]
    assert math.isclose(mean.expect(state, x), weights @ reward, rel_tol=1e-12)


def test_a_critic_finds_the_discounted_value_of_a_chain() -> None:
    # Five states in a row, reward 1 at the end: V(k) = discount^(4 - k).
    critic = Critic(learning_rate=0.2, discount=0.8)
    state, x = critic.start(5), np.eye(5)
    for _ in range(400):
        for k in range(4):
            critic.learn(state, x[k], 0.0, following=x[k + 1])
        critic.learn(state, x[4], 1.0)
    assert np.allclose(state, 0.8 ** np.arange(4, -1, -1), atol=1e-9)


def test_it_is_data() -> None:
    critic = Critic(learning_rate=0.2)
    assert Critic.from_tree(critic.tree(), where="test") == critic
    assert as_baseline(critic.tree(), where="test") == critic
    assert as_baseline("none", where="test") == NoBaseline()
    assert hash(critic) != hash(Critic(learning_rate=0.3))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: RunningMean(rate=0.0), "rate = 0.0: must be > 0 and <= 1"),
        (lambda: RunningMean(rate=1.5), "must be > 0 and <= 1"),
        (lambda: Critic(learning_rate=-1.0), "learning_rate = -1.0: must be > 0"),
        (lambda: Critic(discount=2.0), "discount = 2.0"),
        (lambda: RunningMean().start(0), "n_features = 0: must be >= 1"),
        (lambda: as_baseline(None, where="test"), "must be one of none, running_mean, critic"),
    ],
)
def test_bad_values_are_refused(make, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        make()


def test_a_misspelt_kind_gives_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="running_mean"):
        as_baseline({"kind": "runing_mean"}, where="test")
