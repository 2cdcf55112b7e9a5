"""What the Brian2 engine can do, refuses, and leaves alone."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from conformance.cases import izh2003_network, learning_network, lif_network, plan_of, run
from networks import lif_pair, reservoir

import arcuate as arc
from arcuate.engines import brian_engine, get_engine
from arcuate.errors import (
    CapabilityError,
    EngineError,
    MemoryLimitError,
    MissingExtraError,
    NonFiniteError,
    UnknownNameError,
)

pytestmark = pytest.mark.brian


def small() -> arc.Network:
    return lif_pair("0.3 ms")


def test_it_names_what_it_cannot_run() -> None:
    engine = get_engine("brian2")
    assert engine.explain(small()) == []
    (obstacle,) = engine.explain(reservoir())
    assert "'prediction'" in obstacle
    assert "TwoBank" in obstacle
    (obstacle,) = engine.explain(learning_network(arc.RLS(alpha=1.0), feedback=False))
    assert "RLS" in obstacle
    for missing in ("rule:RLS", "rule:TwoBank", "checkpoint"):
        assert missing not in engine.capabilities()
    assert {"delay", "noise", "feedback", "rule:Delta", "spike_input", "center"} <= engine.capabilities()


def test_it_refuses_before_it_runs() -> None:
    with pytest.raises(CapabilityError, match=r"TwoBank.*numba"):
        arc.simulate(reservoir(), seed=1, engine="brian2")
    with pytest.raises(CapabilityError, match="TwoBank"):
        get_engine("brian2").start(plan_of(reservoir()))


def test_engine_names() -> None:
    assert [get_engine(name).target for name in ("brian2", "brian2-cython", "brian2-cpp")] == [
        "numpy", "cython", "cpp_standalone",
    ]  # fmt: skip
    with pytest.raises(UnknownNameError, match="brian2-cpp"):
        brian_engine.BrianEngine("brian2-cp")


def test_a_run_happens_once_and_in_one_piece() -> None:
    plan = plan_of(small(), "20 ms")
    running = get_engine("brian2").start(plan)
    with pytest.raises(CapabilityError, match="no state before"):
        running.state()
    seen: list[int] = []
    half = running.advance(100, progress=seen.append)
    assert seen == [100]
    assert (half.first, half.stop, running.step) == (0, 100, 100)
    assert running.state()["pre/v"].shape == (1,)
    with pytest.raises(CapabilityError, match="one piece"):
        running.advance(100)
    with pytest.raises(EngineError, match=r"0\.02 s"):
        get_engine("brian2").start(plan).advance(201)


def test_a_shorter_run_is_the_beginning_of_a_longer_one() -> None:
    plan = plan_of(learning_network(None, feedback=True), "200 ms")
    whole = run(plan, "brian2")
    part = get_engine("brian2").start(plan).advance(250)
    for name, (neuron, step) in whole.spikes.items():
        early = step < 250
        assert early.any()
        np.testing.assert_array_equal(part.spikes[name][0], neuron[early])
        np.testing.assert_array_equal(part.spikes[name][1], step[early])
    np.testing.assert_array_equal(part.outputs["out"], whole.outputs["out"][: part.outputs["out"].shape[0]])


def test_brian2_stays_out_of_the_process_of_the_user() -> None:
    code = (
        "import sys, tempfile, os, arcuate as arc\n"
        "from networks import lif_pair\n"
        "recording = arc.simulate(lif_pair('0.3 ms'), '20 ms', seed=1, engine='brian2')\n"
        "assert recording.spikes('pre').sizes\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "assert not loaded & {'brian2', 'sympy', 'matplotlib'}\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "TMPDIR": folder, "PYTHONPATH": str(Path(__file__).parents[1])}
        subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=folder)
        assert os.listdir(folder) == []


def test_preferences_of_the_user_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(small(), "20 ms")
    (tmp_path / ".brian").mkdir()
    (tmp_path / ".brian" / "user_preferences").write_text("codegen.loop_invariant_optimisations = True\n")
    before = run(plan, "brian2")
    monkeypatch.setenv("HOME", str(tmp_path))
    after = run(plan, "brian2")
    np.testing.assert_array_equal(before.final["post/v"], after.final["post/v"])


def test_a_preference_file_in_the_working_folder_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(small(), "20 ms")
    (tmp_path / "brian_preferences").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EngineError, match=r"brian_preferences.*working folder"):
        get_engine("brian2").start(plan)
    assert not (tmp_path / "ran").exists()


def test_versions_that_do_not_fit_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"brian2": "2.9.0", "numpy": "2.4.1"}
    monkeypatch.setattr(brian_engine.metadata, "version", versions.__getitem__)
    with pytest.raises(EngineError, match=r"numpy = '2\.4\.1'.*ndarray\.ptp"):
        brian_engine.check_installation("numpy")
    versions["brian2"] = "2.10.1"
    brian_engine.check_installation("numpy")
    versions |= {"brian2": "2.9.0", "numpy": "2.3.5"}
    brian_engine.check_installation("numpy")


def test_a_missing_brian2_or_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(brian_engine.shutil, "which", lambda name: None)
        patch.delenv("CXX", raising=False)
        brian_engine.check_installation("numpy")
        with pytest.raises(EngineError, match="compiler"):
            brian_engine.check_installation("cpp_standalone")
    monkeypatch.setattr(brian_engine.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="pip install brian2"):
        brian_engine.check_installation("numpy")


def test_a_failure_inside_brian2_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # where no other process makes folders
    running = get_engine("brian2").start(plan_of(small(), "20 ms"))
    running.amend.append(lambda job: job.update("wrong", "p0", ["p0_v = no_such_name"], when="end", order=0))
    with pytest.raises(EngineError, match=r"Brian2 failed: .*no_such_name") as caught:
        running.advance(200)
    assert str(caught.value).count("\n") < 4
    assert not list(tmp_path.glob("arcuate-brian2-*"))


def test_a_state_that_is_not_finite_is_refused() -> None:
    running = get_engine("brian2").start(plan_of(small(), "20 ms"))
    running.amend.append(lambda job: job.update("wrong", "p1", ["p1_v = log(p1_v)"], when="end", order=0))
    with pytest.raises(NonFiniteError, match=r"'post'.*v = .*neuron 0"):
        running.advance(200)


def test_tables_that_do_not_fit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(izh2003_network("euler"), "1 s")
    monkeypatch.setattr(brian_engine, "available_memory", lambda: 4 * 8 * 50 * 2000)
    with pytest.raises(MemoryLimitError, match=r"duration = 1\.0: needs 0\.0032 GB.*numba"):
        get_engine("brian2").start(plan).advance(2000)
    brian_engine.check_tables(plan, 1500)


def test_interrupting_a_run_ends_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[str]] = []

    class Interrupted(subprocess.Popen):  # type: ignore[type-arg]
        def communicate(self, *args: object, **kwargs: object) -> tuple[str, str]:
            started.append(self)
            raise KeyboardInterrupt

    monkeypatch.setattr(brian_engine.subprocess, "Popen", Interrupted)
    running = get_engine("brian2").start(plan_of(lif_network(arc.delta(), "3 mV"), "10 s"))
    before = set(Path(tempfile.gettempdir()).glob("arcuate-brian2-*"))
    with pytest.raises(KeyboardInterrupt):
        running.advance(100_000)
    (process,) = started
    assert process.returncode is not None
    assert set(Path(tempfile.gettempdir()).glob("arcuate-brian2-*")) <= before


def test_facts_of_a_run() -> None:
    result = run(plan_of(small(), "20 ms"), "brian2")
    assert result.facts["brian2"] == metadata.version("brian2")
    assert result.facts["target"] == "numpy"
    assert "flags" not in result.facts  # nothing was compiled
    assert 0 < result.wall < result.wall + float(result.facts["load_s"])
