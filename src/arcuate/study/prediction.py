"""Measure what a read-out predicts: when, what, with what probability, and how fast it adapts.

Every score is that of a probe: the output of the weights frozen at the start of a trial, before the trial
taught them anything (see `arcuate.analysis.timing_error`). Nothing here knows a particular model; its numbers
come in as a `Protocol`.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcuate import analysis, rng
from arcuate.readout import RLS, Delta, TwoBankPredictor, prediction_targets
from arcuate.spec import Network
from arcuate.study.reproduction import Progress
from arcuate.study.session import Session, predictor_of, record_session

__all__ = [
    "Protocol",
    "Scores",
    "compare_rules",
    "example_session",
    "latency_sweep",
    "measure_session",
    "omission_run",
    "probability_sweep",
    "weight_angles",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Numbers of an experiment on prediction.

    Attributes
    ----------
    latencies : sequence of float, s
        Of the sweep over latencies, one learner each.
    probabilities : sequence of float
        Of the sweep over probabilities, one learner each, at `sweep_latency`.
    sweep_latency : float, s
    sweep_trials, scored_trials : int
        Trials of each learner of a sweep, and how many of the last are scored.
    last_trials : int
        Trials at the end of a block that are averaged for its prediction.
    omission : (before, without, after) of int
        Trials with the outcome, with it withheld, and with it again.
    alpha, forgetting : float
        Penalty of recursive least squares, and the factor of the variant that forgets.
    every : int
        Samples between its updates.
    decoded : sequence of float, s
        Latencies that ridge regression decodes in the ablations.
    ridge_alpha : float
        Its penalty.
    settled_trials : int
        Trials at the start of a session that the covariance and the decoding leave out.
    exclude : float, s
        Time after the cue that the second report of the subspaces leaves out.
    n_null : int
        Draws of each null of the angle.
    """

    latencies: Sequence[float]
    probabilities: Sequence[float]
    sweep_latency: float
    sweep_trials: int
    scored_trials: int
    last_trials: int
    omission: tuple[int, int, int]
    alpha: float
    forgetting: float
    every: int
    decoded: Sequence[float]
    ridge_alpha: float
    settled_trials: int
    exclude: float
    n_null: int


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What one rule predicted in a session, trial by trial.

    Attributes
    ----------
    error : ndarray, (n_trials,), s
        Predicted minus true time.
    estimate : ndarray, (n_trials,)
        Estimated probability of the first outcome: q of two banks, the share at the predicted time of one.
    latency_trials, probability_trials : ndarray, (n_blocks,)
        Trials to criterion after the start of each block; infinite for never.
    median_error : ndarray, (n_blocks,), s
        Median absolute error at the end of each block.
    mean_estimate : ndarray, (n_blocks,)
        Mean estimate at the end of each block.
    prediction : ndarray, (n_blocks, n_samples, n_outcomes)
        Mean output at the end of each block.
    """

    error: Floats
    estimate: Floats
    latency_trials: Floats
    probability_trials: Floats
    median_error: Floats
    mean_estimate: Floats
    prediction: Floats


def _score(session: Session, output: Floats, estimate: Floats, last: int) -> Scores:
    """Score outputs (n_trials, n_samples, n_outcomes) and estimates (n_trials, n_outcomes)."""
    trials = session.trials
    error = analysis.timing_error(output.sum(axis=2), trials.latency, times=session.times)
    target = trials.probabilities[:, 0]
    ends = [slice(max(stop - last, 0), stop) for stop in [*session.switches, trials.n_trials]]
    options: dict[str, Any] = {"block": trials.block, "n_resamples": 2}
    in_time = analysis.trials_to_criterion(error, **options)
    in_size = analysis.trials_to_criterion(estimate[:, 0], kind="probability", target=target, **options)
    return Scores(
        error=error,
        estimate=estimate[:, 0],
        latency_trials=in_time["trials"].values[0],
        probability_trials=in_size["trials"].values[0],
        median_error=np.array([np.median(np.abs(error[end])) for end in ends]),
        mean_estimate=np.array([estimate[end, 0].mean() for end in ends]),
        prediction=np.array([output[end].mean(axis=0) for end in ends]),
    )


def _teach(session: Session) -> tuple[Floats, NDArray[np.int64]]:
    """Teacher (n_trials, n_samples) and outcome (n_trials,) of a session."""
    return session.trials.teachers(session.times), np.asarray(session.trials.outcome)


def compare_rules(
    session: Session, predictor: TwoBankPredictor, protocol: Protocol, *, threads: int = 1
) -> dict[str, Scores]:
    """Let the two-bank rule and its baselines learn from the same session.

    Parameters
    ----------
    session : Session
        What they learn from.
    predictor : TwoBankPredictor
        The two-bank rule with its numbers.
    protocol : Protocol
        Numbers of recursive least squares.
    threads : int
        Baselines that may run at a time; results do not depend on it.

    Returns
    -------
    dict of str to Scores
        ``two banks``; ``FORCE`` (recursive least squares that remembers everything), ``FORCE, reset`` (P
        starts again at each switch), ``RLS, forgetting``; ``single bank`` (the delta rule alone, no split).

    Examples
    --------
    >>> session, protocol = example_session()
    >>> scores = compare_rules(session, TwoBankPredictor(), protocol)
    >>> scores["two banks"].median_error.tolist()
    [0.0, 0.0]
    """
    teacher, outcome = _teach(session)
    target = prediction_targets(teacher, outcome, n_outcomes=session.trials.n_outcomes)
    last = protocol.last_trials
    two = TwoBankPredictor(**(predictor.get_params() | {"n_outcomes": session.trials.n_outcomes}))
    two.fit(session.states, teacher, outcome=outcome, latency=session.trials.latency, times=session.times)
    output = analysis.predicted_outcomes(two.probe_when_, two.probe_what_)
    common: dict[str, Any] = {
        "alpha": protocol.alpha,
        "every": protocol.every,
        "center_tau": predictor.center_tau,
    }
    baselines: dict[str, Any] = {
        "FORCE": RLS(**common),
        "FORCE, reset": RLS(reset_at=session.switches, **common),
        "RLS, forgetting": RLS(forgetting=protocol.forgetting, **common),
        "single bank": Delta(
            predictor.eta_when, normalization=predictor.c_when, center_tau=predictor.center_tau
        ),
    }
    with ThreadPoolExecutor(threads) as pool:
        fits = [pool.submit(model.fit, session.states, target) for model in baselines.values()]
        probes = [fit.result().probe_ for fit in fits]
    scores = {"two banks": _score(session, output, two.probe_what_, last)}
    for name, probe in zip(baselines, probes, strict=True):
        scores[name] = _score(session, probe, analysis.outcome_share(probe), last)
    return scores


def latency_sweep(session: Session, predictor: TwoBankPredictor, protocol: Protocol) -> Floats:
    """Median absolute timing error at each latency of the protocol, every outcome certain.

    Parameters
    ----------
    session : Session
        Its first trials are relabeled: the network never saw the outcomes.
    predictor : TwoBankPredictor
    protocol : Protocol

    Returns
    -------
    ndarray, (n_latencies,), s

    Examples
    --------
    >>> session, protocol = example_session()
    >>> latency_sweep(session, TwoBankPredictor(), protocol).tolist()
    [0.0, 0.0]
    """
    n, scored = protocol.sweep_trials, protocol.scored_trials
    outcome, errors = np.zeros(n, dtype=np.int64), []
    for latency in protocol.latencies:
        times = np.full(n, float(latency))
        model = _fit(session, predictor, times, outcome, n_outcomes=1)
        error = analysis.timing_error(model.probe_when_, times, times=session.times)
        errors.append(np.median(np.abs(error[-scored:])))
    return np.array(errors)


def _fit(
    session: Session,
    predictor: TwoBankPredictor,
    latency: Floats,
    outcome: NDArray[np.int64],
    *,
    n_outcomes: int,
    gate: Floats | None = None,
) -> TwoBankPredictor:
    """The two-bank rule on the first trials of a session, with latencies and outcomes of another choice."""
    model = TwoBankPredictor(**(predictor.get_params() | {"n_outcomes": n_outcomes}))
    shown = np.where(outcome >= 0, latency, np.nan)
    teacher = analysis.gaussian_pulse(
        session.times, shown, width=f"{float(session.trials.teacher_width)!r} s"
    )
    return model.fit(
        session.states[: latency.size],
        teacher,
        outcome=outcome,
        latency=latency,
        gate=gate,
        times=session.times,
    )


def _closed_gate(session: Session, predictor: TwoBankPredictor, protocol: Protocol) -> float:
    """Median timing error, s, if the attention gate of "when" never opens."""
    n = protocol.sweep_trials
    latency, closed = np.full(n, float(protocol.sweep_latency)), np.zeros(session.times.size)
    model = _fit(session, predictor, latency, np.zeros(n, dtype=np.int64), n_outcomes=1, gate=closed)
    error = analysis.timing_error(model.probe_when_, latency, times=session.times)
    return float(np.median(np.abs(error[-protocol.scored_trials :])))


def _draw(session: Session, p: float, n: int, name: str) -> NDArray[np.int64]:
    """Outcomes 0 with probability p, else 1; independent draws."""
    return (rng.stream(session.seed, f"protocol/{name}").random(n) >= p).astype(np.int64)


def probability_sweep(
    session: Session, predictor: TwoBankPredictor, protocol: Protocol
) -> tuple[Floats, Floats]:
    """Amplitude of the prediction of the first outcome at each probability of the protocol.

    Parameters
    ----------
    session : Session
        Its first trials are relabeled.
    predictor : TwoBankPredictor
    protocol : Protocol

    Returns
    -------
    amplitude : ndarray, (n_probabilities,)
        Mean over the scored trials.
    realized : ndarray, (n_probabilities,)
        Frequency of the outcome in the same trials, which independent draws miss the probability by.

    Examples
    --------
    >>> session, protocol = example_session()
    >>> amplitude, realized = probability_sweep(session, TwoBankPredictor(), protocol)
    >>> bool(amplitude[0] < 0.1 < 0.7 < amplitude[-1])
    True
    """
    n, scored = protocol.sweep_trials, protocol.scored_trials
    latency = np.full(n, float(protocol.sweep_latency))
    amplitude, realized = [], []
    for p in protocol.probabilities:
        outcome = _draw(session, p, n, f"probability/{p}")
        model = _fit(session, predictor, latency, outcome, n_outcomes=2)
        output = analysis.predicted_outcomes(model.probe_when_[-scored:], model.probe_what_[-scored:])
        amplitude.append(analysis.prediction_amplitude(output)[:, 0].mean())
        realized.append(np.mean(outcome[-scored:] == 0))
    return np.array(amplitude), np.array(realized)


def omission_run(
    session: Session, predictor: TwoBankPredictor, protocol: Protocol, *, p: float
) -> dict[str, Floats]:
    """Withhold the outcome for some trials, then show it again.

    Parameters
    ----------
    session : Session
        Its first trials are relabeled.
    predictor : TwoBankPredictor
    protocol : Protocol
    p : float
        Probability of the first outcome in the other trials.

    Returns
    -------
    dict of str to ndarray, (n_trials,)
        ``when``: largest z of the probe; ``what``: q of the first outcome; ``delta``: error of "when" at the
        latency, negative where an expected outcome does not come.

    Examples
    --------
    >>> session, protocol = example_session()
    >>> run = omission_run(session, TwoBankPredictor(), protocol, p=1.0)
    >>> bool(run["delta"][20] < -0.5 and run["when"][27] < run["when"][20])
    True
    """
    before, without, after = protocol.omission
    n = before + without + after
    outcome = _draw(session, p, n, "omission")
    outcome[before : before + without] = -1
    latency = np.full(n, float(protocol.sweep_latency))
    model = _fit(session, predictor, latency, outcome, n_outcomes=2)
    at = int(np.argmin(np.abs(session.times - protocol.sweep_latency)))
    return {
        "when": model.probe_when_.max(axis=1),
        "what": model.probe_what_[:, 0],
        "delta": (outcome >= 0) - model.online_when_[:, at],
    }


def weight_angles(session: Session, predictor: TwoBankPredictor, protocol: Protocol) -> dict[str, Any]:
    """Angles of the weights of "when" and "what" for each eligibility, beside what chance gives.

    Parameters
    ----------
    session : Session
    predictor : TwoBankPredictor
    protocol : Protocol

    Returns
    -------
    dict
        For each eligibility: ``history`` (n_trials,), degrees; ``final``, degrees; ``correlation`` of the
        outputs, over all samples and ``late``, without the response to the cue; ``collinearity`` of the rows
        of V; ``probability_trials`` (n_blocks,). Under ``nulls`` the bands (5, 50, 95 %) ``isotropic`` and
        ``covariance-matched``; under ``participation ratio`` that of all samples and of the late ones.

    Examples
    --------
    >>> session, protocol = example_session()
    >>> angles = weight_angles(session, TwoBankPredictor(), protocol)
    >>> 0 < angles["cue"]["final"] < 90, sorted(angles["nulls"])
    (True, ['covariance-matched', 'isotropic'])
    """
    trials, times = session.trials, session.times
    teacher, outcome = _teach(session)
    sample = session.states[protocol.settled_trials :: 5].astype(np.float64)
    everything = analysis.covariance(sample)
    late = analysis.covariance(sample[:, times >= protocol.exclude - 1e-9])
    found: dict[str, Any] = {}
    for kind in ("cue", "post", "trace", "event"):
        options: dict[str, Any] = {"eligibility": kind, "keep_weights": True, "n_outcomes": trials.n_outcomes}
        model = TwoBankPredictor(**(predictor.get_params() | options))
        model.fit(session.states, teacher, outcome=outcome, latency=trials.latency, times=times)
        when, what = model.when_coef_, model.what_coef_
        size = analysis.trials_to_criterion(
            model.probe_what_[:, 0],
            block=trials.block,
            kind="probability",
            target=trials.probabilities[:, 0],
            n_resamples=2,
        )
        rows = what / np.linalg.norm(what, axis=1, keepdims=True)
        found[kind] = {
            "history": analysis.angle_history(model.when_weights_, model.what_weights_).values,
            "final": float(analysis.principal_angles(when, what)[0]),
            "correlation": float(analysis.signal_correlation(when, what, cov=everything)[0, 0]),
            "late": float(analysis.signal_correlation(when, what, cov=late)[0, 0]),
            "collinearity": float(rows[0] @ rows[-1]),
            "probability_trials": size["trials"].values[0],
        }
    draw = {"n_a": 1, "n_b": trials.n_outcomes, "n_null": protocol.n_null, "seed": session.seed}
    nulls = {
        "isotropic": analysis.angle_null("isotropic", n_units=session.states.shape[2], **draw),
        "covariance-matched": analysis.angle_null("matched", cov=everything, **draw),
    }
    found["nulls"] = {name: np.percentile(values, [5, 50, 95]) for name, values in nulls.items()}
    found["participation ratio"] = tuple(
        float(np.trace(matrix) ** 2 / np.sum(matrix**2)) for matrix in (everything, late)
    )
    return found


def _modulators(session: Session, predictor: TwoBankPredictor, trials: slice) -> dict[str, Floats]:
    """Size of both modulators over the phase of a trial and the interval after it, (n_trials, n_times)."""
    teacher, outcome = _teach(session)
    options = {"n_outcomes": session.trials.n_outcomes}
    model = TwoBankPredictor(**(predictor.get_params() | options))
    model.fit(session.states, teacher, outcome=outcome, latency=session.trials.latency, times=session.times)
    when = model.modulator_when_[trials]
    what = np.abs(model.modulator_what_[trials]).mean(axis=1)
    period = session.times[1] - session.times[0]
    rest = session.times.size // 4
    silent = np.zeros((when.shape[0], rest))
    return {
        "time": np.arange(session.times.size + rest) * period,
        "when": np.concatenate([when, silent], axis=1),
        "what": np.concatenate([np.zeros_like(when), silent + what[:, None]], axis=1),
    }


def measure_session(
    network: Network,
    protocol: Protocol,
    *,
    seed: int,
    threads: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Simulate one session and measure everything that can be learned from it.

    Parameters
    ----------
    network : Network
        With a what/when task, and one read-out with the two-bank rule.
    protocol : Protocol
    seed : int
    threads : int
        Baselines that may learn at a time.
    progress : callable, optional
        Called as ``progress(done, total, label)``.

    Returns
    -------
    dict
        ``rules``, ``latencies``, ``amplitude``, ``realized``, ``omission``, ``angles``, ``modulators``,
        ``closed gate`` (median timing error without learning, s),
        ``states`` (2, n_samples, n_units; means of the even and the odd trials), ``targets``, ``times``,
        ``switches``, ``blocks``.

    Examples
    --------
    >>> from arcuate.models import load_model
    >>> callable(measure_session) and load_model("what_when_reservoir").task["kind"]
    'what_when'
    """

    def say(share: float, label: str) -> None:
        if progress is not None:
            progress(share, 1.0, label)

    predictor = predictor_of(network)
    session = record_session(network, seed=seed, progress=lambda d, t, label: say(0.1 + 0.3 * d / t, label))
    say(0.4, "learning")
    rules = compare_rules(session, predictor, protocol, threads=threads)
    say(0.85, "sweeps")
    amplitude, realized = probability_sweep(session, predictor, protocol)
    trials = session.trials
    first = [0, *session.switches]
    pulse = trials.teachers(session.times)[first]
    after = session.switches[0] if session.switches else 0
    result = {
        "rules": rules,
        "latencies": latency_sweep(session, predictor, protocol),
        "amplitude": amplitude,
        "realized": realized,
        "omission": omission_run(session, predictor, protocol, p=float(trials.probabilities[0, 0])),
        "angles": weight_angles(session, predictor, protocol),
        "closed gate": _closed_gate(session, predictor, protocol),
        "modulators": _modulators(session, predictor, slice(after, after + 10)),
        "states": np.array([session.states[k::2].mean(axis=0, dtype=np.float64) for k in (0, 1)]),
        "targets": pulse[:, :, None] * trials.probabilities[first][:, None, :],
        "times": session.times,
        "switches": session.switches,
        "blocks": [f"{trials.latency[k] * 1e3:.0f} ms, p = {trials.probabilities[k, 0]:.1f}" for k in first],
    }
    say(1.0, "done")
    return result


def example_session() -> tuple[Session, Protocol]:
    """A session of units that fire each at its own time, and a short protocol, for the examples.

    Returns
    -------
    tuple of Session and Protocol

    Examples
    --------
    >>> example_session()[0].states.shape
    (80, 120, 40)
    """
    from arcuate.tasks import Block, WhatWhen

    blocks = [
        Block(n_trials=40, latency=latency, probabilities=[p, 1 - p])
        for latency, p in (("400 ms", 0.8), ("700 ms", 0.2))
    ]
    trials = WhatWhen(blocks=blocks).trials("1 ms", seed=1)
    times: Any = np.arange(120) * 0.01
    code = analysis.gaussian_pulse(times, np.linspace(0, 1.2, 40)).T
    noise = rng.stream(1, "example").standard_normal((80, 120, 40))
    states = (4.0 * code + 0.02 * noise).astype(np.float32)
    protocol = Protocol(
        latencies=(0.3, 0.9),
        probabilities=(0.0, 0.5, 1.0),
        sweep_latency=0.5,
        sweep_trials=60,
        scored_trials=20,
        last_trials=20,
        omission=(20, 10, 10),
        alpha=1.0,
        forgetting=0.999,
        every=2,
        decoded=(0.3, 0.7),
        ridge_alpha=1.0,
        settled_trials=10,
        exclude=0.15,
        n_null=50,
    )
    return Session(states=states, times=times, trials=trials, seed=1), protocol
