"""Predicted memory against the measured peak, and refusals that come at once."""

from __future__ import annotations

import gc
import time
import tracemalloc
from typing import Any

import numpy as np
import pytest

import arcuate as arc
from arcuate.engines.memory import check_memory, estimate_memory
from arcuate.errors import MemoryLimitError

QUIET = arc.Record(spikes=False, readouts=())


def cells(n: int, **options: Any) -> arc.Network:
    """One population, with whatever else the network has."""
    own = {key: options.pop(key) for key in ("neuron", "bias", "noise") if key in options}
    population = arc.Population(**{"name": "exc", "n": n, "neuron": arc.izh2003(), **own})
    return arc.Network(
        **{"name": "net", "dt": "0.5 ms", "populations": [population], "record": QUIET, **options}
    )


def linked(n: int, connectivity: Any, **options: Any) -> arc.Network:
    whole = {key: options.pop(key) for key in ("modulators", "record") if key in options}
    given = {"pre": "exc", "post": "exc", "connectivity": connectivity, "weight": 0.01, **options}
    return cells(n, projections=[arc.Projection(**given)], **whole)


def read(n: int, *, record: arc.Record = QUIET, **options: Any) -> arc.Network:
    readout = arc.Readout(name="out", source="exc", n_outputs=2, **options)
    return cells(n, bias=4.0, readouts=[readout], record=record)


FACTOR = arc.Normal(0, 0.01)
SPECS: dict[str, tuple[arc.Network, str]] = {
    "recorded states": (
        cells(500, bias=4.0, record=arc.Record(spikes=False, states={"exc": ["v", "u"]}, every="0.5 ms")),
        "4 s",
    ),
    "recorded spikes": (
        cells(2000, neuron=arc.lif(), bias="0.4493 nA", record=arc.Record()),  # 50 Hz, as is assumed
        "5 s",
    ),
    "sparse": (linked(3000, arc.Sparse(0.2), weight=FACTOR), "20 ms"),
    "dense with delays": (
        linked(
            1200,
            arc.Dense(),
            weight="0.1*xi",
            latents={"xi": arc.Normal(0, 1)},
            delay=arc.Uniform("0 ms", "5 ms"),
        ),
        "20 ms",
    ),
    "fixed in-degree": (linked(20_000, arc.FixedInDegree(50)), "20 ms"),
    "long delay": (linked(2000, arc.FixedInDegree(5), delay="5 s"), "20 ms"),
    "low rank": (linked(100_000, arc.LowRank(10, FACTOR, FACTOR)), "20 ms"),
    "frozen noise": (cells(1000, noise=arc.Noise(sigma=1.0, mode="frozen")), "4 s"),
    "drive": (
        cells(10, inputs=[arc.Input(name="drive", target="exc", n_channels=100, weight=0.01)]),
        "40 s",
    ),
    "plastic": (
        linked(
            2000,
            arc.Sparse(0.2),
            plasticity=arc.stdp(0.1, 0.1, modulator="reward", tau_e="1 s"),
            modulators=[arc.Modulator(name="reward")],
            record=arc.Record(spikes=False, readouts=(), weights={"exc->exc": "4 ms"}),
        ),
        "20 ms",
    ),
    "RLS": (read(1500, rule=arc.RLS(alpha=1.0)), "100 ms"),
    "features": (read(1000, period="1 ms", record=arc.Record(spikes=False, readouts=("features",))), "6 s"),
    "heterogeneous": (
        cells(200_000, neuron=arc.izh2003(a=arc.Uniform(0.01, 0.1), d="8 + a"), bias=arc.Normal(0, 1)),
        "5 ms",
    ),
}


def given(network: arc.Network, duration: str) -> dict[str, Any]:
    n_steps = round(arc.units.to_si(duration, "s", where="", name="") / network.dt)
    if network.modulators:
        return {"inputs": {"reward": np.zeros(n_steps)}}
    if network.inputs:
        return {"inputs": {"drive": np.zeros((n_steps, 100))}}
    if network.readouts and network.readouts["out"].rule is not None:
        return {"targets": {"out": np.zeros((-(-n_steps // 20), 2))}}
    return {}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:population 'exc' did not fire")
@pytest.mark.parametrize(
    ("name", "precision"),
    [*((name, "float64") for name in SPECS), ("sparse", "float32"), ("dense with delays", "float32")],
)
def test_prediction_is_within_15_percent_of_the_peak(name: str, precision: str) -> None:
    network, duration = SPECS[name]
    options = {"precision": precision, **given(network, "5 ms")}
    arc.simulate(network, "5 ms", seed=1, **options)  # compiled before the measurement
    options |= given(network, duration)
    gc.collect()
    tracemalloc.start()
    try:
        recording = arc.simulate(network, duration, seed=1, **options)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    predicted = recording.outcome["memory_bytes"]
    print(f"{name}, {precision}: predicted {predicted / 1e6:.1f} MB, measured {peak / 1e6:.1f} MB")
    assert peak > 10e6
    assert 0.85 < predicted / peak < 1.15


REFUSED: dict[str, tuple[arc.Network, int, str]] = {
    "recorded states": (
        cells(10**6, record=arc.Record(states={"exc": ["v"]}, every="0.5 ms")),
        7_200_000,
        "recorded states",
    ),
    "ring of a long delay": (linked(10**6, arc.FixedInDegree(1), delay="60 s"), 100, "population exc"),
    "ring of drawn delays": (
        linked(10**6, arc.FixedInDegree(1), delay=arc.Exponential("10 s")),
        100,
        "population exc",
    ),
    "dense": (linked(10**6, arc.Dense()), 100, "projection exc->exc"),
    "frozen noise": (cells(10**5, noise=arc.Noise(sigma=1.0, mode="frozen")), 10**7, "frozen noise of exc"),
    "RLS": (read(10**6, rule=arc.RLS(alpha=1.0)), 100, "read-out out"),
    "neurons": (cells(2 * 10**9), 100, "population exc"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_fit_is_refused_within_50_ms(name: str) -> None:
    network, n_steps, largest = REFUSED[name]
    with pytest.raises(MemoryLimitError):
        check_memory(network, n_steps, limit=10**9)  # what is imported at the first call is imported now
    start = time.process_time()
    with pytest.raises(MemoryLimitError) as caught:
        check_memory(network, n_steps, limit=64 * 10**9)
    assert time.process_time() - start < 0.05
    message = str(caught.value)
    assert f"{largest!r}" in message and "GB" in message and "Record less" in message
    assert str(caught.value.name) == "memory"


def test_the_limit_is_80_percent_of_what_is_free() -> None:
    from arcuate._inputs import SHARE, available_memory

    assert SHARE == 0.8
    steps = int(0.9 * available_memory() / (8 * 1000))
    network = cells(1000, record=arc.Record(spikes=False, states={"exc": ["v"]}, every="0.5 ms"))
    with pytest.raises(MemoryLimitError, match="recorded states"):
        check_memory(network, steps)
    assert sum(check_memory(network, steps // 2).values()) > 0


def test_parts_are_named_and_add_up() -> None:
    network = linked(1000, arc.FixedInDegree(100))
    parts = estimate_memory(network, 1000)
    assert set(parts) == {
        "population exc",
        "projection exc->exc",
        "building projection exc->exc",
        "recorded states",
    }
    assert parts["projection exc->exc"] == 12 * 100_000 + 8 * 1001


def test_single_precision_needs_four_bytes_less_for_each_synapse_that_stays_as_it_is() -> None:
    fixed = linked(1000, arc.FixedInDegree(100))
    moving = linked(1000, arc.FixedInDegree(100), plasticity=arc.stdp(0.1, 0.1))
    for network, less in ((fixed, 4 * 100_000), (moving, 0)):
        double, single = (
            estimate_memory(network, 100, precision=precision)["projection exc->exc"]
            for precision in ("float64", "float32")
        )
        assert double - single == less
