"""What a task hands to a network: where trials lie, what is shown when, what should be predicted."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import TaskError, check_int, unknown
from arcuate.tasks._answers import given_answers
from arcuate.tasks.blocks import seconds, time_text
from arcuate.tasks.forms import Tokens

if TYPE_CHECKING:
    import pandas as pd


def _freeze(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        value = value.copy()
        value.flags.writeable = False
    return value


@dataclass(frozen=True, kw_only=True, eq=False)
class Pulses:
    """A schedule of square pulses, sorted by start.

    Parameters
    ----------
    start, stop : ndarray, (n_pulses,), int
        First step of each pulse and the step after its last.
    channel : ndarray, (n_pulses,), int
        Channel of each pulse.
    amplitude : ndarray, (n_pulses,), float
        Height of each pulse.
    n_channels : int
        Number of channels.

    Examples
    --------
    >>> pulses = Pulses.make(np.array([4, 0]), np.array([1, 0]), length=2, n_channels=2)
    >>> pulses.dense(6).T.tolist()
    [[1.0, 1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]]
    """

    start: np.ndarray
    stop: np.ndarray
    channel: np.ndarray
    amplitude: np.ndarray
    n_channels: int

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, _freeze(getattr(self, field.name)))

    @classmethod
    def make(cls, start: np.ndarray, channel: np.ndarray, *, length: int, n_channels: int) -> Pulses:
        """Build pulses of one length and height 1.

        Parameters
        ----------
        start : ndarray, (n_pulses,), int
            First step of each pulse, in any order.
        channel : ndarray, (n_pulses,), int
            Channel of each pulse.
        length : int
            Steps that each pulse lasts.
        n_channels : int
            Number of channels.

        Returns
        -------
        Pulses
        """
        order = np.lexsort((channel, start))
        first = np.asarray(start, dtype=np.int64)[order]
        return cls(
            start=first,
            stop=first + length,
            channel=np.asarray(channel, dtype=np.int64)[order],
            amplitude=np.ones(first.size),
            n_channels=n_channels,
        )

    def __len__(self) -> int:
        return int(self.start.size)

    def dense(self, n_steps: int, *, first: int = 0) -> np.ndarray:
        """Return the drive of each step.

        Parameters
        ----------
        n_steps : int
            Number of rows.
        first : int
            Step of the first row, for a run in pieces.

        Returns
        -------
        ndarray, (n_steps, n_channels), float64
            Sum of the pulses that are on.
        """
        check_int(n_steps, where="Pulses.dense", name="n_steps", low=0)
        check_int(first, where="Pulses.dense", name="first", low=0)
        drive = np.zeros((n_steps, self.n_channels))
        touched = np.flatnonzero((self.start < first + n_steps) & (self.stop > first))
        for i in touched:
            lo, hi = max(int(self.start[i]) - first, 0), int(self.stop[i]) - first
            drive[lo:hi, self.channel[i]] += self.amplitude[i]
        return drive


@dataclass(frozen=True, kw_only=True, eq=False)
class Trials:
    """The drawn trials of a task, on the grid of a network's steps. Arrays are read-only.

    Parameters
    ----------
    dt : float
        Step, s.
    seed : int
        Seed of the draws.
    start, end : ndarray, (n_trials,), int
        First step of each trial (where phase is 0) and the step after its inter-trial interval.
    window_steps : int
        Response window, in steps from the start.
    latency_steps : ndarray, (n_trials,), int
        When the outcome comes, or would have come, in steps from the start.
    outcome : ndarray, (n_trials,), int
        Index into `outcomes`; -1 where the outcome is withheld.
    block, condition : ndarray, (n_trials,), int
        Index into `blocks` and `conditions`.
    probabilities : ndarray, (n_trials, n_outcomes)
        Probability of each outcome, given that one comes.
    outcomes, cue_names, conditions, blocks : tuple of str
        Names.
    teacher_width : float
        Standard deviation of the Gaussian teacher, s.
    cues, outcome_pulses : Pulses
        What is shown.

    Examples
    --------
    >>> from arcuate.tasks import Block, WhatWhen
    >>> block = Block(n_trials=2, latency="400 ms", probabilities={"A": 1.0, "B": 0.0})
    >>> trials = WhatWhen(blocks=[block], iti="300 ms").trials("1 ms", seed=0)
    >>> trials.start.tolist(), trials.n_steps, trials.targets.tolist()
    ([0, 1500], 3000, [[1.0, 0.0], [1.0, 0.0]])
    >>> trials.teacher(0, np.array([0.37, 0.4])).round(3).tolist()
    [0.607, 1.0]
    """

    dt: float
    seed: int
    start: np.ndarray
    end: np.ndarray
    window_steps: int
    latency_steps: np.ndarray
    outcome: np.ndarray
    block: np.ndarray
    condition: np.ndarray
    probabilities: np.ndarray
    outcomes: tuple[str, ...]
    cue_names: tuple[str, ...]
    conditions: tuple[str, ...]
    blocks: tuple[str, ...]
    teacher_width: float
    cues: Pulses
    outcome_pulses: Pulses

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, _freeze(getattr(self, field.name)))

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return int(self.start.size)

    @property
    def n_steps(self) -> int:
        """Steps of the whole task, the last inter-trial interval included."""
        return int(self.end[-1])

    @property
    def n_outcomes(self) -> int:
        """Number of outcomes."""
        return len(self.outcomes)

    @property
    def duration(self) -> float:
        """Time of the whole task, s."""
        return self.n_steps * self.dt

    @property
    def window(self) -> float:
        """Response window, s."""
        return self.window_steps * self.dt

    @property
    def latency(self) -> np.ndarray:
        """When the outcome of each trial comes, (n_trials,), s from the trial's start."""
        return self.latency_steps * self.dt

    @property
    def targets(self) -> np.ndarray:
        """Which outcome came, (n_trials, n_outcomes): one-hot rows, zeros where it was withheld."""
        return np.asarray(self.outcome[:, None] == np.arange(self.n_outcomes), dtype=np.float64)

    def _trial(self, trial: int) -> int:
        return check_int(trial, where="Trials", name="trial", low=0, high=self.n_trials - 1)

    def drive(self, name: str) -> Pulses:
        """Return what is shown, as pulses of height 1.

        Parameters
        ----------
        name : str
            ``"cue"``: one channel for each name in `cue_names`. ``"outcome"``: one channel for each outcome;
            no pulses unless the task has ``outcome_to_reservoir=True``. A name of `cue_names`: that cue
            alone, on one channel.

        Returns
        -------
        Pulses

        Raises
        ------
        UnknownNameError
            For any other name.
        """
        drives = {"cue": self.cues, "outcome": self.outcome_pulses}
        if name in drives:
            return drives[name]
        if name not in self.cue_names:
            raise unknown("Trials.drive", name, [*drives, *self.cue_names], kind="drive")
        mine = self.cues.channel == self.cue_names.index(name)
        return Pulses(
            start=self.cues.start[mine],
            stop=self.cues.stop[mine],
            channel=np.zeros(int(mine.sum()), dtype=np.int64),
            amplitude=self.cues.amplitude[mine],
            n_channels=1,
        )

    def target(self, trial: int) -> np.ndarray:
        """Return which outcome came in a trial.

        Parameters
        ----------
        trial : int
            Number of the trial.

        Returns
        -------
        ndarray, (n_outcomes,)
            One-hot; zeros where the outcome was withheld.
        """
        row: np.ndarray = self.targets[self._trial(trial)]
        return row

    def teacher(self, trial: int, times: np.ndarray) -> np.ndarray:
        """Return the teacher of "when": a Gaussian around the latency, zero where the outcome was withheld.

        Parameters
        ----------
        trial : int
            Number of the trial.
        times : ndarray, (n_times,)
            Time from the trial's start, s.

        Returns
        -------
        ndarray, (n_times,)
            exp(-(t - latency)^2 / (2 teacher_width^2)).
        """
        trial = self._trial(trial)
        bump = self._bump(np.asarray(times, dtype=float) - self.latency[trial])
        return bump if self.outcome[trial] >= 0 else np.zeros_like(bump)

    def teachers(self, times: np.ndarray) -> np.ndarray:
        """Return the teacher of every trial at the same phases.

        Parameters
        ----------
        times : ndarray, (n_times,)
            Time from the trials' start, s.

        Returns
        -------
        ndarray, (n_trials, n_times)
        """
        phase = np.asarray(times, dtype=float)[None, :] - self.latency[:, None]
        return np.asarray(self._bump(phase) * (self.outcome >= 0)[:, None])

    def _bump(self, distance: np.ndarray) -> np.ndarray:
        return np.asarray(np.exp(-(distance**2) / (2.0 * self.teacher_width**2)))

    def trial_at(self, steps: np.ndarray) -> np.ndarray:
        """Return the trial in which steps lie, its inter-trial interval included.

        Parameters
        ----------
        steps : ndarray, (n,), int
            Steps of the run.

        Returns
        -------
        ndarray, (n,), int64
            -1 before the first trial; the last trial after the end.
        """
        return np.searchsorted(self.start, np.asarray(steps), side="right") - 1

    def phase_at(self, steps: np.ndarray) -> np.ndarray:
        """Return the time since the start of the trial.

        Parameters
        ----------
        steps : ndarray, (n,), int
            Steps of the run.

        Returns
        -------
        ndarray, (n,), s
            Negative before the first trial.
        """
        steps = np.asarray(steps)
        return np.asarray((steps - self.start[np.maximum(self.trial_at(steps), 0)]) * self.dt)

    def gate_at(self, steps: np.ndarray, *, phase: str = "when") -> np.ndarray:
        """Return the attention gate.

        Parameters
        ----------
        steps : ndarray, (n,), int
            Steps of the run.
        phase : {"when", "what"}
            ``"when"``: open from the trial's start to the end of the response window. ``"what"``: open in the
            inter-trial interval that follows.

        Returns
        -------
        ndarray, (n,)
            1.0 where open, else 0.0.
        """
        if phase not in ("when", "what"):
            raise unknown("Trials.gate_at", phase, ["when", "what"], kind="phase")
        steps = np.asarray(steps)
        trial = self.trial_at(steps)
        since = steps - self.start[np.maximum(trial, 0)]
        inside = (trial >= 0) & (steps < self.n_steps)
        window = since < self.window_steps
        return np.asarray(inside & (window if phase == "when" else ~window), dtype=np.float64)

    def teacher_at(self, steps: np.ndarray) -> np.ndarray:
        """Return the teacher of "when" at steps of the run; zero outside the response windows.

        Parameters
        ----------
        steps : ndarray, (n,), int
            Steps of the run.

        Returns
        -------
        ndarray, (n,)
        """
        steps = np.asarray(steps)
        trial = np.maximum(self.trial_at(steps), 0)
        distance = (steps - self.start[trial] - self.latency_steps[trial]) * self.dt
        return np.asarray(self._bump(distance) * (self.outcome[trial] >= 0) * self.gate_at(steps))

    def sample_steps(self, period: int, *, window_only: bool = False) -> np.ndarray:
        """Return the steps n of the task with ``n % period == 0``.

        Parameters
        ----------
        period : int
            In steps.
        window_only : bool
            Only those inside response windows.

        Returns
        -------
        ndarray, (n_samples,), int64
        """
        check_int(period, where="Trials.sample_steps", name="period", low=1)
        steps = np.arange(0, self.n_steps, period, dtype=np.int64)
        return steps[self.gate_at(steps) > 0] if window_only else steps

    def coords(self) -> dict[str, np.ndarray]:
        """Return the coordinates that go on the ``trial`` dimension of a Recording's states.

        Returns
        -------
        dict of str to ndarray, (n_trials,)
            stimulus (the condition's name), repeat (running number for each stimulus), condition (the block's
            name), block, outcome, latency (s) and start (s).
        """
        repeat = np.zeros(self.n_trials, dtype=np.int64)
        for index in np.unique(self._stimulus):
            mine = self._stimulus == index
            repeat[mine] = np.arange(mine.sum())
        return {
            "stimulus": self._stimulus,
            "repeat": repeat,
            "condition": np.array(self.blocks)[self.block],
            "block": self.block,
            "outcome": self.outcome,
            "latency": self.latency,
            "start": self.start * self.dt,
        }

    @property
    def _stimulus(self) -> np.ndarray:
        return np.asarray(np.array(self.conditions)[self.condition])

    def events(self) -> dict[str, np.ndarray]:
        """Return what happened, one row an event, for `Recording.events`.

        Returns
        -------
        dict of str to ndarray, (n_events,)
            time (s), step, duration (s), kind ("trial", "cue", "outcome" or "omission"), name, index (channel
            or outcome; -1 for none), trial, block, condition, latency (s), and p_<outcome> of the trial.
            Sorted by time; a "trial" row spans the response window.
        """
        cues, n = self.cues, self.n_trials
        kinds = np.array(["trial", "cue", "outcome", "omission"])
        at_outcome = self.start + self.latency_steps
        code = np.concatenate([np.zeros(n, int), np.full(len(cues), 1), np.where(self.outcome < 0, 3, 2)])
        step = np.concatenate([self.start, cues.start, at_outcome])
        index = np.concatenate([np.full(n, -1), cues.channel, self.outcome])
        shown = np.zeros(n, dtype=np.int64)
        shown[self.outcome >= 0] = (self.outcome_pulses.stop - self.outcome_pulses.start)[:1].sum()
        length = np.concatenate([np.full(n, self.window_steps), cues.stop - cues.start, shown])
        names = [
            np.full(n, ""),
            np.array(self.cue_names)[cues.channel],
            np.array((*self.outcomes, ""))[self.outcome],
        ]
        trial = np.concatenate([np.arange(n), self.trial_at(cues.start), np.arange(n)])
        order = np.lexsort((index, code, step))
        trial = trial[order]
        table = {
            "time": step[order] * self.dt,
            "step": step[order],
            "duration": length[order] * self.dt,
            "kind": kinds[code[order]],
            "name": np.concatenate(names)[order],
            "index": index[order],
            "trial": trial,
            "block": self.block[trial],
            "condition": self._stimulus[trial],
            "latency": self.latency[trial],
        }
        return table | {f"p_{name}": self.probabilities[trial, k] for k, name in enumerate(self.outcomes)}

    def to_pandas(self) -> pd.DataFrame:
        """Return one row a trial.

        Returns
        -------
        pandas.DataFrame
            start, end and latency in s; block, condition and outcome by name.
        """
        import pandas as pd

        names = np.array((*self.outcomes, "omitted"))
        table = {
            "start": self.start * self.dt,
            "end": self.end * self.dt,
            "latency": self.latency,
            "block": np.array(self.blocks)[self.block],
            "condition": self._stimulus,
            "outcome": names[self.outcome],
        }
        table |= {f"p_{name}": self.probabilities[:, k] for k, name in enumerate(self.outcomes)}
        return pd.DataFrame(table, index=pd.RangeIndex(self.n_trials, name="trial"))

    def summary(self) -> pd.DataFrame:
        """Return what was asked for and what was drawn, one row for each condition of each block.

        Returns
        -------
        pandas.DataFrame
            block, condition, n_trials, omitted (count), latency (mean, s), p_<outcome> (given) and
            realized_<outcome> (fraction of the trials in which an outcome came; NaN for none).

        Examples
        --------
        >>> from arcuate.tasks import Block, WhatWhen
        >>> block = Block(n_trials=50, latency="400 ms", probabilities={"A": 0.8, "B": 0.2})
        >>> table = WhatWhen(blocks=[block]).trials("1 ms", seed=0).summary()
        >>> table[["n_trials", "omitted", "p_A"]].values.tolist()
        [[50.0, 0.0, 0.8]]
        """
        import pandas as pd

        rows = []
        for condition in range(len(self.conditions)):
            mine = np.flatnonzero(self.condition == condition)
            if not mine.size:
                continue
            came = self.outcome[mine][self.outcome[mine] >= 0]
            row: dict[str, Any] = {
                "block": self.blocks[self.block[mine[0]]],
                "condition": self.conditions[condition],
                "n_trials": mine.size,
                "omitted": mine.size - came.size,
                "latency": self.latency[mine].mean(),
            }
            for k, name in enumerate(self.outcomes):
                row[f"p_{name}"] = self.probabilities[mine[0], k]
                row[f"realized_{name}"] = float(np.mean(came == k)) if came.size else np.nan
            rows.append(row)
        return pd.DataFrame(rows)

    def frames(self, tick: float | str) -> tuple[np.ndarray, np.ndarray]:
        """Return the response windows tick by tick, for a `arcuate.nn.SeriesThoughtMachine`.

        What is asked for is what comes next: the answer of a tick is the outcome that begins in the tick
        after.

        Parameters
        ----------
        tick : str or quantity
            Length of a tick, a whole number of steps.

        Returns
        -------
        x : ndarray, (n_trials, n_ticks, n_cues), float32
            Share of the tick in which each cue is on; if outcomes are shown, they follow as channels.
        targets : ndarray, (n_trials, n_ticks), int64
            0 for nothing, 1 for the first outcome, and so on.

        Raises
        ------
        TaskError
            If the tick is not a whole number of steps, or longer than the window.

        Examples
        --------
        >>> from arcuate.tasks import Block, WhatWhen
        >>> block = Block(n_trials=1, latency="200 ms", probabilities={"A": 0.0, "B": 1.0})
        >>> x, targets = WhatWhen(blocks=[block], window="300 ms").trials("5 ms", seed=0).frames("50 ms")
        >>> x[0, :, 0].tolist(), targets.tolist()
        ([1.0, 0.0, 0.0, 0.0, 0.0, 0.0], [[0, 0, 0, 2, 0, 0]])
        """
        size = self._tick_steps(tick)
        n = -(-self.window_steps // size)
        shown = [self.cues, *([self.outcome_pulses] if len(self.outcome_pulses) else [])]
        x = np.concatenate([self._shares(pulses, size, n) for pulses in shown], axis=2)
        targets = np.zeros((self.n_trials, n), dtype=np.int64)
        came = np.flatnonzero((self.outcome >= 0) & (self.latency_steps >= size))
        targets[came, self.latency_steps[came] // size - 1] = self.outcome[came] + 1
        return x.astype(np.float32), targets

    def tokens(self, tick: float | str) -> Tokens:
        """Return the response windows as words, one a tick: the cue or outcome that is shown, or nothing.

        Parameters
        ----------
        tick : str or quantity
            Length of a tick, a whole number of steps.

        Returns
        -------
        Tokens
            Targets as in `frames`: the outcome that begins in the tick after, or 0 for nothing.

        Raises
        ------
        TaskError
            If the tick is not a whole number of steps, or longer than the window.

        Examples
        --------
        >>> from arcuate.tasks import Block, WhatWhen
        >>> block = Block(n_trials=1, latency="200 ms", probabilities={"A": 0.0, "B": 1.0})
        >>> read = WhatWhen(blocks=[block], window="300 ms").trials("5 ms", seed=0).tokens("50 ms")
        >>> read.vocabulary, read.tokens.tolist()
        (('nothing', 'A', 'B', 'cue'), [[3, 0, 0, 0, 0, 0]])
        """
        x, targets = self.frames(tick)
        n_cues, n_outcomes = len(self.cue_names), self.n_outcomes
        words = np.concatenate((np.arange(n_cues) + 1 + n_outcomes, np.arange(n_outcomes) + 1))
        tokens = np.where(x.any(axis=2), words[x.argmax(axis=2)], 0)
        return Tokens(tokens=tokens, targets=targets, vocabulary=("nothing", *self.outcomes, *self.cue_names))

    def score(self, answers: np.ndarray, tick: float | str) -> np.ndarray:
        """Return in which trials what came was told, when it came, and nothing else.

        Parameters
        ----------
        answers : ndarray, (n_trials, n_ticks), int
            As the targets of `frames`.
        tick : str or quantity
            Length of a tick.

        Returns
        -------
        ndarray, (n_trials,), bool

        Raises
        ------
        TaskError
            If there is not one answer for each tick.

        Examples
        --------
        >>> from arcuate.tasks import Block, WhatWhen
        >>> block = Block(n_trials=2, latency="200 ms", probabilities={"A": 1.0, "B": 0.0})
        >>> trials = WhatWhen(blocks=[block], window="300 ms").trials("5 ms", seed=0)
        >>> trials.score([[0, 0, 0, 1, 0, 0], [0, 0, 1, 0, 0, 0]], "50 ms").tolist()
        [True, False]
        """
        _, targets = self.frames(tick)
        given = given_answers(answers, where="Trials.score")
        if given.shape != targets.shape:
            bound = f"must have shape {targets.shape}, an answer for each tick"
            raise TaskError.of(where="Trials.score", name="answers", value=given.shape, bound=bound)
        return np.asarray((given == targets).all(axis=1))

    def _tick_steps(self, tick: float | str) -> int:
        length = seconds(tick, where="Trials", name="tick", low_open=True)
        size = round(length / self.dt)
        if size < 1 or abs(size * self.dt - length) > 1e-9 * length or size > self.window_steps:
            bound = (
                f"must be a whole number of steps of {time_text(self.dt)}, and within the window of "
                f"{time_text(self.window)}"
            )
            raise TaskError.of(where="Trials", name="tick", value=tick, bound=bound)
        return size

    def _shares(self, pulses: Pulses, size: int, n: int) -> np.ndarray:
        """Share of each tick in which each channel is on (n_trials, n, n_channels)."""
        trial = self.trial_at(pulses.start)
        first, last = pulses.start - self.start[trial], pulses.stop - self.start[trial]
        edges = np.arange(n) * size
        overlap = np.minimum(last[:, None], edges + size) - np.maximum(first[:, None], edges)
        shares = np.zeros((self.n_trials, pulses.n_channels, n))
        np.add.at(shares, (trial, pulses.channel), np.maximum(overlap, 0) / size)
        return shares.transpose(0, 2, 1)

    def head(self, n_trials: int) -> Trials:
        """Return the first trials only, for a short run.

        Parameters
        ----------
        n_trials : int
            How many to keep.

        Returns
        -------
        Trials

        Raises
        ------
        SpecError
            If there are fewer.
        """
        check_int(n_trials, where="Trials.head", name="n_trials", low=1, high=self.n_trials)
        stop = int(self.end[n_trials - 1])
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        per_trial = ("start", "end", "latency_steps", "outcome", "block", "condition", "probabilities")
        values |= {name: values[name][:n_trials] for name in per_trial}
        for name in ("cues", "outcome_pulses"):
            values[name] = _before(values[name], stop)
        return Trials(**values)


def _before(pulses: Pulses, step: int) -> Pulses:
    keep = pulses.start < step
    return Pulses(
        start=pulses.start[keep],
        stop=pulses.stop[keep],
        channel=pulses.channel[keep],
        amplitude=pulses.amplitude[keep],
        n_channels=pulses.n_channels,
    )
