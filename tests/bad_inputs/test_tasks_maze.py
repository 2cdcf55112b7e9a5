"""What mazes, the loss of their routes and their picture refuse, and how."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from arcuate import plot
from arcuate.errors import ArcuateError, SpecError, TaskError
from arcuate.tasks import Maze

TRIALS = Maze().draw(3, seed=0)
GOOD = TRIALS.targets


def changed(place: tuple[int, int], value: int) -> np.ndarray:
    answers = GOOD.copy()
    answers[place] = value
    return answers


ROWS: list[tuple[str, Callable[[], object], type[ArcuateError], str]] = [
    ("even size", lambda: Maze(size=8), TaskError, "size"),
    ("one room", lambda: Maze(size=3), SpecError, "size"),
    ("huge", lambda: Maze(size=100_001), SpecError, "size"),
    ("size 9.0", lambda: Maze(size=9.0), SpecError, "size"),
    ("size text", lambda: Maze(size="9"), SpecError, "size"),
    ("route 0", lambda: Maze(route=0), SpecError, "route"),
    ("route bool", lambda: Maze(route=True), SpecError, "route"),
    ("no trials", lambda: Maze().draw(0, seed=1), SpecError, "n_trials"),
    ("too many trials", lambda: Maze().draw(10**9, seed=1), SpecError, "n_trials"),
    ("seed -1", lambda: Maze().draw(3, seed=-1), ArcuateError, "seed"),
    ("batch of 0", lambda: Maze().batches(0), SpecError, "size"),
    ("batch of 6.4", lambda: Maze().batches(6.4), SpecError, "size"),
    ("hold in between", lambda: TRIALS.drive("1 ms", hold="1.5 ms"), TaskError, "hold"),
    ("short answers", lambda: TRIALS.score(GOOD[:, :9]), TaskError, "answers"),
    ("ragged answers", lambda: TRIALS.score([[1], [1, 0], [2]]), TaskError, "answers"),
    ("ragged starts", lambda: TRIALS.moved([[1, 1], [1], [1, 1]]), TaskError, "start"),
    ("answers of 2 trials", lambda: TRIALS.score(GOOD[:2]), TaskError, "answers"),
    ("probabilities", lambda: TRIALS.score(GOOD * 0.5), TaskError, "answers"),
    ("move 5", lambda: TRIALS.score_items(changed((1, 2), 5)), TaskError, "answers"),
    ("move -1", lambda: TRIALS.follow(changed((1, 2), -1)), TaskError, "answers"),
    ("start in a wall", lambda: TRIALS.moved([[0, 0]] * 3), TaskError, "start"),
    ("start outside", lambda: TRIALS.moved([[1, 1], [1, 9], [1, 1]]), TaskError, "start"),
    ("start below 0", lambda: TRIALS.moved([[-2, 1]] * 3), TaskError, "start"),
    ("one start", lambda: TRIALS.moved([1, 1]), TaskError, "start"),
    ("start at 1.0", lambda: TRIALS.moved(np.ones((3, 2))), TaskError, "start"),
    ("no passes", lambda: TRIALS.walk(lambda asked: asked.targets, passes=0), SpecError, "passes"),
    ("walk of 9 moves", lambda: TRIALS.walk(lambda asked: GOOD[:, :9], passes=2), TaskError, "answers"),
    ("picture of no maze", lambda: plot.maze(GOOD), SpecError, "trials"),
    ("picture of trial 3", lambda: plot.maze(TRIALS, GOOD, trial=3), SpecError, "trial"),
    ("attention along ticks", lambda: plot.maze(TRIALS, attention=np.ones(16)), SpecError, "attention"),
    ("picture of 9 moves", lambda: plot.maze(TRIALS, GOOD[:, :9]), TaskError, "answers"),
]


@pytest.mark.parametrize(("call", "kind", "name"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_it_is_refused_by_name(call: Callable[[], object], kind: type[ArcuateError], name: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert caught.value.name == name and len(str(caught.value).splitlines()) <= 4


def test_the_trial_with_a_wrong_start_is_told() -> None:
    with pytest.raises(TaskError, match=r"trial 1.*\[1, 9\]"):
        TRIALS.moved([[1, 1], [1, 9], [1, 1]])


@pytest.mark.torch
def test_the_loss_of_a_route() -> None:
    torch = pytest.importorskip("torch")
    from arcuate.nn import ContinuousThoughtMachine, route_loss

    model = ContinuousThoughtMachine(n_outputs=50, n_ticks=2, n_neurons=16, width=2, heads=0, n_out=4)
    thought, route = model(torch.zeros(3, 2)), torch.as_tensor(GOOD)
    cases = [
        (lambda: route_loss(thought, route, lookahead=0), "lookahead"),
        (lambda: route_loss(thought, route, lookahead=1.5), "lookahead"),
        (lambda: route_loss(thought, route[:, 0]), "targets"),
        (lambda: route_loss(thought, route[:2]), "targets"),
        (lambda: route_loss(thought, route[:, :7]), "targets"),
        (lambda: route_loss(thought, route + 1 + (route == 0) * 8), "targets"),
    ]
    for call, name in cases:
        with pytest.raises(SpecError) as caught:
            call()
        assert caught.value.name == name
