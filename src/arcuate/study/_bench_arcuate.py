"""This package as a participant of :mod:`arcuate.study.bench`; runs as a process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from typing import Any

import numpy as np

from arcuate.study._bench_serve import Case, Sample, serve, timed


def engine(case: Case) -> Callable[[], Sample]:
    """Plan and compile once; every run starts from the plan."""
    from arcuate.engines import get_engine
    from arcuate.engines.build import build_plan
    from arcuate.spec import Network

    network = Network.from_json(str(case["spec"]))
    duration = f"{case.n_steps * network.dt!r} s"
    numba, options = get_engine("numba"), options_of(case.way)
    plan = build_plan(
        network,
        seed=int(case["seed"]),
        duration=duration,
        targets=teacher(case),
        precision=options["precision"],
    )
    numba.start(plan, **options).advance(1)

    def run() -> Sample:
        started = numba.start(plan, **options)
        cpu, raw = timed(lambda: started.advance(plan.n_steps))
        spikes = sum(neuron.size for neuron, _ in raw.spikes.values())
        return Sample(cpu=cpu, count=spikes, arrays_mb=arrays_mb(vars(started)))

    return run


def options_of(way: str) -> dict[str, str]:
    """Options of the engine for a way such as ``"fast f32"``."""
    order, precision = way.split()
    return {"order": order, "precision": precision.replace("f", "float")}


def arrays_mb(owner: Any) -> float:
    """Size of all arrays that an object holds, each memory counted once."""
    sizes: dict[int, int] = {}
    queue, seen = [owner], set()
    while queue:
        item = queue.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, np.ndarray):
            whole = item if not isinstance(item.base, np.ndarray) else item.base
            sizes[whole.__array_interface__["data"][0]] = whole.nbytes
        elif isinstance(item, Mapping):
            queue += item.values()
        elif isinstance(item, (list, tuple)):
            queue += item
        elif is_dataclass(item):
            queue += vars(item).values()
    return sum(sizes.values()) / 2**20


def many(case: Case) -> Callable[[], Sample]:
    """Run the network with every gain, in one call; compilation is part of it."""
    import arcuate as arc
    from arcuate.study.workloads import many_reservoirs

    networks, targets, seed = many_reservoirs(), teacher(case), int(case["seed"])
    duration, options = f"{float(case['seconds'])!r} s", options_of(case.way)

    def run() -> Sample:
        batch = arc.simulate_many(
            networks, duration, seeds=[seed], targets=targets, threads=1, progress=False, **options
        )
        return Sample(cpu=0.0, count=sum(rec.spike_arrays("reservoir")[1].size for rec in batch))

    return run


def teacher(case: Case) -> dict[str, Any] | None:
    """Targets of the read-out of the case, if it has one."""
    return {"out": case["target"]} if "target" in case else None


def first_spike(case: Case) -> Callable[[], Sample]:
    """Run as a user would, from the specification to the recording."""
    import arcuate as arc

    network = arc.Network.from_json(str(case["spec"]))
    duration, targets, seed = f"{float(case['seconds'])!r} s", teacher(case), int(case["seed"])

    def run() -> Sample:
        cpu, rec = timed(lambda: arc.simulate(network, duration, seed=seed, targets=targets, progress=False))
        return Sample(cpu=cpu, count=sum(rec.spike_arrays(name)[1].size for name in rec.populations))

    return run


def update(case: Case) -> Callable[[], Sample]:
    """Recursive least squares, as the engine calls it in the order of the way."""
    from arcuate._jit import compiled
    from arcuate.engines._pending import PENDING
    from arcuate.engines._rls import rls_update_pending
    from arcuate.mechanisms.plasticity import predict, rls_update

    read, learn = compiled(predict), compiled(rls_update)
    fast = case.way.startswith("fast")
    x, target = case["features"], case["target"]
    n, n_outputs = x.shape[1], target.shape[1]

    def updates(p: Any, w: Any, rows: int) -> None:
        output, work = np.empty(n_outputs), np.empty(n)
        waiting, memo = np.zeros((PENDING, n)), np.array([0.0, 1.0])
        for row, wanted in zip(x[:rows], target[:rows], strict=True):
            read(w, row, output)
            if fast:
                rls_update_pending(p, waiting, memo, w, row, wanted - output, 1.0, work, True)
            else:
                learn(p, w, row, wanted - output, 1.0, work, True)

    def run(rows: int = len(x)) -> Sample:
        p, w = np.eye(n) + 0.0, np.zeros((n_outputs, n))  # the sum lies in memory, zeros do not yet
        cpu, _ = timed(lambda: updates(p, w, rows))
        return Sample(cpu=cpu / rows, count=float(np.linalg.norm(w)))

    run(1)
    return run


def main() -> None:
    """Serve the case of the command line."""
    kinds = {"run": engine, "many": many, "update": update, "first": first_spike}
    needed = ("arcuate", "arcuate.engines.build", "arcuate.engines.numba_engine")
    serve(lambda case: kinds[str(case["kind"])](case), package="arcuate", imports=needed)


if __name__ == "__main__":
    main()
