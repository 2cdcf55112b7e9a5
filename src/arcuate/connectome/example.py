"""A small data set to try things on: six simulated worms, with a stimulus, missing neurons and the truth."""

from __future__ import annotations

from typing import Any

import numpy as np

from arcuate.connectome.simulated import SharedEvents, SimulatedTraces
from arcuate.connectome.traces import QUANTITY, SITE
from arcuate.recording import Recording

__all__ = ["example_worms"]

CLASSES = (
    "ADA", "ADF", "ADL", "AFD", "AIA", "AIB", "AIM", "AIN", "AIY", "AIZ", "ASE", "ASG", "ASH", "ASI", "ASJ",
    "ASK", "AVA", "AVB", "AVE", "AWA", "AWB", "AWC", "BAG", "OLL", "OLQ", "RIA", "RIB", "RIM", "RMD", "URX",
)  # fmt: skip
"""Names of neuron classes of C. elegans; nothing else here is theirs."""

STIMULUS = ((40.0, 60.0), (110.0, 130.0), (180.0, 200.0))
"""When the stimulus was on, s."""


def example_worms(seed: int = 7) -> Recording:
    """Draw six simulated worms in which four groups of neurons act together, one while a stimulus is on.

    Parameters
    ----------
    seed : int
        Seed of everything that is drawn; the data set ``worms`` has 7.

    Returns
    -------
    Recording
        Traces of 30 neurons for 240 s at 4 Hz, in peaks of a transient, some neurons missing in some worms;
        the stimulus as events; in the outcome the truth: ``communities``, ``active`` (first and last time of
        every bout, s) and ``animals`` in which each is active.

    Notes
    -----
    Simulated by `SharedEvents`. Names are those of neuron classes, so that pictures look as with real data;
    what the neurons do here has nothing to do with what they do in an animal.

    Examples
    --------
    >>> worms = example_worms()
    >>> worms.states("traces").sizes["unit"], worms.events["time"].values.tolist()
    (30, [40.0, 110.0, 180.0])
    """
    model = SharedEvents(
        n_neurons=len(CLASSES),
        n_animals=6,
        n_communities=4,
        size=8,
        stimulus=STIMULUS,
        noise=0.1,
        missing=0.08,
    )
    drawn = model.draw(seed)
    times = drawn.traces["time"].values
    names = np.array(CLASSES)
    animals = np.array([f"worm{index + 1}" for index in range(model.n_animals)])
    coords = {"time": times, "animal": ("trial", animals), "neuron": ("unit", names)}
    values = drawn.traces.values.swapaxes(1, 2).astype(np.float32)
    return Recording.build(
        source="arcuate.connectome.example_worms",
        seed=seed,
        states={SITE: {QUANTITY: (values, ("trial", "time", "unit"), coords, "peak of a transient")}},
        events={
            "stimulus": ["NaCl"] * len(STIMULUS),
            "time": [start for start, _ in STIMULUS],
            "duration": [stop - start for start, stop in STIMULUS],
        },
        outcome={"status": "ok", **_truth(drawn, names, animals)},
        dt=1.0 / model.rate_hz,
        duration=times.size / model.rate_hz,
    )


def _truth(drawn: SimulatedTraces, names: Any, animals: Any) -> dict[str, Any]:
    """Who belongs together, when, and in which animals."""
    times = drawn.traces["time"].values
    active = []
    for row in drawn.active:
        edges = np.flatnonzero(np.diff(np.concatenate(([False], row, [False])).astype(np.int8)))
        active.append([[float(times[a]), float(times[b - 1])] for a, b in edges.reshape(-1, 2)])
    return {
        "communities": [names[row].tolist() for row in drawn.members],
        "active": active,
        "animals": [animals[row].tolist() for row in drawn.present],
    }
