"""Small networks that several tests share."""

from __future__ import annotations

from typing import Any

import arcuate as arc


def reservoir(**changes: Any) -> arc.Network:
    """A what/when reservoir of 60 neurons and a few trials, with every feature that learning needs."""
    network = arc.Network(
        name="small",
        dt="0.5 ms",
        populations=[
            arc.Population(
                name="exc",
                n=48,
                sign="excitatory",
                latents={"rho": arc.Uniform(0, 1)},
                bias=arc.Normal(6, 1),
                noise=arc.Noise(sigma=0.2),
                neuron=arc.izh2003(
                    method="legacy2003", a=arc.LogUniform(0.0005, 0.02), c="-65 + 15*rho**2", d="8 - 6*rho**2"
                ),
            ),
            arc.Population(
                name="inh",
                n=12,
                sign="inhibitory",
                latents={"rho": arc.Uniform(0, 1)},
                bias=arc.Normal(6, 1),
                neuron=arc.izh2003(method="legacy2003", a="0.02 + 0.08*rho", b="0.25 - 0.05*rho", d=2.0),
            ),
        ],
        projections=[
            arc.Projection(
                pre=pre,
                post=post,
                connectivity=arc.Sparse(0.2),
                latents={"xi": arc.Normal(0, 1)},
                weight="0.4*abs(xi)" if pre == "exc" else "-1.6*abs(xi)",
                synapse=arc.exponential("50 ms" if pre == "exc" else "10 ms"),
                delay="1.5 ms" if pre == "exc" else "0 ms",
            )
            for pre in ("exc", "inh")
            for post in ("exc", "inh")
        ],
        inputs=[arc.Input(name="cue", target=["exc", "inh"], weight=arc.Uniform(0, 30))],
        readouts=[
            arc.Readout(
                name="prediction",
                source=["exc", "inh"],
                n_outputs=2,
                filter=arc.Filter(model="two_stage"),
                center=arc.Center(tau_trials=50),
                rule=arc.TwoBank(),
            )
        ],
        task={
            "kind": "what_when",
            "window": "600 ms",
            "blocks": [{"n_trials": 6, "latency": "400 ms", "probabilities": [0.7, 0.3]}],
        },
        record=arc.Record(states={"exc": ["v", "u"]}, readouts=("z", "features", "weights"), every="5 ms"),
    )
    return network.replace(changes) if changes else network


def lif_pair(delay: str = "0 ms", **neuron: Any) -> arc.Network:
    """One LIF neuron that fires and one that only listens, through an exponential synapse."""
    return arc.Network(
        name="pair",
        dt="0.1 ms",
        populations=[
            arc.Population(name="pre", n=1, neuron=arc.lif(**neuron), bias="0.5 nA"),
            arc.Population(name="post", n=1, neuron=arc.lif(**neuron)),
        ],
        projections=[
            arc.Projection(
                pre="pre",
                post="post",
                connectivity=arc.Dense(),
                weight="0.1 nA",
                delay=delay,
                synapse=arc.exponential("5 ms"),
            )
        ],
        record=arc.Record(states={"post": ["v"]}, every="0.1 ms"),
    )
