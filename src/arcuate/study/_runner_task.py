"""What a worker does: run some points, one after the other, and answer for each whatever happens to it."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, cast

from arcuate.batch import run_each
from arcuate.errors import ArcuateError, EngineError, TimeLimitError
from arcuate.spec import Network
from arcuate.study._metrics import Metric, measured, utf8

if TYPE_CHECKING:
    from arcuate.recording import Recording
    from arcuate.study.design import Point

__all__ = ["Note", "Outcome", "Recipe", "Work", "WorkerLost", "begin_worker", "run_task"]

GRACE = 2.0
"""Seconds that a function has to end after it was interrupted; then its process ends."""

_LONGEST = 20_000
"""Characters of a traceback that are kept, from its end."""

_parents: list[int] = []
"""The process that this worker works for, if it was begun by `begin_worker`."""


class WorkerLost(Exception):
    """The process that ran a task is gone; the task's note says at which point."""


class _TimeUp(BaseException):
    """Interrupts a function whose time is over; nothing that catches `Exception` swallows it."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """One point to run.

    Parameters
    ----------
    key : str
        Of the point in the store.
    point : Point
        Its place in the design, and its values.
    seed : int
        Of its run.
    """

    key: str
    point: Point
    seed: int


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one point.

    Parameters
    ----------
    work : Work
        The point.
    metrics : dict of str to number, bool, str or None
        Empty where it failed.
    reason, traceback : str
        Why it failed; empty where it did not.
    late : bool
        Whether it failed for want of time, so that another try may do better.
    wall_seconds : float
        Time that it took.
    recording : Recording or None
        Where the study keeps them.
    """

    work: Work
    metrics: dict[str, Metric]
    reason: str = ""
    traceback: str = ""
    late: bool = False
    wall_seconds: float = 0.0
    recording: Recording | None = None


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is done with every point of a study, as a worker needs it.

    Parameters
    ----------
    target : Network or callable
        What is varied, or what is called with the values.
    seeded : bool
        Whether a function is called with a seed.
    measure : callable or None
        Function of what the target gives.
    name : str
        Of a metric that has none.
    taken : collection of str
        Names that no metric may have.
    duration, options
        Of `run_each`.
    keep : bool
        Whether recordings are sent back.
    time_limit : float or None
        Longest time of a run, and of a call of a function, s.
    parent : int
        Number of the process that wrote this.
    kill : bool
        Whether a process whose function does not end may end itself.
    halted : callable or None
        Asked between blocks of steps by a thread of the parent's.
    """

    target: Network | Callable[..., Any]
    seeded: bool
    measure: Callable[[Any], Any] | None
    name: str
    taken: Collection[str]
    duration: Any
    options: dict[str, Any]
    keep: bool
    time_limit: float | None
    parent: int
    kill: bool
    halted: Callable[[], bool] | None = None


class Note:
    """A file in which a worker notes the point it is at, so that one knows where it was when it died.

    Parameters
    ----------
    path : str or None
        The file; nothing is noted without one, or where it cannot be written.
    """

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.file: int | None = None

    def __enter__(self) -> Note:
        if self.path is not None:
            with contextlib.suppress(OSError):
                self.file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return self

    def __exit__(self, *error: object) -> None:
        if self.file is not None:
            os.close(self.file)

    def write(self, text: str) -> None:
        """Add a line: the place of the point that begins, or nothing more to do.

        Parameters
        ----------
        text : str
            ``"3"``, or ``"end"``.
        """
        if self.file is not None:
            with contextlib.suppress(OSError):
                os.write(self.file, f"{text}\n".encode())

    def read(self) -> tuple[int | None, str]:
        """Tell which point was being run.

        Returns
        -------
        int or None
            Its place in the task; None if none was.
        str
            Where its process was as it ended itself because the time was over; else empty.
        """
        try:
            with open(self.path or "", encoding="utf-8", errors="replace") as file:
                lines = file.read().splitlines()
        except OSError:
            return None, ""
        marks = [place for place, line in enumerate(lines) if line == "end" or line.isdecimal()]
        if not marks or lines[marks[-1]] == "end":
            return None, ""
        return int(lines[marks[-1]]), "\n".join(lines[marks[-1] + 1 :])


def begin_worker(parent: int) -> None:
    """Prepare a process to be a worker: Ctrl-C is for its parent, and without a parent it ends.

    Parameters
    ----------
    parent : int
        Its number.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _parents.append(parent)

    def watch() -> None:
        while True:
            _end_orphan()
            time.sleep(0.5)

    threading.Thread(target=watch, daemon=True).start()


def _end_orphan() -> None:
    """End a worker whose parent is gone; nobody would take what it computes."""
    if _parents and os.getppid() != _parents[0]:
        os._exit(1)


def run_task(recipe: bytes | Recipe, work: Sequence[Work], path: str | None = None) -> list[Outcome]:
    """Run some points.

    Parameters
    ----------
    recipe : bytes or Recipe
        What to do with each; pickled where it comes from another process.
    work : sequence of Work
        The points.
    path : str, optional
        Of the note of this task.

    Returns
    -------
    list of Outcome
        In the order of `work`.

    Raises
    ------
    WorkerLost
        If the note says that this task was begun before, and its worker died in a point.
    EngineError
        If the recipe cannot be read in this process.
    """
    note = Note(path)
    if note.read()[0] is not None:
        raise WorkerLost("the process that had begun this task is gone")
    what = recipe if isinstance(recipe, Recipe) else _load(recipe)
    with note, _one_thread():
        run = _run_networks if isinstance(what.target, Network) else _call_functions
        outcomes = list(run(what, work, note))
        note.write("end")
    return outcomes


@lru_cache(maxsize=2)
def _load(recipe: bytes) -> Recipe:
    """The recipe, read once in each process."""
    from joblib.externals.loky.cloudpickle_wrapper import loads

    try:
        what: Recipe = loads(recipe)
    except Exception as error:  # noqa: BLE001  whatever its modules raise
        raise EngineError.of(
            where="Study",
            name="model and measure",
            bound=f"cannot be loaded in a worker ({type(error).__name__}: {error})",
            fix="put them into a module that every worker can import, or use n_jobs=1",
        ) from None
    return what


_scanned: list[Any] = [0, None]
"""How many modules there were when libraries were looked for that have threads, and what was found."""

_held: list[Any] = []
"""The limit of BLAS, once for each task that is being run in this process; the last one lifts it."""

_holding = threading.Lock()


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Keep BLAS to one thread, so that workers do not fight and sums do not depend on their number.

    Workers that a study starts have one thread by their environment. The limit is that of the process: of
    tasks in several threads the first one sets it, and the last one lifts it.
    """
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        yield
        return
    with _holding:
        if not _held and _scanned[0] != len(sys.modules):
            _scanned[:] = len(sys.modules), ThreadpoolController()
        _held.append(_held[0] if _held else _scanned[1].limit(limits=1))
    try:
        yield
    finally:
        with _holding:
            limit = _held.pop()
            if not _held:
                limit.restore_original_limits()


def _run_networks(recipe: Recipe, work: Sequence[Work], note: Note) -> Iterator[Outcome]:
    """Run the networks of all points in one call of the engine."""
    built: list[tuple[Work, Network, float]] = []
    for item in work:
        start = time.perf_counter()
        try:
            network = item.point.apply(recipe.target)  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001  a failed point never stops the others
            yield _failed(item, error, time.perf_counter() - start)
        else:
            built.append((item, network, time.perf_counter() - start))
    places = {item.key: place for place, item in enumerate(work)}
    runs = [(network, item.seed) for item, network, _ in built]
    results = run_each(
        runs, recipe.duration, time_limit=recipe.time_limit, halted=recipe.halted, **recipe.options
    )
    for item, _, spent in built:
        _end_orphan()
        note.write(str(places[item.key]))
        start = time.perf_counter() - spent
        result = next(results, None)
        if result is None:  # halted
            return
        if isinstance(result, Exception):
            yield _failed(item, result, time.perf_counter() - start)
        else:
            yield _answer(recipe, item, note, start, partial(_given, result))


def _call_functions(recipe: Recipe, work: Sequence[Work], note: Note) -> Iterator[Outcome]:
    """Call the function of a study for all points."""
    for place, item in enumerate(work):
        _end_orphan()
        note.write(str(place))
        values = {**item.point.values, **({"seed": item.seed} if recipe.seeded else {})}
        call = partial(cast("Callable[..., Any]", recipe.target), **values)
        yield _answer(recipe, item, note, time.perf_counter(), call)


def _given(result: Any) -> Any:
    return result


def _answer(recipe: Recipe, item: Work, note: Note, start: float, compute: Callable[[], Any]) -> Outcome:
    """Measure what a point gives; whatever is raised becomes the reason of its failure."""
    try:
        with _limited(recipe, note):
            result = compute()
            metrics = measured(recipe.measure, result, name=recipe.name, taken=recipe.taken)
    except KeyboardInterrupt as error:
        if os.getpid() == recipe.parent:
            raise
        return _failed(item, error, time.perf_counter() - start)
    except _TimeUp as error:
        late = TimeLimitError.of(
            where="Study",
            name="time_limit",
            value=f"{recipe.time_limit:.4g} s",
            bound="was over",
            fix="allow more time",
        )
        return _failed(item, late.with_traceback(error.__traceback__), time.perf_counter() - start)
    except (Exception, SystemExit) as error:  # noqa: BLE001  a failed point never stops the others
        return _failed(item, error, time.perf_counter() - start)
    from arcuate.recording import Recording

    kept = result if recipe.keep and isinstance(result, Recording) else None
    return Outcome(work=item, metrics=metrics, recording=kept, wall_seconds=time.perf_counter() - start)


def _failed(item: Work, error: BaseException, wall_seconds: float) -> Outcome:
    """The outcome of a point that raised; its error stays here, since it may not survive the way."""
    text = "".join(traceback.format_exception(error))
    reason = traceback.format_exception_only(error)[-1].strip()
    if isinstance(error, ArcuateError):
        reason = str(error)
    return Outcome(
        work=item,
        metrics={},
        reason=utf8(reason[:500]),
        traceback=utf8(text[-_LONGEST:]),
        late=isinstance(error, TimeLimitError),
        wall_seconds=wall_seconds,
    )


@contextlib.contextmanager
def _limited(recipe: Recipe, note: Note) -> Iterator[None]:
    """Interrupt a function when its time is over, and end the process if it does not listen."""
    seconds = recipe.time_limit
    if seconds is None:
        yield
        return
    alarm = threading.current_thread() is threading.main_thread()
    kill = recipe.kill and note.file is not None
    if kill:
        faulthandler.dump_traceback_later(
            seconds + GRACE if alarm else seconds,
            exit=True,
            file=note.file,  # type: ignore[arg-type]
        )
    try:
        with _alarm(seconds) if alarm else contextlib.nullcontext():
            yield
    finally:
        if kill:
            faulthandler.cancel_dump_traceback_later()


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise `_TimeUp` in this process's main thread when the time is over."""

    def ring(*_: object) -> None:
        raise _TimeUp

    handler, start = signal.getsignal(signal.SIGALRM), time.monotonic()
    before = signal.setitimer(signal.ITIMER_REAL, 0.0)
    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, handler)
        if before[0]:  # another alarm was set: it rings as it would have
            left = max(1e-3, before[0] - (time.monotonic() - start))
            signal.setitimer(signal.ITIMER_REAL, left, before[1])
