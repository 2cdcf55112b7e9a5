"""Networks on which speed is measured, as specifications."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from arcuate.spec import (
    Delta,
    Feedback,
    Filter,
    Network,
    Normal,
    Population,
    Projection,
    Readout,
    Record,
    Sparse,
    Uniform,
    exponential,
    izh2003,
)

__all__ = ["WORKLOADS", "learning_reservoir", "sines"]


def learning_reservoir(n: int = 1000, *, dt: str = "0.1 ms") -> Network:
    """W1: a reservoir with two read-outs that are fed back and learn at every step.

    Parameters
    ----------
    n : int
        Neurons; a fifth of the cells is fast, and one in ten pairs is connected.
    dt : str
        Time step; also the period of learning.

    Returns
    -------
    Network

    Examples
    --------
    >>> learning_reservoir(200).populations["reservoir"].n
    200
    """
    cells = Population(
        name="reservoir",
        n=n,
        latents={"rho": Uniform(0, 1), "kind": Uniform(0, 1)},
        bias=Normal(4, 1),
        neuron=izh2003(
            method="euler",
            a="where(kind < 0.2, 0.02 + 0.08*rho, 0.02)",
            b="where(kind < 0.2, 0.25 - 0.05*rho, 0.2)",
            c="where(kind < 0.2, -65, -65 + 15*rho**2)",
            d="where(kind < 0.2, 2, 8 - 6*rho**2)",
            initial={"v": Uniform(-70, -50)},
        ),
    )
    recurrent = Projection(
        pre="reservoir",
        post="reservoir",
        connectivity=Sparse(0.1, allow_self=True),
        latents={"xi": Normal(0, 1)},
        weight="8*xi/sqrt(p*n_pre)",
        synapse=exponential("10 ms"),
    )
    readout = Readout(
        name="out",
        source="reservoir",
        n_outputs=2,
        filter=Filter(model="exponential", parameters={"tau": "20 ms"}),
        period=dt,
        feedback=Feedback(target="reservoir", scale=Uniform(-2, 2)),
        rule=Delta(learning_rate=1e-5),
    )
    return Network(
        name="learning_reservoir",
        dt=dt,
        populations=[cells],
        projections=[recurrent],
        readouts=[readout],
        record=Record(readouts=()),
    )


def sines(n_steps: int, dt: float) -> np.ndarray:
    """Teacher of W1: a sine of 2 Hz and a cosine of 3 Hz.

    Parameters
    ----------
    n_steps : int
        Rows.
    dt : float, s
        Time between rows.

    Returns
    -------
    ndarray, (n_steps, 2)

    Examples
    --------
    >>> sines(1, 1e-4).tolist()
    [[0.0, 1.0]]
    """
    t = np.arange(n_steps) * dt
    return np.stack([np.sin(2 * np.pi * 2.0 * t), np.cos(2 * np.pi * 3.0 * t)], axis=1)


WORKLOADS: Mapping[str, Callable[[], Network]] = {"W1": learning_reservoir}
"""Workloads by name."""
