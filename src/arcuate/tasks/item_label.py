"""Items with labels, then an item alone: its label stands in the context, or in the weights of who knows it.

References
----------
G. Reddy, The mechanistic basis of data dependence and abrupt learning in an in-context classification task
(2023), arXiv 2312.03002; burstiness after S. Chan and others, Data distributional properties drive emergent
in-context learning in transformers (2022), arXiv 2205.05055. Default sizes are small ones, chosen to be
learned in minutes; the paper's are 63 numbers, 32 labels and up to thousands of classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from arcuate.errors import TaskError, check_choice, check_int, check_real
from arcuate.rng import check_seed, stream
from arcuate.tasks._answers import hits
from arcuate.tasks._drawn import DrawnTask
from arcuate.tasks.forms import Drive, drive, held

__all__ = ["ItemLabel", "ItemLabelTrials"]

TESTS = ("none", "novel", "swap", "weights")
MAX_NUMBERS = 50_000_000
MAX_SIZE = 65_536


@dataclass(frozen=True, kw_only=True, eq=False)
class ItemLabelTrials:
    """Trials of `ItemLabel`. Arrays are read-only.

    Parameters
    ----------
    x : ndarray, (n_trials, 2 * n_pairs + 1, 2 * max_pairs + 1 + n_dims), float32
        Items at even places, their labels at odd ones, the target at the last: the place in one channel each,
        then the vector.
    classes : ndarray, (n_trials, n_pairs + 1), int64
        Class of each item, the target last.
    labels : ndarray, (n_trials, n_pairs + 1), int64
        Label that stands behind each item; the last is the right answer.
    n_labels, n_places : int
        Labels there are, and channels of places.

    Examples
    --------
    >>> trials = ItemLabel().draw(3, seed=1)
    >>> trials.x.shape, trials.labels.shape, trials.matches.sum(axis=1)
    ((3, 17, 49), (3, 9), array([4, 4, 4]))
    """

    x: np.ndarray
    classes: np.ndarray
    labels: np.ndarray
    n_labels: int
    n_places: int

    def __post_init__(self) -> None:
        for array in (self.x, self.classes, self.labels):
            array.flags.writeable = False

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return len(self.x)

    @property
    def matches(self) -> np.ndarray:
        """Which pairs of the context have an item of the target's class (n_trials, n_pairs)."""
        return np.asarray(self.classes[:, :-1] == self.classes[:, -1:])

    def frames(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the vectors as they are read one after the other, and the label that is asked for.

        Returns
        -------
        x : ndarray, (n_trials, 2 * n_pairs + 1, 2 * max_pairs + 1 + n_dims), float32
        targets : ndarray, (n_trials,), int64
            Labels, to be answered at the last place.

        Examples
        --------
        >>> x, targets = ItemLabel().draw(3, seed=1).frames()
        >>> x.shape, targets.shape
        ((3, 17, 49), (3,))
        """
        return self.x, self.labels[:, -1]

    def drive(self, dt: float | str, *, hold: float | str) -> Drive:
        """Return the trials as currents: one vector of ``frames()`` after the other.

        Parameters
        ----------
        dt, hold : str or quantity
            Step, and how long a vector is shown; a whole number of steps.

        Returns
        -------
        Drive
            Channels of places and of vectors; one output for each label, asked while the target is shown.

        Raises
        ------
        TaskError
            If ``hold`` is not a whole number of steps.
        MemoryLimitError
            If the currents would not fit into memory.

        Examples
        --------
        >>> shown = ItemLabel().draw(2, seed=1).drive("1 ms", hold="20 ms")
        >>> shown.inputs.shape, shown.targets.shape, int(shown.asked[0].sum())
        ((2, 340, 49), (2, 340, 16), 20)
        """
        n, length, width = self.x.shape
        held(dt, hold, shape=(n, length, width), n_outputs=self.n_labels)
        targets = np.zeros((n, length, self.n_labels))
        targets[np.arange(n), -1, self.labels[:, -1]] = 1
        return drive(
            self.x,
            dt,
            hold=hold,
            channels=[
                *(f"place {k}" for k in range(self.n_places)),
                *(f"x {k}" for k in range(width - self.n_places)),
            ],
            targets=targets,
            asked=np.broadcast_to(np.arange(length) == length - 1, (n, length)),
            outputs=[f"label {k}" for k in range(self.n_labels)],
        )

    def score(self, answers: np.ndarray) -> np.ndarray:
        """Say of each trial whether the target was given its label.

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
        >>> trials = ItemLabel().draw(3, seed=1)
        >>> trials.score(trials.labels[:, -1])
        array([ True,  True,  True])
        """
        where = "ItemLabelTrials.score"
        return hits(answers, self.labels[:, -1], n_classes=self.n_labels, where=where)


@dataclass(frozen=True, kw_only=True)
class ItemLabel(DrawnTask[ItemLabelTrials]):
    r"""Pairs of an item and its label, then an item whose label is asked (Reddy 2023).

    A class has a mean :math:`\mu_k \sim N(0, I / D)` and the label k modulo ``n_labels``; labels have vectors
    of the same law. An item is :math:`(\mu_k + \epsilon \eta) / \sqrt{1 + \epsilon^2}`, with
    :math:`\eta \sim N(0, I / D)`. Each vector comes with its place, in one of ``2 * max_pairs + 1`` channels;
    all places of a trial are shifted by one random number.

    In a bursty trial ``n_pairs / burstiness`` classes are drawn, each stands ``burstiness`` times in the
    context, in random order, and the target is of one of them. In others all items are drawn by themselves.
    Classes are drawn in proportion to rank to the power of ``-rank_exponent``.

    Many classes, bursts and even ranks teach to read the label from the context; few classes and steep ranks
    to know it by heart. ``test`` tells which it was, with means and label vectors of the same ``world``.

    Parameters
    ----------
    n_classes : int
        K, a multiple of ``n_labels``.
    n_labels : int
        L.
    n_pairs : int
        N, pairs of a context.
    max_pairs : int
        Largest number of pairs that a learner of these trials will meet.
    burstiness : int
        B, which divides ``n_pairs``.
    n_dims : int
        D.
    noise : float
        :math:`\epsilon`.
    rank_exponent : float
    p_bursty : float
        Share of bursty trials.
    test : {"none", "novel", "swap", "weights"}
        "none": training. "novel": items of other classes, so that only the context has their labels. "swap":
        every label of the context, and so the answer, is the next one, against what was learned. "weights":
        no trial is bursty, so that the context seldom has the class of the target (9 % of trials with 128
        classes), and its label no more often than any other.
    world : int
        Seed of means and label vectors.

    Raises
    ------
    SpecError
        If a number is out of bounds.
    TaskError
        If ``n_labels`` does not divide the classes, ``burstiness`` does not divide the pairs, or there are
        more pairs than ``max_pairs``.

    Examples
    --------
    >>> from dataclasses import replace
    >>> task = ItemLabel(n_classes=128, burstiness=2, rank_exponent=0.5)
    >>> trials = replace(task, test="swap").draw(100, seed=1)
    >>> bool((trials.labels == (trials.classes + 1) % 16).all())
    True
    """

    kind = "item_label"

    n_classes: int = 512
    n_labels: int = 16
    n_pairs: int = 8
    max_pairs: int = 8
    burstiness: int = 4
    n_dims: int = 32
    noise: float = 0.1
    rank_exponent: float = 0.0
    p_bursty: float = 1.0
    test: str = "none"
    world: int = 0

    def __post_init__(self) -> None:
        where = "ItemLabel"
        for name in ("n_classes", "n_labels", "n_pairs", "max_pairs", "burstiness", "n_dims"):
            check_int(getattr(self, name), where=where, name=name, low=1, high=MAX_SIZE)
        for name, high in (("noise", None), ("rank_exponent", None), ("p_bursty", 1)):
            check_real(getattr(self, name), where=where, name=name, low=0, high=high)
        check_choice(self.test, TESTS, where=where, name="test")
        check_seed(self.world)
        for name, value, bound in (
            ("n_labels", self.n_classes % self.n_labels, f"must divide n_classes = {self.n_classes}"),
            ("burstiness", self.n_pairs % self.burstiness, f"must divide n_pairs = {self.n_pairs}"),
            ("n_pairs", self.n_pairs > self.max_pairs, f"must be at most max_pairs = {self.max_pairs}"),
        ):
            if value:
                raise TaskError.of(where=where, name=name, value=getattr(self, name), bound=bound)

    @property
    def _most(self) -> int:
        return MAX_NUMBERS // ((2 * self.n_pairs + 1) * (2 * self.max_pairs + 1 + self.n_dims))

    @cached_property
    def means(self) -> np.ndarray:
        """Means of the classes (n_classes, n_dims); those of "novel" are others."""
        return self._vectors("novel" if self.test == "novel" else "means", self.n_classes)

    @cached_property
    def label_vectors(self) -> np.ndarray:
        """Vectors of the labels (n_labels, n_dims)."""
        return self._vectors("labels", self.n_labels)

    def _vectors(self, name: str, n: int) -> np.ndarray:
        normal = stream(self.world, f"task/{self.kind}/{name}").standard_normal((n, self.n_dims))
        vectors = np.asarray(normal / np.sqrt(self.n_dims))
        vectors.flags.writeable = False
        return vectors

    def _classes(self, generator: np.random.Generator, n: int) -> np.ndarray:
        """Draw the classes of context and target (n, n_pairs + 1)."""
        ranks = np.arange(1, self.n_classes + 1) ** -float(self.rank_exponent)
        law, size = ranks / ranks.sum(), self.n_pairs
        few = generator.choice(self.n_classes, size=(n, size // self.burstiness), p=law)
        context = generator.permuted(np.tile(few, self.burstiness), axis=1)
        bursty = np.concatenate((context, context[:, :1]), axis=1)
        bursty[:, -1] = context[np.arange(n), generator.integers(size, size=n)]
        alone = generator.choice(self.n_classes, size=(n, size + 1), p=law)
        share = 0 if self.test == "weights" else self.p_bursty
        return np.where(generator.random((n, 1)) < share, bursty, alone)

    def _drawn(self, generator: np.random.Generator, n: int) -> ItemLabelTrials:
        classes = self._classes(generator, n)
        labels = (classes + (self.test == "swap")) % self.n_labels
        n_places, length = 2 * self.max_pairs + 1, 2 * self.n_pairs + 1
        x = np.zeros((n, length, n_places + self.n_dims), dtype=np.float32)
        eta = generator.standard_normal((n, self.n_pairs + 1, self.n_dims)) / np.sqrt(self.n_dims)
        x[:, ::2, n_places:] = (self.means[classes] + self.noise * eta) / np.sqrt(1 + self.noise**2)
        x[:, 1::2, n_places:] = self.label_vectors[labels[:, :-1]]
        shifts = generator.integers(n_places - length + 1, size=(n, 1))
        x[np.arange(n)[:, None], np.arange(length), shifts + np.arange(length)] = 1
        return ItemLabelTrials(x=x, classes=classes, labels=labels, n_labels=self.n_labels, n_places=n_places)
