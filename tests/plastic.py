"""Networks with plastic synapses that several tests share."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import arcuate as arc
from arcuate.errors import ArcuateWarning

RULES = {
    "pair": arc.stdp("0.1 fA", "0.12 fA"),
    "triplet": arc.triplet_stdp("0.01 fA", "0.06 fA", a2_minus="0.02 fA", a3_minus="0.03 fA"),
    "inhibitory": arc.inhibitory_stdp("0.01 fA", "10 Hz"),
    "hard": arc.stdp("0.3 fA", "0 fA", w_min="0 fA", w_max="2 fA"),
    "soft": arc.stdp("0.3 fA", "0 fA", w_min="0 fA", w_max="2 fA", bounds="soft"),
    "l1": arc.stdp("0.05 fA", "0.02 fA", w_min="0 fA", normalize="l1", every="10 ms"),
    "l2": arc.stdp("0.05 fA", "0.02 fA", w_min="0 fA", normalize="l2", every="10 ms"),
}
"""Rules without a third factor, side by side on the same spikes."""


def relay(
    pre: Sequence[Sequence[int]],
    post: Sequence[Sequence[int]],
    *,
    n_steps: int,
    rules: Mapping[str, arc.Plasticity] = RULES,
    delay: str = "0 ms",
    weight: Any = "1 fA",
    **parts: Any,
) -> tuple[arc.Network, dict[str, np.ndarray]]:
    """Cells that fire exactly at the given steps of 1 ms, all to all, once for each rule.

    Returns the network and its inputs. A spike sent to a relay makes it fire one step later.
    """
    inputs = {}
    for name, given in (("to_pre", pre), ("to_post", post)):
        inputs[name] = np.zeros((n_steps, len(given)))
        for k, train in enumerate(given):
            inputs[name][np.asarray(train, int) - 1, k] = 1.0
    cell = arc.lif(t_ref="0 ms")
    network = arc.Network(
        name="relay",
        dt="1 ms",
        populations=[
            arc.Population(name="pre", n=len(pre), neuron=cell),
            arc.Population(name="post", n=len(post), neuron=cell),
        ],
        projections=[
            arc.Projection(
                name=name, pre="pre", post="post", connectivity=arc.Dense(), plasticity=rule, weight=weight,
                synapse=arc.exponential("2 ms"), delay=delay,
            )
            for name, rule in rules.items()
        ],
        inputs=[
            arc.Input(
                name=f"to_{name}", target=name, kind="spikes", n_channels=n,
                weight=arc.spec.Values(np.eye(n), "V"),
            )
            for name, n in (("pre", len(pre)), ("post", len(post)))
        ],
        **parts,
    )  # fmt: skip
    return network, inputs


def final(network: arc.Network, inputs: dict[str, Any], n_steps: int, **more: Any) -> dict[str, np.ndarray]:
    """State after a run of so many steps, on the Numba engine; weights as (n_pre, n_post) in fA."""
    simulation = arc.Simulation(network, f"{n_steps} ms", seed=1, inputs=inputs, **more)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ArcuateWarning)  # weights at their bounds are meant to be
        simulation.advance()
    state = simulation.state
    for name in network.projections:
        shape = (network.populations["pre"].n, network.populations["post"].n)
        state[name] = state[f"{name}/weight"].reshape(shape) / 1e-15
    return state


def trains(n: int, rate: float, n_steps: int, seed: int) -> list[list[int]]:
    """Random spike trains at a rate per step; never in neighboring steps, which a relay would miss."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        steps = np.flatnonzero(rng.random(n_steps) < rate)
        steps = steps[(steps > 0) & (np.diff(steps, prepend=-2) > 1)]
        found.append([int(step) for step in steps])
    return found


def mixed(method: str | None = "event_driven", **parts: Any) -> arc.Network:
    """Two populations under Dale's law whose three projections learn by three rules, delays included."""
    reward = arc.stdp(0.1, 0.12, modulator="dopamine", tau_e="1 s", w_max=4.0, method=method)
    soft = arc.stdp(0.01, 0.012, w_min=0.0, w_max=2.0, bounds="soft", normalize="l1", every="50 ms")
    return arc.Network(
        name="mixed",
        dt="1 ms",
        populations=[
            arc.Population(
                name="exc", n=40, sign="excitatory", bias=arc.Normal(5, 1), noise=arc.Noise(sigma=3),
                neuron=arc.izh2003(),
            ),
            arc.Population(
                name="inh", n=10, sign="inhibitory", bias=arc.Normal(4, 1), noise=arc.Noise(sigma=2),
                neuron=arc.izh2003(a=0.1, d=2.0),
            ),
        ],
        projections=[
            arc.Projection(
                pre="exc", post="exc", connectivity=arc.Sparse(0.5), weight=1.0, synapse=arc.delta(),
                delay="1 ms", plasticity=parts.pop("reward", reward),
            ),
            arc.Projection(
                pre="exc", post="inh", connectivity=arc.Sparse(0.5), weight=arc.Uniform(0.5, 1.5),
                synapse=arc.exponential("5 ms"), delay=arc.Uniform("0 ms", "5 ms"),
                plasticity=parts.pop("soft", soft),
            ),
            arc.Projection(
                pre="inh", post="exc", connectivity=arc.Sparse(0.5), weight=-1.0,
                synapse=arc.exponential("3 ms"), plasticity=arc.inhibitory_stdp(0.01, "10 Hz"),
            ),
        ],
        modulators=parts.pop("modulators", [arc.Modulator(name="dopamine", tau="200 ms", baseline=-0.1)]),
        record=arc.Record(weights={"exc->exc": "300 ms", "inh->exc": ["500 ms"]}),
        **parts,
    )  # fmt: skip


def pulses(n_steps: int, every: int = 70, size: float = 0.5) -> dict[str, np.ndarray]:
    """Dopamine that comes every so many steps."""
    values = np.zeros(n_steps)
    values[::every] = size
    return {"dopamine": values}
