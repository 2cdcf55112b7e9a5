"""What dynamical similarity asks of its trials: one axis, one step and one length for both systems."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from arcuate._inputs import Floats
from arcuate.compare._dmd import as_inputs
from arcuate.compare._inputs import as_trials, rank_of
from arcuate.errors import SpecError, check_int

__all__ = ["ascending", "both_inputs", "both_systems"]

AXES = ("time", "tick", "token", "layer", "position", "step")
"""What the second dimension of trials may be."""


def ascending(given: Any, default: Sequence[int], most: int, where: str, name: str) -> list[int]:
    """What is to be tried, ascending."""
    if given is None:
        return [value for value in default if value <= most]
    values = given if isinstance(given, Iterable) and rank_of(given) else [given]
    return sorted({check_int(value, where=where, name=name) for value in values})


def _axis(value: Any, where: str, name: str) -> tuple[str, float | None]:
    """Name of the second dimension, and the length of a step of time, where they are known."""
    dims = getattr(value, "dims", None)
    if not isinstance(dims, tuple) or len(dims) != 3:
        return "step", None
    place = [dim in AXES for dim in dims]
    if place != [False, True, False]:
        bound = f"must be (trial, one of {', '.join(AXES)}, unit), is {dims}"
        raise SpecError.of(where=where, name=name, bound=bound, fix="transpose or rename it")
    axis = str(dims[1])
    if axis != "time" or axis not in value.coords or value.sizes[axis] < 2:
        return axis, None
    grid = np.diff(np.asarray(value.coords[axis], dtype=np.float64))
    dt = float(np.median(grid))
    if not dt > 0 or np.abs(grid - dt).max() > 1e-3 * dt:
        bound = "must have steps of one length along time"
        raise SpecError.of(where=where, name=name, value=dt, bound=bound, fix="resample it first")
    return axis, dt


def both_systems(
    x: ArrayLike, y: ArrayLike, *, where: str, least: int
) -> tuple[list[Floats], str, float | None]:
    """Trials of both systems, with one axis, one step and one length."""
    fix = "cut a long recording into trials, states.reshape(n_trials, n_steps, n_units)"
    cubes = []
    for value, name in ((x, "x"), (y, "y")):
        cube = as_trials(value, where=where, name=name, least_steps=2)
        if len(cube) < least:
            bound = f"needs >= {least} trials, to compare the system with itself"
            raise SpecError.of(where=where, name=name, value=len(cube), bound=bound, fix=fix)
        cubes.append(cube)
    (axis, dt), (other, step) = _axis(x, where, "x"), _axis(y, where, "y")
    if axis != other and "step" not in (axis, other):
        bound = f"must run along {axis}, as x does"
        fix = 'rename both to "step" if one step of each is to count as the same'
        raise SpecError.of(where=where, name="y", value=other, bound=bound, fix=fix)
    if dt is not None and step is not None and abs(dt - step) > 1e-6 * dt:
        bound = f"must have steps of {dt:.6g} s, as x"
        raise SpecError.of(where=where, name="y", value=step, bound=bound, fix="resample to one step")
    if cubes[0].shape[1] != cubes[1].shape[1]:
        bound = f"must have the {cubes[0].shape[1]} steps of the trials of x"
        fix = "cut the longer ones, or resample to one step"
        raise SpecError.of(where=where, name="y", value=cubes[1].shape[1], bound=bound, fix=fix)
    return cubes, axis if axis != "step" else other, dt if dt is not None else step


def both_inputs(inputs: Any, cubes: list[Floats], *, where: str) -> list[Floats | None]:
    """Inputs of both systems."""
    if inputs is None:
        return [None, None]
    pair = inputs if isinstance(inputs, (tuple, list)) and len(inputs) == 2 else (inputs, inputs)
    return [as_inputs(u, c.shape, where=where) for u, c in zip(pair, cubes, strict=True)]
