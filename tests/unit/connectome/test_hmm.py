"""Hidden Markov chains against the sum over all paths."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.testing import assert_allclose

from arcuate.connectome import forward_backward, match_states, viterbi

RNG = np.random.default_rng(11)
BINS, STATES = 8, 3
EMISSION = RNG.normal(0, 2, (BINS, STATES))
TRANSITION = RNG.dirichlet(np.ones(STATES), STATES)
INITIAL = RNG.dirichlet(np.ones(STATES))


def enumerated() -> tuple[np.ndarray, np.ndarray]:
    """All paths and their log probabilities."""
    paths = np.array(list(product(range(STATES), repeat=BINS)))
    logs = np.log(INITIAL[paths[:, 0]]) + EMISSION[np.arange(BINS), paths].sum(1)
    return paths, logs + np.log(TRANSITION[paths[:, :-1], paths[:, 1:]]).sum(1)


def test_the_posterior_is_that_of_the_sum_over_all_paths() -> None:
    paths, logs = enumerated()
    result = forward_backward(EMISSION, TRANSITION, initial=INITIAL)
    total = np.logaddexp.reduce(logs)
    assert_allclose(result.log_likelihood, total, rtol=1e-13)
    weight = np.exp(logs - total)
    by_state = (paths[..., None] == np.arange(STATES)) * weight[:, None, None]
    assert_allclose(result.posterior, by_state.sum(0), atol=1e-12)
    steps = np.zeros((STATES, STATES))
    for path, w in zip(paths, weight, strict=True):
        np.add.at(steps, (path[:-1], path[1:]), w)
    assert_allclose(result.transitions, steps, atol=1e-12)


def test_the_best_path_is_the_best_of_all() -> None:
    paths, logs = enumerated()
    assert (viterbi(EMISSION, TRANSITION, initial=INITIAL) == paths[np.argmax(logs)]).all()


def test_nothing_underflows() -> None:
    emission = np.repeat(EMISSION, 50, axis=0)
    shift = -1e5 * np.arange(1, len(emission) + 1)
    plain = forward_backward(emission, TRANSITION)
    moved = forward_backward(emission + shift[:, None], TRANSITION)
    assert_allclose(moved.posterior, plain.posterior, atol=1e-8)
    assert_allclose(moved.log_likelihood, plain.log_likelihood + shift.sum(), rtol=1e-14)


def test_a_state_that_cannot_be_gets_nothing() -> None:
    emission = EMISSION.copy()
    emission[:, 2] = -np.inf
    result = forward_backward(emission, TRANSITION)
    pair = TRANSITION[:2, :2]
    assert (result.posterior[:, 2] == 0).all()
    assert_allclose(result.posterior.sum(1), 1, atol=1e-12)
    assert 2 not in viterbi(emission, TRANSITION)
    scaled = forward_backward(emission[:, :2], pair / pair.sum(1, keepdims=True))
    assert result.log_likelihood < scaled.log_likelihood


def test_one_state_is_certain() -> None:
    result = forward_backward(EMISSION[:, :1], [[1.0]])
    assert (result.posterior == 1).all()
    assert_allclose(result.log_likelihood, EMISSION[:, 0].sum())


def test_states_are_matched_whatever_their_labels() -> None:
    truth = RNG.integers(0, 4, 300)
    names = np.array([2, 0, 3, 1])
    found = names[truth]
    found[::10] = RNG.integers(0, 4, 30)
    assert (match_states(truth, found) == names).all()
