"""Sessions: one recording of a network that runs through its task, and several of them side by side.

A network without feedback does not know its read-out. So a session is simulated once, the features of the
read-out are kept, and every rule learns afterwards from the same numbers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from arcuate.errors import RecordingError, SpecError, check_int
from arcuate.readout import TwoBankPredictor
from arcuate.simulate import simulate
from arcuate.spec import Network, Record, TwoBank
from arcuate.study.reproduction import Progress

if TYPE_CHECKING:
    from arcuate.recording import Recording
    from arcuate.tasks import Trials

__all__ = ["Session", "predictor_of", "record_session", "run_jobs", "session_of"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Session:
    """The features of a read-out over the response windows of a task.

    Attributes
    ----------
    states : ndarray, (n_trials, n_samples, n_units), float32
        Filtered spikes, neither centered nor scaled.
    times : ndarray, (n_samples,), s
        Time of each sample since the start of its trial.
    trials : Trials
        What the task showed; its latencies and outcomes may be relabeled, since the network never saw them.
    seed : int
        Of the network, its noise and the trials.
    """

    states: NDArray[np.float32]
    times: Floats
    trials: Trials
    seed: int

    @property
    def switches(self) -> list[int]:
        """First trial of every block but the first."""
        return [int(trial) for trial in np.flatnonzero(np.diff(self.trials.block)) + 1]


def record_session(
    network: Network, *, seed: int, progress: Progress | None = None, n_trials: int | None = None
) -> Session:
    """Simulate a network through its task and keep the features of its only read-out.

    Parameters
    ----------
    network : Network
        With a task and one read-out. Its learning rule is left out of the run: rules learn afterwards.
    seed : int
        Seed of everything that is random.
    progress : callable, optional
        Called as ``progress(done, total, label)``.
    n_trials : int, optional
        Only the first trials of the task, in blocks of the same kind; default all.

    Returns
    -------
    Session

    Raises
    ------
    SpecError
        If the network has no task or not exactly one read-out.

    Examples
    --------
    >>> import arcuate as arc
    >>> task = {"kind": "what_when", "blocks": [{"n_trials": 3, "latency": "400 ms", "probabilities": [1.0]}]}
    >>> net = arc.Network(
    ...     name="small",
    ...     dt="0.5 ms",
    ...     populations=[arc.Population(name="exc", n=4, neuron=arc.lif(), bias="0.5 nA")],
    ...     readouts=[arc.Readout(name="out", source="exc")],
    ...     task=task,
    ... )
    >>> record_session(net, seed=1).states.shape
    (3, 120, 4)
    """
    if network.task is None or len(network.readouts) != 1:
        raise SpecError.of(
            where=f"Network {network.name!r}",
            name="task, readouts",
            value=list(network.readouts),
            bound="must be a task and exactly one read-out",
        )
    (site,) = network.readouts
    if n_trials is not None:
        network = _shortened(network, n_trials)
    network = network.with_(f"readouts.{site}.rule", None)
    report = None if progress is None else lambda done, total: progress(done, total, "simulating")
    rec = simulate(
        network,
        seed=seed,
        record=Record(spikes=False, readouts=("features",)),
        progress=False if report is None else report,
    )
    return session_of(rec)


def session_of(recording: Recording) -> Session:
    """Take the session out of the recording of a run through a task.

    Parameters
    ----------
    recording : Recording
        Of a network with a task and one read-out, whose features were recorded:
        ``Record(readouts=("features",))``.

    Returns
    -------
    Session

    Raises
    ------
    RecordingError
        If the features of exactly one read-out, the specification or the seed are not there.

    Examples
    --------
    >>> import arcuate as arc
    >>> task = {"kind": "what_when", "blocks": [{"n_trials": 3, "latency": "400 ms", "probabilities": [1.0]}]}
    >>> net = arc.Network(
    ...     name="small",
    ...     dt="0.5 ms",
    ...     populations=[arc.Population(name="exc", n=4, neuron=arc.lif(), bias="0.5 nA")],
    ...     readouts=[arc.Readout(name="out", source="exc")],
    ...     record=arc.Record(readouts=("features",)),
    ...     task=task,
    ... )
    >>> session_of(arc.simulate(net, seed=1)).trials.n_trials
    3
    """
    from arcuate import tasks

    sites = [site for site in recording.sites if site.endswith("/features")]
    spec, seed, dt = recording.spec, recording.seed, recording.dt
    if len(sites) != 1 or spec is None or spec.get("task") is None or seed is None or dt is None:
        raise RecordingError.of(
            where="session_of",
            name="features",
            value=sites,
            bound="must be those of one read-out, in a run of a network through its task",
            fix='record them: Record(readouts=("features",))',
        )
    features = recording.states(sites[0])["r"]
    return Session(
        states=features.values.astype(np.float32),
        times=np.asarray(features["time"].values, dtype=float),
        trials=tasks.build(spec["task"]).trials(dt, seed),
        seed=seed,
    )


def _shortened(network: Network, n_trials: int) -> Network:
    """The same network with the blocks of its task cut after a number of trials."""
    left = check_int(n_trials, where="record_session", name="n_trials")
    task = dict(network.to_dict()["task"])
    blocks = []
    for block in task["blocks"]:
        if left > 0:
            blocks.append(dict(block) | {"n_trials": min(left, int(block["n_trials"]))})
            left -= int(block["n_trials"])
    return network.with_("task", task | {"blocks": blocks})


def predictor_of(network: Network, **changes: Any) -> TwoBankPredictor:
    """Build the estimator of a network's two-bank rule, with its numbers.

    Parameters
    ----------
    network : Network
        With one read-out whose rule is `TwoBank`.
    **changes : object
        Parameters of the estimator to set otherwise.

    Returns
    -------
    TwoBankPredictor
        Not fitted.

    Raises
    ------
    SpecError
        If the rule is another one.

    Examples
    --------
    >>> from arcuate.models import load_model
    >>> predictor_of(load_model("what_when_reservoir"), eligibility="event").eligibility
    'event'
    """
    (readout,) = network.readouts.values()
    rule = readout.rule
    if not isinstance(rule, TwoBank):
        raise SpecError.of(
            where=f"Readout {readout.name!r}", name="rule", value=rule, bound="must be a TwoBank rule"
        )
    windows = {
        name: tuple(f"{float(edge)!r} s" for edge in getattr(rule, name))
        for name in ("when_window", "cue_window", "post_window")
    }
    plain = ("eta_when", "eta_what", "c_when", "c_what", "eligibility", "w_min", "w_max")
    options: dict[str, Any] = {name: getattr(rule, name) for name in plain} | windows
    options["trace_tau"] = f"{float(rule.trace_tau)!r} s"
    options["center_tau"] = None if readout.center is None else readout.center.tau_trials
    return TwoBankPredictor(**(options | changes))


def run_jobs(
    jobs: Mapping[Any, Callable[..., Any]],
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    costs: Mapping[Any, float] | None = None,
) -> dict[Any, Any]:
    """Run jobs in processes of their own, one thread each, and say how far it is.

    Parameters
    ----------
    jobs : mapping of key to callable
        Functions that can be sent to another process, such as a `functools.partial` of a module's function.
    workers : int, optional
        Processes at a time; by default one for each processor, at most 8. With one job or one worker
        nothing leaves this process.
    progress : callable, optional
        Called as ``progress(done, total, label)``.
    costs : mapping of key to float, optional
        How long each job takes beside the others, for the remaining time; 1 unless given.

    Returns
    -------
    dict
        Results by key, in the order of `jobs`.

    Examples
    --------
    >>> from functools import partial
    >>> run_jobs({"a": partial(pow, 2, 3), "b": partial(pow, 2, 4)}, workers=1)
    {'a': 8, 'b': 16}
    """
    count = min(len(jobs), workers if workers is not None else min(os.cpu_count() or 1, 8))
    share = {key: float((costs or {}).get(key, 1.0)) for key in jobs}
    total, done, results = sum(share.values()), 0.0, {}
    if count <= 1:
        pairs = ((key, job()) for key, job in jobs.items())
    else:
        pairs = _in_processes(jobs, count)
    for key, result in pairs:
        results[key] = result
        done += share[key]
        if progress is not None:
            progress(done, total, "measuring")
    return {key: results[key] for key in jobs}


def _in_processes(jobs: Mapping[Any, Callable[..., Any]], count: int) -> Any:
    """Yield key and result of every job as it ends."""
    from joblib import Parallel, delayed

    calls = [delayed(_keyed)(key, job) for key, job in jobs.items()]
    return Parallel(n_jobs=count, backend="loky", inner_max_num_threads=1, return_as="generator_unordered")(
        calls
    )


def _keyed(key: Any, job: Callable[[], Any]) -> tuple[Any, Any]:
    return key, job()
