"""The Brian2 engine: the same plan as a Brian2 network, on its numpy, cython, C++ or CUDA target.

Brian2 is imported only in a process of its own, for every run: its device and its preferences are global,
and a standalone build cannot be undone. The plan travels there as arrays and code (``_brian_emit``), the
results come back as arrays. All variables are numbers in SI units without Brian2's units; compiler flags
are strict IEEE, so spikes are the same as with the Numba engine.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from arcuate._inputs import SHARE, available_memory
from arcuate._jit import cache_dir
from arcuate.engines import check_arithmetic
from arcuate.engines._brian_emit import Description, describe
from arcuate.engines._brian_plastic import plastic_final, plastic_snapshots
from arcuate.engines.brian_cuda import NVCC_FLAGS, check_cuda, find_gpu, job_settings
from arcuate.engines.plan import Array, Plan
from arcuate.engines.result import RawRun
from arcuate.errors import (
    CapabilityError,
    EngineError,
    MemoryLimitError,
    MissingExtraError,
    NonFiniteError,
    check_choice,
)
from arcuate.spec import Delta, Network

TARGETS: Mapping[str, str] = {
    "brian2": "numpy",
    "brian2-numpy": "numpy",
    "brian2-cython": "cython",
    "brian2-cpp": "cpp_standalone",
    "brian2-cuda": "cuda_standalone",
}
"""Names of the engine and the target of Brian2 that each stands for."""

FLAGS = ("-w", "-O2", "-ffp-contract=off", "-std=c++17")
"""Compiler flags: no fast-math, no fused multiply-add, so that results do not depend on the machine."""

Progress = Callable[[int], None]
"""Called with the number of steps done since the last call."""


class BrianEngine:
    """Runs a plan with Brian2.

    Parameters
    ----------
    name : str
        ``"brian2"`` or ``"brian2-numpy"`` (needs no compiler), ``"brian2-cython"``, ``"brian2-cpp"``
        (C++ standalone), or ``"brian2-cuda"`` (a GPU, through brian2cuda).

    Examples
    --------
    >>> BrianEngine("brian2-cpp").target
    'cpp_standalone'
    """

    def __init__(self, name: str = "brian2") -> None:
        self.name = check_choice(name, tuple(TARGETS), where="BrianEngine", name="name")
        self.target = TARGETS[self.name]

    def capabilities(self) -> frozenset[str]:
        """Features of a specification that this engine can run.

        Returns
        -------
        frozenset of str
        """
        return frozenset(
            {
                "delay",
                "noise",
                "spike_input",
                "feedback",
                "center",
                "rule:Delta",
                "low_rank",
                "plasticity",
                "short_term",
            }
        )

    def explain(self, network: Network) -> list[str]:
        """Say what in a network this engine cannot run.

        Parameters
        ----------
        network : Network
            The specification.

        Returns
        -------
        list of str
            One sentence for each obstacle; empty if there is none.
        """
        obstacles = []
        for projection in network.projections.values():
            if projection.plasticity is not None and self.target == "cuda_standalone":
                obstacles.append(
                    f"Projection {projection.name!r} is plastic; on a GPU its order of work is not fixed"
                )
        for readout in network.readouts.values():
            if readout.rule is not None and not isinstance(readout.rule, Delta):
                rule = type(readout.rule).__name__
                obstacles.append(
                    f"Readout {readout.name!r} learns by {rule}; with Brian2 only the Delta rule can be run"
                )
        return obstacles

    def start(
        self, plan: Plan, *, threads: int = 1, order: str = "strict", precision: str = "float64"
    ) -> BrianRun:
        """Prepare a run.

        Parameters
        ----------
        plan : Plan
            What to run.
        threads : int
            Taken for symmetry with the other engines; Brian2 runs with one.
        order : {"strict"}
            The only order of sums that Brian2 has.
        precision : {"float64"}
            The only precision in which Brian2 is run.

        Returns
        -------
        BrianRun

        Raises
        ------
        CapabilityError
            If the network, the order or the precision is what Brian2 cannot do.
        MissingExtraError
            If Brian2 is not installed.
        EngineError
            If the installed versions do not work together, or importing Brian2 here would not be safe.
        """
        check_arithmetic(self, order=order, precision=precision)
        obstacles = self.explain(plan.network)
        if obstacles:
            raise CapabilityError.of(where=self.name, bound="; ".join(obstacles), fix='use engine="numba"')
        check_installation(self.target)
        if self.target == "cuda_standalone":
            check_cuda(run=True)
        return BrianRun(plan, self.name)


class BrianRun:
    """One run of a plan, from step 0; it cannot be continued.

    Attributes
    ----------
    plan : Plan
        The plan.
    step : int
        Steps done.
    amend : list of callable
        Each is called with the :class:`Description` before it is run, and may change it. This is how
        a test runs a network whose order of operations is wrong on purpose.
    """

    def __init__(self, plan: Plan, name: str) -> None:
        self.plan, self.name, self.step = plan, name, 0
        self.amend: list[Callable[[Description], None]] = []
        self._final: dict[str, Array] = {}

    def state(self) -> dict[str, Array]:
        """Copy of the state after the last step, by its name in the plan.

        Returns
        -------
        dict of str to ndarray

        Raises
        ------
        CapabilityError
            Before the run.
        """
        if not self.step:
            raise self._cannot("has no state before its run")
        return {key: value.copy() for key, value in self._final.items()}

    def advance(self, n_steps: int, *, progress: Progress | None = None) -> RawRun:
        """Run the first steps of the plan.

        Parameters
        ----------
        n_steps : int
            How many.
        progress : callable, optional
            Called once, at the end, with the number of steps.

        Returns
        -------
        RawRun

        Raises
        ------
        CapabilityError
            If it ran before: Brian2 runs a plan in one piece.
        EngineError
            If the plan is shorter, or Brian2 fails.
        MemoryLimitError
            If the noise, the inputs and the schedules of all steps do not fit.
        NonFiniteError
            If a state variable is not finite at the end.
        """
        if self.step:
            raise self._cannot("runs a plan in one piece")
        if n_steps > self.plan.n_steps:
            raise EngineError.of(
                where="advance", name="duration", value=n_steps * self.plan.dt,
                bound=f"the plan has {self.plan.n_steps * self.plan.dt:g} s", fix="plan a longer run",
            )  # fmt: skip
        check_tables(self.plan, n_steps)
        job = describe(self.plan, n_steps)
        for change in self.amend:
            change(job)
        start = time.perf_counter()
        out = run_job(job, TARGETS[self.name], where=self.name)
        whole = time.perf_counter() - start
        self.step = n_steps
        self._final = _final(job, out)
        _check_finite(self._final, n_steps * self.plan.dt)
        if progress is not None:
            progress(n_steps)
        facts: dict[str, str | int | float] = {
            "load_s": whole - float(out["wall"]), "order": "strict", "threads": 1,
            "brian2": metadata.version("brian2"), "target": TARGETS[self.name],
        }  # fmt: skip
        if TARGETS[self.name] == "cuda_standalone":
            facts |= {"order": "atomic", "flags": " ".join(NVCC_FLAGS), "gpu": find_gpu() or ""}
        elif TARGETS[self.name] != "numpy":
            facts["flags"] = " ".join(FLAGS)
        return _result(job, out, self._final, facts)

    def _cannot(self, bound: str) -> CapabilityError:
        return CapabilityError.of(where=self.name, bound=bound, fix='use engine="numba"')


def check_tables(plan: Plan, n_steps: int) -> None:
    """Refuse a run whose values for every step would not fit, before they are made.

    Brian2 looks noise, inputs and teachers up in tables of the whole run, and four copies exist at once.

    Parameters
    ----------
    plan : Plan
        The plan.
    n_steps : int
        Steps to run.

    Raises
    ------
    MemoryLimitError
        With the number of bytes.
    """
    width = sum(p.n for p in plan.populations.values() if p.noise is not None)
    width += sum(drive.values.shape[1] for drive in plan.inputs.values())
    width += sum(4 + readout.n_outputs for readout in plan.readouts.values())
    needed, free = 4 * 8 * width * n_steps, available_memory()
    if needed > SHARE * free:
        raise MemoryLimitError.of(
            where="The Brian2 engine", name="duration", value=n_steps * plan.dt,
            bound=f"needs {needed / 1e9:.3g} GB for noise, inputs, schedules; {free / 1e9:.3g} GB are free",
            fix='shorten the run, or use engine="numba", which makes them as it goes',
        )  # fmt: skip


def check_installation(target: str, *, folder: Path | None = None) -> None:
    """Refuse before anything is imported what would fail, or run foreign code, when Brian2 is imported.

    Parameters
    ----------
    target : str
        Target of Brian2: ``"numpy"``, ``"cython"`` or ``"cpp_standalone"``.
    folder : Path, optional
        Working folder to look at instead of the present one.

    Raises
    ------
    MissingExtraError
        If Brian2 is not installed.
    EngineError
        If NumPy is too new for it, no compiler is there, or a file ``brian_preferences`` lies in the folder.

    Examples
    --------
    >>> check_installation("numpy")
    """
    if importlib.util.find_spec("brian2") is None:
        raise MissingExtraError.of(
            where="The Brian2 engine", name="brian2", bound="is not installed",
            fix="install it with: pip install brian2",
        )  # fmt: skip
    brian2, numpy = metadata.version("brian2"), metadata.version("numpy")
    if _release(brian2) < (2, 10) and _release(numpy) >= (2, 4):
        raise EngineError.of(
            where="The Brian2 engine", name="numpy", value=numpy,
            bound=f"Brian2 {brian2} needs NumPy older than 2.4, which dropped ndarray.ptp",
            fix='install "numpy<2.4", or brian2 2.10 or newer (Python 3.12)',
        )  # fmt: skip
    preferences = (folder or Path.cwd()) / "brian_preferences"
    if preferences.exists():
        raise EngineError.of(
            where="The Brian2 engine", name="brian_preferences",
            bound="a file of that name lies in the working folder; Brian2 runs it as Python when imported",
            fix="move it away or change the folder; the engine sets the preferences that it needs",
        )  # fmt: skip
    if target != "numpy" and os.name == "posix" and not (shutil.which("g++") or os.environ.get("CXX")):
        raise EngineError.of(
            where=f"Brian2, {target}", name="g++", bound="needs a C++ compiler and found none",
            fix='install g++, or use engine="brian2"',
        )  # fmt: skip


def _release(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int("".join(c for c in minor if c.isdigit()) or 0)


def run_job(
    job: Description, target: str, *, where: str, cuda: Mapping[str, Any] | None = None
) -> dict[str, Array]:
    """Run a description in a process of its own and read its answer.

    Parameters
    ----------
    job : Description
        The network.
    target : str
        Target of Brian2.
    where : str
        Name of the engine, for messages.
    cuda : mapping, optional
        Settings of a job that only writes code, from :func:`arcuate.engines.brian_cuda.job_settings`.

    Returns
    -------
    dict of str to ndarray
        Empty if code was only written.

    Raises
    ------
    EngineError
        If the process fails.
    """
    spec = {**job.spec(), "target": target, "flags": list(FLAGS), "cache": str(cache_dir() / "brian2")}
    with tempfile.TemporaryDirectory(prefix="arcuate-brian2-") as name:
        folder = Path(name)
        if target == "cuda_standalone":
            spec["cuda"] = cuda or job_settings(folder / "project", run=True)
        (folder / "job.json").write_text(json.dumps(spec, allow_nan=False), encoding="utf-8")
        np.savez(folder / "job.npz", **job.arrays)  # type: ignore[arg-type]
        (folder / "work").mkdir()
        status, said = _execute(folder)
        if status:
            raise _failure(folder, where, status, said)
        if cuda is not None:
            return {}
        with np.load(folder / "out.npz", allow_pickle=False) as answer:
            return {key: answer[key] for key in answer.files}


def _execute(folder: Path) -> tuple[int, str]:
    """Run the job script; whatever ends this process's wait also ends the job and its compilers."""
    script = Path(__file__).with_name("_brian_job.py")
    work = str(folder / "work")
    environment = {**os.environ, "TMPDIR": work, "TEMP": work, "TMP": work, "MPLBACKEND": "Agg"}
    command = [sys.executable, "-P", str(script), str(folder)]
    with subprocess.Popen(
        command, cwd=work, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True,
    ) as process:  # fmt: skip
        try:
            _, said = process.communicate()
        except BaseException:
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
            raise
    return process.returncode, said


def _failure(folder: Path, where: str, status: int, said: str) -> EngineError:
    reason = folder / "error.txt"
    if reason.exists():
        text = reason.read_text(encoding="utf-8")
    elif status < 0:
        text = f"its process was ended by signal {-status}"
    else:
        text = ([line for line in said.splitlines() if line.strip()] or ["no message"])[-1]
    return EngineError.of(
        where=where, bound=f"Brian2 failed: {' '.join(text.split())[:300]}", fix='use engine="numba"'
    )


def _final(job: Description, out: Mapping[str, Array]) -> dict[str, Array]:
    """Final state by the names of the plan."""
    plan, names = job.plan, job.names
    final: dict[str, Array] = {}
    for name, population in plan.populations.items():
        p = names.population[name]
        final |= {f"{name}/{key}": out[f"{p}/{p}_{key}"] for key in population.model.variables}
    for name, current in plan.currents.items():
        p, c = names.population[current.post], names.current[name]
        final |= {f"{name}/{key}": out[f"{p}/{c}_{key}"] for key in current.model.variables}
    for name, feature in plan.features.items():
        p, f = names.population[feature.population], names.feature[name]
        final |= {f"{name}/{key}": out[f"{p}/{f}_{key}"] for key in feature.model.variables}
    for name, readout in plan.readouts.items():
        o = names.readout[name]
        rows = range(readout.n_outputs)
        final[f"{name}/weights"] = np.array([out[f"{o}u/{o}_w{k}"] for k in rows])
        final[f"{name}/z"] = np.array([out[f"{o}/{o}_z{k}"][0] for k in rows])
        final[f"{name}/x"] = out[f"{o}u/{o}_x"]
        if readout.spec.rule is not None:
            final[f"{name}/error"] = np.array([out[f"{o}/{o}_error{k}"][0] for k in rows])
        if readout.spec.center is not None:
            final |= {f"{name}/{key}": out[f"{o}u/{o}_{key}"] for key in ("mean", "trial_sum")}
            final[f"{name}/trial_samples"] = out[f"{o}u/{o}_trial_samples"][:1]
    return final | plastic_final(job, out)


def _check_finite(final: Mapping[str, Array], duration: float) -> None:
    for key, value in final.items():
        if not np.isfinite(value).all():
            site, _, variable = key.rpartition("/")
            raise NonFiniteError.of(
                where=f"Brian2, {site!r}", name=variable, value=float(value[~np.isfinite(value)].flat[0]),
                bound=f"neuron {np.argwhere(~np.isfinite(value))[0][-1]} is not finite after {duration:g} s",
                fix='run with engine="numba", which names the step at which it happens',
            )  # fmt: skip


def _result(
    job: Description, out: Mapping[str, Array], final: dict[str, Array], facts: dict[str, str | int | float]
) -> RawRun:
    plan, names, n_steps = job.plan, job.names, job.n_steps
    spikes = {}
    for name in plan.record.spikes:
        p = names.population[name]
        spikes[name] = (out[f"{p}_spikes/i"], out[f"{p}_spikes/step"])
    steps = plan.record.steps
    steps = steps[steps < n_steps]
    states = {}
    for number, (site, variable, neurons) in enumerate(plan.record.states):
        values = np.empty((0, neurons.size))
        if steps.size:
            kept, place = np.unique(neurons, return_inverse=True)
            values = out[f"record{number}/{names.any(site)}_{variable}"].reshape(steps.size, kept.size)[
                :, place
            ]
        states[site, variable] = values
    outputs, features, weights = {}, {}, {}
    sample_steps, weight_steps = {}, {}
    for name, readout in plan.readouts.items():
        o, k = names.readout[name], readout.n_outputs
        sample_steps[name] = out[f"{o}_sample/step"]
        outputs[name] = np.stack([out[f"{o}_sample/{o}_z{row}"] for row in range(k)], axis=1)
        features[name] = np.empty((0, readout.n_units))
        weights[name], weight_steps[name] = np.empty((0, k, readout.n_units)), np.empty(0, np.int64)
        if "features" in plan.record.readouts:
            features[name] = out[f"{o}u_sample/{o}_r"].reshape(-1, readout.n_units)
        if "weights" in plan.record.readouts:
            rows = [out[f"{o}u_snapshot/{o}_w{row}"].reshape(-1, readout.n_units) for row in range(k)]
            weights[name] = np.stack(rows, axis=1)
            weight_steps[name] = out[f"{o}u_snapshot/step"].reshape(-1, readout.n_units)[:, 0]
    return RawRun(
        first=0, stop=n_steps, spikes=spikes, state_steps=steps, states=states, sample_steps=sample_steps,
        outputs=outputs, features=features, weight_steps=weight_steps, weights=weights, final=final,
        synapses=plastic_snapshots(job, out),
        wall=float(out["wall"]), facts=facts,
    )  # fmt: skip


__all__ = ["FLAGS", "TARGETS", "BrianEngine", "BrianRun", "check_installation", "run_job"]
