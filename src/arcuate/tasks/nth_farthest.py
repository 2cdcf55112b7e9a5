"""Nth farthest: of some vectors, which one is the nth farthest from a given one?

References
----------
Task of A. Santoro and others, Relational recurrent neural networks, arXiv 1806.01822 (2018): eight vectors of
16 numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arcuate.errors import check_int
from arcuate.tasks._answers import hits
from arcuate.tasks._drawn import DrawnTask
from arcuate.tasks.forms import Drive, Tokens, drive, held

__all__ = ["NthFarthest", "NthFarthestTrials"]

LEVELS = 201
"""Words for numbers from -1 to 1 in the token form, 0.01 apart."""

MAX_NUMBERS = 100_000_000
MAX_SIZE = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class NthFarthestTrials:
    """Trials of `NthFarthest`. Arrays are read-only.

    Parameters
    ----------
    vectors : ndarray, (n_trials, n_vectors, n_dims), float32
        Numbers from -1 to 1.
    labels : ndarray, (n_trials, n_vectors), int64
        Label of each vector, all of a trial different.
    rank : ndarray, (n_trials,), int64
        How many vectors are farther than the one that is asked for.
    reference : ndarray, (n_trials,), int64
        Label of the vector from which distances are taken.
    answers : ndarray, (n_trials,), int64
        Label of the vector that is asked for.

    Examples
    --------
    >>> trials = NthFarthest(n_vectors=4, n_dims=3).draw(5, seed=1)
    >>> trials.vectors.shape, trials.answers.shape
    ((5, 4, 3), (5,))
    """

    vectors: np.ndarray
    labels: np.ndarray
    rank: np.ndarray
    reference: np.ndarray
    answers: np.ndarray

    def __post_init__(self) -> None:
        for array in (self.vectors, self.labels, self.rank, self.reference, self.answers):
            array.flags.writeable = False

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return len(self.vectors)

    def frames(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the trials as rows: each vector with its label and the question.

        Returns
        -------
        x : ndarray, (n_trials, n_vectors, n_dims + 3 * n_vectors), float32
            The vector, then its label, the rank and the reference, in one channel for each value.
        targets : ndarray, (n_trials,), int64
            Labels.

        Examples
        --------
        >>> x, targets = NthFarthest().draw(5, seed=1).frames()
        >>> x.shape, targets.shape
        ((5, 8, 40), (5,))
        """
        one = np.eye(self.labels.shape[1], dtype=np.float32)
        asked = np.concatenate((one[self.rank], one[self.reference]), axis=1)
        asked = np.repeat(asked[:, None], len(one), axis=1)
        return np.concatenate((self.vectors, one[self.labels], asked), axis=2), self.answers

    def tokens(self) -> Tokens:
        """Return the trials as sequences of words: label and numbers of each vector, then rank and reference.

        Returns
        -------
        Tokens
            Numbers are rounded to 0.01; the answer, a label, is asked at the last place.

        Examples
        --------
        >>> read = NthFarthest(n_vectors=4, n_dims=3).draw(1, seed=1).tokens()
        >>> read.tokens.shape, [read.vocabulary[k] for k in (0, 4, 8, 208)]
        ((1, 18), ['label 0', 'rank 0', '-1.00', '+1.00'])
        """
        n, size = self.labels.shape
        half = (LEVELS - 1) // 2
        numbers = np.rint(self.vectors * half).astype(np.int64) + half + 2 * size
        rows = np.concatenate((self.labels[..., None], numbers), axis=2).reshape(n, -1)
        tokens = np.concatenate((rows, self.rank[:, None] + size, self.reference[:, None]), axis=1)
        targets = np.full_like(tokens, -1)
        targets[:, -1] = self.answers
        names = [f"{word} {k}" for word in ("label", "rank") for k in range(size)]
        levels = [f"{(k - half) / half:+.2f}" for k in range(LEVELS)]
        return Tokens(tokens=tokens, targets=targets, vocabulary=(*names, *levels))

    def drive(self, dt: float | str, *, hold: float | str) -> Drive:
        """Return the trials as currents: one row of ``frames()`` after the other, then a signal to answer.

        Parameters
        ----------
        dt, hold : str or quantity
            Step, and how long a row and the signal are shown; a whole number of steps.

        Returns
        -------
        Drive
            Channels of the rows and ``answer``; one output for each label.

        Raises
        ------
        TaskError
            If ``hold`` is not a whole number of steps.
        MemoryLimitError
            If the currents would not fit into memory.

        Examples
        --------
        >>> shown = NthFarthest().draw(2, seed=1).drive("1 ms", hold="20 ms")
        >>> shown.inputs.shape, shown.targets.shape, int(shown.asked[0].sum())
        ((2, 180, 41), (2, 180, 8), 20)
        """
        n, size, width = (*self.labels.shape, self.vectors.shape[2] + 3 * self.labels.shape[1])
        held(dt, hold, shape=(n, size + 1, width + 1), n_outputs=size)
        x, _ = self.frames()
        inputs, targets = np.zeros((n, size + 1, width + 1)), np.zeros((n, size + 1, size))
        inputs[:, :size, :width] = x
        inputs[:, size, width] = 1
        targets[:, size] = np.eye(size)[self.answers]
        names = [f"{word} {k}" for word in ("label", "rank", "reference") for k in range(size)]
        return drive(
            inputs,
            dt,
            hold=hold,
            channels=[*(f"x {k}" for k in range(self.vectors.shape[2])), *names, "answer"],
            targets=targets,
            asked=np.broadcast_to(np.arange(size + 1) == size, (n, size + 1)),
            outputs=[f"label {k}" for k in range(size)],
        )

    def score(self, answers: np.ndarray) -> np.ndarray:
        """Say of each trial whether it was answered right.

        Parameters
        ----------
        answers : array_like of int, (n_trials,)
            Labels.

        Returns
        -------
        ndarray, (n_trials,), bool

        Raises
        ------
        TaskError
            If there is not one label for each trial.

        Examples
        --------
        >>> trials = NthFarthest().draw(3, seed=1)
        >>> trials.score(trials.answers)
        array([ True,  True,  True])
        """
        n = self.labels.shape[1]
        return hits(answers, self.answers, n_classes=n, where="NthFarthestTrials.score")


@dataclass(frozen=True, kw_only=True)
class NthFarthest(DrawnTask[NthFarthestTrials]):
    """Vectors with labels in random order, and the question which is the nth farthest from one of them.

    Numbers are even between -1 and 1, labels, rank and reference random. Rank 0 asks for the farthest vector;
    the last rank for the reference itself, which is at distance 0. Guessing is right once in ``n_vectors``.

    Parameters
    ----------
    n_vectors : int
        Vectors of a trial.
    n_dims : int
        Numbers of a vector.

    Raises
    ------
    SpecError
        If a number is out of bounds.

    Examples
    --------
    >>> trials = NthFarthest(n_vectors=4, n_dims=4).draw(100, seed=0)
    >>> last = trials.rank == 3
    >>> bool((trials.answers[last] == trials.reference[last]).all())
    True
    """

    kind = "nth_farthest"

    n_vectors: int = 8
    n_dims: int = 16

    def __post_init__(self) -> None:
        check_int(self.n_vectors, where="NthFarthest", name="n_vectors", low=2, high=MAX_SIZE)
        check_int(self.n_dims, where="NthFarthest", name="n_dims", high=MAX_SIZE)

    @property
    def _most(self) -> int:
        return MAX_NUMBERS // (self.n_vectors * (self.n_dims + 3 * self.n_vectors))

    def _drawn(self, generator: np.random.Generator, n: int) -> NthFarthestTrials:
        size = self.n_vectors
        vectors = generator.uniform(-1, 1, size=(n, size, self.n_dims)).astype(np.float32)
        labels = generator.permuted(np.tile(np.arange(size), (n, 1)), axis=1)
        rank, place = generator.integers(size, size=(2, n))
        trial = np.arange(n)
        apart = ((vectors.astype(float) - vectors[trial, place, None]) ** 2).sum(axis=2)
        wanted = (-apart).argsort(axis=1, kind="stable")[trial, rank]
        return NthFarthestTrials(
            vectors=vectors,
            labels=labels,
            rank=rank,
            reference=labels[trial, place],
            answers=labels[trial, wanted],
        )
