"""Short-term plasticity on both engines: one program, run once for each spike of a presynaptic neuron.

The Numba engine keeps the variables of each presynaptic neuron and, in a ring beside that of its spikes, what
each spike delivers whenever it arrives. Brian2 reads the present state when a spike arrives, so there every
synapse has variables of its own; since a delay shifts all spikes of a synapse alike, the intervals and with
them all bits are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.engines._programs import program

if TYPE_CHECKING:
    from arcuate.engines._brian_emit import Description
    from arcuate.engines._source import Names, Source
    from arcuate.engines.plan import Array, Plan, ProjectionPlan
    from arcuate.mechanisms.expressions import Program


def emit_release(src: Source, names: Names, plan: Plan) -> None:
    """What the spikes of this step will deliver, in the order of the source's ring.

    Parameters
    ----------
    src : Source
        Kernel to write to.
    names : Names
        Identifiers.
    plan : Plan
        The plan.
    """
    for name, projection in plan.projections.items():
        if projection.short_term is None:
            continue
        j, s, part = names.projection[name], names.source(projection.pre), projection.short_term
        on_spike = program(part.model.on_spike)
        src.use(f"{s}_ring", f"{j}_release", f"{j}_last", f"{j}_dt")
        src.line(f"for q in range({s}_fired):")
        with src.block():
            src.line(f"i = {s}_ring[{s}_now, q]")
            src.line(f"{j}_elapsed_ = (n - {j}_last[i]) * {j}_dt")
            src.line(f"{j}_last[i] = n")
            for variable in part.model.variables:
                src.use(f"{j}_{variable}")
                src.line(f"{j}_{variable}_ = {j}_{variable}[i]")
            for key in sorted(on_spike.reads & set(part.values)):
                src.use(f"{j}_{key}")
                src.line(f"{j}_{key}_ = {j}_{key}{'[i]' if part.values[key].shape else ''}")
            for target, value in on_spike.statements:
                src.line(f"{j}_{target}_ = {value.emit('numba', _local(j))}")
            for variable in part.model.variables:
                src.line(f"{j}_{variable}[i] = {j}_{variable}_")
            src.line(f"{j}_release[{s}_now, q] = {j}_release_")


def _local(j: str) -> Callable[[str], str]:
    """Locals of a projection carry its identifier."""
    return lambda key: f"{j}_{key}_"


def short_term_constants(projection: ProjectionPlan, j: str, dt: float) -> dict[str, Any]:
    """Kernel arguments that never change.

    Parameters
    ----------
    projection : ProjectionPlan
        A projection.
    j : str
        Its identifier.
    dt : float, s
        Time step.

    Returns
    -------
    dict
    """
    if projection.short_term is None:
        return {}
    values = projection.short_term.values
    return {f"{j}_dt": dt, **{f"{j}_{key}": v if v.shape else float(v) for key, v in values.items()}}


def short_term_state(projection: ProjectionPlan, j: str, *, rows: int, n: int) -> dict[str, Array]:
    """What moves, at its start: the variables, the last spike, and what spikes on their way deliver.

    Parameters
    ----------
    projection : ProjectionPlan
        A projection.
    j : str
        Its identifier.
    rows : int
        Length of the source's ring.
    n : int
        Presynaptic neurons.

    Returns
    -------
    dict of str to ndarray
    """
    if projection.short_term is None:
        return {}
    initial = {key: float(v.initial) for key, v in projection.short_term.model.variables.items()}
    table: dict[str, Array] = {f"{j}_{key}": np.full(n, value) for key, value in initial.items()}
    return table | {f"{j}_last": np.zeros(n, np.int64), f"{j}_release": np.zeros((rows, n))}


def describe_short_term(
    job: Description, synapses: dict[str, Any], projection: ProjectionPlan, j: str, *, pre: Array
) -> tuple[Program, str]:
    """Give Brian2's synapses their variables.

    Parameters
    ----------
    job : Description
        Network to add to.
    synapses : dict
        The synapses, with `model` and `values`.
    projection : ProjectionPlan
        The projection.
    j : str
        Its identifier.
    pre : ndarray, (n_synapses,)
        Presynaptic neuron of each of Brian2's synapses.

    Returns
    -------
    tuple of Program and str
        What runs when a spike arrives, once ``<j>_elapsed`` is set, and the prefix of its names.
    """
    part = projection.short_term
    assert part is not None
    on_spike = program(part.model.on_spike)
    numbers = {key: part.values[key] for key in sorted(on_spike.reads & set(part.values))}
    numbers |= {"dt": np.asarray(job.plan.dt), "last": np.asarray(0.0)}
    numbers |= {key: np.asarray(float(v.initial)) for key, v in part.model.variables.items()}
    for key, value in numbers.items():
        moves = key == "last" or key in part.model.variables
        synapses["model"] += f"\n{j}_{key} : 1" + ("" if moves else " (constant)")
        job.arrays[f"{j}/{key}"] = np.broadcast_to(value, projection.indptr.shape[1] - 1)[pre].copy()
        synapses["values"][f"{j}_{key}"] = f"{j}/{key}"
    return on_spike, j
