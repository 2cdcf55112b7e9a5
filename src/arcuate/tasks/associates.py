"""Paired associates: pairs shown a chunk at a time, then keys whose values are asked.

A network that carries a memory from chunk to chunk sees each pair once, and never two chunks together.
What it answers shows how much its memory keeps.

References
----------
Paired associates are as old as the study of memory: Calkins, Association, Psychological Review Monograph
Supplements 1(2) (1896). Chunks, symbols and sizes here are chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from arcuate.errors import TaskError, check_int
from arcuate.tasks._answers import hits
from arcuate.tasks._drawn import DrawnTask, as_batch
from arcuate.tasks.forms import Drive, Tokens, drive, held

__all__ = ["AssociateTrials", "PairedAssociates"]

MAX_CELLS = 100_000_000
MAX_SYMBOLS = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class AssociateTrials:
    """Trials of `PairedAssociates`. Arrays are read-only.

    Parameters
    ----------
    keys : ndarray, (n_trials, n_chunks, chunk), int64
        Keys as they are shown, no two of a trial the same.
    values : ndarray, (n_trials, n_chunks, chunk), int64
        Value that is shown with each key.
    queries : ndarray, (n_trials, chunk), int64
        Keys that are asked, no two of a trial the same.
    answers : ndarray, (n_trials, chunk), int64
        Their values.
    n_keys, n_values : int
        How many keys and values there are.

    Examples
    --------
    >>> trials = PairedAssociates(n_chunks=2, chunk=3).draw(5, seed=1)
    >>> trials.keys.shape, trials.queries.shape
    ((5, 2, 3), (5, 3))
    """

    keys: np.ndarray
    values: np.ndarray
    queries: np.ndarray
    answers: np.ndarray
    n_keys: int
    n_values: int

    def __post_init__(self) -> None:
        for array in (self.keys, self.values, self.queries, self.answers):
            array.flags.writeable = False

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return len(self.keys)

    def frames(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the trials chunk by chunk, for a network that carries a memory from one to the next.

        Returns
        -------
        x : ndarray, (n_trials, n_chunks + 1, chunk, 2), int64
            Key and value of each pair; the last chunk holds the keys that are asked, where the value is
            ``n_values``.
        targets : ndarray, (n_trials, chunk), int64
            Values of the keys that are asked.

        Examples
        --------
        >>> x, targets = PairedAssociates(n_chunks=2).draw(5, seed=1).frames()
        >>> x.shape, targets.shape, bool((x[:, -1, :, 1] == 16).all())
        ((5, 3, 4, 2), (5, 4), True)
        """
        keys = np.concatenate((self.keys, self.queries[:, None]), axis=1)
        unknown = np.full_like(self.queries[:, None], self.n_values)
        return np.stack((keys, np.concatenate((self.values, unknown), axis=1)), axis=-1), self.answers

    def tokens(self) -> Tokens:
        """Return the trials as sequences of words: key, value, key, value, ..., then the keys that are asked.

        Returns
        -------
        Tokens
            The answer is asked at the key; its class is the number of the value.

        Examples
        --------
        >>> read = PairedAssociates(n_chunks=1, chunk=2).draw(1, seed=1).tokens()
        >>> read.tokens.shape, read.targets[0, :4].tolist()
        ((1, 6), [-1, -1, -1, -1])
        """
        n = self.n_trials
        pairs = np.stack((self.keys + self.n_values, self.values), axis=-1).reshape(n, -1)
        return Tokens(
            tokens=np.concatenate((pairs, self.queries + self.n_values), axis=1),
            targets=np.concatenate((np.full_like(pairs, -1), self.answers), axis=1),
            vocabulary=(*self._names("value"), *self._names("key")),
        )

    def drive(self, dt: float | str, *, hold: float | str) -> Drive:
        """Return the trials as currents: a channel for each key and value, pairs, then questions.

        Parameters
        ----------
        dt, hold : str or quantity
            Step, and how long a pair is shown and a key is asked; a whole number of steps.

        Returns
        -------
        Drive
            Channels of the keys, of the values and ``answer``, which is 1 while a key is asked; one output
            for each value.

        Raises
        ------
        TaskError
            If ``hold`` is not a whole number of steps.
        MemoryLimitError
            If the currents would not fit into memory.

        Examples
        --------
        >>> trials = PairedAssociates(n_chunks=2, n_keys=10, n_values=4).draw(3, seed=1)
        >>> shown = trials.drive("1 ms", hold="20 ms")
        >>> shown.inputs.shape, shown.targets.shape, int(shown.asked[0].sum())
        ((3, 240, 15), (3, 240, 4), 80)
        """
        n, chunk = self.queries.shape
        pairs = self.keys[0].size
        width = self.n_keys + self.n_values + 1
        held(dt, hold, shape=(n, pairs + chunk, width), n_outputs=self.n_values)
        keys = np.concatenate((self.keys.reshape(n, -1), self.queries), axis=1)
        inputs = np.zeros((n, pairs + chunk, width), dtype=np.float32)
        inputs[..., : self.n_keys] = np.eye(self.n_keys)[keys]
        inputs[:, :pairs, self.n_keys : -1] = np.eye(self.n_values)[self.values.reshape(n, -1)]
        inputs[:, pairs:, -1] = 1
        targets = np.zeros((n, pairs + chunk, self.n_values))
        targets[:, pairs:] = np.eye(self.n_values)[self.answers]
        return drive(
            inputs,
            dt,
            hold=hold,
            channels=[*self._names("key"), *self._names("value"), "answer"],
            targets=targets,
            asked=np.broadcast_to(np.arange(pairs + chunk) >= pairs, (n, pairs + chunk)),
            outputs=self._names("value"),
        )

    def score(self, answers: np.ndarray) -> np.ndarray:
        """Say of each trial whether every key was answered right.

        Parameters
        ----------
        answers : array_like of int, (n_trials, chunk)
            Values.

        Returns
        -------
        ndarray, (n_trials,), bool

        Raises
        ------
        TaskError
            If the answers are not values, or do not have the shape of the questions.

        Examples
        --------
        >>> trials = PairedAssociates().draw(3, seed=1)
        >>> trials.score(trials.answers)
        array([ True,  True,  True])
        """
        return np.asarray(self.score_items(answers).all(axis=1))

    def score_items(self, answers: np.ndarray) -> np.ndarray:
        """Say of each key that is asked whether it was answered right.

        Parameters
        ----------
        answers : array_like of int, (n_trials, chunk)
            Values.

        Returns
        -------
        ndarray, (n_trials, chunk), bool

        Raises
        ------
        TaskError
            If the answers are not values, or do not have the shape of the questions.

        Examples
        --------
        >>> trials = PairedAssociates().draw(3, seed=1)
        >>> bool(trials.score_items((trials.answers + 1) % 16).any())
        False
        """
        return hits(answers, self.answers, n_classes=self.n_values, where="AssociateTrials.score")

    def _names(self, word: str) -> tuple[str, ...]:
        return tuple(f"{word} {k}" for k in range(self.n_keys if word == "key" else self.n_values))


@dataclass(frozen=True, kw_only=True)
class PairedAssociates(DrawnTask[AssociateTrials]):
    """Pairs of a key and a value in chunks, then as many keys as a chunk has, whose values are asked.

    Keys of a trial differ; a value may come more than once. Which keys are asked, and in which order, is
    random. Guessing is right once in ``n_values``.

    Parameters
    ----------
    n_chunks : int
        Chunks of a trial.
    chunk : int
        Pairs of a chunk, and keys that are asked.
    n_keys, n_values : int
        How many keys and values there are; no fewer keys than pairs.

    Raises
    ------
    SpecError, TaskError
        If a number is out of bounds, or there are more pairs than keys.

    Examples
    --------
    >>> trials = PairedAssociates(n_chunks=8).draw(100, seed=0)
    >>> shown = trials.keys.reshape(100, 32)
    >>> place = (shown[:, None] == trials.queries[..., None]).argmax(axis=2)
    >>> bool((np.take_along_axis(trials.values.reshape(100, 32), place, axis=1) == trials.answers).all())
    True
    """

    kind = "paired_associates"

    n_chunks: int = 4
    chunk: int = 4
    n_keys: int = 64
    n_values: int = 16

    def __post_init__(self) -> None:
        for name, low in (("n_chunks", 1), ("chunk", 1), ("n_keys", 1), ("n_values", 2)):
            check_int(getattr(self, name), where="PairedAssociates", name=name, low=low, high=MAX_SYMBOLS)
        if self.n_chunks * self.chunk > self.n_keys:
            bound = f"must be no less than the {self.n_chunks * self.chunk} pairs of a trial"
            raise TaskError.of(where="PairedAssociates", name="n_keys", value=self.n_keys, bound=bound)

    @property
    def _most(self) -> int:
        return MAX_CELLS // self.n_keys

    def batches(
        self, size: int, *, n_chunks: Sequence[int] | None = None
    ) -> Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]:
        """Return what `arcuate.nn.fit` draws its batches from.

        Parameters
        ----------
        size : int
            Trials of a batch.
        n_chunks : sequence of int, optional
            Numbers of chunks, of which every batch has one at random; by default that of the task.

        Returns
        -------
        callable
            Makes (x, targets), as ``frames()`` of new trials, from a NumPy generator.

        Raises
        ------
        SpecError, TaskError
            If the size or a number of chunks is out of bounds.

        Examples
        --------
        >>> batches = PairedAssociates().batches(64, n_chunks=(1, 2, 4, 8))
        >>> x, targets = batches(np.random.default_rng(0))
        >>> x.shape, targets.shape
        ((64, 9, 4, 2), (64, 4))
        """
        n = check_int(size, where="PairedAssociates.batches", name="size", high=self._most)
        lengths = [self.n_chunks] if n_chunks is None else list(n_chunks)
        if not lengths:
            bound = "must be one number or more"
            raise TaskError.of(where="PairedAssociates.batches", name="n_chunks", value=n_chunks, bound=bound)
        tasks = [replace(self, n_chunks=length) for length in lengths]

        def batch(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
            return as_batch(tasks[generator.integers(len(tasks))]._drawn(generator, n))

        return batch

    def _drawn(self, generator: np.random.Generator, n: int) -> AssociateTrials:
        pairs = self.n_chunks * self.chunk
        keys = _distinct(generator, n, among=self.n_keys, count=pairs)
        values = generator.integers(self.n_values, size=(n, pairs))
        asked = _distinct(generator, n, among=pairs, count=self.chunk)
        return AssociateTrials(
            keys=keys.reshape(n, self.n_chunks, self.chunk),
            values=values.reshape(n, self.n_chunks, self.chunk),
            queries=np.take_along_axis(keys, asked, axis=1),
            answers=np.take_along_axis(values, asked, axis=1),
            n_keys=self.n_keys,
            n_values=self.n_values,
        )


def _distinct(generator: np.random.Generator, n: int, *, among: int, count: int) -> np.ndarray:
    """Draw n rows of different numbers below ``among``, every row as likely as any other."""
    return generator.permuted(np.tile(np.arange(among), (n, 1)), axis=1)[:, :count].copy()
