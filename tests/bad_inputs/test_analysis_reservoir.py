"""Bad inputs of the reservoir toolbox: our error, the argument's name, the value or the bound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import arcuate as arc
from arcuate import analysis
from arcuate.errors import ArcuateError

RNG = np.random.default_rng(0)
X, U = RNG.normal(size=(300, 4)), RNG.uniform(-1, 1, 300)
W = RNG.normal(size=(5, 5))
CUBE, TIMES = RNG.normal(size=(4, 6, 3)), np.arange(6) * 0.01
NAN = float("nan")


def spoiled(array: np.ndarray, value: float = NAN) -> np.ndarray:
    out = np.array(array, dtype=np.float64)
    out.flat[out.size // 2] = value
    return out


def simulation(duration: str = "1 s", engine: str = "numba") -> arc.Simulation:
    network = arc.Network(
        name="two",
        dt="0.1 ms",
        populations=[arc.Population(name="exc", n=2, neuron=arc.lif(), bias="0.5 nA")],
    )
    return arc.Simulation(network, duration, seed=1, engine=engine)


def numbers() -> arc.Simulation:
    """Potentials in mV, as plain numbers."""
    cell = arc.Population(name="exc", n=2, neuron=arc.izh2003())
    return arc.Simulation(arc.Network(name="izh", dt="0.5 ms", populations=[cell]), "1 s", seed=1)


def half(x: Any) -> Any:
    return 0.5 * x


def silent(spikes: list[float]) -> arc.Recording:
    return arc.Recording.build(
        spikes={"exc": {"time": spikes, "neuron": [0] * len(spikes), "n": 2}}, duration="0.2 s", source="test"
    )


def insert(**options: Any) -> Any:
    given = {"variable": "exc/v", "peak": 0.0, "n_insertions": 2, "duration": "50 ms", "gap": "10 ms"}
    return analysis.spike_insertion(simulation(), **{**given, **options})


ipc, memory = analysis.information_processing_capacity, analysis.memory_capacity
BAD: dict[str, tuple[Callable[[], Any], str, str]] = {
    # constant states and inputs (row 92), too few samples (93), other numbers of samples (94), NaN (95)
    "ipc constant states": (lambda: ipc(np.ones((300, 4)), U, max_delay=5), "states", "constant"),
    "ipc constant inputs": (lambda: ipc(X, np.full(300, 0.5), max_delay=5), "inputs", "vary"),
    "ipc few samples": (lambda: ipc(X[:2], U[:2]), "states", ">= 3"),
    "ipc few samples for delays": (lambda: ipc(X, U, max_delay=299), "states", "max_delay"),
    "ipc other number": (lambda: ipc(X, U[:-1]), "inputs", "(300,)"),
    "ipc nan row": (lambda: ipc(spoiled(X), U), "states", "finite"),
    "ipc nan input": (lambda: ipc(X, spoiled(U)), "inputs", "finite"),
    "ipc complex": (lambda: ipc(X + 1j, U), "states", "real"),
    "ipc complex input": (lambda: ipc(X, U + 1j), "inputs", "real"),
    "ipc object": (lambda: ipc(np.array([[None] * 4] * 300), U), "states", "real"),
    "ipc range": (lambda: ipc(X, 3 * U, max_delay=5), "inputs", "[-1, 1]"),
    "ipc two inputs": (lambda: ipc(X, np.stack([U, U], axis=1)), "inputs", "(300,)"),
    "ipc degree 0": (lambda: ipc(X, U, max_degree=0), "max_degree", ">= 1"),
    "ipc degree missing": (lambda: ipc(X, U, max_delay={1: 3}), "max_delay", "2 is missing"),
    "ipc p": (lambda: ipc(X, U, p=0.0), "p", "> 0"),
    "ipc level": (lambda: ipc(X, U, max_delay=5, level=1.0), "level", "< 1"),
    "ipc progress": (lambda: ipc(X, U, max_delay=5, progress="yes"), "progress", "products"),
    "memory constant states": (lambda: memory(np.ones((300, 4)), U, max_delay=5), "states", "constant"),
    "memory few samples": (lambda: memory(X[:2], U[:2]), "states", ">= 3"),
    "memory few samples for delays": (lambda: memory(X, U, max_delay=200), "states", "max_delay"),
    "memory nan": (lambda: memory(spoiled(X), U), "states", "finite"),
    "memory train": (lambda: memory(X, U, max_delay=5, train=1.0), "train", "< 1"),
    "memory first delay": (lambda: memory(X, U, max_delay=5, first_delay=6), "first_delay", "<= 5"),
    "memory alpha": (lambda: memory(X, U, max_delay=5, alpha=-1.0), "alpha", ">= 0"),
    # ranks and separation
    "rank constant": (lambda: analysis.kernel_rank(np.ones((9, 3))), "states", "constant"),
    "rank two inputs": (lambda: analysis.kernel_rank(X[:2]), "states", "3 inputs"),
    "rank nan": (lambda: analysis.kernel_rank(spoiled(X)), "states", "finite"),
    "rank complex": (lambda: analysis.kernel_rank(X * 1j), "states", "real"),
    "rank tolerance": (lambda: analysis.kernel_rank(X, tolerance=1.0), "tolerance", "< 1"),
    "rank share": (lambda: analysis.kernel_rank(X, share=1.0), "share", "< 1"),
    "rank units": (lambda: analysis.kernel_rank(X, similar=X[:, :3]), "similar", "4 units"),
    "separation shape": (
        lambda: analysis.separation(CUBE, CUBE[:3], times=TIMES, distance=np.ones(4)), "second", "(4, 6, 3)",
    ),
    "separation distance": (
        lambda: analysis.separation(CUBE, CUBE, times=TIMES, distance=-np.ones(4)), "distance", ">= 0",
    ),
    "separation one distance": (
        lambda: analysis.separation(CUBE, CUBE, times=TIMES, distance=[1.0]), "distance", "(4,)",
    ),
    "separation times": (
        lambda: analysis.separation(CUBE, CUBE, times=TIMES[::-1], distance=np.ones(4)), "times", "ascend",
    ),
    # gain
    "radius not square": (lambda: analysis.spectral_radius(X), "weights", "square"),
    "radius complex": (lambda: analysis.spectral_radius(W + 1j), "weights", "real"),
    "radius nan": (lambda: analysis.spectral_radius(spoiled(W)), "weights", "finite"),
    "radius empty": (lambda: analysis.spectral_radius(np.empty((0, 0))), "weights", "square"),
    "gain slopes": (lambda: analysis.effective_gain(W, np.ones(4)), "slope", "(5,)"),
    "gain error": (lambda: analysis.effective_gain(W, 1.0, error=-1.0), "error", ">= 0"),
    "slope few": (lambda: analysis.response_slope([0, 1, 2], [0, 1, 2], at=1), "current", "4"),
    "slope outside": (lambda: analysis.response_slope([0, 1, 2, 3], [0, 1, 2, 3], at=4), "at", "[0, 3]"),
    "slope shape": (lambda: analysis.response_slope([0, 1, 2, 3], [0, 1], at=1), "rate", "4 currents"),
    # sensitivity; rows 91: silent recordings have no distance
    "distance no recording": (lambda: analysis.spike_distance(X, X), "first", "Recording"),
    "distance window": (
        lambda: analysis.spike_distance(silent([0.1]), silent([0.1]), window="1 s"), "bin_width", "0.2",
    ),
    "distance span": (
        lambda: analysis.spike_distance(silent([0.1]), simulation().advance("100 ms")), "second", "span",
    ),
    "insertion one": (lambda: insert(n_insertions=1), "n_insertions", ">= 2"),
    "insertion variable": (lambda: insert(variable="exc/x"), "variable", "exc/v"),
    "insertion peak": (lambda: insert(peak=NAN), "peak", "finite"),
    "insertion peak unit": (lambda: insert(peak="1 ms"), "peak", "V"),
    "insertion low peak": (lambda: insert(peak=-1.0), "peak", "must fire"),
    "insertion too long": (lambda: insert(duration="5 s"), "duration", "left"),
    "insertion system": (
        lambda: analysis.spike_insertion(half, variable="exc/v", peak=0.0), "system", "Simulation",
    ),
    "twin no state": (lambda: analysis.lyapunov_twin(half, d0=1e-3), "state", "is needed"),
    "twin d0": (lambda: analysis.lyapunov_twin(half, 1.0, d0=0.0), "d0", "> 0"),
    "twin d0 nan": (lambda: analysis.lyapunov_twin(half, 1.0, d0=NAN), "d0", "finite"),
    "twin state nan": (lambda: analysis.lyapunov_twin(half, NAN, d0=1.0), "state", "finite"),
    "twin state complex": (lambda: analysis.lyapunov_twin(half, 1j, d0=1.0), "state", "real"),
    "twin shape": (lambda: analysis.lyapunov_twin(lambda x: x[:1], [1.0, 2.0], d0=1.0), "system", "shape"),
    "twin intervals": (lambda: analysis.lyapunov_twin(half, 1, d0=1.0, n_intervals=3), "n_intervals", ">= 4"),
    "twin variable": (
        lambda: analysis.lyapunov_twin(simulation(), d0="1 mV", variables=["exc/x"]), "variable", "exc/v",
    ),
    "twin none": (lambda: analysis.lyapunov_twin(simulation(), d0="1 mV", variables=[]), "variables", "name"),
    "twin one name": (
        lambda: analysis.lyapunov_twin(simulation(), d0="1 mV", variables="exc/v"), "variables", "several",
    ),
    "twin name twice": (
        lambda: analysis.lyapunov_twin(simulation(), d0="1 mV", variables=["exc/v"] * 2), "variables", "once",
    ),
    "twin state of a run": (
        lambda: analysis.lyapunov_twin(simulation(), 0.3, d0="1 mV"), "state", "function",
    ),
    "twin part of a step": (
        lambda: analysis.lyapunov_twin(simulation(), d0="1 mV", interval="0.14 ms"), "interval", "whole",
    ),
    "twin less than a step": (
        lambda: analysis.lyapunov_twin(simulation(), d0="1 mV", interval="0.04 ms"), "interval", "whole",
    ),
    "twin unit": (lambda: analysis.lyapunov_twin(simulation(), d0="1 ms"), "d0", "V"),
    "twin unit of numbers": (lambda: analysis.lyapunov_twin(numbers(), d0="1 mV"), "d0", "number"),
    "twin engine": (
        lambda: analysis.lyapunov_twin(simulation(engine="brian2"), d0="1 mV"), "read_state", "numba",
    ),
    "tangent drive": (lambda: analysis.lyapunov_tangent(W, 0.0, tau="10 ms"), "drive", "positive"),
    "tangent shape": (lambda: analysis.lyapunov_tangent(X, 1.0, tau="10 ms"), "weights", "square"),
    "tangent tau": (lambda: analysis.lyapunov_tangent(W, 1.0, tau=10), "tau", "10"),
    "tangent many": (lambda: analysis.lyapunov_tangent(W, 1, tau="1 s", n_exponents=6), "n_exponents", "5"),
    "tangent spikes": (lambda: analysis.lyapunov_tangent(W, 1.0, tau="1 ms", n_spikes=9), "n_spikes", "100"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_name_and_bound(case):
    call, name, text = BAD[case]
    with pytest.raises(ArcuateError) as caught:
        call()
    message = str(caught.value)
    assert name in message
    assert text in message
    assert message.count("\n") < 4


def test_recordings_without_or_with_one_spike_have_a_distance():
    none, one = silent([]), silent([0.06])
    assert analysis.spike_distance(none, none).values.tolist() == [0.0] * 4
    assert analysis.spike_distance(none, one).values.tolist() == [0.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize("kind", ["float16", "int16"])
def test_other_kinds_of_numbers_give_what_doubles_give(kind):
    states = (20 * X).astype(kind)
    for measure in (
        lambda x: ipc(x, U, max_delay=5, max_degree=1).by_delay,
        lambda x: memory(x, U, max_delay=5).capacity,
        lambda x: analysis.kernel_rank(x).kernel,
    ):
        assert np.array_equal(measure(states), measure(states.astype(np.float64)))


def test_large_offsets_are_centered():
    for measure in (
        lambda x: ipc(x, U, max_delay=5, max_degree=1, p=0.5).capacity,
        lambda x: memory(x, U, max_delay=5).capacity,
    ):
        np.testing.assert_allclose(measure(X + 1e8), measure(X), atol=1e-5)
