"""Spectral radii in closed form and by all eigenvalues; slopes of known curves; gains of both."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from arcuate.analysis import effective_gain, response_slope, spectral_radius


def test_radius_equals_the_largest_of_all_eigenvalues():
    rng = np.random.default_rng(0)
    for n in (3, 60, 200):
        weights = rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.2)
        largest = np.abs(np.linalg.eigvals(weights)).max()
        assert spectral_radius(weights) == pytest.approx(largest, rel=1e-6)
        assert spectral_radius(sparse.coo_array(weights)) == pytest.approx(largest, rel=1e-6)


def test_radius_of_matrices_of_which_it_is_known():
    ring = np.roll(np.eye(100), 1, axis=0)
    assert spectral_radius(3.0 * ring) == pytest.approx(3.0, rel=1e-6)  # all of one size
    assert spectral_radius(np.triu(np.ones((100, 100)), 1)) == pytest.approx(0.0, abs=1e-6)
    assert spectral_radius(np.zeros((100, 100))) == 0.0
    chain = np.triu(np.ones((200, 200)), 1)  # no loop, but for two apart and one neuron on itself
    chain[100:, 100:] = np.roll(2.0 * np.eye(100), 1, axis=0)
    chain[7, 7] = 1.5
    assert spectral_radius(chain) == pytest.approx(2.0, rel=1e-6)
    assert spectral_radius(np.full((100, 100), 0.5)) == pytest.approx(50.0)


def test_random_sparse_weights_follow_the_circular_law():
    """Weights G / (p sqrt(n)) with probability p: a radius near G / sqrt(p)."""
    rng = np.random.default_rng(1)
    n, p, g = 1000, 0.1, 0.7
    weights = (rng.random((n, n)) < p) * rng.normal(size=(n, n)) * g / (p * np.sqrt(n))
    assert spectral_radius(sparse.csr_array(weights)) == pytest.approx(g / np.sqrt(p), rel=0.07)


def test_slope_of_a_parabola_is_exact_and_its_error_covers_noise():
    current = np.linspace(0.0, 1e-9, 9)
    x = np.array([0.2e-9, 0.7e-9])
    rate = 5 + 3e10 * current[:, None] + np.array([1e19, -2e19]) * current[:, None] ** 2
    found = response_slope(current, rate, at=x)
    assert found.slope.values == pytest.approx(3e10 + 2 * np.array([1e19, -2e19]) * x)
    assert found.error.values == pytest.approx(0.0, abs=1.0)
    noise = np.random.default_rng(2).normal(size=(9, 4000))
    noisy = response_slope(current, rate[:, :1] + noise, at=0.2e-9)
    z = (noisy.slope.values - (3e10 + 2e19 * 0.2e-9)) / noisy.error.values
    assert np.mean(np.abs(z) < 2.447) == pytest.approx(0.95, abs=0.015)  # Student's t with 6


def test_gain_is_the_radius_with_one_slope_for_all():
    rng = np.random.default_rng(3)
    weights = 1e-12 * rng.normal(size=(150, 150))
    found = effective_gain(weights, 2e11)
    assert float(found.gain) == pytest.approx(2e11 * float(found.radius), rel=1e-6)
    assert float(found.low) == float(found.gain) == float(found.high)
    slopes = rng.uniform(0.5e11, 3e11, 150)
    own = np.abs(np.linalg.eigvals(slopes[:, None] * weights)).max()
    for form in (weights, sparse.csr_array(weights)):
        assert float(effective_gain(form, slopes).gain) == pytest.approx(own, rel=1e-6)


def test_interval_of_the_gain_comes_from_that_of_the_slopes():
    """Two neurons in a ring: the gain is the geometric mean of two slopes."""
    weights = np.array([[0.0, 1e-12], [1e-12, 0.0]])
    found = effective_gain(weights, [1e12, 1e12], error=0.1e12, n_resamples=2000)
    assert float(found.high - found.low) == pytest.approx(2 * 1.96 * 0.1 / np.sqrt(2), rel=0.1)
    assert float(found.low) < 1.0 < float(found.high)


def test_no_slope_is_no_gain():
    assert float(effective_gain(np.ones((3, 3)), 0.0).gain) == 0.0
