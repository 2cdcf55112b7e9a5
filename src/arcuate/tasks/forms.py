"""The forms in which one draw of trials goes to a transformer and to a reservoir.

A task that is drawn whole has three of them: ``frames()`` for a Continuous Thought Machine or another network
that sees a trial at once, `Tokens` for a network that reads a sequence, `Drive` for one that lives in time.
All three hold the same trials in the same order, so that systems can be compared trial by trial.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from arcuate._inputs import check_bytes
from arcuate.errors import TaskError
from arcuate.tasks.blocks import seconds, time_text

__all__ = ["Drive", "Tokens", "drive", "held"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Tokens:
    """Trials as sequences of whole numbers. Arrays are read-only.

    Parameters
    ----------
    tokens : ndarray, (n_trials, length), int64
        What is read.
    targets : ndarray, (n_trials, length), int64
        What is to be answered at each place; -1 where nothing is asked.
    vocabulary : tuple of str
        Name of each number.

    Examples
    --------
    >>> read = Tokens(tokens=np.array([[0, 1]]), targets=np.array([[-1, 1]]), vocabulary=("a", "b"))
    >>> read.asked
    array([[False,  True]])
    """

    tokens: np.ndarray
    targets: np.ndarray
    vocabulary: tuple[str, ...]

    def __post_init__(self) -> None:
        for array in (self.tokens, self.targets):
            array.flags.writeable = False

    @property
    def asked(self) -> np.ndarray:
        """Where an answer counts (n_trials, length)."""
        return np.asarray(self.targets >= 0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Drive:
    """Trials as currents on a grid of steps. Arrays are read-only.

    Parameters
    ----------
    dt : float
        Step, s.
    inputs : ndarray, (n_trials, n_steps, n_channels)
        What is shown.
    targets : ndarray, (n_trials, n_steps, n_outputs)
        What is to be answered.
    asked : ndarray, (n_trials, n_steps), bool
        Steps in which the answer counts.
    channels, outputs : tuple of str
        Names of the channels and of the outputs.

    Examples
    --------
    >>> shown = drive(np.array([[[1.0], [0.0]]]), "1 ms", hold="3 ms", channels=["x"])
    >>> shown.inputs[0, :, 0].tolist(), shown.series().shape
    ([1.0, 1.0, 1.0, 0.0, 0.0, 0.0], (6, 1))
    """

    dt: float
    inputs: np.ndarray
    targets: np.ndarray
    asked: np.ndarray
    channels: tuple[str, ...]
    outputs: tuple[str, ...]

    def __post_init__(self) -> None:
        for array in (self.inputs, self.targets, self.asked):
            array.flags.writeable = False

    def series(self) -> np.ndarray:
        """Return the trials one after the other (n_trials * n_steps, n_channels).

        Returns
        -------
        ndarray

        Examples
        --------
        >>> drive(np.zeros((4, 2, 3)), "1 ms", hold="5 ms", channels="abc").series().shape
        (40, 3)
        """
        return self.inputs.reshape(-1, self.inputs.shape[2])


def held(
    dt: float | str, hold: float | str, *, shape: tuple[int, int, int], n_outputs: int
) -> tuple[float, int]:
    """Check, before currents are made, how long an item is held and that they will fit into memory.

    Parameters
    ----------
    dt, hold : str or quantity
        Step, and how long an item is shown; a whole number of steps.
    shape : tuple of int
        Trials, items of a trial and channels.
    n_outputs : int

    Returns
    -------
    dt : float
        Step, s.
    n_steps : int
        Steps of an item.

    Raises
    ------
    TaskError
        If ``hold`` is not a whole number of steps.
    MemoryLimitError
        If the currents would take more than 16 GiB.

    Examples
    --------
    >>> held("1 ms", "10 ms", shape=(2, 3, 1), n_outputs=0)
    (0.001, 10)
    """
    step = seconds(dt, where="drive", name="dt", low_open=True)
    length = seconds(hold, where="drive", name="hold", low_open=True)
    n = round(length / step)
    if n < 1 or abs(n * step - length) > 1e-9 * length:
        bound = f"must be a whole number of steps of {time_text(step)}"
        raise TaskError.of(where="drive", name="hold", value=hold, bound=bound)
    trials, items, channels = shape
    need = trials * items * n * (8 * channels + 8 * n_outputs + 1)
    check_bytes(need, where="drive", fix="draw fewer trials, or use a larger dt or a shorter hold")
    return step, n


def drive(
    inputs: np.ndarray,
    dt: float | str,
    *,
    hold: float | str,
    channels: Sequence[str],
    targets: np.ndarray | None = None,
    asked: np.ndarray | None = None,
    outputs: Sequence[str] = (),
) -> Drive:
    """Hold each item of a sequence for a time.

    Parameters
    ----------
    inputs : ndarray, (n_trials, n_items, n_channels)
        What each item shows.
    dt, hold : str or quantity
        Step, and how long an item is shown; a whole number of steps.
    channels : sequence of str
        Names of the channels.
    targets : ndarray, (n_trials, n_items, n_outputs), optional
        What is to be answered during each item.
    asked : ndarray, (n_trials, n_items), optional
        Items during which the answer counts; all by default.
    outputs : sequence of str
        Names of the outputs.

    Returns
    -------
    Drive

    Raises
    ------
    TaskError
        If ``hold`` is not a whole number of steps.
    MemoryLimitError
        If the currents would take more than 16 GiB.

    Examples
    --------
    >>> drive(np.zeros((2, 3, 1)), "1 ms", hold="10 ms", channels=["x"]).inputs.shape
    (2, 30, 1)
    """
    trials, items, width = inputs.shape
    step, n = held(dt, hold, shape=(trials, items, width), n_outputs=len(outputs))
    targets = np.zeros((trials, items, len(outputs))) if targets is None else targets
    asked = np.ones((trials, items), dtype=bool) if asked is None else asked
    return Drive(
        dt=step,
        inputs=np.repeat(inputs.astype(float), n, axis=1),
        targets=np.repeat(targets.astype(float), n, axis=1),
        asked=np.repeat(asked.astype(bool), n, axis=1),
        channels=tuple(channels),
        outputs=tuple(outputs),
    )
