"""Evidence accumulation: who is shown when, at which rate, and what is right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arcuate as arc
from arcuate.errors import SpecError, TaskError
from arcuate.tasks import EvidenceAccumulation


def trials(n: int = 400, **options: Any) -> Any:
    return EvidenceAccumulation(n_trials=n, **options).trials("1 ms", seed=5)


def test_the_answer_is_the_side_with_more_cues() -> None:
    drawn = trials()
    assert drawn.side.tolist() == [int(np.bincount(row, minlength=2).argmax()) for row in drawn.cues]
    assert 0.4 < drawn.side.mean() < 0.6


def test_seven_in_ten_cues_are_on_the_favored_side() -> None:
    rights = trials(1000).cues.sum(axis=1)
    # mixture of Binomial(7, 0.3) and Binomial(7, 0.7): mean 3.5, variance 7 * 0.21 + 1.4**2
    assert abs(rights.mean() - 3.5) < 4 * np.sqrt(3.43 / 1000)
    assert abs(rights.var() - 3.43) < 0.3


def test_cues_recall_and_noise_have_their_times_and_rates() -> None:
    drawn = trials()
    groups = drawn.spikes.reshape(400, 2250, 4, 10)
    shown = np.zeros((400, 2250, 2), dtype=bool)
    for k in range(7):
        for side in (0, 1):
            shown[drawn.cues[:, k] == side, 150 * k + 50 : 150 * k + 150, side] = True
    assert not groups[:, :, :2][~shown].any()
    assert not groups[:, :2100, 2].any() and drawn.recall == slice(2100, 2250)
    for spikes, rate in (
        (groups[:, :, :2][shown], 0.040),
        (groups[:, drawn.recall, 2], 0.040),
        (groups[:, :, 3], 0.010),
    ):
        assert abs(spikes.mean() - rate) < 4 * np.sqrt(rate * (1 - rate) / spikes.size)


def test_draws_are_seeded_and_streams_are_apart() -> None:
    task = EvidenceAccumulation(n_trials=3)
    one, again, other = (task.trials("1 ms", seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.spikes, again.spikes)
    assert (one.spikes != other.spikes).any()
    longer = EvidenceAccumulation(n_trials=3, delay="200 ms").trials("1 ms", seed=1)
    np.testing.assert_array_equal(one.cues, longer.cues)
    with pytest.raises(ValueError, match="read-only"):
        one.spikes[0, 0, 0] = True


def test_the_spikes_drive_a_network() -> None:
    drawn = trials(2, delay="100 ms")
    cell = arc.Population(
        name="cells", n=2, neuron=arc.lif(tau_m="20 ms", v_rest="-70 mV", v_thresh="-50 mV", v_reset="-70 mV")
    )
    channel = arc.Input(name="cues", target="cells", n_channels=40, kind="spikes", weight="25 mV")
    network = arc.Network(name="evidence", dt="1 ms", populations=[cell], inputs=[channel])
    drive = drawn.drive()
    recording = arc.simulate(network, f"{len(drive)} ms", seed=1, inputs={"cues": drive}, progress=False)
    steps = np.rint(np.asarray(recording.spikes("cells")["time"]) * 1e3).astype(int)
    counts = drive.sum(axis=1)
    assert 0 < len(steps) <= 2 * np.count_nonzero(counts)
    assert np.all((counts[steps] > 0) | (counts[steps - 1] > 0))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_cues": 6}, "n_cues = 6: must be odd"),
        ({"n_inputs": 42}, "n_inputs = 42: must be a multiple of 4"),
        ({"interval": "50 ms"}, "at least as long as a cue"),
        ({"p_side": 1.5}, "p_side"),
        ({"cue": "0 ms"}, "cue"),
        ({"cue_rate": "40"}, "cue_rate"),
        ({"n_trials": 0}, "n_trials"),
    ],
)
def test_bad_tasks_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        EvidenceAccumulation(**options)


@pytest.mark.parametrize(("dt", "rate"), [("300 ms", "1 Hz"), ("1 ms", "2000 Hz")])
def test_steps_that_are_too_long_are_refused(dt: str, rate: str) -> None:
    with pytest.raises(TaskError, match="at most"):
        EvidenceAccumulation(n_trials=1, cue_rate=rate, noise_rate="1 Hz").trials(dt, seed=0)
    with pytest.raises(TaskError, match="entries"):
        EvidenceAccumulation(n_trials=100_000).trials("1 ms", seed=0)
