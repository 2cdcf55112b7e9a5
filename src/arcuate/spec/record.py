"""What a run keeps, and how times become steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from arcuate.errors import SpecError, check_array, check_choice
from arcuate.spec.checks import check_flag, check_name
from arcuate.spec.part import Part
from arcuate.spec.times import seconds
from arcuate.spec.values import FrozenDict, quantity

__all__ = ["Record", "to_steps"]

READOUT_FIELDS = ("z", "features", "weights")


def to_steps(time: float, dt: float) -> int:
    """Number of steps nearest to a time; half a step rounds up.

    Parameters
    ----------
    time, dt : float
        In s.

    Returns
    -------
    int

    Examples
    --------
    >>> to_steps(0.0015, 0.001), to_steps(0.0, 0.001)
    (2, 0)
    """
    return int(time / dt + 0.5)


@dataclass(frozen=True, kw_only=True, eq=False)
class Record(Part):
    """What a run keeps.

    Parameters
    ----------
    spikes : bool or list of str
        All populations, none, or some.
    states : mapping of str to list of str
        State variables per population.
    readouts : list of str
        Of every read-out: ``"z"`` (outputs), ``"features"`` and ``"weights"`` (after each trial).
    every : str
        Time between samples of the states; rounded to steps, at least one.
    neurons : mapping of str to list of int
        Neurons whose states are kept; all unless given.
    weights : mapping of str to str or list of str
        Projections whose weights are kept: the time between snapshots, or the times of the snapshots. A
        snapshot is taken before the step at its time; one at the end of the run is kept as well.
    epochs : str
        ``"trials"`` cuts the states into the trials of the task, ``"continuous"`` does not.

    Raises
    ------
    SpecError
        If a value is wrong.

    Examples
    --------
    >>> Record(states={"exc": ["v"]}, every="1 ms").states["exc"]
    ('v',)
    """

    spikes: Any = True
    states: Mapping[str, Any] = field(default_factory=dict)
    readouts: Any = ("z",)
    every: Any = "1 ms"
    neurons: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, Any] = field(default_factory=dict)
    epochs: str = "trials"

    def __post_init__(self) -> None:
        spikes = self.spikes
        if isinstance(spikes, (list, tuple)):
            spikes = tuple(dict.fromkeys(check_name(item, where="Record", name="spikes") for item in spikes))
        else:
            spikes = check_flag(spikes, where="Record", name="spikes")
        for name in ("states", "neurons", "weights"):
            if not isinstance(getattr(self, name), Mapping):
                raise SpecError.of(
                    where="Record",
                    name=name,
                    value=getattr(self, name),
                    bound=f"must be a table by {'projection' if name == 'weights' else 'population'}",
                )
        states = {}
        for key, value in self.states.items():
            words = (value,) if isinstance(value, str) else value
            if not isinstance(words, (list, tuple)) or not all(isinstance(word, str) for word in words):
                raise SpecError.of(
                    where="Record", name=f"states.{key}", value=value, bound="must be a list of names"
                )
            states[key] = tuple(dict.fromkeys(words))
        neurons = {}
        for key, value in self.neurons.items():
            chosen = check_array(value, where="Record", name=f"neurons.{key}", shape=(None,), dtype=int)
            if not chosen.size or chosen.min() < 0 or len(np.unique(chosen)) < len(chosen):
                raise SpecError.of(
                    where="Record", name=f"neurons.{key}", value=value, bound="must be different indices >= 0"
                )
            neurons[key] = tuple(int(index) for index in chosen)
        words = (self.readouts,) if isinstance(self.readouts, str) else self.readouts
        if not isinstance(words, (list, tuple)):
            raise SpecError.of(where="Record", name="readouts", value=words, bound="must be a list of names")
        readouts = tuple(
            dict.fromkeys(
                check_choice(word, READOUT_FIELDS, where="Record", name="readouts") for word in words
            )
        )
        weights = {key: _snapshots(key, value) for key, value in self.weights.items()}
        check_choice(self.epochs, ("trials", "continuous"), where="Record", name="epochs")
        every = quantity(self.every, "s", where="Record", name="every", low=0.0, high=1e6, low_open=True)
        self._set(
            spikes=spikes,
            states=FrozenDict(states),
            neurons=FrozenDict(neurons),
            readouts=readouts,
            every=every,
            weights=FrozenDict(weights),
        )


def _snapshots(key: str, value: Any) -> float | tuple[float, ...]:
    """Read the time between snapshots, or their times in ascending order."""
    name = f"weights.{check_name(key, where='Record', name='weights', link=True)}"
    if isinstance(value, (list, tuple)):
        times = sorted({seconds(item, where="Record", name=name) for item in value})
        return tuple(times)
    return seconds(value, where="Record", name=name, low_open=True)
