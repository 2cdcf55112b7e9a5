"""Kernel arguments as they travel: unsigned indices, and single precision where that is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from arcuate.engines._source import Names
    from arcuate.engines.plan import Array, Plan

LINE = 64
"""Bytes of a cache line."""

LITERAL = re.compile(r"(?<![\w.])(?:\d+\.\d*(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)")
"""A number with a point or an exponent in kernel source."""


def single_literals(text: str) -> str:
    """Write the numbers of a line of kernel source in single precision, so that they widen nothing.

    Parameters
    ----------
    text : str
        A line.

    Returns
    -------
    str

    Examples
    --------
    >>> single_literals("v = v + 0.5*u1[2]")
    'v = v + np.float32(0.5)*u1[2]'
    """
    return LITERAL.sub(lambda match: f"np.float32({match[0]})", text)


def aligned(values: Array, dtype: type = np.float64) -> Array:
    """Copy an array into memory that starts at a cache line.

    Parameters
    ----------
    values : ndarray
        Any shape.
    dtype : type
        Type of the copy.

    Returns
    -------
    ndarray
        C-contiguous copy, 64-byte aligned.

    Examples
    --------
    >>> aligned(np.ones(3)).ctypes.data % 64
    0
    """
    values = np.asarray(values)
    size = values.size * np.dtype(dtype).itemsize
    raw = np.empty(size + LINE, np.uint8)
    offset = -raw.__array_interface__["data"][0] % LINE
    copy: Array = raw[offset : offset + size].view(dtype).reshape(values.shape)
    copy[...] = values
    return copy


def in_precision(table: Mapping[str, Any], plan: Plan, names: Names, precision: str) -> dict[str, Any]:
    """Give the kernel's arguments the precision of the run.

    In ``"float32"`` what belongs to neurons, currents, filters, inputs and fixed weights is single. Whatever
    learns stays double, read-outs and plastic synapses with their rules: errors of recursive least squares
    grow with the number of updates, and steps of a rule are small beside the weights. So do tables of input
    values, short-term plasticity and traces that are kept per spike.

    Parameters
    ----------
    table : mapping
        Arguments by name.
    plan : Plan
        What to run.
    names : Names
        Identifiers of the plan.
    precision : {"float64", "float32"}
        Precision of the run.

    Returns
    -------
    dict
    """
    if precision == "float64":
        return dict(table)
    owners = [*names.population.values(), *names.current.values(), *names.input.values()]
    owners += [f for name, f in names.feature.items() if name not in names.lazy]
    fixed = (p for p in plan.projections.values() if p.plasticity is None and p.short_term is None)
    owners += [names.projection[projection.name] for projection in fixed]
    prefixes = tuple(f"{owner}_" for owner in owners)
    prefixes += tuple(f"{o}_{p}_feedback" for o in names.readout.values() for p in names.population.values())
    whole = {f"{x}_values" for x in names.input.values()}
    single: dict[str, Any] = {}
    for key, value in table.items():
        if key in whole or not key.startswith(prefixes):
            single[key] = value
        elif isinstance(value, np.ndarray) and value.dtype == np.float64:
            single[key] = aligned(value, np.float32)
        else:
            single[key] = np.float32(value) if isinstance(value, float) else value
    return single


def unsigned(table: Mapping[str, Any], names: Names) -> dict[str, Any]:
    """Let the kernel see indices of synapses as unsigned: no test for an index from the end at every synapse.

    Parameters
    ----------
    table : mapping
        Arguments by name.
    names : Names
        Identifiers of the plan.

    Returns
    -------
    dict
        Views of the same memory, by name.
    """
    views = {}
    for j in names.projection.values():
        for key, dtype in ((f"{j}_index", np.uint32), (f"{j}_indptr", np.uint64)):
            if key in table:
                views[key] = table[key].view(dtype)
    return views
