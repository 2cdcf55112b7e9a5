"""Sort-of-CLEVR: questions about the shapes and the places of six colored objects.

References
----------
A. Santoro and others, A simple neural network module for relational reasoning, arXiv 1706.01427 (2017), with
the ternary questions that later public generators have. Two defects of the public generator are not here:
there an object can be "closest" to itself, since it is kept out by a distance of 999 where squared distances
reach 8450; and ternary questions name only the first five colors, here all six.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arcuate._inputs import check_bytes
from arcuate.errors import TaskError, check_choice
from arcuate.tasks._answers import hits
from arcuate.tasks._drawn import DrawnTask
from arcuate.tasks.forms import Drive, Tokens, drive, held

__all__ = [
    "CLEVR_ANSWERS",
    "CLEVR_COLORS",
    "CLEVR_QUESTIONS",
    "SortOfClevr",
    "SortOfClevrTrials",
]

CLEVR_COLORS = ("red", "green", "blue", "orange", "gray", "yellow")
"""Colors of the objects, in the order of their numbers."""

CLEVR_ANSWERS = ("yes", "no", "rectangle", "circle", "0", "1", "2", "3", "4", "5")
"""Answers, in the order of their classes."""

CLEVR_QUESTIONS = (
    ("shape", "left", "top"),
    ("closest shape", "furthest shape", "count of same shape"),
    ("count in box", "on line", "count of obtuse"),
)
"""Questions: unary, binary and ternary ones, three of each."""

SIDE = 75
HALF = 5
BAND = 12
MAX_SCENES = 1_000_000

_YES, _NO, _RECTANGLE, _ZERO = 0, 1, 2, 4
_RGB = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 156, 0), (128, 128, 128), (255, 255, 0)])
_N = len(CLEVR_COLORS)
_FAMILIES = ("unary", "binary", "ternary")


@dataclass(frozen=True, kw_only=True, eq=False)
class SortOfClevrTrials:
    """Trials of `SortOfClevr`: a scene and a question each. Arrays are read-only.

    Parameters
    ----------
    centers : ndarray, (n_trials, 6, 2), int64
        Column x and row y of each object, by color, in pixels from the left and from the top.
    circles : ndarray, (n_trials, 6), bool
        Which objects are circles; the others are squares, called rectangles.
    question : ndarray, (n_trials, 4), int64
        Family (unary, binary, ternary), number of the question in it, color that is asked about, and second
        color; -1 but in ternary questions.
    answers : ndarray, (n_trials,), int64
        Class of the answer, one of `CLEVR_ANSWERS`.
    view : {"state", "pixels"}
        What ``frames()`` gives.

    Examples
    --------
    >>> trials = SortOfClevr().draw(3, seed=1)
    >>> trials.centers.shape, trials.question.shape
    ((3, 6, 2), (3, 4))
    """

    centers: np.ndarray
    circles: np.ndarray
    question: np.ndarray
    answers: np.ndarray
    view: str

    def __post_init__(self) -> None:
        for array in (self.centers, self.circles, self.question, self.answers):
            array.flags.writeable = False

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return len(self.centers)

    @property
    def questions(self) -> np.ndarray:
        """Questions as numbers (n_trials, 18), float32: color, second color, family, question in it."""
        family, which, color, second = self.question.T
        parts = ((color, _N), (second, _N), (family, 3), (which, 3))
        return np.concatenate([part[:, None] == np.arange(n) for part, n in parts], axis=1).astype(np.float32)

    @property
    def states(self) -> np.ndarray:
        """Scenes as numbers (n_trials, 6, 10), float32: color (6), rectangle, circle, x, y from -1 to 1."""
        color = np.broadcast_to(np.eye(_N), (self.n_trials, _N, _N))
        shape = self.circles[..., None] == np.array([False, True])
        parts = (color, shape, self.centers / (SIDE / 2) - 1)
        return np.concatenate(parts, axis=2).astype(np.float32)

    def pixels(self) -> np.ndarray:
        """Draw the scenes on white, later colors over earlier ones.

        Returns
        -------
        ndarray, (n_trials, 3, 75, 75), float32
            Red, green and blue from 0 to 1; rows from the top.

        Raises
        ------
        MemoryLimitError
            If they would not fit into memory.

        Examples
        --------
        >>> SortOfClevr().draw(2, seed=1).pixels().shape
        (2, 3, 75, 75)
        """
        need = (1 + 4 + 4) * self.n_trials * 3 * SIDE**2
        check_bytes(need, where="ClevrTrials.pixels", fix="draw fewer trials")
        image = np.full((self.n_trials, 3, SIDE, SIDE), 255, dtype=np.uint8)
        y, x = np.mgrid[-HALF : HALF + 1, -HALF : HALF + 1]
        trial = np.arange(self.n_trials)[:, None]
        for color in range(_N):
            center, circle = self.centers[:, color], self.circles[:, color]
            rows, columns = center[:, 1:] + y.ravel(), center[:, :1] + x.ravel()
            inside = ~circle[:, None] | (x**2 + y**2 <= HALF**2).ravel()
            which = np.broadcast_to(trial, rows.shape)[inside]
            image[which, :, rows[inside], columns[inside]] = _RGB[color]
        return image.astype(np.float32) / np.float32(255)

    def frames(self) -> tuple[np.ndarray | tuple[np.ndarray, np.ndarray], np.ndarray]:
        """Return the trials for a network that sees a scene at once.

        Returns
        -------
        x : ndarray, (n_trials, 7, 28), float32, or tuple of two ndarrays
            With ``view="state"``, a question and six objects, each in numbers of its own, 0 elsewhere. With
            ``view="pixels"``, the images (n_trials, 3, 75, 75) and the questions (n_trials, 18).
        targets : ndarray, (n_trials,), int64
            Classes.

        Examples
        --------
        >>> x, targets = SortOfClevr().draw(4, seed=1).frames()
        >>> x.shape, targets.shape
        ((4, 7, 28), (4,))
        """
        if self.view == "pixels":
            return (self.pixels(), self.questions), self.answers
        questions, states = self.questions, self.states
        x = np.zeros((self.n_trials, _N + 1, questions.shape[1] + states.shape[2]), dtype=np.float32)
        x[:, 0, : questions.shape[1]] = questions
        x[:, 1:, questions.shape[1] :] = states
        return x, self.answers

    def tokens(self) -> Tokens:
        """Return the trials as sentences: shape, x and y of each color in turn, then the question.

        Returns
        -------
        Tokens
            With 21 places: shape, column and row of each object in the order of the colors, the question and
            the two colors it names ("none" if there is no second), at the last of which the answer is asked.

        Examples
        --------
        >>> read = SortOfClevr().draw(1, seed=1).tokens()
        >>> read.tokens.shape, read.asked[0].nonzero()[0].tolist()
        ((1, 21), [20])
        """
        names = [name for family in CLEVR_QUESTIONS for name in family]
        words = (*CLEVR_ANSWERS, *names, *CLEVR_COLORS, "none", *(f"at {k}" for k in range(SIDE)))
        at, first, asks = words.index("at 0"), words.index("red"), words.index("shape")
        objects = np.concatenate((self.circles[..., None] + _RECTANGLE, self.centers + at), axis=2)
        family, which, color, second = self.question.T
        question = [asks + 3 * family + which, first + color, np.where(second < 0, _N, second) + first]
        tokens = np.concatenate((objects.reshape(self.n_trials, -1), np.stack(question, axis=1)), axis=1)
        targets = np.full_like(tokens, -1)
        targets[:, -1] = self.answers
        return Tokens(tokens=tokens, targets=targets, vocabulary=words)

    def drive(self, dt: float | str, *, hold: float | str) -> Drive:
        """Return the trials as currents: one object after the other, then the question.

        Parameters
        ----------
        dt, hold : str or quantity
            Step, and how long an object and the question are shown; a whole number of steps.

        Returns
        -------
        Drive
            Seven items; the channels of the state description, one output for each answer, asked in the last.

        Raises
        ------
        TaskError
            If ``hold`` is not a whole number of steps.
        MemoryLimitError
            If the currents would not fit into memory.

        Examples
        --------
        >>> shown = SortOfClevr().draw(2, seed=1).drive("1 ms", hold="20 ms")
        >>> shown.inputs.shape, shown.targets.shape, int(shown.asked[0].sum())
        ((2, 140, 28), (2, 140, 10), 20)
        """
        held(dt, hold, shape=(self.n_trials, _N + 1, 28), n_outputs=len(CLEVR_ANSWERS))
        items = np.zeros((self.n_trials, _N + 1, 28))
        items[:, -1, :18], items[:, :-1, 18:] = self.questions, self.states
        targets = np.zeros((self.n_trials, _N + 1, len(CLEVR_ANSWERS)))
        targets[:, -1] = np.eye(len(CLEVR_ANSWERS))[self.answers]
        asks = [f"asked {color}" for color in CLEVR_COLORS] + [f"second {color}" for color in CLEVR_COLORS]
        asks += [*_FAMILIES, *(f"question {k}" for k in range(3))]
        return drive(
            items,
            dt,
            hold=hold,
            channels=[*asks, *CLEVR_COLORS, "rectangle", "circle", "x", "y"],
            targets=targets,
            asked=np.broadcast_to(np.arange(_N + 1) == _N, (self.n_trials, _N + 1)),
            outputs=CLEVR_ANSWERS,
        )

    def score(self, answers: np.ndarray) -> np.ndarray:
        """Say of each trial whether it was answered right.

        Parameters
        ----------
        answers : array_like of int, (n_trials,)
            Classes.

        Returns
        -------
        ndarray, (n_trials,), bool

        Raises
        ------
        TaskError
            If there is not one class for each trial.

        Examples
        --------
        >>> trials = SortOfClevr().draw(3, seed=1)
        >>> trials.score(trials.answers)
        array([ True,  True,  True])
        """
        n = len(CLEVR_ANSWERS)
        return hits(answers, self.answers, n_classes=n, where="SortOfClevrTrials.score")


@dataclass(frozen=True, kw_only=True)
class SortOfClevr(DrawnTask[SortOfClevrTrials]):
    """Six objects, one of each color, on 75 x 75 pixels, and one of nine questions about them.

    Centers are whole numbers from 5 to 69, two of a scene at least 10 apart; a square has sides of 11 pixels,
    a circle a radius of 5, either with probability 1/2. Corners may overlap: later colors are on top. All
    nine questions, and the colors they name, are equally likely; the two of a ternary question differ.

    ======== ========================= ===========================================================
    family   question                  answer
    ======== ========================= ===========================================================
    unary    shape                     shape of the object
    unary    left, top                 whether its center is left of, above the middle of the image
    binary   closest, furthest shape   shape of the object closest to it, furthest from it
    binary   count of same shape       how many other objects have its shape
    ternary  count in box              how many others lie in the box that the two span, edges included
    ternary  on line                   whether another lies at most 12 above or below the line
                                       through the two (if one stands right above the other: beside it)
    ternary  count of obtuse           with how many others the two make a triangle with an angle of 90
                                       degrees or more
    ======== ========================= ===========================================================

    Of objects that are equally far, the one whose color comes first is meant.

    Parameters
    ----------
    view : {"state", "pixels"}
        Whether ``frames()`` describes the objects or draws them.
    families : tuple of {"unary", "binary", "ternary"}
        Kinds of questions.

    Raises
    ------
    SpecError, TaskError
        If the view or a family is not known.

    Examples
    --------
    >>> trials = SortOfClevr(families=("unary",)).draw(100, seed=0)
    >>> shape = trials.question[:, 1] == 0
    >>> circle = trials.circles[np.arange(100), trials.question[:, 2]]
    >>> bool((trials.answers[shape] == 2 + circle[shape]).all())
    True
    """

    kind = "sort_of_clevr"

    view: str = "state"
    families: tuple[str, ...] = _FAMILIES

    def __post_init__(self) -> None:
        check_choice(self.view, ("state", "pixels"), where="SortOfClevr", name="view")
        given: object = self.families
        if isinstance(given, tuple):
            for family in given:
                check_choice(family, _FAMILIES, where="SortOfClevr", name="families")
        if not isinstance(given, tuple) or not given or len(set(given)) < len(given):
            bound = "must be a tuple of families, each once"
            raise TaskError.of(where="SortOfClevr", name="families", value=given, bound=bound)

    @property
    def _most(self) -> int:
        return MAX_SCENES

    def _drawn(self, generator: np.random.Generator, n: int) -> SortOfClevrTrials:
        centers, circles = _scenes(generator, n), generator.integers(2, size=(n, _N)) > 0
        numbers = np.array([_FAMILIES.index(family) for family in self.families])
        family, which = numbers[generator.integers(len(numbers), size=n)], generator.integers(3, size=n)
        color = generator.integers(_N, size=n)
        second = (color + generator.integers(1, _N, size=n)) % _N
        question = np.stack((family, which, color, np.where(family == 2, second, -1)), axis=1)
        answers = np.empty(n, dtype=np.int64)
        for kind, answer in enumerate((_unary, _binary, _ternary)):
            rows = family == kind
            answers[rows] = answer(centers[rows], circles[rows], question[rows, 1:])
        return SortOfClevrTrials(
            centers=centers, circles=circles, question=question, answers=answers, view=self.view
        )


def _scenes(generator: np.random.Generator, n: int) -> np.ndarray:
    """Centers (n, 6, 2), drawn one object after the other, again where it is too close to an earlier one."""
    centers = np.empty((n, _N, 2), dtype=np.int64)
    for color in range(_N):
        todo = np.arange(n)
        while todo.size:
            centers[todo, color] = generator.integers(HALF, SIDE - HALF, size=(todo.size, 2))
            squared = ((centers[todo, :color] - centers[todo, color, None]) ** 2).sum(axis=2)
            todo = todo[(squared < (2 * HALF) ** 2).any(axis=1)]
    return centers


def _unary(centers: np.ndarray, circles: np.ndarray, question: np.ndarray) -> np.ndarray:
    which, color, _ = question.T
    row = np.arange(len(which))
    is_low = 2 * centers[row, color] < SIDE
    place = np.where(np.where(which == 1, is_low[:, 0], is_low[:, 1]), _YES, _NO)
    return np.where(which == 0, circles[row, color] + _RECTANGLE, place)


def _binary(centers: np.ndarray, circles: np.ndarray, question: np.ndarray) -> np.ndarray:
    which, color, _ = question.T
    row = np.arange(len(which))
    squared = ((centers - centers[row, color, None]) ** 2).sum(axis=2)
    furthest = squared.argmax(axis=1)
    squared[row, color] = SIDE**2 * 2
    found = np.where(which == 0, squared.argmin(axis=1), furthest)
    same = (circles == circles[row, color, None]).sum(axis=1) - 1
    return np.where(which == 2, same + _ZERO, circles[row, found] + _RECTANGLE)


def _ternary(centers: np.ndarray, _: np.ndarray, question: np.ndarray) -> np.ndarray:
    which, color, second = question.T
    row = np.arange(len(which))
    a, b = centers[row, color, None], centers[row, second, None]
    other = np.ones(centers.shape[:2], dtype=bool)
    other[row, color] = other[row, second] = False
    boxed = ((centers >= np.minimum(a, b)) & (centers <= np.maximum(a, b))).all(axis=2)
    (dx, dy), (x, y) = np.moveaxis(b - a, 2, 0), np.moveaxis(centers - a, 2, 0)
    near = np.where(dx == 0, np.abs(x) <= BAND, np.abs(y * dx - x * dy) <= BAND * np.abs(dx))
    at_a = ((b - a) * (centers - a)).sum(axis=2) <= 0
    at_b = ((a - b) * (centers - b)).sum(axis=2) <= 0
    at_c = ((a - centers) * (b - centers)).sum(axis=2) <= 0
    box, obtuse = ((part & other).sum(axis=1) + _ZERO for part in (boxed, at_a | at_b | at_c))
    line = np.where((near & other).any(axis=1), _YES, _NO)
    return np.select([which == 0, which == 1], [box, line], default=obtuse)
