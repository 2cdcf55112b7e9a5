"""Mazes: one way and no other, answers that a search of its own confirms, and the forms of the trials."""

from __future__ import annotations

from collections import Counter, deque

import numpy as np
import pytest

from arcuate.tasks.maze import CELLS, MOVES, Maze, MazeTrials

SIZES = (5, 9, 13, 21)
STEP = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1), "wait": (0, 0)}


def drawn(size: int = 9, n: int = 30, seed: int = 0, route: int = 10) -> MazeTrials:
    return Maze(size=size, route=route).draw(n, seed=seed)


def neighbors(walls, place):
    """Open cells beside a cell, with the name of the move; a maze without a border would raise."""
    for name in ("up", "down", "left", "right"):
        beside = (place[0] + STEP[name][0], place[1] + STEP[name][1])
        if not walls[beside[0]][beside[1]]:
            yield name, beside


def search(walls, start, goal):
    """All cells that can be reached, and the names of the moves of a shortest way: breadth first."""
    came, waiting = {start: None}, deque([start])
    while waiting:
        place = waiting.popleft()
        for name, beside in neighbors(walls, place):
            if beside not in came:
                came[beside] = (place, name)
                waiting.append(beside)
    moves, place = [], goal
    while came[place] is not None:
        place, name = came[place]
        moves.append(name)
    return set(came), moves[::-1]


@pytest.mark.parametrize("size", SIZES)
def test_answers_are_those_of_a_search_breadth_first(size):
    trials = drawn(size, route=12)
    for k in range(trials.n_trials):
        start, goal = tuple(trials.start[k].tolist()), tuple(trials.goal[k].tolist())
        _, moves = search(trials.walls[k].tolist(), start, goal)
        expected = (moves + ["wait"] * trials.route)[: trials.route]
        assert [MOVES[move] for move in trials.targets[k]] == expected
        assert trials.lengths[k] == len(moves)


@pytest.mark.parametrize("size", SIZES)
def test_a_maze_is_a_tree_over_all_rooms(size):
    trials = drawn(size)
    for walls in trials.walls.tolist():
        opened = {(r, c) for r in range(size) for c in range(size) if not walls[r][c]}
        assert {(r, c) for r in range(1, size, 2) for c in range(1, size, 2)} <= opened
        reached, _ = search(walls, (1, 1), (1, 1))
        edges = sum(len(list(neighbors(walls, place))) for place in opened) // 2
        assert reached == opened and edges == len(opened) - 1
    border = np.ones((size, size), dtype=bool)
    border[1:-1, 1:-1] = False
    assert trials.walls[:, border].all()


def test_every_cell_knows_the_way_and_the_distance():
    trials = drawn(9, n=5)
    for k, walls in enumerate(trials.walls.tolist()):
        goal = tuple(trials.goal[k].tolist())
        for r, c in np.ndindex(9, 9):
            if walls[r][c]:
                assert trials.distances[k, r, c] == -1 and MOVES[trials.arrows[k, r, c]] == "wait"
                continue
            _, moves = search(walls, (r, c), goal)
            assert trials.distances[k, r, c] == len(moves)
            assert MOVES[trials.arrows[k, r, c]] == (moves or ["wait"])[0]


def test_start_and_goal_are_two_rooms_each_as_often_as_any():
    trials = drawn(9, n=16_000)
    assert (trials.start % 2 == 1).all() and (trials.goal % 2 == 1).all()
    assert (trials.start != trials.goal).any(axis=1).all()
    for places in (trials.start, trials.goal):
        counts = Counter(map(tuple, places.tolist()))
        assert len(counts) == 16 and all(abs(count - 1000) < 5 * 31 for count in counts.values())


def trees(side):
    """Number of spanning trees of a grid of rooms (Kirchhoff 1847)."""
    rooms = list(np.ndindex(side, side))
    laplacian = np.zeros((side**2, side**2))
    for i, (r, c) in enumerate(rooms):
        for j, (other_r, other_c) in enumerate(rooms):
            if abs(r - other_r) + abs(c - other_c) == 1:
                laplacian[i, j], laplacian[i, i] = -1, laplacian[i, i] + 1
    return round(np.linalg.det(laplacian[1:, 1:]))


@pytest.mark.parametrize(("side", "n"), [(2, 4000), (3, 19_200)])
def test_every_tree_of_passages_is_as_likely_as_any_other(side, n):
    counts = np.array(list(Counter(walls.tobytes() for walls in drawn(2 * side + 1, n=n).walls).values()))
    assert len(counts) == trees(side) == {2: 4, 3: 192}[side]
    square = ((counts - n / len(counts)) ** 2).sum() / (n / len(counts))
    assert abs(square - (len(counts) - 1)) < 4 * np.sqrt(2 * (len(counts) - 1))


def test_mazes_of_4_x_4_rooms_are_many():
    assert trees(4) == 100_352
    assert len({walls.tobytes() for walls in drawn(9, n=1000).walls}) > 980


def test_a_seed_gives_its_trials_and_the_generator_those_of_a_batch():
    assert (drawn(seed=3).cells == drawn(seed=3).cells).all()
    assert (drawn(seed=3).walls != drawn(seed=4).walls).any()
    batch = Maze().batches(30)
    x, targets = batch(np.random.default_rng(1))
    again, _ = batch(np.random.default_rng(1))
    assert (x == again).all() and x.shape == (30, 4, 9, 9) and targets.shape == (30, 10)


def test_all_forms_hold_the_same_trials():
    trials = drawn(9, n=7)
    x, targets = trials.frames()
    read, shown = trials.tokens(), trials.drive("1 ms", hold="2 ms")
    assert (x.argmax(axis=1) == trials.cells).all()
    assert (read.tokens[:, :81].reshape(-1, 9, 9) == trials.cells).all()
    assert (read.targets[read.asked].reshape(7, 10) == targets + len(CELLS)).all()
    assert (read.tokens[:, 81:] == read.targets[:, 80:-1]).all()  # asked one place before it is read
    rows = shown.inputs[:, : 2 * 9 : 2].reshape(7, 9, 3, 9)
    for channel, kind in enumerate(("wall", "start", "goal")):
        assert (rows[:, :, channel] == (trials.cells == CELLS.index(kind))).all()
        assert shown.channels[9 * channel] == f"{kind} 0"
    assert (shown.targets[shown.asked].reshape(7, 20, 5)[:, ::2].argmax(axis=2) == targets).all()
    assert shown.outputs == MOVES and not shown.inputs[:, 18:].any()


def test_scores_are_of_moves_and_of_whole_routes():
    trials = drawn(9, n=4)
    answers = trials.targets
    answers[1, 7] = (answers[1, 7] + 1) % 5
    assert trials.score(answers).tolist() == [True, False, True, True]
    assert trials.score_items(answers).sum(axis=1).tolist() == [10, 9, 10, 10]


class TestWalks:
    def test_the_true_route_leads_on_by_as_many_moves(self):
        trials = drawn(13, n=50)
        places = trials.follow(trials.targets)
        left = [trials.moved(places[:, k]).lengths for k in range(11)]
        assert (np.array(left) == np.maximum(trials.lengths - np.arange(11)[:, None], 0)).all()

    def test_a_move_into_a_wall_is_left_out_and_the_next_one_is_made(self):
        trials = drawn(9, n=50)
        answers = np.random.default_rng(0).integers(5, size=(50, 10))
        places = trials.follow(answers)
        for k, walls in enumerate(trials.walls.tolist()):
            place = tuple(trials.start[k].tolist())
            for move, reached in zip(answers[k], places[k, 1:].tolist(), strict=True):
                ahead = tuple(np.add(place, STEP[MOVES[move]]).tolist())
                if place != tuple(trials.goal[k].tolist()) and not walls[ahead[0]][ahead[1]]:
                    place = ahead
                assert tuple(reached) == place

    def test_asking_again_reaches_the_goal_when_the_way_is_covered(self):
        trials = drawn(21, n=60)
        places = trials.walk(lambda asked: asked.targets, passes=9)
        arrived = (places == trials.goal[:, None]).all(axis=2)
        assert (arrived == (trials.lengths[:, None] <= 10 * np.arange(10))).all()

    def test_who_answers_sees_where_the_last_route_ended(self):
        trials, seen = drawn(13, n=20), []

        def answer(asked):
            seen.append(asked.start)
            assert (asked.cells[np.arange(20), *asked.start.T] == CELLS.index("start")).all()
            return asked.targets

        places = trials.walk(answer, passes=4)
        assert (np.stack(seen, axis=1) == places[:, :-1]).all()


def test_arrays_cannot_be_changed():
    trials = drawn()
    for name in ("walls", "start", "goal", "arrows", "distances"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(trials, name)[0] = 0
