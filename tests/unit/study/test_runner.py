"""Running the points of a study: the same table everywhere, and every point answered for."""

from __future__ import annotations

import io
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import networks
import points
import pytest

import arcuate as arc
from arcuate.batch import run_each
from arcuate.errors import (
    ArcuateWarning,
    CapabilityError,
    EngineError,
    MemoryLimitError,
    SpecError,
    TimeLimitError,
)
from arcuate.study import _runner_task, runner
from arcuate.study._runner_pools import open_pool
from arcuate.study._runner_show import StudyBar
from arcuate.study._runner_task import Note
from arcuate.study.design import Design
from arcuate.study.runner import Tally, run_points
from arcuate.study.store import Row, Store
from arcuate.study.study import Study

JOB = Path(points.__file__).with_name("study_job.py")


def run(study: Study, folder: Path, **options: Any) -> tuple[Tally, list[Row]]:
    """Run a study, and read what the store has then; nothing is warned of."""
    with (
        warnings.catch_warnings(),
        Store.open(folder, study.describe(), fingerprint=study.fingerprint) as store,
    ):
        warnings.simplefilter("ignore", ArcuateWarning)
        tally = run_points(study, store, progress=False, **options)
        return tally, store.rows()


def table(rows: list[Row]) -> list[tuple[Any, ...]]:
    """What must not depend on where and when it was computed."""
    return sorted(
        (tuple(row.values.items()), row.seed, row.status, tuple(row.metrics.items())) for row in rows
    )


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two processes that know each other through a Dask scheduler."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def small() -> arc.Network:
    """Five cells with noise."""
    cells = arc.Population(name="exc", n=5, neuron=arc.izh2003(), bias=10.0, noise=arc.Noise(sigma=1.0))
    return arc.Network(name="five", dt="0.5 ms", populations=[cells])


def squares(n: int = 8) -> Study:
    return Study(points.square, {"x": range(n)})


class TestRun:
    def test_every_point_is_there(self, tmp_path: Path) -> None:
        tally, rows = run(squares(), tmp_path, n_jobs=1)
        assert (tally.done, tally.failed, tally.finished) == (8, 0, 8)
        assert [row.metrics["square"] for row in rows] == [float(x * x) for x in range(8)]
        assert {row.tries for row in rows} == {1}

    def test_only_what_is_missing_is_computed(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        fixed = {"seconds": [0.0], "log": [str(log)]}
        run(Study(points.slow, {"x": [1, 2], **fixed}, name="s"), tmp_path / "s", n_jobs=1)
        tally, rows = run(Study(points.slow, {"x": [1, 2, 3], **fixed}, name="s"), tmp_path / "s", n_jobs=1)
        assert (tally.before, tally.done) == (2, 1)
        assert log.read_text().split() == ["1", "2", "3"]
        assert len(rows) == 3

    def test_seeds_of_points_and_of_the_study(self, tmp_path: Path) -> None:
        _, rows = run(Study(points.square, {"x": [1, 2]}, seed=7), tmp_path / "a", n_jobs=1)
        assert [row.metrics["used"] for row in rows] == [7, 7]
        _, rows = run(Study(points.square, {"x": [1], "seed": [3, 4]}, seed=7), tmp_path / "b", n_jobs=1)
        assert [(row.seed, row.metrics["used"]) for row in rows] == [(3, 3), (4, 4)]

    def test_a_network_gives_what_simulate_gives(self, tmp_path: Path) -> None:
        study = Study(
            small(), {"populations.exc.bias": [5.0, 12.0], "seed": [1, 2]}, duration="300 ms", keep=True
        )
        _, rows = run(study, tmp_path, n_jobs=2)
        for row in rows:
            network = small().replace({"populations.exc.bias": row.values["populations.exc.bias"]})
            alone = arc.simulate(network, "300 ms", seed=row.seed)
            assert row.recording is not None
            assert arc.Recording.load(tmp_path / row.recording).digest() == alone.digest()
            rate = float(alone.spikes("exc").sizes["spike"] / 5 / 0.3)
            assert row.metrics["rate_mean.exc"] == pytest.approx(rate)

    def test_a_thousand_points_go_in_large_tasks(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sizes: list[int] = []
        task = runner.run_task
        monkeypatch.setattr(
            runner, "run_task", lambda recipe, work, path: sizes.append(len(work)) or task(recipe, work, path)
        )
        run(squares(1000), tmp_path, n_jobs=1)
        assert sum(sizes) == 1000
        assert len(sizes) < 20
        assert max(sizes) <= runner.MOST

    def test_missing_metrics_and_failed_points_are_told_once(self, tmp_path: Path) -> None:
        study = Study(lambda x: {"y": float("nan") if x else 1 / x}, {"x": [0, 1, 2]})
        with (
            Store.open(tmp_path, study.describe(), fingerprint=study.fingerprint) as store,
            pytest.warns(ArcuateWarning) as told,
        ):
            run_points(study, store, n_jobs=1, progress=False)
        assert [str(item.message).split(";")[0].split(":")[0] for item in told] == [
            "1 of 3 points failed",
            "Metrics were missing or not finite",
        ]
        assert "'y' at 2 of 2 points" in str(told[1].message)


@pytest.fixture(scope="module")
def study() -> Study:
    """Six points of a small reservoir."""
    vary = {"populations.exc.noise.sigma": [0.1, 0.2, 0.4], "seed": [1, 2]}
    return Study(networks.reservoir(), vary, duration="200 ms")


@pytest.fixture(scope="module")
def serial(study: Study, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    """Its table, computed in this process."""
    _, rows = run(study, tmp_path_factory.mktemp("serial"), n_jobs=1)
    assert len(rows) == 6
    assert len({row.metrics["rate_mean.exc"] for row in rows}) > 3
    return table(rows)


class TestSameEverywhere:
    """D6: serial, processes, threads and Dask, in any order, give equal tables."""

    def test_processes(self, study: Study, serial: list[Any], tmp_path: Path) -> None:
        assert table(run(study, tmp_path, n_jobs=2)[1]) == serial

    def test_threads(self, study: Study, serial: list[Any], tmp_path: Path) -> None:
        with joblib.parallel_config("threading", n_jobs=2):
            assert table(run(study, tmp_path)[1]) == serial

    def test_dask(self, study: Study, serial: list[Any], tmp_path: Path, cluster: Any) -> None:
        with joblib.parallel_config("dask"):
            assert table(run(study, tmp_path)[1]) == serial

    def test_any_order(self, study: Study, serial: list[Any], tmp_path: Path) -> None:
        rows = [dict(point.values) for point in study.design]
        random.Random(3).shuffle(rows)
        shuffled = Study(study.spec, Design.points(rows), duration="200 ms")
        assert table(run(shuffled, tmp_path, n_jobs=2)[1]) == serial


class TestFailedPoints:
    @pytest.mark.parametrize(
        ("what", "n_jobs"), [("raise", 1), ("group", 1), ("recurse", 1), ("sys.exit", 1), ("raise", 2)]
    )
    def test_what_is_raised_is_recorded(self, what: str, n_jobs: int, tmp_path: Path) -> None:
        study = Study(points.bad, {"x": range(6), "what": [what]})
        tally, rows = run(study, tmp_path, n_jobs=n_jobs)
        assert (tally.done, tally.failed) == (5, 1)
        (failed,) = (row for row in rows if row.status == "failed")
        names = {"raise": "Stubborn", "group": "ExceptionGroup", "recurse": "RecursionError"}
        assert failed.values["x"] == 3
        assert names.get(what, "SystemExit") in failed.reason
        assert "points.py" in failed.traceback
        assert failed.metrics == {}

    @pytest.mark.parametrize("what", ["exit", pytest.param("kill", marks=pytest.mark.slow)])
    def test_a_point_that_takes_its_worker_down(self, what: str, tmp_path: Path) -> None:
        study = Study(points.bad, {"x": range(6), "what": [what]})
        tally, rows = run(study, tmp_path, n_jobs=2, retries=1)
        assert (tally.done, tally.failed) == (5, 1)
        failed = rows[3]
        assert failed.status == "failed"
        assert failed.reason.startswith(f"Its worker died {failed.tries} times")
        assert failed.tries in (2, 3)  # once more if another point ran beside it
        assert all(row.metrics == {"square": float(row.index**2)} for row in rows if row is not failed)

    def test_a_worker_that_dies_once_costs_nothing(self, tmp_path: Path) -> None:
        study = Study(points.once, {"x": range(6), "folder": [str(tmp_path)]})
        tally, rows = run(study, tmp_path / "s", n_jobs=2)
        assert (tally.done, tally.failed) == (6, 0)
        assert rows[3].tries == 2

    @pytest.mark.parametrize("n_jobs", [1, 2])
    def test_a_function_without_end_is_interrupted(self, n_jobs: int, tmp_path: Path) -> None:
        study = Study(points.bad, {"x": range(6), "what": ["hang"]})
        tally, rows = run(study, tmp_path, n_jobs=n_jobs, time_limit=0.5, retries=0)
        assert (tally.done, tally.failed, rows[3].tries) == (5, 1, 1)
        assert "time_limit" in rows[3].reason
        assert "_swallow" in rows[3].traceback

    def test_a_function_that_does_not_listen_ends_with_its_process(self, tmp_path: Path) -> None:
        study = Study(points.bad, {"x": range(6), "what": ["deaf"]})
        tally, rows = run(study, tmp_path, n_jobs=2, time_limit=0.5, retries=0)
        assert (tally.done, tally.failed) == (5, 1)
        assert "could not be interrupted" in rows[3].reason
        assert "_deaf" in rows[3].traceback

    @pytest.mark.parametrize("n_jobs", [1, 2])
    def test_a_network_that_takes_too_long(self, n_jobs: int, tmp_path: Path) -> None:
        study = Study(small(), {"dt": ["0.5 ms", "1 us"]}, duration="60 s", record=arc.Record(spikes=False))
        study.measure = lambda recording: recording.duration
        tally, rows = run(study, tmp_path, n_jobs=n_jobs, time_limit=1.0, retries=1)
        assert (tally.done, tally.failed) == (1, 1)
        assert rows[0].metrics == {"measure": 60.0}
        assert "was over at step" in rows[1].reason
        assert rows[1].tries == 2

    def test_a_value_that_the_network_refuses(self, tmp_path: Path) -> None:
        values = [5 + n for n in range(200)]
        study = Study(small(), {"populations.exc.n": values}, duration="10 ms")
        study.design = Design.grid({"populations.exc.n": [5, -1]})  # as one that is too long to be looked at
        tally, rows = run(study, tmp_path, n_jobs=1)
        assert (tally.done, tally.failed) == (1, 1)
        assert "must be >= 1" in rows[1].reason

    def test_a_result_that_cannot_be_sent(self, tmp_path: Path) -> None:
        tally, rows = run(Study(points.clinging, {"x": range(6)}), tmp_path, n_jobs=2)
        assert (tally.done, tally.failed) == (5, 1)
        assert "cannot be sent" in rows[3].reason

    def test_it_is_tried_again_by_the_next_run(self, tmp_path: Path) -> None:
        study = Study(points.bad, {"x": range(4), "what": ["raise"]})
        assert run(study, tmp_path, n_jobs=1)[0].failed == 1
        tally, rows = run(study, tmp_path, n_jobs=1)
        assert (tally.before, tally.failed, len(rows)) == (3, 1, 4)


class TestOnDask:
    @pytest.mark.parametrize("what", ["raise", "deaf", pytest.param("kill", marks=pytest.mark.slow)])
    def test_a_bad_point(self, what: str, tmp_path: Path, cluster: Any) -> None:
        study = Study(points.bad, {"x": range(6), "what": [what]})
        with joblib.parallel_config("dask"):
            tally, rows = run(study, tmp_path, time_limit=1.0, retries=1)
        assert (tally.done, tally.failed) == (5, 1)
        assert rows[3].status == "failed"

    def test_a_worker_that_dies_once_costs_nothing(self, tmp_path: Path, cluster: Any) -> None:
        study = Study(points.once, {"x": range(6), "folder": [str(tmp_path)]})
        with joblib.parallel_config("dask"):
            tally, rows = run(study, tmp_path / "s")
        assert (tally.done, tally.failed, rows[3].tries) == (6, 0, 2)

    @pytest.mark.slow
    def test_without_a_folder_that_all_see(
        self, tmp_path: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nobody can note where it is; Dask gives the task up, and the point is found by running it alone."""
        monkeypatch.setattr(runner, "Note", lambda path: Note(f"/no/such/folder{path}"))
        study = Study(points.bad, {"x": range(6), "what": ["kill"]})
        with joblib.parallel_config("dask"):
            tally, rows = run(study, tmp_path)
        assert (tally.done, tally.failed) == (5, 1)
        assert rows[3].status == "failed"


class TestRefusals:
    def test_what_cannot_be_sent(self, tmp_path: Path) -> None:
        lock = threading.Lock()
        study = Study(lambda x: {"y": x if lock else 0}, {"x": [1, 2]})
        with pytest.raises(SpecError, match="cannot be sent to another process"):
            run(study, tmp_path, n_jobs=2)
        assert run(study, tmp_path, n_jobs=1)[0].done == 2

    def test_what_workers_cannot_import(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        module = types.ModuleType("only_here")

        def double(x: int) -> dict[str, int]:
            return {"y": 2 * x}

        double.__module__, double.__qualname__ = "only_here", "double"
        module.double = double  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "only_here", module)
        with pytest.raises(EngineError, match=r"cannot be loaded in a worker .*only_here"):
            run(Study(double, {"x": [1, 2]}), tmp_path, n_jobs=2)

    def test_time_limit_in_threads(self, tmp_path: Path) -> None:
        with (
            joblib.parallel_config("threading", n_jobs=2),
            pytest.raises(CapabilityError, match="time_limit"),
        ):
            run(squares(), tmp_path, time_limit=1.0)

    def test_a_time_limit_in_another_thread_than_the_main_one(self) -> None:
        told: list[BaseException] = []

        def check() -> None:
            try:
                runner.check_run(squares(), n_jobs=1, time_limit=1.0)
            except CapabilityError as error:
                told.append(error)

        thread = threading.Thread(target=check)
        thread.start()
        thread.join()
        assert "another thread than the main one" in str(told[0])
        runner.check_run(squares(), n_jobs=1, time_limit=1.0)

    def test_a_time_limit_on_a_cluster_in_this_process(self) -> None:
        distributed = pytest.importorskip("distributed")
        options = {"processes": False, "dashboard_address": ":0", "silence_logs": logging.CRITICAL}
        with (
            distributed.Client(n_workers=1, threads_per_worker=1, **options),
            joblib.parallel_config("dask"),
            pytest.raises(CapabilityError, match="one of several threads"),
        ):
            runner.check_run(squares(), n_jobs=None, time_limit=1.0)

    def test_what_cannot_be_sent_leaves_no_store(self, tmp_path: Path) -> None:
        lock = threading.Lock()
        study = Study(lambda x: {"y": x, "locked": lock.locked()}, {"x": [1, 2]})
        with pytest.raises(SpecError, match="cannot be sent to another process"):
            study.run(tmp_path / "store", n_jobs=2)
        assert not (tmp_path / "store").exists()

    def test_another_backend_of_joblib(self) -> None:
        with (
            joblib.parallel_config("multiprocessing", n_jobs=2),
            pytest.raises(CapabilityError, match="must be 'loky', 'threading' or 'dask'"),
        ):
            open_pool(None)

    def test_workers_that_never_begin(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def submit(*_: object) -> None:
            raise OSError("no semaphores here")

        monkeypatch.setattr("arcuate.study._runner_pools._Processes.submit", submit)
        with pytest.raises(EngineError, match=r"die before they begin.*no semaphores here"):
            run(squares(), tmp_path, n_jobs=2)
        assert Store.read(tmp_path).rows() == []

    def test_no_jobs(self) -> None:
        with pytest.raises(SpecError, match="n_jobs = 0"):
            open_pool(0)


class TestPools:
    def test_tasks_in_several_threads_lift_the_limit_of_threads_together(self) -> None:
        controller = pytest.importorskip("threadpoolctl").ThreadpoolController()

        def threads() -> set[int]:
            return {library["num_threads"] for library in controller.info()}

        with controller.limit(limits=2):
            before = threads()
            first, second = _runner_task._one_thread(), _runner_task._one_thread()
            first.__enter__()
            second.__enter__()
            first.__exit__(None, None, None)
            assert threads() == {1}
            second.__exit__(None, None, None)
            assert threads() == before

    def test_the_configuration_of_joblib_counts(self) -> None:
        with joblib.parallel_config("loky", n_jobs=3):
            assert open_pool(None).workers == 3
            assert open_pool(2).workers == 2
        with joblib.parallel_config("threading", n_jobs=1):
            assert open_pool(None).workers == 1
        assert open_pool(1).apart is False

    def test_a_worker_has_one_thread(self, tmp_path: Path) -> None:
        _, rows = run(Study(points.threads, {"x": [1, 2]}), tmp_path / "a", n_jobs=2)
        assert [row.metrics["most"] for row in rows] == [1, 1]
        _, rows = run(Study(points.threads, {"x": [1, 2]}), tmp_path / "b", n_jobs=1)
        assert [row.metrics["most"] for row in rows] == [1, 1]

    def test_a_script_without_a_guard(self, tmp_path: Path) -> None:
        words = [sys.executable, str(JOB), "loky", str(tmp_path / "s"), "6", "0"]
        done = subprocess.run(words, env=_environment(), capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stderr) == (0, "")
        assert len(Store.read(tmp_path / "s").rows()) == 6


class TestTwoRuns:
    def test_points_that_another_run_holds_are_waited_for(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(runner, "LOOK", 0.05)
        study = squares(6)
        other = Store.open(tmp_path, study.describe(), fingerprint=study.fingerprint)
        keys = study.keys()
        other.claim(keys, 3)
        row = Row(key=keys[0], index=0, values={"x": 0}, seed=0, metrics={"square": 0.0, "used": 0})
        seen: list[tuple[int, int]] = []

        def told(done: int, total: int) -> None:
            seen.append((done, total))
            if done == 3:  # the other run finishes one of its points and gives the others back
                other.commit([row])
                other.release()

        with Store.open(tmp_path, study.describe(), fingerprint=study.fingerprint) as store:
            tally = run_points(study, store, n_jobs=1, progress=told)
            rows = store.rows()
        other.close()
        assert (tally.done, tally.elsewhere) == (5, 1)
        assert [row.metrics["square"] for row in rows] == [float(x * x) for x in range(6)]
        assert seen[-1] == (6, 6)


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(JOB.parent), *sys.path])}


def _started(backend: str, folder: Path) -> subprocess.Popen[str]:
    """A study of many slow points, of which some are done."""
    process = subprocess.Popen(
        [sys.executable, str(JOB), backend, str(folder), "400", "0.1"],
        env=_environment(),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    log, limit = Path(f"{folder}.log"), time.monotonic() + 60
    while (not log.exists() or len(log.read_text().splitlines()) < 5) and time.monotonic() < limit:
        time.sleep(0.05)
    return process


class TestSignals:
    @pytest.fixture(autouse=True)
    def usual_handlers(self) -> Iterator[None]:
        """Those of a fresh Python, whatever started the tests or was imported."""
        usual = {
            signal.SIGINT: signal.default_int_handler,
            signal.SIGTERM: signal.SIG_DFL,
            signal.SIGHUP: signal.SIG_DFL,
        }
        before = {number: signal.signal(number, handler) for number, handler in usual.items()}
        yield
        for number, handler in before.items():
            signal.signal(number, handler)

    @pytest.mark.parametrize(
        ("backend", "number", "code"),
        [
            ("loky", signal.SIGINT, -signal.SIGINT),
            ("loky", signal.SIGTERM, 143),
            ("serial", signal.SIGINT, -signal.SIGINT),
            ("serial", signal.SIGHUP, 129),
        ],
    )
    def test_what_is_finished_is_kept(self, backend: str, number: int, code: int, tmp_path: Path) -> None:
        process = _started(backend, tmp_path / "s")
        os.killpg(process.pid, number)  # as a terminal and a scheduler do
        _, error = process.communicate(timeout=60)
        assert process.returncode == code, error
        if number == signal.SIGINT:
            assert error.rstrip().endswith("KeyboardInterrupt")
            assert "joblib" not in error  # no worker says anything
        rows = Store.read(tmp_path / "s").rows()
        computed = len((tmp_path / "s.log").read_text().splitlines())
        assert computed - 2 <= len(rows) <= computed
        assert all(row.status == "done" for row in rows)

    def test_a_second_one_forces(self) -> None:
        from arcuate.study._runner_signals import Signals, Stop

        with Signals() as signals:
            with pytest.raises(Stop) as stop, signals.held():
                os.kill(os.getpid(), signal.SIGINT)
                reached = True
            assert reached
            assert isinstance(stop.value.as_exit(), KeyboardInterrupt)
            with pytest.raises(Stop), signals.held():
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGTERM)
                raise AssertionError("the second signal waits for nothing")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def test_handlers_of_the_user_stay(self) -> None:
        from arcuate.study._runner_signals import Signals

        def mine(*_: object) -> None: ...

        before = signal.signal(signal.SIGTERM, mine)
        try:
            with Signals():
                assert signal.getsignal(signal.SIGTERM) is mine
        finally:
            signal.signal(signal.SIGTERM, before)


class TestProgress:
    def test_a_function_is_told(self, tmp_path: Path) -> None:
        seen: list[tuple[int, int]] = []
        study = squares()
        with Store.open(tmp_path, study.describe(), fingerprint=study.fingerprint) as store:
            run_points(study, store, n_jobs=1, progress=lambda done, total: seen.append((done, total)))
        assert seen[-1] == (8, 8)
        assert seen == sorted(seen)

    def test_a_terminal_shows_a_bar(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        screen = Terminal()
        monkeypatch.setattr("sys.stderr", screen)
        monkeypatch.setattr("arcuate.study._runner_show.BAR_AFTER", 0.0)
        monkeypatch.setenv("TERM", "xterm")
        with StudyBar(None, 10, done=2, title="gain") as bar:
            bar.update(10, failed=1)
        text = screen.getvalue()
        assert "gain" in text
        assert "10/10" in text
        assert "1 failed" in text

    def test_nobody_looks(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("arcuate.study._runner_show.BAR_AFTER", 0.0)
        with StudyBar(None, 10, done=0, title="gain") as bar:
            bar.update(10, failed=0)
        assert capsys.readouterr().err == ""


class TestRunEach:
    def test_an_error_stands_in_its_place(self) -> None:
        good, bad = small(), small().replace({"populations.exc.n": 10**9})
        results = list(run_each([(good, 1), (bad, 1), (good, 2)], "50 ms"))
        assert isinstance(results[1], MemoryLimitError)
        assert [results[0], results[2]] == [arc.simulate(good, "50 ms", seed=seed) for seed in (1, 2)]

    def test_time_is_over(self) -> None:
        (result,) = run_each([(small(), 1)], "1000 s", time_limit=0.01, record=arc.Record(spikes=False))
        assert isinstance(result, TimeLimitError)

    def test_halted(self) -> None:
        assert list(run_each([(small(), 1)], "1000 s", halted=lambda: True)) == []
