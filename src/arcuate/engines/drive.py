"""Values of inputs and modulators that are set while a run goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from arcuate.engines._build_io import check_rows, check_spikes
from arcuate.engines.plan import Plan
from arcuate.errors import SpecError, unknown


def replace_values(plan: Plan, name: str, values: Any, *, first: int) -> None:
    """Write new values over those of the next steps.

    Parameters
    ----------
    plan : Plan
        The plan of the run.
    name : str
        An input, or a modulator given from outside.
    values : array_like, (n, n_channels) or (n,)
        Values of steps `first` to ``first + n - 1``.
    first : int
        The next step.

    Raises
    ------
    SpecError
        If there is no such input, or the values do not fit.
    """
    tables = {key: drive.values for key, drive in plan.inputs.items()}
    tables |= {key: m.values for key, m in plan.modulators.items() if m.spec.readout is None}
    if name not in tables:
        raise unknown("set_input", name, tables, kind="input")
    where = f"set_input({name!r})"
    table, left = tables[name], plan.n_steps - first
    rows = np.shape(values)[0] if np.ndim(values) else 0
    if not 1 <= rows <= left:
        raise SpecError.of(
            where=where, name="values", value=f"{rows} rows",
            bound=f"must have 1 to {left} rows, one for each of the next steps",
        )  # fmt: skip
    given = check_rows(values, table.shape[1], rows, where=where)
    if name in plan.inputs and plan.inputs[name].kind == "spikes":
        check_spikes(given, where)
    table[first : first + rows] = given


def own_values(plan: Plan) -> Plan:
    """Give a plan tables of its own for what may be set while a run goes on.

    Parameters
    ----------
    plan : Plan
        The plan of a run.

    Returns
    -------
    Plan
        Everything else is shared.
    """
    inputs = {name: replace(drive, values=drive.values.copy()) for name, drive in plan.inputs.items()}
    modulators = {
        name: replace(m, values=m.values.copy()) if m.spec.readout is None else m
        for name, m in plan.modulators.items()
    }
    return replace(plan, inputs=inputs, modulators=modulators)
