"""Mazes with a start and a goal: which moves lead from one to the other?

References
----------
The task is that of L. Darlow, C. Regan, S. Risi, J. Seely and L. Jones, Continuous Thought Machines, arXiv
2505.05522 (2025): a route of moves up, down, left and right, cut to a length and padded with wait, and larger
mazes by asking again from where a route ended. The mazes here are drawn evenly from all perfect mazes of
their size, 100 352 of 9 x 9. (A depth-first search makes longer ways, but of 9 x 9 mostly the same few
thousand mazes, all of which a training would see.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from arcuate.errors import TaskError, check_int
from arcuate.tasks._answers import given_answers
from arcuate.tasks._drawn import DrawnTask
from arcuate.tasks.forms import Drive, Tokens, drive, held

__all__ = ["CELLS", "MOVES", "Maze", "MazeTrials"]

CELLS = ("wall", "open", "start", "goal")
"""Kinds of cells, in the order of their numbers."""

MOVES = ("up", "down", "left", "right", "wait")
"""Moves, in the order of their numbers; up leads towards the first row."""

MAX_CELLS = 100_000_000
MAX_SIZE = 201

_WALL, _OPEN, _START, _GOAL = range(len(CELLS))
_WAIT = MOVES.index("wait")
_STEPS = np.array([(-1, 0), (1, 0), (0, -1), (0, 1), (0, 0)])


@dataclass(frozen=True, kw_only=True, eq=False)
class MazeTrials:
    """Trials of `Maze`. Arrays are read-only.

    Parameters
    ----------
    walls : ndarray, (n_trials, size, size), bool
        Which cells are walls, row by row.
    start, goal : ndarray, (n_trials, 2), int64
        Row and column.
    arrows : ndarray, (n_trials, size, size), int8
        Number of the `MOVES` that leads on towards the goal from each cell; wait at the goal and on walls.
    distances : ndarray, (n_trials, size, size), int16
        Moves from each cell to the goal; -1 on walls.
    route : int
        Moves of an answer.

    Examples
    --------
    >>> trials = Maze(size=5, route=4).draw(1, seed=53)
    >>> print("\\n".join("".join(".#"[wall] for wall in row) for row in trials.walls[0].astype(int)))
    #####
    #...#
    ###.#
    #...#
    #####
    >>> trials.start.tolist(), trials.goal.tolist(), [MOVES[move] for move in trials.targets[0]]
    ([[3, 3]], [[1, 1]], ['up', 'up', 'left', 'left'])
    """

    walls: np.ndarray
    start: np.ndarray
    goal: np.ndarray
    arrows: np.ndarray
    distances: np.ndarray
    route: int

    def __post_init__(self) -> None:
        for array in (self.walls, self.start, self.goal, self.arrows, self.distances):
            array.flags.writeable = False

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return len(self.walls)

    @property
    def cells(self) -> np.ndarray:
        """Number of the `CELLS` that each cell is (n_trials, size, size); start stands before goal."""
        cells, trial = np.where(self.walls, _WALL, _OPEN), np.arange(self.n_trials)
        cells[trial, *self.goal.T] = _GOAL
        cells[trial, *self.start.T] = _START
        return cells

    @property
    def lengths(self) -> np.ndarray:
        """Moves of the whole way from start to goal (n_trials,), which may be more than the route."""
        return np.asarray(self.distances[np.arange(self.n_trials), *self.start.T])

    @property
    def targets(self) -> np.ndarray:
        """The first moves of the way to the goal (n_trials, route); wait where it is reached."""
        place, trial = self.start.copy(), np.arange(self.n_trials)
        targets = np.empty((self.n_trials, self.route), dtype=np.int64)
        for move in targets.T:
            move[:] = self.arrows[trial, *place.T]
            place += _STEPS[move]
        return targets

    def frames(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the trials for a network that sees a maze at once, such as a Continuous Thought Machine.

        Returns
        -------
        x : ndarray, (n_trials, 4, size, size), float32
            1 where a cell is a wall, open, the start, the goal.
        targets : ndarray, (n_trials, route), int64
            Moves.

        Examples
        --------
        >>> x, targets = Maze(size=9, route=10).draw(3, seed=1).frames()
        >>> x.shape, targets.shape, bool((x.sum(axis=1) == 1).all())
        ((3, 4, 9, 9), (3, 10), True)
        """
        kinds = self.cells[:, None] == np.arange(len(CELLS))[:, None, None]
        return kinds.astype(np.float32), self.targets

    def tokens(self) -> Tokens:
        """Return the trials as sentences: the cells row by row, then the moves, each asked one place before.

        Returns
        -------
        Tokens
            With size * size + route - 1 places; the first move is asked at the last cell.

        Examples
        --------
        >>> read = Maze(size=5, route=4).draw(1, seed=53).tokens()
        >>> " ".join(read.vocabulary[word] for word in read.tokens[0, -6:])
        'wall wall wall up up left'
        >>> " ".join(read.vocabulary[word] for word in read.targets[0][read.asked[0]])
        'up up left left'
        """
        cells, moves = self.cells.reshape(self.n_trials, -1), self.targets + len(CELLS)
        silent = np.full((self.n_trials, cells.shape[1] - 1), -1)
        return Tokens(
            tokens=np.concatenate((cells, moves[:, :-1]), axis=1),
            targets=np.concatenate((silent, moves), axis=1),
            vocabulary=CELLS + MOVES,
        )

    def drive(self, dt: float | str, *, hold: float | str) -> Drive:
        """Return the trials as currents: a row of the maze after the other, then silence for each move.

        Parameters
        ----------
        dt, hold : str or quantity
            Step, and how long a row is shown and a move is asked; a whole number of steps.

        Returns
        -------
        Drive
            Channels are wall, start and goal of each column; outputs the moves, asked after the last row.

        Raises
        ------
        TaskError
            If ``hold`` is not a whole number of steps.
        MemoryLimitError
            If the currents would not fit into memory.

        Examples
        --------
        >>> shown = Maze(size=9, route=10).draw(3, seed=1).drive("1 ms", hold="10 ms")
        >>> shown.inputs.shape, shown.targets.shape, shown.asked[0].sum().item()
        ((3, 190, 27), (3, 190, 5), 100)
        """
        cells = self.cells
        shown = (_WALL, _START, _GOAL)
        size, items = cells.shape[1], cells.shape[1] + self.route
        held(dt, hold, shape=(self.n_trials, items, len(shown) * size), n_outputs=len(MOVES))
        inputs = np.zeros((self.n_trials, items, len(shown) * size))
        inputs[:, :size] = np.concatenate([cells == kind for kind in shown], axis=2)
        targets = np.zeros((self.n_trials, items, len(MOVES)))
        targets[:, size:] = self.targets[..., None] == np.arange(len(MOVES))
        asked = np.zeros((self.n_trials, items), dtype=bool)
        asked[:, size:] = True
        channels = [f"{CELLS[kind]} {column}" for kind in shown for column in range(size)]
        return drive(
            inputs, dt, hold=hold, channels=channels, targets=targets, asked=asked, outputs=MOVES
        )  # fmt: skip

    def score(self, answers: np.ndarray) -> np.ndarray:
        """Say of each trial whether the whole route was answered right.

        Parameters
        ----------
        answers : array_like of int, (n_trials, route)
            Numbers of `MOVES`.

        Returns
        -------
        ndarray, (n_trials,), bool

        Raises
        ------
        TaskError
            If the answers do not fit the trials.

        Examples
        --------
        >>> trials = Maze().draw(3, seed=1)
        >>> trials.score(trials.targets)
        array([ True,  True,  True])
        """
        return np.asarray(self.score_items(answers).all(axis=1))

    def score_items(self, answers: np.ndarray) -> np.ndarray:
        """Say of each move whether it was answered right.

        Parameters
        ----------
        answers : array_like of int, (n_trials, route)
            Numbers of `MOVES`.

        Returns
        -------
        ndarray, (n_trials, route), bool

        Raises
        ------
        TaskError
            If the answers do not fit the trials.

        Examples
        --------
        >>> trials = Maze().draw(3, seed=1)
        >>> trials.score_items(trials.targets).mean().item()
        1.0
        """
        return np.asarray(self._checked(answers, where="MazeTrials.score") == self.targets)

    def follow(self, answers: np.ndarray) -> np.ndarray:
        """Walk answered routes: a move into a wall is left out, and a walk ends at the goal.

        Parameters
        ----------
        answers : array_like of int, (n_trials, route)
            Numbers of `MOVES`.

        Returns
        -------
        ndarray, (n_trials, route + 1, 2), int64
            Row and column after each move, the start first.

        Raises
        ------
        TaskError
            If the answers do not fit the trials.

        Examples
        --------
        >>> trials = Maze(size=5, route=4).draw(1, seed=53)
        >>> trials.follow([[1, 0, 0, 2]])[0].tolist()
        [[3, 3], [3, 3], [2, 3], [1, 3], [1, 2]]
        """
        moves, trial = self._checked(answers, where="MazeTrials.follow"), np.arange(self.n_trials)
        places = [self.start]
        for move in moves.T:
            ahead = places[-1] + _STEPS[move]
            stays = self.walls[trial, *ahead.T] | (places[-1] == self.goal).all(axis=1)
            places.append(np.where(stays[:, None], places[-1], ahead))
        return np.stack(places, axis=1)

    def moved(self, start: np.ndarray) -> MazeTrials:
        """Return the same mazes with other starts.

        Parameters
        ----------
        start : array_like of int, (n_trials, 2)
            Row and column of an open cell; the goal itself is one, where every move is wait.

        Returns
        -------
        MazeTrials

        Raises
        ------
        TaskError
            If a start is not an open cell of its maze.

        Examples
        --------
        >>> trials = Maze(size=5, route=4).draw(1, seed=53)
        >>> trials.moved([[1, 3]]).targets.tolist()
        [[2, 2, 4, 4]]
        """
        given = given_answers(start, where="MazeTrials.moved", name="start")
        if given.shape != self.start.shape or given.dtype.kind not in "iu":
            bound = f"must be whole numbers of shape {self.start.shape}, not {given.dtype} of {given.shape}"
            raise TaskError.of(where="MazeTrials.moved", name="start", bound=bound)
        size = self.walls.shape[1]
        inside = ((given >= 0) & (given < size)).all(axis=1)
        opened = inside & ~self.walls[np.arange(self.n_trials), *np.clip(given, 0, size - 1).T]
        if not opened.all():
            bad = int(np.argmin(opened))
            bound = "must be an open cell of its maze"
            raise TaskError.of(
                where=f"MazeTrials.moved, trial {bad}", name="start", value=given[bad].tolist(), bound=bound
            )
        return replace(self, start=given.astype(np.int64))

    def walk(self, answer: Callable[[MazeTrials], np.ndarray], *, passes: int) -> np.ndarray:
        """Ask for a route, follow it, and ask again from where it ended.

        Parameters
        ----------
        answer : callable
            Gives moves (n_trials, route) for trials.
        passes : int
            How often it is asked.

        Returns
        -------
        ndarray, (n_trials, passes + 1, 2), int64
            Where each trial starts, and where it is after each pass.

        Raises
        ------
        TaskError
            If the answers do not fit the trials.

        Examples
        --------
        >>> trials = Maze(size=21, route=10).draw(100, seed=0)
        >>> places = trials.walk(lambda asked: asked.targets, passes=6)
        >>> (places == trials.goal[:, None]).all(axis=2).mean(axis=0).round(2)[::2].tolist()
        [0.0, 0.26, 0.79, 0.97]
        """
        passes = check_int(passes, where="MazeTrials.walk", name="passes", high=10_000)
        places, now = [self.start], self
        for _ in range(passes):
            places.append(now.follow(answer(now))[:, -1])
            now = now.moved(places[-1])
        return np.stack(places, axis=1)

    def _checked(self, answers: np.ndarray, *, where: str) -> np.ndarray:
        """Return answers that are moves for these trials."""
        moves, wanted = given_answers(answers, where=where), (self.n_trials, self.route)
        if moves.shape != wanted or moves.dtype.kind not in "iu":
            bound = f"must be whole numbers of shape {wanted}, not {moves.dtype} of {moves.shape}"
            raise TaskError.of(where=where, name="answers", bound=bound)
        wrong = (moves < 0) | (moves >= len(MOVES))
        if wrong.any():
            bound = f"must be from 0 ({MOVES[0]}) to {_WAIT} ({MOVES[_WAIT]})"
            raise TaskError.of(where=where, name="answers", value=moves[wrong][0].item(), bound=bound)
        return moves


@dataclass(frozen=True, kw_only=True)
class Maze(DrawnTask[MazeTrials]):
    """Mazes in which exactly one way leads from any open cell to any other, start and goal in two rooms.

    Rooms are the cells with odd row and column, counted from 0; the cells between two rooms are wall or
    passage.

    Parameters
    ----------
    size : int
        Cells of a side, walls included; odd.
    route : int
        Moves that are asked for: longer ways are cut, shorter ones padded with wait.

    Raises
    ------
    SpecError, TaskError
        If the size is even, or a value out of bounds.

    Examples
    --------
    >>> trials = Maze(size=9, route=10).draw(1000, seed=0)
    >>> int(trials.lengths.min()), int(trials.lengths.max()), (trials.lengths > 10).mean().item()
    (2, 26, 0.285)
    """

    kind = "maze"

    size: int = 9
    route: int = 10

    def __post_init__(self) -> None:
        check_int(self.size, where="Maze", name="size", low=5, high=MAX_SIZE)
        check_int(self.route, where="Maze", name="route", high=MAX_SIZE**2)
        if self.size % 2 == 0:
            fix = f"use {self.size - 1} or {self.size + 1}"
            raise TaskError.of(where="Maze", name="size", value=self.size, bound="must be odd", fix=fix)

    @property
    def _most(self) -> int:
        return MAX_CELLS // self.size**2

    def _drawn(self, generator: np.random.Generator, n: int) -> MazeTrials:
        side = self.size // 2
        walls = _carve(n, side, generator)
        start = generator.integers(side**2, size=n)
        goal = (start + generator.integers(1, side**2, size=n)) % side**2
        start, goal = (2 * np.stack(np.divmod(room, side), axis=1) + 1 for room in (start, goal))
        arrows, distances = _ways(walls, goal)
        return MazeTrials(
            walls=walls, start=start, goal=goal, arrows=arrows, distances=distances, route=self.route
        )


def _carve(n: int, side: int, generator: np.random.Generator) -> np.ndarray:
    """Walls (n, size, size) of mazes of side x side rooms, every tree of passages as likely as any other.

    A walk goes from room to room at random, and where it enters a new one the wall falls (Aldous 1990,
    Broder 1989); all mazes at once, until each is whole. A ring of cells around the mazes keeps every step
    inside the array.
    """
    width, rooms = 2 * side + 3, side**2
    inside = np.zeros(width**2, dtype=bool)
    inside.reshape(width, width)[2:-2:2, 2:-2:2] = True
    steps = _STEPS[:4] @ (width, 1)
    maze, room = np.arange(n), generator.integers(rooms, size=n)
    place = 2 * (room // side + 1) * width + 2 * (room % side + 1)
    opened, left = np.zeros((n, width**2), dtype=bool), np.full(n, rooms - 1)
    opened[maze, place] = True
    while maze.size:
        step = steps[generator.integers(4, size=maze.size)]
        ahead = place + 2 * step
        stays = inside[ahead]
        new = stays & ~opened[maze, ahead]
        who = maze[new]
        opened[who, ahead[new]] = opened[who, place[new] + step[new]] = True
        left[who] -= 1
        unfinished = left[maze] > 0
        maze, place = maze[unfinished], np.where(stays, ahead, place)[unfinished]
    return ~opened.reshape(n, width, width)[:, 1:-1, 1:-1]


def _ways(walls: np.ndarray, goal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the move towards the goal and the distance from every cell: waves from all goals at once."""
    n, _, size = walls.shape
    todo = ~walls.reshape(-1)
    arrows, distances = np.full(walls.size, _WAIT, dtype=np.int8), np.full(walls.size, -1, dtype=np.int16)
    front, distance = np.arange(n) * size**2 + goal @ (size, 1), 0
    todo[front] = False
    while front.size:
        distances[front] = distance
        found = []
        for move, step in enumerate(_STEPS[:4] @ (size, 1)):
            cells = front - step
            cells = cells[todo[cells]]
            arrows[cells], todo[cells] = move, False
            found.append(cells)
        front, distance = np.concatenate(found), distance + 1
    return arrows.reshape(walls.shape), distances.reshape(walls.shape)
