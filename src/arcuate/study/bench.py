"""Measure speed as a ratio to peers, all in one interleaved run: ours, theirs, ours, theirs, ..."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from arcuate._jit import cache_dir
from arcuate.engines._pending import PENDING
from arcuate.engines.plan import Plan
from arcuate.errors import EngineError, SpecError, check_choice
from arcuate.study._bench_case import N_FEATURES, plan_of, write_case
from arcuate.study._bench_limits import (
    bandwidth,
    bytes_per_step,
    events_per_spike,
    scatter_time,
    update_bytes,
)
from arcuate.study._bench_process import INSTALL, OURS, Participant
from arcuate.study.workloads import WORKLOADS, Workload, select_workloads

__all__ = ["PEERS", "Limit", "Measurement", "Memory", "Pair", "check_peers", "run_benchmarks"]

PEERS = tuple(INSTALL)
"""Packages that can be measured beside this one."""

WAYS = ("strict f64", "fast f64", "fast f32")
"""Ways of this package: order of sums and precision. What has no such options is strict double."""

PAIRS = (7, 3)
"""Rounds of a full and of a quick measurement."""

WARM = (3, 2)
"""Rounds of whole processes with warm caches; there is one with cold ones."""

BUDGET = (60.0, 10.0)
"""CPU seconds after which a participant sits the remaining rounds out; it does two at least."""

Progress = Callable[[float, float, str], None]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """This package in one way beside a peer in one way.

    Parameters
    ----------
    workload, ours, theirs : str
        Which.
    what : str
        ``"run"``, ``"update"``, or ``"many"`` or ``"first spike"`` with ``", cold"`` or ``", warm"``.
    ratio : tuple of float
        Theirs over ours in each round that both did; above 1 this package is faster.
    cpu : (float, float), s
        Medians of ours and theirs: per second of model time, of the whole, or of an update.
    count : (float, float)
        Spikes per second of model time of both, or norms of what was learned.
    note : str
        What a reader should know.
    """

    workload: str
    ours: str
    theirs: str
    what: str
    ratio: tuple[float, ...]
    cpu: tuple[float, float]
    count: tuple[float, float]
    note: str = ""

    @property
    def median(self) -> float:
        """Median ratio."""
        return float(np.median(self.ratio))


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What one way of this package needs, beside what it could need at best.

    Parameters
    ----------
    workload, way : str
        Which.
    cpu : float, s
        Measured: per second of model time, or of an update.
    n_bytes : int
        Read and written by a step, or by an update.
    bandwidth : float, bytes/s
        Of a set of that size.
    limit : float, s
        Bytes over bandwidth, and synaptic events times the time of one.
    """

    workload: str
    way: str
    cpu: float
    n_bytes: int
    bandwidth: float
    limit: float

    @property
    def distance(self) -> float:
        """Measured over limit."""
        return self.cpu / self.limit


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What one process of a participant needed.

    Parameters
    ----------
    workload, participant : str
        Which.
    imports_mb : float
        Largest resident memory when its packages were imported; 0 for a compiled program.
    peak_mb : float
        The same up to its end: imports, preparation and runs.
    run_mb : float
        The same while it ran; 0 for a process that only builds.
    arrays_mb : float
        Of its arrays alone, as far as it said; else 0.
    """

    workload: str
    participant: str
    imports_mb: float
    peak_mb: float
    run_mb: float
    arrays_mb: float

    @property
    def growth_mb(self) -> float:
        """What it needed beyond its imports."""
        return self.peak_mb - self.imports_mb


@dataclass(kw_only=True)
class Measurement:
    """All that was measured, workload by workload.

    Attributes
    ----------
    pairs : list of Pair
    limits : list of Limit
    memory : list of Memory
    absent : dict of str to str
        Participants that were left out, and why.
    versions : dict of str to str
        Of the packages that took part.
    quick : bool
    """

    quick: bool = False
    pairs: list[Pair] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def only(self, workload: str) -> Measurement:
        """The part of one workload."""
        return Measurement(
            quick=self.quick,
            pairs=[one for one in self.pairs if one.workload == workload],
            limits=[one for one in self.limits if one.workload == workload],
            memory=[one for one in self.memory if one.workload == workload],
            absent={who: why for who, why in self.absent.items() if who.startswith(f"{workload}, ")},
            versions=self.versions,
        )


def check_peers(names: Sequence[str], pythons: Mapping[str, str] | None = None) -> list[str]:
    """Read names of peers and the interpreters given for them.

    Parameters
    ----------
    names : sequence of str
        In :data:`PEERS`, or ``"all"``.
    pythons : mapping of str to str, optional
        Interpreter by peer.

    Returns
    -------
    list of str
        Each once.

    Raises
    ------
    UnknownNameError
        For a peer that there is not.
    SpecError
        For an interpreter that is no file.

    Examples
    --------
    >>> check_peers(["nest", "nest"])
    ['nest']
    """
    for name in (*names, *(pythons or {})):
        check_choice(name, (*PEERS, "all"), where="bench", name="peer")
    for name, python in (pythons or {}).items():
        if not Path(python).is_file():
            raise SpecError.of(
                where="bench",
                name="python",
                value=f"{name}={python}",
                bound="must be a file",
                fix="name the interpreter of its environment, such as nest=/path/bin/python",
            )
    return list(PEERS) if "all" in names else list(dict.fromkeys(names))


def run_benchmarks(
    workloads: Sequence[str],
    against: Sequence[str],
    quick: bool = False,
    *,
    pythons: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    done: Callable[[Measurement, str], None] | None = None,
) -> Measurement:
    """Time workloads with this package and with its peers.

    Every participant is a process of its own with one thread. Run times are CPU seconds without
    compilation; memory is that of whole processes, imports included. A participant that is not installed,
    or that stops, is left out by name, and the others go on.

    Parameters
    ----------
    workloads : sequence of str
        As :func:`arcuate.study.workloads.select_workloads` takes them.
    against : sequence of str
        As :func:`check_peers` takes them.
    quick : bool
        Shorter and fewer runs.
    pythons : mapping of str to str, optional
        Interpreter by peer, for peers in environments of their own.
    progress : callable, optional
        Called as ``progress(done, total, label)``.
    done : callable, optional
        Called after every workload with all that there is by then, and with its name.

    Returns
    -------
    Measurement

    Raises
    ------
    UnknownNameError
        For a workload or a peer that is not there.
    SpecError
        For an interpreter that is no file.

    Examples
    --------
    >>> run_benchmarks([], ["brian2"]).pairs
    []
    """
    names, peers = select_workloads(workloads, quick), check_peers(against, pythons)
    result = Measurement(quick=quick)
    for number, name in enumerate(names):

        def say(label: str, number: int = number) -> None:
            if progress is not None:
                progress(number, len(names), label)

        say(f"measuring {name}")
        with tempfile.TemporaryDirectory(prefix="arcuate-bench-") as folder:
            case = _Case(name, Path(folder), result, pythons=pythons or {}, say=say)
            case.measure(peers)
        if done is not None:
            done(result, name)
    return result


def _cached() -> set[Path]:
    """Files of compiled code."""
    return set(cache_dir().rglob("*"))


class _Case:
    """One workload: its participants, and what they come to."""

    def __init__(
        self,
        name: str,
        folder: Path,
        result: Measurement,
        *,
        pythons: Mapping[str, str],
        say: Callable[[str], None],
    ) -> None:
        self.name, self.folder, self.result, self.pythons, self.say = name, folder, result, pythons, say
        self.workload: Workload = WORKLOADS[name]
        self.seconds = self.workload.seconds[result.quick]
        self.plan: Plan | None = plan_of(self.workload, self.seconds)
        write_case(self.workload, self.plan, seconds=self.seconds, folder=folder)

    def measure(self, peers: Sequence[str]) -> None:
        """Measure the participants side by side and file the results."""
        ways = {"run": WAYS, "many": WAYS, "update": WAYS[:2]}.get(self.workload.kind, WAYS[:1])
        ours = [self._participant(OURS, way) for way in ways]
        theirs = [self._participant(*who) for who in self.workload.peers if who[0] in peers]
        everyone = ours + theirs
        if self.workload.kind in ("run", "update"):
            self._rounds(everyone)
            self._file_pairs(ours, theirs, self.workload.kind)
            self._file_limits([one for one in ours if one.samples])
            self._file_memory(everyone)
        else:
            what = {"many": "many", "first": "first spike"}[self.workload.kind]
            for rounds, state in (([0], "cold"), (range(1, 1 + WARM[self.result.quick]), "warm")):
                self._whole(everyone, rounds)
                self._file_pairs(ours, theirs, f"{what}, {state}", only=rounds)

    def _participant(self, name: str, way: str) -> Participant:
        environment = {}
        if self.workload.kind in ("first", "many") and name == OURS:
            environment["ARCUATE_CACHE"] = str(self.folder / f"cache {way}")
        python = self.pythons.get(name, sys.executable)
        return Participant(name, way, self.folder, python=python, environment=environment)

    @contextmanager
    def _kept(self, one: Participant) -> Iterator[None]:
        """Note why a participant is left out instead of stopping the others."""
        try:
            yield
        except (EngineError, OSError) as error:
            one.failure = str(error)
        if "missing" in one.ready and not one.failure:
            fix = f"{INSTALL.get(one.name, '')}; or name its interpreter with --python {one.name}=PATH"
            one.failure = f"not installed ({one.ready['missing']}): {fix}"
        if one.failure:
            one.kill()
            self.result.absent[f"{self.name}, {one.label}"] = one.failure
        elif "version" in one.ready:
            self.result.versions[one.name] = str(one.ready["version"])

    def _rounds(self, everyone: Sequence[Participant]) -> None:
        """Start all, then ask each in turn, round after round."""
        spent = dict.fromkeys(range(len(everyone)), 0.0)
        try:
            for one in everyone:
                with self._kept(one):
                    self._start(one)
            for number in range(PAIRS[self.result.quick]):
                for place, one in enumerate(everyone):
                    late = number >= 2 and spent[place] > BUDGET[self.result.quick]
                    if one.failure or late:
                        continue
                    self.say(f"{self.name}: round {number + 1} of {one.label}")
                    with self._kept(one):
                        spent[place] += one.run(number)["cpu"]
        finally:
            for one in everyone:
                one.finish()

    def _start(self, one: Participant) -> None:
        """Start it, and again if code was compiled, so that a compiler is no part of the memory."""
        self.say(f"{self.name}: preparing {one.label}")
        before = _cached()
        one.start()
        if one.name == OURS and _cached() != before:
            one.finish()
            one.start()

    def _whole(self, everyone: Sequence[Participant], rounds: Sequence[int]) -> None:
        """Ask each for whole processes, and count the time of their whole lives."""
        for number in rounds:
            for one in everyone:
                if one.failure:
                    continue
                self.say(f"{self.name}: round {number + 1} of {one.label}")
                with self._kept(one):
                    one.start()
                    if "missing" not in one.ready:
                        sample = one.run(number)
                        life = one.finish()
                        sample["cpu"] = life + sample["cpu"] * (1.0 / sample["share"] - 1.0)

    def _file_pairs(
        self,
        ours: Sequence[Participant],
        theirs: Sequence[Participant],
        what: str,
        only: Sequence[int] | None = None,
    ) -> None:
        scale = self.seconds if what == "run" else 1.0
        for mine in ours:
            for peer in theirs:
                shared = sorted(set(mine.samples) & set(peer.samples))
                if only is not None:
                    shared = [number for number in shared if number in only]
                if not shared:
                    continue
                cpu = [[one.samples[k]["cpu"] for k in shared] for one in (mine, peer)]
                count = [np.mean([one.samples[k]["count"] for k in shared]) for one in (mine, peer)]
                share = peer.samples[shared[0]]["share"]
                self.result.pairs.append(
                    Pair(
                        workload=self.name,
                        ours=mine.way,
                        theirs=peer.label,
                        what=what,
                        ratio=tuple(float(b / a) for a, b in zip(*cpu, strict=True)),
                        cpu=(float(np.median(cpu[0])) / scale, float(np.median(cpu[1])) / scale),
                        count=(float(count[0] / scale), float(count[1] / scale)),
                        note="" if share == 1 else f"theirs extrapolated from {share:.1%} of the work",
                    )
                )

    def _file_limits(self, ours: Sequence[Participant]) -> None:
        for one in ours:
            cpu = float(np.median([sample["cpu"] for sample in one.samples.values()]))
            order, itemsize = one.way.split()[0], 4 if one.way.endswith("f32") else 8
            if self.plan is None:
                waiting = PENDING if order == "fast" else 1
                n_bytes = update_bytes(N_FEATURES, itemsize=itemsize, waiting=waiting)
                speed = bandwidth(update_bytes(N_FEATURES, itemsize=itemsize) // 2, itemsize)
                limit = n_bytes / speed
            else:
                cpu /= self.seconds
                n_bytes = bytes_per_step(self.plan, itemsize=itemsize, order=order)
                speed = bandwidth(n_bytes, itemsize)
                spikes = float(np.mean([sample["count"] for sample in one.samples.values()])) / self.seconds
                n = max(population.n for population in self.plan.populations.values())
                events = spikes * events_per_spike(self.plan)
                synapses = max(1, sum(edges.index.size for edges in self.plan.projections.values()))
                event = scatter_time(n, synapses, itemsize=itemsize)
                limit = n_bytes / speed / self.plan.dt + events * event
            self.result.limits.append(
                Limit(workload=self.name, way=one.way, cpu=cpu, n_bytes=n_bytes, bandwidth=speed, limit=limit)
            )

    def _file_memory(self, everyone: Sequence[Participant]) -> None:
        for one in everyone:
            if not one.samples:
                continue
            run, apart, arrays = (
                max(sample[key] for sample in one.samples.values())
                for key in ("peak_mb", "apart_mb", "arrays_mb")
            )
            self.result.memory.append(
                Memory(
                    workload=self.name,
                    participant=f"{one.label}, Python that builds" if apart else one.label,
                    imports_mb=float(one.ready["imports_mb"]),
                    peak_mb=max(float(one.ready["peak_mb"]), run),
                    run_mb=0.0 if apart else run,
                    arrays_mb=arrays,
                )
            )
            if apart:
                self.result.memory.append(
                    Memory(
                        workload=self.name,
                        participant=f"{one.label}, compiled program",
                        imports_mb=0.0,
                        peak_mb=apart,
                        run_mb=apart,
                        arrays_mb=0.0,
                    )
                )
