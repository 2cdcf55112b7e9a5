"""Questions about handwritten digits: look at some, then add and subtract those that are named, modulo 10.

The images are the 8 x 8 digits that come with scikit-learn; a fifth of them is kept for tests and is never
among the training images.

References
----------
Task as in Darlow et al. 2025, arXiv 2505.05522 (digits question answering, with MNIST). There the numbers of
digits and of operations are drawn below their upper bound; here bounds are included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any

import numpy as np

from arcuate._optional import require
from arcuate.errors import TaskError, check_choice, check_int, check_real
from arcuate.rng import check_seed, stream
from arcuate.tasks._answers import given_answers
from arcuate.tasks.forms import Drive, Tokens, drive, held

__all__ = ["DigitQuestions", "DigitTrials"]

SIDE = 8
GRAYS = 17
"""Levels of gray of a pixel, 0 to 16."""
MAX_DIGITS = 50
MAX_OPERATIONS = 1000
MAX_NUMBERS = 100_000_000
PLUS, MINUS = -1, -2
BASE = 10
TEST_SHARE = 0.2


@dataclass(frozen=True, kw_only=True)
class DigitQuestions:
    """Digits are shown one after the other; then a chain of plus and minus over some of them is asked for.

    A question is an index, an operator, an index, ..., worked off from left to right. All trials of a draw
    have the same number of digits and the same number of operations.

    Parameters
    ----------
    digits, operations : int or pair of int
        How many are shown, and how many are asked for (0: the digit itself); a pair: drawn anew for each
        draw, both bounds included.
    images : {"train", "test"}
        Which images: four fifths, or the fifth that is kept for tests.
    warp : float
        Augmentation: largest entry of a random linear map by which each image is turned, sheared and scaled,
        less one.
    shift : float
        Augmentation: largest random shift of an image, pixels, along each axis.

    Raises
    ------
    TaskError
        If a number is out of bounds.

    Examples
    --------
    >>> trials = DigitQuestions(digits=3, operations=2).draw(4, seed=1)
    >>> trials.images.shape, trials.question.shape, trials.answers.shape
    ((4, 3, 8, 8), (4, 5), (4,))
    """

    digits: int | tuple[int, int] = (1, 3)
    operations: int | tuple[int, int] = (1, 2)
    images: str = "train"
    warp: float = 0.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        where = "DigitQuestions"
        for name, low, high in (("digits", 1, MAX_DIGITS), ("operations", 0, MAX_OPERATIONS)):
            bounds = _bounds(getattr(self, name), where=where, name=name, low=low, high=high)
            object.__setattr__(self, name, bounds)
        check_choice(self.images, ("train", "test"), where=where, name="images")
        for name, most in (("warp", 1.0), ("shift", float(SIDE))):
            value = check_real(getattr(self, name), where=where, name=name, low=0.0, high=most)
            object.__setattr__(self, name, value)

    def draw(self, n_trials: int, *, seed: int) -> DigitTrials:
        """Draw trials.

        Parameters
        ----------
        n_trials : int
            How many.
        seed : int
            Of the stream ``task/digits``.

        Returns
        -------
        DigitTrials

        Raises
        ------
        TaskError
            If the number of trials is out of bounds.

        Examples
        --------
        >>> task = DigitQuestions(digits=2, operations=1)
        >>> bool((task.draw(8, seed=1).answers == task.draw(8, seed=1).answers).all())
        True
        """
        check_int(n_trials, where="DigitQuestions.draw", name="n_trials", high=self._most())
        return self._draw(n_trials, stream(check_seed(seed), "task/digits"))

    def batches(self, size: int) -> Callable[[np.random.Generator], tuple[Any, np.ndarray]]:
        """Return what `arcuate.nn.fit` takes: new trials for each generator, as `DigitTrials.frames`.

        Parameters
        ----------
        size : int
            Trials in a batch.

        Returns
        -------
        callable

        Raises
        ------
        TaskError
            If the size is out of bounds.

        Examples
        --------
        >>> batches = DigitQuestions(digits=2, operations=1).batches(16)
        >>> (images, question), answers = batches(np.random.default_rng(1))
        >>> images.shape, question.shape, answers.shape
        ((16, 2, 1, 8, 8), (16, 3), (16,))
        """
        check_int(size, where="DigitQuestions.batches", name="size", high=self._most())
        return lambda rng: self._draw(size, rng).frames()

    def each(self) -> tuple[DigitQuestions, ...]:
        """Return one task for every number of digits and of operations within the bounds.

        Returns
        -------
        tuple of DigitQuestions

        Examples
        --------
        >>> [(task.digits, task.operations) for task in DigitQuestions(digits=(1, 2), operations=2).each()]
        [((1, 1), (2, 2)), ((2, 2), (2, 2))]
        """
        digits, operations = (_range(bounds) for bounds in (self.digits, self.operations))
        return tuple(replace(self, digits=d, operations=o) for d in digits for o in operations)

    def _most(self) -> int:
        """Most trials of a draw, by the pixels and the words of the longest."""
        return MAX_NUMBERS // (SIDE**2 * _range(self.digits)[-1] + 2 * _range(self.operations)[-1] + 1)

    def _draw(self, n: int, rng: np.random.Generator) -> DigitTrials:
        n_digits, n_operations = (
            int(rng.choice(np.array(_range(bounds)))) for bounds in (self.digits, self.operations)
        )
        pixels, classes = _images(self.images)
        which = rng.integers(len(pixels), size=(n, n_digits))
        indices = rng.integers(n_digits, size=(n, n_operations + 1))
        operators = rng.choice(np.array([PLUS, MINUS]), size=(n, n_operations))
        question = np.empty((n, 2 * n_operations + 1), dtype=np.int64)
        question[:, ::2], question[:, 1::2] = indices, operators
        terms = np.take_along_axis(classes[which], indices, axis=1)
        signs = np.where(operators == PLUS, 1, -1)
        shown = pixels[which]
        if self.warp or self.shift:
            shown = _warped(shown.reshape(-1, SIDE, SIDE), rng, self.warp, self.shift).reshape(shown.shape)
        return DigitTrials(
            images=shown,
            classes=classes[which],
            which=which,
            question=question,
            answers=(terms[:, 0] + (signs * terms[:, 1:]).sum(1)) % BASE,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class DigitTrials:
    """Drawn questions about digits. Arrays are read-only.

    Parameters
    ----------
    images : ndarray, (n_trials, digits, 8, 8)
        Gray from 0 to 1, in the order in which they are shown.
    classes : ndarray, (n_trials, digits), int64
        What they are.
    which : ndarray, (n_trials, digits), int64
        Their numbers among the images of the task.
    question : ndarray, (n_trials, 2 operations + 1), int64
        Index of a digit, then operators (-1 plus, -2 minus) and indices in turn.
    answers : ndarray, (n_trials,), int64
        From 0 to 9.

    Examples
    --------
    >>> trials = DigitQuestions(digits=2, operations=1).draw(3, seed=1)
    >>> trials.score(trials.answers).tolist()
    [True, True, True]
    """

    images: np.ndarray
    classes: np.ndarray
    which: np.ndarray
    question: np.ndarray
    answers: np.ndarray

    def __post_init__(self) -> None:
        for field in fields(self):
            getattr(self, field.name).flags.writeable = False

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return len(self.answers)

    @property
    def n_digits(self) -> int:
        """Digits that are shown in a trial."""
        return int(self.images.shape[1])

    def text(self, trial: int) -> str:
        """Return a question and its answer in digits.

        Parameters
        ----------
        trial : int
            Number of the trial.

        Returns
        -------
        str

        Examples
        --------
        >>> DigitQuestions(digits=3, operations=2).draw(1, seed=1).text(0)
        '9 + 0 + 0 = 9 (mod 10)'
        """
        check_int(trial, where="DigitTrials.text", name="trial", low=0, high=self.n_trials - 1)
        names = [
            str(self.classes[trial, part]) if part >= 0 else "+" if part == PLUS else "-"
            for part in self.question[trial]
        ]
        return f"{' '.join(names)} = {self.answers[trial]} (mod {BASE})"

    def frames(self) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
        """Return the trials for a `arcuate.nn.QuestionThoughtMachine`.

        Returns
        -------
        tuple
            Images (n_trials, digits, 1, 8, 8), float32, with the questions; and the answers.

        Examples
        --------
        >>> (images, question), answers = DigitQuestions(digits=1, operations=1).draw(2, seed=1).frames()
        >>> images.shape, question.tolist()[0][0]
        ((2, 1, 1, 8, 8), 0)
        """
        return (self.images[:, :, None].astype(np.float32), self.question.copy()), self.answers.copy()

    def tokens(self) -> Tokens:
        """Return the trials for a network that reads: pixels row by row, the question, a sign of equality.

        Pixels are rounded to 17 levels of gray. The answer is asked for at the sign of equality.

        Returns
        -------
        Tokens
            The first ten tokens are the answers, 0 to 9.

        Examples
        --------
        >>> read = DigitQuestions(digits=2, operations=1).draw(1, seed=1).tokens()
        >>> read.tokens.shape, read.asked[0].nonzero()[0].tolist()
        ((1, 132), [131])
        """
        n, digits = self.n_trials, self.n_digits
        indices = [f"#{k + 1}" for k in range(digits)]
        names = [*map(str, range(BASE)), *(f"gray {g}" for g in range(GRAYS)), "+", "-", "=", *indices]
        place = {name: k for k, name in enumerate(names)}
        grays = np.rint(self.images * (GRAYS - 1)).astype(np.int64).reshape(n, -1) + place["gray 0"]
        asked = np.where(self.question >= 0, self.question + place["#1"], 0)
        asked = np.where(self.question == PLUS, place["+"], asked)
        asked = np.where(self.question == MINUS, place["-"], asked)
        tokens = np.concatenate((grays, asked, np.full((n, 1), place["="])), axis=1)
        targets = np.full_like(tokens, -1)
        targets[:, -1] = self.answers
        return Tokens(tokens=tokens, targets=targets, vocabulary=tuple(names))

    def drive(self, dt: float | str, *, hold: float | str = "100 ms") -> Drive:
        """Return the trials for a network that lives in time: each image and each part held for a while.

        Parameters
        ----------
        dt, hold : str or quantity
            Step, and how long each item is shown.

        Returns
        -------
        Drive
            A channel for each pixel, each index, plus, minus, and the time to answer; an output for each
            answer.

        Raises
        ------
        TaskError
            If ``hold`` is not a whole number of steps.
        MemoryLimitError
            If the currents would not fit into memory.

        Examples
        --------
        >>> DigitQuestions(digits=2, operations=1).draw(4, seed=1).drive("5 ms", hold="50 ms").inputs.shape
        (4, 60, 69)
        """
        n, digits = self.n_trials, self.n_digits
        items = digits + self.question.shape[1] + 1
        pixels = SIDE * SIDE
        held(dt, hold, shape=(n, items, pixels + digits + 3), n_outputs=BASE)
        inputs = np.zeros((n, items, pixels + digits + 3))
        inputs[:, :digits, :pixels] = self.images.reshape(n, digits, pixels)
        channel = np.where(self.question >= 0, pixels + self.question, pixels + digits - 1 - self.question)
        np.put_along_axis(inputs[:, digits:-1], channel[:, :, None], 1.0, axis=2)
        inputs[:, -1, -1] = 1.0
        targets = np.zeros((n, items, BASE))
        targets[np.arange(n), -1, self.answers] = 1.0
        asked = np.zeros((n, items), dtype=bool)
        asked[:, -1] = True
        names = [f"pixel {r},{c}" for r in range(SIDE) for c in range(SIDE)]
        names += [*(f"#{k + 1}" for k in range(digits)), "+", "-", "="]
        return drive(
            inputs, dt, hold=hold, channels=names, targets=targets, asked=asked,
            outputs=[str(k) for k in range(BASE)],
        )  # fmt: skip

    def score(self, answers: np.ndarray) -> np.ndarray:
        """Return which answers are right.

        Parameters
        ----------
        answers : ndarray, (n_trials,), int
            From 0 to 9.

        Returns
        -------
        ndarray, (n_trials,), bool

        Raises
        ------
        TaskError
            If there is not one answer for each trial.

        Examples
        --------
        >>> trials = DigitQuestions(digits=1, operations=1).draw(2, seed=1)
        >>> trials.score((trials.answers + 1) % 10).tolist()
        [False, False]
        """
        given = given_answers(answers, where="DigitTrials.score")
        if given.shape != self.answers.shape:
            bound = f"must be one for each of {self.n_trials} trials"
            raise TaskError.of(where="DigitTrials.score", name="answers", value=given.shape, bound=bound)
        return np.asarray(given == self.answers)


def _bounds(value: Any, *, where: str, name: str, low: int, high: int) -> tuple[int, int]:
    """Return the bounds of a number, both included."""
    pair = value if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) != 2:
        raise TaskError.of(where=where, name=name, value=value, bound="must be a number or a pair of them")
    least, most = (check_int(bound, where=where, name=name, low=low, high=high) for bound in pair)
    if least > most:
        raise TaskError.of(where=where, name=name, value=value, bound="must begin with the smaller bound")
    return least, most


def _range(bounds: Any) -> list[int]:
    return list(range(bounds[0], bounds[1] + 1))


@cache
def _images(part: str) -> tuple[np.ndarray, np.ndarray]:
    """Gray (n, 8, 8) from 0 to 1 and classes (n,) of the training or the test images; a fixed split."""
    datasets = require("sklearn.datasets", extra="sklearn", purpose="tasks.DigitQuestions")
    data = datasets.load_digits()
    order = stream(0, "task/digits/split").permutation(len(data.target))
    n_test = round(TEST_SHARE * len(order))
    mine = order[:n_test] if part == "test" else order[n_test:]
    pixels, classes = data.images[mine] / (GRAYS - 1), data.target[mine].astype(np.int64)
    for array in (pixels, classes):
        array.flags.writeable = False
    return pixels, classes


def _warped(images: np.ndarray, rng: np.random.Generator, warp: float, shift: float) -> np.ndarray:
    """Turn, shear, scale and shift each image at random; bilinear between pixels, black outside."""
    n = len(images)
    maps = np.eye(2) + rng.uniform(-warp, warp, size=(n, 2, 2))
    moves = rng.uniform(-shift, shift, size=(n, 2, 1))
    center = (SIDE - 1) / 2
    grid = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij")).reshape(2, -1) - center
    at = maps @ grid + moves + center + 1  # in an image with a black border
    at = np.clip(at, 0, SIDE + 1)
    low = at.astype(np.int64)
    part = at - low
    padded = np.pad(images, ((0, 0), (1, 2), (1, 2)))
    trial = np.arange(n)[:, None]
    found = np.zeros((n, SIDE * SIDE))
    for row in (0, 1):
        for column in (0, 1):
            weight = np.abs(1 - row - part[:, 0]) * np.abs(1 - column - part[:, 1])
            found += weight * padded[trial, low[:, 0] + row, low[:, 1] + column]
    return found.reshape(n, SIDE, SIDE)
