"""Sizes that do not fit into memory are refused before anything is made, and by a name of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from arcuate import _inputs, memory, tasks
from arcuate._inputs import check_bytes
from arcuate.errors import MemoryLimitError, NonFiniteError, SpecError, TaskError
from arcuate.memory import inference

MANY = 10**9
STORE = memory.HippocampalStore(2, 1).write([[1.0, 0.0]], [[2.0]])
WORLD, RNG = memory.SceneWorld(seed=1), np.random.default_rng(1)
CONFIG = memory.PMIConfig(d_model=8, n_heads=2)
BRAIN = memory.TensorBrain({"a": 2}, d_sensory=2)

CASES: dict[str, Callable[[], Any]] = {
    "association": lambda: memory.AssociativeMemory(MANY, MANY),
    "sequence": lambda: memory.SequenceStore(10**6),
    "sequence, replay": lambda: memory.SequenceStore(2).write([[1, 1], [1, -1]]).replay([1, 1], 2 * MANY),
    "world": lambda: memory.SceneWorld(entities=MANY),
    "world, colors": lambda: memory.SceneWorld(colors=MANY),
    "world, width": lambda: memory.SceneWorld(d_sensory=MANY),
    "scenes": lambda: WORLD.draw(MANY),
    "store": lambda: memory.HippocampalStore(MANY, 2),
    "store, units": lambda: memory.HippocampalStore(3, 2, n_units=MANY),
    "replay": lambda: memory.replay(STORE, MANY, rng=RNG),
    "consolidation": lambda: memory.consolidate(STORE, memory.SlowLearner(2, 1), events=1, batch=MANY),
    "slow": lambda: memory.SlowLearner(2, 1, n_hidden=MANY),
    "factors": lambda: memory.draw_factors(MANY, functions=["xor"]),
    "factors, free": lambda: memory.draw_factors(10, functions=["xor"], free=MANY),
    "chain": lambda: memory.lookup_chain(1, chains=MANY),
    "chain, layers": lambda: memory.lookup_chain(1, layers=MANY),
    "chain, items": lambda: memory.lookup_chain(1, n_items=MANY),
    "chain, width": lambda: memory.lookup_chain(1, d_key=10**6),
    "recall": lambda: memory.retrieval_error("hebb", [MANY], d_key=4),
    "recall, width": lambda: memory.retrieval_error("hebb", [4], d_key=10**6),
    "recall, earlier": lambda: memory.retrieval_error("softmax", [4], d_key=4, earlier=MANY),
    "recall, trials": lambda: memory.retrieval_error("hebb", [4], d_key=4, trials=10 * MANY),
    "capacity": lambda: memory.mean_capacity("delta", [10**10]),
    "capacity without error": lambda: memory.error_free_capacity([10**10]),
    "capacity without error, trials": lambda: memory.error_free_capacity([4], trials=10 * MANY),
    "trace": lambda: memory.trace_conditioning([10 * MANY], eligibility=0.5),
    "tokenizer": lambda: memory.SpikeStateTokenizer(MANY, MANY),
    "tokens": lambda: memory.SpikeStateTokenizer(3, 4).tokens([0.1], [0], duration="1e9 s"),
    "bursts": lambda: memory.bursts([0.1], duration="1e9 s"),
    "bursts, late": lambda: memory.bursts([1e9], duration="1 s"),
    "brain": lambda: memory.TensorBrain({"a": MANY}, d_sensory=2),
    "brain, state": lambda: memory.TensorBrain({"a": 2}, d_sensory=2, d_model=10**6, n_hidden=10**6),
    "brain, start": lambda: BRAIN.start(MANY),
    "brain, batch": lambda: BRAIN.fit([["measure a"]], {"a": [0, 1]}, batch=MANY),
    "brain, steps": lambda: BRAIN.fit([["measure a"]], {"a": [0, 1]}, n_steps=10 * MANY),
    "PMI": lambda: memory.PMIMemory(memory.PMIConfig(d_model=10**6, n_heads=2)),
    "PMI, slots": lambda: memory.PMIMemory(memory.PMIConfig(d_model=8, n_heads=2, n_slots=MANY)),
    "PMI, batch": lambda: inference.initial_state(CONFIG, MANY),
    "positions": lambda: memory.positions(MANY, 64),
    "stories": lambda: tasks.Babi(kinds=(3,)).draw(20, seed=1).drive("1 us", hold="10 s"),
    "conditioning": lambda: tasks.Conditioning().draw(20, seed=1).drive("1 us", hold="100 s"),
    "associates": lambda: tasks.PairedAssociates().draw(20, seed=1).drive("1 us", hold="100 s"),
    "digits": lambda: tasks.DigitQuestions().draw(20, seed=1).drive("1 us", hold="100 s"),
    "maze": lambda: tasks.Maze(size=9, route=5).draw(20, seed=1).drive("1 us", hold="100 s"),
    "farthest": lambda: tasks.NthFarthest().draw(20, seed=1).drive("1 us", hold="100 s"),
    "lists": lambda: tasks.PairLists().draw(20, seed=1).drive("1 us", hold="100 s"),
    "sort": lambda: tasks.Sort(length=5).draw(20, seed=1).drive("1 us", hold="100 s"),
    "scenes of objects": lambda: tasks.SortOfClevr().draw(20, seed=1).drive("1 us", hold="100 s"),
    "triangles": lambda: tasks.Triangles().draw(20, seed=1).drive("1 us", hold="100 s"),
    "parity": lambda: tasks.Parity(length=5).draw(20, seed=1).drive("1 us", hold="1000 s"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_refused_before_it_is_made(name: str) -> None:
    with pytest.raises(MemoryLimitError) as caught:
        CASES[name]()
    message = str(caught.value)
    assert "GiB" in message
    assert caught.value.fix
    assert len(message.splitlines()) <= 4


def test_a_small_machine_allows_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_inputs, "available_memory", lambda: 1 << 30)
    check_bytes(800 << 20, where="f", fix="less")
    with pytest.raises(MemoryLimitError, match=r"f: would take 0\.879 GiB, more than 0\.8\. Less\."):
        check_bytes(900 << 20, where="f", fix="less")
    monkeypatch.setattr(_inputs, "available_memory", lambda: 1 << 50)
    check_bytes(16 << 30, where="f", fix="less")
    with pytest.raises(MemoryLimitError, match="more than 16"):
        check_bytes((16 << 30) + 1, where="f", fix="less")


PROGRESS: dict[str, tuple[Callable[..., Any], int]] = {
    "recall": (lambda **o: memory.retrieval_error("hebb", [2, 3], d_key=4, trials=5, **o), 10),
    "capacity": (lambda **o: memory.mean_capacity("hebb", [16, 20], trials=2, **o), 2),
    "capacity without error": (lambda **o: memory.error_free_capacity([4, 9], trials=3, **o), 6),
    "chain": (lambda **o: memory.lookup_chain(1, layers=2, chains=7, **o), 7),
    "condition": (lambda **o: memory.condition(tasks.EXPERIMENTS["blocking"], **o), 80),
    "bottleneck": (
        lambda **o: memory.ConsciousBottleneck(k=2).fit(RNG.integers(2, size=(9, 6)), targets=[4, 5], **o),
        20,
    ),
}


@pytest.mark.parametrize("name", PROGRESS)
def test_long_calls_tell_how_far_they_are(name: str) -> None:
    call, total = PROGRESS[name]
    told: list[tuple[int, int]] = []
    call(progress=lambda done, of: told.append((done, of)))
    assert told[-1] == (total, total)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    with pytest.raises(SpecError, match="progress"):
        call(progress="yes")


@pytest.mark.filterwarnings("error")
def test_a_slow_learner_warns_of_nothing_and_keeps_what_it_was() -> None:
    slow = memory.SlowLearner(2, 2, seed=1)
    with pytest.raises(NonFiniteError, match="SlowLearner: weights") as caught:
        for _ in range(100):
            kept = [part.copy() for part in (slow.w1, slow.b1, slow.w2, slow.b2)]
            slow.write([[1.0, 0.5]], [[1.7e308, 0.0]])
    assert "learning_rate" in str(caught.value)
    for part, before in zip((slow.w1, slow.b1, slow.w2, slow.b2), kept, strict=True):
        np.testing.assert_array_equal(part, before)
    slow.w1[:] = [[2.0], [-2.0]]
    with pytest.raises(NonFiniteError, match="probabilities"):
        slow.read([[1.7e308, 1.7e308]])


def test_answers_of_a_table_are_scored() -> None:
    """A column of text comes as an array of objects."""
    trials = tasks.Babi(kinds=(1, 8)).draw(30, seed=2)
    assert trials.score(np.array(trials.answers, dtype=object)).all()
    assert trials.score([answer.upper() for answer in trials.answers]).all()
    wrong = np.array(["nowhere"] * 30, dtype=object)
    assert not trials.score(wrong).any()
    numbers = trials.frames()[1]
    assert trials.score(numbers.astype(object)).all()
    for given in (
        wrong[:29],
        np.array([None] * 30, dtype=object),
        np.array(["office", 3] * 15, dtype=object),
    ):
        with pytest.raises(TaskError, match="answers"):
            trials.score(given)
