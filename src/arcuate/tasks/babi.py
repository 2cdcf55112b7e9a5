"""The twenty bAbI types of questions about short stories: drawn anew, and read from the published files.

References
----------
J. Weston, A. Bordes, S. Chopra, A. Rush, B. van Merrienboer, A. Joulin and T. Mikolov, Towards AI-complete
question answering: a set of prerequisite toy tasks (2015, arXiv 1502.05698).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from arcuate import datasets
from arcuate._inputs import check_bytes
from arcuate.errors import FileFormatError, TaskError, check_int
from arcuate.tasks._answers import given_answers, hits
from arcuate.tasks._babi_stories import LONGEST, N_WORDS, WORDS, draw_story
from arcuate.tasks._drawn import DrawnTask
from arcuate.tasks.forms import Drive, Tokens, drive, held

__all__ = ["BABI_KINDS", "BABI_WORDS", "Babi", "BabiTrials", "read_babi"]

BABI_KINDS = (
    "single supporting fact",
    "two supporting facts",
    "three supporting facts",
    "two-argument relations",
    "three-argument relations",
    "yes/no questions",
    "counting",
    "lists",
    "simple negation",
    "indefinite knowledge",
    "basic coreference",
    "conjunction",
    "compound coreference",
    "time reasoning",
    "basic deduction",
    "basic induction",
    "positional reasoning",
    "size reasoning",
    "path finding",
    "agent's motivations",
)
"""Names of the types, 1 to 20."""

BABI_WORDS = WORDS
"""Vocabulary of all types and of the published files: 0 is nothing; words and answers share their numbers."""

MAX_TRIALS = 100_000
MOST_SENTENCES = 10_000

_WORD = re.compile(r"\w+(?:['-]\w+)*")


def _split(sentence: str) -> list[str]:
    return _WORD.findall(sentence.lower())


@dataclass(frozen=True, kw_only=True, eq=False)
class BabiTrials:
    """Questions, each with what was told before it. Arrays are read-only.

    Parameters
    ----------
    stories : tuple of tuple of str
        Sentences before each question; other questions of the story are left out.
    questions, answers : tuple of str
        As they are written. An answer is one class, also a list such as ``"apple,football"``.
    supports : tuple of tuple of int
        Places, in the story, of the sentences that answer the question; none if a file does not say.
    kinds : ndarray, (n_trials,), int64
        Type of each question, 1 to 20; 0 if it is not known.
    story_numbers : ndarray, (n_trials,), int64
        Trials of one number are questions of one story, one after the other.
    vocabulary : tuple of str
        Word or answer of each number. All are in small letters.
    n_sentences, n_words : int
        Sentences of a story and words of a sentence that ``frames()`` has room for.

    Examples
    --------
    >>> trials = Babi(kinds=(1,)).draw(5, seed=3)
    >>> trials.stories[0]
    ('John moved to the hallway.', 'John went back to the bathroom.')
    >>> trials.questions[0], trials.answers[0], trials.supports[0]
    ('Where is John?', 'bathroom', (1,))
    """

    stories: tuple[tuple[str, ...], ...]
    questions: tuple[str, ...]
    answers: tuple[str, ...]
    supports: tuple[tuple[int, ...], ...]
    kinds: np.ndarray
    story_numbers: np.ndarray
    vocabulary: tuple[str, ...]
    n_sentences: int
    n_words: int

    def __post_init__(self) -> None:
        for array in (self.kinds, self.story_numbers):
            array.flags.writeable = False

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return len(self.questions)

    def frames(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the trials sentence by sentence.

        Returns
        -------
        x : ndarray, (n_trials, n_sentences + 1, n_words), int64
            Words in their order, 0 behind them. The question is last, the story stands right before it, its
            last ``n_sentences`` if it has more; rows before a shorter story are 0.
        targets : ndarray, (n_trials,), int64
            Number of the answer in the vocabulary.

        Raises
        ------
        MemoryLimitError
            If the words would take more than 16 GiB.

        Examples
        --------
        >>> x, targets = Babi(kinds=(1, 6)).draw(4, seed=1).frames()
        >>> x.shape, targets.shape
        ((4, 11, 11), (4,))
        """
        fix = "take fewer trials or a smaller n_sentences"
        cells = self.n_trials * (self.n_sentences + 1) * self.n_words
        check_bytes(8 * cells, where="BabiTrials.frames", fix=fix)
        number = self._numbers()
        place: dict[str, int] = {}
        rows = np.zeros((self.n_trials, self.n_sentences + 1), dtype=np.int64)
        for k, (story, question) in enumerate(zip(self.stories, self.questions, strict=True)):
            told = (*story[len(story) - min(len(story), self.n_sentences) :], question)
            rows[k, rows.shape[1] - len(told) :] = [place.setdefault(one, len(place) + 1) for one in told]
        table = np.zeros((len(place) + 1, self.n_words), dtype=np.int64)
        for sentence, row in place.items():
            words = [number[word] for word in _split(sentence)]
            table[row, : len(words)] = words
        return table[rows], self._targets(number)

    def tokens(self, *, length: int | None = None) -> Tokens:
        """Return the trials as sequences of words, with a stop after each sentence, the question last.

        Parameters
        ----------
        length : int, optional
            Places of a sequence: a longer one loses its first words. By default those of the longest.

        Returns
        -------
        Tokens
            All end with the sign of the question, at which the answer is asked; shorter ones begin with 0.

        Raises
        ------
        SpecError
            If the length is no whole number from 1.
        MemoryLimitError
            If the words and what is asked would take more than 16 GiB.

        Examples
        --------
        >>> read = Babi(kinds=(4,)).draw(1, seed=1).tokens()
        >>> " ".join(read.vocabulary[k] for k in read.tokens[0])
        'the office is west of the kitchen . the bedroom is west of the office . what is the office east of ?'
        """
        number = self._numbers()
        sequences = [
            [number[word] for sentence in (*story, question) for word in (*_split(sentence), sentence[-1:])]
            for story, question in self._closed()
        ]
        longest = max(map(len, sequences))
        places = longest if length is None else check_int(length, where="BabiTrials.tokens", name="length")
        check_bytes(16 * self.n_trials * places, where="BabiTrials.tokens", fix="use a smaller length")
        tokens = np.zeros((self.n_trials, places), dtype=np.int64)
        for row, sequence in zip(tokens, sequences, strict=True):
            kept = sequence[-places:]
            row[places - len(kept) :] = kept
        targets = np.full_like(tokens, -1)
        targets[:, -1] = self._targets(number)
        return Tokens(tokens=tokens, targets=targets, vocabulary=self.vocabulary)

    def drive(self, dt: float | str, *, hold: float | str) -> Drive:
        """Return the trials as currents: one word after the other.

        Parameters
        ----------
        dt, hold : str or quantity
            Step, and how long a word is shown; a whole number of steps.

        Returns
        -------
        Drive
            The places of ``tokens()``: a channel and an output for each entry of the vocabulary but the
            first, which is silence; the answer is asked in the last place.

        Raises
        ------
        TaskError
            If ``hold`` is not a whole number of steps.
        MemoryLimitError
            If the currents would take more than 16 GiB.

        Examples
        --------
        >>> shown = Babi(kinds=(4,)).draw(2, seed=1).drive("1 ms", hold="20 ms")
        >>> shown.inputs.shape[1] == 20 * 23, int(shown.asked[0].sum())
        (True, 20)
        """
        read = self.tokens()
        names = self.vocabulary[1:]
        held(dt, hold, shape=(*read.tokens.shape, len(names)), n_outputs=len(names))
        one_hot = np.eye(len(self.vocabulary), dtype=np.float32)[:, 1:]
        targets = np.zeros((*read.tokens.shape, len(names)), dtype=np.float32)
        targets[:, -1] = one_hot[read.targets[:, -1]]
        return drive(
            one_hot[read.tokens],
            dt,
            hold=hold,
            channels=names,
            targets=targets,
            asked=read.asked,
            outputs=names,
        )

    def score(self, answers: Any) -> np.ndarray:
        """Say of each trial whether it was answered right.

        Parameters
        ----------
        answers : array_like of int or of str, (n_trials,)
            Numbers in the vocabulary, or the answers as text.

        Returns
        -------
        ndarray, (n_trials,), bool

        Raises
        ------
        TaskError
            If there is not one answer for each trial, or a number is not in the vocabulary.

        Examples
        --------
        >>> trials = Babi().draw(20, seed=1)
        >>> bool(trials.score(trials.answers).all()), bool(trials.score(trials.frames()[1]).all())
        (True, True)
        """
        where = "BabiTrials.score"
        given = given_answers(answers, where=where)
        if given.shape == (self.n_trials,) and all(isinstance(one, str) for one in given):
            return np.array(
                [one.lower() == answer.lower() for one, answer in zip(given, self.answers, strict=True)]
            )
        targets = self._targets(self._numbers())
        return hits(given, targets, n_classes=len(self.vocabulary), where=where)

    def to_text(self) -> str:
        """Return the trials in the format of the published files, which `read_babi` reads.

        Returns
        -------
        str
            Lines with a number and a sentence; after a question the answer and the numbers of the lines that
            support it, behind tabs. Numbers begin at 1 with each story.

        Examples
        --------
        >>> print(Babi(kinds=(4,)).draw(1, seed=1).to_text().expandtabs(1))
        1 The office is west of the kitchen.
        2 The bedroom is west of the office.
        3 What is the office east of? bedroom 2
        <BLANKLINE>
        """
        lines: list[str] = []
        for k, (story, question) in enumerate(zip(self.stories, self.questions, strict=True)):
            if k == 0 or self.story_numbers[k] != self.story_numbers[k - 1]:
                ids: list[int] = []
                n = 0
            for sentence in story[len(ids) :]:
                n += 1
                ids.append(n)
                lines.append(f"{n} {sentence}")
            n += 1
            support = " ".join(str(ids[place]) for place in self.supports[k])
            lines.append(f"{n} {question}\t{self.answers[k]}\t{support}")
        return "\n".join(lines) + "\n"

    def _closed(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Stories and questions whose sentences all end with their sign."""
        for story, question in zip(self.stories, self.questions, strict=True):
            yield tuple(f"{sentence.rstrip(' .')}." for sentence in story), f"{question.rstrip(' ?')}?"

    def _numbers(self) -> dict[str, int]:
        return {word: k for k, word in enumerate(self.vocabulary)}

    def _targets(self, number: Mapping[str, int]) -> np.ndarray:
        return np.array([number[answer.lower()] for answer in self.answers], dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class Babi(DrawnTask[BabiTrials]):
    """Questions about short stories, of twenty types, drawn from the rules that the types are published with.

    A trial is a question with what was told before it. Trials come in the order of ``kinds``, equally many of
    each (the remainder falls on random ones); of the questions of a story any are as likely as others.

    ==== ============================================================= =====================================
    type story                                                         question
    ==== ============================================================= =====================================
    1    five times two moves                                          Where is A?
    2    moves, taking and leaving of objects                          Where is the O?
    3    the same                                                      Where was the O before the R?
    4    three rooms on a line                                         What is north of R? What is R north of?
    5    moves, taking, giving                                         who gave what to whom, the last time
    6    as 1                                                          Is A in the R?
    7, 8 moves, taking, leaving, giving                                How many objects, what is A carrying?
    9    moves, "is in", "is not in", "is no longer in"                Is A in the R? (yes, no)
    10   moves, "is in", "is either in ... or in ..."                  Is A in the R? (yes, no, maybe)
    11   a move, "then she" and another                                Where is A?
    12   two moves of two together                                     Where is A?
    13   a move of two, "then they" and another                        Where is A?
    14   three actors at four times of two days, in any order          Where was A before the R?
    15   four actors of four species, each afraid of another           What is A afraid of?
    16   five actors, their species and the color of all but one       What color is A?
    17   three shapes, each beside another                             Is X above Y? (both ways, four sides)
    18   five containers by size, up to seven facts more than needed   Does X fit in Y? Is Y bigger than X?
    19   five rooms on a grid, two of them off the way                 How do you go from R to S?
    20   four actors feel, go and take                                 Where will A go? Why did A go, get?
    ==== ============================================================= =====================================

    Where the rules are silent, this is chosen:

    - Objects are listed in the order in which they were taken; a list is one answer.
    - Actors asked are those told of before, at random, in 11 and 13 not only the last. In 3 the last time the
      object came into the room is meant.
    - What supports an answer is three sentences in 3 and 16, in 7 and 8 all that A did with objects, one or
      two elsewhere.
    - Answers of yes and no are equally likely wherever they can be given (in the published files 9 says no
      in 63 %); in 10 as in the files: no in 47 %, maybe in 15 %. In 7 and 8, what is done comes near the
      files' shares: none are carried in 45 % of questions and one in 50 % (47 and 49 % there).
    - 5, 10 and 14 have the names and rooms of the files. In 5, something is given in half of the sentences
      where it can be. Half of the statements of 9 and 10 are moves. "There" follows half of what is taken
      or left.
    - In 16, all of a species have one color. In 17, the first and the last shape are compared on an axis on
      which they differ. In 18, no fact compares the two that are asked, and the sizes, unlike those of the
      files, cannot be guessed from the names.
    - A story of more than 70 sentences (130 in type 3) is drawn again.

    Parameters
    ----------
    kinds : tuple of int
        Types, 1 to 20, each once.
    n_sentences : int, optional
        Sentences that ``frames()`` has room for, the last of a story; by default enough for all of the kinds
        (4: 2; 1, 6, 9 to 13: 10; 3: 130; all together 130).

    Raises
    ------
    SpecError, TaskError
        If a type is not known or given twice, or the number of sentences is out of bounds.

    Examples
    --------
    >>> trials = Babi(kinds=(15,)).draw(100, seed=0)
    >>> trials.questions[0], trials.answers[0]
    ('What is Gertrude afraid of?', 'wolf')
    >>> [trials.stories[0][place] for place in trials.supports[0]]
    ['Gertrude is a sheep.', 'Sheep are afraid of wolves.']
    """

    kind = "babi"

    kinds: tuple[int, ...] = tuple(range(1, 21))
    n_sentences: int | None = None

    def __post_init__(self) -> None:
        given: object = self.kinds
        many = given if isinstance(given, tuple) else ()
        for number in many:
            check_int(number, where="Babi", name="kinds", low=1, high=len(BABI_KINDS))
        if not many or len(set(many)) < len(many):
            bound = "must be a tuple of types, each once"
            raise TaskError.of(where="Babi", name="kinds", value=given, bound=bound, fix="as in kinds=(1, 2)")
        if self.n_sentences is not None:
            check_int(self.n_sentences, where="Babi", name="n_sentences", high=MOST_SENTENCES)

    @property
    def _most(self) -> int:
        return MAX_TRIALS

    def _drawn(self, generator: np.random.Generator, n: int) -> BabiTrials:
        counts = np.full(len(self.kinds), n // len(self.kinds))
        counts[generator.permutation(len(self.kinds))[: n % len(self.kinds)]] += 1
        rows = _Rows()
        for kind, count in zip(self.kinds, counts.tolist(), strict=True):
            pool: list[tuple[Any, ...]] = []
            while len(pool) < count:
                script, number = draw_story(generator, kind), rows.next_story()
                for asked in script.asked:
                    story = tuple(script.sentences[: asked.after])
                    pool.append((story, asked.text, asked.answer, asked.support, kind, number))
            for k in sorted(generator.permutation(len(pool))[:count].tolist()):
                rows.add(*pool[k])
        longest = max(LONGEST[kind] for kind in self.kinds)
        n_sentences = longest if self.n_sentences is None else self.n_sentences
        return rows.trials(WORDS, n_sentences=n_sentences, n_words=N_WORDS)


@dataclass
class _Rows:
    """Trials that are collected one by one."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    n_stories: int = 0

    def next_story(self) -> int:
        self.n_stories += 1
        return self.n_stories - 1

    def add(self, *row: Any) -> None:
        self.rows.append(row)

    def trials(self, vocabulary: tuple[str, ...], *, n_sentences: int, n_words: int) -> BabiTrials:
        stories, questions, answers, supports, kinds, numbers = zip(*self.rows, strict=True)
        return BabiTrials(
            stories=stories,
            questions=questions,
            answers=answers,
            supports=supports,
            kinds=np.array(kinds, dtype=np.int64),
            story_numbers=np.array(numbers, dtype=np.int64),
            vocabulary=vocabulary,
            n_sentences=n_sentences,
            n_words=n_words,
        )


def read_babi(
    source: str | os.PathLike[str] | Mapping[int, str | os.PathLike[str]],
    *,
    like: BabiTrials | None = None,
    n_sentences: int | None = None,
) -> BabiTrials:
    r"""Read questions in the format of the published files.

    A line has a number, which begins at 1 with each story, and a sentence; a question is followed by a tab
    and the answer, and by another and the numbers of the supporting lines, if they are known.

    Parameters
    ----------
    source : path, str or mapping
        File (``.txt``), text of more than one line, or several of them by the type of their questions, such
        as ``{1: "qa1_train.txt", 2: "qa2_train.txt"}``.
    like : BabiTrials, optional
        Trials whose vocabulary and sizes are taken, so that what is trained on them can answer these. By
        default the vocabulary is `BABI_WORDS`, which has all words of the published files, and words of the
        text that are not there, in the order of the alphabet.
    n_sentences : int, optional
        Sentences that ``frames()`` has room for, the last of a story; by default those of ``like``, or enough
        for the longest story.

    Returns
    -------
    BabiTrials

    Raises
    ------
    FileFormatError
        If a file cannot be read, or a line is not what it should be; the message names it.
    SpecError
        If a type or the number of sentences is out of bounds.

    Examples
    --------
    >>> text = "1 Mary went to the garden.\n2 John is in the office.\n3 Where is Mary?\tgarden\t1\n"
    >>> trials = read_babi(text)
    >>> trials.questions, trials.answers, trials.supports
    (('Where is Mary?',), ('garden',), ((0,),))
    """
    if n_sentences is not None:
        check_int(n_sentences, where="read_babi", name="n_sentences", high=MOST_SENTENCES)
    if like is not None and not isinstance(like, BabiTrials):
        raise TaskError.of(where="read_babi", name="like", value=like, bound="must be BabiTrials")
    several = isinstance(source, Mapping)
    if several and not source:
        raise TaskError.of(where="read_babi", name="source", value=source, bound="must have one file or more")
    rows, lines = _Rows(), []
    for kind, one in source.items() if isinstance(source, Mapping) else [(0, source)]:
        if several:
            check_int(kind, where="read_babi", name="source", low=1, high=len(BABI_KINDS))
        name, text = _text(one)
        lines += _read(text, name, kind, rows)
    known = set(WORDS if like is None else like.vocabulary)
    new = {word: line for line in lines for word in line.words if word not in known}
    if like is None:
        longest = max(len(row[0]) for row in rows.rows)
        n_words = max(N_WORDS, *(line.n_words for line in lines))
        vocabulary = (*WORDS, *sorted(new))
        return rows.trials(vocabulary, n_sentences=n_sentences or longest, n_words=n_words)
    for word, line in new.items():
        raise line.refused(f"has the word {word!r}, which is not in the vocabulary of `like`")
    for line in lines:
        if line.n_words > like.n_words:
            raise line.refused(f"has {line.n_words} words, more than the {like.n_words} of `like`")
    return rows.trials(like.vocabulary, n_sentences=n_sentences or like.n_sentences, n_words=like.n_words)


@dataclass(frozen=True)
class _Line:
    """A line of a file, for messages, with its words and the answer."""

    name: str
    number: int
    words: tuple[str, ...] = ()
    n_words: int = 0

    def refused(self, bound: str, fix: str = "") -> FileFormatError:
        return FileFormatError.of(
            where="read_babi", name=f"{self.name} line {self.number}", bound=bound, fix=fix
        )


def _text(source: Any) -> tuple[str, str]:
    """Name and text of a source."""
    if isinstance(source, str) and ("\n" in source or not source.strip()):
        return "text", source
    if not isinstance(source, (str, os.PathLike)):
        raise TaskError.of(where="read_babi", name="source", value=source, bound="must be a path or a text")
    path = Path(source)
    return path.name, str(datasets.read(path))


def _read(text: str, name: str, kind: int, rows: _Rows) -> list[_Line]:
    """Add the trials of a text to the rows; return its lines."""
    lines: list[_Line] = []
    story: list[str] = []
    before, last, number = len(rows.rows), 0, -1
    places: dict[int, int] = {}
    for k, raw in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        if not raw.strip():
            continue
        at = _Line(name, k)
        head, _, rest = raw.strip().partition(" ")
        if not _is_number(head) or not rest.strip():
            raise at.refused(
                "must be a number, a space and a sentence", fix='as in "1 Mary is in the garden."'
            )
        if int(head) == 1:
            story, places, number = [], {}, rows.next_story()
        elif int(head) != last + 1 or number < 0:
            first = "1" if number < 0 else f"{last + 1}, or 1 in a new story"
            raise at.refused(f"has the number {int(head)}, which must be {first}")
        last = int(head)
        if last > 2 * MOST_SENTENCES or len(story) == MOST_SENTENCES:
            raise at.refused(f"is in a story of more than {MOST_SENTENCES} sentences")
        question, *more = (part.strip() for part in rest.split("\t"))
        words = _split(question)
        if not words:
            raise at.refused("has no word")
        if more:
            answer, support = _answered(at, more, places)
            rows.add(tuple(story), question, answer, support, kind, number)
            words.append(answer.lower())
        elif question.endswith("?"):
            raise at.refused("is a question without an answer", fix="write a tab and the answer behind it")
        else:
            places[last] = len(story)
            story.append(question)
        lines.append(_Line(name, k, tuple(words), len(words) - bool(more)))
    if len(rows.rows) == before:
        bound = "has no question" if lines else "is empty"
        raise FileFormatError.of(where="read_babi", name="source", value=name, bound=bound)
    return lines


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 20  # which no number of a line needs


def _answered(at: _Line, more: list[str], places: Mapping[int, int]) -> tuple[str, tuple[int, ...]]:
    """Answer and supporting sentences behind a question."""
    answer, ids = more[0], more[1] if len(more) > 1 else ""
    if not answer:
        raise at.refused("is a question without an answer", fix="write a tab and the answer behind it")
    if len(more) > 2:
        raise at.refused("has more than a question, an answer and numbers of lines")
    if not places:
        raise at.refused("asks before anything was told")
    for one in ids.split():
        if not _is_number(one) or int(one) not in places:
            raise at.refused(f"names {one[:20]} as support, which is no sentence before it in its story")
    return answer, tuple(places[int(one)] for one in ids.split())
