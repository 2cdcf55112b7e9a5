"""From an engine's raw arrays to a Recording."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from arcuate.engines.plan import Array, Plan
from arcuate.engines.result import RawRun
from arcuate.errors import ArcuateWarning

if TYPE_CHECKING:
    from arcuate.recording import Recording

SATURATED = 500.0
"""Mean rate of a population, Hz, above which it is reported as saturated."""


def to_recording(plan: Plan, raw: RawRun, *, source: str) -> Recording:
    """Build the recording of a piece of a run; its arrays are labeled when somebody looks at them.

    Parameters
    ----------
    plan : Plan
        What was run.
    raw : RawRun
        What the engine gave back.
    source : str
        Name of the engine.

    Returns
    -------
    Recording
    """
    from arcuate.recording import Recording
    from arcuate.recording.draft import draft

    spikes = {}
    for name, (neuron, step) in raw.spikes.items():
        spikes[name] = {"time": step * plan.dt, "neuron": neuron, "n": plan.populations[name].n}
        if plan.trials is not None:
            spikes[name]["trial"] = np.searchsorted(plan.trial_start, step, side="right") - 1
    states: dict[str, dict[str, Any]] = {}
    for (site, variable), values in raw.states.items():
        unit = plan.populations[site].model.variables[variable].unit
        neurons = next(n for s, v, n in plan.record.states if (s, v) == (site, variable))
        states.setdefault(site, {})[variable] = _dense(
            plan, raw, raw.state_steps, values, unit=unit, index=neurons
        )
    keep = plan.record.readouts
    for name, readout in plan.readouts.items():
        steps = raw.sample_steps[name]
        if "z" in keep and steps.size:
            labels = np.arange(readout.n_outputs)
            states[f"{name}/output"] = {
                "z": _dense(plan, raw, steps, raw.outputs[name], unit="1", index=labels)
            }
        if "features" in keep and steps.size:
            labels = np.arange(readout.n_units)
            states[f"{name}/features"] = {
                "r": _dense(plan, raw, steps, raw.features[name], unit="1", index=labels)
            }
    seconds = (raw.stop - raw.first) * plan.dt
    made = draft(
        source=source,
        seed=plan.seed,
        spec_json=plan.network.to_json(),
        spec_sha256=plan.network.sha256,
        spikes=spikes,
        states=states,
        weights=_weights(plan, raw),
        events=_events(plan, raw),
        outcome=_outcome(plan, raw, seconds),
        dt=plan.dt,
        start=raw.first * plan.dt,
        duration=seconds,
    )
    return Recording.from_draft(made)


def _dense(
    plan: Plan, raw: RawRun, steps: Array, values: Array, *, unit: str, index: Array
) -> tuple[Array, tuple[str, ...], dict[str, Any], str]:
    """Rows of a whole run of a task, cut into its trials; else one long trial, which pieces join to."""
    if _by_trial(plan, raw, steps) and _even(plan, steps):
        numbers, counts = np.unique(plan.trials.trial_at(steps), return_counts=True)
        phase = steps[: counts[0]] - plan.trial_start[numbers[0]]
        coords: dict[str, Any] = {"time": phase * plan.dt, "unit": index, "trial": numbers}
        coords |= {key: ("trial", column[numbers]) for key, column in plan.trials.coords().items()}
        shape = (numbers.size, counts[0], values.shape[1])
        return values.reshape(shape), ("trial", "time", "unit"), coords, unit
    return values, ("time", "unit"), {"time": steps * plan.dt, "unit": index}, unit


def _by_trial(plan: Plan, raw: RawRun, steps: Array) -> bool:
    """Whether rows are asked for trial by trial: of a whole run of a task."""
    whole = (raw.first, raw.stop) == (0, plan.n_steps)
    return plan.trials is not None and whole and steps.size > 0 and plan.network.record.epochs == "trials"


def _even(plan: Plan, steps: Array) -> bool:
    """Whether steps fall at the same phases of every trial."""
    trial = plan.trials.trial_at(steps)
    counts = np.unique(trial, return_counts=True)[1]
    phase = steps - plan.trial_start[trial]
    return bool((counts == counts[0]).all() and (phase.reshape(-1, counts[0]) == phase[: counts[0]]).all())


def _uneven(plan: Plan, raw: RawRun) -> list[str]:
    """Notes on what could not be cut into trials."""
    rows = {"recorded states": raw.state_steps} if raw.states else {}
    if plan.record.readouts:
        rows |= {f"samples of read-out {name!r}": steps for name, steps in raw.sample_steps.items()}
    return [
        f"{what} are kept as one long trial, since they do not fall at the same phases of every trial: "
        "use a period that divides the task's align, and end the run with a trial"
        for what, steps in rows.items()
        if _by_trial(plan, raw, steps) and not _even(plan, steps)
    ]


def _weights(plan: Plan, raw: RawRun) -> dict[str, dict[str, Any]]:
    """Snapshots of weights of projections and read-outs, the last one taken at the end of the piece."""
    table = {name: _synapses(plan, raw, name) for name in plan.record.weights}
    for name, readout in plan.readouts.items():
        if "weights" not in plan.record.readouts:
            continue
        last = raw.final[f"{name}/weights"][None]
        snapshots = np.concatenate([raw.weights[name], last])
        post, pre = np.divmod(np.arange(readout.n_outputs * readout.n_units), readout.n_units)
        table[name] = {
            "weight": snapshots.reshape(len(snapshots), -1),
            "pre": pre,
            "post": post,
            "time": np.append(raw.weight_steps[name], raw.stop) * plan.dt,
        }
    return table


def _synapses(plan: Plan, raw: RawRun, name: str) -> dict[str, Any]:
    """Snapshots of the weights of a projection."""
    projection, (steps, weights) = plan.projections[name], raw.synapses[name]
    pre, delay = projection.edges()
    last = raw.final.get(f"{name}/weight", projection.weight)[None]
    return {
        "weight": np.concatenate([weights, last]),
        "pre": pre,
        "post": projection.index.astype(np.int64),
        "delay": delay * plan.dt,
        "time": np.append(steps, raw.stop) * plan.dt,
    }


def _events(plan: Plan, raw: RawRun) -> dict[str, Array] | None:
    if plan.trials is None:
        return None
    table = plan.trials.events()
    inside = (table["step"] >= raw.first) & (table["step"] < raw.stop)
    return {key: column[inside] for key, column in table.items()}


def _outcome(plan: Plan, raw: RawRun, seconds: float) -> dict[str, Any]:
    """Status, rates and what a reader should know: silence, saturation, weights at their bounds."""
    rates, notes = {}, []
    for name, (neuron, _) in raw.spikes.items():
        rates[name] = neuron.size / plan.populations[name].n / seconds
        if neuron.size == 0 and seconds >= 0.1:
            notes.append(f"population {name!r} did not fire")
        elif rates[name] > SATURATED:
            notes.append(f"population {name!r} fires at {rates[name]:.0f} Hz, which is more than neurons do")
    for name, readout in plan.readouts.items():
        rule, weights = readout.spec.rule, raw.final[f"{name}/weights"]
        low, high = getattr(rule, "w_min", None), getattr(rule, "w_max", None)
        at_low = weights <= low if low is not None else np.zeros(weights.shape, bool)
        at_high = weights >= high if high is not None else np.zeros(weights.shape, bool)
        if (at_low | at_high).all():
            notes.append(f"every weight of read-out {name!r} is at a bound")
    for name, projection in plan.projections.items():
        rule, weight = projection.plasticity, raw.final.get(f"{name}/weight")
        if rule is not None and weight is not None and weight.size:
            strength = rule.sign * weight
            if ((strength <= rule.low) | (strength >= rule.high)).all():
                notes.append(f"every weight of projection {name!r} is at a bound")
    for note in notes:
        warnings.warn(note, ArcuateWarning, stacklevel=4)
    return {
        "status": "ok",
        "notes": [*plan.network.notes, *_uneven(plan, raw), *notes],
        "rates_hz": rates,
        "wall_s": raw.wall,
        "memory_bytes": sum(plan.memory.values()),
        **raw.facts,
    }
