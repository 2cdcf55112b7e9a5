"""Comparison of intervals: a cue, an empty time, a probe; was the time longer than a reference?

The reference is learned over trials, or shown in each as a first interval. Dots may stand in the empty time,
and a second cue may ask for their number in place of its length: the same stream then asks for either.

References
----------
Comparison with a learned reference is temporal bisection: Church and Deluty, J. Exp. Psychol. Anim. Behav.
Process. 3:216 (1977); two intervals in a row are those of Getty, Percept. Psychophys. 18:1 (1975). Times
against matched numbers follow Li et al. 2025, arXiv 2507.15851. Sizes here are chosen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from arcuate.errors import SpecError, check_int, check_real
from arcuate.tasks._answers import hits
from arcuate.tasks._drawn import DrawnTask
from arcuate.tasks.blocks import MAX_TRIALS
from arcuate.tasks.forms import Drive, Tokens, drive

__all__ = ["IntervalComparison", "IntervalTrials"]

ANSWERS = ("less", "more")
SYMBOLS = ("blank", "dot", "time", "number", "mark", "probe")
"""What a place of a trial may hold, as it stands in ``IntervalTrials.symbols``."""

BLANK, DOT, TIME, NUMBER, MARK, PROBE = range(len(SYMBOLS))
MAX_LENGTH = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class IntervalTrials:
    """Trials of `IntervalComparison`. Arrays are read-only.

    Parameters
    ----------
    symbols : ndarray, (n_trials, length), int64
        What stands at each place: a number of ``("blank", "dot", "time", "number", "mark", "probe")``.
    duration, dots : ndarray, (n_trials,), int64
        Places between the cue and the probe, and how many of them hold a dot.
    number : ndarray, (n_trials,), bool
        Whether the number of dots is asked, not the duration.
    reference : ndarray, (n_trials,), float
        What is compared with.
    probe : ndarray, (n_trials,), int64
        Place of the probe.

    Examples
    --------
    >>> trials = IntervalComparison(low=2, high=5, reference=3.5).draw(2, seed=3)
    >>> trials.value.tolist(), trials.more.tolist(), trials.tokens().tokens[0].tolist()
    ([5, 4], [1, 1], [4, 2, 2, 2, 2, 2, 7])
    """

    symbols: np.ndarray
    duration: np.ndarray
    dots: np.ndarray
    number: np.ndarray
    reference: np.ndarray
    probe: np.ndarray

    def __post_init__(self) -> None:
        for name in ("symbols", "duration", "dots", "number", "reference", "probe"):
            getattr(self, name).flags.writeable = False

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return len(self.symbols)

    @property
    def value(self) -> np.ndarray:
        """What is asked: the duration, or the number of dots (n_trials,)."""
        return np.where(self.number, self.dots, self.duration)

    @property
    def more(self) -> np.ndarray:
        """The answers: 1 where the value is above the reference (n_trials,)."""
        return (self.value > self.reference).astype(np.int64)

    def frames(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the trials for a network that gets a row in each tick, as `arcuate.nn.SeriesThoughtMachine`.

        Returns
        -------
        x : ndarray, (n_trials, length, 5), float32
            A channel for each symbol but the blank.
        targets : ndarray, (n_trials, length), int64
            The answer at the probe, -1 elsewhere.

        Examples
        --------
        >>> x, targets = IntervalComparison(low=2, high=5, reference=3.5).draw(3, seed=1).frames()
        >>> x.shape, targets.max(axis=1).tolist()
        ((3, 7, 5), [1, 0, 1])
        """
        shown = self.symbols[..., None] == np.arange(1, len(SYMBOLS))
        return shown.astype(np.float32), self.tokens().targets

    def tokens(self) -> Tokens:
        """Return the trials as sequences of words, the answer asked at the probe.

        Returns
        -------
        Tokens

        Examples
        --------
        >>> IntervalComparison(low=2, high=5, reference=3.5).draw(3, seed=1).tokens().vocabulary
        ('less', 'more', 'blank', 'dot', 'time', 'number', 'mark', 'probe')
        """
        targets = np.full(self.symbols.shape, -1)
        targets[np.arange(self.n_trials), self.probe] = self.more
        return Tokens(tokens=self.symbols + len(ANSWERS), targets=targets, vocabulary=ANSWERS + SYMBOLS)

    def drive(self, dt: float | str, *, hold: float | str) -> Drive:
        """Return the trials as currents, a channel for each symbol but the blank, the answer as -1 or +1.

        Parameters
        ----------
        dt, hold : str or quantity
            Step, and how long a place lasts; a whole number of steps.

        Returns
        -------
        Drive
            The answer counts during the probe.

        Raises
        ------
        TaskError
            If ``hold`` is not a whole number of steps.

        Examples
        --------
        >>> trials = IntervalComparison(low=2, high=5, reference=3.5).draw(3, seed=1)
        >>> shown = trials.drive("1 ms", hold="50 ms")
        >>> shown.inputs.shape, shown.channels
        ((3, 350, 5), ('dot', 'time', 'number', 'mark', 'probe'))
        """
        asked = np.arange(self.symbols.shape[1]) == self.probe[:, None]
        answer = np.where(asked, 2 * self.more[:, None] - 1, 0)[..., None]
        return drive(
            self.frames()[0],
            dt,
            hold=hold,
            channels=SYMBOLS[1:],
            targets=answer,
            asked=asked,
            outputs=["more"],
        )

    def score(self, answers: np.ndarray) -> np.ndarray:
        """Say of each trial whether it was answered right.

        Parameters
        ----------
        answers : array_like of int, (n_trials,)
            0 for less, 1 for more.

        Returns
        -------
        ndarray, (n_trials,), bool

        Raises
        ------
        TaskError
            If the answers do not have the shape of the trials.

        Examples
        --------
        >>> trials = IntervalComparison(low=2, high=5, reference=3.5).draw(3, seed=1)
        >>> trials.score(trials.more)
        array([ True,  True,  True])
        """
        return hits(answers, self.more, n_classes=2, where="IntervalTrials.score")


@dataclass(frozen=True, kw_only=True)
class IntervalComparison(DrawnTask[IntervalTrials]):
    """Intervals from a cue to a probe, compared with a reference.

    Durations are uniform from ``low`` to ``high``. A trial is a cue, the empty places, and the probe; behind
    the probe there are blanks up to a common length. Where the reference is shown, the cue, a first interval
    and a mark stand before all this.

    Parameters
    ----------
    low, high : int
        Shortest and longest duration, in places.
    reference : float or None
        What durations are compared with, between ``low`` and ``high`` and equal to none. None: each trial
        shows its own first, drawn as durations are, and the second is another one.
    number_reference : float or None
        If given, half of the trials ask whether the dots are more than this; the number of dots is uniform
        from 0 to the duration, in trials of both kinds. None: no dots.
    lead : int
        Up to so many blanks before the cue, drawn for each trial: then its place does not tell the time.

    Raises
    ------
    SpecError
        If a number is out of bounds, a reference equals a value or is not within them, or a number is asked
        where the reference is shown.

    Examples
    --------
    >>> task = IntervalComparison(low=4, high=20, reference=10.5, number_reference=4.5, lead=6)
    >>> trials = task.draw(1000, seed=0)
    >>> trials.symbols.shape, bool((trials.dots <= trials.duration).all())
    ((1000, 28), True)
    >>> shown = IntervalComparison(low=4, high=8).draw(4, seed=0)
    >>> shown.reference.tolist(), shown.value.tolist()
    ([7.0, 5.0, 6.0, 6.0], [6, 4, 7, 4])
    """

    kind = "interval_comparison"

    low: int = 4
    high: int = 20
    reference: float | None = None
    number_reference: float | None = None
    lead: int = 0

    def __post_init__(self) -> None:
        where = "IntervalComparison"
        low = check_int(self.low, where=where, name="low", high=MAX_LENGTH)
        high = check_int(self.high, where=where, name="high", low=low + 1, high=MAX_LENGTH)
        check_int(self.lead, where=where, name="lead", low=0, high=MAX_LENGTH)
        for name, least in (("reference", low), ("number_reference", 0)):
            value = getattr(self, name)
            if value is None:
                continue
            value = check_real(value, where=where, name=name, low=least, high=high)
            if value == round(value):
                fix = f"use {value + 0.5 if value < high else value - 0.5}"
                bound = "must lie between two whole numbers, so that no value equals it"
                raise SpecError.of(where=where, name=name, value=value, bound=bound, fix=fix)
        if self.reference is None and self.number_reference is not None:
            bound = "can be asked only where the reference is not shown"
            fix = "give a reference"
            raise SpecError.of(
                where=where, name="number_reference", value=self.number_reference, bound=bound, fix=fix
            )

    def matched(self, n_trials: int, *, seed: int) -> tuple[IntervalTrials, IntervalTrials]:
        """Draw streams, and ask of each its time as well as its number.

        Parameters
        ----------
        n_trials : int
            Streams.
        seed : int
            As of ``draw``.

        Returns
        -------
        time, number : IntervalTrials
            Trials that differ in the cue alone.

        Raises
        ------
        SpecError
            If the task asks for no numbers, or the number of trials is out of bounds.

        Examples
        --------
        >>> task = IntervalComparison(low=2, high=5, reference=3.5, number_reference=1.5)
        >>> time, number = task.matched(3, seed=1)
        >>> (time.symbols != number.symbols).sum(axis=1).tolist(), number.number.all().item()
        ([1, 1, 1], True)
        """
        if self.number_reference is None:
            bound = "must be given, so that numbers are asked"
            raise SpecError.of(where="IntervalComparison.matched", name="number_reference", bound=bound)
        drawn = self.draw(n_trials, seed=seed)
        cue = np.isin(drawn.symbols, (TIME, NUMBER))
        time, number = (
            replace(
                drawn,
                symbols=np.where(cue, symbol, drawn.symbols),
                number=np.full(drawn.n_trials, symbol == NUMBER),
                reference=np.full(drawn.n_trials, float(reference)),
            )
            for symbol, reference in ((TIME, self.reference or 0.0), (NUMBER, self.number_reference))
        )
        return time, number

    @property
    def length(self) -> int:
        """Places of a trial."""
        return self.lead + (self.high + 2) * (2 if self.reference is None else 1)

    @property
    def _most(self) -> int:
        return MAX_TRIALS // self.length

    def _drawn(self, generator: np.random.Generator, n: int) -> IntervalTrials:
        duration = generator.integers(self.low, self.high + 1, size=n)
        start = generator.integers(self.lead + 1, size=n)
        at, symbols = np.arange(self.length), np.full((n, self.length), BLANK)
        number, dots = np.zeros(n, dtype=bool), np.zeros(n, dtype=np.int64)
        if self.reference is None:
            first = generator.integers(self.low, self.high, size=n)
            first += first >= duration
            symbols[at == start[:, None]] = TIME
            start = start + first + 1
            symbols[at == start[:, None]] = MARK
            start, reference = start + 1, first.astype(float)
        else:
            reference = np.full(n, float(self.reference))
        inside = (at > start[:, None]) & (at <= (start + duration)[:, None])
        if self.number_reference is not None:
            number = generator.random(n) < 0.5
            reference = np.where(number, self.number_reference, reference)
            dots = generator.integers(duration + 1)
            order = np.where(inside, generator.random(symbols.shape), 2.0).argsort(axis=1).argsort(axis=1)
            symbols[inside & (order < dots[:, None])] = DOT
        probe = start + duration + 1
        symbols[at == start[:, None]] = np.where(number, NUMBER, TIME)
        symbols[at == probe[:, None]] = PROBE
        return IntervalTrials(
            symbols=symbols,
            duration=duration,
            dots=dots,
            number=number,
            reference=reference,
            probe=probe,
        )
