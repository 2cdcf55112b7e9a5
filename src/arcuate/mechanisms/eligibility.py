"""Which samples of a trial leave an eligibility behind: the attention windows of the two-bank rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["ELIGIBILITIES", "eligibility_weights"]

ELIGIBILITIES: tuple[str, ...] = ("cue", "event", "trace", "post")
"""Kinds of eligibility, by the phase of the trial that they are taken from."""

SLACK = 1e-9
"""Times closer than this, s, are the same; sample times are multiples of a step, rounded."""

Array = npt.NDArray[Any]


def eligibility_weights(
    kind: str,
    times: Array,
    *,
    cue_window: tuple[float, float],
    post_window: tuple[float, float],
    trace_tau: float,
    latency: Array | None = None,
    teacher: Array | None = None,
) -> Array:
    """Weight of each sample in the eligibility of its trial.

    Parameters
    ----------
    kind : {"cue", "event", "trace", "post"}
        "cue": 1 in `cue_window` after the trial's start; "event": the teacher; "trace":
        exp(-(latency - t) / trace_tau) up to the event; "post": 1 in `post_window` after the event.
    times : ndarray, s
        Time of each sample since the start of its trial.
    cue_window, post_window : (start, stop), s
        Half-open.
    trace_tau : float, s
        Time constant of "trace".
    latency : ndarray, broadcast against `times`, s
        When the outcome comes, for "trace" and "post"; NaN for no event, which leaves no eligibility.
    teacher : ndarray, broadcast against `times`
        For "event".

    Returns
    -------
    ndarray

    Examples
    --------
    >>> windows = {"cue_window": (0.0, 0.3), "post_window": (0.1, 0.3), "trace_tau": 0.3}
    >>> eligibility_weights("post", np.array([0.1, 0.2, 0.3]), latency=np.array(0.1), **windows).tolist()
    [0.0, 1.0, 1.0]
    """
    if kind == "cue":
        return _within(times, cue_window)
    if kind == "event":
        return np.maximum(np.asarray(teacher, dtype=float), 0.0)
    event = np.asarray(latency, dtype=float)
    lag = np.where(np.isnan(event), -np.inf, times - event)
    if kind == "post":
        return _within(lag, post_window)
    return np.where(lag <= SLACK, np.exp(np.minimum(lag, 0.0) / trace_tau), 0.0)


def _within(times: Array, window: tuple[float, float]) -> Array:
    low, high = window
    return np.asarray((times >= low - SLACK) & (times < high - SLACK), dtype=np.float64)
