"""The store of a study: what is committed is there, once, and to whom it belongs."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

from arcuate.recording import Recording
from arcuate.study.store import Row, Store, verify

NAME = {"name": "gain", "n": 3}


def key(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def row(number: int, **changes: object) -> Row:
    fields = {"key": key(number), "index": number, "values": {"a.gain": number / 7}, "seed": 1}
    return Row(**{**fields, "metrics": {"rate": number / 3}, **changes})  # type: ignore[arg-type]


def recording(number: int) -> Recording:
    spikes = {"exc": {"time": [0.01, 0.02], "neuron": [number, 1], "n": 500}}
    return Recording.build(source="numba", seed=number, spikes=spikes, duration=0.1)


def fresh(folder: Path) -> Store:
    return Store.open(folder, NAME, fingerprint={"model": "m1"})


def test_what_is_committed_is_read_back(tmp_path: Path) -> None:
    odd = {"nan": math.nan, "inf": -math.inf, "none": None, "flag": True, "text": "ü\ud800", "list": [1, 2.5]}
    with fresh(tmp_path) as store:
        store.commit([row(2, status="failed", reason="no", traceback="here"), row(1, metrics=odd)])
        assert store.done_keys() == {key(1)}
    first, second = Store.read(tmp_path).rows()
    assert (second.status, second.reason, second.traceback, second.metrics) == (
        "failed",
        "no",
        "here",
        {"rate": 2 / 3},
    )
    assert math.isnan(first.metrics.pop("nan"))
    assert first.metrics == {name: value for name, value in odd.items() if name != "nan"}
    assert first.values == {"a.gain": 1 / 7}
    assert Store.read(tmp_path).fingerprints == {first.fingerprint: {"model": "m1"}}
    assert Store.read(tmp_path).description == NAME
    assert verify(tmp_path) == []
