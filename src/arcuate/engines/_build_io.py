"""The plan's inputs, read-outs and recordings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from arcuate import rng
from arcuate.engines.plan import Array, FeaturePlan, InputPlan, PopulationPlan, ReadoutPlan, RecordPlan
from arcuate.errors import SpecError, check_array, unknown
from arcuate.mechanisms.eligibility import eligibility_weights
from arcuate.spec import Distribution, Input, Network, Readout, TwoBank, Values, to_steps
from arcuate.units import to_si


def build_inputs(
    network: Network, seed: int, n_steps: int, *, given: Mapping[str, Any], task: Any
) -> dict[str, InputPlan]:
    """Resolve the inputs: their weights, and their values from the caller or the task.

    Parameters
    ----------
    network : Network
        The specification.
    seed : int
        Seed of the plan.
    n_steps : int
        Length of the run.
    given : mapping of str to array
        Values by input.
    task : Trials or None
        The task's trials.

    Returns
    -------
    dict of str to InputPlan

    Raises
    ------
    SpecError
        If values are missing, too short, of another width or not finite.
    """
    names = [*network.inputs, *(m.name for m in network.modulators.values() if m.readout is None)]
    for name in given:
        if name not in names:
            raise unknown("simulate(inputs=...)", name, names, kind="input")
    sizes = {name: population.n for name, population in network.populations.items()}
    plans = {}
    for drive in network.inputs.values():
        values = _values(drive, given.get(drive.name), n_steps, task)
        factor = (
            to_si(f"1 {drive.unit}", drive.unit, where=drive.name, name="unit") if drive.unit != "1" else 1.0
        )
        weight, row = {}, 0
        for target in drive.target:
            n = sizes[target]
            if isinstance(drive.weight, Values):
                matrix = drive.weight.array[row : row + n].T
            elif isinstance(drive.weight, Distribution):
                matrix = drive.weight.sample(
                    rng.stream(seed, f"{drive.name}/weight/{target}"), (n, drive.n_channels)
                ).T
            else:
                matrix = np.full((drive.n_channels, n), float(drive.weight))
            weight[target], row = np.ascontiguousarray(factor * matrix), row + n
        plans[drive.name] = InputPlan(name=drive.name, kind=drive.kind, values=values, every=1, weight=weight)
    return plans


def _values(drive: Input, given: Any, n_steps: int, task: Any) -> Array:
    where = f"Input {drive.name!r}"
    if given is None:
        if task is None or drive.name not in ("cue", "outcome", *task.cue_names):
            raise SpecError.of(
                where=where,
                name="values",
                value=None,
                bound="must be given, since no task drives this input",
                fix=f'pass inputs={{"{drive.name}": array of shape (n_steps, {drive.n_channels})}}',
            )
        values = task.drive(drive.name).dense(n_steps)
        if values.shape[1] != drive.n_channels:
            raise SpecError.of(
                where=where,
                name="n_channels",
                value=drive.n_channels,
                bound=f"must be {values.shape[1]}, as the task has",
            )
        return np.asarray(values)
    if drive.kind == "spikes" and getattr(given, "dtype", None) == np.dtype(bool):
        given = np.asarray(given, dtype=float)
    values = check_rows(given, drive.n_channels, n_steps, where=where)
    if drive.kind == "spikes":
        check_spikes(values, where)
    return values


def check_rows(given: Any, n_channels: int, n_steps: int, *, where: str) -> Array:
    """Read values with one row for each step.

    Parameters
    ----------
    given : array_like, (n_steps, n_channels) or (n_steps,)
        The values.
    n_channels, n_steps : int
        Shape that they must have.
    where : str
        For the message.

    Returns
    -------
    ndarray, (n_steps, n_channels)
        A copy that may be written to.

    Raises
    ------
    SpecError
        If they have another shape or are not finite.
    """
    values = check_array(given, where=where, name="values")
    values.flags.writeable = True  # a copy of our own; kernels know arrays that may be written to
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or values.shape[1] != n_channels:
        raise SpecError.of(
            where=where,
            name="values",
            value=f"an array of shape {np.shape(given)}",
            bound=f"must have shape (n_steps, {n_channels})",
        )
    if values.shape[0] != n_steps:
        short = values.shape[0] < n_steps
        raise SpecError.of(
            where=where,
            name="values",
            value=f"{values.shape[0]} rows",
            bound=f"must have one row for each step of dt, and the run has {n_steps} steps",
            fix="sample it once a step; shorten the run, or pad with zeros"
            if short
            else f"sample it once a step; cut it to the run with values[:{n_steps}]",
        )
    return values


def check_spikes(values: Array, where: str) -> None:
    """A channel of a spike input is silent (0) or fires once (1) in a step.

    Parameters
    ----------
    values : ndarray
        Values of a spike input.
    where : str
        For the message.

    Raises
    ------
    SpecError
        If there is another value.
    """
    bad = np.argwhere((values != 0.0) & (values != 1.0))
    if bad.size:
        step, channel = (int(k) for k in bad[0])
        raise SpecError.of(
            where=where,
            name="values",
            value=float(values[step, channel]),
            bound=f"must be 0 or 1, at most one spike in a step; step {step} of channel {channel} is not",
            fix="give spikes in one step to different channels, or raise the weight",
        )


def build_readouts(
    network: Network,
    seed: int,
    n_steps: int,
    *,
    task: Any,
    targets: Mapping[str, Any],
    gates: Mapping[str, Any],
    add_feature: Callable[[str, Any], FeaturePlan],
) -> dict[str, ReadoutPlan]:
    """Resolve the read-outs: features, weights, schedule and teacher.

    Parameters
    ----------
    network : Network
        The specification.
    seed : int
        Seed of the plan.
    n_steps : int
        Length of the run.
    task : Trials or None
        The task's trials.
    targets, gates : mapping of str to array
        Teachers and gates by read-out; the task's otherwise.
    add_feature : callable
        Gives the feature bank of a population and a filter.

    Returns
    -------
    dict of str to ReadoutPlan

    Raises
    ------
    SpecError
        If a teacher is missing or does not fit.
    """
    for kind, table in (("targets", targets), ("gates", gates)):
        names = [*network.readouts, *(network.modulators if kind == "gates" else ())]
        for name in table:
            if name not in names:
                raise unknown(f"simulate({kind}=...)", name, names, kind="read-out")
    return {
        readout.name: _readout(
            readout,
            network,
            seed,
            n_steps,
            task,
            targets.get(readout.name),
            gates.get(readout.name),
            add_feature,
        )
        for readout in network.readouts.values()
    }


def _readout(
    readout: Readout,
    network: Network,
    seed: int,
    n_steps: int,
    task: Any,
    target: Any,
    gate: Any,
    add_feature: Callable[[str, Any], FeaturePlan],
) -> ReadoutPlan:
    features = [add_feature(name, readout.filter) for name in readout.source]
    n_units = sum(feature.n for feature in features)
    two_bank = isinstance(readout.rule, TwoBank)
    _check_outcomes(readout, task, target)
    n_outputs = readout.n_outputs + (1 if two_bank else 0)
    period = max(1, int(readout.period / network.dt + 0.5))
    if task is not None:
        steps = task.sample_steps(period, window_only=True)
        steps = steps[steps < n_steps]
        trial, phase = task.trial_at(steps), task.phase_at(steps)
    else:
        steps = np.arange(0, n_steps, period, dtype=np.int64)
        trial, phase = np.zeros(steps.size, np.int64), steps * network.dt
    outcome = np.asarray(task.outcome if task is not None else [], dtype=np.int64)
    latency = np.asarray(task.latency if task is not None else [], dtype=float)
    teacher = _teacher(readout, steps, trial, outcome, task, target, 1 if two_bank else n_outputs)
    eligible = np.zeros(steps.size)
    if two_bank:
        eligible = _eligible(readout.rule, phase, latency[trial], outcome[trial], task.teacher_at(steps))
    return ReadoutPlan(
        name=readout.name,
        spec=readout,
        features=tuple(f.name for f in features),
        n_units=n_units,
        n_outputs=n_outputs,
        initial=_initial(readout, seed, n_outputs, n_units),
        feedback=_feedback(readout, network, seed, n_outputs),
        sample_steps=np.ascontiguousarray(steps),
        target=teacher,
        gate=_gate(readout, steps, network, task, gate),
        trial=np.ascontiguousarray(trial, dtype=np.int64),
        phase=phase,
        eligible=eligible,
        outcome=outcome,
        latency=latency,
    )


def _check_outcomes(readout: Readout, task: Any, target: Any) -> None:
    """A read-out that the task teaches has one output for each outcome, or one for all."""
    if task is None or readout.rule is None or target is not None:
        return
    allowed = (task.n_outcomes,) if isinstance(readout.rule, TwoBank) else (1, task.n_outcomes)
    if readout.n_outputs not in allowed:
        raise SpecError.of(
            where=f"Readout {readout.name!r}",
            name="n_outputs",
            value=readout.n_outputs,
            bound=f"must be {' or '.join(map(str, allowed))}, for the {task.n_outcomes} outcomes of the task",
            fix="change it, or the outcomes of the task",
        )


def _teacher(
    readout: Readout, steps: Array, trial: Array, outcome: Array, task: Any, given: Any, n_outputs: int
) -> Array:
    where = f"Readout {readout.name!r}"
    if readout.rule is None:
        if given is not None:
            raise SpecError.of(
                where=where,
                name="target",
                value=given,
                bound="must be left out, since the read-out has no rule to learn by",
                fix="give it one, such as rule=Delta(learning_rate=0.1)",
            )
        return np.empty((0, n_outputs))
    if given is not None:
        values = check_array(given, where=where, name="target")
        values = np.array(values[:, None] if values.ndim == 1 else values, dtype=float, order="C")
        if values.shape != (steps.size, n_outputs):
            raise SpecError.of(
                where=where,
                name="target",
                value=f"an array of shape {np.shape(given)}",
                bound=f"must have one row for each sample: ({steps.size}, {n_outputs})",
                fix=f"samples are {readout.period * 1e3:g} ms apart, from t = 0",
            )
        return values
    if task is None:
        raise SpecError.of(
            where=where,
            name="target",
            value=None,
            bound="must be given, since the rule learns and no task teaches it",
            fix=f'pass targets={{"{readout.name}": array of shape ({steps.size}, {n_outputs})}}',
        )
    curve = task.teacher_at(steps)
    if n_outputs == 1:
        return np.ascontiguousarray(curve[:, None])
    return np.ascontiguousarray(curve[:, None] * (outcome[trial][:, None] == np.arange(n_outputs)))


def _gate(readout: Readout, steps: Array, network: Network, task: Any, given: Any) -> Array:
    active = getattr(readout.rule, "active", None)
    if given is not None and (readout.rule is None or active or isinstance(readout.rule, TwoBank)):
        raise SpecError.of(
            where=f"Readout {readout.name!r}",
            name="gate",
            value=given,
            bound="must be left out, since the read-out has no rule, or its rule has times of its own",
            fix="drop the gate, or the rule's active",
        )
    if active is not None:
        time = steps * network.dt
        return np.asarray(sum(((time >= low) & (time < high)) for low, high in active), dtype=float)
    if isinstance(readout.rule, TwoBank):
        low, high = readout.rule.when_window
        phase = task.phase_at(steps)
        return np.asarray((phase >= low) & (phase < high), dtype=float)
    if given is not None:
        return np.array(
            check_array(given, where=f"Readout {readout.name!r}", name="gate", shape=(steps.size,)),
            dtype=float,
        )
    return np.ones(steps.size) if task is None else np.asarray(task.gate_at(steps), dtype=float)


def _initial(readout: Readout, seed: int, n_outputs: int, n_units: int) -> Array:
    value = readout.initial_weight
    if isinstance(value, Values):
        if value.shape[0] < n_outputs:  # two banks: the "when" bank starts at zero
            return np.concatenate([np.zeros((n_outputs - value.shape[0], n_units)), value.array])
        return np.array(value.array, dtype=float)
    if isinstance(value, Distribution):
        return value.sample(rng.stream(seed, f"{readout.name}/initial_weight"), (n_outputs, n_units))
    return np.full((n_outputs, n_units), float(value))


def _feedback(readout: Readout, network: Network, seed: int, n_outputs: int) -> dict[str, Array]:
    if readout.feedback is None:
        return {}
    target, scale = readout.feedback.target, readout.feedback.scale
    shape = (network.populations[target].n, n_outputs)
    if isinstance(scale, Distribution):
        matrix = scale.sample(rng.stream(seed, f"{readout.name}/feedback"), shape)
    else:
        matrix = np.broadcast_to(np.asarray(scale, dtype=float), shape)
    return {target: np.ascontiguousarray(matrix.T)}


def build_record(
    network: Network, populations: Mapping[str, PopulationPlan], n_steps: int, task: Any
) -> RecordPlan:
    """Resolve what is recorded and when.

    Parameters
    ----------
    network : Network
        The specification.
    populations : mapping of str to PopulationPlan
        Populations of the plan.
    n_steps : int
        Length of the run.
    task : Trials or None
        The task's trials.

    Returns
    -------
    RecordPlan
    """
    record = network.record
    states = [
        (site, variable, np.asarray(record.neurons.get(site, range(populations[site].n)), dtype=np.int64))
        for site, variables in record.states.items()
        for variable in variables
    ]
    every = max(1, int(record.every / network.dt + 0.5))
    steps = np.arange(0, n_steps, every, dtype=np.int64)
    if task is not None and record.epochs == "trials":
        steps = steps[task.gate_at(steps) > 0]
    spikes = (
        record.spikes if isinstance(record.spikes, tuple) else tuple(populations) if record.spikes else ()
    )
    weights = {name: _snapshot_steps(when, network.dt, n_steps) for name, when in record.weights.items()}
    return RecordPlan(
        spikes=spikes, states=tuple(states), steps=steps, readouts=tuple(record.readouts), weights=weights
    )


def _snapshot_steps(when: float | tuple[float, ...], dt: float, n_steps: int) -> Array:
    """Steps before which weights are kept."""
    if isinstance(when, tuple):
        steps = np.unique(np.array([to_steps(time, dt) for time in when], np.int64))
        return steps[steps < n_steps]
    return np.arange(0, n_steps, max(1, to_steps(when, dt)), dtype=np.int64)


def _eligible(rule: TwoBank, phase: Array, latency: Array, outcome: Array, teacher: Array) -> Array:
    """Weight of each sample in the eligibility of its trial."""
    windows = {"cue_window": rule.cue_window, "post_window": rule.post_window, "trace_tau": rule.trace_tau}
    event = np.where(outcome >= 0, latency, np.nan)
    return eligibility_weights(rule.eligibility, phase, latency=event, teacher=teacher, **windows)
