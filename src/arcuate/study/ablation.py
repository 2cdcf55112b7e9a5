"""What each part of a network is for: time decoded without a part, two streams of cues, feedback."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcuate import analysis
from arcuate.readout import Ridge
from arcuate.simulate import simulate
from arcuate.spec import Delta, Feedback, Network, Projection, Record, Uniform
from arcuate.study.prediction import Protocol
from arcuate.study.session import record_session

__all__ = ["decode_times", "gain", "job_table", "measure_feedback", "measure_streams"]

Floats = NDArray[np.float64]


def decode_times(network: Network, protocol: Protocol, *, seed: int, n_trials: int) -> dict[str, Floats]:
    """Ridge decoding of the protocol's latencies from a session: the time code without a learning rule.

    Parameters
    ----------
    network : Network
    protocol : Protocol
    seed : int
    n_trials : int
        Trials to simulate.

    Returns
    -------
    dict of str to ndarray
        ``median`` and ``mean`` (n_latencies,), s: absolute error of held-out trials; ``late``
        (n_latencies,): share of trials off by more than 20 ms; ``peak`` (n_latencies,): decoded amplitude.

    Examples
    --------
    >>> import arcuate as arc
    >>> from arcuate.study.prediction import example_session
    >>> block = {"n_trials": 15, "latency": "500 ms", "probabilities": [1.0]}
    >>> net = arc.Network(
    ...     name="small",
    ...     dt="0.5 ms",
    ...     populations=[arc.Population(name="exc", n=4, neuron=arc.lif(), bias="0.5 nA")],
    ...     readouts=[arc.Readout(name="out", source="exc")],
    ...     task={"kind": "what_when", "blocks": [block]},
    ... )
    >>> decode_times(net, example_session()[1], seed=1, n_trials=15)["median"].shape
    (2,)
    """
    session = record_session(network, seed=seed, n_trials=n_trials)
    report = analysis.time_decoding(
        session.states[protocol.settled_trials :],
        times=session.times,
        latencies=np.asarray(protocol.decoded, dtype=float),
        width=f"{float(session.trials.teacher_width)!r} s",
        alpha=protocol.ridge_alpha,
    )
    error = np.abs(report["error"].values)
    return {
        "median": report["median_error"].values,
        "mean": error.mean(axis=0),
        "late": (error > 0.02 * (1 + 1e-9)).mean(axis=0),
        "peak": report["amplitude"].values.mean(axis=0),
    }


def measure_streams(network: Network, protocol: Protocol, *, seed: int, n_test: int) -> dict[str, float]:
    """How often ridge regression finds the latency that two cues decide together.

    Parameters
    ----------
    network : Network
        Its task names each condition by its cues, such as ``"a0 b1"``.
    protocol : Protocol
    seed : int
    n_test : int
        Trials at the end that are predicted and not learned from.

    Returns
    -------
    dict of str to float
        ``both``: share of test trials within 20 ms of the latency; ``one``: the same if the first cue alone
        decided it, a control that shows the time code intact.

    Examples
    --------
    >>> from arcuate.models import load_model
    >>> load_model("what_when_reservoir/two_streams").task["blocks"][0]["conditions"][0]["name"]
    'a0 b0'
    """
    session = record_session(network, seed=seed)
    trials = session.trials
    cue = np.array([name.split()[0] for name in trials.conditions])[trials.condition]
    alone = np.where(cue == cue[0], trials.latency.min(), trials.latency.max())
    learn = slice(protocol.settled_trials, trials.n_trials - n_test)
    shares = {}
    for name, latency in (("both", trials.latency), ("one", alone)):
        pulse = analysis.gaussian_pulse(session.times, latency, width=f"{float(trials.teacher_width)!r} s")
        ridge = Ridge(protocol.ridge_alpha, fit_intercept=True).fit(session.states[learn], pulse[learn])
        output = ridge.predict(session.states[-n_test:])
        error = analysis.timing_error(output, latency[-n_test:], times=session.times)
        shares[name] = float(np.mean(np.abs(error) <= 0.02 * (1 + 1e-9)))
    return shares


def measure_feedback(
    network: Network, protocol: Protocol, *, seed: int, target: str, scale: float
) -> dict[str, float]:
    """Timing with the output of a single bank fed back as a current, weights frozen after learning.

    Parameters
    ----------
    network : Network
        With a what/when task and one read-out; the rule is replaced by the normalized delta rule.
    protocol : Protocol
        `sweep_trials` to learn from, then `scored_trials` with the weights as they are.
    seed : int
    target : str
        Population that receives the feedback.
    scale : float
        Feedback weights are uniform between minus and plus this, in the input unit; 0 for none.

    Returns
    -------
    dict of str to float
        ``error``: median absolute timing error, s; ``peak``: mean largest output of the scored trials.

    Examples
    --------
    >>> callable(measure_feedback)
    True
    """
    from arcuate import tasks

    (site,) = network.readouts
    rule = network.readouts[site].rule
    task = dict(network.to_dict()["task"])
    latency = f"{float(protocol.sweep_latency)!r} s"
    n = protocol.sweep_trials + protocol.scored_trials
    task["blocks"] = [{"n_trials": n, "latency": latency, "probabilities": {"A": 1.0}}]
    start = tasks.build(task).trials(network.dt, seed).start[protocol.sweep_trials] * network.dt
    delta = Delta(
        learning_rate=rule.eta_when, normalization=rule.c_when, active=[["0 s", f"{float(start)!r} s"]]
    )
    fed = (
        {f"readouts.{site}.feedback": Feedback(target=target, scale=Uniform(-scale, scale))} if scale else {}
    )
    changed = network.replace(
        **{"task": task, f"readouts.{site}.n_outputs": 1, f"readouts.{site}.rule": delta, **fed}
    )
    rec = simulate(changed, seed=seed, record=Record(spikes=False, readouts=("z",)), progress=False)
    z = rec.states(f"{site}/output")["z"]
    output = z.values[-protocol.scored_trials :, :, 0]
    error = analysis.timing_error(output, protocol.sweep_latency, times=z["time"].values)
    return {"error": float(np.median(np.abs(error))), "peak": float(output.max(axis=1).mean())}


def gain(
    network: Network, excitation: float, *, ratio: float, keep: Callable[[Projection], bool] | None = None
) -> dict[str, float]:
    """Settings that give every projection of a network one gain, the constant ``g`` of its weight.

    Parameters
    ----------
    network : Network
    excitation : float
        Gain of projections from populations with the sign "excitatory".
    ratio : float
        Gain of the others over it.
    keep : callable, optional
        Projections for which it gives True stay as they are.

    Returns
    -------
    dict of str to float
        For ``network.replace``.

    Examples
    --------
    >>> from arcuate.models import load_model
    >>> settings = gain(load_model("what_when_reservoir"), 0.0, ratio=4.0)
    >>> settings["projections.exc->inh.constants.g"], len(settings)
    (0.0, 4)
    """
    return {
        f"projections.{name}.constants.g": excitation
        * (1.0 if network.populations[projection.pre].sign == "excitatory" else ratio)
        for name, projection in network.projections.items()
        if keep is None or not keep(projection)
    }


def job_table(
    function: Callable[..., Any],
    network: Network,
    protocol: Protocol,
    *,
    variants: Mapping[str, Mapping[str, Any]],
    seeds: Sequence[int],
    **options: Any,
) -> dict[tuple[str, str, int], Callable[[], Any]]:
    """Jobs for `arcuate.study.session.run_jobs`: one function on every variant of a network and every seed.

    Parameters
    ----------
    function : callable
        Such as `measure_session`; called as ``function(network, protocol, seed=seed, **options)``.
    network : Network
    protocol : Protocol
    variants : mapping of str to mapping
        Name and settings of each variant.
    seeds : sequence of int
    **options : object
        Passed on.

    Returns
    -------
    dict
        A call by (name of the function, name of the variant, seed).

    Examples
    --------
    >>> from arcuate.models import load_model
    >>> from arcuate.study.prediction import example_session
    >>> net, (_, protocol) = load_model("what_when_reservoir"), example_session()
    >>> list(job_table(decode_times, net, protocol, variants={"complete": {}}, seeds=[3], n_trials=60))
    [('decode_times', 'complete', 3)]
    """
    return {
        (function.__name__, name, seed): partial(
            function, network.replace(**dict(settings)), protocol, seed=seed, **options
        )
        for name, settings in variants.items()
        for seed in seeds
    }
