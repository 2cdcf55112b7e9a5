"""Reservoirs and the Vogels-Abbott network in NEST for :mod:`arcuate.study.bench`; runs as a process.

NEST has no Izhikevich neuron with synaptic currents: a spike steps the membrane instead, which is less
work. It has no delay of zero either; the least is one step.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from arcuate.study._bench_serve import Case, Sample, serve, timed


def izhikevich(nest: Any, case: Case) -> tuple[Any, float]:
    """Cells, and the delay in ms: a whole ms, since NEST does the least work with few deliveries."""
    values = {key: case[key] for key in "abcd"}
    values |= {"I_e": case["bias"], "V_m": case["v"], "U_m": case["u"], "V_th": np.full(len(case["v"]), 30.0)}
    return nest.Create("izhikevich", len(case["v"]), values), 1.0


def cuba(nest: Any, case: Case) -> tuple[Any, float]:
    """Cells with a capacitance that makes a current of 1 pA drive 1 mV; the least delay."""
    values = {"tau_m": 20.0, "C_m": 20.0, "E_L": -49.0, "V_th": -50.0, "V_reset": -60.0, "t_ref": 5.0}
    values |= {"tau_syn_ex": 5.0, "tau_syn_in": 10.0, "I_e": 0.0}
    cells = nest.Create("iaf_psc_exp", len(case["v"]), values)
    cells.V_m = case["v"]
    return cells, float(case["dt_ms"])


CELLS = {"izhikevich": izhikevich, "cuba": cuba}


def prepare(case: Case) -> Callable[[], Sample]:
    """Build once; every run is the next stretch of the same simulation."""
    nest: Any = import_module("nest")
    nest.set_verbosity("M_ERROR")
    nest.resolution = float(case["dt_ms"])
    nest.local_num_threads = 1
    cells, delay = CELLS[case.model](nest, case)
    first, recorder = int(cells[0].global_id), nest.Create("spike_recorder")
    synapses = {"synapse_model": "static_synapse", "weight": case["weight"]}
    nest.Connect(
        case["pre"].astype(np.int64) + first,
        case["post"].astype(np.int64) + first,
        "one_to_one",
        {**synapses, "delay": np.full(len(case["pre"]), delay)},
    )
    nest.Connect(cells, recorder)
    nest.Simulate(delay)  # also makes the tables of connections, which is not timed
    duration = float(case["seconds"]) * 1e3

    def run() -> Sample:
        before = int(recorder.n_events)
        cpu, _ = timed(lambda: nest.Simulate(duration))
        return Sample(cpu=cpu, count=int(recorder.n_events) - before)

    return run


if __name__ == "__main__":
    serve(prepare, package="nest-simulator", imports=("nest",))
