"""Measure speed as a ratio to a peer, both in one interleaved run: ours, theirs, ours, theirs, ..."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from arcuate.engines import get_engine
from arcuate.engines.build import build_plan
from arcuate.engines.plan import Plan
from arcuate.errors import EngineError, check_choice
from arcuate.study.workloads import WORKLOADS, sines

__all__ = ["PEERS", "run_benchmarks"]

PEERS: dict[str, tuple[str, ...]] = {"brian2": ("cpp_standalone", "cython")}
"""Peers, and the ways in which each is run."""

SEED = 1


def run_benchmarks(
    workloads: Sequence[str], against: Sequence[str], quick: bool = False
) -> dict[str, list[Any]]:
    """Time workloads with this package and with its peers.

    Run times are CPU seconds of one thread per second of model time, without compilation; "to first
    spike" is CPU seconds of a new process from its start to its first results, compilation included.

    Parameters
    ----------
    workloads : sequence of str
        Names in :data:`arcuate.study.workloads.WORKLOADS`.
    against : sequence of str
        Names in :data:`PEERS`.
    quick : bool
        Shorter and fewer runs.

    Returns
    -------
    dict of str to list
        A table: for each workload and peer the medians of both in CPU seconds, the median ratio of the
        pairs (above 1 means that this package is faster), its range, and the spikes of both. Cold is
        with an empty cache of kernels, warm with the one that the first run left.

    Raises
    ------
    UnknownNameError
        For a workload or a peer that is not there.
    EngineError
        If a peer cannot be run.

    Examples
    --------
    >>> run_benchmarks([], ["brian2"])
    {}
    """
    for name in workloads:
        check_choice(name, tuple(WORKLOADS), where="bench", name="workload")
    for name in against:
        check_choice(name, tuple(PEERS), where="bench", name="peer")
    pairs, seconds = (3, 0.5) if quick else (7, 2.0)
    rows: list[dict[str, Any]] = []
    for workload in workloads:
        for peer in against:
            for target in PEERS[peer]:
                rows += _compare(workload, peer, target, pairs=pairs, seconds=seconds)
    return {key: [row[key] for row in rows] for key in rows[0]} if rows else {}


def _compare(workload: str, peer: str, target: str, *, pairs: int, seconds: float) -> list[dict[str, Any]]:
    network = WORKLOADS[workload]()
    n_steps = round(seconds / network.dt)
    teacher = {"out": sines(n_steps, network.dt)}
    plan = build_plan(network, seed=SEED, duration=f"{n_steps * network.dt!r} s", targets=teacher)

    def ours() -> tuple[float, int]:
        run = get_engine("numba").start(plan)
        start = time.process_time()
        raw = run.advance(n_steps)
        return time.process_time() - start, sum(neuron.size for neuron, _ in raw.spikes.values())

    with tempfile.TemporaryDirectory() as folder, _Peer(plan, target, seconds, Path(folder)) as theirs:
        ours(), theirs.run()
        measured = np.array([[*ours(), *theirs.run()] for _ in range(pairs)])
        build = theirs.build_cpu
    ratio = measured[:, 2] / measured[:, 0]
    run = np.median(measured[:, [0, 2]], axis=0) / seconds
    rates = measured[:, [1, 3]].mean(axis=0) / seconds
    first = _first_spike(workload)
    common = {"workload": workload, "against": f"{peer} {target}"}
    note = f"{ratio.min():.2f} to {ratio.max():.2f}; {rates[0]:.0f} and {rates[1]:.0f} spikes/s"
    rows = [("1 s of model", *run, np.median(ratio), note)]
    for what, ours_first in zip(("first spike, cold", "first spike, warm"), first, strict=True):
        rows.append((what, ours_first, build, build / ours_first, "theirs with its build"))
    keys = ("CPU s for", "ours", "theirs", "ratio", "note")
    return [
        {**common, **dict(zip(keys, (what, _digits(o), _digits(t), _digits(r), text), strict=True))}
        for what, o, t, r, text in rows
    ]


def _digits(value: float) -> str:
    return f"{value:.3g}"


_FIRST = """
import arcuate as arc
from arcuate.study.workloads import WORKLOADS, sines
network = WORKLOADS[{workload!r}]()
arc.simulate(network, "20 ms", seed=1, targets={{"out": sines(200, network.dt)}}, progress=False)
"""


def _first_spike(workload: str) -> tuple[float, float]:
    """CPU seconds of two new processes: with an empty cache, then with the cache that the first left."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "ARCUATE_CACHE": folder}
        times = []
        for _ in range(2):
            before = _children()
            subprocess.run(
                [sys.executable, "-c", _FIRST.format(workload=workload)], env=environment, check=True
            )
            times.append(_children() - before)
    return times[0], times[1]


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class _Peer:
    """A peer in a process of its own; a line in, CPU seconds and spikes of the next run out."""

    def __init__(self, plan: Plan, target: str, seconds: float, folder: Path) -> None:
        self._arrays = folder / "network.npz"
        np.savez(self._arrays, **_arrays(plan, seconds))
        self._command = [
            sys.executable,
            "-m",
            "arcuate.study._bench_brian2",
            str(self._arrays),
            target,
            str(folder),
        ]
        self._process: subprocess.Popen[str] | None = None
        self.build_cpu = 0.0

    def __enter__(self) -> _Peer:
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=self._arrays.parent,
        )
        self.build_cpu = float(self._answer()["build_cpu"])
        return self

    def run(self) -> tuple[float, int]:
        process = self._process
        if process is None or process.stdin is None:
            raise EngineError.of(where="bench", name="peer", bound="is not running")
        process.stdin.write("run\n")
        process.stdin.flush()
        answer = self._answer()
        return float(answer["cpu"]), int(answer["spikes"])

    def _answer(self) -> dict[str, float]:
        stream = self._process.stdout if self._process is not None else None
        for line in stream or ():
            if line.startswith("{"):
                answer: dict[str, float] = json.loads(line)
                return answer
        raise EngineError.of(
            where="bench",
            name="peer",
            value=" ".join(self._command[2:5:2]),
            bound="stopped without an answer",
            fix="arcuate doctor shows whether Brian2 and the compiler work",
        )

    def __exit__(self, *error: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()  # also closes the pipes


def _arrays(plan: Plan, seconds: float) -> dict[str, Any]:
    """The plan's one population, projection and read-out as plain arrays."""
    (population,), (projection,) = plan.populations.values(), plan.projections.values()
    (readout,) = plan.readouts.values()
    pre, _ = projection.edges()
    full: Callable[[Any], Any] = lambda value: np.broadcast_to(value, population.n)  # noqa: E731
    values = {key: full(population.values[key]) for key in "abcd"}
    return {
        **values,
        "bias": full(population.bias),
        "v": population.initial["v"],
        "u": population.initial["u"],
        "pre": pre,
        "post": projection.index,
        "weight": projection.weight,
        "dt_ms": plan.dt * 1e3,
        "seconds": seconds,
        "feedback": readout.feedback[population.name],
        "target": readout.target,
    }
