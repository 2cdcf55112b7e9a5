"""What a trained network gives away: recordings of its trials, and itself as a specification."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from arcuate.learning._settings import Settings

if TYPE_CHECKING:
    from arcuate.learning._trials import Activity
    from arcuate.recording import Recording
    from arcuate.spec import Network

__all__ = ["network", "recording"]

Array = NDArray[Any]

_DIMS = ("trial", "time", "unit")


def recording(
    inputs: Array,
    activity: Activity,
    settings: Settings,
    *,
    signal: Array | None,
    pairs: Array | None,
    seed: int,
) -> Recording:
    """Build a Recording of trials that were run with their states.

    Parameters
    ----------
    inputs : ndarray, (n_trials, n_steps, n_inputs)
        What was shown.
    activity : Activity
        What the network did.
    settings : Settings
    signal : ndarray, (n_trials, n_steps, n_neurons), or None
        Learning signal.
    pairs : ndarray of int, (n_synapses, 2), or None
        Recurrent synapses, (before, after), whose traces are computed.
    seed : int
        Seed of the network.

    Returns
    -------
    Recording
    """
    from arcuate.recording import Recording

    trials, steps, _ = inputs.shape
    coords = {"time": np.arange(steps) * settings.dt}
    neurons = {"v": activity.potential, "threshold": activity.threshold, "psi": activity.psi}
    if signal is not None:
        neurons["learning_signal"] = signal
    states = {
        "eprop/neurons": {name: (data, _DIMS, coords, "1") for name, data in neurons.items()},
        "eprop/output": {"y": (activity.output, _DIMS, coords, "1")},
    }
    if pairs is not None:
        found = _traces(activity, settings, pairs)
        states["eprop/synapses"] = {name: (data, _DIMS, coords, "1") for name, data in found.items()}
    shown: list[tuple[Array, ...]] = [np.nonzero(trial) for trial in inputs]
    fired: list[tuple[Array, ...]] = [activity.spikes(trial) for trial in range(trials)]
    return Recording.build(
        source="arcuate.learning.EProp",
        seed=seed,
        spikes={
            "inputs": _spikes(shown, settings.dt, settings.n_inputs),
            "neurons": _spikes(fired, settings.dt, settings.n_neurons),
        },
        states=states,
        outcome={"status": "ok"},
        dt=settings.dt,
        duration=steps * settings.dt,
    )


def network(model: Any, settings: Settings) -> Network:
    """Build the specification of a trained network.

    Parameters
    ----------
    model : EProp
        The estimator, with its weights.
    settings : Settings
        Its parameters.

    Returns
    -------
    Network
    """
    from arcuate import spec

    dt = f"{settings.dt!r} s"
    cells = spec.alif(
        tau_m=model.tau_m,
        tau_a=model.tau_a,
        beta=settings.beta,
        v_thresh=settings.v_thresh,
        t_ref=model.t_ref,
    )
    before, after = np.nonzero(model.w_rec_.T)
    recurrent = []
    if before.size:
        recurrent.append(
            spec.Projection(
                pre="neurons",
                post="neurons",
                connectivity=spec.Edges(before, after, allow_self=False),
                weight=settings.gain * model.w_rec_[after, before],
                synapse=spec.pulse(),
            )
        )
    inputs = spec.Input(
        name="inputs",
        target="neurons",
        n_channels=settings.n_inputs,
        kind="spikes",
        weight=settings.gain * model.w_in_,
        synapse=spec.pulse(),
    )
    output = spec.Readout(
        name="output",
        source="neurons",
        n_outputs=settings.n_outputs,
        filter=spec.Filter(model="exponential", parameters={"tau": model.tau_out}),
        period=dt,
        initial_weight=(1.0 - settings.kappa) * model.w_out_,
    )
    return spec.Network(
        name="eprop",
        dt=dt,
        populations=[spec.Population(name="neurons", n=settings.n_neurons, neuron=cells)],
        projections=recurrent,
        inputs=[inputs],
        readouts=[output],
        description="Network trained by e-prop.",
    )


def _spikes(trials: list[tuple[Array, ...]], dt: float, n: int) -> dict[str, Any]:
    return {
        "time": np.concatenate([step for step, _ in trials]) * dt,
        "neuron": np.concatenate([index for _, index in trials]),
        "trial": np.repeat(np.arange(len(trials)), [step.size for step, _ in trials]),
        "n": n,
    }


def _traces(activity: Activity, settings: Settings, pairs: Array) -> dict[str, Array]:
    """Eligibility traces of recurrent synapses, in the form in which they arise."""
    from arcuate.learning._kernels import traces

    trials, steps, n = activity.psi.shape
    before, after = pairs.T
    found = {name: np.empty((trials, steps, len(pairs))) for name in _TRACES}
    for trial in range(trials):
        arrived = np.zeros((steps, n))
        step, neuron = activity.spikes(trial)
        late = step + 1 < steps
        arrived[step[late] + 1, neuron[late]] = settings.gain
        traces(
            np.ascontiguousarray(arrived[:, before]),
            np.ascontiguousarray(activity.psi[trial][:, after]),
            np.ascontiguousarray(settings.beta[after]),
            *(settings.alpha, settings.rho, settings.kappa),
            *(found[name][trial] for name in _TRACES),
        )
    return found


_TRACES = ("eps_v", "eps_a", "eligibility", "filtered")
