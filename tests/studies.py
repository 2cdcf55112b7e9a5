"""Rows and recordings that tests put into the store of a study."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from arcuate.recording import Recording
from arcuate.study.store import Row, Store

NAME = {"name": "gain", "n": 3}


def key(number: int) -> str:
    """Return the key of a point."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def row(number: int, **changes: Any) -> Row:
    """Return the row of a point."""
    fields: dict[str, Any] = {
        "key": key(number),
        "index": number,
        "values": {"a.gain": number / 7},
        "seed": 1,
        "metrics": {"rate": number / 3},
    }
    return Row(**(fields | changes))


def recording(number: int, n_spikes: int = 2) -> Recording:
    """Return a recording that is different for each point."""
    times = [0.01 + step * 1e-6 for step in range(n_spikes)]
    spikes = {"exc": {"time": times, "neuron": [number] + [1] * (n_spikes - 1), "n": 500}}
    return Recording.build(source="numba", seed=number, spikes=spikes, duration=0.1)


def fresh(folder: Path) -> Store:
    """Open the store of a study in a folder."""
    return Store.open(folder, NAME, fingerprint={"model": "m1"})
