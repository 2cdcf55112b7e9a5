"""Run a specification: one call for a whole run, or a simulation that advances piece by piece."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate._progress import ProgressOption, check_progress, progress_bar
from arcuate.errors import CapabilityError, EngineError, SpecError, check_int
from arcuate.units import to_si

if TYPE_CHECKING:
    from arcuate.engines.plan import Array, Plan
    from arcuate.recording import Recording
    from arcuate.spec import Network, Record

MAX_THREADS = 1024


def simulate(
    network: Network,
    duration: str | float | None = None,
    *,
    seed: int | None = None,
    engine: str = "numba",
    inputs: Mapping[str, Any] | None = None,
    targets: Mapping[str, Any] | None = None,
    gates: Mapping[str, Any] | None = None,
    record: Record | None = None,
    threads: int = 1,
    order: str = "strict",
    precision: str = "float64",
    progress: ProgressOption = None,
    memory_limit: int | None = None,
) -> Recording:
    """Run a network and return what was recorded.

    Parameters
    ----------
    network : Network
        The specification.
    duration : str or quantity, optional
        Length of the run, such as ``"2 s"``, rounded up to whole steps; that of the network's task by
        default.
    seed : int, optional
        Seed of every random number. None draws one, which the recording keeps.
    engine : str
        ``"numba"``, ``"brian2"`` (NumPy target), ``"brian2-cython"``, ``"brian2-cpp"`` or ``"brian2-cuda"``
        (a GPU; needs the extra ``cuda``).
    inputs : mapping of str to array, optional
        Values of the inputs, (n_steps, n_channels); the task's by default.
    targets, gates : mapping of str to array, optional
        Teachers (n_samples, n_outputs) and attention gates (n_samples,) of read-outs; the task's by
        default.
    record : Record, optional
        What to keep, in place of ``network.record``. It never changes the dynamics.
    threads : int
        Threads that the engine may use; the numbers do not depend on it.
    order : {"strict", "fast"}
        Order of sums. ``"strict"``: that of every engine, so spikes are identical on all of them.
        ``"fast"`` (Numba only): read-outs are kept up to date per spike; equal but for rounding, and much
        quicker where a read-out is fed back or learns at every step. The recording's outcome says which ran.
    precision : {"float64", "float32"}
        Of neurons, synapses and filters; read-outs and rules are always double. ``"float32"`` (Numba only)
        is quicker and no longer gives the spikes of another engine, only the same statistics.
    progress : bool or callable, optional
        A bar appears after two seconds in a terminal or a notebook; False never shows one. A callable
        gets (steps done, steps in all).
    memory_limit : int, optional
        Bytes that the run may need; 80 % of what is free by default.

    Returns
    -------
    Recording

    Raises
    ------
    SpecError
        If an argument, or a value of the network, is not valid.
    CapabilityError
        If the engine cannot run the network; names the feature.
    MemoryLimitError
        If the run would not fit; raised before anything is allocated.
    NonFiniteError
        If a state variable leaves the finite numbers.

    Examples
    --------
    >>> import arcuate as arc
    >>> net = arc.Network(
    ...     name="one",
    ...     dt="0.1 ms",
    ...     populations=[arc.Population(name="exc", n=1, neuron=arc.lif(), bias="0.5 nA")],
    ... )
    >>> rec = arc.simulate(net, "100 ms", seed=1)
    >>> int(rec.spikes("exc").sizes["spike"])
    6
    """
    check_progress(progress, where="simulate")
    run = Simulation(
        network,
        duration,
        seed=seed,
        engine=engine,
        inputs=inputs,
        targets=targets,
        gates=gates,
        record=record,
        threads=threads,
        order=order,
        precision=precision,
        memory_limit=memory_limit,
    )
    return run.advance(progress=progress)


class Simulation:
    """A run that advances piece by piece and can be saved in between.

    The pieces together are the same, bit for bit, as one run of the whole length.

    Parameters
    ----------
    network : Network
        The specification.
    duration : str or quantity, optional
        Length that inputs and schedules are planned for; that of the network's task by default.
    seed, engine, inputs, targets, gates, record, threads, order, precision, memory_limit
        As in :func:`simulate`.

    Attributes
    ----------
    plan : Plan
        The arrays that the engine runs.

    Examples
    --------
    >>> import arcuate as arc
    >>> net = arc.Network(
    ...     name="one",
    ...     dt="0.1 ms",
    ...     populations=[arc.Population(name="exc", n=1, neuron=arc.lif(), bias="0.5 nA")],
    ... )
    >>> sim = arc.Simulation(net, "100 ms", seed=1)
    >>> first, second = sim.advance("40 ms"), sim.advance("60 ms")
    >>> first.spikes("exc").sizes["spike"] + second.spikes("exc").sizes["spike"]
    6
    """

    def __init__(
        self,
        network: Network,
        duration: str | float | None = None,
        *,
        seed: int | None = None,
        engine: str = "numba",
        inputs: Mapping[str, Any] | None = None,
        targets: Mapping[str, Any] | None = None,
        gates: Mapping[str, Any] | None = None,
        record: Record | None = None,
        threads: int = 1,
        order: str = "strict",
        precision: str = "float64",
        memory_limit: int | None = None,
    ) -> None:
        from arcuate.engines import check_arithmetic, check_capabilities, get_engine
        from arcuate.engines.build import build_plan

        check_network(network)
        check_int(threads, where="simulate", name="threads", low=1, high=MAX_THREADS)
        if memory_limit is not None:
            check_int(memory_limit, where="simulate", name="memory_limit")
        self._engine = get_engine(engine)
        check_capabilities(self._engine, network)
        check_arithmetic(self._engine, order=order, precision=precision)
        if record is not None:
            network = network.replace(record=record)
        self.plan: Plan = build_plan(
            network,
            seed=seed,
            duration=duration,
            inputs=inputs,
            targets=targets,
            gates=gates,
            memory_limit=memory_limit,
            precision=precision,
        )
        self._run = self._engine.start(self.plan, threads=threads, order=order, precision=precision)

    @property
    def time(self) -> float:
        """Time simulated so far, s."""
        return float(self._run.step * self.plan.dt)

    @property
    def remaining(self) -> float:
        """Time left of what was planned, s."""
        return float((self.plan.n_steps - self._run.step) * self.plan.dt)

    @property
    def state(self) -> dict[str, Array]:
        """Copy of everything that moves, such as ``state["exc/v"]``, in SI."""
        state: dict[str, Array] = self._run.state()
        return state

    def advance(self, duration: str | float | None = None, *, progress: ProgressOption = None) -> Recording:
        """Run the next piece.

        Parameters
        ----------
        duration : str or quantity, optional
            Length of the piece; whatever is left by default.
        progress : bool or callable, optional
            As in :func:`simulate`.

        Returns
        -------
        Recording
            Of this piece; times count from the start of the run.

        Raises
        ------
        EngineError
            If the piece reaches beyond what was planned.
        """
        from arcuate.engines.to_recording import to_recording

        check_progress(progress, where="simulate")
        if duration is None:
            n_steps = self.plan.n_steps - self._run.step
        else:
            seconds = to_si(duration, "s", where="advance", name="duration", low=0.0, low_open=True)
            n_steps = max(1, int(min(seconds / self.plan.dt, 2.0**62) + 0.5))
        if n_steps < 1:
            raise EngineError.of(
                where="advance",
                name="duration",
                value=duration,
                bound="nothing is left of the planned run",
                fix="plan a longer one: Simulation(network, duration)",
            )
        with progress_bar(progress, n_steps, title=self.plan.network.name) as report:
            raw = self._run.advance(n_steps, progress=report)
        return to_recording(self.plan, raw, source=self._engine.name)

    def set_input(self, name: str, values: Any) -> None:
        """Replace the values of an input or a modulator for the steps that come next.

        This closes a loop: what an input does may depend on what the network did. The values are part of
        the inputs of the run; who resumes it from a checkpoint gives them again.

        Parameters
        ----------
        name : str
            An input, or a modulator that is given from outside.
        values : array_like, (n, n_channels) or (n,)
            Values of the next n steps, at most as many as are left.

        Raises
        ------
        SpecError
            If there is no such input, or the values do not fit.

        Examples
        --------
        >>> import numpy as np
        >>> import arcuate as arc
        >>> net = arc.Network(
        ...     name="one",
        ...     dt="0.1 ms",
        ...     populations=[arc.Population(name="exc", n=1, neuron=arc.lif())],
        ...     inputs=[arc.Input(name="drive", target="exc", unit="A")],
        ... )
        >>> sim = arc.Simulation(net, "100 ms", seed=1, inputs={"drive": np.zeros(1000)})
        >>> silent = sim.advance("50 ms")
        >>> sim.set_input("drive", np.full(500, 5e-10))
        >>> int(sim.advance("50 ms").spikes("exc").sizes["spike"])
        3
        """
        from arcuate.engines.drive import replace_values

        replace_values(self.plan, name, values, first=self._run.step)

    def read_state(self) -> dict[str, Array]:
        """Copy of what `set_state` may replace: neurons, synaptic currents and filters, by name.

        Returns
        -------
        dict of str to ndarray
            A part of `state`.

        Raises
        ------
        CapabilityError
            If the engine runs a plan in one piece.

        Examples
        --------
        >>> import arcuate as arc
        >>> net = arc.Network(
        ...     name="one",
        ...     dt="0.1 ms",
        ...     populations=[arc.Population(name="exc", n=1, neuron=arc.lif())],
        ... )
        >>> list(arc.Simulation(net, "10 ms", seed=1).read_state())
        ['exc/v', 'exc/ref']
        """
        self._check_pieces("read_state")
        return {name: np.array(value) for name, value in self._run.free().items()}

    def set_state(self, values: Mapping[str, Any]) -> None:
        """Replace what moves, such as the potentials of a population, for the steps that come next.

        Parameters
        ----------
        values : mapping of str to array_like
            Variables of neurons, synaptic currents and filters by the names that `read_state` gives, in
            SI; a number counts for all. Spikes that are under way stay.

        Raises
        ------
        SpecError
            If there is no such variable, the shape is another, or a value is not finite.
        CapabilityError
            If the engine runs a plan in one piece.

        Examples
        --------
        >>> import arcuate as arc
        >>> net = arc.Network(
        ...     name="one",
        ...     dt="0.1 ms",
        ...     populations=[arc.Population(name="exc", n=1, neuron=arc.lif())],
        ... )
        >>> sim = arc.Simulation(net, "10 ms", seed=1)
        >>> sim.set_state({"exc/v": 0.0})
        >>> int(sim.advance().spikes("exc").sizes["spike"])
        1
        """
        self._check_pieces("set_state")
        self._run.set_state(values)

    def copy(self) -> Simulation:
        """Return a simulation of its own that stands where this one stands.

        Both go on with the same noise and the same inputs, so that they stay equal, bit for bit, until one
        of them is changed by `set_state` or `set_input`.

        Returns
        -------
        Simulation

        Raises
        ------
        CapabilityError
            If the engine runs a plan in one piece.

        Examples
        --------
        >>> import arcuate as arc
        >>> net = arc.Network(
        ...     name="one",
        ...     dt="0.1 ms",
        ...     populations=[arc.Population(name="exc", n=1, neuron=arc.lif(), bias="0.5 nA")],
        ... )
        >>> sim = arc.Simulation(net, "100 ms", seed=1)
        >>> _ = sim.advance("40 ms")
        >>> sim.copy().advance().spikes("exc").equals(sim.advance().spikes("exc"))
        True
        """
        from arcuate.engines.drive import own_values

        self._check_pieces("copy")
        twin = object.__new__(Simulation)
        twin._engine, twin.plan = self._engine, own_values(self.plan)
        twin._run = self._run.copy(twin.plan)
        return twin

    def _check_pieces(self, name: str) -> None:
        if "checkpoint" not in self._engine.capabilities():
            raise CapabilityError.of(
                where=f"Engine {self._engine.name!r}",
                name=name,
                bound="is not possible with this engine, which runs a plan in one piece",
                fix='use engine="numba"',
            )

    def checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Save the state, so that another process can go on with the same bits.

        Parameters
        ----------
        path : path
            File to write; an existing one is not overwritten.

        Raises
        ------
        FileFormatError
            If the file exists or cannot be written.
        CapabilityError
            If the engine cannot be saved.
        """
        from arcuate.engines.checkpoint import write_checkpoint

        write_checkpoint(path, engine=self._engine, plan=self.plan, run=self._run)

    @classmethod
    def resume(
        cls,
        path: str | os.PathLike[str],
        network: Network,
        *,
        inputs: Mapping[str, Any] | None = None,
        targets: Mapping[str, Any] | None = None,
        gates: Mapping[str, Any] | None = None,
        threads: int = 1,
        memory_limit: int | None = None,
    ) -> Simulation:
        """Go on from a checkpoint.

        Parameters
        ----------
        path : path
            File that :meth:`checkpoint` wrote.
        network : Network
            The same specification; another one is refused.
        inputs, targets, gates : mapping, optional
            The same arrays as before; they are not in the file.
        threads, memory_limit
            As in :func:`simulate`.

        Returns
        -------
        Simulation

        Raises
        ------
        FileFormatError
            If the file is not a checkpoint, is damaged, or belongs to another specification.
        """
        from arcuate.engines.checkpoint import read_checkpoint

        check_network(network)
        saved = read_checkpoint(path, network)
        simulation = cls(
            network,
            f"{saved.n_steps * network.dt!r} s",
            seed=saved.seed,
            engine=saved.engine,
            inputs=inputs,
            targets=targets,
            gates=gates,
            threads=threads,
            order=saved.order,
            precision=saved.precision,
            memory_limit=memory_limit,
        )
        saved.restore(simulation.plan, simulation._run)
        return simulation


def usable_processors() -> int:
    """Count the processors that this process may use.

    Returns
    -------
    int
        All of the machine where the system does not tell.

    Examples
    --------
    >>> usable_processors() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_network(network: object, *, where: str = "simulate") -> None:
    """Refuse what is not a network.

    Parameters
    ----------
    network : object
        What was given.
    where : str
        For the message.

    Raises
    ------
    SpecError

    Examples
    --------
    >>> from arcuate.models import load_model
    >>> check_network(load_model("what_when_reservoir"))
    """
    from arcuate.spec import Network

    if not isinstance(network, Network):
        raise SpecError.of(
            where=where,
            name="network",
            value=network,
            bound="must be a Network",
            fix='load one with arcuate.load_model("what_when_reservoir")',
        )
