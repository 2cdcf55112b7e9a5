"""Run many networks in one call: parameters, seeds and inputs vary, threads share the work."""

from __future__ import annotations

import math
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate._inputs import SHARE, available_memory
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.errors import (
    ArcuateError,
    CapabilityError,
    MemoryLimitError,
    SpecError,
    TimeLimitError,
    check_choice,
    check_int,
    unknown,
)
from arcuate.rng import check_seed
from arcuate.simulate import MAX_THREADS, Simulation, check_network, usable_processors

if TYPE_CHECKING:
    import xarray as xr

    from arcuate.engines.plan import Plan
    from arcuate.recording import Recording
    from arcuate.spec import Network, Record

__all__ = ["Batch", "run_each", "simulate_many"]

MAX_RUNS = 1_000_000
"""Runs of one batch (chosen: more belong into a study, which keeps its results on disk)."""

SWITCH_SECONDS = 5e-4
"""How soon a thread between two compiled loops may take the interpreter from another one's planning. Python's
5 ms is ten times as long as a loop: two threads took 10 % longer with it (measured, 64 networks of 500)."""

_WHERE = "simulate_many"

Tables = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Recordings of many runs, in the order in which they were asked for; made by `simulate_many`.

    Attributes
    ----------
    axes : mapping of str to tuple
        What varied, and its values; the last axis varies fastest. A seed that all runs share is an axis of
        one value.
    labels : tuple of mapping
        Where each run stands on the axes.
    recordings : tuple of (Recording or None)
        None for runs that were not done, which only the batch of an error has.

    Examples
    --------
    >>> import arcuate as arc
    >>> cells = arc.Population(name="exc", n=5, neuron=arc.lif(), bias="0.5 nA")
    >>> net = arc.Network(name="five", dt="0.1 ms", populations=[cells])
    >>> vary = {"populations.exc.bias": ["0.4 nA", "0.5 nA"]}
    >>> batch = arc.simulate_many(net, "100 ms", vary=vary, seeds=[1], progress=False)
    >>> len(batch), batch.labels[1]
    (2, {'populations.exc.bias': '0.5 nA', 'seed': 1})
    >>> batch.summary()["n_spikes"].sel(population="exc", seed=1).values.tolist()
    [15, 30]
    """

    axes: Mapping[str, tuple[Any, ...]]
    labels: tuple[Mapping[str, Any], ...]
    recordings: tuple[Recording | None, ...]

    def __len__(self) -> int:
        return len(self.recordings)

    def __getitem__(self, index: int) -> Recording:
        place = check_int(index, where="Batch", name="index", low=-len(self), high=len(self) - 1)
        recording = self.recordings[place]
        if recording is None:
            raise SpecError.of(
                where="Batch",
                name="index",
                value=index,
                bound="this run was not done",
                fix="simulate it again",
            )
        return recording

    def __iter__(self) -> Iterator[Recording]:
        for index in range(len(self)):
            yield self[index]

    def __repr__(self) -> str:
        axes = ", ".join(f"{name}: {len(values)}" for name, values in self.axes.items())
        done = sum(recording is not None for recording in self.recordings)
        return f"<arcuate.Batch of {len(self)} runs ({axes})" + (
            ">" if done == len(self) else f", {done} done>"
        )

    def summary(self) -> xr.Dataset:
        """Count the spikes of every run.

        Returns
        -------
        xarray.Dataset
            ``n_spikes`` (0 where a run was not done) and ``rate`` (Hz; NaN there), each over the axes and
            ``population``, for the populations whose spikes every run has.
        """
        import xarray as xr

        done = [recording for recording in self.recordings if recording is not None]
        names = [
            name
            for name in (done[0].populations if done else ())
            if all(name in recording.populations for recording in done)
        ]
        counts = np.zeros((len(self), len(names)), np.int64)
        rates = np.full((len(self), len(names)), np.nan)
        for row, recording in enumerate(self.recordings):
            for column, name in enumerate(names if recording is not None else ()):
                spikes = recording.spike_arrays(name)[1].size  # type: ignore[union-attr]
                counts[row, column] = spikes
                neurons, seconds = recording.n_neurons(name), recording.duration  # type: ignore[union-attr]
                if neurons and seconds:
                    rates[row, column] = spikes / (neurons * seconds)
        shape = (*(len(values) for values in self.axes.values()), len(names))
        dims = (*self.axes, "population")
        return xr.Dataset(
            {
                "n_spikes": (dims, counts.reshape(shape)),
                "rate": (dims, rates.reshape(shape), {"units": "Hz"}),
            },
            coords=self._coords() | {"population": names},
        )

    def counts(self, population: str) -> xr.DataArray:
        """Count the spikes of every neuron in every run.

        Parameters
        ----------
        population : str
            Name.

        Returns
        -------
        xarray.DataArray
            Spikes over the axes and ``neuron``; all runs must be done and have as many neurons.

        Raises
        ------
        UnknownNameError
            If there is no such population; the nearest is named.
        SpecError
            If a run was not done, or the population is not of one size.
        """
        import xarray as xr

        sizes = {recording.n_neurons(population) for recording in self}
        if len(sizes) != 1:
            raise SpecError.of(
                where="Batch.counts",
                name="population",
                value=population,
                bound=f"must be of one size in all runs, not of {sorted(sizes)} neurons",
                fix="use summary(), or count run by run",
            )
        (n,) = sizes
        rows = [np.bincount(recording.spike_arrays(population)[1], minlength=n) for recording in self]
        shape = (*(len(values) for values in self.axes.values()), n)
        return xr.DataArray(
            np.reshape(rows, shape),
            dims=(*self.axes, "neuron"),
            coords=self._coords() | {"neuron": np.arange(n)},
            name="n_spikes",
        )

    def _coords(self) -> dict[str, Any]:
        """Values of the axes as coordinates: numbers and text as they are, anything else as its text."""
        return {
            name: [value if isinstance(value, (bool, int, float, str)) else str(value) for value in values]
            if not (name == "seed" and max(values) >= 2**63)
            else [str(value) for value in values]
            for name, values in self.axes.items()
        }


@dataclass(frozen=True, kw_only=True)
class _Job:
    """One run of a batch."""

    network: Network
    seed: int
    tables: Mapping[str, Any]
    label: Mapping[str, Any]


def simulate_many(
    network: Network | Sequence[Network],
    duration: str | float | None = None,
    *,
    vary: Mapping[str, Sequence[Any]] | None = None,
    seeds: Sequence[int] | None = None,
    inputs: Tables = None,
    targets: Tables = None,
    gates: Tables = None,
    record: Record | None = None,
    engine: str = "numba",
    threads: int | None = None,
    order: str = "strict",
    precision: str = "float64",
    progress: ProgressOption = None,
    memory_limit: int | None = None,
) -> Batch:
    """Run many networks and return all their recordings.

    Every combination of network, varied values and seed is one run. Each gives the very numbers that
    :func:`simulate` gives for it, however many threads there are. Networks of one structure share one
    compiled loop. On a GPU they run side by side in one kernel.

    Parameters
    ----------
    network : Network or sequence of Network
        What to run; of several, each is run.
    duration : str or quantity, optional
        Length of every run; that of each network's task by default.
    vary : mapping of str to sequence, optional
        Values by dotted path, such as ``{"populations.exc.neuron.a": [0.02, 0.1]}``; all combinations are
        run, the last path varying fastest.
    seeds : sequence of int, optional
        Every combination is run with each; None draws one seed that all runs share.
    inputs, targets, gates : mapping, or sequence of mapping, optional
        As in :func:`simulate`: one table that all runs share, or a sequence of tables, one for each run in
        order. Where nothing else varies, the tables are the runs (axis ``run``).
    record : Record, optional
        What to keep, in place of each network's own.
    engine : str
        ``"numba"``; or ``"cuda"``, a GPU through Numba: networks of one structure and size, sums in another
        order, so spikes agree in their statistics.
    threads : int, optional
        Networks that run at the same time; by default as many as this process may use processors. Fewer
        where memory is short.
    order : {"strict", "fast"}
        As in :func:`simulate`.
    precision : {"float64", "float32"}
        As in :func:`simulate`.
    progress : bool or callable, optional
        As in :func:`simulate`, but networks are counted.
    memory_limit : int, optional
        Bytes that the whole batch may need, recordings included; 80 % of what is free by default.

    Returns
    -------
    Batch
        In the order of the combinations: networks, then varied paths, then seeds fastest.

    Raises
    ------
    SpecError, UnknownNameError
        If an argument, or a value of a network, is not valid.
    MemoryLimitError
        If the recordings and one run at a time would not fit.
    NonFiniteError
        If a run blows up. It names the first such run by its labels, and its attribute ``batch`` holds
        what was done by then.
    CapabilityError, EngineError
        If the GPU engine cannot run a network, or there is no GPU.

    Examples
    --------
    >>> import arcuate as arc
    >>> cells = arc.Population(name="exc", n=5, neuron=arc.izh2003(), bias=10.0, noise=arc.Noise(sigma=1.0))
    >>> net = arc.Network(name="five", dt="0.5 ms", populations=[cells])
    >>> batch = arc.simulate_many(net, "200 ms", seeds=range(3))
    >>> batch[2] == arc.simulate(net, "200 ms", seed=2)
    True
    >>> dict(batch.counts("exc").sizes)
    {'seed': 3, 'neuron': 5}
    """
    check_choice(engine, ("numba", "cuda"), where=_WHERE, name="engine")
    from arcuate.engines import check_arithmetic, get_engine

    check_progress(progress, where=_WHERE, unit="networks")
    if threads is not None:
        check_int(threads, where=_WHERE, name="threads", low=1, high=MAX_THREADS)
    if memory_limit is not None:
        check_int(memory_limit, where=_WHERE, name="memory_limit")
    check_arithmetic(get_engine("numba"), order=order, precision=precision)
    if engine == "cuda" and (order, precision) != ("strict", "float64"):
        raise CapabilityError.of(
            where="Engine 'cuda'",
            name="order, precision",
            value=f"{order}, {precision}",
            bound="must be 'strict' and 'float64', the only ones that it has",
        )
    networks = _networks(network, record)
    axes = _axes(networks, network, vary, seeds)
    tables = {"inputs": inputs, "targets": targets, "gates": gates}
    axes, jobs = _jobs(networks, axes, vary or {}, tables)
    limit, wide = _fit(jobs, duration, memory_limit, precision)
    workers = min(threads or usable_processors(), wide, len(jobs))
    labels = tuple(job.label for job in jobs)
    run = (
        _Pool(jobs, duration, {"memory_limit": limit, "order": order, "precision": precision})
        if engine == "numba"
        else _Device(jobs, duration, limit, wide)
    )
    with progress_bar(
        progress, len(jobs), title=f"{networks[0].name}, {len(jobs)} runs", unit="network"
    ) as report:
        try:
            run.work(workers, report)
        except (ArcuateError, KeyboardInterrupt) as error:
            error.batch = Batch(axes=axes, labels=labels, recordings=tuple(run.results))  # type: ignore[union-attr]
            raise
    return Batch(axes=axes, labels=labels, recordings=tuple(run.results))


def run_each(
    runs: Iterable[tuple[Network, int]],
    duration: str | float | None = None,
    *,
    time_limit: float | None = None,
    halted: Callable[[], bool] | None = None,
    **options: Any,
) -> Iterator[Recording | Exception]:
    """Run networks one after the other in this thread; where one fails, its error stands in its place.

    Parameters
    ----------
    runs : iterable of (Network, int)
        What to run, with the seed.
    duration : str or quantity, optional
        Length of every run; that of each network's task by default.
    time_limit : float, optional
        Longest time of a run, s; looked at between two blocks of steps. Building and compiling do not
        count.
    halted : callable, optional
        Asked between two blocks of steps; a True ends everything.
    **options : object
        Of :class:`arcuate.Simulation`, such as ``engine`` and ``record``.

    Yields
    ------
    Recording or Exception
        As soon as a run ends, in the order of `runs`.

    Examples
    --------
    >>> import arcuate as arc
    >>> cells = arc.Population(name="exc", n=5, neuron=arc.lif(), bias="0.5 nA")
    >>> net = arc.Network(name="five", dt="0.1 ms", populations=[cells])
    >>> [rec.n_neurons("exc") for rec in run_each([(net, 1), (net, 2)], "10 ms")]
    [5, 5]
    """
    for network, seed in runs:
        try:
            simulation = Simulation(network, duration, seed=seed, **options)
            look = _clock(network.name, time_limit, halted)
            result: Recording | Exception = simulation.advance(progress=look)
        except _Stopped:
            return
        except Exception as error:  # noqa: BLE001  it is the answer for this run
            result = error
        yield result


def _clock(
    name: str, time_limit: float | None, halted: Callable[[], bool] | None
) -> Callable[[int, int], None]:
    """A progress callback that ends the run when its time is over."""
    start = time.monotonic()

    def look(done: int, total: int) -> None:
        if halted is not None and halted():
            raise _Stopped
        if time_limit is not None and done < total and time.monotonic() - start > time_limit:
            raise TimeLimitError.of(
                where=f"Network {name!r}",
                name="time_limit",
                value=f"{time_limit:.4g} s",
                bound=f"was over at step {done} of {total}",
                fix="allow more time, or make the run shorter",
            )

    return look


def _networks(network: object, record: Record | None) -> list[Network]:
    """The networks to run, recording what is asked for."""
    given = list(network) if isinstance(network, (list, tuple)) else [network]
    if not given:
        raise SpecError.of(
            where=_WHERE, name="network", value=network, bound="must be a Network, or at least one of them"
        )
    networks: list[Any] = []
    for one in given:
        check_network(one, where=_WHERE)
        networks.append(one)
    if record is not None:
        networks = [one.replace(record=record) for one in networks]
    return networks


def _axes(
    networks: list[Network], network: object, vary: object, seeds: object
) -> dict[str, tuple[Any, ...]]:
    """What varies and its values, checked."""
    axes: dict[str, Sequence[Any]] = {}
    if isinstance(network, (list, tuple)):
        names = [one.name for one in networks]
        axes["network"] = tuple(names) if len(set(names)) == len(names) else tuple(range(len(names)))
    if vary is not None and not isinstance(vary, Mapping):
        raise SpecError.of(
            where=_WHERE,
            name="vary",
            value=vary,
            bound="must be a mapping from path to values",
            fix='use vary={"populations.exc.bias": [4.0, 5.0]}',
        )
    for path, values in (vary or {}).items():
        if path == "seed":
            raise unknown(_WHERE, path, ["seeds="], kind="path")
        for one in networks:
            one.get(path)
        axes[path] = _values(f"vary[{path!r}]", values)
    if seeds is not None:
        axes["seed"] = _values("seeds", seeds)
    else:
        axes["seed"] = (check_seed(None),)
    count = math.prod(len(values) for values in axes.values())
    if count > MAX_RUNS:
        lengths = " x ".join(str(len(values)) for values in axes.values())
        raise SpecError.of(
            where=_WHERE,
            name="runs",
            value=count,
            bound=f"must be <= {MAX_RUNS}; {lengths} were asked for",
            fix="give fewer values, or make a Study, which keeps its results on disk",
        )
    axes["seed"] = tuple(check_seed(_not_none(seed)) for seed in axes["seed"])
    return {name: tuple(values) for name, values in axes.items()}


def _not_none(seed: object) -> object:
    if seed is None:
        raise SpecError.of(
            where=_WHERE, name="seeds", value=None, bound="must be integers", fix="use seeds=range(8)"
        )
    return seed


def _values(name: str, values: Any) -> Sequence[Any]:
    """Values of one axis: at least one, and none twice."""
    if isinstance(values, np.ndarray) and values.ndim == 1:
        values = values.tolist()
    if not isinstance(values, (list, tuple, range)) or len(values) == 0:
        raise SpecError.of(
            where=_WHERE,
            name=name,
            value=values,
            bound="must be a list, a range or a one-dimensional array with at least one value",
            fix="use seeds=range(8)" if name == "seeds" else "",
        )
    if isinstance(values, range):
        return values
    texts = [repr(value) for value in values]
    if len(set(texts)) < len(texts):
        twice = next(value for value, text in zip(values, texts, strict=True) if texts.count(text) > 1)
        raise SpecError.of(where=_WHERE, name=name, value=twice, bound="must come once")
    return list(values)


def _jobs(
    networks: list[Network],
    axes: dict[str, tuple[Any, ...]],
    vary: Mapping[str, Sequence[Any]],
    tables: Mapping[str, Tables],
) -> tuple[dict[str, tuple[Any, ...]], list[_Job]]:
    """All runs in order, every network built and so checked."""
    variants = [
        (index, values, one.replace(dict(zip(vary, values, strict=True))) if vary else one)
        for index, one in enumerate(networks)
        for values in product(*(axes[path] for path in vary))
    ]
    runs = [(index, values, one, seed) for index, values, one in variants for seed in axes["seed"]]
    lengths = {name: len(table) for name, table in tables.items() if isinstance(table, (list, tuple))}
    if len(runs) == 1 and lengths and max(lengths.values()) > 1:
        axes = {**axes, "run": tuple(range(max(lengths.values())))}
        runs *= max(lengths.values())
    for name, length in lengths.items():
        if length != len(runs):
            raise SpecError.of(
                where=_WHERE,
                name=name,
                value=f"{length} tables",
                bound=f"must be one table for all runs, or one for each of the {len(runs)} runs",
            )
    jobs = []
    for number, (index, values, one, seed) in enumerate(runs):
        label: dict[str, Any] = {"network": axes["network"][index]} if "network" in axes else {}
        label |= {**dict(zip(vary, values, strict=True)), "seed": seed}
        if "run" in axes:
            label["run"] = number
        own: dict[str, Any] = {
            name: table[number] if isinstance(table, (list, tuple)) else table
            for name, table in tables.items()
        }
        jobs.append(_Job(network=one, seed=seed, tables=own, label=label))
    return axes, jobs


def _fit(jobs: list[_Job], duration: object, limit: int | None, precision: str) -> tuple[int, int]:
    """Bytes that the batch may take, and how many of its networks fit beside the recordings."""
    from arcuate.engines.build import run_length
    from arcuate.engines.memory import estimate_memory, kept_memory

    allowed = int(SHARE * available_memory()) if limit is None else limit
    kept, largest, known = 0, (0, jobs[0]), {}
    for job in jobs:
        if id(job.network) not in known:
            n_steps, task = run_length(job.network, duration, job.seed)
            stays = kept_memory(job.network, n_steps, task)
            parts = estimate_memory(job.network, n_steps, task, precision=precision)
            known[id(job.network)] = stays, sum(parts.values()) - stays
        stays, work = known[id(job.network)]
        kept += stays
        largest = max(largest, (work, job), key=lambda pair: pair[0])
    work, job = largest
    if kept + work > allowed:
        raise MemoryLimitError.of(
            where=f"{_WHERE}, {len(jobs)} runs",
            name="memory",
            value=f"{(kept + work) / 1e9:.3g} GB",
            bound=f"must be <= {allowed / 1e9:.3g} GB; the recordings take {kept / 1e9:.3g} GB, one run of "
            f"network {job.network.name!r} {work / 1e9:.3g} GB",
            fix="record less, make several batches or a Study, or pass memory_limit=",
        )
    return allowed, max(1, (allowed - kept) // max(work, 1))


class _Device:
    """All jobs side by side on a GPU, in as many calls as its memory, and the processor's, ask for."""

    def __init__(self, jobs: list[_Job], duration: Any, limit: int, wide: int) -> None:
        self.results: list[Recording | None] = [None] * len(jobs)
        self._jobs, self._duration, self._limit, self._wide = jobs, duration, limit, wide

    def work(self, workers: int, report: Any) -> None:
        """Run everything; the processor only plans and collects."""
        from arcuate.engines.cuda_engine import check_networks, networks_per_call, run_on_gpu
        from arcuate.engines.to_recording import to_recording

        check_networks([job.network for job in self._jobs])
        size = min(self._wide, networks_per_call(self._plan(self._jobs[0])))
        for first in range(0, len(self._jobs), size):
            plans = [self._plan(job) for job in self._jobs[first : first + size]]
            for place, (plan, raw) in enumerate(zip(plans, run_on_gpu(plans), strict=True), start=first):
                self.results[place] = to_recording(plan, raw, source="cuda")
                if report is not None:
                    report(1)

    def _plan(self, job: _Job) -> Plan:
        from arcuate.engines.build import build_plan

        return build_plan(
            job.network, seed=job.seed, duration=self._duration, memory_limit=self._limit, **job.tables
        )


class _Stopped(BaseException):
    """Ends a run between two blocks of steps when the batch is given up."""


class _Pool:
    """Threads that take the jobs in order; the caller's thread waits, so that it can be interrupted."""

    def __init__(self, jobs: list[_Job], duration: Any, options: Mapping[str, Any]) -> None:
        self.results: list[Recording | None] = [None] * len(jobs)
        self._jobs, self._duration, self._options = jobs, duration, options
        self._next, self._lock = iter(range(len(jobs))), threading.Lock()
        self._full = self._halt = False  # no new job; leave the running ones, too
        self._said: queue.SimpleQueue[tuple[int, BaseException | None]] = queue.SimpleQueue()

    def work(self, workers: int, report: Any) -> None:
        """Run everything; raise the error of the first job that failed."""
        crew = [threading.Thread(target=self._serve, daemon=True) for _ in range(workers)]
        failed: dict[int, BaseException] = {}
        patience = sys.getswitchinterval()
        sys.setswitchinterval(min(patience, SWITCH_SECONDS))
        for thread in crew:
            thread.start()
        try:
            while crew:
                index, error = self._said.get()
                if index < 0:
                    crew.pop()
                elif error is not None:
                    failed[index] = error
                elif report is not None:
                    report(1)
        except BaseException:
            self._full = self._halt = True
            raise
        finally:
            sys.setswitchinterval(patience)
        if failed:
            first = min(failed)
            raise self._named(first, failed[first]) from failed[first]

    def _serve(self) -> None:
        while True:
            with self._lock:
                index = None if self._full else next(self._next, None)
            if index is None:
                break
            try:
                self.results[index] = self._run(self._jobs[index])
                self._said.put((index, None))
            except _Stopped:
                break
            except BaseException as error:  # noqa: BLE001  raised again in the caller's thread
                self._full = True
                self._said.put((index, error))
        self._said.put((-1, None))

    def _run(self, job: _Job) -> Recording:
        simulation = Simulation(job.network, self._duration, seed=job.seed, **self._options, **job.tables)
        return simulation.advance(progress=self._look)

    def _look(self, done: int, total: int) -> None:
        if self._halt:
            raise _Stopped

    def _named(self, index: int, error: BaseException) -> BaseException:
        """The same error, saying which run it was."""
        if not isinstance(error, ArcuateError) or len(self._jobs) == 1:
            return error
        label = ", ".join(f"{name} = {value!r}" for name, value in self._jobs[index].label.items())
        named = type(error)(f"Run {index} of {len(self._jobs)} ({label}): {error}")
        for key in ("where", "name", "value", "bound", "fix"):
            setattr(named, key, getattr(error, key))
        return named
