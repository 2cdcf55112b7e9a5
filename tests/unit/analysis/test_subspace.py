"""Angles planted by construction, nulls against their closed form, correlations against outputs."""

from __future__ import annotations

import numpy as np
import pytest

from arcuate.analysis import (
    angle_history,
    angle_null,
    compare_subspaces,
    covariance,
    participation_ratio,
    principal_angles,
    signal_correlation,
)


def planted(angles: list[float], n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two subspaces with given principal angles, each in a mixed basis."""
    rng = np.random.default_rng(seed)
    k = len(angles)
    frame = np.linalg.qr(rng.normal(size=(n, n)))[0]
    theta = np.radians(angles)
    a = frame[:, :k]
    b = a * np.cos(theta) + frame[:, k : 2 * k] * np.sin(theta)
    return (rng.normal(size=(k, k)) @ a.T), (rng.normal(size=(k, k)) @ b.T)


@pytest.mark.parametrize("angles", [[37.0], [0.0, 90.0], [1e-6, 12.0, 45.0, 89.9999], [20.0, 20.0, 20.0]])
def test_planted_angles_are_found(angles):
    a, b = planted(angles, 30)
    np.testing.assert_allclose(principal_angles(a, b), sorted(angles), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(principal_angles(b, a), sorted(angles), rtol=1e-7, atol=1e-9)


def test_angles_agree_with_scipy():
    from scipy.linalg import subspace_angles

    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(3, 50)), rng.normal(size=(5, 50))
    expected = np.degrees(subspace_angles(a.T, b.T))[::-1]
    np.testing.assert_allclose(principal_angles(a, b), expected, rtol=1e-9)


def test_angles_do_not_depend_on_scale_sign_or_rotation():
    a, b = planted([30.0, 70.0], 12)
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(12, 12)))[0]
    np.testing.assert_allclose(principal_angles(-1e-8 * a @ turn, 1e8 * b @ turn), [30.0, 70.0], rtol=1e-9)


def test_dependent_rows_span_what_they_span():
    a = np.array([[1.0, 0, 0, 0], [2.0, 0, 0, 0]])
    b = np.array([[1.0, 1.0, 0, 0], [1.0, 1.0, 0, 0], [-3.0, -3.0, 0, 0]])
    np.testing.assert_allclose(principal_angles(a, b), [45.0], rtol=1e-9)


def test_isotropic_null_has_its_closed_form():
    """A line against a plane in n dimensions: P(cos^2 > c) = (1 - c)^((n - 2)/2)."""
    n = 600
    draws = angle_null("isotropic", n_units=n, n_a=1, n_b=2, n_null=4000)
    quantile = np.array([0.05, 0.5, 0.95])
    expected = np.degrees(np.arccos(np.sqrt(1 - quantile ** (2 / (n - 2)))))[::1]
    np.testing.assert_allclose(np.percentile(draws, 100 * quantile), expected, atol=0.15)
    assert np.percentile(draws, 50) == pytest.approx(87.2, abs=0.15)
    assert np.percentile(draws, 5) == pytest.approx(84.3, abs=0.2)


def test_matched_null_with_a_white_covariance_is_the_isotropic_one():
    white = angle_null("matched", cov=3.0 * np.eye(40), n_null=3000)
    plain = angle_null("isotropic", n_units=40, n_null=3000)
    np.testing.assert_allclose(
        np.percentile(white, [5, 25, 50, 75, 95]), np.percentile(plain, [5, 25, 50, 75, 95]), atol=1.0
    )


def test_matched_null_shrinks_when_activity_is_nearly_one_dimensional():
    """Two vectors (g1, s h1), (g2, s h2) of a 1-D dominated covariance: angle ~ s |h1/g1 - h2/g2| -> 0."""
    cov = np.diag(np.r_[1.0, np.full(20, 1e-8)])
    assert np.median(angle_null("matched", cov=cov, n_a=1, n_b=1, n_null=500)) < 0.2


def test_nulls_are_drawn_from_a_seeded_stream():
    first = angle_null("isotropic", n_units=10, n_null=250, seed=3)
    np.testing.assert_array_equal(first, angle_null("isotropic", n_units=10, n_null=250, seed=3))
    assert not np.array_equal(first, angle_null("isotropic", n_units=10, n_null=250, seed=4))


def test_covariance_is_that_of_numpy_also_for_large_offsets():
    states = np.random.default_rng(4).normal(size=(5, 40, 6)) + 1e8
    np.testing.assert_allclose(covariance(states), np.cov(states.reshape(-1, 6).T), rtol=1e-7, atol=1e-9)


def test_signal_correlation_is_the_correlation_of_the_outputs():
    rng = np.random.default_rng(5)
    states = rng.normal(size=(300, 8)) @ rng.normal(size=(8, 8))
    w, v = rng.normal(size=(2, 8)), rng.normal(size=(3, 8))
    expected = np.corrcoef((states @ w.T).T, (states @ v.T).T)[:2, 2:]
    np.testing.assert_allclose(signal_correlation(w, v, cov=covariance(states)), expected, rtol=1e-10)


def test_orthogonal_weights_can_carry_the_same_signal():
    """Caveat 2 of the experiment: 90 degrees, correlation 1."""
    time = np.random.default_rng(6).normal(size=200)
    states = np.outer(time, [1.0, 1.0, 0.0])
    assert principal_angles([1.0, 0, 0], [0, 1.0, 0])[0] == pytest.approx(90)
    assert signal_correlation([1.0, 0, 0], [0, 1.0, 0], cov=covariance(states))[0, 0] == pytest.approx(1.0)
    assert np.isnan(signal_correlation([0, 0, 1.0], [0, 1.0, 0], cov=covariance(states))[0, 0])


def test_participation_ratio_of_known_spectra():
    frame = np.linalg.qr(np.random.default_rng(7).normal(size=(9, 9)))[0]
    spectrum = np.array([5.0, 3.0, 1.0, 0.5, 0, 0, 0, 0, 0])
    half = np.sqrt(spectrum)[:, None] * frame
    states = np.vstack([half, -half])  # mean zero, covariance exactly frame' diag frame
    expected = spectrum.sum() ** 2 / (spectrum**2).sum()
    assert participation_ratio(states) == pytest.approx(expected, rel=1e-12)
    assert participation_ratio(states + 100.0) == pytest.approx(expected, rel=1e-9)
    assert participation_ratio(states[:, :5].T @ states[:, :5], remove="none") > 1
    assert participation_ratio(np.outer(np.arange(5.0), np.ones(50))) == pytest.approx(1.0, rel=1e-12)


def test_locked_mean_is_removed_trial_by_time():
    rng = np.random.default_rng(8)
    locked = 100 * np.outer(np.sin(np.arange(50)), rng.normal(size=6))
    states = locked + rng.normal(size=(400, 50, 6))
    assert participation_ratio(states) == pytest.approx(1.0, abs=0.01)
    assert participation_ratio(states, remove="locked") == pytest.approx(6.0, abs=0.01)


def test_angle_history_is_nan_until_there_is_a_direction():
    rng = np.random.default_rng(9)
    when, what = rng.normal(size=(4, 20)), rng.normal(size=(4, 2, 20))
    when[0], what[1] = 0.0, 0.0
    angles = angle_history(when, what)
    assert angles.dims == ("trial",)
    assert np.isnan(angles[:2]).all()
    for trial in (2, 3):
        assert float(angles[trial]) == pytest.approx(principal_angles(when[trial], what[trial])[0])


def test_comparison_with_and_without_the_first_150_ms():
    """The cue moves all units together for 150 ms; afterwards units are independent."""
    rng = np.random.default_rng(10)
    times = np.arange(100) * 0.01
    states = rng.normal(size=(50, 100, 12))
    states[:, times < 0.15 - 1e-9] += 50 * rng.normal(size=(50, 15, 1))
    when, what = np.eye(12)[0], np.eye(12)[1:3]
    report = compare_subspaces(when, what, states, times=times, n_null=400)
    np.testing.assert_allclose(report.full.angles, [90.0])
    assert report.full.n_samples == 5000
    assert report.late.n_samples == 4250
    assert report.full.correlation.min() > 0.95
    assert np.abs(report.late.correlation).max() < 0.06
    assert report.full.matched[1] < 30 < report.late.matched[1]
    assert report.full.participation_ratio < 1.2
    assert report.late.participation_ratio == pytest.approx(12, rel=0.02)
    np.testing.assert_array_equal(report.full.isotropic, report.late.isotropic)
    late = states[:, 15:].reshape(-1, 12)
    np.testing.assert_allclose(
        report.late.correlation, signal_correlation(when, what, cov=np.cov(late.T)), rtol=1e-9, atol=1e-12
    )
