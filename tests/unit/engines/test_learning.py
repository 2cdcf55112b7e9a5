"""Learning in the time loop and learning from stored states are one rule: equal weights, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from networks import reservoir

import arcuate as arc
from arcuate.engines.build import build_plan


def run(rule: object, *, center: bool, n_outputs: int = 2) -> tuple[arc.Recording, np.ndarray, np.ndarray]:
    """Recording, stored states (trial, sample, unit) and final weights of an online run."""
    network = reservoir()
    changes = {"readouts.prediction.rule": rule, "readouts.prediction.n_outputs": n_outputs}
    if not center:
        changes["readouts.prediction.center"] = None
    recording = arc.simulate(network.replace(changes), seed=5)
    weights = recording.weights("prediction")["weight"].values[-1]
    return recording, recording.states("prediction/features")["r"].values, weights


@pytest.mark.parametrize("eligibility", ["cue", "event", "trace", "post"])
def test_two_bank(eligibility: str) -> None:
    recording, states, weights = run(arc.TwoBank(eligibility=eligibility), center=True)
    trials = build_plan(reservoir(), seed=5).trials
    phase = recording.states("prediction/features")["time"].values
    rule = arc.readout.TwoBankPredictor(eligibility=eligibility, center_tau=50, n_outcomes=2)
    rule.fit(states, taught().sum(axis=2), outcome=trials.outcome, latency=trials.latency, times=phase)
    online = weights.reshape(3, -1)
    np.testing.assert_array_equal(online[0], rule.when_coef_)
    np.testing.assert_array_equal(online[1:], rule.what_coef_)
    assert np.abs(online).max() > 0


@pytest.mark.parametrize("normalization", [None, 30.0])
@pytest.mark.parametrize("center", [False, True])
def test_delta(normalization: float | None, center: bool) -> None:
    rate = 0.3 if normalization is not None else 1e-3
    _, states, weights = run(arc.Delta(learning_rate=rate, normalization=normalization), center=center)
    rule = arc.readout.Delta(
        learning_rate=rate, normalization=normalization, center_tau=50 if center else None
    )
    rule.fit(states, taught())
    np.testing.assert_array_equal(weights.reshape(2, -1), rule.coef_)
    assert np.abs(weights).max() > 0


@pytest.mark.parametrize("options", [{}, {"forgetting": 0.9998}, {"reset_at": (3,)}, {"normalized": False}])
def test_rls(options: dict[str, object]) -> None:
    _, states, weights = run(arc.RLS(alpha=1.0, **options), center=True)
    rule = arc.readout.RLS(alpha=1.0, every=1, center_tau=50, **options)
    rule.fit(states, taught())
    np.testing.assert_array_equal(weights.reshape(2, -1), rule.coef_)
    assert np.abs(weights).max() > 0


def taught() -> np.ndarray:
    """The plan's teacher of both outputs, (trial, sample, output)."""
    plan = build_plan(reservoir().replace({"readouts.prediction.rule": arc.Delta(learning_rate=0.1)}), seed=5)
    return plan.readouts["prediction"].target.reshape(plan.trials.n_trials, -1, 2)


def test_outputs_are_weights_times_features() -> None:
    recording, _, _ = run(None, center=False)
    assert not recording.states("prediction/output")["z"].values.any()
    weights = np.random.default_rng(0).standard_normal((2, 60))
    path = "readouts.prediction."
    changes = {path + "rule": None, path + "center": None, path + "initial_weight": weights}
    network = reservoir().replace(changes)
    recording = arc.simulate(network, seed=5)
    states = recording.states("prediction/features")["r"].values
    np.testing.assert_allclose(
        recording.states("prediction/output")["z"].values, states @ weights.T, rtol=1e-12, atol=1e-12
    )
