"""Find the first number that left the finite ones, and say where, when and what usually causes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.errors import NonFiniteError

if TYPE_CHECKING:
    from arcuate.engines.numba_engine import NumbaRun
    from arcuate.engines.plan import Array, Plan


def check_finite(
    run: NumbaRun, backup: Mapping[str, Array], *, first: int, last: int, arguments: Mapping[str, Any]
) -> None:
    """Raise if the state after a block of steps is not finite.

    The state at the block's start is kept, so that the block can be run again step by step: the error
    names the very step, at the cost of one copy of the state for each block.

    Parameters
    ----------
    run : NumbaRun
        The run, whose state is that after step last - 1.
    backup : mapping
        State before step `first`.
    first, last : int
        The block.
    arguments : mapping
        Kernel arguments of the block.

    Raises
    ------
    NonFiniteError
        Naming population, variable, neuron, time and the usual cause.
    """
    trouble = arguments["trouble"]
    if trouble[0] == 0 and (run.memory.is_moderate() or _first_bad(run) is None):
        return
    run.memory.restore(backup)
    quiet = dict(arguments)
    trouble[0] = 0
    for n in range(first, last):
        _rewind(run, quiet, n)
        run.run_block(n, n + 1, {**quiet, **run.noise(n, n + 1), "n_noise": n})
        bad = _hidden_by_reset(run, trouble) or _first_bad(run)
        if bad is not None:
            raise _error(run, bad, n)
    raise AssertionError("the block went wrong once and not when it was repeated")


def _rewind(run: NumbaRun, arguments: dict[str, Any], n: int) -> None:
    """Let the repeated step write over the spike buffers and find its place in the schedules."""
    names, record = run.names, run.plan.record
    for name in record.spikes:
        arguments[f"{names.population[name]}_count"][0] = 0
    for name in record.weights:
        j = names.projection[name]
        arguments[f"{j}_kept_next"][0] = np.searchsorted(arguments[f"{j}_kept_steps"], n)
    if "record_next" in arguments:
        arguments["record_next"][0] = np.searchsorted(arguments["record_steps"], n)
    for o in names.readout.values():
        arguments[f"{o}_next"][0] = np.searchsorted(arguments[f"{o}_sample_steps"], n)
        arguments[f"{o}_snapshot_next"][0] = np.searchsorted(
            arguments[f"{o}_snapshot_samples"], arguments[f"{o}_next"][0]
        )


def _first_bad(run: NumbaRun) -> tuple[str, str, int] | None:
    exact = run.exact()
    for name, key in run.public.items():
        if key in run.memory.blocks:
            continue  # a matrix that is not finite spoils the weights at its next update
        finite = np.isfinite(exact.get(key, run.moving[key]))
        if not finite.all():
            part, variable = name.rsplit("/", 1)
            return part, variable, int(np.flatnonzero(~finite)[0])
    return None


def _hidden_by_reset(run: NumbaRun, trouble: Array) -> tuple[str, str, int] | None:
    if trouble[0] == 0:
        return None
    population = list(run.plan.populations.values())[trouble[1]]
    return population.name, list(population.model.variables)[trouble[2]], int(trouble[3])


def _error(run: NumbaRun, bad: tuple[str, str, int], step: int) -> NonFiniteError:
    part, variable, index = bad
    plan = run.plan
    key = run.public[f"{part}/{variable}"]
    value = float(np.ravel(run.exact().get(key, run.moving[key]))[index])
    value = value if not np.isfinite(value) else np.inf  # a reset has put it back since
    if part in plan.readouts:
        cause, fix = (
            "a learning rate too large for the size of the features",
            "lower the rule's learning rate",
        )
    elif part in plan.projections or part.partition("@")[0] in plan.modulators:
        cause, fix = (
            "increments that grow with the weight or the modulator without bound",
            "give the rule w_min and w_max, or lower its amplitudes",
        )
    elif part in plan.currents:
        cause, fix = "weights that grow without bound", "check the weights onto this population"
    else:
        cause, fix = (
            "a time step too long for the dynamics, or an input far too large",
            "halve dt, or scale the input down",
        )
    return NonFiniteError.of(
        where=f"{part!r}, {_unit(plan, part, variable)} {index}, step {step}, "
        f"t = {step * plan.dt * 1e3:g} ms",
        name=variable,
        value=value,
        bound=f"must stay finite; usual cause: {cause}",
        fix=fix,
    )


def _unit(plan: Plan, part: str, variable: str) -> str:
    """What the elements of a variable are."""
    return "synapse" if part in plan.projections and variable in ("weight", "eligibility") else "neuron"
