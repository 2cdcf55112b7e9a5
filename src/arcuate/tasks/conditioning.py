"""Pavlovian conditioning: stimuli, alone and together, that an outcome follows or not, phase by phase.

References
----------
L. Kamin, Predictability, surprise, attention, and conditioning (1969), for blocking; R. Rescorla and
A. Wagner, A theory of Pavlovian conditioning (1972), for the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arcuate.errors import SpecError, TaskError, check_int
from arcuate.tasks._answers import hits
from arcuate.tasks._drawn import DrawnTask
from arcuate.tasks.forms import Drive, Tokens, drive, held

__all__ = ["EXPERIMENTS", "Conditioning", "ConditioningTrials", "Phase"]

MAX_CELLS = 100_000_000
MAX_LENGTH = 1_000_000

_WORDS = ("nothing", "outcome")


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Trials of one kind, or of several in turn.

    Parameters
    ----------
    trials : tuple of str
        What happens, in turn: letters of the stimuli, then ``+`` if the outcome follows, ``-`` if not, as in
        ``("A+", "AB-")``.
    n : int
        How often each of them.

    Examples
    --------
    >>> Phase(trials=("AB+",), n=40).stimuli
    ('A', 'B')
    """

    trials: tuple[str, ...]
    n: int = 40

    def __post_init__(self) -> None:
        given: object = self.trials
        if not isinstance(given, tuple) or not given:
            raise SpecError.of(where="Phase", name="trials", value=given, bound='must be a tuple as ("A+",)')
        for trial in given:
            body = trial[:-1] if isinstance(trial, str) else ""
            if not body.isalpha() or len(set(body)) != len(body) or trial[-1] not in "+-":
                bound = "must be letters, each once, and + or -"
                raise SpecError.of(where="Phase", name="trials", value=trial, bound=bound, fix='as in "AB+"')
        check_int(self.n, where="Phase", name="n")

    @property
    def stimuli(self) -> tuple[str, ...]:
        """Letters that occur, in their order."""
        return tuple(sorted({letter for trial in self.trials for letter in trial[:-1]}))


EXPERIMENTS: dict[str, tuple[Phase, ...]] = {
    "blocking": (Phase(trials=("A+",)), Phase(trials=("AB+",))),
    "control": (Phase(trials=("AB+",)),),
    "extinction": (Phase(trials=("A+",)), Phase(trials=("A-",))),
    "overexpectation": (Phase(trials=("A+",)), Phase(trials=("B+",)), Phase(trials=("AB+",))),
    "inhibition": (Phase(trials=("A+",)), Phase(trials=("AB-",))) * 2,
}
"""Experiments with two stimuli, 40 trials a phase (Kamin 1969; Rescorla and Wagner 1972)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ConditioningTrials:
    """Sessions of `Conditioning`: each is one trial of the task, with many of conditioning. Read-only.

    Parameters
    ----------
    shown : ndarray, (n_trials, length, n_cues), bool
        Which cues each trial of conditioning shows.
    outcomes : ndarray, (n_trials, length), int64
        1 where the outcome follows.
    cues : ndarray, (n_trials, n_cues), int64
        Which cue plays the first letter, the second and so on.
    stimuli : tuple of str
        Letters.
    what : tuple of str
        Name of each trial of conditioning, such as ``"AB+"``.
    n_last : int
        Kinds of trials in the last phase.

    Examples
    --------
    >>> sessions = Conditioning(phases=EXPERIMENTS["blocking"]).draw(3, seed=1)
    >>> sessions.shown.shape, sessions.what[0], sessions.what[-1]
    ((3, 80, 2), 'A+', 'AB+')
    """

    shown: np.ndarray
    outcomes: np.ndarray
    cues: np.ndarray
    stimuli: tuple[str, ...]
    what: tuple[str, ...]
    n_last: int

    def __post_init__(self) -> None:
        for array in (self.shown, self.outcomes, self.cues):
            array.flags.writeable = False

    @property
    def n_trials(self) -> int:
        """Number of sessions."""
        return len(self.shown)

    def frames(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the sessions trial by trial, for a learner that goes through them.

        Returns
        -------
        x : ndarray, (n_trials, length, n_cues + 1), float32
            Cues that are shown, which are the keys of a memory, and the outcome of the trial before.
        targets : ndarray, (n_trials, length), int64
            1 where the outcome follows.

        Examples
        --------
        >>> x, targets = Conditioning().draw(2, seed=1).frames()
        >>> x.shape, targets.shape
        ((2, 80, 3), (2, 80))
        """
        before = np.concatenate((np.zeros_like(self.outcomes[:, :1]), self.outcomes[:, :-1]), axis=1)
        return np.concatenate((self.shown, before[..., None]), axis=2).astype(np.float32), self.outcomes

    def tokens(self) -> Tokens:
        """Return the sessions as sequences of words: the cues of a trial, then what followed.

        Returns
        -------
        Tokens
            What follows is asked at the last cue of each trial; its class is the number of the word.

        Examples
        --------
        >>> read = Conditioning(phases=(Phase(trials=("A+", "A-"), n=1),)).draw(1, seed=1).tokens()
        >>> [read.vocabulary[k] for k in read.tokens[0]], read.targets[0].tolist()
        (['cue 0', 'outcome', 'cue 0', 'nothing'], [1, -1, 0, -1])
        """
        words = np.arange(self.shown.shape[2] + 1) + len(_WORDS)
        rows = np.where(self.shown, words[:-1], -1)
        rows = np.concatenate((rows, self.outcomes[..., None]), axis=2)
        said = rows >= 0  # as many of each session
        last = rows[..., :-1].argmax(axis=2)
        targets = np.full_like(rows, -1)
        np.put_along_axis(targets, last[..., None], self.outcomes[..., None], axis=2)
        n = self.n_trials
        return Tokens(
            tokens=rows[said].reshape(n, -1),
            targets=targets[said].reshape(n, -1),
            vocabulary=(*_WORDS, *self._names()),
        )

    def drive(self, dt: float | str, *, hold: float | str) -> Drive:
        """Return the sessions as currents: cues alone, cues with the outcome or without, a pause.

        Parameters
        ----------
        dt, hold : str or quantity
            Step, and how long each of the three lasts; a whole number of steps.

        Returns
        -------
        Drive
            A channel for each cue and one for the outcome; the outcome is asked while the cues are alone.

        Raises
        ------
        TaskError
            If ``hold`` is not a whole number of steps.
        MemoryLimitError
            If the currents would take more than 16 GiB.

        Examples
        --------
        >>> shown = Conditioning().draw(2, seed=1).drive("1 ms", hold="5 ms")
        >>> shown.inputs.shape, shown.channels, int(shown.asked[0].sum())
        ((2, 1200, 3), ('cue 0', 'cue 1', 'outcome'), 400)
        """
        n, length, n_cues = self.shown.shape
        held(dt, hold, shape=(n, 3 * length, n_cues + 1), n_outputs=1)
        items = np.zeros((n, length, 3, n_cues + 1), dtype=np.float32)
        items[:, :, :2, :-1] = self.shown[:, :, None]
        items[:, :, 1, -1] = self.outcomes
        targets = np.zeros((n, length, 3, 1))
        targets[:, :, 0, 0] = self.outcomes
        return drive(
            items.reshape(n, 3 * length, -1),
            dt,
            hold=hold,
            channels=(*self._names(), _WORDS[1]),
            targets=targets.reshape(n, 3 * length, 1),
            asked=np.broadcast_to(np.arange(3 * length) % 3 == 0, (n, 3 * length)),
            outputs=_WORDS[1:],
        )

    def score(self, answers: np.ndarray) -> np.ndarray:
        """Say of each session whether, at its end, every kind of trial of the last phase was foreseen.

        Parameters
        ----------
        answers : array_like of int, (n_trials, length)
            1 where the outcome is expected, 0 where nothing is.

        Returns
        -------
        ndarray, (n_trials,), bool

        Raises
        ------
        TaskError
            If there is not 0 or 1 for each trial of conditioning.

        Examples
        --------
        >>> sessions = Conditioning(phases=EXPERIMENTS["extinction"]).draw(2, seed=1)
        >>> sessions.score(np.ones((2, 80), dtype=int))
        array([False, False])
        """
        return np.asarray(self.score_items(answers)[:, -self.n_last :].all(axis=1))

    def score_items(self, answers: np.ndarray) -> np.ndarray:
        """Say of each trial of conditioning whether what followed was foreseen.

        Parameters
        ----------
        answers : array_like of int, (n_trials, length)
            1 where the outcome is expected, 0 where nothing is.

        Returns
        -------
        ndarray, (n_trials, length), bool

        Raises
        ------
        TaskError
            If there is not 0 or 1 for each trial of conditioning.

        Examples
        --------
        >>> sessions = Conditioning(phases=EXPERIMENTS["extinction"]).draw(2, seed=1)
        >>> float(sessions.score_items(np.ones((2, 80), dtype=int)).mean())
        0.5
        """
        return hits(answers, self.outcomes, n_classes=len(_WORDS), where="ConditioningTrials.score")

    def _names(self) -> tuple[str, ...]:
        return tuple(f"cue {k}" for k in range(len(self.stimuli)))


@dataclass(frozen=True, kw_only=True)
class Conditioning(DrawnTask[ConditioningTrials]):
    """Sessions of conditioning, alike but for the cue that plays each stimulus, as laboratories balance them.

    A trial shows one or more stimuli, and the outcome follows or not; a learner comes to expect it. What a
    stimulus has taught by itself is seen in trials that a phase of its own adds, as ``Phase(trials=("B-",),
    n=1)``. `arcuate.memory.condition` has the strengths that the rule of Rescorla and Wagner gives.

    Parameters
    ----------
    phases : tuple of Phase
        One or more; by default those of blocking.

    Raises
    ------
    TaskError
        If these are no phases, or of more than a million trials.

    Examples
    --------
    >>> task = Conditioning(phases=EXPERIMENTS["inhibition"])
    >>> task.stimuli, len(task.what), sorted(set(task.what))
    (('A', 'B'), 160, ['A+', 'AB-'])
    """

    kind = "conditioning"

    phases: tuple[Phase, ...] = EXPERIMENTS["blocking"]

    def __post_init__(self) -> None:
        given: object = self.phases
        if not isinstance(given, tuple) or not given or not all(isinstance(one, Phase) for one in given):
            bound, fix = "must be a tuple of phases, at least one", 'as in phases=(Phase(trials=("A+",)),)'
            raise TaskError.of(where="Conditioning", name="phases", value=given, bound=bound, fix=fix)
        length = sum(len(phase.trials) * phase.n for phase in self.phases)
        if length > MAX_LENGTH:
            bound = f"must have no more than {MAX_LENGTH} trials, not {length}"
            raise TaskError.of(where="Conditioning", name="phases", bound=bound)

    @property
    def stimuli(self) -> tuple[str, ...]:
        """Letters that occur, in their order."""
        return tuple(sorted({letter for phase in self.phases for letter in phase.stimuli}))

    @property
    def what(self) -> tuple[str, ...]:
        """Names of the trials of a session, one after the other."""
        return tuple(trial for phase in self.phases for trial in phase.trials * phase.n)

    @property
    def _most(self) -> int:
        return max(1, MAX_CELLS // (len(self.what) * len(self.stimuli)))

    def _drawn(self, generator: np.random.Generator, n: int) -> ConditioningTrials:
        stimuli, what = self.stimuli, self.what
        letters = np.array([[letter in trial[:-1] for letter in stimuli] for trial in what])
        cues = generator.permuted(np.tile(np.arange(len(stimuli)), (n, 1)), axis=1)
        return ConditioningTrials(
            shown=letters.T[np.argsort(cues, axis=1)].swapaxes(1, 2).copy(),
            outcomes=np.tile([int(trial[-1] == "+") for trial in what], (n, 1)),
            cues=cues,
            stimuli=stimuli,
            what=what,
            n_last=len(self.phases[-1].trials),
        )
