"""Trials of a drive shown to a network: the last state of each, as a run by hand has it."""

from __future__ import annotations

import numpy as np
import pytest

import arcuate as arc
from arcuate.errors import SpecError
from arcuate.study.session import drive_states
from arcuate.tasks import Urns

NETWORK = arc.Network(
    name="small",
    dt="0.5 ms",
    populations=[arc.Population(name="exc", n=6, neuron=arc.lif())],
    inputs=[arc.Input(name="balls", target="exc", n_channels=8, weight="1 nA")],
    readouts=[arc.Readout(name="out", source="exc", period="5 ms")],
)
TRIALS = Urns(length=3).draw(4, seed=1)


def test_states_are_those_at_the_end_of_each_trial():
    drive = TRIALS.drive("0.5 ms", hold="10 ms")
    found = drive_states(NETWORK, drive, seed=1)
    recording = arc.simulate(
        NETWORK,
        "120 ms",
        seed=1,
        inputs={"balls": drive.series()},
        record=arc.Record(spikes=True, readouts=("features",)),
    )
    features = recording.states("out/features")["r"]
    ends = 0.03 * np.arange(1, 5)
    by_hand = [features.values[0, np.flatnonzero(features["time"] < end - 1e-9)[-1]] for end in ends]
    np.testing.assert_allclose(found, by_hand)
    assert found.any()


@pytest.mark.parametrize(
    ("network", "hold", "dt", "name"),
    [
        (NETWORK, "10 ms", "1 ms", "drive.dt"),
        (NETWORK, "4 ms", "0.5 ms", "drive"),
        (NETWORK.replace({"readouts": []}), "10 ms", "0.5 ms", "network"),
    ],
    ids=["step", "period", "readout"],
)
def test_what_does_not_fit_is_refused(network, hold, dt, name):
    with pytest.raises(SpecError) as caught:
        drive_states(network, TRIALS.drive(dt, hold=hold), seed=1)
    assert caught.value.name == name
