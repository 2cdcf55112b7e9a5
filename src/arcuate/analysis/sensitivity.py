"""How a system answers to a small change: distance of two runs, one spike more, a twin that is pulled back.

A potential that differs by less than what the grid of time resolves leaves little behind a reset, for the
spike falls into the same step and the reset sets both to one value. So an infinitesimal change may say that a
network on a grid is stable which is not. One spike more is the smallest change that such a network cannot
overlook; a twin needs a distance that moves spikes, for potentials 0.01 mV or more. The distance stands with
the result.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from arcuate._inputs import Floats, as_real, seconds
from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.analysis.interval import bootstrap_interval, check_level
from arcuate.analysis.spikes import spike_counts
from arcuate.errors import ArcuateWarning, NonFiniteError, SpecError, check_int, check_real
from arcuate.rng import stream
from arcuate.units import to_si

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["System", "lyapunov_twin", "spike_distance", "spike_insertion"]

GONE = 1e-12
"""Part of the first distance below which nothing of it is left (chosen: rounding of a potential)."""


TRIES = 8
"""Neurons that are tried at a moment: some may be refractory (chosen)."""


@runtime_checkable
class System(Protocol):
    """A run that can be copied and changed, such as `arcuate.Simulation`.

    Examples
    --------
    >>> import arcuate as arc
    >>> from arcuate.analysis.sensitivity import System
    >>> issubclass(arc.Simulation, System)
    True
    """

    def copy(self) -> Any:
        """Return a run of its own, with the same noise and inputs to come."""

    def set_state(self, values: Mapping[str, Any], /) -> None:
        """Replace what moves, by name."""

    def read_state(self) -> Mapping[str, Any]:
        """Return what `set_state` may replace, by name."""

    def advance(self, duration: Any, /, *, progress: Any = None) -> Any:
        """Run on and return a Recording."""


def spike_distance(first: Any, second: Any, *, window: Any = "50 ms") -> xr.DataArray:
    """Distance of the spikes of two runs, window by window: sum of ``|n1 - n2|`` over sum of ``n1 + n2``.

    Parameters
    ----------
    first, second : Recording
        Of the same populations and the same span of time. n1 and n2 are the spikes of a neuron in a window.
    window : quantity
        Length of a window.

    Returns
    -------
    DataArray, (time,)
        0 for equal counts, 1 where no neuron fired in both; 0 where neither run had a spike. ``time`` is
        the beginning of each window, in s.

    Raises
    ------
    SpecError
        If the two are not recordings of the same populations, or differ in start or length.

    Examples
    --------
    >>> import arcuate as arc
    >>> from arcuate.analysis import spike_distance
    >>> net = arc.Network(
    ...     name="one",
    ...     dt="0.1 ms",
    ...     populations=[arc.Population(name="exc", n=1, neuron=arc.lif(), bias="0.5 nA")],
    ... )
    >>> rec = arc.simulate(net, "200 ms", seed=1)
    >>> spike_distance(rec, rec).values.tolist()
    [0.0, 0.0, 0.0, 0.0]
    """
    import xarray as xr

    where = "spike_distance"
    for name, run in (("first", first), ("second", second)):
        if not getattr(run, "populations", None) or not hasattr(run, "spike_arrays"):
            raise SpecError.of(where=where, name=name, value=run, bound="must be a Recording with spikes")
    same = (first.populations, first.start) == (second.populations, second.start)
    if not same or not math.isclose(first.duration, second.duration):
        bound = f"must have the populations {first.populations} and the span of the first"
        raise SpecError.of(where=where, name="second", value=second.populations, bound=bound)
    apart: Any = 0
    total: Any = 0
    for name in first.populations:
        one, other = (spike_counts(run, name, bin_width=window) for run in (first, second))
        apart = apart + np.abs(one.values - other.values).sum(axis=1)
        total = total + (one.values + other.values).sum(axis=1)
    values = np.divide(apart, total, out=np.zeros(total.shape), where=total > 0)
    labels = {"units": "1", "long_name": "distance of spike counts"}
    return xr.DataArray(values, dims="time", coords={"time": one.time}, attrs=labels)


def spike_insertion(
    system: System,
    *,
    variable: str,
    peak: Any,
    n_insertions: int = 20,
    duration: Any = "1 s",
    gap: Any = "100 ms",
    window: Any = "50 ms",
    level: float = 0.95,
    seed: int = 0,
    progress: ProgressOption = None,
) -> xr.Dataset:
    """How far one spike more drives a spiking network from its course.

    Again and again the run is copied twice, one neuron of one copy is made to fire, and both go on with the
    same noise and the same inputs.

    Parameters
    ----------
    system : Simulation
        Or whatever else is a `System`; it goes on by `gap` before each insertion.
    variable : str
        Potential of the population in which a neuron, drawn at random, is made to fire: ``"exc/v"``.
    peak : float or quantity
        Value of that potential, a number in its unit (SI) or a quantity such as ``"0 mV"``, with which a
        neuron fires at the next step, unless it is refractory; then another is drawn.
    n_insertions : int
        Number of insertions, 2 or more; 20 give a mean that can be read.
    duration : quantity
        How long both are followed.
    gap : quantity
        Time between two insertions.
    window : quantity
        Of `spike_distance`.
    level : float
        Coverage of the intervals, which are bootstrapped over insertions.
    seed : int
        Of the neurons that are drawn and of the bootstrap.
    progress : bool, callable or None
        Progress bar.

    Returns
    -------
    Dataset
        ``distance`` (insertion, time) of `spike_distance`, ``time`` in s since the insertion; ``mean``
        (time) over insertions; ``growth_rate``, 1/s, of that mean, up to half of the plateau or, where it
        shrinks, down to the plateau or to 0; ``plateau``, mean distance over the last quarter. ``low`` and
        ``high`` of each, as ``mean_low``. The growth rate is NaN where fewer than two windows lie in between.

    Raises
    ------
    SpecError
        If the variable does not exist, or no neuron at `peak` fires.
    EngineError
        If the run was planned too short.

    Notes
    -----
    A growth that saturates within the first two windows is only bounded: take shorter windows.

    References
    ----------
    M. London et al., Nature 466 (2010), doi:10.1038/nature09086, for one spike more in a living network.

    Examples
    --------
    Without synapses nothing else changes:

    >>> import arcuate as arc
    >>> from arcuate.analysis import spike_insertion
    >>> net = arc.Network(
    ...     name="apart",
    ...     dt="0.1 ms",
    ...     populations=[
    ...         arc.Population(name="exc", n=4, neuron=arc.lif(), bias=arc.Uniform("0.5 nA", "0.6 nA"))
    ...     ],
    ... )
    >>> sim = arc.Simulation(net, "2 s", seed=1)
    >>> found = spike_insertion(sim, variable="exc/v", peak=0.0, n_insertions=3, duration="500 ms")
    >>> bool(found.plateau < 0.3)
    True
    """
    import xarray as xr

    where = "spike_insertion"
    _check_system(system, where)
    count = check_int(n_insertions, where=where, name="n_insertions", low=2)
    check_progress(progress, where=where, unit="insertions")
    for name, value in (("duration", duration), ("gap", gap), ("window", window)):
        seconds(value, where=where, name=name, low_open=True)
    potential = _variable(system, variable, where)
    high = _in_unit_of(potential, peak, where=where, name="peak")
    rng, rows = stream(seed, "analysis/spike_insertion"), []
    with progress_bar(progress, count, title=where, unit="insertion") as step:
        for _ in range(count):
            _advance(system, gap)
            control = _advance(system.copy(), duration)
            neurons = rng.integers(0, potential.size, size=TRIES).tolist()
            more = _with_spike(system, variable, neurons, peak=high, duration=duration, where=where)
            rows.append(spike_distance(control, more, window=window))
            if step is not None:
                step(1)
    distance = np.array([row.values for row in rows])
    time = rows[0].time.values - rows[0].time.values[0]
    picks = stream(seed, "analysis/spike_insertion/bootstrap").integers(0, count, size=(1000, count))
    found = {"mean": distance.mean(axis=0)} | _growth(distance.mean(axis=0), time)
    draws = [{"mean": mean} | _growth(mean, time) for mean in (distance[pick].mean(axis=0) for pick in picks)]
    units = {"mean": "1", "growth_rate": "1/s", "plateau": "1"}
    table: dict[str, Any] = {"distance": (("insertion", "time"), distance, {"units": "1"})}
    for name, unit in units.items():
        low, top = _percentiles(np.array([draw[name] for draw in draws]), level, where)
        for key, value in ((name, found[name]), (f"{name}_low", low), (f"{name}_high", top)):
            table[key] = (("time",) if np.ndim(value) else (), value, {"units": unit})
    facts = {"level": level, "n_insertions": count, "window": str(window), "peak": high}
    return xr.Dataset(table, coords={"time": ("time", time, {"units": "s"})}, attrs=facts)


def _growth(mean: Floats, time: Floats) -> dict[str, Any]:
    """Rate at which a mean distance grows or shrinks before it is on its plateau, and the plateau."""
    plateau = float(mean[-max(1, mean.size // 4) :].mean())
    if plateau > 2 * mean[0]:
        there = mean >= plateau / 2
    else:
        there = (mean <= 2 * plateau) | (mean == 0)
    last = int(np.argmax(there)) + 1 if there.any() else mean.size
    kept = np.arange(mean.size) < last
    kept &= mean > 0
    rate = np.polyfit(time[kept], np.log(mean[kept]), 1)[0] if kept.sum() > 1 else math.nan
    return {"growth_rate": float(rate), "plateau": plateau}


def _percentiles(draws: Floats, level: float, where: str) -> tuple[Any, Any]:
    cover = check_level(level, where)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all of them NaN: so is the interval
        low, high = np.nanquantile(draws, [(1 - cover) / 2, (1 + cover) / 2], axis=0)
    return low, high


def lyapunov_twin(
    system: System | Callable[[Any], Any],
    state: Any = None,
    *,
    d0: Any,
    interval: Any = None,
    n_intervals: int = 200,
    transient: int = 20,
    variables: Sequence[str] | None = None,
    level: float = 0.95,
    seed: int = 0,
    progress: ProgressOption = None,
) -> xr.Dataset:
    """Largest Lyapunov exponent from a twin that is pulled back to a fixed distance again and again.

    The mean of ``ln(d / d0)`` over the intervals, by their length, where d is what became of the distance d0.

    Parameters
    ----------
    system : Simulation or callable
        A Simulation, or whatever else is a `System`; or a function that takes a state to the next one.
    state : array_like, optional
        First state, for a function.
    d0 : float or quantity
        Distance to which the twin is pulled back, in the unit of the state: for a Simulation, that of
        `variables`' first. It stands with the result, which depends on it: a spiking network on a grid of
        time forgets what is too small (0.01 mV is enough).
    interval : quantity or int, optional
        Time between two pulls, 20 ms of a Simulation; or calls of the function, 1.
    n_intervals : int
        Intervals that count.
    transient : int
        Intervals before them, in which the distance turns to the direction that grows fastest.
    variables : sequence of str, optional
        What is changed, the potential first; all that `read_state` gives by default. Each of the others is
        taken on the scale on which its values differ between units after a first interval, relative to the
        first. What does not differ then or holds whole numbers only, as a counter does, is not changed, nor
        are spikes that are on their way.
    level : float
        Coverage of the interval: a bootstrap over stretches of sqrt(`n_intervals`) intervals.
    seed : int
        Of the first direction and the bootstrap.
    progress : bool, callable or None
        Progress bar.

    Returns
    -------
    Dataset
        ``exponent``, ``exponent_low``, ``exponent_high``, in 1/s; of a function a number per call; ``growth``
        (interval), ``ln(d / d0)``; ``merged``, share of the intervals after which the twin was equal to the
        first, counted as 1e-12 of `d0`: with any, the exponent is an upper bound. Attribute ``d0``.

    Raises
    ------
    SpecError
        If an option is out of range, `interval` is no whole number of steps, or there is nothing to change.
    NonFiniteError
        If a function gives a state that is not finite.

    References
    ----------
    G. Benettin, L. Galgani and J.-M. Strelcyn, Physical Review A 14 (1976), doi:10.1103/PhysRevA.14.2338.

    Examples
    --------
    The logistic map at 4, whose exponent is ln 2:

    >>> from arcuate.analysis import lyapunov_twin
    >>> found = lyapunov_twin(lambda x: 4 * x * (1 - x), 0.3, d0=1e-9, n_intervals=2000)
    >>> round(float(found.exponent), 2)
    0.69
    """
    import xarray as xr

    where = "lyapunov_twin"
    count = check_int(n_intervals, where=where, name="n_intervals", low=4)
    burn = check_int(transient, where=where, name="transient", low=0)
    check_progress(progress, where=where, unit="intervals")
    pair: _Maps | _Runs
    if callable(system):
        pair = _Maps(system, state, d0, interval, where)
    else:
        _check_system(system, where)
        if state is not None:
            bound, fix = "is for a function only", "a Simulation has a state: change it with set_state"
            raise SpecError.of(where=where, name="state", value=state, bound=bound, fix=fix)
        pair = _Runs(system, d0, interval, variables, where)
    growth, merged = np.empty(burn + count), np.zeros(burn + count, dtype=bool)
    rng = stream(seed, "analysis/lyapunov_twin")
    direction: Floats | None = None
    with progress_bar(progress, burn + count, title=where, unit="interval") as step:
        for k in range(burn + count):
            change = pair.after(rng.standard_normal if direction is None else direction)
            length = float(np.linalg.norm(change))
            merged[k] = length <= GONE * pair.d0
            growth[k] = math.log(max(length / pair.d0, GONE))
            direction = None if merged[k] else change / length
            if step is not None:
                step(1)
    rate, gone = growth[burn:] / pair.length, float(merged[burn:].mean())
    parts = np.array_split(rate, math.isqrt(count))
    means = [float(part.mean()) for part in parts]
    band = bootstrap_interval(means, statistic="mean", level=level, seed=seed)
    unit = {"units": pair.unit}
    return xr.Dataset(
        {
            "exponent": ((), float(rate.mean()), unit),
            "exponent_low": ((), band.low, unit),
            "exponent_high": ((), band.high, unit),
            "growth": ("interval", growth[burn:], {"units": "1"}),
            "merged": ((), gone, {"units": "1"}),
        },
        attrs={"d0": pair.d0, "interval": pair.length, "level": level, "variables": " ".join(pair.names)},
    )


class _Maps:
    """A function of states and its twin."""

    unit, names = "1", ()

    def __init__(
        self, function: Callable[[Any], Any], state: Any, d0: Any, interval: Any, where: str
    ) -> None:
        if state is None:
            raise SpecError.of(where=where, name="state", value=None, bound="is needed with a function")
        self.state = as_real(state, where=where, name="state").astype(np.float64)
        self.d0 = check_real(d0, where=where, name="d0", low=0.0, low_open=True)
        self.length = check_int(1 if interval is None else interval, where=where, name="interval")
        self.function, self.where = function, where

    def after(self, direction: Any) -> Floats:
        """Difference that a distance d0 has become after an interval."""
        way = direction(self.state.shape) if callable(direction) else direction
        twin = self.state + self.d0 * way / np.linalg.norm(way)
        self.state, twin = self._run(self.state), self._run(twin)
        return np.asarray(twin - self.state)

    def _run(self, state: Floats) -> Floats:
        for _ in range(self.length):
            state = np.asarray(self.function(state), dtype=np.float64)
            if state.shape != self.state.shape:
                bound = f"must give a state of shape {self.state.shape}, as it got"
                raise SpecError.of(where=self.where, name="system", value=state.shape, bound=bound)
        if not np.isfinite(state).all():
            bound = "the function gave a state that is not finite"
            raise NonFiniteError.of(where=self.where, name="system", bound=bound, fix="check its start")
        return state


class _Runs:
    """A run and its twin, made anew for each interval; differences on the scale of the first variable."""

    unit = "1/s"

    def __init__(
        self, system: Any, d0: Any, interval: Any, variables: Sequence[str] | None, where: str
    ) -> None:
        self.system, self.where = system, where
        names = list(system.read_state()) if variables is None else variables
        if isinstance(names, str) or len(set(names)) < len(names):
            bound = 'must be several names, each once, such as ["exc/v"]'
            raise SpecError.of(where=where, name="variables", value=variables, bound=bound)
        self.names = tuple(names)
        values = [_variable(system, name, where) for name in self.names]
        if not values:
            raise SpecError.of(where=where, name="variables", value=variables, bound="must name something")
        self.span = "20 ms" if interval is None else interval
        self.length = seconds(self.span, where=where, name="interval", low_open=True)
        done = float(_advance(system.copy(), self.span).duration)
        if not math.isclose(done, self.length, rel_tol=1e-6):
            bound = f"must be a whole number of steps: a run of it went on by {done:g} s"
            raise SpecError.of(where=where, name="interval", value=interval, bound=bound)
        size = _in_unit_of(values[0], d0, where=where, name="d0")
        self.d0 = check_real(size, where=where, name="d0", low=0.0, low_open=True)
        self.scale: list[float] = []

    def after(self, direction: Any) -> Floats:
        """Difference that a distance d0 has become after an interval."""
        now = {name: np.asarray(self.system.read_state()[name]) for name in self.names}
        if not self.scale:  # at the start all may be equal, so after a first interval
            _advance(self.system, self.span)
            now = {name: np.asarray(self.system.read_state()[name]) for name in self.names}
            spread = [0.0 if _whole(value) else float(value.std()) for value in now.values()]
            self.scale = [1.0, *(s / (spread[0] or 1.0) for s in spread[1:])]
        parts = [value.ravel() for value in now.values()]
        sizes = np.repeat(self.scale, [part.size for part in parts])
        way = direction(sizes.size) if callable(direction) else direction
        way = np.where(sizes > 0, way, 0.0)
        way = self.d0 * sizes * way / np.linalg.norm(way)
        twin = self.system.copy()
        edges = np.cumsum([part.size for part in parts])[:-1]
        shifts = np.split(way, edges)
        twin.set_state(
            {name: v + d.reshape(v.shape) for (name, v), d in zip(now.items(), shifts, strict=True)}
        )
        _advance(twin, self.span)
        _advance(self.system, self.span)
        new, old = (
            np.concatenate([np.ravel(run.read_state()[name]) for name in self.names])
            for run in (twin, self.system)
        )
        return np.divide(new - old, sizes, out=np.zeros(sizes.shape), where=sizes > 0)


def _whole(values: Floats) -> bool:
    """Whether an array holds whole numbers only."""
    return bool(np.all(values == np.rint(values)))


def _check_system(system: Any, where: str) -> None:
    if not isinstance(system, System):
        raise SpecError.of(
            where=where,
            name="system",
            value=system,
            bound="must have copy, read_state, set_state and advance, as a Simulation has",
            fix='make one with arcuate.Simulation(network, "10 s", seed=1)',
        )


def _variable(system: Any, name: str, where: str) -> Floats:
    table = system.read_state()
    if name not in table:
        bound = f"must be one of {', '.join(table)}"
        raise SpecError.of(where=where, name="variable", value=name, bound=bound)
    return np.asarray(table[name])


def _in_unit_of(potential: Floats, value: Any, *, where: str, name: str) -> float:
    """Return a value in the unit of a potential: a number as it is, a quantity in V."""
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
        return check_real(float(value), where=where, name=name)
    size = to_si(value, "V", where=where, name=name)
    if np.abs(potential).max() > 1.0:  # no potential in V is as large
        bound, fix = "must be a number: the potentials of this model have no unit", "give the number of mV"
        raise SpecError.of(where=where, name=name, value=value, bound=bound, fix=fix)
    return size


def _advance(system: Any, duration: Any) -> Any:
    """Run on without the warnings of a piece: a short one may well be silent."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ArcuateWarning)
        return system.advance(duration, progress=False)


def _with_spike(
    system: Any, variable: str, neurons: Sequence[int], *, peak: float, duration: Any, where: str
) -> Any:
    """Recording of a copy in which one neuron fires at once: the first of these that is not refractory."""
    population = variable.split("/")[0]
    for neuron in neurons:
        twin = system.copy()
        values = np.array(twin.read_state()[variable])
        values.flat[neuron] = peak
        twin.set_state({variable: values})
        recording = _advance(twin, duration)
        if population not in recording.populations:
            bound, fix = f"spikes of {population!r} must be recorded", "add it to Record(spikes=...)"
            raise SpecError.of(where=where, name="variable", value=variable, bound=bound, fix=fix)
        times, fired = recording.spike_arrays(population)[:2]
        if np.any((fired == neuron) & (times <= recording.start + 1.5 * (recording.dt or 0.0))):
            return recording
    bound = f"a neuron of {population!r} must fire when its potential is there; {len(neurons)} did not"
    raise SpecError.of(where=where, name="peak", value=peak, bound=bound, fix="give a higher one")
