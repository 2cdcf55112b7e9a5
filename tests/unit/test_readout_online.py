"""Weights learned in the engine's time loop equal those learned afterwards on the recorded features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arcuate as arc
from arcuate import readout
from arcuate.analysis import filtered_rates, gaussian_pulse


def learn(rule: Any, *, period: str = "10 ms", n_outputs: int = 2) -> Any:
    """Run twenty cells through eight trials, some without an outcome, with the rule switched on."""
    network = arc.Network(
        name="online",
        dt="0.5 ms",
        populations=[
            arc.Population(name="exc", n=20, neuron=arc.izh2003(a=0.02, b=0.2, c=-65.0, d=8.0), bias=6.0)
        ],
        inputs=[arc.Input(name="cue", target="exc", weight=arc.Uniform(low=0.0, high=30.0))],
        readouts=[
            arc.Readout(
                name="out",
                source="exc",
                n_outputs=n_outputs,
                period=period,
                center=arc.Center(tau_trials=3),
                rule=rule,
            )
        ],
        record=arc.Record(readouts=("z", "features", "weights")),
        task={
            "kind": "what_when",
            "omission": 0.4,
            "iti": "300 ms",
            "blocks": [
                {"latency": "400 ms", "probabilities": [0.6, 0.4], "n_trials": 4},
                {"latency": "700 ms", "probabilities": [0.6, 0.4], "n_trials": 4},
            ],
        },
    )
    return arc.simulate(network, seed=1)


def teacher(rec: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    states = rec.states("out/features")
    outcome, latency = states["outcome"].values, states["latency"].values
    pulse = gaussian_pulse(states["time"].values, np.where(outcome < 0, np.nan, latency))
    return states["r"].values, pulse, outcome, latency


def weights(rec: Any, n_outputs: int) -> np.ndarray:
    return rec.weights("out")["weight"].values.reshape(-1, n_outputs, 20)


@pytest.mark.parametrize("eligibility", ["cue", "post"])
def test_two_bank_rule_online_and_offline(eligibility: str):
    rec = learn(arc.TwoBank(eligibility=eligibility, w_min=-0.002))
    X, s, outcome, latency = teacher(rec)
    assert (outcome == -1).any()
    model = readout.TwoBankPredictor(
        eligibility=eligibility, w_min=-0.002, n_outcomes=2, center_tau=3, keep_weights=True
    ).fit(X, s, outcome=outcome, latency=latency)
    online = weights(rec, 3)
    assert online.min() >= -0.002
    free = readout.TwoBankPredictor(**{**model.get_params(), "w_min": None})
    free.fit(X, s, outcome=outcome, latency=latency)
    assert min(free.when_weights_.min(), free.what_weights_.min()) < -0.004  # the bound was met
    np.testing.assert_allclose(model.when_weights_, online[:8, 0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(model.what_weights_, online[:8, 1:], rtol=0, atol=1e-12)
    np.testing.assert_allclose(model.when_coef_, online[-1, 0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(model.what_coef_, online[-1, 1:], rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        model.online_when_, rec.states("out/output")["z"].values[..., 0], rtol=0, atol=1e-12
    )


@pytest.mark.parametrize(
    ("rule", "model"),
    [
        (arc.Delta(learning_rate=0.3, normalization=3.0), readout.Delta(0.3, normalization=3.0)),
        (
            arc.RLS(alpha=0.5, forgetting=0.999, reset_at=[5]),
            readout.RLS(alpha=0.5, forgetting=0.999, reset_at=[5], every=1),
        ),
    ],
    ids=["delta", "rls"],
)
def test_single_bank_rules_online_and_offline(rule: Any, model: Any):
    rec = learn(rule, period="20 ms")
    X, s, outcome, _ = teacher(rec)
    model = type(model)(**model.get_params()).set_params(center_tau=3, keep_weights=True)
    model.fit(X, readout.prediction_targets(s, outcome, n_outcomes=2))
    online = weights(rec, 2)
    assert np.abs(online[-1]).max() > 1e-3
    np.testing.assert_allclose(model.weights_, online[:8], rtol=0, atol=1e-12)
    np.testing.assert_allclose(model.coef_, online[-1], rtol=0, atol=1e-12)
    np.testing.assert_allclose(model.online_, rec.states("out/output")["z"].values, rtol=0, atol=1e-12)


def test_filtered_rates_of_the_recording_are_the_features_of_the_engine():
    rec = learn(arc.TwoBank(eligibility="cue", w_min=-0.002))
    states = rec.states("out/features")
    times = states["start"].values[:, None] + states["time"].values
    order = np.argsort(times.ravel())
    trace = filtered_rates(rec, times=times.ravel()[order], tau="30 ms", scale="trace", dt="0.5 ms")
    features = states["r"].values.reshape(-1, 20)[order]
    np.testing.assert_allclose(trace, features, rtol=1e-9, atol=1e-12)
