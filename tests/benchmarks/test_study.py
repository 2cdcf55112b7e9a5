"""What a study costs beside what it runs: points that do nothing, many networks, memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import points
import pytest
from house import ROOT

import arcuate as arc
from arcuate.study.store import Store
from arcuate.study.study import Study
from arcuate.study.workloads import GAINS, many_reservoirs, sines

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def test_ten_thousand_empty_points(benchmark: Any, tmp_path: Path) -> None:
    study = Study(points.nothing, {"x": range(100), "y": range(100)})

    def run() -> None:
        study.run(tmp_path / "store", n_jobs=2, progress=False)

    benchmark.pedantic(run, rounds=1)
    seconds = benchmark.stats.stats.total if benchmark.stats else 0.0
    print(f"\n10 000 empty points, 2 processes: {seconds:.1f} s")
    assert len(Store.read(tmp_path / "store").rows()) == 10_000
    assert seconds <= 60


@pytest.mark.parametrize("kind", ["networks", "function"])
def test_many_networks_against_the_batch(benchmark: Any, tmp_path: Path, kind: str) -> None:
    """W4: CPU seconds of the study over those of one call, in turns, in this process and with one thread.

    A study of networks has no table of a teacher, so there the read-outs are fed back and do not learn, and
    weights vary in both. As a function that is called with the gain it is W4 with all that belongs to it.
    """
    networks: Any = many_reservoirs()
    targets, vary = {"out": sines(20_000, 1e-4)}, None
    if kind == "networks":
        weights = [network.projections["reservoir->reservoir"].weight for network in networks]
        networks, targets = networks[0].with_("readouts.out.rule", None), {}
        vary = {"projections.reservoir->reservoir.weight": weights}
        study = Study(networks, vary, points.spikes, duration="2 s", seed=1)
    else:
        study = Study(points.learning_reservoir, {"gain": GAINS}, points.spikes, seed=1)

    def bare() -> list[int]:
        batch = arc.simulate_many(
            networks, "2 s", vary=vary, seeds=[1], targets=targets, threads=1, progress=False
        )
        return [points.spikes(recording)["spikes"] for recording in batch]

    def through(number: int) -> list[int]:
        return study.run(tmp_path / str(number), n_jobs=1, progress=False)["spikes"].tolist()

    bare(), through(0)  # compiled and imported

    def turns() -> tuple[list[float], list[float]]:
        ours, theirs = [], []
        for number in range(1, 16):
            start = time.process_time()
            expected = bare()
            theirs.append(time.process_time() - start)
            start = time.process_time()
            found = through(number)
            ours.append(time.process_time() - start)
            assert found == expected
        return ours, theirs

    ours, theirs = benchmark.pedantic(turns, rounds=1)
    ratio = min(ours) / min(theirs)  # what else the machine does makes it longer, never shorter
    middle = statistics.median(ours) / statistics.median(theirs)
    print(
        f"\n{len(GAINS)} {kind}, CPU s, best of 15 turns: study {min(ours):.2f}, one call {min(theirs):.2f}, "
        f"ratio {ratio:.3f}; of the medians {middle:.3f}"
    )
    assert ratio <= 1.15


RESERVOIRS = """
import sys
import arcuate as arc, networks
net = networks.reservoir()
scales = [0.1 + 0.01 * k for k in range(100)]
study = arc.Study(net, {"populations.exc.noise.sigma": scales, "seed": range(10)})
table = study.run(sys.argv[1], n_jobs=2, progress=False)
assert (table["status"] == "done").all()
"""


def test_memory_of_a_thousand_reservoirs(benchmark: Any, tmp_path: Path) -> None:
    words = [sys.executable, "-c", RESERVOIRS, str(tmp_path / "store")]
    path = os.pathsep.join([str(ROOT / "tests"), *sys.path])

    def run() -> tuple[float, float]:
        start = time.monotonic()
        process = subprocess.Popen(words, env=os.environ | {"PYTHONPATH": path})
        peak = 0
        while process.poll() is None:
            peak = max(peak, sum(_resident(number) for number in _family(process.pid)))
            time.sleep(0.05)
        assert process.returncode == 0
        return peak / 1e6, time.monotonic() - start

    peak, seconds = benchmark.pedantic(run, rounds=1)
    print(f"\n1000 reservoirs, 2 processes: {seconds:.0f} s, parent and workers together {peak:.0f} MB")
    assert len(Store.read(tmp_path / "store").rows()) == 1000
    assert peak < 2000


def _family(parent: int) -> list[int]:
    """A process and all that it has started."""
    pairs = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                above = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            except OSError:
                continue
            pairs.append((int(entry.name), int(above)))
    family = [parent]
    for above in family:
        family += [number for number, its in pairs if its == above]
    return family


def _resident(number: int) -> int:
    """Bytes of memory of a process."""
    try:
        return int(Path(f"/proc/{number}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
