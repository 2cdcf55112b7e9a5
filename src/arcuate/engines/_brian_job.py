"""Builds and runs one Brian2 network from a folder; executed as a script in a process of its own.

The folder holds ``job.json`` (structure and code) and ``job.npz`` (numbers); the answer is written to
``out.npz`` there, without pickle, or the reason of a failure to ``error.txt``. Everything is explicit:
names, slots, orders and namespaces, so neither frames nor the magic network are looked at. All quantities
are numbers without units.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_CPP = {
    "arc_where": "inline double arc_where(bool c, double a, double b) { return c ? a : b; }",
    "arc_min": "inline double arc_min(double a, double b) { return (a < b || a != a) ? a : b; }",
    "arc_max": "inline double arc_max(double a, double b) { return (a > b || a != a) ? a : b; }",
    "arc_clip": (
        "inline double arc_clip(double x, double low, double high)"
        " { return x < low ? low : (x > high ? high : x); }"
    ),
    "arc_floor": "inline double arc_floor(double x) { return std::floor(x); }",
}
_CYTHON = {
    "arc_where": """
cdef inline double arc_where(bint c, double a, double b):
    return a if c else b
""",
    "arc_min": """
cdef inline double arc_min(double a, double b):
    return a if (a < b or a != a) else b
""",
    "arc_max": """
cdef inline double arc_max(double a, double b):
    return a if (a > b or a != a) else b
""",
    "arc_clip": """
cdef inline double arc_clip(double x, double low, double high):
    return low if x < low else (high if x > high else x)
""",
    "arc_floor": """
from libc.math cimport floor as arc_libc_floor
cdef inline double arc_floor(double x):
    return arc_libc_floor(x)
""",
}
_NUMPY: dict[str, Callable[..., Any]] = {
    "arc_where": np.where,
    "arc_min": lambda a, b: np.where((a < b) | (a != a), a, b),
    "arc_max": lambda a, b: np.where((a > b) | (a != a), a, b),
    "arc_clip": lambda x, low, high: np.where(x < low, low, np.where(x > high, high, x)),
    "arc_floor": np.floor,
}
_ARGUMENTS = {"arc_where": 3, "arc_min": 2, "arc_max": 2, "arc_clip": 3, "arc_floor": 1}


def _functions(cuda: bool) -> dict[str, Any]:
    """Functions that Brian2 lacks or defines otherwise, with the same bits on every target."""
    from brian2 import Function

    numpy, cpp, cython, arguments = dict(_NUMPY), dict(_CPP), dict(_CYTHON), dict(_ARGUMENTS)
    sys.path.append(str(Path(__file__).resolve().parents[2]))  # the package that this script belongs to
    from arcuate.mechanisms import _elementary

    for key, compute in _elementary.ELEMENTARY.items():
        name = f"arc_{key}"
        numpy[name], arguments[name] = compute, 1
        cpp[name], cython[name] = _elementary.source(key, "cpp"), _elementary.source(key, "cython")
    functions = {}
    for name, count in arguments.items():
        types = ["float"] * count
        if name == "arc_where":
            types[0] = "boolean"
        function = Function(
            numpy[name], arg_units=[1] * count, return_unit=1, arg_types=types, return_type="float"
        )
        function.implementations.add_implementation("numpy", numpy[name])
        function.implementations.add_implementation("cpp", cpp[name], name=name)
        function.implementations.add_implementation("cython", cython[name], name=name)
        if cuda:
            code = f"__host__ __device__ {cpp[name]}"
            function.implementations.add_implementation("cuda", code, name=name)
        functions[name] = function
    return functions


class Job:
    """One network, built from its description."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spec = json.loads((folder / "job.json").read_text(encoding="utf-8"))
        with np.load(folder / "job.npz", allow_pickle=False) as arrays:
            self.arrays = {key: arrays[key] for key in arrays.files}
        self.dt = float(self.spec["dt"])
        self.standalone = self.spec["target"] in ("cpp_standalone", "cuda_standalone")
        self.cuda: dict[str, Any] | None = self.spec.get("cuda")
        self.namespace: dict[str, Any] = {}
        self.objects: dict[str, Any] = {}

    def configure(self) -> None:
        """Preferences and device of this process."""
        import brian2

        brian2.BrianLogger.log_level_error()
        brian2.prefs.reset_to_defaults()  # whatever the user's own preference file says
        brian2.prefs.codegen.loop_invariant_optimisations = False
        brian2.prefs.codegen.cpp.extra_compile_args_gcc = self.spec["flags"]
        brian2.prefs.codegen.cpp.extra_compile_args_msvc = ["/w", "/O2", "/fp:strict", "/std:c++17"]
        if self.cuda is not None:
            self._configure_cuda(self.cuda)
        elif self.standalone:
            jobs = f"-j{max(1, min(4, os.cpu_count() or 1))}"
            brian2.prefs.devices.cpp_standalone.extra_make_args_unix = [jobs]
            brian2.set_device("cpp_standalone", directory=str(self.folder / "project"), build_on_run=False)
        else:
            brian2.prefs.codegen.target = self.spec["target"]
            if self.spec["target"] == "cython":
                brian2.prefs.codegen.runtime.cython.cache_dir = self.spec["cache"]
        brian2.defaultclock.dt = self.dt * brian2.second

    def _configure_cuda(self, cuda: dict[str, Any]) -> None:
        """Device of brian2cuda; without a GPU it is told what to write code for."""
        import brian2
        import brian2cuda  # noqa: F401  (registers the device)

        backend = brian2.prefs.devices.cuda_standalone.cuda_backend
        backend.extra_compile_args_nvcc = cuda["flags"]
        if cuda["paths"]:  # cuRAND as a Python package; its library has only a numbered name
            links = Path(cuda["project"]) / "curand"
            links.mkdir(parents=True, exist_ok=True)
            for library in Path(cuda["paths"]["lib"]).glob("libcurand.so.*"):
                (links / "libcurand.so").unlink(missing_ok=True)
                (links / "libcurand.so").symlink_to(library)
            brian2.prefs.codegen.cpp.include_dirs += [cuda["paths"]["include"]]
            brian2.prefs.codegen.cpp.library_dirs += [str(links), cuda["paths"]["lib"]]
            backend.extra_compile_args_nvcc += [f"-I{cuda['paths']['include']}"]
        if not cuda["detect"]:
            backend.detect_gpus, backend.gpu_id = False, 0
            backend.compute_capability = cuda["compute_capability"]
            backend.cuda_runtime_version = cuda["runtime"]
        brian2.set_device("cuda_standalone", directory=cuda["project"], build_on_run=False)

    def build(self) -> None:
        """Make every object of the network."""
        from brian2 import TimedArray, second

        self.namespace = _functions(self.cuda is not None)
        for timed in self.spec["timed"]:
            values = self.arrays[timed["key"]]
            self.namespace[timed["name"]] = TimedArray(
                values, dt=timed["every"] * self.dt * second, name=timed["name"]
            )
        for group in self.spec["groups"]:
            self._group(group)
        for group in self.spec["groups"]:
            self._values(group)
        for synapses in self.spec["synapses"]:
            self._synapses(synapses)
        for update in self.spec["updates"]:
            self.objects[update["group"]].run_regularly(
                update["code"],
                dt=update["every"] * self.dt * second,
                when=update["when"],
                order=update["order"],
                name=update["name"],
            )
        for monitor in self.spec["monitors"]:
            self._monitor(monitor)

    def _group(self, spec: dict[str, Any]) -> None:
        from brian2 import NeuronGroup

        events = dict(spec["events"])
        group = NeuronGroup(
            spec["n"],
            spec["equations"],
            threshold=spec["threshold"],
            reset=spec["reset"],
            events={name: event["condition"] for name, event in events.items()},
            name=spec["name"],
            namespace=self.namespace,
        )
        if spec["threshold"] is not None:
            group.thresholder["spike"].when = "thresholds"
            group.thresholder["spike"].order = spec["order"]
        if spec["reset"] is not None:
            group.resetter["spike"].when = "resets"
            group.resetter["spike"].order = spec["order"]
        for name, event in events.items():
            group.set_event_schedule(name, when=event["when"], order=event["order"])
        self.objects[spec["name"]] = group

    def _values(self, spec: dict[str, Any]) -> None:
        from brian2 import linked_var

        group = self.objects[spec["name"]]
        for variable, (source, its_variable) in spec["linked"].items():
            zeros = np.zeros(spec["n"], int)
            setattr(group, variable, linked_var(self.objects[source], its_variable, index=zeros))
        for variable, key in spec["values"].items():
            value = self.arrays[key]
            setattr(group, variable, float(value) if value.ndim == 0 else value)

    def _synapses(self, spec: dict[str, Any]) -> None:
        from brian2 import Synapses, second

        synapses = Synapses(
            self.objects[spec["source"]],
            self.objects[spec["target"]],
            spec["model"],
            on_pre=spec["on_pre"],
            on_post=None if spec["on_post"] is None else spec["on_post"]["code"],
            name=spec["name"],
            namespace=self.namespace,
        )
        synapses.connect(i=self.arrays[spec["i"]], j=self.arrays[spec["j"]])
        for variable, key in spec["values"].items():
            value = self.arrays[key]
            setattr(synapses, variable, float(value) if value.ndim == 0 else value)
        if spec["on_pre"] is not None:
            synapses.pre.when, synapses.pre.order = spec["when"], spec["order"]
            synapses.pre.delay = self.arrays[spec["delay"]] * self.dt * second
        if spec["on_post"] is not None:
            synapses.post.when, synapses.post.order = spec["on_post"]["when"], spec["on_post"]["order"]
        summed = spec["summed"] or spec
        for updater in synapses.summed_updaters.values():
            updater.when, updater.order = summed["when"], summed["order"]
        self.objects[spec["name"]] = synapses

    def _monitor(self, spec: dict[str, Any]) -> None:
        from brian2 import EventMonitor, SpikeMonitor, StateMonitor, second

        source = self.objects[spec["group"]]
        if spec["every"]:
            monitor = StateMonitor(
                source,
                spec["variables"],
                record=True,
                dt=spec["every"] * self.dt * second,
                when=spec["when"],
                order=spec["order"],
                name=spec["name"],
            )
        elif spec["event"] == "spike":
            monitor = SpikeMonitor(source, when="after_end", order=spec["order"], name=spec["name"])
        else:
            monitor = EventMonitor(
                source,
                spec["event"],
                variables=spec["variables"],
                when=spec["when"],
                order=spec["order"],
                name=spec["name"],
            )
        self.objects[spec["name"]] = monitor

    def run(self) -> float:
        """Run all steps; returns the seconds that they took, without building."""
        from brian2 import Network, device, second

        network = Network(list(self.objects.values()))
        duration = self.spec["n_steps"] * self.dt * second
        elapsed = [0.0]
        if self.standalone:
            network.run(duration, namespace={})
            project, run = str(self.folder / "project"), True
            if self.cuda is not None:
                project, run = self.cuda["project"], bool(self.cuda["run"])
            device.build(directory=project, compile=run, run=run, with_output=False)
            return float(device._last_run_time) if run else 0.0

        def report(passed: Any, *_: Any) -> None:
            elapsed[0] = float(passed)

        network.run(duration, namespace={}, report=report, report_period=1e9 * second)
        return elapsed[0]

    def answer(self, wall: float) -> None:
        """Write what was recorded and the final state."""
        out: dict[str, Any] = {"wall": np.array(wall)}
        for spec in self.spec["monitors"]:
            monitor = self.objects[spec["name"]]
            if spec["every"]:
                for variable in spec["variables"]:
                    out[f"{spec['name']}/{variable}"] = np.asarray(getattr(monitor, variable + "_")[:])
                continue
            neuron = np.asarray(monitor.i[:], np.int32)
            step = np.rint(np.asarray(monitor.t_[:]) / self.dt).astype(np.int64)
            order = np.lexsort((neuron, step))  # a GPU writes the events of one step in any order
            out[f"{spec['name']}/i"], out[f"{spec['name']}/step"] = neuron[order], step[order]
            for variable in spec["variables"]:
                out[f"{spec['name']}/{variable}"] = np.asarray(getattr(monitor, variable + "_")[:])[order]
        for owner, variable in self.spec["final"]:
            value = np.asarray(self.objects[owner].variables[variable].get_value(), float)
            out[f"{owner}/{variable}"] = value
        np.savez(self.folder / "out.npz", **out)


def main(folder: Path) -> int:
    """Run the job in a folder.

    Parameters
    ----------
    folder : Path
        Where ``job.json`` and ``job.npz`` are.

    Returns
    -------
    int
        Exit status.
    """
    if Path("brian_preferences").exists():  # Brian2 would run it as Python
        (folder / "error.txt").write_text("a file brian_preferences lies in the folder of the job")
        return 1
    try:
        job = Job(folder)
        job.configure()
        job.build()
        wall = job.run()
        if job.cuda is None or job.cuda["run"]:
            job.answer(wall)
    except Exception as error:
        cause: BaseException = error
        while cause.__cause__ is not None:  # Brian2 wraps what went wrong into the object in which it did
            cause = cause.__cause__
        (folder / "error.txt").write_text(f"{type(cause).__name__}: {cause}", encoding="utf-8")
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
