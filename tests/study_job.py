"""A study in a process of its own, to be killed: ``python study_job.py BACKEND FOLDER POINTS SECONDS``.

It is written as users write scripts: nothing guards it on loky. The log beside the folder has a line for
every call of the function.
"""

from __future__ import annotations

import contextlib
import logging
import sys

import joblib
import points

import arcuate as arc

backend, folder, count, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])


def study() -> arc.Study:
    """Squares, each of which takes a while."""
    fixed = {"seconds": [seconds], "log": [f"{folder}.log"]}
    return arc.Study(points.slow, {"x": range(count), **fixed}, name="squares")


def go() -> None:
    """Run it."""
    study().run(folder, n_jobs=1 if backend == "serial" else 2, progress=False)


if backend in ("serial", "loky"):
    go()
elif __name__ == "__main__":
    with contextlib.ExitStack() as stack:
        if backend == "dask":
            from dask.distributed import Client, LocalCluster

            cluster = LocalCluster(
                n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
            )
            stack.enter_context(cluster)
            stack.enter_context(Client(cluster))
        stack.enter_context(joblib.parallel_config(backend))
        go()
