"""The measurement of speed: participants, rounds, limits and tables, with peers that only pretend."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from arcuate.engines.build import build_plan
from arcuate.errors import SpecError, UnknownNameError
from arcuate.study import bench
from arcuate.study._bench_case import plan_of, write_case
from arcuate.study._bench_limits import (
    bandwidth,
    bytes_per_step,
    events_per_spike,
    scatter_time,
    update_bytes,
)
from arcuate.study._bench_process import Participant
from arcuate.study._bench_report import page, tables
from arcuate.study.workloads import (
    WORKLOADS,
    Workload,
    learning_reservoir,
    reservoir,
    select_workloads,
    sines,
)

SMALL = Workload(
    what="a small reservoir that learns",
    network=lambda: learning_reservoir(80),
    seconds=(0.05, 0.05),
    peers=(("nest", "one thread"), ("jax", "f64"), ("brian2", "cython")),
)

# What stands in for a peer's interpreter: it ignores the module it is asked to run.
FAKE = """
    #!{python}
    import json, sys
    name = sys.argv[2].rpartition("_")[2]
    if name == "jax":
        print(json.dumps({{"missing": "No module named 'jax'"}}), flush=True)
        sys.exit()
    print("some chatter")
    ready = {{"build_cpu": 1.5, "imports_mb": 60.0, "peak_mb": 70.0, "version": "nest 3"}}
    print(json.dumps(ready), flush=True)
    for number, line in enumerate(sys.stdin):
        if name == "brian2" and number == 1:
            sys.exit("the peer is out of order")
        sample = {{"cpu": {cpu}, "count": 9, "share": 1, "peak_mb": 80.0, "arrays_mb": 0}}
        sample["apart_mb"] = {apart}
        print(json.dumps(sample), flush=True)
"""


def _fake_python(folder: Path, cpu: float, apart: float = 0.0) -> str:
    path = folder / "python"
    path.write_text(textwrap.dedent(FAKE).lstrip().format(python=sys.executable, cpu=cpu, apart=apart))
    path.chmod(0o700)
    return str(path)


@pytest.fixture(scope="module")
def seen() -> list[tuple[int, str]]:
    return []


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory, seen: list[tuple[int, str]]) -> bench.Measurement:
    peers, python = ["nest", "jax", "brian2"], _fake_python(tmp_path_factory.mktemp("peer"), 2.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "WORKLOADS", {"W1": SMALL})
        return bench.run_benchmarks(
            ["W1"],
            peers,
            True,
            pythons=dict.fromkeys(peers, python),
            progress=lambda done, total, label: seen.append((0, label)),
            done=lambda result, name: seen.append((len(result.limits), f"{name} done")),
        )


class TestMeasuring:
    def test_peers_are_left_out_one_by_one_and_the_rest_is_kept(self, result: bench.Measurement) -> None:
        pairs = {pair.theirs: pair for pair in result.pairs if pair.ours == "strict f64"}
        assert set(pairs) == {"nest one thread", "brian2 cython"}
        nest = pairs["nest one thread"]
        assert len(nest.ratio) == bench.PAIRS[True]
        assert nest.cpu[1] == pytest.approx(2.0 / 0.05)  # per second of model time
        assert nest.ratio[0] > 1.0
        assert nest.median == pytest.approx(np.median(nest.ratio))
        assert len(pairs["brian2 cython"].ratio) == 1  # what it did before it stopped
        assert "out of order" in result.absent["W1, brian2 cython"]
        assert "not installed" in result.absent["W1, jax f64"]
        assert "--python jax=" in result.absent["W1, jax f64"]

    def test_memory_and_versions_are_those_that_the_processes_said(self, result: bench.Measurement) -> None:
        memory = {one.participant: one for one in result.memory}
        assert memory["nest one thread"].peak_mb == 80.0
        assert memory["nest one thread"].growth_mb == 20.0
        ours = memory["arcuate strict f64"]
        assert ours.arrays_mb > 80 * 8 * 12 / 2**20
        assert ours.peak_mb >= ours.run_mb > ours.arrays_mb
        assert ours.peak_mb > ours.imports_mb > 20
        assert result.versions["nest"] == "nest 3"

    def test_the_spikes_are_those_of_a_run(self, result: bench.Measurement) -> None:
        from arcuate.simulate import simulate

        network = learning_reservoir(80)
        rec = simulate(network, "50 ms", seed=1, targets={"out": sines(500, network.dt)})
        count = rec.spikes("reservoir").sizes["spike"]
        strict = next(pair for pair in result.pairs if pair.ours == "strict f64")
        assert strict.count[0] == pytest.approx(count / 0.05)

    def test_a_slow_participant_sits_out_after_two_rounds(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(bench, "WORKLOADS", {"W1": SMALL})
        monkeypatch.setattr(bench, "WAYS", bench.WAYS[:1])
        python = _fake_python(tmp_path, 1e3)
        result = bench.run_benchmarks(["W1"], ["nest"], True, pythons={"nest": python})
        assert {len(pair.ratio) for pair in result.pairs} == {2}

    def test_what_there_is_is_given_after_every_workload(
        self, result: bench.Measurement, seen: list[tuple[int, str]]
    ) -> None:
        assert seen[0] == (0, "measuring W1")
        assert (0, "W1: round 2 of nest one thread") in seen
        assert seen[-1] == (len(bench.WAYS), "W1 done")
        assert result.only("W1") == result
        assert result.only("W2") == bench.Measurement(quick=True, versions=result.versions)

    @pytest.mark.parametrize(
        ("compiled", "calls"), [(True, ["start", "finish", "start"]), (False, ["start"])]
    )
    def test_a_process_that_compiled_is_started_again(
        self, monkeypatch: pytest.MonkeyPatch, compiled: bool, calls: list[str]
    ) -> None:
        seen: list[str] = []
        monkeypatch.setattr(bench, "_cached", lambda: {Path("kernel")} if compiled and seen else set())
        one: Any = SimpleNamespace(
            name="arcuate",
            label="arcuate strict f64",
            start=lambda: seen.append("start"),
            finish=lambda: seen.append("finish"),
        )
        case: Any = SimpleNamespace(name="W1", say=lambda label: None)
        bench._Case._start(case, one)
        assert seen == calls

    def test_a_compiled_program_has_memory_of_its_own(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(bench, "WORKLOADS", {"W1": SMALL})
        monkeypatch.setattr(bench, "WAYS", ())
        python = _fake_python(tmp_path, 1.0, apart=25.0)
        result = bench.run_benchmarks(["W1"], ["nest"], True, pythons={"nest": python})
        builder, program = result.memory
        assert (builder.participant, builder.peak_mb, builder.run_mb) == (
            "nest one thread, Python that builds",
            80.0,
            0.0,
        )
        assert (program.participant, program.growth_mb) == ("nest one thread, compiled program", 25.0)


class TestWholeProcesses:
    def test_a_part_of_the_work_is_extrapolated(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        python = Path(_fake_python(tmp_path, 100.0))
        python.write_text(python.read_text().replace('"share": 1', '"share": 0.25'))
        many = Workload(
            what="", kind="many", network=SMALL.network, seconds=(0.01, 0.01), peers=SMALL.peers[:1]
        )
        monkeypatch.setattr(bench, "WORKLOADS", {"W4": many})
        monkeypatch.setattr(bench, "WAYS", ())
        case = bench.Measurement(quick=True)
        one = bench._Case("W4", python.parent, case, pythons={"nest": str(python)}, say=lambda label: None)
        peer = one._participant("nest", "one thread")
        one._whole([peer], [0])
        assert 300.0 < peer.samples[0]["cpu"] < 303.0  # the rest three times, and the life of the process
        assert case.absent == {}

    def test_a_process_that_cannot_start_is_named(self, tmp_path: Path) -> None:
        one = Participant("nest", "one thread", tmp_path, python=str(tmp_path / "none"))
        with pytest.raises(FileNotFoundError):
            one.start()


class TestAsking:
    @pytest.mark.parametrize("names", [["W9"], ["w1"], ["W5-1e6"], [""]])
    def test_a_workload_that_is_not_there_is_refused(self, names: list[str]) -> None:
        with pytest.raises(UnknownNameError, match="workload"):
            bench.run_benchmarks(names, [])

    def test_a_peer_that_is_not_there_is_refused(self) -> None:
        with pytest.raises(UnknownNameError, match="brian2"):
            bench.check_peers(["brain2"])
        with pytest.raises(UnknownNameError, match="nest"):
            bench.check_peers([], {"nets": sys.executable})

    def test_an_interpreter_must_be_a_file(self, tmp_path: Path) -> None:
        with pytest.raises(SpecError, match="python"):
            bench.check_peers(["nest"], {"nest": str(tmp_path)})

    def test_a_quick_measurement_leaves_out_what_is_not_asked_for_by_its_whole_name(self) -> None:
        assert select_workloads(["W5", "W1"], True) == ["W5-1e5", "W1"]
        assert select_workloads(["W5-1e3"], True) == ["W5-1e3"]

    def test_all_is_all(self) -> None:
        assert bench.check_peers(["all"]) == list(bench.PEERS)
        assert {who for one in WORKLOADS.values() for who, _ in one.peers} == set(bench.PEERS)


class TestLimits:
    def test_bytes_of_a_step_are_those_counted_by_hand(self) -> None:
        n = 40
        network = learning_reservoir(n)
        plan = build_plan(network, seed=1, duration="1 ms", targets={"out": sines(10, network.dt)})
        # v, u, s, r read and written; a, b, bias and two rows of feedback read; two rows of weights read
        # for the output, and read and written by the rule
        assert bytes_per_step(plan) == 8 * n * (2 * 4 + 3 + 2 + 2 + 2 * 2)
        # at spikes alone: weights and traces
        assert bytes_per_step(plan, order="fast") == 8 * n * (2 * 3 + 3 + 2)
        assert bytes_per_step(plan, itemsize=4) == bytes_per_step(plan) // 2

    def test_events_of_a_spike(self) -> None:
        plan = build_plan(reservoir(50, in_degree=7), seed=1, duration="1 ms")
        assert events_per_spike(plan) == 7

    def test_half_of_the_matrix_is_read_and_written(self) -> None:
        assert update_bytes(3, itemsize=1) == 2 * 6
        assert update_bytes(3, itemsize=1, waiting=3) == 6 + 2

    def test_measured_speeds_are_of_this_planet(self) -> None:
        assert 1e8 < bandwidth(24_000) < 1e13
        assert 1e-11 < scatter_time(100, 1000) < 1e-6

    def test_distance_is_measured_over_limit(self) -> None:
        one = bench.Limit(workload="W1", way="strict f64", cpu=3.0, n_bytes=8, bandwidth=1e9, limit=1.5)
        assert one.distance == 2.0


class TestCase:
    def test_peers_get_the_arrays_of_the_plan(self, tmp_path: Path) -> None:
        plan = plan_of(SMALL, 0.05)
        assert plan is not None
        write_case(SMALL, plan, seconds=0.05, folder=tmp_path)
        with np.load(tmp_path / "case.npz") as archive:
            case: dict[str, Any] = dict(archive)
        (projection,) = plan.projections.values()
        dense = np.zeros((80, 80))
        dense[case["pre"], case["post"]] = case["weight"]
        for row in range(80):
            low, high = projection.indptr[0, row : row + 2]
            assert dense[row, projection.index[low:high]].tolist() == projection.weight[low:high].tolist()
        assert np.count_nonzero(dense) == projection.index.size
        assert case["target"].shape == (500, 2)
        assert case["feedback"].shape == (2, 80)
        assert (case["v"] >= -70).all()

    def test_features_lead_numpy_to_least_squares(self, tmp_path: Path) -> None:
        from arcuate.study._bench_numpy import prepare
        from arcuate.study._bench_serve import Case

        draw = np.random.default_rng(3)
        x, target = draw.standard_normal((6, 5)), draw.standard_normal((6, 2))
        ridge = np.linalg.solve(x.T @ x + np.eye(5), x.T @ target)
        for way in ("outer product", "in place"):
            case = Case(arrays={"features": x, "target": target}, way=way, folder=tmp_path)
            assert prepare(case)().count == pytest.approx(float(np.linalg.norm(ridge)))


class TestReport:
    def measurement(self) -> bench.Measurement:
        result = bench.Measurement()
        result.pairs.append(
            bench.Pair(
                workload="W6",
                ours="strict f64",
                theirs="numpy in place",
                what="update",
                ratio=(4.0, 2.0, 3.5),
                cpu=(0.002, 0.007),
                count=(1.5, 1.5),
            )
        )
        result.absent["W1, jax f64"] = "not installed"
        return result

    def test_a_ratio_has_its_range_and_an_update_is_in_milliseconds(self) -> None:
        (_, names, (row,)), (_, _, absent) = tables(self.measurement())
        assert row == ["W6", "strict f64", "numpy in place", "3.5 (2 to 4)", "2", "7", "1.5 / 1.5"]
        assert len(names) == len(row)
        assert absent == [["W1, jax f64", "not installed"]]

    def test_the_page_holds_every_row_and_how_it_was_measured(self) -> None:
        text = page(self.measurement(), command="arcuate bench spiking --workloads W6")
        assert "| W6 | strict f64 | numpy in place | 3.5 (2 to 4) | 2 | 7 | 1.5 / 1.5 |" in text
        assert text.count("arcuate bench spiking --workloads W6") == 2
        assert "- **W6**: one update of recursive least squares" in text
        assert "- **W1**" not in text
