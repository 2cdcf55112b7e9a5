"""Brian2 on a GPU through brian2cuda: what it needs, its compiler flags, and its code without a GPU.

brian2cuda is an optional package under the GPL, so it is imported only in the process of a job. It adds
synaptic effects with atomic operations, whose order changes from run to run: its results are compared
by their statistics, never spike for spike.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from arcuate.errors import EngineError, MissingExtraError, SpecError, check_int, check_real

__all__ = ["NVCC_FLAGS", "check_cuda", "find_gpu", "job_settings", "write_cuda_project"]

NVCC_FLAGS = ("-w", "-fmad=false", "-std=c++17")
"""Flags of nvcc: no fused multiply-add, and the C++ that the libraries of CUDA 13 ask for; the makefile of
brian2cuda says C++11, and the last one given wins."""

CUDA_RUNTIME = 13.0
"""Version of CUDA that code is written for where no GPU can be asked."""


def find_gpu() -> str | None:
    """Name the first GPU that its driver shows.

    Returns
    -------
    str or None
        None without a driver or a device.

    Examples
    --------
    >>> find_gpu() is None or isinstance(find_gpu(), str)
    True
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        said = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"GPU \d+: (.+?) \(UUID", said.stdout)
    return found[1] if said.returncode == 0 and found else None


def check_cuda(*, run: bool) -> None:
    """Refuse before any work what would fail in the job.

    Parameters
    ----------
    run : bool
        Whether the code is to be compiled and run, not only written.

    Raises
    ------
    MissingExtraError
        If brian2cuda is not installed.
    EngineError
        If its Brian2 is another one, or no compiler or no GPU is there.
    """
    where = "Engine 'brian2-cuda'"
    if importlib.util.find_spec("brian2cuda") is None:
        raise MissingExtraError.of(
            where=where, name="brian2cuda", bound="is not installed; it needs Python 3.12 or newer",
            fix='install it with: pip install "arcuate[cuda]" -c constraints/py312-cuda.txt',
        )  # fmt: skip
    installed = metadata.version("brian2")
    wanted = [need for need in metadata.requires("brian2cuda") or () if need.lower().startswith("brian2")]
    pinned = re.search(r"==\s*([0-9.]+)", wanted[0]) if wanted else None
    if pinned and installed != pinned[1]:
        raise EngineError.of(
            where=where, name="brian2", value=installed, bound=f"brian2cuda needs Brian2 {pinned[1]}",
            fix=f"pip install brian2=={pinned[1]}",
        )  # fmt: skip
    if run and shutil.which("nvcc") is None:
        raise EngineError.of(
            where=where, name="nvcc", bound="the CUDA compiler was not found",
            fix='install the CUDA toolkit, or use engine="numba"',
        )  # fmt: skip
    if run and find_gpu() is None:
        raise EngineError.of(
            where=where, name="GPU", bound="none was found",
            fix='use engine="numba"; write_cuda_project of this module writes the code without a GPU',
        )  # fmt: skip


def _library_paths() -> dict[str, str]:
    """Where cuRAND lies if it was installed as a Python package and not with the toolkit."""
    spec = importlib.util.find_spec("nvidia")
    for root in spec.submodule_search_locations or () if spec is not None else ():
        for folder in sorted(Path(root).iterdir()):
            if (folder / "include" / "curand.h").is_file():
                return {"include": str(folder / "include"), "lib": str(folder / "lib")}
    return {}


def job_settings(project: Path, *, run: bool, compute_capability: float | None = None) -> dict[str, Any]:
    """Settings that the job of the other process needs beside the network.

    Parameters
    ----------
    project : Path
        Folder of the generated code.
    run : bool
        Whether to compile and run it.
    compute_capability : float, optional
        What to write code for; that of the GPU when there is one.

    Returns
    -------
    dict

    Examples
    --------
    >>> job_settings(Path("project"), run=False, compute_capability=9.0)["detect"]
    False
    """
    return {
        "project": str(project),
        "run": run,
        "detect": compute_capability is None,
        "compute_capability": compute_capability,
        "runtime": CUDA_RUNTIME,
        "flags": list(NVCC_FLAGS),
        "paths": _library_paths(),
    }


def write_cuda_project(
    network: Any,
    folder: str | Path,
    duration: Any = None,
    *,
    seed: int = 0,
    compute_capability: float = 9.0,
    inputs: Mapping[str, Any] | None = None,
    targets: Mapping[str, Any] | None = None,
    gates: Mapping[str, Any] | None = None,
) -> tuple[Path, ...]:
    """Write the CUDA program of a network without compiling it; no GPU is needed.

    Parameters
    ----------
    network : Network
        The specification.
    folder : path
        Where to write; must not exist, or be empty.
    duration : str or quantity, optional
        Length of the run; by default that of the network's task.
    seed : int
        Seed of every random number.
    compute_capability : float
        Of the GPU that will run it, such as 9.0.
    inputs, targets, gates : mapping of str to array, optional
        As for :func:`arcuate.simulate`.

    Returns
    -------
    tuple of Path
        The CUDA sources; ``make`` in the folder builds the program ``main``.

    Raises
    ------
    SpecError
        If the folder holds something, or an argument is not valid.
    MissingExtraError
        If brian2cuda is not installed.
    CapabilityError
        If Brian2 cannot run the network.

    References
    ----------
    Alevi, Stimberg, Sprekeler, Obermayer and Augustin 2022, Front. Neuroinform. 16:883700,
    doi:10.3389/fninf.2022.883700.

    Examples
    --------
    >>> write_cuda_project(network, "project", "1 s", compute_capability=8.0)  # doctest: +SKIP
    """
    from arcuate.engines import check_capabilities, get_engine
    from arcuate.engines._brian_emit import describe
    from arcuate.engines.brian_engine import run_job
    from arcuate.engines.build import build_plan

    where = "write_cuda_project"
    check_int(seed, where=where, name="seed", low=0)
    capability = check_real(compute_capability, where=where, name="compute_capability", low=5.0, high=99.0)
    target = Path(folder).absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise SpecError.of(
            where=where, name="folder", value=str(folder), bound="exists and is not empty",
            fix="name a new folder; nothing is overwritten",
        )  # fmt: skip
    engine = get_engine("brian2-cuda")
    check_capabilities(engine, network)
    check_cuda(run=False)
    plan = build_plan(network, seed=seed, duration=duration, inputs=inputs, targets=targets, gates=gates)
    job = describe(plan, plan.n_steps)
    settings = job_settings(target, run=False, compute_capability=capability)
    run_job(job, engine.target, where=engine.name, cuda=settings)
    return tuple(sorted(target.rglob("*.cu")))
