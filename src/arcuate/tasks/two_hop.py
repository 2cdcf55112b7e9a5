"""Two hops: facts that are learned by heart, and questions that need two of them one after the other.

A world has entities and relations; each relation leads from every entity to another, and no two entities
to the same. A question of one hop asks where a relation leads from an entity; it can be recalled. A question
of two hops asks where a second relation leads from there, without the entity between being told. Part of them
are held out: both their hops are known from other questions, their combination is not.

References
----------
Wang, Yue, Su and Sun, Grokked transformers are implicit reasoners, arXiv 2405.15071 (2024), has such worlds.
Sizes are chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from arcuate import rng
from arcuate.errors import TaskError, check_choice, check_int, check_real
from arcuate.tasks._answers import hits
from arcuate.tasks._drawn import DrawnTask
from arcuate.tasks.forms import Drive, Tokens, drive, held

__all__ = ["HopTrials", "TwoHop"]

MAX_CELLS = 100_000_000
MAX_SYMBOLS = 1024
PARTS = ("entities", "relations", "bridges", "answers")
SETS = ("one_hop", "two_hop", "held_out")


@dataclass(frozen=True, kw_only=True, eq=False)
class HopTrials:
    """Questions of `TwoHop`. Arrays are read-only.

    Parameters
    ----------
    entities : ndarray, (n_trials,), int64
        Where a question starts.
    relations : ndarray, (n_trials, 2), int64
        The hops; the second is ``n_relations`` where there is but one.
    bridges, answers : ndarray, (n_trials,), int64
        Entity after the first hop, and after the last.
    n_entities, n_relations : int
        How many there are.

    Examples
    --------
    >>> trials = TwoHop().questions("one_hop")
    >>> trials.n_trials, bool((trials.bridges == trials.answers).all())
    (144, True)
    """

    entities: np.ndarray
    relations: np.ndarray
    bridges: np.ndarray
    answers: np.ndarray
    n_entities: int
    n_relations: int

    def __post_init__(self) -> None:
        for array in (self.entities, self.relations, self.bridges, self.answers):
            array.flags.writeable = False

    @property
    def n_trials(self) -> int:
        """Number of questions."""
        return len(self.entities)

    @property
    def hops(self) -> np.ndarray:
        """How many hops each question has (n_trials,)."""
        return 1 + (self.relations[:, 1] < self.n_relations)

    def chosen(self, index: ArrayLike) -> HopTrials:
        """Return some of the questions.

        Parameters
        ----------
        index : array_like of int, or of bool (n_trials,)
            Which.

        Returns
        -------
        HopTrials

        Raises
        ------
        TaskError
            If they are not indices of questions.

        Examples
        --------
        >>> TwoHop().questions("one_hop").chosen([0, 3, 5]).n_trials
        3
        """
        try:
            rows = np.arange(self.n_trials)[np.asarray(index)]
        except IndexError as error:
            bound = f"must be indices of {self.n_trials} questions ({error})"
            raise TaskError.of(where="HopTrials.chosen", name="index", bound=bound) from error
        parts = {name: getattr(self, name)[rows] for name in PARTS}
        return HopTrials(**parts, n_entities=self.n_entities, n_relations=self.n_relations)

    def tokens(self) -> Tokens:
        """Return the questions as sequences of words: entity, relation, relation or ``alone``, ``leads to``.

        Returns
        -------
        Tokens
            The answer is asked at the last word; its class is the number of the entity.

        Examples
        --------
        >>> read = TwoHop().draw(1, seed=1).tokens()
        >>> [read.vocabulary[word] for word in read.tokens[0]]
        ['entity 15', 'relation 4', 'alone', 'leads to']
        """
        x, answers = self.frames()
        tokens = np.pad(x, ((0, 0), (0, 1)), constant_values=self.n_entities + self.n_relations + 1)
        targets = np.full_like(tokens, -1)
        targets[:, -1:] = answers
        return Tokens(tokens=tokens, targets=targets, vocabulary=(*self._words, "alone", "leads to"))

    def frames(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the questions as they are shown, for a network that sees one at once.

        Returns
        -------
        x : ndarray, (n_trials, 3), int64
            Entity, first relation + n_entities, second relation + n_entities.
        targets : ndarray, (n_trials, 1), int64
            Answers.

        Examples
        --------
        >>> x, targets = TwoHop().draw(5, seed=1).frames()
        >>> x.shape, targets.shape
        ((5, 3), (5, 1))
        """
        x = np.concatenate((self.entities[:, None], self.relations + self.n_entities), axis=1)
        return x, self.answers[:, None]

    def drive(self, dt: float | str, *, hold: float | str) -> Drive:
        """Return the questions as currents: a channel for each entity and relation, one after the other.

        Parameters
        ----------
        dt, hold : str or quantity
            Step, and how long each of the three words is shown, and then the answer is asked; a whole number
            of steps.

        Returns
        -------
        Drive
            Channels of entities, of relations, ``alone`` and ``answer``, which is 1 while the answer is
            asked; one output for each entity.

        Raises
        ------
        TaskError
            If ``hold`` is not a whole number of steps.
        MemoryLimitError
            If the currents would not fit into memory.

        Examples
        --------
        >>> shown = TwoHop(n_entities=5, n_relations=2).draw(3, seed=1).drive("1 ms", hold="10 ms")
        >>> shown.inputs.shape, shown.targets.shape, int(shown.asked[0].sum())
        ((3, 40, 9), (3, 40, 5), 10)
        """
        n, width = self.n_trials, self.n_entities + self.n_relations + 2
        held(dt, hold, shape=(n, 4, width), n_outputs=self.n_entities)
        read, targets = self.tokens(), np.zeros((n, 4, self.n_entities))
        targets[:, -1] = np.eye(self.n_entities)[self.answers]
        return drive(
            np.eye(width, dtype=np.float32)[read.tokens],
            dt,
            hold=hold,
            channels=[*self._words, "alone", "answer"],
            targets=targets,
            asked=read.asked,
            outputs=self._words[: self.n_entities],
        )

    def score(self, answers: np.ndarray) -> np.ndarray:
        """Say of each question whether it was answered right.

        Parameters
        ----------
        answers : array_like of int, (n_trials,)
            Entities.

        Returns
        -------
        ndarray, (n_trials,), bool

        Raises
        ------
        TaskError
            If the answers are no entities, or do not have the shape of the questions.

        Examples
        --------
        >>> trials = TwoHop().draw(3, seed=1)
        >>> trials.score(trials.answers)
        array([ True,  True,  True])
        """
        return hits(answers, self.answers, n_classes=self.n_entities, where="HopTrials.score")

    @property
    def _words(self) -> tuple[str, ...]:
        entities = (f"entity {k}" for k in range(self.n_entities))
        return (*entities, *(f"relation {k}" for k in range(self.n_relations)))


@dataclass(frozen=True, kw_only=True)
class TwoHop(DrawnTask[HopTrials]):
    """A world of facts, and questions of one and of two hops about it.

    Parameters
    ----------
    n_entities, n_relations : int
    held_out : float
        Share of the questions of two hops that are never drawn; `questions` gives them.
    two_hop : float
        Share of two hops among the questions that are drawn.
    world : int
        Seed of the facts and of what is held out, stream ``"task/two_hop/world"``.

    Raises
    ------
    SpecError
        If a number is out of bounds.

    Examples
    --------
    >>> task = TwoHop(n_entities=10, n_relations=3)
    >>> trials = task.questions("held_out")
    >>> facts = task.facts
    >>> bridges = facts[trials.entities, trials.relations[:, 0]]
    >>> bool((facts[bridges, trials.relations[:, 1]] == trials.answers).all())
    True
    """

    kind = "two_hop"

    n_entities: int = 24
    n_relations: int = 6
    held_out: float = 0.15
    two_hop: float = 0.8
    world: int = 0

    def __post_init__(self) -> None:
        for name, low in (("n_entities", 2), ("n_relations", 1)):
            check_int(getattr(self, name), where="TwoHop", name=name, low=low, high=MAX_SYMBOLS)
        for name in ("held_out", "two_hop"):
            check_real(getattr(self, name), where="TwoHop", name=name, low=0, high=1)
        rng.check_seed(self.world)
        questions = self.n_entities * self.n_relations**2
        if questions > MAX_CELLS or self._n_held == questions:
            bound = f"must leave some of {questions} questions of two hops, {MAX_CELLS} at most"
            raise TaskError.of(where="TwoHop", name="held_out", value=self.held_out, bound=bound)

    @property
    def facts(self) -> np.ndarray:
        """Where each relation leads (n_entities, n_relations)."""
        return self._world[0]

    def questions(self, which: str) -> HopTrials:
        """Return all questions of a kind.

        Parameters
        ----------
        which : {"one_hop", "two_hop", "held_out"}
            Those of one hop, those of two that are drawn, and those of two that never are.

        Returns
        -------
        HopTrials

        Raises
        ------
        SpecError
            If it is another kind.

        Examples
        --------
        >>> [TwoHop().questions(which).n_trials for which in ("one_hop", "two_hop", "held_out")]
        [144, 734, 130]
        """
        check_choice(which, SETS, where="TwoHop.questions", name="which")
        order = self._world[1]
        if which == "one_hop":
            return self._asked(np.arange(self.facts.size), hops=1)
        return self._asked(order[: self._n_held] if which == "held_out" else order[self._n_held :], hops=2)

    @property
    def _n_held(self) -> int:
        return round(self.held_out * self.n_entities * self.n_relations**2)

    @cached_property
    def _world(self) -> tuple[np.ndarray, np.ndarray]:
        """The facts, and the questions of two hops in an order of which those held out come first."""
        generator = rng.stream(self.world, f"task/{self.kind}/world")
        rows = np.tile(np.arange(self.n_entities), (self.n_relations, 1))
        facts = generator.permuted(rows, axis=1).T.copy()
        order = generator.permutation(self.n_entities * self.n_relations**2)
        facts.flags.writeable = order.flags.writeable = False
        return facts, order

    @property
    def _most(self) -> int:
        return MAX_CELLS // (self.n_entities + self.n_relations)

    def _asked(self, rows: np.ndarray, *, hops: int) -> HopTrials:
        """Return questions by their numbers among all of as many hops."""
        many = self.n_relations
        if hops == 1:
            entities, first = np.divmod(rows, many)
            second = np.full_like(first, many)
        else:
            entities, first, second = rows // many**2, rows // many % many, rows % many
        bridges = self.facts[entities, first]
        answers = bridges.copy() if hops == 1 else self.facts[bridges, second]
        return HopTrials(
            entities=entities, relations=np.stack((first, second), axis=1), bridges=bridges, answers=answers,
            n_entities=self.n_entities, n_relations=many,
        )  # fmt: skip

    def batches(
        self, size: int, *, form: str = "frames"
    ) -> Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]:
        """Return what `arcuate.nn.fit` draws its batches from.

        Parameters
        ----------
        size : int
            Questions of a batch.
        form : {"frames", "tokens"}
            What a batch holds.

        Returns
        -------
        callable
            Makes (x, targets) of new draws from a NumPy generator.

        Raises
        ------
        SpecError
            If the size or the form is out of bounds.

        Examples
        --------
        >>> x, targets = TwoHop().batches(64, form="tokens")(np.random.default_rng(0))
        >>> x.shape, targets.shape
        ((64, 4), (64, 4))
        """
        check_choice(form, ("frames", "tokens"), where="TwoHop.batches", name="form")
        if form == "frames":
            return super().batches(size)
        n = check_int(size, where="TwoHop.batches", name="size", high=self._most)

        def batch(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
            read = self._drawn(generator, n).tokens()
            return read.tokens.copy(), read.targets.copy()

        return batch

    def _drawn(self, generator: np.random.Generator, n: int) -> HopTrials:
        kept = self._world[1][self._n_held :]
        two = self._asked(kept[generator.integers(len(kept), size=n)], hops=2)
        one = self._asked(generator.integers(self.facts.size, size=n), hops=1)
        second = generator.random(n) < self.two_hop
        chosen = {
            name: np.where(
                second if name != "relations" else second[:, None], getattr(two, name), getattr(one, name)
            )
            for name in PARTS
        }
        return HopTrials(**chosen, n_entities=self.n_entities, n_relations=self.n_relations)
