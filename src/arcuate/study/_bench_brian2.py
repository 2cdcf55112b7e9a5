"""Workload W1 in Brian2, written as its users would, for :mod:`arcuate.study.bench`; runs as a process.

Arguments: the arrays, the target, a folder. Prints a JSON line when it is built; then each line on its
standard input runs the whole again and prints CPU seconds and spikes.
"""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from arcuate._optional import require

FLAGS = ["-w", "-O3", "-ffast-math", "-fno-finite-math-only", "-march=native", "-std=c++17"]

CLOCK = (
    '{{ std::cerr << "CPU{0} " << std::setprecision(12) << double(clock())/CLOCKS_PER_SEC << std::endl; }}'
)

NEURONS = """
    dv/dt = (0.04*v**2 + 5*v + 140 - u + bias + s + feedback)/ms : 1
    du/dt = a*(b*v - u)/ms : 1
    ds/dt = -s/(10*ms) : 1
    dr/dt = -r/(20*ms) : 1
    feedback : 1
    bias : 1 (constant)
    a : 1 (constant)
    b : 1 (constant)
    c : 1 (constant)
    d : 1 (constant)
"""


def network(brian2: Any, arrays: dict[str, Any]) -> tuple[Any, Any]:
    """Return the Brian2 network and its spike monitor."""
    ms, dt = brian2.ms, float(arrays["dt_ms"]) * brian2.ms
    brian2.defaultclock.dt = dt
    target = brian2.TimedArray(arrays["target"], dt=dt, name="target")
    cells = brian2.NeuronGroup(
        len(arrays["v"]),
        NEURONS,
        threshold="v >= 30",
        reset="v = c; u += d; r += 1",
        method="euler",
        namespace={"ms": ms},
        name="cells",
    )
    for key in ("a", "b", "c", "d", "bias", "v", "u"):
        setattr(cells, key, arrays[key])
    recurrent = brian2.Synapses(cells, cells, "w : 1 (constant)", on_pre="s_post += w", name="recurrent")
    recurrent.connect(i=arrays["pre"], j=arrays["post"])
    recurrent.w = arrays["weight"]
    outputs = brian2.NeuronGroup(
        2, "z : 1\nerror = z - target(t, i) : 1", order=-3, namespace={"target": target}, name="outputs"
    )
    readout = brian2.Synapses(
        cells,
        outputs,
        "phi : 1\nz_post = phi*r_pre : 1 (summed)",
        namespace={"target": target},
        name="readout",
    )
    readout.connect()
    readout.phi = 0
    readout.run_regularly("phi -= 1e-5*error_post*r_pre", dt=dt, when="groups", order=-2, name="learning")
    back = brian2.Synapses(
        outputs, cells, "gain : 1 (constant)\nfeedback_post = gain*z_pre : 1 (summed)", name="back"
    )
    back.connect()
    back.gain = arrays["feedback"].ravel()
    monitor = brian2.SpikeMonitor(cells, name="monitor")
    return brian2.Network(cells, recurrent, outputs, readout, back, monitor), monitor


def cpu() -> float:
    """CPU seconds of this process and its children."""
    parts = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in parts)


def say(**facts: float) -> None:
    """Print one answer."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def standalone(brian2: Any, arrays: dict[str, Any], folder: Path) -> None:
    """Build once; every line runs the binary again."""
    build = folder / "build"
    brian2.set_device("cpp_standalone", build_on_run=False)
    brian2.prefs.codegen.cpp.extra_compile_args_gcc = FLAGS
    brian2.prefs.codegen.cpp.headers += ["<ctime>", "<iomanip>", "<iostream>"]
    net, _ = network(brian2, arrays)
    for place, when in enumerate(("before_network_run", "after_network_run")):
        brian2.device.insert_code(when, CLOCK.format(place))
    net.run(float(arrays["seconds"]) * brian2.second, namespace={})
    brian2.device.build(directory=str(build), compile=True, run=False, debug=False)
    say(build_cpu=cpu())
    for _ in sys.stdin:
        done = subprocess.run(
            ["./main", "--results_dir", "results/"], cwd=build, capture_output=True, text=True, check=True
        )
        start, stop = (float(re.search(rf"CPU{k} (\S+)", done.stderr)[1]) for k in (0, 1))  # type: ignore[index]
        (spikes,) = build.glob("results/_dynamic_array_monitor_i*")
        say(cpu=stop - start, spikes=np.fromfile(spikes, np.int32).size)


def runtime(brian2: Any, arrays: dict[str, Any], target: str) -> None:
    """Compile with a first step; every line runs the whole again."""
    brian2.prefs.codegen.target = target
    net, monitor = network(brian2, arrays)
    net.store()
    net.run(float(arrays["dt_ms"]) * brian2.ms, namespace={})
    say(build_cpu=cpu())
    for _ in sys.stdin:
        net.restore()
        start = time.process_time()
        net.run(float(arrays["seconds"]) * brian2.second, namespace={})
        say(cpu=time.process_time() - start, spikes=int(monitor.num_spikes))


def main(path: str, target: str, folder: str) -> None:
    """Read the arrays and serve."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in archive.files}
    brian2 = require("brian2", extra="test", purpose="the comparison with Brian2")
    if target == "cpp_standalone":
        standalone(brian2, arrays, Path(folder))
    else:
        runtime(brian2, arrays, target)


if __name__ == "__main__":
    main(*sys.argv[1:])
