"""What is installed, what works, what there is to work with."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from arcuate.engines import ENGINES
from arcuate.engines.brian_cuda import find_gpu
from arcuate.simulate import usable_processors

_PACKAGES = (
    "arcuate",
    "numpy",
    "scipy",
    "numba",
    "brian2",
    "xarray",
    "h5netcdf",
    "matplotlib",
    "torch",
    "dask",
)
_SLOW = frozenset({"brian2-cython", "brian2-cpp", "brian2-cuda"})
_PATIENCE = 600
_NETWORK = """
name = "doctor"
dt = "0.5 ms"
[populations.cells]
n = 10
bias = 10.0
[populations.cells.neuron]
model = "izh2003"
"""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the doctor's report.

    Attributes
    ----------
    what, found : str
        The thing and what there is of it.
    mark : str
        ``ok``, ``missing`` (optional), ``fails`` (needed) or nothing.
    advice : str
        What to do about it.
    """

    what: str
    found: str
    mark: str = ""
    advice: str = ""


def examine(*, every: bool = False, progress: Callable[..., None] | None = None) -> tuple[Finding, ...]:
    """Look at versions, engines, compiler, threads, memory, disk and the cache folder.

    Parameters
    ----------
    every : bool, optional
        Also try the engines that compile C++ first.
    progress : callable, optional
        Called as ``progress(done, total, label)``.

    Returns
    -------
    tuple of Finding
        In the order of the report.

    Examples
    --------
    >>> examine()[0].what
    'python'
    """
    findings = [
        Finding(
            what="python", found=f"{platform.python_version()} on {platform.system()} {platform.machine()}"
        )
    ]
    findings += _versions()
    findings += [_compiler(), _gpu(), _threads(), _memory(), _disk(), _cache()]
    for index, name in enumerate(ENGINES):
        if progress is not None:
            progress(index, len(ENGINES), f"trying {name}")
        findings.append(_engine(name) if every or name not in _SLOW else _not_tried(name))
    return tuple(findings)


def _versions() -> list[Finding]:
    """Return the versions of the packages that matter, and the known conflict between two of them."""
    from arcuate.study.report import package_version

    found = {name: package_version(name) for name in _PACKAGES}
    findings = []
    for name, version in found.items():
        advice = ""
        if name == "brian2" and version == "2.9.0" and _newer(found["numpy"], (2, 4)):
            advice = f"it cannot run with numpy {found['numpy']}; install numpy<2.4 or use Python >= 3.12"
        mark = "fails" if advice else ("ok" if version else "missing")
        findings.append(Finding(what=name, found=version or "not installed", mark=mark, advice=advice))
    return findings


def _newer(version: str | None, least: tuple[int, int]) -> bool:
    """Tell whether a version such as ``2.4.6`` is at least (2, 4)."""
    parts = (version or "0.0").split(".")[:2]
    return all(part.isdigit() for part in parts) and tuple(int(part) for part in parts) >= least


def _compiler() -> Finding:
    """Return the C++ compiler that Brian2 would use."""
    wanted = (os.environ.get("CXX", ""), "c++", "g++", "clang++", "cl")
    path = next((place for name in wanted if name and (place := shutil.which(name))), None)
    if path is None:
        return Finding(
            what="compiler",
            found="none",
            mark="missing",
            advice="brian2-cython and brian2-cpp need a C++ compiler",
        )
    try:
        answer = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=10, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        answer = ""
    return Finding(what="compiler", found=(answer.splitlines() or [Path(path).name])[0], mark="ok")


def _gpu() -> Finding:
    """Return the GPU that its driver shows."""
    name = find_gpu()
    return Finding(what="gpu", found=name or "none", mark="ok" if name else "missing")


def _threads() -> Finding:
    """Return how many processors there are and what limits the threads."""
    limits = [
        f"{name}={os.environ[name]}"
        for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        if name in os.environ
    ]
    text = f"{usable_processors()} of {os.cpu_count()} processors"
    return Finding(what="threads", found=", ".join([text, *limits]), mark="ok")


def _memory() -> Finding:
    """Return total and available memory."""
    total = available = 0
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.endswith("kB")}
        total, available = sizes.get("MemTotal", 0), sizes.get("MemAvailable", 0)
    except OSError:
        if "SC_PHYS_PAGES" in os.sysconf_names:
            total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    text = f"{total / 2**30:.1f} GiB" if total else "unknown"
    return Finding(what="memory", found=text + (f", {available / 2**30:.1f} GiB free" if available else ""))


def _disk() -> Finding:
    """Return the space left where the command was given."""
    free = shutil.disk_usage(Path.cwd()).free
    low = free < 2**30
    return Finding(
        what="disk",
        found=f"{free / 2**30:.1f} GiB free here",
        mark="" if low else "ok",
        advice="less than 1 GiB is left here" if low else "",
    )


def _cache() -> Finding:
    """Return the folder of compiled code and whether it can be written."""
    from arcuate._jit import cache_dir

    folder = cache_dir()
    try:
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError:
        return Finding(
            what="cache",
            found=str(folder),
            mark="fails",
            advice="cannot be written; name another folder in the environment variable ARCUATE_CACHE",
        )
    return Finding(what="cache", found=str(folder), mark="ok")


def _engine(name: str) -> Finding:
    """Run ten neurons for 100 ms in a process of its own, which may do anything without harm."""
    what, bad = f"engine {name}", "fails" if name == "numba" else "missing"
    command = [
        sys.executable,
        "-c",
        f"from arcuate.cli.doctor import ten_neurons; print(ten_neurons({name!r}))",
    ]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return Finding(what=what, found=f"no answer in {_PATIENCE} s", mark=bad)
    last = (answer.stdout.split() or [""])[-1]
    if answer.returncode or not last.isdigit():
        reason = (answer.stderr.strip().splitlines() or [f"it ended with {answer.returncode}"])[-1]
        return Finding(what=what, found="does not run", mark=bad, advice=reason)
    return Finding(what=what, found=f"{last} spikes of 10 neurons", mark="ok" if int(last) else bad)


def ten_neurons(name: str) -> int:
    """Run ten neurons for 100 ms.

    Parameters
    ----------
    name : str
        Name of an engine.

    Returns
    -------
    int
        Number of spikes.

    Examples
    --------
    >>> ten_neurons("numba") > 0
    True
    """
    from arcuate.simulate import simulate
    from arcuate.spec import Network

    rec = simulate(Network.from_toml(_NETWORK), "100 ms", seed=0, engine=name, progress=False)
    return int(rec.spikes("cells").sizes["spike"])


def _not_tried(name: str) -> Finding:
    """Return the line of an engine that would have to compile first."""
    return Finding(what=f"engine {name}", found="not tried (--all does)")


__all__ = ["Finding", "examine", "ten_neurons"]
