"""Rows 68 to 70 of the table of bad inputs, and what else a task can be given wrongly."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from arcuate.errors import ArcuateError, SpecError, UnitsError, UnknownNameError
from arcuate.tasks import Block, Condition, Cue, Trials, WhatWhen, build

GOOD: dict[str, Any] = {"n_trials": 4, "latency": "400 ms", "probabilities": {"A": 0.8, "B": 0.2}}


def block(**changes: Any) -> Block:
    return Block(**GOOD | changes)


def task(**changes: Any) -> WhatWhen:
    return WhatWhen(**{"blocks": [Block(**GOOD)]} | changes)


def cued(*cues: Any, **changes: Any) -> WhatWhen:
    return task(blocks=[block(cues=list(cues))], **changes)


ROWS: list[tuple[str, Callable[[], object], type[ArcuateError], str]] = [
    # row 68: probabilities
    ("sum 1.2", lambda: block(probabilities=[0.8, 0.4]), SpecError, "probabilities"),
    ("sum 0.9", lambda: block(probabilities={"A": 0.5, "B": 0.4}), SpecError, "probabilities"),
    ("negative", lambda: block(probabilities=[1.2, -0.2]), SpecError, "probabilities"),
    ("nan", lambda: block(probabilities=[float("nan"), 1.0]), SpecError, "probabilities"),
    ("text", lambda: block(probabilities=["a lot", 0.2]), SpecError, "probabilities"),
    ("bool", lambda: block(probabilities=[True, 0.0]), SpecError, "probabilities"),
    ("empty", lambda: block(probabilities=[]), SpecError, "probabilities"),
    ("number", lambda: block(probabilities=0.8), SpecError, "probabilities"),
    ("word", lambda: block(probabilities="0.8"), SpecError, "probabilities"),
    ("27 unnamed", lambda: block(probabilities=[1 / 27] * 27), SpecError, "probabilities"),
    ("doubled", lambda: block(probabilities=[("A", 0.5), ("A", 0.5)]), SpecError, "probabilities"),
    ("empty name", lambda: block(probabilities={"": 1.0}), SpecError, "probabilities"),
    (
        "other outcomes",
        lambda: task(blocks=[block(), block(probabilities={"A": 0.5, "C": 0.5})]),
        SpecError,
        "probabilities",
    ),
    # row 69: events that overlap or lie outside the trial
    ("after window", lambda: task(blocks=[block(latency="1300 ms")]), SpecError, "latency"),
    ("within cue", lambda: task(blocks=[block(latency="20 ms")]), SpecError, "latency"),
    ("jitter out", lambda: task(latency_jitter="400 ms"), SpecError, "latency"),
    (
        "jitter past",
        lambda: task(blocks=[block(latency="1 s")], latency_jitter="300 ms"),
        SpecError,
        "latency",
    ),
    ("latency 0", lambda: block(latency="0 ms"), SpecError, "latency"),
    ("latency < 0", lambda: block(latency="-5 ms"), SpecError, "latency"),
    ("cues overlap", lambda: cued(("A", "0 ms"), ("B", "30 ms")), SpecError, "cues['B'].onset"),
    ("cues together", lambda: cued(("A", "0 ms"), ("B", "0 ms")), SpecError, "cues['B'].onset"),
    ("cue late", lambda: cued(("A", "1190 ms")), SpecError, "cues"),
    ("outcome before cue", lambda: cued(("A", "0 ms"), ("B", "500 ms")), SpecError, "latency"),
    ("cue before", lambda: cued(("A", "-10 ms")), SpecError, "onset"),
    (
        "outcome into next trial",
        lambda: task(outcome_to_reservoir=True, outcome="2 s"),
        SpecError,
        "outcome",
    ),
    # row 70: no trials
    ("no trials", lambda: block(n_trials=0), SpecError, "n_trials"),
    ("minus", lambda: block(n_trials=-5), SpecError, "n_trials"),
    ("half", lambda: block(n_trials=2.5), SpecError, "n_trials"),
    ("true", lambda: block(n_trials=True), SpecError, "n_trials"),
    ("words", lambda: block(n_trials="150"), SpecError, "n_trials"),
    ("too many", lambda: block(n_trials=10**12), SpecError, "n_trials"),
    ("too many in all", lambda: task(blocks=[block(n_trials=9_000_000)] * 2), SpecError, "blocks"),
    ("no blocks", lambda: task(blocks=[]), SpecError, "blocks"),
    ("blocks a block", lambda: task(blocks=block()), SpecError, "blocks"),
    ("blocks a number", lambda: task(blocks=3), SpecError, "blocks"),
    ("blocks of numbers", lambda: task(blocks=[3]), SpecError, "blocks"),
    # times
    ("bare window", lambda: task(window=1200), UnitsError, "window"),
    ("bare latency", lambda: block(latency=400), UnitsError, "latency"),
    ("volts", lambda: task(window="20 mV"), UnitsError, "window"),
    ("zero window", lambda: task(window="0 ms"), SpecError, "window"),
    ("no window", lambda: task(window=None), SpecError, "window"),
    ("zero teacher", lambda: task(teacher_width="0 ms"), SpecError, "teacher_width"),
    ("cue < 0", lambda: task(cue="-50 ms"), SpecError, "cue"),
    ("iti < 0", lambda: task(iti=("-1 ms", "200 ms")), SpecError, "iti[0]"),
    ("iti mean < 0", lambda: task(iti=("300 ms", "-200 ms")), SpecError, "iti[1]"),
    ("iti of three", lambda: task(iti=("1 ms", "2 ms", "3 ms")), SpecError, "iti"),
    ("jitter < 0", lambda: task(latency_jitter="-1 ms"), SpecError, "latency_jitter"),
    ("lead in < 0", lambda: task(lead_in="-1 ms"), SpecError, "lead_in"),
    ("infinite", lambda: task(window="1e400 s"), SpecError, "window"),
    # the step
    ("teacher < dt", lambda: task(teacher_width="0.1 ms").trials(0.0005, 1), SpecError, "teacher_width"),
    ("cue < dt", lambda: task(cue="0.1 ms").trials(0.0005, 1), SpecError, "cue"),
    ("dt 0", lambda: task().trials(0.0, 1), SpecError, "dt"),
    ("dt < 0", lambda: task().trials("-1 ms", 1), SpecError, "dt"),
    ("dt nan", lambda: task().trials(float("nan"), 1), SpecError, "dt"),
    ("dt bare", lambda: task().trials(1, 1), SpecError, "dt"),
    ("dt tiny", lambda: task().trials(1e-18, 1), SpecError, "dt"),
    ("align", lambda: task().trials(0.0003, 1), SpecError, "align"),
    ("seed -1", lambda: task().trials(0.001, -1), ArcuateError, "seed"),
    ("seed text", lambda: task().trials(0.001, "a"), ArcuateError, "seed"),
    ("seed 1.5", lambda: task().trials(0.001, 1.5), ArcuateError, "seed"),
    ("seed 2^200", lambda: task().trials(0.001, 2**200), ArcuateError, "seed"),
    # the rest
    ("omission 2", lambda: task(omission=2.0), SpecError, "omission"),
    ("omission nan", lambda: block(omission=float("nan")), SpecError, "omission"),
    ("not a bool", lambda: task(outcome_to_reservoir="yes"), SpecError, "outcome_to_reservoir"),
    ("no cue", lambda: block(cues=[]), SpecError, "cues"),
    ("cues a number", lambda: block(cues=5), SpecError, "cues"),
    ("cue of three", lambda: block(cues=[("A", "0 ms", 3)]), SpecError, "cues"),
    ("cue without name", lambda: Cue(name=""), SpecError, "name"),
    ("long name", lambda: Cue(name="x" * 300), SpecError, "name"),
    ("control", lambda: Cue(name="a\u202eb"), SpecError, "name"),
    ("no latency", lambda: Block(n_trials=1, probabilities=[1.0]), SpecError, "latency"),
    ("no probabilities", lambda: Block(n_trials=1, latency="1 ms"), SpecError, "probabilities"),
    (
        "both",
        lambda: block(conditions=[Condition(latency="400 ms", probabilities=[1.0])]),
        SpecError,
        "latency",
    ),
    ("conditions", lambda: Block(n_trials=1, conditions=[5]), SpecError, "conditions"),
    (
        "weight 0",
        lambda: Condition(latency="400 ms", probabilities=[1.0], weight=0.0),
        SpecError,
        "weight",
    ),
    # tables
    ("no kind", lambda: build({"blocks": [GOOD]}), SpecError, "kind"),
    ("kind", lambda: build({"kind": "what_wen", "blocks": [GOOD]}), UnknownNameError, "what_wen"),
    ("kind 3", lambda: build({"kind": 3, "blocks": [GOOD]}), UnknownNameError, "3"),
    (
        "field",
        lambda: build({"kind": "what_when", "blocks": [GOOD], "windwo": "1 s"}),
        UnknownNameError,
        "windwo",
    ),
    (
        "field in block",
        lambda: build({"kind": "what_when", "blocks": [GOOD | {"latencie": "1 s"}]}),
        UnknownNameError,
        "latencie",
    ),
    ("no blocks given", lambda: build({"kind": "what_when"}), SpecError, "blocks"),
    ("block without trials", lambda: build({"kind": "what_when", "blocks": [{}]}), SpecError, "n_trials"),
    ("not a table", lambda: build(5), SpecError, "table"),
]


@pytest.mark.parametrize(("call", "error", "name"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_refused(call: Callable[[], object], error: type[ArcuateError], name: str) -> None:
    begin = time.process_time()
    with pytest.raises(error) as caught:
        call()
    assert time.process_time() - begin < 2.0
    assert isinstance(caught.value, ValueError)
    message = str(caught.value)
    assert len(message.splitlines()) <= 4
    assert name in message
    assert name in str(caught.value.name)
    assert caught.value.bound


def test_the_message_says_the_value_and_the_bound() -> None:
    with pytest.raises(SpecError, match=r"1\.2"):
        block(probabilities=[0.8, 0.4])
    with pytest.raises(SpecError, match=r"1\.3 s.*1\.2 s|1300 ms.*1200 ms"):
        task(blocks=[block(latency="1300 ms")])
    with pytest.raises(UnitsError, match='Did you mean "1200 ms"'):
        task(window=1200)
    with pytest.raises(UnknownNameError, match="window"):
        build({"kind": "what_when", "blocks": [GOOD], "windwo": "1 s"})


@pytest.fixture(scope="module")
def trials() -> Trials:
    return task().trials(0.001, 1)


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.drive("cues"),
        lambda t: t.target(4),
        lambda t: t.target(-1),
        lambda t: t.teacher(1.5, np.zeros(1)),
        lambda t: t.head(0),
        lambda t: t.head(5),
        lambda t: t.gate_at(np.zeros(1, int), phase="where"),
        lambda t: t.sample_steps(0),
        lambda t: t.score([[0], [0, 1]], "50 ms"),
        lambda t: t.drive("cue").dense(-1),
        lambda t: t.drive("cue").dense(5, first=-1),
    ],
)
def test_trials_refuse_what_is_not_there(trials: Trials, call: Callable[[Trials], object]) -> None:
    with pytest.raises(SpecError):
        call(trials)
