"""What a study will take, said before it runs."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arcuate.recording import Recording
from arcuate.spec import Network
from arcuate.study._store_folder import has_store

if TYPE_CHECKING:
    from arcuate.study.design import Point
    from arcuate.study.study import Study

__all__ = ["Forecast", "forecast"]

SHORT = 30.0
"""Seconds below which a probe is run twice, so that compiling, some seconds, does not count."""

SIZED = 100
"""Points whose memory is estimated."""

ROW = 1000
"""Bytes of a row of the index, about."""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a study will take; made by `Study.dry_run`.

    Attributes
    ----------
    points, done : int
        Points of the design, and how many the store holds already.
    n_jobs : int
        Processes.
    probe_seconds : float or None
        Time of one point, s; None if none was run.
    memory : int or None
        Bytes that one process needs; None for a function.
    disk : int or None
        Bytes that the store will need; None if recordings are kept and no point was run.

    Examples
    --------
    >>> found = Forecast(points=10, done=4, n_jobs=2, probe_seconds=1.0, memory=200_000_000, disk=10_000)
    >>> found.seconds
    3.0
    >>> print(found)
    10 points, 4 done already; 2 processes
    about 3 s (1 s a point)
    memory 200 MB a process, 400 MB in all
    disk 10 kB
    """

    points: int
    done: int
    n_jobs: int
    probe_seconds: float | None
    memory: int | None
    disk: int | None

    @property
    def seconds(self) -> float | None:
        """Predicted time of what is left, s."""
        if self.points == self.done:
            return 0.0
        if self.probe_seconds is None:
            return None
        return self.probe_seconds * (self.points - self.done) / self.n_jobs

    def __str__(self) -> str:
        done = f"{self.done} done already" if self.done else "none done yet"
        processes = "this process" if self.n_jobs == 1 else f"{self.n_jobs} processes"
        lines = [f"{self.points} points, {done}; {processes}"]
        if self.points == self.done:
            lines.append("nothing is left to run")
        elif self.seconds is None or self.probe_seconds is None:
            lines.append("time not known (no point was run)")
        else:
            lines.append(f"about {_time(self.seconds)} ({_time(self.probe_seconds)} a point)")
        if self.memory is None:
            lines.append("memory not known")
        else:
            each, whole = _size(self.memory), _size(self.memory * self.n_jobs)
            lines.append(f"memory {each} a process, {whole} in all")
        if self.disk is not None:
            lines.append(f"disk {_size(self.disk)}")
        return "\n".join(lines)

    __repr__ = __str__


def forecast(study: Study, folder: str | os.PathLike[str] | None, *, n_jobs: int, probe: bool) -> Forecast:
    """Run one point and say what all of them will take.

    Parameters
    ----------
    study : Study
        What is to be run.
    folder : path or None
        Of its store; it is only read.
    n_jobs : int
        Processes.
    probe : bool
        Whether the point is run.

    Returns
    -------
    Forecast

    Raises
    ------
    ArcuateError
        Whatever the point raises.
    """
    keys = study.keys()
    done: set[str] = set()
    if folder is not None and has_store(folder):
        from arcuate.study.store import Store

        done = Store.read(folder).done_keys().intersection(keys)
    left = len(keys) - len(done)
    first = next((index for index, key in enumerate(keys) if key not in done), 0)
    seconds, stored = None, None if study.keep and left else 0
    if probe and left:
        seconds, stored = _probe(study, study.design[first])
    return Forecast(
        points=len(keys),
        done=len(done),
        n_jobs=min(n_jobs, max(left, 1)),
        probe_seconds=seconds,
        memory=_memory(study),
        disk=None if stored is None else (stored + ROW) * left,
    )


def _probe(study: Study, point: Point) -> tuple[float, int]:
    """Seconds that a point takes, and the bytes of its recording if it is kept."""
    seconds, result = _timed(study, point)
    if seconds < SHORT:
        again, result = _timed(study, point)
        seconds = min(seconds, again)
    if not study.keep or not isinstance(result, Recording):
        return seconds, 0
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        size = result.save(Path(folder) / "probe.nc").stat().st_size
        return seconds + time.perf_counter() - started, size


def _timed(study: Study, point: Point) -> tuple[float, Any]:
    """Run a point and measure it."""
    from arcuate.simulate import simulate

    started = time.perf_counter()
    if isinstance(study.spec, Network):
        result: Any = simulate(
            study.network(point),
            None if study.duration is None else f"{study.duration!r} s",
            seed=study.seed_at(point),
            engine=study.engine,
            order=study.order,
            precision=study.precision,
            progress=False,
        )
    else:
        result = study.spec(**study.arguments(point))
    study.metrics(result)
    return time.perf_counter() - started, result


def _memory(study: Study) -> int | None:
    """Bytes of the largest of some points, beside what a process needs anyway."""
    if not isinstance(study.spec, Network):
        return None
    from arcuate.engines.build import run_length
    from arcuate.engines.memory import estimate_memory

    largest = 0
    step = max(1, len(study.design) // SIZED)
    for index in range(0, len(study.design), step):
        point = study.design[index]
        network = study.network(point)
        duration = None if study.duration is None else f"{study.duration!r} s"
        n_steps, trials = run_length(network, duration, study.seed_at(point))
        needed = estimate_memory(network, n_steps, trials, precision=study.precision)
        largest = max(largest, sum(needed.values()))
    return largest + _resident()


def _resident() -> int:
    """Bytes that this process holds: about what a worker needs before it runs anything."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 200_000_000
    return pages * os.sysconf("SC_PAGE_SIZE")


def _time(seconds: float) -> str:
    """A time for people."""
    for size, unit in ((86400.0, "days"), (3600.0, "h"), (60.0, "min"), (1.0, "s")):
        if seconds >= 1.5 * size or (unit == "s" and seconds >= 1.0):
            return f"{seconds / size:.3g} {unit}"
    return f"{1000 * seconds:.3g} ms"


def _size(n_bytes: float) -> str:
    """A size for people."""
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if n_bytes >= size:
            return f"{n_bytes / size:.3g} {unit}"
    return f"{n_bytes:.0f} bytes"
