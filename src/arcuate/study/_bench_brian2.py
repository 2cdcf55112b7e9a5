"""The spiking workloads in Brian2, written as its users would; runs as a process of a measurement."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from arcuate.study._bench_serve import Case, Sample, serve, timed

FLAGS = ["-w", "-O3", "-ffast-math", "-fno-finite-math-only", "-march=native", "-std=c++17"]
"""Those of Brian2."""

CLOCK = (
    '{{ std::cerr << "CPU{0} " << std::setprecision(12) << double(clock())/CLOCKS_PER_SEC << std::endl; }}'
)

PEAK = """{ std::ifstream status("/proc/self/status"); std::string line;
while (std::getline(status, line)) if (line.find("VmHWM") == 0) std::cerr << line << std::endl; }"""
"""Largest resident memory of the binary itself; that of a child as the system counts it has its parent's."""

FEW = 2
"""Networks of many that a loop in Python measures; the rest is extrapolated."""

IZHIKEVICH = """
    dv/dt = (0.04*v**2 + 5*v + 140 - u + bias + s{feedback})/ms : 1
    du/dt = a*(b*v - u)/ms : 1
    ds/dt = -s/(10*ms) : 1
    bias : 1 (constant)
    a : 1 (constant)
    b : 1 (constant)
    c : 1 (constant)
    d : 1 (constant)
"""

TRACE = """
    dr/dt = -r/(20*ms) : 1
    feedback : 1
"""


def izhikevich(brian2: Any, case: Case) -> list[Any]:
    """W1, W2, W4 and W5: a reservoir, with a read-out if the case has one."""
    learns = "feedback" in case
    cells = brian2.NeuronGroup(
        len(case["v"]),
        IZHIKEVICH.format(feedback=" + feedback" if learns else "") + (TRACE if learns else ""),
        threshold="v >= 30",
        reset="v = c; u += d" + ("; r += 1" if learns else ""),
        method="euler",
        namespace={"ms": brian2.ms},
        name="cells",
    )
    for key in ("a", "b", "c", "d", "bias", "v", "u"):
        setattr(cells, key, case[key])
    many = "gains" in case
    recurrent = brian2.Synapses(
        cells,
        cells,
        "w : 1 (constant)" + ("\ngain : 1 (shared, constant)" if many else ""),
        on_pre="s_post += gain*w" if many else "s_post += w",
        name="recurrent",
    )
    recurrent.connect(i=case["pre"], j=case["post"])
    recurrent.w = case["weight"]
    if many:
        recurrent.gain = 1.0
    return [cells, recurrent, *(readout(brian2, case, cells) if learns else ())]


def readout(brian2: Any, case: Case, cells: Any) -> list[Any]:
    """Two outputs, the delta rule on every step, and their feedback."""
    dt = float(case["dt_ms"]) * brian2.ms
    target = brian2.TimedArray(case["target"], dt=dt, name="target")
    outputs = brian2.NeuronGroup(
        2, "z : 1\nerror = z - target(t, i) : 1", order=-3, namespace={"target": target}, name="outputs"
    )
    forward = brian2.Synapses(
        cells,
        outputs,
        "phi : 1\nz_post = phi*r_pre : 1 (summed)",
        namespace={"target": target},
        name="readout",
    )
    forward.connect()
    forward.phi = 0
    forward.run_regularly("phi -= 1e-5*error_post*r_pre", dt=dt, when="groups", order=-2, name="learning")
    back = brian2.Synapses(
        outputs, cells, "gain : 1 (constant)\nfeedback_post = gain*z_pre : 1 (summed)", name="back"
    )
    back.connect()
    back.gain = case["feedback"].ravel()
    return [outputs, forward, back]


def pair(brian2: Any, case: Case, cells: Any, unit: Any) -> list[Any]:
    """Excitatory and inhibitory synapses of one weight each."""
    excites = case["pre"] < int(case["n_exc"])
    objects = []
    for name, chosen in (("ge", excites), ("gi", ~excites)):
        weight = float(case["weight"][chosen][0]) * unit
        synapses = brian2.Synapses(
            cells, cells, on_pre=f"{name} += w", namespace={"w": weight}, name=f"to_{name}"
        )
        synapses.connect(i=case["pre"][chosen], j=case["post"][chosen])
        objects.append(synapses)
    return objects


def cuba(brian2: Any, case: Case) -> list[Any]:
    """W3, as in the examples of Brian2."""
    cells = brian2.NeuronGroup(
        len(case["v"]),
        """
        dv/dt = (ge + gi - (v + 49*mV))/(20*ms) : volt (unless refractory)
        dge/dt = -ge/(5*ms) : volt
        dgi/dt = -gi/(10*ms) : volt
        """,
        threshold="v > -50*mV",
        reset="v = -60*mV",
        refractory=5 * brian2.ms,
        method="exact",
        namespace={"mV": brian2.mV, "ms": brian2.ms},
        name="cells",
    )
    cells.v = case["v"] * brian2.mV
    return [cells, *pair(brian2, case, cells, brian2.mV)]


COBAHH = """
    dv/dt = (gl*(El-v)+ge*(Ee-v)+gi*(Ei-v)-g_na*(m*m*m)*h*(v-ENa)-g_kd*(n*n*n*n)*(v-EK))/Cm : volt
    dm/dt = alpha_m*(1-m)-beta_m*m : 1
    dn/dt = alpha_n*(1-n)-beta_n*n : 1
    dh/dt = alpha_h*(1-h)-beta_h*h : 1
    dge/dt = -ge*(1./taue) : siemens
    dgi/dt = -gi*(1./taui) : siemens
    alpha_m = 0.32*(mV**-1)*4*mV/exprel((13*mV-v+VT)/(4*mV))/ms : Hz
    beta_m = 0.28*(mV**-1)*5*mV/exprel((v-VT-40*mV)/(5*mV))/ms : Hz
    alpha_h = 0.128*exp((17*mV-v+VT)/(18*mV))/ms : Hz
    beta_h = 4./(1+exp((40*mV-v+VT)/(5*mV)))/ms : Hz
    alpha_n = 0.032*(mV**-1)*5*mV/exprel((15*mV-v+VT)/(5*mV))/ms : Hz
    beta_n = .5*exp((10*mV-v+VT)/(40*mV))/ms : Hz
"""
"""Traub and Miles as in Brette et al. 2007, J. Comput. Neurosci. 23:349, benchmark 3."""


def cobahh(brian2: Any, case: Case) -> list[Any]:
    """The Hodgkin-Huxley benchmark, as in the examples of Brian2."""
    ms, mv, area = brian2.ms, brian2.mV, 20000 * brian2.umetre**2
    density = area * brian2.siemens * brian2.cm**-2
    values = {"Cm": 1 * brian2.ufarad * brian2.cm**-2 * area, "gl": 5e-5 * density}
    values |= {"g_na": 0.1 * density, "g_kd": 0.03 * density, "El": -60 * mv, "EK": -90 * mv}
    values |= {"ENa": 50 * mv, "VT": -63 * mv, "Ee": 0 * mv, "Ei": -80 * mv, "taue": 5 * ms, "taui": 10 * ms}
    cells = brian2.NeuronGroup(
        len(case["v"]),
        COBAHH,
        threshold="v > -20*mV",
        refractory=3 * ms,
        method="exponential_euler",
        namespace={**values, "mV": mv, "ms": ms},
        name="cells",
    )
    cells.v = case["v"] * mv
    for key in ("m", "n", "h"):
        setattr(cells, key, case[key])
    cells.ge, cells.gi = case["ge"] * brian2.nS, case["gi"] * brian2.nS
    return [cells, *pair(brian2, case, cells, brian2.nS)]


MODELS = {"izhikevich": izhikevich, "cuba": cuba, "cobahh": cobahh}


def network(brian2: Any, case: Case) -> tuple[Any, Any, list[Any]]:
    """The network, its spike monitor and its objects."""
    brian2.defaultclock.dt = float(case["dt_ms"]) * brian2.ms
    objects = MODELS[case.model](brian2, case)
    monitor = brian2.SpikeMonitor(objects[0], name="monitor")
    return brian2.Network(*objects, monitor), monitor, objects


def prepare(case: Case) -> Callable[[], Sample]:
    """Build in the way of the case."""
    brian2 = import_module("brian2")
    if case.way == "cpp_standalone":
        return standalone(brian2, case)
    brian2.prefs.codegen.target = case.way
    if str(case["kind"]) in ("first", "many"):  # its first round has nothing cached
        brian2.prefs.codegen.runtime.cython.cache_dir = str(case.folder / "cython")
    return runtime(brian2, case)


def standalone(brian2: Any, case: Case) -> Callable[[], Sample]:
    """Build once; a run starts the binary again, for many networks once each with another gain."""
    build, gains = case.folder / "build", case.arrays.get("gains")
    if gains is not None:
        shutil.rmtree(build, ignore_errors=True)  # the build counts
    brian2.set_device("cpp_standalone", build_on_run=False)
    brian2.prefs.codegen.cpp.extra_compile_args_gcc = FLAGS
    brian2.prefs.devices.cpp_standalone.extra_make_args_unix = ["-j2"]
    brian2.prefs.codegen.cpp.headers += ["<ctime>", "<fstream>", "<iomanip>", "<iostream>", "<string>"]
    net, _, objects = network(brian2, case)
    for place, when in enumerate(("before_network_run", "after_network_run")):
        brian2.device.insert_code(when, CLOCK.format(place))
    brian2.device.insert_code("after_network_run", PEAK)
    net.run(float(case["seconds"]) * brian2.second, namespace={})
    brian2.device.build(directory=str(build), compile=True, run=False, debug=False)

    def study() -> Sample:
        spikes = 0
        for number, gain in enumerate(gains):  # type: ignore[arg-type]
            results = f"results_{number}"
            brian2.device.run(
                results_directory=results, run_args={objects[1].gain: float(gain)}, with_output=False
            )
            spikes += count(build / results)
        return Sample(cpu=0.0, count=spikes)

    return study if gains is not None else lambda: one_run(build)


def one_run(build: Path) -> Sample:
    """Run the binary; its own clock leaves out what comes before and after the time loop."""
    command = ["./main", "--results_dir", "results/"]
    done = subprocess.run(command, cwd=build, capture_output=True, text=True, check=False)
    times = [float(found) for found in re.findall(r"CPU[01] (\S+)", done.stderr)]
    if done.returncode or len(times) != 2:
        raise RuntimeError(f"the binary of Brian2 stopped: {done.stderr.strip()[-200:]}")
    peak = re.search(r"VmHWM:\s+(\d+)", done.stderr)
    return Sample(
        cpu=times[1] - times[0],
        count=count(build / "results"),
        peak_mb=int(peak[1]) / 1024 if peak is not None else 0.0,
    )


def count(results: Path) -> int:
    """Spikes that the binary wrote."""
    (spikes,) = results.glob("_dynamic_array_monitor_i*")
    return int(np.fromfile(spikes, np.int32).size)


def runtime(brian2: Any, case: Case) -> Callable[[], Sample]:
    """Compile with a first step; a run restores the start."""
    net, monitor, objects = network(brian2, case)
    net.store()
    every = case.arrays.get("gains")
    gains = every[len(every) // (2 * FEW) :: len(every) // FEW] if every is not None else None
    seconds = float(case["seconds"]) * brian2.second
    net.run(float(case["dt_ms"]) * brian2.ms, namespace={})

    def once() -> Sample:
        net.restore()
        cpu, _ = timed(lambda: net.run(seconds, namespace={}))
        return Sample(cpu=cpu, count=int(monitor.num_spikes))

    def study() -> Sample:
        def loop() -> int:
            spikes = 0
            for gain in gains:  # type: ignore[union-attr]
                net.restore()
                objects[1].gain = float(gain)
                net.run(seconds, namespace={})
                spikes += int(monitor.num_spikes)
            return spikes

        cpu, spikes = timed(loop)
        share = FEW / len(every)  # type: ignore[arg-type]
        return Sample(cpu=cpu, count=spikes / share, share=share)

    return once if gains is None else study


if __name__ == "__main__":
    serve(prepare, package="brian2", imports=("brian2",))
