"""Delayed non-match-to-sample: two stimuli in a row, and an answer whether they differ.

References
----------
Times, target and order of the trials are those of the program of T. Miconi, eLife 6:e20899 (2017),
doi:10.7554/eLife.20899 (directory dnms).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from arcuate import rng
from arcuate.errors import TaskError, check_choice, check_int, check_real
from arcuate.tasks.blocks import MAX_TRIALS, seconds, time_text

__all__ = ["DelayedNonMatch", "StimulusTrials"]

_PAIRS = ((0, 0), (0, 1), (1, 0), (1, 1))


@dataclass(frozen=True, kw_only=True, eq=False)
class StimulusTrials:
    """Trials that each show one of a few stimuli, on a grid of steps. Arrays are read-only.

    Parameters
    ----------
    dt : float
        Step, s.
    seed : int
        Seed of the order.
    names : tuple of str
        Names of the stimuli.
    inputs : ndarray, (n_stimuli, n_steps, n_channels)
        What each stimulus shows.
    target : ndarray, (n_stimuli, n_steps)
        What is to be answered, held through the trial.
    answer : slice
        Steps in which the answer counts.
    stimulus : ndarray, (n_trials,), int
        Which stimulus each trial shows.

    Examples
    --------
    >>> trials = DelayedNonMatch(n_trials=6).trials("1 ms", seed=1)
    >>> trials.names, trials.stimulus.tolist(), trials.inputs.shape
    (('AA', 'AB', 'BA', 'BB'), [0, 1, 2, 3, 0, 1], (4, 1000, 2))
    """

    dt: float
    seed: int
    names: tuple[str, ...]
    inputs: np.ndarray
    target: np.ndarray
    answer: slice
    stimulus: np.ndarray

    def __post_init__(self) -> None:
        for array in (self.inputs, self.target, self.stimulus):
            array.flags.writeable = False

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return int(self.stimulus.size)

    def drive(self, n_trials: int | None = None) -> np.ndarray:
        """Return the currents of the trials one after the other, for a network that runs on.

        Parameters
        ----------
        n_trials : int, optional
            Only the first of them; all by default.

        Returns
        -------
        ndarray, (n_trials * n_steps, n_channels)

        Examples
        --------
        >>> DelayedNonMatch(n_trials=6).trials("1 ms", seed=1).drive(2).shape
        (2000, 2)
        """
        count = self.n_trials if n_trials is None else n_trials
        check_int(count, where="StimulusTrials.drive", name="n_trials", high=self.n_trials)
        return self.inputs[self.stimulus[:count]].reshape(-1, self.inputs.shape[2])

    def frames(self, every: float | str) -> np.ndarray:
        """Return each stimulus as frames, the mean input of equal pieces of time.

        Parameters
        ----------
        every : str or quantity
            Length of a frame, s; a whole number of steps that divides the trial.

        Returns
        -------
        ndarray, (n_stimuli, n_frames, n_channels)

        Raises
        ------
        TaskError
            If the frames do not fit.

        Examples
        --------
        >>> frames = DelayedNonMatch().trials("1 ms", seed=1).frames("200 ms")
        >>> frames[1].round(2).tolist()
        [[1.0, 0.0], [0.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0]]
        """
        where = "StimulusTrials.frames"
        length = seconds(every, where=where, name="every", low_open=True)
        steps, n_steps = round(length / self.dt), self.inputs.shape[1]
        if steps < 1 or abs(steps * self.dt - length) > 1e-9 * length or n_steps % steps:
            bound = f"must be a whole number of steps of {time_text(self.dt)} that divides {n_steps} steps"
            raise TaskError.of(where=where, name="every", value=every, bound=bound)
        return self.inputs.reshape(len(self.names), n_steps // steps, steps, -1).mean(axis=2)


@dataclass(frozen=True, kw_only=True)
class DelayedNonMatch:
    """Two stimuli, A or B each, a delay between them and another before the answer.

    Parameters
    ----------
    n_trials : int
        Number of trials.
    first, second : str or quantity
        When the two stimuli start, s from the start of the trial.
    stimulus : str or quantity
        How long each lasts, s.
    duration : str or quantity
        Length of a trial, s.
    response : str or quantity
        The answer counts in this last part of a trial, s.
    target : float
        Size of the answer, > 0: +target if the stimuli differ and -target if they are the same.
    order : str
        ``"cycle"``: AA, AB, BA, BB, AA, ... as in the program; ``"random"``: drawn.

    Raises
    ------
    TaskError
        If the times do not fit into the trial.

    Examples
    --------
    >>> trials = DelayedNonMatch(n_trials=4).trials("1 ms", seed=3)
    >>> trials.target[:, -1].tolist()
    [-0.98, 0.98, 0.98, -0.98]
    """

    kind = "delayed_non_match"

    n_trials: int = 1000
    first: float | str = "1 ms"
    second: float | str = "400 ms"
    stimulus: float | str = "200 ms"
    duration: float | str = "1000 ms"
    response: float | str = "200 ms"
    target: float = 0.98
    order: str = "cycle"

    def __post_init__(self) -> None:
        where = "DelayedNonMatch"
        values: dict[str, Any] = {
            "n_trials": check_int(self.n_trials, where=where, name="n_trials", high=MAX_TRIALS),
            "first": seconds(self.first, where=where, name="first"),
            "target": check_real(self.target, where=where, name="target", low=0.0, low_open=True),
            "order": check_choice(self.order, ("cycle", "random"), where=where, name="order"),
        }
        for name in ("second", "stimulus", "duration", "response"):
            values[name] = seconds(getattr(self, name), where=where, name=name, low_open=True)
        for name, value in values.items():
            object.__setattr__(self, name, value)
        length, slack = float(self.stimulus), 1e-12
        for name, start, stop, limit in (
            ("second", float(self.first) + length, float(self.second), "the end of the first stimulus"),
            ("response", float(self.second) + length, self._answer, "the end of the second stimulus"),
        ):
            if stop < start - slack:
                bound = f"must start at or after {limit}, {time_text(start)}"
                raise TaskError.of(where=where, name=name, value=time_text(stop), bound=bound)

    @property
    def _answer(self) -> float:
        return float(self.duration) - float(self.response)

    def trials(self, dt: float | str, seed: int) -> StimulusTrials:
        """Draw the trials.

        Parameters
        ----------
        dt : float or str
            Step, s; a float is taken in seconds.
        seed : int
            Seed of the order, stream ``"task/order"``.

        Returns
        -------
        StimulusTrials

        Raises
        ------
        TaskError
            If a stimulus or the answer is shorter than a step.

        Examples
        --------
        >>> DelayedNonMatch(n_trials=3, order="random").trials("1 ms", seed=3).stimulus.size
        3
        """
        step = float(dt) if isinstance(dt, float) else seconds(dt, where="trials", name="dt", low_open=True)
        seed = rng.check_seed(seed)
        at = {name: round(float(getattr(self, name)) / step) for name in ("first", "second", "stimulus")}
        n_steps, response = round(float(self.duration) / step), round(float(self.response) / step)
        if min(at["stimulus"], response) < 1:
            bound = "must be at most as long as a stimulus and the response"
            raise TaskError.of(where="DelayedNonMatch.trials", name="dt", value=time_text(step), bound=bound)
        inputs = np.zeros((len(_PAIRS), n_steps, 2))
        for k, pair in enumerate(_PAIRS):
            for start, channel in zip((at["first"], at["second"]), pair, strict=True):
                inputs[k, start : start + at["stimulus"], channel] = 1.0
        answer = np.array([self.target if a != b else -self.target for a, b in _PAIRS])
        if self.order == "cycle":
            order = np.arange(self.n_trials) % len(_PAIRS)
        else:
            order = rng.stream(seed, "task/order").integers(len(_PAIRS), size=self.n_trials)
        return StimulusTrials(
            dt=step,
            seed=seed,
            names=tuple("AB"[a] + "AB"[b] for a, b in _PAIRS),
            inputs=inputs,
            target=np.repeat(answer[:, None], n_steps, axis=1),
            answer=slice(n_steps - response, n_steps),
            stimulus=order,
        )
