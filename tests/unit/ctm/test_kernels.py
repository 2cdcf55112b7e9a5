"""Compiled loops of a tick, by themselves; the whole is held to the plain pass in tests/conformance."""

from __future__ import annotations

import math

import numpy as np

from arcuate import ctm
from arcuate.ctm import _kernels


def test_the_logistic_function_is_right_to_3e_13() -> None:
    for x in (*np.linspace(-60, 60, 1201).tolist(), -1e300, 1e300, -math.inf, math.inf):
        expected = 1 / (1 + math.exp(-x)) if x > -700 else 0.0
        assert abs(_kernels.logistic(x) - expected) < 3e-13
    assert math.isnan(_kernels.logistic(math.nan))


def test_softmax_bears_large_scores() -> None:
    scores = np.array([[1e308, 0.0, -1e308], [1e3, 1e3, 1e3 + math.log(2)]])
    out = np.empty((2, 3))
    _kernels.softmax_rows(scores, out)
    np.testing.assert_allclose(out, [[1, 0, 0], [0.25, 0.25, 0.5]], rtol=1e-12)


def test_one_trial_and_many_give_the_same() -> None:
    rng = np.random.default_rng(2)
    u, bias, scale, shift = rng.normal(size=(12, 5)), *rng.normal(size=(3, 12))
    together, alone = np.empty((6, 5)), np.empty((6, 1))
    _kernels.glu_norm(u, bias, scale[:6], shift[:6], together)
    for b in range(5):
        _kernels.glu_norm(np.ascontiguousarray(u[:, b : b + 1]), bias, scale[:6], shift[:6], alone)
        np.testing.assert_array_equal(alone[:, 0], together[:, b])
    expected = ctm.layer_norm(ctm.glu(u.T + bias), scale[:6], shift[:6])
    np.testing.assert_allclose(together.T, expected, rtol=1e-12, atol=1e-13)
