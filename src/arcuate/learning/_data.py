"""Trials as the trainers take them: checked before anything runs."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arcuate._inputs import as_real, as_states
from arcuate.errors import FitError, check_int
from arcuate.learning._settings import Settings

__all__ = ["as_inputs", "as_targets", "check_threads"]

Array = NDArray[Any]

MAX_THREADS = 1024


def as_inputs(inputs: ArrayLike, n_inputs: int, *, where: str) -> Array:
    """Inputs (n_trials, n_steps, n_inputs); spikes may come as booleans."""
    if isinstance(inputs, np.ndarray) and inputs.dtype == bool:
        inputs = inputs.view(np.uint8)
    x = as_states(inputs, where=where, name="inputs", error=FitError)
    if x.shape[2] != n_inputs:
        raise FitError.of(
            where=where, name="inputs", value=f"{x.shape[2]} inputs", bound=f"must be n_inputs = {n_inputs}"
        )
    return x


def as_targets(targets: ArrayLike, shape: tuple[int, ...], settings: Settings, *, where: str) -> Array:
    """Targets (n_trials, n_steps, n_outputs), or classes (n_trials,)."""
    trials, steps = shape[:2]
    if settings.task == "classification":
        y = np.asarray(targets)
        high = settings.n_outputs - 1
        if y.shape != (trials,) or y.dtype.kind not in "iu" or y.min() < 0 or y.max() > high:
            found = f"{y.dtype} of shape {y.shape}"
            if y.shape == (trials,) and y.dtype.kind in "iu":
                found = f"{y.min()} to {y.max()}"
            raise FitError.of(
                where=where,
                name="targets",
                value=found,
                bound=f"must be one integer for each of {trials} trials, from 0 to {high}",
            )
        return y.astype(np.int64)
    y = as_real(targets, where=where, name="targets", error=FitError)
    wanted = (trials, steps, settings.n_outputs)
    for known in (wanted, *((wanted[:2],) if wanted[2] == 1 else ())):
        if y.shape == known or (trials == 1 and y.shape == known[1:]):
            return np.ascontiguousarray(y, dtype=np.float64).reshape(wanted)
    raise FitError.of(where=where, name="targets", value=f"shape {y.shape}", bound=f"must be {wanted}")


def check_threads(threads: int | None, *, where: str) -> int:
    """Number of threads; None stands for the processor's."""
    if threads is None:
        return os.cpu_count() or 1
    return check_int(threads, where=where, name="threads", high=MAX_THREADS)
