"""Where the points of a study are run: in this process, in threads, in processes, on a Dask cluster."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

from arcuate._optional import require
from arcuate.errors import CapabilityError, check_int
from arcuate.simulate import usable_processors
from arcuate.study._runner_task import begin_worker

__all__ = ["Pool", "open_pool"]

MAX_WORKERS = 1024

_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


class Pool(Protocol):
    """What runs tasks.

    Attributes
    ----------
    apart : bool
        Whether tasks run in other processes, so that they are pickled, and a point may take its process
        down.
    workers : int
        Tasks that run at a time.
    threads : int
        Of them, how many at most run in one process.
    """

    apart: bool

    @property
    def workers(self) -> int: ...

    @property
    def threads(self) -> int: ...

    def halted(self) -> bool:
        """Whether threads are to leave what they do."""
        ...

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Start a task."""
        ...

    def mend(self) -> None:
        """Make ready for new tasks after a worker was lost."""
        ...

    def close(self, *, now: bool) -> None:
        """End, and if need be leave what is running."""
        ...


class _Here:
    """This process: a task is done when `submit` returns."""

    apart = False
    workers = threads = 1

    def halted(self) -> bool:
        return False

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(function(*arguments))
        return future

    def mend(self) -> None:
        """Nothing can be lost."""

    def close(self, *, now: bool) -> None:
        """Nothing is held."""


class _Threads:
    """Threads of this process; the engine computes without Python's lock."""

    apart = False

    def __init__(self, workers: int) -> None:
        self.workers = self.threads = workers
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="arcuate-study")
        self._halt = threading.Event()

    def halted(self) -> bool:
        return self._halt.is_set()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        return self._executor.submit(function, *arguments)

    def mend(self) -> None:
        """Nothing can be lost."""

    def close(self, *, now: bool) -> None:
        if now:
            self._halt.set()
        self._executor.shutdown(wait=not now, cancel_futures=True)


class _Processes:
    """Processes of the user's own Python, new for every study: none has an older version of the code."""

    apart = True
    threads = 1

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._executor: Any = None

    def halted(self) -> bool:
        return False

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        from joblib.externals.loky import ProcessPoolExecutor

        if self._executor is None:
            self._executor = ProcessPoolExecutor(
                self.workers,
                timeout=300,
                initializer=begin_worker,
                initargs=(os.getpid(),),
                env=dict.fromkeys(_THREADS, "1"),
            )
        future: Future[Any] = self._executor.submit(function, *arguments)
        return future

    def mend(self) -> None:
        self.close(now=True)

    def close(self, *, now: bool) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=True, kill_workers=now)
            self._executor = None


class _Cluster:
    """The workers of a Dask client, as many as there are at the moment."""

    apart = True

    def __init__(self, client: Any, most: int | None) -> None:
        self._client, self._most = client, most
        self._executor = client.get_executor(pure=False)
        self._counted, self._count = -1.0, 1

    @property
    def workers(self) -> int:
        if time.monotonic() - self._counted > 1.0:
            self._count = max(1, sum(self._client.ncores().values()))
            self._counted = time.monotonic()
        return min(self._count, self._most or MAX_WORKERS)

    @property
    def threads(self) -> int:
        threads = self._client.nthreads()
        here = sum(n for address, n in threads.items() if address.startswith("inproc://"))
        return 1 + here if here else max(threads.values(), default=1)  # 1: the main thread of this process

    def halted(self) -> bool:
        return False

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = self._executor.submit(function, *arguments)
        return future

    def mend(self) -> None:
        """The cluster starts new workers by itself."""

    def close(self, *, now: bool) -> None:
        self._executor.shutdown(wait=not now)


def open_pool(n_jobs: int | None) -> Pool:
    """Say where to run: what `joblib.parallel_config` chose, else processes of this machine.

    Parameters
    ----------
    n_jobs : int or None
        Points at a time; 1 stays in this process, None takes all there is.

    Returns
    -------
    Pool

    Raises
    ------
    CapabilityError
        If joblib's backend is another one.

    Examples
    --------
    >>> open_pool(1).workers
    1
    """
    from joblib.parallel import get_active_backend

    backend, chosen = get_active_backend()
    kind = type(backend).__name__
    if n_jobs is None and kind != "DaskDistributedBackend":
        n_jobs = usable_processors() if chosen is None else backend.effective_n_jobs(chosen)
    if n_jobs is not None:
        check_int(n_jobs, where="Study.run", name="n_jobs", low=1, high=MAX_WORKERS)
    if n_jobs == 1 or kind == "SequentialBackend":
        return _Here()
    if kind == "DaskDistributedBackend":
        require("distributed", extra="study", purpose="a study on Dask")
        return _Cluster(backend.client, n_jobs)
    if kind == "ThreadingBackend":
        return _Threads(n_jobs or 1)
    if kind == "LokyBackend":
        return _Processes(n_jobs or 1)
    raise CapabilityError.of(
        where="Study.run",
        name="joblib backend",
        value=kind,
        bound="must be 'loky', 'threading' or 'dask'",
        fix='use joblib.parallel_config("loky")',
    )
