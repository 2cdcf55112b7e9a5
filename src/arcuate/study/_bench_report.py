"""What was measured, as tables and as the page of the documentation."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from arcuate.study.bench import Limit, Measurement, Pair
from arcuate.study.workloads import WORKLOADS

__all__ = ["Table", "describe_machine", "page", "tables"]

Table = tuple[str, list[str], list[list[str]]]
"""Title, names of the columns, rows."""

RUN_TITLES = {
    "run": "CPU seconds per second of model time",
    "many, cold": "CPU seconds of many networks, cold",
    "many, warm": "CPU seconds of many networks, warm",
    "update": "CPU milliseconds of an update",
    "first spike, cold": "CPU seconds to the first spike, cold",
    "first spike, warm": "CPU seconds to the first spike, warm",
}

LIMITS, MEMORY = "Limits", "Peak memory, MB"

MEMORY_NAMES = ["workload", "process", "whole", "imports", "beyond imports", "while it ran", "arrays"]

COUNTS = {"run": "spikes/s", "update": "norm"}


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _pair(pair: Pair) -> list[str]:
    scale = 1e3 if pair.what == "update" else 1.0
    counts = " / ".join(_number(value) for value in pair.count)
    low, high = min(pair.ratio), max(pair.ratio)
    spread = f" ({_number(low)} to {_number(high)})" if len(pair.ratio) > 1 else ""
    return [
        pair.workload,
        pair.ours,
        pair.theirs,
        _number(pair.median) + spread,
        _number(pair.cpu[0] * scale),
        _number(pair.cpu[1] * scale) + (", extrapolated" if pair.note else ""),
        counts,
    ]


def _scale(limit: Limit) -> float:
    """Updates are shown in milliseconds."""
    return 1e3 if WORKLOADS[limit.workload].kind == "update" else 1.0


def tables(result: Measurement) -> list[Table]:
    """Lay out a measurement.

    Parameters
    ----------
    result : Measurement
        What was measured.

    Returns
    -------
    list of (title, names, rows)
        Ratios by kind, limits, memory, and who was left out; only those that have rows.

    Examples
    --------
    >>> tables(Measurement())
    []
    """
    found: list[Table] = []
    for what, title in RUN_TITLES.items():
        rows = [_pair(pair) for pair in result.pairs if pair.what == what]
        head = ["workload", "ours", "against", "ratio, median (range)", "ours", "theirs"]
        found.append((title, [*head, f"{COUNTS.get(what, 'spikes')}, ours / theirs"], rows))
    limits = [
        [
            one.workload,
            one.way,
            _number(one.n_bytes / 1e3),
            _number(one.bandwidth / 1e9),
            *(_number(value * _scale(one)) for value in (one.limit, one.cpu)),
            _number(one.distance),
        ]
        for one in result.limits
    ]
    names = ["workload", "ours", "kB a step", "GB/s", "limit", "measured", "measured / limit"]
    found.append((LIMITS, names, limits))
    memory = [
        [
            one.workload,
            one.participant,
            _number(one.peak_mb),
            _number(one.imports_mb) if one.imports_mb else "",
            _number(one.growth_mb),
            _number(one.run_mb) if one.run_mb else "",
            _number(one.arrays_mb) if one.arrays_mb else "",
        ]
        for one in result.memory
    ]
    found.append((MEMORY, MEMORY_NAMES, memory))
    absent = [[who, why] for who, why in result.absent.items()]
    found.append(("Left out", ["workload, package", "why"], absent))
    return [table for table in found if table[2]]


def describe_machine() -> str:
    """Say what the measurement runs on.

    Returns
    -------
    str
        Processor, cores, caches, system, Python and load.

    Examples
    --------
    >>> "Python" in describe_machine()
    True
    """
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    caches = []
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            caches.append(f"L{level} {size}")
    load = os.getloadavg()[0]
    return (
        f"{model}, {os.cpu_count()} virtual cores ({', '.join(caches) or 'caches unknown'}), "
        f"{platform.system()}, Python {platform.python_version()}, load average {load:.1f} at the end"
    )


def _markdown(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines)


def page(result: Measurement, *, command: str) -> str:
    """Write the page of the documentation, wholly from a measurement.

    Parameters
    ----------
    result : Measurement
        What was measured.
    command : str
        That measured it.

    Returns
    -------
    str
        Markdown.

    Examples
    --------
    >>> page(Measurement(), command="arcuate bench spiking").splitlines()[0]
    '# Performance'
    """
    measured = {pair.workload: None for pair in result.pairs} | {one.workload: None for one in result.limits}
    names = [name for name in WORKLOADS if name in measured]
    versions = ", ".join(sorted(result.versions.values()))
    parts = [INTRODUCTION.format(command=command)]
    parts.append("\n".join(f"- **{name}**: {WORKLOADS[name].what}." for name in names))
    parts.append(
        f"Measured on {datetime.now(UTC):%d %B %Y} with `{command}` on {describe_machine()}.\n"
        f"Versions: {versions}."
    )
    for title, columns, rows in tables(result):
        parts += [f"## {title}", EXPLAINED.get(title, ""), _markdown(columns, rows)]
    parts.append(CLOSING)
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


INTRODUCTION = """
# Performance

Speed is measured as a **ratio in one run**: ours, theirs, ours, theirs, ..., on the same arrays, each in
a process of its own with one thread, in processor seconds. A ratio above 1 means that arcuate is faster.
Absolute times of one machine say little about another, and the load of the machine moves both sides of a
ratio alike.

```sh
{command}
arcuate bench spiking --workloads W1 --against brian2 --quick  # one workload, one peer, short and few runs
arcuate bench spiking --python nest=/opt/nest/bin/python       # a peer that has an environment of its own
```

Peers are written as their users would write them, compiled before they are timed, and get the same edges,
weights, initial values and targets where the model is the same. The spikes of both are printed as a
check. NEST has no Izhikevich neuron with synaptic currents, so there a spike steps the membrane, which is
less work, and its delay is 1 ms, which is less work too; its runs are consecutive stretches of one
simulation. Brian2 `cpp_standalone` has its default flags, `-O3 -ffast-math -march=native` among them.
"""

EXPLAINED = {
    RUN_TITLES["run"]: "Without compilation.",
    RUN_TITLES["many, cold"]: """
Start of the process, imports, compilation into an empty cache, and all runs. Brian2 `cpp_standalone` builds
once and runs its binary for each network. A loop in Brian2 `cython` is measured on a few networks and
extrapolated.
""",
    RUN_TITLES["many, warm"]: """
The same with the cache that the cold run left. Brian2 `cpp_standalone` caches nothing and builds again.
""",
    RUN_TITLES["first spike, cold"]: """
A whole process: imports, compilation, the network and 20 ms of it.
""",
    LIMITS: """
The limit is what a step must read and write, over the bandwidth that this machine gave in the same run to
a set of arrays of that size, plus the synaptic events times that of a bare scatter-add. It is good to
about a third, and leaves arithmetic out, so a model that takes many exponentials is far from it. For the
update it is half of the matrix, read and written once. Units are those of the tables above.
""",
    MEMORY: """
Largest resident memory, one row for each process: whole, that is imports, building of the network and runs
together; when the packages were imported; the difference of the two; while it ran, imports included; and
the arrays alone, where the package says. Compiled code of arcuate comes from its cache, as in every use but
the first. Brian2 `cpp_standalone` has two processes, the Python that builds (its C++ compiler is not
counted) and the compiled program, which has no Python in it: compare that one with what arcuate needs
beyond its imports, and the whole of arcuate with the larger of the two.
""",
}

CLOSING = """
## Where the ratios come from

The rows of the three ways tell apart what each contributes.

- **`strict f64`** is what a run uses unless it is told otherwise. The time loop is compiled once for the
  specification, in one piece, so that nothing is looked up or allocated within a step, and its loops over
  neurons vectorize. No sums are reordered, no precision is given up and no step is skipped, which is why
  [spikes are identical](concepts/engine.md). Peers work in double precision too, unless the row says `f32`.
- **`fast f64`** (`order="fast"`) keeps read-outs and the plain delta rule up to date per spike instead of
  per step. That is another way to compute the same sums, which a peer's user could write as well. It gains
  where read-outs learn at every step, and next to nothing elsewhere.
- **`fast f32`** (`precision="float32"`) also halves the bytes of a step and doubles the numbers in a vector.
  Beside a peer in double precision that ratio is not like for like: part of it is the precision.

The last two round differently, so a chaotic network or one that learns parts from the strict run after a
while, with the same statistics; the counts of spikes show by how much. Many small networks gain from one
process that starts and compiles once. Large networks without learning are bound by memory, for every
package alike, and there the ratios are smallest.

## What takes time in your run

- **Compilation**: a few seconds the first time a network of a new *structure* is run; kernels are kept in
  a cache folder (`ARCUATE_CACHE` names another). Other values, seeds and sizes use the same kernel.
- **Learning by least squares**: an update costs the square of the number of units. If the read-out does
  not feed back, simulate once, keep the features (`Record(readouts=("features",))`) and let every rule
  learn from them afterwards, as the [notebook](notebooks/01_what_when) does.
- **Threads** draw noise ahead of the loop; two are enough. The numbers do not depend on how many there
  are.
"""
