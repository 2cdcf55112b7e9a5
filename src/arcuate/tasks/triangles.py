"""Equilateral triangles: clusters of points in an image, at the corners of an equilateral triangle or not.

References
----------
Task of S. Ahmad and S. Omohundro, Equilateral triangles: a challenge for connectionist vision (1990), drawn
as by A. Goyal and others, Coordination among neural modules through a shared global workspace, arXiv
2103.01197 (2022). Chosen here: the first two corners are at least 8 pixels apart; a triangle whose sides
differ by 5 % or less is drawn as equilateral only; pixels are 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arcuate._inputs import check_bytes
from arcuate.errors import check_int
from arcuate.tasks._answers import hits
from arcuate.tasks._drawn import DrawnTask
from arcuate.tasks.forms import Drive, Tokens, drive, held

__all__ = ["TriangleTrials", "Triangles"]

MAX_PIXELS = 500_000_000
RADIUS = 2
SHORTEST = 8
TOLERANCE = 0.05

_WORDS = ("equilateral", "other", "dark", "light")
_TURN = np.array([[0.5, np.sqrt(0.75)], [-np.sqrt(0.75), 0.5]])  # by 60 degrees


@dataclass(frozen=True, kw_only=True, eq=False)
class TriangleTrials:
    """Trials of `Triangles`. Arrays are read-only.

    Parameters
    ----------
    corners : ndarray, (n_trials, 3, 2), int64
        Column x and row y of each corner, in pixels.
    images : ndarray, (n_trials, size, size), bool
        Pixels that are light.
    answers : ndarray, (n_trials,), int64
        0 for an equilateral triangle, 1 for another.

    Examples
    --------
    >>> trials = Triangles().draw(3, seed=1)
    >>> trials.corners.shape, trials.images.shape
    ((3, 3, 2), (3, 64, 64))
    """

    corners: np.ndarray
    images: np.ndarray
    answers: np.ndarray

    def __post_init__(self) -> None:
        for array in (self.corners, self.images, self.answers):
            array.flags.writeable = False

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return len(self.images)

    def frames(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the trials as images.

        Returns
        -------
        x : ndarray, (n_trials, 1, size, size), float32
            0 or 1.
        targets : ndarray, (n_trials,), int64
            0 for equilateral.

        Examples
        --------
        >>> x, targets = Triangles(size=32).draw(4, seed=1).frames()
        >>> x.shape, targets.shape
        ((4, 1, 32, 32), (4,))
        """
        return self.images[:, None].astype(np.float32), self.answers

    def tokens(self) -> Tokens:
        """Return the trials as sequences of pixels, row by row.

        Returns
        -------
        Tokens
            With size * size places; the answer is asked at the last.

        Raises
        ------
        MemoryLimitError
            If they would not fit into memory.

        Examples
        --------
        >>> Triangles(size=32).draw(4, seed=1).tokens().tokens.shape
        (4, 1024)
        """
        check_bytes(24 * self.images.size, where="TriangleTrials.tokens", fix="draw fewer trials")
        tokens = self.images.reshape(self.n_trials, -1).astype(np.int64) + _WORDS.index("dark")
        targets = np.full_like(tokens, -1)
        targets[:, -1] = self.answers
        return Tokens(tokens=tokens, targets=targets, vocabulary=_WORDS)

    def drive(self, dt: float | str, *, hold: float | str) -> Drive:
        """Return the trials as currents: one row of pixels after the other, then a signal to answer.

        Parameters
        ----------
        dt, hold : str or quantity
            Step, and how long a row and the signal are shown; a whole number of steps.

        Returns
        -------
        Drive
            A channel for each column and ``answer``; one output for each class.

        Raises
        ------
        TaskError
            If ``hold`` is not a whole number of steps.
        MemoryLimitError
            If the currents would not fit into memory.

        Examples
        --------
        >>> shown = Triangles(size=32).draw(2, seed=1).drive("1 ms", hold="5 ms")
        >>> shown.inputs.shape, shown.targets.shape, int(shown.asked[0].sum())
        ((2, 165, 33), (2, 165, 2), 5)
        """
        n, size, _ = self.images.shape
        held(dt, hold, shape=(n, size + 1, size + 1), n_outputs=2)
        inputs, targets = np.zeros((n, size + 1, size + 1)), np.zeros((n, size + 1, 2))
        inputs[:, :size, :size] = self.images
        inputs[:, size, size] = 1
        targets[:, size] = np.eye(2)[self.answers]
        return drive(
            inputs,
            dt,
            hold=hold,
            channels=[*(f"column {k}" for k in range(size)), "answer"],
            targets=targets,
            asked=np.broadcast_to(np.arange(size + 1) == size, (n, size + 1)),
            outputs=_WORDS[:2],
        )

    def score(self, answers: np.ndarray) -> np.ndarray:
        """Say of each trial whether it was answered right.

        Parameters
        ----------
        answers : array_like of int, (n_trials,)
            0 for equilateral, 1 for another.

        Returns
        -------
        ndarray, (n_trials,), bool

        Raises
        ------
        TaskError
            If there is not one class for each trial.

        Examples
        --------
        >>> trials = Triangles().draw(3, seed=1)
        >>> trials.score(trials.answers)
        array([ True,  True,  True])
        """
        return hits(answers, self.answers, n_classes=2, where="TriangleTrials.score")


@dataclass(frozen=True, kw_only=True)
class Triangles(DrawnTask[TriangleTrials]):
    """Images of three clusters of points, in half of them at the corners of an equilateral triangle.

    Around each corner lie four pairs of discs of radius 2, the two of a pair on opposite sides of it, at most
    one pixel away in x and in y. The third corner of an equilateral triangle is rounded towards 0 to whole
    pixels. Corners lie anywhere but on the edge of the image.

    Parameters
    ----------
    size : int
        Pixels of a side.

    Raises
    ------
    SpecError
        If the size is out of bounds.

    Examples
    --------
    >>> trials = Triangles().draw(500, seed=0)
    >>> sides = np.linalg.norm(trials.corners - np.roll(trials.corners, 1, axis=1), axis=2)
    >>> uneven = sides.max(axis=1) / sides.min(axis=1).clip(1)
    >>> bool(uneven[trials.answers == 0].max() < 1.25)
    True
    """

    kind = "triangles"

    size: int = 64

    def __post_init__(self) -> None:
        check_int(self.size, where="Triangles", name="size", low=16, high=512)

    @property
    def _most(self) -> int:
        return MAX_PIXELS // self.size**2

    def _drawn(self, generator: np.random.Generator, n: int) -> TriangleTrials:
        answers = generator.integers(2, size=n)
        corners, todo = np.empty((n, 3, 2), dtype=np.int64), np.arange(n)
        while todo.size:
            three = generator.integers(1, self.size, size=(todo.size, 3, 2))
            first, second = three[:, 0], three[:, 1]
            even = answers[todo] == 0
            three[even, 2] = np.trunc(first + (second - first) @ _TURN.T).astype(np.int64)[even]
            corners[todo] = three
            todo = todo[~_fits(three, even, self.size)]
        offsets = generator.integers(-1, 2, size=(n, 3, 4, 1, 2)) * np.array([[1], [-1]])
        images = _discs((corners[:, :, None, None] + offsets).reshape(n, -1, 2), self.size)
        return TriangleTrials(corners=corners, images=images, answers=answers)


def _fits(three: np.ndarray, even: np.ndarray, size: int) -> np.ndarray:
    """Return which triangles may be shown: inside, not too small, and no doubt which kind they are."""
    sides = np.linalg.norm(three - np.roll(three, -1, axis=1), axis=2)
    inside = ((three >= 1) & (three < size)).all(axis=(1, 2))
    nearly = sides.max(axis=1) <= (1 + TOLERANCE) * sides.min(axis=1)
    return np.asarray(inside & (sides[:, 0] >= SHORTEST) & (even | ~nearly))


def _discs(centers: np.ndarray, size: int) -> np.ndarray:
    """Images (n, size, size) of discs around centers (n, n_discs, 2); what lies outside is cut off."""
    margin = RADIUS + 1
    images = np.zeros((len(centers), size + 2 * margin, size + 2 * margin), dtype=bool)
    y, x = np.mgrid[-RADIUS : RADIUS + 1, -RADIUS : RADIUS + 1]
    disc = x**2 + y**2 <= RADIUS**2
    trial = np.arange(len(centers))[:, None]
    for dx, dy in zip(x[disc], y[disc], strict=True):
        images[trial, centers[..., 1] + dy + margin, centers[..., 0] + dx + margin] = True
    return images[:, margin:-margin, margin:-margin].copy()
