"""Speed as a ratio to a peer in the same run; the ratios go into the record of the benchmark."""

from __future__ import annotations

from typing import Any

import pytest

from arcuate.study.bench import run_benchmarks


@pytest.mark.slow
@pytest.mark.brian
@pytest.mark.timeout(1200)
def test_learning_reservoir_against_brian2(benchmark: Any) -> None:
    table = benchmark.pedantic(run_benchmarks, args=(["W1"], ["brian2"]), kwargs={"quick": True}, rounds=1)
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    for row in rows:
        benchmark.extra_info[f"{row['against']}, {row['CPU s for']}"] = row
    runs = [row for row in rows if row["CPU s for"] == "1 s of model"]
    assert {row["against"] for row in runs} == {"brian2 cpp_standalone", "brian2 cython"}
    for row in runs:  # both ran the same network: the rates agree, though learning makes the spikes part
        ours, theirs = (float(word) for word in row["note"].split("; ")[1].split(" spikes")[0].split(" and "))
        assert ours == pytest.approx(theirs, rel=0.05)
