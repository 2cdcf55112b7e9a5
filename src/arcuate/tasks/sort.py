"""Sorting: the order of the numbers of a list, from the smallest to the largest.

References
----------
Task of Darlow et al., Continuous Thought Machines (2025), arXiv 2505.05522: numbers from a standard normal
distribution, answered by their places in rising order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arcuate.errors import TaskError, check_int
from arcuate.tasks._answers import given_answers
from arcuate.tasks._drawn import DrawnTask
from arcuate.tasks.blocks import MAX_TRIALS
from arcuate.tasks.forms import Drive, Tokens, drive, held

__all__ = ["Sort", "SortTrials"]

SIGNS = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "-", "+", "?")
"""First words of the token form; the places of the list follow."""

DECIMALS = 3
MAX_LENGTH = 100


@dataclass(frozen=True, kw_only=True, eq=False)
class SortTrials:
    """Trials of `Sort`. Arrays are read-only.

    Parameters
    ----------
    values : ndarray, (n_trials, length), float32
        The numbers; three decimals, no two of a list the same.
    order : ndarray, (n_trials, length), int64
        The answers: places of the smallest, the second smallest, ..., counted from 0.

    Examples
    --------
    >>> trials = Sort(length=4).draw(3, seed=1)
    >>> bool((np.diff(np.take_along_axis(trials.values, trials.order, axis=1)) > 0).all())
    True
    """

    values: np.ndarray
    order: np.ndarray

    def __post_init__(self) -> None:
        for array in (self.values, self.order):
            array.flags.writeable = False

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return len(self.values)

    def frames(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the trials for a network that sees a whole list at once, such as `arcuate.ctm.forward`.

        Returns
        -------
        x : ndarray, (n_trials, length)
            Numbers.
        targets : ndarray, (n_trials, length)
            Places in rising order.

        Examples
        --------
        >>> x, targets = Sort(length=4).draw(3, seed=1).frames()
        >>> x.dtype, targets.dtype
        (dtype('float32'), dtype('int64'))
        """
        return self.values, self.order

    def tokens(self) -> Tokens:
        """Return the trials as sequences of words: sign and four digits of each number, then the questions.

        Returns
        -------
        Tokens
            ``length`` numbers of five words, then ``length`` times "?", whose answers are places such as
            "place 2".

        Examples
        --------
        >>> read = Sort(length=3).draw(1, seed=1).tokens()
        >>> read.tokens.shape, [read.vocabulary[k] for k in read.targets[0, -3:]]
        ((1, 18), ['place 1', 'place 2', 'place 0'])
        """
        n, length = self.values.shape
        whole = np.rint(self.values.astype(float) * 10**DECIMALS).astype(np.int64)
        words = [np.where(whole < 0, SIGNS.index("-"), SIGNS.index("+"))]
        words += [np.abs(whole) // 10**power % 10 for power in range(DECIMALS, -1, -1)]
        numbers = np.stack(words, axis=-1).reshape(n, -1)
        asked = np.full((n, length), SIGNS.index("?"))
        return Tokens(
            tokens=np.concatenate((numbers, asked), axis=1),
            targets=np.concatenate((np.full(numbers.shape, -1), self.order + len(SIGNS)), axis=1),
            vocabulary=(*SIGNS, *(f"place {k}" for k in range(length))),
        )

    def drive(self, dt: float | str, *, hold: float | str) -> Drive:
        """Return the trials as currents: the numbers one after the other, then a signal to answer.

        Parameters
        ----------
        dt, hold : str or quantity
            Step, and how long a number is shown and a place may be answered; a whole number of steps.

        Returns
        -------
        Drive
            Twice ``length`` items; channels ``number`` and ``answer``, one output for each place, of which
            one is 1 in the second half.

        Raises
        ------
        TaskError
            If ``hold`` is not a whole number of steps.
        MemoryLimitError
            If the currents would not fit into memory.

        Examples
        --------
        >>> shown = Sort(length=4).draw(3, seed=1).drive("1 ms", hold="20 ms")
        >>> shown.inputs.shape, shown.targets.shape, int(shown.asked[0].sum())
        ((3, 160, 2), (3, 160, 4), 80)
        """
        n, length = self.values.shape
        held(dt, hold, shape=(n, 2 * length, 2), n_outputs=length)
        inputs, targets = np.zeros((n, 2 * length, 2)), np.zeros((n, 2 * length, length))
        inputs[:, :length, 0] = self.values
        inputs[:, length:, 1] = 1
        targets[:, length:] = np.eye(length)[self.order]
        return drive(
            inputs,
            dt,
            hold=hold,
            channels=["number", "answer"],
            targets=targets,
            asked=np.broadcast_to(np.arange(2 * length) >= length, (n, 2 * length)),
            outputs=[f"place {k}" for k in range(length)],
        )

    def score(self, answers: np.ndarray) -> np.ndarray:
        """Say of each trial whether the whole list was answered right.

        Parameters
        ----------
        answers : array_like of int, (n_trials, any number)
            Places in rising order; what stands after them must be -1, as `arcuate.ctm.decode` has it.

        Returns
        -------
        ndarray, (n_trials,), bool

        Raises
        ------
        TaskError
            If there is not a row for each trial.

        Examples
        --------
        >>> trials = Sort(length=4).draw(3, seed=1)
        >>> trials.score(trials.order)
        array([ True,  True,  True])
        """
        right, length = self.score_items(answers), self.values.shape[1]
        return np.asarray(right.all(axis=1) & (np.asarray(answers)[:, length:] == -1).all(axis=1))

    def score_items(self, answers: np.ndarray) -> np.ndarray:
        """Say of each rank whether it was answered right.

        Parameters
        ----------
        answers : array_like of int, (n_trials, any number)
            Places in rising order; a rank that has no answer is wrong.

        Returns
        -------
        ndarray, (n_trials, length), bool

        Raises
        ------
        TaskError
            If there is not a row for each trial.

        Examples
        --------
        >>> trials = Sort(length=4).draw(3, seed=1)
        >>> trials.score_items(trials.order[:, :2])[0]
        array([ True,  True, False, False])
        """
        given, (n, length) = given_answers(answers, where="SortTrials.score"), self.order.shape
        if given.ndim != 2 or len(given) != n:
            bound = f"must be a row for each of {n} trials, not of shape {given.shape}"
            raise TaskError.of(where="SortTrials.score", name="answers", bound=bound)
        padded = np.full((n, length), -1)
        padded[:, : given.shape[1]] = given[:, :length]
        return np.asarray(padded == self.order)


@dataclass(frozen=True, kw_only=True)
class Sort(DrawnTask[SortTrials]):
    """Lists of numbers from a standard normal distribution, and their rising order.

    Numbers are rounded to three decimals, so that the token form has all there is, and lists in which two are
    equal are drawn again.

    Parameters
    ----------
    length : int
        Numbers in a list.

    Raises
    ------
    SpecError
        If the length is out of bounds.

    Examples
    --------
    >>> trials = Sort(length=6).draw(100, seed=0)
    >>> bool((trials.order == trials.values.argsort(axis=1)).all())
    True
    """

    kind = "sort"

    length: int = 6

    def __post_init__(self) -> None:
        check_int(self.length, where="Sort", name="length", low=2, high=MAX_LENGTH)

    @property
    def _most(self) -> int:
        return MAX_TRIALS // self.length

    def _drawn(self, generator: np.random.Generator, n: int) -> SortTrials:
        values, doubled = np.zeros((n, self.length)), np.ones(n, dtype=bool)
        while doubled.any():
            drawn = generator.standard_normal((int(doubled.sum()), self.length))
            values[doubled] = np.clip(np.round(drawn, DECIMALS), -9.999, 9.999)
            doubled = (np.diff(np.sort(values, axis=1), axis=1) == 0).any(axis=1)
        return SortTrials(values=values.astype(np.float32), order=values.argsort(axis=1))
