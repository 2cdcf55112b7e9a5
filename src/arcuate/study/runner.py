"""Run the points of a study: in this process, in others or on a cluster, whatever dies on the way.

The parent hands out tasks and is the only one that writes. A task holds as many points as take a tenth of a
second, so that a lost worker loses little. Results are committed as they come; those that come while others
are written go into the next transaction together. A point is tried again if its worker died; which point it
was, the worker had noted before it began. Executors are driven directly rather than through
`joblib.Parallel`, which ends the whole call with one dead worker, and on Dask waits forever for a task that
was given up.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
import traceback
import warnings
from collections import Counter, deque
from collections.abc import Collection
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from arcuate._progress import ProgressOption
from arcuate.errors import ArcuateError, ArcuateWarning, CapabilityError, EngineError, SpecError
from arcuate.spec import Network
from arcuate.study._axes import plain_value
from arcuate.study._metrics import name_of
from arcuate.study._runner_pools import Pool, open_pool
from arcuate.study._runner_show import StudyBar
from arcuate.study._runner_signals import Signals, Stop
from arcuate.study._runner_task import Note, Outcome, Recipe, Work, WorkerLost, run_task
from arcuate.study._store_rows import Row

if TYPE_CHECKING:
    from arcuate.study.store import Store
    from arcuate.study.study import Study

__all__ = ["Tally", "check_run", "run_points"]

TASK = 0.1
"""Seconds of work in one task (chosen: little is lost with it, and handing it out costs a hundredth)."""

MOST = 256
"""Points of one task at most."""

AHEAD = 2.0
"""Seconds of work that are reserved in the store before they are handed out."""

LOOK = 0.5
"""Seconds between two looks at what another run on the same store does."""

BARREN = 10
"""Losses of workers in a row, without any result or any point to blame, before a run gives up."""


@dataclass
class Tally:
    """What a run did.

    Attributes
    ----------
    total, before : int
        Points of the study, and those that were done when it began.
    done, failed : int
        Points that this run computed.
    elsewhere : int
        Points that another run on the same store computed meanwhile.
    missing : Counter
        How often each metric was missing or not finite.

    Examples
    --------
    >>> Tally(total=3, before=1, done=1).finished
    2
    """

    total: int
    before: int
    done: int = 0
    failed: int = 0
    elsewhere: int = 0
    missing: Counter[str] = field(default_factory=Counter)

    @property
    def finished(self) -> int:
        """Points that need no more work, the failed ones among them."""
        return self.before + self.done + self.failed + self.elsewhere


def run_points(
    study: Study,
    store: Store,
    *,
    n_jobs: int | None = None,
    time_limit: float | None = None,
    retries: int = 2,
    progress: ProgressOption = None,
    again: Collection[str] = (),
) -> Tally:
    """Run every point of a study that a store does not hold yet, and keep each result in it.

    Parameters
    ----------
    study : Study
        What to run.
    store : Store
        Where results are kept; open for writing.
    n_jobs : int, optional
        Points at a time. 1 stays in this process; by default as many as there are processors, or as the
        cluster of ``joblib.parallel_config("dask")`` has.
    time_limit : float, optional
        Longest time of a run, and of a call of a function, s.
    retries : int
        How often a point is tried again whose worker died, or whose time was over.
    progress : bool or callable, optional
        As in :func:`arcuate.simulate`, in points.
    again : collection of str, optional
        Keys of points that are computed although the store holds them.

    Returns
    -------
    Tally

    Raises
    ------
    SpecError
        If the function of the study cannot be sent to another process.
    CapabilityError
        If there is no way to keep the time limit where the points are run.
    EngineError
        If no worker can load the model or the measure, or none stays alive.
    StoreError
        If a result cannot be written; what was written before stays.
    KeyboardInterrupt, SystemExit
        At Ctrl-C, SIGTERM (143) or SIGHUP (129), after what is finished was written.

    Warns
    -----
    ArcuateWarning
        Once, if points failed; once, if metrics were missing or not finite.

    Examples
    --------
    >>> import tempfile
    >>> import arcuate as arc
    >>> from arcuate.study.store import Store
    >>> study = arc.Study(lambda x: {"y": x * x}, {"x": [1, 2, 3]})
    >>> with Store.open(tempfile.mkdtemp(), study.describe(), fingerprint=study.fingerprint) as store:
    ...     tally = run_points(study, store, n_jobs=1)
    ...     tally.done, [row.metrics["y"] for row in store.rows()]
    (3, [1, 4, 9])
    """
    pool = open_pool(n_jobs)
    recipe = _recipe(study, pool, time_limit)
    done, total = store.done_keys().difference(again), len(study.design)
    todo = [index for index, key in enumerate(study.keys()) if key not in done]
    tally = Tally(total=total, before=total - len(todo))
    with (
        tempfile.TemporaryDirectory(prefix="arcuate-study-", ignore_cleanup_errors=True) as scratch,
        StudyBar(progress, total, done=tally.before, title=study.name) as bar,
        Signals() as signals,
    ):
        run = _Run(study, store, pool, recipe=recipe, retries=retries, tally=tally, scratch=Path(scratch))
        try:
            run.to_the_end(todo, bar, signals)
        except Stop as stop:
            raise stop.as_exit() from None
    _warn(tally)
    return tally


def check_run(study: Study, *, n_jobs: int | None, time_limit: float | None) -> None:
    """Refuse what cannot be run here, before a store is touched.

    Parameters
    ----------
    study : Study
        What is to be run.
    n_jobs, time_limit
        Of `run_points`.

    Raises
    ------
    SpecError
        If the function of the study cannot be sent to another process.
    CapabilityError
        If joblib's backend is unknown, or there is no way to keep the time limit where the points are run.

    Examples
    --------
    >>> import arcuate as arc
    >>> check_run(arc.Study(lambda x: {"y": x * x}, {"x": [1, 2, 3]}), n_jobs=2, time_limit=1.0)
    """
    _recipe(study, open_pool(n_jobs), time_limit)


def _recipe(study: Study, pool: Pool, time_limit: float | None) -> bytes | Recipe:
    """What workers need of a study, pickled if they are other processes."""
    target, options = study.spec, {}
    if isinstance(target, Network):
        target = target if study.record is None else target.replace(record=study.record)
        options = {"engine": study.engine, "order": study.order, "precision": study.precision}
    elif time_limit is not None:
        _check_limit(pool)
    recipe = Recipe(
        target=target,
        seeded="seed" in study.arguments(study.design[0]),
        measure=study.measure,
        name=name_of(target) if study.measure is None else "",
        taken=tuple(study.design.names),
        duration=None if study.duration is None else f"{study.duration!r} s",
        options=options,
        keep=study.keep,
        time_limit=time_limit,
        parent=os.getpid(),
        kill=pool.apart and pool.threads == 1,
        halted=None if pool.apart else pool.halted,
    )
    if not pool.apart:
        return recipe
    from joblib.externals.loky.cloudpickle_wrapper import dumps

    try:
        pickled: bytes = dumps(recipe)
    except Exception as error:
        raise SpecError.of(
            where="Study.run",
            name="model or measure",
            value=study.name,
            bound=f"cannot be sent to another process ({type(error).__name__}: {error})",
            fix="make what it refers to inside the function, or use n_jobs=1",
        ) from error
    return pickled


def _check_limit(pool: Pool) -> None:
    """Refuse a time limit where a function cannot be interrupted."""
    if pool.threads > 1:
        raise CapabilityError.of(
            where="Study.run",
            name="time_limit",
            bound="cannot be kept for a function that runs in one of several threads",
            fix="use processes, or Dask workers with one thread: LocalCluster(threads_per_worker=1)",
        )
    if not pool.apart and threading.current_thread() is not threading.main_thread():
        raise CapabilityError.of(
            where="Study.run",
            name="time_limit",
            bound="cannot be kept for a function that runs in another thread than the main one",
            fix="use processes: n_jobs=2 or more",
        )


def _warn(tally: Tally) -> None:
    """Say once what is not as one would wish."""
    if tally.failed:
        warnings.warn(
            f"{tally.failed} of {tally.total} points failed; the table says which, and Results.failed() why. "
            "The next run tries them again.",
            ArcuateWarning,
            stacklevel=4,
        )
    if tally.missing:
        counts = ", ".join(f"{name!r} at {count}" for name, count in tally.missing.most_common(5))
        warnings.warn(
            f"Metrics were missing or not finite: {counts} of {tally.done} points.",
            ArcuateWarning,
            stacklevel=4,
        )


@dataclass(frozen=True, kw_only=True)
class _Task:
    """Points that were handed out together."""

    work: list[Work]
    note: Note
    alone: bool


@dataclass(frozen=True, kw_only=True)
class _Loss:
    """A task that gave no answer, and where its worker was."""

    task: _Task
    error: BaseException
    place: int | None
    trace: str

    @property
    def blind(self) -> bool:
        """Whether Dask gave the task up, after several deaths, and nobody could note at which point."""
        return self.place is None and type(self.error).__name__ == "KilledWorker"


class _Run:
    """One run of a study: what is to be done, what is being done, and what waits to be written."""

    def __init__(
        self,
        study: Study,
        store: Store,
        pool: Pool,
        *,
        recipe: bytes | Recipe,
        retries: int,
        tally: Tally,
        scratch: Path,
    ) -> None:
        self.study, self.store, self.pool = study, store, pool
        self.recipe, self.retries, self.tally, self.scratch = recipe, retries, tally, scratch
        self.keys = study.keys()
        self.before = {row.key: row.committed_utc for row in store.rows()}
        self.todo: deque[int] = deque()  # not reserved yet
        self.elsewhere: dict[str, int] = {}  # reserved by another run
        self.ready: deque[Work] = deque()  # reserved, to be handed out
        self.suspects: deque[Work] = deque()  # to be run alone, since a worker died at them twice
        self.flight: dict[Future[list[Outcome]], _Task] = {}
        self.tries: Counter[str] = Counter()
        self.deaths: Counter[str] = Counter()  # tries that gave nothing: the worker died, or time was over
        self.outcomes: list[Outcome] = []  # to be committed
        self.pace: float | None = None  # seconds of a point
        self.count = self.barren = 0

    def to_the_end(self, todo: list[int], bar: StudyBar, signals: Signals) -> None:
        """Run everything; what ends it early leaves the store in order."""
        self.todo.extend(todo)
        whole = False
        try:
            while self._hand_out():
                if self.flight:
                    self._collect()
                elif not self.outcomes:
                    time.sleep(LOOK)
                self._commit(signals)
                bar.update(self.tally.finished, failed=self.tally.failed)
            whole = True
        finally:
            with contextlib.ExitStack() as last:
                last.callback(self.pool.close, now=not whole)
                last.callback(self.store.release)
                self._sweep()
                self._commit(signals)
        bar.update(self.tally.finished, failed=self.tally.failed)

    # ------------------------------------------------------------------ handing out

    def _hand_out(self) -> bool:
        """Start tasks for all workers; False once nothing is left to do."""
        # Of quick points the next task waits at its worker. Of others, no worker begins one before its last
        # one is written: a loss of it never costs more than one point.
        quick = self.pool.apart and self.pace is not None and self.pace < TASK / 2
        slots = self.pool.workers * (2 if quick else 1)
        while len(self.flight) < slots and not any(task.alone for task in self.flight.values()):
            if not self.ready:
                self._reserve()
            if not self.ready:
                break
            self._submit([self.ready.popleft() for _ in range(self._size())])
        if not self.flight and self.suspects:
            self._submit([self.suspects.popleft()], alone=True)
        if not self.flight and self.elsewhere:
            self._look_elsewhere()
        return bool(self.flight or self.ready or self.todo or self.elsewhere)

    def _size(self) -> int:
        """Points of the next task: a tenth of a second of work, and enough for all workers."""
        if self.pace is None or self.study.keep:
            return 1
        fair = -(-(len(self.ready) + len(self.todo)) // (2 * self.pool.workers))
        return max(1, min(int(TASK / max(self.pace, 1e-9)), MOST, fair, len(self.ready)))

    def _reserve(self) -> None:
        """Claim points in the store, so that no other run computes them too."""
        pace = 1.0 if self.pace is None else max(self.pace, 1e-4)
        share = max(2 * self.pool.workers, int(AHEAD * self.pool.workers / pace))
        while self.todo and not self.ready:
            indices = [self.todo.popleft() for _ in range(min(share, len(self.todo)))]
            asked = {self.keys[index]: index for index in indices}
            for key in self.store.claim(list(asked), len(asked)):
                self.ready.append(self._work(asked.pop(key)))
            self.elsewhere.update(asked)

    def _work(self, index: int) -> Work:
        point = self.study.design[index]
        return Work(key=self.keys[index], point=point, seed=self.study.seed_at(point))

    def _look_elsewhere(self) -> None:
        """See what became of points that another run had reserved; take over those that it left."""
        there = {
            row.key
            for row in self.store.rows()
            if row.key in self.elsewhere and row.committed_utc != self.before.get(row.key)
        }
        left = [key for key in self.elsewhere if key not in there]
        for key in self.store.claim(left, len(left)):
            self.ready.append(self._work(self.elsewhere.pop(key)))
        for key in there:
            del self.elsewhere[key]
        self.tally.elsewhere += len(there)

    def _submit(self, work: list[Work], *, alone: bool = False) -> None:
        note = Note(str(self.scratch / str(self.count)) if self.pool.apart else None)
        self.count += 1
        try:
            future = self.pool.submit(run_task, self.recipe, work, note.path)
        except Exception as error:  # noqa: BLE001  a pool that broke since the last look says so here
            future = Future()
            future.set_exception(BrokenExecutor(f"{type(error).__name__}: {error}"))
        self.flight[future] = _Task(work=work, note=note, alone=alone)

    # ------------------------------------------------------------------ taking back

    def _collect(self) -> None:
        """Wait for answers, and take all that are here."""
        wait(self.flight, timeout=LOOK, return_when=FIRST_COMPLETED)
        lost: list[_Loss] = []
        for future in [future for future in self.flight if future.done()]:
            task = self.flight.pop(future)
            error = CancelledError() if future.cancelled() else future.exception()
            if error is None:
                self._take(future.result(), task)
            elif isinstance(error, ArcuateError):
                raise error
            elif _is_loss(error):
                place, trace = task.note.read()
                lost.append(_Loss(task=task, error=error, place=place, trace=trace))
            else:
                self._refuse(task, error)
        if lost:
            self._mend(lost)

    def _take(self, outcomes: list[Outcome], task: _Task) -> None:
        """Accept the answers of a task; what was late is tried again."""
        self.barren = 0
        for outcome in outcomes:
            key = outcome.work.key
            self.tries[key] += 1
            if outcome.late:
                self.deaths[key] += 1
            if outcome.late and self.deaths[key] <= self.retries:
                self.ready.appendleft(outcome.work)
            else:
                self.outcomes.append(outcome)
        seconds = sum(outcome.wall_seconds for outcome in outcomes) / max(1, len(outcomes))
        if self.pace is None or seconds < self.pace:  # the first point of a worker imports and compiles
            self.pace = seconds
        else:
            self.pace += 0.1 * (seconds - self.pace)
        if task.note.path is not None:
            Path(task.note.path).unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Accept what is finished as the run ends early."""
        for future, task in list(self.flight.items()):
            if future.done() and not future.cancelled() and future.exception() is None:
                del self.flight[future]
                self._take(future.result(), task)

    def _refuse(self, task: _Task, error: BaseException) -> None:
        """Answer for points whose results cannot be sent."""
        if len(task.work) > 1:
            self.suspects.extend(task.work)
            return
        text = "".join(traceback.format_exception(error))
        reason = f"its result cannot be sent: {type(error).__name__}: {str(error)[:400]}"
        self._take([Outcome(work=task.work[0], metrics={}, reason=reason, traceback=text)], task)

    def _mend(self, lost: list[_Loss]) -> None:
        """Find the points at which workers died, and hand everything else out again."""
        self.pool.mend()
        late = any(loss.trace for loss in lost)
        began = sum(loss.place is not None for loss in lost)
        if not began and not any(loss.blind for loss in lost):
            self._count_barren(lost[0].error)
        for loss in reversed(lost):
            for place, item in reversed(list(enumerate(loss.task.work))):
                if loss.blind:
                    self.deaths[item.key] = max(self.deaths[item.key], self.retries)
                if loss.blind or (place == loss.place and bool(loss.trace) == late):
                    certain = began == 1 or bool(loss.trace) or loss.task.alone
                    self._suspect(item, loss, certain=certain)
                else:
                    self.ready.appendleft(item)

    def _suspect(self, item: Work, loss: _Loss, *, certain: bool) -> None:
        """Count a death against a point: run it again, alone if it was there twice, or give it up."""
        self.tries[item.key] += 1
        self.deaths[item.key] += 1
        deaths = self.deaths[item.key]
        if deaths > self.retries and certain:
            self._give_up(item, loss)
        elif deaths > min(1, self.retries):
            self.suspects.append(item)
        else:
            self.ready.appendleft(item)

    def _give_up(self, item: Work, loss: _Loss) -> None:
        """Record a point that takes its worker down, or does not end."""
        times = "once" if self.tries[item.key] == 1 else f"{self.tries[item.key]} times"
        reason = (
            f"It was not over in time, {times}, and could not be interrupted."
            if loss.trace
            else f"Its worker died {times}: killed, out of memory, or a crash in compiled code."
        )
        outcome = Outcome(work=item, metrics={}, reason=reason, traceback=loss.trace or str(loss.error))
        self.outcomes.append(outcome)

    def _count_barren(self, error: BaseException) -> None:
        self.barren += 1
        if self.barren > BARREN:
            raise EngineError.of(
                where="Study.run",
                name="workers",
                bound=f"die before they begin, or do not answer ({type(error).__name__}: {str(error)[:200]})",
                fix="try n_jobs=1, which shows where it happens",
            ) from error

    # ------------------------------------------------------------------ writing

    def _commit(self, signals: Signals) -> None:
        """Write what is here; only now it counts as done."""
        if not self.outcomes:
            return
        outcomes, self.outcomes = self.outcomes, []
        rows = [self._row(outcome) for outcome in outcomes]
        recordings = {
            outcome.work.key: outcome.recording for outcome in outcomes if outcome.recording is not None
        }
        with signals.held():
            self.store.commit(rows, recordings)
            failed = sum(row.status == "failed" for row in rows)
            self.tally.failed += failed
            self.tally.done += len(rows) - failed
            self.tally.missing.update(
                name for row in rows for name, value in row.metrics.items() if value is None
            )

    def _row(self, outcome: Outcome) -> Row:
        item = outcome.work
        return Row(
            key=item.key,
            index=item.point.index,
            values={name: plain_value(value) for name, value in item.point.values.items()},
            seed=item.seed,
            status="failed" if outcome.reason else "done",
            metrics=outcome.metrics,
            reason=outcome.reason,
            traceback=outcome.traceback,
            tries=self.tries[item.key],
            wall_seconds=outcome.wall_seconds,
        )


def _is_loss(error: BaseException) -> bool:
    """Whether an error says that a worker is gone, rather than what its task did."""
    names = {"KilledWorker", "FutureCancelledError", "ShutdownExecutorError"}
    return isinstance(error, WorkerLost | CancelledError | BrokenExecutor) or type(error).__name__ in names
