"""A participant of a measurement: a process that is asked for one run after the other."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import arcuate
from arcuate.errors import EngineError

__all__ = ["INSTALL", "OURS", "Participant"]

OURS = "arcuate"
"""Name of this package among the participants."""

INSTALL: Mapping[str, str] = {
    "brian2": "pip install brian2",
    "nest": "pip install nest-simulator",
    "jax": "pip install jax brainevent numba (Python 3.12 or later)",
    "numpy": "pip install numpy",
    "reservoirpy": "pip install reservoirpy",
}
"""Peers, and how each is installed."""

ONE_THREAD = {
    **dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "MPLBACKEND"), "1"
    ),
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
    "MPLBACKEND": "agg",
    "PYNEST_QUIET": "1",
}
"""Environment in which every participant has one thread."""


@dataclass
class Participant:
    """One package in one way, as a process of its own.

    Parameters
    ----------
    name, way : str
        Such as ``"brian2"``, ``"cython"``.
    folder : Path
        With the case; what the participant writes goes there too.
    python : str
        Its interpreter, which needs NumPy and the package.
    environment : mapping of str to str
        Further variables.

    Attributes
    ----------
    ready : dict
        What it answered when it was prepared: ``build_cpu``, ``peak_mb``, ``version``; or ``missing``.
    samples : dict of int to dict
        Answers by round: ``cpu``, ``count``, ``share``, ``peak_mb``.
    failure : str
        Why it was left out, if it was.
    """

    name: str
    way: str
    folder: Path
    python: str = sys.executable
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: dict[str, Any] = field(default_factory=dict)
    samples: dict[int, dict[str, float]] = field(default_factory=dict)
    failure: str = ""
    _process: subprocess.Popen[str] | None = None

    @property
    def label(self) -> str:
        """Name and way as people write them."""
        return f"{self.name} {self.way}"

    @property
    def log(self) -> Path:
        """What it wrote to standard error."""
        return self.folder / f"{self.name}_{self.way}.log".replace(" ", "_")

    def start(self) -> None:
        """Start the process and wait until it is prepared.

        Raises
        ------
        EngineError
            If it stops; with its last line.
        """
        library = self.folder / "library"
        library.mkdir(exist_ok=True)
        link = library / "arcuate"
        if not link.exists():  # alone on the path, so that the peer sees its own packages and no others
            link.symlink_to(Path(arcuate.__file__).parent, target_is_directory=True)
        work = self.folder / self.log.stem
        work.mkdir(exist_ok=True)
        case = work / "case.npz"
        if not case.exists():
            case.symlink_to(self.folder / "case.npz")
        environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(library), **self.environment}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # packages that were installed have their bytecode
        with self.log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [self.python, "-m", f"arcuate.study._bench_{self.name}", str(work), self.way],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=work,
                env=environment,
            )
        self.ready = self._answer()

    def run(self, number: int) -> dict[str, float]:
        """Ask for a run.

        Parameters
        ----------
        number : int
            Of the round.

        Returns
        -------
        dict of str to float
            As `samples`.

        Raises
        ------
        EngineError
            If it stops; with its last line.
        """
        process = self._process
        if process is None or process.stdin is None:
            raise EngineError.of(where="bench", name="participant", value=self.label, bound="is not running")
        with contextlib.suppress(BrokenPipeError):  # it stopped: the answer says so
            process.stdin.write("run\n")
            process.stdin.flush()
        self.samples[number] = self._answer()
        return self.samples[number]

    def finish(self) -> float:
        """End the process and wait for it.

        Returns
        -------
        float, s
            CPU time of its whole life, with that of the processes it started.
        """
        process, self._process = self._process, None
        if process is None:
            return 0.0
        for stream in (process.stdin, process.stdout):
            _close(stream)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return usage.ru_utime + usage.ru_stime

    def kill(self) -> None:
        """Stop the process where it is; for one that answers no more."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)  # Popen.kill might reap it, and its times with it
            self.finish()

    def _answer(self) -> dict[str, Any]:
        stream = self._process.stdout if self._process is not None else None
        for line in stream or ():
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                return answer
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise EngineError.of(
            where="bench",
            name="participant",
            value=self.label,
            bound=f"stopped without an answer: {lines[-1] if lines else 'no message'}",
            fix=f"see whether it works by itself; its interpreter is {self.python}",
        )


def _close(stream: IO[str] | None) -> None:
    if stream is not None:
        with contextlib.suppress(BrokenPipeError):
            stream.close()
