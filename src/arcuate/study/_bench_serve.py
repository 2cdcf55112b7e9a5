"""The side of a measured process: what every participant of :mod:`arcuate.study.bench` answers, and how.

A participant is a module with a function that gets a case and gives back a function to run. It runs as a
process of its own, possibly under another interpreter, so this module needs NumPy alone. Arguments of the
process: the folder of the case, the way. It prints a JSON line when it is prepared; then each line on its
standard input runs the whole again and prints another.
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["CASE", "Case", "Sample", "cpu", "serve", "timed"]

CASE = "case.npz"
"""File of a case: arrays and words, nothing pickled."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is to be run: arrays by name, read when they are asked for, the way, and a folder to write in."""

    arrays: Mapping[str, Any]
    way: str
    folder: Path

    def __getitem__(self, key: str) -> Any:
        return self.arrays[key]

    def __contains__(self, key: str) -> bool:
        return key in self.arrays

    @property
    def model(self) -> str:
        """Which equations: ``"izhikevich"``, ``"cuba"``, ``"cobahh"`` or ``"rls"``."""
        return str(self.arrays["model"])

    @property
    def n_steps(self) -> int:
        """Steps of a run."""
        return round(float(self["seconds"]) * 1e3 / float(self["dt_ms"]))


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One run.

    Parameters
    ----------
    cpu : float, s
        Processor time, without preparation.
    count : float
        What it came to: spikes, or a norm. It shows that the same was computed.
    share : float
        Part of the work that was done; below 1 the rest is extrapolated.
    peak_mb : float
        Largest resident memory of the further process that it ran in; 0 if there was none.
    arrays_mb : float
        Size of the arrays alone, if it is known.
    """

    cpu: float
    count: float
    share: float = 1.0
    peak_mb: float = 0.0
    arrays_mb: float = 0.0


def cpu() -> float:
    """CPU seconds of this process and its children so far."""
    parts = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in parts)


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of a call in this process, and its result."""
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def _peak_mb() -> float:
    """Largest resident memory of this process since it began, or since the last :func:`_forget_peak`."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _forget_peak() -> None:
    """Let the largest resident memory begin anew, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _say(**facts: float | str) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package


def serve(
    prepare: Callable[[Case], Callable[[], Sample]], *, package: str, imports: tuple[str, ...] = ()
) -> None:
    """Read the case of the command line, prepare it and answer until standard input ends.

    Parameters
    ----------
    prepare : callable
        From a case to a function that runs it from its start; what it compiles is not measured.
    package : str
        Name under which the participant is installed.
    imports : tuple of str
        Modules that it needs whatever it runs; memory up to here is told apart.
    """
    folder, way = sys.argv[1:]
    with np.load(Path(folder) / CASE, allow_pickle=False) as archive:
        try:
            for module in imports:
                import_module(module)
            imports_mb = _peak_mb()
            run = prepare(Case(arrays=archive, way=way, folder=Path(folder)))
        except ImportError as error:
            _say(missing=str(error))
            return
        _say(build_cpu=cpu(), imports_mb=imports_mb, peak_mb=_peak_mb(), version=_version(package))
        for _ in sys.stdin:
            _forget_peak()
            sample = run()
            _say(
                cpu=sample.cpu,
                count=sample.count,
                share=sample.share,
                peak_mb=_peak_mb(),
                apart_mb=sample.peak_mb,
                arrays_mb=sample.arrays_mb,
            )
