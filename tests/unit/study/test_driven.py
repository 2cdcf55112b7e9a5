"""Trials of a drawn task through a spiking network: rates are those of the spikes that a plain run has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import arcuate as arc
from arcuate.errors import SpecError
from arcuate.study import driven_rates
from arcuate.tasks import IntervalComparison

TRIALS = IntervalComparison(low=2, high=4, reference=2.5).draw(3, seed=1)
SHOWN = TRIALS.drive("0.5 ms", hold="20 ms")


def test_rates_are_those_of_a_plain_run_at_the_probe():
    net = arc.load_model("what_when_reservoir")
    found = driven_rates(net, SHOWN, seed=4, progress=False)
    plain = replace(
        net, inputs=[replace(net.inputs["cue"], n_channels=5)], readouts=(), task=None, sources={},
        record=arc.Record(spikes=True),
    )  # fmt: skip
    length = SHOWN.inputs.shape[1]
    run = arc.simulate(
        plain, f"{3 * length * 0.5} ms", seed=4, inputs={"cue": SHOWN.series()}, progress=False
    )
    time, neuron = run.spike_arrays("inh")
    for row, at in enumerate((length * np.arange(3) + 40 * TRIALS.probe) * 0.5e-3):
        past = (at - time)[(neuron == 7) & (time <= at)]
        exact = (past / 0.03**2 * np.exp(-past / 0.03)).sum()  # two stages of 30 ms, in small steps
        rate = float(found[row, (found.population == "inh").values][7])
        assert rate == pytest.approx(exact, rel=0.05, abs=0.05)
    assert found.sizes == {"trial": 3, "neuron": 600}
    other = driven_rates(net, SHOWN, steps=[0, 0, 0], seed=4, progress=False)
    assert float(other[0].max()) == 0.0
    last = driven_rates(net, SHOWN, steps=-1, seed=4, progress=False)
    assert last.equals(driven_rates(net, SHOWN, steps=[length - 1] * 3, seed=4, progress=False))
    several = driven_rates(net, SHOWN, steps=[[0, 40, -1]], seed=4, progress=False)
    assert several.dims == ("trial", "step", "neuron")
    np.testing.assert_array_equal(several[:, 0], other)
    np.testing.assert_array_equal(several[:, 2], last)


@pytest.mark.parametrize(
    "steps",
    [[0, 0], [0, 0, 10_000], [0.5, 0, 0], -10_000, [[1], [2]], [[5, 3]], [[]], np.uint64([[5, 3]])],
    ids=["few", "late", "half", "early", "rows", "order", "none", "unsigned"],
)
def test_moments_outside_of_the_trials_are_refused(steps):
    with pytest.raises(SpecError, match="driven_rates: steps"):
        driven_rates(arc.load_model("what_when_reservoir"), SHOWN, steps=steps)


def test_networks_that_do_not_fit_are_refused():
    with pytest.raises(SpecError, match="one input"):
        driven_rates(
            replace(arc.load_model("what_when_reservoir"), inputs=(), task=None, readouts=(), sources={}),
            SHOWN,
        )
    with pytest.raises(SpecError, match="dt"):
        driven_rates(arc.load_model("what_when_reservoir"), TRIALS.drive("1 ms", hold="20 ms"))
