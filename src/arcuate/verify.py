"""Run one specification on two or more engines and say whether, and where, they part."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from arcuate.engines.plan import Array, Plan
from arcuate.engines.result import RawRun
from arcuate.errors import SpecError
from arcuate.spec import Network

__all__ = ["Mismatch", "Verification", "verify"]


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """The first spike that one engine has and another has not.

    Attributes
    ----------
    step : int
        Step of the spike.
    time : float, s
        Its time.
    population : str
        Where it is.
    neuron : int
        Which neuron.
    only_on, missing_on : str
        Engine that has it, and engine that has not.
    """

    step: int
    time: float
    population: str
    neuron: int
    only_on: str
    missing_on: str

    def __str__(self) -> str:
        return (
            f"{self.only_on} and {self.missing_on} part at step {self.step} ({self.time * 1e3:.6g} ms): "
            f"neuron {self.neuron} of {self.population!r} fires on {self.only_on} only"
        )


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What a comparison of engines found.

    Attributes
    ----------
    identical : bool
        Whether every engine gave the same spikes: same populations, neurons and steps, one for one.
    engines : tuple of str
        Engines that were compared, the reference first.
    n_spikes : int
        Spikes of the reference.
    duration : float, s
        Length of the run.
    seed : int
        Seed of the run.
    first_mismatch : Mismatch or None
        Earliest spike on which an engine differs from the reference.
    max_abs_diff : mapping of str to float
        Largest difference from the reference by variable, ``"exc/v"``, in the variable's SI unit: of the
        state after the last step, of recorded states and of read-outs. Means little after a mismatch.
    """

    identical: bool
    engines: tuple[str, ...]
    n_spikes: int
    duration: float
    seed: int
    first_mismatch: Mismatch | None
    max_abs_diff: Mapping[str, float]

    def __str__(self) -> str:
        if self.first_mismatch is not None:
            return str(self.first_mismatch)
        if not self.n_spikes:
            return "identical: 0 spikes, so only the state was compared"
        return f"identical: {self.n_spikes} spikes"

    def __bool__(self) -> bool:
        return self.identical


def verify(
    network: Network,
    engines: Sequence[str] = ("numba", "brian2"),
    *,
    duration: Any = None,
    seed: int = 0,
    inputs: Mapping[str, Any] | None = None,
    targets: Mapping[str, Any] | None = None,
    gates: Mapping[str, Any] | None = None,
) -> Verification:
    """Run a network on several engines with the same numbers and compare every spike.

    Parameters
    ----------
    network : Network
        The specification.
    engines : sequence of str
        Two or more of ``"numba"``, ``"brian2"``, ``"brian2-cython"``, ``"brian2-cpp"``; the first is the
        reference.
    duration : str or quantity, optional
        Length of the run; by default that of the network's task.
    seed : int
        Seed of every random number.
    inputs, targets, gates : mapping of str to array, optional
        As for `simulate`.

    Returns
    -------
    Verification
        ``print(verify(net, duration="1 s"))`` says ``identical: 5231 spikes``, or where they part.

    Raises
    ------
    SpecError
        If fewer than two different engines are named, or the network does not fit the run.
    CapabilityError
        If an engine cannot run the network.

    Examples
    --------
    >>> from arcuate.spec import Network, Population, lif
    >>> cells = Population(name="exc", n=2, neuron=lif(), bias="500 pA")
    >>> net = Network(name="two", dt="0.1 ms", populations=[cells])
    >>> print(verify(net, duration="50 ms"))  # doctest: +SKIP
    identical: 6 spikes
    """
    from arcuate.engines import check_capabilities, get_engine
    from arcuate.engines.build import build_plan

    names = (engines,) if isinstance(engines, str) else tuple(engines)
    if len(set(names)) < 2:
        raise SpecError.of(
            where="verify", name="engines", value=names, bound="must be two or more different engines",
            fix='use engines=("numba", "brian2")',
        )  # fmt: skip
    chosen = [get_engine(name) for name in names]
    for engine in chosen:
        check_capabilities(engine, network)
    plan = watched(
        build_plan(network, seed=seed, duration=duration, inputs=inputs, targets=targets, gates=gates)
    )
    runs = [engine.start(plan).advance(plan.n_steps) for engine in chosen]
    return compare(plan, runs, names)


def watched(plan: Plan) -> Plan:
    """Plan that records the spikes of every population and the weights of every read-out.

    Parameters
    ----------
    plan : Plan
        Any plan.

    Returns
    -------
    Plan
    """
    record = dataclasses.replace(
        plan.record,
        spikes=tuple(plan.populations),
        readouts=tuple(dict.fromkeys([*plan.record.readouts, "z", "weights"])),
    )
    return dataclasses.replace(plan, record=record)


def compare(plan: Plan, runs: Sequence[RawRun], engines: Sequence[str]) -> Verification:
    """Compare runs of one plan with the first of them.

    Parameters
    ----------
    plan : Plan
        The plan that all of them ran.
    runs : sequence of RawRun
        Results, the reference first.
    engines : sequence of str
        Their names.

    Returns
    -------
    Verification
    """
    reference, first = runs[0], None
    difference: dict[str, float] = {}
    for run, name in zip(runs[1:], engines[1:], strict=True):
        found = _first_mismatch(plan, (reference, run), (engines[0], name))
        if found is not None and (first is None or found.step < first.step):
            first = found
        for key, value in _differences(reference, run).items():
            difference[key] = max(difference.get(key, 0.0), value)
    return Verification(
        identical=first is None,
        engines=tuple(engines),
        n_spikes=sum(neuron.size for neuron, _ in reference.spikes.values()),
        duration=(reference.stop - reference.first) * plan.dt,
        seed=plan.seed,
        first_mismatch=first,
        max_abs_diff=MappingProxyType(difference),
    )


def _first_mismatch(plan: Plan, runs: tuple[RawRun, RawRun], engines: tuple[str, str]) -> Mismatch | None:
    """Earliest (step, population, neuron) that only one of two runs has."""
    found: list[tuple[int, int, int, int]] = []
    for order, name in enumerate(plan.populations):
        n = plan.populations[name].n
        a, b = (_keys(run, name, n) for run in runs)
        if np.array_equal(a, b):
            continue
        for which, (own, other) in enumerate(((a, b), (b, a))):
            only = _surplus(own, other)
            if only.size:
                found.append((int(only[0]) // n, order, int(only[0]) % n, which))
    if not found:
        return None
    step, order, neuron, which = min(found)
    return Mismatch(
        step=step,
        time=step * plan.dt,
        population=list(plan.populations)[order],
        neuron=neuron,
        only_on=engines[which],
        missing_on=engines[1 - which],
    )


def _keys(run: RawRun, name: str, n: int) -> Array:
    """One sorted number for each spike: step * n + neuron."""
    neuron, step = run.spikes[name]
    return np.sort(np.asarray(step, np.int64) * n + neuron)


def _surplus(own: Array, other: Array) -> Array:
    """Spikes that occur more often in `own` than in `other`, sorted."""
    keys, counts = np.unique(own, return_counts=True)
    others, other_counts = np.unique(other, return_counts=True)
    place = np.searchsorted(others, keys)
    place[place == others.size] = 0
    known = others[place] == keys if others.size else np.zeros(keys.size, bool)
    matched = np.where(known, other_counts[place] if others.size else 0, 0)
    return keys[counts > matched]


def _differences(reference: RawRun, run: RawRun) -> dict[str, float]:
    table: dict[str, list[float]] = {}
    for key in reference.final.keys() & run.final.keys():
        table.setdefault(key, []).append(_distance(reference.final[key], run.final[key]))
    for (site, variable), values in reference.states.items():
        table.setdefault(f"{site}/{variable}", []).append(_distance(values, run.states[site, variable]))
    for mine, theirs, variable in (
        (reference.outputs, run.outputs, "z"),
        (reference.weights, run.weights, "weights"),
        (reference.features, run.features, "features"),
    ):
        for name, values in mine.items():
            if values.size:
                table.setdefault(f"{name}/{variable}", []).append(_distance(values, theirs[name]))
    return {key: max(values) for key, values in sorted(table.items())}


def _distance(a: Array, b: Array) -> float:
    """Largest difference; infinite if the shapes differ or only one side is a number."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape or not np.array_equal(np.isnan(a), np.isnan(b)):
        return float("inf")
    same = (a == b) | np.isnan(a)
    gap = np.abs(np.where(same, 0.0, a) - np.where(same, 0.0, b))
    return float(np.max(gap, initial=0.0))
