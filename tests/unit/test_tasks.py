"""The what/when task: layout, draws, drive, teacher and tables, against plain counting and statistics."""

from __future__ import annotations

import dataclasses
import tomllib
from itertools import pairwise

import numpy as np
import pytest

from arcuate.tasks import Block, Condition, Cue, Pulses, Trials, WhatWhen, build

DT = 0.0005


def spec_blocks(n: int = 150) -> list[Block]:
    table = [(400, 0.8), (700, 0.8), (700, 0.2), (400, 0.5)]
    return [Block(n_trials=n, latency=f"{ms} ms", probabilities={"A": p, "B": 1 - p}) for ms, p in table]


@pytest.fixture(scope="module")
def trials() -> Trials:
    return WhatWhen(blocks=spec_blocks()).trials(DT, seed=5)


def test_the_layout_follows_the_window_and_the_interval(trials: Trials) -> None:
    assert trials.n_trials == 600
    assert trials.window_steps == 2400
    assert trials.start[0] == 0
    assert (trials.start[1:] == trials.end[:-1]).all()
    assert trials.n_steps == trials.end[-1]
    # aligned to 10 ms = 20 steps, window 1200 ms and at least 300 ms of interval
    assert (trials.start % 20 == 0).all()
    assert (trials.end - trials.start).min() >= 3000
    assert trials.duration == pytest.approx(trials.n_steps * DT)


def test_the_interval_is_300_ms_plus_an_exponential_of_200_ms() -> None:
    task = WhatWhen(blocks=[Block(n_trials=20_000, latency="400 ms", probabilities=[1.0])], align="0 ms")
    drawn = task.trials(DT, seed=0)
    extra = (drawn.end - drawn.start) * DT - 1.5
    n = extra.size
    assert extra.min() >= 0
    # mean and variance of the exponential, four standard errors (the fourth central moment is 9 mean^4)
    assert abs(extra.mean() - 0.2) < 4 * 0.2 / np.sqrt(n) + DT / 2
    assert abs(extra.var() - 0.04) < 4 * np.sqrt(8) * 0.04 / np.sqrt(n)
    assert np.mean(extra > 0.2) == pytest.approx(np.exp(-1), abs=4 * 0.5 / np.sqrt(n))


def test_latency_and_probability_follow_the_blocks(trials: Trials) -> None:
    expected = np.repeat([0.4, 0.7, 0.7, 0.4], 150)
    np.testing.assert_allclose(trials.latency, expected, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(trials.probabilities[:, 0], np.repeat([0.8, 0.8, 0.2, 0.5], 150))
    assert trials.outcomes == ("A", "B")


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_outcomes_are_bernoulli_draws(p: float) -> None:
    n = 20_000
    task = WhatWhen(blocks=[Block(n_trials=n, latency="400 ms", probabilities=[p, 1 - p])])
    hits = (task.trials("1 ms", seed=3).outcome == 0).astype(float)
    assert abs(hits.mean() - p) <= 4 * np.sqrt(p * (1 - p) / n)
    if 0 < p < 1:
        neighbors = np.corrcoef(hits[1:], hits[:-1])[0, 1]
        assert abs(neighbors) < 4 / np.sqrt(n)


def test_several_outcomes_and_omissions() -> None:
    p, n = np.array([0.5, 0.3, 0.0, 0.2]), 20_000
    block = Block(n_trials=n, latency="400 ms", probabilities=p.tolist())
    drawn = WhatWhen(blocks=[block], omission=0.25).trials("1 ms", seed=1)
    omitted = drawn.outcome == -1
    assert abs(omitted.mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / n)
    shares = np.bincount(drawn.outcome[~omitted], minlength=4) / (~omitted).sum()
    assert shares[2] == 0
    assert (np.abs(shares - p) <= 4 * np.sqrt(p * (1 - p) / (~omitted).sum())).all()


def test_a_block_may_have_its_own_omission() -> None:
    blocks = [
        dataclasses.replace(b, omission=o)
        for b, o in zip(spec_blocks(50), (0.0, 1.0, None, 0.0), strict=True)
    ]
    drawn = WhatWhen(blocks=blocks, omission=1.0).trials(DT, seed=0)
    withheld = [bool((drawn.outcome[drawn.block == k] == -1).all()) for k in range(4)]
    assert withheld == [False, True, True, False]
    assert (drawn.outcome[:50] >= 0).all()


def test_the_same_seed_gives_the_same_trials_and_another_does_not() -> None:
    task = WhatWhen(blocks=spec_blocks())
    a, b, c = task.trials(DT, seed=7), task.trials("0.5 ms", seed=7), task.trials(DT, seed=8)
    for name in ("start", "end", "outcome", "latency_steps"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert (a.outcome != c.outcome).any()
    assert (a.start != c.start).any()


def test_one_kind_of_draw_moves_no_other() -> None:
    plain = WhatWhen(blocks=spec_blocks())
    base = plain.trials(DT, seed=2)
    omitted = dataclasses.replace(plain, omission=0.5).trials(DT, seed=2)
    came = omitted.outcome >= 0
    np.testing.assert_array_equal(omitted.outcome[came], base.outcome[came])
    np.testing.assert_array_equal(omitted.start, base.start)
    jittered = dataclasses.replace(plain, latency_jitter="100 ms").trials(DT, seed=2)
    np.testing.assert_array_equal(jittered.outcome, base.outcome)
    np.testing.assert_array_equal(jittered.start, base.start)
    steady = dataclasses.replace(plain, iti="300 ms").trials(DT, seed=2)
    np.testing.assert_array_equal(steady.outcome, base.outcome)


def test_blocks_added_at_the_end_move_no_earlier_trial() -> None:
    short, long = (WhatWhen(blocks=spec_blocks()[:k]).trials(DT, seed=9) for k in (2, 4))
    for name in ("start", "end", "outcome", "condition"):
        np.testing.assert_array_equal(getattr(short, name), getattr(long, name)[: short.n_trials])


def test_jitter_is_uniform_about_the_latency() -> None:
    task = WhatWhen(
        blocks=[Block(n_trials=5000, latency="400 ms", probabilities=[1.0])], latency_jitter="100 ms"
    )
    latency = task.trials(DT, seed=0).latency
    assert latency.min() >= 0.3 - DT and latency.max() <= 0.5 + DT
    assert abs(latency.mean() - 0.4) < 4 * 0.1 / np.sqrt(3 * 5000)
    assert latency.std() == pytest.approx(0.1 / np.sqrt(3), rel=0.03)


def test_the_drive_is_one_pulse_a_cue(trials: Trials) -> None:
    drive = trials.drive("cue").dense(trials.n_steps)
    expected = np.zeros(trials.n_steps)
    for start in trials.start:
        expected[start : start + 100] = 1.0
    np.testing.assert_array_equal(drive[:, 0], expected)
    assert drive.shape == (trials.n_steps, 1)
    assert len(trials.drive("outcome")) == 0
    assert not trials.drive("outcome").dense(1000).any()


def test_pieces_of_a_drive_make_the_whole(trials: Trials) -> None:
    pulses = trials.drive("cue")
    whole = pulses.dense(10_000)
    cuts = [0, 1, 50, 99, 3333, 10_000]
    pieces = [pulses.dense(b - a, first=a) for a, b in pairwise(cuts)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_overlapping_pulses_add_up() -> None:
    pulses = Pulses.make(np.array([0, 1]), np.array([0, 0]), length=2, n_channels=1)
    assert pulses.dense(4)[:, 0].tolist() == [1.0, 2.0, 1.0, 0.0]


def test_the_outcome_may_be_a_stimulus() -> None:
    task = WhatWhen(blocks=spec_blocks(20), outcome_to_reservoir=True, omission=0.3)
    drawn = task.trials(DT, seed=4)
    drive = drawn.drive("outcome").dense(drawn.n_steps)
    expected = np.zeros((drawn.n_steps, 2))
    for i in range(drawn.n_trials):
        if drawn.outcome[i] >= 0:
            at = drawn.start[i] + round(drawn.latency[i] / DT)
            expected[at : at + 100, drawn.outcome[i]] = 1.0
    np.testing.assert_array_equal(drive, expected)


def test_the_teacher_is_a_gaussian_at_the_latency(trials: Trials) -> None:
    times = np.arange(0, 1.2, 0.01)
    for trial in (0, 200, 599):
        expected = np.exp(-((times - trials.latency[trial]) ** 2) / (2 * 0.03**2))
        np.testing.assert_allclose(trials.teacher(trial, times), expected, rtol=1e-12, atol=0)
    np.testing.assert_array_equal(trials.teachers(times)[200], trials.teacher(200, times))


def test_a_withheld_outcome_has_no_teacher_and_no_target() -> None:
    drawn = WhatWhen(blocks=spec_blocks(5), omission=1.0).trials(DT, seed=0)
    assert not drawn.teachers(np.arange(0, 1.2, 0.01)).any()
    assert not drawn.targets.any()
    assert not drawn.teacher_at(np.arange(drawn.n_steps)).any()


def test_targets_are_one_hot(trials: Trials) -> None:
    for trial in (0, 100, 599):
        expected = [0.0, 0.0]
        expected[trials.outcome[trial]] = 1.0
        assert trials.target(trial).tolist() == expected


def test_what_holds_at_a_step(trials: Trials) -> None:
    steps = np.arange(0, trials.end[3], 7)
    trial, phase = trials.trial_at(steps), trials.phase_at(steps)
    when, what, teacher = trials.gate_at(steps), trials.gate_at(steps, phase="what"), trials.teacher_at(steps)
    for k, step in enumerate(steps):
        mine = max(i for i in range(trials.n_trials) if trials.start[i] <= step)
        since = (step - trials.start[mine]) * DT
        assert trial[k] == mine
        assert phase[k] == pytest.approx(since, abs=1e-12)
        assert when[k] == (step - trials.start[mine] < 2400)
        expected = np.exp(-((since - trials.latency[mine]) ** 2) / 0.0018) if when[k] else 0.0
        assert teacher[k] == pytest.approx(expected, rel=1e-9, abs=1e-300)
    np.testing.assert_array_equal(when + what, 1.0)
    assert trials.gate_at(np.array([trials.n_steps])).tolist() == [0.0]


def test_before_the_first_trial_all_is_shut() -> None:
    drawn = WhatWhen(blocks=spec_blocks(2), lead_in="505 ms").trials(DT, seed=0)
    assert drawn.start[0] == 1020  # 505 ms, on to the next multiple of 10 ms
    before = np.array([0, 1019])
    assert drawn.trial_at(before).tolist() == [-1, -1]
    assert (drawn.phase_at(before) < 0).all()
    for gate in ("when", "what"):
        assert not drawn.gate_at(before, phase=gate).any()
    assert not drawn.teacher_at(before).any()


def test_every_trial_is_sampled_at_the_same_phases(trials: Trials) -> None:
    steps = trials.sample_steps(20, window_only=True)
    assert steps.size == 600 * 120
    assert (steps % 20 == 0).all()
    phases = trials.phase_at(steps).reshape(600, 120)
    np.testing.assert_allclose(phases, np.broadcast_to(np.arange(120) * 0.01, (600, 120)), rtol=0, atol=1e-9)


def test_two_cues_whose_order_decides_the_latency() -> None:
    kinds = [
        Condition(latency="600 ms", probabilities=[0.8, 0.2], cues=[("A", "0 ms"), ("B", "200 ms")]),
        Condition(
            latency="900 ms", probabilities=[0.8, 0.2], cues=[("B", "0 ms"), ("A", "200 ms")], weight=3
        ),
    ]
    task = WhatWhen(blocks=[Block(n_trials=4000, conditions=kinds)])
    drawn = task.trials(DT, seed=1)
    assert drawn.cue_names == ("A", "B")
    assert drawn.conditions == ("A>B", "B>A")
    first = drawn.condition == 0
    assert abs(first.mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 4000)
    np.testing.assert_allclose(drawn.latency, np.where(first, 0.6, 0.9), rtol=0, atol=1e-12)
    drive = drawn.drive("cue").dense(int(drawn.end[9]))
    for i in range(10):
        at, second = drawn.start[i], drawn.start[i] + 400
        channel = 0 if first[i] else 1
        assert drive[at, channel] == 1 and drive[at, 1 - channel] == 0
        assert drive[second, 1 - channel] == 1 and drive[second, channel] == 0
        assert drive[at : drawn.end[i]].sum() == 200


def test_events_say_what_was_shown_and_when(trials: Trials) -> None:
    events = trials.events()
    n = {len(column) for column in events.values()}
    assert n == {3 * 600}
    assert (np.diff(events["time"]) >= 0).all()
    outcome = events["kind"] == "outcome"
    np.testing.assert_array_equal(events["index"][outcome], trials.outcome)
    np.testing.assert_array_equal(events["name"][outcome], np.array(["A", "B"])[trials.outcome])
    np.testing.assert_allclose(
        events["time"][outcome], trials.start * DT + np.repeat([0.4, 0.7, 0.7, 0.4], 150), rtol=0, atol=1e-9
    )
    np.testing.assert_array_equal(events["trial"][events["kind"] == "cue"], np.arange(600))
    np.testing.assert_array_equal(events["p_A"], trials.probabilities[events["trial"], 0])


def test_omissions_are_events() -> None:
    drawn = WhatWhen(blocks=spec_blocks(30), omission=0.5).trials(DT, seed=0)
    events = drawn.events()
    kinds = {kind: int((events["kind"] == kind).sum()) for kind in ("trial", "cue", "outcome", "omission")}
    withheld = int((drawn.outcome < 0).sum())
    assert kinds == {"trial": 120, "cue": 120, "outcome": 120 - withheld, "omission": withheld}
    assert 0 < withheld < 120
    assert set(events["index"][events["kind"] == "omission"]) == {-1}


def test_the_summary_reports_realized_frequencies() -> None:
    drawn = WhatWhen(blocks=spec_blocks(), omission=0.2).trials(DT, seed=6)
    table = drawn.summary()
    assert table["n_trials"].tolist() == [150] * 4
    for k in range(4):
        mine = drawn.outcome[150 * k : 150 * (k + 1)]
        assert table["omitted"][k] == (mine == -1).sum()
        assert table["realized_A"][k] == pytest.approx((mine == 0).sum() / (mine >= 0).sum())
    assert table["p_A"].tolist() == [0.8, 0.8, 0.2, 0.5]
    per_trial = drawn.to_pandas()
    assert len(per_trial) == 600
    assert (per_trial["outcome"] == "omitted").sum() == table["omitted"].sum()


def test_coordinates_number_the_repeats_of_each_stimulus() -> None:
    kinds = [Condition(latency="600 ms", probabilities=[1.0], cues=cue) for cue in ("x", "y")]
    drawn = WhatWhen(blocks=[Block(n_trials=20, conditions=kinds, name="only")]).trials(DT, seed=0)
    coords = drawn.coords()
    pairs = list(zip(coords["stimulus"].tolist(), coords["repeat"].tolist(), strict=True))
    assert len(set(pairs)) == 20
    for name in ("x", "y"):
        assert [r for s, r in pairs if s == name] == list(range((coords["stimulus"] == name).sum()))
    assert set(coords["condition"]) == {"only"}


def test_a_task_survives_its_table_and_toml() -> None:
    kinds = [
        Condition(latency="333.3333 ms", probabilities={"A": 0.1, "B": 0.9}, cues=["x"]),
        Condition(
            latency="600 ms", probabilities=[0.8, 0.2], cues=[Cue(name="y", onset="17 ms")], weight=2.5
        ),
    ]
    task = WhatWhen(
        blocks=[Block(n_trials=3, conditions=kinds, omission=0.25, name="mixed"), *spec_blocks(2)],
        iti=("250 ms", "123 us"), lead_in="1 s", align="0 ms", omission=0.125, latency_jitter="1 ms",
    )  # fmt: skip
    again = build(task.to_dict())
    assert again == task
    assert hash(again) == hash(task)
    text = """
        kind = "what_when"
        window = "1 s"
        iti = ["300 ms", "200 ms"]
        [[blocks]]
        n_trials = 4
        latency = "400 ms"
        probabilities = { reward = 0.8, nothing = 0.2 }
        cues = [["tone", "0 ms"], ["light", "100 ms"]]
    """
    read = build(tomllib.loads(text))
    drawn = read.trials(DT, seed=0)
    assert drawn.outcomes == ("reward", "nothing")
    assert drawn.cue_names == ("tone", "light")


def test_replace_changes_one_field() -> None:
    task = WhatWhen(blocks=spec_blocks(3))
    other = dataclasses.replace(task, window="1 s")
    assert other.window == 1.0
    assert other.blocks == task.blocks
    assert dataclasses.replace(task.blocks[0], latency="500 ms").kinds[0].latency == 0.5


def test_frozen_all_the_way() -> None:
    probabilities = [0.8, 0.2]
    task = WhatWhen(blocks=[Block(n_trials=2, latency="400 ms", probabilities=probabilities)])
    probabilities[0] = 9.0
    assert task.blocks[0].kinds[0].pairs == (("A", 0.8), ("B", 0.2))
    with pytest.raises(dataclasses.FrozenInstanceError):
        task.window = 2.0
    drawn = task.trials(DT, seed=0)
    with pytest.raises(ValueError, match="read-only"):
        drawn.outcome[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        drawn.cues.start[0] = 1


def test_the_first_trials_alone(trials: Trials) -> None:
    head = trials.head(10)
    assert head.n_trials == 10
    assert head.n_steps == trials.end[9]
    np.testing.assert_array_equal(
        head.drive("cue").dense(head.n_steps), trials.drive("cue").dense(head.n_steps)
    )
    np.testing.assert_array_equal(head.events()["time"], trials.events()["time"][:30])


def test_a_latency_between_steps_is_rounded() -> None:
    block = Block(n_trials=1, latency="400 ms", probabilities=[1.0])
    drawn = WhatWhen(blocks=[block], align="0 ms").trials(0.0003, seed=0)
    assert drawn.latency_steps.tolist() == [1333]
    assert drawn.latency[0] == pytest.approx(0.3999, abs=1e-12)
