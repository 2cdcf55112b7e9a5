"""AB-AC lists: the same items are paired with one response each in one context, then with another in another.

A learner that knows both lists answers by the context; one that overwrites answers the first list no more.

References
----------
J. Barnes and B. Underwood, "Fate" of first-list associations in transfer theory (1959); M. McCloskey and
N. Cohen, Catastrophic interference in connectionist networks (1989). Sizes are chosen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arcuate.errors import check_int
from arcuate.tasks._answers import hits
from arcuate.tasks._drawn import DrawnTask
from arcuate.tasks.forms import Drive, Tokens, drive, held

__all__ = ["PairListTrials", "PairLists"]

LISTS = 2
MAX_NUMBERS = 50_000_000
MAX_SIZE = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class PairListTrials:
    """Trials of `PairLists`: two lists each. Arrays are read-only.

    Parameters
    ----------
    items : ndarray, (n_trials, n_items, n_features), float32
        The items, the same in both lists.
    contexts : ndarray, (n_trials, 2, n_context), float32
        Context of each list.
    responses : ndarray, (n_trials, 2, n_items), int64
        Response to each item in each list, all of a list different.
    order : ndarray, (n_trials, 2, n_items), int64
        Items in the order in which each list shows them.

    Examples
    --------
    >>> trials = PairLists(n_items=5).draw(3, seed=1)
    >>> trials.items.shape, trials.responses.shape
    ((3, 5, 30), (3, 2, 5))
    """

    items: np.ndarray
    contexts: np.ndarray
    responses: np.ndarray
    order: np.ndarray

    def __post_init__(self) -> None:
        for array in (self.items, self.contexts, self.responses, self.order):
            array.flags.writeable = False

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return len(self.items)

    def frames(self) -> tuple[np.ndarray, np.ndarray]:
        """Return both lists of each trial at once, for a learner that goes through one and then the other.

        Returns
        -------
        x : ndarray, (n_trials, 2, n_items, n_features + n_context), float32
            Item, then context.
        targets : ndarray, (n_trials, 2, n_items), int64
            Responses.

        Examples
        --------
        >>> x, targets = PairLists().draw(3, seed=1).frames()
        >>> x.shape, targets.shape
        ((3, 2, 20, 40), (3, 2, 20))
        """
        shape = self.responses.shape
        items = np.broadcast_to(self.items[:, None], (*shape, self.items.shape[2]))
        contexts = np.broadcast_to(self.contexts[:, :, None], (*shape, self.contexts.shape[2]))
        return np.concatenate((items, contexts), axis=3), self.responses

    def tokens(self) -> Tokens:
        """Return the trials as sequences of words: both lists, then every item in the context of each.

        Returns
        -------
        Tokens
            List 1, list 2, then the questions about list 1 and list 2, each opened by the name of the list.
            A list is items with responses, in its order; a question is an item, at which its response is
            asked.

        Examples
        --------
        >>> read = PairLists(n_items=2).draw(1, seed=1).tokens()
        >>> read.tokens.shape, read.vocabulary[-2:]
        ((1, 16), ('list 1', 'list 2'))
        """
        n, _, size = self.responses.shape
        names = np.broadcast_to(2 * size + np.arange(LISTS)[:, None], (n, LISTS, 1))
        responses = np.take_along_axis(self.responses, self.order, axis=2)
        shown = np.stack((self.order + size, responses), axis=3).reshape(n, LISTS, -1)
        asked = np.broadcast_to(np.arange(size) + size, self.responses.shape)
        parts = [np.concatenate((names, part), axis=2).reshape(n, -1) for part in (shown, asked)]
        tokens = np.concatenate(parts, axis=1)
        targets = np.full_like(tokens, -1)
        targets[:, parts[0].shape[1] :].reshape(n, LISTS, size + 1)[:, :, 1:] = self.responses
        words = [f"{word} {k}" for word in ("response", "item") for k in range(size)]
        return Tokens(tokens=tokens, targets=targets, vocabulary=(*words, "list 1", "list 2"))

    def drive(self, dt: float | str, *, hold: float | str) -> Drive:
        """Return the trials as currents: both lists with their responses, then all items without.

        Parameters
        ----------
        dt, hold : str or quantity
            Step, and how long an item is shown; a whole number of steps.

        Returns
        -------
        Drive
            Channels of item, context, response and ``answer``, which is 1 while an item is asked; one output
            for each response.

        Raises
        ------
        TaskError
            If ``hold`` is not a whole number of steps.
        MemoryLimitError
            If the currents would not fit into memory.

        Examples
        --------
        >>> shown = PairLists(n_items=5).draw(2, seed=1).drive("1 ms", hold="10 ms")
        >>> shown.inputs.shape, shown.targets.shape, int(shown.asked[0].sum())
        ((2, 200, 46), (2, 200, 5), 100)
        """
        n, _, size = self.responses.shape
        half, width = LISTS * size, self.items.shape[2] + self.contexts.shape[2]
        held(dt, hold, shape=(n, 2 * half, width + size + 1), n_outputs=size)
        one, (x, _) = np.eye(size), self.frames()
        inputs, targets = np.zeros((n, 2 * half, width + size + 1)), np.zeros((n, 2 * half, size))
        inputs[:, :half, :width] = np.take_along_axis(x, self.order[..., None], axis=2).reshape(n, half, -1)
        responses = np.take_along_axis(self.responses, self.order, axis=2)
        inputs[:, :half, width:-1] = one[responses].reshape(n, half, -1)
        inputs[:, half:, :width] = x.reshape(n, half, -1)
        inputs[:, half:, -1] = 1
        targets[:, half:] = one[self.responses].reshape(n, half, -1)
        sizes = (("item", self.items.shape[2]), ("context", self.contexts.shape[2]), ("response", size))
        return drive(
            inputs,
            dt,
            hold=hold,
            channels=[*(f"{word} {k}" for word, many in sizes for k in range(many)), "answer"],
            targets=targets,
            asked=np.broadcast_to(np.arange(2 * half) >= half, (n, 2 * half)),
            outputs=[f"response {k}" for k in range(size)],
        )

    def score(self, answers: np.ndarray) -> np.ndarray:
        """Say of each trial whether both lists were answered right as a whole.

        Parameters
        ----------
        answers : array_like of int, (n_trials, 2, n_items)
            Responses.

        Returns
        -------
        ndarray, (n_trials,), bool

        Raises
        ------
        TaskError
            If the answers are no responses, or do not have the shape of the lists.

        Examples
        --------
        >>> trials = PairLists().draw(3, seed=1)
        >>> trials.score(trials.responses)
        array([ True,  True,  True])
        """
        return np.asarray(self.score_items(answers).all(axis=(1, 2)))

    def score_items(self, answers: np.ndarray) -> np.ndarray:
        """Say of each item of each list whether it was answered right.

        Parameters
        ----------
        answers : array_like of int, (n_trials, 2, n_items)
            Responses.

        Returns
        -------
        ndarray, (n_trials, 2, n_items), bool

        Raises
        ------
        TaskError
            If the answers are no responses, or do not have the shape of the lists.

        Examples
        --------
        Who knows only the second list:

        >>> trials = PairLists().draw(200, seed=1)
        >>> right = trials.score_items(trials.responses[:, [1, 1]])
        >>> right.mean(axis=(0, 2)).round(1)
        array([0., 1.])
        """
        n = self.responses.shape[2]
        return hits(answers, self.responses, n_classes=n, where="PairListTrials.score")


@dataclass(frozen=True, kw_only=True)
class PairLists(DrawnTask[PairListTrials]):
    """Two lists of the same items, each in its context and with its own order of as many responses.

    Items and contexts are vectors of numbers from a normal law. Response and item go together at random, so
    that a response of the first list is that of the second once in ``n_items``.

    Parameters
    ----------
    n_items : int
        Items of a list, and responses.
    n_features, n_context : int
        Widths of an item and of a context.

    Raises
    ------
    SpecError
        If a number is out of bounds.

    Examples
    --------
    >>> trials = PairLists(n_items=4).draw(2, seed=0)
    >>> np.sort(trials.responses[0], axis=1).tolist()
    [[0, 1, 2, 3], [0, 1, 2, 3]]
    """

    kind = "pair_lists"

    n_items: int = 20
    n_features: int = 30
    n_context: int = 10

    def __post_init__(self) -> None:
        for name, low in (("n_items", 2), ("n_features", 1), ("n_context", 1)):
            check_int(getattr(self, name), where="PairLists", name=name, low=low, high=MAX_SIZE)

    @property
    def _most(self) -> int:
        return MAX_NUMBERS // (self.n_items * (self.n_features + self.n_context))

    def _drawn(self, generator: np.random.Generator, n: int) -> PairListTrials:
        rows = np.broadcast_to(np.arange(self.n_items), (n, LISTS, self.n_items))
        return PairListTrials(
            items=generator.standard_normal((n, self.n_items, self.n_features), dtype=np.float32),
            contexts=generator.standard_normal((n, LISTS, self.n_context), dtype=np.float32),
            responses=generator.permuted(rows, axis=2),
            order=generator.permuted(rows, axis=2),
        )
