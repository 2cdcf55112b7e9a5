"""From a workload to the file that its participants read: the same arrays for all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from arcuate import rng
from arcuate.engines.build import build_plan
from arcuate.engines.plan import Plan
from arcuate.study._bench_serve import CASE
from arcuate.study.workloads import GAINS, Workload, sines

__all__ = ["SEED", "plan_of", "write_case"]

SEED = 1
"""Of every array: connections, weights, initial values, features."""

N_FEATURES, N_OUTPUTS = 2000, 2
"""Size of the least-squares update of W6."""


def plan_of(workload: Workload, seconds: float) -> Plan | None:
    """Plan the network of a workload.

    Parameters
    ----------
    workload : Workload
        Which.
    seconds : float, s
        Model time.

    Returns
    -------
    Plan or None
        None for a workload without a network.
    """
    if workload.network is None:
        return None
    network = workload.network()
    n_steps = round(seconds / network.dt)
    targets = {"out": sines(n_steps, network.dt)} if network.readouts else None
    return build_plan(network, seed=SEED, duration=f"{n_steps * network.dt!r} s", targets=targets)


def write_case(workload: Workload, plan: Plan | None, *, seconds: float, folder: Path) -> None:
    """Write the arrays of a workload for processes of any interpreter.

    Parameters
    ----------
    workload : Workload
        Which.
    plan : Plan or None
        As :func:`plan_of` gives it.
    seconds : float, s
        Model time.
    folder : Path
        Where to.
    """
    arrays: dict[str, Any] = {"kind": workload.kind, "seconds": seconds, "seed": SEED}
    if plan is None:
        arrays |= _features(n=max(2, round(seconds / 2e-3)))
    else:
        arrays |= {"spec": plan.network.to_json(), "dt_ms": plan.dt * 1e3, **_network(plan)}
    if workload.kind == "many":
        arrays["gains"] = np.asarray(GAINS)
    np.savez(folder / CASE, **arrays)


def _features(n: int) -> dict[str, Any]:
    """Features of an update every 2 ms, and what they should come to."""
    draw = rng.stream(SEED, "bench/features")
    return {
        "model": "rls",
        "features": 0.1 * np.abs(draw.standard_normal((n, N_FEATURES))),
        "target": draw.standard_normal((n, N_OUTPUTS)),
    }


def _network(plan: Plan) -> dict[str, Any]:
    """Populations as one, in the order of the plan, and every synapse by the numbers of its neurons."""
    sizes = {name: population.n for name, population in plan.populations.items()}
    first = dict(zip(sizes, np.cumsum([0, *sizes.values()]), strict=False))
    edges: dict[str, list[Any]] = {"pre": [], "post": [], "weight": []}
    for projection in plan.projections.values():
        edges["pre"].append(projection.edges()[0].astype(np.int32) + np.int32(first[projection.pre]))
        edges["post"].append(projection.index + np.int32(first[projection.post]))
        edges["weight"].append(projection.weight)
    arrays: dict[str, Any] = {key: np.concatenate(pieces) for key, pieces in edges.items()}
    models = {"cuba": _cuba, "cobahh": _cobahh}
    return arrays | models.get(plan.network.name, _izhikevich)(plan, arrays["weight"])


def _cuba(plan: Plan, weight: Any) -> dict[str, Any]:
    """Start and weights in mV, as the drive through the input resistance."""
    resistance = float(plan.populations["exc"].values["resistance"])
    return {
        "model": "cuba",
        "n_exc": plan.populations["exc"].n,
        "v": 1e3 * np.concatenate([one.initial["v"] for one in plan.populations.values()]),
        "weight": 1e3 * resistance * weight,
    }


def _cobahh(plan: Plan, weight: Any) -> dict[str, Any]:
    """Start in mV and without synaptic conductances, which are in nS."""
    populations = plan.populations.values()
    start = {
        key: np.concatenate([np.broadcast_to(one.initial[variable], one.n) for one in populations])
        for key, variable in (("v", "v"), ("m", "m_na"), ("h", "h_na"), ("n", "n_k"))
    }
    silent = np.zeros(len(start["v"]))
    return {
        "model": "cobahh",
        "n_exc": plan.populations["exc"].n,
        **start,
        "v": 1e3 * start["v"],
        "ge": silent,
        "gi": silent,
        "weight": 1e9 * weight,
    }


def _izhikevich(plan: Plan, _: Any) -> dict[str, Any]:
    """Parameters, start and read-out of a reservoir."""
    (population,) = plan.populations.values()
    values: dict[str, Any] = {"model": "izhikevich"}
    for key, value in {**population.values, **population.initial, "bias": population.bias}.items():
        if key in (*"abcduv", "bias"):
            values[key] = np.broadcast_to(value, population.n)
    for readout in plan.readouts.values():
        values |= {"feedback": readout.feedback[population.name], "target": readout.target}
    return values
