"""The published models that learn from reward: their tables, and what they show in a small run."""

from __future__ import annotations

import numpy as np
import pytest

from arcuate import learning
from arcuate.analysis import period_match
from arcuate.models import load_training, model_folder
from arcuate.study.reproduction import default_seeds, load_reproduce, read_expected
from arcuate.tasks import DelayedNonMatch


@pytest.mark.parametrize("name", ["hoerzer_pattern", "miconi_dnms"])
def test_the_table_says_what_the_estimator_does_by_default(name: str) -> None:
    table = load_training(name)
    net = getattr(learning, table["estimator"])()
    for parameter, value in table["parameters"].items():
        default = getattr(net, parameter)
        if parameter == "baseline":
            default = {"kind": default, "rate": learning.RunningMean().rate}
        elif parameter == "fixed":
            default = [list(pair) for pair in default]
        assert value == default, parameter
    assert set(net.get_params()) - set(table["parameters"]) == {"seed"}


def test_the_task_of_the_table_is_the_default_one() -> None:
    table = load_training("miconi_dnms")["task"]
    assert DelayedNonMatch(**table) == DelayedNonMatch()


@pytest.mark.parametrize(("name", "count"), [("hoerzer_pattern", 5), ("miconi_dnms", 8)])
def test_every_figure_has_its_bounds_seeds_and_source(name: str, count: int) -> None:
    figures = read_expected(model_folder(name) / "expected.toml")
    assert len(default_seeds(name)) == count
    assert any(figure.judged for figure in figures)  # a quick run judges something
    assert callable(load_reproduce(name))


def pattern() -> np.ndarray:
    phase = 2 * np.pi * np.arange(1000) / 1000
    return 1.3 * (np.sin(phase) / 1.5 + np.sin(2 * phase) / 3 + np.sin(3 * phase) / 9 + np.sin(4 * phase) / 3)


def test_a_network_follows_a_pattern_while_it_learns_from_a_scalar_reward() -> None:
    wave = pattern()
    net = learning.ExploratoryHebb(seed=0).fit(None, np.tile(wave, 20), progress=False)
    assert net.history_.rmse.values[-5:].mean() < wave.std() / 4


@pytest.mark.slow
def test_a_network_generates_the_pattern_alone() -> None:
    wave = pattern()
    net = learning.ExploratoryHebb(seed=0).fit(None, np.tile(wave, 60), progress=False)
    assert period_match(net.generate(10_000)[:, 0], wave).correlation.min() > 0.9


@pytest.mark.slow
def test_a_rate_network_learns_to_compare_and_a_network_without_learning_does_not() -> None:
    trials = DelayedNonMatch(n_trials=1000).trials("1 ms", seed=4)
    right = {}
    for rate in (0.1, 0.0):
        net = learning.NodePerturbation(learning_rate=rate, seed=4)
        net.fit(trials.inputs, trials.target, stimulus=trials.stimulus, answer=trials.answer, progress=False)
        right[rate] = (net.history_.answer * trials.target[trials.stimulus, -1] > 0)[-100:].mean()
    assert right[0.1] >= 0.95 and right[0.0] <= 0.75
