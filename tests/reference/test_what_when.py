"""The what/when model against its expected figures: seed 0 by default, all seeds and ablations if slow.

Needs no bounds of its own: they stand in ``models/what_when_reservoir/expected.toml``.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest

import arcuate as arc
from arcuate.models import model_folder
from arcuate.study.prediction import example_session, latency_sweep, measure_session, probability_sweep
from arcuate.study.prediction_report import Found, caveats_of
from arcuate.study.reproduction import Reproduction, default_seeds, judge, load_reproduce, read_expected
from arcuate.study.session import predictor_of, record_session, run_jobs

NAME = "what_when_reservoir"
FIGURES = {figure.name: figure for figure in read_expected(model_folder(NAME) / "expected.toml")}
QUICK = [name for name, figure in FIGURES.items() if figure.judged]


@cache
def quick() -> Reproduction:
    """Run what ``arcuate reproduce --quick`` runs, once."""
    return load_reproduce(NAME)((0,), True, Path(), lambda *_: None)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", QUICK)
def test_seed_0_shows_the_figure(name: str) -> None:
    figure = next(figure for figure in quick().figures if figure.name == name)
    assert figure.holds, f"{figure.what}: {figure.measured}, expected {figure.expected}"


def test_the_quick_report_has_its_pictures_and_caveats() -> None:
    result = quick()
    for start in ("F1", "F2", "F3", "F4", "F5", "F6", "F7", "F9"):
        assert any(name.startswith(start) for name in result.plots), start
    assert set(result.plots) <= set(result.captions)
    assert len(result.caveats) == 4
    assert "not from recurrence" in result.caveats[0]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_all_seeds_and_ablations_show_the_figures() -> None:
    result = load_reproduce(NAME)(default_seeds(NAME), False, Path(), lambda *_: None)
    bad = [f"{f.name}: {f.measured}, expected {f.expected}" for f in result.figures if not f.holds]
    assert not bad


def test_the_session_is_what_the_online_rule_saw() -> None:
    network = arc.load_model(NAME)
    short = network.with_(
        "task", dict(network.to_dict()["task"]) | {"blocks": [_block(6), _block(6, "700 ms")]}
    )
    session = record_session(short, seed=3)
    rec = arc.simulate(short, seed=3, record=arc.Record(spikes=False, readouts=("weights",)), progress=False)
    online = rec.weights("prediction")["weight"].values[-1].reshape(3, -1)
    trials = session.trials
    model = predictor_of(network, n_outcomes=2).fit(
        session.states.astype(float), trials.teachers(session.times), outcome=trials.outcome
    )
    # The session keeps float32, whose rounding is 6e-8 of each feature.
    np.testing.assert_allclose(model.when_coef_, online[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.what_coef_, online[1:], rtol=1e-4, atol=1e-6)


def _block(n: int, latency: str = "400 ms") -> dict[str, object]:
    return {"n_trials": n, "latency": latency, "probabilities": {"A": 0.8, "B": 0.2}}


def test_the_first_trials_of_a_session_are_those_of_a_longer_one() -> None:
    network = arc.load_model(NAME)
    short, long = (record_session(network, seed=2, n_trials=n) for n in (2, 4))
    np.testing.assert_array_equal(short.states, long.states[:2])


def test_sweeps_recover_what_was_put_in() -> None:
    session, protocol = example_session()
    rule = predictor_of(arc.load_model(NAME))
    assert latency_sweep(session, rule, protocol).max() == 0.0
    amplitude, realized = probability_sweep(session, rule, protocol)
    assert realized.tolist()[0] == 0.0 and realized.tolist()[-1] == 1.0
    assert np.all(np.diff(amplitude) > 0.2)


def test_one_cue_of_a_stream_is_a_drive_of_its_own() -> None:
    network = arc.load_model(f"{NAME}/two_streams")
    task = dict(network.to_dict()["task"])
    trials = arc.tasks.build(task).trials(network.dt, 1)
    total = sum(len(trials.drive(name)) for name in ("a0", "a1", "b0", "b1"))
    assert total == len(trials.drive("cue")) == 2 * trials.n_trials
    apart = [name for name, p in network.projections.items() if p.pre[-1] != p.post[-1]]
    assert len(apart) == 8
    for name, drive in network.inputs.items():
        assert {target[-1] for target in drive.target} == {name[0]}


def test_figures_are_judged_from_the_card_and_not_by_hand() -> None:
    figures = judge(NAME, {"timing_error": {0: 30.0}})
    assert not figures[0].holds
    assert Found({}, None).values() == {}
    assert all(text.strip() for text in caveats_of(model_folder(NAME) / "README.md"))


def test_jobs_in_processes_give_the_results_of_jobs_here() -> None:
    jobs = {n: partial(pow, n, 2) for n in range(4)}
    assert run_jobs(jobs, workers=2) == run_jobs(jobs, workers=1) == {0: 0, 1: 1, 2: 4, 3: 9}


def test_a_measurement_does_not_depend_on_the_number_of_threads() -> None:
    network = arc.load_model(NAME)
    task = dict(network.to_dict()["task"]) | {"blocks": [_block(25), _block(25, "700 ms")]}
    protocol = example_session()[1]
    protocol = replace(protocol, sweep_trials=40, omission=(20, 10, 10), probabilities=(0.0, 0.5, 1.0))
    one, two = (measure_session(network.with_("task", task), protocol, seed=1, threads=n) for n in (1, 2))
    for rule, scores in one["rules"].items():
        np.testing.assert_array_equal(scores.error, two["rules"][rule].error)
