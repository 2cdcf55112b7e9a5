"""Speed as a ratio to a peer, or to the computed limit, in the same run; for the record of the benchmark."""

from __future__ import annotations

from typing import Any

import pytest

from arcuate.study.bench import Measurement, run_benchmarks
from arcuate.study.workloads import WORKLOADS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def _measure(benchmark: Any, workload: str, *peers: str) -> Measurement:
    result: Measurement = benchmark.pedantic(
        run_benchmarks, args=([workload], peers), kwargs={"quick": True}, rounds=1
    )
    for pair in result.pairs:
        key = f"{pair.ours} against {pair.theirs}, {pair.what}"
        benchmark.extra_info[key] = {"ratio": pair.ratio, "cpu": pair.cpu, "count": pair.count}
    for limit in result.limits:
        benchmark.extra_info[f"{limit.way} over its limit"] = limit.distance
    for one in result.memory:
        benchmark.extra_info[f"{one.participant}, peak MB"] = one.peak_mb
    return result


@pytest.mark.brian
@pytest.mark.parametrize(
    "workload", [name for name, one in WORKLOADS.items() if ("brian2", "cpp_standalone") in one.peers]
)
def test_networks_against_brian2(benchmark: Any, workload: str) -> None:
    result = _measure(benchmark, workload, "brian2")
    assert not result.absent
    assert {pair.theirs for pair in result.pairs} == {
        f"brian2 {way}" for name, way in WORKLOADS[workload].peers if name == "brian2"
    }
    for pair in result.pairs:  # both ran the same network, though learning makes the spikes part
        if "extrapolated" not in pair.note:
            assert pair.count[0] == pytest.approx(pair.count[1], rel=0.05)


def test_least_squares_against_numpy(benchmark: Any) -> None:
    result = _measure(benchmark, "W6", "numpy")
    assert not result.absent
    for pair in result.pairs:  # the same weights
        assert pair.count[0] == pytest.approx(pair.count[1], rel=1e-3 if pair.ours.endswith("f32") else 1e-9)
