"""Sessions: what a recording of features holds is what a session recorded at once holds."""

from __future__ import annotations

import numpy as np
import pytest

import arcuate as arc
from arcuate.errors import RecordingError
from arcuate.study.session import record_session, session_of


def network(**changes: object) -> arc.Network:
    """A small network with a task of two blocks."""
    blocks = [
        {"n_trials": 3, "latency": latency, "probabilities": [0.5, 0.5]} for latency in ("300 ms", "600 ms")
    ]
    options = {
        "name": "small",
        "dt": "0.5 ms",
        "populations": [arc.Population(name="exc", n=4, neuron=arc.lif(), bias="0.5 nA")],
        "readouts": [arc.Readout(name="out", source="exc", n_outputs=2)],
        "record": arc.Record(readouts=("features",)),
        "task": {"kind": "what_when", "blocks": blocks},
    }
    return arc.Network(**(options | changes))


def test_a_session_of_a_recording_is_the_session_recorded_at_once() -> None:
    net = network()
    found, at_once = session_of(arc.simulate(net, seed=3, progress=False)), record_session(net, seed=3)
    assert found.states.any()
    np.testing.assert_array_equal(found.states, at_once.states)
    np.testing.assert_array_equal(found.times, at_once.times)
    assert found.seed == 3 and found.switches == [3]
    np.testing.assert_array_equal(found.trials.outcome, at_once.trials.outcome)


def test_a_recording_without_features_is_refused_with_the_way_out() -> None:
    with pytest.raises(RecordingError, match="features"):
        session_of(arc.simulate(network(record=arc.Record()), seed=1, progress=False))
