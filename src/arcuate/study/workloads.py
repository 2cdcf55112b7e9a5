"""What speed is measured on: networks as specifications, and who is measured beside them for how long."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from arcuate.errors import unknown
from arcuate.models import load_model
from arcuate.spec import (
    Delta,
    Feedback,
    Filter,
    FixedInDegree,
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

__all__ = [
    "GAINS",
    "WORKLOADS",
    "Workload",
    "learning_reservoir",
    "many_reservoirs",
    "reservoir",
    "select_workloads",
    "sines",
]

GAINS = tuple(float(gain) for gain in np.linspace(0.2, 1.5, 64))
"""Of the networks of W4."""


def reservoir(n: int = 4000, *, in_degree: int | None = None, gain: float = 1.0) -> Network:
    """W2 and W5: a reservoir of Izhikevich neurons that nothing is read from.

    Parameters
    ----------
    n : int
        Neurons; a fifth of the cells is fast.
    in_degree : int, optional
        Synapses of each neuron; by default one in ten pairs is connected.
    gain : float
        Factor on every weight.

    Returns
    -------
    Network

    Examples
    --------
    >>> reservoir(200, in_degree=10).projections["reservoir->reservoir"].connectivity.k
    10
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
    sparse = Sparse(0.1, allow_self=True) if in_degree is None else FixedInDegree(in_degree, allow_self=True)
    degree = "p*n_pre" if in_degree is None else "k"
    recurrent = Projection(
        pre="reservoir",
        post="reservoir",
        connectivity=sparse,
        latents={"xi": Normal(0, 1)},
        weight=f"{8.0 * gain!r}*xi/sqrt({degree})",
        synapse=exponential("10 ms"),
    )
    return Network(
        name="reservoir",
        dt="0.1 ms",
        populations=[cells],
        projections=[recurrent],
        record=Record(readouts=()),
    )


def learning_reservoir(n: int = 1000, *, gain: float = 1.0) -> Network:
    """W1: a reservoir with two read-outs that are fed back and learn at every step.

    Parameters
    ----------
    n : int
        Neurons; a fifth of the cells is fast, and one in ten pairs is connected.
    gain : float
        Factor on every recurrent weight.

    Returns
    -------
    Network

    Examples
    --------
    >>> learning_reservoir(200).populations["reservoir"].n
    200
    """
    silent = reservoir(n, gain=gain)
    readout = Readout(
        name="out",
        source="reservoir",
        n_outputs=2,
        filter=Filter(model="exponential", parameters={"tau": "20 ms"}),
        period="0.1 ms",
        feedback=Feedback(target="reservoir", scale=Uniform(-2, 2)),
        rule=Delta(learning_rate=1e-5),
    )
    return silent.replace(name="learning_reservoir", readouts=[readout])


def many_reservoirs(n: int = 500) -> list[Network]:
    """W4: the reservoir of W1 with a row of gains, one structure for all.

    Parameters
    ----------
    n : int
        Neurons of each.

    Returns
    -------
    list of Network
        One for each of :data:`GAINS`, from 0.2 to 1.5.

    Examples
    --------
    >>> len(many_reservoirs(20))
    64
    """
    return [learning_reservoir(n, gain=gain) for gain in GAINS]


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


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What is measured, with whom and for how long.

    Parameters
    ----------
    what : str
        A sentence for people.
    kind : {"run", "many", "update", "first"}
        CPU seconds of a run without compilation; of a whole process that runs many networks; of one
        update of a rule; of a whole process up to its first spikes.
    network : callable or None
        Gives the specification; None for an update, which has none.
    seconds : (float, float)
        Model time of a full and of a quick run.
    peers : tuple of (peer, way)
        Who is measured beside it.
    in_quick : bool
        Whether a quick measurement has it unless it is asked for by its whole name.

    Examples
    --------
    >>> WORKLOADS["W1"].kind
    'run'
    """

    what: str
    kind: Literal["run", "many", "update", "first"] = "run"
    network: Callable[[], Network] | None = None
    seconds: tuple[float, float] = (2.0, 0.5)
    peers: tuple[tuple[str, str], ...] = ()
    in_quick: bool = True


_BRIAN = (("brian2", "cpp_standalone"), ("brian2", "cython"))
_NEST = (("nest", "one thread"),)


def _scaling(
    n: int, seconds: tuple[float, float], peers: tuple[tuple[str, str], ...], in_quick: bool = False
) -> Workload:
    return Workload(
        what=f"the reservoir of W2 with {n} neurons and 100 synapses onto each",
        network=partial(reservoir, n, in_degree=100),
        seconds=seconds,
        peers=peers,
        in_quick=in_quick,
    )


#: Workloads by name. A name before a hyphen selects all that begin with it.
WORKLOADS: Mapping[str, Workload] = {
    "W1": Workload(
        what="1000 Izhikevich neurons at a step of 0.1 ms, one pair in ten connected, with two read-outs "
        "that are fed back and learn by the delta rule at every step",
        network=learning_reservoir,
        peers=(*_BRIAN, ("jax", "f64"), ("jax", "f32")),
    ),
    "W2": Workload(
        what="the reservoir of W1 with 4000 neurons and nothing that learns",
        network=reservoir,
        peers=(*_BRIAN, *_NEST, ("jax", "f64")),
    ),
    "W3": Workload(
        what="the published model cuba: 4000 integrate-and-fire neurons with current synapses, one pair in "
        "fifty connected, exact integration",
        network=partial(load_model, "cuba"),
        seconds=(2.0, 1.0),
        peers=(*_BRIAN, *_NEST),
    ),
    "W4": Workload(
        what=f"{len(GAINS)} networks of W1 with 500 neurons each and gains from 0.2 to 1.5, 2 s each; "
        "a whole process, with its start, compilation and every run; cold is with empty caches of compiled "
        "code, warm with those that the cold run left",
        kind="many",
        network=partial(learning_reservoir, 500),
        seconds=(2.0, 2.0),
        peers=_BRIAN,
    ),
    "W5-1e3": _scaling(1_000, (2.0, 1.0), (*_BRIAN, *_NEST)),
    "W5-1e4": _scaling(10_000, (1.0, 0.3), (*_BRIAN, *_NEST)),
    "W5-1e5": _scaling(100_000, (0.3, 0.1), (_BRIAN[0], *_NEST), in_quick=True),
    "W6": Workload(
        what="one update of recursive least squares on 2000 features with two outputs",
        kind="update",
        seconds=(0.064, 0.032),
        peers=(("numpy", "outer product"), ("numpy", "in place"), ("reservoirpy", "RLS node")),
    ),
    "COBAHH": Workload(
        what="the published model cobahh: 4000 Hodgkin-Huxley neurons with conductances, one pair in fifty "
        "connected, exponential Euler",
        network=partial(load_model, "cobahh"),
        seconds=(0.5, 0.1),
        peers=_BRIAN,
    ),
    "first-spike": Workload(
        what="a new process that runs W1 for 20 ms: imports, compilation and all; cold is with an empty "
        "cache of compiled code, warm with the one that the cold run left",
        kind="first",
        network=learning_reservoir,
        seconds=(0.02, 0.02),
        peers=(*_BRIAN, ("jax", "f64")),
    ),
}


def select_workloads(names: Sequence[str], quick: bool = False) -> list[str]:
    """Find workloads by name, or by the part before the hyphen.

    Parameters
    ----------
    names : sequence of str
        Such as ``"W1"``; ``"W5"`` for its three sizes; ``"all"``.
    quick : bool
        Whether it is a quick measurement, which leaves some out of a group.

    Returns
    -------
    list of str
        Keys of :data:`WORKLOADS`, each once, as first asked for.

    Raises
    ------
    UnknownNameError
        With the nearest name.

    Examples
    --------
    >>> select_workloads(["W5", "W1"])
    ['W5-1e3', 'W5-1e4', 'W5-1e5', 'W1']
    """
    found: list[str] = []
    for name in names:
        matches = [key for key in WORKLOADS if name in ("all", key, key.partition("-")[0])]
        if not matches:
            raise unknown("bench", name, [*WORKLOADS, "W5", "all"], kind="workload")
        chosen = [key for key in matches if key == name or WORKLOADS[key].in_quick or not quick]
        found += [key for key in chosen if key not in found]
    return found
