"""The least-squares node of reservoirpy for :mod:`arcuate.study.bench`; runs as a process."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import numpy as np

from arcuate.study._bench_serve import Case, Sample, serve, timed


def prepare(case: Case) -> Callable[[], Sample]:
    """Learn online, all samples in one call."""
    node = import_module("reservoirpy.nodes").RLS
    x, target = case["features"], case["target"]

    def run() -> Sample:
        rls = node(alpha=1.0, fit_bias=False)
        rls.initialize(x[0], target[0])
        cpu, _ = timed(lambda: rls.partial_fit(x, target))
        return Sample(cpu=cpu / len(x), count=float(np.linalg.norm(rls.Wout)))

    return run


if __name__ == "__main__":
    serve(prepare, package="reservoirpy", imports=("reservoirpy.nodes",))
