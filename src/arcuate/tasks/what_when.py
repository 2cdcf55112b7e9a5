"""The what/when task: a cue, then one of several outcomes, at a latency, with given probabilities.

Identity, latency and probability of the event are set independently, block by block. A block may mix
several conditions (for example two cues whose order decides the latency), outcomes may be withheld
(omission trials), and both latencies and inter-trial intervals may jitter.

References
----------
Task as in the abstract of Yamada & Chao, arXiv:2510.14382 (*what*, *when* and *with what probability*).
The numbers of the defaults (50 ms cue, 1200 ms window, interval of 300 ms plus an exponential with mean
200 ms, teacher of 30 ms) are choices of this library: the abstract gives none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, cast

import numpy as np

from arcuate import rng
from arcuate.errors import TaskError, check_int, check_real
from arcuate.tasks.blocks import (
    MAX_TRIALS,
    Block,
    Condition,
    Seconds,
    as_block,
    field_names,
    from_table,
    known_keys,
    seconds,
    time_text,
)
from arcuate.tasks.trials import Pulses, Trials

MAX_STEPS = 2**53
_ROUNDING = 1e-12
"""Slack, s, for sums of times that are not exact in binary."""


@dataclass(frozen=True, kw_only=True)
class WhatWhen:
    """Cue, then an outcome whose identity, latency and probability are set independently.

    A trial starts with its cue(s); the outcome comes at the condition's latency, within the response
    window; the inter-trial interval follows the window, and the state of the network runs on.

    Parameters
    ----------
    blocks : sequence of Block
        In the order in which they are run. All name the same outcomes.
    window : str or quantity
        Response window from the start of the trial, s; the attention gate of "when" is open in it.
    cue : str or quantity
        Duration of each cue, s.
    outcome : str or quantity
        Duration of the outcome's own pulse, s; only driven with `outcome_to_reservoir`.
    iti : str, quantity or pair of them
        Inter-trial interval after the window: a fixed time, or (fixed part, mean of an exponential part).
    teacher_width : str or quantity
        Standard deviation of the Gaussian teacher around the latency, s.
    omission : float
        Probability that the outcome of a trial is withheld.
    latency_jitter : str or quantity
        Half width of a uniform jitter of each latency, s.
    outcome_to_reservoir : bool
        Whether the outcome is also a stimulus: drive ``"outcome"`` is silent otherwise.
    lead_in : str or quantity
        Time before the first trial, s.
    align : str or quantity
        Trials start at multiples of this time (the inter-trial interval is lengthened to fit), so that a
        read-out sampled with this period sees every trial at the same phases. ``"0 ms"`` for none.

    Examples
    --------
    >>> task = WhatWhen(blocks=[Block(n_trials=3, latency="400 ms", probabilities=[0.8, 0.2])])
    >>> trials = task.trials("0.5 ms", seed=1)
    >>> trials.n_trials, trials.outcomes, trials.latency.tolist()
    (3, ('A', 'B'), [0.4, 0.4, 0.4])
    """

    kind = "what_when"

    blocks: Sequence[Block | Mapping[str, Any]]
    window: float | str = "1200 ms"
    cue: float | str = "50 ms"
    outcome: float | str = "50 ms"
    iti: float | str | Sequence[Any] = ("300 ms", "200 ms")
    teacher_width: float | str = "30 ms"
    omission: float = 0.0
    latency_jitter: float | str = "0 ms"
    outcome_to_reservoir: bool = False
    lead_in: float | str = "0 ms"
    align: float | str = "10 ms"

    def __post_init__(self) -> None:
        where = "WhatWhen"
        if isinstance(self.blocks, (str, Mapping, Block)) or not isinstance(self.blocks, Sequence):
            raise TaskError.of(where=where, name="blocks", value=self.blocks, bound="must be a list of Block")
        if not self.blocks:
            raise TaskError.of(where=where, name="blocks", value=[], bound="must hold at least one block")
        values: dict[str, Any] = {"blocks": tuple(as_block(b, where) for b in self.blocks)}
        for name in ("window", "cue", "outcome", "teacher_width"):
            values[name] = seconds(getattr(self, name), where=where, name=name, low_open=True)
        for name in ("latency_jitter", "lead_in", "align"):
            values[name] = seconds(getattr(self, name), where=where, name=name)
        values["iti"] = _interval(self.iti, where)
        values["omission"] = check_real(self.omission, where=where, name="omission", low=0.0, high=1.0)
        if not isinstance(self.outcome_to_reservoir, bool):
            raise TaskError.of(
                where=where,
                name="outcome_to_reservoir",
                value=self.outcome_to_reservoir,
                bound="must be true or false",
            )
        for name, value in values.items():
            object.__setattr__(self, name, value)
        self._check_total()
        self._check_outcomes()
        for label, kind in self._labeled():
            self._check_times(label, kind)

    @property
    def _blocks(self) -> tuple[Block, ...]:
        return cast(tuple[Block, ...], self.blocks)

    @property
    def _iti(self) -> tuple[float, float]:
        return cast(tuple[float, float], self.iti)

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Names of the outcomes, in the order of the first block."""
        return self._blocks[0].kinds[0].outcomes

    @property
    def cue_names(self) -> tuple[str, ...]:
        """Identities of the cues, one channel each, in the order in which they are first named."""
        cues = (cue for _, kind in self._labeled() for cue in kind.cue_list)
        return tuple(dict.fromkeys(cue.name for cue in cues))

    @property
    def n_trials(self) -> int:
        """Number of trials of all blocks."""
        return sum(block.n_trials for block in self._blocks)

    def _labeled(self) -> list[tuple[str, Condition]]:
        labeled = []
        for index, block in enumerate(self._blocks):
            for kind in block.kinds:
                suffix = f", condition {kind.name!r}" if block.conditions else ""
                labeled.append((f"Block {block.name or index}{suffix}", kind))
        return labeled

    def _check_total(self) -> None:
        if self.n_trials > MAX_TRIALS:
            raise TaskError.of(
                where="WhatWhen",
                name="blocks",
                value=f"{self.n_trials} trials",
                bound=f"must be <= {MAX_TRIALS}",
            )

    def _check_outcomes(self) -> None:
        for where, kind in self._labeled():
            if set(kind.outcomes) != set(self.outcomes):
                raise TaskError.of(
                    where=where,
                    name="probabilities",
                    value=kind.outcomes,
                    bound=f"must name the outcomes of the first block, {self.outcomes}",
                    fix="give an outcome that cannot come the probability 0",
                )

    def _check_times(self, where: str, kind: Condition) -> None:
        window, length, jitter = float(self.window), float(self.cue), float(self.latency_jitter)
        cues = kind.cue_list
        for earlier, later in pairwise(cues):
            if float(later.onset) < float(earlier.onset) + length - _ROUNDING:
                raise TaskError.of(
                    where=where,
                    name=f"cues[{later.name!r}].onset",
                    value=time_text(later.onset),
                    bound=f"must not overlap the cue {earlier.name!r}, which lasts until "
                    f"{time_text(float(earlier.onset) + length)}",
                )
        last = float(cues[-1].onset) + length
        if last > window + _ROUNDING:
            raise TaskError.of(
                where=where,
                name="cues",
                value=time_text(cues[-1].onset),
                bound=f"must end within the window of {time_text(window)}",
            )
        latency = float(kind.latency)
        if latency - jitter < last - _ROUNDING or latency + jitter > window + _ROUNDING:
            raise TaskError.of(
                where=where,
                name="latency",
                value=time_text(latency) + (f" +- {time_text(jitter)}" if jitter else ""),
                bound=f"must lie between the ends of the last cue, {time_text(last)}, "
                f"and of the window, {time_text(window)}",
            )
        shown = float(self.outcome) if self.outcome_to_reservoir else 0.0
        if latency + jitter + shown > window + self._iti[0] + _ROUNDING:
            raise TaskError.of(
                where=where,
                name="outcome",
                value=time_text(shown),
                bound="must be over when the next trial starts",
                fix="shorten the outcome or lengthen the fixed part of iti",
            )

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and text, as they stand in a TOML file.

        Returns
        -------
        dict
            With the key ``kind``; `arcuate.tasks.build` reads it again to an equal task.
        """
        table: dict[str, Any] = {"kind": self.kind}
        for name in ("window", "cue", "outcome", "teacher_width", "latency_jitter", "lead_in", "align"):
            table[name] = time_text(getattr(self, name))
        table["iti"] = [time_text(part) for part in self._iti]
        table["omission"] = self.omission
        table["outcome_to_reservoir"] = self.outcome_to_reservoir
        table["blocks"] = [block.to_dict() for block in self._blocks]
        return table

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> WhatWhen:
        """Build the task from a table of a TOML file.

        Parameters
        ----------
        table : mapping
            Fields of the task by name; ``kind`` may stand among them.

        Returns
        -------
        WhatWhen

        Raises
        ------
        UnknownNameError
            For a field that does not exist.
        TaskError
            For a value out of bounds.

        Examples
        --------
        >>> block = {"n_trials": 5, "latency": "400 ms", "probabilities": [0.8, 0.2]}
        >>> WhatWhen.from_dict({"kind": "what_when", "blocks": [block]}).n_trials
        5
        """
        rest = {name: value for name, value in table.items() if name != "kind"}
        known_keys(rest, field_names(cls), where="WhatWhen")
        task: WhatWhen = from_table(cls, rest, where="WhatWhen")
        return task

    def trials(self, dt: float | str, seed: int) -> Trials:
        """Draw the trials.

        Every kind of draw has a stream of its own ("task/outcome", "task/iti", ...), so that omissions or
        jitter leave the other draws where they are. Outcomes are Bernoulli draws, trial by trial: realized
        frequencies stand in `Trials.summary`. Times are rounded to whole steps.

        Parameters
        ----------
        dt : float or str
            Step of the network, s; a float is taken in seconds, as ``network.dt`` is.
        seed : int
            Seed of the draws.

        Returns
        -------
        Trials

        Raises
        ------
        TaskError
            If the cue, the teacher or the window is shorter than a step, or `align` is not a whole number of
            steps.

        Examples
        --------
        >>> task = WhatWhen(blocks=[Block(n_trials=100, latency="400 ms", probabilities=[0.8, 0.2])])
        >>> a, b = task.trials("0.5 ms", seed=1), task.trials("0.5 ms", seed=1)
        >>> bool((a.outcome == b.outcome).all())
        True
        """
        step = self._step(dt)
        seed = rng.check_seed(seed)
        n = self.n_trials
        sizes = [block.n_trials for block in self._blocks]
        block = np.repeat(np.arange(len(sizes)), sizes)
        condition = self._draw_conditions(block, rng.stream(seed, "task/condition").random(n))
        kinds = [kind for _, kind in self._labeled()]
        table = np.array([[dict(kind.pairs)[name] for name in self.outcomes] for kind in kinds])
        probabilities = table[condition]
        outcome = _draw(probabilities, rng.stream(seed, "task/outcome").random(n))
        omission = np.array([self.omission if b.omission is None else b.omission for b in self._blocks])
        omitted = rng.stream(seed, "task/omission").random(n) < omission[block]
        outcome[omitted] = -1
        jitter = rng.stream(seed, "task/jitter").uniform(-1.0, 1.0, n) * float(self.latency_jitter)
        planned = np.array([float(kind.latency) for kind in kinds])[condition] + jitter
        latency_steps = np.rint(planned / step).astype(np.int64)
        start, end = self._layout(n, step, seed)
        return Trials(
            dt=step,
            seed=seed,
            start=start,
            end=end,
            window_steps=_steps(self.window, step),
            latency_steps=latency_steps,
            outcome=outcome,
            block=block,
            condition=condition,
            probabilities=probabilities,
            outcomes=self.outcomes,
            cue_names=self.cue_names,
            conditions=tuple(kind.name for kind in kinds),
            blocks=tuple(b.name or str(index) for index, b in enumerate(self._blocks)),
            teacher_width=float(self.teacher_width),
            cues=self._cue_pulses(start, condition, step),
            outcome_pulses=self._outcome_pulses(start + latency_steps, outcome, step),
        )

    def batches(
        self, size: int, *, dt: float | str, tick: float | str
    ) -> Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]:
        """Return what `arcuate.nn.fit` takes: trials drawn anew for each generator, as `Trials.frames`.

        Parameters
        ----------
        size : int
            Trials in a batch, drawn from all blocks by their numbers of trials.
        dt : float or str
            Step, as in `trials`.
        tick : str or quantity
            Length of a tick, a whole number of steps.

        Returns
        -------
        callable

        Raises
        ------
        TaskError
            If a number or a time does not fit.

        Examples
        --------
        >>> task = WhatWhen(blocks=[Block(n_trials=3, latency="400 ms", probabilities=[0.8, 0.2])])
        >>> x, targets = task.batches(16, dt="10 ms", tick="50 ms")(np.random.default_rng(1))
        >>> x.shape, targets.shape
        ((16, 24, 1), (16, 24))
        """
        check_int(size, where="WhatWhen.batches", name="size")
        times = -(-size // self.n_trials)
        blocks = [replace(block, n_trials=block.n_trials * times) for block in self._blocks]
        task = replace(self, blocks=blocks)
        task.trials(dt, seed=0).frames(tick)  # refuses now what every batch would refuse

        def batch(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
            trials = task.trials(dt, seed=int(generator.integers(2**63)))
            chosen = generator.choice(trials.n_trials, size, replace=False)
            x, targets = trials.frames(tick)
            return x[chosen], targets[chosen]

        return batch

    def _step(self, dt: float | str) -> float:
        where = "WhatWhen.trials"
        if isinstance(dt, float):
            step = check_real(dt, where=where, name="dt", low=0.0, low_open=True)
        else:
            step = float(seconds(dt, where=where, name="dt", low_open=True))
        for name in ("cue", "teacher_width", "window", *(("outcome",) if self.outcome_to_reservoir else ())):
            if float(getattr(self, name)) < step * (1 - 1e-9):
                raise TaskError.of(
                    where=where,
                    name=name,
                    value=time_text(getattr(self, name)),
                    bound=f"must be at least one step, dt = {time_text(step)}",
                )
        ratio = float(self.align) / step
        if abs(ratio - round(ratio)) > 1e-6 or (0.0 < ratio < 0.5):
            raise TaskError.of(
                where=where,
                name="align",
                value=time_text(self.align),
                bound=f"must be a whole number of steps, dt = {time_text(step)}",
                fix='use align="0 ms" for none',
            )
        longest = float(self.lead_in) + self.n_trials * (float(self.window) + self._iti[0])
        if longest / step > MAX_STEPS:
            raise TaskError.of(
                where=where, name="dt", value=time_text(step), bound=f"gives more than {MAX_STEPS:.0e} steps"
            )
        return step

    def _draw_conditions(self, block: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """Return the index, in `_labeled`, of each trial's condition."""
        condition = np.empty(block.size, dtype=np.int64)
        first = 0
        for index, spec in enumerate(self._blocks):
            weights = np.array([kind.weight for kind in spec.kinds])
            mine = np.flatnonzero(block == index)
            share = np.broadcast_to(weights / weights.sum(), (mine.size, weights.size))
            condition[mine] = first + _draw(share, uniform[mine])
            first += weights.size
        return condition

    def _layout(self, n: int, step: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """First step of each trial and of what follows it."""
        fixed, mean = self._iti
        iti = fixed + mean * rng.stream(seed, "task/iti").standard_exponential(n)
        align = max(1, round(float(self.align) / step))
        length = _steps(self.window, step) + np.rint(iti / step).astype(np.int64)
        first = -(-round(float(self.lead_in) / step) // align) * align
        end = first + np.cumsum(-(-length // align) * align)
        return np.concatenate(([first], end[:-1])).astype(np.int64), end.astype(np.int64)

    def _cue_pulses(self, start: np.ndarray, condition: np.ndarray, step: float) -> Pulses:
        channels = {name: index for index, name in enumerate(self.cue_names)}
        first, channel = [], []
        for index, (_, kind) in enumerate(self._labeled()):
            mine = start[condition == index]
            for cue in kind.cue_list:
                first.append(mine + round(float(cue.onset) / step))
                channel.append(np.full(mine.size, channels[cue.name]))
        return Pulses.make(
            np.concatenate(first),
            np.concatenate(channel),
            length=_steps(self.cue, step),
            n_channels=len(channels),
        )

    def _outcome_pulses(self, at: np.ndarray, outcome: np.ndarray, step: float) -> Pulses:
        shown = (outcome >= 0) & self.outcome_to_reservoir
        return Pulses.make(
            at[shown], outcome[shown], length=_steps(self.outcome, step), n_channels=len(self.outcomes)
        )


def _steps(seconds: float | str, step: float) -> int:
    return max(1, round(float(seconds) / step))


def _draw(probabilities: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Inverse-transform draw of one column per row; a column of probability 0 is never drawn."""
    edges = np.cumsum(probabilities, axis=1)
    edges /= edges[:, -1:]
    return np.asarray((uniform[:, None] >= edges).sum(axis=1), dtype=np.int64)


def _interval(value: object, where: str) -> tuple[float, float]:
    """Return (fixed part, mean of the exponential part) of the inter-trial interval, s."""
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise TaskError.of(
                where=where,
                name="iti",
                value=value,
                bound="must be a time or a pair (fixed, mean of exponential)",
            )
        fixed, mean = value
    else:
        fixed, mean = value, Seconds(0.0)
    return (
        seconds(fixed, where=where, name="iti[0]"),
        seconds(mean, where=where, name="iti[1]"),
    )
