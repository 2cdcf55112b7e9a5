"""Evidence accumulation: cues left and right, a delay, and the question on which side there were more.

References
----------
Task of Morcos and Harvey, Nat. Neurosci. 19 (2016), doi:10.1038/nn.4403, in the form of Bellec et al., Nat.
Commun. 11:3625 (2020), figure 3, doi:10.1038/s41467-020-17236-y. Defaults are those of the published program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from arcuate import rng
from arcuate.errors import TaskError, check_int, check_real
from arcuate.tasks.blocks import MAX_TRIALS, seconds, time_text
from arcuate.units import to_si

__all__ = ["EvidenceAccumulation", "EvidenceTrials"]

GROUPS = ("left", "right", "recall", "noise")
"""Input groups, in the order of their channels."""

_MAX_ENTRIES = 2**32


@dataclass(frozen=True, kw_only=True, eq=False)
class EvidenceTrials:
    """Trials of `EvidenceAccumulation`. Arrays are read-only.

    Parameters
    ----------
    dt : float
        Step, s.
    seed : int
        Seed of the draws.
    spikes : ndarray, (n_trials, n_steps, n_inputs), bool
        Input spikes; a quarter of the channels for each of left, right, recall and noise.
    cues : ndarray, (n_trials, n_cues), int
        Side of each cue: 0 left, 1 right.
    side : ndarray, (n_trials,), int
        Side with more cues: the answer.
    recall : slice
        Steps in which the answer counts.

    Examples
    --------
    >>> trials = EvidenceAccumulation(n_trials=3).trials("1 ms", seed=1)
    >>> trials.spikes.shape, trials.cues.shape
    ((3, 2250, 40), (3, 7))
    """

    dt: float
    seed: int
    spikes: np.ndarray
    cues: np.ndarray
    side: np.ndarray
    recall: slice

    def __post_init__(self) -> None:
        for array in (self.spikes, self.cues, self.side):
            array.flags.writeable = False

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return int(self.side.size)

    def drive(self) -> np.ndarray:
        """Return the spikes of the trials one after the other, for a spike input of a network that runs on.

        Returns
        -------
        ndarray, (n_trials * n_steps, n_inputs), float64
            Number of spikes in each step.

        Examples
        --------
        >>> EvidenceAccumulation(n_trials=2).trials("1 ms", seed=1).drive().shape
        (4500, 40)
        """
        return self.spikes.reshape(-1, self.spikes.shape[2]).astype(np.float64)


@dataclass(frozen=True, kw_only=True)
class EvidenceAccumulation:
    """Cues on the left or right one after another, a delay, a recall signal in which to answer.

    Parameters
    ----------
    n_trials : int
        Number of trials.
    n_cues : int
        Cues of a trial; odd, so that one side wins.
    cue : str or quantity
        Length of a cue, s.
    interval : str or quantity
        From one cue's start to the next one's, s; the pause comes before the cue.
    delay : str or quantity
        From the end of the last cue to the recall signal, s.
    recall : str or quantity
        Length of the recall signal, s, with which a trial ends.
    p_side : float
        Probability that a cue is on the left; in half of the trials, drawn, on the right.
    n_inputs : int
        Input channels, a multiple of 4.
    cue_rate, noise_rate : str or quantity
        Rate of a channel of a cue or the recall signal while it is on, and of a noise channel always.

    Raises
    ------
    TaskError
        If a value is out of bounds.

    Examples
    --------
    >>> trials = EvidenceAccumulation(n_trials=200).trials("1 ms", seed=0)
    >>> bool(((trials.cues.sum(axis=1) > 3) == trials.side).all())
    True
    """

    kind = "evidence_accumulation"

    n_trials: int = 64
    n_cues: int = 7
    cue: float | str = "100 ms"
    interval: float | str = "150 ms"
    delay: float | str = "1050 ms"
    recall: float | str = "150 ms"
    p_side: float = 0.3
    n_inputs: int = 40
    cue_rate: float | str = "40 Hz"
    noise_rate: float | str = "10 Hz"

    def __post_init__(self) -> None:
        where = "EvidenceAccumulation"
        values: dict[str, Any] = {
            "n_trials": check_int(self.n_trials, where=where, name="n_trials", high=MAX_TRIALS),
            "n_cues": check_int(self.n_cues, where=where, name="n_cues"),
            "n_inputs": check_int(self.n_inputs, where=where, name="n_inputs", low=4),
            "p_side": check_real(self.p_side, where=where, name="p_side", low=0.0, high=1.0),
            "delay": seconds(self.delay, where=where, name="delay"),
        }
        for name in ("cue", "interval", "recall"):
            values[name] = seconds(getattr(self, name), where=where, name=name, low_open=True)
        for name in ("cue_rate", "noise_rate"):
            values[name] = to_si(getattr(self, name), "Hz", where=where, name=name, low=0.0)
        for name, size, word in (("n_cues", 2, "odd"), ("n_inputs", 4, "a multiple of 4")):
            if values[name] % size != (1 if size == 2 else 0):
                raise TaskError.of(where=where, name=name, value=values[name], bound=f"must be {word}")
        if float(values["interval"]) < float(values["cue"]):
            bound = f"must be at least as long as a cue, {time_text(values['cue'])}"
            raise TaskError.of(where=where, name="interval", value=time_text(values["interval"]), bound=bound)
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def trials(self, dt: float | str, seed: int) -> EvidenceTrials:
        """Draw the trials.

        Parameters
        ----------
        dt : float or str
            Step, s; a float is taken in seconds.
        seed : int
            Seed of the draws, streams ``"task/side"``, ``"task/cue"`` and ``"task/spikes"``.

        Returns
        -------
        EvidenceTrials

        Raises
        ------
        TaskError
            If a cue is shorter than a step, a rate has more than one spike in it, or trials are too many.

        Examples
        --------
        >>> EvidenceAccumulation(n_trials=2, delay="500 ms").trials("1 ms", seed=3).recall
        slice(1550, 1700, None)
        """
        where = "EvidenceAccumulation.trials"
        step = float(dt) if isinstance(dt, float) else seconds(dt, where=where, name="dt", low_open=True)
        seed = rng.check_seed(seed)
        lengths = {name: round(float(getattr(self, name)) / step) for name in ("cue", "interval", "recall")}
        if min(lengths["cue"], lengths["recall"]) < 1 or float(max(self._rates)) * step > 1:
            bound = "must be at most as long as a cue and the recall signal, with at most one spike a channel"
            raise TaskError.of(where=where, name="dt", value=time_text(step), bound=bound)
        n_steps = self.n_cues * lengths["interval"] + round(float(self.delay) / step) + lengths["recall"]
        if self.n_trials * n_steps * self.n_inputs > _MAX_ENTRIES:
            bound = f"gives {self.n_trials * n_steps * self.n_inputs} entries, must be <= {_MAX_ENTRIES}"
            raise TaskError.of(where=where, name="n_trials", value=self.n_trials, bound=bound)
        often = rng.stream(seed, "task/side").integers(2, size=self.n_trials)
        p_right = np.where(often == 0, 1.0 - self.p_side, self.p_side)
        cues = rng.stream(seed, "task/cue").random((self.n_trials, self.n_cues)) < p_right[:, None]
        recall = slice(n_steps - lengths["recall"], n_steps)
        group = self.n_inputs // len(GROUPS)
        rate = np.zeros((self.n_trials, n_steps, len(GROUPS)))
        pause = lengths["interval"] - lengths["cue"]
        for k in range(self.n_cues):
            shown = slice(k * lengths["interval"] + pause, (k + 1) * lengths["interval"])
            for side in (0, 1):
                rate[cues[:, k] == side, shown, side] = self._rates[0]
        rate[:, recall, 2], rate[:, :, 3] = self._rates
        draws = rng.stream(seed, "task/spikes").random((self.n_trials, n_steps, self.n_inputs), np.float32)
        return EvidenceTrials(
            dt=step,
            seed=seed,
            spikes=draws < np.repeat(rate * step, group, axis=2).astype(np.float32),
            cues=cues.astype(np.int64),
            side=(cues.sum(axis=1) > self.n_cues // 2).astype(np.int64),
            recall=recall,
        )

    @property
    def _rates(self) -> tuple[float, float]:
        return float(self.cue_rate), float(self.noise_rate)
