"""Parity: of a row of +1 and -1, whether the number of -1 up to each place is even or odd.

References
----------
Task of Darlow et al., Continuous Thought Machines (2025), arXiv 2505.05522, after Graves, Adaptive
computation time for recurrent neural networks (2016), arXiv 1603.08983.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arcuate.errors import TaskError, check_int
from arcuate.tasks._answers import given_answers
from arcuate.tasks._drawn import DrawnTask
from arcuate.tasks.blocks import MAX_TRIALS
from arcuate.tasks.forms import Drive, Tokens, drive

__all__ = ["Parity", "ParityTrials"]

VOCABULARY = ("even", "odd", "-1", "+1")
"""Words of the token form: the two answers, then the two signs."""

MAX_LENGTH = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class ParityTrials:
    """Trials of `Parity`. Arrays are read-only.

    Parameters
    ----------
    signs : ndarray, (n_trials, length), float32
        +1 and -1.
    odd : ndarray, (n_trials, length), int64
        The answers: 1 where the number of -1 up to here, this place included, is odd.

    Examples
    --------
    >>> trials = Parity(length=4).draw(3, seed=1)
    >>> trials.signs.shape, trials.odd.shape
    ((3, 4), (3, 4))
    """

    signs: np.ndarray
    odd: np.ndarray

    def __post_init__(self) -> None:
        for array in (self.signs, self.odd):
            array.flags.writeable = False

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return len(self.signs)

    def frames(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the trials for a network that sees a whole row at once, such as `arcuate.ctm.forward`.

        Returns
        -------
        x : ndarray, (n_trials, length)
            Signs.
        targets : ndarray, (n_trials, length)
            Answers.

        Examples
        --------
        >>> x, targets = Parity(length=4).draw(3, seed=1).frames()
        >>> x.dtype, targets.dtype
        (dtype('float32'), dtype('int64'))
        """
        return self.signs, self.odd

    def tokens(self) -> Tokens:
        """Return the trials as sequences of words, each answered where it stands.

        Returns
        -------
        Tokens

        Examples
        --------
        >>> Parity(length=4).draw(3, seed=1).tokens().vocabulary
        ('even', 'odd', '-1', '+1')
        """
        return Tokens(
            tokens=(self.signs > 0).astype(np.int64) + 2, targets=self.odd.copy(), vocabulary=VOCABULARY
        )

    def drive(self, dt: float | str, *, hold: float | str) -> Drive:
        """Return the trials as a current of +1 and -1, and the answers so far as an output of 0 and 1.

        Parameters
        ----------
        dt, hold : str or quantity
            Step, and how long a sign is shown; a whole number of steps.

        Returns
        -------
        Drive

        Raises
        ------
        TaskError
            If ``hold`` is not a whole number of steps.

        Examples
        --------
        >>> Parity(length=4).draw(3, seed=1).drive("1 ms", hold="20 ms").inputs.shape
        (3, 80, 1)
        """
        return drive(
            self.signs[..., None],
            dt,
            hold=hold,
            channels=["sign"],
            targets=self.odd[..., None],
            outputs=["odd"],
        )

    def score(self, answers: np.ndarray) -> np.ndarray:
        """Say of each trial whether the whole row was answered right.

        Parameters
        ----------
        answers : array_like of int, (n_trials, length)
            0 for even, 1 for odd.

        Returns
        -------
        ndarray, (n_trials,), bool

        Raises
        ------
        TaskError
            If the answers do not have the shape of the trials.

        Examples
        --------
        >>> trials = Parity(length=4).draw(3, seed=1)
        >>> trials.score(trials.odd)
        array([ True,  True,  True])
        """
        return np.asarray(self.score_items(answers).all(axis=1))

    def score_items(self, answers: np.ndarray) -> np.ndarray:
        """Say of each place whether it was answered right.

        Parameters
        ----------
        answers : array_like of int, (n_trials, length)
            0 for even, 1 for odd.

        Returns
        -------
        ndarray, (n_trials, length), bool

        Raises
        ------
        TaskError
            If the answers do not have the shape of the trials.

        Examples
        --------
        >>> trials = Parity(length=4).draw(3, seed=1)
        >>> bool(trials.score_items(1 - trials.odd).any())
        False
        """
        given = given_answers(answers, where="ParityTrials.score")
        if given.shape != self.odd.shape:
            bound = f"must have shape {self.odd.shape}, not {given.shape}"
            raise TaskError.of(where="ParityTrials.score", name="answers", bound=bound)
        return np.asarray(given == self.odd)


@dataclass(frozen=True, kw_only=True)
class Parity(DrawnTask[ParityTrials]):
    """Rows of +1 and -1, each sign with probability 1/2, and their parity up to each place.

    Parameters
    ----------
    length : int
        Signs in a row.

    Raises
    ------
    SpecError
        If the length is out of bounds.

    Examples
    --------
    >>> trials = Parity(length=8).draw(100, seed=0)
    >>> bool(((trials.signs.prod(axis=1) < 0) == trials.odd[:, -1]).all())
    True
    """

    kind = "parity"

    length: int = 8

    def __post_init__(self) -> None:
        check_int(self.length, where="Parity", name="length", high=MAX_LENGTH)

    @property
    def _most(self) -> int:
        return MAX_TRIALS // self.length

    def _drawn(self, generator: np.random.Generator, n: int) -> ParityTrials:
        plus = generator.integers(2, size=(n, self.length))
        return ParityTrials(signs=(2 * plus - 1).astype(np.float32), odd=(1 - plus).cumsum(axis=1) % 2)
