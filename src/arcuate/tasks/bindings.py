"""Bindings: groups of a name and an object, then one object, whose name is asked.

Which name goes with which object is new in every trial. How a system finds the name, by the place of the
group, by the object or by a pointer to the name itself, shows when part of its state is taken over from a
second context in which the three disagree: `BindingTrials.interchanged` draws such pairs of contexts.

References
----------
Gur-Arieh, Geva and Geiger, Mixing mechanisms: how language models retrieve bound entities in-context (2025).
Symbols and sizes are chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from arcuate import rng
from arcuate.errors import TaskError, check_choice, check_int
from arcuate.tasks._answers import hits
from arcuate.tasks._drawn import DrawnTask, as_batch
from arcuate.tasks.forms import Drive, Tokens, drive, held

__all__ = ["BindingPairs", "BindingTrials", "Bindings"]

MAX_CELLS = 100_000_000
MAX_SYMBOLS = 4096
SIDES = ("name", "object")


@dataclass(frozen=True, kw_only=True, eq=False)
class BindingTrials:
    """Trials of `Bindings`. Arrays are read-only.

    Parameters
    ----------
    names, objects : ndarray, (n_trials, n_groups), int64
        Of the groups in the order in which they are shown; no name and no object twice in a trial.
    order : ndarray, (n_trials, n_groups), int64
        Groups in the order in which they are asked about, where more than one is; the first is the question
        of the trial.
    n_names, n_objects : int
        How many names and objects there are.
    ask : {"name", "object"}
        Which side of the group is the answer; the other is the question.

    Examples
    --------
    >>> trials = Bindings(n_groups=4).draw(3, seed=1)
    >>> trials.names.shape, bool((trials.answers == trials.names[np.arange(3), trials.asked]).all())
    ((3, 4), True)
    """

    names: np.ndarray
    objects: np.ndarray
    order: np.ndarray
    n_names: int
    n_objects: int
    ask: str = "name"

    def __post_init__(self) -> None:
        for array in (self.names, self.objects, self.order):
            array.flags.writeable = False

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return len(self.names)

    @property
    def n_groups(self) -> int:
        """Number of groups of a trial."""
        return self.names.shape[1]

    @property
    def asked(self) -> np.ndarray:
        """Index of the group that is asked about (n_trials,)."""
        return self.order[:, 0]

    @property
    def n_answers(self) -> int:
        """How many symbols there are on the side of the answers."""
        return self.n_names if self.ask == "name" else self.n_objects

    @property
    def candidates(self) -> np.ndarray:
        """What each group would answer (n_trials, n_groups)."""
        return self.names if self.ask == "name" else self.objects

    @property
    def queries(self) -> np.ndarray:
        """What is shown as the question (n_trials,)."""
        side = self.objects if self.ask == "name" else self.names
        return side[np.arange(self.n_trials), self.asked]

    @property
    def answers(self) -> np.ndarray:
        """What is to be answered (n_trials,)."""
        return self.candidates[np.arange(self.n_trials), self.asked]

    def tokens(self, *, n_questions: int = 1) -> Tokens:
        """Return the trials as sequences of words: name, object, name, object, ..., ``of``, question.

        Parameters
        ----------
        n_questions : int
            Groups that are asked about, one question after the other without their answers. A network that
            learns from many at once learns the faster.

        Returns
        -------
        Tokens
            The answer is asked at the word of the question; its class is the number of the name or object.

        Raises
        ------
        SpecError
            If there are more questions than groups.

        Examples
        --------
        >>> read = Bindings(n_groups=2).draw(1, seed=1).tokens()
        >>> [read.vocabulary[word] for word in read.tokens[0]]
        ['name 11', 'object 6', 'name 14', 'object 2', 'of', 'object 6']
        >>> read.targets[0].tolist()
        [-1, -1, -1, -1, -1, 11]
        """
        where = "BindingTrials.tokens"
        many = check_int(n_questions, where=where, name="n_questions", low=1, high=self.n_groups)
        n, side = self.n_trials, self.objects if self.ask == "name" else self.names
        groups = np.stack((self.names, self.objects + self.n_names), axis=-1).reshape(n, -1)
        questions = np.full((n, many, 2), self.n_names + self.n_objects)
        asked = np.take_along_axis(side, self.order[:, :many], axis=1)
        questions[..., 1] = asked + (self.n_names if self.ask == "name" else 0)
        targets = np.full_like(questions, -1)
        targets[..., 1] = np.take_along_axis(self.candidates, self.order[:, :many], axis=1)
        return Tokens(
            tokens=np.concatenate((groups, questions.reshape(n, -1)), axis=1),
            targets=np.concatenate((np.full_like(groups, -1), targets.reshape(n, -1)), axis=1),
            vocabulary=(*self._words("name"), *self._words("object"), "of"),
        )

    def frames(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the trials group by group, for a network that carries a memory from one to the next.

        Returns
        -------
        x : ndarray, (n_trials, n_groups + 1, 1, 2), int64
            What may be asked and what may be answered of each group; the last holds the question, beside
            ``n_answers``. Laid out as those of `PairedAssociates` with chunks of one.
        targets : ndarray, (n_trials, 1), int64
            Answers.

        Examples
        --------
        >>> x, targets = Bindings(n_groups=5).draw(3, seed=1).frames()
        >>> x.shape, targets.shape, x[:, -1, 0, 1].tolist()
        ((3, 6, 1, 2), (3, 1), [24, 24, 24])
        """
        side = self.objects if self.ask == "name" else self.names
        keys = np.concatenate((side, self.queries[:, None]), axis=1)
        values = np.pad(self.candidates, ((0, 0), (0, 1)), constant_values=self.n_answers)
        return np.stack((keys, values), axis=-1)[:, :, None], self.answers[:, None]

    def drive(self, dt: float | str, *, hold: float | str) -> Drive:
        """Return the trials as currents: a channel for each name and object, groups, then the question.

        Parameters
        ----------
        dt, hold : str or quantity
            Step, and how long a group and the question are shown; a whole number of steps.

        Returns
        -------
        Drive
            Channels of names, of objects and ``answer``, which is 1 with the question; one output for each
            symbol on the side of the answers.

        Raises
        ------
        TaskError
            If ``hold`` is not a whole number of steps.
        MemoryLimitError
            If the currents would not fit into memory.

        Examples
        --------
        >>> shown = Bindings(n_groups=3, n_names=6, n_objects=5).draw(2, seed=1).drive("1 ms", hold="20 ms")
        >>> shown.inputs.shape, shown.targets.shape, int(shown.asked[0].sum())
        ((2, 80, 12), (2, 80, 6), 20)
        """
        n, groups, width = self.n_trials, self.n_groups, self.n_names + self.n_objects + 1
        held(dt, hold, shape=(n, groups + 1, width), n_outputs=self.n_answers)
        inputs, targets = (
            np.zeros((n, groups + 1, width), np.float32),
            np.zeros((n, groups + 1, self.n_answers)),
        )
        inputs[:, :groups, : self.n_names] = np.eye(self.n_names)[self.names]
        inputs[:, :groups, self.n_names : -1] = np.eye(self.n_objects)[self.objects]
        inputs[np.arange(n), -1, self.queries + (self.n_names if self.ask == "name" else 0)] = 1
        inputs[:, -1, -1] = 1
        targets[:, -1] = np.eye(self.n_answers)[self.answers]
        return drive(
            inputs,
            dt,
            hold=hold,
            channels=[*self._words("name"), *self._words("object"), "answer"],
            targets=targets,
            asked=np.broadcast_to(np.arange(groups + 1) == groups, (n, groups + 1)),
            outputs=self._words(self.ask),
        )

    def score(self, answers: np.ndarray) -> np.ndarray:
        """Say of each trial whether it was answered right.

        Parameters
        ----------
        answers : array_like of int, (n_trials,)
            Names, or objects.

        Returns
        -------
        ndarray, (n_trials,), bool

        Raises
        ------
        TaskError
            If the answers are none, or do not have the shape of the questions.

        Examples
        --------
        >>> trials = Bindings().draw(3, seed=1)
        >>> trials.score(trials.answers)
        array([ True,  True,  True])
        """
        return hits(answers, self.answers, n_classes=self.n_answers, where="BindingTrials.score")

    def interchanged(self, *, seed: int, fresh: bool = False) -> BindingPairs:
        """Pair each trial with a second one for which place, question and answer point to different groups.

        The second context is the first with the side that is asked swapped between groups p and k, and the
        side that answers swapped between p and i, so that none of the three keeps its binding. It asks about
        the group at p, which then holds the question of k and the answer of i.

        Parameters
        ----------
        seed : int
            Of p, k and i, stream ``"task/bindings/interchanged"``; all three differ from each other and from
            the group that the first context asks about. Fresh answers are of ``".../fresh"``.
        fresh : bool
            Whether p and i get answers in the second context that the first does not have. Then no group of
            the first has the answer of the second: a state that holds the answer itself makes answers go
            outside of all groups, which tells a copy from a pointer. ``reflexive`` is i all the same.

        Returns
        -------
        BindingPairs

        Raises
        ------
        TaskError
            If a trial has fewer than four groups, or there are not two fresh answers.

        Examples
        --------
        >>> pairs = Bindings(n_groups=6).draw(2, seed=1).interchanged(seed=2)
        >>> rows, first, second = np.arange(2), pairs.original, pairs.counterfactual
        >>> bool((second.queries == first.objects[rows, pairs.lexical]).all())
        True
        >>> bool((second.answers == first.names[rows, pairs.reflexive]).all())
        True
        """
        n, groups = self.names.shape
        if groups < 4:
            bound = "must be 4 or more: three pointers and the group that is asked about"
            raise TaskError.of(where="BindingTrials.interchanged", name="n_groups", value=groups, bound=bound)
        generator = rng.stream(rng.check_seed(seed), "task/bindings/interchanged")
        others = np.argsort(generator.random((n, groups)) + 2 * _one(self.asked, groups), axis=1)
        p, k, i = others[:, :3].T
        rows, sides = np.arange(n), {"name": self.names.copy(), "object": self.objects.copy()}
        answers, questions = sides[self.ask], sides["object" if self.ask == "name" else "name"]
        questions[rows[:, None], np.stack((p, k), 1)] = questions[rows[:, None], np.stack((k, p), 1)]
        answers[rows[:, None], np.stack((p, i), 1)] = answers[rows[:, None], np.stack((i, p), 1)]
        if fresh:
            answers[rows[:, None], np.stack((p, i), 1)] = self._unused(seed)
        order = self.order.copy()
        order[rows, (order == p[:, None]).argmax(axis=1)], order[:, 0] = order[:, 0], p
        second = replace(self, names=sides["name"], objects=sides["object"], order=order)
        return BindingPairs(original=self, counterfactual=second, positional=p, lexical=k, reflexive=i)

    def _unused(self, seed: int) -> np.ndarray:
        """Draw two answers for each trial that none of its groups has (n_trials, 2)."""
        if self.n_answers < self.n_groups + 2:
            bound = f"must leave two fresh answers to {self.n_groups} groups"
            name = "n_names" if self.ask == "name" else "n_objects"
            raise TaskError.of(
                where="BindingTrials.interchanged", name=name, value=self.n_answers, bound=bound
            )
        chance = rng.stream(seed, "task/bindings/interchanged/fresh").random((self.n_trials, self.n_answers))
        np.put_along_axis(chance, self.candidates, 2.0, axis=1)
        return np.argsort(chance, axis=1)[:, :2]

    def _words(self, side: str) -> tuple[str, ...]:
        return tuple(f"{side} {k}" for k in range(self.n_names if side == "name" else self.n_objects))


@dataclass(frozen=True, kw_only=True, eq=False)
class BindingPairs:
    """Trials in two contexts each, for interchange interventions. Arrays are read-only.

    Parameters
    ----------
    original, counterfactual : BindingTrials
        What runs, and what part of its state is taken from.
    positional, lexical, reflexive : ndarray, (n_trials,), int64
        Index of the group of the original that the counterfactual names by its place, by its question and by
        its answer.

    Examples
    --------
    >>> pairs = Bindings().draw(5, seed=1).interchanged(seed=1)
    >>> bool((pairs.positional != pairs.lexical).all())
    True
    """

    original: BindingTrials
    counterfactual: BindingTrials
    positional: np.ndarray
    lexical: np.ndarray
    reflexive: np.ndarray

    def __post_init__(self) -> None:
        for array in (self.positional, self.lexical, self.reflexive):
            array.flags.writeable = False

    @property
    def n_trials(self) -> int:
        """Number of pairs."""
        return self.original.n_trials

    def chosen(self, index: ArrayLike) -> BindingPairs:
        """Return some of the pairs.

        Parameters
        ----------
        index : array_like of int, or of bool (n_trials,)
            Which.

        Returns
        -------
        BindingPairs

        Raises
        ------
        TaskError
            If they are not indices of pairs.

        Examples
        --------
        >>> Bindings().draw(5, seed=1).interchanged(seed=1).chosen([0, 3]).n_trials
        2
        """
        try:
            rows = np.arange(self.n_trials)[np.asarray(index)]
        except IndexError as error:
            bound = f"must be indices of {self.n_trials} pairs ({error})"
            raise TaskError.of(where="BindingPairs.chosen", name="index", bound=bound) from error
        original, counterfactual = (
            replace(part, names=part.names[rows], objects=part.objects[rows], order=part.order[rows])
            for part in (self.original, self.counterfactual)
        )
        p, k, i = self.sources()[rows].T
        return BindingPairs(
            original=original, counterfactual=counterfactual, positional=p, lexical=k, reflexive=i
        )

    def sources(self) -> np.ndarray:
        """Return the pointers as the columns positional, lexical and reflexive (n_trials, 3).

        Returns
        -------
        ndarray, (n_trials, 3), int64

        Examples
        --------
        >>> Bindings().draw(5, seed=1).interchanged(seed=1).sources().shape
        (5, 3)
        """
        return np.stack((self.positional, self.lexical, self.reflexive), axis=1)


@dataclass(frozen=True, kw_only=True)
class Bindings(DrawnTask[BindingTrials]):
    """Groups of a name and an object, then the object of one of them: whose is it?

    Parameters
    ----------
    n_groups : int
        Groups of a trial.
    n_names, n_objects : int
        How many there are; no fewer than groups.
    ask : {"name", "object"}
        What is asked: the name that goes with an object, or the object that goes with a name.

    Raises
    ------
    SpecError, TaskError
        If a number is out of bounds, or there are more groups than names or objects.

    Examples
    --------
    >>> trials = Bindings(n_groups=8).draw(100, seed=0)
    >>> place = (trials.objects == trials.queries[:, None]).argmax(axis=1)
    >>> bool((trials.names[np.arange(100), place] == trials.answers).all())
    True
    """

    kind = "bindings"

    n_groups: int = 8
    n_names: int = 24
    n_objects: int = 24
    ask: str = "name"

    def __post_init__(self) -> None:
        for name, low in (("n_groups", 1), ("n_names", 2), ("n_objects", 2)):
            check_int(getattr(self, name), where="Bindings", name=name, low=low, high=MAX_SYMBOLS)
        check_choice(self.ask, SIDES, where="Bindings", name="ask")
        for name in ("n_names", "n_objects"):
            if getattr(self, name) < self.n_groups:
                bound = f"must be no less than n_groups = {self.n_groups}"
                raise TaskError.of(where="Bindings", name=name, value=getattr(self, name), bound=bound)

    @property
    def _most(self) -> int:
        return MAX_CELLS // (self.n_names + self.n_objects)

    def batches(
        self, size: int, *, n_groups: Sequence[int] | None = None, form: str = "frames"
    ) -> Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]:
        """Return what `arcuate.nn.fit` draws its batches from.

        Parameters
        ----------
        size : int
            Trials of a batch.
        n_groups : sequence of int, optional
            Numbers of groups, of which every batch has one at random; by default that of the task.
        form : {"frames", "tokens"}
            What a batch holds: the frames, or the words with a question about every group.

        Returns
        -------
        callable
            Makes (x, targets) of new trials from a NumPy generator.

        Raises
        ------
        SpecError, TaskError
            If the size or a number of groups is out of bounds.

        Examples
        --------
        >>> batches = Bindings().batches(64, n_groups=(2, 4, 8), form="tokens")
        >>> x, targets = batches(np.random.default_rng(0))
        >>> x.shape, targets.shape
        ((64, 32), (64, 32))
        """
        n = check_int(size, where="Bindings.batches", name="size", high=self._most)
        check_choice(form, ("frames", "tokens"), where="Bindings.batches", name="form")
        lengths = [self.n_groups] if n_groups is None else list(n_groups)
        if not lengths:
            bound = "must be one number or more"
            raise TaskError.of(where="Bindings.batches", name="n_groups", value=n_groups, bound=bound)
        tasks = [replace(self, n_groups=length) for length in lengths]

        def batch(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
            trials = tasks[generator.integers(len(tasks))]._drawn(generator, n)
            if form == "frames":
                return as_batch(trials)
            read = trials.tokens(n_questions=trials.n_groups)
            return read.tokens.copy(), read.targets.copy()

        return batch

    def _drawn(self, generator: np.random.Generator, n: int) -> BindingTrials:
        names, objects = (
            generator.permuted(np.tile(np.arange(many), (n, 1)), axis=1)[:, : self.n_groups].copy()
            for many in (self.n_names, self.n_objects)
        )
        order = generator.permuted(np.tile(np.arange(self.n_groups), (n, 1)), axis=1)
        return BindingTrials(
            names=names, objects=objects, order=order, n_names=self.n_names, n_objects=self.n_objects,
            ask=self.ask,
        )  # fmt: skip


def _one(index: np.ndarray, n: int) -> np.ndarray:
    return np.asarray(np.arange(n) == index[:, None])
