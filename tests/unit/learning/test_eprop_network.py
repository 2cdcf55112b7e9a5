"""The network that e-prop gives away runs on the engines with the trainer's own spikes and outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arcuate as arc
from arcuate.errors import FitError
from arcuate.learning import EProp

BRIAN = pytest.param("brian2", marks=pytest.mark.brian)
CASES: dict[str, dict[str, Any]] = {
    "lif": {"t_ref": "0 ms", "scale_input": True, "v_thresh": 0.03},
    "mixed": {"beta": np.where(np.arange(15) % 2, 0.17, 0.0), "tau_a": "100 ms", "t_ref": "3 ms"},
    "fed forward": {"initial": {"w_rec": np.zeros((15, 15))}, "n_iterations": 0},
}


def train(steps: int, channels: int, p: float = 0.2) -> np.ndarray:
    return np.random.default_rng(7).random((1, steps, channels)) < p


def compare(model: EProp, x: np.ndarray, engine: str) -> int:
    """Run one trial on an engine, demand the trainer's spikes and outputs, and count the spikes."""
    wanted = model.states(x)
    steps, channels = x.shape[1:]
    late = np.zeros((steps + 1, channels))
    late[:-1] = x[0]
    recording = arc.simulate(
        model.network(), f"{steps + 1} ms", seed=1, engine=engine, inputs={"inputs": late}, progress=False
    )
    spikes, expected = recording.spikes("neurons"), wanted.spikes("neurons")
    np.testing.assert_array_equal(spikes["neuron"], expected["neuron"])
    np.testing.assert_array_equal(np.rint(spikes["time"] * 1e3), np.rint(expected["time"] * 1e3) + 1)
    z = recording.states("output/output")["z"].values[0]
    y = wanted.states("eprop/output")["y"].values[0]
    assert np.all(z[0] == 0)
    np.testing.assert_allclose(z[1:], y, rtol=0, atol=1e-9)
    assert np.abs(y).max() > 1e-2
    return int(spikes.sizes["spike"])


@pytest.mark.parametrize("engine", ["numba", BRIAN])
@pytest.mark.parametrize("case", CASES)
def test_spikes_and_outputs_are_those_of_the_trainer(case: str, engine: str) -> None:
    x = train(250, 12)
    targets = np.random.default_rng(8).normal(size=(1, 250, 3))
    options = {"connectivity": 0.7, "c_reg": 1.0, "n_iterations": 3, **CASES[case]}
    model = EProp(n_inputs=12, n_neurons=15, n_outputs=3, tau_out="15 ms", seed=4, **options)
    assert compare(model.fit(x, targets), x, engine) > 50


def test_the_network_survives_its_file_and_needs_a_fit() -> None:
    model = EProp(n_inputs=12, n_neurons=15, n_outputs=1, n_iterations=0)
    with pytest.raises(FitError, match="not fitted"):
        model.network()
    network = model.fit(train(20, 12), np.ones((1, 20))).network()
    assert arc.Network.from_toml(network.to_toml()) == network
    assert not np.any(
        network.projections["neurons->neurons"].connectivity.pre
        == network.projections["neurons->neurons"].connectivity.post
    )


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["numba", BRIAN, pytest.param("brian2-cpp", marks=pytest.mark.brian)])
def test_a_hundred_thousand_spikes_are_equal(engine: str) -> None:
    x = train(10_000, 40, p=0.1)
    beta = np.where(np.arange(200) % 2, 0.02, 0.0)
    model = EProp(n_inputs=40, n_neurons=200, n_outputs=2, n_iterations=0, beta=beta, t_ref="2 ms", seed=5)
    count = compare(model.fit(x, np.zeros((1, 10_000, 2))), x, engine)
    print(f"{engine}: {count} spikes")
    assert count >= 100_000
